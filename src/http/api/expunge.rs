//! `/app/{app}/msg/…/content` and its kin: payloads are erased.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Api, empty, event, not_changed};
use crate::error::{Error, Result};
use crate::http::call::{Call, answer};
use crate::http::page::time;
use crate::id::{ApplicationId, EventId, Id as _, TaskId};
use crate::key::Action;
use crate::store::{Change, Filter, Page, Setting};

/// How many events one request names.
const IDS_MAX: usize = 100;
/// How many events are erased in one commit, so that it never holds the writer up.
const SLICE: usize = 100;

#[derive(Deserialize)]
struct BulkIn {
    ids: Option<Vec<String>>,
}

#[derive(Serialize)]
struct BulkOut {
    results: BTreeMap<String, &'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AllOut {
    id: String,
    status: &'static str,
    task: &'static str,
    updated_at: String,
}

/// DELETE `/app/{app}/msg/{msg}/content`
pub(super) async fn one(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let application = api.application(&call).await?;
    let event = event::find(&api, &call, &application).await?;
    erase(&api, application.id, vec![event.id]).await?;
    Ok(empty())
}

async fn erase(api: &Api, application: ApplicationId, events: Vec<EventId>) -> Result<()> {
    let setting = Setting { change: Change::Expunge(application, events), answer: None };
    let changed = api.engine.change(setting).await;
    changed.map(|_| ()).map_err(|error| not_changed(error, "it cannot be erased now"))
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
                let event = match ids.parse(&text) {
                    Some(id) => store.event(application, id)?,
                    None if text.starts_with(EventId::PREFIX) => None,
                    None => store.event_by_uid(application, &text)?,
                };
                Ok((text, event.map(|event| event.id)))
            };
            named.into_iter().map(look).collect()
        })
        .await?;
    let events: Vec<EventId> = found.iter().filter_map(|(_, event)| *event).collect();
    if !events.is_empty() {
        erase(&api, application, events).await?;
    }
    let word = |event: Option<EventId>| if event.is_some() { "expunged" } else { "not-found" };
    let results = found.into_iter().map(|(text, event)| (text, word(event))).collect();
    Ok(answer(StatusCode::OK, &BulkOut { results }))
}

/// POST `/app/{app}/msg/expunge-all-contents`: all that was accepted until now, slice by slice; 202 when it is done.
pub(super) async fn all(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (_, body) = call.json::<serde::de::IgnoredAny>().await?;
    let _ = call.once(&body)?; // erasing twice is erasing once
    let application = api.application(&call).await?.id;
    let last: EventId = api.engine.ids().next(api.clock.now().wall_ms);
    let until = Filter { below: Some(last.value()), ..Filter::default() };
    let mut after = None;
    loop {
        let (page, filter) = (Page { after, descending: false, limit: SLICE }, until.clone());
        let listed = api.read(move |store| store.events(application, page, &filter, false)).await?;
        after = listed.rows.last().map(|event| event.id);
        let kept: Vec<EventId> =
            listed.rows.iter().filter(|event| !event.is_expunged()).map(|event| event.id).collect();
        if !kept.is_empty() {
            erase(&api, application, kept).await?;
        }
        if listed.done {
            break;
        }
    }
    let now_ms = api.clock.now().wall_ms;
    let id: TaskId = api.engine.ids().next(now_ms);
    let id = api.engine.text().of(id);
    let task = "application.purge_content";
    Ok(answer(StatusCode::ACCEPTED, &AllOut { id, status: "finished", task, updated_at: time(now_ms) }))
}
