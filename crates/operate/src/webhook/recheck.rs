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

/// Objects of a page.
const PAGE: u32 = 250;

/// How long a page may take.
const PAGE_TIME_MAX: Duration = Duration::from_secs(60);

/// Objects that are judged before reviews have their turn on this thread.
const AT_ONCE: usize = 16;

/// Most objects that are logged of one re-check, and most faults that are remembered as logged: 8 bytes each.
const LOGGED_MAX: usize = 100;
const KNOWN_MAX: usize = 1_000_000;

/// Objects by the rule that they break, its mode and their namespace.
pub(super) type Broken = BTreeMap<(Name, Mode, Name), u64>;

/// Re-checks for ever: `every` so often, while this replica leads.
pub(super) async fn run(client: Client, shared: Arc<Shared>, leader: Leader, every: Duration) {
    let (mut due, mut known) = (None, HashSet::new());
    loop {
        tokio::time::sleep(TICK).await;
        if !leader.leads() || !shared.is_loaded() {
            if due.take().is_some() {
                shared.metrics.rechecked(&Broken::new(), None);
            }
            continue;
        }
        if Instant::now() < *due.get_or_insert_with(|| Instant::now() + FIRST.min(every)) {
            continue;
        }
        due = Some(Instant::now() + every);
        match recheck(&client, &shared).await {
            Ok(found) => {
                shared.metrics.rechecked(&found.broken, Some(super::now()));
                tell(&found, &mut known);
            }
            Err((resource, why)) => {
                tracing::warn!(resource, why, "what the cluster holds could not be checked again; the next time is as usual");
            }
        }
    }
}

/// What was found.
#[derive(Default)]
struct Found {
    objects: u64,
    broken: Broken,
    /// What breaks a rule at `enforce`.
    refused: Vec<Breach>,
}

async fn recheck(client: &Client, shared: &Shared) -> Result<Found, (&'static str, String)> {
    let mut all = Found::default();
    let judged = WATCHED.iter().filter(|watched| manifest::is_judged(&watched.api().api_version, watched.kind));
    for watched in judged {
        let found = of_kind(client, shared, watched).await.map_err(|why| (watched.resource, why))?;
        all.objects += found.objects;
        for (key, count) in found.broken {
            *all.broken.entry(key).or_default() += count;
        }
        all.refused.extend(found.refused);
    }
    Ok(all)
}

async fn of_kind(client: &Client, shared: &Shared, watched: &'static Watched) -> Result<Found, String> {
    let api: Api<Seen> = Api::all_with(client.clone(), &watched.api());
    let (mut found, mut params) = (Found::default(), ListParams::default().limit(PAGE));
    loop {
        let page = match tokio::time::timeout(PAGE_TIME_MAX, api.list(&params)).await {
            Ok(Ok(page)) => page,
            // The cluster does not serve it.
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => return Ok(found),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("the API server does not answer".to_owned()),
        };
        for (at, seen) in page.items.into_iter().enumerate() {
            shared.door.judge_held(watched, seen).into_iter().for_each(|judgement| found.add(judgement));
            if at % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

impl Found {
    fn add(&mut self, judgement: Judgement) {
        self.objects += 1;
        let rules: BTreeSet<_> = judgement.breaches.iter().map(|breach| (&breach.rule, breach.mode, &breach.subject.namespace)).collect();
        for (rule, mode, namespace) in rules {
            *self.broken.entry((rule.clone(), mode, namespace.clone())).or_default() += 1;
        }
        self.refused.extend(judgement.breaches.into_iter().filter(|breach| breach.mode == Mode::Enforce));
    }
}

/// Logs what was not there the last time.
fn tell(found: &Found, known: &mut HashSet<String>) {
    let now: HashSet<String> = found.refused.iter().map(Breach::fingerprint).take(KNOWN_MAX).collect();
    let new = || found.refused.iter().filter(|breach| !known.contains(&breach.fingerprint()));
    for breach in new().take(LOGGED_MAX) {
        let subject = breach.subject.to_string();
        tracing::warn!(rule = %breach.rule, subject, says = breach.says, "the cluster holds what the rules would refuse");
    }
    let (objects, new) = (found.objects, new().count());
    tracing::info!(objects, broken = found.refused.len(), new, "what the cluster holds was checked again");
    *known = now;
}
