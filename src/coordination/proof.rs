//! Proofs that a peer knows the secret.
//!
//! A proof is HMAC-SHA256 (RFC 2104) under the secret over the peer's side and what both ends of this very TLS session
//! derive from it (RFC 5705, as the channel binding `tls-exporter` of RFC 9266). Nobody else has these bytes, so a
//! proof cannot be used again elsewhere, and whoever sits in between, with a session on each side, has two different
//! ones. That is why no certificate is needed.

use crate::units::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;

/// The label under which a session derives its bytes.
pub const BINDING_LABEL: &[u8] = b"EXPORTER-llmload-uring-coordination";
/// How many bytes it derives.
pub const BINDING_BYTES: usize = 32;
/// The shortest secret: whoever connects to rank 0 may try some on what it answers.
pub const SECRET_BYTES_MIN: usize = 16;

/// Which side proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Rank 0.
    Coordinator,
    /// Any other rank.
    Rank,
}

impl Side {
    fn name(self) -> &'static [u8] {
        match self {
            Side::Coordinator => b"coordinator",
            Side::Rank => b"rank",
        }
    }
}

/// The secret, as the key of proofs.
#[derive(Clone)]
pub struct Key(hmac::Key);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(redacted)")
    }
}

impl Key {
    pub fn new(secret: &Secret) -> Key {
        Key(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
    }

    /// Returns the proof of a side in the session with these bytes.
    pub fn prove(&self, side: Side, binding: &[u8; BINDING_BYTES]) -> String {
        let tag = hmac::sign(&self.0, &[side.name(), binding].concat());
        BASE64.encode(tag.as_ref())
    }

    /// Tells whether a proof is right, in a time that says nothing about it.
    pub fn verify(&self, side: Side, binding: &[u8; BINDING_BYTES], proof: &str) -> bool {
        let Ok(tag) = BASE64.decode(proof) else {
            return false;
        };
        hmac::verify(&self.0, &[side.name(), binding].concat(), &tag).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_one_secret_one_side_and_one_session() {
        let key = |text: &str| Key::new(&Secret::from(text));
        let (session, other) = ([7; BINDING_BYTES], [8; BINDING_BYTES]);
        let proof = key("0123456789abcdef").prove(Side::Rank, &session);
        let right = key("0123456789abcdef");
        assert!(right.verify(Side::Rank, &session, &proof));
        assert!(!right.verify(Side::Coordinator, &session, &proof), "reflected");
        assert!(!right.verify(Side::Rank, &other, &proof), "from another session");
        assert!(!key("0123456789abcdeF").verify(Side::Rank, &session, &proof));
        for wrong in ["", "AAAA", "not base64", &proof[1..]] {
            assert!(!right.verify(Side::Rank, &session, wrong), "{wrong}");
        }
        assert!(!format!("{right:?}").contains("0123"));
    }

    #[test]
    fn the_code_is_hmac_sha256() {
        // RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?".
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        let tag = hmac::sign(&key, b"what do ya want for nothing?");
        assert_eq!(tag.as_ref()[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }
}
