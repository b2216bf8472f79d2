//! What people read of the bot, in their language: one Fluent file for each subject and language in `locales/`,
//! embedded in the binary.
//!
//! Promises: every text that is said exists in every language with the same variables, and none is longer than Discord
//! lets it be (held by the tests below); what is said follows from language, key and arguments alone, so that every
//! worker of one release says the same. Pure. Source: <https://projectfluent.org/fluent/guide/>.

pub mod language;

use std::collections::HashMap;
use std::sync::LazyLock;

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement, Variant, VariantKey};
use fluent_syntax::parser::parse;
use serde_json::Value;

use crate::discord::{ChannelId, RoleId, UserId};
pub use language::Lang;

/// The files of a language.
macro_rules! embedded {
    ($($tag:literal),+ => $files:tt) => {
        [$(embedded!(@of $tag $files)),+]
    };
    (@of $tag:literal [$($file:literal),+ $(,)?]) => {
        &[$(include_str!(concat!("../locales/", $tag, "/", $file, ".ftl"))),+]
    };
}

/// In the order of [`Lang::ALL`]. A new file is named here, and has to be there in every language.
static SOURCES: [&[&str]; Lang::ALL.len()] = embedded!(
    "en", "de", "es", "fr", "pt-BR", "ru", "ja" => ["members", "tickets", "config", "staff", "knowledge", "direct"]
);

type Texts = HashMap<&'static str, Pattern<&'static str>>;

static TEXTS: LazyLock<Vec<Texts>> = LazyLock::new(|| Lang::ALL.into_iter().map(read).collect());

fn read(lang: Lang) -> Texts {
    let mut texts = Texts::new();
    for source in lang.sources() {
        // What can be read of a broken file counts; the tests let none through.
        let resource = parse(*source).unwrap_or_else(|(readable, _)| readable);
        for entry in resource.body {
            if let Entry::Message(message) = entry
                && let Some(pattern) = message.value
            {
                texts.insert(message.id.name, pattern);
            }
        }
    }
    texts
}

impl Lang {
    fn sources(self) -> &'static [&'static str] {
        SOURCES[self.index()]
    }
}

/// The name of a text, for tables that are not said yet. Written as a literal: the tests look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(pub &'static str);

impl Key {
    /// Words that nobody has translated yet: the same in every language.
    pub const fn untranslated(english: &'static str) -> Self {
        Self(english)
    }

    /// A key is one word.
    fn is_translated(self) -> bool {
        !self.0.contains(' ')
    }

    pub fn in_lang(self, lang: Lang) -> String {
        if self.is_translated() { text(lang, self.0, &[]) } else { self.0.to_owned() }
    }

    /// The text in every language but English, by the locales that Discord knows.
    /// Source: <https://discord.com/developers/docs/reference#locales>.
    pub fn localizations(self) -> Value {
        let others = Lang::ALL.into_iter().filter(|lang| *lang != Lang::En && self.is_translated());
        let texts = others.flat_map(|lang| {
            let text = Value::from(self.in_lang(lang));
            lang.discord_locales().iter().map(move |locale| ((*locale).to_owned(), text.clone()))
        });
        Value::Object(texts.collect())
    }
}

/// What a text is filled in with. A number chooses the plural; ids are mentions or text, because Fluent's numbers lose
/// their digits.
#[derive(Debug, Clone)]
pub enum Arg {
    Text(String),
    Count(u32),
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Arg {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Arg {
    fn from(count: u32) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Arg {
    fn from(count: usize) -> Self {
        Self::Count(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

impl From<UserId> for Arg {
    fn from(user: UserId) -> Self {
        Self::Text(format!("<@{}>", user.0))
    }
}

impl From<RoleId> for Arg {
    fn from(role: RoleId) -> Self {
        Self::Text(format!("<@&{}>", role.0))
    }
}

impl From<ChannelId> for Arg {
    fn from(channel: ChannelId) -> Self {
        Self::Text(format!("<#{}>", channel.0))
    }
}

/// Says a text: `say!(lang, "tickets-none")`, `say!(lang, "limit-many", limit, again = at)`.
macro_rules! say {
    (@ $name:ident) => { $name };
    (@ $name:ident, $value:expr) => { $value };
    ($lang:expr, $key:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {
        $crate::texts::text(
            $lang,
            $key,
            &[$((stringify!($name), $crate::texts::Arg::from($crate::texts::say!(@ $name $(, $value)?)))),*],
        )
    };
}
pub(crate) use say;

/// Says a text by its key. [`say!`] is the way to call it: the tests look for that.
pub fn text(lang: Lang, key: &str, args: &[(&str, Arg)]) -> String {
    let said = said(lang, key, args).or_else(|| said(Lang::En, key, args));
    debug_assert!(said.is_some(), "{key} is not there, or cannot be filled in with {args:?}");
    said.unwrap_or_else(|| key.to_owned())
}

fn said(lang: Lang, key: &str, args: &[(&str, Arg)]) -> Option<String> {
    let mut out = String::new();
    write(&mut out, lang, TEXTS[lang.index()].get(key)?, args, 0)?;
    Some(out)
}

/// Texts may name each other, but not in a circle.
const DEEPEST: u8 = 4;

/// The part of Fluent that our files use: variables, other texts, and variants by a number. None: something else.
fn write(
    out: &mut String,
    lang: Lang,
    pattern: &Pattern<&str>,
    args: &[(&str, Arg)],
    depth: u8,
) -> Option<()> {
    let arg = |name: &str| args.iter().find(|(known, _)| *known == name).map(|(_, arg)| arg);
    for element in &pattern.elements {
        let expression = match element {
            PatternElement::TextElement { value } => {
                out.push_str(value);
                continue;
            }
            PatternElement::Placeable { expression } => expression,
        };
        match expression {
            Expression::Inline(InlineExpression::VariableReference { id }) => match arg(id.name)? {
                Arg::Text(text) => out.push_str(text),
                Arg::Count(count) => out.push_str(&count.to_string()),
            },
            Expression::Inline(InlineExpression::MessageReference { id, attribute: None })
                if depth < DEEPEST =>
            {
                write(out, lang, TEXTS[lang.index()].get(id.name)?, args, depth + 1)?;
            }
            Expression::Select { selector: InlineExpression::VariableReference { id }, variants } => {
                let Arg::Count(count) = arg(id.name)? else { return None };
                let variant = variant(variants, lang.plural(*count))?;
                write(out, lang, &variant.value, args, depth)?;
            }
            _ => return None,
        }
    }
    Some(())
}

fn variant<'a>(variants: &'a [Variant<&'a str>], plural: &str) -> Option<&'a Variant<&'a str>> {
    let is_it =
        |variant: &&Variant<&str>| matches!(variant.key, VariantKey::Identifier { name } if name == plural);
    variants.iter().find(is_it).or_else(|| variants.iter().find(|variant| variant.default))
}

#[cfg(test)]
mod tests;
