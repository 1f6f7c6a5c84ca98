//! The allow-list is the schema, and a value in a bin says no more than the bin.

use proptest::prelude::*;
use schemas::{
    analytics::{ALLOWED, Bin, Grain, is_released, value_bin},
    codec::{Subject, current},
    data_type::DataType,
    event::Kind,
};
use serde_json::Value;

#[test]
fn the_schema_has_the_fields_of_the_allow_list_and_no_other() {
    let schema: Value = serde_json::from_str(current(Subject::Event(Kind::Analytics)).text).unwrap();
    let mut paths = Vec::new();
    for part in schema["fields"].as_array().unwrap() {
        for field in part["type"]["fields"].as_array().unwrap() {
            // A record, list or map within would have fields that nobody looked at.
            let text = field["type"].to_string();
            assert!(!["\"record\"", "\"array\"", "\"map\"", "\"bytes\""].iter().any(|it| text.contains(it)), "{text}");
            paths.push(format!("{}.{}", part["name"].as_str().unwrap(), field["name"].as_str().unwrap()));
        }
    }
    assert_eq!(paths, ALLOWED.map(|it| it.path));
}

/// Every bin there is.
fn bins() -> Vec<Bin> {
    let fields = ALLOWED.into_iter().filter_map(|it| match it.grain {
        Grain::Binned(bin) => Some(bin),
        _ => None,
    });
    fields.chain(DataType::ALL.into_iter().filter_map(value_bin)).collect()
}

#[test]
fn a_type_with_a_unit_has_bins_within_what_is_plausible() {
    for it in DataType::ALL {
        // A blood pressure is two values, with bins of their own.
        let has_value = !it.unit().is_empty() && it != DataType::BloodPressure;
        assert_eq!(value_bin(it).is_some(), has_value, "{it}");
        if let Some(bin) = value_bin(it) {
            assert!(bin.least >= it.plausible().0 && bin.most <= it.plausible().1, "{it}");
            assert!(is_released(it), "{it}");
        }
    }
}

#[track_caller]
fn check(bin: Bin, value: f64, expected: Option<f64>) {
    assert_eq!(bin.of(value), expected);
}

#[test]
fn a_value_is_the_lower_edge_of_its_bin() {
    let weight = value_bin(DataType::Weight).unwrap();
    check(weight, 71.3, Some(70.0));
    check(weight, 72.0, Some(72.0));
    check(weight, 8.0, Some(40.0));
    check(weight, 260.0, Some(140.0));
    check(weight, f64::NAN, None);
    check(value_bin(DataType::SkinTemperatureDelta).unwrap(), -0.2, Some(-0.5));
}

proptest! {
    #[test]
    fn many_values_share_each_edge(value in -1e6..1e6_f64) {
        for bin in bins() {
            let edge = bin.of(value).unwrap();
            prop_assert!(edge >= bin.least && edge <= bin.most);
            let steps = edge / bin.width;
            prop_assert_eq!(steps, steps.floor(), "an edge is a multiple of the width");
            prop_assert_eq!(bin.of(edge), Some(edge));
        }
    }
}
