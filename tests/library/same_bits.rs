//! The same logits, to the bit, for any threads, any other sequences in a batch, any split of the prompt
//! and any instruction set that this machine has; for quantized weights and for numbers.

use std::path::Path;

use codegeex::backend::{ActivationFormat, Cpu, CpuOptions, InstructionSet, KvFormat};
use codegeex::cancel::{CancelToken, Control};
use codegeex::model::{
    Checkpoint, ConvertOptions, Input, Model, ModelConfig, OpenOptions, Transformer, Wanted,
    write_random,
};
use codegeex::tensor::PackedScheme;

use crate::support::some_model;

/// Shapes that fit no kernel's tiles: a width of 48 is no multiple of a block, 131 ids none of
/// sixteen.
fn odd_config() -> ModelConfig {
    ModelConfig::from_json(
        r#"{"num_layers":2,"hidden_size":48,"num_attention_heads":3,"padded_vocab_size":131,
            "max_position_embeddings":160}"#,
    )
    .unwrap()
}

fn model(path: &Path, options: &CpuOptions) -> Transformer<Cpu> {
    let checkpoint = Checkpoint::open(path, &OpenOptions::new()).unwrap();
    Transformer::new(Cpu::new(options).unwrap(), &checkpoint).unwrap()
}

fn bits(rows: ndarray::ArrayView2<'_, f32>) -> Vec<Vec<u32>> {
    let bits = |row: ndarray::ArrayView1<'_, f32>| row.iter().map(|x| x.to_bits()).collect();
    rows.rows().into_iter().map(bits).collect()
}

/// Logits of every position, fed in pieces of these lengths in turn.
fn split(model: &dyn Model, ids: &[u32], pieces: &[usize]) -> Vec<Vec<u32>> {
    let mut state = model.new_state();
    let mut rows = Vec::new();
    let (mut rest, mut pieces) = (ids, pieces.iter().cycle());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((*pieces.next().unwrap()).min(rest.len()));
        rest = after;
        let mut batch = [Input::new(&mut *state, piece, Wanted::All)];
        let logits = model.forward(&mut batch, &Control::new()).unwrap();
        rows.extend(bits(logits.view(0)));
    }
    rows
}

/// The same for several sequences in one call; those of the first.
fn in_a_batch(model: &dyn Model, ids: &[u32], others: &[&[u32]]) -> Vec<Vec<u32>> {
    let mut states: Vec<_> = (0..=others.len()).map(|_| model.new_state()).collect();
    let all = std::iter::once(ids).chain(others.iter().copied());
    let mut batch: Vec<Input> = states
        .iter_mut()
        .zip(all)
        .map(|(state, ids)| Input::new(&mut **state, ids, Wanted::All))
        .collect();
    let logits = model.forward(&mut batch, &Control::new()).unwrap();
    bits(logits.view(0))
}

fn check(path: &Path, tiers: &[InstructionSet], formats: &CpuOptions, ids: &[u32], what: &str) {
    let mut expected: Option<Vec<Vec<u32>>> = None;
    for &isa in tiers {
        for threads in [1, 2, 5] {
            let model = model(path, &formats.clone().isa(isa).threads(threads));
            let whole = split(&model, ids, &[ids.len()]);
            let expected = expected.get_or_insert_with(|| whole.clone());
            let what = format!("{what}, {formats:?}, {isa}, {threads} threads");
            assert!(whole == *expected, "{what}");
            if threads == 5 {
                continue;
            }
            for pieces in [&[1][..], &[3, 1, 8], &[13, 5], &[33]] {
                assert!(
                    split(&model, ids, pieces) == *expected,
                    "{what}: split {pieces:?}"
                );
            }
            let others: [&[u32]; 3] = [&ids[5..6], &ids[..20], &ids[7..40]];
            for n in 1..=others.len() {
                let found = in_a_batch(&model, ids, &others[..n]);
                assert!(found == *expected, "{what}: in a batch with {n} others");
            }
        }
    }
    let expected = expected.unwrap();
    assert_eq!(expected.len(), ids.len());
    let zero = |row: &Vec<u32>| row.iter().all(|&x| x == 0);
    assert!(!expected.iter().any(zero), "{what}: logits of nothing");
}

fn schemes() -> [(&'static str, ConvertOptions); 4] {
    let quantize = |scheme| ConvertOptions::new().quantize(scheme);
    [
        ("int8", quantize(PackedScheme::Int8)),
        (
            "int8, int8 head",
            quantize(PackedScheme::Int8).quantize_head(true),
        ),
        ("int4", quantize(PackedScheme::Int4).quantize_head(true)),
        ("f16", ConvertOptions::new()),
    ]
}

#[test]
fn odd_shapes_give_the_same_bits_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<u32> = (0..77).map(|i| i * 37 % 131).collect();
    for (name, options) in schemes() {
        let path = folder.path().join(format!("{name}.safetensors"));
        let cancel = CancelToken::new();
        write_random(&odd_config(), &path, &options, 7, &mut |_, _| {}, &cancel).unwrap();
        let formats = KvFormat::ALL.map(|kv| CpuOptions::new().kv(kv));
        let bytes = CpuOptions::new().activations(ActivationFormat::Int8);
        for formats in formats.into_iter().chain([bytes]) {
            check(&path, &InstructionSet::available(), &formats, &ids, name);
        }
    }
}

#[test]
fn the_default_model_gives_the_same_bits_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let default = some_model();
    let checkpoint = Checkpoint::open(&default, &OpenOptions::new()).unwrap();
    // The portable tier takes a minute for a vocabulary of this size; the shapes above have it.
    let mut tiers = InstructionSet::available();
    if tiers.len() > 1 {
        tiers.remove(0);
    }
    let ids: Vec<u32> = (0..45).map(|i| i * 1009 % 50000).collect();
    for (name, options) in schemes().into_iter().take(3) {
        let path = folder.path().join(format!("{name}.safetensors"));
        let cancel = CancelToken::new();
        codegeex::model::convert(&checkpoint, &path, &options, &mut |_, _| {}, &cancel).unwrap();
        for activations in ActivationFormat::ALL {
            let formats = CpuOptions::new().activations(activations);
            check(&path, &tiers, &formats, &ids, name);
        }
    }
}
