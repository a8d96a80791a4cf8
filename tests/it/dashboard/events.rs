//! The events page and an event's own: what is looked for is found in slices, what is masked is not found out, and each
//! attempt shows its request beside its response.

use serde_json::json;

use super::pages::viewer;
use super::{ADMIN, Person, alert, world};
use crate::world::{Behaviour, Receiver, eventually};

#[test]
fn events_are_found_by_what_they_hold_and_came_to() {
    let world = world();
    let (good, broken) = (Receiver::good(), Receiver::start(|_, _| Behaviour::Status(500)));
    let (app, _) = world.subscribe(&good.url);
    let (other, _) = world.subscribe(&broken.url);
    let paid = world.publish(&app, r#"{"order":"A-17","note":"<i>"}"#);
    let waits = world.publish(&other, r#"{"order":"B-18","link_token":"hidden words"}"#);
    world.attempts(&other, &waits, 1);
    good.wait_for(1);
    let mut ana = Person::login(&world, ADMIN);
    let list = |person: &Person<'_>, query: &str| {
        let page = person.get(&format!("/test/event?{query}"));
        assert_eq!(page.status, 200, "{page:?}");
        (page.body.contains(&paid), page.body.contains(&waits))
    };
    eventually(|| (list(&ana, "status=delivered") == (true, false)).then_some(()));
    for (query, expected) in [
        ("", (true, true)),
        ("text=A-17", (true, false)),
        ("text=a-17", (false, false)),
        ("text=%3Ci%3E", (true, false)),
        ("text=order", (true, true)),
        ("text=order&status=waiting", (false, true)),
        ("status=retrying", (false, true)),
        ("status=failed", (false, false)),
        ("find=payment.succeeded&text=B-18", (false, true)),
        ("find=other&text=B-18", (false, false)),
        ("from=2020-01-01T00:00", (true, true)),
        ("from=2020-01-01T00:00&until=2020-01-02T00:00", (false, false)),
        ("until=2020-01-01T00:00", (false, false)),
        ("from=2020-01-01+00:00:00+UTC", (true, true)),
        ("until=2020-01-01T00:00:00Z", (false, false)),
        ("text=hidden+words", (false, true)),
    ] {
        assert_eq!(list(&ana, query), expected, "{query}");
    }
    assert!(ana.get("/test/event?text=order").body.contains("Searched to the end: 2 events."));
    assert!(ana.get("/test/event").body.contains("<span class=\"good\">delivered</span>"));
    for (query, why) in [
        ("status=odd", "is none that the form offers"),
        ("from=yesterday", "2026-11-25T08:30"),
        (&*format!("text={}", "x".repeat(201)), "200 bytes at most"),
    ] {
        let page = ana.get(&format!("/test/event?{query}"));
        assert!(page.status == 422 && alert(&page).contains(why), "{page:?}");
    }
    let vera = viewer(&world, &mut ana);
    assert_eq!(list(&vera, "text=B-18"), (false, true));
    assert_eq!(list(&vera, "text=hidden+words"), (false, false), "what is masked is not found out");
    assert!(!ana.get("/live/event?text=order").body.contains("msg_"), "another environment's");
}

#[test]
fn a_long_search_goes_on_slice_by_slice_until_it_is_stopped() {
    let world = world();
    let app = world.call("POST", "/api/v1/app", json!({"name": "a"})).expect(201)["id"].as_str().unwrap().to_owned();
    let first = world.publish(&app, r#"{"find":"me"}"#);
    // three slices of payloads, since each may read 16 MiB of them
    let large = format!(r#"{{"filler":"{}"}}"#, "x".repeat(240 * 1_024));
    let events = (0..145).map(|_| world.publish(&app, &large)).collect::<Vec<_>>().len();
    let ana = Person::login(&world, ADMIN);
    let mut path = "/test/event?text=find&on=yes".to_owned();
    let mut slices = 0;
    let page = loop {
        let page = ana.get(&path).body;
        slices += 1;
        let Some((_, rest)) = page.split_once("http-equiv=\"refresh\" content=\"0;url=") else {
            break page;
        };
        assert!(
            page.contains("Searched back to") && page.contains(">Stop</a>") && page.contains("None so far."),
            "{page}"
        );
        let next = rest.split('"').next().unwrap().replace("&amp;", "&");
        let stopped = ana.get(&format!("/test/event{}", next.trim_end_matches("&on=yes"))).body;
        assert!(!stopped.contains("http-equiv"), "{stopped}");
        path = format!("/test/event{next}");
    };
    assert_eq!(slices, 3);
    assert!(page.contains(&first), "{page}");
    assert!(page.contains(&format!("Searched to the end: {} events.", events + 1)), "{page}");
}

#[test]
fn the_newest_are_shown_live() {
    let world = world();
    let (app, _) = world.subscribe(&Receiver::good().url);
    let ana = Person::login(&world, ADMIN);
    assert!(!ana.get("/test/event").body.contains("http-equiv"));
    let live = ana.get("/test/event?live");
    let policy = live.header("content-security-policy");
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    let live = live.body;
    let script = live.split("<script src=\"").nth(1).expect("it moves").split('"').next().unwrap();
    let script = ana.get(script);
    assert!(script.header("content-type").starts_with("text/javascript"), "{script:?}");
    assert!(script.header("cache-control").contains("immutable"), "{script:?}");
    assert!(
        !ana.get("/test/event").header("content-security-policy").contains("script-src"),
        "what stands still has none"
    );
    assert!(live.contains("http-equiv=\"refresh\" content=\"2\"") && live.contains(">Stop</a>"), "{live}");
    let event = world.publish(&app, "{}");
    assert!(ana.get("/test/event?live").body.contains(&event));
    assert!(!ana.get("/test/event?live&text=x").body.contains("http-equiv"), "a search is not live");
}

#[test]
fn an_attempt_shows_the_request_as_it_was_sent_beside_the_response() {
    let world = world();
    let receiver = Receiver::start(|_, _| {
        Behaviour::Bytes("HTTP/1.1 503 Unavailable\r\ncontent-length: 31\r\n\r\n{\"access_token\":\"opens\",\"n\":17}")
    });
    let app = world.call("POST", "/api/v1/app", json!({"name": "a"})).expect(201)["id"].as_str().unwrap().to_owned();
    let headers = json!({"x-api-token": "a door opener", "x-shop": "17"});
    let endpoint = world.endpoint(&app, &json!({"url": receiver.url, "headers": headers}));
    let event = world.publish(&app, r#"{"amount":4990}"#);
    let attempt = world.attempts(&app, &event, 1).remove(0)["id"].as_str().unwrap().to_owned();
    let sent = receiver.wait_for(1).remove(0);
    let mut ana = Person::login(&world, ADMIN);
    let path = format!("/test/event/{event}");
    let page = eventually(|| Some(ana.get(&path).body).filter(|page| page.contains("503")));
    assert!(page.contains("POST /hook HTTP/1.1\nhost: 127.0.0.1:"), "{page}");
    for (name, value) in &sent.headers {
        let line = format!("\n{name}: {value}");
        // what the connection adds is not the delivery's; a secret of the endpoint's own is masked
        let shown = !["content-length", "x-api-token"].contains(&name.as_str());
        assert_eq!(page.contains(&line), shown, "{line} in {page}");
    }
    assert!(
        page.contains("x-api-token: ••••••") && page.contains("&quot;n&quot;:17") && !page.contains("opens"),
        "{page}"
    );
    let all = ana.get(&format!("{path}?values=shown")).body;
    assert!(all.contains("x-api-token: a door opener") && all.contains("opens"), "{all}");
    assert!(page.contains(&format!("href=\"?attempt={attempt}#attempt\"")), "{page}");
    assert_eq!(ana.get(&format!("{path}?attempt={attempt}")).status, 200);
    assert_eq!(ana.get(&format!("{path}?attempt=atmpt_x")).status, 404);
    let vera = viewer(&world, &mut ana).get(&format!("{path}?values=shown")).body;
    assert!(!vera.contains("a door opener") && !vera.contains("opens"), "{vera}");
    world.call("PATCH", &format!("/api/v1/app/{app}/endpoint/{endpoint}"), json!({"description": "x"})).expect(200);
    assert!(ana.get(&path).body.contains("was changed since"));
}

#[test]
fn the_signature_of_an_attempt_is_checked_again_under_the_secrets_of_then() {
    let world = world();
    let receiver = Receiver::good();
    let (app, endpoint) = world.subscribe(&receiver.url);
    let before = world.publish(&app, r#"{"amount":4990}"#);
    let sent = receiver.wait_for(1).remove(0);
    world.attempts(&app, &before, 1);
    let ana = Person::login(&world, ADMIN);
    let page = |event: &str| {
        let page = ana.get(&format!("/test/event/{event}")).body;
        assert!(!page.contains("whsec_"), "{page}");
        page
    };
    let holds = |page: &str, under: &str| {
        let (_, said) = page.split_once("Checked again: ").unwrap_or_else(|| panic!("nothing was checked: {page}"));
        let said = said.split_once("</p>").unwrap().0;
        assert!(said.contains("the signature holds</span> for these bytes") && said.contains(under), "{said}");
    };
    holds(&page(&before), "under the secret of now.");
    let rotate = |body| world.call("POST", &format!("/api/v1/app/{app}/endpoint/{endpoint}/secret/rotate"), body);
    assert!(rotate("{}").status < 300);
    let after = world.publish(&app, "{}");
    world.attempts(&app, &after, 1);
    // what was sent then has the signature of then alone, to the letter
    let replaced = page(&before);
    holds(&replaced, "under a secret that was replaced since and signs until ");
    let signature = |page: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix("webhook-signature: "))?;
        line.split('<').next().map(str::to_owned)
    };
    assert_eq!(signature(&replaced).as_deref(), Some(sent.header("webhook-signature")));
    let now = page(&after);
    holds(&now, "under the secret of now.");
    assert_eq!(signature(&now).unwrap().matches("v1,").count(), 2, "both sign until the grace ends");
    assert!(rotate(r#"{"gracePeriodSeconds":0}"#).status < 300);
    let gone = page(&before);
    assert!(gone.contains("nothing can be said</span>") && signature(&gone).is_none(), "{gone}");
    let file = rusqlite::Connection::open(world.database()).unwrap();
    assert_eq!(file.execute("update event set payload = x'7b7d'", ()), Ok(2));
    assert!(page(&before).contains("the payload is not what was accepted</span>"));
}

#[test]
fn a_signature_is_checked_in_each_form_in_which_it_is_made() {
    let world = world();
    let receiver = Receiver::good();
    let ana = Person::login(&world, ADMIN);
    for (settings, event_type) in [
        (json!({"wireHeaders": "svix"}), "paid"),
        (json!({"wireHeaders": "both"}), "paid"),
        (json!({"provider": "fintoc"}), "payment_intent.succeeded"),
        (json!({"provider": "bridge"}), "item.refreshed"),
        (json!({"provider": "finix"}), "transfer.created"),
    ] {
        let mut body = settings.clone();
        body["name"] = "acme".into();
        let app = world.call("POST", "/api/v1/app", body).expect(201)["id"].as_str().unwrap().to_owned();
        world.endpoint(&app, &json!({"url": receiver.url}));
        let body = json!({"eventType": event_type, "payload": {"id": "1"}});
        let event = world.call("POST", &format!("/api/v1/app/{app}/msg"), body).expect(202);
        let event = event["id"].as_str().unwrap();
        world.attempts(&app, event, 1);
        let page = ana.get(&format!("/test/event/{event}")).body;
        assert!(
            page.contains("the signature holds</span> for these bytes and headers, under the secret of now."),
            "{settings}: {page}"
        );
    }
}

#[test]
fn failures_are_grouped_by_cause_and_made_again_by_cause() {
    let world = world();
    let receiver = Receiver::start(|nth, _| match nth {
        0 | 2 => Behaviour::Bytes(
            "HTTP/1.1 500 X\r\nwebhook-delivery: abort-message\r\ncontent-length: 11\r\n\r\ndb is <down",
        ),
        1 => Behaviour::Bytes("HTTP/1.1 404 X\r\nwebhook-delivery: abort-message\r\ncontent-length: 0\r\n\r\n"),
        _ => Behaviour::Status(200),
    });
    let app = world.call("POST", "/api/v1/app", json!({"name": "a"})).expect(201)["id"].as_str().unwrap().to_owned();
    let endpoint = world.endpoint(&app, &json!({"url": receiver.url}));
    let events: Vec<_> = (0..3)
        .map(|nth| {
            let event = world.publish(&app, "{}");
            receiver.wait_for(nth + 1);
            event
        })
        .collect();
    let mut ana = Person::login(&world, ADMIN);
    let path = format!("/test/app/{app}/endpoint/{endpoint}");
    let page = eventually(|| Some(ana.get(&path).body).filter(|page| page.contains("Of the last 3 failed attempts.")));
    for shown in ["2 × <span class=\"bad\">500</span>", "1 × <span class=\"bad\">404</span>", "db is &lt;down"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let again = ana.follow(&format!("{path}/replay"), &[("which", "5xx"), ("since", "fortnight")]).body;
    assert!(again.contains("The replay has begun."), "{again}");
    let received = receiver.wait_for(5);
    let list =
        eventually(|| Some(ana.get("/test/replay").body).filter(|page| page.contains("has ended: 2 deliveries.")));
    assert!(list.contains("Deliveries that failed for one cause") && list.contains(&path), "{list}");
    let mut made: Vec<_> = received[3..].iter().map(crate::world::Received::id).collect();
    made.sort_unstable();
    assert_eq!(made, [&events[0], &events[2]]);
    let ended = ana.follow(&format!("/test/replay/{}/cancel", task(&world)), &[]);
    assert!(alert(&ended).contains("has ended already"), "{ended:?}");
    let mut vera = viewer(&world, &mut ana);
    assert!(!vera.get(&path).body.contains("Replay these"));
    assert_eq!(vera.post(&format!("/test/replay/{}/cancel", task(&world)), &[]).status, 403);
    assert_eq!(ana.post(&format!("/live/replay/{}/cancel", task(&world)), &[]).status, 404);
}

/// The newest background task.
fn task(world: &crate::world::World) -> String {
    let tasks = world.call("GET", "/api/v1/background-task", "").expect(200);
    tasks["data"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_replay_is_called_off_where_it_is_seen() {
    let world = world();
    let receiver = Receiver::good();
    let app = world.call("POST", "/api/v1/app", json!({"name": "a"})).expect(201)["id"].as_str().unwrap().to_owned();
    let endpoint = world.endpoint(&app, &json!({"url": receiver.url}));
    let events: Vec<_> = (0..30).map(|_| world.publish(&app, "{}")).collect();
    receiver.wait_for(events.len());
    world.call("PATCH", &format!("/api/v1/app/{app}/endpoint/{endpoint}"), json!({"paused": true})).expect(200);
    let mut ana = Person::login(&world, ADMIN);
    assert!(ana.get("/test/replay").body.contains("Nothing was replayed yet."));
    let path = format!("/test/app/{app}/endpoint/{endpoint}");
    eventually(|| ana.get(&path).body.contains("30 of 30").then_some(()));
    ana.follow(&format!("{path}/replay"), &[("which", "missing"), ("since", "hour")]);
    let page = ana.get("/test/replay").body;
    assert!(page.contains("runs: 0 deliveries.") && page.contains("http-equiv=\"refresh\""), "{page}");
    assert!(ana.get(&path).body.contains("/cancel\""));
    let there = ana.post(&format!("/test/replay/{}/cancel", task(&world)), &[("at", "endpoint")]);
    assert_eq!(there.header("location"), path);
    let page = ana.get(&path).body;
    assert!(page.contains("Called off:") && page.contains("was called off: 0 deliveries."), "{page}");
    assert!(!ana.get("/test/replay").body.contains("http-equiv"));
}
