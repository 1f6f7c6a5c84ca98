//! Rules about the source.

use crate::documents::root;
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

const LINES_MAX: usize = 500;
/// Every crate, and those below it that it may use.
const BELOW: [(&str, &[&str]); 7] = [
    ("schemas", &[]),
    ("engine", &["schemas"]),
    ("connectors", &["schemas", "engine"]),
    ("api", &["schemas", "engine"]),
    ("topology", &["schemas", "engine", "connectors", "api"]),
    ("tests", &["schemas", "engine", "connectors", "api", "topology"]),
    ("benches", &["schemas", "engine", "connectors", "api", "topology", "tests"]),
];

/// The crates of this workspace that a manifest names, in any of its tables of dependencies.
fn used(manifest: &toml::Table) -> Vec<String> {
    let mut tables = vec![manifest];
    if let Some(toml::Value::Table(targets)) = manifest.get("target") {
        tables.extend(targets.values().filter_map(toml::Value::as_table));
    }
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let all = tables.iter().flat_map(|it| kinds.iter().filter_map(|kind| it.get(*kind)?.as_table()));
    let names = all.flat_map(|it| it.iter()).map(|(name, value)| {
        // A dependency may be known here by another name.
        value.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned()
    });
    names.filter(|it| BELOW.iter().any(|known| known.0 == it)).collect()
}

/// What a crate uses that it may not.
fn upward(name: &str, manifest: &str) -> Result<Vec<String>> {
    let may = BELOW.iter().find(|it| it.0 == name).with_context(|| format!("{name} is not in the drawing"))?.1;
    Ok(used(&manifest.parse()?).into_iter().filter(|it| !may.contains(&it.as_str())).collect())
}

#[test]
fn arrows_between_crates_point_down() -> Result<()> {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml"))?.parse()?;
    let members = workspace["workspace"]["members"].as_array().context("the workspace has members")?;
    assert_eq!(members.len(), BELOW.len(), "every crate is in the drawing");
    for member in members.iter().filter_map(toml::Value::as_str) {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml"))?;
        assert_eq!(upward(member, &manifest)?, Vec::<String>::new(), "{member} points up");
    }
    for table in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.build-dependencies"] {
        let manifest = format!("[{table}]\nserde = \"1\"\nalias = {{ package = \"topology\", path = \"x\" }}");
        assert_eq!(upward("engine", &manifest)?, ["topology"], "this rule sees {table}");
    }
    Ok(())
}

/// Every Rust file that is ours.
fn sources() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for (name, _) in BELOW {
        walk(&root().join(name), &mut found)?;
    }
    Ok(found)
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), found)?;
        } else if entry.path().extension().is_some_and(|it| it == "rs") {
            found.push(entry.path());
        }
    }
    Ok(())
}

#[test]
fn every_file_is_short_enough_to_be_read() -> Result<()> {
    let sources = sources()?;
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    for path in sources {
        let n_lines = fs::read_to_string(&path)?.lines().count();
        assert!(n_lines < LINES_MAX, "{} has {n_lines} lines; cut it in two", path.display());
    }
    Ok(())
}

#[test]
fn no_test_is_ignored_and_no_module_is_hidden_in_a_mod_file() -> Result<()> {
    // Put together, so that this file does not hold what it looks for.
    let marks = ["ignore", "should_panic"].map(|it| format!("#[{it}"));
    for path in sources()? {
        let text = fs::read_to_string(&path)?;
        for mark in &marks {
            assert!(!text.contains(mark), "{} has {mark}]", path.display());
        }
        let is_mod = path.file_name().is_some_and(|it| it == "mod.rs");
        let is_provider = path.starts_with(root().join("connectors/src"));
        assert!(!is_mod || is_provider, "{}: modules are named by their file", path.display());
    }
    Ok(())
}
