//! Elastic scattering by atoms: ELSEPA's transport cross sections and the Wentzel law that meets them.
//!
//! The first and second transport cross sections per gram are sums over ELSEPA's Dirac partial-wave
//! results per atom. One screened-Rutherford (Wentzel) law per tissue and energy is given strength
//! and screening such that BOTH sums are met exactly (for heavy elements below 2.6 keV the first alone); the true shape beyond these two moments
//! (diffraction at low energy, Mott and spin factors at large angles) is not reproduced. The total
//! cross section of the law is therefore an effective one. Free-atom fields: molecular binding is
//! neglected. Equations: docs/methods/electrons.md section 4. References: Salvat, Jablonski & Powell,
//! Comput. Phys. Commun. 165 (2005) 157; Fernandez-Varea et al., Nucl. Instrum. Meth. B 73 (1993) 447.

use crate::elementary::{exp, ln, ln_1p, powi, square};
use crate::materials::tissues::Tissue;
use crate::physics::density_effect::known_element;
use crate::units::AVOGADRO_PER_MOL;

/// Transport cross sections of a tissue on the data's energies, made ready for many energies.
#[derive(Debug, Clone, PartialEq)]
pub struct ElasticTable {
    parts: Vec<ElasticPart>,
}

#[derive(Debug, Clone, PartialEq)]
struct ElasticPart {
    atoms_per_g: f64,
    log_e: Vec<f64>,
    log_tr1: Vec<f64>,
    log_tr2: Vec<f64>,
}

impl ElasticTable {
    /// Gathers the elements of `tissue`. Panics if one has no data (see `OscillatorModel::of`).
    pub fn of(tissue: &Tissue) -> Self {
        let logs = |values: &[f64]| values.iter().map(|&value| ln(value)).collect();
        let parts = tissue
            .mass_fractions
            .iter()
            .map(|&(z, fraction)| {
                let atom = known_element(tissue, z);
                ElasticPart {
                    atoms_per_g: fraction * AVOGADRO_PER_MOL / atom.atomic_weight,
                    log_e: logs(&atom.elastic_energy_kev),
                    log_tr1: logs(&atom.elastic_tr1_cm2),
                    log_tr2: logs(&atom.elastic_tr2_cm2),
                }
            })
            .collect();
        Self { parts }
    }

    /// First and second transport cross sections, cm2/g, at `e_kev` in 0.93 keV to 4 MeV (eq. 4.1).
    ///
    /// Log-log interpolation (14 points a decade, 0.92 to 3249 keV), continued with the last slope.
    pub fn transport_cm2_g(&self, e_kev: f64) -> (f64, f64) {
        let log_e = ln(e_kev);
        self.parts.iter().fold((0.0, 0.0), |(tr1, tr2), part| {
            let nodes = &part.log_e;
            let i = nodes.partition_point(|&node| node <= log_e).clamp(1, nodes.len() - 1) - 1;
            let t = (log_e - nodes[i]) / (nodes[i + 1] - nodes[i]);
            let at = |values: &[f64]| exp(values[i] + t * (values[i + 1] - values[i]));
            (tr1 + part.atoms_per_g * at(&part.log_tr1), tr2 + part.atoms_per_g * at(&part.log_tr2))
        })
    }
}

/// First and second elastic transport cross sections of `tissue`, cm2/g (eq. 4.1).
///
/// For many energies make one `ElasticTable`. Panics if the tissue names an element without data.
pub fn transport_cm2_g(tissue: &Tissue, e_kev: f64) -> (f64, f64) {
    ElasticTable::of(tissue).transport_cm2_g(e_kev)
}

/// The Wentzel law: density A (1 + A) / (mu + A)^2 in mu = (1 - cos theta) / 2 in 0..1 (eq. 4.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wentzel {
    /// Effective total cross section, cm2/g.
    pub sigma_cm2_g: f64,
    /// Screening parameter A, dimensionless, positive.
    pub screening: f64,
}

/// No Wentzel law has the wanted pair of transport cross sections.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "transport cross sections tr1 = {tr1_cm2_g} and tr2 = {tr2_cm2_g} cm2/g: a Wentzel law needs \
     tr1 > 0 and tr2/tr1 between 1 and 3, exclusive, and within reach of screening 1e-12 to 1e6"
)]
pub struct WentzelError {
    /// First transport cross section asked for, cm2/g.
    pub tr1_cm2_g: f64,
    /// Second transport cross section asked for, cm2/g.
    pub tr2_cm2_g: f64,
}

/// The Wentzel law whose first and second transport cross sections are the given ones (eqs. 4.3, 4.4).
///
/// Any consistent unit of area; both met to about 1e-13. Errors if no screening can meet the ratio.
pub fn wentzel_matching(tr1_cm2_g: f64, tr2_cm2_g: f64) -> Result<Wentzel, WentzelError> {
    let error = WentzelError { tr1_cm2_g, tr2_cm2_g };
    let wanted = 1.0 - tr2_cm2_g / (3.0 * tr1_cm2_g); // <mu^2> / <mu>
    let ratio = |log_a: f64| {
        let a = exp(log_a);
        a * one_minus_twice_mean(a) / mean_mu(a)
    };
    let (mut low, mut high) = (ln(1e-12), ln(1e6));
    if !(tr1_cm2_g > 0.0 && ratio(low) < wanted && wanted < ratio(high)) {
        return Err(error);
    }
    // Rising in ln A. Regula falsi (Illinois) inside a bracket that bisection has narrowed.
    for _ in 0..8 {
        let middle = 0.5 * (low + high);
        if ratio(middle) < wanted { low = middle } else { high = middle }
    }
    let (mut below, mut above) = (ratio(low) - wanted, ratio(high) - wanted);
    let mut log_a = 0.5 * (low + high);
    let mut side = 0;
    for _ in 0..60 {
        log_a = (low * above - high * below) / (above - below);
        let value = ratio(log_a) - wanted;
        if value.abs() <= 4.0 * f64::EPSILON * wanted || high - low < 1e-15 * log_a.abs() {
            break;
        }
        if value > 0.0 {
            (high, above) = (log_a, value);
            if side == 1 {
                below *= 0.5;
            }
            side = 1;
        } else {
            (low, below) = (log_a, value);
            if side == -1 {
                above *= 0.5;
            }
            side = -1;
        }
    }
    let screening = exp(log_a);
    Ok(Wentzel { sigma_cm2_g: tr1_cm2_g / (2.0 * mean_mu(screening)), screening })
}

/// Screening above which a law counts as isotropic: tr2/tr1 is 1.02. A larger one would be flatter, but a kernel of f32
/// draws deflections from it in steps of 1e-7 times the screening.
const ISOTROPIC: f64 = 16.0;

/// The Wentzel law with the given first transport cross section and, where a law has it, the given second one; else the
/// nearly isotropic law, whose second is 1.02 times the first.
///
/// Of heavy elements below 2.6 keV tr2/tr1 falls below 1, to 0.83: their atoms scatter backwards more than forwards
/// (diffraction), which no law of this form does (PENELOPE adds a second term there: Salvat, Fernandez-Varea & Sempau). The
/// first moment, which alone rules how such electrons diffuse, is met exactly; the second is up to a quarter too high over
/// paths of a transport mean free path, some nanometres, at energies whose whole range is below 0.1 um of gold.
///
/// Errors if the pair is no pair of transport cross sections of scattering: `tr1` or `tr2` not above 0, tr2 above 3 tr1.
pub fn wentzel_nearest(tr1_cm2_g: f64, tr2_cm2_g: f64) -> Result<Wentzel, WentzelError> {
    let isotropic = Wentzel { sigma_cm2_g: tr1_cm2_g / (2.0 * mean_mu(ISOTROPIC)), screening: ISOTROPIC };
    let as_much_backwards = tr1_cm2_g > 0.0 && tr2_cm2_g > 0.0 && tr2_cm2_g <= isotropic.tr2_cm2_g();
    if as_much_backwards { Ok(isotropic) } else { wentzel_matching(tr1_cm2_g, tr2_cm2_g) }
}

impl Wentzel {
    /// First transport cross section, 2 sigma `<mu>`, cm2/g.
    pub fn tr1_cm2_g(&self) -> f64 {
        2.0 * self.sigma_cm2_g * mean_mu(self.screening)
    }

    /// Second transport cross section, 6 sigma (`<mu>` - `<mu^2>`), cm2/g.
    pub fn tr2_cm2_g(&self) -> f64 {
        let a = self.screening;
        6.0 * self.sigma_cm2_g * (mean_mu(a) - a * one_minus_twice_mean(a))
    }

    /// Differential cross section in mu, cm2/g; `mu` in 0..1 (eq. 4.2).
    pub fn dcs_cm2_g(&self, mu: f64) -> f64 {
        let a = self.screening;
        self.sigma_cm2_g * a * (1.0 + a) / square(mu + a)
    }

    /// Cross section of deflections above `mu_c` in 0..1, cm2/g (eq. 4.5).
    pub fn hard_cm2_g(&self, mu_c: f64) -> f64 {
        let a = self.screening;
        self.sigma_cm2_g * a * (1.0 - mu_c) / (mu_c + a)
    }

    /// The mu_c above which the cross section is `sigma_hard_cm2_g`; 0 if that exceeds the total (eq. 4.6).
    pub fn cutoff_for_hard(&self, sigma_hard_cm2_g: f64) -> f64 {
        let a = self.screening;
        let share = sigma_hard_cm2_g / self.sigma_cm2_g;
        if share >= 1.0 { 0.0 } else { a * (1.0 - share) / (a + share) }
    }

    /// First transport cross section of deflections below `mu_c` in 0..1, cm2/g (eq. 4.7).
    pub fn soft_tr1_cm2_g(&self, mu_c: f64) -> f64 {
        2.0 * self.sigma_cm2_g * self.partial_moments(mu_c).0
    }

    /// Second transport cross section of deflections below `mu_c` in 0..1, cm2/g (eq. 4.8).
    pub fn soft_tr2_cm2_g(&self, mu_c: f64) -> f64 {
        let (first, second) = self.partial_moments(mu_c);
        6.0 * self.sigma_cm2_g * (first - second)
    }

    /// The mu below which a share `u` in 0..1 of the deflections above `mu_c` lies (eq. 4.9).
    pub fn hard_mu(&self, mu_c: f64, u: f64) -> f64 {
        let a = self.screening;
        mu_c + (mu_c + a) * u * (1.0 - mu_c) / (1.0 + a - u * (1.0 - mu_c))
    }

    /// Integrals of mu and mu^2 over the density from 0 to `mu_c` (eqs. 4.7, 4.8).
    fn partial_moments(&self, mu_c: f64) -> (f64, f64) {
        let a = self.screening;
        let x = mu_c / a;
        let (first, second) = if x < 0.1 {
            // Series: sums of (-x)^n (n - 1) / n and -(-x)^n (n - 2) / n; 20 terms reach 1e-19.
            (2..22).rev().fold((0.0, 0.0), |(first, second), order: i32| {
                let (n, power) = (f64::from(order), powi(-x, order));
                (first + power * (n - 1.0) / n, second - power * (n - 2.0) / n)
            })
        } else {
            let log = ln_1p(x);
            (log - x / (1.0 + x), x - 2.0 * log + x / (1.0 + x))
        };
        (a * (1.0 + a) * first, a * a * (1.0 + a) * second)
    }
}

/// Mean of mu of the Wentzel density: A ((1 + A) ln(1 + 1/A) - 1) (eq. 4.3).
fn mean_mu(a: f64) -> f64 {
    if a > 20.0 { series(a, |n| 1.0 / ((n + 1.0) * (n + 2.0))) } else { a * ((1.0 + a) * ln_1p(1.0 / a) - 1.0) }
}

/// 1 - 2 <mu>, without the cancellation at large screening; <mu^2> = A (1 - 2 <mu>).
fn one_minus_twice_mean(a: f64) -> f64 {
    if a > 20.0 { series(a, |n| 2.0 / ((n + 2.0) * (n + 3.0))) / a } else { 1.0 - 2.0 * mean_mu(a) }
}

/// Sum over n of (-1/A)^n c(n), 16 terms (A > 20: to 1e-20).
fn series(a: f64, coefficient: impl Fn(f64) -> f64) -> f64 {
    (0..16_i32).rev().fold(0.0, |sum, n| coefficient(f64::from(n)) - sum / a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::soft_inelastic::integrate_log;
    use crate::physics::stopping_power::samples::{pmma, water};

    #[test]
    fn law_wentzel_meets_both_transport_cross_sections() {
        for tissue in [water(), pmma()] {
            for e_kev in [1.0, 3.0, 10.0, 100.0, 1000.0, 3300.0] {
                let (tr1, tr2) = transport_cm2_g(&tissue, e_kev);
                let law = wentzel_matching(tr1, tr2).unwrap();
                println!("{} {e_kev} keV: {law:?}", tissue.name);
                assert!((law.tr1_cm2_g() / tr1 - 1.0).abs() < 1e-12);
                assert!((law.tr2_cm2_g() / tr2 - 1.0).abs() < 1e-10);
            }
        }
    }

    /// Every element has a law at every energy; where both cross sections can be met it is the one that meets them, to the
    /// last bit, and so it is for every tissue that comes with Lutra.
    #[test]
    fn law_heavy_elements_have_a_law_and_others_keep_theirs() {
        let energies: Vec<f64> = (0..60).map(|n| 10.0_f64.powf(f64::from(n) * 3.5 / 59.0)).collect();
        let mut isotropic = 0;
        for z in 1..=92 {
            let tissue = Tissue::new("element", &[(z, 1.0)], 10.0 * f64::from(z), 1.0).unwrap();
            for &e_kev in &energies {
                let (tr1, tr2) = transport_cm2_g(&tissue, e_kev);
                let law = wentzel_nearest(tr1, tr2).unwrap_or_else(|error| panic!("{z} at {e_kev} keV: {error}"));
                assert!((law.tr1_cm2_g() / tr1 - 1.0).abs() < 1e-12, "{z} at {e_kev} keV");
                if law.screening == ISOTROPIC {
                    isotropic += 1;
                    assert!(z > 30 && e_kev < 2.7 && tr2 > 0.82 * tr1, "{z} at {e_kev} keV: {}", tr2 / tr1);
                    assert!((law.tr2_cm2_g() / law.tr1_cm2_g() - 1.02).abs() < 1e-3);
                } else {
                    assert_eq!(law, wentzel_matching(tr1, tr2).unwrap(), "{z} at {e_kev} keV");
                }
            }
        }
        assert!(isotropic > 50, "{isotropic}");
        let mut known = crate::materials::schneider_tissues();
        known.extend(["water", "tissue-soft-icrp", "lung", "bone", "air"].map(|name| Tissue::built_in(name).unwrap()));
        for tissue in known.iter().filter(|tissue| tissue.mass_fractions.iter().all(|(z, _)| *z < 31)) {
            for &e_kev in &energies {
                let (tr1, tr2) = transport_cm2_g(tissue, e_kev);
                assert_eq!(wentzel_nearest(tr1, tr2).unwrap(), wentzel_matching(tr1, tr2).unwrap(), "{}", tissue.name);
            }
        }
        for (tr1, tr2) in [(1.0, 3.1), (0.0, 0.0), (-1.0, 1.0), (1.0, 0.0), (f64::NAN, 1.0)] {
            assert!(wentzel_nearest(tr1, tr2).is_err(), "{tr1} {tr2}");
        }
    }

    #[test]
    fn alarm_match_rings_for_a_spoiled_screening_or_strength() {
        let (tr1, tr2) = transport_cm2_g(&water(), 100.0);
        let right = wentzel_matching(tr1, tr2).unwrap();
        let mut law = right;
        law.screening *= 1.01;
        law.sigma_cm2_g = tr1 / (2.0 * mean_mu(law.screening));
        assert!((law.tr2_cm2_g() / tr2 - 1.0).abs() > 1e-4);
        let mut law = right;
        law.sigma_cm2_g *= 1.01;
        assert!((law.tr1_cm2_g() / tr1 - 1.0).abs() > 1e-3);
    }

    #[test]
    fn law_screening_is_recovered_over_the_whole_range() {
        for power in -20..10 {
            let screening = 10.0_f64.powf(f64::from(power) / 2.0);
            let law = Wentzel { sigma_cm2_g: 3.0, screening };
            let again = wentzel_matching(law.tr1_cm2_g(), law.tr2_cm2_g()).unwrap();
            assert!((again.screening / screening - 1.0).abs() < 1e-9, "{screening} {again:?}");
        }
        assert!(wentzel_matching(1.0, 3.1).is_err());
        assert!(wentzel_matching(1.0, 0.9).is_err());
        assert!(wentzel_matching(0.0, 0.0).is_err());
    }

    #[test]
    fn law_moments_agree_with_numerical_integration() {
        for screening in [1e-6, 1e-3, 0.05, 2.0] {
            let law = Wentzel { sigma_cm2_g: 1.0, screening };
            for mu_c in [1e-9, 1e-4 * screening, 0.09 * screening, 0.11 * screening, 0.02, 1.0] {
                if mu_c > 1.0 {
                    continue;
                }
                let below = |f: &dyn Fn(f64) -> f64| {
                    integrate_log(1e-7 * mu_c.min(screening), mu_c, 40, |mu| f(mu) * law.dcs_cm2_g(mu))
                };
                let tr1 = below(&|mu| 2.0 * mu);
                let tr2 = below(&|mu| 6.0 * mu * (1.0 - mu));
                assert!((law.soft_tr1_cm2_g(mu_c) / tr1 - 1.0).abs() < 1e-9, "{screening} {mu_c}");
                assert!((law.soft_tr2_cm2_g(mu_c) / tr2 - 1.0).abs() < 1e-9, "{screening} {mu_c}");
                let hard = integrate_log(mu_c, 1.0, 40, |mu| law.dcs_cm2_g(mu));
                assert!((law.hard_cm2_g(mu_c) - hard).abs() < 1e-9 * hard.max(1e-12));
            }
            assert!((law.soft_tr1_cm2_g(1.0) / law.tr1_cm2_g() - 1.0).abs() < 1e-12);
            assert!((law.soft_tr2_cm2_g(1.0) / law.tr2_cm2_g() - 1.0).abs() < 1e-10);
        }
    }

    #[test]
    fn law_cutoff_gives_back_the_hard_cross_section() {
        let law = Wentzel { sigma_cm2_g: 5e4, screening: 2e-4 };
        for hard in [1e-3, 1.0, 100.0, 4.9e4] {
            let mu_c = law.cutoff_for_hard(hard);
            assert!((law.hard_cm2_g(mu_c) / hard - 1.0).abs() < 1e-9, "{hard}");
            for u in [0.0, 0.3, 0.999] {
                let mu = law.hard_mu(mu_c, u);
                assert!((law.hard_cm2_g(mu) / hard - (1.0 - u)).abs() < 1e-9, "{hard} {u}");
            }
        }
        assert_eq!(law.cutoff_for_hard(6e4), 0.0);
    }

    #[test]
    fn reference_transport_of_water_is_elsepas() {
        // ELSEPA per atom at 10.24 and 98.16 keV, cm2: hydrogen and oxygen, first and second.
        for (e_kev, hydrogen, oxygen) in ELSEPA {
            let (tr1, tr2) = transport_cm2_g(&water(), e_kev);
            let per_g = |fraction: f64, weight: f64| fraction * AVOGADRO_PER_MOL / weight;
            let (h, o) = (per_g(0.111894, 1.00794), per_g(0.888106, 15.9994));
            assert!((tr1 / (h * hydrogen[0] + o * oxygen[0]) - 1.0).abs() < 1e-3);
            assert!((tr2 / (h * hydrogen[1] + o * oxygen[1]) - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn alarm_transport_rings_for_one_percent() {
        let (e_kev, hydrogen, oxygen) = ELSEPA[0];
        let mut tissue = water();
        tissue.mass_fractions[1].1 *= 1.01;
        let (tr1, _) = transport_cm2_g(&tissue, e_kev);
        let right =
            0.111894 * AVOGADRO_PER_MOL / 1.00794 * hydrogen[0] + 0.888106 * AVOGADRO_PER_MOL / 15.9994 * oxygen[0];
        assert!((tr1 / right - 1.0).abs() > 5e-3);
    }

    /// Energy keV, hydrogen [tr1, tr2], oxygen [tr1, tr2], cm2 per atom.
    const ELSEPA: [(f64, [f64; 2], [f64; 2]); 2] = [
        (10.24, [2.14784e-21, 5.51088e-21], [1.06501e-19, 2.58517e-19]),
        (98.16, [3.50536e-23, 9.49255e-23], [1.87336e-21, 4.94944e-21]),
    ];
}
