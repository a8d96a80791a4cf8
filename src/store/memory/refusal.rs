//! The requests that a source's door turned away: counted, and the last of them remembered.

use super::Tables;
use crate::id::SourceId;
use crate::store::tally::Tally;
use crate::store::{LAST_REFUSED_MAX, Turned};

/// Counts what was turned away. Of a source that lives, the last are remembered, and what came before them forgotten.
pub(super) fn turned(tables: &mut Tables, tally: &mut Tally, turned: &Turned) {
    let Turned { source: id, pings, refused, last } = turned;
    tally.turn(*id, *pings, refused);
    if tables.sources.get(id).is_none_or(|source| source.deleted) {
        return;
    }
    for request in last {
        let number = tables.refusals.last_key_value().map_or(1, |(last, _)| last + 1);
        tables.refusals.insert(number, (*id, *request));
    }
    let own = tables.refusals.iter().rev().filter(|(_, (source, _))| source == id).map(|(number, _)| *number);
    for number in own.skip(LAST_REFUSED_MAX).collect::<Vec<_>>() {
        tables.refusals.remove(&number);
    }
}

/// Forgets the requests of a source.
pub(super) fn forget(tables: &mut Tables, source: SourceId) {
    tables.refusals.retain(|_, (of, _)| *of != source);
}
