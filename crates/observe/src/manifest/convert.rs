//! From a document to what rules judge of it. Nothing in here fails: what cannot be understood is said in the result.

use super::{
    Node, Tree,
    places::{self, Known, Place},
};
use crate::kubernetes::quantity::Quantity as Exact;
use plimsoll_fleet::{
    Name, Seconds, annotation,
    node::Effect,
    pod::Toleration,
    selector::{Labels, NodeTerm, Operator, Requirement, Selector},
    workload::{Amount, Rollout, Run},
    written::{
        CONTAINER_KEYS, ClaimSource, Container, DeviceRequest, Job, Path, PodClaim, Probe, Quantity, Role, Scales, Template, Written,
        is_accelerator,
    },
};
use std::collections::BTreeMap;

/// How deep pods are looked for in a kind that is not known.
const DEPTH_MAX: usize = 24;

/// Most templates of one object. A pipeline of a hundred steps has a hundred.
const TEMPLATES_MAX: usize = 1_000;

/// What rules judge of an object.
pub(super) fn written(api_version: &str, kind: &str, object: &Node) -> Written {
    let metadata = object.get("metadata");
    let meta = |key: &str| metadata.and_then(|metadata| metadata.get(key)).and_then(Node::scalar);
    let mut written = Written {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: meta("namespace").unwrap_or_default(),
        name: meta("name").or_else(|| meta("generateName")).unwrap_or_default(),
        labels: labels(metadata.and_then(|metadata| metadata.get("labels"))),
        annotations: annotations(metadata),
        owned: metadata
            .and_then(|metadata| metadata.get("ownerReferences"))
            .is_some_and(|owners| owners.items().iter().any(|owner| owner.get("controller").is_some_and(Node::is_true) && judged(owner))),
        ..Written::default()
    };
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match (group, kind) {
        ("resource.k8s.io", "ResourceClaim") => claim(object, "spec", &mut written),
        ("resource.k8s.io", "ResourceClaimTemplate") => claim(object, "spec.spec", &mut written),
        ("policy", "PodDisruptionBudget") => written.selects = object.at("spec.selector").map(selector),
        ("autoscaling", "HorizontalPodAutoscaler") | ("keda.sh", "ScaledObject") => written.scales = scales(kind, object),
        ("trainer.kubeflow.org", "TrainJob") => {
            written.run = Some(run(object, "spec"));
            written.run_path = Path::of("spec");
            written.templates.extend(trainer(object));
        }
        _ => match places::of(api_version, kind) {
            Some(known) => of_known(known, object, &mut written),
            None => of_unknown(object, &mut written),
        },
    }
    written
}

/// Is this owner of a kind whose pods rules see? Only then has it been judged for what it makes.
fn judged(owner: &Node) -> bool {
    let text = |key: &str| owner.get(key).and_then(Node::text).map(|text| &**text).unwrap_or_default();
    makes_pods(text("apiVersion"), text("kind"))
}

/// Is it known where objects of that kind keep their pods?
pub(super) fn makes_pods(api_version: &str, kind: &str) -> bool {
    places::of(api_version, kind).is_some() || kind == "TrainJob" && api_version.starts_with("trainer.kubeflow.org/")
}

fn of_known(known: &Known, object: &Node, written: &mut Written) {
    let kind = &*written.kind;
    if matches!(kind, "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" | "Rollout" | "LeaderWorkerSet") {
        written.replicas =
            Some(object.at("spec.replicas").and_then(Node::count).map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX)));
    } else if kind == "InferenceService" {
        let pods = known.places.first().and_then(|place| (place.pods)(object, object));
        written.replicas = pods.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    }
    written.rollout = match kind {
        "Deployment" => Some(rollout(object.at("spec.strategy"), "rollingUpdate")),
        "Rollout" => Some(rollout(object.at("spec.strategy"), "canary")),
        _ => None,
    };
    if let Some(path) = known.run {
        written.run = Some(Run { schedule: object.at("spec.schedule").and_then(Node::scalar), ..run(object, path) });
        written.run_path = Path::of(path);
    }
    for place in known.places {
        let keys: Vec<&str> = place.path.split('.').filter(|key| !key.is_empty()).collect();
        find(place, object, object, object, &Path::default(), &keys, written);
    }
}

/// Follows the keys of a place; `*` is every element.
fn find(place: &Place, object: &Node, group: &Node, node: &Node, path: &Path, keys: &[&str], written: &mut Written) {
    if written.templates.len() >= TEMPLATES_MAX {
        return;
    }
    match keys {
        [] => {
            let spec = if place.bare { Some(node) } else { node.get("spec") };
            if let Some(spec) = spec {
                let pods = (place.pods)(object, group);
                let job = place.job.and_then(|at| Some(job(group.at(at)?, path, group)));
                written.templates.push(Template { job, ..template(node, spec, path.clone(), place.bare, pods) });
            }
        }
        ["*", rest @ ..] => {
            for (index, item) in node.items().iter().enumerate() {
                let name = item.get("name").and_then(Node::text).cloned();
                find(place, object, item, item, &path.item(index, name), rest, written);
            }
            for (key, item) in node.entries() {
                find(place, object, item, item, &path.key(key), rest, written);
            }
        }
        [key, rest @ ..] => {
            if let Some(next) = node.get(key) {
                find(place, object, group, next, &path.key(key), rest, written);
            }
        }
    }
}

/// A kind that is not in the table: whatever has a list `containers`, or one `container` with an image, is taken for pods. Where
/// accelerators are asked for elsewhere, that is said not to be understood.
fn of_unknown(object: &Node, written: &mut Written) {
    if let Some(spec) = object.get("spec") {
        walk(spec, &Path::of("spec"), 0, written);
    }
}

fn walk(node: &Node, path: &Path, depth: usize, written: &mut Written) {
    if depth > DEPTH_MAX || written.templates.len() >= TEMPLATES_MAX {
        return;
    }
    let is_pods = |node: &Node| {
        let is_list = node.get("containers").is_some_and(|containers| matches!(containers.tree, Tree::List(_)));
        is_list || ["container", "script"].iter().filter_map(|key| node.get(key)).any(|one| one.get("image").is_some())
    };
    if let Some(spec) = node.get("spec").filter(|spec| is_pods(spec)) {
        written.templates.push(template(node, spec, path.clone(), false, None));
    } else if is_pods(node) {
        written.templates.push(template(node, node, path.clone(), true, None));
    } else {
        for (key, inner) in node.entries() {
            let path = path.key(key);
            let asks = || ["requests", "limits"].iter().filter_map(|side| inner.get(side)).flat_map(Node::entries);
            // Quotas and node pools have limits too, but not under `resources`.
            match asks().find(|(resource, _)| key.starts_with("resources") && is_accelerator(resource)) {
                Some((resource, _)) => {
                    let says = format!("it asks for {resource} outside of a list of containers, and its kind is not known");
                    written.not_understood.push((path, says));
                }
                None => walk(inner, &path, depth + 1, written),
            }
        }
        for (index, inner) in node.items().iter().enumerate() {
            walk(inner, &path.item(index, inner.get("name").and_then(Node::text).cloned()), depth + 1, written);
        }
    }
}

fn template(holder: &Node, spec: &Node, path: Path, bare: bool, pods: Option<u64>) -> Template {
    let metadata = if bare { Some(holder) } else { holder.get("metadata") };
    let at = if bare { path.clone() } else { path.key("spec") };
    let mut containers = Vec::new();
    for (key, role) in [("initContainers", Role::Init), ("containers", Role::Main), ("ephemeralContainers", Role::Ephemeral)] {
        for (index, item) in spec.get(key).map(Node::items).unwrap_or_default().iter().enumerate() {
            let name = item.get("name").and_then(Node::text).cloned();
            let stays = role == Role::Init && item.get("restartPolicy").and_then(Node::text).is_some_and(|policy| &**policy == "Always");
            containers.push(container(item, at.key(key).item(index, name), if stays { Role::Sidecar } else { role }, "resources"));
        }
    }
    if bare {
        for key in CONTAINER_KEYS {
            if let Some(item) = spec.get(key) {
                let mut server = container(item, at.key(key), Role::Main, "resources");
                server.name = key.into();
                containers.push(server);
            }
        }
    }
    let affinity = spec.get("affinity");
    let required =
        affinity.and_then(|affinity| affinity.at("nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"));
    let is_set = |node: Option<&Node>| node.is_some_and(|node| !node.items().is_empty() || !node.entries().is_empty());
    Template {
        pods,
        bare,
        labels: labels(metadata.and_then(|metadata| metadata.get("labels"))),
        annotations: annotations(metadata),
        containers,
        claims: spec.get("resourceClaims").map(Node::items).unwrap_or_default().iter().map(pod_claim).collect(),
        node_selector: labels(spec.get("nodeSelector")),
        node_terms: required.map(Node::items).unwrap_or_default().iter().map(node_term).collect(),
        tolerations: spec.get("tolerations").map(Node::items).unwrap_or_default().iter().filter_map(toleration).collect(),
        spread: is_set(spec.get("topologySpreadConstraints")) || is_set(affinity.and_then(|affinity| affinity.get("podAntiAffinity"))),
        priority_class: spec.get("priorityClassName").and_then(Node::scalar).filter(|name| !name.is_empty()),
        deadline_s: spec.get("activeDeadlineSeconds").and_then(Node::count),
        job: None,
        path,
    }
}

/// The Job whose specification is `spec`, of which the pods' template stands at `path`.
fn job(spec: &Node, path: &Path, group: &Node) -> Job {
    let number = |key: &str| spec.get(key).and_then(Node::count);
    Job {
        path: Path(path.0.split_last().map(|(_, holder)| holder.to_vec()).unwrap_or_default()),
        name: group.get("name").and_then(Node::scalar).unwrap_or_default(),
        deadline: number("activeDeadlineSeconds").map(Seconds),
        backoff_limit: number("backoffLimit").map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
    }
}

/// Kubeflow's TrainJob: nodes of one container, in a runtime that stands elsewhere.
fn trainer(object: &Node) -> Option<Template> {
    let trainer = object.at("spec.trainer")?;
    let mut container = container(trainer, Path::of("spec.trainer"), Role::Main, "resourcesPerNode");
    container.name = "trainer".into();
    Some(Template {
        path: Path::of("spec"),
        bare: true,
        pods: Some(trainer.get("numNodes").and_then(Node::count).unwrap_or(1)),
        labels: labels(object.at("spec.labels")),
        containers: vec![container],
        ..Template::default()
    })
}

fn container(node: &Node, path: Path, role: Role, resources_key: &'static str) -> Container {
    let side = |side: &str| quantities(node.get(resources_key).and_then(|resources| resources.get(side)));
    let claims = node.get(resources_key).and_then(|resources| resources.get("claims")).map(Node::items).unwrap_or_default();
    let ports = node.get("ports").map(Node::items).unwrap_or_default();
    Container {
        path,
        name: node.get("name").and_then(Node::scalar).unwrap_or_default(),
        image: node.get("image").and_then(Node::scalar).filter(|image| !image.is_empty()),
        role,
        resources_key,
        requests: side("requests"),
        limits: side("limits"),
        claims: claims.iter().filter_map(|claim| claim.get("name")?.scalar()).collect(),
        startup: node.get("startupProbe").map(probe),
        readiness: node.get("readinessProbe").map(probe),
        liveness: node.get("livenessProbe").map(probe),
        port: ports.iter().find_map(|port| u16::try_from(port.get("containerPort")?.count()?).ok()),
    }
}

/// Defaults: Kubernetes `pkg/apis/core/v1/defaults.go`, `SetDefaults_Probe`.
fn probe(node: &Node) -> Probe {
    let number = |key: &str, otherwise: u64| node.get(key).and_then(Node::count).filter(|&number| number > 0).unwrap_or(otherwise);
    Probe { delay_s: number("initialDelaySeconds", 0), period_s: number("periodSeconds", 10), failures: number("failureThreshold", 3) }
}

fn quantities(node: Option<&Node>) -> BTreeMap<Name, Quantity> {
    let entries = node.map(Node::entries).unwrap_or_default();
    let quantity = |node: &Node| {
        let text = node.scalar()?;
        Some(Quantity { nanos: Exact::parse(&text).ok().map(Exact::nanos), text: crate::kubernetes::convert::cut(&text, 64) })
    };
    entries.iter().filter_map(|(name, node)| Some((name.clone(), quantity(node)?))).collect()
}

fn labels(node: Option<&Node>) -> Labels {
    node.map(Node::entries).unwrap_or_default().iter().filter_map(|(key, node)| Some((key.clone(), node.scalar()?))).collect()
}

fn annotations(metadata: Option<&Node>) -> BTreeMap<Name, Name> {
    let mut kept = labels(metadata.and_then(|metadata| metadata.get("annotations")));
    kept.retain(|key, value| annotation::is_read(key) && value.len() <= annotation::LENGTH_MAX);
    kept
}

fn pod_claim(node: &Node) -> PodClaim {
    let text = |key: &str| node.get(key).and_then(Node::scalar);
    let source = text("resourceClaimName").map(ClaimSource::Claim).or_else(|| text("resourceClaimTemplateName").map(ClaimSource::Template));
    PodClaim { name: text("name").unwrap_or_default(), source }
}

/// A toleration; none for what cannot be compared, which then tolerates nothing.
fn toleration(node: &Node) -> Option<Toleration> {
    let text = |key: &str| node.get(key).and_then(Node::scalar).filter(|text| !text.is_empty());
    let effect = match text("effect").as_deref() {
        None => None,
        Some("NoSchedule") => Some(Effect::NoSchedule),
        Some("PreferNoSchedule") => Some(Effect::PreferNoSchedule),
        Some("NoExecute") => Some(Effect::NoExecute),
        Some(_) => return None,
    };
    let value = match text("operator").as_deref() {
        Some("Exists") => None,
        None | Some("Equal") => Some(text("value").unwrap_or_default()),
        Some(_) => return None,
    };
    Some(Toleration { key: text("key"), value, effect })
}

fn node_term(node: &Node) -> NodeTerm {
    let all = |key: &str| node.get(key).map(Node::items).unwrap_or_default().iter().filter_map(requirement).collect();
    NodeTerm { labels: all("matchExpressions"), names: all("matchFields") }
}

fn requirement(node: &Node) -> Option<Requirement> {
    let operator = match &**node.get("operator")?.text()? {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::Gt,
        "Lt" => Operator::Lt,
        _ => return None,
    };
    let values = node.get("values").map(Node::items).unwrap_or_default().iter().filter_map(Node::scalar).collect();
    Some(Requirement { key: node.get("key")?.scalar()?, operator, values })
}

fn selector(node: &Node) -> Selector {
    let equal = labels(node.get("matchLabels"));
    let equal = equal.into_iter().map(|(key, value)| Requirement { key, operator: Operator::In, values: vec![value] });
    let others = node.get("matchExpressions").map(Node::items).unwrap_or_default().iter().filter_map(requirement);
    let mut all: Vec<Requirement> = equal.chain(others).collect();
    all.sort();
    Selector(all)
}

/// With the defaults of a Deployment and of an Argo Rollout: 25 % each.
fn rollout(strategy: Option<&Node>, key: &str) -> Rollout {
    if strategy.and_then(|strategy| strategy.get("type")).and_then(Node::text).is_some_and(|kind| &**kind == "Recreate") {
        return Rollout::Recreate;
    }
    let amount = |name: &str| {
        let text = strategy?.get(key)?.get(name)?.scalar()?;
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().map(Amount::Percent),
            None => text.parse().ok().map(Amount::Count),
        }
    };
    Rollout::Rolling {
        max_surge: amount("maxSurge").unwrap_or(Amount::Percent(25)),
        max_unavailable: amount("maxUnavailable").unwrap_or(Amount::Percent(25)),
    }
}

/// What the kinds of work that ends say of it.
fn run(object: &Node, path: &str) -> Run {
    let spec = object.at(path);
    let number = |key: &str| spec.and_then(|spec| spec.get(key)).and_then(Node::count);
    let restarts = || object.at("spec.failurePolicy.maxRestarts").or_else(|| object.at("spec.maxRetry")).and_then(Node::count);
    // A RayJob keeps its cluster, and the GPUs, unless it is told to shut it down.
    let keeps = object.get("kind").and_then(Node::text).is_some_and(|kind| &**kind == "RayJob")
        && !object.at("spec.shutdownAfterJobFinishes").is_some_and(Node::is_true);
    Run {
        deadline: number("activeDeadlineSeconds").map(Seconds),
        backoff_limit: number("backoffLimit").or_else(restarts).map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        ttl: number("ttlSecondsAfterFinished").map(Seconds).filter(|_| !keeps),
        parallelism: number("parallelism").map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        suspended: ["spec", path].iter().filter_map(|path| object.at(path)?.get("suspend")).any(Node::is_true),
        finished: None,
        schedule: None,
    }
}

fn scales(kind: &str, object: &Node) -> Option<Scales> {
    let target = object.at("spec.scaleTargetRef")?;
    let most = if kind == "ScaledObject" {
        object.at("spec.maxReplicaCount").and_then(Node::count).unwrap_or(100)
    } else {
        object.at("spec.maxReplicas").and_then(Node::count)?
    };
    Some(Scales {
        kind: target.get("kind").and_then(Node::scalar).unwrap_or_else(|| "Deployment".into()),
        name: target.get("name")?.scalar()?,
        max: u32::try_from(most).unwrap_or(u32::MAX),
    })
}

/// A ResourceClaim in any version of the API: v1 has `exactly` and `firstAvailable`, v1beta1 has the fields of the request itself.
fn claim(object: &Node, path: &str, written: &mut Written) {
    let Some(devices) = object.at(path).and_then(|spec| spec.get("devices")) else { return };
    let at = Path::of(path).key("devices").key("requests");
    for (index, request) in devices.get("requests").map(Node::items).unwrap_or_default().iter().enumerate() {
        let name = request.get("name").and_then(Node::scalar);
        let alternatives: Vec<&Node> = match (request.get("exactly"), request.get("firstAvailable")) {
            (Some(exactly), _) => vec![exactly],
            (None, Some(list)) => list.items().iter().collect(),
            (None, None) => vec![request],
        };
        // Who only looks (adminAccess) takes nothing.
        let taking = alternatives.into_iter().filter(|one| !one.get("adminAccess").is_some_and(Node::is_true));
        let (mut classes, mut count) = (Vec::new(), Some(0_u64));
        for one in taking {
            classes.extend(one.get("deviceClassName").and_then(Node::scalar));
            let all = one.get("allocationMode").and_then(Node::text).is_some_and(|mode| &**mode == "All");
            let own = (!all).then(|| one.get("count").and_then(Node::count).unwrap_or(1));
            count = count.zip(own).map(|(most, own)| most.max(own));
        }
        written.requests.push(DeviceRequest { path: at.item(index, name.clone()), name: name.unwrap_or_default(), classes, count });
    }
    let configs = devices.get("config").map(Node::items).unwrap_or_default();
    written.claims_time_slices = configs
        .iter()
        .filter_map(|config| config.at("opaque.parameters.sharing.strategy")?.text())
        .any(|strategy| &**strategy == "TimeSlicing");
}
