//! What a guardrail adds to the objects that it covers, where it is absent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Defaults, and the translation of needs into devices. Each that is not named is left to other guardrails; where several name
/// it for one object, those of the greatest precedence count. What none of them turns on is not done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// The label plimsoll.dev/class, on the object and on its pods: the class as it is inferred.
    #[serde(default)]
    pub class_label: Option<bool>,
    /// Tolerations of the taints of GPU nodes: those of the pool, or of the rule toleration-and-selector.
    #[serde(default)]
    pub toleration: Option<bool>,
    /// The node selector of the pool: the one that the pod's label plimsoll.dev/pool names, or that of its namespace, or `pool`,
    /// or the only one whose nodes would do.
    #[serde(default)]
    pub selector: Option<bool>,
    /// The pool of workloads that name none.
    #[serde(default)]
    pub pool: Option<String>,
    /// Readiness and startup probes of online servers whose engine the image tells and whose port is declared.
    #[serde(default)]
    pub probes: Option<bool>,
    /// Deadline, retries and clean-up of work that ends.
    #[serde(default)]
    pub deadlines: Option<Deadlines>,
    /// A need (the annotations plimsoll.dev/gpu-memory and plimsoll.dev/gpu-compute) becomes the smallest device that a pool
    /// offers.
    #[serde(default)]
    pub translate: Option<bool>,
}

/// Deadline, retries and clean-up of work that ends, each where it is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deadlines {
    /// They are not to be added, whatever guardrails of less precedence say.
    #[serde(default)]
    pub disabled: bool,
    /// `activeDeadlineSeconds`, in hours; absent: the most that the rule job-limits allows.
    #[serde(default)]
    pub deadline_hours: Option<f64>,
    /// `backoffLimit`; absent: the most that the rule job-limits allows.
    #[serde(default)]
    pub retries: Option<u32>,
    /// `ttlSecondsAfterFinished`, in hours; absent: the most that the rule job-limits allows.
    #[serde(default)]
    pub cleanup_hours: Option<f64>,
}

/// Longest time that can be set, hours: ten years, well within what the API's 32 bits of seconds hold.
const HOURS_MAX: f64 = 87_600.0;

/// Most retries that can be set.
const RETRIES_MAX: u32 = 1_000;

impl Defaults {
    /// What the schema cannot say: the field and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let named = |name: &String| {
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
            !name.is_empty() && name.len() <= 253 && name.chars().all(good)
        };
        if let Some(pool) = self.pool.as_ref().filter(|pool| !named(pool)) {
            return Err(("pool", format!("'{pool}' is no name of a Pool: name one, without patterns")));
        }
        let Some(deadlines) = self.deadlines else { return Ok(()) };
        for (field, hours) in [("deadlines.deadlineHours", deadlines.deadline_hours), ("deadlines.cleanupHours", deadlines.cleanup_hours)] {
            if hours.is_some_and(|hours| !hours.is_finite() || hours <= 0.0 || hours > HOURS_MAX) {
                return Err((field, format!("it must be above 0 and at most {HOURS_MAX} hours")));
            }
        }
        if deadlines.retries.is_some_and(|retries| retries > RETRIES_MAX) {
            return Err(("deadlines.retries", format!("it must be at most {RETRIES_MAX}")));
        }
        Ok(())
    }
}
