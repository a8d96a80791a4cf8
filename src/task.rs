//! A background task: long work on an environment that is no replay, done slice by slice behind the requests.

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, EnvironmentId, TaskId};
use crate::replay::State;

/// How many tasks of one environment run at one time.
pub const RUNNING_MAX: usize = 16;

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Work {
    /// The payloads of the task's application are erased, of events whose ids are below this one.
    Erase {
        /// The id that is the first to be spared.
        below: i64,
    },
    /// What waits for a retry at the endpoints of the task's application is due now; each has a replay of its own.
    SendWaiting {
        /// Of events from this id on.
        first: i64,
        /// The first id that is not meant any more.
        last: i64,
    },
    /// Attempts are counted for each application.
    Usage {
        /// In these hours since 1970, the last one included.
        hours: (i64, i64),
        /// Of these applications, by id; `None` for all.
        applications: Option<Vec<i64>>,
    },
    /// The event types are gathered that the endpoints of each application name.
    EventTypes,
}

impl Work {
    /// Whether it has to do with deliveries, so that whoever may ask for attempts may begin it and call it off.
    pub fn is_delivery(&self) -> bool {
        matches!(self, Self::SendWaiting { .. })
    }

    /// Its name as a background task.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Erase { .. } => "application.purge_content",
            Self::SendWaiting { .. } => "application.send-waiting",
            Self::Usage { .. } => "application.stats",
            Self::EventTypes => "event-type.aggregate",
        }
    }
}

/// A task as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id; its time is when it was asked for.
    pub id: TaskId,
    /// Where it lives.
    pub environment: EnvironmentId,
    /// Which application it is about; `None` for all of the environment.
    pub application: Option<ApplicationId>,
    /// What is done.
    pub work: Work,
    /// Where it stands.
    pub state: State,
    /// All below this id is done.
    pub position: i64,
    /// How many payloads were erased, or deliveries are due now.
    pub done: u64,
    /// What was asked for, as a JSON object, once it is finished.
    pub result: Option<String>,
    /// When it last moved on, in ms since 1970.
    pub updated_ms: i64,
}

impl Task {
    /// One that begins now.
    pub fn begin(
        id: TaskId,
        environment: EnvironmentId,
        application: Option<ApplicationId>,
        work: Work,
        now_ms: i64,
    ) -> Self {
        let (state, position, done) = (State::Running, 0, 0);
        Self { id, environment, application, work, state, position, done, result: None, updated_ms: now_ms }
    }
}
