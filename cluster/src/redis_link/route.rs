//! Where a command belongs on a Redis Cluster: its first key and that key's slot. Pure.
//! Source: Redis, "Redis cluster specification", "Key distribution model" and "Hash tags".

use redis::{Arg, Cmd};

/// Hash slots of a Redis Cluster.
pub(super) const SLOTS: u16 = 16_384;

/// The slot of a key: of what stands between its first braces, where something does.
pub(super) fn slot(key: &[u8]) -> u16 {
    crc16(tag(key)) % SLOTS
}

fn tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else { return key };
    let inner = &key[open + 1..];
    match inner.iter().position(|byte| *byte == b'}') {
        Some(length) if length > 0 => &inner[..length],
        _ => key,
    }
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => (crc << 1) ^ 0x1021,
        })
    })
}

/// The slot of the command's first key; none when it names no key, as PING or SCRIPT LOAD.
pub(super) fn slot_of(command: &Cmd) -> Option<u16> {
    let mut words = command.args_iter().map(|word| match word {
        Arg::Simple(word) => word,
        _ => b"".as_slice(),
    });
    let name = words.next()?.to_ascii_uppercase();
    let key = match name.as_slice() {
        b"EVAL" | b"EVALSHA" | b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO" => {
            words.nth(1).filter(|keys| *keys != b"0")?;
            words.next()
        }
        b"XREAD" | b"XREADGROUP" => {
            words.find(|word| word.eq_ignore_ascii_case(b"STREAMS"))?;
            words.next()
        }
        b"XINFO" | b"XGROUP" | b"OBJECT" | b"MEMORY" => words.nth(1),
        b"ASKING" | b"AUTH" | b"CLIENT" | b"CLUSTER" | b"COMMAND" | b"CONFIG" | b"DBSIZE" | b"EXEC"
        | b"FLUSHALL" | b"FLUSHDB" | b"HELLO" | b"INFO" | b"MULTI" | b"PING" | b"READONLY" | b"ROLE"
        | b"SCRIPT" | b"SELECT" | b"TIME" | b"WAIT" => None,
        _ => words.next(),
    };
    key.map(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Cmd {
        let mut words = text.split(' ');
        let mut command = redis::cmd(words.next().expect("a name"));
        words.for_each(|word| {
            command.arg(word);
        });
        command
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
    }

    #[test]
    fn a_command_goes_where_its_first_key_is() {
        for text in [
            "GET foo",
            "SET foo 1 NX PX 5",
            "EVALSHA 0123 2 foo bar arg",
            "XREAD COUNT 2 BLOCK 10 STREAMS foo 0-0",
            "XINFO STREAM foo",
            "MEMORY USAGE foo",
        ] {
            assert_eq!(slot_of(&command(text)), Some(12_182), "{text}");
        }
        for text in ["PING", "SCRIPT LOAD x", "EVALSHA 0123 0 foo", "CLIENT UNBLOCK 3", "ROLE"] {
            assert_eq!(slot_of(&command(text)), None, "{text}");
        }
    }
}
