//! Models of other families, as Hugging Face's `save_pretrained` writes them, against the logits of
//! Hugging Face's code: tiny random models that `tests/data/families/make.py` made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use codegeex::backend::{Cpu, CpuOptions, InstructionSet, KvFormat};
use codegeex::cancel::{CancelToken, Control};
use codegeex::family::Family;
use codegeex::model::{
    Checkpoint, ConvertOptions, EstimateOptions, Input, LoadOptions, Model, ModelConfig,
    OpenOptions, Transformer, Wanted, convert, estimate_config, load,
};
use codegeex::num::DType;
use codegeex::tensor::PackedScheme;
use codegeex::{ErrorKind, GenerateOptions, Generator};

use crate::support::families;
use crate::support::golden::{Golden, assert_close, folders, greedy, logits, relative};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/families")
        .join(name)
}

/// Every model, by name.
fn models() -> Vec<(String, PathBuf)> {
    let found = folders(&folder(""));
    assert!(found.len() >= 20, "{} models", found.len());
    found
}

fn expected(folder: &Path) -> Golden {
    Golden::read(&folder.join("expected.safetensors"))
}

#[test]
fn logits_are_those_of_hugging_face() {
    for (name, folder) in models() {
        let expected = expected(&folder);
        let ids = expected.ids("ids");
        let model = load(&folder, &LoadOptions::new()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let found = logits(&*model, &ids, &[ids.len()]);
        let values = expected.f32("logits");
        assert_close(&found.concat(), &values, 1e-4, &name);
        for pieces in [&[1][..], &[3, 1, 7], &[20, 2]] {
            let other = logits(&*model, &ids, pieces);
            assert!(other == found, "{name}: other bits in pieces {pieces:?}");
        }
        let text = expected.ids("greedy");
        assert_eq!(greedy(&*model, &text[..5], text.len()), text, "{name}");
    }
}

/// Every family of the list has a model here, but for the one whose names CodeGeeX2 has; that is
/// `glm` under other names.
#[test]
fn every_family_is_tested() {
    let families = models().into_iter().map(|(_, folder)| {
        let checkpoint = Checkpoint::open(&folder, &OpenOptions::new()).unwrap();
        checkpoint.config().family.name()
    });
    let tested: BTreeSet<_> = families.chain(["codegeex", "chatglm"]).collect();
    let all: BTreeSet<_> = Family::ALL.iter().map(|family| family.name()).collect();
    assert_eq!(tested, all);
}

#[test]
fn instruction_sets_threads_and_batches_change_no_bit() {
    for (name, folder) in models() {
        let ids = expected(&folder).ids("ids");
        for kv in KvFormat::ALL {
            let run = |isa: InstructionSet, threads: usize| {
                let options = CpuOptions::new().isa(isa).threads(threads).kv(kv);
                let cpu = Cpu::new(&options).unwrap();
                let model = Transformer::open_on(cpu, &folder, &OpenOptions::new()).unwrap();
                let (mut a, mut b) = (model.new_state(), model.new_state());
                let mut found = Vec::new();
                for (first, second) in [(&ids[..20], &ids[..3]), (&ids[20..], &ids[3..9])] {
                    let mut batch = [
                        Input::new(&mut *a, first, Wanted::All),
                        Input::new(&mut *b, second, Wanted::Last),
                    ];
                    let logits = model.forward(&mut batch, &Control::new()).unwrap();
                    found.extend(logits.rows(0).flatten().map(|x| x.to_bits()));
                }
                found
            };
            let scalar = run(InstructionSet::Scalar, 1);
            for isa in InstructionSet::available() {
                assert!(run(isa, 2) == scalar, "{name}, {kv}: {isa} has other bits");
            }
        }
    }
}

/// One of three sequences of a call is cancelled before any of its operations: the step goes on with
/// another plan, in which the rows of the others have the same angles, positions and pages.
#[test]
fn a_sequence_is_cancelled_between_layers_and_the_others_keep_their_bits() {
    for (name, folder) in models() {
        let ids = expected(&folder).ids("ids");
        let parts = [&ids[..5], &ids[5..14], &ids[14..16]];
        let model = load(&folder, &LoadOptions::new()).unwrap();
        let run = |victim: usize, at: usize| {
            let mut states = [(); 3].map(|()| model.new_state());
            let (cancel, flag) = (CancelToken::new(), CancelToken::new());
            let mut calls = 0;
            let mut progress = || {
                if calls == at {
                    cancel.cancel();
                }
                calls += 1;
            };
            let mut batch: Vec<Input<'_>> = (states.iter_mut().zip(parts).enumerate())
                .map(|(i, (state, ids))| {
                    let token = if i == victim { &cancel } else { &flag };
                    Input::new(&mut **state, ids, Wanted::All).cancel(token)
                })
                .collect();
            let control = Control::new().on_progress(&mut progress);
            let logits = model.forward(&mut batch, &control).unwrap();
            drop((batch, control));
            let bits = |i| -> Vec<u32> { logits.rows(i).flatten().map(|x| x.to_bits()).collect() };
            ([0, 1, 2].map(bits), states.map(|state| state.len()), calls)
        };
        let (all, _, calls) = run(0, usize::MAX);
        for victim in 0..3 {
            let mut ended = 0;
            for at in 0..calls {
                let (found, tokens, _) = run(victim, at);
                for i in 0..3 {
                    let is_gone = i == victim && found[i].is_empty();
                    ended += usize::from(is_gone);
                    assert!(
                        is_gone || found[i] == all[i],
                        "{name}: {victim} at {at}, {i}"
                    );
                    assert_eq!(tokens[i], if is_gone { 0 } else { parts[i].len() });
                }
            }
            // Every look up to the one before the last layer.
            assert!(
                ended > calls / 3 && ended < calls,
                "{name}: {ended} of {calls}"
            );
        }
    }
}

#[test]
fn conversion_keeps_bits_and_quantization_is_close() {
    let int8 = ConvertOptions::new()
        .quantize(PackedScheme::Int8)
        .quantize_head(true);
    for (name, folder) in models() {
        let checkpoint = Checkpoint::open(&folder, &OpenOptions::new()).unwrap();
        let ids = expected(&folder).ids("ids");
        let own = logits(&*load(&folder, &LoadOptions::new()).unwrap(), &ids, &[33]).concat();
        let scratch = tempfile::tempdir().unwrap();
        for (i, (options, most)) in [
            (ConvertOptions::new(), 0.0),
            (ConvertOptions::new().dtype(DType::F32), 0.0),
            (int8.clone(), 0.1),
            (ConvertOptions::new().quantize(PackedScheme::Int4), 0.6),
        ]
        .into_iter()
        .enumerate()
        {
            let out = scratch.path().join(format!("{i}.safetensors"));
            let token = CancelToken::new();
            convert(&checkpoint, &out, &options, &mut |_, _| {}, &token).unwrap();
            let model = load(&out, &LoadOptions::new()).unwrap();
            assert_eq!(model.config(), checkpoint.config(), "{name}");
            let found = logits(&*model, &ids, &[33]).concat();
            let error = relative(&found, &own);
            eprintln!("{name}, conversion {i}: {error}");
            assert!(error <= most, "{name}, conversion {i}: {error}");
            let split = logits(&*model, &ids, &[1, 13]).concat();
            assert!(
                split == found,
                "{name}, conversion {i}: other bits in pieces"
            );
        }
    }
}

/// Copies a model with another `config.json`.
fn with_config(name: &str, edit: impl Fn(&str) -> String) -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder(name)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, scratch.path().join(path.file_name().unwrap())).unwrap();
    }
    let config = scratch.path().join("config.json");
    let json = edit(&std::fs::read_to_string(&config).unwrap());
    std::fs::write(&config, json).unwrap();
    scratch
}

#[test]
fn a_configuration_that_does_not_fit_the_tensors_names_the_tensor() {
    let layers = with_config("llama", |json| {
        json.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1")
    });
    let error = load(layers.path(), &LoadOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedFile);
    let message = error.to_string();
    assert!(
        message.contains("`model.layers.1.") && message.contains("used by nothing"),
        "{message}"
    );

    let layers = with_config("llama", |json| {
        json.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3")
    });
    let error = load(layers.path(), &LoadOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingTensor);
    assert!(
        error
            .to_string()
            .contains("`model.layers.2.input_layernorm.weight`"),
        "{error}"
    );

    let heads = with_config("llama", |json| {
        json.replace("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 1")
    });
    let error = load(heads.path(), &LoadOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
    assert!(
        error
            .to_string()
            .contains("`model.layers.0.self_attn.k_proj.weight`"),
        "{error}"
    );
}

/// The ids that end a text are those of `generation_config.json`, and without it of `config.json`.
#[test]
fn ids_that_end_a_text_come_from_the_generation_configuration() {
    let model = with_config("qwen2", str::to_owned);
    let ids = |folder: &Path| {
        let checkpoint = Checkpoint::open(folder, &OpenOptions::new()).unwrap();
        checkpoint.config().eos_token_ids.clone()
    };
    assert_eq!(ids(model.path()), [1]);
    let generation = model.path().join("generation_config.json");
    std::fs::write(&generation, r#"{"eos_token_id": [5, 7], "top_p": 0.8}"#).unwrap();
    assert_eq!(ids(model.path()), [5, 7]);
    std::fs::write(&generation, r#"{"eos_token_id": "x"}"#).unwrap();
    let error = load(model.path(), &LoadOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error
            .to_string()
            .contains("generation_config.json: `eos_token_id`"),
        "{error}"
    );
}

/// The configurations of published models, as far as they are known to be right: they are read, and
/// make as many parameters as counting their tensors by hand does.
#[test]
fn configurations_of_published_models_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/published_configs");
    let counts = std::fs::read(folder.join("parameters.json")).unwrap();
    let counts: std::collections::BTreeMap<String, usize> =
        serde_json::from_slice(&counts).unwrap();
    assert!(counts.len() > 30);
    for (name, parameters) in counts {
        let path = folder.join(format!("{}.json", name.replace('/', "--")));
        let config = ModelConfig::open(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(config.parameters(), parameters, "{name}");
        let memory = estimate_config(
            &config,
            &ConvertOptions::new(),
            &EstimateOptions::new(1, 512),
        );
        assert_eq!(
            memory.unwrap().weights_mapped,
            2 * parameters as u64,
            "{name}"
        );
    }
}

/// A model of another family that has no tokenizer beside it takes ids; never CodeGeeX's vocabulary.
#[test]
fn a_model_without_a_tokenizer_takes_ids() {
    let model = with_config("qwen2", str::to_owned);
    let options = GenerateOptions::new().max_new_tokens(6);
    let generator = Generator::open(model.path()).unwrap();
    let text = expected(&folder("qwen2")).ids("greedy");
    let completion = generator.complete(&text[..5], &options).unwrap();
    // The 1 that ends a text comes before its end, if at all.
    let length = completion.ids.len();
    assert_eq!(completion.ids, text[5..5 + length]);
    assert!(length == 6 || completion.ids.last() == Some(&1));
    assert_eq!(completion.text, "");
    let error = generator.complete("def", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("without a tokenizer"), "{error}");

    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokenizers/qwen2.json");
    let case: serde_json::Value =
        serde_json::from_slice(&std::fs::read(tokenizer).unwrap()).unwrap();
    let tokenizer = case["tokenizer"].to_string();
    std::fs::write(model.path().join("tokenizer.json"), tokenizer).unwrap();
    let error = Generator::open(model.path()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(
        error.to_string().contains("do not belong together"),
        "{error}"
    );
}

/// The end of text of the configuration is text in the tokenizer.
#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let model = families::with_tokenizer(&folder("qwen2"));
    Generator::open(model.path()).unwrap();
    let path = model.path().join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    let wrong = config.replace("\"eos_token_id\":256", "\"eos_token_id\":[256,97]");
    assert_ne!(wrong, config);
    std::fs::write(&path, wrong).unwrap();
    let error = Generator::open(model.path()).map(|_| ()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("token 97, which is the text \"a\""),
        "{message}"
    );
}

#[test]
fn a_tensor_of_a_type_that_is_not_read_is_named_with_its_type() {
    let model = with_config("llama", str::to_owned);
    let path = model.path().join("model.safetensors");
    let file = std::fs::read(&path).unwrap();
    let (length, rest) = file.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let mut header: serde_json::Value = serde_json::from_slice(header).unwrap();
    let tensor = &mut header["model.embed_tokens.weight"];
    // As many bytes.
    tensor["dtype"] = "F8_E4M3".into();
    tensor["shape"] = serde_json::json!([140, 24]);
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(&path, [&length[..], header.as_bytes(), data].concat()).unwrap();
    let error = load(model.path(), &LoadOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedFile);
    let message = error.to_string();
    assert!(
        message.contains("model.embed_tokens.weight") && message.contains("F8_E4M3"),
        "{message}"
    );
}
