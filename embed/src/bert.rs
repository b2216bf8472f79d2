//! The forward pass of a BERT encoder, for one text at a time: no text waits for a longer one, and none is padded.
//! Source: <https://arxiv.org/abs/1810.04805>.

use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};

/// A linear layer: `x` times the transposed weight, plus the bias.
#[derive(Debug)]
pub(crate) struct Linear {
    /// Outputs by inputs, as stored.
    pub(crate) weight: Array2<f32>,
    pub(crate) bias: Array1<f32>,
}

impl Linear {
    fn of(&self, x: &Array2<f32>) -> Array2<f32> {
        let mut y = x.dot(&self.weight.t());
        y += &self.bias;
        y
    }
}

#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) weight: Array1<f32>,
    pub(crate) bias: Array1<f32>,
    pub(crate) epsilon: f32,
}

impl Norm {
    /// Every row to mean 0 and variance 1, then scaled and shifted.
    fn apply(&self, x: &mut Array2<f32>) {
        for mut row in x.rows_mut() {
            let mean = row.mean().unwrap_or_default();
            row.mapv_inplace(|value| value - mean);
            let variance = row.fold(0.0f32, |sum, value| sum + value * value) / length(row.len());
            let scale = (variance + self.epsilon).sqrt().recip();
            row.mapv_inplace(|value| value * scale);
            row *= &self.weight;
            row += &self.bias;
        }
    }
}

#[derive(Debug)]
pub(crate) struct Layer {
    /// Query, key and value below each other: one multiplication serves all three.
    pub(crate) attends: Linear,
    pub(crate) attended: Linear,
    pub(crate) attended_norm: Norm,
    pub(crate) widens: Linear,
    pub(crate) narrows: Linear,
    pub(crate) narrows_norm: Norm,
}

#[derive(Debug)]
pub(crate) struct Bert {
    pub(crate) words: Array2<f32>,
    /// With the embedding of the only token type that is used.
    pub(crate) positions: Array2<f32>,
    pub(crate) norm: Norm,
    pub(crate) layers: Vec<Layer>,
    pub(crate) heads: usize,
}

impl Bert {
    /// The states of the last layer: a row for each token. There are no more tokens than positions, and all are known.
    pub(crate) fn states(&self, tokens: &[u32]) -> Array2<f32> {
        let mut x = self.positions.slice_axis(Axis(0), Slice::from(..tokens.len())).to_owned();
        for (mut row, token) in x.rows_mut().into_iter().zip(tokens) {
            row += &self.words.row(*token as usize);
        }
        self.norm.apply(&mut x);
        for layer in &self.layers {
            let mut attended = layer.attended.of(&attention(&layer.attends.of(&x), self.heads));
            attended += &x;
            layer.attended_norm.apply(&mut attended);
            let mut wide = layer.widens.of(&attended);
            wide.mapv_inplace(gelu);
            x = layer.narrows.of(&wide);
            x += &attended;
            layer.narrows_norm.apply(&mut x);
        }
        x
    }
}

/// What every token takes of all others, by head; `attends` holds queries, keys and values beside each other.
fn attention(attends: &Array2<f32>, heads: usize) -> Array2<f32> {
    let (tokens, width) = (attends.nrows(), attends.ncols() / 3);
    let of_head = width / heads;
    let scale = length(of_head).sqrt().recip();
    let mut out = Array2::zeros((tokens, width));
    for head in 0..heads {
        let part = |which: usize| -> ArrayView2<'_, f32> {
            let from = which * width + head * of_head;
            attends.slice_axis(Axis(1), Slice::from(from..from + of_head))
        };
        let mut shares = part(0).dot(&part(1).t());
        for mut row in shares.rows_mut() {
            let most = row.fold(f32::NEG_INFINITY, |most, value| most.max(*value));
            row.mapv_inplace(|value| ((value - most) * scale).exp());
            let sum = row.sum();
            row.mapv_inplace(|value| value / sum);
        }
        let columns = Slice::from(head * of_head..(head + 1) * of_head);
        out.slice_axis_mut(Axis(1), columns).assign(&shares.dot(&part(2)));
    }
    out
}

/// The mean of all states.
pub(crate) fn mean(states: &Array2<f32>) -> Array1<f32> {
    states.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(states.ncols()))
}

/// x times the share of a normal distribution below x.
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Within 3e-7, without an exponential. Source: Abramowitz, Stegun, Handbook of Mathematical Functions, 7.1.28.
fn erf(x: f32) -> f32 {
    let a = x.abs();
    let sum = 1.0
        + a * (0.070_523_078
            + a * (0.042_282_01
                + a * (0.009_270_527 + a * (0.000_152_014_3 + a * (0.000_276_567_2 + a * 0.000_043_063_8)))));
    let square = sum * sum;
    let fourth = square * square;
    let eighth = fourth * fourth;
    (1.0 - (eighth * eighth).recip()).copysign(x)
}

#[expect(clippy::cast_precision_loss, reason = "no model is 16 million numbers wide")]
fn length(of: usize) -> f32 {
    of as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_is_as_in_the_tables() {
        for (x, wanted) in
            [(0.0, 0.0), (0.5, 0.520_499_9), (-1.0, -0.842_700_8), (2.0, 0.995_322_3), (9.0, 1.0)]
        {
            assert!((erf(x) - wanted).abs() < 1e-6, "{x}: {}", erf(x));
        }
    }

    #[test]
    fn equal_tokens_attend_to_all_alike() {
        let attends = Array2::from_shape_fn((3, 6), |(_, column)| length(column));
        assert_eq!(attention(&attends, 2).row(1).to_vec(), [4.0, 5.0]);
    }
}
