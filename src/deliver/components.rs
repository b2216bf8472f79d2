//! The buttons and menus below our messages. Pure.
//!
//! Source: <https://discord.com/developers/docs/components/reference>.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Controls;
use crate::conversation::ticket::TicketStatus;
use crate::first_reply::{
    CLAIM, CLOSE, HAND_BACK, HELPFUL, HUMAN, RELEASE, REOPEN, RESOLVE, SUGGEST, TRANSCRIPT, TRANSFER,
    UNHELPFUL,
};

/// Styles of buttons.
const PRIMARY: u8 = 1;
const SECONDARY: u8 = 2;
const SUCCESS: u8 = 3;

/// The mark ends the custom id: by it a message is known for as long as it stands.
pub(super) fn components(controls: Controls, mark: &str) -> Value {
    let button = |label: &str, custom_id: String| json!({ "type": 2, "style": 2, "label": label, "custom_id": custom_id });
    let buttons = match controls {
        Controls::None => return json!([]),
        Controls::AskHuman { conversation } => {
            vec![button("Ask a human", format!("{HUMAN}{conversation}:{mark}"))]
        }
        Controls::Answer { conversation, question } => {
            let on_answer = |prefix: &str| format!("{prefix}{conversation}:{}:{mark}", question.0);
            vec![
                button("Ask a human", format!("{HUMAN}{conversation}:{mark}")),
                button("Helpful", on_answer(HELPFUL)),
                button("Not helpful", on_answer(UNHELPFUL)),
                button("Close", on_answer(CLOSE)),
            ]
        }
        Controls::Silent { conversation } => vec![
            button("I still need help", format!("{HUMAN}{conversation}:{mark}")),
            // The whole conversation is meant: no question has this id.
            button("It is solved", format!("{CLOSE}{conversation}:0:{mark}")),
        ],
        Controls::Ticket { ticket, status } => return on_ticket(ticket, status, mark),
        Controls::Part { number, of } => {
            let mut part = button(&format!("{number} of {of}"), format!("part:{mark}"));
            part["disabled"] = true.into();
            vec![part]
        }
    };
    json!([{ "type": 1, "components": buttons }])
}

/// The buttons whose steps are lawful from this status.
fn on_ticket(ticket: Uuid, status: TicketStatus, mark: &str) -> Value {
    let id = |prefix: &str| format!("{prefix}{ticket}:{mark}");
    let buttons = |buttons: &[(u8, &str, &str)]| {
        let button = |(style, label, prefix): &(u8, &str, &str)| json!({ "type": 2, "style": style, "label": label, "custom_id": id(prefix) });
        json!({ "type": 1, "components": buttons.iter().map(button).collect::<Value>() })
    };
    match status {
        TicketStatus::Pending => json!([buttons(&[
            (PRIMARY, "Claim", CLAIM),
            (SUCCESS, "Resolve", RESOLVE),
            (SECONDARY, "Back to the bot", HAND_BACK),
            (SECONDARY, "Suggest an answer", SUGGEST),
            (SECONDARY, "Transcript", TRANSCRIPT),
        ])]),
        TicketStatus::Assigned => json!([
            buttons(&[
                (SUCCESS, "Resolve", RESOLVE),
                (SECONDARY, "Release", RELEASE),
                (SECONDARY, "Back to the bot", HAND_BACK),
                (SECONDARY, "Suggest an answer", SUGGEST),
                (SECONDARY, "Transcript", TRANSCRIPT),
            ]),
            { "type": 1, "components": [
                { "type": 5, "custom_id": id(TRANSFER), "placeholder": "Transfer to somebody else of the staff" },
            ]},
        ]),
        TicketStatus::Resolved => {
            json!([buttons(&[(SECONDARY, "Reopen", REOPEN), (SECONDARY, "Transcript", TRANSCRIPT)])])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discord::MessageId;

    #[test]
    fn every_button_of_an_answer_has_an_id_that_discord_takes_and_carries_the_mark() {
        let controls = Controls::Answer { conversation: uuid::Uuid::max(), question: MessageId(u64::MAX) };
        let mark = crate::deliver::nonce("1", "answer", 0);
        let rows = components(controls, &mark);
        let ids: Vec<&str> = rows[0]["components"]
            .as_array()
            .expect("buttons")
            .iter()
            .map(|button| button["custom_id"].as_str().expect("an id"))
            .collect();
        assert_eq!(ids.len(), 4);
        for id in &ids {
            assert!(id.len() <= 100 && id.ends_with(&format!(":{mark}")), "{id}");
        }
        let prefixes: Vec<&str> = ids.iter().filter_map(|id| id.split(':').next()).collect();
        assert_eq!(prefixes, ["human", "helpful", "unhelpful", "close"]);
    }

    #[test]
    fn a_ticket_offers_what_is_lawful_and_every_id_is_one_that_discord_takes() {
        let mark = crate::deliver::nonce("1", "forward", 0);
        let offered = |status| {
            let rows = components(Controls::Ticket { ticket: Uuid::max(), status }, &mark);
            let all = rows
                .as_array()
                .expect("rows")
                .iter()
                .flat_map(|row| row["components"].as_array().expect("a row"));
            let ids: Vec<String> =
                all.map(|it| it["custom_id"].as_str().expect("an id").to_owned()).collect();
            assert!(ids.iter().all(|id| id.len() <= 100 && id.ends_with(&mark)), "{ids:?}");
            ids.iter().filter_map(|id| Some(id.split_once(':')?.0.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(offered(TicketStatus::Pending), ["claim", "resolve", "bot", "suggest", "transcript"]);
        assert_eq!(
            offered(TicketStatus::Assigned),
            ["resolve", "release", "bot", "suggest", "transcript", "transfer"]
        );
        assert_eq!(offered(TicketStatus::Resolved), ["reopen", "transcript"]);
    }
}
