//! What every picture needs: coordinates, axes with round numbers, marks that differ by shape, labels that do not overlap.

use crate::words;

/// A coordinate or a length, to a tenth.
pub(crate) fn px(number: f64) -> String {
    let tenths = (number * 10.0).round() / 10.0;
    format!("{}", if tenths == 0.0 || !tenths.is_finite() { 0.0 } else { tenths })
}

/// 1, 2 or 5 times a power of ten, not less than `raw`.
fn step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= raw * 0.999).unwrap_or(power * 10.0)
}

/// Numbers for an axis from 0 to at least `most`: 1, 2 or 5 times a power of ten apart, some five of them.
pub(crate) fn ticks(most: f64) -> Vec<f64> {
    ticks_between(0.0, most, 5)
}

/// Numbers for an axis that holds `low` and `high`: 1, 2 or 5 times a power of ten apart, some `number` of them.
pub(crate) fn ticks_between(low: f64, high: f64, number: u32) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 || span < high.abs() * 1e-9 {
        let low = if low.is_finite() { low } else { 0.0 };
        return vec![low, low + low.abs().max(1.0)];
    }
    let step = step(span / f64::from(number.max(1)));
    let first = (low / step + 1e-9).floor();
    let last = (high / step - 1e-9).ceil();
    // Twice the number asked for is never passed: the step is at least the span over it.
    (0..=((last - first) as u32).min(2 * number + 2)).map(|tick| (first + f64::from(tick)) * step).collect()
}

/// A number at an axis, in seven characters at most: `800,000`, `1.2 M`, `3e12`.
pub(crate) fn axis_number(number: f64) -> String {
    match number.abs() {
        size if size < 999_999.5 => words::gpus(number),
        size if size < 999.5e6 => format!("{} M", words::gpus(number / 1e6)),
        size if size < 999.5e9 => format!("{} G", words::gpus(number / 1e9)),
        _ => format!("{number:.0e}"),
    }
}

/// Where labels go that want to stand at `wanted`: in that order, `apart` from each other, each as near as can be to where it wants to
/// stand (least squares), between `low` and `high` as far as they fit.
pub(crate) fn spread(wanted: &[f64], apart: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]).then(a.cmp(&b)));
    // Without the distances the places need only not fall: neighbours that would fall share their mean.
    let mut groups: Vec<(f64, usize)> = Vec::new();
    for (number, &at) in order.iter().enumerate() {
        groups.push((wanted[at] - number as f64 * apart, 1));
        while let [.., (before, some), (after, more)] = groups[..]
            && before > after
        {
            groups.truncate(groups.len() - 2);
            let both = some + more;
            groups.push(((before * some as f64 + after * more as f64) / both as f64, both));
        }
    }
    let last = high - order.len().saturating_sub(1) as f64 * apart;
    let mut places = vec![0.0; wanted.len()];
    let means = groups.into_iter().flat_map(|(mean, members)| std::iter::repeat_n(mean, members));
    for ((number, &at), mean) in order.iter().enumerate().zip(means) {
        places[at] = mean.min(last).max(low) + number as f64 * apart;
    }
    places
}

/// The outline of a mark: a circle, square, diamond, triangle or cross of the same area, by its number.
pub(crate) fn mark(number: usize, x: f64, y: f64, r: f64) -> String {
    let polygon = |points: &[(f64, f64)]| {
        let corners: Vec<String> = points.iter().map(|(dx, dy)| format!("{} {}", px(x + dx * r), px(y + dy * r))).collect();
        format!("M{}Z", corners.join("L"))
    };
    match number % 5 {
        0 => {
            let (left, right, r) = (px(x - r), px(x + r), px(r));
            format!("M{left} {0}A{r} {r} 0 1 1 {right} {0}A{r} {r} 0 1 1 {left} {0}Z", px(y))
        }
        1 => polygon(&[(-0.886, -0.886), (0.886, -0.886), (0.886, 0.886), (-0.886, 0.886)]),
        2 => polygon(&[(0.0, -1.253), (1.253, 0.0), (0.0, 1.253), (-1.253, 0.0)]),
        3 => polygon(&[(0.0, -1.555), (1.347, 0.778), (-1.347, 0.778)]),
        _ => {
            let (a, b) = (0.396, 1.189);
            polygon(&[(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a)])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_numbers_and_reaches_the_most() {
        assert_eq!(ticks(136.0), [0.0, 50.0, 100.0, 150.0]);
        assert_eq!(ticks(5.0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(ticks(0.0), [0.0, 1.0]);
        assert_eq!(ticks(f64::NAN), [0.0, 1.0]);
        for most in [0.3, 1.0, 7.0, 99.0, 80_000.0, 1e300] {
            let ticks = ticks(most);
            assert!(ticks.last().copied().unwrap_or(0.0) >= most && (3..=11).contains(&ticks.len()), "{most}: {ticks:?}");
        }
    }

    #[test]
    fn an_axis_need_not_begin_at_zero() {
        assert_eq!(ticks_between(88.4, 96.9, 5), [88.0, 90.0, 92.0, 94.0, 96.0, 98.0]);
        assert_eq!(ticks_between(90.0, 90.0, 5), [90.0, 180.0]);
        assert_eq!(ticks_between(-3.0, 4.0, 4), [-4.0, -2.0, 0.0, 2.0, 4.0]);
    }

    #[test]
    fn numbers_at_an_axis_are_short() {
        assert_eq!([0.5, 80_000.0, 150_000.0, 2.5e6, 5e9, 1e300].map(axis_number), ["0.5", "80,000", "150,000", "2.5 M", "5 G", "1e300"]);
    }

    #[test]
    fn labels_keep_their_order_and_their_distance() {
        assert_eq!(spread(&[10.0, 12.0, 50.0], 8.0, 0.0, 100.0), [7.0, 15.0, 50.0]);
        assert_eq!(spread(&[1.0, 2.0, 3.0], 8.0, 0.0, 100.0), [0.0, 8.0, 16.0]);
        assert_eq!(spread(&[99.0, 98.0], 8.0, 0.0, 100.0), [100.0, 92.0]);
        assert_eq!(spread(&[5.0, 5.0, 5.0], 10.0, 0.0, 25.0), [0.0, 10.0, 20.0]);
    }
}
