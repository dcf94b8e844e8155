//! In the cluster: the admission webhook.
//!
//! - [`webhook`]: guardrails at the API server; start with [`webhook::run`]
//! - [`certificate`]: its certificate, made and rotated; [`lease`]: which of the replicas does that
//!
//! It holds no rule: it observes through `plimsoll-observe`, decides through `plimsoll-decide`, and acts. What it writes to a
//! cluster is its own Secret, its own Lease, the CA bundle of its own configurations, and bookings in the status of a Team.

pub mod certificate;
pub mod lease;
pub mod webhook;
