//! Matter, decays and regions on one grid: common to all ways of making a case.

use super::case::{Case, data_sets};
use super::failure::{OrUserError, UserError};
use super::images::{self, Image, OpenedRegions};
use super::known::ActivityKnown;
use super::notes::Listener;
use super::outlines::{Outlines, tell};
use super::request::{DicomOut, GridChoice, Stop};
use super::room;
use crate::ct::{check_hounsfield, contrast};
use crate::decay::Nuclide;
use crate::dose::AIR_LIMIT_G_CM3;
use crate::fault::{Explained, FaultKind, Setting};
use crate::grid::{Orientation, Volume, VoxelGrid};
use crate::io::dicom::Origin;
use crate::materials::hu_curve::HuCalibration;
use crate::materials::tissue_map;
use crate::materials::tissues::Tissue;
use crate::note::Note;
use crate::report::run_record::InputFile;
use crate::source::outline_notes::{Names, apart, meet};
use crate::source::outlines::{Outlined, redistribute_within};
use crate::source::regrid::{average_to, redistribute};
use crate::source::{DecayMap, Regridded};
use crate::transport::Scene;
use crate::units::rounded;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Share of the decays outside the grid or in air above which the record warns.
const WARN_SHARE: f64 = 1e-3;
/// HU outside the CT: air, since vacuum would stop nothing.
const OUTSIDE_HU: f32 = -1000.0;

/// Matter on the grid of the result.
pub(super) struct Matter {
    pub(super) grid: VoxelGrid,
    pub(super) density_g_cm3: Vec<f32>,
    pub(super) tissue: Vec<u8>,
    pub(super) tissues: Vec<Tissue>,
    pub(super) hu: Option<Vec<f32>>,
    pub(super) calibration: Option<String>,
    /// Grid of the CT or the explicit scene, which labels may lie on.
    pub(super) own_grid: VoxelGrid,
    pub(super) orientation: Orientation,
    pub(super) form_code: i16,
    pub(super) origin: Option<Origin>,
    pub(super) inputs: Vec<InputFile>,
}

/// Grid of the activity, its order in the user's file, and its kind of coordinates.
pub(super) struct ActivityFrame {
    pub(super) grid: VoxelGrid,
    pub(super) orientation: Orientation,
    pub(super) form_code: i16,
}

/// Regions on the result's grid.
pub(super) struct Labels {
    pub(super) labels: Vec<u16>,
    pub(super) names: BTreeMap<u16, String>,
    /// As opened; `None` without a label map.
    pub(super) own: Option<Arc<OpenedRegions>>,
}

/// How decays are laid onto the grid of a case.
#[derive(Clone, Copy)]
pub(super) struct Laying {
    /// Whether they stay with the outlines that share an image voxel.
    pub(super) outlined: bool,
    /// Whether the outlines were already held against the images that the decays come from.
    pub(super) judged: bool,
}

/// A case without its decays.
pub(super) struct Parts {
    pub(super) nuclide: Nuclide,
    pub(super) matter: Matter,
    pub(super) labels: Vec<u16>,
    pub(super) names: BTreeMap<u16, String>,
    pub(super) administered_mbq: Option<f64>,
    pub(super) image_times_h: Vec<f64>,
    pub(super) activity_known: ActivityKnown,
    pub(super) dicom: Option<DicomOut>,
    pub(super) inputs: Vec<InputFile>,
    pub(super) settings: BTreeMap<String, Value>,
    pub(super) warnings: Vec<Note>,
}

impl Parts {
    /// The case with the decays put on its grid; decays outside the grid or in air are reported.
    pub(super) fn with_decays(
        mut self,
        activity: &DecayMap,
        how: Laying,
        hear: &mut dyn Listener,
    ) -> Result<Case, UserError> {
        let decays_in_file = activity.total_decays();
        let regridded = self.laid(activity, how, hear)?;
        let (matter, warnings) = (&self.matter, &mut self.warnings);
        hear.info(
            "decays-on-grid",
            format!(
                "decays: {} in the activity, {} of them on the grid, {} outside ({} %)",
                rounded(regridded.source, 6),
                rounded(regridded.kept, 6),
                rounded(regridded.lost, 3),
                rounded(100.0 * regridded.lost_share(), 2)
            ),
        );
        if regridded.lost_share() > WARN_SHARE {
            warnings.push(Note::warning(
                "decays-outside",
                format!("{:.2} % of the decays lie outside the grid", 100.0 * regridded.lost_share()),
            ));
        }
        let decays = regridded.volume.into_volume();
        let in_air: f64 = (0..decays.data.len())
            .filter(|&n| f64::from(matter.density_g_cm3[n]) < AIR_LIMIT_G_CM3)
            .map(|n| decays.data[n])
            .sum();
        if in_air > WARN_SHARE * decays_in_file {
            warnings.push(Note::warning(
                "decays-in-air",
                format!(
                    "{:.2} % of the decays lie in air (below {AIR_LIMIT_G_CM3} g/cm3), where no dose is stated",
                    100.0 * in_air / decays_in_file
                ),
            ));
        }
        Ok(self.case(decays, decays_in_file))
    }

    /// The decays on the case's grid, within the outlines or by volume alone.
    fn laid(&mut self, activity: &DecayMap, how: Laying, hear: &mut dyn Listener) -> Result<Regridded, UserError> {
        let grid = &self.matter.grid;
        if !how.outlined || activity.grid().same_as(grid) {
            return redistribute(activity, grid).or_user_error();
        }
        let outlines = Outlines::in_matter(&self.labels, grid, &self.matter.density_g_cm3);
        let Outlined { regridded, shares, concentrations } =
            redistribute_within(activity, &outlines.labels).or_user_error()?;
        let names = Names { names: &self.names, air: outlines.air };
        if !meet(&shares, &activity.decays().data, &names) {
            self.warnings.push(apart());
            return redistribute(activity, grid).or_user_error();
        }
        // the sum of nothing is -0.0
        let shared: f64 = shares.mixed().map(|(voxel, _)| activity.decays().data[voxel]).sum::<f64>() + 0.0;
        hear.info(
            "decays-shared",
            format!(
                "{:.1} % of the decays lie in image voxels that several outlines share; they were divided by the mean \
                 concentration of each outline ({} steps)",
                100.0 * shared / regridded.source,
                concentrations.steps
            ),
        );
        if !how.judged {
            let doubts = outlines.doubts(activity.decays(), &shares, &concentrations, &self.names, (true, None), false);
            tell(doubts, &mut self.warnings, hear);
        }
        Ok(regridded)
    }

    /// The case with decays on its grid; `decays_in_file` is the number before any fell outside.
    pub(super) fn case(self, decays: Volume<f64>, decays_in_file: f64) -> Case {
        let Self {
            nuclide,
            matter,
            labels,
            names,
            administered_mbq,
            image_times_h,
            activity_known,
            dicom,
            inputs,
            settings,
            warnings,
        } = self;
        Case {
            decays,
            density_g_cm3: matter.density_g_cm3,
            tissue: matter.tissue,
            tissues: matter.tissues,
            hu: matter.hu,
            labels,
            names,
            groups: Vec::new(),
            administered_mbq,
            image_times_h,
            activity: activity_known,
            decays_in_file,
            data_sets: data_sets(&nuclide, matter.calibration.as_deref()),
            nuclide,
            orientation: matter.orientation,
            form_code: matter.form_code,
            origin: matter.origin,
            dicom,
            inputs,
            settings,
            warnings,
        }
    }
}

/// Matter from a CT, HU; `name` is its name in messages.
pub(super) fn matter_of_ct(
    ct: &Image<f32>,
    name: &str,
    grid: GridChoice,
    activity: Option<&ActivityFrame>,
    warnings: &mut Vec<Note>,
) -> Result<Matter, UserError> {
    check_hounsfield(&ct.volume).map_err(|error| error.fault().inside(name))?;
    scene_grid(name, &ct.volume.grid)?;
    let own_grid = ct.volume.grid.clone();
    let (target, orientation, form_code) = match (grid, activity) {
        (GridChoice::Activity, Some(frame)) => (frame.grid.clone(), frame.orientation.clone(), frame.form_code),
        (GridChoice::Millimetre(edge_mm), _) => {
            let cover = own_grid.isotropic_cover(edge_mm).or_user_error()?;
            let orientation = cover.orientation();
            (cover, orientation, ct.form_code)
        }
        _ => (own_grid.clone(), ct.orientation.clone(), ct.form_code),
    };
    room::for_run(name, target.len())?;
    let averaged = average_to(&ct.volume, &target, OUTSIDE_HU).or_user_error()?;
    if averaged.uncovered > 0 {
        warnings.push(Note::warning(
            "ct-not-covering",
            format!(
                "the CT does not reach {} of {} voxels of the grid; they are taken as air",
                averaged.uncovered,
                target.len()
            ),
        ));
    }
    let calibration = HuCalibration::schneider2000();
    let matter = tissue_map(&averaged.volume, &calibration).map_err(|error| error.fault().inside(name))?;
    warnings.extend(matter.report.warnings.iter().map(|warning| warning.clone().at(name)));
    Ok(Matter {
        grid: target,
        density_g_cm3: matter.density_g_cm3,
        tissue: matter.tissue,
        tissues: matter.tissues,
        hu: Some(averaged.volume.data),
        calibration: Some(calibration.source),
        own_grid,
        orientation,
        form_code,
        origin: ct.origin.clone(),
        inputs: vec![ct.input.clone()],
    })
}

/// Refuses an impossible grid; `name` is its file in messages.
pub(super) fn scene_grid(name: &str, grid: &VoxelGrid) -> Result<(), UserError> {
    Scene::holds(grid).map_err(|error| {
        error.fault().inside(name).then("Check the unit of its voxel edges (mm); crop or resample it.")
    })
}

/// The single region without a label map: everything except air.
pub(super) fn all_but_air(matter: &Matter) -> Labels {
    let solid = |&density: &f32| u16::from(f64::from(density) >= AIR_LIMIT_G_CM3);
    let labels = matter.density_g_cm3.iter().map(solid).collect();
    Labels { labels, names: BTreeMap::from([(1, "all_but_air".to_owned())]), own: None }
}

/// Regions on the result's grid; `name` is their name in messages.
///
/// Errors: a grid that is neither the anatomy's nor the activity's; no region.
pub(super) fn regions_on(
    own: Arc<OpenedRegions>,
    name: &str,
    matter: &Matter,
    activity: Option<&ActivityFrame>,
    hear: &mut dyn Listener,
    warnings: &mut Vec<Note>,
) -> Result<Labels, UserError> {
    let map = &own.map;
    if let Some(frame) = activity
        && !map.labels.grid.same_as(&matter.own_grid)
        && !map.labels.grid.same_as(&frame.grid)
    {
        return Err(UserError::invalid(
            name,
            "grid",
            map.labels.grid.describe(),
            format!(
                "the grid of the CT or scene ({}) or of the activity map ({})",
                matter.own_grid.describe(),
                frame.grid.describe()
            ),
            "Are these regions of this patient and this CT? If they are, resample them to the CT with nearest-neighbour \
             interpolation.",
        )
        .kind(FaultKind::Mismatch));
    }
    let labels = images::labels_on(map, &matter.grid, "the result's grid", hear, warnings)?;
    if labels.iter().all(|&label| label == 0) {
        return Err(images::no_region(name));
    }
    warnings.extend(contrast_doubts(&labels, &map.names, matter));
    Ok(Labels { labels, names: map.names.clone(), own: Some(own) })
}

/// Regions of soft tissue whose CT numbers are those of contrast agent.
fn contrast_doubts(labels: &[u16], names: &BTreeMap<u16, String>, matter: &Matter) -> Vec<Note> {
    let Some(hu) = &matter.hu else { return Vec::new() };
    let named: BTreeSet<u16> = names
        .iter()
        .filter(|(_, name)| contrast::unenhanced_most_hu(name).is_some())
        .map(|(&label, _)| label)
        .collect();
    let mut voxels: BTreeMap<u16, Vec<(f32, f32)>> = BTreeMap::new();
    for (n, &label) in labels.iter().enumerate().filter(|(_, label)| named.contains(label)) {
        voxels.entry(label).or_default().push((hu[n], matter.density_g_cm3[n]));
    }
    let doubt = |(label, mut voxels): (u16, Vec<(f32, f32)>)| {
        let middle = voxels.len() / 2;
        let (_, &mut (hu, density), _) = voxels.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0));
        contrast::doubt(&names[&label], f64::from(hu), f64::from(density))
    };
    voxels.into_iter().filter_map(doubt).collect()
}

/// Refuses a target label without voxels, or only with air voxels, for which no dose is reported: such a run would
/// never end.
pub(super) fn check_target_labels(stop: &Stop, labels: &[u16], density_g_cm3: &[f32]) -> Result<(), UserError> {
    let Stop::TargetSigma { labels: targets, .. } = stop else { return Ok(()) };
    let present: BTreeSet<u16> = labels.iter().copied().filter(|&label| label > 0).collect();
    let solid = |n: usize| f64::from(density_g_cm3[n]) >= AIR_LIMIT_G_CM3;
    let solid: BTreeSet<u16> = (0..labels.len()).filter(|&n| solid(n)).map(|n| labels[n]).collect();
    if let Some(air) = targets.iter().find(|target| present.contains(target) && !solid.contains(target)) {
        return Err(UserError::invalid(
            Setting::TargetLabels,
            "",
            format!("{air}, all of whose voxels are air (below {AIR_LIMIT_G_CM3} g/cm3), where no dose is stated"),
            "labels with tissue",
            "Leave that label out, or check that CT and labels belong together.",
        ));
    }
    match targets.iter().find(|target| !present.contains(target)) {
        None => Ok(()),
        Some(missing) => {
            let known: Vec<String> = present.iter().map(u16::to_string).collect();
            Err(UserError::invalid(
                Setting::TargetLabels,
                "",
                format!("{missing}, which no voxel has"),
                known.join(", "),
                "Name labels of the label map.",
            ))
        }
    }
}
