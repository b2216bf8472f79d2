//! The proxies that carry a worker's requests: any of them will do, and one that is gone is passed over at once.
//!
//! Promise: a request that found no proxy, or lost it on the way, is sent to the next one in the same attempt. Sending
//! again is safe whatever became of the first: the nonce, the thread's id or the interaction's own state absorbs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::{RequestBuilder, Response, StatusCode};

/// The bases of HELPLINE_PROXY_URL, and which of them answered last. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Proxies {
    bases: Arc<[String]>,
    preferred: Arc<AtomicUsize>,
}

impl Proxies {
    /// `urls` are separated by commas, each without a path.
    pub fn new(urls: &str) -> Self {
        let urls = urls.split(',').map(str::trim).filter(|url| !url.is_empty());
        let bases: Arc<[String]> = urls.map(|url| format!("{}/api/v10", url.trim_end_matches('/'))).collect();
        // Workers begin at different proxies.
        let first = fastrand::usize(..bases.len().max(1));
        Self { bases, preferred: Arc::new(AtomicUsize::new(first)) }
    }

    /// Sends what `request` makes of a base, to one proxy after the other until one answers.
    ///
    /// # Errors
    /// That of the last proxy, when none answers.
    pub async fn send(&self, request: impl Fn(&str) -> RequestBuilder) -> reqwest::Result<Response> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut tried = 0;
        loop {
            let place = first.wrapping_add(tried) % self.bases.len().max(1);
            let base = self.bases.get(place).map_or("", String::as_str);
            let answered = request(base).send().await;
            tried += 1;
            match &answered {
                // It stops, or is overrun: the next attempt asks another.
                Ok(reply) if reply.status() == StatusCode::SERVICE_UNAVAILABLE => self.prefer(place + 1),
                Ok(_) => self.prefer(place),
                // It hangs rather than being gone. What waited so long is not sent again in the same attempt.
                Err(error) if error.is_timeout() && !error.is_connect() => self.prefer(place + 1),
                Err(_) if tried < self.bases.len() => continue,
                Err(_) => self.prefer(place + 1),
            }
            return answered;
        }
    }

    fn prefer(&self, place: usize) {
        self.preferred.store(place % self.bases.len().max(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use tokio::net::TcpListener;

    use super::*;

    async fn proxy(answer: StatusCode) -> (String, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let app = Router::new().fallback(move || async move { answer });
        (url, tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") }))
    }

    async fn ask(proxies: &Proxies, http: &reqwest::Client) -> Option<u16> {
        let answered = proxies.send(|base| http.get(format!("{base}/x"))).await;
        answered.ok().map(|reply| reply.status().as_u16())
    }

    #[tokio::test]
    async fn a_proxy_that_is_gone_is_passed_over_in_the_same_attempt() {
        crate::telemetry::install_crypto();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let ((one, first), (two, _second)) = (proxy(StatusCode::OK).await, proxy(StatusCode::OK).await);
        let proxies = Proxies::new(&format!("{one}/, {two}"));
        proxies.prefer(0);
        assert_eq!(ask(&proxies, &http).await, Some(200));
        first.abort();
        drop(first.await);
        for _ in 0..20 {
            assert_eq!(ask(&proxies, &http).await, Some(200));
        }
        assert_eq!(proxies.preferred.load(Ordering::Relaxed), 1, "it stays where it was answered");
    }

    #[tokio::test]
    async fn one_that_has_no_time_is_left_with_its_answer_and_the_next_attempt_asks_another() {
        crate::telemetry::install_crypto();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let ((one, _first), (two, _second)) =
            (proxy(StatusCode::SERVICE_UNAVAILABLE).await, proxy(StatusCode::OK).await);
        let proxies = Proxies::new(&format!("{one},{two}"));
        proxies.prefer(0);
        assert_eq!(ask(&proxies, &http).await, Some(503));
        assert_eq!(ask(&proxies, &http).await, Some(200));
    }
}
