//! One [`WeightSource`] of one file or of several shards: canonical names, parts in their places.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind, Result, bail, quoted};
use crate::memory;

use super::keymap::{self, Cut, Rank};
use super::open::Names;
use super::part::{Named, Part};
use super::progress::Meter;
use super::safetensors::Metadata;
use super::{
    Footprint, Ignored, MissingShards, Tensor, TensorInfo, WeightSource, npy, pytorch, safetensors,
    zip,
};

impl Footprint {
    pub(super) fn add(&mut self, bytes: &Bytes) {
        if bytes.is_mapped() {
            self.mapped += bytes.len() as u64;
        } else {
            self.owned += bytes.len() as u64;
        }
    }
}

/// One file's tensors, under the names that they have there.
#[derive(Default)]
pub(super) struct File {
    pub(super) label: String,
    pub(super) format: &'static str,
    pub(super) merged: bool,
    pub(super) tensors: Named,
    /// What is not read: its name, and what it is.
    pub(super) unread: Vec<(String, String)>,
    pub(super) ignored: Ignored,
    /// Where it is on disk, if it is: one file, or those of an index.
    pub(super) paths: Vec<PathBuf>,
    /// Shards of the model, where the file says so.
    pub(super) shards: Option<usize>,
    pub(super) metadata: Metadata,
    pub(super) footprint: Footprint,
}

impl File {
    pub(super) fn read(bytes: Bytes, label: &str, meter: &Meter) -> Result<Self> {
        let cancel = meter.cancel();
        let mut file = Self {
            label: memory::text(label)?,
            ..Self::default()
        };
        file.footprint.add(&bytes);
        let within = |e: Error| e.within(label);
        let mut start = [0; 64];
        let start = first_bytes(&bytes, &mut start);
        if start.starts_with(zip::MAGIC) {
            let contents = pytorch::read(bytes, cancel).map_err(within)?;
            file.format = "PyTorch";
            file.tensors = contents.tensors;
            file.unread = contents.objects;
            file.shards = contents.shards;
            file.ignored.entries = contents.beside;
            file.ignored.tensors = contents.tensors_beside;
        } else if safetensors::looks_like(start) {
            let contents = safetensors::read(&bytes, cancel).map_err(within)?;
            file.format = "safetensors";
            file.tensors = contents.tensors;
            file.unread = contents.unread;
            file.metadata = contents.metadata;
        } else {
            return Err(within(not_a_checkpoint(start)));
        }
        let names = file.tensors.iter().map(|(name, _)| name);
        file.merged = names.clone().any(|n| n.contains(".query_key_value."));
        for (name, part) in &file.tensors {
            if *part.shape() == [0] && keymap::is_known(&keymap::unwrapped(name)?) {
                return Err(within(partitioned(name)));
            }
        }
        Ok(file)
    }

    /// The tensors by name.
    fn named(self, meter: &Meter, names: Names) -> Result<HashMap<String, Part>> {
        let mut named = HashMap::new();
        (named.try_reserve(self.tensors.len()))
            .map_err(|_| memory::refused("a table of tensors"))?;
        for (path, part) in self.tensors {
            meter.cancel().check()?;
            let mut add = |name: String, part| {
                if named.contains_key(&name) {
                    bail!(
                        MalformedFile,
                        "tensor {name} is there twice, the second time as {path}",
                        name = quoted(&name),
                        path = quoted(&path)
                    );
                }
                memory::insert(&mut named, name, part)?;
                Ok(())
            };
            match names {
                Names::Canonical => keymap::canonical(&path, part, &mut add),
                Names::Stored => keymap::stored(&path).and_then(|name| add(name, part)),
            }
            .map_err(|e| e.within(&self.label))?;
        }
        Ok(named)
    }
}

/// The first bytes of a file, copied.
pub(super) fn first_bytes<'a>(bytes: &Bytes, buffer: &'a mut [u8]) -> &'a [u8] {
    let len = bytes.len().min(buffer.len());
    buffer[..len].copy_from_slice(&bytes.as_slice()[..len]);
    &buffer[..len]
}

/// The error about the files of a run that spreads its weights over processes.
pub(super) fn partitioned(tensor: &str) -> Error {
    Error::new(
        ErrorKind::UnsupportedFile,
        format!(
            "tensor {tensor} is empty: this is a checkpoint of DeepSpeed ZeRO-3, whose weights \
             lie in the optimizer's files; gather them with `python zero_to_fp32.py . \
             pytorch_model.bin` in the folder of the run, and open what that writes",
            tensor = quoted(tensor)
        ),
    )
}

fn not_a_checkpoint(start: &[u8]) -> Error {
    let text = if start.is_empty() {
        "the file is empty".to_owned()
    } else if start.starts_with(npy::MAGIC) {
        "one array of NumPy; the arrays of a model lie in one folder, one file a parameter, with \
         the names that MindSpore gives them (`backbone.layernorm.gamma.npy`): open the folder"
            .to_owned()
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
pub(super) struct Assembled {
    description: String,
    labels: Vec<String>,
    infos: Vec<TensorInfo>,
    items: Vec<Item>,
    index: HashMap<String, usize>,
    metadata: Metadata,
    footprint: Footprint,
    paths: Vec<PathBuf>,
    unread: Vec<(String, String)>,
    ignored: Ignored,
    /// The file of a rank, if these are the files of ranks, and how many the files say there are.
    ranks: Option<RankName>,
    shards: Option<usize>,
    meter: Arc<Meter>,
}

/// The name of the file of a rank.
pub(super) type RankName = fn(usize) -> String;

impl Assembled {
    /// Puts shards together; `files` is not empty.
    pub(super) fn new(
        description: String,
        files: Vec<File>,
        ranks: Option<RankName>,
        meter: &Arc<Meter>,
        names: Names,
    ) -> Result<Self> {
        let mut source = Self {
            description,
            labels: memory::try_vec(files.len())?,
            infos: Vec::new(),
            items: Vec::new(),
            index: HashMap::new(),
            metadata: Vec::new(),
            footprint: Footprint::default(),
            paths: Vec::new(),
            unread: Vec::new(),
            ignored: Ignored::default(),
            ranks,
            shards: files.iter().find_map(|file| file.shards),
            meter: Arc::clone(meter),
        };
        let mut shards = memory::try_vec(files.len())?;
        for (i, mut file) in files.into_iter().enumerate() {
            source.footprint.mapped += file.footprint.mapped;
            source.footprint.owned += file.footprint.owned;
            // What lies beside the model is alike in all shards.
            if i == 0 {
                source.metadata = std::mem::take(&mut file.metadata);
                source.unread = std::mem::take(&mut file.unread);
                source.ignored = std::mem::take(&mut file.ignored);
            }
            for path in std::mem::take(&mut file.paths) {
                memory::push(&mut source.paths, path)?;
            }
            source.labels.push(memory::text(&file.label)?);
            shards.push(file.named(meter, names)?);
        }
        let merged = source.merge(shards)?;
        source.infos = memory::try_vec(merged.len())?;
        source.items = memory::try_vec(merged.len())?;
        (source.index.try_reserve(merged.len()))
            .map_err(|_| memory::refused("a table of tensors"))?;
        for (i, (info, item)) in merged.into_iter().enumerate() {
            source.index.insert(memory::text(&info.name)?, i);
            source.infos.push(info);
            source.items.push(item);
        }
        // A cheap sign of shards from different models; conversion compares everything.
        for name in ["final_layernorm.weight", "final_layernorm.bias"] {
            source.verify_copies(name)?;
        }
        Ok(source)
    }

    /// Joins the tensors of the shards, in canonical order.
    fn merge(&mut self, mut shards: Vec<HashMap<String, Part>>) -> Result<Vec<(TensorInfo, Item)>> {
        let Some((first, others)) = shards.split_first_mut() else {
            bail!(Internal, "a checkpoint of no files");
        };
        let labels = &self.labels;
        let mut merged = memory::try_vec(first.len())?;
        'tensors: for (name, part) in first.drain() {
            self.meter.cancel().check()?;
            let known = keymap::is_known(&name);
            let mut same = memory::try_vec(1 + others.len())?;
            same.push(part);
            for (other, label) in others.iter_mut().zip(&labels[1..]) {
                let part = match other.remove(&name) {
                    Some(part) => part,
                    // No tensor of the model: a random state, say.
                    None if !known => {
                        self.ignored.tensors += 1;
                        continue 'tensors;
                    }
                    None => bail!(
                        MissingTensor,
                        "{label}: tensor {name} is missing, but {} has it",
                        labels[0],
                        name = quoted(&name)
                    ),
                };
                match check_alike(&part, &name, &same[0], label, &labels[0]) {
                    Err(_) if !known => {
                        self.ignored.tensors += 1;
                        continue 'tensors;
                    }
                    checked => checked?,
                }
                same.push(part);
            }
            merged.push(assemble(name, same)?);
        }
        for (other, label) in others.iter().zip(&labels[1..]) {
            let known = other.keys().filter(|name| keymap::is_known(name));
            if let Some(name) = known.min() {
                bail!(
                    MissingTensor,
                    "{}: tensor {name} is missing, but {label} has it",
                    labels[0],
                    name = quoted(name)
                );
            }
        }
        merged.sort_unstable_by(|(a, _), (b, _)| {
            (Rank::of(&a.name).cmp(&Rank::of(&b.name))).then_with(|| a.name.cmp(&b.name))
        });
        Ok(merged)
    }

    /// Counts files that lie beside the checkpoint's.
    pub(super) fn beside(mut self, files: usize) -> Self {
        self.ignored.files = files;
        self
    }

    fn item(&self, name: &str) -> Option<(&TensorInfo, &Item)> {
        let &i = self.index.get(name)?;
        Some((&self.infos[i], &self.items[i]))
    }
}

/// Checks that a tensor of a shard is like the first shard's.
fn check_alike(
    part: &Part,
    name: &str,
    first: &Part,
    label: &str,
    first_label: &str,
) -> Result<()> {
    if part.dtype() != first.dtype() || part.shape() != first.shape() {
        bail!(
            ShapeMismatch,
            "{label}: tensor {name} is {} {:?}, but {} {:?} in {first_label}; the shards are not \
             of one checkpoint",
            part.dtype(),
            part.shape(),
            first.dtype(),
            first.shape(),
            name = quoted(name)
        );
    }
    Ok(())
}

/// Puts the parts of a tensor, one of each shard, where they belong.
fn assemble(name: String, same: Vec<Part>) -> Result<(TensorInfo, Item)> {
    let n = same.len();
    let mut shape = memory::try_copy(same[0].shape())?;
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
            "tensor {name} has shape {shape:?} in a shard and cannot be joined",
            name = quoted(&name)
        ),
    };
    let mut parts = memory::try_vec(n)?;
    let mut copies = memory::try_vec(if dimension.is_none() { n - 1 } else { 0 })?;
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
            bail!(
                MalformedFile,
                "tensor {name} of {n} shards is too large",
                name = quoted(&name)
            );
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
                "{}: tensor {name} is not in this checkpoint",
                self.description,
                name = quoted(name)
            );
        };
        let mut blocks = memory::try_vec(item.parts.len())?;
        for (row, col, part) in &item.parts {
            let block = part.block(*row, *col, &self.meter).map_err(|e| {
                e.within(format_args!(
                    "{}: tensor {name}",
                    self.description,
                    name = quoted(name)
                ))
            })?;
            blocks.push(block);
        }
        Ok(Tensor {
            info: TensorInfo {
                name: memory::text(&info.name)?,
                dtype: info.dtype,
                shape: memory::try_copy(&info.shape)?,
            },
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
            if !item.parts[0].2.same_bits(copy, &self.meter)? {
                bail!(
                    MalformedFile,
                    "{label}: tensor {name} differs from the one in {}, and shards repeat it; \
                     they are not of one checkpoint",
                    self.labels[0],
                    name = quoted(name)
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

    fn files(&self) -> &[PathBuf] {
        &self.paths
    }

    fn ignored(&self) -> Option<&Ignored> {
        Some(&self.ignored)
    }

    fn instead_of(&self, name: &str) -> Option<(&str, &str)> {
        let stands = |path: &str| {
            let place = keymap::unwrapped(path).unwrap_or_default();
            let below = name.strip_prefix(&*place);
            below.is_some_and(|rest| rest.is_empty() || place.is_empty() || rest.starts_with('.'))
        };
        let found = self.unread.iter().find(|(path, _)| stands(path));
        found.map(|(path, what)| (path.as_str(), what.as_str()))
    }

    fn missing_shards(&self, name: &str, expected: &[usize]) -> Option<MissingShards> {
        let (info, item) = self.item(name)?;
        let d = match keymap::cut(name) {
            Cut::Rows => 0,
            Cut::Columns => 1,
            Cut::Repeated => return None,
        };
        let found = &info.shape;
        let alike = found.len() == expected.len()
            && (0..found.len()).all(|i| i == d || found[i] == expected[i]);
        if !alike || found[d] == 0 || found[d] >= expected[d] {
            return None;
        }
        // The vocabulary of the configuration may be without the padding.
        let times = match keymap::is_word_embedding(name) {
            true => expected[d].div_ceil(found[d]).next_power_of_two(),
            false if expected[d].is_multiple_of(found[d]) => expected[d] / found[d],
            false => return None,
        };
        let have = item.parts.len();
        let all = have
            .checked_mul(times)
            .filter(|all| all.is_power_of_two())?;
        match self.ranks {
            Some(rank_name) => Some(MissingShards {
                have,
                all,
                first: Some(rank_name(have)),
            }),
            None if self.shards == Some(all) => Some(MissingShards {
                have,
                all,
                first: None,
            }),
            None => None,
        }
    }

    fn describe(&self) -> String {
        self.description.clone()
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.item(name).map(|(info, _)| info)
    }
}
