//! Svix's SDKs as callers: which version asks, where an answer depends on it.

use http::HeaderMap;
use http::header::USER_AGENT;

/// How they begin the header that says who they are: `svix-libs/<version>/<language>`.
const NAME: &str = "svix-libs/";

/// Whether one of Svix's SDKs asks.
pub(super) fn asks(headers: &HeaderMap) -> bool {
    product(headers).is_some()
}

/// The version of Svix's SDK that asks, its first two numbers; `None` when none does, or it does not say.
pub(super) fn version(headers: &HeaderMap) -> Option<(u32, u32)> {
    let version = product(headers)?;
    let mut numbers = version.split(['/', '.', '-', '+']);
    let major = numbers.next()?.parse().ok()?;
    Some((major, numbers.next()?.parse().ok()?))
}

/// What it says of itself behind its name.
fn product(headers: &HeaderMap) -> Option<&str> {
    let agent = headers.get(USER_AGENT)?.to_str().ok()?;
    agent.split_ascii_whitespace().find_map(|product| product.strip_prefix(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_numbers_whatever_follows_it() {
        for (agent, read) in [
            ("svix-libs/2.9.1/python python/3.11.2 Linux/x86_64", Some((2, 9))),
            ("svix-libs/2.10.0/go", Some((2, 10))),
            ("svix-libs/10.0/ruby", Some((10, 0))),
            ("svix-libs/2.7.0-rc.1/rust rust/1.88.0", Some((2, 7))),
            ("svix-libs/2.7/java", Some((2, 7))),
            ("app/1.0 svix-libs/1.96.0/csharp", Some((1, 96))),
            ("svix-libs/2", None),
            ("svix-libs/x.7/python", None),
            ("svix-libs/-2.7/python", None),
            ("my-svix-libs/2.9.1/python", None),
            ("curl/8.5.0", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(USER_AGENT, agent.parse().expect("a value"))]);
            assert_eq!(version(&headers), read, "{agent}");
            assert_eq!(asks(&headers), agent.contains("svix-libs/") && !agent.starts_with("my"), "{agent}");
        }
        assert_eq!(version(&HeaderMap::new()), None);
    }
}
