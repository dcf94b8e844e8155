//! What the webhook tells Prometheus. Names: `plimsoll_webhook_` and a noun; durations in seconds, `_total` at counters.

use super::recheck;
use plimsoll_api::Mode;
use plimsoll_fleet::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

/// Most namespaces that have series of their own; those beyond share one. Names of namespaces come from whoever makes them.
const NAMESPACES_MAX: usize = 1_000;

/// Upper bounds of the durations, seconds: from what a small pod takes to what the API server gives up at.
const BUCKETS: [f64; 12] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reviewed {
    path: &'static str,
    answer: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Broken {
    rule: String,
    mode: &'static str,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Path {
    path: &'static str,
}

impl Broken {
    fn new(rule: &str, mode: Mode, namespace: String) -> Self {
        Self { rule: rule.to_owned(), mode: mode.name(), namespace }
    }
}

/// The metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<Reviewed, Counter>,
    broken: Family<Broken, Counter>,
    seconds: Family<Path, Histogram>,
    bookings: Counter,
    conflicts: Counter,
    lost_records: Counter,
    ready: Gauge,
    certificate_ends: Gauge,
    wrong_objects: Gauge,
    held: Family<Broken, Gauge>,
    /// Of which series of `held` there are.
    holding: Mutex<BTreeSet<Broken>>,
    recheck_ended: Gauge,
    namespaces: Mutex<BTreeSet<String>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("plimsoll_webhook");
        let seconds = Family::<Path, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let metrics = Self {
            registry: Registry::default(),
            reviews: Family::default(),
            broken: Family::default(),
            seconds,
            bookings: Counter::default(),
            conflicts: Counter::default(),
            lost_records: Counter::default(),
            ready: Gauge::default(),
            certificate_ends: Gauge::default(),
            wrong_objects: Gauge::default(),
            held: Family::default(),
            holding: Mutex::default(),
            recheck_ended: Gauge::default(),
            namespaces: Mutex::default(),
        };
        registry.register("reviews", "Reviews by path and answer: allowed, refused, failed", metrics.reviews.clone());
        registry.register("broken_rules", "Broken rules by mode and namespace", metrics.broken.clone());
        registry.register_with_unit("review_duration", "How long reviews take", Unit::Seconds, metrics.seconds.clone());
        registry.register("bookings", "GPUs booked for a team at admission", metrics.bookings.clone());
        registry.register(
            "booking_conflicts",
            "Bookings that another replica was faster with, and that were tried again",
            metrics.conflicts.clone(),
        );
        registry.register("lost_records", "Records of decisions that could not be written in time", metrics.lost_records.clone());
        registry.register("ready", "1: rules, cluster and certificate are there", metrics.ready.clone());
        registry.register_with_unit(
            "certificate_end_time",
            "When the certificate ends, Unix time",
            Unit::Seconds,
            metrics.certificate_ends.clone(),
        );
        registry.register("wrong_objects", "Guardrails, teams and pools that cannot be judged by", metrics.wrong_objects.clone());
        registry.register(
            "held_broken_rules",
            "Objects that the cluster holds and that break a rule, by rule, mode and namespace, as they were checked again by the replica \
             that leads",
            metrics.held.clone(),
        );
        registry.register_with_unit(
            "recheck_end_time",
            "When what the cluster holds was last checked again, Unix time; 0: not by this replica",
            Unit::Seconds,
            metrics.recheck_ended.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// A review has been answered.
    pub fn reviewed(&self, path: &'static str, answer: &'static str, seconds: f64) {
        self.reviews.get_or_create(&Reviewed { path, answer }).inc();
        self.seconds.get_or_create(&Path { path }).observe(seconds);
    }

    /// A rule was broken.
    pub fn broke(&self, rule: &str, mode: Mode, namespace: &str) {
        self.broken.get_or_create(&Broken::new(rule, mode, self.named(namespace))).inc();
    }

    /// What the cluster holds was checked again; without a moment: this replica does so no more.
    pub(super) fn rechecked(&self, broken: &recheck::Counts, at: Option<Timestamp>) {
        let mut counts: BTreeMap<Broken, u64> = BTreeMap::new();
        for ((rule, mode, namespace), count) in broken {
            *counts.entry(Broken::new(rule, *mode, self.named(namespace))).or_default() += count;
        }
        let mut holding = self.holding.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in holding.iter().filter(|series| !counts.contains_key(series)) {
            self.held.remove(gone);
        }
        for (series, count) in &counts {
            self.held.get_or_create(series).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
        *holding = counts.into_keys().collect();
        self.recheck_ended.set(at.map_or(0, |at| at.0));
    }

    /// The namespace as series have it.
    fn named(&self, namespace: &str) -> String {
        let mut known = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = known.contains(namespace) || known.len() < NAMESPACES_MAX && known.insert(namespace.to_owned());
        if is_known { namespace } else { "(others)" }.to_owned()
    }

    /// GPUs were booked, after so many tries that another was faster with.
    pub fn booked(&self, gpus: u64, conflicts: u64) {
        self.bookings.inc_by(gpus);
        self.conflicts.inc_by(conflicts);
    }

    /// A record could not be written in time.
    pub fn lost_record(&self) {
        self.lost_records.inc();
    }

    /// The page that Prometheus reads.
    pub fn page(&self, is_ready: bool, certificate_ends: Option<i64>, wrong_objects: usize) -> String {
        self.ready.set(i64::from(is_ready));
        self.certificate_ends.set(certificate_ends.unwrap_or(0));
        self.wrong_objects.set(i64::try_from(wrong_objects).unwrap_or(i64::MAX));
        let mut page = String::new();
        // Writing to a text cannot fail.
        let _ = encode(&mut page, &self.registry);
        page
    }
}
