//! The providers, simulated, and the place where the SyncWell between them lives.

use crate::place::Place;
use anyhow::Result;
use connectors::{
    google_health,
    simulator::{Kit, Running},
    strava,
};
use schemas::time::Instant;
use std::{collections::BTreeMap, net::SocketAddr, path::Path};
use topology::config::{Config, ProviderConfig};

/// Our registration at both simulators.
const CLIENT: (&str, &str) = ("24523", "client-secret");
/// The secret that Google's notifications carry.
pub const VERIFY_TOKEN: &str = "Bearer a-secret-of-this-world";

/// The simulators, running.
#[derive(Debug)]
pub struct Outside {
    /// Strava.
    pub strava: strava::simulator::Simulator,
    /// Google Health.
    pub google: google_health::simulator::Simulator,
    servers: [Running; 2],
    place: Place,
    /// Calls of everybody in a quarter-hour.
    calls_max: u32,
}

impl Outside {
    /// Both simulators on free ports, without people, in the time `now`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(now: Instant) -> Result<Self> {
        Self::start_for(now, 10_000).await
    }

    /// The same for more people: with so many calls of everybody in a quarter-hour, and ten times as many in a day.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_for(now: Instant, calls_max: u32) -> Result<Self> {
        Self::start_around(Place::new().await?, now, calls_max).await
    }

    /// The same around a SyncWell that lives there.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_around(place: Place, now: Instant, calls_max: u32) -> Result<Self> {
        let limits = [calls_max, calls_max.saturating_mul(10)];
        let options = strava::simulator::Options {
            client_id: CLIENT.0.into(),
            client_secret: CLIENT.1.into(),
            calls_max: limits,
            reads_max: limits,
            ..strava::simulator::Options::default()
        };
        let strava = strava::simulator::Simulator::new(Kit::default(), options);
        let google = google_health::simulator::Simulator::new(Kit::default());
        google.set_calls_max(limits[1]);
        strava.kit.set_now(now);
        google.kit().set_now(now);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let servers = [strava.start(any_port).await?, google.start(any_port).await?];
        Ok(Self { strava, google, servers, place, calls_max })
    }

    /// Adds a person who has an empty account at both.
    pub fn add_person(&self, athlete: u64, user: &str) {
        let (offset_seconds, zone) = (7_200, "Europe/Berlin".into());
        self.strava.seed_athlete(strava::simulator::Athlete { id: athlete, offset_seconds, zone });
        self.google.add_user(user);
    }

    /// Journal, faults and clock of both.
    #[must_use]
    pub fn kits(&self) -> [Kit; 2] {
        [self.strava.kit.clone(), self.google.kit().clone()]
    }

    /// Where the SyncWell between them lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A configuration of a SyncWell in `directory` whose providers are the simulators.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn config(&self, directory: &Path) -> Result<Config> {
        let keyset_file = directory.join("keyset.json");
        std::fs::write(&keyset_file, google_health::simulator::keyset_json())?;
        let provider = |base: String, url: &str, limits: &[(&str, u32)]| ProviderConfig {
            base_url: Some(base),
            auth_url: Some(url.to_owned()),
            token_url: Some(url.to_owned()),
            client_id: Some(CLIENT.0.into()),
            client_secret: Some(CLIENT.1.into()),
            require_signature: true,
            limits: limits.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect(),
            ..ProviderConfig::default()
        };
        let [strava, google] = [&self.servers[0].url, &self.servers[1].url];
        let (quarter, day) = (self.calls_max, self.calls_max.saturating_mul(10));
        let wide = [("quarter", quarter), ("day", day), ("reads_quarter", quarter), ("reads_day", day)];
        let google = ProviderConfig {
            verify_token: Some(VERIFY_TOKEN.into()),
            keyset_file: Some(keyset_file),
            ..provider(google.clone(), google, &[("user_minute", day)])
        };
        let providers: BTreeMap<_, _> = [
            ("strava".to_owned(), provider(format!("{strava}/api/v3"), strava, &wide)),
            ("google_health".to_owned(), google),
        ]
        .into();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok(Config { listen, providers, ..self.place.config(&directory.join("data")) })
    }
}
