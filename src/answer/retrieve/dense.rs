//! Adds what a question means to what its words score. Pure.
//!
//! A passage scores its lexical part, 1 for the best, plus its cosine between the least (0) and the greatest (1) of all
//! passages, times a weight. On the development sets this is better than ranks alone (reciprocal rank fusion), and harmless
//! where the model does not know the language.

use helpline_embed::int8::Vectors;

/// Weight of the meaning where the model knows the language, and elsewhere.
const WEIGHT: f32 = 1.0;
const WEIGHT_ELSEWHERE: f32 = 0.3;

/// How alike a question and every passage of an index are.
#[derive(Clone, Debug)]
pub struct Likeness {
    /// By passage; NaN where there is no vector.
    cosines: Vec<f32>,
    weight: f32,
}

/// The weight for questions in a language, by the name of its text search configuration.
pub fn weight(configuration: &str) -> f32 {
    if configuration == "english" { WEIGHT } else { WEIGHT_ELSEWHERE }
}

impl Likeness {
    /// None when the question's vector is none of the passages' model.
    pub fn new(vectors: &Vectors, question: &[i8], weight: f32) -> Option<Self> {
        Some(Self { cosines: vectors.cosines(question)?, weight })
    }

    /// Scores of all passages by words and meaning. One that has no vector yet is taken for as like as the others are in
    /// the mean, so that its words decide.
    pub(super) fn fused(&self, lexical: &[f32]) -> Vec<f32> {
        let known = || self.cosines.iter().filter(|cosine| !cosine.is_nan());
        let least = known().copied().fold(f32::INFINITY, f32::min);
        let range = known().copied().fold(f32::NEG_INFINITY, f32::max) - least;
        if range.is_nan() || range <= 0.0 {
            return lexical.to_vec();
        }
        let mean = known().sum::<f32>() / known().count() as f32;
        let best = lexical.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let fuse = |(lexical, cosine): (&f32, &f32)| {
            let cosine = if cosine.is_nan() { mean } else { *cosine };
            lexical / best + self.weight * (cosine - least) / range
        };
        lexical.iter().zip(&self.cosines).map(fuse).collect()
    }
}

impl Likeness {
    /// How far a passage's cosine is above the mean, in standard deviations, and that cosine; zeros where it has no vector.
    pub(super) fn standing(&self, passage: u32) -> (f32, f32) {
        let cosine = self.cosines[passage as usize];
        let known = || self.cosines.iter().filter(|cosine| !cosine.is_nan());
        let count = known().count().max(1) as f32;
        let mean = known().sum::<f32>() / count;
        let deviation = (known().map(|cosine| (cosine - mean).powi(2)).sum::<f32>() / count).sqrt();
        if cosine.is_nan() || deviation <= 0.0 { (0.0, 0.0) } else { ((cosine - mean) / deviation, cosine) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fused(lexical: &[f32], cosines: &[f32], weight: f32) -> Vec<f32> {
        Likeness { cosines: cosines.to_vec(), weight }.fused(lexical)
    }

    #[test]
    fn words_and_meaning_are_added_each_in_its_range() {
        assert_eq!(fused(&[4.0, 2.0, 0.0], &[0.2, 0.4, 0.6], 1.0), [1.0, 1.0, 1.0]);
        assert_eq!(fused(&[4.0, 2.0, 0.0], &[0.6, 0.4, 0.2], 0.5), [1.5, 0.75, 0.0]);
    }

    #[test]
    fn without_meaning_the_words_decide() {
        assert_eq!(fused(&[4.0, 2.0], &[f32::NAN, f32::NAN], 1.0), [4.0, 2.0]);
        assert_eq!(fused(&[4.0, 2.0], &[0.5, 0.5], 1.0), [4.0, 2.0]);
        let partly = fused(&[4.0, 2.0, 1.0], &[0.0, 1.0, f32::NAN], 1.0);
        assert!((partly[2] - (0.25 + 0.5)).abs() < 1e-6, "{partly:?}");
        assert_eq!(fused(&[0.0, 0.0], &[0.0, 1.0], 1.0), [0.0, 1.0], "no word is shared");
    }
}
