//! Quantized models against the reference's quantization, and against themselves.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use codegeex::cancel::CancelToken;
use codegeex::model::{Checkpoint, ConvertOptions, LoadOptions, Model, OpenOptions, convert, load};
use codegeex::tensor::PackedScheme;
use half::f16;
use support::golden::{Golden, argmax, assert_close, logits, perplexity};

/// The matrices of which the reference's integers are at hand.
const MATRICES: [&str; 4] = [
    "layers.0.attention.query",
    "layers.3.mlp.dense_h_to_4h",
    "layers.5.mlp.dense_4h_to_h",
    "topQueryLayer.attention.dense",
];
/// Largest difference from the reference's logits. Its arithmetic is in single precision; here
/// activations are rounded to 16 bits.
const TOLERANCE: f32 = 5e-3;

fn default_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/codegeex_tiny.safetensors")
}

fn converted(from: &Path, to: &Path, options: &ConvertOptions) -> Arc<dyn Model> {
    let checkpoint = Checkpoint::open(from, &OpenOptions::new()).unwrap();
    convert(
        &checkpoint,
        to,
        options,
        &mut |_, _| {},
        &CancelToken::new(),
    )
    .unwrap();
    load(to, &LoadOptions::default()).unwrap()
}

/// The integers and scales of a matrix of the 8-bit layout.
fn unpack_int8(file: &Golden, name: &str, rows: usize, cols: usize) -> (Vec<i8>, Vec<f16>) {
    let codes: Vec<u8> = file.get(&format!("{name}.weight.int8")).unwrap();
    let lines = cols.div_ceil(64) * 16;
    let mut out = Vec::with_capacity(rows * cols);
    for r in 0..rows {
        for k in 0..cols {
            let line = r / 16 * lines + k / 4;
            out.push((codes[line * 64 + r % 16 * 4 + k % 4] ^ 0x80) as i8);
        }
    }
    (out, file.get(&format!("{name}.weight.scales")).unwrap())
}

#[test]
fn int8_is_the_references_to_the_bit() {
    let Some(golden) = Golden::open("golden/quant_int8.safetensors") else {
        return;
    };
    let forward = Golden::open("golden/forward.safetensors").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("int8.safetensors");
    let options = ConvertOptions::new().quantize(PackedScheme::Int8);
    let model = converted(&default_model(), &path, &options);
    let file = Golden::read(&path);
    for name in MATRICES {
        let scales: Vec<f16> = golden.get(&format!("int8.{name}.scale")).unwrap();
        let codes: Vec<i8> = golden.get(&format!("int8.{name}.q")).unwrap();
        let cols = codes.len() / scales.len();
        let (found, found_scales) = unpack_int8(&file, name, scales.len(), cols);
        assert!(found == codes, "{name}: codes differ");
        assert!(found_scales == scales, "{name}: scales differ");
    }
    for case in 1..=3 {
        let ids = forward.ids(&format!("case{case}.ids"));
        let rows = logits(&*model, &ids, &[ids.len()]);
        let expected = golden.f32(&format!("int8.case{case}.last_logits"));
        let last = &rows[rows.len() - 1];
        assert_close(last, &expected, TOLERANCE, &format!("int8 case {case}"));
        assert_eq!(argmax(last), argmax(&expected));
    }
}

/// For the table in README.md: `cargo test --release --test quantized table -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes in a debug build"]
fn table_of_perplexity() {
    let Some(ids) = Golden::open("golden/perplexity_ids.safetensors") else {
        return;
    };
    let ids = ids.ids("ids");
    let folder = tempfile::tempdir().unwrap();
    let plain = load(default_model(), &LoadOptions::default()).unwrap();
    let base = perplexity(&*plain, &ids, 257);
    println!("f16: {base:.4}");
    let int8 = ConvertOptions::new().quantize(PackedScheme::Int8);
    let int4 = ConvertOptions::new().quantize(PackedScheme::Int4);
    for (name, options) in [
        ("int8", int8.clone()),
        ("int8, head int8", int8.quantize_head(true)),
        ("int4", int4.clone()),
        ("int4, head int8", int4.quantize_head(true)),
        ("head int8", ConvertOptions::new().quantize_head(true)),
    ] {
        let path = folder.path().join(format!("{name}.safetensors"));
        let model = converted(&default_model(), &path, &options);
        let found = perplexity(&*model, &ids, 257);
        let bytes = std::fs::metadata(&path).unwrap().len();
        println!(
            "{name}: {found:.4} ({:+.3} %), {bytes} bytes",
            (found / base - 1.0) * 100.0
        );
    }
}
