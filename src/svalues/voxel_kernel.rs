//! Voxel S values: energy per decay in the voxel at an offset from the source voxel, in an endless uniform medium.
//!
//! A point kernel is folded over both voxels. With E(r) the energy in a shell and P(r; o) the chance that a point at
//! distance r, in a random direction from a random point of the source voxel, lies in the voxel at offset o,
//!   K(o) = sum over shells of E(r) P(r; o)                                       [methods/svalues.md, eq. 2]
//! where P is the mean over directions of a product of triangles, one an axis, because two boxes displaced by a
//! vector u overlap by prod(1 - |u_a| / s_a). Near voxels take this sum over directions; farther ones, where the
//! energy per volume is smooth, a Gauss rule over the same triangles. Nothing is sampled: the only statistical error
//! is that of the point kernel. The voxel transport of `VoxelKernel::by_transport` is the independent check.

use super::point_kernel::{PointKernel, Shells, mean_and_error};
use super::{MGY_PER_MBQ_S_PER_KEV_G, SvalueError};
use crate::decay::Nuclide;
use crate::grid::VoxelGrid;
use crate::materials::tissues::Tissue;
use crate::quadrature::{TRIANGLE_SIX, TRIANGLE_TWO, TWO};
use crate::transport::run::{RunPlan, Silent, Stop, simulate};
use crate::transport::{Engine, Scene};

/// Directions of one octant in the near sum.
const DIRECTIONS: usize = 4096;
/// Largest offset that takes the sum over directions, voxels.
const NEAR: usize = 1;
/// Up to this offset the Gauss rule has three points a half axis, beyond it one (which is exact to second order).
const MIDDLE: usize = 8;

/// Energy per decay by voxel offset. Offsets are taken by magnitude: entry (i, j, k), x fastest, stands for
/// (+-i, +-j, +-k), each from 0 to `half`.
#[derive(Clone, Debug, PartialEq)]
pub struct VoxelKernel {
    /// Name for tables.
    pub name: String,
    /// Name of the nuclide.
    pub nuclide: String,
    /// Name of the medium.
    pub medium: String,
    /// Density of the medium, g/cm3.
    pub density_g_cm3: f64,
    /// Voxel edges, mm.
    pub spacing_mm: [f64; 3],
    /// Largest offset along each axis, voxels.
    pub half: [usize; 3],
    /// Energy by offset from betas and electrons, keV per decay; where the parts are not known, all energy.
    pub electron_kev: Vec<f64>,
    /// Energy by offset from photons, keV per decay; zeros where the parts are not known.
    pub photon_kev: Vec<f64>,
    /// Whether electrons and photons are separate.
    pub has_parts: bool,
    /// Standard error of the energy of both parts, keV per decay.
    pub error_kev: Vec<f64>,
    /// Energy that falls outside the kernel's extent in an endless medium, keV per decay; `None` if not known.
    pub beyond_kev: Option<f64>,
    /// Energy that the electrons give to bremsstrahlung, which the photon part holds, keV per decay.
    pub radiated_kev: f64,
    /// Where it comes from.
    pub provenance: String,
}

impl VoxelKernel {
    /// Number of stored offsets.
    pub fn len(&self) -> usize {
        self.half.iter().map(|h| h + 1).product()
    }

    /// Whether nothing is stored; never so for a kernel made here.
    pub fn is_empty(&self) -> bool {
        self.electron_kev.is_empty()
    }

    /// Place of an offset in the data; the magnitudes must lie within `half`.
    pub fn place(&self, [i, j, k]: [usize; 3]) -> usize {
        i + (self.half[0] + 1) * (j + (self.half[1] + 1) * k)
    }

    /// The offset at a place: the inverse of [`VoxelKernel::place`].
    pub fn offset(&self, place: usize) -> [usize; 3] {
        let [nx, ny] = [self.half[0] + 1, self.half[1] + 1];
        [place % nx, place / nx % ny, place / (nx * ny)]
    }

    /// Energy of both parts at an offset, keV per decay; 0 outside the extent.
    pub fn energy_kev(&self, offset: [usize; 3]) -> f64 {
        if (0..3).any(|a| offset[a] > self.half[a]) {
            return 0.0;
        }
        let place = self.place(offset);
        self.electron_kev[place] + self.photon_kev[place]
    }

    /// Mass of a voxel of the medium, g.
    pub fn voxel_g(&self) -> f64 {
        self.density_g_cm3 * self.spacing_mm.iter().product::<f64>() * 1e-3
    }

    /// S value at an offset, mGy/(MBq s).
    pub fn s_mgy_per_mbq_s(&self, offset: [usize; 3]) -> f64 {
        self.energy_kev(offset) * MGY_PER_MBQ_S_PER_KEV_G / self.voxel_g()
    }

    /// Energy within offsets up to `extent` (and the kernel's own), keV per decay: electrons and photons.
    pub fn energy_within_kev(&self, extent: [usize; 3]) -> [f64; 2] {
        let mut sums = [0.0; 2];
        for place in 0..self.len() {
            let offset = self.offset(place);
            if (0..3).all(|a| offset[a] <= extent[a]) {
                sums[0] += multiplicity(offset) * self.electron_kev[place];
                sums[1] += multiplicity(offset) * self.photon_kev[place];
            }
        }
        sums
    }

    /// The kernel cut to offsets up to `half` (or its own, where that is less).
    pub fn cropped(&self, half: [usize; 3]) -> Self {
        let half = [0, 1, 2].map(|a| half[a].min(self.half[a]));
        let mut cut = Self { half, electron_kev: vec![], photon_kev: vec![], error_kev: vec![], ..self.clone() };
        for k in 0..=half[2] {
            for j in 0..=half[1] {
                for i in 0..=half[0] {
                    let place = self.place([i, j, k]);
                    cut.electron_kev.push(self.electron_kev[place]);
                    cut.photon_kev.push(self.photon_kev[place]);
                    cut.error_kev.push(self.error_kev[place]);
                }
            }
        }
        let inside = |kernel: &Self| kernel.energy_within_kev(kernel.half).iter().sum::<f64>();
        cut.beyond_kev = self.beyond_kev.map(|beyond| beyond + inside(self) - inside(&cut));
        cut
    }

    /// Energy in the kernel and beyond it against the nuclide's `expected_kev`, as a deviation; none
    /// where the energy beyond is not known.
    pub fn closure_rel(&self, expected_kev: f64) -> Option<f64> {
        let inside: f64 = self.energy_within_kev(self.half).iter().sum();
        self.beyond_kev.map(|beyond| (inside + beyond) / expected_kev - 1.0)
    }

    /// A kernel of Lutra's without values yet.
    fn empty(nuclide: &str, medium: &str, density_g_cm3: f64, spacing_mm: [f64; 3], half: [usize; 3]) -> Self {
        Self {
            name: format!("lutra {medium}"),
            nuclide: nuclide.to_owned(),
            medium: medium.to_owned(),
            density_g_cm3,
            spacing_mm,
            half,
            electron_kev: vec![],
            photon_kev: vec![],
            has_parts: true,
            error_kev: vec![],
            beyond_kev: None,
            radiated_kev: 0.0,
            provenance: String::new(),
        }
    }

    /// The kernel of a point kernel's nuclide and tissue in voxels of `spacing_mm` at `density_g_cm3`, for offsets up
    /// to `half`. Cost: about 1 us an offset near the source, 0.1 us far from it, times 20 batches of the point kernel.
    pub fn fold(
        point: &PointKernel,
        spacing_mm: [f64; 3],
        density_g_cm3: f64,
        half: [usize; 3],
    ) -> Result<Self, SvalueError> {
        let sane = spacing_mm.iter().all(|s| (0.01..=1000.0).contains(s)) && (1e-4..=30.0).contains(&density_g_cm3);
        if !sane {
            return Err(SvalueError::Kernel {
                kernel: format!("{} in {}", point.nuclide, point.tissue),
                field: "voxel and density",
                found: format!("{spacing_mm:?} mm at {density_g_cm3} g/cm3"),
                allowed: "edges of 0.01 to 1000 mm, 0.0001 to 30 g/cm3".to_owned(),
                next: "Give edges in mm and the density in g/cm3.".into(),
            });
        }
        let mut kernel = Self::empty(&point.nuclide, &point.tissue, density_g_cm3, spacing_mm, half);
        kernel.provenance = format!("{}; folded into voxels", point.provenance);
        let mut variance = vec![0.0; kernel.len()];
        let mut total_kev = 0.0;
        kernel.electron_kev = vec![0.0; kernel.len()];
        kernel.photon_kev = vec![0.0; kernel.len()];
        for (electrons, shells) in [(true, &point.electron), (false, &point.photon)] {
            let Some(shells) = shells else { continue };
            let folded = Fold::new(shells, spacing_mm, density_g_cm3).all(half);
            for (place, (mean, error)) in folded.into_iter().enumerate() {
                variance[place] += error * error;
                let part = if electrons { &mut kernel.electron_kev } else { &mut kernel.photon_kev };
                part[place] = mean;
            }
            total_kev += shells.total_kev();
            kernel.radiated_kev += shells.radiated_kev;
        }
        kernel.error_kev = variance.into_iter().map(f64::sqrt).collect();
        kernel.beyond_kev = Some(total_kev - kernel.energy_within_kev(half).iter().sum::<f64>());
        Ok(kernel)
    }

    /// The same by voxel transport: the source fills the middle voxel of a uniform scene that reaches `margin` voxels
    /// beyond the kernel on every side; the values of mirrored voxels (and, in cubes, of exchanged axes) are averaged.
    /// The medium ends there, so that photons which would come back from farther away are missing.
    #[allow(clippy::too_many_arguments)]
    pub fn by_transport(
        nuclide: &Nuclide,
        tissue: &Tissue,
        density_g_cm3: f64,
        spacing_mm: [f64; 3],
        half: [usize; 3],
        margin: usize,
        histories: u64,
        engine: &mut dyn Engine,
    ) -> Result<Self, SvalueError> {
        let dims = half.map(|h| 2 * (h + margin) + 1);
        let grid = VoxelGrid::axis_aligned(dims, spacing_mm, [0.0; 3]);
        let scene = Scene::uniform(grid.clone(), tissue.clone(), density_g_cm3 as f32)?;
        let mut decays = vec![0.0; grid.len()];
        let middle = half.map(|h| h + margin);
        decays[grid.index(middle[0], middle[1], middle[2])] = 1.0;
        let plan = RunPlan { stop: Stop::Histories(histories), photon_share: 1.0, ..RunPlan::default() };
        let run = simulate(&scene, &decays, nuclide, &plan, engine, &mut Silent)?;
        let mut kernel = Self::empty(&nuclide.name, &tissue.name, density_g_cm3, spacing_mm, half);
        kernel.name = format!("lutra {} by voxel transport", tissue.name);
        kernel.provenance = format!("lutra {} voxel transport, {histories} histories", env!("CARGO_PKG_VERSION"));
        let cube = spacing_mm[0] == spacing_mm[1] && spacing_mm[1] == spacing_mm[2];
        for place in 0..kernel.len() {
            let images = images(kernel.offset(place), half, cube);
            let n = images.len() as f64;
            let (mut electron, mut photon, mut variance) = (0.0, 0.0, 0.0);
            for image in &images {
                let at = [0, 1, 2].map(|a| (middle[a] as isize + image[a]) as usize);
                let voxel = grid.index(at[0], at[1], at[2]);
                electron += run.electron.energy_kev(voxel) / n;
                photon += run.photon.energy_kev(voxel) / n;
                variance += (run.electron.variance_kev2(voxel) + run.photon.variance_kev2(voxel)) / (n * n);
            }
            kernel.electron_kev.push(electron);
            kernel.photon_kev.push(photon);
            kernel.error_kev.push(variance.sqrt());
        }
        Ok(kernel)
    }
}

/// Number of voxels that an offset by magnitude stands for.
pub fn multiplicity(offset: [usize; 3]) -> f64 {
    offset.iter().map(|&o| if o == 0 { 1.0 } else { 2.0 }).product()
}

/// Signed offsets that hold the same value by symmetry, each once, within `half`.
fn images(offset: [usize; 3], half: [usize; 3], cube: bool) -> Vec<[isize; 3]> {
    const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let mut found = Vec::new();
    for order in &ORDERS[..if cube { 6 } else { 1 }] {
        let turned = order.map(|a| offset[a] as isize);
        if (0..3).any(|a| turned[a] > half[a] as isize) {
            continue;
        }
        for signs in 0..8 {
            found.push([0, 1, 2].map(|a| if signs >> a & 1 == 1 { -turned[a] } else { turned[a] }));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Folding of one part of a point kernel into voxels.
struct Fold<'a> {
    shells: &'a Shells,
    spacing_mm: [f64; 3],
    width_mm: f64,
    batches: usize,
    /// keV per decay and mm3 in each shell, batches side by side.
    per_mm3: Vec<f64>,
    directions: Vec<[f64; 3]>,
}

impl<'a> Fold<'a> {
    fn new(shells: &'a Shells, spacing_mm: [f64; 3], density_g_cm3: f64) -> Self {
        let width_mm = 10.0 * shells.width_g_cm2 / density_g_cm3;
        let batches = shells.batches.len();
        let mut per_mm3 = vec![0.0; shells.count() * batches];
        // the last shell holds what lies beyond all shells: it has no place
        for shell in 0..shells.count().saturating_sub(1) {
            let [inner, outer] = [shell, shell + 1].map(|n| n as f64 * width_mm);
            let mm3 = 4.0 / 3.0 * std::f64::consts::PI * (outer.powi(3) - inner.powi(3));
            for (batch, energies) in shells.batches.iter().enumerate() {
                per_mm3[shell * batches + batch] = energies[shell] / mm3;
            }
        }
        Self { shells, spacing_mm, width_mm, batches, per_mm3, directions: octant_directions(DIRECTIONS) }
    }

    /// Mean and standard error, keV per decay, of all offsets up to `half`, x fastest.
    fn all(&self, half: [usize; 3]) -> Vec<(f64, f64)> {
        let [sx, sy, sz] = self.spacing_mm;
        let count: usize = half.iter().map(|h| h + 1).product();
        let [nx, ny] = [half[0] + 1, half[1] + 1];
        let offset = |place: usize| [place % nx, place / nx % ny, place / (nx * ny)];
        if sx != sy || sy != sz {
            return (0..count).map(|place| self.one(offset(place))).collect();
        }
        // in cubes the value depends on the sorted offset alone: fill a triangle a >= b >= c first
        let longest = half.iter().copied().max().unwrap_or(0);
        let row = |a: usize, b: usize| a * (a + 1) * (a + 2) / 6 + b * (b + 1) / 2;
        let mut sorted_half = half;
        sorted_half.sort_unstable_by(|a, b| b.cmp(a));
        let mut triangle = vec![(0.0, 0.0); row(longest + 1, 0)];
        for a in 0..=sorted_half[0] {
            for b in 0..=a.min(sorted_half[1]) {
                for c in 0..=b.min(sorted_half[2]) {
                    triangle[row(a, b) + c] = self.one([a, b, c]);
                }
            }
        }
        let lookup = |place: usize| {
            let mut o = offset(place);
            o.sort_unstable_by(|a, b| b.cmp(a));
            triangle[row(o[0], o[1]) + o[2]]
        };
        (0..count).map(lookup).collect()
    }

    fn one(&self, offset: [usize; 3]) -> (f64, f64) {
        let farthest = offset.into_iter().max().unwrap_or(0);
        let (mut mean, error) = if farthest <= NEAR {
            self.shells.fold(&self.chances(offset))
        } else {
            self.smooth(offset, if farthest <= MIDDLE { &TRIANGLE_SIX } else { &TRIANGLE_TWO })
        };
        if farthest == 0 {
            mean += self.shells.at_source_kev;
        }
        (mean, error)
    }

    /// P(r; offset) of every shell, averaged over its thickness at two Gauss points.
    fn chances(&self, offset: [usize; 3]) -> Vec<f64> {
        // the octant stands for all directions: along an axis of offset 0 both signs count, else one
        let zeros = offset.iter().filter(|o| **o == 0).count() as i32;
        let share = 2.0_f64.powi(zeros) / 8.0 / self.directions.len() as f64;
        let diagonal: f64 = (0..3).map(|a| ((offset[a] + 1) as f64 * self.spacing_mm[a]).powi(2)).sum::<f64>().sqrt();
        let chance = |r_mm: f64| {
            let sum: f64 = self
                .directions
                .iter()
                .map(|u| {
                    (0..3)
                        .map(|a| (1.0 - (r_mm * u[a] / self.spacing_mm[a] - offset[a] as f64).abs()).max(0.0))
                        .product::<f64>()
                })
                .sum();
            sum * share
        };
        let shells = self.shells.count();
        let mut weights = vec![0.0; shells];
        for (shell, weight) in weights.iter_mut().enumerate().take(shells.saturating_sub(1)) {
            let inner = shell as f64 * self.width_mm;
            if inner > diagonal {
                break;
            }
            let [first, second] = TWO.map(|share| chance(inner + share * self.width_mm));
            *weight = 0.5 * (first + second);
        }
        weights
    }

    /// Integral of the energy per volume over the overlap triangles, by a product rule.
    fn smooth(&self, offset: [usize; 3], rule: &[(f64, f64)]) -> (f64, f64) {
        let voxel_mm3: f64 = self.spacing_mm.iter().product();
        let mut sums = vec![0.0; self.batches];
        let shells = self.shells.count();
        let axis = |a: usize| {
            rule.iter()
                .map(move |&(t, w)| (((offset[a] as f64 + t) * self.spacing_mm[a]).powi(2), w))
                .collect::<Vec<_>>()
        };
        let [xs, ys, zs] = [axis(0), axis(1), axis(2)];
        for &(zz, wz) in &zs {
            for &(yy, wy) in &ys {
                for &(xx, wx) in &xs {
                    let shell = ((xx + yy + zz).sqrt() / self.width_mm) as usize;
                    if shell + 1 >= shells {
                        continue;
                    }
                    let weight = wx * wy * wz * voxel_mm3;
                    let energies = &self.per_mm3[shell * self.batches..(shell + 1) * self.batches];
                    for (sum, energy) in sums.iter_mut().zip(energies) {
                        *sum += weight * energy;
                    }
                }
            }
        }
        mean_and_error(&sums)
    }
}

/// Directions spread evenly over the octant x, y, z >= 0 (a golden-section lattice in height and azimuth).
fn octant_directions(count: usize) -> Vec<[f64; 3]> {
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    (0..count)
        .map(|n| {
            let z = (n as f64 + 0.5) / count as f64;
            let azimuth = std::f64::consts::FRAC_PI_2 * ((n as f64 + 0.5) * GOLDEN).fract();
            let rho = (1.0 - z * z).sqrt();
            [rho * azimuth.cos(), rho * azimuth.sin(), z]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::point_kernel::tests::{made, soft};
    use super::*;
    use crate::transport::cpu::CpuEngine;

    /// A kernel far wider than the electrons' reach holds all energy but what photons carry away.
    #[test]
    fn law_folding_keeps_the_energy() {
        let point = soft();
        let electron = point.electron.as_ref().unwrap().total_kev();
        for (spacing, half) in
            [([3.0; 3], [4; 3]), ([0.5; 3], [8; 3]), ([2.0, 3.0, 5.0], [6, 4, 3]), ([4.8; 3], [2; 3])]
        {
            let kernel = VoxelKernel::fold(point, spacing, 1.04, half).unwrap();
            let [inside, _] = kernel.energy_within_kev(half);
            println!("{spacing:?}: electrons {inside:.4} of {electron:.4} keV, beyond {:?}", kernel.beyond_kev);
            assert!((inside / electron - 1.0).abs() < 5e-4, "{spacing:?}: {inside} of {electron}");
            let expected = point.nuclide_electron_kev + point.nuclide_photon_kev;
            assert!(kernel.closure_rel(expected).unwrap().abs() < 1e-3);
        }
        // photons: a kernel of 1 m holds nearly all
        let kernel = VoxelKernel::fold(point, [20.0; 3], 1.0, [30; 3]).unwrap();
        let [_, photon] = kernel.energy_within_kev(kernel.half);
        let total = point.photon.as_ref().unwrap().total_kev();
        assert!((photon / total - 1.0).abs() < 0.01, "{photon} of {total}");
    }

    #[test]
    fn law_an_anisotropic_kernel_follows_its_axes() {
        let point = soft();
        let a = VoxelKernel::fold(point, [2.0, 3.0, 5.0], 1.04, [2, 2, 2]).unwrap();
        let b = VoxelKernel::fold(point, [5.0, 2.0, 3.0], 1.04, [2, 2, 2]).unwrap();
        for (o, turned) in [([1, 0, 0], [0, 1, 0]), ([2, 1, 0], [0, 2, 1]), ([0, 0, 2], [2, 0, 0])] {
            let (x, y) = (a.energy_kev(o), b.energy_kev(turned));
            assert!((x / y - 1.0).abs() < 2e-3, "{o:?}: {x} {y}");
        }
        assert!(a.energy_kev([1, 0, 0]) > a.energy_kev([0, 0, 1]));
    }

    /// Folding a point kernel against voxel transport: two codes for the geometry, one physics.
    fn deviations(folded: &VoxelKernel, transported: &VoxelKernel) -> Vec<([usize; 3], f64, f64)> {
        let offsets = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [2, 0, 0], [2, 1, 1], [3, 3, 0]];
        offsets
            .into_iter()
            .map(|o| {
                let (a, b) = (folded.energy_kev(o), transported.energy_kev(o));
                let place = |k: &VoxelKernel| k.error_kev[k.place(o)];
                let sigma = place(folded).hypot(place(transported)) / b;
                (o, a / b - 1.0, sigma)
            })
            .collect()
    }

    #[test]
    fn law_folded_kernel_equals_voxel_transport() {
        let nuclide = Nuclide::load("lu177").unwrap();
        let tissue = Tissue::built_in("soft-tissue").unwrap();
        let folded = VoxelKernel::fold(soft(), [3.0; 3], 1.04, [3; 3]).unwrap();
        let transported =
            VoxelKernel::by_transport(&nuclide, &tissue, 1.04, [3.0; 3], [3; 3], 17, 200_000, &mut CpuEngine::new(0))
                .unwrap();
        for (offset, deviation, sigma) in deviations(&folded, &transported) {
            println!("{offset:?}: {:+.3} % +- {:.3} %", 100.0 * deviation, 100.0 * sigma);
            assert!(deviation.abs() < 0.005 + 3.0 * sigma, "{offset:?}: {deviation} {sigma}");
        }
        // and the comparison sees a kernel of a voxel 10 % too large
        let wrong = VoxelKernel::fold(soft(), [3.3; 3], 1.04, [3; 3]).unwrap();
        assert!(deviations(&wrong, &transported).iter().any(|(_, d, s)| d.abs() > 0.005 + 3.0 * s), "alarm");
    }

    /// EGSnrc's voxel S values, mGy/(MBq s); ICRU-44 soft tissue at 1.04 g/cm3, relative sigma below 0.5 %.
    const EGSNRC_3_MM: [([usize; 3], f64); 6] = [
        ([0, 0, 0], 0.75139),
        ([1, 0, 0], 0.015_130_7),
        ([1, 1, 0], 6.058_55e-4),
        ([2, 0, 0], 3.991_67e-5),
        ([2, 1, 0], 3.170_9e-5),
        ([3, 2, 1], 1.111_03e-5),
    ];

    fn worst_against_egsnrc(kernel: &VoxelKernel) -> f64 {
        EGSNRC_3_MM
            .iter()
            .map(|&(o, s)| {
                let ratio = kernel.s_mgy_per_mbq_s(o) / s;
                println!("{o:?}: {ratio:.4}");
                (ratio - 1.0).abs()
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn reference_kernel_equals_egsnrc() {
        let point = made("lu177-reference", "soft-tissue", 60_000, 600_000);
        let kernel = VoxelKernel::fold(&point, [3.0; 3], 1.04, [3; 3]).unwrap();
        assert!(worst_against_egsnrc(&kernel) < 0.02);
        let first = (kernel.s_mgy_per_mbq_s([0; 3]) / EGSNRC_3_MM[0].1 - 1.0).abs();
        assert!(first < 0.003, "source voxel {first}");
    }

    #[test]
    fn alarm_a_kernel_at_the_wrong_density_rings() {
        let kernel = VoxelKernel::fold(soft(), [3.0; 3], 1.00, [3; 3]).unwrap();
        assert!(worst_against_egsnrc(&kernel) > 0.03);
    }

    #[test]
    fn law_cropping_moves_energy_beyond() {
        let kernel = VoxelKernel::fold(soft(), [3.0; 3], 1.04, [5; 3]).unwrap();
        let cut = kernel.cropped([1, 2, 9]);
        assert_eq!(cut.half, [1, 2, 5]);
        assert_eq!(cut.energy_kev([1, 2, 5]), kernel.energy_kev([1, 2, 5]));
        assert_eq!(cut.energy_kev([2, 0, 0]), 0.0);
        let all = |k: &VoxelKernel| k.energy_within_kev(k.half).iter().sum::<f64>() + k.beyond_kev.unwrap();
        assert!((all(&cut) / all(&kernel) - 1.0).abs() < 1e-12);
    }
}
