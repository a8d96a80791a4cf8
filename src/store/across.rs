//! What is asked across all applications of an environment.

use super::{Filter, Listed, Page};
use crate::application::Application;
use crate::count::Counts;
use crate::endpoint::State;
use crate::error::Result;
use crate::event::Event;
use crate::id::{ApplicationId, EndpointId, EnvironmentId, EventId};

/// How many troubled endpoints are told of; all are counted.
pub const TROUBLED_MAX: usize = 20;

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
}

/// What is asked across an environment.
pub trait Across {
    /// How it does, with the counts of these hours since 1970, the last one included.
    fn overview(&self, environment: EnvironmentId, hours: (i64, i64)) -> Result<Overview>;
    /// Events of all its applications, sources' too, without their bodies.
    fn all_events(&self, environment: EnvironmentId, page: Page<EventId>, filter: &Filter) -> Result<Listed<Event>>;
    /// The application, deleted or not, of an event.
    fn owner(&self, environment: EnvironmentId, event: EventId) -> Result<Option<Application>>;
}
