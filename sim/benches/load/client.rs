//! A client that does as little as it can: it reads frames, counts events and checks their numbers.

use anyhow::{Context, bail, ensure};
use flate2::{Decompress, FlushDecompress};
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

const BEAT: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(30);
const BUFFER: usize = 1 << 20;

pub struct Client {
    pub address: String,
    pub token: String,
    pub shards: u32,
    pub intents: u64,
    pub compress: String,
    pub servers: u64,
}

#[derive(Default)]
struct Seen {
    guilds: AtomicU64,
    messages: AtomicU64,
    gaps: AtomicU64,
    bytes: AtomicU64,
}

impl Client {
    pub fn run(self) -> anyhow::Result<()> {
        let seen = Arc::new(Seen::default());
        let client = Arc::new(self);
        for shard in 0..client.shards {
            let (client, seen) = (client.clone(), seen.clone());
            std::thread::spawn(move || {
                if let Err(error) = client.connection(shard, &seen) {
                    eprintln!("gateway shard {shard}: {error:#}");
                    std::process::exit(1);
                }
            });
        }
        while seen.guilds.load(Relaxed) < client.servers {
            std::thread::sleep(Duration::from_millis(1));
        }
        println!("ready");
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        let expected: u64 = line.trim().parse().context("how many events were posted")?;
        let deadline = Instant::now() + PATIENCE;
        while seen.messages.load(Relaxed) < expected && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (messages, gaps) = (seen.messages.load(Relaxed), seen.gaps.load(Relaxed));
        println!("received {messages} events, {gaps} gaps, {} bytes on the wire", seen.bytes.load(Relaxed));
        Ok(())
    }

    fn connection(&self, shard: u32, seen: &Seen) -> anyhow::Result<()> {
        let host = self.address.strip_prefix("ws://").context("a ws:// address")?;
        let mut tcp = TcpStream::connect(host)?;
        tcp.set_nodelay(true)?;
        let suffix =
            if self.compress == "none" { String::new() } else { format!("&compress={}", self.compress) };
        write!(
            tcp,
            "GET /?v=10&encoding=json{suffix} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2ltdWxhdG9yIGxvYWQhIQ==\r\n\r\n"
        )?;
        let mut frames = Frames { tcp, buffer: vec![0; BUFFER], from: 0, until: 0 };
        frames.skip_head()?;
        frames.tcp.set_read_timeout(Some(Duration::from_secs(1)))?;
        let identify = format!(
            r#"{{"op":2,"d":{{"token":"{}","intents":{},"shard":[{shard},{}],"properties":{{}}}}}}"#,
            self.token, self.intents, self.shards
        );
        send(&mut frames.tcp, &identify)?;
        let mut plain = Plain::new(&self.compress)?;
        let (mut last, mut beat) = (0, Instant::now());
        let mut text = Vec::new();
        loop {
            if beat.elapsed() > BEAT {
                beat = Instant::now();
                send(&mut frames.tcp, &format!(r#"{{"op":1,"d":{last}}}"#))?;
            }
            let Some((binary, range)) = frames.next()? else { continue };
            let payload = &frames.buffer[range];
            seen.bytes.fetch_add(payload.len() as u64, Relaxed);
            let payload = if binary { plain.decompress(payload, &mut text)? } else { payload };
            let Some((name, seq)) = head(payload) else { continue };
            if seq != last + 1 {
                seen.gaps.fetch_add(1, Relaxed);
            }
            last = seq;
            match name {
                b"GUILD_CREATE" => drop(seen.guilds.fetch_add(1, Relaxed)),
                b"MESSAGE_CREATE" => drop(seen.messages.fetch_add(1, Relaxed)),
                _ => {}
            }
        }
    }
}

/// Name and number of an event; `None` for other payloads.
fn head(payload: &[u8]) -> Option<(&[u8], u64)> {
    let rest = payload.strip_prefix(br#"{"t":""#)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let digits = rest[end..].strip_prefix(br#"","s":"#)?;
    let seq = digits.iter().take_while(|byte| byte.is_ascii_digit());
    Some((&rest[..end], seq.fold(0, |seq, digit| seq * 10 + u64::from(digit - b'0'))))
}

/// A masked text frame; the mask is zero, which is a mask too.
fn send(tcp: &mut TcpStream, text: &str) -> anyhow::Result<()> {
    let mut frame = vec![0x81, 0xfe];
    frame.extend_from_slice(&u16::try_from(text.len())?.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    Ok(tcp.write_all(&frame)?)
}

struct Frames {
    tcp: TcpStream,
    buffer: Vec<u8>,
    from: usize,
    until: usize,
}

impl Frames {
    fn skip_head(&mut self) -> anyhow::Result<()> {
        loop {
            self.fill()?;
            let read = &self.buffer[..self.until];
            if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                ensure!(read.starts_with(b"HTTP/1.1 101"), "refused: {}", String::from_utf8_lossy(read));
                self.from = at + 4;
                return Ok(());
            }
        }
    }

    /// The next data frame: whether it is binary, and where in the buffer. `None` when time passed.
    fn next(&mut self) -> anyhow::Result<Option<(bool, std::ops::Range<usize>)>> {
        loop {
            let have = &self.buffer[self.from..self.until];
            let length = match have.get(1).map(|length| length & 0x7f) {
                Some(126) if have.len() >= 4 => {
                    Some((4, usize::from(u16::from_be_bytes([have[2], have[3]]))))
                }
                Some(127) if have.len() >= 10 => {
                    let bytes = have[2..10].try_into().context("eight bytes")?;
                    Some((10, usize::try_from(u64::from_be_bytes(bytes))?))
                }
                Some(short @ ..126) => Some((2, usize::from(short))),
                _ => None,
            };
            if let Some((head, length)) = length.filter(|(head, length)| head + length <= have.len()) {
                let opcode = have[0] & 0x0f;
                let start = self.from + head;
                self.from = start + length;
                match opcode {
                    1 | 2 => return Ok(Some((opcode == 2, start..start + length))),
                    8 => bail!("closed by the simulator"),
                    _ => continue,
                }
            }
            match self.fill() {
                Ok(()) => {}
                Err(error) if is_timeout(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.until, 0);
            self.until -= self.from;
            self.from = 0;
        }
        if self.until == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let n = self.tcp.read(&mut self.buffer[self.until..])?;
        ensure!(n > 0, "the connection ended");
        self.until += n;
        Ok(())
    }
}

fn is_timeout(error: &anyhow::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    error.downcast_ref::<std::io::Error>().is_some_and(|io| matches!(io.kind(), TimedOut | WouldBlock))
}

enum Plain {
    None,
    Zlib(Decompress),
    Zstd(Decoder<'static>),
}

impl Plain {
    fn new(compress: &str) -> anyhow::Result<Self> {
        match compress {
            "none" => Ok(Self::None),
            "zlib-stream" => Ok(Self::Zlib(Decompress::new(true))),
            "zstd-stream" => Ok(Self::Zstd(Decoder::new()?)),
            other => bail!("{other} is none of none, zlib-stream and zstd-stream"),
        }
    }

    fn decompress<'a>(&mut self, bytes: &[u8], out: &'a mut Vec<u8>) -> anyhow::Result<&'a [u8]> {
        out.clear();
        out.reserve(BUFFER * 4);
        match self {
            Self::None => bail!("a binary frame without compression"),
            Self::Zlib(context) => drop(context.decompress_vec(bytes, out, FlushDecompress::Sync)?),
            Self::Zstd(context) => {
                let mut input = InBuffer::around(bytes);
                while input.pos() < bytes.len() {
                    let written = out.len();
                    let mut target = OutBuffer::around_pos(out, written);
                    context.run(&mut input, &mut target)?;
                }
            }
        }
        Ok(out)
    }
}
