//! The long form of a waste sign.

use crate::words;
use plimsoll_decide::audit::signs::{self, Sign};

/// All that there is to say of `sign`, for `plimsoll explain NAME`.
#[must_use]
pub fn explain(sign: &Sign) -> String {
    let threshold = match sign.threshold {
        Some(threshold) => format!("Threshold: {}; {}.", quantity(threshold.default, threshold.unit), threshold.says),
        None => "It has no threshold: it is so or it is not.".to_owned(),
    };
    let mut out = format!("{}\n{}\n{}\n", sign.name, paragraph_of(sign.title), paragraph_of(&threshold));
    for paragraph in sign.explain.trim().split("\n\n") {
        out.push_str(&paragraph_of(paragraph));
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// Text that was broken by hand stays as it is; the rest is broken at 100 columns.
fn paragraph_of(paragraph: &str) -> String {
    let fits = paragraph.lines().all(|line| line.chars().count() <= 100);
    let lines: Vec<String> = if fits {
        paragraph.lines().map(str::to_owned).collect()
    } else {
        paragraph.lines().flat_map(|line| words::wrap(line, 100)).collect()
    };
    lines.join("\n") + "\n"
}

fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "ratio" => words::percent(value),
        unit => format!("{value} {unit}"),
    }
}

/// Every sign in a line: its name and what it means.
#[must_use]
pub fn list() -> String {
    let width = signs::ALL.iter().map(|sign| sign.name.len()).max().unwrap_or(0);
    signs::ALL.iter().map(|sign| format!("{:width$}  {}\n", sign.name, sign.title)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_explains_itself_within_100_columns() {
        for sign in signs::ALL {
            let text = explain(sign);
            assert!(text.starts_with(sign.name), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
            assert!(list().contains(sign.title));
        }
    }
}
