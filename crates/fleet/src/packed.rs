//! Bytes as text: what sketches and courses are written as.

use serde::{Deserialize, Deserializer, de::Visitor};
use std::fmt;

/// `bytes` in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).map(char::from).collect()
}

/// Bytes in hexadecimal. Read where they stand, without a copy of the text: a snapshot has a million sketches.
pub(crate) struct Hex(pub(crate) Box<[u8]>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;

        impl Visitor<'_> for Digits {
            type Value = Hex;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("bins in hexadecimal")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hex, E> {
                let mut bytes = Vec::with_capacity(text.len() / 2);
                // What is no digit leaves a bit above the lowest four.
                let mut wrong = text.len() as u8 & 1;
                for pair in text.as_bytes().chunks_exact(2) {
                    let (high, low) = (DIGIT[usize::from(pair[0])], DIGIT[usize::from(pair[1])]);
                    wrong |= (high | low) & 0xf0;
                    bytes.push(high << 4 | low & 15);
                }
                if wrong == 0 { Ok(Hex(bytes.into())) } else { Err(E::custom("bins that are not in hexadecimal")) }
            }
        }

        deserializer.deserialize_str(Digits)
    }
}

/// The value of each hexadecimal digit; 255 for what is none.
const DIGIT: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 10 {
        table[b'0' as usize + value] = value as u8;
        value += 1;
    }
    while value < 16 {
        table[b'a' as usize + value - 10] = value as u8;
        table[b'A' as usize + value - 10] = value as u8;
        value += 1;
    }
    table
};
