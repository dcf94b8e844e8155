//! One file a command.

mod audit;
pub mod check;
pub mod export;
mod fix;
pub mod history;
pub mod repack;
pub mod simulate;
mod snapshot;
pub mod webhook;

use crate::{
    cli::{Cli, Command, Document, nothing_named},
    exit::Exit,
    printer::Printer,
};
use clap::CommandFactory as _;
use plimsoll_decide::{audit::signs, guard::rules};
use plimsoll_report::explain;

/// Runs the command.
pub fn run(cli: &Cli, printer: &Printer) -> anyhow::Result<Exit> {
    match &cli.command {
        Command::Audit(args) => return audit::run(args, printer),
        Command::Snapshot(args) => snapshot::run(args, printer)?,
        Command::Repack(args) => repack::run(args, printer)?,
        Command::Simulate(args) => simulate::run(args, printer)?,
        Command::Check(args) => return check::run(args, printer),
        Command::Webhook(args) => webhook::run(args, cli.verbose)?,
        Command::Export(args) => return export::run(args, printer),
        Command::Explain { name: None } => printer.result(&explain::list()),
        Command::Explain { name: Some(name) } => {
            let sign = signs::named(name).map(explain::explain);
            let told = sign.or_else(|| rules::named(name).map(explain::explain_rule)).or_else(|| explain::topic(name));
            printer.result(&told.ok_or_else(|| anyhow::anyhow!(nothing_named(name)))?);
        }
        Command::Schema { document } => {
            let schema = match document {
                Document::Audit => plimsoll_report::json::schema(),
                Document::Repack => plimsoll_report::repack::schema(),
                Document::Check => plimsoll_report::check::schema(),
                Document::History => plimsoll_report::check::history::schema(),
                Document::Rehearsal => plimsoll_report::rehearsal::schema(),
            };
            printer.result(&serde_json::to_string_pretty(&schema)?);
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "plimsoll", &mut script);
            printer.result(&String::from_utf8(script)?);
        }
    }
    Ok(Exit::Done)
}
