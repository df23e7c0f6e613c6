//! Files of training scripts: what lies beside the weights is passed over, what wraps them makes
//! no difference, and what cannot be read is an error only where the model needs it.

use codegeex::__internal::Bytes;
use codegeex::__internal::zip::Archive;

use crate::support::files::{Entry, zip};

use super::*;

/// The entries of `single.pt`, the pickle apart and without its first and last opcode.
fn single() -> (Vec<u8>, Vec<Entry>) {
    let bytes = Bytes::read(&layouts().join("single.pt")).unwrap();
    let archive = Archive::parse(bytes).unwrap();
    let (mut pickle, mut entries) = (Vec::new(), Vec::new());
    for entry in archive.entries() {
        let data = archive.data(entry);
        match entry.name.ends_with("/data.pkl") {
            true => pickle = body(data.as_slice()),
            false => entries.push(Entry::new(&entry.name, data.as_slice())),
        }
    }
    (pickle, entries)
}

/// A pickle without the opcodes that begin and end it.
fn body(pickle: &[u8]) -> Vec<u8> {
    assert_eq!((pickle[0], pickle.last()), (0x80, Some(&b'.')));
    pickle[2..pickle.len() - 1].to_vec()
}

/// The model of `single.pt` under a pickle that `write` makes of its own, in a folder with its
/// configuration.
fn rewritten(write: impl FnOnce(Pickle, &[u8]) -> Pickle, more: &[Entry]) -> tempfile::TempDir {
    let (pickle, mut entries) = single();
    let pickle = write(Pickle(vec![0x80, 5]), &pickle).op(b".");
    entries.push(Entry::new("single/data.pkl", &pickle.0));
    entries.extend_from_slice(more);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("model.pt"), zip(&entries)).unwrap();
    copy("config.json", &dir.path().join("config.json"));
    dir
}

fn saved_beside() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/beside");
    let mut all: Vec<_> = (std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "pkl"))
        .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
        .collect();
    all.sort();
    assert!(all.len() >= 21);
    all
}

#[test]
fn what_training_scripts_save_beside_the_weights_is_passed_over() {
    let expected = reference();
    for (name, pickle) in saved_beside() {
        let value = body(&pickle);
        // Beside the model's state, and in it.
        let beside = rewritten(
            |p, single| {
                let p = p.op(b"}").text("saved").op(&value).op(b"s");
                p.text("model").op(single).op(b"s")
            },
            &[],
        );
        let inside = rewritten(
            |p, single| {
                let p = p.op(b"}").text("module").op(b"}");
                let p = p.text("saved").op(&value).op(b"s");
                p.text("model").op(single).op(b"ss")
            },
            &[],
        );
        for dir in [&beside, &inside] {
            let checkpoint = open(dir.path());
            assert!(numbers(&checkpoint) == expected, "{name}");
        }
        let ignored = open(beside.path()).ignored().unwrap().clone();
        assert_eq!(ignored.entries, ["saved"], "{name}");
        // Alone it is no checkpoint, which is said and not run.
        let alone = tempfile::tempdir().unwrap();
        let path = alone.path().join("alone.pt");
        std::fs::write(&path, pt(&pickle)).unwrap();
        if let Err(error) = weights::open(&path, MemoryMode::Map) {
            assert_eq!(error.kind(), ErrorKind::UnsupportedFile, "{name}: {error}");
        }
    }
}

#[test]
fn an_object_is_an_error_that_names_its_class_only_where_the_model_should_be() {
    let object = |p: Pickle| p.global("models.gpt", "CodeGeeXModel").op(b")\x81}b");
    // All of the checkpoint.
    let dir = rewritten(|p, _| object(p), &[]);
    let path = dir.path().join("model.pt");
    let says = ["`models.gpt.CodeGeeXModel`", "state_dict()", "never"];
    fails(&path, ErrorKind::UnsupportedFile, &says);
    // The whole of the model.
    let dir = rewritten(|p, _| object(p.op(b"}").text("model")).op(b"s"), &[]);
    let path = dir.path().join("model.pt");
    fails(&path, ErrorKind::UnsupportedFile, &["`model`", says[0]]);
    // One tensor.
    let replaced = |p: Pickle, single: &[u8]| {
        let name = b"layers.1.mlp.dense_h_to_4h.bias";
        let at = single.windows(name.len()).position(|w| w == name).unwrap();
        let mut other = single.to_vec();
        other[at] = b'x';
        let p = p
            .op(b"}")
            .text("module")
            .op(b"}")
            .text("model")
            .op(&other)
            .op(b"s");
        let p = p.text("transformer.layers.1.mlp.dense_h_to_4h.bias");
        object(p).op(b"ss")
    };
    let dir = rewritten(replaced, &[]);
    fails(
        dir.path(),
        ErrorKind::UnsupportedFile,
        &["`layers.1.mlp.dense_h_to_4h.bias` is needed", says[0]],
    );
}

#[test]
fn wrappers_around_the_model_make_no_difference() {
    let expected = reference();
    for wrappers in [
        &["_orig_mod"][..],
        &["module"],
        &["_forward_module"],
        &["state_dict", "model"],
        &["model_state_dict", "module", "_orig_mod"],
        &["_forward_module", "_orig_mod", "module", "module"],
        &["state_dict", "_fsdp_wrapped_module", "_orig_mod"],
    ] {
        let wrap = |p: Pickle, single: &[u8]| {
            let p = (wrappers.iter()).fold(p, |p, name| p.op(b"}").text(name));
            p.op(single).op(&b"s".repeat(wrappers.len()))
        };
        let dir = rewritten(wrap, &[]);
        assert!(numbers(&open(dir.path())) == expected, "{wrappers:?}");
    }
}

/// A storage `90` of eight halves, 0 to 7, and a pickle that puts a value under a name of its own
/// beside the tensors of the model.
fn with_tensor(value: impl FnOnce(Pickle) -> Pickle) -> tempfile::TempDir {
    let halves: Vec<u8> = (0..8u16)
        .flat_map(|i| f16::from_f32(f32::from(i)).to_le_bytes())
        .collect();
    let write = |p: Pickle, single: &[u8]| {
        let p = p.op(b"}").text("module").op(b"}").text("model").op(single);
        value(p.op(b"s").text("more")).op(b"ss")
    };
    rewritten(write, &[Entry::new("single/data/90", &halves)])
}

fn storage(p: Pickle, class: (&str, &str), elements: i64) -> Pickle {
    let p = p
        .op(b"(")
        .text("storage")
        .global(class.0, class.1)
        .text("90");
    p.text("cuda:0").int(elements).op(b"tQ")
}

fn typed(p: Pickle, class: (&str, &str), elements: i64, shape: &[i64], strides: &[i64]) -> Pickle {
    let p = p.global("torch._utils", "_rebuild_tensor_v2").op(b"(");
    let p = storage(p, class, elements).int(0).ints(shape).ints(strides);
    p.op(b"\x89")
        .global("collections", "OrderedDict")
        .op(b")RtR")
}

fn untyped(p: Pickle, dtype: &str, shape: &[i64]) -> Pickle {
    let p = p.global("torch._utils", "_rebuild_tensor_v3").op(b"(");
    let p = storage(p, ("torch.storage", "UntypedStorage"), 16).int(0);
    let p = p
        .ints(shape)
        .ints(&[1])
        .op(b"\x89")
        .global("collections", "OrderedDict")
        .op(b")R");
    p.global("torch", dtype).op(b"tR")
}

const HALF: (&str, &str) = ("torch", "HalfStorage");

#[test]
fn tensors_that_torch_rebuilds_in_other_ways_are_read() {
    let tensor = |p| typed(p, HALF, 8, &[4], &[2]);
    let attributes = |p: Pickle| p.op(b"}").text("tensor_model_parallel").op(b"\x88s");
    let forms: [(&str, &dyn Fn(Pickle) -> Pickle); 6] = [
        ("plain", &tensor),
        ("parameter", &|p| {
            let p = tensor(p.global("torch._utils", "_rebuild_parameter").op(b"("));
            p.op(b"\x88")
                .global("collections", "OrderedDict")
                .op(b")RtR")
        }),
        ("parameter with attributes", &|p| {
            let p = p.global("torch._utils", "_rebuild_parameter_with_state");
            let p = tensor(p.op(b"("))
                .op(b"\x88")
                .global("collections", "OrderedDict");
            attributes(p.op(b")R")).op(b"tR")
        }),
        ("tensor with attributes", &|p| {
            let p = p.global("torch._tensor", "_rebuild_from_type_v2").op(b"(");
            let p = p.global("torch._utils", "_rebuild_tensor_v2");
            let p = p.global("torch.nn.parameter", "Buffer").op(b"(");
            let p = storage(p, HALF, 8).int(0).ints(&[4]).ints(&[2]);
            let p = p
                .op(b"\x89")
                .global("collections", "OrderedDict")
                .op(b")Rt");
            attributes(p).op(b"tR")
        }),
        ("state set afterwards", &|p| attributes(tensor(p)).op(b"b")),
        ("sizes of torch", &|p| {
            let p = p.global("torch._utils", "_rebuild_tensor_v2").op(b"(");
            let p = storage(p, HALF, 8).int(0);
            let p = p.global("torch", "Size").ints(&[4]).op(b"\x85R").ints(&[2]);
            p.op(b"\x89")
                .global("collections", "OrderedDict")
                .op(b")RtR")
        }),
    ];
    for (name, form) in forms {
        let dir = with_tensor(form);
        let checkpoint = open(dir.path());
        let found = numbers_of(checkpoint.source(), "model.more");
        assert_eq!(found, [0.0, 2.0, 4.0, 6.0], "{name}");
        assert!(numbers(&checkpoint) == reference(), "{name}");
    }
    let dir = with_tensor(|p| untyped(p, "float16", &[8]));
    let found = numbers_of(open(dir.path()).source(), "model.more");
    assert_eq!(found, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
}

fn numbers_of(source: &dyn WeightSource, name: &str) -> Vec<f32> {
    let tensors = source.tensors().iter().map(|t| t.name.as_str());
    let name = tensors
        .into_iter()
        .find(|n| n.ends_with("more"))
        .unwrap_or(name);
    let mut found = Vec::new();
    let mut collect = |run: &[u8]| {
        found.extend(
            run.chunks_exact(2)
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()),
        );
        Ok(())
    };
    source
        .tensor(name)
        .unwrap()
        .for_each_run(&mut collect)
        .unwrap();
    found
}

#[test]
fn expanded_views_are_read_within_the_size_of_the_file() {
    let dir = with_tensor(|p| typed(p, HALF, 8, &[3, 2], &[0, 1]));
    let found = numbers_of(open(dir.path()).source(), "more");
    assert_eq!(found, [0.0, 1.0].repeat(3));
    let huge = |p: Pickle| typed(p, HALF, 8, &[1 << 20, 1 << 20], &[0, 0]);
    // One view may be as large as the file, all together may not.
    let many = |p: Pickle| {
        let view =
            |p: Pickle, i: usize| typed(p.text(&i.to_string()), HALF, 8, &[8000], &[0]).op(b"s");
        (0..40).fold(p.op(b"}"), view)
    };
    for (value, left) in [(&huge as &dyn Fn(Pickle) -> Pickle, 0), (&many, 3)] {
        let checkpoint = open(with_tensor(value).path());
        assert!(numbers(&checkpoint) == reference());
        let others = checkpoint.source().tensors().len() - checkpoint.tensors().len();
        assert!(others <= left, "{others}");
    }
    let needed = |p: Pickle, _: &[u8]| {
        let p = p.op(b"}").text("word_embeddings.weight");
        typed(p, HALF, 8, &[1 << 20, 16], &[0, 0]).op(b"s")
    };
    let dir = rewritten(needed, &[Entry::new("single/data/90", &[0; 16])]);
    fails(
        dir.path(),
        ErrorKind::UnsupportedFile,
        &["`word_embeddings.weight`", "repeats more elements"],
    );
}

#[test]
fn types_that_no_weight_has_are_an_error_only_where_the_model_needs_them() {
    let types: [&dyn Fn(Pickle) -> Pickle; 7] = [
        &|p| untyped(p, "uint16", &[8]),
        &|p| untyped(p, "float8_e4m3fn", &[16]),
        &|p| untyped(p, "complex32", &[4]),
        &|p| typed(p, ("torch", "ComplexFloatStorage"), 2, &[2], &[1]),
        &|p| typed(p, ("torch", "QInt8Storage"), 16, &[2], &[1]),
        &|p| typed(p, ("torch", "BoolStorage"), 16, &[2], &[1]),
        &|p| typed(p, ("torch", "LongStorage"), 2, &[2], &[1]),
    ];
    for (i, value) in types.into_iter().enumerate() {
        let dir = with_tensor(value);
        assert!(numbers(&open(dir.path())) == reference(), "{i}");
    }
    let needed = |dtype: &str| {
        let write = |p: Pickle, _: &[u8]| {
            untyped(p.op(b"}").text("word_embeddings.weight"), dtype, &[8]).op(b"s")
        };
        rewritten(write, &[Entry::new("single/data/90", &[0; 16])])
    };
    let dir = needed("float8_e5m2");
    fails(
        dir.path(),
        ErrorKind::UnsupportedFile,
        &["`word_embeddings.weight`", "`torch.float8_e5m2`"],
    );
}

#[test]
fn shards_may_hold_random_states_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    for rank in 0..2 {
        let name = format!("mp_rank_{rank:02}_model_states.pt");
        let bytes = Bytes::read(&layouts().join("mp2").join(&name)).unwrap();
        let archive = Archive::parse(bytes).unwrap();
        let mut entries = Vec::new();
        for entry in archive.entries() {
            let data = archive.data(entry);
            let mut data = data.as_slice().to_vec();
            if entry.name.ends_with("data.pkl") {
                let p = Pickle(vec![0x80, 5])
                    .op(b"}")
                    .text("module")
                    .op(b"}")
                    .text("model");
                let p = p.op(&body(&data)).op(b"s").text("state of the generator");
                let p = typed(p, HALF, 8, &[if rank == 0 { 4 } else { 8 }], &[1]).op(b"s");
                // And one that only one of them has.
                let p = typed(p.text(&format!("of {rank}")), HALF, 8, &[2], &[1]);
                data = p.op(b"ss.").0;
            }
            entries.push(Entry::new(&entry.name, &data));
        }
        let folder = entries[0].name.split(|&b| b == b'/').next().unwrap();
        let name_of = format!("{}/data/90", String::from_utf8_lossy(folder));
        entries.push(Entry::new(&name_of, &[0; 16]));
        std::fs::write(dir.path().join(&name), zip(&entries)).unwrap();
    }
    copy("config.json", &dir.path().join("config.json"));
    assert!(numbers(&open(dir.path())) == reference());
}

#[test]
fn safetensors_headers_of_other_writers_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let tensor = r#""w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}"#;
    for metadata in [
        "null",
        "{}",
        r#"{"format":"pt"}"#,
        r#"{"format":"pt","step":7,"nested":{"a":[1,null]},"none":null,"x":1.5,"t":true}"#,
    ] {
        let json = format!(r#"{{"__metadata__":{metadata},{tensor}}}"#);
        std::fs::write(&path, safetensors(&json, 4)).unwrap();
        let source = weights::open(&path, MemoryMode::Map).unwrap();
        assert_eq!(source.tensors().len(), 1, "{metadata}");
        let format = metadata.contains("format");
        assert_eq!(source.metadata().len(), usize::from(format), "{metadata}");
    }
    let json = r#"{"position_embeddings.weight":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},
        "word_embeddings.weight":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[4,6]},
        "other":{"dtype":"X7","shape":[2],"data_offsets":[6,7]}}"#;
    std::fs::write(&path, safetensors(json, 7)).unwrap();
    let source = weights::open(&path, MemoryMode::Map).unwrap();
    assert_eq!(source.tensors().len(), 1);
    copy("config.json", &dir.path().join("config.json"));
    fails(
        &path,
        ErrorKind::UnsupportedFile,
        &["`word_embeddings.weight`", "F8_E4M3"],
    );
}

#[test]
fn the_weights_of_partitioned_runs_are_to_be_gathered_first() {
    let dir = tempfile::tempdir().unwrap();
    let empty = Pickle(vec![0x80, 2]).op(b"}").text("module").op(b"}");
    let empty = typed(empty.text("word_embeddings.weight"), HALF, 8, &[0], &[1]).op(b"ss.");
    let entries = [
        Entry::new("m/data.pkl", &empty.0),
        Entry::new("m/data/90", &[0; 16]),
    ];
    let says = ["ZeRO-3", "zero_to_fp32.py"];
    let path = dir.path().join("mp_rank_00_model_states.pt");
    std::fs::write(&path, zip(&entries)).unwrap();
    fails(&path, ErrorKind::UnsupportedFile, &says);
    fails(dir.path(), ErrorKind::UnsupportedFile, &says);
    std::fs::rename(
        &path,
        dir.path().join("zero_pp_rank_0_mp_rank_00_model_states.pt"),
    )
    .unwrap();
    fails(dir.path(), ErrorKind::UnsupportedFile, &says);
    let json = r#"{"word_embeddings.weight":{"dtype":"F16","shape":[0],"data_offsets":[0,0]}}"#;
    let path = dir.path().join("model.safetensors");
    std::fs::write(&path, safetensors(json, 0)).unwrap();
    fails(&path, ErrorKind::UnsupportedFile, &says);
}
