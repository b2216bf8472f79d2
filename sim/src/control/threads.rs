//! Members' threads and forum posts, by order.

use super::{App, Input, Refused, Routes};
use crate::ids::{ChannelId, MessageId, UserId};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

type Answer = Result<Json<Value>, Refused>;

pub(super) fn add(routes: Routes) -> Routes {
    let starts = "channel, member, name, message?, private?";
    routes
        .post("/thread", starts, "a member starts a thread; gives the thread", start)
        .post("/post", "forum, member, title, text, tags?", "a member starts a forum post; gives it", post)
        .post("/thread/join", "thread, member", "a member joins a thread", join)
        .post("/thread/leave", "thread, member", "a member leaves a thread", leave)
        .post("/thread/set", "thread, member, archived?, locked?", "archives, opens, locks, unlocks", set)
}

#[derive(Deserialize)]
struct Start {
    channel: ChannelId,
    member: UserId,
    name: String,
    message: Option<MessageId>,
    #[serde(default)]
    private: bool,
}

async fn start(State(core): App, Input(start): Input<Start>) -> Answer {
    let Start { channel, member, name, message, private } = start;
    let thread = core.open_thread_by(channel, member, &name, message, private)?;
    Ok(Json(json!({"thread": thread})))
}

#[derive(Deserialize)]
struct Post {
    forum: ChannelId,
    member: UserId,
    title: String,
    text: String,
    #[serde(default)]
    tags: Vec<ChannelId>,
}

async fn post(State(core): App, Input(post): Input<Post>) -> Answer {
    let tags: Vec<u64> = post.tags.iter().map(|tag| tag.get()).collect();
    let thread = core.open_post_by(post.forum, post.member, &post.title, &post.text, &tags)?;
    Ok(Json(json!({"thread": thread})))
}

#[derive(Deserialize)]
struct Which {
    thread: ChannelId,
    member: UserId,
    archived: Option<bool>,
    locked: Option<bool>,
}

async fn join(State(core): App, Input(which): Input<Which>) -> Answer {
    core.set_in_thread(which.thread, which.member, true)?;
    Ok(Json(json!({})))
}

async fn leave(State(core): App, Input(which): Input<Which>) -> Answer {
    core.set_in_thread(which.thread, which.member, false)?;
    Ok(Json(json!({})))
}

async fn set(State(core): App, Input(which): Input<Which>) -> Answer {
    core.set_thread_by(which.thread, which.member, which.archived, which.locked)?;
    Ok(Json(json!({})))
}
