//! Queries of what members ask for besides questions.

use super::{Kind, Query, WORKER, other};

pub const QUERIES: &[Query] = &[
    // /privacy: of a member, in one server ---------------------------------------------------------------------------
    other(WORKER, Kind::Rare, "with own as ( update public.conversations set transcript"),
    other(WORKER, Kind::Rare, "select id as \"id!\", channel_id as \"channel!\""),
    other(WORKER, Kind::Rare, "select question_id as \"question!\", helpful"),
    // Once an hour
    other(WORKER, Kind::Rare, "select helpline.forget_left_servers("),
];
