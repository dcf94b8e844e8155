//! Paths in few bytes: coordinates are whole tenths, each point is written as its distance from the last.

/// Writes the `d` of a path.
#[derive(Debug, Default)]
pub(super) struct Pen {
    out: String,
    x: i64,
    y: i64,
}

fn tenths(number: f64) -> i64 {
    (number * 10.0).round() as i64
}

impl Pen {
    /// Lifts the pen and sets it down there. (A path's first move is from the origin, in either form.)
    pub(super) fn move_to(&mut self, x: f64, y: f64) {
        let (x, y) = (tenths(x), tenths(y));
        let (dx, dy) = (x - self.x, y - self.y);
        (self.x, self.y) = (x, y);
        self.out.push('m');
        self.number(dx, true);
        self.number(dy, false);
    }

    /// A straight line there; none where it would have no length.
    pub(super) fn line_to(&mut self, x: f64, y: f64) {
        let (x, y) = (tenths(x), tenths(y));
        let (dx, dy) = (x - self.x, y - self.y);
        (self.x, self.y) = (x, y);
        match (dx, dy) {
            (0, 0) => {}
            (dx, 0) => {
                self.out.push('h');
                self.number(dx, true);
            }
            (0, dy) => {
                self.out.push('v');
                self.number(dy, true);
            }
            (dx, dy) => {
                self.out.push('l');
                self.number(dx, true);
                self.number(dy, false);
            }
        }
    }

    /// A polyline.
    pub(super) fn draw(&mut self, points: &[(f64, f64)]) {
        for (at, &(x, y)) in points.iter().enumerate() {
            if at == 0 { self.move_to(x, y) } else { self.line_to(x, y) }
        }
    }

    /// Back to where the pen was set down. The next point must be a move.
    pub(super) fn close(&mut self, x: f64, y: f64) {
        (self.x, self.y) = (tenths(x), tenths(y));
        self.out.push('z');
    }

    fn number(&mut self, tenths: i64, first: bool) {
        if !first && tenths >= 0 {
            self.out.push(' ');
        }
        if tenths < 0 {
            self.out.push('-');
        }
        let (whole, tenth) = (tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10);
        if whole > 0 || tenth == 0 {
            self.out.push_str(&whole.to_string());
        }
        if tenth > 0 {
            self.out.push('.');
            self.out.push_str(&tenth.to_string());
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }
}

/// The points of a polyline without those that lie within `within` of the line through their neighbours (Douglas and Peucker).
pub(super) fn simplify(points: &[(f64, f64)], within: f64) -> Vec<(f64, f64)> {
    // Its worst case is quadratic: more points than pixels tell nothing.
    const MOST: usize = 4_000;
    let stride = points.len().div_ceil(MOST).max(1);
    let last = points.len().saturating_sub(1);
    let points: Vec<(f64, f64)> =
        points.iter().enumerate().filter(|(at, _)| at % stride == 0 || *at == last).map(|(_, point)| *point).collect();
    if points.len() < 3 {
        return points;
    }
    let mut kept = vec![false; points.len()];
    let (first, last) = (0, points.len() - 1);
    (kept[first], kept[last]) = (true, true);
    let mut open = vec![(first, last)];
    while let Some((from, to)) = open.pop() {
        let farthest = (from + 1..to).map(|at| (at, distance(points[at], points[from], points[to]))).max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((at, _)) = farthest.filter(|(_, far)| *far > within) {
            kept[at] = true;
            open.extend([(from, at), (at, to)]);
        }
    }
    points.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(point, _)| point).collect()
}

/// From a point to the line through two others.
fn distance(point: (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx.hypot(dy);
    if length == 0.0 {
        return (point.0 - a.0).hypot(point.1 - a.1);
    }
    ((point.0 - a.0) * dy - (point.1 - a.1) * dx).abs() / length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_short_and_does_not_drift() {
        let mut pen = Pen::default();
        pen.draw(&[(10.0, 20.04), (10.3, 20.0), (10.3, 18.5), (12.0, 19.0), (12.0, 19.0)]);
        assert_eq!(pen.finish(), "m10 20h.3v-1.5l1.7 .5");
    }

    #[test]
    fn what_lies_on_a_line_goes_and_corners_stay() {
        let points: Vec<(f64, f64)> = (0..100).map(|at| (f64::from(at), f64::from(at.min(50)))).collect();
        assert_eq!(simplify(&points, 0.2), [(0.0, 0.0), (50.0, 50.0), (99.0, 50.0)]);
        assert_eq!(simplify(&[(1.0, 1.0)], 0.2), [(1.0, 1.0)]);
        assert!(simplify(&vec![(1.0, 1.0); 100_000], 0.2).len() <= 3);
    }
}
