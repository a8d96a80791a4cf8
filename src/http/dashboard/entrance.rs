//! Who may try to come in: the setup code, addresses that failed too often, passwords checked a few at a time.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::amount::amount;
use super::password;
use crate::error::{Error, Kind, Result};

/// So many failures of one address within this time lock it out for as long: 10 minutes.
const FAILURES_MAX: usize = 10;
const LOCK_MS: i64 = 600_000;
/// How many failures the audit log tells of within an hour: a guesser must not push everything else out of it.
const TOLD_MAX: u32 = 100;
const TOLD_MS: i64 = 3_600_000;
/// How many addresses are remembered; all are forgotten when there are more.
const ADDRESSES_MAX: usize = 16_384;
/// How many passwords are hashed at one time: each takes 19 MiB.
const HASHING_MAX: usize = 2;

/// The entrance of the dashboard.
pub struct Entrance {
    code: Mutex<Option<String>>,
    /// When each address tried in vain, the last [`FAILURES_MAX`] times, in ms on the steady scale.
    failures: Mutex<HashMap<IpAddr, VecDeque<i64>>>,
    /// When an hour began, in ms on the steady scale, and how many failures the audit log told of since then.
    told: Mutex<(i64, u32)>,
    hashing: Semaphore,
}

impl Entrance {
    /// `code` makes the first Admin; `None` when there is one.
    pub(in crate::http) fn new(code: Option<String>) -> Self {
        let (failures, told) = Default::default();
        Self { code: Mutex::new(code), failures, told, hashing: Semaphore::new(HASHING_MAX) }
    }

    /// Whether the first Admin is still to be made.
    pub(super) fn waits_for_admin(&self) -> bool {
        self.code().is_some()
    }

    /// Takes the setup code away, so that one request alone may use it. Error: it is another, or was used.
    pub(super) fn take_code(&self, given: &str) -> Result<String> {
        let mut code = self.code();
        // what differs in time tells nothing: the code has 119 bits, and ten guesses lock out
        let used = code.take_if(|code| code == given.trim());
        used.ok_or_else(|| Error::field("code", "is not the one that the server printed when it started"))
    }

    /// The Admin was not made after all.
    pub(super) fn give_back(&self, code: String) {
        *self.code() = Some(code);
    }

    /// There is an Admin who came in another way: the setup code makes none any more.
    pub(super) fn close_setup(&self) {
        *self.code() = None;
    }

    fn code(&self) -> MutexGuard<'_, Option<String>> {
        self.code.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An address tries to come in: a failure until [`Self::forgive`] says otherwise. Gives whether that failure locks it
    /// out. Error: it failed too often.
    pub(super) fn try_at(&self, address: IpAddr, now_ms: i64) -> Result<bool> {
        let mut failures = self.failures();
        if failures.len() >= ADDRESSES_MAX {
            failures.clear();
        }
        let tries = failures.entry(network(address)).or_default();
        if let (Some(first), Some(last), true) = (tries.front(), tries.back(), tries.len() >= FAILURES_MAX)
            && last - first < LOCK_MS
            && now_ms - last < LOCK_MS
        {
            let minutes = amount((LOCK_MS - (now_ms - last)).div_euclid(60_000) + 1, "minute");
            let detail = format!("too many attempts failed from here; try again in {minutes}");
            return Err(Error::new(Kind::Throttled, "locked_out", detail));
        }
        if tries.len() >= FAILURES_MAX {
            tries.pop_front();
        }
        tries.push_back(now_ms);
        let first = tries.front().filter(|_| tries.len() == FAILURES_MAX);
        Ok(first.is_some_and(|first| now_ms - first < LOCK_MS))
    }

    /// Whether the audit log tells of one more failure.
    pub(super) fn tells(&self, now_ms: i64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms - told.0 >= TOLD_MS {
            *told = (now_ms, 0);
        }
        told.1 += 1;
        told.1 <= TOLD_MAX
    }

    /// An address came in.
    pub(super) fn forgive(&self, address: IpAddr) {
        self.failures().remove(&network(address));
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<IpAddr, VecDeque<i64>>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hashes a password beside the requests.
    pub(super) async fn hash(&self, text: String) -> Result<String> {
        let _place = self.hashing.acquire().await.map_err(Error::internal)?;
        spawn_blocking(move || password::hash(&text)).await.map_err(Error::internal)?
    }

    /// Whether a password is the one that was hashed; it takes as long when there is none.
    pub(super) async fn verify(&self, text: String, hash: Option<String>) -> Result<bool> {
        let _place = self.hashing.acquire().await.map_err(Error::internal)?;
        spawn_blocking(move || password::verify(&text, hash.as_deref())).await.map_err(Error::internal)
    }
}

/// What one person has: an IPv4 address, or an IPv6 /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_in_ten_minutes_lock_an_address_out_for_ten() {
        let entrance = Entrance::new(None);
        let [here, there]: [IpAddr; 2] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().expect("an address"));
        let other: IpAddr = "192.0.2.1".parse().expect("an address");
        for at_ms in 0..10 {
            let tried = entrance.try_at(if at_ms % 2 == 0 { here } else { there }, at_ms * 1_000);
            assert_eq!(tried.ok(), Some(at_ms == 9), "{at_ms}: the tenth failure locks out");
        }
        assert!(entrance.try_at(here, 10_000).is_err() && entrance.try_at(there, 9_000 + LOCK_MS - 1).is_err());
        assert!(entrance.try_at(other, 10_000).is_ok());
        assert!(entrance.try_at(here, 9_000 + LOCK_MS).is_ok());
    }

    #[test]
    fn ten_failures_in_a_longer_time_lock_nobody_out_and_who_came_in_begins_anew() {
        let entrance = Entrance::new(None);
        let here: IpAddr = "192.0.2.1".parse().expect("an address");
        for nth in 0..30 {
            assert!(entrance.try_at(here, nth * (LOCK_MS / 9 + 1)).is_ok(), "{nth}");
        }
        entrance.forgive(here);
        for _ in 0..10 {
            assert!(entrance.try_at(here, 0).is_ok());
        }
        assert!(entrance.try_at(here, 0).is_err());
    }

    #[test]
    fn a_hundred_failures_an_hour_are_told() {
        let entrance = Entrance::new(None);
        assert_eq!((0..300).filter(|_| entrance.tells(5)).count(), 100);
        assert!(!entrance.tells(TOLD_MS - 1) && entrance.tells(TOLD_MS + 5));
    }

    #[test]
    fn the_setup_code_works_once() {
        let entrance = Entrance::new(Some("abc".to_owned()));
        assert!(entrance.take_code("abd").is_err() && entrance.take_code("").is_err() && entrance.waits_for_admin());
        let code = entrance.take_code(" abc ").expect("it is");
        assert!(entrance.take_code("abc").is_err() && entrance.take_code("").is_err() && !entrance.waits_for_admin());
        entrance.give_back(code);
        assert!(entrance.waits_for_admin());
        entrance.close_setup();
        assert!(!entrance.waits_for_admin() && entrance.take_code("abc").is_err());
    }
}
