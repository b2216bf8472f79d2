//! Renders the chart, and reads what came out: documents by kind, pods with their containers, secrets.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{chart, root};

/// One set of values and what Helm made of it.
#[derive(Debug, Deserialize)]
pub struct Case {
    pub name: String,
    pub error: Option<String>,
    pub notes: Option<String>,
    pub documents: Vec<Value>,
    pub invalid: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    cases: Vec<Case>,
    read: BTreeMap<String, Value>,
}

/// The Python that `make setup` installs, with Helm's engine and the validator.
fn python() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let python = root().join(target).join("outside/bin/python");
    assert!(python.exists(), "no {}: run `make setup`", python.display());
    python
}

fn ask(request: &Value) -> Answer {
    let mut child = Command::new(python())
        .arg(root().join("tests/chart/render.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(request.to_string().as_bytes()).expect("it reads");
    drop(stdin);
    let done = child.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "render.py: {errors}");
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}; {errors}"))
}

/// The chart with the values of `texts` (name, YAML), each laid over the files.
pub fn render(files: &[&Path], texts: &[(&str, &str)]) -> Vec<Case> {
    let cases: Vec<Value> =
        texts.iter().map(|(name, text)| json!({"name": name, "files": files, "text": text})).collect();
    ask(&json!({"chart": chart(), "cases": cases})).cases
}

/// A YAML file as JSON; a key that stands twice is refused.
pub fn read_yaml(path: &Path) -> Value {
    let mut answer = ask(&json!({"read": [path]}));
    answer.read.remove(&path.to_string_lossy().into_owned()).expect("it was read")
}

/// Every case of ci/, and values-ha.yaml.
pub fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        let ci =
            std::fs::read_dir(chart().join("ci")).expect("ci/").map(|entry| entry.expect("entry").path());
        let mut files: Vec<PathBuf> = ci.chain([chart().join("values-ha.yaml")]).collect();
        files.sort();
        let cases: Vec<Value> = files
            .iter()
            .map(|file| json!({"name": file.file_stem().expect("a name").to_string_lossy(), "files": [file]}))
            .collect();
        ask(&json!({"chart": chart(), "cases": cases})).cases
    })
}

pub fn case(name: &str) -> &'static Case {
    cases().iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name}"))
}

/// A pod as some workload makes it.
#[derive(Debug, Clone, Copy)]
pub struct Pod<'a> {
    /// As "Deployment helpline-worker".
    pub of: (&'a str, &'a str),
    pub labels: &'a Value,
    pub spec: &'a Value,
}

impl Case {
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.documents.iter().filter(move |document| document["kind"] == kind)
    }

    pub fn find(&self, kind: &str, name: &str) -> &Value {
        self.of_kind(kind)
            .find(|document| document["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("{}: no {kind} {name}", self.name))
    }

    pub fn pods(&self) -> Vec<Pod<'_>> {
        self.documents
            .iter()
            .filter_map(|document| {
                let of = (text(&document["kind"]), text(&document["metadata"]["name"]));
                match of.0 {
                    "Deployment" | "StatefulSet" | "Job" => {
                        let template = &document["spec"]["template"];
                        Some(Pod { of, labels: &template["metadata"]["labels"], spec: &template["spec"] })
                    }
                    "Pod" => {
                        Some(Pod { of, labels: &document["metadata"]["labels"], spec: &document["spec"] })
                    }
                    _ => None,
                }
            })
            .collect()
    }

    /// The pods of one role.
    pub fn role(&self, component: &str) -> Pod<'_> {
        let mut pods = self.pods().into_iter().filter(|pod| pod.component() == component);
        pods.next().unwrap_or_else(|| panic!("{}: no pod of {component}", self.name))
    }

    /// What stands under a key of a Secret that the chart makes.
    pub fn secret(&self, name: &str, key: &str) -> Option<String> {
        let secret = self.of_kind("Secret").find(|secret| secret["metadata"]["name"] == name)?;
        if let Some(plain) = secret["stringData"][key].as_str() {
            return Some(plain.to_owned());
        }
        Some(decoded(secret["data"][key].as_str()?))
    }

    /// Whether the chart makes a Secret of this name.
    pub fn makes_secret(&self, name: &str) -> bool {
        self.of_kind("Secret").any(|secret| secret["metadata"]["name"] == name)
    }
}

impl<'a> Pod<'a> {
    pub fn component(&self) -> &'a str {
        text(&self.labels["app.kubernetes.io/component"])
    }

    /// Those that start first included.
    pub fn containers(&self) -> impl Iterator<Item = &'a Value> {
        let of = |key: &str| self.spec[key].as_array().into_iter().flatten();
        of("initContainers").chain(of("containers"))
    }

    /// Of Helpline's own image.
    pub fn own_containers(&self) -> impl Iterator<Item = &'a Value> {
        self.containers().filter(|container| text(&container["image"]).contains("/helpline"))
    }

    /// Whether a selector of labels chooses it.
    pub fn is_chosen_by(&self, selector: &Value) -> bool {
        let labels = selector["matchLabels"].as_object().into_iter().flatten();
        let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
        labels.into_iter().all(|(key, value)| self.labels[key] == *value)
            && expressions.into_iter().all(|expression| {
                assert_eq!(expression["operator"], "In", "only In is understood here");
                let values = expression["values"].as_array().expect("values");
                values.contains(&self.labels[text(&expression["key"])])
            })
    }
}

pub fn decoded(base64: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).expect("base64");
    String::from_utf8(bytes).expect("text")
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
