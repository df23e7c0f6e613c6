//! Source files to encode.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of a corpus at most: a few rounds of the slowest implementation take seconds.
const MAX_BYTES: usize = 6_000_000;

const EXTENSIONS: [&str; 3] = ["py", "go", "js"];

pub struct Corpus {
    pub name: String,
    pub texts: Vec<String>,
}

impl Corpus {
    pub fn megabytes(&self) -> f64 {
        self.texts.iter().map(String::len).sum::<usize>() as f64 / 1e6
    }

    fn read(name: &str, folder: &Path) -> Self {
        let mut files = Vec::new();
        list(folder, &mut files);
        files.sort();
        // A slice of every part of the tree instead of its beginning alone.
        let total: u64 = files
            .iter()
            .filter_map(|file| file.metadata().ok())
            .map(|m| m.len())
            .sum();
        let step = (total as usize / MAX_BYTES).max(1);
        let texts = files
            .iter()
            .step_by(step)
            .filter_map(|file| std::fs::read_to_string(file).ok());
        Self {
            name: format!("{name} ({})", folder.display()),
            texts: texts.collect(),
        }
    }
}

/// The folders that are given, or those that the languages' own tools name.
pub fn from_folders_or_found(given: impl Iterator<Item = OsString>) -> Vec<Corpus> {
    let mut folders: Vec<(&str, PathBuf)> = given.map(|arg| ("given", arg.into())).collect();
    if folders.is_empty() {
        let stdlib = "import sysconfig; print(sysconfig.get_path('stdlib'))";
        folders.extend(ask("python3", &["-c", stdlib]).map(|found| ("Python", found)));
        folders.extend(ask("go", &["env", "GOROOT"]).map(|found| ("Go", found.join("src"))));
        folders.extend(ask("npm", &["root", "-g"]).map(|found| ("JavaScript", found)));
    }
    let corpora = folders
        .iter()
        .map(|(name, folder)| Corpus::read(name, folder));
    corpora.filter(|corpus| !corpus.texts.is_empty()).collect()
}

fn ask(program: &str, args: &[&str]) -> Option<PathBuf> {
    let output = Command::new(program).args(args).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(path.trim()))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list(&path, files),
            Ok(kind) if kind.is_file() => {
                let extension = path.extension().and_then(|e| e.to_str());
                if extension.is_some_and(|e| EXTENSIONS.contains(&e)) {
                    files.push(path);
                }
            }
            _ => {}
        }
    }
}
