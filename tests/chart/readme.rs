//! The list of values in the chart's README is made from the comments of values.yaml; `make chart-readme` writes it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::helm::read_yaml;
use crate::{chart, text_of};

const BEGIN: &str = "<!-- values: made from values.yaml by `make chart-readme` -->\n";
const END: &str = "<!-- end of values -->\n";

/// A line of values.yaml that people set, or the heading of those that follow.
enum Entry {
    Section(String),
    Value { path: String, description: String },
}

#[test]
fn the_readme_lists_the_values_as_they_are() {
    let path = chart().join("README.md");
    let readme = text_of(&path);
    let (before, rest) = readme.split_once(BEGIN).expect("where the values begin");
    let (_, after) = rest.split_once(END).expect("where they end");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", tables());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, wanted).expect("README.md is written");
        return;
    }
    assert!(
        readme == wanted,
        "helm/helpline/README.md is not what values.yaml says: run `make chart-readme`"
    );
}

fn tables() -> String {
    let values = read_yaml(&chart().join("values.yaml"));
    let mut out = String::new();
    for entry in entries() {
        match entry {
            Entry::Section(name) => {
                write!(out, "\n### {name}\n\n| value | meaning | default |\n|---|---|---|\n")
            }
            Entry::Value { path, description } => {
                let default = at(&values, &path).to_string().replace('|', "\\|");
                writeln!(out, "| `{path}` | {} | `{default}` |", description.replace('|', "\\|"))
            }
        }
        .expect("a String takes every write");
    }
    out.push('\n');
    out
}

fn at<'a>(values: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(values, |value, key| &value[key])
}

/// Reads the comments: `## ` is a heading, `# -- ` begins what the next key means.
fn entries() -> Vec<Entry> {
    let (mut entries, mut path, mut description) =
        (Vec::new(), Vec::<(usize, String)>::new(), None::<String>);
    for line in text_of(&chart().join("values.yaml")).lines() {
        let depth = line.len() - line.trim_start().len();
        let trimmed = line.trim_start();
        if let Some(name) = line.strip_prefix("## ") {
            entries.push(Entry::Section(name.to_owned()));
        } else if let Some(begun) = trimmed.strip_prefix("# -- ") {
            description = Some(begun.to_owned());
        } else if let (Some(more), Some(text)) = (trimmed.strip_prefix("# "), &mut description) {
            let _ = write!(text, " {more}");
        } else if let Some((key, _)) = trimmed.split_once(':')
            && key.chars().all(char::is_alphanumeric)
        {
            path.retain(|(other, _)| *other < depth);
            path.push((depth, key.to_owned()));
            if let Some(description) = description.take() {
                let path: Vec<&str> = path.iter().map(|(_, key)| key.as_str()).collect();
                entries.push(Entry::Value { path: path.join("."), description });
            }
        }
    }
    entries
}

#[test]
fn every_value_is_described_and_known_to_the_schema_and_no_other() {
    let values = read_yaml(&chart().join("values.yaml"));
    let schema: Value = serde_json::from_str(&text_of(&chart().join("values.schema.json")))
        .expect("values.schema.json is JSON");
    let described: BTreeSet<String> = entries()
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Value { path, .. } => Some(path),
            Entry::Section(_) => None,
        })
        .collect();
    let (mut in_values, mut in_schema) = (BTreeSet::new(), BTreeSet::new());
    walk(&values, &schema, "", &mut in_values);
    of_schema(&schema, "", &mut in_schema);
    in_schema.remove("global");
    assert_eq!(in_values, described);
    assert_eq!(in_values, in_schema);
}

/// Values that have no values of their own below them, as the schema sees it.
fn walk(values: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    match (values.as_object(), schema["properties"].as_object()) {
        (Some(object), Some(properties)) => {
            for (key, value) in object {
                let below = properties.get(key).unwrap_or(&Value::Null);
                walk(value, below, &join(path, key), found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

fn of_schema(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let is_closed = schema["additionalProperties"] == false;
    match schema["properties"].as_object().filter(|_| is_closed) {
        Some(properties) => {
            for (key, below) in properties {
                of_schema(below, &join(path, key), found);
            }
        }
        None => {
            found.insert(path.to_owned());
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
