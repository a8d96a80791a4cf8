//! How an endpoint's deliveries are made: plain fields of an endpoint beside Svix's own.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::filter::Filter;
use crate::handling::Handling;
use crate::http::call::present;
use crate::ordering::Ordering;

/// What a request says of it: absent keeps (or is as usual, where the whole endpoint is given), null unsets.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HandlingIn {
    #[serde(default, deserialize_with = "present")]
    retry_schedule: Option<Option<Vec<u32>>>,
    #[serde(default, deserialize_with = "present")]
    timeout_seconds: Option<Option<u16>>,
    #[serde(default, deserialize_with = "present")]
    max_in_flight: Option<Option<u16>>,
    #[serde(default, deserialize_with = "present")]
    throttle_rate: Option<Option<u16>>,
    /// The name that older SDKs know.
    #[serde(default, deserialize_with = "present")]
    rate_limit: Option<Option<u16>>,
    paused: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    filter: Option<Option<Value>>,
    ordering: Option<Ordering>,
    #[serde(default, deserialize_with = "present")]
    ordering_key: Option<Option<String>>,
    /// Svix's callers may give it; it is checked as there, and counted here.
    #[serde(rename = "version")]
    _version: Option<NonZeroU16>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HandlingOut {
    rate_limit: Option<u16>,
    throttle_rate: Option<u16>,
    retry_schedule: Option<Vec<u32>>,
    timeout_seconds: Option<u16>,
    max_in_flight: Option<u16>,
    paused: bool,
    filter: Option<Value>,
    ordering: Ordering,
    ordering_key: Option<String>,
}

impl HandlingIn {
    /// The handling after it. Error: a filter that is none.
    pub(super) fn apply(&self, before: &Handling) -> Result<Handling> {
        fn changed<T: Clone>(before: Option<&T>, given: Option<&Option<T>>) -> Option<T> {
            given.map_or_else(|| before.cloned(), Clone::clone)
        }
        let filter = match &self.filter {
            None => before.filter.clone(),
            Some(None) => None,
            Some(Some(value)) => Some(Filter::new(value.clone())?),
        };
        Ok(Handling {
            retry_schedule: changed(before.retry_schedule.as_ref(), self.retry_schedule.as_ref()),
            timeout_seconds: changed(before.timeout_seconds.as_ref(), self.timeout_seconds.as_ref()),
            max_in_flight: changed(before.max_in_flight.as_ref(), self.max_in_flight.as_ref()),
            throttle_rate: changed(
                before.throttle_rate.as_ref(),
                self.throttle_rate.as_ref().or(self.rate_limit.as_ref()),
            ),
            paused: self.paused.unwrap_or(before.paused),
            filter,
            ordering: self.ordering.unwrap_or(before.ordering),
            ordering_key: changed(before.ordering_key.as_ref(), self.ordering_key.as_ref()),
        })
    }
}

impl From<Box<Handling>> for HandlingOut {
    fn from(handling: Box<Handling>) -> Self {
        let handling = *handling;
        Self {
            rate_limit: handling.throttle_rate,
            throttle_rate: handling.throttle_rate,
            retry_schedule: handling.retry_schedule,
            timeout_seconds: handling.timeout_seconds,
            max_in_flight: handling.max_in_flight,
            paused: handling.paused,
            filter: handling.filter.map(|filter| filter.value().clone()),
            ordering: handling.ordering,
            ordering_key: handling.ordering_key,
        }
    }
}
