use super::*;

const ME: Identity = Identity { user_id: 7, application_id: 8 };

#[test]
fn a_members_message_waits_for_the_server_to_listen() {
    let data = r#"{"guild_id":"42","author":{"id":"9"},"content":"hello"}"#;
    let expected = Verdict::IfListening { class: Class::Message, server: 42 };
    assert_eq!(classify("MESSAGE_CREATE", data, ME), expected);
    assert_eq!(classify("MESSAGE_UPDATE", r#"{"guild_id":"42","id":"1"}"#, ME), expected);
}

#[test]
fn other_bots_and_webhooks_are_dropped_and_the_bot_itself_is_kept() {
    let bot = r#"{"guild_id":"42","author":{"id":"9","bot":true}}"#;
    assert_eq!(classify("MESSAGE_CREATE", bot, ME), Verdict::Drop(Dropped::Bot));
    let webhook = r#"{"guild_id":"42","webhook_id":"3","author":{"id":"3"}}"#;
    assert_eq!(classify("MESSAGE_CREATE", webhook, ME), Verdict::Drop(Dropped::Bot));
    let own = r#"{"guild_id":"42","author":{"id":"7","bot":true}}"#;
    assert_eq!(classify("MESSAGE_CREATE", own, ME), keep(Class::OwnMessage, Some(42)));
    let follow_up =
        r#"{"guild_id":"42","webhook_id":"8","application_id":"8","author":{"id":"7","bot":true}}"#;
    assert_eq!(classify("MESSAGE_CREATE", follow_up, ME), keep(Class::OwnMessage, Some(42)));
}

#[test]
fn direct_messages_and_interactions_are_always_kept() {
    let direct = r#"{"author":{"id":"9"},"content":"hi"}"#;
    assert_eq!(classify("MESSAGE_CREATE", direct, ME), keep(Class::DirectMessage, None));
    assert_eq!(
        classify("INTERACTION_CREATE", r#"{"guild_id":"42"}"#, ME),
        keep(Class::Interaction, Some(42))
    );
    assert_eq!(classify("INTERACTION_CREATE", r#"{"id":"1"}"#, ME), keep(Class::Interaction, None));
}

#[test]
fn what_changes_a_server_is_kept_and_what_support_does_not_use_is_dropped() {
    assert_eq!(classify("GUILD_DELETE", r#"{"id":"42"}"#, ME), keep(Class::Server, Some(42)));
    assert_eq!(classify("GUILD_ROLE_CREATE", r#"{"guild_id":"42"}"#, ME), keep(Class::Server, Some(42)));
    assert_eq!(classify("THREAD_UPDATE", r#"{"guild_id":"42"}"#, ME), keep(Class::Thread, Some(42)));
    assert_eq!(classify("TYPING_START", r#"{"guild_id":"42"}"#, ME), Verdict::Drop(Dropped::Unused));
    assert_eq!(classify("PRESENCE_UPDATE", r#"{"guild_id":"42"}"#, ME), Verdict::Drop(Dropped::Unused));
}

#[test]
fn a_server_is_reduced_to_what_its_owner_needs() {
    let data = r#"{"members":[{"user":{"id":"1"}}],"id":"42","name":"A \"B\" \u00e9","icon":null,
        "channels":[{"id":"5","type":0,"name":"help","topic":"x"}],
        "roles":[{"id":"6","name":"staff","permissions":"8","color":1}],"system_channel_id":"5"}"#;
    let Verdict::Keep { class: Class::Server, server: Some(42), payload: Payload::Reduced(reduced) } =
        classify("GUILD_CREATE", data, ME)
    else {
        panic!("kept and reduced")
    };
    let reduced: serde_json::Value = serde_json::from_slice(&reduced).expect("JSON");
    assert_eq!(reduced["name"], "A \"B\" é");
    assert_eq!(reduced["channels"][0]["name"], "help");
    assert_eq!(reduced["roles"][0]["permissions"], "8");
    assert!(reduced.get("members").is_none() && reduced["channels"][0].get("topic").is_none());
}

#[test]
fn a_frame_is_read_without_looking_into_its_data() {
    let text = r#"{"t":"MESSAGE_CREATE","s":5,"op":0,"d":{"t":"X","s":9,"op":1}}"#;
    let data = r#"{"t":"X","s":9,"op":1}"#;
    assert_eq!(frame(text), Frame::Dispatch { sequence: 5, kind: "MESSAGE_CREATE", data });
    assert_eq!(frame(r#"{"t":null,"s":null,"op":9,"d":true}"#), Frame::InvalidSession { resumable: true });
    assert_eq!(frame(r#"{"t":null,"s":null,"op":7,"d":null}"#), Frame::Reconnect);
    assert_eq!(frame(r#"{"t":null,"s":null,"op":11}"#), Frame::Other);
    assert_eq!(frame("nonsense"), Frame::Malformed { sequence: None });
}

#[test]
fn a_malformed_event_is_named_so_and_nothing_else() {
    assert_eq!(classify("MESSAGE_CREATE", r#"{"guild_id":42}"#, ME), Verdict::Drop(Dropped::Malformed));
    assert_eq!(classify("GUILD_CREATE", r#"{"id":"x"}"#, ME), Verdict::Drop(Dropped::Malformed));
}

#[test]
fn ready_names_the_session_and_the_servers_to_come() {
    let data = r#"{"v":10,"user":{"id":"7"},"guilds":[{"id":"42","unavailable":true}],
        "session_id":"abc","resume_gateway_url":"wss://r","application":{"id":"8","flags":0}}"#;
    let Verdict::Ready(ready) = classify("READY", data, ME) else { panic!("ready") };
    assert_eq!(ready.identity(), ME);
    assert_eq!(ready.servers().collect::<Vec<_>>(), [42]);
}
