//! Threads in channels and forums, from their start to their archive, over REST and gateway.

use crate::support::{ALL_INTENTS, Gateway, Rest, entry, id, simulator};
use helpline_sim::ids::{ChannelId, RoleId};
use helpline_sim::permissions::Target;
use helpline_sim::{ActionError, Config, Kind, Permissions, Rule, Server, Simulator, Sublimit};
use serde_json::{Value, json};

const NONE: Permissions = Permissions::NONE;
const MINUTE_MS: u64 = 60_000;

struct Scene {
    simulator: Simulator,
    rest: Rest,
    gateway: Gateway,
    server: Server,
}

async fn scene(change: impl FnOnce(&mut Config)) -> Scene {
    let simulator = simulator(change).await;
    let rest = Rest::new(&simulator);
    let (gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[0].clone();
    Scene { simulator, rest, gateway, server }
}

impl Scene {
    /// A thread of the bot's without a message, announced.
    async fn thread(&mut self, kind: u8) -> String {
        let path = format!("/channels/{}/threads", self.server.support_channel.get());
        let (status, thread) = self.rest.call("POST", &path, json!({"name": "talk", "type": kind})).await;
        assert_eq!(status, 201, "{thread}");
        assert_eq!(self.gateway.event("THREAD_CREATE").await["newly_created"], true);
        format!("/channels/{}", id(&thread))
    }

    async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.rest.call("PATCH", path, body).await
    }

    /// Gives the bot MANAGE_THREADS.
    async fn moderate(&mut self) {
        let role = self.simulator.create_role(self.server.id, "mod", Permissions::MANAGE_THREADS).unwrap();
        self.simulator.give_role(self.server.id, self.simulator.config().bot, role).unwrap();
        self.gateway.event("GUILD_ROLE_CREATE").await;
        self.gateway.event("GUILD_MEMBER_UPDATE").await;
    }

    async fn advance(&self, minutes: u64) {
        let body = json!({"advance_ms": minutes * MINUTE_MS});
        assert_eq!(self.rest.control("POST", "/clock", body).await.0, 200);
    }
}

#[tokio::test]
async fn a_public_thread_without_a_message_begins_empty_and_counts_what_is_said() {
    let mut scene = scene(|_| {}).await;
    let thread = scene.thread(11).await;
    let channel = thread.rsplit('/').next().unwrap().parse().unwrap();
    let said = scene.rest.post(channel, json!({"content": "one"})).await;
    scene.gateway.event("MESSAGE_CREATE").await;
    scene.rest.post(channel, json!({"content": "two"})).await;
    scene.gateway.event("MESSAGE_CREATE").await;
    scene.rest.call("DELETE", &format!("{thread}/messages/{}", id(&said)), json!({})).await;
    let (_, now) = scene.rest.get(&thread).await;
    assert_eq!((&now["message_count"], &now["total_message_sent"]), (&json!(1), &json!(2)));
    assert_eq!((&now["member_count"], &now["type"]), (&json!(1), &json!(11)));
    assert_eq!(now["member"]["user_id"], json!(scene.simulator.config().bot));
    entry(
        &scene.simulator,
        |kind| matches!(kind, Kind::ThreadStarted { thread, .. } if thread.get() == channel),
    )
    .await;
}

#[tokio::test]
async fn a_private_thread_shows_itself_to_those_in_it_and_to_moderators() {
    let mut scene = scene(|_| {}).await;
    let thread = scene.thread(12).await;
    let channel = ChannelId(thread.rsplit('/').next().unwrap().parse().unwrap());
    let (member, moderator) = (scene.server.members[0], scene.server.staff[1]);
    assert_eq!(scene.simulator.say(channel, member, "x"), Err(ActionError::Hidden(member, channel)));
    scene.simulator.say(channel, moderator, "moderators see it").unwrap();
    scene.gateway.event("MESSAGE_CREATE").await;
    let path = format!("{thread}/thread-members/{}", member.get());
    assert_eq!(scene.rest.call("PUT", &path, json!({})).await.0, 204);
    let told = scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!((&told["type"], &told["mentions"][0]["id"]), (&json!(1), &json!(member)), "recipient add");
    scene.simulator.say(channel, member, "now I do").unwrap();
    scene.gateway.event("MESSAGE_CREATE").await;
    let (_, members) = scene.rest.get(&format!("{thread}/thread-members")).await;
    assert_eq!(members.as_array().unwrap().len(), 3);
    let (_, one) = scene.rest.get(&format!("{path}?with_member=true")).await;
    assert_eq!((&one["user_id"], &one["member"]["user"]["id"]), (&json!(member), &json!(member)));
    assert_eq!(scene.rest.call("DELETE", &path, json!({})).await.0, 204, "it owns the thread");
    assert_eq!(scene.gateway.event("MESSAGE_CREATE").await["type"], 2, "recipient remove");
    assert!(scene.simulator.say(channel, member, "x").is_err());
    assert_eq!(scene.rest.get(&path).await.1["code"], 10_007);
    let own = format!("{thread}/thread-members/@me");
    assert_eq!(scene.rest.call("DELETE", &own, json!({})).await.0, 204);
    let gone = scene.gateway.event("THREAD_MEMBERS_UPDATE").await;
    assert_eq!(gone["removed_member_ids"], json!([scene.simulator.config().bot]));
    assert_eq!(scene.rest.get(&thread).await.1["code"], 50_001, "it left and is no moderator");
}

#[tokio::test]
async fn a_bot_added_to_a_thread_is_told_of_the_thread_and_of_its_membership() {
    let mut scene = scene(|_| {}).await;
    let member = scene.server.members[0];
    let asked = scene.simulator.say(scene.server.support_channel, member, "how?").unwrap();
    let thread = scene
        .simulator
        .open_thread(scene.server.support_channel, member, "how?", Some(asked), false)
        .unwrap();
    scene.gateway.event("MESSAGE_CREATE").await;
    let created = scene.gateway.event("THREAD_CREATE").await;
    assert_eq!((&created["owner_id"], created.get("member")), (&json!(member), None));
    scene.gateway.event("MESSAGE_UPDATE").await;
    assert_eq!(scene.gateway.event("MESSAGE_CREATE").await["type"], 21);
    let path = format!("/channels/{}/thread-members/@me", thread.get());
    assert_eq!(scene.rest.call("PUT", &path, json!({})).await.0, 204);
    let again = scene.gateway.event("THREAD_CREATE").await;
    assert_eq!((again.get("newly_created"), &again["id"]), (None, &json!(thread)));
    let told = scene.gateway.event("THREAD_MEMBERS_UPDATE").await;
    assert_eq!(told["added_members"][0]["user_id"], json!(scene.simulator.config().bot));
    assert_eq!(told["member_count"], 2);
    assert_eq!(scene.rest.call("PUT", &path, json!({})).await.0, 204, "it already is in it");
    assert!(scene.gateway.quiet().await);
}

#[tokio::test]
async fn only_a_session_with_the_members_intent_hears_who_joins_a_thread() {
    let mut scene = scene(|config| config.identify_interval = std::time::Duration::ZERO).await;
    let (mut all, _) = Gateway::identified_with(&scene.simulator, ALL_INTENTS | 1 << 1, [0, 1]).await;
    let thread = scene.thread(11).await;
    let channel = ChannelId(thread.rsplit('/').next().unwrap().parse().unwrap());
    scene.simulator.say(channel, scene.server.members[0], "hi").unwrap();
    assert_eq!(scene.gateway.event("MESSAGE_CREATE").await["content"], "hi");
    all.event("THREAD_CREATE").await;
    let joined = all.event("THREAD_MEMBERS_UPDATE").await;
    assert_eq!(joined["added_members"][0]["member"]["user"]["id"], json!(scene.server.members[0]));
    all.event("MESSAGE_CREATE").await;
}

#[tokio::test]
async fn forum_posts_carry_their_first_message_and_the_tags_the_forum_wants() {
    let mut scene = scene(|config| config.forums = true).await;
    let forum = scene.server.forum.unwrap();
    let (_, channel) = scene.rest.get(&format!("/channels/{}", forum.get())).await;
    assert_eq!(channel["available_tags"], json!([]));
    let role =
        scene.simulator.create_role(scene.server.id, "channels", Permissions::MANAGE_CHANNELS).unwrap();
    scene.simulator.give_role(scene.server.id, scene.simulator.config().bot, role).unwrap();
    let tags = json!([{"name": "billing"}, {"name": "solved", "moderated": true}]);
    let forum_path = format!("/channels/{}", forum.get());
    let (_, changed) = scene.patch(&forum_path, json!({"available_tags": tags, "flags": 16})).await;
    let tag = |n: usize| changed["available_tags"][n]["id"].clone();
    scene.gateway.skip_to("CHANNEL_UPDATE").await;
    let posts = format!("{forum_path}/threads");
    let post = |tags: Value| json!({"name": "Refund", "message": {"content": "how?"}, "applied_tags": tags});
    let code = |answer: (u16, Value)| (answer.0, answer.1["code"].as_u64().unwrap_or(0));
    assert_eq!(code(scene.rest.call("POST", &posts, post(json!([]))).await), (400, 40_067));
    assert_eq!(code(scene.rest.call("POST", &posts, post(json!(["1"]))).await), (400, 50_035));
    assert_eq!(code(scene.rest.call("POST", &posts, post(json!([tag(1)]))).await), (403, 50_013));
    assert_eq!(
        code(scene.rest.call("POST", &posts, json!({"name": "x", "applied_tags": [tag(0)]})).await),
        (400, 50_035)
    );
    let empty = json!({"name": "x", "applied_tags": [tag(0)], "message": {"content": ""}});
    assert_eq!(code(scene.rest.call("POST", &posts, empty).await), (400, 50_006));
    assert!(scene.gateway.quiet().await, "nothing was started");
    let (status, made) = scene.rest.call("POST", &posts, post(json!([tag(0)]))).await;
    assert_eq!(status, 201);
    assert_eq!((&made["message"]["id"], &made["message"]["content"]), (&made["id"], &json!("how?")));
    assert_eq!((&made["applied_tags"], &made["message_count"]), (&json!([tag(0)]), &json!(0)));
    assert_eq!(scene.gateway.event("THREAD_CREATE").await["parent_id"], json!(forum));
    assert_eq!(scene.gateway.event("MESSAGE_CREATE").await["id"], made["id"]);
    let refused =
        scene.simulator.open_post(forum, scene.server.members[0], "mine", "please", &[]).unwrap_err();
    assert!(matches!(refused, ActionError::Refused(40_067, _)), "{refused:?}");
    let tag_id = tag(0).as_str().unwrap().parse().unwrap();
    let asked =
        scene.simulator.open_post(forum, scene.server.members[0], "mine", "please", &[tag_id]).unwrap();
    scene.gateway.event("THREAD_CREATE").await;
    let question = scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!((id(&question), &question["content"]), (asked.get(), &json!("please")));
    let (_, forum) = scene.rest.get(&forum_path).await;
    assert_eq!(forum["last_message_id"], json!(asked), "the newest post");
    let everyone = Target::Role(RoleId(scene.server.id.get()));
    let silent = Some((NONE, Permissions::SEND_MESSAGES));
    scene.simulator.set_overwrite(scene.server.forum.unwrap(), everyone, silent).unwrap();
    assert_eq!(code(scene.rest.call("POST", &posts, post(json!([tag(0)]))).await), (403, 50_013));
}

#[tokio::test]
async fn an_archived_thread_takes_no_changes_until_it_is_opened_again() {
    let mut scene = scene(|_| {}).await;
    scene.rest.register_ask(&scene.simulator).await;
    let thread = scene.thread(11).await;
    let channel = ChannelId(thread.rsplit('/').next().unwrap().parse().unwrap());
    let said = scene.rest.post(channel.get(), json!({"content": "x"})).await;
    scene.gateway.event("MESSAGE_CREATE").await;
    let (status, archived) = scene.patch(&thread, json!({"archived": true})).await;
    assert_eq!((status, &archived["thread_metadata"]["archived"]), (200, &json!(true)));
    assert_eq!(scene.gateway.event("THREAD_UPDATE").await["thread_metadata"]["archived"], true);
    let member = format!("{thread}/thread-members/{}", scene.server.members[0].get());
    let cases = [
        ("PATCH", thread.clone(), json!({"name": "y"})),
        ("PATCH", format!("{thread}/messages/{}", id(&said)), json!({"content": "y"})),
        ("PUT", member, json!({})),
        ("DELETE", format!("{thread}/thread-members/@me"), json!({})),
    ];
    for (method, path, body) in cases {
        let (status, answer) = scene.rest.call(method, &path, body).await;
        assert_eq!((status, &answer["code"]), (400, &json!(50_083)), "{method} {path}");
    }
    let asker = scene.server.members[0];
    let command = scene.simulator.slash(channel, asker, "ask", &[("question", json!("how?"))]);
    assert_eq!(command, Err(ActionError::Closed(channel)));
    let (_, active) = scene.rest.get(&format!("/guilds/{}/threads/active", scene.server.id.get())).await;
    assert_eq!(active["threads"], json!([]));
    assert_eq!(scene.patch(&thread, json!({"archived": false})).await.0, 200);
    assert_eq!(scene.gateway.event("THREAD_UPDATE").await["thread_metadata"]["archived"], false);
    let own = scene.gateway.event("THREAD_MEMBER_UPDATE").await;
    assert_eq!((&own["id"], &own["guild_id"]), (&json!(channel), &json!(scene.server.id)));
    scene.patch(&thread, json!({"archived": true})).await;
    scene.gateway.event("THREAD_UPDATE").await;
    scene.simulator.say(channel, asker, "wake up").unwrap();
    let woken = scene.gateway.event("THREAD_UPDATE").await;
    assert_eq!(woken["thread_metadata"]["archived"], false, "a message opens it");
    scene.gateway.event("THREAD_MEMBER_UPDATE").await;
    scene.gateway.event("MESSAGE_CREATE").await;
}

#[tokio::test]
async fn a_locked_thread_is_for_moderators() {
    let mut scene = scene(|_| {}).await;
    let thread = scene.thread(11).await;
    let channel = ChannelId(thread.rsplit('/').next().unwrap().parse().unwrap());
    assert_eq!(scene.patch(&thread, json!({"locked": true})).await.1["code"], 50_013);
    let (member, moderator) = (scene.server.members[0], scene.server.staff[1]);
    scene.simulator.set_thread(channel, moderator, Some(true), Some(true)).unwrap();
    assert_eq!(scene.gateway.event("THREAD_UPDATE").await["thread_metadata"]["locked"], true);
    let posted = scene.rest.call("POST", &format!("{thread}/messages"), json!({"content": "x"})).await;
    assert_eq!((posted.0, &posted.1["code"]), (403, &json!(160_005)));
    let (status, opened) = scene.patch(&thread, json!({"archived": false})).await;
    assert!(status == 403, "{opened}");
    assert_eq!(scene.simulator.say(channel, member, "x"), Err(ActionError::Closed(channel)));
    scene.simulator.say(channel, moderator, "moderators may").unwrap();
    assert_eq!(scene.gateway.event("THREAD_UPDATE").await["thread_metadata"]["archived"], false);
    scene.gateway.skip_to("MESSAGE_CREATE").await;
    scene.moderate().await;
    assert_eq!(scene.patch(&thread, json!({"locked": false, "rate_limit_per_user": 5})).await.0, 200);
    scene.simulator.say(channel, member, "thanks").unwrap();
}

#[tokio::test]
async fn a_thread_archives_itself_when_nothing_happens_in_it() {
    let mut scene = scene(|_| {}).await;
    let thread = scene.thread(11).await;
    assert_eq!(scene.patch(&thread, json!({"auto_archive_duration": 61})).await.1["code"], 50_035);
    assert_eq!(scene.patch(&thread, json!({"auto_archive_duration": 60})).await.0, 200);
    scene.gateway.event("THREAD_UPDATE").await;
    let channel = thread.rsplit('/').next().unwrap().parse().unwrap();
    scene.advance(40).await;
    scene.rest.post(channel, json!({"content": "still here"})).await;
    scene.gateway.event("MESSAGE_CREATE").await;
    scene.advance(40).await;
    assert_eq!(scene.rest.get(&thread).await.1["thread_metadata"]["archived"], false, "there was a message");
    scene.advance(21).await;
    let told = scene.gateway.event("THREAD_UPDATE").await;
    assert_eq!(told["thread_metadata"]["archived"], true);
    assert_eq!(scene.rest.get(&thread).await.1["thread_metadata"]["archived"], true);
}

#[tokio::test]
async fn archived_threads_are_listed_in_pages_by_when_they_were_archived() {
    let mut scene = scene(|_| {}).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let thread = scene.thread(11).await;
        scene.patch(&thread, json!({"archived": true})).await;
        scene.gateway.event("THREAD_UPDATE").await;
        ids.push(thread.rsplit('/').next().unwrap().to_owned());
        scene.advance(1).await;
    }
    let private = scene.thread(12).await;
    scene.patch(&private, json!({"archived": true})).await;
    let base = format!("/channels/{}", scene.server.support_channel.get());
    let list = |path: String| {
        let rest = scene.rest.clone();
        async move {
            let (status, page) = rest.get(&path).await;
            assert_eq!(status, 200, "{page}");
            let ids = page["threads"].as_array().unwrap().iter().map(|thread| id(thread).to_string());
            (ids.collect::<Vec<_>>(), page["has_more"] == true, page)
        }
    };
    let (first, more, page) = list(format!("{base}/threads/archived/public?limit=2")).await;
    assert_eq!((first, more), (vec![ids[2].clone(), ids[1].clone()], true));
    assert_eq!(page["members"].as_array().unwrap().len(), 2);
    let before = page["threads"][1]["thread_metadata"]["archive_timestamp"].as_str().unwrap();
    let before = before.replace('+', "%2B");
    let (rest, more, _) = list(format!("{base}/threads/archived/public?limit=2&before={before}")).await;
    assert_eq!((rest, more), (vec![ids[0].clone()], false));
    let (joined, _, _) = list(format!("{base}/users/@me/threads/archived/private")).await;
    assert_eq!(joined, [private.rsplit('/').next().unwrap()]);
    assert_eq!(scene.rest.get(&format!("{base}/threads/archived/private")).await.1["code"], 50_013);
    let bot = Target::Member(scene.simulator.config().bot);
    let unread = Some((NONE, Permissions::READ_MESSAGE_HISTORY));
    scene.simulator.set_overwrite(scene.server.support_channel, bot, unread).unwrap();
    assert_eq!(scene.rest.get(&format!("{base}/threads/archived/public")).await.1["code"], 50_013);
}

#[tokio::test]
async fn a_thread_is_renamed_twice_in_ten_minutes_and_says_so_in_itself() {
    let twice = Some(Rule::per_s(2, 600));
    let mut scene = scene(|config| config.route_limits.set_sublimit(Sublimit::ChannelRename, twice)).await;
    let thread = scene.thread(11).await;
    for name in ["one", "two"] {
        assert_eq!(scene.patch(&thread, json!({"name": name})).await.0, 200);
        assert_eq!(scene.gateway.event("THREAD_UPDATE").await["name"], name);
        let said = scene.gateway.event("MESSAGE_CREATE").await;
        assert_eq!((&said["type"], &said["content"]), (&json!(4), &json!(name)));
    }
    let refused = scene.rest.response("PATCH", &thread, json!({"name": "three"})).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["x-ratelimit-scope"], "shared");
    let body: Value = refused.json().await.unwrap();
    assert!(body["retry_after"].as_f64().unwrap() > 500.0 && body["global"] == false, "{body}");
    assert_eq!(scene.patch(&thread, json!({"archived": true})).await.0, 200, "other fields are not limited");
    scene.patch(&thread, json!({"archived": false})).await;
    scene.advance(10).await;
    assert_eq!(scene.patch(&thread, json!({"name": "three"})).await.0, 200);
}

#[tokio::test]
async fn a_server_has_a_bounded_number_of_open_threads() {
    let mut scene = scene(|config| config.max_active_threads = 2).await;
    let first = scene.thread(11).await;
    scene.thread(11).await;
    let path = format!("/channels/{}/threads", scene.server.support_channel.get());
    let refused = scene.rest.call("POST", &path, json!({"name": "x", "type": 11})).await;
    assert_eq!((refused.0, &refused.1["code"]), (400, &json!(160_006)));
    scene.patch(&first, json!({"archived": true})).await;
    assert_eq!(scene.rest.call("POST", &path, json!({"name": "x", "type": 11})).await.0, 201);
    assert_eq!(scene.patch(&first, json!({"archived": false})).await.1["code"], 160_006);
}

#[tokio::test]
async fn threads_are_deleted_by_moderators_alone_and_with_their_messages() {
    let mut scene = scene(|_| {}).await;
    let thread = scene.thread(11).await;
    assert_eq!(scene.rest.call("DELETE", &thread, json!({})).await.1["code"], 50_013, "not even its owner");
    scene.moderate().await;
    assert_eq!(scene.rest.call("DELETE", &thread, json!({})).await.0, 200);
    let told = scene.gateway.event("THREAD_DELETE").await;
    let expected = json!({
        "id": thread.rsplit('/').next().unwrap(), "guild_id": scene.server.id,
        "parent_id": scene.server.support_channel, "type": 11,
    });
    assert_eq!(told, expected);
    assert_eq!(scene.rest.get(&thread).await.1["code"], 10_003);
}

#[tokio::test]
async fn posting_in_threads_needs_its_own_permission() {
    let mut scene = scene(|_| {}).await;
    let thread = scene.thread(11).await;
    let channel = ChannelId(thread.rsplit('/').next().unwrap().parse().unwrap());
    let parent = scene.server.support_channel;
    let everyone = Target::Role(RoleId(scene.server.id.get()));
    let bot = Target::Role(scene.server.bot_role);
    let no_messages = Some((NONE, Permissions::SEND_MESSAGES));
    scene.simulator.set_overwrite(parent, everyone, no_messages).unwrap();
    scene.simulator.set_overwrite(parent, bot, no_messages).unwrap();
    scene.rest.post(channel.get(), json!({"content": "in the thread"})).await;
    scene.simulator.say(channel, scene.server.members[0], "me too").unwrap();
    assert_eq!(
        scene
            .rest
            .call("POST", &format!("/channels/{}/messages", parent.get()), json!({"content": "x"}))
            .await
            .0,
        403
    );
    let no_threads = Some((NONE, Permissions::SEND_MESSAGES_IN_THREADS));
    scene.simulator.set_overwrite(parent, bot, no_threads).unwrap();
    scene.simulator.set_overwrite(parent, everyone, None).unwrap();
    let refused = scene.rest.call("POST", &format!("{thread}/messages"), json!({"content": "x"})).await;
    assert_eq!((refused.0, &refused.1["code"]), (403, &json!(50_013)));
}
