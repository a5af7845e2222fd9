//! The shortcuts of one case beside its transport.
//!
//! One call makes the kernels, runs every shortcut on the same decays and densities, and compares each with the
//! transport: by region (dose, ratio, verdict, causes) and by voxel. Region doses are energy over mass for all alike; a
//! shortcut that gives doses (an unscaled kernel, an organ's mean) is turned into the energy that its dose means in the
//! voxel's own mass.

use super::cause::{KernelReport, Term, kernel_report, sentence};
use super::compare::{Verdict, VoxelStatistics, voxel_statistics};
use super::convolution::Convolver;
use super::kernel_file::medium_in;
use super::organ::{MassScaling, OrganInput, OrganTable};
use super::point_kernel::{KernelPlan, PointKernel};
use super::sphere::sphere_self;
use super::voxel_kernel::VoxelKernel;
use super::{EnergyMap, SvalueError, local_deposition};
use crate::decay::{EmissionClass, Nuclide};
use crate::dose::{AIR_LIMIT_G_CM3, DoseMap};
use crate::grid::VoxelGrid;
use crate::materials::tissues::Tissue;
use crate::transport::Engine;
use crate::units::GY_PER_KEV_G;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Density of the water kernel, g/cm3.
const WATER_G_CM3: f64 = 1.0;
/// A voxel borders on another density where a face neighbour's differs by more than this share.
const BORDER_REL: f64 = 0.2;
/// Share of bordering voxels from which a region's remainder is put down to interfaces.
const BORDER_SHARE: f64 = 0.15;
/// Classes of the tissue-matched kernels: upper density limit, tissue, density of the kernel, g/cm3.
const CLASSES: [(f32, &str, f64); 4] = [
    (0.7, "lung", 0.26),
    (1.12, "soft-tissue", 1.04),
    (1.5, "spongiosa-skeletal-icru44", 1.18),
    (f32::INFINITY, "bone", 1.92),
];

/// What is audited.
#[derive(Clone, Copy, Debug)]
pub struct AuditInput<'a> {
    /// The voxels.
    pub grid: &'a VoxelGrid,
    /// Mass density by voxel, g/cm3.
    pub density_g_cm3: &'a [f32],
    /// Region labels, 0 for none.
    pub labels: &'a [u16],
    /// Names of the labels.
    pub names: &'a BTreeMap<u16, String>,
    /// Decays by voxel.
    pub decays: &'a [f64],
    /// The nuclide.
    pub nuclide: &'a Nuclide,
    /// Dose of the transport.
    pub transport: &'a DoseMap,
    /// Energy of the transport by label, keV, and its variance, keV^2.
    pub region_energy: &'a BTreeMap<u16, (f64, f64)>,
}

/// How it is audited.
#[derive(Clone, Debug)]
pub struct AuditPlan {
    /// Largest deviation of a region's dose that still serves, share.
    pub tolerance_rel: f64,
    /// Histories of each point kernel.
    pub kernels: KernelPlan,
    /// Kernels of the user, checked.
    pub user_kernels: Vec<VoxelKernel>,
    /// Tables of organ S values.
    pub organ_tables: Vec<OrganTable>,
    /// Threads of the convolutions.
    pub threads: usize,
}

/// A shortcut and its dose map.
#[derive(Clone, Debug)]
pub struct Method {
    /// Name in tables and file names.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its dose.
    pub dose: DoseMap,
    /// Whether it tells voxels of a region apart.
    pub by_voxel: bool,
}

/// One row of the audit table. Field names are the heads of `audit.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRow {
    /// Region label.
    pub label: u16,
    /// Region name.
    pub region: String,
    /// Shortcut.
    pub method: String,
    /// Mean dose of the transport, Gy.
    pub transport_gy: f64,
    /// Mean dose of the shortcut, Gy.
    pub dose_gy: f64,
    /// Shortcut over transport.
    pub ratio: f64,
    /// Standard error of the ratio, from the transport's statistics.
    pub ratio_se: f64,
    /// Verdict at the tolerance.
    pub verdict: Verdict,
    /// Median voxel difference, %; for shortcuts by voxel.
    pub median_percent: Option<f64>,
    /// 95th percentile of the magnitude of voxel differences, %.
    pub p95_percent: Option<f64>,
    /// What the transport's noise alone gives for that, %.
    pub noise_p95_percent: Option<f64>,
    /// Share of voxels that pass gamma 2 mm / 1 %.
    pub gamma_2mm_1percent: Option<f64>,
    /// Share of voxels that pass gamma 3 mm / 3 %.
    pub gamma_3mm_3percent: Option<f64>,
    /// Why it deviates.
    pub cause: String,
}

/// Everything an audit finds.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The shortcuts.
    pub methods: Vec<Method>,
    /// The table, by region, then by method.
    pub rows: Vec<AuditRow>,
    /// Causes of each row, all terms: they add up to ratio - 1.
    pub terms: Vec<Vec<Term>>,
    /// The user's kernels against Lutra's.
    pub kernels: Vec<KernelReport>,
    /// Kernels made, in words.
    pub provenance: Vec<String>,
}

/// What is known of a region before any shortcut.
struct Region {
    label: u16,
    name: String,
    voxels: Vec<u32>,
    mass_g: f64,
    volume_cm3: f64,
    decays: f64,
    transport_kev: f64,
    error_kev: f64,
    /// Share of voxels that border on another density.
    border_share: f64,
    /// Energy of its own decays that stays in it, by the split water kernel: electrons, photons, keV.
    own_kev: [f64; 2],
}

impl Region {
    fn density(&self) -> f64 {
        self.mass_g / self.volume_cm3
    }

    fn sum(&self, energy_kev: &[f64]) -> f64 {
        self.voxels.iter().map(|&n| energy_kev[n as usize]).sum()
    }
}

/// Applies `f` to every item on some threads; results in the order of the items.
fn parallel<I: Sync, R: Send>(items: &[I], threads: usize, f: impl Fn(&I) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(n) else { return };
                    let result = f(item);
                    results.lock().expect("no thread panics with the results in hand").push((n, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("all threads have ended");
    results.sort_by_key(|(n, _)| *n);
    results.into_iter().map(|(_, result)| result).collect()
}

/// The kernels' parts laid over all decays.
struct Laid {
    electron: Vec<f64>,
    photon: Vec<f64>,
}

/// Makes the kernels, runs the shortcuts and compares them. `tell` hears what is being done.
///
/// Errors: those of the kernels' transport, and volumes that do not fit the grid.
pub fn run(
    input: &AuditInput<'_>,
    plan: &AuditPlan,
    engine: &mut dyn Engine,
    tell: &mut dyn FnMut(&str),
) -> Result<Audit, SvalueError> {
    let mut bench = Bench::new(input, plan, engine, tell)?;
    tell("organ tables and spheres");
    bench.organs();
    bench.spheres();
    for user in &plan.user_kernels {
        tell(&format!("kernel {}", user.name));
        bench.user_kernel(user, engine)?;
    }
    tell("comparing voxels");
    bench.finish()
}

/// Work in progress.
struct Bench<'a> {
    input: &'a AuditInput<'a>,
    plan: &'a AuditPlan,
    regions: Vec<Region>,
    water: PointKernel,
    /// Energy by the split water kernel: the yardstick of causes.
    split: EnergyMap,
    /// Energy of the tissue-matched kernels.
    matched: EnergyMap,
    methods: Vec<(String, String, bool, EnergyMap)>,
    /// Terms by method, then by region (empty where the method does not speak of the region).
    terms: Vec<Vec<Option<Vec<Term>>>>,
    kernels: Vec<KernelReport>,
    provenance: Vec<String>,
}

impl<'a> Bench<'a> {
    fn new(
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
        let mut laid = parallel(&all, plan.threads, |kernel| lay(kernel, input.decays, grid.dims));
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
        let mut bench = Self {
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
        bench.local(&water_kernel);
        bench.convolutions(unscaled, scaled);
        Ok(bench)
    }

    fn add(&mut self, name: &str, description: &str, by_voxel: bool, map: EnergyMap, terms: Vec<Option<Vec<Term>>>) {
        self.methods.push((name.to_owned(), description.to_owned(), by_voxel, map));
        self.terms.push(terms);
    }

    /// Terms of every region: each pair is a cause and its effect on the region's energy, keV.
    fn effects(&self, of: impl Fn(&Region) -> Option<Vec<(String, f64)>>) -> Vec<Option<Vec<Term>>> {
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
    fn medium(&self, region: &Region) -> Vec<(String, f64)> {
        let sums = |map: &EnergyMap| region.sum(&map.electron_kev) + region.sum(&map.photon_kev);
        let (split, matched) = (sums(&self.split), sums(&self.matched));
        if (matched - region.transport_kev).abs() < (split - region.transport_kev).abs() {
            let tissue = "tissue other than the kernel's water".to_owned();
            return vec![(tissue, split - matched), (surroundings(region), matched - region.transport_kev)];
        }
        vec![(surroundings(region), split - region.transport_kev)]
    }

    /// Energy that reaches a region from decays elsewhere, by the split water kernel: electrons, photons, keV.
    fn cross(&self, region: &Region) -> [f64; 2] {
        [
            region.sum(&self.split.electron_kev) - region.own_kev[0],
            region.sum(&self.split.photon_kev) - region.own_kev[1],
        ]
    }

    fn local(&mut self, kernel: &VoxelKernel) {
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

    fn convolutions(&mut self, unscaled: EnergyMap, scaled: EnergyMap) {
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
        self.add("vsv_density_scaled", "voxel S values of water, dose times 1 over density", true, scaled, terms);
        let terms = self.effects(|_| Some(Vec::new()));
        self.add(
            "vsv_split",
            "voxel S values of water, electrons scaled by density, photons not",
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
            "voxel S values of the voxel's own tissue class, electrons scaled by density",
            true,
            self.matched.clone(),
            terms,
        );
    }

    fn organs(&mut self) {
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
                let description = format!("organ S values of {}, self dose scaled by mass ({name})", table.name);
                self.add(&method, &description, false, map, terms);
            }
        }
    }

    fn spheres(&mut self) {
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

    fn user_kernel(&mut self, user: &VoxelKernel, engine: &mut dyn Engine) -> Result<(), SvalueError> {
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
        let laid = parallel(&jobs, self.plan.threads, |kernel| {
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

    fn finish(self) -> Result<Audit, SvalueError> {
        let input = self.input;
        let mut methods = Vec::new();
        for (name, description, by_voxel, map) in &self.methods {
            let dose = map.dose(input.grid, input.density_g_cm3, AIR_LIMIT_G_CM3)?;
            methods.push(Method { name: name.clone(), description: description.clone(), dose, by_voxel: *by_voxel });
        }
        let pairs: Vec<(usize, usize)> =
            (0..self.regions.len()).flat_map(|r| (0..methods.len()).map(move |m| (r, m))).collect();
        let found = parallel(&pairs, self.plan.threads, |&(r, m)| {
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
            verdict: Verdict::of(ratio - 1.0, ratio * error_rel, self.plan.tolerance_rel),
            median_percent: statistics.map(|s| s.median_percent),
            p95_percent: statistics.map(|s| s.p95_percent),
            noise_p95_percent: statistics.map(|s| s.noise_p95_percent),
            gamma_2mm_1percent: statistics.and_then(|s| s.gamma_2mm_1percent),
            gamma_3mm_3percent: statistics.and_then(|s| s.gamma_3mm_3percent),
            cause: sentence(terms, error_rel),
        }
    }
}

/// Name of what no kernel can know of a region.
fn surroundings(region: &Region) -> String {
    if region.border_share >= BORDER_SHARE {
        format!(
            "interfaces, which a kernel crosses as if there were none ({:.0} % of its voxels border on another density)",
            100.0 * region.border_share
        )
    } else {
        "what lies around it: outline of the body, matter along the photons' way".to_owned()
    }
}

fn class_of(density_g_cm3: f32) -> u8 {
    CLASSES.iter().position(|(top, ..)| density_g_cm3 < *top).unwrap_or(CLASSES.len() - 1) as u8
}

/// Both parts of a kernel laid over a map. Electrons reach a few voxels only: their part is cut to those.
fn lay(kernel: &VoxelKernel, decays: &[f64], dims: [usize; 3]) -> Laid {
    let reach = electron_half(kernel);
    let short = kernel.cropped(reach);
    let electron = Convolver::new(&short.electron_kev, short.half, dims).apply(decays);
    let photon = if kernel.photon_kev.iter().all(|&e| e == 0.0) {
        vec![0.0; decays.len()]
    } else {
        Convolver::new(&kernel.photon_kev, kernel.half, dims).apply(decays)
    };
    Laid { electron, photon }
}

/// Largest offsets with any energy of electrons.
fn electron_half(kernel: &VoxelKernel) -> [usize; 3] {
    let mut half = [0; 3];
    for (place, &energy) in kernel.electron_kev.iter().enumerate() {
        if energy > 0.0 {
            let offset = kernel.offset(place);
            half = [0, 1, 2].map(|a| half[a].max(offset[a]));
        }
    }
    half
}

/// The labelled regions with what the transport and the water kernel say of them.
fn regions(input: &AuditInput<'_>, plan: &AuditPlan, kernel: &VoxelKernel) -> Vec<Region> {
    let mut by_label: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
    for (n, &label) in input.labels.iter().enumerate() {
        if label > 0 {
            by_label.entry(label).or_default().push(n as u32);
        }
    }
    let found: Vec<(u16, Vec<u32>)> = by_label
        .into_iter()
        .filter(|(label, _)| input.region_energy.get(label).is_some_and(|(energy, _)| *energy > 0.0))
        .collect();
    parallel(&found, plan.threads, |(label, voxels)| {
        let density = |n: u32| f64::from(input.density_g_cm3[n as usize]);
        let voxel_cm3 = input.grid.voxel_cm3();
        let (energy, variance) = input.region_energy.get(label).copied().unwrap_or((0.0, 0.0));
        Region {
            label: *label,
            name: input.names.get(label).cloned().unwrap_or_else(|| format!("label_{label}")),
            mass_g: voxels.iter().map(|&n| density(n)).sum::<f64>() * voxel_cm3,
            volume_cm3: voxels.len() as f64 * voxel_cm3,
            decays: voxels.iter().map(|&n| input.decays[n as usize]).sum(),
            transport_kev: energy,
            error_kev: variance.max(0.0).sqrt(),
            border_share: border_share(input, voxels),
            own_kev: own_energy(input, voxels, kernel),
            voxels: voxels.clone(),
        }
    })
}

fn border_share(input: &AuditInput<'_>, voxels: &[u32]) -> f64 {
    let grid = input.grid;
    let differs = |&n: &u32| {
        let at = grid.voxel(n as usize);
        let here = input.density_g_cm3[n as usize];
        (0..3).any(|axis| {
            [-1isize, 1].into_iter().any(|step| {
                let place = at[axis] as isize + step;
                if place < 0 || place >= grid.dims[axis] as isize {
                    return false;
                }
                let mut beside = at;
                beside[axis] = place as usize;
                let there = input.density_g_cm3[grid.index(beside[0], beside[1], beside[2])];
                f64::from((there - here).abs()) > BORDER_REL * f64::from(here.max(there))
            })
        })
    };
    voxels.iter().filter(|n| differs(n)).count() as f64 / voxels.len().max(1) as f64
}

/// Energy of a region's own decays that stays in it: electrons, and photons in the voxel's own density, keV. Computed in
/// the region's bounding box.
fn own_energy(input: &AuditInput<'_>, voxels: &[u32], kernel: &VoxelKernel) -> [f64; 2] {
    let grid = input.grid;
    let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
    for &n in voxels {
        let at = grid.voxel(n as usize);
        low = [0, 1, 2].map(|a| low[a].min(at[a]));
        high = [0, 1, 2].map(|a| high[a].max(at[a]));
    }
    let dims = [0, 1, 2].map(|a| high[a] - low[a] + 1);
    let place = |n: u32| {
        let at = grid.voxel(n as usize);
        (at[0] - low[0]) + dims[0] * ((at[1] - low[1]) + dims[1] * (at[2] - low[2]))
    };
    let mut map = vec![0.0; dims.iter().product()];
    for &n in voxels {
        map[place(n)] = input.decays[n as usize];
    }
    let laid = lay(&kernel.cropped(dims.map(|n| n - 1)), &map, dims);
    let electron = voxels.iter().map(|&n| laid.electron[place(n)]).sum();
    let photon = voxels
        .iter()
        .map(|&n| laid.photon[place(n)] * f64::from(input.density_g_cm3[n as usize]) / kernel.density_g_cm3)
        .sum();
    [electron, photon]
}

#[cfg(test)]
mod tests {
    use super::super::kernel_file::{Declared, RawKernel, read};
    use super::super::point_kernel::tests::soft;
    use super::*;
    use crate::dose::PassEnergy;
    use crate::transport::Scene;
    use crate::transport::cpu::CpuEngine;
    use crate::transport::run::{RunPlan, Silent, Simulation, Stop, simulate};
    use std::path::PathBuf;

    const SMALL: KernelPlan =
        KernelPlan { electron_histories: 12_000, photon_histories: 60_000, batches: 20, seed: 177 };

    /// The folder of shared reference data; none where it is absent.
    fn shared(below: &str) -> Option<PathBuf> {
        let root = std::env::var_os("LUTRA_SHARED")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
        let path = root.join(below);
        if path.exists() {
            return Some(path);
        }
        println!("SKIPPED: no {}", path.display());
        None
    }

    /// A transported case.
    struct Transported {
        scene: Scene,
        decays: Vec<f64>,
        labels: Vec<u16>,
        dose: DoseMap,
        energy: BTreeMap<u16, (f64, f64)>,
        nuclide: Nuclide,
    }

    fn transported(scene: Scene, decays: Vec<f64>, labels: Vec<u16>, histories: u64) -> Transported {
        let nuclide = Nuclide::load("lu177").unwrap();
        let plan = RunPlan {
            stop: Stop::Histories(histories),
            photon_share: 1.0,
            labels: Some(labels.clone()),
            ..RunPlan::default()
        };
        let run: Simulation = simulate(&scene, &decays, &nuclide, &plan, &mut CpuEngine::new(0), &mut Silent).unwrap();
        let n = scene.grid.len();
        let electron: Vec<f64> = (0..n).map(|v| run.electron.energy_kev(v)).collect();
        let photon: Vec<f64> = (0..n).map(|v| run.photon.energy_kev(v)).collect();
        let variance = |p: &crate::transport::run::PassResult| (0..n).map(|v| p.variance_kev2(v)).collect::<Vec<f64>>();
        let (ve, vp) = (variance(&run.electron), variance(&run.photon));
        let dose = DoseMap::from_energy(
            &scene.grid,
            &scene.density_g_cm3,
            PassEnergy { energy_kev: &electron, variance_kev2: &ve },
            PassEnergy { energy_kev: &photon, variance_kev2: &vp },
            AIR_LIMIT_G_CM3,
        )
        .unwrap();
        let mut energy: BTreeMap<u16, (f64, f64)> = BTreeMap::new();
        for (e, p) in run.electron.region_energy().iter().zip(run.photon.region_energy()) {
            energy.insert(e.label, (e.energy_kev + p.energy_kev, e.variance_kev2 + p.variance_kev2));
        }
        Transported { scene, decays, labels, dose, energy, nuclide }
    }

    /// A ball of activity in a cube of soft tissue: label 1 the ball, 2 the rest of the inner cube.
    fn uniform(edge: usize, spacing_mm: f64, radius: f64, histories: u64) -> Transported {
        let grid = VoxelGrid::axis_aligned([edge; 3], [spacing_mm; 3], [0.0; 3]);
        let scene = Scene::uniform(grid.clone(), Tissue::built_in("soft-tissue").unwrap(), 1.04).unwrap();
        let middle = (edge / 2) as f64;
        let distance = |n: usize| grid.voxel(n).map(|v| v as f64 - middle);
        let inside = |n: usize| distance(n).iter().map(|d| d * d).sum::<f64>().sqrt() <= radius;
        let near = |n: usize| distance(n).iter().all(|d| d.abs() <= radius + 3.0);
        let decays = (0..grid.len()).map(|n| if inside(n) { 1e6 } else { 0.0 }).collect();
        let labels = (0..grid.len()).map(|n| if inside(n) { 1 } else { 2 * u16::from(near(n)) }).collect();
        transported(scene, decays, labels, histories)
    }

    fn audited(case: &Transported, plan: &AuditPlan, names: &BTreeMap<u16, String>) -> Audit {
        let input = AuditInput {
            grid: &case.scene.grid,
            density_g_cm3: &case.scene.density_g_cm3,
            labels: &case.labels,
            names,
            decays: &case.decays,
            nuclide: &case.nuclide,
            transport: &case.dose,
            region_energy: &case.energy,
        };
        let audit = run(&input, plan, &mut CpuEngine::new(0), &mut |_| {}).unwrap();
        for (row, terms) in audit.rows.iter().zip(&audit.terms) {
            println!(
                "{} {} {:.4} +- {:.4} {}: {}",
                row.region,
                row.method,
                row.ratio,
                row.ratio_se,
                row.verdict.name(),
                row.cause
            );
            let sum: f64 = terms.iter().map(|t| t.effect_rel).sum();
            assert!((sum - (row.ratio - 1.0)).abs() < 1e-6, "terms add up: {sum} {}", row.ratio - 1.0);
        }
        audit
    }

    fn plan(user_kernels: Vec<VoxelKernel>) -> AuditPlan {
        AuditPlan {
            tolerance_rel: 0.05,
            kernels: SMALL,
            user_kernels,
            organ_tables: vec![OrganTable::adult("AM")],
            threads: 2,
        }
    }

    /// Voxels (with dose from decays in themselves or beside them) further from transport than 0.5 % + 2 sigma, as a share.
    fn share_apart(case: &Transported, kernel: &VoxelKernel) -> f64 {
        let laid = lay(kernel, &case.decays, case.scene.grid.dims);
        let voxel_g = kernel.voxel_g();
        let (mut apart, mut all) = (0, 0);
        for n in (0..case.labels.len()).filter(|&n| case.labels[n] > 0) {
            let gy = (laid.electron[n] + laid.photon[n]) * GY_PER_KEV_G / voxel_g;
            let (theirs, sigma) = (f64::from(case.dose.dose_gy[n]), f64::from(case.dose.sigma_rel[n]));
            all += 1;
            apart += usize::from((gy / theirs - 1.0).abs() > 0.005 + 2.0 * sigma);
        }
        apart as f64 / all as f64
    }

    /// In uniform soft tissue the convolution with Lutra's own kernel is the transport: regions within 0.5 % + 2 sigma,
    /// and of the voxels no more apart than 20 batches' standard errors leave outside two sigma (6 %, and the kernel's own).
    #[test]
    fn law_convolution_equals_transport_in_uniform_tissue() {
        let case = uniform(75, 4.8, 4.0, 400_000);
        let kernel = VoxelKernel::fold(soft(), [4.8; 3], 1.04, [16; 3]).unwrap();
        let laid = lay(&kernel, &case.decays, case.scene.grid.dims);
        for label in [1, 2] {
            let ours: f64 = (0..case.labels.len())
                .filter(|&n| case.labels[n] == label)
                .map(|n| laid.electron[n] + laid.photon[n])
                .sum();
            let (theirs, variance) = case.energy[&label];
            let (deviation, sigma) = (ours / theirs - 1.0, variance.sqrt() / theirs);
            println!("region {label}: {:+.3} % +- {:.3} %", 100.0 * deviation, 100.0 * sigma);
            assert!(deviation.abs() < 0.005 + 2.0 * sigma, "{label}: {deviation} {sigma}");
        }
        let share = share_apart(&case, &kernel);
        println!("{:.2} % of the voxels beyond 0.5 % + 2 sigma", 100.0 * share);
        assert!(share < 0.08, "{share}");
        // alarm: a kernel of another density
        let wrong = VoxelKernel::fold(soft(), [4.8; 3], 0.95, [16; 3]).unwrap();
        assert!(share_apart(&case, &wrong) > 0.1, "{}", share_apart(&case, &wrong));
    }

    fn published() -> Option<Vec<RawKernel>> {
        Some(read(&shared("data/ref/vsv_177Lu.csv")?).unwrap())
    }

    /// The published tables against Lutra's kernel of their voxel: the energy and the face-neighbour error that an
    /// independent analysis found (electrons 138 to 140 keV of 148 in A and C, source voxel 3 % high in B, whose
    /// medium needs density 1.00 and holds 151 keV; neighbours +1.7 %, -13 %, +2.3 %). That analysis scaled kernels of
    /// single energies; its own neighbours lie 2.6 % below EGSnrc's, which Lutra's meet within 1 %.
    #[test]
    fn reference_published_kernels_are_found_out() {
        let Some(published) = published() else { return };
        let find = |part: &str| published.iter().find(|k| k.name.contains(part)).unwrap();
        let report = |part: &str, voxel_mm: f64, density: f64| {
            let declared =
                Declared { spacing_mm: Some([voxel_mm; 3]), density_g_cm3: Some(density), ..Declared::default() };
            let (user, _) = find(part).interpret("Lu-177", Some([voxel_mm; 3]), &declared).unwrap();
            let own = VoxelKernel::fold(soft(), [voxel_mm; 3], density, [30; 3]).unwrap();
            let report = kernel_report(&user, &own, 14.23);
            println!(
                "{part}: {:.1} of {:.1} keV electrons; {}",
                report.electrons_kev,
                report.expected_electrons_kev,
                report.findings.join("; ")
            );
            report
        };
        let a = report(": A", 2.21, 1.04);
        assert!((137.5..140.5).contains(&a.electrons_kev), "{}", a.electrons_kev);
        assert!(
            a.findings[0].contains("missing") && a.findings[0].contains("conversion and Auger"),
            "{:?}",
            a.findings
        );
        assert!((a.source_ratio - 0.917).abs() < 0.01 && (a.neighbour_ratio[0] - 1.017).abs() < 0.035, "{a:?}");
        let b = report(": B ICRP soft tissue", 4.7952, 1.00);
        assert!((b.electrons_kev - 151.0).abs() < 2.0, "{}", b.electrons_kev);
        assert!(b.findings[0].contains("surplus"), "{:?}", b.findings);
        assert!((b.source_ratio - 1.031).abs() < 0.006 && (b.neighbour_ratio[0] - 0.867).abs() < 0.035, "{b:?}");
        let c = report(": C", 4.42, 1.04);
        assert!((137.0..140.5).contains(&c.electrons_kev), "{}", c.electrons_kev);
        assert!(c.findings[0].contains("conversion and Auger"), "{:?}", c.findings);
        assert!((c.neighbour_ratio[0] - 1.023).abs() < 0.035, "{c:?}");
        // C does not say its voxel size: refused unless the user does
        let refused = find(": C").interpret("Lu-177", Some([4.42; 3]), &Declared::default()).unwrap_err().to_string();
        assert!(refused.contains("voxel size: found not stated"), "{refused}");
    }

    /// The same tables in a uniform phantom: the audit gives them the dose that their energy means, and says why.
    #[test]
    fn reference_published_kernel_in_a_uniform_phantom() {
        let Some(published) = published() else { return };
        let raw = published.iter().find(|k| k.name.contains(": A")).unwrap();
        let (user, _) = raw.interpret("Lu-177", Some([2.21; 3]), &Declared::default()).unwrap();
        let case = uniform(31, 2.21, 5.0, 100_000);
        let audit = audited(&case, &plan(vec![user]), &BTreeMap::new());
        let row = audit.rows.iter().find(|r| r.label == 1 && r.method.starts_with("kernel")).unwrap();
        assert!((row.ratio - 0.935).abs() < 0.015, "{}", row.ratio);
        assert_eq!(row.verdict, Verdict::Outside);
        assert!(
            row.cause.starts_with("kernel: source voxel -7") && row.cause.contains("keV per decay missing"),
            "{}",
            row.cause
        );
        let own = audit.rows.iter().find(|r| r.label == 1 && r.method == "vsv_density_scaled").unwrap();
        assert_eq!(own.verdict, Verdict::Within);
    }

    /// A lung nodule phantom: soft tissue (1), a lung layer (2) with activity, far soft tissue with none (3).
    #[test]
    fn law_interfaces_density_and_cross_dose_are_named() {
        let grid = VoxelGrid::axis_aligned([16, 16, 24], [3.0; 3], [0.0; 3]);
        let n = grid.len();
        let lung = |v: usize| grid.voxel(v)[2] >= 12;
        let active = |v: usize| (10..12).contains(&grid.voxel(v)[2]);
        let tissues = vec![Tissue::built_in("soft-tissue").unwrap(), Tissue::built_in("lung").unwrap()];
        let density = (0..n).map(|v| if lung(v) { 0.26 } else { 1.04 }).collect();
        let scene = Scene::new(grid.clone(), density, (0..n).map(|v| u8::from(lung(v))).collect(), tissues).unwrap();
        let decays = (0..n).map(|v| if active(v) { 1e6 } else { 0.0 }).collect();
        // 1 the active layer, 2 the lung voxels at it, 3 soft tissue further off
        let label = |v: usize| match grid.voxel(v)[2] {
            10 | 11 => 1,
            12 => 2,
            0..=5 => 3,
            _ => 0,
        };
        let case = transported(scene, decays, (0..n).map(label).collect(), 200_000);
        let audit = audited(&case, &plan(Vec::new()), &BTreeMap::new());
        let row =
            |label: u16, method: &str| audit.rows.iter().find(|r| r.label == label && r.method == method).unwrap();
        // electrons of the layer reach the lung: local deposition gives it nothing
        let local = row(2, "local_electrons");
        assert!(local.ratio < 0.05 && local.cause.contains("electrons from beyond its border"), "{}", local.cause);
        // the water kernel crosses the interface as if it were water
        let water = row(2, "vsv_water");
        assert!(water.verdict == Verdict::Outside && water.cause.contains("density: 0.26"), "{}", water.cause);
        let split = row(2, "vsv_split");
        assert!(split.cause.contains("interfaces") || split.cause.contains("tissue"), "{}", split.cause);
        let far = row(3, "local_electrons");
        assert!(far.ratio == 0.0 && far.cause.starts_with("cross-dose by photons"), "{}", far.cause);
    }

    /// The real abdomen: kidneys' shortcuts within a few percent; lung base and cross-dose visibly not, and why.
    #[test]
    fn reference_audit_of_an_abdomen() {
        use crate::io::nifti;
        let Some(folder) = shared("cases/liver-ct/g48") else { return };
        let ct = nifti::read(folder.join("ct.nii.gz")).unwrap();
        let decays = nifti::read_as::<f64>(folder.join("tia_true.nii.gz")).unwrap();
        let labels = nifti::read_labels(folder.join("labels.nii.gz")).unwrap();
        let matter = crate::materials::tissue_map(&ct, &crate::materials::HuCalibration::schneider2000()).unwrap();
        let scene = Scene::new(ct.grid, matter.density_g_cm3, matter.tissue, matter.tissues).unwrap();
        let case = transported(scene, decays.data, labels.data, 400_000);
        let names = BTreeMap::from([(2, "kidney_right".to_owned()), (3, "kidney_left".to_owned())]);
        let audit = audited(&case, &plan(Vec::new()), &names);
        let row =
            |label: u16, method: &str| audit.rows.iter().find(|r| r.label == label && r.method == method).unwrap();
        for kidney in [2, 3] {
            for method in ["local_electrons", "vsv_density_scaled", "organ_split OpenDose AM", "sphere"] {
                let row = row(kidney, method);
                assert!((row.ratio - 1.0).abs() < 0.05 + 2.0 * row.ratio_se, "{kidney} {method} {}", row.ratio);
            }
        }
        let lung = row(8, "vsv_density_scaled");
        assert!(
            lung.verdict == Verdict::Outside && lung.cause.contains("scaled by density too"),
            "{} {}",
            lung.ratio,
            lung.cause
        );
        let spine = row(6, "local_electrons");
        assert!(spine.verdict == Verdict::Outside && spine.cause.starts_with("cross-dose"), "{}", spine.cause);
        let bone = row(24, "vsv_water");
        assert!(bone.ratio > 1.05 && bone.cause.starts_with("density"), "{} {}", bone.ratio, bone.cause);
    }
}
