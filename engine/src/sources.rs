//! Several sources' records of one thing: read out of the events that a row names, and put together again.

use crate::{
    bus::Unreachable,
    contents::Contents,
    provider::DataProvider,
    resolve::{Joined, Lineage, MergePolicy, Part, merge},
    store::Log,
};
use schemas::{
    event::{FieldChoice, Normalized, Source},
    id::{EventId, Subject, SyncId},
    record::{Record, Records},
};
use std::{collections::HashMap, sync::Arc};

/// How many pages are kept open at once: records of one page tend to be joined with records of one other.
const OPENED_MAX: usize = 8;

/// Reads sources' records of a person, and puts them together.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    log: &'a dyn Log,
    contents: &'a Contents,
    subject: &'a Subject,
    opened: HashMap<EventId, Option<Arc<Records>>>,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(log: &'a dyn Log, contents: &'a Contents, subject: &'a Subject) -> Self {
        Self { log, contents, subject, opened: HashMap::new() }
    }

    /// The record that a source had; `None` if what was read is no longer kept.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub(crate) async fn record(&mut self, source: &Source) -> Result<Option<Record>, Unreachable> {
        if !self.opened.contains_key(&source.event) {
            if self.opened.len() >= OPENED_MAX {
                self.opened.clear();
            }
            let page = self.page(source.sync, source.event).await?;
            self.opened.insert(source.event, page.map(Arc::new));
        }
        let page = self.opened.get(&source.event).and_then(Option::as_ref);
        let found = page.and_then(|it| it.records.iter().rfind(|it| it.origin.record == source.record && !it.deleted));
        Ok(found.cloned())
    }

    async fn page(&self, sync: SyncId, event: EventId) -> Result<Option<Records>, Unreachable> {
        let Some(logged) = self.log.event(self.subject, sync, event).await? else { return Ok(None) };
        let normalized = logged.event::<Normalized>()?;
        self.contents.open_value::<Records>(self.subject, &normalized.body.records).await
    }

    /// What these records, each of the source beside it, come to at a destination.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub(crate) async fn join(
        &self,
        provider: &dyn DataProvider,
        policy: &MergePolicy,
        (sources, records, ranks): (Vec<Source>, Vec<Record>, Vec<u32>),
    ) -> Result<Joined, Unreachable> {
        let parts: Vec<Part<'_>> = records.iter().zip(ranks).map(|(record, rank)| Part { record, rank }).collect();
        let merged = merge(&parts, policy);
        let projected = provider.project(&merged.record);
        let hash = match &projected {
            Ok(projected) => self.contents.vault.keyed_hash(self.subject, "content", &projected.content()).await?,
            Err(_) => String::new(),
        };
        let choice = |it: &Lineage| {
            let (source, record) = (sources.get(it.part)?, records.get(it.part)?);
            Some(FieldChoice {
                field: it.field.clone(),
                provider: source.provider.clone(),
                connection: Some(source.connection),
                record: source.record.clone(),
                device: record.origin.device.clone(),
                offset_ms: it.from_ms,
                duration_ms: it.to_ms.saturating_sub(it.from_ms),
                rule: it.rule.to_owned(),
                note: it.note.clone(),
            })
        };
        let fields = merged.lineage.iter().filter_map(choice).collect();
        Ok(Joined { projected, hash, sources, fields })
    }
}
