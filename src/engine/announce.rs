//! Announcements: what happens to endpoints and attempts becomes events of the application that hears of it, which
//! lives in the management's environment and is delivered to as any other (the names and forms are Svix's).

use serde_json::{Value, json};

use super::core::Core;
use crate::attempt::Attempt;
use crate::clock::Now;
use crate::endpoint::Endpoint;
use crate::environment;
use crate::event::NewEvent;
use crate::id::{EnvironmentId, EventId, Id as _};

/// With which attempt a delivery that still fails is told of.
pub(super) const FAILING_ATTEMPT: u32 = 4;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// An endpoint was made.
    Created,
    /// Its settings changed.
    Updated,
    /// It is gone.
    Deleted,
    /// The engine switched it off; it fails since then, in ms since 1970.
    Disabled(i64),
    /// A delivery failed for the fourth time and is tried again.
    Failing,
    /// Its ladder is used up.
    Exhausted,
    /// It arrived after all.
    Recovered,
}

impl News {
    fn event_type(self) -> &'static str {
        match self {
            Self::Created => "endpoint.created",
            Self::Updated => "endpoint.updated",
            Self::Deleted => "endpoint.deleted",
            Self::Disabled(_) => "endpoint.disabled",
            Self::Failing => "message.attempt.failing",
            Self::Exhausted => "message.attempt.exhausted",
            Self::Recovered => "message.attempt.recovered",
        }
    }
}

impl<R> Core<R> {
    /// Tells of an endpoint; of an attempt, too, when that is what happened.
    pub(super) fn announce(&mut self, now: Now, news: News, endpoint: &Endpoint, tried: Option<(EventId, &Attempt)>) {
        let management = EnvironmentId::new(environment::MANAGEMENT_ID);
        let Some((of, uid)) = self.directory.home(endpoint.application) else {
            return;
        };
        if of == management || endpoint.direct {
            return; // what happens to those who hear is told to nobody
        }
        let named = self.directory.org(of).cloned().unwrap_or_else(|| self.text.of(of));
        let Some(hearer) = self.directory.hearer(management, &named) else {
            return;
        };
        let mut data = json!({
            "appId": self.text.of(endpoint.application),
            "appUid": uid,
            "endpointId": self.text.of(endpoint.id),
            "endpointUid": endpoint.uid,
        });
        if let News::Disabled(since_ms) = news {
            data["failSince"] = time(since_ms);
        }
        if let Some((event, attempt)) = tried {
            data["msgId"] = self.text.of(event).into();
            data["lastAttempt"] = json!({
                "id": self.text.of(attempt.id),
                "responseStatusCode": attempt.status_code,
                "timestamp": time(attempt.started_ms),
            });
        }
        let body = json!({ "type": news.event_type(), "data": data }).to_string();
        let event = NewEvent::operational(management, hearer, news.event_type(), body.into());
        let mut rows = Vec::new();
        if let Ok(entry) = self.admit(now, event, &mut rows) {
            self.groups.wait_ours(rows, vec![entry]);
        }
    }
}

fn time(ms: i64) -> Value {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string().into()
}
