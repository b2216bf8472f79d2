//! What is repaired after a failure: effects in doubt, events put aside, events that never came.

mod gaps;
#[path = "../answering/harness.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod harness;
mod letters;
mod resending;
#[path = "../support/settled.rs"]
mod settled;
mod streams;
#[path = "../support/mod.rs"]
mod support;
