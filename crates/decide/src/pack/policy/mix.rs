//! The pods that are expected, and what part of a node's free GPUs they could not use.
//!
//! Source of the measure: Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient
//! Descent", USENIX ATC'23. A free thousandth is a fragment for a pod that cannot use it: all of a node's where the pod does
//! not fit there, else those on GPUs with less free than it asks.

use super::state::{FULL, Gpus, NodeKind, PodKind, Slices, State};

/// Kinds of pods with how many of each are expected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mix {
    /// Kind and count, by kind.
    pub pods: Vec<(PodKind, u64)>,
    /// How many of the kinds, the most frequent first, make up the typical pods: indices into `pods`.
    typical: Vec<usize>,
}

/// The typical pods cover at least this many hundredths of all.
const COVER_PERCENT: u64 = 95;

impl Mix {
    /// A mix of `pods`; equal kinds are put together, those of which there are none left out.
    #[must_use]
    pub fn new(mut pods: Vec<(PodKind, u64)>) -> Self {
        pods.sort_unstable();
        pods.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        pods.retain(|(_, count)| *count > 0);
        let typical = typical(&pods);
        Self { pods, typical }
    }

    /// The typical pods: the most frequent that make up `COVER_PERCENT` of all. Memory tells none apart.
    pub fn typical(&self) -> impl Iterator<Item = (&PodKind, u64)> {
        let alike = |one: &PodKind, other: &PodKind| (one.cpu, one.gpus, &one.wording) == (other.cpu, other.gpus, &other.wording);
        self.typical.iter().map(move |&at| {
            let pod = &self.pods[at].0;
            (pod, self.pods.iter().filter(|(other, _)| alike(pod, other)).map(|(_, count)| count).sum())
        })
    }
}

/// By count, then CPU, thousandths, GPUs and wording, all descending; as long as it needs to be.
fn typical(pods: &[(PodKind, u64)]) -> Vec<usize> {
    let mut kinds: Vec<(u64, usize)> = Vec::new();
    let mut by_look: std::collections::BTreeMap<_, usize> = std::collections::BTreeMap::new();
    for (at, (pod, count)) in pods.iter().enumerate() {
        let own = *by_look.entry((pod.cpu, pod.gpus, &pod.wording)).or_insert_with(|| {
            kinds.push((0, at));
            kinds.len() - 1
        });
        kinds[own].0 += count;
    }
    let look = |at: usize| {
        let pod = &pods[at].0;
        let (milli, count) = match pod.gpus {
            Gpus::None => (0, 0),
            Gpus::Share(milli) => (milli, 1),
            Gpus::Whole(count) => (FULL, count),
            Gpus::Slices(slices) => (slices.grid.milli(slices.slot), slices.count),
        };
        (pod.cpu, milli, count, &pod.wording)
    };
    kinds.sort_unstable_by(|one, other| (other.0, look(other.1)).cmp(&(one.0, look(one.1))));
    let all: u64 = kinds.iter().map(|(count, _)| count).sum();
    let mut covered = 0;
    kinds
        .into_iter()
        .take_while(|(count, _)| {
            let more = covered * 100 < all * COVER_PERCENT;
            covered += count;
            more
        })
        .map(|(_, at)| at)
        .collect()
}

/// How much of a node's free GPUs the expected pods cannot use, in the mean over those of them that ask for GPUs.
#[derive(Debug, Clone)]
pub struct Fragmentation(Fragments);

impl Fragmentation {
    /// The measure for nodes of these kinds and pods of this mix.
    #[must_use]
    pub fn new(kinds: &[NodeKind], mix: &Mix) -> Self {
        let pods = mix.pods.iter().filter(|(pod, _)| pod.gpus != Gpus::None).cloned().collect();
        Self(Fragments::new(kinds, &Mix::new(pods)))
    }

    /// Of a node in `state`, in thousandths of a GPU; nothing where no pods are expected.
    #[must_use]
    pub fn milli(&self, state: &State) -> u32 {
        self.0.of(state).checked_div(self.0.all).unwrap_or(0) as u32
    }
}

/// The measure, tabled so that a state costs a handful of look-ups.
///
/// For a node with free CPU `c`: let `A(x)` be the typical pods that ask for one GPU or a share of at most `x`, `B(k)` those
/// that ask for 2 to `k` whole GPUs, both counted where model and CPU allow, and `N` all typical pods. With `T` free in all,
/// `m` the most free on one GPU and `w` GPUs wholly free, the pods that fit are `A(m)` and `B(w)`, so the fragments are
/// `T (N - A(m) - B(w)) + sum over GPUs of free × (A(m) - A(free) + (B(w) where free < 1000))`.
///
/// Where GPUs are in MIG mode, what is free of them is a fragment for all of these, and each kind of typical pods with instances is looked
/// at for itself: what is free on GPUs with no place for one is a fragment for it.
#[derive(Debug, Clone)]
pub(super) struct Fragments {
    /// Number of typical pods.
    pub all: u64,
    /// By thousandths, the number of distinct asks that are at most so large.
    step_of: Vec<u8>,
    steps: usize,
    tables: Vec<Table>,
}

/// For one kind of node.
#[derive(Debug, Clone)]
struct Table {
    /// The CPU asks of pods that may go here, ascending.
    cpu: Vec<u64>,
    /// `A` by CPU level and step.
    single: Vec<u32>,
    /// `B` by CPU level and whole GPUs.
    several: Vec<u32>,
    /// Pods with MIG instances: CPU, instances, how many of them are expected.
    slices: Vec<(u64, Slices, u64)>,
}

/// Whole GPUs, from none to the most.
const COUNTS: usize = super::DEVICES_MAX + 1;

impl Fragments {
    pub fn new(kinds: &[NodeKind], mix: &Mix) -> Self {
        let typical: Vec<(&PodKind, u64)> = mix.typical().collect();
        let single = |pod: &PodKind| match pod.gpus {
            Gpus::Share(milli) => Some(milli),
            Gpus::Whole(1) => Some(FULL),
            Gpus::None | Gpus::Whole(_) | Gpus::Slices(_) => None,
        };
        let mut asks: Vec<u16> = typical.iter().filter_map(|(pod, _)| single(pod)).collect();
        asks.sort_unstable();
        asks.dedup();
        let step_of: Vec<u8> = (0..=FULL).map(|free| asks.partition_point(|ask| *ask <= free).min(255) as u8).collect();
        let steps = asks.len() + 1;
        let tables = (0..kinds.len())
            .map(|kind| {
                let here: Vec<&(&PodKind, u64)> =
                    typical.iter().filter(|(pod, _)| pod.gpus != Gpus::None && pod.allowed.get(kind) == Some(&true)).collect();
                let mut cpu: Vec<u64> = here.iter().map(|(pod, _)| pod.cpu.0).collect();
                cpu.sort_unstable();
                cpu.dedup();
                let levels = cpu.len() + 1;
                let (mut singles, mut several) = (vec![0; levels * steps], vec![0; levels * COUNTS]);
                for level in 0..levels {
                    for (pod, count) in here.iter().filter(|(pod, _)| cpu[..level].binary_search(&pod.cpu.0).is_ok()) {
                        let count = (*count).min(u64::from(u32::MAX) / 1024) as u32;
                        match (single(pod), pod.gpus) {
                            (Some(ask), _) => {
                                let from = usize::from(step_of[usize::from(ask)]);
                                singles[level * steps..][from..steps].iter_mut().for_each(|sum| *sum += count);
                            }
                            (None, Gpus::Whole(whole)) => {
                                let from = usize::from(whole).min(COUNTS);
                                several[level * COUNTS..][from..COUNTS].iter_mut().for_each(|sum| *sum += count);
                            }
                            (None, _) => {}
                        }
                    }
                }
                let slices = |pod: &&(&PodKind, u64)| match pod.0.gpus {
                    Gpus::Slices(slices) => Some((pod.0.cpu.0, slices, pod.1)),
                    _ => None,
                };
                let slices = here.iter().filter_map(slices).collect();
                Table { cpu, single: singles, several, slices }
            })
            .collect();
        Self { all: typical.iter().map(|(_, count)| count).sum(), step_of, steps, tables }
    }

    /// Fragments of a node in `state`, in thousandths of a GPU times typical pods: divide by [`Self::all`] for the mean.
    pub fn of(&self, state: &State) -> u64 {
        let Some(table) = self.tables.get(usize::from(state.kind)) else { return 0 };
        let level = table.cpu.partition_point(|ask| *ask <= state.cpu.0);
        let single = &table.single[level * self.steps..][..self.steps];
        let step = |free: u16| u64::from(single[usize::from(self.step_of[usize::from(free.min(FULL))])]);
        let (mut total, mut largest, mut whole) = (0_u64, 0, 0);
        for free in state.gpus().iter().map(|free| free.milli()) {
            total += u64::from(free);
            largest = largest.max(free);
            whole += usize::from(free == FULL);
        }
        let ones = step(largest);
        let more = u64::from(table.several[level * COUNTS + whole]);
        let mut fragments = total * (self.all - ones - more);
        for free in state.gpus().iter().map(|free| free.milli()) {
            let unused = ones - step(free) + if free < FULL { more } else { 0 };
            fragments += u64::from(free) * unused;
        }
        if state.grid.is_some() { fragments + self.in_mig_mode(state, table, total) } else { fragments }
    }

    /// What GPUs in MIG mode add to the fragments of a node that has `others` free on those that are not.
    fn in_mig_mode(&self, state: &State, table: &Table, others: u64) -> u64 {
        let free = u64::from(state.free_milli()) - others;
        // All of it, for everybody; what is free on others counts already for pods with instances as for all.
        let mut fragments = free * self.all;
        for &(cpu, slices, count) in &table.slices {
            if state.cpu.0 >= cpu && state.has_slices(slices) {
                let usable = state.gpus().iter().filter(|device| state.has_room(**device, slices));
                let usable: u64 = usable.map(|device| u64::from(state.milli_of(*device))).sum();
                fragments -= usable * count;
            }
        }
        fragments
    }
}
