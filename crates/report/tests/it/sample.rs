//! A small audit made by hand: every kind of figure, known and unknown, and names that want to do harm.

use plimsoll_decide::audit::{
    Audit, Counts,
    baseline::{self, Baseline, Comparison, Known},
    blind::BlindSpot,
    finding::{Acceptance, Confidence, Fact, Finding, Fix, Subject},
    funnel::{Funnel, Part},
    money::{Going, Packing, Sums, UnpricedNode},
    next_steps::Step,
    picture::{Cell, GridNode, Picture, Point, Unmet},
    views::{Key, Row, Views},
};
use plimsoll_fleet::{
    Class, GpuHours, MilliGpu, Money, Seconds, Timestamp, UnseenKind, Window, evidence::Hour, fleet::Origin, price::Unpriced,
};

/// 2026-11-23 was a Monday.
pub const AT: Timestamp = Timestamp(1_795_392_000 + 14 * 3_600);

fn window() -> Window {
    Window { start: AT.minus(Seconds(7 * 86_400)), end: AT }
}

fn dollars(units: f64) -> Option<Money> {
    Some(Money::from_units(units))
}

fn finding(sign: &str, kind: &str, name: (&str, &str), gpus: Option<u32>, cost: Option<f64>, confidence: Confidence) -> Finding {
    let (namespace, name) = name;
    let gpus = gpus.map(MilliGpu::whole);
    let workload = kind != "Node";
    Finding {
        sign: sign.into(),
        subject: Subject { kind: kind.into(), namespace: workload.then(|| namespace.into()), name: name.into() },
        team: (namespace != "default" && workload).then(|| namespace.into()),
        class: workload.then_some(Class::Online),
        class_inferred: workload,
        says: "4 pods hold 4 GPUs, and at no time of the 7 days did a kernel run on any of them".into(),
        gpus,
        gpu_hours_month: gpus.map(GpuHours::month_of),
        cost_month: cost.map(Money::from_units),
        confidence,
        evidence: vec![
            Fact {
                query: "avg by (UUID) (DCGM_FI_PROF_GR_ENGINE_ACTIVE{cluster=\"prod\"})".into(),
                window: Some(window()),
                samples: Some(80_640),
                value: "p99 0.0 %".into(),
            },
            Fact { query: "Deployment.spec.replicas".into(), window: None, samples: None, value: "4".into() },
        ],
        fix: Fix {
            says: "scale it down until it is needed".into(),
            action: format!("kubectl scale --namespace {namespace} {}/{name} --replicas 0", kind.to_lowercase()),
        },
        waste: Vec::new(),
        accepted: None,
    }
}

fn findings() -> Vec<Finding> {
    use Confidence::{High, Low, Medium, TooLittle};
    let mut findings = vec![
        finding("idle-gpu", "Deployment", ("search", "embedder"), Some(8), Some(23_456.0), High),
        finding("empty-gpu-node", "Node", ("", "gpu-pool-a100-7f9c-0012"), Some(8), Some(20_089.6), High),
        finding(
            "idle-gpu",
            "StatefulSet",
            ("research", "a-very-long-name-that-somebody-thought-was-a-good-idea-0007"),
            Some(4),
            None,
            Medium,
        ),
        finding("idle-gpu", "Pod", ("default", "<script>alert(1)</script>"), Some(1), Some(2_511.2), High),
        finding("idle-gpu", "Deployment", ("ml", "=HYPERLINK(\"x\")|a"), Some(1), Some(2_511.2), Low),
        finding("idle-gpu", "Deployment", ("ml", "chat\u{1b}[31m"), Some(1), Some(9.5), Low),
        finding("missing-probes", "Deployment", ("search", "reranker"), None, None, High),
        finding("idle-gpu", "Job", ("research", "young"), None, None, TooLittle),
        finding("idle-gpu", "Deployment", ("ml", "standby"), Some(2), Some(5_022.4), High),
    ];
    findings[6].says = "its 2 containers have neither a readiness nor a startup probe: requests reach a model that is still loading".into();
    findings[6].fix = Fix {
        says: "add a startup and a readiness probe".into(),
        action: "kubectl patch --namespace search deployment/reranker --patch '\nspec:\n  template: {}\n'".into(),
    };
    findings[8].accepted = Some(Acceptance {
        sign: "idle-gpu".into(),
        subject: None,
        reason: "warm standby for the region".into(),
        expires: AT.plus(Seconds(30 * 86_400)),
    });
    findings
}

fn named(name: &str) -> Key {
    Key::Named(name.into())
}

fn row(key: Key, held: u32, cost: Option<f64>, busy: Option<f64>, wasted: u32, findings: u32) -> Row {
    Row {
        gpus: MilliGpu::whole(if key == Key::Free { 31 } else { held }),
        key,
        held: MilliGpu::whole(held),
        cost_month: cost.map(Money::from_units),
        busy,
        seen: MilliGpu::whole(if busy.is_some() { held } else { 0 }),
        wasted: MilliGpu::whole(wasted),
        wasted_month: cost.map(|cost| Money::from_units(cost * f64::from(wasted) / f64::from(held.max(31)))),
        findings,
    }
}

/// Use over a week: a working day's rhythm, one hour not seen.
fn hours() -> Vec<Hour> {
    (0..168)
        .filter(|hour| *hour != 30)
        .map(|hour| {
            let day = (f64::from(hour % 24) - 14.0).abs() / 14.0;
            let weekend = if hour / 24 % 7 >= 5 { 0.4 } else { 1.0 };
            let busy = 30.0 + 45.0 * (1.0 - day) * weekend;
            Hour {
                start: AT.minus(Seconds(7 * 86_400)).plus(Seconds(hour as u64 * 3_600)),
                seen: 130.0,
                held: 104.0 + f64::from(hour % 5),
                busy,
                useful: Some(busy * 0.6),
                waiting: Some(if hour % 24 > 12 { 8.0 } else { 0.0 }),
            }
        })
        .collect()
}

/// Some nodes of each pool.
pub fn grid(pools: &[(&str, &str, usize, usize)]) -> Vec<GridNode> {
    let mut grid = Vec::new();
    for (pool, model, nodes, gpus) in pools {
        for node in 0..*nodes {
            let cells = (0..*gpus)
                .map(|gpu| match (node * 7 + gpu * 3) % 11 {
                    0..=2 => Cell::Free,
                    3 if node % 5 == 0 => Cell::Dark,
                    n => Cell::Held { busy: ((node * 31 + gpu * 17) % 100) as f64 / 100.0 * if n > 7 { 0.05 } else { 1.0 } },
                })
                .collect();
            grid.push(GridNode {
                name: format!("{pool}-{node:04}").into(),
                pool: Some((*pool).into()),
                model: Some((*model).into()),
                cells,
            });
        }
    }
    grid
}

/// Some workloads.
pub fn scatter() -> Vec<Point> {
    (0..40_u32)
        .map(|n| Point {
            name: if n == 3 { "ml/<img src=x>".into() } else { format!("team-{}/model-{n}", n % 5) },
            class: [Some(Class::Online), Some(Class::Batch), Some(Class::Training), Some(Class::Dev), None][n as usize % 5],
            gpus: f64::from(1 + (n * n) % 17),
            compute: f64::from((n * 37) % 100) / 130.0,
            useful: n % 3 != 0,
            memory: f64::from((n * 53) % 100) / 100.0,
        })
        .collect()
}

/// The small audit.
pub fn audit() -> Audit {
    let part = |gpus, cost| Part { gpus, cost_month: dollars(cost) };
    Audit {
        at: AT,
        origin: Origin { source: "live".into(), cluster: Some("prod-eu1".into()), version: Some("v1.36.1".into()) },
        window: Some(window()),
        counts: Counts { nodes: 52, gpu_nodes: 17, gpus: 136, pods: 1_611, gpu_pods: 96, workloads: 37 },
        funnel: Funnel {
            paid: part(136.0, 321_433.6),
            allocated: Some(part(104.5, 262_420.4)),
            in_use: part(41.25, 103_587.0),
            useful: part(19.75, 49_596.2),
            unseen: part(12.0, 30_134.4),
            useful_unseen: part(4.0, 10_044.8),
        },
        money: Sums {
            currency: "USD".into(),
            bill_month: dollars(321_433.6),
            theoretical_saving_month: dollars(48_577.5),
            realisable_saving_month: dollars(40_179.2),
            theoretical_gpus: MilliGpu(23_000),
            unpriced_nodes: vec![UnpricedNode { name: "spot-0001".into(), why: Unpriced::Spot }],
        },
        packing: Packing {
            nodes_now: 17,
            nodes_needed: 15,
            nodes_lower_bound: 14,
            bound_how: "GPUs asked for, over the GPUs of the largest nodes".into(),
            nodes_that_can_go: vec![
                Going { node: plimsoll_fleet::NodeId(11), name: "gpu-pool-a100-7f9c-0012".into(), per_month: dollars(20_089.6) },
                Going { node: plimsoll_fleet::NodeId(12), name: "gpu-pool-a100-7f9c-0013".into(), per_month: dollars(20_089.6) },
            ],
            moves: 6,
            kept: [("its pods fit nowhere else".to_owned(), 12), ("a pod on it may not be evicted".to_owned(), 3)].into(),
        },
        findings: findings(),
        blind_spots: vec![
            BlindSpot {
                kind: UnseenKind::NoMetrics,
                subject: "pool l40s".into(),
                says: "12 GPUs on 2 nodes of the pool l40s send no DCGM metrics: the exporter's DaemonSet does not tolerate their taint"
                    .into(),
                remedy: "kubectl patch --namespace gpu-operator daemonset/nvidia-dcgm-exporter --patch …".into(),
                gpus: Some(12.0),
            },
            BlindSpot {
                kind: UnseenKind::Forbidden,
                subject: "list jobs".into(),
                says: "Jobs could not be listed: what they own is shown by owner reference only.".into(),
                remedy: "grant the verb list on jobs.batch".into(),
                gpus: None,
            },
        ],
        next_steps: vec![
            Step {
                says: "Give back 2 nodes: move 6 pods first, all fit elsewhere with today's constraints.".into(),
                command: "kubectl drain gpu-pool-a100-7f9c-0012 --ignore-daemonsets --delete-emptydir-data".into(),
                worth_month: dollars(40_179.2),
                sign: None,
            },
            Step {
                says: "Deployment search/embedder: scale it down until it is needed. Then the other 4 with idle-gpu.".into(),
                command: "kubectl scale --namespace search deployment/embedder --replicas 0".into(),
                worth_month: dollars(28_487.9),
                sign: Some("idle-gpu".into()),
            },
            Step {
                says: "Light a blind spot: 12 GPUs on 2 nodes of the pool l40s send no DCGM metrics.".into(),
                command: "kubectl patch --namespace gpu-operator daemonset/nvidia-dcgm-exporter --patch …".into(),
                worth_month: None,
                sign: None,
            },
        ],
        views: Views {
            team: vec![
                row(named("search"), 48, Some(120_537.6), Some(21.5), 8, 2),
                row(named("research"), 40, Some(100_448.0), Some(14.0), 4, 1),
                row(named("ml"), 16, None, None, 2, 2),
                row(Key::Free, 0, Some(79_102.8), None, 9, 2),
            ],
            namespace: vec![row(named("search"), 48, Some(120_537.6), Some(21.5), 8, 2)],
            workload: vec![row(named("search/embedder"), 8, Some(23_456.0), Some(0.02), 8, 1)],
            gpu_model: vec![row(named("NVIDIA-A100-SXM4-80GB"), 80, Some(200_896.0), Some(30.0), 12, 5)],
            pool: vec![row(named("a100"), 80, Some(200_896.0), Some(30.0), 12, 5), row(Key::Unnamed, 4, None, None, 0, 0)],
        },
        picture: Picture {
            grid: grid(&[
                ("a100", "NVIDIA-A100-SXM4-80GB", 10, 8),
                ("h100<b>", "NVIDIA-H100-80GB-HBM3", 5, 8),
                ("l40s", "NVIDIA-L40S", 4, 4),
            ]),
            hours: hours(),
            week: (0..168).map(|hour| (hour != 30).then(|| 30.0 + f64::from(hour % 24) * if hour >= 120 { 0.5 } else { 2.0 })).collect(),
            scatter: scatter(),
            unmet: vec![
                Unmet { resource: "nvidia.com/gpu".into(), waiting: 24, pods: 3, free: 31 },
                Unmet { resource: "nvidia.com/mig-3g.40gb".into(), waiting: 4, pods: 4, free: 0 },
                Unmet { resource: "nvidia.com/mig-1g.10gb".into(), waiting: 0, pods: 0, free: 22 },
            ],
        },
    }
}

/// Nothing is known: no nodes, no prices, no metrics.
pub fn nothing() -> Audit {
    Audit {
        origin: Origin::default(),
        window: None,
        counts: Counts { nodes: 0, gpu_nodes: 0, gpus: 0, pods: 0, gpu_pods: 0, workloads: 0 },
        funnel: Funnel::default(),
        money: Sums {
            currency: "USD".into(),
            bill_month: None,
            theoretical_saving_month: None,
            realisable_saving_month: None,
            theoretical_gpus: MilliGpu::ZERO,
            unpriced_nodes: Vec::new(),
        },
        packing: Packing {
            nodes_now: 0,
            nodes_needed: 0,
            nodes_lower_bound: 0,
            bound_how: String::new(),
            nodes_that_can_go: Vec::new(),
            moves: 0,
            kept: [].into(),
        },
        findings: Vec::new(),
        blind_spots: Vec::new(),
        next_steps: Vec::new(),
        views: Views::default(),
        picture: Picture::default(),
        ..audit()
    }
}

/// The small audit beside one of a week ago, in which one finding was already there.
pub fn comparison() -> Comparison {
    let audit = audit();
    let known = |sign: &str, subject: &str, fingerprint: String| Known {
        fingerprint,
        sign: sign.to_owned(),
        subject: subject.to_owned(),
        cost_month: dollars(100.0),
    };
    let before = Baseline {
        at: AT.minus(Seconds(7 * 86_400)),
        findings: vec![
            known("idle-gpu", "Deployment search/embedder", audit.findings[0].fingerprint()),
            known("idle-gpu", "Deployment ml/<b>gone</b>", "0123456789abcdef".to_owned()),
        ],
    };
    baseline::compare(&audit, &before)
}
