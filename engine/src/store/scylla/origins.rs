//! Which items the records of a connection lead to.
//!
//! No conditional row: where a record leads is one cell, and its write time is the record's own `source_at`, so that
//! the newest state stands in whatever order states are noted. Of two states of one time the one noted later stands:
//! it takes the next microsecond.

use super::{CONCURRENT, Cluster, columns, cql::Way, items::data_type};
use crate::{
    bus::Unreachable,
    clock::Clock,
    item::{Origin, month_of},
};
use futures::{StreamExt, TryStreamExt, stream};
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId, Subject, SyncId},
    time::{Instant, Interval},
};
use std::{collections::BTreeSet, time::Duration};

const GET: &str = "SELECT leads, WRITETIME(leads) AS written_at, seen_by FROM origins
    WHERE subject = ? AND connection = ? AND destination = ? AND record = ?";
const LEAD: &str = "UPDATE origins USING TIMESTAMP ? SET leads = ?
    WHERE subject = ? AND connection = ? AND destination = ? AND record = ?";
const SEE: &str = "UPDATE origins SET seen_by = ?
    WHERE subject = ? AND connection = ? AND destination = ? AND record = ?";
const PUT_MONTH: &str = "INSERT INTO origin_months (subject, connection, destination, month) VALUES (?, ?, ?, ?)";
const MONTHS: &str = "SELECT month FROM origin_months
    WHERE subject = ? AND connection = ? AND destination = ? AND month >= ? AND month <= ?";
const PUT_TIME: &str =
    "INSERT INTO origins_by_time (subject, connection, destination, month, data_type, starts_at, record)
    VALUES (?, ?, ?, ?, ?, ?, ?)";
const WITHIN: &str = "SELECT starts_at, record FROM origins_by_time
    WHERE subject = ? AND connection = ? AND destination = ? AND month = ? AND data_type = ?
    AND starts_at >= ? AND starts_at < ?";

pub(super) const STATEMENTS: [(&str, Way); 7] = [
    (GET, Way::Read),
    (LEAD, Way::Write),
    (SEE, Way::Write),
    (PUT_MONTH, Way::Write),
    (MONTHS, Way::Read),
    (PUT_TIME, Way::Write),
    (WITHIN, Way::Read),
];

/// How far ahead of now a write time may be: the servers refuse more than some days.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Where a record leads: item, month, type, start, `source_at`.
type Leads = (Vec<u8>, String, String, i64, i64);

/// A row: where its record leads, when that was written, and which sync saw it last.
type Columns = (Option<Leads>, Option<i64>, Option<Vec<u8>>);

/// Whose records, and for which destination.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) subject: &'a Subject,
    pub(super) connection: ConnectionId,
    pub(super) destination: ConnectionId,
}

impl Cluster {
    pub(super) async fn get_origins(
        &self,
        place: &Place<'_>,
        records: &[String],
    ) -> Result<Vec<Option<Origin>>, Unreachable> {
        let get = async |record: &String| Ok::<_, Unreachable>(self.get_origin(place, record).await?.map(|it| it.0));
        let gets: Vec<_> = records.iter().map(get).collect();
        stream::iter(gets).buffered(CONCURRENT).try_collect().await
    }

    /// A record's origin and its write time.
    async fn get_origin(&self, place: &Place<'_>, record: &str) -> Result<Option<(Origin, i64)>, Unreachable> {
        let Place { subject, connection, destination } = *place;
        let key = (&subject.0, connection.0.as_bytes(), destination.0.as_bytes(), record);
        let rows: Vec<Columns> = self.read(GET, key).await?;
        // Who noted it may be between its two writes.
        let Some((Some(leads), Some(written_at), Some(seen_by))) = rows.into_iter().next() else { return Ok(None) };
        let (item, month, of_type, starts_at, source_at) = leads;
        let broken = || self.broken("origin");
        let origin = Origin {
            connection,
            record: record.to_owned(),
            destination,
            item: ItemId(columns::to_id(&item).ok_or_else(broken)?),
            month,
            data_type: data_type(&of_type).ok_or_else(broken)?,
            starts_at: Instant(starts_at),
            source_at: Instant(source_at),
            seen_by: SyncId(columns::to_id(&seen_by).ok_or_else(broken)?),
        };
        Ok(Some((origin, written_at)))
    }

    pub(super) async fn put_origins(&self, subject: &Subject, origins: Vec<Origin>) -> Result<(), Unreachable> {
        let months: BTreeSet<(ConnectionId, ConnectionId, String)> =
            origins.iter().map(|it| (it.connection, it.destination, month_of(it.starts_at))).collect();
        for (connection, destination, month) in &months {
            let key = (&subject.0, connection.0.as_bytes(), destination.0.as_bytes(), month);
            self.write(PUT_MONTH, key).await?;
        }
        let put: Vec<_> = origins.iter().map(|it| self.put_origin(subject, it)).collect();
        stream::iter(put).buffer_unordered(CONCURRENT).try_collect().await
    }

    async fn put_origin(&self, subject: &Subject, origin: &Origin) -> Result<(), Unreachable> {
        let Origin { connection, record, destination, .. } = origin;
        let place = Place { subject, connection: *connection, destination: *destination };
        let stands = self.get_origin(&place, record).await?;
        let (connection, destination) = (connection.0.as_bytes(), destination.0.as_bytes());
        let leads_there = |it: &Origin| Origin { seen_by: origin.seen_by, ..it.clone() } == *origin;
        let (is_older, is_same) =
            stands.as_ref().map_or((false, false), |(it, _)| (it.source_at > origin.source_at, leads_there(it)));
        if !is_older && !is_same {
            let (month, of_type) = (month_of(origin.starts_at), origin.data_type.name());
            let starts_at = origin.starts_at.0;
            let entry = (&subject.0, connection, destination, &month, of_type, starts_at, record);
            self.write(PUT_TIME, entry).await?;
            let at_most = columns::micros(Clock::real().now().plus(AHEAD_MAX));
            let own = columns::micros(origin.source_at).clamp(1, at_most);
            let written_at = stands.map_or(own, |(_, before)| own.max(before.saturating_add(1)));
            let leads: Leads = (
                origin.item.0.as_bytes().to_vec(),
                origin.month.clone(),
                of_type.into(),
                starts_at,
                origin.source_at.0,
            );
            self.write(LEAD, (written_at, leads, &subject.0, connection, destination, record)).await?;
        }
        self.write(SEE, (origin.seen_by.0.as_bytes(), &subject.0, connection, destination, record)).await
    }

    pub(super) async fn origins_by_time(
        &self,
        place: &Place<'_>,
        of_type: DataType,
        window: Interval,
    ) -> Result<Vec<Origin>, Unreachable> {
        let (connection, destination) = (place.connection.0.as_bytes(), place.destination.0.as_bytes());
        let subject = &place.subject.0;
        let (first, last) = (month_of(window.from), month_of(window.to));
        let months: Vec<(String,)> = self.read(MONTHS, (subject, connection, destination, first, last)).await?;
        let mut found = Vec::new();
        for (month,) in months {
            let key = (subject, connection, destination, month, of_type.name(), window.from.0, window.to.0);
            let entries: Vec<(i64, String)> = self.read(WITHIN, key).await?;
            let records: Vec<String> = entries.iter().map(|it| it.1.clone()).collect();
            let origins = self.get_origins(place, &records).await?;
            // An entry of an earlier state of its record leads to one that starts at another time.
            let stands = |(it, (starts_at, _)): &(Origin, (i64, String))| {
                it.data_type == of_type && it.starts_at.0 == *starts_at
            };
            let pairs = origins.into_iter().zip(entries).filter_map(|(it, entry)| Some((it?, entry)));
            found.extend(pairs.filter(stands).map(|it| it.0));
        }
        found.sort_by(|a, b| (a.starts_at, &a.record).cmp(&(b.starts_at, &b.record)));
        Ok(found)
    }
}
