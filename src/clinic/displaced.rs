//! How much a region's activity changes when its outline lies off by what a registration leaves uncertain.
//!
//! A registered image lies off by d: along each axis normal with the standard deviation r/sqrt(3), r the registration's
//! residual (its root mean square length). The outline then holds
//!
//!   A(d) = Sum_v f_v a(x_v + d),   u = root mean square over draws of A(d)/A(0) - 1
//!
//! with the region's share f_v of voxel v. Between its voxels the image is the polynomial through the five nearest along each
//! axis (Lagrange's; Abramowitz and Stegun 25.2.15): what a blurred organ loses grows with d^2, and linear interpolation would
//! make it grow with |d|. Beyond the field of view the image goes on as at its edge.
//! Draws are seeded. A(d) is a weighted sum of the sums for shifts by whole voxels, which are taken once.

use super::images::RegionMap;
use super::motion::MotionRecord;
use crate::course::tia::ActivityImage;
use crate::draws::Normals;
use crate::grid::Volume;
use crate::note::Note;
use crate::source::Shares;
use std::collections::BTreeMap;

/// Draws of a displacement: the root mean square is within 1/sqrt(2 x 1000) = 2 % for a change that is linear in d.
const DRAWS: usize = 1000;
/// Where the draws begin.
const SEED: u64 = 17;

/// An outline over an image.
pub struct Outline<'a> {
    image: &'a Volume<f64>,
    /// Voxels and the region's shares of them.
    shares: Vec<(usize, f64)>,
    /// Activity in the outline shifted by whole voxels.
    sums: BTreeMap<[i64; 3], f64>,
}

impl<'a> Outline<'a> {
    /// The outline of a region over an image, MBq; `fractions` are its shares of the voxels, 0 to 1.
    pub fn new(image: &'a Volume<f64>, fractions: &[f64]) -> Self {
        let shares = fractions.iter().copied().enumerate().filter(|(_, share)| *share > 0.0).collect();
        Self { image, shares, sums: BTreeMap::new() }
    }

    /// Root mean square of the relative change of the outline's activity when it lies off by `residual_mm` (root mean
    /// square length); `None` where it holds nothing above 0.
    pub fn rel_sigma(&mut self, residual_mm: f64) -> Option<f64> {
        let own = self.by_whole([0; 3]);
        if own.is_nan() || own <= 0.0 {
            return None;
        }
        let edges_mm = self.image.grid.spacing_mm;
        let mut normals = Normals::new(SEED);
        let mut squares = 0.0;
        for _ in 0..DRAWS {
            let by: [f64; 3] =
                std::array::from_fn(|axis| normals.one() * residual_mm / (3.0_f64.sqrt() * edges_mm[axis]));
            squares += (self.by(by) / own - 1.0).powi(2);
        }
        Some((squares / DRAWS as f64).sqrt())
    }

    /// Activity in the outline moved by this, voxels, MBq.
    fn by(&mut self, voxels: [f64; 3]) -> f64 {
        let whole = voxels.map(f64::round);
        let [x, y, z]: [[f64; 5]; 3] = std::array::from_fn(|axis| lagrange(voxels[axis] - whole[axis]));
        let first = whole.map(|w| w as i64 - 2);
        let mut sum = 0.0;
        for (k, z) in (0..).zip(z) {
            for (j, y) in (0..).zip(y) {
                for (i, x) in (0..).zip(x) {
                    sum += x * y * z * self.by_whole([first[0] + i, first[1] + j, first[2] + k]);
                }
            }
        }
        sum
    }

    /// Activity in the outline shifted by whole voxels, MBq.
    fn by_whole(&mut self, shift: [i64; 3]) -> f64 {
        let Self { image, shares, sums } = self;
        *sums.entry(shift).or_insert_with(|| {
            let grid = &image.grid;
            let value = |voxel: usize| {
                let at = grid.voxel(voxel);
                let [i, j, k]: [usize; 3] = std::array::from_fn(|axis| {
                    let last = grid.dims[axis] as i64 - 1;
                    (at[axis] as i64 + shift[axis]).clamp(0, last) as usize
                });
                image.data[grid.index(i, j, k)]
            };
            shares.iter().map(|&(voxel, share)| share * value(voxel)).sum()
        })
    }
}

/// Weights of the values at -2, -1, 0, 1 and 2 for a place `t` between -1/2 and 1/2: Lagrange's for five points.
fn lagrange(t: f64) -> [f64; 5] {
    let (one, four) = (t * t - 1.0, t * t - 4.0);
    [
        t * one * (t - 2.0) / 24.0,
        -t * (t - 1.0) * four / 6.0,
        one * four / 4.0,
        -t * (t + 1.0) * four / 6.0,
        t * one * (t + 2.0) / 24.0,
    ]
}

/// What registration leaves uncertain of each region's activity, by label, one for each image (0 for an image that was not
/// registered). Empty where no image has a residual.
///
/// A region that changes by more than itself is left out, and told: its place is not settled.
pub fn of_images(
    images: &[ActivityImage],
    motions: &[MotionRecord],
    shares: &Shares,
    regions: &RegionMap,
    notes: &mut Vec<Note>,
) -> BTreeMap<u16, Vec<f64>> {
    let mut all = BTreeMap::new();
    if motions.iter().all(|motion| motion.residual_mm.is_none() && motion.regions.is_empty()) {
        return all;
    }
    for (number, &label) in shares.labels().iter().enumerate().filter(|(_, label)| **label > 0) {
        let name = regions.names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
        let fractions = shares.fractions(number);
        let residual_mm = |image: &ActivityImage| {
            motions.iter().find(|motion| motion.image == image.name).and_then(|motion| motion.residual_of(&name))
        };
        let of = |image: &ActivityImage| match residual_mm(image) {
            Some(mm) => Outline::new(&image.activity_mbq, &fractions).rel_sigma(mm).unwrap_or(0.0),
            None => 0.0,
        };
        let sigmas: Vec<f64> = images.iter().map(of).collect();
        match sigmas.iter().copied().fold(0.0, f64::max) {
            most if most > 1.0 => notes.push(
                Note::warning(
                    "region-place-unsettled",
                    format!(
                        "its activity changes by {:.0} % when its outline moves by what registration leaves uncertain: its \
                         budget holds no part for the registration",
                        100.0 * most
                    ),
                )
                .at(format!("region {name}")),
            ),
            most if most > 0.0 => {
                all.insert(label, sigmas);
            }
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::VoxelGrid;
    use statrs::function::erf::erf;

    const EDGE_MM: f64 = 4.8;

    fn grid() -> VoxelGrid {
        VoxelGrid::axis_aligned([32; 3], [EDGE_MM; 3], [-15.5 * EDGE_MM; 3])
    }

    fn image(value: impl Fn([f64; 3]) -> f64) -> Volume<f64> {
        let grid = grid();
        let data = (0..grid.len()).map(|n| value(grid.world_mm(grid.voxel(n).map(|v| v as f64)))).collect();
        Volume { grid, data }
    }

    /// A cube of 10 voxels, whole voxels.
    fn cube() -> Vec<f64> {
        let grid = grid();
        (0..grid.len()).map(|n| f64::from(u8::from(grid.voxel(n).iter().all(|v| (11..21).contains(v))))).collect()
    }

    fn rel_sigma(image: &Volume<f64>, residual_mm: f64) -> f64 {
        Outline::new(image, &cube()).rel_sigma(residual_mm).expect("activity")
    }

    /// An even image has nothing to lose. One that rises by g a mm over its mean m changes by g d/m: u = g r/(sqrt(3) m), to
    /// the draws' 1/sqrt(2 x 1000), within four of which the limit lies.
    #[test]
    fn law_a_slope_changes_by_what_it_rises() {
        assert!(rel_sigma(&image(|_| 3.0), 2.0) < 1e-12);
        for residual_mm in [0.5, 2.0, 6.0] {
            let found = rel_sigma(&image(|[x, _, z]| 100.0 + 0.6 * x - 0.8 * z), residual_mm);
            let expected = residual_mm / 3.0_f64.sqrt() / 100.0;
            let limit = 4.0 / (2.0 * DRAWS as f64).sqrt();
            assert!((found / expected - 1.0).abs() < limit, "{residual_mm}: {found} {expected}");
            // alarm: the residual's length taken for one axis
            assert!((found * 3.0_f64.sqrt() / expected - 1.0).abs() > limit);
        }
    }

    /// What the outline of a cube of half width h holds of that cube blurred by s, moved by d along one axis, of 2h.
    fn held(h: f64, s: f64, d: f64) -> f64 {
        // the integral of (erf((x + h)/(s sqrt 2)) - erf((x - h)/(s sqrt 2)))/2 from d - h to d + h
        let whole = |x: f64| {
            let t = x / (s * 2.0_f64.sqrt());
            0.5 * s * 2.0_f64.sqrt() * (t * erf(t) + (-t * t).exp() / std::f64::consts::PI.sqrt())
        };
        let at = |x: f64| whole(x + h) - whole(x - h);
        (at(d + h) - at(d - h)) / (2.0 * h)
    }

    /// A blurred organ loses by the square of the displacement: held against the exact integral with the same draws.
    #[test]
    fn law_a_blurred_organ_loses_as_its_exact_integral_does() {
        let (h, s) = (5.0 * EDGE_MM, 10.0 / 2.354_820);
        let axis = |x: f64| 0.5 * (erf((x + h) / (s * 2.0_f64.sqrt())) - erf((x - h) / (s * 2.0_f64.sqrt())));
        // the mean of each voxel, as an image has it
        let mean = |x: f64| (0..8).map(|n| axis(x + EDGE_MM * ((f64::from(n) + 0.5) / 8.0 - 0.5))).sum::<f64>() / 8.0;
        let blurred = image(|[x, y, z]| mean(x) * mean(y) * mean(z));
        let exact = |residual_mm: f64| {
            let mut normals = Normals::new(SEED);
            let one = held(h, s, 0.0);
            let squares = (0..DRAWS).map(|_| {
                let axes: f64 =
                    (0..3).map(|_| held(h, s, normals.one() * residual_mm / 3.0_f64.sqrt()) / one).product();
                (axes - 1.0).powi(2)
            });
            (squares.sum::<f64>() / DRAWS as f64).sqrt()
        };
        for residual_mm in [0.3, 1.0, 3.0] {
            let (found, expected) = (rel_sigma(&blurred, residual_mm), exact(residual_mm));
            // sums for shifts by whole voxels are exact; between them a polynomial follows an edge as sharp as 4.2 mm on
            // voxels of 4.8 mm to some 5 % of its curvature
            assert!((found / expected - 1.0).abs() < 0.1, "{residual_mm}: {found} {expected}");
        }
        // by the square: ten times the displacement, some hundred times the loss
        let ratio = rel_sigma(&blurred, 3.0) / rel_sigma(&blurred, 0.3);
        assert!(ratio > 70.0, "{ratio}");
    }

    /// The alarm of the law above: with an image that is linear between its voxels the loss grows with |d|.
    #[test]
    fn alarm_an_image_linear_between_its_voxels_rings() {
        let (h, s) = (5.0 * EDGE_MM, 10.0 / 2.354_820);
        let axis = |x: f64| 0.5 * (erf((x + h) / (s * 2.0_f64.sqrt())) - erf((x - h) / (s * 2.0_f64.sqrt())));
        let blurred = image(|[x, y, z]| axis(x) * axis(y) * axis(z));
        let cube = cube();
        let mut outline = Outline::new(&blurred, &cube);
        let own = outline.by_whole([0; 3]);
        let mut linear = |d: f64| ((1.0 - d) * own + d * outline.by_whole([1, 0, 0])) / own - 1.0;
        let (small, large) = (linear(0.03), linear(0.3));
        assert!(large / small < 11.0, "grows with |d|: {small} {large}");
        let cubic = |outline: &mut Outline<'_>, d: f64| outline.by([d, 0.0, 0.0]) / own - 1.0;
        let mut outline = Outline::new(&blurred, &cube);
        assert!(cubic(&mut outline, 0.3) / cubic(&mut outline, 0.03) > 70.0);
    }

    /// The weights are 1 together, exact at the voxels, and follow a polynomial of fourth degree.
    #[test]
    fn law_the_weights_follow_a_polynomial() {
        assert_eq!(lagrange(0.0), [0.0, 0.0, 1.0, 0.0, 0.0]);
        for t in [-0.5, -0.2, 0.1, 0.35, 0.5] {
            for power in 0..5 {
                let places = [-2.0_f64, -1.0, 0.0, 1.0, 2.0];
                let sum: f64 = lagrange(t).iter().zip(places).map(|(weight, x)| weight * x.powi(power)).sum();
                assert!((sum - t.powi(power)).abs() < 1e-14, "{t} {power}: {sum}");
            }
        }
    }
}
