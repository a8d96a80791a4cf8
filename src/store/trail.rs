//! The trail: what each change is to the audit log, told from what it replaces. The one place that decides it.

use super::{Change, Listed, Page, PeopleChange};
use crate::application::Application;
use crate::audit::{Actor, By, Deed, Entry, Wanted};
use crate::conflict::Held;
use crate::endpoint::{Endpoint, State};
use crate::error::Result;
use crate::event_type::EventType;
use crate::id::{ApplicationId, EndpointId, EntryId, EnvironmentId, EventId, Id as _, KeyId, SourceId, UserId};
use crate::key::Key;
use crate::replay;
use crate::source::Source;
use crate::task::Work;
use crate::token::Which;
use crate::user::{User, Way};

/// What is asked about the audit log.
pub trait Audit {
    /// Entries, by their numbers; looks at no more than [`super::SCAN_ROWS_MAX`] rows.
    fn audit(&self, page: Page<EntryId>, wanted: &Wanted) -> Result<Listed<Entry>>;
}

/// What stands in the store while a change is made.
pub(super) trait Standing {
    /// Why it cannot be read.
    type Failed;
    fn application(&self, id: ApplicationId) -> Result<Option<Application>, Self::Failed>;
    fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, Self::Failed>;
    fn source(&self, id: SourceId) -> Result<Option<Source>, Self::Failed>;
    fn user(&self, id: UserId) -> Result<Option<User>, Self::Failed>;
    fn key(&self, id: KeyId) -> Result<Option<Key>, Self::Failed>;
}

/// What a change is to the log, asked before it is made; `None` for what is nobody's deed.
pub(super) fn deed<S: Standing>(standing: &S, by: By, change: &Change) -> Result<Option<Deed>, S::Failed> {
    let told = |what: &str| Deed::new(what, by.environment);
    let deed = match change {
        Change::Environment(row) => Deed::new("environment.created", Some(row.id)).called(&row.name),
        Change::Application(row) => application(told, standing.application(row.id)?, row),
        Change::Endpoint(row) => endpoint(told, standing.endpoint(row.id)?, row),
        Change::Source(row, _) => source(told, standing.source(row.id)?, row),
        Change::Discard(..) if by.actor == Actor::Server => return Ok(None), // its time was over
        Change::Discard(application, all) => match all[..] {
            [held] => on_held(told("event.discarded"), held).of(*application),
            _ => told("event.discarded").of(*application).called(&format!("{} events", all.len())),
        },
        Change::EventType(row) => told("event_type.created").called(&row.name),
        Change::EventTypes(rows) => event_types(told, rows),
        Change::Catalogue(rows) => told("event_type.imported").called(&format!("{} event types", rows.len())),
        Change::EventTypeGone(_, name) => told("event_type.deleted").called(name),
        Change::Validation(_, validation) => {
            told("environment.changed").by_way_of(&format!("schema validation: {}", validation.name()))
        }
        Change::Expunge(application, events) => erased(told, events).of(*application),
        Change::ExpungeAttempt(_, attempt) => told("attempt.erased").on(attempt.value(), ""),
        Change::EndTokens(ended) => match ended.first() {
            Some(first) if first.which == Which::All => told("token.ended").of(first.application).called("all"),
            Some(first) => told("token.ended").of(first.application).called(&ended.len().to_string()),
            None => return Ok(None),
        },
        Change::Skip(endpoint, event) => to_endpoint(standing, told("event.skipped").on(event.value(), ""), *endpoint)?,
        Change::Replay(row) => replay(told, row),
        Change::Task(row) => match (row.state, &row.work) {
            (replay::State::Running, Work::Erase { .. }) => told("event.erased").called("all until now"),
            (replay::State::Running, Work::SendWaiting { .. }) if row.position == 0 => {
                told("replay.begun").on(row.id.value(), row.work.name())
            }
            (replay::State::Canceled, work) => told("task.canceled").on(row.id.value(), work.name()),
            _ => return Ok(None),
        },
        Change::Consumer(row) if !row.commits => told("poller.moved").of(row.application).called(&row.name),
        Change::Key(key) => Deed::new("key.created", Some(key.environment))
            .on(key.id.value(), &key_name(key))
            .by_way_of(key.grant.role.name()),
        Change::Revoke { key: id, .. } => {
            let key = standing.key(*id)?;
            let name = key.as_ref().map(key_name).unwrap_or_default();
            Deed::new("key.revoked", key.map(|key| key.environment)).on(id.value(), &name)
        }
        Change::People(change) => people(standing, change)?,
        Change::Erased(_) | Change::Resources(_) | Change::Consumer(_) | Change::Answered => return Ok(None),
    };
    placed(standing, deed).map(Some)
}

/// A delivery is made again, now.
pub(super) fn resent<S: Standing>(standing: &S, by: By, to: (EventId, EndpointId)) -> Result<Deed, S::Failed> {
    let (event, endpoint) = to;
    let deed = Deed::new("event.resent", by.environment).on(event.value(), "");
    let deed = to_endpoint(standing, deed, endpoint)?;
    placed(standing, deed)
}

/// What a source held back becomes an event.
pub(super) fn released<S: Standing>(standing: &S, by: By, held: Held, event: EventId) -> Result<Deed, S::Failed> {
    let way = if matches!(held, Held::Conflict(_)) { "conflict" } else { "quarantine" };
    placed(standing, Deed::new("event.released", by.environment).on(event.value(), "").by_way_of(way))
}

fn on_held(deed: Deed, held: Held) -> Deed {
    match held {
        Held::Conflict(id) => deed.on(id.value(), "").by_way_of("conflict"),
        Held::Quarantined(number) => deed.called(&format!("number {number}")).by_way_of("quarantine"),
    }
}

/// What concerns one endpoint is its application's, and called by its place.
fn to_endpoint<S: Standing>(standing: &S, deed: Deed, endpoint: EndpointId) -> Result<Deed, S::Failed> {
    Ok(match standing.endpoint(endpoint)? {
        Some(row) => deed.of(row.application).called(&place(&row.url)),
        None => deed,
    })
}

/// The engine disables an endpoint.
pub(super) fn given_up<S: Standing>(standing: &S, id: EndpointId, state: State) -> Result<Option<Deed>, S::Failed> {
    let Some(row) = standing.endpoint(id)? else {
        return Ok(None);
    };
    let why = if state == State::Gone { "it answered 410" } else { "it failed for five days" };
    let deed = Deed::new("endpoint.disabled", None).of(row.application).on(id.value(), &place(&row.url));
    placed(standing, deed.by_way_of(why)).map(Some)
}

/// How somebody is called.
pub(super) fn who<S: Standing>(standing: &S, actor: Actor) -> Result<String, S::Failed> {
    Ok(match actor {
        Actor::Server | Actor::Command | Actor::Stranger | Actor::Environment(_) => String::new(),
        Actor::User(id) => standing.user(id)?.map(|user| user.email).unwrap_or_default(),
        Actor::Key(id) => standing.key(id)?.as_ref().map(key_name).unwrap_or_default(),
        Actor::Token(id) => standing.application(id)?.map(|row| row.name).unwrap_or_default(),
    })
}

/// What is an application's happened in its environment.
fn placed<S: Standing>(standing: &S, deed: Deed) -> Result<Deed, S::Failed> {
    let (None, Some(application)) = (deed.environment, deed.application) else {
        return Ok(deed);
    };
    let environment = standing.application(application)?.map(|row| row.environment);
    Ok(Deed { environment, ..deed })
}

fn application(told: impl Fn(&str) -> Deed, before: Option<Application>, row: &Application) -> Deed {
    let deed = match before {
        None => told("application.created"),
        Some(_) if row.deleted => told("application.deleted"),
        Some(before) => told("application.changed").by_way_of(&names(&[
            ("name", before.name != row.name),
            ("uid", before.uid != row.uid),
            ("metadata", before.metadata != row.metadata),
            ("rate", before.throttle_rate != row.throttle_rate),
            ("headers", before.wire != row.wire),
            ("provider", before.provider != row.provider),
        ])),
    };
    within(deed, row.environment).of(row.id).on(row.id.value(), &row.name)
}

fn endpoint(told: impl Fn(&str) -> Deed, before: Option<Endpoint>, row: &Endpoint) -> Deed {
    let deed = match before {
        None => told("endpoint.created"),
        Some(_) if row.state == State::Deleted => told("endpoint.deleted"),
        Some(before) => {
            let usual = |row: &Endpoint| crate::handling::Handling { paused: false, ..(*row.handling).clone() };
            let verb = match (&before, row) {
                _ if before.secrets != row.secrets => "endpoint.rotated",
                _ if before.state != row.state && row.state == State::Enabled => "endpoint.enabled",
                _ if before.state != row.state => "endpoint.disabled",
                _ if before.handling.paused != row.handling.paused && row.handling.paused => "endpoint.paused",
                _ if before.handling.paused != row.handling.paused => "endpoint.resumed",
                _ => "endpoint.changed",
            };
            told(verb).by_way_of(&names(&[
                ("URL", before.url != row.url),
                ("uid", before.uid != row.uid),
                ("description", before.description != row.description),
                ("event types", before.event_types != row.event_types),
                ("channels", before.channels != row.channels),
                ("headers", before.headers != row.headers),
                ("metadata", before.metadata != row.metadata),
                ("handling", usual(&before) != usual(row)),
            ]))
        }
    };
    deed.of(row.application).on(row.id.value(), &place(&row.url))
}

fn source(told: impl Fn(&str) -> Deed, before: Option<Source>, row: &Source) -> Deed {
    let deed = match before {
        None => told("source.created"),
        Some(_) if row.deleted => told("source.deleted"),
        Some(before) if before.tokens != row.tokens => told("source.rotated"),
        Some(before) => told("source.changed").by_way_of(&names(&[
            ("name", before.name != row.name),
            ("uid", before.uid != row.uid),
            ("metadata", before.metadata != row.metadata),
            ("proof", before.config.terms != row.config.terms),
            ("form", before.config.deliver_as != row.config.deliver_as),
            ("memory", before.config.dedup_days != row.config.dedup_days),
            ("conflicts", before.config.on_conflict != row.config.on_conflict),
            ("addresses", before.config.allow_ips != row.config.allow_ips),
        ])),
    };
    within(deed, row.environment).of(row.application).on(row.id.value(), &row.name)
}

/// What nobody's own environment says happened in that of what it was done to.
fn within(deed: Deed, environment: EnvironmentId) -> Deed {
    Deed { environment: deed.environment.or(Some(environment)), ..deed }
}

fn event_types(told: impl Fn(&str) -> Deed, rows: &[EventType]) -> Deed {
    match rows {
        [row] if row.archived => told("event_type.archived").called(&row.name),
        [row] => told("event_type.changed").called(&row.name),
        rows => told("event_type.imported").called(&format!("{} event types", rows.len())),
    }
}

fn erased(told: impl Fn(&str) -> Deed, events: &[EventId]) -> Deed {
    match events {
        [event] => told("event.erased").on(event.value(), ""),
        events => told("event.erased").called(&format!("{} events", events.len())),
    }
}

fn replay(told: impl Fn(&str) -> Deed, row: &replay::Replay) -> Deed {
    let verb = if row.state == replay::State::Canceled { "replay.canceled" } else { "replay.begun" };
    told(verb).of(row.application).on(row.id.value(), row.kind.name())
}

/// People belong to no environment; what they test does, and how its portal looks.
fn people<S: Standing>(standing: &S, change: &PeopleChange) -> Result<Deed, S::Failed> {
    let told = |what: &str| Deed::new(what, None);
    Ok(match change {
        PeopleChange::User(row) => match standing.user(row.id)? {
            None if row.password.is_none() => {
                told("user.created").by_way_of(&format!("{} {}", row.role.name(), Way::Oidc.words()))
            }
            None => told("user.created").by_way_of(row.role.name()),
            Some(before) => told("user.changed").by_way_of(&names(&[
                ("email", before.email != row.email),
                ("role", before.role != row.role),
                ("password", before.password != row.password),
            ])),
        }
        .on(row.id.value(), &row.email),
        PeopleChange::UserGone(id) => {
            let email = standing.user(*id)?.map(|row| row.email).unwrap_or_default();
            told("user.deleted").on(id.value(), &email)
        }
        PeopleChange::Session(_, way) => told("login.opened").by_way_of(way.words()),
        PeopleChange::SessionGone(_) => told("login.closed"),
        PeopleChange::Brand(environment, _) => Deed::new("environment.changed", Some(*environment)).by_way_of("portal"),
        PeopleChange::TurnedAway { email, locked_out: false } => told("login.refused").called(email),
        PeopleChange::TurnedAway { email, locked_out: true } => told("login.locked_out").called(email),
        PeopleChange::Test(test) => {
            let deed = told("endpoint.tested").on(test.endpoint.value(), "");
            to_endpoint(standing, deed, test.endpoint)?
        }
    })
}

fn key_name(key: &Key) -> String {
    format!("{} {}", key.hint, key.grant.name).trim_end().to_owned()
}

/// The names of what changed.
fn names(all: &[(&str, bool)]) -> String {
    let changed: Vec<&str> = all.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name).collect();
    changed.join(", ")
}

/// Where a URL leads, without what may open a door there.
fn place(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{}", authority.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_only_the_host_is_told() {
        for url in ["https://a.example:8/hook?key=secret", "https://me:secret@a.example:8", "https://a.example:8#x@b/"]
        {
            assert_eq!(place(url), "https://a.example:8", "{url}");
        }
    }

    #[test]
    fn every_noun_of_the_log_is_one_that_can_be_asked_for() {
        let code = include_str!("trail.rs").split("#[cfg(test)]").next().expect("the code");
        let whats = code.split('"').skip(1).step_by(2).filter(|text| {
            text.contains('.') && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"._".contains(&byte))
        });
        let nouns: std::collections::BTreeSet<&str> = whats.map(|what| what.split('.').next().expect("one")).collect();
        assert_eq!(nouns.into_iter().collect::<Vec<_>>(), crate::audit::NOUNS);
    }
}
