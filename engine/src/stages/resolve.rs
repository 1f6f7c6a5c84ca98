//! Resolve: what is to happen at each destination because of a page.

mod asking;
mod counting;
mod filters;
pub(crate) mod gone;
mod joining;
mod nights;
mod planning;
mod restate;
mod seen;

use super::{Tally, made};
use crate::{
    accounts::Accounts,
    bus::Unreachable,
    contents::Contents,
    item::{ItemKey, ItemRow, ItemState, Origin, Partition, Plan, Planned, month_of},
    provider::{DataProvider, Profile},
    resolve::{
        self as rules, Decided, Incoming, Join, Known, Policy, Window,
        policy::{Policies, Reviews},
    },
    restore::RowsMade,
    stage::{Answer, Stage},
    standing::Standing,
    store::{Items, Log, StepKey},
};
use schemas::{
    data_type::DataType,
    event::{Action, Decisions, Destination, Envelope, Fate, Head, Mode, Normalized, Reason, Resolved, Side},
    id::{ConnectionId, ItemId, Subject},
    record::{Record, Records},
    time::Interval,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How far around a page the destination's rows are read: a record may have been stamped a little differently there.
const MATCH_TOLERANCE: Duration = Duration::from_secs(24 * 3600);
/// How often a plan that lost its race begins again before the event is put off.
const RACES_MAX: u32 = 20;
/// The pause after that.
const RACE_PAUSE: Duration = Duration::from_secs(2);

/// Decides about the records of a page, per destination, and plans the new versions.
#[derive(Debug)]
pub struct Resolve {
    /// Which providers there are, and their profiles.
    pub accounts: Accounts,
    /// What opens records and seals decisions.
    pub contents: Contents,
    /// Whether a sync is still wanted.
    pub standing: Standing,
    /// The rows of the destinations.
    pub items: Arc<dyn Items>,
    /// What was said before.
    pub log: Arc<dyn Log>,
}

type ResolveAnswer = Answer<Normalized, Resolved>;

/// One page, opened.
#[derive(Clone)]
struct Page<'a> {
    input: &'a Envelope<Normalized>,
    records: Vec<Record>,
    /// It was resolved before, and only the rows that this run has made hear of it.
    again: Option<&'a RowsMade>,
    /// What the person does not want of it at the destination that it is looked at for.
    left_out: filters::LeftOuts,
}

impl Page<'_> {
    fn subject(&self) -> &Subject {
        &self.input.head.subject
    }

    /// Each type in the page, with the stretch that its records lie in.
    fn spans(&self) -> BTreeMap<DataType, Interval> {
        let mut spans: BTreeMap<DataType, Interval> = BTreeMap::new();
        if let (Some(data_type), Some(window)) = (self.input.body.data_type, self.input.body.window)
            && self.input.body.last
        {
            // The end of a complete reading: what is missing in it is gone.
            spans.insert(data_type, window);
        }
        // A tombstone may not know when its record was; its row is found by where it came from.
        for record in self.records.iter().filter(|it| !it.deleted) {
            let span = record.time.interval();
            let known = spans.entry(record.data_type).or_insert(span);
            *known = Interval { from: known.from.min(span.from), to: known.to.max(span.to) };
        }
        spans
    }
}

impl Stage for Resolve {
    type In = Normalized;
    type Out = Resolved;
    const NAME: &'static str = "resolve";
    const AT_ONCE: usize = 1;

    async fn process(&self, input: &Envelope<Normalized>) -> Result<ResolveAnswer, Unreachable> {
        let normalized = &input.body;
        let Some(opened) = self.contents.open_value::<Records>(&input.head.subject, &normalized.records).await? else {
            return Ok(Answer::End(Reason::PayloadExpired));
        };
        let page = Page { input, records: opened.records, again: None, left_out: BTreeMap::new() };
        let policies = self.policies(&page).await?;
        if let at @ Some(_) = self.put_off_until(&page, &policies).await? {
            return Ok(Answer::Later(crate::stage::Later { at, gives_up: None }));
        }
        let mut outputs = Vec::new();
        for (index, (destination, policies)) in normalized.destinations.iter().zip(&policies).enumerate() {
            let page = page.sieved(policies, destination);
            let resolved = match normalized.side {
                Side::Destination => self.note_seen(&page, destination).await?,
                Side::Source => match self.decide(&page, destination, policies).await? {
                    Some(decided) => Some(self.resolved(&page, destination, index, decided).await?),
                    None => None,
                },
            };
            match resolved {
                Some(resolved) => outputs.push(Envelope {
                    head: input.head.derive(Self::NAME, index, self.accounts.clock.now()),
                    body: resolved,
                }),
                None => {
                    let at = Some(self.accounts.clock.now().plus(RACE_PAUSE));
                    return Ok(Answer::Later(crate::stage::Later { at, gives_up: None }));
                }
            }
        }
        made(outputs)
    }
}

impl Resolve {
    async fn resolved(
        &self,
        page: &Page<'_>,
        destination: &Destination,
        index: usize,
        decided: Vec<Decided>,
    ) -> Result<Resolved, Unreachable> {
        let input = page.input;
        let mut tally = Tally::default();
        let mut operations = 0;
        for it in &decided {
            match it.fate {
                Some(fate) => tally.add(it.decision.data_type, fate, it.decision.reason),
                None => operations += 1,
            }
        }
        let head = input.head.derive(Self::NAME, index, self.accounts.clock.now());
        let decisions = Decisions { decisions: decided.into_iter().map(|it| it.decision).collect() };
        let sealed = if decisions.decisions.is_empty() {
            None
        } else {
            Some(self.contents.seal_value(&head, &decisions).await?)
        };
        Ok(Resolved {
            side: input.body.side,
            source: input.body.source.clone(),
            destination: destination.clone(),
            decisions: sealed,
            operations,
            counts: tally.counts(),
            lane: input.body.lane,
            expires_at: None,
        })
    }

    /// Decides about a source's page for one destination and plans what follows; `None` if every race was lost.
    async fn decide(
        &self,
        page: &Page<'_>,
        destination: &Destination,
        policies: &Policies,
    ) -> Result<Option<Vec<Decided>>, Unreachable> {
        let Some(provider) = self.accounts.catalog.get(&destination.account.provider).cloned() else {
            return Ok(Some(Vec::new()));
        };
        for _ in 0..RACES_MAX {
            let (mut window, mut seqs) = self.window(page, destination.account.connection).await?;
            if self.already_said(page).await? {
                // The step that stands is the one that the append will return.
                return Ok(Some(Vec::new()));
            }
            // Looked at after `plan_seq` was read: whoever sees an end raises it before the end is said.
            let ended = match self.standing.sync(&page.input.head, None).await? {
                Some(reason) => Some(reason),
                None => self.standing.destination(&page.input.head, destination).await?.err(),
            };
            let mut incoming = self.incoming(page, destination, &*provider).await?;
            self.add_moved(page, destination.account.connection, &incoming, &mut window, &mut seqs).await?;
            let own = match ended {
                Some(reason) => own_ended(&page.input.head, &window, reason),
                None => Vec::new(),
            };
            let answers = self.answers(page, &window).await?;
            let window = Window::new(window).with_answers(answers);
            let policy = self.policy(page, destination, (provider.profile(), policies));
            let mut gone = self.gone(page, destination, &incoming).await?;
            let records = (&mut incoming[..], &mut gone[..]);
            let means = (&*provider, &policy);
            let (mut known, mut decided) = self.decide_page(page, means, window.clone(), records).await?;
            incoming.extend(self.decide_parts(page, means, (&window, &mut known), &mut decided).await?);
            rules::one_operation_each(&mut decided);
            if let Some(reason) = ended {
                end_all(&mut decided, reason);
            }
            let planned = if ended.is_some() {
                self.plan_months(page, destination, own, seqs).await?
            } else {
                self.plan(page, destination, &incoming, &decided, seqs).await?
            };
            if planned {
                self.ask(page, &policy, &known, (&incoming, &gone), &decided).await?;
                crate::failpoint::reached(Self::NAME, "plan");
                return Ok(Some(decided));
            }
        }
        Ok(None)
    }

    fn policy<'a>(
        &self,
        page: &'a Page<'_>,
        destination: &Destination,
        (profile, policies): (&'a Profile, &Policies),
    ) -> Policy<'a> {
        Policy {
            rule: destination.rule,
            deletes: destination.deletes,
            types: &profile.types,
            source: &page.input.body.source.provider,
            is_again: page.input.head.mode == Mode::Shadow,
            by: (page.input.head.id, page.input.head.sync),
            destination: destination.account.connection,
            combines: policies.merging().combine != rules::Combine::First,
            asks: policies.reviews == Reviews::Ask,
        }
    }

    async fn already_said(&self, page: &Page<'_>) -> Result<bool, Unreachable> {
        let head = &page.input.head;
        let key = StepKey { subject: head.subject.clone(), sync: head.sync, stage: Self::NAME.into(), cause: head.id };
        Ok(self.log.recall(&[key]).await?.pop().flatten().is_some())
    }

    /// The destination's rows around the page, opened, and the `plan_seq` of every month that was read.
    async fn window(
        &self,
        page: &Page<'_>,
        destination: ConnectionId,
    ) -> Result<(Vec<Known>, BTreeMap<String, i64>), Unreachable> {
        let (mut known, mut seqs) = (Vec::new(), BTreeMap::new());
        for (data_type, span) in page.spans() {
            let (rows, read) =
                self.items.window(page.subject(), destination, data_type, span.widened(MATCH_TOLERANCE)).await?;
            for (partition, seq) in read {
                // Two reads of one month must agree; the lower one loses the race and all begins again.
                let lowest = seqs.entry(partition.month).or_insert(seq);
                *lowest = seq.min(*lowest);
            }
            for row in rows {
                known.extend(self.known(page.subject(), row).await?);
            }
        }
        Ok((known, seqs))
    }

    async fn known(&self, subject: &Subject, row: ItemRow) -> Result<Option<Known>, Unreachable> {
        let kept = self.contents.open_row(subject, &row.key.item.to_string(), &row.summary).await?;
        let Some((summary, mut sources)) = kept.and_then(|it| rules::kept(&it)) else { return Ok(None) };
        if sources.is_empty() && row.planned_version == 0 {
            sources.push(self.itself(subject, &row, &summary).await?);
        }
        Ok(Some(Known { row, summary, sources }))
    }

    /// Records that have moved out of the window of their row: found by where they came from. After a restore also those
    /// of which a row says what is held, but no longer when it was.
    async fn add_moved(
        &self,
        page: &Page<'_>,
        destination: ConnectionId,
        incoming: &[Incoming],
        known: &mut Vec<Known>,
        seqs: &mut BTreeMap<String, i64>,
    ) -> Result<(), Unreachable> {
        let restored_at = self.standing.restored_at().await?;
        for of in incoming {
            let is_doubtful = restored_at.is_some_and(|it| of.record.time.start < it);
            let itself = is_doubtful.then_some((of.item, &of.month));
            let Some((item, month)) = of.origin.as_ref().map(|it| (it.item, &it.month)).or(itself) else { continue };
            if known.iter().any(|it| it.row.key.item == item) {
                continue;
            }
            let partition = Partition { subject: page.subject().clone(), destination, month: month.clone() };
            if !seqs.contains_key(&partition.month) {
                seqs.insert(partition.month.clone(), self.items.seq(&partition).await?);
            }
            let Some(row) = self.items.get(&ItemKey { partition, item }).await? else { continue };
            if row.summary.is_empty() && row.planned_version > 0 {
                known.push(Known { row, summary: rules::summary(&of.record), sources: Vec::new() });
            } else {
                known.extend(self.known(page.subject(), row).await?);
            }
        }
        Ok(())
    }

    /// What the shell finds out about each record of the page.
    async fn incoming(
        &self,
        page: &Page<'_>,
        destination: &Destination,
        provider: &dyn DataProvider,
    ) -> Result<Vec<Incoming>, Unreachable> {
        let (subject, source) = (page.subject(), page.input.body.account.connection);
        let mut keys = Vec::with_capacity(page.records.len());
        for record in &page.records {
            keys.push(self.contents.origin_key(subject, source, &record.origin.record).await?);
        }
        let origins = self.items.origins(subject, source, destination.account.connection, &keys).await?;
        let ours = self.items.origins(subject, source, source, &keys).await?;
        let mut incoming = Vec::with_capacity(page.records.len());
        for (((record, key), origin), own) in page.records.iter().zip(keys).zip(origins).zip(ours) {
            let projected = provider.project(record);
            let hash = match &projected {
                Ok(projected) => self.contents.vault.keyed_hash(subject, "content", &projected.content()).await?,
                Err(_) => String::new(),
            };
            let item =
                ItemId::derived(destination.account.connection, record.data_type.name(), source, &record.origin.record);
            incoming.push(Incoming {
                key,
                projected,
                hash,
                source_at: record.origin.modified_at.unwrap_or(page.input.body.fetched_at),
                echo: record.origin.marker.is_some() || self.is_owned(page, source, own).await?,
                item,
                month: month_of(record.time.start),
                origin,
                record: record.clone(),
                connection: source,
                join: Join::Alone,
                read_in: None,
            });
        }
        Ok(incoming)
    }

    /// Whether a record of the source is one that we wrote there.
    async fn is_owned(
        &self,
        page: &Page<'_>,
        source: ConnectionId,
        origin: Option<Origin>,
    ) -> Result<bool, Unreachable> {
        let Some(origin) = origin else { return Ok(false) };
        let partition = Partition { subject: page.subject().clone(), destination: source, month: origin.month };
        let row = self.items.get(&ItemKey { partition, item: origin.item }).await?;
        Ok(row.is_some_and(|it| it.owned))
    }
}

/// The sync is no longer wanted: what was decided ends here, and nothing goes out.
fn end_all(decided: &mut [Decided], reason: Reason) {
    for it in decided.iter_mut().filter(|it| it.decision.action != Action::Skip) {
        it.decision.action = Action::Skip;
        it.decision.op = None;
        it.decision.reason = Some(reason);
        it.decision.record = None;
        it.fate = Some(Fate::Ended);
        it.plan = None;
    }
}

/// What this very event planned before it was known to have ended, and is not held: planned as ended.
fn own_ended(head: &Head, window: &[Known], reason: Reason) -> Vec<(String, Planned)> {
    let own = window.iter().map(|it| &it.row).filter(|row| {
        row.planned_by == Some((head.id, head.sync))
            && row.version < row.planned_version
            && row.state == ItemState::Planned
    });
    let planned = |row: &ItemRow| Planned {
        item: row.key.item,
        data_type: row.data_type,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        summary: None,
        plan: Some(Plan {
            version: row.planned_version,
            hash: row.planned_hash.clone(),
            by: (head.id, head.sync),
            state: ItemState::Ended,
            reason: reason.code(),
            delete: row.planned_delete,
        }),
        seen: None,
    };
    own.map(|row| (row.key.partition.month.clone(), planned(row))).collect()
}
