//! Sources: how one is made with its application, changed and closed.

use std::collections::BTreeSet;

use super::{Tables, application, refusal};
use crate::application::Application;
use crate::id::EnvironmentId;
use crate::source::{Source, SourceRef, token_hash};
use crate::store::Refused;

/// A living source of an environment.
pub(super) fn find(tables: &Tables, environment: EnvironmentId, source: &SourceRef) -> Option<Source> {
    let named = |row: &&Source| match source {
        SourceRef::Id(id) => row.id == *id,
        SourceRef::Uid(uid) => row.uid.as_ref() == Some(uid),
    };
    living(tables).filter(|row| row.environment == environment).find(named).cloned()
}

/// Makes or changes a source with all that hangs on it, or changes nothing.
pub(super) fn put(tables: &mut Tables, source: &Source, application: Option<&Application>) -> Option<Refused> {
    if source.revision == 1 { insert(tables, source, application) } else { update(tables, source) }
}

fn insert(tables: &mut Tables, source: &Source, application: Option<&Application>) -> Option<Refused> {
    let Some(application) = application else {
        return Some(Refused::Stale);
    };
    if let Some(refused) = application::judge(tables, application) {
        return Some(refused);
    }
    if tables.sources.contains_key(&source.id) || is_taken(tables, source) {
        return Some(Refused::Taken);
    }
    tables.sources.insert(source.id, source.clone());
    application::put(tables, application)
}

/// Where it lives and which application is its own stay as they were made.
fn update(tables: &mut Tables, source: &Source) -> Option<Refused> {
    let before = living(tables).find(|row| row.id == source.id && row.revision == source.revision - 1);
    let Some(&Source { environment, application, .. }) = before else {
        return Some(Refused::Stale);
    };
    if is_taken(tables, source) {
        return Some(Refused::Taken);
    }
    tables.sources.insert(source.id, Source { environment, application, ..source.clone() });
    if source.deleted {
        application::delete(tables, application, source.updated_ms);
        refusal::forget(tables, source.id);
    }
    None
}

/// Whether another living source has its uid or one of its tokens.
fn is_taken(tables: &Tables, source: &Source) -> bool {
    let hashes = |row: &Source| row.tokens.iter().map(|slot| token_hash(&slot.token)).collect::<BTreeSet<_>>();
    let own = hashes(source);
    let rival = |row: &Source| {
        row.id != source.id
            && ((source.uid.is_some() && row.environment == source.environment && row.uid == source.uid)
                || !own.is_disjoint(&hashes(row)))
    };
    !source.deleted && (own.len() < source.tokens.len() || living(tables).any(rival))
}

pub(super) fn living(tables: &Tables) -> impl Iterator<Item = &Source> {
    tables.sources.values().filter(|row| !row.deleted)
}
