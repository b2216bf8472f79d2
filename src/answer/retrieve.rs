//! Finds the passages of a server's knowledge that fit a question.
//!
//! Postgres parses and stems, this process ranks: the lexemes of a server's passages are held in memory and
//! checked against `helpline.knowledge_versions` at every question, so that a changed document is found by the
//! next one. Where a sentence model is set, passages have vectors besides, and what a question means counts as well
//! ([`dense`]). A server's index is built from its own rows only; nothing is shared between servers.

mod cache;
pub mod dense;
mod evidence;
mod index;
mod postings;
mod rank;
mod topic;
mod typos;
pub mod vector;

pub use evidence::{Evidence, THRESHOLD};
pub use index::{Index, Row, Titled};
pub use rank::Query;

use super::{Speaker, Turn};
use crate::embedding::Embedder;
use crate::knowledge::{index as indexing, language};
use cache::{Cache, Held, Key};
use dense::Likeness;
use helpline_cluster::database::{Database, Unowned};
use helpline_cluster::ids::ServerId;
use helpline_embed::int8::{self, Vectors};
use std::sync::Arc;
use uuid::Uuid;
use vector::Lexemes;

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
    /// The question was looked up together with the member's turns before it.
    pub follows_on: bool,
}

/// A question as it is looked up.
#[derive(Clone, Debug)]
pub struct Asked {
    key: Key,
    /// Up to which version of the knowledge all passages have their vectors.
    vectors_version: i64,
    /// The question's own words, and those with the turns before it, where there are any.
    alone: Query,
    following: Option<Query>,
    /// The same as texts, which are looked for by their meaning.
    text: String,
    text_following: String,
}

/// Retrieves passages; cheap to clone, one per process.
#[derive(Clone, Debug)]
pub struct Retriever {
    database: Database,
    cache: Arc<Cache>,
    embedder: Option<Arc<Embedder>>,
}

impl Retriever {
    pub fn new(database: impl Into<Database>) -> Self {
        Self::with_cache_bytes(database, DEFAULT_CACHE_BYTES)
    }

    /// Holds at most `bytes` of indexes. When they exceed it the ones not asked for longest are dropped; an index
    /// that is larger than the whole cache serves its question and is dropped too.
    pub fn with_cache_bytes(database: impl Into<Database>, bytes: usize) -> Self {
        Self { database: database.into(), cache: Arc::new(Cache::new(bytes)), embedder: None }
    }

    /// The same with a sentence model.
    pub fn with_embedder(self, embedder: Option<Arc<Embedder>>) -> Self {
        Self { embedder, ..self }
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
        let (index, vectors) = self.index(server, &asked).await?;
        Ok(self.look_up(&index, vectors.as_deref(), &asked).await)
    }

    /// Ranks an index against a question, by its meaning too where there are vectors and the model is there in time.
    pub async fn look_up(&self, index: &Index, vectors: Option<&Vectors>, asked: &Asked) -> Retrieved {
        let looked_up = topic::look_up(index, &asked.alone, asked.following.as_ref());
        let likeness = match vectors {
            Some(vectors) => self.likeness(vectors, asked, looked_up.follows_on).await,
            None => None,
        };
        match likeness {
            None => retrieved(index, looked_up.hits, looked_up.evidence, looked_up.follows_on),
            Some(likeness) => {
                let following = asked.following.as_ref().filter(|_| looked_up.follows_on);
                let (hits, evidence) = rank::rank(index, following.unwrap_or(&asked.alone), Some(&likeness));
                retrieved(index, hits, evidence, looked_up.follows_on)
            }
        }
    }

    async fn likeness(&self, vectors: &Vectors, asked: &Asked, follows_on: bool) -> Option<Likeness> {
        let text = if follows_on { &asked.text_following } else { &asked.text };
        let question = self.embedder.as_ref()?.question(text).await?;
        Likeness::new(vectors, &question, dense::weight(asked.key.configuration))
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
        let asked = sqlx::query_file!(
            "src/answer/sql/question_lexemes.sql",
            server.db(),
            configuration,
            &turns,
            self.model()
        )
        .fetch_one(self.database.read().await?.conn())
        .await?;
        let mut turns_asked = asked.turns.iter().map(|turn| vector::tokens(turn));
        let mut alone = Query::default();
        alone.add(&turns_asked.next().unwrap_or_default(), 1.0);
        let following = turns_asked.fold(None, |following: Option<Query>, earlier| {
            let mut following = following.unwrap_or_else(|| alone.clone());
            following.add(&earlier, EARLIER_TURN_WEIGHT);
            Some(following)
        });
        let text_following = turns.iter().rev().map(String::as_str).collect::<Vec<_>>().join("\n");
        let key = Key { version: asked.version, configuration };
        let (vectors_version, text) = (asked.vectors_version, question.to_owned());
        Ok(Asked { key, vectors_version, alone, following, text, text_following })
    }

    /// The name of the sentence model; empty without one.
    fn model(&self) -> &str {
        self.embedder.as_ref().map_or("", |embedder| embedder.model())
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

    /// The server's index as of the question, and the vectors of its passages; built when memory has none or an older one,
    /// by one task at a time.
    async fn index(
        &self,
        server: ServerId,
        asked: &Asked,
    ) -> Result<(Arc<Index>, Option<Arc<Vectors>>), Error> {
        let slot = self.cache.slot(server);
        let mut held = slot.lock().await;
        let known = held.as_ref().filter(|held| held.key == asked.key);
        if let (Some(embedder), true) = (&self.embedder, asked.vectors_version != asked.key.version) {
            embedder.want(server);
        }
        let index = match known {
            Some(held) if held.vectors_version == asked.vectors_version => {
                return Ok((Arc::clone(&held.index), held.vectors.clone()));
            }
            Some(held) => Arc::clone(&held.index),
            None => self.build(server, asked.key).await?,
        };
        let vectors = match &self.embedder {
            Some(embedder) => self.vectors(server, &index, embedder).await?.map(Arc::new),
            None => None,
        };
        let bytes = index.bytes() + vectors.as_ref().map_or(0, |vectors| vectors.bytes());
        let (key, vectors_version) = (asked.key, asked.vectors_version);
        *held = Some(Held { key, vectors_version, index: Arc::clone(&index), vectors: vectors.clone() });
        drop(held);
        self.cache.keep(server, bytes);
        Ok((index, vectors))
    }

    async fn build(&self, server: ServerId, key: Key) -> Result<Arc<Index>, Error> {
        let database = self.database.clone();
        // A task of its own: a connection whose BEGIN is cancelled goes back to its pool with a transaction open.
        let reading = tokio::spawn(async move {
            let mut conn = database.unowned(Unowned::DerivedPassages).await?;
            let stale = indexing::index_stale(conn.conn(), server, key.configuration).await?;
            let rows = sqlx::query_file_as!(Row, "src/answer/sql/passages.sql", server.db())
                .fetch_all(conn.conn())
                .await?;
            let titles = sqlx::query_as!(
                Titled,
                "select d.id, d.title from public.knowledge_documents as d where d.server_id = $1",
                server.db()
            );
            Ok::<_, sqlx::Error>((stale, titles.fetch_all(conn.conn()).await?, rows))
        });
        let read = reading.await.map_err(|_| sqlx::Error::PoolClosed);
        let (stale, titles, rows) = read.and_then(|read| read)?;
        let built = tokio::task::spawn_blocking(|| Arc::new(Index::new(titles, rows))).await;
        let index = built.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        tracing::debug!(
            server = server.0,
            version = key.version,
            stale,
            bytes = index.bytes(),
            "knowledge is loaded"
        );
        Ok(index)
    }

    /// The vectors of an index's passages; none when no passage has one.
    async fn vectors(
        &self,
        server: ServerId,
        index: &Index,
        embedder: &Embedder,
    ) -> Result<Option<Vectors>, Error> {
        let rows = sqlx::query_file!("src/answer/sql/vectors.sql", server.db(), embedder.model())
            .fetch_all(self.database.read().await?.conn())
            .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let mut vectors = Vectors::new(index.len(), first.vector.len());
        for row in &rows {
            if let Some(place) = index.place(row.document_id, row.ordinal) {
                vectors.set(place, int8::from_bytes(&row.vector));
            }
        }
        if vectors.present() < index.len() {
            embedder.want(server);
        }
        Ok(Some(vectors))
    }
}

fn retrieved(index: &Index, hits: Vec<rank::Hit>, evidence: Evidence, follows_on: bool) -> Retrieved {
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
    Retrieved { passages: hits.into_iter().map(found).collect(), evidence, follows_on }
}

fn searchable_turn(text: &str) -> String {
    language::searchable(&text.chars().take(MAX_TURN_CHARS).collect::<String>())
}
