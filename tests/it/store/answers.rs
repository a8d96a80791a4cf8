//! Every read of a store, asked about everything in a small world: two stores that answer alike are alike.

use std::fmt::Debug;

use posthaste::application::{Application, ApplicationRef};
use posthaste::conflict::Conflict;
use posthaste::count;
use posthaste::delivery::Standing;
use posthaste::endpoint::Endpoint;
use posthaste::event::{Event, Once};
use posthaste::event_type::EventType;
use posthaste::id::{ApplicationId, ConflictId, EndpointId, EnvironmentId, EventId, Id, SourceId, floor_at};
use posthaste::inbound::{Credentials, RefusedRequest};
use posthaste::quarantine::Quarantined;
use posthaste::source::{Source, SourceRef, token_hash};
use posthaste::store::{AttemptRow, AttemptsOf, COUNT_MINUTES, DeliveryRow, Filter, Listed, Page, Search, Store};

/// More answers than any small world has: a list that does not end is found out.
const LINES_MAX: usize = 1_000_000;

/// What there is to ask about.
#[derive(Clone, Debug, Default)]
pub struct Topics {
    pub environments: Vec<EnvironmentId>,
    pub applications: Vec<ApplicationId>,
    pub endpoints: Vec<EndpointId>,
    pub events: Vec<EventId>,
    /// Of applications, endpoints and events.
    pub uids: Vec<String>,
    /// Of event types and of channels.
    pub names: Vec<String>,
    pub onces: Vec<Once>,
    /// Moments, in ms since 1970.
    pub moments: Vec<i64>,
    pub sources: Vec<SourceId>,
    pub tokens: Vec<String>,
    /// Hashes of sessions.
    pub sessions: Vec<[u8; 32]>,
    /// Minutes since 1970, with those before each.
    pub minutes: Vec<i64>,
    /// Whether counts are asked for: a database that was made before there were any cannot tell all.
    pub counted: bool,
    /// Pollers, by sink and name.
    pub pollers: Vec<(String, String)>,
}

/// The answers, one line each; the key of the public ids, which is random, is left out.
fn answers(store: &dyn Store, topics: &Topics) -> Vec<String> {
    let mut lines = Vec::new();
    start(store, topics, &mut lines);
    settings(store, topics, &mut lines);
    receiving(store, topics, &mut lines);
    history(store, topics, &mut lines);
    line(&mut lines, "resources", store.resources().unwrap());
    for &environment in &topics.environments {
        let page = Page { after: None, descending: true, limit: 10 };
        let replays = store.replays(environment, page).unwrap().rows;
        for replay in &replays {
            line(&mut lines, "replayable", store.replayable(replay, 2).unwrap());
            line(&mut lines, "replayable", store.replay_count(replay).unwrap());
        }
        line(&mut lines, "replays", replays);
        line(&mut lines, "tasks", store.tasks(environment, page).unwrap().rows);
    }
    line(&mut lines, "untold", store.opening(0).unwrap().untold);
    line(&mut lines, "running", store.opening(0).unwrap().replays);
    for task in store.running_tasks().unwrap() {
        line(&mut lines, "erasable", store.erasable(&task, 2).unwrap());
    }
    for &moment in &topics.moments {
        line(&mut lines, "expired", store.expired(moment, EventId::new(floor_at(moment)), 2).unwrap());
    }
    line(&mut lines, "chains", store.opening(0).unwrap().chains);
    for &endpoint in &topics.endpoints {
        let page = Page { after: None, descending: true, limit: 10 };
        line(&mut lines, "waiting", store.chain_count(endpoint).unwrap());
        line(&mut lines, "waiting", store.chains(endpoint, page).unwrap().rows);
    }
    lines
}

/// Fails at the first question that two stores answer differently.
pub fn check_alike(one: &dyn Store, other: &dyn Store, topics: &Topics) {
    let (one, other) = (answers(one, topics), answers(other, topics));
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
    assert_eq!(one.len(), other.len());
}

fn line(lines: &mut Vec<String>, question: &str, answer: impl Debug) {
    lines.push(format!("{question}: {answer:?}"));
}

/// An endpoint with the secrets that its own `Debug` hides.
fn revealed(endpoint: &Endpoint) -> (Endpoint, Vec<String>) {
    (endpoint.clone(), endpoint.secrets.iter().map(|slot| slot.secret.text()).collect())
}

/// A source with the secrets that its own `Debug` hides.
fn told(source: &Source) -> (Source, Vec<String>, Vec<String>) {
    let terms = &source.config.terms;
    let credentials = match &terms.credentials {
        Credentials::None => None,
        Credentials::Basic { password, .. } => Some(password),
        Credentials::Bearer { token } => Some(token),
    };
    let secrets =
        terms.secrets.iter().chain(credentials).map(|secret| format!("{} {}", secret.text(), secret.is_verbatim()));
    (source.clone(), secrets.collect(), source.tokens.iter().map(|slot| slot.token.clone()).collect())
}

/// What the engine asks.
fn start(store: &dyn Store, topics: &Topics, lines: &mut Vec<String>) {
    for &wall_ms in &topics.moments {
        let opening = store.opening(wall_ms).unwrap();
        line(lines, "opening", (opening.last_id, opening.mark, opening.environments, opening.applications));
        line(
            lines,
            "opening",
            (opening.endpoints.iter().map(revealed).collect::<Vec<_>>(), opening.due, opening.recent_keys),
        );
        line(lines, "opening", (opening.sources, opening.alive_ms));
        for once in &topics.onces {
            line(lines, "answer", store.answer(once, wall_ms).unwrap());
        }
        for &endpoint in &topics.endpoints {
            for limit in [0, 2, 1_000] {
                line(lines, "due", store.due(endpoint, wall_ms, limit).unwrap());
            }
        }
    }
    for &from in topics.events.iter().chain(&[EventId::new(0)]) {
        for limit in [1, 3, 1_000] {
            line(lines, "unwritten", store.unwritten(from, limit).unwrap());
        }
    }
    line(lines, "backlog", store.backlog().unwrap());
    line(lines, "payloads", store.payloads(&topics.events).unwrap());
    line(lines, "keys", store.keys().unwrap());
    line(lines, "users", store.users().unwrap());
    for hash in &topics.sessions {
        line(lines, "session", store.session(hash).unwrap());
    }
    for &endpoint in &topics.endpoints {
        line(lines, "test", store.test(endpoint).unwrap());
    }
    line(lines, "environments", store.environments().unwrap());
}

/// Each page of a list, in both directions and in two sizes.
fn pages<K: Clone, T: Debug>(
    lines: &mut Vec<String>,
    question: &str,
    key: impl Fn(&T) -> K,
    stopped: impl Fn(i64) -> Option<K>,
    list: impl Fn(Page<K>) -> Listed<T>,
) {
    for (descending, limit) in [(false, 2), (true, 2), (false, 1_000), (true, 1_000)] {
        let mut after = None;
        loop {
            let page = list(Page { after, descending, limit });
            line(lines, question, &page);
            assert!(page.done || !page.rows.is_empty() || page.stopped_at.is_some(), "{question} goes on nowhere");
            assert!(lines.len() < LINES_MAX, "{question} does not end");
            after = page.stopped_at.and_then(&stopped).or_else(|| page.rows.last().map(&key));
            if page.done {
                break;
            }
        }
    }
}

/// What people ask about settings.
fn settings(store: &dyn Store, topics: &Topics, lines: &mut Vec<String>) {
    for &environment in &topics.environments {
        for &application in &topics.applications {
            line(lines, "application", store.application(environment, &ApplicationRef::Id(application)).unwrap());
        }
        for uid in &topics.uids {
            line(
                lines,
                "application by uid",
                store.application(environment, &ApplicationRef::Uid(uid.clone())).unwrap(),
            );
        }
        for name in &topics.names {
            line(lines, "event type", store.event_type(environment, name).unwrap());
        }
        pages(
            lines,
            "applications",
            |row: &Application| row.id,
            |id| Some(Id::new(id)),
            |page| store.applications(environment, page).unwrap(),
        );
        for archived in [false, true] {
            pages(
                lines,
                "event types",
                |row: &EventType| row.name.clone(),
                |_| None,
                |page| store.event_types(environment, page, archived).unwrap(),
            );
        }
    }
    for &environment in &topics.environments {
        line(lines, "validation", store.validation(environment).unwrap());
        line(lines, "brand", store.brand(environment).unwrap());
    }
    for &application in &topics.applications {
        line(lines, "ended tokens", store.ended_tokens(application).unwrap());
        for &endpoint in &topics.endpoints {
            line(lines, "endpoint", store.endpoint(application, endpoint).unwrap().as_ref().map(revealed));
        }
        for uid in &topics.uids {
            line(lines, "endpoint by uid", store.endpoint_by_uid(application, uid).unwrap().as_ref().map(revealed));
        }
        pages(
            lines,
            "endpoints",
            |row: &Endpoint| row.id,
            |id| Some(Id::new(id)),
            |page| store.endpoints(application, page).unwrap(),
        );
    }
}

/// What is asked about what comes in.
fn receiving(store: &dyn Store, topics: &Topics, lines: &mut Vec<String>) {
    for &environment in &topics.environments {
        for source in
            topics.sources.iter().map(|&id| SourceRef::Id(id)).chain(topics.uids.iter().cloned().map(SourceRef::Uid))
        {
            line(lines, "source", store.source(environment, &source).unwrap().as_ref().map(told));
        }
        pages(
            lines,
            "sources",
            |row: &Source| row.id,
            |id| Some(Id::new(id)),
            |page| store.sources(environment, page).unwrap(),
        );
    }
    for token in &topics.tokens {
        line(lines, "source by token", store.source_by_token(&token_hash(token)).unwrap().as_ref().map(told));
    }
    for &source in &topics.sources {
        line(lines, "source stats", store.source_stats(source).unwrap());
        let list = |page| store.quarantined(source, page).unwrap();
        pages(lines, "quarantine", |row: &(i64, Quarantined)| row.0, Some, list);
        let list = |page| store.refused(source, page).unwrap();
        pages(lines, "refused", |row: &(i64, RefusedRequest)| row.0, Some, list);
        line(lines, "reasons", store.quarantine_reasons(source).unwrap());
        let list = |page| store.conflicts(source, page).unwrap();
        pages(lines, "conflicts", |row: &Conflict| row.id, |id| Some(Id::new(id)), list);
        for &event in &topics.events {
            line(lines, "conflict", store.conflict(source, ConflictId::new(event.value())).unwrap());
        }
    }
    let names = store.webhook_ids(&topics.events).unwrap();
    line(lines, "webhook-ids", &names);
    for &named in names.iter().flatten() {
        line(lines, "called", store.called(named).unwrap());
    }
    let moment = topics.moments.last().copied().unwrap_or_default();
    line(lines, "held", store.held_since(None, moment, LINES_MAX).unwrap());
    for &application in &topics.applications {
        line(lines, "held", store.held_since(Some(application), moment, 3).unwrap());
        for (sink, name) in &topics.pollers {
            line(lines, "consumer", store.consumer(application, sink, name).unwrap());
        }
    }
}

/// What people ask about what happened.
fn history(store: &dyn Store, topics: &Topics, lines: &mut Vec<String>) {
    let filters = filters(topics);
    for &application in &topics.applications {
        for &event in &topics.events {
            line(lines, "event", store.event(application, event).unwrap());
        }
        for uid in &topics.uids {
            line(lines, "event by uid", store.event_by_uid(application, uid).unwrap());
        }
        for filter in &filters {
            for bodies in [false, true] {
                let list = |page| store.events(application, page, filter, bodies).unwrap();
                pages(lines, "events", |row: &Event| row.id, |id| Some(Id::new(id)), list);
            }
        }
    }
    // an event has few attempts: three of the filters say it all
    let events = topics.events.iter().map(|&event| (AttemptsOf::Event(event), &filters[..3]));
    let endpoints = topics.endpoints.iter().map(|&endpoint| (AttemptsOf::Endpoint(endpoint), &filters[..]));
    for (of, filters) in events.chain(endpoints) {
        for filter in filters {
            let list = |page| store.attempts(of, page, filter).unwrap();
            pages(lines, "attempts", |row: &AttemptRow| row.attempt.id, |id| Some(Id::new(id)), list);
        }
    }
    for &event in &topics.events {
        line(lines, "deliveries", store.deliveries(event).unwrap());
        line(lines, "destinations", store.destinations(event).unwrap());
    }
    for &endpoint in &topics.endpoints {
        for filter in &filters {
            let list = |page| store.attempted(endpoint, page, filter, true).unwrap();
            pages(lines, "attempted", |row: &DeliveryRow| row.event.id, |id| Some(Id::new(id)), list);
        }
    }
    counts(store, topics, lines);
    for &environment in &topics.environments {
        for search in searches(topics, &filters) {
            let list = |page| store.search(environment, page, &search).unwrap().listed;
            pages(lines, "search", |row: &Event| row.id, |id| Some(Id::new(id)), list);
            let page = Page { after: None, descending: true, limit: 3 };
            line(lines, "looked at", store.search(environment, page, &search).unwrap().looked_at);
        }
        for &event in &topics.events {
            line(lines, "owner", store.owner(environment, event).unwrap());
        }
    }
}

/// What deliveries and attempts came to.
fn counts(store: &dyn Store, topics: &Topics, lines: &mut Vec<String>) {
    for &last in &topics.minutes {
        for &environment in &topics.environments {
            line(lines, "minutes", store.minutes(environment, (last - COUNT_MINUTES + 1, last)).unwrap());
        }
    }
    let ever = (0, i64::MAX);
    let spans = topics.moments.iter().map(|&moment_ms| (0, count::hour(moment_ms))).chain([ever]);
    for hours in spans.filter(|_| topics.counted) {
        for &endpoint in &topics.endpoints {
            line(lines, "counts", store.counts(endpoint, hours).unwrap());
        }
        for &environment in &topics.environments {
            line(lines, "overview", store.overview(environment, hours).unwrap());
        }
        for &application in &topics.applications {
            line(lines, "attempt count", store.attempt_count(application, hours).unwrap());
        }
    }
}

fn searches(topics: &Topics, filters: &[Filter]) -> Vec<Search> {
    let all = Search::default();
    let mut searches: Vec<_> =
        filters[..8].iter().map(|filter| Search { filter: filter.clone(), ..all.clone() }).collect();
    searches.extend(topics.applications.iter().take(2).map(|id| Search { application: Some(*id), ..all.clone() }));
    let text = Some(b"1".to_vec());
    searches.push(Search { text: text.clone(), ..all });
    let filter = Filter { standing: vec![Standing::Pending, Standing::Sending], ..Filter::default() };
    searches.push(Search { text, filter, application: None });
    searches
}

fn filters(topics: &Topics) -> Vec<Filter> {
    let all = Filter::default();
    let middle = topics.events.get(topics.events.len() / 2).map(|event| event.value());
    let mut filters = vec![
        all.clone(),
        Filter { succeeded: Some(true), ..all.clone() },
        Filter { endpoint: topics.endpoints.first().copied(), ..all.clone() },
        Filter { event_types: topics.names.iter().take(2).cloned().collect(), ..all.clone() },
        Filter { channel: topics.names.first().cloned(), ..all.clone() },
        Filter { tag: topics.names.last().cloned(), ..all.clone() },
        Filter { standing: vec![Standing::Failed], ..all.clone() },
        Filter { standing: vec![Standing::Sending], ..all.clone() },
        Filter { above: middle, ..all.clone() },
        Filter { below: middle, succeeded: Some(false), ..all.clone() },
    ];
    filters.extend([0, 200, 500].map(|class| Filter { status_class: Some(class), ..all.clone() }));
    filters
}
