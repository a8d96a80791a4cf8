//! What schemas 2 and 3 can hold beyond schema 1: providers, sources, inbound events and pollers.

use std::sync::Arc;

use posthaste::application::Application;
use posthaste::audit::By;
use posthaste::conflict::{Held, OnConflict};
use posthaste::endpoint::Endpoint;
use posthaste::event::NewEvent;
use posthaste::event_type::EventType;
use posthaste::id::{EndpointId, EventId, Id as _};
use posthaste::inbound::{Credentials, DedupBy, Flags, Form, Refusal, Terms};
use posthaste::provider::Provider;
use posthaste::secret::{Secret, SecretSlot};
use posthaste::source::{Config, DeliverAs, Source, SourceRef, TokenSlot};
use posthaste::store::{Change, Filter, NewRow, Op, Page, Refused, Turned};

use crate::store::answers::Topics;
use crate::store::receiving::{a_config, changed, made, moved};
use crate::store::same::row_of;
use crate::store::subject::{DAY_MS, HOUR_MS, NOON_MS, Subject, set};

/// All of a list.
const EVERYTHING: Page<EventId> = Page { after: None, descending: false, limit: 250 };

/// Writes something of everything; adds what there is to ask about.
pub fn fill(subject: &Subject, topics: &mut Topics) {
    fill_providers(subject, topics);
    let (sources, endpoint) = fill_sources(subject, topics);
    topics.uids.extend(["fintoc", "closed"].map(str::to_owned));
    topics.names.push("transfer.created".to_owned());
    topics.tokens = sources.iter().flat_map(|source| &source.tokens).map(|slot| slot.token.clone()).collect();
    topics.tokens.push("another token".to_owned());
    topics.sources = sources.iter().map(|source| source.id).collect();
    let events = fill_events(subject, &sources[0], endpoint);
    topics.pollers = ["one", "two", "three"].map(|name| ("ledger".to_owned(), name.to_owned())).into();
    subject.done(moved(&sources[0], "one", events[1], true));
    subject.done(moved(&sources[0], "two", events[2], false));
    topics.events.extend(events);
    topics.moments.push(NOON_MS + 30 * DAY_MS);
    fill_turned(subject, &sources);
    subject.done(Op::Alive(subject.wall_ms()));
}

/// What schema 3 can hold beyond: the keys of some inbound events are indexed, the newest one's waits for it.
pub fn fill_waiting(subject: &Subject, topics: &mut Topics) {
    subject.done(Op::Forget);
    let source = subject.source(topics.environments[0], &SourceRef::Id(topics.sources[0])).unwrap().unwrap();
    topics.events.push(subject.arrive(&source, "evt_4", "{}").unwrap());
}

/// What schema 14 can hold beyond: names, conflicts in each state, what was decided in quarantine, and an erased first.
pub fn fill_held(subject: &Subject, topics: &mut Topics) {
    let (mut source, own) = subject.new_source(topics.environments[0], Some("held"));
    source.config.on_conflict = OnConflict::Hold;
    source.config.terms.form = Form {
        type_header: Some("x-type".to_owned()),
        id_header: Some("x-id".to_owned()),
        keep_headers: vec!["x-request-id".to_owned()],
        dedup: DedupBy::Id,
        ..source.config.terms.form
    };
    subject.done(made(&source, &own));
    let by = By::command();
    let arrive = |key: &str, body: &str| subject.arrive(&source, key, body);
    let first = arrive("evt_1", "{\"n\":1}").unwrap();
    let held = |body: &str| match arrive("evt_1", body) {
        Err(Refused::Held { conflict, .. }) => conflict,
        other => panic!("{other:?}"),
    };
    let [_waits, discarded, released] = ["{\"n\":2}", "{\"n\":3}", "{\"n\":4}"].map(held);
    subject.done(set(Change::Discard(source.application, vec![Held::Conflict(discarded)])));
    let conflict = subject.conflict(source.id, released).unwrap().unwrap();
    let row = row_of(subject, &source, NewEvent::released(&source, conflict, by));
    let event = row.event.id;
    subject.done(Op::Event(row));
    for body in ["waits", "discarded", "released"] {
        subject.done(Op::Quarantine(Box::new(subject.not_understood(&source, body))));
    }
    let rows = subject.quarantined(source.id, Page { after: None, descending: false, limit: 9 }).unwrap().rows;
    subject.done(set(Change::Discard(source.application, vec![Held::Quarantined(rows[1].0)])));
    let unread = row_of(subject, &source, NewEvent::unread(&source, rows[2].clone(), ("a".to_owned(), None), by));
    topics.events.extend([first, event, unread.event.id, EventId::new(discarded.value())]);
    subject.done(Op::Event(unread));
    subject.done(set(Change::Expunge(source.application, vec![first])));
    topics.sources.push(source.id);
    topics.applications.push(source.application);
    topics.tokens.extend(source.tokens.iter().map(|slot| slot.token.clone()));
}

/// Every inbound event that has a key is the first of its repetitions.
pub fn check_known(subject: &Subject, topics: &Topics) {
    let source = subject.source(topics.environments[0], &SourceRef::Id(topics.sources[0])).unwrap().unwrap();
    let rows = subject.events(source.application, EVERYTHING, &Filter::default(), true).unwrap().rows;
    let mut keyed = rows.iter().filter(|event| !event.arrival.as_ref().unwrap().dedup_key.is_empty()).peekable();
    assert!(keyed.peek().is_some());
    for event in keyed {
        let (key, body) = (&event.arrival.as_ref().unwrap().dedup_key, std::str::from_utf8(&event.body).unwrap());
        assert_eq!(subject.arrive(&source, key, body), Err(Refused::Duplicate(event.id)), "{key}");
    }
}

/// An application that delivers as each provider, with secrets of its form.
fn fill_providers(subject: &Subject, topics: &mut Topics) {
    let environment = topics.environments[0];
    for provider in Provider::DELIVERED {
        let application = Application { provider, ..subject.new_application(environment, None) };
        subject.done(set(Change::Application(application.clone())));
        topics.applications.push(application.id);
        let secrets = vec![SecretSlot::new(Secret::verbatim("whsec_of_their_own"))];
        for direct in [false, true] {
            let endpoint = Endpoint { direct, secrets: secrets.clone(), ..subject.new_endpoint(&application, None) };
            topics.endpoints.push(endpoint.id);
            subject.done(set(Change::Endpoint(endpoint)));
        }
    }
    let row = |name: &str| EventType { schemas: None, ..subject.new_event_type(environment, name) };
    subject.done(set(Change::Catalogue(["payment.succeeded", "transfer.created"].map(row).into())));
}

/// One that was changed, one with everything left out, and a closed one; gives the first one's endpoint too.
fn fill_sources(subject: &Subject, topics: &mut Topics) -> (Vec<Source>, EndpointId) {
    let [test, live] = [topics.environments[0], topics.environments[1]];
    let (first, own) = subject.new_source(test, Some("fintoc"));
    subject.done(made(&first, &own));
    let endpoint = subject.make_endpoint(&own);
    topics.endpoints.push(endpoint.id);
    let token = TokenSlot { token: "another token".to_owned(), expires_ms: None };
    let credentials = Credentials::Bearer { token: Secret::verbatim("bearer") };
    let terms = Terms { credentials, ..a_config().terms };
    let tokens = vec![token, TokenSlot { expires_ms: Some(NOON_MS + DAY_MS), ..first.tokens[0].clone() }];
    let config = Config { terms, ..a_config() };
    let first = Source { revision: 2, tokens, config, provider: Provider::Generic, ..first };
    subject.done(changed(&first));

    let terms = Terms {
        secrets: Vec::new(),
        tolerance_secs: None,
        credentials: Credentials::None,
        requires_signature: false,
        form: Form::default(),
    };
    let config = Config {
        terms,
        deliver_as: DeliverAs::Original,
        dedup_days: 1,
        on_conflict: OnConflict::Deliver,
        allow_ips: Vec::new(),
    };
    let (bare, bare_own) = subject.new_source(live, None);
    let bare = Source { config, tokens: bare.tokens[..1].to_vec(), provider: Provider::Svix, ..bare };
    subject.done(made(&bare, &bare_own));

    let (closed, closed_own) = subject.new_source(test, Some("closed"));
    subject.done(made(&closed, &closed_own));
    subject.make_endpoint(&closed_own);
    subject.done(changed(&Source { revision: 2, deleted: true, ..closed.clone() }));
    topics.applications.extend([own.id, bare_own.id, closed_own.id]);
    (vec![first, bare, closed], endpoint.id)
}

/// Flagged and plain ones, repeated ones, one that is never repeated, and one that its endpoint took.
fn fill_events(subject: &Subject, source: &Source, endpoint: EndpointId) -> Vec<EventId> {
    let accept = |row: NewRow| {
        let id = row.event.id;
        subject.done(Op::Event(row));
        id
    };
    let first = subject.arrive(source, "evt_1", "one").unwrap();
    subject.set_clock(NOON_MS + HOUR_MS);
    let conflict = subject.arrive(source, "evt_1", "two").unwrap();
    let mut odd = subject.arriving(source, "evt_2", "{}", &[]);
    if let Some(arrival) = &mut odd.event.arrival {
        let arrival = Arc::make_mut(arrival);
        arrival.flags = Flags::UNKNOWN_TYPE.with(Flags::MODE_MISMATCH);
        arrival.headers = Vec::new();
    }
    let odd = accept(odd);
    let unkeyed = accept(NewRow { dedup: None, ..subject.arriving(source, "", "{}", &[]) });
    for _ in 0..2 {
        assert_eq!(subject.arrive(source, "evt_1", "one"), Err(Refused::Duplicate(first)));
    }
    let taken = accept(subject.arriving(source, "evt_3", "{}", &[endpoint]));
    subject.attempted(taken, endpoint, 204);
    subject.set_clock(NOON_MS);
    vec![first, conflict, odd, unkeyed, taken]
}

fn fill_turned(subject: &Subject, sources: &[Source]) {
    let [first, bare] = [&sources[0], &sources[1]];
    for (source, body) in [(first, "[]"), (first, ""), (first, "[]"), (bare, "\0")] {
        subject.done(Op::Quarantine(Box::new(subject.not_understood(source, body))));
    }
    let refused: Vec<_> = Refusal::ALL.into_iter().zip(1..).collect();
    subject.done(Op::Turned(Turned { source: first.id, pings: 3, refused, last: Vec::new() }));
    subject.done(Op::Outage { source: first.id, since_ms: NOON_MS - HOUR_MS, until_ms: NOON_MS });
}
