//! How well and how fast questions find their documents, through the same code as in production.
//!
//! `EVAL_DIR` is a folder of sets. A set is a folder with `documents.jsonl` (`{"id","title","text"}`) and
//! `questions.jsonl` (`{"id","question","relevant":[ids]}`), `EVAL_DIR` itself or below it. A name that ends in a
//! language, `manual.de`, says the set's language; otherwise it is English. `EVAL_FEATURES` names a CSV file that
//! receives the evidence of every question, for fitting the weights of `answer/retrieve/evidence.rs`.
//! Needs TEST_DATABASE_URL.

#[path = "../tests/support/mod.rs"]
mod support;

use helpline::answer::retrieve::{Evidence, Retriever};
use helpline_cluster::ids::ServerId;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
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
    let features = std::env::var_os("EVAL_FEATURES").map(|path| {
        let mut file = std::fs::File::create(path).expect("EVAL_FEATURES can be written");
        writeln!(
            file,
            "set,answerable,rank,z,words,pairs,in_document,known,amount,ideal,margin,confidence,question"
        )
        .expect("written");
        file
    });
    println!(
        "{:24} {:>9} {:>9} {:>6} {:>6} {:>6} {:>7} {:>6} {:>13} {:>8} {:>8} {:>8}",
        "set",
        "documents",
        "questions",
        "hit@1",
        "hit@3",
        "mrr@10",
        "typos@3",
        "auc",
        "unsure no/yes",
        "p50 ms",
        "p99 ms",
        "load ms"
    );
    for set in sets(&folder) {
        let (all, loaded) = run(&set, &set.documents, &set.questions).await;
        let typos: Vec<Question> = set.questions.iter().map(mistype).collect();
        let (mistyped, _) = run(&set, &set.documents, &typos).await;
        let (halved, _) = run(&set, &without_every_second(&set), &set.questions).await;
        let mut times: Vec<f64> = all.iter().map(|outcome| outcome.took.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        println!(
            "{:24} {:>9} {:>9} {:>6.3} {:>6.3} {:>6.3} {:>7.3} {:>6.3} {:>13} {:>8.2} {:>8.2} {:>8.1}",
            set.name,
            set.documents.len(),
            all.len(),
            hits(&all, 1),
            hits(&all, 3),
            mean_reciprocal_rank(&all),
            hits(&mistyped, 3),
            auc(&halved),
            format!("{:.2}/{:.2}", unsure(&halved, false), unsure(&halved, true)),
            times[times.len() / 2],
            times[times.len() * 99 / 100],
            loaded.as_secs_f64() * 1e3,
        );
        for outcome in features.iter().flat_map(|_| &halved) {
            let e = &outcome.evidence;
            let rank = outcome.rank.unwrap_or(0);
            let (answerable, file) = (u8::from(outcome.answerable), features.as_ref());
            writeln!(
                file.expect("there is a file"),
                "{},{answerable},{rank},{},{},{},{},{},{},{},{},{},{:?}",
                set.name,
                e.z,
                e.words,
                e.pairs,
                e.in_document,
                e.known,
                e.amount,
                e.ideal,
                e.margin,
                e.confidence,
                outcome.question
            )
            .expect("written");
        }
    }
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

async fn run(set: &Set, documents: &[Document], questions: &[Question]) -> (Vec<Outcome>, Duration) {
    let db = support::TestDb::new().await;
    let server = ServerId(4_000_000_001);
    sqlx::query("insert into public.servers (id, name) values ($1, 'evaluation')")
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
    let retriever = Retriever::new(db.pool.clone());
    // The first question after a takeover: the passages are there, the index is not.
    let start = Instant::now();
    retriever.retrieve(server, &set.language, "load", &[]).await.expect("the index is loaded");
    let loaded = start.elapsed();
    let mut outcomes = Vec::new();
    for question in questions {
        let start = Instant::now();
        let found =
            retriever.retrieve(server, &set.language, &question.question, &[]).await.expect("retrieved");
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
