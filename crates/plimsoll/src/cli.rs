//! The command line: arguments and their words. The environment variables that count are all named here.

use clap::{Args, Parser, Subcommand, ValueEnum};
pub use plimsoll_decide::nearest::distance;
use plimsoll_decide::nearest::nearest;
use std::path::PathBuf;

/// Loads the GPUs of a Kubernetes cluster to the line, and no further.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, about, propagate_version = true, max_term_width = 100, after_help = AFTER)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, hide_possible_values = true, value_name = "auto|always|never")]
    pub color: Color,

    /// Say nothing but results, warnings and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// Say what is being done (-v, -vv)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

const AFTER: &str = "Try it without a cluster: plimsoll audit --example\n\nExit codes: 0 done; 1 something that --fail-on names was found, or a rule at enforce is broken; 2 it could not be done.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Where does the GPU money go? Finds wasted GPUs, why, whose, what they cost and what to do
    #[command(after_help = AUDIT_AFTER)]
    Audit(Box<AuditArgs>),
    /// Captures a cluster in one file, for an audit elsewhere; secrets and environment values are never read
    Snapshot(Box<SnapshotArgs>),
    /// On how few nodes would it fit? Plans moves in waves, with their costs; or makes room for one pod
    #[command(after_help = crate::commands::repack::AFTER)]
    Repack(Box<crate::commands::repack::RepackArgs>),
    /// Rehearses: what would have been under another policy, with other nodes, with other layouts
    #[command(after_help = crate::commands::simulate::AFTER)]
    Simulate(Box<crate::commands::simulate::SimulateArgs>),
    /// May this in? Checks manifests of GPU workloads against rules, before a cluster has them
    #[command(after_help = crate::commands::check::AFTER)]
    Check(Box<crate::commands::check::CheckArgs>),
    /// Guardrails at the API server: runs the admission webhook
    #[command(after_help = crate::commands::webhook::AFTER)]
    Webhook(Box<crate::commands::webhook::WebhookArgs>),
    /// Writes the rules as policies that a cluster judges by itself: ValidatingAdmissionPolicy or Kyverno's
    #[command(after_help = crate::commands::export::AFTER)]
    Export(Box<crate::commands::export::ExportArgs>),
    /// Tells all about a waste sign or a rule
    Explain {
        /// The sign's or rule's name; without it, all are listed
        name: Option<String>,
    },
    /// Prints the JSON schema of a document
    Schema {
        /// Which document
        #[arg(value_enum)]
        document: Document,
    },
    /// Prints a completion script for a shell
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

const AUDIT_AFTER: &str = "\
Sources: a live cluster (the default; read-only), --snapshot, --trace or --example.
Reading a cluster needs get and list on what deploy/rbac.yaml names.

Examples:
  plimsoll audit --example
  plimsoll audit --context prod --prometheus http://localhost:9090 --window 14d
  plimsoll audit --format html -o report.html
  plimsoll audit --snapshot fleet.tar.zst --format json | jq .money
  plimsoll audit --baseline last.json --fail-on new";

/// Where a fleet is seen.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// The kubeconfig file [env: KUBECONFIG]
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,

    /// The context in it
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    pub context: Option<String>,

    #[command(flatten)]
    pub metrics: MetricsArgs,
}

/// Where the metrics are read.
#[derive(Debug, Args)]
pub struct MetricsArgs {
    /// Address of a Prometheus-compatible store; without it, one is looked for among the cluster's Services [env: PROMETHEUS_URL]
    // The variable is read where a store is needed, so that having it set does not stand in the way of --example or --scrape.
    #[arg(long, value_name = "URL", help_heading = "Metrics", conflicts_with_all = ["scrape", "no_metrics"])]
    pub prometheus: Option<String>,

    /// How far to look back: 6h, 7d, 4w
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_time, help_heading = "Metrics")]
    pub window: plimsoll_fleet::Seconds,

    /// Time between samples; without it, 1m up to a week and 5m beyond
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Metrics")]
    pub step: Option<plimsoll_fleet::Seconds>,

    /// Read the DCGM exporters directly through the API server for so long, where there is no Prometheus
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Metrics", conflicts_with = "no_metrics")]
    pub scrape: Option<plimsoll_fleet::Seconds>,

    /// Read no metrics: only what the API server tells
    #[arg(long, help_heading = "Metrics")]
    pub no_metrics: bool,

    /// File with a bearer token for the store
    #[arg(long, value_name = "FILE", env = "PROMETHEUS_TOKEN_FILE", help_heading = "Metrics")]
    pub prometheus_token_file: Option<PathBuf>,

    /// Bearer token for the store (better from the environment than on the command line)
    #[arg(long, value_name = "TOKEN", env = "PROMETHEUS_TOKEN", hide_env_values = true, help_heading = "Metrics")]
    pub prometheus_token: Option<String>,

    /// User for basic authentication; the password comes from the environment
    #[arg(long, value_name = "USER", env = "PROMETHEUS_USER", help_heading = "Metrics")]
    pub prometheus_user: Option<String>,

    /// Password for basic authentication
    #[arg(long, value_name = "PASSWORD", env = "PROMETHEUS_PASSWORD", hide_env_values = true, hide = true)]
    pub prometheus_password: Option<String>,

    /// Client certificate for the store (PEM)
    #[arg(long, value_name = "FILE", requires = "prometheus_key", help_heading = "Metrics")]
    pub prometheus_cert: Option<PathBuf>,

    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "prometheus_cert", help_heading = "Metrics")]
    pub prometheus_key: Option<PathBuf>,

    /// Certificate authority of the store (PEM)
    #[arg(long, value_name = "FILE", help_heading = "Metrics")]
    pub prometheus_ca: Option<PathBuf>,

    /// Extra header for the store, such as X-Scope-OrgID=tenant; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, help_heading = "Metrics")]
    pub prometheus_header: Vec<(String, String)>,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Audit a snapshot instead of a live cluster
    #[arg(long, value_name = "FILE", help_heading = "Source", conflicts_with_all = ["trace", "example", "kubeconfig", "context", "prometheus", "scrape"])]
    pub snapshot: Option<PathBuf>,

    /// Audit a trace's folder (openb, genai2026); its kind is seen from its files
    #[arg(long, value_name = "DIR", help_heading = "Source", conflicts_with_all = ["example", "kubeconfig", "context", "prometheus", "scrape"])]
    pub trace: Option<PathBuf>,

    /// Audit the bundled example fleet
    #[arg(long, help_heading = "Source", conflicts_with_all = ["kubeconfig", "context", "prometheus", "scrape"])]
    pub example: bool,

    /// Your prices (CSV): they win over the bundled list, by instance type, pool or node
    #[arg(long, value_name = "FILE", help_heading = "Judgement")]
    pub prices: Option<PathBuf>,

    /// Set a sign's threshold, such as idle-gpu=0.02; may be repeated (plimsoll explain NAME tells its meaning)
    #[arg(long, value_name = "SIGN=NUMBER", value_parser = parse_threshold, help_heading = "Judgement")]
    pub threshold: Vec<(String, f64)>,

    /// Do not look for this sign; may be repeated
    #[arg(long, value_name = "SIGN", help_heading = "Judgement")]
    pub without: Vec<String>,

    /// Keep so many GPUs of a pool free on purpose, such as inference=2 ('*=1' for every pool); headroom is not waste
    #[arg(long, value_name = "POOL=GPUS", value_parser = parse_count, help_heading = "Judgement")]
    pub headroom: Vec<(String, u32)>,

    /// A label that names the owning team; may be repeated, the first that is there wins
    #[arg(long, value_name = "LABEL", help_heading = "Judgement")]
    pub team_label: Vec<String>,

    /// Known and accepted findings (YAML: a list of {sign, subject, reason, expires})
    #[arg(long, value_name = "FILE", help_heading = "Judgement")]
    pub accepted: Option<PathBuf>,

    /// An earlier audit (JSON): say what is new, mended and unchanged since
    #[arg(long, value_name = "FILE", help_heading = "Judgement")]
    pub baseline: Option<PathBuf>,

    /// Exit with 1 if found: any, new (needs --baseline), a sign's name, or cost=AMOUNT a month; may be repeated
    #[arg(long, value_name = "WHAT", value_parser = parse_fail_on, value_delimiter = ',', help_heading = "Judgement")]
    pub fail_on: Vec<FailOn>,

    /// The report's form
    #[arg(long, value_enum, default_value_t = Format::Table, help_heading = "Report")]
    pub format: Format,

    /// Write the report to a file
    #[arg(long, short, value_name = "FILE", help_heading = "Report")]
    pub output: Option<PathBuf>,

    /// Show the figures by owner, model or pool before the findings
    #[arg(long, value_enum, help_heading = "Report")]
    pub by: Option<By>,

    /// Show the query, window and samples behind every figure
    #[arg(long, help_heading = "Report")]
    pub show_evidence: bool,

    /// Show all findings, not only the worst
    #[arg(long, help_heading = "Report")]
    pub all: bool,
}

/// Arguments of `snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Take the bundled example instead of a cluster
    #[arg(long, hide = true, conflicts_with_all = ["kubeconfig", "context", "prometheus", "scrape"])]
    pub example: bool,

    /// The file to write
    #[arg(long, short, value_name = "FILE", default_value = "fleet.tar.zst")]
    pub output: PathBuf,

    /// Hash names of nodes, namespaces, workloads, pods and images, and label values
    #[arg(long)]
    pub hash_names: bool,

    /// Hash with this salt, so that snapshots of several days can be compared; without it the salt is drawn afresh
    #[arg(long, value_name = "TEXT", env = "PLIMSOLL_SALT", hide_env_values = true, requires = "hash_names")]
    pub salt: Option<String>,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// If the output is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Documents with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// What `audit --format json` writes
    Audit,
    /// What `repack --format json` writes
    Repack,
    /// What `check --format json` writes
    Check,
    /// What `check --against-history --format json` writes
    History,
    /// What `simulate --format json` writes
    Rehearsal,
}

/// Forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal
    Table,
    /// For programs; see `plimsoll schema audit`
    Json,
    /// A line a finding
    Csv,
    /// For a pull request
    Markdown,
    /// One self-contained page with pictures
    Html,
}

/// Views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// By team
    Team,
    /// By namespace
    Namespace,
    /// By workload
    Workload,
    /// By GPU model
    GpuModel,
    /// By node pool
    Pool,
}

/// What makes an audit exit with 1.
#[derive(Debug, Clone, PartialEq)]
pub enum FailOn {
    /// Any open finding.
    Any,
    /// A finding that the baseline does not have.
    New,
    /// A finding of this sign.
    Sign(&'static str),
    /// A theoretical saving of at least so much a month.
    Cost(f64),
}

/// `90s`, `10m`, `6h`, `7d`, `4w`.
pub fn parse_time(text: &str) -> Result<plimsoll_fleet::Seconds, String> {
    let wrong = || format!("'{text}' is not a time; write 10m, 6h, 7d or 4w");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let all = number
        .checked_mul(seconds)
        .filter(|&all| (1..=366 * 86_400).contains(&all))
        .ok_or_else(|| format!("'{text}' is not between 1s and a year"))?;
    Ok(plimsoll_fleet::Seconds(all))
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not NAME=VALUE"))?;
    if name.is_empty() { Err(format!("'{text}' has no name before the '='")) } else { Ok((name.to_owned(), value.to_owned())) }
}

pub fn parse_count(text: &str) -> Result<(String, u32), String> {
    let (name, count) = parse_pair(text)?;
    let count = count.parse().map_err(|_| format!("'{count}' is not a whole number of GPUs"))?;
    Ok((name, count))
}

fn parse_threshold(text: &str) -> Result<(String, f64), String> {
    let (name, number) = parse_pair(text)?;
    let sign = plimsoll_decide::audit::signs::named(&name).ok_or_else(|| no_sign(&name))?;
    let threshold = sign.threshold.ok_or_else(|| format!("{name} has no threshold"))?;
    let number: f64 = number
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| format!("'{number}' is not a number of zero or more ({name}: {}, {})", threshold.says, threshold.unit))?;
    Ok((name, number))
}

fn parse_fail_on(text: &str) -> Result<FailOn, String> {
    match text {
        "any" => Ok(FailOn::Any),
        "new" => Ok(FailOn::New),
        _ if text.starts_with("cost=") => {
            let amount = &text["cost=".len()..];
            amount
                .parse()
                .ok()
                .filter(|amount: &f64| amount.is_finite() && *amount >= 0.0)
                .map(FailOn::Cost)
                .ok_or_else(|| format!("'{amount}' is not an amount of money"))
        }
        _ => plimsoll_decide::audit::signs::named(text)
            .map(|sign| FailOn::Sign(sign.name))
            .ok_or_else(|| format!("{}; or write any, new or cost=AMOUNT", no_sign(text))),
    }
}

/// A name that no sign has, with the nearest that one has.
pub fn no_sign(name: &str) -> String {
    let signs = plimsoll_decide::audit::signs::ALL.iter().map(|sign| sign.name);
    let hint = nearest(name, signs).map(|sign| format!("; did you mean {sign}?")).unwrap_or_default();
    format!("no waste sign is named '{name}'{hint} (plimsoll explain lists them)")
}

/// A name that neither a sign nor a rule has, with the nearest that one has.
pub fn nothing_named(name: &str) -> String {
    let signs = plimsoll_decide::audit::signs::ALL.iter().map(|sign| sign.name);
    let rules = plimsoll_decide::guard::rules::ALL.iter().map(|rule| rule.name);
    let hint = nearest(name, signs.chain(rules).chain([plimsoll_report::explain::CUSTOM]))
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default();
    format!("no waste sign or rule is named '{name}'{hint} (plimsoll explain lists them)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_misspelt_sign_is_answered_with_the_nearest() {
        assert!(no_sign("idle-gpus").contains("did you mean idle-gpu?"));
        assert!(!no_sign("zzz").contains("did you mean"));
    }

    #[test]
    fn times_are_bounded() {
        assert_eq!(parse_time("7d"), Ok(plimsoll_fleet::Seconds(604_800)));
        for wrong in ["", "7", "d", "-1d", "99999999999999999999d", "400d", "0s", "1y", "7д"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }
}
