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

/// How two heart rates run together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hearts {
    /// At all moments.
    pub all: Together,
    /// At those moments alone at which they differ by no more than two sensors of one heart do.
    pub near: Option<Together>,
}

/// Two sensors that work differ by no more than this at a moment, beats per minute.
const SENSORS_APART_MAX: f64 = 8.0;

/// How two tracks run together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tracks {
    /// The median distance of where they were at the same moment, m.
    pub apart_m: f64,
    /// How far from its middle the smaller one goes (root of the mean square), m.
    pub spread_m: f64,
    /// The median distance of a point of one from the nearest of the other, m: small on the same course, in whichever
    /// direction and at whichever time. `None` where it was not asked for.
    pub course_m: Option<f64>,
    /// Moments that both have.
    pub n: usize,
}

/// Two heart rates, `b` set earlier by `shift` ms.
pub(super) fn heart_rates(a: &View, b: &View, shift: i64) -> Option<Hearts> {
    let (mut sums, mut near) = (Sums::default(), Sums::default());
    each_pair(a, &a.heart_rate, b, &b.heart_rate, shift, |x, y| {
        sums.add(x, y);
        if (x - y).abs() <= SENSORS_APART_MAX {
            near.add(x, y);
        }
    });
    Some(Hearts { all: sums.together()?, near: near.together() })
}

/// Two speeds, `b` set earlier by `shift` ms.
pub(super) fn speeds(a: &View, b: &View, shift: i64) -> Option<Together> {
    let mut sums = Sums::default();
    each_pair(a, &a.speed, b, &b.speed, shift, |x, y| sums.add(x, y));
    sums.together()
}

/// A view of longer steps beside one of shorter ones: where in the other each of its moments is. As each step divides the
/// next, that is always as far behind a moment of the other: nothing is divided but once.
struct Beside<'a> {
    long: &'a View,
    short: &'a View,
    /// Which moment of the other the first one is at or after.
    first: i64,
    /// How many of the other's moments one step is.
    stride: i64,
    /// How far behind the other's moment, as a part of its step.
    part: f64,
    /// Whether the longer steps are those of the first of the two.
    is_first_long: bool,
}

impl<'a> Beside<'a> {
    /// `b` set earlier by `shift` ms; `None` for a view without moments.
    #[expect(clippy::cast_precision_loss, reason = "less than a step of a quarter of an hour, in ms")]
    fn new(a: &'a View, b: &'a View, shift: i64) -> Option<Self> {
        let is_first_long = a.step >= b.step;
        let (long, short, shift) = if is_first_long { (a, b, shift) } else { (b, a, shift.saturating_neg()) };
        if short.step <= 0 {
            return None;
        }
        let after = long.first.checked_add(shift)?.checked_sub(short.first)?;
        let part = after.rem_euclid(short.step) as f64 / short.step as f64;
        let stride = (long.step % short.step == 0).then(|| long.step / short.step)?;
        Some(Self { long, short, first: after.div_euclid(short.step), stride, part, is_first_long })
    }

    /// Where in the other a moment is; `None` before its first.
    fn index(&self, moment: usize) -> Option<usize> {
        let moment = i64::try_from(moment).ok()?;
        usize::try_from(self.first.checked_add(moment.checked_mul(self.stride)?)?).ok()
    }

    /// A column of the other at that place: between two neighbours, or at one of them; NaN where one is not measured.
    fn at(&self, column: &[f64], index: usize) -> f64 {
        let value = |index: usize| column.get(index).copied().unwrap_or(f64::NAN);
        if self.part == 0.0 { value(index) } else { value(index) * (1.0 - self.part) + value(index + 1) * self.part }
    }
}

/// Calls `take` with what two columns say at one moment, NaN where one says nothing.
fn each_pair(a: &View, of_a: &[f64], b: &View, of_b: &[f64], shift: i64, mut take: impl FnMut(f64, f64)) {
    if of_a.is_empty() || of_b.is_empty() {
        return;
    }
    let Some(beside) = Beside::new(a, b, shift) else { return };
    let (of_long, of_short) = if beside.is_first_long { (of_a, of_b) } else { (of_b, of_a) };
    for (moment, value) in of_long.iter().enumerate() {
        if let Some(index) = beside.index(moment) {
            take(*value, beside.at(of_short, index));
        }
    }
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

/// Two tracks, `b` set earlier by `shift` ms; with their courses, if they are wanted: each point of one is then held
/// against all of the other.
pub(super) fn tracks(a: &View, b: &View, shift: i64, wants_course: bool) -> Option<Tracks> {
    if a.latitude.is_empty() || b.latitude.is_empty() {
        return None;
    }
    let beside = Beside::new(a, b, shift)?;
    let place = (0..a.latitude.len()).find_map(|it| position(a, it))?;
    let narrower = place.0.to_radians().cos();
    let metres = |(latitude, longitude): Point| {
        (wrapped(longitude - place.1) * DEGREE_M * narrower, (latitude - place.0) * DEGREE_M)
    };
    let mut pairs: Vec<(Point, Point)> = Vec::with_capacity(beside.long.latitude.len());
    for moment in 0..beside.long.latitude.len() {
        let Some((long, short)) = position(beside.long, moment).zip(position_at(&beside, moment)) else { continue };
        let (of_a, of_b) = if beside.is_first_long { (long, short) } else { (short, long) };
        pairs.push((metres(of_a), metres(of_b)));
    }
    if pairs.len() < MOMENTS_MIN {
        return None;
    }
    let mut apart: Vec<f64> = pairs.iter().map(|(it, other)| distance(*it, *other)).collect();
    let apart_m = median(&mut apart);
    let spread_m = spread(pairs.iter().map(|it| it.0)).min(spread(pairs.iter().map(|it| it.1)));
    // Looked at only where it can tell more: whether those who were elsewhere at the time were on the same course.
    let course_m = wants_course.then(|| if apart_m > 30.0 { course(&pairs, &mut apart) } else { apart_m });
    Some(Tracks { apart_m, spread_m, course_m, n: pairs.len() })
}

fn position(view: &View, index: usize) -> Option<Point> {
    let (latitude, longitude) = (*view.latitude.get(index)?, *view.longitude.get(index)?);
    (!latitude.is_nan() && !longitude.is_nan()).then_some((latitude, longitude))
}

/// Where the other was at a moment of the view of longer steps.
fn position_at(beside: &Beside<'_>, moment: usize) -> Option<Point> {
    let (index, longitude) = (beside.index(moment)?, &beside.short.longitude);
    let is_between = beside.part > 0.0;
    let crosses = |it: &f64| longitude.get(index + 1).is_some_and(|next| (next - it).abs() > 180.0);
    if is_between && longitude.get(index).is_some_and(crosses) {
        // Between two sides of the date line there is no middle to be had.
        return None;
    }
    let (latitude, longitude) = (beside.at(&beside.short.latitude, index), beside.at(longitude, index));
    (!latitude.is_nan() && !longitude.is_nan()).then_some((latitude, longitude))
}

fn distance(a: Point, b: Point) -> f64 {
    square(a, b).sqrt()
}

fn square(a: Point, b: Point) -> f64 {
    let (east, north) = (a.0 - b.0, a.1 - b.1);
    east * east + north * north
}

#[expect(clippy::cast_precision_loss, reason = "at most as many as a view has moments")]
fn spread(points: impl Iterator<Item = Point> + Clone) -> f64 {
    let n = points.clone().count().max(1) as f64;
    let (east, north) = points.clone().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let middle = (east / n, north / n);
    (points.map(|it| square(it, middle)).sum::<f64>() / n).sqrt()
}

/// The greater of the medians, from either to the other: a short course on a long one is not the same.
fn course(pairs: &[(Point, Point)], distances: &mut [f64]) -> f64 {
    let nearest = |it: Point, of: fn(&(Point, Point)) -> Point| {
        let squares = pairs.iter().map(of).map(|other| square(it, other));
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
