//! What Finix plays: its flows, and the shapes of its resources (docs.finix.com, webhook events).

use super::CATALOGUE;
use super::envelope::{ID_CHARS, ID_PREFIX};
use crate::providers::alphabet::{self, BASE58};
use crate::providers::json::quoted;
use crate::providers::play::{Occurrence, Stage};
use crate::providers::template::{Filler, IdForm};
use crate::providers::{catalogue, time};

/// The keys of the envelope, as the newest samples order them.
const KEYS: &str = "_embedded entity id occurred_at system_generated_idempotency_id type";
/// The keys that most samples have: no id.
const KEYS_DOCUMENTED: &str = "type entity occurred_at _embedded";

pub(in crate::providers) static STAGE: Stage = Stage {
    flows: files!("flow", ".toml":
        "cnp-authorization-capture" "card-present-capture" "emv-authorization" "non-emv-authorization"
        "authorization-void" "void-ends" "capture-full" "balance-transfer-core" "core" "checkout-form"
        "payment-link" "subscription" "hosted-payment-attempt" "dispute-won" "file-upload-ok" "file-upload-rejected"
        "external-link" "identity-buyer" "identity-merchant" "card-account-updater" "instrument-bank-account"
        "instrument-card" "instrument-manual-update" "merchant-onboarding-approved" "merchant-onboarding-rejected"
        "merchant-reverification-second" "merchant-reverification" "merchant-full" "onboarding-update-requested"
        "onboarding-form" "compliance-form" "tags" "payout-profile" "refund-reversal" "card-present-refund"
        "unreferenced-refund" "emv-sale" "manual-entry-sale" "card-present-swipe-sale" "ach-debit"
        "transfer-canceled" "settlement-lifecycle" "instant-payout"
    ),
    single: include_str!("single.toml"),
    shapes: files!("shape", ".json":
        "application" "application_profile" "authorization" "authorization_device" "balance_transfer"
        "checkout_form" "compliance_form" "dispute" "evidence" "external_link" "fee" "fee_profile" "file"
        "funding_transfer_attempt" "identity_blank" "identity_buyer" "identity_merchant" "instrument_bank"
        "instrument_card" "instrument_card_updated" "instrument_history" "instrument_present" "merchant"
        "merchant_profile" "onboarding_form" "onboarding_form_completed" "payment_link" "payout_profile"
        "risk_profile" "settlement" "settlement_accruing" "settlement_available" "subscription" "transfer"
        "transfer_attempt" "transfer_canceled" "transfer_device" "transfer_fee" "transfer_settlement" "verification"
    ),
    ids: IdForm { alphabet: BASE58, chars: ID_CHARS },
    wrap,
};

/// Writes the envelope with the keys, and in their order, that the documentation has for it or that it most likely has.
fn wrap(occurrence: &Occurrence<'_>, filler: &mut Filler<'_>) -> Vec<u8> {
    let Occurrence { event_type, payload, documented, .. } = *occurrence;
    let (entity, change) = event_type.rsplit_once('.').expect("the catalogue's types have two halves");
    let row = catalogue::find(&CATALOGUE, event_type).and_then(|row| row.plural.as_deref());
    let plural = match documented {
        Some(documented) => documented.plural.as_deref().or(row),
        // The samples' `identitys` is what the old API version wrote.
        None => row.map(|plural| if plural == "identitys" { "identities" } else { plural }),
    };
    let plural = plural.expect("each row of the catalogue has its plural");
    let keys = documented.map_or(KEYS, |documented| documented.keys.as_deref().unwrap_or(KEYS_DOCUMENTED));
    let id = alphabet::text(BASE58, ID_CHARS, &mut filler.rng("event"));
    let field = |key: &str| {
        let value = match key {
            "_embedded" => format!("{{{}:[{payload}]}}", quoted(plural)),
            "entity" => quoted(entity),
            "id" => quoted(&format!("{ID_PREFIX}{id}")),
            "occurred_at" => quoted(&time::written_zoneless(filler.at_ms)),
            "system_generated_idempotency_id" => quoted(&id),
            _ => quoted(change),
        };
        format!("{}:{value}", quoted(key))
    };
    format!("{{{}}}", keys.split(' ').map(field).collect::<Vec<_>>().join(",")).into()
}
