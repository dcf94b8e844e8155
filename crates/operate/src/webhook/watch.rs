//! Watches: from the API server to the [`World`]. They go on whatever happens to them; reviews never wait for them.

use super::{
    kinds::{WATCHED, Watched},
    now,
    seen::Seen,
    world::World,
};
use futures::StreamExt as _;
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What has changed within so long is made into rules together.
const SETTLE: Duration = Duration::from_millis(20);

/// How often it is asked whether the API server serves a custom kind that it did not serve before.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How many of the watches that there must be have listed all that there is.
#[derive(Debug, Default)]
pub struct Synced {
    listed: AtomicUsize,
}

impl Synced {
    /// Has everything been listed that a judgement may need?
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.listed.load(Ordering::Acquire) >= WATCHED.iter().filter(|watched| watched.always).count()
    }
}

/// Watches all of it, for ever.
pub async fn run(client: Client, world: Arc<World>, synced: Arc<Synced>) {
    let renews = {
        let world = world.clone();
        async move {
            loop {
                world.changed().await;
                tokio::time::sleep(SETTLE).await;
                world.renew();
            }
        }
    };
    let watches = WATCHED.iter().map(|watched| {
        let (client, world, synced) = (client.clone(), world.clone(), synced.clone());
        async move {
            if !watched.always {
                until_served(&client, watched).await;
            }
            watch(client, watched, &world, &synced).await;
        }
    });
    tokio::join!(renews, futures::future::join_all(watches));
}

async fn watch(client: Client, watched: &'static Watched, world: &World, synced: &Synced) {
    let api: Api<Seen> = Api::all_with(client, &watched.api());
    // Pages of it: a list of all pods of a large cluster at once would need more memory than all the rest.
    let mut events = Box::pin(watcher(api, watcher::Config::default().page_size(250)).default_backoff());
    let mut listed = HashSet::new();
    let mut is_first = true;
    while let Some(event) = events.next().await {
        let now = now();
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(seen)) => {
                world.apply(watched, &seen, now);
                listed.extend(seen.metadata.name.map(|name| (seen.metadata.namespace, name)));
            }
            Ok(Event::InitDone) => {
                world.keep_only(watched, &listed, now);
                listed = HashSet::new();
                if is_first && watched.always {
                    is_first = false;
                    // What was listed counts before anybody is told that it is there.
                    world.renew();
                    synced.listed.fetch_add(1, Ordering::AcqRel);
                }
            }
            Ok(Event::Apply(seen)) => world.apply(watched, &seen, now),
            Ok(Event::Delete(seen)) => {
                let name = seen.metadata.name.as_deref().unwrap_or_default();
                world.delete(watched, seen.metadata.namespace.as_deref(), name, now);
            }
            Err(error) => {
                let remedy = if plimsoll_api::GROUP == watched.group { "; are its definitions applied (deploy/crds)?" } else { "" };
                tracing::warn!(resource = watched.resource, group = watched.group, %error, "the watch goes on in a moment{remedy}");
            }
        }
    }
}

/// Waits until the API server serves a kind.
async fn until_served(client: &Client, watched: &Watched) {
    let path = format!("/apis/{}/{}", watched.group, watched.version);
    loop {
        if let Ok(request) = http::Request::get(&path).body(Vec::new())
            && let Ok(list) = client.request::<serde_json::Value>(request).await
            && list["resources"].as_array().into_iter().flatten().any(|resource| resource["name"] == watched.resource)
        {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
