//! What a conversion does to files: its own, those of other processes, and the checkpoint's.

use std::error::Error as _;
use std::fs;

use codegeex::weights::TensorInfo;
use codegeex::weights::safetensors::Writer;

use super::*;

#[test]
fn the_checkpoint_itself_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    copy("single.pt", &path("model.pt"));
    copy("config.json", &path("config.json"));
    let checkpoint = open(&path("model.pt"));
    let options = ConvertOptions::new().overwrite(true);
    let before = fs::read(path("model.pt")).unwrap();
    let refused = |out: &str, says: &str| {
        let error = convert_quietly(&checkpoint, &path(out), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains(says), "{out}: {error}");
        assert!(fs::read(path("model.pt")).unwrap() == before, "{out}");
    };
    refused("model.pt", "of the checkpoint");
    for other in [
        "other.pt",
        "other.BIN",
        "other.gguf",
        "other.json",
        "other.npy",
    ] {
        refused(other, "other.safetensors");
        assert!(!path(other).exists());
    }
    fs::hard_link(path("model.pt"), path("second.safetensors")).unwrap();
    refused("second.safetensors", "model.pt of the checkpoint");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(path("model.pt"), path("link.safetensors")).unwrap();
        refused("link.safetensors", "model.pt of the checkpoint");
    }
    convert_quietly(&checkpoint, &path("new.safetensors"), &options).unwrap();
    let converted = open(&path("new.safetensors"));
    let error = convert_quietly(&converted, &path("new.safetensors"), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    // The shards of a folder, too.
    let folder = shards("mp2");
    let checkpoint = open(folder.path());
    let link = folder.path().join("link.safetensors");
    fs::hard_link(folder.path().join("mp_rank_01_model_states.pt"), &link).unwrap();
    convert_quietly(&checkpoint, &link, &options).unwrap_err();
}

#[test]
fn what_a_killed_conversion_left_goes_with_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.safetensors");
    fs::write(dir.path().join(".out.safetensors.partial"), [0; 100]).unwrap();
    let checkpoint = open(&layouts().join("single.pt"));
    // Another one that writes the same file meanwhile is told to wait, and does no harm.
    let mut second = None;
    let mut progress = |_, _| {
        let options = ConvertOptions::new();
        second = Some(convert_quietly(&checkpoint, &out, &options));
    };
    convert(
        &checkpoint,
        &out,
        &ConvertOptions::new(),
        &mut progress,
        &CancelToken::new(),
    )
    .unwrap();
    let error = second.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(!error.to_string().contains("partial"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(numbers(&open(&out)) == reference());
}

#[test]
fn a_disk_that_is_too_small_is_known_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.safetensors");
    let tensor = TensorInfo {
        name: "w".to_owned(),
        dtype: DType::F16,
        shape: vec![1 << 30, 1 << 30],
    };
    let error = Writer::create(&out, [&tensor], &[], false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    for part in ["2305843009213694080 bytes are needed", "are free"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn no_error_says_a_cause_twice() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone/model.safetensors");
    let checkpoint = open(&layouts().join("single.pt"));
    let broken = dir.path().join("broken.safetensors");
    fs::write(&broken, safetensors("{\"w\":}", 0)).unwrap();
    let index = dir.path().join("x.index.json");
    fs::write(&index, "{\"weight_map\":7}").unwrap();
    let errors = [
        Checkpoint::open(&gone, &OpenOptions::new()).unwrap_err(),
        codegeex::__internal::Bytes::map(&gone).unwrap_err(),
        weights::open(&broken, MemoryMode::Copy)
            .map(drop)
            .unwrap_err(),
        weights::open(&index, MemoryMode::Copy)
            .map(drop)
            .unwrap_err(),
        convert_quietly(&checkpoint, &gone, &ConvertOptions::new()).unwrap_err(),
        codegeex::tokenizer::BpeTokenizer::from_folder(&gone)
            .map(drop)
            .unwrap_err(),
    ];
    for error in errors {
        let mut said = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            assert!(
                !said.contains(&text),
                "`{text}` is said again after: {said}"
            );
            said = format!("{said}: {text}");
            cause = error.source();
        }
        assert!(!said.contains("partial"), "{said}");
        assert!(said.matches("os error").count() <= 1, "{said}");
    }
}
