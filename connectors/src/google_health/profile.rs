//! What Google Health API v4 can do, as data: the feeds it has, and which of them can be written.

use engine::provider::{Access, Auth, Delivery, Limit, Profile, Scope, TypeProfile, Verbs};
use schemas::{data_type::DataType, record::Policy};
use std::time::Duration;

/// One data type of Google's, and how it becomes one of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Feed {
    /// Its name in paths (kebab case); in filters the same with underscores.
    pub(super) name: &'static str,
    /// Its key in a data point (camel case).
    pub(super) field: &'static str,
    /// What it becomes.
    pub(super) data_type: DataType,
    /// How its points say when they were.
    pub(super) shape: Shape,
    /// How it is read.
    pub(super) via: Via,
    /// Where its value is.
    pub(super) value: Where,
}

/// How points say when they were. Decides the filter, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// An observed interval.
    Interval,
    /// A moment.
    Sample,
    /// A civil date.
    Daily,
    /// A session; its filter knows civil start times only.
    Session,
    /// Sleep; its filter knows end times only.
    Sleep,
}

/// How a feed is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// Every source's points.
    List,
    /// One stream of all sources: what is added up or put in a series must not be there once a source.
    Reconcile,
    /// Sums by day; Google has no points of it.
    DailyRollUp,
}

/// Where a point's value is: a JSON pointer below the feed's key, and by what to divide it for our unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Where {
    /// A number that must be there.
    At(&'static str, f64),
    /// A number that Google may leave out, as another in the same point is enough.
    Maybe(&'static str, f64),
    /// Samples of a series.
    Series(&'static str),
    /// Nightly less baseline skin temperature.
    TemperatureDelta,
    /// A sleep session.
    Sleep,
    /// A bout of exercise.
    Exercise,
    /// Food taken.
    Nutrition,
}

const fn feed(name: &'static str, field: &'static str, data_type: DataType, shape: Shape, value: Where) -> Feed {
    Feed { name, field, data_type, shape, via: Via::List, value }
}

const fn via(via: Via, feed: Feed) -> Feed {
    Feed { via, ..feed }
}

/// Every feed that is read (discovery document of 2026-04-16, `DataPoint` and `ReconciledDataPoint`; the operations
/// of each type after Google's table of data types).
pub(super) const FEEDS: [Feed; 24] = [
    via(Via::Reconcile, feed("steps", "steps", DataType::Steps, Shape::Interval, Where::At("/count", 1.0))),
    via(
        Via::Reconcile,
        feed("distance", "distance", DataType::Distance, Shape::Interval, Where::At("/millimeters", 1000.0)),
    ),
    via(Via::Reconcile, feed("floors", "floors", DataType::Floors, Shape::Interval, Where::At("/count", 1.0))),
    via(
        Via::DailyRollUp,
        feed("total-calories", "totalCalories", DataType::TotalEnergy, Shape::Interval, Where::At("/kcalSum", 1.0)),
    ),
    via(
        Via::Reconcile,
        feed("heart-rate", "heartRate", DataType::HeartRate, Shape::Sample, Where::Series("/beatsPerMinute")),
    ),
    feed(
        "daily-resting-heart-rate",
        "dailyRestingHeartRate",
        DataType::RestingHeartRate,
        Shape::Daily,
        Where::At("/beatsPerMinute", 1.0),
    ),
    feed(
        "heart-rate-variability",
        "heartRateVariability",
        DataType::HrvRmssd,
        Shape::Sample,
        Where::Maybe("/rootMeanSquareOfSuccessiveDifferencesMilliseconds", 1.0),
    ),
    feed(
        "daily-heart-rate-variability",
        "dailyHeartRateVariability",
        DataType::HrvRmssd,
        Shape::Daily,
        Where::Maybe("/averageHeartRateVariabilityMilliseconds", 1.0),
    ),
    feed(
        "heart-rate-variability",
        "heartRateVariability",
        DataType::HrvSdnn,
        Shape::Sample,
        Where::Maybe("/standardDeviationMilliseconds", 1.0),
    ),
    feed(
        "oxygen-saturation",
        "oxygenSaturation",
        DataType::OxygenSaturation,
        Shape::Sample,
        Where::At("/percentage", 1.0),
    ),
    feed(
        "daily-oxygen-saturation",
        "dailyOxygenSaturation",
        DataType::OxygenSaturation,
        Shape::Daily,
        Where::At("/averagePercentage", 1.0),
    ),
    feed(
        "respiratory-rate-sleep-summary",
        "respiratoryRateSleepSummary",
        DataType::RespiratoryRate,
        Shape::Sample,
        Where::At("/fullSleepStats/breathsPerMinute", 1.0),
    ),
    feed(
        "daily-respiratory-rate",
        "dailyRespiratoryRate",
        DataType::RespiratoryRate,
        Shape::Daily,
        Where::At("/breathsPerMinute", 1.0),
    ),
    feed("vo2-max", "vo2Max", DataType::Vo2Max, Shape::Sample, Where::At("/vo2Max", 1.0)),
    feed("run-vo2-max", "runVo2Max", DataType::Vo2Max, Shape::Sample, Where::At("/runVo2Max", 1.0)),
    feed("daily-vo2-max", "dailyVo2Max", DataType::Vo2Max, Shape::Daily, Where::At("/vo2Max", 1.0)),
    feed(
        "daily-sleep-temperature-derivations",
        "dailySleepTemperatureDerivations",
        DataType::SkinTemperatureDelta,
        Shape::Daily,
        Where::TemperatureDelta,
    ),
    feed("weight", "weight", DataType::Weight, Shape::Sample, Where::At("/weightGrams", 1000.0)),
    feed("body-fat", "bodyFat", DataType::BodyFat, Shape::Sample, Where::At("/percentage", 1.0)),
    feed("height", "height", DataType::Height, Shape::Sample, Where::At("/heightMillimeters", 10.0)),
    feed("sleep", "sleep", DataType::Sleep, Shape::Sleep, Where::Sleep),
    feed("exercise", "exercise", DataType::Workout, Shape::Session, Where::Exercise),
    feed(
        "hydration-log",
        "hydrationLog",
        DataType::Hydration,
        Shape::Session,
        Where::At("/amountConsumed/milliliters", 1.0),
    ),
    feed("nutrition-log", "nutritionLog", DataType::Nutrition, Shape::Session, Where::Nutrition),
];

/// The feeds that a type of ours is read from, in the order in which they are read.
pub(super) fn feeds_of(data_type: DataType) -> impl Iterator<Item = &'static Feed> {
    FEEDS.iter().filter(move |it| it.data_type == data_type)
}

/// The one feed that a type of ours is written to: the seven that Google's table of data types lets others create.
pub(super) fn writable(data_type: DataType) -> Option<&'static Feed> {
    let is_writable = matches!(
        data_type,
        DataType::Weight
            | DataType::BodyFat
            | DataType::Height
            | DataType::Sleep
            | DataType::Workout
            | DataType::Hydration
            | DataType::Nutrition
    );
    feeds_of(data_type).next().filter(|_| is_writable)
}

/// What a person is asked to grant; reading and writing are separate scopes at Google.
/// Location is asked for as the recording of an exercise has where it was.
pub(super) const SCOPES: [&str; 10] = [
    "https://www.googleapis.com/auth/googlehealth.activity_and_fitness.readonly",
    "https://www.googleapis.com/auth/googlehealth.activity_and_fitness.writeonly",
    "https://www.googleapis.com/auth/googlehealth.health_metrics_and_measurements.readonly",
    "https://www.googleapis.com/auth/googlehealth.health_metrics_and_measurements.writeonly",
    "https://www.googleapis.com/auth/googlehealth.sleep.readonly",
    "https://www.googleapis.com/auth/googlehealth.sleep.writeonly",
    "https://www.googleapis.com/auth/googlehealth.nutrition.readonly",
    "https://www.googleapis.com/auth/googlehealth.nutrition.writeonly",
    "https://www.googleapis.com/auth/googlehealth.settings.readonly",
    "https://www.googleapis.com/auth/googlehealth.location.readonly",
];

/// 1 took no recordings of exercises, only their summaries.
pub(super) const MAPPER_VERSION: i32 = 2;

fn type_profile(data_type: DataType) -> TypeProfile {
    // We choose the id of what we create: a second create is refused with 409.
    let delivery = writable(data_type).map(|_| Delivery::Listable { keyed: true });
    TypeProfile {
        data_type,
        read: true,
        create: delivery,
        // A PATCH of a nutrition log was answered with 500 whatever its body; it is made anew instead.
        update: delivery.filter(|_| data_type != DataType::Nutrition),
        delete: delivery,
        look: delivery.is_some(),
    }
}

/// The profile of Google Health API v4.
pub(super) fn profile() -> Profile {
    let types = DataType::ALL.into_iter().filter(|it| feeds_of(*it).next().is_some());
    Profile {
        id: "google_health",
        title: "Google Health",
        access: Access::NotifyThenPull,
        // Google gives no new refresh token on refresh: the old one stays good.
        auth: Auth::OAuth2 { pkce: true, refresh_reusable: true },
        types: types.map(type_profile).collect(),
        // developers.google.com/health/rate-limits.
        limits: vec![
            Limit {
                name: "user_minute",
                scope: Scope::Connection,
                verbs: Verbs::All,
                window: Duration::from_secs(60),
                calls_max: 300,
            },
            Limit {
                name: "project_minute",
                scope: Scope::App,
                verbs: Verbs::All,
                window: Duration::from_secs(60),
                calls_max: 120_000,
            },
            Limit {
                name: "project_day",
                scope: Scope::App,
                verbs: Verbs::All,
                window: Duration::from_secs(86_400),
                calls_max: 86_400_000,
            },
        ],
        body_bytes_max: engine::provider::PAGE_BYTES_MAX,
        read_after_write: Duration::from_secs(5),
        reads_back: true,
        // A wearable that was away for a long weekend brings its records late.
        overlap: Duration::from_secs(72 * 3_600),
        history_max: None,
        base_url: "https://health.googleapis.com",
        auth_url: "https://accounts.google.com",
        token_url: "https://oauth2.googleapis.com",
        policy: Policy::default(),
        mapper_version: MAPPER_VERSION,
        api_version: "v4",
    }
}
