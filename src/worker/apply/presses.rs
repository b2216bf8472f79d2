//! The buttons below an answer: which was pressed, and on what. Everything in a custom id comes from outside: the
//! conversation is looked for among those of the press's own server, and what is pressed is looked for in it.

use uuid::Uuid;

use super::{Error, Relevant, T1};
use crate::conversation::command::{Call, Command, Press};
use crate::conversation::store;
use crate::discord::{Interaction, MessageId, RoleId, UserId};
use crate::first_reply::{CLOSE, HELPFUL, HUMAN, UNHELPFUL};
use crate::server_config::ServerConfig;
use crate::texts::{Lang, say};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Button {
    Human,
    Helpful,
    Unhelpful,
    Close,
}

/// A button of ours, as its custom id names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pressed {
    button: Button,
    /// None: what stands there is no id.
    conversation: Option<Uuid>,
    /// The question under whose answer the button is; "Ask a human" is about the whole conversation.
    question: Option<MessageId>,
}

/// Reads a custom id; none when it is no button below an answer. The ids are followed by the mark of the message, see
/// `deliver::look`; messages of earlier releases have none.
pub(super) fn read(custom_id: &str) -> Option<Pressed> {
    let buttons = [
        (HUMAN, Button::Human),
        (HELPFUL, Button::Helpful),
        (UNHELPFUL, Button::Unhelpful),
        (CLOSE, Button::Close),
    ];
    let (button, ids) =
        buttons.into_iter().find_map(|(prefix, button)| Some((button, custom_id.strip_prefix(prefix)?)))?;
    let mut ids = ids.split(':');
    let conversation = ids.next().and_then(|id| Uuid::parse_str(id).ok());
    let question = ids.next().and_then(|id| id.parse().ok()).map(MessageId);
    Some(Pressed { button, conversation, question })
}

/// What a button, a menu or a form says of whoever used it.
pub(super) fn press(
    relevant: &Relevant,
    interaction: &Interaction,
    user: UserId,
    config: &ServerConfig,
) -> Press {
    Press {
        server: relevant.server,
        interaction: interaction.id,
        application: interaction.application_id,
        token: interaction.token.clone(),
        user,
        pressed_at: relevant.received_at,
        lang: Lang::of_member(interaction, config),
    }
}

impl T1 {
    pub(super) async fn pressed(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        pressed: &Pressed,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        let found = match pressed.conversation {
            Some(id) => store::load(&mut self.tx, server, id).await?,
            None => None,
        };
        // In direct messages nobody presses on what is another's.
        let found = found.filter(|it| it.direct == interaction.member.is_none());
        let (Some(conversation), Some(by)) = (found, interaction.by()) else {
            let gone = say!(Lang::of_member(interaction, config), "conversation-gone");
            return self.respond(server, interaction, gone).await;
        };
        let press = press(relevant, interaction, by.id, config);
        // No question has this id, and no answer is found for it.
        let question = pressed.question.unwrap_or(MessageId(0));
        let command = match pressed.button {
            Button::Human => {
                let last =
                    conversation.last_question().and_then(|(event, _)| event.parse().ok()).map(MessageId);
                let voted = match last {
                    Some(question) => store::voted(&mut self.tx, server, question).await?,
                    None => None,
                };
                let support_role = config.support_role_id.map(RoleId);
                let lang = Lang::of_server(config);
                let call = Call { server, support_role, ticket: Uuid::new_v4(), lang };
                Command::AskHuman { press, call, voted }
            }
            Button::Helpful => Command::Vote { press, question, helpful: true },
            Button::Unhelpful => Command::Vote { press, question, helpful: false },
            Button::Close => Command::Close { press },
        };
        self.run(server, conversation, command, &by.username, config).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_id_is_read_as_it_was_written_by_this_and_earlier_releases() {
        let (id, question) = (Uuid::max(), Some(MessageId(77)));
        let read_as = |button, question| Some(Pressed { button, conversation: Some(id), question });
        assert_eq!(read(&format!("helpful:{id}:77:mark")), read_as(Button::Helpful, question));
        assert_eq!(read(&format!("unhelpful:{id}:77:mark")), read_as(Button::Unhelpful, question));
        assert_eq!(read(&format!("close:{id}:77:mark")), read_as(Button::Close, question));
        for human in [format!("human:{id}"), format!("human:{id}:mark")] {
            assert_eq!(read(&human), read_as(Button::Human, None));
        }
    }

    #[test]
    fn what_is_no_button_of_ours_is_none_and_a_crafted_one_names_nothing() {
        for other in ["", "part:mark", "helpful", "other:1:2:3"] {
            assert_eq!(read(other), None, "{other}");
        }
        let crafted = read("helpful:../1:-7:\u{202e}").expect("its prefix is ours");
        assert_eq!((crafted.conversation, crafted.question), (None, None));
    }
}
