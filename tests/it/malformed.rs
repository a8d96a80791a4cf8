//! Whatever comes in, the answer is a 4xx that says what would be right, or a closed connection, and nothing is half-done.

mod fields;
mod http;
mod identifiers;
mod json;
mod keys;
pub mod roles;
mod slow;
mod unknown;
mod urls;

use serde_json::{Value, json};

use crate::world::{Answer, KEY, Receiver, World};

/// A server with one application and one endpoint, whose figures are known before it is maltreated.
struct Walls {
    world: World,
    app: String,
    endpoint: String,
    receiver: Receiver,
    rss_kib: u64,
}

impl Walls {
    fn start(flags: &[&str]) -> Self {
        let world = World::start_logged(&[&["--allow-network", "127.0.0.0/8"], flags].concat());
        let receiver = Receiver::good();
        let (app, endpoint) = world.subscribe(&receiver.url);
        let event = world.publish(&app, "{}");
        world.attempts(&app, &event, 1);
        let rss_kib = world.rss_kib();
        Self { world, app, endpoint, receiver, rss_kib }
    }

    /// A path below the application.
    fn path(&self, rest: &str) -> String {
        format!("/api/v1/app/{}/{rest}", self.app)
    }

    /// The server works as before: nothing new but this many events, no panic, little more memory.
    #[track_caller]
    fn stand(&self, events: usize, growth_mib_max: u64) {
        let rows = |path: &str| {
            let list = self.world.call("GET", &format!("{path}?limit=250"), "").expect(200);
            list["data"].as_array().expect("a list").len()
        };
        let endpoints = rows(&self.path("endpoint"));
        let things = (rows("/api/v1/app"), endpoints, rows("/api/v1/event-type"), rows(&self.path("msg")));
        assert_eq!(things, (1, 1, 0, events + 1), "applications, endpoints, event types, events");
        let growth_mib = self.world.rss_kib().saturating_sub(self.rss_kib) / 1_024;
        assert!(growth_mib <= growth_mib_max, "it holds {growth_mib} MiB more than before");
        let event = self.world.publish(&self.app, r#"{"last":true}"#);
        let arrived = self.receiver.wait_for(events + 2);
        assert!(arrived.iter().any(|received| received.id() == event));
        assert_eq!(self.world.log(), "", "nothing here is worth a line in the log");
    }
}

/// A 4xx in the API's shape: where or what is wrong, and the sentence for a person.
#[track_caller]
fn problem(answer: &Answer) -> (String, String) {
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert!(answer.head.contains("content-type: application/json"), "{answer:?}");
    let body: Value = answer.expect(answer.status);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (what, sentence) = if answer.status == 422 {
        let field = &body["detail"][0];
        assert!(text(&field["type"]).starts_with("value_error"), "{body}");
        let loc: Vec<String> = field["loc"].as_array().expect("a path").iter().map(text).collect();
        (loc.join("."), text(&field["msg"]))
    } else {
        (text(&body["code"]), text(&body["detail"]))
    };
    assert!(sentence.len() > 10, "{body}");
    (what, sentence)
}

/// The answer is this status; names this field or code; its sentence holds these words.
#[track_caller]
fn check(answer: &Answer, status: u16, what: &str, words: &str) {
    let told = problem(answer);
    assert!(answer.status == status && told.0 == what && told.1.contains(words), "{status} {what} {words}: {answer:?}");
}

/// The head of a request with the admin's key, up to the headers that a case adds.
fn head(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n")
}

/// An event as the API takes it.
fn event() -> String {
    json!({"eventType": "a", "payload": {}}).to_string()
}
