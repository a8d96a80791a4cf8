//! When a webhook's failed deliveries are tried again, and with what they are signed, in words.

use crate::endpoint::Endpoint;
use crate::provider::Provider;
use crate::providers;
use crate::retry::Ladder;
use crate::secret::Scheme;

/// When a failed delivery is tried again; `usual` holds where neither the endpoint nor its provider says so.
pub(super) fn shown(endpoint: &Endpoint, usual: &Ladder) -> String {
    let ladder = endpoint.handling.ladder(providers::ladder(endpoint.provider, usual));
    let waits: Vec<String> = ladder.waits_secs.iter().map(|&secs| wait(secs)).collect();
    match waits.len() {
        0 => "none: a delivery has one attempt".to_owned(),
        count => format!("{count}, after {}", waits.join(", ")),
    }
}

/// With what it signs; `None` where its provider leaves no choice.
pub(super) fn signature(endpoint: &Endpoint) -> Option<&'static str> {
    let chooses = matches!(endpoint.provider, Provider::Standard | Provider::Svix);
    let current = endpoint.secrets.first().filter(|_| chooses)?;
    Some(match current.secret.scheme() {
        Scheme::Hmac => "HMAC-SHA256",
        Scheme::Ed25519 => "ed25519",
    })
}

fn wait(secs: u32) -> String {
    match secs {
        secs if secs % 3_600 == 0 => format!("{} h", secs / 3_600),
        secs if secs % 60 == 0 => format!("{} min", secs / 60),
        secs => format!("{secs} s"),
    }
}
