//! The bundled example, with every sign planted: real findings in every form.

use crate::page::{keep, tags};
use plimsoll_decide::audit::{Audit, audit, settings::Settings};
use plimsoll_fleet::price::PriceBook;
use plimsoll_report::{
    by::By,
    csv, html, json, markdown,
    terminal::{TableOptions, table},
};
use std::sync::LazyLock;

static EXAMPLE: LazyLock<Audit> = LazyLock::new(|| audit(&plimsoll_observe::example::fleet(1), &PriceBook::list(), &Settings::default()));

#[test]
fn its_table_fits_and_begins_with_the_funnel() {
    let audit = &*EXAMPLE;
    for by in [None, Some(By::Workload)] {
        let text = table(audit, &TableOptions { by, ..TableOptions::default() });
        let stages = ["Paid for", "Allocated", "In use", "Usefully in use", "Not seen"];
        for (line, stage) in text.lines().skip(4).zip(stages) {
            assert!(line.starts_with(stage), "{line}");
        }
        let commands: Vec<&str> = audit.next_steps.iter().flat_map(|step| step.command.lines()).collect();
        for line in text.lines().filter(|line| !commands.contains(&line.trim())) {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn every_finding_is_in_every_form() {
    let audit = &*EXAMPLE;
    let (page, csv, markdown) = (html::page(audit, None), csv::findings(audit, None), markdown::report(audit, None));
    assert!(audit.findings.len() > 20);
    for finding in &audit.findings {
        assert!(page.contains(&*finding.sign) && page.contains(&finding.fingerprint()), "{}", finding.subject);
        assert!(csv.contains(&finding.fingerprint()));
        assert!(markdown.contains(&*finding.subject.name));
    }
    tags(&page);
    keep("example.html", &page);
}

#[test]
fn its_document_is_valid() {
    let document = serde_json::to_value(json::document(&EXAMPLE, None)).unwrap();
    let validator = jsonschema::validator_for(&json::schema()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}
