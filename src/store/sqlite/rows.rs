//! Rows to nouns and back: lists and maps as JSON, secrets sealed.

use bytes::Bytes;
use rusqlite::{Row, types::Type};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::application::Application;
use crate::attempt::{Attempt, Trigger};
use crate::delivery::{Delivery, Status};
use crate::endpoint::{Endpoint, Health, State};
use crate::event::Event;
use crate::event_type::EventType;
use crate::id::{EnvironmentId, Id};
use crate::key::{Key, Role};
use crate::secret::{Sealer, Secret, SecretSlot};
use crate::store::AttemptRow;

type Sql<T> = rusqlite::Result<T>;

pub(super) const APPLICATION: &str = "id, environment, uid, name, metadata, updated_ms, deleted";
pub(super) const ENDPOINT: &str = "id, application, uid, url, description, state, event_types, channels, headers, metadata, secrets, failing_since_ms, clock_runs, updated_ms, revision";
pub(super) const EVENT_TYPE: &str =
    "environment, name, description, schemas, archived, deprecated, created_ms, updated_ms";
pub(super) const EVENT: &str = "id, application, event_type, channels, uid, sha256";
pub(super) const DELIVERY: &str = "status, attempts, step, due_ms, trigger";

/// A secret as it is kept under the seal.
#[derive(Serialize, Deserialize)]
struct KeptSecret {
    text: String,
    expires_ms: Option<i64>,
}

/// A list or map as JSON.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("strings always serialise")
}

/// A list as JSON; null for an empty one.
pub(super) fn optional_list(values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| json(values))
}

pub(super) fn seal_secrets(sealer: &Sealer, endpoint: &Endpoint) -> Vec<u8> {
    let kept = endpoint.secrets.iter().map(|slot| KeptSecret { text: slot.secret.text(), expires_ms: slot.expires_ms });
    sealer.seal(endpoint.id.value(), json(&kept.collect::<Vec<_>>()).as_bytes())
}

pub(super) fn seal_headers(sealer: &Sealer, endpoint: &Endpoint) -> Vec<u8> {
    sealer.seal(endpoint.id.value(), json(&endpoint.headers).as_bytes())
}

fn broken(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, Box::new(error))
}

fn parse<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Sql<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| broken(column, error))
}

fn id<T: Id>(row: &Row<'_>, column: usize) -> Sql<T> {
    row.get(column).map(T::new)
}

/// A number that must be one of an enum's.
fn number<T>(row: &Row<'_>, column: usize, read: impl FnOnce(i64) -> Option<T>) -> Sql<T> {
    let number = row.get(column)?;
    read(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, number))
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
    })
}

pub(super) fn endpoint(row: &Row<'_>, sealer: &Sealer) -> Sql<Endpoint> {
    let open = |column: usize| -> Sql<Vec<u8>> {
        sealer.open(row.get(0)?, row.get_ref(column)?.as_blob()?).map_err(|error| broken(column, error))
    };
    let kept: Vec<KeptSecret> = serde_json::from_slice(&open(10)?).map_err(|error| broken(10, error))?;
    let secrets = kept
        .into_iter()
        .map(|slot| {
            Ok(SecretSlot {
                secret: Secret::parse(&slot.text).map_err(|error| broken(10, error))?,
                expires_ms: slot.expires_ms,
            })
        })
        .collect::<Sql<_>>()?;
    Ok(Endpoint {
        id: id(row, 0)?,
        application: id(row, 1)?,
        uid: row.get(2)?,
        url: row.get(3)?,
        description: row.get(4)?,
        state: number(row, 5, State::from_number)?,
        event_types: parse(row, 6)?,
        channels: parse(row, 7)?,
        headers: serde_json::from_slice(&open(8)?).map_err(|error| broken(8, error))?,
        metadata: parse(row, 9)?,
        secrets,
        health: Health { failing_since_ms: row.get(11)?, clock_runs: row.get(12)? },
        updated_ms: row.get(13)?,
        revision: row.get(14)?,
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
    })
}

/// An event; its body when the statement selects it behind [`EVENT`].
pub(super) fn event(row: &Row<'_>, body: bool) -> Sql<Event> {
    let channels = match row.get_ref(3)?.as_str_or_null()? {
        Some(text) => serde_json::from_str(text).map_err(|error| broken(3, error))?,
        None => Vec::new(),
    };
    let body = if body { Bytes::copy_from_slice(row.get_ref(6)?.as_blob()?) } else { Bytes::new() };
    Ok(Event {
        id: id(row, 0)?,
        application: id(row, 1)?,
        event_type: row.get(2)?,
        channels,
        uid: row.get(4)?,
        sha256: row.get(5)?,
        body,
    })
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
    Ok(AttemptRow { event: id(row, 0)?, endpoint: id(row, 1)?, attempt })
}

pub(super) fn key(row: &Row<'_>) -> Sql<Key> {
    let role = number(row, 2, |number| Role::ALL.into_iter().find(|role| *role as i64 == number))?;
    Ok(Key {
        id: id(row, 0)?,
        environment: id::<EnvironmentId>(row, 1)?,
        role,
        hash: row.get(3)?,
        hint: row.get(4)?,
        revoked_ms: row.get(5)?,
    })
}
