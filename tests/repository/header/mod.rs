//! `include/codegeex.h` is what cbindgen makes of `src/capi/`, and the generated files of the C tests
//! are what that header says: a function that is added is in all of them.
//!
//! `CODEGEEX_BLESS=1 cargo test --features capi --test repository header` writes them.

mod tables;

use std::path::{Path, PathBuf};

/// The files in the order of the header's sections.
const SECTIONS: &[&str] = &[
    "status",
    "error",
    "version",
    "buffer",
    "cancel",
    "log",
    "tokenizer",
    "decoder",
    "open_options",
    "model",
    "task",
    "prompt",
    "code",
    "generate_options",
    "sampler",
    "event",
    "completions",
    "generate",
    "beam",
    "score",
    "session",
    "edit",
    "state",
    "convert",
    "service",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Major, minor and patch as macros, out of Cargo.toml.
fn version_macros(version: &str) -> String {
    let mut numbers = version.split(['.', '-', '+']);
    let mut macros = format!("#define CODEGEEX_VERSION \"{version}\"\n");
    for part in ["MAJOR", "MINOR", "PATCH"] {
        let number: u32 = numbers.next().unwrap().parse().unwrap();
        macros += &format!("#define CODEGEEX_VERSION_{part} {number}\n");
    }
    macros
}

fn generate() -> String {
    let folder = root().join("src/capi");
    let conventions = std::fs::read_to_string(folder.join("header.txt")).unwrap();
    let mut config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    config.header = Some(conventions);
    config.after_includes = Some(format!(
        "\n#include <stddef.h>\n#include <stdint.h>\n\n\
         /** The length of a text that ends at its NUL. */\n\
         #define CODEGEEX_STRLEN SIZE_MAX\n\n\
         /** The version of this header. */\n{}",
        version_macros(env!("CARGO_PKG_VERSION"))
    ));
    let mut builder = cbindgen::Builder::new().with_config(config);
    for section in SECTIONS {
        builder = builder.with_src(folder.join(format!("{section}.rs")));
    }
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

/// Compares a committed file with what it should be, or writes it.
fn compare(path: &str, expected: &str) {
    let whole = root().join(path);
    if std::env::var_os("CODEGEEX_BLESS").is_some() {
        std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
        std::fs::write(&whole, expected).unwrap();
    }
    let committed = std::fs::read_to_string(&whole).unwrap_or_default();
    assert!(
        committed == expected,
        "{path} is not what src/capi/ says; write it anew with\n\
         CODEGEEX_BLESS=1 cargo test --features capi --test repository header"
    );
}

#[test]
fn the_committed_header_is_what_the_sources_say() {
    compare("include/codegeex.h", &generate());
}

#[test]
fn the_tables_of_the_c_tests_are_what_the_header_says() {
    let functions = tables::functions(&generate());
    assert!(functions.len() > 150);
    compare("tests/capi/symbols.txt", &tables::symbols(&functions));
    compare("tests/capi/generated/nulls.c", &tables::nulls(&functions));
    compare("tests/capi/generated/shim.c", &tables::shim(&functions));
}

#[test]
fn every_file_with_an_entry_is_a_section() {
    let mut found: Vec<String> = std::fs::read_dir(root().join("src/capi"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| has_entry(path) && !path.ends_with("test_only.rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    let mut sections: Vec<&str> = SECTIONS.to_vec();
    sections.sort_unstable();
    // The log has a callback type and no function.
    sections.retain(|s| *s != "log");
    assert_eq!(found, sections);
}

fn has_entry(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "rs")
        && std::fs::read_to_string(path).unwrap().contains("no_mangle")
}

/// The numbers that a header defines, those of the versions left out.
fn numbers(header: &str) -> Vec<(String, String)> {
    let defines = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define CODEGEEX_"));
    defines
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| !name.starts_with("VERSION") && *name != "ABI_MINOR")
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn numbers_of_released_headers_are_the_same_today() {
    let today = numbers(&generate());
    let mut releases = 0;
    for release in std::fs::read_dir(root().join("tests/capi/abi")).unwrap() {
        let path = release.unwrap().path().join("codegeex.h");
        let Ok(header) = std::fs::read_to_string(&path) else {
            continue;
        };
        releases += 1;
        let released = numbers(&header);
        assert!(released.len() > 50);
        for number in released {
            assert!(today.contains(&number), "{}: {number:?}", path.display());
        }
    }
    assert!(releases > 0);
}

#[test]
fn versions_are_split_into_numbers() {
    let macros = version_macros("12.3.45-rc.1");
    assert!(macros.contains("CODEGEEX_VERSION \"12.3.45-rc.1\""));
    assert!(macros.contains("_MAJOR 12\n") && macros.contains("_MINOR 3\n"));
    assert!(macros.contains("_PATCH 45\n"));
}
