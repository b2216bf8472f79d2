//! Reads the text form of Postgres' `tsvector`: `'lexeme':1A,4 'it''s':2`.

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

    proptest! {
        #[test]
        fn no_text_panics_or_hangs(text in ".{0,80}") {
            tokens(&text);
        }
    }
}
