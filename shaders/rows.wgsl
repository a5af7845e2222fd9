// Look-up in the electron table, of which a step reads most of two neighbouring rows.
//
// The table is made of vectors of four columns: compilers merge the loads of columns that lie in one.
// Twin: src/kernel/rows.rs, which reads single numbers. Written by hand.

@group(0) @binding(2) var<storage, read> electron_table: array<vec4<f32>>;

// A column of the electron table, interpolated. `row` is the tissue's first row.
fn electron_value(row: u32, bin: Bin, column: u32) -> f32 {
  let i = 4u * (row + bin.node) + (column >> 2u);
  let lower = electron_table[i];
  let upper = electron_table[i + 4u];
  let a = lower[column & 3u];
  let b = upper[column & 3u];
  return nc(a + nc(nc(b - a) * bin.fraction));
}
