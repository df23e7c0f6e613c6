//! Tokenizers of other models: small ones of every kind against what other implementations make of
//! texts, and files that are bad.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use codegeex::ErrorKind;
use codegeex::tokenizer::{
    BpeTokenizer, EncodeScratch, InvalidUtf8, SpecialTokens, StreamDecoder, Tokenizer,
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

const KINDS: [&str; 14] = [
    "codegen",
    "deepseek_coder",
    "deepseek_v3",
    "flags",
    "gemma",
    "gpt2",
    "llama2",
    "llama3",
    "metaspace",
    "mistral",
    "neox",
    "qwen2",
    "starcoder",
    "yi",
];

#[derive(Deserialize)]
struct Fixture {
    prefix: Vec<u32>,
    cases: Vec<Case>,
    #[serde(default)]
    tokenizer: Value,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/tokenizers")
        .join(name)
}

fn fixture(name: &str) -> Fixture {
    let json = std::fs::read_to_string(data(&format!("{name}.json"))).unwrap();
    serde_json::from_str(&json).unwrap()
}

fn open(json: &Value) -> codegeex::Result<BpeTokenizer> {
    BpeTokenizer::from_json(&json.to_string(), None)
}

fn check(tokenizer: &BpeTokenizer, fixture: &Fixture, policy: SpecialTokens, name: &str) {
    assert_eq!(tokenizer.prefix(), fixture.prefix, "{name}");
    assert!(fixture.cases.len() > 70);
    let mut scratch = EncodeScratch::default();
    for case in &fixture.cases {
        let text = &case.text;
        let ids = tokenizer.encode(text, policy).unwrap();
        assert_eq!(ids, case.ids, "{name}: {text:?}");
        let mut again = Vec::new();
        tokenizer
            .encode_into(text, policy, &mut scratch, &mut again)
            .unwrap();
        assert_eq!(again, ids, "{name}: {text:?}");
        assert_eq!(
            tokenizer.decode(&ids).unwrap(),
            case.decoded,
            "{name}: {text:?}"
        );
        let (mut stream, mut streamed) = (StreamDecoder::new(InvalidUtf8::Replace), String::new());
        for id in ids {
            assert!((id as usize) < tokenizer.vocab_size());
            stream.push_token(tokenizer, id, &mut streamed).unwrap();
        }
        stream.finish(&mut streamed).unwrap();
        assert_eq!(streamed, case.decoded, "{name}: {text:?}");
    }
}

#[test]
fn every_kind_encodes_as_hugging_face_does() {
    for name in KINDS {
        let fixture = fixture(name);
        let tokenizer = open(&fixture.tokenizer).unwrap_or_else(|e| panic!("{name}: {e}"));
        check(&tokenizer, &fixture, SpecialTokens::Parse, name);
    }
}

#[test]
fn sentencepiece_encodes_as_sentencepiece_does() {
    for name in ["sentencepiece", "sentencepiece_mapped"] {
        let tokenizer = BpeTokenizer::open(data(&format!("{name}.model"))).unwrap();
        check(&tokenizer, &fixture(name), SpecialTokens::AsText, name);
    }
}

/// CodeGeeX2's class adds tokens, two of which stand before every text.
#[test]
fn the_class_beside_a_model_adds_its_tokens() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        data("sentencepiece.model"),
        folder.path().join("tokenizer.model"),
    )
    .unwrap();
    let plain = BpeTokenizer::open(folder.path()).unwrap();
    let config = json!({"tokenizer_class": "ChatGLMTokenizer", "eos_token": "</s>"});
    std::fs::write(
        folder.path().join("tokenizer_config.json"),
        config.to_string(),
    )
    .unwrap();
    let tokenizer = BpeTokenizer::open(folder.path()).unwrap();
    let first = plain.vocab_size() as u32;
    assert_eq!(tokenizer.vocab_size(), plain.vocab_size() + 5);
    assert_eq!(tokenizer.prefix(), [first + 1, first + 3]);
    assert_eq!(tokenizer.control_id("sop"), Some(first + 3));
    assert_eq!(tokenizer.end_of_text(), 2);
    let ids = tokenizer.encode_prompt("a", SpecialTokens::AsText).unwrap();
    let text = plain.encode("a", SpecialTokens::AsText).unwrap();
    assert_eq!(ids, [tokenizer.prefix(), &text].concat());
}

/// Without parsing, text makes no control token, and comes back.
#[test]
fn text_stays_text() {
    for name in KINDS {
        let fixture = fixture(name);
        let tokenizer = open(&fixture.tokenizer).unwrap();
        for case in &fixture.cases {
            let ids = tokenizer.encode(&case.text, SpecialTokens::AsText).unwrap();
            assert!(
                ids.iter().all(|&id| !tokenizer.is_control(id)),
                "{name}: {:?}",
                case.text
            );
            // What NFC composes and marks that stand for spaces do not come back as they were.
            if !case.text.contains(['\u{301}', '\u{212b}', '▁'])
                && !["mistral", "metaspace"].contains(&name)
            {
                assert_eq!(tokenizer.decode(&ids).unwrap(), case.text, "{name}");
            }
            // Text that goes on is text without the space before it.
            let more = tokenizer
                .encode_continuation(&case.text, SpecialTokens::AsText)
                .unwrap();
            let bytes = more
                .iter()
                .flat_map(|&id| tokenizer.token_bytes(id).unwrap())
                .copied();
            let text = String::from_utf8(bytes.collect()).unwrap();
            if !case.text.contains(['\u{301}', '\u{212b}', '▁']) {
                assert_eq!(text, case.text, "{name}");
            }
        }
    }
}

#[test]
fn controls_have_names_and_one_ends_a_text() {
    for (name, control) in [
        ("gpt2", "<|endoftext|>"),
        ("starcoder", "<|fim_prefix|>"),
        ("qwen2", "<tool_call>"),
        ("llama2", "</s>"),
    ] {
        let fixture = fixture(name);
        let tokenizer = open(&fixture.tokenizer).unwrap();
        let id = tokenizer.control_id(control).unwrap();
        assert!(tokenizer.is_control(id));
        assert_eq!(
            tokenizer.encode(control, SpecialTokens::Parse).unwrap(),
            [id]
        );
        assert_eq!(tokenizer.token_bytes(id), Some(control.as_bytes()));
        let end = tokenizer.token_bytes(tokenizer.end_of_text()).unwrap();
        assert!([&b"<|endoftext|>"[..], b"</s>"].contains(&end));
        assert_eq!(tokenizer.control_id("def"), None);
    }
    // Spaces are text, whatever they are called.
    let codegen = open(&fixture("codegen").tokenizer).unwrap();
    let spaces = codegen
        .encode(&" ".repeat(24), SpecialTokens::AsText)
        .unwrap();
    assert_eq!(spaces.len(), 1);
    assert!(!codegen.is_control(spaces[0]));
}

#[test]
fn the_end_of_text_is_that_of_the_files_beside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let write =
        |name: &str, json: &Value| std::fs::write(path.join(name), json.to_string()).unwrap();
    let error = BpeTokenizer::open(path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error.to_string().contains("expected tokenizer.json"),
        "{error}"
    );
    write("tokenizer.json", &fixture("starcoder").tokenizer);
    let end = || {
        let tokenizer = BpeTokenizer::open(path).unwrap();
        let bytes = tokenizer.token_bytes(tokenizer.end_of_text());
        bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    assert_eq!(end().unwrap(), "<|endoftext|>");
    write(
        "special_tokens_map.json",
        &json!({"eos_token": {"content": "<|fim_middle|>"}}),
    );
    assert_eq!(end().unwrap(), "<|fim_middle|>");
    write(
        "tokenizer_config.json",
        &json!({"eos_token": "<|fim_suffix|>"}),
    );
    assert_eq!(end().unwrap(), "<|fim_suffix|>");
    write("tokenizer_config.json", &json!({"eos_token": null}));
    assert_eq!(end().unwrap(), "<|fim_middle|>");
    write("special_tokens_map.json", &json!({"eos_token": "nowhere"}));
    assert_eq!(end(), None);
    std::fs::write(path.join("special_tokens_map.json"), "{").unwrap();
    let error = BpeTokenizer::open(path).unwrap_err();
    assert!(
        error.to_string().contains("special_tokens_map.json"),
        "{error}"
    );
}

/// Asserts that the tokenizer with `value` at `pointer` is refused with all of `parts`.
fn refused(name: &str, pointer: &str, value: Value, parts: &[&str]) {
    let mut json = fixture(name).tokenizer;
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = json.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
    let error = open(&json)
        .err()
        .unwrap_or_else(|| panic!("{pointer} is accepted"));
    for part in parts {
        assert!(
            error.to_string().contains(part),
            "{pointer}: {part:?} is not in: {error}"
        );
    }
    let kinds = [ErrorKind::InvalidVocabulary, ErrorKind::UnsupportedFile];
    assert!(kinds.contains(&error.kind()), "{error}");
}

#[test]
fn a_rule_that_is_not_known_is_quoted() {
    for (pointer, value, part) in [
        ("/normalizer", json!({"type": "NFKC"}), "NFKC"),
        ("/normalizer", json!({"type": "Lowercase"}), "Lowercase"),
        (
            "/normalizer",
            json!({"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"}),
            "a+",
        ),
        (
            "/normalizer",
            json!({"type": "Sequence", "normalizers": [{"type": "Strip"}]}),
            "Strip",
        ),
        ("/normalizer", json!([1, 2]), "[1,2]"),
        (
            "/pre_tokenizer",
            json!({"type": "Whitespace"}),
            "Whitespace",
        ),
        (
            "/pre_tokenizer",
            json!({"type": "ByteLevel", "add_prefix_space": 1}),
            "add_prefix_space",
        ),
        ("/pre_tokenizer", json!(7), "7"),
        (
            "/pre_tokenizer/pretokenizers/0/pattern",
            json!({"Regex": "\\p{Han}+"}),
            "Han",
        ),
        (
            "/pre_tokenizer/pretokenizers/0/pattern",
            json!({"String": " "}),
            "String",
        ),
        (
            "/pre_tokenizer/pretokenizers/0/behavior",
            json!("Removed"),
            "Removed",
        ),
        (
            "/pre_tokenizer/pretokenizers/0/behavior",
            json!("MergedWithNext"),
            "MergedWithNext",
        ),
        (
            "/pre_tokenizer/pretokenizers/0/invert",
            json!(true),
            "invert",
        ),
        (
            "/pre_tokenizer/pretokenizers/0",
            json!({"type": "Metaspace", "replacement": "_"}),
            "\\\"_\\\"",
        ),
        ("/decoder", json!(null), "null"),
        ("/decoder", json!({"type": "WordPiece"}), "WordPiece"),
        (
            "/post_processor",
            json!({"type": "BertProcessing"}),
            "BertProcessing",
        ),
        ("/model/type", json!("Unigram"), "Unigram"),
        ("/model/type", json!("WordPiece"), "WordPiece"),
        ("/model/dropout", json!(0.1), "0.1"),
        ("/model/continuing_subword_prefix", json!("##"), "##"),
        ("/model/end_of_word_suffix", json!("</w>"), "</w>"),
        ("/model/ignore_merges", json!("yes"), "yes"),
        ("/model/cache", json!(1), "cache"),
        ("/language", json!("en"), "language"),
    ] {
        refused("qwen2", pointer, value, &[part]);
    }
    let after = json!({
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}},
    });
    refused("llama2", "/post_processor", after, &["</s>"]);
    refused(
        "llama2",
        "/post_processor/special_tokens/<s>/ids",
        json!([99_999]),
        &["99999"],
    );
    refused(
        "llama2",
        "/model/byte_fallback",
        json!(false),
        &["byte_fallback"],
    );
    refused(
        "llama2",
        "/decoder/decoders/0/content",
        json!("_"),
        &["decoder"],
    );
    refused(
        "llama2",
        "/decoder/decoders",
        json!([{"type": "Fuse"}]),
        &["Fuse"],
    );
    refused("llama2", "/decoder/decoders/3/start", json!(2), &["Strip"]);
    refused("llama2", "/normalizer", json!(null), &["decoder"]);
    let spaces = json!({"type": "Replace", "pattern": {"String": "  "}, "content": "x"});
    refused(
        "llama2",
        "/normalizer/normalizers/0",
        spaces,
        &["normalizer", "spaces"],
    );
}

#[test]
fn vocabularies_that_contradict_themselves() {
    let vocab = |token: &str, id: Value| ("qwen2", format!("/model/vocab/{token}"), id);
    for ((name, pointer, value), parts) in [
        (vocab("new", json!(5)), &["have the same id 5"][..]),
        (vocab("new", json!(1 << 20)), &["largest id", "1048576"]),
        (
            vocab("new", json!(u64::MAX)),
            &["largest id", "18446744073709551615"],
        ),
        (vocab("new", json!(-1)), &["invalid value", "-1"]),
        (vocab("new", json!(1.5)), &["1.5"]),
        (vocab("new", json!(null)), &["null"]),
        (
            ("qwen2", "/added_tokens/0/id".into(), json!(7)),
            &["same id 7"],
        ),
        (
            ("qwen2", "/added_tokens/0/id".into(), json!(1_u64 << 40)),
            &["largest id"],
        ),
        (
            ("qwen2", "/added_tokens/0/content".into(), json!("")),
            &["0 bytes", "1 to 256"],
        ),
        (
            (
                "qwen2",
                "/added_tokens/0/content".into(),
                json!("x".repeat(257)),
            ),
            &["257 bytes"],
        ),
        (
            ("qwen2", "/added_tokens/0/content".into(), json!("!")),
            &["\"!\"", "expected one"],
        ),
        (
            ("qwen2", "/model/merges/3".into(), json!(["a"])),
            &["two tokens"],
        ),
        (
            ("qwen2", "/model/merges/3".into(), json!(["a", "b", "c"])),
            &["two tokens"],
        ),
        (
            ("qwen2", "/model/merges/3".into(), json!("a")),
            &["two tokens"],
        ),
        (
            ("qwen2", "/model/merges/3".into(), json!("a b c")),
            &["two tokens"],
        ),
        (
            ("qwen2", "/model/merges/3".into(), json!(["nowhere", "a"])),
            &["\"nowhere\"", "merge 3"],
        ),
        (
            ("qwen2", "/model/merges/3".into(), json!(["Ć", "Ć"])),
            &["\"ĆĆ\"", "merge 3 makes"],
        ),
        (
            ("qwen2", "/model/vocab".into(), json!({})),
            &["no token \"!\"", "every byte"],
        ),
        (
            ("llama2", "/model/vocab".into(), json!({"a": 5})),
            &["<0x00>", "every byte"],
        ),
        (
            ("qwen2", "/model/vocab".into(), json!([["a", 1.0]])),
            &["an object of tokens"],
        ),
    ] {
        refused(name, &pointer, value, parts);
    }
    let twice = fixture("qwen2").tokenizer["model"]["merges"][0].clone();
    refused(
        "qwen2",
        "/model/merges/3",
        twice,
        &["merge 3", "same as merge 0"],
    );
    // Merges may be written as one string.
    let mut json = fixture("qwen2").tokenizer;
    for merge in json["model"]["merges"].as_array_mut().unwrap() {
        *merge = json!(format!(
            "{} {}",
            merge[0].as_str().unwrap(),
            merge[1].as_str().unwrap()
        ));
    }
    let fixture = fixture("qwen2");
    check(
        &open(&json).unwrap(),
        &fixture,
        SpecialTokens::Parse,
        "strings",
    );
}

#[test]
fn texts_that_are_no_tokenizer() {
    let deep = "[".repeat(100_000);
    let many = format!(
        "{{\"model\": {{}}, \"padding\": [{}0]}}",
        "0,".repeat(50_000)
    );
    for (json, part) in [
        ("", "expected a tokenizer"),
        ("{", "expected a tokenizer"),
        ("[]", "expected an object with a model"),
        ("{}", "missing field `model`"),
        ("{\"model\": 5}", "expected a model"),
        ("{\"model\": {}, \"model\": {}}", "duplicate field `model`"),
        (
            "{\"model\": {\"type\": \"BPE\", \"type\": \"BPE\"}}",
            "twice",
        ),
        (
            "{\"model\": {\"vocab\": {\"a\": 1}, \"vocab\": {\"b\": 1}}}",
            "duplicate field `vocab`",
        ),
        (
            "{\"model\": {\"vocab\": {\"a\": 1, \"a\": 2}}, \"decoder\": {\"type\": \"ByteLevel\"}, \
          \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}}",
            "expected one",
        ),
        ("{\"model\": {}} x", "trailing characters"),
        (&deep, "expected"),
        (&format!("{{\"padding\": {deep}"), "recursion limit"),
        (&many, "more than 20000 values"),
    ] {
        let error = BpeTokenizer::from_json(json, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidVocabulary, "{error}");
        assert!(
            error.to_string().contains(part),
            "{part:?} is not in: {error}"
        );
    }
}

/// Tokens that double in length with every merge.
#[test]
fn merges_that_double_without_end() {
    let mut json = fixture("gpt2").tokenizer;
    let mut half = "z".to_owned();
    for id in 500..520 {
        let whole = half.repeat(2);
        json["model"]["vocab"][&whole] = json!(id);
        json["model"]["merges"]
            .as_array_mut()
            .unwrap()
            .push(json!([half, half]));
        half = whole;
    }
    let error = open(&json).unwrap_err();
    assert!(error.to_string().contains("at most 1024"), "{error}");
}

/// The texts that a splitter, a merge loop or a search for names could stumble over.
#[test]
fn megabytes_without_a_boundary() {
    let all = KINDS
        .iter()
        .map(|name| (*name, open(&fixture(name).tokenizer).unwrap()));
    let model = BpeTokenizer::open(data("sentencepiece.model")).unwrap();
    for (name, tokenizer) in all.chain([("sentencepiece", model)]) {
        for unit in [
            "a", " ", "7", "\n", "é", "中", "\0", "ab", "<|", "<", " <left>",
        ] {
            let text = unit.repeat((1 << 22) / unit.len());
            let start = Instant::now();
            let ids = tokenizer.encode(&text, SpecialTokens::AsText).unwrap();
            let decoded = tokenizer.decode(&ids).unwrap();
            assert!(
                decoded == text || ["mistral", "metaspace"].contains(&name),
                "{name}: {unit:?}"
            );
            let took = start.elapsed();
            assert!(
                took < Duration::from_secs(20),
                "{name}: {unit:?} took {took:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens to a file, loading ends in a tokenizer or an error, and the tokenizer
    /// encodes any text.
    #[test]
    fn spoiled_files_never_panic(
        which in prop::sample::select(&KINDS[..]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, "[ -~Ġ▁]{0,3}"), 1..4),
        text in any::<String>(),
    ) {
        let mut chars: Vec<char> = fixture(which).tokenizer.to_string().chars().collect();
        for (at, cut, insert) in edits {
            let at = at.index(chars.len() + 1);
            let end = (at + cut).min(chars.len());
            chars.splice(at..end, insert.chars());
        }
        let json: String = chars.into_iter().collect();
        if let Ok(tokenizer) = BpeTokenizer::from_json(&json, None) {
            for policy in [SpecialTokens::AsText, SpecialTokens::Parse] {
                let ids = tokenizer.encode(&text, policy).unwrap();
                tokenizer.decode(&ids).unwrap();
            }
        }
    }

    #[test]
    fn spoiled_models_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, any::<[u8; 2]>()), 1..4),
        text in any::<String>(),
    ) {
        let mut bytes = std::fs::read(data("sentencepiece.model")).unwrap();
        for (at, cut, insert) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, insert);
        }
        if let Ok(tokenizer) = BpeTokenizer::from_sentencepiece(&bytes) {
            let ids = tokenizer.encode(&text, SpecialTokens::Parse).unwrap();
            tokenizer.decode(&ids).unwrap();
        }
    }
}
