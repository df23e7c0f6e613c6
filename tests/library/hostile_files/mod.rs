//! Files that lie: each has to end in an error that says what and where, without a panic and
//! without memory that the file's own length does not justify.

mod arrays;
mod configs;
mod indexes;
mod pickles;
mod safetensors_files;
mod tensors;
mod zip_files;

use crate::support::alloc::peak_of;
use crate::support::files::{
    Entry, MATRIX, Pickle, PickledTensor, pt, safetensors, zip, zip_places,
};
use codegeex::__internal::Bytes;
use codegeex::weights::{self, WeightSource};
use codegeex::{Error, ErrorKind};

/// What opening may hold, whatever the file says, and for each of its bytes.
const FIXED: usize = 32 << 10;
const FACTOR: usize = 100;

/// Opens the file and touches all of it; fails when that takes too much memory.
fn open(bytes: &[u8]) -> Result<Box<dyn WeightSource>, Error> {
    let held = Bytes::copy_from(bytes).unwrap();
    let (result, peak) = peak_of(|| {
        let source = weights::from_bytes(held, "file")?;
        for info in source.tensors() {
            let mut seen = 0;
            source.tensor(&info.name)?.for_each_run(&mut |run| {
                seen += run.len();
                Ok(())
            })?;
            assert_eq!(seen, info.bytes());
        }
        Ok(source)
    });
    let allowed = FIXED + FACTOR * bytes.len();
    assert!(
        peak <= allowed,
        "{peak} bytes held for a file of {}",
        bytes.len()
    );
    result
}

struct Case {
    name: &'static str,
    file: Vec<u8>,
    kind: ErrorKind,
    says: &'static [&'static str],
}

fn check(cases: Vec<Case>) {
    for case in cases {
        let error = match open(&case.file) {
            Ok(source) => panic!("{}: opened as {:?}", case.name, source.tensors()),
            Err(error) => error,
        };
        let text = error.to_string();
        assert_eq!(error.kind(), case.kind, "{}: {text}", case.name);
        for part in case.says {
            assert!(
                text.contains(part),
                "{}: `{part}` is not in: {text}",
                case.name
            );
        }
        assert!(
            text.len() < 1000,
            "{}: {} bytes of text",
            case.name,
            text.len()
        );
    }
}

use ErrorKind::{MalformedFile as Malformed, ShapeMismatch, UnsupportedFile as Unsupported};

fn case(name: &'static str, file: Vec<u8>, kind: ErrorKind, says: &'static [&'static str]) -> Case {
    Case {
        name,
        file,
        kind,
        says,
    }
}

fn good() -> Vec<u8> {
    pt(&Pickle::of(&MATRIX))
}

/// A good checkpoint with `bytes` written at an offset from the directory (or the end record).
fn patched(from_end_record: bool, offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = good();
    let (directory, end) = zip_places(&file);
    let at = offset + if from_end_record { end } else { directory };
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn the_files_that_the_cases_spoil_are_good() {
    let source = open(&good()).unwrap();
    assert_eq!(source.tensors()[0].shape, [2, 3]);
    let json = r#"{"w":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]}}"#;
    assert_eq!(open(&safetensors(json, 12)).unwrap().tensors().len(), 1);
}

#[test]
fn not_checkpoints() {
    check(vec![
        case("empty", vec![], Unsupported, &["file: the file is empty"]),
        case(
            "text",
            b"hello".to_vec(),
            Unsupported,
            &["at byte 0", "hello"],
        ),
        case(
            "legacy torch.save",
            b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.".to_vec(),
            Unsupported,
            &["before version 1.6", "torch.save(torch.load"],
        ),
        case(
            "git lfs pointer",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec(),
            Unsupported,
            &["git lfs pull"],
        ),
    ]);
}

/// Opens a spoiled file; any error will do, a panic or a greedy allocation will not.
fn survive(file: &[u8]) {
    if let Err(error) = open(file) {
        assert!(
            !matches!(error.kind(), ErrorKind::Internal | ErrorKind::OutOfMemory),
            "{error}"
        );
    }
}

fn small_files() -> [Vec<u8>; 2] {
    let json = r#"{"__metadata__":{"format":"pt"},"layers.0.attention.query_key_value.bias":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"w":{"dtype":"F32","shape":[1,1],"data_offsets":[6,10]}}"#;
    [good(), safetensors(json, 10)]
}

#[test]
fn files_cut_short_at_every_byte() {
    for file in small_files() {
        for len in 0..file.len() {
            assert!(
                open(&file[..len]).is_err(),
                "{len} of {} bytes opened",
                file.len()
            );
        }
    }
}

#[test]
fn files_with_any_one_byte_changed() {
    for file in small_files() {
        for at in 0..file.len() {
            let mut spoiled = file.clone();
            for value in 0..=255 {
                spoiled[at] = value;
                survive(&spoiled);
            }
        }
    }
}
