//! What happens in a flow: in which order, to which resource, what changes, what is tied, what adds up.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use posthaste::provider::Provider;
use posthaste::providers::{self, Play};
use serde_json::Value;

use super::tree::Sample;
use super::{AT_MS, DOCUMENTED, PLAY, PLAYERS, json, played};

/// The flows, all of them.
const FLOWS: [(Provider, &str); 3] = [
    (
        Provider::Fintoc,
        "refresh-mixed refresh-all-succeeded refresh-rejected movements-removed payment-intent payment-intent-pending
         checkout-session direct-debit payout refund link-lifecycle",
    ),
    (Provider::Bridge, "connect daily-refresh account-closed deletion payment payment-rejected test"),
    (
        Provider::Finix,
        "cnp-authorization-capture card-present-capture emv-authorization non-emv-authorization authorization-void
         balance-transfer-core checkout-form dispute-won file-upload-ok file-upload-rejected external-link
         identity-buyer identity-merchant card-account-updater merchant-onboarding-approved
         merchant-onboarding-rejected merchant-reverification-second merchant-reverification onboarding-form
         instrument-bank-account instrument-card instrument-manual-update payment-link payout-profile subscription
         refund-reversal card-present-refund unreferenced-refund emv-sale manual-entry-sale card-present-swipe-sale
         hosted-payment-attempt settlement-lifecycle transfer-canceled ach-debit instant-payout compliance-form
         onboarding-update-requested merchant-full tags core void-ends capture-full",
    ),
];

/// What has to be the same: `1/id` is `/id` of the first step's resource.
const TIES: [(Provider, &str, &[&str]); 43] = [
    (Provider::Fintoc, "refresh-mixed", &["1/created_at", "2/created_at", "3/created_at"]),
    (Provider::Fintoc, "refresh-mixed", &["2/refreshed_object_id", "4/accounts/1/id"]),
    (Provider::Fintoc, "refresh-mixed", &["3/refreshed_object_id", "4/accounts/2/id"]),
    (Provider::Bridge, "account-closed", &["1/account_id", "2/account_id"]),
    (Provider::Fintoc, "refresh-rejected", &["1/refreshed_object_id", "2/accounts/0/id"]),
    (Provider::Fintoc, "movements-removed", &["1/refreshed_object_id", "2/refreshed_object_id"]),
    (Provider::Fintoc, "payment-intent-pending", &["1/id", "2/id"]),
    (Provider::Fintoc, "checkout-session", &["1/id", "2/payment_resource/payment_intent/id"]),
    (Provider::Fintoc, "checkout-session", &["1/amount", "2/amount", "2/payment_resource/payment_intent/amount"]),
    (Provider::Fintoc, "direct-debit", &["1/subscription/id", "2/id", "3/subscription", "4/subscription", "5/id"]),
    (Provider::Fintoc, "direct-debit", &["1/subscription/account", "2/account", "5/account"]),
    (Provider::Fintoc, "payout", &["1/id", "2/id"]),
    (Provider::Fintoc, "refund", &["1/id", "2/resource_id", "3/resource_id"]),
    (Provider::Fintoc, "refund", &["1/amount", "2/amount", "3/amount"]),
    (Provider::Fintoc, "refund", &["1/sender_account/number", "2/recipient_account/number"]),
    (Provider::Fintoc, "link-lifecycle", &["1/accounts/0/id", "2/refreshed_object_id", "3/accounts/0/id"]),
    (Provider::Bridge, "connect", &["1/item_id", "2/item_id", "3/item_id", "4/item_id", "5/item_id", "7/item_id"]),
    (Provider::Bridge, "connect", &["2/account_id", "6/account_id"]),
    (Provider::Bridge, "connect", &["3/account_id", "7/account_id"]),
    (Provider::Bridge, "deletion", &["1/user_uuid", "2/user_uuid", "3/user_uuid"]),
    (
        Provider::Bridge,
        "payment",
        &["1/payment_transaction_id", "2/payment_transaction_id", "5/payment_transaction_id"],
    ),
    (Provider::Bridge, "payment", &["1/client_reference", "4/payment_link_client_reference"]),
    (Provider::Bridge, "payment-rejected", &["1/payment_link_id", "4/payment_link_id", "6/payment_link_id"]),
    (Provider::Bridge, "payment-rejected", &["4/payment_request_id", "5/payment_request_id"]),
    (Provider::Finix, "emv-authorization", &["1/id", "2/identity"]),
    (Provider::Finix, "emv-authorization", &["2/id", "3/source"]),
    (Provider::Finix, "emv-authorization", &["4/transfer", "5/id", "6/id"]),
    (Provider::Finix, "non-emv-authorization", &["3/amount", "5/amount"]),
    (Provider::Finix, "non-emv-authorization", &["2/id", "3/source", "5/source"]),
    (Provider::Finix, "merchant-onboarding-approved", &["1/id", "3/merchant", "4/id", "6/id"]),
    (Provider::Finix, "merchant-onboarding-approved", &["1/merchant_profile", "2/id"]),
    (Provider::Finix, "merchant-onboarding-approved", &["3/id", "4/verification", "5/id"]),
    (Provider::Finix, "merchant-reverification", &["1/merchant", "3/id"]),
    (Provider::Finix, "onboarding-update-requested", &["7/id", "8/verification", "9/id", "10/verification"]),
    (Provider::Finix, "onboarding-update-requested", &["1/identity", "6/id"]),
    (Provider::Finix, "merchant-full", &["2/id", "4/fee_profile"]),
    (Provider::Finix, "dispute-won", &["1/id", "2/dispute", "3/dispute", "4/id"]),
    (Provider::Finix, "onboarding-form", &["1/id", "2/id"]),
    (Provider::Finix, "settlement-lifecycle", &["1/id", "2/id", "3/id", "4/id"]),
    (Provider::Finix, "settlement-lifecycle", &["1/total_amount", "2/total_amount", "3/transfer_debit_amount"]),
    (Provider::Finix, "settlement-lifecycle", &["4/net_amount", "5/amount", "5/amount_requested", "6/amount"]),
    (Provider::Finix, "capture-full", &["2/transfer", "3/id", "9/id"]),
    (Provider::Finix, "capture-full", &["1/amount", "3/amount", "10/total_amount"]),
];

/// What differs between two steps, and nothing else.
const CHANGES: [(Provider, &str, usize, usize, &str); 30] = [
    (Provider::Fintoc, "payment-intent-pending", 1, 2, "status transaction_date"),
    (Provider::Fintoc, "payout", 1, 2, "status succeeded_at updated_at"),
    (Provider::Fintoc, "refund", 2, 3, "status updated_at"),
    (Provider::Fintoc, "direct-debit", 2, 5, "status"),
    (Provider::Bridge, "connect", 4, 5, "full_refresh"),
    (Provider::Bridge, "payment", 2, 3, "status"),
    (Provider::Bridge, "payment", 3, 5, "status"),
    (Provider::Bridge, "payment-rejected", 2, 3, "status status_reason"),
    (Provider::Finix, "cnp-authorization-capture", 1, 2, "transfer updated_at"),
    (Provider::Finix, "card-present-capture", 1, 2, "state updated_at"),
    (Provider::Finix, "emv-authorization", 3, 4, "transfer updated_at"),
    (Provider::Finix, "emv-authorization", 5, 6, "state updated_at"),
    (Provider::Finix, "merchant-onboarding-approved", 3, 5, "raw state updated_at"),
    (
        Provider::Finix,
        "merchant-onboarding-approved",
        1,
        4,
        "onboarding_state processor_details updated_at verification",
    ),
    (Provider::Finix, "merchant-onboarding-approved", 4, 6, "processing_enabled settlement_enabled updated_at"),
    (Provider::Finix, "merchant-onboarding-rejected", 3, 4, "messages raw state updated_at"),
    (Provider::Finix, "merchant-onboarding-rejected", 1, 5, "onboarding_state updated_at verification"),
    (Provider::Finix, "dispute-won", 1, 4, "state updated_at"),
    (Provider::Finix, "dispute-won", 2, 3, "state updated_at"),
    (Provider::Finix, "file-upload-ok", 1, 2, "status updated_at"),
    (Provider::Finix, "external-link", 1, 2, "expired"),
    (Provider::Finix, "checkout-form", 1, 2, "allowed_payment_methods updated_at"),
    (Provider::Finix, "payment-link", 1, 2, "allowed_payment_methods updated_at"),
    (Provider::Finix, "subscription", 1, 2, "next_billing_date updated_at"),
    (Provider::Finix, "card-present-refund", 2, 3, "ready_to_settle_at updated_at"),
    (Provider::Finix, "emv-sale", 1, 2, "state updated_at"),
    (Provider::Finix, "emv-sale", 2, 3, "ready_to_settle_at updated_at"),
    (Provider::Finix, "void-ends", 2, 3, "updated_at void_state"),
    (Provider::Finix, "instant-payout", 1, 2, "funding_transfer_id state updated_at"),
    (Provider::Finix, "compliance-form", 1, 2, "files pci_saq_a state updated_at"),
];

fn resources(provider: Provider, flow: &str, play: &Play) -> Vec<Value> {
    played(provider, flow, play).iter().map(|scene| json(&scene.payload)).collect()
}

#[test]
fn each_flow_is_there_and_says_what_happens() {
    for (provider, names) in FLOWS {
        let flows = providers::flows(provider);
        let here: BTreeSet<_> = flows.iter().map(|flow| flow.name).collect();
        assert_eq!(here, names.split_whitespace().collect());
        assert_eq!(here.len(), flows.len());
        for flow in flows {
            assert!(flow.about.len() > 20 && flow.about.ends_with('.'), "{}: {}", flow.name, flow.about);
        }
    }
}

#[test]
fn the_kinds_come_in_their_order() {
    let approved = "merchant.created merchant_profile.created verification.created merchant.underwritten \
                    verification.updated merchant.updated";
    for (provider, flow, kinds) in [
        (Provider::Finix, "card-present-capture", "transfer.created transfer.updated"),
        (Provider::Finix, "merchant-onboarding-approved", approved),
        (Provider::Finix, "hosted-payment-attempt", "transfer_attempt.created transfer_attempt.updated"),
        (Provider::Finix, "instant-payout", "funding_transfer_attempt.created funding_transfer_attempt.updated"),
        (
            Provider::Fintoc,
            "refresh-mixed",
            "account.refresh_intent.succeeded account.refresh_intent.failed account.refresh_intent.rejected \
             link.credentials_changed",
        ),
        (Provider::Fintoc, "payment-intent-pending", "payment_intent.pending payment_intent.succeeded"),
        (Provider::Fintoc, "checkout-session", "payment_intent.succeeded checkout_session.finished"),
        (Provider::Bridge, "test", "TEST_EVENT"),
    ] {
        let scenes = played(provider, flow, &PLAY);
        let here: Vec<_> = scenes.iter().map(|scene| scene.event_type.as_str()).collect();
        assert_eq!(here.join(" "), kinds, "{flow}");
    }
}

#[test]
fn what_belongs_together_is_tied() {
    for (provider, flow, places) in TIES {
        for play in [PLAY, DOCUMENTED] {
            let resources = resources(provider, flow, &play);
            let values = places.iter().map(|place| {
                let (step, pointer) = place.split_once('/').unwrap();
                let resource = &resources[step.parse::<usize>().unwrap() - 1];
                resource.pointer(&format!("/{pointer}")).unwrap_or_else(|| panic!("{flow} has no {place}"))
            });
            let values: Vec<_> = values.collect();
            let fixed = play.as_documented && flow == "refresh-mixed";
            assert!(fixed || values.iter().all(|value| *value == values[0]), "{flow} {places:?}: {values:?}");
        }
    }
}

#[test]
fn a_step_changes_what_it_says_and_nothing_else() {
    for (provider, flow, before, after, keys) in CHANGES {
        let resources = resources(provider, flow, &PLAY);
        let [before, after] = [before, after].map(|step| resources[step - 1].as_object().unwrap());
        let names: BTreeSet<_> = before.keys().chain(after.keys()).map(String::as_str).collect();
        let changed: BTreeSet<_> = names.into_iter().filter(|key| before.get(*key) != after.get(*key)).collect();
        assert_eq!(changed, keys.split(' ').collect(), "{flow}");
    }
}

#[test]
fn sums_add_up() {
    let of = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_i64).unwrap();
    for settlement in &resources(Provider::Finix, "settlement-lifecycle", &PLAY)[..4] {
        if settlement.get("net_amount").is_some() {
            assert_eq!(of(settlement, "/net_amount"), of(settlement, "/total_amount") - of(settlement, "/total_fee"));
            assert_eq!(of(settlement, "/total_fees"), of(settlement, "/total_fee"));
        }
    }
    let link = &resources(Provider::Finix, "payment-link", &PLAY)[0];
    let part = |name: &str| of(link, &format!("/amount_details/amount_breakdown/{name}_amount"));
    let parts = part("subtotal") + part("estimated_tax") + part("shipping") + part("tip") - part("discount");
    assert_eq!(of(link, "/amount_details/total_amount"), parts);
    let full = resources(Provider::Finix, "capture-full", &PLAY);
    assert_eq!(of(&full[9], "/total_fee"), of(&full[4], "/amount") + of(&full[6], "/amount"));
}

/// When an event happened, in ns since 1970.
fn occurred(body: &Value) -> i128 {
    if let Some(count) = body["timestamp"].as_i64() {
        return i128::from(if count < 100_000_000_000 { count * 1_000 } else { count }) * 1_000_000;
    }
    let text = body["occurred_at"].as_str().or(body["created_at"].as_str()).unwrap().replace(' ', "");
    let text = if text.ends_with('Z') { text } else { text + "Z" };
    text.parse::<jiff::Timestamp>().unwrap().as_nanosecond()
}

#[test]
fn times_run_forward_in_traffic_and_as_documented_where_the_documentation_is_played() {
    for provider in PLAYERS {
        for flow in providers::flows(provider).iter().filter(|flow| flow.name != "test") {
            let mut at = i128::from(AT_MS) * 1_000_000;
            for scene in played(provider, flow.name, &PLAY) {
                at += i128::from(scene.wait_ms) * 1_000_000;
                assert_eq!(occurred(&json(&scene.body)), at, "{}", flow.name);
                let resource = json(&scene.payload);
                let moment = |key: &str| resource[key].as_str().map(|text| text.parse::<jiff::Timestamp>().unwrap());
                let (created, updated) = (moment("created_at"), moment("updated_at"));
                assert!(created.is_none_or(|created| created.as_nanosecond() <= at), "{}", flow.name);
                if let (Some(created), Some(updated)) = (created, updated) {
                    assert!(created <= updated && updated.as_nanosecond() <= at, "{}: {resource}", flow.name);
                }
            }
        }
    }
    for sample in Sample::all().iter().filter(|sample| sample.step > 1) {
        let scenes = played(sample.provider, sample.flow, &DOCUMENTED);
        let [before, this] = [2, 1].map(|back| occurred(&json(&scenes[sample.step - back].body)));
        let after = match this.cmp(&before) {
            Ordering::Greater => "<",
            Ordering::Less => ">",
            Ordering::Equal => "=",
        };
        assert_eq!(after, sample.after, "{}", sample.number);
    }
}

#[test]
fn the_oddities_are_those_of_the_documentation() {
    let bodies = |provider, flow| -> Vec<String> {
        played(provider, flow, &DOCUMENTED)
            .iter()
            .map(|scene| String::from_utf8(scene.body.to_vec()).unwrap())
            .collect()
    };
    for flow in ["checkout-form", "payment-link", "subscription"] {
        let scenes = played(Provider::Finix, flow, &DOCUMENTED);
        assert!(scenes[0].id.is_some() && scenes[0].id == scenes[1].id);
        assert_eq!(json(&scenes[0].body)["occurred_at"], json(&scenes[1].body)["occurred_at"]);
        assert!(json(&scenes[0].body)["occurred_at"].as_str().unwrap().len() > 26, "nanoseconds");
    }
    for flow in ["cnp-authorization-capture", "card-account-updater"] {
        assert!(json(bodies(Provider::Finix, flow)[0].as_bytes())["occurred_at"].as_str().unwrap().contains(" :"));
    }
    assert!(bodies(Provider::Finix, "identity-buyer")[0].contains(r#""identitys":["#));
    assert!(bodies(Provider::Finix, "settlement-lifecycle")[2].contains(r#""transfers":[{"id":"ST"#));
    let kinds = |flow| played(Provider::Finix, flow, &DOCUMENTED).into_iter().map(|scene| scene.event_type);
    assert!(kinds("hosted-payment-attempt").all(|kind| kind == "transfer_attempt.created"));
    assert!(kinds("instant-payout").all(|kind| kind == "funding_transfer_attempt.updated"));
    let ids = |provider, flow| played(provider, flow, &DOCUMENTED).into_iter().map(|scene| scene.id);
    assert_eq!(ids(Provider::Fintoc, "refresh-mixed").filter(|id| id.as_deref() == Some("evt_00000000")).count(), 3);
    assert!(
        bodies(Provider::Bridge, "payment")
            .iter()
            .all(|body| json(body.as_bytes())["timestamp"].as_i64() < Some(100_000_000_000))
    );
    for scene in providers::flows(Provider::Finix).iter().flat_map(|flow| played(Provider::Finix, flow.name, &PLAY)) {
        let body = json(&scene.body);
        let bare = body["system_generated_idempotency_id"].as_str().unwrap();
        assert_eq!(scene.id.as_deref(), Some(format!("event_{bare}").as_str()));
        assert!(body["_embedded"].get("identitys").is_none());
    }
}
