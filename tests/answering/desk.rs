//! A chat model at its desk: the answerer over a real endpoint and a real Postgres, without the rest of the cluster.

use std::time::Duration;

use helpline::answer::model::{self, Model, client};
use helpline::answer::retrieve::Retriever;
use helpline::answer::{Answer, AnswerRequest, Answerer, Turn};
use helpline::config::Secret;
use helpline::knowledge::import;
use helpline::knowledge::passages::Format;
use helpline_cluster::database::Database;
use helpline_cluster::ids::ServerId;

use crate::model_server::{Mode, ModelServer};
use crate::settled::{BACKUPS, REFUNDS};
use crate::support::{TestDb, run};

pub const REFUND: &str = "how long do I have to ask for a refund?";
pub const SERVER: ServerId = ServerId(7);

pub struct Desk {
    pub db: TestDb,
    pub server: ModelServer,
    pub model: Model,
}

/// Settings for an endpoint of a test: impatient, with a key.
pub fn settings(url: &str) -> model::Config {
    model::Config {
        endpoint: client::Config {
            url: url.parse().expect("a URL"),
            key: Some(Secret::new("sk-test")),
            name: "test-model".to_owned(),
            deadline: Duration::from_secs(4),
            idle: Duration::from_millis(400),
        },
        calls: 8,
        calls_per_server: 2,
        tokens_per_server: 0,
        tokens_per_worker: 0,
    }
}

impl Desk {
    /// A server with two documents.
    pub async fn new(mode: Mode) -> Self {
        Self::with(mode, |_| {}).await
    }

    pub async fn with(mode: Mode, shape: impl FnOnce(&mut model::Config)) -> Self {
        helpline::telemetry::install_crypto();
        let (db, server) = (TestDb::new().await, ModelServer::start(mode).await);
        let database = Database::from(db.role("helpline_worker"));
        let mut config = settings(&server.url);
        shape(&mut config);
        let model = Model::new(config, &database, Retriever::new(database.clone())).expect("a client");
        let desk = Self { db, server, model };
        desk.settle(SERVER, &[REFUNDS, BACKUPS]).await;
        desk
    }

    pub async fn settle(&self, server: ServerId, documents: &[&str]) {
        run(&self.db.pool, format!("insert into servers (id, name) values ({}, 'test')", server.get())).await;
        for text in documents {
            let document =
                import::check("document.md", Format::Markdown, text.as_bytes()).expect("a document");
            import::store(&self.db.pool, server, &document).await.expect("the document is stored");
        }
    }

    pub async fn ask(&self, question: &str) -> Answer {
        self.answer(&request(SERVER, question, &[])).await
    }

    pub async fn answer(&self, request: &AnswerRequest) -> Answer {
        self.model.answer(request).await.expect("the stores work")
    }
}

pub fn request(server: ServerId, question: &str, history: &[Turn]) -> AnswerRequest {
    AnswerRequest {
        server,
        language: "en".to_owned(),
        system_prompt: String::new(),
        question: question.to_owned(),
        history: history.to_vec(),
        lang: helpline::texts::Lang::En,
    }
}
