//! Vocabularies read from files: the compiled-in one written out and read back, and bad ones.

use std::collections::BTreeMap;
use std::path::Path;

use codegeex::ErrorKind;
use codegeex::tokenizer::{BpeTokenizer, SpecialTokens, Tokenizer};
use proptest::prelude::*;
use tempfile::TempDir;

static MERGES: &[u8] = include_bytes!("../../src/tokenizer/gpt2_merges.bin");

/// The contents of the three files, to be spoiled by tests.
#[derive(Clone)]
struct Files {
    vocab: BTreeMap<String, u64>,
    merges: Vec<String>,
    added: BTreeMap<String, u64>,
}

impl Files {
    /// The compiled-in vocabulary, with only the first `merges` merges.
    fn codegeex(merges: usize) -> Self {
        let tokenizer = BpeTokenizer::codegeex().unwrap();
        let pieces = 256 + merges as u32;
        let spelled: Vec<String> = (0..pieces)
            .map(|id| spell(tokenizer.token_bytes(id).unwrap()))
            .collect();
        let mut vocab: BTreeMap<String, u64> = spelled.iter().cloned().zip(0..).collect();
        vocab.insert("<|endoftext|>".to_owned(), u64::from(pieces));
        let (pairs, _) = MERGES.as_chunks::<4>();
        let half = |bytes| &spelled[usize::from(u16::from_le_bytes(bytes))];
        let lines = pairs[..merges]
            .iter()
            .map(|&[a, b, c, d]| format!("{} {}", half([a, b]), half([c, d])));
        Self {
            vocab,
            merges: lines.collect(),
            added: (1..=143)
                .map(|n| (format!("<|extratoken_{n}|>"), u64::from(pieces) + n))
                .collect(),
        }
    }

    fn write(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        write("vocab.json", serde_json::to_string(&self.vocab).unwrap());
        write(
            "merges.txt",
            format!("#version: 0.2\n{}\n", self.merges.join("\n")),
        );
        write(
            "added_tokens.json",
            serde_json::to_string(&self.added).unwrap(),
        );
        folder
    }

    fn load(&self) -> codegeex::Result<BpeTokenizer> {
        BpeTokenizer::from_folder(self.write().path())
    }
}

/// The characters that GPT-2's files have for bytes.
fn spell(bytes: &[u8]) -> String {
    let printable = |byte: &u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let spell = |&byte: &u8| match printable(&byte) {
        true => char::from(byte),
        false => {
            let before = (0..byte).filter(|byte| !printable(byte)).count();
            char::from_u32(256 + before as u32).unwrap()
        }
    };
    bytes.iter().map(spell).collect()
}

/// Asserts that loading fails and that the message holds all of `parts`.
fn refused(files: &Files, parts: &[&str]) {
    refused_folder(files.write().path(), parts);
}

fn refused_folder(folder: &Path, parts: &[&str]) {
    let error = BpeTokenizer::from_folder(folder).expect_err("a bad vocabulary");
    assert_eq!(error.kind(), ErrorKind::InvalidVocabulary, "{error}");
    for part in parts {
        assert!(
            error.to_string().contains(part),
            "{part:?} is not in: {error}"
        );
    }
}

#[test]
fn the_compiled_in_vocabulary_survives_being_written() {
    let read = Files::codegeex(50_000).load().unwrap();
    let ours = BpeTokenizer::codegeex().unwrap();
    assert_eq!(read.vocab_size(), ours.vocab_size());
    assert_eq!(read.end_of_text(), ours.end_of_text());
    for id in 0..50_500 {
        assert_eq!(read.token_bytes(id), ours.token_bytes(id));
    }
    let text = include_str!("../data/tokenizer_cases.jsonl");
    for special in [SpecialTokens::AsText, SpecialTokens::Parse] {
        assert_eq!(
            read.encode(text, special).unwrap(),
            ours.encode(text, special).unwrap()
        );
    }
}

/// Ids need not follow the order of merges.
#[test]
fn permuted_ids_permute_the_encoding() {
    let files = Files::codegeex(1000);
    let plain = files.load().unwrap();
    let size = plain.vocab_size() as u64;
    let mut permuted = files.clone();
    for id in permuted
        .vocab
        .values_mut()
        .chain(permuted.added.values_mut())
    {
        *id = (*id * 11 + 3) % size;
    }
    assert!(!size.is_multiple_of(11), "the map of ids is a permutation");
    let permuted = permuted.load().unwrap();
    let text = "def f(x):\n    return the_other(x)  # and <|endoftext|> more\n".repeat(50);
    let expected: Vec<u32> = plain
        .encode(&text, SpecialTokens::Parse)
        .unwrap()
        .iter()
        .map(|id| (id * 11 + 3) % size as u32)
        .collect();
    assert_eq!(
        permuted.encode(&text, SpecialTokens::Parse).unwrap(),
        expected
    );
    assert_eq!(permuted.decode(&expected).unwrap(), text);
    assert_eq!(
        permuted.end_of_text(),
        (plain.end_of_text() * 11 + 3) % size as u32
    );
}

#[test]
fn ids_that_collide_are_missing_or_are_huge() {
    let good = Files::codegeex(10);
    for huge in [410, 1 << 32, u64::MAX] {
        let mut files = good.clone();
        files.added.insert("<|extratoken_143|>".to_owned(), huge);
        let huge = huge.to_string();
        refused(
            &files,
            &[
                "added_tokens.json",
                "<|extratoken_143|>",
                &huge,
                "expected ids below 410",
            ],
        );
    }
    let mut files = good.clone();
    files.vocab.insert("<|endoftext|>".to_owned(), 5);
    refused(&files, &["vocab.json", "<|endoftext|>", "\"&\"", "id 5"]);
    let mut files = good.clone();
    files.added.remove("<|extratoken_20|>");
    refused(
        &files,
        &["<|extratoken_143|>", "id 409", "expected ids below 409"],
    );
    let mut files = good.clone();
    files.added.insert("!".to_owned(), 7);
    refused(
        &files,
        &["added_tokens.json", "\"!\"", "id 7", "elsewhere 0"],
    );
    let mut files = good;
    files.added.insert("<|endoftext|>".to_owned(), 266);
    assert_eq!(
        files.load().unwrap().end_of_text(),
        266,
        "in both files, with one id"
    );
}

#[test]
fn merges_that_do_not_fit_the_vocabulary() {
    let good = Files::codegeex(10);
    let with_line = |at: usize, line: &str| {
        let mut files = good.clone();
        files.merges[at] = line.to_owned();
        files
    };
    refused(
        &with_line(3, "q Zyx"),
        &["merges.txt", "line 5", "\"Zyx\" is not in the vocabulary"],
    );
    refused(
        &with_line(0, "Ġt h"),
        &["line 2", "\"Ġt\" is not made by an earlier line"],
    );
    refused(
        &with_line(4, "x y"),
        &["line 6", "\"xy\"", "expected an id for it"],
    );
    refused(
        &with_line(4, &good.merges[2].clone()),
        &["line 6", "earlier line"],
    );
    for line in ["x", "x  y", "x y z", "x\ty"] {
        refused(
            &with_line(4, line),
            &["line 6", "expected two tokens and one space"],
        );
    }
    let mut files = good.clone();
    files.merges.pop();
    refused(
        &files,
        &["vocab.json", "id 265", "neither a byte nor made by a merge"],
    );
}

#[test]
fn tokens_that_must_be_there() {
    let good = Files::codegeex(10);
    let rename = |map: &mut BTreeMap<String, u64>, from: &str, to: &str| {
        let id = map.remove(from).unwrap();
        map.insert(to.to_owned(), id);
    };
    let mut files = good.clone();
    rename(&mut files.added, "<|extratoken_12|>", "<|other|>");
    refused(
        &files,
        &["added_tokens.json", "there is no token <|extratoken_12|>"],
    );
    let mut files = good.clone();
    rename(&mut files.vocab, "<|endoftext|>", "<|eot|>");
    refused(&files, &["there is no token <|endoftext|>"]);
    let mut files = good.clone();
    rename(&mut files.vocab, "Ċ", "<|newline|>");
    refused(
        &files,
        &["\"Ċ\"", "byte 0x0a", "expected one for every byte"],
    );
    let mut files = good;
    rename(&mut files.added, "<|extratoken_20|>", "extra");
    refused(&files, &["\"extra\"", "expected a name such as"]);
}

#[test]
fn files_that_cannot_be_read() {
    let spoiled = |name: &str, bytes: &[u8]| {
        let folder = Files::codegeex(10).write();
        std::fs::write(folder.path().join(name), bytes).unwrap();
        folder
    };
    for json in [
        "",
        "{",
        "[]",
        "[[\"a\", 1]]",
        "7",
        "{\"a\": -1}",
        "{\"a\": 1.5}",
        "{\"a\": 1e30}",
        "{\"a\": \"b\"}",
        "{\"a\": 1} x",
        "{\"a\": 99999999999999999999}",
        "{\"a\": null}",
    ] {
        refused_folder(
            spoiled("vocab.json", json.as_bytes()).path(),
            &["vocab.json", "expected"],
        );
        refused_folder(
            spoiled("added_tokens.json", json.as_bytes()).path(),
            &["added_tokens.json"],
        );
    }
    let deep = "[".repeat(100_000);
    refused_folder(
        spoiled("vocab.json", deep.as_bytes()).path(),
        &["vocab.json"],
    );
    refused_folder(
        spoiled("vocab.json", b"{\"a\": 0, \"a\": 1}").path(),
        &["\"a\"", "id 1", "elsewhere 0"],
    );
    for name in ["vocab.json", "merges.txt", "added_tokens.json"] {
        refused_folder(
            spoiled(name, b"\xFF\xFE").path(),
            &[name, "not UTF-8 at byte 0"],
        );
        let folder = Files::codegeex(10).write();
        std::fs::remove_file(folder.path().join(name)).unwrap();
        let error = BpeTokenizer::from_folder(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(name));
    }
}

/// A file of a few lines can ask for tokens of any length.
#[test]
fn merges_that_double_without_end() {
    let doubled = |times: u32| {
        let mut files = Files::codegeex(0);
        for n in 0..times {
            let half = "a".repeat(1 << n);
            files.merges.push(format!("{half} {half}"));
            files.vocab.insert(half.repeat(2), 0);
        }
        let tokens = files.vocab.len() as u64;
        let ids = files.vocab.values_mut().zip(0..);
        ids.for_each(|(id, n)| *id = n);
        let ids = files.added.values_mut().zip(tokens..);
        ids.for_each(|(id, n)| *id = n);
        files
    };
    let expected = ["merges.txt", "line 12", "2048 bytes", "at most 1024"];
    refused(&doubled(12), &expected);
    // A string that no token can be is refused before the merges are looked at.
    refused(&doubled(24), &["vocab.json", "8193 bytes", "at most 1024"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever happens to one file, loading ends in a tokenizer or an error, and the tokenizer
    /// still spells any text.
    #[test]
    fn spoiled_files_never_panic(
        which in prop::sample::select(vec!["vocab.json", "merges.txt", "added_tokens.json"]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, "[ -~Ġ\n]{0,3}"), 1..4),
        text in any::<String>(),
    ) {
        let folder = Files::codegeex(20).write();
        let path = folder.path().join(which);
        let mut chars: Vec<char> = std::fs::read_to_string(&path).unwrap().chars().collect();
        for (at, cut, insert) in edits {
            let at = at.index(chars.len() + 1);
            let end = (at + cut).min(chars.len());
            chars.splice(at..end, insert.chars());
        }
        std::fs::write(&path, chars.into_iter().collect::<String>()).unwrap();
        match BpeTokenizer::from_folder(folder.path()) {
            Ok(tokenizer) => {
                let ids = tokenizer.encode(&text, SpecialTokens::AsText).unwrap();
                prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text);
            }
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::InvalidVocabulary),
        }
    }
}
