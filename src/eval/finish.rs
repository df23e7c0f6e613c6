//! Where the reference ends a completion, and what it cuts off then.
//!
//! These rules count braces wherever they stand, in strings and comments too: this is what the
//! published figures were made with.

use super::dataset::Language;

/// Sees a completion piece by piece and says when it has ended.
#[derive(Debug, Clone)]
pub(super) struct Finish {
    language: Language,
    /// Closing braces less opening ones.
    closed: i64,
    /// In Python: whether the line began with a space or a tab, once it has begun.
    indented: Option<bool>,
    done: bool,
}

impl Finish {
    pub fn new(language: Language) -> Self {
        Self {
            language,
            closed: 0,
            indented: None,
            done: false,
        }
    }

    /// Takes the next piece. Whether the completion ends with it; the piece belongs to it as a
    /// whole, as the reference looks after each token.
    pub fn push(&mut self, piece: &str) -> bool {
        match self.language {
            Language::Python => {
                for c in piece.chars() {
                    if c == '\n' {
                        self.indented = None;
                        continue;
                    }
                    let indented = *self.indented.get_or_insert(c == ' ' || c == '\t');
                    self.done |= !indented && !c.is_whitespace();
                }
            }
            _ => {
                for c in piece.chars() {
                    self.closed += i64::from(c == '}') - i64::from(c == '{');
                }
                // Exactly one: a token that closes two goes on, as in the reference.
                self.done = self.closed == 1;
            }
        }
        self.done
    }
}

/// What is kept of a completion that has ended.
pub(super) fn clean(language: Language, code: &str) -> String {
    let mut code = code.to_owned();
    let cut_at_last = |code: &mut String, words: &[&str]| {
        for word in words {
            if let Some(at) = code.rfind(word) {
                code.truncate(at);
            }
        }
    };
    match language {
        Language::Python => {
            let words = ["\ndef", "\nclass", "\nif", "\n#", "\nprint", "\nassert"];
            cut_at_last(&mut code, &words);
            return code;
        }
        Language::Java => {
            if let Some(at) = code.find("public static void main") {
                code.truncate(at);
                code.push('}');
            }
        }
        Language::Go => cut_at_last(&mut code, &["\n//", "\nfunc main("]),
        Language::Cpp | Language::JavaScript | Language::Rust => {}
    }
    if let Some(at) = code.rfind('}') {
        code.truncate(at + 1);
    }
    // What closes the class.
    if language == Language::Java && code.matches('{').count() + 1 == code.matches('}').count() {
        code.push_str("\n}");
    }
    code
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The reference's rule over the whole text, for comparison.
    fn has_ended(language: Language, code: &str) -> bool {
        match language {
            Language::Python => code.split('\n').any(|line| {
                !line.trim().is_empty() && !line.starts_with(' ') && !line.starts_with('\t')
            }),
            _ => code.matches('{').count() + 1 == code.matches('}').count(),
        }
    }

    proptest! {
        #[test]
        fn pieces_are_judged_as_the_whole(pieces in proptest::collection::vec("[ \t\r\na}{#é]{0,3}", 0..12)) {
            for language in Language::ALL {
                let mut finish = Finish::new(language);
                let mut text = String::new();
                for piece in &pieces {
                    text.push_str(piece);
                    let ended = has_ended(language, &text);
                    prop_assert_eq!(finish.push(piece), ended, "{:?} in {}", &text, language);
                    if ended {
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn what_comes_after_the_function_is_cut_off() {
        let python = "    return 1\n\ndef f():\n    pass\ndef";
        assert_eq!(
            clean(Language::Python, python),
            "    return 1\n\ndef f():\n    pass"
        );
        assert_eq!(
            clean(Language::Python, "    return 1\nx"),
            "    return 1\nx"
        );
        assert_eq!(
            clean(Language::Cpp, "  return 1;\n}\nint"),
            "  return 1;\n}"
        );
        assert_eq!(clean(Language::Rust, "1\n}\n#["), "1\n}");
        assert_eq!(clean(Language::JavaScript, "return"), "return");
        assert_eq!(clean(Language::Go, "\treturn\n}\n// x }\n"), "\treturn\n}");
        assert_eq!(
            clean(Language::Go, "\treturn\n}\nfunc main() {}"),
            "\treturn\n}"
        );
        assert_eq!(
            clean(Language::Java, "  return 1;\n  }"),
            "  return 1;\n  }\n}"
        );
        let main = "  return 1;\n  }\n  public static void main(String[] a) {";
        assert_eq!(clean(Language::Java, main), "  return 1;\n  }\n  }");
    }
}
