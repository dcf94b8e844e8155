//! Two replicas as the chart runs them, behind its Service, while objects come all the time: they end, they die, and the API server
//! does. (Rules, certificates and Leases that change: `tests/live/faults.rs`.)
//!
//! Whatever happens, nothing is refused that the rules allow, and nothing is let in that they refuse while a replica is there to say
//! so: only what a replica was answering when it was killed, and what is sent to it until that is seen, goes without an answer.

use crate::{
    container::{Container, Proxy},
    helm::{Helm, NAMESPACE, chart},
    load::{Silence, Tally, WORK, under_load},
};
use anyhow::{Context as _, ensure};
use plimsoll_testkit::{Cluster, cluster::Options, netns};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// At most 8 GPUs a pod, and nothing else: every other rule would be one more reason.
const RULES: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: work}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: basics}
spec: {rules: [{name: gpus-per-pod, mode: enforce, parameters: {most: 8}}]}
";

/// What a test of faults stands on.
struct Ground {
    helm: Helm,
    cluster: Cluster,
    folder: tempfile::TempDir,
    proxy: Proxy,
    replicas: [Container; 2],
}

impl Ground {
    async fn new(helm: Helm, cluster: Cluster) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        install(&helm, &cluster, "install", &["starter.enabled=false"])?;
        cluster.apply_yaml(RULES).await?;
        let proxy = Proxy::start(&cluster).await?;
        let start = async |number| -> anyhow::Result<Container> {
            let mut replica = Container::start(&cluster, folder.path(), number).await?;
            replica.ready(&cluster).await?;
            Ok(replica)
        };
        let replicas = [start(1).await?, start(2).await?];
        for replica in &replicas {
            proxy.add(replica).await?;
        }
        let ground = Self { helm, cluster, folder, proxy, replicas };
        ground.judges().await?;
        Ok(ground)
    }

    /// Waits until the API server has the CA bundle and the replicas have the rules: then everything is judged.
    async fn judges(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let tally = under_load(&self.cluster, "at rest", Silence::Ignore, async { Ok(()) }).await?;
            if tally.silent.is_empty() && tally.answered > 0 {
                return no_wrong(&tally);
            }
            ensure!(start.elapsed() < Duration::from_secs(120), "nobody judges: {tally:?}\n{}", self.replicas[0].words());
        }
    }

    /// A replica again, in the place of one that is gone.
    async fn again(&mut self, place: usize) -> anyhow::Result<()> {
        self.replicas[place] = Container::start(&self.cluster, self.folder.path(), place as u16 + 1).await?;
        self.replicas[place].ready(&self.cluster).await?;
        self.proxy.add(&self.replicas[place]).await
    }
}

fn install(helm: &Helm, cluster: &Cluster, verb: &str, values: &[&str]) -> anyhow::Result<()> {
    let (chart, kubeconfig) = (chart(), cluster.kubeconfig());
    let path = |path: &Path| path.to_str().map(str::to_owned).context("a path that can be written");
    let mut arguments = vec![verb, "plimsoll"];
    let (chart, kubeconfig) = (path(&chart)?, path(&kubeconfig)?);
    arguments.extend([&*chart, "--namespace", NAMESPACE, "--kubeconfig", &*kubeconfig]);
    if verb == "install" {
        arguments.push("--create-namespace");
    }
    helm.must(&arguments, values).map(drop)
}

fn no_wrong(tally: &Tally) -> anyhow::Result<()> {
    ensure!(tally.wrong.is_empty(), "{} wrong answers, the first: {}", tally.wrong.len(), tally.wrong[0]);
    Ok(())
}

/// Nothing went unanswered.
fn all_answered(tally: &Tally) -> anyhow::Result<()> {
    no_wrong(tally)?;
    ensure!(tally.silent.is_empty(), "{} objects without an answer over {:?}", tally.silent.len(), tally.gap());
    ensure!(tally.answered > 20, "there was load: {tally:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_end_and_die_under_load() -> anyhow::Result<()> {
    let Some(mut ground) = ground("faults::replicas_end_and_die_under_load").await? else { return Ok(()) };
    for place in [0, 1] {
        let (cluster, replica) = (&ground.cluster, &mut ground.replicas[place]);
        let tally = under_load(cluster, "a replica is told to end", Silence::Ignore, replica.end()).await?;
        all_answered(&tally)?;
        ground.again(place).await?;
    }
    for (place, silence) in [(0, Silence::Ignore), (1, Silence::Fail)] {
        if silence == Silence::Fail {
            install(&ground.helm, &ground.cluster, "upgrade", &["starter.enabled=false", "validation.failurePolicy=Fail"])?;
            let tally = under_load(&ground.cluster, "failurePolicy becomes Fail", Silence::Ignore, async { Ok(()) }).await?;
            all_answered(&tally)?;
        }
        let (cluster, replica) = (&ground.cluster, &mut ground.replicas[place]);
        let tally = under_load(cluster, &format!("a replica is killed ({silence:?})"), silence, async {
            replica.kill().await?;
            tokio::time::sleep(Duration::from_secs(8)).await;
            Ok(())
        })
        .await?;
        no_wrong(&tally)?;
        // Until the replica is seen to be gone, new connections may still be sent to it.
        ensure!(tally.gap() < Duration::from_secs(20), "the other replica answers soon: {:?}", tally.gap());
        ensure!(tally.answered > 20 && tally.silent.len() < tally.answered as usize, "{tally:?}");
        ground.again(place).await?;
        let tally = under_load(&ground.cluster, "and is back", silence, async { Ok(()) }).await?;
        all_answered(&tally)?;
    }
    let gone = ground.cluster.outage(Duration::from_secs(5));
    let tally = under_load(&ground.cluster, "the API server dies, and is back after 5 s", Silence::Fail, gone).await?;
    ensure!(tally.unreachable > 0, "it was gone");
    all_answered(&tally)
}

/// The ground for the test of that name; none: it cannot be had here, or the test has run inside of its namespace.
async fn ground(test: &str) -> anyhow::Result<Option<Ground>> {
    let Some(helm) = Helm::ready().await? else { return Ok(None) };
    if !netns::inside(test).await? {
        return Ok(None);
    }
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(None) };
    cluster.apply_yaml(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {WORK}}}\n")).await?;
    Ground::new(helm, cluster).await.map(Some)
}
