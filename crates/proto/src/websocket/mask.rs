//! XORs payload bytes with a masking key, wide and in place (RFC 6455 §5.3).

/// A frame's masking key.
pub type Key = [u8; 4];

/// XORs `data` with `key`; the first byte meets the key's first byte. Masking twice is the identity.
#[inline]
pub fn apply(data: &mut [u8], key: Key) {
    // Fixed-size inner loops: the compiler turns them into vector instructions.
    let mut wide = [0u8; 64];
    for (i, byte) in wide.iter_mut().enumerate() {
        *byte = key[i & 3];
    }
    let (blocks, rest) = data.as_chunks_mut::<64>();
    for block in blocks {
        for (byte, mask) in block.iter_mut().zip(wide) {
            *byte ^= mask;
        }
    }
    let word = u32::from_ne_bytes(key);
    let (words, rest) = rest.as_chunks_mut::<4>();
    for bytes in words {
        *bytes = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(key) {
        *byte ^= mask;
    }
}

/// The key as a payload meets it that goes on after `n` bytes.
#[inline]
pub fn rotate(key: Key, n: usize) -> Key {
    std::array::from_fn(|i| key[(i + n) & 3])
}

#[cfg(test)]
mod tests {
    use crate::websocket::mask::{apply, rotate};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn equals_the_definition(data: Vec<u8>, key: [u8; 4]) {
            // RFC 6455 §5.3: transformed-octet-i = original-octet-i XOR masking-key-octet-(i MOD 4)
            let wanted: Vec<u8> = data.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
            let mut got = data;
            apply(&mut got, key);
            prop_assert_eq!(got, wanted);
        }

        #[test]
        fn pieces_equal_the_whole(mut data: Vec<u8>, key: [u8; 4], cut in any::<proptest::sample::Index>()) {
            let mut whole = data.clone();
            apply(&mut whole, key);
            let at = cut.index(data.len() + 1);
            let (a, b) = data.split_at_mut(at);
            apply(a, key);
            apply(b, rotate(key, at));
            prop_assert_eq!(data, whole);
        }
    }
}
