//! A shot: one event on its way to a receiver, signed at the moment it is fired, with or without a fault.

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use super::fault::{Expected, Fault};
use crate::egress::probe::Manner;
use crate::provider::Provider;
use crate::providers::{self, Scene, Signing};
use crate::secret::{Secret, SecretSlot};

/// What a stale request's time lies back, in seconds: one more than any receiver should bear.
const STALE_SECS: i64 = 301;
/// The size of an oversize body, in bytes: one more than a receiver should take.
const OVERSIZE_BYTES: usize = 1_024 * 1_024 + 1;

/// Who signs.
#[derive(Clone, Debug)]
pub struct Signer {
    /// In whose form.
    pub provider: Provider,
    /// The current secret, then those before it.
    pub secrets: Vec<Secret>,
    /// The time that is signed, in seconds since 1970; `None` for the time of sending.
    pub at_secs: Option<i64>,
}

/// How a request proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// As it should, by the current secret.
    Right,
    /// By all secrets that the header holds.
    Rotated,
    /// By a time long gone.
    Stale,
    /// With one bit flipped.
    Wrong,
    /// Not at all.
    Missing,
}

/// One event on its way.
#[derive(Clone, Debug)]
pub struct Shot {
    /// What is sent.
    pub scene: Scene,
    /// What is wrong with it.
    pub fault: Option<Fault>,
    /// How it proves itself.
    pub proof: Proof,
    /// How it is put on the wire.
    pub manner: Manner,
    /// What it should be answered.
    pub expected: Expected,
    /// How long to wait before, in ms.
    pub wait_ms: i64,
}

impl Shot {
    /// A faultless one.
    pub fn of(scene: Scene) -> Self {
        let wait_ms = scene.wait_ms;
        Self { scene, fault: None, proof: Proof::Right, manner: Manner::Whole, expected: Expected::Taken, wait_ms }
    }

    /// One with this fault; faults that concern several shots are [`super::salvo`]'s.
    pub fn with(scene: Scene, fault: Fault) -> Self {
        let shot = Self { fault: Some(fault), expected: fault.expected(), ..Self::of(scene) };
        match fault {
            Fault::Stale => Self { proof: Proof::Stale, ..shot },
            Fault::BadSignature => Self { proof: Proof::Wrong, ..shot },
            Fault::RotatedKey => Self { proof: Proof::Rotated, ..shot },
            Fault::Truncated => Self { manner: Manner::Truncated, ..shot },
            Fault::Oversize => Self { scene: padded(shot.scene), ..shot },
            _ => shot,
        }
    }

    /// The headers that go with it, signed now.
    pub fn headers(&self, signer: &Signer, now_secs: i64) -> Vec<(String, String)> {
        let at_secs = signer.at_secs.unwrap_or(now_secs) - if self.proof == Proof::Stale { STALE_SECS } else { 0 };
        let json = ("Content-Type".to_owned(), "application/json".to_owned());
        if self.proof == Proof::Missing {
            return vec![json];
        }
        // those that have something to play sign no id
        let signing = Signing { id: "", at_secs, body: &self.scene.body };
        let headers = providers::sign(signer.provider, &signer.slots(self.proof), signing);
        let flip = |value: String| if self.proof == Proof::Wrong { flipped(&value) } else { value };
        let written = headers.into_iter().map(|(name, value)| (providers::as_written(name).to_owned(), flip(value)));
        std::iter::once(json).chain(written).collect()
    }
}

impl Signer {
    fn slots(&self, proof: Proof) -> Vec<SecretSlot> {
        let slot = |secret: &Secret| SecretSlot::new(secret.clone());
        let mut slots: Vec<_> = self.secrets.iter().map(slot).collect();
        match proof {
            // a secret that only we know stands in for one that was rotated out
            Proof::Rotated if slots.len() < 2 => {
                let old = providers::generate_secret(self.provider, &mut SmallRng::seed_from_u64(0));
                slots.push(SecretSlot::new(old));
            }
            Proof::Rotated => {}
            _ => slots.truncate(1),
        }
        slots
    }
}

/// Spaces behind a JSON document change nothing but its size.
fn padded(scene: Scene) -> Scene {
    let mut body = scene.body.to_vec();
    body.resize(OVERSIZE_BYTES.max(body.len()), b' ');
    Scene { body: Bytes::from(body), ..scene }
}

/// Flips one bit of the last digit of a signature, and leaves it a digit.
fn flipped(value: &str) -> String {
    let mut bytes = value.as_bytes().to_vec();
    if let Some(digit) = bytes.iter_mut().rev().find(|byte| byte.is_ascii_alphanumeric()) {
        *digit = match *digit {
            b'0' => b'1',
            b'A' => b'B',
            b'a' => b'b',
            other => other - 1,
        };
    }
    String::from_utf8(bytes).unwrap_or_default()
}
