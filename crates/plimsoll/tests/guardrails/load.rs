//! Load on the API server: objects that the rules allow and objects that they refuse, in turn, and what came of them.
//!
//! All of it is dry runs: they are judged as others are, and leave nothing behind.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, api::PostParams};
use plimsoll_testkit::{Cluster, say};
use serde_json::json;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// The namespace of the objects.
pub const WORK: &str = "work";

/// Clients at once.
const CLIENTS: usize = 6;

/// The load goes on so long after the fault.
const AFTER: Duration = Duration::from_secs(2);

/// What the API server does where nobody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It lets in.
    Ignore,
    /// It refuses.
    Fail,
}

/// What came of the objects.
#[derive(Debug, Default)]
pub struct Tally {
    /// Judged, and judged right.
    pub answered: u64,
    /// When nobody judged, since the beginning.
    pub silent: Vec<Duration>,
    /// Requests that the API server itself did not take.
    pub unreachable: u64,
    /// Refused although the rules allow it, or let in although somebody judged: never right.
    pub wrong: Vec<String>,
}

impl Tally {
    /// From the first object that nobody judged to the last.
    pub fn gap(&self) -> Duration {
        let (first, last) = (self.silent.iter().min(), self.silent.iter().max());
        last.zip(first).map_or(Duration::ZERO, |(last, first)| *last - *first)
    }
}

fn deployment(gpus: u64) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": "llm", "namespace": WORK},
        "spec": {
            "selector": {"matchLabels": {"app": "llm"}},
            "template": {
                "metadata": {"labels": {"app": "llm"}},
                "spec": {"containers": [{"name": "server", "image": "example.com/llm:1", "resources": {"limits": {"nvidia.com/gpu": gpus.to_string()}}}]},
            },
        },
    }))
    .unwrap()
}

/// What happened to one object.
enum Fate {
    Right,
    Silent,
    Unreachable,
    Wrong(String),
}

async fn submit(api: &Api<Deployment>, object: &Deployment, allowed: bool, silence: Silence) -> Fate {
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&parameters, object).await {
        Ok(_) if allowed => Fate::Right,
        // With Ignore the API server does not say that nobody answered: what must be refused and is let in tells.
        Ok(_) if silence == Silence::Ignore => Fate::Silent,
        Ok(_) => Fate::Wrong("let in, although the rules refuse it".to_owned()),
        Err(kube::Error::Api(status)) if status.message.contains("denied the request") => {
            if allowed {
                Fate::Wrong(status.message.clone())
            } else {
                Fate::Right
            }
        }
        Err(kube::Error::Api(status)) if status.message.contains("failed calling webhook") => match silence {
            Silence::Fail => Fate::Silent,
            Silence::Ignore => Fate::Wrong(status.message.clone()),
        },
        Err(_) => Fate::Unreachable,
    }
}

/// Objects come and come while `fault` takes its course, and a little longer. `name` is what the table calls it.
pub async fn under_load(
    cluster: &Cluster,
    name: &str,
    silence: Silence,
    fault: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Tally> {
    let start = Instant::now();
    let (tally, over) = (Arc::new(Mutex::new(Tally::default())), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (tally, over, api) = (tally.clone(), over.clone(), Api::namespaced(cluster.client(), WORK));
            tokio::spawn(async move {
                let (allowed, refused) = (deployment(8), deployment(16));
                for turn in client.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let is_allowed = turn % 2 == 0;
                    let at = start.elapsed();
                    let fate = submit(&api, if is_allowed { &allowed } else { &refused }, is_allowed, silence).await;
                    let is_taken = !matches!(fate, Fate::Unreachable);
                    {
                        let mut tally = tally.lock().unwrap();
                        match fate {
                            Fate::Right => tally.answered += 1,
                            Fate::Silent => tally.silent.push(at),
                            Fate::Wrong(why) => tally.wrong.push(why),
                            Fate::Unreachable => tally.unreachable += 1,
                        }
                    }
                    if !is_taken {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            })
        })
        .collect();
    let done = fault.await;
    tokio::time::sleep(AFTER).await;
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await?;
    }
    let tally = std::mem::take(&mut *tally.lock().unwrap());
    say(&format!(
        "{name}: {} objects judged in {:.1} s, {} without an answer over {:.2} s, {} that no API server took, {} wrong",
        tally.answered,
        start.elapsed().as_secs_f64(),
        tally.silent.len(),
        tally.gap().as_secs_f64(),
        tally.unreachable,
        tally.wrong.len()
    ));
    done.map(|()| tally)
}
