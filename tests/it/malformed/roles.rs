//! Every route with every role: what a key may not do is a 403 that names the role it takes, and nothing happens.

use serde_json::json;

use super::{Walls, check};
use crate::world::eventually;

/// What a route takes at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Needs {
    Viewer,
    Publisher,
    Admin,
}

/// One route with a body that it takes, and the status of its success.
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub body: &'static str,
    needs: Needs,
    status: u16,
}

const fn route(method: &'static str, path: &'static str, body: &'static str, needs: Needs, status: u16) -> Route {
    Route { method, path, body, needs, status }
}

const APP: &str = "/api/v1/app/{app}";
const ENDPOINT: &str = "/api/v1/app/{app}/endpoint/{ep}";

/// All routes that take a key, in an order in which an admin can use them all.
pub const ROUTES: [Route; 26] = [
    route("GET", "/api/v1/app", "", Needs::Viewer, 200),
    route("POST", "/api/v1/app", r#"{"name":"a"}"#, Needs::Admin, 201),
    route("GET", APP, "", Needs::Viewer, 200),
    route("GET", "/api/v1/app/{app}/endpoint", "", Needs::Viewer, 200),
    route("POST", "/api/v1/app/{app}/endpoint", r#"{"url":"http://127.0.0.1:1/"}"#, Needs::Admin, 201),
    route("GET", ENDPOINT, "", Needs::Viewer, 200),
    route("PATCH", ENDPOINT, "{}", Needs::Admin, 200),
    route("GET", "/api/v1/app/{app}/endpoint/{ep}/headers", "", Needs::Viewer, 200),
    route("PUT", "/api/v1/app/{app}/endpoint/{ep}/headers", r#"{"headers":{}}"#, Needs::Admin, 204),
    route("PATCH", "/api/v1/app/{app}/endpoint/{ep}/headers", "{}", Needs::Admin, 204),
    route("GET", "/api/v1/app/{app}/endpoint/{ep}/secret", "", Needs::Admin, 200),
    route("POST", "/api/v1/app/{app}/endpoint/{ep}/secret/rotate", "{}", Needs::Admin, 200),
    route("POST", "/api/v1/app/{app}/endpoint/{ep}/send-example", r#"{"eventType":"svix.ping"}"#, Needs::Admin, 200),
    route("GET", "/api/v1/app/{app}/msg", "", Needs::Viewer, 200),
    route("POST", "/api/v1/app/{app}/msg", r#"{"eventType":"a","payload":{}}"#, Needs::Publisher, 202),
    route(
        "POST",
        "/api/v1/app/{app}/msg/batch",
        r#"{"messages":[{"eventType":"a","payload":{}}]}"#,
        Needs::Publisher,
        202,
    ),
    route("GET", "/api/v1/app/{app}/msg/{msg}", "", Needs::Viewer, 200),
    route("GET", "/api/v1/app/{app}/attempt/endpoint/{ep}", "", Needs::Viewer, 200),
    route("GET", "/api/v1/app/{app}/attempt/msg/{msg}", "", Needs::Viewer, 200),
    route("GET", "/api/v1/app/{app}/msg/{msg}/attempt/{atmpt}", "", Needs::Viewer, 200),
    route("POST", "/api/v1/app/{app}/msg/{msg}/endpoint/{ep}/resend", "", Needs::Admin, 202),
    route("POST", "/api/v1/event-type", r#"{"name":"a","description":""}"#, Needs::Admin, 201),
    route("GET", "/api/v1/event-type", "", Needs::Viewer, 200),
    route("GET", "/api/v1/event-type/{name}", "", Needs::Viewer, 200),
    route("DELETE", ENDPOINT, "", Needs::Admin, 204),
    route("DELETE", APP, "", Needs::Admin, 204),
];

#[test]
fn a_role_may_do_what_it_is_for_and_nothing_else() {
    let walls = Walls::start(&[]);
    let list = walls.world.call("GET", &walls.path(&format!("attempt/endpoint/{}", walls.endpoint)), "").expect(200);
    let of = |key: &str| list["data"][0][key].as_str().unwrap().to_owned();
    let (event, attempt) = (of("msgId"), of("id"));
    let path = |route: &Route| {
        let path = route.path.replace("{app}", &walls.app).replace("{ep}", &walls.endpoint);
        path.replace("{msg}", &event).replace("{atmpt}", &attempt).replace("{name}", "a")
    };
    let (viewer, publisher) = (walls.world.key("viewer", "test"), walls.world.key("publisher", "test"));
    eventually(|| (walls.world.call_as(&publisher, "GET", "/api/v1/app", &[], "").status == 200).then_some(()));
    for (key, refused) in [(&viewer, [Needs::Publisher, Needs::Admin]), (&publisher, [Needs::Admin, Needs::Admin])] {
        for route in ROUTES.iter().filter(|route| refused.contains(&route.needs)) {
            let needed = if route.needs == Needs::Admin { "use an admin key" } else { "use a publisher or admin key" };
            for body in [route.body, "{", ""] {
                let answer = walls.world.call_as(key, route.method, &path(route), &[], body);
                check(&answer, 403, "insufficient access", needed);
            }
        }
    }
    walls.stand(0, 8);
    for route in &ROUTES {
        let allowed = match route.needs {
            Needs::Viewer => vec![viewer.as_str(), &publisher, crate::world::KEY],
            Needs::Publisher => vec![publisher.as_str(), crate::world::KEY],
            Needs::Admin => vec![crate::world::KEY],
        };
        for key in allowed {
            let answer = walls.world.call_as(key, route.method, &path(route), &[], route.body);
            assert_eq!(answer.status, route.status, "{} {}: {answer:?}", route.method, route.path);
        }
    }
}

#[test]
fn no_route_is_left_out_of_these_tables() {
    let source = include_str!("../../../src/http/api/mod.rs");
    let (_, routes) = source.split_once("pub fn router").expect("the routes stand there");
    let open = ["/api/v1/health", "/api/v1/health/ping"];
    for path in routes.split('"').filter(|text| text.starts_with("/api/v1/") && !open.contains(text)) {
        let methods = ROUTES.iter().filter(|route| route.path == path).count();
        assert!(methods > 0, "{path} has no row in ROUTES: add one for each of its methods");
    }
}

#[test]
fn a_secret_is_in_no_answer_but_its_own() {
    let walls = Walls::start(&[]);
    let endpoint = walls.path(&format!("endpoint/{}", walls.endpoint));
    let secret = walls.world.call("GET", &format!("{endpoint}/secret"), "").expect(200);
    let secret = secret["key"].as_str().unwrap().to_owned();
    walls.world.call("PUT", &format!("{endpoint}/headers"), json!({"headers": {"Authorization": "very"}})).expect(204);
    for route in ROUTES.iter().filter(|route| route.method == "GET" && !route.path.ends_with("/secret")) {
        let path = route.path.replace("{app}", &walls.app).replace("{ep}", &walls.endpoint);
        let answer = walls.world.call("GET", &path, "");
        assert!(!answer.body.contains(&secret) && !answer.body.contains("very"), "{answer:?}");
    }
}
