//! Members who ask all the time, and the judgement on what they, Discord and the database saw.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use helpline::answer::extract::unsure_text;
use helpline::deliver::render::sources_line;
use helpline::texts::Lang;
use helpline_sim::ids::{InteractionId, MessageId};
use helpline_sim::matching::{Answer, QuestionId};
use helpline_sim::members::{Asked, How, Members, Params, Question, Script, ServerRef};
use helpline_sim::report::report;
use helpline_sim::{Entry, Kind};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, PATIENCE, patiently};
use crate::history::{Record, Violation, check, check_order};
use crate::recorder::{applied, event_key};

/// Questions that the documents answer, and one that they do not.
const QUESTIONS: [&str; 6] = [
    "how long do I have to ask for a refund?",
    "when is the money back on my card?",
    "who do I write to for a refund and with which number?",
    "how do I restore a backup?",
    "at what time is the backup of my world made?",
    "can I pay with seashells on the moon?",
];

/// Long enough for members to ask on, and for what was said twice to be seen.
const QUIET: Duration = Duration::from_millis(1_500);

/// How members ask in a scenario.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Questions a second by messages, with follow-ups.
    pub questions_per_s: f64,
    /// Questions a second by slash command.
    pub commands_per_s: f64,
    /// Whether "the application did not respond" is within what was promised: nobody can acknowledge in time while no
    /// proxy lives.
    pub interactions_may_fail: bool,
    pub seed: u64,
}

impl Default for Habits {
    fn default() -> Self {
        Self { questions_per_s: 5.0, commands_per_s: 1.0, interactions_may_fail: false, seed: 1 }
    }
}

/// Members at work on all servers.
#[derive(Debug)]
pub struct Crowd {
    /// Those who write messages, and ask on in the threads of the answers.
    talkers: Members,
    /// Those who use the slash command.
    commanders: Members,
    habits: Habits,
    /// Where the transcript stood when they began.
    from_entry: u64,
    /// Ends the members without waiting for answers.
    cancel: CancellationToken,
}

impl Crowd {
    pub fn gather(cluster: &Cluster, habits: Habits) -> Self {
        let servers = cluster.sim.servers().len();
        let ask = |server| move |text: &&str| Question::new(Some(ServerRef::Index(server)), *text, ().into());
        let questions = (0..servers).flat_map(|server| QUESTIONS.iter().map(ask(server))).collect();
        let script = Script { questions };
        let cancel = CancellationToken::new();
        let start = |questions_per_s, slash_share, follow_up_share| {
            let params = Params {
                questions_per_s,
                duration: Duration::from_secs(7 * 24 * 3_600),
                seed: habits.seed,
                slash_share,
                follow_up_share,
                mention_share: if slash_share > 0.0 { 0.0 } else { 0.2 },
                press_share: 0.0,
                think: Duration::from_millis(100),
                deadline: PATIENCE,
                ..Params::default()
            };
            Members::start(&cluster.sim, script.clone(), params, cancel.clone()).expect("there are questions")
        };
        Self {
            from_entry: cluster.sim.transcript().end(),
            talkers: start(habits.questions_per_s, 0.0, 0.3),
            commanders: start(habits.commands_per_s, 1.0, 0.0),
            habits,
            cancel,
        }
    }

    /// Asks so many questions at once, one of six by slash command.
    pub async fn burst(&self, questions: usize) {
        self.commanders.burst(questions / 6).await;
        self.talkers.burst(questions - questions / 6).await;
    }

    /// Bursts for ever.
    pub async fn bursts(&self, questions: usize, every: Duration) -> Infallible {
        loop {
            self.burst(questions).await;
            tokio::time::sleep(every).await;
        }
    }

    pub fn answered(&self) -> usize {
        self.talkers.progress().answered + self.commanders.progress().answered
    }

    /// Waits until so many more questions have been answered than now.
    pub async fn served(&self, more: usize) {
        let wanted = self.answered() + more;
        patiently(&format!("{more} more questions are answered"), async || self.answered() >= wanted).await;
    }

    /// Asks at once and waits until the worker at `index` owes answers.
    pub async fn waits_for(&self, cluster: &Cluster, index: usize) {
        patiently("the worker owes answers", async || {
            self.burst(cluster.setup.servers).await;
            for _ in 0..20 {
                if cluster.in_flight_on(index).await >= 2 {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            false
        })
        .await;
    }

    /// What has been asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        [self.talkers.snapshot(), self.commanders.snapshot()].concat()
    }

    /// A place in what is asked, for [`Crowd::asked_since`].
    pub fn now(&self) -> [usize; 2] {
        [self.talkers.count(), self.commanders.count()]
    }

    /// Questions without an answer so far.
    pub fn waiting(&self) -> usize {
        self.now().iter().sum::<usize>().saturating_sub(self.answered())
    }

    /// Waits until no more questions than this wait.
    pub async fn catches_up(&self, most: usize) {
        patiently("questions are answered faster than asked", async || self.waiting() <= most).await;
    }

    /// What has been asked since then: to look at all of a long run again and again would keep the processors busy.
    pub fn asked_since(&self, [talked, commanded]: [usize; 2]) -> Vec<Asked> {
        [self.talkers.snapshot_after(talked), self.commanders.snapshot_after(commanded)].concat()
    }

    /// Asks until the bot was mentioned, and heard it, in every server.
    pub async fn mentioned_everywhere(&self, cluster: &Cluster) {
        patiently("every server has an answered mention", async || {
            self.burst(cluster.setup.servers).await;
            tokio::time::sleep(Duration::from_millis(250)).await;
            let asked = self.asked();
            let answered = asked
                .iter()
                .filter(|question| question.how == How::Mention && is_whole(question, &HashSet::new()));
            answered.map(|question| question.guild).collect::<HashSet<_>>().len() == cluster.setup.servers
        })
        .await;
    }

    /// Waits until everybody has an answer or was told that the interaction failed, which is never answered, and nothing
    /// more was asked for a moment. Gives up when the patience is over: the verdict tells who waits.
    async fn heard_out(&self, cluster: &Cluster) {
        let (deadline, mut quiet) = (Instant::now() + PATIENCE, None);
        while Instant::now() < deadline {
            let asked = self.asked();
            let entries = cluster.sim.transcript().since(self.from_entry, usize::MAX);
            let failed = failed(&entries);
            let done = asked.iter().all(|question| is_whole(question, &failed)).then_some(asked.len());
            match (done, quiet) {
                (Some(now), Some((before, since))) if now == before => {
                    if since + QUIET < Instant::now() {
                        return;
                    }
                }
                _ => quiet = done.map(|count| (count, Instant::now())),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Lets everything come to its end and judges.
    pub async fn leaves(self, cluster: &Cluster) -> Verdict {
        self.talkers.stop_asking().await;
        self.commanders.stop_asking().await;
        self.heard_out(cluster).await;
        self.cancel.cancel();
        let (talked, commanded) = tokio::join!(self.talkers.finish(), self.commanders.finish());
        let asked = [talked, commanded].concat();
        cluster.in_service().await;
        cluster.at_rest().await;
        let mut entries = cluster.sim.transcript().snapshot();
        // Of those before as well: the record of the database is judged from its beginning.
        let forgiven = if self.habits.interactions_may_fail { failed(&entries) } else { HashSet::new() };
        entries.retain(|entry| entry.index >= self.from_entry);
        let records = cluster.recorder.since(0).await;
        Verdict::of(asked, &entries, records, cluster.recorder.homes(), &forgiven)
    }
}

/// What a scenario showed.
#[derive(Debug)]
pub struct Verdict {
    pub asked: Vec<Asked>,
    pub records: Vec<Record>,
    /// One sentence for each broken promise.
    pub violations: Vec<String>,
    /// Of them, questions without a whole answer.
    pub lost: usize,
    /// Of them, what was said twice.
    pub doubled: usize,
    pub claims: usize,
    pub identifies: usize,
    pub resumes: usize,
    /// Longest time to the first answer to an interaction.
    pub slowest_acknowledgement_ms: u64,
    pub interactions_failed: usize,
    pub nonce_replays: usize,
}

impl Verdict {
    /// `forgiven`: questions that need no answer.
    pub fn of(
        asked: Vec<Asked>,
        entries: &[Arc<Entry>],
        records: Vec<Record>,
        homes: &[(i64, i32)],
        forgiven: &HashSet<QuestionId>,
    ) -> Self {
        let mut violations: Vec<String> = check(&records, homes)
            .into_iter()
            .filter(|violation| !is_forgiven(violation, forgiven))
            .map(|violation| violation.to_string())
            .collect();
        violations.extend(order(&asked, &records));
        let Seen { lost, doubled, found } = seen(&asked, entries, forgiven);
        violations.extend(found);
        let repeated = repeated_nonces(entries);
        let doubled = doubled + repeated.len();
        violations.extend(repeated);
        let count =
            |wanted: &dyn Fn(&Kind) -> bool| entries.iter().filter(|entry| wanted(&entry.kind)).count();
        let acknowledgements = entries.iter().filter_map(|entry| match entry.kind {
            Kind::InteractionAcked { after_ms, .. } => Some(after_ms),
            _ => None,
        });
        let claim =
            |record: &&Record| matches!(record.what, crate::history::What::Fence { owner: Some(_), .. });
        Self {
            claims: records.iter().filter(claim).count(),
            identifies: count(&|kind| matches!(kind, Kind::Identified { .. })),
            resumes: count(&|kind| matches!(kind, Kind::Resumed { .. })),
            slowest_acknowledgement_ms: acknowledgements.max().unwrap_or(0),
            interactions_failed: count(&|kind| matches!(kind, Kind::InteractionFailed { .. })),
            nonce_replays: count(&|kind| matches!(kind, Kind::NonceReplay { .. })),
            asked,
            records,
            violations,
            lost,
            doubled,
        }
    }

    /// Panics with every broken promise.
    pub fn passes(&self, scenario: &str) {
        println!("{scenario}: {}", self.summary());
        assert!(!self.asked.is_empty(), "nobody asked anything");
        let told: Vec<&str> = self.violations.iter().take(20).map(String::as_str).collect();
        assert!(
            told.is_empty(),
            "{scenario}: {} broken promises, {}\n  {}",
            self.violations.len(),
            self.summary(),
            told.join("\n  ")
        );
    }

    pub fn summary(&self) -> String {
        format!(
            "{} questions, {} records, {} claims, {} identifies, {} resumes, {} replayed nonces, slowest acknowledgement {} ms",
            self.asked.len(),
            self.records.len(),
            self.claims,
            self.identifies,
            self.resumes,
            self.nonce_replays,
            self.slowest_acknowledgement_ms
        )
    }
}

/// What was asked by an interaction that failed, as Discord told the member.
fn failed(entries: &[Arc<Entry>]) -> HashSet<QuestionId> {
    let failed = entries.iter().filter_map(|entry| match entry.kind {
        Kind::InteractionFailed { interaction } => Some(QuestionId::Interaction(interaction)),
        _ => None,
    });
    failed.collect()
}

/// An interaction that Discord has called failed takes no reply any more, nor a thread upon one.
fn is_forgiven(violation: &Violation, forgiven: &HashSet<QuestionId>) -> bool {
    let Violation::GivenUp { key } = violation else { return false };
    let event = key.split('/').nth(1).and_then(|id| id.parse().ok());
    event.is_some_and(|id| forgiven.contains(&QuestionId::Interaction(InteractionId(id))))
}

/// Messages of one channel are applied in the order of Discord.
fn order(asked: &[Asked], records: &[Record]) -> Vec<String> {
    let by_key = applied(records);
    let mut written = Vec::new();
    let mut places = HashMap::new();
    for question in asked {
        let QuestionId::Message(id) = question.id else { continue };
        written.push((question.channel.get(), id.get()));
        if let Some(record) = by_key.get(event_key(&format!("message:{}", id.get())).as_str()) {
            places.insert(id.get(), (record.seq, record.at_us));
        }
    }
    check_order(&written, &places).into_iter().map(|violation| violation.to_string()).collect()
}

/// What members saw that they should not have seen.
struct Seen {
    lost: usize,
    doubled: usize,
    found: Vec<String>,
}

/// Whether members saw every question answered once, in order, and nothing else said.
fn seen(asked: &[Asked], entries: &[Arc<Entry>], forgiven: &HashSet<QuestionId>) -> Seen {
    let judged = report(entries, asked, PATIENCE, is_final);
    let name = |index: &usize| {
        format!("{:?} in {} ({:?})", asked[*index].id, asked[*index].channel, asked[*index].how)
    };
    let whole = |question: &Asked| is_whole(question, forgiven);
    let mut found: Vec<String> = Vec::new();
    for (index, question) in asked.iter().enumerate().filter(|(_, question)| !whole(question)) {
        found.push(match question.answers.is_empty() {
            true => format!("nobody answered {}", name(&index)),
            false => format!("the answer to {} has no end", name(&index)),
        });
    }
    let lost = found.len();
    let late = judged.late.iter().filter(|index| whole(&asked[**index]));
    found.extend(late.map(|index| format!("{} was answered too late", name(index))));
    found.extend(judged.duplicates.iter().map(|double| {
        format!(
            "{} was answered twice ({:?}): {} and {}",
            name(&double.asked),
            double.why,
            double.first,
            double.second
        )
    }));
    found.extend(
        judged
            .out_of_order
            .iter()
            .map(|pair| format!("{} was answered before {}", name(&pair.later), name(&pair.earlier))),
    );
    let late = late_replies(asked, entries, forgiven);
    let strays = judged.strays.iter().filter(|message| !late.contains(message));
    found.extend(strays.map(|message| format!("{message} answers nothing that was asked")));
    Seen { lost, doubled: judged.duplicates.len(), found }
}

/// Answers to interactions that had failed: said in the channel, to the member by name, once for each.
fn late_replies(
    asked: &[Asked],
    entries: &[Arc<Entry>],
    forgiven: &HashSet<QuestionId>,
) -> HashSet<MessageId> {
    let mut owed: Vec<(u64, String)> = asked
        .iter()
        .filter(|question| forgiven.contains(&question.id))
        .map(|question| (question.channel.get(), format!("<@{}>", question.member.get())))
        .collect();
    let mut late = HashSet::new();
    for entry in entries {
        let Kind::BotMessage(message) = &entry.kind else { continue };
        let is_owed = |(channel, name): &(u64, String)| {
            *channel == message.channel.get() && message.content.starts_with(name.as_str())
        };
        if let Some(index) = owed.iter().position(is_owed) {
            owed.swap_remove(index);
            late.insert(message.id);
        }
    }
    late
}

/// A nonce that was posted twice is a message that was said twice, whatever it says.
fn repeated_nonces(entries: &[Arc<Entry>]) -> Vec<String> {
    let mut known = HashSet::new();
    let posted = entries.iter().filter_map(|entry| match &entry.kind {
        Kind::BotMessage(message) => message.nonce.as_deref().map(|nonce| (nonce, message.id)),
        _ => None,
    });
    let again = posted.filter(|(nonce, _)| !known.insert(*nonce));
    again.map(|(nonce, message)| format!("{message} repeats the nonce {nonce}")).collect()
}

/// Answered to the end, or never to be answered.
fn is_whole(question: &Asked, forgiven: &HashSet<QuestionId>) -> bool {
    question.answers.iter().any(is_final) || forgiven.contains(&question.id)
}

/// The last part of an answer.
fn is_final(answer: &Answer) -> bool {
    answer.content.contains(&unsure_text(Lang::En)) || answer.content.contains(&sources_line(Lang::En))
}
