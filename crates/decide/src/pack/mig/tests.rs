//! Plans against exhaustive search, on boards of every grid.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use super::*;
use plimsoll_fleet::{
    MoneyPerHour,
    mig::{Board, board},
};
use proptest::prelude::*;
use std::collections::HashMap;

const PRODUCTS: [&str; 4] =
    ["NVIDIA-H100-80GB-HBM3", "NVIDIA-A30", "NVIDIA-A100-SXM4-40GB", "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition"];

pub(super) fn board_of(at: usize) -> Board {
    board(PRODUCTS[at], None).unwrap()
}

fn stock(at: usize, gpus: u32, price: Option<i64>) -> Stock {
    Stock { board: board_of(at), gpus, price: price.map(MoneyPerHour) }
}

/// The least cost of meeting all of `left`, by trying every layout of every board and every way to hand out its instances.
struct Exhaustive<'a> {
    stock: &'a [Stock],
    wanted: &'a [Wanted],
    /// By kind of board.
    multisets: Vec<Vec<Vec<usize>>>,
    known: HashMap<(Vec<u32>, Vec<u32>), Option<i64>>,
}

impl<'a> Exhaustive<'a> {
    fn new(stock: &'a [Stock], wanted: &'a [Wanted]) -> Self {
        let multisets = |stock: &Stock| stock.board.table.maximal_multisets(&stock.board.table.plain_slots());
        Self { stock, wanted, multisets: stock.iter().map(multisets).collect(), known: HashMap::new() }
    }
}

impl Exhaustive<'_> {
    fn cost(&mut self, gpus: &[u32], left: &[u32]) -> Option<i64> {
        if left.iter().all(|left| *left == 0) {
            return Some(0);
        }
        if let Some(known) = self.known.get(&(gpus.to_vec(), left.to_vec())) {
            return *known;
        }
        let mut best = None;
        for kind in 0..self.stock.len() {
            if gpus[kind] == 0 {
                continue;
            }
            let mut fewer = gpus.to_vec();
            fewer[kind] -= 1;
            for multiset in self.multisets[kind].clone() {
                let mut ways = Vec::new();
                self.hand_out(kind, &multiset, left.to_vec(), &mut ways);
                ways.sort_unstable();
                ways.dedup();
                for then in ways.into_iter().filter(|then| then[..] != *left) {
                    let own = self.stock[kind].price.map_or(1, |price| price.0);
                    if let Some(rest) = self.cost(&fewer, &then) {
                        best = Some(best.map_or(own + rest, |best: i64| best.min(own + rest)));
                    }
                }
            }
        }
        self.known.insert((gpus.to_vec(), left.to_vec()), best);
        best
    }

    fn hand_out(&self, kind: usize, multiset: &[usize], left: Vec<u32>, ways: &mut Vec<Vec<u32>>) {
        let Some((slot, rest)) = multiset.split_first() else {
            ways.push(left);
            return;
        };
        let offer = Offer { stock: kind, slot: *slot };
        let takers: Vec<usize> = (0..left.len()).filter(|at| left[*at] > 0 && self.wanted[*at].by.contains(&offer)).collect();
        if takers.is_empty() {
            self.hand_out(kind, rest, left, ways);
            return;
        }
        for taker in takers {
            let mut left = left.clone();
            left[taker] -= 1;
            self.hand_out(kind, rest, left, ways);
        }
    }
}

/// What every plan must keep.
fn sound(stock: &[Stock], wanted: &[Wanted], plan: &Plan) -> Result<(), TestCaseError> {
    for (id, stock) in stock.iter().enumerate() {
        let used: u32 = plan.groups.iter().filter(|group| group.stock == id).map(|group| group.gpus).sum();
        prop_assert!(used <= stock.gpus);
    }
    let mut made: HashMap<Offer, i64> = HashMap::new();
    for group in &plan.groups {
        prop_assert!(group.gpus > 0 && !group.layout.is_empty());
        prop_assert!(stock[group.stock].board.table.is_valid(&group.layout));
        for placement in &group.layout {
            *made.entry(Offer { stock: group.stock, slot: placement.slot }).or_default() += i64::from(group.gpus);
        }
    }
    for ((wanted, serves), unmet) in wanted.iter().zip(&plan.serves).zip(&plan.unmet) {
        let served: u32 = serves.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(served + unmet, wanted.count);
        for (offer, count) in serves {
            prop_assert!(wanted.by.contains(offer));
            *made.entry(*offer).or_default() -= i64::from(*count);
        }
    }
    prop_assert!(made.values().all(|spare| *spare == 0), "instances that nobody needs, or too few: {:?}", made);
    prop_assert!(plan.unmet_bound <= plan.unmet_share);
    match plan.bound {
        Bound::Gpus(bound) => prop_assert!(bound <= plan.gpus && (plan.proof == Proof::Open || bound == plan.gpus)),
        Bound::Price(bound) => prop_assert!(Some(bound) <= plan.price && (plan.proof == Proof::Open || Some(bound) == plan.price)),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One kind of board, its plain profiles: as few GPUs as there can be, and proven by prices.
    #[test]
    fn no_plan_needs_fewer(at in 0..PRODUCTS.len(), counts in prop::collection::vec(0_u32..4, 6)) {
        let stock = [stock(at, 40, None)];
        let plain = stock[0].board.table.plain_slots();
        let wanted: Vec<Wanted> =
            plain.iter().zip(counts).map(|(slot, count)| Wanted { count, by: vec![Offer { stock: 0, slot: *slot }] }).collect();
        let plan = plan(&stock, &wanted).unwrap();
        sound(&stock, &wanted, &plan)?;
        let mut exhaustive = Exhaustive::new(&stock, &wanted);
        let left: Vec<u32> = wanted.iter().map(|wanted| wanted.count).collect();
        prop_assert_eq!(Some(i64::from(plan.gpus)), exhaustive.cost(&[40], &left));
        prop_assert!(plan.proven());
    }

    /// Two kinds of board with prices, and demands that either may serve.
    #[test]
    fn no_plan_is_cheaper(
        kinds in (0..PRODUCTS.len(), 0..PRODUCTS.len()),
        prices in (1_i64..9, 1_i64..9),
        gpus in (0_u32..4, 0_u32..4),
        asks in prop::collection::vec((1_u32..4, 0..5_usize, 0..5_usize, any::<bool>()), 1..4),
    ) {
        let stock = [stock(kinds.0, gpus.0, Some(prices.0)), stock(kinds.1, gpus.1, Some(prices.1))];
        let slot = |id: usize, pick: usize| {
            let plain = stock[id].board.table.plain_slots();
            Offer { stock: id, slot: plain[pick % plain.len()] }
        };
        let wanted: Vec<Wanted> = asks
            .iter()
            .map(|&(count, one, other, both)| {
                let by = if both { vec![slot(0, one), slot(1, other)] } else { vec![slot(one % 2, other)] };
                Wanted { count, by }
            })
            .collect();
        let plan = plan(&stock, &wanted).unwrap();
        sound(&stock, &wanted, &plan)?;
        prop_assert!(plan.proven(), "{plan:?}");
        let mut exhaustive = Exhaustive::new(&stock, &wanted);
        let left: Vec<u32> = wanted.iter().map(|wanted| wanted.count).collect();
        let all = exhaustive.cost(&[gpus.0, gpus.1], &left);
        prop_assert_eq!(all.is_none(), plan.unmet.iter().any(|unmet| *unmet > 0));
        let met: Vec<u32> = left.iter().zip(&plan.unmet).map(|(count, unmet)| count - unmet).collect();
        prop_assert_eq!(plan.price.map(|price| price.0), exhaustive.cost(&[gpus.0, gpus.1], &met));
        // No other part of the demand that could be met is more.
        let share = |of: &[u32]| wanted.iter().zip(of).map(|(wanted, count)| wanted.share(&stock).0 * u64::from(*count)).sum::<u64>();
        let mut part = vec![0; left.len()];
        loop {
            if share(&part) > share(&met) {
                prop_assert_eq!(exhaustive.cost(&[gpus.0, gpus.1], &part), None);
            }
            let Some(at) = (0..part.len()).find(|at| part[*at] < left[*at]) else { break };
            part[..at].fill(0);
            part[at] += 1;
        }
    }

    /// Many GPUs of one kind: proven in every case.
    #[test]
    fn large_plans_are_proven(at in 0..PRODUCTS.len(), counts in prop::collection::vec(0_u32..900, 6)) {
        let stock = [stock(at, 10_000, None)];
        let plain = stock[0].board.table.plain_slots();
        let wanted: Vec<Wanted> =
            plain.iter().zip(counts).map(|(slot, count)| Wanted { count, by: vec![Offer { stock: 0, slot: *slot }] }).collect();
        let plan = plan(&stock, &wanted).unwrap();
        sound(&stock, &wanted, &plan)?;
        prop_assert!(plan.proven() && plan.proof == Proof::Prices, "{plan:?}");
    }
}

/// The published placements of ParvaGPU (SC'24) need 2, 3, 5 and 7 GPUs; the slices that it chose need no more.
#[test]
fn the_slices_of_parvagpu_need_no_more_gpus_than_published() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let dir = std::env::var_os("PLIMSOLL_TRACES").map_or(root, std::path::PathBuf::from).join("parvagpu/published");
    if !dir.is_dir() {
        println!("skipped: there is no {}", dir.display());
        return;
    }
    for (scenario, published) in [(1, 2), (2, 3), (3, 5), (4, 7)] {
        let text = std::fs::read_to_string(dir.join(format!("SLO{scenario}/SLO{scenario}_ParvaGPU_deploy.csv"))).unwrap();
        let mut counts: std::collections::BTreeMap<u8, u32> = std::collections::BTreeMap::new();
        for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
            *counts.entry(line.split(',').nth(4).unwrap().trim().parse().unwrap()).or_default() += 1;
        }
        let stock = [Stock { board: board("NVIDIA-A100-SXM4-80GB", None).unwrap(), gpus: 100, price: None }];
        let slot = |compute: u8| {
            let table = stock[0].board.table;
            table.base_slots().into_iter().find(|slot| table.slots[*slot].compute == compute).unwrap()
        };
        let wanted: Vec<Wanted> =
            counts.iter().map(|(compute, count)| Wanted { count: *count, by: vec![Offer { stock: 0, slot: slot(*compute) }] }).collect();
        let plan = plan(&stock, &wanted).unwrap();
        assert!(plan.gpus <= published && plan.proven(), "scenario {scenario}: {plan:?}");
    }
}

#[test]
fn what_there_is_not_is_refused_by_name() {
    let stock = [stock(0, 10, None), stock(2, 10, None)];
    let error = Wanted::named(&stock, "9g.90gb", 1).unwrap_err().to_string();
    assert!(error.contains("`9g.90gb`") && error.contains("3g.40gb (H100"), "{error}");
    assert!(matches!(Wanted::named(&stock, "big", 1), Err(DemandError::BadProfile(_))));
    // 1g.10gb is a single slice of the one, and a slice of double memory of the other.
    let wanted = Wanted::named(&stock, "1g.10gb", 3).unwrap();
    assert_eq!(wanted.by.len(), 2);
    assert_eq!(Wanted::named(&stock, "3g.39gb", 1).unwrap().by, Wanted::named(&stock, "3g.40gb", 1).unwrap().by);
    let bad = Wanted { count: 1, by: vec![Offer { stock: 0, slot: 99 }] };
    assert!(matches!(plan(&stock, &[wanted, bad]), Err(DemandError::NoSuchOffer { at: 1, .. })));
    let many = Wanted { count: u32::MAX, by: vec![Offer { stock: 0, slot: 0 }] };
    assert!(matches!(plan(&stock, &[many]), Err(DemandError::TooMany { .. })));
}
