//! Login by OpenID Connect: what this server is at its issuer, and which of the issuer's people may come in.

use std::pin::Pin;

use bytes::Bytes;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::key::Role;
use crate::user;

/// The scopes that are always asked for: an ID token, and an e-mail address.
pub const SCOPES: [&str; 2] = ["openid", "email"];

/// What this server is at its issuer.
#[derive(Clone)]
pub struct Client {
    /// The URL of the issuer: its discovery document stands below it.
    pub issuer: String,
    /// How the issuer calls this server.
    pub id: String,
    /// What proves it; `None` for a public client, which PKCE alone protects.
    pub secret: Option<Zeroizing<String>>,
    /// What is asked for beside [`SCOPES`].
    pub scopes: Vec<String>,
}

/// Which of the issuer's people may come in, and as what.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// In which domains their addresses must be, in lower case; empty: in any.
    pub domains: Vec<String>,
    /// What makes an Admin of somebody who comes for the first time: one of these.
    pub admins: Vec<Claim>,
}

impl Rules {
    /// Whether somebody with this address may come in at all.
    pub fn let_in(&self, email: &str) -> bool {
        let domain = email.rsplit('@').next().unwrap_or_default();
        self.domains.is_empty() || self.domains.iter().any(|known| known == domain)
    }

    /// What somebody becomes who is let in and comes for the first time. `None`: nothing, because nobody said who of
    /// the issuer's people belongs here.
    pub fn newcomer(&self, claims: &Claims) -> Option<Role> {
        if self.admins.iter().any(|claim| claims.hold(claim)) {
            return Some(Role::Admin);
        }
        (!self.domains.is_empty()).then_some(Role::Viewer)
    }

    /// Whether claims are complete enough to judge by.
    pub fn can_judge(&self, claims: &Claims) -> bool {
        claims.at("email").is_some() && self.admins.iter().all(|claim| claims.at(&claim.name).is_some())
    }
}

/// A claim that is looked for: that its value is this text, or a list with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name (`groups`), or where it stands (`/realm_access/roles`, a JSON pointer).
    pub name: String,
    /// The text.
    pub value: String,
}

impl Claim {
    /// Reads `groups=admins`. Error: the form.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err(format!("`{text}` is no claim with its value; give both, such as groups=posthaste-admins")),
        }
    }
}

/// Reads the domain of addresses. Error: the form.
pub fn domain(text: &str) -> Result<String, String> {
    let fits =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if text.split('.').all(fits) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("`{text}` is no domain; give what stands behind the @ of addresses, such as example.com"))
}

/// What an issuer says of somebody: the fields of a JSON object.
#[derive(Clone)]
pub struct Claims(Value);

impl Claims {
    /// Takes the fields.
    pub fn new(fields: Map<String, Value>) -> Self {
        Self(Value::Object(fields))
    }

    /// Who it is, in the issuer's words.
    pub fn subject(&self) -> Option<&str> {
        self.0["sub"].as_str().filter(|subject| !subject.is_empty())
    }

    /// The e-mail address, in lower case, when the issuer has verified that it is the person's: `email_verified`
    /// (OpenID Connect Core §5.1), or `xms_edov` (Entra ID, optional claims reference). Letters beyond ASCII are not
    /// taken: some of them have the lower case of other people's.
    pub fn verified_email(&self) -> Option<String> {
        let is_verified = ["email_verified", "xms_edov"].iter().any(|name| is_true(&self.0[*name]));
        let email = self.0["email"].as_str().filter(|text| is_verified && text.is_ascii())?;
        user::email(email).ok()
    }

    /// Adds what the same issuer says of the same person elsewhere. What is said already stays, an address along with
    /// what is said of it. Error: it is about another.
    pub fn complete(&mut self, more: &Self) -> Result<(), String> {
        if more.subject().is_none() || more.subject() != self.subject() {
            return Err("its userinfo endpoint tells of another person than its ID token".to_owned());
        }
        let has_email = self.0.get("email").is_some();
        let of_email = |name: &str| matches!(name, "email" | "email_verified" | "xms_edov");
        for (name, value) in more.0.as_object().into_iter().flatten() {
            if self.0.get(name).is_none() && !(has_email && of_email(name)) {
                self.0[name.as_str()] = value.clone();
            }
        }
        Ok(())
    }

    fn hold(&self, claim: &Claim) -> bool {
        match self.at(&claim.name) {
            Some(Value::String(text)) => *text == claim.value,
            Some(Value::Array(list)) => list.iter().any(|text| text.as_str() == Some(&claim.value)),
            _ => false,
        }
    }

    fn at(&self, name: &str) -> Option<&Value> {
        if name.starts_with('/') { self.0.pointer(name) } else { self.0.get(name) }
    }
}

/// Whether a claim says yes: some issuers write it as a text, Entra ID also as a number.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(is) => *is,
        Value::String(text) => text == "true" || text == "1",
        Value::Number(number) => number.as_u64() == Some(1),
        _ => false,
    }
}

/// A question to the issuer: GET, or POST when there is a form.
pub struct Question<'a> {
    /// Where.
    pub url: &'a str,
    /// The header `Authorization`, when it takes one.
    pub authorization: Option<&'a str>,
    /// What is posted, as `application/x-www-form-urlencoded`.
    pub form: Option<&'a str>,
}

/// What the issuer answered, whole.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// An answer to come. Error: there is none, and why, without a word of what was asked.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<Answer, String>> + Send + 'a>>;

/// Asks the issuer, within limits, and follows no redirect.
pub trait Ask: Send + Sync {
    /// Asks one question.
    fn ask<'a>(&'a self, question: Question<'a>) -> Asked<'a>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(json: Value) -> Claims {
        Claims::new(serde_json::from_value(json).expect("an object"))
    }

    fn rules(domains: &[&str], admins: &[&str]) -> Rules {
        let admins = admins.iter().map(|text| Claim::parse(text).expect("a claim")).collect();
        Rules { domains: domains.iter().map(|text| domain(text).expect("a domain")).collect(), admins }
    }

    #[test]
    fn only_an_address_that_the_issuer_verified_is_one() {
        let email = |verified: Value| claims(json!({ "email": "Ana@Example.com", "email_verified": verified }));
        for yes in [json!(true), json!("true")] {
            assert_eq!(email(yes).verified_email().as_deref(), Some("ana@example.com"));
        }
        for no in [json!(false), json!("false"), json!(null), json!("yes"), json!([true]), json!({})] {
            assert_eq!(email(no.clone()).verified_email(), None, "{no}");
        }
        assert_eq!(claims(json!({ "email": "ana@example.com" })).verified_email(), None);
        let entra = claims(json!({ "email": "ana@example.com", "xms_edov": 1 }));
        assert_eq!(entra.verified_email().as_deref(), Some("ana@example.com"));
        // the Kelvin sign, whose lower case is k
        for other in ["mi\u{212a}e@example.com", "mike@example.com@example.org", "mike", ""] {
            assert_eq!(claims(json!({ "email": other, "email_verified": true })).verified_email(), None, "{other}");
        }
    }

    #[test]
    fn without_a_rule_nobody_comes_for_the_first_time() {
        let admin = claims(json!({ "groups": ["staff", "admins"] }));
        assert_eq!(rules(&[], &[]).newcomer(&admin), None);
        assert_eq!(rules(&["Example.com"], &[]).newcomer(&admin), Some(Role::Viewer));
        assert_eq!(rules(&[], &["groups=admins"]).newcomer(&admin), Some(Role::Admin));
        assert_eq!(rules(&[], &["groups=owners"]).newcomer(&admin), None);
        assert_eq!(rules(&["example.com"], &["groups=owners"]).newcomer(&admin), Some(Role::Viewer));
    }

    #[test]
    fn a_claim_is_a_text_or_in_a_list_at_its_name_or_its_place() {
        let said = claims(json!({
            "role": "admins", "groups": ["admins-too", "cn=admins,dc=example"], "https://example.com/a": "b",
            "realm_access": { "roles": ["admins"] }, "deep": [["admins"]], "yes": true,
        }));
        for holds in
            ["role=admins", "groups=cn=admins,dc=example", "/realm_access/roles=admins", "https://example.com/a=b"]
        {
            assert_eq!(rules(&[], &[holds]).newcomer(&said), Some(Role::Admin), "{holds}");
        }
        for not in ["groups=admins", "role=Admins", "deep=admins", "yes=true", "/realm_access=admins", "none=x"] {
            assert_eq!(rules(&[], &[not]).newcomer(&said), None, "{not}");
        }
        assert!(Claim::parse("admins").is_err() && Claim::parse("=x").is_err() && Claim::parse("x=").is_err());
    }

    #[test]
    fn a_domain_is_whole() {
        let ours = rules(&["example.com"], &[]);
        assert!(ours.let_in("ana@example.com") && rules(&[], &[]).let_in("ana@example.org"));
        for foreign in
            ["ana@example.com.evil.org", "ana@evil-example.com", "ana@sub.example.com", "example.com@evil.org"]
        {
            assert!(!ours.let_in(foreign), "{foreign}");
        }
        for wrong in ["@example.com", "", "a..b", "*.example.com", "example.com/"] {
            assert!(domain(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_told_elsewhere_completes_what_is_signed_and_replaces_nothing() {
        let mut said = claims(json!({ "sub": "1", "email": "eve@example.com" }));
        let rules = rules(&[], &["groups=admins"]);
        assert!(!rules.can_judge(&said));
        let more = json!({ "sub": "1", "email": "ana@example.com", "email_verified": true, "groups": ["admins"] });
        said.complete(&claims(more.clone())).expect("of the same person");
        assert_eq!((said.verified_email(), rules.newcomer(&said)), (None, Some(Role::Admin)));
        assert!(rules.can_judge(&said));
        let mut bare = claims(json!({ "sub": "1" }));
        bare.complete(&claims(more.clone())).expect("of the same person");
        assert_eq!(bare.verified_email().as_deref(), Some("ana@example.com"));
        for other in [json!({ "sub": "2" }), json!({})] {
            assert!(claims(other).complete(&claims(more.clone())).is_err());
        }
        assert!(claims(json!({ "sub": "1" })).complete(&claims(json!({}))).is_err());
    }
}
