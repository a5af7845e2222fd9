//! Look-up in the electron table, of which a step reads most of two neighbouring rows.
//!
//! The GPU's text (shaders/rows.wgsl) is written by hand: there the table is made of vectors of four columns, and one load
//! brings what a step reads together.

use super::Real;
use super::context::Context;
use super::tables::{Bin, ELECTRON_COLUMNS};

/// A column of the electron table, interpolated. `row` is the tissue's first row.
pub fn electron_value(cx: &Context, row: u32, bin: Bin, column: u32) -> Real {
    let i = (row + bin.node) * ELECTRON_COLUMNS + column;
    let a = cx.electron_table[i as usize] as Real;
    let b = cx.electron_table[(i + ELECTRON_COLUMNS) as usize] as Real;
    a + (b - a) * bin.fraction
}
