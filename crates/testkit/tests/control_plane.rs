//! Everything of the testkit at work, once.
#![allow(clippy::unwrap_used)]

use plimsoll_testkit::{Cluster, cluster::Options};

#[tokio::test]
async fn a_cluster_starts() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    let version = cluster.client().apiserver_version().await?;
    assert_eq!(version.git_version, "v1.36.2");
    Ok(())
}
