//! A server with support switched on and documents on refunds and backups.

use helpline::knowledge::import;
use helpline::knowledge::passages::Format;
use helpline_cluster::ids::ServerId;
use helpline_sim::Server;
use sqlx::PgPool;

use crate::support::run;

pub const REFUNDS: &str = "# Refunds\n\nYou can ask for a refund within 14 days of the purchase. \
    Write to billing with the number of the invoice. The money is back on your card after five working days.\n";
pub const BACKUPS: &str = "# Backups\n\nEvery night at three o'clock a backup of your world is made. \
    To restore a backup, stop the server, open the backups tab, choose a day and press restore.\n";

/// Puts a server on a shard, switches support on and imports the documents.
pub async fn settle(pool: &PgPool, server: &Server, shard: u32) {
    let id = server.id.get();
    let config = serde_json::json!({
        "enabled": true,
        "language": "en",
        "channels": [server.support_channel.get().to_string()],
        "support_role_id": server.support_role.get().to_string(),
        // Members of tests ask in a minute what people ask in a week.
        "max_messages_per_user": 1_000_000,
    });
    run(
        pool,
        format!(
            "insert into servers (id, name, config) values ({id}, 'test', '{config}');
             insert into server_shards (server_id, shard_id) values ({id}, {shard})"
        ),
    )
    .await;
    for text in [REFUNDS, BACKUPS] {
        let document =
            import::check("document.md", Format::Markdown, text.as_bytes()).expect("a good document");
        import::store(pool, ServerId(id), &document).await.expect("the document is stored");
    }
}
