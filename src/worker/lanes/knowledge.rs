//! What admins want of the documents, as far as it takes longer than a transaction may: reading files, searching, looking
//! for gaps. Each interaction has a lane of its own.
//!
//! A document is learnt in one fenced transaction that also ends the effect which asked for it and leaves the one that
//! tells of it: whoever owns the shard after a crash either begins anew or only tells. Before that nothing is visible
//! but a message that says how far it is.

use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::database::Database;
use helpline_cluster::fence::FencedTx;
use tokio::sync::Semaphore;

use super::Inner;
use crate::commands::knowledge::{Lesson, Source, Work, gaps as gap_texts, lane_of, texts};
use crate::deliver::client::{Outcome, Read};
use crate::deliver::outbox::{self, Lane};
use crate::deliver::panel::{File, Panel, ReplyTo};
use crate::deliver::{Effect, OutboxKey};
use crate::discord::Attachment;
use crate::knowledge::documents::{self, Learned, Origin, SameTitle, Wish};
use crate::knowledge::fetch::{self, Fetcher};
use crate::knowledge::import::{self, MAX_DOCUMENT_BYTES, MAX_PDF_BYTES, NewDocument};
use crate::knowledge::passages::Format;
use crate::knowledge::{gaps, pdf};
use crate::texts::{Lang, say};
use crate::worker::apply::Error;

/// The effects by which a document is learnt, and told of.
pub const LEARN: &str = "learn";
const LEARNED: &str = "learned";
/// Files that one worker reads at once: each may take what a child is given, and waits for the processor.
const READ_AT_ONCE: usize = 2;
/// Pauses before a file that could not be fetched is asked for again.
const FETCH_AGAIN: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// Where files are read.
#[derive(Debug)]
pub struct Desk {
    fetcher: Fetcher,
    pdf: pdf::Reader,
    /// Overflow rule: the next file waits.
    places: Arc<Semaphore>,
}

impl Desk {
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(discord_api_url: &str, pdf: pdf::Reader) -> anyhow::Result<Self> {
        let places = Arc::new(Semaphore::new(READ_AT_ONCE));
        Ok(Self { fetcher: Fetcher::new(discord_api_url)?, pdf, places })
    }
}

/// What a lesson turned out to be.
enum Material {
    Document(NewDocument, Origin),
    /// And what to say of it.
    None(String),
    /// The proxy cannot be asked now.
    Later(Outcome),
}

/// A file before it is read.
enum Raw {
    File { filename: String, bytes: Vec<u8> },
    Text { name: String, text: String },
}

impl Inner {
    /// One attempt.
    pub(super) async fn work_on(
        &self,
        lane: Lane,
        to: &ReplyTo,
        work: &Work,
        mark: &str,
    ) -> Result<Outcome, Error> {
        let (pool, server, lang) = (&self.pool, lane.server, to.lang);
        match work {
            Work::Learn(lesson) => self.learn(lane, to, lesson, mark).await,
            Work::Learned { document, replaced, closed_gap } => {
                let language = self.shared.configs.get(server).await?.language.clone();
                // A search makes everything searchable that is not yet.
                self.search(server, &language, "anything").await?;
                let panel = match documents::passages_of(pool, server, *document).await? {
                    Some((title, passages)) => {
                        Panel::text(texts::searchable(lang, &title, passages, *replaced, *closed_gap))
                    }
                    None => Panel::text(say!(lang, "documents-not-here")),
                };
                Ok(self.show(to, &panel, None, mark).await)
            }
            Work::View { document } => {
                let Some(shown) = documents::shown(pool, server, *document).await? else {
                    return Ok(self
                        .show(to, &Panel::text(say!(lang, "documents-not-here")), None, mark)
                        .await);
                };
                let file = file_of(&shown);
                Ok(self.show(to, &texts::view(lang, &shown), Some(&file), mark).await)
            }
            Work::Search { question } => {
                let language = self.shared.configs.get(server).await?.language.clone();
                let found = self.search(server, &language, question).await?;
                Ok(self.show(to, &Panel::text(texts::found(lang, question, &found)), None, mark).await)
            }
            Work::Gaps { page } => {
                let language = self.shared.configs.get(server).await?.language.clone();
                let (shown, page) = self.gaps(lane, &language, i64::from(*page)).await?;
                Ok(self.show(to, &gap_texts::list(lang, server, &shown, page), None, mark).await)
            }
        }
    }

    async fn show(&self, to: &ReplyTo, panel: &Panel, file: Option<&File>, mark: &str) -> Outcome {
        self.shared.client.show(&self.lease.fence, mark, to, panel, file).await
    }

    async fn search(
        &self,
        server: helpline_cluster::ids::ServerId,
        language: &str,
        question: &str,
    ) -> Result<crate::answer::retrieve::Retrieved, Error> {
        use crate::answer::retrieve::Error::Database;
        let found = self.shared.retriever.retrieve(server, language, question, &[]).await;
        found.map_err(|Database(error)| Error::Database(error))
    }

    async fn learn(&self, lane: Lane, to: &ReplyTo, lesson: &Lesson, mark: &str) -> Result<Outcome, Error> {
        let lang = to.lang;
        let name = lesson.name(lang);
        // How far it is may be told or not: it is no promise.
        self.show(to, &Panel::text(texts::reading(lang, &name)), None, mark).await;
        let next = match self.material(lane, lesson, lang).await {
            Material::Later(outcome) => return Ok(outcome),
            Material::None(why) => Ok(why),
            Material::Document(document, origin) => {
                self.show(to, &Panel::text(texts::cutting(lang, &document.title)), None, mark).await;
                Err((document, origin))
            }
        };
        let server = lane.server;
        let event_id = to.interaction.0.to_string();
        let mut tx = FencedTx::begin_for(&self.pool, &self.lease.fence, server).await?;
        let asked = OutboxKey { event_id: event_id.clone(), effect: LEARN, part: 0 };
        if !outbox::end(&mut tx, server, &asked).await? {
            // An earlier attempt, whose outcome was not known, took effect.
            tx.rollback().await?;
            return Ok(Outcome::Done { message: None });
        }
        let told = match next {
            Ok(why) => Effect::ShowPanel { to: to.clone(), panel: Panel::text(why) },
            Err((document, origin)) => {
                let wish = Wish {
                    draft: lane_of(to.interaction),
                    replaces: lesson.replaces,
                    gap: lesson.gap,
                    same_title: SameTitle::Ask,
                };
                let learned = documents::learn(&mut tx, server, &document, &origin, wish).await?;
                telling(to, &document, learned)
            }
        };
        let key = OutboxKey { event_id, effect: LEARNED, part: 0 };
        outbox::add(&mut tx, lane, &key, &told).await?;
        tx.commit().await?;
        Ok(Outcome::Done { message: None })
    }

    /// Fetches and reads.
    async fn material(&self, lane: Lane, lesson: &Lesson, lang: Lang) -> Material {
        let desk = &self.shared.desk;
        let name = lesson.name(lang);
        let refused = |why: &str| Material::None(texts::refused(lang, &name, why));
        let Ok(_place) = Arc::clone(&desk.places).acquire_owned().await else {
            return refused(&say!(lang, "file-later"));
        };
        let raw = match &lesson.source {
            Source::Text { text } => Ok(Raw::Text { name: first_line(text), text: text.clone() }),
            Source::File { url, filename, .. } => self.fetch(url, filename, lang).await,
            Source::Message { channel, message } => {
                match self.shared.client.read_message(&self.lease.fence, *channel, *message).await {
                    Read::Message(message) => self.of_message(message, lang).await,
                    Read::Refused => Err(say!(lang, "file-gone")),
                    Read::Not(outcome) => return Material::Later(outcome),
                }
            }
        };
        let raw = match raw {
            Ok(raw) => raw,
            Err(why) => return refused(&why),
        };
        let (document, filename, bytes) = match raw {
            Raw::File { filename, bytes } => {
                (import::document(&desk.pdf, &filename, &bytes).await, filename, Some(bytes))
            }
            Raw::Text { name, text } => {
                (import::check(&name, Format::Markdown, text.as_bytes()), String::new(), None)
            }
        };
        tracing::debug!(server = lane.server.get(), good = document.is_ok(), "a document was read");
        match document {
            Ok(document) => {
                let title = lesson.title.as_deref().map_or(document.title, import::one_title);
                let document = NewDocument { title, ..document };
                // Of text and Markdown the content is the file.
                let file = bytes.filter(|_| document.format == Format::Pdf);
                Material::Document(document, Origin { added_by: lesson.added_by, filename, file })
            }
            Err(error) => refused(&texts::why_not(lang, &error)),
        }
    }

    /// The error says why there is no file, and what to do.
    async fn fetch(&self, url: &str, filename: &str, lang: Lang) -> Result<Raw, String> {
        let most = match import::format_of(filename).map_err(|error| texts::why_not(lang, &error))? {
            Format::Pdf => MAX_PDF_BYTES,
            Format::Text | Format::Markdown => MAX_DOCUMENT_BYTES,
        };
        let mut pauses = FETCH_AGAIN.into_iter();
        loop {
            match (self.shared.desk.fetcher.fetch(url, most).await, pauses.next()) {
                (Ok(bytes), _) => return Ok(Raw::File { filename: filename.to_owned(), bytes }),
                (Err(error), Some(pause)) if fetch::Error::may_pass(&error) => {
                    tokio::time::sleep(pause).await;
                }
                (Err(error), _) => return Err(texts::not_fetched(lang, &error)),
            }
        }
    }

    /// What a message says, or the first file in it that can be read.
    async fn of_message(&self, message: serde_json::Value, lang: Lang) -> Result<Raw, String> {
        #[derive(serde::Deserialize)]
        struct Message {
            #[serde(default)]
            content: String,
            #[serde(default)]
            attachments: Vec<Attachment>,
        }
        let unreadable = || say!(lang, "file-message-empty");
        let message: Message = serde_json::from_value(message).map_err(|_| unreadable())?;
        if !message.content.trim().is_empty() {
            return Ok(Raw::Text { name: first_line(&message.content), text: message.content });
        }
        let file = message.attachments.iter().find(|file| import::format_of(&file.filename).is_ok());
        match file {
            Some(file) => self.fetch(&file.url, &file.filename, lang).await,
            None => Err(unreadable()),
        }
    }

    async fn gaps(&self, lane: Lane, language: &str, page: i64) -> Result<(gaps::Page, i64), Error> {
        let server = lane.server;
        let pool: &Database = &self.pool;
        let questions = gaps::questions(pool, server).await?;
        let texts: Vec<String> = questions.iter().map(|question| question.text.clone()).collect();
        let lexemes = self.shared.retriever.lexemes(language, &texts).await;
        let lexemes =
            lexemes.map_err(|crate::answer::retrieve::Error::Database(error)| Error::Database(error))?;
        let grouped = tokio::task::spawn_blocking(move || gaps::group(questions, &lexemes)).await;
        let grouped = grouped.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let (shown, page) = gaps::page(server, grouped, page);
        let mut tx = FencedTx::begin_for(pool, &self.lease.fence, server).await?;
        gaps::remember(&mut tx, server, &shown.gaps).await?;
        tx.commit().await?;
        Ok((shown, page))
    }
}

/// What is told of a document that was learnt or not.
pub fn telling(to: &ReplyTo, document: &NewDocument, learned: Learned) -> Effect {
    let lang = to.lang;
    let panel = match learned {
        Learned::Stored { document, replaced, closed_gap } => {
            let work = Work::Learned { document, replaced, closed_gap };
            return Effect::Knowledge { to: to.clone(), work };
        }
        Learned::KnownAs(title) => Panel::text(texts::known_already(lang, &title)),
        Learned::Taken(draft) => texts::taken(lang, &document.title, draft),
        Learned::NoRoom(room) => Panel::text(texts::no_room(lang, &room, document.content.len() as u64)),
        Learned::NotHere => Panel::text(say!(lang, "documents-not-here")),
        Learned::TooManyWords => {
            let why = say!(lang, "file-too-many-words");
            Panel::text(texts::refused(lang, &document.title, &why))
        }
    };
    Effect::ShowPanel { to: to.clone(), panel }
}

/// The original, or the text under a name that says what it is.
fn file_of(shown: &documents::Shown) -> File {
    match &shown.file {
        Some((name, bytes)) => File { name: name.clone(), bytes: bytes.clone() },
        None => {
            let ending = if shown.file_type == "md" { "md" } else { "txt" };
            let name: String =
                shown.title.chars().filter(|c| c.is_alphanumeric() || " -_.".contains(*c)).collect();
            let name = name.trim_matches(['.', ' ']).chars().take(80).collect::<String>();
            let name = if name.is_empty() { "document".to_owned() } else { name };
            File { name: format!("{name}.{ending}"), bytes: shown.content.clone().into_bytes() }
        }
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| line.chars().any(char::is_alphanumeric)).unwrap_or("");
    texts::short(line.trim_start_matches(['#', '>', '*', '-', ' ']), 80)
}

impl Lesson {
    /// What is said to be read.
    fn name(&self, lang: Lang) -> String {
        match (&self.title, &self.source) {
            (Some(title), _) => title.clone(),
            (None, Source::File { filename, .. }) => filename.clone(),
            (None, Source::Text { text }) => first_line(text),
            (None, Source::Message { .. }) => say!(lang, "documents-that-message"),
        }
    }
}
