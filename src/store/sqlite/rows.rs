//! Rows to nouns and back: lists and maps as JSON.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Row, types::Type};
use serde::de::DeserializeOwned;

use super::kept::{self, json};
use crate::application::{Application, Wire};
use crate::attempt::{Attempt, Payload, Trigger};
use crate::conflict::First;
use crate::delivery::{Delivery, Standing, Status};
use crate::digest;
use crate::endpoint::{Endpoint, Health, State};
use crate::error::Result;
use crate::event::{Event, Extra};
use crate::event_type::EventType;
use crate::id::{ApplicationId, EnvironmentId, EventId, Id, SourceId, WebhookId};
use crate::inbound::Flags;
use crate::key::{Grant, Key, Role};
use crate::provider::Provider;
use crate::quarantine::{Kind, Quarantined};
use crate::secret::Sealer;
use crate::source::{Arrival, Source, SourceStats};
use crate::store::AttemptRow;
use crate::store::tally::SourceTally;

type Sql<T> = rusqlite::Result<T>;

pub(super) const APPLICATION: &str =
    "id, environment, uid, name, metadata, updated_ms, deleted, provider, source, throttle_rate, wire";
pub(super) const ENDPOINT: &str = "id, application, uid, url, description, state, event_types, channels, headers, metadata, secrets, failing_since_ms, clock_runs, updated_ms, revision, provider, direct, handling, (select wire from application where application.id = endpoint.application)";
pub(super) const EVENT_TYPE: &str =
    "environment, name, description, schemas, archived, deprecated, created_ms, updated_ms, feature_flags, group_name";
/// An event and how it came; to be selected from [`EVENTS`].
pub(super) const EVENT: &str = "id, application, event_type, channels, uid, sha256, tags, keep_until_ms, deliver_at_ms, expunged, source, dedup_key, duplicates, flags | more_flags, headers, webhook_id, first, (select other.webhook_id from arrival as other where other.event = arrival.first)";
/// How many columns [`EVENT`] has; the payload stands behind them.
pub(super) const EVENT_COLUMNS: usize = 18;
/// What is handed on of how an event came; to be selected from [`EVENTS`].
pub(super) const ARRIVAL: &str = "source, dedup_key, duplicates, flags | more_flags, headers, webhook_id, first, (select other.webhook_id from arrival as other where other.event = arrival.first)";
pub(super) const EVENTS: &str =
    "event left join arrival on arrival.event = event.id left join event_extra on event_extra.event = event.id";
pub(super) const SOURCE: &str = "id, environment, uid, name, metadata, provider, application, config, tokens, dedup_days, updated_ms, deleted, revision";
pub(super) const TALLY: &str = "accepted, duplicates, conflicts, unknown_types, quarantined, pings, processed, last_ms, week, silence_ms, silence_before_ms, outage_since_ms, outage_until_ms";
pub(super) const QUARANTINED: &str = "id, source, sha256, first_ms, count, reason, body, kind, headers";
pub(super) const DELIVERY: &str = "status, attempts, step, due_ms, trigger";

/// A list as JSON; null for an empty one.
pub(super) fn optional_list(values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| json(values))
}

fn broken(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, Box::new(error))
}

pub(super) fn parse<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Sql<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| broken(column, error))
}

pub(super) fn id<T: Id>(row: &Row<'_>, column: usize) -> Sql<T> {
    row.get(column).map(T::new)
}

/// A number that must be one of an enum's.
pub(super) fn number<T>(row: &Row<'_>, column: usize, read: impl FnOnce(i64) -> Option<T>) -> Sql<T> {
    let number = row.get(column)?;
    read(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// A sealed value that opens for the object whose id stands first in the row.
fn sealed<T>(row: &Row<'_>, column: usize, open: impl FnOnce(i64, &[u8]) -> Result<T>) -> Sql<T> {
    open(row.get(0)?, row.get_ref(column)?.as_blob()?).map_err(|error| broken(column, error))
}

pub(super) fn application(row: &Row<'_>) -> Sql<Application> {
    Ok(Application {
        id: id(row, 0)?,
        environment: id(row, 1)?,
        uid: row.get(2)?,
        name: row.get(3)?,
        metadata: parse(row, 4)?,
        updated_ms: row.get(5)?,
        deleted: row.get(6)?,
        provider: number(row, 7, Provider::from_number)?,
        source: row.get::<_, Option<i64>>(8)?.map(SourceId::new),
        throttle_rate: row.get(9)?,
        wire: number(row, 10, Wire::from_number)?,
    })
}

pub(super) fn endpoint(row: &Row<'_>, sealer: &Sealer) -> Sql<Endpoint> {
    Ok(Endpoint {
        id: id(row, 0)?,
        application: id(row, 1)?,
        uid: row.get(2)?,
        url: row.get(3)?,
        description: row.get(4)?,
        state: number(row, 5, State::from_number)?,
        event_types: parse(row, 6)?,
        channels: parse(row, 7)?,
        headers: sealed(row, 8, |owner, sealed| kept::open_headers(sealer, owner, sealed))?,
        metadata: parse(row, 9)?,
        secrets: sealed(row, 10, |owner, sealed| kept::open_secrets(sealer, owner, sealed))?,
        health: Health { failing_since_ms: row.get(11)?, clock_runs: row.get(12)? },
        updated_ms: row.get(13)?,
        revision: row.get(14)?,
        provider: number(row, 15, Provider::from_number)?,
        direct: row.get(16)?,
        handling: parse(row, 17)?,
        wire: number(row, 18, Wire::from_number)?,
    })
}

pub(super) fn event_type(row: &Row<'_>) -> Sql<EventType> {
    Ok(EventType {
        environment: id(row, 0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        schemas: row.get(3)?,
        archived: row.get(4)?,
        deprecated: row.get(5)?,
        created_ms: row.get(6)?,
        updated_ms: row.get(7)?,
        feature_flags: list(row, 8)?,
        group_name: row.get(9)?,
    })
}

/// A list as JSON; empty for null.
pub(super) fn list(row: &Row<'_>, column: usize) -> Sql<Vec<String>> {
    match row.get_ref(column)?.as_str_or_null()? {
        Some(text) => serde_json::from_str(text).map_err(|error| broken(column, error)),
        None => Ok(Vec::new()),
    }
}

/// An event; its body when the statement selects it behind [`EVENT`].
pub(super) fn event(row: &Row<'_>, body: bool) -> Sql<Event> {
    let channels = list(row, 3)?;
    let body = if body { Bytes::copy_from_slice(row.get_ref(EVENT_COLUMNS)?.as_blob()?) } else { Bytes::new() };
    Ok(Event {
        id: id(row, 0)?,
        application: id(row, 1)?,
        event_type: row.get(2)?,
        channels,
        uid: row.get(4)?,
        sha256: row.get(5)?,
        body,
        extra: extra(row, 6)?.map(Box::new),
        arrival: arrival(row, 10)?.map(Arc::new),
    })
}

/// What few events have, whose columns begin at `first`.
fn extra(row: &Row<'_>, first: usize) -> Sql<Option<Extra>> {
    let Some(expunged) = row.get(first + 3)? else {
        return Ok(None);
    };
    let (keep_until_ms, deliver_at_ms) = (row.get(first + 1)?, row.get(first + 2)?);
    Ok(Some(Extra { tags: list(row, first)?, keep_until_ms, deliver_at_ms, expunged }))
}

/// How an event came, whose columns begin at `first`; `None` when it was published here.
fn arrival(row: &Row<'_>, first: usize) -> Sql<Option<Arrival>> {
    let Some(source) = row.get::<_, Option<i64>>(first)? else {
        return Ok(None);
    };
    Ok(Some(Arrival {
        source: SourceId::new(source),
        dedup_key: row.get(first + 1)?,
        duplicates: row.get(first + 2)?,
        flags: Flags(row.get(first + 3)?),
        headers: headers(row, first + 4)?,
        webhook_id: webhook_id(row, first + 5)?,
        first: match row.get::<_, Option<i64>>(first + 6)? {
            Some(event) => Some(First { event: EventId::new(event), webhook_id: webhook_id(row, first + 7)? }),
            None => None,
        },
    }))
}

/// What an event is called on the wire; `None` for its id.
pub(super) fn webhook_id(row: &Row<'_>, column: usize) -> Sql<Option<WebhookId>> {
    Ok(row.get::<_, Option<[u8; 20]>>(column)?.map(WebhookId))
}

pub(super) fn headers(row: &Row<'_>, column: usize) -> Sql<Vec<(String, String)>> {
    match row.get_ref(column)?.as_str_or_null()? {
        Some(text) => serde_json::from_str(text).map_err(|error| broken(column, error)),
        None => Ok(Vec::new()),
    }
}

/// Reads `sha256, payload` and [`ARRIVAL`]; `None` when the body is damaged.
pub(super) fn payload(row: &Row<'_>) -> Sql<Option<Payload>> {
    let (sha256, body): ([u8; 32], Vec<u8>) = (row.get(0)?, row.get(1)?);
    let arrival = arrival(row, 2)?.map(Arc::new);
    Ok((digest::sha256(&body) == sha256).then(|| Payload { body: body.into(), arrival }))
}

/// A delivery whose columns begin at `first`.
pub(super) fn delivery(row: &Row<'_>, first: usize) -> Sql<Delivery> {
    Ok(Delivery {
        status: number(row, first, Status::from_number)?,
        attempts: row.get(first + 1)?,
        step: row.get(first + 2)?,
        due_ms: row.get(first + 3)?,
        trigger: trigger(row, first + 4)?,
    })
}

fn trigger(row: &Row<'_>, column: usize) -> Sql<Trigger> {
    Ok(if row.get::<_, i64>(column)? == 0 { Trigger::Scheduled } else { Trigger::Manual })
}

/// Reads `status, attempts`, this column the first.
pub(super) fn standing(row: &Row<'_>, first: usize) -> Sql<Standing> {
    Ok(Standing::new(number(row, first, Status::from_number)?, row.get(first + 1)?))
}

/// Reads `event, endpoint, id, started_ms, duration_ms, url, status_code, trigger, response`.
pub(super) fn attempt(row: &Row<'_>) -> Sql<AttemptRow> {
    let attempt = Attempt {
        id: id(row, 2)?,
        started_ms: row.get(3)?,
        duration_ms: row.get(4)?,
        url: row.get(5)?,
        status_code: row.get(6)?,
        trigger: trigger(row, 7)?,
        response: Bytes::copy_from_slice(row.get_ref(8)?.as_blob()?),
    };
    Ok(AttemptRow { event: id(row, 0)?, endpoint: id(row, 1)?, attempt, webhook_id: None })
}

pub(super) fn key(row: &Row<'_>) -> Sql<Key> {
    let role = number(row, 2, |number| Role::ALL.into_iter().find(|role| *role as i64 == number))?;
    Ok(Key {
        id: id(row, 0)?,
        environment: id::<EnvironmentId>(row, 1)?,
        grant: Grant {
            name: row.get(9)?,
            role,
            application: row.get::<_, Option<i64>>(6)?.map(ApplicationId::new),
            rate: row.get(7)?,
            expires_ms: row.get(10)?,
        },
        hash: row.get(3)?,
        hint: row.get(4)?,
        revoked_ms: row.get(5)?,
        used_ms: row.get(8)?,
    })
}

pub(super) fn source(row: &Row<'_>, sealer: &Sealer) -> Sql<Source> {
    let dedup_days = row.get(9)?;
    Ok(Source {
        id: id(row, 0)?,
        environment: id(row, 1)?,
        uid: row.get(2)?,
        name: row.get(3)?,
        metadata: parse(row, 4)?,
        provider: number(row, 5, Provider::from_number)?,
        application: id(row, 6)?,
        config: sealed(row, 7, |owner, sealed| kept::open_config(sealer, owner, sealed, dedup_days))?,
        tokens: sealed(row, 8, |owner, sealed| kept::open_tokens(sealer, owner, sealed))?,
        updated_ms: row.get(10)?,
        deleted: row.get(11)?,
        revision: row.get(12)?,
    })
}

/// A source's row; refusals stand in rows of their own.
pub(super) fn tally(row: &Row<'_>) -> Sql<SourceTally> {
    let outage: (Option<i64>, Option<i64>) = (row.get(11)?, row.get(12)?);
    let stats = SourceStats {
        accepted: row.get(0)?,
        duplicates: row.get(1)?,
        conflicts: row.get(2)?,
        unknown_types: row.get(3)?,
        quarantined: row.get(4)?,
        pings: row.get(5)?,
        processed: row.get(6)?,
        last_ms: row.get(7)?,
        outage: outage.0.zip(outage.1),
        ..SourceStats::default()
    };
    Ok(SourceTally { stats, week: row.get(8)?, silence_ms: row.get(9)?, silence_before_ms: row.get(10)? })
}

/// A row of the quarantine, with its number.
pub(super) fn quarantined(row: &Row<'_>) -> Sql<(i64, Quarantined)> {
    let quarantined = Quarantined {
        source: id(row, 1)?,
        sha256: row.get(2)?,
        first_ms: row.get(3)?,
        count: row.get(4)?,
        reason: row.get(5)?,
        body: Bytes::copy_from_slice(row.get_ref(6)?.as_blob()?),
        kind: row.get_ref(7)?.as_str_or_null()?.and_then(Kind::parse),
        headers: headers(row, 8)?,
    };
    Ok((row.get(0)?, quarantined))
}
