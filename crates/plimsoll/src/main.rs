//! `plimsoll`: arguments in, exit code out. It holds no logic: it observes, decides and reports through the crates that do.

mod accepted;
mod cli;
mod commands;
mod exit;
mod manifests;
mod printer;
mod progress;
#[cfg(test)]
mod reference;
mod source;

use clap::Parser;
use mimalloc::MiMalloc;
use std::process::ExitCode;

/// The image's program is linked with musl, whose own allocator makes a review take two thirds longer.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let printer = printer::Printer::new(cli.color, cli.quiet);
    // What runs in a cluster has a log of its own.
    if !matches!(cli.command, cli::Command::Webhook(_)) {
        printer.start_log(cli.verbose);
    }
    match commands::run(&cli, &printer) {
        Ok(exit) => exit.into(),
        Err(error) => {
            printer.error(&error);
            exit::Exit::Failed.into()
        }
    }
}
