#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn one(text: &str) -> (Document, Written) {
    let (documents, errors) = read(text);
    assert_eq!(errors, Vec::new());
    assert_eq!(documents.len(), 1);
    let written = documents[0].written().unwrap();
    (documents.into_iter().next().unwrap(), written)
}

const DEPLOYMENT: &str = "\
# a comment
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
  namespace: search
spec:
  replicas: 2
  template:
    metadata:
      labels: {app: llm}
    spec:
      containers:
      - name: server
        image: vllm/vllm-openai:v0.19
        env:
        - {name: TOKEN, value: hunter2}
        resources:
          limits:
            nvidia.com/gpu: 2
";

#[test]
fn everything_has_its_line() {
    let (document, written) = one(DEPLOYMENT);
    let template = &written.templates[0];
    let container = &template.containers[0];
    let line = |path: &Path| document.line(path);
    assert_eq!(line(&Path::default()), 2);
    assert_eq!(line(&template.path), 9);
    assert_eq!(line(&container.path), 14);
    assert_eq!(line(&container.path.key("image")), 15);
    assert_eq!(line(&container.resources_path("limits")), 19);
    assert_eq!(line(&container.resources_path("limits").key("nvidia.com/gpu")), 20);
    assert_eq!(line(&container.path.key("livenessProbe").key("httpGet")), 14, "what is not there is where it should be");
    assert_eq!((template.devices(), template.pods), (2, Some(2)));
}

#[test]
fn lines_count_from_the_file_and_one_bad_document_leaves_the_others() {
    let text = format!("---\n{DEPLOYMENT}---\na: [\n---\n# nothing\n---\n{DEPLOYMENT}");
    let (documents, errors) = read(&text);
    let lines: Vec<u32> = documents.iter().map(|document| document.line(&Path::of("spec.replicas"))).collect();
    assert_eq!(lines, [9, 9 + 20 + 2 + 3]);
    assert_eq!(errors.len(), 1);
    assert!(matches!(&errors[0], ManifestError::Syntax { from: 23, form: "YAML", .. }), "{errors:?}");
}

#[test]
fn json_has_lines_too() {
    let text = "{\"apiVersion\": \"v1\", \"kind\": \"List\",\n \"items\": [\n  {\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n   \"metadata\": {\"name\": \"a\"},\n   \
                \"spec\": {\"containers\": [\n     {\"name\": \"x\",\n      \"image\": \"y\"}]}}]}";
    let (document, written) = one(text);
    assert_eq!(document.line(&written.templates[0].containers[0].path.key("image")), 7);
    let (_, errors) = read("{\"apiVersion\": \"v1\",\n \"kind\" \"Pod\"}");
    assert_eq!(errors[0].line(), 2);
    let (_, errors) = read("{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"kind\": \"Job\"}");
    assert!(errors[0].to_string().contains("twice"), "{errors:?}");
}

#[test]
fn what_is_secret_is_never_decoded() {
    let (document, written) = one(DEPLOYMENT);
    assert!(!format!("{document:?}{written:?}").contains("hunter2"));
    let json = serde_json::json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a", "labels": { "env": "test" } },
        "spec": { "containers": [{ "name": "a", "env": [{ "name": "TOKEN", "value": "hunter2" }] }] } });
    for text in [
        json.to_string(),
        "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {env: test}}, spec: {containers: [{env: [hunter2]}]}}".to_owned(),
    ] {
        let (document, written) = one(&text);
        assert!(!format!("{document:?}").contains("hunter2"));
        assert_eq!(written.labels.get("env").map(|name| &**name), Some("test"), "a label of that name is no secret");
    }
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n";
    assert!(!format!("{:?}", read(secret)).contains("hunter2"));
}

/// Each kind with two devices in each pod, and how many pods the table counts.
#[test]
fn pods_are_found_and_counted_in_every_kind() {
    let pod = "containers: [{name: a, resources: {limits: {nvidia.com/gpu: 2}}}]";
    let template = format!("template: {{spec: {{{pod}}}}}");
    let cases = [
        ("v1", "Pod", pod.to_owned(), vec![Some(1)]),
        ("apps/v1", "Deployment", template.clone(), vec![Some(1)]),
        ("apps/v1", "StatefulSet", format!("replicas: 3, {template}"), vec![Some(3)]),
        ("apps/v1", "DaemonSet", template.clone(), vec![None]),
        ("batch/v1", "Job", format!("parallelism: 4, completions: 2, {template}"), vec![Some(2)]),
        ("batch/v1", "CronJob", format!("jobTemplate: {{spec: {{parallelism: 4, {template}}}}}"), vec![Some(4)]),
        (
            "jobset.x-k8s.io/v1alpha2",
            "JobSet",
            format!("replicatedJobs: [{{name: w, replicas: 2, template: {{spec: {{parallelism: 8, {template}}}}}}}]"),
            vec![Some(16)],
        ),
        (
            "leaderworkerset.x-k8s.io/v1",
            "LeaderWorkerSet",
            format!(
                "replicas: 2, leaderWorkerTemplate: {{size: 4, leaderTemplate: {{spec: {{{pod}}}}}, workerTemplate: {{spec: {{{pod}}}}}}}"
            ),
            vec![Some(2), Some(6)],
        ),
        (
            "ray.io/v1",
            "RayCluster",
            format!("headGroupSpec: {{{template}}}, workerGroupSpecs: [{{replicas: 3, maxReplicas: 9, numOfHosts: 2, {template}}}]"),
            vec![Some(1), Some(6)],
        ),
        (
            "ray.io/v1",
            "RayJob",
            format!("rayClusterSpec: {{enableInTreeAutoscaling: true, workerGroupSpecs: [{{replicas: 3, maxReplicas: 9, {template}}}]}}"),
            vec![Some(9)],
        ),
        (
            "kubeflow.org/v1",
            "PyTorchJob",
            format!("pytorchReplicaSpecs: {{Master: {{{template}}}, Worker: {{replicas: 7, {template}}}}}"),
            vec![Some(1), Some(7)],
        ),
        ("kubeflow.org/v1", "Notebook", template.clone(), vec![Some(1)]),
        (
            "trainer.kubeflow.org/v1alpha1",
            "TrainJob",
            "trainer: {numNodes: 5, resourcesPerNode: {limits: {nvidia.com/gpu: 2}}}".to_owned(),
            vec![Some(5)],
        ),
        (
            "serving.kserve.io/v1beta1",
            "InferenceService",
            "predictor: {maxReplicas: 3, model: {resources: {limits: {nvidia.com/gpu: 2}}}}".to_owned(),
            vec![Some(3)],
        ),
        (
            "argoproj.io/v1alpha1",
            "Workflow",
            "templates: [{name: a, container: {image: a, resources: {limits: {nvidia.com/gpu: 2}}}}]".to_owned(),
            vec![None],
        ),
        ("example.com/v1", "Unheard", format!("deep: [{{name: x, {template}}}]"), vec![None]),
    ];
    for (api_version, kind, spec, pods) in cases {
        let (_, written) = one(&format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {{{spec}}}\n"));
        let found: Vec<Option<u64>> = written.templates.iter().map(|template| template.pods).collect();
        assert_eq!(found, pods, "{kind}");
        assert!(written.templates.iter().all(|template| template.devices() == 2), "{kind}");
    }
}

#[test]
fn a_kind_that_hides_its_gpus_is_said_not_to_be_understood() {
    let (_, written) =
        one("apiVersion: example.com/v1\nkind: Fit\nmetadata: {name: x}\nspec: {worker: {resources: {limits: {nvidia.com/gpu: 1}}}}\n");
    assert_eq!(written.not_understood.len(), 1);
    let (_, pool) = one("apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: x}\nspec: {limits: {nvidia.com/gpu: 8}}\n");
    assert_eq!(pool.not_understood, [], "limits of nodes ask for nothing");
}

#[test]
fn claims_in_every_version() {
    let claim = |request: &str| {
        let text = format!(
            "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {{name: c}}\nspec: {{devices: {{requests: [{request}]}}}}\n"
        );
        one(&text).1.requests[0].clone()
    };
    assert_eq!(claim("{name: a, exactly: {deviceClassName: gpu.nvidia.com, count: 4}}").gpus(), Some(4));
    assert_eq!(claim("{name: a, deviceClassName: gpu.nvidia.com}").gpus(), Some(1));
    assert_eq!(claim("{name: a, exactly: {deviceClassName: gpu.nvidia.com, allocationMode: All}}").gpus(), None);
    assert_eq!(
        claim("{name: a, firstAvailable: [{deviceClassName: mig.nvidia.com}, {deviceClassName: gpu.nvidia.com, count: 2}]}").gpus(),
        Some(2)
    );
    assert_eq!(claim("{name: a, exactly: {deviceClassName: rdma, count: 4}}").gpus(), Some(0));
}

#[test]
fn hostile_texts_are_refused() {
    let deep_json = "[".repeat(100_000);
    let deep_yaml = "a: ".to_owned() + &"[".repeat(100_000);
    let laughs: String = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(1..10).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))).collect::<String>();
    for text in [deep_json.as_str(), &deep_yaml, &laughs, "{\"a\":", "\u{0}", "a: b: c", "kind: Pod\nkind: Job\n", "- x", "x"] {
        let (documents, errors) = read(text);
        assert!(documents.is_empty() && !errors.is_empty(), "{}", &text[..text.len().min(20)]);
    }
    let deep = format!("{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(!read(&deep).1.is_empty());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}", yaml in "[a-c:\\-\\[\\]{}, \n&*|>'\"]{0,80}") {
        for text in [text, yaml] {
            for document in read(&text).0 {
                let _ = document.written();
            }
        }
    }
}
