//! `/source/{source}/quarantine`: genuine requests that could not be understood, each body once.

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Api, empty, held, source};
use crate::conflict::Held;
use crate::error::{Error, Result};
use crate::http::call::{Call, answer};
use crate::http::page::{Asked, time};
use crate::key::Action;
use crate::quarantine::{Kind, Quarantined};
use crate::signature::{from_hex, hex};
use crate::source::Source;
use crate::store::{Listed, Page};

/// How many bodies are read, and decided in one commit: 1 MiB each at most.
const TOGETHER: usize = 25;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuarantinedOut {
    sha256: String,
    /// The reason in a word; null for what was kept before there were words.
    kind: Option<&'static str>,
    reason: String,
    count: u32,
    first_seen_at: String,
    /// The body as text; null when it is no UTF-8.
    body: Option<String>,
    body_base64: String,
}

#[derive(Deserialize)]
struct ReasonIn {
    /// A `kind`, or the whole `reason`.
    reason: String,
}

/// What became of all of a reason.
#[derive(Serialize)]
pub(in crate::http) struct AllOut {
    /// How many are events now.
    pub(in crate::http) released: usize,
    /// How many were the same as an event that had come in before.
    pub(in crate::http) duplicates: usize,
    /// How many are erased.
    pub(in crate::http) discarded: usize,
}

fn out(quarantined: &Quarantined) -> QuarantinedOut {
    QuarantinedOut {
        sha256: hex(&quarantined.sha256),
        kind: quarantined.kind.map(Kind::code),
        reason: quarantined.reason.clone(),
        count: quarantined.count,
        first_seen_at: time(quarantined.first_ms),
        body: std::str::from_utf8(&quarantined.body).ok().map(str::to_owned),
        body_base64: STANDARD.encode(&quarantined.body),
    }
}

/// GET `/source/{source}/quarantine`: what waits.
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    let source = source::find(&api, &call).await?.id;
    let asked = Asked::read(&call, true, |text| text.parse::<i64>().ok())?;
    let page = asked.page;
    let listed = api
        .read(move |store| {
            Listed::gather(page, |page| store.quarantined(source, page), |(number, row)| (*number, row.body.len()))
        })
        .await?;
    let list = asked.answer(listed, |(number, _)| number.to_string(), |(_, quarantined)| out(&quarantined));
    Ok(answer(StatusCode::OK, &list))
}

/// The body in the path, and its source. Error: 404, also when it does not wait any more.
async fn find(api: &Api, call: &Call) -> Result<(Source, (i64, Quarantined))> {
    let source = source::find(api, call).await?;
    let sha256 = from_hex(call.param("sha256")).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let (of, sha256) = (source.id, sha256.ok_or_else(Error::not_found)?);
    let found = api.read(move |store| store.quarantined_body(of, sha256)).await?;
    Ok((source, found.ok_or_else(Error::not_found)?))
}

/// POST `/source/{source}/quarantine/{sha256}/release`: its bytes are delivered as they came, flagged `unread`.
pub(super) async fn release(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    call.nothing().await?;
    let (source, row) = find(&api, &call).await?;
    let mut released = held::release_quarantined(&api, call.by(&api), &source, vec![row]).await?;
    let released = released.pop().ok_or_else(|| Error::internal("an event got no answer"))??;
    Ok(answer(StatusCode::OK, &released))
}

/// POST `/source/{source}/quarantine/{sha256}/discard`
pub(super) async fn discard(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    call.nothing().await?;
    let (source, (number, _)) = find(&api, &call).await?;
    held::discard(&api, &call, source.application, vec![Held::Quarantined(number)]).await?;
    Ok(empty())
}

/// POST `/source/{source}/quarantine/release`: all of a reason.
pub(super) async fn release_all(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, _) = call.json::<ReasonIn>().await?;
    let source = source::find(&api, &call).await?;
    Ok(answer(StatusCode::OK, &all(&api, &call, &source, &input.reason, true).await?))
}

/// POST `/source/{source}/quarantine/discard`: all of a reason.
pub(super) async fn discard_all(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, _) = call.json::<ReasonIn>().await?;
    let source = source::find(&api, &call).await?;
    Ok(answer(StatusCode::OK, &all(&api, &call, &source, &input.reason, false).await?))
}

/// Releases or discards all that waits for this reason: a kind, or the whole sentence.
pub(in crate::http) async fn all(
    api: &Api,
    call: &Call,
    source: &Source,
    reason: &str,
    releases: bool,
) -> Result<AllOut> {
    let is_meant = |row: &Quarantined| row.reason == reason || row.kind.is_some_and(|kind| kind.code() == reason);
    let mut out = AllOut { released: 0, duplicates: 0, discarded: 0 };
    let (of, mut after) = (source.id, None);
    loop {
        let page = Page { after, descending: false, limit: TOGETHER };
        let listed = api.read(move |store| store.quarantined(of, page)).await?;
        after = listed.rows.last().map(|(number, _)| *number).or(after);
        let done = listed.done;
        let rows: Vec<_> = listed.rows.into_iter().filter(|(_, row)| is_meant(row)).collect();
        if !rows.is_empty() {
            decide(api, call, source, (rows, releases), &mut out).await?;
        }
        if done {
            return Ok(out);
        }
    }
}

async fn decide(
    api: &Api,
    call: &Call,
    source: &Source,
    (rows, releases): (Vec<(i64, Quarantined)>, bool),
    out: &mut AllOut,
) -> Result<()> {
    if !releases {
        let held: Vec<_> = rows.iter().map(|(number, _)| Held::Quarantined(*number)).collect();
        let count = held.len();
        let discarded = held::discard(api, call, source.application, held).await;
        out.discarded += if unless_decided(discarded)?.is_some() { count } else { 0 };
        return Ok(());
    }
    for released in held::release_quarantined(api, call.by(api), source, rows).await? {
        match unless_decided(released)? {
            Some(released) if released.status == "duplicate" => out.duplicates += 1,
            Some(_) => out.released += 1,
            None => {}
        }
    }
    Ok(())
}

/// `None` for what somebody else has decided meanwhile.
fn unless_decided<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.kind == crate::error::Kind::Conflict => Ok(None),
        result => result.map(Some),
    }
}
