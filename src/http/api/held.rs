//! What a source holds back, released or discarded by an Admin: the same for conflicts and for what is in quarantine.

use serde::Serialize;

use super::{Api, not_changed};
use crate::audit::By;
use crate::conflict::{Conflict, Held};
use crate::error::{Error, Result};
use crate::event::{Accepted, Kept, NewEvent};
use crate::http::call::Call;
use crate::id::ApplicationId;
use crate::providers;
use crate::quarantine::Quarantined;
use crate::source::Source;
use crate::store::Change;

const DECIDED: &str = "it does not wait any more: it was released or discarded";

/// What became of something that was released.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ReleasedOut {
    /// `released`, or `duplicate` when the same event had come in before.
    pub(in crate::http) status: &'static str,
    /// What that event is called.
    pub(in crate::http) msg_id: String,
}

/// Delivers a conflict, flagged. Error: 409 it does not wait any more.
pub(in crate::http) async fn release_conflict(
    api: &Api,
    by: By,
    source: &Source,
    conflict: Conflict,
) -> Result<ReleasedOut> {
    let mut released = release(api, vec![NewEvent::released(source, conflict, by)]).await?;
    released.pop().ok_or_else(|| Error::internal("an event got no answer"))?
}

/// Delivers what was in quarantine, in one commit, its bytes as they came. Gives an answer for each; 409 for what does not
/// wait any more.
pub(in crate::http) async fn release_quarantined(
    api: &Api,
    by: By,
    source: &Source,
    rows: Vec<(i64, Quarantined)>,
) -> Result<Vec<Result<ReleasedOut>>> {
    let guess = |row: &Quarantined| providers::guess(source.provider, &source.config.terms, (&row.headers, &row.body));
    let unread = |row: (i64, Quarantined)| {
        let guess = guess(&row.1);
        NewEvent::unread(source, row, guess, by)
    };
    release(api, rows.into_iter().map(unread).collect()).await
}

async fn release(api: &Api, events: Vec<NewEvent>) -> Result<Vec<Result<ReleasedOut>>> {
    let out = |(kept, msg_id)| {
        let status = if kept == Kept::AsFirst { "duplicate" } else { "released" };
        ReleasedOut { status, msg_id }
    };
    let answers = accept_named(api, events).await?;
    Ok(answers.into_iter().map(|answer| answer.map(out)).collect())
}

/// Accepts what came in, in one commit. Gives what became of each, and what the event is called that stands for it.
pub(super) async fn accept_named(api: &Api, events: Vec<NewEvent>) -> Result<Vec<Result<(Kept, String)>>> {
    let answers = api.engine.accept(events).await?;
    let accepted: Vec<Result<Accepted>> = answers.into_iter().map(|answer| Ok(answer?.get().clone())).collect();
    let ids: Vec<_> = accepted.iter().flatten().map(|accepted| accepted.event).collect();
    let mut names = api.read(move |store| store.webhook_ids(&ids)).await?.into_iter();
    let mut named = |Accepted { event, body }| (body, api.engine.text().webhook_id(event, names.next().flatten()));
    Ok(accepted.into_iter().map(|accepted| accepted.map(&mut named)).collect())
}

/// Discards what waits: its bytes are erased. Error: 409 nothing of it waits any more.
pub(in crate::http) async fn discard(
    api: &Api,
    call: &Call,
    application: ApplicationId,
    held: Vec<Held>,
) -> Result<()> {
    let discarded = call.change(api, Change::Discard(application, held)).await;
    discarded.map_err(|error| match not_changed(error, DECIDED) {
        error if error.kind == crate::error::Kind::Conflict => Error::conflict(DECIDED),
        error => error,
    })
}
