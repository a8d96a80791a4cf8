//! What every proof rests on: one header of each name, a signed time within the window, the agreed credentials.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use crate::inbound::{Credentials, Refusal, Terms};
use crate::signature;

/// The longest header that is looked at, in bytes: what 16 signatures need, many times over.
const HEADER_BYTES_MAX: usize = 16_384;

/// The one header of this name. Error: none, two, empty, too long, or not printable ASCII.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Refusal::MissingHeader)?;
    if values.next().is_some() || value.is_empty() || value.len() > HEADER_BYTES_MAX {
        return Err(Refusal::MalformedHeader);
    }
    value.to_str().map_err(|_| Refusal::MalformedHeader)
}

/// Whether a signed time counts now; both edges of the window do.
pub(super) fn in_window(at_secs: i64, terms: &Terms, now_secs: i64) -> Result<(), Refusal> {
    let Some(tolerance_secs) = terms.tolerance_secs else {
        return Ok(());
    };
    let ago_secs = i128::from(now_secs) - i128::from(at_secs);
    if ago_secs > i128::from(tolerance_secs) {
        return Err(Refusal::Stale);
    }
    if -ago_secs > i128::from(tolerance_secs) {
        return Err(Refusal::Future);
    }
    Ok(())
}

/// Whether the `Authorization` header says what was agreed; nothing agreed is nothing asked.
///
/// The scheme is read in any case (RFC 9110 §11.1), one space follows, and the rest is compared as it stands.
/// An empty password or token never holds.
pub(super) fn credentials(terms: &Terms, headers: &HeaderMap) -> Result<(), Refusal> {
    let (scheme, key, agreed) = match &terms.credentials {
        Credentials::None => return Ok(()),
        Credentials::Basic { username, password } => {
            let pair = Zeroizing::new([username.as_bytes(), b":", password.bytes()].concat());
            ("basic", password, Zeroizing::new(STANDARD.encode(&*pair).into_bytes()))
        }
        Credentials::Bearer { token } => ("bearer", token, Zeroizing::new(token.bytes().to_vec())),
    };
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Refusal::BadCredentials);
    };
    let value = value.as_bytes();
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (given_scheme, given) = (&value[..end], value.get(end + 1..).unwrap_or_default());
    let holds = given_scheme.eq_ignore_ascii_case(scheme.as_bytes()) && signature::equal(&agreed, given);
    if holds && !key.bytes().is_empty() { Ok(()) } else { Err(Refusal::BadCredentials) }
}
