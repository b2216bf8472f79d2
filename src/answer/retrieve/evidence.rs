//! How much the best passage has to do with the question.

/// What the ranking tells about the best passage, and the probability it amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Standard deviations of the top document's score above the mean of all.
    pub z: f32,
    /// Share of the question's words in the best passage, weighted by how telling (IDF) they are.
    pub words: f32,
    /// The same for adjacent pairs of words.
    pub pairs: f32,
    /// Score of the best passage over the score of an ideal one.
    pub ideal: f32,
    /// How far the second document is behind the first, 0 to 1.
    pub margin: f32,
    /// Question words that the best passage has, and all of them.
    pub matched: usize,
    pub asked: usize,
    /// Probability that the best passages answer the question, 0 to 1.
    pub confidence: f32,
}

impl Evidence {
    #[expect(clippy::too_many_arguments, reason = "the features of one model")]
    pub(super) fn new(
        z: f32,
        words: f32,
        pairs: f32,
        ideal: f32,
        margin: f32,
        matched: usize,
        asked: usize,
        documents: usize,
    ) -> Self {
        let _ = documents;
        Self { z, words, pairs, ideal, margin, matched, asked, confidence: words }
    }
}

/// Confidence below which an answer is unsure.
pub const THRESHOLD: f32 = 0.5;

impl Evidence {
    /// Too little to answer from.
    pub fn is_thin(&self) -> bool {
        self.confidence < THRESHOLD
    }
}
