//! Other families against what Hugging Face's code computes: tiny random models that it wrote, with
//! its logits and its greedy continuations.

use std::path::PathBuf;
use std::sync::Arc;

use codegeex::cancel::CancelToken;
use codegeex::model::{Checkpoint, ConvertOptions, LoadOptions, Model, OpenOptions, convert, load};
use codegeex::num::DType;
use codegeex::tensor::PackedScheme;

use crate::support::golden::{Golden, argmax, assert_close, folders, greedy, logits, relative};
use crate::support::shared;

/// The folder of every family, with its name; none where the large reference data is not at hand.
fn families() -> Vec<(String, PathBuf)> {
    let Some(root) = shared("families") else {
        return Vec::new();
    };
    let found = folders(&root);
    assert!(found.len() >= 19, "{} families", found.len());
    found
}

fn golden(folder: &std::path::Path) -> Golden {
    Golden::read(&folder.join("golden.safetensors"))
}

#[test]
fn every_family_computes_what_hugging_face_computes() {
    for (name, folder) in families() {
        let golden = golden(&folder);
        let model = load(&folder, &LoadOptions::new()).unwrap_or_else(|e| panic!("{name}: {e}"));
        for case in 0..3 {
            let ids = golden.ids(&format!("ids{case}"));
            let expected = golden.f32(&format!("logits{case}"));
            let found = logits(&*model, &ids, &[ids.len()]);
            let width = model.config().padded_vocab_size;
            // Buffers of the golden models (frequencies, sines) were rounded to half precision: what
            // `from_pretrained` makes of the same files differs from them by as much as this. With
            // such frequencies the two agree within 3e-5, as `tests/library/families.rs` does.
            assert_close(
                &found.concat(),
                &expected,
                2e-2,
                &format!("{name}, case {case}"),
            );
            for (found, expected) in found.iter().zip(expected.chunks_exact(width)) {
                assert_eq!(argmax(found), argmax(expected), "{name}, case {case}");
            }
            for pieces in [&[1][..], &[3, 1, 7], &[20, 2]] {
                let other = logits(&*model, &ids, pieces);
                assert!(
                    other == found,
                    "{name}, case {case}: other bits in pieces {pieces:?}"
                );
            }
        }
        let prompt = golden.ids("greedy_prompt");
        let expected = golden.ids("greedy");
        let length = prompt.len() + expected.len();
        let found = greedy(&*model, &prompt, length);
        assert_eq!(found[prompt.len()..], expected, "{name}");
    }
}

#[test]
fn every_family_can_be_converted_and_quantized() {
    for (name, folder) in families() {
        let checkpoint = Checkpoint::open(&folder, &OpenOptions::new()).unwrap();
        let golden = golden(&folder);
        let ids = golden.ids("ids2");
        let own = logits(&*load(&folder, &LoadOptions::new()).unwrap(), &ids, &[40]).concat();
        let scratch = tempfile::tempdir().unwrap();
        let options = [
            (ConvertOptions::new(), 0.0),
            (ConvertOptions::new().dtype(DType::F32), 0.0),
            (
                ConvertOptions::new()
                    .quantize(PackedScheme::Int8)
                    .quantize_head(true),
                0.05,
            ),
            (ConvertOptions::new().quantize(PackedScheme::Int4), 0.5),
        ];
        for (i, (options, tolerance)) in options.into_iter().enumerate() {
            let out = scratch.path().join(format!("{name}{i}.safetensors"));
            let token = CancelToken::new();
            convert(&checkpoint, &out, &options, &mut |_, _| {}, &token).unwrap();
            let model: Arc<dyn Model> = load(&out, &LoadOptions::new()).unwrap();
            assert_eq!(model.config(), checkpoint.config(), "{name}");
            let found = logits(&*model, &ids, &[40]).concat();
            match tolerance {
                0.0 => assert!(found == own, "{name}: other bits after conversion {i}"),
                _ => {
                    let error = relative(&found, &own);
                    eprintln!("{name}, conversion {i}: {error}");
                    assert!(error < tolerance, "{name}, conversion {i}: {error}");
                }
            }
            assert!(
                logits(&*model, &ids, &[1, 13]).concat() == found,
                "{name}: {i}"
            );
        }
    }
}
