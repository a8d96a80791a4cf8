//! An endpoint's URL, parsed once; everything after this judges the parsed host, never the text.

use super::Refused;
use crate::inspector;
use std::net::{IpAddr, Ipv4Addr};
use url::{Host, Url};

/// Longest URL taken, as given and as normalised: what follows the host still fits `http::Uri`.
pub const URL_BYTES_MAX: usize = 65_536;

/// Longest host name without its final dot, and longest label in it: the limits of DNS itself.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A URL whose text was judged; what a sender needs of it, with the fragment dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    https: bool,
    host: String,
    literal: Option<IpAddr>,
    port: u16,
    authority: String,
    path_and_query: String,
}

impl Target {
    /// Parses a text that no rule about addresses has judged yet: [`super::Guard::target`] does.
    pub(super) fn parse(text: &str) -> Result<Target, Refused> {
        let url = parse(text)?;
        let https = url.scheme() == "https";
        let (host, literal) = match url.host() {
            Some(Host::Ipv4(address)) => (address.to_string(), Some(address.into())),
            Some(Host::Ipv6(address)) => (address.to_string(), Some(address.into())),
            Some(Host::Domain(name)) => {
                let name = full_name(name)?;
                let localhost = name == "localhost" || name.ends_with(".localhost");
                (name.to_owned(), localhost.then_some(Ipv4Addr::LOCALHOST.into()))
            }
            None => return Err(refused("has no host")),
        };
        let mut authority = match url.host() {
            Some(Host::Ipv6(_)) => format!("[{host}]"),
            _ => host.clone(),
        };
        if let Some(port) = url.port() {
            authority = format!("{authority}:{port}");
        }
        let query = url.query().map(|query| format!("?{query}"));
        Ok(Target {
            https,
            host,
            literal,
            port: url.port().unwrap_or(if https { 443 } else { 80 }),
            authority,
            path_and_query: format!("{}{}", url.path(), query.unwrap_or_default()),
        })
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn https(&self) -> bool {
        self.https
    }

    /// The name, in lower case without a final dot, or the address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address when the URL itself says it, `localhost` included; such a host is not looked up.
    #[must_use]
    pub fn literal(&self) -> Option<IpAddr> {
        self.literal
    }

    /// The port, the scheme's own where the URL names none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The text of the `Host` header: brackets around IPv6, the scheme's own port left out.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether the path is that of an inspector, which tells nobody anything, and nothing else.
    #[must_use]
    pub fn is_inspector(&self) -> bool {
        inspector::is_path(&self.path_and_query)
    }

    /// Path and query of the request line; begins with a slash.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }
}

/// The normal form of a URL (WHATWG): scheme and host in lower case, no port that is the scheme's own, a path without
/// dots. What is called by it is what was called by the text.
///
/// # Errors
/// A text that no URL is read from.
pub fn normal(text: &str) -> Result<String, Refused> {
    parse(text).map(String::from)
}

/// Reads the URL once, and refuses every text that two parsers could read in two ways.
fn parse(text: &str) -> Result<Url, Refused> {
    if text.len() > URL_BYTES_MAX {
        return Err(too_long());
    }
    if !text.is_ascii() {
        return Err(refused(
            "has characters outside ASCII; write the host as punycode (xn--…) and percent-encode the rest",
        ));
    }
    if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(refused("has a space or a control character; percent-encode it"));
    }
    if text.contains('\\') {
        return Err(refused("has a backslash; write a slash or %5C"));
    }
    let url = Url::parse(text).map_err(|error| {
        refused(&format!("cannot be read ({error}); write one like https://receiver.example/hooks"))
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused("is neither http nor https"));
    }
    // The parser drops an empty `@`, so the raw authority is searched: stricter, never laxer.
    let after_scheme = text.split_once(':').map_or(text, |(_, rest)| rest);
    let mut parts = after_scheme.trim_start_matches('/').split(['/', '?', '#']);
    if parts.next().is_some_and(|authority| authority.contains('@')) {
        return Err(refused("has a user name or password before the host; leave it out and set a header instead"));
    }
    if url.as_str().len() > URL_BYTES_MAX {
        return Err(too_long());
    }
    Ok(url)
}

/// Takes a parsed name and gives it without its final dot. The parser lets through more than a
/// host name may be (`a..b`, `-a.example`, `a!b`), which resolvers then read in different ways.
fn full_name(parsed: &str) -> Result<&str, Refused> {
    let name = parsed.strip_suffix('.').unwrap_or(parsed);
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_label) {
        return Err(refused(
            "has no valid host name; labels are 1 to 63 letters, digits, `-` and `_`, joined by single dots",
        ));
    }
    Ok(name)
}

fn too_long() -> Refused {
    refused(&format!("is longer than {URL_BYTES_MAX} bytes"))
}

fn refused(why: &str) -> Refused {
    Refused::Url(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> (String, u16, String, String) {
        let target = Target::parse(url).expect(url);
        let (authority, rest) = (target.authority(), target.path_and_query());
        let texts = (authority.to_owned(), rest.to_owned());
        (target.host().to_owned(), target.port(), texts.0, texts.1)
    }

    #[test]
    fn a_url_gives_the_sender_what_it_needs() {
        let check = |url: &str, host: &str, port: u16, authority: &str, rest: &str| {
            let expected = (host.to_owned(), port, authority.to_owned(), rest.to_owned());
            assert_eq!(parts(url), expected, "{url}");
        };
        check("https://A.Example", "a.example", 443, "a.example", "/");
        check("http://a.example.:80/x?y=1#z", "a.example", 80, "a.example", "/x?y=1");
        check("https://a.example:80/?", "a.example", 80, "a.example:80", "/?");
        check("https://[2606:4700::1]:8443/a", "2606:4700::1", 8443, "[2606:4700::1]:8443", "/a");
        check("http://16843009/", "1.1.1.1", 80, "1.1.1.1", "/");
    }

    #[test]
    fn the_normal_form_calls_what_the_text_calls_and_is_its_own() {
        for (text, form) in [
            ("https://a.example", "https://a.example/"),
            ("HTTPS://A.Example:443/Hook", "https://a.example/Hook"),
            ("hTTp://a.example:80?X=1", "http://a.example/?X=1"),
            ("https://a.example:8443/a/../b/./c", "https://a.example:8443/b/c"),
            ("https://a.example/%7euser/%2e%2e/x?q=%7e", "https://a.example/x?q=%7e"),
            ("https://a.example./x#part", "https://a.example./x#part"),
            ("http://16843009/\"x\"", "http://1.1.1.1/%22x%22"),
            ("https:a.example/x", "https://a.example/x"),
            ("https://[2606:4700:0::1]:443", "https://[2606:4700::1]/"),
            ("https://xn--bcher-kva.example/b%C3%BCcher?a=b+c&d", "https://xn--bcher-kva.example/b%C3%BCcher?a=b+c&d"),
        ] {
            assert_eq!(normal(text).as_deref(), Ok(form), "{text}");
            assert_eq!(normal(form).as_deref(), Ok(form), "{text}");
            assert_eq!(Target::parse(text), Target::parse(form), "{text}");
        }
        assert!(normal("http://b\u{fc}cher.example/").is_err() && normal("ftp://a.example").is_err());
    }

    #[test]
    fn a_url_at_the_limit_is_taken_and_one_byte_more_is_not() {
        let head = "https://a.example/";
        let longest = format!("{head}{}", "a".repeat(URL_BYTES_MAX - head.len()));
        assert_eq!(parts(&longest).3.len(), URL_BYTES_MAX - head.len() + 1);
        assert_eq!(Target::parse(&format!("{longest}a")), Err(too_long()));
        let grows = format!("{head}{}", "\"".repeat(URL_BYTES_MAX / 3));
        assert_eq!(Target::parse(&grows), Err(too_long()), "normalised it is longer");
    }
}
