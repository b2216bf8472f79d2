//! What every role does before anything else: logging, and the one TLS provider of the process.
//!
//! Log lines go to standard error, so that what a command prints can be read by a program.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// In force while RUST_LOG is unset.
const DEFAULT_FILTER: &str = "info";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line for people, in colours on a terminal
    #[default]
    Text,
    /// One JSON object a line, for a log collector
    Json,
}

/// Starts logging as RUST_LOG says; once in a process. A RUST_LOG that cannot be read is told, not fatal.
pub fn init(format: Format) {
    let wanted = std::env::var("RUST_LOG").ok().filter(|filter| !filter.trim().is_empty());
    let (filter, problem) = filter(wanted.as_deref());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        Format::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    // An Err says that a test or a binary around this one logs already: its choice stands.
    if started.is_ok()
        && let Some(problem) = problem
    {
        tracing::warn!("{problem}");
    }
}

/// The filter, and what was wrong with the wanted one.
fn filter(wanted: Option<&str>) -> (EnvFilter, Option<String>) {
    match EnvFilter::try_new(wanted.unwrap_or(DEFAULT_FILTER)) {
        Ok(filter) => (filter, None),
        Err(error) => {
            let problem = format!(
                "RUST_LOG cannot be read ({error}): logging {DEFAULT_FILTER}; write it as in info,helpline=debug"
            );
            (EnvFilter::new(DEFAULT_FILTER), Some(problem))
        }
    }
}

/// Makes ring the TLS provider of the process; before the first connection. Calling it again changes nothing.
pub fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_filter_is_told_and_replaced() {
        let (replaced, problem) = filter(Some("helpline=loud"));
        assert_eq!(replaced.to_string(), DEFAULT_FILTER);
        assert!(problem.expect("told").contains("RUST_LOG"));
        let (wanted, problem) = filter(Some("warn,helpline=debug"));
        assert!(wanted.to_string().contains("helpline=debug"));
        assert_eq!(problem, None);
    }
}
