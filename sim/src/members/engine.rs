//! The members' one task: arrivals, answers read from the transcript, and what members do about them.
//!
//! All decisions about a question are drawn when it is asked, from a generator seeded by the run's seed and
//! the question's number, so that the bot's timing does not change them.

use super::script::{Asked, How, Params, Pressed, Script, ServerRef};
use super::{Error, Order, Shared};
use crate::chance::Chance;
use crate::ids::{ChannelId, UserId};
use crate::lock;
use crate::matching::{Matcher, QuestionId};
use crate::simulator::Simulator;
use fastrand::Rng;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Entries read from the transcript at a time.
const PAGE: usize = 4_096;
/// How often members look again for a thread that is not there yet.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOKS: u32 = 50;
const CHATTER: [&str; 5] =
    ["good morning all", "that patch looks great", "anyone up for a game?", "thanks!", "brb"];

/// What a member does when its time comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Arrive,
    Chat,
    FollowUp {
        of: usize,
        looks: u32,
    },
    Press {
        of: usize,
    },
    /// The deadline of a question: nothing to do, but the wait for it is over.
    Deadline {
        of: usize,
    },
}

/// What a member will do about the answer to a question.
#[derive(Clone, Copy, Debug)]
struct Plan {
    follow_ups: usize,
    press: bool,
}

/// One thread's talk, found under the index of its first question.
#[derive(Debug, Default)]
struct Talk {
    turns: usize,
    used_follow_ups: usize,
    /// The button was pressed: a human is waited for, nothing more is asked.
    pressed: bool,
}

pub(super) struct Engine {
    simulator: Simulator,
    script: Script,
    params: Params,
    shared: Arc<Mutex<Shared>>,
    /// Server position of each question; `None` is any.
    places: Vec<Option<usize>>,
    deck: Vec<usize>,
    rng: Rng,
    matcher: Matcher,
    read_to: u64,
    by_id: HashMap<QuestionId, usize>,
    plans: Vec<Plan>,
    /// For each question the number of the first question of its thread among first questions.
    firsts: Vec<u64>,
    first_count: u64,
    talks: HashMap<usize, Talk>,
    timers: BinaryHeap<Reverse<(Instant, u64, Act)>>,
    timer_count: u64,
    /// Questions without an answer whose deadline is not over.
    open: usize,
    overdue: Vec<bool>,
    answered: usize,
    /// Answered first questions whose thread has not been seen yet.
    threadless: Vec<usize>,
    until: Instant,
}

impl Engine {
    pub(super) fn new(
        simulator: Simulator,
        script: Script,
        params: Params,
        shared: Arc<Mutex<Shared>>,
    ) -> Result<Self, Error> {
        if script.questions.is_empty() {
            return Err(Error::EmptyScript);
        }
        let servers = simulator.servers();
        let place = |(at, question): (usize, &super::Question)| match question.server {
            None => Ok(None),
            Some(ServerRef::Index(index)) if index < servers.len() => Ok(Some(index)),
            Some(ServerRef::Id(id)) => simulator
                .core
                .world
                .guild(id)
                .map(|server| Some(server.index))
                .ok_or(Error::UnknownServer(at)),
            Some(ServerRef::Index(_)) => Err(Error::UnknownServer(at)),
        };
        let places = script.questions.iter().enumerate().map(place).collect::<Result<Vec<_>, _>>()?;
        let now = Instant::now();
        let mut engine = Self {
            read_to: simulator.transcript().end(),
            until: now + params.duration,
            rng: Rng::with_seed(params.seed),
            simulator,
            script,
            params,
            shared,
            places,
            deck: Vec::new(),
            matcher: Matcher::default(),
            by_id: HashMap::new(),
            plans: Vec::new(),
            firsts: Vec::new(),
            first_count: 0,
            talks: HashMap::new(),
            timers: BinaryHeap::new(),
            timer_count: 0,
            open: 0,
            overdue: Vec::new(),
            answered: 0,
            threadless: Vec::new(),
        };
        engine.arrive_next(now, Act::Arrive);
        engine.arrive_next(now, Act::Chat);
        Ok(engine)
    }

    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>, cancel: CancellationToken) {
        let mut entries = self.simulator.subscribe();
        let stopped = self.simulator.cancelled();
        let mut ordering = true;
        let mut settled_at = None;
        loop {
            self.read_transcript();
            let now = Instant::now();
            self.act(now);
            self.publish();
            let settled = now >= self.until && self.open == 0 && !self.acts_pending();
            settled_at = settled_at.filter(|_| settled).or(settled.then_some(now));
            if settled_at.is_some_and(|at| now.duration_since(at) >= self.params.linger) {
                return;
            }
            let wake = self.timers.peek().map_or(now + LOOK_AGAIN, |Reverse((at, ..))| *at);
            let wake = if now < self.until { wake.min(self.until) } else { wake };
            let wake = settled_at.map_or(wake, |at| wake.min(at + self.params.linger));
            tokio::select! {
                order = orders.recv(), if ordering => match order {
                    Some(Order::Burst(n)) => (0..n).for_each(|_| self.ask_first()),
                    Some(Order::Stop) => self.until = Instant::now(),
                    None => ordering = false,
                },
                // Lagging is no loss here: the transcript is read by index.
                _ = entries.recv() => {}
                () = sleep_until(wake) => {}
                () = cancel.cancelled() => return self.publish(),
                () = stopped.cancelled() => return self.publish(),
            }
        }
    }

    /// Whether members still want to do something about answers they have.
    fn acts_pending(&self) -> bool {
        self.timers.iter().any(|Reverse((_, _, act))| matches!(act, Act::FollowUp { .. } | Act::Press { .. }))
    }

    fn at(&mut self, when: Instant, act: Act) {
        self.timer_count += 1;
        self.timers.push(Reverse((when, self.timer_count, act)));
    }

    /// Draws the next arrival of a Poisson process.
    fn arrive_next(&mut self, now: Instant, act: Act) {
        let rate = if act == Act::Arrive { self.params.questions_per_s } else { self.params.chatter_per_s };
        if rate > 0.0 {
            let gap = -(1.0 - self.rng.f64()).ln() / rate;
            self.at(now + Duration::from_secs_f64(gap.min(3_600.0)), act);
        }
    }

    fn act(&mut self, now: Instant) {
        while let Some(Reverse((when, _, act))) = self.timers.peek().copied() {
            if when > now {
                return;
            }
            self.timers.pop();
            match act {
                Act::Arrive | Act::Chat if when >= self.until => {}
                Act::Arrive => {
                    self.ask_first();
                    self.arrive_next(when, act);
                }
                Act::Chat => {
                    self.chat();
                    self.arrive_next(when, act);
                }
                Act::FollowUp { of, looks } => self.follow_up(now, of, looks),
                Act::Press { of } => self.press(of),
                Act::Deadline { of } => {
                    if lock(&self.shared).asked[of].answers.is_empty() {
                        self.overdue[of] = true;
                        self.open -= 1;
                    }
                }
            }
        }
    }

    /// Takes in what happened since the last look.
    fn read_transcript(&mut self) {
        loop {
            let page = self.simulator.transcript().since(self.read_to, PAGE);
            let Some(last) = page.last() else { return };
            self.read_to = last.index + 1;
            for entry in &page {
                if let Some(index) = self.matcher.feed(entry).and_then(|id| self.by_id.get(&id).copied()) {
                    self.answered(index);
                }
            }
        }
    }

    fn answered(&mut self, index: usize) {
        let first = {
            let mut shared = lock(&self.shared);
            let asked = &mut shared.asked[index];
            let first = asked.answers.is_empty();
            asked.answers = self.matcher.answers(asked.id).to_vec();
            first
        };
        if !first {
            return;
        }
        self.answered += 1;
        self.threadless.push(index);
        if !self.overdue[index] {
            self.open -= 1;
        }
        let plan = self.plans[index];
        let when = Instant::now() + self.params.think;
        if plan.follow_ups > 0 {
            self.at(when, Act::FollowUp { of: index, looks: 0 });
        }
        if plan.press {
            self.at(when + self.params.think, Act::Press { of: index });
        }
    }

    /// The next question of the deck and the server to ask it in.
    fn deal(&mut self) -> (usize, usize) {
        if self.deck.is_empty() {
            self.deck = (0..self.script.questions.len()).collect();
            self.rng.shuffle(&mut self.deck);
        }
        let question = self.deck.pop().expect("the deck was filled and the script is not empty");
        let server =
            self.places[question].unwrap_or_else(|| self.rng.usize(..self.simulator.servers().len()));
        (question, server)
    }

    fn ask_first(&mut self) {
        let (question, server) = self.deal();
        let place = &self.simulator.servers()[server];
        let (guild, support, general) = (place.id, place.support_channel, place.general_channel);
        let active = if self.params.members == 0 { place.members.len() } else { self.params.members };
        let member = place.members[self.rng.usize(..active.clamp(1, place.members.len()))];
        let text = self.script.questions[question].text.clone();
        let drawn = self.rng.f64();
        let slash =
            drawn < self.params.slash_share && self.simulator.commands().contains(&self.params.command.0);
        let mention =
            drawn >= self.params.slash_share && drawn < self.params.slash_share + self.params.mention_share;
        let (how, channel) = match (slash, mention) {
            (true, _) => (How::Slash, general),
            (_, true) => (How::Mention, general),
            _ => (How::Support, support),
        };
        let written = if mention { format!("{} {text}", self.simulator.bot_mention()) } else { text.clone() };
        let tag = self.script.questions[question].tag.clone();
        let asked = Asked {
            question,
            follow_up: None,
            tag,
            text,
            how,
            server,
            guild,
            channel,
            thread: None,
            member,
            id: QuestionId::Message(crate::ids::MessageId(0)),
            at_ms: 0,
            follow_up_of: None,
            answers: Vec::new(),
            pressed: None,
        };
        self.ask(asked, &written);
    }

    /// Says it and keeps the record. What cannot be said is left out and logged.
    fn ask(&mut self, mut asked: Asked, written: &str) {
        let (channel, member) = (asked.channel, asked.member);
        asked.at_ms = self.simulator.now_ms();
        let said = if asked.how == How::Slash {
            let (command, option) = &self.params.command;
            let options = [(option.as_str(), Value::from(written))];
            self.simulator.slash(channel, member, command, &options).map(QuestionId::Interaction)
        } else {
            // Typing shows first, as with people; bots should not care.
            let _ = self.simulator.type_in(channel, member);
            self.simulator.say(channel, member, written).map(QuestionId::Message)
        };
        asked.id = match said {
            Ok(id) => id,
            Err(error) => {
                tracing::warn!(%error, "a simulated member could not ask");
                return;
            }
        };
        let (id, root) = (asked.id, asked.follow_up_of);
        let index = {
            let mut shared = lock(&self.shared);
            shared.asked.push(asked);
            shared.asked.len() - 1
        };
        self.by_id.insert(id, index);
        self.overdue.push(false);
        self.open += 1;
        let first = match root {
            Some(root) => self.firsts[root],
            None => {
                self.first_count += 1;
                self.first_count
            }
        };
        self.firsts.push(first);
        let talk = self.talks.entry(root.unwrap_or(index)).or_default();
        talk.turns += 1;
        let turn = talk.turns;
        let plan = self.plan(first, turn, turn < self.params.max_turns);
        self.plans.push(plan);
        self.at(Instant::now() + self.params.deadline, Act::Deadline { of: index });
    }

    /// What the member will do about the answer. It follows from the first question of the thread and the
    /// turn in it, whatever was asked elsewhere meanwhile.
    fn plan(&self, first: u64, turn: usize, more: bool) -> Plan {
        let mut rng = Rng::with_seed(Chance::new(self.params.seed).draw("plan", first, turn as u64));
        let (goes_on, twice, press) = (rng.f64(), rng.f64(), rng.f64());
        let follow_ups =
            match (more && goes_on < self.params.follow_up_share, twice < self.params.double_share) {
                (false, _) => 0,
                (true, false) => 1,
                (true, true) => 2,
            };
        Plan { follow_ups, press: press < self.params.press_share }
    }

    fn follow_up(&mut self, now: Instant, of: usize, looks: u32) {
        if now >= self.until {
            return;
        }
        let before = lock(&self.shared).asked[of].clone();
        let thread = match before.follow_up_of {
            Some(_) => Some(before.channel),
            None => self.matcher.thread(before.id),
        };
        let Some(thread) = thread else {
            if looks < LOOKS {
                self.at(now + LOOK_AGAIN, Act::FollowUp { of, looks: looks + 1 });
            }
            return;
        };
        for _ in 0..self.plans[of].follow_ups {
            self.ask_on(&before, of, thread);
        }
    }

    fn ask_on(&mut self, before: &Asked, of: usize, thread: ChannelId) {
        let root = before.follow_up_of.unwrap_or(of);
        let first = lock(&self.shared).asked[root].question;
        let talk = self.talks.entry(root).or_default();
        if talk.pressed {
            return;
        }
        let at = talk.used_follow_ups;
        let (question, follow_up, text, tag) = match self.script.questions[first].follow_ups.get(at) {
            Some(next) => {
                talk.used_follow_ups += 1;
                (first, Some(at), next.text.clone(), next.tag.clone())
            }
            None if !self.script.questions[first].follow_ups.is_empty() => return,
            None => {
                let turn = self.talks.get(&root).map_or(0, |talk| talk.turns);
                let question = self.another(first, before.server, (self.firsts[root], turn));
                let other = &self.script.questions[question];
                (question, None, other.text.clone(), other.tag.clone())
            }
        };
        let asked = Asked {
            question,
            follow_up,
            tag,
            text: text.clone(),
            how: How::FollowUp,
            channel: thread,
            thread: Some(thread),
            follow_up_of: Some(root),
            answers: Vec::new(),
            pressed: None,
            ..before.clone()
        };
        self.ask(asked, &text);
    }

    /// Another question that may be asked in this server, or the same when there is none.
    fn another(&self, not: usize, server: usize, (first, turn): (u64, usize)) -> usize {
        let fits = |at: &usize| *at != not && self.places[*at].is_none_or(|place| place == server);
        let others: Vec<usize> = (0..self.places.len()).filter(fits).collect();
        let mut rng = Rng::with_seed(Chance::new(self.params.seed).draw("another", first, turn as u64));
        if others.is_empty() { not } else { others[rng.usize(..others.len())] }
    }

    fn press(&mut self, of: usize) {
        let asked = lock(&self.shared).asked[of].clone();
        let wanted = |custom_id: &str| {
            self.params.press_prefix.as_deref().is_none_or(|prefix| custom_id.starts_with(prefix))
        };
        let button = asked.answers.iter().rev().find_map(|answer| {
            let button =
                answer.components.iter().find(|button| !button.disabled && wanted(&button.custom_id));
            button.map(|button| (answer.channel, answer.message, button.custom_id.clone()))
        });
        let Some((channel, message, custom_id)) = button else { return };
        let at_ms = self.simulator.now_ms();
        match self.simulator.press(channel, message, &custom_id, asked.member) {
            Ok(interaction) => {
                self.talks.entry(asked.follow_up_of.unwrap_or(of)).or_default().pressed = true;
                let mut shared = lock(&self.shared);
                shared.asked[of].pressed = Some(Pressed { message, interaction, at_ms });
                shared.progress.pressed += 1;
            }
            Err(error) => tracing::warn!(%error, "a simulated member could not press a button"),
        }
    }

    fn chat(&mut self) {
        let server = &self.simulator.servers()[self.rng.usize(..self.simulator.servers().len())];
        let (channel, members) = (server.general_channel, &server.members);
        let member: UserId = members[self.rng.usize(..members.len())];
        let _ = self.simulator.say(channel, member, CHATTER[self.rng.usize(..CHATTER.len())]);
    }

    fn publish(&mut self) {
        let mut shared = lock(&self.shared);
        let matcher = &self.matcher;
        self.threadless.retain(|index| {
            let asked = &mut shared.asked[*index];
            asked.thread = asked.thread.or_else(|| matcher.thread(asked.id));
            asked.thread.is_none()
        });
        shared.progress.asked = shared.asked.len();
        shared.progress.answered = self.answered;
        shared.progress.in_flight = self.open;
    }
}
