//! `/app/{app}/endpoint/{ep}/headers`: headers added to every attempt; what identifies somebody is not shown again.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Api, empty, endpoint};
use crate::error::{Error, Result};
use crate::http::call::{Call, answer};
use crate::key::Action;

/// Headers whose values are withheld; their names are listed.
const SENSITIVE: [&str; 6] =
    ["authorization", "x-api-key", "x-auth-token", "www-authenticate", "proxy-authenticate", "proxy-authorization"];

#[derive(Deserialize)]
struct HeadersIn {
    headers: BTreeMap<String, String>,
    /// Headers whose values were withheld, and stay.
    #[serde(default)]
    sensitive: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadersPatch {
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    #[serde(default)]
    delete_headers: Vec<String>,
}

#[derive(Serialize)]
struct HeadersOut {
    headers: BTreeMap<String, String>,
    sensitive: Vec<String>,
}

/// GET `…/headers`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let application = api.application(&call).await?;
    let endpoint = endpoint::find(&api, &call, &application).await?;
    let is_sensitive = |name: &str| SENSITIVE.contains(&name.to_ascii_lowercase().as_str());
    let (sensitive, headers): (BTreeMap<_, _>, _) =
        endpoint.headers.into_iter().partition(|(name, _)| is_sensitive(name));
    Ok(answer(StatusCode::OK, &HeadersOut { headers, sensitive: sensitive.into_keys().collect() }))
}

/// PUT `…/headers`: these and no others; those named in `sensitive` stay as they are, since nobody can read them.
pub(super) async fn replace(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::EditEndpoint)?;
    let (input, _) = call.json::<HeadersIn>().await?;
    endpoint::change(&api, &call, |endpoint| {
        let before = std::mem::replace(&mut endpoint.headers, input.headers.clone());
        for name in &input.sensitive {
            let same = |(known, _): &(&String, &String)| known.eq_ignore_ascii_case(name);
            let Some((known, value)) = before.iter().find(same) else {
                return Err(Error::field("sensitive", format!("names `{name}`, which is not set; give its value")));
            };
            if !endpoint.headers.keys().any(|given| given.eq_ignore_ascii_case(name)) {
                endpoint.headers.insert(known.clone(), value.clone());
            }
        }
        Ok(())
    })
    .await?;
    Ok(empty())
}

/// PATCH `…/headers`: these too; null, and `deleteHeaders`, take away.
pub(super) async fn merge(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::EditEndpoint)?;
    let (input, _) = call.json::<HeadersPatch>().await?;
    endpoint::change(&api, &call, |endpoint| {
        let deleted = input.delete_headers.iter().map(|name| (name, None));
        for (name, value) in deleted.chain(input.headers.iter().map(|(name, value)| (name, value.as_ref()))) {
            endpoint.headers.retain(|known, _| !known.eq_ignore_ascii_case(name));
            if let Some(value) = value {
                endpoint.headers.insert(name.clone(), value.clone());
            }
        }
        Ok(())
    })
    .await?;
    Ok(empty())
}
