//! The text after the cursor, for models without fill-in-the-middle, such as CodeGeeX. They see what
//! is before the cursor only. So a suffix does two things to finished completions: what repeats its
//! beginning is cut off, here, and candidates are ranked by how likely they are together with it, in
//! [`crate::engine`].

/// How much of a completion to keep, in bytes: up to where it begins to repeat what is there.
pub fn keep(completion: &str, suffix: &str) -> usize {
    let whole = repeated_line(completion, suffix).unwrap_or(completion.len());
    whole - overlap(&completion[..whole], suffix)
}

/// Where a line of the completion is the first line of the suffix that says anything.
fn repeated_line(completion: &str, suffix: &str) -> Option<usize> {
    let line = suffix.lines().find(|line| !line.trim().is_empty())?;
    // The rest of the cursor's own line is no line; a lone bracket ends many blocks.
    let own_line = suffix.starts_with(line);
    if own_line || !line.contains(char::is_alphanumeric) {
        return None;
    }
    let mut at = 0;
    for found in completion.split_inclusive('\n') {
        if at > 0 && found.trim_end() == line.trim_end() {
            return Some(at);
        }
        at += found.len();
    }
    None
}

/// The length of the longest end of the completion that is a beginning of the suffix. Closing
/// brackets that the completion opened are its own.
fn overlap(completion: &str, suffix: &str) -> usize {
    let ends = suffix.char_indices().map(|(at, c)| at + c.len_utf8());
    let ends: Vec<usize> = ends.take_while(|&end| end <= completion.len()).collect();
    let repeats = |&&end: &&usize| {
        let start = completion.len() - end;
        completion.ends_with(&suffix[..end]) && unopened(&completion[..start], &suffix[..end])
    };
    ends.iter().rev().find(repeats).copied().unwrap_or(0)
}

/// Whether `end` closes nothing that `before` has opened.
fn unopened(before: &str, end: &str) -> bool {
    let pairs = [('(', ')'), ('[', ']'), ('{', '}')];
    pairs.iter().all(|&(open, close)| {
        let mut depth = 0usize;
        for c in before.chars() {
            match c {
                c if c == open => depth += 1,
                c if c == close => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        // Brackets that `end` opens and closes itself say nothing.
        let mut inner = 0usize;
        for c in end.chars() {
            match c {
                c if c == open => inner += 1,
                c if c == close && inner > 0 => inner -= 1,
                c if c == close && depth > 0 => return false,
                _ => {}
            }
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn kept(completion: &str, suffix: &str, expected: &str) {
        assert_eq!(&completion[..keep(completion, suffix)], expected);
    }

    #[test]
    fn closing_brackets_that_are_there_are_cut() {
        kept("a, b)", ")\nprint(1)", "a, b");
        kept("f(a)", ")", "f(a)");
        kept("f(a))", ")", "f(a)");
        kept("a]):", "]):\n    pass", "a");
        kept("(a)", "(a)", "");
    }

    #[test]
    fn lines_that_are_there_are_cut() {
        let suffix = "\n    return total\n\ndef g():";
        kept(
            "    total += x\n    return total\n",
            suffix,
            "    total += x",
        );
        kept("total += x\n    return total", suffix, "total += x");
        kept(
            "total += x\n    return total * 2",
            suffix,
            "total += x\n    return total * 2",
        );
        kept("return 0\n}\nx\n}", "\n}\n", "return 0\n}\nx");
    }

    #[test]
    fn what_does_not_repeat_stays() {
        kept("abc", "xyz", "abc");
        kept("", "xyz", "");
        kept("é", "\u{e9}f", "");
        kept("aé", "bé", "aé");
    }
}
