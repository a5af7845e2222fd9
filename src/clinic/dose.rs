//! From tallies to dose: map, regions and histograms.

use super::case::{Case, Computed, ComputedPass};
use super::dose_budgets;
use super::failure::Failure;
use super::from_files;
use super::full_budget;
use super::notes::Listener;
use super::request::{DoseRequest, DvhBands, RunOptions};
use crate::course::decision::implausible_dose;
use crate::course::names::standard;
use crate::course::protocol::Protocol;
use crate::dose::regions::{RegionDose, RegionEnergy, RegionHistogram, RegionInput, merge_labels, region_histograms};
use crate::dose::{AIR_LIMIT_G_CM3, DoseMap, PassEnergy};
use crate::io::dicom::Isotope;
use crate::note::Note;
use crate::report::EnergyBalance;
use crate::report::table::balance_lines;
use crate::transport::emission::Emissions;
use crate::volume::view;
use ndarray::ArrayView3;
use std::collections::BTreeMap;

/// A dose with all its results, in memory.
pub struct DoseResult {
    /// Inputs of the run, on one grid in canonical order (axes towards right, front, head).
    pub case: Case,
    /// Its tallies.
    pub computed: Computed,
    /// Absorbed dose by voxel, Gy, and its relative standard error.
    pub dose: DoseMap,
    /// Regions, groups of regions, and the histograms of both.
    pub tables: Tables,
}

/// The dose from a request's files, in memory; nothing is written.
///
/// Errors: those of the files; a device that fails; a ledger that does not balance.
pub fn dose(request: &DoseRequest, hear: &mut dyn Listener) -> Result<DoseResult, Failure> {
    let case = from_files::case(request, hear)?;
    DoseResult::of(case, &request.run, request.emissions, hear)
}

impl DoseResult {
    /// The dose of a case from any source ([`super::from_memory::Volumes`], [`from_files::case`]).
    ///
    /// Errors: as [`dose`].
    pub fn of(
        mut case: Case,
        run: &RunOptions,
        emissions: Emissions,
        hear: &mut dyn Listener,
    ) -> Result<Self, Failure> {
        let computed = full_budget::compute(&mut case, run, emissions, hear)?;
        Self::made(case, computed)
    }

    /// The dose of a case whose tallies are known: of merged shards.
    ///
    /// Errors: as [`dose_map`].
    pub fn made(case: Case, computed: Computed) -> Result<Self, Failure> {
        let dose = dose_map(&case, &computed)?;
        let tables = tables(&case, &computed, &dose)?;
        Ok(Self { case, computed, dose, tables })
    }

    /// Absorbed dose, Gy, as an array indexed (i, j, k) along the axes of the case's grid; no copy.
    pub fn dose_gy(&self) -> ArrayView3<'_, f32> {
        self.volume(&self.dose.dose_gy)
    }

    /// Relative standard error of the dose by the statistics of the transport alone, as [`DoseResult::dose_gy`].
    pub fn sigma_rel(&self) -> ArrayView3<'_, f32> {
        self.volume(&self.dose.sigma_rel)
    }

    fn volume<'a, T>(&self, values: &'a [T]) -> ArrayView3<'a, T> {
        view(&self.case.decays.grid, values).expect("a dose has one value a voxel of its grid")
    }

    /// Everything that the reader should know, in the order in which it came up.
    pub fn warnings(&self) -> impl Iterator<Item = &Note> {
        let of_run = self.case.warnings.iter().chain(&self.computed.warnings);
        of_run.chain(&self.tables.notes)
    }
}

/// Everything that the reader should know of a run: of the case, of the transport, of the regions.
pub fn warnings(case: &Case, computed: &Computed, rows: &[RegionDose]) -> Vec<Note> {
    let of_regions = RegionDose::notes(rows).into_iter().chain(without_band(computed, rows));
    let far = far_from_population(case, rows);
    case.warnings.iter().chain(&computed.warnings).cloned().chain(of_regions).chain(far).collect()
}

/// Regions that a band of everything known was asked for and of whose activity nothing is known.
fn without_band(computed: &Computed, rows: &[RegionDose]) -> Option<Note> {
    let unknown: Vec<&str> = rows.iter().filter(|row| row.total_rel_sigma.is_none()).map(|row| &row.name[..]).collect();
    let asked = computed.dvh_bands == DvhBands::Total && !unknown.is_empty();
    let text =
        "nothing is known of the uncertainty of its activity: its histogram has no band of the whole uncertainty";
    asked.then(|| Note::warning("dvh-band-unknown", text).at(format!("region {}", unknown.join(", "))))
}

/// The energy balances of both passes.
pub fn balances(computed: &Computed) -> [EnergyBalance; 2] {
    [&computed.electron, &computed.photon].map(|pass| pass.balance.clone())
}

/// The dose map of a case.
///
/// Errors: a ledger that does not balance; a dose impossible in a patient.
pub fn dose_map(case: &Case, computed: &Computed) -> Result<DoseMap, Failure> {
    let balances = balances(computed);
    if balances.iter().any(|balance| !balance.is_exact()) {
        return Err(Failure::run(format!(
            "the energy balance does not close: nothing was written\n{}",
            balance_lines(&balances).trim_end()
        )));
    }
    let mut dose = DoseMap::from_energy(
        &case.decays.grid,
        &case.density_g_cm3,
        energies(&computed.electron),
        energies(&computed.photon),
        AIR_LIMIT_G_CM3,
    )?;
    dose.pool_errors(&case.density_g_cm3, &case.decays.data, AIR_LIMIT_G_CM3);
    Ok(dose)
}

/// Energies of a pass for the dose map.
pub fn energies(pass: &ComputedPass) -> PassEnergy<'_> {
    PassEnergy { energy_kev: &pass.energy_kev, variance_kev2: &pass.variance_kev2 }
}

/// The regions, the groups of regions, and the histograms of both.
#[derive(Clone)]
pub struct Tables {
    /// Regions.
    pub rows: Vec<RegionDose>,
    /// Groups of regions.
    pub group_rows: Vec<RegionDose>,
    /// Of the regions, then of the groups.
    pub histograms: Vec<RegionHistogram>,
    /// What must be known of the regions and groups.
    pub notes: Vec<Note>,
}

/// Kidneys whose dose per activity is far from that of the population that every built-in protocol of 177Lu states.
fn far_from_population(case: &Case, rows: &[RegionDose]) -> Vec<Note> {
    let of_lutetium = Isotope::all_in(&case.nuclide.name).iter().any(|isotope| isotope.to_string() == "177Lu");
    let Some(protocol) = Protocol::built_in("iluminet").ok().filter(|_| of_lutetium) else { return Vec::new() };
    let kidney = |row: &&RegionDose| {
        standard(&row.name).is_some_and(|name| protocol.organ.structures.contains(&name.to_owned()))
    };
    let doubt = |row: &RegionDose| implausible_dose(&row.name, row.gy_per_gbq?, protocol.prior.gy_per_gbq);
    rows.iter().filter(kidney).filter_map(doubt).collect()
}

/// Tables and histograms of a dose.
pub fn tables(case: &Case, computed: &Computed, dose: &DoseMap) -> Result<Tables, Failure> {
    let table = |labels: &[u16],
                 names: &BTreeMap<u16, String>,
                 electron: &BTreeMap<u16, RegionEnergy>,
                 photon: &BTreeMap<u16, RegionEnergy>| {
        region_histograms(&RegionInput {
            labels,
            names,
            density_g_cm3: &case.density_g_cm3,
            decays: &case.decays.data,
            dose,
            electron,
            photon,
            administered_mbq: case.administered_mbq,
            air_limit_g_cm3: AIR_LIMIT_G_CM3,
        })
    };
    let (mut rows, mut histograms) =
        table(&case.labels, &case.names, &computed.electron.by_label, &computed.photon.by_label)?;
    if case.groups.is_empty() {
        dose_budgets::fill(case, computed.own.as_ref(), &mut rows);
        let histograms = banded(computed, histograms, rows.iter());
        let of_rows = rows.iter().filter_map(RegionDose::note);
        let notes = of_rows.chain(without_band(computed, &rows)).chain(far_from_population(case, &rows)).collect();
        return Ok(Tables { rows, group_rows: Vec::new(), histograms, notes });
    }
    let merged = merge_labels(&case.labels, &case.groups);
    let names = case.groups.iter().map(|(label, name, _)| (*label, name.clone())).collect();
    let (mut group_rows, of_groups) = table(&merged, &names, &computed.electron.by_group, &computed.photon.by_group)?;
    histograms.extend(of_groups);
    dose_budgets::fill(case, computed.own.as_ref(), &mut rows);
    dose_budgets::fill(case, computed.own.as_ref(), &mut group_rows);
    let histograms = banded(computed, histograms, rows.iter().chain(&group_rows));
    let of_rows = rows.iter().chain(&group_rows).filter_map(RegionDose::note);
    let notes = of_rows.chain(without_band(computed, &rows)).chain(far_from_population(case, &rows)).collect();
    Ok(Tables { rows, group_rows, histograms, notes })
}

/// Histograms with the bands that were asked for.
fn banded<'a>(
    computed: &Computed,
    histograms: Vec<RegionHistogram>,
    rows: impl Iterator<Item = &'a RegionDose>,
) -> Vec<RegionHistogram> {
    match computed.dvh_bands {
        DvhBands::Transport => histograms,
        DvhBands::Total => histograms.into_iter().zip(rows).map(|(histogram, row)| histogram.with_total(row)).collect(),
    }
}
