//! Which of the replicas does what only one may do: a Lease, as `client-go`'s leader election holds it.
//!
//! Clocks of machines are not compared: a replica takes the Lease when it has seen no change of it for its whole duration by its
//! own clock, which only goes forward. A holder that could not renew in time knows so before another takes over.

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a Lease holds without being renewed, how long its holder trusts it, and how often it is renewed: the values of
/// kube-controller-manager (`--leader-elect-lease-duration`, `-renew-deadline`), with a rarer retry.
const DURATION: Duration = Duration::from_secs(15);
const TRUST: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(4);

/// Does this replica lead?
#[derive(Debug, Clone, Default)]
pub struct Leader(Arc<Mutex<Option<Instant>>>);

impl Leader {
    /// Is the Lease held, and was it renewed lately enough?
    #[must_use]
    pub fn leads(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|renewed| renewed.elapsed() < TRUST)
    }

    fn set(&self, renewed: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
    }
}

/// A try to get or keep a Lease.
pub struct Election {
    leases: Api<Lease>,
    name: String,
    me: String,
    leader: Leader,
    /// The Lease's version when it last changed, and when that was seen.
    seen: Option<(String, Instant)>,
}

impl Election {
    /// For the Lease `name`, as `me`.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, me: String) -> Self {
        Self { leases: Api::namespaced(client, namespace), name: name.to_owned(), me, leader: Leader::default(), seen: None }
    }

    /// Whether this replica leads, at any time.
    #[must_use]
    pub fn leader(&self) -> Leader {
        self.leader.clone()
    }

    /// Takes and renews it, for ever.
    pub async fn run(mut self) {
        loop {
            let led = self.leader.leads();
            if let Err(error) = self.once().await {
                tracing::warn!(lease = self.name, %error, "the Lease could not be read or written; tried again in a moment");
            }
            let leads = self.leader.leads();
            if led != leads {
                tracing::info!(lease = self.name, me = self.me, leads, "leadership has changed");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn once(&mut self) -> Result<(), kube::Error> {
        let start = Instant::now();
        let Some(lease) = self.leases.get_opt(&self.name).await? else {
            let lease =
                Lease { metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() }, spec: Some(self.spec(None)) };
            // Of several that are created at once one is.
            let created = self.leases.create(&PostParams::default(), &lease).await;
            return self.took(start, created);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder != self.me && !holder.is_empty() {
            self.leader.set(None);
            if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
                self.seen = Some((version, Instant::now()));
            }
            let said = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(DURATION, Duration::from_secs);
            // One who says that it holds for a day is not waited for.
            let holds = said.min(4 * DURATION);
            if self.seen.as_ref().is_none_or(|(_, since)| since.elapsed() < holds) {
                return Ok(());
            }
        }
        let lease = Lease { spec: Some(self.spec(Some(&spec))), ..lease };
        let replaced = self.leases.replace(&self.name, &PostParams::default(), &lease).await;
        self.took(start, replaced)
    }

    fn took(&mut self, start: Instant, written: Result<Lease, kube::Error>) -> Result<(), kube::Error> {
        match written {
            Ok(lease) => {
                self.seen = lease.metadata.resource_version.map(|version| (version, Instant::now()));
                self.leader.set(Some(start));
                Ok(())
            }
            // Somebody was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = Some(MicroTime(jiff::Timestamp::now()));
        let is_new = before.is_none_or(|before| before.holder_identity.as_deref() != Some(&self.me));
        let transitions = before.and_then(|before| before.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if is_new { now.clone() } else { before.and_then(|before| before.acquire_time.clone()) },
            renew_time: now,
            lease_transitions: Some(transitions.saturating_add(i32::from(is_new && before.is_some()))),
            ..LeaseSpec::default()
        }
    }
}

/// Gives the Lease back, so that another replica need not wait for it.
pub async fn release(client: Client, namespace: &str, name: &str, leader: &Leader) {
    if !leader.leads() {
        return;
    }
    leader.set(None);
    let leases: Api<Lease> = Api::namespaced(client, namespace);
    if let Ok(Some(mut lease)) = leases.get_opt(name).await {
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
        }
        // Who comes in between has it.
        drop(leases.replace(name, &PostParams::default(), &lease).await);
    }
}
