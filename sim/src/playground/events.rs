//! What happens where the viewer can see it, as server-sent events.
//!
//! | event | data |
//! |---|---|
//! | `message` | a message as it stands now: new, changed, or with other reactions |
//! | `gone` | channel, ids of messages that are no more |
//! | `typing` | channel, user |
//! | `server` | channels, threads, roles or members changed: to be read again |
//! | `interaction` | id, phase, callback and modal of an interaction of the viewer |
//! | `missed` | more happened than could be told: to be read again |

use super::feed::{Happening, Listener};
use super::{App, Refused, view};
use crate::core::Core;
use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, UserId};
use crate::transcript::{Entry, Kind};
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Often enough to notice a dead connection while somebody looks.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(rename = "as")]
    viewer: UserId,
    server: GuildId,
}

/// One page that is open.
struct Watcher {
    core: Arc<Core>,
    viewer: UserId,
    server: GuildId,
    happenings: Listener,
    transcript: Receiver<Arc<Entry>>,
    ready: VecDeque<Event>,
}

pub(super) async fn events(
    State(core): App,
    Query(Which { viewer, server }): Query<Which>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    view::lives_in(&core, viewer, server)?;
    let (happenings, transcript) = (core.feed.listen(), core.transcript.subscribe());
    let hello = Event::default().event("hello").data("{}");
    let watcher = Watcher { core, viewer, server, happenings, transcript, ready: VecDeque::from([hello]) };
    let stream = unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok(event), watcher))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn event(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

/// The fields of gateway events that say what they are about.
#[derive(Debug, Default, Deserialize)]
struct About {
    id: Option<MessageId>,
    message_id: Option<MessageId>,
    #[serde(default)]
    ids: Vec<MessageId>,
    channel_id: Option<ChannelId>,
    user_id: Option<UserId>,
}

impl Watcher {
    /// The next event; `None` when the simulator shuts down.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            tokio::select! {
                () = self.core.cancel.cancelled() => return None,
                happening = self.happenings.from.recv() => match happening {
                    Ok(happening) => self.hear(&happening),
                    Err(RecvError::Lagged(_)) => self.missed(),
                    Err(RecvError::Closed) => return None,
                },
                entry = self.transcript.recv() => match entry {
                    Ok(entry) => self.read(&entry),
                    Err(RecvError::Lagged(_)) => self.missed(),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    fn missed(&mut self) {
        self.ready.push_back(event("missed", &json!({})));
    }

    fn hear(&mut self, happening: &Happening) {
        match happening {
            Happening::Afresh => self.missed(),
            Happening::Private { to, channel, message } if *to == self.viewer => {
                self.message(*channel, *message);
            }
            Happening::Message { guild, channel, message } if self.concerns(*guild) => {
                self.message(*channel, *message);
            }
            Happening::Event { guild, name, data } if self.concerns(*guild) => self.gateway(name, data),
            _ => {}
        }
    }

    /// Of direct messages, those that are not his are told apart by permission.
    fn concerns(&self, guild: Option<GuildId>) -> bool {
        guild.is_none_or(|guild| guild == self.server)
    }

    fn gateway(&mut self, name: &str, data: &str) {
        let about: About = serde_json::from_str(data).unwrap_or_default();
        match (name, about.channel_id) {
            ("MESSAGE_DELETE" | "MESSAGE_DELETE_BULK", Some(channel)) => {
                let ids: Vec<MessageId> = about.ids.into_iter().chain(about.id).collect();
                self.gone(channel, &ids);
            }
            ("TYPING_START", Some(channel))
                if view::permissions(&self.core, self.viewer, channel).is_some() =>
            {
                self.ready.push_back(event("typing", &json!({"channel": channel, "user": about.user_id})));
            }
            (name, Some(channel)) if name.starts_with("MESSAGE_") => {
                if let Some(id) = about.message_id.or(about.id) {
                    self.message(channel, id);
                }
            }
            (name, _) if ["THREAD_", "CHANNEL_", "GUILD_"].iter().any(|start| name.starts_with(start)) => {
                self.ready.push_back(event("server", &json!({"because": name})));
            }
            _ => {}
        }
    }

    fn message(&mut self, channel: ChannelId, id: MessageId) {
        match view::message(&self.core, self.viewer, channel, id) {
            Some(message) => self.ready.push_back(event("message", &message)),
            None => self.gone(channel, &[id]),
        }
    }

    /// Said only of channels he sees, so that not even the time of what happens elsewhere shows.
    fn gone(&mut self, channel: ChannelId, ids: &[MessageId]) {
        if view::permissions(&self.core, self.viewer, channel).is_some() {
            self.ready.push_back(event("gone", &json!({"channel": channel, "ids": ids})));
        }
    }

    fn read(&mut self, entry: &Entry) {
        match entry.kind {
            Kind::InteractionAcked { interaction, callback, .. } => {
                self.interaction(interaction, "answered", Some(callback));
            }
            Kind::InteractionFailed { interaction } => self.interaction(interaction, "failed", None),
            _ => {}
        }
    }

    fn interaction(&mut self, id: InteractionId, phase: &str, callback: Option<u64>) {
        let own = self.core.interactions.by_id(id).filter(|interaction| interaction.member == self.viewer);
        if let Some(own) = own {
            let modal = own.shown().modal.clone();
            let data = json!({"id": id, "phase": phase, "callback": callback, "modal": modal.as_deref()});
            self.ready.push_back(event("interaction", &data));
        }
    }
}
