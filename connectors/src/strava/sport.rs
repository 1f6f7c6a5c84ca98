//! Strava's sport types and ours.

use schemas::workout::Sport;

/// Strava's sport types (its `SportType` enumeration) and what they are here.
const SPORTS: [(&str, Sport); 50] = [
    ("AlpineSki", Sport::AlpineSkiing),
    ("BackcountrySki", Sport::AlpineSkiing),
    ("Badminton", Sport::RacketSport),
    ("Canoeing", Sport::Paddling),
    ("Crossfit", Sport::Hiit),
    ("EBikeRide", Sport::EBiking),
    ("EMountainBikeRide", Sport::EBiking),
    ("Elliptical", Sport::Elliptical),
    ("Golf", Sport::Golf),
    ("GravelRide", Sport::GravelCycling),
    ("Handcycle", Sport::Other),
    ("HighIntensityIntervalTraining", Sport::Hiit),
    ("Hike", Sport::Hiking),
    ("IceSkate", Sport::Skating),
    ("InlineSkate", Sport::Skating),
    ("Kayaking", Sport::Paddling),
    ("Kitesurf", Sport::Other),
    ("MountainBikeRide", Sport::MountainBiking),
    ("NordicSki", Sport::CrossCountrySkiing),
    ("Pickleball", Sport::RacketSport),
    ("Pilates", Sport::Pilates),
    ("Racquetball", Sport::RacketSport),
    ("Ride", Sport::Cycling),
    ("RockClimbing", Sport::Climbing),
    ("RollerSki", Sport::CrossCountrySkiing),
    ("Rowing", Sport::Rowing),
    ("Run", Sport::Running),
    ("Sail", Sport::Other),
    ("Skateboard", Sport::Other),
    ("Snowboard", Sport::Snowboarding),
    ("Snowshoe", Sport::Other),
    ("Soccer", Sport::TeamSport),
    ("Squash", Sport::RacketSport),
    ("StairStepper", Sport::StairClimbing),
    ("StandUpPaddling", Sport::StandUpPaddling),
    ("Surfing", Sport::Other),
    ("Swim", Sport::PoolSwimming),
    ("TableTennis", Sport::RacketSport),
    ("Tennis", Sport::RacketSport),
    ("TrailRun", Sport::TrailRunning),
    ("Velomobile", Sport::Other),
    ("VirtualRide", Sport::IndoorCycling),
    ("VirtualRow", Sport::IndoorRowing),
    ("VirtualRun", Sport::TreadmillRunning),
    ("Walk", Sport::Walking),
    ("WeightTraining", Sport::StrengthTraining),
    ("Wheelchair", Sport::Other),
    ("Windsurf", Sport::Other),
    ("Workout", Sport::Other),
    ("Yoga", Sport::Yoga),
];

/// What a Strava activity is here, and Strava's own name where it says more. Strava keeps neither *indoors* nor
/// *open water* in the name: the one is its trainer flag, the other is whether a place was recorded.
pub(super) fn from_strava(name: &str, is_trainer: bool, has_place: bool) -> (Sport, Option<String>) {
    let known = SPORTS.iter().find(|(it, _)| *it == name).map(|(_, sport)| *sport);
    let sport = match known {
        Some(Sport::Running) if is_trainer => Sport::TreadmillRunning,
        Some(Sport::Cycling) if is_trainer => Sport::IndoorCycling,
        Some(Sport::Rowing) if is_trainer => Sport::IndoorRowing,
        Some(Sport::PoolSwimming) if has_place => Sport::OpenWaterSwimming,
        Some(sport) => sport,
        None => Sport::Other,
    };
    let detail = (to_strava(sport, None).0 != name).then(|| name.to_owned());
    (sport, detail)
}

/// Strava's name for a sport, and whether its trainer flag belongs to it. A detail that is a Strava name of that
/// very sport is that name; a sport that Strava does not tell apart is `Workout`, its name for any other.
pub(super) fn to_strava(sport: Sport, detail: Option<&str>) -> (&'static str, bool) {
    let named = SPORTS.iter().find(|(name, it)| *it == sport && Some(*name) == detail);
    if let Some((name, _)) = named {
        return (name, false);
    }
    match sport {
        Sport::Running => ("Run", false),
        Sport::TrailRunning => ("TrailRun", false),
        Sport::TreadmillRunning => ("Run", true),
        Sport::Walking => ("Walk", false),
        Sport::Hiking => ("Hike", false),
        Sport::Cycling => ("Ride", false),
        Sport::MountainBiking => ("MountainBikeRide", false),
        Sport::GravelCycling => ("GravelRide", false),
        Sport::IndoorCycling => ("Ride", true),
        Sport::EBiking => ("EBikeRide", false),
        Sport::PoolSwimming | Sport::OpenWaterSwimming => ("Swim", false),
        Sport::Rowing => ("Rowing", false),
        Sport::IndoorRowing => ("Rowing", true),
        Sport::Paddling => ("Kayaking", false),
        Sport::StandUpPaddling => ("StandUpPaddling", false),
        Sport::StrengthTraining => ("WeightTraining", false),
        Sport::Yoga => ("Yoga", false),
        Sport::Pilates => ("Pilates", false),
        Sport::Elliptical => ("Elliptical", false),
        Sport::StairClimbing => ("StairStepper", false),
        Sport::Hiit => ("HighIntensityIntervalTraining", false),
        Sport::CrossCountrySkiing => ("NordicSki", false),
        Sport::AlpineSkiing => ("AlpineSki", false),
        Sport::Snowboarding => ("Snowboard", false),
        Sport::Skating => ("InlineSkate", false),
        Sport::Climbing => ("RockClimbing", false),
        Sport::Golf => ("Golf", false),
        Sport::Other
        | Sport::RacketSport
        | Sport::TeamSport
        | Sport::Dancing
        | Sport::MartialArts
        | Sport::Multisport
        | Sport::Transition => ("Workout", false),
    }
}

/// Whether Strava counts the cadence of one leg, so that steps are twice as many.
pub(super) fn is_on_foot(sport: Sport) -> bool {
    matches!(sport, Sport::Running | Sport::TrailRunning | Sport::TreadmillRunning | Sport::Walking | Sport::Hiking)
}

/// Whether Strava has a sport type of that name.
pub(super) fn is_known(name: &str) -> bool {
    SPORTS.iter().any(|(it, _)| *it == name)
}
