//! `/gaps`: what members asked and got no good answer to. Pure.

use helpline_cluster::ids::ServerId;

use super::texts::{short, turning};
use crate::deliver::panel::{Button, Panel, Style};
use crate::deliver::render::{
    ticket::{link, quote},
    truncate,
};
use crate::discord::MAX_CONTENT_CHARS;
use crate::first_reply::{GAP, GAPS};
use crate::knowledge::gaps::{DAYS, Gap, PAGE, Page};
use crate::texts::{Lang, say};

/// Room of what is quoted of a question.
const QUESTION_CHARS: usize = 120;
/// Threads that a gap leads to.
const LINKS: usize = 2;

/// A page of the gaps, each with a button that opens a form for its answer.
pub fn list(lang: Lang, server: ServerId, shown: &Page, page: i64) -> Panel {
    if shown.gaps.is_empty() {
        return Panel::text(say!(lang, "gaps-none", days = DAYS));
    }
    let mut content = say!(lang, "gaps-list", questions = shown.questions, days = DAYS);
    content.push('\n');
    let first = usize::try_from(page).unwrap_or(0) * PAGE + 1;
    let mut buttons = Vec::new();
    for (n, gap) in (first..).zip(&shown.gaps) {
        content.push_str(&line(lang, server, n, gap));
        let label = say!(lang, "button-gap", n);
        buttons.push(Button::new(Style::Primary, &label, format!("{GAP}{}", gap.id)));
    }
    content.push_str("-# ");
    content.push_str(&say!(lang, "gaps-how"));
    let mut rows = vec![buttons];
    rows.extend(turning(lang, GAPS, page, shown.pages));
    Panel { content: truncate(&content, MAX_CONTENT_CHARS), rows }
}

fn line(lang: Lang, server: ServerId, n: usize, gap: &Gap) -> String {
    let (unsure, unhelpful, handed_over) = gap.counts();
    let mut whys = Vec::new();
    if unsure > 0 {
        whys.push(say!(lang, "gaps-not-found", count = unsure));
    }
    if unhelpful > 0 {
        whys.push(say!(lang, "gaps-not-helpful", count = unhelpful));
    }
    if handed_over > 0 {
        whys.push(say!(lang, "gaps-human", count = handed_over));
    }
    let mut places: Vec<_> = gap.questions.iter().map(|question| question.place).collect();
    places.dedup();
    let links: Vec<String> = places.into_iter().take(LINKS).map(|place| link(server, place, None)).collect();
    let question = quote(&short(gap.title(), QUESTION_CHARS), QUESTION_CHARS);
    format!("{n}\\. **{}×** · {} · {}\n{question}\n", gap.questions.len(), whys.join(", "), links.join(" "))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::discord::{ChannelId, MessageId};
    use crate::knowledge::gaps::{Question, group::Why};

    #[test]
    fn the_longest_page_fits_and_every_gap_has_its_button() {
        let question = |n: u64| Question {
            id: MessageId(u64::MAX - n),
            text: "`long` @everyone ".repeat(100),
            place: ChannelId(u64::MAX - n),
            why: Why { unsure: true, unhelpful: true, handed_over: true },
        };
        let gap = Gap { id: Uuid::max(), questions: (0..999).map(question).collect() };
        let shown = Page { gaps: vec![gap; PAGE], questions: 99_999, pages: 3 };
        let panel = list(Lang::En, ServerId(u64::MAX), &shown, 2);
        assert!(
            panel.content.chars().count() <= MAX_CONTENT_CHARS && panel.content.ends_with("list."),
            "{}",
            panel.content.len()
        );
        assert_eq!((panel.rows[0].len(), panel.rows[1].len()), (PAGE, 2));
    }
}
