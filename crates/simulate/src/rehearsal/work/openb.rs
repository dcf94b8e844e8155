//! The pods of the trace openb as jobs that come one a second and stay: the placement experiment over time.

use super::{Job, Pods, Work};
use crate::openb::{Cluster, Order, Workload};
use plimsoll_decide::pack::policy::{Gpus, NodeKind};
use plimsoll_fleet::{
    Name, Node, Shape,
    node::{Gpu, Offer},
    pod::Ask,
    resource::{MILLI, Vendor},
    selector::{NodeTerm, Operator, Requirement},
};

const WHOLE: &str = "nvidia.com/gpu";
const PRODUCT: &str = "nvidia.com/gpu.product";

/// The nodes of the experiment. Each offers its GPUs whole and in thousandths.
#[must_use]
pub fn openb_nodes(cluster: &Cluster) -> Vec<Node> {
    let node = |(at, kind): (usize, &u16)| {
        let kind: &NodeKind = &cluster.kinds[usize::from(*kind)];
        let name: Name = format!("node-{at:04}").into();
        let gpus = u32::from(kind.gpus);
        let offer = |resource: &str, count| Offer { resource: resource.into(), count, capacity: count, dra: false };
        Node {
            labels: [(PRODUCT, &*kind.model), ("kubernetes.io/hostname", &*name)]
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
            ready: true,
            cpu: kind.cpu,
            memory: kind.memory,
            max_pods: kind.pods,
            offers: vec![offer(WHOLE, gpus), offer(MILLI, gpus * 1000)],
            gpus: vec![Gpu::default(); gpus as usize],
            vendor: Some(Vendor::Nvidia),
            gpu_product: Some(kind.model.clone()),
            pool: Some(format!("{}-x{gpus}", kind.model).into()),
            name,
            ..Node::default()
        }
    };
    cluster.nodes.iter().enumerate().map(node).collect()
}

/// The pods of a list in an order, one a second.
#[must_use]
pub fn openb(name: &str, workload: &Workload, order: &Order) -> Work {
    let mut pods = Pods::default();
    let kinds: Vec<u32> = workload
        .kinds
        .iter()
        .map(|kind| {
            let ask = |resource: &str, count| vec![Ask { resource: resource.into(), count, dra: false }];
            let models = kind.wording.split('|').filter(|model| !model.is_empty() && kind.gpus != Gpus::None).map(Name::from);
            let product = Requirement { key: PRODUCT.into(), operator: Operator::In, values: models.collect() };
            let shape = Shape {
                cpu: kind.cpu,
                memory: kind.memory,
                asks: match kind.gpus {
                    // The experiment knows no MIG.
                    Gpus::None | Gpus::Slices(_) => Vec::new(),
                    Gpus::Share(milli) => ask(MILLI, milli.into()),
                    Gpus::Whole(count) => ask(WHOLE, count.into()),
                },
                node_terms: if product.values.is_empty() {
                    Vec::new()
                } else {
                    vec![NodeTerm { labels: vec![product], names: Vec::new() }]
                },
                ..Shape::default()
            };
            pods.place("openb".into(), shape)
        })
        .collect();
    let jobs = (0_u64..).zip(&order.arrivals).map(|(at, &pod)| {
        let kind = kinds[workload.pods[pod as usize] as usize];
        Job::of(format!("pod-{at}").into(), at, None, kind, 1)
    });
    let jobs: Vec<Job> = jobs.collect();
    Work {
        name: format!("{} pods of openb {name}, seed {}, one a second", jobs.len(), order.seed),
        pods: pods.into_list(),
        jobs,
        ..Work::default()
    }
}
