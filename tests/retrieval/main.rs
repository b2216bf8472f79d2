//! Searching by meaning beside searching by words: where vectors come from, who writes them, and what is left without.

mod dense;
#[path = "../support/embedding_server.rs"]
mod embedding_server;
mod endpoint;
mod model;
mod scale;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use embedding_server::{EmbeddingServer, Mode, about};
use helpline::answer::retrieve::Retriever;
use helpline::config::Secret;
use helpline::embedding::{self, Embedder, Source, endpoint as api};
use helpline::knowledge::import;
use helpline::knowledge::passages::Format;
use helpline::worker::vectors::{self, Turn};
use helpline_cluster::database::Database;
use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{Epoch, ServerId, ShardId, WorkerId};
use sqlx::PgPool;
use support::TestDb;
use uuid::Uuid;

const SERVER: ServerId = ServerId(811_000_000_000_000_001);
const SHARD: ShardId = ShardId(3);
const INVOICES: &str = "# Paying\n\nInvoices are sent by mail on the first of the month.";
const GATES: &str = "# Evenings\n\nThe gate closes at ten.";
const BACKUPS: &str = "# Nights\n\nBackups are made while you sleep.";

/// A server with a few documents, its owner, and an embeddings endpoint.
struct Room {
    db: TestDb,
    database: Database,
    endpoint: EmbeddingServer,
    fence: Fence,
}

impl Room {
    async fn new(mode: Mode) -> Self {
        helpline::telemetry::install_crypto();
        let db = TestDb::new().await;
        let fence = claim(&db.pool).await;
        add_server(&db.pool, SERVER).await;
        let room = Self {
            database: Database::from(db.role("helpline_worker")),
            db,
            endpoint: EmbeddingServer::start(mode, about).await,
            fence,
        };
        for text in [INVOICES, GATES, BACKUPS] {
            room.store(text).await;
        }
        room
    }

    async fn store(&self, text: &str) {
        let document = import::check("untitled", Format::Markdown, text.as_bytes()).expect("it is valid");
        import::store(&self.db.pool, SERVER, &document).await.expect("it is stored");
    }

    async fn embedder(&self, model: &str) -> Arc<Embedder> {
        self.patient_embedder(model, Duration::from_secs(5)).await
    }

    async fn patient_embedder(&self, model: &str, patience: Duration) -> Arc<Embedder> {
        let url = self.endpoint.url.parse().expect("a URL");
        let config = api::Config { url, key: Some(Secret::new("sk-test")), name: model.to_owned() };
        let config = embedding::Config { source: Source::Endpoint(config), patience };
        Arc::new(Embedder::open(config).await.expect("a client"))
    }

    fn retriever(&self, embedder: &Arc<Embedder>) -> Retriever {
        Retriever::new(self.database.clone()).with_embedder(Some(Arc::clone(embedder)))
    }

    /// Takes turns until all passages have their vectors.
    async fn embed(&self, embedder: &Embedder) {
        let turn = vectors::turn(&self.database, std::slice::from_ref(&self.fence), embedder, SERVER).await;
        assert_eq!(turn.expect("the model answers"), Turn::Done);
    }

    /// Models that the vectors of the server are of, one for each vector.
    async fn models(&self) -> Vec<String> {
        sqlx::query_scalar("select model from helpline.knowledge_vectors order by model")
            .fetch_all(&self.db.pool)
            .await
            .expect("they are read")
    }
}

/// The title of the best document.
async fn found(retriever: &Retriever, question: &str) -> Option<String> {
    let found = retriever.retrieve(SERVER, "en", question, &[]).await.expect("the search works");
    found.passages.into_iter().next().map(|passage| passage.title)
}

async fn claim(pool: &PgPool) -> Fence {
    let owner = WorkerId::random();
    let (epoch, claim_token): (i64, Uuid) = sqlx::query_as(
        "update helpline.shard_fences
         set epoch = epoch + 1, claim_token = gen_random_uuid(), owner = $2, claimed_at = clock_timestamp()
         where shard_id = $1 returning epoch, claim_token",
    )
    .bind(SHARD.db())
    .bind(owner.db())
    .fetch_one(pool)
    .await
    .expect("the shard has a fence row");
    Fence { shard: SHARD, epoch: Epoch::from_db(epoch), claim_token, owner }
}

async fn add_server(pool: &PgPool, server: ServerId) {
    sqlx::query(
        "with s as (insert into public.servers (id, name, config) values ($1, 'Test', '{\"language\": \"en\"}') returning id)
         insert into public.server_shards (server_id, shard_id) select id, $2 from s",
    )
    .bind(server.db())
    .bind(SHARD.db())
    .execute(pool)
    .await
    .expect("the server is added");
}
