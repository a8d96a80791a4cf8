//! ID tokens: what an issuer signs about somebody who logged in, checked as OpenID Connect Core §3.1.3.7 says.

use std::fmt;

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::jwt::{LEEWAY_SECS, whole};
use crate::oidc::Claims;

/// What ID tokens are signed with: a private key of the issuer. Never `none`, and never a secret: whoever takes one
/// would take the public key for it.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The keys that an issuer shows.
pub(super) type Keys = JwkSet;

/// What a token must say.
pub(super) struct Expected<'a> {
    /// From whom it is.
    pub(super) issuer: &'a str,
    /// For whom.
    pub(super) client: &'a str,
    /// For which login.
    pub(super) nonce: &'a str,
    /// What time it is, in seconds since 1970.
    pub(super) now_secs: i64,
}

/// Why a token does not hold, in words that have nothing of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The issuer shows no key that signed it; perhaps it has a new one.
    Key(&'static str),
    /// What it says.
    Claim(&'static str),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Key(why) | Self::Claim(why)) = self;
        write!(f, "the ID token {why}")
    }
}

/// What is checked of what it says.
#[derive(Deserialize)]
struct Checked {
    iss: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Reads a token that is genuine, of now, and for this login.
pub(super) fn read(text: &str, keys: &Keys, expected: &Expected<'_>) -> Result<Claims, Wrong> {
    let header = decode_header(text).map_err(|_| Wrong::Claim("is none, or signed in a way that is not known here"))?;
    if !ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
        return Err(Wrong::Claim("is signed in a way that is not taken"));
    }
    let fields = genuine(text, &header, keys)?;
    let checked = Checked::deserialize(Value::Object(fields.clone()))
        .map_err(|_| Wrong::Claim("lacks one of iss, aud, exp and iat, or has them in another form"))?;
    match check(&checked, expected) {
        Some(why) => Err(Wrong::Claim(why)),
        None => Ok(Claims::new(fields)),
    }
}

/// The claims, when a key signed them: the one that the header names, or any where it names none. What they say is
/// checked elsewhere, by our own clock.
fn genuine(text: &str, header: &Header, keys: &Keys) -> Result<Map<String, Value>, Wrong> {
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let is_named = |key: &&Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let signs_so = |key: &&Jwk| key.common.key_algorithm.is_none_or(|known| known == KeyAlgorithm::from(header.alg));
    let mut wrong = Wrong::Key("names a key that the issuer does not show");
    for key in keys.keys.iter().filter(is_named).filter(signs_so) {
        match DecodingKey::from_jwk(key).and_then(|key| decode(text, &key, &validation)) {
            Ok(token) => return Ok(token.claims),
            Err(_) => wrong = Wrong::Key("is not signed by the key that it names"),
        }
    }
    Err(wrong)
}

/// What is wrong with what it says.
fn check(said: &Checked, expected: &Expected<'_>) -> Option<&'static str> {
    let (is_ours, is_ours_alone) = match &said.aud {
        Audience::One(client) => (client == expected.client, true),
        Audience::Many(clients) => (clients.iter().any(|client| client == expected.client), clients.len() == 1),
    };
    let is_party = said.azp.as_ref().map_or(is_ours_alone, |party| party == expected.client);
    let (early, late) = (expected.now_secs - LEEWAY_SECS, expected.now_secs + LEEWAY_SECS);
    [
        (said.iss == expected.issuer, "is of another issuer"),
        (is_ours, "is for another client"),
        (is_party, "was issued to another client"),
        (whole(said.exp) > early, "has ended; look at both clocks"),
        (whole(said.iat) < late, "is of the future; look at both clocks"),
        (said.nbf.is_none_or(|at| whole(at) < late), "does not hold yet; look at both clocks"),
        (said.nonce.as_deref() == Some(expected.nonce), "is for another login"),
    ]
    .into_iter()
    .find_map(|(holds, why)| (!holds).then_some(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::hmac;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    };
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    const NOW_SECS: i64 = 1_795_305_600;

    fn b64(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A private key of the issuer.
    enum Pair {
        Rsa(RsaKeyPair),
        Ec(EcdsaKeyPair),
        Ed(Ed25519KeyPair),
    }

    impl Pair {
        fn ec() -> Self {
            Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
        }

        fn algorithm(&self) -> &'static str {
            match self {
                Self::Rsa(_) => "RS256",
                Self::Ec(_) => "ES256",
                Self::Ed(_) => "EdDSA",
            }
        }

        /// The public half, as the issuer shows it.
        fn jwk(&self, kid: &str) -> Value {
            match self {
                Self::Rsa(pair) => {
                    let [n, e] = [pair.public_key().modulus(), pair.public_key().exponent()]
                        .map(|number| b64(number.big_endian_without_leading_zero()));
                    json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": n, "e": e })
                }
                Self::Ec(pair) => {
                    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                    json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": b64(x), "y": b64(y) })
                }
                Self::Ed(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(pair.public_key()) }),
            }
        }

        fn token(&self, header: &Value, claims: &Value) -> String {
            let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
            let random = SystemRandom::new();
            let signature = match self {
                Self::Rsa(pair) => {
                    let mut signature = vec![0; pair.public_modulus_len()];
                    pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).expect("it signs");
                    signature
                }
                Self::Ec(pair) => pair.sign(&random, signed.as_bytes()).expect("it signs").as_ref().to_vec(),
                Self::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            };
            format!("{signed}.{}", b64(signature))
        }
    }

    fn keys(jwks: &[Value]) -> Keys {
        serde_json::from_value(json!({ "keys": jwks })).expect("a set")
    }

    fn claims() -> Value {
        json!({
            "iss": "https://login.example.com", "aud": "posthaste", "sub": "248289761001", "nonce": "n-0S6_WzA2Mj",
            "iat": NOW_SECS - 5, "exp": NOW_SECS + 300, "email": "ana@example.com", "email_verified": true,
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn read_now(token: &str, keys: &Keys) -> Result<Claims, Wrong> {
        let (issuer, client, nonce) = ("https://login.example.com", "posthaste", "n-0S6_WzA2Mj");
        read(token, keys, &Expected { issuer, client, nonce, now_secs: NOW_SECS })
    }

    /// What is wrong with these claims, genuinely signed.
    fn wrong(claims: &Value) -> Option<Wrong> {
        let pair = Pair::ec();
        let token = pair.token(&json!({ "alg": "ES256", "kid": "1" }), claims);
        read_now(&token, &keys(&[pair.jwk("1")])).err()
    }

    #[test]
    fn a_genuine_token_is_read_whatever_key_signed_it() {
        let rsa = Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"));
        let ed = Pair::Ed(Ed25519KeyPair::generate().expect("a key"));
        let pairs = [rsa, Pair::ec(), ed];
        let mut shown: Vec<_> = pairs.iter().map(|pair| pair.jwk(pair.algorithm())).collect();
        // what is not known here is passed over
        shown.insert(0, json!({ "kty": "AKP", "alg": "ML-DSA-65", "kid": "RS256", "pub": "AQAB" }));
        shown.insert(0, json!({ "kty": "EC", "crv": "secp256k1", "kid": "ES256", "x": "AQ", "y": "AQ" }));
        let keys = keys(&shown);
        for pair in &pairs {
            for header in
                [json!({ "alg": pair.algorithm(), "kid": pair.algorithm() }), json!({ "alg": pair.algorithm() })]
            {
                let token = pair.token(&header, &claims());
                let claims = read_now(&token, &keys).unwrap_or_else(|wrong| panic!("{header}: {wrong}"));
                assert_eq!(claims.verified_email().as_deref(), Some("ana@example.com"), "{header}");
            }
        }
    }

    #[test]
    fn what_is_changed_or_signed_by_another_is_refused() {
        let (pair, other) = (Pair::ec(), Pair::ec());
        let header = json!({ "alg": "ES256", "kid": "1" });
        let keys = keys(&[pair.jwk("1")]);
        let genuine = pair.token(&header, &claims());
        assert!(read_now(&genuine, &keys).is_ok());
        let parts: Vec<&str> = genuine.split('.').collect();
        let changed = with("email", json!("eve@example.com")).to_string();
        let forged = [
            format!("{}.{}.{}", parts[0], b64(changed), parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}.{}", parts[0], parts[1], b64([0; 64])),
            other.token(&header, &claims()),
        ];
        for token in forged {
            let wrong = read_now(&token, &keys).err();
            assert_eq!(wrong, Some(Wrong::Key("is not signed by the key that it names")), "{token}");
        }
        let unknown = pair.token(&json!({ "alg": "ES256", "kid": "2" }), &claims());
        assert_eq!(read_now(&unknown, &keys).err(), Some(Wrong::Key("names a key that the issuer does not show")));
        for token in ["", "a.b.c", "..", &genuine[1..]] {
            assert!(read_now(token, &keys).is_err(), "{token}");
        }
    }

    #[test]
    fn a_key_signs_in_no_other_way_than_its_own() {
        let rsa = Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"));
        let Pair::Rsa(pair) = &rsa else { unreachable!("it was made so") };
        let shown = rsa.jwk("1");
        // also where the issuer itself shows a secret
        let secret = json!({ "kty": "oct", "alg": "HS256", "kid": "1", "k": b64("a secret that is shown") });
        let keys = keys(&[shown.clone(), secret]);
        let der = AsDer::<PublicKeyX509Der>::as_der(pair.public_key()).expect("it has one");
        let publics: [&[u8]; 4] = [
            der.as_ref(),
            pair.public_key().as_ref(),
            shown["n"].as_str().expect("a text").as_bytes(),
            b"a secret that is shown",
        ];
        for public in publics {
            let signed = format!("{}.{}", b64(r#"{"alg":"HS256","kid":"1"}"#), b64(claims().to_string()));
            let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public), signed.as_bytes());
            let wrong = read_now(&format!("{signed}.{}", b64(mac)), &keys).err();
            assert_eq!(wrong, Some(Wrong::Claim("is signed in a way that is not taken")));
        }
        for algorithm in ["none", "None", "NONE", "RS1"] {
            let head = b64(json!({ "alg": algorithm, "kid": "1" }).to_string());
            for end in [String::new(), b64("x")] {
                assert!(
                    read_now(&format!("{head}.{}.{end}", b64(claims().to_string())), &keys).is_err(),
                    "{algorithm}"
                );
            }
        }
        for header in [json!({ "alg": "PS256", "kid": "1" }), json!({ "alg": "ES256", "kid": "1" })] {
            assert!(read_now(&rsa.token(&header, &claims()), &keys).is_err(), "{header}");
        }
        let critical = json!({ "alg": "RS256", "kid": "1", "crit": ["exp"] });
        assert!(read_now(&rsa.token(&critical, &claims()), &keys).is_err());
    }

    #[test]
    fn what_is_for_another_or_of_another_time_is_refused() {
        for (name, value, why) in [
            ("iss", json!("https://login.example.org"), "is of another issuer"),
            ("iss", json!("https://login.example.com/"), "is of another issuer"),
            ("aud", json!("another"), "is for another client"),
            ("aud", json!([]), "is for another client"),
            ("aud", json!(["posthaste", "another"]), "was issued to another client"),
            ("azp", json!("another"), "was issued to another client"),
            ("exp", json!(NOW_SECS - LEEWAY_SECS), "has ended; look at both clocks"),
            ("iat", json!(NOW_SECS + LEEWAY_SECS), "is of the future; look at both clocks"),
            ("nbf", json!(NOW_SECS + LEEWAY_SECS), "does not hold yet; look at both clocks"),
            ("nonce", json!("another"), "is for another login"),
            ("nonce", json!(null), "is for another login"),
        ] {
            assert_eq!(wrong(&with(name, value.clone())), Some(Wrong::Claim(why)), "{name} {value}");
        }
        for (name, value) in [
            ("aud", json!(["posthaste"])),
            ("azp", json!("posthaste")),
            ("exp", json!(NOW_SECS - LEEWAY_SECS + 1)),
            ("iat", json!(NOW_SECS + LEEWAY_SECS - 1)),
            ("iat", json!(1_795_305_599.5)),
        ] {
            assert_eq!(wrong(&with(name, value.clone())), None, "{name} {value}");
        }
        let mut of_many = with("aud", json!(["another", "posthaste"]));
        of_many["azp"] = json!("posthaste");
        assert_eq!(wrong(&of_many), None);
    }

    #[test]
    fn a_token_says_from_whom_for_whom_and_when() {
        for name in ["iss", "aud", "exp", "iat"] {
            let mut claims = claims();
            claims.as_object_mut().expect("an object").remove(name);
            for claims in [claims, with(name, json!(true)), with(name, json!("9999999999"))] {
                assert!(wrong(&claims).is_some(), "{claims}");
            }
        }
    }
}
