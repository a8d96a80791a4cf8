//! Logins that were begun: what a browser keeps until it comes back from the issuer, and that it comes back once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::{Rng as _, RngCore as _, SeedableRng as _};

use crate::digest::sha256;

/// How long somebody may take at the issuer: 10 minutes.
pub(in crate::http) const LIFE_MS: i64 = 600_000;
/// How many that came back are remembered, each for as long as it could come back again; with more, nobody comes in
/// until some could not.
const ENDED_MAX: usize = 16_384;
/// How many letters and digits tell a login from every other: 190 bits.
const RANDOM_CHARS: usize = 32;

/// All logins by the issuer. Those under way are kept by their browsers alone, so nobody can fill a memory with them.
pub(in crate::http) struct Logins {
    /// Made at the start: whoever is at the issuer while the server starts anew begins anew.
    key: hmac::Key,
    /// Those that came back, and when they could no more, in ms on the steady scale.
    ended: Mutex<HashMap<[u8; 32], i64>>,
}

/// A login that was begun, in one browser. All that goes to the issuer is drawn from its text.
pub(in crate::http) struct Begun {
    /// What the browser's cookie holds: when it was begun, a random text, and the page to go on to.
    pub(in crate::http) text: String,
    /// The page to go on to.
    pub(in crate::http) next: String,
    /// What comes back with the browser (RFC 6749 §10.12).
    pub(super) state: String,
    /// What comes back in the ID token (OpenID Connect Core §3.1.2.1).
    pub(super) nonce: String,
    /// What proves at the token endpoint who began it (RFC 7636 §4.1).
    pub(super) verifier: String,
}

impl Logins {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        rand::rngs::StdRng::from_os_rng().fill_bytes(&mut key);
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), ended: Mutex::default() }
    }

    /// Begins one, at this moment on the steady scale, that goes on to this page.
    pub(in crate::http) fn begin(&self, next: &str, now_ms: i64) -> Begun {
        let rng = rand::rngs::StdRng::from_os_rng();
        let random: String = rng.sample_iter(rand::distr::Alphanumeric).take(RANDOM_CHARS).map(char::from).collect();
        let text = format!("{now_ms}.{random}.{}", URL_SAFE_NO_PAD.encode(next));
        self.begun(text, next.to_owned())
    }

    /// Ends the one that a cookie's text tells of, when it is the one whose state came back, in time and for the first
    /// time.
    pub(in crate::http) fn end(&self, text: &str, state: &str, now_ms: i64) -> Option<Begun> {
        let state = URL_SAFE_NO_PAD.decode(state).ok()?;
        hmac::verify(&self.key, purpose("state", text).as_bytes(), &state).ok()?;
        let mut parts = text.split('.');
        let begun_ms: i64 = parts.next()?.parse().ok()?;
        let next = String::from_utf8(URL_SAFE_NO_PAD.decode(parts.nth(1)?).ok()?).ok()?;
        (now_ms - begun_ms < LIFE_MS).then_some(())?;
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() >= ENDED_MAX {
            ended.retain(|_, until_ms| *until_ms > now_ms);
        }
        let is_first = ended.len() < ENDED_MAX && ended.insert(sha256(text.as_bytes()), begun_ms + LIFE_MS).is_none();
        is_first.then(|| self.begun(text.to_owned(), next))
    }

    fn begun(&self, text: String, next: String) -> Begun {
        let draw = |what| URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, purpose(what, &text).as_bytes()));
        Begun { state: draw("state"), nonce: draw("nonce"), verifier: draw("verifier"), text, next }
    }
}

fn purpose(what: &str, text: &str) -> String {
    format!("{what} {text}")
}

impl Begun {
    /// What the verifier will be told by (RFC 7636 §4.2, S256).
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.verifier.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_comes_back_once_to_the_browser_in_which_it_was_begun() {
        let logins = Logins::new();
        let [mine, other] = [logins.begin("/test/app?a=ü", 5), logins.begin("/", 5)];
        assert!(logins.end(&other.text, &mine.state, 6).is_none() && logins.end(&mine.text, &other.state, 6).is_none());
        assert!(logins.end("", &mine.state, 6).is_none() && logins.end(&mine.text, "", 6).is_none());
        assert!(Logins::new().end(&mine.text, &mine.state, 6).is_none(), "another server's");
        let back = logins.end(&mine.text, &mine.state, 6).expect("it is");
        assert_eq!((back.next.as_str(), &back.nonce, &back.verifier), ("/test/app?a=ü", &mine.nonce, &mine.verifier));
        assert!(logins.end(&mine.text, &mine.state, 7).is_none(), "once");
        assert!(logins.end(&other.text, &other.state, 4 + LIFE_MS).is_some());
        let late = logins.begin("/", 5);
        assert!(logins.end(&late.text, &late.state, 5 + LIFE_MS).is_none());
    }

    #[test]
    fn nothing_that_a_browser_can_change_is_believed() {
        let logins = Logins::new();
        let begun = logins.begin("/", 1_000);
        let (_, rest) = begun.text.split_once('.').expect("a time");
        let younger = format!("2000.{rest}");
        let elsewhere = begun.text.replace(&URL_SAFE_NO_PAD.encode("/"), &URL_SAFE_NO_PAD.encode("//evil.example"));
        for text in [younger, elsewhere] {
            assert!(logins.end(&text, &begun.state, 1_001).is_none(), "{text}");
        }
    }

    #[test]
    fn all_that_goes_to_the_issuer_is_apart_and_long_enough() {
        let begun = Logins::new().begin("/", 0);
        for text in [&begun.state, &begun.nonce, &begun.verifier, &begun.challenge()] {
            assert_eq!(text.len(), 43, "RFC 7636 §4.1 takes 43 to 128 characters");
        }
        let all = [begun.state.clone(), begun.nonce.clone(), begun.verifier.clone(), begun.challenge()];
        assert_eq!(all.into_iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }

    #[test]
    fn so_many_are_remembered_and_no_more_come_in_until_some_are_forgotten() {
        let logins = Logins::new();
        for _ in 0..ENDED_MAX {
            let begun = logins.begin("/", 0);
            assert!(logins.end(&begun.text, &begun.state, 1).is_some());
        }
        let begun = logins.begin("/", 2);
        assert!(logins.end(&begun.text, &begun.state, 3).is_none());
        assert!(logins.end(&begun.text, &begun.state, LIFE_MS).is_some());
    }
}
