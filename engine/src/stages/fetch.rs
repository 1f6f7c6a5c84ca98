//! Fetch: answers one request with one page and, until the end, with the next request.

use super::after_read_error;
use crate::{
    accounts::{Accounts, Caller},
    bus::Unreachable,
    calls::ReadPage,
    contents::Contents,
    people::Connection,
    provider::{FetchRequest, PAGES_MAX, Page, ProviderError, RawPage, What},
    stage::{Answer, Made, Stage},
    standing::Standing,
};
use schemas::{
    data_type::DataType,
    event::{
        Account, Cover, Destination, Envelope, Fetched, Head, Held, Payload, Reading, Reason, Requested, Side, Trigger,
        TypeSpan,
    },
    id::SyncId,
    time::{Instant, Interval},
};
use std::time::Duration;

/// How much further than the source's window a look reaches: the same record may be stamped a little differently.
const LOOK_TOLERANCE: Duration = Duration::from_secs(24 * 3600);

/// Reads pages: first the destinations that need a look, then the source, once for all its destinations. For named
/// records and delivered bodies the source's page is read first, its span taken, and it is published last.
#[derive(Debug)]
pub struct Fetch {
    /// How providers are called.
    pub accounts: Accounts,
    /// What seals pages.
    pub contents: Contents,
    /// Whether a sync is still wanted.
    pub standing: Standing,
}

/// A look at a destination that is due before the source is read or published.
struct Look {
    destination: Destination,
    data_type: DataType,
    window: Interval,
}

type FetchAnswer = Answer<Requested, Fetched>;

impl Stage for Fetch {
    type In = Requested;
    type Out = Fetched;
    const NAME: &'static str = "fetch";
    const AT_ONCE: usize = 8;

    fn lane(input: &Envelope<Requested>) -> String {
        format!("{}/{}", input.body.source.connection, input.head.sync)
    }

    async fn process(&self, input: &Envelope<Requested>) -> Result<FetchAnswer, Unreachable> {
        let request = &input.body;
        if let Some(reason) = self.standing.sync(&input.head, request.expires_at).await? {
            return Ok(Answer::End(reason));
        }
        if u32::try_from(request.reading.pages).unwrap_or(u32::MAX) >= PAGES_MAX {
            return Ok(Answer::End(Reason::TooManyPages));
        }
        // Looked at when a sync begins; later each look, plan and claim looks at its own destination.
        if request.reading == Reading::default() {
            for destination in &request.destinations {
                if let Err(reason) = self.standing.destination(&input.head, destination).await? {
                    let split = self.without(input, destination, Reading::default());
                    return Ok(split.unwrap_or(Answer::End(reason)));
                }
            }
        }
        self.go_on(input).await
    }
}

impl Fetch {
    async fn go_on(&self, input: &Envelope<Requested>) -> Result<FetchAnswer, Unreachable> {
        let request = &input.body;
        let source = match self.standing.account(&input.head, &request.source).await? {
            Ok(source) => source,
            Err(reason) => return Ok(Answer::End(reason)),
        };
        if request.reading.held.is_none() && !matches!(request.cover, Cover::Range(_)) {
            return self.hold(input, &source).await;
        }
        let looks = self.looks(request);
        let done = usize::try_from(request.reading.looks_done).unwrap_or(0);
        match looks.get(done) {
            Some(look) => self.look(input, look).await,
            None if request.reading.held.is_some() => self.publish_held(input, &source).await,
            None => self.read_source(input, &source).await,
        }
    }

    /// The looks that a sync needs, in a fixed order.
    fn looks(&self, request: &Requested) -> Vec<Look> {
        let spans = match (&request.reading.held, &request.cover, request.data_type) {
            (Some(held), _, _) => held.spans.clone(),
            (None, Cover::Range(span), Some(data_type)) => vec![TypeSpan { data_type, span: *span }],
            _ => Vec::new(),
        };
        let mut looks = Vec::new();
        for destination in &request.destinations {
            let profile = self.accounts.catalog.get(&destination.account.provider).map(|it| it.profile());
            for TypeSpan { data_type, span } in &spans {
                let can = profile.and_then(|it| it.of(*data_type));
                if can.is_some_and(|it| it.look && it.read && it.create.is_some()) {
                    let window = span.widened(LOOK_TOLERANCE);
                    looks.push(Look { destination: destination.clone(), data_type: *data_type, window });
                }
            }
        }
        looks
    }

    /// One page of a destination.
    async fn look(&self, input: &Envelope<Requested>, look: &Look) -> Result<FetchAnswer, Unreachable> {
        let request = &input.body;
        let connection = match self.standing.destination(&input.head, &look.destination).await? {
            Ok(connection) => connection,
            Err(reason) => {
                let split = self.without(input, &look.destination, self.before(request, &look.destination));
                return Ok(split.unwrap_or(Answer::End(reason)));
            }
        };
        let what = FetchRequest {
            data_type: look.data_type,
            what: What::Look(look.window),
            cursor: self.cursor(input).await?,
        };
        let page = match self.read(input, &connection, &what).await? {
            Ok(page) => page,
            Err(err) => {
                // A destination that cannot be read now does not hold up the others.
                let split = self.without(input, &look.destination, self.before(request, &look.destination));
                return Ok(split.unwrap_or_else(|| after_read_error(&err, &self.accounts.clock)));
            }
        };
        let reading = Reading {
            looks_done: request.reading.looks_done + i32::from(page.next.is_none()),
            cursor: None,
            pages: request.reading.pages + 1,
            ..request.reading.clone()
        };
        let side = (Side::Destination, &look.destination.account, vec![look.destination.clone()]);
        let fetched = self.fetched(input, side, &page, Some(look.data_type), Some(look.window)).await?;
        let again = self.next_request(input, reading, page.next.as_deref()).await?;
        Ok(Answer::Made(Made { outputs: vec![fetched], again: vec![again], roots: Vec::new() }))
    }

    /// How far a reading has come once a destination is left out. Looks are in the order of destinations: those before
    /// this one are complete, and it begins anew after them.
    fn before(&self, request: &Requested, destination: &Destination) -> Reading {
        let looks_before = self.looks(request).iter().position(|it| &it.destination == destination).unwrap_or(0);
        Reading { looks_done: i32::try_from(looks_before).unwrap_or(0), cursor: None, ..request.reading.clone() }
    }

    /// The sync goes on without a destination, which becomes a sync of its own; `None` if it is the only one.
    fn without(&self, input: &Envelope<Requested>, destination: &Destination, reading: Reading) -> Option<FetchAnswer> {
        let request = &input.body;
        if request.destinations.len() < 2 {
            return None;
        }
        let now = self.accounts.clock.now();
        let rest = request.destinations.iter().filter(|it| it != &destination).cloned().collect();
        let head = input.head.derive(Self::NAME, 1, now);
        let again = Envelope { head, body: Requested { destinations: rest, reading, ..request.clone() } };
        let sync = SyncId::under(input.head.sync, &destination.account.connection.to_string());
        let body = Requested {
            destinations: vec![destination.clone()],
            reading: Reading::default(),
            trigger: Trigger::Split,
            ..request.clone()
        };
        let split = Envelope { head: Head::root(sync, input.head.subject.clone(), now), body };
        Some(Answer::Made(Made { outputs: Vec::new(), again: vec![again], roots: vec![split] }))
    }

    /// One page of the source, for all destinations.
    async fn read_source(&self, input: &Envelope<Requested>, source: &Connection) -> Result<FetchAnswer, Unreachable> {
        let request = &input.body;
        let (Cover::Range(window), Some(data_type)) = (&request.cover, request.data_type) else {
            return Ok(Answer::Reject(Reason::Unsupported));
        };
        let what = FetchRequest { data_type, what: What::Window(*window), cursor: self.cursor(input).await? };
        let page = match self.read(input, source, &what).await? {
            Ok(page) => page,
            Err(err) => return Ok(after_read_error(&err, &self.accounts.clock)),
        };
        let side = (Side::Source, &request.source, request.destinations.clone());
        let fetched = self.fetched(input, side, &page, Some(data_type), Some(*window)).await?;
        let mut again = Vec::new();
        if page.next.is_some() {
            let reading = Reading { cursor: None, pages: request.reading.pages + 1, ..request.reading.clone() };
            again.push(self.next_request(input, reading, page.next.as_deref()).await?);
        }
        Ok(Answer::Made(Made { outputs: vec![fetched], again, roots: Vec::new() }))
    }

    /// Takes the source's page of named records, or the next part of a delivered body, and its span, and goes on with
    /// the looks that it calls for.
    async fn hold(&self, input: &Envelope<Requested>, source: &Connection) -> Result<FetchAnswer, Unreachable> {
        let request = &input.body;
        let head = input.head.derive(Self::NAME, 1, self.accounts.clock.now());
        let (page, fetched_at, next) = match &request.cover {
            Cover::Named(named) => {
                let Some(ids) = self.contents.open(&input.head.subject, &named.ids).await? else {
                    return Ok(Answer::End(Reason::PayloadExpired));
                };
                let (Ok(ids), Some(data_type)) = (serde_json::from_slice(&ids), request.data_type) else {
                    return Ok(Answer::Reject(Reason::Malformed));
                };
                let what = FetchRequest { data_type, what: What::Named(ids), cursor: self.cursor(input).await? };
                match self.read(input, source, &what).await? {
                    Ok(page) => {
                        let next = match &page.next {
                            Some(next) => Some(self.contents.seal(&head, "text/plain", next.as_bytes()).await?),
                            None => None,
                        };
                        let at = earlier(page.provider_time, self.accounts.clock.now());
                        (self.contents.seal(&head, &page.content_type, &page.body).await?, at, next)
                    }
                    Err(err) => return Ok(after_read_error(&err, &self.accounts.clock)),
                }
            }
            Cover::Delivered(body) => {
                let part = usize::try_from(request.reading.parts_done).unwrap_or(0);
                let Some(part) = body.parts.get(part) else { return Ok(Answer::Reject(Reason::Malformed)) };
                (part.clone(), body.delivered_at, None)
            }
            Cover::Range(_) => return Ok(Answer::Reject(Reason::Unsupported)),
        };
        let Some(spans) = self.spans(input, source, &page).await? else {
            return Ok(Answer::End(Reason::PayloadExpired));
        };
        let reading = Reading {
            looks_done: 0,
            cursor: None,
            pages: request.reading.pages + 1,
            parts_done: request.reading.parts_done,
            held: Some(Held { page, fetched_at, spans, next }),
        };
        let again = self.next_request(input, reading, None).await?;
        Ok(Answer::Made(Made { outputs: Vec::new(), again: vec![again], roots: Vec::new() }))
    }

    /// Each type in a page and the stretch that its records lie in; `None` if the page can no longer be opened.
    async fn spans(
        &self,
        input: &Envelope<Requested>,
        source: &Connection,
        page: &Payload,
    ) -> Result<Option<Vec<TypeSpan>>, Unreachable> {
        let Some(body) = self.contents.open(&input.head.subject, page).await? else { return Ok(None) };
        let Some(provider) = self.accounts.catalog.get(&source.provider) else { return Ok(Some(Vec::new())) };
        let raw = RawPage { data_type: input.body.data_type, content_type: &page.content_type, body: &body, name: "" };
        // A page that cannot be mapped is Normalize's to reject: here it only has no span.
        let records = provider.normalize(&raw).map(|it| it.records).unwrap_or_default();
        let mut spans: Vec<TypeSpan> = Vec::new();
        for record in records.iter().filter(|it| !it.deleted) {
            let span = record.time.interval();
            match spans.iter_mut().find(|it| it.data_type == record.data_type) {
                Some(known) => {
                    known.span.from = known.span.from.min(span.from);
                    known.span.to = known.span.to.max(span.to);
                }
                None => spans.push(TypeSpan { data_type: record.data_type, span }),
            }
        }
        Ok(Some(spans))
    }

    /// Publishes the page that was held, now that its looks are done, and goes on with the next part.
    async fn publish_held(&self, input: &Envelope<Requested>, source: &Connection) -> Result<FetchAnswer, Unreachable> {
        let request = &input.body;
        let Some(held) = &request.reading.held else { return Ok(Answer::Reject(Reason::Malformed)) };
        let parts_done = request.reading.parts_done + 1;
        let last = match &request.cover {
            Cover::Delivered(body) => usize::try_from(parts_done).is_ok_and(|it| it >= body.parts.len()),
            _ => held.next.is_none(),
        };
        let head = input.head.derive(Self::NAME, 0, self.accounts.clock.now());
        let body = Fetched {
            side: Side::Source,
            account: request.source.clone(),
            source: request.source.clone(),
            data_type: request.data_type,
            destinations: request.destinations.clone(),
            page: held.page.clone(),
            number: request.reading.parts_done,
            fetched_at: held.fetched_at,
            window: None,
            last,
            api_version: self.api_version(&source.provider),
            lane: request.lane,
        };
        let mut again = Vec::new();
        if !last {
            let reading = Reading { parts_done, pages: request.reading.pages, ..Reading::default() };
            let cursor = match &held.next {
                Some(next) => self.opened_text(input, next).await?,
                None => None,
            };
            again.push(self.next_request(input, reading, cursor.as_deref()).await?);
        }
        Ok(Answer::Made(Made { outputs: vec![Envelope { head, body }], again, roots: Vec::new() }))
    }

    async fn read(
        &self,
        input: &Envelope<Requested>,
        connection: &Connection,
        what: &FetchRequest,
    ) -> Result<Result<Page, ProviderError>, Unreachable> {
        let caller = Caller {
            subject: &input.head.subject,
            connection,
            lane: input.body.lane,
            mode: input.head.mode,
            send_by: None,
        };
        self.accounts.read(caller, &ReadPage(what)).await
    }

    async fn cursor(&self, input: &Envelope<Requested>) -> Result<Option<String>, Unreachable> {
        match &input.body.reading.cursor {
            Some(cursor) => self.opened_text(input, cursor).await,
            None => Ok(None),
        }
    }

    async fn opened_text(&self, input: &Envelope<Requested>, payload: &Payload) -> Result<Option<String>, Unreachable> {
        let opened = self.contents.open(&input.head.subject, payload).await?;
        Ok(opened.and_then(|it| String::from_utf8(it).ok()))
    }

    async fn fetched(
        &self,
        input: &Envelope<Requested>,
        side: (Side, &Account, Vec<Destination>),
        page: &Page,
        data_type: Option<DataType>,
        window: Option<Interval>,
    ) -> Result<Envelope<Fetched>, Unreachable> {
        let now = self.accounts.clock.now();
        let head = input.head.derive(Self::NAME, 0, now);
        let (side, account, destinations) = side;
        let body = Fetched {
            side,
            account: account.clone(),
            source: input.body.source.clone(),
            data_type,
            destinations,
            page: self.contents.seal(&head, &page.content_type, &page.body).await?,
            number: input.body.reading.pages,
            fetched_at: earlier(page.provider_time, now),
            window,
            last: page.next.is_none(),
            api_version: self.api_version(&account.provider),
            lane: input.body.lane,
        };
        Ok(Envelope { head, body })
    }

    async fn next_request(
        &self,
        input: &Envelope<Requested>,
        reading: Reading,
        cursor: Option<&str>,
    ) -> Result<Envelope<Requested>, Unreachable> {
        let head = input.head.derive(Self::NAME, 1, self.accounts.clock.now());
        let cursor = match cursor {
            // A cursor may name records, which is personal.
            Some(cursor) => Some(self.contents.seal(&head, "text/plain", cursor.as_bytes()).await?),
            None => None,
        };
        let body = Requested { reading: Reading { cursor, ..reading }, ..input.body.clone() };
        Ok(Envelope { head, body })
    }

    fn api_version(&self, provider: &str) -> String {
        self.accounts.catalog.get(provider).map_or_else(String::new, |it| it.profile().api_version.into())
    }
}

/// Our clock may run ahead of the provider's, and the other way round: the smaller is safe as a watermark.
fn earlier(provider: Option<Instant>, ours: Instant) -> Instant {
    provider.map_or(ours, |it| it.min(ours))
}
