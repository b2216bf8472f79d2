//! How Discord is told of our slash commands ([`crate::commands`]).
//! Source: <https://discord.com/developers/docs/interactions/application-commands>.

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::asking::Asking;
use crate::commands::registration;
use crate::proxy::rest::Rest;

/// How long one request may take beside a proxy that runs.
const LATER_PATIENCE: Duration = Duration::from_secs(20);

/// Registers the global slash commands if those that Discord has are others.
#[derive(Debug)]
pub struct Registering {
    known: Asking,
    wanted: Asking,
}

impl Registering {
    pub fn new(rest: &Rest, application_id: u64) -> Self {
        let path = format!("/applications/{application_id}/commands");
        let known = Asking::get(rest, &format!("{path}?with_localizations=true"));
        Self { known, wanted: Asking::put(rest, &path, registration()) }
    }

    /// False: Discord does not answer now.
    ///
    /// # Errors
    /// When Discord refuses the token or the commands.
    pub async fn once(&mut self, within: Duration) -> anyhow::Result<bool> {
        let Some(known) = self.known.once(within).await? else { return Ok(false) };
        if same_commands(&registration(), &sorted_by_name(known)) {
            tracing::debug!("the slash commands are registered");
            return Ok(true);
        }
        if self.wanted.once(within).await?.is_none() {
            return Ok(false);
        }
        tracing::info!("registered the slash commands");
        Ok(true)
    }

    /// Goes on beside a proxy that runs: those of before work meanwhile.
    pub async fn later(mut self, stop: CancellationToken) {
        let mut told = false;
        loop {
            let due = self.known.due().max(self.wanted.due());
            if stop.run_until_cancelled(tokio::time::sleep_until(due)).await.is_none() {
                return;
            }
            match self.once(LATER_PATIENCE).await {
                Ok(true) => return,
                Ok(false) if told => {}
                Ok(false) => {
                    told = true;
                    tracing::warn!(problem = self.problem(), "the slash commands are looked at later");
                }
                Err(error) => {
                    tracing::error!("the slash commands are not registered: {error:#}");
                    return;
                }
            }
        }
    }

    fn problem(&self) -> &str {
        match self.wanted.due() > self.known.due() {
            true => self.wanted.problem(),
            false => self.known.problem(),
        }
    }
}

/// Discord lists commands in an order of its own; ours is by name.
fn sorted_by_name(mut commands: Value) -> Value {
    if let Value::Array(list) = &mut commands {
        list.sort_by(|one, other| one["name"].as_str().cmp(&other["name"].as_str()));
    }
    commands
}

/// Whether what Discord has says all that we want; it adds fields of its own.
fn same_commands(wanted: &Value, known: &Value) -> bool {
    match (wanted, known) {
        (Value::Array(wanted), Value::Array(known)) => {
            wanted.len() == known.len()
                && wanted.iter().zip(known).all(|(wanted, known)| same_commands(wanted, known))
        }
        (Value::Object(wanted), Value::Object(known)) => wanted
            .iter()
            .all(|(key, wanted)| known.get(key).is_some_and(|known| same_commands(wanted, known))),
        (wanted, known) => wanted == known,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn commands_are_the_same_whatever_discord_adds_and_in_whatever_order() {
        let wanted = registration();
        let mut known = wanted.clone();
        known[1]["id"] = json!("1");
        known[1]["options"][0]["name_localizations"] = Value::Null;
        known.as_array_mut().unwrap().reverse();
        let known = sorted_by_name(known);
        assert!(same_commands(&wanted, &known));
        let mut shorter = known.clone();
        shorter[1]["options"][0]["max_length"] = json!(100);
        assert!(!same_commands(&wanted, &shorter));
        let mut open = known;
        open[2]["default_member_permissions"] = Value::Null;
        assert!(!same_commands(&wanted, &open), "it would be offered to everybody");
        assert!(!same_commands(&wanted, &json!([])));
    }
}
