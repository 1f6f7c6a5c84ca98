//! TEMPORARY
use schemas::record::Record;
#[derive(Debug)]
pub struct Part<'a> {
    pub record: &'a Record,
    pub rank: u32,
}
#[derive(Debug, Default)]
pub struct MergePolicy {}
#[derive(Debug)]
pub struct Lineage {
    pub field: String,
    pub part: usize,
    pub from_ms: i64,
    pub to_ms: i64,
    pub rule: &'static str,
    pub note: String,
}
#[derive(Debug)]
pub struct Merged {
    pub record: Record,
    pub lineage: Vec<Lineage>,
    pub same_as: Option<usize>,
}
pub fn merge(parts: &[Part<'_>], _: &MergePolicy) -> Merged {
    Merged { record: parts[0].record.clone(), lineage: vec![], same_as: Some(0) }
}
