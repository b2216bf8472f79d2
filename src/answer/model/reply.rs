//! What a chat model says, read as the object that it was asked for. Pure, and forgiving about the wrapping only: an
//! endpoint that knows no schema puts the object into a fence or between sentences. What it means is never guessed.

use serde_json::{Map, Value, json};

use crate::answer::Reason;

/// The object that a model replies with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub action: Wanted,
    pub text: String,
    /// Numbers of sources, besides those in the text.
    pub citations: Vec<usize>,
}

/// What the model wants to be done; whether it is done is for others to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Answer,
    Clarify,
    Unsure,
    HandOver(Reason),
}

/// There is no such object in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply is not the object that was asked for")]
pub struct Unreadable;

const REASONS: [(&str, Reason); 5] = [
    ("asked_for_human", Reason::AskedForHuman),
    ("account_or_payment", Reason::AccountOrPayment),
    ("complaint", Reason::Complaint),
    ("safety", Reason::Safety),
    ("other", Reason::Other),
];
/// Openings of objects that are tried in a reply that is none as a whole.
const TRIES: usize = 20;

/// The schema of the object, as `response_format` takes it. `strict` wants every key required.
/// Source: <https://platform.openai.com/docs/guides/structured-outputs>.
pub fn schema() -> Value {
    let reasons: Vec<Value> =
        REASONS.iter().map(|(name, _)| Value::from(*name)).chain([Value::Null]).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["action", "reason", "text", "citations"],
        "properties": {
            "action": { "type": "string", "enum": ["answer", "clarify", "unsure", "hand_over"] },
            "reason": { "type": ["string", "null"], "enum": reasons },
            "text": { "type": "string" },
            "citations": { "type": "array", "items": { "type": "integer" } },
        },
    })
}

/// Reads a reply.
///
/// # Errors
/// It holds no object with a known action.
pub fn read(text: &str) -> Result<Reply, Unreadable> {
    // Models that think aloud do so before they reply.
    let text = text.rsplit_once("</think>").map_or(text, |(_, reply)| reply).trim();
    if let Ok(Value::Object(object)) = serde_json::from_str(text) {
        return understand(&object).ok_or(Unreadable);
    }
    let openings = text.match_indices('{').take(TRIES);
    openings
        .filter_map(|(at, _)| serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>().next())
        .find_map(|value| understand(value.ok()?.as_object()?))
        .ok_or(Unreadable)
}

fn understand(object: &Map<String, Value>) -> Option<Reply> {
    let action = object.get("action")?.as_str()?.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    let text = object.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
    let action = match action.as_str() {
        "answer" => Wanted::Answer,
        "clarify" => Wanted::Clarify,
        "unsure" => Wanted::Unsure,
        "hand_over" => {
            let named = object.get("reason").and_then(Value::as_str).unwrap_or_default();
            let known = REASONS.iter().find(|(name, _)| *name == named);
            Wanted::HandOver(known.map_or(Reason::Other, |(_, reason)| *reason))
        }
        _ => return None,
    };
    let citations = object.get("citations").and_then(Value::as_array);
    let citations = citations.into_iter().flatten().filter_map(number).collect();
    Some(Reply { action, text, citations })
}

/// `1`, `"1"` and `"[1]"`.
fn number(value: &Value) -> Option<usize> {
    let number = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim_matches(['[', ']', ' ']).parse().ok()?,
        _ => return None,
    };
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: &str = r#"{"action":"answer","reason":null,"text":"In 14 days. [1]","citations":[1]}"#;

    fn answer() -> Reply {
        Reply { action: Wanted::Answer, text: "In 14 days. [1]".into(), citations: vec![1] }
    }

    #[test]
    fn the_object_is_found_whatever_it_is_wrapped_in() {
        for wrapped in [
            PLAIN.to_owned(),
            format!("  {PLAIN}\n"),
            format!("```json\n{PLAIN}\n```"),
            format!("Sure! Here it is:\n```\n{PLAIN}\n```\nAnything else?"),
            format!("<think>I {{might}} say {{\"action\": \"unsure\"}}</think>{PLAIN}"),
            format!("{{not json}} {{\"other\": 1}} {PLAIN} {{\"action\":\"unsure\"}}"),
        ] {
            assert_eq!(read(&wrapped), Ok(answer()), "{wrapped}");
        }
    }

    #[test]
    fn what_is_no_such_object_is_unreadable_and_never_guessed() {
        for other in [
            "",
            "HAND_OVER",
            "unsure",
            "[]",
            "{}",
            r#"{"action":"ban"}"#,
            r#"{"action":"answer","text":"In 1"#,
        ] {
            assert_eq!(read(other), Err(Unreadable), "{other}");
        }
    }

    #[test]
    fn a_reason_is_one_of_ours_and_citations_are_numbers() {
        let hand_over = read(r#"{"action":"hand-over","reason":"because","citations":["[2]",-1,"x",1.5]}"#);
        let expected =
            Reply { action: Wanted::HandOver(Reason::Other), text: String::new(), citations: vec![2] };
        assert_eq!(hand_over, Ok(expected));
        let safety = read(r#"{"action":"HAND_OVER","reason":"safety"}"#).map(|reply| reply.action);
        assert_eq!(safety, Ok(Wanted::HandOver(Reason::Safety)));
    }

    proptest! {
        #[test]
        fn no_reply_makes_it_panic(text in r#"[{}\[\]":,a-z0-9` ü\n]{0,120}"#) {
            let _ = read(&text);
        }
    }
}
