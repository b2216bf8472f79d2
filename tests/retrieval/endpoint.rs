//! What is left when the embeddings endpoint is away, slow or wrong.

use std::time::{Duration, Instant};

use helpline::worker::vectors::{self, Error};

use super::*;

/// Shares a word with its document, and another with none.
const GATE: &str = "when is the gate's bill";

#[tokio::test]
async fn questions_are_looked_up_by_their_words_when_the_model_is_away_slow_or_wrong() {
    let room = Room::new(Mode::Ok).await;
    room.embed(&*room.embedder("about").await).await;
    for mode in [
        Mode::ServerError,
        Mode::Slow(Duration::from_secs(60)),
        Mode::Garbage,
        Mode::Endless,
        Mode::OneLess,
        Mode::OtherLength,
    ] {
        room.endpoint.set(mode);
        let embedder = room.patient_embedder("about", Duration::from_millis(150)).await;
        let retriever = room.retriever(&embedder);
        let started = Instant::now();
        assert_eq!(found(&retriever, GATE).await.as_deref(), Some("Evenings"), "{mode:?}");
        assert!(started.elapsed() < Duration::from_secs(3), "{mode:?} took {:?}", started.elapsed());
    }
    room.endpoint.set(Mode::Ok);
    let both = found(&room.retriever(&room.embedder("about").await), GATE).await;
    assert!(both.is_some());
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_left_alone_for_a_while() {
    let room = Room::new(Mode::Ok).await;
    room.embed(&*room.embedder("about").await).await;
    let embedder = room.patient_embedder("about", Duration::from_millis(150)).await;
    let retriever = room.retriever(&embedder);
    room.endpoint.set(Mode::Slow(Duration::from_secs(60)));
    let before = room.endpoint.count();
    for _ in 0..12 {
        assert_eq!(found(&retriever, GATE).await.as_deref(), Some("Evenings"));
    }
    assert_eq!(room.endpoint.count() - before, 5, "after five in a row nobody waits for it");
}

#[tokio::test]
async fn passages_are_tried_again_and_what_the_endpoint_refuses_is_left_out() {
    let room = Room::new(Mode::AtMost(2)).await;
    let embedder = room.embedder("about").await;
    room.embed(&embedder).await;
    assert_eq!(room.models().await.len(), 3);
    assert_eq!(embedder.batch(), 1, "three were too many, and half of them is one");
    room.store("# Odd\n\nPlease refuse me at the entrance.").await;
    room.endpoint.set(Mode::Choosy);
    room.embed(&embedder).await;
    assert_eq!(room.models().await.len(), 3, "one has no vector, and nothing waits for it");
    assert_eq!(found(&room.retriever(&embedder), "entrance").await.as_deref(), Some("Odd"), "its words do");
    room.store("# More\n\nThe umbrella stands outside.").await;
    room.endpoint.set(Mode::Shuffled);
    room.embed(&embedder).await;
    assert_eq!(room.models().await.len(), 5);
}

#[tokio::test]
async fn an_endpoint_that_is_down_leaves_passages_to_be_done_later() {
    let room = Room::new(Mode::ServerError).await;
    let embedder = room.embedder("about").await;
    let down = vectors::turn(&room.database, std::slice::from_ref(&room.fence), &embedder, SERVER).await;
    assert!(matches!(down, Err(Error::Model(_))), "{down:?}");
    assert!(room.models().await.is_empty());
    assert_eq!(room.endpoint.count(), 3, "it was tried three times");
    room.endpoint.set(Mode::Ok);
    room.embed(&embedder).await;
    assert_eq!(room.models().await.len(), 3);
}
