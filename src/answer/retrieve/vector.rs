//! Reads Postgres' `tsvector`: its text form `'lexeme':1A,4 'it''s':2`, and the binary one, which takes a third of the time.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueFormat, PgValueRef, Postgres};

/// Where a lexeme stood: the weight that [`crate::knowledge::index`] gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Title,
    Heading,
    Body,
}

/// One lexeme at one position of the text; positions count stop words too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub lexeme: String,
    pub position: u16,
    pub place: Place,
}

/// A tsvector as it is read: for each of its lexemes the text, a zero byte, the number of positions, and these as Postgres
/// sends them. Source: `tsvectorsend` in PostgreSQL's `src/backend/utils/adt/tsvector.c`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lexemes(Vec<u8>);

/// Bits of a position that are its weight.
const WEIGHT_SHIFT: u32 = 14;
const POSITION: u16 = (1 << WEIGHT_SHIFT) - 1;

impl Lexemes {
    /// Of the text form.
    pub fn parse(vector: &str) -> Self {
        let mut tokens = tokens(vector);
        tokens.sort_by(|one, other| one.lexeme.cmp(&other.lexeme));
        let mut bytes = Vec::new();
        for of_lexeme in tokens.chunk_by(|one, other| one.lexeme == other.lexeme) {
            bytes.extend_from_slice(of_lexeme[0].lexeme.as_bytes());
            bytes.push(0);
            bytes.extend(u16::try_from(of_lexeme.len()).unwrap_or(u16::MAX).to_be_bytes());
            for token in of_lexeme.iter().take(usize::from(u16::MAX)) {
                let weight: u16 = match token.place {
                    Place::Title => 3,
                    Place::Heading => 2,
                    Place::Body => 0,
                };
                bytes.extend((weight << WEIGHT_SHIFT | token.position.min(POSITION)).to_be_bytes());
            }
        }
        Self(bytes)
    }

    /// Every lexeme with where it stood. Stops at what is not as Postgres sends it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Positions<'_>)> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let end = rest.iter().position(|byte| *byte == 0)?;
            let lexeme = std::str::from_utf8(&rest[..end]).ok()?;
            let (count, after) = rest[end + 1..].split_first_chunk::<2>()?;
            let (positions, after) = after.split_at_checked(2 * usize::from(u16::from_be_bytes(*count)))?;
            rest = after;
            Some((lexeme, Positions(positions.as_chunks::<2>().0)))
        })
    }
}

/// The positions of a lexeme; one at 0 for a lexeme that has none.
#[derive(Clone, Copy, Debug)]
pub struct Positions<'a>(&'a [[u8; 2]]);

impl Positions<'_> {
    pub fn iter(&self) -> impl Iterator<Item = (u16, Place)> {
        let bare: &[[u8; 2]] = if self.0.is_empty() { &[[0, 0]] } else { &[] };
        self.0.iter().chain(bare).map(|bytes| {
            let both = u16::from_be_bytes(*bytes);
            let place = match both >> WEIGHT_SHIFT {
                3 => Place::Title,
                2 => Place::Heading,
                _ => Place::Body,
            };
            (both & POSITION, place)
        })
    }
}

impl sqlx::Type<Postgres> for Lexemes {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("tsvector")
    }
}

impl sqlx::Decode<'_, Postgres> for Lexemes {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Text => Ok(Self::parse(value.as_str()?)),
            // Before the first lexeme stands their number.
            PgValueFormat::Binary => {
                Ok(Self(value.as_bytes()?.get(4..).ok_or("a tsvector is too short")?.to_vec()))
            }
        }
    }
}

/// The tokens in the order of the text. Anything that is not a tsvector gives what could be read of it.
pub fn tokens(vector: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = vector.chars().peekable();
    while rest.next_if(|c| *c == ' ').is_some() || rest.peek().is_some() {
        if rest.next_if_eq(&'\'').is_none() {
            rest.next();
            continue;
        }
        let mut lexeme = String::new();
        while let Some(c) = rest.next() {
            match c {
                '\'' if rest.next_if_eq(&'\'').is_none() => break,
                '\\' => lexeme.extend(rest.next()),
                c => lexeme.push(c),
            }
        }
        rest.next_if_eq(&':');
        let mut position = 0u16;
        let mut place = Place::Body;
        while let Some(c) = rest.next_if(|c| *c != ' ') {
            match c {
                'A' => place = Place::Title,
                'B' => place = Place::Heading,
                ',' => {
                    tokens.push(Token { lexeme: lexeme.clone(), position, place });
                    (position, place) = (0, Place::Body);
                }
                c => {
                    let digit = c.to_digit(10).and_then(|digit| u16::try_from(digit).ok()).unwrap_or(0);
                    position = position.saturating_mul(10).saturating_add(digit);
                }
            }
        }
        tokens.push(Token { lexeme, position, place });
    }
    tokens.sort_by_key(|token| token.position);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn positions_weights_and_quotes_are_read() {
        let seen: Vec<_> = tokens(r"'b''c':2,10B 'a':1A '\\d':3")
            .into_iter()
            .map(|token| (token.lexeme, token.position, token.place))
            .collect();
        let wanted = [
            ("a", 1, Place::Title),
            ("b'c", 2, Place::Body),
            ("\\d", 3, Place::Body),
            ("b'c", 10, Place::Heading),
        ];
        assert_eq!(seen, wanted.map(|(lexeme, at, place)| (lexeme.to_owned(), at, place)));
        assert!(tokens("").is_empty());
    }

    #[test]
    fn a_vector_in_memory_says_what_its_text_says() {
        let seen: Vec<_> = Lexemes::parse(r"'b''c':2,10B 'a':1A 'd'")
            .iter()
            .map(|(lexeme, positions)| (lexeme.to_owned(), positions.iter().collect::<Vec<_>>()))
            .collect();
        let wanted = [
            ("a", vec![(1, Place::Title)]),
            ("b'c", vec![(2, Place::Body), (10, Place::Heading)]),
            ("d", vec![(0, Place::Body)]),
        ];
        assert_eq!(seen, wanted.map(|(lexeme, at)| (lexeme.to_owned(), at)));
    }

    proptest! {
        #[test]
        fn no_text_panics_or_hangs(text in ".{0,80}") {
            tokens(&text);
            let _: usize = Lexemes::parse(&text).iter().map(|(_, positions)| positions.iter().count()).sum();
        }

        #[test]
        fn no_bytes_panic_or_hang(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _: usize = Lexemes(bytes).iter().map(|(_, positions)| positions.iter().count()).sum();
        }
    }
}
