//! Outages of our own: what never left this machine was no attempt, and when all the world falls silent at one moment, it
//! is not the world that is down. What was to be sent then keeps its place, its rung and its endpoint's good name.
//!
//! A local failure puts its own lane off. Silence everywhere stops all lanes whose hosts fell silent, but for one probe a
//! second; the first answer of anybody ends it. Hosts that were not tried yet are: that is a probe as well.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use url::Url;

use crate::id::ApplicationId;

/// Silence counts of hosts that had answered within this time, in ms.
const ANSWERED_MS: i64 = 3_600_000;
/// All of it lies within this time, in ms.
const SILENT_MS: i64 = 30_000;
/// So many hosts, of so many applications, are the world: fewer may well be down together.
const HOSTS_MIN: usize = 20;
const APPLICATIONS_MIN: usize = 3;
/// Of so many hosts that ended without an answer, in percent, nothing at all must have come.
const SILENT_PERCENT_MIN: usize = 95;
/// One probe in so long while nobody answers, in ms.
const PROBE_EVERY_MS: i64 = 1_000;
/// How long a lane is put off after a local failure: at first, and at most; each one more doubles it. In ms.
const PUT_OFF_MS: std::ops::RangeInclusive<i64> = 1_000..=10_000;
/// An outage that is over sooner is not told of. In ms.
const TOLD_AFTER_MS: i64 = 5_000;

/// How an attempt ended, for whoever asks whether the world is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// The host answered, whatever it said.
    Answer,
    /// It did not.
    Silence,
    /// Something came, and it was no answer: a wrong certificate, another protocol.
    Odd,
}

/// A host, by its number among those that endpoints name.
pub(super) type Host = usize;

/// How a lane is put off by local failures.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PutOff {
    wait_ms: i64,
    until_ms: i64,
}

impl PutOff {
    /// One more; `speed` is how many times faster than written all waits pass.
    pub(super) fn again(&mut self, now_ms: i64, speed: i64) {
        if self.until_ms <= now_ms {
            self.wait_ms = (self.wait_ms * 2).clamp(*PUT_OFF_MS.start(), *PUT_OFF_MS.end());
            self.until_ms = now_ms + (self.wait_ms / speed).max(1);
        }
    }

    /// Until when, in ms on the steady scale; `None` for not at all.
    pub(super) fn until(self, now_ms: i64) -> Option<i64> {
        Some(self.until_ms).filter(|until_ms| *until_ms > now_ms)
    }

    /// Whether the last attempt failed here: one at a time goes out until one does not.
    pub(super) fn is_on(self) -> bool {
        self.wait_ms > 0
    }

    /// Somebody asks for an attempt now.
    pub(super) fn knock(&mut self) {
        self.until_ms = 0;
    }
}

/// What the engine knows of outages of its own.
#[derive(Debug, Default)]
pub(super) struct Outage {
    names: HashMap<String, Host>,
    /// When each host answered last, on the steady scale; `None` for never.
    answered: Vec<Option<i64>>,
    /// Hosts that ended without an answer since anybody answered: when, whose, and whether nothing came. Until nobody
    /// answers, only those that had.
    ended: BTreeMap<Host, (i64, ApplicationId, bool)>,
    /// Since when nobody answers, when that is so.
    silent_since_ms: Option<i64>,
    /// Lanes that wait for the end of the silence; and the next probe.
    held: BTreeSet<usize>,
    probe_ms: i64,
    probing: Option<usize>,
    probed: usize,
    /// Lanes whose last attempt failed here, and since when there are any.
    local: BTreeSet<usize>,
    local_since_ms: Option<i64>,
    /// Why that was, the last one.
    cause: String,
    /// Whether what goes on was told.
    told: bool,
}

impl Outage {
    /// The number of the host that a URL names.
    pub(super) fn host(&mut self, url: &str) -> Host {
        let next = self.answered.len();
        let named = Url::parse(url).ok();
        let name = named.as_ref().and_then(Url::host_str).unwrap_or(url);
        if let Some(host) = self.names.get(name) {
            return *host;
        }
        self.names.insert(name.to_owned(), next);
        self.answered.push(None);
        next
    }

    /// An attempt ended; gives whether it ended a silence. It was none when nobody answers: see [`Self::is_silent`].
    pub(super) fn saw(&mut self, now_ms: i64, host: Host, application: ApplicationId, sign: Sign) -> bool {
        if sign == Sign::Answer {
            self.answered[host] = Some(now_ms);
            self.ended.clear();
            return self.silent_since_ms.take().is_some();
        }
        let silent = sign == Sign::Silence;
        if self.silent_since_ms.is_some() {
            if silent {
                self.ended.insert(host, (now_ms, application, silent));
            }
        } else if self.answered[host].is_some_and(|answered_ms| now_ms - answered_ms <= ANSWERED_MS) {
            self.ended.insert(host, (now_ms, application, silent));
            if self.ended.len() >= HOSTS_MIN && self.is_everywhere(now_ms) {
                self.silent_since_ms = Some(now_ms);
                self.probe_ms = now_ms + PROBE_EVERY_MS;
            }
        }
        false
    }

    fn is_everywhere(&mut self, now_ms: i64) -> bool {
        self.ended.retain(|_, (ended_ms, ..)| now_ms - *ended_ms <= SILENT_MS);
        let silent: Vec<ApplicationId> =
            self.ended.values().filter(|(.., silent)| *silent).map(|(_, application, _)| *application).collect();
        silent.len() >= HOSTS_MIN
            && silent.len() * 100 >= self.ended.len() * SILENT_PERCENT_MIN
            && silent.iter().collect::<BTreeSet<_>>().len() >= APPLICATIONS_MIN
    }

    /// Whether nobody answers.
    pub(super) fn is_silent(&self) -> bool {
        self.silent_since_ms.is_some()
    }

    /// Whether a lane must wait for the end of the silence, and is remembered until then: its host fell silent, and this is
    /// not the probe.
    pub(super) fn holds(&mut self, lane: usize, host: Host) -> bool {
        if self.silent_since_ms.is_none() || !self.ended.contains_key(&host) {
            return false;
        }
        if self.probing == Some(lane) {
            self.probing = None;
            return false;
        }
        self.held.insert(lane);
        true
    }

    /// When the next probe goes out, on the steady scale.
    pub(super) fn probe_ms(&self) -> Option<i64> {
        self.silent_since_ms.filter(|_| !self.held.is_empty()).map(|_| self.probe_ms)
    }

    /// Lets the next lane probe, when it is time.
    pub(super) fn probe(&mut self, now_ms: i64) -> Option<usize> {
        self.probe_ms().filter(|probe_ms| *probe_ms <= now_ms)?;
        self.probe_ms = now_ms + PROBE_EVERY_MS;
        let lane = self.held.range(self.probed + 1..).next().or(self.held.first()).copied()?;
        self.held.remove(&lane);
        (self.probing, self.probed) = (Some(lane), lane);
        Some(lane)
    }

    /// The lanes that waited; none of them does any more.
    pub(super) fn release(&mut self) -> BTreeSet<usize> {
        self.probing = None;
        std::mem::take(&mut self.held)
    }

    /// A lane's attempt failed here, for this cause, or did not.
    pub(super) fn local(&mut self, now_ms: i64, lane: usize, failed: Option<&str>) {
        if let Some(cause) = failed {
            self.local.insert(lane);
            self.local_since_ms.get_or_insert(now_ms);
            cause.clone_into(&mut self.cause);
        } else if !self.local.is_empty() && self.local.remove(&lane) && self.local.is_empty() {
            self.local_since_ms = None;
        }
    }

    /// Lanes whose last attempt failed here.
    pub(super) fn local_lanes(&self) -> Vec<usize> {
        self.local.iter().copied().collect()
    }

    /// Why attempts are put off, for a person.
    pub(super) fn cause(&self) -> String {
        if self.is_silent() { format!("none of {} hosts answers", self.ended.len()) } else { self.cause.clone() }
    }

    /// Since when attempts are put off, on the steady scale; `None` when they are not.
    pub(super) fn since_ms(&self) -> Option<i64> {
        [self.silent_since_ms, self.local_since_ms].into_iter().flatten().min()
    }

    /// What is to be told now: `Some(true)` that it lasts, `Some(false)` that it is over.
    pub(super) fn news(&mut self, now_ms: i64) -> Option<bool> {
        let lasts = self.since_ms().is_some_and(|since_ms| now_ms - since_ms >= TOLD_AFTER_MS);
        if self.told == lasts || (self.told && self.since_ms().is_some()) {
            return None;
        }
        self.told = lasts;
        Some(lasts)
    }
}
