//! Each thing against each connection, as clients are told.

use super::DataTypeName;
use engine::matrix::{Absence, Cell, Column, Held, Matrix, Thing};
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId},
    time::Instant,
};
use serde::Serialize;
use utoipa::ToSchema;

/// Each thing against each connection.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MatrixView {
    /// The type.
    #[schema(value_type = DataTypeName)]
    pub data_type: DataType,
    /// The first moment of the stretch.
    #[schema(value_type = String, format = DateTime)]
    pub from: Instant,
    /// The first moment after it.
    #[schema(value_type = String, format = DateTime)]
    pub to: Instant,
    /// The person's connections.
    pub connections: Vec<ColumnView>,
    /// The things that began in the stretch, the latest first; at most 500.
    pub things: Vec<ThingView>,
    /// Whether there are more: then the earliest are left out.
    pub truncated: bool,
}

/// A connection.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ColumnView {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub connection: ConnectionId,
    /// Which provider.
    pub provider: String,
    /// The account there.
    pub account: String,
}

/// One thing, such as a run, in however many renderings.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ThingView {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Instant,
    /// How it stands at each connection, in the order of `connections`.
    pub cells: Vec<CellView>,
}

/// How a thing stands at a connection.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CellView {
    /// The connection.
    #[schema(value_type = uuid::Uuid)]
    pub connection: ConnectionId,
    /// `present`, `on_its_way` or `absent`.
    pub status: &'static str,
    /// Whose what is there is: `source` (it was read there), `ours` (SyncWell wrote it) or `foreign` (it came there
    /// otherwise, and was seen); absent unless it is present.
    #[schema(value_type = Option<String>)]
    pub held: Option<Held>,
    /// The record that it is, or would be, there, by which it can be explained; absent where it was only read, or nothing
    /// was decided.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub record: Option<ItemId>,
    /// The version of ours that is there, or is on its way.
    pub version: Option<i64>,
    /// Whether nothing newer of ours is on its way there, or was refused; absent unless it is present.
    pub is_current: Option<bool>,
    /// What else is there of the same thing.
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub more: Vec<ItemId>,
    /// Why it is not there: a code of docs/explain.md. Of what SyncWell wrote and whose source no longer has it
    /// `in_review`, while the person is asked whether it goes, too.
    pub reason: Option<String>,
    /// What the person can do, if it is not there or they are asked.
    pub next_step: Option<&'static str>,
}

impl From<Matrix> for MatrixView {
    fn from(it: Matrix) -> Self {
        let things = it.things.into_iter().map(|thing| ThingView::new(thing, &it.columns)).collect();
        let connections = it.columns.into_iter().map(ColumnView::from).collect();
        let (from, to) = (it.window.from, it.window.to);
        Self { data_type: it.data_type, from, to, connections, things, truncated: it.truncated }
    }
}

impl From<Column> for ColumnView {
    fn from(it: Column) -> Self {
        let Column { connection, provider, account } = it;
        Self { connection, provider, account }
    }
}

impl ThingView {
    fn new(thing: Thing, columns: &[Column]) -> Self {
        let cells = thing.cells.into_iter().zip(columns);
        Self { starts_at: thing.starts_at, cells: cells.map(|(it, at)| CellView::new(it, at.connection)).collect() }
    }
}

impl CellView {
    fn new(cell: Cell, connection: ConnectionId) -> Self {
        let empty = Self {
            connection,
            status: "present",
            held: None,
            record: None,
            version: None,
            is_current: None,
            more: Vec::new(),
            reason: None,
            next_step: None,
        };
        match cell {
            Cell::Present(it) => Self {
                held: Some(it.held),
                record: it.record,
                version: (it.held == Held::Ours).then_some(it.version),
                is_current: Some(it.is_current),
                more: it.more,
                reason: it.waits.map(Absence::code),
                next_step: it.waits.map(Absence::next_step),
                ..empty
            },
            Cell::OnItsWay { record, version } => {
                Self { status: "on_its_way", record: Some(record), version: Some(version), ..empty }
            }
            Cell::Absent { why, record } => {
                let (reason, next_step) = (Some(why.code()), Some(why.next_step()));
                Self { status: "absent", record, reason, next_step, ..empty }
            }
        }
    }
}
