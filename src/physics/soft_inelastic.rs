//! Deflection by inelastic collisions on the oscillators of the medium (generalised oscillator strength).
//!
//! PENELOPE's model of the generalised oscillator strength: each oscillator of `density_effect` takes
//! distant collisions (fixed loss W, longitudinal with recoil energies Q from Q_min to W, and
//! transverse without deflection) and close ones (Moller, loss above W). Soft collisions are the distant ones
//! and the close ones with losses below the cut; those above belong to `moller`. Inelastic collisions
//! carry about 1/Z of the elastic deflection, 13.5 % (1 keV) to 15.7 % (500 keV) in water. Only the first two transport cross
//! sections are given: the shape of small deflections does not matter over a step. The recoil
//! spread of the Bethe ridge (electrons of the medium at rest in close collisions) is neglected. Equations: docs/methods/electrons.md
//! section 5. Reference: Salvat, PENELOPE-2018, OECD/NEA (2019) section 3.2.

use crate::elementary::{ln, ln_1p, powi};
use crate::materials::tissues::Tissue;
use crate::physics::density_effect::{Oscillator, OscillatorModel, beta_squared, checked_model};
use crate::physics::moller::{self, COLLISION_CM2_KEV, dcs_cm2_kev};
use crate::quadrature::log_pair;
use crate::units::ELECTRON_REST_KEV;

/// Integrals over the soft inelastic collisions of one electron energy, per gram.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SoftInelastic {
    /// Cross section, cm2/g.
    pub cross_section_cm2_g: f64,
    /// Mean energy loss per areal density, keV cm2/g (of the model; transport uses `stopping_power`).
    pub stopping_kev_cm2_g: f64,
    /// Mean square of the loss per areal density, keV^2 cm2/g.
    pub straggling_kev2_cm2_g: f64,
    /// First transport cross section, integral of 1 - cos theta, cm2/g.
    pub tr1_cm2_g: f64,
    /// Second transport cross section, integral of (3/2)(1 - cos^2 theta), cm2/g.
    pub tr2_cm2_g: f64,
}

/// First and second transport cross sections of inelastic collisions with losses below `cut_kev`,
/// cm2/g (eqs. 5.5 to 5.8).
///
/// `e_kev` >= 1, `cut_kev` > 0 (infinity: all collisions). For many energies make one
/// `OscillatorModel` and call `soft_inelastic_of`. Panics where `OscillatorModel::of` errs.
pub fn soft_transport_cm2_g(tissue: &Tissue, e_kev: f64, cut_kev: f64) -> (f64, f64) {
    let soft = soft_inelastic_of(&checked_model(tissue), e_kev, cut_kev);
    (soft.tr1_cm2_g, soft.tr2_cm2_g)
}

/// All integrals of the soft inelastic collisions, on a model solved before.
///
/// Arguments as `soft_transport_cm2_g`. Shells whose resonance energy exceeds the cut keep their
/// distant collisions here; their close ones are the hard collisions of `moller`. Shells above the
/// electron's energy do not take part.
pub fn soft_inelastic_of(model: &OscillatorModel, e_kev: f64, cut_kev: f64) -> SoftInelastic {
    let scale = model.electrons_per_g() * COLLISION_CM2_KEV / beta_squared(e_kev);
    let transverse = transverse_number(model, e_kev);
    let mut sum = SoftInelastic::default();
    for shell in model.oscillators() {
        let w_kev = shell.resonance_kev;
        if w_kev >= e_kev {
            continue;
        }
        let distant = distant_longitudinal(shell, e_kev);
        let number = distant.number + transverse;
        let per_loss = scale * shell.strength / w_kev;
        sum.cross_section_cm2_g += per_loss * number;
        sum.stopping_kev_cm2_g += per_loss * w_kev * number;
        sum.straggling_kev2_cm2_g += per_loss * w_kev * w_kev * number;
        sum.tr1_cm2_g += per_loss * 2.0 * distant.mu;
        sum.tr2_cm2_g += per_loss * 6.0 * (distant.mu - distant.mu_sq);

        let electrons_per_g = model.electrons_per_g() * shell.strength;
        let close = moller::moments(e_kev, w_kev, cut_kev);
        sum.cross_section_cm2_g += electrons_per_g * close.cross_section_cm2;
        sum.stopping_kev_cm2_g += electrons_per_g * close.stopping_cm2_kev;
        sum.straggling_kev2_cm2_g += electrons_per_g * close.straggling_cm2_kev2;
        let (tr1, tr2) = close_transport_cm2(e_kev, w_kev, cut_kev);
        sum.tr1_cm2_g += electrons_per_g * tr1;
        sum.tr2_cm2_g += electrons_per_g * tr2;
    }
    sum
}

/// First and second transport cross sections of hard collisions (losses above `cut_kev`), cm2/g.
///
/// Free electrons, as the transport plays them explicitly; for checks and step limits.
/// Panics if the tissue names an element without data.
pub fn hard_transport_cm2_g(tissue: &Tissue, e_kev: f64, cut_kev: f64) -> (f64, f64) {
    let electrons = crate::physics::density_effect::electrons_per_g(tissue);
    let (tr1, tr2) = close_transport_cm2(e_kev, cut_kev, f64::INFINITY);
    (electrons * tr1, electrons * tr2)
}

/// Transverse number ln(1 / (1 - beta^2)) - beta^2 - delta, not below 0 (eq. 5.3).
fn transverse_number(model: &OscillatorModel, e_kev: f64) -> f64 {
    let beta_sq = beta_squared(e_kev);
    (-ln_1p(-beta_sq) - beta_sq - model.delta(e_kev)).max(0.0)
}

/// Integrals over the recoil energy of distant longitudinal collisions.
struct Distant {
    /// Of 2 m dQ / (Q (Q + 2 m)).
    number: f64,
    /// The same times mu = (1 - cos theta) / 2.
    mu: f64,
    /// The same times mu^2.
    mu_sq: f64,
}

/// Distant longitudinal collisions with one oscillator, closed forms (eqs. 5.2, 5.5, 5.6).
///
/// Momenta times c in keV; s = (c q)^2 = Q (Q + 2 m); mu = (s - s_min) / (4 p p').
fn distant_longitudinal(shell: &Oscillator, e_kev: f64) -> Distant {
    let m = ELECTRON_REST_KEV;
    let w = shell.resonance_kev;
    let before = (e_kev * (e_kev + 2.0 * m)).sqrt();
    let after = ((e_kev - w) * (e_kev - w + 2.0 * m)).sqrt();
    let difference = w * (2.0 * e_kev - w + 2.0 * m) / (before + after);
    let s_min = difference * difference;
    let q_min = s_min / ((s_min + m * m).sqrt() + m);
    if q_min >= w {
        return Distant { number: 0.0, mu: 0.0, mu_sq: 0.0 };
    }
    let product = 4.0 * before * after;
    let number = ln(w / q_min * (q_min + 2.0 * m) / (w + 2.0 * m));
    let span = 2.0 * m * (w - q_min);
    let span_s = 2.0 * m * ((powi(w, 3) - powi(q_min, 3)) / 3.0 + m * (w * w - q_min * q_min));
    Distant {
        number,
        mu: (span - s_min * number) / product,
        mu_sq: (span_s - 2.0 * s_min * span + s_min * s_min * number) / (product * product),
    }
}

/// Transport cross sections of Moller collisions with losses in [`low_kev`, `high_kev`], per electron,
/// cm2 (eqs. 5.7, 5.8); `high_kev` is taken as e/2 at most.
fn close_transport_cm2(e_kev: f64, low_kev: f64, high_kev: f64) -> (f64, f64) {
    let high_kev = high_kev.min(0.5 * e_kev);
    if low_kev >= high_kev {
        return (0.0, 0.0);
    }
    let rest = 2.0 * ELECTRON_REST_KEV;
    let panels = 1 + (ln(high_kev / low_kev) / 2.0) as u32; // a factor e^2 each: error below 1e-7
    log_pair(low_kev, high_kev, panels, |w_kev| {
        let sin_sq = rest * w_kev / (e_kev * (e_kev - w_kev + rest));
        let cos = (1.0 - sin_sq).max(0.0).sqrt();
        let dcs = dcs_cm2_kev(e_kev, w_kev);
        (dcs * sin_sq / (1.0 + cos), dcs * 1.5 * sin_sq)
    })
}

/// Integral of a function over `low`..`high` (0 < low < high), for checks of closed forms.
#[cfg(test)]
pub(crate) fn integrate_log(low: f64, high: f64, panels: u32, f: impl Fn(f64) -> f64) -> f64 {
    log_pair(low, high, panels, |x| (f(x), 0.0)).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::elastic;
    use crate::physics::stopping_power::collision_of;
    use crate::physics::stopping_power::samples::{pmma, water};

    #[test]
    fn law_distant_closed_forms_agree_with_numerical_integration() {
        let model = checked_model(&water());
        let m = ELECTRON_REST_KEV;
        for e_kev in [2.0, 20.0, 200.0, 2000.0] {
            for shell in model.oscillators() {
                let w = shell.resonance_kev;
                let closed = distant_longitudinal(shell, e_kev);
                let p = (e_kev * (e_kev + 2.0 * m)).sqrt();
                let p_after = ((e_kev - w) * (e_kev - w + 2.0 * m)).sqrt();
                let s_min = (w * (2.0 * e_kev - w + 2.0 * m) / (p + p_after)).powi(2);
                let q_min = s_min / ((s_min + m * m).sqrt() + m);
                let weighted = |n: i32| {
                    integrate_log(q_min, w, 60, |q| {
                        let s = q * (q + 2.0 * m);
                        2.0 * m / s * ((s - s_min) / (4.0 * p * p_after)).max(0.0).powi(n)
                    })
                };
                assert!((closed.number / weighted(0) - 1.0).abs() < 1e-8);
                assert!((closed.mu / weighted(1) - 1.0).abs() < 1e-8);
                assert!((closed.mu_sq / weighted(2) - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn law_oscillators_reproduce_the_stopping_power() {
        for tissue in [water(), pmma()] {
            let model = checked_model(&tissue);
            // as stated in the methods: what Bethe's formula drops falls as the binding over the energy
            for (e_kev, tolerance) in [(10.0, 1.5e-3), (30.0, 5e-4), (300.0, 1e-4), (3000.0, 1e-4)] {
                let whole = soft_inelastic_of(&model, e_kev, f64::INFINITY).stopping_kev_cm2_g;
                let ratio = whole / collision_of(&model, e_kev);
                println!("{} {e_kev} keV: oscillator sum / Bethe {ratio:.5}", tissue.name);
                assert!((ratio - 1.0).abs() < tolerance, "{e_kev} {ratio}");
            }
        }
    }

    #[test]
    fn law_soft_and_hard_make_the_whole() {
        let model = checked_model(&water());
        for e_kev in [30.0, 100.0, 1000.0] {
            for cut_kev in [2.0, 10.0] {
                let soft = soft_inelastic_of(&model, e_kev, cut_kev);
                let hard = hard_transport_cm2_g(&water(), e_kev, cut_kev);
                let whole = soft_inelastic_of(&model, e_kev, f64::INFINITY);
                assert!(((soft.tr1_cm2_g + hard.0) / whole.tr1_cm2_g - 1.0).abs() < 1e-7);
                assert!(((soft.tr2_cm2_g + hard.1) / whole.tr2_cm2_g - 1.0).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn law_inelastic_deflection_is_a_seventh_of_the_elastic_in_water() {
        let model = checked_model(&water());
        let mut shares = Vec::new();
        for e_kev in [1.0, 10.0, 100.0, 500.0, 3000.0] {
            let (tr1, tr2) = elastic::transport_cm2_g(&water(), e_kev);
            let whole = soft_inelastic_of(&model, e_kev, f64::INFINITY);
            let soft = soft_inelastic_of(&model, e_kev, 10.0);
            let share = whole.tr1_cm2_g / tr1;
            println!(
                "{e_kev} keV: inelastic/elastic tr1 {share:.4} tr2 {:.4}; soft (10 keV) tr1 {:.4}",
                whole.tr2_cm2_g / tr2,
                soft.tr1_cm2_g / tr1
            );
            shares.push(share);
        }
        // as the methods state them, to their last digit; one electron for every nuclear charge: about 1/6.6
        for (share, stated) in shares.iter().zip([0.135, 0.142, 0.150, 0.157, 0.156]) {
            assert!((share - stated).abs() <= 5.1e-4, "{shares:?}");
        }
    }

    #[test]
    fn alarm_sum_of_soft_and_hard_rings_for_a_shifted_cut() {
        let whole = soft_inelastic_of(&checked_model(&water()), 100.0, f64::INFINITY).tr1_cm2_g;
        let soft = soft_inelastic_of(&checked_model(&water()), 100.0, 10.0).tr1_cm2_g;
        let hard = hard_transport_cm2_g(&water(), 100.0, 10.1).0;
        assert!(((soft + hard) / whole - 1.0).abs() > 1e-4);
    }

    /// The close part by its eight points a panel is the one by many: the closed cost is right and not only small.
    #[test]
    fn law_close_transport_is_converged() {
        for e_kev in [1.0, 30.0, 300.0, 3000.0] {
            for low in [1e-5, 1e-3, 0.1, 0.45] {
                let closed = close_transport_cm2(e_kev, low * e_kev, f64::INFINITY);
                let fine = close_with(100, e_kev, low * e_kev);
                assert!(apart(closed, fine) < 1e-7, "{e_kev} {low}: {closed:?} {fine:?}");
            }
        }
    }

    /// The transport cross sections of close collisions up to half the energy, with a number of panels.
    fn close_with(panels: u32, e_kev: f64, low_kev: f64) -> (f64, f64) {
        let rest = 2.0 * ELECTRON_REST_KEV;
        log_pair(low_kev, 0.5 * e_kev, panels, |w_kev| {
            let cos = moller::primary_cos(e_kev, w_kev);
            let sin_sq = rest * w_kev / (e_kev * (e_kev - w_kev + rest));
            (dcs_cm2_kev(e_kev, w_kev) * (1.0 - cos), dcs_cm2_kev(e_kev, w_kev) * 1.5 * sin_sq)
        })
    }

    fn apart(a: (f64, f64), b: (f64, f64)) -> f64 {
        f64::max((a.0 / b.0 - 1.0).abs(), (a.1 / b.1 - 1.0).abs())
    }

    #[test]
    fn alarm_close_transport_rings_for_too_few_panels() {
        let closed = close_transport_cm2(3000.0, 0.03, f64::INFINITY);
        assert!(apart(closed, close_with(1, 3000.0, 0.03)) > 1e-7);
    }

    #[test]
    fn alarm_oscillator_sum_rings_for_a_wrong_mean_excitation_energy() {
        let mut tissue = water();
        tissue.mean_excitation_ev *= 1.01;
        let whole = soft_inelastic_of(&checked_model(&tissue), 300.0, f64::INFINITY);
        let ratio = whole.stopping_kev_cm2_g / collision_of(&checked_model(&water()), 300.0);
        assert!((ratio - 1.0).abs() > 1e-4, "{ratio}");
    }
}
