//! Histograms against structures whose histogram is known in closed form.
//!
//! A sphere of radius R in a dose that rises linearly along x: the share of its volume above D0 + g x is that of the cap
//! beyond x, (2 - 3 u + u^3) / 4 with u = x / R. The grid sees the sphere as covered shares of its voxels (from a fine
//! grid) or as whole voxels.

use lutra::dose::dvh::Dvh;
use lutra::dose::dvh::band::{Noise, banded, curve};
use lutra::dose::dvh::pieces::{Field, Member, region_dvh};
use lutra::grid::VoxelGrid;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Share of a sphere's volume beyond u radii from its middle, -1 to 1.
fn cap(u: f64) -> f64 {
    let u = u.clamp(-1.0, 1.0);
    0.25 * (2.0 - 3.0 * u + u.powi(3))
}

/// Where the cap holds the share, radii.
fn cap_place(share: f64) -> f64 {
    let (mut low, mut high) = (-1.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if cap(middle) > share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

const DOSE_GY: f64 = 10.0;
/// Dose from one end of a sphere to the other, relative to its mean dose.
const RISE: f64 = 0.4;

struct Sphere {
    grid: VoxelGrid,
    dose_gy: Vec<f32>,
    share: Vec<f32>,
}

impl Sphere {
    /// A sphere whose middle lies off the voxels' centres by `shift` voxels.
    fn new(radius_mm: f64, edge_mm: f64, shift: [f64; 3]) -> Self {
        let half = (radius_mm / edge_mm).ceil() as usize + 2;
        let n = 2 * half + 1;
        let grid = VoxelGrid::axis_aligned([n; 3], [edge_mm; 3], [-(half as f64) * edge_mm; 3]);
        let middle = shift.map(|s| s * edge_mm);
        let dose_gy = (0..grid.len())
            .map(|v| {
                let x = (grid.voxel(v)[0] as f64 - half as f64) * edge_mm - middle[0];
                (DOSE_GY * (1.0 + 0.5 * RISE * x / radius_mm)) as f32
            })
            .collect();
        let fine = 24;
        let share = (0..grid.len())
            .map(|v| {
                let at = grid.voxel(v).map(|i| (i as f64 - half as f64) * edge_mm);
                let near = (0..3).map(|a| (at[a] - middle[a]).powi(2)).sum::<f64>().sqrt();
                let reach = edge_mm * 3.0_f64.sqrt() / 2.0;
                if near > radius_mm + reach {
                    return 0.0;
                }
                if near < radius_mm - reach {
                    return 1.0;
                }
                let mut inside = 0;
                for k in 0..fine * fine * fine {
                    let part = [k % fine, k / fine % fine, k / fine / fine];
                    let d: f64 = (0..3)
                        .map(|a| (at[a] - middle[a] + ((part[a] as f64 + 0.5) / fine as f64 - 0.5) * edge_mm).powi(2))
                        .sum();
                    inside += usize::from(d < radius_mm * radius_mm);
                }
                inside as f32 / (fine * fine * fine) as f32
            })
            .collect();
        Self { grid, dose_gy, share }
    }

    fn dvh(&self, share: &[f32]) -> Dvh {
        let field = Field { grid: &self.grid, dose_gy: &self.dose_gy, density_g_cm3: None, least_density_g_cm3: 0.0 };
        let members: Vec<Member> = (0..share.len()).filter(|&n| share[n] > 0.0).map(|n| (n, share[n])).collect();
        region_dvh(&field, &members, &|n| share[n])
    }

    /// The whole voxels whose larger part is inside.
    fn whole(&self) -> Vec<f32> {
        self.share.iter().map(|&s| f32::from(u8::from(s >= 0.5))).collect()
    }
}

/// Largest relative error of D98, D90, D50, D2 and largest absolute error of V at three doses.
fn errors(dvh: &Dvh) -> (f64, f64) {
    let dose = |percent: f64| DOSE_GY * (1.0 + 0.5 * RISE * cap_place(percent / 100.0));
    let d = [98.0, 90.0, 50.0, 2.0]
        .map(|p| (f64::from(dvh.dose_at_volume_gy(p).expect("pieces")) / dose(p) - 1.0).abs())
        .into_iter()
        .fold(0.0, f64::max);
    let v = [-0.6, 0.0, 0.6]
        .map(|u| (dvh.volume_at_dose((DOSE_GY * (1.0 + 0.5 * RISE * u)) as f32) - cap(u)).abs())
        .into_iter()
        .fold(0.0, f64::max);
    (d, v)
}

/// Where the middle of a sphere lies in its voxel.
const SHIFTS: [[f64; 3]; 3] = [[0.0; 3], [0.5, 0.0, 0.0], [0.31, -0.17, 0.43]];

#[test]
fn law_covered_shares_give_the_spheres_histogram_within_three_tenths_of_a_percent() {
    println!("radius mm, voxel mm: worst D error, worst V error; covered shares | whole voxels");
    for radius_mm in [1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0] {
        for edge_mm in [2.0, 3.0, 4.0, 5.0] {
            let (mut shares, mut whole) = ((0.0_f64, 0.0_f64), (0.0_f64, 0.0_f64));
            for shift in SHIFTS {
                let sphere = Sphere::new(radius_mm, edge_mm, shift);
                let found = errors(&sphere.dvh(&sphere.share));
                shares = (shares.0.max(found.0), shares.1.max(found.1));
                let voxels = sphere.whole();
                if voxels.iter().any(|&s| s > 0.0) {
                    let found = errors(&sphere.dvh(&voxels));
                    whole = (whole.0.max(found.0), whole.1.max(found.1));
                } else {
                    whole = (f64::NAN, f64::NAN);
                }
            }
            let (d, v) = shares;
            println!(
                "{radius_mm:>4} {edge_mm:>3}: {:>6.2} % {:>6.2} % | {:>6.2} % {:>6.2} %",
                100.0 * d,
                100.0 * v,
                100.0 * whole.0,
                100.0 * whole.1
            );
            // a sphere inside a voxel or two has no shape on that grid
            if radius_mm >= 1.5 * edge_mm {
                assert!(d < 0.003 && v < 0.003, "R {radius_mm} mm, {edge_mm} mm: D {d}, V {v}");
            }
            if radius_mm >= 4.0 * edge_mm {
                assert!(whole.0 < 0.015 && whole.1 < 0.015, "whole voxels, R {radius_mm}, {edge_mm} mm: {whole:?}");
            }
        }
    }
}

#[test]
fn alarm_a_staircase_misses_the_spheres_histogram() {
    // voxels as they are, each with its own dose and its covered share: the plain histogram
    let sphere = Sphere::new(5.0, 3.0, [0.31, -0.17, 0.43]);
    let plain = Dvh::weighted(sphere.dose_gy.iter().copied().zip(sphere.share.iter().copied()).collect());
    let (d, v) = errors(&plain);
    assert!(d > 0.01 || v > 0.01, "the plain histogram should be off: D {d}, V {v}");
}

#[test]
fn law_mass_weights_tell() {
    // two halves of one volume, one of twice the density: the histogram is by mass
    let grid = VoxelGrid::axis_aligned([20, 10, 10], [3.0; 3], [0.0; 3]);
    let half = |n: usize| grid.voxel(n)[0] < 10;
    let dose: Vec<f32> = (0..grid.len()).map(|n| if half(n) { 4.0 } else { 8.0 }).collect();
    let density: Vec<f32> = (0..grid.len()).map(|n| if half(n) { 1.0 } else { 2.0 }).collect();
    let field = Field { grid: &grid, dose_gy: &dose, density_g_cm3: Some(&density), least_density_g_cm3: 0.02 };
    let members: Vec<Member> = (0..grid.len()).map(|n| (n, 1.0)).collect();
    let dvh = region_dvh(&field, &members, &|_| 1.0);
    assert!((dvh.mean_gy() - 20.0 / 3.0).abs() < 1e-4, "{}", dvh.mean_gy());
    assert!((dvh.volume_at_dose(6.0) - 2.0 / 3.0).abs() < 0.01, "{}", dvh.volume_at_dose(6.0));
}

fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    // Box and Muller
    let (a, b): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
}

/// A noisy measurement of a sphere in 20 batches, with a part of the noise common to all voxels.
fn noisy(sphere: &Sphere, rel: f64, common_rel: f64, random: &mut Xoshiro256PlusPlus) -> (Dvh, Noise) {
    const BATCHES: usize = 20;
    let inside: Vec<usize> = (0..sphere.share.len()).filter(|&n| sphere.share[n] >= 0.5).collect();
    let mut sums = vec![(0.0, 0.0); inside.len()];
    let mut means = Vec::new();
    for _ in 0..BATCHES {
        let common = common_rel * (BATCHES as f64).sqrt() * normal(random);
        let mut mean = 0.0;
        for (sum, &n) in sums.iter_mut().zip(&inside) {
            let truth = f64::from(sphere.dose_gy[n]);
            let value = truth * (1.0 + common + rel * (BATCHES as f64).sqrt() * normal(random));
            sum.0 += value;
            sum.1 += value * value;
            mean += value / inside.len() as f64;
        }
        means.push(mean);
    }
    let of = |sum: f64, squares: f64| {
        let count = BATCHES as f64;
        let mean = sum / count;
        (mean, ((squares / count - mean * mean).max(0.0) / (count - 1.0)).sqrt())
    };
    let voxels: Vec<(f64, f64)> = sums.iter().map(|&(sum, squares)| of(sum, squares)).collect();
    let (_, mean_se_gy) = of(means.iter().sum(), means.iter().map(|m| m * m).sum());
    let mut dose_gy = sphere.dose_gy.clone();
    for (voxel, &n) in voxels.iter().zip(&inside) {
        dose_gy[n] = voxel.0 as f32;
    }
    let field = Field { grid: &sphere.grid, dose_gy: &dose_gy, density_g_cm3: None, least_density_g_cm3: 0.0 };
    let members: Vec<Member> = inside.iter().map(|&n| (n, 1.0)).collect();
    let dvh = region_dvh(&field, &members, &|n| f32::from(u8::from(sphere.share[n] >= 0.5)));
    let noise = Noise {
        dose_gy: voxels.iter().map(|v| v.0 as f32).collect(),
        se_gy: voxels.iter().map(|v| v.1 as f32).collect(),
        mass: vec![1.0; inside.len()],
        mean_se_gy,
    };
    (dvh, noise)
}

/// Share of D98, D90, D50, D10 and D2 over many measurements whose 95 % range holds the truth, that of the noise-free
/// voxels.
fn coverage(radius_mm: f64, rel: f64, common_rel: f64, bands: bool) -> f64 {
    let sphere = Sphere::new(radius_mm, 3.0, [0.31, -0.17, 0.43]);
    let truth = sphere.dvh(&sphere.whole());
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let (mut held, mut all) = (0, 0);
    for _ in 0..40 {
        let (dvh, noise) = noisy(&sphere, rel, common_rel, &mut random);
        let band = if bands { banded(&dvh, &noise) } else { curve(&dvh) };
        for percent in [98.0, 90.0, 50.0, 10.0, 2.0] {
            let wanted = f64::from(truth.dose_at_volume_gy(percent).expect("pieces"));
            let [low, high] = band.dose_range_gy(percent);
            held += u32::from((low..=high).contains(&wanted));
            all += 1;
        }
    }
    f64::from(held) / f64::from(all)
}

#[test]
fn law_bands_cover_the_truth() {
    for (radius_mm, rel, common_rel) in [
        (6.0, 0.02, 0.0),
        (6.0, 0.10, 0.0),
        (15.0, 0.03, 0.0),
        (15.0, 0.10, 0.0),
        (10.0, 0.02, 0.02),
        (10.0, 0.001, 0.03),
    ] {
        let found = coverage(radius_mm, rel, common_rel, true);
        println!(
            "R {radius_mm} mm, noise {rel}, common {common_rel}: {:.1} % of the 95 % ranges hold the truth",
            100.0 * found
        );
        assert!(found >= 0.90, "R {radius_mm} mm, noise {rel}, common {common_rel}: only {found}");
    }
}

#[test]
fn alarm_a_curve_without_its_band_does_not_cover_the_truth() {
    assert!(coverage(15.0, 0.10, 0.0, false) < 0.5);
}
