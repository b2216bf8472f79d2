//! Every metric of the support side, declared once: name with its unit, help text, fixed labels (never a server or user).

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub mod rows;

/// Labels: `outcome` = answered, unsure, clarified, handed_over.
pub const QUESTIONS: &str = "helpline_questions_total";
pub const QUESTION_SECONDS: &str = "helpline_question_seconds";
pub const ANSWER_SECONDS: &str = "helpline_answer_seconds";
/// Labels: `result` = ok, unreadable, unreachable, timed_out, rate_limited, server_error, misconfigured, refused, cut,
/// too_long, malformed.
pub const MODEL_REQUESTS: &str = "helpline_model_requests_total";
pub const MODEL_SECONDS: &str = "helpline_model_seconds";
pub const MODEL_TOKENS: &str = "helpline_model_tokens_total";
pub const MODEL_BREAKER_OPEN: &str = "helpline_model_breaker_open";
/// Labels: `because` = busy, spent, breaker_open, failed, unreadable, leak, uncited, unfounded, no_question, unconfirmed,
/// asks_again.
pub const MODEL_FALLBACKS: &str = "helpline_model_fallbacks_total";
/// Labels: `result` = ok, late, resting, failed. All but ok: looked up by its words alone.
pub const QUESTION_VECTORS: &str = "helpline_question_vectors_total";
pub const QUESTION_VECTOR_SECONDS: &str = "helpline_question_vector_seconds";
pub const VECTORS_WRITTEN: &str = "helpline_vectors_written_total";
pub const VECTORS_PENDING: &str = "helpline_vectors_pending_servers";
/// Labels: `effect`, `result` = done, given_up.
pub const EFFECTS: &str = "helpline_effects_total";
pub const EVENTS_APPLIED: &str = "helpline_events_applied_total";
pub const DEAD_LETTERS: &str = "helpline_dead_letters_total";
/// Labels: `result` = found, not_there.
pub const LOOKS: &str = "helpline_resend_looks_total";
/// Labels: `done` = told, left.
pub const LATE_QUESTIONS: &str = "helpline_late_questions_total";
/// Labels: `because` = too_many, too_long.
pub const REFUSED_QUESTIONS: &str = "helpline_refused_questions_total";
/// Labels: `result` = applied, failed.
pub const REPLAYS: &str = "helpline_dead_letter_replays_total";
pub const CONFIG_UNREADABLE: &str = "helpline_config_unreadable_total";
/// Labels: `from` = redis, postgres. What is answered from memory is not counted.
pub const CONFIG_READS: &str = "helpline_config_reads_total";
/// Labels: `by` = notification, comparison.
pub const CONFIG_NEWS: &str = "helpline_config_changes_seen_total";
pub const SHARD_LOOPS: &str = "helpline_shard_loops";
pub const EVENTS_HELD: &str = "helpline_held_events_total";
pub const HELD_FULL: &str = "helpline_held_events_full_total";
pub const SERVERS_MOVED: &str = "helpline_servers_moved_total";

/// Labels: `role` = worker, proxy; `name` = of the process; `version`. Always 1.
pub const INFO: &str = "helpline_info";
pub const EVENT_WAIT_SECONDS: &str = "helpline_event_wait_seconds";
pub const DELIVERY_SECONDS: &str = "helpline_delivery_seconds";
/// Labels: `operation` = apply (T1), answer (T2), look.
pub const OPERATION_SECONDS: &str = "helpline_database_operation_seconds";
/// Labels: `pool` = lanes, events; `state` = idle, busy.
pub const CONNECTIONS: &str = "helpline_database_connections";

/// What every worker reads of the whole cluster, see [`crate::worker::view`]. NaN while it cannot be read.
/// Labels: `status` = online, starting, stopping, offline.
pub const CLUSTER_SHARDS: &str = "helpline_cluster_shards";
pub const CLUSTER_UNOWNED: &str = "helpline_cluster_shards_unowned";
pub const CLUSTER_SHARD_SILENT: &str = "helpline_cluster_shard_heartbeat_oldest_seconds";
/// Labels: `state` = working, draining.
pub const CLUSTER_WORKERS: &str = "helpline_cluster_workers";
pub const CLUSTER_WORKER_SILENT: &str = "helpline_cluster_worker_heartbeat_oldest_seconds";
pub const CLUSTER_QUESTIONS: &str = "helpline_cluster_questions_waiting";
pub const CLUSTER_QUESTION_OLDEST: &str = "helpline_cluster_question_oldest_seconds";
pub const CLUSTER_OUTBOX: &str = "helpline_cluster_outbox_effects";
pub const CLUSTER_OUTBOX_OLDEST: &str = "helpline_cluster_outbox_oldest_seconds";
pub const CLUSTER_DEAD_LETTERS: &str = "helpline_cluster_dead_letters";
pub const CLUSTER_GAPS: &str = "helpline_cluster_gaps_open";
pub const CLUSTER_GAP_OLDEST: &str = "helpline_cluster_gap_oldest_seconds";
pub const CLUSTER_HELD: &str = "helpline_cluster_held_events";
/// Not NaN: when it was read last.
pub const CLUSTER_LOOKED: &str = "helpline_cluster_looked_timestamp_seconds";

/// Labels of these: `shard`, of those that the process owns; see [`rows`].
const SHARD_LAG_ENTRIES: &str = "helpline_shard_lag_entries";
const SHARD_LAG_SECONDS: &str = "helpline_shard_lag_seconds";
const SHARD_EPOCH: &str = "helpline_shard_epoch";
const SHARD_SERVERS: &str = "helpline_shard_servers";
const SHARD_LOAD: &str = "helpline_shard_load";

/// Recorded by the cluster crate, which knows no exporter.
const SHARDS_OWNED: &str = "helpline_shards_owned";
const TAKEOVERS: &str = "helpline_takeovers_total";
const EPOCH_CHANGES: &str = "helpline_epoch_changes_total";
const SERVER_MOVES_OPEN: &str = "helpline_server_moves_open";
const SERVER_MOVE_OLDEST: &str = "helpline_server_move_oldest_seconds";
/// Labels: `by` = postgres, redis.
const LEASE_RENEW_SECONDS: &str = "helpline_lease_renew_seconds";
const CLAIM_SECONDS: &str = "helpline_claim_seconds";
/// Labels: `kind` = read, write.
const BEGIN_SECONDS: &str = "helpline_database_begin_seconds";

/// Families of rows that come and go: name, help, and the value of a row, if it has one.
pub type Family = (&'static str, &'static str, fn(&rows::Row) -> Option<f64>);

#[expect(clippy::cast_precision_loss, reason = "a gauge is for looking at")]
const SHARD_FAMILIES: [Family; 5] = [
    (SHARD_LAG_ENTRIES, "Events of the shard that its owner has not applied yet", |row| {
        row.behind.map(|(entries, _)| entries as f64)
    }),
    (
        SHARD_LAG_SECONDS,
        "How long ago the oldest event of the shard arrived that its owner has not applied yet; 0: none waits",
        |row| row.behind.map(|(_, seconds)| seconds),
    ),
    (SHARD_EPOCH, "Epoch under which the shard is owned; it rises with every claim", |row| {
        Some(row.epoch as f64)
    }),
    (SHARD_SERVERS, "Servers on the shard", |row| Some(row.servers as f64)),
    (SHARD_LOAD, "Events a second plus seconds of answering a second, over about ten minutes", |row| {
        Some(row.load)
    }),
];

/// Gives the exporter the help texts; once for each process, after the recorder is installed.
pub fn describe() {
    describe_counter!(QUESTIONS, "Questions whose answer was stored, by outcome");
    describe_histogram!(
        QUESTION_SECONDS,
        Unit::Seconds,
        "From a question's arrival at the proxy to its stored answer"
    );
    describe_histogram!(ANSWER_SECONDS, Unit::Seconds, "Time the answerer took for one question");
    describe_counter!(MODEL_REQUESTS, "Completions asked of the chat model, by how they ended");
    describe_histogram!(MODEL_SECONDS, Unit::Seconds, "Time one completion took, all its attempts in it");
    describe_counter!(MODEL_TOKENS, "Tokens spent on the chat model, as it counts them or estimated");
    describe_gauge!(MODEL_BREAKER_OPEN, "1 while the chat model is left alone because it does not answer");
    describe_counter!(
        MODEL_FALLBACKS,
        "Questions answered without the chat model although one is set, by reason"
    );
    describe_counter!(
        QUESTION_VECTORS,
        "Questions that the sentence model was asked for, by result; all but ok were looked up by their words alone"
    );
    describe_histogram!(
        QUESTION_VECTOR_SECONDS,
        Unit::Seconds,
        "From a question to its vector, or to going on without"
    );
    describe_counter!(VECTORS_WRITTEN, "Passages that got their vector");
    describe_gauge!(VECTORS_PENDING, "Servers of this worker that wait for vectors of their passages");
    describe_counter!(EFFECTS, "Acts on Discord that ended, by kind and result");
    describe_counter!(EVENTS_APPLIED, "Events read from the logs of owned shards");
    describe_counter!(DEAD_LETTERS, "Events put aside after three failures");
    describe_counter!(LATE_QUESTIONS, "Questions too old to be answered, by what was done instead");
    describe_counter!(REFUSED_QUESTIONS, "Questions beyond what their server allows a member, by limit");
    describe_counter!(REPLAYS, "Dead letters that were applied again, by result");
    describe_counter!(LOOKS, "Messages looked for before they would have been sent again, by result");
    describe_counter!(
        CONFIG_UNREADABLE,
        "Server configs that could not be read; the last good one stayed in force"
    );
    describe_counter!(CONFIG_READS, "Server configs that were not in memory, by where they were found");
    describe_counter!(
        CONFIG_NEWS,
        "Changes of server configs that became known, by how; comparisons alone: no notifications arrive"
    );
    describe_gauge!(SHARDS_OWNED, "Shards whose fence this process holds");
    describe_counter!(TAKEOVERS, "Shards claimed from a worker that died or fell silent");
    describe_counter!(EPOCH_CHANGES, "Shards claimed, from whomever");
    describe_histogram!(LEASE_RENEW_SECONDS, Unit::Seconds, "Time one renewal of liveness took, by store");
    describe_counter!(EVENTS_HELD, "Events held until their server has left its old shard");
    describe_counter!(HELD_FULL, "Times a shard waited because too many events of one server are held");
    describe_counter!(SERVERS_MOVED, "Moves of servers to shards of this process that are done");
    describe_gauge!(SERVER_MOVES_OPEN, "Servers on their way to another shard");
    describe_gauge!(
        SERVER_MOVE_OLDEST,
        Unit::Seconds,
        "How long the server that left first has been on its way; 0: none is"
    );
    describe_gauge!(SHARD_LOOPS, "Shards that this process applies now");
    describe_gauge!(INFO, "The process: its role, its name and its version; always 1");
    describe_more();
}

fn describe_more() {
    let seconds = Unit::Seconds;
    describe_histogram!(
        EVENT_WAIT_SECONDS,
        seconds,
        "From an event's arrival at the proxy to the end of the transaction that applied it; the oldest of each batch"
    );
    describe_histogram!(
        DELIVERY_SECONDS,
        seconds,
        "From a stored effect to the moment when Discord has taken it"
    );
    describe_histogram!(OPERATION_SECONDS, seconds, "Time a transaction or query took, by what it does");
    describe_histogram!(BEGIN_SECONDS, seconds, "Time until a transaction had its turn and its connection");
    describe_histogram!(CLAIM_SECONDS, seconds, "From winning a shard to the beginning of its loop");
    describe_gauge!(CONNECTIONS, "Connections to Postgres, by pool and by whether they are in use");
    describe_gauge!(CLUSTER_SHARDS, "Shards of the cluster by their status");
    describe_gauge!(CLUSTER_UNOWNED, "Shards of the cluster that no member owns");
    describe_gauge!(CLUSTER_SHARD_SILENT, seconds, "Time since the oldest heartbeat of an owned shard");
    describe_gauge!(CLUSTER_WORKERS, "Workers that are members of the cluster, by whether they leave");
    describe_gauge!(CLUSTER_WORKER_SILENT, seconds, "Time since the oldest heartbeat of a member");
    describe_gauge!(CLUSTER_QUESTIONS, "Questions that are stored and not answered yet");
    describe_gauge!(CLUSTER_QUESTION_OLDEST, seconds, "How long the oldest question waits; 0: none does");
    describe_gauge!(CLUSTER_OUTBOX, "Effects that are stored and not carried out on Discord yet");
    describe_gauge!(CLUSTER_OUTBOX_OLDEST, seconds, "How long the oldest effect waits; 0: none does");
    describe_gauge!(CLUSTER_DEAD_LETTERS, "Events that were put aside and not replayed or dropped yet");
    describe_gauge!(CLUSTER_GAPS, "Gaps that are being read again");
    describe_gauge!(CLUSTER_GAP_OLDEST, seconds, "How long ago the oldest open gap was recorded; 0: none is");
    describe_gauge!(CLUSTER_HELD, "Events that wait for their server to arrive on its new shard");
    describe_gauge!(
        CLUSTER_LOOKED,
        seconds,
        "When this worker last read what is told of the cluster, as Unix time"
    );
}

/// Makes what a worker counts be there with 0 from its start: a rate would miss the first of a counter that begins with
/// it, and nobody could tell 0 from a name that is wrong.
pub fn begin_worker(name: &str) {
    begin(name, "worker");
    zero(QUESTIONS, "outcome", &["answered", "unsure", "clarified", "handed_over"]);
    let results = ["ok", "unreadable", "unreachable", "timed_out", "rate_limited", "server_error"];
    zero(MODEL_REQUESTS, "result", &results);
    zero(MODEL_REQUESTS, "result", &["misconfigured", "refused", "cut", "too_long", "malformed"]);
    zero(MODEL_FALLBACKS, "because", &["busy", "spent", "breaker_open", "failed", "unreadable", "leak"]);
    let guarded = ["uncited", "unfounded", "no_question", "unconfirmed", "asks_again"];
    zero(MODEL_FALLBACKS, "because", &guarded);
    zero(QUESTION_VECTORS, "result", &["ok", "late", "resting", "failed"]);
    zero(LOOKS, "result", &["found", "not_there"]);
    zero(LATE_QUESTIONS, "done", &["told", "left"]);
    zero(REFUSED_QUESTIONS, "because", &["too_many", "too_long"]);
    zero(REPLAYS, "result", &["applied", "failed"]);
    zero(CONFIG_READS, "from", &["redis", "postgres"]);
    zero(CONFIG_NEWS, "by", &["notification", "comparison"]);
    metrics::counter!(EFFECTS, "effect" => "any", "result" => "given_up").increment(0);
    for name in [MODEL_TOKENS, VECTORS_WRITTEN, EVENTS_APPLIED, DEAD_LETTERS, CONFIG_UNREADABLE] {
        metrics::counter!(name).increment(0);
    }
    for name in [EVENTS_HELD, HELD_FULL, SERVERS_MOVED, TAKEOVERS, EPOCH_CHANGES] {
        metrics::counter!(name).increment(0);
    }
    for name in [MODEL_BREAKER_OPEN, VECTORS_PENDING, SHARDS_OWNED, SERVER_MOVES_OPEN, SERVER_MOVE_OLDEST] {
        metrics::gauge!(name).set(0.0);
    }
    for name in [QUESTION_SECONDS, ANSWER_SECONDS, MODEL_SECONDS, QUESTION_VECTOR_SECONDS, DELIVERY_SECONDS] {
        drop(metrics::histogram!(name));
    }
}

/// Says who this is.
pub fn begin(name: &str, role: &'static str) {
    let version = env!("CARGO_PKG_VERSION");
    metrics::gauge!(INFO, "role" => role, "name" => name.to_owned(), "version" => version).set(1.0);
}

/// A counter with 0 for each value of its label.
pub fn zero(name: &'static str, label: &'static str, values: &[&'static str]) {
    for value in values {
        metrics::counter!(name, label => *value).increment(0);
    }
}
