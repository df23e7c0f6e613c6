//! What a conversion writes: every tensor of the result, and how it is made.

use std::cmp::Reverse;

use crate::error::{Result, bail};
use crate::memory;
use crate::num::DType;
use crate::quant::stored;
use crate::tensor::PackedScheme;
use crate::weights::{TensorInfo, WeightSource};

use super::super::Checkpoint;
use super::super::checkpoint::{Form, Parameter};
use super::ConvertOptions;

/// The tensors of the result in the order of the file.
pub(super) struct Plan {
    pub targets: Vec<Target>,
}

impl Plan {
    pub fn new(checkpoint: &Checkpoint, options: &ConvertOptions) -> Result<Self> {
        let mut targets = memory::try_vec(checkpoint.parameters().len())?;
        for parameter in checkpoint.parameters() {
            let target = Target::new(checkpoint, parameter, options)
                .map_err(|e| e.within(checkpoint.describe()))?;
            targets.push(target);
        }
        // Wide elements first keeps all of them aligned, whatever the sizes. The parts of a
        // quantized matrix are multiples of two, so they stay together and come last.
        targets.sort_by_key(|target| match &target.how {
            How::Dense => (0, Reverse(target.tensors[0].dtype.size())),
            _ => (1, Reverse(0)),
        });
        Ok(Self { targets })
    }

    /// Whether the result has quantized matrices.
    pub fn is_quantized(&self) -> bool {
        self.targets.iter().any(|t| !matches!(t.how, How::Dense))
    }

    /// Whether any matrix is to be quantized.
    pub fn quantizes(&self) -> bool {
        let mut targets = self.targets.iter();
        targets.any(|t| matches!(t.how, How::Quantize { .. }))
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> u64 {
        self.tensors().map(|info| info.bytes() as u64).sum()
    }

    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo> + Clone {
        self.targets.iter().flat_map(|target| &target.tensors)
    }
}

/// What becomes of a parameter.
pub(super) struct Target {
    /// Of the parameter.
    pub name: String,
    /// What it will be stored as.
    pub tensors: Vec<TensorInfo>,
    pub how: How,
}

pub(super) enum How {
    /// Floating-point weights, in the type of the one tensor.
    Dense,
    /// Quantized already; copied.
    Copy,
    /// Quantized already, by rows; packed.
    Repack {
        scales: String,
        scheme: PackedScheme,
        shape: [usize; 2],
    },
    /// To be quantized.
    Quantize {
        scheme: PackedScheme,
        shape: [usize; 2],
    },
}

impl Target {
    fn new(
        checkpoint: &Checkpoint,
        parameter: &Parameter,
        options: &ConvertOptions,
    ) -> Result<Self> {
        let name = &parameter.name;
        let wanted = options.scheme(parameter.role);
        match (parameter.form, wanted, &parameter.shape[..]) {
            (Form::Packed(scheme), _, &[rows, cols]) => {
                already(parameter, scheme, wanted, options)?;
                Ok(Self {
                    name: name.clone(),
                    tensors: stored::parts(name, scheme, rows, cols)?,
                    how: How::Copy,
                })
            }
            (Form::RowScaled(scheme), _, &[rows, cols]) => {
                already(parameter, scheme, wanted, options)?;
                Ok(Self {
                    name: name.clone(),
                    tensors: stored::parts(name, scheme, rows, cols)?,
                    how: How::Repack {
                        scales: parameter.row_scales(),
                        scheme,
                        shape: [rows, cols],
                    },
                })
            }
            (_, Some(scheme), &[rows, cols]) => Ok(Self {
                name: name.clone(),
                tensors: stored::parts(name, scheme, rows, cols)?,
                how: How::Quantize {
                    scheme,
                    shape: [rows, cols],
                },
            }),
            _ => {
                let from = dense_type(checkpoint, name);
                let quantizes = options.quantize.is_some() || options.quantize_head;
                let default = if quantizes { DType::F16 } else { from };
                Ok(Self {
                    name: name.clone(),
                    tensors: vec![TensorInfo {
                        name: name.clone(),
                        dtype: options.dtype.unwrap_or(default),
                        shape: parameter.shape.clone(),
                    }],
                    how: How::Dense,
                })
            }
        }
    }
}

fn dense_type(checkpoint: &Checkpoint, name: &str) -> DType {
    // A checkpoint has the tensors of its dense parameters, as it has checked.
    checkpoint.info(name).map_or(DType::F16, |info| info.dtype)
}

/// What was quantized cannot be quantized again, or be had back.
fn already(
    parameter: &Parameter,
    found: PackedScheme,
    wanted: Option<PackedScheme>,
    options: &ConvertOptions,
) -> Result<()> {
    let name = &parameter.name;
    if wanted.is_some_and(|w| w != found) || (wanted.is_none() && options.dtype.is_some()) {
        bail!(
            InvalidArgument,
            "`{name}` is quantized to {found} already; convert the original weights instead"
        );
    }
    Ok(())
}
