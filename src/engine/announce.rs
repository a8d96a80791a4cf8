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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::application::{Application, Wire};
    use crate::attempt::{Answer, Order, Report};
    use crate::audit::By;
    use crate::endpoint::{Health, State};
    use crate::engine::message::{Input, Output};
    use crate::environment::Environment;
    use crate::id::{ApplicationId, IdSource};
    use crate::provider::Provider;
    use crate::store::memory::Memory;
    use crate::store::{Change, Setting, Store as _};

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
            let setting = Box::new(Setting { by: By::server(), change, answer: None });
            self.core.step(self.now, Input::Change { setting, reply: () });
            self.settle(true);
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

    #[test]
    fn what_a_full_disk_refused_is_told_when_it_takes_again() {
        let mut bench = Bench::new();
        bench.change(Change::Endpoint(endpoint(22, 10)));
        assert_eq!(bench.told(), ["\"endpoint.created\""], "and nothing of the one who hears");
        let body = bytes::Bytes::from_static(b"{}");
        let event = NewEvent::operational(EnvironmentId::new(1), ApplicationId::new(10), "a", body);
        bench.core.step(bench.now, Input::Accept { events: vec![event], reply: () });
        bench.settle(true);
        let lease = bench.sent.last().expect("it is on its way").lease;
        let answer = Answer::Response { status: 410, retry_after_secs: None, wish: None, excerpt: bytes::Bytes::new() };
        let report = Report { started_ms: bench.now.wall_ms, duration_ms: 1, answer };
        bench.core.step(bench.now, Input::Done(lease, report));
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
