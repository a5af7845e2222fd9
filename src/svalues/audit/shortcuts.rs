//! The shortcuts themselves, each with the steps that lead from it to transport.

use super::comparison::{AuditComparison, WATER_G_CM3};
use super::region::{Region, lay, surroundings};
use crate::cores;
use crate::decay::EmissionClass;
use crate::materials::tissues::Tissue;
use crate::svalues::cause::{Term, kernel_report};
use crate::svalues::kernel_file::medium_in;
use crate::svalues::organ::{MassScaling, OrganInput};
use crate::svalues::point_kernel::PointKernel;
use crate::svalues::sphere::sphere_self;
use crate::svalues::voxel_kernel::VoxelKernel;
use crate::svalues::{EnergyMap, SvalueError, local_deposition};
use crate::transport::Engine;
use std::collections::BTreeMap;

impl AuditComparison<'_> {
    pub(super) fn local(&mut self, kernel: &VoxelKernel) {
        let (input, nuclide) = (self.input, self.input.nuclide);
        let electron_kev = nuclide.electron_energy_kev_per_decay();
        for with_photons in [false, true] {
            let photon_kev = if with_photons { kernel.photon_kev[0] } else { 0.0 };
            let terms = self.effects(|region| {
                let [cross_electron, cross_photon] = self.cross(region);
                Some(vec![
                    (
                        "electrons that leave the region counted in it".to_owned(),
                        region.decays * electron_kev - region.own_kev[0],
                    ),
                    ("electrons from beyond its border ignored".to_owned(), -cross_electron),
                    ("photons of its own decays ignored".to_owned(), region.decays * photon_kev - region.own_kev[1]),
                    ("cross-dose by photons from elsewhere ignored".to_owned(), -cross_photon),
                ])
            });
            if with_photons {
                let map = local_deposition::electrons_and_photons(input.decays, nuclide, kernel);
                self.add(
                    "local_electrons_photons",
                    "local deposition of electrons and of the photons' share absorbed in the voxel",
                    true,
                    map,
                    terms,
                );
            } else {
                let map = local_deposition::electrons(input.decays, nuclide);
                self.add("local_electrons", "local deposition of electrons", true, map, terms);
            }
        }
    }

    pub(super) fn convolutions(&mut self, unscaled: EnergyMap, scaled: EnergyMap) {
        let density =
            |region: &Region| format!("density: {:.2} g/cm3, the kernel's is {WATER_G_CM3:.2}", region.density());
        let terms = self.effects(|region| {
            let sums = |map: &EnergyMap| region.sum(&map.electron_kev);
            Some(vec![(density(region), sums(&unscaled) - sums(&self.split))])
        });
        self.add("vsv_water", "voxel S values of water", true, unscaled, terms);
        let terms = self.effects(|region| {
            let sums = |map: &EnergyMap| region.sum(&map.photon_kev);
            let what = format!("photons scaled by density too ({:.2} g/cm3)", region.density());
            Some(vec![(what, sums(&scaled) - sums(&self.split))])
        });
        self.add(
            "vsv_density_scaled",
            "voxel S values of water; the whole dose times 1 over the voxel's density",
            true,
            scaled,
            terms,
        );
        let terms = self.effects(|_| Some(Vec::new()));
        self.add(
            "vsv_split",
            "voxel S values of water; the dose of electrons, which stay in the voxel, times 1 over its density, that of photons, which \
             come from afar, as it is",
            true,
            self.split.clone(),
            terms,
        );
        let own = |region: &Region| {
            let sum = region.sum(&self.matched.electron_kev) + region.sum(&self.matched.photon_kev);
            Some(vec![Term::new(surroundings(region), sum / region.transport_kev - 1.0)])
        };
        let terms = self.regions.iter().map(own).collect();
        self.add(
            "vsv_tissue",
            "voxel S values of the voxel's own class of tissue; the dose of electrons times the class's density over the voxel's",
            true,
            self.matched.clone(),
            terms,
        );
    }

    pub(super) fn organs(&mut self) {
        let inputs: Vec<OrganInput> = self
            .regions
            .iter()
            .map(|r| OrganInput { label: r.label, name: r.name.clone(), mass_g: r.mass_g, decays: r.decays })
            .collect();
        for table in &self.plan.organ_tables {
            let fits = table.nuclide().is_none_or(|n| self.input.nuclide.name.starts_with(n));
            if !fits {
                continue;
            }
            for (scaling, name) in [(MassScaling::Split, "split"), (MassScaling::Linear, "linear")] {
                let energies: Vec<_> =
                    inputs.iter().map(|i| table.energy(i, &inputs, self.input.nuclide, scaling)).collect();
                if energies.iter().all(Option::is_none) {
                    continue;
                }
                let by_label: BTreeMap<u16, _> =
                    inputs.iter().zip(&energies).map(|(i, e)| (i.label, e.clone())).collect();
                let terms = self.effects(|region| {
                    let energy = by_label.get(&region.label)?.clone()?;
                    let [cross_electron, cross_photon] = self.cross(region);
                    let own: f64 = region.own_kev.iter().sum();
                    let mass = format!(
                        "self dose of the phantom's organ ({:.0} g, here {:.0} g): shape, rim, decay data",
                        energy.reference_g, region.mass_g
                    );
                    Some(vec![
                        (mass, energy.self_kev - own),
                        (
                            "cross-dose from sources that the table leaves out, or by another geometry".to_owned(),
                            energy.cross_kev - cross_electron - cross_photon,
                        ),
                    ])
                });
                let totals: Vec<Option<f64>> =
                    energies.iter().map(|e| e.as_ref().map(|e| e.self_kev + e.cross_kev)).collect();
                let map = self.painted(&totals);
                let method = format!("organ_{name} {}", table.name);
                let scaled = match scaling {
                    MassScaling::Split => {
                        "split into electrons, by the mass of the phantom's organ over the patient's, and photons, by its power 2/3"
                    }
                    MassScaling::Linear => "all of it by the mass of the phantom's organ over the patient's",
                };
                let description = format!(
                    "mean dose of an organ by the S values of {}, in the phantom's geometry; self dose scaled to the patient's \
                     mass, {scaled}",
                    table.name
                );
                self.add(&method, &description, false, map, terms);
            }
        }
    }

    pub(super) fn spheres(&mut self) {
        let energies: Vec<_> = self.regions.iter().map(|r| sphere_self(&self.water, r.mass_g, r.density())).collect();
        let by_label: BTreeMap<u16, f64> =
            self.regions.iter().zip(&energies).map(|(r, e)| (r.label, e.total_kev())).collect();
        let terms = self.effects(|region| {
            let [cross_electron, cross_photon] = self.cross(region);
            let own: f64 = region.own_kev.iter().sum();
            Some(vec![
                ("a sphere in place of its shape".to_owned(), region.decays * by_label.get(&region.label)? - own),
                ("electrons from beyond its border ignored".to_owned(), -cross_electron),
                ("cross-dose by photons from elsewhere ignored".to_owned(), -cross_photon),
            ])
        });
        let totals: Vec<Option<f64>> =
            self.regions.iter().zip(&energies).map(|(r, e)| Some(r.decays * e.total_kev())).collect();
        let map = self.painted(&totals);
        self.add("sphere", "a uniform sphere of the region's mass", false, map, terms);
    }

    /// Energy spread over each region by mass: one dose a region.
    fn painted(&self, totals_kev: &[Option<f64>]) -> EnergyMap {
        let mut map = EnergyMap::none(self.input.grid.len());
        let voxel_cm3 = self.input.grid.voxel_cm3();
        for (region, total) in self.regions.iter().zip(totals_kev) {
            let per_g = total.unwrap_or(0.0) / region.mass_g;
            for &n in &region.voxels {
                map.electron_kev[n as usize] = per_g * f64::from(self.input.density_g_cm3[n as usize]) * voxel_cm3;
            }
        }
        map
    }

    pub(super) fn user_kernel(&mut self, user: &VoxelKernel, engine: &mut dyn Engine) -> Result<(), SvalueError> {
        let input = self.input;
        let (dims, spacing_mm) = (input.grid.dims, input.grid.spacing_mm);
        let tissue = match Tissue::built_in(&user.medium) {
            Ok(tissue) => tissue,
            Err(_) => Tissue::built_in(medium_in(&user.medium).map_or("water", |(tissue, _)| tissue))?,
        };
        let point = PointKernel::compute(input.nuclide, &tissue, &self.plan.kernels, engine)?;
        self.provenance.push(point.provenance.clone());
        let half = [0, 1, 2].map(|a| user.half[a].max(dims[a] - 1));
        // Lutra's kernel of the user's voxel, and of the map's
        let own = VoxelKernel::fold(&point, user.spacing_mm, user.density_g_cm3, half)?;
        let fits = (0..3).all(|a| (user.spacing_mm[a] / spacing_mm[a] - 1.0).abs() < 0.005);
        let own_here = if fits { None } else { Some(VoxelKernel::fold(&point, spacing_mm, user.density_g_cm3, half)?) };
        let conversion_kev = input.nuclide.energy_kev_per_decay(EmissionClass::Electron);
        let report = kernel_report(user, &own, conversion_kev);
        let cropped = own.cropped(user.half);
        let mut jobs = vec![user, &cropped, &own];
        jobs.extend(own_here.as_ref());
        let laid = cores::of_each_on(self.plan.threads, &jobs, |kernel| {
            let laid = lay(kernel, input.decays, dims);
            // S values are doses: what they mean as energy in the voxel's own mass
            let volume = spacing_mm.iter().product::<f64>() / kernel.spacing_mm.iter().product::<f64>();
            (0..input.decays.len())
                .map(|n| {
                    (laid.electron[n] + laid.photon[n]) * volume * f64::from(input.density_g_cm3[n])
                        / kernel.density_g_cm3
                })
                .collect::<Vec<f64>>()
        });
        let source_kev = (user.energy_kev([0; 3]) - own.energy_kev([0; 3])) * spacing_mm.iter().product::<f64>()
            / user.spacing_mm.iter().product::<f64>()
            / user.density_g_cm3;
        let percent = |ratio: f64| format!("{:+.1} %", 100.0 * (ratio - 1.0));
        let edges = |mm: [f64; 3]| format!("{} x {} x {} mm", mm[0], mm[1], mm[2]);
        let last = laid.len() - 1;
        let terms = self.effects(|region| {
            let weighted: f64 = region
                .voxels
                .iter()
                .map(|&n| input.decays[n as usize] * f64::from(input.density_g_cm3[n as usize]))
                .sum();
            let source = source_kev * weighted;
            let rest = region.sum(&laid[0]) - region.sum(&laid[1]) - source;
            let split = region.sum(&self.split.electron_kev) + region.sum(&self.split.photon_kev);
            let missing = report.expected_kev - report.holds_kev;
            let energy = if missing.abs() > 0.005 * report.expected_kev {
                format!(", {:.1} keV per decay {}", missing.abs(), if missing > 0.0 { "missing" } else { "surplus" })
            } else {
                String::new()
            };
            let mut pairs = vec![
                (format!("kernel: source voxel {} off Lutra's{energy}", percent(report.source_ratio)), source),
                (format!("kernel: other voxels, face neighbours {} off", percent(report.neighbour_ratio[0])), rest),
                (
                    format!("kernel cropped: {:.1} keV beyond", report.beyond_kev),
                    region.sum(&laid[1]) - region.sum(&laid[2]),
                ),
            ];
            if !fits {
                let what = format!("wrong voxel size: {} for {}", edges(user.spacing_mm), edges(spacing_mm));
                pairs.push((what, region.sum(&laid[2]) - region.sum(&laid[last])));
            }
            let what = format!("density: {:.2} g/cm3, the kernel's is {:.2}", region.density(), user.density_g_cm3);
            pairs.push((what, region.sum(&laid[last]) - split));
            Some(pairs)
        });
        let map = EnergyMap {
            photon_kev: vec![0.0; laid[0].len()],
            electron_kev: laid.into_iter().next().unwrap_or_default(),
        };
        let description = report.findings.join("; ");
        self.kernels.push(report);
        self.add(&format!("kernel {}", user.name), &description, true, map, terms);
        Ok(())
    }
}
