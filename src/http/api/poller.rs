//! `/app/{app}/poller/{sink}`: events fetched in the order of their acceptance, instead of delivered.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Api, event, not_changed};
use crate::error::{Error, Result};
use crate::http::call::{Call, answer};
use crate::http::page::{at_moment, filter};
use crate::id::{ApplicationId, EventId, Id as _, floor_at};
use crate::key::Action;
use crate::store::{Change, Consumer, Filter, Page};

/// The longest name of a sink or consumer, in characters.
const NAME_CHARS_MAX: usize = 64;

#[derive(Deserialize)]
struct SeekIn {
    after: String,
}

#[derive(Serialize)]
struct PolledOut {
    data: Vec<Box<RawValue>>,
    iterator: String,
    done: bool,
}

#[derive(Serialize)]
struct SeekOut {
    iterator: String,
}

/// GET `…/poller/{sink}`: what follows the iterator; from the beginning, or from `after`, without one.
pub(super) async fn poll(State(api): State<Api>, call: Call) -> Result<Response> {
    sink(&call)?;
    let application = api.application(&call).await?.id;
    let asked = event::asked(&api, &call, application, false).await?;
    let from = asked.page.after.unwrap_or(start(&api, &call)?);
    next(&api, &call, application, Page { after: Some(from), ..asked.page }).await
}

/// GET `…/poller/{sink}/consumer/{consumer}`: with the iterator of the last answer, that answer counts as taken;
/// without one it is given again.
pub(super) async fn consume(State(api): State<Api>, call: Call) -> Result<Response> {
    let (sink, name) = (sink(&call)?, named(&call, "consumer")?);
    let application = api.application(&call).await?.id;
    let asked = event::asked(&api, &call, application, false).await?;
    let known = {
        let (sink, name) = (sink.clone(), name.clone());
        api.read(move |store| store.consumer(application, &sink, &name)).await?
    };
    let from = match (asked.page.after, known) {
        (Some(place), known) => {
            if known.is_none_or(|known| place > known) {
                call.may(Action::Publish)?;
                move_to(&api, &call, Consumer { application, sink, name, place, commits: true }).await?;
            }
            place
        }
        (None, Some(place)) => place,
        (None, None) => start(&api, &call)?,
    };
    next(&api, &call, application, Page { after: Some(from), ..asked.page }).await
}

/// POST `…/consumer/{consumer}/seek`: begins anew behind this time, forward or back.
pub(super) async fn seek(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Publish)?;
    let (sink, name) = (sink(&call)?, named(&call, "consumer")?);
    let (input, _) = call.json::<SeekIn>().await?;
    let after_ms = at_moment(&["body", "after"], &input.after)?;
    let application = api.application(&call).await?.id;
    let place = before(after_ms + 1);
    move_to(&api, &call, Consumer { application, sink, name, place, commits: false }).await?;
    Ok(answer(StatusCode::OK, &SeekOut { iterator: api.engine.text().of(place) }))
}

fn sink(call: &Call) -> Result<String> {
    named(call, "sink")
}

/// A name in the path. Error: which characters it may have.
fn named(call: &Call, what: &str) -> Result<String> {
    let name = call.param(what);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.bytes().all(fits) {
        let message = format!("must be 1 to {NAME_CHARS_MAX} characters out of a-z, A-Z, 0-9, `-` and `_`");
        return Err(Error::at(&["path", what], message));
    }
    Ok(name.to_owned())
}

/// The place before all events of a moment and later ones.
fn before(ms: i64) -> EventId {
    EventId::new((floor_at(ms) - 1).max(0))
}

/// Where a poller begins that has no place yet.
fn start(api: &Api, call: &Call) -> Result<EventId> {
    let above = filter(call, api.clock.now().wall_ms)?.above.filter(|_| call.query("after").len() == 1);
    Ok(EventId::new(above.unwrap_or(0)))
}

async fn move_to(api: &Api, call: &Call, consumer: Consumer) -> Result<()> {
    let moved = call.change(api, Change::Consumer(consumer)).await;
    moved.map_err(|error| not_changed(error, "the place could not be kept"))
}

async fn next(api: &Api, call: &Call, application: ApplicationId, page: Page<EventId>) -> Result<Response> {
    let now_ms = api.clock.now().wall_ms;
    let mut wanted = filter(call, now_ms)?;
    wanted.event_types.extend(call.query("event_type"));
    let wanted = Filter { below: None, above: None, ..wanted };
    let ids = api.engine.text();
    let listed = api.read(move |store| store.events(application, page, &wanted, true)).await?;
    let last = listed.rows.last().map(|event| event.id).or(page.after).unwrap_or(EventId::new(0));
    let place = listed.stopped_at.map_or(last, |stopped_at| last.max(EventId::new(stopped_at)));
    let shown = |event| RawValue::from_string(event::out(event, ids, true, now_ms)).expect("just written");
    let data = listed.rows.iter().map(shown).collect();
    Ok(answer(StatusCode::OK, &PolledOut { data, iterator: ids.of(place), done: listed.done }))
}
