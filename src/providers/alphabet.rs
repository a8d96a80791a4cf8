//! Random texts as providers write them.

use rand::{Rng as _, RngCore};

/// Digits and both cases, as in Fintoc's ids and secrets.
pub(super) const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The same without 0, O, I and l, as in Finix's ids.
pub(super) const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// So many characters of an alphabet, each as likely as the others.
pub(super) fn text(alphabet: &[u8], chars: usize, rng: &mut impl RngCore) -> String {
    (0..chars).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])).collect()
}

/// Random bytes.
pub(super) fn bytes<const BYTES: usize>(rng: &mut impl RngCore) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    rng.fill_bytes(&mut bytes);
    bytes
}
