//! The lowest energy that a condensed step can end with, and the largest knock-on cross section on the way there.
//!
//! The kernel draws the distance to a knock-on with a rate that no energy of the step exceeds and keeps the collision with the
//! share that the rate at the energy reached has of it, so that knock-ons follow the cross section of the slowing electron
//! exactly, whatever the step (null collisions: PENELOPE-2018, OECD/NEA (2019), section 4.3; EGSnrc's fictitious cross
//! section, NRCC Report PIRS-701 (2021), section 2.4). Shapes of the soft loss: `kernel/straggling.rs`. See
//! docs/methods/transport.md, section 3.

/// What a step at each node of the energy grid is made of; all lists as long as the grid.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    /// Energies of the nodes, keV, ascending.
    pub energy_kev: &'a [f64],
    /// Longest step, g/cm2.
    pub longest_g_cm2: &'a [f64],
    /// Mean soft loss per path, keV cm2/g.
    pub stopping_kev_cm2_g: &'a [f64],
    /// Variance of the soft loss per path, keV2 cm2/g.
    pub variance_kev2_cm2_g: &'a [f64],
    /// Cross section for knock-on electrons, cm2/g.
    pub knock_on_cm2_g: &'a [f64],
}

/// The largest loss that the three shapes of the soft loss can give, keV, for a mean, keV, and a variance per mean, keV.
///
/// It grows with both, so that those of the longest step and of the least favourable energy bound every other.
fn largest_loss_kev(mean_kev: f64, spread_kev: f64) -> f64 {
    // few losses: uniform up to 3/2 of the mean and the spread; else a mean and as much again, or the end of the bell
    let few = 1.5 * (spread_kev + mean_kev.min(3.0 * spread_kev));
    let many = mean_kev + mean_kev.min((12.0 * spread_kev * mean_kev).sqrt());
    few.max(many)
}

impl Steps<'_> {
    /// The lowest energy, keV, with which a step that starts between the nodes `i` and `i + 1` can end; never above the
    /// lower of them.
    pub fn lowest_end_kev(&self, i: usize) -> f64 {
        let nodes = i..(i + 2).min(self.energy_kev.len());
        let most = |values: &[f64], from: usize| values[from..nodes.end].iter().copied().fold(0.0, f64::max);
        let longest = most(self.longest_g_cm2, i);
        // the loss is that of an energy between the start and the middle of the step, which lies at most this much lower
        let first_kev = longest * most(self.stopping_kev_cm2_g, i);
        let middle = self.node_below(self.energy_kev[i] - 0.5 * first_kev);
        let least = self.stopping_kev_cm2_g[middle..nodes.end].iter().copied().fold(f64::INFINITY, f64::min);
        let mean_kev = longest * most(self.stopping_kev_cm2_g, middle);
        let spread_kev = most(self.variance_kev2_cm2_g, middle) / least;
        self.energy_kev[i] - largest_loss_kev(mean_kev, spread_kev)
    }

    /// A bound of the knock-on cross section by node, cm2/g: interpolated at the energy of a step's start it is not below the
    /// interpolated cross section at any energy that the step may end with.
    pub fn knock_on_bound_cm2_g(&self) -> Vec<f64> {
        let count = self.energy_kev.len();
        let bins: Vec<f64> = (0..count)
            .map(|i| {
                let lowest = self.node_below(self.lowest_end_kev(i));
                self.knock_on_cm2_g[lowest..(i + 2).min(count)].iter().copied().fold(0.0, f64::max)
            })
            .collect();
        (0..count).map(|i| if i == 0 { bins[0] } else { bins[i].max(bins[i - 1]) }).collect()
    }

    /// The last node at or below an energy, keV, or the first.
    fn node_below(&self, energy_kev: f64) -> usize {
        self.energy_kev.partition_point(|&node| node <= energy_kev).max(1) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::single::rng::rng_for;
    use crate::kernel::single::straggling::soft_loss;

    /// Losses drawn by the kernel, in every shape and for shorter steps too, stay below the bound.
    #[test]
    fn law_no_loss_exceeds_the_largest() {
        let mut rng = rng_for(3, 0, 177, 0);
        let mut nearest = 0.0_f64;
        for spread_kev in [0.01, 0.3, 2.0] {
            for mean_over_spread in [0.01, 0.5, 2.0, 2.99, 3.01, 6.0, 11.9, 12.1, 40.0, 1000.0] {
                let mean_kev = mean_over_spread * spread_kev;
                let bound = largest_loss_kev(mean_kev, spread_kev);
                for part in [0.1, 0.5, 0.9, 1.0] {
                    let mean = (part * mean_kev) as f32;
                    for _ in 0..2_000 {
                        let loss = f64::from(soft_loss(&mut rng, mean, mean * spread_kev as f32));
                        assert!(loss <= bound * (1.0 + 1e-5), "{loss} above {bound}: {mean_kev} {spread_kev} {part}");
                        nearest = nearest.max(loss / bound);
                    }
                }
            }
        }
        // the bound is one: losses come near it
        assert!(nearest > 0.95, "{nearest}");
    }
}
