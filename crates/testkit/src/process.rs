//! A program that never outlives the test, however the test ends.

use anyhow::Context as _;
use std::{
    fs::File,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Waits for the end of its standard input beside the program, then kills their process group. The pipe's other end is held by
/// the test alone: it closes when the test drops it, panics, is interrupted or is killed.
const KEEPER: &str = r#"exec 3<&0; (cat <&3 >/dev/null 2>&1; kill -9 0) & exec "$@" 3<&- </dev/null"#;

/// A running program with its log.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` in `folder`; what it writes goes to `folder/log/NAME.log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &'static str, program: &Path, folder: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        let log = folder.join("log").join(format!("{name}.log"));
        std::fs::create_dir_all(folder.join("log")).with_context(|| format!("cannot create the log folder in {}", folder.display()))?;
        let out = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let err = out.try_clone().context("cannot share the log file")?;
        let child = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .env("HOME", folder)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", program.display()))?;
        Ok(Self { name, child, log })
    }

    /// Fails with the end of its log where the program has ended.
    ///
    /// # Errors
    /// It has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait().with_context(|| format!("cannot ask after {}", self.name))? {
            Some(status) => anyhow::bail!("{} ended ({status}). {}", self.name, self.last_words()),
            None => Ok(()),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Has it ended? Then how.
    ///
    /// # Errors
    /// It cannot be asked after.
    pub fn ended(&mut self) -> anyhow::Result<Option<std::process::ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask after {}", self.name))
    }

    /// All that it has written.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of its log, for people.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("The end of {}:\n{}\n", self.log.display(), lines[lines.len().saturating_sub(25)..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The pipe first, so that the keeper goes too; then the program itself, in case the keeper is slow.
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
