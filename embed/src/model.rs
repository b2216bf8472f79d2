//! A sentence model from a directory as sentence-transformers writes it.

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Axis, concatenate};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::bert::{self, Bert, Layer, Linear, Norm};
use crate::tensors::Tensors;
use crate::wordpiece::{Missing, WordPiece};

/// Tokens of a text that are read, unless the directory says less: what sentence-transformers take as well.
const MAX_TOKENS: usize = 256;
/// Largest file that is read.
const MAX_FILE_BYTES: u64 = 2 << 30;

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot read {}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("{} has more than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("{}: {error}", path.display())]
    Json { path: PathBuf, error: serde_json::Error },
    #[error("{what} is {found:?}; only BERT models with WordPiece, GELU and mean or CLS pooling can be run")]
    Unsupported { what: &'static str, found: String },
    #[error("vocab.txt: {0}")]
    Vocabulary(#[from] Missing),
    #[error("model.safetensors: {0}")]
    Weights(String),
}

/// What is missing is zero or empty, and refused after the model's type, which says more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    model_type: String,
    hidden_act: String,
    hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    max_position_embeddings: usize,
    vocab_size: usize,
    layer_norm_eps: f32,
}

#[derive(Debug, Default, Deserialize)]
struct TokenizerConfig {
    do_lower_case: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pooling {
    Mean,
    First,
}

/// A model in memory. Any number of threads may ask it at once.
#[derive(Debug)]
pub struct Model {
    bert: Bert,
    wordpiece: WordPiece,
    pooling: Pooling,
    max_tokens: usize,
    name: String,
}

impl Model {
    /// Reads `config.json`, `vocab.txt` and `model.safetensors`, and the optional `tokenizer_config.json`,
    /// `sentence_bert_config.json` and `1_Pooling/config.json`. Takes as long as reading the weights.
    ///
    /// # Errors
    /// When a file is missing or no such model; the message says which and what.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let mut digest = Sha256::new();
        let config: Config = json(&dir.join("config.json"), &mut digest)?;
        check(&config)?;
        let tokenizer: TokenizerConfig = optional(&dir.join("tokenizer_config.json"), &mut digest)?;
        let sentence: SentenceConfig = optional(&dir.join("sentence_bert_config.json"), &mut digest)?;
        let pooling: Option<PoolingConfig> = optional(&dir.join("1_Pooling/config.json"), &mut digest)?;
        let pooling = match pooling {
            None => Pooling::Mean,
            Some(pooling) if pooling.pooling_mode_mean_tokens => Pooling::Mean,
            Some(pooling) if pooling.pooling_mode_cls_token => Pooling::First,
            Some(pooling) => return Err(unsupported("1_Pooling/config.json", format!("{pooling:?}"))),
        };
        let vocabulary = read(&dir.join("vocab.txt"), &mut digest)?;
        let wordpiece =
            WordPiece::new(&String::from_utf8_lossy(&vocabulary), tokenizer.do_lower_case.unwrap_or(true))?;
        if wordpiece.len() > config.vocab_size {
            return Err(OpenError::Weights(format!(
                "there are {} words in vocab.txt and {} in config.json",
                wordpiece.len(),
                config.vocab_size
            )));
        }
        let weights = read(&dir.join("model.safetensors"), &mut digest)?;
        let bert = Weights::new(&weights)?.bert(&config)?;
        let max_tokens = sentence.max_seq_length.unwrap_or(MAX_TOKENS).min(MAX_TOKENS);
        Ok(Self {
            bert,
            wordpiece,
            pooling,
            max_tokens: max_tokens.min(config.max_position_embeddings).max(3),
            name: digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// Sixteen hexadecimal digits that change with any file of the model.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn dimensions(&self) -> usize {
        self.bert.words.ncols()
    }

    /// The text's vector, of length 1. Takes 20 million multiplications a token.
    pub fn vector(&self, text: &str) -> Vec<f32> {
        let states = self.bert.states(&self.wordpiece.tokens(text, self.max_tokens));
        let pooled = match self.pooling {
            Pooling::Mean => bert::mean(&states),
            Pooling::First => states.row(0).to_owned(),
        };
        let length = pooled.fold(0.0f32, |sum, value| sum + value * value).sqrt().max(1e-12);
        pooled.iter().map(|value| value / length).collect()
    }
}

fn unsupported(what: &'static str, found: impl Into<String>) -> OpenError {
    OpenError::Unsupported { what, found: found.into() }
}

fn check(config: &Config) -> Result<(), OpenError> {
    if config.model_type != "bert" {
        return Err(unsupported("model_type in config.json", &config.model_type));
    }
    if config.hidden_act != "gelu" {
        return Err(unsupported("hidden_act in config.json", &config.hidden_act));
    }
    let heads = config.num_attention_heads;
    if heads == 0 || config.hidden_size == 0 || !config.hidden_size.is_multiple_of(heads) {
        return Err(unsupported("num_attention_heads in config.json", heads.to_string()));
    }
    if config.hidden_size > crate::int8::MAX_DIMENSIONS {
        return Err(unsupported("hidden_size in config.json", config.hidden_size.to_string()));
    }
    Ok(())
}

fn read(path: &Path, digest: &mut Sha256) -> Result<Vec<u8>, OpenError> {
    let failed = |error| OpenError::File { path: path.to_path_buf(), error };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE_BYTES {
        return Err(OpenError::TooLarge { path: path.to_path_buf() });
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    digest.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
    digest.update(&bytes);
    Ok(bytes)
}

fn json<T: DeserializeOwned>(path: &Path, digest: &mut Sha256) -> Result<T, OpenError> {
    let bytes = read(path, digest)?;
    serde_json::from_slice(&bytes).map_err(|error| OpenError::Json { path: path.to_path_buf(), error })
}

/// What a missing file would say by default.
fn optional<T: DeserializeOwned + Default>(path: &Path, digest: &mut Sha256) -> Result<T, OpenError> {
    match json(path, digest) {
        Err(OpenError::File { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(T::default())
        }
        read => read,
    }
}

/// The weights of a file as the parts of a model.
struct Weights<'a> {
    tensors: Tensors<'a>,
    /// What stands before every name: nothing, or `bert.`.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, OpenError> {
        let tensors = Tensors::read(bytes).map_err(OpenError::Weights)?;
        let prefixed = tensors.has("bert.embeddings.word_embeddings.weight");
        Ok(Self { tensors, prefix: if prefixed { "bert." } else { "" } })
    }

    fn bert(&self, config: &Config) -> Result<Bert, OpenError> {
        let width = config.hidden_size;
        let types = self.matrix("embeddings.token_type_embeddings.weight", None, width)?;
        let mut positions = self.matrix(
            "embeddings.position_embeddings.weight",
            Some(config.max_position_embeddings),
            width,
        )?;
        positions += &types.row(0);
        Ok(Bert {
            words: self.matrix("embeddings.word_embeddings.weight", Some(config.vocab_size), width)?,
            positions,
            norm: self.norm("embeddings.LayerNorm", config)?,
            layers: (0..config.num_hidden_layers)
                .map(|layer| self.layer(&format!("encoder.layer.{layer}"), config))
                .collect::<Result<_, _>>()?,
            heads: config.num_attention_heads,
        })
    }

    fn layer(&self, at: &str, config: &Config) -> Result<Layer, OpenError> {
        let (width, wide) = (config.hidden_size, config.intermediate_size);
        let part = |name: &str| self.linear(&format!("{at}.attention.self.{name}"), width, width);
        let parts = [part("query")?, part("key")?, part("value")?];
        let [query, key, value] = &parts;
        let attends = Linear {
            weight: concatenate![Axis(0), query.weight, key.weight, value.weight],
            bias: concatenate![Axis(0), query.bias, key.bias, value.bias],
        };
        Ok(Layer {
            attends,
            attended: self.linear(&format!("{at}.attention.output.dense"), width, width)?,
            attended_norm: self.norm(&format!("{at}.attention.output.LayerNorm"), config)?,
            widens: self.linear(&format!("{at}.intermediate.dense"), wide, width)?,
            narrows: self.linear(&format!("{at}.output.dense"), width, wide)?,
            narrows_norm: self.norm(&format!("{at}.output.LayerNorm"), config)?,
        })
    }

    fn linear(&self, at: &str, outputs: usize, inputs: usize) -> Result<Linear, OpenError> {
        Ok(Linear {
            weight: self.matrix(&format!("{at}.weight"), Some(outputs), inputs)?,
            bias: self.vector(&format!("{at}.bias"), outputs)?,
        })
    }

    fn norm(&self, at: &str, config: &Config) -> Result<Norm, OpenError> {
        Ok(Norm {
            weight: self.vector(&format!("{at}.weight"), config.hidden_size)?,
            bias: self.vector(&format!("{at}.bias"), config.hidden_size)?,
            epsilon: config.layer_norm_eps,
        })
    }

    fn vector(&self, name: &str, length: usize) -> Result<Array1<f32>, OpenError> {
        let (values, shape) = self.values(name)?;
        if shape != [length] {
            return Err(misfit(name, shape));
        }
        Ok(Array1::from_vec(values))
    }

    fn matrix(&self, name: &str, rows: Option<usize>, columns: usize) -> Result<Array2<f32>, OpenError> {
        let (values, shape) = self.values(name)?;
        let good = shape.len() == 2 && shape[0] > 0 && shape[1] == columns;
        if !good || rows.is_some_and(|rows| shape[0] != rows) {
            return Err(misfit(name, shape));
        }
        Array2::from_shape_vec((shape[0], shape[1]), values).map_err(|_| misfit(name, shape))
    }

    fn values(&self, name: &str) -> Result<(Vec<f32>, &[usize]), OpenError> {
        self.tensors.floats(&format!("{}{name}", self.prefix)).map_err(OpenError::Weights)
    }
}

fn misfit(name: &str, shape: &[usize]) -> OpenError {
    OpenError::Weights(format!("{name} has the shape {shape:?}, which does not fit config.json"))
}

#[cfg(test)]
mod tests;
