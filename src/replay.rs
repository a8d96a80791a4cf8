//! A replay: many deliveries of one endpoint made again, or sent before their time, slice by slice.

use serde::{Deserialize, Serialize};

use crate::delivery::Standing;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::id::{ApplicationId, EndpointId, EnvironmentId, EventId, Id as _, TaskId, floor_at};

/// How far back failed deliveries are recovered: 14 days, and five minutes for whoever asks late.
pub const RECOVER_MS_MAX: i64 = 14 * 86_400_000 + 300_000;

/// Which deliveries are made again; the numbers are the store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Those whose last attempt failed, whether they wait for the next one or have ended: each with its whole ladder.
    Recover = 0,
    /// All that were tried and fit, whatever became of them: each with its whole ladder.
    Bulk = 1,
    /// Those that were never made: the endpoint did not exist yet, or was disabled.
    Missing = 2,
    /// Those that wait for a retry: due now, each on the step of its ladder where it stands.
    Waiting = 3,
}

impl Kind {
    /// Reads the number; `None` for one that is none.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Recover, Self::Bulk, Self::Missing, Self::Waiting].into_iter().find(|kind| *kind as i64 == number)
    }

    /// Its name as a background task.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recover => "endpoint.recover",
            Self::Bulk => "endpoint.bulk-replay",
            Self::Missing => "endpoint.replay",
            Self::Waiting => "endpoint.send-waiting",
        }
    }

    /// Whether its deliveries have not succeeded, so that an index knows them and they are counted when it begins.
    pub fn is_of_open(self) -> bool {
        matches!(self, Self::Recover | Self::Waiting)
    }
}

/// Where it stands; the numbers are the store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// There is more to do.
    Running = 0,
    /// All that was to be made again is on its way.
    Finished = 1,
    /// Somebody called it off, or its endpoint is gone.
    Canceled = 2,
}

impl State {
    /// Reads the number; `None` for one that is none.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Running, Self::Finished, Self::Canceled].into_iter().find(|state| *state as i64 == number)
    }

    /// The status of a background task; the SDKs know no fourth one for what was called off.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Canceled => "failed",
        }
    }
}

/// What the deliveries are narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Wanted {
    /// Events of any of these types; empty for all.
    pub event_types: Vec<String>,
    /// Events on this channel.
    pub channel: Option<String>,
    /// Events with this tag.
    pub tag: Option<String>,
    /// Deliveries that stand so, by its number.
    pub status: Option<u8>,
    /// Deliveries whose last attempt was answered in this hundred (200 for 2xx, 0 for no answer).
    pub status_class: Option<u16>,
}

impl Wanted {
    /// Whether an event of this type on these channels, with these tags, is meant.
    pub fn fits(&self, event_type: &str, channels: &[String], tags: &[String]) -> bool {
        (self.event_types.is_empty() || self.event_types.iter().any(|name| name == event_type))
            && self.channel.as_ref().is_none_or(|channel| channels.contains(channel))
            && self.tag.as_ref().is_none_or(|tag| tags.contains(tag))
    }

    /// Whether a delivery that was tried and stands so is meant. Failed means those whose last attempt failed, whether they
    /// wait for the next one or have ended.
    pub fn fits_delivery(&self, standing: Standing, last_code: u16) -> bool {
        let failed_last = standing == Standing::Sending && !(200..300).contains(&last_code);
        self.status.is_none_or(|wanted| wanted == standing as u8 || (wanted == Standing::Failed as u8 && failed_last))
            && self.status_class.is_none_or(|class| last_code / 100 == class / 100)
    }
}

/// Many deliveries made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Its id as a background task; its time is when it was asked for.
    pub id: TaskId,
    /// Where it lives.
    pub environment: EnvironmentId,
    /// Whose deliveries.
    pub application: ApplicationId,
    /// Where they go.
    pub endpoint: EndpointId,
    /// Which deliveries.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// The first event, and the first one that is not meant any more.
    pub first: EventId,
    /// See `first`.
    pub last: EventId,
    /// What they are narrowed to.
    pub wanted: Wanted,
    /// All events below this one are done.
    pub position: EventId,
    /// How many there were when it was asked for; only counted for those that have not succeeded.
    pub total: u64,
    /// How many are on their way, or arrived.
    pub done: u64,
    /// How many of these had been delivered before.
    pub delivered: u64,
    /// When it last moved on, in ms since 1970.
    pub updated_ms: i64,
}

impl Replay {
    /// Whether it means only what was not delivered: one that is delivered between being found and being made stays so.
    pub fn spares_delivered(&self) -> bool {
        let not_delivered = [Standing::Failed, Standing::Sending].map(|standing| Some(standing as u8));
        self.kind.is_of_open() || not_delivered.contains(&self.wanted.status)
    }

    /// One that begins now, with what it means: which deliveries, from the first event to the one before the last,
    /// narrowed to what. Its id says when it was asked for.
    pub fn begin(
        id: TaskId,
        environment: EnvironmentId,
        endpoint: &Endpoint,
        (kind, (first, last), wanted): (Kind, (EventId, EventId), Wanted),
    ) -> Self {
        Self {
            id,
            environment,
            application: endpoint.application,
            endpoint: endpoint.id,
            kind,
            state: State::Running,
            first,
            last,
            wanted,
            position: first,
            total: 0,
            done: 0,
            delivered: 0,
            updated_ms: id.time_ms(),
        }
    }
}

/// The first event that is meant, and the first one that is not meant any more. Error: the field.
pub fn range(kind: Kind, since_ms: i64, until_ms: Option<i64>, now_ms: i64) -> Result<(EventId, EventId)> {
    if kind == Kind::Recover && since_ms < now_ms - RECOVER_MS_MAX {
        return Err(Error::field("since", "must be within the last 14 days"));
    }
    if until_ms.is_some_and(|until_ms| until_ms < since_ms) {
        return Err(Error::field("until", "must not be before `since`"));
    }
    Ok((EventId::new(floor_at(since_ms)), EventId::new(floor_at(until_ms.unwrap_or(now_ms) + 1))))
}
