//! What `verify` and `sign` ask alike: whose form, which secrets, which moment, which bytes.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, Kind, Result};
use crate::inbound::{Algorithm, Encoding, Form};
use crate::provider::Provider;

/// The longest body that is read, in bytes; far beyond what any provider sends.
const BODY_BYTES_MAX: u64 = 67_108_864;

#[derive(Args)]
pub(super) struct ProofArgs {
    /// Whose form it has: standard, fintoc, bridge, finix, svix or generic.
    #[arg(value_name = "PROVIDER", value_parser = Provider::parse)]
    pub provider: Provider,
    /// A secret as the provider shows it; may be given several times.
    #[arg(long = "secret", value_name = "SECRET", required = true, env = "POSTHASTE_SECRET", hide_env_values = true)]
    pub secrets: Vec<String>,
    /// The moment that counts as now: seconds since 1970, or 2026-11-25T10:00:00Z.
    #[arg(long, value_name = "UNIX|RFC3339", env = "POSTHASTE_AT", value_parser = at_secs, allow_negative_numbers = true)]
    at: Option<i64>,
    #[command(flatten)]
    form: FormArgs,
    /// The body's bytes, as they are; `-` for what comes in.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

#[derive(Args)]
struct FormArgs {
    /// The header of a generic sender's signature.
    #[arg(long, value_name = "NAME", env = "POSTHASTE_SIGNATURE_HEADER", default_value = "X-Hub-Signature-256", value_parser = header_name)]
    signature_header: String,
    /// The hash of a generic sender's HMAC.
    #[arg(long, env = "POSTHASTE_ALGORITHM", default_value = "sha256", value_parser = ["sha256", "sha1", "sha512"])]
    algorithm: String,
    /// How a generic sender writes a signature.
    #[arg(long, env = "POSTHASTE_ENCODING", default_value = "hex", value_parser = ["hex", "base64"])]
    encoding: String,
    /// What a generic sender writes before a signature; may be empty.
    #[arg(long, env = "POSTHASTE_PREFIX", default_value = "sha256=")]
    prefix: String,
}

impl ProofArgs {
    /// The moment that counts as now, in seconds since 1970.
    pub fn at_secs(&self) -> i64 {
        self.at.unwrap_or_else(|| SystemClock::start().now().wall_ms.div_euclid(1_000))
    }

    /// How a generic sender signs.
    pub fn form(&self) -> Form {
        let algorithm = match self.form.algorithm.as_str() {
            "sha1" => Algorithm::Sha1,
            "sha512" => Algorithm::Sha512,
            _ => Algorithm::Sha256,
        };
        let encoding = if self.form.encoding == "base64" { Encoding::Base64 } else { Encoding::Hex };
        let header = self.form.signature_header.to_lowercase();
        Form { header, algorithm, encoding, prefix: self.form.prefix.clone(), ..Form::default() }
    }

    /// The header of a generic sender's signature as it was asked for.
    pub fn signature_header(&self) -> &str {
        &self.form.signature_header
    }

    /// Reads the body. Error: it cannot be read, or is too long.
    pub fn body(&self) -> Result<Vec<u8>> {
        let wrong = |why: String| Error::new(Kind::Invalid, "file", format!("{}: {why}", self.file.display()));
        let mut body = Vec::new();
        let input: Box<dyn std::io::Read> = if self.file == Path::new("-") {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(std::fs::File::open(&self.file).map_err(|error| wrong(error.to_string()))?)
        };
        input.take(BODY_BYTES_MAX + 1).read_to_end(&mut body).map_err(|error| wrong(error.to_string()))?;
        if body.len() as u64 > BODY_BYTES_MAX {
            return Err(wrong(format!("is longer than {BODY_BYTES_MAX} bytes")));
        }
        Ok(body)
    }
}

pub(super) fn at_secs(text: &str) -> Result<i64, String> {
    let moment = || text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second);
    let wrong = |_| "use seconds since 1970, or a moment such as 2026-11-25T10:00:00Z".to_owned();
    text.parse().or_else(|_| moment().map_err(wrong))
}

fn header_name(text: &str) -> Result<String, String> {
    let wrong = |_| "use the name of a header, such as X-Signature".to_owned();
    http::HeaderName::try_from(text).map(|_| text.to_owned()).map_err(wrong)
}
