//! An environment's settings and event types: enforced, taken out, brought in.

use serde_json::{Value, json};

use crate::world::{Answer, Receiver, World};

fn schema() -> Value {
    json!({"1": {
        "type": "object", "required": ["id"],
        "properties": {"id": {"type": "string"}, "lines": {"type": "array", "items": {"type": "object", "properties": {"amount": {"type": "integer"}}}}},
        "examples": [{"id": "a"}]
    }})
}

#[test]
fn a_schema_is_enforced_as_the_environment_says() {
    let world = World::start();
    world.call("POST", "/api/v1/app", r#"{"name":"a","uid":"a"}"#).expect(201);
    let event_type = json!({"name": "order.paid", "description": "", "schemas": schema()});
    world.call("POST", "/api/v1/event-type", event_type).expect(201);
    let publish = |payload: Value| -> Answer {
        world.call("POST", "/api/v1/app/a/msg", json!({"eventType": "order.paid", "payload": payload}))
    };
    let set = |validation: &str| world.call("PATCH", "/api/v1/environment", json!({"schemaValidation": validation}));
    let wrong = json!({"id": "a", "lines": [{"amount": 1}, {"amount": "2"}]});
    assert_eq!(world.call("GET", "/api/v1/environment", "").expect(200)["schemaValidation"], "off");
    for validation in ["off", "warn"] {
        set(validation).expect(200);
        publish(wrong.clone()).expect(202);
    }
    assert_eq!(set("enforce").expect(200)["schemaValidation"], "enforce");
    publish(json!({"id": "a", "lines": [{"amount": 1}]})).expect(202);
    let refused = publish(wrong.clone()).expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "payload", "lines", "1", "amount"]));
    assert!(refused["detail"][0]["msg"].as_str().unwrap().contains("/lines/1/amount"), "{refused}");
    assert_eq!(publish(json!({})).expect(422)["detail"][0]["loc"], json!(["body", "payload"]));
    let batch = json!({"messages": [{"eventType": "order.paid", "payload": {"id": "a"}}, {"eventType": "order.paid", "payload": {}}]});
    let batch = world.call("POST", "/api/v1/app/a/msg/batch", batch).expect(202);
    assert_eq!((&batch["data"][0]["status"], &batch["data"][1]["status"]), (&json!(202), &json!(422)));
    world.call("POST", "/api/v1/app/a/msg", json!({"eventType": "no.schema", "payload": {}})).expect(202);
    world.call("PATCH", "/api/v1/event-type/order.paid", json!({"schemas": null})).expect(200);
    publish(wrong).expect(202);
    assert_eq!(set("sometimes").expect(422)["detail"][0]["loc"], json!(["body", "schemaValidation"]));
    for none in [json!({"1": {"type": "objekt"}}), json!({"1": {"$ref": "file:///etc/passwd"}}), json!([])] {
        let event_type = json!({"name": "x", "description": "", "schemas": none});
        assert_eq!(world.call("POST", "/api/v1/event-type", event_type).status, 422, "{none}");
    }
}

#[test]
fn what_is_exported_is_imported_elsewhere_as_it_was() {
    let world = World::start();
    for (name, archived) in [("a.one", false), ("b.two", true)] {
        let flags = if archived { json!(["beta"]) } else { Value::Null };
        let event_type = json!({"name": name, "description": name, "schemas": schema(), "archived": archived, "featureFlags": flags, "groupName": "g"});
        world.call("POST", "/api/v1/event-type", event_type).expect(201);
    }
    world.call("PATCH", "/api/v1/environment", r#"{"schemaValidation":"warn"}"#).expect(200);
    let exported = world.call("POST", "/api/v1/environment/export", "").expect(200);
    let live = world.key("admin", "live");
    let call = |method: &str, path: &str, body: &str| world.call_as(&live, method, path, &[], body);
    crate::world::eventually(|| (call("GET", "/api/v1/app", "").status == 200).then_some(()));
    for _ in 0..2 {
        assert_eq!(call("POST", "/api/v1/environment/import", &exported.to_string()).status, 204);
    }
    let again = call("POST", "/api/v1/environment/export", "").expect(200);
    let bare = |export: &Value| {
        let mut export = export.clone();
        for row in export["eventTypes"].as_array_mut().unwrap() {
            row.as_object_mut().unwrap().retain(|field, _| !field.ends_with("At"));
        }
        (export["eventTypes"].clone(), export["settings"].clone())
    };
    assert_eq!(bare(&again), bare(&exported));
    assert_eq!(bare(&again).0.as_array().unwrap().len(), 2);
    let broken = r#"{"eventTypes":[{"name":"c.three","description":""},{"name":"a b","description":""}]}"#;
    assert_eq!(call("POST", "/api/v1/environment/import", broken).status, 422);
    assert_eq!(call("GET", "/api/v1/event-type/c.three", "").status, 404, "all or none");
}

#[test]
fn the_webhooks_of_an_openapi_document_become_event_types() {
    let world = World::start();
    world.call("POST", "/api/v1/event-type", r#"{"name":"old.one","description":""}"#).expect(201);
    let line = json!({"type": "object", "properties": {"amount": {"type": "integer"}}});
    let spec = json!({
        "openapi": "3.1.0",
        "components": {"schemas": {"Order": {"type": "object", "properties": {"line": {"$ref": "#/components/schemas/Line"}}}, "Line": line,
            "Loop": {"properties": {"again": {"$ref": "#/components/schemas/Loop"}}}}},
        "webhooks": {
            "order.paid": {"post": {"description": "It was paid", "x-svix-group-name": "order", "requestBody": {"content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/Order"}, "example": {"line": {"amount": 1}}}}}}},
            "loop.made": {"post": {"summary": "Round", "deprecated": true, "requestBody": {"content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/Loop"}}}}}}
        }
    });
    let import = |body: Value| world.call("POST", "/api/v1/event-type/import/openapi", body);
    let dry = import(json!({"spec": spec, "dryRun": true})).expect(200);
    assert_eq!(dry["data"]["modified"], json!(["order.paid", "loop.made"]));
    assert_eq!(dry["data"]["to_modify"][0]["groupName"], "order");
    assert_eq!(world.call("GET", "/api/v1/event-type/order.paid", "").status, 404);
    import(json!({"specRaw": spec.to_string(), "replaceAll": true})).expect(200);
    let paid = world.call("GET", "/api/v1/event-type/order.paid", "").expect(200);
    assert_eq!(paid["description"], "It was paid");
    assert_eq!(paid["schemas"]["1"]["properties"]["line"], line);
    assert_eq!(paid["schemas"]["1"]["examples"], json!([{"line": {"amount": 1}}]));
    assert_eq!(world.call("GET", "/api/v1/event-type/loop.made", "").expect(200)["deprecated"], true);
    assert_eq!(world.call("GET", "/api/v1/event-type/old.one", "").expect(200)["archived"], true);
    for neither in [json!({}), json!({"spec": spec, "specRaw": "{}"})] {
        assert_eq!(import(neither).expect(400)["code"], "generic_error");
    }
    assert_eq!(import(json!({"spec": {}})).status, 422);
}

#[test]
fn an_openapi_document_in_yaml_is_read_and_one_that_grows_beyond_all_bounds_is_refused() {
    let world = World::start();
    let import = |body: Value| world.call("POST", "/api/v1/event-type/import/openapi", body);
    let yaml = "openapi: 3.1.0\nwebhooks:\n  refund.made:\n    post: &post\n      description: >-\n        Money went\n        back\n      requestBody:\n        content:\n          application/json:\n            schema: {type: object, required: [amount]}\n  refund.failed:\n    post:\n      <<: *post\n      deprecated: true\n";
    let done = import(json!({ "specRaw": yaml })).expect(200);
    assert_eq!(done["data"]["modified"], json!(["refund.made", "refund.failed"]));
    let made = world.call("GET", "/api/v1/event-type/refund.made", "").expect(200);
    assert_eq!((&made["description"], &made["deprecated"]), (&json!("Money went back"), &json!(false)));
    assert_eq!(made["schemas"]["1"], json!({"type": "object", "required": ["amount"]}));
    let failed = world.call("GET", "/api/v1/event-type/refund.failed", "").expect(200);
    assert_eq!((&failed["description"], &failed["deprecated"]), (&json!("Money went back"), &json!(true)));

    let lines = |line: &dyn Fn(usize) -> String| (1..12).map(line).collect::<String>();
    let laughs = lines(&|level| format!("l{level}: &l{level} [{}]\n", vec![format!("*l{}", level - 1); 10].join(",")));
    let turns = (1..12).map(|level| {
        let again = json!({"$ref": format!("#/s/l{}", level - 1)});
        (format!("l{level}"), json!({"allOf": vec![again; 10]}))
    });
    let mut named: serde_json::Map<String, Value> = turns.collect();
    named.insert("l0".to_owned(), json!({"type": "object"}));
    let content = json!({"application/json": {"schema": {"$ref": "#/s/l11"}}});
    let round = json!({"s": named, "webhooks": {"a": {"post": {"requestBody": {"content": content}}}}});
    for (body, field, why) in [
        (json!({ "specRaw": format!("l0: &l0 [a]\n{laughs}") }), "specRaw", "more than 100000 values"),
        (json!({ "specRaw": "{\"a\": " }), "specRaw", "begins like JSON"),
        (json!({ "specRaw": "a: [1\nb: 2" }), "specRaw", "neither JSON nor YAML"),
        (json!({ "spec": round }), "spec", "more than 200000 values"),
    ] {
        let detail = import(body).expect(422)["detail"][0].clone();
        assert_eq!(detail["loc"], json!(["body", field]));
        assert!(detail["msg"].as_str().unwrap().contains(why), "{detail}");
    }
}

#[test]
fn an_example_is_the_one_that_is_asked_for_or_the_payload_that_is_given() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let schemas = json!({"1": {"type": "object", "examples": [{"n": 1}, {"n": 2}]}});
    world.call("POST", "/api/v1/event-type", json!({"name": "a.b", "description": "", "schemas": schemas})).expect(201);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/send-example");
    let send = |more: Value| {
        let mut body = json!({"eventType": "a.b"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.call("POST", &path, body)
    };
    assert_eq!(send(json!({})).expect(200)["payload"], json!({"n": 1}));
    assert_eq!(send(json!({"exampleIndex": 1})).expect(200)["payload"], json!({"n": 2}));
    assert_eq!(send(json!({"payload": {"n": 3}})).expect(200)["payload"], json!({"n": 3}));
    assert_eq!(send(json!({"exampleIndex": 2})).expect(422)["detail"][0]["loc"], json!(["body", "exampleIndex"]));
    assert_eq!(send(json!({"payload": [3]})).expect(422)["detail"][0]["loc"], json!(["body", "payload"]));
    assert_eq!(send(json!({"eventType": "nobody", "payload": {}})).status, 404);
    let mut bodies: Vec<_> = receiver.wait_for(3).into_iter().map(|received| received.body).collect();
    bodies.sort();
    assert_eq!(bodies, [br#"{"n":1}"#, br#"{"n":2}"#, br#"{"n":3}"#]);
}

#[test]
fn the_provider_of_an_application_that_has_nothing_yet_is_patched_and_not_passed_over() {
    let world = World::start();
    world.call("POST", "/api/v1/app", json!({"name": "a", "uid": "a"})).expect(201);
    let patched = world.call("PATCH", "/api/v1/app/a", json!({"provider": "fintoc"})).expect(200);
    assert_eq!(patched["provider"], "fintoc");
    world.call("POST", "/api/v1/app/a/endpoint", json!({"url": "http://127.0.0.1:1/"})).expect(201);
    assert_eq!(world.call("PATCH", "/api/v1/app/a", json!({"provider": "bridge"})).status, 409);
    assert_eq!(world.call("PATCH", "/api/v1/app/a", json!({"provider": "fintoc"})).status, 200);
}
