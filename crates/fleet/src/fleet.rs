//! The fleet: one consistent picture of a cluster.

use crate::{
    Evidence, History, Name, Node, Pod, Shape, Timestamp, Workload,
    selector::{Labels, Selector},
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The place in the fleet's list.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A node's place in [`Fleet::nodes`].
    NodeId
);
id!(
    /// A pod's place in [`Fleet::pods`].
    PodId
);
id!(
    /// A shape's place in [`Fleet::shapes`].
    ShapeId
);
id!(
    /// A workload's place in [`Fleet::workloads`].
    WorkloadId
);

/// Where a fleet was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `live`, `example`, `openb`, …
    pub source: Name,
    /// The cluster's name as the user knows it (context, trace folder); none: not known.
    #[serde(default)]
    pub cluster: Option<Name>,
    /// The API server's version.
    #[serde(default)]
    pub version: Option<Name>,
}

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its name.
    pub name: Name,
    /// Its labels.
    #[serde(default)]
    pub labels: Labels,
    /// Its annotations that may name an owner.
    #[serde(default)]
    pub annotations: Labels,
}

/// A PodDisruptionBudget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// The pods that it covers.
    pub selector: Selector,
    /// Evictions that it allows now.
    pub allowed: u32,
}

/// What kind of thing could not be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnseenKind {
    /// A list that the API server refused: subject `verb resource`.
    Forbidden,
    /// An object that could not be understood; it was left out.
    Malformed,
    /// No metrics at all could be had.
    NoMetrics,
    /// A metric that no exporter sends.
    MetricAbsent,
    /// Devices of a vendor whose metrics are not read.
    Vendor,
    /// Samples that were dropped.
    Dropped,
    /// Metric names that look like DCGM's and were not understood.
    NotUnderstood,
    /// The evidence covers less than was asked for.
    ShortEvidence,
    /// Part of the metrics could not be read.
    Partial,
}

/// Something that a source could not see. Unknown is reported, never taken for zero.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unseen {
    /// What kind of thing.
    pub kind: UnseenKind,
    /// Which one.
    pub subject: Name,
    /// Why.
    pub why: Name,
    /// How to light it.
    pub remedy: Name,
}

/// One consistent picture of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fleet {
    /// When it was seen. Every age is measured from here; no decision reads a clock.
    pub at: Timestamp,
    /// Where it was seen.
    pub origin: Origin,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The shapes of pods.
    pub shapes: Vec<Shape>,
    /// The pods.
    pub pods: Vec<Pod>,
    /// The workloads.
    pub workloads: Vec<Workload>,
    /// The namespaces.
    pub namespaces: Vec<Namespace>,
    /// The disruption budgets.
    pub budgets: Vec<Budget>,
    /// What the GPUs did.
    pub evidence: Evidence,
    /// Who held and who waited for GPUs, pods that are gone too.
    #[serde(default)]
    pub history: History,
    /// What could not be seen.
    pub unseen: Vec<Unseen>,
}

/// A reference inside a fleet that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{holder} refers to {kind} {index}, but the fleet has only {len}")]
pub struct Dangling {
    /// What holds the reference.
    pub holder: String,
    /// What it refers to.
    pub kind: &'static str,
    /// The place it names.
    pub index: usize,
    /// How many there are.
    pub len: usize,
}

impl Fleet {
    /// The shape of a pod.
    #[must_use]
    pub fn shape(&self, pod: &Pod) -> &Shape {
        &self.shapes[pod.shape.index()]
    }

    /// The node of a pod, if it is bound.
    #[must_use]
    pub fn node(&self, pod: &Pod) -> Option<&Node> {
        pod.node.map(|node| &self.nodes[node.index()])
    }

    /// The workload of a pod, if anybody owns it.
    #[must_use]
    pub fn workload(&self, pod: &Pod) -> Option<&Workload> {
        pod.workload.map(|workload| &self.workloads[workload.index()])
    }

    /// The nodes with their ids.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeId(index as u32), node))
    }

    /// The pods with their ids.
    pub fn pods(&self) -> impl Iterator<Item = (PodId, &Pod)> {
        self.pods.iter().enumerate().map(|(index, pod)| (PodId(index as u32), pod))
    }

    /// The workloads with their ids.
    pub fn workloads(&self) -> impl Iterator<Item = (WorkloadId, &Workload)> {
        self.workloads.iter().enumerate().map(|(index, workload)| (WorkloadId(index as u32), workload))
    }

    /// Does every reference lead somewhere? A source checks what it did not make itself; after that no lookup can fail.
    ///
    /// # Errors
    /// The first [`Dangling`] reference.
    pub fn check(&self) -> Result<(), Dangling> {
        let within = |holder: &dyn Fn() -> String, kind, index: usize, len: usize| {
            if index < len { Ok(()) } else { Err(Dangling { holder: holder(), kind, index, len }) }
        };
        for pod in &self.pods {
            let holder = || format!("pod {}/{}", pod.namespace, pod.name);
            within(&holder, "shape", pod.shape.index(), self.shapes.len())?;
            if let Some(node) = pod.node {
                within(&holder, "node", node.index(), self.nodes.len())?;
                for gpu in pod.granted.iter().filter_map(|granted| granted.gpu) {
                    within(&holder, "GPU", gpu.into(), self.nodes[node.index()].gpus.len())?;
                }
            }
            if let Some(workload) = pod.workload {
                within(&holder, "workload", workload.index(), self.workloads.len())?;
            }
        }
        for workload in &self.workloads {
            if let Some(template) = workload.template {
                within(
                    &|| format!("{} {}/{}", workload.kind, workload.namespace, workload.name),
                    "shape",
                    template.index(),
                    self.shapes.len(),
                )?;
            }
        }
        for usage in &self.evidence.devices {
            let holder = || "the usage of a device".to_owned();
            within(&holder, "node", usage.node.index(), self.nodes.len())?;
            within(&holder, "GPU", usage.gpu.into(), self.nodes[usage.node.index()].gpus.len())?;
        }
        for usage in &self.evidence.pods {
            let holder = || "the usage of a pod".to_owned();
            within(&holder, "pod", usage.pod.index(), self.pods.len())?;
            if let Some((gpu, node)) = usage.gpu.zip(self.pods[usage.pod.index()].node) {
                within(&holder, "GPU", gpu.into(), self.nodes.get(node.index()).map_or(0, |node| node.gpus.len()))?;
            }
        }
        for usage in &self.evidence.engines {
            within(&|| "the usage of an engine".to_owned(), "pod", usage.pod.index(), self.pods.len())?;
        }
        for life in &self.history.lives {
            let holder = || format!("the life of {}/{}", life.namespace, life.name);
            for (kind, place, len) in [
                ("pod", life.pod.map(PodId::index), self.pods.len()),
                ("shape", life.shape.map(ShapeId::index), self.shapes.len()),
                ("workload", life.workload.map(WorkloadId::index), self.workloads.len()),
            ] {
                place.map_or(Ok(()), |place| within(&holder, kind, place, len))?;
            }
        }
        Ok(())
    }
}

/// Gives alike shapes one place, while a source builds a fleet.
#[derive(Debug, Default)]
pub struct ShapeTable {
    shapes: Vec<Shape>,
    places: HashMap<Shape, ShapeId>,
}

impl ShapeTable {
    /// The place of `shape`, new or known.
    pub fn place(&mut self, shape: Shape) -> ShapeId {
        if let Some(&id) = self.places.get(&shape) {
            return id;
        }
        let id = ShapeId(self.shapes.len() as u32);
        self.shapes.push(shape.clone());
        self.places.insert(shape, id);
        id
    }

    /// All shapes, in the order of their places.
    #[must_use]
    pub fn into_shapes(self) -> Vec<Shape> {
        self.shapes
    }
}
