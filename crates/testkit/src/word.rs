//! What a test says to whoever watches it. The harness captures `print!`; these words must be seen even where all is well.

use std::io::Write as _;

/// Says `text`, past the capture of the test harness. A closed terminal is no reason to fail.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "testkit: {text}");
}

/// Says that what follows is skipped, and why.
///
/// # Panics
/// With `PLIMSOLL_NO_SKIP` set: where all programs are installed, a skipped test is a failed one.
pub fn skip(why: &str) {
    assert!(std::env::var_os("PLIMSOLL_NO_SKIP").is_none(), "not to be skipped (PLIMSOLL_NO_SKIP is set), but: {why}");
    say(&format!("SKIPPED: {why}"));
}
