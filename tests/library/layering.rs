//! Which module may use which, and where `unsafe` may stand: the structure that a crate of its own
//! for every layer would enforce.

use std::path::{Path, PathBuf};

/// Modules by layer; one may use what is named with it, itself, and all of layer 0.
const FOUNDATION: &[&str] = &[
    "bytes", "cancel", "checksum", "error", "language", "memory", "num", "partial", "setters",
    "system", "tensor", "threads",
];
const ALLOWED: &[(&str, &[&str])] = &[
    ("kernels", &[]),
    ("tokenizer", &[]),
    ("weights", &[]),
    ("prompt", &[]),
    ("code", &[]),
    ("quant", &["kernels"]),
    ("backend", &["kernels"]),
    ("family", &["weights", "backend"]),
    ("model", &["weights", "quant", "backend", "family"]),
    (
        "generate",
        &["model", "family", "tokenizer", "prompt", "code"],
    ),
    (
        "edit",
        &["generate", "model", "tokenizer", "prompt", "code"],
    ),
    (
        "eval",
        &["generate", "model", "tokenizer", "prompt", "code"],
    ),
    (
        "capi",
        &[
            "backend",
            "code",
            "edit",
            "family",
            "generate",
            "model",
            "prompt",
            "tokenizer",
            "weights",
        ],
    ),
];
/// What the files of a folder must not name although the layers above allow it: the folder, a path
/// segment or a name, and the files that do so all the same, each with the reason.
type Apart = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);
const APART: &[Apart] = &[
    // A device is behind the traits of `backend`, whichever it is.
    ("model/", "cpu::", &[]),
    ("model/", "Cpu", &[("model/mod.rs", ARCHITECTURE)]),
    ("model/", "CpuOptions", &[("model/mod.rs", ARCHITECTURE)]),
    (
        "model/",
        "InstructionSet",
        &[("model/mod.rs", ARCHITECTURE)],
    ),
    // Floats know nothing of quantized panels.
    ("kernels/generic/", "packed::", &[]),
    ("kernels/simd.rs", "packed::", &[("kernels/simd.rs", TIER)]),
    // The layout of quantized weights in a file is no business of the processor's.
    (
        "quant/",
        "kernels::",
        &[
            ("quant/int4.rs", LAYOUT),
            ("quant/pack.rs", LAYOUT),
            ("quant/stored.rs", LAYOUT),
        ],
    ),
];
const ARCHITECTURE: &str = "issue: one architecture table, and devices behind `backend`";
const TIER: &str = "issue: one architecture table; `Simd` has `PanelDot` as a supertrait";
const LAYOUT: &str = "issue: one architecture table; `quant::layout` shall own the panels";
/// Files and folders that may contain `unsafe`.
const UNSAFE: &[&str] = &[
    "kernels/",
    "capi/",
    "bytes.rs",
    "memory/reserve.rs",
    "threads.rs",
    // Calls of the operating system that no safe crate of ours has.
    "system/",
    "eval/sandbox/",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Every `.rs` file under src/ but the program, relative to it, with its code: comments and
/// strings that span lines are not looked at closely, which is good enough here.
fn library() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&src, &mut found);
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&src).unwrap().to_str().unwrap();
            let code: Vec<String> = std::fs::read_to_string(&path)
                .unwrap()
                .lines()
                .map(|line| line.split("//").next().unwrap_or_default().to_owned())
                .collect();
            (name.replace('\\', "/"), code.join("\n"))
        })
        .filter(|(name, _)| !name.starts_with("bin/"))
        .collect()
}

fn module_of(name: &str) -> &str {
    name.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn modules_use_only_lower_ones() {
    let mut wrong = Vec::new();
    let files = library();
    assert!(files.len() > 40);
    for (name, code) in &files {
        let module = module_of(name);
        if module == "lib" {
            continue;
        }
        let allowed: Vec<&str> = match ALLOWED.iter().find(|(m, _)| *m == module) {
            Some((_, others)) => [FOUNDATION, others].concat(),
            None => {
                assert!(FOUNDATION.contains(&module), "{module} is in no layer");
                FOUNDATION.to_vec()
            }
        };
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            let used: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            // What lib.rs re-exports of the foundation. A group, `crate::{`, would
            // hide what it names and counts as wrong.
            let own = ["Error", "ErrorKind", "Language", "Result"].contains(&used.as_str());
            if !own && used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{name} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether code names something, as a word of its own.
fn names(code: &str, what: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(what).any(|(at, _)| {
        let after = code[at + what.len()..].chars().next();
        !code[..at].ends_with(part) && (what.ends_with(':') || !after.is_some_and(part))
    })
}

#[test]
fn what_has_to_stay_apart_inside_the_layers_does() {
    let files = library();
    for (folder, what, exceptions) in APART {
        let users: Vec<&str> = files
            .iter()
            .filter(|(name, _)| name.starts_with(folder) && !name.contains("tests"))
            .filter(|(_, code)| names(code, what))
            .map(|(name, _)| name.as_str())
            .collect();
        for user in &users {
            let known = exceptions.iter().any(|(file, _)| file == user);
            assert!(known, "{user} names {what}");
        }
        for (file, reason) in *exceptions {
            assert!(!reason.is_empty());
            assert!(
                users.contains(file),
                "{file} no longer names {what}: take it off the list"
            );
        }
    }
}

#[test]
fn unsafe_code_stays_where_it_belongs() {
    for (name, code) in library() {
        let allowed = UNSAFE.iter().any(|u| name.starts_with(u));
        let has = code
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|word| word == "unsafe");
        assert!(allowed || !has, "{name} has unsafe code");
        let top = name.ends_with("/mod.rs") && name.matches('/').count() == 1;
        if !allowed && (top || !name.contains('/')) && name != "lib.rs" {
            assert!(
                code.contains("#![forbid(unsafe_code)]")
                    || name == "kernels/mod.rs"
                    // What forbids it cannot make an exception for a folder.
                    || (["eval/mod.rs", "memory.rs"].contains(&name.as_str())
                        && code.contains("#![deny(unsafe_code)]")),
                "{name} does not forbid unsafe code"
            );
        }
    }
}

#[test]
fn no_file_is_larger_than_can_be_read() {
    for (name, code) in library() {
        assert!(code.lines().count() <= 800, "{name} is too long");
    }
}
