//! Sports of the FIT profile (types `sport` and `sub_sport`) and ours.

use rustyfit::profile::typedef::{Sport as FitSport, SubSport as FitSub};
use schemas::workout::Sport;

/// Our sport for the profile's numbers, and the profile's own name where it says more.
pub(super) fn of(sport: Option<u32>, sub: Option<u32>) -> (Sport, Option<String>) {
    let fit = FitSport(sport.and_then(|it| u8::try_from(it).ok()).unwrap_or(FitSport::GENERIC.0));
    let sub = FitSub(sub.and_then(|it| u8::try_from(it).ok()).unwrap_or(FitSub::GENERIC.0));
    let ours = ours(fit, sub);
    let detail = match sub {
        _ if to_fit(ours) == (fit, sub) => None,
        FitSub::GENERIC => (ours == Sport::Other && fit != FitSport::GENERIC).then(|| fit.to_string()),
        _ => Some(sub.to_string()),
    };
    (ours, detail)
}

fn ours(fit: FitSport, sub: FitSub) -> Sport {
    // What the sub-sport alone decides comes first: it is the finer of the two.
    match sub {
        FitSub::INDOOR_ROWING => return Sport::IndoorRowing,
        FitSub::ELLIPTICAL => return Sport::Elliptical,
        FitSub::STAIR_CLIMBING => return Sport::StairClimbing,
        FitSub::STRENGTH_TRAINING => return Sport::StrengthTraining,
        FitSub::YOGA => return Sport::Yoga,
        FitSub::PILATES => return Sport::Pilates,
        FitSub::HIIT | FitSub::AMRAP | FitSub::EMOM | FitSub::TABATA => return Sport::Hiit,
        FitSub::INDOOR_CLIMBING | FitSub::BOULDERING => return Sport::Climbing,
        _ => {}
    }
    match (fit, sub) {
        (FitSport::RUNNING, FitSub::TRAIL) => Sport::TrailRunning,
        (FitSport::RUNNING, FitSub::TREADMILL | FitSub::INDOOR_RUNNING) => Sport::TreadmillRunning,
        (FitSport::RUNNING, _) => Sport::Running,
        (FitSport::CYCLING, FitSub::MOUNTAIN | FitSub::DOWNHILL) => Sport::MountainBiking,
        (FitSport::CYCLING, FitSub::GRAVEL_CYCLING | FitSub::CYCLOCROSS | FitSub::MIXED_SURFACE) => {
            Sport::GravelCycling
        }
        (FitSport::CYCLING, FitSub::INDOOR_CYCLING | FitSub::SPIN | FitSub::VIRTUAL_ACTIVITY) => Sport::IndoorCycling,
        (FitSport::CYCLING, FitSub::E_BIKE_FITNESS | FitSub::E_BIKE_MOUNTAIN) => Sport::EBiking,
        (FitSport::CYCLING, _) => Sport::Cycling,
        (FitSport::E_BIKING, _) => Sport::EBiking,
        (FitSport::SWIMMING, FitSub::OPEN_WATER) => Sport::OpenWaterSwimming,
        (FitSport::SWIMMING, _) => Sport::PoolSwimming,
        (FitSport::TRANSITION, _) => Sport::Transition,
        (FitSport::WALKING, _) => Sport::Walking,
        (FitSport::HIKING, _) => Sport::Hiking,
        (FitSport::ROWING, _) => Sport::Rowing,
        (FitSport::PADDLING | FitSport::KAYAKING | FitSport::CANOEING, _) => Sport::Paddling,
        (FitSport::STAND_UP_PADDLEBOARDING, _) => Sport::StandUpPaddling,
        (FitSport::CROSS_COUNTRY_SKIING, _) => Sport::CrossCountrySkiing,
        (FitSport::ALPINE_SKIING, _) => Sport::AlpineSkiing,
        (FitSport::SNOWBOARDING, _) => Sport::Snowboarding,
        (FitSport::INLINE_SKATING | FitSport::ICE_SKATING, _) => Sport::Skating,
        (FitSport::ROCK_CLIMBING, _) => Sport::Climbing,
        (FitSport::GOLF, _) => Sport::Golf,
        (FitSport::TENNIS | FitSport::RACKET, _) => Sport::RacketSport,
        (FitSport::BASKETBALL | FitSport::SOCCER | FitSport::AMERICAN_FOOTBALL | FitSport::TEAM_SPORT, _)
        | (FitSport::CRICKET | FitSport::RUGBY | FitSport::HOCKEY | FitSport::LACROSSE | FitSport::VOLLEYBALL, _) => {
            Sport::TeamSport
        }
        (FitSport::DANCE, _) => Sport::Dancing,
        (FitSport::BOXING | FitSport::MIXED_MARTIAL_ARTS, _) => Sport::MartialArts,
        (FitSport::MULTISPORT, _) => Sport::Multisport,
        (FitSport::HIIT, _) => Sport::Hiit,
        _ => Sport::Other,
    }
}

/// The profile's numbers for our sport; reading them gives our sport again.
pub(super) fn to_fit(sport: Sport) -> (FitSport, FitSub) {
    match sport {
        Sport::Other => (FitSport::GENERIC, FitSub::GENERIC),
        Sport::Running => (FitSport::RUNNING, FitSub::GENERIC),
        Sport::TrailRunning => (FitSport::RUNNING, FitSub::TRAIL),
        Sport::TreadmillRunning => (FitSport::RUNNING, FitSub::TREADMILL),
        Sport::Walking => (FitSport::WALKING, FitSub::GENERIC),
        Sport::Hiking => (FitSport::HIKING, FitSub::GENERIC),
        Sport::Cycling => (FitSport::CYCLING, FitSub::GENERIC),
        Sport::MountainBiking => (FitSport::CYCLING, FitSub::MOUNTAIN),
        Sport::GravelCycling => (FitSport::CYCLING, FitSub::GRAVEL_CYCLING),
        Sport::IndoorCycling => (FitSport::CYCLING, FitSub::INDOOR_CYCLING),
        Sport::EBiking => (FitSport::E_BIKING, FitSub::GENERIC),
        Sport::PoolSwimming => (FitSport::SWIMMING, FitSub::LAP_SWIMMING),
        Sport::OpenWaterSwimming => (FitSport::SWIMMING, FitSub::OPEN_WATER),
        Sport::Rowing => (FitSport::ROWING, FitSub::GENERIC),
        Sport::IndoorRowing => (FitSport::FITNESS_EQUIPMENT, FitSub::INDOOR_ROWING),
        Sport::Paddling => (FitSport::PADDLING, FitSub::GENERIC),
        Sport::StandUpPaddling => (FitSport::STAND_UP_PADDLEBOARDING, FitSub::GENERIC),
        Sport::StrengthTraining => (FitSport::TRAINING, FitSub::STRENGTH_TRAINING),
        Sport::Yoga => (FitSport::TRAINING, FitSub::YOGA),
        Sport::Pilates => (FitSport::TRAINING, FitSub::PILATES),
        Sport::Elliptical => (FitSport::FITNESS_EQUIPMENT, FitSub::ELLIPTICAL),
        Sport::StairClimbing => (FitSport::FITNESS_EQUIPMENT, FitSub::STAIR_CLIMBING),
        Sport::Hiit => (FitSport::HIIT, FitSub::GENERIC),
        Sport::CrossCountrySkiing => (FitSport::CROSS_COUNTRY_SKIING, FitSub::GENERIC),
        Sport::AlpineSkiing => (FitSport::ALPINE_SKIING, FitSub::GENERIC),
        Sport::Snowboarding => (FitSport::SNOWBOARDING, FitSub::GENERIC),
        Sport::Skating => (FitSport::INLINE_SKATING, FitSub::GENERIC),
        Sport::Climbing => (FitSport::ROCK_CLIMBING, FitSub::GENERIC),
        Sport::Golf => (FitSport::GOLF, FitSub::GENERIC),
        Sport::RacketSport => (FitSport::RACKET, FitSub::GENERIC),
        Sport::TeamSport => (FitSport::TEAM_SPORT, FitSub::GENERIC),
        Sport::Dancing => (FitSport::DANCE, FitSub::GENERIC),
        Sport::MartialArts => (FitSport::MIXED_MARTIAL_ARTS, FitSub::GENERIC),
        Sport::Multisport => (FitSport::MULTISPORT, FitSub::GENERIC),
        Sport::Transition => (FitSport::TRANSITION, FitSub::GENERIC),
    }
}

/// Whether cadence and cycles of the sport count one foot in FIT and both in ours.
pub(super) fn is_on_foot(sport: Sport) -> bool {
    matches!(
        sport,
        Sport::Running
            | Sport::TrailRunning
            | Sport::TreadmillRunning
            | Sport::Walking
            | Sport::Hiking
            | Sport::Transition
    )
}
