//! The receivers: what each attempt brings back, by the mood its endpoint is in.

use bytes::Bytes;
use rand::Rng as _;
use rand::rngs::SmallRng;

use super::faults::{Mood, Options};
use crate::attempt::{Answer, Cause, Report};

struct Receiver {
    /// `None` when it is well.
    mood: Option<Mood>,
    until_ms: i64,
    dead: bool,
}

/// A receiver's next mood is one of so many, those a seed does not have being good ones.
const MOODS_ROLL: usize = 6;
/// How often a receiver that might be gone for good is.
const GONE_SHARE: f64 = 0.4;

/// What an attempt brings back, and after how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brought {
    pub(super) duration_ms: u32,
    /// 0 when no response came.
    pub(super) status: u16,
    pub(super) retry_after_secs: Option<i64>,
    pub(super) cause: Cause,
}

impl Brought {
    /// The report as the sender would write it.
    pub(super) fn report(self, ended_ms: i64) -> Report {
        let answer = match self.status {
            0 => Answer::Failure { cause: self.cause, detail: String::new() },
            status => {
                Answer::Response { status, retry_after_secs: self.retry_after_secs, wish: None, excerpt: Bytes::new() }
            }
        };
        Report {
            started_ms: ended_ms - i64::from(self.duration_ms),
            duration_ms: self.duration_ms,
            answer,
            webhook_id: None,
        }
    }
}

/// All receivers, by the number of their endpoint.
pub(super) struct Receivers {
    rng: SmallRng,
    all: Vec<Receiver>,
    calm: bool,
}

impl Receivers {
    pub(super) fn new(rng: SmallRng) -> Self {
        Self { rng, all: Vec::new(), calm: false }
    }

    /// From now on all are well, but for the dead.
    pub(super) fn calm(&mut self) {
        self.calm = true;
    }

    /// What the endpoint of this number says to an attempt that begins now.
    pub(super) fn meet(&mut self, options: &Options, number: usize, now_ms: i64) -> Brought {
        if options.cuts.iter().any(|cut| cut.contains(&now_ms)) {
            return Brought { duration_ms: 0, status: 0, retry_after_secs: None, cause: Cause::Local };
        }
        while self.all.len() <= number {
            let dead = options.dead && self.rng.random_bool(0.3);
            self.all.push(Receiver { mood: None, until_ms: 0, dead });
        }
        if now_ms >= self.all[number].until_ms {
            let roll = self.rng.random_range(0..MOODS_ROLL);
            let often = |mood: &Mood| *mood != Mood::Gone || self.rng.random_bool(GONE_SHARE);
            self.all[number].mood = options.moods.get(roll).copied().filter(often);
            self.all[number].until_ms = now_ms + self.rng.random_range(1..options.span_ms.max(2));
        }
        let mood = match &self.all[number] {
            Receiver { dead: true, .. } => Some(Mood::Failing),
            _ if self.calm => None,
            receiver => receiver.mood,
        };
        self.bring(mood)
    }

    fn bring(&mut self, mood: Option<Mood>) -> Brought {
        let rng = &mut self.rng;
        let quick_ms = rng.random_range(0..60);
        let well = Brought { duration_ms: quick_ms, status: 200, retry_after_secs: None, cause: Cause::Timeout };
        let Some(mood) = mood else {
            return if rng.random_ratio(1, 20) {
                Brought { duration_ms: rng.random_range(60..14_000), ..well }
            } else {
                Brought { status: rng.random_range(200..=204), ..well }
            };
        };
        match mood {
            Mood::Failing => {
                Brought { status: [500, 404, 302, 503, 0][rng.random_range(0..5)], cause: Cause::Connect, ..well }
            }
            Mood::Hanging => Brought { status: 0, duration_ms: 15_000, ..well },
            Mood::Limiting => {
                let wish = [-5, 0, 1, 30, 3_600, 86_400, 1_000_000][rng.random_range(0..7)];
                Brought { status: if rng.random() { 429 } else { 503 }, retry_after_secs: Some(wish), ..well }
            }
            Mood::Flapping if rng.random_ratio(1, 6) => Brought { status: 0, cause: Cause::Internal, ..well },
            Mood::Flapping => Brought { status: if rng.random() { 200 } else { 500 }, ..well },
            Mood::Gone => Brought { status: 410, ..well },
        }
    }
}
