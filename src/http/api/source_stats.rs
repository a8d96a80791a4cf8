//! `/source/{source}/stats`: what its requests came to, and whether some may be missing.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::{Api, source};
use crate::error::Result;
use crate::http::call::{Call, answer};
use crate::http::page::time;
use crate::inbound::Refusal;
use crate::source::SourceStats;

/// A source that is silent this many times longer than its longest silence of two weeks has probably lost events,
const SILENCE_FACTOR: i64 = 3;
/// if that is at least so long,
const SILENCE_MS_MIN: i64 = 30 * 60_000;
/// and it has shown its habits with at least so many events.
const HABIT_EVENTS: u64 = 20;
/// How long after it an outage is worth a look: 30 days.
const OUTAGE_MS: i64 = 30 * 86_400_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatsOut {
    accepted: u64,
    duplicates: u64,
    conflicts: u64,
    held: u64,
    unknown_types: u64,
    quarantined: u64,
    pings: u64,
    processed: u64,
    refused: BTreeMap<&'static str, u64>,
    last_event_at: Option<String>,
    gap_suspected: bool,
    gap: Option<GapOut>,
}

/// A time in which events may have been lost before they reached the door: ask the provider's API for them.
#[derive(Serialize)]
struct GapOut {
    reason: &'static str,
    since: String,
    until: Option<String>,
}

/// GET `/source/{source}/stats`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let source = source::find(&api, &call).await?.id;
    api.doors.write_down().await;
    let stats = api.read(move |store| store.source_stats(source)).await?;
    Ok(answer(StatusCode::OK, &out(&stats, api.clock.now().wall_ms)))
}

fn out(stats: &SourceStats, now_ms: i64) -> StatsOut {
    let gap = gap(stats, now_ms);
    StatsOut {
        accepted: stats.accepted,
        duplicates: stats.duplicates,
        conflicts: stats.conflicts,
        held: stats.held,
        unknown_types: stats.unknown_types,
        quarantined: stats.quarantined,
        pings: stats.pings,
        processed: stats.processed,
        refused: Refusal::ALL
            .into_iter()
            .filter(|refusal| *refusal != Refusal::MalformedBody)
            .map(|refusal| (refusal.code(), stats.refused.get(&refusal).copied().unwrap_or_default()))
            .collect(),
        last_event_at: stats.last_ms.map(time),
        gap_suspected: gap.is_some(),
        gap,
    }
}

fn gap(stats: &SourceStats, now_ms: i64) -> Option<GapOut> {
    if let Some((since_ms, until_ms)) = stats.outage.filter(|(_, until_ms)| now_ms - until_ms < OUTAGE_MS) {
        return Some(GapOut { reason: "outage", since: time(since_ms), until: Some(time(until_ms)) });
    }
    let (last_ms, usual_ms) = (stats.last_ms?, stats.usual_silence_ms?);
    let long = now_ms - last_ms > (usual_ms * SILENCE_FACTOR).max(SILENCE_MS_MIN);
    (long && stats.accepted >= HABIT_EVENTS).then(|| GapOut { reason: "silence", since: time(last_ms), until: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn reason(stats: &SourceStats, now_ms: i64) -> Option<&'static str> {
        gap(stats, now_ms).map(|gap| gap.reason)
    }

    #[test]
    fn a_silence_is_suspicious_when_it_is_much_longer_than_usual() {
        let stats = SourceStats {
            accepted: HABIT_EVENTS,
            last_ms: Some(0),
            usual_silence_ms: Some(HOUR_MS),
            ..SourceStats::default()
        };
        assert_eq!((reason(&stats, 3 * HOUR_MS), reason(&stats, 3 * HOUR_MS + 1)), (None, Some("silence")));
        let new = SourceStats { accepted: HABIT_EVENTS - 1, ..stats.clone() };
        assert_eq!(reason(&new, 1_000 * HOUR_MS), None);
        let busy = SourceStats { usual_silence_ms: Some(100), ..stats };
        assert_eq!((reason(&busy, SILENCE_MS_MIN), reason(&busy, SILENCE_MS_MIN + 1)), (None, Some("silence")));
    }

    #[test]
    fn an_outage_is_told_for_thirty_days() {
        let stats = SourceStats { outage: Some((0, HOUR_MS)), ..SourceStats::default() };
        assert_eq!(reason(&stats, HOUR_MS), Some("outage"));
        assert_eq!(reason(&stats, HOUR_MS + OUTAGE_MS), None);
        assert_eq!(reason(&SourceStats::default(), HOUR_MS), None);
    }
}
