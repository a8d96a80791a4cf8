//! The doors of sources: found by token, read anew each half second; and what is turned away there, counted, the last of
//! it remembered.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::clock::Clock;
use crate::engine::run::Engine;
use crate::error::{Error, Result};
use crate::id::SourceId;
use crate::inbound::{Refusal, RefusedRequest};
use crate::provider::Provider;
use crate::providers;
use crate::retry;
use crate::source::{Source, TOKEN_CHARS, token_hash};
use crate::store::{LAST_REFUSED_MAX, Op, Opening, Store, Turned};

/// Another process's change of a source is obeyed within this time and the read that follows it.
const LOOK_MS: i64 = 500;
/// How many sources are kept as last read; all are read anew when there are more.
const KEPT_MAX: usize = 16_384;
/// What was turned away is written down this long after it happened: a flood of forgeries costs one write a second.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// How often the server writes down that it lives, so that the next start knows how long nobody was there.
const ALIVE_EVERY: Duration = Duration::from_mins(1);

/// What must not be lost is told to a store that takes nothing now this long after it did not.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The doors of all sources.
pub struct Doors {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    engine: Engine,
    kept: Mutex<Kept>,
    turned: Mutex<BTreeMap<SourceId, Turns>>,
}

/// Sources by the hash of a token, and when each was read.
type Kept = HashMap<[u8; 16], (i64, Arc<Source>)>;

/// Requests of one source that became no event and are not written down yet.
#[derive(Default)]
struct Turns {
    pings: u64,
    refused: BTreeMap<Refusal, u64>,
    /// The last ones, [`LAST_REFUSED_MAX`] at most: no more are remembered.
    last: VecDeque<RefusedRequest>,
}

impl Turns {
    fn refuse(&mut self, request: RefusedRequest) {
        *self.refused.entry(request.reason).or_default() += 1;
        if self.last.len() >= LAST_REFUSED_MAX {
            self.last.pop_front();
        }
        self.last.push_back(request);
    }
}

impl Doors {
    /// No door was asked for yet.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, engine: Engine) -> Arc<Self> {
        Arc::new(Self { store, clock, engine, kept: Mutex::default(), turned: Mutex::default() })
    }

    /// The source that a token opens now. Error: the store cannot tell.
    pub(super) async fn find(&self, token: &str) -> Result<Option<Arc<Source>>> {
        if token.len() != TOKEN_CHARS || !token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        let (now, hash) = (self.clock.now(), token_hash(token));
        let kept = self.kept().get(&hash).filter(|(read_ms, _)| now.steady_ms - read_ms < LOOK_MS).cloned();
        let source = match kept {
            Some((_, source)) => Some(source),
            None => self.look(hash, now.steady_ms).await?,
        };
        Ok(source.filter(|source| source.opened_by(token, now.wall_ms)))
    }

    async fn look(&self, hash: [u8; 16], now_ms: i64) -> Result<Option<Arc<Source>>> {
        let store = Arc::clone(&self.store);
        let found = spawn_blocking(move || store.source_by_token(&hash)).await.map_err(Error::internal)??;
        let mut kept = self.kept();
        let Some(source) = found.map(Arc::new) else {
            kept.remove(&hash);
            return Ok(None);
        };
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(hash, (now_ms, Arc::clone(&source)));
        Ok(Some(source))
    }

    /// A source has changed: the next request reads it anew.
    pub(super) fn changed(&self, source: SourceId) {
        self.kept().retain(|_, (_, kept)| kept.id != source);
    }

    /// Counts a request that was not let in, and remembers it for a while.
    pub(super) fn refuse(self: &Arc<Self>, source: SourceId, request: RefusedRequest) {
        self.turn(source, |turns| turns.refuse(request));
    }

    /// Counts a validation ping.
    pub(super) fn ping(self: &Arc<Self>, source: SourceId) {
        self.turn(source, |turns| turns.pings += 1);
    }

    fn turn(self: &Arc<Self>, source: SourceId, count: impl FnOnce(&mut Turns)) {
        let mut turned = self.turned();
        let is_first = turned.is_empty();
        count(turned.entry(source).or_default());
        if is_first {
            let doors = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(COUNT_EVERY).await;
                doors.write_down().await;
            });
        }
    }

    /// Writes down what was turned away; a store that takes nothing now loses these counts, and nothing else.
    pub async fn write_down(&self) {
        let turned = std::mem::take(&mut *self.turned());
        for (source, turns) in turned {
            let Turns { pings, refused, last } = turns;
            let turned = Turned { source, pings, refused: refused.into_iter().collect(), last: last.into() };
            if let Err(failed) = self.engine.record(Op::Turned(turned)).await {
                tracing::warn!(?failed, "refused requests could not be counted");
            }
        }
    }

    /// Writes down now and then that the server lives; `opening` tells how long it did not, for the sources
    /// whose providers have given up on events since. That comes first: from then on nothing else tells of it.
    pub async fn watch(self: Arc<Self>, opening: Watch) {
        for outage in opening.outages(self.clock.now().wall_ms) {
            while self.engine.record(outage.clone()).await.is_err() {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
        loop {
            let alive = Op::Alive(self.clock.now().wall_ms);
            let _ = self.engine.record(alive).await; // a store that takes nothing is told about elsewhere
            tokio::time::sleep(ALIVE_EVERY).await;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turned(&self) -> MutexGuard<'_, BTreeMap<SourceId, Turns>> {
        self.turned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the store knew about sources when the server began.
pub struct Watch {
    sources: Vec<(SourceId, Provider)>,
    alive_ms: Option<i64>,
}

impl Watch {
    /// Takes what the store held.
    pub fn new(opening: &Opening) -> Self {
        Self { sources: opening.sources.clone(), alive_ms: opening.alive_ms }
    }

    /// The sources whose providers may have given up while nobody was there.
    fn outages(&self, until_ms: i64) -> Vec<Op> {
        let Some(since_ms) = self.alive_ms else {
            return Vec::new();
        };
        let given_up =
            self.sources.iter().filter(|(_, provider)| until_ms - since_ms > retries_ms(*provider)).map(|(id, _)| *id);
        given_up.map(|source| Op::Outage { source, since_ms, until_ms }).collect()
    }
}

/// How long a provider goes on trying, in ms.
fn retries_ms(provider: Provider) -> i64 {
    providers::ladder(provider, &retry::STANDARD).waits_secs.iter().map(|&secs| i64::from(secs) * 1_000).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_no_more_of_it_is_kept_than_is_remembered() {
        let mut turns = Turns::default();
        for at_ms in 0..1_000 {
            turns.refuse(RefusedRequest { at_ms, reason: Refusal::BadSignature, address: [127, 0, 0, 1].into() });
        }
        assert_eq!(turns.refused, [(Refusal::BadSignature, 1_000)].into());
        assert_eq!(
            turns.last.iter().map(|request| request.at_ms).collect::<Vec<_>>(),
            (980..1_000).collect::<Vec<_>>()
        );
    }
}
