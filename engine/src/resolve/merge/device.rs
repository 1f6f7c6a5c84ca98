//! What kind of device measured a record, by the name that its provider gives it.

use super::track::Group;
use schemas::record::Origin;

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// The provider does not say, or in words that are not known.
    Unknown,
    /// A phone.
    Phone,
    /// A watch, a band or a ring.
    Watch,
    /// A computer on a bike, or a trainer.
    Computer,
    /// An optical sensor worn on the arm.
    Armband,
    /// A heart rate sensor worn around the chest.
    ChestStrap,
    /// A power meter.
    PowerMeter,
}

/// How words of names begin, the most telling kind first: `Polar H10` is a strap, though Polar makes watches.
const NAMES: [(Device, &[&str]); 6] = [
    (
        Device::ChestStrap,
        &[
            "strap",
            "chest",
            "hrm",
            "tickr",
            "polar h",
            "polar_h",
            "heart rate monitor",
            "heart-rate monitor",
            "smartrun",
        ],
    ),
    (Device::Armband, &["armband", "verity", "oh1", "rhythm", "scosche"]),
    (
        Device::PowerMeter,
        &[
            "power meter",
            "powermeter",
            "assioma",
            "vector",
            "rally",
            "quarq",
            "srm",
            "power2max",
            "4iiii",
            "powertap",
            "infocrank",
            "favero",
            "stryd",
            "stages",
        ],
    ),
    (
        Device::Computer,
        &[
            "edge",
            "elemnt",
            "karoo",
            "bryton",
            "lezyne",
            "kickr",
            "tacx",
            "wattbike",
            "peloton",
            "bike computer",
            "rox",
        ],
    ),
    (
        Device::Watch,
        &[
            "watch",
            "smartwatch",
            "ticwatch",
            "forerunner",
            "fenix",
            "fēnix",
            "epix",
            "venu",
            "vivo",
            "vívo",
            "instinct",
            "enduro",
            "garmin",
            "fitbit",
            "versa",
            "sense",
            "charge",
            "inspire",
            "suunto",
            "coros",
            "polar",
            "amazfit",
            "whoop",
            "band",
            "ring",
            "oura",
            "withings",
            "fr2",
            "fr3",
            "fr4",
            "fr5",
            "fr6",
            "fr7",
            "fr9",
        ],
    ),
    (
        Device::Phone,
        &[
            "phone",
            "iphone",
            "smartphone",
            "pixel",
            "android",
            "galaxy",
            "sm-",
            "ipad",
            "oneplus",
            "xiaomi",
            "huawei",
            "mobile",
        ],
    ),
];

impl Device {
    /// The kind of the device that an origin names.
    pub(super) fn of(origin: &Origin) -> Self {
        let Some(name) = origin.device.as_ref().map(|it| it.to_lowercase()) else { return Self::Unknown };
        let begins_word = |at: usize| !name[..at].ends_with(char::is_alphanumeric);
        let has_word = |it: &&str| name.match_indices(it).any(|(at, _)| begins_word(at));
        let found = NAMES.iter().find(|(_, names)| names.iter().any(has_word));
        found.map_or(Self::Unknown, |it| it.0)
    }

    /// How well such a device measures a group of columns; greater is better.
    pub(super) const fn rank(self, group: Group) -> u8 {
        match (group, self) {
            (_, Self::Unknown) => 0,
            (_, Self::Phone) => 1,
            (Group::HeartRate, Self::ChestStrap) | (Group::Power, Self::PowerMeter) => 4,
            (Group::HeartRate, Self::Armband) | (Group::Cadence, Self::PowerMeter) => 3,
            (_, Self::Watch | Self::Computer) => 2,
            // What a sensor does not measure itself comes from the app that reads it, on a phone.
            (_, Self::Armband | Self::ChestStrap | Self::PowerMeter) => 1,
        }
    }

    /// How well it records a bout as a whole: when it began, ended and paused.
    pub(super) const fn recording_rank(self) -> u8 {
        match self {
            Self::Watch | Self::Computer => 2,
            Self::Phone | Self::Armband | Self::ChestStrap | Self::PowerMeter => 1,
            Self::Unknown => 0,
        }
    }

    /// Its name in notes.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown device",
            Self::Phone => "phone",
            Self::Watch => "watch",
            Self::Computer => "bike computer",
            Self::Armband => "armband",
            Self::ChestStrap => "chest strap",
            Self::PowerMeter => "power meter",
        }
    }
}
