//! Vectors of eight-bit numbers. Their length does not matter, since they are compared by cosine alone, so the largest
//! number of each becomes 127. On the development sets this ranks as the floats do.

/// Longest vector that is kept.
pub const MAX_DIMENSIONS: usize = 4_096;

/// The vector in eight bits; none for one that is empty, too long, zero or not finite.
pub fn quantise(vector: &[f32]) -> Option<Vec<i8>> {
    let largest = vector.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let good = largest > 0.0 && vector.iter().all(|value| value.is_finite());
    if !good || vector.len() > MAX_DIMENSIONS {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is between -127 and 127")]
    let of = |value: &f32| (value / largest * 127.0).round() as i8;
    Some(vector.iter().map(of).collect())
}

/// As bytes, for a store.
pub fn to_bytes(vector: &[i8]) -> Vec<u8> {
    vector.iter().map(|value| value.cast_unsigned()).collect()
}

/// Of bytes from a store.
pub fn from_bytes(bytes: &[u8]) -> impl ExactSizeIterator<Item = i8> {
    bytes.iter().map(|byte| byte.cast_signed())
}

/// Many vectors of the same length.
#[derive(Debug, Default)]
pub struct Vectors {
    dimensions: usize,
    values: Vec<i8>,
    /// One over the length of each; 0 where there is no vector.
    scales: Vec<f32>,
}

impl Vectors {
    /// Room for `count` vectors, none of which is there yet.
    pub fn new(count: usize, dimensions: usize) -> Self {
        Self { dimensions, values: vec![0; count * dimensions], scales: vec![0.0; count] }
    }

    /// Puts the vector at its place. False: it has another length than the others, and is left out.
    pub fn set(&mut self, at: usize, vector: impl ExactSizeIterator<Item = i8>) -> bool {
        if vector.len() != self.dimensions {
            return false;
        }
        let place = &mut self.values[at * self.dimensions..][..self.dimensions];
        place.iter_mut().zip(vector).for_each(|(value, new)| *value = new);
        self.scales[at] = scale(place);
        true
    }

    pub const fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many vectors are there.
    pub fn present(&self) -> usize {
        self.scales.iter().filter(|scale| **scale > 0.0).count()
    }

    pub fn bytes(&self) -> usize {
        self.values.capacity() + 4 * self.scales.capacity()
    }

    /// The cosine of every vector with the query, in their order; NaN where there is no vector. None: the query has
    /// another length.
    pub fn cosines(&self, query: &[i8]) -> Option<Vec<f32>> {
        if query.len() != self.dimensions || self.dimensions == 0 {
            return None;
        }
        let of_query = scale(query);
        let cosine = |(vector, scale): (&[i8], &f32)| match *scale > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "the sum of 4,096 products fits in 26 bits")]
            true => dot(vector, query) as f32 * scale * of_query,
            false => f32::NAN,
        };
        Some(self.values.chunks_exact(self.dimensions).zip(&self.scales).map(cosine).collect())
    }
}

fn dot(one: &[i8], other: &[i8]) -> i32 {
    one.iter().zip(other).map(|(one, other)| i32::from(i16::from(*one) * i16::from(*other))).sum()
}

#[expect(clippy::cast_precision_loss, reason = "the sum of 4,096 squares fits in 26 bits")]
fn scale(vector: &[i8]) -> f32 {
    let square = dot(vector, vector) as f32;
    if square > 0.0 { square.sqrt().recip() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_survive_the_eight_bits() {
        let one: Vec<f32> = (0..384u16).map(|n| (f32::from(n) * 0.7).sin() * 0.05).collect();
        let other: Vec<f32> = (0..384u16).map(|n| (f32::from(n) * 0.7 + 0.5).sin() * 3.0).collect();
        let exact = |a: &[f32], b: &[f32]| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        let (small, query) = (quantise(&one).expect("good"), quantise(&other).expect("good"));
        let mut vectors = Vectors::new(3, 384);
        assert!(vectors.set(0, small.iter().copied()));
        assert!(vectors.set(2, from_bytes(&to_bytes(&query)).collect::<Vec<_>>().into_iter()));
        let cosines = vectors.cosines(&query).expect("the same length");
        assert!((cosines[0] - exact(&one, &other)).abs() < 0.01, "{cosines:?}");
        assert!(cosines[1].is_nan() && (cosines[2] - 1.0).abs() < 1e-5);
        assert_eq!(vectors.present(), 2);
    }

    #[test]
    fn what_is_no_vector_is_none() {
        for bad in [&[][..], &[0.0, 0.0], &[1.0, f32::NAN], &[f32::INFINITY], &vec![1.0; MAX_DIMENSIONS + 1]]
        {
            assert_eq!(quantise(bad), None);
        }
        let mut vectors = Vectors::new(1, 2);
        assert!(!vectors.set(0, [1].into_iter()));
        assert_eq!(vectors.cosines(&[1]), None);
    }
}
