//! What a source's requests come to: added up over a batch, then put into the source's row once.

use std::collections::BTreeMap;

use super::week;
use crate::conflict::Held;
use crate::event::Release;
use crate::id::SourceId;
use crate::inbound::{Flags, Refusal};
use crate::source::SourceStats;

/// What one batch adds to the rows of its sources, so that a thousand events of one source cost one row.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<SourceId, SourceStats>);

impl Tally {
    /// What the batch adds to this source.
    pub(super) fn of(&mut self, source: SourceId) -> &mut SourceStats {
        self.0.entry(source).or_default()
    }

    /// An event was kept. A conflict that is released was counted when it was held.
    pub(super) fn accept(&mut self, source: SourceId, flags: Flags, release: Option<&Release>) {
        let was_held = release.is_some_and(|release| matches!(release.held, Held::Conflict(_)));
        let stats = self.of(source);
        stats.accepted += 1;
        stats.conflicts += u64::from(flags.has(Flags::ID_CONFLICT) && !was_held);
        stats.unknown_types += u64::from(flags.has(Flags::UNKNOWN_TYPE));
    }

    /// Requests became no event.
    pub(super) fn turn(&mut self, source: SourceId, pings: u64, refused: &[(Refusal, u64)]) {
        let stats = self.of(source);
        stats.pings += pings;
        for (reason, count) in refused {
            *stats.refused.entry(*reason).or_default() += count;
        }
    }

    /// Each source with what the batch adds.
    pub(super) fn into_sources(self) -> impl Iterator<Item = (SourceId, SourceStats)> {
        self.0.into_iter()
    }
}

/// A source's row: its statistics, and the silences that its usual one is made from.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceTally {
    /// The sums since the source was made.
    pub(super) stats: SourceStats,
    /// The week of the last event.
    pub(super) week: i64,
    /// The longest silence of that week.
    pub(super) silence_ms: i64,
    /// The longest silence of the week before it.
    pub(super) silence_before_ms: i64,
}

impl SourceTally {
    /// Adds what a batch of this moment came to.
    pub(super) fn add(&mut self, batch: SourceStats, wall_ms: i64) {
        let total = &mut self.stats;
        total.accepted += batch.accepted;
        total.duplicates += batch.duplicates;
        total.conflicts += batch.conflicts;
        total.unknown_types += batch.unknown_types;
        total.quarantined += batch.quarantined;
        total.pings += batch.pings;
        total.processed += batch.processed;
        total.outage = batch.outage.or(total.outage);
        for (reason, count) in batch.refused {
            *total.refused.entry(reason).or_default() += count;
        }
        if batch.accepted > 0 {
            self.hear(wall_ms);
        }
    }

    /// An event came: the silence before it ends. Silences count in the week they end in.
    fn hear(&mut self, wall_ms: i64) {
        let silence_ms = self.stats.last_ms.map_or(0, |last_ms| (wall_ms - last_ms).max(0));
        let this_week = week(wall_ms);
        // a clock that was set back stays in the week it came from
        if self.stats.last_ms.is_some() && this_week <= self.week {
            self.silence_ms = self.silence_ms.max(silence_ms);
        } else {
            let follows = self.week == this_week - 1;
            self.silence_before_ms = if follows { self.silence_ms } else { silence_ms };
            (self.week, self.silence_ms) = (this_week, silence_ms);
        }
        self.stats.last_ms = self.stats.last_ms.max(Some(wall_ms));
    }

    /// The statistics as they are shown.
    pub(super) fn shown(self) -> SourceStats {
        // one event ends no silence
        let usual_silence_ms = (self.stats.accepted >= 2).then(|| self.silence_ms.max(self.silence_before_ms));
        SourceStats { usual_silence_ms, ..self.stats }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const WEEK_MS: i64 = 7 * 24 * HOUR_MS;
    const MONDAY_MS: i64 = 2_968 * WEEK_MS;

    fn heard_at(moments_ms: &[i64]) -> SourceStats {
        let mut row = SourceTally::default();
        for &at_ms in moments_ms {
            row.add(SourceStats { accepted: 1, ..SourceStats::default() }, at_ms);
        }
        row.shown()
    }

    #[test]
    fn the_usual_silence_is_the_longest_of_two_weeks() {
        let check = |hours: &[i64], usual_hours: Option<i64>| {
            let moments: Vec<_> = hours.iter().map(|hour| MONDAY_MS + hour * HOUR_MS).collect();
            let stats = heard_at(&moments);
            assert_eq!(stats.usual_silence_ms, usual_hours.map(|hours| hours * HOUR_MS), "{hours:?}");
            assert_eq!(stats.last_ms, moments.iter().max().copied());
        };
        check(&[5], None);
        check(&[5, 6], Some(1));
        check(&[0, 30, 31, 40], Some(30));
        // the second week remembers the first, the third does not
        check(&[0, 30, 168], Some(138));
        check(&[0, 100, 168, 170, 300, 336], Some(130));
        check(&[0, 100, 160, 170, 330, 340, 350], Some(160));
        // a week without any event
        check(&[0, 1, 400, 401], Some(399));
        // a clock set back
        check(&[0, 10, 5, 12], Some(10));
        check(&[0, 10, -100, 12], Some(10));
    }
}
