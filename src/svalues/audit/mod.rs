//! The shortcuts of one case beside its transport.
//!
//! One call makes the kernels, runs every shortcut on the same decays and densities, and compares each with the
//! transport: by region (dose, ratio, agreement, causes) and by voxel. Region doses are energy over mass for all alike; a
//! shortcut that gives doses (an unscaled kernel, an organ's mean) is converted to the energy that gives its dose in the
//! voxel's own mass.

use self::comparison::AuditComparison;
use super::SvalueError;
use super::cause::{KernelReport, Term};
use super::compare::Agreement;
use super::organ::OrganTable;
use super::point_kernel::KernelPlan;
use super::voxel_kernel::VoxelKernel;
use crate::decay::Nuclide;
use crate::dose::DoseMap;
use crate::grid::VoxelGrid;
use crate::transport::Engine;
use serde::Serialize;
use std::collections::BTreeMap;

mod comparison;
mod region;
mod shortcuts;
#[cfg(test)]
mod tests;

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
    /// Agreement at the tolerance.
    pub verdict: Agreement,
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

/// Makes the kernels, runs the shortcuts and compares them. `tell` hears what is being done.
///
/// Errors: those of the kernels' transport, and volumes that do not fit the grid.
pub fn run(
    input: &AuditInput<'_>,
    plan: &AuditPlan,
    engine: &mut dyn Engine,
    tell: &mut dyn FnMut(&str),
) -> Result<Audit, SvalueError> {
    let mut comparison = AuditComparison::new(input, plan, engine, tell)?;
    tell("organ tables and spheres");
    comparison.organs();
    comparison.spheres();
    for user in &plan.user_kernels {
        tell(&format!("kernel {}", user.name));
        comparison.user_kernel(user, engine)?;
    }
    tell("comparing voxels");
    comparison.finish()
}
