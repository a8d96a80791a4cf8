//! `/audit`: who changed what in the environment, when and from where.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::Api;
use crate::audit::{Actor, Deed, Entry, NOUNS, Wanted};
use crate::error::{Error, Result};
use crate::http::call::{Call, answer};
use crate::http::page::{Asked, time};
use crate::id::{ApplicationId, AttemptId, EndpointId, EventId, Id, IdText, KeyId, SourceId, TaskId, UserId};
use crate::key::Action;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryOut {
    id: String,
    timestamp: String,
    action: String,
    actor: &'static str,
    actor_id: Option<String>,
    actor_name: String,
    address: Option<String>,
    app_id: Option<String>,
    subject_id: Option<String>,
    subject_name: String,
    detail: String,
}

fn out(entry: Entry, ids: &IdText) -> EntryOut {
    EntryOut {
        id: ids.of(entry.id),
        timestamp: time(entry.at_ms),
        actor: kind(entry.by.actor),
        actor_id: actor_id(ids, entry.by.actor),
        actor_name: entry.who,
        address: entry.by.address.map(|address| address.to_string()),
        app_id: entry.deed.application.map(|id| ids.of(id)),
        subject_id: subject_id(ids, &entry.deed),
        action: entry.deed.what,
        subject_name: entry.deed.name,
        detail: entry.deed.detail,
    }
}

/// What kind of somebody it was, in a word.
pub(in crate::http) fn kind(actor: Actor) -> &'static str {
    match actor {
        Actor::Server => "server",
        Actor::Command => "command line",
        Actor::Stranger => "stranger",
        Actor::User(_) => "user",
        Actor::Key(_) => "key",
        Actor::Token(_) => "token",
        Actor::Environment(_) => "environment token",
    }
}

fn actor_id(ids: &IdText, actor: Actor) -> Option<String> {
    match actor {
        Actor::User(id) => Some(ids.of(id)),
        Actor::Key(id) => Some(ids.of(id)),
        Actor::Token(id) => Some(ids.of(id)),
        Actor::Server | Actor::Command | Actor::Stranger | Actor::Environment(_) => None,
    }
}

/// The id of what it was done to; `None` for what has none.
pub(in crate::http) fn subject_id(ids: &IdText, deed: &Deed) -> Option<String> {
    let subject = deed.subject?;
    match deed.noun() {
        "application" => Some(ids.of(ApplicationId::new(subject))),
        "attempt" => Some(ids.of(AttemptId::new(subject))),
        "endpoint" => Some(ids.of(EndpointId::new(subject))),
        "event" => Some(ids.of(EventId::new(subject))),
        "key" => Some(ids.of(KeyId::new(subject))),
        "replay" | "task" => Some(ids.of(TaskId::new(subject))),
        "source" => Some(ids.of(SourceId::new(subject))),
        "user" => Some(ids.of(UserId::new(subject))),
        _ => None,
    }
}

/// Which deeds are asked for: a noun, or a noun and a verb. Error: the nouns that there are.
pub(in crate::http) fn what(text: &str) -> Result<String> {
    if text.is_empty() || NOUNS.contains(&text.split('.').next().unwrap_or_default()) {
        return Ok(text.to_owned());
    }
    let message = format!("`{text}` is none; use one of {}, alone or with a verb", NOUNS.join(", "));
    Err(Error::at(&["query", "what"], message))
}

/// GET `/audit`: the newest first.
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let ids = api.engine.text();
    let asked = Asked::read(&call, true, |text| ids.parse(text))?;
    let wanted = Wanted {
        environment: Some(call.caller.environment),
        what: what(&call.query_one("what")?.unwrap_or_default())?,
        who: call.query_one("who")?.unwrap_or_default(),
    };
    let page = asked.page;
    let listed = api.read(move |store| store.audit(page, &wanted)).await?;
    Ok(answer(StatusCode::OK, &asked.answer_ids(listed, ids, |entry| entry.id, |entry| out(entry, ids))))
}
