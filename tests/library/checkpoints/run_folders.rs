//! Folders of training runs and of the Hub: which of their files are the model.

use std::fs;

use super::*;

/// A folder with files; a source names a file of the layouts, text is written as it is.
struct Folder(tempfile::TempDir);

enum From<'a> {
    Layout(&'a str),
    Text(&'a str),
}

use From::{Layout, Text};

impl Folder {
    fn of(files: &[(&str, From<'_>)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, from) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match from {
                Layout(layout) => copy(layout, &path),
                Text(text) => fs::write(path, text).unwrap(),
            }
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    #[track_caller]
    fn opens(&self, names: &[&str]) {
        for name in names {
            let checkpoint = open(&self.path(name));
            assert!(numbers(&checkpoint) == reference(), "{name}");
        }
    }

    #[track_caller]
    fn fails(&self, name: &str, kind: ErrorKind, says: &[&str]) {
        fails(&self.path(name), kind, says);
    }
}

const ZERO: &str = "mp2/mp_rank_00_model_states.pt";
const ONE: &str = "mp2/mp_rank_01_model_states.pt";
const NO_FILE: From<'static> = Text("not read");

#[test]
fn a_run_of_deepspeed_is_its_newest_step() {
    let folder = Folder::of(&[
        ("latest", Text("global_step500\n")),
        ("zero_to_fp32.py", NO_FILE),
        ("config.json", Layout("config.json")),
        ("global_step400/mp_rank_00_model_states.pt", NO_FILE),
        ("global_step500/mp_rank_00_model_states.pt", Layout(ZERO)),
        ("global_step500/mp_rank_01_model_states.pt", Layout(ONE)),
        (
            "global_step500/zero_pp_rank_0_mp_rank_00_optim_states.pt",
            NO_FILE,
        ),
        (
            "global_step500/zero_pp_rank_0_mp_rank_01_optim_states.pt",
            NO_FILE,
        ),
        (
            "global_step500/bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt",
            NO_FILE,
        ),
        ("global_step500/._mp_rank_00_model_states.pt", NO_FILE),
    ]);
    folder.opens(&[
        "",
        "global_step500",
        "global_step500/mp_rank_00_model_states.pt",
        "global_step500/mp_rank_01_model_states.pt",
    ]);
    let ignored = open(&folder.path("")).ignored().unwrap().clone();
    assert_eq!(ignored.files, 3);
    for (text, kind, says) in [
        ("global_step600", ErrorKind::NotFound, "global_step600"),
        ("../elsewhere", ErrorKind::MalformedFile, "name of a folder"),
        ("/etc", ErrorKind::MalformedFile, "name of a folder"),
        ("", ErrorKind::MalformedFile, "name of a folder"),
    ] {
        fs::write(folder.path("latest"), text).unwrap();
        folder.fails("", kind, &["latest", says]);
    }
}

#[test]
fn a_run_of_megatron_is_its_newest_iteration() {
    for (marker, name, file) in [
        ("500", "iter_0000500", "model_optim_rng.pt"),
        ("release", "release", "model_rng.pt"),
        ("500\n", "global_step500", "model_optim_rng.pt"),
    ] {
        let file = |rank: usize| format!("{name}/mp_rank_{rank:02}/{file}");
        let (zero, one) = (file(0), file(1));
        let folder = Folder::of(&[
            ("latest_checkpointed_iteration.txt", Text(marker)),
            ("config.json", Layout("config.json")),
            (&zero, Layout(ZERO)),
            (&one, Layout(ONE)),
            (&format!("{name}/mp_rank_00/distrib_optim.pt"), NO_FILE),
        ]);
        folder.opens(&["", name, &zero, &one, &format!("{name}/mp_rank_01")]);
        fs::remove_file(folder.path(&zero)).unwrap();
        folder.fails("", ErrorKind::NotFound, &["missing: mp_rank_00"]);
    }
    let folder = Folder::of(&[
        ("mp_rank_00_000/model_optim_rng.pt", Layout(ZERO)),
        ("mp_rank_00_001/model_optim_rng.pt", NO_FILE),
    ]);
    folder.fails("", ErrorKind::UnsupportedFile, &["one stage of a pipeline"]);
}

#[test]
fn the_state_of_training_does_not_count() {
    let mut files = vec![("config.json", Layout("config.json"))];
    for name in [
        "._model.pt",
        "._model.safetensors",
        ".model.pt.partial",
        "optimizer.pt",
        "optimizer_1.bin",
        "scheduler.pt",
        "scaler.pt",
        "rng_state.pth",
        "rng_state_0.pth",
        "training_args.bin",
        "random_states_0.pkl",
        "trainer_state.json",
        "zero_pp_rank_0_mp_rank_00_optim_states.pt",
        "tokenizer.json",
        "latest",
    ] {
        files.push((name, NO_FILE));
    }
    let first = files.len();
    for (name, layout) in [
        ("model.pt", "single.pt"),
        ("model.safetensors", "reference.safetensors"),
        ("pytorch_model.bin", "single.pt"),
        ("last.ckpt", "single.pt"),
        ("model.pth", "single.pt"),
    ] {
        files.truncate(first);
        files.push((name, Layout(layout)));
        Folder::of(&files).opens(&[""]);
    }
    // Both formats of one model.
    files.push(("model.safetensors", Layout("reference.safetensors")));
    Folder::of(&files).opens(&[""]);
    files.truncate(first - 1);
    let folder = Folder::of(&files);
    let says = [
        "but the state of training",
        "latest_checkpointed_iteration.txt",
    ];
    folder.fails("", ErrorKind::NotFound, &says);
    let says = ["optimizer states", "mp_rank_00_model_states.pt"];
    let name = "zero_pp_rank_0_mp_rank_00_optim_states.pt";
    folder.fails(name, ErrorKind::UnsupportedFile, &says);
}

#[test]
fn an_index_of_pytorch_files_is_read() {
    let map = |names: &[&str], file: &str| -> String {
        let names = names.iter().map(|name| format!(r#""{name}":"{file}""#));
        names.collect::<Vec<_>>().join(",")
    };
    // `flat_parameters.pt` has the names below `module` as the index gives them.
    let source = weights::open(&layouts().join("single.pt"), MemoryMode::Map).unwrap();
    let names: Vec<String> = (source.tensors().iter())
        .map(|info| stored_name(&info.name))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (first, second) = names.split_at(20);
    let json = format!(
        r#"{{"metadata":{{"total_size":1}},"weight_map":{{{},{}}}}}"#,
        map(first, "pytorch_model-00001-of-00002.bin"),
        map(second, "pytorch_model-00002-of-00002.bin")
    );
    let folder = Folder::of(&[
        ("config.json", Layout("config.json")),
        ("pytorch_model.bin.index.json", Text(&json)),
        ("pytorch_model-00001-of-00002.bin", Layout("single.pt")),
        (
            "pytorch_model-00002-of-00002.bin",
            Layout("flat_parameters.pt"),
        ),
        ("training_args.bin", NO_FILE),
    ]);
    folder.opens(&["", "pytorch_model.bin.index.json"]);
    fs::write(
        folder.path("pytorch_model.bin.index.json"),
        "{\"weight_map\":7}",
    )
    .unwrap();
    folder.fails("", ErrorKind::MalformedFile, &["nor the index of one"]);
}

#[test]
fn a_folder_of_arrays_is_what_mindspore_exports() {
    let dir = tempfile::tempdir().unwrap();
    let export = dir.path().join("export");
    fs::create_dir(&export).unwrap();
    for entry in fs::read_dir(layouts().join("mindspore")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name != "config.json" {
            fs::copy(&path, export.join(name)).unwrap();
        }
    }
    fails(&export, ErrorKind::MissingConfig, &["export.config.json"]);
    // Beside the folder, then inside.
    copy("config.json", &dir.path().join("config.json"));
    let one = "backbone.layernorm.gamma.npy";
    for path in [export.clone(), export.join(one)] {
        assert!(numbers(&open(&path)) == reference());
    }
    copy("config.json", &export.join("config.json"));
    let origin = ConfigOrigin::File(export.join("config.json"));
    assert_eq!(*open(&export).config_origin(), origin);
    let described = open(&export).describe();
    assert!(
        described.ends_with("export (MindSpore, one array a parameter)"),
        "{described}"
    );
    // What is not the model's is passed over.
    let array = fs::read(export.join(one)).unwrap();
    fs::write(export.join("backbone.blocks.0.moments.gamma.npy"), &array).unwrap();
    fs::write(export.join("learning_rate.npy"), "not read").unwrap();
    assert!(numbers(&open(&export)) == reference());
    assert_eq!(open(&export).other_tensors(), 1);
    fs::remove_file(export.join(one)).unwrap();
    let says = ["`final_layernorm.weight`", "is missing"];
    fails(&export, ErrorKind::MissingTensor, &says);
    fs::write(export.join(one), &array[..array.len() - 2]).unwrap();
    fails(&export, ErrorKind::MalformedFile, &[one, "cut short"]);
    fs::remove_file(export.join(one)).unwrap();
    let other = "backbone.embedding.position_embedding.embedding_table.npy";
    fs::copy(export.join(other), export.join(one)).unwrap();
    let says = ["`final_layernorm.weight` has shape [32, 16], expected [16]"];
    fails(&export, ErrorKind::ShapeMismatch, &says);
    // Any other checkpoint of the folder is the model.
    copy("single.pt", &export.join("single.pt"));
    assert!(numbers(&open(&export)) == reference());
}

#[test]
fn shards_that_are_missing_are_named() {
    let files = [
        ("config.json", Layout("config.json")),
        ("mp_rank_00_model_states.pt", Layout(ZERO)),
        ("mp_rank_01_model_states.pt", Layout(ONE)),
    ];
    let folder = Folder::of(&files[..2]);
    let says = ["1 of 2 shards", "mp_rank_01_model_states.pt is missing"];
    folder.fails("", ErrorKind::NotFound, &says);
    folder.fails("mp_rank_00_model_states.pt", ErrorKind::NotFound, &says);
    let folder = Folder::of(&[
        ("config.json", Layout("config.json")),
        (
            "mp_rank_00_model_states.pt",
            Layout("mp4/mp_rank_00_model_states.pt"),
        ),
        (
            "mp_rank_01_model_states.pt",
            Layout("mp4/mp_rank_01_model_states.pt"),
        ),
    ]);
    folder.fails(
        "",
        ErrorKind::NotFound,
        &["2 of 4 shards", "mp_rank_02_model_states.pt"],
    );
    let folder = Folder::of(&[
        ("config.json", Layout("config.json")),
        ("mp_rank_01_model_states.pt", Layout(ONE)),
    ]);
    folder.fails(
        "",
        ErrorKind::NotFound,
        &["missing: mp_rank_00_model_states.pt"],
    );
}

/// The name that `single.pt` has for a canonical one, below its first two dictionaries.
fn stored_name(name: &str) -> String {
    match name {
        "word_embeddings.weight" | "position_embeddings.weight" => {
            format!("language_model.embedding.{name}")
        }
        "top_query_embeddings.weight" => format!("language_model.topQueryEmbedding.{name}"),
        _ => format!("language_model.transformer.{name}"),
    }
}
