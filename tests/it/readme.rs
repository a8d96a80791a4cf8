//! README is true: every block of it is run in order, as it stands there, on a fresh server of the real program.
//!
//! What a reader has to fill in (`ep_…`, `whsec_…`) is filled in from what came before, and ports are replaced by free
//! ones. Nothing needs an issuer of single sign-on to start; of the two lines for a fresh clone, `cargo build` made the
//! program that runs here, and `scripts/test` runs this test.

mod shell;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use shell::Shell;

use crate::world::{World, program};

/// A block of the page: its language and its text.
#[derive(Debug)]
struct Block {
    language: String,
    text: String,
}

type Hold = fn(&mut Shell, &Block);

/// How a block is held to be true; each stands here with its first line, and none is left out.
const BLOCKS: [(&str, Hold); 14] = [
    ("cargo run --release -- demo", demo),
    ("cargo build --release", first_start),
    ("python3 examples/receiver.py", run),
    ("KEY=sk_test_…", run),
    ("IN=http://127.0.0.1:8071/ingest/api/v1/source", run),
    ("call $IN/fintoc/conflict", held_back),
    ("posthaste trigger fintoc --list", run),
    ("posthaste sandbox --speed 60", run),
    ("import finix, fintoc", python),
    ("require(\"fintoc/build/main/lib/constants\")", javascript),
    ("fintoc() {", run),
    ("EP=$API/app/acme/endpoint/ep_…", run),
    ("export POSTHASTE_OIDC_CLIENT_SECRET", run),
    ("call $API/auth/app-portal-access/acme", run),
];
/// Flags that README names and that are other programs'.
const FOREIGN_FLAGS: [&str; 2] = ["--release", "--features"];

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md")
}

fn blocks(page: &str) -> Vec<Block> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    let block = |fenced: &str| {
        let (language, text) = fenced.split_once('\n').expect("a language, and a text below");
        Block { language: language.to_owned(), text: text.to_owned() }
    };
    fenced.map(block).collect()
}

#[test]
fn every_block_of_the_page_does_what_it_says() {
    let blocks = blocks(&page());
    let mut shell = Shell::start();
    for (number, block) in blocks.iter().enumerate() {
        let covered = BLOCKS.get(number).filter(|(first, _)| block.text.starts_with(first));
        let (_, hold) =
            covered.unwrap_or_else(|| panic!("a block that no test runs; add it to BLOCKS: {}", block.text));
        hold(&mut shell, block);
    }
    assert_eq!(blocks.len(), BLOCKS.len(), "a block is gone; take it out of BLOCKS");
}

#[test]
fn every_flag_that_the_page_names_is_one() {
    let mut known: BTreeSet<String> = FOREIGN_FLAGS.map(str::to_owned).into();
    let help =
        |words: &[&str]| String::from_utf8(program().args(words).output().expect("it runs").stdout).expect("text");
    let all = help(&["--help"]);
    let (_, commands) = all.split_once("Commands:").expect("commands");
    for command in
        commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()))
    {
        let pages = [help(&[command, "--help"]), help(&[command, "create", "--help"])];
        known.extend(pages.iter().flat_map(|page| flags(page)));
    }
    let named: BTreeSet<String> = flags(&page()).into_iter().collect();
    assert!(named.len() > 25, "{named:?}");
    assert_eq!(named.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_sandboxs_own_page_says_the_same() {
    let sandbox = World::sandbox(&[]);
    let shown = sandbox
        .call_as("", "GET", "/", &[], "")
        .body
        .replace("&quot;", "\"")
        .replace(&sandbox.url, "http://127.0.0.1:8072");
    let page = page();
    let host = "http://127.0.0.1:8072";
    for line in [
        format!("client._client.base_url = \"{host}/fintoc\""),
        format!("finix.Configuration(environment=\"{host}/finix\", username=\"USmine\", password=\"any\")"),
        format!("require(\"fintoc/build/main/lib/constants\").API_BASE_URL = \"{host}/fintoc\"; // before new Fintoc"),
    ] {
        assert!(page.contains(&line) && shown.contains(&line), "{line}: {shown}");
    }
}

/// The words of a text that begin with `--`.
fn flags(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.starts_with("--") && !word.ends_with('-')).map(str::to_owned).collect()
}

fn run(shell: &mut Shell, block: &Block) {
    assert_eq!(block.language, "sh");
    shell.run(&block.text);
}

/// In a fresh clone: the demo; `scripts/test` is what runs this.
fn demo(_: &mut Shell, block: &Block) {
    let demo = program().args(["demo", "--for", "1s"]).output().expect("it runs");
    assert!(demo.status.success() && demo.stdout.len() > 100, "{demo:?}");
    let scripts: Vec<_> = block.text.lines().skip(1).map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(scripts, ["scripts/test"]);
}

/// The server's first words are those that stand below it.
fn first_start(shell: &mut Shell, block: &Block) {
    let said = shell.run(&block.text.replace("cargo build --release\n", ""));
    let promised = block.text.lines().filter_map(|line| line.strip_prefix("# "));
    let label = |line: &str| line.split_inclusive([':', '/']).next().unwrap_or_default().to_owned();
    let promised: Vec<_> = promised.map(label).collect();
    assert_eq!(said.lines().map(label).collect::<Vec<_>>(), promised, "{said}");
    shell.know("sk_test_", said.lines().next().expect("a key").trim_start_matches("admin key: "));
}

/// Before it is decided, something is held back; what a provider lists after an outage stands in a file.
fn held_back(shell: &mut Shell, block: &Block) {
    shell.contradict();
    shell.run(&block.text);
}

fn python(shell: &mut Shell, block: &Block) {
    assert_eq!(block.language, "python");
    let asked = "print(list(client.webhook_endpoints.list()), api.webhooks.list())";
    shell.script("python", &["-c"], &format!("{}\n{asked}", block.text));
}

fn javascript(shell: &mut Shell, block: &Block) {
    assert_eq!(block.language, "js");
    let asked = "client.webhookEndpoints.all().then((found) => console.log(typeof found));";
    shell.script("node", &["-e"], &format!("{}\n{asked}", block.text));
}
