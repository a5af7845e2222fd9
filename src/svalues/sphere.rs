//! The sphere model: a uniformly active sphere of a lesion's mass in an endless medium.
//!
//! The chance that a point at distance r, in a random direction from a random point of a sphere of radius R, lies in
//! the sphere is 1 - 3r/(4R) + r^3/(16 R^3) up to 2R (Berger, MIRD Pamphlet 7, 1970), so that the self dose follows
//! from the point kernel without sampling:
//!   E_self = sum over shells of E(r) P(r; R)                                      [methods/svalues.md, eq. 5]

use super::MGY_PER_MBQ_S_PER_KEV_G;
use super::point_kernel::{PointKernel, Shells};

/// Self dose of a sphere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SphereSelf {
    /// Mass, g.
    pub mass_g: f64,
    /// Energy of electrons that stays in the sphere, keV per decay.
    pub electron_kev: f64,
    /// Energy of photons that stays in the sphere, keV per decay.
    pub photon_kev: f64,
    /// Standard error of both, keV per decay.
    pub error_kev: f64,
}

impl SphereSelf {
    /// S value, mGy/(MBq s).
    pub fn s_mgy_per_mbq_s(&self) -> f64 {
        (self.electron_kev + self.photon_kev) * MGY_PER_MBQ_S_PER_KEV_G / self.mass_g
    }

    /// Energy of electrons and photons that stays, keV per decay.
    pub fn total_kev(&self) -> f64 {
        self.electron_kev + self.photon_kev
    }
}

/// Self dose of a sphere of `mass_g` at `density_g_cm3`, both positive, in the point kernel's tissue.
pub fn sphere_self(point: &PointKernel, mass_g: f64, density_g_cm3: f64) -> SphereSelf {
    // radius in areal density: the kernel's own unit
    let radius_cm = (0.75 * mass_g / density_g_cm3 / std::f64::consts::PI).cbrt();
    let radius_g_cm2 = radius_cm * density_g_cm3;
    let part = |shells: &Option<Shells>| {
        shells.as_ref().map_or((0.0, 0.0), |shells| {
            let chance = |shell: usize| inside((shell as f64 + 0.5) * shells.width_g_cm2 / radius_g_cm2);
            let (mean, error) = shells.fold(&(0..shells.count()).map(chance).collect::<Vec<_>>());
            (mean + shells.at_source_kev, error)
        })
    };
    let ((electron_kev, electron_error), (photon_kev, photon_error)) = (part(&point.electron), part(&point.photon));
    SphereSelf { mass_g, electron_kev, photon_kev, error_kev: electron_error.hypot(photon_error) }
}

/// The chance above for x = r/R.
fn inside(x: f64) -> f64 {
    if x >= 2.0 { 0.0 } else { 1.0 - 0.75 * x + x * x * x / 16.0 }
}

#[cfg(test)]
mod tests {
    use super::super::point_kernel::tests::soft;
    use super::*;

    #[test]
    fn law_chance_runs_from_one_to_zero() {
        assert_eq!(inside(0.0), 1.0);
        assert!(inside(2.0).abs() < 1e-12 && inside(5.0) == 0.0);
        assert!(inside(1.999_999) < 1e-6);
    }

    /// Sphere S values of Olguin et al., Phys. Med. Biol. 65 (2020) 235015 (soft tissue): radius cm, mass g, mGy/(MBq s).
    const OLGUIN: [(f64, f64, f64); 15] = [
        (0.1, 0.004_31, 4.54),
        (0.15, 0.0146, 1.44),
        (0.2, 0.0345, 0.629),
        (0.3, 0.116, 0.193),
        (0.4, 0.276, 0.0826),
        (0.5, 0.539, 0.0427),
        (0.6, 0.932, 0.0249),
        (0.8, 2.21, 0.0106),
        (1.0, 4.31, 0.005_46),
        (1.5, 14.6, 0.001_63),
        (2.0, 34.5, 6.93e-4),
        (3.0, 116.0, 2.07e-4),
        (4.0, 276.0, 8.81e-5),
        (5.0, 539.0, 4.54e-5),
        (6.0, 932.0, 2.65e-5),
    ];

    fn worst(point: &PointKernel, scale: f64) -> f64 {
        OLGUIN
            .iter()
            .map(|&(radius_cm, mass_g, s)| {
                // the density is what radius and mass say together
                let density = mass_g / (4.0 / 3.0 * std::f64::consts::PI * radius_cm.powi(3));
                let ours = scale * sphere_self(point, mass_g, density).s_mgy_per_mbq_s();
                println!("{radius_cm} cm: {:+.2} %", 100.0 * (ours / s - 1.0));
                (ours / s - 1.0).abs()
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn reference_spheres_equal_published_s_values() {
        assert!(worst(soft(), 1.0) < 0.01);
    }

    /// The whole published table: soft tissue and mineral bone by their own kernels within 1 %; their mixtures, for which
    /// the kernel of the nearer of the two stands in at the mixture's density, within 2 % (its photons are another's).
    #[test]
    fn reference_spheres_of_every_published_mixture() {
        let Some(table) = crate::needs::shared("data/ref/sphere_S_177Lu.csv") else { return };
        let text = std::fs::read_to_string(table).unwrap();
        let plan = super::super::point_kernel::KernelPlan {
            electron_histories: 20_000,
            photon_histories: 100_000,
            ..super::super::point_kernel::KernelPlan::default()
        };
        let nuclide = crate::decay::Nuclide::load("lu177").unwrap();
        let bone = crate::materials::tissues::Tissue::built_in("bone").unwrap();
        let mut engine = crate::transport::cpu::CpuEngine::new(0);
        let bone = PointKernel::compute(&nuclide, &bone, &plan, &mut engine).unwrap();
        let (mut rows, mut pure, mut mixed) = (0, 0.0_f64, 0.0_f64);
        for line in text.lines().filter(|line| !line.starts_with('#')).skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let [radius_cm, mass_g, _, s] = [1, 2, 3, 4].map(|n| fields[n].parse::<f64>().unwrap());
            let soft_percent: f64 = fields[0].split('%').next().unwrap().parse().unwrap();
            let density = mass_g / (4.0 / 3.0 * std::f64::consts::PI * radius_cm.powi(3));
            let point = if soft_percent >= 50.0 { soft() } else { &bone };
            let off = sphere_self(point, mass_g, density).s_mgy_per_mbq_s() / s - 1.0;
            if off.abs() > 0.008 {
                println!("{}, {radius_cm} cm: {:+.2} %", fields[0], 100.0 * off);
            }
            let worst = if [0.0, 100.0].contains(&soft_percent) { &mut pure } else { &mut mixed };
            *worst = worst.max(off.abs());
            rows += 1;
        }
        println!("{rows} spheres: worst {:.2} %, of mixtures {:.2} %", 100.0 * pure, 100.0 * mixed);
        assert!(rows == 75 && pure < 0.01 && mixed < 0.02, "{rows} {pure} {mixed}");
    }

    #[test]
    fn alarm_spheres_two_percent_off_ring() {
        assert!(worst(soft(), 1.02) > 0.01);
    }

    /// Self dose of adult organs, keV per decay: S times mass of OpenDose (Chauvin et al., J. Nucl. Med. 61 (2020)
    /// 1514; ICRP 110 phantoms, ICRP 107 decay data), checked in `organ`.
    #[test]
    fn reference_organs_hold_the_energy_of_opendose() {
        for row in super::super::organ::adult_self_values() {
            let theirs_kev = row.s_mgy_per_mbq_s * row.target_mass_g / MGY_PER_MBQ_S_PER_KEV_G;
            let ours_kev = sphere_self(soft(), row.target_mass_g, 1.05).total_kev();
            println!("{} {}: {ours_kev:.2} of {theirs_kev:.2} keV", row.phantom, row.source);
            assert!((ours_kev / theirs_kev - 1.0).abs() < 0.01, "{}: {ours_kev} {theirs_kev}", row.source);
        }
    }
}
