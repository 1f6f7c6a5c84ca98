//! `docs/analytics.md`.

use super::{append, code, line};
use crate::{
    analytics::{ALLOWED, Bin, Grain, is_released, value_bin},
    codec::{Subject, current},
    data_type::DataType,
    event::Kind,
};
use serde_json::Value;

/// `docs/analytics.md`: what analysts may see, and how they read it.
#[must_use]
pub fn analytics_markdown() -> String {
    let mut page = String::from(INTRO);
    page.push_str("| field | what it is | what is left of it |\n|---|---|---|\n");
    for it in ALLOWED {
        line(&mut page, &[code(it.path), described(it.path), grain(it.grain)]);
    }
    page.push_str(VALUES);
    page.push_str("| type | unit | bin | lowest | highest |\n|---|---|---|---|---|\n");
    for it in DataType::ALL {
        if let Some(Bin { width, least, most }) = value_bin(it) {
            let cells =
                [code(it.name()), code(it.unit()), width.to_string(), least.to_string(), format!("{most} and more")];
            line(&mut page, &cells);
        }
    }
    let kept = DataType::ALL.into_iter().filter(|it| !is_released(*it)).map(|it| code(it.name()));
    append(&mut page, format_args!("\nNothing is released of {}.\n", kept.collect::<Vec<_>>().join(", ")));
    page.push_str(REST);
    page
}

fn grain(grain: Grain) -> String {
    match grain {
        Grain::Pseudonym(of) => format!("keyed hash of {of}, with the epoch's key"),
        Grain::Code => "one of a closed set".into(),
        Grain::Coarse(what) => what.into(),
        Grain::Binned(Bin { width, least, most }) => format!("bins of {width}, from {least} to {most} and more"),
        Grain::BinnedByType => "bins by type, below".into(),
    }
}

/// What the schema says of a field of the body; the head's words are about the flow and not repeated here.
fn described(path: &str) -> String {
    let schema: Value =
        serde_json::from_str(current(Subject::Event(Kind::Analytics)).text).expect("a test parses every schema");
    let Some(name) = path.strip_prefix("body.") else { return String::new() };
    let fields = schema.pointer("/fields/1/type/fields").and_then(Value::as_array);
    let field = fields.into_iter().flatten().find(|it| it.get("name").and_then(Value::as_str) == Some(name));
    field.and_then(|it| it.get("doc")?.as_str()).unwrap_or_default().to_owned()
}

const INTRO: &str = "\
# Analytics

<!-- Made by `schemas::docs::analytics_markdown`; a test keeps it current. -->

`syncwell.analytics` is the one topic for analysts. What is on it is in the clear, for anyone with access to the topic:
one event for every record that a sync decided to make, change or delete at a destination, of the people who said yes.

It is made by `Anonymize`, a topology of its own that follows the resolved topics of every lane in a consumer group of
its own. If it fails, no sync waits for it.

## Who is on it

- **Only who opted in.** `PUT /v1/user/me/analytics` with `{\"enabled\": true}`; the default is no. The answer is looked
  at right before each release, so a no stops it at once: what is read from the resolved topics after the answer of that
  request is not released. What was released before stays until it is 30 days old.
- **Only what its source allows.** A record is left out if its policy, or that of its provider, forbids combining it
  with others (`no_combining`), forbids use by models (`no_ai`; nobody can say what readers of a topic do), or limits
  copies to less than the 30 days of this topic. Nothing of Strava is released for that reason.
- **Only what happened.** A shadow replay is not released. A repair is: it is a change of the record.

## Fields: the allow-list

Nothing that is not in this table leaves. There is no GPS, no text of a person, no title, no device or serial, no id of
a provider, an account, a sync or an event. The table is `ALLOWED` in `schemas/src/analytics.rs`; tests compare it with
the schema and look for anything else in what is made of records full of marked values.

";

const VALUES: &str = "
Values are lower edges of bins, so a heart rate of 63 is 60. What lies beyond the outermost bins is in them.

`body.value`, by type:

";

const REST: &str = "
## Pseudonyms and their rotation

`head.subject` is HMAC-SHA-256 of the person's reference with the epoch's key, 32 hex digits; it is also the Kafka key,
so a person's events are in one partition, in order. An epoch is a quarter of a year (UTC). Its key is drawn at random,
lies in the vault, wrapped by the vault's key, and is destroyed one day after its quarter has ended. From then on nobody
can compute a pseudonym of that quarter, so neither SyncWell nor an analyst can link it to a person or to the next
quarter's pseudonym. A snapshot of the vault that is older than that still holds the key: do not keep one.

`body.record` is made in the same way of the record's source and id there. It is the same for a creation, its changes
and its deletion, and for every destination that the record goes to: count distinct records, not events.

A person who is erased stops being released at once. What was released leaves with the topic's 30 days.

## What a reader has to know

- **The topic is of single people under pseudonyms, not of groups.** Figures that leave the circle of its readers must
  be of groups of at least 20 people (k >= 20). That is done where they are computed; the topic does not do it.
- **Bins, weeks and pseudonyms are not a proof against re-identification.** Who knows a person's habits well may find
  them within a quarter. Give access as for personal data, log it, and do not join it with data about known people.
- **Do not join it with other topics by time or order.** `head.at` is a day, but the broker's own time of a message is
  not, and a person's batch of events comes shortly after the same batch on the resolved topics. A reader of this topic
  should have no access to those; `syncwell.settled` carries a person's reference, too.
- Delivery is at least once, and `head.id` is the same for the same version of a record within an epoch: keep the last
  event of an id. Around a change of quarter an event may come twice, under the pseudonyms of both.

## How it is made again

The step of `Anonymize` is in the log (stage `anonymize`, cause: the resolved event), without what it made: clear events
beside the person's reference would undo the pseudonyms. So a redelivery releases nothing twice, and a reset of the
group's offsets releases nothing at all. A named replay of resolved events makes events of its own, and they are released
again under the same `head.id` if it is still the same epoch. On `memory://` the topic itself ends with the process.

## How to read it

Any Kafka client with Avro can: values have Confluent framing, the schema is under the subject of the topic in the
registry (`<topic>-value`), and in `schemas/avro/analytics.v1.avsc`. Two readers that print weekly counts of
`syncwell.analytics` and `syncwell.settled`:

- [Python](examples/analytics/python): `confluent-kafka` with its `AvroDeserializer`;
- [Java](examples/analytics/java): `kafka-clients` and Apache Avro, with a deserializer of thirty lines.

Both read with the schemas they were written for, which lie beside them: a writer's newer version that keeps the promise
is read, one that breaks it ends them with an error. `tests/consumers.py` runs both against a real Kafka and registry,
with events that SyncWell made, and with schemas that break the promise.

## What is promised

- The schema's compatibility is `FULL_TRANSITIVE`: your reader reads every later version, and later readers read what is
  on the topic now. A field is never renamed, retyped or put to another use; bins become coarser or finer only under a
  new field. A new field comes with a default and a line in the table above.
- An enum's symbol that you do not know reads as its default: `unknown`, `other`, `skip`.
- Retention is 30 days. The key is `head.subject`.
";
