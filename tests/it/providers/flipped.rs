//! Every single bit of a body and of its proof counts.

use posthaste::provider::Provider;

use super::{headers, secret_of, signed, terms, verify};

#[test]
fn a_flipped_bit_in_a_body_of_64_bytes_is_refused() {
    let body: Vec<u8> = (0..64).map(|at| b'!' + at).collect();
    for provider in Provider::ALL {
        let terms = terms(provider, &[secret_of(provider)]);
        let headers = headers(&signed(provider, secret_of(provider), &body));
        assert!(verify(provider, &terms, &headers, &body).is_ok());
        for bit in 0..body.len() * 8 {
            let mut flipped = body.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(provider, &terms, &headers, &flipped).is_err(), "{provider:?}, bit {bit}");
        }
    }
}

/// A bit that turns a digit into the same digit of the other case changes nothing where both are read (Bridge and
/// generic senders), and neither does one that only renames the header's own words.
#[test]
fn a_flipped_bit_in_a_proof_is_refused_unless_it_says_the_same() {
    let body = b"{}";
    for provider in Provider::ALL {
        let terms = terms(provider, &[secret_of(provider)]);
        let proof = signed(provider, secret_of(provider), body);
        for (position, (name, value)) in proof.iter().enumerate() {
            for bit in 0..value.len() * 8 {
                let mut flipped = value.clone().into_bytes();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let mut pairs: Vec<_> = proof.iter().map(|(name, value)| (*name, value.clone().into_bytes())).collect();
                pairs[position].1.clone_from(&flipped);
                if http::HeaderValue::from_bytes(&flipped).is_err() {
                    continue; // no HTTP library lets it through
                }
                let same = flipped.eq_ignore_ascii_case(value.as_bytes())
                    && match provider {
                        Provider::Bridge => flipped[0] == b'v',
                        Provider::Generic => flipped.starts_with(b"sha256="),
                        Provider::Finix => flipped[value.len() - 64..] == value.as_bytes()[value.len() - 64..],
                        Provider::Standard | Provider::Svix | Provider::Fintoc => false,
                    };
                let verdict = verify(provider, &terms, &headers(&pairs), body);
                assert_eq!(verdict.is_ok(), same, "{provider:?}, {name}, bit {bit}");
            }
        }
    }
}
