//! Every route with every role: what a key may not do is a 403 that names the role it takes, and nothing happens.

use serde_json::json;

use posthaste::provider::Provider;

use super::{Walls, check};
use crate::api::openapi::Document;
use crate::receive;
use crate::world::{World, eventually};

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
const CONSUMER: &str = "/api/v1/app/{app}/poller/{sink}/consumer/{consumer}";
const SOURCES: &str = "/ingest/api/v1/source";
const SOURCE: &str = "/ingest/api/v1/source/{source}";
const OPERATIONAL: &str = "/api/v1/operational-webhook/endpoint";
const BELOW_OPERATIONAL: &str = "/api/v1/operational-webhook/endpoint/{ep}";
const USAGE: &str = r#"{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}"#;
const COUNT: &str = r#"{"since":"2099-01-01T00:00:00Z","dryRun":true}"#;
const BELOW_SOURCE: &str = "/ingest/api/v1/source/{source}/endpoint/{ep}";

/// All routes that take a key, in an order in which an admin can use them all.
pub const ROUTES: [Route; 114] = [
    route("GET", "/api/v1/app", "", Needs::Viewer, 200),
    route("POST", "/api/v1/app", r#"{"name":"a"}"#, Needs::Admin, 201),
    route("GET", APP, "", Needs::Viewer, 200),
    route("PUT", APP, r#"{"name":"a"}"#, Needs::Admin, 200),
    route("PATCH", APP, "{}", Needs::Admin, 200),
    route("GET", "/api/v1/app/{app}/poller/{sink}", "", Needs::Viewer, 200),
    route("GET", CONSUMER, "", Needs::Viewer, 200),
    route(
        "POST",
        "/api/v1/app/{app}/poller/{sink}/consumer/{consumer}/seek",
        r#"{"after":"2026-01-01T00:00:00Z"}"#,
        Needs::Publisher,
        200,
    ),
    route("GET", "/api/v1/app/{app}/endpoint", "", Needs::Viewer, 200),
    route("POST", "/api/v1/app/{app}/endpoint", r#"{"url":"http://127.0.0.1:1/"}"#, Needs::Admin, 201),
    route("GET", ENDPOINT, "", Needs::Viewer, 200),
    route("PATCH", ENDPOINT, "{}", Needs::Admin, 200),
    route("PUT", ENDPOINT, r#"{"url":"http://127.0.0.1:1/"}"#, Needs::Admin, 200),
    route("GET", "/api/v1/app/{app}/endpoint/{ep}/stats", "", Needs::Viewer, 200),
    route("GET", "/api/v1/app/{app}/endpoint/{ep}/attempt-stats", "", Needs::Viewer, 200),
    route("GET", "/api/v1/app/{app}/endpoint/{ep}/msg", "", Needs::Viewer, 200),
    route("GET", "/api/v1/app/{app}/endpoint/{ep}/ordering", "", Needs::Viewer, 200),
    route("POST", "/api/v1/app/{app}/endpoint/{ep}/ordering/skip", r#"{"msgId":"{msg}"}"#, Needs::Admin, 200),
    route("POST", "/api/v1/app/{app}/endpoint/{ep}/recover", COUNT, Needs::Admin, 200),
    route("POST", "/api/v1/app/{app}/endpoint/{ep}/bulk-replay", COUNT, Needs::Admin, 200),
    route("POST", "/api/v1/app/{app}/endpoint/{ep}/replay-missing", COUNT, Needs::Admin, 200),
    route("POST", "/api/v1/app/{app}/endpoint/{ep}/send-waiting", COUNT, Needs::Admin, 200),
    route("POST", "/api/v1/app/{app}/send-waiting", COUNT, Needs::Admin, 200),
    route("GET", "/api/v1/app/{app}/endpoint/{ep}/headers", "", Needs::Viewer, 200),
    route("PUT", "/api/v1/app/{app}/endpoint/{ep}/headers", r#"{"headers":{}}"#, Needs::Admin, 204),
    route("PATCH", "/api/v1/app/{app}/endpoint/{ep}/headers", "{}", Needs::Admin, 204),
    route("GET", "/api/v1/app/{app}/endpoint/{ep}/secret", "", Needs::Admin, 200),
    route("GET", "/api/v1/app/{app}/endpoint/{ep}/jwks", "", Needs::Viewer, 200),
    route("POST", "/api/v1/app/{app}/endpoint/{ep}/secret/rotate", "{}", Needs::Admin, 204),
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
    route("GET", "/api/v1/app/{app}/msg/{msg}/endpoint", "", Needs::Viewer, 200),
    route("GET", "/api/v1/app/{app}/msg/{msg}/attempt", "", Needs::Viewer, 200),
    route("POST", "/api/v1/app/{app}/msg/precheck/active", r#"{"eventType":"a"}"#, Needs::Viewer, 200),
    route("GET", "/api/v1/app/{app}/attempt/endpoint/{ep}", "", Needs::Viewer, 200),
    route("GET", "/api/v1/app/{app}/attempt/msg/{msg}", "", Needs::Viewer, 200),
    route("GET", "/api/v1/app/{app}/msg/{msg}/attempt/{atmpt}", "", Needs::Viewer, 200),
    route("POST", "/api/v1/app/{app}/msg/{msg}/endpoint/{ep}/resend", "", Needs::Admin, 202),
    route("DELETE", "/api/v1/app/{app}/msg/{msg}/attempt/{atmpt}/content", "", Needs::Admin, 204),
    route("DELETE", "/api/v1/app/{app}/msg/{msg}/content", "", Needs::Admin, 204),
    route("POST", "/api/v1/app/{app}/msg/bulk-expunge", r#"{"ids":["nobody"]}"#, Needs::Admin, 200),
    route("POST", "/api/v1/app/{app}/msg/expunge-all-contents", "", Needs::Admin, 202),
    route("POST", "/api/v1/auth/app-portal-access/{app}", "{}", Needs::Admin, 200),
    route("POST", "/api/v1/auth/dashboard-access/{app}", "{}", Needs::Admin, 200),
    route("POST", "/api/v1/auth/app/{app}/expire-all", "{}", Needs::Admin, 204),
    route("POST", "/api/v1/auth/logout", "", Needs::Viewer, 204),
    route("GET", "/api/v1/auth/whoami", "", Needs::Viewer, 200),
    route("GET", "/api/v1/audit", "", Needs::Admin, 200),
    route("GET", "/api/v1/environment", "", Needs::Viewer, 200),
    route("PATCH", "/api/v1/environment", "{}", Needs::Admin, 200),
    route("POST", "/api/v1/environment/export", "", Needs::Admin, 200),
    route("POST", "/api/v1/environment/import", "{}", Needs::Admin, 204),
    route("GET", "/api/v1/background-task", "", Needs::Viewer, 200),
    route("GET", "/api/v1/background-task/{task}", "", Needs::Viewer, 200),
    route("POST", "/api/v1/background-task/{task}/cancel", "", Needs::Admin, 200),
    route("POST", "/api/v1/stats/usage/app", USAGE, Needs::Viewer, 202),
    route("PUT", "/api/v1/stats/usage/event-types", "", Needs::Viewer, 202),
    route("POST", "/api/v1/event-type", r#"{"name":"a","description":""}"#, Needs::Admin, 201),
    route("GET", "/api/v1/event-type", "", Needs::Viewer, 200),
    route("GET", "/api/v1/event-type/{name}", "", Needs::Viewer, 200),
    route("PUT", "/api/v1/event-type/{name}", r#"{"description":""}"#, Needs::Admin, 200),
    route("PATCH", "/api/v1/event-type/{name}", "{}", Needs::Admin, 200),
    route("POST", "/api/v1/event-type/import/openapi", r#"{"spec":{"webhooks":{}}}"#, Needs::Admin, 200),
    route("DELETE", "/api/v1/event-type/{name}", "", Needs::Admin, 204),
    route("GET", OPERATIONAL, "", Needs::Viewer, 200),
    route("POST", OPERATIONAL, r#"{"url":"http://127.0.0.1:1/"}"#, Needs::Admin, 201),
    route("GET", "/api/v1/operational-webhook/event-type", "", Needs::Viewer, 200),
    route("GET", BELOW_OPERATIONAL, "", Needs::Viewer, 200),
    route("PUT", BELOW_OPERATIONAL, r#"{"url":"http://127.0.0.1:1/"}"#, Needs::Admin, 200),
    route("PATCH", BELOW_OPERATIONAL, "{}", Needs::Admin, 200),
    route("GET", "/api/v1/operational-webhook/endpoint/{ep}/headers", "", Needs::Viewer, 200),
    route("PUT", "/api/v1/operational-webhook/endpoint/{ep}/headers", r#"{"headers":{}}"#, Needs::Admin, 204),
    route("PATCH", "/api/v1/operational-webhook/endpoint/{ep}/headers", "{}", Needs::Admin, 204),
    route("GET", "/api/v1/operational-webhook/endpoint/{ep}/secret", "", Needs::Admin, 200),
    route("POST", "/api/v1/operational-webhook/endpoint/{ep}/secret/rotate", "{}", Needs::Admin, 204),
    route("DELETE", BELOW_OPERATIONAL, "", Needs::Admin, 204),
    route("POST", "/api/v1/event-type/import/provider", r#"{"provider":"bridge"}"#, Needs::Admin, 200),
    route("GET", SOURCES, "", Needs::Viewer, 200),
    route("POST", SOURCES, r#"{"name":"a","type":"bridge"}"#, Needs::Admin, 201),
    route("GET", SOURCE, "", Needs::Viewer, 200),
    route("PUT", SOURCE, r#"{"name":"a","type":"generic-webhook"}"#, Needs::Admin, 200),
    route("PATCH", SOURCE, "{}", Needs::Admin, 200),
    route("POST", "/ingest/api/v1/source/{source}/token/rotate", "", Needs::Admin, 200),
    route("GET", "/ingest/api/v1/source/{source}/stats", "", Needs::Viewer, 200),
    route("GET", "/ingest/api/v1/source/{source}/quarantine", "", Needs::Viewer, 200),
    route("GET", "/ingest/api/v1/source/{source}/refusal", "", Needs::Admin, 200),
    route("GET", "/ingest/api/v1/source/{source}/conflict", "", Needs::Viewer, 200),
    route("GET", "/ingest/api/v1/source/{source}/conflict/{conflict}", "", Needs::Viewer, 200),
    route("POST", "/ingest/api/v1/source/{source}/conflict/{conflict}/release", "", Needs::Admin, 200),
    route("POST", "/ingest/api/v1/source/{source}/conflict/{conflict}/discard", "", Needs::Admin, 204),
    route("POST", "/ingest/api/v1/source/{source}/quarantine/{sha256}/release", "", Needs::Admin, 200),
    route("POST", "/ingest/api/v1/source/{source}/quarantine/{sha256}/discard", "", Needs::Admin, 204),
    route("POST", "/ingest/api/v1/source/{source}/quarantine/release", r#"{"reason":"no_id"}"#, Needs::Admin, 200),
    route("POST", "/ingest/api/v1/source/{source}/quarantine/discard", r#"{"reason":"no_id"}"#, Needs::Admin, 200),
    route("POST", "/ingest/api/v1/source/{source}/import", "[]", Needs::Admin, 200),
    route("GET", "/ingest/api/v1/source/{source}/endpoint", "", Needs::Viewer, 200),
    route("POST", "/ingest/api/v1/source/{source}/endpoint", r#"{"url":"http://127.0.0.1:1/"}"#, Needs::Admin, 201),
    route("GET", BELOW_SOURCE, "", Needs::Viewer, 200),
    route("PATCH", BELOW_SOURCE, "{}", Needs::Admin, 200),
    route("PUT", BELOW_SOURCE, r#"{"url":"http://127.0.0.1:1/"}"#, Needs::Admin, 200),
    route("GET", "/ingest/api/v1/source/{source}/endpoint/{ep}/headers", "", Needs::Viewer, 200),
    route("PUT", "/ingest/api/v1/source/{source}/endpoint/{ep}/headers", r#"{"headers":{}}"#, Needs::Admin, 204),
    route("PATCH", "/ingest/api/v1/source/{source}/endpoint/{ep}/headers", "{}", Needs::Admin, 204),
    route("GET", "/ingest/api/v1/source/{source}/endpoint/{ep}/secret", "", Needs::Admin, 200),
    route("POST", "/ingest/api/v1/source/{source}/endpoint/{ep}/secret/rotate", "{}", Needs::Admin, 204),
    route(
        "POST",
        "/ingest/api/v1/source/{source}/endpoint/{ep}/send-example",
        r#"{"eventType":"svix.ping"}"#,
        Needs::Admin,
        200,
    ),
    route("GET", "/ingest/api/v1/source/{source}/endpoint/{ep}/attempt", "", Needs::Viewer, 200),
    route("DELETE", BELOW_SOURCE, "", Needs::Admin, 204),
    route("DELETE", SOURCE, "", Needs::Admin, 204),
    route("DELETE", ENDPOINT, "", Needs::Admin, 204),
    route("DELETE", APP, "", Needs::Admin, 204),
];

/// A poller's path with names in it; and of what a source holds back, one that it does not.
pub fn polled(path: &str) -> String {
    let path = path.replace("{sink}", "inbox").replace("{consumer}", "a");
    path.replace("{conflict}", "conflict_x").replace("{sha256}", "00")
}

/// A source that holds back two conflicts and two bodies that were not understood: to be released, to be discarded.
fn holding(world: &World) -> (String, [[String; 2]; 2]) {
    let secret = "a secret of any form";
    let config = json!({"secrets": [secret], "idPath": "/id", "typePath": "/type", "onConflict": "hold"});
    let source = json!({"name": "a", "type": "generic-webhook", "config": config});
    let made = world.call("POST", SOURCES, source).expect(201);
    let (id, path) = (made["id"].as_str().unwrap().to_owned(), receive::path_of(&made));
    let send = |body: &str| {
        let proof = receive::proof(Provider::Generic, secret, body.as_bytes(), receive::now_secs());
        world.raw(&receive::request(&path, body.as_bytes(), &proof)).status
    };
    let statuses = [1, 2, 3].map(|amount| send(&receive::fintoc("evt_1", amount)));
    assert_eq!((statuses, ["{", "["].map(send)), ([200; 3], [400; 2]));
    let list = |what: &str, key: &str| {
        let list = world.call("GET", &format!("{SOURCES}/{id}/{what}"), "").expect(200);
        [0, 1].map(|place| list["data"][place][key].as_str().unwrap().to_owned())
    };
    let held = [list("conflict", "id"), list("quarantine", "sha256")];
    (id, held)
}

/// A path to what is held back: the second of its kind where it is discarded, else the first.
fn held_at(path: &str, [conflicts, bodies]: &[[String; 2]; 2]) -> String {
    let place = usize::from(path.ends_with("/discard"));
    path.replace("{conflict}", &conflicts[place]).replace("{sha256}", &bodies[place])
}

impl Route {
    /// Whether an id that nobody has makes something.
    pub fn makes(&self) -> bool {
        let made = [APP, SOURCE, ENDPOINT, BELOW_SOURCE, BELOW_OPERATIONAL, "/api/v1/event-type/{name}"];
        self.method == "PUT" && made.contains(&self.path)
    }
}

#[test]
fn a_role_may_do_what_it_is_for_and_nothing_else() {
    let walls = Walls::start(&[]);
    let list = walls.world.call("GET", &walls.path(&format!("attempt/endpoint/{}", walls.endpoint)), "").expect(200);
    let of = |key: &str| list["data"][0][key].as_str().unwrap().to_owned();
    let (event, attempt) = (of("msgId"), of("id"));
    let (source, held) = holding(&walls.world);
    let below = walls.world.call("POST", &format!("{SOURCES}/{source}/endpoint"), r#"{"url":"http://127.0.0.1:1/"}"#);
    let below = below.expect(201)["id"].as_str().unwrap().to_owned();
    let operational = walls.world.call("POST", OPERATIONAL, r#"{"url":"http://127.0.0.1:1/"}"#).expect(201);
    let operational = operational["id"].as_str().unwrap().to_owned();
    let path = |route: &Route, task: &str| {
        let endpoint = match route.path {
            path if path.contains("{source}") => &below,
            path if path.starts_with(OPERATIONAL) => &operational,
            _ => &walls.endpoint,
        };
        let path = route.path.replace("{app}", &walls.app).replace("{ep}", endpoint).replace("{source}", &source);
        let path = held_at(&path, &held);
        let path = polled(&path);
        path.replace("{msg}", &event).replace("{atmpt}", &attempt).replace("{name}", "a").replace("{task}", task)
    };
    let (viewer, publisher) = (walls.world.key("viewer", "test"), walls.world.key("publisher", "test"));
    eventually(|| (walls.world.call_as(&publisher, "GET", "/api/v1/app", &[], "").status == 200).then_some(()));
    for (key, refused) in [(&viewer, [Needs::Publisher, Needs::Admin]), (&publisher, [Needs::Admin, Needs::Admin])] {
        for route in ROUTES.iter().filter(|route| refused.contains(&route.needs)) {
            let needed = if route.needs == Needs::Admin { "use an admin key" } else { "use a publisher or admin key" };
            for body in [route.body, "{", ""] {
                let answer = walls.world.call_as(key, route.method, &path(route, "qtask_x"), &[], body);
                check(&answer, 403, "insufficient access", needed);
            }
        }
    }
    walls.stand(0, 8);
    // paused, so that its replay has not ended before it is called off
    let paused = walls.world.endpoint(&walls.app, &json!({"url": "http://127.0.0.1:1/", "paused": true}));
    let replay = walls.path(&format!("endpoint/{paused}/replay-missing"));
    let task = walls.world.call("POST", &replay, json!({"since": "2099-01-01T00:00:00Z"})).expect(202);
    let task = task["id"].as_str().unwrap().to_owned();
    let document = Document::of(&walls.world);
    for route in &ROUTES {
        let allowed = match route.needs {
            Needs::Viewer => vec![viewer.as_str(), &publisher, crate::world::KEY],
            Needs::Publisher => vec![publisher.as_str(), crate::world::KEY],
            Needs::Admin => vec![crate::world::KEY],
        };
        for key in allowed {
            let answer =
                walls.world.call_as(key, route.method, &path(route, &task), &[], &route.body.replace("{msg}", &event));
            assert_eq!(answer.status, route.status, "{} {}: {answer:?}", route.method, route.path);
            document.check(route.method, &path(route, &task), &answer);
        }
    }
}

#[test]
fn no_route_is_left_out_of_these_tables() {
    let source = include_str!("../../../src/http/api/mod.rs");
    let (_, routes) = source.split_once("pub fn router").expect("the routes stand there");
    let open = ["/api/v1/health", "/api/v1/health/ping", "/api/v1/health/ready", "/api/v1/openapi.json"];
    let (others, of_sources) = routes.split_once("fn sources()").expect("the routes of sources stand last");
    let below = |text: &str, root: &str| {
        let rest = text.split("&below(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        rest.map(|rest| format!("{root}{rest}")).collect::<Vec<_>>()
    };
    let below =
        [below(others, BELOW_OPERATIONAL), below(of_sources, BELOW_SOURCE), vec![OPERATIONAL.to_owned()]].concat();
    let listed = routes.split('"').filter(|text| text.starts_with("/api/v1/") || text.starts_with("/ingest/"));
    for path in listed.chain(below.iter().map(String::as_str)).filter(|text| !open.contains(text)) {
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
    let own =
        |route: &&Route| route.method == "GET" && route.path.contains("{app}") && !route.path.ends_with("/secret");
    for route in ROUTES.iter().filter(own) {
        let path = route.path.replace("{app}", &walls.app).replace("{ep}", &walls.endpoint);
        let answer = walls.world.call("GET", &path, "");
        assert!(!answer.body.contains(&secret) && !answer.body.contains("very"), "{answer:?}");
    }
}
