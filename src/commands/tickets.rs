//! `/tickets`: what staff have to do, oldest first. Pure.

use helpline_cluster::ids::ServerId;

use crate::conversation::ticket::Open;
use crate::deliver::render::ticket::{link, mention, quote};
use crate::discord::MAX_CONTENT_CHARS;
use crate::texts::{Lang, say};

/// Room of what is quoted of a question.
const QUESTION_CHARS: usize = 100;
/// Room of the last line, which says how many there was no room for.
const REST_CHARS: usize = 60;

/// What is said: as many tickets as fit, and how many more there are. `total`: of all that are open.
pub fn list(lang: Lang, server: ServerId, open: &[Open], total: i64) -> String {
    if open.is_empty() {
        return say!(lang, "tickets-none");
    }
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let mut text = say!(lang, "tickets-open", total = count(total));
    let mut shown = 0;
    for (n, ticket) in (1..).zip(open) {
        let line = line(lang, server, n, ticket);
        if text.chars().count() + line.chars().count() + REST_CHARS > MAX_CONTENT_CHARS {
            break;
        }
        text.push_str(&line);
        shown = n;
    }
    match total - shown {
        0 => text,
        left => format!("{text}\n{}", say!(lang, "tickets-more", left = count(left))),
    }
}

fn line(lang: Lang, server: ServerId, n: i64, ticket: &Open) -> String {
    let who = match &ticket.assigned_to {
        Some(somebody) => say!(lang, "tickets-claimed", user = mention(somebody)),
        None => say!(lang, "tickets-waits"),
    };
    let place = ticket.channel.map(|channel| format!(" · {}", link(server, channel, ticket.message)));
    let since = ticket.forwarded_at.unix_timestamp();
    let question = quote(&ticket.question, QUESTION_CHARS);
    format!("\n{n}\\. <t:{since}:R> {who} · <@{}>{}\n{question}", ticket.asker, place.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::discord::{ChannelId, MessageId};

    fn open(assigned_to: Option<&str>, question: &str) -> Open {
        Open {
            assigned_to: assigned_to.map(str::to_owned),
            forwarded_at: OffsetDateTime::UNIX_EPOCH,
            asker: "9".to_owned(),
            channel: Some(ChannelId(100)),
            message: Some(MessageId(200)),
            question: question.to_owned(),
        }
    }

    #[test]
    fn each_ticket_says_who_has_it_and_leads_to_it() {
        let text = list(Lang::En, ServerId(1), &[open(None, "how?"), open(Some("70"), "why?")], 2);
        let there = "https://discord.com/channels/1/100/200";
        let expected = format!(
            "2 tickets are open, oldest first.\n1\\. <t:0:R> **waits** · <@9> · {there}\n> how?\n\
             2\\. <t:0:R> **claimed** by <@70> · <@9> · {there}\n> why?"
        );
        assert_eq!(text, expected);
        assert_eq!(list(Lang::En, ServerId(1), &[], 0), "No ticket is open.");
    }

    #[test]
    fn a_list_that_does_not_fit_says_how_much_is_left_out() {
        let many: Vec<Open> = (0..20).map(|_| open(None, &"`long` ".repeat(100))).collect();
        let text = list(Lang::En, ServerId(u64::MAX), &many, 1_234);
        let shown = text.matches("**waits**").count();
        assert!(text.chars().count() <= MAX_CONTENT_CHARS && shown >= 7, "{shown}");
        assert!(text.ends_with(&format!("And {} more, which came later.", 1_234 - shown)), "{text}");
    }
}
