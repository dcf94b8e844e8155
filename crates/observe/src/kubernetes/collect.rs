//! Takes objects in, one by one and in any order within a stage, and makes a fleet of them.
//!
//! DRA objects come first (pods are counted with what their claims ask for), everything else after. One object that cannot be
//! understood is told of and left out; it never stops the rest.

use super::{
    convert::{
        self,
        dra::Claims,
        pod::PodDraft,
        selector,
        template::Custom,
        workload::{ScalerDraft, WorkloadDraft},
    },
    events,
    owners::{Key, Owners},
    raw::{
        Bare, Meta,
        dra::{RawClaim, RawClaimTemplate, RawDeviceClass, RawResourceSlice},
        node::RawNode,
        pod::RawPod,
        workload::{RawBudget, RawController, RawCronJob, RawEvent, RawJob, RawScaler, RawService},
    },
    reads::{Form, Read},
};
use plimsoll_fleet::{
    Fleet, Name, NodeId, Seconds, Shape, ShapeId, Timestamp, Unseen, UnseenKind, WorkloadId,
    fleet::{Budget, Namespace, Origin, ShapeTable},
    history,
    pod::Phase,
    selector::{Labels, Selector},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A pod with the place of its shape.
struct Placed {
    draft: PodDraft,
    shape: ShapeId,
}

/// A Service as far as it exposes pods.
struct Exposure {
    namespace: Name,
    selector: Selector,
    headless: bool,
}

/// Most malformed objects told of one by one; a cluster full of them is told of by their number.
const MALFORMED_MAX: usize = 50;

/// Objects taken in so far.
#[derive(Default)]
pub struct Collector {
    claims: Claims,
    fleet: Fleet,
    shapes: ShapeTable,
    pods: Vec<Placed>,
    owners: Owners,
    templates: HashMap<Key, ShapeId>,
    scalers: Vec<ScalerDraft>,
    services: Vec<Exposure>,
    events: events::Events,
    names: Interner,
    malformed: usize,
}

/// A label set of a node has a hundred entries, and ten thousand nodes have nearly the same.
#[derive(Default)]
struct Interner(HashSet<Name>);

impl Interner {
    fn name(&mut self, name: &Name) -> Name {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        self.0.insert(name.clone());
        name.clone()
    }

    fn labels(&mut self, labels: &Labels) -> Labels {
        labels.iter().map(|(key, value)| (self.name(key), self.name(value))).collect()
    }
}

impl Collector {
    /// Takes in one object of a list.
    pub fn add(&mut self, read: &Read, api_version: &str, object: &RawValue) {
        if let Err(why) = self.try_add(read, api_version, object.get()) {
            self.malformed(read, object.get(), &why);
        }
    }

    fn try_add(&mut self, read: &Read, api_version: &str, json: &str) -> Result<(), String> {
        fn decode<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
            serde_json::from_str(json).map_err(|error| error.to_string())
        }
        let said = |error: convert::ConvertError| error.to_string();
        match read.form {
            Form::DeviceClass => self.claims.add_class(decode::<RawDeviceClass>(json)?),
            Form::ClaimTemplate => self.claims.add_template(decode::<RawClaimTemplate>(json)?),
            Form::Claim => self.claims.add_claim(decode::<RawClaim>(json)?),
            Form::ResourceSlice => self.claims.add_slice(decode::<RawResourceSlice>(json)?),
            Form::Node => {
                let mut node = convert::node::node(&decode::<RawNode>(json)?).map_err(said)?;
                node.labels = self.names.labels(&node.labels);
                self.fleet.nodes.push(node);
            }
            Form::Namespace => {
                let meta = decode::<Bare>(json)?.metadata;
                self.fleet.namespaces.push(Namespace { name: meta.name, labels: meta.labels, annotations: meta.annotations });
            }
            Form::Pod => self.add_pod(convert::pod::pod(&decode::<RawPod>(json)?, &self.claims).map_err(said)?),
            Form::ReplicaSet => {
                let raw = decode::<RawController>(json)?;
                if raw.metadata.controller().is_some() {
                    self.owners.link(api_version, read.kind, &raw.metadata);
                } else if raw.spec.replicas != Some(0) {
                    self.add_workload(
                        &raw.metadata,
                        convert::workload::controller(api_version, read.kind, &raw, &self.claims).map_err(said)?,
                    );
                }
            }
            Form::Controller => {
                let raw = decode::<RawController>(json)?;
                self.add_workload(&raw.metadata, convert::workload::controller(api_version, read.kind, &raw, &self.claims).map_err(said)?);
            }
            Form::Job => {
                let raw = decode::<RawJob>(json)?;
                self.add_workload(&raw.metadata, convert::workload::job(api_version, &raw, &self.claims).map_err(said)?);
            }
            Form::CronJob => {
                let raw = decode::<RawCronJob>(json)?;
                self.add_workload(&raw.metadata, convert::workload::cron_job(api_version, &raw, &self.claims).map_err(said)?);
            }
            Form::Custom => {
                let raw = decode::<Custom>(json)?;
                self.add_workload(&raw.metadata, convert::template::custom(api_version, read.kind, &raw, &self.claims).map_err(said)?);
            }
            Form::Scaler => self.scalers.extend(convert::workload::scaler(read.kind, &decode::<RawScaler>(json)?)),
            Form::Budget => {
                let raw = decode::<RawBudget>(json)?;
                self.fleet.budgets.push(Budget {
                    namespace: raw.metadata.namespace,
                    name: raw.metadata.name,
                    selector: raw.spec.selector.as_ref().map_or_else(selector::nothing, selector::selector),
                    allowed: raw.status.disruptions_allowed,
                });
            }
            Form::Service => self.add_service(&decode::<RawService>(json)?),
            Form::Event => self.events.add(&decode::<RawEvent>(json)?),
            Form::Judged => {}
        }
        Ok(())
    }

    fn add_pod(&mut self, mut draft: PodDraft) {
        // An ended pod holds nothing; its workload is read by itself.
        if matches!(draft.pod.phase, Phase::Succeeded | Phase::Failed) {
            return;
        }
        draft.pod.namespace = self.names.name(&draft.pod.namespace);
        let shape = self.shapes.place(std::mem::take(&mut draft.shape));
        self.pods.push(Placed { draft, shape });
    }

    fn add_workload(&mut self, meta: &Meta, draft: WorkloadDraft) {
        let key = self.owners.add(meta, draft.workload);
        if let Some(template) = draft.template {
            self.templates.insert(key, self.shapes.place(template));
        }
    }

    fn add_service(&mut self, raw: &RawService) {
        let selector =
            selector::selector(&super::raw::pod::LabelSelector { match_labels: raw.spec.selector.clone(), ..Default::default() });
        // Without a selector a Service finds no pods by itself.
        if !selector.0.is_empty() {
            let headless = raw.spec.cluster_ip.as_deref() == Some("None");
            self.services.push(Exposure { namespace: raw.metadata.namespace.clone(), selector, headless });
        }
    }

    fn malformed(&mut self, read: &Read, json: &str, why: &str) {
        self.malformed += 1;
        if self.malformed > MALFORMED_MAX {
            return;
        }
        /// Just enough to name the object, where even that can be read.
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Label {
            metadata: LabelMeta,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct LabelMeta {
            namespace: Option<Name>,
            name: Option<Name>,
        }
        let label = serde_json::from_str::<Label>(json).unwrap_or_default().metadata;
        let subject = match (label.namespace, label.name) {
            (Some(namespace), Some(name)) if !namespace.is_empty() => format!("{} {namespace}/{name}", read.kind),
            (_, Some(name)) => format!("{} {name}", read.kind),
            _ => format!("{} without a name", read.kind),
        };
        self.unseen(UnseenKind::Malformed, &subject, &convert::cut(&why.into(), 300), "mend or delete the object; it was left out");
    }

    /// Tells of something that could not be seen.
    pub fn unseen(&mut self, kind: UnseenKind, subject: &str, why: &str, remedy: &str) {
        self.fleet.unseen.push(Unseen { kind, subject: subject.into(), why: why.into(), remedy: remedy.into() });
    }

    /// Forgets what the list of `read` gave so far: it begins again. (What is not cleared here is kept by name, or harmless twice.)
    pub fn restart(&mut self, read: &Read) {
        match read.form {
            Form::Node => self.fleet.nodes.clear(),
            Form::Pod => self.pods.clear(),
            Form::Namespace => self.fleet.namespaces.clear(),
            Form::Budget => self.fleet.budgets.clear(),
            Form::Service => self.services.clear(),
            _ => {}
        }
    }

    /// Makes the fleet. Equal objects make equal fleets, in whatever order they came.
    #[must_use]
    pub fn finish(mut self, at: Timestamp, origin: Origin) -> Fleet {
        if self.malformed > MALFORMED_MAX {
            let more = self.malformed - MALFORMED_MAX;
            self.unseen(
                UnseenKind::Malformed,
                "objects",
                &format!("{more} more objects could not be understood"),
                "mend those named first",
            );
        }
        let mut fleet = std::mem::take(&mut self.fleet);
        (fleet.at, fleet.origin) = (at, origin);
        fleet.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        fleet.nodes.dedup_by(|later, kept| later.name == kept.name);
        fleet.namespaces.sort_by(|a, b| a.name.cmp(&b.name));
        fleet.namespaces.dedup_by(|a, b| a.name == b.name);
        fleet.budgets.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let places = self.claims.place(&mut fleet.nodes);

        let shapes = self.shapes.into_shapes();
        let key = |placed: &Placed| (placed.draft.pod.namespace.clone(), placed.draft.pod.name.clone());
        self.pods.sort_by_cached_key(key);
        self.pods.dedup_by(|later, kept| key(later) == key(kept));

        // Scalers: those of KEDA last, since KEDA makes an HPA of its own for each.
        self.scalers.sort_by(|a, b| (&a.autoscaler.kind, &a.autoscaler.name).cmp(&(&b.autoscaler.kind, &b.autoscaler.name)));
        for scaler in std::mem::take(&mut self.scalers) {
            self.owners.scale(scaler);
        }
        let tops: Vec<Option<Key>> = self.pods.iter().map(|placed| self.owners.top(&placed.draft)).collect();
        let wants = |shape: ShapeId| shapes[shape.index()].wants_gpus();
        let (workloads, ids) = self.owners.finish(&self.templates, wants, tops.iter().flatten());
        fleet.workloads = workloads;

        let nodes: HashMap<Name, NodeId> = fleet.nodes.iter().zip(0..).map(|(node, id)| (node.name.clone(), NodeId(id))).collect();
        let mut unknown_nodes = BTreeSet::new();
        fleet.pods.reserve(self.pods.len());
        for (Placed { draft, shape }, top) in std::mem::take(&mut self.pods).into_iter().zip(tops) {
            let PodDraft { mut pod, node, claims, .. } = draft;
            pod.shape = shape;
            pod.workload = top.and_then(|key| ids.get(&key).copied());
            if let Some(name) = node {
                pod.node = nodes.get(&name).copied();
                // Bound to a node that was not read: it waits for nothing and holds what nobody can see.
                if pod.node.is_none() && (!nodes.is_empty() || pod.phase == Phase::Pending) {
                    unknown_nodes.insert(name);
                    continue;
                }
                pod.granted = self.claims.granted(&pod.namespace, &pod.name, &claims, places.get(&name));
            }
            if let Some(seen) = self.events.of(&pod.namespace, &pod.name) {
                pod.image_pull = seen.pull;
                if pod.waits() && pod.unschedulable.is_none() && pod.gates.is_empty() {
                    pod.unschedulable = seen.refused.clone();
                }
            }
            fleet.pods.push(pod);
        }
        if !unknown_nodes.is_empty() && !fleet.nodes.is_empty() {
            let names: Vec<&str> = unknown_nodes.iter().take(5).map(|name| &**name).collect();
            fleet.unseen.push(Unseen {
                kind: UnseenKind::Partial,
                subject: "pods".into(),
                why: format!("pods on {} nodes that are gone or were not read were left out: {} …", unknown_nodes.len(), names.join(", "))
                    .into(),
                remedy: "none is needed while nodes come and go; run again".into(),
            });
        }
        order_shapes(&mut fleet, shapes);
        expose(&mut fleet, &self.services);
        fleet.history.lives = history::living(&fleet);
        fleet.unseen.sort();
        fleet.unseen.dedup();
        fleet
    }
}

/// Puts shapes into an order of their own, not that in which they were met, and drops those that nothing has.
fn order_shapes(fleet: &mut Fleet, shapes: Vec<Shape>) {
    let templates = fleet.workloads.iter().filter_map(|workload| workload.template);
    let used: HashSet<ShapeId> = fleet.pods.iter().map(|pod| pod.shape).chain(templates).collect();
    let mut ordered: Vec<(Shape, ShapeId)> =
        shapes.into_iter().zip(0..).map(|(shape, id)| (shape, ShapeId(id))).filter(|(_, id)| used.contains(id)).collect();
    ordered.sort();
    let moved: HashMap<ShapeId, ShapeId> = ordered.iter().zip(0..).map(|((_, old), new)| (*old, ShapeId(new))).collect();
    for pod in &mut fleet.pods {
        pod.shape = moved[&pod.shape];
    }
    for template in fleet.workloads.iter_mut().filter_map(|workload| workload.template.as_mut()) {
        *template = moved[template];
    }
    fleet.shapes = ordered.into_iter().map(|(shape, _)| shape).collect();
}

/// Marks the workloads that a Service sends requests to. A headless Service sends none itself: members of a gang find each
/// other by one, so for work that ends it does not count.
fn expose(fleet: &mut Fleet, services: &[Exposure]) {
    let mut by_namespace: BTreeMap<&Name, Vec<&Exposure>> = BTreeMap::new();
    for service in services {
        by_namespace.entry(&service.namespace).or_default().push(service);
    }
    let mut shapes: Vec<BTreeSet<ShapeId>> = fleet.workloads.iter().map(|workload| workload.template.into_iter().collect()).collect();
    for pod in &fleet.pods {
        if let Some(WorkloadId(workload)) = pod.workload {
            shapes[workload as usize].insert(pod.shape);
        }
    }
    for (workload, shapes) in fleet.workloads.iter_mut().zip(shapes) {
        let services = by_namespace.get(&workload.namespace).into_iter().flatten();
        let selects = |service: &Exposure| shapes.iter().any(|shape| service.selector.selects(&fleet.shapes[shape.index()].labels));
        workload.exposed = services.into_iter().any(|service| (!service.headless || workload.run.is_none()) && selects(service));
    }
}

/// A pull time that a report can use.
pub(super) fn seconds(value: f64) -> Seconds {
    Seconds(value.clamp(0.0, 1e9).round() as u64)
}
