//! Why a shortcut deviates, as terms that add up to the deviation.
//!
//! A chain of better and better shortcuts leads from the shortcut to the transport. Each step removes one simplification, and the
//! change in dose is the effect of that one. The last step ends at the transport, so the effects add up to the deviation. What
//! the steps cannot separate keeps one common name (interfaces, outline of the body, statistics).
//! [methods/svalues.md, section 5]

use super::voxel_kernel::VoxelKernel;
use serde::Serialize;

/// Effects below this share of the transport's dose go unmentioned.
const LEAST_REL: f64 = 0.005;

/// One cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Term {
    /// What it is.
    pub what: String,
    /// What it does to the shortcut, share of the transport's dose: positive makes it too high.
    pub effect_rel: f64,
}

impl Term {
    /// A cause and its effect.
    pub fn new(what: impl Into<String>, effect_rel: f64) -> Self {
        Self { what: what.into(), effect_rel }
    }
}

/// One line of the causes that matter: those of 0.5 % or more and at least a fifth of the largest, largest first.
/// `error_rel` is the standard error of the transport, named where it is as large as what is left to explain.
pub fn sentence(terms: &[Term], error_rel: f64) -> String {
    let top = terms.iter().map(|t| t.effect_rel.abs()).fold(0.0, f64::max);
    let least = LEAST_REL.max(0.2 * top);
    let mut told: Vec<&Term> = terms.iter().filter(|t| t.effect_rel.abs() >= least).collect();
    told.sort_by(|a, b| b.effect_rel.abs().total_cmp(&a.effect_rel.abs()));
    if told.is_empty() {
        return "nothing above 0.5 %".to_owned();
    }
    let mut text: Vec<String> = told.iter().map(|t| format!("{} ({:+.1} %)", t.what, 100.0 * t.effect_rel)).collect();
    if 2.0 * error_rel > LEAST_REL {
        text.push(format!("transport known to {:.1} %", 100.0 * error_rel));
    }
    text.join("; ")
}

/// A kernel of the user's beside Lutra's own of the same voxel, medium and density.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelReport {
    /// Name of the kernel.
    pub kernel: String,
    /// Medium, and the density taken for it, g/cm3.
    pub medium: String,
    /// Density, g/cm3.
    pub density_g_cm3: f64,
    /// Voxel edges, mm.
    pub voxel_mm: [f64; 3],
    /// Largest offsets, voxels.
    pub half: [usize; 3],
    /// Energy it holds, keV per decay.
    pub holds_kev: f64,
    /// Energy that Lutra's kernel holds within the same extent, keV per decay.
    pub expected_kev: f64,
    /// Its energy without the photons that Lutra's holds there: what it gives to electrons, keV per decay.
    pub electrons_kev: f64,
    /// Energy of electrons that Lutra's holds there, keV per decay.
    pub expected_electrons_kev: f64,
    /// Density at which it would hold the expected energy, g/cm3.
    pub closing_density_g_cm3: f64,
    /// Source voxel over Lutra's.
    pub source_ratio: f64,
    /// Face neighbours over Lutra's, along the three axes.
    pub neighbour_ratio: [f64; 3],
    /// Energy beyond its extent in an endless medium, keV per decay.
    pub beyond_kev: f64,
    /// The findings in words.
    pub findings: Vec<String>,
}

/// Compares `user` with `own`, which has the same voxel, medium and density and at least its extent.
/// `conversion_kev` is the nuclide's energy of conversion and Auger electrons per decay.
pub fn kernel_report(user: &VoxelKernel, own: &VoxelKernel, conversion_kev: f64) -> KernelReport {
    let holds_kev: f64 = user.energy_within_kev(user.half).iter().sum();
    let [own_electron, own_photon] = own.energy_within_kev(user.half);
    let expected_kev = own_electron + own_photon;
    let ratio = |offset: [usize; 3]| {
        let theirs = own.energy_kev(offset);
        if theirs > 0.0 { user.energy_kev(offset) / theirs } else { f64::NAN }
    };
    let neighbour_ratio = [[1, 0, 0], [0, 1, 0], [0, 0, 1]].map(ratio);
    let inside_own: f64 = own.energy_within_kev(own.half).iter().sum();
    let mut report = KernelReport {
        kernel: user.name.clone(),
        medium: user.medium.clone(),
        density_g_cm3: user.density_g_cm3,
        voxel_mm: user.spacing_mm,
        half: user.half,
        holds_kev,
        expected_kev,
        electrons_kev: holds_kev - own_photon,
        expected_electrons_kev: own_electron,
        closing_density_g_cm3: user.density_g_cm3 * expected_kev / holds_kev,
        source_ratio: ratio([0; 3]),
        neighbour_ratio,
        beyond_kev: own.beyond_kev.unwrap_or(0.0) + inside_own - expected_kev,
        findings: Vec::new(),
    };
    report.findings = findings(&report, conversion_kev);
    report
}

fn findings(report: &KernelReport, conversion_kev: f64) -> Vec<String> {
    let mut found = Vec::new();
    let missing = report.expected_kev - report.holds_kev;
    let held = format!(
        "electrons: {:.1} keV per decay of {:.1} at {} g/cm3",
        report.electrons_kev, report.expected_electrons_kev, report.density_g_cm3
    );
    if missing > 0.02 * report.expected_kev {
        let near = (missing / conversion_kev - 1.0).abs() < 0.5;
        let what = if near {
            format!(", about the conversion and Auger electrons ({conversion_kev:.1} keV), which it seems to leave out")
        } else {
            String::new()
        };
        found.push(format!("{held}: {missing:.1} keV missing{what}"));
    } else if missing < -0.005 * report.expected_kev {
        found.push(format!(
            "{held}: {:.1} keV surplus, more than the decay leaves there; it closes at {:.3} g/cm3",
            -missing, report.closing_density_g_cm3
        ));
    } else {
        found.push(format!("{held}: closes to {:+.1} %", -100.0 * missing / report.expected_kev));
    }
    let percent = |ratio: f64| 100.0 * (ratio - 1.0);
    if percent(report.source_ratio).abs() >= 0.5 {
        found.push(format!("source voxel {:+.1} %", percent(report.source_ratio)));
    }
    let neighbour = report.neighbour_ratio[0];
    if report.neighbour_ratio.iter().any(|&n| percent(n).abs() >= 1.0) {
        found.push(format!("face neighbours {:+.1} %", percent(neighbour)));
    }
    if report.beyond_kev > 0.005 * report.expected_kev {
        found.push(format!("cropped: {:.1} keV of photons lie beyond its {:?} voxels", report.beyond_kev, report.half));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::point_kernel::tests::soft;
    use super::*;

    #[test]
    fn law_the_sentence_names_what_matters_first() {
        let terms = [Term::new("cross-dose ignored", -0.30), Term::new("density", 0.10), Term::new("tissue", 0.004)];
        assert_eq!(sentence(&terms, 0.001), "cross-dose ignored (-30.0 %); density (+10.0 %)");
        assert_eq!(sentence(&terms[2..], 0.001), "nothing above 0.5 %");
        assert!(sentence(&terms, 0.02).ends_with("transport known to 2.0 %"));
    }

    /// A kernel made from Lutra's own by leaving out 14 keV is found to lack the conversion electrons.
    #[test]
    fn alarm_a_kernel_without_conversion_electrons_is_named() {
        let own = VoxelKernel::fold(soft(), [3.0; 3], 1.04, [4; 3]).unwrap();
        let same = kernel_report(&own, &own, 14.2);
        assert!(same.findings[0].contains("closes"), "{:?}", same.findings);
        let mut user = own.clone();
        user.electron_kev.iter_mut().for_each(|e| *e *= 1.0 - 14.2 / 148.3);
        let report = kernel_report(&user, &own, 14.2);
        assert!((report.expected_kev - report.holds_kev - 14.2).abs() < 0.2);
        assert!(report.findings[0].contains("conversion and Auger electrons"), "{:?}", report.findings);
        let mut dense = own.clone();
        dense.electron_kev.iter_mut().for_each(|e| *e *= 1.04);
        let report = kernel_report(&dense, &own, 14.2);
        assert!(report.findings[0].contains("surplus") && report.findings[0].contains("1.00"), "{:?}", report.findings);
    }
}
