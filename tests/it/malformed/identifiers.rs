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

/// Sends every request of the other party to the first one's things; each must be answered as for an unknown id.
fn finds_nothing(walls: &Walls, app: &str, key: &str) {
    let list = walls.world.call("GET", &walls.path("msg"), "").expect(200);
    let event = list["data"][0]["id"].as_str().expect("an id");
    let attempts = walls.world.call("GET", &walls.path(&format!("attempt/msg/{event}")), "").expect(200);
    let attempt = attempts["data"][0]["id"].as_str().expect("an id");
    for route in ROUTES.iter().filter(|route| route.path.contains("{app}")) {
        let path = route.path.replace("{app}", app).replace("{ep}", &walls.endpoint).replace("{msg}", event);
        let path = polled(&path).replace("{atmpt}", attempt);
        if !route.makes() && (path.contains(&walls.app) || path.contains(&walls.endpoint) || path.contains(event)) {
            let answer = walls.world.call_as(key, route.method, &path, &[], route.body);
            check(&answer, 404, "not_found", "Entity not found");
        }
    }
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
    finds_nothing(&walls, &walls.app, &live);
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
    finds_nothing(&walls, other["id"].as_str().unwrap(), KEY);
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
    for (method, rest) in
        [("GET", ""), ("DELETE", ""), ("GET", "/msg"), ("GET", "/endpoint"), ("POST", "/msg"), ("POST", "/msg/batch")]
    {
        let body = if rest == "/msg/batch" { format!(r#"{{"messages":[{}]}}"#, event()) } else { event() };
        check(&world.call(method, &format!("/api/v1/app/{app}{rest}"), body), 404, "not_found", "");
    }
}
