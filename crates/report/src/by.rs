//! The views that a user may ask for.

use crate::words;
use plimsoll_decide::audit::views::{Key, Row, Views};

/// By what the figures are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// By team.
    Team,
    /// By namespace.
    Namespace,
    /// By workload.
    Workload,
    /// By GPU model.
    GpuModel,
    /// By pool.
    Pool,
}

impl By {
    /// All of them, in the order in which reports show them.
    pub const ALL: [Self; 5] = [Self::Team, Self::Namespace, Self::Workload, Self::GpuModel, Self::Pool];

    /// As the command line writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Namespace => "namespace",
            Self::Workload => "workload",
            Self::GpuModel => "gpu-model",
            Self::Pool => "pool",
        }
    }

    /// From the command line.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.name() == name)
    }

    /// As people write it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::GpuModel => "GPU model",
            other => other.name(),
        }
    }

    /// Whose a row is.
    #[must_use]
    pub fn key(self, row: &Row) -> String {
        match (&row.key, self) {
            (Key::Named(name), _) => words::clean(name),
            (Key::Free, _) => "(nobody)".to_owned(),
            (Key::Unnamed, Self::GpuModel) => "(model unknown)".to_owned(),
            (Key::Unnamed, by) => format!("(no {})", by.name()),
        }
    }

    /// The rows of it.
    #[must_use]
    pub fn rows(self, views: &Views) -> &[Row] {
        match self {
            Self::Team => &views.team,
            Self::Namespace => &views.namespace,
            Self::Workload => &views.workload,
            Self::GpuModel => &views.gpu_model,
            Self::Pool => &views.pool,
        }
    }
}
