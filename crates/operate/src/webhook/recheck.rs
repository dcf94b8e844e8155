//! The re-check: what the cluster holds and the rules would not let in. While no replica answered, objects came in unjudged (failure
//! policy Ignore); others are older than the rule that they break.
//!
//! The replica that holds the Lease does it, page by page: nothing of an object is kept but what of it is told. Metrics say how much
//! there is, the log says what is new at `enforce`.

use super::{
    Shared,
    kinds::{WATCHED, Watched},
    seen::Seen,
};
use crate::lease::Leader;
use kube::{Api, Client, api::ListParams};
use plimsoll_api::Mode;
use plimsoll_decide::guard::{Breach, Judgement};
use plimsoll_fleet::Name;
use plimsoll_observe::manifest;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// How often it is asked whether this replica leads, and whether it is time.
const TICK: Duration = Duration::from_secs(1);

/// How long a replica leads before it looks for the first time: until what came in meanwhile is seen by its watches.
const FIRST: Duration = Duration::from_secs(30);

/// How long it waits where it could not be done.
const AGAIN: Duration = Duration::from_secs(60);

/// Objects of a page.
const PAGE: u32 = 250;

/// How long a page may take.
const PAGE_TIME_MAX: Duration = Duration::from_secs(60);

/// Objects that are judged before reviews have their turn on this thread.
const AT_ONCE: usize = 16;

/// Most faults that are logged of one re-check, and most that are remembered until the next: 8 bytes each.
const LOGGED_MAX: usize = 100;
const FAULTS_MAX: usize = 1_000_000;

/// What breaks a rule at `enforce`, as [`Breach::fault`] has it.
type Faults = HashSet<u64>;

/// Objects by the rule that they break, its mode and their namespace.
pub(super) type Counts = BTreeMap<(Name, Mode, Name), u64>;

/// Re-checks for ever: `every` so often, while this replica leads.
pub(super) async fn run(client: Client, shared: Arc<Shared>, leader: Leader, every: Duration) {
    let (mut due, mut known) = (None, Faults::new());
    loop {
        tokio::time::sleep(TICK).await;
        if !leader.leads() || !shared.is_loaded() {
            if due.take().is_some() {
                shared.metrics.rechecked(&Counts::new(), None);
            }
            continue;
        }
        if Instant::now() < *due.get_or_insert_with(|| Instant::now() + FIRST.min(every)) {
            continue;
        }
        due = Some(Instant::now() + every);
        match recheck(&client, &shared, &known).await {
            Ok(found) => {
                shared.metrics.rechecked(&found.broken, Some(super::now()));
                found.tell();
                known = found.faults;
            }
            Err((resource, why)) => {
                tracing::warn!(resource, why, "what the cluster holds could not be checked again; tried again in a moment");
                due = Some(Instant::now() + AGAIN.min(every));
            }
        }
    }
}

/// What was found.
#[derive(Default)]
struct Found {
    objects: u64,
    broken: Counts,
    faults: Faults,
    /// Those that were not there the last time: the first of them, and how many there are.
    new: Vec<Breach>,
    new_count: u64,
}

async fn recheck(client: &Client, shared: &Shared, known: &Faults) -> Result<Found, (&'static str, String)> {
    let mut all = Found::default();
    let judged = WATCHED.iter().filter(|watched| manifest::is_judged(&watched.api().api_version, watched.kind));
    for watched in judged {
        of_kind(client, shared, watched, known, &mut all).await.map_err(|why| (watched.resource, why))?;
    }
    Ok(all)
}

async fn of_kind(client: &Client, shared: &Shared, watched: &'static Watched, known: &Faults, found: &mut Found) -> Result<(), String> {
    let api: Api<Seen> = Api::all_with(client.clone(), &watched.api());
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = match tokio::time::timeout(PAGE_TIME_MAX, api.list(&params)).await {
            Ok(Ok(page)) => page,
            // The cluster does not serve it.
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => return Ok(()),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("the API server does not answer".to_owned()),
        };
        for (at, seen) in page.items.into_iter().enumerate() {
            shared.door.judge_held(watched, seen).into_iter().for_each(|judgement| found.add(judgement, known));
            if at % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}

impl Found {
    fn add(&mut self, judgement: Judgement, known: &Faults) {
        self.objects += 1;
        let rules: BTreeSet<_> = judgement.breaches.iter().map(|breach| (&breach.rule, breach.mode, &breach.subject.namespace)).collect();
        for (rule, mode, namespace) in rules {
            *self.broken.entry((rule.clone(), mode, namespace.clone())).or_default() += 1;
        }
        for breach in judgement.breaches.into_iter().filter(|breach| breach.mode == Mode::Enforce) {
            let fault = breach.fault();
            if self.faults.len() < FAULTS_MAX {
                self.faults.insert(fault);
            }
            if !known.contains(&fault) {
                self.new_count += 1;
                if self.new.len() < LOGGED_MAX {
                    self.new.push(breach);
                }
            }
        }
    }

    /// Logs it.
    fn tell(&self) {
        for breach in &self.new {
            let subject = breach.subject.to_string();
            tracing::warn!(rule = %breach.rule, subject, says = breach.says, "the cluster holds what the rules would refuse");
        }
        let (objects, broken, new) = (self.objects, self.faults.len(), self.new_count);
        tracing::info!(objects, broken, new, "what the cluster holds was checked again");
    }
}
