//! Whatever is asked, wherever from: JSON in every refusal, words for what is not served, answers that pages may read.

use serde_json::Value;

use crate::world::{KEY, World};

#[test]
fn what_is_not_served_says_so_in_json_to_whoever_may_ask() {
    let world = World::start();
    for path in [
        "/api/v1/app/a/endpoint/e/transformation",
        "/api/v1/app/a/integration",
        "/api/v1/app/a/integration/i/key/rotate",
        "/api/v1/app/a/destination/d",
        "/api/v1/app/a/events/subscription/s",
        "/api/v1/app/a/autoconfig",
        "/api/v1/connector/c",
        "/api/v1/stream",
        "/api/v1/stream/s/sink/k/headers",
        "/api/v1/auth/stream-portal-access/s",
        "/api/v1/auth/stream-logout",
        "/ingest/api/v1/source/s/endpoint/e/transformation",
        "/ingest/api/v1/source/s/dashboard",
    ] {
        for method in ["GET", "POST", "PATCH"] {
            assert_eq!(world.call(method, path, "").expect(501)["code"], "not_implemented", "{method} {path}");
            assert_eq!(world.call_as("", method, path, &[], "").expect(401)["code"], "authentication_failed");
        }
    }
}

#[test]
fn a_page_of_any_origin_may_call_and_see() {
    let world = World::start();
    let asks = [
        ("origin", "https://acme.example"),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "authorization,svix-req-id"),
    ];
    for path in ["/api/v1/app/a/endpoint/e", "/ingest/api/v1/source"] {
        let answer = world.call_as("", "OPTIONS", path, &asks, "");
        assert_eq!(answer.status, 204);
        for line in [
            "access-control-allow-origin: *",
            "access-control-allow-headers: authorization,svix-req-id",
            "access-control-max-age: 600",
        ] {
            assert!(answer.head.contains(line), "{line}: {answer:?}");
        }
        assert!(answer.head.contains("PATCH"), "{answer:?}");
    }
    for (key, status) in [(KEY, 200), ("", 401)] {
        let answer = world.call_as(key, "GET", "/api/v1/app", &asks[..1], "");
        assert!(answer.status == status && answer.head.contains("access-control-allow-origin: *"), "{answer:?}");
    }
    let plain = world.call("GET", "/api/v1/app", "");
    assert!(!plain.head.contains("access-control"), "nobody asked: {plain:?}");
    assert!(!world.call_as("", "GET", "/metrics", &asks[..1], "").head.contains("access-control"));
}

#[test]
fn every_refusal_is_json() {
    let world = World::start();
    for (method, path, status) in [
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/nowhere", 404),
        ("PUT", "/api/v1/app", 405),
        ("GET", "/api/v1/app?limit=x", 422),
        ("GET", "/api/v1/app?limit=1&limit=2", 422),
        ("POST", "/api/v1/app", 422),
    ] {
        let answer = world.call(method, path, "");
        assert!(answer.head.contains("application/json"), "{answer:?}");
        let body: Value = answer.expect(status);
        assert!(body["detail"].is_string() || body["detail"].is_array(), "{body}");
    }
}
