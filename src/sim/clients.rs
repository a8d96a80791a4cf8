//! The clients: what each of them wants, and the requests they sent.

use rand::Rng as _;
use rand::rngs::SmallRng;

use super::body::body_of;
use super::faults::Options;
use super::ledger::{CHANNELS, Draft, EVENT_TYPES};
use crate::event::Once;
use crate::id::{EndpointId, EventId};
use crate::store::Setting;

/// What a request asks.
pub(super) enum Ask {
    /// Wants of the ledger.
    Publish(Vec<usize>),
    /// A setting, and the endpoints it touches.
    Change(Box<Setting>, Vec<usize>),
    /// One more attempt, and what the ledger expects when that is acknowledged.
    Resend(EventId, EndpointId, Option<(usize, u32)>),
}

/// One request.
pub(super) struct Request {
    pub(super) ask: Ask,
    /// It is on its way, or waits for its answer.
    pub(super) open: bool,
    /// How often it was repeated though it was answered.
    pub(super) repeats: u32,
}

/// All clients.
pub(super) struct Clients {
    pub(super) rng: SmallRng,
    pub(super) requests: Vec<Request>,
}

impl Clients {
    pub(super) fn new(rng: SmallRng) -> Self {
        Self { rng, requests: Vec::new() }
    }

    pub(super) fn request(&mut self, ask: Ask) -> usize {
        self.requests.push(Request { ask, open: false, repeats: 0 });
        self.requests.len() - 1
    }

    /// An event that somebody wants to publish.
    pub(super) fn draft(&mut self, options: &Options, number: usize) -> Draft {
        let rng = &mut self.rng;
        let brief = rng.random_ratio(options.brief_keys, 100);
        let once = (brief || rng.random_ratio(options.own_keys, 100)).then(|| once_of(number, 0, brief));
        let draft = Draft {
            application: rng.random_range(0..options.applications),
            event_type: EVENT_TYPES[rng.random_range(0..EVENT_TYPES.len())],
            channel: rng.random_bool(0.5).then(|| rng.random_range(0..CHANNELS.len())),
            once,
            uid: rng
                .random_ratio(options.uids, 100)
                .then(|| if rng.random_ratio(1, 8) { rng.random_range(0..=number) } else { number }),
            only: rng.random_ratio(1, 20).then(|| rng.random_range(0..options.endpoints)),
            inbound: options.inbound > 0 && rng.random_ratio(options.inbound, 100),
            body: body_of(number),
        };
        // a provider has neither keys nor ids of ours, and knows no endpoint
        if !draft.inbound {
            return draft;
        }
        // of every third pair under one key, each is of a type of its own
        let pair = number / 2;
        let kind = if pair.is_multiple_of(3) { number } else { pair };
        Draft { once: None, uid: None, only: None, event_type: EVENT_TYPES[kind % EVENT_TYPES.len()], ..draft }
    }
}

fn once_of(number: usize, request: u8, brief: bool) -> Once {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    Once { key, request: [request; 16], brief }
}
