//! Turns steps into operations that an engine might write, from what the store has confirmed so far.

use std::collections::BTreeSet;
use std::sync::Arc;

use posthaste::application::{Application, Wire};
use posthaste::audit::By;
use posthaste::conflict::{Held, OnConflict};
use posthaste::count::minute;
use posthaste::delivery::{Delivery, Status};
use posthaste::endpoint::{Endpoint, Health, State};
use posthaste::environment::{Environment, Validation};
use posthaste::event::{Event, Extra, NewEvent, Once};
use posthaste::event_type::EventType;
use posthaste::fan_out;
use posthaste::id::{EndpointId, EnvironmentId, EventId, Id, KeyId, floor_at};
use posthaste::inbound::{Flags, Refusal};
use posthaste::key::Role;
use posthaste::provider::Provider;
use posthaste::replay;
use posthaste::source::{Source, SourceRef};
use posthaste::store::{Answer, AttemptsOf, Change, Consumer, Filter, NewRow, Op, Page, Refused, Setting, Turned};
use posthaste::task::{Task, Work};
use posthaste::token::{Ended, Which};
use proptest::sample::Index;

use super::Step;
use crate::store::answers::Topics;
use crate::store::refusal::refused;
use crate::store::subject::{DAY_MS, NOON_MS, Subject, brief, once, park, resend, with_key, with_uid};

/// What comes in: two spellings of one thing, more and less of it, and two other things.
const SPELLINGS: [&str; 6] =
    ["{\"n\":1}", "{ \"n\" : 1.0 }", "{\"n\":1e0,\"more\":[2]}", "{}", "{\"n\":2}", "not JSON"];

/// The names of pollers.
const NAMES: [&str; 2] = ["one", "two"];
/// So few deliveries are told from, so that one of them often sees several transitions.
const LATEST: usize = 12;

pub struct Writer<'a> {
    subject: &'a Subject,
    topics: Topics,
    applications: Vec<Application>,
    endpoints: Vec<Endpoint>,
    deliveries: Vec<(EventId, EndpointId)>,
    keys: Vec<KeyId>,
    sources: Vec<Source>,
    /// Deliveries that the batch at hand has changed: what the store says of them is old.
    touched: BTreeSet<(EventId, EndpointId)>,
}

fn pick<T>(index: Index, among: &[T]) -> Option<&T> {
    (!among.is_empty()).then(|| index.get(among))
}

fn uid_text(uid: u8) -> String {
    format!("uid-{uid}")
}

fn key_of(kind: &str, key: u8, is_brief: bool, same_body: bool) -> Once {
    let make = if is_brief { brief } else { once };
    make(&format!("{kind} {key} {is_brief}"), if same_body { "body" } else { "other" })
}

impl<'a> Writer<'a> {
    pub fn new(subject: &'a Subject) -> Self {
        let event_keys = (0..4).flat_map(|key| [true, false].map(|is_brief| key_of("event", key, is_brief, true)));
        let topics = Topics {
            uids: (0..6).map(uid_text).collect(),
            names: ["paid", "failed", "eu"].map(str::to_owned).into(),
            onces: (0..3).map(|key| key_of("setting", key, key == 0, true)).chain(event_keys).collect(),
            moments: [0, 1, 2, 14].map(|days| NOON_MS + days * DAY_MS).into(),
            counted: true,
            pollers: NAMES.map(|name| ("ledger".to_owned(), name.to_owned())).into(),
            ..Topics::default()
        };
        let (applications, endpoints, deliveries, keys, sources) = Default::default();
        Self { subject, topics, applications, endpoints, deliveries, keys, sources, touched: BTreeSet::new() }
    }

    /// What there is to ask about.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The operations of one batch; a step that nothing can be chosen for is left out.
    pub fn write(&mut self, steps: &[Step]) -> Vec<Op> {
        self.touched.clear();
        self.topics.minutes.push(minute(self.subject.wall_ms()));
        steps.iter().filter_map(|&step| self.op(step)).collect()
    }

    fn op(&mut self, step: Step) -> Option<Op> {
        let wall_ms = self.subject.wall_ms();
        match step {
            Step::Event { .. } => self.event(step),
            Step::Arrival { .. } => self.arrival(step),
            Step::Decide { of, which, release } => self.decide(of, which, release),
            Step::ConflictTold { of } => pick(of, &self.topics.events).map(|id| Op::ConflictTold(Id::new(id.value()))),
            Step::Tried { of, status } => self.tried(of, status),
            Step::Park { of } => self.untouched(of).map(|(event, endpoint)| park(event, endpoint, wall_ms)),
            Step::Resend { of } => self.untouched(of).map(|(event, endpoint)| resend(event, endpoint, wall_ms)),
            Step::Cancel { of, count } => {
                pick(of, &self.topics.endpoints).map(|&endpoint| Op::Cancel { endpoint, count })
            }
            Step::Health { of, failing, state } => {
                let health = Health { failing_since_ms: failing.then_some(wall_ms), clock_runs: failing };
                let state = state.and_then(State::from_number);
                pick(of, &self.topics.endpoints).map(|&endpoint| Op::Health { endpoint, health, state })
            }
            Step::Mark { of } => pick(of, &self.topics.events).map(|&mark| Op::Mark { mark, last_id: mark.value() }),
            Step::Forget => Some(Op::Forget),
            Step::Turned { of, reason } => pick(of, &self.sources).map(|source| {
                let request = refused(wall_ms, Refusal::ALL[reason]);
                let (refused, last) = (vec![(request.reason, 2)], vec![request; 3 * reason]);
                Op::Turned(Turned { source: source.id, pings: 1, refused, last })
            }),
            Step::Quarantine { of, body } => {
                let source = pick(of, &self.sources)?;
                Some(Op::Quarantine(Box::new(self.subject.not_understood(source, &body.to_string()))))
            }
            Step::Outage { of } => pick(of, &self.sources).map(|row| Op::Outage {
                source: row.id,
                since_ms: wall_ms - 1,
                until_ms: wall_ms,
            }),
            Step::Alive => Some(Op::Alive(wall_ms)),
            Step::Used { of } => pick(of, &self.keys).map(|&key| Op::Used { key, at_ms: wall_ms }),
            setting => Some(Op::Setting(Box::new(Setting {
                by: By::server(),
                change: self.change(setting)?,
                answer: self.answer(setting),
            }))),
        }
    }

    fn answer(&self, step: Step) -> Option<Answer> {
        let (Step::Environment { key, .. } | Step::Application { key, .. }) = step else {
            return None;
        };
        let once = key_of("setting", key?, key == Some(0), self.topics.events.len() % 3 != 2);
        Some(Answer { once, status: 201, body: self.subject.wall_ms().to_string().into() })
    }

    fn change(&self, step: Step) -> Option<Change> {
        let environment = |of: Index| -> Option<EnvironmentId> { pick(of, &self.topics.environments).copied() };
        Some(match step {
            Step::Environment { live, .. } => {
                let name = if live { "live" } else { "test" };
                Change::Environment(Environment { id: self.subject.id(), name: name.to_owned() })
            }
            Step::Application { of, fresh, deleted, uid, provider, .. } => {
                let new = self.subject.new_application(environment(of)?, None);
                let known = pick(of, &self.applications).filter(|_| !fresh);
                let deleted = deleted && known.is_some();
                let chosen = known.cloned().unwrap_or(new);
                Change::Application(Application {
                    uid: uid.map(uid_text),
                    provider: Provider::DELIVERED[provider],
                    wire: Wire::ALL[usize::from(uid.unwrap_or(0))].1,
                    throttle_rate: uid.map(|uid| 1 + u32::from(uid)),
                    deleted,
                    updated_ms: self.subject.wall_ms(),
                    ..chosen
                })
            }
            Step::Endpoint { of, fresh, state, uid, missed } => {
                let changed = self.endpoint(of, fresh, missed)?;
                let state = if changed.revision == 1 { State::Enabled } else { State::from_number(state)? };
                Change::Endpoint(Endpoint { uid: uid.map(uid_text), state, ..changed })
            }
            Step::EventType { of, name, archived } => {
                let event_type = self.subject.new_event_type(environment(of)?, &self.topics.names[name]);
                Change::EventType(EventType { archived, ..event_type })
            }
            Step::Catalogue { of } => {
                let row = |name: &String| self.subject.new_event_type(environment(of).unwrap(), name);
                environment(of)?;
                Change::Catalogue(self.topics.names.iter().map(row).collect())
            }
            Step::EventTypes { of, names, gone: true } => {
                let name = self.topics.names[usize::from(names) % self.topics.names.len()].clone();
                Change::EventTypeGone(environment(of)?, name)
            }
            Step::EventTypes { of, names, .. } => {
                let environment = environment(of)?;
                let chosen = self.topics.names.iter().enumerate().filter(|(place, _)| (names >> place) & 1 == 1);
                let row = |(place, name): (usize, &String)| EventType {
                    feature_flags: vec![name.clone(); place],
                    group_name: (place > 1).then(|| name.clone()),
                    ..self.subject.new_event_type(environment, name)
                };
                Change::EventTypes(chosen.map(row).collect())
            }
            Step::Validation { of, validation } => Change::Validation(environment(of)?, Validation::ALL[validation].1),
            Step::EndTokens { of, which } => self.end_tokens(of, which)?,
            Step::Expunge { of, attempt } => self.expunge(of, attempt)?,
            Step::Expire { days } => self.expire(days),
            Step::Task { of, ends } => self.task(of, ends)?,
            Step::Source { .. } => return self.source(step),
            Step::Consumer { of, to, name, commits } => Change::Consumer(Consumer {
                application: *pick(of, &self.topics.applications)?,
                sink: "ledger".to_owned(),
                name: NAMES[name].to_owned(),
                place: *pick(to, &self.topics.events)?,
                commits,
            }),
            Step::Key { of, revoke: true } => {
                Change::Revoke { key: *pick(of, &self.keys)?, at_ms: self.subject.wall_ms() }
            }
            Step::Key { of, .. } => Change::Key(self.subject.new_key(environment(of)?, Role::Viewer)),
            _ => return None,
        })
    }

    fn end_tokens(&self, of: Index, which: u8) -> Option<Change> {
        let (application, wall_ms) = (*pick(of, &self.topics.applications)?, self.subject.wall_ms());
        let name = uid_text(which / 3);
        let which = match which % 3 {
            0 => Which::All,
            1 => Which::Session(name),
            _ => Which::One(name),
        };
        let forget_ms = wall_ms + DAY_MS;
        Some(Change::EndTokens(vec![Ended { application, which, issued_until_ms: 7, from_ms: wall_ms, forget_ms }]))
    }

    /// An event, or the latest attempt of one.
    fn expunge(&self, of: Index, attempt: bool) -> Option<Change> {
        let (event, endpoint) = *pick(of, &self.deliveries)?;
        let application = self.endpoints.iter().find(|known| known.id == endpoint)?.application;
        if !attempt {
            return Some(Change::Expunge(application, vec![event]));
        }
        let page = Page { after: None, descending: true, limit: 1 };
        let listed = self.subject.attempts(AttemptsOf::Event(event), page, &Filter::default()).unwrap();
        Some(Change::ExpungeAttempt(event, listed.rows.first()?.attempt.id))
    }

    fn expire(&self, days: i64) -> Change {
        let wall_ms = self.subject.wall_ms();
        let below = EventId::new(floor_at(wall_ms - days * DAY_MS));
        Change::Erased(self.subject.expired(wall_ms, below, 3).unwrap())
    }

    /// The end of a task, the next slice of one, or a new one.
    fn task(&self, of: Index, ends: bool) -> Option<Change> {
        let running = self.subject.running_tasks().unwrap();
        let Some(task) = pick(of, &running) else {
            let application = pick(of, &self.applications)?;
            let work = Work::Erase { below: self.subject.id::<EventId>().value() };
            let (environment, wall_ms) = (application.environment, self.subject.wall_ms());
            let task = Task::begin(self.subject.id(), environment, Some(application.id), work, wall_ms);
            return Some(Change::Task(Box::new(task)));
        };
        if ends {
            return Some(Change::Task(Box::new(Task { state: replay::State::Canceled, ..task.clone() })));
        }
        Some(Change::Erased(self.subject.erasable(task, 2).unwrap()))
    }

    /// A new source, or one that exists with the revision its next change must have.
    fn source(&self, step: Step) -> Option<Change> {
        let Step::Source { of, fresh, deleted, uid, missed } = step else {
            return None;
        };
        let known = pick(of, &self.sources).filter(|_| !fresh);
        let Some(known) = known else {
            let (mut source, own) = self.subject.new_source(*pick(of, &self.topics.environments)?, None);
            source.uid = uid.map(uid_text);
            source.config.dedup_days = if uid.is_some() { 1 } else { 8 };
            return Some(Change::Source(Box::new(source), Some(Box::new(own))));
        };
        let living = self.subject.source(known.environment, &SourceRef::Id(known.id)).unwrap();
        let mut source = living.unwrap_or_else(|| known.clone());
        source.revision += if missed { 2 } else { 1 };
        (source.uid, source.deleted, source.updated_ms) = (uid.map(uid_text), deleted, self.subject.wall_ms());
        source.tokens.rotate_left(1);
        Some(Change::Source(Box::new(source), None))
    }

    /// A new endpoint, or one that exists with the revision its next change must have.
    fn endpoint(&self, of: Index, fresh: bool, missed: bool) -> Option<Endpoint> {
        let known = pick(of, &self.endpoints).filter(|_| !fresh);
        let Some(known) = known else {
            return pick(of, &self.applications).map(|application| self.subject.new_endpoint(application, None));
        };
        let living = self.subject.endpoint(known.application, known.id).unwrap();
        let endpoint = living.unwrap_or_else(|| known.clone());
        let revision = endpoint.revision + if missed { 2 } else { 1 };
        Some(Endpoint { revision, updated_ms: self.subject.wall_ms(), ..endpoint })
    }

    fn event(&mut self, step: Step) -> Option<Op> {
        let Step::Event { of, wants, kind, uid, key } = step else {
            return None;
        };
        let application = pick(of, &self.applications)?;
        let own = self.endpoints.iter().filter(|endpoint| endpoint.application == application.id);
        let wanting = own.enumerate().filter(|(place, _)| (wants >> (place % 3)) & 1 == 1);
        let endpoints: Vec<EndpointId> = wanting.map(|(_, endpoint)| endpoint.id).collect();
        let mut row = self.subject.new_event(application, &endpoints);
        row.event.event_type.clone_from(&self.topics.names[kind]);
        row.event.channels = self.topics.names[kind + 1..].to_vec();
        let tags = self.topics.names[kind..].to_vec();
        let keep_until_ms = (kind > 1).then(|| self.subject.wall_ms());
        row.event.extra =
            (kind > 0).then(|| Box::new(Extra { tags, keep_until_ms, deliver_at_ms: None, expunged: false }));
        self.topics.events.push(row.event.id);
        if let Some(uid) = uid {
            row = with_uid(row, &uid_text(uid));
        }
        if let Some((key, is_brief, same_body)) = key {
            row = with_key(row, key_of("event", key, is_brief, same_body));
        }
        Some(if kind > 1 { Op::News(row) } else { Op::Event(row) })
    }

    fn arrival(&mut self, step: Step) -> Option<Op> {
        let Step::Arrival { of, wants, key, body, holds } = step else {
            return None;
        };
        let source = pick(of, &self.sources)?;
        let own = self.endpoints.iter().filter(|endpoint| endpoint.application == source.application);
        let wanting = own.enumerate().filter(|(place, _)| (wants >> (place % 3)) & 1 == 1);
        let endpoints: Vec<EndpointId> = wanting.map(|(_, endpoint)| endpoint.id).collect();
        let text = key.map_or_else(String::new, |key| format!("evt_{key}"));
        let body = SPELLINGS[usize::from(body)];
        let mut row = self.subject.arriving(source, &text, body, &endpoints);
        row.dedup = row.dedup.filter(|_| key.is_some());
        if let Some(dedup) = row.dedup.as_mut().filter(|_| holds) {
            dedup.on_conflict = OnConflict::Hold;
        }
        if let (Some(arrival), true) = (&mut row.event.arrival, wants > 4) {
            let arrival = Arc::make_mut(arrival);
            (arrival.flags, arrival.headers) = (Flags::UNKNOWN_TYPE, Vec::new());
        }
        self.topics.events.push(row.event.id);
        Some(Op::Event(row))
    }

    /// What an Admin makes of something that is held back.
    fn decide(&mut self, of: Index, which: Index, release: bool) -> Option<Op> {
        let source = pick(of, &self.sources)?.clone();
        let page = Page { after: None, descending: false, limit: 100 };
        let conflicts = self.subject.conflicts(source.id, page).unwrap().rows;
        let page = Page { after: None, descending: false, limit: 100 };
        let quarantined = self.subject.quarantined(source.id, page).unwrap().rows;
        let by = By::command();
        let held = match (pick(which, &conflicts), pick(which, &quarantined)) {
            (Some(conflict), _) => Held::Conflict(conflict.id),
            (None, Some((number, _))) => Held::Quarantined(*number),
            (None, None) => return None,
        };
        if !release {
            let change = Change::Discard(source.application, vec![held]);
            return Some(Op::Setting(Box::new(Setting { by, change, answer: None })));
        }
        let new = match pick(which, &conflicts) {
            Some(conflict) => NewEvent::released(&source, conflict.clone(), by),
            None => NewEvent::unread(&source, pick(which, &quarantined)?.clone(), ("paid".to_owned(), None), by),
        };
        let row = self.subject.arriving(&source, "", "", &[]);
        let NewEvent { event_type, body, sha256, arrival, dedup, released, .. } = new;
        let event = Event { event_type, body, sha256, arrival, ..row.event };
        self.topics.events.push(event.id);
        Some(Op::Event(NewRow { event, dedup, released, ..row }))
    }

    fn tried(&mut self, of: Index, status: u16) -> Option<Op> {
        let (event, endpoint) = self.untouched(of)?;
        let mut tried = self.subject.tried(event, endpoint, status);
        let known = self.endpoints.iter().find(|known| known.id == endpoint)?;
        let deleted = self.subject.endpoint(known.application, endpoint).unwrap().is_none();
        if deleted && tried.delivery.status == Status::Pending {
            tried.delivery = Delivery { status: Status::Canceled, due_ms: None, ..tried.delivery };
        }
        Some(Op::Tried(Box::new(tried)))
    }

    /// One of the latest deliveries, that nothing in this batch has changed so far.
    fn untouched(&mut self, of: Index) -> Option<(EventId, EndpointId)> {
        let latest = self.deliveries.len().saturating_sub(LATEST);
        let chosen = *pick(of, &self.deliveries[latest..])?;
        self.touched.insert(chosen).then_some(chosen)
    }

    /// Learns from a commit what there is now.
    pub fn learn(&mut self, ops: &[Op], refused: &[(usize, Refused)]) {
        let stands = |place: usize| refused.iter().all(|(position, _)| *position != place);
        for (_, op) in ops.iter().enumerate().filter(|(place, _)| stands(*place)) {
            match op {
                Op::Event(row) | Op::News(row) => {
                    let endpoints = fan_out::unpack(&row.fan_out).unwrap();
                    self.deliveries.extend(endpoints.into_iter().map(|endpoint| (row.event.id, endpoint)));
                }
                Op::Setting(setting) => self.learn_setting(&setting.change),
                _ => {}
            }
        }
    }

    fn learn_setting(&mut self, change: &Change) {
        match change {
            Change::Environment(environment) => self.topics.environments.push(environment.id),
            Change::Application(application) if !self.topics.applications.contains(&application.id) => {
                self.topics.applications.push(application.id);
                self.applications.push(application.clone());
            }
            Change::Endpoint(endpoint) if endpoint.revision == 1 => {
                self.topics.endpoints.push(endpoint.id);
                self.endpoints.push(endpoint.clone());
            }
            Change::Key(key) => self.keys.push(key.id),
            Change::Source(source, Some(own)) if source.revision == 1 => {
                self.topics.sources.push(source.id);
                self.topics.tokens.extend(source.tokens.iter().map(|slot| slot.token.clone()));
                self.topics.applications.push(own.id);
                self.applications.push(Application::clone(own));
                self.sources.push(Source::clone(source));
            }
            _ => {}
        }
    }
}
