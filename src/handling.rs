//! Handling: how one endpoint's deliveries are made, where it wants another way than the usual one.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::ordering::{OrderKey, Ordering};
use crate::retry::{self, Ladder};

/// How long an attempt may take, in seconds.
const TIMEOUT_SECS_MAX: u16 = 60;
/// How many attempts at one time: unless it says otherwise, and at most.
pub const IN_FLIGHT: usize = 32;
const IN_FLIGHT_MAX: u16 = 256;
/// How long the pointer to an ordering's key may be, in bytes.
const POINTER_BYTES_MAX: usize = 1_024;

/// How deliveries to one endpoint are made; what is `None` is as usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Handling {
    /// The waits before each attempt after the first, in seconds, instead of the usual ladder; none for no second one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_schedule: Option<Vec<u32>>,
    /// How long one attempt may take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u16>,
    /// How many attempts at one time, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u16>,
    /// How many attempts are begun in a second, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle_rate: Option<u16>,
    /// Deliveries are made and wait.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Which payloads go there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// In which order.
    #[serde(default, skip_serializing_if = "Ordering::is_usual")]
    pub ordering: Ordering,
    /// Where in the payload, as it is delivered, the key of the ordering stands: a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordering_key: Option<String>,
}

impl Handling {
    /// Checks every field against its limit.
    pub fn check(&self) -> Result<()> {
        if let Some(waits_secs) = &self.retry_schedule {
            retry::check(waits_secs).map_err(|why| Error::field("retrySchedule", why))?;
        }
        within("timeoutSeconds", self.timeout_seconds, TIMEOUT_SECS_MAX)?;
        within("maxInFlight", self.max_in_flight, IN_FLIGHT_MAX)?;
        within("throttleRate", self.throttle_rate, u16::MAX)?;
        self.check_ordering()?;
        self.filter.as_ref().map_or(Ok(()), Filter::check)
    }

    fn check_ordering(&self) -> Result<()> {
        let sound = |pointer: &String| pointer.starts_with('/') && pointer.len() <= POINTER_BYTES_MAX;
        match &self.ordering_key {
            None if self.ordering == Ordering::Key => {
                Err(Error::field("orderingKey", "is missing; `ordering: key` needs to know where, such as /data/id"))
            }
            Some(pointer) if !sound(pointer) => {
                let message = format!(
                    "must be a JSON pointer of at most {POINTER_BYTES_MAX} bytes that begins with `/`, such as /data/id"
                );
                Err(Error::field("orderingKey", message))
            }
            _ => Ok(()),
        }
    }

    /// The key under which a payload waits its turn; `None` when it waits for nobody.
    pub fn order_key(&self, payload: &[u8]) -> Option<OrderKey> {
        let pointer = self.ordering_key.as_ref().filter(|_| self.ordering == Ordering::Key)?;
        OrderKey::of(pointer, payload)
    }

    /// The ladder: its own schedule with the usual jitter, else the one given.
    pub fn ladder<'a>(&self, usual: &'a Ladder) -> Cow<'a, Ladder> {
        let own = self.retry_schedule.as_ref();
        own.map_or(Cow::Borrowed(usual), |waits_secs| Cow::Owned(Ladder::of(waits_secs.clone())))
    }

    /// How long one attempt may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_seconds.map(|secs| Duration::from_secs(secs.into()))
    }

    /// How many attempts at one time.
    pub fn in_flight_max(&self) -> usize {
        self.max_in_flight.map_or(IN_FLIGHT, usize::from)
    }
}

fn within(name: &str, value: Option<u16>, max: u16) -> Result<()> {
    match value {
        Some(value) if value == 0 || value > max => Err(Error::field(name, format!("must be from 1 to {max}"))),
        _ => Ok(()),
    }
}
