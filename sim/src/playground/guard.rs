//! Keeps other web pages away from what has no password.
//!
//! A page elsewhere can make a browser send requests here. Its name resolved to this machine (DNS rebinding) shows in
//! `Host`, which has to be an address, localhost or the operator's own name for the gateway; its own origin shows in `Origin`
//! or `Sec-Fetch-Site`, which have to be ours when they are there at all.

use super::Refused;
use crate::core::Core;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Scripts, styles and connections of our own alone; nothing inline, no foreign host, no frames around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Middleware: refuses what came by another name or from another page, and sets the headers that confine ours.
pub(crate) async fn guard(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    let mut response = match verdict(request.headers(), core.config.gateway_url.as_deref()) {
        Ok(()) => next.run(request).await,
        Err(why) => Refused::hidden(why).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn verdict(headers: &HeaderMap, gateway_url: Option<&str>) -> Result<(), &'static str> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = text(header::HOST).ok_or("a request names its host")?;
    let named_by_operator = gateway_url.is_some_and(|url| host_name(authority(url)) == host_name(host));
    if !is_this_machine(host_name(host)) && !named_by_operator {
        return Err("open the playground by the address that was printed, not by another name");
    }
    let foreign = "another web page may not use the playground";
    match text(header::ORIGIN) {
        Some(origin) if authority(origin) != host => return Err(foreign),
        _ => {}
    }
    match text(header::HeaderName::from_static("sec-fetch-site")) {
        // A link from elsewhere may open the page; everything else has to come from it.
        Some("cross-site" | "same-site")
            if text(header::HeaderName::from_static("sec-fetch-mode")) != Some("navigate") =>
        {
            Err(foreign)
        }
        _ => Ok(()),
    }
}

/// Host and port of an URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

fn host_name(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(name, _)| name),
    }
}

/// An address cannot be pointed elsewhere, and localhost is this machine.
fn is_this_machine(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        verdict(&headers.collect(), Some("ws://discord-sim:4000/")).is_ok()
    }

    #[test]
    fn the_page_is_reached_by_address_and_localhost_and_the_operators_name() {
        for host in ["127.0.0.1:4000", "[::1]:4000", "localhost:4000", "192.168.1.5", "discord-sim:4000"] {
            assert!(judged(&[("host", host)]), "{host}");
        }
        assert!(judged(&[
            ("host", "127.0.0.1:1"),
            ("origin", "http://127.0.0.1:1"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(judged(&[
            ("host", "127.0.0.1:1"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate")
        ]));
    }

    #[test]
    fn a_rebound_name_and_another_page_are_refused() {
        assert!(!judged(&[]));
        for host in ["evil.example:4000", "127.0.0.1.evil.example", "localhost.evil.example", ""] {
            assert!(!judged(&[("host", host)]), "{host}");
        }
        let host = ("host", "127.0.0.1:4000");
        for origin in ["http://evil.example", "null", "http://127.0.0.1:5000", "http://localhost:4000"] {
            assert!(!judged(&[host, ("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert!(!judged(&[host, ("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")]), "{site}");
        }
    }
}
