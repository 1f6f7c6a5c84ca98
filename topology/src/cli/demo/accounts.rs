//! The demo's outside world: simulators on real ports, loaded with real recordings.

use crate::config::{Config, ProviderConfig};
use anyhow::Context;
use connectors::{
    google_health,
    simulator::{Kit, Running},
    strava,
};
use std::{collections::BTreeMap, net::SocketAddr};

/// The demo's people: a name, their id at Strava and at Google Health.
pub(super) const PEOPLE: [(&str, u64, &str); 2] =
    [("ada", 101, "115500000000000000001"), ("ben", 102, "115500000000000000002")];

/// When the run began that two devices recorded: 2026-06-20, six in the morning UTC.
const RUN_AT: i64 = 1_781_935_200_000;
const CLIENT_ID: &str = "24523";
const CLIENT_SECRET: &str = "client-secret";
/// A larger tier than the default one, as Strava grants to bigger applications: the demo reads everything twice.
const LIMITS: [(&str, u32); 4] = [("reads_quarter", 4_000), ("reads_day", 40_000), ("quarter", 8_000), ("day", 80_000)];

/// The simulators, running.
#[derive(Debug)]
pub(super) struct World {
    google: google_health::simulator::Simulator,
    strava_at: Running,
    google_at: Running,
}

impl World {
    pub(super) async fn start(seed: u64) -> anyhow::Result<Self> {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = strava::simulator::Options {
            client_id: CLIENT_ID.into(),
            client_secret: CLIENT_SECRET.into(),
            calls_max: [8_000, 80_000],
            reads_max: [4_000, 40_000],
            ..strava::simulator::Options::default()
        };
        let strava = strava::simulator::Simulator::new(Kit::default(), options);
        let google = google_health::simulator::Simulator::new(Kit::default());
        for (index, (_, athlete, user)) in (0..).zip(PEOPLE) {
            load_strava(&strava, athlete, seed + index);
            google.add_user(user);
            google.seed_demo(user, seed + index);
        }
        let run = google_health::simulator::RecordedRun::new(schemas::time::Instant(RUN_AT), 1_800);
        let [watch, band] = super::devices::OWNER.1;
        for user in [watch, band] {
            google.add_user(user);
        }
        google.add_run(watch, "1", &run.by_gps_watch());
        google.add_run(band, "2", &run.by_heart_rate_band().ahead_by(2_000));
        let strava_at = strava.start(any_port).await.context("start the Strava simulator")?;
        let google_at = google.start(any_port).await.context("start the Google Health simulator")?;
        Ok(Self { google, strava_at, google_at })
    }

    /// The next person who grants access at Google Health is this one.
    pub(super) fn consent_as(&self, user: &str) {
        self.google.consent_as(user, &[]);
    }

    /// A configuration whose providers are the simulators.
    pub(super) fn config(&self, data: std::path::PathBuf) -> Config {
        let provider = |base: String, url: &str, limits: BTreeMap<String, u32>| ProviderConfig {
            base_url: Some(base),
            auth_url: Some(url.to_owned()),
            token_url: Some(url.to_owned()),
            client_id: Some(CLIENT_ID.into()),
            client_secret: Some(CLIENT_SECRET.into()),
            limits,
            ..ProviderConfig::default()
        };
        let (strava, google) = (&self.strava_at.url, &self.google_at.url);
        let limits = LIMITS.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect();
        let providers = [
            ("strava".to_owned(), provider(format!("{strava}/api/v3"), strava, limits)),
            ("google_health".to_owned(), provider(google.clone(), google, BTreeMap::new())),
        ];
        Config { data, listen: SocketAddr::from(([127, 0, 0, 1], 0)), providers: providers.into(), ..Config::default() }
    }
}

/// Loads an athlete of a Strava simulator with recorded activities, at the times at which they were recorded (the
/// simulator moves them by a day for each step of its own seed, up to a year): two of them are also at Google Health.
pub(in crate::cli) fn load_strava(simulator: &strava::simulator::Simulator, athlete: u64, seed: u64) {
    simulator.seed_athlete(strava::simulator::Athlete {
        id: athlete,
        offset_seconds: 7_200,
        zone: "Europe/Berlin".into(),
    });
    for activity in strava::simulator::demo_activities(seed * 366) {
        simulator.seed_activity(athlete, activity.detail, activity.streams);
    }
}
