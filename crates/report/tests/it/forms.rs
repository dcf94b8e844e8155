use crate::sample;
use plimsoll_report::{
    by::By,
    csv, markdown,
    terminal::{TableOptions, table},
};

#[test]
fn the_table_at_three_widths() {
    for width in [80, 100, 120] {
        let text = table(&sample::audit(), &TableOptions { width, ..TableOptions::default() });
        insta::assert_snapshot!(format!("table_{width}"), text);
    }
}

#[test]
fn the_table_with_evidence_and_a_view() {
    let options = TableOptions { by: Some(By::Team), show_evidence: true, limit: 4, ..TableOptions::default() };
    insta::assert_snapshot!(table(&sample::audit(), &options));
}

#[test]
fn the_table_of_nothing_says_unknown_and_never_zero_money() {
    let text = table(&sample::nothing(), &TableOptions::default());
    assert!(text.contains("unknown") && !text.contains("$0"), "{text}");
    insta::assert_snapshot!(text);
}

/// Commands and patches are never broken, so only they may be longer.
#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [80, 100, 120] {
        for by in By::ALL {
            let text =
                table(&sample::audit(), &TableOptions { width, by: Some(by), show_evidence: true, limit: 50, ..TableOptions::default() });
            for line in text.lines().filter(|line| !line.trim_start().starts_with("kubectl")) {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert!(!line.ends_with(' '), "{line:?}");
            }
        }
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let plain = table(&sample::audit(), &TableOptions::default());
    let coloured = table(&sample::audit(), &TableOptions { colour: true, ..TableOptions::default() });
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        stripped.push_str(&rest[..at]);
        rest = &rest[at + rest[at..].find('m').unwrap() + 1..];
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain);
}

#[test]
fn what_is_new_and_what_it_cost_meanwhile_is_said() {
    let comparison = sample::comparison();
    let text = table(&sample::audit(), &TableOptions { comparison: Some(&comparison), ..TableOptions::default() });
    let says = "6 new, 1 mended, 1 unchanged since 2026-11-16 14:00 UTC; the unchanged ones have cost $5,398 meanwhile";
    assert!(text.contains("6 new, 1 mended, 1 unchanged since 2026-11-16 14:00 UTC"), "{text}");
    assert!(markdown::report(&sample::audit(), Some(&comparison)).contains(says));
    assert_eq!(text.matches("New: ").count(), 4);
    assert_eq!(csv::findings(&sample::audit(), Some(&comparison)).matches(",true\n").count(), 6);
}

#[test]
fn the_markdown() {
    insta::assert_snapshot!(markdown::report(&sample::audit(), None));
}

#[test]
fn the_csv() {
    insta::assert_snapshot!(csv::findings(&sample::audit(), None));
}
