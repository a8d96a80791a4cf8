//! What clients made for Svix ask of lists, names, times and bodies: it means here what it means there.

use serde_json::{Value, json};

use crate::malformed::roles::ROUTES;
use crate::world::{Answer, Behaviour, Receiver, World, eventually};

const APPS: &str = "/api/v1/app";

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// It is refused for this reason.
#[track_caller]
fn refused(answer: &Answer, place: &[&str]) {
    assert_eq!(answer.expect(422)["detail"][0]["loc"], json!(place), "{answer:?}");
}

#[test]
fn applications_are_left_out_of_a_list_by_their_endpoints() {
    let world = World::start();
    let app = |name: &str, endpoints: &[Value]| {
        world.call("POST", APPS, json!({"name": name, "uid": name})).expect(201);
        for endpoint in endpoints {
            world.endpoint(name, endpoint);
        }
    };
    let (on, off) = (json!({"url": "http://127.0.0.1:1/"}), json!({"url": "http://127.0.0.1:1/", "disabled": true}));
    app("none", &[]);
    app("off", &[off.clone(), off.clone()]);
    app("mixed", &[off, on]);
    app("play", &[json!({"url": "https://play.svix.com/in/e_x/"})]);
    let list = |query: &str| world.call("GET", &format!("{APPS}?order=ascending&{query}"), "").expect(200);
    let check = |query: &str, expected: &[&str]| assert_eq!(names(&list(query)), expected, "{query}");
    check("", &["none", "off", "mixed", "play"]);
    check("exclude_apps_with_no_endpoints=false", &["none", "off", "mixed", "play"]);
    check("exclude_apps_with_no_endpoints=true", &["off", "mixed", "play"]);
    check("exclude_apps_with_disabled_endpoints=true", &["none", "mixed", "play"]);
    check("exclude_apps_with_svix_play_endpoints=true", &["none", "off", "mixed"]);
    let both = "exclude_apps_with_no_endpoints=true&exclude_apps_with_disabled_endpoints=true";
    check(both, &["mixed", "play"]);
    let (mut walked, mut more) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("{both}&limit=1{more}"));
        walked.extend(names(&page).into_iter().map(str::to_owned));
        more = format!("&iterator={}", page["iterator"].as_str().unwrap());
        if page["done"] == true {
            break;
        }
    }
    assert_eq!(walked, ["mixed", "play"]);
    refused(
        &world.call("GET", &format!("{APPS}?exclude_apps_with_no_endpoints=1"), ""),
        &["query", "exclude_apps_with_no_endpoints"],
    );
}

#[test]
fn background_tasks_are_listed_by_their_status_and_their_type() {
    let world = World::start();
    let (app, endpoint) = world.subscribe("http://127.0.0.1:1/");
    let begin = |path: &str, body: &str| {
        let task = world.call("POST", &format!("{APPS}/{app}/{path}"), body).expect(202)["id"].clone();
        let task = task.as_str().unwrap().to_owned();
        let path = format!("/api/v1/background-task/{task}");
        eventually(|| (world.call("GET", &path, "").expect(200)["status"] == "finished").then_some(()));
        task
    };
    let since = r#"{"since":"2026-11-30 18:57:41 UTC"}"#;
    let erased = begin("msg/expunge-all-contents", "");
    let replayed: Vec<_> = (0..3).map(|_| begin(&format!("endpoint/{endpoint}/bulk-replay"), since)).collect();
    let erased_too = begin("msg/expunge-all-contents", "");
    let list = |query: &str| world.call("GET", &format!("/api/v1/background-task?{query}"), "").expect(200);
    let check = |query: &str, expected: &[&String]| assert_eq!(ids(&list(query)), expected, "{query}");
    check("task=application.purge_content", &[&erased_too, &erased]);
    check("task=application.purge_content&order=ascending", &[&erased, &erased_too]);
    check("task=endpoint.bulk-replay", &[&replayed[2], &replayed[1], &replayed[0]]);
    check("task=endpoint.bulk-replay&status=finished&limit=1", &[&replayed[2]]);
    check("task=sdk.generate", &[]);
    check("status=running", &[]);
    check("status=finished&limit=2", &[&erased_too, &replayed[2]]);
    let first = list("task=application.purge_content&limit=1");
    let next = list(&format!("task=application.purge_content&iterator={}", first["iterator"].as_str().unwrap()));
    assert_eq!((ids(&next), &next["done"]), (vec![erased.as_str()], &json!(true)));
    for (query, name) in [("status=done", "status"), ("task=endpoint.explode", "task"), ("status=", "status")] {
        refused(&world.call("GET", &format!("/api/v1/background-task?{query}"), ""), &["query", name]);
    }
}

#[test]
fn what_was_canceled_is_told_as_canceled_to_whoever_knows_the_word() {
    let world = World::start();
    let dead = Receiver::start(|_, _| Behaviour::Status(500));
    let (app, endpoint) = world.subscribe(&dead.url);
    let event = world.publish(&app, "{}");
    let attempt = world.attempts(&app, &event, 1)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.call("DELETE", &format!("{APPS}/{app}/endpoint/{endpoint}"), "").status, 204);
    let told = |agent: &str, query: &str| {
        let path = format!("{APPS}/{app}/endpoint/{endpoint}/msg{query}");
        let answer = world.call_as(crate::world::KEY, "GET", &path, &[("user-agent", agent)], "").expect(200);
        (answer["data"][0]["status"].clone(), answer["data"][0]["statusText"].clone())
    };
    let (canceled, success) = ((json!(4), json!("canceled")), (json!(0), json!("success")));
    eventually(|| (told("curl/8", "") == canceled).then_some(()));
    for (agent, query, expected) in [
        ("curl/8", "?expanded_statuses=false", &success),
        ("svix-libs/1.41.0/rust", "", &success),
        ("svix-libs/2.9.1/python", "?expanded_statuses=true", &canceled),
        ("svix-libs/2.9.1/python", "?expanded_statuses=false", &success),
    ] {
        assert_eq!(told(agent, query), *expected, "{agent} {query}");
    }
    for path in ["attempt/msg/{msg}", "attempt/endpoint/{ep}", "msg/{msg}/attempt/{atmpt}", "endpoint/{ep}/msg"] {
        let path = path.replace("{msg}", &event).replace("{ep}", &endpoint).replace("{atmpt}", &attempt);
        let get = |value: &str| world.call("GET", &format!("{APPS}/{app}/{path}?expanded_statuses={value}"), "");
        get("false").expect(200);
        refused(&get("perhaps"), &["query", "expanded_statuses"]);
    }
}

#[test]
fn an_example_is_the_one_that_is_asked_for() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let make = |name: &str, examples: Value| {
        let schemas = json!({"1": {"type": "object", "examples": examples}});
        let body = json!({"name": name, "description": "", "schemas": schemas});
        world.call("POST", "/api/v1/event-type", body).expect(201);
    };
    make("paid", json!([{"n": 0}, {"n": 1}, "none"]));
    world.call("POST", "/api/v1/event-type", json!({"name": "bare", "description": ""})).expect(201);
    let path = format!("{APPS}/{app}/endpoint/{endpoint}/send-example");
    let send = |body: Value| world.call("POST", &path, body);
    for (index, sent) in [(json!(null), 0), (json!(0), 0), (json!(1), 1)] {
        let shown = send(json!({"eventType": "paid", "exampleIndex": index})).expect(200);
        assert_eq!(shown["payload"], json!({"n": sent}), "{index}");
    }
    refused(&send(json!({"eventType": "paid", "exampleIndex": 3})), &["body", "exampleIndex"]);
    refused(&send(json!({"eventType": "paid", "exampleIndex": -1})), &["body", "exampleIndex"]);
    for body in [json!({"eventType": "paid", "exampleIndex": 2}), json!({"eventType": "bare", "exampleIndex": 1})] {
        assert_eq!(send(body).expect(400)["code"], "invalid_scheme");
    }
    send(json!({"eventType": "svix.ping", "exampleIndex": 7})).expect(200);
    assert_eq!(receiver.wait_for(4)[2].body, br#"{"n":1}"#);
}

/// Every route that takes headers takes the same names.
#[test]
fn a_custom_headers_name_is_what_svix_allows_on_every_route() {
    let (world, receiver) = (World::start(), Receiver::good());
    let app = world.call("POST", APPS, json!({"name": "a", "uid": "a"})).expect(201)["id"].clone();
    let source = json!({"name": "s", "uid": "s", "type": "generic-webhook", "config": {"secret": "0123456789abcdef"}});
    world.call("POST", "/ingest/api/v1/source", source).expect(201);
    let long = "x".repeat(256);
    let headers = json!({"x_tenant.id": "7", "_": "8", &long: "9"});
    for base in [
        format!("{APPS}/a/endpoint"),
        "/ingest/api/v1/source/s/endpoint".to_owned(),
        "/api/v1/operational-webhook/endpoint".to_owned(),
    ] {
        let body = json!({"url": receiver.url, "uid": "e", "headers": headers});
        world.call("POST", &base, &body).expect(201);
        let path = format!("{base}/e/headers");
        for method in ["PUT", "PATCH"] {
            assert_eq!(world.call(method, &path, json!({ "headers": headers })).status, 204, "{method} {path}");
        }
        assert_eq!(world.call("GET", &path, "").expect(200)["headers"], headers);
        for name in ["x-amzn-trace-id", "X-Amzn-Oidc-Data", "x-amz-date", "a b", "a/b", "x:y", &format!("{long}x")] {
            let bad = json!({"headers": {name: "v"}});
            refused(&world.call("PUT", &path, &bad), &["body", "headers"]);
            refused(&world.call("PATCH", &path, &bad), &["body", "headers"]);
            let made = json!({"url": receiver.url, "headers": {name: "v"}});
            refused(&world.call("POST", &base, made), &["body", "headers"]);
        }
        let taken_away = json!({"headers": {"x_tenant.id": null}});
        assert_eq!(world.call("PATCH", &path, taken_away).status, 204);
        assert_eq!(world.call("GET", &path, "").expect(200)["headers"].get("x_tenant.id"), None);
        assert_eq!(world.call("PUT", &path, json!({ "headers": headers })).status, 204);
    }
    world.publish(app.as_str().unwrap(), "{}");
    let received =
        receiver.received().into_iter().chain(receiver.wait_for(1)).find(|one| one.header("x_tenant.id") == "7");
    let received = received.expect("delivered with it");
    assert_eq!((received.header("_"), received.header(&long)), ("8", "9"));
}

/// Each list of the document, whatever its iterator is.
#[test]
fn no_list_takes_an_iterator_that_it_cannot_have_given() {
    let world = World::start();
    let document = world.call_as("", "GET", "/api/v1/openapi.json", &[], "").expect(200);
    let (app, endpoint) = world.subscribe("http://127.0.0.1:1/");
    let event = world.publish(&app, "{}");
    let source = json!({"name": "s", "uid": "s", "type": "generic-webhook", "config": {"secret": "0123456789abcdef"}});
    world.call("POST", "/ingest/api/v1/source", source).expect(201);
    let below = json!({"url": "http://127.0.0.1:1/", "uid": "e"});
    world.call("POST", "/ingest/api/v1/source/s/endpoint", &below).expect(201);
    world.endpoint(&app, &below);
    world.call("POST", "/api/v1/operational-webhook/endpoint", &below).expect(201);
    let mut lists = 0;
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        let parameters = document["paths"][route.path]["get"]["parameters"].as_array().unwrap();
        if !parameters.iter().any(|parameter| parameter["name"] == "iterator") {
            continue;
        }
        lists += 1;
        let path = route.path.replace("{app}", &app).replace("{source}", "s").replace("{msg}", &event);
        let path = path.replace("{ep}", "e").replace("{sink}", "k").replace("{consumer}", "c");
        for iterator in ["%20", "a%20b", "-a%2Fb", "%00", "-", "$$invalid", "%C3%A4", &"x".repeat(257)] {
            refused(&world.call("GET", &format!("{path}?iterator={iterator}"), ""), &["query", "iterator"]);
        }
        assert_ne!(world.call("GET", &format!("{path}?iterator="), "").status, 422, "an empty one is none");
    }
    assert!(lists >= 20, "{lists}");
    drop(endpoint);
}

#[test]
fn times_are_read_as_svix_clients_print_them() {
    let world = World::start();
    let (app, endpoint) = world.subscribe("http://127.0.0.1:1/");
    let event = world.publish(&app, "{}");
    world.attempts(&app, &event, 1);
    for query in
        ["before=2099-11-30+18:57:41+UTC", "after=2026-11-29%2018:57:41.123456789%20UTC", "after=2020-01-01T00:00:00Z"]
    {
        for path in [
            format!("{APPS}/{app}/msg?{query}"),
            format!("{APPS}/{app}/attempt/endpoint/{endpoint}?{query}"),
            format!("{APPS}/{app}/endpoint/{endpoint}/msg?{query}"),
        ] {
            assert_eq!(world.call("GET", &path, "").expect(200)["data"].as_array().unwrap().len(), 1, "{path}");
        }
    }
    let get = |path: &str| world.call("GET", path, "");
    let stats = format!("{APPS}/{app}/endpoint/{endpoint}");
    for name in ["stats", "attempt-stats"] {
        get(&format!("{stats}/{name}?since=2026-11-30+18:57:41+UTC&until=2026-12-01+18:57:41+UTC")).expect(200);
    }
    get("/api/v1/audit?after=2026-11-30+18:57:41+UTC").expect(200);
    let post = |path: &str, body: Value| world.call("POST", path, body);
    let (since, until) = ("2099-01-01 00:00:00 UTC", "2099-01-02 00:00:00 +00:00");
    for name in ["recover", "bulk-replay", "replay-missing"] {
        let body = json!({"since": since, "until": until, "dryRun": true});
        post(&format!("{stats}/{name}"), body).expect(200);
        refused(&post(&format!("{stats}/{name}"), json!({"since": "2099-01-01 00:00:00 CET"})), &["body", "since"]);
    }
    let seek = format!("{APPS}/{app}/poller/k/consumer/c/seek");
    post(&seek, json!({"after": "2026-11-30 18:57:41 UTC"})).expect(200);
    refused(&post(&seek, json!({"after": "yesterday"})), &["body", "after"]);
    let usage = json!({"since": "2026-01-01 00:00:00 UTC", "until": "2026-01-02 00:00:00 UTC"});
    post("/api/v1/stats/usage/app", usage).expect(202);
    refused(&get(&format!("{APPS}/{app}/msg?before=18:57:41+UTC")), &["query", "before"]);
}

#[test]
fn a_body_of_null_is_no_body_wherever_none_is_needed() {
    let world = World::start();
    let (app, endpoint) = world.subscribe("http://127.0.0.1:1/");
    let event = world.publish(&app, "{}");
    let document = world.call_as("", "GET", "/api/v1/openapi.json", &[], "").expect(200);
    world
        .call(
            "POST",
            "/ingest/api/v1/source",
            json!({"name": "s", "uid": "s", "type": "generic-webhook", "config": {"secret": "0123456789abcdef"}}),
        )
        .expect(201);
    let below = json!({"url": "http://127.0.0.1:1/", "uid": "e"});
    world.call("POST", "/ingest/api/v1/source/s/endpoint", &below).expect(201);
    world.call("POST", "/api/v1/operational-webhook/endpoint", &below).expect(201);
    let filled = |path: &str| {
        let own = if path.starts_with(APPS) { endpoint.as_str() } else { "e" };
        path.replace("{app}", &app).replace("{ep}", own).replace("{msg}", &event).replace("{source}", "s")
    };
    let mut optional = 0;
    for route in ROUTES.iter().filter(|route| route.method == "POST" && !route.path.contains("{task}")) {
        let body = &document["paths"][route.path]["post"]["requestBody"];
        let path = filled(route.path);
        if path.contains('{') {
            continue; // a conflict, a quarantined body: made elsewhere
        }
        let answers = [" null\n", ""].map(|body| world.call("POST", &path, body));
        if body["required"] == json!(true) {
            assert!(answers.iter().all(|answer| answer.status >= 400), "{path} {answers:?}");
        } else {
            optional += 1;
            // the second one may be refused for what the first one did
            assert!(answers[0].status < 300 || answers[0].status == answers[1].status, "{path} {answers:?}");
            assert_ne!(answers[0].status, 422, "{path} {answers:?}");
        }
    }
    assert!(optional >= 10, "{optional}");
    for (method, path) in [("PATCH", String::new()), ("PUT", "/headers".to_owned()), ("PATCH", "/headers".to_owned())] {
        let path = format!("{APPS}/{app}/endpoint/{endpoint}{path}");
        assert_eq!(world.call(method, &path, "null").status, 422, "a change needs one: {method} {path}");
    }
    for (path, field) in [("recover", "since"), ("send-example", "eventType")] {
        let path = format!("{APPS}/{app}/endpoint/{endpoint}/{path}");
        refused(&world.call("POST", &path, "null"), &["body", field]);
    }
}
