//! `/knowledge` and `/gaps`, their buttons and forms, within T1. Every id in them comes from outside: it is looked for
//! among those of the press's own server, and only who manages the server gets as far.

use helpline_cluster::ids::ServerId;
use uuid::Uuid;

use super::{Error, Relevant, T1};
use crate::commands::MANAGE_SERVER;
use crate::commands::config::Suggestion;
use crate::commands::knowledge::{self, Lesson, MOST_AT_ONCE, Request, Source, Work, texts};
use crate::deliver::outbox::{self, Lane};
use crate::deliver::panel::{Panel, ReplyTo};
use crate::deliver::{Effect, OutboxKey};
use crate::discord::{Interaction, Member};
use crate::first_reply::{
    ANSWER_GAP, COMPONENT, DRAFT, GAP, GAPS, LEARN, MODAL_SUBMIT, PAGE, REMOVE, REMOVE_NOT, id_in,
};
use crate::knowledge::documents::{self, SameTitle, Wish};
use crate::knowledge::gaps;
use crate::server_config::ServerConfig;
use crate::texts::{Lang, say};
use crate::worker::lanes::knowledge::{LEARN as LEARNING, telling};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Page,
    Remove,
    Keep,
    Draft,
    Gaps,
    /// The form for an answer is to be opened.
    Gap,
    /// A form was sent.
    Learn,
    AnswerGap,
}

/// A press or a form of ours, as its custom id names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnKnowledge {
    what: What,
    /// None: what stands there is no id.
    id: Option<Uuid>,
    page: u32,
    /// What follows the id.
    word: String,
}

/// Reads a custom id; none when it belongs to no document.
pub(super) fn read(kind: u8, custom_id: &str) -> Option<OnKnowledge> {
    let known = [
        (COMPONENT, PAGE, What::Page),
        (COMPONENT, REMOVE, What::Remove),
        (COMPONENT, REMOVE_NOT, What::Keep),
        (COMPONENT, DRAFT, What::Draft),
        (COMPONENT, GAPS, What::Gaps),
        (COMPONENT, GAP, What::Gap),
        (MODAL_SUBMIT, LEARN, What::Learn),
        (MODAL_SUBMIT, ANSWER_GAP, What::AnswerGap),
    ];
    let (.., what) =
        known.into_iter().find(|(on, prefix, _)| *on == kind && custom_id.starts_with(prefix))?;
    let mut parts = custom_id.split(':').skip(1);
    let page = parts.next().and_then(|page| page.parse().ok()).unwrap_or(0);
    Some(OnKnowledge { what, id: id_in(custom_id), page, word: parts.next().unwrap_or_default().to_owned() })
}

/// Who asks for something, and in which language he is told.
#[derive(Clone, Copy)]
struct By<'a> {
    server: ServerId,
    interaction: &'a Interaction,
    lang: Lang,
}

impl T1 {
    /// `/knowledge`, by somebody who may use it.
    pub(super) async fn knowledge(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
        lang: Lang,
    ) -> Result<(), Error> {
        let by = By { server, interaction, lang };
        let request = match knowledge::request(interaction, server, lang) {
            Ok(request) => request,
            Err(refusal) => return self.answer(by, refusal).await,
        };
        match request {
            Request::Write { replaces } => {
                let about = match replaces {
                    // The proxy opens the form too, and knows no titles.
                    Some(name) if Uuid::parse_str(&name).is_err() => {
                        return self.answer(by, say!(by.lang, "documents-choose")).await;
                    }
                    Some(name) => match documents::find(&mut self.tx, server, &name).await? {
                        Some(document) => Some(document.id),
                        None => return self.answer(by, say!(by.lang, "documents-not-here")).await,
                    },
                    None => None,
                };
                self.fill_form(by, LEARN, about, Vec::new()).await
            }
            Request::Learn { source, title, replaces } => {
                let replaces = match replaces {
                    Some(name) => match documents::find(&mut self.tx, server, &name).await? {
                        Some(document) => Some(document.id),
                        None => return self.answer(by, say!(by.lang, "documents-not-here")).await,
                    },
                    None => None,
                };
                self.learn(by, source, title, replaces, None).await
            }
            Request::List => self.show_page(by, 0).await,
            Request::Search(question) => self.work(by, Work::Search { question }).await,
            Request::View(name) => match documents::find(&mut self.tx, server, &name).await? {
                Some(document) => self.work(by, Work::View { document: document.id }).await,
                None => self.answer(by, say!(by.lang, "documents-not-here")).await,
            },
            Request::Remove(name) => match documents::find(&mut self.tx, server, &name).await? {
                Some(it) => {
                    let panel = texts::really_remove(lang, &it.title, it.id, it.passages, it.has_file);
                    self.panel(by, panel).await
                }
                None => self.answer(by, say!(by.lang, "documents-not-here")).await,
            },
        }
    }

    pub(super) async fn gaps(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
        lang: Lang,
    ) -> Result<(), Error> {
        let by = By { server, interaction, lang };
        self.work(by, Work::Gaps { page: 0 }).await
    }

    /// Documents whose titles hold what is being typed.
    pub(super) async fn titles(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
    ) -> Result<Vec<Suggestion>, Error> {
        let Some(typed) = knowledge::typed(interaction) else { return Ok(Vec::new()) };
        Ok(knowledge::suggestions(documents::titles(&mut self.tx, server, typed).await?))
    }

    pub(super) async fn on_knowledge(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        on: &OnKnowledge,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        let by = By { server, interaction, lang: Lang::of_member(interaction, config) };
        if !interaction.member.as_ref().is_some_and(|member| member.holds(MANAGE_SERVER.bits)) {
            let permission = MANAGE_SERVER.name.in_lang(by.lang);
            let text = say!(by.lang, "documents-need-permission", permission);
            return self.answer(by, text).await;
        }
        let id = on.id.unwrap_or_default();
        match on.what {
            What::Page => self.show_page(by, i64::from(on.page)).await,
            What::Keep => self.panel(by, Panel::text(say!(by.lang, "documents-kept"))).await,
            What::Gaps => self.work(by, Work::Gaps { page: on.page }).await,
            What::Draft => self.decide(by, id, &on.word).await,
            What::Remove => {
                self.lock(server).await?;
                let text = match documents::remove(&mut self.tx, server, id).await? {
                    Some(title) => texts::removed(by.lang, &title),
                    None => say!(by.lang, "documents-not-here"),
                };
                self.panel(by, Panel::text(text)).await
            }
            What::Gap => match gaps::title(&mut self.tx, server, id).await? {
                Some(title) => {
                    let values = vec![(crate::first_reply::LEARN_TITLE.to_owned(), title)];
                    self.fill_form(by, ANSWER_GAP, Some(id), values).await
                }
                None => self.answer(by, say!(by.lang, "gaps-gone")).await,
            },
            What::Learn | What::AnswerGap => self.written(by, on).await,
        }
    }

    /// A form was sent.
    async fn written(&mut self, by: By<'_>, on: &OnKnowledge) -> Result<(), Error> {
        let (title, text) = by.interaction.data.as_ref().map(knowledge::written).unwrap_or_default();
        if !text.chars().any(char::is_alphanumeric) {
            return self.answer(by, say!(by.lang, "documents-no-text")).await;
        }
        let source = Source::Text { text };
        if on.what == What::Learn {
            return self.learn(by, source, title, on.id, None).await;
        }
        match gaps::title(&mut self.tx, by.server, on.id.unwrap_or_default()).await? {
            Some(asked) => {
                let title = title.unwrap_or(asked);
                self.learn(by, source, Some(title), None, on.id).await
            }
            None => self.answer(by, say!(by.lang, "gaps-gone")).await,
        }
    }

    async fn learn(
        &mut self,
        by: By<'_>,
        source: Source,
        title: Option<String>,
        replaces: Option<Uuid>,
        gap: Option<Uuid>,
    ) -> Result<(), Error> {
        let waiting = outbox::count_waiting(&mut self.tx, by.server, LEARNING).await?;
        let Some(Member { user, .. }) = &by.interaction.member else { return Ok(()) };
        if waiting >= MOST_AT_ONCE as i64 {
            return self.answer(by, say!(by.lang, "documents-busy")).await;
        }
        let lesson = Lesson { source, added_by: user.id, title, replaces, gap };
        self.work(by, Work::Learn(lesson)).await
    }

    /// What becomes of a document whose title is taken.
    async fn decide(&mut self, by: By<'_>, draft: Uuid, word: &str) -> Result<(), Error> {
        self.lock(by.server).await?;
        let Some((document, origin, gap)) = documents::take_draft(&mut self.tx, by.server, draft).await?
        else {
            return self.panel(by, Panel::text(say!(by.lang, "documents-draft-gone"))).await;
        };
        let same_title = match word {
            "replace" => SameTitle::Replace,
            "both" => SameTitle::KeepBoth,
            _ => return self.panel(by, Panel::text(say!(by.lang, "documents-draft-dropped"))).await,
        };
        let wish = Wish { draft, replaces: None, gap, same_title };
        let learned = documents::learn(&mut self.tx, by.server, &document, &origin, wish).await?;
        let told = telling(&ReplyTo::new(by.interaction, by.lang), &document, learned);
        self.in_own_lane(by, "learned", told).await
    }

    async fn show_page(&mut self, by: By<'_>, page: i64) -> Result<(), Error> {
        let room = documents::room(&mut self.tx, by.server).await?;
        let page = page.min(texts::pages(room.documents) - 1);
        let length = i64::try_from(knowledge::PAGE).unwrap_or(i64::MAX);
        let listed = documents::list(&mut self.tx, by.server, page, length).await?;
        self.panel(by, texts::list(by.lang, &listed, page, &room)).await
    }

    async fn work(&mut self, by: By<'_>, work: Work) -> Result<(), Error> {
        let effect = if matches!(work, Work::Learn(_)) { LEARNING } else { "knowledge" };
        let request = Effect::Knowledge { to: ReplyTo::new(by.interaction, by.lang), work };
        self.in_own_lane(by, effect, request).await
    }

    async fn panel(&mut self, by: By<'_>, panel: Panel) -> Result<(), Error> {
        let request = Effect::ShowPanel { to: ReplyTo::new(by.interaction, by.lang), panel };
        self.deliver_alone(by.server, by.interaction.id.0.to_string(), "respond", request).await
    }

    async fn fill_form(
        &mut self,
        by: By<'_>,
        form: &str,
        about: Option<Uuid>,
        values: Vec<(String, String)>,
    ) -> Result<(), Error> {
        let request = Effect::FillForm {
            interaction: by.interaction.id,
            token: by.interaction.token.clone(),
            form: form.to_owned(),
            about,
            values,
            lang: by.lang,
        };
        self.deliver_alone(by.server, by.interaction.id.0.to_string(), "form", request).await
    }

    /// An effect that may take long holds up nothing but itself.
    async fn in_own_lane(&mut self, by: By<'_>, effect: &'static str, request: Effect) -> Result<(), Error> {
        self.lock(by.server).await?;
        let lane = Lane { server: by.server, conversation: Some(knowledge::lane_of(by.interaction.id)) };
        let key = OutboxKey { event_id: by.interaction.id.0.to_string(), effect, part: 0 };
        outbox::add(&mut self.tx, lane, &key, &request).await?;
        self.lanes.insert(lane);
        Ok(())
    }

    async fn answer(&mut self, by: By<'_>, text: String) -> Result<(), Error> {
        self.respond(by.server, by.interaction, text).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_id_is_read_where_it_belongs_and_a_crafted_one_names_nothing() {
        let id = Uuid::max();
        let draft = read(COMPONENT, &format!("kdraft:{id}:both")).expect("it is ours");
        assert_eq!((draft.what, draft.id, draft.word.as_str()), (What::Draft, Some(id), "both"));
        assert_eq!(read(COMPONENT, "kpage:7").map(|on| (on.what, on.page)), Some((What::Page, 7)));
        assert_eq!(read(COMPONENT, "gaps:2").map(|on| (on.what, on.page)), Some((What::Gaps, 2)));
        assert_eq!(read(COMPONENT, &format!("gap:{id}")).map(|on| on.what), Some(What::Gap));
        assert_eq!(read(COMPONENT, "klearn:"), None, "no button is a form");
        for crafted in ["kpage:-1", "kpage:99999999999999999999", "kremove:../1", "kdraft:\u{202e}:x:y"] {
            let on = read(COMPONENT, crafted).expect("its prefix is ours");
            assert_eq!((on.id, on.page), (None, 0), "{crafted}");
        }
    }
}
