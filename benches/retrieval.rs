//! How well and how fast questions find their documents, through the same code as in production.
//!
//! `EVAL_DIR` is a folder of sets. A set is a folder with `documents.jsonl` (`{"id","title","text"}`) and
//! `questions.jsonl` (`{"id","question","relevant":[ids]}`), `EVAL_DIR` itself or below it. A name that ends in a
//! language, `manual.de`, says the set's language; otherwise it is English. `EVAL_FEATURES` names a CSV file that
//! receives the evidence of every question, for fitting the weights of `answer/retrieve/evidence.rs`. With
//! `EMBEDDING_MODEL_DIR` questions are looked up by their meaning too.
//! Needs TEST_DATABASE_URL.

#[path = "../tests/support/mod.rs"]
mod support;

use helpline::answer::retrieve::{Evidence, Retriever};
use helpline::answer::{Speaker, Turn};
use helpline::embedding::{self, Embedder, Source, local, written};
use helpline_cluster::ids::ServerId;
use helpline_embed::int8;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

#[derive(Clone, Deserialize)]
struct Document {
    id: String,
    title: String,
    text: String,
}

#[derive(Clone, Deserialize)]
struct Question {
    question: String,
    relevant: Vec<String>,
}

struct Set {
    name: String,
    language: String,
    documents: Vec<Document>,
    questions: Vec<Question>,
}

/// What one question gave: rank of the first relevant document (from 1), evidence and time.
struct Outcome {
    rank: Option<usize>,
    answerable: bool,
    question: String,
    evidence: Evidence,
    took: Duration,
}

#[tokio::main]
async fn main() {
    let Some(folder) = std::env::var_os("EVAL_DIR").map(PathBuf::from) else {
        println!(
            "retrieval: set EVAL_DIR to a folder of evaluation sets (see the head of benches/retrieval.rs)"
        );
        return;
    };
    let features = feature_file();
    let mut meaning = Meaning::open().await;
    println!(
        "{:24} {:>9} {:>9} {:>6} {:>6} {:>6} {:>7} {:>13} {:>13} {:>6} {:>13} {:>8} {:>8} {:>8}",
        "set",
        "documents",
        "questions",
        "hit@1",
        "hit@3",
        "mrr@10",
        "typos@3",
        "@1 after else",
        "@1 after same",
        "auc",
        "unsure no/yes",
        "p50 ms",
        "p99 ms",
        "load ms"
    );
    for set in sets(&folder) {
        let alone = |questions: &[Question]| {
            questions.iter().cloned().map(|question| (Vec::new(), question)).collect()
        };
        let (all, loaded) = run(&mut meaning, &set, &set.documents, alone(&set.questions)).await;
        let typos: Vec<Question> = set.questions.iter().map(mistype).collect();
        let (mistyped, _) = run(&mut meaning, &set, &set.documents, alone(&typos)).await;
        let (halved, _) = run(&mut meaning, &set, &without_every_second(&set), alone(&set.questions)).await;
        let (after_else, _) = run(&mut meaning, &set, &set.documents, after(&set, false)).await;
        let (after_same, _) = run(&mut meaning, &set, &set.documents, after(&set, true)).await;
        let mut times: Vec<f64> = all.iter().map(|outcome| outcome.took.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        println!(
            "{:24} {:>9} {:>9} {:>6.3} {:>6.3} {:>6.3} {:>7.3} {:>13} {:>13} {:>6.3} {:>13} {:>8.2} {:>8.2} {:>8.1}",
            set.name,
            set.documents.len(),
            all.len(),
            hits(&all, 1),
            hits(&all, 3),
            mean_reciprocal_rank(&all),
            hits(&mistyped, 3),
            conversation(&after_else),
            conversation(&after_same),
            auc(&halved),
            format!("{:.2}/{:.2}", unsure(&halved, false), unsure(&halved, true)),
            times[times.len() / 2],
            times[times.len() * 99 / 100],
            loaded.as_secs_f64() * 1e3,
        );
        if let Some(file) = &features {
            halved.iter().for_each(|outcome| write_features(file, &set.name, outcome));
        }
    }
}

/// Where EVAL_FEATURES wants the evidence of each question.
fn feature_file() -> Option<std::fs::File> {
    let path = std::env::var_os("EVAL_FEATURES")?;
    let mut file = std::fs::File::create(path).expect("EVAL_FEATURES can be written");
    writeln!(
        file,
        "set,answerable,rank,z,words,pairs,in_document,known,amount,ideal,margin,meant,cosine,confidence,question"
    )
    .expect("written");
    Some(file)
}

fn write_features(mut file: &std::fs::File, set: &str, outcome: &Outcome) {
    let e = &outcome.evidence;
    let (rank, answerable) = (outcome.rank.unwrap_or(0), u8::from(outcome.answerable));
    writeln!(
        file,
        "{set},{answerable},{rank},{},{},{},{},{},{},{},{},{},{},{},{:?}",
        e.z,
        e.words,
        e.pairs,
        e.in_document,
        e.known,
        e.amount,
        e.ideal,
        e.margin,
        e.meant,
        e.cosine,
        e.confidence,
        outcome.question
    )
    .expect("written");
}

fn sets(folder: &Path) -> Vec<Set> {
    let mut folders = vec![folder.to_path_buf()];
    let below = std::fs::read_dir(folder).expect("EVAL_DIR is a folder");
    folders.extend(below.filter_map(|entry| Some(entry.ok()?.path())));
    folders.sort();
    folders
        .into_iter()
        .filter(|folder| folder.join("documents.jsonl").is_file())
        .map(|folder| read(&folder))
        .collect()
}

fn read(folder: &Path) -> Set {
    let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let language = name.rsplit_once('.').map_or("en", |(_, language)| language).to_owned();
    Set {
        documents: lines(&folder.join("documents.jsonl")),
        questions: lines(&folder.join("questions.jsonl")),
        name,
        language,
    }
}

fn lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// Where every question has an answer, the documents without those of every second question, whose answers are then absent. Neighbouring questions
/// about the same documents count as one.
fn without_every_second(set: &Set) -> Vec<Document> {
    if set.questions.iter().any(|question| question.relevant.is_empty()) {
        return set.documents.clone();
    }
    let mut groups: Vec<&[String]> =
        set.questions.iter().map(|question| question.relevant.as_slice()).collect();
    groups.dedup();
    let removed: HashSet<&String> = groups.into_iter().skip(1).step_by(2).flatten().collect();
    set.documents.iter().filter(|document| !removed.contains(&document.id)).cloned().collect()
}

/// Questions after another one of the member: about something else, or about the same document. The latter are cut in two
/// where there is no such question and they have several sentences: what the first half said is known when the second is asked.
fn after(set: &Set, same: bool) -> Vec<(Vec<Turn>, Question)> {
    let said = |text: &str| vec![Turn { speaker: Speaker::Member, text: text.to_owned(), asks_back: false }];
    let count = set.questions.len();
    let questions = set.questions.iter().enumerate().filter_map(|(at, question)| {
        let others = (1..count).map(|step| &set.questions[(at + count / 2 + step) % count]);
        let shares = |other: &&Question| other.relevant.iter().any(|id| question.relevant.contains(id));
        if !same {
            return Some((said(&others.clone().find(|other| !shares(other))?.question), question.clone()));
        }
        if let Some(other) = others.clone().find(shares) {
            return Some((said(&other.question), question.clone()));
        }
        let (first, rest) = question.question.split_once(". ")?;
        Some((said(first), Question { question: rest.to_owned(), relevant: question.relevant.clone() }))
    });
    questions.collect()
}

/// Share with a relevant document first, and of those told that there is none.
fn conversation(outcomes: &[Outcome]) -> String {
    format!("{:.3}/{:.3}", hits(outcomes, 1), unsure(outcomes, true))
}

/// A sentence model, if there is one, and the vectors that it has made.
struct Meaning {
    embedder: Option<Arc<Embedder>>,
    known: HashMap<String, Vec<u8>>,
}

impl Meaning {
    async fn open() -> Self {
        let dir = std::env::var_os("EMBEDDING_MODEL_DIR").map(PathBuf::from);
        let embedder = match dir {
            None => None,
            Some(dir) => {
                let source = Source::Local(local::Config { dir, at_once: 2 });
                let config = embedding::Config { source, patience: Duration::from_secs(30) };
                Some(Arc::new(Embedder::open(config).await.expect("EMBEDDING_MODEL_DIR is a model")))
            }
        };
        Self { embedder, known: HashMap::new() }
    }

    /// Gives all passages of the server their vectors.
    async fn embed(&mut self, pool: &sqlx::PgPool, server: ServerId) {
        let Some(embedder) = &self.embedder else { return };
        let passages: Vec<(Uuid, i32, String, String, String)> = sqlx::query_as(
            "select p.document_id, p.ordinal, d.title, p.heading, p.content
             from helpline.knowledge_passages p join public.knowledge_documents d on d.id = p.document_id",
        )
        .fetch_all(pool)
        .await
        .expect("passages are read");
        let texts: Vec<String> =
            passages.iter().map(|(.., title, heading, content)| written(title, heading, content)).collect();
        let mut new: Vec<String> =
            texts.iter().filter(|text| !self.known.contains_key(*text)).cloned().collect();
        new.sort_unstable();
        new.dedup();
        let made = embedder.passages(&new).await.expect("the model is there");
        let made = made.into_iter().map(|vector| int8::to_bytes(&vector.expect("a vector")));
        self.known.extend(new.into_iter().zip(made));
        for ((document, ordinal, ..), text) in passages.into_iter().zip(texts) {
            sqlx::query("insert into helpline.knowledge_vectors values ($1, $2, $3, $4, $5)")
                .bind(server.db())
                .bind(document)
                .bind(ordinal)
                .bind(embedder.model())
                .bind(&self.known[&text])
                .execute(pool)
                .await
                .expect("the vector is written");
        }
    }
}

async fn run(
    meaning: &mut Meaning,
    set: &Set,
    documents: &[Document],
    questions: Vec<(Vec<Turn>, Question)>,
) -> (Vec<Outcome>, Duration) {
    let db = support::TestDb::new().await;
    let server = ServerId(4_000_000_001);
    // More documents than a server without a plan may have.
    sqlx::query(
        "with plan as (
             insert into public.billing_plans (name, price, interval, features)
             values ('evaluation', 0, 'monthly', '{\"max_documents\": 1000000, \"max_knowledge_bytes\": 1000000000}')
             returning id
         )
         insert into public.servers (id, name, plan_id) select $1, 'evaluation', id from plan",
    )
        .bind(server.db())
        .execute(&db.pool)
        .await
        .expect("the server is added");
    let mut ids: HashMap<Uuid, &str> = HashMap::new();
    for document in documents {
        let id: Uuid = sqlx::query_scalar(
            "insert into public.knowledge_documents (server_id, title, content, file_type)
             values ($1, $2, $3, $4) returning id",
        )
        .bind(server.db())
        .bind(&document.title)
        .bind(&document.text)
        .bind(if document.text.starts_with("# ") { "md" } else { "txt" })
        .fetch_one(&db.pool)
        .await
        .expect("the document is added");
        ids.insert(id, &document.id);
    }
    Retriever::new(db.pool.clone()).retrieve(server, &set.language, "index", &[]).await.expect("indexed");
    meaning.embed(&db.pool, server).await;
    let retriever = Retriever::new(db.pool.clone()).with_embedder(meaning.embedder.clone());
    // The first question after a takeover: the passages are there, the index is not.
    let start = Instant::now();
    retriever.retrieve(server, &set.language, "load", &[]).await.expect("the index is loaded");
    let loaded = start.elapsed();
    let mut outcomes = Vec::new();
    for (history, question) in questions {
        let start = Instant::now();
        let found =
            retriever.retrieve(server, &set.language, &question.question, &history).await.expect("retrieved");
        let took = start.elapsed();
        let mut ranked: Vec<&str> = Vec::new();
        for passage in &found.passages {
            let id = ids[&passage.document_id];
            if !ranked.contains(&id) {
                ranked.push(id);
            }
        }
        let rank = ranked.iter().position(|id| question.relevant.iter().any(|r| r == id)).map(|at| at + 1);
        let answerable = question.relevant.iter().any(|r| ids.values().any(|id| id == r));
        outcomes.push(Outcome {
            rank,
            answerable,
            question: question.question.clone(),
            evidence: found.evidence,
            took,
        });
    }
    (outcomes, loaded)
}

fn hits(outcomes: &[Outcome], within: usize) -> f64 {
    let answerable = outcomes.iter().filter(|outcome| outcome.answerable).count();
    let hits = outcomes.iter().filter(|outcome| outcome.rank.is_some_and(|rank| rank <= within)).count();
    hits as f64 / answerable.max(1) as f64
}

fn mean_reciprocal_rank(outcomes: &[Outcome]) -> f64 {
    let answerable = outcomes.iter().filter(|outcome| outcome.answerable).count();
    let sum: f64 = outcomes.iter().filter_map(|outcome| outcome.rank).map(|rank| 1.0 / rank as f64).sum();
    sum / answerable.max(1) as f64
}

fn unsure(outcomes: &[Outcome], answerable: bool) -> f64 {
    let asked: Vec<_> = outcomes.iter().filter(|outcome| outcome.answerable == answerable).collect();
    let unsure = asked.iter().filter(|outcome| outcome.evidence.is_thin()).count();
    unsure as f64 / asked.len().max(1) as f64
}

/// Chance that an answerable question has the higher confidence than an unanswerable one.
fn auc(outcomes: &[Outcome]) -> f64 {
    let (yes, no): (Vec<_>, Vec<_>) = outcomes.iter().partition(|outcome| outcome.answerable);
    let mut wins = 0.0;
    for a in &yes {
        for b in &no {
            wins += match a.evidence.confidence.total_cmp(&b.evidence.confidence) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    wins / (yes.len() * no.len()).max(1) as f64
}

/// Mistypes 15 % of the words: a letter dropped, doubled, replaced, or two swapped; the same way every time.
fn mistype(question: &Question) -> Question {
    let mut random = fastrand::Rng::with_seed(question.question.len() as u64);
    let words = question.question.split(' ').map(|word| {
        let mut letters: Vec<char> = word.chars().collect();
        if letters.len() < 4 || random.f32() >= 0.15 {
            return word.to_owned();
        }
        let at = random.usize(1..letters.len() - 1);
        match random.u8(0..4) {
            0 => drop(letters.remove(at)),
            1 => letters.insert(at, letters[at]),
            2 => letters[at] = random.lowercase(),
            _ => letters.swap(at, at - 1),
        }
        letters.into_iter().collect()
    });
    Question { question: words.collect::<Vec<_>>().join(" "), relevant: question.relevant.clone() }
}
