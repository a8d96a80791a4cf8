//! What clients change: endpoints switched off and on, moved, filtered, created, deleted; and resends.

use bytes::Bytes;
use rand::Rng as _;

use super::body::KEY_POINTER;
use super::clients::Ask;
use super::disk::ID_KEY;
use super::ledger::{ApplicationBook, CHANNELS, EVENT_TYPES};
use super::queue::Happening;
use super::world::World;
use crate::application::{Application, ApplicationRef};
use crate::audit::By;
use crate::endpoint::{Endpoint, Health, State};
use crate::engine::message::NotChanged;
use crate::environment::{self, Environment};
use crate::event::Once;
use crate::event_type::OPERATIONAL;
use crate::handling::Handling;
use crate::id::{ApplicationId, EndpointId, EnvironmentId, Id as _, IdText};
use crate::ordering::Ordering;
use crate::store::{Answer, Batch, Change, Durable, Op, Refused, Setting, Store as _};

/// More endpoints than this do not fit the ledger's bit sets.
const ENDPOINTS_MAX: usize = 60;

impl World {
    /// What the database holds before the first start.
    pub(super) fn furnish(&mut self) {
        let wall_ms = self.now().wall_ms;
        let mut ops = Vec::new();
        let mut put = |change| ops.push(Op::Setting(Box::new(Setting { by: By::server(), change, answer: None })));
        let [home, abroad] = environment::NAMES.map(environment::named);
        let mut places = [home.id; 2];
        put(Change::Environment(home));
        put(super::door::source(places[0]));
        if self.options.hearers > 0 {
            places[1] = abroad.id;
            put(Change::Environment(abroad));
            let id = EnvironmentId::new(environment::MANAGEMENT_ID);
            put(Change::Environment(Environment { id, name: environment::MANAGEMENT.to_owned() }));
        }
        for &place in &places[..self.options.applications] {
            let id: ApplicationId = self.ids.next(wall_ms);
            put(self.add_application(id, place, id.value().to_string()));
        }
        for _ in 0..self.options.endpoints {
            let application = self.any_application();
            put(self.add_endpoint(application));
        }
        self.add_hearers(places).into_iter().for_each(put);
        if let Err(failed) = self.disk.commit(&Batch { wall_ms, steady_ms: wall_ms, ops }) {
            self.ledger.blame(failed);
        }
    }

    /// For each environment that is told of, the application that hears it, and its endpoints.
    fn add_hearers(&mut self, environments: [EnvironmentId; 2]) -> Vec<Change> {
        let management = EnvironmentId::new(environment::MANAGEMENT_ID);
        let text = IdText::new(ID_KEY);
        let mut changes = Vec::new();
        for of in environments.into_iter().take(self.options.hearers) {
            let id = self.ids.next(self.now().wall_ms);
            let hearer = self.ledger.applications.len();
            for book in self.ledger.applications.iter_mut().filter(|book| book.seen.environment == of) {
                book.hearer = Some(hearer);
            }
            changes.push(self.add_application(id, management, text.of(of)));
            for _ in 0..self.clients.rng.random_range(1..=2) {
                changes.push(self.add_endpoint(id));
            }
        }
        changes
    }

    fn add_application(&mut self, id: ApplicationId, environment: EnvironmentId, uid: String) -> Change {
        let application = Application {
            id,
            environment,
            uid: Some(uid),
            name: "a".to_owned(),
            metadata: std::collections::BTreeMap::new(),
            throttle_rate: (id.value() % 3 == 0).then_some(400),
            wire: crate::application::Wire::Webhook,
            provider: crate::provider::Provider::Standard,
            source: None,
            updated_ms: 0,
            deleted: false,
        };
        self.ledger.applications.push(ApplicationBook::new(application.clone()));
        Change::Application(application)
    }

    fn any_application(&mut self) -> ApplicationId {
        let number = self.clients.rng.random_range(0..self.ledger.applications.len());
        self.ledger.applications[number].seen.id
    }

    fn add_endpoint(&mut self, application: ApplicationId) -> Change {
        let endpoint = self.endpoint(application);
        self.ledger.add_endpoint(endpoint.clone(), false);
        Change::Endpoint(endpoint)
    }

    fn endpoint(&mut self, application: ApplicationId) -> Endpoint {
        let id: EndpointId = self.ids.next(self.now().wall_ms);
        let rng = &mut self.clients.rng;
        let mut endpoint = Endpoint {
            id,
            application,
            provider: crate::provider::Provider::Standard,
            wire: crate::application::Wire::Webhook,
            direct: false,
            uid: None,
            url: "http://1".to_owned(),
            description: String::new(),
            state: if rng.random_ratio(1, 20) { State::Disabled } else { State::Enabled },
            event_types: Vec::new(),
            channels: Vec::new(),
            headers: std::collections::BTreeMap::new(),
            handling: Box::default(),
            metadata: std::collections::BTreeMap::new(),
            secrets: Vec::new(),
            health: Health::default(),
            updated_ms: 0,
            revision: 1,
        };
        if rng.random_ratio(1, 3) {
            self.filter(&mut endpoint);
        }
        self.handle(&mut endpoint);
        if self.ledger.endpoints.len() % 2 == 1 {
            endpoint.handling.ordering = Ordering::Key;
        }
        endpoint.handling.ordering_key = Some(KEY_POINTER.to_owned());
        endpoint
    }

    fn filter(&mut self, endpoint: &mut Endpoint) {
        let hears = self.ledger.hears(endpoint.application);
        let rng = &mut self.clients.rng;
        let some = |all: &[&str], rng: &mut rand::rngs::SmallRng| {
            all.iter().filter(|_| rng.random()).map(|&name| name.to_owned()).collect()
        };
        if hears {
            endpoint.event_types = some(&OPERATIONAL, rng);
            return;
        }
        endpoint.event_types = some(&EVENT_TYPES, rng);
        endpoint.channels = some(&CHANNELS, rng);
    }

    /// Some endpoints want their deliveries made in another way.
    fn handle(&mut self, endpoint: &mut Endpoint) {
        let rng = &mut self.clients.rng;
        endpoint.handling.max_in_flight = rng.random_ratio(1, 4).then(|| rng.random_range(1..=40));
        endpoint.handling.throttle_rate = rng.random_ratio(1, 5).then(|| [2, 20, 500][rng.random_range(0..3)]);
    }

    /// Plans when settings change, and when things are sent again.
    pub(super) fn plan_changes(&mut self) {
        for _ in 0..self.options.changes {
            let at_ms = self.at_ms + self.clients.rng.random_range(0..self.options.span_ms);
            self.queue.put(at_ms, Happening::Change);
        }
        for _ in 0..self.options.resends {
            let at_ms = self.at_ms + self.clients.rng.random_range(0..self.options.span_ms);
            self.queue.put(at_ms, Happening::Resend);
        }
    }

    /// Somebody asks for one more attempt of something, or skips it.
    pub(super) fn ask_for_resend(&mut self) {
        let number = self.clients.rng.random_range(0..1_000_000);
        if let Some((event, endpoint)) = self.ledger.pick_delivery(number).filter(|_| self.ready) {
            if number % 4 == 0 {
                return self.put_setting(Change::Skip(endpoint, event), None, Vec::new());
            }
            let request = self.clients.request(Ask::Resend(event, endpoint, None));
            self.ask(request);
        }
    }

    /// Somebody changes something.
    pub(super) fn ask_for_change(&mut self) {
        if !self.ready {
            return;
        }
        let dice = self.clients.rng.random_range(0..12);
        if dice == 0 && self.options.deletions {
            return self.delete_application();
        }
        if dice == 1 && self.ledger.endpoints.len() < ENDPOINTS_MAX {
            return self.create_endpoint();
        }
        let number = self.clients.rng.random_range(0..self.ledger.endpoints.len());
        let Some(mut endpoint) = self.read_endpoint(number) else {
            return;
        };
        endpoint.revision += 1;
        match dice {
            2 if self.options.deletions => endpoint.state = State::Deleted,
            2..=5 => endpoint.state = if endpoint.state == State::Enabled { State::Disabled } else { State::Enabled },
            6 => endpoint.handling.paused = !endpoint.handling.paused,
            7 => {
                self.handle(&mut endpoint);
                endpoint.handling.ordering = if endpoint.revision % 2 == 0 { Ordering::None } else { Ordering::Key };
            }
            8 => endpoint.url = format!("http://{}", endpoint.revision),
            _ => self.filter(&mut endpoint),
        }
        self.put_setting(Change::Endpoint(endpoint), None, vec![number]);
    }

    /// Whatever is switched off is switched on again, mostly.
    pub(super) fn revive(&mut self) {
        for number in 0..self.ledger.endpoints.len() {
            if !self.ready {
                return self.queue.put(self.at_ms + 1_000, Happening::Revive);
            }
            let Some(endpoint) = self.read_endpoint(number) else {
                continue;
            };
            if !endpoint.is_active() && self.clients.rng.random_ratio(3, 4) {
                let handling = Box::new(Handling { paused: false, ..(*endpoint.handling).clone() });
                let revived = Endpoint { state: State::Enabled, handling, revision: endpoint.revision + 1, ..endpoint };
                self.put_setting(Change::Endpoint(revived), None, vec![number]);
            }
        }
    }

    /// An endpoint as the API shows it.
    fn read_endpoint(&self, number: usize) -> Option<Endpoint> {
        self.ledger.has_its_id(number).then_some(())?;
        let seen = &self.ledger.endpoints[number].seen;
        self.disk.memory.endpoint(seen.application, seen.id).unwrap_or_default()
    }

    fn create_endpoint(&mut self) {
        let application = self.any_application();
        let endpoint = self.endpoint(application);
        let number = self.ledger.add_endpoint(endpoint.clone(), true);
        let mut key = [0xff; 16];
        key[..8].copy_from_slice(&number.to_be_bytes());
        let once = Once { key, request: [0; 16], brief: self.clients.rng.random() };
        let answer = Answer { once, status: 201, body: Bytes::from_static(b"{}") };
        self.put_setting(Change::Endpoint(endpoint), Some(answer), vec![number]);
    }

    fn delete_application(&mut self) {
        let id = self.any_application();
        if let Some(application) = self.read_application(id) {
            let of_it = |&endpoint: &usize| self.ledger.endpoints[endpoint].seen.application == id;
            let endpoints = (0..self.ledger.endpoints.len()).filter(of_it).collect();
            self.put_setting(Change::Application(Application { deleted: true, ..application }), None, endpoints);
        }
    }

    /// An application as the API shows it.
    fn read_application(&self, id: ApplicationId) -> Option<Application> {
        let book = self.ledger.applications.iter().find(|book| book.seen.id == id)?;
        self.disk.memory.application(book.seen.environment, &ApplicationRef::Id(id)).unwrap_or_default()
    }

    fn put_setting(&mut self, change: Change, answer: Option<Answer>, endpoints: Vec<usize>) {
        let request =
            self.clients.request(Ask::Change(Box::new(Setting { by: By::server(), change, answer }), endpoints));
        self.ask(request);
    }

    /// A change or a resend is answered.
    pub(super) fn changed(&mut self, number: usize, answer: &Result<Durable<()>, NotChanged>) {
        match &self.clients.requests[number].ask {
            Ask::Publish(_) => {
                self.ledger.blame(format!("request {number} changed nothing, and got an answer to that"));
            }
            Ask::Resend(_, endpoint, expected) => {
                let expected = expected.filter(|_| answer.is_ok());
                let deleted =
                    |book: &super::ledger::EndpointBook| book.seen.id == *endpoint && book.seen.state == State::Deleted;
                if matches!(answer, Err(NotChanged::Refused(_)))
                    || (self.ledger.disk_since_ms.is_some()
                        && answer.is_err()
                        && !self.ledger.endpoints.iter().any(deleted))
                {
                    self.ledger.blame(format!("a resend to {endpoint:?} was refused: {answer:?}"));
                }
                if let Some(expected) = expected {
                    self.ledger.will_send_again(expected);
                }
            }
            Ask::Change(setting, endpoints) => {
                let (setting, endpoints) = (setting.clone(), endpoints.clone());
                for &endpoint in &endpoints {
                    self.ledger.endpoints[endpoint].changes -= 1;
                }
                self.setting_answered(&setting, &endpoints, answer);
            }
        }
    }

    fn setting_answered(&mut self, setting: &Setting, endpoints: &[usize], answer: &Result<Durable<()>, NotChanged>) {
        match answer {
            Ok(_) => {}
            Err(NotChanged::Refused(Refused::Answered(kept))) if Some(kept) == setting.answer.as_ref() => {}
            Err(NotChanged::Refused(Refused::Stale)) => return,
            // a retry after a long downtime: the answer is past its time, the endpoint is there
            Err(NotChanged::Refused(Refused::Taken)) if setting.answer.is_some() => {}
            Err(NotChanged::Failed(_)) if self.ledger.disk_since_ms.is_none() => return,
            Err(why) => return self.ledger.blame(format!("a setting was refused: {why:?}, {setting:?}")),
        }
        if let Change::Application(application) = &setting.change {
            for book in self.ledger.applications.iter_mut().filter(|book| book.seen.id == application.id) {
                book.deleted = application.deleted;
            }
        }
        for &endpoint in endpoints {
            self.ledger.refresh(&self.disk.memory, endpoint);
        }
        if let (Change::Endpoint(asked), &[number]) = (&setting.change, endpoints) {
            let shown = self.read_endpoint(number);
            let right = shown.as_ref().map_or(asked.state == State::Deleted, |shown| {
                shown.revision > asked.revision || (shown.state, &shown.url) == (asked.state, &asked.url)
            });
            let right = right || self.read_application(asked.application).is_none();
            if !right && setting.answer.is_none() {
                self.ledger
                    .blame(format!("a change was acknowledged, but the API shows {shown:?} instead of {asked:?}"));
            }
        }
    }
}
