//! Settings of the sentence model. Only workers have them, and with them its key.

use std::path::PathBuf;
use std::time::Duration;

use super::model::given;
use super::{Checker, Secret};
use crate::embedding::{self, Source, endpoint, local};

#[derive(Debug, Clone, Default, clap::Args)]
pub struct EmbeddingArgs {
    /// OpenAI-compatible embeddings endpoint, as in https://api.openai.com/v1. Documents and questions are sent there.
    /// Unset, and EMBEDDING_MODEL_DIR too: documents are searched by their words alone
    #[arg(long, env = "EMBEDDING_API_URL", hide_env_values = true)]
    pub embedding_api_url: Option<String>,
    /// Key of the embeddings endpoint, if it wants one
    #[arg(long, env = "EMBEDDING_API_KEY", hide_env_values = true)]
    pub embedding_api_key: Option<String>,
    /// Model that is asked; vectors are kept under this name, so another model must have another
    #[arg(long, env = "EMBEDDING_NAME")]
    pub embedding_name: Option<String>,
    /// Directory of a sentence model that this process runs itself (BERT as sentence-transformers saves it, such as
    /// all-MiniLM-L6-v2)
    #[arg(long, env = "EMBEDDING_MODEL_DIR")]
    pub embedding_model_dir: Option<String>,
    /// How many milliseconds a question waits for its vector before it is looked up by its words alone
    #[arg(long, env = "EMBEDDING_PATIENCE_MS", default_value = "150")]
    pub embedding_patience_ms: String,
}

impl EmbeddingArgs {
    pub(super) fn resolve(&self, check: &mut Checker) -> Option<embedding::Config> {
        let patience = check.number("EMBEDDING_PATIENCE_MS", &self.embedding_patience_ms, 5..=10_000);
        let source = self.source(check)?;
        Some(embedding::Config { source, patience: Duration::from_millis(patience) })
    }

    fn source(&self, check: &mut Checker) -> Option<Source> {
        let (name, key) = (given(self.embedding_name.as_ref()), given(self.embedding_api_key.as_ref()));
        let (url, dir) = (
            given(self.embedding_api_url.as_ref()),
            given(self.embedding_model_dir.as_ref()).map(PathBuf::from),
        );
        match (url, dir) {
            (Some(_), Some(_)) => {
                check.problem(
                    "EMBEDDING_API_URL and EMBEDDING_MODEL_DIR are both set: set one of them".to_owned(),
                );
                None
            }
            (None, Some(dir)) => {
                if !dir.join("config.json").is_file() {
                    check.problem(
                        "EMBEDDING_MODEL_DIR has no config.json: give the directory of a model with its vocab.txt \
                         and model.safetensors"
                            .to_owned(),
                    );
                }
                Some(Source::Local(local::Config { dir, at_once: 1 }))
            }
            (None, None) => {
                if name.is_some() || key.is_some() {
                    check.problem(
                        "EMBEDDING_API_URL is not set, but EMBEDDING_NAME or EMBEDDING_API_KEY is: set it too, or \
                         none of them"
                            .to_owned(),
                    );
                }
                None
            }
            (Some(url), None) => {
                check.key("EMBEDDING_API_KEY", key);
                let name = check.required(
                    "EMBEDDING_NAME",
                    name.map(str::to_owned),
                    "give the name of the model that EMBEDDING_API_URL is to be asked for",
                );
                if name.chars().count() > 150 {
                    check.problem("EMBEDDING_NAME has more than 150 characters".to_owned());
                }
                let url = check.endpoint_url("EMBEDDING_API_URL", url, "EMBEDDING_API_KEY")?;
                Some(Source::Endpoint(endpoint::Config { url, key: key.map(Secret::new), name }))
            }
        }
    }

    /// For commands that end when they are done: nobody else wants the processors, and no answer waits.
    ///
    /// # Errors
    /// All that is wrong with the settings.
    pub fn for_a_command(&self) -> Result<Option<embedding::Config>, super::Invalid> {
        let mut check = Checker::default();
        let mut config = self.resolve(&mut check);
        if let Some(config) = &mut config {
            config.patience = Duration::from_secs(30);
            if let Source::Local(local) = &mut config.source {
                local.at_once = std::thread::available_parallelism().map_or(1, usize::from);
            }
        }
        check.done(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> EmbeddingArgs {
        EmbeddingArgs {
            embedding_api_url: Some("https://api.example.org".into()),
            embedding_api_key: Some("sk-hunter2".into()),
            embedding_name: Some("m".into()),
            embedding_model_dir: None,
            embedding_patience_ms: "150".into(),
        }
    }

    fn told(args: &EmbeddingArgs) -> String {
        let mut check = Checker::default();
        let config = args.resolve(&mut check);
        check.done(config).map_or_else(|invalid| invalid.to_string(), |config| format!("{config:?}"))
    }

    #[test]
    fn a_key_never_shows_itself() {
        let told = told(&args());
        assert!(told.contains("api.example.org") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn without_an_endpoint_and_a_directory_there_is_no_model() {
        let nothing = EmbeddingArgs {
            embedding_api_url: Some(" ".into()),
            embedding_api_key: None,
            embedding_name: None,
            ..args()
        };
        assert_eq!(told(&nothing), "None");
        assert!(
            told(&EmbeddingArgs { embedding_api_url: None, ..args() })
                .contains("EMBEDDING_API_URL is not set")
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_and_without_secrets() {
        let wrong = EmbeddingArgs {
            embedding_api_url: Some("https://me:hunter2@x".into()),
            embedding_api_key: Some("hunter2 hunter2".into()),
            embedding_name: None,
            embedding_patience_ms: "0".into(),
            ..args()
        };
        let text = told(&wrong);
        for name in ["EMBEDDING_API_URL", "EMBEDDING_API_KEY", "EMBEDDING_NAME", "EMBEDDING_PATIENCE_MS"] {
            assert!(text.contains(name), "{name} is missing in: {text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
        let both = EmbeddingArgs { embedding_model_dir: Some("/nowhere".into()), ..args() };
        assert!(told(&both).contains("are both set"));
        let nowhere =
            EmbeddingArgs { embedding_api_url: None, embedding_api_key: None, embedding_name: None, ..both };
        assert!(told(&nowhere).contains("has no config.json"));
    }
}
