//! What is asked of what came in by sources: by its names on the wire, and what is held back there.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Memory, Tables, list};
use crate::conflict::{Conflict, Held, State};
use crate::error::Result;
use crate::id::{ApplicationId, ConflictId, EventId, Id as _, SourceId, WebhookId, floor_at};
use crate::quarantine::Quarantined;
use crate::store::{Inbox, Listed, Page, REASONS_MAX};

impl Inbox for Memory {
    fn called(&self, named: WebhookId) -> Result<Vec<(ApplicationId, EventId)>> {
        let tables = self.tables();
        let events = tables.events.values().rev().map(|row| &row.event);
        let called = events.filter(|event| event.arrival.as_ref().is_some_and(|came| came.webhook_id == Some(named)));
        Ok(called.map(|event| (event.application, event.id)).collect())
    }

    fn webhook_ids(&self, events: &[EventId]) -> Result<Vec<Option<WebhookId>>> {
        let tables = self.tables();
        Ok(events.iter().map(|&event| tables.webhook_id(event)).collect())
    }

    fn conflicts(&self, source: SourceId, page: Page<ConflictId>) -> Result<Listed<Conflict>> {
        let tables = self.tables();
        let rows = tables.conflicts.values().map(|row| &row.conflict);
        let waiting = rows.filter(|row| row.source == source && row.state == State::Waiting);
        Ok(list::page(waiting, &page, |row| row.id))
    }

    fn conflict(&self, source: SourceId, conflict: ConflictId) -> Result<Option<Conflict>> {
        let tables = self.tables();
        let row = tables.conflicts.get(&conflict).map(|row| &row.conflict);
        Ok(row.filter(|row| row.source == source).cloned())
    }

    fn quarantined(&self, source: SourceId, page: Page<i64>) -> Result<Listed<(i64, Quarantined)>> {
        let tables = self.tables();
        let waiting = tables.quarantine.iter().filter(|(_, (_, state))| *state == State::Waiting);
        let rows: Vec<_> = waiting.map(|(number, (row, _))| (*number, row.clone())).collect();
        Ok(list::page(rows.iter().filter(|(_, row)| row.source == source), &page, |row| row.0))
    }

    fn quarantine_reasons(&self, source: SourceId) -> Result<Vec<(String, u64, Quarantined)>> {
        let tables = self.tables();
        let mut groups = BTreeMap::<String, (u64, Quarantined)>::new();
        for (row, state) in tables.quarantine.values() {
            if row.source == source && *state == State::Waiting {
                let why = row.kind.map_or_else(|| row.reason.clone(), |kind| kind.code().to_owned());
                let count = groups.get(&why).map_or(0, |(count, _)| *count);
                groups.insert(why, (count + 1, row.clone()));
            }
        }
        Ok(groups.into_iter().map(|(why, (count, last))| (why, count, last)).take(REASONS_MAX).collect())
    }

    fn quarantined_body(&self, source: SourceId, sha256: [u8; 32]) -> Result<Option<(i64, Quarantined)>> {
        let tables = self.tables();
        let is_it = |(_, (row, state)): &(&i64, &(Quarantined, State))| {
            row.source == source && row.sha256 == sha256 && *state == State::Waiting
        };
        Ok(tables.quarantine.iter().find(is_it).map(|(number, (row, _))| (*number, row.clone())))
    }

    fn held_since(
        &self,
        of: Option<ApplicationId>,
        before_ms: i64,
        limit: usize,
    ) -> Result<Vec<(ApplicationId, Held)>> {
        let tables = self.tables();
        let is_his = |application: &ApplicationId| of.is_none_or(|of| of == *application);
        let rows = tables.conflicts.range(..ConflictId::new(floor_at(before_ms))).map(|(_, row)| &row.conflict);
        let rows = rows.filter(|row| row.state == State::Waiting && is_his(&row.application));
        let conflicts = rows.take(limit).map(|row| (row.application, Held::Conflict(row.id)));
        let mut rows: Vec<_> = tables.quarantine.iter().collect();
        rows.sort_by_key(|(number, (row, _))| (row.first_ms, **number));
        let waiting =
            |(_, (row, state)): &(&i64, &(Quarantined, State))| *state == State::Waiting && row.first_ms < before_ms;
        let rows = rows.into_iter().filter(waiting).filter_map(|(&number, (row, _))| {
            Some((tables.sources.get(&row.source)?.application, Held::Quarantined(number)))
        });
        let quarantined = rows.filter(|(application, _)| is_his(application)).take(limit);
        Ok(conflicts.chain(quarantined).collect())
    }
}

/// Conflicts of which nobody was told who hears of them, without their headers and bodies.
pub(super) fn untold(tables: &Tables) -> Vec<Conflict> {
    let untold = tables.conflicts.values().filter(|row| !row.told).map(|row| row.conflict.clone());
    untold.map(|row| Conflict { headers: Vec::new(), body: Bytes::new(), ..row }).collect()
}
