//! Opening: which form a path has, and one [`WeightSource`] for all of them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind, Result, bail};

use super::assembled::{Assembled, File};
use super::part::Part;
use super::watch::Meter;
use super::{Footprint, WeightSource, safetensors};

/// How the bytes of a checkpoint come into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryMode {
    /// Files are mapped: opening costs next to nothing, pages are read when they are used, shared
    /// between processes, and given back under pressure. The files must not be truncated
    /// meanwhile, see [`Bytes::map`].
    #[default]
    Map,
    /// Files are read into memory of their own, which nothing that happens to them can change.
    Copy,
    /// Files are mapped and locked: all of their pages are read, and the system never takes one
    /// back. It allows that for as many bytes as the process may lock (`ulimit -l`).
    Lock,
}

/// How and before whom files are loaded.
struct Loader<'a> {
    memory: MemoryMode,
    meter: &'a Arc<Meter>,
}

impl Loader<'_> {
    /// Says which files will be loaded.
    fn expect<P: AsRef<Path>>(&self, paths: impl IntoIterator<Item = P>) {
        if self.memory == MemoryMode::Copy {
            let lengths = paths.into_iter().map(|path| {
                // What cannot be opened is found out when it is.
                std::fs::metadata(path).map_or(0, |meta| meta.len())
            });
            self.meter.expect(lengths.sum());
        }
    }

    fn load(&self, path: &Path) -> Result<Bytes> {
        self.meter.cancel().check()?;
        match self.memory {
            MemoryMode::Map => Bytes::map(path),
            MemoryMode::Lock => Bytes::map_locked(path),
            MemoryMode::Copy => Bytes::read_watched(path, &mut |n| self.meter.copied(n)),
        }
    }

    fn file(&self, path: &Path) -> Result<File> {
        File::read(self.load(path)?, &path.display().to_string(), self.meter)
    }
}

/// Opens a checkpoint, whatever form it has.
///
/// A file is a `torch.save` zip file, a safetensors file, or the index of several; a folder holds
/// one such file, an index (`*.safetensors.index.json`) or the shards
/// `mp_rank_00_model_states.pt`, …; a shard stands for its folder. What a file is is told by its
/// content, not by its name.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound), [`MalformedFile`](ErrorKind::MalformedFile) with the file
/// and the offset, [`UnsupportedFile`](ErrorKind::UnsupportedFile) with what was met instead.
pub fn open(path: &Path, memory: MemoryMode) -> Result<Box<dyn WeightSource>> {
    open_watched(path, memory, &Arc::default())
}

/// [`open`], with someone who looks on; also when tensors are copied later.
///
/// # Errors
/// Those of [`open`], and [`Cancelled`](ErrorKind::Cancelled).
pub(crate) fn open_watched(
    path: &Path,
    memory: MemoryMode,
    meter: &Arc<Meter>,
) -> Result<Box<dyn WeightSource>> {
    let loader = Loader { memory, meter };
    let source = match Form::of(path)? {
        Form::File(path) => open_file(&path, &loader),
        Form::Shards(folder, paths) => open_shards(&folder, &paths, &loader),
    }?;
    Ok(Box::new(source))
}

/// What [`open`] reads for a path: the one checkpoint or index in a folder, the folder of a
/// shard, otherwise the path itself. A configuration lies beside that.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) and [`InvalidArgument`](ErrorKind::InvalidArgument) for a
/// folder that holds no checkpoint, or several.
pub fn locate(path: &Path) -> Result<PathBuf> {
    Ok(match Form::of(path)? {
        Form::File(path) | Form::Shards(path, _) => path,
    })
}

/// Opens a checkpoint of one file that is in memory already; `label` is its name in messages.
///
/// # Errors
/// Those of [`open`].
pub fn from_bytes(bytes: Bytes, label: &str) -> Result<Box<dyn WeightSource>> {
    let meter = Arc::default();
    let stored = File::read(bytes, label, &meter)?;
    Ok(Box::new(Assembled::of_one(stored, &meter)?))
}

/// Where a checkpoint's files are.
enum Form {
    File(PathBuf),
    /// A folder and its shards by rank.
    Shards(PathBuf, BTreeMap<usize, PathBuf>),
}

impl Form {
    fn of(path: &Path) -> Result<Self> {
        let meta = std::fs::metadata(path).map_err(|e| Error::io(path, "open", e))?;
        if meta.is_dir() {
            Self::in_folder(path)
        } else if shard_rank(path).is_some() {
            Self::in_folder(path.parent().unwrap_or(Path::new("")))
        } else {
            Ok(Self::File(path.to_owned()))
        }
    }

    fn in_folder(folder: &Path) -> Result<Self> {
        let mut shards = BTreeMap::new();
        let mut single = Vec::new();
        let mut indexed = Vec::new();
        let list = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        for entry in std::fs::read_dir(list).map_err(|e| Error::io(folder, "list", e))? {
            let name = entry.map_err(|e| Error::io(folder, "list", e))?.file_name();
            let path = folder.join(&name);
            let Some(text) = name.to_str() else { continue };
            if let Some(rank) = shard_rank(&path) {
                if let Some(other) = shards.insert(rank, path.clone()) {
                    bail!(
                        MalformedFile,
                        "{} and {} are both shard {rank}",
                        other.display(),
                        path.display()
                    );
                }
            } else if text.ends_with(".safetensors.index.json") {
                indexed.push(path);
            } else if text.ends_with(".pt") || text.ends_with(".safetensors") {
                single.push(path);
            }
        }
        // The files of an index lie beside it.
        if !indexed.is_empty() {
            single.retain(|p| p.extension().is_none_or(|e| e != "safetensors"));
        }
        let forms = usize::from(!shards.is_empty()) + single.len() + indexed.len();
        match (&single[..], &indexed[..]) {
            _ if forms > 1 => {
                let mut names: Vec<_> = single
                    .iter()
                    .chain(&indexed)
                    .chain(shards.values())
                    .collect();
                names.sort();
                bail!(
                    InvalidArgument,
                    "{}: the folder holds several checkpoints ({} and others); give the file itself",
                    folder.display(),
                    names.first().map_or(String::new(), |p| file_name(p))
                )
            }
            ([path], []) | ([], [path]) => Ok(Self::File(path.clone())),
            _ if !shards.is_empty() => Ok(Self::Shards(folder.to_owned(), shards)),
            _ => bail!(
                NotFound,
                "{}: no checkpoint in this folder; expected mp_rank_00_model_states.pt and its like, \
             model.safetensors.index.json, or one .pt or .safetensors file",
                folder.display()
            ),
        }
    }
}

fn open_file(path: &Path, loader: &Loader<'_>) -> Result<Assembled> {
    loader.expect([path]);
    let bytes = loader.load(path)?;
    let label = path.display().to_string();
    if safetensors::is_json(bytes.as_slice()) {
        return open_index(path, bytes.as_slice(), loader);
    }
    Assembled::of_one(File::read(bytes, &label, loader.meter)?, loader.meter)
}

/// The rank in `mp_rank_00_model_states.pt`.
fn shard_rank(path: &Path) -> Option<usize> {
    let name = path.file_name()?.to_str()?;
    let digits = name
        .strip_prefix("mp_rank_")?
        .strip_suffix("_model_states.pt")?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn open_shards(
    folder: &Path,
    paths: &BTreeMap<usize, PathBuf>,
    loader: &Loader<'_>,
) -> Result<Assembled> {
    // The highest rank says how many there were; the least power of two above it does as well
    // when the last ones are missing.
    let highest = paths.keys().next_back().copied().unwrap_or(0);
    let missing: Vec<String> = (0..highest.min(1 << 16))
        .filter(|rank| !paths.contains_key(rank))
        .map(|rank| format!("mp_rank_{rank:02}_model_states.pt"))
        .take(4)
        .collect();
    if !missing.is_empty() {
        bail!(
            NotFound,
            "{}: shards are missing: {}",
            folder.display(),
            missing.join(", ")
        );
    }
    if !paths.len().is_power_of_two() {
        bail!(
            NotFound,
            "{}: {} shards, expected a power of two; mp_rank_{:02}_model_states.pt is missing",
            folder.display(),
            paths.len(),
            paths.len()
        );
    }
    let mut files = Vec::with_capacity(paths.len());
    loader.expect(paths.values());
    for path in paths.values() {
        files.push(loader.file(path)?);
    }
    Assembled::new(
        format!("{} ({} PyTorch shards)", folder.display(), paths.len()),
        files,
        loader.meter,
    )
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

fn open_index(path: &Path, json: &[u8], loader: &Loader<'_>) -> Result<Assembled> {
    let index: Index = serde_json::from_slice(json).map_err(|e| {
        let text = format!(
            "{}: neither a checkpoint nor the index of one: {e}",
            path.display()
        );
        Error::new(ErrorKind::MalformedFile, text)
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, file) in &index.weight_map {
        by_file.entry(file).or_default().push(name);
    }
    let mut whole = File {
        label: path.display().to_string(),
        format: "safetensors, several files",
        merged: false,
        tensors: Vec::with_capacity(index.weight_map.len()),
        metadata: Vec::new(),
        footprint: Footprint::default(),
    };
    for file in by_file.keys() {
        // A name and nothing else: an index must not reach out of its folder.
        let plain = !file.contains(['/', '\\', ':', '\0'])
            && *file != ".."
            && *file != "."
            && crate::system::refuses_name(file.as_ref()).is_none();
        if file.is_empty() || !plain {
            bail!(
                MalformedFile,
                "{}: `{}` is not the name of a file beside the index",
                path.display(),
                file.escape_debug()
            );
        }
    }
    loader.expect(by_file.keys().map(|file| folder.join(file)));
    for (file, names) in by_file {
        let inner = folder.join(file);
        let bytes = loader.load(&inner)?;
        whole.footprint.add(&bytes);
        let (tensors, metadata) = safetensors::read(&bytes, loader.meter.cancel())
            .map_err(|e| e.within(inner.display()))?;
        let mut tensors: HashMap<String, Part> = tensors.into_iter().collect();
        for name in names {
            let Some(part) = tensors.remove(name) else {
                bail!(
                    MissingTensor,
                    "{}: tensor `{name}` is not in this file, but {} says so",
                    inner.display(),
                    path.display()
                );
            };
            whole.tensors.push((name.to_owned(), part));
        }
        for (key, value) in metadata {
            if !whole.metadata.iter().any(|(k, _)| *k == key) {
                whole.metadata.push((key, value));
            }
        }
    }
    Assembled::of_one(whole, loader.meter)
}
