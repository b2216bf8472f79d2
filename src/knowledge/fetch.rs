//! Fetches files that were attached in Discord, from Discord's content network and nowhere else.
//!
//! Addresses come with Discord's events, and yet none is trusted: its origin is compared with the ones that Discord serves
//! files from, no redirect is followed, and the size and the time have bounds. So whatever somebody makes Discord say,
//! nothing of the worker's own network can be asked.
//! Source: <https://discord.com/developers/docs/reference#signed-attachment-cdn-urls>.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};

/// Hosts that Discord serves files from.
const HOSTS: [&str; 2] = ["https://cdn.discordapp.com", "https://media.discordapp.net"];
/// Where files stand there.
const PATHS: [&str; 2] = ["/attachments/", "/ephemeral-attachments/"];
const DEADLINE: Duration = Duration::from_secs(30);

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("is not served by Discord")]
    Elsewhere,
    #[error("is no longer there; attach it once more")]
    Gone,
    #[error("is larger than the {most} bytes that I read; split it into several files")]
    TooLarge { most: usize },
    /// Another try may do.
    #[error("could not be fetched from Discord ({0}); try again in a moment")]
    Unreachable(String),
}

impl Error {
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// See the module's documentation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    http: reqwest::Client,
    origins: Vec<Url>,
}

impl Fetcher {
    /// `discord_api_url`: what stands in for Discord serves files too.
    pub fn new(discord_api_url: &str) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(DEADLINE)
            .build()?;
        let origins = HOSTS.into_iter().chain([discord_api_url]).filter_map(|url| Url::parse(url).ok());
        Ok(Self { http, origins: origins.collect() })
    }

    /// The bytes of a file of at most so many.
    pub async fn fetch(&self, url: &str, most: usize) -> Result<Vec<u8>, Error> {
        let url = self.allowed(url).ok_or(Error::Elsewhere)?;
        // The address lets everybody read the file: it stays out of every message.
        let failed = |error: reqwest::Error| Error::Unreachable(error.without_url().to_string());
        let mut response = self.http.get(url).send().await.map_err(failed)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::GONE => return Err(Error::Gone),
            status => return Err(Error::Unreachable(status.to_string())),
        }
        if response.content_length().is_some_and(|bytes| bytes > most as u64) {
            return Err(Error::TooLarge { most });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > most {
                return Err(Error::TooLarge { most });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn allowed(&self, url: &str) -> Option<Url> {
        let url = Url::parse(url).ok()?;
        let plain = url.username().is_empty() && url.password().is_none();
        let known = self.origins.iter().any(|origin| origin.origin() == url.origin());
        (plain && known && PATHS.iter().any(|path| url.path().starts_with(path))).then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_discord_are_asked_for() {
        crate::telemetry::install_crypto();
        let fetcher = Fetcher::new("http://127.0.0.1:4000").expect("a client");
        for good in [
            "https://cdn.discordapp.com/attachments/1/2/a.txt?ex=1&is=2&hm=3",
            "https://cdn.discordapp.com/ephemeral-attachments/1/2/a.txt",
            "https://media.discordapp.net/attachments/1/2/a.pdf",
            "http://127.0.0.1:4000/attachments/1/2/a.txt",
        ] {
            assert!(fetcher.allowed(good).is_some(), "{good}");
        }
        for bad in [
            "http://cdn.discordapp.com/attachments/1/2/a.txt",
            "https://cdn.discordapp.com:8443/attachments/1/2/a.txt",
            "https://cdn.discordapp.com.evil.example/attachments/1/2/a.txt",
            "https://cdn.discordapp.com@evil.example/attachments/1",
            "https://user:pw@cdn.discordapp.com/attachments/1",
            "https://cdn.discordapp.com/attachments/../api/v10/users/@me",
            "https://cdn.discordapp.com/",
            "http://127.0.0.1:4001/attachments/1/2/a.txt",
            "http://169.254.169.254/attachments/1/2/a.txt",
            "http://localhost:4000/attachments/1/2/a.txt",
            "file:///attachments/etc/passwd",
            "attachments/1",
            "",
        ] {
            assert!(fetcher.allowed(bad).is_none(), "{bad}");
        }
    }
}
