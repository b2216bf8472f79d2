//! Registering commands over REST, and what members may fill into them.

use crate::support::{Gateway, Rest, entry, id, simulator};
use helpline_sim::{ActionError, Kind, Simulator};
use serde_json::{Value, json};

fn global(simulator: &Simulator) -> String {
    format!("/applications/{}/commands", simulator.config().bot.get())
}

fn of_guild(simulator: &Simulator, at: usize) -> String {
    let server = &simulator.servers()[at];
    format!("/applications/{}/guilds/{}/commands", simulator.config().bot.get(), server.id.get())
}

fn option(name: &str, kind: u8) -> Value {
    json!({"name": name, "description": "what", "type": kind})
}

fn command(name: &str, options: Value) -> Value {
    json!({"name": name, "description": "what", "options": options})
}

#[tokio::test]
async fn a_command_is_created_read_changed_and_deleted() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    for path in [global(&simulator), of_guild(&simulator, 0)] {
        let mut new = command("Ask", json!([]));
        assert_eq!(rest.call("POST", &path, new.clone()).await.1["code"], 50_035, "upper case");
        new["name"] = json!("ask");
        let (status, made) = rest.call("POST", &path, new.clone()).await;
        assert_eq!((status, &made["type"], &made["nsfw"]), (201, &json!(1), &json!(false)));
        assert_eq!(made["guild_id"].is_string(), path.contains("guilds"));
        let (status, again) = rest.call("POST", &path, new).await;
        assert_eq!((status, &again["id"]), (200, &made["id"]), "the same name is the same command");
        assert_ne!(again["version"], made["version"]);
        let one = format!("{path}/{}", id(&made));
        let (_, changed) = rest.call("PATCH", &one, json!({"description": "new"})).await;
        assert_eq!((&changed["description"], &changed["name"]), (&json!("new"), &json!("ask")));
        rest.call("POST", &path, command("other", json!([]))).await;
        assert_eq!(rest.call("PATCH", &one, json!({"name": "other"})).await.1["code"], 40_041);
        assert_eq!(rest.get(&one).await.1["description"], "new");
        assert_eq!(rest.try_send("DELETE", &one, None).await.unwrap().status(), 204);
        assert_eq!(rest.get(&one).await.1["code"], 10_063);
        assert_eq!(rest.get(&path).await.1.as_array().unwrap().len(), 1);
    }
    assert!(rest.get(&of_guild(&simulator, 1)).await.1.as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_discord_refuses_about_a_command_is_refused_at_its_path() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let sub = json!({"name": "sub", "description": "x", "type": 1});
    let group = json!({"name": "group", "description": "x", "type": 2, "options": [sub]});
    let many: Vec<Value> = (0..26).map(|n| option(&format!("o{n}"), 3)).collect();
    let mut required = option("late", 3);
    required["required"] = json!(true);
    let mut both = option("both", 3);
    (both["autocomplete"], both["choices"]) = (json!(true), json!([{"name": "a", "value": "a"}]));
    let mut bounds = option("n", 4);
    (bounds["min_value"], bounds["max_value"]) = (json!(5), json!(4));
    let mut choice = option("n", 4);
    choice["choices"] = json!([{"name": "a", "value": "text"}]);
    let cases = [
        (json!({"description": "x"}), "name"),
        (json!({"name": "x".repeat(33), "description": "x"}), "name"),
        (json!({"name": "two words", "description": "x"}), "name"),
        (json!({"name": "x"}), "description"),
        (json!({"name": "x", "description": "x".repeat(101)}), "description"),
        (json!({"name": "x", "type": 2, "description": "x"}), "description"),
        (
            json!({"name": "x", "description": "x", "default_member_permissions": "many"}),
            "default_member_permissions",
        ),
        (json!({"name": "x", "description": "x", "contexts": [7]}), "contexts"),
        (
            json!({"name": "x", "description": "x", "name_localizations": {"xx": "y"}}),
            "name_localizations.xx",
        ),
        (command("x", json!(many)), "options"),
        (command("x", json!([option("a", 3), option("a", 3)])), "options.1"),
        (command("x", json!([option("a", 12)])), "options.0.type"),
        (command("x", json!([sub, option("a", 3)])), "options.1"),
        (
            command("x", json!([{"name": "s", "description": "x", "type": 1, "options": [group]}])),
            "options.0.options.0.type",
        ),
        (command("x", json!([option("a", 3), required])), "options.1"),
        (command("x", json!([both])), "options.0.autocomplete"),
        (command("x", json!([bounds])), "options.0"),
        (command("x", json!([choice])), "options.0.choices.0.value"),
    ];
    for (command, path) in cases {
        let (status, body) = rest.call("POST", &global(&simulator), command.clone()).await;
        assert_eq!((status, &body["code"]), (400, &json!(50_035)), "{command}");
        let at = path.split('.').fold(&body["errors"], |errors, part| &errors[part]);
        assert!(at["_errors"][0]["code"].is_string(), "{path} in {body}");
    }
    let good = command(
        "x",
        json!([group, {"name": "sub2", "description": "x", "type": 1, "options": [option("a", 3)]}]),
    );
    assert_eq!(rest.call("POST", &global(&simulator), good).await.0, 201);
}

#[tokio::test]
async fn commands_are_limited_in_number_and_in_creations_a_day() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let list = |n: usize, kind: u64, tag: &str| -> Value {
        let one = |at: usize| {
            let description = if kind == 1 { "x" } else { "" };
            json!({"name": format!("{tag}{at}"), "type": kind, "description": description})
        };
        (0..n).map(one).collect()
    };
    let path = global(&simulator);
    assert_eq!(rest.call("PUT", &path, list(101, 1, "a")).await.1["code"], 30_032);
    assert_eq!(rest.call("PUT", &path, list(16, 3, "m")).await.1["code"], 30_032);
    let twice = json!([command("a", json!([])), command("a", json!([]))]);
    assert_eq!(rest.call("PUT", &path, twice).await.1["code"], 50_035);
    assert_eq!(rest.call("PUT", &path, list(100, 1, "a")).await.0, 200);
    assert_eq!(rest.call("POST", &path, command("more", json!([]))).await.1["code"], 30_032);
    assert_eq!(rest.call("PUT", &path, list(100, 1, "b")).await.0, 200);
    assert_eq!(rest.call("PUT", &path, list(100, 1, "b")).await.0, 200, "nothing new in it");
    assert_eq!(rest.call("PUT", &path, list(1, 1, "c")).await.1["code"], 30_034, "201 creations in a day");
    let elsewhere = of_guild(&simulator, 0);
    assert_eq!(rest.call("PUT", &elsewhere, list(1, 1, "c")).await.0, 200, "each server has its own count");
}

#[tokio::test]
async fn localisations_are_kept_and_listed_when_asked_for() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let mut new = command("ask", json!([option("question", 3)]));
    new["name_localizations"] = json!({"de": "frage"});
    new["options"][0]["description_localizations"] = json!({"fr": "quoi"});
    let (_, made) = rest.call("PUT", &global(&simulator), json!([new])).await;
    assert_eq!(made[0]["name_localizations"]["de"], "frage");
    let plain = rest.get(&global(&simulator)).await.1;
    assert!(plain[0].get("name_localizations").is_none());
    let whole = rest.get(&format!("{}?with_localizations=true", global(&simulator))).await.1;
    assert_eq!(whole[0]["options"][0]["description_localizations"]["fr"], "quoi");
}

#[tokio::test]
async fn options_are_filled_in_as_the_client_lets_a_member() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let mut text = option("text", 3);
    (text["required"], text["min_length"], text["max_length"]) = (json!(true), json!(2), json!(5));
    let mut count = option("count", 4);
    (count["min_value"], count["max_value"]) = (json!(1), json!(3));
    let mut kind = option("kind", 3);
    kind["choices"] = json!([{"name": "Bug", "value": "bug"}]);
    let mut channel = option("channel", 7);
    channel["channel_types"] = json!([0]);
    let options = json!([
        text,
        count,
        option("yes", 5),
        kind,
        option("who", 6),
        option("role", 8),
        channel,
        option("log", 11)
    ]);
    rest.call("PUT", &global(&simulator), json!([command("ask", options)])).await;
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[0].clone();
    let stranger = simulator.servers()[1].members[0];
    let slash = |options: &[(&str, Value)]| {
        simulator.slash(server.general_channel, server.members[0], "ask", options)
    };
    let wrong: [(&str, &[(&str, Value)]); 11] = [
        ("text", &[]),
        ("text", &[("text", json!("a"))]),
        ("text", &[("text", json!("abcdef"))]),
        ("text", &[("text", json!(5))]),
        ("other", &[("text", json!("abc")), ("other", json!("x"))]),
        ("count", &[("text", json!("abc")), ("count", json!(4))]),
        ("count", &[("text", json!("abc")), ("count", json!(1.5))]),
        ("yes", &[("text", json!("abc")), ("yes", json!("true"))]),
        ("kind", &[("text", json!("abc")), ("kind", json!("idea"))]),
        ("who", &[("text", json!("abc")), ("who", json!(stranger))]),
        ("channel", &[("text", json!("abc")), ("channel", json!("5"))]),
    ];
    for (name, options) in wrong {
        match slash(options) {
            Err(ActionError::BadOption(option, _)) => assert_eq!(option, name),
            other => panic!("{options:?} gave {other:?}"),
        }
    }
    slash(&[
        ("text", json!("abc")),
        ("count", json!(3)),
        ("yes", json!(true)),
        ("kind", json!("Bug")),
        ("who", json!(server.members[1])),
        ("role", json!(server.support_role)),
        ("channel", json!(server.support_channel)),
        ("log", json!({"filename": "a.log", "text": "oops"})),
    ])
    .unwrap();
    let event = gateway.event("INTERACTION_CREATE").await;
    let filled = event["data"]["options"].as_array().unwrap();
    let values: Vec<&Value> = filled.iter().map(|option| &option["value"]).collect();
    assert_eq!(values[..4], [&json!("abc"), &json!(3), &json!(true), &json!("bug")]);
    assert_eq!(filled[4], json!({"name": "who", "type": 6, "value": server.members[1]}));
    let resolved = &event["data"]["resolved"];
    let member = server.members[1].get().to_string();
    assert_eq!(resolved["users"][&member]["id"], member);
    assert!(resolved["members"][&member]["permissions"].is_string());
    assert!(resolved["members"][&member].get("user").is_none(), "partial members have no user");
    assert_eq!(resolved["roles"][server.support_role.get().to_string()]["name"], "support");
    assert_eq!(resolved["channels"][server.support_channel.get().to_string()]["type"], 0);
    let file = &resolved["attachments"][values[7].as_str().unwrap()];
    assert_eq!((&file["filename"], &file["size"]), (&json!("a.log"), &json!(4)));
    assert_eq!(rest.fetch(file["url"].as_str().unwrap()).await, (200, "oops".to_owned()));
}

#[tokio::test]
async fn sub_commands_and_groups_stand_around_their_options() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let mut key = option("key", 3);
    key["required"] = json!(true);
    let set = json!({"name": "set", "description": "x", "type": 1, "options": [key]});
    let group = json!({"name": "text", "description": "x", "type": 2, "options": [set]});
    rest.call("PUT", &global(&simulator), json!([command("config", json!([group]))])).await;
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[0].clone();
    let slash = |command: &str| {
        simulator.slash(server.general_channel, server.members[0], command, &[("key", json!("v"))])
    };
    assert!(matches!(slash("config"), Err(ActionError::BadOption(..))), "a sub-command has to be chosen");
    assert!(matches!(slash("config text get"), Err(ActionError::BadOption(..))));
    slash("config text set").unwrap();
    let event = gateway.event("INTERACTION_CREATE").await;
    let inner = json!([{"name": "key", "type": 3, "value": "v"}]);
    let sub = json!([{"name": "set", "type": 1, "options": inner}]);
    assert_eq!(event["data"]["options"], json!([{"name": "text", "type": 2, "options": sub}]));
    let said = entry(&simulator, |kind| matches!(kind, Kind::Interaction { .. })).await;
    assert!(matches!(&said.kind, Kind::Interaction { command: Some(name), .. } if name == "config text set"));
}

#[tokio::test]
async fn a_command_is_offered_only_where_and_to_whom_it_should_be() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let with = |name: &str, field: &str, value: Value| {
        let mut command = command(name, json!([]));
        command[field] = value;
        command
    };
    let commands = json!([
        with("manage", "default_member_permissions", json!("8192")),
        with("admin", "default_member_permissions", json!("0")),
        with("adult", "nsfw", json!(true)),
        with("server", "contexts", json!([0])),
        with("private", "contexts", json!([1])),
        command("any", json!([])),
    ]);
    assert_eq!(rest.call("PUT", &global(&simulator), commands).await.0, 200);
    rest.call("PUT", &of_guild(&simulator, 0), json!([command("here", json!([]))])).await;
    let server = simulator.servers()[0].clone();
    let other = simulator.servers()[1].clone();
    let (member, staff, owner) = (server.members[0], server.staff[1], server.staff[0]);
    let in_server = |user, name: &str| simulator.slash(server.general_channel, user, name, &[]);
    let in_dm = |name: &str| simulator.slash(simulator.dm_channel(member).unwrap(), member, name, &[]);
    let hidden = |result| matches!(result, Err(ActionError::NotOffered(..)));
    assert!(hidden(in_server(member, "manage")));
    in_server(staff, "manage").unwrap();
    assert!(hidden(in_server(member, "admin")) && hidden(in_server(staff, "admin")));
    in_server(owner, "admin").unwrap();
    assert!(hidden(in_server(member, "adult")));
    assert!(hidden(in_server(member, "private")) && hidden(in_dm("server")));
    in_dm("private").unwrap();
    in_dm("any").unwrap();
    in_server(member, "here").unwrap();
    let unknown = |result| matches!(result, Err(ActionError::UnknownCommand(_)));
    assert!(unknown(in_dm("here")), "a server's own command");
    assert!(unknown(simulator.slash(other.general_channel, other.members[0], "here", &[])));
}

#[tokio::test]
async fn choices_are_offered_while_typing() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let mut topic = option("topic", 3);
    (topic["autocomplete"], topic["required"]) = (json!(true), json!(true));
    rest.call("PUT", &global(&simulator), json!([command("ask", json!([topic, option("n", 4)]))])).await;
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[0].clone();
    let typing = |options: &[(&str, Value)], focused: &str| {
        simulator.autocomplete(server.general_channel, server.members[0], "ask", options, focused)
    };
    assert!(matches!(typing(&[("n", json!(1))], "n"), Err(ActionError::BadOption(..))));
    let opened = typing(&[("topic", json!("bil"))], "topic").unwrap();
    let event = gateway.event("INTERACTION_CREATE").await;
    assert_eq!(event["type"], 4);
    let focused = json!({"name": "topic", "type": 3, "value": "bil", "focused": true});
    assert_eq!(event["data"]["options"], json!([focused]));
    let path = format!("/interactions/{}/{}/callback", id(&event), event["token"].as_str().unwrap());
    let choice = |n: usize| json!({"name": format!("c{n}"), "value": format!("v{n}")});
    let answer = |choices: Vec<Value>| json!({"type": 8, "data": {"choices": choices}});
    assert_eq!(
        rest.call("POST", &path, json!({"type": 4, "data": {"content": "x"}})).await.1["code"],
        50_035
    );
    assert_eq!(rest.call("POST", &path, answer((0..26).map(choice).collect())).await.1["code"], 50_035);
    let wrong = vec![json!({"name": "c", "value": 5})];
    assert_eq!(rest.call("POST", &path, answer(wrong)).await.1["code"], 50_035, "a number for a text");
    assert_eq!(rest.call("POST", &path, answer((0..25).map(choice).collect())).await.0, 204);
    assert_eq!(simulator.choices(opened).unwrap()[24], choice(24));
    entry(&simulator, |kind| matches!(kind, Kind::ChoicesShown { names, .. } if names.len() == 25)).await;
    assert_eq!(rest.call("POST", &path, answer(vec![])).await.1["code"], 40_060);
}
