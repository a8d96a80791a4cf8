//! The audit log.

use std::convert::Infallible;

use super::list::{scan, within};
use super::{Memory, Tables};
use crate::application::Application;
use crate::audit::{By, Deed, ENTRIES_MAX, Entry, KEPT_MS, Wanted};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::id::{ApplicationId, EndpointId, EntryId, Id as _, KeyId, SourceId, UserId};
use crate::key::Key;
use crate::source::Source;
use crate::store::trail::{self, Standing};
use crate::store::{Audit, FORGET_ROWS_MAX, Filter, Listed, Page, SCAN_ROWS_MAX};
use crate::user::User;

impl Audit for Memory {
    fn audit(&self, page: Page<EntryId>, wanted: &Wanted) -> Result<Listed<Entry>> {
        let tables = self.tables();
        let rows = within(tables.audit.iter().collect(), page, &Filter::default(), |entry: &Entry| entry.id.value());
        Ok(scan(&rows, (&page, SCAN_ROWS_MAX), |entry| entry.id.value(), |entry| wanted.fits(entry)))
    }
}

impl Standing for Tables {
    type Failed = Infallible;

    fn application(&self, id: ApplicationId) -> Result<Option<Application>, Infallible> {
        Ok(self.applications.get(&id).cloned())
    }

    fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, Infallible> {
        Ok(self.endpoints.get(&id).cloned())
    }

    fn source(&self, id: SourceId) -> Result<Option<Source>, Infallible> {
        Ok(self.sources.get(&id).cloned())
    }

    fn user(&self, id: UserId) -> Result<Option<User>, Infallible> {
        Ok(self.people.user(id).cloned())
    }

    fn key(&self, id: KeyId) -> Result<Option<Key>, Infallible> {
        Ok(self.keys.get(&id).cloned())
    }
}

/// Writes a deed down that was done.
pub(super) fn tell(tables: &mut Tables, at_ms: i64, by: By, deed: Deed) {
    let Ok(who) = trail::who(tables, by.actor);
    let number = tables.audit.last().map_or(0, |entry| entry.id.value()) + 1;
    let by = By { environment: deed.environment, ..by };
    tables.audit.push(Entry { id: EntryId::new(number), at_ms, by, who, deed });
}

/// Lets entries go that are past their time, or too many.
pub(super) fn forget(tables: &mut Tables, wall_ms: i64) {
    let last = tables.audit.last().map_or(0, |entry| entry.id.value());
    let old = |entry: &Entry| entry.at_ms < wall_ms - KEPT_MS || entry.id.value() <= last - ENTRIES_MAX;
    let mut seen = 0;
    tables.audit.retain(|entry| {
        seen += 1;
        seen > FORGET_ROWS_MAX || !old(entry)
    });
}
