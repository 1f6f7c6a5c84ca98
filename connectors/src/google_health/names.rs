//! Google's names for sports and nutrients, and ours.

use schemas::workout::Sport;

/// Our sport for Google's `exerciseType`, and Google's own word where it says more than ours.
pub(super) fn sport_of_google(kind: &str) -> (Sport, Option<String>) {
    let sport = match kind {
        "RUNNING" => Sport::Running,
        "WALKING" => Sport::Walking,
        "BIKING" => Sport::Cycling,
        "HIKING" => Sport::Hiking,
        "YOGA" => Sport::Yoga,
        "PILATES" => Sport::Pilates,
        "HIIT" => Sport::Hiit,
        "STRENGTH_TRAINING" => Sport::StrengthTraining,
        "" | "OTHER" | "EXERCISE_TYPE_UNSPECIFIED" => Sport::Other,
        // Google does not say whether in a pool; that is where a wearable is mostly worn to swim.
        "SWIMMING" => return (Sport::PoolSwimming, Some(kind.into())),
        "WEIGHTLIFTING" => return (Sport::StrengthTraining, Some(kind.into())),
        _ => return (Sport::Other, Some(kind.into())),
    };
    (sport, None)
}

/// Google's `exerciseType` for our sport: one of those in the discovery document of 2026-04-16.
pub(super) const fn sport_to_google(sport: Sport) -> &'static str {
    match sport {
        Sport::Running | Sport::TrailRunning | Sport::TreadmillRunning => "RUNNING",
        Sport::Walking => "WALKING",
        Sport::Hiking => "HIKING",
        Sport::Cycling | Sport::MountainBiking | Sport::GravelCycling | Sport::IndoorCycling | Sport::EBiking => {
            "BIKING"
        }
        Sport::PoolSwimming | Sport::OpenWaterSwimming => "SWIMMING",
        Sport::StrengthTraining => "STRENGTH_TRAINING",
        Sport::Yoga => "YOGA",
        Sport::Pilates => "PILATES",
        Sport::Hiit => "HIIT",
        Sport::Rowing
        | Sport::IndoorRowing
        | Sport::Paddling
        | Sport::StandUpPaddling
        | Sport::Elliptical
        | Sport::StairClimbing
        | Sport::CrossCountrySkiing
        | Sport::AlpineSkiing
        | Sport::Snowboarding
        | Sport::Skating
        | Sport::Climbing
        | Sport::Golf
        | Sport::RacketSport
        | Sport::TeamSport
        | Sport::Dancing
        | Sport::MartialArts
        | Sport::Multisport
        | Sport::Transition
        | Sport::Other => "OTHER",
    }
}

/// Names that differ by more than case: ours, then Google's.
const NUTRIENTS: [(&str, &str); 3] =
    [("fiber", "DIETARY_FIBER"), ("saturated_fat", "SATURATED_FAT"), ("sugar", "SUGAR")];

/// Our name of a nutrient.
pub(super) fn nutrient_of_google(name: &str) -> String {
    NUTRIENTS.iter().find(|it| it.1 == name).map_or_else(|| name.to_lowercase(), |it| it.0.into())
}

/// Google's name of a nutrient.
pub(super) fn nutrient_to_google(name: &str) -> String {
    NUTRIENTS.iter().find(|it| it.0 == name).map_or_else(|| name.to_uppercase(), |it| it.1.into())
}

/// A title for a workout that has none: Google requires one.
pub(super) fn sport_title(sport: Sport) -> String {
    let kind = sport_to_google(sport).replace('_', " ");
    let mut letters = kind.chars();
    match letters.next() {
        Some(first) if kind != "OTHER" => first.to_string() + &letters.as_str().to_lowercase(),
        _ => "Workout".into(),
    }
}
