//! Reads a scenario: its settings, then its steps, with `repeat` written out.

use super::condition;
use super::names::{Names, Sort};
use super::setting::{self, Setting};
use super::steer;
use super::step::{Action, Naming, Place, Step};
use super::words::{ParseError, Words};
use serde_json::Value;

/// Steps that `repeat` may come to.
const MAX_STEPS: usize = 100_000;

/// A scenario as read.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub(super) title: Option<String>,
    pub(super) settings: Vec<Setting>,
    pub(super) names: Vec<(usize, String, Naming)>,
    pub(super) steps: Vec<Step>,
}

/// Reads the whole text.
pub(super) fn parse(text: &str) -> Result<Parsed, ParseError> {
    let lines = text.lines().enumerate().map(|(at, line)| Words::split(at + 1, line));
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let lines: Vec<Words> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let mut parser = Parser {
        parsed: Parsed { title: None, settings: Vec::new(), names: Vec::new(), steps: Vec::new() },
        names: Names::default(),
    };
    parser.block(&lines)?;
    Ok(parser.parsed)
}

struct Parser {
    parsed: Parsed,
    names: Names,
}

impl Parser {
    fn block(&mut self, lines: &[Words]) -> Result<(), ParseError> {
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            let mut words = line.clone();
            at += 1;
            if words.take("repeat") {
                let end = at + matching_end(&lines[at..], line)?;
                self.repeat(&mut words, &lines[at..end])?;
                at = end + 1;
            } else if words.take("end") {
                return Err(words.error("there is no `repeat` that this `end` belongs to"));
            } else {
                self.line(words)?;
            }
        }
        Ok(())
    }

    /// `repeat 5` or `repeat 5 as i`, where `{i}` counts from 1.
    fn repeat(&mut self, words: &mut Words, body: &[Words]) -> Result<(), ParseError> {
        let times: usize = words.number("how often")?;
        let counter = if words.take("as") { Some(words.next("the name of the counter")?.text) } else { None };
        words.finish()?;
        if times == 0 {
            return Err(words.error("a repetition happens at least once"));
        }
        for turn in 1..=times {
            match &counter {
                Some(name) => {
                    let body: Vec<Words> = body.iter().map(|line| line.with(name, turn)).collect();
                    self.block(&body)?;
                }
                None => self.block(body)?,
            }
            if self.parsed.steps.len() > MAX_STEPS {
                return Err(words.error(format!("a scenario has at most {MAX_STEPS} steps")));
            }
        }
        Ok(())
    }

    fn line(&mut self, mut words: Words) -> Result<(), ParseError> {
        let first = self.parsed.steps.is_empty();
        if words.take("title") {
            self.parsed.title = Some(words.text("the title")?);
            return words.finish();
        }
        if words.take("set") {
            if !first {
                return Err(
                    words.error("`set` comes before the first step: it is what the simulator starts with")
                );
            }
            self.parsed.settings.push(setting::read(&mut words)?);
            return Ok(());
        }
        if words.take("name") {
            return self.naming(&mut words);
        }
        let line = words.line;
        let action = self.action(&mut words)?;
        words.finish()?;
        self.parsed.steps.push(Step { line, action });
        Ok(())
    }

    /// `name shop = server 1`, `name help = shop support`, `name ada = shop member 2`, `name dm = ada direct`.
    fn naming(&mut self, words: &mut Words) -> Result<(), ParseError> {
        let line = words.line;
        let mut ahead = words.clone();
        let name = ahead.next("a name")?;
        ahead.keyword("=")?;
        let (naming, sort) = if ahead.take("server") {
            (Naming::Server(index(&mut ahead)?), Sort::Server)
        } else {
            let of = ahead.next("`server`, or the name of a server or member")?.text;
            match self.names.sort(&of) {
                Some(Sort::Server) => match ahead.one_of(&["support", "general", "member", "staff"])? {
                    "support" => (Naming::Support(of), Sort::Channel),
                    "general" => (Naming::General(of), Sort::Channel),
                    "member" => (Naming::Member(of, index(&mut ahead)?), Sort::Member),
                    _ => (Naming::Staff(of, index(&mut ahead)?), Sort::Member),
                },
                Some(Sort::Member) => {
                    ahead.keyword("direct")?;
                    (Naming::Direct(of), Sort::Channel)
                }
                _ => {
                    return Err(
                        ahead.error(format!("nothing is called {of:?} that channels or members belong to"))
                    );
                }
            }
        };
        ahead.finish()?;
        self.names.define(words, sort)?;
        self.parsed.names.push((line, name.text, naming));
        Ok(())
    }

    fn action(&mut self, words: &mut Words) -> Result<Action, ParseError> {
        let verb = words.next("a step")?;
        match verb.text.as_str() {
            "say" => self.say(words),
            "reply" => self.reply(words),
            "slash" => self.slash(words),
            "press" => self.press(words),
            "type" => {
                let (member, place) = self.who_where(words)?;
                Ok(Action::Type { member, place })
            }
            "edit" => {
                let (member, message) = self.who_what(words)?;
                Ok(Action::Edit { member, message, text: words.text("the new text")? })
            }
            "delete" => {
                let (member, message) = self.who_what(words)?;
                Ok(Action::Delete { member, message })
            }
            "react" => {
                let member = self.member(words)?;
                let emoji = words.text("an emoji")?;
                words.keyword("to")?;
                Ok(Action::React { member, emoji, to: self.question(words)? })
            }
            "leave" => Ok(Action::Join { member: self.member(words)?, back: false }),
            "join" => Ok(Action::Join { member: self.member(words)?, back: true }),
            "bot" => {
                let there = words.one_of(&["joins", "leaves"])? == "joins";
                Ok(Action::Bot { server: self.names.known(words, Sort::Server)?, there })
            }
            "outage" => {
                let over = words.one_of(&["of", "over"])? == "over";
                Ok(Action::Outage { server: self.names.known(words, Sort::Server)?, over })
            }
            "wait" if words.take("until") => {
                let condition = condition::read(words, &self.names)?;
                words.keyword("within")?;
                Ok(Action::WaitUntil(condition, words.duration()?))
            }
            "wait" => Ok(Action::Wait(words.duration()?)),
            "at" => Ok(Action::At(words.duration()?)),
            "expect" => {
                let condition = condition::read(words, &self.names)?;
                Ok(Action::Expect(condition, condition::when(words)?))
            }
            "note" => Ok(Action::Note(words.text("a note")?)),
            _ => steer::read(&verb, words, &self.names),
        }
    }

    fn member(&self, words: &mut Words) -> Result<String, ParseError> {
        self.names.known(words, Sort::Member)
    }

    fn question(&self, words: &mut Words) -> Result<String, ParseError> {
        self.names.known(words, Sort::Question)
    }

    fn who_what(&self, words: &mut Words) -> Result<(String, String), ParseError> {
        Ok((self.member(words)?, self.question(words)?))
    }

    /// `ada in help`, `ada in thread of q1`.
    fn who_where(&self, words: &mut Words) -> Result<(String, Place), ParseError> {
        let member = self.member(words)?;
        words.keyword("in")?;
        let place = if words.take("thread") {
            words.keyword("of")?;
            Place::ThreadOf(self.question(words)?)
        } else {
            Place::Channel(self.names.known(words, Sort::Channel)?)
        };
        Ok((member, place))
    }

    /// `as q1`, where something is to be called so.
    fn called(&mut self, words: &mut Words) -> Result<Option<String>, ParseError> {
        if words.take("as") { self.names.define(words, Sort::Question).map(Some) } else { Ok(None) }
    }

    fn say(&mut self, words: &mut Words) -> Result<Action, ParseError> {
        let (member, place) = self.who_where(words)?;
        let text = words.text("what is said")?;
        Ok(Action::Say { member, place, text, name: self.called(words)? })
    }

    fn reply(&mut self, words: &mut Words) -> Result<Action, ParseError> {
        let member = self.member(words)?;
        words.keyword("to")?;
        let to = self.question(words)?;
        let text = words.text("what is said")?;
        Ok(Action::Reply { member, to, text, name: self.called(words)? })
    }

    /// `slash ada in help ask question="how?" private=true as s1`
    fn slash(&mut self, words: &mut Words) -> Result<Action, ParseError> {
        let (member, place) = self.who_where(words)?;
        let command = words.next("the name of a command")?.text;
        let mut options = Vec::new();
        let mut name = None;
        while !words.is_done() {
            if let Some(called) = self.called(words)? {
                name = Some(called);
                break;
            }
            let option = words.next("an option")?;
            let Some((key, value)) = option.text.split_once('=') else {
                return Err(words.error(format!("expected option=value, found {:?}", option.text)));
            };
            // What reads as JSON is sent as such: true, 5, 1.5. Anything else is text.
            let value = match serde_json::from_str::<Value>(value) {
                Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
                _ => Value::from(value),
            };
            options.push((key.to_owned(), value));
        }
        Ok(Action::Slash { member, place, command, options, name })
    }

    /// `press ada "human:*" on answer to q1 as p1`
    fn press(&mut self, words: &mut Words) -> Result<Action, ParseError> {
        let member = self.member(words)?;
        let custom_id = words.text("a custom id, with * for any ending,")?;
        for word in ["on", "answer", "to"] {
            words.keyword(word)?;
        }
        let of = self.question(words)?;
        Ok(Action::Press { member, custom_id, of, name: self.called(words)? })
    }
}

/// Position of the `end` that closes a `repeat` before these lines.
fn matching_end(lines: &[Words], opening: &Words) -> Result<usize, ParseError> {
    let mut depth = 1_usize;
    for (at, line) in lines.iter().enumerate() {
        let mut words = line.clone();
        if words.take("repeat") {
            depth += 1;
        } else if words.take("end") {
            depth -= 1;
            if depth == 0 {
                words.finish()?;
                return Ok(at);
            }
        }
    }
    Err(opening.error_at(1, "this `repeat` has no `end`"))
}

/// A position counted from 1, as an index.
fn index(words: &mut Words) -> Result<usize, ParseError> {
    match words.number::<usize>("a position, counted from 1")? {
        0 => Err(words.error("positions are counted from 1")),
        n => Ok(n - 1),
    }
}
