//! Digests: the SHA-256 of a body, and the half of one that is enough for a key.

use aws_lc_rs::digest::{SHA256, digest};

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The first half of a SHA-256: enough for a key that must not collide by accident or by design.
pub fn hash16(bytes: &[u8]) -> [u8; 16] {
    half(sha256(bytes))
}

/// The first half of a SHA-256 that is known already.
pub fn half(sha256: [u8; 32]) -> [u8; 16] {
    sha256[..16].try_into().expect("SHA-256 has 32 bytes")
}
