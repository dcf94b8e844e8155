//! `missing-toleration-or-selector`: pods wait for GPUs that their own rules keep them from.

use super::{Sign, Threshold, fix, stranded_gpu, untainted_gpu_node::is_passing, words};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{
    Name, Node, PodId, Seconds, Shape, ShapeId,
    node::{Effect, Taint},
};
use serde_json::json;
use std::collections::BTreeMap;

pub(super) static SIGN: Sign = Sign {
    name: "missing-toleration-or-selector",
    title: "Pods wait because their tolerations or node selector let them go to no GPU node",
    threshold: Some(Threshold { default: 10.0, unit: "minutes", says: "pods that wait for less are left alone" }),
    explain: "\
Pods ask for GPUs, nodes have them, and no such node lets the pods in: its taint is not
tolerated, or the node selector or affinity matches no node at all. They wait for ever, and
without a message that their owner understands.

Seen by: the pods' tolerations, node selector and required node affinity against the taints and
labels of every node that offers what they ask for, however full. Taints that Kubernetes itself
sets and takes away do not count. Pods that a scheduling gate holds are left out. No metric is
used.

The usual causes: the GPU pool was tainted after the workload was written; a product name copied
from an example that no driver prints (NVIDIA-H100-SXM5-80GB; the label reads
NVIDIA-H100-80GB-HBM3); a name that changed when MIG or sharing was turned on (-MIG-1g.10gb,
-SHARED); a label of another cloud.

When it is wrong: a pool that an autoscaler starts from zero has no node whose labels could
match yet. Then the confidence is no more than medium.

To mend it: add the toleration, or correct the selector to a value that the nodes carry.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    let patience = Seconds((view.threshold(&SIGN).max(0.0) * 60.0) as u64);
    let mut by_shape = BTreeMap::<ShapeId, Option<Cause<'_>>>::new();
    let mut best = BTreeMap::<Holder, (ShapeId, Vec<PodId>)>::new();
    let mut waiting = BTreeMap::<(Holder, ShapeId), Vec<PodId>>::new();
    for (id, pod) in view.fleet.pods() {
        let long = pod.created.is_none_or(|created| view.fleet.at.since(created) >= patience);
        if pod.waits() && pod.gates.is_empty() && long && view.shape(id).wants_gpus() {
            waiting.entry((view.holder(id), pod.shape)).or_default().push(id);
        }
    }
    let of = |shape: ShapeId| &view.fleet.shapes[shape.index()];
    for ((holder, shape), pods) in waiting {
        let cause = by_shape.entry(shape).or_insert_with(|| cause(view, of(shape)));
        let better = |known: &(ShapeId, Vec<PodId>)| pods.len().cmp(&known.1.len()).then_with(|| of(known.0).cmp(of(shape))).is_gt();
        if cause.is_some() && best.get(&holder).is_none_or(better) {
            best.insert(holder, (shape, pods));
        }
    }
    best.into_iter()
        .filter_map(|(holder, (shape, pods))| {
            let cause = by_shape.get(&shape)?.as_ref()?;
            Some(view.on_holder(&SIGN, holder, judge(view, holder, of(shape), &pods, cause)))
        })
        .collect()
}

/// Why no node lets a pod in.
enum Cause<'a> {
    /// Some nodes have what it asks for and the labels that it wants, and a taint that it does not tolerate.
    Taint { taint: &'a Taint, nodes: usize },
    /// No node carries this label with this value; the values that nodes carry, by how many.
    Selector { key: &'a Name, value: &'a Name, there: Vec<(&'a Name, usize)> },
    /// Each label is somewhere, but all of them (or the affinity) match no node.
    Affinity,
}

/// None: some node would let it in, or no node has what it asks for.
fn cause<'a>(view: &View<'a>, shape: &'a Shape) -> Option<Cause<'a>> {
    let offers = |node: &Node| shape.asks.iter().all(|ask| node.offered(&ask.resource) >= ask.count);
    let kept_out = |node: &'a Node| shape.untolerated(&node.taints).find(|taint| !is_passing(taint));
    let chosen = |node: &Node| {
        shape.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
            && (shape.node_terms.is_empty() || shape.node_terms.iter().any(|term| term.accepts(&node.name, &node.labels)))
    };
    let (mut any, mut taints) = (false, BTreeMap::<(&Name, &Name, Effect), (&Taint, usize)>::new());
    for node in view.fleet.nodes.iter().filter(|node| node.has_gpus() && offers(node)) {
        any = true;
        if chosen(node) {
            let taint = kept_out(node)?;
            taints.entry((&taint.key, &taint.value, taint.effect)).or_insert((taint, 0)).1 += 1;
        }
    }
    if !any {
        return None;
    }
    // The taint of the most nodes; of equals the first by name.
    if let Some((taint, nodes)) = taints.into_values().reduce(|best, each| if each.1 > best.1 { each } else { best }) {
        return Some(Cause::Taint { taint, nodes });
    }
    let wrong = shape.node_selector.iter().find(|(key, value)| !view.fleet.nodes.iter().any(|node| node.labels.get(*key) == Some(value)));
    Some(match wrong {
        Some((key, value)) => {
            let mut there = BTreeMap::<&Name, usize>::new();
            for node in view.fleet.nodes.iter().filter(|node| offers(node)) {
                if let Some(value) = node.labels.get(key) {
                    *there.entry(value).or_default() += 1;
                }
            }
            let mut there: Vec<(&Name, usize)> = there.into_iter().collect();
            there.sort_by(|a, b| alike(b.0, value).cmp(&alike(a.0, value)).then_with(|| b.1.cmp(&a.1)).then_with(|| a.0.cmp(b.0)));
            Cause::Selector { key, value, there }
        }
        None => Cause::Affinity,
    })
}

/// How alike two product names are: the words (`NVIDIA`, `H100`, `80GB`) that they share.
fn alike(a: &str, b: &str) -> usize {
    let parts = |text: &str| text.to_ascii_lowercase().split(['-', ' ', '_', '.']).map(str::to_owned).collect::<Vec<_>>();
    let b = parts(b);
    parts(a).iter().filter(|part| b.contains(part)).count()
}

fn judge(view: &View<'_>, holder: Holder, shape: &Shape, pods: &[PodId], cause: &Cause<'_>) -> Judged {
    let who = format!("{} {} for {}", words::count(pods.len(), "pod"), words::verb(pods.len(), "waits", "wait"), stranded_gpu::ask(shape));
    let (says, fact, confidence, fix) = match cause {
        Cause::Taint { taint, nodes } => {
            let effect = format!("{:?}", taint.effect);
            let name =
                if taint.value.is_empty() { format!("{}:{effect}", taint.key) } else { format!("{}={}:{effect}", taint.key, taint.value) };
            let toleration = if taint.value.is_empty() {
                json!({ "key": &*taint.key, "operator": "Exists", "effect": effect })
            } else {
                json!({ "key": &*taint.key, "operator": "Equal", "value": &*taint.value, "effect": effect })
            };
            let fix = Fix {
                says: format!("Let it tolerate {name}."),
                action: fix::tolerate(view, holder, !shape.tolerations.is_empty(), &toleration),
            };
            let fact = view.read(
                "Pod.spec.tolerations against Node.spec.taints",
                format!("{name} on {} is not tolerated", words::count(*nodes, "node")),
            );
            (
                format!("{who}; the taint {name} of the {} with such GPUs is not tolerated", words::count(*nodes, "node")),
                fact,
                Confidence::High,
                fix,
            )
        }
        Cause::Selector { key, value, there } => {
            let values: Vec<String> = there.iter().map(|(value, nodes)| format!("{value} ({})", words::count(*nodes, "node"))).collect();
            let carried = if values.is_empty() {
                "no GPU node carries that label at all".to_owned()
            } else {
                format!("the nodes carry {}", words::list(&values, 3))
            };
            let fix = match there.first() {
                Some((better, _)) => Fix {
                    says: format!("Select {key}={better}."),
                    action: fix::template(view, holder, json!({ "nodeSelector": { &***key: &***better } })),
                },
                None => Fix {
                    says: format!("Take {key} out of its node selector, or label the nodes."),
                    action: fix::template(view, holder, json!({ "nodeSelector": { &***key: null } })),
                },
            };
            let fact = view.read("Pod.spec.nodeSelector against Node.metadata.labels", format!("{key}={value} is on no node; {carried}"));
            (format!("{who} on a node with {key}={value}, which no node carries; {carried}"), fact, Confidence::Medium, fix)
        }
        Cause::Affinity => {
            let fix = Fix {
                says: "Correct its node selector and affinity: together they match no node.".into(),
                action: fix::manifest(view, holder),
            };
            let fact = view
                .read("Pod.spec.nodeSelector and affinity against Node.metadata.labels", "no node with what it asks for matches all of it");
            (format!("{who}, and no node that has it matches its node selector and affinity"), fact, Confidence::Medium, fix)
        }
    };
    let message = pods.iter().find_map(|&pod| view.pod(pod).unschedulable.as_deref());
    let mut evidence = vec![fact];
    evidence.extend(message.map(|message| view.read("Pod.status.conditions[PodScheduled].message", message)));
    Judged { says, waste: Vec::new(), confidence, evidence, fix }
}
