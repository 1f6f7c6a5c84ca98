//! The table.

use super::{faults::Fault, seen::Left};
use anyhow::Result;
use serde::Serialize;
use serde_json::json;
use std::time::{Duration, Instant};
use topology::cli::print::{self, table};

/// The longest that a partition may stall, seconds, beyond the time in which a server that all need is away itself.
const STALL_MAX_S: f64 = 30.0;

/// What came of a round.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    #[serde(skip)]
    pub(crate) number: u32,
    #[serde(skip)]
    is_beyond: bool,
    pub(crate) round: String,
    /// Commands that were accepted.
    pub(crate) syncs: usize,
    /// Syncs that are not over, and records that are missing or old at their destination.
    pub(crate) lost: u32,
    /// Records that were made once more than they should.
    doubled: u32,
    /// The same in a round that goes beyond the bound of class C: the documented exception.
    beyond_the_bound: u32,
    /// Effects of an older version on top of a newer.
    pub(crate) out_of_order: u32,
    /// Updates that were sent again with the same content: they change nothing.
    pub(crate) sent_again: u32,
    /// The longest time in which a partition with a backlog did not move.
    pub(crate) stall_s: f64,
    /// How long a server that all need was away.
    pub(crate) away_s: f64,
    /// From the end of the fault to the end of the last sync.
    pub(crate) recovery_s: f64,
    pub(crate) remarks: Vec<String>,
    /// Syncs that did not end as done, and records that are not as they must be: some of each.
    pub(crate) examples: Vec<String>,
    /// Why it was not run, if it was not.
    pub(crate) left_out: Option<String>,
    #[serde(skip)]
    pub(crate) fault_over: Option<Instant>,
}

impl Row {
    pub(crate) fn new(number: u32, fault: Fault) -> Self {
        Self { number, round: fault.to_string(), is_beyond: fault.is_beyond_the_bound(), ..Self::default() }
    }

    /// So many records were made once more than they should.
    pub(crate) fn doubled(&mut self, count: u32) {
        *(if self.is_beyond { &mut self.beyond_the_bound } else { &mut self.doubled }) += count;
    }

    fn is_good(&self) -> bool {
        let is_moving = self.stall_s - self.away_s <= STALL_MAX_S;
        self.left_out.is_some() || (self.lost + self.doubled + self.out_of_order == 0 && is_moving && self.syncs > 0)
    }

    fn cells(&self) -> Vec<String> {
        let seconds = |it: f64| format!("{it:.0}");
        let mut cells = vec![self.round.clone(), self.syncs.to_string()];
        cells.extend(
            [self.lost, self.doubled, self.beyond_the_bound, self.out_of_order, self.sent_again]
                .map(|it| it.to_string()),
        );
        cells.extend([seconds(self.stall_s), seconds(self.recovery_s)]);
        if self.left_out.is_some() {
            cells.iter_mut().skip(1).for_each(|it| *it = "–".into());
        }
        cells.push(self.remarks.join("; "));
        cells
    }
}

/// Prints it; says whether everything is as it must be.
pub(crate) fn print(rows: &[Row], (left, backlog): (&Left, i64), took: Duration, as_json: bool) -> Result<bool> {
    let is_good = rows.iter().all(Row::is_good) && left.syncs == 0 && left.timer.is_none() && backlog == 0;
    if as_json {
        let seconds = took.as_secs();
        let all = json!({"rounds": rows, "left": left, "backlog": backlog, "seconds": seconds, "good": is_good});
        print::json(&all)?;
        return Ok(is_good);
    }
    let head = [
        "round",
        "syncs",
        "lost",
        "doubled",
        "beyond the bound",
        "out of order",
        "sent again",
        "longest stall s",
        "recovery s",
        "remarks",
    ];
    let mut cells: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
    let sum = |of: fn(&Row) -> u32| rows.iter().map(of).sum::<u32>().to_string();
    let longest = |of: fn(&Row) -> f64| format!("{:.0}", rows.iter().map(of).fold(0.0, f64::max));
    cells.push(vec![
        "all".into(),
        rows.iter().map(|it| it.syncs).sum::<usize>().to_string(),
        sum(|it| it.lost),
        sum(|it| it.doubled),
        sum(|it| it.beyond_the_bound),
        sum(|it| it.out_of_order),
        sum(|it| it.sent_again),
        longest(|it| it.stall_s),
        longest(|it| it.recovery_s),
        format!("{:.0} s in all", took.as_secs_f64()),
    ]);
    print::data(&table(&head, &cells));
    for row in rows {
        row.examples.iter().take(10).for_each(|it| print::say(&format!("soak: in {}: {it}", row.round)));
    }
    let timer = left.timer.as_deref().map_or_else(|| "no timer".into(), |it| format!("a timer at {it}"));
    print::data(&format!("left in the end: {} open syncs, {timer}, {backlog} messages not done", left.syncs));
    Ok(is_good)
}
