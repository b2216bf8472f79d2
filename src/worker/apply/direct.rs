//! Direct messages. Discord says of none which server it is about, so all of them come to shard 0, whose owner hands each on
//! to the server that its member has chosen: behind what is held for that server's shard, in this transaction.
//!
//! Promises: what a member writes reaches one server, in the order in which Discord sent it, also around his choice, because
//! choices take the same way; nothing is lost while it waits for one ([`crate::worker::reception`] finds out). ADR 35.

use helpline_cluster::event_log::Entry;
use helpline_cluster::ids::{ServerId, ShardId};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::notes::once_in_a_while;
use super::{Error, Relevant, T1, moving, without_mention};
use crate::commands::{Handler, used};
use crate::conversation::command::{Command, Origin, Question};
use crate::conversation::state::{Conversation, Status};
use crate::conversation::store;
use crate::deliver::Effect;
use crate::deliver::panel::ReplyTo;
use crate::discord::{ChannelId, Interaction, Message, MessageId, UserId};
use crate::first_reply::{AUTOCOMPLETE, COMPONENT, DM_SERVER, id_in};
use crate::server_config::ServerConfig;
use crate::texts::{Lang, say};
use crate::worker::reception;

/// Begins the kind of an event that came in direct messages and was handed on to a server.
pub const DIRECT: &str = "DIRECT_";
/// Messages of one member that wait for his choice; more are not heard.
const WAIT_AT_MOST: i64 = 20;

/// What came in direct messages.
#[derive(Debug)]
pub enum What {
    Message {
        user: UserId,
        channel: ChannelId,
        id: MessageId,
        lang: Lang,
    },
    /// Messages were edited, or deleted, which does not say whose they were.
    Changed {
        user: Option<UserId>,
        channel: ChannelId,
    },
    Used(Box<Interaction>),
}

#[derive(Deserialize)]
struct Gone {
    channel_id: ChannelId,
}

/// Reads an event that Discord sent without a server.
pub(super) fn read(kind: &str, payload: &[u8]) -> Result<Option<What>, serde_json::Error> {
    Ok(Some(match kind {
        "MESSAGE_CREATE" | "MESSAGE_UPDATE" => {
            let message: Message = serde_json::from_slice(payload)?;
            let (user, channel) = (message.author.id, message.channel_id);
            match kind {
                _ if !message.is_by_a_person() => return Ok(None),
                "MESSAGE_CREATE" => {
                    let lang = Lang::detect(&message.content).unwrap_or_default();
                    What::Message { user, channel, id: message.id, lang }
                }
                _ if message.edited_ms().is_none() => return Ok(None),
                _ => What::Changed { user: Some(user), channel },
            }
        }
        "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK" => {
            let gone: Gone = serde_json::from_slice(payload)?;
            What::Changed { user: None, channel: gone.channel_id }
        }
        "INTERACTION_CREATE" => What::Used(serde_json::from_slice(payload)?),
        _ => return Ok(None),
    }))
}

fn handed_on(entry: &Entry) -> String {
    format!("{DIRECT}{}", entry.kind)
}

/// In which whoever used something in direct messages is answered.
fn lang_of(interaction: &Interaction) -> Lang {
    interaction.locale.as_deref().and_then(Lang::of_tag).unwrap_or_default()
}

/// At the desk: on shard 0, of no server.
impl T1 {
    pub(super) async fn arrived(&mut self, relevant: &Relevant, what: &What) -> Result<(), Error> {
        match what {
            What::Message { user, channel, id, lang } => {
                if !self.is_new_here(relevant, &format!("message:{}", id.0)).await? {
                    return Ok(());
                }
                match self.route(*user).await? {
                    Some(to) => self.hand_on(relevant, to).await,
                    None => self.wait(relevant, (*user, *channel, *id), *lang).await,
                }
            }
            What::Changed { user, channel } => self.changed(relevant, *user, *channel).await,
            What::Used(interaction) => self.used_directly(relevant, interaction).await,
        }
    }

    /// The server remembers the event's own keys.
    async fn is_new_here(&mut self, relevant: &Relevant, key: &str) -> Result<bool, Error> {
        let (origin, key) = (format!("dm:{}", relevant.entry.origin), format!("dm:{key}"));
        let new = self.tx.remember_events(&[&origin, &key]).await?;
        Ok(new.into_iter().all(|new| new))
    }

    async fn route(&mut self, user: UserId) -> Result<Option<(ServerId, ShardId)>, Error> {
        let row = sqlx::query_file!("src/worker/sql/dm_route.sql", user.0.cast_signed())
            .fetch_optional(self.tx.conn())
            .await?;
        Ok(row.map(|row| (ServerId::from_db(row.server_id), ShardId::from_db(row.shard_id))))
    }

    async fn hand_on(
        &mut self,
        relevant: &Relevant,
        (server, shard): (ServerId, ShardId),
    ) -> Result<(), Error> {
        let entry = &relevant.entry;
        let entry = Entry { kind: handed_on(entry), server: Some(server), ..entry.clone() };
        moving::hold(&mut self.tx, shard, server, &entry).await?;
        // Other shards are told already.
        if shard == self.tx.fence().shard {
            moving::notify(&mut self.tx, Some(shard)).await?;
        }
        Ok(())
    }

    async fn wait(
        &mut self,
        relevant: &Relevant,
        (user, channel, id): (UserId, ChannelId, MessageId),
        lang: Lang,
    ) -> Result<(), Error> {
        let entry = &relevant.entry;
        let became = sqlx::query_file!(
            "src/worker/sql/dm_wait.sql",
            user.0.cast_signed(),
            channel.0.cast_signed(),
            entry.origin,
            handed_on(entry),
            entry.received_at_ms.cast_signed(),
            entry.payload.as_ref(),
            WAIT_AT_MOST,
            id.0.cast_signed(),
            lang.tag()
        )
        .fetch_one(self.tx.conn())
        .await?;
        if became.waits == 0 {
            tracing::info!("a member wrote more direct messages than wait for his choice of a server");
        }
        self.at_the_desk |= became.due > 0;
        Ok(())
    }

    async fn changed(
        &mut self,
        relevant: &Relevant,
        user: Option<UserId>,
        channel: ChannelId,
    ) -> Result<(), Error> {
        let user = match user {
            Some(user) => Some(user),
            None => sqlx::query_file_scalar!("src/worker/sql/dm_user.sql", channel.0.cast_signed())
                .fetch_optional(self.tx.conn())
                .await?
                .map(|user| UserId(user.cast_unsigned())),
        };
        let Some(user) = user else { return Ok(()) };
        if let Some(to) = self.route(user).await? {
            return self.hand_on(relevant, to).await;
        }
        let entry = &relevant.entry;
        sqlx::query_file!(
            "src/worker/sql/dm_wait_behind.sql",
            user.0.cast_signed(),
            channel.0.cast_signed(),
            entry.origin,
            handed_on(entry),
            entry.received_at_ms.cast_signed(),
            entry.payload.as_ref(),
            2 * WAIT_AT_MOST
        )
        .execute(self.tx.conn())
        .await?;
        Ok(())
    }

    async fn used_directly(&mut self, relevant: &Relevant, interaction: &Interaction) -> Result<(), Error> {
        let (Some(user), Some(channel)) = (interaction.by(), interaction.channel_id) else { return Ok(()) };
        let key = format!("interaction:{}", interaction.id.0);
        if interaction.kind == AUTOCOMPLETE || !self.is_new_here(relevant, &key).await? {
            return Ok(());
        }
        let who = (user.id, channel);
        if used(interaction).is_some_and(|command| command.handler == Handler::Server) {
            return self.offer(interaction, who).await;
        }
        let custom_id = interaction.data.as_ref().and_then(|data| data.custom_id.as_deref());
        if interaction.kind == COMPONENT && custom_id.is_some_and(|id| id.starts_with(DM_SERVER)) {
            return self.chosen(interaction, who).await;
        }
        let lang = lang_of(interaction);
        let Some(conversation) = custom_id.and_then(id_in) else {
            return self.say_directly(user.id, interaction, say!(lang, "unknown-command")).await;
        };
        match self.server_of(conversation, user.id).await? {
            Some(to) => self.hand_on(relevant, to).await,
            None => self.say_directly(user.id, interaction, say!(lang, "conversation-gone")).await,
        }
    }

    /// The server of a conversation in this member's direct messages.
    async fn server_of(
        &mut self,
        conversation: Uuid,
        user: UserId,
    ) -> Result<Option<(ServerId, ShardId)>, Error> {
        let row = sqlx::query_file!("src/worker/sql/dm_conversation.sql", conversation, user.0.cast_signed())
            .fetch_optional(self.tx.conn())
            .await?;
        Ok(row.map(|row| (ServerId::from_db(row.server_id), ShardId::from_db(row.shard_id))))
    }

    /// The list is shown once it is known what stands in it.
    async fn offer(
        &mut self,
        interaction: &Interaction,
        (user, channel): (UserId, ChannelId),
    ) -> Result<(), Error> {
        let lang = lang_of(interaction);
        let reply_to =
            serde_json::to_value(ReplyTo::new(interaction, lang)).expect("a reply has string keys");
        sqlx::query_file!(
            "src/worker/sql/dm_list.sql",
            user.0.cast_signed(),
            channel.0.cast_signed(),
            interaction.id.0.cast_signed(),
            lang.tag(),
            reply_to
        )
        .execute(self.tx.conn())
        .await?;
        self.at_the_desk = true;
        Ok(())
    }

    /// What he was not offered, or long ago, is no choice: he is shown the list anew.
    async fn chosen(
        &mut self,
        interaction: &Interaction,
        (user, channel): (UserId, ChannelId),
    ) -> Result<(), Error> {
        let value = interaction.data.as_ref().and_then(|data| data.values.first());
        let Some(server) = value.and_then(|id| id.parse().ok()).map(ServerId) else {
            return self.offer(interaction, (user, channel)).await;
        };
        let offered = sqlx::query_file!("src/worker/sql/dm_offered.sql", user.0.cast_signed(), server.db())
            .fetch_optional(self.tx.conn())
            .await?;
        let Some(offered) = offered else { return self.offer(interaction, (user, channel)).await };
        let to = (server, ShardId::from_db(offered.shard_id));
        reception::choose(&mut self.tx, user, channel, to).await?;
        reception::settle(&mut self.tx, user, "chosen", None).await?;
        let effect = Effect::Panel {
            interaction: interaction.id,
            token: interaction.token.clone(),
            application: interaction.application_id,
            on_message: true,
            content: say!(lang_of(interaction), "dm-chosen", server = reception::shown(&offered.name)),
            components: json!([]),
        };
        self.do_directly(user, interaction, &effect).await
    }

    async fn say_directly(
        &mut self,
        user: UserId,
        interaction: &Interaction,
        content: String,
    ) -> Result<(), Error> {
        let effect = Effect::Respond {
            interaction: interaction.id,
            token: interaction.token.clone(),
            content,
            application: Some(interaction.application_id),
        };
        self.do_directly(user, interaction, &effect).await
    }

    async fn do_directly(
        &mut self,
        user: UserId,
        interaction: &Interaction,
        effect: &Effect,
    ) -> Result<(), Error> {
        self.at_the_desk = true;
        reception::add(&mut self.tx, user, &interaction.id.0.to_string(), "respond", effect).await
    }
}

/// At the server that it was handed on to.
impl T1 {
    pub(super) async fn direct_message(
        &mut self,
        relevant: &Relevant,
        message: &Message,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let (server, user, channel) = (relevant.server, message.author.id, message.channel_id);
        if !self.is_new(relevant, &format!("message:{}", message.id.0)).await? {
            return Ok(());
        }
        let text = without_mention(&message.content, self.bot);
        let lang = Lang::of_text(&text, config);
        let why_not = match () {
            () if !config.enabled => Some(("dm_off", say!(lang, "dm-off"))),
            // Also of what is seen nowhere: blanks without width.
            () if !text.chars().any(char::is_alphanumeric) => Some(("hint", say!(lang, "dm-no-words"))),
            () => None,
        };
        if let Some((what, why_not)) = why_not {
            if self.tx.remember_event(&once_in_a_while(what, server, user, message.id)).await? {
                self.reply(server, channel, message.id, what, (why_not, lang)).await?;
            }
            return Ok(());
        }
        if !relevant.replayed && !self.is_in_time(relevant, message, config).await? {
            return Ok(());
        }
        let question = Question {
            origin: Origin::Message { channel, message: message.id, in_thread: true },
            author: user,
            lang,
            text,
            asked_at: relevant.received_at,
        };
        let mut known = store::load_by_thread(&mut self.tx, server, channel).await?;
        if let Some(over) = known.take_if(|known| known.is_over()) {
            self.lock(server).await?;
            store::forget_thread(&mut self.tx, server, over.id, channel).await?;
        }
        if known.as_ref().is_none_or(|known| known.status != Status::Forwarded)
            && !self.may_ask(server, &question, config, true).await?
        {
            return Ok(());
        }
        self.seen(server, user);
        let new = known.is_none();
        let mut conversation = known.unwrap_or_else(|| Conversation::begin(Uuid::new_v4(), &question));
        conversation.direct = true;
        let id = conversation.id;
        self.run(server, conversation, Command::Ask(question), &message.author.username, config).await?;
        if new {
            store::direct::note(&mut self.tx, server, id, user).await?;
        }
        Ok(())
    }

    /// Somebody of the staff wrote where only they read.
    pub(super) async fn staff_wrote(
        &mut self,
        relevant: &Relevant,
        message: &Message,
        conversation: Conversation,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        self.marks.note(server, message.channel_id, message.id);
        if !self.is_new(relevant, &format!("message:{}", message.id.0)).await? {
            return Ok(());
        }
        let text = without_mention(&message.content, self.bot);
        if text.is_empty() {
            return Ok(());
        }
        let asked = conversation.last_question().map(|(_, text)| text);
        let question = Question {
            origin: Origin::Message { channel: message.channel_id, message: message.id, in_thread: true },
            author: message.author.id,
            lang: asked.map_or_else(|| Lang::of_server(config), |text| Lang::of_text(text, config)),
            text,
            asked_at: relevant.received_at,
        };
        self.run(server, conversation, Command::PassOn { question }, "", config).await
    }

    /// Somebody uses the bot in this server.
    pub(super) fn seen(&mut self, server: ServerId, user: UserId) {
        self.seen.insert((user.0.cast_signed(), server.db()));
    }

    pub(super) async fn store_seen(&mut self) -> Result<(), Error> {
        if self.seen.is_empty() {
            return Ok(());
        }
        let (users, servers): (Vec<i64>, Vec<i64>) = self.seen.iter().copied().unzip();
        sqlx::query_file!("src/worker/sql/dm_seen.sql", &users, &servers).execute(self.tx.conn()).await?;
        Ok(())
    }
}
