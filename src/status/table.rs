//! The status as people read it in a terminal.

use std::fmt;

use helpline_cluster::budgets::Budgets;

use super::{GatewayShard, Member, Shard, Status, Store, Waiting};

/// So many shards are shown one by one; of more, those alone with which something is not as it should be.
const FEW: usize = 64;

/// See the module's documentation.
#[derive(Debug)]
pub struct Table<'a> {
    pub status: &'a Status,
    /// Every shard, however many there are.
    pub all: bool,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        write!(f, "Postgres {}  Redis {}", Word(&status.postgres), Word(&status.redis))?;
        if let Some(ms) = status.stale_ms {
            write!(f, "  (of Postgres: as it was {} ago)", age(ms / 1_000))?;
        }
        if let Some(waiting) = &status.waiting {
            head(f, status)?;
            waiting_line(f, waiting)?;
        }
        match &status.budgets {
            Some(budgets) => budget_lines(f, budgets)?,
            None => write!(f, "\nbudgets: not known without Redis")?,
        }
        if status.waiting.is_none() {
            return write!(f, "\nshards, workers and proxies: not known without Postgres");
        }
        members(f, "worker", "shards", &status.workers)?;
        members(f, "proxy", "gateway shards", &status.proxies)?;
        gateways(f, &status.gateway_shards)?;
        self.shards(f)
    }
}

impl Table<'_> {
    fn shards(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shards = &self.status.shards;
        let few = self.all || shards.len() <= FEW;
        let shown: Vec<&Shard> = shards.iter().filter(|shard| few || stands_out(shard)).collect();
        if !shown.is_empty() {
            write!(
                f,
                "\n\n{:>6}  {:<8}  {:<24}  {:>7}  {:>8}  {:>8}  {:>8}  {:>7}  {:>6}  {:>6}",
                "shard",
                "status",
                "owner",
                "epoch",
                "servers",
                "behind",
                "waits",
                "leaving",
                "coming",
                "held"
            )?;
        }
        for shard in &shown {
            let behind = shard.behind.map_or_else(|| "-".to_owned(), |behind| behind.to_string());
            let waits = shard.waits_ms.map_or_else(|| "-".to_owned(), seconds);
            write!(
                f,
                "\n{:>6}  {:<8}  {:<24}  {:>7}  {:>8}  {:>8}  {:>8}  {:>7}  {:>6}  {:>6}",
                shard.id,
                shard.status,
                shard.owner_name.as_deref().unwrap_or("- nobody"),
                shard.epoch,
                shard.servers,
                behind,
                waits,
                shard.leaving,
                shard.coming,
                shard.held
            )?;
        }
        match shards.len() - shown.len() {
            0 => Ok(()),
            rest => {
                write!(f, "\n{rest} more shards have an owner and nothing waits in them (--all shows them)")
            }
        }
    }
}

fn stands_out(shard: &Shard) -> bool {
    let waits = shard.behind.is_some_and(|behind| behind > 0) || shard.held > 0;
    shard.owner.is_none() || waits || shard.leaving > 0 || shard.coming > 0
}

struct Word<'a>(&'a Store);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Store::Answers => "answers",
            Store::Away { .. } => "IS AWAY",
            Store::NotAsked { .. } => "not asked (set its URL)",
        })
    }
}

fn head(f: &mut fmt::Formatter<'_>, status: &Status) -> fmt::Result {
    let it = &status.summary;
    write!(f, "\n{} shards, {} without an owner", it.shards, it.without_owner)?;
    if status.redis.answers() && status.stale_ms.is_none() {
        write!(f, "; {} events behind, the oldest waits {}", it.behind, seconds(it.longest_wait_ms))?;
    }
    write!(f, "\n{} gateway shards, {} with their session", it.gateway_shards, it.gateway_shards_up)?;
    match status.gateway_sets.iter().find(|set| set.state == "rising") {
        Some(set) => write!(f, "; their number changes to {}", set.total),
        None => Ok(()),
    }
}

fn waiting_line(f: &mut fmt::Formatter<'_>, waiting: &Waiting) -> fmt::Result {
    let oldest = |seconds: Option<i64>| match seconds {
        Some(seconds) => format!(" (oldest {})", age(u64::try_from(seconds).unwrap_or_default())),
        None => String::new(),
    };
    write!(
        f,
        "\nwaiting: {} questions{}, {} messages to Discord{}; {} dead letters, {} open gaps",
        count(waiting.questions),
        oldest(waiting.oldest_question_s),
        count(waiting.effects),
        oldest(waiting.oldest_effect_s),
        count(waiting.dead_letters),
        count(waiting.open_gaps)
    )
}

fn count(number: i64) -> String {
    match number {
        Waiting::MOST => format!("{number} or more"),
        _ => number.to_string(),
    }
}

fn budget_lines(f: &mut fmt::Formatter<'_>, budgets: &Budgets) -> fmt::Result {
    match budgets.identifies {
        Some(it) => {
            write!(f, "\nidentifies: {} of {} left, new ones in {}", it.left, it.total, age(it.reset_in_s))?;
        }
        None => write!(f, "\nidentifies: not known yet, no proxy has asked Discord today")?,
    }
    let rest = budgets.rest;
    write!(
        f,
        "\nREST: {} requests in this second, {} proxies share the limit",
        rest.in_this_second, rest.proxies
    )?;
    if rest.proxies_waiting > 0 {
        write!(f, ", requests of {} wait for it", rest.proxies_waiting)?;
    }
    let invalid = budgets.invalid_requests;
    write!(f, "\nrefused by Discord: {} in 10 minutes (it bans at 10000", invalid.refused)?;
    if let Some(at) = invalid.held_back_at {
        write!(f, ", we hold back at {at}")?;
    }
    write!(f, "){}", if invalid.is_held_back { ": HELD BACK NOW" } else { "" })
}

fn members(f: &mut fmt::Formatter<'_>, kind: &str, holds: &str, members: &[Member]) -> fmt::Result {
    if members.is_empty() {
        return write!(f, "\n\nno {kind} is running");
    }
    write!(f, "\n\n{kind:<24}  {holds:>14}  {:>8}  {:>10}  {:>9}", "servers", "running", "heartbeat")?;
    for member in members {
        write!(
            f,
            "\n{:<24}  {:>14}  {:>8}  {:>10}  {:>9}{}",
            member.name,
            member.holds,
            if kind == "worker" { member.servers.to_string() } else { "-".to_owned() },
            age(u64::try_from(member.running_s).unwrap_or_default()),
            seconds(u64::try_from(member.silent_ms).unwrap_or_default()),
            if member.draining { "  leaving" } else { "" }
        )?;
    }
    Ok(())
}

/// Those with which something is not as it should be; the others are counted with their proxy.
fn gateways(f: &mut fmt::Formatter<'_>, gateways: &[GatewayShard]) -> fmt::Result {
    let odd: Vec<_> =
        gateways.iter().filter(|it| !it.up || it.owner_name.is_none() || it.phase != "serving").collect();
    for gateway in odd.iter().take(FEW) {
        write!(
            f,
            "\ngateway shard {} of {}: {}, {}, held by {}",
            gateway.id,
            gateway.total,
            gateway.phase,
            if gateway.up { "session up" } else { "no session" },
            gateway.owner_name.as_deref().unwrap_or("nobody")
        )?;
    }
    match odd.len().saturating_sub(FEW) {
        0 => Ok(()),
        more => write!(f, "\n{more} more gateway shards without their session"),
    }
}

/// Milliseconds as seconds.
fn seconds(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => age(ms / 1_000),
    }
}

fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
