//! Shortcuts beside transport: makes the kernels, lays out the energies, adds up the causes and compares the rows.

use super::region::{Region, lay, regions, surroundings};
use super::{Audit, AuditInput, AuditPlan, AuditRow, Method};
use crate::cores;
use crate::dose::AIR_LIMIT_G_CM3;
use crate::materials::tissues::Tissue;
use crate::svalues::cause::{KernelReport, Term, sentence};
use crate::svalues::compare::{Agreement, VoxelStatistics, voxel_statistics};
use crate::svalues::point_kernel::PointKernel;
use crate::svalues::voxel_kernel::VoxelKernel;
use crate::svalues::{EnergyMap, SvalueError};
use crate::transport::Engine;
use crate::units::GY_PER_KEV_G;

/// Density of the water kernel, g/cm3.
pub(super) const WATER_G_CM3: f64 = 1.0;
/// Classes of the tissue-matched kernels: upper density limit, tissue, density of the kernel, g/cm3.
const CLASSES: [(f32, &str, f64); 4] = [
    (0.7, "lung", 0.26),
    (1.12, "soft-tissue", 1.04),
    (1.5, "spongiosa-skeletal-icru44", 1.18),
    (f32::INFINITY, "bone", 1.92),
];

/// An audit in progress: every shortcut's energy on the grid of the transport.
pub(super) struct AuditComparison<'a> {
    pub(super) input: &'a AuditInput<'a>,
    pub(super) plan: &'a AuditPlan,
    pub(super) regions: Vec<Region>,
    pub(super) water: PointKernel,
    /// Energy by the split water kernel: the yardstick of causes.
    pub(super) split: EnergyMap,
    /// Energy of the tissue-matched kernels.
    pub(super) matched: EnergyMap,
    pub(super) methods: Vec<(String, String, bool, EnergyMap)>,
    /// Terms by method, then by region (empty where the method does not speak of the region).
    pub(super) terms: Vec<Vec<Option<Vec<Term>>>>,
    pub(super) kernels: Vec<KernelReport>,
    pub(super) provenance: Vec<String>,
}

impl<'a> AuditComparison<'a> {
    pub(super) fn new(
        input: &'a AuditInput<'a>,
        plan: &'a AuditPlan,
        engine: &mut dyn Engine,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Self, SvalueError> {
        let grid = input.grid;
        let full = grid.dims.map(|n| n - 1);
        tell("water kernel");
        let water = PointKernel::compute(input.nuclide, &Tissue::built_in("water")?, &plan.kernels, engine)?;
        let water_kernel = VoxelKernel::fold(&water, grid.spacing_mm, WATER_G_CM3, full)?;
        let mut provenance = vec![water.provenance.clone()];
        // classes that hold any labelled voxel
        let class: Vec<u8> = input.density_g_cm3.iter().map(|&d| class_of(d)).collect();
        let mut kernels = Vec::new();
        for (number, (_, name, density)) in CLASSES.iter().enumerate() {
            let present = class.iter().zip(input.labels).any(|(&c, &l)| usize::from(c) == number && l > 0);
            if present {
                tell(&format!("kernel of {name}"));
                let point = PointKernel::compute(input.nuclide, &Tissue::built_in(name)?, &plan.kernels, engine)?;
                provenance.push(point.provenance.clone());
                kernels.push((number as u8, VoxelKernel::fold(&point, grid.spacing_mm, *density, full)?));
            }
        }
        tell("convolutions");
        let all: Vec<&VoxelKernel> = std::iter::once(&water_kernel).chain(kernels.iter().map(|(_, k)| k)).collect();
        let mut laid = cores::of_each_on(plan.threads, &all, |kernel| lay(kernel, input.decays, grid.dims));
        let water_laid = laid.remove(0);
        let density = |n: usize| f64::from(input.density_g_cm3[n]);
        let count = grid.len();
        let mut matched = EnergyMap::none(count);
        for ((number, kernel), laid) in kernels.iter().zip(&laid) {
            for n in (0..count).filter(|&n| class[n] == *number) {
                matched.electron_kev[n] = laid.electron[n];
                matched.photon_kev[n] = laid.photon[n] * density(n) / kernel.density_g_cm3;
            }
        }
        drop(laid);
        let times_density =
            |energy: &[f64]| (0..count).map(|n| energy[n] * density(n) / WATER_G_CM3).collect::<Vec<f64>>();
        let unscaled = EnergyMap {
            electron_kev: times_density(&water_laid.electron),
            photon_kev: times_density(&water_laid.photon),
        };
        let scaled = EnergyMap { electron_kev: water_laid.electron, photon_kev: water_laid.photon };
        let split = EnergyMap { electron_kev: scaled.electron_kev.clone(), photon_kev: unscaled.photon_kev.clone() };
        let regions = regions(input, plan, &water_kernel);
        let mut comparison = Self {
            input,
            plan,
            regions,
            water,
            split,
            matched,
            methods: Vec::new(),
            terms: Vec::new(),
            kernels: Vec::new(),
            provenance,
        };
        comparison.local(&water_kernel);
        comparison.convolutions(unscaled, scaled);
        Ok(comparison)
    }

    pub(super) fn add(
        &mut self,
        name: &str,
        description: &str,
        by_voxel: bool,
        map: EnergyMap,
        terms: Vec<Option<Vec<Term>>>,
    ) {
        self.methods.push((name.to_owned(), description.to_owned(), by_voxel, map));
        self.terms.push(terms);
    }

    /// Terms of every region: each pair is a cause and its effect on the region's energy, keV.
    pub(super) fn effects(&self, of: impl Fn(&Region) -> Option<Vec<(String, f64)>>) -> Vec<Option<Vec<Term>>> {
        self.regions
            .iter()
            .map(|region| {
                let mut pairs = of(region)?;
                pairs.extend(self.medium(region));
                Some(pairs.into_iter().map(|(what, kev)| Term::new(what, kev / region.transport_kev)).collect())
            })
            .collect()
    }

    /// From the split water kernel to transport: the kernel's tissue, where matching it brings the kernel nearer to
    /// transport, then all that no kernel can know.
    pub(super) fn medium(&self, region: &Region) -> Vec<(String, f64)> {
        let sums = |map: &EnergyMap| region.sum(&map.electron_kev) + region.sum(&map.photon_kev);
        let (split, matched) = (sums(&self.split), sums(&self.matched));
        if (matched - region.transport_kev).abs() < (split - region.transport_kev).abs() {
            let tissue = "tissue other than the kernel's water".to_owned();
            return vec![(tissue, split - matched), (surroundings(region), matched - region.transport_kev)];
        }
        vec![(surroundings(region), split - region.transport_kev)]
    }

    /// Energy that reaches a region from decays elsewhere, by the split water kernel: electrons, photons, keV.
    pub(super) fn cross(&self, region: &Region) -> [f64; 2] {
        [
            region.sum(&self.split.electron_kev) - region.own_kev[0],
            region.sum(&self.split.photon_kev) - region.own_kev[1],
        ]
    }

    pub(super) fn finish(self) -> Result<Audit, SvalueError> {
        let input = self.input;
        let mut methods = Vec::new();
        for (name, description, by_voxel, map) in &self.methods {
            let dose = map.dose(input.grid, input.density_g_cm3, AIR_LIMIT_G_CM3)?;
            methods.push(Method { name: name.clone(), description: description.clone(), dose, by_voxel: *by_voxel });
        }
        let pairs: Vec<(usize, usize)> =
            (0..self.regions.len()).flat_map(|r| (0..methods.len()).map(move |m| (r, m))).collect();
        let found = cores::of_each_on(self.plan.threads, &pairs, |&(r, m)| {
            let (region, terms) = (&self.regions[r], self.terms[m][r].as_ref()?);
            Some((self.row(region, &methods[m], m, terms), terms.clone()))
        });
        let (rows, terms) = found.into_iter().flatten().unzip();
        Ok(Audit { methods, rows, terms, kernels: self.kernels, provenance: self.provenance })
    }

    fn row(&self, region: &Region, method: &Method, number: usize, terms: &[Term]) -> AuditRow {
        let map = &self.methods[number].3;
        let energy_kev = region.sum(&map.electron_kev) + region.sum(&map.photon_kev);
        let gy = GY_PER_KEV_G / region.mass_g;
        let ratio = energy_kev / region.transport_kev;
        let error_rel = region.error_kev / region.transport_kev;
        let statistics: Option<VoxelStatistics> =
            method.by_voxel.then(|| voxel_statistics(self.input.transport, &method.dose, &region.voxels));
        AuditRow {
            label: region.label,
            region: region.name.clone(),
            method: method.name.clone(),
            transport_gy: region.transport_kev * gy,
            dose_gy: energy_kev * gy,
            ratio,
            ratio_se: ratio * error_rel,
            verdict: Agreement::of(ratio - 1.0, ratio * error_rel, self.plan.tolerance_rel),
            median_percent: statistics.map(|s| s.median_percent),
            p95_percent: statistics.map(|s| s.p95_percent),
            noise_p95_percent: statistics.map(|s| s.noise_p95_percent),
            gamma_2mm_1percent: statistics.and_then(|s| s.gamma_2mm_1percent),
            gamma_3mm_3percent: statistics.and_then(|s| s.gamma_3mm_3percent),
            cause: sentence(terms, error_rel),
        }
    }
}

fn class_of(density_g_cm3: f32) -> u8 {
    CLASSES.iter().position(|(top, ..)| density_g_cm3 < *top).unwrap_or(CLASSES.len() - 1) as u8
}
