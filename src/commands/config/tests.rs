use super::*;

const HERE: ServerId = ServerId(3);

/// A use of a subcommand, as Discord sends it.
fn using(data: Value) -> Interaction {
    let whole = json!({ "id": "1", "application_id": "2", "type": 2, "token": "t", "guild_id": "3",
        "channel_id": "4", "app_permissions": "0", "data": data });
    serde_json::from_value(whole).unwrap()
}

fn add(channel: &str, resolved: Value) -> Interaction {
    let option = json!({ "name": "channel", "type": 7, "value": channel });
    let sub = json!({ "name": "add", "type": 1, "options": [option] });
    using(json!({ "name": "config", "resolved": { "channels": resolved },
        "options": [{ "name": "channels", "type": 2, "options": [sub] }] }))
}

fn role(id: &str, resolved: Value) -> Interaction {
    let option = json!({ "name": "role", "type": 8, "value": id });
    using(json!({ "name": "config", "resolved": { "roles": resolved },
        "options": [{ "name": "support-role", "type": 1, "options": [option] }] }))
}

fn set_to(key: &str, value: &str) -> Request {
    Request::Set { key: key.to_owned(), value: value.to_owned() }
}

fn written(decision: &Decision) -> Value {
    match &decision.write {
        Some(Write::Merge(keys)) => keys.clone(),
        other => panic!("{other:?}: {}", decision.text),
    }
}

#[test]
fn a_channel_is_taken_when_it_is_of_this_server_and_the_bot_can_answer_there() {
    let all = Permissions::all().bits().to_string();
    let there = json!({ "5": { "id": "5", "type": 0, "guild_id": "3", "app_permissions": all } });
    assert_eq!(request(&add("5", there), HERE, Lang::En), Ok(Request::AddChannel(ChannelId(5))));
    // Discord does not say what the bot may do there.
    assert!(request(&add("5", json!({ "5": { "type": 5 } })), HERE, Lang::En).is_ok());
}

#[test]
fn a_channel_of_elsewhere_is_refused() {
    for resolved in [json!({}), json!({ "6": { "type": 0 } }), json!({ "5": { "type": 0, "guild_id": "9" } })]
    {
        assert_eq!(request(&add("5", resolved), HERE, Lang::En), Err(say!(Lang::En, "config-not-here")));
    }
    let voice = json!({ "5": { "type": 2 } });
    assert_eq!(request(&add("5", voice), HERE, Lang::En), Err(say!(Lang::En, "config-no-text-channel")));
}

#[test]
fn the_permissions_that_the_bot_lacks_in_a_channel_are_named() {
    let some =
        (Permissions::VIEW_CHANNEL | Permissions::SEND_MESSAGES | Permissions::READ_MESSAGE_HISTORY).bits();
    let resolved = json!({ "5": { "type": 0, "app_permissions": some.to_string() } });
    let told = request(&add("5", resolved), HERE, Lang::En).expect_err("it could not answer there");
    assert!(told.contains("<#5>") && told.contains("Create Public Threads"), "{told}");
    assert!(told.contains("Send Messages in Threads") && !told.contains("View Channel"), "{told}");
    // Of the channel in which the command is used Discord always says them.
    let told = request(&add("4", json!({ "4": { "type": 0 } })), HERE, Lang::En)
        .expect_err("it may do nothing there");
    assert!(told.contains("View Channel"), "{told}");
}

#[test]
fn everyone_and_roles_of_elsewhere_are_no_support_role() {
    assert_eq!(
        request(&role("3", json!({ "3": {} })), HERE, Lang::En),
        Err(say!(Lang::En, "config-everyone"))
    );
    assert_eq!(request(&role("7", json!({})), HERE, Lang::En), Err(say!(Lang::En, "config-not-here")));
    let (role_7, mentionable) = (RoleId(7), json!({ "7": { "mentionable": true } }));
    let pingable = Request::CallRole { role: role_7, pingable: true };
    assert_eq!(request(&role("7", mentionable), HERE, Lang::En), Ok(pingable));
    let silent = Request::CallRole { role: role_7, pingable: false };
    assert_eq!(request(&role("7", json!({ "7": {} })), HERE, Lang::En), Ok(silent.clone()));
    assert!(decide(&silent, "{}", Lang::En).text.contains("nobody would be notified"));
}

#[test]
fn set_takes_no_ids_and_no_key_that_is_unknown() {
    let set = |key: &str| {
        let options =
            json!([{ "name": "key", "type": 3, "value": key }, { "name": "value", "type": 3, "value": "7" }]);
        request(
            &using(
                json!({ "name": "config", "options": [{ "name": "set", "type": 1, "options": options }] }),
            ),
            HERE,
            Lang::En,
        )
    };
    assert_eq!(set("max_text_length"), Ok(set_to("max_text_length", "7")));
    for key in ["channels", "support_role_id", "theirs", "enabled=true,language"] {
        assert!(set(key).is_err(), "{key}");
    }
}

#[test]
fn what_is_set_is_written_alone_and_shown_with_what_it_was_and_means() {
    let stored = r#"{"language": "en", "theirs": 12345678901234567890123.10, "max_messages_per_user": 3}"#;
    let decision = decide(&set_to("language", "de"), stored, Lang::En);
    assert_eq!(written(&decision), json!({ "language": "de" }));
    assert!(decision.text.starts_with("`language`: `en` → `de`\n"), "{}", decision.text);
    let decision = decide(&set_to("enabled", "true"), stored, Lang::En);
    assert!(decision.text.contains("`false` (default) → `true`"), "{}", decision.text);
    assert!(decision.text.contains("/config channels add"), "there is no channel yet: {}", decision.text);
    let again = decide(&set_to("language", "en"), stored, Lang::En);
    assert_eq!(again.write, None);
    assert!(again.text.contains("already"), "{}", again.text);
    let reset = decide(&Request::Reset { key: "max_messages_per_user".to_owned() }, stored, Lang::En);
    assert_eq!(written(&reset), json!({ "max_messages_per_user": 10 }));
}

#[test]
fn a_bad_value_is_refused_with_what_the_key_takes() {
    let decision = decide(&set_to("max_text_length", "very"), "{}", Lang::En);
    assert_eq!(decision.write, None);
    assert!(decision.text.contains("a whole number of at least 1") && decision.text.contains("very"));
}

#[test]
fn channels_come_and_go_one_by_one() {
    let stored = r#"{"enabled": true, "channels": [5, "6"]}"#;
    assert_eq!(
        written(&decide(&Request::AddChannel(ChannelId(7)), stored, Lang::En)),
        json!({ "channels": ["5", "6", "7"] })
    );
    assert_eq!(
        written(&decide(&Request::RemoveChannel(ChannelId(5)), stored, Lang::En)),
        json!({ "channels": ["6"] })
    );
    let known = decide(&Request::AddChannel(ChannelId(6)), stored, Lang::En);
    assert!(known.write.is_none() && known.text.contains("already"), "{}", known.text);
    let unknown = decide(&Request::RemoveChannel(ChannelId(9)), stored, Lang::En);
    assert_eq!(unknown, told(say!(Lang::En, "config-no-support-channel", channel = ChannelId(9))));
}

#[test]
fn a_broken_config_is_shown_with_each_problem_and_how_to_mend_it() {
    let stored = r#"{"enabled": "yes", "channels": "here", "language": "de", "theirs": 1}"#;
    let Decision { write: None, text } = decide(&Request::Show, stored, Lang::En) else {
        panic!("show writes nothing")
    };
    for part in [
        "should be true or false, but is `\"yes\"`. Mend it: `/config set key:enabled`",
        "`/config reset key:channels`, then `/config channels add`",
        "`language`: `de`",
        "`theirs`",
        "last could stay in force",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // Mending one of them says what is left.
    let one = decide(&set_to("enabled", "true"), stored, Lang::En);
    assert_eq!(written(&one), json!({ "enabled": true }));
    assert!(one.text.contains("`channels` should be a list"), "{}", one.text);
    // Adding to what is no list would lose it.
    assert_eq!(decide(&Request::AddChannel(ChannelId(5)), stored, Lang::En).write, None);
}

#[test]
fn what_is_no_object_is_mended_by_a_reset_of_everything() {
    for stored in ["3", r#"{"theirs": 1e400}"#] {
        let shown = decide(&Request::Show, stored, Lang::En);
        assert!(
            shown.write.is_none() && shown.text.contains("/config reset key:everything"),
            "{}",
            shown.text
        );
        assert_eq!(decide(&set_to("enabled", "true"), stored, Lang::En).write, None);
        let reset = decide(&Request::ResetEverything, stored, Lang::En);
        let Some(Write::Replace(config)) = reset.write else { panic!("it is replaced") };
        assert_eq!(server_config::parse(&config), Ok(ServerConfig::default()));
    }
    let kept = decide(&Request::ResetEverything, r#"{"enabled": 4, "theirs": 1}"#, Lang::En);
    assert!(written(&kept).get("theirs").is_none() && kept.text.contains("`theirs`"), "it is merged");
}

#[test]
fn whatever_is_stored_fits_into_one_message_and_leaves_its_code() {
    let long = "`**@everyone** <@&1> ".repeat(3_000);
    let ids: Vec<String> = (1..500).map(|id| id.to_string()).collect();
    let mut stored = json!({ "system_prompt": long, "language": long, "channels": ids });
    for n in 0..100 {
        stored[format!("{n}{long}")] = json!(1);
    }
    for request in [Request::Show, set_to("system_prompt", "x"), Request::ResetEverything] {
        let text = decide(&request, &stored.to_string(), Lang::En).text;
        assert!(
            text.chars().count() <= crate::discord::MAX_CONTENT_CHARS,
            "{request:?}: {}",
            text.chars().count()
        );
        assert!(!text.contains("`**@everyone"), "{text}");
    }
}

#[test]
fn values_are_offered_by_key_and_by_what_is_typed() {
    let typing = |key: &str, typed: &str| {
        let options = json!([{ "name": "key", "type": 3, "value": key },
            { "name": "value", "type": 3, "value": typed, "focused": true }]);
        let data = json!({ "name": "config", "options": [{ "name": "set", "type": 1, "options": options }] });
        let offered = suggestions(&using(data), &ServerConfig::default(), Lang::En);
        offered.into_iter().map(|offer| (offer.value, offer.name)).collect::<Vec<_>>()
    };
    let values = |offers: Vec<(String, String)>| offers.into_iter().map(|offer| offer.0).collect::<Vec<_>>();
    assert_eq!(values(typing("enabled", "")), ["true", "false"]);
    assert_eq!(typing("enabled", "FA"), [("false".to_owned(), "false: support is off (now)".to_owned())]);
    assert_eq!(values(typing("language", "deu")), ["de"]);
    assert_eq!(typing("language", "").len(), MOST_CHOICES);
    assert_eq!(values(typing("max_messages_per_user", "7")), ["7"]);
    assert_eq!(values(typing("max_text_length", "2")), ["2", "2000"]);
    assert_eq!(values(typing("theirs", "")), [""; 0]);
    // Each of them is taken.
    for (key, _) in texts::SETTABLE {
        for (value, name) in typing(key, "") {
            assert!(
                decide(&set_to(key, &value), "{}", Lang::En).text.starts_with(&format!("`{key}`")),
                "{key}={value}"
            );
            assert!(
                !decide(&set_to(key, &value), "{}", Lang::En).text.contains("Nothing was changed"),
                "{key}={value}"
            );
            assert!(value.chars().count() <= MAX_CHOICE_CHARS && name.chars().count() <= MAX_CHOICE_CHARS);
        }
    }
}

#[test]
fn every_key_can_be_reset_and_is_set_somewhere() {
    let settable = texts::SETTABLE.iter().map(|(key, _)| *key);
    let mut by_some_command: Vec<_> = settable.chain(["channels", "support_role_id"]).collect();
    let mut keys: Vec<_> = server_config::keys().collect();
    by_some_command.sort_unstable();
    keys.sort_unstable();
    assert_eq!(by_some_command, keys);
}
