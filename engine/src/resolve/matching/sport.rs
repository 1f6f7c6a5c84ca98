//! Which kinds of exercise are told apart by one service and not by another.

use schemas::workout::Sport;

/// How two kinds of exercise go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinship {
    /// The same.
    Same,
    /// Of one family: running on a road, a trail, a treadmill.
    Family,
    /// At least one is not said.
    Unsaid,
    /// Of different families.
    Other,
    /// One is a bout of several sports, the other one of its legs, or a change between two.
    Leg,
}

/// How these two go together. Symmetric.
pub(super) fn kinship(a: Sport, b: Sport) -> Kinship {
    match (a, b) {
        _ if a == b => Kinship::Same,
        (Sport::Other, _) | (_, Sport::Other) => Kinship::Unsaid,
        (Sport::Multisport | Sport::Transition, _) | (_, Sport::Multisport | Sport::Transition) => Kinship::Leg,
        _ if family(a) == family(b) => Kinship::Family,
        _ => Kinship::Other,
    }
}

/// Whether the distance of such a bout is a guess: no satellite sees it.
pub(super) const fn is_indoors(sport: Sport) -> bool {
    matches!(
        sport,
        Sport::TreadmillRunning
            | Sport::IndoorCycling
            | Sport::IndoorRowing
            | Sport::Elliptical
            | Sport::StairClimbing
            | Sport::PoolSwimming
    )
}

/// A number per family.
const fn family(sport: Sport) -> u8 {
    match sport {
        Sport::Running | Sport::TrailRunning | Sport::TreadmillRunning => 1,
        Sport::Walking | Sport::Hiking => 2,
        Sport::Cycling | Sport::MountainBiking | Sport::GravelCycling | Sport::IndoorCycling | Sport::EBiking => 3,
        Sport::PoolSwimming | Sport::OpenWaterSwimming => 4,
        Sport::Rowing | Sport::IndoorRowing | Sport::Paddling | Sport::StandUpPaddling => 5,
        Sport::StrengthTraining | Sport::Hiit => 6,
        Sport::Yoga | Sport::Pilates => 7,
        Sport::Elliptical | Sport::StairClimbing => 8,
        Sport::CrossCountrySkiing => 9,
        Sport::AlpineSkiing | Sport::Snowboarding => 10,
        Sport::Skating => 11,
        Sport::Climbing => 12,
        Sport::Golf => 13,
        Sport::RacketSport => 14,
        Sport::TeamSport => 15,
        Sport::Dancing => 16,
        Sport::MartialArts => 17,
        Sport::Multisport | Sport::Transition | Sport::Other => 0,
    }
}
