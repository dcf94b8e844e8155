//! Every name in a fleet, visited once with what it names. Reading shares the names that repeat, hashing replaces them:
//! both walk here, so a field that one of them forgets is a field that both forget.

use plimsoll_fleet::{
    DeviceUsage, EngineUsage, Evidence, Fleet, Life, Name, Node, Pod, PodUsage, Shape, Unseen, UnseenKind, Workload,
    evidence::{MetricsSource, SliceId},
    fleet::{Budget, Namespace, Origin},
    node::Sharing,
    pod::{Affinity, Toleration},
    selector::{Labels, Requirement, Selector},
};

/// What a name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A word of Kubernetes, of a cloud or of a vendor: a label key, a kind, a resource, a model of GPU.
    Word,
    Node,
    Pod,
    Namespace,
    Workload,
    Container,
    Image,
    Pool,
    Priority,
    Scheduler,
    Autoscaler,
    Budget,
    /// The name of a metric that an autoscaler follows.
    Metric,
    /// A model that an engine serves.
    Model,
    /// A cluster, a trace's folder or the address of a store.
    Place,
    /// The UUID of a GPU.
    Device,
    /// A DeviceClass.
    DeviceClass,
    /// The value of a label, a taint or a selector with this key.
    Label(&'a str),
    /// The value of an annotation with this key.
    Annotation(&'a str),
    /// `key=value`, or words of our own.
    Pair,
    /// A reason in one word: `OOMKilled`.
    Reason,
    /// A quantity that no API has checked.
    Quantity,
    /// A query.
    Query,
    /// What the scheduler said.
    Message,
    /// Words of our own about what was not seen, with names in them.
    Prose,
    /// The subject of such words.
    Subject(UnseenKind),
}

/// Sees every name, and may replace it.
pub(super) type Visit<'v> = dyn FnMut(Kind<'_>, &mut Name) + 'v;

fn option(name: &mut Option<Name>, kind: Kind<'_>, visit: &mut Visit<'_>) {
    if let Some(name) = name {
        visit(kind, name);
    }
}

fn map(map: &mut Labels, kind: for<'a> fn(&'a str) -> Kind<'a>, visit: &mut Visit<'_>) {
    *map = std::mem::take(map)
        .into_iter()
        .map(|(mut key, mut value)| {
            visit(kind(&key), &mut value);
            visit(Kind::Word, &mut key);
            (key, value)
        })
        .collect();
}

fn requirement(requirement: &mut Requirement, visit: &mut Visit<'_>) {
    for value in &mut requirement.values {
        visit(Kind::Label(&requirement.key), value);
    }
    visit(Kind::Word, &mut requirement.key);
}

fn selector(selector: &mut Selector, visit: &mut Visit<'_>) {
    selector.0.iter_mut().for_each(|each| requirement(each, visit));
}

fn affinity(affinity: &mut Affinity, visit: &mut Visit<'_>) {
    visit(Kind::Word, &mut affinity.topology);
    selector(&mut affinity.pods, visit);
    affinity.namespaces.iter_mut().for_each(|name| visit(Kind::Namespace, name));
}

fn toleration(toleration: &mut Toleration, visit: &mut Visit<'_>) {
    option(&mut toleration.value, Kind::Label(toleration.key.as_deref().unwrap_or_default()), visit);
    option(&mut toleration.key, Kind::Word, visit);
}

fn slice(slice: &mut Option<SliceId>, visit: &mut Visit<'_>) {
    if let Some(slice) = slice {
        visit(Kind::Word, &mut slice.profile);
    }
}

fn resource(name: &mut Name, dra: bool, visit: &mut Visit<'_>) {
    visit(if dra { Kind::DeviceClass } else { Kind::Word }, name);
}

pub(super) fn origin(origin: &mut Origin, visit: &mut Visit<'_>) {
    visit(Kind::Word, &mut origin.source);
    option(&mut origin.cluster, Kind::Place, visit);
    option(&mut origin.version, Kind::Word, visit);
}

pub(super) fn node(node: &mut Node, visit: &mut Visit<'_>) {
    visit(Kind::Node, &mut node.name);
    map(&mut node.labels, |key| Kind::Label(key), visit);
    for taint in &mut node.taints {
        visit(Kind::Label(&taint.key), &mut taint.value);
        visit(Kind::Word, &mut taint.key);
    }
    node.offers.iter_mut().for_each(|offer| resource(&mut offer.resource, offer.dra, visit));
    for gpu in &mut node.gpus {
        option(&mut gpu.uuid, Kind::Device, visit);
        gpu.slices.iter_mut().for_each(|slice| visit(Kind::Word, &mut slice.profile));
    }
    if let Sharing::MigSingle { profile } = &mut node.sharing {
        visit(Kind::Word, profile);
    }
    for word in [&mut node.gpu_product, &mut node.instance_type, &mut node.cloud, &mut node.region, &mut node.zone] {
        option(word, Kind::Word, visit);
    }
    option(&mut node.pool, Kind::Pool, visit);
    option(&mut node.keep, Kind::Pair, visit);
    if let Some(config) = &mut node.mig_config {
        visit(Kind::Word, &mut config.wanted);
        option(&mut config.state, Kind::Word, visit);
    }
}

pub(super) fn shape(shape: &mut Shape, visit: &mut Visit<'_>) {
    map(&mut shape.labels, |key| Kind::Label(key), visit);
    shape.asks.iter_mut().for_each(|ask| resource(&mut ask.resource, ask.dra, visit));
    for container in &mut shape.containers {
        visit(Kind::Container, &mut container.name);
        visit(Kind::Image, &mut container.image);
        container.asks.iter_mut().for_each(|ask| resource(&mut ask.resource, ask.dra, visit));
    }
    map(&mut shape.node_selector, |key| Kind::Label(key), visit);
    for term in &mut shape.node_terms {
        term.labels.iter_mut().for_each(|each| requirement(each, visit));
        for field in &mut term.names {
            visit(Kind::Word, &mut field.key);
            field.values.iter_mut().for_each(|name| visit(Kind::Node, name));
        }
    }
    shape.tolerations.iter_mut().for_each(|each| toleration(each, visit));
    shape.near.iter_mut().chain(&mut shape.apart).for_each(|each| affinity(each, visit));
    for spread in &mut shape.spread {
        visit(Kind::Word, &mut spread.topology);
        selector(&mut spread.pods, visit);
    }
    option(&mut shape.priority_class, Kind::Priority, visit);
    option(&mut shape.scheduler, Kind::Scheduler, visit);
    map(&mut shape.annotations, |key| Kind::Annotation(key), visit);
}

pub(super) fn pod(pod: &mut Pod, visit: &mut Visit<'_>) {
    visit(Kind::Namespace, &mut pod.namespace);
    visit(Kind::Pod, &mut pod.name);
    option(&mut pod.waiting, Kind::Reason, visit);
    if let Some(exit) = &mut pod.last_exit {
        visit(Kind::Reason, &mut exit.reason);
    }
    option(&mut pod.unschedulable, Kind::Message, visit);
    pod.gates.iter_mut().for_each(|gate| visit(Kind::Word, gate));
    for granted in &mut pod.granted {
        visit(Kind::DeviceClass, &mut granted.class);
        visit(Kind::Word, &mut granted.device);
        option(&mut granted.profile, Kind::Word, visit);
    }
    option(&mut pod.keep, Kind::Pair, visit);
}

pub(super) fn workload(workload: &mut Workload, visit: &mut Visit<'_>) {
    visit(Kind::Word, &mut workload.api_version);
    visit(Kind::Word, &mut workload.kind);
    visit(Kind::Namespace, &mut workload.namespace);
    visit(Kind::Workload, &mut workload.name);
    map(&mut workload.labels, |key| Kind::Label(key), visit);
    map(&mut workload.annotations, |key| Kind::Annotation(key), visit);
    if let Some(autoscaler) = &mut workload.autoscaler {
        visit(Kind::Word, &mut autoscaler.kind);
        visit(Kind::Autoscaler, &mut autoscaler.name);
        autoscaler.metrics.iter_mut().for_each(|metric| visit(Kind::Metric, metric));
    }
    if let Some(run) = &mut workload.run {
        option(&mut run.schedule, Kind::Word, visit);
    }
    for raw in &mut workload.raw {
        visit(Kind::Word, &mut raw.path);
        visit(Kind::Word, &mut raw.resource);
        visit(Kind::Quantity, &mut raw.quantity);
    }
}

pub(super) fn namespace(namespace: &mut Namespace, visit: &mut Visit<'_>) {
    visit(Kind::Namespace, &mut namespace.name);
    map(&mut namespace.labels, |key| Kind::Label(key), visit);
    map(&mut namespace.annotations, |key| Kind::Annotation(key), visit);
}

pub(super) fn budget(budget: &mut Budget, visit: &mut Visit<'_>) {
    visit(Kind::Namespace, &mut budget.namespace);
    visit(Kind::Budget, &mut budget.name);
    selector(&mut budget.selector, visit);
}

pub(super) fn unseen(unseen: &mut Unseen, visit: &mut Visit<'_>) {
    visit(Kind::Subject(unseen.kind), &mut unseen.subject);
    visit(Kind::Prose, &mut unseen.why);
    visit(Kind::Prose, &mut unseen.remedy);
}

pub(super) fn device(usage: &mut DeviceUsage, visit: &mut Visit<'_>) {
    slice(&mut usage.slice, visit);
}

pub(super) fn usage(usage: &mut PodUsage, visit: &mut Visit<'_>) {
    slice(&mut usage.slice, visit);
}

pub(super) fn engine(usage: &mut EngineUsage, visit: &mut Visit<'_>) {
    option(&mut usage.model, Kind::Model, visit);
}

pub(super) fn life(life: &mut Life, visit: &mut Visit<'_>) {
    visit(Kind::Namespace, &mut life.namespace);
    visit(Kind::Pod, &mut life.name);
    option(&mut life.node, Kind::Node, visit);
    if let Some(owner) = &mut life.owner {
        visit(Kind::Word, &mut owner.kind);
        visit(Kind::Workload, &mut owner.name);
    }
    life.asks.iter_mut().for_each(|ask| resource(&mut ask.resource, ask.dra, visit));
}

/// What the evidence has once; not its lists of usages.
pub(super) fn evidence(evidence: &mut Evidence, visit: &mut Visit<'_>) {
    if let MetricsSource::Prometheus(place) | MetricsSource::Trace(place) = &mut evidence.source {
        visit(Kind::Place, place);
    }
    evidence.queries.values_mut().chain(evidence.engine_queries.values_mut()).for_each(|query| visit(Kind::Query, query));
    evidence.not_understood.iter_mut().for_each(|name| visit(Kind::Word, name));
}

/// The whole fleet.
pub(super) fn fleet(fleet: &mut Fleet, visit: &mut Visit<'_>) {
    origin(&mut fleet.origin, visit);
    fleet.nodes.iter_mut().for_each(|each| node(each, visit));
    fleet.shapes.iter_mut().for_each(|each| shape(each, visit));
    fleet.pods.iter_mut().for_each(|each| pod(each, visit));
    fleet.workloads.iter_mut().for_each(|each| workload(each, visit));
    fleet.namespaces.iter_mut().for_each(|each| namespace(each, visit));
    fleet.budgets.iter_mut().for_each(|each| budget(each, visit));
    fleet.unseen.iter_mut().for_each(|each| unseen(each, visit));
    evidence(&mut fleet.evidence, visit);
    fleet.evidence.devices.iter_mut().for_each(|each| device(each, visit));
    fleet.evidence.pods.iter_mut().for_each(|each| usage(each, visit));
    fleet.evidence.engines.iter_mut().for_each(|each| engine(each, visit));
    fleet.history.lives.iter_mut().for_each(|each| life(each, visit));
}
