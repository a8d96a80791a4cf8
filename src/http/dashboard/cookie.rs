//! Cookies: what a browser keeps of a login, and of a link to the portal.

use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use crate::http::oidc::begun::LIFE_MS;
use crate::http::state::Api;
use crate::token;
use crate::user::SESSION_MS;

/// Holds a session's text.
pub(super) const SESSION: &str = "posthaste_session";
/// Holds the token of a link to the portal: nothing of it is kept here, and whatever ends the token ends the visit.
pub(super) const PORTAL: &str = "posthaste_portal";

/// Holds the text of a login that was begun, while its browser is at the issuer.
pub(super) const BEGUN: &str = "posthaste_oidc";

/// What a request's cookies hold under this name.
pub(super) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut pairs =
        headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// An answer that logs in (with a session's text) or out (with none).
pub(super) fn with_session(api: &Api, response: Response, text: &str) -> Response {
    let secs = if text.is_empty() { 0 } else { SESSION_MS / 1_000 };
    let secure = if is_secure(&api.public_url) { "; Secure" } else { "" };
    set(response, format!("{SESSION}={text}; Path=/; Max-Age={secs}; HttpOnly; SameSite=Strict{secure}"))
}

/// An answer that begins a login by the issuer (with its text), or ends it (with none). The browser comes back from
/// another site, which is why it is lax.
pub(super) fn with_begun(api: &Api, response: Response, text: &str) -> Response {
    let secs = if text.is_empty() { 0 } else { LIFE_MS / 1_000 };
    let secure = if is_secure(&api.public_url) { "; Secure" } else { "" };
    set(response, format!("{BEGUN}={text}; Path=/login/oidc; Max-Age={secs}; HttpOnly; SameSite=Lax{secure}"))
}

/// An answer that lets the bearer of a token into the portal, or out (with none). In a frame of another site browsers
/// keep nothing but what is secure and apart for each site around it (CHIPS); a plain http server has none of that, and
/// can be framed by its own site alone.
pub(super) fn with_link(api: &Api, response: Response, text: &str, is_framed: bool) -> Response {
    let secs = if text.is_empty() { 0 } else { token::LIFE_SECS };
    let manner = match (is_secure(&api.portal_url), is_framed) {
        (true, true) => "SameSite=None; Secure; Partitioned",
        (true, false) => "SameSite=Lax; Secure",
        (false, true) if is_here(&api.portal_url) => "SameSite=None; Secure; Partitioned",
        (false, _) => "SameSite=Lax",
    };
    set(response, format!("{PORTAL}={text}; Path=/portal; Max-Age={secs}; HttpOnly; {manner}"))
}

/// Whether a page is asked for to be shown in a frame (Fetch Metadata, `Sec-Fetch-Dest`).
pub(super) fn is_framed(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_some_and(|shown_in| shown_in == "iframe" || shown_in == "frame")
}

fn is_secure(url: &str) -> bool {
    url.starts_with("https://")
}

/// Whether a URL is this machine's own, which browsers trust without https.
fn is_here(url: &str) -> bool {
    let host = url::Url::parse(url).ok().and_then(|url| url.host().map(|host| host.to_owned()));
    match host {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn set(mut response: Response, cookie: String) -> Response {
    let value = HeaderValue::try_from(cookie).expect("letters, digits and what was in a cookie before");
    response.headers_mut().append(SET_COOKIE, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let headers = HeaderMap::from_iter([(
            COOKIE,
            "a=1; posthaste_session_x=2;posthaste_session=3".parse().expect("a value"),
        )]);
        assert_eq!((read(&headers, SESSION), read(&headers, PORTAL)), (Some("3"), None));
    }

    #[test]
    fn this_machine_is_known_by_its_names_and_addresses() {
        for here in ["http://localhost:8071", "http://127.0.0.1:1", "http://[::1]:8071", "http://a.localhost"] {
            assert!(is_here(here), "{here}");
        }
        for other in ["http://10.0.0.1", "http://localhost.example.com", "", "http://[2001:db8::1]"] {
            assert!(!is_here(other), "{other}");
        }
    }
}
