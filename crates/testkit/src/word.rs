//! What a test says to whoever watches it. The harness captures `print!`; these words must be seen even where all is well.

use std::io::Write as _;

/// Says `text`, past the capture of the test harness. A closed terminal is no reason to fail.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{MARK}{text}");
}

/// How each of these words begins.
pub(crate) const MARK: &str = "testkit: ";

/// Says that what follows is skipped, and why: this machine cannot do it.
pub fn skip(why: &str) {
    say(&format!("SKIPPED: {why}"));
}

/// Says that what follows is skipped for want of a program that could be installed.
///
/// # Panics
/// With `PLIMSOLL_NO_SKIP` set: where everything has been installed, a test that is skipped has failed.
pub fn skip_without(why: &str) {
    assert!(std::env::var_os("PLIMSOLL_NO_SKIP").is_none(), "not to be skipped (PLIMSOLL_NO_SKIP is set), but: {why}");
    skip(why);
}
