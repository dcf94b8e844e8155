//! `plimsoll simulate`: what would have been, under which policy.

pub mod openb;

use crate::{cli::parse_time, printer::Printer, progress, source};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use plimsoll_decide::{pack::policy, queue::Order};
use plimsoll_fleet::Seconds;
use plimsoll_observe::{example, snapshot};
use plimsoll_report::{rehearsal as report, words::clean};
use plimsoll_simulate::rehearsal::{
    Rehearsal, Ways,
    file::{COUNT_EXPECTED, File, FleetSource, Place, WorkSource, count_of, unwritten},
    rehearse, rehearse_all,
    stage::{Inputs, Stage, stage},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub const AFTER: &str = "\
A rehearsal replays the fleet's own recorded history (who came when, for how long) under the policies named, side by side: jobs arrive, \
wait, start, run, are evicted and end. Without --policy it sets kube-scheduler's default (least-allocated) beside ours (plimsoll).
With --run everything is described in one file: fleet, changes, work (history, openb, philly, synthetic, jobs), policies, horizon.

Examples:
  plimsoll simulate --example
  plimsoll simulate --fleet fleet.tar.zst --policy plimsoll \\
      --add-nodes 4xp5.48xlarge --mig all-balanced
  plimsoll simulate --fleet fleet.tar.zst \\
      --order fifo,backfill --format html -o rehearsal.html
  plimsoll simulate --run rehearsal.yaml --format svg -o pictures
  plimsoll simulate openb --dir traces/openb --policy fgd,plimsoll";

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SimulateArgs {
    #[command(subcommand)]
    what: Option<Simulate>,

    /// Rehearse the history in a snapshot
    #[arg(long, value_name = "FILE", help_heading = "Source", conflicts_with_all = ["example", "run"])]
    fleet: Option<PathBuf>,

    /// Rehearse the history of the bundled example fleet
    #[arg(long, help_heading = "Source", conflicts_with = "run")]
    example: bool,

    /// Rehearse what a file describes (YAML); options given beside it win over it
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    run: Option<PathBuf>,

    /// Placement policies: random, best-fit, dot-product, gpu-packing, gpu-clustering, fgd, least-allocated, most-allocated, plimsoll
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', help_heading = "Ways")]
    policy: Vec<policy::Named>,

    /// Orders of the queue: fifo, backfill (the default), shortest, least-work
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', help_heading = "Ways")]
    order: Vec<Order>,

    /// Seeds for what a policy leaves to chance
    #[arg(long, value_name = "SEED,…", value_delimiter = ',', help_heading = "Ways")]
    seed: Vec<u64>,

    /// Add so many nodes of an instance type, such as 4xp5.48xlarge; may be repeated
    #[arg(long, value_name = "COUNTxTYPE", value_parser = parse_nodes, help_heading = "What if")]
    add_nodes: Vec<String>,

    /// Take a pool's nodes away; may be repeated
    #[arg(long, value_name = "POOL", help_heading = "What if")]
    remove_pool: Vec<String>,

    /// Lay out GPUs by MIG: a name of mig-parted such as all-balanced, or open (instances are made at need); of added nodes, else of all
    #[arg(long, value_name = "LAYOUT", help_heading = "What if")]
    mig: Option<String>,

    /// End after so long: 6h, 7d, 4w
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "What if")]
    horizon: Option<Seconds>,

    /// Leave out jobs that fit nowhere, and list them; without it they are an error (those of a history always are left out)
    #[arg(long, help_heading = "What if")]
    skip_misfits: bool,

    /// Your prices (CSV): they win over the bundled list, by instance type, pool or node
    #[arg(long, value_name = "FILE", help_heading = "What if")]
    prices: Option<PathBuf>,

    /// The result's form
    #[arg(long, value_enum, default_value_t = Format::Table, help_heading = "Report")]
    format: Format,

    /// Write the result to a file; pictures (svg) to a folder
    #[arg(long, short, value_name = "PATH", required_if_eq("format", "svg"), help_heading = "Report")]
    output: Option<PathBuf>,
}

/// Public experiments.
#[derive(Debug, Subcommand)]
enum Simulate {
    /// Replays the placement experiment of USENIX ATC'23 on the trace openb
    #[command(after_help = openb::AFTER)]
    Openb(openb::OpenbArgs),
}

/// Forms of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Table,
    /// For programs; see `plimsoll schema rehearsal`
    Json,
    /// A line a run
    Csv,
    /// A line a run and moment
    CourseCsv,
    /// One self-contained page with pictures
    Html,
    /// Pictures, a file each
    Svg,
}

/// A file of a rehearsal is written by hand, or by a program for some ten thousand jobs.
const LARGEST_FILE: u64 = 64 << 20;
/// Philly's jobs are 3 MB.
const LARGEST_TRACE: u64 = 1 << 30;

/// Runs it.
pub fn run(args: &SimulateArgs, printer: &Printer) -> anyhow::Result<()> {
    if let Some(Simulate::Openb(args)) = &args.what {
        return openb::run(args, printer);
    }
    let prices = source::prices(args.prices.as_deref())?;
    let (mut file, file_name, base) = described(args)?;
    with_flags(&mut file, args);
    let place = Place(&file_name);
    let named = read_named(&file, &base, printer)?;
    let Stage { ground, work, changes } = stage(&file, place, &named, &prices).map_err(|why| anyhow::anyhow!(clean(&why.to_string())))?;
    drop(named);
    let ways = Ways {
        policies: or(place.named(&file.policies)?, &[policy::Named::LeastAllocated, policy::Named::Plimsoll]),
        orders: or(place.named(&file.orders)?, &[Order::Backfill]),
        seeds: or(file.seeds.clone(), &[1]),
    };
    let name = file.name.clone().unwrap_or_else(|| file_name.clone());
    let bar = progress::counted(*printer, "rehearsing {bar:24} {human_pos} of {human_len} jobs");
    let done = |done, all| progress::show(&bar, done, all);
    // A trace's or a history's misfits are its own; whoever writes jobs by hand wants to know.
    let strict = !(file.skip_misfits || file.work.history || file.work.openb.is_some());
    let result = if strict {
        let jobs = file.work.philly.as_ref().map_or_else(|| file_name.clone(), |philly| philly.file.display().to_string());
        rehearse_all(&name, ground, work, &ways, &done).map_err(|why| anyhow::anyhow!(clean(&format!("{jobs}: {why}"))))
    } else {
        Ok(rehearse(&name, ground, work, &ways, &done))
    };
    bar.finish_and_clear();
    print(&Rehearsal { changes, ..result? }, args, printer)
}

fn or<T: Clone>(given: Vec<T>, default: &[T]) -> Vec<T> {
    if given.is_empty() { default.to_vec() } else { given }
}

/// The file, its name, and the folder that its paths begin in.
fn described(args: &SimulateArgs) -> anyhow::Result<(File, String, PathBuf)> {
    if let Some(path) = &args.run {
        let name = path.display().to_string();
        let text = source::read_text(path, LARGEST_FILE, "a rehearsal's file")?;
        let file = File::parse(&text, &name).map_err(|why| anyhow::anyhow!(clean(&why.to_string())))?;
        return Ok((file, name, path.parent().map(Path::to_owned).unwrap_or_default()));
    }
    let (fleet, name) = match &args.fleet {
        Some(path) => (FleetSource { snapshot: Some(path.clone()), ..FleetSource::default() }, path.display().to_string()),
        None if args.example => (FleetSource { example: true, ..FleetSource::default() }, "the example".to_owned()),
        None => bail!("there is nothing to rehearse: name a snapshot (--fleet FILE), a file (--run FILE), or try --example"),
    };
    Ok((File::of(fleet, WorkSource { history: true, ..WorkSource::default() }), name, PathBuf::new()))
}

/// What the command line says wins over the file.
fn with_flags(file: &mut File, args: &SimulateArgs) {
    let said = unwritten;
    if !args.policy.is_empty() {
        file.policies = args.policy.iter().map(|policy| said(policy.name())).collect();
    }
    if !args.order.is_empty() {
        file.orders = args.order.iter().map(|order| said(order.name())).collect();
    }
    file.add_nodes.extend(args.add_nodes.iter().map(|nodes| said(nodes)));
    file.remove_pools.extend(args.remove_pool.iter().map(|pool| said(pool)));
    if let Some(layout) = &args.mig {
        file.mig = Some(said(layout));
    }
    if let Some(horizon) = args.horizon {
        file.horizon = Some(said(&format!("{}s", horizon.0)));
    }
    if !args.seed.is_empty() {
        file.seeds.clone_from(&args.seed);
    }
    file.skip_misfits |= args.skip_misfits;
}

/// Reads what the file names. Paths in it begin where it lies.
fn read_named(file: &File, base: &Path, printer: &Printer) -> anyhow::Result<Inputs> {
    let mut named = Inputs::default();
    if file.fleet.example {
        named.fleet = Some(example::fleet(example::SEED));
    } else if let Some(path) = &file.fleet.snapshot {
        printer.note(&format!("reading {}", path.display()));
        named.fleet = Some(snapshot::read_file(&base.join(path))?);
    }
    if let Some(dir) = &file.fleet.openb {
        let dir = base.join(dir);
        let cluster = openb::cluster(&dir)?;
        if let Some(entry) = &file.work.openb {
            let mut experiment = openb::experiment(&dir, &[entry.seed], &cluster, &entry.workload)?;
            named.pods = experiment.orders.pop().map(|order| (experiment.workload, order));
        }
        named.cluster = Some(cluster);
    } else if file.work.openb.is_some() {
        bail!("work: `openb` needs the nodes of the trace: fleet: {{openb: DIR}}");
    }
    if let Some(philly) = &file.work.philly {
        named.philly = Some(source::read_text(&base.join(&philly.file), LARGEST_TRACE, "a file of jobs")?);
    }
    Ok(named)
}

fn print(result: &Rehearsal, args: &SimulateArgs, printer: &Printer) -> anyhow::Result<()> {
    let text = match args.format {
        Format::Table => report::terminal(result, printer.width(), args.output.is_none() && printer.colour()),
        Format::Json => report::json(result),
        Format::Csv => report::csv(result),
        Format::CourseCsv => report::course_csv(result),
        Format::Html => report::html(result),
        Format::Svg => {
            let folder = args.output.as_deref().unwrap_or(Path::new("."));
            fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
            for (name, picture) in report::svg(result) {
                printer.file(&folder.join(format!("{name}.svg")), &picture)?;
            }
            return Ok(());
        }
    };
    printer.result_to(args.output.as_deref(), &text)
}

fn parse_nodes(text: &str) -> Result<String, String> {
    count_of(text).map(|_| text.to_owned()).ok_or_else(|| format!("'{text}' is not {COUNT_EXPECTED}"))
}
