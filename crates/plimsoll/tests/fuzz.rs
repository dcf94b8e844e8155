//! The fuzz targets over their seeds and over mutations of those, the same in every run: a short answer to what
//! `cargo fuzz run` asks for as long as one likes (CONTRIBUTING.md says how).
#![allow(clippy::unwrap_used)]

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// Mutations of all seeds of a target together; those that end in an audit and five reports are slower.
const MUTATIONS: [(&str, usize); 12] = [
    ("answer", 600),
    ("archive", 600),
    ("baseline", 2_000),
    ("cel", 6_000),
    ("check", 1_500),
    ("exposition", 600),
    ("history", 3_000),
    ("manifests", 400),
    ("prices", 10_000),
    ("quantity", 100_000),
    ("review", 2_000),
    ("snapshot", 2_000),
];

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut seeds: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
    seeds.sort();
    seeds
}

#[test]
fn no_seed_and_no_mutation_of_one_breaks_a_reader() {
    std::thread::scope(|scope| {
        for (name, target) in targets::ALL {
            scope.spawn(move || run(name, target));
        }
    });
}

fn run(name: &str, target: targets::Target) {
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "{name} has seeds");
    let try_one = |input: &[u8], what: &str| {
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
            fs::write(&path, input).unwrap();
            panic!("{name} breaks on {what}; the input is in {}", path.display());
        }
    };
    for (path, seed) in &seeds {
        try_one(seed, &path.display().to_string());
    }
    let mut mutator = Mutator::new(name, seeds.iter().map(|(_, seed)| seed.as_slice()).collect());
    let (_, mutations) = MUTATIONS.into_iter().find(|(of, _)| *of == name).unwrap();
    for at in 0..mutations {
        let seed = at % seeds.len();
        try_one(&mutator.mutate(seed), &format!("mutation {at} of {}", seeds[seed].0.display()));
    }
}

/// A seed that is named for being good is read: if formats move on, seeds move with them and do not only meet error paths.
#[test]
fn good_archives_are_read() {
    let good: Vec<_> =
        seeds("archive").into_iter().filter(|(path, _)| path.file_name().unwrap().to_str().unwrap().starts_with("good-")).collect();
    assert!(!good.is_empty());
    for (path, seed) in good {
        let fleet = plimsoll_observe::snapshot::read(&*targets::packed(std::str::from_utf8(&seed).unwrap()));
        assert!(!fleet.unwrap_or_else(|error| panic!("{}: {error:?}", path.display())).pods.is_empty());
    }
}

/// Makes almost good inputs of good ones. The generator is stable, so a failure is met again.
struct Mutator<'a> {
    chance: ChaCha8Rng,
    seeds: Vec<&'a [u8]>,
    /// Words and quoted texts of all seeds.
    words: Vec<&'a [u8]>,
}

/// Numbers at which something overflows, rounds, ends or is a word for "no value".
const NUMBERS: [&str; 18] = [
    "0",
    "-1",
    "1",
    "1.0000001",
    "0.5",
    "64",
    "255",
    "65535",
    "65536",
    "2147483647",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775794",
    "18446744073709551615",
    "1e308",
    "-1e-400",
    "NaN",
];

impl<'a> Mutator<'a> {
    fn new(name: &str, seeds: Vec<&'a [u8]>) -> Self {
        let mut seed = [0; 32];
        seed[..name.len()].copy_from_slice(name.as_bytes());
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-/%".contains(byte);
        let words = seeds.iter().flat_map(|seed| seed.split(move |byte| !is_word(byte))).filter(|word| !word.is_empty()).collect();
        Self { chance: ChaCha8Rng::from_seed(seed), seeds, words }
    }

    fn below(&mut self, end: usize) -> usize {
        ((u64::from(self.chance.next_u32()) * end as u64) >> 32) as usize
    }

    fn mutate(&mut self, seed: usize) -> Vec<u8> {
        let mut input = self.seeds[seed].to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            let end = (at + 1 + self.below(40)).min(input.len());
            match self.below(9) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 => input.truncate(at),
                2 => drop(input.drain(at..end)),
                3 => {
                    let copy = input[at..end].to_vec();
                    input.splice(at..at, copy);
                }
                4 => {
                    let other = self.below(self.seeds.len());
                    let other = self.seeds[other];
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(200)).min(other.len());
                    input.splice(at..at, other[from..to].iter().copied());
                }
                5 => self.move_line(&mut input, at),
                6 | 7 => {
                    let number = NUMBERS[self.below(NUMBERS.len())].as_bytes();
                    replace(&mut input, at, u8::is_ascii_digit, number);
                }
                _ => {
                    let word = self.below(self.words.len());
                    replace(&mut input, at, u8::is_ascii_alphabetic, self.words[word]);
                }
            }
        }
        input
    }

    /// The line at `at` goes, or stands a second time elsewhere.
    fn move_line(&mut self, input: &mut Vec<u8>, at: usize) {
        let start = input[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let end = input[at..].iter().position(|byte| *byte == b'\n').map_or(input.len(), |end| at + end + 1);
        let line: Vec<u8> = input.drain(start..end).collect();
        if self.below(2) == 0 {
            let to = self.below(input.len() + 1);
            let to = input[..to].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            input.splice(start..start, line.iter().copied());
            input.splice(to..to, line);
        }
    }
}

/// The first word of `kind` from `at` on becomes another.
fn replace(input: &mut Vec<u8>, at: usize, kind: fn(&u8) -> bool, word: &[u8]) {
    let Some(start) = input[at..].iter().position(kind).map(|ahead| at + ahead) else { return };
    let length = input[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'.').count();
    input.splice(start..start + length, word.iter().copied());
}
