//! Damage: what cannot be read because a page does not hold what it should. It is told once for each place, and gone
//! around where that is possible.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;

use rusqlite::{Connection, params};

use crate::error::{Error, Result};
use crate::event::Event;
use crate::id::{ApplicationId, EndpointId, Id as _};
use crate::store::{DAMAGED, DAMAGES_MAX};

/// Places that cannot be read, as far as anybody came there since the start.
#[derive(Debug, Default)]
pub(super) struct Damage(Mutex<BTreeSet<String>>);

impl Damage {
    /// Tells of a place, once. After [`DAMAGES_MAX`] of them it tells of no more.
    pub(super) fn note(&self, place: impl fmt::Display, why: &dyn fmt::Display) {
        let mut known = self.0.lock().expect("no panic while held");
        let place = place.to_string();
        if known.len() < DAMAGES_MAX && !known.contains(&place) {
            tracing::error!(
                place,
                %why,
                "the database is damaged here; the rest goes on. `posthaste check` shows all of it; restore a backup"
            );
            known.insert(place);
        }
    }

    /// The places, in their order.
    pub(super) fn places(&self) -> Vec<String> {
        self.0.lock().expect("no panic while held").iter().cloned().collect()
    }

    /// Takes what is read; `None`, and a note, where that is damaged.
    pub(super) fn pass_over<T>(&self, place: impl fmt::Display, read: Result<T>) -> Result<Option<T>> {
        match read {
            Err(error) if is_of(&error) => {
                self.note(place, &error);
                Ok(None)
            }
            read => read.map(Some),
        }
    }
}

/// How the place of a delivery is called, by whoever comes to it.
pub(super) fn delivery(event: i64, endpoint: EndpointId) -> String {
    format!("the delivery of event {event} at endpoint {}", endpoint.value())
}

/// Whether this is the error of damage.
pub(super) fn is_of(error: &Error) -> bool {
    error.code == DAMAGED
}

/// As many of an application's events as are asked for, one by one; those that cannot be read are left out.
pub(super) fn events(
    (db, damage): (&Connection, &Damage),
    application: ApplicationId,
    bounds: (i64, i64),
    (descending, count): (bool, usize),
    read: impl Fn(i64) -> Result<Option<Event>>,
) -> Result<Vec<Event>> {
    let order = if descending { "desc" } else { "asc" };
    let sql = format!(
        "select id from event indexed by event_by_application where application = ?1 and id > ?2 and id < ?3
         order by id {order}"
    );
    let mut sql = db.prepare_cached(&sql)?;
    let mut ids = sql.query(params![application.value(), bounds.0, bounds.1])?;
    let mut found = Vec::new();
    while found.len() < count
        && let Some(row) = ids.next()?
    {
        let id = row.get(0)?;
        found.extend(damage.pass_over(format!("event {id}"), read(id))?.flatten());
    }
    Ok(found)
}
