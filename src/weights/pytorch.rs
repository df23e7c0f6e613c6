//! PyTorch checkpoints: from a `torch.save` zip file to named, strided views of its storages.
//!
//! The dictionaries between the root and the tensors are flattened: names are keys joined by
//! dots. What is not a tensor (iteration counts, versions) is passed over.

use std::collections::HashSet;

use crate::bytes::Bytes;
use crate::cancel::CancelToken;
use crate::error::{Error, Result, bail};

use super::part::{Named, Part};
use super::pickle::{self, Node, Pickle, TensorRecord, Value};
use super::zip::Archive;

/// Dictionaries inside dictionaries. The published nesting has four.
const MAX_DEPTH: usize = 16;
/// Bytes of a tensor's name. The longest published one has 70.
const MAX_NAME: usize = 512;
/// Bytes of a storage's key: torch numbers them.
const MAX_KEY: usize = 32;
/// What `torch.save` wrote before version 1.6 begins with this number, pickled.
const LEGACY: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// Whether these are the first bytes of a checkpoint from before the zip format.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.get(2..2 + LEGACY.len()) == Some(LEGACY)
}

/// Every tensor of a checkpoint under the names that it has there.
pub(super) fn read(bytes: Bytes, cancel: &CancelToken) -> Result<Named> {
    let archive = Archive::parse_unless(bytes, cancel)?;
    let mut pickles = (archive.entries().iter())
        .filter_map(|e| Some((e, e.name.strip_suffix("data.pkl")?)))
        .filter(|(_, folder)| folder.is_empty() || folder.ends_with('/'));
    let (Some((entry, folder)), None) = (pickles.next(), pickles.next()) else {
        bail!(
            UnsupportedFile,
            "the zip file has no data.pkl, or several: it is not one checkpoint of torch.save"
        );
    };
    if let Some(order) = archive.find(&format!("{folder}byteorder")) {
        let order = archive.data(order);
        if order.as_slice() != b"little" {
            bail!(
                UnsupportedFile,
                "byteorder is `{}`, expected `little`; save the checkpoint again on a \
                 little-endian machine",
                order.as_slice()[..order.len().min(16)].escape_ascii()
            );
        }
    }
    let data = archive.data(entry);
    let within = |e: Error| e.within(&entry.name);
    let pickle = pickle::parse_unless(data.as_slice(), cancel).map_err(within)?;
    let walk = Walk {
        pickle: &pickle,
        archive: &archive,
        folder,
        cancel,
        seen: HashSet::new(),
        tensors: Vec::new(),
        // A pickled tensor takes some eighty bytes; sharing keys and tensors through the memo
        // can make names out of far fewer, and these two bounds end that.
        names_left: 4 * data.len() + 64 * 1024,
        tensors_left: 2 * pickle.nodes() / 3,
    };
    walk.run().map_err(within)
}

struct Walk<'a> {
    pickle: &'a Pickle<'a>,
    archive: &'a Archive,
    folder: &'a str,
    cancel: &'a CancelToken,
    seen: HashSet<u32>,
    tensors: Named,
    names_left: usize,
    tensors_left: usize,
}

/// The dictionary under `key` of a dictionary.
fn entry<'a>(pickle: &Pickle<'a>, dict: Value<'a>, key: &str) -> Option<Value<'a>> {
    let items = pickle.dict(dict)?;
    let (_, value) = (items.iter()).find(|(k, _)| *k == Value::Str(key))?;
    pickle.dict(*value).map(|_| *value)
}

impl Walk<'_> {
    fn run(mut self) -> Result<Named> {
        let pickle = self.pickle;
        let mut root = pickle.root();
        if pickle.dict(root).is_none() {
            bail!(
                UnsupportedFile,
                "the checkpoint is not a dictionary; save the model's state dictionary"
            );
        }
        // Training frameworks wrap the model's state and put their own beside it.
        if let Some(inner) = ["module", "model", "state_dict"]
            .iter()
            .find_map(|key| entry(pickle, root, key))
        {
            root = inner;
        }
        let mut pending = vec![(String::new(), root, 0)];
        while let Some((path, value, depth)) = pending.pop() {
            let Value::Node(id) = value else { continue };
            if depth > MAX_DEPTH || !self.seen.insert(id) {
                bail!(
                    MalformedFile,
                    "dictionary `{path}` is nested deeper than {MAX_DEPTH} levels, contains \
                     itself or is there twice"
                );
            }
            for &(key, value) in pickle.dict(value).unwrap_or_default() {
                self.cancel.check()?;
                let Value::Str(key) = key else { continue };
                match pickle.node(value) {
                    Some(Node::Tensor(record)) => {
                        let name = self.name(&path, key)?;
                        let Some(left) = self.tensors_left.checked_sub(1) else {
                            bail!(MalformedFile, "tensor `{name}` is one of too many names");
                        };
                        self.tensors_left = left;
                        let part = (self.part(record)).map_err(|e| {
                            e.within(format!("tensor `{name}`, made at byte {}", record.at))
                        })?;
                        self.tensors.push((name, part));
                    }
                    Some(Node::Dict(_)) => {
                        let name = self.name(&path, key)?;
                        pending.push((name, value, depth + 1));
                    }
                    _ => {}
                }
            }
        }
        Ok(self.tensors)
    }

    fn name(&mut self, path: &str, key: &str) -> Result<String> {
        let length = path.len() + 1 + key.len();
        let left = self.names_left.checked_sub(length);
        let (Some(left), true) = (left, length <= MAX_NAME) else {
            bail!(
                MalformedFile,
                "the names below `{path}` are longer than {MAX_NAME} bytes, or too many for a \
                 pickle of this length"
            );
        };
        self.names_left = left;
        if path.is_empty() {
            return Ok(key.to_owned());
        }
        Ok(format!("{path}.{key}"))
    }

    fn part(&self, record: &TensorRecord<'_>) -> Result<Part> {
        let storage = &record.storage;
        // The key may be shared by many tensors as well, so a long one would cost time.
        if storage.key.len() > MAX_KEY {
            bail!(
                MalformedFile,
                "the key of its storage has {} bytes, expected a number",
                storage.key.len()
            );
        }
        let file = format!("{}data/{}", self.folder, storage.key);
        let Some(entry) = self.archive.find(&file) else {
            bail!(MalformedFile, "its storage `{file}` is not in the file");
        };
        let expected = storage.elements.checked_mul(storage.dtype.size() as u64);
        if expected != Some(entry.range.len() as u64) {
            bail!(
                MalformedFile,
                "its storage claims {} elements of type {}, but `{file}` has {} bytes from byte {}",
                storage.elements,
                storage.dtype,
                entry.range.len(),
                entry.range.start
            );
        }
        let shape = self.sizes(record.shape, "shape")?;
        let strides = self.sizes(record.strides, "strides")?;
        let offset = usize::try_from(record.offset).unwrap_or(usize::MAX);
        let data = self.archive.data(entry);
        Part::new(storage.dtype, &shape, &strides, offset, &data)
            .map_err(|e| e.within(format!("storage `{file}` at byte {}", entry.range.start)))
    }

    fn sizes(&self, value: Value<'_>, what: &str) -> Result<Vec<usize>> {
        // The tuple may be shared by many tensors: it is measured before it is copied.
        let sizes = self.pickle.sizes(value).filter(|sizes| sizes.len() <= 16);
        let sizes = sizes.and_then(|sizes| {
            sizes
                .map(|n| n.and_then(|n| usize::try_from(n).ok()))
                .collect::<Option<Vec<_>>>()
        });
        match sizes {
            Some(sizes) => Ok(sizes),
            None => bail!(
                MalformedFile,
                "its {what} is not a tuple of at most 16 numbers from zero up"
            ),
        }
    }
}
