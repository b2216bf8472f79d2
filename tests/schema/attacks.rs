//! Attacks on the schema from outside, as data: who, what, and what must come of it. Each family has controls, in
//! which somebody entitled does the same, so that no attack fails for a mistake of its own.
//!
//! A database is prepared the way Supabase prepares it (default privileges that open everything, everybody may
//! create in public), migrated, and filled so that no table is empty. An attack is a session of its own that commits
//! what it can; then the owner compares all rows, and all that the catalogue holds of rights, with what was there
//! before. `cargo test --test schema attacks -- --nocapture` prints the counts.

mod bounds;
mod catalogue;
mod claims;
mod escalation;
mod leaks;
mod postgrest;
mod services;
mod snapshot;
mod target;
mod tenancy;
mod ways_of_tickets;

use std::collections::HashSet;
use std::sync::Mutex;

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Either, PgConnection};

use target::{Target, Who};

/// What must come of an attack.
#[derive(Debug, Clone, Copy)]
pub enum Expect {
    /// One of these SQLSTATEs.
    Refused(&'static [&'static str]),
    /// The last statement neither changes nor shows a row.
    NoRow,
    /// The first column of the last statement's first row.
    Answer(&'static str),
}

/// insufficient_privilege: no grant, or a row that a policy refuses.
pub const DENIED: Expect = Expect::Refused(&["42501"]);

#[derive(Debug, Clone)]
pub struct Attack {
    pub name: String,
    pub who: Who,
    /// One transaction. Placeholders as in [`target::fill`].
    pub statements: Vec<String>,
    pub expect: Expect,
    /// Ends in a rollback: what it does on the way may be lawful, what it says is the point.
    pub undone: bool,
}

/// The same by somebody entitled: every statement is carried out, the last touches or shows a row.
#[derive(Debug, Clone)]
pub struct Control {
    pub who: Who,
    pub statements: Vec<String>,
}

pub fn attack(name: &str, who: &Who, statements: &[&str], expect: Expect) -> Attack {
    Attack {
        name: name.to_owned(),
        who: who.clone(),
        statements: statements.iter().map(|statement| target::fill(statement)).collect(),
        expect,
        undone: false,
    }
}

impl Attack {
    pub fn undone(self) -> Self {
        Self { undone: true, ..self }
    }
}

pub fn control(who: &Who, statements: &[&str]) -> Control {
    let statements = statements.iter().map(|statement| target::fill(statement)).collect();
    Control { who: who.clone(), statements }
}

/// What a statement did, as far as a test can see it.
#[derive(Debug)]
struct Reply {
    rows: u64,
    first: Option<String>,
}

async fn execute(connection: &mut PgConnection, statement: &str) -> Result<Reply, String> {
    let mut reply = Reply { rows: 0, first: None };
    let mut results = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_many(connection);
    loop {
        match results.try_next().await {
            Ok(Some(Either::Left(done))) => reply.rows = reply.rows.max(done.rows_affected()),
            Ok(Some(Either::Right(row))) => {
                use sqlx::{Row, ValueRef};
                let value = (!row.is_empty()).then(|| row.try_get_raw(0).expect("a first column"));
                if let Some(value) = value
                    && !value.is_null()
                    && reply.first.is_none()
                {
                    reply.first = Some(value.as_str().expect("text").to_owned());
                }
            }
            Ok(None) => return Ok(reply),
            Err(sqlx::Error::Database(error)) => return Err(error.code().expect("errors have codes").into()),
            Err(error) => panic!("{statement}: {error}"),
        }
    }
}

/// Runs statements until one is refused.
async fn run_all(connection: &mut PgConnection, statements: &[String]) -> Result<Reply, String> {
    let mut reply = Reply { rows: 0, first: None };
    for statement in statements {
        reply = execute(connection, statement).await.map_err(|code| format!("{code} ({statement})"))?;
    }
    Ok(reply)
}

/// Why an attack counts as through; none when it was beaten off.
fn judge(expect: Expect, outcome: &Result<Reply, String>) -> Option<String> {
    let through = match (expect, outcome) {
        (Expect::Refused(codes), Err(code)) => !codes.contains(&&code[..5]),
        (Expect::NoRow, Ok(reply)) => reply.rows != 0,
        (Expect::Answer(answer), Ok(reply)) => reply.first.as_deref() != Some(answer),
        (Expect::Refused(_), Ok(_)) | (Expect::NoRow | Expect::Answer(_), Err(_)) => true,
    };
    through.then(|| format!("{outcome:?} instead of {expect:?}"))
}

/// Runs a family: the controls first, then every attack, and fails with the list of those that got through.
/// `least` keeps a family from shrinking unnoticed.
pub async fn run(target: &Target, family: &str, attacks: Vec<Attack>, controls: Vec<Control>, least: usize) {
    for Control { who, statements } in &controls {
        let mut session = target.session(who).await;
        match run_all(&mut session, statements).await {
            Ok(reply) if reply.rows > 0 => {}
            outcome => panic!("control of {family}: {who}: {statements:?}: {outcome:?}"),
        }
    }
    let distinct: HashSet<_> = attacks.iter().map(|a| (a.who.to_string(), &a.statements)).collect();
    assert_eq!(distinct.len(), attacks.len(), "{family} counts an attack twice");

    let mut before = target.snapshot.take(&target.db.pool).await;
    let mut through = Vec::new();
    for attack in &attacks {
        let mut session = target.session(&attack.who).await;
        let outcome = run_all(&mut session, &attack.statements).await;
        let end = if attack.undone { "rollback" } else { "commit" };
        // A deferred constraint may refuse at the end. The session itself may be gone by now.
        let _ = execute(&mut session, end).await;
        let mut why = judge(attack.expect, &outcome);
        let after = target.snapshot.take(&target.db.pool).await;
        if let Some(changed) = before.difference(&after) {
            why = Some(format!("{} changed; {outcome:?}", changed.join(", ")));
            before = after;
        }
        if let Some(why) = why {
            through.push(format!("{} ({}): {:?}: {why}", attack.name, attack.who, attack.statements));
        }
    }
    report(family, attacks.len(), least, &through);
}

/// Prints and judges a family's count.
pub fn report(family: &str, attacks: usize, least: usize, through: &[String]) {
    static SO_FAR: Mutex<(usize, usize)> = Mutex::new((0, 0));
    let (all, all_through) = {
        let mut so_far = SO_FAR.lock().expect("no test panics while it counts");
        *so_far = (so_far.0 + attacks, so_far.1 + through.len());
        *so_far
    };
    println!(
        "{family}: {attacks} attacks, {} through (so far in this run {all}, {all_through} through)",
        through.len()
    );
    assert!(through.is_empty(), "{family}: {} got through:\n{}", through.len(), through.join("\n"));
    assert!(attacks >= least, "{family} has only {attacks} attacks left of {least}");
}
