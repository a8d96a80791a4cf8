//! demo
use clap::Args;
#[derive(Args)]
pub(super) struct DemoArgs {}
pub(super) fn run(_args: DemoArgs) -> anyhow::Result<std::process::ExitCode> {
    anyhow::bail!("x")
}
