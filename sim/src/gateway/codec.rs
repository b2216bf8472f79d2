//! Transport compression of what the gateway sends.
//!
//! One context lives as long as the connection, and every payload ends in a flush, so that each websocket
//! message decompresses on its own arrival.
//! <https://discord.com/developers/docs/events/gateway#transport-compression>

use axum::extract::ws::Message;
use flate2::{Compress, Compression, FlushCompress};
use std::io;
use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};

/// Room asked for at a time while compressing.
const CHUNK: usize = 16 * 1024;

pub(crate) enum Codec {
    Plain,
    Zlib(Box<Compress>),
    Zstd(Box<Encoder<'static>>),
}

impl Codec {
    /// The codec of a `compress` query parameter; `None` when it is unknown.
    pub(crate) fn for_query(compress: Option<&str>) -> Option<Self> {
        match compress {
            None | Some("" | "none") => Some(Self::Plain),
            Some("zlib-stream") => Some(Self::Zlib(Box::new(Compress::new(Compression::fast(), true)))),
            Some("zstd-stream") => Encoder::new(1).ok().map(|encoder| Self::Zstd(Box::new(encoder))),
            Some(_) => None,
        }
    }

    /// One payload as one websocket message.
    pub(crate) fn encode(&mut self, payload: String) -> io::Result<Message> {
        match self {
            Self::Plain => Ok(Message::Text(payload.into())),
            Self::Zlib(context) => {
                deflate(context, payload.as_bytes()).map(|out| Message::Binary(out.into()))
            }
            Self::Zstd(context) => {
                zstandard(context, payload.as_bytes()).map(|out| Message::Binary(out.into()))
            }
        }
    }
}

fn deflate(context: &mut Compress, mut input: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(input.len() / 2 + 64);
    loop {
        let before = context.total_in();
        context.compress_vec(input, &mut out, FlushCompress::Sync).map_err(io::Error::other)?;
        let eaten = usize::try_from(context.total_in() - before).map_err(io::Error::other)?;
        input = &input[eaten..];
        // Spare room means that the flush is complete.
        if input.is_empty() && out.len() < out.capacity() {
            return Ok(out);
        }
        out.reserve(CHUNK);
    }
}

fn zstandard(context: &mut Encoder<'static>, input: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = vec![0; input.len() / 2 + 512];
    let mut written = 0;
    let mut input = InBuffer::around(input);
    loop {
        let mut target = OutBuffer::around_pos(&mut out[..], written);
        if input.pos() < input.src.len() {
            context.run(&mut input, &mut target)?;
        }
        let left = if input.pos() == input.src.len() { context.flush(&mut target)? } else { CHUNK };
        written = target.pos();
        if left == 0 {
            out.truncate(written);
            return Ok(out);
        }
        out.resize(out.len() + CHUNK.max(left), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};
    use std::fmt::Write as _;

    fn payloads() -> Vec<String> {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut noise = |n: usize| {
            (0..n).fold(String::new(), |mut text, _| {
                let _ = write!(text, "{:x}", rng.u64(..));
                text
            })
        };
        vec!["{}".to_owned(), noise(10), noise(20_000), String::new(), "a".repeat(300_000), noise(1)]
    }

    fn bytes(message: Message) -> Vec<u8> {
        match message {
            Message::Binary(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_zlib_message_ends_in_a_sync_flush_and_decodes_with_one_context() {
        let mut codec = Codec::for_query(Some("zlib-stream")).unwrap();
        let mut context = Decompress::new(true);
        for payload in payloads() {
            let message = bytes(codec.encode(payload.clone()).unwrap());
            assert!(message.ends_with(&[0, 0, 0xff, 0xff]));
            let mut out = Vec::with_capacity(payload.len() + 64);
            context.decompress_vec(&message, &mut out, FlushDecompress::Sync).unwrap();
            assert_eq!(out, payload.as_bytes());
        }
    }

    #[test]
    fn every_zstd_message_decodes_with_one_context() {
        let mut codec = Codec::for_query(Some("zstd-stream")).unwrap();
        let mut context = zstd::stream::raw::Decoder::new().unwrap();
        for payload in payloads() {
            let message = bytes(codec.encode(payload.clone()).unwrap());
            let mut out = vec![0; payload.len() + 64];
            let mut input = InBuffer::around(&message[..]);
            let mut target = OutBuffer::around(&mut out[..]);
            while input.pos() < message.len() {
                context.run(&mut input, &mut target).unwrap();
            }
            let n = target.pos();
            assert_eq!(&out[..n], payload.as_bytes());
        }
    }

    #[test]
    fn unknown_compression_is_refused() {
        assert!(Codec::for_query(Some("brotli")).is_none());
        assert!(matches!(Codec::for_query(None), Some(Codec::Plain)));
    }
}
