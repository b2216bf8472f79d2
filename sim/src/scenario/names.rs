//! The names a scenario gives to servers, channels, members and questions, checked while it is read.

use super::words::{ParseError, Words};
use std::collections::BTreeMap;

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Server,
    Channel,
    Member,
    /// A message or interaction of a member.
    Question,
}

impl Sort {
    fn described(self) -> &'static str {
        match self {
            Self::Server => "a server",
            Self::Channel => "a channel",
            Self::Member => "a member",
            Self::Question => "something said, used or pressed",
        }
    }
}

/// The names given so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeMap<String, Sort>);

impl Names {
    /// Reads a new name, which may be given again to a thing of the same sort.
    pub(super) fn define(&mut self, words: &mut Words, sort: Sort) -> Result<String, ParseError> {
        let name = words.next("a name")?;
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if name.quoted || name.text.is_empty() || !name.text.chars().all(plain) {
            return Err(words.error("a name consists of letters, digits, - and _"));
        }
        match self.0.insert(name.text.clone(), sort) {
            Some(other) if other != sort => Err(words.error(format!(
                "{} is already {}; choose another name",
                name.text,
                other.described()
            ))),
            _ => Ok(name.text),
        }
    }

    /// Reads a name that was given to a thing of this sort.
    pub(super) fn known(&self, words: &mut Words, sort: Sort) -> Result<String, ParseError> {
        let name = words.next(&format!("the name of {}", sort.described()))?;
        match self.0.get(&name.text) {
            Some(found) if *found == sort => Ok(name.text),
            Some(found) => Err(words.error(format!(
                "expected the name of {}, but {} is {}",
                sort.described(),
                name.text,
                found.described()
            ))),
            None => {
                let known: Vec<&str> =
                    self.0.iter().filter(|(_, of)| **of == sort).map(|(name, _)| name.as_str()).collect();
                let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
                Err(words.error(format!(
                    "nothing is called {:?}; names of {} are: {known}",
                    name.text,
                    sort.described()
                )))
            }
        }
    }

    pub(super) fn sort(&self, name: &str) -> Option<Sort> {
        self.0.get(name).copied()
    }
}
