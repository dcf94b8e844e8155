//! A golden script: commands, one after the other in a folder of their own, and what each of them answered.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

/// The script so far.
pub struct Script {
    folder: tempfile::TempDir,
    columns: usize,
    told: String,
}

impl Script {
    /// An empty one, for lines of a hundred columns.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), columns: 100, told: String::new() }
    }

    /// For lines of so many columns.
    pub fn columns(&mut self, columns: usize) -> &mut Self {
        self.columns = columns;
        self
    }

    /// A path in the script's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file into the script's folder.
    pub fn file(&mut self, name: &str, content: impl AsRef<[u8]>) -> &mut Self {
        std::fs::write(self.path(name), content).unwrap();
        self
    }

    /// Reads a file of the script's folder.
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The command of a line, with nothing of the caller's surroundings that it would heed.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        command.env("COLUMNS", self.columns.to_string()).env("HOME", "/nonexistent").env("RUST_BACKTRACE", "0");
        for name in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "PROMETHEUS_URL", "NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a line, for its output alone.
    pub fn output(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a line and writes down what it answered.
    pub fn run(&mut self, line: &str) -> &mut Self {
        let output = self.output(line);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let code = output.status.code().unwrap();
        self.told += &format!("$ plimsoll {line}\n{}{}[{code}]\n\n", text(&output.stdout), text(&output.stderr));
        self
    }

    /// All that was answered.
    pub fn told(&self) -> String {
        self.told.clone()
    }
}
