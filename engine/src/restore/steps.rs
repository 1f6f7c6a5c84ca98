//! Steps, put together again from their outputs.
//!
//! Only a step that surely has all its outputs is put into the log: what another one has made is on the bus in part,
//! and its stage makes the same ids again. Nothing is lost by leaving a step out; a page would be lost by taking half
//! of one for the whole.

use super::{PEOPLE_AT_ONCE, Past, Restore, Said};
use crate::{
    bus::Unreachable,
    store::{Bearing, Logged, Step, StepKey},
};
use futures::{StreamExt, TryStreamExt, stream};
use schemas::{
    event::{Fetched, Kind, Normalized, Outcome, Rejected, Requested, Side},
    id::{EventId, Subject, SyncId},
};
use std::collections::{BTreeMap, HashMap};

/// The most outputs of a step that are looked for: one a destination, and a few.
const OUTPUTS_MAX: usize = 64;

/// The outputs of one step that are at hand, by their place.
struct Outputs<'a> {
    key: StepKey,
    by_place: BTreeMap<usize, &'a Said>,
}

impl Restore {
    /// Puts steps into the log that are not there: those of a sync in order, many syncs at once.
    pub(super) async fn append(&self, said: &[Said]) -> Result<usize, Unreachable> {
        let past = &Past::new(said, &*self.runner.store.log);
        let appends = by_sync(said).into_iter().map(|steps| async move {
            let mut n_appended = 0;
            let keys: Vec<StepKey> = steps.iter().map(|it| it.key.clone()).collect();
            let stand = past.log.recall(&keys).await?;
            for (outputs, _) in steps.iter().zip(stand).filter(|it| it.1.is_none()) {
                let Some(roots) = outputs.roots_if_whole(past).await? else { continue };
                past.log.append(outputs.step(roots)).await?;
                n_appended += 1;
            }
            Ok::<_, Unreachable>(n_appended)
        });
        let appends: Vec<_> = appends.collect();
        let n_appended: Vec<usize> = stream::iter(appends).buffer_unordered(PEOPLE_AT_ONCE).try_collect().await?;
        Ok(n_appended.into_iter().sum())
    }
}

/// The steps of each sync, in the order of their first outputs.
fn by_sync(said: &[Said]) -> Vec<Vec<Outputs<'_>>> {
    let mut syncs: BTreeMap<(&Subject, SyncId), Vec<Outputs<'_>>> = BTreeMap::new();
    let mut places: HashMap<StepKey, usize> = HashMap::new();
    for it in said {
        let Some((stage, cause, place)) = made_by(it) else { continue };
        let (subject, sync) = (&it.head.subject, it.head.sync);
        let steps = syncs.entry((subject, sync)).or_default();
        let key = StepKey { subject: subject.clone(), sync, stage, cause };
        let index = *places.entry(key.clone()).or_insert(steps.len());
        if index == steps.len() {
            steps.push(Outputs { key, by_place: BTreeMap::new() });
        }
        steps[index].by_place.insert(place, it);
    }
    syncs.into_values().collect()
}

/// Which step made an event, and as which of its outputs; `None` for what a replay made, which is given again.
fn made_by(said: &Said) -> Option<(String, EventId, usize)> {
    let head = &said.head;
    let stage = match said.kind() {
        Kind::Requested if head.id == head.cause => return Some(("intake".into(), head.id, 0)),
        Kind::Settled => return Some(("settle".into(), EventId(head.sync.0), 0)),
        Kind::Requested | Kind::Fetched => "fetch".into(),
        Kind::Normalized => "normalize".into(),
        Kind::Resolved => "resolve".into(),
        Kind::Outcome => said.logged.event::<Outcome>().ok()?.body.stage,
        Kind::Rejected => said.logged.event::<Rejected>().ok()?.body.stage,
        Kind::Analytics => return None,
    };
    let place = (0..OUTPUTS_MAX).find(|it| EventId::derived(head.cause, &stage, *it) == head.id)?;
    // A step of Settle is one a sync, and its only output is the end.
    (stage != "settle").then_some((stage, head.cause, place))
}

impl Outputs<'_> {
    fn get(&self, place: usize, kind: Kind) -> Option<&Logged> {
        self.by_place.get(&place).filter(|it| it.kind() == kind).map(|it| &it.logged)
    }

    /// The roots of the step if all its outputs are at hand; `None` if one may be missing.
    async fn roots_if_whole(&self, past: &Past<'_>) -> Result<Option<Vec<Logged>>, Unreachable> {
        let key = &self.key;
        let ended = self.get(0, Kind::Outcome).is_some();
        let is_whole = match key.stage.as_str() {
            _ if ended => true,
            "intake" | "settle" => true,
            "normalize" => self.get(0, Kind::Normalized).is_some(),
            "resolve" => match past.event(&key.subject, key.sync, key.cause).await? {
                Some(page) if page.topic.kind == Kind::Normalized => {
                    self.by_place.len() == page.event::<Normalized>()?.body.destinations.len()
                }
                _ => false,
            },
            "fetch" => return self.roots_of_fetch(past).await,
            _ => false,
        };
        Ok(is_whole.then(Vec::new))
    }

    /// A page and, unless it is the source's last, how it goes on; or only how it goes on: with a page that is held, or
    /// without a destination that went on as a sync of its own.
    async fn roots_of_fetch(&self, past: &Past<'_>) -> Result<Option<Vec<Logged>>, Unreachable> {
        let (key, again) = (&self.key, self.get(1, Kind::Requested));
        if let Some(page) = self.get(0, Kind::Fetched) {
            let page = page.event::<Fetched>()?.body;
            let is_last = page.last && page.side == Side::Source;
            return Ok((is_last || again.is_some()).then(Vec::new));
        }
        let Some(again) = again else { return Ok(None) };
        let again = again.event::<Requested>()?.body;
        let Some(before) = past.event(&key.subject, key.sync, key.cause).await? else { return Ok(None) };
        let before = before.event::<Requested>()?.body;
        if again.destinations.len() == before.destinations.len() {
            return Ok((again.reading.held.is_some() && before.reading.held.is_none()).then(Vec::new));
        }
        let mut roots = Vec::new();
        for left in before.destinations.iter().filter(|it| !again.destinations.contains(it)) {
            let sync = SyncId::under(key.sync, &left.account.connection.to_string());
            let Some(root) = past.event(&key.subject, sync, EventId::root(sync)).await? else { return Ok(None) };
            roots.push(root);
        }
        Ok(Some(roots))
    }

    fn step(&self, roots: Vec<Logged>) -> Step {
        let bearing = match self.key.stage.as_str() {
            "intake" => Bearing::Opens,
            "settle" => Bearing::Closes,
            _ => Bearing::Within,
        };
        let outputs: Vec<Logged> = self.by_place.values().map(|it| it.logged.clone()).collect();
        let at = self.by_place.values().map(|it| it.head.at).max().unwrap_or_default();
        Step { key: self.key.clone(), at, bearing, outputs, roots }
    }
}
