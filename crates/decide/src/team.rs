//! Whose a workload is.

use plimsoll_fleet::{Fleet, Name, Workload, selector::Labels};
use std::collections::HashMap;

/// Labels and annotations that name an owner, the first that is there wins; on the workload before its namespace.
pub const LABELS: [&str; 8] = [
    "plimsoll.dev/team",
    "team",
    "owner",
    "app.kubernetes.io/owner",
    "cost-centre",
    "cost-center",
    "field.cattle.io/projectId",
    "kubernetes.io/team",
];

/// Finds the team of a namespace and of a workload.
#[derive(Debug)]
pub struct Teams<'a> {
    labels: Vec<&'a str>,
    of_namespace: HashMap<&'a str, &'a Name>,
}

impl<'a> Teams<'a> {
    /// For `fleet`, by `labels` (the first that is there wins).
    #[must_use]
    pub fn new(fleet: &'a Fleet, labels: Vec<&'a str>) -> Self {
        let named = |namespace: &'a plimsoll_fleet::fleet::Namespace| {
            first(&labels, &namespace.labels).or_else(|| first(&labels, &namespace.annotations))
        };
        let of_namespace = fleet.namespaces.iter().filter_map(|namespace| Some((&*namespace.name, named(namespace)?))).collect();
        Self { labels, of_namespace }
    }

    /// The team that owns a namespace; none: nobody says so.
    #[must_use]
    pub fn of_namespace(&self, namespace: &str) -> Option<&'a Name> {
        self.of_namespace.get(namespace).copied()
    }

    /// The team that owns a workload.
    #[must_use]
    pub fn of_workload(&self, workload: &'a Workload, pod_labels: Option<&'a Labels>) -> Option<&'a Name> {
        first(&self.labels, &workload.labels)
            .or_else(|| first(&self.labels, &workload.annotations))
            .or_else(|| pod_labels.and_then(|labels| first(&self.labels, labels)))
            .or_else(|| self.of_namespace(&workload.namespace))
    }
}

fn first<'a>(keys: &[&str], labels: &'a Labels) -> Option<&'a Name> {
    keys.iter().find_map(|key| labels.get(*key).filter(|value| !value.is_empty()))
}
