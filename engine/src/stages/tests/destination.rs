//! A destination in memory that can be told to go wrong: it loses replies, applies late, lists with a lag.

use super::simulation::Sleepers;
use crate::{
    accounts::CALL_MAX,
    clock::Clock,
    provider::{
        Access, Action, Auth, DataProvider, Delivery, FetchRequest, MapperError, Normal, Page, Profile, ProviderError,
        RawPage, Receipt, TypeProfile, What, WriteOperation,
    },
    session::Session,
};
use async_trait::async_trait;
use schemas::{
    data_type::DataType,
    id::ItemId,
    record::{Body, Policy, Record},
    time::Instant,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// What happens to one write.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// The request is lost.
    LostBefore,
    /// It is applied and the reply is lost.
    LostAfter,
    /// The reply is lost and it is applied this much later.
    Late(Duration),
    /// It answers with this and does nothing.
    Says(ProviderError),
    /// The first byte leaves `pause` after the check, it is applied `apply` after that, and the answer comes then or is
    /// lost.
    Slow { pause: Duration, apply: Duration, is_lost: bool },
    /// It is applied, in whole metres.
    Rounds,
    /// It takes the upload and works on it (class B).
    Pending,
}

/// One thing that happened to the records there.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) at: Instant,
    pub(super) item: Option<ItemId>,
    pub(super) version: i64,
    pub(super) id: String,
    /// What it is since then; nothing once it is deleted.
    pub(super) record: Option<Record>,
}

#[derive(Debug, Default)]
struct State {
    changes: Vec<Change>,
    faults: VecDeque<Fault>,
    read_faults: VecDeque<ProviderError>,
    n_sent: usize,
    n_reads: usize,
    n_ids: usize,
}

#[derive(Debug)]
pub(super) struct Destination {
    profile: Profile,
    clock: Clock,
    /// Whether it keeps the mark that we leave in a record.
    marks: bool,
    sleepers: Arc<Sleepers>,
    state: Mutex<State>,
}

pub(super) const LAG: Duration = Duration::from_secs(10);

/// A profile in which workouts can be done everything with, by one delivery class.
pub(super) fn profile(class: Delivery) -> Profile {
    let verb = Some(class);
    let data_type = DataType::Workout;
    Profile {
        id: "cloud",
        title: "Cloud",
        access: Access::Pull,
        auth: Auth::None,
        types: vec![TypeProfile { data_type, read: true, create: verb, update: verb, delete: verb, look: true }],
        limits: Vec::new(),
        body_bytes_max: 1 << 20,
        read_after_write: LAG,
        reads_back: false,
        overlap: Duration::ZERO,
        history_max: None,
        base_url: "",
        auth_url: "",
        token_url: "",
        policy: Policy::default(),
        mapper_version: 1,
        api_version: "1",
    }
}

impl Destination {
    pub(super) fn new(profile: Profile, clock: Clock, marks: bool, sleepers: Arc<Sleepers>) -> Self {
        Self { profile, clock, marks, sleepers, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next writes meet these.
    pub(super) fn will(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// The next reads fail with these.
    pub(super) fn will_not_read(&self, faults: impl IntoIterator<Item = ProviderError>) {
        self.state().read_faults.extend(faults);
    }

    /// Somebody else writes a record there.
    pub(super) fn has_foreign(&self, id: &str, record: Record) {
        let at = self.clock.now();
        self.state().changes.push(Change { at, item: None, version: 0, id: id.into(), record: Some(record) });
    }

    /// How many writes reached it.
    pub(super) fn n_sent(&self) -> usize {
        self.state().n_sent
    }

    /// How many pages were read there.
    pub(super) fn n_reads(&self) -> usize {
        self.state().n_reads
    }

    /// Everything that ever happened there until now, in order.
    pub(super) fn history(&self) -> Vec<Change> {
        let now = self.clock.now();
        let mut changes: Vec<_> = self.state().changes.iter().filter(|it| it.at <= now).cloned().collect();
        changes.sort_by_key(|it| it.at);
        changes
    }

    /// What it holds at a moment: the last change of each id.
    pub(super) fn held_at(&self, at: Instant) -> Vec<Change> {
        let mut held: Vec<Change> = Vec::new();
        for change in self.history().into_iter().filter(|it| it.at <= at) {
            let class = self.profile.types[0].create;
            let is_new = |it: &Change| it.id != change.id && it.item == change.item;
            let is_duplicate = class == Some(Delivery::Deduplicated) && held.iter().any(is_new);
            let is_newer = |it: &Change| it.id == change.id && it.version > change.version;
            let is_stale = class == Some(Delivery::Versioned) && held.iter().any(is_newer);
            // Such a destination looks when it applies, not when it is asked.
            if change.record.is_some() && (is_duplicate || is_stale) {
                continue;
            }
            held.retain(|it| it.id != change.id);
            held.extend(change.record.is_some().then_some(change));
        }
        held
    }

    /// What it holds now.
    pub(super) fn holds(&self) -> Vec<Change> {
        self.held_at(self.clock.now())
    }

    fn receive(&self, operation: &WriteOperation<'_>, at: Instant) -> Result<Receipt, ProviderError> {
        let held = self.holds();
        let class = self.delivery(&operation.action).unwrap();
        let of_item = held.iter().find(|it| it.item == Some(operation.item));
        let item = Some(operation.item);
        let id = match operation.action {
            Action::Create { record } => match (class, of_item) {
                (Delivery::Listable { keyed: true } | Delivery::Deduplicated, Some(there)) => {
                    return Ok(Receipt::Duplicate { external_id: there.id.clone(), ours: true });
                }
                (Delivery::Deduplicated, None) => {
                    let alike = held.iter().find(|it| it.record.as_ref().is_some_and(|it| it.time == record.time));
                    if let Some(there) = alike {
                        return Ok(Receipt::Duplicate { external_id: there.id.clone(), ours: false });
                    }
                    self.next_id()
                }
                (Delivery::Versioned, Some(there)) if there.version >= operation.version => {
                    return Ok(Receipt::Applied { external_id: there.id.clone() });
                }
                (Delivery::Versioned | Delivery::Listable { keyed: true }, _) => operation.item.to_string(),
                (Delivery::Listable { .. } | Delivery::Once, _) => self.next_id(),
            },
            Action::Update { external_id, .. } | Action::Delete { external_id, .. } => external_id.to_owned(),
        };
        let is_there = held.iter().any(|it| it.id == id);
        if !is_there && !matches!(operation.action, Action::Create { .. }) {
            return Err(ProviderError::NotFound);
        }
        let record = match operation.action {
            Action::Create { record } | Action::Update { record, .. } => Some(record.clone()),
            Action::Delete { .. } => None,
        };
        self.state().changes.push(Change { at, item, version: operation.version, id: id.clone(), record });
        Ok(Receipt::Applied { external_id: id })
    }

    fn round_last(&self) {
        let mut state = self.state();
        let record = state.changes.last_mut().and_then(|it| it.record.as_mut());
        if let Some(Body::Workout(workout)) = record.map(|it| &mut it.body) {
            workout.distance_m = workout.distance_m.map(f64::round);
        }
    }

    fn next_id(&self) -> String {
        let mut state = self.state();
        state.n_ids += 1;
        format!("there-{}", state.n_ids)
    }
}

#[async_trait]
impl DataProvider for Destination {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    async fn fetch(&self, _: &Session, request: &FetchRequest) -> Result<Page, ProviderError> {
        // Another task may run between a decision and its call.
        tokio::task::yield_now().await;
        self.state().n_reads += 1;
        let fault = self.state().read_faults.pop_front();
        if let Some(err) = fault {
            return Err(err);
        }
        let is_wanted = |id: &String, record: &Record| match &request.what {
            What::Window(window) | What::Look(window) => record.time.interval().overlaps(window),
            What::Named(ids) => ids.contains(id),
        };
        let listed = self.held_at(self.clock.now().minus(self.profile.read_after_write));
        let records = listed.into_iter().filter_map(|it| {
            let mut record = it.record.filter(|record| is_wanted(&it.id, record))?;
            record.origin = schemas::record::Origin::named("cloud", it.id);
            record.origin.marker = it.item.filter(|_| self.marks).map(|it| it.to_string());
            Some(record)
        });
        let body = serde_json::to_vec(&records.collect::<Vec<_>>()).unwrap();
        Ok(Page { body: body.into(), content_type: "application/json".into(), next: None, provider_time: None })
    }

    fn normalize(&self, page: &RawPage<'_>) -> Result<Normal, MapperError> {
        let records: Vec<Record> = serde_json::from_slice(page.body).map_err(|err| MapperError(err.to_string()))?;
        Ok(Normal { records, issues: Vec::new() })
    }

    async fn write(&self, session: &Session, operation: &WriteOperation<'_>) -> Result<Receipt, ProviderError> {
        tokio::task::yield_now().await;
        if session.is_late() {
            return Err(ProviderError::Late);
        }
        self.state().n_sent += 1;
        let lost = || Err(ProviderError::Unknown { what: "no answer in time".into() });
        let now = self.clock.now();
        let fault = self.state().faults.pop_front();
        match fault {
            None => self.receive(operation, now),
            Some(Fault::LostBefore) => lost(),
            Some(Fault::LostAfter) => self.receive(operation, now).and_then(|_| lost()),
            Some(Fault::Late(by)) => self.receive(operation, now.plus(by)).and_then(|_| lost()),
            Some(Fault::Slow { pause, apply, is_lost }) => {
                self.sleepers.sleep(pause).await;
                self.sleepers.sleep(apply).await;
                let answer = self.receive(operation, self.clock.now());
                if is_lost || apply > CALL_MAX { answer.and_then(|_| lost()) } else { answer }
            }
            Some(Fault::Says(err)) => Err(err),
            Some(Fault::Rounds) => {
                let receipt = self.receive(operation, now)?;
                self.round_last();
                Ok(receipt)
            }
            Some(Fault::Pending) => self
                .receive(operation, now)
                .map(|_| Receipt::Pending { handle: "upload".into(), wait: Duration::from_secs(5) }),
        }
    }

    async fn poll(&self, _: &Session, operation: &WriteOperation<'_>, _: &str) -> Result<Receipt, ProviderError> {
        let fault = self.state().faults.pop_front();
        match fault {
            Some(Fault::Says(err)) => Err(err),
            Some(Fault::Pending) => Ok(Receipt::Pending { handle: "upload".into(), wait: Duration::from_secs(5) }),
            _ => {
                let held = self.holds();
                let there = held.iter().find(|it| it.item == Some(operation.item)).ok_or(ProviderError::NotFound)?;
                Ok(Receipt::Applied { external_id: there.id.clone() })
            }
        }
    }
}
