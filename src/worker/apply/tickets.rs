//! The buttons, the menu and the form of a ticket. Everything in a custom id and among the values comes from outside: the
//! ticket is looked for among those of the press's own server, and only staff get as far.

use uuid::Uuid;

use super::presses::press;
use super::{Error, Relevant, T1};
use crate::conversation::command::Command;
use crate::conversation::store::{self, tickets};
use crate::conversation::ticket::Act;
use crate::discord::{Interaction, RoleId, UserId};
use crate::first_reply::{
    CLAIM, COMPONENT, HAND_BACK, MODAL_SUBMIT, NOTES, NOTES_INPUT, RELEASE, REOPEN, RESOLVE, TRANSFER, id_in,
};
use crate::server_config::ServerConfig;
use crate::texts::{Lang, say};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Claim,
    Transfer,
    Release,
    /// The form is to be opened.
    AskNotes,
    /// The form was sent.
    Resolve,
    HandBack,
    Reopen,
}

/// A press on a ticket, as its custom id names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OnTicket {
    what: What,
    /// None: what stands there is no id.
    ticket: Option<Uuid>,
}

/// Reads a custom id; none when it belongs to no ticket.
pub(super) fn read(kind: u8, custom_id: &str) -> Option<OnTicket> {
    let known = [
        (COMPONENT, CLAIM, What::Claim),
        (COMPONENT, TRANSFER, What::Transfer),
        (COMPONENT, RELEASE, What::Release),
        (COMPONENT, RESOLVE, What::AskNotes),
        (COMPONENT, HAND_BACK, What::HandBack),
        (COMPONENT, REOPEN, What::Reopen),
        (MODAL_SUBMIT, NOTES, What::Resolve),
    ];
    let (.., what) =
        known.into_iter().find(|(on, prefix, _)| *on == kind && custom_id.starts_with(prefix))?;
    Some(OnTicket { what, ticket: id_in(custom_id) })
}

impl T1 {
    pub(super) async fn on_ticket(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        on: &OnTicket,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        let lang = Lang::of_member(interaction, config);
        let support_role = config.support_role_id.map(RoleId);
        let Some(member) = interaction.member.as_ref().filter(|member| member.is_staff(support_role)) else {
            return self.respond(server, interaction, not_staff(lang, support_role)).await;
        };
        self.lock(server).await?;
        // The ticket first, as a dashboard's change locks them.
        let found = match on.ticket {
            Some(id) => tickets::load(&mut self.tx, server, id).await?,
            None => None,
        };
        let found = match found {
            Some((ticket, conversation)) => {
                store::load(&mut self.tx, server, conversation).await?.map(|found| (ticket, found))
            }
            None => None,
        };
        let Some((ticket, conversation)) = found else {
            return self.respond(server, interaction, say!(lang, "ticket-gone")).await;
        };
        let press = press(relevant, interaction, member.user.id, config);
        let act = match on.what {
            What::Claim => Act::Claim,
            What::Release => Act::Release,
            What::HandBack => Act::HandBack,
            What::Reopen => Act::Reopen,
            What::Resolve => Act::Resolve { notes: notes(interaction) },
            What::AskNotes => {
                let command = Command::AskNotes { press, ticket };
                return self.run(server, conversation, command, "", config).await;
            }
            What::Transfer => match chosen(lang, interaction, support_role) {
                Ok(to) => Act::Transfer(to),
                Err(why_not) => return self.respond(server, interaction, why_not).await,
            },
        };
        self.run(server, conversation, Command::Act { press, ticket, act }, "", config).await
    }
}

/// Also said by `/tickets`.
pub(super) fn not_staff(lang: Lang, support_role: Option<RoleId>) -> String {
    match support_role {
        Some(role) => say!(lang, "staff-only-role", role),
        None => say!(lang, "staff-only"),
    }
}

/// What was written. Postgres keeps no NUL in text, and nobody sees one.
fn notes(interaction: &Interaction) -> Option<String> {
    let written = interaction.data.as_ref()?.written(NOTES_INPUT)?.replace('\0', "");
    let notes = written.trim();
    (!notes.is_empty()).then(|| notes.to_owned())
}

/// Whom a ticket is to go to: a member of this server, because Discord looked him up, and of its staff.
fn chosen(lang: Lang, interaction: &Interaction, support_role: Option<RoleId>) -> Result<UserId, String> {
    let nobody = || say!(lang, "transfer-nobody");
    let data = interaction.data.as_ref().ok_or_else(nobody)?;
    let id = data.values.first().and_then(|id| id.parse().ok()).map(UserId).ok_or_else(nobody)?;
    let member = data.resolved.members.get(&id).ok_or_else(nobody)?;
    let is_bot = data.resolved.users.get(&id).is_some_and(|user| user.bot);
    if is_bot || !member.is_staff(support_role) {
        return Err(say!(lang, "transfer-not-staff"));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_id_is_read_where_it_belongs_and_a_crafted_one_names_nothing() {
        let id = Uuid::max();
        let on = |what| Some(OnTicket { what, ticket: Some(id) });
        assert_eq!(read(COMPONENT, &format!("claim:{id}:mark")), on(What::Claim));
        assert_eq!(read(COMPONENT, &format!("resolve:{id}:mark")), on(What::AskNotes));
        assert_eq!(read(MODAL_SUBMIT, &format!("notes:{id}")), on(What::Resolve));
        assert_eq!(read(COMPONENT, &format!("notes:{id}")), None, "no button is a form");
        assert_eq!(read(MODAL_SUBMIT, &format!("claim:{id}")), None);
        for crafted in ["claim:", "claim:../1", "claim::", "claim:\u{202e}:x"] {
            assert_eq!(
                read(COMPONENT, crafted),
                Some(OnTicket { what: What::Claim, ticket: None }),
                "{crafted}"
            );
        }
    }
}
