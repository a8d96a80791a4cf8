//! The due index against the deliveries, and whose turn it is in each chain: one delivery's, and no more.

use rusqlite::{Connection, Row};

use super::{Checking, FAULTS_MAX};
use crate::delivery::BLOCKED_MS;
use crate::error::Result;
use crate::id::{EndpointId, EventId, Id as _, IdText};

type Sql<T> = rusqlite::Result<T>;

/// How a row of a question below is told.
type Tell = fn(&Row<'_>, &IdText) -> Sql<String>;

const LINES_WITHOUT_DELIVERY: &str = "select endpoint, event from due where not exists
     (select 1 from delivery where delivery.event = due.event and delivery.endpoint = due.endpoint and delivery.due_ms = due.due_ms)";
const DELIVERIES_WITHOUT_LINE: &str = "select endpoint, event from delivery where due_ms is not null and not exists
     (select 1 from due where due.endpoint = delivery.endpoint and due.due_ms = delivery.due_ms and due.event = delivery.event)";
const PLACES_WITHOUT_DELIVERY: &str = "select endpoint, event from chain where not exists
     (select 1 from delivery where delivery.event = chain.event and delivery.endpoint = chain.endpoint and status = 1 and order_key = key)";
const HEADS: &str = "select endpoint, key, count(*) filter (where due_ms < ?1) as heads from chain
     join delivery using (event, endpoint) group by endpoint, key having heads <> 1";

pub(super) fn check(checking: &mut Checking<'_>) -> Result<()> {
    let questions: [(&str, Tell); 4] = [
        (LINES_WITHOUT_DELIVERY, |row, ids| {
            Ok(format!("{}: a line of the due index, and no delivery that is due then", delivery(row, ids)?))
        }),
        (DELIVERIES_WITHOUT_LINE, |row, ids| {
            Ok(format!("{}: it is due, and has no line in the due index", delivery(row, ids)?))
        }),
        (PLACES_WITHOUT_DELIVERY, |row, ids| {
            Ok(format!("{}: a place in its chain, and no delivery that waits there", delivery(row, ids)?))
        }),
        (HEADS, |row, ids| {
            let (endpoint, heads): (EndpointId, i64) = (EndpointId::new(row.get(0)?), row.get(2)?);
            let key: i64 = row.get(1)?;
            Ok(format!("endpoint {}, key {key}: it is the turn of {heads} deliveries, not of one", ids.of(endpoint)))
        }),
    ];
    for (sql, told) in questions {
        let faults = ask(&checking.beside.db, sql, |row| told(row, &checking.ids));
        let faults = faults.map_err(|error| checking.beside.why(error))?;
        for fault in faults {
            checking.fault(fault);
        }
    }
    Ok(())
}

fn ask(db: &Connection, sql: &str, told: impl FnMut(&Row<'_>) -> Sql<String>) -> Sql<Vec<String>> {
    let mut sql = db.prepare(sql)?;
    if sql.parameter_count() > 0 {
        sql.raw_bind_parameter(1, BLOCKED_MS)?;
    }
    sql.raw_query().mapped(told).take(FAULTS_MAX + 1).collect()
}

fn delivery(row: &Row<'_>, ids: &IdText) -> Sql<String> {
    let (endpoint, event) = (EndpointId::new(row.get(0)?), EventId::new(row.get(1)?));
    Ok(format!("event {} at endpoint {}", ids.of(event), ids.of(endpoint)))
}
