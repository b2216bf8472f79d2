//! Bad histories, each of which the checker has to find, and good ones that it has to let pass.
#![allow(clippy::unwrap_used, reason = "a test has nobody to tell")]

use std::collections::HashMap;

use helpline::discord::MessageId;

use crate::history::{Record, Violation, What, check, check_order};

const HOME: &[(i64, i32)] = &[(500, 3)];

/// A history in the making: each record one later than the one before, in a transaction of its own.
#[derive(Default)]
struct History(Vec<Record>);

impl History {
    fn then(mut self, process: &str, what: What) -> Self {
        let seq = i64::try_from(self.0.len()).unwrap() + 1;
        self.0.push(Record { seq, at_us: seq, xid: seq.to_string(), process: process.to_owned(), what });
        self
    }

    fn claims(self, process: &str, shard: i32, epoch: i64) -> Self {
        self.then(process, What::Fence { shard, epoch, owner: Some(process.to_owned()) })
    }

    fn releases(self, process: &str, shard: i32, epoch: i64) -> Self {
        self.then(process, What::Fence { shard, epoch, owner: None })
    }

    fn moves_to(self, process: &str, epoch: i64, seq: i64) -> Self {
        self.then(process, What::Cursor { shard: 3, epoch, incarnation: 1, seq })
    }

    fn applies(self, process: &str, key: &str) -> Self {
        self.then(process, What::Event { key: key.to_owned() })
    }

    fn decides(self, process: &str, key: &str) -> Self {
        self.then(process, What::Effect { server: 500, key: key.to_owned() })
    }

    fn sends(self, process: &str, key: &str) -> Self {
        self.then(process, What::Sent { server: 500, key: key.to_owned() })
    }

    fn writes(self, process: &str) -> Self {
        self.then(process, What::Row { server: 500, table: "conversation".to_owned() })
    }

    /// The last two records are of one transaction.
    fn at_once(mut self) -> Self {
        let xid = self.0[self.0.len() - 2].xid.clone();
        self.0.last_mut().unwrap().xid = xid;
        self
    }

    fn found(self) -> Vec<Violation> {
        check(&self.0, HOME)
    }
}

#[test]
fn a_lawful_life_passes() {
    let history = History::default()
        .claims("a#1", 3, 1)
        .moves_to("a#1", 1, 10)
        .applies("a#1", "k1")
        .decides("a#1", "e1")
        .sends("a#1", "e1")
        .claims("b#1", 3, 2)
        .moves_to("b#1", 2, 11)
        .writes("b#1")
        .releases("b#1", 3, 2)
        .claims("a#2", 3, 3)
        .moves_to("a#2", 3, 11);
    assert_eq!(history.found(), []);
}

#[test]
fn a_write_after_the_claim_of_another_is_found() {
    let found = History::default().claims("a#1", 3, 1).claims("b#1", 3, 2).writes("a#1").found();
    let [Violation::NotOwner { seq: 3, shard: 3, owner: Some(owner), .. }] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(owner, "b#1");
}

#[test]
fn a_write_after_the_own_release_is_found() {
    let found = History::default().claims("a#1", 3, 1).releases("a#1", 3, 1).writes("a#1").found();
    assert!(matches!(found[..], [Violation::NotOwner { owner: None, .. }]), "{found:?}");
}

#[test]
fn a_write_by_the_next_life_of_a_process_needs_its_own_claim() {
    let found = History::default().claims("a#1", 3, 1).writes("a#2").found();
    assert!(matches!(found[..], [Violation::NotOwner { .. }]), "{found:?}");
}

#[test]
fn an_event_that_is_applied_by_a_process_without_a_shard_is_found() {
    let found = History::default().claims("a#1", 3, 1).applies("b#1", "k").found();
    assert!(matches!(found[..], [Violation::NotOwner { .. }]), "{found:?}");
}

#[test]
fn a_cursor_under_the_epoch_before_is_found_also_of_the_same_process() {
    let found = History::default().claims("a#1", 3, 1).claims("a#1", 3, 2).moves_to("a#1", 1, 5).found();
    // The first move begins the stream; what counts is the next one.
    let again = History::default()
        .claims("a#1", 3, 1)
        .moves_to("a#1", 1, 1)
        .claims("a#1", 3, 2)
        .moves_to("a#1", 1, 5)
        .found();
    assert_eq!(found, []);
    assert_eq!(again, [Violation::Superseded { seq: 4, shard: 3, epoch: 1, current: 2 }]);
}

#[test]
fn two_ownerships_of_one_epoch_are_found() {
    let found = History::default().claims("a#1", 3, 4).claims("b#1", 3, 4).found();
    assert_eq!(found, [Violation::Epoch { seq: 2, shard: 3, epoch: 4, before: 4 }]);
}

#[test]
fn a_cursor_that_goes_back_is_found_and_a_new_incarnation_is_not() {
    let back = History::default().claims("a#1", 3, 1).moves_to("a#1", 1, 9).moves_to("a#1", 1, 8).found();
    assert_eq!(back, [Violation::Cursor { seq: 3, shard: 3, to: (1, 8), from: (1, 9) }]);
    let anew = What::Cursor { shard: 3, epoch: 1, incarnation: 2, seq: 0 };
    let anew = History::default().claims("a#1", 3, 1).moves_to("a#1", 1, 9).then("a#1", anew).found();
    assert_eq!(anew, []);
}

#[test]
fn an_event_that_is_applied_twice_is_found() {
    let found = History::default().claims("a#1", 3, 1).applies("a#1", "k").applies("a#1", "k").found();
    assert_eq!(found, [Violation::AppliedTwice { seq: 3, key: "k".to_owned() }]);
}

#[test]
fn an_effect_that_is_decided_or_delivered_twice_or_never_is_found() {
    let start = || History::default().claims("a#1", 3, 1).decides("a#1", "e");
    let twice = start().decides("a#1", "e").sends("a#1", "e").found();
    assert!(matches!(twice[..], [Violation::EffectTwice { what: "decided", .. }]), "{twice:?}");
    let again = start().sends("a#1", "e").sends("a#1", "e").found();
    assert!(matches!(again[..], [Violation::EffectTwice { what: "noted as delivered", .. }]), "{again:?}");
    assert_eq!(start().found(), [Violation::Undelivered { key: "500/e".to_owned() }]);
    let given_up = start().then("a#1", What::GivenUp { server: 500, key: "e".to_owned() }).found();
    assert_eq!(given_up, [Violation::GivenUp { key: "500/e".to_owned() }]);
}

#[test]
fn a_server_is_written_by_the_owner_of_the_shard_it_lives_on() {
    let place = || What::Place { server: 500, shard: 4 };
    let start = || History::default().claims("a#1", 3, 1).claims("b#1", 4, 1);
    let moved = start().then("a#1", place()).writes("a#1").at_once().writes("b#1").found();
    assert_eq!(moved, [], "the transaction that moves it may write under the old shard");
    let stale = start().then("a#1", place()).writes("a#1").found();
    assert!(matches!(stale[..], [Violation::NotOwner { shard: 4, .. }]), "{stale:?}");
}

#[test]
fn messages_of_one_channel_that_are_applied_in_another_order_are_found() {
    let written_us = i64::try_from(MessageId(12).unix_ms() * 1_000).expect("a time");
    let applied = |after_us: i64| {
        HashMap::from(
            [(10, 1), (11, 3), (12, 2), (20, 0)].map(|(id, seq)| (id, (seq, written_us + after_us))),
        )
    };
    let written = [(1, 10), (1, 12), (1, 11), (2, 20)];
    let found = [Violation::OutOfOrder { first: 11, second: 12 }];
    assert_eq!(check_order(&written, &applied(9_000_000)), found);
    assert_eq!(check_order(&written, &applied(10_000_000)), [], "it was held as long as it may be");
    assert_eq!(check_order(&[(1, 10), (2, 11), (1, 12)], &applied(0)), []);
}
