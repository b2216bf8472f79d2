//! Settings of the chat model. Only workers have them, and with them its key.

use std::time::Duration;

use reqwest::Url;

use super::{Checker, Secret};
use crate::answer::model::{self, client};

#[derive(Debug, Clone, Default, clap::Args)]
pub struct ModelArgs {
    /// OpenAI-compatible chat endpoint, as in https://api.openai.com/v1; unset: answers are quoted from the documents
    #[arg(long, env = "MODEL_API_URL", hide_env_values = true)]
    pub model_api_url: Option<String>,
    /// Key of the chat endpoint, if it wants one
    #[arg(long, env = "MODEL_API_KEY", hide_env_values = true)]
    pub model_api_key: Option<String>,
    /// Model that is asked
    #[arg(long, env = "MODEL_NAME")]
    pub model_name: Option<String>,
    /// How many milliseconds the model may take for a question before it is answered without it
    #[arg(long, env = "MODEL_DEADLINE_MS", default_value = "30000")]
    pub model_deadline_ms: String,
    /// How many milliseconds the model may be silent
    #[arg(long, env = "MODEL_IDLE_MS", default_value = "10000")]
    pub model_idle_ms: String,
    /// Requests that a worker makes to the model at once
    #[arg(long, env = "MODEL_CALLS", default_value = "32")]
    pub model_calls: String,
    /// The same for one server
    #[arg(long, env = "MODEL_CALLS_PER_SERVER", default_value = "4")]
    pub model_calls_per_server: String,
    /// Tokens a day (UTC) that one server may spend; 0: no bound
    #[arg(long, env = "MODEL_TOKENS_PER_SERVER", default_value = "500000")]
    pub model_tokens_per_server: String,
    /// Tokens a day (UTC) that one worker may spend; 0: no bound
    #[arg(long, env = "MODEL_TOKENS_PER_WORKER", default_value = "0")]
    pub model_tokens_per_worker: String,
}

/// An empty variable is an unset one: composed environments have them.
pub(super) fn given(value: Option<&String>) -> Option<&str> {
    value.map(|value| value.trim()).filter(|value| !value.is_empty())
}

impl ModelArgs {
    pub(super) fn resolve(&self, check: &mut Checker) -> Option<model::Config> {
        let deadline = check.number("MODEL_DEADLINE_MS", &self.model_deadline_ms, 1_000..=300_000);
        let idle = check.number("MODEL_IDLE_MS", &self.model_idle_ms, 500..=300_000);
        let calls = check.number("MODEL_CALLS", &self.model_calls, 1..=10_000);
        let calls_per_server =
            check.number("MODEL_CALLS_PER_SERVER", &self.model_calls_per_server, 1..=10_000);
        let all = 0..=1_000_000_000_000;
        let tokens_per_server =
            check.number("MODEL_TOKENS_PER_SERVER", &self.model_tokens_per_server, all.clone());
        let tokens_per_worker = check.number("MODEL_TOKENS_PER_WORKER", &self.model_tokens_per_worker, all);
        let (name, key) = (given(self.model_name.as_ref()), given(self.model_api_key.as_ref()));
        let Some(url) = given(self.model_api_url.as_ref()) else {
            if name.is_some() || key.is_some() {
                check.problem(
                    "MODEL_API_URL is not set, but MODEL_NAME or MODEL_API_KEY is: set it too, or none of them"
                        .to_owned(),
                );
            }
            return None;
        };
        check.key("MODEL_API_KEY", key);
        let name = check.required(
            "MODEL_NAME",
            name.map(str::to_owned),
            "give the name of the model that MODEL_API_URL is to be asked for",
        );
        let url = check.endpoint_url("MODEL_API_URL", url, "MODEL_API_KEY")?;
        let endpoint = client::Config {
            url,
            key: key.map(Secret::new),
            name,
            deadline: Duration::from_millis(deadline),
            idle: Duration::from_millis(idle),
        };
        Some(model::Config { endpoint, calls, calls_per_server, tokens_per_server, tokens_per_worker })
    }
}

impl Checker {
    pub(super) fn key(&mut self, name: &str, key: Option<&str>) {
        if key.is_some_and(|key| key.chars().any(|c| c.is_whitespace() || c.is_control() || !c.is_ascii())) {
            self.problem(format!("{name} contains characters that no key has: copy it again, as one word"));
        }
    }

    /// The URL itself may hold a secret and is not told.
    pub(super) fn endpoint_url(&mut self, name: &str, url: &str, key_name: &str) -> Option<Url> {
        let parsed =
            Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(parsed) = parsed else {
            self.problem(format!("{name} is not a URL of the form https://… or http://…"));
            return None;
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            self.problem(format!("{name} holds a login: give a key in {key_name}"));
        }
        Some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ModelArgs {
        ModelArgs {
            model_api_url: Some("https://api.example.org".into()),
            model_api_key: Some("sk-hunter2".into()),
            model_name: Some("m".into()),
            model_deadline_ms: "30000".into(),
            model_idle_ms: "10000".into(),
            model_calls: "32".into(),
            model_calls_per_server: "4".into(),
            model_tokens_per_server: "0".into(),
            model_tokens_per_worker: "0".into(),
        }
    }

    fn told(args: &ModelArgs) -> String {
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
    fn without_a_url_there_is_no_model_and_a_lonely_name_is_told() {
        let blank =
            ModelArgs { model_api_url: Some(" ".into()), model_api_key: None, model_name: None, ..args() };
        assert_eq!(told(&blank), "None");
        let lonely = ModelArgs { model_api_url: None, ..args() };
        assert!(told(&lonely).contains("MODEL_API_URL is not set"));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_and_without_secrets() {
        let wrong = ModelArgs {
            model_api_url: Some("https://me:hunter2@x".into()),
            model_api_key: Some("hunter2 hunter2".into()),
            model_name: None,
            model_calls: "none".into(),
            model_tokens_per_worker: "-1".into(),
            ..args()
        };
        let told = told(&wrong);
        for name in ["MODEL_API_URL", "MODEL_API_KEY", "MODEL_NAME", "MODEL_CALLS", "MODEL_TOKENS_PER_WORKER"]
        {
            assert!(told.contains(name), "{name} is missing in: {told}");
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
}
