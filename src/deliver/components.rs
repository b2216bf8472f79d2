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
use crate::texts::{Lang, say};

/// Styles of buttons.
const PRIMARY: u8 = 1;
const SECONDARY: u8 = 2;
const SUCCESS: u8 = 3;

/// The mark ends the custom id: by it a message is known for as long as it stands.
pub(super) fn components(controls: Controls, lang: Lang, mark: &str) -> Value {
    let button = |label: String, custom_id: String| json!({ "type": 2, "style": 2, "label": label, "custom_id": custom_id });
    let buttons = match controls {
        Controls::None => return json!([]),
        Controls::AskHuman { conversation } => {
            vec![button(say!(lang, "button-human"), format!("{HUMAN}{conversation}:{mark}"))]
        }
        Controls::Answer { conversation, question } => {
            let on_answer = |prefix: &str| format!("{prefix}{conversation}:{}:{mark}", question.0);
            vec![
                button(say!(lang, "button-human"), format!("{HUMAN}{conversation}:{mark}")),
                button(say!(lang, "button-helpful"), on_answer(HELPFUL)),
                button(say!(lang, "button-unhelpful"), on_answer(UNHELPFUL)),
                button(say!(lang, "button-close"), on_answer(CLOSE)),
            ]
        }
        Controls::Silent { conversation } => vec![
            button(say!(lang, "button-still-open"), format!("{HUMAN}{conversation}:{mark}")),
            // The whole conversation is meant: no question has this id.
            button(say!(lang, "button-solved"), format!("{CLOSE}{conversation}:0:{mark}")),
        ],
        Controls::Ticket { ticket, status } => return on_ticket(ticket, status, lang, mark),
        Controls::Part { number, of } => {
            let label = say!(lang, "button-part", number = u32::from(number), of = u32::from(of));
            let mut part = button(label, format!("part:{mark}"));
            part["disabled"] = true.into();
            vec![part]
        }
    };
    json!([{ "type": 1, "components": buttons }])
}

/// The buttons whose steps are lawful from this status.
fn on_ticket(ticket: Uuid, status: TicketStatus, lang: Lang, mark: &str) -> Value {
    let id = |prefix: &str| format!("{prefix}{ticket}:{mark}");
    let buttons = |buttons: &[(u8, String, &str)]| {
        let button = |(style, label, prefix): &(u8, String, &str)| json!({ "type": 2, "style": style, "label": label, "custom_id": id(prefix) });
        json!({ "type": 1, "components": buttons.iter().map(button).collect::<Value>() })
    };
    match status {
        TicketStatus::Pending => json!([buttons(&[
            (PRIMARY, say!(lang, "button-claim"), CLAIM),
            (SUCCESS, say!(lang, "button-resolve"), RESOLVE),
            (SECONDARY, say!(lang, "button-hand-back"), HAND_BACK),
            (SECONDARY, say!(lang, "button-suggest"), SUGGEST),
            (SECONDARY, say!(lang, "button-transcript"), TRANSCRIPT),
        ])]),
        TicketStatus::Assigned => json!([
            buttons(&[
                (SUCCESS, say!(lang, "button-resolve"), RESOLVE),
                (SECONDARY, say!(lang, "button-release"), RELEASE),
                (SECONDARY, say!(lang, "button-hand-back"), HAND_BACK),
                (SECONDARY, say!(lang, "button-suggest"), SUGGEST),
                (SECONDARY, say!(lang, "button-transcript"), TRANSCRIPT),
            ]),
            { "type": 1, "components": [
                { "type": 5, "custom_id": id(TRANSFER), "placeholder": say!(lang, "placeholder-transfer") },
            ]},
        ]),
        TicketStatus::Resolved => json!([buttons(&[
            (SECONDARY, say!(lang, "button-reopen"), REOPEN),
            (SECONDARY, say!(lang, "button-transcript"), TRANSCRIPT),
        ])]),
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
        let rows = components(controls, Lang::En, &mark);
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
            let rows = components(Controls::Ticket { ticket: Uuid::max(), status }, Lang::En, &mark);
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
