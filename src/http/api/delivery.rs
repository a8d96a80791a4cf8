//! `/app/{app}/endpoint/{ep}/msg` and `/app/{app}/msg/{msg}/endpoint`: where deliveries stand.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use super::endpoint::EndpointOut;
use super::{Api, SHOWN_MS, attempt, endpoint, event};
use crate::delivery::{Delivery, Standing};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::http::call::{Call, answer};
use crate::http::page::{Asked, filter, time};
use crate::http::problem::text;
use crate::id::EndpointId;
use crate::store::{DeliveryRow, Listed};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DestinationOut {
    #[serde(flatten)]
    endpoint: EndpointOut,
    #[serde(flatten)]
    standing: StandingOut,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StandingOut {
    status: u8,
    status_text: &'static str,
    next_attempt: Option<String>,
}

impl StandingOut {
    /// As it is told to a caller who may not know that there is more than success, pending, fail and sending.
    fn to(self, expanded: bool) -> Self {
        if expanded || self.status != Standing::Canceled as u8 {
            return self;
        }
        Self { status: Standing::Success as u8, status_text: "success", ..self }
    }
}

/// Where a delivery stands; one without a row is in memory, about to be tried for the first time.
fn standing(delivery: Option<Delivery>) -> StandingOut {
    let standing = Standing::of(delivery);
    let next_attempt = delivery.and_then(|delivery| delivery.next_ms()).map(time);
    StandingOut { status: standing as u8, status_text: standing.name(), next_attempt }
}

/// Two JSON objects as one; a payload in them stays as it was written.
fn joined(one: &str, other: &str) -> Box<RawValue> {
    let (one, other) = (&one[..one.len() - 1], &other[1..]);
    RawValue::from_string(format!("{one},{other}")).expect("two objects with fields")
}

/// GET `/app/{app}/endpoint/{ep}/msg`: the events that were attempted there, by their first attempt.
pub(super) async fn of_endpoint(State(api): State<Api>, call: Call) -> Result<Response> {
    let ids = api.engine.text();
    let application = api.application_lately(&call).await?;
    let endpoint = api.endpoint_lately(&call, &application).await?.id;
    let application = application.id;
    let with_content = call.query_flag("with_content", true)?;
    let expanded = attempt::expanded(&call)?;
    let asked = event::asked(&api, &call, application, true).await?;
    let now_ms = api.clock.now().wall_ms;
    let (page, mut filter) = (asked.page, filter(&call, now_ms)?);
    filter.standing.extend(attempt::status(&call)?);
    let listed = api.read(move |store| store.attempted(endpoint, page, &filter, with_content)).await?;
    let shape = |row: DeliveryRow| {
        let event = event::out(&row.event, ids, with_content, now_ms);
        joined(&event, &text(&standing(Some(row.delivery)).to(expanded)))
    };
    Ok(answer(StatusCode::OK, &asked.answer_ids(listed, ids, |row| row.event.id, shape)))
}

/// GET `/app/{app}/msg/{msg}/endpoint`: the endpoints that the event goes or went to, the newest first.
pub(super) async fn of_event(State(api): State<Api>, call: Call) -> Result<Response> {
    let ids = api.engine.text();
    let application = api.application_lately(&call).await?;
    let event = event::find(&api, &call, &application).await?.id;
    let asked = Asked::<EndpointId>::read(&call, true, |text| ids.parse(text))?;
    let (application, page) = (application.id, asked.page);
    let shown_ms = api.clock.now().wall_ms - SHOWN_MS;
    let listed = api
        .read(move |store| {
            let mut rows: Vec<(Endpoint, Option<Delivery>)> = Vec::new();
            for (id, delivery) in page.of(store.destinations(event)?, |(id, _)| *id) {
                if rows.len() > page.limit {
                    break;
                }
                rows.extend(store.endpoint_lately(application, id, shown_ms)?.map(|endpoint| (endpoint, delivery)));
            }
            Ok(Listed::cut(rows, page.limit))
        })
        .await?;
    let shape = |(endpoint, delivery): (Endpoint, Option<Delivery>)| DestinationOut {
        endpoint: endpoint::out(endpoint, ids),
        standing: standing(delivery),
    };
    Ok(answer(StatusCode::OK, &asked.answer_ids(listed, ids, |(endpoint, _)| endpoint.id, shape)))
}
