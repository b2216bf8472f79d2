//! Documents in, answers out: importing, finding and quoting through the same path as in production.

mod support;

use helpline::answer::extract::Extractive;
use helpline::answer::retrieve::Retriever;
use helpline::answer::{Action, Answer, AnswerRequest, Answerer, Speaker, Turn};
use helpline::knowledge::import::{self, FileError, StoreError, Stored};
use helpline::knowledge::passages::Format;
use helpline::knowledge::{cli, index, pdf};
use helpline_cluster::ids::ServerId;
use proptest::prelude::*;
use sqlx::PgPool;
use std::path::{Path, PathBuf};
use support::TestDb;

const SERVER: ServerId = ServerId(811_000_000_000_000_001);
const OTHER: ServerId = ServerId(811_000_000_000_000_002);

async fn server(pool: &PgPool, server: ServerId, language: &str) {
    sqlx::query("insert into public.servers (id, name, config) values ($1, 'Test', jsonb_build_object('language', $2::text))")
        .bind(server.db())
        .bind(language)
        .execute(pool)
        .await
        .expect("the server is added");
}

async fn store(pool: &PgPool, server: ServerId, text: &str) -> Stored {
    let document =
        import::check("untitled", Format::Markdown, text.as_bytes()).expect("the document is valid");
    import::store(pool, server, &document).await.expect("the document is stored")
}

async fn titles(retriever: &Retriever, server: ServerId, question: &str) -> Vec<String> {
    titles_in(retriever, server, "en", question).await
}

async fn titles_in(retriever: &Retriever, server: ServerId, language: &str, question: &str) -> Vec<String> {
    let found = retriever.retrieve(server, language, question, &[]).await.expect("the search works");
    let mut titles: Vec<String> = found.passages.into_iter().map(|passage| passage.title).collect();
    titles.dedup();
    titles
}

fn request(server: ServerId, question: &str, earlier: &[&str]) -> AnswerRequest {
    AnswerRequest {
        server,
        language: "en".to_owned(),
        system_prompt: String::new(),
        question: question.to_owned(),
        history: earlier
            .iter()
            .map(|text| Turn { speaker: Speaker::Member, text: (*text).to_owned(), asks_back: false })
            .collect(),
        lang: helpline::texts::Lang::En,
    }
}

/// No test here reads a PDF.
fn no_reader() -> pdf::Reader {
    pdf::Reader::new(Path::new("/nowhere"))
}

#[tokio::test]
async fn files_that_cannot_be_documents_are_refused_with_what_to_do() {
    let check = |bytes: &[u8]| import::check("a", Format::Markdown, bytes).expect_err("it is refused");
    assert!(matches!(check(b""), FileError::Empty));
    assert!(matches!(check(b" \n\t# \n---\n"), FileError::Empty));
    assert!(matches!(check(b"# Only a title\n"), FileError::Empty));
    assert!(matches!(check(b"abc\0def"), FileError::Binary { at: 3 }));
    assert!(matches!(check(b"caf\xe9 au lait"), FileError::NotUtf8 { at: 3, byte: 0xe9 }));
    assert!(matches!(check(b"\xff\xfea\0"), FileError::Utf16));
    assert!(matches!(check(b"%PDF-1.7 ..."), FileError::PdfByContent));
    assert!(matches!(check(&vec![b'a'; import::MAX_DOCUMENT_BYTES + 1]), FileError::TooLarge { .. }));
    assert_eq!(check(b"caf\xe9").to_string(), "is not UTF-8 (byte 3 is 0xe9); save it as UTF-8");
    let reader = no_reader();
    let read = async |file: &str| import::read(&reader, Path::new(file)).await;
    assert!(matches!(read("a.docx").await, Err(FileError::UnknownType(_))));
    assert!(matches!(read("/nowhere/a.md").await, Err(FileError::Unreadable(_))));
}

#[test]
fn the_title_is_the_first_heading_or_the_name_of_the_file() {
    let title =
        |text: &str| import::check("old_rules-2", Format::Markdown, text.as_bytes()).expect("valid").title;
    assert_eq!(title("\u{feff}# The  rules\r\n\r\nBe kind.\r\n"), "The rules");
    assert_eq!(title("Be kind."), "old rules 2");
    assert_eq!(title("# \u{202e}\u{200b}Rules\n\nBe kind."), "Rules");
    assert_eq!(title("# \u{2060}\n\nBe kind."), "Untitled");
}

proptest! {
    #[test]
    fn no_bytes_make_the_check_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = import::check("a", Format::Markdown, &bytes);
        let _ = import::check("a", Format::Text, &bytes);
    }
}

#[tokio::test]
async fn valid_files_are_imported_beside_bad_ones() {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("the file is written");
        path
    };
    let files = [
        file("empty.md", b""),
        file("good.md", b"# Good\n\nText."),
        file("picture.txt", b"\x89PNG\0"),
        file("plain.txt", b"More."),
        file("lines.jsonl", b"{\"title\": \"From a line\", \"text\": \"# Other\\n\\nText.\"}\n\n[]\n"),
    ];
    let error =
        cli::import(&db.pool, &no_reader(), SERVER, &files).await.expect_err("three are bad").to_string();
    assert_eq!(error, "3 of 5 files were not imported; the others were");
    let titles: Vec<String> =
        sqlx::query_scalar("select title from public.knowledge_documents order by title")
            .fetch_all(&db.pool)
            .await
            .expect("documents are listed");
    assert_eq!(titles, ["From a line", "Good", "plain"]);
    let error = cli::import(&db.pool, &no_reader(), OTHER, &files)
        .await
        .expect_err("nobody knows the server")
        .to_string();
    assert!(error.contains("server 811000000000000002 is unknown"), "{error}");
}

#[tokio::test]
async fn a_document_of_the_same_title_is_replaced_and_the_next_question_knows() {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    let retriever = Retriever::new(db.pool.clone());
    assert_eq!(store(&db.pool, SERVER, "# Rules\n\nThe gate closes at ten.").await, Stored::Added);
    assert_eq!(titles(&retriever, SERVER, "gate").await, ["Rules"]);
    assert_eq!(store(&db.pool, SERVER, "# Rules\n\nThe gate closes at ten.").await, Stored::Unchanged);
    assert_eq!(store(&db.pool, SERVER, "# Rules\n\nThe tower is locked.").await, Stored::Replaced);
    assert!(titles(&retriever, SERVER, "gate").await.is_empty());
    assert_eq!(titles(&retriever, SERVER, "tower").await, ["Rules"]);
}

#[tokio::test]
async fn a_server_that_is_unknown_takes_no_document() {
    let db = TestDb::new().await;
    let document = import::check("a", Format::Text, b"Text.").expect("valid");
    assert!(matches!(import::store(&db.pool, SERVER, &document).await, Err(StoreError::UnknownServer(_))));
}

#[tokio::test]
async fn a_document_written_or_changed_by_somebody_else_is_found_by_the_next_question() {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    let retriever = Retriever::new(db.pool.clone());
    assert!(titles(&retriever, SERVER, "windmill").await.is_empty());
    for (statement, expected) in [
        (
            "insert into public.knowledge_documents (server_id, title, content, file_type) values ($1, 'Mills', 'The windmill turns.', 'md')",
            true,
        ),
        (
            "update public.knowledge_documents set content = 'The watermill stands.' where server_id = $1",
            false,
        ),
        ("update public.knowledge_documents set title = 'Windmill' where server_id = $1", true),
        ("delete from public.knowledge_documents where server_id = $1", false),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(SERVER.db())
            .execute(&db.pool)
            .await
            .expect(statement);
        assert_eq!(!titles(&retriever, SERVER, "windmill").await.is_empty(), expected, "{statement}");
    }
}

#[tokio::test]
async fn indexing_writes_only_what_is_stale_and_again_when_the_language_changes() {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    store(&db.pool, SERVER, "# Häuser\n\nDie Häuser wurden verkauft.").await;
    let mut conn = db.pool.acquire().await.expect("a connection");
    assert_eq!(index::index_stale(&mut conn, SERVER, "english").await.expect("indexed"), 0);
    assert_eq!(index::index_stale(&mut conn, SERVER, "german").await.expect("indexed"), 1);
    drop(conn);
    let retriever = Retriever::new(db.pool.clone());
    assert_eq!(titles_in(&retriever, SERVER, "de", "verkaufen haus").await, ["Häuser"]);
    assert_eq!(titles_in(&retriever, SERVER, "ja", "wurden").await, ["Häuser"], "simple knows no stop words");
}

#[tokio::test]
async fn a_question_of_which_only_some_words_occur_finds_its_document() {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    store(&db.pool, SERVER, "# Restarting\n\nPress the red button in the panel to restart the server.").await;
    store(&db.pool, SERVER, "# Paying\n\nInvoices are sent by mail.").await;
    let question = "hello, my friends and I would like to restart everything because of lag";
    let all_words: bool = sqlx::query_scalar("select exists (select from helpline.knowledge_passages where lexemes @@ plainto_tsquery('english', $1))")
        .bind(question)
        .fetch_one(&db.pool)
        .await
        .expect("the search works");
    assert!(!all_words, "requiring every word finds nothing");
    assert_eq!(titles(&Retriever::new(db.pool.clone()), SERVER, question).await[0], "Restarting");
}

#[tokio::test]
async fn a_mistyped_word_finds_the_nearest_word_of_the_knowledge_base_only_when_it_is_unknown() {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    store(&db.pool, SERVER, "# Subscriptions\n\nThey renew themselves.").await;
    store(&db.pool, SERVER, "# Backpacks\n\nCarry a backpack on a trip.").await;
    store(&db.pool, SERVER, "# Backups\n\nThey are made at night.").await;
    let retriever = Retriever::new(db.pool.clone());
    assert_eq!(titles(&retriever, SERVER, "subscripton").await, ["Subscriptions"]);
    assert_eq!(titles(&retriever, SERVER, "backup").await, ["Backups"]);
}

#[tokio::test]
async fn parts_of_names_are_found_and_version_numbers_stay_whole() {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    store(&db.pool, SERVER, "# Settings\n\nEdit server.properties and set max-players=20.").await;
    store(&db.pool, SERVER, "# Versions\n\nWe run 1.21.4 everywhere.").await;
    store(&db.pool, SERVER, "# Numbers\n\nThere are 4 seats and 21 rows and 1 door.").await;
    let retriever = Retriever::new(db.pool.clone());
    assert_eq!(titles(&retriever, SERVER, "max players").await, ["Settings"]);
    assert_eq!(titles(&retriever, SERVER, "properties").await, ["Settings"]);
    assert_eq!(titles(&retriever, SERVER, "1.21.4").await, ["Versions"]);
}

#[tokio::test]
async fn a_server_never_sees_a_passage_of_another() {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    server(&db.pool, OTHER, "en").await;
    store(&db.pool, SERVER, "# Ours\n\nThe secret handshake is three claps.").await;
    store(&db.pool, OTHER, "# Theirs\n\nThe picnic is on Sunday.").await;
    let retriever = Retriever::new(db.pool.clone());
    for question in ["secret handshake", "three claps", "picnic", "Ours", "Theirs"] {
        assert!(!titles(&retriever, OTHER, question).await.contains(&"Ours".to_owned()));
        assert!(!titles(&retriever, SERVER, question).await.contains(&"Theirs".to_owned()));
    }
    let answer = Extractive::new(retriever)
        .answer(&request(OTHER, "what is the secret handshake", &[]))
        .await
        .expect("answered");
    assert_eq!(answer.action, Action::Unsure);
}

#[tokio::test]
async fn a_worker_may_index_and_search_with_its_own_rights() {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    let retriever = Retriever::new(db.role("helpline_worker"));
    sqlx::query(
        "insert into public.knowledge_documents (server_id, title, content, file_type)
         values ($1, 'Mills', 'The windmill turns.', 'md')",
    )
    .bind(SERVER.db())
    .execute(&db.pool)
    .await
    .expect("the document is added");
    assert_eq!(titles(&retriever, SERVER, "windmill").await, ["Mills"]);
}

#[tokio::test]
async fn an_index_larger_than_the_cache_still_answers() {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    store(&db.pool, SERVER, "# Ours\n\nThe handshake is three claps.").await;
    let retriever = Retriever::with_cache_bytes(db.pool.clone(), 1);
    for _ in 0..3 {
        assert_eq!(titles(&retriever, SERVER, "handshake").await, ["Ours"]);
    }
}

#[tokio::test]
async fn odd_questions_are_answered_with_unsure_and_not_with_an_error() {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    let answerer = Extractive::new(Retriever::new(db.pool.clone()));
    for empty_knowledge in [true, false] {
        for question in ["", "\0", "?!", "the of and", "''':1A \\", &"ä".repeat(50_000), "\u{202e}\u{200b}"]
        {
            let answer = answerer.answer(&request(SERVER, question, &["\0", ""])).await.expect("no error");
            assert_eq!(answer.action, Action::Unsure, "{question:.20} {empty_knowledge}");
            assert!(answer.text.starts_with("I could not find") && answer.citations.is_empty());
        }
        store(&db.pool, SERVER, "# Ours\n\nThe handshake is three claps.").await;
    }
}

#[derive(serde::Deserialize)]
struct Question {
    question: String,
    expect: Option<String>,
    follow_up_of: Option<String>,
}

#[derive(Default, Debug)]
struct Tally {
    answerable: u32,
    cited: u32,
    citations: usize,
    answered: u32,
    first: u32,
    hit_at_3: u32,
    unanswerable: u32,
    unsure: u32,
    follow_ups: u32,
    followed: u32,
    /// Answerable questions that were asked after one about another document.
    turned_right: u32,
}

fn cites(answer: &Answer, title: &str) -> bool {
    answer.citations.iter().any(|citation| citation.title == title)
}

async fn ask_theme(folder: &Path, tally: &mut Tally) {
    let db = TestDb::new().await;
    server(&db.pool, SERVER, "en").await;
    let files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it is readable").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    cli::import(&db.pool, &no_reader(), SERVER, &files).await.expect("all are imported");
    let retriever = Retriever::new(db.pool.clone());
    let answerer = Extractive::new(retriever.clone());
    let questions = std::fs::read_to_string(folder.join("questions.jsonl")).expect("there are questions");
    let all: Vec<Question> =
        questions.lines().map(|line| serde_json::from_str(line).expect("a question")).collect();
    for (at, Question { question, expect, follow_up_of }) in all.iter().enumerate() {
        let earlier: Vec<&str> = follow_up_of.as_deref().into_iter().collect();
        let answer = answerer.answer(&request(SERVER, question, &earlier)).await.expect("answered");
        tally.citations += answer.citations.len();
        tally.answered += u32::from(answer.action == Action::Answer);
        let verdict = match &expect {
            None => {
                tally.unanswerable += 1;
                let unsure = answer.action == Action::Unsure;
                tally.unsure += u32::from(unsure);
                if unsure { "right" } else { "ANSWERED" }
            }
            Some(title) if follow_up_of.is_some() => {
                tally.follow_ups += 1;
                tally.followed += u32::from(cites(&answer, title));
                if cites(&answer, title) { "right" } else { "MISSED follow-up" }
            }
            Some(title) => {
                tally.answerable += 1;
                tally.cited += u32::from(cites(&answer, title));
                let mut far = (1..all.len()).map(|step| &all[(at + all.len() / 2 + step) % all.len()]);
                let elsewhere = |other: &&Question| other.expect.as_ref().is_some_and(|other| other != title);
                let earlier = far.find(elsewhere).expect("there are several documents");
                let turned = answerer.answer(&request(SERVER, question, &[&earlier.question])).await;
                let right = cites(&turned.expect("answered"), title);
                tally.turned_right += u32::from(right);
                if right != cites(&answer, title) {
                    println!("OTHERWISE\t{right}\t{question}\tafter {}", earlier.question);
                }
                let ranked = titles(&retriever, SERVER, question).await;
                let mut documents: Vec<&String> = Vec::new();
                ranked.iter().for_each(|title| {
                    if !documents.contains(&title) {
                        documents.push(title)
                    }
                });
                let found = documents.first() == Some(&title);
                tally.first += u32::from(found);
                tally.hit_at_3 += u32::from(documents.iter().take(3).any(|found| *found == title));
                if cites(&answer, title) {
                    "right"
                } else if found {
                    "UNSURE"
                } else {
                    "MISSED"
                }
            }
        };
        println!("{verdict}\t{:.2}\t{question}\t{}", answer.confidence, answer.text.replace('\n', " / "));
    }
}

#[tokio::test]
async fn the_demos_questions_are_answered_from_the_expected_documents() {
    let mut tally = Tally::default();
    for theme in ["game-hosting", "photo-app", "bike-share"] {
        ask_theme(&Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/knowledge").join(theme), &mut tally)
            .await;
    }
    println!("{tally:?}");
    assert!(tally.cited * 100 >= tally.answerable * 90, "{tally:?}");
    assert!(tally.unsure * 100 >= tally.unanswerable * 60, "{tally:?}");
    assert!(tally.followed * 100 >= tally.follow_ups * 80, "{tally:?}");
    assert!(tally.turned_right * 100 >= tally.answerable * 80, "{tally:?}");
}

/// Runs `helpline knowledge eval` on a set; what it printed, and whether it succeeded.
async fn evaluated(dir: &Path, database: &str, more: &[&str]) -> (String, bool) {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_helpline"))
        .args(["knowledge", "eval", "--documents"])
        .arg(dir.join("documents.jsonl"))
        .arg("--questions")
        .arg(dir.join("questions.jsonl"))
        .args(more)
        .env("DATABASE_URL", database)
        .output()
        .await
        .expect("helpline runs");
    let printed = [output.stdout, output.stderr].concat();
    (String::from_utf8(printed).expect("text"), output.status.success())
}

#[tokio::test]
async fn an_admin_can_measure_his_own_knowledge() {
    let db = TestDb::new().await;
    let dir = tempfile::tempdir().expect("a directory");
    let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    put(
        "documents.jsonl",
        r#"{"id":"a","title":"Refunds","text":"You can ask for a refund within 14 days of your order."}
           {"id":"b","title":"Backups","text":"Backups are made every night and kept for 30 days."}
           {"id":"c","title":"Invoices","text":"Invoices are sent by mail on the first of the month."}
           {"id":"d","title":"Passwords","text":"A password is reset with the link below the form."}"#,
    );
    put(
        "questions.jsonl",
        r#"{"id":"1","question":"how do I get a refund?","relevant":["a"]}
           {"id":"2","question":"when are the invoices sent?","relevant":["c","d"]}
           {"id":"3","question":"do you sell umbrellas in Antarctica?","relevant":[]}"#,
    );
    let (printed, good) = evaluated(dir.path(), &db.url, &["--json"]).await;
    assert!(good, "{printed}");
    let report: serde_json::Value = serde_json::from_str(printed.trim()).expect("one JSON object alone");
    let keys: Vec<&str> = report.as_object().expect("an object").keys().map(String::as_str).collect();
    let wanted = [
        "questions",
        "hit_at_1",
        "hit_at_3",
        "recall_at_10",
        "mrr_at_10",
        "ndcg_at_10",
        "refusal_auc",
        "refused_unanswerable",
        "refused_answerable",
        "ms_p50",
        "ms_p99",
    ];
    assert_eq!(keys.len(), wanted.len());
    assert!(wanted.iter().all(|key| keys.contains(key)), "{keys:?}");
    assert_eq!((&report["questions"], &report["hit_at_1"]), (&3.into(), &1.0.into()));
    assert_eq!((&report["recall_at_10"], &report["refusal_auc"]), (&0.75.into(), &1.0.into()));
    assert_eq!(report["refused_unanswerable"], 1.0);
    let left: i64 = sqlx::query_scalar("select count(*) from public.knowledge_documents")
        .fetch_one(&db.pool)
        .await
        .expect("counted");
    assert_eq!(left, 0, "nothing is stored");
    let (printed, good) = evaluated(dir.path(), &db.role_url("helpline_worker"), &[]).await;
    assert!(good && printed.contains("hit@3                  1.000"), "{printed}");
    put("questions.jsonl", "{\"question\":1}");
    let (printed, good) = evaluated(dir.path(), &db.url, &[]).await;
    assert!(
        !good && printed.contains("questions.jsonl:1: ") && printed.contains("\"relevant\""),
        "{printed}"
    );
}
