//! Reads the answer of XREAD without copying payloads.

use bytes::Bytes;
use redis::Value;

use super::Entry;
use crate::ids::{ServerId, StreamId};

/// The entries of one stream as XREAD returned them.
#[derive(Debug)]
pub(super) struct StreamEntries {
    pub(super) key: Vec<u8>,
    /// Id of each entry, and the entry unless it is not one of ours.
    pub(super) entries: Vec<(StreamId, Option<Entry>)>,
}

/// Nil (nothing came while it blocked) reads as no streams.
pub(super) fn streams(reply: Value) -> Vec<StreamEntries> {
    pairs(reply)
        .into_iter()
        .filter_map(|(key, entries)| {
            let Value::BulkString(key) = key else { return None };
            let Value::Array(entries) = entries else { return None };
            Some(StreamEntries { key, entries: entries.into_iter().filter_map(entry).collect() })
        })
        .collect()
}

/// RESP2 gives an array of pairs, RESP3 a map.
fn pairs(reply: Value) -> Vec<(Value, Value)> {
    match reply {
        Value::Map(pairs) => pairs,
        Value::Array(items) => items
            .into_iter()
            .filter_map(|item| {
                let Value::Array(pair) = item else { return None };
                let [key, entries] = <[Value; 2]>::try_from(pair).ok()?;
                Some((key, entries))
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn entry(item: Value) -> Option<(StreamId, Option<Entry>)> {
    let Value::Array(pair) = item else { return None };
    let [id, fields] = <[Value; 2]>::try_from(pair).ok()?;
    let id = text(id)?.parse().ok()?;
    let Value::Array(fields) = fields else { return Some((id, None)) };
    Some((id, of_fields(id, fields)))
}

fn of_fields(id: StreamId, fields: Vec<Value>) -> Option<Entry> {
    let (mut origin, mut kind, mut server, mut received_at_ms, mut payload) = (None, None, None, None, None);
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let Value::BulkString(name) = name else { return None };
        match &name[..] {
            b"k" => origin = text(value),
            b"t" => kind = text(value),
            b"g" => {
                let id = text(value)?;
                server = if id.is_empty() { None } else { Some(id.parse::<ServerId>().ok()?) };
            }
            b"r" => received_at_ms = text(value)?.parse().ok(),
            b"d" => payload = bytes(value),
            // A later release may add fields.
            _ => {}
        }
    }
    Some(Entry {
        id,
        origin: origin?,
        kind: kind?,
        server,
        received_at_ms: received_at_ms?,
        payload: Bytes::from(payload?),
    })
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}
