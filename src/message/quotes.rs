//! A plain text cut into what its author says, what is quoted, and the signature, so that a page can
//! fold what was read before.

/// A stretch of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Whose words these are.
    pub kind: PassageKind,
    /// How many lines it has.
    pub lines: usize,
    /// The text, cut where the depth of quoting changes; never empty.
    pub runs: Vec<Run>,
}

/// Whose words they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassageKind {
    /// The author's.
    Said,
    /// Somebody's before: lines that begin with `>` (RFC 3676 §4.5).
    Quoted,
    /// What follows a line of two hyphens and a space (RFC 3676 §4.3).
    Signature,
}

/// Lines of one depth of quoting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// How often they are quoted; 0 for not at all.
    pub depth: usize,
    /// The lines without their marks.
    pub text: String,
}

/// Cuts a text into passages. Their number is bounded; the last one is then all the rest as it stands.
pub fn passages(text: &str) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut runs = 0;
    let mut rest = text;
    while let Some(line) = rest.split_inclusive('\n').next() {
        let (depth, said) = unquoted(line);
        let kind = match (depth, passages.last()) {
            (0, _) if said.trim_end_matches(['\r', '\n']) == "-- " => PassageKind::Signature,
            (0, Some(Passage { kind: PassageKind::Signature, .. })) => PassageKind::Signature,
            (0, _) => PassageKind::Said,
            _ => PassageKind::Quoted,
        };
        if runs >= MOST_PASSAGES {
            add(&mut passages, PassageKind::Said, 0, rest);
            return passages;
        }
        runs += usize::from(add(&mut passages, kind, depth, said));
        rest = &rest[line.len()..];
    }
    passages
}

/// Adds a line, and tells whether a run begins with it.
fn add(passages: &mut Vec<Passage>, kind: PassageKind, depth: usize, text: &str) -> bool {
    if passages.last().is_none_or(|last| last.kind != kind) {
        passages.push(Passage { kind, lines: 0, runs: Vec::new() });
    }
    let Some(passage) = passages.last_mut() else { return false };
    passage.lines += 1;
    match passage.runs.last_mut().filter(|run| run.depth == depth) {
        Some(run) => {
            run.text.push_str(text);
            false
        }
        None => {
            passage.runs.push(Run { depth, text: text.to_owned() });
            true
        }
    }
}

/// How often a line is quoted, and the line without its marks: `>> a`, `> > a`.
fn unquoted(line: &str) -> (usize, &str) {
    let (mut depth, mut rest) = (0, line);
    while let Some(inner) = rest.strip_prefix('>') {
        depth += 1;
        rest = inner.strip_prefix(' ').filter(|it| it.starts_with('>')).unwrap_or(inner);
    }
    match depth {
        0 => (0, line),
        depth => (depth, rest.strip_prefix(' ').unwrap_or(rest)),
    }
}

/// Most changes of depth followed; somebody who writes more of them is no person.
const MOST_PASSAGES: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::{PassageKind::*, *};

    #[track_caller]
    fn check(text: &str, expected: &[(PassageKind, &[(usize, &str)])]) {
        let found = passages(text);
        let found: Vec<_> = found
            .iter()
            .map(|passage| {
                let runs = passage.runs.iter().map(|run| (run.depth, run.text.as_str()));
                (passage.kind, runs.collect::<Vec<_>>())
            })
            .collect();
        let expected: Vec<_> = expected.iter().map(|(kind, runs)| (*kind, runs.to_vec())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn who_says_what() {
        check("", &[]);
        check("a\n\nb", &[(Said, &[(0, "a\n\nb")])]);
        check(
            "Yes.\n> one\r\n>> two\n> > too\n>\nNo.\n-- \nAnn\nPS\n> x",
            &[
                (Said, &[(0, "Yes.\n")]),
                (Quoted, &[(1, "one\r\n"), (2, "two\ntoo\n"), (1, "\n")]),
                (Said, &[(0, "No.\n")]),
                (Signature, &[(0, "-- \nAnn\nPS\n")]),
                (Quoted, &[(1, "x")]),
            ],
        );
        check(" > not a quote", &[(Said, &[(0, " > not a quote")])]);
    }

    #[test]
    fn never_too_many() {
        let text = "> a\nb\n".repeat(10_000);
        let found = passages(&text);
        assert!(found.len() <= MOST_PASSAGES + 1);
        assert!(
            found.last().is_some_and(|last| last.runs.iter().any(|run| run.text.contains("> a")))
        );
        passages(&">".repeat(1_000_000));
    }
}
