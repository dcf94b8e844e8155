//! A private network namespace: the way to a pod address that is not loopback, without root.
//!
//! The API server refuses to proxy to a loopback address. So a test that needs `pods/NAME:PORT/proxy` runs itself again
//! under `unshare`, with a network of its own in which [`ADDRESS`] can be bound and given to a pod as its podIP.

use crate::{
    programs::Programs,
    word::{MARK, say, skip},
};
use anyhow::{Context as _, ensure};
use std::{net::Ipv4Addr, process::Command};

/// The address that exists inside of the namespace, beside loopback.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// Set inside of the namespace.
const INSIDE: &str = "PLIMSOLL_TESTKIT_NETNS";

/// A veth pair (`ip` is not on the PATH of every user): dummy interfaces are missing on some kernels.
const NETWORK: &str = "PATH=$PATH:/usr/sbin:/sbin && ip link set lo up && ip link add d0 type veth peer name d1 && ip addr add 10.9.0.1/16 dev d0 \
    && ip link set d0 up && ip link set d1 up";

/// Is this the run inside of the namespace? Then the test does its work. Otherwise the test of this binary named `test` (its full
/// path) has been run there, and has passed or was skipped; this run has nothing left to do.
///
/// # Errors
/// The test failed inside.
pub async fn inside(test: &str) -> anyhow::Result<bool> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(true);
    }
    // Inside there is no network to fetch Go modules from.
    if Programs::ready().await?.is_none() {
        return Ok(false);
    }
    if let Some(why) = tokio::task::spawn_blocking(refused).await? {
        skip(&format!("{test} needs a private network namespace: {why}"));
        return Ok(false);
    }
    let binary = std::env::current_exe().context("cannot find this test's own binary")?;
    let mut again = Command::new("unshare");
    again
        .args(["-rn", "sh", "-c", &format!("{NETWORK} && exec \"$@\""), "sh"])
        .arg(binary)
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .env(INSIDE, "1");
    let output = tokio::task::spawn_blocking(move || again.output()).await?.context("cannot run unshare")?;
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{test} failed in its network namespace:\n{told}");
    ensure!(told.contains("1 passed"), "there is no test {test} in this binary:\n{told}");
    told.lines().filter_map(|line| line.strip_prefix(MARK)).for_each(say);
    Ok(false)
}

/// Inside: makes `address` one of this namespace's own, as that of a Service, for which a process here can then answer.
///
/// # Errors
/// It is outside, or the address cannot be had.
pub fn own(address: Ipv4Addr) -> anyhow::Result<()> {
    ensure!(std::env::var_os(INSIDE).is_some(), "addresses are given only inside of a network namespace of our own");
    let add = format!("PATH=$PATH:/usr/sbin:/sbin && ip addr add {address}/32 dev lo");
    let output = Command::new("sh").args(["-c", &add]).output().context("cannot run sh")?;
    ensure!(output.status.success(), "{address} cannot be had: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Why there can be no such namespace here; none: there can.
fn refused() -> Option<String> {
    let tried = Command::new("unshare").args(["-rn", "sh", "-c", NETWORK]).output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("the kernel refuses it ({})", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Some(format!("unshare (util-linux) cannot be run ({error})")),
    }
}
