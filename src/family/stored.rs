//! A checkpoint under the names of its family, handed out under canonical ones.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::{ModelConfig, Slot, View, slots};
use crate::error::{Result, bail, quoted};
use crate::memory;
use crate::tensor::{Tensor, TensorInfo};
use crate::weights::{Footprint, Ignored, Meter, WeightSource};

/// The parameters of a configuration, each a part of a stored tensor.
#[derive(Debug)]
pub(crate) struct Renamed {
    source: Box<dyn WeightSource>,
    infos: Vec<TensorInfo>,
    /// By canonical name: the place in `infos`, and where it is stored.
    stored: HashMap<String, (usize, Stored)>,
    meter: Arc<Meter>,
}

#[derive(Debug)]
struct Stored {
    name: String,
    view: View,
}

impl Renamed {
    /// Finds every parameter.
    ///
    /// # Errors
    /// [`MissingTensor`](crate::ErrorKind::MissingTensor) and
    /// [`ShapeMismatch`](crate::ErrorKind::ShapeMismatch) with the tensor as it is called in the file;
    /// [`UnsupportedFile`](crate::ErrorKind::UnsupportedFile) for a tensor that nothing uses.
    pub fn new(
        source: Box<dyn WeightSource>,
        config: &ModelConfig,
        meter: &Arc<Meter>,
    ) -> Result<Self> {
        let family = config.family;
        let (mut infos, mut stored) = (Vec::new(), HashMap::new());
        let mut used = HashSet::new();
        for (slot, shape) in slots(config) {
            meter.cancel().check()?;
            let (found, view) = find(source.as_ref(), config, slot)?;
            let name = memory::text(slot)?;
            let expected = view.stored_shape(&shape, &found.shape);
            if expected.as_deref() != Some(&found.shape) {
                bail!(
                    ShapeMismatch,
                    "{}: tensor `{}` has shape {:?}, expected {}",
                    source.describe(),
                    found.name,
                    found.shape,
                    match expected {
                        Some(shape) => format!("{shape:?}"),
                        None => format!("one with {shape:?} as a part of it"),
                    }
                );
            }
            let info = TensorInfo {
                name: memory::text(&name)?,
                dtype: found.dtype,
                shape,
            };
            let at = Stored {
                name: memory::text(&found.name)?,
                view,
            };
            used.try_reserve(1)?;
            used.insert(memory::text(&found.name)?);
            memory::insert(&mut stored, name, (infos.len(), at))?;
            memory::push(&mut infos, info)?;
        }
        let unused = source
            .tensors()
            .iter()
            .find(|info| !used.contains(&info.name) && !family.passes_over(config, &info.name));
        if let Some(info) = unused {
            bail!(
                UnsupportedFile,
                "{}: tensor {} of shape {:?} is used by nothing in the architecture `{family}` that \
                 the configuration describes",
                source.describe(),
                quoted(&info.name),
                info.shape
            );
        }
        Ok(Self {
            source,
            infos,
            stored,
            meter: Arc::clone(meter),
        })
    }
}

/// The stored tensor that a parameter is, or is a part of.
fn find<'a>(
    source: &'a dyn WeightSource,
    config: &ModelConfig,
    slot: Slot,
) -> Result<(&'a TensorInfo, View)> {
    let (names, view) = config.family.stored(config, slot);
    let mut found = names.iter().filter_map(|name| source.info(name));
    match found.next() {
        Some(info) => Ok((info, view)),
        None => {
            let instead = names.iter().find_map(|name| source.instead_of(name));
            if let Some((place, what)) = instead {
                bail!(
                    UnsupportedFile,
                    "{}: tensor `{}` is needed, and at {place} is {what}, which is not read; save \
                     the model with weights of FP16, BF16 or FP32",
                    source.describe(),
                    names[0],
                    place = quoted(place)
                );
            }
            bail!(
                MissingTensor,
                "{}: tensor `{}` is missing",
                source.describe(),
                names[0]
            )
        }
    }
}

impl View {
    /// The shape of the stored tensor, of which a parameter of `shape` is this part; `found` says how
    /// many groups of outputs there are beside. `None` if it cannot be a part of that.
    fn stored_shape(self, shape: &[usize], found: &[usize]) -> Option<Vec<usize>> {
        let transposed = self.transposed && shape.len() == 2;
        let mut stored = memory::try_copy(shape).ok()?;
        if transposed {
            stored.reverse();
        }
        let output = if transposed { 1 } else { 0 };
        let outputs = *found.get(output)?;
        let Some((start, count)) = self.rows else {
            return Some(stored);
        };
        let groups = self.groups;
        let group = outputs.checked_div(groups)?;
        let fits = outputs.is_multiple_of(groups)
            && start.checked_add(count)? <= group
            && count.checked_mul(groups)? == shape[0];
        stored[output] = outputs;
        fits.then_some(stored)
    }
}

impl WeightSource for Renamed {
    fn tensors(&self) -> &[TensorInfo] {
        &self.infos
    }

    fn tensor(&self, name: &str) -> Result<Tensor> {
        let Some((index, stored)) = self.stored.get(name) else {
            bail!(
                MissingTensor,
                "{}: tensor {name} is not in this checkpoint",
                self.describe(),
                name = quoted(name)
            );
        };
        let info = &self.infos[*index];
        let mut tensor = self.source.tensor(&stored.name)?;
        if stored.view.transposed && info.shape.len() == 2 {
            tensor = tensor.transposed(&mut |bytes| self.meter.copied(bytes), stored.view.rows)?;
        } else if let Some((start, count)) = stored.view.rows {
            tensor = tensor.outputs(stored.view.groups, start, count)?;
        }
        tensor.info.name = memory::text(&info.name)?;
        Ok(tensor)
    }

    fn metadata(&self) -> &[(String, String)] {
        self.source.metadata()
    }

    fn copied_bytes(&self, name: &str) -> u64 {
        let Some((index, stored)) = self.stored.get(name) else {
            return 0;
        };
        let info = &self.infos[*index];
        match stored.view.transposed && info.shape.len() == 2 {
            true => info.bytes() as u64,
            false => self.source.copied_bytes(&stored.name),
        }
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

    fn describe(&self) -> String {
        self.source.describe()
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.stored.get(name).map(|(index, _)| &self.infos[*index])
    }
}
