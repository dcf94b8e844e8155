#![allow(clippy::unwrap_used)]
use super::{names::Kind, *};
use plimsoll_fleet::{
    Attribution, Bytes, Course, DeviceUsage, EngineUsage, Evidence, Fleet, History, Life, Metric, Metrics, MilliCpu, Name, Node, NodeId,
    Pod, PodId, PodUsage, Seconds, Shape, ShapeId, Sketch, Unseen, UnseenKind, Window, Workload, WorkloadId,
    course::{Figure, Grid},
    evidence::{Dialect, Dropped, Engine, Hour, MetricsSource, SliceId},
    fleet::{Budget, Namespace},
    history::Owner,
    node::{Effect, Gpu, MigConfig, Offer, Purchase, Sharing, Slice, Taint},
    pod::{Affinity, Ask, Container, Exit, Granted, Phase, Probes, Role, Spread, Toleration},
    resource::Vendor,
    selector::{Labels, NodeTerm, Operator, Requirement, Selector},
    workload::{Amount, Autoscaler, RawQuantity, Rollout, Run},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, HashMap},
    io::{Read, Write},
};

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect()
}

fn requirement(key: &str, operator: Operator, values: &[&str]) -> Requirement {
    Requirement { key: key.into(), operator, values: values.iter().map(|&value| value.into()).collect() }
}

/// A fleet with something in every field. What is a secret name has `acme` in it.
fn sample() -> Fleet {
    let app = Selector(vec![requirement("app", Operator::In, &["acme-chat"])]);
    let metrics = |least: f64| Metrics {
        by_metric: Metric::ALL.into_iter().filter_map(|metric| Some((metric, Sketch::of([least, 0.5, 0.25])?))).collect(),
        last_active: Some(Timestamp(1_795_000_000)),
        course: Course::of(Figure::Useful, [None, Some(least), None, Some(1.0)]),
    };
    let node = |name: &str, index: u32| Node {
        name: name.into(),
        labels: labels(&[
            ("kubernetes.io/hostname", name),
            ("nvidia.com/gpu.product", "NVIDIA-A100-SXM4-80GB"),
            ("topology.kubernetes.io/zone", "eu-west-1a"),
            ("corp.example/generation", &index.to_string()),
            ("corp.example/pool", "acme-blue"),
            ("node-type", "gpu"),
        ]),
        taints: vec![
            Taint { key: "nvidia.com/gpu".into(), value: "true".into(), effect: Effect::NoSchedule },
            Taint { key: "dedicated".into(), value: "acme-research".into(), effect: Effect::NoExecute },
        ],
        unschedulable: index == 1,
        ready: true,
        created: Some(Timestamp(1_790_000_000)),
        cpu: MilliCpu(96_000),
        memory: Bytes::from_mib(1 << 20),
        max_pods: 110,
        offers: vec![
            Offer { resource: "nvidia.com/mig-3g.40gb".into(), count: 2, capacity: 2, dra: false },
            Offer { resource: "acme-fast-gpus".into(), count: 1, capacity: 1, dra: true },
        ],
        gpus: vec![
            Gpu { uuid: Some("GPU-acme-1".into()), slices: vec![Slice { profile: "3g.40gb".into(), start: Some(0), instance: Some(1) }] },
            Gpu::default(),
        ],
        vendor: Some(Vendor::Nvidia),
        gpu_product: Some("NVIDIA-A100-SXM4-80GB".into()),
        gpu_memory: Some(Bytes::from_mib(81_920)),
        sharing: if index == 1 { Sharing::MigSingle { profile: "3g.40gb".into() } } else { Sharing::MigMixed },
        instance_type: Some("p4de.24xlarge".into()),
        cloud: Some("aws".into()),
        region: Some("eu-west-1".into()),
        zone: Some("eu-west-1a".into()),
        purchase: Purchase::Spot,
        pool: Some("acme-blue".into()),
        keep: Some("karpenter.sh/do-not-disrupt=true".into()),
        mig_config: Some(MigConfig { wanted: "all-balanced".into(), state: Some("success".into()) }),
    };
    let shape = Shape {
        labels: labels(&[("app", "acme-chat"), ("plimsoll.dev/class", "online"), ("plimsoll.dev/team", "acme-search")]),
        cpu: MilliCpu(4_000),
        memory: Bytes::from_mib(65_536),
        asks: vec![Ask { resource: "acme-fast-gpus".into(), count: 1, dra: true }],
        containers: vec![Container {
            name: "acme-server".into(),
            image: "registry.acme.io/llm/vllm-openai:latest".into(),
            role: Role::Sidecar,
            cpu: Some(MilliCpu(4_000)),
            memory: Some(Bytes::from_mib(65_536)),
            asks: vec![Ask { resource: "nvidia.com/gpu".into(), count: 1, dra: false }],
            probes: Probes { startup: true, readiness: true, liveness: false },
            serves: true,
        }],
        node_selector: labels(&[("corp.example/pool", "acme-blue")]),
        node_terms: vec![NodeTerm {
            labels: vec![requirement("corp.example/generation", Operator::Gt, &["0"])],
            names: vec![requirement("metadata.name", Operator::NotIn, &["acme-node-0"])],
        }],
        tolerations: vec![
            Toleration { key: Some("nvidia.com/gpu".into()), value: None, effect: None },
            Toleration { key: Some("dedicated".into()), value: Some("acme-research".into()), effect: Some(Effect::NoExecute) },
        ],
        near: vec![Affinity {
            topology: "kubernetes.io/hostname".into(),
            pods: app.clone(),
            namespaces: vec!["acme-prod".into(), "kube-system".into()],
        }],
        apart: vec![Affinity { topology: "kubernetes.io/hostname".into(), pods: app.clone(), namespaces: Vec::new() }],
        spread: vec![Spread { topology: "topology.kubernetes.io/zone".into(), pods: app.clone(), max_skew: 1 }],
        host_ports: vec![8000],
        priority: 100,
        priority_class: Some("acme-high".into()),
        scheduler: Some("acme-scheduler".into()),
        deadline: Some(Seconds(3_600)),
        annotations: labels(&[("plimsoll.dev/gpu-memory", "12Gi"), ("runai/owner", "acme-alice"), ("gpu-fraction", "0.5")]),
    };
    Fleet {
        at: Timestamp(1_795_424_400),
        origin: Origin { source: "live".into(), cluster: Some("acme-eu".into()), version: Some("v1.37.2".into()) },
        nodes: vec![node("acme-node-0", 0), node("acme-node-1", 1)],
        shapes: vec![shape, Shape::default()],
        pods: vec![
            Pod {
                namespace: "acme-prod".into(),
                name: "acme-chat-7f9d-x2x4z".into(),
                shape: ShapeId(0),
                workload: Some(WorkloadId(0)),
                node: Some(NodeId(1)),
                phase: Phase::Running,
                created: Some(Timestamp(1)),
                scheduled: Some(Timestamp(2)),
                started: Some(Timestamp(3)),
                ended: Some(Timestamp(5)),
                ready: Some(Timestamp(4)),
                deleting: true,
                restarts: 7,
                waiting: Some("CrashLoopBackOff".into()),
                last_exit: Some(Exit { reason: "OOMKilled".into(), code: 137 }),
                unschedulable: None,
                gates: vec!["plimsoll.dev/placement".into()],
                image_pull: Some(Seconds(240)),
                granted: vec![Granted {
                    class: "acme-fast-gpus".into(),
                    device: "gpu-1-mig-3g40gb-9-0".into(),
                    gpu: Some(1),
                    profile: Some("3g.40gb".into()),
                }],
                keep: Some("cluster-autoscaler.kubernetes.io/safe-to-evict=false".into()),
                of_node: true,
            },
            Pod {
                namespace: "acme-prod".into(),
                name: "acme-chat-7f9d-pend".into(),
                shape: ShapeId(1),
                unschedulable: Some(
                    "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint {dedicated: acme-research}, \
                     persistentvolumeclaim \"acme-weights\" not found."
                        .into(),
                ),
                ..Pod::default()
            },
        ],
        workloads: vec![Workload {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            namespace: "acme-prod".into(),
            name: "acme-chat".into(),
            labels: labels(&[("app", "acme-chat")]),
            annotations: BTreeMap::from([("plimsoll.dev/owner".into(), "alice@acme.com".into())]),
            created: Some(Timestamp(1)),
            replicas: Some(2),
            template: Some(ShapeId(0)),
            rollout: Some(Rollout::Rolling { max_surge: Amount::Percent(25), max_unavailable: Amount::Count(1) }),
            autoscaler: Some(Autoscaler {
                kind: "ScaledObject".into(),
                name: "acme-chat-scaler".into(),
                min: 1,
                max: 8,
                metrics: vec!["cpu".into(), "vllm:num_requests_waiting".into(), "acme_checkout_queue".into()],
            }),
            run: Some(Run {
                deadline: Some(Seconds(60)),
                backoff_limit: Some(6),
                ttl: Some(Seconds(10)),
                parallelism: Some(2),
                suspended: true,
                finished: Some(Timestamp(9)),
                schedule: Some("0 3 * * *".into()),
            }),
            raw: vec![RawQuantity {
                path: "spec.template.spec.containers[0].resources.limits".into(),
                resource: "nvidia.com/gpu".into(),
                quantity: "0.5".into(),
            }],
            exposed: true,
            unread: true,
        }],
        namespaces: vec![Namespace {
            name: "acme-prod".into(),
            labels: labels(&[("kubernetes.io/metadata.name", "acme-prod")]),
            annotations: labels(&[("openshift.io/requester", "acme-bob")]),
        }],
        budgets: vec![Budget { namespace: "acme-prod".into(), name: "acme-chat-pdb".into(), selector: app, allowed: 1 }],
        evidence: Evidence {
            window: Some(Window { start: Timestamp(1_794_819_600), end: Timestamp(1_795_424_400) }),
            step: Seconds(300),
            source: MetricsSource::Prometheus("http://prometheus.acme.internal:9090".into()),
            dialects: vec![Dialect::Classic, Dialect::BaseUnits],
            queries: BTreeMap::from([(Metric::GpuUtil, "DCGM_FI_DEV_GPU_UTIL{cluster=\"acme-eu\"}".into())]),
            engine_queries: BTreeMap::from([(Engine::Vllm, "vllm:kv_cache_usage_perc".into())]),
            courses: Some(Grid { start: Timestamp(1_794_816_000), bin: Seconds::HOUR, bins: 169 }),
            devices: vec![DeviceUsage {
                node: NodeId(0),
                gpu: 1,
                slice: Some(SliceId { instance: 1, profile: "3g.40gb".into() }),
                metrics: metrics(0.0),
            }],
            pods: vec![PodUsage {
                pod: PodId(0),
                gpu: Some(0),
                slice: None,
                attribution: Attribution::DeviceCopy,
                metrics: metrics(0.123_456_789_012_345_67),
            }],
            engines: vec![EngineUsage {
                pod: PodId(0),
                engine: Engine::Vllm,
                model: Some("acme/llama-private".into()),
                running: Sketch::of([1.0, 2.0]),
                waiting: Sketch::of([0.0]),
                kv_used: Sketch::of([0.07]),
                kv_tokens: Some(400_000),
                preemptions: Some(0.0),
                requests: Some(1e6),
            }],
            hours: vec![Hour { start: Timestamp(1_795_420_800), seen: 4.0, held: 3.0, busy: 0.1, useful: Some(0.05), waiting: None }],
            dropped: Dropped { sentinel: 1, not_finite: 2, negative: 3, above_one: 4, duplicate: 5, out_of_window: 6 },
            not_understood: vec!["DCGM_FI_DEV_SOMETHING".into()],
        },
        history: History {
            recorded: Some(Window { start: Timestamp(1_794_819_600), end: Timestamp(1_795_424_400) }),
            lives: vec![
                Life {
                    namespace: "acme-prod".into(),
                    name: "acme-chat-7f9d-x2x4z".into(),
                    pod: Some(PodId(0)),
                    shape: Some(ShapeId(0)),
                    workload: Some(WorkloadId(0)),
                    node: Some("acme-node-1".into()),
                    goes_on: true,
                    ..Life::default()
                },
                Life {
                    namespace: "acme-prod".into(),
                    name: "acme-nightly-1-zz".into(),
                    owner: Some(Owner { kind: "Job".into(), name: "acme-nightly-1".into() }),
                    node: Some("acme-node-gone".into()),
                    asks: vec![Ask { resource: "nvidia.com/gpu".into(), count: 2, dra: false }],
                    cpu: Some(MilliCpu(8_000)),
                    memory: Some(Bytes::from_mib(4_096)),
                    created: Some(Timestamp(1_794_820_000)),
                    scheduled: Some(Timestamp(1_794_820_060)),
                    started: Some(Timestamp(1_794_820_100)),
                    ended: Some(Timestamp(1_794_823_000)),
                    ..Life::default()
                },
            ],
        },
        unseen: vec![
            Unseen {
                kind: UnseenKind::Forbidden,
                subject: "list events".into(),
                why: "events is forbidden: User \"system:serviceaccount:acme-ops:reader\" cannot list them".into(),
                remedy: "grant `list` on events to acme-prod".into(),
            },
            Unseen {
                kind: UnseenKind::Malformed,
                subject: "Pod acme-prod/acme-gone-1".into(),
                why: "invalid value \"acme\" at prometheus.acme.internal".into(),
                remedy: "mend the object".into(),
            },
        ],
    }
}

fn packed(fleet: &Fleet, options: &WriteOptions) -> Vec<u8> {
    let mut out = Vec::new();
    write(fleet, &mut out, options).unwrap();
    out
}

fn hashed() -> WriteOptions {
    WriteOptions { hash_names: Some("pepper".to_owned()) }
}

/// A member of an archive, as hostile as one likes.
#[derive(Clone)]
struct Member {
    name: String,
    kind: tar::EntryType,
    bytes: Vec<u8>,
}

fn unpack(archive: &[u8]) -> Vec<Member> {
    let plain = zstd::decode_all(archive).unwrap();
    let mut tar = tar::Archive::new(&*plain);
    let member = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        Member { name: entry.path().unwrap().display().to_string(), kind: tar::EntryType::Regular, bytes }
    };
    tar.entries().unwrap().map(member).collect()
}

fn pack(members: &[Member]) -> Vec<u8> {
    let mut plain = Vec::new();
    for member in members {
        let mut header = tar::Header::new_ustar();
        // Straight into the field: `set_path` would refuse what a hostile archive has.
        header.as_mut_bytes()[..member.name.len()].copy_from_slice(member.name.as_bytes());
        header.set_entry_type(member.kind);
        header.set_size(member.bytes.len() as u64);
        header.set_cksum();
        plain.write_all(header.as_bytes()).unwrap();
        plain.write_all(&member.bytes).unwrap();
        plain.resize(plain.len().next_multiple_of(512), 0);
    }
    plain.extend([0; 1024]);
    zstd::encode_all(&*plain, 1).unwrap()
}

/// Puts `text` into a part, with a manifest that agrees.
fn with_part(members: &[Member], file: &str, text: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    let mut members = members.to_vec();
    let mut manifest: Manifest = serde_json::from_slice(&members[0].bytes).unwrap();
    for entry in manifest.parts.iter_mut().filter(|entry| entry.file == file) {
        entry.bytes = text.len() as u64;
        entry.lines = text.split_inclusive(|byte| *byte == b'\n').count() as u64;
        entry.sha256 = hex(&sha2::Sha256::digest(text));
    }
    members[0].bytes = serde_json::to_vec(&manifest).unwrap();
    members.iter_mut().filter(|member| member.name == file).for_each(|member| member.bytes = text.to_vec());
    pack(&members)
}

fn chain(error: &SnapshotError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

fn refusal(archive: &[u8]) -> String {
    chain(&read(archive).expect_err("must be refused"))
}

#[test]
fn what_is_written_reads_back() {
    for fleet in [sample(), Fleet::default()] {
        assert_eq!(read(&*packed(&fleet, &WriteOptions::default())).unwrap(), fleet);
    }
}

#[test]
fn many_lines_keep_their_order() {
    let mut fleet = sample();
    let pod = fleet.pods[0].clone();
    fleet.pods = (0..30_000).map(|index| Pod { name: format!("pod-{index}").into(), ..pod.clone() }).collect();
    let again = read(&*packed(&fleet, &WriteOptions::default())).unwrap();
    assert!(again == fleet);
    // Thirty thousand pods of one namespace share its name: once a parser.
    let spaces: std::collections::HashSet<_> = again.pods.iter().map(|pod| pod.namespace.as_ptr()).collect();
    assert!(spaces.len() <= 2, "{} copies", spaces.len());
}

#[test]
fn a_file_is_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.tar.zst");
    write_file(&sample(), &path, &WriteOptions::default()).unwrap();
    assert_eq!(read_file(&path).unwrap(), sample());
    let mut broken = sample();
    broken.pods[0].shape = ShapeId(99);
    assert!(matches!(write_file(&broken, &path, &WriteOptions::default()), Err(SnapshotError::Inconsistent(_))));
    assert_eq!(read_file(&path).unwrap(), sample(), "the good file is still there");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "and nothing lies beside it");
    assert!(matches!(read_file(&folder.path().join("none")), Err(SnapshotError::Open { .. })));
    assert!(matches!(
        write_file(&sample(), &folder.path().join("no/such/folder"), &WriteOptions::default()),
        Err(SnapshotError::Save { .. })
    ));
}

#[test]
fn no_name_is_left_in_a_hashed_snapshot() {
    let plain = zstd::decode_all(&*packed(&sample(), &hashed())).unwrap();
    let text = String::from_utf8_lossy(&plain);
    for secret in ["acme", "alice", "llama", "bob", "registry", "weights"] {
        let at = text.find(secret).map(|at| &text[at.saturating_sub(80)..(at + 40).min(text.len())]);
        assert_eq!(at, None, "{secret} is still there");
    }
    // What decisions read is.
    for kept in
        ["NVIDIA-A100-SXM4-80GB", "p4de.24xlarge", "-vllm:latest", "Insufficient nvidia.com/gpu", "\"online\"", "kube-system", "12Gi"]
    {
        assert!(text.contains(kept), "{kept} is gone");
    }
}

/// Names replaced by the number of their first appearance among names of their kind; texts left out.
fn structure(fleet: &Fleet) -> Fleet {
    let mut fleet = fleet.clone();
    let mut numbers: HashMap<(std::mem::Discriminant<Kind<'static>>, Name), usize> = HashMap::new();
    names::fleet(&mut fleet, &mut |kind, name| {
        let kind: Kind<'static> = match kind {
            Kind::Message | Kind::Prose | Kind::Subject(_) | Kind::Query => {
                *name = "".into();
                return;
            }
            Kind::Label(_) => Kind::Label(""),
            Kind::Annotation(_) => Kind::Annotation(""),
            Kind::Word => return,
            Kind::Node => Kind::Node,
            Kind::Namespace => Kind::Namespace,
            _ => Kind::Pod,
        };
        let next = numbers.len();
        *name = numbers.entry((std::mem::discriminant(&kind), name.clone())).or_insert(next).to_string().into();
    });
    fleet
}

#[test]
fn a_hashed_fleet_is_the_same_fleet_under_other_names() {
    let fleet = sample();
    let other = hash_names(&fleet, "pepper");
    assert_eq!(structure(&other), structure(&fleet));
    assert_eq!(other, hash_names(&fleet, "pepper"), "one salt, one result");
    assert_ne!(other.nodes[0].name, hash_names(&fleet, "salt").nodes[0].name);
    let admitted =
        |fleet: &Fleet| -> Vec<bool> { fleet.shapes.iter().flat_map(|shape| fleet.nodes.iter().map(|node| shape.may_go(node))).collect() };
    assert_eq!(admitted(&fleet), [false, true, false, false], "the sample's constraints bite");
    assert_eq!(admitted(&other), admitted(&fleet));
    assert!(other.budgets[0].selector.selects(&other.shapes[0].labels));
    assert_eq!(read(&*packed(&fleet, &hashed())).unwrap(), other);
}

#[test]
fn hostile_archives_are_refused_by_name() {
    let good = unpack(&packed(&sample(), &WriteOptions::default()));
    assert_eq!(read(&*pack(&good)).unwrap(), sample());
    let with = |name: &str, kind| {
        let mut members = good.clone();
        members.push(Member { name: name.to_owned(), kind, bytes: Vec::new() });
        refusal(&pack(&members))
    };
    assert!(with("../../etc/cron.d/x", tar::EntryType::Regular).contains("`../../etc/cron.d/x`, which does not belong there"));
    assert!(with("/nodes.jsonl", tar::EntryType::Regular).contains("`/nodes.jsonl`, which does not belong"));
    assert!(with("nodes.jsonl", tar::EntryType::Regular).contains("`nodes.jsonl`, a second time"));
    for kind in
        [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Directory, tar::EntryType::GNULongName, tar::EntryType::XHeader]
    {
        assert!(with("pods.jsonl", kind).contains("not an ordinary file"), "{kind:?}");
    }

    let without: Vec<Member> = good.iter().filter(|member| member.name != "pods.jsonl").cloned().collect();
    assert!(refusal(&pack(&without)).contains("pods.jsonl is missing in the archive"));
    assert!(refusal(&pack(&good[1..])).contains("not a Plimsoll snapshot"));
    for noise in [&b""[..], b"hello, world"] {
        assert!(refusal(noise).contains("not a Plimsoll snapshot"));
    }
    assert!(refusal(&zstd::encode_all(&b"not a tar"[..], 1).unwrap()).contains("damaged or cut short in manifest.json"));

    let mut changed = good.clone();
    changed[2].bytes[10] ^= 1;
    assert!(refusal(&pack(&changed)).contains("nodes.jsonl has the SHA-256"));
    let mut newer = good.clone();
    newer[0].bytes = br#"{"format": 3, "plimsoll": "3.1.4", "parts": {"another": "shape"}}"#.to_vec();
    assert!(refusal(&pack(&newer)).contains("use plimsoll 3.1.4 or later"));

    let cut = &packed(&sample(), &WriteOptions::default());
    assert!(refusal(&cut[..cut.len() - 9]).contains("damaged or cut short"));
}

#[test]
fn what_does_not_fit_is_told_with_its_line() {
    let good = unpack(&packed(&sample(), &WriteOptions::default()));
    let pods = &good.iter().find(|member| member.name == "pods.jsonl").unwrap().bytes;
    let mut bad = pods.clone();
    bad.extend(b"{\"namespace\": \"a\"\n");
    assert!(refusal(&with_part(&good, "pods.jsonl", &bad)).contains("pods.jsonl line 3 is not understood"));
    let dangling = String::from_utf8_lossy(pods).replacen("\"node\":1", "\"node\":77", 1);
    assert!(refusal(&with_part(&good, "pods.jsonl", dangling.as_bytes())).contains("refers to node 77"));
    assert!(refusal(&with_part(&good, "evidence.json", b"{}\n{}\n")).contains("more than 1 lines"));
    let deep = "[".repeat(100_000);
    assert!(refusal(&with_part(&good, "evidence.json", deep.as_bytes())).contains("evidence.json line 1 is not understood"));
}

#[test]
fn bombs_are_refused_before_they_burst() {
    let good = unpack(&packed(&sample(), &WriteOptions::default()));
    let line = vec![b' '; 6 << 20];
    assert!(refusal(&with_part(&good, "shapes.jsonl", &line)).contains("more than 4194304 bytes in a line"));
    let lines = vec![b'\n'; 200_000];
    assert!(refusal(&with_part(&good, "nodes.jsonl", &lines)).contains("nodes.jsonl has more than 100000 lines"));
    let gpus = format!("{{\"name\":\"n\",\"gpus\":[{}{{}}]}}\n", "{},".repeat(100_000));
    assert!(refusal(&with_part(&good, "nodes.jsonl", gpus.as_bytes())).contains("a node with more than 1024 devices"));
    // A frame that asks for a window of 1 GiB.
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(30).unwrap();
    encoder.write_all(&zstd::decode_all(&*pack(&good)).unwrap()).unwrap();
    assert!(refusal(&encoder.finish().unwrap()).contains("requires too much memory"));
}

/// Archives of format 1 know no lives: they read as they are, and say nothing of the past.
#[test]
fn an_archive_from_before_the_lives_reads_without_them() {
    let good = unpack(&packed(&sample(), &WriteOptions::default()));
    let mut old: Vec<Member> = good.iter().filter(|member| member.name != "history.jsonl").cloned().collect();
    let mut manifest: serde_json::Value = serde_json::from_slice(&old[0].bytes).unwrap();
    manifest["format"] = 1.into();
    manifest["parts"].as_array_mut().unwrap().retain(|part| part["file"] != "history.jsonl");
    old[0].bytes = serde_json::to_vec(&manifest).unwrap();
    let text = String::from_utf8_lossy(&old[1].bytes).replacen(r#","recorded":{"start":1794819600,"end":1795424400}"#, "", 1);
    let read_back = read(&*with_part(&old, "cluster.json", text.as_bytes())).unwrap();
    assert_eq!(read_back, Fleet { history: History::default(), ..sample() });
    // Of today's format they are missing.
    let without: Vec<Member> = good.iter().filter(|member| member.name != "history.jsonl").cloned().collect();
    assert!(refusal(&pack(&without)).contains("history.jsonl is missing in the archive"));
}

/// Found by fuzzing: sums of an archive can be right and its figures impossible, and reports would have printed them.
#[test]
fn figures_that_no_fleet_has_are_refused() {
    let good = unpack(&packed(&sample(), &WriteOptions::default()));
    let sketch = |value: f64| serde_json::to_string(&Sketch::of([value]).unwrap()).unwrap();
    let device = format!(r#"{{"node":0,"gpu":0,"metrics":{{"by_metric":{{"sm-active":{}}}}}}}"#, sketch(1.5));
    let engine = format!(r#"{{"pod":0,"engine":"vllm","kv_used":{}}}"#, sketch(2.0));
    let hour = r#"{"hours":[{"start":0,"seen":2.0,"held":1.0,"busy":-1.0}]}"#;
    let backwards = r#"{"namespace":"a","name":"b","created":60,"ended":59}"#;
    let odd = r#"{"courses":{"start":0,"bin":0,"bins":9}}"#;
    let swapped = r#"{"window":{"start":60,"end":0}}"#;
    let far = r#"{"at":9223372036854775807,"origin":{"source":"live"}}"#;
    for (part, text, why) in [
        ("history.jsonl", backwards, "ends before it begins"),
        ("evidence.json", odd, "bins of courses that cannot be"),
        ("evidence.json", swapped, "time runs backwards"),
        ("cluster.json", far, "is no moment of this world"),
        ("devices.jsonl", device.as_str(), "SmActive is a share, and has 1.5"),
        ("engines.jsonl", &engine, "more than all of a KV cache"),
        ("evidence.json", hour, "the hour at 0 has more GPUs at work than there were, or less than none"),
    ] {
        let refusal = refusal(&with_part(&good, part, text.as_bytes()));
        assert!(refusal.contains(why), "{refusal}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to an archive, it is refused, or it says what it said before.
    #[test]
    fn a_damaged_archive_is_refused_or_unharmed(flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..=255), 0..4), cut in any::<prop::sample::Index>(), is_cut: bool) {
        let mut archive = packed(&sample(), &WriteOptions::default());
        for (at, mask) in flips {
            let at = at.index(archive.len());
            archive[at] ^= mask;
        }
        if is_cut {
            archive.truncate(cut.index(archive.len()));
        }
        if let Ok(fleet) = read(&*archive) {
            prop_assert!(fleet == sample());
        }
    }

    /// The same under the compression and behind the sums, where the parser is on its own.
    #[test]
    fn damaged_lines_never_panic(part in 1_usize..14, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let good = unpack(&packed(&sample(), &WriteOptions::default()));
        let mut text = good[part].bytes.clone();
        for (at, byte) in flips {
            let at = at.index(text.len());
            text[at] = byte;
        }
        if let Ok(fleet) = read(&*with_part(&good, &good[part].name, &text)) {
            prop_assert!(fleet.check().is_ok());
        }
    }
}
