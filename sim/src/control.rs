//! The control API under `/sim`: what [`Simulator`](crate::Simulator) can do, over JSON, for when the simulator is a process of
//! its own. It needs no token and is outside all limits; the listener belongs on a loopback address.
//!
//! `GET /sim` lists every route with one line on what it takes and does. Each concern has a file of its own and
//! adds its routes through [`Routes`], so that the list is never out of date. What cannot be done is answered
//! 4xx with `{"error": sentence}`.

mod acting;
mod clock;
mod faults;
mod gateway;
mod guilds;
mod input;
mod limits;
mod purchases;
mod routes;
mod threads;
mod transcript;
mod world;

use crate::core::Core;
use axum::Router;
use axum::extract::State;
use input::{Input, Wanted};
use routes::{Refused, Routes};
use std::sync::Arc;

type App = State<Arc<Core>>;

pub(crate) fn router(core: Arc<Core>) -> Router {
    let routes = Routes::default();
    let routes = transcript::add(routes);
    let routes = world::add(routes);
    let routes = guilds::add(routes);
    let routes = threads::add(routes);
    let routes = acting::add(routes);
    let routes = gateway::add(routes);
    let routes = purchases::add(routes);
    let routes = faults::add(routes);
    let routes = limits::add(routes);
    let routes = clock::add(routes);
    Router::new().nest("/sim", routes.finish()).with_state(core)
}
