//! Who runs what in the example, node by node.

use super::{
    AT,
    build::{App, Build, DAYS, Vllm},
    load::{Load, Rhythm},
};
use plimsoll_fleet::{
    Class, Seconds,
    node::Purchase,
    pod::{Exit, Phase, Probes, Toleration},
    workload::{Amount, RawQuantity, Rollout, Run},
};

const GPU: &str = "nvidia.com/gpu";
const VLLM: &str = "vllm/vllm-openai:v0.19.1";
const TORCH: &str = "registry.northwind.example/ml/torch:26.10";
const TRITON: &str = "nvcr.io/nvidia/tritonserver:26.09-py3";
const JUPYTER: &str = "quay.io/jupyter/pytorch-notebook:2026-10-01";
const QUEUE: &str = "vllm:num_requests_waiting";
const TRITON_QUEUE: &str = "nv_inference_pending_request_count";

pub(super) fn namespaces(build: &mut Build) {
    let production = Some("production");
    for (name, team, environment) in [
        ("assistant", Some("assistant"), production),
        ("data-platform", Some("data-platform"), production),
        ("finance", Some("finance"), production),
        ("genomics", Some("genomics"), None),
        ("gpu-operator", Some("platform"), None),
        ("kube-system", Some("platform"), None),
        ("mail", Some("mail"), production),
        ("recsys", Some("recsys"), production),
        ("research", Some("research"), None),
        ("sandbox", None, None),
        ("search", Some("search"), production),
        ("vision", Some("vision"), production),
        ("voice", Some("assistant"), production),
        ("web", Some("web"), production),
    ] {
        build.namespace(name, team, environment);
    }
}

/// What is odd about single nodes.
pub(super) fn nodes(build: &mut Build) {
    for name in ["l40s-4", "l40s-5", "l40s-6", "l40s-7"] {
        build.change_node(name, |node| {
            node.taints.clear();
            node.labels.insert("node-type".into(), "gpu".into());
        });
    }
    build.change_node("l40s-8", |node| node.unschedulable = true);
    build.change_node("a100-4", |node| {
        node.purchase = Purchase::Spot;
        node.labels.insert("karpenter.sh/capacity-type".into(), "spot".into());
    });
    build.dark.push("onprem-3".to_owned());
}

pub(super) fn inference(build: &mut Build) {
    let vllm = |model, kv, requests, tokens| Vllm { model, kv, requests, tokens };

    let chat = App::serving("assistant/chat-70b", VLLM, (GPU, 4)).sized(64, 512).of_class(Class::Online).on_pool("h100");
    let chat = chat.doing(Load::decode(0.95, 73.0)).engine(vllm("llama-3.3-70b-instruct", 0.78, 96.0, 560_000)).scaled(2, 6, QUEUE);
    build.run(&chat, &[("h100-2", 2), ("h100-3", 1)]);

    let small = App::serving("assistant/chat-small", VLLM, (GPU, 1)).sized(12, 96).of_class(Class::Online).on_pool("h100");
    let small = small.doing(Load::decode(0.55, 73.0)).engine(vllm("llama-3.1-8b-instruct", 0.06, 14.0, 440_000)).scaled(2, 4, QUEUE);
    build.run(&small, &[("h100-3", 2)]);

    let intent = App::serving("assistant/intent-classifier", TRITON, (GPU, 1)).sized(8, 64).on_pool("h100");
    build.run(&intent.doing(Load::compute(0.26, 3.0).at(Rhythm::Flat, 0.9)).scaled(2, 4, TRITON_QUEUE), &[("h100-3", 2)]);

    let rag = App::serving("assistant/rag", VLLM, (GPU, 2)).sized(16, 96).on_pool("l40s").of_class(Class::Online);
    let rag = rag.doing(Load::decode(0.92, 41.0)).engine(vllm("qwen3-32b", 0.66, 40.0, 150_000)).scaled(2, 4, QUEUE);
    build.run(&rag, &[("l40s-4", 2)]);

    let translate = App::serving("assistant/translate", TRITON, (GPU, 1)).sized(6, 32).on_pool("l40s");
    build.run(&translate.doing(Load::compute(0.95, 14.0).at(Rhythm::Day, 0.04)), &[("l40s-5", 2), ("l40s-6", 2)]);

    let mut onprem = App::serving("assistant/llm-onprem", VLLM, (GPU, 4)).sized(64, 300).on_pool("onprem");
    onprem.workload.rollout = Some(Rollout::Rolling { max_surge: Amount::Percent(25), max_unavailable: Amount::Percent(25) });
    let onprem = onprem.doing(Load::decode(0.95, 36.5)).engine(vllm("mixtral-8x22b", 0.7, 48.0, 120_000)).scaled(2, 2, QUEUE);
    build.run(&onprem, &[("onprem-0", 2)]);

    let embed =
        App::serving("search/embed-api", "ghcr.io/huggingface/text-embeddings-inference:1.8", (GPU, 1)).sized(6, 24).on_pool("a10g");
    let places: Vec<String> = (0..8).map(|node| format!("a10g-{node}")).collect();
    build.run(&embed.doing(Load::compute(0.32, 9.0).at(Rhythm::Day, 0.8)), &each(&places));

    let old = App::serving("search/reranker-v1", TRITON, (GPU, 1)).sized(6, 24).on_pool("a10g").since(DAYS(121));
    let places: Vec<String> = (8..12).map(|node| format!("a10g-{node}")).collect();
    build.run(&old.doing(Load::none(1.2)).scaled(4, 8, TRITON_QUEUE), &each(&places));

    let new = App::serving("search/reranker-v2", TRITON, (GPU, 1)).sized(6, 24).on_pool("a10g").since(DAYS(19));
    let places: Vec<String> = (12..18).map(|node| format!("a10g-{node}")).collect();
    build.run(&new.doing(Load::compute(0.97, 17.0)).scaled(3, 10, TRITON_QUEUE), &each(&places));

    let spam = App::serving("mail/spam-filter", TRITON, (GPU, 1)).sized(6, 24).on_pool("a10g");
    build.run(&spam.doing(Load::compute(0.9, 12.0)).scaled(2, 4, TRITON_QUEUE), &[("a10g-18", 1), ("a10g-19", 1)]);

    let rewrite = App::serving("search/query-rewrite", VLLM, (GPU, 1)).sized(6, 24).on_pool("a10g");
    let rewrite = rewrite.doing(Load::decode(0.9, 20.5)).engine(vllm("qwen3-4b", 0.6, 24.0, 90_000)).scaled(2, 4, QUEUE);
    build.run(&rewrite, &[("a10g-22", 1), ("a10g-23", 1)]);

    let ner = App::serving("search/ner-tagger", TRITON, (GPU, 1)).sized(6, 96).on_pool("a100");
    build.run(&ner.doing(Load::compute(0.27, 4.5).at(Rhythm::Flat, 0.9)).scaled(2, 4, TRITON_QUEUE), &[("a100-1", 2)]);

    let ctr = App::serving("recsys/ctr-tensorflow", "tensorflow/serving:2.19.0-gpu", (GPU, 1)).sized(6, 96).on_pool("a100").since(DAYS(47));
    build.run(&ctr.doing(Load::none(37.0)).scaled(2, 4, "cpu"), &[("a100-1", 2)]);

    let detector = App::serving("vision/detector", TRITON, (GPU, 1)).sized(8, 48).on_pool("l40s");
    build.run(&detector.doing(Load::compute(0.97, 31.0)).scaled(4, 12, TRITON_QUEUE), &[("l40s-0", 4), ("l40s-1", 4)]);

    let tts = App::serving("voice/tts", TRITON, (GPU, 1)).sized(6, 32).on_pool("l40s");
    build.run(&tts.doing(Load::compute(0.8, 22.0)), &[("l40s-7", 1)]);

    // The Deployment that every tutorial shows.
    let mut app =
        App::new("Deployment", "web/gpu-app", "registry.northwind.example/web/gpu-app:latest", (GPU, 1)).selecting("node-type", "gpu");
    app.shape.tolerations = vec![Toleration { key: Some("gpu".into()), value: Some("true".into()), effect: None }];
    app.shape.containers[0].serves = true;
    app.workload.rollout = Some(Rollout::Rolling { max_surge: Amount::Percent(25), max_unavailable: Amount::Percent(25) });
    app.workload.exposed = true;
    build.run(&app.doing(Load::compute(0.7, 8.0)), &[("l40s-5", 2)]);
}

pub(super) fn training(build: &mut Build) {
    let torch = |path: &str, gpus| App::new("PyTorchJob", path, TORCH, (GPU, gpus));
    let lasting = |days: u64| move |workload: &mut plimsoll_fleet::Workload| workload.run = Some(run(Some(DAYS(days)), Some(DAYS(1))));

    let pretrain = torch("research/pretrain-7b", 8).sized(160, 1_600).on_pool("h100").of_class(Class::Training);
    build.run(&pretrain.doing(Load::training(74.0)).since(DAYS(16)).change(lasting(40)), &[("h100-0", 1), ("h100-1", 1)]);

    let agent = torch("research/rl-agent", 4).sized(60, 400).on_pool("h100");
    build.run(&agent.doing(Load::training(60.0)).since(DAYS(5)).change(lasting(10)), &[("h100-7", 1)]);

    let harness = App::new("Job", "research/eval-harness", TORCH, (GPU, 8)).sized(120, 1_000).on_pool("h100").since(DAYS(6));
    build.run(&harness.doing(Load::training(70.0)).change(|workload| workload.run = Some(run(None, Some(DAYS(1))))), &[("h100-6", 1)]);

    let diffusion = torch("research/diffusion-finetune", 8).sized(80, 900).on_pool("a100").since(DAYS(11));
    let spinning = Load { util: 0.97, engine: 0.95, sm: 0.12, tensor: 0.03, dram: 0.09, ..Load::training(33.0) };
    build.run(&diffusion.doing(spinning).change(lasting(20)), &[("a100-0", 1)]);

    let graph = App::new("Job", "recsys/graph-build", TORCH, (GPU, 1)).sized(16, 1_050).on_pool("a100").since(DAYS(2));
    build.run(&graph.doing(Load::training(30.0)), &[("a100-2", 1)]);

    let tower = torch("recsys/two-tower", 5).sized(60, 600).on_pool("a100").since(DAYS(3));
    build.run(&tower.doing(Load::training(31.0)).change(lasting(7)), &[("a100-3", 1)]);

    let caption = App::new("Job", "vision/video-caption", TORCH, (GPU, 4)).sized(40, 400).on_pool("a100").since(DAYS(2));
    build.run(&caption.doing(Load::training(35.0)), &[("a100-4", 1)]);

    let tokenize = App::new("Job", "data-platform/tokenize", TORCH, (GPU, 1)).sized(44, 64).on_pool("l40s").since(DAYS(2));
    build.run(&tokenize.doing(Load::compute(0.7, 20.0).at(Rhythm::Flat, 0.9)), &[("l40s-2", 1)]);

    let backfill = App::new("Job", "recsys/feature-backfill", TORCH, (GPU, 1)).sized(8, 64).on_pool("l40s").since(DAYS(2));
    let slow = Load { util: 0.31, engine: 0.26, sm: 0.05, tensor: 0.01, dram: 0.03, ..Load::training(12.0) };
    build.run(&backfill.doing(slow), &[("l40s-3", 4)]);

    let whisper = App::new("Job", "voice/whisper-batch", TORCH, (GPU, 1)).sized(8, 48).on_pool("l40s").since(DAYS(1));
    build.run(&whisper.doing(Load::compute(0.9, 28.0).at(Rhythm::Flat, 0.9)), &[("l40s-9", 4)]);

    let scores = App::new("Job", "vision/thumbnail-scores", TORCH, (GPU, 1)).sized(3, 12).on_pool("a10g-spot").since(DAYS(1));
    let places: Vec<String> = (0..10).map(|node| format!("a10g-spot-{node}")).collect();
    build.run(&scores.doing(Load::compute(0.85, 14.0).at(Rhythm::Flat, 0.85)), &each(&places));

    let fold = torch("genomics/fold", 8).sized(128, 700).on_pool("onprem").since(DAYS(8));
    build.run(&fold.doing(Load::training(37.0)).change(lasting(30)), &[("onprem-1", 1)]);
    let dock = App::new("Job", "genomics/dock-sim", TORCH, (GPU, 6)).sized(96, 500).on_pool("onprem").since(DAYS(2));
    build.run(&dock.doing(Load::training(28.0)), &[("onprem-2", 1)]);
    let dynamics = App::new("Job", "genomics/md-run", TORCH, (GPU, 8)).sized(128, 700).on_pool("onprem").since(DAYS(2));
    build.run(&dynamics.doing(Load::training(30.0)), &[("onprem-3", 1)]);

    let experts = App::new("Job", "research/moe-eval", "rocm/vllm:rocm7.1", ("amd.com/gpu", 4)).sized(64, 500).since(DAYS(1));
    build.run(&experts, &[("mi300x-0", 1)]);
}

/// Notebooks, MIG slices and time-sliced GPUs.
pub(super) fn shared(build: &mut Build) {
    // In use: nothing in 55 of 100 samples.
    let used = |memory| Load { engine: 0.98, util: 0.99, sm: 0.9, ..Load::compute(0.9, memory).at(Rhythm::Bursts(0.45), 0.0) };
    let notebook = |path: &str, gpus| App::new("Notebook", path, JUPYTER, (GPU, gpus));

    for (name, days) in [("anna", 23.0), ("bo", 16.0), ("chen", 9.0)] {
        let lab = notebook(&format!("research/lab-{name}"), 1).sized(8, 64).on_pool("h100").since(DAYS(days as u64 + 12));
        build.run(&lab.doing(Load::compute(0.6, 22.0).at(Rhythm::DayUntil(days), 0.0)), &[("h100-7", 1)]);
    }
    for (name, node) in [("dana", "a10g-20"), ("eli", "a10g-21")] {
        let lab = notebook(&format!("research/lab-{name}"), 1).sized(4, 16).on_pool("a10g").since(DAYS(4));
        build.run(&lab.doing(used(11.0)), &[(node, 1)]);
    }
    for (name, node) in [("sd-webui", "a10g-spot-10"), ("comfy", "a10g-spot-11")] {
        let toy = notebook(&format!("sandbox/{name}"), 1).sized(3, 12).on_pool("a10g-spot").since(DAYS(26));
        build.run(&toy.doing(used(10.0)), &[(node, 1)]);
    }

    let slice = |path: &str, profile: &str| App::serving(path, TRITON, (profile, 1)).on_pool("a100-mig");
    let (two, three) = ("nvidia.com/mig-2g.20gb", "nvidia.com/mig-3g.40gb");
    let ocr = slice("vision/ocr", two).sized(3, 24).doing(Load::compute(0.97, 14.0)).scaled(4, 16, TRITON_QUEUE);
    let pods = build.run(&ocr, &[("a100-mig-0", 8), ("a100-mig-1", 2)]);
    build.wait_more(
        &ocr,
        pods[0],
        2,
        "0/80 nodes are available: 2 Insufficient nvidia.com/mig-2g.20gb, 78 node(s) didn't match Pod's node affinity/selector. \
         preemption: 0/80 nodes are available: 2 No preemption victims found for incoming pod, 78 Preemption is not helpful for scheduling.",
    );
    let tagger = slice("search/tagger", two).sized(3, 24).doing(Load::compute(0.95, 12.0)).scaled(3, 8, TRITON_QUEUE);
    build.run(&tagger, &[("a100-mig-1", 6)]);
    let embed = slice("search/embed-mig", three).sized(4, 32).doing(Load::compute(0.96, 28.0)).scaled(4, 12, TRITON_QUEUE);
    build.run(&embed, &[("a100-mig-0", 4), ("a100-mig-1", 4)]);
    let dedupe = App::new("Job", "vision/dedupe", TORCH, ("nvidia.com/mig-1g.10gb", 1)).sized(1, 8).on_pool("a100-mig").since(DAYS(2));
    build.run(&dedupe.doing(Load::compute(0.85, 7.0).at(Rhythm::Flat, 0.9)), &[("a100-mig-0", 12), ("a100-mig-1", 12)]);

    let student = App::new("StatefulSet", "research/student-lab", JUPYTER, (GPU, 1)).sized(3, 8).on_pool("t4-shared").of_class(Class::Dev);
    let places = [("t4-shared-0", 2), ("t4-shared-1", 3), ("t4-shared-2", 4), ("t4-shared-3", 4)];
    build.run(&student.doing(used(2.5)).since(DAYS(25)), &places);
    let captcha = App::serving("search/captcha", TRITON, (GPU, 1)).sized(3, 8).on_pool("t4-shared").scaled(2, 4, TRITON_QUEUE);
    build.run(&captcha.doing(Load::compute(0.5, 3.0)), &[("t4-shared-0", 3)]);
    let viz = App::new("Notebook", "research/viz", JUPYTER, (GPU, 2)).sized(3, 8).on_pool("t4-shared");
    build.run(&viz.doing(used(2.0)), &[("t4-shared-1", 1)]);
}

/// What does not come up, waits, or is left behind.
pub(super) fn broken(build: &mut Build) {
    let segmenter =
        App::serving("vision/segmenter", TRITON, (GPU, 1)).sized(8, 48).on_pool("l40s").since(DAYS(4)).scaled(2, 4, TRITON_QUEUE);
    let pods = build.run(&segmenter.doing(Load::none(0.5)), &[("l40s-7", 2)]);
    build.change_pods(&pods, |pod| {
        (pod.ready, pod.restarts, pod.waiting) = (None, 214, Some("CrashLoopBackOff".into()));
        pod.started = Some(AT.minus(Seconds(260)));
        pod.last_exit = Some(Exit { reason: "Error".into(), code: 1 });
    });

    let large = App::new("PyTorchJob", "research/pretrain-30b", "registry.northwind.example/ml/torch-full:26.11", (GPU, 8));
    let large = large
        .sized(160, 1_600)
        .on_pool("h100")
        .since(Seconds(52 * 60))
        .change(|workload| workload.run = Some(run(Some(DAYS(30)), Some(DAYS(1)))));
    let pods = build.run(&large.doing(Load::none(0.5)), &[("h100-4", 1)]);
    build.change_pods(&pods, |pod| {
        (pod.phase, pod.started, pod.ready) = (Phase::Pending, None, None);
        (pod.waiting, pod.image_pull) = (Some("ContainerCreating".into()), None);
    });

    let bert = App::new("PyTorchJob", "recsys/bert-large", TORCH, (GPU, 8)).sized(90, 900).on_pool("a100").since(Seconds(31 * 3_600));
    build.wait(
        &bert,
        1,
        "0/80 nodes are available: 1 Insufficient cpu, 5 Insufficient nvidia.com/gpu, 74 node(s) didn't match Pod's node affinity/selector. \
         preemption: 0/80 nodes are available: 6 No preemption victims found for incoming pod, 74 Preemption is not helpful for scheduling.",
    );

    let mut canary = App::serving("search/rerank-canary", TRITON, (GPU, 1)).sized(6, 24).on_pool("a10g").since(Seconds(9 * 3_600)).scaled(
        2,
        2,
        TRITON_QUEUE,
    );
    canary.shape.tolerations.clear();
    build.wait(
        &canary,
        2,
        "0/80 nodes are available: 26 node(s) had untolerated taint {nvidia.com/gpu: true}, 54 node(s) didn't match Pod's node \
         affinity/selector. preemption: 0/80 nodes are available: 80 Preemption is not helpful for scheduling.",
    );

    let bench = App::new("Job", "research/h100-bench", TORCH, (GPU, 1)).sized(8, 64).since(Seconds(20 * 3_600));
    build.wait(
        &bench.selecting("nvidia.com/gpu.product", "NVIDIA-H100-SXM5-80GB"),
        1,
        "0/80 nodes are available: 80 node(s) didn't match Pod's node affinity/selector. preemption: 0/80 nodes are available: 80 Preemption \
         is not helpful for scheduling.",
    );

    // Ended twelve days ago, and still there with its pods.
    let forecast = App::new("Job", "finance/forecast", TORCH, (GPU, 1)).sized(6, 24).on_pool("a10g").since(DAYS(13));
    let forecast = forecast.change(|workload| {
        workload.run = Some(Run { finished: Some(AT.minus(DAYS(12))), ..run(Some(DAYS(2)), None) });
    });
    build.add_workload(&forecast, 0);

    let ray = App::new("RayCluster", "research/ray-tune", "rayproject/ray:2.50-gpu", (GPU, 1)).sized(6, 24).change(|workload| {
        workload.raw = vec![RawQuantity {
            path: "spec.workerGroupSpecs[0].template.spec.containers[0].resources.limits".into(),
            resource: GPU.into(),
            quantity: "0.5".into(),
        }];
    });
    build.add_workload(&ray, 0);
}

/// What runs on CPUs only, some of it where it should not.
pub(super) fn without_gpus(build: &mut Build) {
    let app = |path: &str, cores, gib| App::serving(path, "registry.northwind.example/apps/server:4.2", ("", 0)).sized(cores, gib);
    build.run(&app("data-platform/ingest-api", 4, 16), &[("l40s-6", 3), ("l40s-7", 2)]);

    let mut lineage = app("data-platform/lineage-collector", 48, 200);
    lineage.shape.tolerations = vec![Toleration { key: None, value: None, effect: None }];
    lineage.shape.containers[0].probes = Probes { readiness: true, ..Probes::default() };
    let pods = build.run(&lineage, &[("a100-5", 1)]);
    build.change_pods(&pods, |pod| pod.keep = Some("cluster-autoscaler.kubernetes.io/safe-to-evict=false".into()));

    build.run(&app("web/frontend", 2, 4), &[("cpu-0", 2), ("cpu-1", 2), ("cpu-2", 2)]);
    build.run(&app("mail/gateway", 3, 8), &[("cpu-3", 2), ("cpu-4", 1)]);
    build.run(&app("data-platform/scheduler", 4, 16), &[("cpu-4", 1), ("cpu-5", 2)]);
}

fn run(deadline: Option<Seconds>, ttl: Option<Seconds>) -> Run {
    Run { deadline, ttl, backoff_limit: Some(3), parallelism: Some(1), ..Run::default() }
}

fn each(nodes: &[String]) -> Vec<(&str, usize)> {
    nodes.iter().map(|node| (node.as_str(), 1)).collect()
}
