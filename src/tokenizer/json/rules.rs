//! The rules of a `tokenizer.json`: normalizer, pre-tokenizer, decoder, template.
//!
//! Everything that is not understood is an error that quotes it: a rule that is passed over changes
//! the ids, and nothing would say so.

use serde_json::Value;

use super::super::normalize::Step;
use super::super::patterns::Pattern;
use super::super::vocabulary::{LeadingSpace, Strip};
use crate::error::{Error, ErrorKind, Result, excerpt};
use crate::memory::{self, TryGrow, try_copy_text};

/// What stands for a space in a vocabulary of SentencePiece's kind.
pub(super) const SPACE_MARK: &str = "▁";

/// Most steps of a kind.
const MAX_STEPS: usize = 16;

/// What a file says about text before it is merged.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub normalizer: Vec<Step>,
    /// Whether the vocabulary spells a space as [`SPACE_MARK`]. Text and tokens have a space in its
    /// place here.
    pub marks_spaces: bool,
    /// Whether tokens are bytes, in GPT-2's spelling.
    pub is_bytes: bool,
    pub steps: Vec<Pattern>,
    pub leading_space: LeadingSpace,
    /// Whether a piece begins at every space.
    pub divides_at_spaces: bool,
    pub strip: Strip,
}

/// The error for a rule that is not known.
pub(super) fn unknown(what: &str, rule: &Value, expected: &str) -> Error {
    let text = memory::text(rule).unwrap_or_default();
    Error::new(
        ErrorKind::UnsupportedFile,
        format!(
            "the {what} {} is none that this crate has: expected {expected}",
            excerpt(&text)
        ),
    )
}

impl Plan {
    /// Reads the rules. `null` is the same as none.
    pub(super) fn read(normalizer: &Value, pre_tokenizer: &Value, decoder: &Value) -> Result<Self> {
        let mut plan = Self::default();
        plan.normalize(normalizer, 0)?;
        plan.pre_tokenize(pre_tokenizer, 0)?;
        plan.finish_normalizer(normalizer)?;
        match plan.is_bytes {
            true => bytes_decoder(decoder)?,
            false => plan.decode(decoder)?,
        }
        Ok(plan)
    }

    fn normalize(&mut self, rule: &Value, depth: usize) -> Result<()> {
        const EXPECTED: &str = "NFC, Prepend, Replace of a string, or a Sequence of these";
        let refuse = || unknown("normalizer", rule, EXPECTED);
        if rule.is_null() {
            return Ok(());
        }
        let step = match kind(rule) {
            "Sequence" => {
                for part in parts(rule, "normalizers", depth).ok_or_else(refuse)? {
                    self.normalize(part, depth + 1)?;
                }
                return Ok(());
            }
            "NFC" => Step::Nfc,
            "Prepend" => Step::Prepend(text(rule, "prepend").ok_or_else(refuse)?),
            "Replace" => {
                let from = rule.get("pattern").and_then(|p| text(p, "String"));
                let to = text(rule, "content");
                let (Some(from), Some(to)) = (from, to) else {
                    return Err(refuse());
                };
                Step::Replace(from, to)
            }
            _ => return Err(refuse()),
        };
        match self.normalizer.len() < MAX_STEPS {
            true => Ok(self.normalizer.try_push(step)?),
            false => Err(refuse()),
        }
    }

    /// Turns the step that marks spaces around: where a mark stands, a space does.
    fn finish_normalizer(&mut self, rule: &Value) -> Result<()> {
        let marks = |step: &Step| matches!(step, Step::Replace(from, to) if from == " " && to == SPACE_MARK);
        let count = self.normalizer.len();
        self.normalizer.retain(|step| !marks(step));
        self.marks_spaces |= self.normalizer.len() < count;
        if !self.marks_spaces {
            return Ok(());
        }
        for step in &mut self.normalizer {
            match step {
                Step::Nfc | Step::Map(_) | Step::Squeeze => {}
                Step::Prepend(before) => *before = before.replace(SPACE_MARK, " "),
                Step::Replace(from, to) => {
                    let is_apart = |text: &str| !text.contains([' ', '▁']);
                    if !is_apart(from) || !is_apart(to) {
                        let expected = "no other replacement of spaces beside that by ▁";
                        return Err(unknown("normalizer", rule, expected));
                    }
                }
            }
        }
        let back = Step::Replace(SPACE_MARK.to_owned(), " ".to_owned());
        Ok(self.normalizer.try_push(back)?)
    }

    fn pre_tokenize(&mut self, rule: &Value, depth: usize) -> Result<()> {
        const EXPECTED: &str = "ByteLevel, Digits, Metaspace with ▁, Split by the pattern of a \
                                published tokenizer, or a Sequence of these with ByteLevel last";
        let refuse = || unknown("pre-tokenizer", rule, EXPECTED);
        if rule.is_null() {
            return Ok(());
        }
        let kind = kind(rule);
        if kind == "Sequence" {
            for part in parts(rule, "pretokenizers", depth).ok_or_else(refuse)? {
                self.pre_tokenize(part, depth + 1)?;
            }
            return Ok(());
        }
        // What comes before these would see other text than here, and what comes behind as well.
        let is_first = self.steps.is_empty() && !self.divides_at_spaces;
        if self.is_bytes || self.steps.len() >= MAX_STEPS {
            return Err(refuse());
        }
        let step = match kind {
            "ByteLevel" => {
                self.is_bytes = true;
                if flag(rule, "add_prefix_space", true).ok_or_else(refuse)? {
                    if !is_first {
                        return Err(refuse());
                    }
                    self.leading_space = LeadingSpace::Always;
                }
                match flag(rule, "use_regex", true).ok_or_else(refuse)? {
                    true => Pattern::Gpt2,
                    false => return Ok(()),
                }
            }
            "Digits" => match flag(rule, "individual_digits", false).ok_or_else(refuse)? {
                true => Pattern::Digits { most: 1 },
                false => Pattern::Digits { most: usize::MAX },
            },
            "Split" => match self.split_pattern(rule).ok_or_else(refuse)? {
                Some(pattern) => pattern,
                None => return Ok(()),
            },
            "Metaspace" if is_first => {
                let space = metaspace(rule).ok_or_else(refuse)?;
                self.leading_space = space;
                self.divides_at_spaces = flag(rule, "split", true).ok_or_else(refuse)?;
                self.marks_spaces = true;
                return Ok(());
            }
            _ => return Err(refuse()),
        };
        Ok(self.steps.try_push(step)?)
    }

    /// The pattern of a split; nothing for one that no text has.
    fn split_pattern(&self, rule: &Value) -> Option<Option<Pattern>> {
        let pattern = rule.get("pattern")?;
        let behavior = rule.get("behavior")?.as_str()?;
        let invert = flag(rule, "invert", false)?;
        if let Some(string) = pattern.get("String") {
            // No space is left by then.
            let replaces = |step: &Step| matches!(step, Step::Replace(from, to) if from == " " && to == SPACE_MARK);
            let is_gone = string == " " && self.normalizer.iter().any(replaces) && !invert;
            return is_gone.then_some(None);
        }
        let known = Pattern::of(pattern.get("Regex")?.as_str()?)?;
        let keeps_all = match (behavior, invert) {
            ("Isolated", false) => true,
            ("Removed", true) => known.covers_all(),
            _ => false,
        };
        keeps_all.then_some(Some(known))
    }

    fn decode(&mut self, rule: &Value) -> Result<()> {
        const EXPECTED: &str = "Replace of ▁ by a space, ByteFallback, Fuse, Strip of one space at \
                                the start, or Metaspace";
        let refuse = || unknown("decoder", rule, EXPECTED);
        let mut single = std::slice::from_ref(rule);
        if kind(rule) == "Sequence" {
            single = parts(rule, "decoders", 0).ok_or_else(refuse)?;
        }
        let (mut unmarks, mut falls_back, mut fuses) = (false, false, false);
        for part in single {
            match kind(part) {
                "Replace" => {
                    let from = part.get("pattern").and_then(|p| p.get("String"));
                    let is_mark = from.is_some_and(|from| from == SPACE_MARK);
                    if !is_mark || part.get("content").is_none_or(|to| to != " ") {
                        return Err(refuse());
                    }
                    unmarks = true;
                }
                "ByteFallback" => falls_back = true,
                "Fuse" => fuses = true,
                "Strip" => {
                    let count = |name| part.get(name).and_then(Value::as_u64);
                    let is_space = part.get("content").is_some_and(|content| content == " ");
                    self.strip = match (is_space, count("start"), count("stop")) {
                        (_, Some(0), Some(0)) => self.strip,
                        (true, Some(1), Some(0)) if fuses => Strip::Space,
                        _ => return Err(refuse()),
                    };
                }
                "Metaspace" => {
                    unmarks = true;
                    if metaspace(part).ok_or_else(refuse)? != LeadingSpace::Never {
                        self.strip = Strip::Spaces;
                    }
                }
                _ => return Err(refuse()),
            }
        }
        match falls_back && unmarks == self.marks_spaces {
            true => Ok(()),
            false => Err(refuse()),
        }
    }
}

/// Accepts the decoder of a byte-level vocabulary.
fn bytes_decoder(rule: &Value) -> Result<()> {
    let parts = parts(rule, "decoders", 0);
    let is_only = |rule: &Value| kind(rule) == "ByteLevel";
    match is_only(rule) || matches!(parts, Some([only]) if is_only(only)) {
        true => Ok(()),
        false => Err(unknown("decoder", rule, "ByteLevel")),
    }
}

/// What a template puts before a text: the names of tokens.
pub(super) fn prefix(rule: &Value, ids: &mut Vec<u32>) -> Result<()> {
    const EXPECTED: &str = "ByteLevel, TemplateProcessing with tokens before the text alone, or a \
                            Sequence of these";
    let refuse = || unknown("post-processor", rule, EXPECTED);
    match kind(rule) {
        _ if rule.is_null() => Ok(()),
        "ByteLevel" => Ok(()),
        "Sequence" => {
            for part in parts(rule, "processors", 0).ok_or_else(refuse)? {
                match kind(part) {
                    "ByteLevel" => {}
                    "TemplateProcessing" if ids.is_empty() => {
                        template(part, ids)?.ok_or_else(refuse)?
                    }
                    _ => return Err(refuse()),
                }
            }
            Ok(())
        }
        "TemplateProcessing" => template(rule, ids)?.ok_or_else(refuse),
        _ => Err(refuse()),
    }
}

fn template(rule: &Value, ids: &mut Vec<u32>) -> Result<Option<()>> {
    let single = rule.get("single").and_then(Value::as_array);
    let tokens = rule.get("special_tokens");
    let (Some(single), Some(tokens)) = (single, tokens) else {
        return Ok(None);
    };
    let mut had_text = false;
    for part in single {
        let special = part.get("SpecialToken").and_then(|token| token.get("id"));
        let Some(name) = special.and_then(Value::as_str) else {
            if had_text || part.get("Sequence").is_none() {
                return Ok(None);
            }
            had_text = true;
            continue;
        };
        let of_name = tokens.get(name).and_then(|token| token.get("ids"));
        let (Some(of_name), false) = (of_name.and_then(Value::as_array), had_text) else {
            return Ok(None);
        };
        for id in of_name {
            let Some(id) = id.as_u64().and_then(|id| u32::try_from(id).ok()) else {
                return Ok(None);
            };
            ids.try_push(id)?;
        }
    }
    Ok(had_text.then_some(()))
}

/// The type of a rule.
fn kind(rule: &Value) -> &str {
    rule.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// The rules of a sequence.
fn parts<'r>(rule: &'r Value, name: &str, depth: usize) -> Option<&'r [Value]> {
    let parts = rule.get(name)?.as_array()?;
    (depth < 4 && parts.len() <= MAX_STEPS).then_some(parts)
}

fn text(rule: &Value, name: &str) -> Option<String> {
    try_copy_text(rule.get(name)?.as_str()?).ok()
}

/// A flag of a rule; nothing if it is no flag.
fn flag(rule: &Value, name: &str, default: bool) -> Option<bool> {
    match rule.get(name) {
        None => Some(default),
        Some(value) => value.as_bool(),
    }
}

/// Where a rule with [`SPACE_MARK`] puts one before text.
fn metaspace(rule: &Value) -> Option<LeadingSpace> {
    if rule.get("replacement")? != SPACE_MARK {
        return None;
    }
    match (rule.get("prepend_scheme"), rule.get("add_prefix_space")) {
        (Some(scheme), _) => match scheme.as_str()? {
            "always" => Some(LeadingSpace::Always),
            "first" => Some(LeadingSpace::First),
            "never" => Some(LeadingSpace::Never),
            _ => None,
        },
        (None, None | Some(Value::Bool(true))) => Some(LeadingSpace::Always),
        (None, Some(Value::Bool(false))) => Some(LeadingSpace::Never),
        (None, Some(_)) => None,
    }
}
