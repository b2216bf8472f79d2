//! Vectors beside the passages: by whom they are written, when they are made anew, and that models never mix.

use std::time::Duration;

use helpline::worker::vectors::{self, Error, Turn};
use helpline_cluster::fence;
use sqlx::Row;

use super::*;

#[tokio::test]
async fn a_question_without_a_shared_word_finds_its_document_by_its_meaning() {
    let room = Room::new(Mode::Ok).await;
    let embedder = room.embedder("about").await;
    let retriever = room.retriever(&embedder);
    assert_eq!(found(&retriever, "when will I be billed?").await, None, "there are no vectors yet");
    assert_eq!(room.endpoint.count(), 0, "so the model is not asked for the question's");
    room.embed(&embedder).await;
    assert_eq!(found(&retriever, "when will I be billed?").await.as_deref(), Some("Paying"));
    assert_eq!(found(&retriever, "which entrance").await.as_deref(), Some("Evenings"));
    assert_eq!(found(&retriever, "when are backups made?").await.as_deref(), Some("Nights"));
    let keys = room.endpoint.keys();
    assert!(keys.iter().all(|key| key == "Bearer sk-test"), "{keys:?}");
    assert_eq!(room.endpoint.requests()[0]["input"][0].as_str().map(|text| text.lines().count()), Some(2));
}

#[tokio::test]
async fn a_document_that_a_dashboard_changed_is_embedded_again() {
    let room = Room::new(Mode::Ok).await;
    let embedder = room.embedder("about").await;
    let retriever = room.retriever(&embedder);
    room.embed(&embedder).await;
    room.embed(&embedder).await;
    let before = room.endpoint.count();
    assert_eq!(before, 1, "nothing is embedded twice");
    sqlx::query("update public.knowledge_documents set content = 'The umbrella stands outside.' where title = 'Nights'")
        .execute(&room.db.pool)
        .await
        .expect("changed");
    assert_ne!(found(&retriever, "my parasol").await.as_deref(), Some("Nights"));
    assert!(embedder.wanted().await.contains(&SERVER), "whoever asked said that vectors are missing");
    room.embed(&embedder).await;
    let asked = room.endpoint.requests();
    let inputs: Vec<usize> =
        asked.iter().map(|request| request["input"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(inputs[0], 3);
    assert_eq!(inputs.last(), Some(&1), "the document that changed, and no other");
    assert_eq!(found(&retriever, "my parasol").await.as_deref(), Some("Nights"));
}

#[tokio::test]
async fn two_models_never_mix() {
    let room = Room::new(Mode::Ok).await;
    let (one, other) = (room.embedder("one").await, room.embedder("other").await);
    room.embed(&one).await;
    let retriever = room.retriever(&other);
    assert_eq!(
        found(&retriever, "when will I be billed?").await,
        None,
        "what another model wrote is not read"
    );
    assert!(other.wanted().await.contains(&SERVER));
    room.embed(&other).await;
    assert_eq!(room.models().await, ["1:api:other"; 3]);
    assert_eq!(found(&retriever, "when will I be billed?").await.as_deref(), Some("Paying"));
}

#[tokio::test]
async fn who_is_not_the_owner_writes_no_vector() {
    let room = Room::new(Mode::Ok).await;
    let embedder = room.embedder("about").await;
    let turn = |fences: Vec<Fence>| {
        let (database, embedder) = (room.database.clone(), Arc::clone(&embedder));
        async move { vectors::turn(&database, &fences, &embedder, SERVER).await }
    };
    assert_eq!(turn(vec![]).await.expect("no error"), Turn::Elsewhere);
    let next = claim(&room.db.pool).await;
    let late = turn(vec![room.fence.clone()]).await;
    assert!(matches!(late, Err(Error::Fence(fence::Error::Superseded { .. }))), "{late:?}");
    assert!(room.models().await.is_empty());
    assert_eq!(turn(vec![next]).await.expect("the owner"), Turn::Done);
    assert_eq!(room.models().await.len(), 3);
}

#[tokio::test]
async fn a_passage_that_was_made_anew_meanwhile_does_not_get_the_old_ones_vector() {
    let room = Room::new(Mode::Slow(Duration::from_millis(300))).await;
    let embedder = room.embedder("about").await;
    let turn = {
        let (database, fence, embedder) = (room.database.clone(), room.fence.clone(), Arc::clone(&embedder));
        tokio::spawn(async move { vectors::turn(&database, &[fence], &embedder, SERVER).await })
    };
    support::eventually("the model is asked", async || (room.endpoint.count() > 0).then_some(())).await;
    room.store("# Nights\n\nThe umbrella stands outside.").await;
    assert!(turn.await.expect("no panic").is_ok());
    let titles: Vec<String> = sqlx::query(
        "select d.title from helpline.knowledge_vectors v join public.knowledge_documents d on d.id = v.document_id
         order by d.title",
    )
    .fetch_all(&room.db.pool)
    .await
    .expect("they are read")
    .iter()
    .map(|row| row.get(0))
    .collect();
    assert_eq!(titles, ["Evenings", "Paying"]);
    room.endpoint.set(Mode::Ok);
    room.embed(&embedder).await;
    assert_eq!(found(&room.retriever(&embedder), "my parasol").await.as_deref(), Some("Nights"));
}

#[tokio::test]
async fn vectors_go_with_their_document() {
    let room = Room::new(Mode::Ok).await;
    let embedder = room.embedder("about").await;
    room.embed(&embedder).await;
    sqlx::query("delete from public.knowledge_documents where title <> 'Paying'")
        .execute(&room.db.pool)
        .await
        .expect("deleted");
    assert_eq!(room.models().await.len(), 1);
    sqlx::query("delete from public.servers").execute(&room.db.pool).await.expect("deleted");
    assert!(room.models().await.is_empty());
}
