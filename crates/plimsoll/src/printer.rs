//! The one way out: everything that a user sees goes through here.

use crate::cli::Color;
use anstyle::{AnsiColor, Style};
use std::{
    io::{IsTerminal, Write},
    path::Path,
};

/// Prints results to standard output, and words about the work to standard error.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    quiet: bool,
}

/// Report lines are never wider than this unless asked: they end up in tickets and mails.
const WIDEST: usize = 100;
const NARROWEST: usize = 60;

impl Printer {
    /// With colours as asked (and as the terminal and `NO_COLOR` allow).
    pub fn new(color: Color, quiet: bool) -> Self {
        match color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::AlwaysAnsi,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        Self { quiet }
    }

    /// The program's own log, for those who look for a fault: `-v`, `-vv`.
    pub fn start_log(self, verbose: u8) {
        let level = match verbose {
            0 => return,
            1 => "plimsoll_observe=info,plimsoll=info",
            2 => "plimsoll_observe=debug,plimsoll=debug",
            _ => "debug",
        };
        tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).init();
    }

    /// A result. A reader that has gone away (`| head`) is no fault.
    pub fn result(self, text: &str) {
        let mut out = anstream::stdout();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        drop(write!(out, "{text}{end}").and_then(|()| out.flush()));
    }

    /// A result: into a file where one is named, else to standard output.
    pub fn result_to(self, file: Option<&Path>, text: &str) -> anyhow::Result<()> {
        match file {
            Some(path) => self.file(path, text)?,
            None => self.result(text),
        }
        Ok(())
    }

    /// A word about the work.
    pub fn note(self, text: &str) {
        if !self.quiet {
            drop(writeln!(anstream::stderr(), "{text}"));
        }
    }

    /// A fault that the work goes on in spite of.
    pub fn warn(self, text: &str) {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
        drop(writeln!(anstream::stderr(), "{style}warning{style:#}: {text}"));
    }

    /// A fault that ended the work, with its causes.
    pub fn error(self, error: &anyhow::Error) {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let mut err = anstream::stderr();
        drop(writeln!(err, "{style}error{style:#}: {error}"));
        let mut said = error.to_string();
        for cause in error.chain().skip(1).map(ToString::to_string) {
            // Libraries repeat the cause in the message: say each thing once.
            if !said.contains(&cause) {
                drop(writeln!(err, "  cause: {cause}"));
                said.push_str(&cause);
            }
        }
    }

    /// May standard output have colours?
    pub fn colour(self) -> bool {
        match anstream::ColorChoice::global() {
            anstream::ColorChoice::Never => false,
            anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
            anstream::ColorChoice::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                std::io::stdout().is_terminal() && !refused
            }
        }
    }

    /// The width to report in: what `COLUMNS` says, else the terminal's within reason, else [`WIDEST`].
    pub fn width(self) -> usize {
        if let Some(asked) = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok()) {
            return asked.max(NARROWEST);
        }
        let terminal = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
        terminal.unwrap_or(WIDEST).clamp(NARROWEST, WIDEST)
    }

    /// May a progress bar be drawn?
    pub fn draws(self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Writes a file whole or not at all.
    pub fn file(self, path: &Path, content: &str) -> anyhow::Result<()> {
        use anyhow::Context as _;
        let beside = path.with_extension("part");
        let write = || {
            std::fs::write(&beside, content)?;
            std::fs::rename(&beside, path)
        };
        write()
            .inspect_err(|_| drop(std::fs::remove_file(&beside)))
            .with_context(|| format!("cannot write {}: check that the folder exists and may be written to", path.display()))?;
        self.note(&format!("wrote {}", path.display()));
        Ok(())
    }
}
