//! What the simulated Strava holds.

use engine::provider::Tokens;
use schemas::time::Instant;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// An athlete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Athlete {
    /// Their id.
    pub id: u64,
    /// The offset of their wall clock from UTC, in seconds, east positive.
    pub offset_seconds: i32,
    /// Their zone (`Europe/Berlin`).
    pub zone: String,
}

/// An activity and what was measured in it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub athlete: u64,
    pub detail: Value,
    pub streams: Option<Value>,
}

/// An upload: done from the start, but *still being processed* for so many polls.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub athlete: u64,
    pub external_id: Option<String>,
    pub n_polls_left: u32,
    pub result: Result<u64, String>,
}

/// The push subscription of the application.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub id: u64,
    pub callback_url: String,
    pub created_at: Instant,
}

/// What one approval gave: all its tokens live and die together.
#[derive(Clone, Debug)]
pub(super) struct Family {
    pub athlete: u64,
    pub scope: String,
}

#[derive(Clone, Debug)]
struct Access {
    family: u64,
    expires_at: Instant,
}

#[derive(Clone, Debug)]
struct Refresh {
    family: u64,
    is_spent: bool,
}

/// Calls counted in the running quarter-hour and day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter {
    quarter: i64,
    day: i64,
    pub n_calls: [u32; 2],
    pub n_reads: [u32; 2],
}

impl Counter {
    /// Counts one call; the windows begin at natural quarter-hours and UTC days.
    pub(super) fn count(&mut self, now: Instant, is_read: bool) {
        let (quarter, day) = (now.seconds().div_euclid(900), now.seconds().div_euclid(86_400));
        if quarter != self.quarter {
            (self.n_calls[0], self.n_reads[0]) = (0, 0);
        }
        if day != self.day {
            (self.n_calls[1], self.n_reads[1]) = (0, 0);
        }
        (self.quarter, self.day) = (quarter, day);
        for window in 0..2 {
            self.n_calls[window] = self.n_calls[window].saturating_add(1);
            self.n_reads[window] = self.n_reads[window].saturating_add(u32::from(is_read));
        }
    }
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct State {
    pub athletes: BTreeMap<u64, Athlete>,
    pub first_athlete: Option<u64>,
    pub activities: BTreeMap<u64, Held>,
    pub uploads: BTreeMap<u64, Upload>,
    pub subscription: Option<Subscription>,
    pub counter: Counter,
    pub codes: BTreeMap<String, u64>,
    families: BTreeMap<u64, Family>,
    access: BTreeMap<String, Access>,
    refresh: BTreeMap<String, Refresh>,
    n_drawn: u64,
}

impl State {
    pub(super) fn seed_athlete(&mut self, athlete: Athlete) {
        self.first_athlete.get_or_insert(athlete.id);
        self.athletes.insert(athlete.id, athlete);
    }

    /// The next number of a sequence that everything new takes its id from.
    pub(super) fn draw(&mut self) -> u64 {
        self.n_drawn += 1;
        // As large as Strava's own of 2025, so that nothing is tested with small ids only.
        16_200_000_000 + self.n_drawn
    }

    /// Forty hexadecimal digits, as Strava's codes and tokens have; they are secrets of nobody.
    pub(super) fn draw_token(&mut self, kind: &str) -> String {
        let number = self.draw();
        hex::encode(Sha256::digest(format!("{kind} {number}"))).chars().take(40).collect()
    }

    pub(super) fn add(&mut self, athlete: u64, mut detail: Value, streams: Option<Value>) -> u64 {
        let own = detail.get("id").and_then(Value::as_u64).filter(|it| !self.activities.contains_key(it));
        let id = own.unwrap_or_else(|| self.draw());
        detail["id"] = json!(id);
        detail["athlete"] = json!({ "id": athlete, "resource_state": 1 });
        self.activities.insert(id, Held { athlete, detail, streams });
        id
    }

    pub(super) fn approve(&mut self, athlete: u64, scope: &str) -> u64 {
        let family = self.draw();
        self.families.insert(family, Family { athlete, scope: scope.to_owned() });
        family
    }

    pub(super) fn grant(&mut self, athlete: u64, scope: &str, expires_at: Instant) -> Tokens {
        let family = self.approve(athlete, scope);
        self.issue(family, expires_at)
    }

    /// A new pair of a family.
    pub(super) fn issue(&mut self, family: u64, expires_at: Instant) -> Tokens {
        let (access, refresh) = (self.draw_token("access"), self.draw_token("refresh"));
        self.access.insert(access.clone(), Access { family, expires_at });
        self.refresh.insert(refresh.clone(), Refresh { family, is_spent: false });
        let scope = self.families.get(&family).map(|it| it.scope.clone()).unwrap_or_default();
        Tokens { access, refresh: Some(refresh), expires_at: Some(expires_at), scope }
    }

    /// A new pair for a refresh token, or nothing if it is not good. One that was spent before is a sign of theft:
    /// its whole family dies (RFC 9700 section 4.14.2).
    pub(super) fn renew(&mut self, refresh: &str, is_rotating: bool, expires_at: Instant) -> Option<Tokens> {
        let known = self.refresh.get_mut(refresh)?;
        let family = known.family;
        if known.is_spent {
            self.kill(family);
            return None;
        }
        if !is_rotating {
            let access = self.draw_token("access");
            self.access.insert(access.clone(), Access { family, expires_at });
            let scope = self.families.get(&family).map(|it| it.scope.clone()).unwrap_or_default();
            return Some(Tokens { access, refresh: Some(refresh.to_owned()), expires_at: Some(expires_at), scope });
        }
        known.is_spent = true;
        Some(self.issue(family, expires_at))
    }

    /// Whose token it is, if it is good now.
    pub(super) fn family(&self, access: &str, now: Instant) -> Option<(u64, &Family)> {
        let access = self.access.get(access).filter(|it| it.expires_at > now)?;
        Some((access.family, self.families.get(&access.family)?))
    }

    pub(super) fn family_of(&self, id: u64) -> Option<&Family> {
        self.families.get(&id)
    }

    pub(super) fn kill(&mut self, family: u64) {
        self.families.remove(&family);
        self.access.retain(|_, it| it.family != family);
        self.refresh.retain(|_, it| it.family != family);
    }

    pub(super) fn revoke(&mut self, athlete: u64) {
        let families: Vec<u64> =
            self.families.iter().filter(|(_, it)| it.athlete == athlete).map(|(id, _)| *id).collect();
        families.into_iter().for_each(|it| self.kill(it));
    }
}
