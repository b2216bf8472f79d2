//! Whether a question goes on with what was said before it, or begins something else. Pure.
//!
//! Earlier turns decide between documents that fit the question itself about as well; they do not lead it to one that does
//! not. So "and for two of them?" is answered from where the talk was, and a new question in the same thread from where it
//! belongs, without a list of words that go on in any language.

use super::evidence::Evidence;
use super::index::Index;
use super::rank::{self, Hit, Query};

/// The best document with the earlier turns must score so much of the best one without them, by the question alone.
const FITS: f32 = 0.7;

/// A question that is less sure of its own document takes the turns before it along.
const STANDS_ALONE: f32 = 0.7;

/// What a question finds.
pub(super) struct LookedUp {
    pub(super) hits: Vec<Hit>,
    pub(super) evidence: Evidence,
    /// With the words of the turns before it.
    pub(super) follows_on: bool,
}

/// Ranks by the words of a question, and of the turns before it where it goes on with them.
pub(super) fn look_up(index: &Index, alone: &Query, following: Option<&Query>) -> LookedUp {
    let (hits, evidence) = rank::rank(index, alone, None);
    let Some(following) = following else { return LookedUp { hits, evidence, follows_on: false } };
    let (together, of_both) = rank::rank(index, following, None);
    let document = |hit: &Hit| index.passages[hit.passage as usize].document;
    let (Some(best), Some(best_together)) = (hits.first(), together.first()) else {
        return LookedUp { hits: together, evidence: of_both, follows_on: true };
    };
    let of_question = hits.iter().find(|hit| document(hit) == document(best_together));
    let fits = of_question.is_some_and(|hit| hit.score >= FITS * best.score);
    let same = document(best) == document(best_together);
    let follows_on = match same {
        true => of_both.confidence > evidence.confidence,
        false => fits || evidence.confidence < STANDS_ALONE,
    };
    match follows_on {
        true => LookedUp { hits: together, evidence: of_both, follows_on },
        false => LookedUp { hits, evidence, follows_on },
    }
}
