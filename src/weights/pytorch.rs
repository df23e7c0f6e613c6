//! PyTorch checkpoints: from a `torch.save` zip file to named, strided views of its storages.
//!
//! The dictionaries between the root and the tensors are flattened: names are keys joined by
//! dots. What is not a tensor (iteration counts, arguments, random states) is passed over.

use std::fmt;

use crate::bytes::Bytes;
use crate::cancel::CancelToken;
use crate::error::{Error, Result, bail, quoted};
use crate::memory;

use super::part::{Dims, Named, Part};
use super::pickle::{self, Node, Origin, Pickle, TensorRecord, Value};
use super::zip::Archive;

/// Dictionaries inside dictionaries. The published nesting has four, a wrapper adds one.
const MAX_DEPTH: usize = 16;
/// Bytes of a tensor's name. The longest published one has 70.
const MAX_NAME: usize = 512;
/// Bytes of a storage's key: torch numbers them.
const MAX_KEY: usize = 32;
/// Bytes of a pickle. That of the 13B model has less than a hundred thousand.
const MAX_PICKLE: usize = 256 << 20;
/// Places of objects and top-level entries that are remembered for messages.
const MAX_REMEMBERED: usize = 64;
/// What `torch.save` wrote before version 1.6 begins with this number, pickled.
const LEGACY: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// Entries of a root dictionary under which training frameworks put the model's state.
const STATES: [&str; 4] = ["module", "model", "state_dict", "model_state_dict"];

/// Whether these are the first bytes of a checkpoint from before the zip format.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.get(2..2 + LEGACY.len()) == Some(LEGACY)
}

/// What a checkpoint holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Every tensor of the model's state under the name that it has there.
    pub tensors: Named,
    /// Places in the model's state that are not read, and what is there.
    pub objects: Vec<(String, String)>,
    /// What lies beside the model's state.
    pub beside: Vec<String>,
    /// Tensors beside the model's state.
    pub tensors_beside: usize,
    /// Tensor-parallel shards of the model, where the checkpoint says so.
    pub shards: Option<usize>,
}

/// Reads a checkpoint's tables.
pub(super) fn read(bytes: Bytes, cancel: &CancelToken) -> Result<Contents> {
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
    if let Some(order) = archive.find(&memory::text(format_args!("{folder}byteorder"))?) {
        let order = archive.data(order);
        let mut found = [0; 16];
        let found = &mut found[..order.len().min(16)];
        found.copy_from_slice(&order.as_slice()[..order.len().min(16)]);
        if *found != *b"little" {
            bail!(
                UnsupportedFile,
                "byteorder is `{}`, expected `little`; save the checkpoint again on a \
                 little-endian machine",
                found.escape_ascii()
            );
        }
    }
    let within = |e: Error| e.within(quoted(&entry.name));
    if entry.range.len() > MAX_PICKLE {
        bail!(
            UnsupportedFile,
            "{}: {} bytes, and at most {MAX_PICKLE} are read; save the model's state dictionary \
             alone",
            quoted(&entry.name),
            entry.range.len()
        );
    }
    // The text of the pickle is checked once and kept: it must not change under that.
    let data = archive.data(entry).into_owned().map_err(within)?;
    let pickle = pickle::parse_unless(data.as_slice(), cancel).map_err(within)?;
    let mut walk = Walk {
        pickle: &pickle,
        archive: &archive,
        folder,
        cancel,
        contents: Contents::default(),
        // A pickled tensor takes some eighty bytes; sharing keys and tensors through the memo
        // can make names out of far fewer, and these two bounds end that.
        names_left: 4 * data.len() + 64 * 1024,
        tensors_left: 2 * pickle.nodes() / 3,
        expanded_left: archive.len(),
    };
    walk.run().map_err(within)?;
    Ok(walk.contents)
}

struct Walk<'a> {
    pickle: &'a Pickle<'a>,
    archive: &'a Archive,
    folder: &'a str,
    cancel: &'a CancelToken,
    contents: Contents,
    names_left: usize,
    tensors_left: usize,
    /// Bytes that copies of expanded views may take: as many as the file has.
    expanded_left: usize,
}

/// The value under `key` of a dictionary.
fn entry<'a>(pickle: &Pickle<'a>, dict: Value<'a>, key: &str) -> Option<Value<'a>> {
    let items = pickle.dict(dict)?;
    let (_, value) = (items.iter()).find(|(k, _)| *k == Value::Str(key))?;
    Some(*value)
}

/// A global, for messages.
struct Class<'a>(&'a Origin<'a>);

impl fmt::Display for Class<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { module, name, .. } = self.0;
        write!(f, "`")?;
        for c in module
            .chars()
            .take(100)
            .chain(['.'])
            .chain(name.chars().take(100))
        {
            write!(f, "{}", c.escape_debug())?;
        }
        write!(f, "`")
    }
}

impl<'a> Walk<'a> {
    fn run(&mut self) -> Result<()> {
        let pickle = self.pickle;
        let root = pickle.root();
        if let Some(origin) = pickle.origin(root) {
            bail!(
                UnsupportedFile,
                "at byte {}: the checkpoint is an object of {}, and reading a checkpoint never \
                 runs what it names; save the model's state dictionary: \
                 torch.save(model.state_dict(), file)",
                origin.at,
                Class(origin)
            );
        }
        if pickle.dict(root).is_none() {
            bail!(
                UnsupportedFile,
                "the checkpoint is not a dictionary; save the model's state dictionary"
            );
        }
        self.contents.shards = match entry(pickle, root, "mp_world_size") {
            Some(Value::Int(n)) => usize::try_from(n).ok(),
            _ => None,
        };
        // Training frameworks wrap the model's state and put their own beside it.
        let mut state = None;
        for key in STATES {
            let inner = entry(pickle, root, key).filter(|&v| pickle.dict(v).is_some());
            if let Some(inner) = inner {
                self.dictionary(inner)?;
                if !self.contents.tensors.is_empty() {
                    state = Some(key);
                    break;
                }
            }
        }
        if state.is_none() {
            self.contents.objects.clear();
            self.dictionary(root)?;
        }
        self.note_beside(root, state)?;
        match self.contents.objects.first() {
            Some((place, what)) if self.contents.tensors.is_empty() => bail!(
                UnsupportedFile,
                "the checkpoint has no tensors that are read; at {place} is {what}. Save the \
                 model's state dictionary: torch.save(model.state_dict(), file)",
                place = quoted(place)
            ),
            _ => Ok(()),
        }
    }

    /// What the root holds besides the model's state.
    fn note_beside(&mut self, root: Value<'a>, state: Option<&str>) -> Result<()> {
        let named = self.contents.tensors.len();
        self.contents.tensors_beside = self.pickle.tensors().len().saturating_sub(named);
        for &(key, value) in self.pickle.dict(root).unwrap_or_default() {
            let Value::Str(key) = key else { continue };
            let holds = match self.pickle.node(value) {
                Some(Node::Tensor(_)) => false,
                Some(Node::Dict(_)) => {
                    let within = |name: &str| {
                        name.strip_prefix(key)
                            .is_some_and(|rest| rest.starts_with('.'))
                    };
                    !self.contents.tensors.iter().any(|(name, _)| within(name))
                }
                Some(Node::List(_)) => true,
                _ => matches!(value, Value::Inert(_)),
            };
            let list = &mut self.contents.beside;
            if holds && state != Some(key) && key.len() <= MAX_NAME && list.len() < MAX_REMEMBERED {
                memory::push(list, memory::text(key)?)?;
            }
        }
        Ok(())
    }

    /// The tensors of a dictionary and of those in it.
    fn dictionary(&mut self, root: Value<'a>) -> Result<()> {
        let pickle = self.pickle;
        let mut pending = memory::try_vec(1)?;
        pending.push((String::new(), root, 0));
        while let Some((path, value, depth)) = pending.pop() {
            for &(key, value) in pickle.dict(value).unwrap_or_default() {
                self.cancel.check()?;
                let Value::Str(key) = key else { continue };
                match (pickle.node(value), pickle.origin(value)) {
                    (Some(Node::Tensor(_)), _) => {
                        let (Some(name), Some(record)) =
                            (self.name(&path, key)?, pickle.tensor(value))
                        else {
                            continue;
                        };
                        let Some(left) = self.tensors_left.checked_sub(1) else {
                            bail!(
                                MalformedFile,
                                "tensor {name} is one of too many names",
                                name = quoted(&name)
                            );
                        };
                        self.tensors_left = left;
                        let within = |e: Error| {
                            e.within(format_args!(
                                "tensor {name}, made at byte {}",
                                record.at,
                                name = quoted(&name)
                            ))
                        };
                        match self.part(record).map_err(within)? {
                            Some(part) => memory::push(&mut self.contents.tensors, (name, part))?,
                            None if self.contents.objects.len() < MAX_REMEMBERED => {
                                let what = memory::text(
                                    "a view that repeats more elements than the file has",
                                )?;
                                memory::push(&mut self.contents.objects, (name, what))?;
                            }
                            None => {}
                        }
                    }
                    // The model's own are less deep: what is deeper, or goes round, is other.
                    (Some(Node::Dict(_)), _) if depth < MAX_DEPTH => {
                        if let Some(name) = self.name(&path, key)? {
                            memory::push(&mut pending, (name, value, depth + 1))?;
                        }
                    }
                    (_, Some(origin)) if self.contents.objects.len() < MAX_REMEMBERED => {
                        if let Some(name) = self.name(&path, key)? {
                            let what =
                                memory::text(format_args!("an object of {}", Class(origin)))?;
                            memory::push(&mut self.contents.objects, (name, what))?;
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// A name below `path`; none when it is longer than that of any tensor of a model.
    fn name(&mut self, path: &str, key: &str) -> Result<Option<String>> {
        let length = path.len() + 1 + key.len();
        if length > MAX_NAME {
            return Ok(None);
        }
        let Some(left) = self.names_left.checked_sub(length) else {
            bail!(
                MalformedFile,
                "the names below {path} are too many for a pickle of this length; its \
                 dictionaries contain each other",
                path = quoted(path)
            );
        };
        self.names_left = left;
        if path.is_empty() {
            return memory::text(key).map(Some);
        }
        memory::text(format_args!("{path}.{key}")).map(Some)
    }

    /// The part that a tensor is; none of a view whose copy would be larger than the file.
    fn part(&mut self, record: &TensorRecord<'a>) -> Result<Option<Part>> {
        let storage = &record.storage;
        // The key may be shared by many tensors as well, so a long one would cost time.
        if storage.key.len() > MAX_KEY {
            bail!(
                MalformedFile,
                "the key of its storage has {} bytes, expected a number",
                storage.key.len()
            );
        }
        let file = memory::text(format_args!("{}data/{}", self.folder, storage.key))?;
        let Some(entry) = self.archive.find(&file) else {
            bail!(
                MalformedFile,
                "its storage {file} is not in the file",
                file = quoted(&file)
            );
        };
        let size = storage.dtype.map_or(1, |dtype| dtype.size());
        let expected = storage.elements.checked_mul(size as u64);
        if expected != Some(entry.range.len() as u64) {
            bail!(
                MalformedFile,
                "its storage claims {} elements of type {}, but {file} has {} bytes from byte {}",
                storage.elements,
                storage.dtype.map_or("u8", |dtype| dtype.name()),
                entry.range.len(),
                entry.range.start,
                file = quoted(&file)
            );
        }
        let shape = self.sizes(record.shape, "shape")?;
        let strides = self.sizes(record.strides, "strides")?;
        let offset = usize::try_from(record.offset).unwrap_or(usize::MAX);
        let data = self.archive.data(entry);
        let room = self.expanded_left / record.dtype.size();
        if Part::is_too_expanded(&shape, &strides, room) {
            return Ok(None);
        }
        let part = Part::view(record.dtype, shape, strides, offset, &data, room).map_err(|e| {
            e.within(format!(
                "storage {file} at byte {}",
                entry.range.start,
                file = quoted(&file)
            ))
        })?;
        if part.is_expanded() {
            self.expanded_left = self.expanded_left.saturating_sub(part.copied_bytes());
        }
        Ok(Some(part))
    }

    fn sizes(&self, value: Value<'_>, what: &str) -> Result<Dims> {
        let sizes = self.pickle.sizes(value).filter(|sizes| sizes.len() <= 16);
        let Some(sizes) = sizes else {
            bail!(
                MalformedFile,
                "its {what} is not a tuple of at most 16 numbers from zero up"
            );
        };
        let mut dims = Dims::default();
        for size in sizes {
            match size.and_then(|n| usize::try_from(n).ok()) {
                Some(size) => dims.push(size)?,
                None => bail!(
                    MalformedFile,
                    "its {what} is not a tuple of at most 16 numbers from zero up"
                ),
            }
        }
        Ok(dims)
    }
}
