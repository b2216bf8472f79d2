//! A worker with a sentence model: it gives documents their vectors while it answers.

use std::time::Duration;

use helpline::embedding::{Config, Source, endpoint};

use crate::embedding_server::{EmbeddingServer, Mode, about};
use crate::harness::Town;
use crate::support::{eventually, run};

const WITHOUT_VECTOR: &str =
    "select count(*) from helpline.knowledge_passages p left join helpline.knowledge_vectors v
    using (server_id, document_id, ordinal) where v.model is null";

#[tokio::test]
async fn documents_get_their_vectors_while_questions_are_answered_with_or_without_the_model() {
    let (town, model) = (Town::new().await, EmbeddingServer::start(Mode::ServerError, about).await);
    let source =
        endpoint::Config { url: model.url.parse().expect("a URL"), key: None, name: "about".to_owned() };
    let config = Config { source: Source::Endpoint(source), patience: Duration::from_millis(500) };
    let _worker = town.worker_with_embedding(config);
    let answer = town.answer(town.ask(0, "how long do I have to ask for a refund?")).await;
    assert!(answer.content.contains("14 days"), "{}", answer.content);
    eventually("the model is asked for vectors", async || (model.count() > 0).then_some(())).await;
    assert_eq!(town.count("select count(*) from helpline.knowledge_vectors").await, 0);
    model.set(Mode::Ok);
    eventually("every passage that somebody asked for has its vector", async || {
        (town.count("select count(*) from helpline.knowledge_vectors").await > 0).then_some(())
    })
    .await;
    run(
        &town.db.pool,
        "update public.knowledge_documents set content = content || ' Umbrellas are not taken back.'",
    )
    .await;
    for server in [0, 1] {
        let answer = town.answer(town.ask(server, "how long do I have to ask for a refund?")).await;
        assert!(answer.content.contains("14 days"), "{}", answer.content);
    }
    eventually("what a dashboard changed has new vectors", async || {
        (town.count(WITHOUT_VECTOR).await == 0).then_some(())
    })
    .await;
}
