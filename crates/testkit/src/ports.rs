//! Free ports, safely: held against every other test process by a lock file until they are let go.
//!
//! Asking the kernel for port 0 and closing the socket again is a race: the next one to ask gets the same port. These ports
//! lie below the kernel's ephemeral range (32768 up), so no outgoing connection takes them either.

use anyhow::bail;
use std::{
    fs::File,
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

/// First and last port that is ever given.
const RANGE: (u16, u16) = (20_000, 31_999);

/// A port that is this process's own until this is dropped.
#[derive(Debug)]
pub struct Port {
    /// Its number.
    pub number: u16,
    _lock: File,
}

/// Takes a free port.
///
/// # Errors
/// There is none, or no folder for the locks.
pub fn take() -> anyhow::Result<Port> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let folder = crate::programs::cache_folder("ports")?;
    let span = RANGE.1 - RANGE.0 + 1;
    // Processes begin at places of their own, so that they seldom meet.
    let start = (std::process::id() as u16).wrapping_mul(97);
    for _ in 0..span {
        let number = RANGE.0 + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % span;
        let path = folder.join(number.to_string());
        let Ok(lock) = File::options().create(true).append(true).open(&path) else { continue };
        if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).is_ok() {
            return Ok(Port { number, _lock: lock });
        }
    }
    bail!("no free port between {} and {}", RANGE.0, RANGE.1)
}
