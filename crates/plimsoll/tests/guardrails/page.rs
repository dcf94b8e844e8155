//! `docs/guardrails.md` does what it says: its files are written, its commands run in their order, and what it shows is what they answer.

use crate::{
    container::{Container, Proxy},
    helm::{Helm, root},
};
use anyhow::{Context as _, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::PostParams};
use plimsoll_testkit::{Cluster, cluster::Options, netns};
use serde_json::json;
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const PAGE: &str = include_str!("../../../../docs/guardrails.md");

/// Nodes without GPUs for the webhook's pods.
const GROUND: &str = "
apiVersion: v1
kind: Node
metadata: {name: a, labels: {kubernetes.io/hostname: a}}
status: {allocatable: {cpu: '8', memory: 32Gi, pods: '110'}, capacity: {cpu: '8', memory: 32Gi, pods: '110'}}
---
apiVersion: v1
kind: Node
metadata: {name: b, labels: {kubernetes.io/hostname: b}}
status: {allocatable: {cpu: '8', memory: 32Gi, pods: '110'}, capacity: {cpu: '8', memory: 32Gi, pods: '110'}}
";

/// How long a change of the rules may take to hold. It takes a fraction of a second where the machine is quiet.
const PATIENCE: Duration = Duration::from_secs(120);

/// A part of the page that does something.
#[derive(Debug, PartialEq)]
enum Step {
    /// A file of that name.
    File(String, String),
    /// Commands, and the lines that are shown as their answer.
    Run(String, Vec<String>),
}

/// The steps of a page: a `yaml` block is the file that the paragraph before it begins with, an `sh` block is run, a `text` block is what
/// the block before it answers.
fn steps(page: &str) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    let (mut paragraph, mut begins) = ("", true);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if begins && !line.is_empty() {
                paragraph = line;
            }
            begins = line.is_empty();
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match language {
            "yaml" => {
                let name = paragraph.strip_prefix('`').and_then(|rest| rest.split_once('`')).context("a file has a name")?.0;
                steps.push(Step::File(name.to_owned(), block.join("\n") + "\n"));
            }
            "sh" => steps.push(Step::Run(block.join("\n"), Vec::new())),
            "text" => match steps.last_mut() {
                Some(Step::Run(_, shown)) => *shown = block.into_iter().map(str::to_owned).collect(),
                _ => bail!("an answer to nothing: {block:?}"),
            },
            other => bail!("what is a block of {other}?"),
        }
    }
    Ok(steps)
}

/// Does a line answer what is shown? `…` stands for anything; spaces between words do not count, what follows neither.
fn is_shown(line: &str, shown: &str) -> bool {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.find(first).map(|at| &line[at + first.len()..])) else { return false };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// The shown lines, each in a line of the answer, in their order. The first that is missing, if one is.
fn missing<'a>(answer: &str, shown: &'a [String]) -> Option<&'a str> {
    let mut lines = answer.lines();
    shown.iter().map(String::as_str).find(|shown| !lines.by_ref().any(|line| is_shown(line, shown)))
}

/// Runs commands as somebody at a terminal would; what they answered, and whether all went well.
fn run(folder: &Path, cluster: &Cluster, commands: &str) -> anyhow::Result<(String, bool)> {
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-eu", "-o", "pipefail", "-c", &format!("exec 2>&1\n{commands}")])
        .current_dir(folder)
        .env("PATH", path)
        .env("HOME", folder)
        .env("KUBECONFIG", cluster.kubeconfig())
        .output()
        .context("cannot run bash")?;
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success()))
}

/// The programs that the page names. No kubelet keeps the logs of pods here: those of the webhook are what its process wrote.
fn programs(folder: &Path, cluster: &Cluster, helm: &Path) -> anyhow::Result<()> {
    let bin = folder.join("bin");
    fs::create_dir(&bin)?;
    symlink(helm, bin.join("helm"))?;
    symlink(env!("CARGO_BIN_EXE_plimsoll"), bin.join("plimsoll"))?;
    symlink(root().join("charts"), folder.join("charts"))?;
    let kubectl = format!(
        "#!/bin/bash\nfor word; do [[ $word != logs ]] || exec cat {}; done\nexec {} \"$@\"\n",
        folder.join("webhook.log").display(),
        cluster.kubectl().display()
    );
    fs::write(bin.join("kubectl"), kubectl)?;
    fs::set_permissions(bin.join("kubectl"), fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_does_what_it_says() -> anyhow::Result<()> {
    let Some(helm) = Helm::ready().await? else { return Ok(()) };
    if !netns::inside("page::the_page_does_what_it_says").await? {
        return Ok(());
    }
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    cluster.apply_yaml(GROUND).await?;
    let folder = tempfile::tempdir()?;
    programs(folder.path(), &cluster, helm.program())?;
    let steps = steps(PAGE)?;
    ensure!(steps.len() >= 15, "the page has steps: {steps:?}");
    let mut container = None;
    for step in &steps {
        let (commands, shown) = match step {
            Step::File(name, content) => {
                fs::write(folder.path().join(name), content)?;
                continue;
            }
            Step::Run(commands, shown) => (commands, shown),
        };
        let start = Instant::now();
        // What changes nothing is asked again until a change of the rules has come through.
        let changes = commands.lines().any(|line| !line.contains("--dry-run=server"));
        loop {
            let (answer, well) = run(folder.path(), &cluster, commands)?;
            let refusal = shown.iter().any(|line| line.starts_with("Error from server"));
            let missing = missing(&answer, shown);
            if missing.is_none() && well != refusal {
                break;
            }
            let log = container.as_ref().map(|(container, _): &(Container, Proxy)| container.words()).unwrap_or_default();
            ensure!(
                !changes && start.elapsed() < PATIENCE,
                "the page has\n{commands}\nand shows {missing:?}, but the answer is\n{answer}\nThe webhook says:\n{log}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if container.is_none() && commands.contains("helm install") {
            let mut started = Container::start(&cluster, folder.path(), 0).await?;
            symlink(started.log(), folder.path().join("webhook.log"))?;
            let proxy = Proxy::start(&cluster).await?;
            started.ready(&cluster).await?;
            proxy.add(&started).await?;
            asked(&cluster, &started).await?;
            container = Some((started, proxy));
        }
    }
    let (mut container, _proxy) = container.context("the page installs the webhook")?;
    ensure!(!container.ended()?, "the webhook still runs");
    Ok(())
}

/// Waits until the API server asks the webhook: whoever reads the page takes longer than its CA bundle does.
async fn asked(cluster: &Cluster, container: &Container) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "default");
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "probe"}, "spec": {"containers": [
        {"name": "a", "image": "example.com/a:1", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}))?;
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let recorded = async || {
        pods.create(&parameters, &pod).await?;
        Ok((fs::metadata(container.log())?.len() > 0).then_some(()))
    };
    cluster.wait_for("the API server to ask the webhook", recorded).await
}

#[test]
fn what_is_shown_is_compared_by_words() {
    assert!(is_shown("starter   audit   -100         2s", "starter  audit -100"));
    assert!(is_shown("Error from server (Forbidden): error when creating \"a\": denied: no", "Error from server (Forbidden): …denied…"));
    assert!(!is_shown("Error from server (Forbidden): let in", "Error from server (Forbidden): …denied…"));
    let shown = ["a".to_owned(), "b".to_owned()];
    assert_eq!((missing("b\na\n", &shown), missing("a\nx\nb\n", &shown)), (Some("b"), None));
    let page = "Text.\n\n`f.yaml`, a file:\n\n```yaml\na: 1\n```\n\n```sh\ncat f.yaml\n```\n\n```text\na: 1\n```\n";
    let expected = [Step::File("f.yaml".to_owned(), "a: 1\n".to_owned()), Step::Run("cat f.yaml".to_owned(), vec!["a: 1".to_owned()])];
    assert_eq!(steps(page).unwrap(), expected);
}
