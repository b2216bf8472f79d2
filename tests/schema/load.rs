//! Conversations being read and written as workers do it, with a ledger of what must be found afterwards.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sqlx::{PgPool, Row};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{TestDb, run};

const LOAD: &str = include_str!("../../src/conversation/sql/load.sql");
const SAVE: &str = include_str!("../../src/conversation/sql/save.sql");

/// (server, conversation) -> (version in its transcript, its tickets).
type Ledger = HashMap<(i64, Uuid), (i64, i64)>;

/// What a writer saw.
#[derive(Debug, Default)]
pub struct Seen {
    ledger: Ledger,
    /// When each transaction of this kind of server began, and how long it took.
    pub others: Vec<(Instant, Duration)>,
    pub busy: Vec<(Instant, Duration)>,
}

/// Adds `count` conversations of a server, every tenth with a ticket.
pub async fn add_conversations(pool: &PgPool, server: i64, count: u32) {
    let statement = format!(
        "insert into public.servers (id, name) values ({server}, 'server {server}') on conflict do nothing;
         insert into public.conversations
             (server_id, channel_id, thread_id, user_id, username, transcript, status, created_at)
         select {server}, (1000 + n % 7)::text, '{server}-' || n, (n % 5000)::text, 'ada',
             jsonb_build_object('version', 0, 'said', repeat(md5(n::text), 1 + n % 40)),
             case when n % 10 = 0 then 'forwarded' when n % 50 = 1 then 'active' else 'completed' end,
             now() - n * interval '1 minute'
         from generate_series(1, {count}) n;
         insert into public.forwarded_tickets (server_id, conversation_id)
         select server_id, id from public.conversations where server_id = {server} and status = 'forwarded';"
    );
    run(pool, statement).await;
}

/// Writers and readers at work until [`Load::stop`].
pub struct Load {
    stop: CancellationToken,
    writers: JoinSet<Seen>,
    busy: i64,
}

impl Load {
    /// Four writers of the busy server and two of each other one.
    pub async fn start(db: &TestDb, busy: i64, others: &[i64], pause: Duration) -> Self {
        let mut load = Self { stop: CancellationToken::new(), writers: JoinSet::new(), busy };
        let ledger = read_all(&db.pool).await;
        let servers = std::iter::repeat_n(busy, 4).chain(others.iter().flat_map(|&other| [other; 2]));
        let mut shares: HashMap<i64, usize> = HashMap::new();
        for server in servers {
            // Each writer has conversations of its own, so that it knows what must be found.
            let share = shares.entry(server).or_default();
            let writers = if server == busy { 4 } else { 2 };
            let mine = ledger
                .iter()
                .filter(|((of, id), _)| *of == server && id.as_u128() % writers == *share as u128)
                .map(|(key, value)| (*key, *value))
                .collect();
            *share += 1;
            let (pool, stop) = (db.role("helpline_worker"), load.stop.clone());
            load.writers.spawn(async move { write(&pool, server, server == busy, mine, pause, stop).await });
        }
        load
    }

    /// Ends the writers and checks that the database holds exactly what they and nobody else wrote.
    pub async fn stop(mut self, pool: &PgPool) -> Seen {
        self.stop.cancel();
        let mut all = Seen::default();
        while let Some(seen) = self.writers.join_next().await {
            let seen = seen.expect("a writer met no error");
            all.ledger.extend(seen.ledger);
            all.others.extend(seen.others);
            all.busy.extend(seen.busy);
        }
        let mut found = read_all(pool).await;
        found.retain(|key, _| all.ledger.contains_key(key) || key.0 == self.busy);
        let lost = all.ledger.keys().filter(|key| !found.contains_key(key)).count();
        assert_eq!(lost, 0, "conversations lost");
        for (key, expected) in &all.ledger {
            assert_eq!(found[key], *expected, "{key:?}: (version, tickets)");
        }
        assert_eq!(found.len(), all.ledger.len(), "no conversation is there twice");
        all
    }
}

async fn read_all(pool: &PgPool) -> Ledger {
    let rows = sqlx::query(
        "select c.server_id, c.id, (c.transcript ->> 'version')::bigint, count(t.id)
         from public.conversations c
         left join public.forwarded_tickets t on t.server_id = c.server_id and t.conversation_id = c.id
         group by c.server_id, c.id, c.transcript",
    )
    .fetch_all(pool)
    .await
    .expect("conversations are read");
    rows.iter().map(|row| ((row.get(0), row.get(1)), (row.get(2), row.get(3)))).collect()
}

async fn write(
    pool: &PgPool,
    server: i64,
    is_busy: bool,
    ledger: Ledger,
    pause: Duration,
    stop: CancellationToken,
) -> Seen {
    let mut keys: Vec<_> = ledger.keys().copied().collect();
    let mut seen = Seen { ledger, ..Seen::default() };
    while !stop.is_cancelled() {
        let is_new = keys.is_empty() || fastrand::u8(..) < 60;
        let key = if is_new { (server, Uuid::new_v4()) } else { keys[fastrand::usize(..keys.len())] };
        let known = seen.ledger.get(&key).copied();
        let began = Instant::now();
        let tickets = transact(pool, key, known.map(|known| known.0)).await;
        let times = if is_busy { &mut seen.busy } else { &mut seen.others };
        times.push((began, began.elapsed()));
        let (version, before) = known.unwrap_or((-1, 0));
        seen.ledger.insert(key, (version + 1, before + tickets));
        if is_new {
            keys.push(key);
        }
        tokio::time::sleep(pause).await;
    }
    seen
}

/// Reads a conversation and writes its next version, now and then with a ticket or a job. Returns the new tickets.
async fn transact(pool: &PgPool, (server, id): (i64, Uuid), known: Option<i64>) -> i64 {
    let mut transaction = pool.begin().await.expect("a transaction begins");
    let row = sqlx::query(LOAD)
        .bind(server)
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await
        .expect("a conversation is looked for");
    let found = row.map(|row| row.get::<serde_json::Value, _>("transcript")["version"].as_i64());
    assert_eq!(found, known.map(Some), "a conversation is found as it was written");
    let transcript = serde_json::json!({ "version": known.unwrap_or(-1) + 1, "said": "and so on ".repeat(fastrand::usize(1..200)) });
    sqlx::query(SAVE)
        .bind(server)
        .bind(id)
        .bind("77")
        .bind(None::<String>)
        .bind("88")
        .bind("ada")
        .bind(transcript)
        .bind("active")
        // Nobody is waited for.
        .bind(None::<time::OffsetDateTime>)
        .bind(None::<time::OffsetDateTime>)
        .execute(&mut *transaction)
        .await
        .expect("a conversation is saved");
    let tickets = match fastrand::u8(..) {
        0..40 => {
            sqlx::query("insert into public.forwarded_tickets (server_id, conversation_id) values ($1, $2)")
                .bind(server)
                .bind(id)
                .execute(&mut *transaction)
                .await
                .expect("a ticket is opened");
            1
        }
        40..80 => {
            let job = "insert into helpline.answer_jobs (server_id, conversation_id, event_id, job)
                       values ($1, $2, $3, '{}')";
            sqlx::query(job)
                .bind(server)
                .bind(id)
                .bind(Uuid::new_v4().to_string())
                .execute(&mut *transaction)
                .await
                .expect("a job is added");
            0
        }
        _ => 0,
    };
    transaction.commit().await.expect("it commits");
    tickets
}

/// The p50, p99 and longest of the transactions that were under way in that time, in milliseconds.
pub fn quantiles(times: &[(Instant, Duration)], from: Instant, to: Instant) -> [f64; 3] {
    let mut took: Vec<_> = times
        .iter()
        .filter(|(began, took)| *began + *took >= from && *began <= to)
        .map(|(_, took)| took.as_secs_f64() * 1000.0)
        .collect();
    took.sort_by(f64::total_cmp);
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    [at(50), at(99), at(100)]
}
