//! Login by OpenID Connect: the authorization code flow with PKCE, as far as it is no page.
//!
//! ```text
//! begun      a login under way, in one browser       -> state, nonce, verifier
//! issuer     where to send the browser; the code that it brings back     -> Claims
//! id_token   what the issuer signed, checked
//! ```

use std::sync::Arc;

use self::begun::Logins;
use self::issuer::Issuer;
use crate::oidc::{Ask, Client, Rules};

pub(super) mod begun;
mod id_token;
pub(super) mod issuer;

/// Where the issuer sends browsers back to, below the public URL.
pub const BACK: &str = "/login/oidc/back";

/// People who come in by an issuer.
pub struct Oidc {
    pub(super) issuer: Issuer,
    pub(super) rules: Rules,
    pub(super) logins: Logins,
}

impl Oidc {
    /// Takes what this server is at its issuer, who may come in, how the issuer is asked, and the URL under which
    /// browsers reach this server. Nothing is asked before somebody logs in.
    pub fn new(client: Client, rules: Rules, ask: Arc<dyn Ask>, public_url: &str) -> Self {
        let issuer = Issuer::new(client, ask, format!("{public_url}{BACK}"));
        Self { issuer, rules, logins: Logins::new() }
    }
}

/// Why a login by the issuer comes to nothing, in words for the log: no code, token or secret is in them.
pub(super) enum Failure {
    /// The issuer does not answer as it should.
    Unavailable(String),
    /// It did not a moment ago, and was not asked again.
    StillUnavailable,
    /// What came back does not hold.
    Untrusted(String),
}
