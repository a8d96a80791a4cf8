//! Observing: what a receiver says it has processed, asked over HTTP.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use crate::egress::probe::Prober;

/// How long a receiver may take to process what it has answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked meanwhile, and how long nothing must change before it is believed.
const ASK_EVERY: Duration = Duration::from_millis(50);
const STILL: Duration = Duration::from_millis(500);

/// Where a receiver says how many events it has processed.
#[derive(Clone, Debug)]
pub struct Observer {
    /// Answers GET with JSON that has a number `processed`.
    pub url: String,
    /// Headers to ask with.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Deserialize)]
struct Processed {
    processed: u64,
}

impl Observer {
    /// How many events were processed so far. Error: why nobody knows, in a sentence.
    pub(super) async fn processed(&self, prober: &Prober) -> Result<u64, String> {
        let answer = prober.get(&self.url, &self.headers).await.map_err(|unreachable| unreachable.0)?;
        if answer.status != Some(200) {
            return Err(format!("{} answered {} instead of 200", self.url, answer.status.unwrap_or_default()));
        }
        let wrong = |error| format!("{} does not answer JSON with a number `processed`: {error}", self.url);
        serde_json::from_slice::<Processed>(&answer.body).map(|answer| answer.processed).map_err(wrong)
    }

    /// How many were processed since there were `before`, once that no longer changes; `least` are waited for.
    pub(super) async fn settled(&self, prober: &Prober, before: u64, least: u64) -> Result<u64, String> {
        let (mut last, mut still, mut waited) = (self.processed(prober).await?, Duration::ZERO, Duration::ZERO);
        while waited < PATIENCE && (still < STILL || last.saturating_sub(before) < least) {
            tokio::time::sleep(ASK_EVERY).await;
            waited += ASK_EVERY;
            let now = self.processed(prober).await?;
            still = if now == last { still + ASK_EVERY } else { Duration::ZERO };
            last = now;
        }
        Ok(last.saturating_sub(before))
    }
}
