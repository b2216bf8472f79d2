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
    pub(crate) message: &'static str,
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

    pub(crate) const fn unknown_emoji() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_014, "Unknown Emoji")
    }

    pub(crate) const fn unknown_command() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_063, "Unknown application command")
    }

    pub(crate) const fn too_many_pins() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 30_003, "Maximum number of pins reached (250)")
    }

    pub(crate) const fn too_many_webhooks() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 30_007, "Maximum number of webhooks reached (15)")
    }

    pub(crate) const fn too_many_reactions() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 30_010, "Maximum number of reactions reached (20)")
    }

    pub(crate) const fn too_many_files() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 30_015, "Maximum number of attachments in a message reached (10)")
    }

    pub(crate) const fn too_many_commands() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 30_032, "Maximum number of application commands reached")
    }

    pub(crate) const fn too_many_command_creates() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            30_034,
            "Max number of daily application command creates has been reached (200)",
        )
    }

    pub(crate) const fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, 40_005, "Request entity too large")
    }

    pub(crate) const fn command_exists() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 40_041, "An application command with that name already exists")
    }

    pub(crate) const fn no_dms_here() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 50_003, "Cannot execute action on a DM channel")
    }

    pub(crate) const fn cannot_message_user() -> Self {
        Self::new(StatusCode::FORBIDDEN, 50_007, "Cannot send messages to this user")
    }

    pub(crate) const fn wrong_delete_count() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            50_016,
            "Provided too few or too many messages to delete. Must provide at least 2 and fewer than 100 messages to delete.",
        )
    }

    pub(crate) const fn system_message() -> Self {
        Self::new(StatusCode::FORBIDDEN, 50_021, "Cannot execute action on a system message")
    }

    pub(crate) const fn bad_webhook_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 50_027, "Invalid Webhook Token")
    }

    pub(crate) const fn too_old_to_delete() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 50_034, "A message provided was too old to bulk delete")
    }

    pub(crate) const fn unknown_user() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_013, "Unknown User")
    }

    pub(crate) const fn unknown_webhook() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_015, "Unknown Webhook")
    }

    pub(crate) const fn unknown_sku() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_027, "Unknown SKU")
    }

    pub(crate) const fn unknown_entitlement() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_029, "Unknown entitlement")
    }

    pub(crate) const fn not_consumable() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 40_018, "Only consumable SKUs can be consumed")
    }

    pub(crate) const fn not_a_test_entitlement() -> Self {
        Self::new(StatusCode::FORBIDDEN, 40_019, "You can only delete sandbox entitlements.")
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

    pub(crate) const fn unknown_overwrite() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_009, "Unknown Overwrite")
    }

    pub(crate) const fn unknown_role() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_011, "Unknown Role")
    }

    pub(crate) const fn unknown_ban() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_026, "Unknown Ban")
    }

    pub(crate) const fn too_many_roles() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 30_005, "Maximum number of guild roles reached (250)")
    }

    pub(crate) const fn too_many_channels() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 30_013, "Maximum number of server channels reached (500)")
    }

    pub(crate) const fn too_many_participants() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 30_033, "Maximum number of thread participants has been reached")
    }

    pub(crate) const fn too_many_tags() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            30_048,
            "Maximum number of tags in a forum channel has been reached",
        )
    }

    pub(crate) const fn no_tag_to_set() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            40_066,
            "There are no tags available that can be set by non-moderators",
        )
    }

    pub(crate) const fn tag_required() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 40_067, "A tag is required to create a forum post in this channel")
    }

    pub(crate) const fn one_parent_at_a_time() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 40_009, "Only one channel can have a parent_id modified at a time")
    }

    pub(crate) const fn not_in_voice() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 40_032, "Target user is not connected to voice.")
    }

    pub(crate) const fn invalid_role() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 50_028, "Invalid Role")
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

    pub(crate) const fn needs_thread() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            220_001,
            "Webhooks posted to forum channels must have a thread_name or thread_id",
        )
    }

    pub(crate) const fn thread_and_name() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            220_002,
            "Webhooks posted to forum channels cannot have both a thread_name and thread_id",
        )
    }

    pub(crate) const fn thread_name_in_text_channel() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 220_003, "Webhooks can only create threads in forum channels")
    }

    pub(crate) const fn unreadable_forward() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            160_014,
            "You cannot forward a message whose content you cannot read",
        )
    }

    pub(crate) const fn file_not_found() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 50_146, "Uploaded file not found.")
    }

    /// Content or embeds beside components v2.
    pub(crate) fn legacy_fields() -> Self {
        let code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2";
        let message =
            "The 'content' and 'embeds' fields cannot be used when using MessageFlags.IS_COMPONENTS_V2";
        Self::invalid("content", code, message)
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
