//! Where a checkpoint's files are: what a path means that is a file, a folder, or the root of a
//! training run.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::bytes::Bytes;
use crate::error::{Error, Result, bail};
use crate::memory;

use super::assembled::RankName;
use super::{keymap, zip};

/// Bytes of a file that names the newest folder of a run.
const MAX_MARKER: u64 = 4096;
/// The files of a rank in a run of Megatron-LM, newest name first.
const MEGATRON: [&str; 2] = ["model_optim_rng.pt", "model_rng.pt"];
/// State of training that lies beside a model, by the beginning of the name.
const TRAINING: [&str; 12] = [
    "optimizer",
    "optim",
    "distrib_optim",
    "scheduler",
    "lr_scheduler",
    "scaler",
    "sampler",
    "rng_state",
    "random_states",
    "training_args",
    "custom_checkpoint",
    "adapter_model",
];

/// The files of one checkpoint, found and not opened.
#[derive(Debug)]
pub struct Location {
    pub(super) files: Files,
    /// Where a configuration can lie, nearest first.
    configs: Vec<PathBuf>,
    /// Files in the folder that hold the state of training.
    pub(super) beside: usize,
}

pub(super) enum Files {
    /// A checkpoint in one file, or the index of several.
    One(PathBuf),
    /// A folder and the files of its ranks, in order.
    Ranks {
        folder: PathBuf,
        paths: Vec<PathBuf>,
        name: RankName,
    },
    /// A folder and the arrays in it, one a parameter.
    Arrays {
        folder: PathBuf,
        paths: Vec<PathBuf>,
    },
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(path) => path.fmt(f),
            Self::Ranks { paths, .. } | Self::Arrays { paths, .. } => paths.fmt(f),
        }
    }
}

/// Finds the files of a checkpoint.
///
/// A file is a checkpoint or the index of several files. A folder holds one of them, the shards
/// of a model, or the folders of a training run and a file that names the newest; a shard stands
/// for its folder.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) for a folder without a checkpoint or with too few shards,
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for one with several checkpoints,
/// [`UnsupportedFile`](crate::ErrorKind::UnsupportedFile) for the files of a run whose weights first have
/// to be gathered.
pub fn locate(path: &Path) -> Result<Location> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, "open", e))?;
    if meta.is_dir() {
        return in_folder(path);
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().and_then(|name| name.to_str());
    if name.and_then(shard_rank).is_some() {
        return Listing::of(folder)?.deepspeed(folder);
    }
    if name.is_some_and(|name| MEGATRON.contains(&name)) && folder_rank(folder).is_some() {
        return in_folder(folder);
    }
    if name.is_some_and(|name| name.ends_with(OPTIMIZER)) {
        bail!(
            UnsupportedFile,
            "{}: this file holds the optimizer states of a training run, not its weights; open the \
             folder that it is in, or mp_rank_00_model_states.pt there",
            path.display()
        );
    }
    if name.is_some_and(is_array) {
        let listing = Listing::of(folder)?;
        return listing.arrays(folder);
    }
    Ok(Location::one(path.to_owned(), 0))
}

/// Whether this is the name of a parameter of MindSpore's export.
fn is_array(name: &str) -> bool {
    name.starts_with(keymap::MINDSPORE) && name.ends_with(ARRAY)
}

/// How the names of NumPy's files end.
const ARRAY: &str = ".npy";

/// How the names of DeepSpeed's files of optimizer states end.
const OPTIMIZER: &str = "_optim_states.pt";

impl Location {
    /// Where a configuration can lie, nearest first.
    pub fn configs(&self) -> &[PathBuf] {
        &self.configs
    }

    fn one(path: PathBuf, beside: usize) -> Self {
        let mut own = path.file_stem().unwrap_or_default().to_os_string();
        own.push(".config.json");
        let configs = vec![path.with_file_name(own), path.with_file_name("config.json")];
        Self {
            files: Files::One(path),
            configs,
            beside,
        }
    }

    fn ranks(
        folder: &Path,
        ranks: Vec<(usize, PathBuf)>,
        name: RankName,
        beside: usize,
    ) -> Result<Self> {
        let mut configs = vec![folder.join("config.json")];
        // The root of a run may hold one for all of its steps.
        if let Some(root) = folder.parent()
            && MARKERS.iter().any(|marker| root.join(marker).is_file())
        {
            configs.push(root.join("config.json"));
        }
        Ok(Self {
            files: Files::Ranks {
                folder: folder.to_owned(),
                paths: in_order(folder, ranks, name)?,
                name,
            },
            configs,
            beside,
        })
    }
}

/// Files that name the newest folder of a run: DeepSpeed's and Megatron-LM's.
const MARKERS: [&str; 2] = ["latest", "latest_checkpointed_iteration.txt"];

fn in_folder(folder: &Path) -> Result<Location> {
    // The folder of one rank stands for those of all.
    if let (Some(_), Some(all)) = (folder_rank(folder), folder.parent())
        && MEGATRON.iter().any(|name| folder.join(name).is_file())
    {
        return Listing::of(all)?.megatron(all);
    }
    let listing = Listing::of(folder)?;
    if let Some(location) = listing.checkpoint(folder)? {
        return Ok(location);
    }
    for marker in MARKERS {
        let path = folder.join(marker);
        if path.is_file() {
            return newest(folder, &path);
        }
    }
    listing.nothing(folder)
}

/// The snapshot of a cache that is its main version, or the only one.
fn snapshot(root: &Path, snapshots: &Path) -> Option<PathBuf> {
    let main = root.join("refs").join("main");
    let is_short = std::fs::metadata(&main).is_ok_and(|meta| meta.len() <= MAX_MARKER);
    let text = is_short.then(|| std::fs::read_to_string(&main).ok());
    let name = text.flatten().unwrap_or_default();
    let name = name.trim();
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let folder = snapshots.join(name);
        if folder.is_dir() {
            return Some(folder);
        }
    }
    let mut folders = (std::fs::read_dir(snapshots).ok()?)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir());
    let only = folders.next()?;
    folders.next().is_none().then_some(only)
}

/// The checkpoint in the folder that `marker` names.
fn newest(root: &Path, marker: &Path) -> Result<Location> {
    let length = std::fs::metadata(marker).map_err(|e| Error::io(marker, "open", e))?;
    let text = match length.len() {
        0..=MAX_MARKER => Bytes::read(marker)?,
        _ => Bytes::empty(),
    };
    let name = std::str::from_utf8(text.as_slice())
        .unwrap_or_default()
        .trim();
    let plain =
        !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0']);
    if !plain {
        bail!(
            MalformedFile,
            "{}: expected the name of a folder beside it",
            marker.display()
        );
    }
    let mut names = vec![name.to_owned()];
    if let Ok(iteration) = name.parse::<u64>() {
        names = vec![
            format!("iter_{iteration:07}"),
            format!("global_step{iteration}"),
        ];
    }
    let found = names
        .iter()
        .map(|name| root.join(name))
        .find(|path| path.is_dir());
    let Some(folder) = found else {
        bail!(
            NotFound,
            "{}: it names the folder {}, which does not exist",
            marker.display(),
            names.join(" or ")
        );
    };
    let listing = Listing::of(&folder)?;
    match listing.checkpoint(&folder)? {
        Some(mut location) => {
            let config = root.join("config.json");
            if !location.configs.contains(&config) {
                location.configs.push(config);
            }
            Ok(location)
        }
        None => listing.nothing(&folder),
    }
}

/// What is in a folder.
#[derive(Default)]
struct Listing {
    /// `mp_rank_00_model_states.pt`, …
    deepspeed: Vec<(usize, PathBuf)>,
    /// `mp_rank_00/model_optim_rng.pt`, …
    megatron: Vec<(usize, PathBuf)>,
    safetensors: Vec<PathBuf>,
    safetensors_index: Vec<PathBuf>,
    pt: Vec<PathBuf>,
    /// `.bin`, `.pth` and `.ckpt` files, which may be anything.
    other: Vec<PathBuf>,
    other_index: Vec<PathBuf>,
    /// The weights of a ZeRO-3 run.
    partitioned: Option<PathBuf>,
    /// A stage of a pipeline.
    stage: Option<PathBuf>,
    /// `backbone.layernorm.gamma.npy`, …
    arrays: Vec<PathBuf>,
    /// Files with the state of training.
    training: usize,
    /// Whether there is a `config.json`.
    config: bool,
    /// Where the cache of a Hugging Face model has the folders of its versions.
    snapshots: Option<PathBuf>,
}

impl Listing {
    fn of(folder: &Path) -> Result<Self> {
        let mut listing = Self::default();
        let list = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        for entry in std::fs::read_dir(list).map_err(|e| Error::io(folder, "list", e))? {
            let name = entry.map_err(|e| Error::io(folder, "list", e))?.file_name();
            // What begins with a dot is hidden: among it are the `._*` files that macOS writes.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            listing.add(folder.join(name), name)?;
        }
        Ok(listing)
    }

    fn add(&mut self, path: PathBuf, name: &str) -> Result<()> {
        if let Some(rank) = shard_rank(name) {
            return add_rank(&mut self.deepspeed, rank, path);
        }
        if let Some((rank, stage)) = rank_of_folder(name) {
            let inside = MEGATRON.iter().map(|name| path.join(name));
            return match inside.into_iter().find(|path| path.is_file()) {
                Some(path) if stage.unwrap_or(0) > 0 => {
                    self.stage = Some(path);
                    Ok(())
                }
                Some(path) => add_rank(&mut self.megatron, rank, path),
                None => Ok(()),
            };
        }
        match name {
            "config.json" => self.config = true,
            "snapshots" if path.is_dir() => self.snapshots = Some(path.clone()),
            _ => {}
        }
        let stem = name.split('.').next().unwrap_or(name);
        let is_training = name.ends_with(OPTIMIZER)
            || TRAINING.iter().any(|known| {
                (stem.strip_prefix(known))
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-']))
            });
        let list = if is_array(name) {
            &mut self.arrays
        } else if name.ends_with(".safetensors.index.json") {
            &mut self.safetensors_index
        } else if name.ends_with(".bin.index.json") {
            &mut self.other_index
        } else if !CHECKPOINTS.iter().any(|end| name.ends_with(end)) {
            return Ok(());
        } else if is_training {
            self.training += 1;
            return Ok(());
        } else if name.contains("zero_pp_rank_") && name.ends_with("_model_states.pt") {
            self.partitioned = Some(path);
            return Ok(());
        } else if name.starts_with("layer_") && name.ends_with("-model_states.pt") {
            self.stage = Some(path);
            return Ok(());
        } else if name.ends_with(".safetensors") {
            &mut self.safetensors
        } else if name.ends_with(".pt") {
            &mut self.pt
        } else {
            &mut self.other
        };
        memory::push(list, path)
    }

    /// The file of this name.
    fn named<'a>(list: &'a [PathBuf], name: &str) -> Option<&'a PathBuf> {
        list.iter()
            .find(|path| path.file_name().is_some_and(|found| found == name))
    }

    /// The one checkpoint of the folder, if it holds any.
    fn checkpoint(&self, folder: &Path) -> Result<Option<Location>> {
        // What `save_pretrained` writes is the model, whatever else is there.
        let saved = Self::named(&self.safetensors, "model.safetensors").or(Self::named(
            &self.safetensors_index,
            "model.safetensors.index.json",
        ));
        if let Some(path) = saved {
            return Ok(Some(Location::one(path.clone(), self.training)));
        }
        // The files of an index lie beside it.
        let safetensors = match self.safetensors_index.is_empty() {
            true => &self.safetensors,
            false => &self.safetensors_index,
        };
        let ranks = [&self.deepspeed, &self.megatron];
        let count = safetensors.len() + self.pt.len();
        let forms = count + ranks.iter().filter(|ranks| !ranks.is_empty()).count();
        if forms > 1 {
            let names = safetensors.iter().chain(&self.pt);
            let ranks = ranks.into_iter().flatten().map(|(_, path)| path);
            return several(folder, names.chain(ranks));
        }
        if let Some(path) = safetensors.first().or(self.pt.first()) {
            return Ok(Some(Location::one(path.clone(), self.training)));
        }
        if !self.deepspeed.is_empty() {
            return self.deepspeed(folder).map(Some);
        }
        if !self.megatron.is_empty() {
            return self.megatron(folder).map(Some);
        }
        if let Some(path) = self.partitioned.as_ref().or(self.stage.as_ref()) {
            return self.gathered_first(folder, path);
        }
        // The same weights are often there in a second format, so these count last.
        let mut others: Vec<&PathBuf> = self.other_index.iter().collect();
        if others.is_empty() {
            others = self.other.iter().filter(|path| is_zip(path)).collect();
        }
        match others[..] {
            [] if !self.arrays.is_empty() => self.arrays(folder).map(Some),
            [] => Ok(None),
            [path] => Ok(Some(Location::one(path.clone(), self.training))),
            _ => {
                let saved = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
                let is_saved = |path: &&&PathBuf| saved.iter().any(|name| path.ends_with(name));
                match others.iter().find(is_saved) {
                    Some(path) => Ok(Some(Location::one((*path).clone(), self.training))),
                    None => several(folder, others.into_iter()),
                }
            }
        }
    }

    fn deepspeed(&self, folder: &Path) -> Result<Location> {
        let name = |rank| format!("mp_rank_{rank:02}_model_states.pt");
        Location::ranks(folder, self.deepspeed.clone(), name, self.training)
    }

    fn megatron(&self, folder: &Path) -> Result<Location> {
        if let Some(path) = &self.stage {
            return self.gathered_first(folder, path);
        }
        let name = |rank| format!("mp_rank_{rank:02}");
        Location::ranks(folder, self.megatron.clone(), name, self.training)
    }

    fn arrays(&self, folder: &Path) -> Result<Location> {
        let mut paths = self.arrays.clone();
        paths.sort_unstable();
        let mut configs = vec![folder.join("config.json")];
        // An export has none of its own: it may lie beside the folder.
        if let Some(name) = folder.file_name() {
            let mut own = name.to_os_string();
            own.push(".config.json");
            configs.push(folder.with_file_name(own));
            configs.push(folder.with_file_name("config.json"));
        }
        Ok(Location {
            files: Files::Arrays {
                folder: folder.to_owned(),
                paths,
            },
            configs,
            beside: self.training,
        })
    }

    fn gathered_first<T>(&self, folder: &Path, path: &Path) -> Result<T> {
        if self.partitioned.is_some() {
            bail!(
                UnsupportedFile,
                "{}: {} is of a run of DeepSpeed ZeRO-3, whose weights are spread over the \
                 optimizer's files; gather them with `python zero_to_fp32.py . pytorch_model.bin` \
                 in the folder of the run, and open what that writes",
                folder.display(),
                file_name(path)
            );
        }
        bail!(
            UnsupportedFile,
            "{}: {} holds one stage of a pipeline; merge the stages into one first",
            folder.display(),
            file_name(path)
        )
    }

    fn nothing(&self, folder: &Path) -> Result<Location> {
        if let Some(snapshots) = &self.snapshots {
            let (which, path) = match snapshot(folder, snapshots) {
                Some(main) => ("the folder of its snapshot:", main),
                None => ("one of the folders in", snapshots.clone()),
            };
            bail!(
                NotFound,
                "{}: this is the cache of a Hugging Face model; give {which} {}",
                folder.display(),
                path.display()
            );
        }
        if self.config && self.training == 0 {
            bail!(
                NotFound,
                "{}: there is a config.json in this folder, and no weights; expected \
                 model.safetensors, model.safetensors.index.json and the files that it names, or \
                 pytorch_model.bin: download them as well",
                folder.display()
            );
        }
        let training = match self.training {
            0 => "",
            _ => " but the state of training",
        };
        bail!(
            NotFound,
            "{}: no checkpoint in this folder{training}; expected mp_rank_00_model_states.pt and \
             the other shards, model.safetensors.index.json, one .pt, .safetensors or .bin file, \
             the arrays of MindSpore (backbone.layernorm.gamma.npy and the others), or the folder that `latest` or `latest_checkpointed_iteration.txt` names",
            folder.display()
        )
    }
}

/// What checkpoints are named.
const CHECKPOINTS: [&str; 5] = [".pt", ".safetensors", ".bin", ".pth", ".ckpt"];

fn several<'a, T>(folder: &Path, paths: impl Iterator<Item = &'a PathBuf>) -> Result<T> {
    let first = paths.min().map_or(String::new(), |path| file_name(path));
    bail!(
        InvalidArgument,
        "{}: the folder holds several checkpoints ({first} and others); give the file itself",
        folder.display()
    )
}

fn add_rank(ranks: &mut Vec<(usize, PathBuf)>, rank: usize, path: PathBuf) -> Result<()> {
    if let Some((_, other)) = ranks.iter().find(|(r, _)| *r == rank) {
        bail!(
            MalformedFile,
            "{} and {} are both shard {rank}",
            other.display(),
            path.display()
        );
    }
    memory::push(ranks, (rank, path))
}

/// The files of all ranks from 0.
fn in_order(
    folder: &Path,
    mut ranks: Vec<(usize, PathBuf)>,
    name: RankName,
) -> Result<Vec<PathBuf>> {
    ranks.sort_unstable();
    let highest = ranks.last().map_or(0, |(rank, _)| *rank);
    let is_there = |rank: &usize| ranks.binary_search_by_key(rank, |(r, _)| *r).is_ok();
    let missing: Vec<String> = (0..highest.min(1 << 16))
        .filter(|rank| !is_there(rank))
        .take(4)
        .map(name)
        .collect();
    if !missing.is_empty() {
        bail!(
            NotFound,
            "{}: shards are missing: {}",
            folder.display(),
            missing.join(", ")
        );
    }
    if !ranks.len().is_power_of_two() {
        bail!(
            NotFound,
            "{}: {} shards, expected a power of two; {} is missing",
            folder.display(),
            ranks.len(),
            name(ranks.len())
        );
    }
    Ok(ranks.into_iter().map(|(_, path)| path).collect())
}

/// The rank in `mp_rank_00_model_states.pt`.
fn shard_rank(name: &str) -> Option<usize> {
    digits(
        name.strip_prefix("mp_rank_")?
            .strip_suffix("_model_states.pt")?,
    )
}

/// The rank in `mp_rank_00`, and the stage in `mp_rank_00_001`.
fn rank_of_folder(name: &str) -> Option<(usize, Option<usize>)> {
    let rank = name.strip_prefix("mp_rank_")?;
    match rank.split_once('_') {
        Some((rank, stage)) => Some((digits(rank)?, Some(digits(stage)?))),
        None => Some((digits(rank)?, None)),
    }
}

fn folder_rank(folder: &Path) -> Option<usize> {
    let (rank, _) = rank_of_folder(folder.file_name()?.to_str()?)?;
    Some(rank)
}

fn digits(text: &str) -> Option<usize> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

fn is_zip(path: &Path) -> bool {
    use std::io::Read;
    let mut start = [0; zip::MAGIC.len()];
    let read = path.is_file() && {
        let file = std::fs::File::open(path);
        file.and_then(|mut file| file.read_exact(&mut start))
            .is_ok()
    };
    read && start == *zip::MAGIC
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
