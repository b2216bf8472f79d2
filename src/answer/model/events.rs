//! Reads a stream of server-sent events. Pure: bytes in, the data of complete events out.
//!
//! Only what chat endpoints use: `data:` lines, comments, any of the three line ends. Other fields are passed over.
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>.
//! The caller bounds how many bytes it reads.

/// What has been read of the event that is under way.
#[derive(Debug, Default)]
pub struct Events {
    /// The line under way: bytes, because a character may be split between two chunks.
    line: Vec<u8>,
    data: Option<String>,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    begun: bool,
}

impl Events {
    /// Takes the next bytes, cut anywhere, and gives the data of the events that are complete now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut complete = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => complete.extend(self.end_of_line()),
                _ => self.line.push(byte),
            }
        }
        complete
    }

    /// The stream has ended: some endpoints leave out the blank line after their last event.
    pub fn end(mut self) -> Option<String> {
        let complete = self.end_of_line();
        complete.or(self.data)
    }

    fn end_of_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let mut line = String::from_utf8_lossy(&line);
        if !std::mem::replace(&mut self.begun, true)
            && let Some(rest) = line.strip_prefix('\u{feff}')
        {
            line = rest.to_owned().into();
        }
        if line.is_empty() {
            return self.data.take();
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(stream: &[u8], chunk: usize) -> Vec<String> {
        let mut events = Events::default();
        let mut read: Vec<String> = stream.chunks(chunk).flat_map(|bytes| events.push(bytes)).collect();
        read.extend(events.end());
        read
    }

    #[test]
    fn a_stream_reads_the_same_however_it_is_cut() {
        let stream = "\u{feff}: hello\r\n\r\ndata: {\"a\":\"ü漢🙂\"}\r\n\r\nevent: x\nid: 7\ndata:two\ndata: lines\n\ndata: cr\r\rdata: [DONE]\n\n";
        let expected = ["{\"a\":\"ü漢🙂\"}", "two\nlines", "cr", "[DONE]"];
        for chunk in 1..=stream.len() {
            assert_eq!(read(stream.as_bytes(), chunk), expected, "chunks of {chunk} bytes");
        }
    }

    #[test]
    fn comments_and_empty_events_say_nothing_and_the_last_event_needs_no_blank_line() {
        assert_eq!(read(b": ping\n\n\n\n: ping\n\nretry: 5\n\ndata: end", 3), ["end"]);
        assert_eq!(read(b"data\n\ndata:\n\n", 1), ["", ""]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(stream in prop::collection::vec(any::<u8>(), 0..200), chunk in 1usize..20) {
            let whole = read(&stream, stream.len().max(1));
            prop_assert_eq!(read(&stream, chunk), whole);
        }
    }
}
