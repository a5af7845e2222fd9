//! A kernel laid over a map of decays: energy(v) = sum over s of decays(s) K(v - s)         [methods/svalues.md, eq. 3]
//!
//! The offsets within one voxel of the source hold nearly all of the energy and are summed directly in f64; the rest,
//! some 1e-4 of the source voxel's value, goes through a fast Fourier transform in f32, whose rounding then lies far
//! below any dose of interest. The grid is padded so that nothing wraps around: what leaves one border does not enter at
//! the other. A kernel larger than the map is cut to the offsets that occur in the map; odd sizes and anisotropic voxels need
//! nothing special.
//!
//! Rows of two real lines are transformed as one complex line, the padded third dimension is never stored, and the
//! kernel, being its own mirror image along each axis, has a real spectrum of an eighth of the size. One thread.

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

type C32 = Complex<f32>;

/// A kernel made ready for maps of one size.
pub struct Convolver {
    dims: [usize; 3],
    padded: [usize; 3],
    /// Kernel values at offsets 0 and 1 of each axis: entry i + 2 j + 4 k.
    near: [f64; 8],
    /// Spectrum of the rest, divided by the number of padded voxels: z fastest, then y, then x.
    spectrum: Vec<f32>,
    forward: [Arc<dyn Fft<f32>>; 3],
    inverse: [Arc<dyn Fft<f32>>; 3],
}

impl std::fmt::Debug for Convolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Convolver").field("dims", &self.dims).field("padded", &self.padded).finish_non_exhaustive()
    }
}

/// The least number from `n` up that has no prime factor above 5.
fn smooth_size(n: usize) -> usize {
    (n.max(1)..)
        .find(|&m| {
            let mut rest = m;
            for prime in [2, 3, 5] {
                while rest % prime == 0 {
                    rest /= prime;
                }
            }
            rest == 1
        })
        .unwrap_or(n)
}

impl Convolver {
    /// Prepares a kernel (`values` by magnitude of the offset, x fastest, from 0 to `half` along each axis) for maps of
    /// `dims` voxels.
    pub fn new(values: &[f64], half: [usize; 3], dims: [usize; 3]) -> Self {
        assert_eq!(values.len(), half.iter().map(|h| h + 1).product::<usize>(), "one value an offset");
        assert!(dims.iter().all(|&n| n > 0), "a map has voxels");
        let padded = [0, 1, 2].map(|a| smooth_size(dims[a] + half[a].min(dims[a] - 1)));
        Self::on(padded, values, half, dims)
    }

    /// The same on a grid of `padded` voxels.
    fn on(padded: [usize; 3], values: &[f64], half: [usize; 3], dims: [usize; 3]) -> Self {
        let at = |i: usize, j: usize, k: usize| {
            if i > half[0] || j > half[1] || k > half[2] {
                0.0
            } else {
                values[i + (half[0] + 1) * (j + (half[1] + 1) * k)]
            }
        };
        let near = std::array::from_fn(|n| at(n & 1, n >> 1 & 1, n >> 2));
        let reach = [0, 1, 2].map(|a| half[a].min(dims[a] - 1));
        let far = |i: usize, j: usize, k: usize| if i <= 1 && j <= 1 && k <= 1 { 0.0 } else { at(i, j, k) };
        let mut planner = FftPlanner::new();
        let forward = padded.map(|n| planner.plan_fft_forward(n));
        let inverse = padded.map(|n| planner.plan_fft_inverse(n));
        Self { dims, padded, near, spectrum: mirrored_spectrum(far, reach, padded), forward, inverse }
    }

    /// Memory that the transform takes besides map and result, bytes: the half spectrum of the map and the kernel's.
    pub fn memory_bytes(&self) -> usize {
        let [px, py, _] = self.padded;
        (px / 2 + 1) * py * self.dims[2] * size_of::<C32>() + self.spectrum.len() * size_of::<f32>()
    }

    /// Voxels of the padded grid along each axis.
    pub fn padded(&self) -> [usize; 3] {
        self.padded
    }

    /// The map with the kernel laid over it, x fastest.
    pub fn apply(&self, map: &[f64]) -> Vec<f64> {
        let [nx, ny, nz] = self.dims;
        assert_eq!(map.len(), nx * ny * nz, "a map has the size that the kernel was prepared for");
        let mut out = self.apply_near(map);
        if self.spectrum.iter().all(|&s| s == 0.0) {
            return out;
        }
        let [px, py, pz] = self.padded;
        let columns = px / 2 + 1;
        // scale so that f32 serves decays of any size
        let top = map.iter().copied().fold(0.0, |a: f64, b| a.max(b.abs()));
        if top == 0.0 {
            return out;
        }
        let mut work = vec![C32::default(); columns * py * nz];
        let mut scratch = vec![
            C32::default();
            [&self.forward, &self.inverse]
                .into_iter()
                .flatten()
                .map(|f| f.get_inplace_scratch_len())
                .max()
                .unwrap_or(0)
        ];
        let mut line = vec![C32::default(); px];
        let slab = columns * py;
        for (z, plane) in work.chunks_exact_mut(slab).enumerate() {
            for y in (0..ny).step_by(2) {
                let first = nx * (y + ny * z);
                let pair = y + 1 < ny;
                line.fill(C32::default());
                for x in 0..nx {
                    line[x].re = (map[first + x] / top) as f32;
                    if pair {
                        line[x].im = (map[first + nx + x] / top) as f32;
                    }
                }
                self.forward[0].process_with_scratch(&mut line, &mut scratch);
                for k in 0..columns {
                    let (z1, z2) = (line[k], line[(px - k) % px].conj());
                    plane[k * py + y] = (z1 + z2) * 0.5;
                    if pair {
                        let d = (z1 - z2) * 0.5;
                        plane[k * py + y + 1] = C32::new(d.im, -d.re);
                    }
                }
            }
            self.forward[1].process_with_scratch(plane, &mut scratch);
        }
        self.along_z(&mut work, &mut scratch);
        for (z, plane) in work.chunks_exact_mut(slab).enumerate() {
            self.inverse[1].process_with_scratch(plane, &mut scratch);
            for y in (0..ny).step_by(2) {
                let pair = y + 1 < ny;
                for k in 0..columns {
                    let a = plane[k * py + y];
                    let b = if pair { plane[k * py + y + 1] } else { C32::default() };
                    line[k] = C32::new(a.re - b.im, a.im + b.re);
                    if k > 0 && 2 * k < px {
                        line[px - k] = C32::new(a.re + b.im, b.re - a.im);
                    }
                }
                self.inverse[0].process_with_scratch(&mut line, &mut scratch);
                let first = nx * (y + ny * z);
                for x in 0..nx {
                    out[first + x] += top * f64::from(line[x].re);
                    if pair {
                        out[first + nx + x] += top * f64::from(line[x].im);
                    }
                }
            }
        }
        debug_assert_eq!(pz, self.padded[2]);
        out
    }

    /// Transform along z, multiplication by the kernel's spectrum, and back; the padding lives in a small block.
    fn along_z(&self, work: &mut [C32], scratch: &mut [C32]) {
        const LINES: usize = 16;
        let [px, py, pz] = self.padded;
        let (columns, nz) = (px / 2 + 1, self.dims[2]);
        let slab = columns * py;
        let (hy, hz) = (py / 2 + 1, pz / 2 + 1);
        let mut block = vec![C32::default(); LINES * pz];
        for start in (0..slab).step_by(LINES) {
            let lines = LINES.min(slab - start);
            let block = &mut block[..lines * pz];
            block.fill(C32::default());
            for z in 0..nz {
                for (n, value) in work[z * slab + start..z * slab + start + lines].iter().enumerate() {
                    block[n * pz + z] = *value;
                }
            }
            self.forward[2].process_with_scratch(block, scratch);
            for (n, line) in block.chunks_exact_mut(pz).enumerate() {
                let (kx, ky) = ((start + n) / py, (start + n) % py);
                let ky = ky.min(py - ky);
                let kernel = &self.spectrum[(kx * hy + ky) * hz..(kx * hy + ky + 1) * hz];
                for kz in 0..hz {
                    line[kz] *= kernel[kz];
                }
                for kz in hz..pz {
                    line[kz] *= kernel[pz - kz];
                }
            }
            self.inverse[2].process_with_scratch(block, scratch);
            for z in 0..nz {
                for (n, value) in work[z * slab + start..z * slab + start + lines].iter_mut().enumerate() {
                    *value = block[n * pz + z];
                }
            }
        }
    }

    /// The direct sum over offsets of at most one voxel.
    fn apply_near(&self, map: &[f64]) -> Vec<f64> {
        let [nx, ny, nz] = self.dims;
        let mut out = vec![0.0; map.len()];
        for z in 0..nz {
            for y in 0..ny {
                let to = nx * (y + ny * z);
                for dz in z.saturating_sub(1)..=(z + 1).min(nz - 1) {
                    for dy in y.saturating_sub(1)..=(y + 1).min(ny - 1) {
                        let kind = 2 * usize::from(dy != y) + 4 * usize::from(dz != z);
                        let (here, beside) = (self.near[kind], self.near[kind + 1]);
                        let from = nx * (dy + ny * dz);
                        let row = &map[from..from + nx];
                        let target = &mut out[to..to + nx];
                        for (t, s) in target.iter_mut().zip(row) {
                            *t += here * s;
                        }
                        for (t, s) in target.iter_mut().skip(1).zip(row) {
                            *t += beside * s;
                        }
                        for (t, s) in target.iter_mut().zip(&row[1..]) {
                            *t += beside * s;
                        }
                    }
                }
            }
        }
        out
    }
}

/// Spectrum of a kernel that is its own mirror image along each axis: real, and its own mirror image too, so that
/// frequencies 0 to half are enough. z fastest, then y, then x; divided by the number of padded voxels.
fn mirrored_spectrum(value: impl Fn(usize, usize, usize) -> f64, reach: [usize; 3], padded: [usize; 3]) -> Vec<f32> {
    let half = padded.map(|n| n / 2 + 1);
    let mut planner = FftPlanner::<f64>::new();
    // stage by stage: x, then y, then z; each stage turns the axis it has transformed to the end
    let mut data: Vec<f64> = Vec::new();
    let mut extent = [reach[0] + 1, reach[1] + 1, reach[2] + 1];
    for k in 0..extent[2] {
        for j in 0..extent[1] {
            for i in 0..extent[0] {
                data.push(value(i, j, k));
            }
        }
    }
    for axis in 0..3 {
        let (n, lines) = (extent[0], extent[1] * extent[2]);
        let p = padded[axis];
        let fft = planner.plan_fft_forward(p);
        let mut line = vec![Complex::<f64>::default(); p];
        // result with the transformed axis last: index = line + lines * frequency
        let mut next = vec![0.0; lines * half[axis]];
        for first in (0..lines).step_by(2) {
            let pair = first + 1 < lines;
            line.fill(Complex::default());
            for i in 0..n {
                let entry = Complex::new(data[first * n + i], if pair { data[(first + 1) * n + i] } else { 0.0 });
                line[i] = entry;
                line[(p - i) % p] = entry;
            }
            fft.process(&mut line);
            for (k, entry) in line.iter().enumerate().take(half[axis]) {
                next[first + lines * k] = entry.re;
                if pair {
                    next[first + 1 + lines * k] = entry.im;
                }
            }
        }
        data = next;
        extent = [extent[1], extent[2], half[axis]];
    }
    // data is now x fastest, then y, then z: turn it so that z is fastest
    let scale = 1.0 / padded.iter().map(|&n| n as f64).product::<f64>();
    let mut spectrum = vec![0.0; data.len()];
    for z in 0..half[2] {
        for y in 0..half[1] {
            for x in 0..half[0] {
                spectrum[z + half[2] * (y + half[1] * x)] = (data[x + half[0] * (y + half[1] * z)] * scale) as f32;
            }
        }
    }
    spectrum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum as it is written.
    fn direct(values: &[f64], half: [usize; 3], dims: [usize; 3], map: &[f64]) -> Vec<f64> {
        let index = |v: [usize; 3]| v[0] + dims[0] * (v[1] + dims[1] * v[2]);
        let voxels: Vec<[usize; 3]> =
            (0..map.len()).map(|n| [n % dims[0], n / dims[0] % dims[1], n / (dims[0] * dims[1])]).collect();
        voxels
            .iter()
            .map(|to| {
                voxels
                    .iter()
                    .map(|from| {
                        let o = [0, 1, 2].map(|a| to[a].abs_diff(from[a]));
                        if (0..3).any(|a| o[a] > half[a]) {
                            return 0.0;
                        }
                        map[index(*from)] * values[o[0] + (half[0] + 1) * (o[1] + (half[1] + 1) * o[2])]
                    })
                    .sum()
            })
            .collect()
    }

    /// A kernel like that of 177Lu: nearly all at the source, a long faint tail.
    fn kernel(half: [usize; 3]) -> Vec<f64> {
        let mut values = Vec::new();
        for k in 0..=half[2] {
            for j in 0..=half[1] {
                for i in 0..=half[0] {
                    let r2 = (i * i + 2 * j * j + 3 * k * k) as f64;
                    values.push(if r2 == 0.0 { 140.0 } else { 0.1 / r2 });
                }
            }
        }
        values
    }

    fn map(dims: [usize; 3]) -> Vec<f64> {
        (0..dims.iter().product::<usize>()).map(|n| ((n * 7919 + 13) % 101) as f64 * 1e9).collect()
    }

    fn worst(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(x, y)| (x / y - 1.0).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn law_transform_equals_the_sum() {
        for (dims, half) in [
            ([7, 5, 6], [3, 2, 2]),
            ([5, 9, 3], [9, 20, 4]), // larger than the map
            ([1, 1, 8], [2, 2, 3]),
            ([4, 1, 1], [0, 0, 0]),
            ([6, 6, 6], [1, 1, 1]),
            ([11, 3, 2], [5, 0, 1]),
        ] {
            let (values, map) = (kernel(half), map(dims));
            let got = Convolver::new(&values, half, dims).apply(&map);
            let want = direct(&values, half, dims, &map);
            let top = want.iter().copied().fold(0.0, f64::max);
            let off = got.iter().zip(&want).map(|(g, w)| (g - w).abs() / top).fold(0.0, f64::max);
            assert!(off < 1e-8, "{dims:?} {half:?}: {off}");
        }
    }

    /// Activity in one corner: the opposite faces hold the tail of the kernel and nothing that came round the back.
    #[test]
    fn law_nothing_wraps_around() {
        let (dims, half) = ([9, 8, 7], [20, 20, 20]);
        let values = kernel(half);
        let mut map = vec![0.0; 9 * 8 * 7];
        map[0] = 1e12;
        let got = Convolver::new(&values, half, dims).apply(&map);
        let want = direct(&values, half, dims, &map);
        assert!(worst(&got, &want) < 1e-4, "{}", worst(&got, &want));
        // a kernel that ends before the far face leaves it empty, to the rounding of the transform
        let half = [2, 2, 2];
        let got = Convolver::new(&kernel(half), half, dims).apply(&map);
        assert!(got[9 * 8 * 7 - 1].abs() < 1e-6 * got[0] && got[8].abs() < 1e-6 * got[0]);
    }

    #[test]
    fn alarm_a_grid_without_padding_rings() {
        let (dims, half) = ([9, 8, 7], [20, 20, 20]);
        let values = kernel(half);
        let mut map = vec![0.0; 9 * 8 * 7];
        map[0] = 1e12;
        let want = direct(&values, half, dims, &map);
        let wrapped = Convolver::on(dims.map(smooth_size), &values, half, dims).apply(&map);
        assert!(worst(&wrapped, &want) > 1e-4);
        // one axis alone
        for axis in 0..3 {
            let mut padded = Convolver::new(&values, half, dims).padded();
            padded[axis] = smooth_size(dims[axis]);
            let wrapped = Convolver::on(padded, &values, half, dims).apply(&map);
            assert!(worst(&wrapped, &want) > 1e-4, "axis {axis}");
        }
    }

    #[test]
    fn law_padded_sizes_are_smooth_and_large_enough() {
        assert_eq!([1, 7, 11, 231, 256, 257].map(smooth_size), [1, 8, 12, 240, 256, 270]);
    }

    /// 128^3 voxels with a kernel as large as the map: memory, and that it is right there. `cargo bench --bench host --
    /// convolution` measures the time.
    #[test]
    fn law_a_map_of_128_cubed_takes_little_memory() {
        let (dims, half) = ([128; 3], [127; 3]);
        let values = kernel(half);
        let convolver = Convolver::new(&values, half, dims);
        let mut map = vec![0.0; dims.iter().product()];
        // sources in two opposite corners and on a face
        let sources = [([0_usize, 0, 0], 1e12), ([127, 127, 127], 2e12), ([64, 0, 127], 3e12)];
        let index = |v: [usize; 3]| v[0] + 128 * (v[1] + 128 * v[2]);
        for (at, decays) in sources {
            map[index(at)] = decays;
        }
        let result = convolver.apply(&map);
        for probe in [[0_usize, 0, 0], [127, 127, 127], [1, 0, 0], [127, 0, 0], [64, 64, 64], [64, 1, 126], [5, 120, 3]]
        {
            let expected: f64 = sources
                .iter()
                .map(|(at, decays)| {
                    let o = [0, 1, 2].map(|a| probe[a].abs_diff(at[a]));
                    decays * values[o[0] + 128 * (o[1] + 128 * o[2])]
                })
                .sum();
            assert!(
                (result[index(probe)] / expected - 1.0).abs() < 2e-3,
                "{probe:?}: {} {expected}",
                result[index(probe)]
            );
        }
        println!("128^3: {} MB besides map and result", convolver.memory_bytes() / 1_000_000);
        assert!(convolver.memory_bytes() < 50_000_000);
    }
}
