//! The page's own files, which are part of the program.

use super::Refused;
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! files {
    ($($name:literal: $kind:ident,)*) => {
        /// Name, content type and content of every file.
        const FILES: &[(&str, &str, &str)] =
            &[$(($name, $kind, include_str!(concat!("../../playground/", $name)))),*];
    };
}

files! {
    "index.html": HTML,
    "style.css": CSS,
    "layout.css": CSS,
    "act.js": SCRIPT,
    "api.js": SCRIPT,
    "app.js": SCRIPT,
    "commands.js": SCRIPT,
    "components.js": SCRIPT,
    "composer.js": SCRIPT,
    "dialogs.js": SCRIPT,
    "dom.js": SCRIPT,
    "markdown.js": SCRIPT,
    "messages.js": SCRIPT,
    "places.js": SCRIPT,
    "state.js": SCRIPT,
    "text.js": SCRIPT,
    "timeline.js": SCRIPT,
}

pub(super) async fn page() -> Result<Response, Refused> {
    found("index.html")
}

pub(super) async fn file(Path(file): Path<String>) -> Result<Response, Refused> {
    found(&file)
}

fn found(name: &str) -> Result<Response, Refused> {
    let file = FILES.iter().find(|(known, ..)| *known == name);
    let (_, kind, content) = file.ok_or_else(|| Refused::missing("the playground has no such file"))?;
    Ok(([(CONTENT_TYPE, *kind)], *content).into_response())
}
