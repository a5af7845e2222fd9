//! How much red marrow a region of spongiosa holds.
//!
//!   m = rho V (1 - b) c                                        [methods/marrow.md eq. 1]
//!
//! V volume of the spongiosa, b the trabecular bone's share of it, c the cellularity: the red share of the marrow's volume.

use super::stated::Stated;

/// Mass density of red marrow, g/cm3: `redmarrow-skeletal-icru44` of `assets/materials/tissues.csv` (ICRU Report 44).
pub const RED_MARROW_G_CM3: f64 = 1.03;

/// What spongiosa is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    /// Share of its volume that is trabecular bone, above 0 and below 1.
    pub trabecular_bone: Stated,
    /// Share of the marrow's volume that is red, above 0 and at most 1.
    pub cellularity: Stated,
}

impl Composition {
    /// Mass of red marrow in a volume of spongiosa, mL: g (eq. 1).
    pub fn red_marrow_g(&self, volume_ml: f64) -> f64 {
        RED_MARROW_G_CM3 * volume_ml * (1.0 - self.trabecular_bone.value) * self.cellularity.value
    }

    /// |d ln m / d ln b| u(b) and d ln m / d ln c u(c): what either stated number leaves uncertain of the mass, relative.
    pub fn mass_rel_sigmas(&self) -> [f64; 2] {
        [self.trabecular_bone.sigma() / (1.0 - self.trabecular_bone.value), self.cellularity.rel_sigma]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composition(bone: f64, cellularity: f64) -> Composition {
        let stated = |value| Stated { value, rel_sigma: 0.1, source: "test".to_owned() };
        Composition { trabecular_bone: stated(bone), cellularity: stated(cellularity) }
    }

    /// Bone, red and yellow marrow fill the spongiosa: 100 mL of a fifth bone with 70 % red marrow hold 56 mL of it.
    #[test]
    fn law_the_shares_fill_the_spongiosa() {
        let own = composition(0.2, 0.7);
        assert!((own.red_marrow_g(100.0) - 1.03 * 56.0).abs() < 1e-12);
        let yellow = composition(0.2, 0.3).red_marrow_g(100.0);
        assert!((own.red_marrow_g(100.0) + yellow + 1.03 * 20.0 - 103.0).abs() < 1e-12);
        // alarm: shares taken as of the whole spongiosa are seen
        assert!((own.red_marrow_g(100.0) - 1.03 * 100.0 * (0.7 - 0.2)).abs() > 1.0);
    }

    /// Sensitivities are those of differences.
    #[test]
    fn law_the_mass_moves_with_its_shares() {
        let own = composition(0.2, 0.7);
        let [by_bone, by_cells] = own.mass_rel_sigmas();
        let moved = |bone: f64, cells: f64| (composition(bone, cells).red_marrow_g(1.0) / own.red_marrow_g(1.0)).ln();
        let step = 1e-4;
        assert!((moved(0.2 * (1.0 - step), 0.7) / step * 0.1 - by_bone).abs() < 1e-5);
        assert!((moved(0.2, 0.7 * (1.0 + step)) / step * 0.1 - by_cells).abs() < 1e-5);
        // alarm: of bone taken as of cells
        assert!((by_bone - by_cells).abs() > 0.05);
    }
}
