//! In the cluster: the admission webhook, its certificate, leader election.
//!
//! It holds no rule: it calls `plimsoll-decide`.
