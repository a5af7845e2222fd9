//! What each region holds per voxel, from an image whose voxels several regions share.
//!
//! Model: activity is uniform in each region, so that image voxel v holds on average lambda_v = sum_r f_vr m_r, with the
//! shares f_vr of `source/shares.rs` and the mean m_r in a voxel that region r fills. This is the forward model of the
//! region-based corrections of partial volume (Labbe et al. 1998; Rousset et al. 1998) with an identity point spread:
//! only the voxels themselves are undone, not the camera.
//!
//! Estimator: the means of greatest Poisson likelihood, by expectation maximisation (Shepp and Vardi, IEEE Trans. Med.
//! Imaging 1 (1982) 113, eqs. 2.12 to 2.13, with the shares in place of the detection probabilities): a voxel's decays
//! d_v are divided in proportion to f_vr m_r, and a region's mean becomes the mean of what it received,
//!
//! ```text
//! m_r <- sum_v d_v f_vr m_r / lambda_v / sum_v f_vr = m_r (1 + g_r),    g_r = dL/dm_r / sum_v f_vr
//! ```
//!
//! so that the decays of each voxel, and of all, are kept at every step. L is concave, no step lowers it, and the steps
//! converge to its maximum; on an image that the model describes exactly, L has its maximum at the true means, the only
//! ones if the regions' shares are linearly independent.
//!
//! Criterion: because sum_r m_r V_r g_r = 0, concavity bounds what is missing (Lindsay, Ann. Stat. 11 (1983) 86, theorem
//! 4.1): L_max - L <= max_r g_r sum_v d_v. The steps end when max_r g_r is at most `GAP`. Since L_max - L is about
//! half the sum of d_v (error of lambda_v)^2, a region with the share p of all decays then is within sqrt(2 GAP / p).

use super::shares::Shares;

/// Largest distance to the greatest likelihood, per decay: a region with 1e-4 of all decays is within 1.4e-4.
pub const GAP: f64 = 1e-12;
/// Steps after which the estimate is taken as it is, and said to be unfinished.
pub const STEPS: usize = 20_000;
/// Shares of a region that differ by less than this from a combination of other regions' (relative norm) cannot be told
/// from them: about the rounding of outlines to one in ten thousand voxels.
const DEPENDENT: f64 = 1e-4;
/// Weight, relative to the largest, from which a region takes part in a combination.
const TAKES_PART: f64 = 1e-2;

/// Means of the regions, and how sure they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Concentrations {
    /// Mean amount in a voxel that the region fills, by number of the region; regions that cannot be told apart have one.
    pub means: Vec<f64>,
    /// Steps taken.
    pub steps: usize,
    /// Bound of the distance to the greatest likelihood, per decay: at most [`GAP`] where the steps converged.
    pub gap: f64,
    /// Sets of regions (by number) whose shares are linearly dependent: no image tells them apart, each has one mean.
    pub together: Vec<Vec<usize>>,
    /// By how much sharing voxels multiplies the variance of each mean under equal noise in all voxels (variance
    /// inflation factor): 1 for a region that shares no voxel.
    pub inflation: Vec<f64>,
}

impl Concentrations {
    /// The means of an image with these amounts (decays, activity) in its voxels. Amounts below 0, which no Poisson
    /// mean has, count as 0.
    ///
    /// A voxel that the outlines' grid covers in part counts with that part of its amount.
    pub fn of(amounts: &[f64], shares: &Shares) -> Self {
        let regions = shares.labels().len();
        let (group_of, inflation) = independent(shares);
        let groups = group_of.iter().copied().max().map_or(0, |last| last + 1);
        let data = Data::new(amounts, shares, &group_of, groups);
        let (group_means, steps, gap) = data.maximise();
        let mut together: Vec<Vec<usize>> = vec![Vec::new(); groups];
        (0..regions).for_each(|region| together[group_of[region]].push(region));
        together.retain(|set| set.len() > 1);
        Self { means: group_of.iter().map(|&group| group_means[group]).collect(), steps, gap, together, inflation }
    }

    /// Whether the steps reached the criterion.
    pub fn converged(&self) -> bool {
        self.gap <= GAP
    }

    /// The weights, 1 together, with which the amount of a shared voxel is divided among its parts: in proportion to
    /// share times mean, and by share alone where no region of the voxel holds anything.
    pub fn weights(&self, parts: &[(u32, f64)], out: &mut Vec<f64>) {
        out.clear();
        out.extend(parts.iter().map(|&(region, share)| share * self.means[region as usize]));
        let mut total: f64 = out.iter().sum();
        if total <= 0.0 {
            out.clear();
            out.extend(parts.iter().map(|(_, share)| *share));
            total = out.iter().sum();
        }
        out.iter_mut().for_each(|weight| *weight /= total);
    }
}

/// The image as the steps need it: what groups own alone, and the shared voxels.
struct Data {
    /// Amount in the voxels that each group owns alone.
    alone: Vec<f64>,
    /// Volume of each group, voxels.
    volumes: Vec<f64>,
    /// Amounts of the shared voxels and where their parts begin.
    shared: Vec<(f64, usize)>,
    parts: Vec<(usize, f64)>,
    /// All amounts together.
    total: f64,
}

impl Data {
    fn new(amounts: &[f64], shares: &Shares, group_of: &[usize], groups: usize) -> Self {
        let (mut alone, mut volumes) = (vec![0.0; groups], vec![0.0; groups]);
        for (voxel, amount) in amounts.iter().enumerate() {
            if let Some(region) = shares.owner(voxel) {
                alone[group_of[region]] += amount.max(0.0);
                volumes[group_of[region]] += 1.0;
            }
        }
        let (mut shared, mut parts) = (Vec::new(), Vec::new());
        let mut total: f64 = alone.iter().sum();
        for (voxel, list) in shares.mixed().filter(|(_, list)| !list.is_empty()) {
            let covered: f64 = list.iter().map(|(_, share)| share).sum();
            let amount = amounts[voxel].max(0.0) * covered;
            total += amount;
            shared.push((amount, parts.len()));
            for &(region, share) in list {
                volumes[group_of[region as usize]] += share;
                parts.push((group_of[region as usize], share));
            }
        }
        Self { alone, volumes, shared, parts, total }
    }

    /// The shared voxels: amount and parts.
    fn each_shared(&self) -> impl Iterator<Item = (f64, &[(usize, f64)])> {
        let ends = self.shared.iter().skip(1).map(|next| next.1).chain([self.parts.len()]);
        self.shared.iter().zip(ends).map(|(&(amount, first), end)| (amount, &self.parts[first..end]))
    }

    /// What every group receives for these means.
    fn received(&self, means: &[f64], out: &mut [f64]) {
        out.copy_from_slice(&self.alone);
        for (amount, parts) in self.each_shared().filter(|(amount, _)| *amount > 0.0) {
            let expected: f64 = parts.iter().map(|&(group, share)| share * means[group]).sum();
            if expected > 0.0 {
                let scale = amount / expected;
                parts.iter().for_each(|&(group, share)| out[group] += scale * share * means[group]);
            }
        }
    }

    /// Means of greatest likelihood, the steps taken and the bound of what is missing, per decay.
    fn maximise(&self) -> (Vec<f64>, usize, f64) {
        // the start is the mean by volume: above 0 wherever a voxel of the group holds anything
        let mut received = self.alone.clone();
        for (amount, parts) in self.each_shared() {
            let covered: f64 = parts.iter().map(|(_, share)| share).sum();
            parts.iter().for_each(|&(group, share)| received[group] += amount * share / covered);
        }
        let mean = |(sum, volume): (&f64, &f64)| if *volume > 0.0 { sum / volume } else { 0.0 };
        let mut means: Vec<f64> = received.iter().zip(&self.volumes).map(mean).collect();
        if self.total <= 0.0 || self.shared.is_empty() {
            return (means, 0, 0.0);
        }
        let mut gap = f64::INFINITY;
        for step in 1..=STEPS {
            self.received(&means, &mut received);
            // m <- m (1 + g), so g is the step relative to the mean
            let next: Vec<f64> = received.iter().zip(&self.volumes).map(mean).collect();
            let gain = |(old, new): (&f64, &f64)| if *old > 0.0 { new / old - 1.0 } else { 0.0 };
            // after the first step the means times the volumes are all the decays, as the bound needs
            gap = if step == 1 { gap } else { means.iter().zip(&next).map(gain).fold(0.0, f64::max) };
            means = next;
            if gap <= GAP {
                return (means, step, gap);
            }
        }
        (means, STEPS, gap)
    }
}

/// The group of each region, so that the groups' shares are linearly independent, and the regions' variance inflation.
///
/// The matrix of products G_rs = sum_v f_vr f_vs is that of least squares (and, at equal weights, of the likelihood's
/// curvature). Scaled to 1 on its diagonal, its pivots are the squared norms of what is left of a region's shares after
/// those before it; one below [`DEPENDENT`] squared is a combination of them. The regions of the combination become one
/// group, until none is left. The inflation is the diagonal of the inverse.
fn independent(shares: &Shares) -> (Vec<usize>, Vec<f64>) {
    let regions = shares.labels().len();
    let mut group_of: Vec<usize> = (0..regions).collect();
    loop {
        let groups = group_of.iter().copied().max().map_or(0, |last| last + 1);
        let matrix = scaled_products(shares, &group_of, groups);
        match factor(&matrix) {
            Ok(lower) => {
                let inflation = inverse_diagonal(&lower);
                let of = |&group: &usize| inflation[group];
                return (group_of.clone(), group_of.iter().map(of).collect());
            }
            Err(combined) => {
                let first = combined[0];
                // the combination's groups become the first of them, and the numbers close up
                for group in &mut group_of {
                    let gone = combined[1..].iter().filter(|&&other| other < *group).count();
                    *group = if combined[1..].contains(group) { first } else { *group - gone };
                }
            }
        }
    }
}

/// G_rs over the norms of r and s.
fn scaled_products(shares: &Shares, group_of: &[usize], groups: usize) -> Vec<Vec<f64>> {
    let mut matrix = vec![vec![0.0; groups]; groups];
    for (region, voxels) in shares.whole_voxels().into_iter().enumerate() {
        matrix[group_of[region]][group_of[region]] += voxels as f64;
    }
    for (_, parts) in shares.mixed() {
        for &(one, a) in parts {
            for &(other, b) in parts {
                matrix[group_of[one as usize]][group_of[other as usize]] += a * b;
            }
        }
    }
    let norms: Vec<f64> = (0..groups).map(|n| matrix[n][n].sqrt()).collect();
    for (row, values) in matrix.iter_mut().enumerate() {
        values.iter_mut().enumerate().for_each(|(column, value)| *value /= norms[row] * norms[column]);
    }
    matrix
}

/// The lower Cholesky factor; or, in ascending order, a row that depends on rows before it, and these.
fn factor(matrix: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, Vec<usize>> {
    let mut lower: Vec<Vec<f64>> = Vec::with_capacity(matrix.len());
    for row in 0..matrix.len() {
        let mut values = vec![0.0; row + 1];
        for column in 0..row {
            let known: f64 = (0..column).map(|k| values[k] * lower[column][k]).sum();
            values[column] = (matrix[row][column] - known) / lower[column][column];
        }
        let left = matrix[row][row] - values[..row].iter().map(|v| v * v).sum::<f64>();
        if left < DEPENDENT * DEPENDENT {
            // weights of the combination: L^T w = values
            let mut weights = values[..row].to_vec();
            for n in (0..row).rev() {
                let known: f64 = (n + 1..row).map(|k| lower[k][n] * weights[k]).sum();
                weights[n] = (weights[n] - known) / lower[n][n];
            }
            let most = weights.iter().map(|weight| weight.abs()).fold(0.0, f64::max);
            let mut combined: Vec<usize> = (0..row).filter(|&n| weights[n].abs() >= TAKES_PART * most).collect();
            combined.push(row);
            return Err(combined);
        }
        values[row] = left.sqrt();
        lower.push(values);
    }
    Ok(lower)
}

/// Diagonal of the inverse of L L^T.
fn inverse_diagonal(lower: &[Vec<f64>]) -> Vec<f64> {
    let size = lower.len();
    let of_column = |column: usize| {
        // a column of the inverse of L; its squares, and those of the columns after it, give the diagonal
        let mut solved = vec![0.0; size];
        for row in column..size {
            let known: f64 = (column..row).map(|k| lower[row][k] * solved[k]).sum();
            solved[row] = (f64::from(row == column) - known) / lower[row][row];
        }
        solved.iter().map(|v| v * v).sum()
    };
    (0..size).map(of_column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Volume, VoxelGrid};

    /// 24 x 24 x 24 voxels of 2 mm with two balls in a body in air, and 10 x 10 x 10 image voxels of 4.8 mm over them.
    fn scene() -> (Volume<u16>, VoxelGrid) {
        let fine = VoxelGrid::axis_aligned([24; 3], [2.0; 3], [1.0; 3]);
        let label = |n: usize| {
            let at = fine.world_mm(fine.voxel(n).map(|v| v as f64));
            let within = |centre: [f64; 3], r: f64| (0..3).map(|a| (at[a] - centre[a]).powi(2)).sum::<f64>() < r * r;
            match () {
                () if within([17.0, 20.0, 24.0], 9.0) => 4,
                () if within([30.0, 27.0, 22.0], 5.0) => 9,
                () if within([24.0; 3], 20.0) => 1,
                () => 0,
            }
        };
        let data = (0..fine.len()).map(label).collect();
        (Volume { grid: fine, data }, VoxelGrid::axis_aligned([10; 3], [4.8; 3], [2.4; 3]))
    }

    /// What an image without a camera holds: the sum of shares times means.
    fn perfect(shares: &Shares, means: &[f64]) -> Vec<f64> {
        let value = |voxel: usize| {
            let mut sum = 0.0;
            shares.at(voxel).each(|region, share| sum += share * means[region]);
            sum
        };
        (0..shares.len()).map(value).collect()
    }

    fn likelihood(image: &[f64], expected: &[f64]) -> f64 {
        let term = |(d, e): (&f64, &f64)| if *d > 0.0 { d * e.ln() - e } else { -e };
        image.iter().zip(expected).map(term).sum()
    }

    const TRUE: [f64; 4] = [0.0, 2.0, 40.0, 90.0];

    #[test]
    fn law_means_of_a_perfect_image_are_exact() {
        let (labels, image) = scene();
        let shares = Shares::of(&labels, &image).unwrap();
        let amounts = perfect(&shares, &TRUE);
        let found = Concentrations::of(&amounts, &shares);
        assert!(found.converged() && found.together.is_empty(), "{found:?}");
        for (mean, truth) in found.means.iter().zip(TRUE) {
            // a region's share of all decays is above 1e-2: sqrt(2 GAP / p) is below 2e-5 of its mean
            assert!((mean - truth).abs() <= 2e-5 * truth.max(2.0), "{found:?}");
        }
        // by majority the small ball loses
        let (mut sum, mut volume) = (0.0, 0.0);
        for (voxel, amount) in amounts.iter().enumerate() {
            let mut most = (0, 0.0);
            shares.at(voxel).each(|region, share| {
                if share > most.1 {
                    most = (region, share)
                }
            });
            if most.0 == 3 {
                (sum, volume) = (sum + amount, volume + 1.0);
            }
        }
        assert!(sum / volume < 0.9 * TRUE[3], "{}", sum / volume);
    }

    /// Outlines moved by one voxel of their grid no longer describe the image, and the same limit says so.
    #[test]
    fn alarm_moved_outlines_lose_exactness() {
        let (labels, image) = scene();
        let amounts = perfect(&Shares::of(&labels, &image).unwrap(), &TRUE);
        let mut moved = labels.clone();
        moved.data.rotate_right(1);
        let found = Concentrations::of(&amounts, &Shares::of(&moved, &image).unwrap());
        assert!((found.means[3] - TRUE[3]).abs() > 100.0 * 2e-5 * TRUE[3], "{found:?}");
        // and so does a share that is wrong in every shared voxel
        let mut wrong = Shares::of(&labels, &image).unwrap();
        wrong.halve_first_shares();
        let found = Concentrations::of(&amounts, &wrong);
        assert!((found.means[3] - TRUE[3]).abs() > 100.0 * 2e-5 * TRUE[3], "{found:?}");
    }

    #[test]
    fn law_every_step_raises_the_likelihood_and_keeps_the_sum() {
        let (labels, image) = scene();
        let shares = Shares::of(&labels, &image).unwrap();
        // an image that the model does not describe: the true one with a pattern of +-30 %
        let mut amounts = perfect(&shares, &[0.5, 2.0, 40.0, 90.0]);
        amounts.iter_mut().enumerate().for_each(|(n, a)| *a *= if n * n % 3 == 0 { 1.3 } else { 0.7 });
        let all: Vec<usize> = (0..4).collect();
        let data = Data::new(&amounts, &shares, &all, 4);
        let mut means = vec![1.0; 4];
        let (mut before, mut received) = (f64::NEG_INFINITY, vec![0.0; 4]);
        for _ in 0..50 {
            data.received(&means, &mut received);
            means = received.iter().zip(&data.volumes).map(|(sum, volume)| sum / volume).collect();
            let total: f64 = means.iter().zip(&data.volumes).map(|(m, v)| m * v).sum();
            assert!((total / amounts.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let now = likelihood(&amounts, &perfect(&shares, &means));
            assert!(now >= before - 1e-12 * now.abs(), "{now} after {before}");
            before = now;
        }
        // and no neighbour of the estimate is likelier by more than the bound
        let found = Concentrations::of(&amounts, &shares);
        let best = likelihood(&amounts, &perfect(&shares, &found.means));
        let allowed = GAP * data.total + 1e-13 * best.abs();
        for region in 0..4 {
            for factor in [0.9, 0.99, 0.999, 1.001, 1.01, 1.1] {
                let mut other = found.means.clone();
                other[region] *= factor;
                assert!(likelihood(&amounts, &perfect(&shares, &other)) <= best + allowed, "{region} {factor}");
            }
        }
    }

    #[test]
    fn law_every_voxel_keeps_its_decays() {
        let (labels, image) = scene();
        let shares = Shares::of(&labels, &image).unwrap();
        let amounts = perfect(&shares, &TRUE);
        let found = Concentrations::of(&amounts, &shares);
        let mut weights = Vec::new();
        for (voxel, parts) in shares.mixed() {
            found.weights(parts, &mut weights);
            let sum: f64 = weights.iter().map(|weight| weight * amounts[voxel]).sum();
            assert!((sum - amounts[voxel]).abs() <= 1e-14 * amounts[voxel], "{voxel}");
        }
    }

    #[test]
    fn law_regions_that_always_share_have_one_mean() {
        // two regions halve every voxel that they share with nobody else, a third has its own
        let fine = VoxelGrid::axis_aligned([4, 2, 2], [1.0; 3], [0.5; 3]);
        let image = VoxelGrid::axis_aligned([2, 1, 1], [2.0; 3], [1.0; 3]);
        let data = (0..16).map(|n| if n % 4 > 1 { 5 } else { 1 + n as u16 % 2 }).collect();
        let shares = Shares::of(&Volume { grid: fine, data }, &image).unwrap();
        let found = Concentrations::of(&[6.0, 8.0], &shares);
        assert_eq!(found.together, [[0, 1]]);
        assert_eq!(found.means, [6.0, 6.0, 8.0]);
        // a region that fills no voxel but shares in different proportions is told apart, and its noise is inflated
        let data = (0..16).map(|n| if n % 4 == 0 || n == 2 { 5 } else { 1 }).collect();
        let fine = VoxelGrid::axis_aligned([4, 2, 2], [1.0; 3], [0.5; 3]);
        let shares = Shares::of(&Volume { grid: fine, data }, &image).unwrap();
        let found = Concentrations::of(&perfect(&shares, &[3.0, 7.0]), &shares);
        assert!(found.together.is_empty() && shares.whole_voxels() == [0, 0], "{found:?}");
        assert!((found.means[0] - 3.0).abs() < 1e-4 && (found.means[1] - 7.0).abs() < 1e-4, "{found:?}");
        assert!(found.inflation.iter().all(|inflation| *inflation > 1.1), "{found:?}");
    }
}
