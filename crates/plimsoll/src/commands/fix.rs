//! `plimsoll check --fix`: what has one right answer is written into the files, or shown as a diff.

use crate::printer::Printer;
use anyhow::Context as _;
use plimsoll_fleet::written::Path as Place;
use plimsoll_observe::manifest::{self, Edit};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::Path,
};

/// A fix that has one right answer, and the file in which it belongs.
#[derive(Debug, Clone)]
pub struct Certain {
    /// Which of the files, from 0.
    pub file: usize,
    /// Which of its documents.
    pub document: usize,
    /// The line of what is wrong.
    pub line: u32,
    /// The rule.
    pub rule: String,
    /// Where the value belongs.
    pub path: Place,
    /// The value.
    pub value: serde_json::Value,
}

/// A file with what is to be changed in it.
pub struct Changed<'a> {
    /// As the user named it.
    pub name: &'a str,
    /// The text that it has.
    pub before: String,
    /// The text that it gets.
    pub after: String,
    /// What was mended: `LINE: RULE`.
    pub mended: Vec<String>,
    /// What was left to a person, and why.
    pub left: Vec<String>,
}

/// Makes the changes of a file, in memory.
pub fn change<'a>(name: &'a str, path: &Path, certain: &[&Certain]) -> anyhow::Result<Changed<'a>> {
    let before = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let mut changed = Changed { name, after: before.clone(), before, mended: Vec::new(), left: Vec::new() };
    for one in certain {
        let edit = Edit { document: one.document, path: one.path.clone(), value: one.value.clone() };
        let place = format!("{name}:{}: {}", one.line, one.rule);
        match manifest::apply(&changed.after, &edit) {
            // The same was wrong in two ways, and is right already.
            Ok(text) if text == changed.after => {}
            Ok(text) => {
                changed.after = text;
                changed.mended.push(place);
            }
            Err(why) => changed.left.push(format!("{place} is not mended: {why}")),
        }
    }
    Ok(changed)
}

/// Writes a changed file whole or not at all, with the permissions that it has. A link stays a link.
pub fn write(path: &Path, changed: &Changed<'_>, printer: &Printer) -> anyhow::Result<()> {
    let place = changed.name;
    let whole = fs::canonicalize(path).with_context(|| format!("cannot find {place}"))?;
    let mut name = std::ffi::OsString::from(".");
    name.push(whole.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    let beside = whole.with_file_name(name);
    let written = || -> std::io::Result<()> {
        let mut file = File::create_new(&beside)?;
        file.write_all(changed.after.as_bytes())?;
        file.set_permissions(fs::metadata(&whole)?.permissions())?;
        file.sync_all()?;
        // Somebody may have saved it in an editor since it was read.
        if fs::read(&whole)? != changed.before.as_bytes() {
            return Err(std::io::Error::other("it was changed meanwhile"));
        }
        fs::rename(&beside, &whole)
    };
    written()
        .inspect_err(|_| drop(fs::remove_file(&beside)))
        .with_context(|| format!("cannot write {place}: nothing in it was changed"))?;
    changed.mended.iter().for_each(|mended| printer.note(&format!("mended {mended}")));
    Ok(())
}

/// Lines that are shown around a change.
const AROUND: usize = 3;

/// How far a line is looked for to tell lines that were put in from one that was changed.
const AHEAD: usize = 64;

/// A unified diff, as `patch -p0` and `git apply -p0` take it. A change puts lines in, or changes one: no line moves.
pub fn diff(changed: &Changed<'_>) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (changed.before.split_inclusive('\n').collect(), changed.after.split_inclusive('\n').collect());
    // Which lines of either side belong together: (old, new) of each run of changes.
    let (mut runs, mut a, mut b) = (Vec::<(std::ops::Range<usize>, std::ops::Range<usize>)>::new(), 0, 0);
    while a < old.len() || b < new.len() {
        if a < old.len() && b < new.len() && old[a] == new[b] {
            (a, b) = (a + 1, b + 1);
            continue;
        }
        let put_in = old.get(a).and_then(|line| new.iter().skip(b).take(AHEAD).position(|other| other == line));
        let (lines_old, lines_new) = match put_in {
            Some(count) => (0, count),
            None => (usize::from(a < old.len()), usize::from(b < new.len())),
        };
        match runs.last_mut() {
            Some((before, after)) if before.end == a && after.end == b => (before.end, after.end) = (a + lines_old, b + lines_new),
            _ => runs.push((a..a + lines_old, b..b + lines_new)),
        }
        (a, b) = (a + lines_old, b + lines_new);
    }
    let mut out = format!("--- {}\n+++ {}\n", changed.name, changed.name);
    let mut at = 0;
    while at < runs.len() {
        // Changes whose surroundings meet are shown together.
        let mut end = at + 1;
        while end < runs.len() && runs[end].0.start <= runs[end - 1].0.end + 2 * AROUND {
            end += 1;
        }
        hunk(&mut out, &runs[at..end], &old, &new);
        at = end;
    }
    out
}

fn hunk(out: &mut String, runs: &[(std::ops::Range<usize>, std::ops::Range<usize>)], old: &[&str], new: &[&str]) {
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return };
    let before = first.0.start.min(AROUND);
    let after = (old.len() - last.0.end).min(AROUND);
    let (old_from, old_to) = (first.0.start - before, last.0.end + after);
    let (new_from, new_to) = (first.1.start - before, last.1.end + after);
    let range = |from: usize, to: usize| format!("{},{}", if to > from { from + 1 } else { from }, to - from);
    let _ = writeln!(out, "@@ -{} +{} @@", range(old_from, old_to), range(new_from, new_to));
    let mut put = |sign: char, line: &str| {
        let end = if line.ends_with('\n') { "" } else { "\n\\ No newline at end of file\n" };
        let _ = write!(out, "{sign}{line}{end}");
    };
    let mut at = old_from;
    for (removed, added) in runs {
        old[at..removed.start].iter().for_each(|line| put(' ', line));
        old[removed.clone()].iter().for_each(|line| put('-', line));
        new[added.clone()].iter().for_each(|line| put('+', line));
        at = removed.end;
    }
    old[at..old_to].iter().for_each(|line| put(' ', line));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn changed<'a>(before: &str, after: &str) -> Changed<'a> {
        Changed { name: "a.yaml", before: before.to_owned(), after: after.to_owned(), mended: Vec::new(), left: Vec::new() }
    }

    #[test]
    fn a_diff_shows_what_was_put_in_and_what_was_changed() {
        let old: String = (1..=20).map(|line| format!("line {line}\n")).collect();
        let new = old.replace("line 2\n", "line 2\nput in\n").replace("line 15\n", "changed\n");
        let told = diff(&changed(&old, &new));
        assert_eq!(
            told,
            "--- a.yaml\n+++ a.yaml\n@@ -1,5 +1,6 @@\n line 1\n line 2\n+put in\n line 3\n line 4\n line 5\n\
             @@ -12,7 +13,7 @@\n line 12\n line 13\n line 14\n-line 15\n+changed\n line 16\n line 17\n line 18\n"
        );
    }

    #[test]
    fn a_last_line_without_a_break_is_shown_so() {
        assert!(diff(&changed("a\nb", "a\nc")).ends_with("-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"));
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "somebody else's\n").unwrap();
        let printer = Printer::new(crate::cli::Color::Never, true);
        let error = write(&path, &changed("a\n", "b\n"), &printer).unwrap_err();
        assert!(format!("{error:#}").contains("changed meanwhile"), "{error:#}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody else's\n");
        fs::write(&path, "a\n").unwrap();
        let link = folder.path().join("link.yaml");
        #[cfg(unix)]
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(if cfg!(unix) { &link } else { &path }, &changed("a\n", "b\n"), &printer).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "b\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + usize::from(cfg!(unix)), "nothing is left beside it");
    }
}
