//! The pages of an environment: webhooks made, tested and replayed, events told from acceptance to answer, and nothing of
//! it by those who may only look.

use serde_json::json;

use super::{ADMIN, PASSWORD, Person, alert, world};
use crate::receive;
use crate::world::{Answer, Behaviour, Receiver, World, eventually};

/// Logs a Viewer in whom the Admin made.
pub fn viewer<'a>(world: &'a World, admin: &mut Person<'_>) -> Person<'a> {
    let fields = [("email", "vera@example.com"), ("password", PASSWORD), ("role", "viewer")];
    admin.follow("/settings/user", &fields);
    Person::login(world, "vera@example.com")
}

/// Makes an application; gives its page.
fn application(world: &World, settings: &serde_json::Value) -> String {
    let made = world.call("POST", "/api/v1/app", settings).expect(201);
    format!("/test/app/{}", made["id"].as_str().unwrap())
}

/// The secret that a page shows.
fn secret(page: &Answer) -> Option<&str> {
    page.body.split_once("<span id=\"secret\"><code class=\"whole\">").map(|(_, rest)| rest.split('<').next().unwrap())
}

#[test]
fn a_webhook_is_made_and_its_secret_is_shown_once() {
    let world = world();
    let receiver = Receiver::good();
    let app = application(&world, &json!({"name": "Acme"}));
    world.call("POST", "/api/v1/event-type", r#"{"name":"order.paid","description":"Paid"}"#).expect(201);
    let mut ana = Person::login(&world, ADMIN);
    let new = format!("{app}/endpoint/new");
    assert!(ana.get(&new).body.contains("order.paid"));
    let fields = [("url", receiver.url.as_str()), ("description", "Ledger"), ("every", "yes"), ("event", "order.paid")];
    let made = ana.post(&new, &fields);
    assert_eq!(made.status, 303, "{made:?}");
    let path = made.header("location").to_owned();
    let page = ana.get(&path);
    let shown = secret(&page).expect("it is shown").to_owned();
    let id = path.rsplit('/').next().unwrap();
    let api = world.call("GET", &format!("/api/v1{}/secret", path.trim_start_matches("/test")), "").expect(200);
    assert_eq!(api["key"], shown.as_str());
    let page = ana.get(&path);
    assert!(secret(&page).is_none() && !page.body.contains(&shown), "once");
    assert!(page.body.contains("not tested since its last change") && page.body.contains("Ledger"), "{id}");
    assert!(page.body.contains("<dd>order.paid</dd>"), "what is chosen counts, not every event: {page:?}");
    let rotated = ana.follow(&format!("{path}/rotate"), &[]);
    assert_ne!(secret(&rotated).expect("a new one"), shown);
    for (fields, why) in [
        (vec![("url", "ftp://example.com"), ("every", "yes")], "callback URL"),
        (vec![("url", "http://10.0.0.1/"), ("every", "yes")], "--allow-network"),
        (vec![("url", receiver.url.as_str())], "must be chosen"),
        (vec![("url", receiver.url.as_str()), ("event", "order.gone")], "does not exist"),
    ] {
        let refused = ana.post(&new, &fields);
        assert!(refused.status == 422 && alert(&refused).contains(why), "{refused:?}");
        assert!(refused.body.contains(&format!("value=\"{}\"", fields[0].1)), "what was typed stands there still");
    }
}

#[test]
fn events_are_searched_and_picked_without_losing_what_was_chosen() {
    let world = world();
    let app = application(&world, &json!({"name": "Acme", "provider": "fintoc"}));
    let ana = Person::login(&world, ADMIN);
    let get = |query: &str| ana.get(&format!("{app}/endpoint/new?{query}")).body;
    let boxes = |page: &str| page.matches("type=\"checkbox\" name=\"event\"").count();
    let all = boxes(&get(""));
    assert!(all > 20, "{all}");
    let page = get("url=http%3A%2F%2Fa.example%2F&event=link.refresh_intent.succeeded&search=payment");
    let found = boxes(&page);
    assert!(found > 1 && found < all && page.contains("value=\"http://a.example/\""), "{found}");
    let page = get("event=account.refresh_intent.succeeded&search=payment&pick=all");
    assert_eq!(page.matches("name=\"event\" value=\"payment").count() + page.matches("\" checked").count(), 2 * found);
    assert!(page.contains("type=\"hidden\" name=\"event\" value=\"account.refresh_intent.succeeded\""), "{page}");
    let page = get("search=payment&pick=none&event=payment_intent.succeeded");
    assert!(boxes(&page) == found && !page.contains("\" checked"));
}

#[test]
fn bridge_takes_ten_webhooks_and_says_so_of_the_eleventh() {
    let world = world();
    let app = application(&world, &json!({"name": "Bridge", "provider": "bridge"}));
    let receiver = Receiver::good();
    let mut ana = Person::login(&world, ADMIN);
    let fields = [("url", receiver.url.as_str()), ("every", "yes")];
    for _ in 0..10 {
        assert_eq!(ana.post(&format!("{app}/endpoint/new"), &fields).status, 303);
    }
    let refused = ana.post(&format!("{app}/endpoint/new"), &fields);
    assert_eq!(
        (refused.status, alert(&refused)),
        (400, "there are 10 already, as many as this provider allows; delete one first")
    );
}

#[test]
fn a_test_says_what_came_back_and_counts_until_the_webhook_changes() {
    let world = world();
    let app = application(&world, &json!({"name": "Bridge", "provider": "bridge"}));
    let receiver = Receiver::start(|nth, _| {
        if nth == 0 {
            Behaviour::Bytes("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 11\r\n\r\nbroken <b>!")
        } else {
            Behaviour::Status(200)
        }
    });
    let mut ana = Person::login(&world, ADMIN);
    let made = ana.post(&format!("{app}/endpoint/new"), &[("url", &receiver.url), ("every", "yes")]);
    let path = made.header("location").to_owned();
    let mut test = |path: &str| ana.follow(&format!("{path}/test"), &[("type", "TEST_EVENT")]).body;
    let page = test(&path);
    assert!(page.contains("<span class=\"bad\">500</span>") && page.contains("broken &lt;b&gt;!"), "{page}");
    assert!(page.contains("not tested since its last change"));
    let page = test(&path);
    assert!(page.contains("Tested since its last change") && !page.contains("not tested"), "{page}");
    let body = String::from_utf8(receiver.wait_for(2)[1].body.clone()).unwrap();
    assert!(body.contains(r#""type":"TEST_EVENT""#) && body.contains("1611681789"), "{body}");
    let form = ana.get(&format!("{path}/edit")).body;
    assert!(form.contains(&format!("value=\"{}\"", receiver.url)) && form.contains("value=\"yes\" checked"), "{form}");
    let moved = format!("{}2", receiver.url);
    let wrong = ana.post(&format!("{path}/edit"), &[("url", "http://10.0.0.1/"), ("every", "yes")]);
    assert!(wrong.status == 422 && alert(&wrong).contains("--allow-network"), "{wrong:?}");
    let fields = [("url", moved.as_str()), ("description", "Moved"), ("event", "item.created")];
    let page = ana.follow(&format!("{path}/edit"), &fields).body;
    assert!(page.contains("Saved.") && page.contains(&moved) && page.contains("<dd>item.created</dd>"), "{page}");
    assert!(page.contains("not tested since its last change"));
    assert!(ana.get(&format!("{path}/edit")).body.contains("value=\"item.created\" checked"));
    assert!(ana.follow(&format!("{path}/test"), &[("type", "TEST_EVENT")]).body.contains("Tested since"));
    let page = ana.follow(&format!("{path}/pause"), &[]).body;
    assert!(page.contains("Paused:") && page.contains("not tested since its last change"));
    assert!(alert(&ana.follow(&format!("{path}/test"), &[("type", "TEST_EVENT")])).contains("is paused"));
    assert!(ana.follow(&format!("{path}/resume"), &[]).body.contains("Resumed:"));
    assert!(ana.follow(&format!("{path}/delete"), &[]).body.contains("is deleted."));
    assert_eq!(ana.get(&path).status, 404);
}

#[test]
fn an_events_page_tells_its_life_and_sends_it_again() {
    let world = world();
    let receiver = Receiver::start(|nth, _| Behaviour::Status(if nth == 0 { 503 } else { 200 }));
    let (app, _) = world.subscribe(&receiver.url);
    let event = world.publish(&app, r#"{"amount":4990,"link_token":"opens"}"#);
    world.attempts(&app, &event, 1);
    let mut ana = Person::login(&world, ADMIN);
    let path = format!("/test/event/{event}");
    let page = eventually(|| Some(ana.get(&path).body).filter(|page| page.contains("503")));
    assert!(page.contains("Accepted: on disk.") && page.contains("Next attempt") && page.contains("4990"), "{page}");
    assert!(!page.contains("opens"), "masked until it is asked for");
    assert!(ana.get(&format!("{path}?values=shown")).body.contains("opens"));
    let resend = page.split("name=\"endpoint\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(ana.follow(&format!("{path}/resend"), &[("endpoint", &resend)]).body.contains("sent again"));
    world.attempts(&app, &event, 2);
    let page = eventually(|| Some(ana.get(&path).body).filter(|page| page.contains("delivered")));
    assert!(page.contains(", by hand") && !page.contains("Next attempt"), "{page}");
    let list = ana.get("/test/event").body;
    assert!(list.contains(&path) && ana.get(&format!("/test/event?find={event}")).header("location") == path);
    assert!(!ana.get("/test/event?find=other.type").body.contains(&event));
    assert!(ana.get("/test/event?find=payment.succeeded").body.contains(&event));
    assert_eq!(ana.get("/test/event?find=msg_nothing").status, 404);
    assert_eq!(ana.get(&format!("{path}x")).status, 404);
    let mut vera = viewer(&world, &mut ana);
    let page = vera.get(&format!("{path}?values=shown")).body;
    assert!(!page.contains("opens") && !page.contains("Resend"), "{page}");
    assert_eq!(vera.post(&format!("{path}/resend"), &[("endpoint", &resend)]).status, 403);
    receiver.wait_for(2);
}

#[test]
fn what_failed_is_counted_and_replayed() {
    let world = world();
    let receiver = Receiver::start(|nth, _| Behaviour::Status(if nth < 3 { 400 } else { 200 }));
    let app = application(&world, &json!({"name": "Acme"}));
    let api = app.trim_start_matches("/test/app/");
    let endpoint = world.endpoint(api, &json!({"url": receiver.url, "retrySchedule": [1], "throttleRate": 100}));
    let path = format!("{app}/endpoint/{endpoint}");
    for _ in 0..3 {
        world.publish(api, "{}");
    }
    receiver.wait_for(3);
    let mut ana = Person::login(&world, ADMIN);
    eventually(|| ana.get(&path).body.contains("3 of 3").then_some(()));
    let count = ana.follow(&format!("{path}/replay"), &[("which", "all"), ("since", "hour"), ("count", "yes")]).body;
    assert!(count.contains("A replay of the last hour would make 3 deliveries again."), "{count}");
    assert!(count.contains("Nothing was replayed yet."));
    let begun = ana.follow(&format!("{path}/replay"), &[("which", "all"), ("since", "hour")]).body;
    assert!(begun.contains("The replay has begun."), "{begun}");
    let page = eventually(|| Some(ana.get(&path).body).filter(|page| page.contains("has ended")));
    assert!(
        page.contains("has ended: 3 deliveries.")
            && page.contains("<progress max=\"1\" value=\"1\"")
            && !page.contains("http-equiv=\"refresh\""),
        "{page}"
    );
    for (which, since, field) in [("x", "hour", "which "), ("all", "x", "since ")] {
        let refused = ana.follow(&format!("{path}/replay"), &[("which", which), ("since", since)]);
        assert!(alert(&refused).starts_with(field) && alert(&refused).contains("offers"), "{refused:?}");
    }
}

#[test]
fn a_viewer_sees_every_page_and_changes_nothing() {
    let world = world();
    let receiver = Receiver::good();
    let (app, endpoint) = world.subscribe(&receiver.url);
    let source = r#"{"name":"Fintoc","type":"fintoc","config":{"secrets":["whsec_abcdefghijklmnopqrstuvwxyz"]}}"#;
    let source = world.call("POST", "/ingest/api/v1/source", source).expect(201);
    let door = source["ingestUrl"].as_str().unwrap();
    let mut ana = Person::login(&world, ADMIN);
    let mut vera = viewer(&world, &mut ana);
    let webhook = format!("/test/app/{app}/endpoint/{endpoint}");
    for path in [
        "/test/",
        "/test/app",
        &format!("/test/app/{app}"),
        &webhook,
        "/test/event",
        "/test/replay",
        "/test/source",
        "/test/event-type",
    ] {
        let page = vera.get(path);
        let buttons: Vec<_> = page.body.match_indices("method=\"post\"").collect();
        assert_eq!((page.status, buttons.len()), (200, 1), "{path}: to log out alone");
        assert!(!page.body.contains(door));
    }
    assert!(ana.get("/test/source").body.contains(door));
    assert_eq!(vera.get(&format!("/test/app/{app}/endpoint/new")).status, 403);
    assert_eq!(vera.get(&format!("{webhook}/edit")).status, 403);
    let actions = ["edit", "test", "replay", "pause", "resume", "enable", "rotate", "delete"];
    for path in
        actions.map(|action| format!("{webhook}/{action}")).iter().chain([&format!("/test/app/{app}/endpoint/new")])
    {
        let refused = vera.post(
            path,
            &[("type", "svix.ping"), ("url", &receiver.url), ("every", "yes"), ("which", "all"), ("since", "day")],
        );
        assert_eq!(
            (refused.status, alert(&refused)),
            (403, "You can look at this and not change it: that takes an Admin."),
            "{path}"
        );
        for origin in ["http://evil.com", "null"] {
            assert_eq!(ana.post_from(origin, path, &[]).status, 403, "{path}");
        }
    }
    let list = world.call("GET", &format!("/api/v1/app/{app}/endpoint"), "").expect(200);
    assert_eq!((list["data"].as_array().unwrap().len(), &list["data"][0]["paused"]), (1, &json!(false)));
    assert!(receiver.received().is_empty());
    for path in [format!("/live/app/{app}"), format!("/test/app/{endpoint}"), format!("/test/app/{app}/endpoint/ep_x")]
    {
        assert_eq!(ana.get(&path).status, 404, "{path}");
    }
}

#[test]
fn admins_see_who_was_refused_last_at_a_door_and_viewers_how_many_were() {
    let world = world();
    let source = r#"{"name":"Fintoc","type":"fintoc","config":{"secrets":["whsec_abcdefghijklmnopqrstuvwxyz"]}}"#;
    let door = receive::path_of(&world.call("POST", "/ingest/api/v1/source", source).expect(201));
    let mut ana = Person::login(&world, ADMIN);
    let mut vera = viewer(&world, &mut ana);
    assert!(!ana.get("/test/source").body.contains("Refused"));
    for _ in 0..25 {
        world.raw(&receive::request(&door, b"{}", &[])).expect(401);
    }
    let [seen, unseen] = [&mut ana, &mut vera].map(|person| person.get("/test/source").body);
    for page in [&seen, &unseen] {
        assert!(page.contains("missing_header: 25"), "{page}");
    }
    assert!(seen.contains("<summary>The last 20</summary>"), "{seen}");
    assert_eq!(seen.matches(r#"<td data-label="From">127.0.0.1</td>"#).count(), 20, "{seen}");
    assert!(!unseen.contains("The last") && !unseen.contains("data-label=\"From\""), "{unseen}");
}

#[test]
fn what_strangers_write_is_text_on_every_page() {
    const EVIL: &str = r#""'><script>alert(1)</script><img src=x onerror=alert(1)>"#;
    let world = world();
    let receiver = Receiver::start(|_, _| {
        Behaviour::Bytes("HTTP/1.1 500 Bad\r\ncontent-length: 33\r\n\r\n\"'><script>alert(1)</script><img s")
    });
    let app = application(&world, &json!({"name": EVIL, "uid": "evil"}));
    let api = app.trim_start_matches("/test/app/");
    let url = format!("{}?%22%3E<script>alert(1)</script>", receiver.url);
    let endpoint = world.endpoint(api, &json!({"url": url, "description": EVIL}));
    world
        .call("POST", "/api/v1/event-type", json!({"name": "evil.type", "description": EVIL, "groupName": "evil"}))
        .expect(201);
    world.call("POST", "/ingest/api/v1/source", json!({"name": EVIL, "type": "svix"})).expect(201);
    let event = world.publish(api, &json!({"note": EVIL, EVIL: 1}).to_string());
    world.attempts(api, &event, 1);
    let mut ana = Person::login(&world, ADMIN);
    eventually(|| ana.get("/test/").body.contains(&endpoint).then_some(()));
    let webhook = format!("{app}/endpoint/{endpoint}");
    ana.follow(&format!("{webhook}/test"), &[("type", "svix.ping")]);
    let query: String = url::form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    for path in [
        "/test/",
        "/test/app",
        &app,
        &webhook,
        &format!("{app}/endpoint/new?url={query}&description={query}&search={query}&event={query}"),
        "/test/event",
        &format!("/test/event?find={query}"),
        &format!("/test/event/{event}"),
        "/test/source",
        "/test/event-type",
        &format!("/test/event-type?after={query}"),
        &format!("/login?next={query}"),
    ] {
        let page = ana.get(path);
        assert_eq!(page.status, 200, "{path}");
        for raw in ["<script>", "<img", "onerror=alert(1)>"] {
            assert!(!page.body.contains(raw), "{path}: {raw}");
        }
        let count = |text: &str| page.body.matches(text).count();
        assert_eq!(count("<script"), count("<script src=\"/assets/"), "{path}");
    }
    let refused = ana.post("/login", &[("email", EVIL), ("password", EVIL), ("next", EVIL)]);
    assert!(refused.status == 401 && !refused.body.contains("<script") && refused.body.contains("&lt;script"));
}
