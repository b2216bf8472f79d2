//! `/stats`: what was asked and what became of it, as a table. Pure.

use std::fmt::Write as _;

use crate::texts::{Lang, say};

/// The periods, in days.
pub const PERIODS: [i32; 3] = [7, 30, 90];

/// The numbers of one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    pub days: i32,
    pub queries: i64,
    /// By whoever asked or by staff.
    pub confirmed: i64,
    /// Because whoever asked fell silent.
    pub assumed: i64,
    pub forwarded: i64,
    pub responses: i64,
    pub response_ms: i64,
}

/// What is said. Words come last in their lines: how wide they are in a code block nobody knows.
pub fn table(lang: Lang, periods: &[Numbers]) -> String {
    if periods.iter().all(|it| it.queries == 0 && it.forwarded == 0) {
        return say!(lang, "stats-none");
    }
    let mut text = "```\n".to_owned();
    let mut row = |name: String, cell: &dyn Fn(&Numbers) -> String| {
        let cells: String = periods.iter().map(|it| format!("{:>10}", cell(it))).collect();
        writeln!(text, "{cells}  {name}").expect("writing to a string cannot fail");
    };
    row(say!(lang, "stats-days"), &|it| it.days.to_string());
    row(say!(lang, "stats-questions"), &|it| number(it.queries));
    row(say!(lang, "stats-resolved"), &|it| number(it.confirmed + it.assumed));
    row(format!("  {}", say!(lang, "stats-confirmed")), &|it| number(it.confirmed));
    row(format!("  {}", say!(lang, "stats-assumed")), &|it| number(it.assumed));
    row(say!(lang, "stats-forwarded"), &|it| number(it.forwarded));
    row(say!(lang, "stats-time"), &|it| seconds(it));
    format!("{text}```\n-# {}", say!(lang, "stats-note"))
}

/// With a blank between thousands.
fn number(number: i64) -> String {
    let digits = number.to_string();
    let mut spaced = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !spaced.ends_with('-') {
            spaced.push('\u{202f}');
        }
        spaced.push(digit);
    }
    spaced
}

/// The average time until an answer was there.
fn seconds(numbers: &Numbers) -> String {
    if numbers.responses == 0 {
        return "–".to_owned();
    }
    let tenths = numbers.response_ms / numbers.responses / 100;
    match tenths {
        0..600 => format!("{}.{} s", tenths / 10, tenths % 10),
        _ => format!("{} min", tenths / 600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_column_for_each_period_and_tells_confirmed_from_assumed() {
        let week = Numbers {
            days: 7,
            queries: 12,
            confirmed: 5,
            assumed: 3,
            forwarded: 2,
            responses: 12,
            response_ms: 18_000,
        };
        let year = Numbers {
            days: 90,
            queries: 1_234_567,
            responses: 1,
            response_ms: 125_000,
            ..Numbers::default()
        };
        let text = table(Lang::En, &[week, Numbers { days: 30, ..Numbers::default() }, year]);
        let line = |name: &str| {
            let line = text.lines().find(|line| line.ends_with(name)).unwrap_or_default();
            line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("questions"), "12 0 1\u{202f}234\u{202f}567 questions");
        assert_eq!(
            (line("resolved"), line("  confirmed")),
            ("8 0 0 resolved".into(), "5 0 0 confirmed".into())
        );
        assert_eq!(line("until the answer"), "1.5 s – 2 min until the answer");
    }

    #[test]
    fn who_has_no_numbers_is_told_so() {
        assert!(table(Lang::En, &[Numbers::default()]).starts_with("Nobody"));
    }
}
