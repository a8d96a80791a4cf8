//! News: what happens to endpoints and attempts is told to the application that hears of their environment, once, in the
//! commit that writes it down, and to nobody else.

use bytes::Bytes;
use serde_json::{Value, json};

use super::standing::{Kind, Standing};
use super::{Draft, Ledger};
use crate::endpoint::{Endpoint, State};
use crate::environment;
use crate::id::{ApplicationId, EndpointId, Id as _};
use crate::store::{Change, NewRow, Setting, Tried};

/// With which attempt a delivery that still fails is told of; success after more than so many is a recovery.
const FAILING_ATTEMPT: u32 = 4;

/// Who has to hear of something, as all saw it when it happened.
#[derive(Clone, Copy)]
pub(super) struct Hearing {
    event_type: &'static str,
    /// The event that tells of it; `None` when nobody hears.
    pub(super) want: Option<usize>,
    /// Whether that was the same each time when it may have happened.
    pub(super) sure: bool,
}

/// What a commit wrote down, until the event that tells of it is found there.
pub(super) struct News {
    pub(super) hearing: Hearing,
    /// What the event has to say.
    pub(super) data: Value,
}

impl Ledger {
    /// Something happens to an endpoint of this application, or may have; `before`, when it may have happened before.
    pub(super) fn hearing(
        &mut self,
        application: ApplicationId,
        event_type: &'static str,
        before: Option<Hearing>,
    ) -> Hearing {
        let hearer = self.hearer(application);
        let opened = before.and_then(|before| before.want);
        let sure = before.is_none_or(|before| before.sure && before.want.is_some() == hearer.is_some());
        let Some(hearer) = hearer else {
            return Hearing { event_type, want: opened, sure };
        };
        let want = opened.unwrap_or_else(|| self.want_of_news(hearer, event_type));
        self.asked(want);
        Hearing { event_type, want: Some(want), sure }
    }

    /// The number of the application that hears of this one's environment, when it has endpoints.
    fn hearer(&self, application: ApplicationId) -> Option<usize> {
        let hearer = self.applications.iter().find(|book| book.seen.id == application && !book.deleted)?.hearer?;
        let book = self.applications.get(hearer).filter(|book| !book.deleted)?;
        let lives = |endpoint: &super::EndpointBook| {
            endpoint.seen.application == book.seen.id && !endpoint.unborn && endpoint.seen.state != State::Deleted
        };
        self.endpoints.iter().any(lives).then_some(hearer)
    }

    /// Opens the book of an event that no client wants.
    fn want_of_news(&mut self, application: usize, event_type: &'static str) -> usize {
        let draft = Draft {
            application,
            event_type,
            channel: None,
            once: None,
            uid: None,
            only: None,
            inbound: false,
            body: Bytes::new(),
        };
        let want = self.want(draft);
        self.wants[want].given_up = true;
        want
    }

    /// A client asks for a change.
    pub(in crate::sim) fn asked_to_change(&mut self, change: &Change) {
        if let Change::Endpoint(endpoint) = change {
            let key = told_as(endpoint);
            let hearing = self.hearing(endpoint.application, key.2, self.changes.get(&key).copied());
            self.changes.insert(key, hearing);
        }
    }

    /// A change is on disk.
    pub(super) fn change_committed(&mut self, setting: &Setting) {
        if let Change::Endpoint(endpoint) = &setting.change
            && let Some(&hearing) = self.changes.get(&told_as(endpoint))
        {
            self.must_be_told(hearing, endpoint.application, endpoint.id, json!({}));
        }
    }

    /// It is on disk that the engine switched an endpoint off.
    pub(super) fn switched_off(&mut self, number: usize) {
        let book = &self.endpoints[number];
        let (application, endpoint) = (book.seen.application, book.seen.id);
        if let Some(hearing) = book.doubtful {
            self.must_be_told(hearing, application, endpoint, json!({ "failSince": null }));
        }
    }

    /// An attempt is on disk that made something of its delivery that is told.
    pub(super) fn attempt_told(&mut self, hearing: Hearing, tried: &Tried) {
        let Some(&number) = self.endpoint_numbers.get(&tried.endpoint) else {
            return;
        };
        let more = json!({
            "msgId": self.text.of(tried.event),
            "lastAttempt": {
                "id": self.text.of(tried.attempt.id),
                "responseStatusCode": tried.attempt.status_code,
                "timestamp": time(tried.attempt.began_ms()),
            },
        });
        self.must_be_told(hearing, self.endpoints[number].seen.application, tried.endpoint, more);
    }

    fn must_be_told(&mut self, hearing: Hearing, of: ApplicationId, endpoint: EndpointId, more: Value) {
        let application = self.applications.iter().find(|book| book.seen.id == of);
        let mut data = json!({
            "appId": self.text.of(of),
            "appUid": application.and_then(|book| book.seen.uid.as_ref()),
            "endpointId": self.text.of(endpoint),
            "endpointUid": null,
        });
        if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
            data.extend(more);
        }
        self.news.push(News { hearing, data });
    }

    /// Whether this application hears what happens to others; it is sent nothing else.
    pub(in crate::sim) fn hears(&self, application: ApplicationId) -> bool {
        let book = self.applications.iter().find(|book| book.seen.id == application);
        book.is_some_and(|book| book.seen.environment.value() == environment::MANAGEMENT_ID)
    }

    /// An event that tells of something is on disk: gives whose book it is in, when that happened in the same commit.
    pub(super) fn news_committed(&mut self, row: &NewRow) -> Option<usize> {
        let told = |news: &News| {
            let want = news.hearing.want?;
            let hearer = &self.applications[self.wants[want].draft.application];
            let event = &row.event;
            let right = event.application == hearer.seen.id && event.event_type == news.hearing.event_type;
            (right && says(&event.body, news)).then_some(want)
        };
        let found = self.news.iter().enumerate().find_map(|(place, news)| Some((place, told(news)?)));
        let Some((place, want)) = found else {
            if let Some(want) = self.outage_told(row) {
                return Some(want);
            }
            let body = String::from_utf8_lossy(&row.event.body);
            let wrong = format!("I15: {:?} was told, which is not in its commit: {body}", row.event.application);
            self.blame(wrong);
            return None;
        };
        self.news.swap_remove(place);
        self.wants[want].draft.body = row.event.body.clone();
        self.wants[want].settled = true;
        Some(want)
    }

    /// Attempts are put off, or no more: whoever hears of anything hears of that, when it is on disk before a crash.
    pub(in crate::sim) fn outage(&mut self, lasts: bool) {
        let event_type = if lasts { "server.outage.began" } else { "server.outage.ended" };
        if !self.cut {
            self.blame(format!("I15: {event_type}, though nothing was cut off"));
        }
        for number in 0..self.applications.len() {
            let application = self.applications[number].seen.id;
            if self.hears(application) {
                let want = self.want_of_news(number, event_type);
                self.asked(want);
                self.outages.push(want);
            }
        }
    }

    fn outage_told(&mut self, row: &NewRow) -> Option<usize> {
        let right = |want: &usize| {
            let draft = &self.wants[*want].draft;
            draft.event_type == row.event.event_type
                && self.applications[draft.application].seen.id == row.event.application
        };
        let place = self.outages.iter().position(right)?;
        let want = self.outages.swap_remove(place);
        self.wants[want].draft.body = row.event.body.clone();
        self.wants[want].settled = true;
        Some(want)
    }

    /// A batch is on disk: all of it that somebody hears of was told there.
    pub(super) fn check_told(&mut self) {
        for News { hearing, data } in std::mem::take(&mut self.news) {
            if hearing.want.is_some() && hearing.sure {
                let wrong = format!("I15: {} was not told in its commit: {data}", hearing.event_type);
                self.blame(wrong);
            }
        }
    }
}

/// Which change of an endpoint it is, and what is told of it.
fn told_as(endpoint: &Endpoint) -> (EndpointId, i64, &'static str) {
    let event_type = match endpoint {
        Endpoint { revision: 1, .. } => "endpoint.created",
        Endpoint { state: State::Deleted, .. } => "endpoint.deleted",
        _ => "endpoint.updated",
    };
    (endpoint.id, endpoint.revision, event_type)
}

/// What an attempt makes of its delivery that is told.
pub(super) fn worth_telling(before: Kind, after: &Standing) -> Option<&'static str> {
    let succeeded = (200..300).contains(&after.status);
    match after.kind {
        Kind::Failed if before == Kind::Waiting => Some("message.attempt.exhausted"),
        Kind::Waiting if after.attempts == FAILING_ATTEMPT => Some("message.attempt.failing"),
        Kind::Succeeded if succeeded && before != Kind::Succeeded && after.attempts > FAILING_ATTEMPT => {
            Some("message.attempt.recovered")
        }
        _ => None,
    }
}

/// Whether a body says what happened, and no more. Since when an endpoint fails its health alone knows.
fn says(body: &[u8], news: &News) -> bool {
    let Ok(mut said) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    if let Some(since) = said["data"].get_mut("failSince").filter(|since| since.is_string()) {
        *since = Value::Null;
    }
    said == json!({ "type": news.hearing.event_type, "data": news.data })
}

fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}
