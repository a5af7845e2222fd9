//! Two dose maps on one grid: is one of them shifted, flipped or scaled against the other?
//!
//! Every way of laying B over A by flipping axes, swapping axes of equal length and moving by whole voxels is scored by the
//! cosine c of the two maps as vectors; sqrt(1 - c^2) is what a scale cannot explain, relative to A. The best way wins
//! against "as they are" only where it explains clearly more. What is left is tested for a move by less than a voxel (least
//! squares on the gradient of A) and for a common factor (of the sums, which noise does not bias). Voxels that B does not
//! reach are not known to be cold: they take no part.                                              [docs/report.md]

use crate::grid::VoxelGrid;
use serde::Serialize;

/// Share of the hot end above which a voxel enters the factor and the shift by part of a voxel.
const LEAST_SHARE: f64 = 0.05;
/// The hot end: the dose that this share of the voxels with dose exceeds (a lone hot voxel does not make it).
const HOT_END: f64 = 0.001;
/// A way wins when it leaves less than this share of what "as they are" leaves unexplained.
const WINS: f64 = 0.7;
/// Unexplained share of the dose below which two maps are alike: nothing is looked for.
const ALIKE: f64 = 1e-3;
/// Most moves of the search.
const MOST_STEPS: usize = 40;
/// Least move by less than a voxel that is named, voxels.
const LEAST_MOVE: f64 = 0.2;
/// Names of the axes of a canonical grid, and of their ends.
const AXES: [&str; 3] = ["left-right", "front-back", "head-feet"];
const TOWARDS: [[&str; 2]; 3] =
    [["the patient's left", "the patient's right"], ["the back", "the front"], ["the feet", "the head"]];

/// One thing that is wrong between two maps.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// B is A mirrored.
    Flip {
        /// Axes that are mirrored: 0 left-right, 1 front-back, 2 head-feet.
        axes: Vec<usize>,
    },
    /// B has A's axes in another order.
    Swap {
        /// Axis of A along each axis of B.
        order: [usize; 3],
    },
    /// B lies whole voxels beside A.
    Shift {
        /// Where B lies, voxels towards right, front, head.
        voxels: [i64; 3],
        /// The same, mm.
        mm: [f64; 3],
    },
    /// B lies less than a voxel beside A.
    PartShift {
        /// Where B lies, voxels towards right, front, head.
        voxels: [f64; 3],
        /// The same, mm.
        mm: [f64; 3],
    },
    /// B is A times a factor.
    Scale {
        /// The factor.
        factor: f64,
        /// Its standard error.
        factor_se: f64,
        /// Whether the factor explains the difference of the maps.
        uniform: bool,
        /// A unit that would explain it.
        unit: Option<String>,
    },
}

impl Finding {
    /// The finding in words.
    pub fn words(&self) -> String {
        match self {
            Self::Flip { axes } => {
                let names: Vec<&str> = axes.iter().map(|&axis| AXES[axis]).collect();
                format!("B is mirrored {} against A", names.join(" and "))
            }
            Self::Swap { order } => {
                format!("B has its axes in another order than A: {:?} of A's right, front, head", order)
            }
            Self::Shift { voxels, mm } => {
                let parts: Vec<String> = (0..3)
                    .filter(|&axis| voxels[axis] != 0)
                    .map(|axis| {
                        let count = voxels[axis].unsigned_abs();
                        format!(
                            "{count} voxel{} ({:.2} mm) towards {}",
                            if count == 1 { "" } else { "s" },
                            mm[axis].abs(),
                            TOWARDS[axis][usize::from(voxels[axis] > 0)]
                        )
                    })
                    .collect();
                format!("B is shifted by {}", parts.join(", "))
            }
            Self::PartShift { voxels, mm } => {
                let parts: Vec<String> = (0..3)
                    .filter(|&axis| voxels[axis].abs() >= 0.5 * LEAST_MOVE)
                    .map(|axis| {
                        let towards = TOWARDS[axis][usize::from(voxels[axis] > 0.0)];
                        format!("{:.2} voxels ({:.2} mm) towards {towards}", voxels[axis].abs(), mm[axis].abs())
                    })
                    .collect();
                format!("B is shifted by less than a voxel: {}", parts.join(", "))
            }
            Self::Scale { factor, factor_se, uniform, unit } => {
                let percent = 100.0 * (factor - 1.0);
                let size = if percent.abs() < 200.0 {
                    format!("{percent:+.2} % (± {:.2} %)", 100.0 * factor_se)
                } else {
                    format!("a factor of {factor:.4}")
                };
                let how = if *uniform {
                    "B is scaled against A by"
                } else {
                    "B differs from A on the whole, but not everywhere alike, by"
                };
                let unit = unit.as_ref().map_or_else(String::new, |unit| format!("; {unit}"));
                format!("{how} {size}{unit}")
            }
        }
    }
}

/// How B lies against A.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Relation {
    /// What is wrong; empty when nothing is.
    pub findings: Vec<Finding>,
    /// Share of A's dose (root mean square) that no factor explains, maps as they are.
    pub unexplained: f64,
    /// The same after the flips, swaps and moves found.
    pub unexplained_after: f64,
    /// B over A, sums over the voxels with dose, after these.
    pub factor: f64,
}

/// A way of laying B over A: axis of B's data along each axis of A, flips of B, and a move in voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    order: [usize; 3],
    flipped: [bool; 3],
    shift: [i64; 3],
}

const AS_IT_IS: Way = Way { order: [0, 1, 2], flipped: [false; 3], shift: [0; 3] };

/// The two maps and what does not change from way to way.
struct Pair<'a> {
    grid: &'a VoxelGrid,
    a: &'a [f32],
    b: &'a [f32],
    /// Whether B reaches a voxel.
    reached: &'a [bool],
    /// Voxels of A that are not 0 and that B reaches.
    any: Vec<usize>,
    norm: f64,
}

impl Pair<'_> {
    /// Position in B of voxel `at` of A; none outside and where B does not reach.
    fn there(&self, way: &Way, at: [usize; 3]) -> Option<usize> {
        let mut place = [0; 3];
        for axis in 0..3 {
            let size = self.grid.dims[axis] as i64;
            let along = at[way.order[axis]] as i64;
            let q = if way.flipped[axis] { size - 1 - along } else { along } + way.shift[axis];
            if !(0..size).contains(&q) {
                return None;
            }
            place[axis] = q as usize;
        }
        Some(self.grid.index(place[0], place[1], place[2])).filter(|&there| self.reached[there])
    }

    /// A map where B reaches, 0 elsewhere.
    fn where_reached(&self, values: &[f32]) -> Vec<f32> {
        values.iter().zip(self.reached).map(|(&value, &reached)| if reached { value } else { 0.0 }).collect()
    }

    /// Cosine of the maps.
    fn cosine(&self, way: &Way) -> f64 {
        let sum: f64 = self
            .any
            .iter()
            .filter_map(|&n| Some(f64::from(self.a[n]) * f64::from(self.b[self.there(way, self.grid.voxel(n))?])))
            .sum();
        if self.norm > 0.0 { sum / self.norm } else { 0.0 }
    }

    /// Moves to the best neighbour until none is better.
    fn climb(&self, way: Way) -> (Way, f64) {
        let mut best = (way, self.cosine(&way));
        for _ in 0..MOST_STEPS {
            let mut next = best;
            for step in 0..27_i64 {
                let mut tried = best.0;
                for (axis, move_by) in [step % 3 - 1, step / 3 % 3 - 1, step / 9 - 1].into_iter().enumerate() {
                    tried.shift[axis] += move_by;
                }
                let cosine = self.cosine(&tried);
                if cosine > next.1 + 1e-12 {
                    next = (tried, cosine);
                }
            }
            if next.0 == best.0 {
                break;
            }
            best = next;
        }
        best
    }
}

fn unexplained(cosine: f64) -> f64 {
    (1.0 - cosine * cosine).max(0.0).sqrt()
}

/// Compares B with A, both on `grid` in canonical order (right, front, head), Gy; only voxels that B has `reached` take
/// part. A factor within `tolerance_rel` of 1 is not named.
pub fn relate(grid: &VoxelGrid, a: &[f32], b: &[f32], reached: &[bool], tolerance_rel: f64) -> Relation {
    let squares = |values: &[f32]| {
        let known = values.iter().zip(reached).filter(|(_, reached)| **reached);
        known.map(|(&v, _)| f64::from(v).powi(2)).sum::<f64>()
    };
    let any = (0..a.len()).filter(|&n| a[n] != 0.0 && reached[n]).collect();
    let pair = Pair { grid, a, b, reached, any, norm: (squares(a) * squares(b)).sqrt() };
    let plain = pair.cosine(&AS_IT_IS);
    let mut best = (AS_IT_IS, plain);
    if unexplained(plain) > ALIKE {
        for order in orders(grid.dims) {
            for flips in 0..8_u8 {
                let flipped = std::array::from_fn(|axis| flips >> axis & 1 == 1);
                let found = pair.climb(Way { order, flipped, shift: [0; 3] });
                if found.1 > best.1 {
                    best = found;
                }
            }
        }
        if unexplained(best.1) >= WINS * unexplained(plain) {
            best = (AS_IT_IS, plain);
        }
    }
    let way = best.0;
    let mut findings = Vec::new();
    if way.order != [0, 1, 2] {
        findings.push(Finding::Swap { order: way.order });
    }
    let flipped: Vec<usize> = (0..3).filter(|&axis| way.flipped[axis]).collect();
    if !flipped.is_empty() {
        findings.push(Finding::Flip { axes: flipped });
    }
    if way.shift != [0; 3] {
        let mm = std::array::from_fn(|axis| way.shift[axis] as f64 * grid.spacing_mm[axis]);
        findings.push(Finding::Shift { voxels: way.shift, mm });
    }
    let mut fit = fit(&pair, &way);
    let mut left = fit.scaled_rms / fit.factor;
    if left > ALIKE
        && let Some((voxels, after, factor, plain)) = fit.part
        && voxels.iter().any(|v| v.abs() >= LEAST_MOVE)
        && after < WINS * left
    {
        let mm = std::array::from_fn(|axis| voxels[axis] * grid.spacing_mm[axis]);
        findings.push(Finding::PartShift { voxels, mm });
        // the factor of the same fit, since the sums have lost what moved over the border; interpolation lowers peaks, so
        // only a factor that explains what the move leaves is one
        fit.factor_se *= factor * after / fit.scaled_rms;
        fit.factor = if after * factor < 0.5 * plain { factor } else { 1.0 };
        (fit.plain_rms, fit.scaled_rms) = (plain, after * factor);
        left = after;
    }
    let off = (fit.factor - 1.0).abs();
    if off > tolerance_rel && off > 3.0 * fit.factor_se {
        findings.push(Finding::Scale {
            factor: fit.factor,
            factor_se: fit.factor_se,
            uniform: fit.scaled_rms < 0.5 * fit.plain_rms,
            unit: unit(fit.factor),
        });
    }
    Relation { findings, unexplained: unexplained(plain), unexplained_after: left, factor: fit.factor }
}

/// Orders of axes that fit the grid's dimensions.
fn orders(dims: [usize; 3]) -> Vec<[usize; 3]> {
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
        .into_iter()
        .filter(|order| (0..3).all(|axis| dims[order[axis]] == dims[axis]))
        .collect()
}

/// A unit that would explain a factor.
fn unit(factor: f64) -> Option<String> {
    let near = |wanted: f64| (factor / wanted - 1.0).abs() < 0.1;
    let words = if near(1000.0) {
        "B may be in mGy where A is in Gy"
    } else if near(1e-3) {
        "A may be in mGy where B is in Gy"
    } else if near(100.0) {
        "B may be in cGy where A is in Gy"
    } else if near(0.01) {
        "A may be in cGy where B is in Gy"
    } else {
        return None;
    };
    Some(words.to_owned())
}

/// The hot end of a map, Gy; 0 without dose.
fn hot_end(dose_gy: &[f32]) -> f64 {
    let mut dosed: Vec<f32> = dose_gy.iter().copied().filter(|&gy| gy > 0.0).collect();
    let Some(rank) = dosed.len().checked_sub(1 + (HOT_END * dosed.len() as f64) as usize) else { return 0.0 };
    f64::from(*dosed.select_nth_unstable_by(rank, f32::total_cmp).1)
}

/// What the voxels say about B, laid over A.
struct Fit {
    factor: f64,
    factor_se: f64,
    /// Root mean square of B - A over that of A.
    plain_rms: f64,
    /// Of B - factor A.
    scaled_rms: f64,
    /// Move in voxels, what it leaves unexplained, the factor that goes with it, and what the move leaves without it.
    part: Option<([f64; 3], f64, f64, f64)>,
}

/// Means over 5 x 5 x 5 voxels; beyond the grid there is 0.
fn average_around(dims: [usize; 3], values: &mut [f32]) {
    const REACH: usize = 2;
    for axis in 0..3 {
        let stride = [1, dims[0], dims[0] * dims[1]][axis];
        let size = dims[axis];
        let mut line = vec![0.0_f32; size];
        for start in (0..values.len()).filter(|n| (n / stride).is_multiple_of(size)) {
            for (place, value) in line.iter_mut().enumerate() {
                *value = values[start + place * stride];
            }
            for place in 0..size {
                let range = place.saturating_sub(REACH)..(place + REACH + 1).min(size);
                values[start + place * stride] = line[range].iter().sum::<f32>() / (2 * REACH + 1) as f32;
            }
        }
    }
}

/// The factor f of the sums, and the fit B = f A - t . grad A.
fn fit(pair: &Pair<'_>, way: &Way) -> Fit {
    let [hot_a, hot_b] = [pair.a, pair.b].map(|values| hot_end(&pair.where_reached(values)));
    let warm = LEAST_SHARE * hot_a;
    let (mut aa, mut sum_a, mut sum_b) = (0.0, 0.0, 0.0);
    let mut rows: Vec<([f64; 4], f64)> = Vec::new();
    // B may be in another unit: each counts against its own hot end. What is warm is chosen by the mean of both over the
    // voxels around, so that the noise of neither chooses its own hot voxels
    let unit = hot_a / hot_b.max(1e-300);
    let mut around: Vec<f32> = vec![0.0; pair.a.len()];
    for &n in &pair.any {
        if let Some(there) = pair.there(way, pair.grid.voxel(n)) {
            around[n] = 0.5 * (pair.a[n] + unit as f32 * pair.b[there]);
        }
    }
    average_around(pair.grid.dims, &mut around);
    for &n in &pair.any {
        let at = pair.grid.voxel(n);
        let Some(there) = pair.there(way, at) else { continue };
        let (a, b) = (f64::from(pair.a[n]), f64::from(pair.b[there]));
        if f64::from(around[n]) < warm {
            continue;
        }
        aa += a * a;
        sum_a += a;
        sum_b += b;
        let slope = |axis: usize| {
            let step = [1, pair.grid.dims[0], pair.grid.dims[0] * pair.grid.dims[1]][axis];
            if at[axis] == 0 || at[axis] + 1 == pair.grid.dims[axis] {
                return 0.0;
            }
            0.5 * (f64::from(pair.a[n + step]) - f64::from(pair.a[n - step]))
        };
        rows.push(([a, slope(0), slope(1), slope(2)], b));
    }
    if sum_a <= 0.0 || sum_b <= 0.0 {
        return Fit { factor: 1.0, factor_se: 0.0, plain_rms: 0.0, scaled_rms: 0.0, part: None };
    }
    let factor = sum_b / sum_a;
    type Row = ([f64; 4], f64);
    let rms = |of: &dyn Fn(&Row) -> f64| (rows.iter().map(|row| of(row).powi(2)).sum::<f64>() / aa).sqrt();
    let plain_rms = rms(&|(x, b)| b - x[0]);
    let scaled_rms = rms(&|(x, b)| b - factor * x[0]);
    let factor_se = scaled_rms * aa.sqrt() / sum_a;
    let solved = solve(&rows);
    let part = solved.filter(|c| c[0] > 0.0).map(|c| {
        let left = rms(&|(x, b)| b - (0..4).map(|k| c[k] * x[k]).sum::<f64>()) / c[0];
        let plain = rms(&|(x, b)| b - (0..4).map(|k| c[k] / c[0] * x[k]).sum::<f64>());
        ([1, 2, 3].map(|axis| -c[axis] / c[0]), left, c[0], plain)
    });
    Fit { factor, factor_se, plain_rms, scaled_rms, part }
}

/// Least squares of four columns, by the normal equations; `None` if they are singular.
fn solve(rows: &[([f64; 4], f64)]) -> Option<[f64; 4]> {
    let mut normal = nalgebra::Matrix4::zeros();
    let mut right = nalgebra::Vector4::zeros();
    for (x, b) in rows {
        let x = nalgebra::Vector4::from(*x);
        normal += x * x.transpose();
        right += x * *b;
    }
    let solution = normal.cholesky()?.solve(&right);
    solution.iter().all(|v| v.is_finite()).then(|| [solution[0], solution[1], solution[2], solution[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three warm blobs and a gradient: no symmetry.
    fn map() -> (VoxelGrid, Vec<f32>) {
        let grid = VoxelGrid::axis_aligned([24, 20, 18], [3.0, 3.0, 4.0], [0.0; 3]);
        let blobs = [([6.0, 8.0, 7.0], 3.0, 10.0), ([16.0, 12.0, 10.0], 2.0, 20.0), ([10.0, 5.0, 13.0], 4.0, 5.0)];
        let dose = (0..grid.len())
            .map(|n| {
                let at = grid.voxel(n).map(|i| i as f64);
                let blob = |(middle, width, top): &([f64; 3], f64, f64)| {
                    let d2: f64 = (0..3).map(|axis| (at[axis] - middle[axis]).powi(2)).sum();
                    top * (-d2 / (2.0 * width * width)).exp()
                };
                (0.2 + 0.01 * at[0] + blobs.iter().map(blob).sum::<f64>()) as f32
            })
            .collect();
        (grid, dose)
    }

    /// A map made of the values of another at other places.
    fn moved(grid: &VoxelGrid, dose: &[f32], from: impl Fn([i64; 3]) -> [i64; 3]) -> Vec<f32> {
        (0..grid.len())
            .map(|n| {
                let q = from(grid.voxel(n).map(|i| i as i64));
                let inside = (0..3).all(|axis| (0..grid.dims[axis] as i64).contains(&q[axis]));
                if inside { dose[grid.index(q[0] as usize, q[1] as usize, q[2] as usize)] } else { 0.0 }
            })
            .collect()
    }

    fn found(b: &[f32]) -> Vec<Finding> {
        let (grid, a) = map();
        relate(&grid, &a, b, &vec![true; a.len()], 0.005).findings
    }

    #[test]
    fn alarm_a_shift_by_one_voxel_is_named() {
        let (grid, a) = map();
        for axis in 0..3 {
            for by in [-1_i64, 1, 3] {
                let b = moved(&grid, &a, |mut q| {
                    q[axis] -= by;
                    q
                });
                let findings = found(&b);
                let mut wanted = [0; 3];
                wanted[axis] = by;
                assert!(
                    matches!(&findings[..], [Finding::Shift { voxels, .. }] if *voxels == wanted),
                    "axis {axis} by {by}: {findings:?}"
                );
            }
        }
        let b = moved(&grid, &a, |[x, y, z]| [x - 1, y, z]);
        assert_eq!(found(&b)[0].words(), "B is shifted by 1 voxel (3.00 mm) towards the patient's right");
    }

    #[test]
    fn alarm_a_flip_is_named() {
        let (grid, a) = map();
        let b = moved(&grid, &a, |[x, y, z]| [23 - x, y, z]);
        let findings = found(&b);
        assert_eq!(findings, [Finding::Flip { axes: vec![0] }]);
        assert_eq!(findings[0].words(), "B is mirrored left-right against A");
        let b = moved(&grid, &a, |[x, y, z]| [x, 19 - y, 17 - z]);
        assert_eq!(found(&b), [Finding::Flip { axes: vec![1, 2] }]);
    }

    #[test]
    fn alarm_a_scale_of_two_percent_is_named() {
        let (_, a) = map();
        let b: Vec<f32> = a.iter().map(|dose| 1.02 * dose).collect();
        let findings = found(&b);
        assert!(
            matches!(&findings[..], [Finding::Scale { factor, uniform: true, .. }] if (factor - 1.02).abs() < 1e-5),
            "{findings:?}"
        );
        assert!(findings[0].words().contains("+2.00 %"), "{}", findings[0].words());
        let b: Vec<f32> = a.iter().map(|dose| 1000.0 * dose).collect();
        assert!(found(&b)[0].words().contains("mGy"));
    }

    #[test]
    fn alarm_part_of_a_voxel_and_two_faults_at_once_are_named() {
        let (grid, a) = map();
        let half = moved(&grid, &a, |[x, y, z]| [x, y, z - 1]);
        let b: Vec<f32> = a.iter().zip(&half).map(|(&here, &there)| 0.5 * (here + there)).collect();
        let findings = found(&b);
        assert!(
            matches!(&findings[..], [Finding::PartShift { voxels, .. }, ..] if (voxels[2] - 0.5).abs() < 0.06),
            "{findings:?}"
        );
        let findings = found(&b.iter().map(|dose| 0.9 * dose).collect::<Vec<f32>>());
        assert!(
            matches!(&findings[..], [Finding::PartShift { .. }, Finding::Scale { uniform: true, .. }]),
            "{findings:?}"
        );
        let b: Vec<f32> = moved(&grid, &a, |[x, y, z]| [23 - x, y, z]).iter().map(|dose| 0.9 * dose).collect();
        let findings = found(&b);
        assert!(matches!(&findings[..], [Finding::Flip { .. }, Finding::Scale { uniform: true, .. }]), "{findings:?}");
    }

    #[test]
    fn law_equal_maps_and_noise_give_no_finding() {
        let (grid, a) = map();
        assert_eq!(found(&a), []);
        // noise of 10 % a voxel in both
        let mut state = 1_u64;
        let mut noisy = || -> Vec<f32> {
            a.iter()
                .map(|&dose| {
                    let mut sum = -6.0;
                    for _ in 0..12 {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        sum += (state >> 40) as f32 / (1 << 24) as f32;
                    }
                    dose * (1.0 + 0.10 * sum)
                })
                .collect()
        };
        // one noisy map against a clean one: the noisy map's own hot voxels must not make a factor
        let one = relate(&grid, &a, &noisy(), &vec![true; a.len()], 0.005);
        assert_eq!(one.findings, [], "{one:?}");
        let (a, b) = (noisy(), noisy());
        let relation = relate(&grid, &a, &b, &vec![true; a.len()], 0.005);
        assert_eq!(relation.findings, [], "{relation:?}");
        assert!(relation.unexplained > 0.05, "the noise is seen, and it is no fault: {relation:?}");
        assert!((relation.factor - 1.0).abs() < 0.004, "noise does not bias the factor: {relation:?}");
    }

    #[test]
    fn law_maps_without_dose_give_no_finding() {
        let (grid, a) = map();
        let relation = relate(&grid, &vec![0.0; a.len()], &a, &vec![true; a.len()], 0.005);
        assert_eq!(relation.findings, []);
    }

    /// What B does not reach says nothing: neither a shift nor a factor, whatever is cut; and what is wrong is found in what
    /// is left.
    #[test]
    fn law_what_b_does_not_reach_takes_no_part() {
        let (grid, a) = map();
        for cut in [[0, 0, 12], [0, 12, 0], [9, 0, 0], [0, 4, 6]] {
            for from_below in [false, true] {
                let reached: Vec<bool> = (0..a.len())
                    .map(|n| {
                        let at = grid.voxel(n);
                        (0..3).all(|axis| {
                            if from_below { at[axis] >= cut[axis] } else { at[axis] < grid.dims[axis] - cut[axis] }
                        })
                    })
                    .collect();
                let held = |values: Vec<f32>| -> Vec<f32> {
                    values.iter().zip(&reached).map(|(&gy, &reached)| if reached { gy } else { 0.0 }).collect()
                };
                let relation = relate(&grid, &a, &held(a.clone()), &reached, 0.005);
                assert_eq!(relation.findings, [], "{cut:?}");
                assert!((relation.factor - 1.0).abs() < 1e-6 && relation.unexplained < 1e-3, "{cut:?}: {relation:?}");
                let scaled = relate(&grid, &a, &held(a.iter().map(|gy| 1.02 * gy).collect()), &reached, 0.005);
                assert!(matches!(&scaled.findings[..], [Finding::Scale { uniform: true, .. }]), "{cut:?}: {scaled:?}");
                let counted_as_cold = relate(&grid, &a, &held(a.clone()), &vec![true; a.len()], 0.005);
                assert_ne!(counted_as_cold.findings, [], "{cut:?}: the fault is seen");
            }
        }
    }
}
