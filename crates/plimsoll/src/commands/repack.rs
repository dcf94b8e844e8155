//! `plimsoll repack`: the same on fewer nodes, or room for one pod, as a plan that people can follow.

use crate::{
    cli::{ClusterArgs, distance, parse_count, parse_time},
    printer::Printer,
    source,
};
use anyhow::bail;
use clap::{Args, ValueEnum};
use plimsoll_decide::{
    audit::view::seen,
    pack::{
        defragment::{DefragmentOptions, defragment},
        plan::{RepackOptions, repack},
    },
};
use plimsoll_fleet::{Fleet, MoneyPerHour, NodeId, PodId, Seconds};
use plimsoll_report::{
    repack::{self as report, Plan, Sheet, TableOptions},
    words::clean,
};
use std::{mem::ManuallyDrop, path::PathBuf};

pub const AFTER: &str = "\
It only plans: it changes nothing. Sources: a live cluster (the default; read-only), --snapshot, --trace or --example.

A pod costs its GPUs times the time until it has caught up: its start on the new node and the work lost. A start takes what such pods \
took here, else 2 min 10 s to start and 2 min to be ready are assumed. The work lost is that since the last checkpoint, by the \
annotation plimsoll.dev/checkpoint (or any key that begins so) on the pod or its workload:
  2026-11-23T08:40:00Z   the last checkpoint is of this moment (RFC 3339)
  30m, 1h30m             one is written so often: at most so much is lost
  true                   there are checkpoints; an hour is assumed
Training without a checkpoint stays, unless --move-training: then all it has done is lost.

Examples:
  plimsoll repack --example
  plimsoll repack --context prod --horizon 7d --headroom inference=4
  plimsoll repack --snapshot fleet.tar.zst --for recsys/bert-large-whhf2
  plimsoll repack --snapshot fleet.tar.zst --format json |
      jq -r '.waves[0].commands[]'";

/// Arguments of `repack`.
#[derive(Debug, Args)]
pub struct RepackArgs {
    #[command(flatten)]
    cluster: ClusterArgs,

    /// Plan on a snapshot instead of a live cluster
    #[arg(long, value_name = "FILE", help_heading = "Source", conflicts_with_all = ["trace", "example", "kubeconfig", "context", "prometheus", "scrape"])]
    snapshot: Option<PathBuf>,

    /// Plan on a trace's folder (openb, genai2026); its kind is seen from its files
    #[arg(long, value_name = "DIR", help_heading = "Source", conflicts_with_all = ["example", "kubeconfig", "context", "prometheus", "scrape"])]
    trace: Option<PathBuf>,

    /// Plan on the bundled example fleet
    #[arg(long, help_heading = "Source", conflicts_with_all = ["kubeconfig", "context", "prometheus", "scrape"])]
    example: bool,

    /// Make room for this waiting pod by the fewest moves, instead of emptying nodes
    #[arg(long = "for", value_name = "NAMESPACE/POD", help_heading = "Plan", conflicts_with_all = ["headroom", "horizon", "nodes_at_once"])]
    pod: Option<String>,

    /// Running training may move, too, whether or not it has checkpoints
    #[arg(long, help_heading = "Plan")]
    move_training: bool,

    /// Keep so many GPUs of a pool free on purpose, such as inference=2 ('*=1' for every pool)
    #[arg(long, value_name = "POOL=GPUS", value_parser = parse_count, help_heading = "Plan")]
    headroom: Vec<(String, u32)>,

    /// Empty a node only if it saves more in this time than its moves cost: 6h, 1d, 4w
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = parse_time, help_heading = "Plan")]
    horizon: Seconds,

    /// Nodes that are emptied at once; without it, a tenth of the GPU nodes
    #[arg(long, value_name = "NODES", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Plan")]
    nodes_at_once: Option<u32>,

    /// Your prices (CSV): they win over the bundled list, by instance type, pool or node
    #[arg(long, value_name = "FILE", help_heading = "Plan")]
    prices: Option<PathBuf>,

    /// The plan's form
    #[arg(long, value_enum, default_value_t = Format::Table, help_heading = "Report")]
    format: Format,

    /// Write the plan to a file
    #[arg(long, short, value_name = "FILE", help_heading = "Report")]
    output: Option<PathBuf>,

    /// Show all waves, moves and commands, not only the first
    #[arg(long, help_heading = "Report")]
    all: bool,
}

/// Forms of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Table,
    /// For programs; see `plimsoll schema repack`
    Json,
    /// A line a move
    Csv,
    /// For a pull request or a change ticket
    Markdown,
}

/// Runs it.
pub fn run(args: &RepackArgs, printer: &Printer) -> anyhow::Result<()> {
    // What can be wrong with the arguments is said before a cluster is read for minutes.
    let wanted = args.pod.as_deref().map(split).transpose()?;
    let prices = source::prices(args.prices.as_deref())?;
    // The program ends with the plan: a large fleet has a million pieces to give back one by one.
    let fleet = ManuallyDrop::new(source::fleet(&args.cluster, args.snapshot.as_deref(), args.trace.as_deref(), args.example, printer)?);
    for (kind, lost) in [("pods", "which nodes are empty"), ("poddisruptionbudgets.policy", "what may be evicted")] {
        if !seen(&fleet, kind) {
            bail!("{kind} could not be listed, so that nobody knows {lost}: no plan can be made; grant what deploy/rbac.yaml names");
        }
    }
    let by_node: Vec<Option<MoneyPerHour>> = fleet.nodes.iter().map(|node| prices.price(node).ok().map(|price| price.per_hour)).collect();
    let price = |node: NodeId| by_node[node.index()];
    let say = |plan: Plan<'_>| {
        let sheet = Sheet { fleet: &fleet, plan, currency: prices.currency(), price: &price };
        let text = match args.format {
            Format::Table => {
                let colour = args.output.is_none() && printer.colour();
                report::table(&sheet, &TableOptions { width: printer.width(), colour, all: args.all })
            }
            Format::Json => report::text(&report::document(&sheet)),
            Format::Csv => report::csv(&sheet),
            Format::Markdown => report::markdown(&sheet),
        };
        printer.result_to(args.output.as_deref(), &text)
    };
    match wanted {
        Some(wanted) => {
            let pod = find(&fleet, wanted)?;
            let options = DefragmentOptions { move_training: args.move_training, price: &price };
            // Names are from outside.
            let plan = defragment(&fleet, pod, &options).map_err(|why| anyhow::anyhow!(clean(&why.to_string())))?;
            say(Plan::Room(&plan))
        }
        None => say(Plan::Nodes(&repack(
            &fleet,
            &RepackOptions {
                headroom: &args.headroom.iter().cloned().collect(),
                move_training: args.move_training,
                price: &price,
                horizon: args.horizon,
                nodes_at_once: args.nodes_at_once,
            },
        ))),
    }
}

fn split(text: &str) -> anyhow::Result<(&str, &str)> {
    match text.split_once('/') {
        Some((namespace, pod)) if !namespace.is_empty() && !pod.is_empty() && !pod.contains('/') => Ok((namespace, pod)),
        _ => bail!("--for: '{text}' is not NAMESPACE/POD, such as recsys/bert-large-whhf2"),
    }
}

/// How many pods a message names.
const NAMED: usize = 5;

fn find(fleet: &Fleet, (namespace, name): (&str, &str)) -> anyhow::Result<PodId> {
    if let Some((id, _)) = fleet.pods().find(|(_, pod)| *pod.namespace == *namespace && *pod.name == *name) {
        return Ok(id);
    }
    let wanted = format!("{namespace}/{name}");
    let mut waiting: Vec<(usize, String)> = fleet
        .pods
        .iter()
        .filter(|pod| pod.waits())
        .map(|pod| clean(&format!("{}/{}", pod.namespace, pod.name)))
        .map(|pod| (distance(&wanted, &pod), pod))
        .collect();
    waiting.sort();
    let Some((nearest, first)) = waiting.first() else { bail!("--for: no pod is named '{wanted}', and no pod waits for a node") };
    let hint = if *nearest <= 1 + first.len() / 3 { format!("; did you mean {first}?") } else { String::new() };
    let names: Vec<&str> = waiting.iter().take(NAMED).map(|(_, pod)| pod.as_str()).collect();
    let more = if waiting.len() > NAMED { format!(" and {} more", waiting.len() - NAMED) } else { String::new() };
    bail!("--for: no pod is named '{wanted}'{hint} (pods that wait: {}{more})", names.join(", "))
}
