//! Presences: what a client may say about itself, and how members appear.
//! <https://discord.com/developers/docs/events/gateway-events#update-presence>

use super::faults::mix;
use crate::ids::UserId;
use crate::world::Server;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Online.
    #[default]
    Online,
    /// Do not disturb.
    Dnd,
    /// Away.
    Idle,
    /// Shown as offline.
    Invisible,
    /// Offline.
    Offline,
}

/// The payload of opcode 3 and of an IDENTIFY's `presence`. What does not fit is a decode error.
#[derive(Debug, Deserialize)]
pub(super) struct Presence {
    #[allow(dead_code, reason = "read so that a wrong type is an error")]
    #[serde(default)]
    since: Option<u64>,
    activities: Vec<Activity>,
    pub(super) status: Status,
    #[allow(dead_code, reason = "read so that a wrong type is an error")]
    afk: bool,
}

#[derive(Debug, Deserialize)]
struct Activity {
    name: String,
    #[serde(rename = "type")]
    kind: u8,
    #[allow(dead_code, reason = "read so that a wrong type is an error")]
    #[serde(default)]
    url: Option<String>,
    #[allow(dead_code, reason = "read so that a wrong type is an error")]
    #[serde(default)]
    state: Option<String>,
}

impl Presence {
    /// Whether its activities are of documented types and named.
    pub(super) fn is_valid(&self) -> bool {
        self.activities.iter().all(|activity| activity.kind <= 5 && !activity.name.is_empty())
    }
}

/// How a member appears; it follows from who it is. Staff are at work.
pub(crate) fn of_member(server: &Server, user: UserId) -> Status {
    if server.is_staff(user) {
        return Status::Online;
    }
    [Status::Online, Status::Idle, Status::Dnd, Status::Offline]
        [usize::try_from(mix(&[user.get()]) % 4).unwrap_or(0)]
}

/// A presence update object as it stands in lists.
pub(crate) fn object(server: &Server, user: UserId) -> Value {
    let status = of_member(server, user);
    let client = if status == Status::Offline { json!({}) } else { json!({"web": status}) };
    json!({"user": {"id": user}, "status": status, "activities": [], "client_status": client})
}
