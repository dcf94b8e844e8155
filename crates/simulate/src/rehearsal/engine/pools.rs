//! Pools that an autoscaler keeps: nodes are asked for when jobs wait, and go when they stay empty.

use super::{Engine, Event};
use std::cmp::Reverse;

impl Engine<'_> {
    /// A node of an autoscaled pool is empty: it leaves if it stays so.
    pub(super) fn watch(&mut self, node: u32) {
        if let Some(&pool) = self.scene.pool_of.get(&node) {
            self.since_empty.insert(node, self.now);
            let event = Event::Idle { pool, node, since: self.now };
            self.events.push(Reverse((self.now.saturating_add(self.scene.pools[pool as usize].idle), event)));
        }
    }

    /// Asks for as many nodes as the waiting jobs could fill, as a cluster autoscaler does.
    pub(super) fn scale(&mut self) {
        for (pool, of) in self.scene.pools.iter().enumerate() {
            let Some(&example) = of.nodes.first().filter(|_| self.queue.jobs > 0 && !self.spare[pool].is_empty() && !self.futile[pool])
            else {
                continue;
            };
            let waiting = self.queue.kinds().filter(|(kind, _)| {
                let group = &self.scene.kinds[*kind as usize].group;
                let mut may = true;
                group.each(&mut |want, _| may &= self.scene.site.can_hold_on(want, example));
                let mut within = Vec::new();
                group.domains(&mut within);
                may && within.iter().all(|key| self.scene.nodes[example as usize].labels.contains_key(key))
            });
            let milli: u64 = waiting.map(|(kind, jobs)| self.scene.kinds[kind as usize].milli.max(1) * jobs as u64).sum();
            let node: u64 = (self.scene.gpus[example as usize] * 1000).max(1);
            let wanted = usize::try_from(milli.div_ceil(node)).unwrap_or(usize::MAX);
            for _ in 0..wanted.saturating_sub(self.coming[pool]).min(self.spare[pool].len()) {
                self.ask_for_node(pool, of.delay);
            }
        }
    }

    pub(super) fn ask_for_node(&mut self, pool: usize, delay: u64) {
        if let Some(node) = self.spare[pool].pop() {
            self.coming[pool] += 1;
            self.events.push(Reverse((self.now.saturating_add(delay), Event::Join { node, pool: Some(pool as u32) })));
        }
    }
}
