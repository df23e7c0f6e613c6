//! Which part of the machine every program sees.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

/// One entry of a program's view.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// Shown read-only where it is.
    Shown(PathBuf),
    /// A link, as the machine has it.
    Link { target: PathBuf, at: PathBuf },
}

/// Folders of installed programs. What one keeps here, everybody on the machine can read.
const PROGRAMS: [&str; 8] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/gnu/store",
];
/// Of `/etc`, what starting a program takes.
const SETTINGS: [&str; 4] = [
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
];
/// Devices that are harmless. Not `zero`: mapping it is memory that no process shows (see `usage`).
pub(super) const DEVICES: [&str; 4] = ["null", "full", "random", "urandom"];

/// Looks at what there is.
pub(super) fn of_this_machine() -> Vec<Entry> {
    let mut found = Vec::new();
    for path in PROGRAMS.iter().chain(&SETTINGS).map(Path::new) {
        if let Ok(target) = std::fs::read_link(path) {
            found.push(Entry::Link {
                target,
                at: path.to_owned(),
            });
        } else if path.exists() {
            found.push(Entry::Shown(path.to_owned()));
        }
    }
    // Where distributions keep the settings of a JDK in /etc, it links there.
    let folder = std::fs::read_dir("/etc").into_iter().flatten().flatten();
    let java = folder.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"java"));
    let mut java: Vec<_> = java.map(|entry| Entry::Shown(entry.path())).collect();
    found.append(&mut java);
    found
}
