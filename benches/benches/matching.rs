//! Comparing records: one against a window of fifty, and two long workouts with a sample a second.

use benches::records::{record, workout};
use engine::resolve::{Verdict, compare, is_candidate, summary};
use schemas::{
    data_type::DataType,
    record::{Body, Record},
};
use std::hint::black_box;

/// Records in the window, one every seventeen hours.
const N_WINDOW: i64 = 50;
/// Samples of three hours.
const N_LONG: i32 = 10_800;

fn main() {
    let mut criterion = benches::criterion();
    let window: Vec<Record> =
        (0..N_WINDOW).map(|it| summary(&run(&format!("there-{it}"), it * 61_200 + 7, 600))).collect();
    // One of them, by another device.
    let one = summary(&run("here", 24 * 61_200 + 40, 600));
    let fits =
        |one: &Record| window.iter().filter(|it| is_candidate(one, it)).map(|it| compare(one, it)).collect::<Vec<_>>();
    let n_same = fits(&one).iter().filter(|it| it.verdict == Verdict::Same).count();
    assert_eq!(n_same, 1, "not what is to be measured");
    criterion.bench_function("matching/one_against_50", |it| it.iter(|| fits(black_box(&one))));
    let (a, b) = (run("a", 0, N_LONG), run("b", 12, N_LONG));
    assert_eq!(compare(&a, &b).verdict, Verdict::Same, "not what is to be measured");
    criterion.bench_function("matching/two_of_three_hours", |it| it.iter(|| compare(black_box(&a), black_box(&b))));
    criterion.bench_function("matching/summary_of_three_hours", |it| it.iter(|| summary(black_box(&a))));
    criterion.final_summary();
}

fn run(id: &str, start: i64, n_samples: i32) -> Record {
    record(DataType::Workout, id, start, i64::from(n_samples), Body::Workout(Box::new(workout(n_samples))))
}
