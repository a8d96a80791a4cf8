//! What clients of svix-server read in answers: statuses, codes, texts, places, and the forms a query may have.

use serde_json::{Value, json};

use crate::world::World;

const APP: &str = "/api/v1/app/acme";

/// A request that is refused: with what status, and what its answer says at these places.
fn refuses(world: &World, (method, path, body): (&str, &str, Value), status: u16, says: &[(&str, &str)]) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = world.call(method, path, &body);
    let told = answer.expect(status);
    for (place, text) in says {
        assert_eq!(told.pointer(place), Some(&json!(text)), "{method} {path} {body}: {told}");
    }
}

fn furnished() -> World {
    let world = World::start();
    world.call("POST", "/api/v1/app", json!({"name": "a", "uid": "acme"})).expect(201);
    world.call("POST", "/api/v1/event-type", json!({"name": "a.b", "description": ""})).expect(201);
    world.call("POST", "/api/v1/event-type", json!({"name": "a.old", "description": "", "archived": true})).expect(201);
    let endpoint = json!({"uid": "e", "url": "http://127.0.0.1:9/"});
    world.call("POST", &format!("{APP}/endpoint"), endpoint).expect(201);
    world
}

#[test]
fn refusals_have_the_codes_and_texts_that_clients_know() {
    let world = furnished();
    let (limit, types) = ("Given limit must not exceed 250", "value_error.jsondecode");
    let list = |query: &str| format!("{APP}/msg?{query}");
    let field = |name: &'static str| [("/detail/0/loc/0", "body"), ("/detail/0/loc/1", name)];
    let known = json!({"name": "b", "uid": "acme"});
    refuses(
        &world,
        ("GET", &list("limit=251"), Value::Null),
        422,
        &[("/detail/0/msg", limit), ("/detail/0/loc/1", "limit")],
    );
    refuses(
        &world,
        ("GET", "/api/v1/app/nobody", Value::Null),
        404,
        &[("/code", "not_found"), ("/detail", "Entity not found")],
    );
    refuses(&world, ("POST", "/api/v1/app", known), 409, &[("/code", "conflict")]);
    refuses(
        &world,
        ("POST", "/api/v1/app", json!({"name": 5})),
        422,
        &[("/detail/0/type", types), ("/detail/0/loc/1", "name")],
    );
    refuses(&world, ("POST", "/api/v1/app", json!({"name": "a", "uid": "app_mine"})), 422, &field("uid"));
    refuses(
        &world,
        ("POST", &format!("{APP}/msg"), json!({"eventType": "a b", "payload": {}})),
        422,
        &field("eventType"),
    );
    let example = format!("{APP}/endpoint/e/send-example");
    refuses(&world, ("POST", &example, json!({"eventType": "a.b"})), 400, &[("/code", "invalid_scheme")]);
    let rotate = format!("{APP}/endpoint/e/secret/rotate");
    for _ in 0..10 {
        world.call("POST", &rotate, "{}").expect(204);
    }
    refuses(&world, ("POST", &rotate, json!({})), 400, &[("/code", "limit_reached")]);
}

#[test]
fn queries_are_read_in_every_form_that_clients_write() {
    let world = furnished();
    for event_type in ["a.b", "a.c", "a.d"] {
        let event = json!({"eventType": event_type, "payload": {}});
        world.call("POST", &format!("{APP}/msg"), event).expect(202);
    }
    let names = |list: &Value, name: &str| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
    };
    for query in [
        "event_types=a.b,a.d",
        "event_types=a.b&event_types=a.d",
        "event_types[]=a.b&event_types[]=a.d",
        "event_types[0]=a.b&event_types[1]=a.d",
        "event_types%5B%5D=a.b&event_types%5B%5D=a.d",
    ] {
        let list = world.call("GET", &format!("{APP}/msg?{query}"), "").expect(200);
        assert_eq!(names(&list, "eventType"), ["a.d", "a.b"], "{query}");
    }
    let first = world.call("GET", &format!("{APP}/msg?limit=1"), "").expect(200);
    let iterator = first["iterator"].as_str().unwrap();
    let walked =
        format!("{APP}/msg?limit=1&iterator={iterator}&before=2020-01-01T00:00:00Z&after=2099-01-01T00:00:00Z");
    let walked = world.call("GET", &walked, "").expect(200);
    assert_eq!(names(&walked, "eventType"), ["a.c"], "an iterator walks on, whatever the times say");
    world.call("POST", "/api/v1/app", json!({"name": "b", "uid": "z"})).expect(201);
    for (order, expected) in [("ascending", ["a", "b"]), ("descending", ["b", "a"])] {
        let list = world.call("GET", &format!("/api/v1/app/?order={order}"), "").expect(200);
        assert_eq!(names(&list, "name"), expected, "{order}, and a slash at the end means nothing");
    }
    let there = world.call("POST", "/api/v1/app?get_if_exists=true", json!({"name": "new", "uid": "acme"})).expect(200);
    assert_eq!(there["name"], "a");
    for (query, expected) in [("", vec!["a.b"]), ("?include_archived=true", vec!["a.b", "a.old"])] {
        let list = world.call("GET", &format!("/api/v1/event-type{query}"), "").expect(200);
        assert_eq!(names(&list, "name"), expected);
    }
}
