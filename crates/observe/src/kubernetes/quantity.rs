//! Quantities as Kubernetes writes them, exactly.
//!
//! The grammar is that of `k8s.io/apimachinery/pkg/api/resource/quantity.go`: a decimal number with one of the suffixes
//! `n u m "" k M G T P E`, `Ki Mi Gi Ti Pi Ei`, or a decimal exponent. Nothing finer than a billionth is kept; as there,
//! what is finer is rounded away from zero.

use plimsoll_fleet::{Bytes, MilliCpu};

/// A quantity, in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

/// Billionths in one.
const NANO: i128 = 1_000_000_000;

/// Longest text read. The API server's longest canonical quantity has some 30 characters.
const TEXT_MAX: usize = 64;

/// Why a text is no quantity that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It does not follow the grammar.
    #[error("`{0}` is not a quantity (a number with a suffix such as m, k, M, Gi)")]
    Malformed(String),
    /// It is too large or too long to be held exactly.
    #[error("the quantity `{0}` is out of range")]
    OutOfRange(String),
    /// It is below zero where only zero and more makes sense.
    #[error("the quantity `{0}` is below zero")]
    Negative(String),
    /// Devices come whole.
    #[error("the quantity `{0}` is not a whole number of devices")]
    NotWhole(String),
}

/// What a suffix multiplies by: 10 to the `ten` times 2 to the `two`.
fn scale(suffix: &str) -> Option<(i32, u32)> {
    Some(match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            (exponent.parse().ok()?, 0)
        }
    })
}

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// [`QuantityError::Malformed`] or [`QuantityError::OutOfRange`].
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let shown = || text.chars().take(TEXT_MAX).collect::<String>();
        let malformed = || QuantityError::Malformed(shown());
        let out_of_range = || QuantityError::OutOfRange(shown());
        if text.len() > TEXT_MAX {
            return Err(out_of_range());
        }
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(malformed());
        }
        let (ten, two) = scale(suffix).ok_or_else(malformed)?;

        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Self(0));
        }
        let mantissa: i128 = digits.parse().map_err(|_| out_of_range())?;
        let mantissa = mantissa.checked_mul(1_i128 << two).ok_or_else(out_of_range)?;
        // Billionths: the suffix moves the point by `ten`, the fraction by its length.
        let power = ten + 9 - fraction.len() as i32;
        let nanos = match (u32::try_from(power), 10_i128.checked_pow(power.unsigned_abs())) {
            (Ok(_), Some(factor)) => mantissa.checked_mul(factor).ok_or_else(out_of_range)?,
            (Ok(_), None) => return Err(out_of_range()),
            (Err(_), Some(divisor)) => ceil_div(mantissa, divisor),
            // Smaller than any billionth, and not zero.
            (Err(_), None) => 1,
        };
        Ok(Self(if negative { -nanos } else { nanos }))
    }

    /// As CPU, rounded up to thousandths as the scheduler does.
    ///
    /// # Errors
    /// Below zero, or out of range.
    pub fn cpu(text: &str) -> Result<MilliCpu, QuantityError> {
        let milli = ceil_div(Self::parse_positive(text)?.0, NANO / 1000);
        u64::try_from(milli).map(MilliCpu).map_err(|_| QuantityError::OutOfRange(text.to_owned()))
    }

    /// As bytes, rounded up.
    ///
    /// # Errors
    /// Below zero, or out of range.
    pub fn bytes(text: &str) -> Result<Bytes, QuantityError> {
        let bytes = ceil_div(Self::parse_positive(text)?.0, NANO);
        u64::try_from(bytes).map(Bytes).map_err(|_| QuantityError::OutOfRange(text.to_owned()))
    }

    /// As a number of devices, which come whole.
    ///
    /// # Errors
    /// Below zero, broken, or out of range.
    pub fn count(text: &str) -> Result<u32, QuantityError> {
        let nanos = Self::parse_positive(text)?.0;
        if nanos % NANO != 0 {
            return Err(QuantityError::NotWhole(text.to_owned()));
        }
        u32::try_from(nanos / NANO).map_err(|_| QuantityError::OutOfRange(text.to_owned()))
    }

    /// In billionths.
    #[must_use]
    pub fn nanos(self) -> i128 {
        self.0
    }

    fn parse_positive(text: &str) -> Result<Self, QuantityError> {
        let quantity = Self::parse(text)?;
        if quantity.0 < 0 { Err(QuantityError::Negative(text.to_owned())) } else { Ok(quantity) }
    }
}

/// `value / divisor` for a value of zero or more, rounded up.
fn ceil_div(value: i128, divisor: i128) -> i128 {
    value / divisor + i128::from(value % divisor != 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_suffix_means_what_the_api_says() {
        for (text, nanos) in [
            ("1", NANO),
            ("+1", NANO),
            ("0.5", NANO / 2),
            (".5", NANO / 2),
            ("5.", 5 * NANO),
            ("500m", NANO / 2),
            ("1u", 1000),
            ("1n", 1),
            ("0.1n", 1),
            ("2k", 2_000 * NANO),
            ("2M", 2_000_000 * NANO),
            ("1e3", 1_000 * NANO),
            ("1E3", 1_000 * NANO),
            ("1E", 1_000_000_000_000_000_000 * NANO),
            ("1e-3", NANO / 1000),
            ("1.5Gi", 1_610_612_736 * NANO),
            ("1Ei", (1 << 60) * NANO),
            ("-1Ki", -1024 * NANO),
            ("0e999999", 0),
            ("1e-999", 1),
        ] {
            assert_eq!(Quantity::parse(text), Ok(Quantity(nanos)), "{text}");
        }
        assert_eq!(Quantity::cpu("0.0001").unwrap(), MilliCpu(1));
        assert_eq!(Quantity::bytes("87425380Ki").unwrap(), Bytes(87_425_380 << 10));
    }

    #[test]
    fn garbage_and_giants_are_errors() {
        for text in ["", ".", "-", "1.2.3", "1 Gi", "1gi", "1Kib", "abc", "1e", "1e+", "٣", "0x10", "1e1.5", "NaN"] {
            assert!(matches!(Quantity::parse(text), Err(QuantityError::Malformed(_))), "{text}");
        }
        for text in ["1e100", "1e999999", "99999999999999999999999999999999999999999", "99999999999999999999999Ei"] {
            assert!(matches!(Quantity::parse(text), Err(QuantityError::OutOfRange(_))), "{text}");
        }
        assert!(matches!(Quantity::count("0.5"), Err(QuantityError::NotWhole(_))));
        assert!(matches!(Quantity::count("500m"), Err(QuantityError::NotWhole(_))));
        assert!(matches!(Quantity::count("-1"), Err(QuantityError::Negative(_))));
        assert!(matches!(Quantity::count("5G"), Err(QuantityError::OutOfRange(_))));
        assert_eq!(Quantity::count("1000m").unwrap(), 1);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,70}") {
            let _ = Quantity::parse(&text);
            let _ = Quantity::cpu(&text);
            let _ = Quantity::count(&text);
        }

        #[test]
        fn suffix_exponent_and_point_agree(value in 0_u32.., places in 0_usize..9) {
            let plain = Quantity::parse(&value.to_string()).unwrap();
            prop_assert_eq!(Quantity::parse(&format!("{value}000m")).unwrap(), plain);
            prop_assert_eq!(Quantity::parse(&format!("{value}e0")).unwrap(), plain);
            prop_assert_eq!(Quantity::parse(&format!("{value}Ki")).unwrap().0, plain.0 * 1024);
            let zeros = "0".repeat(places);
            prop_assert_eq!(Quantity::parse(&format!("{value}.{zeros}")).unwrap(), plain);
            prop_assert_eq!(Quantity::parse(&format!("{value}{zeros}e-{places}")).unwrap(), plain);
        }
    }
}
