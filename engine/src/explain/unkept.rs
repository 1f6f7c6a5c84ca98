//! Records of which there is no row: those that were left out before anything was planned. Their decision is looked for
//! in the latest syncs.

use super::{Explanation, Rederived, told};
use crate::{bus::Unreachable, contents::Contents, status::Story, store::Store};
use schemas::{
    event::Decisions,
    id::{ItemId, Subject},
};

/// How many of a person's latest syncs are looked through.
const SYNCS_MAX: usize = 100;

/// The latest decision about a record that was left out; `None` if none of the latest syncs met it.
pub(super) async fn explain(
    store: &Store,
    contents: &Contents,
    subject: &Subject,
    item: ItemId,
) -> Result<Option<Explanation>, Unreachable> {
    for (sync, ..) in store.log.syncs(subject, SYNCS_MAX).await? {
        let story = Story::read(&*store.log, subject, sync).await?;
        for resolved in story.resolved() {
            let Some(sealed) = &resolved.body.decisions else { continue };
            let Some(opened) = contents.open_value::<Decisions>(subject, sealed).await? else { continue };
            let Some(decision) = opened.decisions.into_iter().find(|it| it.item == item) else { continue };
            return Ok(Some(Explanation {
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
            }));
        }
    }
    Ok(None)
}
