//! Which events an endpoint wants, as requests say it: types under Svix's new and old name, and channels.

use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::http::call::present;

/// What a request says of it: absent keeps (or wants all, where the whole endpoint is given), null wants all.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionIn {
    #[serde(default, deserialize_with = "present")]
    event_types: Option<Option<Vec<String>>>,
    /// The name that older SDKs know.
    #[serde(default, deserialize_with = "present")]
    filter_types: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "present")]
    channels: Option<Option<Vec<String>>>,
}

impl SubscriptionIn {
    /// What a new endpoint is to want. Error: no channel is named. No type named is all: `svix-react` makes endpoints so.
    pub(super) fn made(self) -> Result<Self> {
        named("channels", "channel", self.channels.as_ref())?;
        Ok(self)
    }

    /// What an endpoint that exists is to want. Error: a list names nothing; read as all, a client that takes the last
    /// name out of a list would subscribe to everything.
    pub(super) fn changed(self) -> Result<Self> {
        named("eventTypes", "event type", self.event_types.as_ref())?;
        named("filterTypes", "event type", self.filter_types.as_ref())?;
        self.made()
    }

    /// The types that are wanted; empty for all, `None` when nothing is said.
    pub(super) fn event_types(&self) -> Option<Vec<String>> {
        let lists = [self.event_types.as_ref(), self.filter_types.as_ref()];
        let given = lists.into_iter().flatten().flatten().next();
        let said = lists.iter().any(Option::is_some);
        given.cloned().or_else(|| said.then(Vec::new))
    }

    /// The endpoint wants that, and all of what is not said.
    pub(super) fn replace(&self, endpoint: &mut Endpoint) {
        endpoint.event_types = self.event_types().unwrap_or_default();
        endpoint.channels = self.channels.clone().flatten().unwrap_or_default();
    }

    /// The endpoint wants that, and of what is not said what it wanted before.
    pub(super) fn apply(&self, endpoint: &mut Endpoint) {
        if let Some(event_types) = self.event_types() {
            endpoint.event_types = event_types;
        }
        if let Some(channels) = self.channels.clone() {
            endpoint.channels = channels.unwrap_or_default();
        }
    }
}

fn named(field: &str, what: &str, list: Option<&Option<Vec<String>>>) -> Result<()> {
    match list {
        Some(Some(names)) if names.is_empty() => {
            Err(Error::field(field, format!("names no {what}; name one at least, or send null for all")))
        }
        _ => Ok(()),
    }
}
