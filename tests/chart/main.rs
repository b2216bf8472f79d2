//! The chart, the compose file and the image: what an operator gets. Rendered by real Helm, judged against the program
//! itself: its own command line, its own parser of settings, its own deadlines.

mod bad_values;
mod compose;
mod helm;
mod image;
mod manifests;
mod monitoring;
mod network;
mod readme;
mod security;
mod settings;
mod sign_in;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chart() -> PathBuf {
    root().join("helm/helpline")
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
