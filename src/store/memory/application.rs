//! Applications: how one is made, changed and closed.

use super::{Tables, replay};
use crate::application::{Application, ApplicationRef};
use crate::endpoint::State;
use crate::id::{ApplicationId, EnvironmentId};
use crate::store::Refused;

/// Makes or changes a living application; its deletion closes its endpoints and is final.
pub(super) fn put(tables: &mut Tables, application: &Application) -> Option<Refused> {
    let refused = judge(tables, application);
    if refused.is_none() {
        // whose events it receives stays as it was made
        let source = tables.applications.get(&application.id).map_or(application.source, |before| before.source);
        tables.applications.insert(application.id, Application { source, ..application.clone() });
        for endpoint in tables.endpoints.values_mut().filter(|row| row.application == application.id) {
            endpoint.wire = application.wire;
        }
        if application.deleted {
            close_endpoints(tables, application.id, application.updated_ms);
        }
    }
    refused
}

/// Why it may not become so.
pub(super) fn judge(tables: &Tables, application: &Application) -> Option<Refused> {
    match tables.applications.get(&application.id) {
        Some(before) if before.deleted => return Some(Refused::Stale),
        Some(before) if before.provider != application.provider && is_in_use(tables, application.id) => {
            return Some(Refused::Fixed);
        }
        _ => {}
    }
    let rival = |row: &Application| {
        row.id != application.id
            && row.environment == application.environment
            && !row.deleted
            && row.uid == application.uid
    };
    let taken = application.uid.is_some() && !application.deleted && tables.applications.values().any(rival);
    taken.then_some(Refused::Taken)
}

/// Whether it has events or endpoints, which fix its provider.
fn is_in_use(tables: &Tables, application: ApplicationId) -> bool {
    tables.events.values().any(|row| row.event.application == application)
        || tables.endpoints.values().any(|row| row.application == application && row.state != State::Deleted)
}

/// Deletes one for its source's sake, unless it is deleted already.
pub(super) fn delete(tables: &mut Tables, application: ApplicationId, updated_ms: i64) {
    if let Some(row) = tables.applications.get_mut(&application).filter(|row| !row.deleted) {
        (row.deleted, row.updated_ms) = (true, updated_ms);
        close_endpoints(tables, application, updated_ms);
    }
}

/// A living one, by its name.
pub(super) fn find(tables: &Tables, environment: EnvironmentId, application: &ApplicationRef) -> Option<Application> {
    let named = |row: &&Application| match application {
        ApplicationRef::Id(id) => row.id == *id,
        ApplicationRef::Uid(uid) => row.uid.as_ref() == Some(uid),
    };
    let mut living = tables.applications.values().filter(|row| row.environment == environment && !row.deleted);
    living.find(named).cloned()
}

/// One that lives, or was deleted after that moment.
pub(super) fn lately(tables: &Tables, of: EnvironmentId, id: ApplicationId, since_ms: i64) -> Option<Application> {
    let shown = |row: &&Application| row.environment == of && (!row.deleted || row.updated_ms > since_ms);
    tables.applications.get(&id).filter(shown).cloned()
}

/// Its endpoints are deleted with it, and what is made again for them is called off.
fn close_endpoints(tables: &mut Tables, application: ApplicationId, updated_ms: i64) {
    let of_it = |row: &&mut crate::endpoint::Endpoint| row.application == application && row.state != State::Deleted;
    for endpoint in tables.endpoints.values_mut().filter(of_it) {
        (endpoint.state, endpoint.updated_ms) = (State::Deleted, updated_ms);
        endpoint.revision += 1;
    }
    replay::call_off(tables, |replay| replay.application == application, updated_ms);
}
