//! What the metrics say of a pod that holds GPUs: one outcome, the same for all signs, so that signs about use never contradict.
//!
//! The rule that makes it safe: an outcome that accuses needs every metric that could clear the pod. So taking a metric
//! away can make an outcome unclear, and never turns one accusation into another:
//!
//! - *nothing ran* needs engine activity or `GPU_UTIL`, every one of them that was seen below the threshold, and likewise SM,
//!   tensor and DRAM activity where they were seen. (No SM can be active without the engine, so their absence clears nobody.)
//! - *idle* or *memory full* is told by the memory held: without it, there is no verdict between the two.
//! - *low compute* needs to have seen that something ran, DRAM activity (LLM decode lives there), SM activity or, as its upper
//!   bound, engine activity; and `GPU_UTIL` below the mark of *misleading*, except on MIG slices, which have none.
//! - *misleading* needs `GPU_UTIL`, SM and DRAM activity.
//! - *forgotten* is told from *idle* by the age of the pod and the window, which no metric changes.

use crate::audit::{
    finding::Confidence,
    settings::LEAST_EVIDENCE,
    view::{Holder, View},
};
use plimsoll_fleet::{Bytes, Class, Metric, PodId, PodUsage, Seconds, Sketch, mig, pod::Phase, resource};

/// The annotation by which a workload declares that its idle replicas are kept on purpose.
pub const HEADROOM: &str = "plimsoll.dev/headroom";
/// `GPU_UTIL` from here on makes people believe that a GPU is full.
pub const LOOKS_BUSY: f64 = 0.7;
/// A pod that is not ready so long after its start is not starting any more: it has lost its readiness, or never gets it.
pub const LONGEST_START: Seconds = Seconds(2 * 3_600);

/// What is the matter with a pod's GPUs. Exactly one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is being deleted.
    Leaving,
    /// It starts again and again.
    CrashLoop,
    /// It has not come up yet.
    Starting,
    /// Its owner keeps it idle on purpose ([`HEADROOM`]).
    Headroom,
    /// It runs for less than an hour.
    Young,
    /// No metric that is its own says of each of its devices whether anything ran.
    Dark,
    /// A notebook or the like on which nothing has run for days.
    Forgotten,
    /// Much of the memory is held, and nothing ran.
    MemoryFull,
    /// Nothing ran on some of its devices, or on all of them.
    Idle {
        /// Devices on which nothing ran.
        idle: u16,
        /// Devices that it holds.
        of: u16,
    },
    /// `GPU_UTIL` is high, and the SMs do little.
    Misleading,
    /// Something ran, and neither SMs nor tensor cores nor memory did much.
    LowCompute,
    /// It is used.
    Fine,
    /// Something ran; whether it was useful, what was seen does not settle.
    Unclear,
}

/// An outcome and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is the matter.
    pub outcome: Outcome,
    /// How sure, by the evidence behind it.
    pub confidence: Confidence,
}

impl Diagnosis {
    /// Was something seen to run on all of its devices?
    #[must_use]
    pub fn works(self) -> bool {
        matches!(self.outcome, Outcome::Misleading | Outcome::LowCompute | Outcome::Fine | Outcome::Unclear)
    }
}

/// The thresholds, looked up once.
#[derive(Debug, Clone, Copy)]
struct Limits {
    quiet: f64,
    low: f64,
    full: f64,
    misleading: f64,
    forgotten: Seconds,
    restarts: f64,
}

impl Limits {
    fn new(view: &View<'_>) -> Self {
        Self {
            quiet: view.threshold(&super::idle_gpu::SIGN),
            low: view.threshold(&super::low_compute::SIGN),
            full: view.threshold(&super::memory_full_compute_idle::SIGN),
            misleading: view.threshold(&super::misleading_utilisation::SIGN),
            forgotten: Seconds((view.threshold(&super::forgotten_notebook::SIGN).max(0.0) * 86_400.0) as u64),
            restarts: view.threshold(&super::held_by_crash_loop::SIGN),
        }
    }
}

/// Days without work after which a notebook counts as forgotten.
pub const FORGOTTEN_DAYS: f64 = 2.0;

/// The diagnosis of every pod, by its place; none for pods that hold no GPU.
pub(in crate::audit) fn all(view: &View<'_>) -> Vec<Option<Diagnosis>> {
    let limits = Limits::new(view);
    let mut all = vec![None; view.fleet.pods.len()];
    for (holder, pods) in view.holders() {
        for &pod in pods {
            all[pod.index()] = Some(of(view, &limits, holder, pod));
        }
    }
    all
}

fn of(view: &View<'_>, limits: &Limits, holder: Holder, id: PodId) -> Diagnosis {
    let told = |outcome| Diagnosis { outcome, confidence: Confidence::High };
    let pod = view.pod(id);
    if pod.deleting {
        return told(Outcome::Leaving);
    }
    if crash_loops(view, limits, id) {
        return told(Outcome::CrashLoop);
    }
    if starts(view, id) {
        return told(Outcome::Starting);
    }
    if is_headroom(view, holder, id) {
        return told(Outcome::Headroom);
    }
    let age = pod.started.or(pod.scheduled).or(pod.created).map(|since| view.fleet.at.since(since));
    if age.is_some_and(|age| age < LEAST_EVIDENCE) {
        return told(Outcome::Young);
    }
    let mut devices = view.own_usage_of(id).map(|usage| Device::new(view, limits, id, usage)).peekable();
    if devices.peek().is_none() {
        return told(Outcome::Dark);
    }
    let mut sum = Devices::default();
    devices.for_each(|device| sum.add(&device));
    let serves = || {
        view.engines_of(id).any(|engine| engine.requests.is_some_and(|n| n > 0.0) || engine.running.as_ref().is_some_and(|n| n.max() > 0.0))
    };
    let watched = view.fleet.evidence.window.map(|window| age.unwrap_or(window.length()).min(window.length())).unwrap_or_default();
    let still = sum.still == sum.quiet + sum.busy && sum.dark == 0 && watched >= limits.forgotten;
    if still && view.class(holder).class == Class::Dev && !serves() {
        Diagnosis { outcome: Outcome::Forgotten, confidence: view.confidence(sum.watched.min(watched)) }
    } else if sum.quiet > 0 && sum.dark == 0 && !serves() {
        quiet(view, limits, id, &sum)
    } else if sum.busy > 0 && sum.quiet == 0 && sum.dark == 0 {
        busy(view, limits, id)
    } else if sum.quiet > 0 && sum.dark == 0 {
        told(Outcome::Fine)
    } else {
        told(Outcome::Dark)
    }
}

fn crash_loops(view: &View<'_>, limits: &Limits, id: PodId) -> bool {
    let pod = view.pod(id);
    let often = f64::from(pod.restarts) >= limits.restarts;
    let backing_off = pod.waiting.as_deref() == Some("CrashLoopBackOff");
    let ended_badly = pod.last_exit.as_ref().is_some_and(|exit| exit.code != 0);
    let recently = pod.started.is_none_or(|started| view.fleet.at.since(started) < Seconds::HOUR);
    often && (backing_off || pod.ready.is_none() && ended_badly && recently)
}

fn starts(view: &View<'_>, id: PodId) -> bool {
    let pod = view.pod(id);
    let coming_up = pod.ready.is_none() && pod.started.is_some_and(|started| view.fleet.at.since(started) < LONGEST_START);
    pod.phase == Phase::Pending || coming_up
}

fn is_headroom(view: &View<'_>, holder: Holder, id: PodId) -> bool {
    let yes = |value: &str| !matches!(value, "false" | "0" | "no");
    let on_workload = match holder {
        Holder::Workload(workload) => view.fleet.workloads[workload.index()].annotations.get(HEADROOM),
        Holder::Pod(_) => None,
    };
    on_workload.or_else(|| view.shape(id).annotations.get(HEADROOM)).is_some_and(|value| yes(value))
}

/// Nothing ran on some or all of the devices.
fn quiet(view: &View<'_>, limits: &Limits, id: PodId, sum: &Devices) -> Diagnosis {
    let confidence = match sum.memory {
        Memory::Unseen => Confidence::TooLittle,
        Memory::Seen(span) => view.confidence(sum.running.min(span)),
    };
    let full = sum.capacity > 0.0 && sum.quiet_memory / sum.capacity >= limits.full;
    let outcome = if full && sum.busy == 0 {
        Outcome::MemoryFull
    } else {
        let held = view.held[id.index()].0.div_ceil(1000) as u16;
        Outcome::Idle { idle: sum.quiet, of: (sum.quiet + sum.busy).max(held) }
    };
    Diagnosis { outcome, confidence }
}

/// Something ran on every device: was it useful?
fn busy(view: &View<'_>, limits: &Limits, id: PodId) -> Diagnosis {
    let mean = |metric| view.mean(id, metric).map(|(mean, _)| mean).filter(|_| view.sees_all(id, metric));
    let span = |metric| span_of(view, id, metric);
    let [util, engine, sm, tensor, dram] =
        [Metric::GpuUtil, Metric::EngineActive, Metric::SmActive, Metric::TensorActive, Metric::DramActive].map(mean);
    let sliced = view.own_usage_of(id).any(|usage| usage.slice.is_some());
    let below = |figure: Option<f64>, limit: f64| figure.is_some_and(|figure| figure < limit);
    let looks_busy = !sliced && util.is_some_and(|util| util >= LOOKS_BUSY);
    let useful = [Metric::SmActive, Metric::TensorActive, Metric::DramActive]
        .into_iter()
        .any(|metric| view.mean(id, metric).is_some_and(|(mean, _)| mean >= limits.low));
    if looks_busy && below(sm, limits.misleading) && below(dram, limits.misleading) && tensor.is_none_or(|t| t < limits.misleading) {
        let evidence = [Metric::GpuUtil, Metric::SmActive, Metric::DramActive].into_iter().map(span).min().unwrap_or_default();
        return Diagnosis { outcome: Outcome::Misleading, confidence: view.confidence(evidence) };
    }
    let told_apart = sliced || util.is_some_and(|util| util < LOOKS_BUSY);
    let (by_sm, by_engine) = (below(sm, limits.low), below(engine, limits.low));
    if !useful && told_apart && below(dram, limits.low) && (by_sm || by_engine) {
        let compute =
            if by_sm { span(Metric::SmActive) } else { Seconds(0) }.max(if by_engine { span(Metric::EngineActive) } else { Seconds(0) });
        let util = if sliced { Seconds(u64::MAX) } else { span(Metric::GpuUtil) };
        let sure = view.confidence(compute.min(span(Metric::DramActive)).min(util));
        // Engine activity is only the upper bound of what the SMs did.
        let confidence = if by_sm { sure } else { sure.min(Confidence::Medium) };
        return Diagnosis { outcome: Outcome::LowCompute, confidence };
    }
    Diagnosis { outcome: if useful { Outcome::Fine } else { Outcome::Unclear }, confidence: Confidence::High }
}

/// How long a metric of a pod was seen, on the device where it was seen least.
fn span_of(view: &View<'_>, id: PodId, metric: Metric) -> Seconds {
    view.own_usage_of(id).filter_map(|usage| usage.metrics.get(metric)).map(|sketch| view.span(sketch, 1)).min().unwrap_or_default()
}

/// What was seen of one device of a pod.
struct Device {
    /// Nothing ran; none: it was not seen whether anything did.
    quiet: Option<bool>,
    /// How long that was seen.
    running: Seconds,
    /// Nothing has run on it for as long as makes a notebook forgotten.
    still: bool,
    /// Memory held, and how long that was seen.
    memory: Option<(f64, Seconds)>,
    /// Memory there is; zero: not known.
    capacity: f64,
}

impl Device {
    fn new(view: &View<'_>, limits: &Limits, pod: PodId, usage: &PodUsage) -> Self {
        let get = |metric| usage.metrics.get(metric);
        let mut seen = [Metric::EngineActive, Metric::GpuUtil].into_iter().filter_map(get).peekable();
        let running = seen.clone().map(|sketch| view.span(sketch, 1)).max().unwrap_or_default();
        let quiet = seen.peek().is_some().then(|| {
            seen.chain([Metric::SmActive, Metric::TensorActive, Metric::DramActive].into_iter().filter_map(get))
                .all(|sketch| is_quiet(sketch, limits.quiet))
        });
        let memory = get(Metric::MemoryUsed).map(|sketch| (sketch.mean(), view.span(sketch, 1)));
        let last_long_ago = usage.metrics.last_active.is_some_and(|last| view.fleet.at.since(last) >= limits.forgotten);
        let still = quiet.is_some_and(|quiet| quiet || last_long_ago);
        Self { quiet, running, still, memory, capacity: capacity(view, pod, usage).map_or(0.0, |bytes| bytes.0 as f64) }
    }
}

/// Is the 99th percentile below `limit`? Most series are settled by their mean and maximum.
fn is_quiet(sketch: &Sketch, limit: f64) -> bool {
    sketch.max() < limit || (sketch.mean() < limit + 0.01 * sketch.max() && sketch.quantile(0.99) < limit)
}

/// The memory of the device that a usage is of: of the slice, or of the whole GPU. None: not known.
#[must_use]
pub fn capacity(view: &View<'_>, pod: PodId, usage: &PodUsage) -> Option<Bytes> {
    match &usage.slice {
        Some(slice) => profile_memory(&slice.profile),
        None => view.fleet.node(view.pod(pod))?.gpu_memory,
    }
}

/// The memory in a MIG profile's name (`1g.10gb`), which rounds it to whole GB.
fn profile_memory(profile: &str) -> Option<Bytes> {
    let profile = mig::Profile::parse(&resource::mig_profile(profile)).ok()?;
    Some(Bytes(u64::from(profile.gb) << 30))
}

/// How long memory was seen on the quiet devices.
#[derive(Debug, Clone, Copy)]
enum Memory {
    Unseen,
    Seen(Seconds),
}

/// All devices of a pod.
struct Devices {
    quiet: u16,
    busy: u16,
    dark: u16,
    /// Those on which nothing has run for long.
    still: u16,
    /// The least that any device was watched.
    watched: Seconds,
    /// The least that any quiet device was watched.
    running: Seconds,
    memory: Memory,
    quiet_memory: f64,
    capacity: f64,
}

impl Default for Devices {
    fn default() -> Self {
        let most = Seconds(u64::MAX);
        Self {
            quiet: 0,
            busy: 0,
            dark: 0,
            still: 0,
            watched: most,
            running: most,
            memory: Memory::Seen(most),
            quiet_memory: 0.0,
            capacity: 0.0,
        }
    }
}

impl Devices {
    fn add(&mut self, device: &Device) {
        self.still = self.still.saturating_add(u16::from(device.still));
        self.watched = self.watched.min(device.running);
        match device.quiet {
            None => self.dark = self.dark.saturating_add(1),
            Some(false) => self.busy = self.busy.saturating_add(1),
            Some(true) => {
                self.quiet = self.quiet.saturating_add(1);
                self.running = self.running.min(device.running);
                self.memory = match (self.memory, device.memory) {
                    (Memory::Seen(least), Some((_, span))) => Memory::Seen(least.min(span)),
                    _ => Memory::Unseen,
                };
                self.quiet_memory += device.memory.map_or(0.0, |(held, _)| held);
                self.capacity += device.capacity;
            }
        }
    }
}

/// The holders of pods with an outcome that `is` picks. Where some are sure enough for a verdict, only those count, and the least sure of
/// them tells how sure it is; else the finding is no more than a hint.
pub(super) fn found(view: &View<'_>, is: impl Fn(Outcome) -> bool) -> Vec<(Holder, Vec<PodId>, Confidence)> {
    let mut found = Vec::new();
    for (holder, pods) in view.holders() {
        let picked = |verdict: bool| {
            pods.iter()
                .filter_map(move |&pod| Some((pod, view.diagnosis(pod)?)))
                .filter(move |(_, diagnosis)| (diagnosis.confidence > Confidence::TooLittle) == verdict)
        };
        for verdict in [true, false] {
            let (pods, sure): (Vec<PodId>, Vec<Confidence>) =
                picked(verdict).filter(|(_, diagnosis)| is(diagnosis.outcome)).map(|(pod, diagnosis)| (pod, diagnosis.confidence)).unzip();
            if let Some(&least) = sure.iter().min() {
                found.push((holder, pods, least));
                break;
            }
        }
    }
    found
}
