//! Records of which there is no row: those that were left out before anything was planned. Their decision is looked for
//! in the latest syncs.

use super::{Explanation, Rederived, told, walk::latest_decisions};
use crate::{bus::Unreachable, contents::Contents, store::Store};
use schemas::id::{ItemId, Subject};
use std::ops::ControlFlow;

/// The latest decision about a record that was left out; `None` if none of the latest syncs met it.
pub(super) async fn explain(
    store: &Store,
    contents: &Contents,
    subject: &Subject,
    item: ItemId,
) -> Result<Option<Explanation>, Unreachable> {
    latest_decisions(store, contents, subject, |sync, resolved, decision| {
        if decision.item != item {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(Explanation {
            record: item,
            data_type: decision.data_type,
            starts_at: decision.time.start,
            destination: resolved.body.destination.account.connection,
            state: "absent",
            owned: false,
            planned_version: 0,
            version: 0,
            external_id: None,
            sources: decision.sources.clone(),
            decision: Some(told(sync, resolved, decision, None)),
            rederived: Rederived::NotKept,
            total: None,
            left: None,
        })
    })
    .await
}
