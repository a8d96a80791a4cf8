//! What a PUT leaves, what an empty list means, and in which order endpoints are listed: as svix-server has them.

use serde_json::{Value, json};

use crate::world::World;

const HEARERS: &str = "/api/v1/operational-webhook/endpoint";
const SOURCES: &str = "/ingest/api/v1/source";
const URL: &str = "http://127.0.0.1:1/";

/// An application and a source; gives the three routes of endpoints, each with an event type that it knows.
fn furnished(world: &World) -> [(String, &'static str); 3] {
    world.call("POST", "/api/v1/app", r#"{"name":"a","uid":"a"}"#).expect(201);
    world.call("POST", SOURCES, r#"{"name":"in","uid":"in","type":"generic-webhook"}"#).expect(201);
    world.call("POST", "/api/v1/event-type", r#"{"name":"a.b","description":""}"#).expect(201);
    [
        ("/api/v1/app/a/endpoint".to_owned(), "a.b"),
        (HEARERS.to_owned(), "endpoint.created"),
        (format!("{SOURCES}/in/endpoint"), "a.b"),
    ]
}

#[test]
fn a_put_without_a_uid_removes_it() {
    let world = World::start();
    let mut cases = vec![
        ("/api/v1/app".to_owned(), json!({"name": "n"})),
        (SOURCES.to_owned(), json!({"name": "n", "type": "generic-webhook"})),
    ];
    cases.extend(furnished(&world).map(|(route, _)| (route, json!({"url": URL}))));
    for (route, body) in cases {
        for unset in [None, Some(Value::Null)] {
            let with = |uid: Option<Value>| {
                let mut body = body.clone();
                if let Some(uid) = uid {
                    body["uid"] = uid;
                }
                body
            };
            let made = world.call("PUT", &format!("{route}/mine"), with(None)).expect(201);
            assert_eq!(made["uid"], "mine", "{route}: what nobody has is made under the name in the path");
            let put = world.call("PUT", &format!("{route}/mine"), with(unset)).expect(200);
            assert_eq!((&put["id"], &put["uid"]), (&made["id"], &Value::Null), "{route}");
            assert_eq!(world.call("GET", &format!("{route}/mine"), "").status, 404, "{route}");
            let path = format!("{route}/{}", made["id"].as_str().unwrap());
            let kept = world.call("PUT", &path, with(Some(json!("other")))).expect(200);
            assert_eq!(kept["uid"], "other", "{route}");
            assert_eq!(world.call("DELETE", &path, "").status, 204);
        }
    }
}

/// A client that takes the last name out of a list asks for nothing: read as all, it would get everything.
#[test]
fn an_empty_list_never_widens_what_an_endpoint_wants() {
    let world = World::start();
    for (route, known) in furnished(&world) {
        let with = |field: &str, value: Value| {
            let mut body = json!({"url": URL});
            body[field] = value;
            body
        };
        let path = format!("{route}/e");
        let narrow = json!({"url": URL, "uid": "e", "eventTypes": [known], "channels": ["eu"]});
        let narrow = world.call("POST", &route, narrow).expect(201);
        let refused = |method: &str, path: &str, field: &str| {
            let refused = world.call(method, path, with(field, json!([]))).expect(422);
            assert_eq!(refused["detail"][0]["loc"], json!(["body", field]), "{method} {path}");
        };
        refused("POST", &route, "channels");
        for field in ["channels", "eventTypes", "filterTypes"] {
            refused("PUT", &path, field);
            refused("PATCH", &path, field);
            refused("PUT", &format!("{route}/nobody"), field);
        }
        let now = world.call("GET", &path, "").expect(200);
        assert_eq!(now, narrow, "nothing changed");
        // svix-react makes endpoints so
        for field in ["eventTypes", "filterTypes"] {
            let all = world.call("POST", &route, with(field, json!([]))).expect(201);
            assert_eq!((&all["eventTypes"], &all["filterTypes"]), (&Value::Null, &Value::Null));
        }
        for field in ["channels", "eventTypes", "filterTypes"] {
            let typed = json!({"eventTypes": [known], "channels": ["eu"]});
            world.call("PATCH", &path, typed).expect(200);
            let shown = if field == "filterTypes" { "eventTypes" } else { field };
            let all = world.call("PATCH", &path, json!({field: null})).expect(200);
            assert_eq!(all[shown], Value::Null, "{field}: null is all");
            let all = world.call("PUT", &path, with(field, Value::Null)).expect(200);
            assert_eq!(all[shown], Value::Null, "{field}: null is all");
            world.call("PATCH", &format!("{route}/{}", all["id"].as_str().unwrap()), json!({"uid": "e"})).expect(200);
        }
        let older = world.call("PATCH", &path, json!({"filterTypes": [known]})).expect(200);
        assert_eq!(older["eventTypes"], json!([known]));
    }
    let event = json!({"eventType": "a.b", "payload": {}, "channels": []});
    let refused = world.call("POST", "/api/v1/app/a/msg", event).expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "channels"]), "nor of an event");
}

/// svix-server: endpoints the newest first, also those of an event; applications the oldest first; event types by name.
#[test]
fn lists_have_the_order_that_svix_server_gives_them() {
    let world = World::start();
    let ids = |path: &str, query: &str| -> Vec<String> {
        let list = world.call("GET", &format!("{path}{query}"), "").expect(200);
        list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    for (route, _) in furnished(&world) {
        let made: Vec<String> = (0..3)
            .map(|_| world.call("POST", &route, json!({"url": URL})).expect(201)["id"].as_str().unwrap().to_owned())
            .collect();
        let newest: Vec<String> = made.iter().rev().cloned().collect();
        assert_eq!(ids(&route, ""), newest, "{route}");
        assert_eq!(ids(&route, "?order=descending"), newest, "{route}");
        assert_eq!(ids(&route, "?order=ascending"), made, "{route}");
        let first = world.call("GET", &format!("{route}?limit=2"), "").expect(200);
        let iterator = first["iterator"].as_str().unwrap();
        assert_eq!(ids(&route, &format!("?iterator={iterator}")), &newest[2..], "{route}");
        let last = world.call("GET", &format!("{route}?iterator={iterator}"), "").expect(200);
        assert_eq!(ids(&route, &format!("?iterator={}", last["prevIterator"].as_str().unwrap())), &newest[..2]);
    }
    let endpoints = ids("/api/v1/app/a/endpoint", "");
    let event = world.publish("a", "{}");
    assert_eq!(ids(&format!("/api/v1/app/a/msg/{event}/endpoint"), ""), endpoints);
    let names = |path: &str| -> Vec<String> {
        let list = world.call("GET", path, "").expect(200);
        list["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    world.call("POST", "/api/v1/app", r#"{"name":"b"}"#).expect(201);
    world.call("POST", "/api/v1/event-type", r#"{"name":"a.a","description":""}"#).expect(201);
    assert_eq!(names("/api/v1/app"), ["a", "b"]);
    assert_eq!(names("/api/v1/event-type"), ["a.a", "a.b"]);
}
