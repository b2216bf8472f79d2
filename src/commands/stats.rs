//! `/stats`: what was asked and what became of it, as a table. Pure.

use std::fmt::Write as _;

pub const DESCRIPTION: &str = "For staff: questions, answers and tickets of the last 7, 30 and 90 days";
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

/// What is said.
pub fn table(periods: &[Numbers]) -> String {
    if periods.iter().all(|it| it.queries == 0 && it.forwarded == 0) {
        return "Nobody has asked anything in the last 90 days. Once somebody does, the numbers are here."
            .to_owned();
    }
    let mut text = "```\n".to_owned();
    let mut row = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
        writeln!(text, "{name:<18}{cells}").expect("writing to a string cannot fail");
    };
    let of = |cell: &dyn Fn(&Numbers) -> String| periods.iter().map(cell).collect::<Vec<_>>();
    row("", of(&|it| format!("{} days", it.days)));
    row("Questions", of(&|it| number(it.queries)));
    row("Resolved", of(&|it| number(it.confirmed + it.assumed)));
    row("  confirmed", of(&|it| number(it.confirmed)));
    row("  assumed", of(&|it| number(it.assumed)));
    row("To staff", of(&|it| number(it.forwarded)));
    row("Answer after", of(&|it| seconds(it)));
    text.push_str(
        "```\n-# Confirmed: whoever asked or staff said so. Assumed: whoever asked had an answer and wrote no more. \
         Days are those of UTC.",
    );
    text
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
        let text = table(&[week, Numbers { days: 30, ..Numbers::default() }, year]);
        let line = |name: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("Questions"), "Questions 12 0 1\u{202f}234\u{202f}567".replace('\u{202f}', " "));
        assert_eq!(
            (line("Resolved"), line("confirmed")),
            ("Resolved 8 0 0".into(), "confirmed 5 0 0".into())
        );
        assert_eq!(line("Answer"), "Answer after 1.5 s – 2 min");
        assert!(text.lines().all(|line| line.chars().count() <= 200));
    }

    #[test]
    fn who_has_no_numbers_is_told_so() {
        assert!(table(&[Numbers::default()]).starts_with("Nobody"));
    }
}
