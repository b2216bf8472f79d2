//! Carries a scenario out, step by step.

use super::report::{Failure, Report};
use super::step::{Action, Condition, Naming, Number, Place, Step, When};
use super::{Scenario, act};
use crate::ids::{ChannelId, GuildId, UserId};
use crate::interactions::Phase;
use crate::matching::{Answer, Matcher, QuestionId};
use crate::simulator::Simulator;
use crate::transcript::Kind;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// How often a condition that does not hold yet is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
const PAGE: usize = 4_096;

/// A message or interaction of a member, and where it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) id: QuestionId,
    pub(super) channel: ChannelId,
}

/// A scenario on its way.
pub(super) struct Run<'a> {
    pub(super) simulator: &'a Simulator,
    pub(super) servers: HashMap<String, usize>,
    pub(super) channels: HashMap<String, ChannelId>,
    pub(super) members: HashMap<String, (UserId, GuildId)>,
    pub(super) said: HashMap<String, Said>,
    matcher: Matcher,
    read_to: u64,
    kinds: HashMap<String, u64>,
    /// Moment on the simulator's clock at which the first step began.
    began: Instant,
}

impl Scenario {
    /// Carries the steps out against a simulator to which a bot is, or will be, connected. An expectation
    /// that fails is noted and the scenario goes on; a step that cannot be done ends it.
    pub async fn run(&self, simulator: &Simulator) -> Report {
        let started = std::time::Instant::now();
        let mut report = Report::new(self.title());
        let mut run = Run {
            simulator,
            servers: HashMap::new(),
            channels: HashMap::new(),
            members: HashMap::new(),
            said: HashMap::new(),
            matcher: Matcher::default(),
            read_to: simulator.transcript().end(),
            kinds: HashMap::new(),
            began: simulator.core.clock.now(),
        };
        for (line, name, naming) in &self.parsed.names {
            if let Err(why) = run.name(name, naming) {
                report.failures.push(self.failure(*line, why));
                return report.finished(started.elapsed());
            }
        }
        for step in &self.parsed.steps {
            report.steps += 1;
            tracing::debug!(line = step.line, "scenario: {}", self.text(step.line));
            match run.step(step).await {
                Ok(None) => {}
                Ok(Some(why)) => report.failures.push(self.failure(step.line, why)),
                Err(why) => {
                    report.failures.push(self.failure(step.line, format!("{why}; the scenario ends here")));
                    break;
                }
            }
        }
        report.finished(started.elapsed())
    }

    fn failure(&self, line: usize, why: String) -> Failure {
        Failure { line, step: self.text(line), why }
    }
}

/// The name that a kind of entry has in JSON.
fn kind_name(kind: &Kind) -> String {
    let json = serde_json::to_value(kind).unwrap_or_default();
    json["kind"].as_str().unwrap_or_default().to_owned()
}

impl Run<'_> {
    fn name(&mut self, name: &str, naming: &Naming) -> Result<(), String> {
        let servers = self.simulator.servers();
        let server = |name: &str| &servers[self.servers[name]];
        let person = |people: &[UserId], at: usize, of: &str, sort: &str| {
            let missing = || format!("{of} has {} {sort}, so there is no number {}", people.len(), at + 1);
            people.get(at).copied().ok_or_else(missing)
        };
        match naming {
            Naming::Server(at) => {
                if *at >= servers.len() {
                    return Err(format!(
                        "there are {} servers, so there is no number {}",
                        servers.len(),
                        at + 1
                    ));
                }
                self.servers.insert(name.to_owned(), *at);
            }
            Naming::Support(of) => {
                let channel = server(of).support_channel;
                self.channels.insert(name.to_owned(), channel);
            }
            Naming::General(of) => {
                let channel = server(of).general_channel;
                self.channels.insert(name.to_owned(), channel);
            }
            Naming::Member(of, at) => {
                let member = (person(&server(of).members, *at, of, "members")?, server(of).id);
                self.members.insert(name.to_owned(), member);
            }
            Naming::Staff(of, at) => {
                let member = (person(&server(of).staff, *at, of, "staff")?, server(of).id);
                self.members.insert(name.to_owned(), member);
            }
            Naming::Direct(of) => {
                let channel =
                    self.simulator.dm_channel(self.members[of].0).map_err(|error| error.to_string())?;
                self.channels.insert(name.to_owned(), channel);
            }
        }
        Ok(())
    }

    /// Takes in what happened since the last look.
    pub(super) fn read_transcript(&mut self) {
        loop {
            let page = self.simulator.transcript().since(self.read_to, PAGE);
            let Some(last) = page.last() else { return };
            self.read_to = last.index + 1;
            for entry in &page {
                self.matcher.feed(entry);
                *self.kinds.entry(kind_name(&entry.kind)).or_default() += 1;
            }
        }
    }

    /// What was said, used or pressed under a name.
    pub(super) fn said(&self, name: &str) -> Result<Said, String> {
        // A name is known when the scenario is read, but the step that gives it may have failed.
        self.said.get(name).copied().ok_or_else(|| format!("{name} was not said"))
    }

    pub(super) fn answers(&mut self, of: &str) -> Result<Vec<Answer>, String> {
        let said = self.said(of)?;
        self.read_transcript();
        Ok(self.matcher.answers(said.id).to_vec())
    }

    pub(super) fn place(&mut self, place: &Place) -> Result<ChannelId, String> {
        match place {
            Place::Channel(name) => Ok(self.channels[name]),
            Place::ThreadOf(name) => {
                let said = self.said(name)?;
                self.read_transcript();
                self.matcher.thread(said.id).ok_or_else(|| format!("{name} has no thread"))
            }
        }
    }

    /// `Ok(Some(why))` is an expectation that failed.
    async fn step(&mut self, step: &Step) -> Result<Option<String>, String> {
        match &step.action {
            Action::Wait(span) => self.pass(*span).await,
            Action::At(at) => {
                let left = (self.began + *at).saturating_duration_since(self.simulator.core.clock.now());
                self.pass(left).await;
            }
            Action::WaitUntil(condition, span) => {
                if let Some(why) = self.within(condition, *span).await? {
                    return Err(why);
                }
            }
            Action::Expect(condition, When::Now) => return self.failing(condition),
            Action::Expect(condition, When::Within(span)) => return self.within(condition, *span).await,
            Action::Expect(condition, When::For(span)) => return self.throughout(condition, *span).await,
            other => act::carry_out(self, other)?,
        }
        Ok(None)
    }

    /// Lets time pass on the simulator's clock: a logical one is moved on, others are waited for.
    async fn pass(&self, span: Duration) {
        if self.simulator.core.clock.is_logical() {
            self.simulator.advance(span);
        } else {
            tokio::time::sleep(span).await;
        }
    }

    async fn within(&mut self, condition: &Condition, span: Duration) -> Result<Option<String>, String> {
        let deadline = Instant::now() + span;
        loop {
            let Some(why) = self.failing(condition)? else { return Ok(None) };
            if Instant::now() >= deadline {
                return Ok(Some(format!("after {span:?}: {why}")));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn throughout(&mut self, condition: &Condition, span: Duration) -> Result<Option<String>, String> {
        let began = Instant::now();
        loop {
            if let Some(why) = self.failing(condition)? {
                return Ok(Some(format!("after {:?} of {span:?}: {why}", began.elapsed())));
            }
            if began.elapsed() >= span {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Why a condition does not hold; `None` when it does.
    fn failing(&mut self, condition: &Condition) -> Result<Option<String>, String> {
        match condition {
            Condition::Answer { to, containing } => {
                let answers = self.answers(to)?;
                let fits = |answer: &Answer| {
                    containing
                        .as_ref()
                        .is_none_or(|part| answer.content.to_lowercase().contains(&part.to_lowercase()))
                };
                Ok((!answers.iter().any(fits)).then(|| match answers.as_slice() {
                    [] => format!("{to} has no answer"),
                    given => {
                        let given: Vec<&str> = given.iter().map(|answer| answer.content.as_str()).collect();
                        format!("{to} has {} answers, none of which contains it: {given:?}", given.len())
                    }
                }))
            }
            Condition::Thread { on } => {
                let said = self.said(on)?;
                self.read_transcript();
                Ok(self.matcher.thread(said.id).is_none().then(|| format!("{on} has no thread")))
            }
            Condition::Acknowledged(of) => {
                let phase = self.phase(of)?;
                let answered = matches!(phase, Some(Phase::Answered { .. }));
                Ok((!answered).then(|| format!("{of} was not acknowledged: {phase:?}")))
            }
            Condition::Failed(of) => {
                let phase = self.phase(of)?;
                let failed = matches!(phase, Some(Phase::Failed));
                Ok((!failed).then(|| format!("{of} has not failed: {phase:?}")))
            }
            Condition::Compared(number, compare, wanted) => {
                let (found, what) = self.number(number)?;
                let holds = compare.holds(found, *wanted);
                Ok((!holds).then(|| format!("expected {what} {} {wanted}, found {found}", compare.name())))
            }
        }
    }

    fn phase(&self, of: &str) -> Result<Option<Phase>, String> {
        match self.said(of)?.id {
            QuestionId::Interaction(id) => Ok(self.simulator.interaction(id)),
            QuestionId::Message(_) => Err(format!("{of} is a message, which is not acknowledged")),
        }
    }

    fn number(&mut self, number: &Number) -> Result<(u64, String), String> {
        self.read_transcript();
        Ok(match number {
            Number::Answers(to) => (self.answers(to)?.len() as u64, format!("answers to {to}")),
            Number::Counter(name) => {
                let all = serde_json::to_value(self.simulator.counters()).unwrap_or_default();
                (all[name].as_u64().unwrap_or(0), format!("counter {name}"))
            }
            Number::Entries(kind) => (self.kinds.get(kind).copied().unwrap_or(0), format!("count {kind}")),
            Number::Sessions => {
                let sessions = self.simulator.sessions();
                let connected = sessions.iter().filter(|session| session.connected).count();
                (connected as u64, "sessions".to_owned())
            }
            Number::Strays => (self.matcher.strays().len() as u64, "strays".to_owned()),
        })
    }
}
