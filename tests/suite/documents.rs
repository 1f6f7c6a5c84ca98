//! Documents that are made from the code are what the code says.

use anyhow::{Context, Result};
use std::{fs, path::Path};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

#[test]
fn the_table_of_providers_is_what_their_profiles_say() -> Result<()> {
    let (path, made) = (root().join("docs/providers.md"), connectors::docs::providers_markdown());
    if std::env::var_os("SYNCWELL_REGENERATE").is_some() {
        fs::write(&path, &made)?;
    }
    let stands = fs::read_to_string(&path).context("read docs/providers.md; SYNCWELL_REGENERATE=1 makes it")?;
    assert_eq!(stands, made, "docs/providers.md is out of date; run this test with SYNCWELL_REGENERATE=1");
    Ok(())
}

#[test]
fn the_table_of_reasons_is_what_the_code_gives() -> Result<()> {
    const BEGIN: &str = "<!-- reasons: made by `engine::matrix::reasons_markdown` -->\n\n";
    const END: &str = "\n<!-- end of reasons -->";
    let path = root().join("docs/explain.md");
    let stands = fs::read_to_string(&path).context("read docs/explain.md")?;
    let (before, rest) = stands.split_once(BEGIN).context("docs/explain.md has a place for the reasons")?;
    let (table, after) = rest.split_once(END).context("the reasons have an end")?;
    let made = engine::matrix::reasons_markdown();
    if std::env::var_os("SYNCWELL_REGENERATE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}"))?;
    } else {
        assert_eq!(table, made, "docs/explain.md is out of date; run this test with SYNCWELL_REGENERATE=1");
    }
    Ok(())
}

/// The fenced block after the marker line.
fn drawing_in(readme: &str) -> Option<String> {
    let mut lines = readme.lines().skip_while(|it| it.trim() != "<!-- topology -->");
    let block = lines.by_ref().skip_while(|it| !it.starts_with("```")).skip(1);
    let drawn: Vec<&str> = block.take_while(|it| !it.starts_with("```")).collect();
    (!drawn.is_empty()).then(|| drawn.join("\n"))
}

#[tokio::test]
async fn the_readme_draws_the_topology_that_runs() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let config = topology::config::Config {
        data: directory.path().into(),
        listen: ([127, 0, 0, 1], 0).into(),
        ..topology::config::Config::default()
    };
    let clock = engine::clock::Clock::real();
    let process =
        topology::process::Process::open(&config, connectors::catalog(), clock, topology::roles::Roles::all()).await?;
    let follower = topology::flow::analytics(&process.means);
    let drawn = topology::flow::flow(schemas::event::Lane::Hot, &process.means).followed_by(follower).to_string();
    assert!(drawn.contains("-> anonymize -> syncwell.analytics"), "what follows is drawn, too");
    assert_eq!(drawing_in(&format!("# A\n<!-- topology -->\n\n```text\n{drawn}\n```\nmore")), Some(drawn.clone()));
    // A tree without a README tells nothing wrong.
    if let Ok(readme) = fs::read_to_string(root().join("README.md")) {
        assert_eq!(drawing_in(&readme), Some(drawn), "take the drawing from `syncwell topology`");
    }
    Ok(())
}
