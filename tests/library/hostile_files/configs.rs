//! Configurations and vocabularies.

use std::path::Path;

use super::*;
use codegeex::model::ModelConfig;
use codegeex::tokenizer::BpeTokenizer;

/// Opens a configuration; fails when that takes too much memory.
fn open_config(json: &[u8]) -> Result<ModelConfig, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    std::fs::write(&path, json).unwrap();
    let (result, peak) = peak_of(|| ModelConfig::open(&path));
    let allowed = FIXED + FACTOR * json.len();
    assert!(
        peak <= allowed,
        "{peak} bytes held for a file of {}",
        json.len()
    );
    result
}

fn published(family: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/families");
    std::fs::read(root.join(family).join("config.json")).unwrap()
}

#[test]
fn configurations_that_lie() {
    let llama = String::from_utf8(published("llama")).unwrap();
    let llama = |rest: &str| format!("{},{rest}}}", llama.trim_end().trim_end_matches('}'));
    let sizes = |layers: &str| {
        format!(
            r#"{{"num_layers":{layers},"hidden_size":64,"num_attention_heads":4,
                "padded_vocab_size":9,"max_position_embeddings":9}}"#
        )
    };
    assert_eq!(open_config(sizes("2").as_bytes()).unwrap().num_layers, 2);
    open_config(llama(r#""use_cache":true"#).as_bytes()).unwrap();
    let deep = "[".repeat(100_000);
    for (name, json) in [
        ("empty", String::new()),
        ("an array", "[]".into()),
        ("cut short", "{\"model_type\":\"lla".into()),
        ("more behind", format!("{} x", sizes("2"))),
        ("deep", deep.clone()),
        ("deep in a field", llama(&format!("\"x\":{deep}"))),
        ("no number", sizes("NaN")),
        ("negative", sizes("-1")),
        ("a fraction", sizes("1.5")),
        ("past usize", sizes("99999999999999999999")),
        ("past any float", sizes("1e999")),
        ("none", sizes("0")),
        ("a field twice", sizes("2,\"num_layers\":3")),
        ("a class that is a number", "{\"model_type\":7e3}".into()),
        (
            "ids without end",
            llama(&format!("\"eos_token_id\":[{}0]", "0,".repeat(50_000))),
        ),
        ("a megabyte", sizes(&format!("2{}", " ".repeat(1 << 20)))),
    ] {
        let error = open_config(json.as_bytes()).map(drop).expect_err(name);
        let kind = error.kind();
        assert!(
            matches!(kind, ErrorKind::InvalidConfig | ErrorKind::UnsupportedFile),
            "{name}: {error}"
        );
        assert!(error.to_string().contains("config.json"), "{name}: {error}");
    }
    let error = open_config(b"\xff\xfe{\0}\0").unwrap_err();
    assert!(error.to_string().contains("UTF-8"), "{error}");
}

#[test]
fn configurations_with_any_one_byte_changed() {
    for family in ["llama", "gpt2"] {
        let json = published(family).trim_ascii_end().to_vec();
        for at in 0..json.len() {
            let mut spoiled = json.clone();
            for value in *b"0-9.eE\"{}[],: \x00\x7f" {
                spoiled[at] = value;
                let text = std::str::from_utf8(&spoiled).unwrap();
                if let Ok(config) = codegeex::family::Family::read(text) {
                    config.validate().unwrap();
                }
            }
            assert!(
                codegeex::family::Family::read(std::str::from_utf8(&json[..at]).unwrap()).is_err()
            );
        }
    }
}

/// Claims in a vocabulary that memory could follow.
#[test]
fn vocabularies_that_claim_more_than_they_hold() {
    let tokenizer = |model: &str| {
        format!(
            r#"{{"model":{{"type":"BPE",{model}}},"decoder":{{"type":"ByteLevel"}},
                "pre_tokenizer":{{"type":"ByteLevel","add_prefix_space":false}}}}"#
        )
    };
    let long = "a".repeat(200_000);
    for json in [
        tokenizer(r#""vocab":{"a":4294967295},"merges":[]"#),
        tokenizer(r#""vocab":{"a":18446744073709551615},"merges":[]"#),
        tokenizer(&format!(r#""vocab":{{"{long}":0}},"merges":[]"#)),
        tokenizer(&format!(r#""vocab":{{"a":0}},"merges":["{long} {long}"]"#)),
        tokenizer(&format!(
            r#""vocab":{{"a":0}},"merges":[{}"x"]"#,
            "\"a a\",".repeat(50_000)
        )),
    ] {
        let (result, peak) = peak_of(|| BpeTokenizer::from_json(&json, None));
        let error = result.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidVocabulary, "{error}");
        assert!(error.to_string().len() < 1000);
        assert!(peak <= (1 << 20) + FACTOR * json.len(), "{peak} bytes");
    }
    // Fields of a SentencePiece model: of bytes, with a length.
    for model in [
        &b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..],
        b"\x0a\xff\xff\xff\xff\x07",
        b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
        b"\x0a\x06\x0a\xff\xff\xff\xff\x0f",
        b"\x0a",
        b"\x0b\x0b\x0b\x0b",
        b"",
    ] {
        let (result, peak) = peak_of(|| BpeTokenizer::from_sentencepiece(model));
        let error = result.map(drop).unwrap_err();
        // Fields that do not fit the file, or no model in them.
        let kinds = [
            ErrorKind::MalformedFile,
            ErrorKind::InvalidVocabulary,
            ErrorKind::UnsupportedFile,
        ];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert!(peak <= 1 << 20, "{peak} bytes");
    }
}
