//! Figures that no fleet can have: an archive that says them is refused, whatever its sums say.

use plimsoll_fleet::{EngineUsage, Evidence, Life, Metrics, Node, Sketch, Timestamp, Window, evidence::Hour};

/// GPUs or offers that a node may list. The largest machines have 16 GPUs; NVL72 racks are 18 nodes.
const DEVICES_MAX: usize = 1_024;
/// Slices that a GPU may list. The finest layout has 12.
const SLICES_MAX: usize = 64;
/// 9999-12-31T23:59:59Z, where the calendars of most programs end.
const MOMENT_MAX: i64 = 253_402_300_799;
/// What rounding may add to a sum of shares.
const ROUNDING: f64 = 1e-6;

/// Resources that a pod may ask for. The device plugin has some twenty names.
const ASKS_MAX: usize = 64;

/// A few bytes can stand for a device; a line of them would be a bomb.
pub(super) fn node(node: &Node) -> Result<(), String> {
    if node.gpus.len() > DEVICES_MAX || node.offers.len() > DEVICES_MAX {
        return Err(format!("a node with more than {DEVICES_MAX} devices"));
    }
    if node.gpus.iter().any(|gpu| gpu.slices.len() > SLICES_MAX) {
        return Err(format!("a GPU with more than {SLICES_MAX} slices"));
    }
    Ok(())
}

/// Shares are shares.
pub(super) fn metrics(metrics: &Metrics) -> Result<(), String> {
    let above = metrics.by_metric.iter().find(|(metric, sketch)| metric.is_ratio() && sketch.max() > 1.0);
    above.map_or(Ok(()), |(metric, sketch)| Err(format!("{metric:?} is a share, and has {}", sketch.max())))
}

/// A cache is at most full, and counters do not go below zero.
pub(super) fn engine(usage: &EngineUsage) -> Result<(), String> {
    if usage.kv_used.as_ref().is_some_and(|used: &Sketch| used.max() > 1.0) {
        return Err("more than all of a KV cache in use".to_owned());
    }
    if [usage.preemptions, usage.requests].into_iter().flatten().any(|count| count < 0.0) {
        return Err("less than no requests".to_owned());
    }
    Ok(())
}

/// A moment that a cluster can have: from 1970 to the year 9999.
pub(super) fn moment(at: Timestamp) -> Result<(), String> {
    if (0..=MOMENT_MAX).contains(&at.0) { Ok(()) } else { Err(format!("{} is no moment of this world", at.0)) }
}

/// A stretch of this world.
pub(super) fn window(window: Window) -> Result<(), String> {
    [window.start, window.end].into_iter().try_for_each(moment)?;
    if window.start > window.end { Err("time runs backwards in it".to_owned()) } else { Ok(()) }
}

/// A pod is made before it is scheduled, and so on; and it asks for what a pod can ask for.
pub(super) fn life(life: &Life) -> Result<(), String> {
    [life.created, life.scheduled, life.started, life.ended].into_iter().flatten().try_for_each(moment)?;
    if !life.is_sound() {
        return Err(format!("the life of {}/{} ends before it begins", life.namespace, life.name));
    }
    if life.asks.len() > ASKS_MAX {
        return Err(format!("a pod that asks for more than {ASKS_MAX} resources"));
    }
    Ok(())
}

/// The window and the hours are of this world, and in order; in each hour, what was held and at work is a part of what was seen.
pub(super) fn evidence(evidence: &Evidence) -> Result<(), String> {
    let hours = &evidence.hours;
    evidence.window.map_or(Ok(()), window)?;
    hours.iter().map(|hour| hour.start).try_for_each(moment)?;
    if let Some(grid) = evidence.courses {
        moment(grid.start)?;
        if !grid.is_sound() {
            return Err("bins of courses that cannot be".to_owned());
        }
    }
    if hours.windows(2).any(|pair| pair[0].start >= pair[1].start) {
        return Err("time runs backwards in it".to_owned());
    }
    let is_possible = |hour: &Hour| {
        let parts = [Some(hour.held), Some(hour.busy), hour.useful];
        parts.into_iter().flatten().all(|part| (0.0..=hour.seen * (1.0 + ROUNDING) + ROUNDING).contains(&part))
            && hour.waiting.is_none_or(|waiting| waiting >= 0.0)
    };
    let wrong = hours.iter().find(|hour| !is_possible(hour));
    wrong.map_or(Ok(()), |hour| Err(format!("the hour at {} has more GPUs at work than there were, or less than none", hour.start.0)))
}
