//! The document that is made from the profiles: `docs/providers.md`.

use crate::catalog;
use engine::provider::{Access, Auth, Delivery, ISSUES, Limit, Profile, READ_BACKS_MAX, Scope, TypeProfile, Verbs};
use std::{fmt::Write, time::Duration};

const INTRO: &str = "\
# Providers

<!-- Made by `connectors::docs::providers_markdown`; a test keeps it current (`SYNCWELL_REGENERATE=1` writes it). -->

What this build can read from each provider and write to it. Only records that SyncWell wrote itself are ever changed
or deleted. The letter is the delivery class, which says how one write stays one record:

| class | how a repeated write is kept from being a second record |
|---|---|
| A | the destination compares versions itself |
| B | the destination detects duplicates |
| C | the destination can be listed: SyncWell looks before it sends again. *C, keyed*: SyncWell chooses the record's id, so that a second create is refused |
| D | neither: it is tried once, and an answer that is lost is reported as unknown |
";

const ISSUES_INTRO: &str = "
## Issues

What was left out of a page, repaired or noted is told by codes, with how often, in the status of a job. One bad record
does not keep the others from going on. Where a record may be missing for an issue, nothing is taken for deleted because
it was not on that page.

| code | what it says | a record may be missing |
|---|---|---|
";

/// What is worth knowing of a provider beside its profile.
const PARTICULARS: [(&str, &str); 2] = [
    (
        "google_health",
        "What a device measured along an exercise is a further call each, made if there was GPS or a pulse; it needs the \
         scopes of activity and of location. Without, an exercise is its summary.",
    ),
    ("strava", "Detail and samples of an activity are two further calls each."),
];

/// `docs/providers.md`: provider × type × read, write, update, delete; limits; notes; and the codes of issues.
#[must_use]
pub fn providers_markdown() -> String {
    let mut page = String::from(INTRO);
    for provider in catalog().iter() {
        section(&mut page, provider.profile());
    }
    page.push_str(ISSUES_INTRO);
    for it in ISSUES {
        let may_miss = if it.may_miss { "yes" } else { "" };
        append(&mut page, format_args!("| `{}` | {} | {may_miss} |\n", it.code, it.meaning));
    }
    page
}

fn section(page: &mut String, profile: &Profile) {
    append(page, format_args!("\n## {} (`{}`, interface {})\n\n", profile.title, profile.id, profile.api_version));
    page.push_str("| type | read | write | update | delete |\n|---|---|---|---|---|\n");
    for it in &profile.types {
        let TypeProfile { data_type, read, create, update, delete, .. } = it;
        let read = if *read { "yes" } else { "" };
        let cells = [class(*create), class(*update), class(*delete)].join(" | ");
        append(page, format_args!("| `{data_type}` | {read} | {cells} |\n"));
    }
    page.push('\n');
    for limit in &profile.limits {
        append(page, format_args!("- Limit `{}`: {}.\n", limit.name, limit_text(limit)));
    }
    for note in notes(profile) {
        append(page, format_args!("- {note}\n"));
    }
}

fn append(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("writing to a string does not fail");
}

fn class(delivery: Option<Delivery>) -> String {
    match delivery {
        None => String::new(),
        Some(Delivery::Listable { keyed: true }) => "C, keyed".into(),
        Some(it) => it.letter().into(),
    }
}

fn limit_text(limit: &Limit) -> String {
    let calls = match limit.verbs {
        Verbs::All => "calls",
        Verbs::Reads => "reading calls",
    };
    let whose = match limit.scope {
        Scope::App => "the whole application",
        Scope::Connection => "one account",
    };
    format!("{} {calls} of {whose} in {}", limit.calls_max, span(limit.window))
}

/// What the profile says besides, in sentences.
fn notes(profile: &Profile) -> Vec<String> {
    let mut notes = Vec::new();
    notes.push(match profile.access {
        Access::Pull => "SyncWell asks for its data.".into(),
        Access::NotifyThenPull => "It notifies SyncWell of changes, which are then read.".to_owned(),
        Access::File => "Files are imported from it; a folder is written to.".into(),
    });
    match profile.auth {
        Auth::None => notes.push("Nothing is to be granted.".into()),
        Auth::OAuth2 { pkce, .. } => {
            let pkce = if pkce { ", with PKCE" } else { "" };
            notes.push(format!("Access is granted by OAuth 2.0{pkce}."));
        }
    }
    notes.extend(PARTICULARS.iter().filter(|it| it.0 == profile.id).map(|it| it.1.to_owned()));
    let looked: Vec<String> =
        profile.types.iter().filter(|it| it.look).map(|it| format!("`{}`", it.data_type)).collect();
    if !looked.is_empty() {
        notes.push(format!("Others write there too: it is read before anything is written ({}).", looked.join(", ")));
    }
    if !profile.overlap.is_zero() {
        notes.push(format!("The last {} are read again each time, as devices come in late.", span(profile.overlap)));
    }
    if let Some(history) = profile.history_max {
        notes.push(format!("It gives the last {} only.", span(history)));
    }
    if !profile.read_after_write.is_zero() {
        notes.push(format!("What was written may not be readable for {}.", span(profile.read_after_write)));
    }
    let writes = profile.types.iter().any(|it| it.create.is_some());
    if writes {
        notes.push(read_back(profile));
    }
    notes.push(format!("Answers of more than {} bytes are not read.", profile.body_bytes_max));
    notes
}

fn read_back(profile: &Profile) -> String {
    match (profile.reads_back, profile.limits.is_empty()) {
        (true, true) => "What was written is read back at once and compared.".into(),
        (true, false) => format!(
            "What was written is read back at once and compared, at most {READ_BACKS_MAX} records of a page: each costs a \
             call."
        ),
        (false, _) => {
            "What was written is not read back at once: its limits leave no room for that. What it cannot hold \
                       is known before the write and told all the same."
                .to_owned()
        }
    }
}

/// A duration in its greatest whole unit.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let fits = |it: &&(u64, &str)| seconds >= it.0 && seconds.is_multiple_of(it.0);
    let (unit, name) = units.iter().find(fits).copied().unwrap_or((1, "second"));
    let count = seconds / unit;
    if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") }
}
