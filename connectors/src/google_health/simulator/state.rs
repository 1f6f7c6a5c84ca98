//! What the simulated Google knows: persons, their data points, tokens and consents.

use engine::provider::Tokens;
use schemas::time::Instant;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Life of an access token.
pub(super) const ACCESS_SECONDS: u64 = 3_599;

#[derive(Debug)]
pub(super) struct State {
    pub(super) users: BTreeMap<String, User>,
    pub(super) access: BTreeMap<String, Access>,
    pub(super) refresh: BTreeMap<String, Access>,
    pub(super) codes: BTreeMap<String, Code>,
    pub(super) consent: Consent,
    pub(super) calls_max: u32,
    pub(super) n_empty_pages: u32,
    n_made: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            users: BTreeMap::new(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
            codes: BTreeMap::new(),
            consent: Consent::default(),
            calls_max: 300,
            n_empty_pages: 0,
            n_made: 0,
        }
    }
}

/// Who answers the consent page, and how.
#[derive(Clone, Debug, Default)]
pub(super) struct Consent {
    pub(super) user: String,
    pub(super) unticked: BTreeSet<String>,
    pub(super) is_denied: bool,
}

/// What a token opens.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) user: String,
    /// Scopes parted by spaces; empty is every scope.
    pub(super) scope: String,
    pub(super) ends_at: Instant,
}

impl Access {
    pub(super) fn allows(&self, scope: &str) -> bool {
        self.scope.is_empty() || self.scope.split(' ').any(|it| it == scope)
    }
}

/// An authorization code that was not yet used.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) access: Access,
    pub(super) challenge: String,
    pub(super) redirect: String,
}

#[derive(Debug)]
pub(super) struct User {
    pub(super) points: BTreeMap<String, Vec<Stored>>,
    /// Recordings of exercises, by the exercise's id.
    pub(super) tcx: BTreeMap<String, String>,
    pub(super) is_linked: bool,
    pub(super) zone: String,
    pub(super) offset_seconds: i32,
    /// The running minute and the calls in it.
    pub(super) calls: (i64, u32),
}

/// One data point, with its place in the order of coming.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) number: u64,
    pub(super) value: Value,
}

impl Stored {
    pub(super) fn id(&self) -> Option<&str> {
        self.value.get("name")?.as_str()?.rsplit('/').next()
    }
}

impl State {
    /// The person of that id, made if new.
    pub(super) fn user(&mut self, user: &str) -> &mut User {
        self.users.entry(user.into()).or_insert_with(|| User {
            points: BTreeMap::new(),
            tcx: BTreeMap::new(),
            is_linked: true,
            zone: "Etc/UTC".into(),
            offset_seconds: 0,
            calls: (0, 0),
        })
    }

    /// The next number of this run.
    pub(super) fn number(&mut self) -> u64 {
        self.n_made += 1;
        self.n_made
    }

    pub(super) fn grant(&mut self, user: &str, scope: &str, now: Instant) -> Tokens {
        let number = self.number();
        let ends_at = now.plus(Duration::from_secs(ACCESS_SECONDS));
        let held = Access { user: user.into(), scope: scope.into(), ends_at };
        let (access, refresh) = (format!("access-{user}-{number}"), format!("refresh-{user}-{number}"));
        self.access.insert(access.clone(), held.clone());
        self.refresh.insert(refresh.clone(), held);
        Tokens { access, refresh: Some(refresh), expires_at: Some(ends_at), scope: scope.into() }
    }

    pub(super) fn withdraw(&mut self, user: &str) {
        self.access.retain(|_, it| it.user != user);
        self.refresh.retain(|_, it| it.user != user);
        self.codes.retain(|_, it| it.access.user != user);
    }

    pub(super) fn add(&mut self, user: &str, data_type: &str, mut point: Value) {
        let number = self.number();
        if let Some(id) = point.get("name").and_then(Value::as_str).and_then(|it| it.rsplit('/').next()) {
            point["name"] = json!(format!("users/{user}/dataTypes/{data_type}/dataPoints/{id}"));
        }
        self.user(user).points.entry(data_type.into()).or_default().push(Stored { number, value: point });
    }

    pub(super) fn find(&mut self, user: &str, data_type: &str, id: &str) -> Option<&mut Stored> {
        self.user(user).points.get_mut(data_type)?.iter_mut().find(|it| it.id() == Some(id))
    }

    pub(super) fn edit(&mut self, user: &str, data_type: &str, id: &str, changes: &Value) {
        let field = camel(data_type);
        let Some(stored) = self.find(user, data_type, id) else { return };
        for (key, value) in changes.as_object().into_iter().flatten() {
            stored.value[&field][key] = value.clone();
        }
    }

    pub(super) fn delete(&mut self, user: &str, data_type: &str, id: &str) -> bool {
        let points = self.user(user).points.entry(data_type.into()).or_default();
        let n_before = points.len();
        points.retain(|it| it.id() != Some(id));
        points.len() < n_before
    }
}

/// The key in a data point of a type's name in paths.
pub(super) fn camel(data_type: &str) -> String {
    let mut parts = data_type.split('-');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        name.extend(letters.next().map(|it| it.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}
