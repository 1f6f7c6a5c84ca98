//! The schema of policies for the OpenAPI document, out of the engine's own: one description, not two.

use engine::resolve::policy::Policies;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// What is wanted of records besides what a config says itself, for the OpenAPI document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoliciesView;

/// What the engine's schema calls a type of record, and what it is called here.
const DATA_TYPE: (&str, &str) = ("DataType", "DataTypeName");

impl PartialSchema for PoliciesView {
    fn schema() -> RefOr<Schema> {
        definitions().remove(&*Self::name()).map(read).unwrap_or_default()
    }
}

impl ToSchema for PoliciesView {
    fn name() -> Cow<'static, str> {
        "Policies".into()
    }

    fn schemas(all: &mut Vec<(String, RefOr<Schema>)>) {
        let besides = definitions().into_iter().filter(|it| it.0 != Self::name());
        all.extend(besides.map(|(name, schema)| (name, read(schema))));
    }
}

/// The schemas of policies and of all that they are made of, by name.
fn definitions() -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    generator.subschema_for::<Policies>();
    let mut all = generator.take_definitions(true);
    all.remove(DATA_TYPE.0);
    all.values_mut().for_each(plain);
    all
}

/// The same in words that OpenAPI tools know: closed sets of texts as `enum`, types of records by their name here.
fn plain(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(plain),
        Value::Object(fields) => {
            if let Some(names) = fields.get("oneOf").and_then(names_of) {
                fields.remove("oneOf");
                let lines: Vec<_> = names.iter().map(|(name, says)| format!("- `{name}`: {says}")).collect();
                let said = fields.get("description").and_then(Value::as_str).unwrap_or_default();
                let description = format!("{said}\n\n{}", lines.join("\n"));
                let names: Vec<_> = names.into_iter().map(|it| it.0).collect();
                fields.extend([
                    ("type".to_owned(), json!("string")),
                    ("enum".to_owned(), json!(names)),
                    ("description".to_owned(), json!(description)),
                ]);
            }
            if let Some(only) = fields.remove("const") {
                fields.insert("enum".into(), json!([only]));
            }
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && reference.ends_with(&format!("/{}", DATA_TYPE.0))
            {
                *reference = format!("#/components/schemas/{}", DATA_TYPE.1);
            }
            if fields.contains_key("$ref") {
                // OpenAPI tools take no default beside a reference; what is left out is said in words.
                fields.remove("default");
            }
            fields.values_mut().for_each(plain);
        }
        _ => {}
    }
}

/// The names in a choice between texts, each with what it means; `None` if it is another choice.
fn names_of(choice: &Value) -> Option<Vec<(String, String)>> {
    let text = |it: &Value, field: &str| it[field].as_str().map(str::to_owned);
    choice.as_array()?.iter().map(|it| Some((text(it, "const")?, text(it, "description")?))).collect()
}

fn read(schema: Value) -> RefOr<Schema> {
    serde_json::from_value(schema).expect("OpenAPI 3.1 takes every JSON Schema, and a test reads these")
}

#[cfg(test)]
mod tests {
    use super::{definitions, read};
    use engine::resolve::policy::{FIELDS, Policies};
    use serde_json::{Value, json};

    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policies.md");

    #[test]
    fn nothing_of_the_engines_schema_is_lost_on_the_way() {
        let all = definitions();
        assert!(all.len() >= 12, "{:?}", all.keys().collect::<Vec<_>>());
        for (name, schema) in all {
            assert_eq!(json!(read(schema.clone())), schema, "{name}");
        }
    }

    #[test]
    fn every_setting_and_field_is_in_the_docs() {
        let text = std::fs::read_to_string(PATH).unwrap();
        let all = definitions();
        let settings = ["Policies", "Priority", "FilterRule", "When", "TimeOfDay"];
        let settings = settings.iter().flat_map(|it| all[*it]["properties"].as_object().unwrap().keys());
        let choices = ["CombineName", "Additive", "Reviews"];
        let choices = choices.iter().flat_map(|it| all[*it]["enum"].as_array().unwrap()).filter_map(Value::as_str);
        let fields = FIELDS.iter().map(|it| it.0);
        for name in settings.map(String::as_str).chain(choices).chain(fields) {
            assert!(text.contains(&format!("`{name}`")), "docs/policies.md does not say what {name} is");
        }
    }

    #[test]
    fn the_examples_in_the_docs_are_taken() {
        let text = std::fs::read_to_string(PATH).unwrap();
        let examples: Vec<_> = text.split("```json").skip(1).filter_map(|it| it.split("```").next()).collect();
        assert_eq!(examples.len(), 3);
        for example in examples {
            serde_json::from_str::<Policies>(example).unwrap().check().unwrap();
        }
    }
}
