//! What is asked across all applications of an environment.

use super::{Filter, Listed, Page, SCAN_ROWS_MAX};
use crate::application::Application;
use crate::count::{Counts, Minute};
use crate::endpoint::State;
use crate::error::Result;
use crate::event::Event;
use crate::id::{ApplicationId, EndpointId, EnvironmentId, EventId};

/// How many troubled endpoints are told of; all are counted.
pub const TROUBLED_MAX: usize = 20;

/// How many events a search for a text looks at before it answers with what it has.
pub const SEARCHED_ROWS_MAX: usize = 10_000;
/// How many bytes of their payloads: 16 MiB.
pub const SEARCHED_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// An endpoint to which nothing is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Troubled {
    /// Whose it is.
    pub application: ApplicationId,
    /// That application's name.
    pub name: String,
    /// Which it is.
    pub endpoint: EndpointId,
    /// Where it is.
    pub url: String,
    /// Whether it was disabled for it.
    pub state: State,
    /// The first failure since the last success, in ms since 1970.
    pub since_ms: i64,
}

/// How many of the endpoints with the most failed attempts are told of.
pub const WORST_MAX: usize = 10;

/// An endpoint with failed attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worst {
    /// Whose it is.
    pub application: ApplicationId,
    /// That application's name.
    pub name: String,
    /// Which it is.
    pub endpoint: EndpointId,
    /// Where it is.
    pub url: String,
    /// What its deliveries and attempts came to.
    pub counts: Counts,
}

/// How an environment does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// What deliveries and attempts came to, by the hour; hours without any are left out.
    pub hours: Vec<(i64, Counts)>,
    /// The hour of the oldest delivery that waits.
    pub waiting_since: Option<i64>,
    /// Endpoints to which nothing is delivered, the longest first, [`TROUBLED_MAX`] at most.
    pub troubled: Vec<Troubled>,
    /// How many there are.
    pub troubled_count: u64,
    /// Living endpoints with failed attempts in those hours, those with the most first, [`WORST_MAX`] at most.
    pub worst: Vec<Worst>,
}

/// Which events are looked for across an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// By type, channel, tag and time; with a standing: those with a delivery that stands so, one that nobody tried yet
    /// waits.
    pub filter: Filter,
    /// This application's alone.
    pub application: Option<ApplicationId>,
    /// With these bytes in their payload.
    pub text: Option<Vec<u8>>,
}

impl Search {
    /// Whether so many events, with so many bytes of payload, were enough to look at before there is an answer.
    pub(super) fn ends(&self, events: usize, bytes: usize) -> bool {
        // whether an event's deliveries stand so is a look at each of them
        let quick = self.text.is_some() && self.filter.standing.is_empty();
        events >= if quick { SEARCHED_ROWS_MAX } else { SCAN_ROWS_MAX } || bytes >= SEARCHED_BYTES_MAX
    }
}

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Found {
    /// The events, without their bodies.
    pub listed: Listed<Event>,
    /// How many were looked at.
    pub looked_at: usize,
}

/// What is asked across an environment.
pub trait Across {
    /// How it does, with the counts of these hours since 1970, the last one included.
    fn overview(&self, environment: EnvironmentId, hours: (i64, i64)) -> Result<Overview>;
    /// What its deliveries came to in these minutes since 1970, the last one included, [`super::COUNT_MINUTES`] at most,
    /// the latest; minutes without any are left out.
    fn minutes(&self, environment: EnvironmentId, minutes: (i64, i64)) -> Result<Vec<(i64, Minute)>>;
    /// Events of all its applications, sources' too, that a search asks for.
    fn search(&self, environment: EnvironmentId, page: Page<EventId>, search: &Search) -> Result<Found>;
    /// The application, deleted or not, of an event.
    fn owner(&self, environment: EnvironmentId, event: EventId) -> Result<Option<Application>>;
}
