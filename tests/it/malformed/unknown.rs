//! A field that nobody takes is told, with the one that was meant: nothing that a request says is passed over.

use serde_json::{Map, Value, json};

use super::roles::{ROUTES, polled};
use super::{Walls, check, problem};
use crate::world::World;

/// A name that is like no other.
const STRANGE: &str = "zzqx";
/// What takes any body: an event is what a provider made of it.
const FREE: &str = "/ingest/api/v1/source/{source}/import";

/// The requests that change something, of the document: method, path, and the schema of the body when there is one.
fn operations(document: &Value) -> Vec<(String, String, Option<Value>)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |operation| (path, operation)));
    all.filter(|(path, (method, _))| matches!(method.as_str(), "post" | "put" | "patch") && *path != FREE)
        .map(|(path, (method, operation))| {
            let schema = operation["requestBody"]["content"]["application/json"]["schema"].clone();
            (method.to_uppercase(), path.clone(), Some(schema).filter(Value::is_object))
        })
        .collect()
}

/// Each object of a fixed shape in a body: where it stands, a body that reaches it, and the fields it takes.
fn shapes(
    document: &Value,
    schema: &Value,
    place: &str,
    reach: &dyn Fn(Value) -> Value,
) -> Vec<(String, Value, Vec<String>)> {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap(),
        None => schema,
    };
    if let Some(either) = schema["anyOf"].as_array() {
        return shapes(document, &either[0], place, reach);
    }
    if schema["type"] == "array" || schema["type"][0] == "array" {
        let below = |inner: Value| reach(json!([inner]));
        return shapes(document, &schema["items"], &format!("{place}.0"), &below);
    }
    let (Some(fields), Value::Bool(false)) = (schema["properties"].as_object(), &schema["additionalProperties"]) else {
        return Vec::new();
    };
    let mut known: Vec<String> =
        fields.iter().filter(|(_, field)| field["readOnly"] != true).map(|(name, _)| name.clone()).collect();
    if known.contains(&"payload".to_owned()) && known.contains(&"eventId".to_owned()) {
        known.push("data".to_owned()); // as older clients of Svix call it
    }
    known.sort();
    let mut found = vec![(place.to_owned(), reach(json!({ STRANGE: 1 })), known)];
    for (name, field) in fields {
        let below = |inner: Value| reach(Value::Object(Map::from_iter([(name.clone(), inner)])));
        found.extend(shapes(document, field, &format!("{place}.{name}"), &below));
    }
    found
}

#[test]
fn every_route_takes_the_fields_of_the_document_and_names_them_when_another_comes() {
    let walls = Walls::start(&[]);
    let document = walls.world.call("GET", "/api/v1/openapi.json", "").expect(200);
    let operations = operations(&document);
    let mut seen = 0;
    for (method, path, schema) in &operations {
        let path = path.replace("{app}", &walls.app).replace("{ep}", &walls.endpoint);
        let path = polled(&path).replace("{name}", "a").replace("{msg}", "msg_x").replace("{task}", "qtask_x");
        let Some(schema) = schema else {
            let answer = walls.world.call(method, &path, json!({ STRANGE: 1 }));
            check(&answer, 422, &format!("body.{STRANGE}"), "unknown field `zzqx`; none is known here");
            seen += 1;
            continue;
        };
        for (place, body, known) in shapes(&document, schema, "body", &|body| body) {
            if place.contains("messages.") {
                continue; // each event of a batch has its own answer
            }
            let answer = walls.world.call(method, &path, body);
            check(&answer, 422, &format!("{place}.{STRANGE}"), "unknown field `zzqx`");
            let (_, sentence) = problem(&answer);
            let (_, told) = sentence.split_once("known are: ").unwrap_or_else(|| panic!("{method} {path}: {sentence}"));
            let mut told: Vec<_> = told.split(", ").map(str::to_owned).collect();
            told.sort();
            assert_eq!(told, known, "{method} {path}, {place}");
            seen += 1;
        }
    }
    let writes = ROUTES.iter().filter(|route| matches!(route.method, "POST" | "PUT" | "PATCH") && route.path != FREE);
    assert_eq!(operations.len(), writes.count());
    assert!(seen > operations.len() + 10, "{seen} shapes");
    walls.stand(0, 8);
}

#[test]
fn a_misspelt_field_is_told_with_the_one_that_was_meant_and_nothing_changes() {
    let walls = Walls::start(&[]);
    let endpoint = walls.path(&format!("endpoint/{}", walls.endpoint));
    let source = json!({"name": "a", "type": "generic-webhook"});
    let source =
        walls.world.call("POST", "/ingest/api/v1/source", source).expect(201)["id"].as_str().unwrap().to_owned();
    let source = format!("/ingest/api/v1/source/{source}");
    for (method, path, body, place, meant) in [
        ("PATCH", endpoint.clone(), json!({"pased": true}), "body.pased", "`paused`"),
        ("PATCH", endpoint.clone(), json!({"throttlerate": 1}), "body.throttlerate", "`throttleRate`"),
        ("PATCH", endpoint.clone(), json!({"event_types": ["a"]}), "body.event_types", "`eventTypes`"),
        ("PUT", endpoint.clone(), json!({"ulr": "http://127.0.0.1:1/"}), "body.ulr", "`url`"),
        ("POST", walls.path("endpoint"), json!({"url": "http://x/", "filtre": {}}), "body.filtre", "`filter`"),
        (
            "POST",
            format!("{endpoint}/recover"),
            json!({"since": "2099-01-01T00:00:00Z", "dryrun": true}),
            "body.dryrun",
            "`dryRun`",
        ),
        ("POST", "/api/v1/app".to_owned(), json!({"nmae": "a"}), "body.nmae", "`name`"),
        (
            "POST",
            walls.path("msg"),
            json!({"eventType": "a", "payload": {}, "deliverat": "x"}),
            "body.deliverat",
            "`deliverAt`",
        ),
        (
            "PATCH",
            "/api/v1/environment".to_owned(),
            json!({"portal": {"color": "#000000"}}),
            "body.portal.color",
            "`colour`",
        ),
        ("PATCH", source.clone(), json!({"config": {"onConflct": "hold"}}), "body.config.onConflct", "`onConflict`"),
        (
            "PATCH",
            source.clone(),
            json!({"config": {"authentication": {"type": "BEARER", "bearer": {"tokn": "abcd"}}}}),
            "body.config.authentication.bearer.tokn",
            "`token`",
        ),
    ] {
        check(&walls.world.call(method, &path, body), 422, place, &format!("did you mean {meant}?"));
    }
    // what belongs to another route is no field here, however well it is spelled
    let narrowed = json!({"since": "2099-01-01T00:00:00Z", "eventTypes": ["a"]});
    check(&walls.world.call("POST", &format!("{endpoint}/recover"), narrowed), 422, "body.eventTypes", "known are");
    let both = walls.world.call("PATCH", &endpoint, json!({"pased": true, "disbled": true}));
    let both: Value = both.expect(422);
    let told: Vec<_> = both["detail"].as_array().unwrap().iter().map(|field| field["loc"][1].clone()).collect();
    assert_eq!(told, ["pased", "disbled"]);
    let parts = json!({"messages": [{"eventType": "a", "payload": {}, "evntId": "1"}]});
    let parts = walls.world.call("POST", &walls.path("msg/batch"), parts).expect(202);
    assert_eq!(parts["data"][0]["detail"], "unknown field `evntId`; did you mean `eventId`?");
    walls.stand(0, 8);
}

#[test]
fn what_svix_knows_and_nobody_serves_here_is_still_told_so() {
    let walls = Walls::start(&[]);
    for (path, body) in [
        (
            walls.path("msg"),
            json!({"eventType": "a", "payload": {}, "transformationsParams": {"headers": {"content-type": "text/xml"}}}),
        ),
        ("/api/v1/environment/import".to_owned(), json!({"connectors": [{"name": "a"}]})),
    ] {
        assert_eq!(walls.world.call("POST", &path, body).expect(501)["code"], "not_implemented", "{path}");
    }
    let empty = json!({"connectors": [], "eventTypes": []});
    walls.world.call("POST", "/api/v1/environment/import", empty);
    walls.stand(0, 8);
}

#[test]
fn a_list_is_taken_for_no_object_wherever_it_stands() {
    let world = World::start();
    let words = "is a list; this takes a JSON object";
    let source = json!({"name": "a", "type": "bridge", "config": [["a secret"]]});
    check(&world.call("POST", "/ingest/api/v1/source", source), 422, "body.config", words);
    check(&world.call("PATCH", "/api/v1/environment", json!({"portal": ["Acme"]})), 422, "body.portal", words);
    let import = json!({"eventTypes": [["a", "what it is"]]});
    check(&world.call("POST", "/api/v1/environment/import", import), 422, "body.eventTypes[0]", words);
    let link = json!({"application": ["Acme", "acme"]});
    check(&world.call("POST", "/api/v1/auth/app-portal-access/acme", link), 422, "body.application", words);
    check(&world.call("POST", "/api/v1/app", json!(["Acme", "acme"])), 422, "body", words);
    assert_eq!(world.call("GET", "/api/v1/app", "").expect(200)["data"], json!([]));
}

/// A name as long as a body may be was once compared with every known one: gigabytes, on the thread that serves.
#[test]
fn a_name_of_a_megabyte_is_refused_and_shown_by_its_beginning() {
    let world = World::start();
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    let before = world.rss_kib();
    let long = "é".repeat(500_000);
    for (path, body) in [
        ("/api/v1/app", json!({ "name": "b", long.clone(): 1 })),
        (&format!("/api/v1/app/{app}/endpoint"), json!({ "url": "https://example.com", long.clone(): 1 })),
        (
            &format!("/api/v1/app/{app}/msg/batch"),
            json!({ "messages": [{ "eventType": "a", "payload": {}, long.clone(): 1 }] }),
        ),
    ] {
        let answer = world.call("POST", path, body);
        assert!(answer.body.len() < 2_000 && answer.body.contains("éé…"), "{path}: {} bytes", answer.body.len());
    }
    let grown = world.rss_kib().saturating_sub(before);
    assert!(grown < 64 * 1_024, "{grown} KiB more");
}
