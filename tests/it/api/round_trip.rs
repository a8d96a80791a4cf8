//! What was read is sent back as it was read, and everything is as before: fields that only we set change nothing.

use serde_json::{Value, json};

use crate::world::{Receiver, World};

/// What was sent back and came of it, but for the time of the change.
#[track_caller]
fn back(world: &World, path: &str, methods: &[&str]) {
    let read = |path: &str| {
        let mut value = world.call("GET", path, "").expect(200);
        if let Some(fields) = value.as_object_mut() {
            for counted in ["updatedAt", "version"] {
                fields.remove(counted);
            }
        }
        value
    };
    let before = read(path);
    for method in methods {
        let whole = world.call("GET", path, "").body;
        let answer = world.call(method, path, &whole);
        assert!(answer.status < 300, "{method} {path} {whole}: {answer:?}");
        assert_eq!(read(path), before, "{method} {path}");
    }
}

fn make(world: &World, path: &str, body: &Value) -> String {
    world.call("POST", path, body).expect(201)["id"].as_str().unwrap_or_default().to_owned()
}

const BOTH: [&str; 2] = ["PUT", "PATCH"];

#[test]
fn what_a_get_shows_can_be_put_and_patched_back_for_every_resource() {
    let world = World::start();
    let receiver = Receiver::good();
    let app = json!({"name": "Acme", "uid": "acme", "metadata": {"a": "b"}, "throttleRate": 7, "provider": "fintoc"});
    make(&world, "/api/v1/app", &app);
    back(&world, "/api/v1/app/acme", &BOTH);
    let event_type = json!({"name": "a.b", "description": "what it is", "featureFlags": ["beta"], "groupName": "a"});
    make(&world, "/api/v1/event-type", &event_type);
    back(&world, "/api/v1/event-type/a.b", &BOTH);
    let settings = json!({"portal": {"name": "Acme Pay", "colour": "#0a7d5a"}, "schemaValidation": "warn"});
    world.call("PATCH", "/api/v1/environment", settings).expect(200);
    back(&world, "/api/v1/environment", &["PATCH"]);
    let source = make(&world, "/ingest/api/v1/source", &json!({"name": "a", "type": "bridge"}));
    for (below, endpoint) in [
        (
            "/api/v1/app/acme/endpoint",
            json!({"url": receiver.url, "uid": "ep", "eventTypes": ["a.b"], "filter": {"/a": 1},
            "channels": ["eu"], "retrySchedule": [5, 60], "ordering": "key", "orderingKey": "/id", "paused": true,
            "throttleRate": 9, "timeoutSeconds": 3, "maxInFlight": 2, "metadata": {"k": "v"}, "description": "here"}),
        ),
        ("/api/v1/app/acme/endpoint", json!({"url": receiver.url})),
        ("/api/v1/operational-webhook/endpoint", json!({"url": receiver.url, "eventTypes": ["endpoint.created"]})),
        (&format!("/ingest/api/v1/source/{source}/endpoint"), json!({"url": receiver.url})),
    ] {
        let path = format!("{below}/{}", make(&world, below, &endpoint));
        back(&world, &path, &BOTH);
        let headers = json!({"headers": {"Authorization": "Bearer x", "X-Shown": "y"}});
        world.call("PUT", &format!("{path}/headers"), headers).expect(204);
        back(&world, &format!("{path}/headers"), &BOTH);
    }
}

#[test]
fn what_is_withheld_in_an_answer_stays_when_the_answer_comes_back() {
    let receiver = Receiver::good();
    let world = World::start();
    let (app, endpoint) = world.subscribe(&receiver.url);
    let headers = format!("/api/v1/app/{app}/endpoint/{endpoint}/headers");
    world.call("PUT", &headers, json!({"headers": {"Authorization": "Bearer x", "X-Shown": "y"}})).expect(204);
    back(&world, &headers, &BOTH);
    world.publish(&app, "{}");
    assert_eq!(receiver.wait_for(1)[0].header("authorization"), "Bearer x");
    let unset = world.call("PUT", &headers, json!({"headers": {}, "sensitive": ["X-Api-Key"]}));
    assert_eq!(unset.expect(422)["detail"][0]["loc"], json!(["body", "sensitive"]));
    world.call("PUT", &headers, json!({"headers": {"X-Shown": "y"}})).expect(204);
    assert_eq!(world.call("GET", &headers, "").expect(200), json!({"headers": {"X-Shown": "y"}, "sensitive": []}));
}

#[test]
fn a_source_of_every_type_is_as_before_when_it_comes_back() {
    let world = World::start();
    let sources = "/ingest/api/v1/source";
    let basic = json!({"type": "BASIC", "basic": {"username": "u", "password": "a password"}});
    let bearer = json!({"type": "BEARER", "bearer": {"token": "a token of any form"}});
    for (kind, config) in [
        ("fintoc", json!({"secrets": ["whsec_test_of_some_length_0123456789"], "allowIps": ["192.0.2.0/24"]})),
        ("bridge", json!({})),
        ("finix", json!({})),
        ("finix", json!({"authentication": basic, "requireSignature": false})),
        ("finix", json!({"authentication": bearer, "requireSignature": false})),
        ("standard-webhooks", json!({})),
        ("svix", json!({})),
        ("generic-webhook", json!({"idPath": "/id", "typeHeader": "x-type", "keepHeaders": ["x-a"], "dedup": "id"})),
    ] {
        let id = make(&world, sources, &json!({"name": "a", "type": kind, "config": config}));
        back(&world, &format!("{sources}/{id}"), &BOTH);
    }
    let other = json!({"config": {"authentication": {"type": "BASIC", "basic": {"username": "other"}}}});
    let id = make(&world, sources, &json!({"name": "a", "type": "finix", "config": {"authentication": basic}}));
    let answer = world.call("PATCH", &format!("{sources}/{id}"), other);
    assert_eq!(answer.expect(422)["detail"][0]["loc"], json!(["body", "config", "authentication"]));
}

#[test]
fn what_an_export_gave_is_taken_and_an_event_that_was_read_is_published_again() {
    let world = World::start();
    make(&world, "/api/v1/event-type", &json!({"name": "a.b", "description": ""}));
    let export = world.call("POST", "/api/v1/environment/export", "");
    world.call("POST", "/api/v1/environment/import", &export.body).expect(204);
    let app = make(&world, "/api/v1/app", &json!({"name": "Acme"}));
    let event = world.publish(&app, r#"{"amount":1}"#);
    let read = world.call("GET", &format!("/api/v1/app/{app}/msg/{event}"), "");
    world.call("POST", &format!("/api/v1/app/{app}/msg"), &read.body).expect(202);
}

#[test]
fn the_name_of_an_event_type_is_not_changed_in_silence() {
    let world = World::start();
    make(&world, "/api/v1/event-type", &json!({"name": "a.b", "description": ""}));
    for (method, body) in [("PUT", json!({"name": "a.c", "description": ""})), ("PATCH", json!({"name": "a.c"}))] {
        let answer = world.call(method, "/api/v1/event-type/a.b", body);
        assert_eq!(answer.expect(422)["detail"][0]["loc"], json!(["body", "name"]));
    }
}
