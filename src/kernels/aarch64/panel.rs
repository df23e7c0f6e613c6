//! Panels of packed weights on NEON: the portable loops, compiled for it.

use super::neon::{Neon, NeonDot};
use crate::kernels::packed::panel::portable;

portable!(Neon);
portable!(NeonDot);
