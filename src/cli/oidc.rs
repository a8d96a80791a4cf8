//! Single sign-on for the dashboard: the issuer that the operator names, and which of its people may come in.

use std::sync::Arc;

use clap::Args;
use url::{Host, Url};

use crate::egress::probe::Prober;
use crate::error::{Error, Kind};
use crate::http::oidc::{BACK, Oidc};
use crate::oidc::{Claim, Client, Rules, domain};

/// The issuer, and who may come in by it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Single sign-on for the dashboard (OpenID Connect)")]
pub struct OidcArgs {
    /// The issuer by which people may log in to the dashboard, such as `https://login.example.com/realms/main`.
    /// Register `{public URL}/login/oidc/back` there as the place to come back to. Unless --oidc-domain or --oidc-admin
    /// says otherwise, only those come in who are users here already, by their verified e-mail address.
    #[arg(
        long = "oidc-issuer",
        env = "POSTHASTE_OIDC_ISSUER",
        value_name = "URL",
        value_parser = issuer,
        requires = "client_id"
    )]
    pub issuer: Option<String>,
    /// How the issuer calls this server.
    #[arg(long = "oidc-client-id", env = "POSTHASTE_OIDC_CLIENT_ID", value_name = "ID", requires = "issuer")]
    pub client_id: Option<String>,
    /// The secret that proves it; unless given, this is a public client.
    #[arg(
        long = "oidc-client-secret",
        env = "POSTHASTE_OIDC_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        requires = "issuer"
    )]
    pub client_secret: Option<String>,
    /// What is asked for beside openid and email, such as groups; repeatable, or with commas.
    #[arg(
        long = "oidc-scope",
        env = "POSTHASTE_OIDC_SCOPE",
        value_delimiter = ',',
        value_name = "SCOPE",
        requires = "issuer"
    )]
    pub scope: Vec<String>,
    /// The domain of the addresses that may come in this way, such as example.com; repeatable, or with commas. Who is
    /// no user yet becomes a Viewer.
    #[arg(
        long = "oidc-domain",
        env = "POSTHASTE_OIDC_DOMAIN",
        value_delimiter = ',',
        value_name = "DOMAIN",
        value_parser = domain,
        requires = "issuer"
    )]
    pub domain: Vec<String>,
    /// A claim and its value that make an Admin of somebody who is no user yet, such as `groups=posthaste-admins`, or
    /// `/realm_access/roles=admin` for one that stands inside another; repeatable.
    #[arg(
        long = "oidc-admin",
        env = "POSTHASTE_OIDC_ADMIN",
        value_name = "CLAIM=VALUE",
        value_parser = Claim::parse,
        requires = "issuer"
    )]
    pub admin: Vec<Claim>,
}

impl OidcArgs {
    /// Login by the issuer, when one is named, for browsers that reach this server under this URL. Nothing is asked
    /// yet. Error: this machine has no name servers.
    pub(super) fn open(&self, public_url: &str) -> Result<Option<Arc<Oidc>>, Error> {
        let (Some(issuer), Some(id)) = (&self.issuer, &self.client_id) else {
            return Ok(None);
        };
        let secret = self.client_secret.clone().map(Into::into);
        let client = Client { issuer: issuer.clone(), id: id.clone(), secret, scopes: self.scope.clone() };
        let rules = Rules { domains: self.domain.clone(), admins: self.admin.clone() };
        let prober = Prober::new().map_err(|unreachable| Error::new(Kind::Internal, "server_error", unreachable.0))?;
        tracing::info!(issuer, back = format!("{public_url}{BACK}"), "single sign-on");
        Ok(Some(Arc::new(Oidc::new(client, rules, Arc::new(prober), public_url))))
    }
}

/// Reads an issuer's URL (OpenID Connect Discovery 1.0 §3): https, or http on this machine, where nobody listens in.
fn issuer(text: &str) -> Result<String, String> {
    let wrong =
        |why: &str| format!("{text} {why}; give the issuer's URL, such as https://login.example.com/realms/main");
    let url = Url::parse(text).map_err(|_| wrong("is no URL"))?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if is_here => {}
        "http" => return Err(wrong("is not https, so that whoever stands between could log in as anybody")),
        _ => return Err(wrong("is no URL of https")),
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has more than a place"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_here() {
        for right in
            ["https://accounts.google.com", "https://a.example/realms/x/", "http://localhost:1", "http://[::1]"]
        {
            assert_eq!(issuer(right).as_deref(), Ok(right));
        }
        for wrong in [
            "http://login.example.com",
            "login.example.com",
            "ftp://a.example",
            "https://a.example/?x",
            "https://me@a.example",
        ] {
            assert!(issuer(wrong).is_err(), "{wrong}");
        }
    }
}
