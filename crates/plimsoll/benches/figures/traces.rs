//! The public traces, where they are at hand.

use anyhow::Context as _;
use plimsoll_simulate::openb::{Cluster, Experiment, Workload, parse_orders};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The pod lists of the experiment, those with published figures and shared orders.
const LISTS: [&str; 9] = ["default", "cpu050", "cpu100", "gpushare40", "gpushare60", "gpuspec10", "gpuspec33", "multigpu20", "multigpu30"];

/// The folder of a trace; where it is absent, a word is printed.
pub fn folder(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let folder = std::env::var_os("PLIMSOLL_TRACES").map_or(beside, PathBuf::from).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no {}; set PLIMSOLL_TRACES to the folder of traces", folder.display());
    None
}

/// Reads a file of a trace.
pub fn read(folder: &Path, file: &str) -> anyhow::Result<String> {
    let path = folder.join(file);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The experiment of ATC'23: the cluster, and the pod lists with their five orders.
pub struct Openb {
    pub folder: PathBuf,
    pub cluster: Cluster,
    pub experiments: Vec<Experiment>,
}

/// The experiment, where the trace is at hand.
pub fn openb() -> anyhow::Result<Option<Openb>> {
    let Some(folder) = folder("openb") else { return Ok(None) };
    let file = "openb_node_list_gpu_node.csv";
    let cluster = Cluster::parse(&read(&folder, file)?, file)?;
    let experiments = LISTS.into_iter().map(|list| {
        let file = format!("openb_pod_list_{list}.csv");
        let workload = Workload::parse(&read(&folder, &file)?, &file, &cluster)?;
        let file = format!("orders/{list}.txt");
        let orders = parse_orders(&read(&folder, &file)?, &file, &cluster, &workload)?;
        anyhow::Ok(Experiment { name: list.to_owned(), workload, orders })
    });
    let experiments = experiments.collect::<anyhow::Result<_>>()?;
    Ok(Some(Openb { folder, cluster, experiments }))
}
