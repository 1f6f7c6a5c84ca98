//! What a person can do about each reason for which a record was not copied.

use schemas::event::Reason;

/// What to do about it, in a sentence; one for every reason there is.
#[must_use]
pub const fn next_step(reason: Reason) -> &'static str {
    match reason {
        Reason::Other => "install the version of SyncWell that gave this reason",
        Reason::Unchanged => "nothing: it is there as it is",
        Reason::Matched => "nothing; if it is another thing than the record that is there, split that one",
        Reason::Foreign => "nothing: the destination has it from elsewhere, and what is not ours is never changed",
        Reason::Echo => "nothing: it is SyncWell's own copy; to carry it on, sync from where it was first",
        Reason::Stale => "nothing: a newer or more complete state of it was read already",
        Reason::CombiningForbidden => "nothing can be done here: the terms of a source forbid to combine its records",
        Reason::InReview => "answer the question that waits: `syncwell reviews`, or GET /v1/reviews",
        Reason::Filtered => "change or remove the rule in the sync config",
        Reason::Delayed => "wait, or shorten the delay in the sync config",
        Reason::ExcludedBefore => "set an earlier `not_before` in the sync config",
        Reason::RoutedElsewhere => "look for it at the destination that the rule names, or change the rule",
        Reason::DestinationPreferred => "set the sync config's rule to `prioritise_source` or `newest`",
        Reason::DestinationNewer => "edit it at the source, or set the sync config's rule to `prioritise_source`",
        Reason::DeletionKept => {
            "set the sync config's deletes to `mirror` or `ask`, say `delete` if you were asked (`syncwell reviews`), or \
             delete it at the destination yourself"
        }
        Reason::NotWritable => "choose a destination that takes such records: `GET /v1/providers` lists them",
        Reason::CannotUpdate => "delete the record there yourself, then sync again: it is made anew",
        Reason::CannotDelete => "delete the record there yourself",
        Reason::Superseded => "nothing: a newer version of it is on its way",
        Reason::Withdrawn => "enable the sync config again, then sync",
        Reason::AccessRevoked | Reason::Forbidden => "connect the account again, with every scope that it asks for",
        Reason::Disconnected => "connect the account again",
        Reason::Cancelled | Reason::Expired => "sync again",
        Reason::Erased => "nothing: the person was erased",
        Reason::Covered => "nothing: another sync of the same stretch covered it",
        Reason::AttemptsSpent => "sync again once the service is well; an operator can redrive it",
        Reason::Malformed | Reason::Undecodable => "report it: an operator finds it with `syncwell rejects list`",
        Reason::PayloadExpired => {
            "sync the same stretch again, of every source that has it: what was read is no longer kept"
        }
        Reason::ProviderRefused => "see what the service said, correct the record at its source, and sync again",
        Reason::NotFound => "sync again: what was to be changed is no longer there",
        Reason::TooManyPages => "sync shorter stretches",
        Reason::AnswerLost => "look at the destination whether it is there: nobody else can know",
        Reason::Unsupported => "install a version of SyncWell that has this provider",
        Reason::SplitOff => "nothing: it goes on as a sync of its own",
    }
}
