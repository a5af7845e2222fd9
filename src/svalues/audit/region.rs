//! What is known of each region before any shortcut: its voxels, its energy by transport and by the water kernel.

use super::{AuditInput, AuditPlan};
use crate::cores;
use crate::svalues::convolution::Convolver;
use crate::svalues::voxel_kernel::VoxelKernel;
use std::collections::BTreeMap;

/// A voxel borders on another density where a face neighbour's differs by more than this share.
const BORDER_REL: f64 = 0.2;
/// Share of bordering voxels from which a region's remainder is put down to interfaces.
const BORDER_SHARE: f64 = 0.15;
/// What is known of a region before any shortcut.
pub(super) struct Region {
    pub(super) label: u16,
    pub(super) name: String,
    pub(super) voxels: Vec<u32>,
    pub(super) mass_g: f64,
    pub(super) volume_cm3: f64,
    pub(super) decays: f64,
    pub(super) transport_kev: f64,
    pub(super) error_kev: f64,
    /// Share of voxels that border on another density.
    pub(super) border_share: f64,
    /// Energy of its own decays that stays in it, by the split water kernel: electrons, photons, keV.
    pub(super) own_kev: [f64; 2],
}

impl Region {
    pub(super) fn density(&self) -> f64 {
        self.mass_g / self.volume_cm3
    }

    pub(super) fn sum(&self, energy_kev: &[f64]) -> f64 {
        self.voxels.iter().map(|&n| energy_kev[n as usize]).sum()
    }
}

/// The kernels' parts laid over all decays.
pub(super) struct Laid {
    pub(super) electron: Vec<f64>,
    pub(super) photon: Vec<f64>,
}

/// Name of what no kernel can know of a region.
pub(super) fn surroundings(region: &Region) -> String {
    if region.border_share >= BORDER_SHARE {
        format!(
            "interfaces, which a kernel crosses as if there were none ({:.0} % of its voxels border on another density)",
            100.0 * region.border_share
        )
    } else {
        "what lies around it: outline of the body, matter along the photons' way".to_owned()
    }
}

/// Both parts of a kernel laid over a map. Electrons reach a few voxels only: their part is cut to those.
pub(super) fn lay(kernel: &VoxelKernel, decays: &[f64], dims: [usize; 3]) -> Laid {
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
pub(super) fn electron_half(kernel: &VoxelKernel) -> [usize; 3] {
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
pub(super) fn regions(input: &AuditInput<'_>, plan: &AuditPlan, kernel: &VoxelKernel) -> Vec<Region> {
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
    cores::of_each_on(plan.threads, &found, |(label, voxels)| {
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

pub(super) fn border_share(input: &AuditInput<'_>, voxels: &[u32]) -> f64 {
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
pub(super) fn own_energy(input: &AuditInput<'_>, voxels: &[u32], kernel: &VoxelKernel) -> [f64; 2] {
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
