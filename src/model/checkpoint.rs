//! A checkpoint: weights together with the configuration that says how to read them, checked
//! against each other.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::error::{Result, bail, quoted};
use crate::num::DType;
use crate::quant::stored;
use crate::setters::setters;
use crate::tensor::{PackedScheme, PackedTensor, Stored};
use crate::weights::{
    self, Footprint, Ignored, LoadProgress, Location, MemoryMode, Meter, MissingShards, Names,
    Tensor, TensorInfo, WeightSource,
};

use super::ModelConfig;
use crate::family::{Family, Module, Renamed, Role, Slot, slots};

/// Key of the configuration, as JSON, in the metadata of a converted file.
pub const CONFIG_KEY: &str = "codegeex.config";

/// Width of the published model, the one width that says which model it is.
const WIDTH_13B: usize = 5120;

/// How a checkpoint is opened.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Whether the files are mapped or copied into memory.
    pub memory: MemoryMode,
    /// The configuration. By default it is looked for in the checkpoint and beside it.
    pub config: Option<ModelConfig>,
    /// Progress callback and cancellation for opening and loading.
    pub progress: LoadProgress,
}

impl OpenOptions {
    /// Maps the files, and finds the configuration beside them.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        set memory: MemoryMode;
        option config: ModelConfig;
        set progress: LoadProgress;
    }
}

/// Where a checkpoint's configuration was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigOrigin {
    /// In [`OpenOptions::config`].
    Given,
    /// In the checkpoint's own metadata.
    Metadata,
    /// In this file beside the checkpoint.
    File(PathBuf),
    /// Nowhere: a width of 5120 means the published model.
    Published,
}

impl fmt::Display for ConfigOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("the given configuration"),
            Self::Metadata => f.write_str("the file's metadata"),
            Self::File(path) => path.display().fmt(f),
            Self::Published => f.write_str("the published 13B model, told by its width of 5120"),
        }
    }
}

/// The element types of a model's weights, part by part: FP16, BF16, FP32, INT8 or INT4, and several
/// where a part is mixed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Dtypes {
    /// Of the matrices of the layers.
    pub linear_layers: Vec<&'static str>,
    /// Of the LM head, which for most models are the word embeddings as well.
    pub head: Vec<&'static str>,
    /// Of biases, norms and the other embeddings.
    pub others: Vec<&'static str>,
}

impl fmt::Display for Dtypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [linear, head, others] =
            [&self.linear_layers, &self.head, &self.others].map(|names| names.join(" and "));
        if linear == head && head == others {
            return f.write_str(&linear);
        }
        write!(f, "{linear} linear layers, {head} LM head, {others} others")
    }
}

/// An opened checkpoint whose tensors are all there and have the shapes of its configuration.
///
/// As a [`WeightSource`] it hands out exactly the tensors that the model needs, in canonical
/// order, the word embedding cut to the vocabulary. A quantized matrix is several tensors.
#[derive(Debug)]
pub struct Checkpoint {
    source: Box<dyn WeightSource>,
    config: ModelConfig,
    origin: ConfigOrigin,
    parameters: Vec<Parameter>,
    /// The tensors of all parameters.
    infos: Vec<TensorInfo>,
    meter: Arc<Meter>,
}

/// A vector or a matrix of the model, as the checkpoint holds it.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub slot: Slot,
    /// The name of the slot.
    pub name: String,
    pub shape: Vec<usize>,
    pub role: Role,
    pub form: Form,
}

/// How a checkpoint holds a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Floating-point weights.
    Dense,
    /// Quantized, in the layout of the kernels.
    Packed(PackedScheme),
    /// Quantized with one scale a row, row after row, as the reference saves it: integers under
    /// the name of the weight, for four bits two to a byte, the first in the upper half.
    RowScaled(PackedScheme),
}

impl Parameter {
    /// The name of the scales of a row-scaled matrix.
    pub fn row_scales(&self) -> String {
        format!("{}_scale", self.name)
    }
}

/// Tensors whose data cannot be used where they lie in the file: misaligned, or strided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CopiedTensors {
    /// How many there are.
    pub tensors: usize,
    /// Bytes of their copies.
    pub bytes: u64,
}

impl fmt::Display for CopiedTensors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (are, s) = match self.tensors {
            1 => ("is", ""),
            _ => ("are", "s"),
        };
        write!(
            f,
            "{} tensor{s} {are} read through a copy ({} bytes)",
            self.tensors, self.bytes
        )
    }
}

impl Checkpoint {
    /// Opens a checkpoint of any form that [`weights::open`] reads.
    ///
    /// The configuration is the first of these that exists: the one in `options`; the one in the
    /// file's own metadata, which was written with the weights; `STEM.config.json` beside a file
    /// `STEM.pt`; `config.json` in its folder, or in the folder of shards. Without any, a width
    /// of 5120 means the published 13B model.
    ///
    /// # Errors
    /// Those of [`weights::open`]; [`Cancelled`](crate::ErrorKind::Cancelled) when
    /// [`OpenOptions::progress`] says so; [`MissingConfig`](crate::ErrorKind::MissingConfig) with what to give;
    /// [`InvalidConfig`](crate::ErrorKind::InvalidConfig) with the file; then
    /// [`MissingTensor`](crate::ErrorKind::MissingTensor) and
    /// [`ShapeMismatch`](crate::ErrorKind::ShapeMismatch) with the tensor.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let meter = Arc::new(Meter::new(options.progress.clone()));
        let location = weights::locate(path)?;
        // What is wrong shows in the tables: before, not after, gigabytes are read. A copy is then
        // opened again, and its own tables are read: the file may have been replaced in between.
        let mapped = Self::open_as(MemoryMode::Map, &location, options, &meter)?;
        meter.expect(mapped.copied().bytes);
        match options.memory {
            MemoryMode::Map => Ok(mapped),
            other => Self::open_as(other, &location, options, &meter),
        }
    }

    /// The tensors that are read through a copy; none for most files.
    pub fn copied(&self) -> CopiedTensors {
        let bytes = self.infos.iter().map(|i| self.copied_bytes(&i.name));
        bytes
            .filter(|&bytes| bytes > 0)
            .fold(CopiedTensors::default(), |copied, bytes| CopiedTensors {
                tensors: copied.tensors + 1,
                bytes: copied.bytes.saturating_add(bytes),
            })
    }

    fn open_as(
        memory: MemoryMode,
        location: &Location,
        options: &OpenOptions,
        meter: &Arc<Meter>,
    ) -> Result<Self> {
        let opened = location.open_files(memory, meter)?;
        let is_converted = opened.metadata().iter().any(|(key, _)| key == CONFIG_KEY);
        let found = find_config(location, opened.metadata(), opened.label(), options)?;
        let checkpoint = match found {
            Some((config, origin)) if config.family == Family::CODEGEEX || is_converted => {
                let source = opened.assemble(Names::Canonical)?;
                Self::with_origin(source, config, origin)?
            }
            Some((config, origin)) => {
                let source = opened.assemble(Names::Stored)?;
                let renamed = Renamed::new(source, &config, meter)?;
                Self::with_origin(Box::new(renamed), config, origin)?
            }
            None => {
                let source = opened.assemble(Names::Canonical)?;
                let config = published(location, source.as_ref())?;
                Self::with_origin(source, config, ConfigOrigin::Published)?
            }
        };
        Ok(Self {
            meter: Arc::clone(meter),
            ..checkpoint
        })
    }

    /// Puts an opened source and a configuration together.
    ///
    /// # Errors
    /// Those of [`open`](Self::open) that are about tensors and configurations.
    pub fn new(source: Box<dyn WeightSource>, config: ModelConfig) -> Result<Self> {
        config.validate()?;
        Self::with_origin(source, config, ConfigOrigin::Given)
    }

    fn with_origin(
        source: Box<dyn WeightSource>,
        config: ModelConfig,
        origin: ConfigOrigin,
    ) -> Result<Self> {
        let mut infos = Vec::new();
        let mut parameters = Vec::new();
        for (slot, shape) in slots(&config) {
            let found = Found {
                source: source.as_ref(),
                origin: &origin,
                slot,
            };
            let role = slot.role(&config);
            parameters.push(found.parameter(role, shape, &mut infos)?);
        }
        if parameters.iter().any(|p| matches!(p.form, Form::Packed(_))) {
            let metadata = source.metadata().iter().find(|(k, _)| k == stored::KEY);
            stored::check_metadata(metadata.map(|(_, json)| json.as_str()))
                .map_err(|e| e.within(source.describe()))?;
        }
        Ok(Self {
            source,
            config,
            origin,
            parameters,
            infos,
            meter: Arc::default(),
        })
    }

    /// Reports that another parameter is ready.
    ///
    /// # Errors
    /// [`Cancelled`](crate::ErrorKind::Cancelled).
    pub(super) fn progress(&self) -> Result<()> {
        self.meter.copied(0)
    }

    /// Whether any matrix is quantized.
    pub fn is_quantized(&self) -> bool {
        self.parameters.iter().any(|p| p.form != Form::Dense)
    }

    /// The parameters in canonical order.
    pub(super) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// A parameter as it is stored. Touches none of its bytes.
    ///
    /// # Errors
    /// [`MissingTensor`](crate::ErrorKind::MissingTensor);
    /// [`UnsupportedFile`](crate::ErrorKind::UnsupportedFile) for a matrix quantized as the
    /// reference does, which has to be converted first.
    pub fn stored(&self, name: &str) -> Result<Stored> {
        match self.parameters.iter().find(|p| p.name == name) {
            Some(parameter) => self.stored_as(parameter),
            None => Ok(Stored::Dense(self.tensor(name)?)),
        }
    }

    /// A parameter as it is stored.
    ///
    /// # Errors
    /// Those of [`stored`](Self::stored).
    pub(super) fn stored_as(&self, parameter: &Parameter) -> Result<Stored> {
        let name = parameter.name.as_str();
        match (parameter.form, &parameter.shape[..]) {
            (Form::Packed(scheme), &[rows, cols]) => {
                let bytes = |name: String| -> Result<_> {
                    Ok(match &self.source.tensor(&name)?.blocks[..] {
                        [block] => block.data.clone(),
                        blocks => bail!(
                            UnsupportedFile,
                            "{}: `{name}` lies in {} pieces; a quantized matrix is in one",
                            self.source.describe(),
                            blocks.len()
                        ),
                    })
                };
                Ok(Stored::Packed(PackedTensor {
                    name: name.to_owned(),
                    scheme,
                    rows,
                    cols,
                    codes: bytes(stored::codes_name(name, scheme))?,
                    multipliers: match scheme {
                        PackedScheme::Int4 => bytes(stored::multipliers_name(name))?,
                        PackedScheme::Int8 => Bytes::empty(),
                    },
                    scales: bytes(stored::scales_name(name))?,
                }))
            }
            (Form::RowScaled(scheme), _) => bail!(
                UnsupportedFile,
                "{}: `{name}` is quantized to {scheme} in the form of the reference; convert the \
                 checkpoint first, to {scheme}",
                self.source.describe()
            ),
            _ => Ok(Stored::Dense(self.tensor(name)?)),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where the configuration was found.
    pub fn config_origin(&self) -> &ConfigOrigin {
        &self.origin
    }

    /// The element types of the weights.
    pub fn dtypes(&self) -> Dtypes {
        let mut dtypes = Dtypes::default();
        for parameter in &self.parameters {
            let name = match parameter.form {
                Form::Packed(scheme) | Form::RowScaled(scheme) => match scheme {
                    PackedScheme::Int8 => "INT8",
                    PackedScheme::Int4 => "INT4",
                },
                Form::Dense => match self.source.info(&parameter.name).map(|info| info.dtype) {
                    Some(DType::BF16) => "BF16",
                    Some(DType::F32) => "FP32",
                    _ => "FP16",
                },
            };
            let part = match parameter.role {
                Role::Linear => &mut dtypes.linear_layers,
                Role::Head => &mut dtypes.head,
                Role::Table | Role::Vector => &mut dtypes.others,
            };
            if !part.contains(&name) {
                part.push(name);
            }
        }
        dtypes
    }

    /// Tensors of the files that the model does not need.
    pub fn other_tensors(&self) -> usize {
        let beside = self.source.ignored().map_or(0, |ignored| ignored.tensors);
        self.source.tensors().len().saturating_sub(self.infos.len()) + beside
    }

    /// The source as it was opened, with the tensors that no model needs as well.
    pub fn source(&self) -> &dyn WeightSource {
        self.source.as_ref()
    }

    /// Bytes of the tensors that the model needs, as they are stored.
    pub fn weight_bytes(&self) -> u64 {
        self.infos.iter().map(|info| info.bytes() as u64).sum()
    }
}

impl WeightSource for Checkpoint {
    fn tensors(&self) -> &[TensorInfo] {
        &self.infos
    }

    fn tensor(&self, name: &str) -> Result<Tensor> {
        let tensor = self.source.tensor(name)?;
        let [words, head] = [Module::WordEmbeddings, Module::Head].map(Module::name);
        match name.strip_suffix(".weight") {
            Some(table) if table == words || table == head => {
                Ok(tensor.take_rows(self.config.padded_vocab_size))
            }
            _ => Ok(tensor),
        }
    }

    fn metadata(&self) -> &[(String, String)] {
        self.source.metadata()
    }

    fn verify_copies(&self, name: &str) -> Result<()> {
        self.source.verify_copies(name)
    }

    fn copied_bytes(&self, name: &str) -> u64 {
        self.source.copied_bytes(name)
    }

    fn footprint(&self) -> Footprint {
        self.source.footprint()
    }

    fn files(&self) -> &[PathBuf] {
        self.source.files()
    }

    fn ignored(&self) -> Option<&Ignored> {
        self.source.ignored()
    }

    fn instead_of(&self, name: &str) -> Option<(&str, &str)> {
        self.source.instead_of(name)
    }

    fn missing_shards(&self, name: &str, expected: &[usize]) -> Option<MissingShards> {
        self.source.missing_shards(name, expected)
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}

/// Every tensor that a model of this configuration needs, with its shape, in canonical order.
pub fn expected_tensors(config: &ModelConfig) -> impl Iterator<Item = (String, Vec<usize>)> {
    slots(config).map(|(slot, shape)| (slot.to_string(), shape))
}

/// A source whose tensors are held against a configuration.
#[derive(Clone, Copy)]
struct Found<'a> {
    source: &'a dyn WeightSource,
    origin: &'a ConfigOrigin,
    slot: Slot,
}

impl Found<'_> {
    /// The form in which a parameter is there; its tensors are added to `infos`.
    fn parameter(
        self,
        role: Role,
        shape: Vec<usize>,
        infos: &mut Vec<TensorInfo>,
    ) -> Result<Parameter> {
        let mut parameter = Parameter {
            slot: self.slot,
            name: self.slot.to_string(),
            shape,
            role,
            form: Form::Dense,
        };
        let form = match (role, &parameter.shape[..]) {
            (Role::Linear | Role::Head, &[rows, cols]) => {
                self.form(&parameter, rows, cols, infos)?
            }
            _ => Form::Dense,
        };
        if form == Form::Dense {
            let Parameter { name, shape, .. } = &parameter;
            infos.push(self.tensor(name, shape, DType::is_weight, "f16, bf16 or f32")?);
        }
        parameter.form = form;
        Ok(parameter)
    }

    fn form(
        self,
        parameter: &Parameter,
        rows: usize,
        cols: usize,
        infos: &mut Vec<TensorInfo>,
    ) -> Result<Form> {
        let name = &parameter.name;
        let scales = parameter.row_scales();
        let integers = self.source.info(name).filter(|i| i.dtype == DType::I8);
        if let Some(found) = integers.filter(|_| self.source.info(&scales).is_some()) {
            // Halves of bytes where a row is half as long as it should be.
            let int4 = cols.is_multiple_of(2) && found.shape == [rows, cols / 2];
            let (scheme, width) = match int4 {
                true => (PackedScheme::Int4, cols / 2),
                false => (PackedScheme::Int8, cols),
            };
            infos.push(self.tensor(name, &[rows, width], |t| t == DType::I8, "i8")?);
            infos.push(self.tensor(&scales, &[rows], |t| t == DType::F16, "f16")?);
            return Ok(Form::RowScaled(scheme));
        }
        if self.source.info(name).is_some() {
            return Ok(Form::Dense);
        }
        for scheme in [PackedScheme::Int8, PackedScheme::Int4] {
            if self
                .source
                .info(&stored::codes_name(name, scheme))
                .is_none()
            {
                continue;
            }
            for part in stored::parts(name, scheme, rows, cols)? {
                let expected = part.dtype;
                let is = move |t| t == expected;
                infos.push(self.tensor(&part.name, &part.shape, is, expected.name())?);
            }
            return Ok(Form::Packed(scheme));
        }
        Ok(Form::Dense)
    }

    /// A tensor of the shape and of a type that is expected.
    fn tensor(
        self,
        name: &str,
        shape: &[usize],
        is_expected: impl Fn(DType) -> bool,
        expected: &str,
    ) -> Result<TensorInfo> {
        let Self {
            source,
            origin,
            slot,
        } = self;
        let Some(info) = source.info(name) else {
            if let Some((place, what)) = source.instead_of(name) {
                bail!(
                    UnsupportedFile,
                    "{}: tensor `{name}` is needed, and at {place} is {what}, which is not read; \
                     save the model's state dictionary with weights of FP16, BF16 or FP32",
                    source.describe(),
                    place = quoted(place)
                );
            }
            bail!(
                MissingTensor,
                "{}: tensor `{name}` of shape {shape:?} is missing; the configuration comes from \
                 {origin}",
                source.describe()
            );
        };
        // A published word embedding may have rows beyond the vocabulary.
        let fits = match (&info.shape[..], shape) {
            (&[rows, width], &[vocabulary, expected])
                if slot.is_by_id() && info.dtype.is_weight() =>
            {
                rows >= vocabulary && width == expected
            }
            (found, expected) => found == expected,
        };
        if !fits {
            if let Some(missing) = source.missing_shards(name, shape) {
                let MissingShards { have, all, first } = missing;
                let first =
                    first.map_or("the others are".to_owned(), |first| format!("{first} is"));
                bail!(
                    NotFound,
                    "{}: {have} of {all} shards, and {first} missing; tensor `{name}` has shape \
                     {:?}, expected {shape:?}; the configuration comes from {origin}",
                    source.describe(),
                    info.shape
                );
            }
            bail!(
                ShapeMismatch,
                "{}: tensor `{name}` has shape {:?}, expected {shape:?}; the configuration comes \
                 from {origin}",
                source.describe(),
                info.shape
            );
        }
        if !is_expected(info.dtype) {
            bail!(
                UnsupportedFile,
                "{}: tensor `{name}` has element type {}, expected {expected}",
                source.describe(),
                info.dtype
            );
        }
        Ok(TensorInfo {
            name: name.to_owned(),
            dtype: info.dtype,
            shape: shape.to_vec(),
        })
    }
}

/// The configuration, if there is one. `metadata` and `label` are those of the file.
fn find_config(
    location: &Location,
    metadata: &[(String, String)],
    label: &str,
    options: &OpenOptions,
) -> Result<Option<(ModelConfig, ConfigOrigin)>> {
    if let Some(config) = &options.config {
        config.validate()?;
        return Ok(Some((config.clone(), ConfigOrigin::Given)));
    }
    if let Some((_, json)) = metadata.iter().find(|(k, _)| k == CONFIG_KEY) {
        let config =
            ModelConfig::from_json(json).map_err(|e| e.within(format!("{label}: {CONFIG_KEY}")))?;
        return Ok(Some((config, ConfigOrigin::Metadata)));
    }
    for place in location.configs() {
        if place.is_file() {
            let config = ModelConfig::open(place)?;
            return Ok(Some((config, ConfigOrigin::File(place.clone()))));
        }
    }
    Ok(None)
}

/// The configuration of the published model, if it is that.
fn published(location: &Location, source: &dyn WeightSource) -> Result<ModelConfig> {
    let width = source
        .info("word_embeddings.weight")
        .and_then(|i| i.shape.last().copied());
    if width == Some(WIDTH_13B) {
        return Ok(ModelConfig::codegeex_13b());
    }
    let places = location.configs().iter();
    let looked: Vec<_> = places.map(|p| p.display().to_string()).collect();
    bail!(
        MissingConfig,
        "{}: nothing says how many heads the model has; its width is {}, and only 5120 is known, \
         the published 13B. Give a configuration, or put one at {}: the `config.json` that was \
         published with the weights, or a JSON object with num_layers, hidden_size, \
         num_attention_heads, padded_vocab_size, max_position_embeddings and layernorm_epsilon",
        source.describe(),
        width.map_or("unknown".to_owned(), |w| w.to_string()),
        looked.join(" or ")
    )
}
