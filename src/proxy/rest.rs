//! The HTTP client towards Discord: base address, token and user agent. The only place that sends the token.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Method, RequestBuilder};

use crate::config::Secret;

/// Discord asks for this form: <https://discord.com/developers/docs/reference#user-agent>.
const USER_AGENT: &str = concat!("DiscordBot (https://helpline.example, ", env!("CARGO_PKG_VERSION"), ")");
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the request's first byte to the answer's last.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Discord's REST API as this bot. Cheap to clone; connections are kept and shared.
#[derive(Clone, Debug)]
pub struct Rest {
    http: reqwest::Client,
    base: String,
    token: Secret,
}

impl Rest {
    /// `discord_api_url` is the base without `/api`.
    ///
    /// # Errors
    /// When no TLS provider is installed or the system's certificates cannot be read.
    pub fn new(discord_api_url: &str, token: Secret) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(64)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("build the HTTP client for Discord")?;
        Ok(Self { http, base: format!("{}/api/v10", discord_api_url.trim_end_matches('/')), token })
    }

    /// A request as the bot. `path` begins with a slash and may carry a query.
    pub fn as_bot(&self, method: Method, path: &str) -> RequestBuilder {
        self.without_token(method, path).header("authorization", format!("Bot {}", self.token.expose()))
    }

    /// A request that carries its own token in the path, as interactions do.
    pub fn without_token(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }
}
