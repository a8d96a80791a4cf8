//! `/app/{app}/msg`: events. The bytes of `payload` go out as they came in.

use std::ops::RangeInclusive;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::application::{self, ApplicationIn};
use super::{Api, direct, unserved};
use crate::application::{Application, ApplicationRef};
use crate::count::HOUR_MS;
use crate::error::{Error, Result};
use crate::event::{self, Accepted, Draft, Event, Kept, NewEvent, Once};
use crate::http::call::{Call, Reading, answer};
use crate::http::page::{Asked, at_moment, filter, time};
use crate::http::problem::text;
use crate::id::{ApplicationId, EnvironmentId, EventId, Id as _, IdText, WebhookId};
use crate::key::Action;
use crate::store::Store;

/// What a request may hold beside the payload, in bytes.
const ENVELOPE_BYTES_MAX: usize = 64 * 1_024;
/// How far ahead an event may be delivered: 1 minute to 24 hours, in ms; a little less for what was on its way.
const DELIVER_MS: RangeInclusive<i64> = 55_000..=86_405_000;
/// Payloads up to this size are copied out of the request, so that a small one does not keep a large buffer.
const COPY_BYTES_MAX: usize = 64 * 1_024;

/// For how long a payload may be kept, in days, and in hours.
const KEEP_DAYS: RangeInclusive<i64> = 5..=90;
const KEEP_HOURS: RangeInclusive<i64> = 1..=90 * 24;
/// What is shown of a payload that is gone.
const EXPIRED: &str = r#"{"expired":true}"#;

/// One event to publish.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope<'a> {
    pub(super) event_type: String,
    #[serde(borrow, alias = "data")]
    payload: &'a RawValue,
    event_id: Option<String>,
    channels: Option<Vec<String>>,
    /// The one URL for types that go to no endpoint.
    pub(super) url: Option<String>,
    #[serde(borrow)]
    transformations_params: Option<&'a RawValue>,
    /// What the application is to be like when there is none yet.
    pub(super) application: Option<ApplicationIn>,
    deliver_at: Option<String>,
    tags: Option<Vec<String>>,
    payload_retention_period: Option<i64>,
    payload_retention_hours: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    raw_payload: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventOut<'a> {
    id: String,
    event_id: Option<&'a str>,
    event_type: &'a str,
    channels: Option<&'a [String]>,
    payload: &'a RawValue,
    tags: Option<&'a [String]>,
    deliver_at: Option<String>,
    timestamp: String,
    #[serde(flatten)]
    arrival: Option<ArrivalOut<'a>>,
}

/// How an inbound event came.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArrivalOut<'a> {
    source: String,
    dedup_key: Option<&'a str>,
    duplicates: u32,
    flags: Vec<&'static str>,
    /// The event that it contradicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_id: Option<String>,
}

impl Raw {
    /// Error: 501 for what else Svix's free parameters hold: it is for transformations, or says of which type the payload is.
    fn read(text: &str) -> Result<Self> {
        let read = Reading::<Self>::of(text.as_bytes());
        let value = read.value.map_err(|error| Error::field("transformationsParams", error.detail))?;
        match read.strange.first() {
            Some(other) => unserved(&format!("transformationsParams.{}", other.path.join(".")), true).map(|()| value),
            None => Ok(value),
        }
    }
}

impl Envelope<'_> {
    /// Checks what only the API knows and gives the draft of an event. `body` is the request that it was read from.
    pub(super) fn draft(
        self,
        api: &Api,
        body: &Bytes,
        application: &ApplicationRef,
        once: Option<Once>,
    ) -> Result<Draft> {
        let keep_ms = self.keep_ms()?;
        let now_ms = api.clock.now().wall_ms;
        let (keep_until_ms, deliver_at_ms) = (keep_ms.map(|keep_ms| now_ms + keep_ms), self.deliver_at_ms(now_ms)?);
        if let (Some(until_ms), Some(at_ms)) = (keep_until_ms, deliver_at_ms)
            && until_ms <= at_ms
        {
            let message = "is when the payload would be gone already; keep it longer";
            return Err(Error::field("deliverAt", message));
        }
        if !self.payload.get().starts_with('{') {
            return Err(Error::field(
                "payload",
                "must be a JSON object; for other bytes use transformationsParams.rawPayload",
            ));
        }
        let params = self.transformations_params.filter(|params| params.get() != "null");
        let params = params.map(|params| Raw::read(params.get())).transpose()?;
        let payload = match params.and_then(|params| params.raw_payload) {
            Some(raw) => Bytes::from(raw),
            None => own(body, self.payload.get()),
        };
        event::check_size(payload.len(), api.payload_bytes_max)?;
        Ok(Draft {
            application: application.clone(),
            event_type: self.event_type,
            channels: self.channels,
            uid: self.event_id,
            tags: self.tags.filter(|tags| !tags.is_empty()),
            keep_until_ms,
            deliver_at_ms,
            body: payload,
            once,
        })
    }

    /// When it is to be delivered; `None` for now. Error: less than a minute or more than a day ahead.
    fn deliver_at_ms(&self, now_ms: i64) -> Result<Option<i64>> {
        let Some(text) = self.deliver_at.as_deref() else {
            return Ok(None);
        };
        let at_ms = at_moment(&["body", "deliverAt"], text)?;
        if !DELIVER_MS.contains(&(at_ms - now_ms)) {
            return Err(Error::field("deliverAt", "must be 1 minute to 24 hours ahead"));
        }
        Ok(Some(at_ms))
    }

    /// How long the payload is to be kept, in ms; `None` for as long as any.
    fn keep_ms(&self) -> Result<Option<i64>> {
        let check = |field: &str, given: i64, range: RangeInclusive<i64>, unit_ms: i64| {
            if range.contains(&given) {
                return Ok(Some(given * unit_ms));
            }
            Err(Error::field(field, format!("must be {} to {}", range.start(), range.end())))
        };
        match (self.payload_retention_period, self.payload_retention_hours) {
            (None, None) => Ok(None),
            (Some(days), None) => check("payloadRetentionPeriod", days, KEEP_DAYS, 24 * HOUR_MS),
            (None, Some(hours)) => check("payloadRetentionHours", hours, KEEP_HOURS, HOUR_MS),
            (Some(_), Some(_)) => {
                let message = "cannot be given together with `payloadRetentionPeriod`; give one";
                Err(Error::field("payloadRetentionHours", message))
            }
        }
    }
}

fn own(body: &Bytes, payload: &str) -> Bytes {
    if payload.len() <= COPY_BYTES_MAX {
        Bytes::copy_from_slice(payload.as_bytes())
    } else {
        body.slice_ref(payload.as_bytes())
    }
}

/// Shapes an event; without content its payload is `{}`. A raw payload that is no object stands in one.
pub(super) fn out(event: &Event, ids: &IdText, with_content: bool, now_ms: i64) -> String {
    let shown = match with_content {
        true if event.is_expired(now_ms) => EXPIRED.to_owned(),
        true => shown(&event.body),
        false => "{}".to_owned(),
    };
    let payload: &RawValue = serde_json::from_str(&shown).expect("made sure to be JSON");
    text(&EventOut {
        id: event.called(ids),
        event_id: event.uid.as_deref(),
        event_type: &event.event_type,
        channels: (!event.channels.is_empty()).then_some(&event.channels),
        payload,
        tags: (!event.tags().is_empty()).then_some(event.tags()),
        deliver_at: event.deliver_at_ms().map(time),
        timestamp: time(event.id.time_ms()),
        arrival: event.arrival.as_ref().map(|arrival| ArrivalOut {
            source: ids.of(arrival.source),
            dedup_key: Some(arrival.dedup_key.as_str()).filter(|key| !key.is_empty()),
            duplicates: arrival.duplicates,
            flags: arrival.flags.names(),
            first_id: arrival.first.map(|first| ids.webhook_id(first.event, first.webhook_id)),
        }),
    })
}

fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let is_object = text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(&text).is_ok();
    if is_object { text.into_owned() } else { serde_json::json!({ "rawPayload": text }).to_string() }
}

/// POST `/app/{app}/msg`: 202 once it is durable.
pub(super) async fn publish(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Publish)?;
    let application = api.named(&call).await?;
    let with_content = call.query_flag("with_content", true)?;
    let body = call.body(api.payload_bytes_max + ENVELOPE_BYTES_MAX).await;
    let body = body.map_err(|error| event::of_size(error, api.payload_bytes_max))?;
    let once = call.once(&body)?;
    let mut envelope = call.parse::<Envelope>(&body)?;
    if let Some(input) = envelope.application.take() {
        application::get_or_make(&api, &call, input).await?;
    }
    let only = match &envelope.url {
        Some(url) => Some(direct::endpoint(&api, &call, &envelope.event_type, url).await?),
        None => None,
    };
    let draft = envelope.draft(&api, &body, &application, once)?;
    api.schemas.check(call.caller.environment, &draft).await?;
    let event = NewEvent { only, ..NewEvent::published(&call.caller, draft)? };
    accept_as(&api, event, StatusCode::ACCEPTED, with_content).await
}

/// Makes one event durable and answers with this status.
pub(super) async fn accept_as(api: &Api, event: NewEvent, status: StatusCode, with_content: bool) -> Result<Response> {
    let mut shown = Event {
        id: EventId::new(0),
        application: ApplicationId::new(0),
        event_type: event.event_type.clone(),
        channels: event.channels.clone(),
        uid: event.uid.clone(),
        extra: event.extra.clone(),
        body: event.body.clone(),
        sha256: event.sha256,
        arrival: None,
    };
    let (environment, application) = (event.environment, event.application.clone());
    let mut answers = api.engine.accept(vec![event]).await?;
    let accepted = answers.pop().ok_or_else(|| Error::internal("an event got no answer"))??;
    let Accepted { event, body } = accepted.get();
    shown.id = *event;
    match body {
        Kept::AsSent | Kept::Conflicting | Kept::Held(_) => {}
        Kept::Wrapped(body) => shown.body = body.clone(),
        Kept::AsFirst => shown = first(api, environment, application, *event).await?.unwrap_or(shown),
    }
    let now_ms = api.clock.now().wall_ms;
    Ok(crate::http::problem::json(status, out(&shown, api.engine.text(), with_content, now_ms)))
}

/// The event that an earlier request of the same key became.
async fn first(
    api: &Api,
    environment: EnvironmentId,
    application: ApplicationRef,
    event: EventId,
) -> Result<Option<Event>> {
    let found = api.read(move |store| {
        let application = store.application(environment, &application)?;
        application.map_or(Ok(None), |application| store.event(application.id, event))
    });
    found.await
}

/// GET `/app/{app}/msg`
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    let ids = api.engine.text();
    let application = api.application_lately(&call).await?.id;
    let with_content = call.query_flag("with_content", true)?;
    let asked = asked(&api, &call, application, true).await?;
    let now_ms = api.clock.now().wall_ms;
    let (page, filter) = (asked.page, filter(&call, now_ms)?);
    let listed = api.read(move |store| store.events(application, page, &filter, with_content)).await?;
    let list = asked.answer_ids(
        listed,
        ids,
        |event| event.id,
        |event| RawValue::from_string(out(&event, ids, with_content, now_ms)).expect("just written"),
    );
    Ok(answer(StatusCode::OK, &list))
}

/// The event in the path, by id or the caller's own id. Error: 404.
pub(super) async fn find(api: &Api, call: &Call, application: &Application) -> Result<Event> {
    named(api, application, call.param("msg")).await
}

/// The event of this id or uid. Error: 404.
pub(super) async fn named(api: &Api, application: &Application, text: &str) -> Result<Event> {
    let (application, text, ids) = (application.id, text.to_owned(), api.engine.text().clone());
    let found = api.read(move |store| look(store, &ids, application, &text)).await?;
    found.ok_or_else(Error::not_found)
}

/// The event that somebody means by this text: its id, what it is called on the wire, or the caller's own id for it.
pub(super) fn look(store: &dyn Store, ids: &IdText, application: ApplicationId, text: &str) -> Result<Option<Event>> {
    if !text.starts_with(EventId::PREFIX) {
        return store.event_by_uid(application, text);
    }
    for event in meant(store, ids, text)? {
        if let Some(found) = store.event(application, event)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The events, of whatever application, that a text may mean: that of an id, or all that are called so on the wire, the
/// newest first.
pub(in crate::http) fn meant(store: &dyn Store, ids: &IdText, text: &str) -> Result<Vec<EventId>> {
    if let Some(id) = ids.parse(text) {
        return Ok(vec![id]);
    }
    let called = WebhookId::parse(text).map_or(Ok(Vec::new()), |named| store.called(named))?;
    Ok(called.into_iter().map(|(_, event)| event).collect())
}

/// Which part of a list of events is asked for; its iterator may name an event as the wire calls it, too.
pub(super) async fn asked(
    api: &Api,
    call: &Call,
    application: ApplicationId,
    newest_first: bool,
) -> Result<Asked<EventId>> {
    let ids = api.engine.text();
    let iterator = call.query_one("iterator")?.unwrap_or_default();
    let text = iterator.strip_prefix('-').unwrap_or(&iterator).to_owned();
    let named = if text.starts_with(EventId::PREFIX) && ids.parse::<EventId>(&text).is_none() {
        let ids = ids.clone();
        api.read(move |store| look(store, &ids, application, &text)).await?
    } else {
        None
    };
    Asked::read(call, newest_first, |text| named.as_ref().map(|event| event.id).or_else(|| ids.parse(text)))
}

/// GET `/app/{app}/msg/{msg}`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let application = api.application_lately(&call).await?;
    let with_content = call.query_flag("with_content", true)?;
    let event = find(&api, &call, &application).await?;
    let now_ms = api.clock.now().wall_ms;
    Ok(crate::http::problem::json(StatusCode::OK, out(&event, api.engine.text(), with_content, now_ms)))
}
