//! What two views have in common on one clock.

use super::view::{View, wrapped};

/// With fewer moments in common than this nothing is said.
const MOMENTS_MIN: usize = 6;
/// Metres of a degree of latitude.
const DEGREE_M: f64 = 111_195.0;

/// How two columns of numbers run together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Together {
    /// Pearson's correlation, -1 to 1; 0 where one does not change.
    pub correlation: f64,
    /// The mean of the absolute differences, in the columns' unit.
    pub apart: f64,
    /// The mean of the greater one.
    pub level: f64,
    /// The spread of the less changing one (standard deviation).
    pub spread: f64,
    /// Moments that both have.
    pub n: usize,
}

/// How two tracks run together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tracks {
    /// The median distance of where they were at the same moment, m.
    pub apart_m: f64,
    /// How far from its middle the smaller one goes (root of the mean square), m.
    pub spread_m: f64,
    /// The median distance of a point of one from the nearest of the other, m: small on the same course, in whichever
    /// direction and at whichever time.
    pub course_m: f64,
    /// Moments that both have.
    pub n: usize,
}

/// Two heart rates, `b` set earlier by `shift` ms.
pub(super) fn heart_rates(a: &View, b: &View, shift: i64) -> Option<Together> {
    together(a, &a.heart_rate, b, &b.heart_rate, shift)
}

/// Two speeds, `b` set earlier by `shift` ms.
pub(super) fn speeds(a: &View, b: &View, shift: i64) -> Option<Together> {
    together(a, &a.speed, b, &b.speed, shift)
}

/// Calls `take` with each index of the view of longer steps, its moment there and its moment in the other.
fn each_moment(a: &View, b: &View, n_a: usize, n_b: usize, shift: i64, mut take: impl FnMut(usize, i64)) -> bool {
    let a_leads = a.step >= b.step;
    let (view, n, shift) = if a_leads { (a, n_a, shift) } else { (b, n_b, shift.saturating_neg()) };
    for index in 0..n {
        take(index, view.moment(index).saturating_add(shift));
    }
    a_leads
}

fn together(a: &View, of_a: &[f64], b: &View, of_b: &[f64], shift: i64) -> Option<Together> {
    if of_a.is_empty() || of_b.is_empty() {
        return None;
    }
    let mut sums = Sums::default();
    each_moment(a, b, of_a.len(), of_b.len(), shift, |index, there| {
        let (x, y) = if a.step >= b.step {
            (of_a[index], b.at(of_b, there).unwrap_or(f64::NAN))
        } else {
            (of_b[index], a.at(of_a, there).unwrap_or(f64::NAN))
        };
        sums.add(x, y);
    });
    sums.together()
}

#[derive(Default)]
struct Sums {
    n: usize,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
    apart: f64,
}

impl Sums {
    fn add(&mut self, x: f64, y: f64) {
        if x.is_nan() || y.is_nan() {
            return;
        }
        self.n += 1;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
        self.apart += (x - y).abs();
    }

    #[expect(clippy::cast_precision_loss, reason = "at most as many as a view has moments")]
    fn together(&self) -> Option<Together> {
        if self.n < MOMENTS_MIN {
            return None;
        }
        let n = self.n as f64;
        let variance = |square: f64, sum: f64| (square / n - (sum / n) * (sum / n)).max(0.0);
        let (of_x, of_y) = (variance(self.xx, self.x), variance(self.yy, self.y));
        let both = self.xy / n - self.x / n * (self.y / n);
        let root = (of_x * of_y).sqrt();
        let correlation = if root > 1e-9 { (both / root).clamp(-1.0, 1.0) } else { 0.0 };
        let level = (self.x / n).max(self.y / n);
        Some(Together { correlation, apart: self.apart / n, level, spread: of_x.min(of_y).sqrt(), n: self.n })
    }
}

/// A point in metres east and north of a place.
type Point = (f64, f64);

/// Two tracks, `b` set earlier by `shift` ms.
pub(super) fn tracks(a: &View, b: &View, shift: i64) -> Option<Tracks> {
    if a.latitude.is_empty() || b.latitude.is_empty() {
        return None;
    }
    let (of_a, of_b) = (a.latitude.len(), b.latitude.len());
    let place = (0..of_a).find_map(|it| position(a, it))?;
    let metres = |(latitude, longitude): Point| {
        let narrower = place.0.to_radians().cos();
        (wrapped(longitude - place.1) * DEGREE_M * narrower, (latitude - place.0) * DEGREE_M)
    };
    let mut pairs: Vec<(Point, Point)> = Vec::with_capacity(of_a.max(of_b));
    each_moment(a, b, of_a, of_b, shift, |index, there| {
        let pair = if a.step >= b.step {
            position(a, index).zip(position_at(b, there))
        } else {
            position_at(a, there).zip(position(b, index))
        };
        pairs.extend(pair.map(|(it, other)| (metres(it), metres(other))));
    });
    if pairs.len() < MOMENTS_MIN {
        return None;
    }
    let mut apart: Vec<f64> = pairs.iter().map(|(it, other)| distance(*it, *other)).collect();
    let apart_m = median(&mut apart);
    let spread_m = spread(pairs.iter().map(|it| it.0)).min(spread(pairs.iter().map(|it| it.1)));
    // Looked at only where it can tell more: whether those who were elsewhere at the time were on the same course.
    let course_m = if apart_m > 30.0 { course(&pairs, &mut apart) } else { apart_m };
    Some(Tracks { apart_m, spread_m, course_m, n: pairs.len() })
}

fn position(view: &View, index: usize) -> Option<Point> {
    let (latitude, longitude) = (*view.latitude.get(index)?, *view.longitude.get(index)?);
    (!latitude.is_nan() && !longitude.is_nan()).then_some((latitude, longitude))
}

fn position_at(view: &View, moment: i64) -> Option<Point> {
    let latitude = view.at(&view.latitude, moment)?;
    let index = usize::try_from(moment.checked_sub(view.first)?.div_euclid(view.step.max(1))).ok()?;
    let crosses = |it: &f64| view.longitude.get(index + 1).is_some_and(|next| (next - it).abs() > 180.0);
    if view.longitude.get(index).is_some_and(crosses) {
        // Between two sides of the date line there is no middle to be had.
        return None;
    }
    Some((latitude, view.at(&view.longitude, moment)?))
}

fn distance(a: Point, b: Point) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

#[expect(clippy::cast_precision_loss, reason = "at most as many as a view has moments")]
fn spread(points: impl Iterator<Item = Point> + Clone) -> f64 {
    let n = points.clone().count().max(1) as f64;
    let (east, north) = points.clone().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let middle = (east / n, north / n);
    (points.map(|it| distance(it, middle).powi(2)).sum::<f64>() / n).sqrt()
}

/// The greater of the medians, from either to the other: a short course on a long one is not the same.
fn course(pairs: &[(Point, Point)], distances: &mut [f64]) -> f64 {
    let nearest = |it: Point, of: fn(&(Point, Point)) -> Point| {
        let squares = pairs.iter().map(of).map(|other| (it.0 - other.0).powi(2) + (it.1 - other.1).powi(2));
        squares.fold(f64::INFINITY, f64::min).sqrt()
    };
    for (distance, pair) in distances.iter_mut().zip(pairs) {
        *distance = nearest(pair.0, |it| it.1);
    }
    let there = median(distances);
    for (distance, pair) in distances.iter_mut().zip(pairs) {
        *distance = nearest(pair.1, |it| it.0);
    }
    there.max(median(distances))
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f64::total_cmp).1 }
}
