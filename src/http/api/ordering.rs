//! `…/endpoint/{ep}/ordering`: which keys wait for which delivery, and how one is skipped.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Api, endpoint, event, not_changed};
use crate::endpoint::Endpoint;
use crate::engine::message::NotChanged;
use crate::error::Result;
use crate::http::call::{Call, answer};
use crate::http::page::{Asked, ListOut, time};
use crate::http::problem::text;
use crate::id::{Id as _, IdText, WebhookId};
use crate::key::Action;
use crate::ordering::{self, OrderKey, Ordering};
use crate::store::{Chain, Change, Refused};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderingOut {
    ordering: Ordering,
    ordering_key: Option<String>,
    /// How many keys have a delivery that waits to be attempted, or to be attempted again.
    blocked_keys: u64,
    /// Those keys.
    #[serde(flatten)]
    keys: ListOut<BlockedOut>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockedOut {
    /// The key as it stands in the payload; null when the endpoint's ordering looks elsewhere by now.
    key: Option<String>,
    /// The event that the others wait for.
    msg_id: String,
    /// How often it was attempted, since when, and when it is again.
    attempts: u32,
    since: String,
    next_attempt: Option<String>,
    /// How many wait behind it.
    waiting: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SkipIn {
    msg_id: String,
}

#[derive(Serialize)]
struct SkipOut {
    /// False when it was not its turn, or not any more.
    skipped: bool,
}

fn out(chain: &Chain, (key, named): (Option<String>, Option<WebhookId>), ids: &IdText) -> BlockedOut {
    BlockedOut {
        key,
        msg_id: ids.webhook_id(chain.head, named),
        attempts: chain.delivery.attempts,
        since: time(chain.tried_ms.unwrap_or(chain.head.time_ms())),
        next_attempt: chain.delivery.next_ms().map(time),
        waiting: chain.waiting,
    }
}

/// The key's text, as the payload of the event shows it whose turn it is.
fn shown(endpoint: &Endpoint, chain: &Chain, payload: &[u8]) -> Option<String> {
    let pointer = endpoint.handling.ordering_key.as_ref()?;
    let same = OrderKey::of(pointer, payload) == Some(chain.key);
    same.then(|| ordering::text_at(pointer, payload)).flatten()
}

/// GET `/app/{app}/endpoint/{ep}/ordering`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let application = api.application(&call).await?;
    let endpoint = endpoint::find(&api, &call, &application).await?;
    let asked = Asked::read(&call, false, |text| text.parse::<i64>().ok())?;
    let (page, ids) = (asked.page, api.engine.text());
    let of = endpoint.clone();
    let (blocked_keys, listed) = api
        .read(move |store| {
            let listed = store.chains(of.id, page)?;
            let heads: Vec<_> = listed.rows.iter().map(|chain| chain.head).collect();
            let payloads = store.payloads(&heads)?;
            let shown = |(chain, payload): (Chain, Option<crate::attempt::Payload>)| {
                let named = payload.as_ref().and_then(|payload| payload.arrival.as_ref()?.webhook_id);
                let key = payload.and_then(|payload| shown(&of, &chain, &payload.body));
                (chain, (key, named))
            };
            let rows = listed.rows.into_iter().zip(payloads).map(shown).collect();
            let listed = crate::store::Listed { rows, done: listed.done, stopped_at: None };
            Ok((store.chain_count(of.id)?, listed))
        })
        .await?;
    let keys =
        asked.answer(listed, |(chain, _)| chain.key.value().to_string(), |(chain, shown)| out(&chain, shown, ids));
    let Endpoint { handling, .. } = endpoint;
    let out = OrderingOut { ordering: handling.ordering, ordering_key: handling.ordering_key, blocked_keys, keys };
    Ok(answer(StatusCode::OK, &out))
}

/// POST `/app/{app}/endpoint/{ep}/ordering/skip`: the delivery that others of its key wait for is canceled.
pub(super) async fn skip(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Attempt)?;
    let (input, body) = call.json::<SkipIn>().await?;
    let once = call.once(&body)?;
    if let Some(response) = api.answered(once).await? {
        return Ok(response);
    }
    let application = api.application(&call).await?;
    let endpoint = endpoint::find(&api, &call, &application).await?;
    let event = event::named(&api, &application, &input.msg_id).await?;
    let skipped = text(&SkipOut { skipped: true });
    match api.change(&call, once, Change::Skip(endpoint.id, event.id), (StatusCode::OK, skipped)).await {
        Err(NotChanged::Refused(Refused::Stale)) => Ok(answer(StatusCode::OK, &SkipOut { skipped: false })),
        changed => changed.map_err(|error| not_changed(error, "it cannot be skipped now")),
    }
}
