//! Judges what the database's triggers recorded, without asking the code under test. Pure.
//!
//! The order of records decides (see `recorder.sql`): a write belongs to the ownership that the latest record before
//! it names. Who wrote is the process, told by its connections' `application_name`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use helpline::discord::MessageId;

/// Something that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub seq: i64,
    /// Unix microseconds of the database's clock.
    pub at_us: i64,
    pub xid: String,
    /// The process that did it: its name and how often it was started.
    pub process: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A shard's fence row: a claim (with owner), or a release (without).
    Fence { shard: i32, epoch: i64, owner: Option<String> },
    /// Where a server lives from now on.
    Place { server: i64, shard: i32 },
    /// The cursor of a shard, under the epoch that its writer believed in.
    Cursor { shard: i32, epoch: i64, incarnation: i64, seq: i64 },
    /// An event had its effect; the hash of one of its keys, in hex.
    Event { key: String },
    /// An effect was decided.
    Effect { server: i64, key: String },
    /// An effect was noted as delivered.
    Sent { server: i64, key: String },
    /// An effect was given up.
    GivenUp { server: i64, key: String },
    /// Any other change of a row that belongs to a server.
    Row { server: i64, table: String },
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A process wrote for a shard that another one, or nobody, owned.
    NotOwner { seq: i64, process: String, shard: i32, owner: Option<String>, what: &'static str },
    /// The cursor was moved under another epoch than the shard's.
    Superseded { seq: i64, shard: i32, epoch: i64, current: i64 },
    /// Two ownerships had one epoch, or an epoch came after a later one.
    Epoch { seq: i64, shard: i32, epoch: i64, before: i64 },
    /// The cursor went back.
    Cursor { seq: i64, shard: i32, to: (i64, i64), from: (i64, i64) },
    /// An event had its effect twice.
    AppliedTwice { seq: i64, key: String },
    /// An effect was decided twice, or noted as delivered twice.
    EffectTwice { seq: i64, key: String, what: &'static str },
    /// An effect that nobody delivered although the cluster was at rest.
    Undelivered { key: String },
    /// An effect that was given up.
    GivenUp { key: String },
    /// Of two events of one channel the later one was applied first.
    OutOfOrder { first: u64, second: u64 },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOwner { seq, process, shard, owner, what } => {
                let owner = owner.as_deref().unwrap_or("nobody");
                write!(f, "#{seq}: {process} wrote {what} of shard {shard}, which {owner} owned")
            }
            Self::Superseded { seq, shard, epoch, current } => {
                write!(f, "#{seq}: the cursor of shard {shard} moved under epoch {epoch} at epoch {current}")
            }
            Self::Epoch { seq, shard, epoch, before } => {
                write!(f, "#{seq}: shard {shard} was claimed at epoch {epoch} after epoch {before}")
            }
            Self::Cursor { seq, shard, to, from } => {
                write!(f, "#{seq}: the cursor of shard {shard} went from {from:?} back to {to:?}")
            }
            Self::AppliedTwice { seq, key } => write!(f, "#{seq}: the event {key} was applied twice"),
            Self::EffectTwice { seq, key, what } => write!(f, "#{seq}: the effect {key} was {what} twice"),
            Self::Undelivered { key } => write!(f, "the effect {key} was never delivered"),
            Self::GivenUp { key } => write!(f, "the effect {key} was given up"),
            Self::OutOfOrder { first, second } => {
                write!(f, "message {second} was applied before {first}, which was written before it")
            }
        }
    }
}

#[derive(Debug, Default)]
struct Shard {
    /// Epoch and owning process of the latest claim; no process after a release.
    epoch: i64,
    owner: Option<String>,
    cursor: (i64, i64),
}

/// Reads records in the order of `seq`.
#[derive(Debug, Default)]
struct Checker {
    shards: HashMap<i32, Shard>,
    homes: HashMap<i64, i32>,
    /// Where a server lived before it was moved, and by which transaction.
    moved: HashMap<i64, (String, i32)>,
    events: HashSet<String>,
    effects: BTreeMap<String, bool>,
    found: Vec<Violation>,
}

/// Every promise that the history breaks. `homes`: where servers lived before the first record.
pub fn check(records: &[Record], homes: &[(i64, i32)]) -> Vec<Violation> {
    let mut checker = Checker { homes: homes.iter().copied().collect(), ..Checker::default() };
    for record in records {
        checker.read(record);
    }
    let undelivered = checker.effects.into_iter().filter(|(_, sent)| !sent);
    checker.found.extend(undelivered.map(|(key, _)| Violation::Undelivered { key }));
    checker.found
}

impl Checker {
    fn read(&mut self, record: &Record) {
        match &record.what {
            What::Fence { shard, epoch, owner } => self.fence(record, *shard, *epoch, owner.is_some()),
            What::Place { server, shard } => {
                if let Some(from) = self.homes.insert(*server, *shard) {
                    self.moved.insert(*server, (record.xid.clone(), from));
                }
            }
            What::Cursor { shard, epoch, incarnation, seq } => {
                self.owned_by_writer(record, &[*shard], "the cursor");
                self.cursor(record, *shard, *epoch, (*incarnation, *seq));
            }
            What::Event { key } => {
                if !self.events.insert(key.clone()) {
                    self.found.push(Violation::AppliedTwice { seq: record.seq, key: key.clone() });
                }
                if !self.shards.values().any(|shard| shard.owner.as_ref() == Some(&record.process)) {
                    self.not_owner(record, -1, "an event");
                }
            }
            What::Effect { server, key } => {
                self.of_server(record, *server, "an effect");
                let key = format!("{server}/{key}");
                if self.effects.insert(key.clone(), false).is_some() {
                    self.found.push(Violation::EffectTwice { seq: record.seq, key, what: "decided" });
                }
            }
            What::Sent { server, key } => {
                self.of_server(record, *server, "a delivery");
                let key = format!("{server}/{key}");
                if self.effects.insert(key.clone(), true) == Some(true) {
                    self.found.push(Violation::EffectTwice {
                        seq: record.seq,
                        key,
                        what: "noted as delivered",
                    });
                }
            }
            What::GivenUp { server, key } => {
                self.of_server(record, *server, "the end of an effect");
                let key = format!("{server}/{key}");
                self.effects.insert(key.clone(), true);
                self.found.push(Violation::GivenUp { key });
            }
            What::Row { server, .. } => self.of_server(record, *server, "a row"),
        }
    }

    fn fence(&mut self, record: &Record, shard: i32, epoch: i64, claimed: bool) {
        let known = self.shards.entry(shard).or_default();
        let before = known.epoch;
        let lawful = if claimed { epoch > before } else { epoch == before };
        known.epoch = epoch;
        known.owner = claimed.then(|| record.process.clone());
        if !lawful {
            self.found.push(Violation::Epoch { seq: record.seq, shard, epoch, before });
        }
    }

    fn cursor(&mut self, record: &Record, shard: i32, epoch: i64, to: (i64, i64)) {
        let known = self.shards.entry(shard).or_default();
        let (current, from) = (known.epoch, known.cursor);
        known.cursor = to;
        // A stream that is begun anew keeps the epoch of whoever moved the cursor last.
        if epoch != current && to.0 == from.0 {
            self.found.push(Violation::Superseded { seq: record.seq, shard, epoch, current });
        }
        if to < from {
            self.found.push(Violation::Cursor { seq: record.seq, shard, to, from });
        }
    }

    /// Rows of a server are written by the owner of its shard; in the transaction that moves it, of either shard.
    fn of_server(&mut self, record: &Record, server: i64, what: &'static str) {
        let mut shards: Vec<i32> = self.homes.get(&server).copied().into_iter().collect();
        if let Some((xid, from)) = self.moved.get(&server)
            && *xid == record.xid
        {
            shards.push(*from);
        }
        self.owned_by_writer(record, &shards, what);
    }

    fn owned_by_writer(&mut self, record: &Record, shards: &[i32], what: &'static str) {
        let owns = |shard: &i32| {
            self.shards.get(shard).is_some_and(|known| known.owner.as_ref() == Some(&record.process))
        };
        if !shards.iter().any(owns) {
            self.not_owner(record, shards.first().copied().unwrap_or(-1), what);
        }
    }

    fn not_owner(&mut self, record: &Record, shard: i32, what: &'static str) {
        let owner = self.shards.get(&shard).and_then(|known| known.owner.clone());
        self.found.push(Violation::NotOwner {
            seq: record.seq,
            process: record.process.clone(),
            shard,
            owner,
            what,
        });
    }
}

/// What was written in one channel, in the order of Discord, against the order in which it was applied.
/// A live message waits at most ten seconds for what is read again of its channel (promise 5c): one that waited so long may
/// go first. `written`: channel and id of each message; `applied`: for each message its record's place and time in us.
pub fn check_order(written: &[(u64, u64)], applied: &HashMap<u64, (i64, i64)>) -> Vec<Violation> {
    const LONGEST_HOLD_MS: u64 = 9_500;
    let mut written = written.to_vec();
    written.sort_unstable();
    let mut found = Vec::new();
    for pair in written.windows(2) {
        let [(channel, first), (other, second)] = [pair[0], pair[1]];
        let (Some(one), Some(two)) = (applied.get(&first), applied.get(&second)) else { continue };
        let waited_ms = two.1.cast_unsigned() / 1_000;
        let held_out = waited_ms.saturating_sub(MessageId(second).unix_ms()) >= LONGEST_HOLD_MS;
        if channel == other && two.0 < one.0 && !held_out {
            found.push(Violation::OutOfOrder { first, second });
        }
    }
    found
}
