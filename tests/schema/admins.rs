//! Admins who are known by their Discord id before they ever signed in.

use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{TestDb, run};
use crate::{TwoServers, add_user};

#[tokio::test]
async fn a_pending_admin_becomes_admin_at_his_first_sign_in_and_nobody_else_does() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let statement = format!(
        "insert into helpline.pending_admins (server_id, discord_id)
         values ({ours}, '42'), ({theirs}, '42'), ({ours}, '43')",
        ours = servers.ours,
        theirs = servers.theirs
    );
    run(&db.pool, statement).await;
    let (awaited, other) = (Uuid::new_v4(), Uuid::new_v4());
    add_user(&db.pool, other, "41").await;
    add_user(&db.pool, awaited, "42").await;
    assert_eq!(servers_of(&db.pool, awaited).await, [servers.ours, servers.theirs]);
    assert!(servers_of(&db.pool, other).await.is_empty());
    let waiting: Vec<String> = sqlx::query_scalar("select discord_id from helpline.pending_admins")
        .fetch_all(&db.pool)
        .await
        .expect("pending admins are listed");
    assert_eq!(waiting, ["43"]);
}

async fn servers_of(pool: &PgPool, user: Uuid) -> Vec<i64> {
    sqlx::query_scalar!(
        "select server_id from public.server_admins where user_id = $1 order by server_id",
        user
    )
    .fetch_all(pool)
    .await
    .expect("admins are listed")
}
