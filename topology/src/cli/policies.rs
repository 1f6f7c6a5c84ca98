//! Policies out of a file.

use anyhow::{Context, bail};
use serde_json::Value;
use std::path::Path;

/// Reads policies as JSON, or as TOML if the file's name ends in `.toml`. What they may say is checked by the API.
pub(super) fn read(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let is_toml = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("toml"));
    let read = if is_toml {
        text.parse().map(|it| plain(toml::Value::Table(it))).map_err(anyhow::Error::from)
    } else {
        serde_json::from_str(&text).map_err(anyhow::Error::from)
    };
    match read.with_context(|| format!("read policies in {}; docs/policies.md has examples", path.display()))? {
        policies @ Value::Object(_) => Ok(policies),
        _ => bail!("{} holds no policies; docs/policies.md has examples", path.display()),
    }
}

/// TOML as JSON: a moment is a text there.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(it) => it.into(),
        toml::Value::Integer(it) => it.into(),
        toml::Value::Float(it) => it.into(),
        toml::Value::Boolean(it) => it.into(),
        toml::Value::Datetime(it) => it.to_string().into(),
        toml::Value::Array(all) => all.into_iter().map(plain).collect(),
        toml::Value::Table(fields) => fields.into_iter().map(|(name, it)| (name, plain(it))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use serde_json::json;

    #[test]
    fn policies_are_read_from_toml_and_json_alike() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let toml = "not_before = 2026-01-01T00:00:00Z\n[[rules]]\nname = \"no rides\"\nwhen = { sports = [\"cycling\"] }\nthen = \"skip\"\n";
        let rule = json!({"name": "no rides", "when": {"sports": ["cycling"]}, "then": "skip"});
        let expected = json!({"not_before": "2026-01-01T00:00:00Z", "rules": [rule]});
        assert_eq!(read(&put("a.toml", toml)).unwrap(), expected);
        assert_eq!(read(&put("a.json", &expected.to_string())).unwrap(), expected);
        for (name, text) in [("b.json", "[]"), ("c.json", "{"), ("d.toml", "rules = [")] {
            let refused = format!("{:#}", read(&put(name, text)).unwrap_err());
            assert!(refused.contains("docs/policies.md"), "{refused}");
        }
        assert!(read(&directory.path().join("none.json")).is_err());
    }
}
