//! The views that a user may ask for.

use plimsoll_decide::audit::views::{Row, Views};

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

    /// What the row without a key stands for.
    #[must_use]
    pub fn nobody(self) -> &'static str {
        match self {
            Self::Team => "no team, or free",
            Self::Namespace | Self::Workload => "free",
            Self::GpuModel => "model unknown",
            Self::Pool => "no pool",
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
