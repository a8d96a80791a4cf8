//! What goes on behind requests: payloads past their time, tasks, and what was erased leaving the files.

use super::{Listed, Page};
use crate::error::Result;
use crate::id::{ApplicationId, EnvironmentId, EventId, TaskId};
use crate::task::Task;

/// How long a task that has ended is listed: 30 days, in ms.
pub(crate) const TASK_MS: i64 = 30 * 86_400_000;

/// A slice of payloads that are erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// The task that asked for it; `None` for those past their time.
    pub task: Option<TaskId>,
    /// Whose, and which.
    pub events: Vec<(ApplicationId, EventId)>,
    /// All events below this one are done.
    pub position: EventId,
    /// Whether that is all for now.
    pub done: bool,
}

/// What is asked behind requests.
pub trait Background {
    /// The next payloads past their time, at most `limit` of each kind: those with a time of their own that is not after
    /// `wall_ms`, and those of events below `below` that have none.
    fn expired(&self, wall_ms: i64, below: EventId, limit: usize) -> Result<Erased>;
    /// The next payloads that a task erases; looks at no more than `limit` events.
    fn erasable(&self, task: &Task, limit: usize) -> Result<Erased>;
    /// Tasks that run, in the order in which they were asked for.
    fn running_tasks(&self) -> Result<Vec<Task>>;
    /// A task, ended or not.
    fn task(&self, environment: EnvironmentId, task: TaskId) -> Result<Option<Task>>;
    /// Tasks, without their results.
    fn tasks(&self, environment: EnvironmentId, page: Page<TaskId>) -> Result<Listed<Task>>;
    /// Takes what was erased out of every file. Gives whether it is: a read that goes on may keep a copy for a moment.
    fn scrub(&self) -> Result<bool>;
}
