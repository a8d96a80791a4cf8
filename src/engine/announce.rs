//! Announcements: what happens to endpoints and attempts becomes events of the application that hears of it, which
//! lives in the management's environment and is delivered to as any other (the names and forms are Svix's). Each stands
//! in the commit of what it tells of, right behind it.

use serde_json::{Value, json};

use super::core::Core;
use super::group::Told;
use crate::attempt::Attempt;
use crate::clock::Now;
use crate::conflict::{Conflict, First};
use crate::endpoint::{Endpoint, State};
use crate::environment;
use crate::event::{Event, NewEvent};
use crate::id::{ApplicationId, ConflictId, EnvironmentId, EventId, Id as _, SourceId, WebhookId};
use crate::source::Arrival;
use crate::store::{Change, Op};

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
    /// What tells of a change; it is refused with it.
    pub(super) fn announce_change(&mut self, now: Now, change: &Change) -> Option<Told> {
        let Change::Endpoint(endpoint) = change else {
            return None;
        };
        let news = match endpoint {
            Endpoint { revision: 1, .. } => News::Created,
            Endpoint { state: State::Deleted, .. } => News::Deleted,
            _ => News::Updated,
        };
        self.announce(now, news, endpoint, None)
    }

    /// What tells of an endpoint; of an attempt, too, when that is what happened. `None` when nobody hears of it.
    pub(super) fn announce(
        &mut self,
        now: Now,
        news: News,
        endpoint: &Endpoint,
        tried: Option<(EventId, Option<WebhookId>, &Attempt)>,
    ) -> Option<Told> {
        let (of, uid) = self.directory.home(endpoint.application)?;
        if endpoint.direct {
            return None;
        }
        let hearer = self.hearer(of)?;
        let mut data = json!({
            "appId": self.text.of(endpoint.application),
            "appUid": uid,
            "endpointId": self.text.of(endpoint.id),
            "endpointUid": endpoint.uid,
        });
        if let News::Disabled(since_ms) = news {
            data["failSince"] = time(since_ms);
        }
        if let Some((event, webhook_id, attempt)) = tried {
            data["msgId"] = self.text.webhook_id(event, webhook_id).into();
            data["lastAttempt"] = json!({
                "id": self.text.of(attempt.id),
                "responseStatusCode": attempt.status_code,
                "timestamp": time(attempt.began_ms()),
            });
        }
        self.news(now, hearer, news.event_type(), &data)
    }

    /// Who hears of what happens in this environment; `None` for nobody.
    fn hearer(&self, of: EnvironmentId) -> Option<ApplicationId> {
        let management = EnvironmentId::new(environment::MANAGEMENT_ID);
        if of == management {
            return None; // what happens to those who hear is told to nobody
        }
        let named = self.directory.org(of).cloned().unwrap_or_else(|| self.text.of(of));
        self.directory.hearer(management, &named)
    }

    /// The event that tells a hearer of something.
    pub(super) fn news(&mut self, now: Now, hearer: ApplicationId, event_type: &str, data: &Value) -> Option<Told> {
        let management = EnvironmentId::new(environment::MANAGEMENT_ID);
        let body = json!({ "type": event_type, "data": data }).to_string();
        let event = NewEvent::operational(management, hearer, event_type, body.into());
        let mut rows = Vec::new();
        let entry = self.admit(now, event, &mut rows).ok()?;
        Some((rows.pop()?, entry))
    }

    /// An event that contradicts another was held back: whoever hears of it is told, once, whatever happens meanwhile.
    pub(super) fn conflict_held(&mut self, now: Now, event: &Event, conflict: ConflictId, first: First) {
        let Some(arrival) = &event.arrival else {
            return;
        };
        let Arrival { source, dedup_key, .. } = &**arrival;
        self.tell_conflict(now, (conflict, first), (event.application, *source), (&event.event_type, dedup_key));
    }

    /// The same for one of which nobody was told before the process ended.
    pub(super) fn conflict_untold(&mut self, now: Now, conflict: &Conflict) {
        let Conflict { id, first, application, source, event_type, dedup_key, .. } = conflict;
        self.tell_conflict(now, (*id, *first), (*application, *source), (event_type, dedup_key));
    }

    fn tell_conflict(
        &mut self,
        now: Now,
        (conflict, first): (ConflictId, First),
        (application, source): (ApplicationId, SourceId),
        (event_type, dedup_key): (&str, &str),
    ) {
        self.groups.push(now, Op::ConflictTold(conflict));
        let home = self.directory.home(application);
        let Some(hearer) = home.and_then(|(of, _)| self.hearer(of)) else {
            return;
        };
        let data = json!({
            "appId": self.text.of(application),
            "sourceId": self.text.of(source),
            "conflictId": self.text.of(conflict),
            "firstMsgId": self.text.webhook_id(first.event, first.webhook_id),
            "eventType": event_type,
            "dedupKey": dedup_key,
        });
        if let Some(told) = self.news(now, hearer, "source.conflict", &data) {
            self.groups.tell(told);
        }
    }
}

pub(super) fn time(ms: i64) -> Value {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::application::{Application, Wire};
    use crate::attempt::{Answer, Lease, Order, Report};
    use crate::audit::By;
    use crate::conflict::OnConflict;
    use crate::endpoint::{Health, State};
    use crate::engine::message::{Input, Output};
    use crate::environment::Environment;
    use crate::id::IdSource;
    use crate::inbound::{Credentials, Form, Terms};
    use crate::provider::Provider;
    use crate::source::{Config, DeliverAs, Source};
    use crate::store::memory::Memory;
    use crate::store::{Setting, Store as _};

    /// An engine, its store, and what it sent.
    struct Bench {
        core: Core<()>,
        store: Memory,
        sent: Vec<Order>,
        now: Now,
    }

    impl Bench {
        /// An application that hears of another one.
        fn new() -> Self {
            let store = Memory::new([7; 16], 1);
            let core = Core::recover(Arc::new(IdSource::new(0, 1_000)), store.opening(0).expect("empty"), 1, at(0));
            let mut bench = Self { core, store, sent: Vec::new(), now: at(0) };
            for (id, name) in [(1, "test"), (environment::MANAGEMENT_ID, environment::MANAGEMENT)] {
                bench.change(Change::Environment(Environment { id: EnvironmentId::new(id), name: name.to_owned() }));
            }
            let own = bench.core.text.of(EnvironmentId::new(1));
            for (id, environment, uid) in [(10, 1, "acme".to_owned()), (11, environment::MANAGEMENT_ID, own)] {
                bench.change(Change::Application(application(id, environment, uid)));
            }
            bench.change(Change::Endpoint(endpoint(21, 11)));
            bench
        }

        fn change(&mut self, change: Change) {
            self.ask(change);
            self.settle(true);
        }

        fn ask(&mut self, change: Change) {
            let setting = Box::new(Setting { by: By::server(), change, answer: None });
            self.core.step(self.now, Input::Change { setting, reply: () });
        }

        /// Lets the engine do all that it can now; with a disk that takes nothing the first batch is refused.
        fn settle(&mut self, disk_works: bool) {
            self.core.step(self.now, Input::Tick);
            self.core.step(self.now, Input::Drained);
            loop {
                let outputs: Vec<_> = self.core.outputs().collect();
                let mut batches = outputs.into_iter().filter_map(|output| match output {
                    Output::Store(batch) => Some(batch),
                    Output::Send(order) => {
                        self.sent.push(order);
                        None
                    }
                    _ => None,
                });
                let Some(batch) = batches.next() else {
                    return;
                };
                if !disk_works {
                    self.core.step(self.now, Input::NotStored("full".to_owned()));
                    return;
                }
                let receipt = self.store.commit(&batch).expect("lawful");
                self.core.step(self.now, Input::Stored(receipt));
                self.core.step(self.now, Input::Drained);
            }
        }

        /// Sends an event on its way to the application of which is heard.
        fn publish(&mut self) -> Lease {
            let body = bytes::Bytes::from_static(b"{}");
            let event = NewEvent::operational(EnvironmentId::new(1), ApplicationId::new(10), "a", body);
            self.core.step(self.now, Input::Accept { events: vec![event], reply: () });
            self.settle(true);
            self.sent.last().expect("it is on its way").lease
        }

        /// The attempt brings a 410.
        fn gone(&mut self, lease: Lease) {
            let excerpt = bytes::Bytes::new();
            let answer = Answer::Response { status: 410, retry_after_secs: None, wish: None, excerpt };
            let report = Report { started_ms: self.now.wall_ms, duration_ms: 1, answer, webhook_id: None };
            self.core.step(self.now, Input::Done(lease, report));
        }

        /// What was told so far.
        fn told(&self) -> Vec<String> {
            let bodies = self.sent.iter().filter(|order| order.endpoint.id.value() == 21);
            let texts = bodies.map(|order| order.payload.as_ref().expect("in memory").body.clone());
            texts.map(|body| serde_json::from_slice::<Value>(&body).expect("JSON")["type"].to_string()).collect()
        }
    }

    fn at(ms: i64) -> Now {
        Now { steady_ms: 1_795_305_600_000 + ms, wall_ms: 1_795_305_600_000 + ms }
    }

    fn application(id: i64, environment: i64, uid: String) -> Application {
        Application {
            id: ApplicationId::new(id),
            environment: EnvironmentId::new(environment),
            uid: Some(uid),
            name: "a".to_owned(),
            metadata: BTreeMap::new(),
            throttle_rate: None,
            wire: Wire::Webhook,
            provider: Provider::Standard,
            source: None,
            updated_ms: 0,
            deleted: false,
        }
    }

    fn endpoint(id: i64, application: i64) -> Endpoint {
        Endpoint {
            id: crate::id::EndpointId::new(id),
            application: ApplicationId::new(application),
            provider: Provider::Standard,
            wire: Wire::Webhook,
            direct: false,
            uid: None,
            url: "https://a.example".to_owned(),
            description: String::new(),
            state: State::Enabled,
            event_types: Vec::new(),
            channels: Vec::new(),
            handling: Box::default(),
            headers: BTreeMap::new(),
            metadata: BTreeMap::new(),
            secrets: Vec::new(),
            health: Health::default(),
            updated_ms: 0,
            revision: 1,
        }
    }

    fn deleted_source(application: i64) -> Source {
        let terms = Terms {
            secrets: Vec::new(),
            tolerance_secs: None,
            credentials: Credentials::None,
            requires_signature: true,
            form: Form::default(),
        };
        Source {
            id: SourceId::new(application),
            environment: EnvironmentId::new(1),
            uid: None,
            name: "door".to_owned(),
            metadata: BTreeMap::new(),
            provider: Provider::Generic,
            application: ApplicationId::new(application),
            config: Config {
                terms,
                deliver_as: DeliverAs::Original,
                dedup_days: 1,
                on_conflict: OnConflict::Hold,
                allow_ips: Vec::new(),
            },
            tokens: Vec::new(),
            updated_ms: 0,
            deleted: true,
            revision: 2,
        }
    }

    #[test]
    fn a_change_is_told_in_its_own_commit_and_not_at_all_when_it_is_refused() {
        let mut bench = Bench::new();
        bench.ask(Change::Endpoint(endpoint(22, 10)));
        bench.settle(false);
        bench.now = at(5_000);
        bench.settle(true);
        assert_eq!(bench.told(), [""; 0], "nobody keeps what somebody was told has failed");
        bench.ask(Change::Endpoint(endpoint(22, 10)));
        bench.core.step(bench.now, Input::Drained);
        let batch = bench.core.outputs().find_map(|output| match output {
            Output::Store(batch) => Some(batch),
            _ => None,
        });
        let batch = batch.expect("somebody waits");
        assert!(matches!(batch.ops[..], [Op::Setting(_), Op::News(_)]), "{batch:?}");
        let receipt = bench.store.commit(&batch).expect("lawful");
        bench.core.step(bench.now, Input::Stored(receipt));
        bench.settle(true);
        assert_eq!(bench.told(), ["\"endpoint.created\""]);
        for _ in 0..2 {
            bench.ask(Change::Endpoint(Endpoint { revision: 2, ..endpoint(22, 10) }));
        }
        bench.settle(true);
        assert_eq!(bench.told()[1..], ["\"endpoint.updated\""], "the second one came too late");
    }

    #[test]
    fn what_goes_with_its_source_is_not_told_to_be_switched_off() {
        let mut bench = Bench::new();
        bench.change(Change::Endpoint(endpoint(22, 10)));
        let lease = bench.publish();
        bench.ask(Change::Source(Box::new(deleted_source(10)), None));
        bench.gone(lease);
        bench.settle(true);
        assert_eq!(bench.told(), ["\"endpoint.created\""]);
    }

    #[test]
    fn what_a_full_disk_refused_is_told_when_it_takes_again() {
        let mut bench = Bench::new();
        bench.change(Change::Endpoint(endpoint(22, 10)));
        assert_eq!(bench.told(), ["\"endpoint.created\""], "and nothing of the one who hears");
        let lease = bench.publish();
        bench.gone(lease);
        bench.now = at(200);
        bench.settle(false);
        assert_eq!(bench.told().len(), 1, "nothing is told that is not on disk");
        bench.now = at(5_000);
        bench.settle(true);
        assert_eq!(bench.told()[1..], ["\"endpoint.disabled\""]);
        let disabled = bench.store.endpoint(ApplicationId::new(10), crate::id::EndpointId::new(22)).expect("a store");
        assert_eq!(disabled.map(|endpoint| endpoint.state), Some(State::Gone));
    }
}
