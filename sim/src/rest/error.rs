//! Errors in Discord's JSON shape: `{"message", "code", "errors"?}`.
//! <https://discord.com/developers/docs/reference#error-messages> and
//! <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refused request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    status: StatusCode,
    pub(crate) code: u32,
    message: &'static str,
    errors: Option<Value>,
}

impl ApiError {
    const fn new(status: StatusCode, code: u32, message: &'static str) -> Self {
        Self { status, code, message, errors: None }
    }

    pub(crate) const fn unauthorised() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 0, "401: Unauthorized")
    }

    pub(crate) const fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, 0, "404: Not Found")
    }

    pub(crate) const fn unknown_channel() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_003, "Unknown Channel")
    }

    pub(crate) const fn unknown_guild() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_004, "Unknown Guild")
    }

    pub(crate) const fn unknown_member() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_007, "Unknown Member")
    }

    pub(crate) const fn unknown_message() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_008, "Unknown Message")
    }

    pub(crate) const fn unknown_user() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_013, "Unknown User")
    }

    pub(crate) const fn unknown_webhook() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_015, "Unknown Webhook")
    }

    pub(crate) const fn unknown_interaction() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_062, "Unknown interaction")
    }

    pub(crate) const fn already_acknowledged() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 40_060, "Interaction has already been acknowledged.")
    }

    /// The server is in an outage.
    pub(crate) const fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, 0, "503: Service Unavailable")
    }

    pub(crate) const fn missing_access() -> Self {
        Self::new(StatusCode::FORBIDDEN, 50_001, "Missing Access")
    }

    pub(crate) const fn not_own_message() -> Self {
        Self::new(StatusCode::FORBIDDEN, 50_005, "Cannot edit a message authored by another user")
    }

    pub(crate) const fn missing_permissions() -> Self {
        Self::new(StatusCode::FORBIDDEN, 50_013, "Missing Permissions")
    }

    pub(crate) const fn empty_message() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 50_006, "Cannot send an empty message")
    }

    pub(crate) const fn wrong_channel_type() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 50_024, "Cannot execute action on this channel type")
    }

    pub(crate) const fn archived() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 50_083, "Thread is archived")
    }

    pub(crate) const fn invalid_json() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 50_109, "The request body contains invalid JSON.")
    }

    pub(crate) const fn cannot_reply() -> Self {
        Self::new(StatusCode::FORBIDDEN, 160_002, "Cannot reply without permission to read message history")
    }

    pub(crate) const fn thread_locked() -> Self {
        Self::new(StatusCode::FORBIDDEN, 160_005, "Thread is locked")
    }

    pub(crate) const fn too_many_threads() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 160_006, "Maximum number of active threads reached")
    }

    pub(crate) const fn not_a_text_channel() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 50_008, "Cannot send messages in a non-text channel")
    }

    pub(crate) const fn thread_exists() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 160_004, "A thread has already been created for this message")
    }

    /// 50035 with one error at a dotted path, such as `content` or `components.0`.
    pub(crate) fn invalid(path: &str, code: &str, message: &str) -> Self {
        let leaf = json!({"_errors": [{"code": code, "message": message}]});
        let errors = path
            .split('.')
            .rev()
            .filter(|part| !part.is_empty())
            .fold(leaf, |inner, part| json!({part: inner}));
        Self { errors: Some(errors), ..Self::new(StatusCode::BAD_REQUEST, 50_035, "Invalid Form Body") }
    }

    pub(crate) fn too_long(path: &str, limit: usize) -> Self {
        Self::invalid(path, "BASE_TYPE_MAX_LENGTH", &format!("Must be {limit} or fewer in length."))
    }

    pub(crate) fn required(path: &str) -> Self {
        Self::invalid(path, "BASE_TYPE_REQUIRED", "This field is required")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({"message": self.message, "code": self.code});
        if let Some(errors) = self.errors {
            body["errors"] = errors;
        }
        (self.status, axum::Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_errors_are_nested_by_their_path() {
        let error = ApiError::invalid("components.0.label", "X", "no");
        let expected = json!({"components": {"0": {"label": {"_errors": [{"code": "X", "message": "no"}]}}}});
        assert_eq!(error.errors, Some(expected));
    }
}
