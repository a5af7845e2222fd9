//! Hashes as text: 64 lower-case hexadecimal digits of a SHA-256, here and nowhere else.

use sha2::{Digest, Sha256};

/// Lower-case hexadecimal of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a hasher has seen, as text.
pub(crate) fn finished(hasher: Sha256) -> String {
    hex(&hasher.finalize())
}

/// SHA-256 of some bytes, as text.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, example B.1.
    #[test]
    fn law_a_digest_is_that_of_the_standard() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_bytes(b"abc"), abc);
        let mut hasher = Sha256::new();
        hasher.update(b"ab");
        hasher.update(b"c");
        assert_eq!(finished(hasher), abc);
        // alarm: one byte more
        assert_ne!(of_bytes(b"abcd"), abc);
    }
}
