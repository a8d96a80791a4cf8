//! The dashboard: people who log in, the pages they see, and what they cannot do there.

use crate::world::{Answer, World};

#[cfg(feature = "peers")]
mod browser;
mod events;
mod held;
mod hostile;
mod inspect;
mod live;
mod oidc;
mod overview;
mod pages;
mod people;
mod portal;
mod settings;

/// The Admin of every story, and the password of everybody.
pub const ADMIN: &str = "ana@example.com";
pub const PASSWORD: &str = "correct horse battery";

/// A server with an Admin.
fn world() -> World {
    World::start_with(&["--allow-network", "127.0.0.0/8", "--admin-email", ADMIN, "--admin-password", PASSWORD])
}

/// Somebody with a browser that keeps one cookie and sends forms as browsers do.
pub struct Person<'a> {
    world: &'a World,
    pub cookie: String,
}

impl<'a> Person<'a> {
    /// Nobody yet.
    fn new(world: &'a World) -> Self {
        Self { world, cookie: String::new() }
    }

    /// Logs in by address and password.
    pub fn login(world: &'a World, email: &str) -> Self {
        let mut person = Self::new(world);
        let answer = person.post("/login", &[("email", email), ("password", PASSWORD)]);
        assert_eq!((answer.status, answer.header("location")), (303, "/test/"), "{answer:?}");
        person
    }

    fn get(&self, path: &str) -> Answer {
        self.world.call_as("", "GET", path, &[("cookie", &self.cookie)], "")
    }

    /// Sends a form from a page of the server.
    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.post_from("http://x", path, fields);
        if let Some((cookie, _)) = answer.header("set-cookie").split_once(';') {
            cookie.clone_into(&mut self.cookie);
        }
        answer
    }

    /// Sends a form from a page of this origin.
    fn post_from(&self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("origin", origin),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.world.call_as("", "POST", path, &headers, &body)
    }

    /// Sends a form and gives the page that it leads to.
    fn follow(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.post(path, fields);
        assert_eq!(answer.status, 303, "{answer:?}");
        self.get(answer.header("location"))
    }
}

/// What the page says in its element with the role `alert`.
#[track_caller]
fn alert(page: &Answer) -> &str {
    let (_, rest) = page.body.split_once("role=\"alert\">").unwrap_or_else(|| panic!("no alert: {page:?}"));
    rest.split('<').next().unwrap()
}
