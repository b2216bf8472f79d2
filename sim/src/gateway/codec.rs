//! Compression of what the gateway sends.
//!
//! Transport compression: one context lives as long as the connection, and every payload ends in a flush, so
//! that each websocket message decompresses on its own arrival. Payload compression, asked for by IDENTIFY,
//! makes a whole zlib stream of each large payload.
//! <https://discord.com/developers/docs/events/gateway#encoding-and-compression>

use flate2::{Compress, Compression, FlushCompress, Status};
use std::io;
use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};

/// Room asked for at a time while compressing.
const CHUNK: usize = 16 * 1024;
/// Payloads from this size on are worth compressing one by one.
const LARGE: usize = 1_024;

pub(crate) enum Codec {
    Plain,
    Zlib(Box<Compress>),
    Zstd(Box<Encoder<'static>>),
    /// Large payloads each by themselves.
    Payload(Box<Compress>),
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

    /// Takes up payload compression; transport compression, where there is one, stays instead.
    pub(crate) fn compress_payloads(&mut self) {
        if matches!(self, Self::Plain) {
            *self = Self::Payload(Box::new(Compress::new(Compression::fast(), true)));
        }
    }

    /// Whether payloads leave as they are, as text.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// Compresses one payload into `out`, which is cleared first. `false` when it is to go as text.
    pub(crate) fn encode(&mut self, payload: &[u8], out: &mut Vec<u8>) -> io::Result<bool> {
        out.clear();
        match self {
            Self::Plain => Ok(false),
            Self::Payload(_) if payload.len() < LARGE => Ok(false),
            Self::Payload(context) => {
                context.reset();
                deflate(context, payload, out, FlushCompress::Finish).map(|()| true)
            }
            Self::Zlib(context) => deflate(context, payload, out, FlushCompress::Sync).map(|()| true),
            Self::Zstd(context) => zstandard(context, payload, out).map(|()| true),
        }
    }
}

fn deflate(
    context: &mut Compress,
    mut input: &[u8],
    out: &mut Vec<u8>,
    flush: FlushCompress,
) -> io::Result<()> {
    out.reserve(input.len() / 2 + 64);
    loop {
        let before = context.total_in();
        let status = context.compress_vec(input, out, flush).map_err(io::Error::other)?;
        let eaten = usize::try_from(context.total_in() - before).map_err(io::Error::other)?;
        input = &input[eaten..];
        // Spare room means that a flush is complete.
        let complete = match flush {
            FlushCompress::Finish => status == Status::StreamEnd,
            _ => input.is_empty() && out.len() < out.capacity(),
        };
        if complete {
            return Ok(());
        }
        out.reserve(CHUNK);
    }
}

fn zstandard(context: &mut Encoder<'static>, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.reserve(input.len() / 2 + 512);
    let mut input = InBuffer::around(input);
    loop {
        let written = out.len();
        let mut target = OutBuffer::around_pos(out, written);
        if input.pos() < input.src.len() {
            context.run(&mut input, &mut target)?;
        }
        let left = if input.pos() == input.src.len() { context.flush(&mut target)? } else { CHUNK };
        if left == 0 {
            return Ok(());
        }
        out.reserve(CHUNK.max(left));
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

    fn encoded(codec: &mut Codec, payload: &str) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(codec.encode(payload.as_bytes(), &mut out).unwrap());
        out
    }

    #[test]
    fn every_zlib_message_ends_in_a_sync_flush_and_decodes_with_one_context() {
        let mut codec = Codec::for_query(Some("zlib-stream")).unwrap();
        let mut context = Decompress::new(true);
        for payload in payloads() {
            let message = encoded(&mut codec, &payload);
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
            let message = encoded(&mut codec, &payload);
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
    fn payload_compression_makes_a_whole_stream_of_each_large_payload_alone() {
        let mut codec = Codec::for_query(None).unwrap();
        codec.compress_payloads();
        assert!(!codec.encode(b"{}", &mut Vec::new()).unwrap(), "small ones go as they are");
        for payload in payloads().into_iter().filter(|payload| payload.len() >= LARGE) {
            let message = encoded(&mut codec, &payload);
            let mut out = Vec::with_capacity(payload.len() + 64);
            let status = Decompress::new(true).decompress_vec(&message, &mut out, FlushDecompress::Finish);
            assert_eq!((status.unwrap(), out), (Status::StreamEnd, payload.into_bytes()));
        }
    }

    #[test]
    fn unknown_compression_is_refused() {
        assert!(Codec::for_query(Some("brotli")).is_none());
        assert!(matches!(Codec::for_query(None), Some(Codec::Plain)));
    }
}
