//! Changes of settings, and the answers kept for retried requests.

use super::count::Sums;
use super::{AnswerRow, Tables, application, arrival, audit, background, chain, expunge, held, replay, source, user};
use crate::endpoint::{Endpoint, Health, State};
use crate::environment::Environment;
use crate::event::Once;
use crate::event_type::EventType;
use crate::id::{EventId, Id};
use crate::key::Key;
use crate::resource::Resource;
use crate::store::tally::Tally;
use crate::store::{Answer, Change, Consumer, Refused, Setting, day, key_lives_ms, trail};
use crate::token::Ended;

pub(super) fn apply(tables: &mut Tables, sums: &mut Sums, setting: &Setting, wall_ms: i64) -> Option<Refused> {
    if let Some(answer) = &setting.answer
        && let Some(kept) = kept_answer(tables, &answer.once, wall_ms)
    {
        let same = kept.once.request == answer.once.request;
        return Some(if same { Refused::Answered(kept) } else { Refused::KeyReused });
    }
    let Ok(deed) = trail::deed(tables, setting.by, &setting.change);
    let refused = change(tables, sums, &setting.change, wall_ms);
    if refused.is_some() {
        return refused;
    }
    if let Some(deed) = deed {
        audit::tell(tables, wall_ms, setting.by, deed);
    }
    if let Some(answer) = &setting.answer {
        let key = (day(wall_ms), answer.once.key);
        tables.answers.insert(key, AnswerRow { answer: answer.clone(), at_ms: wall_ms });
    }
    None
}

fn change(tables: &mut Tables, sums: &mut Sums, change: &Change, wall_ms: i64) -> Option<Refused> {
    let changed = match change {
        Change::Environment(environment) => insert_environment(tables, environment),
        Change::Application(application) => return application::put(tables, application),
        Change::Endpoint(endpoint) if endpoint.revision == 1 => return insert_endpoint(tables, endpoint),
        Change::Endpoint(endpoint) => return update_endpoint(tables, endpoint),
        Change::EventType(event_type) => put_event_type(tables, event_type),
        Change::EventTypes(event_types) => {
            replace_event_types(tables, event_types);
            true
        }
        Change::EventTypeGone(environment, name) => {
            let gone = tables.event_types.remove(&(*environment, name.clone()));
            return gone.is_none().then_some(Refused::Stale);
        }
        Change::Validation(environment, validation) => {
            if tables.environments.contains_key(environment) {
                tables.validations.insert(*environment, *validation);
            }
            true
        }
        Change::Expunge(application, events) => {
            for &event in events {
                expunge::event(tables, sums, *application, event);
            }
            true
        }
        Change::Erased(erased) => {
            background::erase(tables, sums, erased, wall_ms);
            true
        }
        Change::Task(task) => return background::put(tables, task),
        Change::Skip(endpoint, event) => return chain::skip(tables, sums, *endpoint, *event),
        Change::ExpungeAttempt(event, attempt) => {
            expunge::attempt(tables, *event, *attempt);
            true
        }
        Change::EndTokens(all) => {
            end_tokens(tables, all);
            true
        }
        Change::Catalogue(event_types) => {
            for event_type in event_types {
                let key = (event_type.environment, event_type.name.clone());
                tables.event_types.entry(key).or_insert_with(|| event_type.clone());
            }
            true
        }
        Change::Discard(_, all) => return held::discard(tables, all),
        Change::Source(source, application) => return source::put(tables, source, application.as_deref()),
        Change::Replay(replay) => replay::put(tables, replay),
        Change::Resources(resources) => {
            put_resources(tables, resources);
            true
        }
        Change::Consumer(consumer) => {
            put_consumer(tables, &mut sums.tally, consumer);
            true
        }
        Change::Answered => true,
        Change::People(change) => return user::change(&mut tables.people, &tables.keys, change),
        Change::Key(key) => insert_key(tables, key),
        Change::Revoke { key, at_ms } => {
            let working = tables.keys.get_mut(key).filter(|row| row.revoked_ms.is_none());
            working.map(|row| row.revoked_ms = Some(*at_ms)).is_some()
        }
    };
    (!changed).then_some(Refused::Taken)
}

fn insert_environment(tables: &mut Tables, environment: &Environment) -> bool {
    let taken = tables.environments.values().any(|row| row.id == environment.id || row.name == environment.name);
    !taken && tables.environments.insert(environment.id, environment.clone()).is_none()
}

fn insert_key(tables: &mut Tables, key: &Key) -> bool {
    let taken = tables.keys.values().any(|row| row.id == key.id || row.hash == key.hash);
    !taken && tables.keys.insert(key.id, key.clone()).is_none()
}

fn end_tokens(tables: &mut Tables, all: &[Ended]) {
    for ended in all {
        let key = (ended.application, ended.which.clone(), ended.issued_until_ms);
        let row = tables.ended_tokens.entry(key).or_insert_with(|| ended.clone());
        (row.from_ms, row.forget_ms) = (row.from_ms.min(ended.from_ms), row.forget_ms.max(ended.forget_ms));
    }
}

fn uid_taken(tables: &Tables, endpoint: &Endpoint) -> bool {
    let rival = |row: &Endpoint| {
        row.id != endpoint.id
            && row.application == endpoint.application
            && row.state != State::Deleted
            && row.uid == endpoint.uid
    };
    endpoint.uid.is_some() && endpoint.state != State::Deleted && tables.endpoints.values().any(rival)
}

/// Makes an endpoint of a living application; one that was deleted meanwhile, or that has become another provider's,
/// takes none.
fn insert_endpoint(tables: &mut Tables, endpoint: &Endpoint) -> Option<Refused> {
    let application = tables.applications.get(&endpoint.application);
    if application.is_none_or(|row| row.deleted || row.provider != endpoint.provider) {
        return Some(Refused::Stale);
    }
    let counts =
        |row: &&Endpoint| row.application == endpoint.application && row.state != State::Deleted && !row.direct;
    if let Some(endpoints_max) = endpoint.provider.endpoints_max().filter(|_| !endpoint.direct)
        && tables.endpoints.values().filter(counts).count() >= endpoints_max
    {
        return Some(Refused::Full(endpoints_max));
    }
    if tables.endpoints.contains_key(&endpoint.id) || uid_taken(tables, endpoint) {
        return Some(Refused::Taken);
    }
    let wire = application.map_or(endpoint.wire, |row| row.wire);
    tables.endpoints.insert(endpoint.id, Endpoint { wire, health: Health::default(), ..endpoint.clone() });
    None
}

/// Whose it is, whose form it has and whether it is direct stay as they were made.
fn update_endpoint(tables: &mut Tables, endpoint: &Endpoint) -> Option<Refused> {
    let before = tables.endpoints.get(&endpoint.id).filter(|row| row.revision == endpoint.revision - 1);
    let Some(before) = before else {
        return Some(Refused::Stale);
    };
    if uid_taken(tables, endpoint) {
        return Some(Refused::Taken);
    }
    let reborn = endpoint.state == State::Enabled && before.state != State::Enabled;
    let health = if reborn { Health::default() } else { before.health };
    let Endpoint { application, provider, direct, wire, .. } = *before;
    let after = Endpoint { application, provider, wire, direct, health, ..endpoint.clone() };
    tables.endpoints.insert(endpoint.id, after);
    if endpoint.state == State::Deleted {
        replay::call_off(tables, |replay| replay.endpoint == endpoint.id, endpoint.updated_ms);
    }
    None
}

/// A name may come back from the archive; a living one is taken.
fn put_event_type(tables: &mut Tables, event_type: &EventType) -> bool {
    let key = (event_type.environment, event_type.name.clone());
    let created_ms = match tables.event_types.get(&key) {
        Some(row) if !row.archived => return false,
        Some(row) => row.created_ms,
        None => event_type.created_ms,
    };
    tables.event_types.insert(key, EventType { created_ms, ..event_type.clone() });
    true
}

/// Event types as they are given; one whose name is known keeps the moment of its making.
fn replace_event_types(tables: &mut Tables, event_types: &[EventType]) {
    for event_type in event_types {
        let key = (event_type.environment, event_type.name.clone());
        let created_ms = tables.event_types.get(&key).map_or(event_type.created_ms, |row| row.created_ms);
        tables.event_types.insert(key, EventType { created_ms, ..event_type.clone() });
    }
}

/// Puts resources of the sandbox in their places, or takes them away.
fn put_resources(tables: &mut Tables, resources: &[Resource]) {
    for Resource { world, kind, id, value } in resources.iter().cloned() {
        match value {
            Some(value) => tables.resources.insert((world, kind, id), value),
            None => tables.resources.remove(&(world, kind, id)),
        };
    }
}

/// Moves a poller's place; what it has taken since the one before is processed.
fn put_consumer(tables: &mut Tables, tally: &mut Tally, consumer: &Consumer) {
    let key = (consumer.application, consumer.sink.clone(), consumer.name.clone());
    let before = tables.consumers.insert(key, consumer.place);
    if consumer.commits {
        let after = before.unwrap_or(EventId::new(0));
        arrival::taken_between(tables, tally, consumer.application, (after, consumer.place));
    }
}

/// The answer kept under a key; whether it was to the same request is the caller's to compare.
pub(super) fn kept_answer(tables: &Tables, once: &Once, wall_ms: i64) -> Option<Answer> {
    let since_ms = wall_ms - key_lives_ms(once.brief);
    let days = [day(wall_ms) + 1, day(wall_ms), day(wall_ms) - 1];
    let mut rows = days.into_iter().filter_map(|day| tables.answers.get(&(day, once.key)));
    rows.find(|row| row.at_ms > since_ms).map(|row| row.answer.clone())
}
