//! The safetensors format: the length of a JSON header, the header (type, shape and place of each tensor), the numbers.
//! Source: <https://github.com/huggingface/safetensors#format>.

use std::collections::HashMap;
use std::ops::Range;

use serde::Deserialize;

/// Longest header, as the format's own reader has it.
const MAX_HEADER_BYTES: usize = 100_000_000;

/// A file's tensors by their names.
#[derive(Debug)]
pub(crate) struct Tensors<'a> {
    header: HashMap<String, Entry>,
    data: &'a [u8],
}

/// Of a tensor, or of `__metadata__`, which has none of these.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl<'a> Tensors<'a> {
    /// # Errors
    /// When the header is none.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or("it is too short")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let header = rest.get(..length).filter(|_| length <= MAX_HEADER_BYTES);
        let header = header.ok_or("its header is longer than the file")?;
        let header = serde_json::from_slice(header).map_err(|error| format!("its header: {error}"))?;
        Ok(Self { header, data: &rest[length..] })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.header.contains_key(name)
    }

    /// The numbers and the shape of a tensor of 32-bit floats.
    ///
    /// # Errors
    /// When there is no such tensor, or it is not as its header says.
    pub(crate) fn floats(&self, name: &str) -> Result<(Vec<f32>, &[usize]), String> {
        let entry = self.header.get(name).ok_or_else(|| format!("there is no {name}"))?;
        if entry.dtype != "F32" {
            return Err(format!("{name} is of {}; only F32 can be run", entry.dtype));
        }
        let range: Range<usize> = entry.data_offsets.0..entry.data_offsets.1;
        let bytes = self.data.get(range).ok_or_else(|| format!("{name} lies outside of the file"))?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        let wanted = entry.shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        if wanted != Some(numbers.len()) || !rest.is_empty() {
            return Err(format!("{name} has not as many numbers as its shape says"));
        }
        let values: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(format!("{name} holds a number that is not finite"));
        }
        Ok((values, &entry.shape))
    }
}

/// Tensors as a file, for tests.
#[cfg(test)]
pub(crate) fn file(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, shape, values) in tensors {
        let from = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let entry = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [from, data.len()]});
        header.insert(name.clone(), entry);
    }
    let header = serde_json::to_vec(&header).expect("it is JSON");
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn tensors_are_read_as_they_were_written() {
        let file = file(&[("a".into(), vec![2, 1], vec![1.5, -2.0]), ("b".into(), vec![0], vec![])]);
        let tensors = Tensors::read(&file).expect("good");
        assert_eq!(tensors.floats("a"), Ok((vec![1.5, -2.0], &[2usize, 1][..])));
        assert!(tensors.has("b") && !tensors.has("c"));
        assert!(Tensors::read(&with(r#"{"__metadata__":{"format":"pt"}}"#, b"")).is_ok());
    }

    #[test]
    fn files_that_lie_are_refused() {
        for bad in [&b""[..], &[0xff; 9], &with("{", b""), &with("[]", b"")] {
            assert!(Tensors::read(bad).is_err());
        }
        for (entry, says) in [
            (r#""dtype":"F32","shape":[1],"data_offsets":[0,400]"#, "outside"),
            (r#""dtype":"F32","shape":[1],"data_offsets":[4,0]"#, "outside"),
            (r#""dtype":"F32","shape":[3],"data_offsets":[0,4]"#, "as many numbers"),
            (r#""dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,4]"#, "as many numbers"),
            (r#""dtype":"F16","shape":[2],"data_offsets":[0,4]"#, "F16"),
        ] {
            let file = with(&format!("{{\"a\":{{{entry}}}}}"), &[0; 4]);
            let told = Tensors::read(&file).expect("a header").floats("a").expect_err("refused");
            assert!(told.contains(says), "{told}");
        }
        let nan = file(&[("a".into(), vec![1], vec![f32::NAN])]);
        assert!(
            Tensors::read(&nan).expect("a header").floats("a").expect_err("refused").contains("not finite")
        );
    }
}
