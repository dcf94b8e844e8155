//! The fleet, indexed once for all signs.

use super::{
    finding::{Confidence, Fact, Finding, Fix, Subject, Waste},
    room::{self, Room},
    settings::{FAIR_EVIDENCE, GOOD_EVIDENCE, LEAST_EVIDENCE, Settings},
    signs::{
        Sign,
        diagnosis::{self, Diagnosis},
        strands::{self, Strand},
    },
};
use crate::{
    class::{self, Known},
    team::{self, Teams},
};
use plimsoll_fleet::{
    DeviceUsage, EngineUsage, Fleet, GpuHours, Metric, MilliGpu, Money, MoneyPerHour, Name, Node, NodeId, Pod, PodId, PodUsage, Ratio,
    Seconds, Shape, Sketch, SketchBuilder, Unseen, UnseenKind, Workload, WorkloadId,
    evidence::Attribution,
    holding,
    price::{NodePrice, PriceBook, Unpriced},
};
use std::sync::OnceLock;

/// The fleet with its indexes, prices, classes and teams.
#[derive(Debug)]
pub struct View<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// The settings.
    pub settings: &'a Settings,
    /// The price of each node, or why there is none.
    pub prices: Vec<Result<NodePrice, Unpriced>>,
    /// Were pods listed? Where not, no node may be called empty.
    pub pods_seen: bool,
    /// The part of a node's GPUs that each pod holds now.
    pub held: Vec<MilliGpu>,
    pods_on: Groups<PodId>,
    pods_of: Groups<PodId>,
    usage_of_pod: Groups<u32>,
    engines_of_pod: Groups<u32>,
    usage_of_node: Groups<u32>,
    classes: Vec<Known>,
    teams: Vec<Option<&'a Name>>,
    namespaces: Teams<'a>,
    holders: Vec<(Holder, Vec<PodId>)>,
    diagnoses: Vec<Option<Diagnosis>>,
    rooms: OnceLock<Vec<Room<'a>>>,
    strands: OnceLock<Vec<Strand>>,
}

/// Could all objects of a kind (`pods`) be listed?
#[must_use]
pub fn seen(fleet: &Fleet, kind: &str) -> bool {
    let unlisted = |unseen: &Unseen| {
        let subject = unseen.subject.strip_prefix("list ").is_some_and(|subject| subject == kind);
        subject && matches!(unseen.kind, UnseenKind::Forbidden | UnseenKind::Partial)
    };
    !fleet.unseen.iter().any(unlisted)
}

/// Lists by a dense key, in two flat vectors.
#[derive(Debug)]
struct Groups<T> {
    starts: Vec<u32>,
    items: Vec<T>,
}

impl<T: Copy + Default> Groups<T> {
    fn new(keys: usize, pairs: impl Iterator<Item = (usize, T)> + Clone) -> Self {
        let mut starts = vec![0_u32; keys + 1];
        for (key, _) in pairs.clone() {
            starts[key + 1] += 1;
        }
        for key in 0..keys {
            starts[key + 1] += starts[key];
        }
        let mut next = starts.clone();
        let mut items = vec![T::default(); starts[keys] as usize];
        for (key, item) in pairs {
            items[next[key] as usize] = item;
            next[key] += 1;
        }
        Self { starts, items }
    }

    /// Puts each list in order, so that nothing depends on the order of the fleet's lists.
    fn sort_by(&mut self, order: impl Fn(&T, &T) -> std::cmp::Ordering) {
        for bounds in self.starts.windows(2) {
            self.items[bounds[0] as usize..bounds[1] as usize].sort_by(&order);
        }
    }

    fn of(&self, key: usize) -> &[T] {
        &self.items[self.starts[key] as usize..self.starts[key + 1] as usize]
    }
}

/// Who holds GPUs: a workload, or a pod that nobody owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// A workload.
    Workload(WorkloadId),
    /// A pod without owner.
    Pod(PodId),
}

impl<'a> View<'a> {
    /// Indexes `fleet`.
    #[must_use]
    pub fn new(fleet: &'a Fleet, prices: &PriceBook, settings: &'a Settings) -> Self {
        let pods = || fleet.pods.iter().enumerate();
        let evidence = &fleet.evidence;
        let mut pods_on = Groups::new(
            fleet.nodes.len(),
            pods().filter(|(_, pod)| pod.holds()).filter_map(|(id, pod)| Some((pod.node?.index(), PodId(id as u32)))),
        );
        let mut pods_of = Groups::new(
            fleet.workloads.len(),
            pods().filter(|(_, pod)| pod.holds() || pod.waits()).filter_map(|(id, pod)| Some((pod.workload?.index(), PodId(id as u32)))),
        );
        let name = |id: &PodId| (&fleet.pods[id.index()].name, &fleet.pods[id.index()].namespace);
        pods_on.sort_by(|a, b| name(a).cmp(&name(b)));
        pods_of.sort_by(|a, b| name(a).cmp(&name(b)));
        let labels = settings.team_labels.iter().map(String::as_str).chain(team::LABELS).collect();
        let namespaces = Teams::new(fleet, labels);
        let shape_of = |id: usize, workload: &Workload| class::shape_of(fleet, workload, pods_of.of(id).first().copied());
        let classes = fleet.workloads.iter().enumerate().map(|(id, workload)| class::of(workload, shape_of(id, workload))).collect();
        let teams = fleet
            .workloads
            .iter()
            .enumerate()
            .map(|(id, workload)| namespaces.of_workload(workload, shape_of(id, workload).map(|shape| &shape.labels)))
            .collect();
        let mut view = Self {
            pods_seen: seen(fleet, "pods"),
            prices: fleet.nodes.iter().map(|node| prices.price(node)).collect(),
            held: fleet.pods.iter().map(|pod| holding::held(fleet, pod)).collect(),
            usage_of_pod: Groups::new(fleet.pods.len(), (0..).zip(&evidence.pods).map(|(id, usage)| (usage.pod.index(), id))),
            engines_of_pod: Groups::new(fleet.pods.len(), (0..).zip(&evidence.engines).map(|(id, usage)| (usage.pod.index(), id))),
            usage_of_node: Groups::new(fleet.nodes.len(), (0..).zip(&evidence.devices).map(|(id, usage)| (usage.node.index(), id))),
            pods_on,
            pods_of,
            classes,
            teams,
            namespaces,
            fleet,
            settings,
            holders: Vec::new(),
            diagnoses: Vec::new(),
            rooms: OnceLock::new(),
            strands: OnceLock::new(),
        };
        view.holders = holders(&view);
        view.diagnoses = diagnosis::all(&view);
        view
    }

    /// The pod.
    #[must_use]
    pub fn pod(&self, id: PodId) -> &'a Pod {
        &self.fleet.pods[id.index()]
    }

    /// The node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &'a Node {
        &self.fleet.nodes[id.index()]
    }

    /// The shape of a pod.
    #[must_use]
    pub fn shape(&self, id: PodId) -> &'a Shape {
        self.fleet.shape(self.pod(id))
    }

    /// The pods that hold something on a node, by name.
    #[must_use]
    pub fn pods_on(&self, node: NodeId) -> &[PodId] {
        self.pods_on.of(node.index())
    }

    /// The pods of a workload that hold or wait, by name.
    #[must_use]
    pub fn pods_of(&self, workload: WorkloadId) -> &[PodId] {
        self.pods_of.of(workload.index())
    }

    /// What was seen of a pod's devices.
    pub fn usage_of(&self, pod: PodId) -> impl Iterator<Item = &'a PodUsage> + '_ {
        self.usage_of_pod.of(pod.index()).iter().map(|&id| &self.fleet.evidence.pods[id as usize])
    }

    /// What a pod's inference engines said.
    pub fn engines_of(&self, pod: PodId) -> impl Iterator<Item = &'a EngineUsage> + '_ {
        self.engines_of_pod.of(pod.index()).iter().map(|&id| &self.fleet.evidence.engines[id as usize])
    }

    /// What was seen of a node's devices, whoever held them.
    pub fn devices_of(&self, node: NodeId) -> impl Iterator<Item = &'a DeviceUsage> + '_ {
        self.usage_of_node.of(node.index()).iter().map(|&id| &self.fleet.evidence.devices[id as usize])
    }

    /// A pod's figures of one metric over all its devices, where they are the pod's own (no device copies).
    /// Several devices are pooled. `None`: not seen, or not attributable.
    #[must_use]
    pub fn seen(&self, pod: PodId, metric: Metric) -> Option<Sketch> {
        let mut sketches = self.own_usage_of(pod).filter_map(|usage| usage.metrics.get(metric));
        let first = sketches.next()?;
        let Some(second) = sketches.next() else { return Some(first.clone()) };
        let mut pooled = SketchBuilder::new();
        for sketch in [first, second].into_iter().chain(sketches) {
            pooled.merge(sketch);
        }
        pooled.finish()
    }

    /// Who holds a pod's GPUs.
    #[must_use]
    pub fn holder(&self, pod: PodId) -> Holder {
        self.pod(pod).workload.map_or(Holder::Pod(pod), Holder::Workload)
    }

    /// The holder as a finding's subject.
    #[must_use]
    pub fn subject(&self, holder: Holder) -> Subject {
        match holder {
            Holder::Workload(id) => {
                let workload = &self.fleet.workloads[id.index()];
                Subject { kind: workload.kind.clone(), namespace: Some(workload.namespace.clone()), name: workload.name.clone() }
            }
            Holder::Pod(id) => {
                let pod = self.pod(id);
                Subject { kind: "Pod".into(), namespace: Some(pod.namespace.clone()), name: pod.name.clone() }
            }
        }
    }

    /// A node as a finding's subject.
    #[must_use]
    pub fn node_subject(&self, node: NodeId) -> Subject {
        Subject { kind: "Node".into(), namespace: None, name: self.node(node).name.clone() }
    }

    /// Whose it is.
    #[must_use]
    pub fn team(&self, holder: Holder) -> Option<Name> {
        match holder {
            Holder::Workload(id) => self.teams[id.index()].cloned(),
            Holder::Pod(id) => {
                let labels = &self.shape(id).labels;
                let own = self.settings.team_labels.iter().map(String::as_str).chain(team::LABELS).find_map(|key| labels.get(key));
                own.or_else(|| self.namespaces.of_namespace(&self.pod(id).namespace)).cloned()
            }
        }
    }

    /// What kind of work it is. A pod that nobody owns is judged as a workload of its own.
    #[must_use]
    pub fn class(&self, holder: Holder) -> Known {
        match holder {
            Holder::Workload(id) => self.classes[id.index()],
            Holder::Pod(id) => {
                let pod = self.pod(id);
                let alone = Workload { kind: "Pod".into(), name: pod.name.clone(), ..Workload::default() };
                class::of(&alone, Some(self.shape(id)))
            }
        }
    }

    /// The threshold of a sign: the user's, else its own.
    #[must_use]
    pub fn threshold(&self, sign: &Sign) -> f64 {
        let own = sign.threshold.map_or(0.0, |threshold| threshold.default);
        self.settings.thresholds.get(sign.name).copied().unwrap_or(own)
    }

    /// The query behind a metric.
    #[must_use]
    pub fn query(&self, metric: Metric) -> String {
        self.fleet.evidence.queries.get(&metric).map_or_else(|| format!("{metric:?}"), ToString::to_string)
    }

    /// A measured fact.
    #[must_use]
    pub fn measured(&self, metric: Metric, sketch: &Sketch, value: String) -> Fact {
        Fact { query: self.query(metric), window: self.fleet.evidence.window, samples: Some(sketch.count().into()), value }
    }

    /// A fact read from an object.
    #[must_use]
    pub fn read(&self, path: impl Into<String>, value: impl Into<String>) -> Fact {
        Fact { query: path.into(), window: None, samples: None, value: value.into() }
    }

    /// How much of a device's life `sketch` covers: samples × step, and never more than the window.
    #[must_use]
    pub fn span(&self, sketch: &Sketch, devices: usize) -> Seconds {
        let evidence = &self.fleet.evidence;
        let covered = u64::from(sketch.count()).saturating_mul(evidence.step.0.max(1)) / devices.max(1) as u64;
        Seconds(covered.min(evidence.window.map_or(u64::MAX, |window| window.length().0.max(1))))
    }

    /// How sure a verdict from so much evidence can be.
    #[must_use]
    pub fn confidence(&self, span: Seconds) -> Confidence {
        match span {
            span if span < LEAST_EVIDENCE => Confidence::TooLittle,
            span if span < FAIR_EVIDENCE => Confidence::Low,
            span if span < GOOD_EVIDENCE => Confidence::Medium,
            _ => Confidence::High,
        }
    }

    /// What a part of a node's GPUs costs an hour: the node's price split evenly over its GPUs. `None`: unknown.
    #[must_use]
    pub fn price_of(&self, node: NodeId, gpus: MilliGpu) -> Option<MoneyPerHour> {
        let all = MilliGpu::whole(self.node(node).gpus.len() as u32);
        let price = self.prices[node.index()].as_ref().ok()?.per_hour;
        Some(price.part(Ratio::of(gpus.0 as f64, all.0 as f64)))
    }

    /// What `waste` costs a month; `None` if the price of any of it is unknown, or there is none.
    #[must_use]
    pub fn cost_month(&self, waste: &[Waste]) -> Option<Money> {
        let each: Option<Vec<Money>> = waste.iter().map(|part| Some(self.price_of(part.node, part.gpus)?.over_month())).collect();
        each.filter(|each| !each.is_empty()).map(|each| each.into_iter().sum())
    }

    /// The workloads and pods without owner that hold GPUs, with their holding pods; both in order of name.
    pub fn holders(&self) -> impl Iterator<Item = (Holder, &[PodId])> {
        self.holders.iter().map(|(holder, pods)| (*holder, &pods[..]))
    }

    /// What the metrics say of a pod that holds GPUs; none: it holds none.
    #[must_use]
    pub fn diagnosis(&self, pod: PodId) -> Option<Diagnosis> {
        self.diagnoses[pod.index()]
    }

    /// What is free on a node.
    #[must_use]
    pub fn room(&self, node: NodeId) -> &Room<'a> {
        &self.rooms.get_or_init(|| room::rooms(self))[node.index()]
    }

    /// The free GPUs that no pod of this fleet can use where they are, and what is in the way.
    #[must_use]
    pub fn strands(&self) -> &[Strand] {
        self.strands.get_or_init(|| strands::strands(self))
    }

    /// What was seen of a pod's devices and is the pod's own (no device copies).
    pub fn own_usage_of(&self, pod: PodId) -> impl Iterator<Item = &'a PodUsage> + '_ {
        self.usage_of(pod).filter(|usage| usage.attribution != Attribution::DeviceCopy)
    }

    /// The mean of a pod's own figures of a metric over all its devices, with the number of samples. `None`: not seen.
    #[must_use]
    pub fn mean(&self, pod: PodId, metric: Metric) -> Option<(f64, u64)> {
        let (mut sum, mut count) = (0.0, 0_u64);
        for sketch in self.own_usage_of(pod).filter_map(|usage| usage.metrics.get(metric)) {
            sum += sketch.sum();
            count += u64::from(sketch.count());
        }
        (count > 0).then(|| (sum / count as f64, count))
    }

    /// Was a metric seen on every device of a pod that anything was seen of? A figure of some of them says nothing of the others.
    #[must_use]
    pub fn sees_all(&self, pod: PodId, metric: Metric) -> bool {
        self.own_usage_of(pod).all(|usage| usage.metrics.get(metric).is_some())
    }

    /// The greatest figure of `q`-quantiles of a pod's own figures of a metric over its devices. `None`: not seen.
    #[must_use]
    pub fn greatest(&self, pod: PodId, metric: Metric, q: f64) -> Option<f64> {
        self.own_usage_of(pod).filter_map(|usage| Some(usage.metrics.get(metric)?.quantile(q))).max_by(f64::total_cmp)
    }

    /// The whole of what `pods` hold, as waste.
    #[must_use]
    pub fn all_of(&self, pods: &[PodId]) -> Vec<Waste> {
        self.part_of(pods, |_| Ratio::ONE)
    }

    /// A part of what each of `pods` holds, as waste.
    #[must_use]
    pub fn part_of(&self, pods: &[PodId], part: impl Fn(PodId) -> Ratio) -> Vec<Waste> {
        pods.iter()
            .filter_map(|&pod| Some(Waste { node: self.pod(pod).node?, pod: Some(pod), gpus: self.held[pod.index()].part(part(pod)) }))
            .filter(|waste| !waste.gpus.is_zero())
            .collect()
    }

    /// A finding on a holder, priced.
    #[must_use]
    pub fn on_holder(&self, sign: &Sign, holder: Holder, judged: Judged) -> Finding {
        let class = self.class(holder);
        self.finding(sign, self.subject(holder), self.team(holder), Some(class), judged)
    }

    /// A finding on a node, priced.
    #[must_use]
    pub fn on_node(&self, sign: &Sign, node: NodeId, judged: Judged) -> Finding {
        self.finding(sign, self.node_subject(node), None, None, judged)
    }

    /// A finding, priced.
    #[must_use]
    pub fn finding(&self, sign: &Sign, subject: Subject, team: Option<Name>, class: Option<Known>, judged: Judged) -> Finding {
        let counts = judged.confidence > Confidence::TooLittle;
        let gpus: MilliGpu = judged.waste.iter().map(|waste| waste.gpus).sum();
        let known = (counts && !gpus.is_zero()).then_some(gpus);
        Finding {
            sign: sign.name.into(),
            subject,
            team,
            class: class.map(|known| known.class),
            class_inferred: class.is_some_and(|known| known.inferred),
            says: judged.says,
            gpus: known,
            gpu_hours_month: known.map(GpuHours::month_of),
            cost_month: known.and_then(|_| self.cost_month(&judged.waste)),
            confidence: judged.confidence,
            evidence: judged.evidence,
            fix: judged.fix,
            waste: if counts { judged.waste } else { Vec::new() },
            accepted: None,
        }
    }
}

/// The pods that hold GPUs, by who owns them; both in order of name, so that nothing depends on the order of the lists.
fn holders(view: &View<'_>) -> Vec<(Holder, Vec<PodId>)> {
    let holds = |id: PodId| view.pod(id).holds() && !view.held[id.index()].is_zero();
    let owned = view.fleet.workloads().map(|(id, _)| {
        let pods: Vec<PodId> = view.pods_of(id).iter().copied().filter(|&pod| holds(pod)).collect();
        (Holder::Workload(id), pods)
    });
    let bare = view.fleet.pods().filter(|(id, pod)| pod.workload.is_none() && holds(*id)).map(|(id, _)| (Holder::Pod(id), vec![id]));
    let mut holders: Vec<(Holder, Vec<PodId>)> = owned.chain(bare).filter(|(_, pods)| !pods.is_empty()).collect();
    let name = |holder: Holder| match holder {
        Holder::Workload(id) => {
            let workload = &view.fleet.workloads[id.index()];
            (&workload.namespace, &workload.name, &*workload.kind)
        }
        Holder::Pod(id) => (&view.pod(id).namespace, &view.pod(id).name, "Pod"),
    };
    holders.sort_by(|a, b| name(a.0).cmp(&name(b.0)));
    holders
}

/// What a sign has to say of a subject; [`View`] adds owner, class and price.
#[derive(Debug)]
pub struct Judged {
    /// One sentence of evidence.
    pub says: String,
    /// What is wasted of which node. Empty: the sign is not about held GPUs.
    pub waste: Vec<Waste>,
    /// How sure.
    pub confidence: Confidence,
    /// The facts.
    pub evidence: Vec<Fact>,
    /// What to do.
    pub fix: Fix,
}
