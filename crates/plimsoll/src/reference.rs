//! The command-line reference, made from the arguments themselves. `docs/commands.md` is checked in; a test holds it to the code.

use crate::cli::Cli;
use clap::CommandFactory as _;
use std::fmt::Write as _;

/// The reference as Markdown.
pub fn reference() -> String {
    let mut root = Cli::command().term_width(96);
    root.build();
    let mut out =
        String::from("# Commands\n\nMade from the program; do not edit. Renew with `PLIMSOLL_RENEW=1 cargo test -p plimsoll reference`.\n");
    section(&mut out, &mut root, "plimsoll");
    let names: Vec<String> = root.get_subcommands().map(|command| command.get_name().to_owned()).filter(|name| name != "help").collect();
    for name in names {
        if let Some(command) = root.find_subcommand_mut(&name) {
            section(&mut out, command, &format!("plimsoll {name}"));
        }
    }
    out
}

fn section(out: &mut String, command: &mut clap::Command, title: &str) {
    let help = command.render_long_help().to_string();
    let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    let _ = write!(out, "\n## {title}\n\n```text\n{}\n```\n", help.trim_end());
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_reference_is_that_of_this_program() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
        let now = super::reference();
        if std::env::var_os("PLIMSOLL_RENEW").is_some() {
            std::fs::write(&path, &now).expect("docs/ can be written");
        }
        let then = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(then == now, "docs/commands.md is stale: renew it with PLIMSOLL_RENEW=1 cargo test -p plimsoll reference");
    }
}
