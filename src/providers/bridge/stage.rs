//! What Bridge plays: its flows, and the contents of its events (docs.bridgeapi.io); what would be null is left out.

use super::envelope;
use crate::providers::alphabet::BASE62;
use crate::providers::fact::Fact;
use crate::providers::play::{Occurrence, Stage};
use crate::providers::template::{Filler, IdForm};

pub(in crate::providers) static STAGE: Stage = Stage {
    flows: files!("flow", ".toml":
        "connect" "daily-refresh" "account-closed" "deletion" "payment" "payment-rejected" "test"
    ),
    single: include_str!("single.toml"),
    shapes: files!("shape", ".json":
        "account" "account_deleted" "account_updated" "item" "item_refreshed" "link" "test" "transaction" "transaction_updated"
        "transfer" "transfer_account" "user"
    ),
    ids: IdForm { alphabet: BASE62, chars: 22 },
    wrap,
};

fn wrap(occurrence: &Occurrence<'_>, filler: &mut Filler<'_>) -> Vec<u8> {
    let Occurrence { event_type, payload, live, .. } = *occurrence;
    let fact = Fact { event_type, payload: payload.as_bytes(), live, at_ms: filler.at_ms };
    envelope::wrap(fact, &mut filler.rng("event")).expect("Bridge has an envelope for all")
}
