//! The table of control routes: each is added together with its description, which `GET /sim` gives.

use crate::actions::ActionError;
use crate::core::Core;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// One line of `GET /sim`.
#[derive(Clone, Copy, Debug, Serialize)]
struct Line {
    method: &'static str,
    path: &'static str,
    /// Fields of the body, or of the query of a GET; a question mark marks those that may be left out.
    takes: &'static str,
    about: &'static str,
}

/// Routes below `/sim` with their descriptions.
#[derive(Default)]
pub(super) struct Routes {
    router: Router<Arc<Core>>,
    lines: Vec<Line>,
}

/// What the verbs below share: they take a path below `/sim`, the fields, one line, and the handler.
macro_rules! verbs {
    ($($name:ident: $method:literal,)*) => {
        impl Routes {
            $(pub(super) fn $name<H, T>(
                mut self,
                path: &'static str,
                takes: &'static str,
                about: &'static str,
                handler: H,
            ) -> Self
            where
                H: Handler<T, Arc<Core>>,
                T: 'static,
            {
                self.lines.push(Line { method: $method, path, takes, about });
                self.router = self.router.route(path, $name(handler));
                self
            })*
        }
    };
}

verbs! {
    get: "GET",
    post: "POST",
    put: "PUT",
    patch: "PATCH",
    delete: "DELETE",
}

impl Routes {
    /// The router, with the list at its root and a sentence for what it does not know.
    pub(super) fn finish(self) -> Router<Arc<Core>> {
        let list = json!({"routes": self.lines.iter().map(Line::below_sim).collect::<Vec<_>>()});
        let unknown = || async {
            let sentence = "there is no such control route; GET /sim lists them".to_owned();
            Refused(StatusCode::NOT_FOUND, sentence)
        };
        let other_verb = || async {
            let sentence = "this control route takes another method; GET /sim lists them".to_owned();
            Refused(StatusCode::METHOD_NOT_ALLOWED, sentence)
        };
        let list = get(move || async move { Json(list) });
        self.router.route("/", list).fallback(unknown).method_not_allowed_fallback(other_verb)
    }
}

impl Line {
    fn below_sim(&self) -> serde_json::Value {
        let path = format!("/sim{}", self.path);
        json!({"method": self.method, "path": path, "takes": self.takes, "about": self.about})
    }
}

/// Why something was not done.
pub(super) struct Refused(pub(super) StatusCode, pub(super) String);

impl Refused {
    /// 422 with a sentence.
    pub(super) fn wrong(sentence: impl Into<String>) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, sentence.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

impl From<ActionError> for Refused {
    fn from(error: ActionError) -> Self {
        Self::wrong(error.to_string())
    }
}
