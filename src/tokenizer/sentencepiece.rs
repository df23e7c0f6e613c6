//! Reading `tokenizer.model`, the file in which SentencePiece keeps a tokenizer of type BPE.
//!
//! It is a protocol buffer, `sentencepiece.ModelProto`: pieces with a score and a type, the settings of
//! training and those of normalization. Two neighbours merge where a piece has their text, the one of
//! the highest score first, then the leftmost. So the rules are all divisions of all pieces, by score.
//!
//! SentencePiece puts a space before a text that is not empty; as with Hugging Face's tokenizers of this
//! kind, the text behind a control token is a text of its own.

use std::collections::HashMap;
use std::path::Path;

use super::added::{self, Flags, MAX_NAME};
use super::bpe::{Base, MAX_MERGES, MAX_TOKEN_LEN, MergeFault, Merges, Rule};
use super::charsmap::CharsMap;
use super::config::Config;
use super::normalize::Step;
use super::split::{Joins, Split};
use super::tiktoken;
use super::vocabulary::{LeadingSpace, MAX_IDS, Other, Rules, Strip, Vocabulary};
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind, Result, bail, excerpt};
use crate::memory::{TryGrow, try_copy, try_filled, try_vec};

/// What stands for a space in pieces.
const SPACE_MARK: &str = "▁";

/// Bytes of all divisions of all pieces at most. Published models have some millions.
const MAX_WORK: usize = 1 << 28;

/// The class of CodeGeeX2's tokenizer, which adds tokens behind those of its file: two of them are put
/// before every text.
const CHATGLM: &str = "ChatGLMTokenizer";
const CHATGLM_TOKENS: [&str; 5] = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"];
const CHATGLM_PREFIX: [u32; 2] = [1, 3];

/// Reads a file called `tokenizer.model`, which may be one of tiktoken.
pub(super) fn read(path: &Path) -> Result<Vocabulary> {
    let bytes = Bytes::read(path)?;
    let bytes = bytes.as_slice();
    let is_tiktoken = tiktoken::is_one(bytes);
    let config = Config::beside(path.parent().unwrap_or(Path::new("")), is_tiktoken)?;
    let vocabulary = match is_tiktoken {
        true => tiktoken::from_bytes(bytes, &config),
        false => from_bytes(bytes, &config),
    };
    vocabulary.map_err(|error| error.within(path.display()))
}

/// What a piece is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Byte,
}

#[derive(Debug, Clone, Copy)]
struct Piece<'m> {
    text: &'m str,
    score: f32,
    kind: Kind,
}

/// The parts of a file that matter.
#[derive(Debug)]
struct Model<'m> {
    pieces: Vec<Piece<'m>>,
    /// 1 Unigram, 2 BPE, 3 words, 4 characters.
    model_type: u64,
    byte_fallback: bool,
    whitespace_as_suffix: bool,
    end_of_text: u64,
    charsmap: Option<&'m [u8]>,
    dummy_prefix: bool,
    removes_spaces: bool,
    escapes_spaces: bool,
}

/// Reads the bytes of a file.
pub(super) fn from_bytes(bytes: &[u8], config: &Config) -> Result<Vocabulary> {
    let model = parse(bytes)?;
    check(&model)?;
    let mut by_text: HashMap<&str, u32> = HashMap::new();
    by_text.try_reserve(model.pieces.len())?;
    for (id, piece) in (0..).zip(&model.pieces) {
        if let Some(other) = by_text.insert(piece.text, id) {
            bail!(
                InvalidVocabulary,
                "the pieces {other} and {id} are both {}: expected one",
                excerpt(piece.text)
            );
        }
    }
    let base = base(&model, &by_text)?;
    let rules = merge_rules(&model, &by_text)?;
    let (merges, ids, ranked) = Merges::from_rules(&base, &rules, model.pieces.len())
        .map_err(|fault| describe(fault, &rules, &model))?;
    let mut joins = Box::new(Joins::new());
    merges.adjacent_bytes(|left, right| joins.join(left, right));
    if ranked.is_some() {
        // Other merges apply as well: all that pieces have beside each other counts.
        for rule in &rules {
            let text = model.pieces[rule.made as usize].text;
            for pair in text.replace(SPACE_MARK, " ").as_bytes().windows(2) {
                joins.join(pair[0], pair[1]);
            }
        }
    }

    let mut is_merged = try_filled(false, model.pieces.len())?;
    for &id in &ids {
        is_merged[id as usize] = true;
    }
    let (mut others, mut names) = (Vec::new(), Vec::new());
    for (id, piece) in (0..).zip(&model.pieces) {
        let is_control = matches!(piece.kind, Kind::Control | Kind::Unknown);
        let text = piece.text.replace(SPACE_MARK, " ");
        if is_control || piece.kind == Kind::UserDefined {
            if text.is_empty() || text.len() > MAX_NAME {
                bail!(
                    InvalidVocabulary,
                    "the piece {id} has a name of {} bytes: expected 1 to {MAX_NAME}",
                    text.len()
                );
            }
            let flags = Flags {
                normalized: !is_control,
                ..Flags::default()
            };
            let mut token = added::token(&text, id, flags)?;
            token.is_text = !is_control;
            names.try_push(token)?;
        }
        if !is_merged[id as usize] {
            let bytes = match byte_of(piece.text).filter(|_| piece.kind == Kind::Byte) {
                Some(byte) => vec![byte],
                None => text.into_bytes(),
            };
            others.try_push(Other {
                id,
                bytes,
                is_control,
                is_word: false,
            })?;
        }
    }
    let mut prefix = Vec::new();
    if config.class.as_deref() == Some(CHATGLM) {
        let first = model.pieces.len() as u32;
        for (id, name) in (first..).zip(CHATGLM_TOKENS) {
            names.try_push(added::token(name, id, Flags::default())?)?;
            others.try_push(Other {
                id,
                bytes: try_copy(name.as_bytes())?,
                is_control: true,
                is_word: false,
            })?;
        }
        prefix.try_extend(&CHATGLM_PREFIX.map(|at| first + at))?;
    }
    let mut normalizer = try_vec(4)?;
    if let Some(map) = model.charsmap.filter(|map| !map.is_empty()) {
        normalizer.push(Step::Map(CharsMap::new(map)?));
    }
    if model.removes_spaces {
        normalizer.push(Step::Squeeze);
    }
    if model.dummy_prefix {
        normalizer.push(Step::Prepend(" ".to_owned()));
    }
    normalizer.push(Step::Replace(SPACE_MARK.to_owned(), " ".to_owned()));
    let end = u32::try_from(model.end_of_text).unwrap_or(u32::MAX);
    let has_end = (end as usize) < model.pieces.len();
    let rules = Rules {
        split: Split::Joins(joins),
        normalizer,
        leading_space: LeadingSpace::Never,
        strip: match model.dummy_prefix {
            true => Strip::Space,
            false => Strip::Nothing,
        },
        ignore_merges: false,
        prefix,
        end_of_text: match &config.end {
            Some(name) if by_text.contains_key(&**name) => by_text[&**name],
            _ if has_end => end,
            _ => u32::MAX,
        },
    };
    Vocabulary::new(merges, ranked, ids, others, &names, rules)
}

/// Refuses what is not read here.
fn check(model: &Model<'_>) -> Result<()> {
    const TYPES: [&str; 4] = ["UNIGRAM", "BPE", "WORD", "CHAR"];
    let unsupported = |what: &str| -> Result<()> {
        let context = format!("the SentencePiece model {what}");
        Err(Error::new(ErrorKind::UnsupportedFile, context))
    };
    if model.model_type != 2 {
        let found = usize::try_from(model.model_type).unwrap_or(usize::MAX);
        let name = TYPES.get(found.wrapping_sub(1)).unwrap_or(&"unknown");
        return unsupported(&format!("is of type {name}: expected BPE"));
    }
    match () {
        () if model.pieces.is_empty() => unsupported("has no pieces: expected a vocabulary"),
        () if !model.byte_fallback => unsupported(
            "has no byte_fallback: expected it, without which there is text that has no ids",
        ),
        () if model.whitespace_as_suffix => {
            unsupported("has white space as suffix: expected it before words")
        }
        () if !model.escapes_spaces => {
            unsupported("does not escape white space: expected ▁ for a space")
        }
        () => Ok(()),
    }
}

fn base(model: &Model<'_>, by_text: &HashMap<&str, u32>) -> Result<Base> {
    let mut base = Base {
        bytes: std::array::from_fn(|byte| byte as u8),
        chars: Vec::new(),
        ids: try_vec(256)?,
    };
    let normal = |text: &str| {
        let id = by_text.get(text).copied()?;
        (model.pieces[id as usize].kind == Kind::Normal).then_some(id)
    };
    let mut bytes = [None; 256];
    for (id, piece) in (0..).zip(&model.pieces) {
        if let Some(byte) = byte_of(piece.text).filter(|_| piece.kind == Kind::Byte) {
            bytes[usize::from(byte)] = Some(id);
        }
    }
    for byte in 0..=u8::MAX {
        let mut buffer = [0; 4];
        let name: &str = match byte {
            b' ' => SPACE_MARK,
            0..0x80 => char::from(byte).encode_utf8(&mut buffer),
            _ => "",
        };
        let Some(id) = normal(name).or(bytes[usize::from(byte)]) else {
            bail!(
                InvalidVocabulary,
                "there is no piece for the byte {byte:#04x}: expected one for every byte"
            );
        };
        base.ids.push(id);
    }
    for (id, piece) in (0..).zip(&model.pieces) {
        let mut chars = piece.text.chars();
        if let (Some(c), None) = (chars.next(), chars.next())
            && !c.is_ascii()
            && piece.kind == Kind::Normal
            && piece.text != SPACE_MARK
        {
            base.chars.try_push(c)?;
            base.ids.try_push(id)?;
        }
    }
    Ok(base)
}

/// All divisions of all pieces of several characters, by the score of the piece.
fn merge_rules(model: &Model<'_>, by_text: &HashMap<&str, u32>) -> Result<Vec<Rule>> {
    let is_normal = |id: u32| model.pieces[id as usize].kind == Kind::Normal;
    let mut order = try_vec(model.pieces.len())?;
    for (id, piece) in (0_u32..).zip(&model.pieces) {
        if piece.text.len() > MAX_TOKEN_LEN {
            bail!(
                InvalidVocabulary,
                "the piece {id} has {} bytes: expected at most {MAX_TOKEN_LEN}",
                piece.text.len()
            );
        }
        if is_normal(id) && piece.text.chars().nth(1).is_some() {
            order.push(id);
        }
    }
    let score = |id: u32| model.pieces[id as usize].score;
    order.sort_unstable_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
    for pair in order.windows(2) {
        if score(pair[0]) == score(pair[1]) {
            bail!(
                UnsupportedFile,
                "the pieces {} and {} have the same score {}: expected an order",
                pair[0],
                pair[1],
                score(pair[0])
            );
        }
    }
    let mut rules = Vec::new();
    let mut work = 0;
    for made in order {
        let text = model.pieces[made as usize].text;
        work += text.len() * text.len();
        if work > MAX_WORK {
            bail!(
                InvalidVocabulary,
                "the pieces are too long together: expected at most {MAX_WORK} bytes in all their \
                 divisions"
            );
        }
        for (at, _) in text.char_indices().skip(1) {
            let (left, right) = text.split_at(at);
            if let (Some(&left), Some(&right)) = (by_text.get(left), by_text.get(right))
                && is_normal(left)
                && is_normal(right)
            {
                if rules.len() == MAX_MERGES {
                    bail!(
                        InvalidVocabulary,
                        "the pieces are made by more than {MAX_MERGES} merges: expected fewer"
                    );
                }
                rules.try_push(Rule { left, right, made })?;
            }
        }
    }
    Ok(rules)
}

/// The error for merges that [`Merges`] refuses.
fn describe(fault: MergeFault, rules: &[Rule], model: &Model<'_>) -> Error {
    let (merge, what) = match fault {
        MergeFault::OutOfMemory => return Error::out_of_memory("the pieces of the tokenizer"),
        MergeFault::TooLarge { merge } => (merge, "makes the pieces too many or too long to hold"),
        MergeFault::TooLong { merge, .. } => (merge, "is too long"),
        MergeFault::NotYetMade { merge, .. } | MergeFault::Repeated { merge, .. } => {
            (merge, "is made twice")
        }
    };
    let made = rules.get(merge).map(|rule| rule.made as usize);
    let piece = made.and_then(|id| model.pieces.get(id));
    let text = piece.map_or("", |piece| piece.text);
    let context = format!("the piece {} {what}", excerpt(text));
    Error::new(ErrorKind::InvalidVocabulary, context)
}

/// The byte of a piece such as `<0x0A>`.
fn byte_of(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_hex = |byte: u8| byte.is_ascii_hexdigit() && !byte.is_ascii_lowercase();
    match digits.len() == 2 && digits.bytes().all(is_hex) {
        true => u8::from_str_radix(digits, 16).ok(),
        false => None,
    }
}

fn parse(bytes: &[u8]) -> Result<Model<'_>> {
    let mut model = Model {
        pieces: Vec::new(),
        model_type: 1,
        byte_fallback: false,
        whitespace_as_suffix: false,
        end_of_text: 2,
        charsmap: None,
        dummy_prefix: true,
        removes_spaces: true,
        escapes_spaces: true,
    };
    let mut fields = Fields::new(bytes, 0);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(piece, at)) => {
                if model.pieces.len() == MAX_IDS {
                    bail!(
                        InvalidVocabulary,
                        "there are more than {MAX_IDS} pieces: expected fewer"
                    );
                }
                model.pieces.try_push(parse_piece(piece, at)?)?;
            }
            (2, Value::Bytes(trainer, at)) => {
                let mut fields = Fields::new(trainer, at);
                while let Some(field) = fields.next()? {
                    match field {
                        (3, Value::Varint(value)) => model.model_type = value,
                        (24, Value::Varint(value)) => model.whitespace_as_suffix = value != 0,
                        (35, Value::Varint(value)) => model.byte_fallback = value != 0,
                        (42, Value::Varint(value)) => model.end_of_text = value,
                        _ => {}
                    }
                }
            }
            (3, Value::Bytes(normalizer, at)) => {
                let mut fields = Fields::new(normalizer, at);
                while let Some(field) = fields.next()? {
                    match field {
                        (2, Value::Bytes(map, _)) => model.charsmap = Some(map),
                        (3, Value::Varint(value)) => model.dummy_prefix = value != 0,
                        (4, Value::Varint(value)) => model.removes_spaces = value != 0,
                        (5, Value::Varint(value)) => model.escapes_spaces = value != 0,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(model)
}

fn parse_piece(bytes: &[u8], at: usize) -> Result<Piece<'_>> {
    let mut piece = Piece {
        text: "",
        score: 0.0,
        kind: Kind::Normal,
    };
    let mut fields = Fields::new(bytes, at);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(text, at)) => {
                let Ok(text) = std::str::from_utf8(text) else {
                    bail!(
                        InvalidVocabulary,
                        "the piece at byte {at} is not UTF-8: expected text"
                    );
                };
                piece.text = text;
            }
            (2, Value::Fixed32(bits)) => piece.score = f32::from_bits(bits),
            (3, Value::Varint(kind)) => {
                piece.kind = match kind {
                    1 => Kind::Normal,
                    2 => Kind::Unknown,
                    3 => Kind::Control,
                    4 => Kind::UserDefined,
                    6 => Kind::Byte,
                    5 => bail!(
                        UnsupportedFile,
                        "the piece {} is marked as unused: expected none that is taken apart again",
                        excerpt(piece.text)
                    ),
                    _ => bail!(
                        UnsupportedFile,
                        "the piece {} is of type {kind}: expected 1 to 6",
                        excerpt(piece.text)
                    ),
                }
            }
            _ => {}
        }
    }
    if !piece.score.is_finite() {
        bail!(
            InvalidVocabulary,
            "the piece {} has the score {}: expected a number",
            excerpt(piece.text),
            piece.score
        );
    }
    Ok(piece)
}

/// The value of a field.
#[derive(Debug, Clone, Copy)]
enum Value<'m> {
    Varint(u64),
    Fixed64,
    /// Bytes, and where they begin in the file.
    Bytes(&'m [u8], usize),
    Fixed32(u32),
}

/// The fields of a message, one after the other.
struct Fields<'m> {
    bytes: &'m [u8],
    at: usize,
    /// Where the message begins in the file.
    start: usize,
}

impl<'m> Fields<'m> {
    fn new(bytes: &'m [u8], start: usize) -> Self {
        Self {
            bytes,
            at: 0,
            start,
        }
    }

    fn next(&mut self) -> Result<Option<(u64, Value<'m>)>> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let len = self.varint()?;
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                let at = self.start + self.at;
                Value::Bytes(self.take(len)?, at)
            }
            5 => {
                let bytes = self.take(4)?.first_chunk();
                Value::Fixed32(u32::from_le_bytes(*bytes.unwrap_or(&[0; 4])))
            }
            wire => bail!(
                MalformedFile,
                "a field at byte {} has the wire type {wire}: expected 0, 1, 2 or 5, as in a \
                 SentencePiece model",
                self.start + self.at
            ),
        };
        Ok(Some((key >> 3, value)))
    }

    fn take(&mut self, len: usize) -> Result<&'m [u8]> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..len) else {
            bail!(
                MalformedFile,
                "a field at byte {} has {len} bytes and {} are left: expected a SentencePiece model",
                self.start + self.at,
                rest.len()
            );
        };
        self.at += len;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        bail!(
            MalformedFile,
            "the number before byte {} has more than ten bytes: expected a SentencePiece model",
            self.start + self.at
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoder::BpeTokenizer;
    use super::super::{SpecialTokens, Tokenizer};

    /// A field with bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        let mut len = bytes.len();
        while len > 127 {
            field.push(len as u8 | 0x80);
            len >>= 7;
        }
        field.push(len as u8);
        field.extend(bytes);
        field
    }

    fn piece(text: &str, score: f32, kind: u8) -> Vec<u8> {
        let mut piece = field(1, text.as_bytes());
        piece.push(2 << 3 | 5);
        piece.extend(score.to_le_bytes());
        piece.extend([3 << 3, kind]);
        field(1, &piece)
    }

    /// BPE with byte_fallback, no removing of spaces.
    const TRAINER: [u8; 5] = [3 << 3, 2, 0x98, 0x02, 1];
    const NORMALIZER: [u8; 2] = [4 << 3, 0];

    fn model(pieces: &[(&str, u8)], trainer: &[u8], normalizer: &[u8]) -> Vec<u8> {
        let mut model = piece("<unk>", 0.0, 2);
        model.extend(piece("<s>", 0.0, 3));
        model.extend(piece("</s>", 0.0, 3));
        for byte in 0..=255 {
            model.extend(piece(&format!("<0x{byte:02X}>"), 0.0, 6));
        }
        for (at, (text, kind)) in pieces.iter().enumerate() {
            model.extend(piece(text, -(at as f32), *kind));
        }
        model.extend(field(2, trainer));
        model.extend(field(3, normalizer));
        model
    }

    const PIECES: [(&str, u8); 8] = [
        ("▁a", 1),
        ("ab", 1),
        ("▁ab", 1),
        ("▁▁", 1),
        ("▁", 1),
        ("a", 1),
        ("b", 1),
        ("é", 1),
    ];

    #[test]
    fn pieces_merge_by_score() {
        let bytes = model(&PIECES, &TRAINER, &NORMALIZER);
        let tokenizer = BpeTokenizer::from_sentencepiece(&bytes).unwrap();
        assert_eq!((tokenizer.vocab_size(), tokenizer.end_of_text()), (267, 2));
        // ▁a before ab, and then ▁ab of it.
        for (text, ids) in [
            ("ab", &[261][..]),
            ("aab", &[259, 260]),
            ("  ab", &[262, 261]),
            ("é\n", &[263, 266, 3 + 10]),
            ("▁ü", &[262, 3 + 0xC3, 3 + 0xBC]),
            ("", &[]),
        ] {
            assert_eq!(
                tokenizer.encode(text, SpecialTokens::AsText).unwrap(),
                ids,
                "{text}"
            );
            let decoded = tokenizer.decode(ids).unwrap();
            assert_eq!(decoded, text.replace('▁', " "));
        }
        let parsed = tokenizer.encode("<s>b</s>", SpecialTokens::Parse).unwrap();
        assert_eq!(parsed, [1, 263, 265, 2]);
        let text = tokenizer.encode("<s>", SpecialTokens::AsText).unwrap();
        assert!(!text.contains(&1));
        let more = tokenizer.encode_continuation("ab", SpecialTokens::AsText);
        assert_eq!(more.unwrap(), [260]);
    }

    #[test]
    fn what_is_not_read_is_named() {
        let refused = |bytes: &[u8], parts: &[&str]| {
            let error = BpeTokenizer::from_sentencepiece(bytes).unwrap_err();
            for part in parts {
                assert!(
                    error.to_string().contains(part),
                    "{part:?} is not in: {error}"
                );
            }
        };
        refused(
            &model(&PIECES, &[3 << 3, 1], &NORMALIZER),
            &["UNIGRAM", "expected BPE"],
        );
        refused(
            &model(&PIECES, &TRAINER[..2], &NORMALIZER),
            &["byte_fallback"],
        );
        let mapped = [&NORMALIZER[..], &field(2, &[1, 2, 3])].concat();
        refused(
            &model(&PIECES, &TRAINER, &mapped),
            &["map of characters", "3 bytes"],
        );
        refused(
            &model(&[("a", 1), ("a", 1)], &TRAINER, &NORMALIZER),
            &["both \"a\""],
        );
        refused(
            &model(&[("a", 5)], &TRAINER, &NORMALIZER),
            &["\"a\" is marked as unused"],
        );
        refused(&model(&[("a", 9)], &TRAINER, &NORMALIZER), &["of type 9"]);
        refused(&[], &["type UNIGRAM"]);
        let bytes = model(&PIECES, &TRAINER, &NORMALIZER);
        refused(&bytes[..bytes.len() - 1], &["are left"]);
        refused(&[0xFF; 20], &["more than ten bytes"]);
        refused(&[7], &["wire type 7"]);
        refused(&field(1, &field(1, &[0xFF])), &["byte 4 is not UTF-8"]);
    }
}
