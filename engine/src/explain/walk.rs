//! What was decided lately, newest first: for records that no row tells of.

use crate::{bus::Unreachable, contents::Contents, status::Story, store::Store};
use schemas::{
    event::{Decision, Decisions, Envelope, Mode, Resolved, Side},
    id::{Subject, SyncId},
};
use std::ops::ControlFlow;

/// How many of a person's latest syncs are looked through.
const SYNCS_MAX: usize = 100;

/// Goes through the decisions of a person's latest syncs, the newest page first, those of one page in its order, until
/// `visit` has what it looks for. What a replay only looked at was never decided.
pub(crate) async fn latest_decisions<T>(
    store: &Store,
    contents: &Contents,
    subject: &Subject,
    mut visit: impl FnMut(SyncId, &Envelope<Resolved>, Decision) -> ControlFlow<T>,
) -> Result<Option<T>, Unreachable> {
    for (sync, ..) in store.log.syncs(subject, SYNCS_MAX).await? {
        let story = Story::read(&*store.log, subject, sync).await?;
        let lived = story.resolved().iter().rev().filter(|it| it.head.mode != Mode::Shadow);
        for resolved in lived.filter(|it| it.body.side == Side::Source) {
            let Some(sealed) = &resolved.body.decisions else { continue };
            let Some(opened) = contents.open_value::<Decisions>(subject, sealed).await? else { continue };
            for decision in opened.decisions {
                if let ControlFlow::Break(found) = visit(sync, resolved, decision) {
                    return Ok(Some(found));
                }
            }
        }
    }
    Ok(None)
}
