//! How much the best passage has to do with the question.

/// What the ranking tells about the best passage, and the probability it amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Standard deviations of the top document's score above the mean of all.
    pub z: f32,
    /// Share of the question's words in the best passage, weighted by how telling they are; not in the fit, which
    /// found `in_document` to say the same and more.
    pub words: f32,
    /// Share of the question's adjacent pairs of words in the best passage.
    pub pairs: f32,
    /// Share of the question's words in the top document.
    pub in_document: f32,
    /// Share of the question's words anywhere in the knowledge base.
    pub known: f32,
    /// IDF of the question's words in the best passage, in units of the rarest word's.
    pub amount: f32,
    /// Score of the best passage over the score of an ideal one.
    pub ideal: f32,
    /// How far the second document is behind the first, 0 to 1.
    pub margin: f32,
    /// How much more like the question the best passage is than all are in the mean, in standard deviations of their cosines,
    /// and its cosine; 0 where its words alone were looked at.
    pub meant: f32,
    pub cosine: f32,
    /// Probability that the best passages answer the question, 0 to 1.
    pub confidence: f32,
}

/// Confidence below which an answer is unsure.
pub const THRESHOLD: f32 = 0.5;

/// Logistic regression over the features, fitted with `benches/retrieval.rs` (EVAL_FEATURES) on public help-centre
/// and encyclopaedia sets in four languages of which half the answers were taken away; sets weigh alike.
const WEIGHTS: Weights =
    Weights { pairs: 1.24, in_document: 1.56, known: 0.55, amount: 1.25, ideal: 2.75, margin: 2.72, z: 4.12 };
const INTERCEPT: f32 = -6.83;
/// Answerable questions for each unanswerable one, as members ask; the fit saw them equally often.
const PRIOR_ODDS: f32 = 6.0;
/// With fewer documents than this, standing out from the others says nothing.
const FEW_DOCUMENTS: usize = 4;
/// What stands in then: the usual value of an answerable question.
const USUAL_Z: f32 = 0.8;
const USUAL_MARGIN: f32 = 0.4;

struct Weights {
    pairs: f32,
    in_document: f32,
    known: f32,
    amount: f32,
    ideal: f32,
    margin: f32,
    z: f32,
}

impl Evidence {
    /// The same with its confidence, for a knowledge base of so many documents.
    pub(super) fn judged(self, documents: usize) -> Self {
        let (z, margin) = if documents < FEW_DOCUMENTS {
            (USUAL_Z, USUAL_MARGIN)
        } else {
            // The greatest z that n values allow is the root of n - 1.
            (self.z.ln_1p() / ((documents - 1) as f32).sqrt().ln_1p(), self.margin)
        };
        let log_odds = INTERCEPT
            + PRIOR_ODDS.ln()
            + WEIGHTS.pairs * self.pairs
            + WEIGHTS.in_document * self.in_document
            + WEIGHTS.known * self.known
            + WEIGHTS.amount * self.amount.ln_1p()
            + WEIGHTS.ideal * self.ideal
            // In a small knowledge base a single chance word puts one document far ahead.
            + WEIGHTS.margin * margin * self.in_document
            + WEIGHTS.z * z;
        Self { confidence: 1.0 / (1.0 + (-log_odds).exp()), ..self }
    }

    /// Too little to answer from.
    pub fn is_thin(&self) -> bool {
        self.confidence < THRESHOLD
    }
}

/// Words of questions in chat that say nothing about their subject, as English lexemes, sorted. Ranking needs no
/// such list; without it, evidence takes "does anyone know" for a subject that the documents lack.
const EVERYDAY: [&str; 93] = [
    "add", "alreadi", "also", "alway", "anybodi", "anyon", "anyth", "ask", "best", "better", "cant", "come",
    "could", "didnt", "differ", "doesnt", "dont", "els", "even", "ever", "everyon", "everyth", "find",
    "forev", "get", "give", "go", "good", "got", "guy", "happen", "hello", "help", "hey", "hi", "how", "id",
    "im", "isnt", "issu", "ive", "keep", "know", "let", "like", "long", "look", "lot", "make", "mani", "may",
    "mayb", "mean", "might", "much", "need", "never", "normal", "often", "ok", "one", "peopl", "pleas",
    "pls", "plz", "possibl", "problem", "put", "question", "realli", "right", "said", "say", "see", "show",
    "somebodi", "someon", "someth", "still", "stuff", "super", "take", "tell", "thank", "thing", "thx",
    "ton", "tri", "use", "want", "whats", "wont", "would",
];
/// Part of its weight that such a word keeps.
const EVERYDAY_WEIGHT: f32 = 0.25;

/// How much a lexeme says about the subject of a question, 0 to 1.
pub(super) fn telling(lexeme: &str) -> f32 {
    if EVERYDAY.binary_search(&lexeme).is_ok() { EVERYDAY_WEIGHT } else { 1.0 }
}
