//! The names of MIG profiles: `[Cc.]Gg.Mgb[+attr|-attr]`.

use serde::Deserialize;
use std::fmt;

/// What an instance has beside its slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// `me`: media engines.
    Me,
    /// `me.all`: all media engines of the GPU.
    MeAll,
    /// `gfx`: graphics.
    Gfx,
}

/// An attribute that an instance has, or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// `+attr`.
    With(Attribute),
    /// `-attr`.
    Without(Attribute),
}

/// A profile's name, read. It prints as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Profile {
    /// Compute slices of a compute instance within the GPU instance (`1c.3g.20gb`); none: all of them.
    pub part: Option<u8>,
    /// Compute slices of the GPU instance.
    pub compute: u8,
    /// The memory in the name. It follows from the board's memory by the naming rule, and is not the instance's memory.
    pub gb: u32,
    /// The attribute.
    pub mark: Option<Mark>,
}

/// A text that is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a MIG profile; one looks like 1g.10gb, 2g.20gb+me or 1c.3g.40gb")]
pub struct BadProfile(pub String);

impl Profile {
    /// Reads a profile as the driver writes it. Source of the grammar: go-nvlib.
    ///
    /// # Errors
    /// [`BadProfile`]: it is none.
    pub fn parse(text: &str) -> Result<Self, BadProfile> {
        read(text).ok_or_else(|| BadProfile(text.chars().take(64).collect()))
    }
}

fn read(text: &str) -> Option<Profile> {
    let (slices, mark) = match text.find(['+', '-']) {
        None => (text, None),
        Some(at) => {
            let attribute = match &text[at + 1..] {
                "me" => Attribute::Me,
                "me.all" => Attribute::MeAll,
                "gfx" => Attribute::Gfx,
                _ => return None,
            };
            let mark = if text.as_bytes()[at] == b'+' { Mark::With(attribute) } else { Mark::Without(attribute) };
            (&text[..at], Some(mark))
        }
    };
    let mut words = slices.split('.');
    let mut word = words.next()?;
    let mut part = None;
    if let Some(count) = word.strip_suffix('c') {
        part = Some(u8::try_from(number(count)?).ok()?);
        word = words.next()?;
    }
    let compute = u8::try_from(number(word.strip_suffix('g')?)?).ok()?;
    let gb = number(words.next()?.strip_suffix("gb")?)?;
    let sound = words.next().is_none() && part.is_none_or(|part| part <= compute);
    sound.then_some(Profile { part, compute, gb, mark })
}

/// A count as the driver writes it: one to four digits, not beginning with 0.
fn number(digits: &str) -> Option<u32> {
    let sound = digits.len() <= 4 && !digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit());
    sound.then(|| digits.parse().ok()).flatten()
}

impl TryFrom<String> for Profile {
    type Error = BadProfile;
    fn try_from(text: String) -> Result<Self, BadProfile> {
        Self::parse(&text)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(part) = self.part {
            write!(out, "{part}c.")?;
        }
        write!(out, "{}g.{}gb", self.compute, self.gb)?;
        let (sign, attribute) = match self.mark {
            None => return Ok(()),
            Some(Mark::With(attribute)) => ('+', attribute),
            Some(Mark::Without(attribute)) => ('-', attribute),
        };
        let name = match attribute {
            Attribute::Me => "me",
            Attribute::MeAll => "me.all",
            Attribute::Gfx => "gfx",
        };
        write!(out, "{sign}{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_malformed_is_no_profile() {
        for text in [
            "",
            "g.gb",
            "1g",
            "1g.",
            "0g.5gb",
            "1g.5gb+",
            "1g.5gb+me-gfx",
            "1g.5gb+xy",
            "+1g.5gb",
            "1g.+5gb",
            "01g.5gb",
            "4c.3g.20gb",
            "300g.5gb",
            "1g.5gb.me",
            "1g.99999gb",
            "é1g.5gb",
        ] {
            assert_eq!(Profile::parse(text), Err(BadProfile(text.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn names_go_there_and_back(part in proptest::option::of(1_u8..8), compute in 1_u8..8, gb in 1_u32..2_000, mark in 0..7) {
            let attribute = [Attribute::Me, Attribute::MeAll, Attribute::Gfx][mark as usize % 3];
            let mark = match mark { 0 => None, 1..=3 => Some(Mark::With(attribute)), _ => Some(Mark::Without(attribute)) };
            let profile = Profile { part: part.filter(|part| *part <= compute), compute, gb, mark };
            prop_assert_eq!(Profile::parse(&profile.to_string()), Ok(profile));
        }

        #[test]
        fn no_text_panics(text in "[0-9cg.b+me-]{0,16}|.{0,16}") {
            if let Ok(profile) = Profile::parse(&text) {
                prop_assert_eq!(profile.to_string(), text);
            }
        }
    }
}
