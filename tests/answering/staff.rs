//! The bot beside staff: when it leaves the talk to them, and what they list.

use helpline_sim::ids::UserId;
use helpline_sim::matching::QuestionId;
use helpline_sim::transcript::BotMessage;
use serde_json::json;

use crate::support::{eventually, run};
use crate::ticket_desk::{BACKUP, REFUND, forwarded, helper, press, shows, told, town};

#[tokio::test]
async fn the_bot_is_quiet_after_staff_spoke_unless_it_is_addressed() {
    let town = town().await;
    let _worker = town.worker();
    let answer = town.answer(town.ask(0, REFUND)).await;
    let (asker, thread) = (town.member(0), answer.channel);
    town.say(thread, town.server(0).members[1], "same here");
    assert!(
        town.answer(town.say(thread, asker, BACKUP)).await.content.contains("Backups"),
        "a member is no staff"
    );
    town.say(thread, helper(&town, 1), "let me look into this");
    let unheard = town.say(thread, asker, BACKUP);
    let addressed = town.say(thread, asker, &format!("{} {BACKUP}", town.sim.bot_mention()));
    assert!(town.answer(addressed).await.content.contains("Backups"));
    let options = [("question", json!(BACKUP))];
    let slash = town.sim.slash(thread, asker, "ask", &options).expect("the command exists");
    assert!(town.answer(QuestionId::Interaction(slash)).await.content.contains("Backups"));
    town.at_rest().await;
    assert!(town.answers(unheard).is_empty());
    // As if it had been said half an hour ago.
    run(
        &town.db.pool,
        "update conversations set transcript = (
             select jsonb_agg(case when turn ->> 'by_staff' = 'true'
                 then turn || jsonb_build_object('at', to_char(now() - interval '30 minutes', 'YYYY-MM-DD\"T\"HH24:MI:SSOF\":00\"'))
                 else turn end order by n)
             from jsonb_array_elements(transcript) with ordinality as turns (turn, n))",
    )
    .await;
    assert!(town.answer(town.say(thread, asker, BACKUP)).await.content.contains("Backups"));
}

#[tokio::test]
async fn a_conversation_that_goes_back_to_the_bot_is_answered_at_once() {
    let town = town().await;
    let _worker = town.worker();
    let (answer, message) = forwarded(&town).await;
    let (asker, thread, one) = (town.member(0), answer.channel, helper(&town, 1));
    told(&town, press(&town, &message, "claim", one)).await;
    town.say(thread, one, "I am on it");
    let unheard = town.say(thread, asker, BACKUP);
    let message = shows(&town, "**Claimed**").await;
    told(&town, press(&town, &message, "bot", one)).await;
    assert!(town.answer(town.say(thread, asker, BACKUP)).await.content.contains("Backups"));
    assert!(town.answers(unheard).is_empty());
}

#[tokio::test]
async fn staff_list_what_is_open_oldest_first_and_nobody_else_does() {
    let town = town().await;
    let _worker = town.worker();
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"tickets".to_owned()).then_some(())
    })
    .await;
    let list = async |member: UserId| {
        let used =
            town.sim.slash(town.server(0).general_channel, member, "tickets", &[]).expect("it is offered");
        told(&town, used).await
    };
    let one = helper(&town, 0);
    assert_eq!(list(one).await, "No ticket is open.");
    let (_, first) = forwarded(&town).await;
    let (_, second) = forwarded(&town).await;
    let (_, third) = forwarded(&town).await;
    told(&town, press(&town, &second, "claim", one)).await;
    told(&town, press(&town, &third, "bot", one)).await;
    let text = list(one).await;
    let link = |message: &BotMessage| {
        format!(
            "https://discord.com/channels/{}/{}/{}",
            town.server(0).id.get(),
            message.channel.get(),
            message.id.get()
        )
    };
    let places =
        [&first, &second].map(|message| text.find(&link(message)).unwrap_or_else(|| panic!("{text}")));
    assert!(places[0] < places[1] && !text.contains(&link(&third)), "{text}");
    assert!(
        text.starts_with("2 tickets are open") && text.contains(&format!("**claimed** by <@{}>", one.get()))
    );
    assert!(list(town.member(0)).await.starts_with("Only"));
    // Another server has its own.
    let theirs = town.sim.slash(town.server(1).general_channel, town.server(1).staff[0], "tickets", &[]);
    assert_eq!(told(&town, theirs.expect("it is offered")).await, "No ticket is open.");
}
