//! A salvo: shots fired in order, or at once, and what each of them got.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;

use super::fault::{Expected, Fault};
pub use super::shot::{Proof, Shot, Signer};
use crate::clock::Clock;
use crate::egress::probe::{Manner, Prober, Request, Unreachable};
use crate::providers::Scene;

/// How many events a burst has.
pub const BURST: usize = 100;
/// How long a late request waits, in ms.
const LATE_MS: i64 = 30_000;

/// What one request got.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Its place in the salvo, from 1.
    pub seq: usize,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The event's id, when it has one.
    pub id: Option<String>,
    /// What was wrong with it on purpose.
    pub fault: Option<&'static str>,
    /// What it was answered; null when nothing was.
    pub status: Option<u16>,
    /// How long that took.
    pub ms: u64,
    /// Whether that is what it should get.
    #[serde(skip)]
    pub right: bool,
}

/// Where shots go, who signs them, and how long a second lasts.
pub struct Battery {
    /// Who sends.
    pub prober: Prober,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who signs.
    pub signer: Signer,
    /// Where to.
    pub url: String,
    /// Waits are divided by this; `None` for no waits between the steps of a flow.
    pub speed: Option<u32>,
}

/// The shots that events become under some faults, in volleys: a burst is one of all that there is.
pub fn load(scenes: Vec<Scene>, faults: &[Fault]) -> Vec<Vec<Shot>> {
    let mut shots: Vec<Shot> = Vec::new();
    for scene in scenes {
        let single = faults.iter().copied().filter(|fault| !matches!(fault, Fault::Reorder | Fault::Burst));
        let mut made: Vec<Shot> = Vec::new();
        for fault in single {
            let shot = Shot::with(scene.clone(), fault);
            made.extend(match fault {
                Fault::Duplicate => vec![Shot { fault: None, ..shot.clone() }, Shot { wait_ms: 0, ..shot }],
                Fault::DropThenRetry => {
                    let dropped = Shot { manner: Manner::HangUp, expected: Expected::Nothing, ..shot.clone() };
                    vec![dropped, Shot { wait_ms: 0, ..shot }]
                }
                Fault::Late => vec![Shot { wait_ms: shot.wait_ms + LATE_MS, ..shot }],
                _ => vec![shot],
            });
        }
        shots.extend(if made.is_empty() { vec![Shot::of(scene)] } else { made });
    }
    if faults.contains(&Fault::Reorder) {
        for pair in shots.chunks_exact_mut(2) {
            pair.swap(0, 1);
            pair[0].fault.get_or_insert(Fault::Reorder);
        }
    }
    if faults.contains(&Fault::Burst) {
        let at_once = |shot: Shot| Shot { wait_ms: 0, fault: shot.fault.or(Some(Fault::Burst)), ..shot };
        return vec![shots.into_iter().map(at_once).collect()];
    }
    shots.into_iter().map(|shot| vec![shot]).collect()
}

impl Battery {
    /// Fires shots one volley after the other, those of a volley at once; `seen` hears of each.
    /// Error: nobody is there.
    pub async fn fire(
        self: &Arc<Self>,
        volleys: Vec<Vec<Shot>>,
        mut seen: impl FnMut(Shown),
    ) -> Result<(), Unreachable> {
        let mut seq = 0;
        for volley in volleys {
            self.wait(&volley).await;
            let mut flights = JoinSet::new();
            for shot in volley {
                seq += 1;
                let (battery, number) = (Arc::clone(self), seq);
                flights.spawn(async move { battery.one(number, &shot).await });
            }
            while let Some(landed) = flights.join_next().await {
                seen(landed.map_err(|error| Unreachable(error.to_string()))??);
            }
        }
        Ok(())
    }

    async fn wait(&self, volley: &[Shot]) {
        let wait_ms = volley.iter().map(|shot| shot.wait_ms).max().unwrap_or_default();
        let late = volley.iter().any(|shot| shot.fault == Some(Fault::Late));
        let wait_ms = match self.speed {
            Some(speed) => wait_ms / i64::from(speed.max(1)),
            None if late => LATE_MS,
            None => 0,
        };
        tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())).await;
    }

    /// Fires one shot. Error: no connection, unless nothing is expected of it anyway.
    pub(super) async fn one(&self, seq: usize, shot: &Shot) -> Result<Shown, Unreachable> {
        let begun = self.clock.now();
        let headers = shot.headers(&self.signer, begun.wall_ms.div_euclid(1_000));
        let request = Request { url: &self.url, headers: &headers, body: &shot.scene.body, manner: shot.manner };
        let answer = self.prober.send(&request).await?;
        let ms = (self.clock.now().steady_ms - begun.steady_ms).unsigned_abs();
        let right = match shot.expected {
            Expected::Taken => answer.status.is_some_and(|status| (200..300).contains(&status)),
            Expected::Refused => answer.status.is_some_and(|status| (400..500).contains(&status)),
            Expected::Nothing => true,
        };
        Ok(Shown {
            seq,
            event_type: shot.scene.event_type.clone(),
            id: shot.scene.id.clone(),
            fault: shot.fault.map(Fault::name),
            status: answer.status,
            ms,
            right,
        })
    }
}
