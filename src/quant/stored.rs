//! Packed matrices in a safetensors file: names, shapes, and the metadata that says which layout
//! they have.
//!
//! A matrix `NAME` is stored as `NAME.int8` or `NAME.int4` (the codes, `[panels, lines, 64]`),
//! `NAME.multipliers` (`[panels, blocks, 16]`, for four bits) and `NAME.scales` (`[rows]`, f16).
//! The metadata has the layout under [`KEY`].

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, bail, parser_message, quoted};
use crate::kernels::packed::{BLOCK, GROUP, INT4_LINES, INT8_LINES, Line, MAX_COLS, PANEL_ROWS};
use crate::num::DType;
use crate::tensor::{PackedScheme, TensorInfo};

/// Key of the layout, as JSON, in the metadata of a file with packed matrices.
pub const KEY: &str = "codegeex.quantization";
/// The one layout there is.
const LAYOUT: &str = "panel16.v1";

/// The most bytes of it that are believed.
const MAX_METADATA: usize = 4 << 10;

/// What the metadata says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    layout: String,
    /// Inputs that share a multiplier, for four bits.
    group_size: usize,
}

/// The metadata of a file that this version writes.
pub fn metadata() -> String {
    let layout = Layout {
        layout: LAYOUT.to_owned(),
        group_size: GROUP,
    };
    serde_json::to_string(&layout).expect("text and a number always serialise")
}

/// Checks the metadata of a file with packed matrices.
///
/// # Errors
/// [`UnsupportedFile`](ErrorKind::UnsupportedFile) for a layout or a group size that this version
/// does not read; [`MalformedFile`](ErrorKind::MalformedFile) for what is no description.
pub fn check_metadata(found: Option<&str>) -> Result<()> {
    let Some(json) = found else {
        bail!(
            MalformedFile,
            "there are quantized matrices, but no `{KEY}` in the metadata says in which layout"
        );
    };
    if json.len() > MAX_METADATA {
        bail!(
            MalformedFile,
            "`{KEY}` in the metadata has {} bytes, expected at most {MAX_METADATA}",
            json.len()
        );
    }
    let found: Layout = serde_json::from_str(json).map_err(|e| {
        let message = format!("`{KEY}` in the metadata is broken: {}", parser_message(e));
        Error::new(ErrorKind::MalformedFile, message)
    })?;
    if found.layout != LAYOUT {
        bail!(
            UnsupportedFile,
            "quantized matrices are in layout {}, but this version reads `{LAYOUT}`; convert \
             the original weights again",
            quoted(&found.layout)
        );
    }
    if found.group_size != GROUP {
        bail!(
            UnsupportedFile,
            "quantized matrices have groups of {} inputs, but this version reads groups of \
             {GROUP}; convert the original weights again",
            found.group_size
        );
    }
    Ok(())
}

/// Name of the codes of a matrix.
pub fn codes_name(name: &str, scheme: PackedScheme) -> String {
    format!("{name}.{scheme}")
}

/// Name of the multipliers of a matrix.
pub fn multipliers_name(name: &str) -> String {
    format!("{name}.multipliers")
}

/// Name of the scales of a matrix.
pub fn scales_name(name: &str) -> String {
    format!("{name}.scales")
}

/// The tensors that a matrix of `[rows, cols]` is stored as: codes, multipliers if any, scales.
///
/// # Errors
/// [`InvalidConfig`](ErrorKind::InvalidConfig) for more columns than the kernels' sums allow.
pub fn parts(
    name: &str,
    scheme: PackedScheme,
    rows: usize,
    cols: usize,
) -> Result<Vec<TensorInfo>> {
    if cols > MAX_COLS {
        bail!(
            InvalidConfig,
            "`{name}` has {cols} columns; quantized matrices have at most {MAX_COLS}"
        );
    }
    let (panels, blocks) = (rows.div_ceil(PANEL_ROWS), cols.div_ceil(BLOCK));
    let info = |name, dtype, shape| TensorInfo { name, dtype, shape };
    let lines = match scheme {
        PackedScheme::Int8 => INT8_LINES,
        PackedScheme::Int4 => INT4_LINES,
    };
    let codes = vec![panels, blocks * lines, size_of::<Line>()];
    let mut parts = vec![info(codes_name(name, scheme), DType::U8, codes)];
    if scheme == PackedScheme::Int4 {
        let shape = vec![panels, blocks, PANEL_ROWS];
        parts.push(info(multipliers_name(name), DType::U8, shape));
    }
    parts.push(info(scales_name(name), DType::F16, vec![rows]));
    Ok(parts)
}
