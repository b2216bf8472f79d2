//! Carries out what members do and what disturbs the simulator; waiting and expecting is in `run`.

use super::run::{Run, Said};
use super::step::Action;
use crate::gateway::faults::GatewayTarget;
use crate::ids::{ChannelId, MessageId};
use crate::matching::QuestionId;
use serde_json::Value;

/// Carries out an action that takes no time.
pub(super) fn carry_out(run: &mut Run<'_>, action: &Action) -> Result<(), String> {
    match action {
        Action::Drop(_) | Action::Reconnect(_) | Action::Close(..) | Action::Invalidate(_) => {
            connections(run, action);
            Ok(())
        }
        Action::Fault(_)
        | Action::ClearFaults
        | Action::Gateway(..)
        | Action::ClearGateway
        | Action::Limit(_)
        | Action::LimitGlobal(_)
        | Action::Jitter(_)
        | Action::RenameBuckets
        | Action::LimitResource { .. }
        | Action::Skew(_)
        | Action::Advance(_) => disturb(run, action),
        Action::Bot { .. } | Action::Outage { .. } | Action::Join { .. } => servers(run, action),
        Action::Note(text) => {
            tracing::info!("scenario: {text}");
            Ok(())
        }
        _ => members(run, action),
    }
}

fn members(run: &mut Run<'_>, action: &Action) -> Result<(), String> {
    let simulator = run.simulator;
    match action {
        Action::Say { member, place, text, name } => {
            let (member, channel) = (run.members[member].0, run.place(place)?);
            // `@bot` is what a member types to mention it.
            let text = text.replace("@bot", &simulator.bot_mention());
            let id = simulator.say(channel, member, &text).map_err(|error| error.to_string())?;
            call(run, name.as_deref(), QuestionId::Message(id), channel);
        }
        Action::Reply { member, to, text, name } => {
            let (member, said) = (run.members[member].0, run.said(to)?);
            let to = message(said, to)?;
            let id = simulator.reply(said.channel, member, to, text).map_err(|error| error.to_string())?;
            call(run, name.as_deref(), QuestionId::Message(id), said.channel);
        }
        Action::Slash { member, place, command, options, name } => {
            let (member, channel) = (run.members[member].0, run.place(place)?);
            let options: Vec<(&str, Value)> =
                options.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            let id =
                simulator.slash(channel, member, command, &options).map_err(|error| error.to_string())?;
            call(run, name.as_deref(), QuestionId::Interaction(id), channel);
        }
        Action::Press { member, custom_id, of, name } => {
            let member = run.members[member].0;
            let fits = |given: &str| match custom_id.strip_suffix('*') {
                Some(beginning) => given.starts_with(beginning),
                None => given == custom_id,
            };
            let answers = run.answers(of)?;
            let button = answers.iter().rev().find_map(|answer| {
                let mut components = answer.components.iter();
                let button = components.find(|button| !button.disabled && fits(&button.custom_id))?;
                Some((answer.channel, answer.message, button.custom_id.clone()))
            });
            let (channel, on, custom_id) =
                button.ok_or_else(|| format!("no answer to {of} has a button {custom_id:?}"))?;
            let id = simulator.press(channel, on, &custom_id, member).map_err(|error| error.to_string())?;
            call(run, name.as_deref(), QuestionId::Interaction(id), channel);
        }
        Action::Type { member, place } => {
            let channel = run.place(place)?;
            simulator.type_in(channel, run.members[member].0).map_err(|error| error.to_string())?;
        }
        Action::Edit { member, message: name, text } => {
            let (said, member) = (run.said(name)?, run.members[member].0);
            let edited = simulator.edit(said.channel, message(said, name)?, member, text);
            edited.map_err(|error| error.to_string())?;
        }
        Action::Delete { member, message: name } => {
            let (said, member) = (run.said(name)?, run.members[member].0);
            let deleted = simulator.delete(said.channel, message(said, name)?, member);
            deleted.map_err(|error| error.to_string())?;
        }
        Action::React { member, emoji, to } => {
            let (said, member) = (run.said(to)?, run.members[member].0);
            let reacted = simulator.react(said.channel, message(said, to)?, member, emoji);
            reacted.map_err(|error| error.to_string())?;
        }
        _ => unreachable!("waiting and steering are done elsewhere"),
    }
    Ok(())
}

fn call(run: &mut Run<'_>, name: Option<&str>, id: QuestionId, channel: ChannelId) {
    if let Some(name) = name {
        run.said.insert(name.to_owned(), Said { id, channel });
    }
}

fn message(said: Said, name: &str) -> Result<MessageId, String> {
    match said.id {
        QuestionId::Message(id) => Ok(id),
        QuestionId::Interaction(_) => Err(format!("{name} is no message")),
    }
}

fn servers(run: &Run<'_>, action: &Action) -> Result<(), String> {
    let simulator = run.simulator;
    let id = |name: &str| simulator.servers()[run.servers[name]].id;
    let done = match action {
        Action::Bot { server, there: true } => simulator.add_bot(id(server)).map(|_| ()),
        Action::Bot { server, there: false } => simulator.remove_bot(id(server)).map(|_| ()),
        Action::Outage { server, over } => simulator.set_unavailable(id(server), !over).map(|_| ()),
        Action::Join { member, back } => {
            let (member, home) = run.members[member];
            if *back { simulator.member_joins(home, member) } else { simulator.member_leaves(home, member) }
        }
        _ => Ok(()),
    };
    done.map_err(|error| error.to_string())
}

/// What is not connected is passed over: there is nothing to break.
fn connections(run: &Run<'_>, action: &Action) {
    let simulator = run.simulator;
    let (Action::Drop(shard)
    | Action::Reconnect(shard)
    | Action::Close(_, shard)
    | Action::Invalidate(shard)) = *action
    else {
        return;
    };
    let meant = |of: u32| shard.is_none_or(|shard| shard == of);
    for session in simulator.sessions().into_iter().filter(|session| meant(session.shard)) {
        let id = session.id.as_str();
        match *action {
            Action::Drop(_) => _ = simulator.drop_connection(Some(id)),
            Action::Reconnect(_) => _ = simulator.ask_to_reconnect(Some(id)),
            Action::Close(code, _) => _ = simulator.close_connection(Some(id), code),
            _ => _ = simulator.invalidate(id),
        }
    }
}

fn disturb(run: &Run<'_>, action: &Action) -> Result<(), String> {
    let simulator = run.simulator;
    match action {
        Action::Fault(plan) => {
            simulator.plan_fault(plan.clone())?;
        }
        Action::ClearFaults => simulator.clear_faults(),
        Action::Gateway(fault, shard) => {
            let target = shard.map_or_else(GatewayTarget::all, GatewayTarget::shard);
            simulator.gateway_fault(&target, fault);
        }
        Action::ClearGateway => simulator.core.hub.clear_faults(),
        Action::Limit(change) => simulator.change_limit(change),
        Action::LimitGlobal(per_s) => simulator.set_rest_global_per_s(*per_s),
        Action::Jitter(jitter) => simulator.set_window_jitter(*jitter),
        Action::RenameBuckets => simulator.rename_buckets(),
        Action::LimitResource { of, lasts, code } => {
            let server = run.servers.get(of).map(|at| simulator.servers()[*at].id.get());
            let id = server.unwrap_or_else(|| run.channels[of].get());
            simulator.limit_resource(id, *lasts, *code);
        }
        Action::Skew(change) => simulator.skew(change.of(simulator.core.clock.standing()))?,
        Action::Advance(by) => simulator.advance(*by),
        _ => {}
    }
    Ok(())
}
