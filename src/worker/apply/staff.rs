//! What staff use besides tickets: replies that are kept ready, and statistics. Only staff get as far; every row is looked for
//! among those of the interaction's own server.

use helpline_cluster::ids::ServerId;
use time::UtcOffset;
use uuid::Uuid;

use super::presses::press;
use super::tickets::not_staff;
use super::{Error, Relevant, T1};
use crate::commands::config::Suggestion;
use crate::commands::reply::{self, Request};
use crate::commands::setup;
use crate::commands::stats::{self, Numbers, PERIODS};
use crate::conversation::command::Command;
use crate::conversation::state::Conversation;
use crate::conversation::store::{self, tickets};
use crate::deliver::outbox::{self, Lane};
use crate::deliver::{Effect, OutboxKey};
use crate::discord::{Interaction, Member, RoleId};
use crate::first_reply::{
    COMPONENT, MODAL_SUBMIT, NEW_REPLY, REPLY_NAME, REPLY_TEXT, SEND, SUGGEST, TRANSCRIPT, id_in,
};
use crate::server_config::ServerConfig;
use crate::texts::{Lang, say};
use crate::worker::replies::{self, Stored};

/// A component or form of staff's, as its custom id names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnStaff {
    NewReply,
    /// Admins only.
    Setup,
    /// Of a ticket; none: what stands there is no id.
    Suggest(Option<Uuid>),
    Transcript(Option<Uuid>),
    /// A suggestion is to be sent.
    Send(Option<Uuid>),
}

/// Reads a custom id; none when it is none of these.
pub(super) fn read(kind: u8, custom_id: &str) -> Option<OnStaff> {
    if setup::is_on(kind, custom_id) {
        return Some(OnStaff::Setup);
    }
    let id = id_in(custom_id);
    match kind {
        MODAL_SUBMIT if custom_id.starts_with(NEW_REPLY) => Some(OnStaff::NewReply),
        COMPONENT if custom_id.starts_with(SUGGEST) => Some(OnStaff::Suggest(id)),
        COMPONENT if custom_id.starts_with(TRANSCRIPT) => Some(OnStaff::Transcript(id)),
        COMPONENT if custom_id.starts_with(SEND) => Some(OnStaff::Send(id)),
        _ => None,
    }
}

/// Whoever used it, if he is of the staff; else what he is told.
fn staff<'a>(interaction: &'a Interaction, config: &ServerConfig) -> Result<&'a Member, String> {
    let support_role = config.support_role_id.map(RoleId);
    let member = interaction.member.as_ref().filter(|member| member.is_staff(support_role));
    member.ok_or_else(|| not_staff(Lang::of_member(interaction, config), support_role))
}

/// In which everybody reads what is added to the words of staff.
fn spoken_in(conversation: &Conversation, config: &ServerConfig) -> Lang {
    let asked = conversation.last_question().map(|(_, text)| text);
    asked.map_or_else(|| Lang::of_server(config), |text| Lang::of_text(text, config))
}

impl T1 {
    pub(super) async fn by_staff(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        on: OnStaff,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        let lang = Lang::of_member(interaction, config);
        if on == OnStaff::Setup {
            return self.setup(relevant, interaction, config).await;
        }
        let member = match staff(interaction, config) {
            Ok(member) => member,
            Err(refusal) => return self.respond(server, interaction, refusal).await,
        };
        match on {
            OnStaff::Suggest(ticket) | OnStaff::Transcript(ticket) => {
                return self.show_alone(server, interaction, on, ticket, lang).await;
            }
            OnStaff::Send(suggestion) => {
                return self.send_suggestion(relevant, interaction, member, suggestion, config).await;
            }
            OnStaff::NewReply | OnStaff::Setup => {}
        }
        let written =
            |name| interaction.data.as_ref().and_then(|data| data.written(name)).unwrap_or_default();
        let text = match reply::check(lang, written(REPLY_NAME), written(REPLY_TEXT)) {
            Ok(reply) => {
                self.lock(server).await?;
                match replies::store(&mut self.tx, server, &reply, member.user.id).await? {
                    Stored::TooMany => reply::too_many(lang),
                    stored => reply::stored(lang, &reply, stored == Stored::Again),
                }
            }
            Err(refusal) => refusal,
        };
        self.respond(server, interaction, text).await
    }

    /// What is made when it is carried out, in the lane of the ticket's conversation.
    async fn show_alone(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
        on: OnStaff,
        ticket: Option<Uuid>,
        lang: Lang,
    ) -> Result<(), Error> {
        self.lock(server).await?;
        let found = match ticket {
            Some(id) => tickets::load(&mut self.tx, server, id).await?,
            None => None,
        };
        let Some((ticket, conversation)) = found else {
            return self.respond(server, interaction, say!(lang, "ticket-gone")).await;
        };
        let (token, application) = (interaction.token.clone(), interaction.application_id);
        let (interaction, ticket) = (interaction.id, ticket.id);
        let effect = match on {
            OnStaff::Suggest(_) => Effect::SuggestAnswer { interaction, token, application, ticket, lang },
            _ => {
                let content = say!(lang, "transcript-files");
                Effect::Transcript { interaction, token, application, ticket, content }
            }
        };
        let lane = Lane { server, conversation: Some(conversation) };
        let key = OutboxKey { event_id: interaction.0.to_string(), effect: "respond", part: 0 };
        outbox::add(&mut self.tx, lane, &key, &effect).await?;
        self.lanes.insert(lane);
        Ok(())
    }

    /// Says what was suggested, once.
    async fn send_suggestion(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        member: &Member,
        suggestion: Option<Uuid>,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        self.lock(server).await?;
        let taken = match suggestion {
            Some(id) => tickets::take_suggestion(&mut self.tx, server, id).await?,
            None => None,
        };
        let found = match taken {
            Some((ticket, text)) => tickets::load(&mut self.tx, server, ticket)
                .await?
                .map(|(_, conversation)| (conversation, text)),
            None => None,
        };
        let found = match found {
            Some((id, text)) => store::load(&mut self.tx, server, id).await?.map(|found| (found, text)),
            None => None,
        };
        let Some((conversation, text)) = found else {
            let gone = say!(Lang::of_member(interaction, config), "suggest-gone");
            return self.respond(server, interaction, gone).await;
        };
        let press = press(relevant, interaction, member.user.id, config);
        let command = Command::Speak { press, text, lang: spoken_in(&conversation, config) };
        self.run(server, conversation, command, &member.user.username, config).await
    }

    /// Names that fit what is being typed; none for others than staff, whom they would tell what is kept.
    pub(super) async fn suggest_replies(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
        config: &ServerConfig,
    ) -> Result<Vec<Suggestion>, Error> {
        if staff(interaction, config).is_err() {
            return Ok(Vec::new());
        }
        let names: Vec<String> =
            replies::all(&mut self.tx, server).await?.into_iter().map(|reply| reply.name).collect();
        Ok(reply::suggestions(interaction, &names))
    }

    pub(super) async fn reply_command(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        if let Err(refusal) = staff(interaction, config) {
            return self.respond(server, interaction, refusal).await;
        }
        self.lock(server).await?;
        let lang = Lang::of_member(interaction, config);
        let text = match reply::request(interaction) {
            None => say!(lang, "reply-unknown-subcommand"),
            Some(Request::Use(name)) => return self.use_reply(relevant, interaction, &name, config).await,
            Some(Request::Add) => return self.open_form(server, interaction, NEW_REPLY, lang).await,
            Some(Request::List) => reply::list(lang, &replies::all(&mut self.tx, server).await?),
            Some(Request::Remove(name)) => match replies::find(&mut self.tx, server, &name).await? {
                Some(found) => {
                    let removed = replies::remove(&mut self.tx, server, &found.name).await?;
                    reply::removed(lang, &removed.unwrap_or(found))
                }
                None => reply::unknown(lang, &name),
            },
        };
        self.respond(server, interaction, text).await
    }

    /// Lets the bot say it in the thread that the command was used in.
    async fn use_reply(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        name: &str,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        let lang = Lang::of_member(interaction, config);
        let (Some(channel), Some(member)) = (interaction.channel_id, &interaction.member) else {
            return self.respond(server, interaction, say!(lang, "reply-no-thread")).await;
        };
        let Some(reply) = replies::find(&mut self.tx, server, name).await? else {
            return self.respond(server, interaction, reply::unknown(lang, name)).await;
        };
        let Some(conversation) = store::load_by_thread(&mut self.tx, server, channel).await? else {
            return self.respond(server, interaction, say!(lang, "reply-no-thread")).await;
        };
        let text = reply::filled(&reply.text, conversation.user);
        let press = press(relevant, interaction, member.user.id, config);
        let command = Command::Speak { press, text, lang: spoken_in(&conversation, config) };
        self.run(server, conversation, command, &member.user.username, config).await
    }

    /// Opens one of [`crate::first_reply::form`]'s.
    async fn open_form(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
        form: &str,
        lang: Lang,
    ) -> Result<(), Error> {
        let effect = Effect::OpenForm {
            interaction: interaction.id,
            token: interaction.token.clone(),
            form: form.to_owned(),
            lang,
        };
        self.deliver_alone(server, interaction.id.0.to_string(), "form", effect).await
    }

    pub(super) async fn stats(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        if let Err(refusal) = staff(interaction, config) {
            return self.respond(server, interaction, refusal).await;
        }
        let today = relevant.received_at.to_offset(UtcOffset::UTC).date();
        let periods =
            sqlx::query_file_as!(Numbers, "src/worker/sql/stats.sql", server.db(), today, &PERIODS[..])
                .fetch_all(self.tx.conn())
                .await?;
        self.respond(server, interaction, stats::table(Lang::of_member(interaction, config), &periods)).await
    }
}
