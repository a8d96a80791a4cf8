//! What the operator decides for all endpoints: what signs by default, which URLs they may have, when is tried again.

use std::sync::Arc;

use clap::Args;

use crate::egress::guard;
use crate::egress::resolve::{Dns, Resolver};
use crate::error::Error;
use crate::http::state::{EndpointRules, JudgeUrl};
use crate::retry::{self, Ladder};
use crate::secret::Scheme;

/// The word for a ladder without a second attempt, which a list of flags cannot say by being empty.
pub(super) const NO_RETRIES: &str = "none";

/// What holds for endpoints that say nothing else.
#[derive(Args, Clone, Debug, Default)]
pub struct EndpointArgs {
    /// With what new endpoints sign whose request brings no secret: hmac (`whsec_`, one secret for both sides) or
    /// ed25519 (a private key here, its public key `whpk_` for the receiver). A rotation without a key keeps what the
    /// endpoint has. Applications in the form of fintoc, bridge or finix have secrets of their own kind.
    #[arg(long, env = "POSTHASTE_DEFAULT_SIGNATURE", default_value = "hmac", value_name = "hmac|ed25519", value_parser = scheme)]
    pub default_signature: Scheme,
    /// New endpoints, and those whose URL changes, must have an https URL; those that exist are delivered to as before.
    #[arg(long, env = "POSTHASTE_HTTPS_ONLY")]
    pub https_only: bool,
    /// When a failed delivery is tried again, in seconds after the attempt before, such as 5,300,1800,7200: at most 30
    /// waits of 1 to 86400, 8 days together; `none` for no second attempt. Unless given: ten attempts over three days.
    /// An endpoint's own retrySchedule and the schedules of fintoc, bridge and finix come before it.
    #[arg(long, env = "POSTHASTE_RETRY_SCHEDULE", value_delimiter = ',', value_name = "SECONDS")]
    pub retry_schedule: Vec<String>,
}

impl EndpointArgs {
    /// The same, read. Error: a schedule that is none.
    pub(super) fn rules(&self) -> Result<EndpointRules, Error> {
        let Self { default_signature, https_only, .. } = *self;
        Ok(EndpointRules { default_signature, https_only, ladder: self.ladder()? })
    }

    /// The ladder of whoever has none of its own. Error: a wait that is no number, the limits.
    fn ladder(&self) -> Result<Ladder, Error> {
        let wrong = |why: &str| Error::field("retry-schedule", format!("--retry-schedule {why}"));
        let words: Vec<&str> = self.retry_schedule.iter().map(|word| word.trim()).collect();
        if words.is_empty() {
            return Ok(retry::STANDARD.clone());
        }
        if words == [NO_RETRIES] {
            return Ok(Ladder::of(Vec::new()));
        }
        let waits_secs = words.iter().map(|word| word.parse()).collect::<Result<Vec<u32>, _>>();
        let waits_secs = waits_secs.map_err(|_| {
            wrong(&format!(
                "{} is no list of whole seconds such as 5,300,1800, and not `{NO_RETRIES}`",
                words.join(",")
            ))
        })?;
        retry::check(&waits_secs).map_err(|why| wrong(&why))?;
        Ok(Ladder::of(waits_secs))
    }
}

fn scheme(word: &str) -> Result<Scheme, String> {
    Scheme::parse(word).ok_or_else(|| "use hmac or ed25519".to_owned())
}

/// The guard's verdict in the API's words, and the URL as it is kept.
pub(super) fn judge_by(resolver: Resolver<Dns>) -> JudgeUrl {
    let resolver = Arc::new(resolver);
    Arc::new(move |url| {
        let resolver = Arc::clone(&resolver);
        Box::pin(async move {
            let judged = match resolver.judge(&url).await {
                Ok(()) => guard::normal(&url),
                Err(refused) => Err(refused),
            };
            judged.map_err(|refused| {
                let mut error = Error::field("url", refused.to_string());
                error.code = refused.code();
                error
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_is_read_within_the_limits_of_an_endpoints_own() {
        let read = |text: &str| {
            let words = text.split(',').map(str::to_owned).collect();
            EndpointArgs { retry_schedule: words, ..EndpointArgs::default() }.ladder().map_err(|error| error.detail)
        };
        assert_eq!(EndpointArgs::default().ladder().expect("the usual"), retry::STANDARD);
        assert_eq!(read("5, 300,86400").expect("three waits"), Ladder::of(vec![5, 300, 86_400]));
        assert_eq!(read("none").expect("none"), Ladder::of(Vec::new()));
        let long = vec!["1"; 31].join(",");
        for wrong in [
            "",
            "0",
            "-1",
            "5,",
            "5s",
            "86401",
            "none,5",
            "1.5",
            &long,
            "86400,86400,86400,86400,86400,86400,86400,86400,1",
        ] {
            assert!(read(wrong).expect_err(wrong).contains("--retry-schedule"), "{wrong}");
        }
    }
}
