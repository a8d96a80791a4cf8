//! Ids that nobody has: 404 on every route, whatever stands in the path, and never another's thing.

use serde_json::json;

use super::roles::{ROUTES, Route, polled};
use super::{Walls, check, event};
use crate::world::{KEY, World};

/// Texts in the place of an id: no id at all, or one that is well-formed and guessed.
fn texts(prefix: &str) -> Vec<String> {
    vec![
        "nobody".to_owned(),
        format!("{prefix}000000000000000000000000000"),
        format!("{prefix}zzzzzzzzzzzzzzzzzzzzzzzzzzz"),
        prefix.to_owned(),
        format!("{prefix}💶"),
        "%2e%2e%2f".to_owned(),
        "..".to_owned(),
        "%00".to_owned(),
        "%F0%9F%92%B6".to_owned(),
        "%ff%fe".to_owned(),
        "%".to_owned(),
        "a%20b'\"--;drop%20table%20event".to_owned(),
        "x".repeat(1_000),
    ]
}

/// A path with one of its ids replaced.
fn with(route: &Route, place: &str, text: &str, walls: &Walls, event: &str) -> String {
    let real = [("{app}", walls.app.as_str()), ("{ep}", &walls.endpoint), ("{msg}", event), ("{name}", "nobody")];
    let path = polled(route.path).replace(place, text);
    real.iter().fold(path, |path, (place, id)| path.replace(place, id))
}

#[test]
fn an_unknown_id_is_404_on_every_route() {
    let walls = Walls::start(&[]);
    let event = walls.world.call("GET", &walls.path("msg"), "").expect(200)["data"][0]["id"].clone();
    for route in ROUTES.iter().filter(|route| !route.makes()) {
        for (place, prefix) in [
            ("{app}", "app_"),
            ("{source}", "src_"),
            ("{ep}", "ep_"),
            ("{msg}", "msg_"),
            ("{atmpt}", "atmpt_"),
            ("{name}", ""),
        ] {
            if !route.path.contains(place) {
                continue;
            }
            for text in texts(prefix).into_iter().filter(|text| !text.is_empty()) {
                let path = with(route, place, &text, &walls, event.as_str().unwrap());
                let path = if place == "{atmpt}" { path } else { path.replace("{atmpt}", "atmpt_1") };
                check(&walls.world.call(route.method, &path, route.body), 404, "not_found", "");
            }
        }
    }
    walls.stand(0, 8);
}

/// Another party's ids, by the place in which they stand; each stands for a thing that exists.
type Foreign<'a> = [(&'a str, &'a str)];

/// Sends every request of a party with `own` ids but for one, which is another's; each must be answered, byte for byte,
/// as for an id that nobody has.
fn finds_nothing(world: &World, key: &str, own: &Foreign, foreign: &Foreign) {
    let mut asked = 0;
    for route in ROUTES.iter().filter(|route| !route.makes()) {
        for (place, id) in foreign.iter().filter(|(place, _)| route.path.contains(place)) {
            let fill = |id: &str| {
                let path = polled(route.path).replace(place, id);
                own.iter().chain(foreign).fold(path, |path, (place, id)| path.replace(place, id))
            };
            let ask = |path: &str| world.call_as(key, route.method, path, &[], route.body);
            let (answer, unknown) = (ask(&fill(id)), ask(&fill("nobody")));
            check(&answer, 404, "not_found", "Entity not found");
            assert_eq!(answer.body, unknown.body, "{} {}", route.method, route.path);
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked} requests were made");
}

/// The ids of what the walls hold.
fn ids(walls: &Walls) -> [String; 2] {
    let list = walls.world.call("GET", &walls.path("msg"), "").expect(200);
    let event = list["data"][0]["id"].as_str().expect("an id").to_owned();
    let attempts = walls.world.call("GET", &walls.path(&format!("attempt/msg/{event}")), "").expect(200);
    [event, attempts["data"][0]["id"].as_str().expect("an id").to_owned()]
}

#[test]
fn a_live_key_never_sees_what_is_tests() {
    let walls = Walls::start(&[]);
    let live = walls.world.key("admin", "live");
    let call = |method: &str, path: &str, body: &str| walls.world.call_as(&live, method, path, &[], body);
    crate::world::eventually(|| (call("GET", "/api/v1/app", "").status == 200).then_some(()));
    assert_eq!(call("GET", "/api/v1/app", "").expect(200)["data"], json!([]));
    let name = r#"{"name":"pay.ok","description":""}"#;
    walls.world.call("POST", "/api/v1/event-type", name).expect(201);
    assert_eq!(call("GET", "/api/v1/event-type", "").expect(200)["data"], json!([]));
    check(&call("GET", "/api/v1/event-type/pay.ok", ""), 404, "not_found", "");
    let [msg, atmpt] = ids(&walls);
    let source = walls.world.call("POST", "/ingest/api/v1/source", r#"{"name":"a","type":"svix"}"#).expect(201);
    let hearers = "/api/v1/operational-webhook/endpoint";
    let hearer = walls.world.call("POST", hearers, r#"{"url":"http://127.0.0.1:1/"}"#).expect(201);
    let hearer = hearer["id"].as_str().unwrap();
    let foreign = [("{app}", walls.app.as_str()), ("{msg}", &msg), ("{atmpt}", &atmpt), ("{ep}", hearer)];
    let all = [&foreign[..], &[("{source}", source["id"].as_str().unwrap()), ("{name}", "pay.ok")]].concat();
    finds_nothing(&walls.world, &live, &[], &all);
    // the same names are free there, and mean other things
    call("POST", "/api/v1/event-type", name).expect(201);
    walls.world.call("POST", "/api/v1/app", r#"{"name":"test's","uid":"acme"}"#).expect(201);
    check(&call("GET", "/api/v1/app/acme", ""), 404, "not_found", "");
    call("POST", "/api/v1/app", r#"{"name":"live's","uid":"acme"}"#).expect(201);
    assert_eq!(call("GET", "/api/v1/app/acme", "").expect(200)["name"], "live's");
    assert_eq!(walls.world.call("GET", "/api/v1/app/acme", "").expect(200)["name"], "test's");
    // nor does an idempotency key reach over
    let keyed = [("idempotency-key", "k")];
    let publish = |key: &str| walls.world.call_as(key, "POST", "/api/v1/app/acme/msg", &keyed, &event()).expect(202);
    assert_ne!(publish(KEY)["id"], publish(&live)["id"]);
}

#[test]
fn one_application_never_sees_anothers_endpoints_events_and_attempts() {
    let walls = Walls::start(&[]);
    let other = walls.world.call("POST", "/api/v1/app", r#"{"name":"other"}"#).expect(201);
    let other = other["id"].as_str().unwrap();
    let [msg, atmpt] = ids(&walls);
    let foreign = [("{ep}", walls.endpoint.as_str()), ("{msg}", &msg), ("{atmpt}", &atmpt)];
    let source = walls.world.call("POST", "/ingest/api/v1/source", r#"{"name":"a","type":"svix"}"#).expect(201);
    let own = [("{app}", other), ("{source}", source["id"].as_str().unwrap())];
    finds_nothing(&walls.world, KEY, &own, &foreign);
    let foreign = format!("attempt/msg/nobody?endpoint_id={}", walls.endpoint);
    check(&walls.world.call("GET", &walls.path(&foreign), ""), 404, "not_found", "");
    assert_eq!(walls.world.log(), "");
}

#[test]
fn what_is_deleted_is_unknown_from_then_on() {
    let world = World::start();
    let (app, endpoint) = world.subscribe("http://127.0.0.1:1/");
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    assert_eq!(world.call("DELETE", &path, "").status, 204);
    for rest in ["", "/headers", "/secret"] {
        check(&world.call("GET", &format!("{path}{rest}"), ""), 404, "not_found", "");
    }
    check(&world.call("DELETE", &path, ""), 404, "not_found", "");
    assert_eq!(world.call("DELETE", &format!("/api/v1/app/{app}"), "").status, 204);
    for (method, rest) in [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/endpoint/x/stats"),
        ("GET", "/endpoint"),
        ("POST", "/msg"),
        ("POST", "/msg/batch"),
    ] {
        let body = if rest == "/msg/batch" { format!(r#"{{"messages":[{}]}}"#, event()) } else { event() };
        check(&world.call(method, &format!("/api/v1/app/{app}{rest}"), body), 404, "not_found", "");
    }
}
