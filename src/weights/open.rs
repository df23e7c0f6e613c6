//! Opening: one [`WeightSource`] for whatever form a checkpoint has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::error::{Error, Result, bail, quoted};
use crate::memory;

use super::assembled::{Assembled, File, RankName, first_bytes};
use super::location::{Files, Location, locate};
use super::progress::Meter;
use super::{WeightSource, index, keymap, npy, safetensors};

/// How the bytes of a checkpoint come into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryMode {
    /// Files are mapped: opening costs next to nothing, pages are read when they are used, shared
    /// between processes, and given back under pressure.
    ///
    /// Tables (names, shapes, configuration) are copied; weights are read from the file as long
    /// as the model lives. If another process writes to the file in place meanwhile, weights can
    /// be wrong; if it truncates the file, the system ends this process with SIGBUS. Replace model
    /// files by renaming a new one over them, or choose [`Copy`](Self::Copy).
    #[default]
    Map,
    /// Files are read into memory of their own, which nothing that happens to them can change.
    Copy,
    /// Files are mapped and locked: all of their pages are read, and the system never takes one
    /// back. It allows that for as many bytes as the process may lock (`ulimit -l`).
    Lock,
}

/// How files are loaded.
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
        self.read(path, self.load(path)?)
    }

    fn read(&self, path: &Path, bytes: Bytes) -> Result<File> {
        let mut file = File::read(bytes, &memory::text(path.display())?, self.meter)?;
        memory::push(&mut file.paths, path.to_owned())?;
        Ok(file)
    }
}

/// Opens a checkpoint, whatever form it has.
///
/// A file is a `torch.save` zip file, a safetensors file, or the index of several. A folder holds
/// one such file, an index (`*.safetensors.index.json`, `*.bin.index.json`), the shards
/// `mp_rank_00_model_states.pt`, …, the arrays that MindSpore exports
/// (`backbone.layernorm.gamma.npy`, …), or the folders of a training run and a file that names the
/// newest; a shard or an array stands for its folder. What a file is is told by its content, not by its name.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound), [`MalformedFile`](crate::ErrorKind::MalformedFile) with the file
/// and the offset, [`UnsupportedFile`](crate::ErrorKind::UnsupportedFile) with what was met instead.
pub fn open(path: &Path, memory: MemoryMode) -> Result<Box<dyn WeightSource>> {
    locate(path)?.open(memory)
}

impl Location {
    /// Opens the checkpoint, under canonical names.
    ///
    /// # Errors
    /// Those of [`open`].
    pub fn open(&self, memory: MemoryMode) -> Result<Box<dyn WeightSource>> {
        self.open_files(memory, &Arc::default())?
            .assemble(Names::Canonical)
    }

    /// Opens the files, with progress and cancellation, also of tensors that are copied later.
    ///
    /// # Errors
    /// Those of [`open`], and [`Cancelled`](ErrorKind::Cancelled).
    pub(crate) fn open_files(&self, memory: MemoryMode, meter: &Arc<Meter>) -> Result<Opened> {
        let loader = Loader { memory, meter };
        let mut opened = match &self.files {
            Files::One(path) => open_file(path, &loader),
            Files::Ranks {
                folder,
                paths,
                name,
            } => open_ranks(folder, paths, *name, &loader),
            Files::Arrays { folder, paths } => open_arrays(folder, paths, &loader),
        }?;
        opened.beside = self.beside;
        Ok(opened)
    }
}

/// Under which names tensors are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Those of CodeGeeX; merged tensors are split, and those of shards are joined.
    Canonical,
    /// Those in the file, without what trainers put around a module.
    Stored,
}

/// The files of a checkpoint, whose tables were read.
pub(crate) struct Opened {
    description: String,
    files: Vec<File>,
    ranks: Option<RankName>,
    beside: usize,
    meter: Arc<Meter>,
}

impl Opened {
    fn one(file: File, meter: &Arc<Meter>) -> Result<Self> {
        let mut files = memory::try_vec(1)?;
        files.push(file);
        Ok(Self {
            description: String::new(),
            files,
            ranks: None,
            beside: 0,
            meter: Arc::clone(meter),
        })
    }

    /// Text metadata of the file, or of the first one.
    pub fn metadata(&self) -> &[(String, String)] {
        self.files.first().map_or(&[], |file| &file.metadata)
    }

    /// What and where it is, for messages.
    pub fn label(&self) -> &str {
        match self.files.first() {
            Some(file) if self.description.is_empty() => &file.label,
            _ => &self.description,
        }
    }

    /// Puts the tensors together.
    ///
    /// # Errors
    /// Those of [`open`] about tensors.
    pub fn assemble(self, names: Names) -> Result<Box<dyn WeightSource>> {
        let mut description = self.description;
        if description.is_empty()
            && let Some(file) = self.files.first()
        {
            let merged = match file.merged && names == Names::Canonical {
                true => ", merged QKV",
                false => "",
            };
            let (label, format) = (&file.label, file.format);
            description = memory::text(format_args!("{label} ({format}{merged})"))?;
        }
        if names == Names::Stored && self.files.len() > 1 {
            bail!(
                UnsupportedFile,
                "{description}: tensor-parallel shards are read of CodeGeeX alone; save the model \
                 with `save_pretrained`"
            );
        }
        let source = Assembled::new(description, self.files, self.ranks, &self.meter, names)?;
        Ok(Box::new(source.beside(self.beside)))
    }
}

/// Opens a checkpoint of one file that is in memory already; `label` is its name in messages.
///
/// # Errors
/// Those of [`open`].
pub fn from_bytes(bytes: Bytes, label: &str) -> Result<Box<dyn WeightSource>> {
    let meter = Arc::default();
    Opened::one(File::read(bytes, label, &meter)?, &meter)?.assemble(Names::Canonical)
}

fn open_file(path: &Path, loader: &Loader<'_>) -> Result<Opened> {
    loader.expect([path]);
    let bytes = loader.load(path)?;
    let mut start = [0; 64];
    let start = first_bytes(&bytes, &mut start);
    if safetensors::is_json(start, bytes.len()) {
        return open_index(path, bytes, loader);
    }
    Opened::one(loader.read(path, bytes)?, loader.meter)
}

fn open_ranks(
    folder: &Path,
    paths: &[PathBuf],
    name: RankName,
    loader: &Loader<'_>,
) -> Result<Opened> {
    let mut files = memory::try_vec(paths.len())?;
    loader.expect(paths);
    for path in paths {
        files.push(loader.file(path)?);
    }
    Ok(Opened {
        description: memory::text(format_args!(
            "{} ({} PyTorch shard{})",
            folder.display(),
            paths.len(),
            if paths.len() == 1 { "" } else { "s" }
        ))?,
        files,
        ranks: Some(name),
        beside: 0,
        meter: Arc::clone(loader.meter),
    })
}

/// Opens the arrays that MindSpore exports, one file a parameter.
fn open_arrays(folder: &Path, paths: &[PathBuf], loader: &Loader<'_>) -> Result<Opened> {
    let mut whole = File {
        label: memory::text(folder.display())?,
        format: "MindSpore, one array a parameter",
        tensors: memory::try_vec(paths.len())?,
        paths: memory::try_vec(paths.len())?,
        ..File::default()
    };
    loader.expect(paths);
    for path in paths {
        let bytes = loader.load(path)?;
        whole.footprint.add(&bytes);
        let within = |e: Error| e.within(path.display());
        let part = npy::read(&bytes).map_err(within)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let (name, part) = match keymap::mindspore(&name)? {
            Some((name, true)) => (name, part.transposed()),
            Some((name, false)) => (name, part),
            None => (memory::text(name)?, part),
        };
        whole.tensors.push((name, part));
        whole.paths.push(path.clone());
    }
    Opened::one(whole, loader.meter)
}

fn open_index(path: &Path, json: Bytes, loader: &Loader<'_>) -> Result<Opened> {
    let within = |e: Error| e.within(path.display());
    index::check_length(json.len()).map_err(within)?;
    let json = json.into_owned().map_err(within)?;
    let map = index::parse_unless(json.as_slice(), loader.meter.cancel()).map_err(within)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let groups = || map.chunk_by(|(_, a), (_, b)| a == b);
    loader.expect(groups().map(|group| folder.join(&group[0].1)));
    let mut whole = File {
        label: memory::text(path.display())?,
        format: "PyTorch, several files",
        tensors: memory::try_vec(map.len())?,
        ..File::default()
    };
    for group in groups() {
        let inner = folder.join(&group[0].1);
        let mut file = loader.file(&inner)?;
        whole.footprint.mapped += file.footprint.mapped;
        whole.footprint.owned += file.footprint.owned;
        whole.merged |= file.merged;
        memory::push(&mut whole.paths, inner.clone())?;
        if file.format == "safetensors" {
            whole.format = "safetensors, several files";
        }
        file.tensors.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut stored = file.tensors.into_iter().peekable();
        for (name, _) in group {
            while stored.next_if(|(n, _)| n < name).is_some() {}
            match stored.next_if(|(n, _)| n == name) {
                Some(tensor) => whole.tensors.push(tensor),
                // A type that no weight has: an error where the model needs it.
                None if file.unread.iter().any(|(n, _)| n == name) => {}
                None => bail!(
                    MissingTensor,
                    "{}: tensor {} is not in this file, but {} says so",
                    inner.display(),
                    quoted(name),
                    path.display()
                ),
            }
        }
        for unread in file.unread {
            memory::push(&mut whole.unread, unread)?;
        }
        for (key, value) in file.metadata {
            if !whole.metadata.iter().any(|(k, _)| *k == key) {
                memory::push(&mut whole.metadata, (key, value))?;
            }
        }
    }
    Opened::one(whole, loader.meter)
}
