//! `/app/{app}/msg/…/content` and its kin: payloads are erased.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::replay::DryRunOut;
use super::{Api, background_task, empty, event, not_changed};
use crate::error::{Error, Result};
use crate::http::call::{Call, answer};
use crate::id::{ApplicationId, EventId, Id as _};
use crate::key::Action;
use crate::store::{Change, Store};
use crate::task::{Task, Work};

/// How many events one request names.
const IDS_MAX: usize = 100;
/// How many events are read at a time to be counted.
const COUNTED_AT_ONCE: usize = 5_000;

#[derive(Deserialize)]
struct BulkIn {
    ids: Option<Vec<String>>,
}

#[derive(Serialize)]
struct BulkOut {
    results: BTreeMap<String, &'static str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AllIn {
    /// Only count.
    dry_run: Option<bool>,
}

/// DELETE `/app/{app}/msg/{msg}/content`
pub(super) async fn one(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let application = api.application(&call).await?;
    let event = event::find(&api, &call, &application).await?;
    erase(&api, &call, application.id, vec![event.id]).await?;
    Ok(empty())
}

async fn erase(api: &Api, call: &Call, application: ApplicationId, events: Vec<EventId>) -> Result<()> {
    let changed = call.change(api, Change::Expunge(application, events)).await;
    api.upkeep.notify_one(); // the log has copies
    changed.map_err(|error| not_changed(error, "it cannot be erased now"))
}

/// POST `/app/{app}/msg/bulk-expunge`
pub(super) async fn many(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, body) = call.json::<BulkIn>().await?;
    let _ = call.once(&body)?; // erasing twice is erasing once
    let application = api.application(&call).await?.id;
    let named = input.ids.unwrap_or_default();
    if named.is_empty() || named.len() > IDS_MAX {
        let message = format!("names {} events; 1 to {IDS_MAX} are allowed", named.len());
        return Err(Error::field("ids", message));
    }
    let ids = api.engine.text().clone();
    let found: Vec<(String, Option<EventId>)> = api
        .read(move |store| {
            let look = |text: String| {
                let event = event::look(store, &ids, application, &text)?;
                Ok((text, event.map(|event| event.id)))
            };
            named.into_iter().map(look).collect()
        })
        .await?;
    let events: Vec<EventId> = found.iter().filter_map(|(_, event)| *event).collect();
    if !events.is_empty() {
        erase(&api, &call, application, events).await?;
    }
    let word = |event: Option<EventId>| if event.is_some() { "expunged" } else { "not-found" };
    let results = found.into_iter().map(|(text, event)| (text, word(event))).collect();
    Ok(answer(StatusCode::OK, &BulkOut { results }))
}

/// POST `/app/{app}/msg/expunge-all-contents`: all that was accepted until now, as a background task.
pub(super) async fn all(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, body) = call.json::<AllIn>().await?;
    let once = call.once(&body)?;
    if let Some(response) = api.answered(once).await? {
        return Ok(response);
    }
    let application = api.application(&call).await?.id;
    let now_ms = api.clock.now().wall_ms;
    let last: EventId = api.engine.ids().next(now_ms);
    let work = Work::Erase { below: last.value() };
    if input.dry_run == Some(true) {
        let id = api.engine.ids().next(now_ms);
        let task = Task::begin(id, call.caller.environment, Some(application), work, now_ms);
        let count = api.read(move |store| erasable(store, task)).await?;
        return Ok(answer(StatusCode::OK, &DryRunOut { dry_run: true, count, delivered_before: None }));
    }
    background_task::begin(&api, &call, once, (Some(application), work), None).await
}

/// How many payloads a task would erase.
fn erasable(store: &dyn Store, mut task: Task) -> Result<u64> {
    let mut count = 0;
    loop {
        let erased = store.erasable(&task, COUNTED_AT_ONCE)?;
        count += u64::try_from(erased.events.len()).unwrap_or(u64::MAX);
        task.position = erased.position.value();
        if erased.done {
            return Ok(count);
        }
    }
}
