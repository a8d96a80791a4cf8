//! Events: what an accepted one reads like, what a refused one leaves behind.

use bytes::Bytes;
use posthaste::attempt::Payload;
use posthaste::digest;
use posthaste::event::Event;
use posthaste::id::{EventId, Id};
use posthaste::store::{Filter, NewRow, Op, Page, Refused};

use super::subject::{DAY_MS, Subject, brief, once, with_key, with_uid};

ask! {
    a_refused_event_changes_nothing,
    a_uid_is_taken_as_long_as_its_event_lives,
    an_accepted_event_reads_back_whole,
    an_event_of_another_application_answers_as_an_unknown_one,
    bodies_come_in_the_order_asked_for,
    the_key_is_asked_before_the_uid,
}

fn an_accepted_event_reads_back_whole(subject: &Subject) {
    let application = subject.make_application();
    let check = |body: &[u8], channels: &[&str], uid: Option<&str>| {
        let body = Bytes::copy_from_slice(body);
        let event = Event {
            id: subject.id(),
            application: application.id,
            event_type: "payout.v2-paid_late".to_owned(),
            channels: channels.iter().map(|&channel| channel.to_owned()).collect(),
            uid: uid.map(str::to_owned),
            sha256: digest::sha256(&body),
            extra: None,
            body,
            arrival: None,
        };
        subject.done(Op::Event(NewRow {
            event: event.clone(),
            fan_out: Vec::new(),
            once: None,
            dedup: None,
            released: None,
        }));
        assert_eq!(subject.event(application.id, event.id).unwrap().as_ref(), Some(&event));
        assert_eq!(subject.payloads(&[event.id]).unwrap(), [Some(Payload { body: event.body.clone(), arrival: None })]);
        if let Some(uid) = uid {
            assert_eq!(subject.event_by_uid(application.id, uid).unwrap(), Some(event));
        }
    };
    check(b"{}", &[], None);
    check(b"", &["eu"], Some("invoice-1"));
    check(&[0, 255, 10, 13, 0], &["eu", "a.b-c_d"], Some("a"));
    check(&vec![b'x'; 1_000_000], &[], Some(&"u".repeat(256)));
}

fn a_uid_is_taken_as_long_as_its_event_lives(subject: &Subject) {
    let application = subject.make_application();
    let other = subject.new_application(application.environment, None);
    let publish = |application| subject.refusal(Op::Event(with_uid(subject.new_event(application, &[]), "invoice-1")));
    assert_eq!(publish(&application), None);
    assert_eq!(publish(&application), Some(Refused::Taken));
    assert_eq!(publish(&other), None);
    subject.set_clock(subject.wall_ms() + 400 * DAY_MS);
    assert_eq!(publish(&application), Some(Refused::Taken));
}

fn the_key_is_asked_before_the_uid(subject: &Subject) {
    let application = subject.make_application();
    let publish = |key: &str, body: &str| {
        let row = with_key(with_uid(subject.new_event(&application, &[]), "invoice-1"), once(key, body));
        (row.event.id, subject.refusal(Op::Event(row)))
    };
    let (first, _) = publish("k", "body");
    assert_eq!(publish("k", "body").1, Some(Refused::Repeated(first)));
    assert_eq!(publish("k", "other").1, Some(Refused::KeyReused));
    assert_eq!(publish("k2", "body").1, Some(Refused::Taken));
}

fn a_refused_event_changes_nothing(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application).id;
    let new = || subject.new_event(&application, &[endpoint]);
    let first = with_key(with_uid(new(), "used"), once("used", "body"));
    let first_id = first.event.id;
    subject.done(Op::Event(first));

    let refused = [
        (with_key(with_uid(new(), "used"), once("free", "body")), Refused::Taken),
        (with_key(with_uid(new(), "used"), brief("free", "body")), Refused::Taken),
        (with_key(with_uid(new(), "free"), once("used", "body")), Refused::Repeated(first_id)),
        (with_key(with_uid(new(), "free"), once("used", "other")), Refused::KeyReused),
    ];
    for (row, why) in refused {
        let id = row.event.id;
        assert_eq!(subject.refusal(Op::Event(row)), Some(why));
        assert_eq!(subject.event(application.id, id).unwrap(), None);
        assert_eq!(subject.payloads(&[id]).unwrap(), [None]);
    }
    let page = Page { after: None, descending: false, limit: 10 };
    assert_eq!(subject.events(application.id, page, &Filter::default(), false).unwrap().rows.len(), 1);
    assert_eq!(subject.unwritten(EventId::new(0), 10).unwrap().deliveries, [(first_id, vec![(endpoint, None)])]);
    assert_eq!(subject.opening(subject.wall_ms()).unwrap().recent_keys, []);
    assert_eq!(subject.event_by_uid(application.id, "free").unwrap(), None);
    assert_eq!(subject.event_by_uid(application.id, "used").unwrap().map(|event| event.id), Some(first_id));
    subject.done(Op::Event(with_key(with_uid(new(), "free"), once("free", "body"))));
}

fn bodies_come_in_the_order_asked_for(subject: &Subject) {
    let application = subject.make_application();
    let accepted = ["one", "two", "three"].map(|text| {
        let mut row = subject.new_event(&application, &[]);
        row.event.body = Bytes::from_static(text.as_bytes());
        row.event.sha256 = digest::sha256(&row.event.body);
        let id = row.event.id;
        subject.done(Op::Event(row));
        (id, Payload { body: Bytes::from_static(text.as_bytes()), arrival: None })
    });
    let [(one, first), (_, _), (three, third)] = accepted;
    let unknown: EventId = subject.id();
    assert_eq!(
        subject.payloads(&[three, unknown, one, three]).unwrap(),
        [Some(third.clone()), None, Some(first), Some(third)]
    );
    assert_eq!(subject.payloads(&[]).unwrap(), []);
}

fn an_event_of_another_application_answers_as_an_unknown_one(subject: &Subject) {
    let application = subject.make_application();
    let other = subject.new_application(application.environment, None);
    let row = with_uid(subject.new_event(&application, &[]), "invoice-1");
    let id = row.event.id;
    subject.done(Op::Event(row));
    let page = Page { after: None, descending: true, limit: 10 };
    assert_eq!(subject.event(other.id, id).unwrap(), None);
    assert_eq!(subject.event_by_uid(other.id, "invoice-1").unwrap(), None);
    assert!(subject.events(other.id, page, &Filter::default(), true).unwrap().rows.is_empty());
}
