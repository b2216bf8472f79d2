//! `helpline knowledge eval`: how well questions find their documents, and how well it is told when there is none.
//!
//! Goes the way of a member's question: documents are cut, stemmed and indexed, questions looked up and answered by the
//! built-in answerer, by the same functions. Postgres only stems; nothing is stored there.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use helpline_cluster::ids::ServerId;
use helpline_embed::int8::Vectors;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use super::passages::{self, Format};
use super::{index as indexing, language};
use crate::answer::extract::Extractive;
use crate::answer::retrieve::vector::Lexemes;
use crate::answer::retrieve::{Index, Retrieved, Retriever, Row, Titled};
use crate::answer::{Action, AnswerRequest};
use crate::embedding::{Embedder, written};

/// Nobody's: its questions meet no stored knowledge.
const NO_SERVER: ServerId = ServerId(0);

/// Why a set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error("cannot read {}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("{}:{line}: {error}; expected a line such as {expected}", path.display())]
    Line { path: PathBuf, line: usize, error: String, expected: &'static str },
    #[error("{}: nothing is in it", path.display())]
    Empty { path: PathBuf },
    #[error("{}: two documents have the id {id:?}", path.display())]
    Twice { path: PathBuf, id: String },
}

/// An id as a string or a number.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(serde_json::Number),
}

impl Id {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
struct Document {
    id: Id,
    #[serde(default)]
    title: String,
    text: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Question {
    question: String,
    relevant: Vec<Id>,
}

/// Documents with questions about them.
#[derive(Debug)]
pub struct Set {
    /// Sorted as a server's are, so that equal scores are ranked alike.
    documents: Vec<(String, Document)>,
    /// With the ids of their documents, of those that are there.
    questions: Vec<(String, Vec<String>)>,
    /// Questions whose documents are all missing: they count as not answerable.
    orphans: usize,
}

impl Set {
    /// # Errors
    /// When a file cannot be read, a line is not as documented, a file is empty, or an id is used twice.
    pub fn read(documents: &Path, questions: &Path) -> Result<Self, SetError> {
        let mut known = HashMap::new();
        for document in lines::<Document>(documents, r#"{"id": "a", "title": "Refunds", "text": "..."}"#)? {
            let id = document.id.clone().text();
            if known.insert(id.clone(), document).is_some() {
                return Err(SetError::Twice { path: documents.to_path_buf(), id });
            }
        }
        let mut orphans = 0;
        let asked = lines::<Question>(questions, r#"{"id": "1", "question": "...", "relevant": ["a"]}"#)?;
        let questions = asked.into_iter().map(|question| {
            let named = question.relevant.len();
            let there = question.relevant.into_iter().map(Id::text).filter(|id| known.contains_key(id));
            let mut relevant: Vec<String> = there.collect();
            relevant.sort_unstable();
            relevant.dedup();
            orphans += usize::from(named > 0 && relevant.is_empty());
            (question.question, relevant)
        });
        let questions = questions.collect();
        let mut documents: Vec<_> = known.into_iter().collect();
        documents.sort_by(|(id, one), (other, two)| (&one.title, id).cmp(&(&two.title, other)));
        Ok(Self { documents, questions, orphans })
    }
}

fn lines<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<Vec<T>, SetError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| SetError::File { path: path.to_path_buf(), error })?;
    let mut items = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let item = serde_json::from_str(line).map_err(|error| {
            let (path, error) = (path.to_path_buf(), error.to_string());
            SetError::Line { path, line: number + 1, error, expected }
        })?;
        items.push(item);
    }
    if items.is_empty() {
        return Err(SetError::Empty { path: path.to_path_buf() });
    }
    Ok(items)
}

/// What was measured. Shares are from 0 to 1; null where there was no question to measure it with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub questions: usize,
    /// Of the answerable questions: share with a relevant document first, and among the first three.
    pub hit_at_1: Option<f64>,
    pub hit_at_3: Option<f64>,
    /// Of the answerable questions: mean share of the relevant documents among the first ten.
    pub recall_at_10: Option<f64>,
    /// Mean of one over the rank of the first relevant document.
    pub mrr_at_10: Option<f64>,
    /// Normalised discounted cumulative gain, every relevant document worth the same (Järvelin, Kekäläinen 2002).
    pub ndcg_at_10: Option<f64>,
    /// Chance that an answerable question has the higher confidence than one that is not.
    pub refusal_auc: Option<f64>,
    /// Share of the questions without an answer that are told so; and of those that have one.
    pub refused_unanswerable: Option<f64>,
    pub refused_answerable: Option<f64>,
    /// From a question to its ranked passages, in milliseconds.
    pub ms_p50: f64,
    pub ms_p99: f64,
}

/// What one question gave.
#[derive(Clone, Debug)]
struct Outcome {
    /// Ranks of the relevant documents that were found, from 1.
    ranks: Vec<usize>,
    /// How many there are.
    relevant: usize,
    confidence: f32,
    refused: bool,
    took: Duration,
}

/// Indexes the documents and asks every question, with a sentence model where one is given.
pub async fn run(
    pool: &PgPool,
    set: &Set,
    language: &str,
    embedder: Option<Arc<Embedder>>,
) -> anyhow::Result<Report> {
    if set.orphans > 0 {
        tracing::warn!(
            questions = set.orphans,
            "questions name only documents that are not there; they count as not answerable"
        );
    }
    let index = index(pool, set, language).await.context("index the documents")?;
    let vectors = match &embedder {
        Some(embedder) => Some(vectors(&index, embedder).await?),
        None => None,
    };
    let retriever = Retriever::new(pool.clone()).with_embedder(embedder);
    let answerer = Extractive::new(retriever.clone());
    let mut outcomes = Vec::with_capacity(set.questions.len());
    for (question, relevant) in &set.questions {
        let start = Instant::now();
        let asked = retriever.ask(NO_SERVER, language, question, &[]).await?;
        let found = retriever.look_up(&index, vectors.as_ref(), &asked).await;
        let took = start.elapsed();
        let request = AnswerRequest {
            server: NO_SERVER,
            language: language.to_owned(),
            system_prompt: String::new(),
            question: question.clone(),
            history: Vec::new(),
            lang: crate::texts::Lang::En,
        };
        let answer = answerer.quote(&request, &found).await?;
        outcomes.push(Outcome {
            ranks: ranks(set, &found, relevant),
            relevant: relevant.len(),
            confidence: found.evidence.confidence,
            refused: answer.action == Action::Unsure,
            took,
        });
    }
    Ok(report(&outcomes))
}

async fn index(pool: &PgPool, set: &Set, language: &str) -> sqlx::Result<Index> {
    let configuration = language::configuration(language);
    let mut conn = pool.acquire().await?;
    let (mut titles, mut rows) = (Vec::new(), Vec::new());
    for (document, number) in set.documents.iter().map(|(_, document)| document).zip(0..) {
        let format = if document.text.starts_with("# ") { Format::Markdown } else { Format::Text };
        let passages = passages::split(&document.text, format);
        let lexemes = indexing::lexemes(&mut conn, configuration, &document.title, &passages).await?;
        let id = Uuid::from_u128(number);
        titles.push(Titled { id, title: document.title.clone() });
        rows.extend(passages.into_iter().zip(lexemes).zip(0..).map(|((passage, lexemes), ordinal)| Row {
            document_id: id,
            ordinal,
            heading: passage.heading,
            content: passage.content,
            lexemes: Lexemes::parse(&lexemes),
        }));
    }
    Ok(Index::new(titles, rows))
}

/// The vectors of all passages.
async fn vectors(index: &Index, embedder: &Embedder) -> anyhow::Result<Vectors> {
    let texts: Vec<String> =
        index.texts().map(|(title, heading, content)| written(title, heading, content)).collect();
    let made = embedder.passages(&texts).await;
    let made = made.map_err(|failed| anyhow::anyhow!("the sentence model: {}", failed.failure.name()))?;
    let dimensions = made.iter().flatten().next().map_or(0, Vec::len);
    let mut vectors = Vectors::new(texts.len(), dimensions);
    for (at, vector) in made.into_iter().enumerate() {
        vectors.set(at, vector.unwrap_or_default().into_iter());
    }
    Ok(vectors)
}

fn ranks(set: &Set, found: &Retrieved, relevant: &[String]) -> Vec<usize> {
    let mut ranked: Vec<&str> = Vec::new();
    for passage in &found.passages {
        let number = usize::try_from(passage.document_id.as_u128()).expect("it is the number of a document");
        let id = set.documents[number].0.as_str();
        if !ranked.contains(&id) {
            ranked.push(id);
        }
    }
    let known = |id: &str| relevant.iter().any(|relevant| relevant == id);
    (1..).zip(ranked).filter(|(rank, id)| *rank <= 10 && known(id)).map(|(rank, _)| rank).collect()
}

fn report(outcomes: &[Outcome]) -> Report {
    let (yes, no): (Vec<&Outcome>, Vec<&Outcome>) = outcomes.iter().partition(|one| one.relevant > 0);
    let gain = |rank: usize| 1.0 / count(rank + 1).log2();
    let hit = |one: &Outcome, within: usize| f64::from(one.ranks.first().is_some_and(|rank| *rank <= within));
    let refused = |one: &Outcome| f64::from(one.refused);
    let mut times: Vec<f64> = outcomes.iter().map(|one| one.took.as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(0.0);
    Report {
        questions: outcomes.len(),
        hit_at_1: mean(&yes, |one| hit(one, 1)),
        hit_at_3: mean(&yes, |one| hit(one, 3)),
        recall_at_10: mean(&yes, |one| count(one.ranks.len()) / count(one.relevant)),
        mrr_at_10: mean(&yes, |one| one.ranks.first().map_or(0.0, |rank| 1.0 / count(*rank))),
        ndcg_at_10: mean(&yes, |one| {
            let ideal: f64 = (1..=one.relevant.min(10)).map(gain).sum();
            one.ranks.iter().copied().map(gain).sum::<f64>() / ideal
        }),
        refusal_auc: auc(&yes, &no),
        refused_unanswerable: mean(&no, refused),
        refused_answerable: mean(&yes, refused),
        ms_p50: at(50),
        ms_p99: at(99),
    }
}

fn mean(outcomes: &[&Outcome], of: impl Fn(&Outcome) -> f64) -> Option<f64> {
    (!outcomes.is_empty()).then(|| outcomes.iter().map(|one| of(one)).sum::<f64>() / count(outcomes.len()))
}

fn auc(yes: &[&Outcome], no: &[&Outcome]) -> Option<f64> {
    let won = |one: &Outcome| {
        mean(no, |other| match one.confidence.total_cmp(&other.confidence) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
    };
    if no.is_empty() { None } else { mean(yes, |one| won(one).unwrap_or(0.0)) }
}

#[expect(clippy::cast_precision_loss, reason = "nobody asks 2^52 questions")]
fn count(of: usize) -> f64 {
    of as f64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |share| format!("{share:.3}"));
        writeln!(f, "questions              {}", self.questions)?;
        for (name, value) in [
            ("hit@1", self.hit_at_1),
            ("hit@3", self.hit_at_3),
            ("recall@10", self.recall_at_10),
            ("MRR@10", self.mrr_at_10),
            ("nDCG@10", self.ndcg_at_10),
            ("AUC of refusing", self.refusal_auc),
            ("refused, unanswerable", self.refused_unanswerable),
            ("refused, answerable", self.refused_answerable),
        ] {
            writeln!(f, "{name:22} {}", share(value))?;
        }
        write!(f, "ms, p50 / p99          {:.2} / {:.2}", self.ms_p50, self.ms_p99)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(ranks: &[usize], relevant: usize, confidence: f32) -> Outcome {
        let took = Duration::from_millis(2);
        Outcome { ranks: ranks.to_vec(), relevant, confidence, refused: confidence < 0.5, took }
    }

    #[test]
    fn the_measures_are_those_of_the_literature() {
        let outcomes = [
            outcome(&[1], 1, 0.9),
            outcome(&[2, 3], 4, 0.4),
            outcome(&[], 1, 0.6),
            outcome(&[], 0, 0.6),
            outcome(&[], 0, 0.1),
        ];
        let report = report(&outcomes);
        let near = |seen: Option<f64>, wanted: f64| (seen.expect("measured") - wanted).abs() < 1e-9;
        assert!(near(report.hit_at_1, 1.0 / 3.0) && near(report.hit_at_3, 2.0 / 3.0));
        assert!(near(report.recall_at_10, 0.5) && near(report.mrr_at_10, 0.5));
        let ideal = 1.0 + 1.0 / 3f64.log2() + 0.5 + 1.0 / 5f64.log2();
        assert!(near(report.ndcg_at_10, (1.0 + (1.0 / 3f64.log2() + 0.5) / ideal) / 3.0));
        assert!(near(report.refusal_auc, (1.0 + 1.0 + 0.5 + 1.0 + 0.0 + 1.0) / 6.0));
        assert!(near(report.refused_unanswerable, 0.5) && near(report.refused_answerable, 1.0 / 3.0));
        assert!((report.ms_p50 - 2.0).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_measured_is_null() {
        let json = serde_json::to_value(report(&[outcome(&[1], 1, 0.9)])).expect("it is JSON");
        assert!(json["refusal_auc"].is_null() && json["refused_unanswerable"].is_null());
        assert_eq!(json["hit_at_1"], 1.0);
    }

    #[test]
    fn a_set_that_cannot_be_read_says_where_and_what_was_expected() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let good = write("d", "{\"id\":7,\"text\":\"t\"}\n\n{\"id\":\"b\",\"title\":\"B\",\"text\":\"t\"}\n");
        let asked = write(
            "q",
            "{\"question\":\"q\",\"relevant\":[7,\"7\",\"x\"]}\n{\"question\":\"r\",\"relevant\":[\"x\"]}",
        );
        let set = Set::read(&good, &asked).expect("readable");
        assert_eq!(set.questions[0].1, ["7"]);
        assert_eq!((set.orphans, set.questions[1].1.len()), (1, 0));
        let told = |documents: &Path| Set::read(documents, &asked).expect_err("unreadable").to_string();
        assert!(told(&write("e", " \n")).ends_with("nothing is in it"));
        assert!(
            told(&write("f", "{\"id\":\"a\",\"text\":\"\"}\n{\"id\":\"a\",\"text\":\"\"}")).contains("\"a\"")
        );
        let line = told(&write("g", "{\"id\":\"a\",\"text\":\"\"}\n{\"id\":\"b\"}"));
        assert!(line.contains("g:2: missing field `text`") && line.contains("\"title\""), "{line}");
        assert!(told(&dir.path().join("none")).contains("cannot read"));
    }
}
