//! What a webhook's receiver wants to see in `Authorization`: NONE, BASIC or BEARER.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::sandbox::ask::{Ask, Problem};

/// The header it becomes.
const HEADER: &str = "Authorization";
/// How long a user's name, a password or a token may be, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 1_024;

/// What was asked for: the header's value, or no header.
pub(super) type Authorization = Option<String>;

/// Reads `authentication`; `None` when it is not there. Error: another type, or credentials that are missing.
pub(super) fn read(ask: &Ask) -> Result<Option<Authorization>, Problem> {
    let Some(fields) = ask.object("authentication")? else {
        return Ok(None);
    };
    match fields.get("type").and_then(Value::as_str) {
        Some("NONE") => Ok(Some(None)),
        Some("BASIC") => {
            let [name, password] = ["username", "password"].map(|field| credential(&fields, "basic", field));
            let (name, password) = (name?, password?);
            if name.contains(':') {
                return Err(Problem::field("authentication", "`basic.username` must not contain a colon"));
            }
            Ok(Some(Some(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))))
        }
        Some("BEARER") => {
            let token = credential(&fields, "bearer", "token")?;
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Problem::field("authentication", "`bearer.token` must be printable ASCII without spaces"));
            }
            Ok(Some(Some(format!("Bearer {token}"))))
        }
        _ => Err(Problem::field("authentication", "`authentication.type` must be NONE, BASIC or BEARER")),
    }
}

fn credential(fields: &Map<String, Value>, group: &str, field: &str) -> Result<String, Problem> {
    let text = fields.get(group).and_then(|group| group.get(field)).and_then(Value::as_str);
    let text = text.filter(|text| (1..=CREDENTIAL_BYTES_MAX).contains(&text.len()));
    text.map(str::to_owned).ok_or_else(|| {
        let form = format!("`{group}.{field}` must be a text of 1 to {CREDENTIAL_BYTES_MAX} bytes");
        Problem::field("authentication", form)
    })
}

/// Puts it among a webhook's headers, in place of what was there.
pub(super) fn set(headers: &mut BTreeMap<String, String>, authorization: &Authorization) {
    headers.retain(|name, _| !name.eq_ignore_ascii_case(HEADER));
    if let Some(value) = authorization {
        headers.insert(HEADER.to_owned(), value.clone());
    }
}

/// The type that a webhook's headers come to; what its credentials are is told to nobody.
pub(super) fn kind(headers: &BTreeMap<String, String>) -> &'static str {
    match headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(HEADER)) {
        Some((_, value)) if value.starts_with("Basic ") => "BASIC",
        Some(_) => "BEARER",
        None => "NONE",
    }
}
