//! `Team`: who owns namespaces, and how much they may use.

use crate::{ApiError, Metadata, guardrail::check_patterns, named, pattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A team.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Team {
    /// The API version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// Its metadata.
    pub metadata: Metadata,
    /// What it owns and may use.
    pub spec: TeamSpec,
    /// What has just been let in.
    #[serde(default)]
    pub status: TeamStatus,
}

/// What has just been let in for a team, and may not be seen in the cluster yet. The webhooks write it, so that two of them do not
/// give away the same GPUs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamStatus {
    /// Bookings, each until a moment.
    #[serde(default)]
    pub bookings: Vec<Booking>,
    /// What it has spent in a calendar month, as whoever counts it says; absent: nobody counts.
    #[serde(default)]
    pub spent: Option<Spent>,
}

/// What a team has spent in a calendar month, in the currency of its budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spent {
    /// The month (UTC), such as 2026-11.
    pub month: String,
    /// The amount until now.
    pub amount: f64,
}

/// GPUs of an object that has just been let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Booking {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The devices that its pods hold at once.
    pub gpus: u64,
    /// Until when it counts, where the object has not been seen by then (RFC 3339).
    pub until: String,
}

/// What a team owns and may use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeamSpec {
    /// Its namespaces by name, `*` for any characters. Workloads labelled with its name are its own too.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// How much it may use at once.
    #[serde(default)]
    pub limits: Limits,
    /// GPU models that it may ask for, by the product label, `*` for any characters; empty: all.
    #[serde(default)]
    pub models: Vec<String>,
    /// What it may spend; absent: nothing is said.
    #[serde(default)]
    pub budget: Option<Budget>,
}

/// How much a team may use at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// GPUs: whole ones, slices and shares count as one each; absent: no limit.
    #[serde(default)]
    pub gpus: Option<u64>,
}

/// What a team may spend in a calendar month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budget {
    /// The amount a month, in units of the currency.
    pub month: f64,
    /// The currency (ISO 4217).
    #[serde(default = "usd")]
    pub currency: String,
}

fn usd() -> String {
    "USD".to_owned()
}

impl Team {
    /// What the schema cannot say.
    ///
    /// # Errors
    /// [`ApiError::Field`].
    pub fn validate(&self) -> Result<(), ApiError> {
        named("Team", &self.metadata)?;
        let wrong =
            |field: &str, why: String| ApiError::Field { kind: "Team", name: self.metadata.name.clone(), field: field.to_owned(), why };
        check_patterns(&self.spec.namespaces).map_err(|why| wrong("spec.namespaces", why))?;
        check_patterns(&self.spec.models).map_err(|why| wrong("spec.models", why))?;
        if let Some(budget) = &self.spec.budget {
            if !budget.month.is_finite() || budget.month < 0.0 {
                return Err(wrong("spec.budget.month", format!("{} is not an amount of money", budget.month)));
            }
            if budget.currency.len() != 3 || !budget.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err(wrong("spec.budget.currency", format!("'{}' is not a currency such as USD", budget.currency)));
            }
        }
        Ok(())
    }

    /// Does it own the namespace of that name?
    #[must_use]
    pub fn owns(&self, namespace: &str) -> bool {
        pattern::any(&self.spec.namespaces, namespace)
    }
}
