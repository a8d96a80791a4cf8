//! What Fintoc plays: its flows, and the shapes of its resources (docs.fintoc.com, the objects of the API reference).

use super::envelope;
use crate::providers::alphabet::BASE62;
use crate::providers::fact::Fact;
use crate::providers::play::{Occurrence, Stage};
use crate::providers::template::{Filler, IdForm};

pub(in crate::providers) static STAGE: Stage = Stage {
    flows: files!("flow", ".toml":
        "refresh-mixed" "refresh-all-succeeded" "refresh-rejected" "movements-removed" "payment-intent"
        "payment-intent-pending" "checkout-session" "direct-debit" "payout" "refund" "link-lifecycle"
    ),
    single: include_str!("single.toml"),
    shapes: files!("shape", ".json":
        "account" "charge" "checkout_session" "link" "link_of_three" "movement" "payment_intent" "payout" "refresh_intent" "refund" "subscription"
        "subscription_intent" "subscription_intent_succeeded"
    ),
    ids: IdForm { alphabet: BASE62, chars: 16 },
    wrap,
};

fn wrap(occurrence: &Occurrence<'_>, filler: &mut Filler<'_>) -> Vec<u8> {
    let Occurrence { event_type, payload, live, .. } = *occurrence;
    let fact = Fact { event_type, payload: payload.as_bytes(), live, at_ms: filler.at_ms };
    envelope::wrap(fact, &mut filler.rng("event")).expect("Fintoc has an envelope for all")
}
