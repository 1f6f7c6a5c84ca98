//! Bytes that were written once are read for ever.

use crate::{check_file, file, regenerate, samples};
use schemas::codec::{SCHEMAS, decode, encode};
use std::{collections::BTreeSet, fs};

#[test]
fn every_published_version_has_golden_bytes_of_a_full_and_a_minimal_value_that_are_still_read() {
    let samples = samples::all();
    for it in SCHEMAS {
        for kind in ["full", "minimal"] {
            let sample = samples
                .iter()
                .find(|sample| sample.schema == it.subject && sample.kind == kind)
                .unwrap();
            let name = format!("{}.v{}.{kind}", it.subject, it.version);
            if !regenerate() {
                assert!((sample.recode)(&golden(&name)).is_ok(), "{name}");
            }
        }
    }
}

#[test]
fn samples_encode_to_the_golden_bytes_and_these_decode_and_encode_to_themselves() {
    for sample in samples::all() {
        check_file(&format!("tests/golden/{}.hex", sample.name), &lines_of_hex(&sample.bytes));
        let bytes = golden(&sample.name);
        assert_eq!((sample.recode)(&bytes).unwrap(), bytes, "{}", sample.name);
    }
}

#[test]
fn samples_decode_to_themselves() {
    for sample in samples::all() {
        assert!((sample.comes_back)(), "{}", sample.name);
    }
}

#[test]
fn the_json_form_of_samples_is_the_golden_one() {
    for sample in samples::all() {
        let text = schemas::docs::canonical_json(&sample.json) + "\n";
        check_file(&format!("tests/golden/{}.json", sample.name), &text);
    }
}

#[test]
fn every_golden_file_is_of_a_published_version() {
    let names = SCHEMAS.iter().flat_map(|it| {
        ["full", "minimal"].map(|kind| format!("{}.v{}.{kind}", it.subject, it.version))
    });
    let names: BTreeSet<_> = names.chain(["content".into(), "fingerprints".into()]).collect();
    for entry in fs::read_dir(file("tests/golden")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let (stem, _) = name.rsplit_once('.').unwrap();
        assert!(names.contains(stem), "{name}");
    }
}

#[test]
fn named_records_come_back_too() {
    let value = samples::named();
    assert_eq!(decode(&encode(&value)), Ok(value));
}

/// The bytes of a golden file.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(file(&format!("tests/golden/{name}.hex"))).unwrap();
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}

/// Hex in lines of 40 bytes, so that a difference can be read.
fn lines_of_hex(bytes: &[u8]) -> String {
    bytes.chunks(40).map(|it| hex::encode(it) + "\n").collect()
}
