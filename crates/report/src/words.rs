//! How figures and names are written. One place, so that the same figure reads the same in every form.

use plimsoll_fleet::{Money, Seconds, Timestamp, UnseenKind, Window, price::Unpriced};

/// What stands where a figure is not known. Never a zero.
pub const UNKNOWN: &str = "unknown";

/// A whole number with separators: `12,345`.
#[must_use]
pub fn count(number: impl Into<i128>) -> String {
    let number = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    if number < 0 {
        out.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many of a noun: `1 node`, `1,200 nodes`.
#[must_use]
pub fn plural(number: impl Into<i128>, noun: &str) -> String {
    let number = number.into();
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// Money in whole units of the currency, with cents below ten: `$12,345`, `$3.20`, `CHF 12,345`.
#[must_use]
pub fn money(amount: Money, currency: &str) -> String {
    let micros = i128::from(amount.0);
    let sign = if micros < 0 { "-" } else { "" };
    let cents = (micros.abs() + 5_000) / 10_000;
    let number = if (1..1_000).contains(&cents) {
        format!("{}.{:02}", cents / 100, cents % 100)
    } else {
        count((micros.abs() + 500_000) / 1_000_000)
    };
    match currency {
        "USD" => format!("{sign}${number}"),
        "EUR" => format!("{sign}€{number}"),
        "GBP" => format!("{sign}£{number}"),
        other => format!("{} {sign}{number}", clean(other)),
    }
}

/// Money, or the word for what is not known.
#[must_use]
pub fn money_or_unknown(amount: Option<Money>, currency: &str) -> String {
    amount.map_or_else(|| UNKNOWN.to_owned(), |amount| money(amount, currency))
}

/// GPUs, to a tenth: `8`, `297.5`, `<0.1`.
#[must_use]
pub fn gpus(number: f64) -> String {
    if !number.is_finite() {
        return UNKNOWN.to_owned();
    }
    let tenths = (number * 10.0).round() as i64;
    match tenths {
        0 if number > 0.0 => "<0.1".to_owned(),
        whole if whole % 10 == 0 => count(whole / 10),
        _ => format!("{}.{}", count(tenths / 10), (tenths % 10).abs()),
    }
}

/// GPUs for a column: whole ones leave room where others have their tenths.
#[must_use]
pub fn gpus_in_column(number: f64) -> String {
    let text = gpus(number);
    if text.contains('.') || text == UNKNOWN { text } else { format!("{text}  ") }
}

/// A share as a percentage: `43 %`, `7.0 %`, `<0.1 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return UNKNOWN.to_owned();
    }
    let tenths = (share * 1_000.0).round() as i64;
    match tenths {
        0 if share > 0.0 => "<0.1 %".to_owned(),
        0 => "0 %".to_owned(),
        1..=99 => format!("{}.{} %", tenths / 10, tenths % 10),
        _ => format!("{:.0} %", share * 100.0),
    }
}

/// A length of time in its greatest fitting unit, and the next one where it says something: `7 days`, `3 h 20 min`.
#[must_use]
pub fn duration(length: Seconds) -> String {
    let seconds = length.0;
    let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => plural(days, "day"),
        (days, hours, _) => format!("{} {hours} h", plural(days, "day")),
    }
}

/// A length of time for a column: `45 s`, `9.5 min`, `34 h`, `2.1 d`.
#[must_use]
pub fn brief(seconds: f64) -> String {
    if !seconds.is_finite() {
        return UNKNOWN.to_owned();
    }
    let (length, unit) = match seconds.abs() {
        length if length < 59.5 => return if length > 0.0 && length < 0.5 { "<1 s".to_owned() } else { format!("{seconds:.0} s") },
        length if length < 3_570.0 => (seconds / 60.0, "min"),
        length if length < 171_000.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    if length.abs() < 9.95 { format!("{length:.1} {unit}") } else { format!("{} {unit}", count(length.round() as i128)) }
}

fn in_utc(moment: Timestamp) -> jiff::Timestamp {
    let (least, most) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
    jiff::Timestamp::from_second(moment.0).unwrap_or(if moment.0 < 0 { least } else { most })
}

/// A moment for people: `2026-11-23 14:00 UTC`.
#[must_use]
pub fn moment(moment: Timestamp) -> String {
    in_utc(moment).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A moment's day: `2026-11-23`.
#[must_use]
pub fn day(moment: Timestamp) -> String {
    in_utc(moment).strftime("%Y-%m-%d").to_string()
}

/// A moment's day and hour, short, for an axis: `23 Nov`.
#[must_use]
pub fn axis_day(moment: Timestamp) -> String {
    in_utc(moment).strftime("%-d %b").to_string()
}

/// A moment's hour, short, for an axis: `06:00`.
#[must_use]
pub fn axis_hour(moment: Timestamp) -> String {
    in_utc(moment).strftime("%H:%M").to_string()
}

/// A moment's month, short, for an axis: `Nov 2026`.
#[must_use]
pub fn axis_month(moment: Timestamp) -> String {
    in_utc(moment).strftime("%b %Y").to_string()
}

/// A moment as RFC 3339 has it; none: it is none.
#[must_use]
pub fn from_rfc3339(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|moment| Timestamp(moment.as_second()))
}

/// A moment for machines (RFC 3339): `2026-11-23T14:00:00Z`.
#[must_use]
pub fn rfc3339(moment: Timestamp) -> String {
    in_utc(moment).to_string()
}

/// The stretch that metrics cover: `7 days of metrics to 2026-11-23 14:00 UTC`.
#[must_use]
pub fn window(window: Option<Window>) -> String {
    window.map_or_else(|| "no metrics".to_owned(), |window| format!("{} of metrics to {}", duration(window.length()), moment(window.end)))
}

/// What kind of blind spot.
#[must_use]
pub fn unseen(kind: UnseenKind) -> &'static str {
    match kind {
        UnseenKind::Forbidden => "forbidden",
        UnseenKind::Malformed => "malformed",
        UnseenKind::NoMetrics => "no metrics",
        UnseenKind::MetricAbsent => "metric absent",
        UnseenKind::Vendor => "other vendor",
        UnseenKind::Dropped => "samples dropped",
        UnseenKind::NotUnderstood => "not understood",
        UnseenKind::ShortEvidence => "short evidence",
        UnseenKind::Partial => "partly read",
    }
}

/// Why a node has no price, and the remedy.
#[must_use]
pub fn unpriced(why: &Unpriced) -> String {
    clean(&why.to_string())
}

/// A text from outside on one line, without what could move a cursor, hide text or turn its direction.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect()
}

/// Control characters, and the marks that turn the direction of text or have no width.
pub(crate) fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The text with its middle left out where it has more than `width` characters: names differ at both ends.
#[must_use]
pub fn shorten(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    text.chars().take(head).chain((width > 0).then_some('…')).chain(text.chars().skip(length - tail)).collect()
}

/// Breaks `text` at spaces into lines of at most `width` characters; a longer word is broken where it must be.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        used += word.len();
        line.extend(word);
    }
    if used > 0 {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_reads_as_people_write_it() {
        let written = |units| money(Money::from_units(units), "USD");
        assert_eq!(written(1_234_567.5), "$1,234,568");
        assert_eq!(written(999.4), "$999");
        assert_eq!(written(9.995), "$10");
        assert_eq!(written(3.2), "$3.20");
        assert_eq!(written(0.0), "$0");
        assert_eq!(written(-40.0), "-$40");
        assert_eq!(money(Money::from_units(12.0), "CHF"), "CHF 12");
        assert_eq!(money_or_unknown(None, "USD"), "unknown");
        assert_eq!(money(Money(i64::MIN), "USD"), "-$9,223,372,036,855");
    }

    #[test]
    fn gpus_and_shares_never_round_something_to_nothing() {
        assert_eq!([gpus(8.0), gpus(297.46), gpus(0.01), gpus(0.0)], ["8", "297.5", "<0.1", "0"]);
        assert_eq!([percent(0.43), percent(0.0703), percent(0.0004), percent(1.0)], ["43 %", "7.0 %", "<0.1 %", "100 %"]);
        assert_eq!(gpus(f64::NAN), UNKNOWN);
    }

    #[test]
    fn durations_and_moments() {
        assert_eq!(duration(Seconds(7 * 86_400)), "7 days");
        assert_eq!(duration(Seconds(12_000)), "3 h 20 min");
        assert_eq!(duration(Seconds(600)), "10 min");
        assert_eq!(rfc3339(Timestamp(1_795_392_000)), "2026-11-23T00:00:00Z");
        assert_eq!(moment(Timestamp(i64::MAX)), moment(Timestamp(i64::MAX - 1)));
    }

    #[test]
    fn brief_lengths_have_two_digits_and_one_unit() {
        let written = [0.0, 0.2, 45.0, 59.6, 570.0, 3_600.0, 122_400.0, 180_000.0, 1e9].map(brief);
        assert_eq!(written, ["0 s", "<1 s", "45 s", "1.0 min", "9.5 min", "1.0 h", "34 h", "2.1 d", "11,574 d"]);
        assert_eq!(brief(f64::NAN), UNKNOWN);
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\nd"), "a\u{fffd}[31mb\u{fffd}c d");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shorten("Deployment team-a/very-long-name-0007", 20), "Deployment…name-0007");
        assert_eq!(shorten("short", 20), "short");
        assert_eq!(shorten("abc", 0), "");
    }

    #[test]
    fn wrapped_lines_fit() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert!(wrap("", 4).is_empty());
    }
}
