//! Svix tokens: JSON Web Tokens under HS256, whose claims say for which environment or application they are.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::environment::ORG_PREFIX;
use crate::error::{Error, Kind, Result};
use crate::id::{ApplicationId, Id as _};
use crate::key::refused;

/// The longest token that is read at all, in bytes.
const TEXT_BYTES_MAX: usize = 8_192;
/// How many characters follow `org_` in a token of svix-server.
const ORG_CHARS: usize = 27;
/// How far apart two clocks may be, in seconds.
pub const LEEWAY_SECS: i64 = 60;
/// The shortest secret that is taken, in bytes.
const SECRET_BYTES_MIN: usize = 8;

/// What Svix tokens are signed with.
pub struct JwtSecret {
    key: hmac::Key,
    text: zeroize::Zeroizing<String>,
}

/// For whom a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// All of an environment.
    Environment {
        /// Its name: `org_…`.
        org: String,
    },
    /// One application.
    Application {
        /// The name of its environment.
        org: String,
        /// Its public id.
        application: String,
        /// Which event types with feature flags it sees.
        feature_flags: Vec<String>,
        /// When the token was made, in ms since 1970.
        issued_ms: i64,
    },
}

#[derive(Deserialize)]
struct Head {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    org: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    #[serde(default)]
    feature_flags: Vec<String>,
}

impl JwtSecret {
    /// Takes svix-server's `jwt_secret`. Error: shorter than 8 bytes.
    pub fn new(text: &str) -> Result<Self> {
        if text.len() < SECRET_BYTES_MIN {
            let message = format!("must be svix-server's jwt_secret, {SECRET_BYTES_MIN} bytes or more");
            return Err(Error::field("jwt-secret", message));
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()), text: text.to_owned().into() })
    }

    /// Reads a token at this moment, in seconds since 1970. Error: 401 that says what is wrong; 400 `bad token` for a
    /// genuine one whose subject is neither an environment nor an application.
    pub fn verify(&self, text: &str, now_secs: i64) -> Result<Subject> {
        if text == self.text.as_str() {
            return Err(refused("this is the secret that tokens are signed with, not a token; keep it, and sign one"));
        }
        let claims = self.claims(text).ok_or_else(|| refused("Invalid token"))?;
        if claims.exp.is_some_and(|at| whole(at) < now_secs.saturating_sub(LEEWAY_SECS)) {
            return Err(refused("this token has ended; sign a new one"));
        }
        if claims.nbf.is_some_and(|at| whole(at) > now_secs.saturating_add(LEEWAY_SECS)) {
            return Err(refused("this token does not hold yet; look at your clock"));
        }
        subject(claims)
    }

    fn claims(&self, text: &str) -> Option<Claims> {
        let (signed, signature) = text.rsplit_once('.').filter(|_| text.len() <= TEXT_BYTES_MAX)?;
        let (head, body) = signed.split_once('.')?;
        let head: Head = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
        if head.alg != "HS256" {
            return None;
        }
        hmac::verify(&self.key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
    }
}

/// Seconds since 1970 as claims have them (RFC 7519 §2), whole.
#[expect(clippy::cast_possible_truncation, reason = "a time too large for i64 is as good as its largest")]
pub fn whole(secs: f64) -> i64 {
    secs as i64
}

fn subject(claims: Claims) -> Result<Subject> {
    let bad = |detail: &str| Error::new(Kind::Invalid, "bad token", detail);
    let sub = claims.sub.ok_or_else(|| bad("the token has no `sub`"))?;
    if is_org(&sub) {
        return Ok(Subject::Environment { org: sub });
    }
    if !sub.starts_with(ApplicationId::PREFIX) {
        return Err(bad("the token's `sub` is neither org_… nor app_…"));
    }
    let org = claims.org.filter(|org| is_org(org)).ok_or_else(|| bad("the token has no `org` that is one"))?;
    let issued_ms = whole(claims.iat.unwrap_or(0.0)).saturating_mul(1_000);
    Ok(Subject::Application { org, application: sub, feature_flags: claims.feature_flags, issued_ms })
}

fn is_org(text: &str) -> bool {
    let rest = text.strip_prefix(ORG_PREFIX).unwrap_or_default();
    rest.len() == ORG_CHARS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_SECS: i64 = 1_795_305_600;
    const ORG: &str = "org_23rb8YdGqMT0qIzpgGwdXfHirMu";

    fn token(head: &str, claims: &str, secret: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
    }

    fn read(claims: &str) -> Result<Subject> {
        let secret = JwtSecret::new("a-jwt-secret").expect("long enough");
        secret.verify(&token(r#"{"alg":"HS256","typ":"JWT"}"#, claims, "a-jwt-secret"), NOW_SECS)
    }

    #[test]
    fn a_token_says_for_whom_it_is() {
        let environment = read(&format!(r#"{{"iss":"svix-server","sub":"{ORG}","exp":{}}}"#, NOW_SECS + 9));
        assert_eq!(environment, Ok(Subject::Environment { org: ORG.to_owned() }));
        let application = read(&format!(r#"{{"sub":"app_x","org":"{ORG}","iat":5,"feature_flags":["a"]}}"#));
        let expected = Subject::Application {
            org: ORG.to_owned(),
            application: "app_x".to_owned(),
            feature_flags: vec!["a".to_owned()],
            issued_ms: 5_000,
        };
        assert_eq!(application, Ok(expected));
    }

    #[test]
    fn what_is_late_forged_or_for_nobody_is_refused() {
        for (claims, code) in [
            (format!(r#"{{"sub":"{ORG}","exp":{}}}"#, NOW_SECS - 61), "authentication_failed"),
            (format!(r#"{{"sub":"{ORG}","nbf":{}}}"#, NOW_SECS + 61), "authentication_failed"),
            ("{}".to_owned(), "bad token"),
            (r#"{"sub":"org_short"}"#.to_owned(), "bad token"),
            (r#"{"sub":"app_x"}"#.to_owned(), "bad token"),
        ] {
            assert_eq!(read(&claims).expect_err(&claims).code, code, "{claims}");
        }
        let secret = JwtSecret::new("a-jwt-secret").expect("long enough");
        let claims = format!(r#"{{"sub":"{ORG}"}}"#);
        let forged = [
            token(r#"{"alg":"HS256"}"#, &claims, "another-secret"),
            token(r#"{"alg":"none"}"#, &claims, "a-jwt-secret"),
            token(r#"{"alg":"HS512"}"#, &claims, "a-jwt-secret"),
            "a.b".to_owned(),
            String::new(),
        ];
        for text in forged {
            assert!(secret.verify(&text, NOW_SECS).is_err(), "{text}");
        }
        assert!(secret.verify("a-jwt-secret", NOW_SECS).expect_err("raw").detail.contains("not a token"));
    }
}
