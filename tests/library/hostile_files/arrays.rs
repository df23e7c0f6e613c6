//! Folders of NumPy's arrays.

use super::*;
use codegeex::weights::{MemoryMode, open as open_path};

/// The name of the file that is spoiled.
const FILE: &str = "backbone.layernorm.gamma.npy";

fn array(version: u8, header: &str, data: usize) -> Vec<u8> {
    let mut file = b"\x93NUMPY".to_vec();
    file.extend([version, 0]);
    let length = header.len() as u32;
    match version {
        1 => file.extend((length as u16).to_le_bytes()),
        _ => file.extend(length.to_le_bytes()),
    }
    file.extend(header.as_bytes());
    file.resize(file.len() + data, 7);
    file
}

fn header(descr: &str, order: &str, shape: &str) -> String {
    format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}  \n")
}

fn of_shape(shape: &str, data: usize) -> Vec<u8> {
    array(1, &header("'<f2'", "False", shape), data)
}

/// Opens a folder with this one file, and touches all of it.
fn open_folder(bytes: &[u8]) -> Result<Box<dyn WeightSource>, Error> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE), bytes).unwrap();
    let (result, peak) = peak_of(|| {
        let source = open_path(dir.path(), MemoryMode::Copy)?;
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
    assert!(peak <= allowed, "{peak} bytes held for {}", bytes.len());
    result
}

#[test]
fn arrays_that_are_good() {
    for (descr, order, shape, data, dtype) in [
        ("'<f2'", "False", "(2, 3)", 12, "f16"),
        ("\"<f4\"", "True", "(3,)", 12, "f32"),
        ("'|V2'", "False", "()", 2, "bf16"),
        ("'<f2'", "False", "(0, 9)", 0, "f16"),
        ("'<f2'", "False", "(2L, 3L)", 12, "f16"),
    ] {
        for version in 1..=3 {
            let file = array(version, &header(descr, order, shape), data);
            let source = open_folder(&file).unwrap_or_else(|e| panic!("{descr} {shape}: {e}"));
            let info = &source.tensors()[0];
            assert_eq!(info.name, "final_layernorm.weight");
            assert_eq!(info.dtype.name(), dtype);
        }
    }
}

#[test]
fn arrays_that_lie() {
    let text = |header: &str| array(1, header, 12);
    let mut cases = vec![
        (
            "no magic",
            b"\x93NUMPZ\x01\0".to_vec(),
            Malformed,
            "at byte 0",
        ),
        (
            "cut in the magic",
            b"\x93NUM".to_vec(),
            Malformed,
            "at byte 0",
        ),
        ("version 4", array(4, "{}", 0), Unsupported, "version 4.0"),
        ("version 0", array(0, "{}", 0), Unsupported, "version 0.0"),
        ("empty header", text(""), Malformed, "expected `{`"),
        ("no fields", text("{}"), Malformed, "`shape` before its end"),
        (
            "no tuple",
            text(&header("'<f2'", "False", "(6)")),
            Malformed,
            "expected `,`",
        ),
        (
            "a list",
            text(&header("'<f2'", "False", "[6]")),
            Malformed,
            "expected `(`",
        ),
        (
            "negative",
            text(&header("'<f2'", "False", "(-6,)")),
            Malformed,
            "a size",
        ),
        (
            "an expression",
            text(&header("'<f2'", "False", "(2*3,)")),
            Malformed,
            "expected `)`",
        ),
        (
            "past usize",
            of_shape("(99999999999999999999,)", 12),
            Malformed,
            "a size",
        ),
        (
            "overflow",
            of_shape("(4294967296, 4294967296)", 12),
            Malformed,
            "does not fill exactly",
        ),
        (
            "zero and overflow",
            of_shape("(0, 9223372036854775807, 4)", 0),
            Malformed,
            "fill exactly",
        ),
        (
            "too many dimensions",
            of_shape("(1,1,1,1,1,1,1,1,1)", 2),
            Malformed,
            "dimensions",
        ),
        (
            "too little data",
            of_shape("(7,)", 12),
            Malformed,
            "12 bytes follow the header",
        ),
        (
            "too much data",
            of_shape("(5,)", 12),
            Malformed,
            "12 bytes follow the header",
        ),
        (
            "an order",
            text(&header("'<f2'", "0", "(6,)")),
            Malformed,
            "True or False",
        ),
        (
            "big-endian",
            text(&header("'>f2'", "False", "(6,)")),
            Unsupported,
            "`>f2`",
        ),
        (
            "objects",
            text(&header("'|O'", "False", "(6,)")),
            Unsupported,
            "`|O`",
        ),
        (
            "a structure",
            text(&header("[('a', '<f2')]", "False", "(6,)")),
            Malformed,
            "no structure",
        ),
        (
            "an escape",
            text(&header("'<f\\x32'", "False", "(6,)")),
            Malformed,
            "element type",
        ),
        (
            "no end of text",
            text("{'descr': '<f2"),
            Malformed,
            "element type",
        ),
        (
            "twice",
            text("{'descr': '<f2', 'descr': '<f4'}"),
            Malformed,
            "once each, not `descr`",
        ),
        (
            "another key",
            text("{'eval(1)': 1}"),
            Malformed,
            "not `eval(1)`",
        ),
        (
            "a call",
            text("__import__('os')"),
            Malformed,
            "expected `{`",
        ),
        (
            "more behind",
            text("{'descr': '<f2', 'fortran_order': False, 'shape': (6,)} x"),
            Malformed,
            "end of the header",
        ),
    ];
    let mut claims = array(2, "{}", 0);
    claims[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    cases.push((
        "a header of 4 GB",
        claims,
        Malformed,
        "4294967295 bytes is claimed",
    ));
    let mut claims = array(1, "{}", 0);
    claims[8..10].copy_from_slice(&u16::MAX.to_le_bytes());
    cases.push((
        "a header past the end",
        claims,
        Malformed,
        "65535 bytes expected, 2 are left",
    ));
    let keys = format!("{{'{}\u{1b}': 1}}", "k".repeat(60_000));
    cases.push(("a long key", text(&keys), Malformed, "not `kkkk"));
    for (name, file, kind, says) in cases {
        let error = open_folder(&file).map(|_| ()).expect_err(name);
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{name}: {text}");
        assert!(text.contains(says) && text.contains(FILE), "{name}: {text}");
        assert!(
            text.len() < 1000 && !text.contains('\u{1b}'),
            "{name}: {text}"
        );
    }
    // A file alone, whose name is not known.
    let lone = of_shape("(6,)", 12);
    check(vec![case(
        "one array",
        lone,
        Unsupported,
        &["open the folder"],
    )]);
}

#[test]
fn arrays_cut_short_or_with_any_one_byte_changed() {
    let file = of_shape("(2, 3)", 12);
    for len in 0..file.len() {
        assert!(parse(&file[..len]).is_err(), "{len} bytes");
        let mut spoiled = file.clone();
        for value in 0..=255 {
            spoiled[len] = value;
            if let Err(error) = parse(&spoiled) {
                assert!(matches!(error.kind(), Malformed | Unsupported), "{error}");
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Result<(), Error> {
    codegeex::__internal::npy::parse(bytes).map(|_| ())
}
