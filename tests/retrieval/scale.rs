//! How fast a server of 10,000 passages is searched in a database of 1,000,000: `make bench-retrieval`.

use std::time::{Duration, Instant};

use super::*;

/// Passages of all other servers.
const OTHERS: u32 = 990_000;
/// Documents of the server, and passages of each.
const DOCUMENTS: usize = 500;
const PASSAGES: usize = 20;
/// Different words that its documents are made of, as many as a hand-book of that size has.
const WORDS: usize = 25_000;
const WARM: usize = 3_000;
const FIRST: usize = 200;

/// Words as people invent them, the first ones far more often than the last (Zipf).
struct Language {
    words: Vec<String>,
    random: fastrand::Rng,
}

impl Language {
    fn new() -> Self {
        const SYLLABLES: [&str; 24] = [
            "ba", "cor", "den", "fi", "gra", "hol", "im", "jun", "kel", "lo", "mar", "nu", "op", "pra",
            "qui", "ros", "sti", "tan", "ul", "ver", "win", "xo", "yar", "zem",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        let words = (0..WORDS).map(|_| {
            let syllables = random.usize(2..5);
            (0..syllables).map(|_| SYLLABLES[random.usize(..SYLLABLES.len())]).collect()
        });
        let words = words.collect();
        Self { words, random }
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is between 1 and the number of words")]
    fn word(&mut self) -> &str {
        let rank = (WORDS as f64).powf(self.random.f64()) as usize;
        &self.words[rank.min(WORDS) - 1]
    }

    fn sentence(&mut self, words: usize) -> String {
        let words: Vec<String> = (0..words).map(|_| self.word().to_owned()).collect();
        words.join(" ")
    }

    /// A document that is cut into [`PASSAGES`] passages.
    fn document(&mut self) -> String {
        let sections = (0..PASSAGES).map(|_| {
            let (heading, one, other) = (self.sentence(3), self.sentence(26), self.sentence(26));
            format!("## {heading}\n\n{one}. {other}.\n\n")
        });
        sections.collect()
    }

    /// As members type: some rare words, many common ones, now and then a slip.
    fn question(&mut self) -> String {
        let length = self.random.usize(5..14);
        let mut question = self.sentence(length);
        if self.random.u8(..4) == 0 {
            question.remove(self.random.usize(..question.len()));
        }
        question
    }
}

async fn fill(db: &TestDb, language: &mut Language) {
    let others = format!(
        "set synchronous_commit = off;
         insert into public.servers (id, name) select s, 'server' from generate_series(1, {servers}) s;
         alter table public.knowledge_documents disable trigger user;
         insert into public.knowledge_documents (server_id, title, content, file_type)
         select 1 + n % {servers}, 'Document ' || n, 'What is written here.', 'md' from generate_series(1, {documents}) n;
         alter table public.knowledge_documents enable trigger user;
         insert into helpline.knowledge_versions (server_id, version) select s, 1 from generate_series(1, {servers}) s;
         insert into helpline.knowledge_passages (server_id, document_id, ordinal, heading, content, lexemes)
         select server_id, id, o, title, repeat(md5(o::text || id::text) || ' ', 10), 'here:4 written:3 passag:5'::tsvector
         from public.knowledge_documents cross join generate_series(0, 19) o;",
        servers = OTHERS / 200,
        documents = OTHERS / 20,
    );
    support::run(&db.pool, others).await;
    add_server(&db.pool, SERVER).await;
    for number in 0..DOCUMENTS {
        let (title, text) = (format!("{} {number}", language.sentence(3)), language.document());
        sqlx::query("insert into public.knowledge_documents (server_id, title, content, file_type) values ($1, $2, $3, 'md')")
            .bind(SERVER.db())
            .bind(title)
            .bind(text)
            .execute(&db.pool)
            .await
            .expect("it is added");
    }
    let mut conn = db.pool.acquire().await.expect("a connection");
    let indexed =
        helpline::knowledge::index::index_stale(&mut conn, SERVER, "english").await.expect("indexed");
    assert_eq!(indexed, DOCUMENTS);
    support::run(&db.pool, "vacuum analyze helpline.knowledge_passages".to_owned()).await;
}

fn told(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "{what:44} p50 {:7.2} ms   p99 {:7.2} ms   longest {:7.2} ms   of {}",
        at(50),
        at(99),
        at(100),
        times.len()
    );
}

async fn measure(what: &str, database: &Database, language: &mut Language, embedder: Option<&Arc<Embedder>>) {
    let new = || Retriever::new(database.clone()).with_embedder(embedder.cloned());
    let asked = async |retriever: &Retriever, question: &str| {
        let started = Instant::now();
        retriever.retrieve(SERVER, "en", question, &[]).await.expect("it is searched");
        started.elapsed()
    };
    let mut first = Vec::new();
    for _ in 0..FIRST {
        first.push(asked(&new(), &language.question()).await);
    }
    let retriever = new();
    asked(&retriever, "warm").await;
    let mut warm = Vec::new();
    for _ in 0..WARM {
        warm.push(asked(&retriever, &language.question()).await);
    }
    told(&format!("{what}, index in memory"), warm);
    told(&format!("{what}, first after a takeover"), first);
}

#[tokio::test]
#[ignore = "takes minutes: make bench-retrieval"]
async fn bench_ten_thousand_passages_among_a_million() {
    helpline::telemetry::install_crypto();
    let (db, mut language) = (TestDb::new().await, Language::new());
    let started = Instant::now();
    fill(&db, &mut language).await;
    let count: i64 =
        sqlx::query_scalar("select count(*) from helpline.knowledge_passages where server_id = $1")
            .bind(SERVER.db())
            .fetch_one(&db.pool)
            .await
            .expect("counted");
    println!(
        "{count} passages of the server and {OTHERS} of others, made in {:.0} s",
        started.elapsed().as_secs_f64()
    );
    let database = Database::from(db.role("helpline_worker"));
    measure("by words", &database, &mut language, None).await;
    // Vectors of 384 numbers for all passages, as a sentence model's are.
    support::run(
        &db.pool,
        format!(
            "insert into helpline.knowledge_vectors (server_id, document_id, ordinal, model, vector)
             select server_id, document_id, ordinal, '1:api:about',
                 substring(decode(repeat(md5(document_id::text || ordinal), 24), 'hex') for 384)
             from helpline.knowledge_passages where server_id = {0};
             insert into helpline.knowledge_derived (server_id, vectors_version, vectors_model)
             select server_id, version, '1:api:about' from helpline.knowledge_versions where server_id = {0}
             on conflict (server_id) do update
             set vectors_version = excluded.vectors_version, vectors_model = excluded.vectors_model",
            SERVER.db()
        ),
    )
    .await;
    let endpoint = EmbeddingServer::start(Mode::Ok, |text| {
        let mut random = fastrand::Rng::with_seed(text.len() as u64);
        (0..384).map(|_| random.f32() - 0.5).collect()
    })
    .await;
    let source = Source::Endpoint(api::Config {
        url: endpoint.url.parse().expect("a URL"),
        key: None,
        name: "about".to_owned(),
    });
    let config = embedding::Config { source, patience: Duration::from_millis(150) };
    let embedder = Arc::new(Embedder::open(config).await.expect("a client"));
    measure("by words and meaning", &database, &mut language, Some(&embedder)).await;
}
