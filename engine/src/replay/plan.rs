//! What would follow from a shadow, and its hash: one part a sync, sealed under the person's key.

use super::{RecordChange, Replays, overlay::Base};
use crate::bus::Unreachable;
use bytes::Bytes;
use schemas::{
    data_type::DataType,
    event::{Action, Decision, Head, Resolved},
    id::{ConnectionId, ItemId, OpId, Subject, SyncId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Counts of a shadow: names and numbers, no values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// People whose records were looked at.
    pub people: u64,
    /// Syncs that were run again.
    pub syncs: u64,
    /// Pages that were run again.
    pub pages: u64,
    /// Pages whose content is gone with its key, or that a stage could not take, by reason.
    pub unread: BTreeMap<String, u64>,
    /// Records that come out differently or as before: `created`, `changed`, `gone`, `unchanged`.
    pub records: BTreeMap<String, u64>,
    /// Fields that differ, by name.
    pub fields: BTreeMap<String, u64>,
    /// Operations that would follow, by destination and verb: `files update`.
    pub operations: BTreeMap<String, u64>,
    /// What they cost in calls, by provider.
    pub calls: BTreeMap<String, u64>,
    /// Decisions that leave a record as it is, by reason.
    pub left: BTreeMap<String, u64>,
    /// What was left out or repaired while mapping, by code.
    pub issues: BTreeMap<String, u64>,
}

impl Totals {
    pub(super) fn add(&mut self, other: &Self) {
        self.syncs += other.syncs;
        self.pages += other.pages;
        let all = [
            (&mut self.unread, &other.unread),
            (&mut self.records, &other.records),
            (&mut self.fields, &other.fields),
            (&mut self.operations, &other.operations),
            (&mut self.calls, &other.calls),
            (&mut self.left, &other.left),
            (&mut self.issues, &other.issues),
        ];
        for (to, from) in all {
            for (name, count) in from {
                *to.entry(name.clone()).or_default() += count;
            }
        }
    }

    /// Whether nothing comes out differently and nothing would follow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.fields.is_empty() && self.records.keys().all(|it| it == "unchanged")
    }
}

/// An operation that would follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The person.
    pub subject: Subject,
    /// The destination.
    pub destination: ConnectionId,
    /// The item there.
    pub item: ItemId,
    /// Its type.
    pub data_type: DataType,
    /// What is to be done.
    pub action: Action,
    /// The version that it brings.
    pub version: i64,
}

/// Something that was left alone, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The person.
    pub subject: Subject,
    /// The destination.
    pub destination: ConnectionId,
    /// The item there.
    pub item: ItemId,
    /// Why: `moved`, or the reason of the decision.
    pub reason: String,
}

/// The decisions of one event of the shadow, to be published as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Decided {
    /// The event's head.
    pub(super) head: Head,
    /// Its body; what it carries sealed is in `operations`.
    pub(super) body: Resolved,
    /// The decisions that are operations.
    pub(super) operations: Vec<Operation>,
}

/// An operation, and what it was planned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Operation {
    /// The decision.
    pub(super) decision: Decision,
    /// Keyed hash of its content; empty for a deletion.
    pub(super) hash: String,
    /// What its row said; `None` if there was none.
    pub(super) base: Option<Base>,
    /// Whether a new version is planned; else the version that stands is sent again.
    pub(super) is_new: bool,
}

/// What a shadow found out about one sync.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// What comes out differently.
    pub(super) records: Vec<RecordChange>,
    /// What would follow.
    pub(super) decided: Vec<Decided>,
    /// What would not, and why: of records that come out differently.
    pub(super) left: Vec<Left>,
}

impl Part {
    /// SHA-256 of what would follow, in a form that says it in one way only.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for decided in &self.decided {
            for operation in &decided.operations {
                let decision = &operation.decision;
                let destination = decided.body.destination.account.connection;
                let op = OpId::derived(destination, decision.item, decision.version);
                let base = serde_json::to_string(&operation.base).unwrap_or_default();
                let line = format!(
                    "{} {} {destination} {} {} {} {:?} {} {} {} {base}\n",
                    decided.head.id,
                    decided.head.subject,
                    decision.month,
                    decision.item,
                    op,
                    decision.action,
                    decision.version,
                    operation.hash,
                    decision.source_at,
                );
                digest.update(line.as_bytes());
            }
        }
        digest.finalize().into()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.decided.is_empty() && self.left.is_empty()
    }
}

/// The hash of a whole plan, from the digests of its parts.
pub(super) fn plan_hash(name: &str, parts: &BTreeMap<SyncId, [u8; 32]>) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("syncwell plan 1 {name}\n").as_bytes());
    for (sync, part) in parts {
        digest.update(format!("{sync} {}\n", hex::encode(part)).as_bytes());
    }
    hex::encode(digest.finalize())
}

/// Where a part is: its content is sealed under the person's key and lies among the blobs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PartRow {
    blob: String,
    at: Instant,
}

const KIND: &str = "replay_part";

/// Which part of a replay: its place in the order of time within its person, and its sync.
pub(super) type PartKey = (u64, SyncId);

fn part_id(name: &str, (place, sync): PartKey) -> String {
    format!("{name}/{place:010}.{sync}")
}

impl Replays {
    pub(super) async fn put_part(
        &self,
        name: &str,
        subject: &Subject,
        key: PartKey,
        part: &Part,
    ) -> Result<(), Unreachable> {
        let id = part_id(name, key);
        let json = serde_json::to_vec(part).map_err(|err| Unreachable(format!("a plan cannot be written: {err}")))?;
        let sealed: Bytes = self.contents.seal_row(subject, &id, &json).await?;
        let row = PartRow { blob: hex::encode(Sha256::digest(&sealed)), at: self.now() };
        self.runner.store.blobs.put(subject, &row.blob, sealed).await?;
        loop {
            let version = self.people().get::<PartRow>(subject, KIND, &id).await?.map_or(0, |it| it.0);
            if self.people().put(subject, KIND, &id, version, &row, &[name.to_owned()]).await? {
                return Ok(());
            }
        }
    }

    /// The parts of a replay, in the order in which they were looked at.
    pub(super) async fn parts(&self, name: &str) -> Result<Vec<(Subject, PartKey)>, Unreachable> {
        let found = self.runner.store.rows.find(KIND, name).await?;
        let parse = |(subject, id): (String, String)| {
            let (place, sync) = id.strip_prefix(name)?.strip_prefix('/')?.split_once('.')?;
            Some((Subject(subject), (place.parse().ok()?, SyncId(sync.parse().ok()?))))
        };
        let mut parts: Vec<_> = found.into_iter().filter_map(parse).collect();
        parts.sort_by_key(|it| it.1);
        Ok(parts)
    }

    /// A part; `None` if it, or the person's key, is gone.
    pub(super) async fn part(&self, name: &str, subject: &Subject, key: PartKey) -> Result<Option<Part>, Unreachable> {
        let id = part_id(name, key);
        let Some((_, row)) = self.people().get::<PartRow>(subject, KIND, &id).await? else { return Ok(None) };
        let Some(sealed) = self.runner.store.blobs.get(subject, &row.blob).await? else { return Ok(None) };
        let Some(json) = self.contents.open_row(subject, &id, &sealed).await? else { return Ok(None) };
        serde_json::from_slice(&json).map(Some).map_err(|err| Unreachable(format!("a plan cannot be read: {err}")))
    }

    pub(super) async fn forget_parts(&self, name: &str) -> Result<(), Unreachable> {
        for (subject, key) in self.parts(name).await? {
            self.forget_part(name, &subject, key).await?;
        }
        Ok(())
    }

    pub(super) async fn forget_part(&self, name: &str, subject: &Subject, key: PartKey) -> Result<(), Unreachable> {
        let key = crate::store::RowKey { subject: subject.0.clone(), kind: KIND, id: part_id(name, key) };
        if let Some(row) = self.runner.store.rows.get(&key).await? {
            self.runner.store.rows.delete(&key, row.version).await?;
        }
        Ok(())
    }
}
