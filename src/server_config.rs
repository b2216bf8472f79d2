//! What a server's admins have set: the JSON of `servers.config`.
//!
//! Owns its keys, defaults, checks and the text that explains them. [`parse`] never guesses: a value of the
//! wrong kind is a [`Problem`], and the caller keeps the last good configuration. Keys unknown to this
//! release survive every write. The command line and, later, slash commands change values through [`set_key`].

use helpline_cluster::ids::ServerId;
use serde_json::{Map, Value};
use sqlx::PgPool;
use std::fmt;

/// A key of the configuration: what it means and what it takes, as shown to people.
struct Key {
    name: &'static str,
    expected: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Language,
    Text,
    Ids,
    OptionalId,
    Count,
    /// Whole hours; zero switches off what they are about.
    Hours,
}

/// The longest silence that can be set, in hours: a year.
const MOST_HOURS: u32 = 8_760;

const KEYS: [Key; 10] = [
    Key { name: "enabled", expected: "true or false", kind: Kind::Bool },
    Key { name: "language", expected: "a language tag such as en, de or pt-BR", kind: Kind::Language },
    Key { name: "system_prompt", expected: "text", kind: Kind::Text },
    Key { name: "channels", expected: "a list of channel ids", kind: Kind::Ids },
    Key { name: "support_role_id", expected: "a role id or null", kind: Kind::OptionalId },
    Key { name: "max_messages_per_user", expected: "a whole number of at least 1", kind: Kind::Count },
    Key { name: "max_text_length", expected: "a whole number of at least 1", kind: Kind::Count },
    Key { name: "auto_close_hours", expected: HOURS, kind: Kind::Hours },
    Key { name: "close_warning_hours", expected: "a whole number of at least 1", kind: Kind::Count },
    Key { name: "ticket_auto_resolve_hours", expected: HOURS, kind: Kind::Hours },
];
const HOURS: &str = "a whole number of hours up to 8760; 0 for never";

/// The names of all keys, in the order in which they are shown.
pub fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.name)
}

/// What a key takes, and its default; none when this release does not know it.
pub fn about(name: &str) -> Option<(&'static str, Value)> {
    let key = KEYS.iter().find(|key| key.name == name)?;
    Some((key.expected, key.default_value()))
}

/// `servers.config`, checked. The defaults are those of the column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Support is switched on for this server.
    pub enabled: bool,
    /// Language tag of the server's documents and answers.
    pub language: String,
    /// What the server's admins tell a chat model; the extractive answerer does not read it.
    pub system_prompt: String,
    /// Support channels: every question there is answered.
    pub channels: Vec<u64>,
    /// The role that is pinged when a member asks for a human.
    pub support_role_id: Option<u64>,
    /// Questions that one member may ask in a rolling hour.
    pub max_messages_per_user: u32,
    /// Longest question that is read, in characters.
    pub max_text_length: u32,
    /// After so long a silence of whoever asked a conversation is closed; 0: never.
    pub auto_close_hours: u32,
    /// How long before that he is warned; half of the silence at the most.
    pub close_warning_hours: u32,
    /// After so long a silence of whoever asked, after staff wrote, his ticket is resolved; 0: never.
    pub ticket_auto_resolve_hours: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            language: "en".to_owned(),
            system_prompt: "You are a helpful AI assistant for this Discord server.".to_owned(),
            channels: Vec::new(),
            support_role_id: None,
            max_messages_per_user: 10,
            max_text_length: 2000,
            auto_close_hours: 72,
            close_warning_hours: 24,
            ticket_auto_resolve_hours: 0,
        }
    }
}

impl ServerConfig {
    /// How long whoever asked is waited for.
    pub fn patience(&self) -> Patience {
        let hours = |hours: u32| (hours > 0).then(|| time::Duration::hours(hours.into()));
        Patience {
            conversation: hours(self.auto_close_hours),
            ticket: hours(self.ticket_auto_resolve_hours),
            warning: time::Duration::hours(self.close_warning_hours.into()),
        }
    }
}

/// How long whoever asked is waited for, see [`ServerConfig::patience`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// None: a conversation is never closed for its silence.
    pub conversation: Option<time::Duration>,
    /// None: a ticket is never resolved for it.
    pub ticket: Option<time::Duration>,
    /// How long before that he is warned.
    pub warning: time::Duration,
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, or empty when the configuration as a whole is meant.
    pub key: String,
    /// What the key takes.
    pub expected: String,
    /// What is there, shortened.
    pub found: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_empty() { "config" } else { &self.key };
        write!(f, "{key}: expected {}, found {}", self.expected, self.found)
    }
}

/// Why a `key=value` was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    #[error("{0:?} has no '='; write key=value, with one of these keys:\n{keys}", keys = key_list())]
    NoEquals(String),
    #[error("unknown key {0:?}; the keys are:\n{keys}", keys = key_list())]
    UnknownKey(String),
    #[error("{0}")]
    BadValue(Problem),
    #[error("{0}; mend the column servers.config by hand first")]
    BadConfig(Problem),
}

/// Reads a configuration; absent keys take their defaults, unknown keys are passed over. Reports every problem.
pub fn parse(config: &Value) -> Result<ServerConfig, Vec<Problem>> {
    let Some(object) = config.as_object() else {
        return Err(vec![not_an_object(config)]);
    };
    let mut problems = Vec::new();
    let mut parsed = ServerConfig::default();
    for key in &KEYS {
        let Some(value) = object.get(key.name) else { continue };
        if apply(&mut parsed, key, value).is_none() {
            problems.push(key.problem(shorten(&value.to_string())));
        }
    }
    if problems.is_empty() { Ok(parsed) } else { Err(problems) }
}

/// [`parse`], from the text of the column. Postgres keeps JSON that other readers refuse: numbers out of range, and
/// arrays inside each other without end.
pub fn parse_text(config: &str) -> Result<ServerConfig, Vec<Problem>> {
    let value: Value = serde_json::from_str(config).map_err(|error| {
        vec![Problem {
            key: String::new(),
            expected: "JSON that can be read".to_owned(),
            found: error.to_string(),
        }]
    })?;
    parse(&value)
}

/// Applies one `key=value` as typed by a person. Lists are comma separated, `null` or nothing clears a key that
/// may be empty, ids are written as strings. Nothing changes on an error; other keys are never touched.
pub fn set_key(config: &mut Value, pair: &str) -> Result<(), SetError> {
    let (name, typed) = pair.split_once('=').ok_or_else(|| SetError::NoEquals(pair.to_owned()))?;
    let (name, typed) = (name.trim(), typed.trim());
    let key =
        KEYS.iter().find(|key| key.name == name).ok_or_else(|| SetError::UnknownKey(name.to_owned()))?;
    if !config.is_object() {
        return Err(SetError::BadConfig(not_an_object(config)));
    }
    let value =
        key.value_of(typed).ok_or_else(|| SetError::BadValue(key.problem(shorten(&format!("{typed:?}")))))?;
    if let Some(object) = config.as_object_mut() {
        object.insert(key.name.to_owned(), value);
    }
    Ok(())
}

fn apply(config: &mut ServerConfig, key: &Key, value: &Value) -> Option<()> {
    match key.name {
        "enabled" => config.enabled = value.as_bool()?,
        "language" => config.language = value.as_str().filter(|tag| is_language(tag))?.to_owned(),
        "system_prompt" => config.system_prompt = value.as_str()?.to_owned(),
        "channels" => config.channels = ids(value)?,
        "support_role_id" => config.support_role_id = optional_id(value)?,
        "max_messages_per_user" => config.max_messages_per_user = count(value)?,
        "max_text_length" => config.max_text_length = count(value)?,
        "auto_close_hours" => config.auto_close_hours = hours(value)?,
        "close_warning_hours" => config.close_warning_hours = count(value)?,
        "ticket_auto_resolve_hours" => config.ticket_auto_resolve_hours = hours(value)?,
        _ => unreachable!("every key of KEYS is handled"),
    }
    Some(())
}

impl Key {
    fn problem(&self, found: String) -> Problem {
        Problem { key: self.name.to_owned(), expected: self.expected.to_owned(), found }
    }

    fn value_of(&self, typed: &str) -> Option<Value> {
        let none = typed.is_empty() || typed == "null";
        match self.kind {
            Kind::Bool => typed.parse::<bool>().ok().map(Value::Bool),
            Kind::Language => is_language(typed).then(|| Value::from(typed)),
            Kind::Text => Some(Value::from(if none { "" } else { typed })),
            Kind::Ids if none => Some(Value::Array(Vec::new())),
            Kind::Ids => {
                let list = typed.split(',').map(|id| Value::from(id.trim())).collect();
                let ids = ids(&Value::Array(list))?;
                Some(ids.into_iter().map(|id| Value::from(id.to_string())).collect())
            }
            Kind::OptionalId if none => Some(Value::Null),
            Kind::OptionalId => id(&Value::from(typed)).map(|id| Value::from(id.to_string())),
            Kind::Count => typed.parse::<u32>().ok().filter(|n| *n >= 1).map(Value::from),
            Kind::Hours => typed.parse::<u32>().ok().filter(|n| *n <= MOST_HOURS).map(Value::from),
        }
    }
}

/// A snowflake: digits in a string, or an integral JSON number. A float has lost digits already and is refused.
fn id(value: &Value) -> Option<u64> {
    let id = match value {
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok()?,
        Value::Number(number) => number.as_u64()?,
        _ => return None,
    };
    (id != 0 && i64::try_from(id).is_ok()).then_some(id)
}

fn ids(value: &Value) -> Option<Vec<u64>> {
    let mut ids = Vec::new();
    for item in value.as_array()? {
        let id = id(item)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Some(ids)
}

fn optional_id(value: &Value) -> Option<Option<u64>> {
    if value.is_null() { Some(None) } else { id(value).map(Some) }
}

fn count(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n >= 1)
}

fn hours(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= MOST_HOURS)
}

/// The shape of a language tag (RFC 5646), not its registry: letters first, then subtags.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split(['-', '_']);
    let first = parts.next().unwrap_or_default();
    (2..=8).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn not_an_object(config: &Value) -> Problem {
    Problem { key: String::new(), expected: "a JSON object".to_owned(), found: shorten(&config.to_string()) }
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn key_list() -> String {
    KEYS.map(|key| format!("  {} = {}", key.name, key.expected)).join("\n")
}

/// Prints a server's configuration, its problems if there are any, and the keys this release does not know.
pub async fn show(pool: &PgPool, server: ServerId) -> anyhow::Result<()> {
    let row = sqlx::query!("select name, active, config from public.servers where id = $1", server.db())
        .fetch_optional(pool)
        .await?
        .ok_or_else(|| unknown_server(server))?;
    print!("{}", describe(server, &row.name, row.active, &row.config));
    Ok(())
}

/// Applies every pair or none of them, and prints the result.
pub async fn set(pool: &PgPool, server: ServerId, pairs: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(
        !pairs.is_empty(),
        "nothing to set; write key=value, with one of these keys:\n{}",
        key_list()
    );
    let mut tx = pool.begin().await?;
    let row =
        sqlx::query!("select name, active, config from public.servers where id = $1 for update", server.db())
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| unknown_server(server))?;
    let mut config = row.config;
    let errors: Vec<String> = pairs
        .iter()
        .filter_map(|pair| set_key(&mut config, pair).err())
        .map(|error| error.to_string())
        .collect();
    if !errors.is_empty() {
        anyhow::bail!("nothing was changed:\n{}", errors.join("\n"));
    }
    sqlx::query!("update public.servers set config = $2 where id = $1", server.db(), config)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    print!("{}", describe(server, &row.name, row.active, &config));
    Ok(())
}

/// The error of every command that names a server which is not in `servers`.
pub fn unknown_server(server: ServerId) -> anyhow::Error {
    anyhow::anyhow!(
        "{server} is unknown: the bot has not seen it yet; check the id, invite the bot, and let a proxy run \
         until the server has arrived"
    )
}

/// A configuration as readable text, one key a line.
pub fn describe(server: ServerId, name: &str, active: bool, config: &Value) -> String {
    use fmt::Write;
    let mut text = format!("{server} ({name})\n");
    if !active {
        text.push_str("  the bot is not in this server at the moment\n");
    }
    let empty = Map::new();
    let object = config.as_object().unwrap_or(&empty);
    for key in &KEYS {
        let default = object.get(key.name).is_none();
        let value = object.get(key.name).cloned().unwrap_or_else(|| key.default_value());
        let note = if default { "  (default)" } else { "" };
        writeln!(text, "  {} = {}{note}", key.name, readable(&value))
            .expect("writing to a string cannot fail");
    }
    for (name, value) in object.iter().filter(|(name, _)| KEYS.iter().all(|key| key.name != name.as_str())) {
        writeln!(text, "  {name} = {}  (not known to this release, kept)", shorten(&value.to_string()))
            .expect("writing to a string cannot fail");
    }
    for problem in parse(config).err().unwrap_or_default() {
        writeln!(text, "  problem: {problem}").expect("writing to a string cannot fail");
    }
    text
}

impl Key {
    fn default_value(&self) -> Value {
        let defaults = ServerConfig::default();
        match self.name {
            "enabled" => Value::Bool(defaults.enabled),
            "language" => Value::from(defaults.language),
            "system_prompt" => Value::from(defaults.system_prompt),
            "channels" => Value::Array(Vec::new()),
            "support_role_id" => Value::Null,
            "max_messages_per_user" => Value::from(defaults.max_messages_per_user),
            "max_text_length" => Value::from(defaults.max_text_length),
            "auto_close_hours" => Value::from(defaults.auto_close_hours),
            "close_warning_hours" => Value::from(defaults.close_warning_hours),
            "ticket_auto_resolve_hours" => Value::from(defaults.ticket_auto_resolve_hours),
            _ => unreachable!("every key of KEYS is handled"),
        }
    }
}

fn readable(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(readable).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
