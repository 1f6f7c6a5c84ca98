//! What of the log is replayed.

use super::{ReplayError, Replays};
use crate::{
    bus::Unreachable,
    store::{Logged, StepKey},
};
use schemas::{
    codec,
    data_type::DataType,
    event::{Envelope, Fetched, Head, Kind, Normalized, Side},
    id::{EventId, Subject, SyncId},
    time::{Instant, Interval},
    topics::{self, TopicName},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many steps are read at once.
const STEPS_MAX: usize = 500;
/// How many messages of a topic are read at once.
const MESSAGES_MAX: i64 = 500;
/// The most pages of one replay: what is selected is remembered by id.
const PAGES_MAX: usize = 1_000_000;

/// What cannot be replayed, and what can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What is replayed. What is left out does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// What was said from then on.
    pub from: Option<Instant>,
    /// What was said before then.
    pub to: Option<Instant>,
    /// Of one person.
    pub subject: Option<Subject>,
    /// Pages of this source.
    pub provider: Option<String>,
    /// Pages of this type; those of files may hold several, and are replayed whole.
    pub data_type: Option<DataType>,
    /// From which stage on.
    pub stage: From,
    /// What lay at these offsets of a topic.
    pub place: Option<Place>,
    /// Which version of the mappers; the present one of each provider if left out.
    pub mapper_version: Option<i32>,
}

/// The first stage that runs again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// Pages are mapped again.
    #[default]
    Normalize,
    /// Records are as they are; decisions are made again.
    Resolve,
}

impl From {
    const fn kind(self) -> Kind {
        match self {
            Self::Normalize => Kind::Fetched,
            Self::Resolve => Kind::Normalized,
        }
    }

    /// The stage whose outputs are replayed.
    const fn after(self) -> &'static str {
        match self {
            Self::Normalize => "fetch",
            Self::Resolve => "normalize",
        }
    }
}

/// A stretch of one partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub from: i64,
    /// The first offset after it.
    pub to: i64,
}

/// What was selected: by person and sync, in the order in which it was said.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub(super) of: BTreeMap<Subject, Vec<(SyncId, Vec<EventId>)>>,
    n_pages: usize,
}

impl Selected {
    fn add(&mut self, head: &Head) -> Result<(), Refused> {
        self.n_pages += 1;
        if self.n_pages > PAGES_MAX {
            return Err(Refused(format!("more than {PAGES_MAX} pages; narrow the selection")));
        }
        let syncs = self.of.entry(head.subject.clone()).or_default();
        match syncs.iter_mut().find(|it| it.0 == head.sync) {
            Some((_, events)) => events.push(head.id),
            None => syncs.push((head.sync, vec![head.id])),
        }
        Ok(())
    }
}

impl Replays {
    pub(super) async fn select(&self, wanted: &Selection) -> Result<Selected, ReplayError> {
        match &wanted.place {
            Some(place) => self.at_place(wanted, place).await,
            None => self.in_time(wanted).await,
        }
    }

    async fn in_time(&self, wanted: &Selection) -> Result<Selected, ReplayError> {
        let log = &self.runner.store.log;
        let span = self.span(wanted).await?;
        let (mut selected, mut after) = (Selected::default(), None);
        loop {
            let page = log.scan(span, wanted.subject.as_ref(), after, STEPS_MAX).await?;
            let Some(last) = page.last() else { return Ok(selected) };
            after = Some(last.clone());
            let keys: Vec<StepKey> =
                page.into_iter().map(|it| it.1).filter(|it| it.stage == wanted.stage.after()).collect();
            for step in log.recall(&keys).await?.into_iter().flatten() {
                for event in &step.outputs {
                    if let Some(head) = wanted_head(wanted, event)? {
                        selected.add(&head)?;
                    }
                }
            }
        }
    }

    /// The stretch of time that is asked for, if the log has all of it.
    async fn span(&self, wanted: &Selection) -> Result<Interval, ReplayError> {
        let ever = Interval { from: Instant(i64::MIN), to: Instant(i64::MAX) };
        let first = self.runner.store.log.scan(ever, None, None, 1).await?.pop();
        let Some((begins, _)) = first else { return Err(Refused("the log is empty; nothing to replay".into()).into()) };
        if let Some(from) = wanted.from.filter(|from| *from < begins) {
            let gap = format!("the log begins at {begins}: nothing is kept of {from} to {begins}");
            return Err(Refused(format!("{gap}; ask for --from {begins} or later")).into());
        }
        Ok(Interval { from: wanted.from.unwrap_or(begins), to: wanted.to.unwrap_or(ever.to) })
    }

    async fn at_place(&self, wanted: &Selection, place: &Place) -> Result<Selected, ReplayError> {
        let topic = topic_of(&place.topic)?;
        if topic.kind != wanted.stage.kind() {
            let right = wanted.stage.kind().name();
            return Err(Refused(format!("{topic} is not replayed from there; name a topic of {right} events")).into());
        }
        let (mut selected, mut next) = (Selected::default(), place.from);
        while next < place.to {
            let until = place.to.min(next.saturating_add(MESSAGES_MAX));
            let Some(found) = self.runner.bus.read(topic, place.partition, next..until).await? else {
                return Err(Refused(
                    "this transport keeps nothing of its topics; select by time, person, provider or type instead"
                        .into(),
                )
                .into());
            };
            if let Some((first, _)) = found.first().filter(|it| next == place.from && it.0 > place.from) {
                let gap = format!("partition {} of {topic} begins at offset {first}", place.partition);
                return Err(Refused(format!("{gap}: nothing is kept before; ask for offsets from {first} on")).into());
            }
            for (_, bytes) in found {
                let event = Logged { id: EventId(uuid::Uuid::nil()), topic, bytes };
                if let Some(head) = wanted_head(wanted, &event)? {
                    selected.add(&head)?;
                }
            }
            next = until;
        }
        Ok(selected)
    }
}

/// The head of an event that is asked for.
fn wanted_head(wanted: &Selection, event: &Logged) -> Result<Option<Head>, Unreachable> {
    if event.topic.kind != wanted.stage.kind() {
        return Ok(None);
    }
    // What cannot be read was rejected long ago; a scan goes on.
    let found = match wanted.stage {
        From::Normalize => codec::decode::<Envelope<Fetched>>(&event.bytes)
            .map(|it| (it.head, it.body.side, it.body.account.provider, it.body.data_type)),
        From::Resolve => codec::decode::<Envelope<Normalized>>(&event.bytes)
            .map(|it| (it.head, it.body.side, it.body.account.provider, it.body.data_type)),
    };
    let Ok((head, side, provider, data_type)) = found else { return Ok(None) };
    let fits = side == Side::Source
        && wanted.provider.as_ref().is_none_or(|it| *it == provider)
        && wanted.subject.as_ref().is_none_or(|it| *it == head.subject)
        && wanted.data_type.is_none_or(|it| data_type.is_none_or(|of| of == it));
    Ok(fits.then_some(head))
}

/// The topic of a name.
///
/// # Errors
/// When there is none of it.
pub(crate) fn topic_of(name: &str) -> Result<TopicName, Refused> {
    let all = topics::catalogue();
    let found = all.iter().find(|it| it.name.to_string() == name || short(it.name) == name);
    found.map(|it| it.name).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|it| it.name.to_string()).collect();
        Refused(format!("no topic is called {name}; there are {}", names.join(", ")))
    })
}

/// A topic's name without what all names begin with.
fn short(name: TopicName) -> String {
    let name = name.to_string();
    name.split_once('.').map_or(name.clone(), |it| it.1.to_owned())
}
