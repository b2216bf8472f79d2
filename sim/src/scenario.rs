//! Scenarios: a file of plain lines that says what members do, what goes wrong meanwhile, and what is expected
//! of the bot. docs/scenarios.md describes every line.
//!
//! ```
//! use helpline_sim::{Config, scenario::Scenario};
//!
//! let text = r#"
//!     title "A member asks"
//!     set servers 1
//!     name shop = server 1
//!     name help = shop support
//!     name ada = shop member 1
//!     say ada in help "How do I reset my password?" as q1
//!     expect answer to q1 within 10s
//! "#;
//! let scenario: Scenario = text.parse().unwrap();
//! assert_eq!(scenario.config(Config::default()).servers, 1);
//! assert!("wait soon".parse::<Scenario>().unwrap_err().to_string().contains("line 1, column 6"));
//! ```

mod act;
mod condition;
mod names;
mod parse;
mod report;
mod run;
mod setting;
mod steer;
mod step;
mod words;

pub use report::{Failure, Report};
pub use words::ParseError;

use crate::config::Config;
use std::str::FromStr;

/// A scenario, read and checked; [`Scenario::run`] carries it out.
#[derive(Clone, Debug)]
pub struct Scenario {
    parsed: parse::Parsed,
    lines: Vec<String>,
}

impl FromStr for Scenario {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let lines = text.lines().map(|line| line.trim().to_owned()).collect();
        Ok(Self { parsed: parse::parse(text)?, lines })
    }
}

impl Scenario {
    /// Its title, or its first line.
    pub fn title(&self) -> &str {
        let first = || self.lines.iter().find(|line| !line.is_empty()).map_or("empty", String::as_str);
        self.parsed.title.as_deref().unwrap_or_else(first)
    }

    /// The settings its simulator starts with, over `base`.
    pub fn config(&self, base: Config) -> Config {
        let mut config = base;
        self.parsed.settings.iter().for_each(|setting| setting.apply(&mut config));
        config
    }

    /// The text of a line, counted from 1.
    fn text(&self, line: usize) -> String {
        self.lines.get(line - 1).cloned().unwrap_or_default()
    }
}
