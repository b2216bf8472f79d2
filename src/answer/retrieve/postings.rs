//! Which units (passages or documents) have a term, and how often. Pure.

/// For each term the units that have it, in their order, with the weighted number of times. All lists lie behind each
/// other in one piece of memory, which is made in two passes: an index is loaded while members wait for it.
#[derive(Debug, Default)]
pub(super) struct Postings {
    /// Where the list of each term begins; one more, where the last ends.
    begins: Vec<u32>,
    entries: Vec<(u32, f32)>,
    /// Length of each unit over the mean length.
    relative_lengths: Vec<f32>,
}

/// Postings as they are collected, unit after unit.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Terms of all units with their counts.
    terms: Vec<(u32, f32)>,
    /// Where the terms of each unit end.
    ends: Vec<usize>,
}

impl Collected {
    /// A term of the unit that is being collected; each term once.
    pub(super) fn add(&mut self, term: u32, count: f32) {
        self.terms.push((term, count));
    }

    pub(super) fn end_unit(&mut self) {
        self.ends.push(self.terms.len());
    }

    /// Sorts by term what was collected by unit; terms are below `terms`.
    pub(super) fn finish(self, terms: usize) -> Postings {
        let mut begins = vec![0u32; terms + 1];
        for (term, _) in &self.terms {
            begins[*term as usize + 1] += 1;
        }
        for at in 1..begins.len() {
            begins[at] += begins[at - 1];
        }
        let mut next = begins.clone();
        let mut entries = vec![(0u32, 0f32); self.terms.len()];
        let mut lengths = Vec::with_capacity(self.ends.len());
        let mut from = 0;
        for (end, unit) in self.ends.iter().zip(0u32..) {
            let of_unit = &self.terms[from..*end];
            from = *end;
            lengths.push(of_unit.iter().map(|(_, count)| count).sum::<f32>());
            for (term, count) in of_unit {
                let place = &mut next[*term as usize];
                entries[*place as usize] = (unit, *count);
                *place += 1;
            }
        }
        let mean = lengths.iter().sum::<f32>() / lengths.len().max(1) as f32;
        let relative = |length: f32| length / mean.max(f32::MIN_POSITIVE);
        Postings { begins, entries, relative_lengths: lengths.into_iter().map(relative).collect() }
    }
}

impl Postings {
    pub(super) fn of(&self, term: u32) -> &[(u32, f32)] {
        match self.begins.get(term as usize..).unwrap_or_default() {
            [from, to, ..] => &self.entries[*from as usize..*to as usize],
            _ => &[],
        }
    }

    pub(super) fn relative_length(&self, unit: u32) -> f32 {
        self.relative_lengths[unit as usize]
    }

    pub(super) fn bytes(&self) -> usize {
        4 * self.begins.len() + 8 * self.entries.len() + 4 * self.relative_lengths.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terms_units_are_found_in_their_order() {
        let mut collected = Collected::default();
        for unit in [&[(2, 1.0), (0, 2.0)][..], &[], &[(2, 3.0)]] {
            unit.iter().for_each(|(term, count)| collected.add(*term, *count));
            collected.end_unit();
        }
        let postings = collected.finish(4);
        assert_eq!(postings.of(2), [(0, 1.0), (2, 3.0)]);
        assert_eq!((postings.of(0), postings.of(1)), (&[(0, 2.0)][..], &[][..]));
        assert_eq!((postings.of(3), postings.of(4), postings.of(u32::MAX)), (&[][..], &[][..], &[][..]));
        assert!((postings.relative_length(0) - 1.5).abs() < 1e-6);
        assert!(Collected::default().finish(0).of(0).is_empty());
    }
}
