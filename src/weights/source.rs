//! Opening: which form a path has, and one [`WeightSource`] for all of them.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind, Result, bail};

use super::keymap::{self, Cut, Rank};
use super::part::{Named, Part};
use super::{Footprint, Tensor, TensorInfo, WeightSource, pytorch, safetensors, zip};

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
}

impl MemoryMode {
    fn load(self, path: &Path) -> Result<Bytes> {
        match self {
            Self::Map => Bytes::map(path),
            Self::Copy => Bytes::read(path),
        }
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
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, "open", e))?;
    let source = if meta.is_dir() {
        open_folder(path, memory)?
    } else if shard_rank(path).is_some() {
        open_folder(path.parent().unwrap_or(Path::new("")), memory)?
    } else {
        open_file(path, memory)?
    };
    Ok(Box::new(source))
}

/// Opens a checkpoint of one file that is in memory already; `label` is its name in messages.
///
/// # Errors
/// Those of [`open`].
pub fn from_bytes(bytes: Bytes, label: &str) -> Result<Box<dyn WeightSource>> {
    let stored = File::read(bytes, label)?;
    Ok(Box::new(Assembled::of_one(stored)?))
}

fn open_file(path: &Path, memory: MemoryMode) -> Result<Assembled> {
    let bytes = memory.load(path)?;
    let label = path.display().to_string();
    if safetensors::is_json(bytes.as_slice()) {
        return open_index(path, bytes.as_slice(), memory);
    }
    Assembled::of_one(File::read(bytes, &label)?)
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

fn open_folder(folder: &Path, memory: MemoryMode) -> Result<Assembled> {
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
        ([path], []) => open_file(path, memory),
        ([], [path]) => {
            let bytes = Bytes::read(path)?;
            open_index(path, bytes.as_slice(), memory)
        }
        _ if !shards.is_empty() => open_shards(folder, &shards, memory),
        _ => bail!(
            NotFound,
            "{}: no checkpoint in this folder; expected mp_rank_00_model_states.pt and its like, \
             model.safetensors.index.json, or one .pt or .safetensors file",
            folder.display()
        ),
    }
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
    memory: MemoryMode,
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
    for path in paths.values() {
        files.push(File::read(memory.load(path)?, &path.display().to_string())?);
    }
    Assembled::new(
        format!("{} ({} PyTorch shards)", folder.display(), paths.len()),
        files,
    )
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

fn open_index(path: &Path, json: &[u8], memory: MemoryMode) -> Result<Assembled> {
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
    for (file, names) in by_file {
        // A name and nothing else: an index must not reach out of its folder.
        let plain = !file.contains(['/', '\\', ':', '\0']) && file != ".." && file != ".";
        if file.is_empty() || !plain {
            bail!(
                MalformedFile,
                "{}: `{}` is not the name of a file beside the index",
                path.display(),
                file.escape_debug()
            );
        }
        let inner = folder.join(file);
        let bytes = memory.load(&inner)?;
        whole.footprint.add(&bytes);
        let (tensors, metadata) =
            safetensors::read(&bytes).map_err(|e| e.within(inner.display()))?;
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
    Assembled::of_one(whole)
}

impl Footprint {
    fn add(&mut self, bytes: &Bytes) {
        if bytes.is_mapped() {
            self.mapped += bytes.len() as u64;
        } else {
            self.owned += bytes.len() as u64;
        }
    }
}

/// One file's tensors, under the names that they have there.
struct File {
    label: String,
    format: &'static str,
    merged: bool,
    tensors: Named,
    metadata: Vec<(String, String)>,
    footprint: Footprint,
}

impl File {
    fn read(bytes: Bytes, label: &str) -> Result<Self> {
        let mut footprint = Footprint::default();
        footprint.add(&bytes);
        let within = |e: Error| e.within(label);
        let (format, tensors, metadata) = if bytes.as_slice().starts_with(zip::MAGIC) {
            ("PyTorch", pytorch::read(bytes).map_err(within)?, Vec::new())
        } else if safetensors::looks_like(bytes.as_slice()) {
            let (tensors, metadata) = safetensors::read(&bytes).map_err(within)?;
            ("safetensors", tensors, metadata)
        } else {
            return Err(within(not_a_checkpoint(bytes.as_slice())));
        };
        let merged = tensors.iter().any(|(n, _)| n.contains(".query_key_value."));
        Ok(Self {
            label: label.to_owned(),
            format,
            merged,
            tensors,
            metadata,
            footprint,
        })
    }

    /// The tensors under canonical names.
    fn canonical(self) -> Result<HashMap<String, Part>> {
        let mut canonical = HashMap::with_capacity(self.tensors.len());
        for (path, part) in self.tensors {
            let named = keymap::canonical(&path, part).map_err(|e| e.within(&self.label))?;
            for (name, part) in named {
                if canonical.insert(name.clone(), part).is_some() {
                    bail!(
                        MalformedFile,
                        "{}: tensor `{name}` is there twice, the second time as `{path}`",
                        self.label
                    );
                }
            }
        }
        Ok(canonical)
    }
}

fn not_a_checkpoint(bytes: &[u8]) -> Error {
    let start = &bytes[..bytes.len().min(64)];
    let text = if start.is_empty() {
        "the file is empty".to_owned()
    } else if pytorch::is_legacy(start) {
        "at byte 2: a checkpoint of torch.save from before version 1.6; save it again with a newer \
         one: torch.save(torch.load(file, map_location='cpu'), file)"
            .to_owned()
    } else if start.starts_with(b"version https://git-lfs") {
        "a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`".to_owned()
    } else {
        format!(
            "at byte 0: neither a torch.save zip file nor safetensors; it begins with `{}`",
            start[..start.len().min(12)].escape_ascii()
        )
    };
    Error::new(ErrorKind::UnsupportedFile, text)
}

/// A tensor put together from the parts in one or several files.
#[derive(Debug)]
struct Item {
    /// Row and column of each part, in the order of the shards.
    parts: Vec<(usize, usize, Part)>,
    /// The same tensor in the other shards.
    copies: Vec<Part>,
}

#[derive(Debug)]
struct Assembled {
    description: String,
    labels: Vec<String>,
    infos: Vec<TensorInfo>,
    items: Vec<Item>,
    index: HashMap<String, usize>,
    metadata: Vec<(String, String)>,
    footprint: Footprint,
}

impl Assembled {
    fn of_one(file: File) -> Result<Self> {
        let merged = if file.merged { ", merged QKV" } else { "" };
        Self::new(
            format!("{} ({}{merged})", file.label, file.format),
            vec![file],
        )
    }

    /// Puts shards together; `files` is not empty.
    fn new(description: String, files: Vec<File>) -> Result<Self> {
        let mut footprint = Footprint::default();
        let mut metadata = Vec::new();
        let mut labels = Vec::with_capacity(files.len());
        let mut shards = Vec::with_capacity(files.len());
        for mut file in files {
            footprint.mapped += file.footprint.mapped;
            footprint.owned += file.footprint.owned;
            metadata.append(&mut file.metadata);
            labels.push(file.label.clone());
            shards.push(file.canonical()?);
        }
        let Some((first, others)) = shards.split_first_mut() else {
            bail!(Internal, "a checkpoint of no files");
        };
        let mut merged = Vec::with_capacity(first.len());
        for (name, part) in first.drain() {
            let mut same = vec![part];
            for (other, label) in others.iter_mut().zip(&labels[1..]) {
                same.push(take_alike(other, &name, &same[0], label, &labels[0])?);
            }
            merged.push(assemble(name, same)?);
        }
        for (other, label) in others.iter().zip(&labels[1..]) {
            if let Some(name) = other.keys().min() {
                bail!(
                    MissingTensor,
                    "{}: tensor `{name}` is missing, but {label} has it",
                    labels[0]
                );
            }
        }
        merged.sort_by(|(a, _), (b, _)| {
            (Rank::of(&a.name).cmp(&Rank::of(&b.name))).then_with(|| a.name.cmp(&b.name))
        });
        let (infos, items): (Vec<_>, Vec<_>) = merged.into_iter().unzip();
        let index = (infos.iter().enumerate())
            .map(|(i, info)| (info.name.clone(), i))
            .collect();
        let source = Self {
            description,
            labels,
            infos,
            items,
            index,
            metadata,
            footprint,
        };
        // A cheap sign of shards from different models; conversion compares everything.
        for name in ["final_layernorm.weight", "final_layernorm.bias"] {
            source.verify_copies(name)?;
        }
        Ok(source)
    }

    fn item(&self, name: &str) -> Option<(&TensorInfo, &Item)> {
        let &i = self.index.get(name)?;
        Some((&self.infos[i], &self.items[i]))
    }
}

/// Takes a tensor out of another shard and checks that it is like the first shard's.
fn take_alike(
    shard: &mut HashMap<String, Part>,
    name: &str,
    first: &Part,
    label: &str,
    first_label: &str,
) -> Result<Part> {
    let Some(part) = shard.remove(name) else {
        bail!(
            MissingTensor,
            "{label}: tensor `{name}` is missing, but {first_label} has it"
        );
    };
    if part.dtype() != first.dtype() || part.shape() != first.shape() {
        bail!(
            ShapeMismatch,
            "{label}: tensor `{name}` is {} {:?}, but {} {:?} in {first_label}; the shards are not \
             of one checkpoint",
            part.dtype(),
            part.shape(),
            first.dtype(),
            first.shape()
        );
    }
    Ok(part)
}

/// Puts the parts of a tensor, one of each shard, where they belong.
fn assemble(name: String, same: Vec<Part>) -> Result<(TensorInfo, Item)> {
    let n = same.len();
    let mut shape = same[0].shape().to_vec();
    let dtype = same[0].dtype();
    let (rows, cols) = same[0].matrix_shape();
    let cut = if n == 1 {
        Cut::Repeated
    } else {
        keymap::cut(&name)
    };
    let dimension = match (cut, shape.len()) {
        (Cut::Rows, 1..) => Some(0),
        (Cut::Columns, 2) => Some(1),
        (Cut::Repeated, _) => None,
        _ => bail!(
            ShapeMismatch,
            "tensor `{name}` has shape {shape:?} in a shard and cannot be joined"
        ),
    };
    let mut parts = Vec::with_capacity(n);
    let mut copies = Vec::new();
    for (i, part) in same.into_iter().enumerate() {
        match dimension {
            Some(0) if shape.len() > 1 => parts.push((i * rows, 0, part)),
            Some(_) => parts.push((0, i * cols, part)),
            None if i == 0 => parts.push((0, 0, part)),
            None => copies.push(part),
        }
    }
    if let Some(d) = dimension {
        let whole = (shape.iter().enumerate()).try_fold(dtype.size(), |size, (i, &s)| {
            size.checked_mul(s.max(1))?
                .checked_mul(if i == d { n } else { 1 })
        });
        if whole.is_none() {
            bail!(MalformedFile, "tensor `{name}` of {n} shards is too large");
        }
        shape[d] *= n;
    }
    let info = TensorInfo { name, dtype, shape };
    Ok((info, Item { parts, copies }))
}

impl WeightSource for Assembled {
    fn tensors(&self) -> &[TensorInfo] {
        &self.infos
    }

    fn tensor(&self, name: &str) -> Result<Tensor> {
        let Some((info, item)) = self.item(name) else {
            bail!(
                MissingTensor,
                "{}: tensor `{name}` is not in this checkpoint",
                self.description
            );
        };
        let mut blocks = Vec::with_capacity(item.parts.len());
        for (row, col, part) in &item.parts {
            let block = part
                .block(*row, *col)
                .map_err(|e| e.within(format!("{}: tensor `{name}`", self.description)))?;
            blocks.push(block);
        }
        Ok(Tensor {
            info: info.clone(),
            blocks,
        })
    }

    fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    fn verify_copies(&self, name: &str) -> Result<()> {
        let Some((_, item)) = self.item(name) else {
            return Ok(());
        };
        for (copy, label) in item.copies.iter().zip(&self.labels[1..]) {
            if !item.parts[0].2.same_bits(copy)? {
                bail!(
                    MalformedFile,
                    "{label}: tensor `{name}` differs from the one in {}, and shards repeat it; \
                     they are not of one checkpoint",
                    self.labels[0]
                );
            }
        }
        Ok(())
    }

    fn copied_bytes(&self, name: &str) -> u64 {
        let parts = self.item(name).map_or(&[][..], |(_, item)| &item.parts);
        parts.iter().map(|(_, _, p)| p.copied_bytes() as u64).sum()
    }

    fn footprint(&self) -> Footprint {
        self.footprint
    }

    fn describe(&self) -> String {
        self.description.clone()
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.item(name).map(|(info, _)| info)
    }
}
