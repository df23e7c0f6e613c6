//! One [`WeightSource`] of one file or of several shards: canonical names, parts in their places.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind, Result, bail};

use super::keymap::{self, Cut, Rank};
use super::part::{Named, Part};
use super::safetensors::Metadata;
use super::watch::Meter;
use super::{Footprint, Tensor, TensorInfo, WeightSource, pytorch, safetensors, zip};

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
pub(super) struct File {
    pub(super) label: String,
    pub(super) format: &'static str,
    pub(super) merged: bool,
    pub(super) tensors: Named,
    pub(super) metadata: Metadata,
    pub(super) footprint: Footprint,
}

impl File {
    pub(super) fn read(bytes: Bytes, label: &str, meter: &Meter) -> Result<Self> {
        let cancel = meter.cancel();
        let mut footprint = Footprint::default();
        footprint.add(&bytes);
        let within = |e: Error| e.within(label);
        let (format, tensors, metadata) = if bytes.as_slice().starts_with(zip::MAGIC) {
            let tensors = pytorch::read(bytes, cancel).map_err(within)?;
            ("PyTorch", tensors, Vec::new())
        } else if safetensors::looks_like(bytes.as_slice()) {
            let (tensors, metadata) = safetensors::read(&bytes, cancel).map_err(within)?;
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
    fn canonical(self, meter: &Meter) -> Result<HashMap<String, Part>> {
        let mut canonical = HashMap::with_capacity(self.tensors.len());
        for (path, part) in self.tensors {
            meter.cancel().check()?;
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
pub(super) struct Assembled {
    description: String,
    labels: Vec<String>,
    infos: Vec<TensorInfo>,
    items: Vec<Item>,
    index: HashMap<String, usize>,
    metadata: Metadata,
    footprint: Footprint,
    meter: Arc<Meter>,
}

impl Assembled {
    pub(super) fn of_one(file: File, meter: &Arc<Meter>) -> Result<Self> {
        let merged = if file.merged { ", merged QKV" } else { "" };
        Self::new(
            format!("{} ({}{merged})", file.label, file.format),
            vec![file],
            meter,
        )
    }

    /// Puts shards together; `files` is not empty.
    pub(super) fn new(description: String, files: Vec<File>, meter: &Arc<Meter>) -> Result<Self> {
        let mut footprint = Footprint::default();
        let mut metadata = Vec::new();
        let mut labels = Vec::with_capacity(files.len());
        let mut shards = Vec::with_capacity(files.len());
        for mut file in files {
            footprint.mapped += file.footprint.mapped;
            footprint.owned += file.footprint.owned;
            metadata.append(&mut file.metadata);
            labels.push(file.label.clone());
            shards.push(file.canonical(meter)?);
        }
        let Some((first, others)) = shards.split_first_mut() else {
            bail!(Internal, "a checkpoint of no files");
        };
        let mut merged = Vec::with_capacity(first.len());
        for (name, part) in first.drain() {
            meter.cancel().check()?;
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
            meter: Arc::clone(meter),
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
                .block(*row, *col, &self.meter)
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
            if !item.parts[0].2.same_bits(copy, &self.meter)? {
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
