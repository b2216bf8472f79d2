//! Bodies and queries of control requests: what does not fit is refused with a sentence that says where and why.

use super::routes::Refused;
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

const MAX_BODY_BYTES: usize = 16 << 20;

/// A JSON body, whatever its content type says; an empty one is `{}`.
pub(super) struct Input<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let body = to_bytes(request.into_body(), MAX_BODY_BYTES).await;
        let body = body.map_err(|error| Refused::wrong(format!("the body cannot be read: {error}")))?;
        let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
        let read = serde_json::from_slice(&body);
        read.map(Self).map_err(|error| Refused::wrong(format!("the body does not fit: {error}")))
    }
}

/// The query of a request.
pub(super) struct Wanted<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Wanted<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let read = Query::<T>::try_from_uri(&parts.uri);
        let wrong = |error| Refused::wrong(format!("the query does not fit: {error}"));
        read.map(|Query(wanted)| Self(wanted)).map_err(wrong)
    }
}
