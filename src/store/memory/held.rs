//! What a source holds back until an Admin decides: kept, released and discarded.

use bytes::Bytes;

use super::count::Sums;
use super::{Memory, Tables, audit};
use crate::conflict::{Conflict, First, Held, State};
use crate::event::Release;
use crate::id::{ConflictId, EventId, Id, floor_at};
use crate::inbound::Flags;
use crate::quarantine::Quarantined;
use crate::repetition::{self, Before, JUDGED_MAX, Verdict};
use crate::source::Dedup;
use crate::store::tally::Tally;
use crate::store::{CONFLICTS_MAX, FORGET_ROWS_MAX, HELD_MS, NewRow, QUARANTINED_MAX, Refused, trail};

/// A conflict, and what only its row knows.
#[derive(Clone, Debug)]
pub(super) struct ConflictRow {
    pub(super) conflict: Conflict,
    key: [u8; 16],
    fingerprint: Option<[u8; 16]>,
    pub(super) told: bool,
}

impl Memory {
    /// A mutant's doing: what is held back is not there.
    pub(crate) fn lose_held(&self) {
        self.tables().conflicts.clear();
    }
}

/// Whoever hears of a conflict is being told. Refused: that was done.
pub(super) fn tell(tables: &mut Tables, conflict: ConflictId) -> Option<Refused> {
    match tables.conflicts.get_mut(&conflict) {
        Some(row) if !row.told => {
            row.told = true;
            None
        }
        _ => Some(Refused::Stale),
    }
}

/// The conflict that this event is, when it came before and was held back; it is counted there.
pub(super) fn known(
    tables: &mut Tables,
    tally: &mut Tally,
    row: &NewRow,
    dedup: &Dedup,
    came: &[u8],
) -> Option<ConflictId> {
    let event_type = &row.event.event_type;
    let rows = tables.conflicts.values().rev();
    let under: Vec<_> = rows.filter(|held| held.key == dedup.key && held.conflict.event_type == *event_type).collect();
    let says_the_same = |held: &&&ConflictRow| {
        let before = Before {
            twin: &held.conflict.twin,
            fingerprint: held.fingerprint.as_ref().map(|print| &print[..]),
            payload: Some(&held.conflict.body[..]).filter(|_| held.fingerprint.is_none()),
        };
        repetition::judge(came, dedup.twin, before) == Verdict::Repetition
    };
    let twin = under.iter().find(|held| held.conflict.twin == dedup.twin);
    let known = twin.or_else(|| under.iter().take(JUDGED_MAX).find(says_the_same))?.conflict.id;
    let conflict = &mut tables.conflicts.get_mut(&known)?.conflict;
    conflict.count += 1;
    tally.of(conflict.source).duplicates += 1;
    Some(known)
}

/// Holds an event back that contradicts another. Refused: always; as held, or since too many are.
pub(super) fn hold(
    tables: &mut Tables,
    tally: &mut Tally,
    row: &NewRow,
    dedup: &Dedup,
    (first, flags): (First, Flags),
) -> Refused {
    let event = &row.event;
    let Some(arrival) = &event.arrival else {
        return Refused::Stale;
    };
    let waiting = tables.conflicts.values().map(|row| &row.conflict);
    let waiting = waiting.filter(|row| row.source == arrival.source && row.state == State::Waiting).count();
    if waiting >= CONFLICTS_MAX {
        return Refused::Full(CONFLICTS_MAX);
    }
    let id = ConflictId::new(event.id.value());
    let conflict = Conflict {
        id,
        source: arrival.source,
        application: event.application,
        first,
        event_type: event.event_type.clone(),
        dedup_key: arrival.dedup_key.clone(),
        count: 1,
        flags,
        state: State::Waiting,
        headers: arrival.headers.clone(),
        body: event.body.clone(),
        twin: dedup.twin,
    };
    tables.conflicts.insert(id, ConflictRow { conflict, key: dedup.key, fingerprint: None, told: false });
    tally.of(arrival.source).conflicts += 1;
    Refused::Held { conflict: id, first, is_new: true }
}

/// Whether something that is held back still waits for an Admin.
pub(super) fn waits(tables: &Tables, held: Held) -> bool {
    let state = match held {
        Held::Conflict(id) => tables.conflicts.get(&id).map(|row| row.conflict.state),
        Held::Quarantined(number) => tables.quarantine.get(&number).map(|(_, state)| *state),
    };
    state == Some(State::Waiting)
}

/// What was held back is an event now, or was one before.
pub(super) fn released(tables: &mut Tables, release: &Release, event: EventId, wall_ms: i64) {
    decide(tables, release.held, State::Released(event));
    let Ok(deed) = trail::released(tables, release.by, release.held, event);
    audit::tell(tables, wall_ms, release.by, deed);
}

/// What was held back is not wanted, or past its time. Refused: none waits.
pub(super) fn discard(tables: &mut Tables, all: &[Held]) -> Option<Refused> {
    let waiting: Vec<_> = all.iter().copied().filter(|&held| waits(tables, held)).collect();
    for &held in &waiting {
        decide(tables, held, State::Discarded);
    }
    waiting.is_empty().then_some(Refused::Stale)
}

/// Its bytes go; what comes again is known all the same.
fn decide(tables: &mut Tables, held: Held, state: State) {
    match held {
        Held::Conflict(id) => {
            if let Some(row) = tables.conflicts.get_mut(&id) {
                let Conflict { body, twin, .. } = &row.conflict;
                row.fingerprint = repetition::fingerprint(body, twin);
                (row.conflict.state, row.conflict.body, row.conflict.headers) = (state, Bytes::new(), Vec::new());
            }
        }
        Held::Quarantined(number) => {
            if let Some((row, stands)) = tables.quarantine.get_mut(&number) {
                (*stands, row.body, row.headers) = (state, Bytes::new(), Vec::new());
            }
        }
    }
}

/// Keeps a body that was not understood once; above the limit it is counted alone. Refused: an Admin has decided.
pub(super) fn quarantine(tables: &mut Tables, sums: &mut Sums, quarantined: &Quarantined) -> Option<Refused> {
    let mut of_source = tables.quarantine.values_mut().filter(|(row, _)| row.source == quarantined.source);
    if let Some((row, state)) = of_source.find(|(row, _)| row.sha256 == quarantined.sha256) {
        row.count += quarantined.count;
        return (*state != State::Waiting).then_some(Refused::Stale);
    }
    sums.tally.of(quarantined.source).quarantined += 1;
    let waiting =
        tables.quarantine.values().filter(|(row, state)| row.source == quarantined.source && *state == State::Waiting);
    if waiting.count() < QUARANTINED_MAX {
        let number = tables.quarantine.last_key_value().map_or(1, |(last, _)| last + 1);
        tables.quarantine.insert(number, (quarantined.clone(), State::Waiting));
    }
    None
}

/// Forgets what was decided so long ago that nothing of it comes again.
pub(super) fn forget(tables: &mut Tables, wall_ms: i64) {
    let before_ms = wall_ms - HELD_MS;
    let old = tables.conflicts.range(..ConflictId::new(floor_at(before_ms)));
    let decided = old.filter(|(_, row)| row.conflict.state != State::Waiting).map(|(id, _)| *id);
    for id in decided.take(FORGET_ROWS_MAX).collect::<Vec<_>>() {
        tables.conflicts.remove(&id);
    }
    let old = tables.quarantine.iter().filter(|(_, (row, state))| *state != State::Waiting && row.first_ms < before_ms);
    let mut old: Vec<_> = old.map(|(number, (row, _))| (row.first_ms, *number)).collect();
    old.sort_unstable();
    for (_, number) in old.into_iter().take(FORGET_ROWS_MAX) {
        tables.quarantine.remove(&number);
    }
}
