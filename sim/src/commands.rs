//! The application's commands: global ones, and those of single servers, with Discord's limits on how many
//! there may be and how many may be created in a day.
//! <https://discord.com/developers/docs/interactions/application-commands>

mod check;
pub(crate) mod fill;

pub(crate) use check::check_choices;

use crate::ids::{GuildId, UserId};
use crate::rest::error::ApiError;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;

/// Command types: slash, user and message commands.
pub(crate) const CHAT_INPUT: u64 = 1;
pub(crate) const USER: u64 = 2;
pub(crate) const MESSAGE: u64 = 3;

/// Commands that may be created in a day, in each scope.
const DAILY_CREATES: usize = 200;
const DAY: Duration = Duration::from_secs(86_400);

/// `None` is global.
pub(crate) type Scope = Option<GuildId>;

/// How many commands of a type a scope may have.
fn most(kind: u64) -> usize {
    if kind == CHAT_INPUT { 100 } else { 15 }
}

#[derive(Debug, Default)]
struct Book {
    lists: HashMap<Scope, Vec<Arc<Value>>>,
    created: HashMap<Scope, (Instant, usize)>,
}

/// All registered commands.
#[derive(Debug)]
pub(crate) struct Commands {
    book: RwLock<Book>,
    application: UserId,
}

impl Commands {
    pub(crate) fn new(application: UserId) -> Self {
        Self { book: RwLock::default(), application }
    }

    pub(crate) fn list(&self, scope: Scope) -> Vec<Arc<Value>> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        book.lists.get(&scope).cloned().unwrap_or_default()
    }

    pub(crate) fn get(&self, scope: Scope, id: &str) -> Option<Arc<Value>> {
        self.list(scope).into_iter().find(|command| command["id"] == id)
    }

    /// What a member finds in a server, or in a direct message (`None`), under this name: a server's own
    /// command comes before a global one.
    pub(crate) fn find(&self, guild: Option<GuildId>, kind: u64, name: &str) -> Option<Arc<Value>> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        let own = guild.and_then(|guild| book.lists.get(&Some(guild)));
        let mut all = own.into_iter().chain(book.lists.get(&None)).flatten();
        all.find(|command| command["type"] == kind && command["name"] == name).cloned()
    }

    /// The names of all global commands.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |command: &Arc<Value>| command["name"].as_str().map(str::to_owned);
        self.list(None).iter().filter_map(name).collect()
    }

    /// Replaces all commands of a scope. A command that keeps its name and type keeps its id.
    pub(crate) fn overwrite(
        &self,
        scope: Scope,
        new: Vec<Value>,
        now: Instant,
        next_id: &dyn Fn() -> u64,
    ) -> Result<Vec<Arc<Value>>, ApiError> {
        let mut checked: Vec<Value> = Vec::with_capacity(new.len());
        for (at, command) in new.into_iter().enumerate() {
            let command = check::command(command, scope, &at.to_string())?;
            if checked.iter().any(|known| same(known, &command)) {
                let message = "Application command names must be unique";
                let path = format!("{at}.name");
                return Err(ApiError::invalid(&path, "APPLICATION_COMMANDS_DUPLICATE_NAME", message));
            }
            checked.push(command);
        }
        check_counts(&checked)?;
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        let old = book.lists.get(&scope).cloned().unwrap_or_default();
        let fresh = checked.iter().filter(|new| !old.iter().any(|known| same(known, new))).count();
        book.count_creates(scope, fresh, now)?;
        let place = |command: Value| {
            let known = old.iter().find(|known| same(known, &command));
            self.signed(command, scope, known.map(|known| &known["id"]), next_id)
        };
        let list: Vec<Arc<Value>> = checked.into_iter().map(place).collect();
        book.lists.insert(scope, list.clone());
        Ok(list)
    }

    /// Creates a command, or replaces that of the same name and type. Tells whether it is new.
    pub(crate) fn upsert(
        &self,
        scope: Scope,
        new: Value,
        now: Instant,
        next_id: &dyn Fn() -> u64,
    ) -> Result<(Arc<Value>, bool), ApiError> {
        let new = check::command(new, scope, "")?;
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        let list = book.lists.entry(scope).or_default();
        if let Some(known) = list.iter_mut().find(|known| same(known, &new)) {
            let id = known["id"].clone();
            *known = self.signed(new, scope, Some(&id), next_id);
            return Ok((known.clone(), false));
        }
        if list.iter().filter(|known| known["type"] == new["type"]).count()
            >= most(new["type"].as_u64().unwrap_or(CHAT_INPUT))
        {
            return Err(ApiError::too_many_commands());
        }
        book.count_creates(scope, 1, now)?;
        let command = self.signed(new, scope, None, next_id);
        book.lists.entry(scope).or_default().push(command.clone());
        Ok((command, true))
    }

    /// Changes the given fields of a command.
    pub(crate) fn modify(
        &self,
        scope: Scope,
        id: &str,
        change: &Value,
        next_id: &dyn Fn() -> u64,
    ) -> Result<Arc<Value>, ApiError> {
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        let list = book.lists.entry(scope).or_default();
        let at = list.iter().position(|command| command["id"] == id).ok_or_else(ApiError::unknown_command)?;
        let mut new = Value::clone(&list[at]);
        for (field, value) in change.as_object().into_iter().flatten() {
            // The type of a command cannot be changed.
            if field != "type" && field != "id" {
                new[field] = value.clone();
            }
        }
        let new = check::command(new, scope, "")?;
        if list.iter().enumerate().any(|(other, known)| other != at && same(known, &new)) {
            return Err(ApiError::command_exists());
        }
        let id = list[at]["id"].clone();
        list[at] = self.signed(new, scope, Some(&id), next_id);
        Ok(list[at].clone())
    }

    /// Deletes a command; `false` when there is none.
    pub(crate) fn delete(&self, scope: Scope, id: &str) -> bool {
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        let list = book.lists.entry(scope).or_default();
        let before = list.len();
        list.retain(|command| command["id"] != id);
        list.len() < before
    }

    /// Adds what Discord adds to a command.
    fn signed(
        &self,
        mut command: Value,
        scope: Scope,
        id: Option<&Value>,
        next_id: &dyn Fn() -> u64,
    ) -> Arc<Value> {
        command["id"] = id.cloned().unwrap_or_else(|| json!(next_id().to_string()));
        command["application_id"] = json!(self.application);
        command["version"] = json!(next_id().to_string());
        if let Some(guild) = scope {
            command["guild_id"] = json!(guild);
        }
        Arc::new(command)
    }
}

impl Book {
    fn count_creates(&mut self, scope: Scope, new: usize, now: Instant) -> Result<(), ApiError> {
        let (began, used) = self.created.entry(scope).or_insert((now, 0));
        if now.duration_since(*began) >= DAY {
            (*began, *used) = (now, 0);
        }
        if *used + new > DAILY_CREATES {
            return Err(ApiError::too_many_command_creates());
        }
        *used += new;
        Ok(())
    }
}

fn same(one: &Value, other: &Value) -> bool {
    one["name"] == other["name"] && one["type"] == other["type"]
}

fn check_counts(commands: &[Value]) -> Result<(), ApiError> {
    for kind in [CHAT_INPUT, USER, MESSAGE] {
        if commands.iter().filter(|command| command["type"] == kind).count() > most(kind) {
            return Err(ApiError::too_many_commands());
        }
    }
    Ok(())
}

/// A command as it is listed: without the localisation dictionaries unless they are asked for.
pub(crate) fn listed(command: &Value, with_localizations: bool) -> Value {
    let mut command = command.clone();
    if !with_localizations {
        strip(&mut command);
    }
    command
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| name != "name_localizations" && name != "description_localizations");
            fields.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}
