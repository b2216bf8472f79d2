//! How a connection gets in: the websocket handshake, on the address of `GET /gateway` or on the one that
//! READY gives for resuming, and what outages do to it.
//! <https://discord.com/developers/docs/events/gateway#preparing-to-resume>

use super::connection::serve;
use super::faults::Outage;
use super::protocol::Params;
use super::socket::{Socket, handshake};
use crate::core::Core;
use crate::listener::Cut;
use axum::Router;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

/// The address a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// That of `GET /gateway`.
    Main,
    /// READY's `resume_gateway_url`.
    Resume,
}

/// What is served on the resume address: the websocket alone.
pub(crate) fn resume_door(core: Arc<Core>) -> Router {
    Router::new().route("/", get(through_resume_door)).with_state(core)
}

async fn through_resume_door(
    State(core): State<Arc<Core>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Query(params): Query<Params>,
    request: Request,
) -> Response {
    accept(core, &cut, Door::Resume, params, request)
}

/// Answers a handshake; the connection goes on by itself.
pub(crate) fn accept(core: Arc<Core>, cut: &Cut, door: Door, params: Params, request: Request) -> Response {
    let now = Instant::now();
    let outage = core.hub.doors.outage(now);
    let dead = door == Door::Resume && core.hub.doors.resume_is_dead(now);
    match outage {
        Some((_, Outage::Unavailable)) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some((_, Outage::Refuse)) => {
            cut.reset();
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        _ if dead => {
            cut.reset();
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        _ => {}
    }
    let response = match handshake(request.method(), request.headers()) {
        Ok(response) => response,
        Err(refused) => return (refused, [(header::UPGRADE, "websocket")]).into_response(),
    };
    tokio::spawn(async move {
        // A client that goes away between the handshake's two halves leaves nothing to serve.
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        match outage {
            Some((_, Outage::Close)) => return,
            Some((until, _)) => {
                tokio::select! {
                    () = sleep_until(until) => {}
                    () = core.cancel.cancelled() => return,
                }
            }
            None => {}
        }
        serve(core, Socket::new(upgraded).await, door, params).await;
    });
    response
}
