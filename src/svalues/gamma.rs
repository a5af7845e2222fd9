//! The gamma index of Low et al., Med. Phys. 25 (1998) 656: a reference voxel passes when some point of the evaluated
//! map, within the distance to agreement, is near enough in space and dose together,
//!   min over points of (distance / dta)^2 + (dose difference / dose criterion)^2 <= 1.     [methods/svalues.md, eq. 6]
//!
//! The evaluated map is searched on its own grid, and the least value is found in closed form and not by steps: between
//! voxel centres the dose is linear in tetrahedra, and the least value over one of them is the distance of a point from a
//! simplex in space and dose (Ju et al., Med. Phys. 35 (2008) 879). No voxel within the distance is stepped over, so a
//! larger distance or dose difference never passes fewer. Each cell of eight centres is cut into 24 tetrahedra about its
//! middle and those of its faces, alike for a mirrored map; from the outermost centres to the border, half a voxel, the
//! dose stays what it is there. Reference voxels whose centre the evaluated map does not cover are excluded.
//!
//! The dose criterion is a share of the region's hot end (the dose that 2 % of it exceeds), and voxels below a tenth of
//! that take no part. Statistical noise of the reference lowers the pass rate of a narrow criterion.

use crate::cores;
use crate::dose::dvh::Dvh;
use crate::grid::VoxelGrid;

/// A criterion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Criterion {
    /// Distance to agreement, mm.
    pub distance_mm: f64,
    /// Dose criterion, share of the region's hot end (0.01 for 1 %).
    pub dose_rel: f64,
}

/// 2 mm / 1 %.
pub const NARROW: Criterion = Criterion { distance_mm: 2.0, dose_rel: 0.01 };
/// 3 mm / 3 %.
pub const WIDE: Criterion = Criterion { distance_mm: 3.0, dose_rel: 0.03 };
/// Largest gamma of a map: the search ends there.
pub const MOST_GAMMA: f32 = 2.0;
/// Share of the hot end below which voxels take no part.
const LEAST_SHARE: f64 = 0.1;
/// What rounding may add to a gamma of 1.
const ROUNDING: f64 = 1e-9;

/// Doses on a grid, Gy.
#[derive(Clone, Copy, Debug)]
pub struct Doses<'a> {
    /// Where they lie.
    pub grid: &'a VoxelGrid,
    /// One a voxel.
    pub gy: &'a [f32],
}

/// Share of the reference voxels in `region` (positions in the data) that pass, 0 to 1; `None` if no voxel takes part.
pub fn pass_rate(reference: Doses<'_>, evaluated: Doses<'_>, region: &[u32], criterion: Criterion) -> Option<f64> {
    let places = Places::between(reference.grid, evaluated.grid);
    let reached: Vec<usize> = region.iter().map(|&n| n as usize).filter(|&n| places.of(n).is_some()).collect();
    let hot = f64::from(Dvh::new(reached.iter().map(|&n| reference.gy[n]).collect()).dose_at_volume_gy(2.0)?);
    if hot <= 0.0 {
        return None;
    }
    let search = Search { evaluated, distance_mm: criterion.distance_mm, tolerance_gy: criterion.dose_rel * hot };
    let counts = cores::of_each(cores::ranges(reached.len()), |range| {
        let (mut taking_part, mut passing) = (0_usize, 0_usize);
        for &n in &reached[range] {
            let dose_gy = f64::from(reference.gy[n]);
            let Some(place) = places.of(n).filter(|_| dose_gy >= LEAST_SHARE * hot) else { continue };
            taking_part += 1;
            passing += usize::from(search.passes(place, dose_gy));
        }
        (taking_part, passing)
    });
    let [taking_part, passing] = counts.into_iter().fold([0, 0], |sum, one| [sum[0] + one.0, sum[1] + one.1]);
    (taking_part > 0).then(|| passing as f64 / taking_part as f64)
}

/// Gamma of every voxel whose reference dose is a tenth of `hot_gy` or more, at most [`MOST_GAMMA`]; 0 in all others. The
/// dose criterion is a share of `hot_gy`.
pub fn gamma_map(reference: Doses<'_>, evaluated: Doses<'_>, hot_gy: f64, criterion: Criterion) -> Vec<f32> {
    if hot_gy <= 0.0 {
        return vec![0.0; reference.grid.len()];
    }
    let places = Places::between(reference.grid, evaluated.grid);
    let search = Search { evaluated, distance_mm: criterion.distance_mm, tolerance_gy: criterion.dose_rel * hot_gy };
    let most = f64::from(MOST_GAMMA).powi(2);
    let gamma = |n: usize| {
        let dose_gy = f64::from(reference.gy[n]);
        if dose_gy < LEAST_SHARE * hot_gy {
            return 0.0;
        }
        places.of(n).map_or(0.0, |place| search.least(place, dose_gy, most, 0.0).sqrt() as f32)
    };
    let pieces = cores::of_each(cores::ranges(reference.grid.len()), |range| range.map(gamma).collect::<Vec<f32>>());
    pieces.concat()
}

/// Where the voxels of one grid lie in another.
struct Places<'a> {
    from: &'a VoxelGrid,
    to: &'a VoxelGrid,
    same: bool,
}

impl<'a> Places<'a> {
    fn between(from: &'a VoxelGrid, to: &'a VoxelGrid) -> Self {
        Self { from, to, same: from.same_as(to) }
    }

    /// The place of a voxel's centre in voxels of the other grid; none beyond its border.
    fn of(&self, n: usize) -> Option<[f64; 3]> {
        let voxel = self.from.voxel(n).map(|i| i as f64);
        let place = if self.same { voxel } else { self.to.voxel_at_mm(self.from.world_mm(voxel)) };
        self.to.holds(place).then_some(place)
    }
}

/// A point in space and dose, measured from the reference voxel in units of the criterion.
type Point = [f64; 4];

/// Corners of each face of a cell, one after the other around it; bit 0 of a corner is its end along x, 1 along y, 2 along z.
const FACES: [[usize; 4]; 6] = [[0, 2, 6, 4], [1, 3, 7, 5], [0, 1, 5, 4], [2, 3, 7, 6], [0, 1, 3, 2], [4, 5, 7, 6]];

/// The search of one map with one criterion.
struct Search<'a> {
    evaluated: Doses<'a>,
    distance_mm: f64,
    tolerance_gy: f64,
}

impl Search<'_> {
    fn passes(&self, place: [f64; 3], dose_gy: f64) -> bool {
        let most = 1.0 + ROUNDING;
        self.least(place, dose_gy, most, most) < most
    }

    /// The least gamma^2 of a reference dose at a place, in voxels; `most` where none is below it. The search ends at the first
    /// that is below `enough`.
    fn least(&self, place: [f64; 3], dose_gy: f64, most: f64, enough: f64) -> f64 {
        let grid = self.evaluated.grid;
        let mut best = most.min(self.at_nearest(place, dose_gy));
        let [along_x, along_y, along_z] = [0, 1, 2].map(|axis| self.cells(axis, place[axis], best));
        for &(from_z, k) in &along_z {
            for &(from_y, j) in &along_y {
                if from_z + from_y >= best {
                    break;
                }
                for &(from_x, i) in &along_x {
                    let away = from_z + from_y + from_x;
                    if away >= best {
                        break;
                    }
                    let doses = self.corners(grid, [i, j, k], dose_gy);
                    if away + gap(&doses).powi(2) >= best {
                        continue;
                    }
                    best = best.min(self.of_cell([i, j, k], place, &doses, away, best));
                    if best < enough {
                        return best;
                    }
                }
            }
        }
        best
    }

    /// gamma^2 of the nearest voxel centre.
    fn at_nearest(&self, place: [f64; 3], dose_gy: f64) -> f64 {
        let grid = self.evaluated.grid;
        let voxel: [usize; 3] =
            std::array::from_fn(|axis| place[axis].round().clamp(0.0, grid.dims[axis] as f64 - 1.0) as usize);
        let away: f64 = (0..3).map(|axis| self.scaled(axis, voxel[axis] as f64 - place[axis]).powi(2)).sum();
        let dose = f64::from(self.evaluated.gy[grid.index(voxel[0], voxel[1], voxel[2])]);
        away + ((dose - dose_gy) / self.tolerance_gy).powi(2)
    }

    /// A length in voxels along an axis in units of the distance to agreement.
    fn scaled(&self, axis: usize, voxels: f64) -> f64 {
        voxels * self.evaluated.grid.spacing_mm[axis] / self.distance_mm
    }

    /// Cells along an axis by their distance, squared, below `most`: nearest first.
    fn cells(&self, axis: usize, place: f64, most: f64) -> Vec<(f64, usize)> {
        let dims = self.evaluated.grid.dims[axis];
        let reach = most.sqrt() / self.scaled(axis, 1.0);
        // cell c lies between the nodes c and c + 1: the centres of the voxels c - 1 and c
        let first = (place - reach).floor().max(-1.0) as i64 + 1;
        let last = ((place + reach).ceil().max(0.0) as usize).min(dims);
        let mut cells: Vec<(f64, usize)> = (first.max(0) as usize..=last)
            .map(|cell| {
                let [low, high] = [node(dims, cell), node(dims, cell + 1)];
                (self.scaled(axis, (low - place).max(place - high).max(0.0)).powi(2), cell)
            })
            .filter(|cell| cell.0 < most)
            .collect();
        cells.sort_by(|a, b| a.0.total_cmp(&b.0));
        cells
    }

    /// Doses of a cell's corners against the reference, in units of the dose criterion.
    fn corners(&self, grid: &VoxelGrid, cell: [usize; 3], dose_gy: f64) -> [f64; 8] {
        std::array::from_fn(|corner| {
            let [i, j, k] = std::array::from_fn(|axis| {
                (cell[axis] + (corner >> axis & 1)).saturating_sub(1).min(grid.dims[axis] - 1)
            });
            (f64::from(self.evaluated.gy[grid.index(i, j, k)]) - dose_gy) / self.tolerance_gy
        })
    }

    /// The least gamma^2 of a cell that lies so far `away`, squared; `most` where none is below it.
    fn of_cell(&self, cell: [usize; 3], place: [f64; 3], doses: &[f64; 8], away: f64, most: f64) -> f64 {
        let dims = self.evaluated.grid.dims;
        let corner = |n: usize| -> Point {
            let at = |axis: usize| self.scaled(axis, node(dims[axis], cell[axis] + (n >> axis & 1)) - place[axis]);
            [at(0), at(1), at(2), doses[n]]
        };
        let corners: [Point; 8] = std::array::from_fn(corner);
        let middle = mean(&corners);
        let mut best = most;
        for face in FACES {
            let four = face.map(|n| corners[n]);
            let face_middle = mean(&four);
            for n in 0..4 {
                let simplex = [middle, face_middle, four[n], four[(n + 1) % 4]];
                if away + gap(&simplex.map(|point| point[3])).powi(2) < best {
                    best = best.min(of_tetrahedron(&simplex));
                }
            }
        }
        best
    }
}

/// Place of a node along an axis, in voxels: the border, the centres, the border.
fn node(dims: usize, n: usize) -> f64 {
    (n as f64 - 1.0).clamp(-0.5, dims as f64 - 0.5)
}

/// How far 0 lies outside the range of some values.
fn gap(values: &[f64]) -> f64 {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    low.max(-high).max(0.0)
}

fn mean<const N: usize>(points: &[Point; N]) -> Point {
    std::array::from_fn(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / N as f64)
}

fn less(a: &Point, b: &Point) -> Point {
    std::array::from_fn(|axis| a[axis] - b[axis])
}

fn dot(a: &Point, b: &Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
}

/// Squared distance of the origin from a tetrahedron in space and dose: of its inside where the foot lies there, else of
/// the nearest face.
fn of_tetrahedron(simplex: &[Point; 4]) -> f64 {
    let [start, ends @ ..] = simplex;
    let edges = ends.map(|end| less(&end, start));
    let normal = nalgebra::Matrix3::from_fn(|row, column| dot(&edges[row], &edges[column]));
    let right = nalgebra::Vector3::from_fn(|row, _| -dot(&edges[row], start));
    if let Some(shares) = normal.cholesky().map(|cholesky| cholesky.solve(&right))
        && shares.iter().all(|share| *share >= 0.0)
        && shares.sum() <= 1.0
    {
        let foot: Point =
            std::array::from_fn(|axis| start[axis] + (0..3).map(|n| shares[n] * edges[n][axis]).sum::<f64>());
        return dot(&foot, &foot);
    }
    let face = |a: usize, b: usize, c: usize| of_triangle(&[simplex[a], simplex[b], simplex[c]]);
    face(0, 1, 2).min(face(0, 1, 3)).min(face(0, 2, 3)).min(face(1, 2, 3))
}

fn of_triangle(simplex: &[Point; 3]) -> f64 {
    let [start, one, other] = simplex;
    let (one_edge, other_edge) = (less(one, start), less(other, start));
    let (aa, ab, bb) = (dot(&one_edge, &one_edge), dot(&one_edge, &other_edge), dot(&other_edge, &other_edge));
    let (a, b) = (-dot(&one_edge, start), -dot(&other_edge, start));
    let determinant = aa * bb - ab * ab;
    if determinant > 0.0 {
        let [s, t] = [(a * bb - b * ab) / determinant, (b * aa - a * ab) / determinant];
        if s >= 0.0 && t >= 0.0 && s + t <= 1.0 {
            let foot: Point = std::array::from_fn(|axis| start[axis] + s * one_edge[axis] + t * other_edge[axis]);
            return dot(&foot, &foot);
        }
    }
    of_edge(start, one).min(of_edge(start, other)).min(of_edge(one, other))
}

fn of_edge(start: &Point, end: &Point) -> f64 {
    let edge = less(end, start);
    let length2 = dot(&edge, &edge);
    let share = if length2 > 0.0 { (-dot(&edge, start) / length2).clamp(0.0, 1.0) } else { 0.0 };
    let foot: Point = std::array::from_fn(|axis| start[axis] + share * edge[axis]);
    dot(&foot, &foot)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dose that falls along x by 10 % of the top a voxel of 3 mm, from 1.0 at x = 0.
    fn ramp(shift_mm: f64) -> (VoxelGrid, Vec<f32>) {
        let grid = VoxelGrid::axis_aligned([8, 5, 5], [3.0; 3], [0.0; 3]);
        let dose = (0..grid.len()).map(|n| (1.0 - 0.1 * (grid.voxel(n)[0] as f64 - shift_mm / 3.0)) as f32).collect();
        (grid, dose)
    }

    fn on<'a>(grid: &'a VoxelGrid, gy: &'a [f32]) -> Doses<'a> {
        Doses { grid, gy }
    }

    fn rate(shift_mm: f64, criterion: Criterion) -> f64 {
        let (grid, reference) = ramp(0.0);
        let (_, evaluated) = ramp(shift_mm);
        // voxels away from the border, where the ramp goes on to both sides
        let region: Vec<u32> =
            (0..grid.len() as u32).filter(|&n| (2..6).contains(&grid.voxel(n as usize)[0])).collect();
        pass_rate(on(&grid, &reference), on(&grid, &evaluated), &region, criterion).unwrap()
    }

    #[test]
    fn law_equal_maps_pass_and_shifts_within_reach_too() {
        assert_eq!(rate(0.0, NARROW), 1.0);
        // a shift of 1.5 mm is found at 1.5 mm, which is within 2 mm; a dose test alone would fail (5 % off)
        assert_eq!(rate(1.5, NARROW), 1.0);
        assert_eq!(rate(1.5, Criterion { distance_mm: 0.1, dose_rel: 0.01 }), 0.0);
        assert_eq!(rate(2.5, WIDE), 1.0);
    }

    #[test]
    fn alarm_a_shift_beyond_reach_fails() {
        assert_eq!(rate(4.0, NARROW), 0.0);
        assert_eq!(rate(6.0, WIDE), 0.0);
    }

    /// Of a linear dose gamma is known: the dose difference over what dose and distance allow together.
    #[test]
    fn law_gamma_of_a_linear_dose_is_exact() {
        let (grid, reference) = ramp(0.0);
        let reach = 0.1 / 3.0 * NARROW.distance_mm / NARROW.dose_rel;
        for shift_mm in [0.0, 0.4, 1.5, 3.0] {
            let (_, evaluated) = ramp(shift_mm);
            let map = gamma_map(on(&grid, &reference), on(&grid, &evaluated), 1.0, NARROW);
            let wanted = 0.1 / 3.0 * shift_mm / NARROW.dose_rel / (1.0 + reach * reach).sqrt();
            let found = f64::from(map[grid.index(3, 2, 2)]);
            assert!((found - wanted).abs() < 1e-4, "{shift_mm} mm: {found} for {wanted}");
        }
        let (_, evaluated) = ramp(8.0);
        let map = gamma_map(on(&grid, &reference), on(&grid, &evaluated), 1.0, NARROW);
        assert_eq!(map[grid.index(3, 2, 2)], MOST_GAMMA);
    }

    #[test]
    fn law_an_empty_or_cold_region_has_no_rate() {
        let (grid, dose) = ramp(0.0);
        assert_eq!(pass_rate(on(&grid, &dose), on(&grid, &dose), &[], NARROW), None);
        assert_eq!(pass_rate(on(&grid, &vec![0.0; grid.len()]), on(&grid, &dose), &[3, 4], NARROW), None);
        let far = VoxelGrid::axis_aligned([8, 5, 5], [3.0; 3], [500.0; 3]);
        assert_eq!(pass_rate(on(&grid, &dose), on(&far, &dose), &[3, 4], NARROW), None, "nothing is reached");
    }

    /// 1 Gy everywhere, and a map with 1 Gy in one voxel of 1 mm.
    fn one_voxel() -> (VoxelGrid, Vec<f32>, Vec<f32>) {
        let grid = VoxelGrid::axis_aligned([11; 3], [1.0; 3], [0.0; 3]);
        let mut one = vec![0.0; grid.len()];
        one[grid.index(5, 5, 5)] = 1.0;
        (grid.clone(), vec![1.0; grid.len()], one)
    }

    fn everywhere(grid: &VoxelGrid) -> Vec<u32> {
        (0..grid.len() as u32).collect()
    }

    /// Every voxel within the distance is held, those at exactly the distance too.
    #[test]
    fn law_the_search_holds_every_voxel_within_the_distance() {
        let (grid, all, one) = one_voxel();
        for (distance_mm, dose_rel) in [(1.0, 0.01), (2.0, 0.01), (3.0, 0.03), (3.0, 0.01), (4.0, 0.02), (4.9, 0.03)] {
            let within = (0..grid.len()).filter(|&n| {
                let d2: f64 = grid.voxel(n).iter().map(|&i| (i as f64 - 5.0).powi(2)).sum();
                d2 <= distance_mm * distance_mm
            });
            let wanted = within.count() as f64 / grid.len() as f64;
            let criterion = Criterion { distance_mm, dose_rel };
            let found = pass_rate(on(&grid, &all), on(&grid, &one), &everywhere(&grid), criterion);
            assert_eq!(found, Some(wanted), "{criterion:?}");
        }
        // 33 and 123 of 1331
        let rate = |criterion| pass_rate(on(&grid, &all), on(&grid, &one), &everywhere(&grid), criterion).unwrap();
        assert!((rate(NARROW) - 0.0248).abs() < 5e-5 && (rate(WIDE) - 0.0924).abs() < 5e-5);
    }

    /// Dose between voxel centres, 0 beyond them.
    fn interpolated(grid: &VoxelGrid, gy: &[f32], place: [f64; 3]) -> f64 {
        let corner = |n: usize| {
            let at = [0, 1, 2].map(|axis| place[axis].floor() + (n >> axis & 1) as f64);
            let weight: f64 = (0..3).map(|axis| 1.0 - (place[axis] - at[axis]).abs()).product();
            let inside = (0..3).all(|axis| at[axis] >= 0.0 && at[axis] < grid.dims[axis] as f64);
            if inside {
                weight * f64::from(gy[grid.index(at[0] as usize, at[1] as usize, at[2] as usize)])
            } else {
                0.0
            }
        };
        (0..8).map(corner).sum()
    }

    /// The rate of a search in steps of a quarter of the distance: the fault that the closed form has not.
    fn rate_by_steps(grid: &VoxelGrid, reference: &[f32], evaluated: &[f32], criterion: Criterion) -> f64 {
        let passes = |n: usize| {
            let voxel = grid.voxel(n);
            (0..729).any(|step: i32| {
                let step = [step % 9 - 4, step / 9 % 9 - 4, step / 81 - 4].map(|s| f64::from(s) / 4.0);
                let away: f64 = step.iter().map(|s| s * s).sum();
                let place = std::array::from_fn(|axis| {
                    voxel[axis] as f64 + step[axis] * criterion.distance_mm / grid.spacing_mm[axis]
                });
                let off = || interpolated(grid, evaluated, place) - f64::from(reference[n]);
                away <= 1.0 && away + (off() / criterion.dose_rel).powi(2) <= 1.0
            })
        };
        (0..grid.len()).filter(|&n| passes(n)).count() as f64 / grid.len() as f64
    }

    #[test]
    fn alarm_a_search_by_steps_passes_fewer_of_a_looser_criterion() {
        let (grid, all, one) = one_voxel();
        let [narrow, wide] = [NARROW, WIDE].map(|criterion| rate_by_steps(&grid, &all, &one, criterion));
        assert!(wide < narrow, "the planted fault is seen: {narrow}, {wide}");
    }

    /// Numbers without order, 0 to 1.
    fn random(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1_u64 << 24) as f64
        }
    }

    #[test]
    fn law_a_looser_criterion_never_passes_fewer() {
        let (mut rising, mut all) = (0, 0);
        for seed in 1..=12 {
            let mut next = random(seed);
            let grid =
                VoxelGrid::axis_aligned([7, 6, 5], [0.7 + 2.0 * next(), 1.3 + next(), 2.1 + 2.0 * next()], [0.0; 3]);
            let finer = VoxelGrid::axis_aligned([9, 8, 7], [1.1 + next(), 0.9 + next(), 1.7], [-0.6, 0.2, -0.4]);
            let reference: Vec<f32> = (0..grid.len()).map(|_| next() as f32).collect();
            let evaluated: Vec<f32> = (0..finer.len()).map(|_| next() as f32).collect();
            let rates: Vec<Vec<f64>> = [0.7, 1.0, 1.6, 2.0, 2.3, 3.0, 4.1]
                .map(|distance_mm| {
                    let rate = |dose_rel| {
                        let criterion = Criterion { distance_mm, dose_rel };
                        pass_rate(on(&grid, &reference), on(&finer, &evaluated), &everywhere(&grid), criterion)
                    };
                    [0.005, 0.01, 0.02, 0.03, 0.05].iter().map(|&rel| rate(rel).expect("warm")).collect()
                })
                .to_vec();
            for far in 0..7 {
                for wide in 0..5 {
                    let here = rates[far][wide];
                    let tighter =
                        [far.checked_sub(1).map(|f| rates[f][wide]), wide.checked_sub(1).map(|w| rates[far][w])];
                    for tighter in tighter.into_iter().flatten() {
                        assert!(here >= tighter, "{seed}, {far}, {wide}: {here} < {tighter}");
                        rising += usize::from(here > tighter);
                        all += 1;
                    }
                }
            }
        }
        assert!(all > 600 && rising > all / 3, "the rates do move: {rising} of {all}");
    }

    /// Gamma is never above that of any voxel centre, and mirrored maps have mirrored gammas.
    #[test]
    fn law_gamma_is_at_most_that_of_every_voxel_and_mirrors_with_the_maps() {
        let mut next = random(99);
        let grid = VoxelGrid::axis_aligned([6, 5, 4], [1.0, 1.5, 2.0], [0.0; 3]);
        let [a, b] = [0, 1].map(|_| (0..grid.len()).map(|_| 0.5 + next() as f32).collect::<Vec<f32>>());
        let map = gamma_map(on(&grid, &a), on(&grid, &b), 1.0, WIDE);
        for n in 0..grid.len() {
            let of = |m: usize| {
                let (here, there) = (grid.voxel(n), grid.voxel(m));
                let d2: f64 = (0..3).map(|k| ((here[k] as f64 - there[k] as f64) * grid.spacing_mm[k]).powi(2)).sum();
                (d2 / 9.0 + (f64::from(a[n] - b[m]) / 0.03).powi(2)).sqrt()
            };
            let least = (0..grid.len()).map(of).fold(2.0, f64::min);
            assert!(f64::from(map[n]) <= least + 1e-5, "{n}: {} for {least}", map[n]);
        }
        let turned = |values: &[f32]| -> Vec<f32> { values.iter().rev().copied().collect() };
        let mirrored = gamma_map(on(&grid, &turned(&a)), on(&grid, &turned(&b)), 1.0, WIDE);
        for (here, there) in map.iter().zip(turned(&mirrored)) {
            assert!((here - there).abs() < 1e-5, "{here} {there}");
        }
    }

    /// A finer map is searched on its own grid: a hot voxel of 1 mm is found, which an average over 3 mm has not.
    #[test]
    fn law_a_finer_map_is_searched_on_its_own_grid() {
        let grid = VoxelGrid::axis_aligned([5; 3], [3.0; 3], [0.0; 3]);
        let fine = VoxelGrid::axis_aligned([15; 3], [1.0; 3], [-1.0; 3]);
        let mut hot = vec![0.0; fine.len()];
        hot[fine.index(7, 7, 7)] = 1.0;
        let middle = grid.index(2, 2, 2) as u32;
        let all = vec![1.0; grid.len()];
        assert_eq!(pass_rate(on(&grid, &all), on(&fine, &hot), &[middle], NARROW), Some(1.0));
        assert_eq!(pass_rate(on(&grid, &all), on(&fine, &hot), &[middle + 1], NARROW), Some(0.0), "3 mm away");
        assert_eq!(pass_rate(on(&grid, &all), on(&fine, &hot), &[middle + 1], WIDE), Some(1.0));
    }
}
