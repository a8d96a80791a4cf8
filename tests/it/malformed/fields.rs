//! Fields of a wrong type or beyond their limit: a 422 that names the field, what it may be, and what to do.

use serde_json::{Value, json};

use super::{Walls, check, problem};

/// Which request, with what in it, and what is told about it.
struct Wrong {
    route: Route,
    body: Value,
    what: &'static str,
    words: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Route {
    Application,
    EventType,
    Endpoint,
    EndpointPatch,
    Headers,
    HeadersPatch,
    Rotate,
    Example,
    Event,
    Batch,
}

fn wrong(route: Route, body: Value, what: &'static str, words: &'static str) -> Wrong {
    Wrong { route, body, what, words }
}

#[track_caller]
fn refuses(walls: &Walls, wrong: &Wrong) {
    let endpoint = |rest: &str| walls.path(&format!("endpoint/{}{rest}", walls.endpoint));
    let (method, path) = match wrong.route {
        Route::Application => ("POST", "/api/v1/app".to_owned()),
        Route::EventType => ("POST", "/api/v1/event-type".to_owned()),
        Route::Endpoint => ("POST", walls.path("endpoint")),
        Route::EndpointPatch => ("PATCH", endpoint("")),
        Route::Headers => ("PUT", endpoint("/headers")),
        Route::HeadersPatch => ("PATCH", endpoint("/headers")),
        Route::Rotate => ("POST", endpoint("/secret/rotate")),
        Route::Example => ("POST", endpoint("/send-example")),
        Route::Event => ("POST", walls.path("msg")),
        Route::Batch => ("POST", walls.path("msg/batch")),
    };
    check(&walls.world.call(method, &path, &wrong.body), 422, wrong.what, wrong.words);
}

#[test]
fn a_field_of_another_type_is_named_with_the_type_it_has() {
    use Route::{
        Application, Batch, Endpoint, EndpointPatch, Event, EventType, Example, Headers, HeadersPatch, Rotate,
    };
    let walls = Walls::start(&[]);
    let url = "http://127.0.0.1/";
    for case in [
        wrong(Application, json!({"name": 1}), "body.name", "a string"),
        wrong(Application, json!({"name": null}), "body.name", "a string"),
        wrong(Application, json!({"name": "a", "uid": ["u"]}), "body.uid", "a string"),
        wrong(Application, json!({"name": "a", "metadata": []}), "body.metadata", "a map"),
        wrong(Application, json!({"name": "a", "metadata": {"k": 1}}), "body.metadata.k", "a string"),
        wrong(Application, json!({"name": "a", "throttleRate": "9"}), "body.throttleRate", "u16"),
        wrong(EventType, json!({"name": "a", "description": 1}), "body.description", "a string"),
        wrong(EventType, json!({"name": "a", "description": "", "archived": "no"}), "body.archived", "a boolean"),
        wrong(EventType, json!({"name": "a", "description": "", "schemas": [1]}), "body.schemas", "an object"),
        wrong(Endpoint, json!({"url": 1}), "body.url", "a string"),
        wrong(Endpoint, json!({"url": url, "disabled": 1}), "body.disabled", "a boolean"),
        wrong(Endpoint, json!({"url": url, "eventTypes": "a"}), "body.eventTypes", "a sequence"),
        wrong(Endpoint, json!({"url": url, "eventTypes": [1]}), "body.eventTypes[0]", "a string"),
        wrong(Endpoint, json!({"url": url, "filterTypes": {}}), "body.filterTypes", "a sequence"),
        wrong(Endpoint, json!({"url": url, "channels": "a"}), "body.channels", "a sequence"),
        wrong(Endpoint, json!({"url": url, "headers": {"a": 1}}), "body.headers.a", "a string"),
        wrong(Endpoint, json!({"url": url, "secret": 1}), "body.secret", "a string"),
        wrong(EndpointPatch, json!({"url": {}}), "body.url", "a string"),
        wrong(EndpointPatch, json!({"disabled": "true"}), "body.disabled", "a boolean"),
        wrong(EndpointPatch, json!({"uid": 1}), "body.uid", "a string"),
        wrong(Headers, json!({"headers": ["a"]}), "body.headers", "a map"),
        wrong(Headers, json!({}), "body.headers", "missing"),
        wrong(HeadersPatch, json!({"deleteHeaders": "a"}), "body.deleteHeaders", "a sequence"),
        wrong(Rotate, json!({"gracePeriodSeconds": 1.5}), "body.gracePeriodSeconds", "i64"),
        wrong(Rotate, json!({"key": 1}), "body.key", "a string"),
        wrong(Example, json!({"eventType": 1}), "body.eventType", "a string"),
        wrong(Event, json!({"payload": {}}), "body.eventType", "missing"),
        wrong(Event, json!({"eventType": "a"}), "body.payload", "missing"),
        wrong(Event, json!({"eventType": ["a"], "payload": {}}), "body.eventType", "a string"),
        wrong(Event, json!({"eventType": "a", "payload": "{}"}), "body.payload", "must be a JSON object"),
        wrong(Event, json!({"eventType": "a", "payload": [1]}), "body.payload", "must be a JSON object"),
        wrong(Event, json!({"eventType": "a", "payload": null}), "body.payload", "must be a JSON object"),
        wrong(Event, json!({"eventType": "a", "payload": {}, "eventId": 7}), "body.eventId", "a string"),
        wrong(Event, json!({"eventType": "a", "payload": {}, "channels": "eu"}), "body.channels", "a sequence"),
        wrong(Event, raw(&json!(["<xml/>"])), "body.transformationsParams", "a list"),
        wrong(Event, raw(&json!({"rawPayload": {}})), "body.transformationsParams", "a string"),
        wrong(Batch, json!({"messages": {}}), "body.messages", "a sequence"),
        wrong(Batch, json!({}), "body.messages", "missing"),
        wrong(Batch, json!({"messages": []}), "body.messages", "1 to 1000"),
        wrong(Batch, json!({"messages": vec![json!({}); 1_001]}), "body.messages", "1001"),
    ] {
        refuses(&walls, &case);
    }
    let lone = r#"{"payload":{},"eventType":"\ud800"}"#; // in a field that we read it is no text
    check(&walls.world.call("POST", &walls.path("msg"), lone), 422, "body.eventType", "hex escape");
    walls.stand(0, 8);
}

fn raw(params: &Value) -> Value {
    json!({"eventType": "a", "payload": {}, "transformationsParams": params})
}

#[test]
fn a_field_beyond_its_limit_is_named_with_the_limit() {
    use Route::{Application, Endpoint, EndpointPatch, Event, EventType, Headers, Rotate};
    let walls = Walls::start(&[]);
    let url = "http://127.0.0.1/";
    let many = |count: usize| (0..count).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    let names = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>();
    let event = |key: &str, value: Value| json!({"eventType": "a", "payload": {}, key: value});
    for case in [
        wrong(Application, json!({"name": ""}), "body.name", "empty"),
        wrong(Application, json!({"name": "n".repeat(4_097)}), "body.name", "4096"),
        wrong(Application, json!({"name": "a\u{0}b"}), "body.name", "control"),
        wrong(Application, json!({"name": "a", "uid": ""}), "body.uid", "1 to 256"),
        wrong(Application, json!({"name": "a", "uid": "u".repeat(257)}), "body.uid", "1 to 256"),
        wrong(Application, json!({"name": "a", "uid": "app_mine"}), "body.uid", "app_"),
        wrong(Application, json!({"name": "a", "metadata": many(51)}), "body.metadata", "50"),
        wrong(Application, json!({"name": "a", "metadata": {"k": "v".repeat(20_000)}}), "body.metadata", "16384"),
        wrong(Application, json!({"name": "a", "metadata": {"k".repeat(1_000_000): "v"}}), "body.metadata", "16384"),
        wrong(EventType, json!({"name": "a b", "description": ""}), "body.name", "a-z"),
        wrong(EventType, json!({"name": "a.*", "description": ""}), "body.name", "a-z"),
        wrong(EventType, json!({"name": "a", "description": "d".repeat(4_097)}), "body.description", "4096"),
        wrong(
            EventType,
            json!({"name": "a", "description": "", "schemas": {"1": "s".repeat(262_144)}}),
            "body.schemas",
            "262144",
        ),
        wrong(Endpoint, json!({"url": url, "uid": "ep_mine"}), "body.uid", "ep_"),
        wrong(Endpoint, json!({"url": url, "uid": "a/b"}), "body.uid", "a-z"),
        wrong(Endpoint, json!({"url": url, "eventTypes": names(1_001)}), "body.eventTypes", "1000"),
        wrong(Endpoint, json!({"url": url, "eventTypes": ["a"]}), "body.eventTypes", "create the event type first"),
        wrong(Endpoint, json!({"url": url, "channels": names(11)}), "body.channels", "1 to 10"),
        wrong(Endpoint, json!({"url": url, "channels": ["c".repeat(129)]}), "body.channels", "1 to 128"),
        wrong(Endpoint, json!({"url": url, "secret": "whsec_c2hvcnQ="}), "body.secret", "24 to 75"),
        wrong(Endpoint, json!({"url": url, "secret": "whsk_AAAA"}), "body.secret", "base64"),
        wrong(EndpointPatch, json!({"channels": ["a b"]}), "body.channels", "a-z"),
        wrong(EndpointPatch, json!({"filterTypes": ["nobody"]}), "body.eventTypes", "nobody"),
        wrong(Headers, json!({"headers": many(33)}), "body.headers", "32"),
        wrong(Rotate, json!({"gracePeriodSeconds": -1}), "body.gracePeriodSeconds", "604800"),
        wrong(Rotate, json!({"gracePeriodSeconds": 604_801}), "body.gracePeriodSeconds", "604800"),
        wrong(Rotate, json!({"key": "whsec_short"}), "body.key", "24 to 75"),
        wrong(Event, json!({"eventType": "a b", "payload": {}}), "body.eventType", "a-z"),
        wrong(Event, json!({"eventType": "", "payload": {}}), "body.eventType", "1 to 256"),
        wrong(Event, json!({"eventType": "a".repeat(257), "payload": {}}), "body.eventType", "1 to 256"),
        wrong(Event, event("channels", json!([])), "body.channels", "1 to 5"),
        wrong(Event, event("channels", json!(names(6))), "body.channels", "1 to 5"),
        wrong(Event, event("channels", json!(["eu/west"])), "body.channels", "a-z"),
        wrong(Event, event("eventId", json!("")), "body.eventId", "1 to 256"),
        wrong(Event, event("eventId", json!("e".repeat(257))), "body.eventId", "1 to 256"),
        wrong(Event, event("eventId", json!("msg_mine")), "body.eventId", "msg_"),
        wrong(Event, event("eventId", json!("a/../b")), "body.eventId", "a-z"),
        wrong(Event, event("eventId", json!("💶")), "body.eventId", "a-z"),
    ] {
        refuses(&walls, &case);
    }
    walls.stand(0, 16);
}

#[test]
fn a_forbidden_header_is_named() {
    let walls = Walls::start(&[]);
    let path = walls.path(&format!("endpoint/{}/headers", walls.endpoint));
    for name in [
        "Host",
        "content-length",
        "Content-Type",
        "Transfer-Encoding",
        "Connection",
        "Cookie",
        "User-Agent",
        "TE",
        "webhook-id",
        "Webhook-Signature",
        "svix-id",
        "X-Svix-Anything",
        "x-amz-security-token",
        "X-Forwarded-For",
        "Proxy-Authorization",
        "Metadata-Flavor",
        "expect",
        "accept-encoding",
    ] {
        let headers = json!({"headers": {name: "v"}});
        check(&walls.world.call("PUT", &path, &headers), 422, "body.headers", "not a caller's to set");
        check(&walls.world.call("PATCH", &path, &headers), 422, "body.headers", name);
        let endpoint = json!({"url": "http://127.0.0.1/", "headers": {name: "v"}});
        check(&walls.world.call("POST", &walls.path("endpoint"), &endpoint), 422, "body.headers", name);
    }
    for (name, value, words) in [
        ("", "v", "1 to 256"),
        ("a b", "v", "a-z"),
        ("a:b", "v", "a-z"),
        ("x\r\nhost", "v", "a-z"),
        (&"x".repeat(257), "v", "1 to 256"),
        ("x-a", "v\r\nhost: y", "printable ASCII"),
        ("x-a", "ü", "printable ASCII"),
        ("x-a", &"v".repeat(4_097), "4096"),
    ] {
        check(&walls.world.call("PUT", &path, json!({"headers": {name: value}})), 422, "body.headers", words);
    }
    let twice = json!({"headers": {"X-A": "1", "x-a": "2"}});
    check(&walls.world.call("PUT", &path, &twice), 422, "body.headers", "twice");
    assert_eq!(walls.world.call("GET", &path, "").expect(200), json!({"headers": {}, "sensitive": []}));
    walls.stand(0, 8);
}

#[test]
fn a_wrong_query_is_named_and_no_moment_breaks_a_list() {
    let walls = Walls::start(&[]);
    let attempts = format!("attempt/endpoint/{}", walls.endpoint);
    for (list, query, what) in [
        ("msg", "limit=0", "query.limit"),
        ("msg", "limit=251", "query.limit"),
        ("msg", "limit=-1", "query.limit"),
        ("msg", "limit=99999999999999999999999", "query.limit"),
        ("msg", "limit=1&limit=2", "query.limit"),
        ("msg", "iterator=msg_000000000000000000000000000", "query.iterator"),
        ("msg", "iterator=--", "query.iterator"),
        ("msg", "before=yesterday", "query.before"),
        ("msg", "before=10000-01-01T00:00:00Z", "query.before"),
        ("msg", "after=2026-02-30T00:00:00Z", "query.after"),
        ("msg", "before=2100-01-01T00:00:00Z&after=tomorrow", "query.after"),
        ("msg", "with_content=maybe", "query.with_content"),
        ("endpoint", "order=upwards", "query.order"),
        (&attempts, "status=9", "query.status"),
        (&attempts, "status_code_class=42", "query.status_code_class"),
        (&attempts, "status_code_class=65600", "query.status_code_class"),
        ("attempt/msg/nobody", "limit=0", "not_found"),
    ] {
        let (told, _) = problem(&walls.world.call("GET", &walls.path(&format!("{list}?{query}")), ""));
        assert_eq!(told, what, "{list}?{query}");
    }
    for (query, events) in [
        ("before=9999-12-30T00:00:00Z", 1),
        ("before=2100-01-01T00:00:00Z", 1),
        ("before=0000-01-01T00:00:00Z", 0),
        ("before=-009998-01-01T00:00:00Z", 0),
        ("after=9999-12-30T00:00:00Z", 0),
        ("after=2100-01-01T00:00:00Z", 0),
        ("after=0000-01-01T00:00:00Z", 1),
        ("after=2016-12-31T23:59:60Z", 1),
        ("before=2100-01-01T00:00:00Z&after=2026-01-01T00:00:00Z", 1),
        ("before=2026-01-01T00:00:00Z&after=2026-01-01T00:00:00Z", 0),
        ("before=2026-01-01T00:00:00Z&after=2100-01-01T00:00:00Z", 0),
        ("event_types=a,%00,%ff", 0),
        ("channel=%00", 0),
        ("unknown=%zz&&=&", 1),
    ] {
        let list = walls.world.call("GET", &walls.path(&format!("msg?{query}")), "").expect(200);
        assert_eq!(list["data"].as_array().unwrap().len(), events, "{query}");
    }
    walls.stand(0, 8);
}

#[test]
fn an_idempotency_key_that_is_none_is_refused() {
    let walls = Walls::start(&[]);
    for key in ["", "ü", &"k".repeat(257)] {
        let body = super::event();
        for path in [walls.path("msg"), walls.path("msg/batch"), "/api/v1/app".to_owned()] {
            let body = if path.ends_with("app") { r#"{"name":"a"}"# } else { &body };
            let answer = walls.world.call_as(crate::world::KEY, "POST", &path, &[("idempotency-key", key)], body);
            check(&answer, 422, "header.idempotency-key", "1 to 256");
        }
    }
    walls.stand(0, 8);
}

#[test]
fn a_retried_request_with_its_key_changes_nothing_more() {
    let walls = Walls::start(&[]);
    let endpoint = walls.path(&format!("endpoint/{}", walls.endpoint));
    let post = |path: &str, body: &Value| {
        walls.world.call_as(crate::world::KEY, "POST", path, &[("idempotency-key", "k")], &body.to_string())
    };
    for (path, body, other, status) in [
        ("/api/v1/event-type", json!({"name": "a", "description": ""}), json!({"name": "b", "description": ""}), 201),
        ("/api/v1/app", json!({"name": "a", "uid": "a"}), json!({"name": "b"}), 201),
        (&walls.path("endpoint"), json!({"url": "http://127.0.0.1:1/"}), json!({"url": "http://127.0.0.1:2/"}), 201),
        (&format!("{endpoint}/secret/rotate"), json!({}), json!({"gracePeriodSeconds": 0}), 204),
        (&format!("{endpoint}/send-example"), json!({"eventType": "svix.ping"}), json!({"eventType": "a"}), 200),
        (&walls.path("msg"), json!({"eventType": "a", "payload": {}}), json!({"eventType": "b", "payload": {}}), 202),
    ] {
        let first = post(path, &body).expect(status);
        assert_eq!(post(path, &body).expect(status), first, "{path}");
        let refused = post(path, &other);
        assert!(refused.status == 409 || path.ends_with("send-example"), "{path}: {refused:?}");
    }
}
