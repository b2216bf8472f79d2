//! The custom ids of what `/knowledge` and `/gaps` show, and their forms. Pure.

use super::{Input, Modal};
use crate::texts::{Key, Lang};

/// Prefixes of the custom ids below what `/knowledge` and `/gaps` show; a page, or the id of a document, a draft (and what
/// is to become of it) or a gap follows.
pub const PAGE: &str = "kpage:";
pub const REMOVE: &str = "kremove:";
pub const REMOVE_NOT: &str = "kkeep:";
pub const DRAFT: &str = "kdraft:";
pub const GAPS: &str = "gaps:";
pub const GAP: &str = "gap:";
/// Prefix of the custom id of the form for a document; the id of the document that it replaces may follow.
pub const LEARN: &str = "klearn:";
/// Prefix of the custom id of the form that [`GAP`] opens; the gap's id follows.
pub const ANSWER_GAP: &str = "kanswer:";
/// The inputs of both.
pub const LEARN_TITLE: &str = "title";
pub const LEARN_TEXT: &str = "text";

pub const LEARN_FORM: Modal = Modal {
    custom_id: LEARN,
    about: None,
    lang: Lang::En,
    title: Key("title-document"),
    inputs: &[
        Input {
            custom_id: LEARN_TITLE,
            label: Key("label-document-title"),
            max_chars: 200,
            several_lines: false,
            required: false,
        },
        LEARN_INPUT,
    ],
};

pub const GAP_FORM: Modal = Modal {
    custom_id: ANSWER_GAP,
    about: None,
    lang: Lang::En,
    title: Key("title-gap"),
    inputs: &[
        Input {
            custom_id: LEARN_TITLE,
            label: Key("label-gap-title"),
            max_chars: 200,
            several_lines: false,
            required: false,
        },
        LEARN_INPUT,
    ],
};

const LEARN_INPUT: Input = Input {
    custom_id: LEARN_TEXT,
    label: Key("label-document-text"),
    max_chars: 4_000,
    several_lines: true,
    required: true,
};
