//! `plimsoll audit`: a source, a judgement, a report.

use crate::{
    accepted,
    cli::{AuditArgs, By, FailOn, Format},
    exit::Exit,
    printer::Printer,
    source,
};
use anyhow::{Context as _, bail};
use plimsoll_decide::audit::{
    self, Audit,
    baseline::{self, Comparison},
    settings::Settings,
    signs,
};
use plimsoll_report::{
    by, csv, html, json, markdown,
    terminal::{self, TableOptions},
};
use std::{mem::ManuallyDrop, path::Path};

/// An earlier audit of the largest fleet has some tens of MiB.
const LARGEST_BASELINE: u64 = 1 << 30;

/// Runs it.
pub fn run(args: &AuditArgs, printer: &Printer) -> anyhow::Result<Exit> {
    // What can be wrong with the arguments is said before a cluster is read for minutes.
    let settings = settings(args)?;
    let prices = source::prices(args.prices.as_deref())?;
    let before = args.baseline.as_deref().map(read_baseline).transpose()?;
    if before.is_none() && args.fail_on.contains(&FailOn::New) {
        bail!("--fail-on new needs --baseline FILE, an earlier audit (plimsoll audit --format json -o last.json)");
    }
    // Neither is dropped: the program ends with the report, and a large fleet has a million pieces to give back one by one.
    let fleet = ManuallyDrop::new(source::fleet(&args.cluster, args.snapshot.as_deref(), args.trace.as_deref(), args.example, printer)?);
    let audit = ManuallyDrop::new(audit::audit(&fleet, &prices, &settings));
    let comparison = before.map(|before| baseline::compare(&audit, &before));
    let report = report(args, &audit, comparison.as_ref(), *printer);
    printer.result_to(args.output.as_deref(), &report)?;
    let found = args.fail_on.iter().any(|what| is_found(what, &audit, comparison.as_ref()));
    Ok(if found { Exit::Found } else { Exit::Done })
}

fn settings(args: &AuditArgs) -> anyhow::Result<Settings> {
    if let Some(unknown) = args.without.iter().find(|name| signs::named(name).is_none()) {
        bail!("--without: {}", crate::cli::no_sign(unknown));
    }
    Ok(Settings {
        thresholds: args.threshold.iter().cloned().collect(),
        off: args.without.iter().cloned().collect(),
        team_labels: args.team_label.clone(),
        accepted: args.accepted.as_deref().map(accepted::read).transpose()?.unwrap_or_default(),
        headroom: args.headroom.iter().cloned().collect(),
    })
}

fn read_baseline(path: &Path) -> anyhow::Result<baseline::Baseline> {
    let text = source::read_text(path, LARGEST_BASELINE, "an earlier audit")?;
    json::past::baseline(&text)
        .with_context(|| format!("{} is no earlier audit: write one with plimsoll audit --format json -o FILE", path.display()))
}

fn report(args: &AuditArgs, audit: &Audit, comparison: Option<&Comparison>, printer: Printer) -> String {
    match args.format {
        Format::Table => terminal::table(
            audit,
            &TableOptions {
                comparison,
                width: printer.width(),
                colour: args.output.is_none() && printer.colour(),
                by: args.by.map(view),
                show_evidence: args.show_evidence,
                limit: if args.all { usize::MAX } else { TableOptions::default().limit },
            },
        ),
        Format::Json => json::text(&json::document(audit, comparison)),
        Format::Csv => csv::findings(audit, comparison),
        Format::Markdown => markdown::report(audit, comparison),
        Format::Html => html::page(audit, comparison),
    }
}

fn view(by: By) -> by::By {
    match by {
        By::Team => by::By::Team,
        By::Namespace => by::By::Namespace,
        By::Workload => by::By::Workload,
        By::GpuModel => by::By::GpuModel,
        By::Pool => by::By::Pool,
    }
}

fn is_found(what: &FailOn, audit: &Audit, comparison: Option<&Comparison>) -> bool {
    match what {
        FailOn::Any => audit.open().next().is_some(),
        FailOn::New => comparison.is_some_and(|comparison| !comparison.new.is_empty()),
        FailOn::Sign(sign) => audit.open().any(|finding| *finding.sign == **sign),
        FailOn::Cost(amount) => audit.money.theoretical_saving_month.is_some_and(|saving| saving.units() >= *amount),
    }
}
