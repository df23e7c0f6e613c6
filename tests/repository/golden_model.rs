//! The forward pass and greedy decoding against the reference implementation.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::support::golden::{Golden, argmax, assert_close, held_out, logits};
use crate::support::some_model;
use codegeex::backend::{Cpu, CpuOptions, KvFormat};
use codegeex::cancel::CancelToken;
use codegeex::generate::{GenerateOptions, Generator};
use codegeex::model::{
    Checkpoint, ConvertOptions, LoadOptions, Model, OpenOptions, Transformer, convert, load,
};
use codegeex::num::DType;
use codegeex::tokenizer::BpeTokenizer;

/// Largest difference from the reference, per logit or hidden value.
const TOLERANCE: f32 = 2e-3;

fn open(path: &Path) -> Transformer<Cpu> {
    open_with(path, KvFormat::default())
}

fn open_with(path: &Path, kv: KvFormat) -> Transformer<Cpu> {
    let checkpoint = Checkpoint::open(path, &OpenOptions::default()).unwrap();
    let cpu = Cpu::new(&CpuOptions::new().kv(kv)).unwrap();
    Transformer::new(cpu, &checkpoint).unwrap()
}

fn check_forward(model: &Transformer<Cpu>, golden: &Golden) {
    assert!(golden.cases() > 3);
    for case in 0..golden.cases() {
        let name = |part: &str| format!("case{case}.{part}");
        let ids = golden.ids(&name("ids"));
        let n = ids.len();
        let rows = logits(model, &ids, &[n]);
        assert_close(
            &rows[n - 1],
            &golden.f32(&name("last_logits")),
            TOLERANCE,
            &name("last"),
        );

        let top_ids = golden.ids(&name("top_ids"));
        let top_logits = golden.f32(&name("top_logits"));
        let top = top_ids.len() / n;
        for (i, row) in rows.iter().enumerate() {
            let ids = &top_ids[i * top..(i + 1) * top];
            assert_eq!(argmax(row), ids[0] as usize, "case {case}, position {i}");
            let found: Vec<f32> = ids.iter().map(|&id| row[id as usize]).collect();
            assert_close(
                &found,
                &top_logits[i * top..(i + 1) * top],
                TOLERANCE,
                &name("top"),
            );
        }
        if n > 1 {
            let expected = golden.f32(&name("logprobs"));
            let found: Vec<f32> = (1..n)
                .map(|i| codegeex::generate::log_probability(&rows[i - 1], ids[i]))
                .collect();
            assert_close(&found, &expected, TOLERANCE, &name("logprobs"));
        }
        if let Some(all) = golden.get(&name("logits")) {
            let found: Vec<f32> = rows.concat();
            assert_close(&found, &all, TOLERANCE, &name("logits"));
            let hidden = model.hidden_states(&ids).unwrap();
            assert_close(
                hidden.as_slice().unwrap(),
                &golden.f32(&name("hidden")),
                TOLERANCE,
                &name("hidden"),
            );
        }
    }
}

/// The trained model as it was published.
fn published() -> Option<PathBuf> {
    crate::support::shared("model/codegeex_tiny.pt")
}

#[test]
fn the_trained_model_matches_the_reference() {
    let (Some(golden), Some(checkpoint)) =
        (Golden::open("golden/forward.safetensors"), published())
    else {
        return;
    };
    check_forward(&open(&checkpoint), &golden);
}

/// The part of the reference data that is in the repository.
fn committed() -> Value {
    serde_json::from_str(include_str!("../data/reference_model.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Largest differences in a logit that a KV cache of fewer bits makes. Halves are outside
/// of [`TOLERANCE`], which is why they are not the default.
const F16_TOLERANCE: f32 = 2e-2;
const INT8_TOLERANCE: f32 = 0.4;

#[test]
fn every_kv_format_stays_close_to_the_reference() {
    let reference = committed();
    for kv in KvFormat::ALL {
        let tolerance = match kv {
            KvFormat::F32 => TOLERANCE,
            KvFormat::F16 => F16_TOLERANCE,
            _ => INT8_TOLERANCE,
        };
        let model = open_with(&some_model(), kv);
        for (case, reference) in reference["forward"].as_array().unwrap().iter().enumerate() {
            let ids = ids(&reference["ids"]);
            let rows = logits(&model, &ids, &[ids.len()]);
            for (i, row) in rows.iter().enumerate() {
                let top = crate::golden_model::ids(&reference["top_ids"][i]);
                let found: Vec<f32> = top.iter().map(|&id| row[id as usize]).collect();
                let what = format!("{kv}, case {case}, position {i}");
                assert_close(
                    &found,
                    &floats(&reference["top_logits"][i]),
                    tolerance,
                    &what,
                );
            }
        }
    }
}

#[test]
fn every_layout_matches_the_reference() {
    let Some(golden) = Golden::open("model/layouts/forward.safetensors") else {
        return;
    };
    for layout in ["single.pt", "single_f32.pt", "merged_qkv.pt", "mp2", "mp4"] {
        eprintln!("{layout}");
        let path = crate::support::shared(&format!("model/layouts/{layout}")).unwrap();
        check_forward(&open(&path), &golden);
    }
}

/// Weights compute in the type they have: widened in the file, they give the same bits.
#[test]
fn every_type_of_weights_computes_as_if_widened() {
    let folder = tempfile::tempdir().unwrap();
    for layout in ["single.pt", "single_bf16.pt", "single_f32.pt", "mp4"] {
        let stored = Checkpoint::open(&crate::support::layouts().join(layout), &OpenOptions::new());
        let stored = stored.unwrap();
        let wide = folder.path().join(format!("{layout}.safetensors"));
        let options = ConvertOptions::new().dtype(DType::F32);
        let cancel = CancelToken::new();
        convert(&stored, &wide, &options, &mut |_, _| {}, &cancel).unwrap();
        let cpu = || Cpu::new(&Default::default()).unwrap();
        let stored = Transformer::new(cpu(), &stored).unwrap();
        let wide = open(&wide);
        let ids: Vec<u32> = (0..30).map(|i| i * 11 % 120).collect();
        // Both ways to multiply: many tokens at once, and few.
        for pieces in [&[30][..], &[7]] {
            let expected = logits(&wide, &ids, pieces);
            assert!(expected.iter().flatten().any(|x| *x != 0.0));
            assert_eq!(logits(&stored, &ids, pieces), expected, "{layout}");
        }
    }
}

/// The part of the reference data that is committed, so that it is checked everywhere.
#[test]
fn the_default_model_matches_the_committed_reference() {
    let reference = committed();
    let model = load(some_model(), &LoadOptions::default()).unwrap();
    for case in reference["forward"].as_array().unwrap() {
        let ids = ids(&case["ids"]);
        let rows = logits(&*model, &ids, &[ids.len()]);
        for (i, row) in rows.iter().enumerate() {
            let top: Vec<usize> = serde_json::from_value(case["top_ids"][i].clone()).unwrap();
            assert_eq!(argmax(row), top[0], "position {i}");
            let found: Vec<f32> = top.iter().map(|&id| row[id]).collect();
            assert_close(&found, &floats(&case["top_logits"][i]), TOLERANCE, "top");
        }
        let found: Vec<f32> = (1..ids.len())
            .map(|i| codegeex::generate::log_probability(&rows[i - 1], ids[i]))
            .collect();
        assert_close(&found, &floats(&case["logprobs"]), TOLERANCE, "logprobs");
    }
    check_greedy(model, &reference["greedy"]);
}

fn check_greedy(model: Arc<dyn Model>, cases: &Value) {
    let generator = Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()));
    let cases = cases.as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let prompt = case["prompt"].as_str().unwrap();
        let mut options = GenerateOptions::default();
        options.limits.max_new_tokens = 64;
        let found = generator.complete_n(prompt, &options).unwrap();
        assert_eq!(serde_json::json!(found[0].ids), case["greedy"], "{prompt}");
    }
}

#[test]
fn the_published_file_gives_the_same_ids() {
    let Some(checkpoint) = published() else {
        return;
    };
    let model = load(checkpoint, &LoadOptions::default()).unwrap();
    check_greedy(model, &committed()["greedy"]);
}

#[test]
fn any_split_of_a_sequence_agrees() {
    let model = open(&some_model());
    let ids = ids(&committed()["forward"][3]["ids"]);
    let whole = logits(&model, &ids, &[ids.len()]);
    for pieces in [&[1][..], &[2], &[100, 1], &[3, 31, 64, 7], &[33]] {
        let split = logits(&model, &ids, pieces);
        assert!(split == whole, "{pieces:?}");
    }
}

#[test]
fn perplexity_of_held_out_code_is_the_references() {
    // Of the reference implementation, in FP32.
    let expected = 34.693858269136406;
    let model = load(some_model(), &LoadOptions::default()).unwrap();
    let generator = Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()));
    let (mut sum, mut tokens) = (0.0, 0);
    for row in held_out().chunks(257) {
        let score = generator.score(row, 0, &CancelToken::new()).unwrap();
        for logprob in score.logprobs.iter().flatten() {
            sum += f64::from(*logprob);
            tokens += 1;
        }
    }
    let found = (-sum / f64::from(tokens)).exp();
    assert!(
        (found / expected - 1.0).abs() < 1e-4,
        "{found} not {expected}"
    );
}

/// Files that PyTorch itself wrote, with the logits of the reference for their model.
#[test]
fn files_that_failed_before_give_the_logits_of_the_reference() {
    let Some(folder) = crate::support::shared("cases/checkpoints") else {
        return;
    };
    let Some(golden) = Golden::open("model/layouts/forward.safetensors") else {
        return;
    };
    let mut paths: Vec<std::path::PathBuf> = (std::fs::read_dir(&folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "pt"))
        .collect();
    assert!(paths.len() >= 7);
    let run = folder.join("deepspeed_run");
    paths.push(run.clone());
    paths.push(run.join("global_step500"));
    paths.push(run.join("global_step500/mp_rank_00_model_states.pt"));
    paths.push(run.join("global_step500/mp_rank_01_model_states.pt"));
    for path in paths {
        eprintln!("{}", path.display());
        let model = open(&path);
        check_forward(&model, &golden);
    }
}
