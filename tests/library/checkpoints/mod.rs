//! Every layout of one model is one model: the same tensors bit for bit, and the same converted
//! file.

mod conversions;
mod run_folders;
mod training_files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::files::{Pickle, PickledTensor, pt, safetensors};
use crate::support::{ALIKE, layouts, shared};
use codegeex::backend::KvFormat;
use codegeex::cancel::CancelToken;
use codegeex::model::checkpoint::{CONFIG_KEY, ConfigOrigin, expected_tensors};
use codegeex::model::convert::{ConvertOptions, convert};
use codegeex::model::{Checkpoint, EstimateOptions, ModelConfig, OpenOptions, estimate};
use codegeex::num::DType;
use codegeex::tensor::PackedScheme;
use codegeex::weights::{self, MemoryMode, WeightSource};
use codegeex::{Error, ErrorKind};
use half::{bf16, f16};

type Numbers = BTreeMap<String, (Vec<usize>, Vec<u32>)>;

/// Shape and numbers of every tensor, widened, as bits.
fn numbers(source: &dyn WeightSource) -> Numbers {
    let mut all = Numbers::new();
    for info in source.tensors() {
        let tensor = source.tensor(&info.name).unwrap();
        assert_eq!(tensor.info, *info);
        let mut bytes = Vec::new();
        let mut collect = |run: &[u8]| {
            bytes.extend_from_slice(run);
            Ok(())
        };
        tensor.for_each_run(&mut collect).unwrap();
        for block in &tensor.blocks {
            assert!(aligned(block.data.as_slice(), info.dtype), "{}", info.name);
        }
        let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
        let wide: Vec<f32> = match info.dtype {
            DType::F16 => pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            DType::BF16 => pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
            DType::F32 => bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            other => panic!("{}: {other}", info.name),
        };
        assert_eq!(wide.len(), info.elements());
        let bits = wide.into_iter().map(f32::to_bits).collect();
        all.insert(info.name.clone(), (info.shape.clone(), bits));
    }
    all
}

fn aligned(bytes: &[u8], dtype: DType) -> bool {
    (bytes.as_ptr() as usize).is_multiple_of(dtype.size())
}

fn open(path: &Path) -> Checkpoint {
    Checkpoint::open(path, &OpenOptions::new()).unwrap_or_else(|e| panic!("{e}"))
}

/// The reference through the `safetensors` crate, so by other code than what is tested.
fn reference() -> Numbers {
    let bytes = std::fs::read(layouts().join("reference.safetensors")).unwrap();
    let file = safetensors_crate(&bytes);
    (file.iter())
        .map(|(name, view)| {
            let mut shape = view.shape().to_vec();
            let mut halves: Vec<_> = (view.data().chunks_exact(2))
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32().to_bits())
                .collect();
            if name == "word_embeddings.weight" {
                assert_eq!(shape, [128, 16]);
                shape[0] = 120;
                halves.truncate(120 * 16);
            }
            (name.to_owned(), (shape, halves))
        })
        .collect()
}

fn safetensors_crate(bytes: &[u8]) -> ::safetensors::SafeTensors<'_> {
    ::safetensors::SafeTensors::deserialize(bytes).unwrap()
}

fn convert_quietly(from: &Checkpoint, out: &Path, options: &ConvertOptions) -> Result<(), Error> {
    convert(from, out, options, &mut |_, _| {}, &CancelToken::new())
}

#[test]
fn every_layout_holds_the_same_numbers() {
    let expected = reference();
    for layout in ALIKE.iter().chain(&["reference.safetensors"]) {
        for memory in [MemoryMode::Map, MemoryMode::Copy] {
            let options = OpenOptions::new().memory(memory);
            let checkpoint = Checkpoint::open(&layouts().join(layout), &options).unwrap();
            let found = numbers(&checkpoint);
            assert!(found == expected, "{layout} in {memory:?}: other numbers");
            let owned = checkpoint.footprint().owned;
            assert_eq!(owned != 0, memory == MemoryMode::Copy, "{layout}");
        }
    }
    // torch rounds to bfloat16 to nearest even, as `half` does.
    let rounded = numbers(&open(&layouts().join("single_bf16.pt")));
    for (name, (_, bits)) in &rounded {
        let exact = &expected[name].1;
        for (found, exact) in bits.iter().zip(exact) {
            let value = bf16::from_f32(f32::from_bits(*exact)).to_f32();
            assert_eq!(*found, value.to_bits(), "{name}");
        }
    }
}

#[test]
fn what_serves_in_place_is_not_copied() {
    for (layout, copied) in [
        ("single.pt", 0),
        ("merged_qkv.pt", 0),
        ("mp4", 0),
        ("flat_parameters.pt", 0),
        // The two transposed weights of 16 × 64 halves.
        ("views.pt", 2 * 16 * 64 * 2),
    ] {
        let checkpoint = open(&layouts().join(layout));
        let found: u64 = (checkpoint.tensors().iter())
            .map(|info| checkpoint.copied_bytes(&info.name))
            .sum();
        assert_eq!(found, copied, "{layout}");
        assert_eq!(checkpoint.copied().bytes, copied, "{layout}");
        assert_eq!(
            checkpoint.copied().tensors,
            if copied > 0 { 2 } else { 0 },
            "{layout}"
        );
        let described = codegeex::model::load(layouts().join(layout), &Default::default()).unwrap();
        let expected = "; 2 tensors are read through a copy (4096 bytes)";
        assert_eq!(
            described.describe().ends_with(expected),
            copied > 0,
            "{layout}"
        );
        let blocks = checkpoint
            .tensor("layers.0.attention.query.weight")
            .unwrap();
        assert!(blocks.blocks.iter().all(|b| b.data.is_mapped()), "{layout}");
    }
    // Transposed in the files, but for those of one layer, which lie column after column.
    let arrays = open(&layouts().join("mindspore"));
    let copied: Vec<_> = (arrays.tensors().iter())
        .filter(|info| arrays.copied_bytes(&info.name) > 0)
        .map(|info| info.name.as_str())
        .collect();
    let matrices = ["attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"];
    let expected: Vec<_> = (["layers.0", "topQueryLayer"].iter())
        .flat_map(|place| matrices.map(|module| format!("{place}.{module}.weight")))
        .collect();
    assert_eq!(copied, expected);
    // Its header has an odd number of bytes, so every tensor lies at an odd address.
    let odd = open(&layouts().join("reference.safetensors"));
    assert_eq!(
        odd.copied_bytes("layers.0.attention.query.weight"),
        16 * 16 * 2
    );
    let shards = open(&layouts().join("mp4"));
    let tensor = shards.tensor("layers.1.mlp.dense_4h_to_h.weight").unwrap();
    let columns: Vec<_> = tensor
        .blocks
        .iter()
        .map(|b| (b.col, b.cols, b.rows))
        .collect();
    assert_eq!(
        columns,
        [(0, 16, 16), (16, 16, 16), (32, 16, 16), (48, 16, 16)]
    );
}

#[test]
fn the_larger_layouts_hold_the_same_numbers() {
    let Some(folder) = shared("model/layouts") else {
        return;
    };
    let expected = numbers(&open(&folder.join("single.pt")));
    for layout in ["single_f32.pt", "merged_qkv.pt", "mp2", "mp4", "npy"] {
        assert!(numbers(&open(&folder.join(layout))) == expected, "{layout}");
    }
    for (name, (_, bits)) in numbers(&open(&folder.join("single_bf16.pt"))) {
        for (found, exact) in bits.iter().zip(&expected[&name].1) {
            let value = bf16::from_f32(f32::from_bits(*exact)).to_f32();
            assert_eq!(*found, value.to_bits(), "{name}");
        }
    }
}

#[test]
fn every_layout_converts_to_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let options = ConvertOptions::new().dtype(DType::F16);
    let mut first: Option<Vec<u8>> = None;
    for layout in ALIKE {
        let out = dir.path().join(format!("{layout}.safetensors"));
        let checkpoint = open(&layouts().join(layout));
        convert_quietly(&checkpoint, &out, &options).unwrap();
        let bytes = std::fs::read(&out).unwrap();
        match &first {
            Some(first) => assert!(*first == bytes, "{layout}: another file"),
            None => first = Some(bytes),
        }
        // The configuration is inside: nothing lies beside this file.
        let converted = open(&out);
        assert_eq!(*converted.config_origin(), ConfigOrigin::Metadata);
        assert_eq!(converted.config(), checkpoint.config());
        assert!(numbers(&converted) == reference(), "{layout}");
        let again = dir.path().join("again.safetensors");
        convert_quietly(&converted, &again, &ConvertOptions::new().overwrite(true)).unwrap();
        assert!(
            std::fs::read(&again).unwrap() == *first.as_ref().unwrap(),
            "{layout}"
        );
    }
    let bytes = first.unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!((8 + header) % 64, 0);
    let (_, metadata) = ::safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let text = metadata.metadata().as_ref().unwrap();
    assert_eq!(text["format"], "pt");
    assert!(text[CONFIG_KEY].contains("\"num_layers\":2"));
    assert_eq!(
        safetensors_crate(&bytes).len(),
        expected_tensors(open_config()).count()
    );
}

fn open_config() -> &'static ModelConfig {
    static CONFIG: std::sync::LazyLock<ModelConfig> = std::sync::LazyLock::new(|| {
        ModelConfig::from_json(&std::fs::read_to_string(layouts().join("config.json")).unwrap())
            .unwrap()
    });
    &CONFIG
}

#[test]
fn conversion_changes_types_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let out = |name: &str| dir.path().join(name);
    let half = open(&layouts().join("single.pt"));
    let to = |dtype| ConvertOptions::new().dtype(dtype);
    convert_quietly(&half, &out("f32"), &to(DType::F32)).unwrap();
    convert_quietly(&half, &out("bf16"), &to(DType::BF16)).unwrap();
    assert!(numbers(&open(&out("f32"))) == reference());
    let torch = numbers(&open(&layouts().join("single_bf16.pt")));
    assert!(numbers(&open(&out("bf16"))) == torch);
    let back = open(&out("f32"));
    assert_eq!(back.tensors()[0].dtype, DType::F32);
    convert_quietly(&back, &out("f16"), &to(DType::F16)).unwrap();
    convert_quietly(&half, &out("same"), &ConvertOptions::new()).unwrap();
    assert!(std::fs::read(out("f16")).unwrap() == std::fs::read(out("same")).unwrap());
    let error = convert_quietly(&half, &out("i8"), &to(DType::I8)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(!out("i8").exists());
}

/// A one-layer model of width 2 in one safetensors file, every number `value`.
fn tiny(dir: &Path, value: f32) -> PathBuf {
    let config = ModelConfig::from_json(
        r#"{"num_layers":1,"hidden_size":2,"num_attention_heads":1,"padded_vocab_size":3,"max_position_embeddings":4}"#,
    )
    .unwrap();
    let mut end = 0;
    let mut entries = vec![format!(
        r#""__metadata__":{{"codegeex.config":{:?}}}"#,
        config.to_json()
    )];
    for (name, shape) in expected_tensors(&config) {
        let start = end;
        end += shape.iter().product::<usize>() * 4;
        entries.push(format!(
            r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ));
    }
    let mut bytes = safetensors(&format!("{{{}}}", entries.join(",")), 0);
    bytes.extend(value.to_le_bytes().repeat(end / 4));
    let path = dir.join("tiny.safetensors");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn numbers_that_do_not_fit_or_are_not_finite_are_errors_that_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let to = |dtype| ConvertOptions::new().dtype(dtype).overwrite(true);
    let large = open(&tiny(dir.path(), 70000.0));
    let error = convert_quietly(&large, &out, &to(DType::F16)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NonFinite);
    let text = error.to_string();
    assert!(
        text.contains("`word_embeddings.weight` has 7e4 at row 0, column 0"),
        "{text}"
    );
    assert!(!out.exists());
    convert_quietly(&large, &out, &to(DType::BF16)).unwrap();
    for (bad, text) in [(f32::INFINITY, "inf"), (f32::NAN, "NaN")] {
        let broken = open(&tiny(dir.path(), bad));
        let quantize = |scheme| ConvertOptions::new().quantize(scheme).overwrite(true);
        for options in [
            ConvertOptions::new().overwrite(true),
            to(DType::F16),
            to(DType::F32),
            quantize(PackedScheme::Int8),
            quantize(PackedScheme::Int4),
        ] {
            let error = convert_quietly(&broken, &out, &options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NonFinite);
            let expected = format!("`word_embeddings.weight` has {text} at row 0, column 0");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
}

#[test]
fn an_interrupted_conversion_leaves_nothing_that_looks_whole() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = open(&tiny(dir.path(), 1.0));
    let out = dir.path().join("out.safetensors");
    let cancel = CancelToken::new();
    let mut seen = Vec::new();
    // The last report comes when every tensor is written, and before the file has its name.
    let mut progress = |done, total| {
        seen.push((done, total));
        let partial: Vec<_> = (std::fs::read_dir(dir.path()).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with(".partial"))
            .collect();
        assert_eq!(
            partial.len(),
            1,
            "the temporary file lies beside the destination"
        );
        let error = weights::open(&partial[0], MemoryMode::Map).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::MalformedFile | ErrorKind::UnsupportedFile
        ));
        cancel.cancel();
    };
    let options = ConvertOptions::new();
    let error = convert(&checkpoint, &out, &options, &mut progress, &cancel).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let bytes = checkpoint.weight_bytes();
    assert_eq!(seen.last(), Some(&(bytes, bytes)));
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the source is left");

    std::fs::write(&out, b"precious").unwrap();
    let error = convert_quietly(&checkpoint, &out, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(std::fs::read(&out).unwrap(), b"precious");
    convert_quietly(&checkpoint, &out, &options.overwrite(true)).unwrap();
    open(&out);
    // What a crash leaves just before the end: all but the first eight bytes.
    let mut bytes = std::fs::read(&out).unwrap();
    bytes[..8].fill(0);
    std::fs::write(&out, bytes).unwrap();
    fails(&out, ErrorKind::MalformedFile, &["header is broken"]);
}

fn copy(from: &str, to: &Path) {
    std::fs::copy(layouts().join(from), to).unwrap();
}

#[test]
fn the_configuration_is_found_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.pt");
    copy("single.pt", &path);
    let missing = Checkpoint::open(&path, &OpenOptions::new()).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::MissingConfig);
    let text = missing.to_string();
    for part in [
        "its width is 16",
        "model.config.json",
        "config.json",
        "num_attention_heads",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let in_folder = dir.path().join("config.json");
    copy("config.json", &in_folder);
    assert_eq!(
        *open(&path).config_origin(),
        ConfigOrigin::File(in_folder.clone())
    );
    // The nearer one goes first, and it is an error there, not a reason to look on.
    let own = dir.path().join("model.config.json");
    std::fs::write(&own, "{}").unwrap();
    let error = Checkpoint::open(&path, &OpenOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("model.config.json"), "{error}");
    copy("config.json", &own);
    assert_eq!(*open(&path).config_origin(), ConfigOrigin::File(own));
    let mut config = open_config().clone();
    config.padded_vocab_size = 100;
    let given = OpenOptions::new().config(config);
    let checkpoint = Checkpoint::open(&path, &given).unwrap();
    assert_eq!(*checkpoint.config_origin(), ConfigOrigin::Given);
    assert_eq!(
        checkpoint
            .tensor("word_embeddings.weight")
            .unwrap()
            .info
            .shape,
        [100, 16]
    );
    // A folder with that one file is the file.
    let through = open(dir.path());
    assert_eq!(through.config_origin(), open(&path).config_origin());
    std::fs::remove_file(dir.path().join("model.config.json")).unwrap();
    assert_eq!(
        *open(dir.path()).config_origin(),
        ConfigOrigin::File(in_folder)
    );
}

#[test]
fn a_width_of_5120_means_the_published_model() {
    let word = PickledTensor {
        storage: "HalfStorage",
        key: "0",
        elements: 6,
        offset: 0,
        shape: &[0, 5120],
        strides: &[5120, 1],
    };
    let pickle = Pickle::new()
        .op(b"}")
        .text("word_embeddings.weight")
        .tensor(&word)
        .op(b"s.");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wide.pt");
    std::fs::write(&path, pt(&pickle.0)).unwrap();
    let error = Checkpoint::open(&path, &OpenOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
    let text = error.to_string();
    assert!(
        text.contains("shape [0, 5120], expected [52224, 5120]"),
        "{text}"
    );
    assert!(text.contains("published 13B model"), "{text}");
}

#[test]
fn a_configuration_of_another_model_is_refused() {
    let path = layouts().join("single.pt");
    let mut config = open_config().clone();
    config.num_layers = 3;
    let error = Checkpoint::open(&path, &OpenOptions::new().config(config.clone())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingTensor);
    assert!(
        error
            .to_string()
            .contains("`layers.2.input_layernorm.weight` of shape [16]")
    );
    config.num_layers = 2;
    config.kv_heads = Some(1);
    let error = Checkpoint::open(&path, &OpenOptions::new().config(config)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
    assert!(
        error
            .to_string()
            .contains("shape [16, 16], expected [8, 16]"),
        "{error}"
    );
}

/// The shards of a layout in a folder of their own, so that they can be spoiled.
fn shards(layout: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(layouts().join(layout)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    dir
}

fn fails(path: &Path, kind: ErrorKind, says: &[&str]) {
    let error = Checkpoint::open(path, &OpenOptions::new()).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for part in says {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn shards_have_to_be_complete_and_of_one_checkpoint() {
    let name = |rank: usize| format!("mp_rank_{rank:02}_model_states.pt");
    let dir = shards("mp4");
    // One shard stands for all of them.
    assert_eq!(
        open(&dir.path().join(name(2))).tensors(),
        open(dir.path()).tensors()
    );
    std::fs::remove_file(dir.path().join(name(3))).unwrap();
    fails(dir.path(), ErrorKind::NotFound, &["3 shards", &name(3)]);
    std::fs::remove_file(dir.path().join(name(1))).unwrap();
    fails(dir.path(), ErrorKind::NotFound, &["missing", &name(1)]);

    let dir = shards("mp2");
    copy(&format!("mp4/{}", name(1)), &dir.path().join(name(1)));
    fails(
        dir.path(),
        ErrorKind::ShapeMismatch,
        &[&name(1), &name(0), "not of one checkpoint"],
    );

    let dir = shards("mp2");
    copy("legacy.pt", &dir.path().join(name(1)));
    fails(
        dir.path(),
        ErrorKind::UnsupportedFile,
        &[&name(1), "before version 1.6"],
    );

    // Two shards that differ in what they should repeat: seen at once in the final norm, and by
    // conversion anywhere.
    let other = |tensor: &str| {
        let dir = shards("mp2");
        let path = dir.path().join(name(1));
        let source = weights::open(
            &path.with_file_name("mp_rank_00_model_states.pt"),
            MemoryMode::Map,
        )
        .unwrap();
        let mut needle = Vec::new();
        let mut collect = |run: &[u8]| {
            needle.extend_from_slice(run);
            Ok(())
        };
        source
            .tensor(tensor)
            .unwrap()
            .for_each_run(&mut collect)
            .unwrap();
        drop(source);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes
            .windows(needle.len())
            .position(|w| w == needle)
            .unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        dir
    };
    let dir = other("final_layernorm.bias");
    fails(
        dir.path(),
        ErrorKind::MalformedFile,
        &[&name(1), "`final_layernorm.bias` differs"],
    );
    let dir = other("layers.1.attention.dense.bias");
    let checkpoint = open(dir.path());
    let out = dir.path().join("out");
    let error = convert_quietly(&checkpoint, &out, &ConvertOptions::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`layers.1.attention.dense.bias` differs"),
        "{error}"
    );
    assert!(!out.exists());
}

#[test]
fn an_index_names_files_beside_it_that_hold_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("model.safetensors.index.json");
    let write = |map: &str| std::fs::write(&index, format!(r#"{{"weight_map":{map}}}"#)).unwrap();
    for file in ["../x.safetensors", "/etc/passwd", "a\\\\b", "..", "", "c:x"] {
        write(&format!(r#"{{"w":"{file}"}}"#));
        fails(
            dir.path(),
            ErrorKind::MalformedFile,
            &["not the name of a file beside"],
        );
    }
    write(r#"{"w":"gone.safetensors"}"#);
    fails(dir.path(), ErrorKind::NotFound, &["gone.safetensors"]);
    std::fs::write(dir.path().join("gone.safetensors"), safetensors("{}", 0)).unwrap();
    fails(
        &index,
        ErrorKind::MissingTensor,
        &["gone.safetensors", "`w` is not in this file"],
    );
    std::fs::write(&index, "{}").unwrap();
    fails(&index, ErrorKind::MalformedFile, &["nor the index of one"]);
}

#[test]
fn folders_without_one_checkpoint_say_so() {
    let dir = tempfile::tempdir().unwrap();
    fails(
        dir.path(),
        ErrorKind::NotFound,
        &["no checkpoint in this folder"],
    );
    fails(
        &dir.path().join("gone.pt"),
        ErrorKind::NotFound,
        &["gone.pt"],
    );
    fails(
        &layouts(),
        ErrorKind::InvalidArgument,
        &["several checkpoints", "give the file itself"],
    );
    fails(
        &layouts().join("legacy.pt"),
        ErrorKind::UnsupportedFile,
        &["torch.save(torch.load"],
    );
}

#[test]
fn the_estimate_counts_weights_and_cache() {
    let path = layouts().join("single.pt");
    let options = OpenOptions::new();
    let mapped = estimate(
        &path,
        &options,
        &EstimateOptions::new(2, 32).kv(KvFormat::F32),
    )
    .unwrap();
    let parameters = open_config().parameters() as u64;
    assert_eq!(mapped.weights_mapped, 2 * parameters);
    assert_eq!(mapped.weights_owned, 0);
    // Three layers of two heads of eight, whose values are padded to 32.
    assert_eq!(mapped.cache_per_token, 3 * 2 * (8 + 32) * 4);
    assert_eq!(mapped.cache, 2 * 32 * mapped.cache_per_token);
    assert!(mapped.total() > mapped.weights_mapped + mapped.cache);
    let length = std::fs::metadata(&path).unwrap().len();
    let copied = estimate(
        &path,
        &options.memory(MemoryMode::Copy),
        &EstimateOptions::new(1, 1),
    )
    .unwrap();
    assert_eq!((copied.weights_mapped, copied.weights_owned), (0, length));
}
