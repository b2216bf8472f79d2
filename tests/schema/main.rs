//! What the database promises whoever talks to it, run against a real Postgres.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod admins;
mod attacks;
mod interrupted;
mod load;
mod migrating;
mod partitions;
mod placing;
mod plans;
mod previous;
mod services;
mod tickets;
mod upkeep;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Two servers with an admin each and a document, a conversation, a ticket, a subscription, an invoice and a
/// day of analytics each.
struct TwoServers {
    ours: i64,
    theirs: i64,
    /// Admin of `ours` only.
    admin: Uuid,
    /// Signed in, admin of nothing.
    stranger: Uuid,
    plan: Uuid,
}

impl TwoServers {
    async fn create(pool: &PgPool) -> Self {
        let [admin, other_admin, stranger] = [(); 3].map(|()| Uuid::new_v4());
        for (n, user) in [admin, other_admin, stranger].into_iter().enumerate() {
            add_user(pool, user, &format!("{}", 5000 + n)).await;
        }
        let plan = sqlx::query_scalar!(
            "insert into public.billing_plans (name, price, interval) values ('Pro', 10, 'monthly') returning id"
        )
        .fetch_one(pool)
        .await
        .expect("a plan is added");
        let [ours, theirs] = [1_100_000_000_000_000_001, 1_100_000_000_000_000_002];
        for (server, user) in [(ours, admin), (theirs, other_admin)] {
            let statement = format!(
                "insert into public.servers (id, name) values ({server}, 'a server');
                 insert into public.server_admins (server_id, user_id) values ({server}, '{user}');
                 insert into public.knowledge_documents (server_id, title, content, file_type)
                 values ({server}, 'Opening hours', 'We are open from nine to five.', 'txt');
                 insert into public.conversations (server_id, channel_id, user_id, username, transcript)
                 values ({server}, '77', '88', 'ada', '[]');
                 insert into public.forwarded_tickets (server_id, conversation_id)
                 select server_id, id from public.conversations where server_id = {server};
                 insert into public.subscriptions
                     (server_id, plan_id, status, current_period_start, current_period_end)
                 values ({server}, '{plan}', 'active', now(), now() + interval '1 month');
                 insert into public.invoices (subscription_id, server_id, amount, status, invoice_date, due_date)
                 select id, server_id, 10, 'open', now(), now() from public.subscriptions
                 where server_id = {server};
                 insert into public.analytics (server_id, date) values ({server}, current_date);"
            );
            support::run(pool, statement).await;
        }
        Self { ours, theirs, admin, stranger, plan }
    }
}

async fn add_user(pool: &PgPool, id: Uuid, discord_id: &str) {
    let statement = format!(
        "insert into auth.users (id) values ('{id}');
         insert into public.users (id, discord_id, discord_username)
         values ('{id}', '{discord_id}', 'user {discord_id}');"
    );
    support::run(pool, statement).await;
}

/// Makes the rest of a transaction run as a dashboard's request does: the role, and who is signed in.
async fn become_user(transaction: &mut PgConnection, role: &str, user: Option<Uuid>) {
    let claims = user.map(|id| serde_json::json!({ "sub": id, "role": role }).to_string());
    sqlx::query("select set_config('request.jwt.claims', $1, true), set_config('role', $2, true)")
        .bind(claims.unwrap_or_default())
        .bind(role)
        .execute(transaction)
        .await
        .expect("the role can be taken");
}

/// What became of a statement: rows touched, or the SQLSTATE it was refused with.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Rows(u64),
    Refused(String),
}

/// insufficient_privilege: no grant, or a row that a policy's check refuses.
fn denied() -> Outcome {
    Outcome::Refused("42501".to_owned())
}

/// Runs one statement as that user in a transaction that is rolled back.
async fn attempt(pool: &PgPool, role: &str, user: Option<Uuid>, statement: &str) -> Outcome {
    let mut transaction = pool.begin().await.expect("a transaction begins");
    become_user(&mut transaction, role, user).await;
    outcome(&mut transaction, statement).await
}

async fn outcome(connection: &mut PgConnection, statement: &str) -> Outcome {
    match sqlx::query(sqlx::AssertSqlSafe(statement)).execute(connection).await {
        Ok(result) => Outcome::Rows(result.rows_affected()),
        Err(sqlx::Error::Database(error)) => {
            Outcome::Refused(error.code().expect("errors have codes").into())
        }
        Err(error) => panic!("{statement}: {error}"),
    }
}
