//! What really happened: a person moving along a route, second by second.

use crate::dice::Dice;
use schemas::workout::Sport;

/// Seconds between two moments of a bout.
pub(crate) const STEP_S: f64 = 5.0;

/// A way through a town: corners in metres east and north of a place.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    place: (f64, f64),
    corners: Vec<(f64, f64)>,
    /// Metres between two corners.
    leg: f64,
}

impl Route {
    /// A wandering one of about that many metres.
    pub(crate) fn wandering(dice: &mut Dice, metres: f64) -> Self {
        let place = (dice.between(-50.0, 60.0), dice.between(-120.0, 140.0));
        let (mut at, mut heading) = ((0.0, 0.0), dice.between(0.0, std::f64::consts::TAU));
        let mut corners = vec![at];
        for _ in 0..(metres / 50.0) as usize + 2 {
            heading += dice.around(0.0, 0.25);
            at = (at.0 + 50.0 * f64::sin(heading), at.1 + 50.0 * f64::cos(heading));
            corners.push(at);
        }
        Self { place, corners, leg: 50.0 }
    }

    /// Round and round a 400 m track.
    pub(crate) fn oval(dice: &mut Dice, metres: f64) -> Self {
        let mut route =
            Self { place: (dice.between(-50.0, 60.0), dice.between(-120.0, 140.0)), corners: Vec::new(), leg: 10.0 };
        for index in 0..(metres / 10.0) as usize + 2 {
            let turn = index as f64 / 40.0 * std::f64::consts::TAU;
            route.corners.push((80.0 * f64::sin(turn), 45.0 * f64::cos(turn)));
        }
        route
    }

    /// The way back.
    pub(crate) fn back(&self) -> Self {
        Self { corners: self.corners.iter().rev().copied().collect(), ..self.clone() }
    }

    /// Its length, m.
    pub(crate) fn length(&self) -> f64 {
        self.leg * (self.corners.len() - 1) as f64
    }

    fn at(&self, metres: f64) -> (f64, f64) {
        let corner = (metres / self.leg).clamp(0.0, (self.corners.len() - 1) as f64);
        let (index, part) = (corner as usize, corner.fract());
        let (from, to) = (self.corners[index], self.corners[(index + 1).min(self.corners.len() - 1)]);
        (from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1))
    }

    /// Latitude and longitude of so many metres east and north of the place.
    pub(crate) fn degrees(&self, (east, north): (f64, f64)) -> (f64, f64) {
        let latitude = self.place.0 + north / 111_195.0;
        (latitude, self.place.1 + east / (111_195.0 * self.place.0.to_radians().cos()))
    }
}

/// A heart, and how it works today.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heart {
    pub rest: f64,
    pub top: f64,
}

impl Heart {
    pub(crate) fn of(dice: &mut Dice) -> Self {
        Self { rest: dice.between(48.0, 72.0), top: dice.between(168.0, 196.0) }
    }
}

/// What is done along the way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effort {
    /// Steady, with stops at lights.
    Steady { stops: bool },
    /// Hard and easy in turns of so many seconds.
    Intervals { hard: f64, easy: f64 },
}

/// A bout of exercise as it was, every [`STEP_S`] seconds.
#[derive(Clone, Debug)]
pub(crate) struct Bout {
    /// Its first moment, s since 1970.
    pub start: f64,
    pub sport: Sport,
    pub route: Option<Route>,
    /// Metres since the start.
    pub metres: Vec<f64>,
    /// Beats per minute.
    pub heart: Vec<f64>,
}

impl Bout {
    pub(crate) fn seconds(&self) -> f64 {
        (self.metres.len() - 1) as f64 * STEP_S
    }

    pub(crate) fn position(&self, index: usize) -> Option<(f64, f64)> {
        self.route.as_ref().map(|route| route.at(self.metres[index]))
    }
}

/// How a bout is to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub start: f64,
    pub sport: Sport,
    /// m/s.
    pub speed: f64,
    pub route: Option<Route>,
    pub effort: Effort,
    /// Ends at the end of the route, else after so many seconds.
    pub seconds: Option<f64>,
    /// Share of the heart's range.
    pub load: f64,
}

/// Does what was planned, as a day and a heart have it.
pub(crate) fn perform(dice: &mut Dice, heart: Heart, plan: &Plan) -> Bout {
    let mut bout =
        Bout { start: plan.start, sport: plan.sport, route: plan.route.clone(), metres: vec![0.0], heart: Vec::new() };
    let form = dice.around(1.0, 0.02);
    let warmth = dice.around(0.0, 0.03);
    let (mut pace, mut beats, mut wait, mut walked) = (0.0, heart.rest + dice.between(8.0, 30.0), 0.0, 0.0);
    let lights: Vec<f64> = (0..8).map(|it| 300.0 + 900.0 * f64::from(it)).collect();
    let end = plan.seconds.unwrap_or(6.0 * 3_600.0);
    let goal = plan.route.as_ref().filter(|_| plan.seconds.is_none()).map_or(f64::INFINITY, Route::length);
    let mut second = 0.0;
    while second < end && walked < goal {
        pace = 0.97 * pace + dice.around(0.0, 0.02);
        let hard = match plan.effort {
            Effort::Steady { .. } => 1.0,
            Effort::Intervals { hard, easy } => {
                if second % (hard + easy) < hard {
                    1.25
                } else {
                    0.6
                }
            }
        };
        let before = walked;
        if wait > 0.0 {
            wait -= STEP_S;
        } else {
            walked += plan.speed * form * hard * (1.0 + pace) * STEP_S;
        }
        if matches!(plan.effort, Effort::Steady { stops: true })
            && lights.iter().any(|it| before < *it && walked >= *it)
            && dice.chance(0.5)
        {
            wait = dice.between(5.0, 60.0);
        }
        let is_moving = walked > before;
        let load = plan.load * hard * (1.0 + 1.5 * pace + warmth) * if is_moving { 1.0 } else { 0.4 };
        let aim = heart.rest + (heart.top - heart.rest) * load.clamp(0.05, 1.0) + second / 3_600.0 * 5.0;
        beats += (aim - beats) * (STEP_S / 40.0) + dice.around(0.0, 1.0);
        bout.metres.push(walked);
        bout.heart.push(beats.clamp(40.0, 205.0));
        second += STEP_S;
    }
    bout.heart.push(beats.clamp(40.0, 205.0));
    bout
}
