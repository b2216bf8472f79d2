//! `/privacy`: what a server keeps of a member, for him to read, and to have forgotten. Pure.

use helpline_cluster::ids::ServerId;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Choice, Kind};
use crate::discord::{Interaction, UserId};
use crate::texts::Key;

/// Subcommands.
pub const OPTIONS: &[Choice] = &[
    Choice { name: "export", description: Key("describe-privacy-export"), kind: Kind::Subcommand(&[]) },
    Choice { name: "delete", description: Key("describe-privacy-delete"), kind: Kind::Subcommand(&[]) },
];

/// Discord takes 10 MiB; what is older finds no room.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What a member asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Export,
    Delete,
}

/// Reads the interaction; none for a subcommand of another release.
pub fn request(interaction: &Interaction) -> Option<Request> {
    match interaction.data.as_ref()?.chosen().0.as_slice() {
        ["export"] => Some(Request::Export),
        ["delete"] => Some(Request::Delete),
        _ => None,
    }
}

/// A conversation in which the member spoke.
#[derive(Debug)]
pub struct Kept {
    pub id: Uuid,
    pub channel: String,
    pub thread: Option<String>,
    pub status: String,
    pub began_at: OffsetDateTime,
    /// He began it. Of somebody else's he gets his own words alone.
    pub own: bool,
    pub transcript: Value,
}

/// What the member said of an answer.
#[derive(Debug)]
pub struct Voted {
    pub question: i64,
    pub helpful: bool,
    pub voted_at: OffsetDateTime,
}

/// The file. Ids are strings, because numbers of JSON lose digits.
pub fn file(server: ServerId, user: UserId, kept: Vec<Kept>, votes: &[Voted], now: OffsetDateTime) -> String {
    let at = |moment: OffsetDateTime| moment.format(&Rfc3339).unwrap_or_default();
    let votes: Vec<Value> = votes
        .iter()
        .map(|vote| {
            json!({ "question": vote.question.to_string(), "helpful": vote.helpful, "at": at(vote.voted_at) })
        })
        .collect();
    let (mut room, mut complete, mut conversations) = (MOST_BYTES, true, Vec::new());
    for one in kept {
        let said = if one.own { one.transcript } else { own_words(one.transcript, user) };
        let one = json!({
            "id": one.id, "channel": one.channel, "thread": one.thread, "status": one.status,
            "began_at": at(one.began_at), "yours": one.own, "said": said,
        });
        let length = one.to_string().len();
        if length > room {
            complete = false;
            break;
        }
        room -= length;
        conversations.push(one);
    }
    let whole = json!({
        "server": server.get().to_string(), "member": user.0.to_string(), "made_at": at(now),
        "complete": complete, "conversations": conversations, "votes": votes,
    });
    whole.to_string()
}

fn own_words(transcript: Value, user: UserId) -> Value {
    let Value::Array(turns) = transcript else { return json!([]) };
    let id = user.0.to_string();
    turns.into_iter().filter(|turn| turn["role"] == "member" && turn["user"] == id.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(own: bool, words: &str) -> Kept {
        let turn = |user: &str, text: &str| json!({ "role": "member", "user": user, "text": text });
        Kept {
            id: Uuid::nil(),
            channel: "5".to_owned(),
            thread: None,
            status: "active".to_owned(),
            began_at: OffsetDateTime::UNIX_EPOCH,
            own,
            transcript: json!([turn("9", words), turn("8", "a stranger's")]),
        }
    }

    #[test]
    fn a_member_gets_his_own_words_alone_where_others_began() {
        let text = file(ServerId(1), UserId(9), vec![kept(false, "mine")], &[], OffsetDateTime::UNIX_EPOCH);
        assert!(text.contains("mine") && !text.contains("stranger"), "{text}");
        assert!(text.contains(r#""member":"9""#) && text.contains(r#""complete":true"#), "{text}");
    }

    #[test]
    fn what_is_too_large_for_a_file_is_said_to_be_incomplete() {
        let many = (0..20).map(|_| kept(true, &"long ".repeat(100_000))).collect();
        let text = file(ServerId(1), UserId(9), many, &[], OffsetDateTime::UNIX_EPOCH);
        assert!(text.len() < 10 * 1024 * 1024 && text.len() > MOST_BYTES / 2);
        assert!(text.contains(r#""complete":false"#));
    }
}
