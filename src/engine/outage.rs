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
/// Where fewer applications than [`APPLICATIONS_MIN`] find no route for so long, while others are answered, they have
/// addresses that cannot be reached from here: that is their own matter. In ms.
const NO_ROUTE_MS: i64 = 60_000;
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
/// The host of a lane that sends nothing any more.
pub(super) const NOBODY: Host = usize::MAX;

/// What is known of a host.
#[derive(Debug)]
struct Known {
    name: String,
    /// How many lanes send there; when none does its number is free.
    lanes: usize,
    /// When it answered last, on the steady scale; `None` for never.
    answered_ms: Option<i64>,
}

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
    hosts: Vec<Known>,
    free: Vec<Host>,
    /// When anybody answered last.
    answered_ms: i64,
    /// Hosts that ended without an answer since anybody answered: when, whose, and whether nothing came. Until nobody
    /// answers, only those that had.
    ended: BTreeMap<Host, (i64, ApplicationId, bool)>,
    /// Since when nobody answers, when that is so.
    silent_since_ms: Option<i64>,
    /// Lanes that wait for the end of the silence, and their hosts; and the next probe.
    held: BTreeMap<usize, Host>,
    probe_ms: i64,
    probing: Option<usize>,
    probed: usize,
    /// Lanes whose last attempt failed here: since when, and whose they are.
    local: BTreeMap<usize, (i64, ApplicationId)>,
    /// Why that was, the last one.
    cause: String,
    /// What was told of what goes on.
    told: Option<Cause>,
}

/// Why attempts are put off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `silence` or `local`, for whoever hears of it.
    pub word: &'static str,
    /// What it is, with names and addresses: for the operator's log alone.
    pub detail: String,
}

impl Outage {
    /// The number of the host that a URL names, for one more lane.
    pub(super) fn host(&mut self, url: &str) -> Host {
        let named = Url::parse(url).ok();
        let name = named.as_ref().and_then(Url::host_str).unwrap_or(url);
        if let Some(&host) = self.names.get(name) {
            self.hosts[host].lanes += 1;
            return host;
        }
        let known = Known { name: name.to_owned(), lanes: 1, answered_ms: None };
        let host = self.free.pop().unwrap_or(self.hosts.len());
        self.names.insert(name.to_owned(), host);
        if host == self.hosts.len() {
            self.hosts.push(known);
        } else {
            self.hosts[host] = known;
        }
        host
    }

    /// One lane less sends there.
    pub(super) fn leave(&mut self, host: Host) {
        let Some(known) = self.hosts.get_mut(host) else {
            return;
        };
        known.lanes -= 1;
        if known.lanes == 0 {
            self.names.remove(&known.name);
            self.ended.remove(&host);
            self.free.push(host);
        }
    }

    /// A host answered the process before this one.
    pub(super) fn answered_before(&mut self, now_ms: i64, host: Host) {
        if let Some(known) = self.hosts.get_mut(host) {
            known.answered_ms = Some(now_ms);
        }
    }

    /// Whether a host had answered within the hour before this moment.
    fn answers(&self, host: Host, before_ms: i64) -> bool {
        let answered_ms = self.hosts.get(host).and_then(|known| known.answered_ms);
        answered_ms.is_some_and(|answered_ms| before_ms - answered_ms <= ANSWERED_MS)
    }

    /// An attempt ended; gives whether it ended a silence. It was none when nobody answers: see [`Self::is_silent`].
    pub(super) fn saw(&mut self, now_ms: i64, host: Host, application: ApplicationId, sign: Sign) -> bool {
        if sign == Sign::Answer {
            self.answered_before(now_ms, host);
            self.answered_ms = now_ms;
            self.ended.clear();
            return self.silent_since_ms.take().is_some();
        }
        let silent = sign == Sign::Silence;
        if self.silent_since_ms.is_some() {
            if silent {
                self.ended.insert(host, (now_ms, application, silent));
            }
        } else if self.answers(host, now_ms) {
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
        self.held.insert(lane, host);
        true
    }

    /// When the next probe goes out, on the steady scale.
    pub(super) fn probe_ms(&self) -> Option<i64> {
        self.silent_since_ms.filter(|_| !self.held.is_empty()).map(|_| self.probe_ms)
    }

    /// Lets the next lane probe, when it is time: one whose host had answered, where there is one, in turn.
    pub(super) fn probe(&mut self, now_ms: i64) -> Option<usize> {
        self.probe_ms().filter(|probe_ms| *probe_ms <= now_ms)?;
        self.probe_ms = now_ms + PROBE_EVERY_MS;
        let since_ms = self.silent_since_ms?;
        let in_turn = || self.held.range(self.probed + 1..).chain(self.held.range(..=self.probed));
        let living = in_turn().find(|(_, host)| self.answers(**host, since_ms));
        let (&lane, _) = living.or_else(|| in_turn().next())?;
        self.held.remove(&lane);
        (self.probing, self.probed) = (Some(lane), lane);
        Some(lane)
    }

    /// The lanes that waited; none of them does any more.
    pub(super) fn release(&mut self) -> BTreeMap<usize, Host> {
        self.probing = None;
        std::mem::take(&mut self.held)
    }

    /// A lane's attempt failed here, for this cause, or did not.
    pub(super) fn local(&mut self, now_ms: i64, (lane, application): (usize, ApplicationId), failed: Option<&str>) {
        if let Some(cause) = failed {
            self.local.entry(lane).or_insert((now_ms, application));
            cause.clone_into(&mut self.cause);
        } else if !self.local.is_empty() {
            self.local.remove(&lane);
        }
    }

    /// Whether a lane that finds no route is alone with that, or nearly: others are answered meanwhile.
    pub(super) fn is_alone(&self, now_ms: i64, lane: usize) -> bool {
        let since_ms = self.local.get(&lane).map_or(now_ms, |(since_ms, _)| *since_ms);
        now_ms - since_ms >= NO_ROUTE_MS && self.answered_ms > since_ms && !self.is_of_many()
    }

    /// Whether attempts of several applications fail here.
    fn is_of_many(&self) -> bool {
        let mut known = Vec::with_capacity(APPLICATIONS_MIN);
        self.local.values().any(|(_, application)| {
            if !known.contains(application) {
                known.push(*application);
            }
            known.len() >= APPLICATIONS_MIN
        })
    }

    /// Lanes whose last attempt failed here.
    pub(super) fn local_lanes(&self) -> Vec<usize> {
        self.local.keys().copied().collect()
    }

    /// Why attempts are put off.
    fn cause(&self) -> Cause {
        if self.is_silent() {
            return Cause { word: "silence", detail: format!("none of {} hosts answers", self.ended.len()) };
        }
        Cause { word: "local", detail: self.cause.clone() }
    }

    /// Since when attempts are put off, on the steady scale; `None` when they are not, or only those of a few whose hosts
    /// cannot be reached from here while others answer.
    pub(super) fn since_ms(&self) -> Option<i64> {
        let local_since_ms = self.local.values().map(|(since_ms, _)| *since_ms).min();
        let is_wide = |since_ms: &i64| self.answered_ms <= *since_ms || self.is_of_many();
        [self.silent_since_ms, local_since_ms.filter(is_wide)].into_iter().flatten().min()
    }

    /// What is to be told now: that it lasts (`true`), or that it is over, and the cause that was told when it began.
    pub(super) fn news(&mut self, now_ms: i64) -> Option<(bool, Cause)> {
        match (self.since_ms(), &self.told) {
            (Some(since_ms), None) if now_ms - since_ms >= TOLD_AFTER_MS => {
                let cause = self.cause();
                self.told = Some(cause.clone());
                Some((true, cause))
            }
            (None, Some(_)) => self.told.take().map(|cause| (false, cause)),
            _ => None,
        }
    }
}
