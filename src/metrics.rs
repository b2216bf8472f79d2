//! Every metric of the support side, declared once: name with its unit, help text, fixed labels (never a server or user).

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

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

/// Recorded by the cluster crate, which knows no exporter.
const SHARDS_OWNED: &str = "helpline_shards_owned";
const TAKEOVERS: &str = "helpline_takeovers_total";
const EPOCH_CHANGES: &str = "helpline_epoch_changes_total";
const SERVER_MOVES_OPEN: &str = "helpline_server_moves_open";
const SERVER_MOVE_OLDEST: &str = "helpline_server_move_oldest_seconds";
/// Labels: `by` = postgres, redis.
const LEASE_RENEW_SECONDS: &str = "helpline_lease_renew_seconds";

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
}
