//! Mean dose, uncertainty and histogram points of labelled regions.
//!
//! The mean dose of a region is its energy over its mass, air included in both. Its standard error comes from the
//! batch-to-batch variance of the region's own energy sum: neighbouring voxels share histories, so voxel errors
//! must not be added in quadrature. Minimum, maximum and histogram points are all read off the histogram: of the voxels
//! that carry dose (not air), by mass, with the dose following its neighbours inside each voxel (`dvh::pieces`), so that
//! minimum <= D98 <= D2 <= maximum for one voxel too. They are biased outwards by the voxels' own noise;
//! `region_histograms` gives the curves with a band that holds that bias. A region wholly of air has no dose, as its voxels
//! have none.

use super::dvh::Dvh;
use super::dvh::band::{Curve, Noise, banded};
use super::dvh::pieces::{Field, whole_dvh};
use super::dvh::total::{TotalBand, with_total};
use super::{DoseError, DoseMap, fits};
use crate::bounds;
use crate::cores;
use crate::fault::{Setting, words};
use crate::note::Note;
use crate::text;
use crate::units::GY_PER_KEV_G;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;

/// Energy that one pass deposits in a region, for all decays of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RegionEnergy {
    /// Deposited energy, keV.
    pub energy_kev: f64,
    /// Variance of that estimate, from the spread of the batches, keV^2.
    pub variance_kev2: f64,
}

/// What a region table is made of; slices have one value a voxel of the dose map.
#[derive(Clone, Copy, Debug)]
pub struct RegionInput<'a> {
    /// Region label, 0 for none.
    pub labels: &'a [u16],
    /// Names by label; a label without one is called `label_N`.
    pub names: &'a BTreeMap<u16, String>,
    /// Mass density, g/cm3.
    pub density_g_cm3: &'a [f32],
    /// Decays over all time.
    pub decays: &'a [f64],
    /// The dose map, for minimum, maximum and histogram points.
    pub dose: &'a DoseMap,
    /// Energy of the electron pass by label.
    pub electron: &'a BTreeMap<u16, RegionEnergy>,
    /// Energy of the photon pass by label.
    pub photon: &'a BTreeMap<u16, RegionEnergy>,
    /// Administered activity, MBq, for the dose per activity.
    pub administered_mbq: Option<f64>,
    /// Density below which a voxel is air and stays out of the histogram, g/cm3.
    pub air_limit_g_cm3: f64,
}

/// One row of the region table. The field names are the column heads of `organs.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionDose {
    /// Region label.
    pub label: u16,
    /// Region name.
    pub name: String,
    /// Number of voxels.
    pub voxels: usize,
    /// Volume, mL.
    pub volume_ml: f64,
    /// Mass, g.
    pub mass_g: f64,
    /// Decays in the region over all time.
    pub decays: f64,
    /// Mean absorbed dose, Gy: energy over mass.
    pub dose_gy: f64,
    /// Standard error of the mean dose, Gy: transport only, its statistics.
    pub dose_se_gy: f64,
    /// Part of the mean dose brought by electrons, Gy.
    pub dose_electron_gy: f64,
    /// Part of the mean dose brought by photons, Gy.
    pub dose_photon_gy: f64,
    /// Mean dose per administered activity, Gy/GBq.
    pub gy_per_gbq: Option<f64>,
    /// Standard error of that, Gy/GBq: transport only.
    pub gy_per_gbq_se: Option<f64>,
    /// Lowest dose of the histogram, Gy.
    pub min_gy: f64,
    /// Dose that 98 % of the mass receives, Gy.
    pub d98_gy: f64,
    /// Dose that 90 % of the mass receives, Gy.
    pub d90_gy: f64,
    /// Dose that half the mass receives, Gy.
    pub d50_gy: f64,
    /// Dose that 2 % of the mass receives, Gy.
    pub d2_gy: f64,
    /// Highest dose of the histogram, Gy.
    pub max_gy: f64,
    /// Relative standard uncertainty of the mean dose (k = 1) by everything known; none where only the transport's is.
    pub total_rel_sigma: Option<f64>,
    /// Lower end of the 95 % interval by the same, Gy.
    pub low95_gy: Option<f64>,
    /// Upper end, Gy.
    pub high95_gy: Option<f64>,
    /// Sources of uncertainty of which nothing is known, in words, with commas between; empty until they are asked for.
    pub not_assessed: String,
    /// Whether one of these weighs, so that the total is the least it can be.
    #[serde(skip)]
    pub not_assessed_weighs: bool,
    /// Voxels that carry dose (not air).
    #[serde(skip)]
    pub dosed_voxels: usize,
    /// Of these, those with a dose below 0.
    #[serde(skip)]
    pub negative_voxels: usize,
}

impl RegionDose {
    /// What the reader must know of the row; none where there is nothing.
    pub fn note(&self) -> Option<Note> {
        let at = format!("region {}", self.name);
        if self.dosed_voxels == 0 {
            let text =
                format!("all of its {} voxels are air, which carries no dose: none is stated for it", self.voxels);
            return Some(Note::warning("region-in-air", text).at(at));
        }
        NegativeVoxels::of(self).and_then(|one| negative_doses(&[one]))
    }

    /// What the reader must know of all rows; negative doses of several regions are one note.
    pub fn notes<'a>(rows: impl IntoIterator<Item = &'a Self>) -> Vec<Note> {
        let (mut notes, mut negative) = (Vec::new(), Vec::new());
        for row in rows {
            match NegativeVoxels::of(row) {
                Some(found) => negative.push(found),
                None => notes.extend(row.note()),
            }
        }
        notes.extend(negative_doses(&negative));
        notes
    }
}

/// A region whose D98 lies below 0 by the transport's statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegativeVoxels {
    /// The region.
    pub region: String,
    /// Voxels with a dose below 0.
    pub below: usize,
    /// Voxels that carry dose.
    pub of: usize,
}

impl NegativeVoxels {
    /// Those of a row, where its D98 lies below 0.
    fn of(row: &RegionDose) -> Option<Self> {
        let negative = row.dosed_voxels > 0 && row.d98_gy < 0.0;
        negative.then(|| Self { region: row.name.clone(), below: row.negative_voxels, of: row.dosed_voxels })
    }
}

/// One note for regions with negative doses: the statistics of the transport, not an error. None for no region.
pub fn negative_doses(regions: &[NegativeVoxels]) -> Option<Note> {
    let next = |found: String, stands: &str| words!(found, Setting::Histories, stands);
    match regions {
        [] => None,
        [one] => {
            let found = format!(
                "{} of its {} voxels have a negative dose, which is the transport's statistics: its D98 says nothing; raise ",
                one.below, one.of
            );
            let text = next(found, " (its mean dose stands)");
            Some(Note::warning("negative-dose-voxels", text).at(format!("region {}", one.region)))
        }
        several => {
            let parts: Vec<String> =
                several.iter().map(|one| format!("{} ({} of {} voxels)", one.region, one.below, one.of)).collect();
            let found = format!(
                "negative doses, which are the transport's statistics, in {}: the D98 of these regions says nothing; raise ",
                parts.join(", ")
            );
            Some(Note::warning("negative-dose-voxels", next(found, " (their mean doses stand)")))
        }
    }
}

struct Sums {
    voxels: usize,
    density_sum_g_cm3: f64,
    decays: f64,
    /// Voxels that carry dose, ascending.
    members: Vec<u32>,
}

impl Sums {
    fn none() -> Self {
        Self { voxels: 0, density_sum_g_cm3: 0.0, decays: 0.0, members: Vec::new() }
    }
}

impl<'a> RegionInput<'a> {
    fn field(&self) -> Field<'a> {
        Field {
            grid: &self.dose.grid,
            dose_gy: &self.dose.dose_gy,
            density_g_cm3: Some(self.density_g_cm3),
            least_density_g_cm3: self.air_limit_g_cm3,
        }
    }

    fn noise(&self, members: &[u32], mean_se_gy: f64) -> Noise {
        let voxels = || members.iter().map(|&n| n as usize);
        Noise {
            dose_gy: voxels().map(|n| self.dose.dose_gy[n]).collect(),
            se_gy: voxels().map(|n| self.dose.dose_gy[n].abs() * self.dose.sigma_rel[n]).collect(),
            mass: voxels().map(|n| self.density_g_cm3[n]).collect(),
            mean_se_gy,
        }
    }
}

/// The table: one row for each label above 0 that has a voxel, ascending.
///
/// Errors when a slice does not fit the grid of the dose map or a label has no energy from one of the passes.
pub fn region_table(input: &RegionInput<'_>) -> Result<Vec<RegionDose>, DoseError> {
    of_regions(input, |row, _, _| row)
}

/// The table, and the histogram of each row with its curve and band. Errors as [`region_table`].
pub fn region_histograms(input: &RegionInput<'_>) -> Result<(Vec<RegionDose>, Vec<RegionHistogram>), DoseError> {
    let both = of_regions(input, |row, dvh, members| {
        let curve = banded(&dvh, &input.noise(&members, row.dose_se_gy));
        let histogram = RegionHistogram { label: row.label, name: row.name.clone(), dvh, curve, total: None };
        (row, histogram)
    })?;
    Ok(both.into_iter().unzip())
}

/// What `make` makes of each region's row, histogram and voxels, in ascending label.
fn of_regions<T: Send>(
    input: &RegionInput<'_>,
    make: impl Fn(RegionDose, Dvh, Vec<u32>) -> T + Sync,
) -> Result<Vec<T>, DoseError> {
    let count = input.dose.grid.len();
    fits("label map", input.labels.len(), count)?;
    fits("density", input.density_g_cm3.len(), count)?;
    fits("decay map", input.decays.len(), count)?;
    let mut by_label: BTreeMap<u16, Sums> = BTreeMap::new();
    for n in 0..count {
        if input.labels[n] == 0 {
            continue;
        }
        let sums = by_label.entry(input.labels[n]).or_insert_with(Sums::none);
        let density = f64::from(input.density_g_cm3[n]);
        sums.voxels += 1;
        sums.density_sum_g_cm3 += density;
        sums.decays += input.decays[n];
        if density >= input.air_limit_g_cm3 {
            sums.members.push(u32::try_from(n).expect("a grid has fewer than 2^31 voxels"));
        }
    }
    let rows = cores::of_each(by_label, |(label, sums)| {
        let dvh = whole_dvh(&input.field(), &sums.members);
        let row = row(input, label, &sums, &dvh)?;
        Ok(make(row, dvh, sums.members))
    });
    rows.into_iter().collect()
}

fn row(input: &RegionInput<'_>, label: u16, sums: &Sums, dvh: &Dvh) -> Result<RegionDose, DoseError> {
    let energy_of =
        |pass: &BTreeMap<u16, RegionEnergy>| pass.get(&label).copied().ok_or(DoseError::MissingLabel { label });
    let (electron, photon) = (energy_of(input.electron)?, energy_of(input.photon)?);
    let voxel_cm3 = input.dose.grid.voxel_cm3();
    let mass_g = sums.density_sum_g_cm3 * voxel_cm3;
    // air carries energy and no dose, voxel by voxel and as a whole region
    let gy_per_kev = if mass_g > 0.0 && !sums.members.is_empty() { GY_PER_KEV_G / mass_g } else { 0.0 };
    let dose_gy = (electron.energy_kev + photon.energy_kev) * gy_per_kev;
    let dose_se_gy = (electron.variance_kev2 + photon.variance_kev2).max(0.0).sqrt() * gy_per_kev;
    let name = input.names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
    for (what, gy) in [("mean dose", dose_gy), ("standard error of the mean dose", dose_se_gy)] {
        bounds::region_dose(&format!("region {name}: {what}"), gy, input.administered_mbq)?;
    }
    let per_gbq = |gy: f64| input.administered_mbq.map(|mbq| gy / (mbq * 1e-3));
    let point = |percent: f64| f64::from(dvh.dose_at_volume_gy(percent).unwrap_or(0.0));
    let negative = |n: &&u32| input.dose.dose_gy[**n as usize] < 0.0;
    Ok(RegionDose {
        label,
        name,
        voxels: sums.voxels,
        volume_ml: sums.voxels as f64 * voxel_cm3,
        mass_g,
        decays: sums.decays,
        dose_gy,
        dose_se_gy,
        dose_electron_gy: electron.energy_kev * gy_per_kev,
        dose_photon_gy: photon.energy_kev * gy_per_kev,
        gy_per_gbq: per_gbq(dose_gy),
        gy_per_gbq_se: per_gbq(dose_se_gy),
        min_gy: point(100.0),
        d98_gy: point(98.0),
        d90_gy: point(90.0),
        d50_gy: point(50.0),
        d2_gy: point(2.0),
        max_gy: point(0.0),
        total_rel_sigma: None,
        low95_gy: None,
        high95_gy: None,
        not_assessed: String::new(),
        not_assessed_weighs: false,
        dosed_voxels: sums.members.len(),
        negative_voxels: sums.members.iter().filter(negative).count(),
    })
}

/// A region's histogram with its curve.
#[derive(Clone, Debug)]
pub struct RegionHistogram {
    /// Region label.
    pub label: u16,
    /// Region name.
    pub name: String,
    /// The histogram.
    pub dvh: Dvh,
    /// Its curve with the 95 % band of the transport's statistics.
    pub curve: Curve,
    /// The 95 % band of everything known, where it was asked for and something is known of the activity.
    pub total: Option<TotalBand>,
}

impl RegionHistogram {
    /// The same with the band of everything known of the row's dose; as it is where that is nothing.
    pub fn with_total(mut self, row: &RegionDose) -> Self {
        if let Some(ends) = row.low95_gy.zip(row.high95_gy).filter(|_| row.dose_gy > 0.0) {
            let factors = [ends.0, ends.1].map(|gy| gy / row.dose_gy);
            let (curve, band) = with_total(&self.dvh, &self.curve, factors);
            (self.curve, self.total) = (curve, Some(band));
        }
        self
    }
}

/// Labels merged into groups: each voxel gets the label of the group that lists its own, or 0.
///
/// `groups` are (new label, name, members); a member of two groups goes to the first.
pub fn merge_labels(labels: &[u16], groups: &[(u16, String, Vec<u16>)]) -> Vec<u16> {
    let merged = |label: u16| groups.iter().find(|(_, _, members)| members.contains(&label)).map_or(0, |group| group.0);
    labels.iter().map(|&label| merged(label)).collect()
}

/// Writes the table as CSV; the heads carry the units. Numbers are written in full, so that a reader gets back
/// what was computed.
pub fn write_csv<W: Write>(rows: &[RegionDose], to: W) -> Result<(), csv::Error> {
    text::rows::write(rows, to)
}

#[cfg(test)]
mod tests {
    use super::super::{AIR_LIMIT_G_CM3, PassEnergy};
    use super::*;
    use crate::grid::VoxelGrid;

    struct Fixture {
        labels: Vec<u16>,
        density: Vec<f32>,
        decays: Vec<f64>,
        dose: DoseMap,
        electron: BTreeMap<u16, RegionEnergy>,
        photon: BTreeMap<u16, RegionEnergy>,
        names: BTreeMap<u16, String>,
    }

    /// Four voxels of 1 cm3: two of label 7 (1 and 3 g/cm3), one of label 2, one unlabelled.
    fn fixture() -> Fixture {
        let grid = VoxelGrid::axis_aligned([4, 1, 1], [10.0; 3], [0.0; 3]);
        let kev_per_gy_g = 1.0 / GY_PER_KEV_G;
        let energy: Vec<f64> = [2.0, 12.0, 5.0, 100.0].map(|gy_g| gy_g * kev_per_gy_g).to_vec();
        let zero = vec![0.0; 4];
        let density = vec![1.0, 3.0, 1.0, 1.0];
        let electron = PassEnergy { energy_kev: &energy, variance_kev2: &zero };
        let photon = PassEnergy { energy_kev: &zero, variance_kev2: &zero };
        let dose = DoseMap::from_energy(&grid, &density, electron, photon, AIR_LIMIT_G_CM3).expect("fits");
        let region = |gy_g: f64, se_gy_g: f64| RegionEnergy {
            energy_kev: gy_g * kev_per_gy_g,
            variance_kev2: (se_gy_g * kev_per_gy_g).powi(2),
        };
        Fixture {
            labels: vec![7, 7, 2, 0],
            density,
            decays: vec![1.0, 2.0, 4.0, 8.0],
            dose,
            electron: BTreeMap::from([(2, region(5.0, 0.0)), (7, region(14.0, 0.3))]),
            photon: BTreeMap::from([(2, region(0.0, 0.0)), (7, region(2.0, 0.4))]),
            names: BTreeMap::from([(7, "tumour".to_owned())]),
        }
    }

    fn input(fixture: &Fixture) -> RegionInput<'_> {
        RegionInput {
            labels: &fixture.labels,
            names: &fixture.names,
            density_g_cm3: &fixture.density,
            decays: &fixture.decays,
            dose: &fixture.dose,
            electron: &fixture.electron,
            photon: &fixture.photon,
            administered_mbq: Some(2000.0),
            air_limit_g_cm3: AIR_LIMIT_G_CM3,
        }
    }

    fn table(fixture: &Fixture) -> Result<Vec<RegionDose>, DoseError> {
        region_table(&input(fixture))
    }

    #[test]
    fn law_region_mean_is_energy_over_mass() {
        let rows = table(&fixture()).expect("fits");
        assert_eq!(rows.iter().map(|row| row.label).collect::<Vec<_>>(), [2, 7], "ascending, 0 left out");
        assert_eq!(rows[0].name, "label_2");
        let tumour = &rows[1];
        assert_eq!((tumour.voxels, tumour.name.as_str()), (2, "tumour"));
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-6, "{found} for {wanted}");
        close(tumour.mass_g, 4.0);
        close(tumour.volume_ml, 2.0);
        close(tumour.decays, 3.0);
        close(tumour.dose_gy, 4.0);
        close(tumour.dose_electron_gy, 3.5);
        close(tumour.dose_photon_gy, 0.5);
        close(tumour.dose_se_gy, 0.5 / 4.0);
        close(tumour.gy_per_gbq.expect("activity given"), 2.0);
        close(tumour.gy_per_gbq_se.expect("activity given"), 0.0625);
        // inside the voxels of 2 and 4 Gy the dose runs on by the slopes to their neighbours
        assert!((1.0..1.01).contains(&tumour.min_gy) && (4.74..4.75).contains(&tumour.max_gy), "{tumour:?}");
        assert_eq!(tumour.note(), None);
    }

    /// The points of a histogram lie between its ends, of one voxel beside a hotter one too.
    #[test]
    fn law_points_lie_between_minimum_and_maximum() {
        for row in table(&fixture()).expect("fits") {
            let points = [row.min_gy, row.d98_gy, row.d90_gy, row.d50_gy, row.d2_gy, row.max_gy];
            assert!(points.is_sorted(), "{points:?}");
            assert!(row.voxels > 1 || points[0] < row.dose_gy && row.dose_gy < points[5], "{row:?}");
        }
    }

    /// A region of air has no dose, as its voxels have none; one with a single voxel of tissue has.
    #[test]
    fn law_a_region_of_air_has_no_dose() {
        let mut air = fixture();
        air.density[0] = 0.001;
        air.dose.dose_gy[0] = 0.0;
        let partly = table(&air).expect("fits").remove(1);
        assert!(partly.dose_gy > 4.0 && partly.note().is_none(), "{partly:?}");
        air.density[1] = 0.001;
        air.dose.dose_gy[1] = 0.0;
        let wholly = table(&air).expect("fits").remove(1);
        let all = [wholly.dose_gy, wholly.dose_se_gy, wholly.dose_electron_gy, wholly.dose_photon_gy, wholly.max_gy];
        assert_eq!(all, [0.0; 5]);
        let note = wholly.note().expect("said");
        assert!(note.to_string().starts_with("region tumour: all of its 2 voxels are air"), "{note}");
    }

    #[test]
    fn alarm_a_negative_d98_is_said() {
        let mut noisy = fixture();
        noisy.dose.dose_gy[0] = -0.5;
        let row = table(&noisy).expect("fits").remove(1);
        assert!(row.d98_gy < 0.0, "{row:?}");
        let note = row.note().expect("said");
        assert!(note.to_string().starts_with("region tumour: 1 of its 2 voxels have a negative dose"), "{note}");
    }

    /// The errors that a histogram's band is made of are positive, of doses below 0 too.
    #[test]
    fn law_errors_of_negative_doses_are_positive() {
        let mut fixture = fixture();
        fixture.dose.dose_gy[0] = -2.0;
        fixture.dose.sigma_rel = vec![0.5; 4];
        assert_eq!(input(&fixture).noise(&[0, 1], 0.1).se_gy, [1.0, 0.5 * fixture.dose.dose_gy[1]]);
    }

    #[test]
    fn alarm_label_without_energy_is_refused() {
        let mut lacking = fixture();
        lacking.photon.remove(&7);
        let error = table(&lacking).expect_err("label 7 has no photon energy");
        assert_eq!(error.to_string(), "label 7 has voxels but no tallied energy");
    }

    /// A region's dose that no region has had is refused, whoever gave it.
    #[test]
    fn alarm_impossible_regions_are_refused() {
        let of = |change: &dyn Fn(&mut Fixture), administered_mbq: f64| {
            let mut fixture = fixture();
            change(&mut fixture);
            let result = region_table(&RegionInput { administered_mbq: Some(administered_mbq), ..input(&fixture) });
            result.err().map(|error| error.to_string()).unwrap_or_default()
        };
        let energy =
            |factor: f64| move |fixture: &mut Fixture| fixture.electron.get_mut(&7).unwrap().energy_kev *= factor;
        assert_eq!(of(&energy(1.0), 2000.0), "");
        let found = of(&energy(10.0), 2.0);
        assert!(found.starts_with("region tumour: mean dose: found 17750 Gy/GBq; allowed: at most 10000"), "{found}");
        for factor in [1e5, 1e40, f64::INFINITY, f64::NAN] {
            let found = of(&energy(factor), 2000.0);
            assert!(found.starts_with("region tumour: mean dose: found"), "{factor}: {found}");
        }
        let variance = |fixture: &mut Fixture| fixture.photon.get_mut(&7).unwrap().variance_kev2 = f64::INFINITY;
        assert!(of(&variance, 2000.0).starts_with("region tumour: standard error"));
    }

    #[test]
    fn law_csv_heads_carry_units() {
        let rows = table(&fixture()).expect("fits");
        let mut bytes = Vec::new();
        write_csv(&rows, &mut bytes).expect("memory");
        let text = String::from_utf8(bytes).expect("text");
        let head = "label,name,voxels,volume_ml,mass_g,decays,dose_gy,dose_se_gy,dose_electron_gy,dose_photon_gy,\
                    gy_per_gbq,gy_per_gbq_se,min_gy,d98_gy,d90_gy,d50_gy,d2_gy,max_gy,total_rel_sigma,low95_gy,high95_gy,\
                    not_assessed";
        assert_eq!(text.lines().next(), Some(head));
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn law_merged_labels_follow_their_group() {
        let groups = [(102, "both".to_owned(), vec![2, 12]), (103, "other".to_owned(), vec![3])];
        assert_eq!(merge_labels(&[0, 2, 12, 3, 4], &groups), [0, 102, 102, 103, 0]);
    }
}
