//! How much processor time threads have used, as Linux says (`proc(5)`, `/proc/[pid]/stat`).

use std::{fs, time::Duration};

/// The length of a clock tick: 100 a second for user space on every architecture of Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// User and system time that this process has used so far, without that of the live threads called `except`.
/// `None` where the system does not say: elsewhere than on Linux.
#[must_use]
pub fn used(except: &str) -> Option<Duration> {
    let (_, all) = read("/proc/self/stat")?;
    let threads = fs::read_dir("/proc/self/task").ok()?;
    let others = threads.filter_map(|it| read(it.ok()?.path().join("stat").to_str()?));
    let theirs: u32 = others.filter(|it| it.0 == except).map(|it| it.1).sum();
    Some(TICK * all.saturating_sub(theirs))
}

/// User and system time that another process has used so far, all its threads; `None` if there is none of this id.
#[must_use]
pub fn of(process: u32) -> Option<Duration> {
    read(&format!("/proc/{process}/stat")).map(|(_, ticks)| TICK * ticks)
}

/// Name and ticks of a process or thread.
fn read(path: &str) -> Option<(String, u32)> {
    let text = fs::read_to_string(path).ok()?;
    // A name may hold anything, so the fields are counted from its last bracket.
    let (before, after) = text.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    // Field 3 is the first one after the name; user time is 14, system time 15.
    let ticks = |number: usize| after.split_whitespace().nth(number - 3)?.parse::<u32>().ok();
    Some((name, ticks(14)?.saturating_add(ticks(15)?)))
}
