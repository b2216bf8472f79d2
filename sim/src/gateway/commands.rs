//! What a client may send once it has a session, besides heartbeats.
//! <https://discord.com/developers/docs/events/gateway-events#send-events>

use super::member_list;
use super::presence::Presence;
use super::protocol::close;
use super::session::{Item, Session};
use crate::core::Core;
use crate::ids::GuildId;
use crate::world::gateway_shard;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) const PRESENCE_UPDATE: u64 = 3;
pub(super) const VOICE_STATE_UPDATE: u64 = 4;
pub(super) const REQUEST_GUILD_MEMBERS: u64 = 8;
pub(super) const REQUEST_SOUNDBOARD_SOUNDS: u64 = 31;
pub(super) const REQUEST_CHANNEL_INFO: u64 = 43;

/// Whether this opcode is a command of a session.
pub(super) fn is_command(op: u64) -> bool {
    matches!(
        op,
        PRESENCE_UPDATE
            | VOICE_STATE_UPDATE
            | REQUEST_GUILD_MEMBERS
            | REQUEST_SOUNDBOARD_SOUNDS
            | REQUEST_CHANNEL_INFO
    )
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "read so that a wrong type is an error; there are no voice channels here")]
struct VoiceState {
    guild_id: Option<GuildId>,
    channel_id: Option<crate::ids::ChannelId>,
    self_mute: bool,
    self_deaf: bool,
}

#[derive(Deserialize)]
struct SoundboardSounds {
    guild_ids: Vec<GuildId>,
}

#[derive(Deserialize)]
struct ChannelInfo {
    guild_id: GuildId,
    #[allow(dead_code, reason = "read so that a wrong type is an error")]
    fields: Vec<String>,
}

/// Carries out a command; the answer, if there is one, is an event of the session. `Err` is a close code.
pub(super) fn carry_out(core: &Core, session: &Session, op: u64, d: Value) -> Result<(), u16> {
    match op {
        PRESENCE_UPDATE => {
            let presence: Presence = read(d)?;
            if !presence.is_valid() {
                return Err(close::DECODE_ERROR);
            }
            session.set_status(presence.status);
        }
        REQUEST_GUILD_MEMBERS => {
            let request: member_list::Request = read(d)?;
            if !request.is_valid() {
                return Err(close::DECODE_ERROR);
            }
            member_list::answer(core, session, &request, core.clock.now());
        }
        // Neither voice channels nor sounds exist here, so lists are empty and voice states change nothing.
        REQUEST_SOUNDBOARD_SOUNDS => {
            let request: SoundboardSounds = read(d)?;
            let mine = request.guild_ids.into_iter().filter(|guild| holds(core, session, *guild));
            let one = |guild| {
                let d = json!({"guild_id": guild, "soundboard_sounds": []});
                Item::Event("SOUNDBOARD_SOUNDS", d.to_string().into())
            };
            session.append(mine.map(one).collect::<Vec<_>>());
        }
        REQUEST_CHANNEL_INFO => {
            let request: ChannelInfo = read(d)?;
            if holds(core, session, request.guild_id) {
                let d = json!({"guild_id": request.guild_id, "channels": []});
                session.append([Item::Event("CHANNEL_INFO", d.to_string().into())]);
            }
        }
        _ => {
            read::<VoiceState>(d)?;
        }
    }
    Ok(())
}

fn holds(core: &Core, session: &Session, guild: GuildId) -> bool {
    core.world.guild(guild).is_some() && gateway_shard(guild, session.total) == session.shard
}

fn read<T: for<'de> Deserialize<'de>>(d: Value) -> Result<T, u16> {
    serde_json::from_value(d).map_err(|_| close::DECODE_ERROR)
}
