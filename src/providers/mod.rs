//! Providers: how each one's bytes look, are signed, named, retried and limited; one provider, one folder.
//!
//! Whoever knows one folder knows all: `mod.rs` has the catalogue, the ladder and the secrets, `signature.rs` signs and
//! verifies, `envelope.rs` reads and wraps. What one signs it verifies, what it wraps it reads.

use bytes::Bytes;
use rand::RngCore;

use crate::canonical::BYTE_ORDER_MARK;
use crate::error::{Error, Result};
use crate::inbound::{Credentials, Flags, Form, Inbound, Received, Refusal, Said, Terms, Verified};
use crate::key::{Action, Caller};
use crate::name::Metadata;
use crate::provider::Provider;
use crate::quarantine::Unread;
use crate::retry::Ladder;
use crate::secret::{OLD_SECRETS_MAX, Overlap, Scheme, Secret, SecretSlot, check_text};

/// The files of a folder by name, as part of this program.
macro_rules! files {
    ($folder:literal, $end:literal: $($name:literal)+) => {
        &[$(($name, include_str!(concat!($folder, "/", $name, $end)))),+]
    };
}

mod alphabet;
mod bridge;
mod catalogue;
mod fact;
mod finix;
mod fintoc;
mod flow;
mod generic;
mod json;
mod moment;
mod play;
mod proof;
pub mod request;
mod standard;
mod template;
mod time;
mod tree;

pub use catalogue::Row;
pub use fact::{Fact, Signing};
pub use play::{FlowName, Play, Scene};
pub use time::{read as read_moment, written as written_moment};
pub use tree::set;

/// The catalogue; empty for those that have none.
pub fn catalogue(provider: Provider) -> &'static [Row] {
    match provider {
        Provider::Fintoc => &fintoc::CATALOGUE,
        Provider::Bridge => &bridge::CATALOGUE,
        Provider::Finix => &finix::CATALOGUE,
        Provider::Standard | Provider::Svix | Provider::Generic => &[],
    }
}

/// When a failed delivery is tried again: as the provider does, or as usual where it leaves that to whoever sends.
pub fn ladder(provider: Provider, usual: &Ladder) -> &Ladder {
    match provider {
        Provider::Fintoc => &fintoc::LADDER,
        Provider::Bridge => &bridge::LADDER,
        Provider::Finix => &finix::LADDER,
        Provider::Standard | Provider::Svix | Provider::Generic => usual,
    }
}

/// How many rotated-out secrets sign on.
pub fn overlap(provider: Provider) -> Overlap {
    match provider {
        Provider::Fintoc => fintoc::OVERLAP,
        Provider::Bridge => bridge::OVERLAP,
        Provider::Finix => finix::OVERLAP,
        Provider::Standard | Provider::Svix | Provider::Generic => Overlap::Refuse(OLD_SECRETS_MAX),
    }
}

/// A fresh secret in the provider's form, for HMAC where it leaves the choice.
pub fn generate_secret(provider: Provider, rng: &mut impl RngCore) -> Secret {
    generate_secret_for(provider, Scheme::Hmac, rng)
}

/// A fresh secret in the provider's form; for this scheme where the provider leaves the choice.
pub fn generate_secret_for(provider: Provider, scheme: Scheme, rng: &mut impl RngCore) -> Secret {
    match provider {
        Provider::Fintoc => fintoc::generate_secret(rng),
        Provider::Bridge => bridge::generate_secret(rng),
        Provider::Finix => finix::generate_secret(rng),
        Provider::Standard | Provider::Svix => Secret::generate(scheme, rng),
        Provider::Generic => generic::generate_secret(rng),
    }
}

/// Reads a secret in the provider's form, every character of it: whoever reads it from a file leaves out the newline at
/// the end. Error: the form, or what nobody sees in it.
pub fn parse_secret(provider: Provider, text: &str) -> Result<Secret> {
    check_text(text).map_err(|why| Error::field("secret", why))?;
    match provider {
        Provider::Fintoc => fintoc::parse_secret(text),
        Provider::Bridge => bridge::parse_secret(text),
        Provider::Finix => finix::parse_secret(text),
        Provider::Standard | Provider::Svix => Secret::parse(text),
        Provider::Generic => generic::parse_secret(text),
    }
}

/// The headers that prove a delivery, by the secrets that sign at that moment; names in lower case. Standard Webhooks
/// and Svix also need [`id_header`]; a generic sender signs in GitHub's form, see [`sign_generic`] for others.
pub fn sign(provider: Provider, slots: &[SecretSlot], signing: Signing<'_>) -> Vec<(&'static str, String)> {
    match provider {
        Provider::Fintoc => fintoc::signature::sign(slots, signing),
        Provider::Bridge => bridge::signature::sign(slots, signing),
        Provider::Finix => finix::signature::sign(slots, signing),
        Provider::Standard => standard::sign(standard::STANDARD, slots, signing),
        Provider::Svix => standard::sign(standard::SVIX, slots, signing),
        Provider::Generic => generic::sign_all(slots, signing),
    }
}

/// What stands in the header that proves a delivery of a generic sender.
pub fn sign_generic(form: &Form, secret: &Secret, body: &[u8]) -> String {
    generic::sign(form, secret, body)
}

/// The header that holds the id that is signed; `None` for those that sign none.
pub fn id_header(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::Standard => Some(standard::STANDARD[0]),
        Provider::Svix => Some(standard::SVIX[0]),
        Provider::Fintoc | Provider::Bridge | Provider::Finix | Provider::Generic => None,
    }
}

/// The name of a header as its provider writes it, for people's eyes; case means nothing to HTTP.
pub fn as_written(header: &str) -> &str {
    match header {
        fintoc::signature::HEADER => "Fintoc-Signature",
        bridge::signature::HEADER => "BridgeApi-Signature",
        finix::signature::HEADER => "Finix-Signature",
        other => other,
    }
}

/// Whether this is the empty request by which Finix asks whether anybody is there.
pub fn is_ping(provider: Provider, body: &[u8]) -> bool {
    provider == Provider::Finix && finix::is_ping(body)
}

/// Verifies a request on its raw bytes. Error: why it is not believed.
///
/// First the credentials, then the headers' form, then the scheme, then the signature and only then its time: `Stale`
/// and `Future` are always genuine, and a forged request learns nothing of the window.
pub fn verify(provider: Provider, terms: &Terms, inbound: Inbound<'_>, now_secs: i64) -> Result<Verified, Refusal> {
    let vouch = |said| Verified::vouch(provider, inbound.body, carried(provider, terms, inbound), said);
    let signed = |id| Said { id: Some(id), event_type: None };
    proof::credentials(terms, inbound.headers)?;
    if !terms.requires_signature && terms.credentials != Credentials::None {
        return Ok(vouch(Said::default()));
    }
    if !terms.requires_signature || terms.secrets.iter().all(|secret| secret.bytes().is_empty()) {
        return Err(Refusal::BadSecret);
    }
    match provider {
        Provider::Fintoc => fintoc::signature::verify(terms, inbound, now_secs).map(|()| vouch(Said::default())),
        Provider::Bridge => bridge::signature::verify(terms, inbound, now_secs).map(|()| vouch(Said::default())),
        Provider::Finix => finix::signature::verify(terms, inbound, now_secs).map(|()| vouch(Said::default())),
        Provider::Standard => standard::verify(standard::STANDARD, terms, inbound, now_secs).map(signed).map(vouch),
        Provider::Svix => standard::verify(standard::SVIX, terms, inbound, now_secs).map(signed).map(vouch),
        Provider::Generic => {
            generic::verify(terms, inbound, now_secs).map(|()| vouch(generic::said(&terms.form, inbound)))
        }
    }
}

/// Takes a request for verified that somebody who may change the source vouches for. Error: 403.
pub fn vouched(caller: &Caller, provider: Provider, terms: &Terms, inbound: Inbound<'_>) -> Result<Verified> {
    caller.may(Action::Manage)?;
    let signed = |id: &str| Said { id: Some(id.to_owned()), event_type: None };
    let said = match provider {
        Provider::Generic => generic::said(&terms.form, inbound),
        Provider::Standard => standard::id(standard::STANDARD, inbound).map(signed).unwrap_or_default(),
        Provider::Svix => standard::id(standard::SVIX, inbound).map(signed).unwrap_or_default(),
        Provider::Fintoc | Provider::Bridge | Provider::Finix => Said::default(),
    };
    Ok(Verified::vouch(provider, inbound.body, carried(provider, terms, inbound), said))
}

/// Understands a verified request. Error: what is wrong with its body.
pub fn read(terms: &Terms, verified: Verified) -> Result<Received, Unread> {
    let provider = verified.provider();
    let reading = match provider {
        Provider::Fintoc => fintoc::envelope::read(verified.body())?,
        Provider::Bridge => bridge::envelope::read(verified.body())?,
        Provider::Finix => finix::envelope::read(verified.body())?,
        Provider::Standard | Provider::Svix => standard::read(&verified),
        Provider::Generic => generic::read(&terms.form, &verified)?,
    };
    let event_type = fact::fit(&reading.event_type).into_owned();
    let rows = catalogue(provider);
    let listed = rows.is_empty() || catalogue::find(rows, &event_type).is_some();
    let known = listed && event_type == reading.event_type;
    let fact::Reading { id, dedup_key, occurred_ms, live, .. } = reading;
    Ok(Received { verified, event_type, known, id, dedup_key, occurred_ms, live, flags: Flags::default() })
}

/// The headers that are kept with a verified request that is not understood: those that go on with it, and those that
/// say the id and the type of its event.
pub fn kept_headers(provider: Provider, terms: &Terms, inbound: Inbound<'_>) -> Vec<(String, String)> {
    let form = &terms.form;
    let Said { id, event_type } = generic::said(form, inbound);
    let says = [form.id_header.clone().zip(id), form.type_header.clone().zip(event_type)];
    let says = says.into_iter().flatten().filter(|(name, _)| !form.keep_headers.contains(name));
    carried(provider, terms, inbound).into_iter().chain(says).collect()
}

/// What can be found in a body that is not understood, and in the headers kept with it: the type of its event, `webhook`
/// when it has none, and the key of one with an id, as if nothing stood before its JSON and each byte that is no UTF-8
/// were a question mark.
pub fn guess(
    provider: Provider,
    terms: &Terms,
    (headers, body): (&[(String, String)], &[u8]),
) -> (String, Option<String>) {
    let body = String::from_utf8_lossy(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)).into_owned();
    let value = |wanted: &Option<String>| {
        let (_, value) = headers.iter().find(|(name, _)| wanted.as_ref() == Some(name))?;
        Some(value.clone())
    };
    let said = Said { id: value(&terms.form.id_header), event_type: value(&terms.form.type_header) };
    let cleaned = Verified::vouch(provider, &body.into(), Vec::new(), said);
    match read(terms, cleaned) {
        Ok(Received { event_type, id: Some(_), dedup_key, .. }) => (event_type, dedup_key),
        Ok(Received { event_type, .. }) => (event_type, None),
        Err(_) => (standard::UNNAMED.to_owned(), None),
    }
}

/// The `{type, timestamp, data}` of Standard Webhooks with the request's very bytes as `data`; bytes that are no JSON
/// stand there as a text, bytes that are no text as the base64 of them.
pub fn as_standard(received: &Received, now_ms: i64) -> Bytes {
    let body = received.verified.body();
    let at_ms = received.occurred_ms.unwrap_or(now_ms);
    let head =
        format!(r#"{{"type":{},"timestamp":"{}","data":"#, json::quoted(&received.event_type), time::written(at_ms));
    json::spliced(&head, &json::as_value(body), "}").into()
}

/// Puts a fact into the provider's envelope; `None` when it has none. Error: the field that breaks a rule.
pub fn wrap(provider: Provider, fact: Fact<'_>, rng: &mut impl RngCore) -> Result<Option<Bytes>> {
    let wrapped = match provider {
        Provider::Fintoc => fintoc::envelope::wrap(fact, rng)?,
        Provider::Bridge => bridge::envelope::wrap(fact, rng)?,
        Provider::Finix => finix::envelope::wrap(fact, rng)?,
        Provider::Standard | Provider::Svix | Provider::Generic => return Ok(None),
    };
    Ok(Some(wrapped.into()))
}

/// The flows that can be played; none of those that have no catalogue.
pub fn flows(provider: Provider) -> Vec<FlowName> {
    stage(provider).map(play::flows).unwrap_or_default()
}

/// The events of a flow in their order, made up anew; `None` when the provider has no such flow.
///
/// All values come from the seed and the flow's name, times from `at_ms`: the same again gives the same bytes. Another
/// flow of the same seed has other ids, another round of the same flow needs another seed.
pub fn play(provider: Provider, flow: &str, play: &Play) -> Option<Vec<Scene>> {
    play::play(stage(provider)?, flow, play)
}

/// An event of this kind, made up anew; `None` when the catalogue has no such row. The `nth` has other values than the
/// one before, and where a kind has several forms (the reasons of a failure) they take turns.
pub fn example(provider: Provider, event_type: &str, nth: u64, play: &Play) -> Option<Scene> {
    play::example(stage(provider)?, event_type, nth, play)
}

/// A resource as this provider has it, as JSON, made up anew; `None` when it has no such shape. All values come from
/// the seed and from `scope`, what it is for.
pub fn shape(provider: Provider, name: &str, scope: &str, play: &Play) -> Option<Bytes> {
    play::shape(stage(provider)?, name, scope, play)
}

/// An id in the form of a provider that has flows: its prefix, and the rest made up. Nothing for the others.
pub fn id(provider: Provider, prefix: &str, rng: &mut impl RngCore) -> String {
    stage(provider).map(|stage| play::id(stage, prefix, rng)).unwrap_or_default()
}

/// A UUID, as the ids of users and payments are at Bridge.
pub fn uuid(rng: &mut impl RngCore) -> String {
    template::uuid(rng)
}

/// What there is to play with.
fn stage(provider: Provider) -> Option<&'static play::Stage> {
    match provider {
        Provider::Fintoc => Some(&fintoc::stage::STAGE),
        Provider::Bridge => Some(&bridge::stage::STAGE),
        Provider::Finix => Some(&finix::stage::STAGE),
        Provider::Standard | Provider::Svix | Provider::Generic => None,
    }
}

/// The one type that tests are sent as, where the provider has such a thing.
pub fn test_event(provider: Provider) -> Option<&'static str> {
    (provider == Provider::Bridge).then_some(bridge::envelope::TEST_EVENT)
}

/// Whether events of this type are sent to the one URL given with them, and to no endpoint.
pub fn goes_to_a_url(provider: Provider, event_type: &str) -> bool {
    catalogue::find(catalogue(provider), event_type).is_some_and(|row| row.to_url)
}

/// Whether an application may be sent this type. Error: which metadata switches it on.
pub fn may_send(provider: Provider, event_type: &str, metadata: &Metadata) -> Result<()> {
    catalogue::may_send(catalogue(provider), event_type, metadata)
}

/// The headers that go on with a request when it is handed on as it came: what its body is, and what proves it. Those
/// of Standard Webhooks stay behind, for ours take their place; what opens our own door stays behind always.
fn carried(provider: Provider, terms: &Terms, inbound: Inbound<'_>) -> Vec<(String, String)> {
    let proofs: &[&str] = match provider {
        Provider::Fintoc => &[fintoc::signature::HEADER],
        Provider::Bridge => &[bridge::signature::HEADER],
        Provider::Finix => &[finix::signature::HEADER],
        Provider::Standard => &[],
        Provider::Svix => &standard::SVIX,
        Provider::Generic if terms.form.header == "authorization" => &[],
        Provider::Generic => &[&terms.form.header],
    };
    let kept: &[String] = if provider == Provider::Generic { &terms.form.keep_headers } else { &[] };
    let named = |name: &str| Some((name.to_owned(), inbound.headers.get(name)?.to_str().ok()?.to_owned()));
    let names = ["content-type"].iter().chain(proofs).copied().chain(kept.iter().map(String::as_str));
    names.filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn the_catalogues_are_whole_and_say_who_may_be_sent_what() {
        assert_eq!(Provider::ALL.map(|provider| catalogue(provider).len()), [0, 27, 15, 54, 0, 0]);
        let marked = |provider, mark: fn(&Row) -> bool| catalogue(provider).iter().filter(|row| mark(row)).count();
        assert_eq!(marked(Provider::Bridge, |row| row.unconfirmed), 4);
        assert_eq!(marked(Provider::Finix, |row| row.needs.as_deref() == Some("core")), 6);
        assert_eq!(marked(Provider::Finix, |row| row.plural.is_some()), 54);
        assert_eq!(marked(Provider::Fintoc, |row| row.needs.is_some()), 3);
        assert!(goes_to_a_url(Provider::Fintoc, "link.created") && !goes_to_a_url(Provider::Bridge, "link.created"));
        let said = |event_type, key: &str, value: &str| {
            let metadata = Metadata::from([(key.to_owned(), value.to_owned())]);
            may_send(Provider::Fintoc, event_type, &metadata).err().map(|error| error.detail)
        };
        let removed = "account.refresh_intent.movements_removed";
        assert!(
            said(removed, "movements_removed", "yes").expect("refused").contains("`movements_removed` to \"true\"")
        );
        assert_eq!(said(removed, "movements_removed", "true"), None);
        assert_eq!(said("payout.created", "", ""), None);
        assert_eq!(said("of.tomorrow", "", ""), None);
    }

    #[test]
    fn a_secret_that_is_made_has_the_form_that_is_read() {
        let rng = &mut SmallRng::seed_from_u64(1);
        for provider in Provider::ALL {
            let secret = generate_secret(provider, rng);
            assert_ne!(secret, generate_secret(provider, rng));
            assert_eq!(parse_secret(provider, &secret.text()).expect("our own"), secret);
            for (begin, end, why) in [
                ("", "\r\n", "ends with a newline"),
                ("", " ", "ends with a blank"),
                ("\t", "", "begins with a tab"),
                ("", "\0", "holds a NUL"),
            ] {
                let error = parse_secret(provider, &format!("{begin}{}{end}", secret.text())).expect_err(why);
                assert!(error.detail.starts_with(why) && !error.detail.contains(&secret.text()), "{error}");
                assert_eq!(error.fields[0].path, ["body", "secret"]);
            }
            for nothing in ["", "\n", "   "] {
                assert!(parse_secret(provider, nothing).is_err(), "{nothing:?}");
            }
        }
        let uuid = "644b2ac3-0797-4ec6-9537-cb5c0af9caf9";
        let key = "3afb49c98ac08a67a58efa5580b24e5984bc36d7ebd404e875234f107deed108";
        for (provider, good, wrong) in [
            (Provider::Fintoc, "whsec_test_secret", &["test_secret", "whsec_short", "whsec_test secret", uuid][..]),
            (
                Provider::Bridge,
                uuid,
                &["644b2ac307974ec69537cb5c0af9caf9", "{644b2ac3-0797-4ec6-9537-cb5c0af9ca}", key],
            ),
            (Provider::Finix, key, &[&key[1..], &key.replace('3', "x"), uuid]),
        ] {
            let secret = parse_secret(provider, good).expect("the documented form");
            assert!(secret.is_verbatim() && secret.text() == good);
            for text in wrong {
                let error = parse_secret(provider, text).expect_err(text);
                assert_eq!(error.fields[0].path, ["body", "secret"]);
            }
        }
        // the text is the key, and Bridge signs with the lower-case one that its dashboard shows
        let folded = parse_secret(Provider::Bridge, &uuid.to_uppercase()).expect("a UUID");
        assert_eq!(folded.text(), uuid);
        assert!(parse_secret(Provider::Generic, &"x".repeat(1_025)).is_err());
    }

    #[test]
    fn the_ladders_are_those_of_the_guides() {
        let ladder = |provider| ladder(provider, &crate::retry::STANDARD);
        let sum = |provider| ladder(provider).waits_secs.iter().sum::<u32>();
        assert_eq!(Provider::DELIVERED.map(sum), [272_105, 393_213, 122_820, 1_230]);
        assert!(Provider::DELIVERED.map(|provider| ladder(provider).jitter) == [true, false, false, false]);
    }
}
