//! Finds the passages of a server's knowledge that fit a question.
//!
//! Postgres parses and stems, this process ranks: the lexemes of a server's passages are held in memory and
//! checked against `helpline.knowledge_versions` at every question, so that a changed document is found by the
//! next one. A server's index is built from its own rows only; nothing is shared between servers.

mod cache;
mod evidence;
mod index;
mod rank;
mod typos;
pub mod vector;

pub use evidence::{Evidence, THRESHOLD};
pub use index::{Index, Row};
pub use rank::Query;

use super::{Speaker, Turn};
use crate::knowledge::{index as indexing, language};
use cache::{Cache, Key};
use helpline_cluster::database::{Database, Unowned};
use helpline_cluster::ids::ServerId;
use std::sync::Arc;
use uuid::Uuid;

/// Memory for indexes, in bytes, of one process; see [`Retriever::with_cache_bytes`].
pub const DEFAULT_CACHE_BYTES: usize = 256 * 1024 * 1024;
/// Weight of each of the two member turns before the question.
const EARLIER_TURN_WEIGHT: f32 = 0.5;
const EARLIER_TURNS: usize = 2;
/// Longest turn that is searched with, in characters.
const MAX_TURN_CHARS: usize = 4_000;

/// Why nothing could be retrieved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("reading from Postgres: {0}")]
    Database(#[from] sqlx::Error),
}

/// A passage that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub document_id: Uuid,
    pub title: String,
    /// Place of the passage in its document, from 0.
    pub ordinal: i32,
    /// Heading path; empty before the first heading.
    pub heading: String,
    pub content: String,
    pub score: f32,
}

/// What was found for a question: passages best first, at most three of each of ten documents.
#[derive(Clone, Debug, Default)]
pub struct Retrieved {
    pub passages: Vec<Found>,
    pub evidence: Evidence,
}

/// A question as it is looked up.
#[derive(Clone, Debug)]
pub struct Asked {
    key: Key,
    pub query: Query,
}

/// Retrieves passages; cheap to clone, one per process.
#[derive(Clone, Debug)]
pub struct Retriever {
    database: Database,
    cache: Arc<Cache>,
}

impl Retriever {
    pub fn new(database: impl Into<Database>) -> Self {
        Self::with_cache_bytes(database, DEFAULT_CACHE_BYTES)
    }

    /// Holds at most `bytes` of indexes. When they exceed it the ones not asked for longest are dropped; an index
    /// that is larger than the whole cache serves its question and is dropped too.
    pub fn with_cache_bytes(database: impl Into<Database>, bytes: usize) -> Self {
        Self { database: database.into(), cache: Arc::new(Cache::new(bytes)) }
    }

    /// Ranks the server's passages for a question. `history` are the turns before it, oldest first.
    pub async fn retrieve(
        &self,
        server: ServerId,
        language: &str,
        question: &str,
        history: &[Turn],
    ) -> Result<Retrieved, Error> {
        let asked = self.ask(server, language, question, history).await?;
        let index = self.index(server, asked.key).await?;
        Ok(look_up(&index, &asked.query))
    }

    /// Reads a question and the turns before it into what is looked up in the server's index.
    pub async fn ask(
        &self,
        server: ServerId,
        language: &str,
        question: &str,
        history: &[Turn],
    ) -> Result<Asked, Error> {
        let configuration = language::configuration(language);
        let earlier = history
            .iter()
            .rev()
            .filter(|turn| turn.speaker == Speaker::Member)
            .take(EARLIER_TURNS)
            .map(|turn| &*turn.text);
        let turns: Vec<String> = std::iter::once(question).chain(earlier).map(searchable_turn).collect();
        let asked =
            sqlx::query_file!("src/answer/sql/question_lexemes.sql", server.db(), configuration, &turns)
                .fetch_one(self.database.read().await?.conn())
                .await?;
        let mut query = Query::default();
        for (at, turn) in asked.turns.iter().enumerate() {
            query.add(&vector::tokens(turn), if at == 0 { 1.0 } else { EARLIER_TURN_WEIGHT });
        }
        Ok(Asked { key: Key { version: asked.version, configuration }, query })
    }

    /// The lexemes of each text, in its order; texts that have none give an empty list.
    pub async fn lexemes(&self, language: &str, texts: &[String]) -> Result<Vec<Vec<String>>, Error> {
        let searchable: Vec<String> = texts.iter().map(|text| language::searchable(text)).collect();
        let vectors = sqlx::query_scalar!(
            "select array(select to_tsvector($1::text::regconfig, t.text)::text
             from unnest($2::text[]) with ordinality as t (text, number) order by t.number) as \"vectors!\"",
            language::configuration(language),
            &searchable
        )
        .fetch_one(self.database.read().await?.conn())
        .await?;
        Ok(vectors
            .iter()
            .map(|vector| vector::tokens(vector).into_iter().map(|token| token.lexeme).collect())
            .collect())
    }

    /// The server's index as of `key`; built when memory has none or an older one, by one task at a time.
    async fn index(&self, server: ServerId, key: Key) -> Result<Arc<Index>, Error> {
        let slot = self.cache.slot(server);
        let mut held = slot.lock().await;
        if let Some((_, index)) = held.as_ref().filter(|(held, _)| *held == key) {
            return Ok(Arc::clone(index));
        }
        let database = self.database.clone();
        // A task of its own: a connection whose BEGIN is cancelled goes back to its pool with a transaction open.
        let reading = tokio::spawn(async move {
            let mut conn = database.unowned(Unowned::DerivedPassages).await?;
            let stale = indexing::index_stale(conn.conn(), server, key.configuration).await?;
            let rows = sqlx::query_file_as!(Row, "src/answer/sql/passages.sql", server.db())
                .fetch_all(conn.conn())
                .await?;
            Ok::<_, sqlx::Error>((stale, rows))
        });
        let read = reading.await.map_err(|_| sqlx::Error::PoolClosed);
        let (stale, rows) = read.and_then(|read| read)?;
        let built = tokio::task::spawn_blocking(|| Arc::new(Index::new(rows))).await;
        let index = built.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        tracing::debug!(
            server = server.0,
            version = key.version,
            stale,
            bytes = index.bytes(),
            "knowledge is loaded"
        );
        *held = Some((key, Arc::clone(&index)));
        drop(held);
        self.cache.keep(server, index.bytes());
        Ok(index)
    }
}

/// Ranks an index against a question.
pub fn look_up(index: &Index, query: &Query) -> Retrieved {
    let (hits, evidence) = rank::rank(index, query);
    let found = |hit: rank::Hit| {
        let passage = &index.passages[hit.passage as usize];
        let document = &index.documents[passage.document as usize];
        Found {
            document_id: document.id,
            title: document.title.to_string(),
            ordinal: passage.ordinal,
            heading: passage.heading.to_string(),
            content: passage.content.to_string(),
            score: hit.score,
        }
    };
    Retrieved { passages: hits.into_iter().map(found).collect(), evidence }
}

fn searchable_turn(text: &str) -> String {
    language::searchable(&text.chars().take(MAX_TURN_CHARS).collect::<String>())
}
