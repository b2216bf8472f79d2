//! Builds the copies beside the partition in use, and keeps them like it.

use helpline_cluster::ids::ServerId;
use sqlx::{AssertSqlSafe, Connection, Row};
use uuid::Uuid;

use super::{Error, Session, catalog, database};

/// Conversations copied by one statement: a few tens of milliseconds.
const BATCH: usize = 2_000;
/// Told about every so many conversations.
const TELL_EVERY: u64 = 100_000;
/// So few noted changes are left to the next step.
const FEW_CHANGES: i64 = 100;

impl Session {
    /// Everything up to the swap: afterwards the copies are complete, checked, indexed, vacuumed and analysed, and
    /// differ from the partition in use by what is noted only. Returns how many conversations were copied.
    pub(super) async fn copy(&mut self, server: ServerId) -> Result<u64, Error> {
        self.execute("forget noted changes", "delete from helpline.conversation_changes").await?;
        self.execute("create the partitions", &fill(include_str!("sql/stage.sql"), server)).await?;
        // Waits for everybody who is writing: from the first copied row on every change is noted.
        self.patiently(
            "note changes",
            "create trigger note_conversation_change
             after insert or update or delete on helpline.conversations_default
             for each row execute function helpline.note_conversation_change()",
        )
        .await?;
        let copied = self.copy_all(server).await?;
        tracing::info!(copied, "copied the conversations; following what was written meanwhile");
        self.catch_up(server).await?;

        for table in [catalog::own_table(server), "helpline.conversations_default_next".to_owned()] {
            // Checked at once for all rows, instead of with every row that is copied.
            let key = format!("{}_server_id_fkey", table.trim_start_matches("helpline."));
            self.patiently(
                "refer to the servers",
                &format!(
                    "alter table {table} add constraint {key}
                     foreign key (server_id) references public.servers (id) on delete cascade not valid"
                ),
            )
            .await?;
            self.patiently("refer to the servers", &format!("alter table {table} validate constraint {key}"))
                .await?;
            self.execute("vacuum and analyse the copies", &format!("vacuum (analyze) {table}")).await?;
        }
        self.catch_up(server).await?;
        self.verify(server).await?;
        Ok(copied)
    }

    async fn copy_all(&mut self, server: ServerId) -> Result<u64, Error> {
        const STEP: &str = "copy the conversations";
        let columns = self.columns(STEP).await?;
        let statement = fill(include_str!("sql/copy.sql"), server)
            .replace("{columns}", &columns.join(", "))
            .replace("{batch}", &BATCH.to_string());
        let (mut server_id, mut id) = (i64::MIN, Uuid::nil());
        let mut copied: u64 = 0;
        loop {
            let last = sqlx::query(AssertSqlSafe(statement.as_str()))
                .bind(server_id)
                .bind(id)
                .fetch_optional(&mut self.connection)
                .await
                .map_err(database(STEP))?;
            let Some(last) = last else { break };
            (server_id, id) = (last.get(0), last.get(1));
            copied += BATCH as u64;
            if copied.is_multiple_of(TELL_EVERY) {
                tracing::info!(copied, "copying the conversations");
            }
        }
        self.count(server).await
    }

    async fn count(&mut self, server: ServerId) -> Result<u64, Error> {
        let own = catalog::own_table(server);
        let statement = format!(
            "select (select count(*) from {own}) + (select count(*) from helpline.conversations_default_next)"
        );
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(statement))
            .fetch_one(&mut self.connection)
            .await
            .map_err(database("count the copies"))?;
        Ok(count.unsigned_abs())
    }

    /// The columns of a conversation that are written; quoted.
    async fn columns(&mut self, step: &'static str) -> Result<Vec<String>, Error> {
        sqlx::query_scalar!(
            r#"select format('%I', a.attname) as "column!" from pg_attribute a
               where a.attrelid = 'helpline.conversations_default'::regclass
                   and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
               order by a.attnum"#
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(database(step))
    }

    /// Copies anew what was written since it was copied, until little is left.
    pub(super) async fn catch_up(&mut self, server: ServerId) -> Result<(), Error> {
        while self.apply_changes(server).await? > FEW_CHANGES {}
        Ok(())
    }

    async fn apply_changes(&mut self, server: ServerId) -> Result<i64, Error> {
        const STEP: &str = "follow what is written";
        let mut transaction = self.snapshot(STEP).await?;
        let applied = apply(&mut transaction, server).await.map_err(database(STEP))?;
        transaction.commit().await.map_err(database(STEP))?;
        Ok(applied)
    }

    /// One snapshot for all statements: what is noted and the conversations themselves belong together.
    async fn snapshot(&mut self, step: &'static str) -> Result<sqlx::Transaction<'_, sqlx::Postgres>, Error> {
        self.connection.begin_with("begin isolation level repeatable read").await.map_err(database(step))
    }

    /// Compares every conversation with its copy.
    async fn verify(&mut self, server: ServerId) -> Result<(), Error> {
        const STEP: &str = "compare the copies";
        let columns = self.columns(STEP).await?;
        let of = |table: &str| {
            columns.iter().map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
        };
        let statement = fill(include_str!("sql/verify.sql"), server)
            .replace("{columns}", &columns.join(", "))
            .replace("{of_default}", &of("d"))
            .replace("{of_copy}", &of("c"));
        let mut transaction = self.snapshot(STEP).await?;
        apply(&mut transaction, server).await.map_err(database(STEP))?;
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(statement))
            .fetch_one(&mut *transaction)
            .await
            .map_err(database(STEP))?;
        transaction.commit().await.map_err(database(STEP))?;
        if rows == 0 { Ok(()) } else { Err(Error::Differs { rows }) }
    }
}

async fn apply(connection: &mut sqlx::PgConnection, server: ServerId) -> sqlx::Result<i64> {
    let own = catalog::own_table(server);
    let statement = format!(
        "select helpline.apply_conversation_changes({}, '{own}', 'helpline.conversations_default_next')",
        server.db()
    );
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(connection).await
}

/// A statement about the partition of this server.
pub(super) fn fill(statement: &str, server: ServerId) -> String {
    statement.replace("{server}", &server.db().to_string())
}
