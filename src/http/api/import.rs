//! `/source/{source}/import`: events that a source missed, given by an Admin's key instead of a signature.

use std::collections::BTreeMap;
use std::fmt;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::held::accept_named;
use super::{Api, part_of, source};
use crate::error::{Error, Kind, Result};
use crate::event::{Kept, NewEvent};
use crate::http::call::{Call, answer};
use crate::http::ingress::received_event;
use crate::inbound::{DedupBy, Flags, Inbound};
use crate::key::Action;
use crate::providers;
use crate::source::Source;

/// How large a request may be, how many events it may hold, and how large each may be.
const REQUEST_BYTES_MAX: usize = 16 * 1_024 * 1_024;
const EVENTS_MAX: usize = 1_000;
const EVENT_BYTES_MAX: usize = 1_024 * 1_024;
/// How many events stand or fall together: a commit.
const TOGETHER: usize = 100;
/// How many headers one event may bring.
const HEADERS_MAX: usize = 32;

/// What became of one event.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImportedOut {
    /// `accepted`, `duplicate`, `conflict`, `refused`, or `not_taken`.
    status: &'static str,
    /// What the event is called that stands for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    msg_id: Option<String>,
    /// As what it is held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict_id: Option<String>,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl ImportedOut {
    fn is(status: &'static str) -> Self {
        Self { status, msg_id: None, conflict_id: None, reason: None }
    }

    fn refused(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::is("refused") }
    }
}

#[derive(Serialize)]
struct ImportOut {
    data: Vec<ImportedOut>,
}

/// A request that stopped halfway.
#[derive(Serialize)]
struct StoppedOut<'a> {
    code: &'a str,
    detail: &'a str,
    data: Vec<ImportedOut>,
}

/// POST `/source/{source}/import`: one body, an array of them, or a list answer with `data`. Each is taken as if it had
/// come in by the door. 503 names what stands: repeating all of it is safe.
pub(super) async fn import(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let source = source::find(&api, &call).await?;
    if source.config.terms.form.dedup == DedupBy::None {
        let detail = "the source takes every request for a new event, so that an import repeated would deliver all of it \
                      again; set `dedup` to `body`, import, and set it back";
        return Err(Error::at(&["path", "source"], detail));
    }
    let body = call.body(REQUEST_BYTES_MAX).await?;
    let items = items(&body)?;
    if items.len() > EVENTS_MAX {
        let detail = format!("holds more than {EVENTS_MAX} events; send them in several requests");
        return Err(Error::new(Kind::TooLarge, "too_many_events", detail));
    }
    let mut data = vec![ImportedOut::is("not_taken"); items.len()];
    let mut events = Vec::new();
    for (place, item) in items.into_iter().enumerate() {
        match read(&api, &call, &source, item) {
            Ok(event) => events.push((place, event)),
            Err(reason) => data[place] = ImportedOut::refused(reason),
        }
    }
    let mut events = events.into_iter().peekable();
    while events.peek().is_some() {
        let (places, some): (Vec<_>, Vec<_>) = events.by_ref().take(TOGETHER).unzip();
        let answers = match accept_named(&api, some).await {
            Ok(answers) => answers,
            Err(error) if error.kind == Kind::Overloaded => return Ok(stopped(&error, data)),
            Err(error) => return Err(error),
        };
        let stops = answers.iter().find_map(|answer| answer.as_ref().err().filter(|error| lasts(error)).cloned());
        for (place, answer) in places.into_iter().zip(answers) {
            data[place] = shaped(&api, answer);
        }
        if let Some(error) = stops {
            return Ok(stopped(&error, data));
        }
    }
    Ok(answer(StatusCode::OK, &ImportOut { data }))
}

/// Whether nothing is taken for now, of whatever event.
fn lasts(error: &Error) -> bool {
    error.kind == Kind::Overloaded && error.code == "not_stored"
}

fn stopped(error: &Error, data: Vec<ImportedOut>) -> Response {
    let detail = "what is `not_taken` was not taken; send all of it again, what stands is known";
    let body = crate::http::problem::text(&StoppedOut { code: error.code, detail, data });
    let mut response = Error::new(Kind::Overloaded, error.code, detail).into_response();
    *response.body_mut() = body.into();
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    response
}

/// The events of a request, one more than [`EVENTS_MAX`] at most.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() <= EVENTS_MAX
                    && let Some(item) = array.next_element()?
                {
                    items.push(item);
                }
                while array.next_element::<IgnoredAny>()?.is_some() {}
                Ok(items)
            }
        }
        deserializer.deserialize_seq(Visit).map(Items)
    }
}

/// The events of a request, each as it stands there. Error: it is no JSON, or none of the three forms.
fn items(body: &Bytes) -> Result<Vec<&RawValue>> {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow)]
        data: Items<'a>,
        #[serde(rename = "type")]
        kind: Option<IgnoredAny>,
    }
    let text = std::str::from_utf8(body).map_err(|_| Error::json("is not UTF-8; send JSON in UTF-8"))?;
    let not_one = |error| Error::json(format!("is not one JSON document: {error}"));
    let whole: &RawValue = serde_json::from_str(text).map_err(not_one)?;
    let text = whole.get();
    match text.as_bytes().first() {
        Some(b'[') => serde_json::from_str(text).map(|Items(items)| items).map_err(Error::internal),
        Some(b'{') => Ok(match serde_json::from_str::<List<'_>>(text) {
            Ok(List { data: Items(data), kind: None }) => data,
            _ => vec![whole],
        }),
        _ => Err(Error::at(&["body"], "must be an event, an array of events, or an object with them in `data`")),
    }
}

/// An event as it would have come in by the door. Error: why not, in a sentence.
fn read(api: &Api, call: &Call, source: &Source, item: &RawValue) -> Result<NewEvent, String> {
    let (headers, body) = unwrapped(item)?;
    if body.len() > EVENT_BYTES_MAX {
        return Err(format!("it is {} bytes long; at most {EVENT_BYTES_MAX} are taken", body.len()));
    }
    let inbound = Inbound { headers: &headers, body: &body };
    let (provider, terms) = (source.provider, &source.config.terms);
    let verified = providers::vouched(&call.caller, provider, terms, inbound).map_err(|error| error.detail)?;
    let mut received = providers::read(terms, verified).map_err(|unread| unread.detail.into_owned())?;
    let of_form = Some(&terms.form).filter(|form| form.dedup == DedupBy::Id).and_then(|form| form.id_header.as_deref());
    if let (None, Some(name)) = (&received.id, providers::id_header(provider).or(of_form)) {
        return Err(format!("it has no id in a header; give {{\"headers\": {{\"{name}\": …}}, \"body\": …}}"));
    }
    received.flags = received.flags.with(Flags::IMPORTED);
    Ok(received_event(source, received, api.clock.now().wall_ms))
}

/// An event's headers and bytes: an item is the body itself, or `{"headers", "body"}` and no more, whose body may be a
/// text. Error: its headers are none.
fn unwrapped(item: &RawValue) -> Result<(HeaderMap, Bytes), String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        headers: &'a RawValue,
        #[serde(borrow)]
        body: &'a RawValue,
    }
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // an array is no object with its members in their order, though serde reads it as one
    let wrapped = Some(item.get()).filter(|text| text.starts_with('{')).map(serde_json::from_str::<Wrapped<'_>>);
    let Some(Ok(wrapped)) = wrapped else {
        return Ok((headers, Bytes::copy_from_slice(item.get().as_bytes())));
    };
    let given: BTreeMap<String, String> = serde_json::from_str(wrapped.headers.get())
        .map_err(|_| "`headers` beside `body` must be an object of texts".to_owned())?;
    if given.len() > HEADERS_MAX {
        return Err(format!("it has {} headers; at most {HEADERS_MAX} are taken", given.len()));
    }
    for (name, value) in &given {
        let wrong = |_| format!("`{name}` is no header");
        let key = HeaderName::try_from(name.as_str()).map_err(|error| wrong(error.to_string()))?;
        let value = HeaderValue::try_from(value.as_str()).map_err(|error| wrong(error.to_string()))?;
        headers.insert(key, value);
    }
    let text = serde_json::from_str::<String>(wrapped.body.get());
    let body = text.map_or_else(|_| wrapped.body.get().as_bytes().to_vec(), String::into_bytes);
    Ok((headers, body.into()))
}

fn shaped(api: &Api, answer: Result<(Kept, String)>) -> ImportedOut {
    let (kept, msg_id) = match answer {
        Err(error) if lasts(&error) => return ImportedOut::is("not_taken"),
        Err(error) => return ImportedOut::refused(part_of(&error).2),
        Ok(accepted) => accepted,
    };
    let (status, conflict_id) = match kept {
        Kept::AsSent | Kept::Wrapped(_) => ("accepted", None),
        Kept::AsFirst => ("duplicate", None),
        Kept::Conflicting => ("conflict", None),
        Kept::Held(conflict) => ("conflict", Some(api.engine.text().of(conflict))),
    };
    ImportedOut { msg_id: Some(msg_id), conflict_id, ..ImportedOut::is(status) }
}
