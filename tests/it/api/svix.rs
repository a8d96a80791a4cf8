//! Dropped in for svix-server: its tokens hold, each environment apart, and its headers are on the wire.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::world::{Receiver, World};

const SECRET: &str = "a secret of svix-server";
const ORG: &str = "org_23rb8YdGqMT0qIzpgGwdXfHirMu";
const OTHER: &str = "org_00000000000000000000000000X";

/// A token as svix-server signs it.
fn jwt(claims: &Value) -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}

fn of_org(org: &str) -> String {
    jwt(&json!({"iss": "svix-server", "sub": org, "iat": 1_700_000_000, "exp": 4_000_000_000_u64}))
}

fn start() -> World {
    World::start_with(&["--allow-network", "127.0.0.0/8", "--jwt-secret", SECRET])
}

#[test]
fn an_environment_comes_with_its_first_token_and_is_kept_apart() {
    let mut world = start();
    let call = |world: &World, org: &str, method: &str, path: &str, body: &str| {
        world.call_as(&of_org(org), method, &format!("/api/v1{path}"), &[], body)
    };
    call(&world, ORG, "POST", "/app", r#"{"name":"one","uid":"acme"}"#).expect(201);
    assert_eq!(call(&world, OTHER, "GET", "/app/acme", "").status, 404);
    call(&world, OTHER, "POST", "/app", r#"{"name":"two","uid":"acme"}"#).expect(201);
    assert_eq!(world.call("GET", "/api/v1/app", "").expect(200)["data"], json!([]), "nor does a key of ours see it");
    world.kill_and_restart();
    assert_eq!(call(&world, ORG, "GET", "/app/acme", "").expect(200)["name"], "one");
    let whoami = call(&world, ORG, "GET", "/auth/whoami", "").expect(200);
    assert_eq!((&whoami["environment"], &whoami["role"]), (&json!(ORG), &json!("admin")));
}

/// svix-server tells what happens to the application whose uid is the environment's name, in the management's.
#[test]
fn operational_webhooks_are_where_svix_server_has_them() {
    let (world, hearer) = (start(), Receiver::good());
    let management = of_org("org_00000000000SvixManagement00");
    let manage = |path: &str, body: Value| {
        world.call_as(&management, "POST", &format!("/api/v1{path}"), &[], &body.to_string()).expect(201)
    };
    manage("/app", json!({"name": "ops", "uid": ORG}));
    manage(&format!("/app/{ORG}/endpoint"), json!({"url": hearer.url}));
    let env = of_org(ORG);
    let call = |path: &str, body: Value| {
        world.call_as(&env, "POST", &format!("/api/v1{path}"), &[], &body.to_string()).expect(201)
    };
    call("/app", json!({"name": "a", "uid": "a"}));
    call("/app/a/endpoint", json!({"url": "http://127.0.0.1:1/"}));
    let told = hearer.wait_for(1).remove(0);
    let told: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!((&told["type"], &told["data"]["appUid"]), (&json!("endpoint.created"), &json!("a")));
    let own = world.call_as(&env, "GET", "/api/v1/operational-webhook/endpoint", &[], "").expect(200);
    assert_eq!(own["data"][0]["url"], hearer.url, "both are the same");
}

/// Where svix-server has them: an endpoint may name them without anybody having made them.
#[test]
fn the_managements_environment_has_the_event_types_of_what_is_told() {
    let mut world = start();
    let management = of_org("org_00000000000SvixManagement00");
    let get =
        |world: &World, key: &str, path: &str| world.call_as(key, "GET", &format!("/api/v1/event-type{path}"), &[], "");
    for name in ["message.attempt.failing", "message.attempt.exhausted", "endpoint.created", "endpoint.disabled"] {
        assert_eq!(get(&world, &management, &format!("/{name}")).expect(200)["name"], name);
    }
    assert_eq!(get(&world, &management, "").expect(200)["data"].as_array().unwrap().len(), 10);
    assert_eq!(get(&world, &of_org(ORG), "").expect(200)["data"], json!([]), "no other environment has them");
    let manage = |world: &World, method: &str, path: &str, body: Value| {
        world.call_as(&management, method, &format!("/api/v1{path}"), &[], &body.to_string())
    };
    manage(&world, "POST", "/app", json!({"name": "ops", "uid": ORG})).expect(201);
    let body = json!({"url": "http://127.0.0.1:1/", "eventTypes": ["endpoint.disabled"]});
    manage(&world, "POST", &format!("/app/{ORG}/endpoint"), body).expect(201);
    assert_eq!(manage(&world, "DELETE", "/event-type/endpoint.updated?expunge=true", json!({})).status, 204);
    let said = json!({"description": "ours"});
    manage(&world, "PATCH", "/event-type/endpoint.created", said).expect(200);
    world.kill_and_restart();
    assert_eq!(
        get(&world, &management, "").expect(200)["data"].as_array().unwrap().len(),
        10,
        "what is missing comes back"
    );
    assert_eq!(get(&world, &management, "/endpoint.created").expect(200)["description"], "ours", "what is there stays");
}

#[test]
fn a_token_of_an_application_is_limited_to_it() {
    let world = start();
    let env = of_org(ORG);
    let make = |name: &str| {
        let body = json!({ "name": name }).to_string();
        world.call_as(&env, "POST", "/api/v1/app", &[], &body).expect(201)["id"].as_str().unwrap().to_owned()
    };
    let (app, other) = (make("one"), make("two"));
    let of_app = |org: &str, app: &str| jwt(&json!({"sub": app, "org": org, "iat": 1, "exp": 4_000_000_000_u64}));
    let get = |token: &str, app: &str, rest: &str| {
        world.call_as(token, "GET", &format!("/api/v1/app/{app}{rest}"), &[], "").status
    };
    let token = of_app(ORG, &app);
    assert_eq!([get(&token, &app, ""), get(&token, &app, "/endpoint"), get(&token, &other, "")], [200, 200, 404]);
    assert_eq!(get(&of_app(OTHER, &app), &app, ""), 404, "the claims must agree");
    let made =
        world.call_as(&token, "POST", &format!("/api/v1/app/{app}/endpoint"), &[], r#"{"url":"http://127.0.0.1:1/"}"#);
    assert_eq!(made.status, 201);
    assert_eq!(world.call_as(&token, "POST", &format!("/api/v1/app/{app}/msg"), &[], "{}").status, 403);
    for (claims, status, code) in [
        (json!({"sub": "app_nobody", "org": ORG}), 400, "bad token"),
        (json!({"sub": "user_1", "org": ORG}), 400, "bad token"),
        (json!({"sub": ORG, "exp": 1}), 401, "authentication_failed"),
    ] {
        let refused = world.call_as(&jwt(&claims), "GET", "/api/v1/app", &[], "");
        assert_eq!(refused.expect(status)["code"], code, "{claims}");
    }
    let raw = world.call_as(SECRET, "GET", "/api/v1/app", &[], "").expect(401);
    assert!(raw["detail"].as_str().unwrap().contains("not a token"), "{raw}");
}

#[test]
fn an_application_chooses_the_names_of_its_headers() {
    let (world, receiver) = (start(), Receiver::good());
    let env = of_org(ORG);
    let call = |method: &str, path: &str, body: Value| {
        world.call_as(&env, method, &format!("/api/v1{path}"), &[], &body.to_string())
    };
    let app = call("POST", "/app", json!({"name": "a", "uid": "a"})).expect(201);
    assert_eq!(app["wireHeaders"], "svix", "as svix-server sends them");
    call("POST", "/app/a/endpoint", json!({"url": receiver.url, "uid": "e"})).expect(201);
    for (place, (wire, names)) in
        [("svix", &["svix"][..]), ("both", &["svix", "webhook"]), ("webhook", &["webhook"])].into_iter().enumerate()
    {
        call("PATCH", "/app/a", json!({"wireHeaders": wire})).expect(200);
        call("PATCH", "/app/a/endpoint/e", json!({"description": wire})).expect(200);
        call("POST", "/app/a/msg", json!({"eventType": "a", "payload": {}})).expect(202);
        let received = receiver.wait_for(place + 1)[place].clone();
        for name in ["svix", "webhook"] {
            for part in ["id", "timestamp", "signature"] {
                let given = !received.header(&format!("{name}-{part}")).is_empty();
                assert_eq!(given, names.contains(&name), "{wire}: {name}-{part}");
            }
        }
    }
    assert_eq!(call("PATCH", "/app/a", json!({"wireHeaders": "x"})).status, 422);
}
