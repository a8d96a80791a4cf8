//! The endpoint zoo: whatever a receiver does, the attempt is recorded as what it was, and the next one is not confused.

mod animals;
mod habits;
mod keeper;

use serde_json::{Value, json};

use crate::world::{World, eventually};
use keeper::Keeper;

/// How much of a response is kept, in characters at most: of a success, and of a failure.
const KEPT_SUCCESS_MAX: usize = 1_024;
const KEPT_MAX: usize = 16_384;

/// A server with one application, and a keeper whose cages are its endpoints.
struct Visitors {
    world: World,
    app: String,
    keeper: Keeper,
}

impl Visitors {
    fn start(keeper: Keeper) -> Self {
        let world = World::start_logged(&["--allow-network", "127.0.0.0/8"]);
        let app = world.call("POST", "/api/v1/app", r#"{"name":"zoo"}"#).expect(201);
        Self { app: app["id"].as_str().expect("an id").to_owned(), world, keeper }
    }

    /// Makes an endpoint of a cage; a path that ends in `early` is answered before its body is read.
    fn endpoint(&self, path: &str) -> String {
        self.world.endpoint(&self.app, &json!({ "url": format!("{}/{path}", self.keeper.url) }))
    }

    /// The attempts at an endpoint, newest first, once there are `count`.
    fn attempts(&self, endpoint: &str, count: usize) -> Vec<Value> {
        let path = format!("/api/v1/app/{}/attempt/endpoint/{endpoint}", self.app);
        eventually(|| {
            let attempts = self.world.call("GET", &path, "").expect(200)["data"].as_array().expect("a list").clone();
            (attempts.len() >= count).then_some(attempts)
        })
    }

    fn resend(&self, event: &str, endpoint: &str) {
        let path = format!("/api/v1/app/{}/msg/{event}/endpoint/{endpoint}/resend", self.app);
        self.world.call("POST", &path, "").expect(202);
    }
}

/// The attempt has this status (0: no response), is a success or not by it, and keeps no more than it may.
#[track_caller]
fn check(attempt: &Value, case: &str, status: u64, words: &str) {
    let text = attempt["response"].as_str().expect("a text");
    assert_eq!(attempt["responseStatusCode"], status, "{case}: {attempt}");
    let success = (200..300).contains(&status);
    assert_eq!(attempt["status"], if success { 0 } else { 2 }, "{case}: {attempt}");
    assert!(text.contains(words), "{case}: {attempt}");
    assert!(text.chars().count() <= if success { KEPT_SUCCESS_MAX } else { KEPT_MAX }, "{case}: {}", text.len());
}
