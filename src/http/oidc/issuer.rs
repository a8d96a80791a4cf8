//! The issuer: what it says of itself and its keys, asked when somebody logs in, and what it says of that person.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Map;
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::Failure;
use super::begun::Begun;
use super::id_token::{self, Expected, Keys, Wrong};
use crate::clock::Clock;
use crate::oidc::{Ask, Claims, Client, Question, Rules, SCOPES};

/// For how long what the issuer says of itself is believed: an hour.
const KEPT_MS: i64 = 3_600_000;
/// After how long it is asked again when it did not answer, or when a token names a key that it did not show: 10 s.
const AGAIN_MS: i64 = 10_000;

/// The issuer, as far as it is known.
pub(in crate::http) struct Issuer {
    client: Client,
    ask: Arc<dyn Ask>,
    /// Where it sends browsers back to.
    back: String,
    /// Held while it is asked: whoever comes meanwhile waits for the same answer.
    known: Mutex<Known>,
}

/// What was heard from it, with times in ms on the steady scale.
#[derive(Default)]
struct Known {
    said: Option<Arc<Said>>,
    failed_ms: Option<i64>,
    asked_again_ms: Option<i64>,
}

/// What it says of itself.
struct Said {
    provider: Provider,
    keys: Keys,
    at_ms: i64,
}

/// The discovery document (OpenID Connect Discovery 1.0 §3), as far as it is used.
#[derive(Clone, Deserialize)]
struct Provider {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// What a code is exchanged for.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

/// Why it is not (RFC 6749 §5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Issuer {
    pub(super) fn new(client: Client, ask: Arc<dyn Ask>, back: String) -> Self {
        Self { client, ask, back, known: Mutex::default() }
    }

    /// Where a browser goes with a login that was begun.
    pub(in crate::http) async fn entrance(&self, begun: &Begun, clock: &dyn Clock) -> Result<String, Failure> {
        let known = self.known(clock).await?;
        let mut url = Url::parse(&known.provider.authorization_endpoint).map_err(|error| broken(&error))?;
        let scopes: Vec<&str> = SCOPES.into_iter().chain(self.client.scopes.iter().map(String::as_str)).collect();
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client.id),
            ("redirect_uri", &self.back),
            ("scope", &scopes.join(" ")),
            ("state", &begun.state),
            ("nonce", &begun.nonce),
            ("code_challenge", &begun.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url.into())
    }

    /// What it says of somebody who came back with this code: in the ID token, and where that is not enough to judge
    /// by, at its userinfo endpoint.
    pub(in crate::http) async fn claims(
        &self,
        code: &str,
        begun: &Begun,
        rules: &Rules,
        clock: &dyn Clock,
    ) -> Result<Claims, Failure> {
        let known = self.known(clock).await?;
        let tokens = self.exchange(&known.provider, code, begun).await?;
        let expected = Expected {
            issuer: &known.provider.issuer,
            client: &self.client.id,
            nonce: &begun.nonce,
            now_secs: clock.now().wall_ms.div_euclid(1_000),
        };
        let read = match id_token::read(&tokens.id_token, &known.keys, &expected) {
            Err(Wrong::Key(_)) => {
                let known = self.with_new_keys(&known, clock).await?;
                id_token::read(&tokens.id_token, &known.keys, &expected)
            }
            read => read,
        };
        let mut claims = read.map_err(|wrong| Failure::Untrusted(wrong.to_string()))?;
        if let (Some(url), Some(token), false) =
            (&known.provider.userinfo_endpoint, &tokens.access_token, rules.can_judge(&claims))
        {
            let more = self.userinfo(url, token).await?;
            claims.complete(&more).map_err(Failure::Untrusted)?;
        }
        Ok(claims)
    }

    async fn known(&self, clock: &dyn Clock) -> Result<Arc<Said>, Failure> {
        let mut known = self.known.lock().await;
        let now_ms = clock.now().steady_ms;
        if let Some(said) = known.said.as_ref().filter(|said| now_ms - said.at_ms < KEPT_MS) {
            return Ok(Arc::clone(said));
        }
        if known.failed_ms.is_some_and(|at_ms| now_ms - at_ms < AGAIN_MS) {
            return Err(Failure::StillUnavailable);
        }
        let said = self.hear(now_ms).await;
        known.failed_ms = said.is_err().then(|| clock.now().steady_ms);
        let said = Arc::new(said?);
        known.said = Some(Arc::clone(&said));
        Ok(said)
    }

    /// The same with the keys that it shows now, asked for once in [`AGAIN_MS`].
    async fn with_new_keys(&self, old: &Arc<Said>, clock: &dyn Clock) -> Result<Arc<Said>, Failure> {
        let mut known = self.known.lock().await;
        if let Some(said) = known.said.as_ref().filter(|said| !Arc::ptr_eq(said, old)) {
            return Ok(Arc::clone(said));
        }
        let now_ms = clock.now().steady_ms;
        if known.asked_again_ms.is_some_and(|at_ms| now_ms - at_ms < AGAIN_MS) {
            return Ok(Arc::clone(old));
        }
        known.asked_again_ms = Some(now_ms);
        let provider = old.provider.clone();
        let said = Arc::new(Said { keys: self.keys(&provider).await?, provider, at_ms: old.at_ms });
        known.said = Some(Arc::clone(&said));
        Ok(said)
    }

    async fn hear(&self, at_ms: i64) -> Result<Said, Failure> {
        let place = self.client.issuer.trim_end_matches('/');
        let provider: Provider = self.get(&format!("{place}/.well-known/openid-configuration"), None).await?;
        if provider.issuer.trim_end_matches('/') != place {
            return Err(broken(&format!("it calls itself {:?}; give that to --oidc-issuer", provider.issuer)));
        }
        let Provider { authorization_endpoint, token_endpoint, jwks_uri, userinfo_endpoint, .. } = &provider;
        for url in [authorization_endpoint, token_endpoint, jwks_uri].into_iter().chain(userinfo_endpoint) {
            let is_here = url.starts_with("http://") && place.starts_with("http://");
            if !is_here && !url.starts_with("https://") {
                return Err(broken(&format!("its discovery document leads to {url:?}, which is no https URL")));
            }
        }
        Ok(Said { keys: self.keys(&provider).await?, provider, at_ms })
    }

    async fn keys(&self, provider: &Provider) -> Result<Keys, Failure> {
        self.get(&provider.jwks_uri, None).await
    }

    async fn exchange(&self, provider: &Provider, code: &str, begun: &Begun) -> Result<Tokens, Failure> {
        let (authorization, form) = self.request_for_tokens(provider, code, begun);
        let url = &provider.token_endpoint;
        let question = Question { url, authorization: authorization.as_deref(), form: Some(&form) };
        let answer = self.ask.ask(question).await.map_err(|why| unanswered(url, &why))?;
        if answer.status == 200 {
            return serde_json::from_slice(&answer.body).map_err(|_| unanswered(url, "its answer has no ID token"));
        }
        // a word of its own, and nothing that it may have repeated of what it was asked
        let is_word = |text: &String| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let refusal = serde_json::from_slice(&answer.body).map(|Refusal { error }| error).ok().filter(is_word);
        let refusal = refusal.unwrap_or_default();
        let why = format!("{url} answered {} {refusal}", answer.status);
        Err(if refusal == "invalid_grant" { Failure::Untrusted(why) } else { Failure::Unavailable(why) })
    }

    /// How this server proves itself at the token endpoint, and what it posts there (RFC 6749 §2.3.1, §4.1.3).
    fn request_for_tokens(&self, provider: &Provider, code: &str, begun: &Begun) -> (Option<String>, String) {
        let Client { id, secret, .. } = &self.client;
        let mut form = Serializer::new(String::new());
        form.extend_pairs([("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &self.back)]);
        form.append_pair("code_verifier", &begun.verifier);
        let methods = provider.token_endpoint_auth_methods_supported.as_ref();
        let takes_basic = methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
        if let Some(secret) = secret.as_ref().filter(|_| takes_basic) {
            return (Some(basic(id, secret)), form.finish());
        }
        form.append_pair("client_id", id);
        form.extend_pairs(secret.as_ref().map(|secret| ("client_secret", secret.as_str())));
        (None, form.finish())
    }

    async fn userinfo(&self, url: &str, token: &str) -> Result<Claims, Failure> {
        let fields: Map<_, _> = self.get(url, Some(&format!("Bearer {token}"))).await?;
        Ok(Claims::new(fields))
    }

    async fn get<T: DeserializeOwned>(&self, url: &str, authorization: Option<&str>) -> Result<T, Failure> {
        let answer = self.ask.ask(Question { url, authorization, form: None }).await;
        let answer = answer.map_err(|why| unanswered(url, &why))?;
        if answer.status != 200 {
            return Err(unanswered(url, &format!("it answered {} instead of 200", answer.status)));
        }
        serde_json::from_slice(&answer.body).map_err(|error| unanswered(url, &error.to_string()))
    }
}

/// A client's name and secret, each encoded as in a form (RFC 6749 §2.3.1).
fn basic(id: &str, secret: &str) -> String {
    let [id, secret] = [id, secret].map(|text| byte_serialize(text.as_bytes()).collect::<String>());
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn unanswered(url: &str, why: &str) -> Failure {
    Failure::Unavailable(format!("{url}: {why}"))
}

fn broken(why: &dyn std::fmt::Display) -> Failure {
    Failure::Unavailable(format!("the issuer cannot be used: {why}"))
}
