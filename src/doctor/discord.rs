//! Looks at Discord with the bot's token: whether it is taken, what it may, and how many sessions are left.
//!
//! Sources: <https://discord.com/developers/docs/resources/application#application-object-application-flags>,
//! <https://discord.com/developers/docs/resources/user#get-current-user-guilds>.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use twilight_model::guild::Permissions;

use super::{Deployment, Finding, Notes, PATIENCE, Verdict};
use crate::commands::{self, config::texts::NEEDED};
use crate::proxy::rest::Rest;
use crate::proxy::setup::{Gateway, REFUSED_TOKEN};

/// The application may read the content of messages: approved, or in fewer than 100 servers.
const MAY_READ_CONTENT: u64 = (1 << 18) | (1 << 19);
/// Servers that are looked at: one page of Discord's.
const SERVERS: usize = 200;
/// The header of the date has whole seconds.
const DATE_DOUBT: Duration = Duration::from_secs(1);

pub(super) async fn examine(deployment: &Deployment) -> Vec<Finding> {
    let mut notes = Notes::of("discord");
    let Some(token) = &deployment.token else {
        notes.warn(
            "token",
            "not looked at: DISCORD_TOKEN is not set",
            "run this with the proxies' settings too; workers have no token",
        );
        return notes.findings;
    };
    let rest = match Rest::new(&deployment.discord_api_url, token.clone()) {
        Ok(rest) => rest,
        Err(error) => {
            notes.broken("connection", format!("{error:#}"), "mend this first");
            return notes.findings;
        }
    };
    let mut clocks = Notes::of("clocks");
    match get(&rest, "/users/@me").await {
        Ok((user, date)) => {
            notes.ok("token", format!("of the bot with id {}", user["id"].as_str().unwrap_or("unknown")));
            if let Some(date) = date {
                let offset = date - OffsetDateTime::now_utc();
                let offset_us = i64::try_from(offset.whole_microseconds()).unwrap_or_default();
                clocks.clock("discord", offset_us, DATE_DOUBT);
            }
        }
        Err(Failed::Refused) => {
            notes.broken("token", "Discord does not take it", REFUSED_TOKEN);
            return notes.findings;
        }
        Err(Failed::Other(why)) => {
            let to_do = "may this host reach discord.com by HTTPS? check DISCORD_API_URL, and https://discordstatus.com";
            notes.broken("connection", why, to_do);
            return notes.findings;
        }
    }
    application(&mut notes, &rest, deployment.message_content).await;
    sessions(&mut notes, &rest).await;
    servers(&mut notes, &rest).await;
    let mut found = notes.findings;
    found.extend(clocks.findings);
    found
}

enum Failed {
    Refused,
    Other(String),
}

async fn get(rest: &Rest, path: &str) -> Result<(Value, Option<OffsetDateTime>), Failed> {
    let asked = tokio::time::timeout(PATIENCE, async {
        let answer = rest.as_bot(Method::GET, path).send().await?;
        let status = answer.status();
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        // What HTTP calls GMT is +0000 there.
        let date = date.and_then(|date| OffsetDateTime::parse(&date.replace("GMT", "+0000"), &Rfc2822).ok());
        Ok::<_, reqwest::Error>((status, date, answer.bytes().await?))
    });
    match asked.await {
        Ok(Ok((StatusCode::UNAUTHORIZED, ..))) => Err(Failed::Refused),
        Ok(Ok((status, date, body))) if status.is_success() => match serde_json::from_slice(&body) {
            Ok(body) => Ok((body, date)),
            Err(_) => Err(Failed::Other(format!("GET {path} answered something else than documented"))),
        },
        Ok(Ok((status, ..))) => Err(Failed::Other(format!("GET {path} answered {status}"))),
        Ok(Err(error)) => Err(Failed::Other(error.without_url().to_string())),
        Err(_) => Err(Failed::Other(format!("GET {path}: no answer within {PATIENCE:?}"))),
    }
}

fn not_told(notes: &mut Notes, check: &'static str, failed: Failed) {
    let why = match failed {
        Failed::Refused => "refused".to_owned(),
        Failed::Other(why) => why,
    };
    notes.warn(check, why, "run this again in a moment");
}

async fn application(notes: &mut Notes, rest: &Rest, wanted: bool) {
    let application = match get(rest, "/applications/@me").await {
        Ok((application, _)) => application,
        Err(failed) => return not_told(notes, "intents", failed),
    };
    let may = application["flags"].as_u64().unwrap_or_default() & MAY_READ_CONTENT != 0;
    let (verdict, seen) = match (may, wanted) {
        (true, true) => (Verdict::Ok, "Message Content Intent granted, and used"),
        (true, false) => (Verdict::Ok, "Message Content Intent granted, not used (MESSAGE_CONTENT=false)"),
        (false, false) => {
            (Verdict::Ok, "Message Content Intent neither granted nor used (MESSAGE_CONTENT=false)")
        }
        (false, true) => {
            (Verdict::Broken, "Message Content Intent is not granted: the gateway refuses us (4014)")
        }
    };
    let to_do = "switch it on (https://discord.com/developers/applications, your application, Bot, Message Content Intent), or set \
                 MESSAGE_CONTENT=false for all proxies and workers";
    notes.judge("intents", verdict, seen, to_do);
    let Some(id) = application["id"].as_str() else { return };
    match get(rest, &format!("/applications/{id}/commands")).await {
        Ok((known, _)) => {
            let names = |list: &Value| -> Vec<String> {
                let all = list.as_array().into_iter().flatten();
                let mut names: Vec<String> =
                    all.filter_map(|command| command["name"].as_str()).map(str::to_owned).collect();
                names.sort();
                names
            };
            let (known, wanted) = (names(&known), names(&commands::registration()));
            let verdict = if known == wanted { Verdict::Ok } else { Verdict::Warning };
            let seen = format!(
                "{} of {} registered",
                known.iter().filter(|name| wanted.contains(name)).count(),
                wanted.len()
            );
            notes.judge("slash commands", verdict, seen, "start a proxy of this release: it registers them");
        }
        Err(failed) => not_told(notes, "slash commands", failed),
    }
}

async fn sessions(notes: &mut Notes, rest: &Rest) {
    let gateway = match get(rest, "/gateway/bot").await {
        Ok((gateway, _)) => serde_json::from_value::<Gateway>(gateway),
        Err(failed) => return not_told(notes, "sessions", failed),
    };
    let Ok(gateway) = gateway else {
        return notes.warn(
            "sessions",
            "GET /gateway/bot answered something else than documented",
            "check DISCORD_API_URL",
        );
    };
    let limit = &gateway.session_start_limit;
    let verdict = match limit.remaining {
        0 => Verdict::Broken,
        left if left < limit.total / 10 => Verdict::Warning,
        _ => Verdict::Ok,
    };
    let seen = format!(
        "{} of {} left today, Discord recommends {} gateway shards",
        limit.remaining, limit.total, gateway.shards
    );
    notes.judge("sessions", verdict, seen, "docs/runbooks/identify-budget-low.md");
}

/// Roles as they are in the whole server; a channel may take some away, which `/config show` tells its admins.
async fn servers(notes: &mut Notes, rest: &Rest) {
    let servers = match get(rest, &format!("/users/@me/guilds?limit={SERVERS}")).await {
        Ok((servers, _)) => servers.as_array().cloned().unwrap_or_default(),
        Err(failed) => return not_told(notes, "permissions", failed),
    };
    let needed = NEEDED.iter().fold(Permissions::empty(), |all, (permission, _)| all | *permission);
    let lacks = |server: &Value| {
        let held = server["permissions"].as_str().and_then(|bits| bits.parse().ok()).unwrap_or_default();
        let held = Permissions::from_bits_truncate(held);
        !held.contains(Permissions::ADMINISTRATOR) && !held.contains(needed)
    };
    let lacking: Vec<&str> =
        servers.iter().filter(|server| lacks(server)).filter_map(|server| server["id"].as_str()).collect();
    let seen = match (servers.len(), lacking.as_slice()) {
        (0, _) => "the bot is in no server yet".to_owned(),
        (all, []) => format!("what is needed, in all of {all} servers"),
        (all, some) => format!("something is missing in {} of {all} servers, as in {}", some.len(), some[0]),
    };
    let verdict = match (servers.len(), lacking.is_empty()) {
        (0, _) | (_, false) => Verdict::Warning,
        _ => Verdict::Ok,
    };
    let to_do = match servers.len() {
        0 => "invite it: the README has the link",
        _ => {
            "its admins see with /config show what is missing; the invite link of the README asks for everything"
        }
    };
    notes.judge("permissions", verdict, seen, to_do);
}
