//! The moment in which the copies become the partitions, and what is left to do after it.

use std::time::Duration;

use helpline_cluster::ids::ServerId;
use sqlx::AssertSqlSafe;

use super::{Error, Session, copy, database};

/// So many changes are applied while everybody waits.
const MOST_CHANGES: u32 = 200;
/// A swap that takes longer is rolled back: something is not as it should be.
const LONGEST: Duration = Duration::from_secs(15);

impl Session {
    /// Returns at which attempt it succeeded, and how long that one took.
    pub(super) async fn swap(&mut self, server: ServerId) -> Result<(u32, Duration), Error> {
        const STEP: &str = "swap the partitions";
        let statement = copy::fill(include_str!("sql/swap.sql"), server)
            .replace("{most_changes}", &MOST_CHANGES.to_string())
            .replace("{lock_timeout_ms}", &self.options.lock_timeout.as_millis().to_string());
        self.copying = Some(server);
        self.catch_up_if_copying().await?;
        self.execute(STEP, &format!("set statement_timeout = {}", LONGEST.as_millis())).await?;
        let done = self.patiently(STEP, &statement).await;
        self.copying = None;
        self.execute(STEP, "set statement_timeout = 0").await?;
        done
    }

    /// Between two attempts the others go on writing.
    pub(super) async fn catch_up_if_copying(&mut self) -> Result<(), Error> {
        match self.copying {
            Some(server) => self.catch_up(server).await,
            None => Ok(()),
        }
    }

    /// Checks the foreign keys that the swap made anew, then lets the old partition go. Runs any number of times.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        const STEP: &str = "check the foreign keys";
        let validations: Vec<String> = sqlx::query_scalar!(
            r#"select format('alter table %s validate constraint %I', f.conrelid::regclass, f.conname) as "sql!"
               from pg_constraint f
               where f.contype = 'f' and f.confrelid = 'public.conversations'::regclass
                   and f.conparentid = 0 and not f.convalidated"#
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(database(STEP))?;
        for statement in validations {
            self.patiently(STEP, &statement).await?;
        }
        self.patiently("remove the old partition", include_str!("sql/finish.sql")).await?;
        sqlx::query(AssertSqlSafe("delete from helpline.conversation_changes"))
            .execute(&mut self.connection)
            .await
            .map_err(database("forget noted changes"))?;
        Ok(())
    }
}
