//! `plimsoll simulate openb`: the placement experiment of USENIX ATC'23.

use crate::{printer::Printer, progress};
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use plimsoll_decide::pack::policy::Named;
use plimsoll_simulate::ReadError;
use plimsoll_simulate::openb::{Cluster, Experiment, LAST, Order, Workload, parse_orders, sweep, to_csv, to_table};
use std::{fs, path::Path, path::PathBuf};

pub const AFTER: &str = "\
The folder holds openb_node_list_gpu_node.csv, openb_pod_list_NAME.csv and orders/NAME.txt.
Figures are percent of all GPUs; a bound is given up to 100 % of arrivals: above it a bound may choose its pods, a policy may not.

Example:
  plimsoll simulate openb --dir traces/openb --workload default \\
      --seed 42,43 --policy fgd,plimsoll";

/// Arguments of `plimsoll simulate openb`.
#[derive(Debug, Args)]
pub struct OpenbArgs {
    /// Folder of the trace
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,

    /// Lists of pods, by name
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "default")]
    pub workload: Vec<String>,

    /// Seeds whose orders are replayed; without it, all that the orders' file has
    #[arg(long, value_name = "SEED,…", value_delimiter = ',')]
    pub seed: Vec<u64>,

    /// Policies that place the pods
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "best-fit,fgd,plimsoll")]
    pub policy: Vec<Named>,

    /// Arrivals at which figures are told, in percent of all GPUs
    #[arg(long, value_name = "PERCENT,…", value_delimiter = ',', default_value = "100,130", value_parser = clap::value_parser!(u32).range(0..=i64::from(LAST)))]
    pub at: Vec<u32>,

    /// How the figures are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// How figures are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: means over the seeds
    Table,
    /// A list of objects, one a figure
    Json,
    /// A line a figure
    Csv,
}

/// A list of pods or of orders is some MiB.
const LARGEST_FILE: u64 = 256 << 20;

/// Runs it.
pub fn run(args: &OpenbArgs, printer: &Printer) -> anyhow::Result<()> {
    let cluster = cluster(&args.dir)?;
    let experiments =
        args.workload.iter().map(|name| experiment(&args.dir, &args.seed, &cluster, name)).collect::<anyhow::Result<Vec<_>>>()?;
    let bar = progress::counted(*printer, "replaying {bar:24} {pos}/{len}");
    let outcomes = sweep(&cluster, &experiments, &args.policy, &args.at, &|done, all| {
        progress::show(&bar, done as u64, all as u64);
    });
    bar.finish_and_clear();
    printer.result(&match args.format {
        Format::Table => to_table(&outcomes),
        Format::Json => serde_json::to_string_pretty(&outcomes)?,
        Format::Csv => to_csv(&outcomes),
    });
    Ok(())
}

/// The nodes of the trace in `dir`.
pub fn cluster(dir: &Path) -> anyhow::Result<Cluster> {
    let (nodes, file) = read(dir, "openb_node_list_gpu_node.csv")?;
    Ok(Cluster::parse(&nodes, &file)?)
}

/// The list `name` of the trace in `dir` with the orders of `seeds`; of none: all orders.
pub fn experiment(dir: &Path, seeds: &[u64], cluster: &Cluster, name: &str) -> anyhow::Result<Experiment> {
    if name.is_empty() || name.contains(['/', '\\']) {
        bail!("--workload: `{name}` is not the name of a list; it is the NAME of a file openb_pod_list_NAME.csv in {}", dir.display());
    }
    let (pods, file) = read(dir, &format!("openb_pod_list_{name}.csv"))?;
    let workload = Workload::parse(&pods, &file, cluster)?;
    let (orders, file) = read(dir, &format!("orders/{name}.txt"))?;
    let all = parse_orders(&orders, &file, cluster, &workload)?;
    let orders = if seeds.is_empty() {
        all
    } else {
        let have: Vec<u64> = all.iter().map(|order| order.seed).collect();
        let find = |seed: &u64| -> Result<Order, ReadError> {
            let order = all.iter().find(|order| order.seed == *seed).cloned();
            order.ok_or_else(|| ReadError::NoSeed { file: file.clone(), seed: *seed, have: have.clone() })
        };
        seeds.iter().map(find).collect::<Result<_, _>>()?
    };
    Ok(Experiment { name: name.to_owned(), workload, orders })
}

/// The text of a file, and its name for messages.
fn read(dir: &Path, file: &str) -> anyhow::Result<(String, String)> {
    let path = dir.join(file);
    let name = path.display().to_string();
    let size = fs::metadata(&path).with_context(|| format!("cannot read {name}: a folder of the trace openb has it"))?.len();
    if size > LARGEST_FILE {
        bail!("{name} has {size} bytes; at most {LARGEST_FILE} are read");
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}: it must be text in UTF-8"))?;
    Ok((text, name))
}
