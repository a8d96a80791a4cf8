//! What an attempt's request carries beside its body: the same for the courier who sends it and the page that shows it.

use std::borrow::Cow;

use super::{Signing, id_header, sign};
use crate::application::Wire;
use crate::endpoint::Endpoint;
use crate::id::IdText;
use crate::inbound::{Credentials, Form, Inbound, Refusal, Terms};
use crate::provider::Provider;
use crate::secret::Secret;
use crate::source::Arrival;

/// Who we say we are.
const AGENT: &str = concat!("Posthaste/", env!("CARGO_PKG_VERSION"));
/// Every delivery has its id in this header, whatever proves it.
const WEBHOOK_ID: &str = "webhook-id";

/// A header: its name, its value.
pub type Header<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The headers of a request to this endpoint, signed by the secrets that sign at that moment; `arrival` is how the event
/// came, when it was not published here. A later one replaces an earlier one of its name.
pub fn headers<'a>(
    endpoint: &'a Endpoint,
    arrival: Option<&'a Arrival>,
    ids: &IdText,
    signing: Signing<'a>,
) -> Vec<Header<'a>> {
    let carried = arrival.map_or(&[][..], |arrival| &arrival.headers);
    let remarks = arrival.map(|arrival| arrival.remarks(ids)).unwrap_or_default();
    let forms = forms(endpoint);
    let given = |(name, value): (&'a String, &'a String)| (Cow::from(name.as_str()), Cow::from(value.as_str()));
    let mut headers = Vec::with_capacity(8 + carried.len() + endpoint.headers.len());
    headers.push((Cow::from("user-agent"), Cow::from(AGENT)));
    headers.push((Cow::from("content-type"), Cow::from("application/json")));
    // responses are never decompressed, so none is asked for
    headers.push((Cow::from("accept-encoding"), Cow::from("identity")));
    headers.extend(carried.iter().map(|(name, value)| given((name, value))));
    headers.extend(remarks.into_iter().map(|(name, value)| (Cow::from(name), Cow::from(value))));
    if forms != [Some(Provider::Svix), None] {
        headers.push((Cow::from(WEBHOOK_ID), Cow::from(signing.id)));
    }
    for provider in forms.into_iter().flatten() {
        if let Some(name) = id_header(provider).filter(|name| *name != WEBHOOK_ID) {
            headers.push((Cow::from(name), Cow::from(signing.id)));
        }
        let proofs = sign(provider, &endpoint.secrets, signing);
        headers.extend(proofs.into_iter().map(|(name, value)| (Cow::from(name), Cow::from(value))));
    }
    headers.extend(endpoint.headers.iter().map(given));
    headers
}

/// Whether a receiver with this secret alone believes a request that [`headers`] made, in all forms in which it is
/// signed, whenever that was. Error: why not.
pub fn verify(endpoint: &Endpoint, secret: &Secret, inbound: Inbound<'_>) -> Result<(), Refusal> {
    let (secrets, credentials, form) = (vec![secret.clone()], Credentials::None, Form::default());
    let terms = Terms { secrets, tolerance_secs: None, credentials, requires_signature: true, form };
    let mut forms = forms(endpoint).into_iter().flatten();
    forms.try_for_each(|provider| super::verify(provider, &terms, inbound, 0).map(|_| ()))
}

/// In whose forms a request to this endpoint is signed.
fn forms(endpoint: &Endpoint) -> [Option<Provider>; 2] {
    match (endpoint.provider, endpoint.wire) {
        (Provider::Standard, Wire::Svix) => [Some(Provider::Svix), None],
        (Provider::Standard, Wire::Both) => [Some(Provider::Standard), Some(Provider::Svix)],
        (provider, _) => [Some(provider), None],
    }
}
