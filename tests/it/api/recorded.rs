//! What SDKs read that are not run here: the shape of each answer, as recorded, beside the rule by which they read it.

use serde_json::json;

use crate::world::{Answer, KEY, World};

const APP: &str = "/api/v1/app/a";
const HEARERS: &str = "/api/v1/operational-webhook/endpoint";
const SOURCE: &str = "/ingest/api/v1/source/in";
const ENDPOINT: &str = r#"{"url":"http://127.0.0.1:1/","uid":"e"}"#;

/// An endpoint called `e` on each of the three routes; gives the routes.
fn furnished(world: &World) -> [String; 3] {
    world.call("POST", "/api/v1/app", r#"{"name":"a","uid":"a"}"#).expect(201);
    world.call("POST", "/ingest/api/v1/source", r#"{"name":"in","uid":"in","type":"generic-webhook"}"#).expect(201);
    let routes = [format!("{APP}/endpoint"), HEARERS.to_owned(), format!("{SOURCE}/endpoint")];
    for route in &routes {
        world.call("POST", route, ENDPOINT).expect(201);
    }
    routes
}

fn rotate(world: &World, route: &str, headers: &[(&str, &str)]) -> Answer {
    world.call_as(KEY, "POST", &format!("{route}/e/secret/rotate"), headers, "{}")
}

/// - Java: `executeRequest(…, null)` gives null for 204; for any other 2xx it asks Jackson for an object of no class, which
///   throws. So do Kotlin (`Res` is Boolean: 204 reads `true`, else the body) and C# (`SendRequestAsync<bool>`).
/// - Go: `ExecuteRequest[In, any]` gives nil for 204, and reads any JSON otherwise.
/// - From 2.7 on the answer at an application's endpoint has a model with `key` in all of them: Go's callers would find a
///   nil pointer after 204, Python and Rust read the body as JSON and fail at an empty one. At the other two routes they go
///   on as before.
#[test]
fn a_rotation_answers_each_sdk_as_it_reads() {
    let world = World::start();
    let routes = furnished(&world);
    let agents = [
        ("svix-libs/1.96.0/java", [204, 204, 204]),
        ("svix-libs/1.96.0/csharp", [204, 204, 204]),
        ("svix-libs/1.96.0/go", [204, 204, 204]),
        ("svix-libs/2.6.1/kotlin", [204, 204, 204]),
        ("svix-libs/2.7.0/java", [200, 204, 204]),
        ("svix-libs/2.9.1/csharp", [200, 204, 204]),
        ("svix-libs/2.10.0/go", [200, 204, 204]),
        ("svix-libs/10.0.0/python python/3.13.1 Linux/x86_64", [200, 204, 204]),
        ("curl/8.5.0", [204, 204, 204]),
    ];
    for (agent, statuses) in agents {
        for (route, status) in routes.iter().zip(statuses) {
            // at once: more than ten old secrets may not sign at a time
            let body = r#"{"gracePeriodSeconds":0}"#;
            let path = format!("{route}/e/secret");
            let answer = world.call_as(KEY, "POST", &format!("{path}/rotate"), &[("user-agent", agent)], body);
            let key = world.call("GET", &path, "").expect(200);
            match status {
                204 => assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{agent} {route}"),
                _ => assert_eq!(answer.expect(200), json!({"key": key["key"]}), "{agent} {route}"),
            }
        }
    }
}

#[test]
fn whoever_prefers_to_read_what_a_rotation_made_gets_the_key() {
    let world = World::start();
    for route in furnished(&world) {
        for prefer in ["return=representation", "respond-async, Return=\"representation\";a=b"] {
            let answer = rotate(&world, &route, &[("prefer", prefer)]).expect(200);
            assert_eq!(answer, world.call("GET", &format!("{route}/e/secret"), "").expect(200), "{route}: {prefer}");
        }
        for prefer in ["return=minimal", "respond-async", ""] {
            assert_eq!(rotate(&world, &route, &[("prefer", prefer)]).status, 204, "{route}: {prefer}");
        }
        // a repetition is answered in the form that it asks for, and rotates nothing
        let headers = [("idempotency-key", "k"), ("prefer", "return=representation")];
        let first = rotate(&world, &route, &headers).expect(200);
        assert_eq!(rotate(&world, &route, &headers).expect(200), first);
        assert_eq!(rotate(&world, &route, &headers[..1]).status, 204);
        assert_eq!(world.call("GET", &format!("{route}/e/secret"), "").expect(200), first);
    }
}
