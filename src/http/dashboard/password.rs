//! Passwords: hashed with argon2id, as OWASP advises: 19 MiB, two passes, one lane.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use rand::{RngCore as _, SeedableRng as _};

use crate::error::{Error, Result};

/// What is checked when there is no such user: nobody knows what it is the hash of.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The hash of a password, in the form of PHC.
pub fn hash(text: &str) -> Result<String> {
    let mut salt = [0; 16];
    rand::rngs::StdRng::from_os_rng().fill_bytes(&mut salt);
    let salt = SaltString::encode_b64(&salt).map_err(Error::internal)?;
    Ok(Argon2::default().hash_password(text.as_bytes(), &salt).map_err(Error::internal)?.to_string())
}

/// Whether this is the password; it takes as long when there is no hash.
pub(super) fn verify(text: &str, hash: Option<&str>) -> bool {
    let is = PasswordHash::new(hash.unwrap_or(NOBODY))
        .is_ok_and(|parsed| Argon2::default().verify_password(text.as_bytes(), &parsed).is_ok());
    is && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let hashed = hash("correct horse battery").expect("it hashes");
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(verify("correct horse battery", Some(&hashed)) && !verify("correct horse", Some(&hashed)));
        assert!(!verify("", None) && !verify("x", Some("no hash")));
        assert_ne!(hash("correct horse battery").expect("it hashes"), hashed);
        assert!(PasswordHash::new(NOBODY).is_ok(), "nobody is looked for in vain as long as somebody");
    }
}
