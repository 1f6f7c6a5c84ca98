//! The roles of the real binary: where each may be played, and what they say of themselves.

use anyhow::{Context, Result};
use std::process::{Command, Output};
use topology::roles::STAGES;

/// Runs the binary in a fresh directory until it ends.
fn run(arguments: &[&str]) -> Result<Output> {
    let directory = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncwell-under-test"));
    command.env_clear().current_dir(directory.path()).args(["--listen", "127.0.0.1:0"]).args(arguments);
    command.output().context("run the binary")
}

#[test]
fn a_role_alone_is_refused_where_all_must_be_in_one_process() -> Result<()> {
    for arguments in [&["worker"] as &[&str], &["worker", "fetch", "--lane", "hot"], &["api"], &["scheduler"]] {
        let output = run(arguments)?;
        let said = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {said}");
        let (what, then) = said.trim().split_once('\n').context("two lines")?;
        assert!(what.contains(arguments[0]) && what.contains("bus = \"memory://\""), "{what}");
        assert!(then.contains("syncwell up") && then.contains("kafka://") && then.contains("scylla://"), "{then}");
    }
    Ok(())
}

#[test]
fn a_stage_or_lane_that_is_not_there_is_refused_and_those_that_are_are_listed() -> Result<()> {
    for (arguments, known) in
        [(["worker", "fetsh"].as_slice(), &STAGES[..]), (&["worker", "--lane", "warm"], &["hot", "cold"])]
    {
        let output = run(arguments)?;
        let said = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(known.iter().all(|it| said.contains(it)), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn every_stage_of_the_flow_can_be_asked_for() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let config = topology::config::Config {
        data: directory.path().into(),
        listen: ([127, 0, 0, 1], 0).into(),
        ..topology::config::Config::default()
    };
    let (catalog, clock) = (connectors::catalog(), engine::clock::Clock::real());
    let process = topology::process::Process::open(&config, catalog, clock, topology::roles::Roles::all()).await?;
    let flow = topology::flow::flow(schemas::event::Lane::Hot, &process.means);
    let follower = topology::flow::analytics(&process.means);
    let mut stages: Vec<_> = flow.stages().chain(follower.stages()).collect();
    // A follower has a node a lane.
    stages.dedup();
    assert_eq!(stages, STAGES);
    Ok(())
}
