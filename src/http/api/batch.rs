//! `/app/{app}/msg/batch`: many events in one request, each with its own answer.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::event::Envelope;
use super::{Api, part_of, unserved};
use crate::error::{Error, Result};
use crate::event::NewEvent;
use crate::http::call::{Call, Reading, answer};
use crate::key::Action;

/// How many events one batch holds.
const EVENTS_MAX: usize = 1_000;
/// How large its request may be: 16 MiB.
const BYTES_MAX: usize = 16 * 1_024 * 1_024;

#[derive(Deserialize)]
struct BatchIn<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
}

#[derive(Serialize)]
struct BatchOut {
    data: Vec<PartOut>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PartOut {
    Accepted { status: u16, id: String },
    Refused { status: u16, code: &'static str, detail: String },
}

/// POST `/app/{app}/msg/batch`: 202 when the request could be read; each event says what became of it.
pub(super) async fn publish(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Publish)?;
    let application = api.named(&call).await?;
    let body = call.body(BYTES_MAX).await?;
    let once = call.once(&body)?;
    let batch = call.parse::<BatchIn>(&body)?;
    if batch.messages.is_empty() || batch.messages.len() > EVENTS_MAX {
        return Err(Error::field(
            "messages",
            format!("holds {} events; a batch takes 1 to {EVENTS_MAX}", batch.messages.len()),
        ));
    }
    let mut events = Vec::with_capacity(batch.messages.len());
    let mut refused = Vec::new();
    for (position, message) in batch.messages.iter().enumerate() {
        let once = once.map(|once| once.of_batch(position));
        let draft = Reading::<Envelope>::of(message.get().as_bytes()).whole().and_then(|envelope| {
            unserved("url in a batch", envelope.url.is_some())?;
            unserved("application in a batch", envelope.application.is_some())?;
            envelope.draft(&api, &body, &application, once)
        });
        let checked = match draft {
            Ok(draft) => api.schemas.check(call.caller.environment, &draft).await.map(|()| draft),
            Err(error) => Err(error),
        };
        match checked.and_then(|draft| NewEvent::published(&call.caller, draft)) {
            Ok(event) => events.push(event),
            Err(error) => refused.push((position, error)),
        }
    }
    let accepted = if events.is_empty() { Vec::new() } else { api.engine.accept(events).await? };
    let mut answers = accepted.into_iter();
    let mut refused = refused.into_iter().peekable();
    let mut data = Vec::with_capacity(batch.messages.len());
    for position in 0..batch.messages.len() {
        let answer = match refused.next_if(|(refused, _)| *refused == position) {
            Some((_, error)) => Err(error),
            None => answers.next().unwrap_or_else(|| Err(Error::internal("an event got no answer"))),
        };
        data.push(match answer {
            Ok(event) => {
                PartOut::Accepted { status: StatusCode::ACCEPTED.as_u16(), id: api.engine.text().of(event.get().event) }
            }
            Err(error) => {
                let (status, code, detail) = part_of(&error);
                PartOut::Refused { status, code, detail }
            }
        });
    }
    unknown_application(&data)?;
    Ok(answer(StatusCode::ACCEPTED, &BatchOut { data }))
}

/// Every event of a batch has the same application: when it is unknown, the whole request is.
fn unknown_application(data: &[PartOut]) -> Result<()> {
    let unknown = |part: &PartOut| matches!(part, PartOut::Refused { status: 404, .. });
    if data.iter().any(unknown) { Err(Error::not_found()) } else { Ok(()) }
}
