//! Events, topics, canonical records, Avro and ids. No I/O, no runtime.
//!
//! Read in this order: [`event`] (what happens), [`record`] and [`workout`] (what moves), [`id`] (who is who),
//! [`topics`] (where it goes), [`codec`] (how it looks on the wire), [`analytics`] (what analysts may see).
//! `avro/*.avsc` is the source of truth of the wire.
//! [`docs`] writes `docs/records.md`, `docs/topics.md` and `docs/analytics.md` from all of that.

pub mod analytics;
pub mod codec;
pub mod data_type;
pub mod docs;
pub mod event;
pub mod id;
pub mod record;
pub mod time;
pub mod topics;
pub mod workout;
