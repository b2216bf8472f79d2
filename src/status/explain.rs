//! What to do about a store that does not answer. No password is ever shown: errors of the clients hold none.

use std::borrow::Cow;
use std::time::Duration;

/// What is wrong with Postgres, and what to do.
pub(crate) fn postgres(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|error| error.code());
    let what_to_do = match code.as_deref() {
        Some(code) if code.starts_with("28") => "check user and password in DATABASE_URL",
        Some("3D000") => "there is no such database: check the name in DATABASE_URL",
        // No such function, or no such schema.
        Some("42883" | "3F000") => {
            "its schema is older than this program, or it is not Helpline's database: run `helpline migrate`, or check \
             DATABASE_URL"
        }
        Some("42501") => "connect as the owner, helpline_worker, helpline_proxy or helpline_web",
        Some("53300") => "all its connections are in use: raise max_connections, or lower DATABASE_POOL",
        Some("57014") => "it is busy: look again in a moment",
        Some("57P03") => "it is starting or stopping: look again in a moment",
        _ => match error {
            sqlx::Error::Configuration(_) => {
                "check DATABASE_URL, as in postgres://user:password@host/helpline"
            }
            sqlx::Error::Tls(_) => "check sslmode in DATABASE_URL, and the server's certificate",
            sqlx::Error::Io(_) => "is it running, and are host and port in DATABASE_URL right?",
            _ => "check DATABASE_URL",
        },
    };
    // The first line tells it; what follows repeats the statement.
    let error = match error.as_database_error() {
        Some(error) => Cow::Borrowed(error.message()),
        None => Cow::Owned(error.to_string()),
    };
    format!("Postgres: {}: {what_to_do}", error.lines().next().unwrap_or_default())
}

/// What is wrong with Redis, and what to do.
pub(crate) fn redis(error: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
    let what_to_do = if says(&["NOAUTH", "WRONGPASS", "AuthenticationFailed", "invalid username-password"]) {
        "check user and password in REDIS_URL"
    } else if says(&["NOPERM"]) {
        "its user may not do this: allow the keys of REDIS_PREFIX, and scripts"
    } else if says(&["LOADING", "CLUSTERDOWN", "MASTERDOWN"]) {
        "it is not ready: look again in a moment"
    } else {
        "is it running, and are host and port in REDIS_URL right?"
    };
    format!("Redis: {error}: {what_to_do}")
}

pub(crate) fn silent(what: &str, setting: &str, patience: Duration) -> String {
    format!(
        "{what}: no answer within {patience:?}: is it overloaded, or is a firewall between? check {setting}"
    )
}
