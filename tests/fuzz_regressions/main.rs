//! Inputs that a fuzzer found once, run through the fuzz targets themselves as plain tests.
//!
//! `fuzz/regressions/TARGET/` has the inputs: a file that is added there is replayed. Every target gets
//! a few inputs besides that are bad for any format. Compiling the targets here also shows that they
//! still fit the library.

#![allow(
    unused_attributes,
    reason = "`no_main` of the targets counts in a crate of their own only"
)]

// The targets say `use libfuzzer_sys::fuzz_target`. Here that name is this crate, whose macro makes a
// function of a target.
extern crate self as libfuzzer_sys;

use std::path::{Path, PathBuf};

/// Not in scope by its text: the targets import it.
mod replay {
    /// Does with an input what libfuzzer-sys does: bytes as they are, anything else made of them.
    macro_rules! fuzz_target {
        (|$data:ident: &[u8]| $body:block) => {
            pub fn run($data: &[u8]) {
                $body
            }
        };
        (|$data:ident: $type:ty| $body:block) => {
            pub fn run(bytes: &[u8]) {
                let unstructured = arbitrary::Unstructured::new(bytes);
                let made = <$type as arbitrary::Arbitrary>::arbitrary_take_rest(unstructured);
                let Ok($data) = made else { return };
                $body
            }
        };
    }
    pub(crate) use fuzz_target;
}
pub(crate) use replay::fuzz_target;

#[path = "../../fuzz/fuzz_targets/checkpoint_open.rs"]
mod checkpoint_open;
#[path = "../../fuzz/fuzz_targets/code_polish.rs"]
mod code_polish;
#[path = "../../fuzz/fuzz_targets/code_stop_split.rs"]
mod code_stop_split;
#[path = "../../fuzz/fuzz_targets/config_parse.rs"]
mod config_parse;
#[path = "../../fuzz/fuzz_targets/humaneval_parse.rs"]
mod humaneval_parse;
#[path = "../../fuzz/fuzz_targets/index_parse.rs"]
mod index_parse;
#[path = "../../fuzz/fuzz_targets/npy_parse.rs"]
mod npy_parse;
#[path = "../../fuzz/fuzz_targets/pickle_parse.rs"]
mod pickle_parse;
#[path = "../../fuzz/fuzz_targets/safetensors_parse.rs"]
mod safetensors_parse;
#[path = "../../fuzz/fuzz_targets/sentencepiece_parse.rs"]
mod sentencepiece_parse;
#[path = "../../fuzz/fuzz_targets/state_restore.rs"]
mod state_restore;
#[path = "../../fuzz/fuzz_targets/stream_decode_split.rs"]
mod stream_decode_split;
#[path = "../../fuzz/fuzz_targets/template_expand.rs"]
mod template_expand;
#[path = "../../fuzz/fuzz_targets/tokenizer_json.rs"]
mod tokenizer_json;
#[path = "../../fuzz/fuzz_targets/tokenizer_roundtrip.rs"]
mod tokenizer_roundtrip;
#[path = "../../fuzz/fuzz_targets/zip_parse.rs"]
mod zip_parse;

/// Runs a target on one input.
type Run = fn(&[u8]);

const TARGETS: &[(&str, Run)] = &[
    ("checkpoint_open", checkpoint_open::run),
    ("code_polish", code_polish::run),
    ("code_stop_split", code_stop_split::run),
    ("config_parse", config_parse::run),
    ("humaneval_parse", humaneval_parse::run),
    ("index_parse", index_parse::run),
    ("npy_parse", npy_parse::run),
    ("pickle_parse", pickle_parse::run),
    ("safetensors_parse", safetensors_parse::run),
    ("sentencepiece_parse", sentencepiece_parse::run),
    ("state_restore", state_restore::run),
    ("stream_decode_split", stream_decode_split::run),
    ("template_expand", template_expand::run),
    ("tokenizer_json", tokenizer_json::run),
    ("tokenizer_roundtrip", tokenizer_roundtrip::run),
    ("zip_parse", zip_parse::run),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The names in a folder, sorted; what does not end in `suffix` is left out, and so is the suffix.
fn names(folder: &Path, suffix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            Some(name.strip_suffix(suffix)?.to_owned())
        })
        .collect();
    names.sort();
    names
}

#[test]
fn every_fuzz_target_is_replayed_and_every_folder_is_of_one() {
    let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names(&fuzz().join("fuzz_targets"), ".rs"), known);
    for folder in names(&fuzz().join("regressions"), "") {
        assert!(
            known.contains(&&*folder),
            "regressions/{folder} is of no target"
        );
    }
}

#[test]
fn inputs_that_were_found_are_replayed() {
    let mut replayed = 0;
    for (name, run) in TARGETS {
        let folder = fuzz().join("regressions").join(name);
        for file in names(&folder, "") {
            let input = std::fs::read(folder.join(&file)).unwrap();
            // The name is in the captured output of a panic.
            println!("{name}: {file}");
            run(&input);
            replayed += 1;
        }
    }
    assert!(replayed >= TARGETS.len());
}

#[test]
fn no_target_stumbles_over_what_is_bad_for_any_format() {
    let mut inputs: Vec<Vec<u8>> = [0x00, 0x01, 0x20, 0x7f, 0x80, 0xff]
        .into_iter()
        .flat_map(|byte| [1, 7, 8, 64, 4096].map(|length| vec![byte; length]))
        .collect();
    inputs.push(Vec::new());
    inputs.push((0..=255).collect());
    inputs.push((0..=255).rev().collect());
    inputs.push("\u{feff}{\"a\": [1e999, null]}\r\n".into());
    inputs.push("def f(x):\n\treturn '\u{1f600}e\u{301}' <INPUT:1,2>".into());
    for (name, run) in TARGETS {
        for input in &inputs {
            println!("{name}: {input:?}");
            run(input);
        }
    }
}
