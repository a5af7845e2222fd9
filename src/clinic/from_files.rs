//! From the files of a request to a case: matter, decays and regions on one grid.

use super::case::Case;
use super::dose_budgets;
use super::failure::{OrUserError, UserError};
use super::images::{self, Anatomy};
use super::known::ActivityKnown;
use super::matter::{
    ActivityFrame, Labels, Laying, Matter, Parts, all_but_air, check_target_labels, matter_of_ct, regions_on,
    scene_grid,
};
use super::notes::Listener;
use super::request::{ActivityChoice, DoseRequest, SceneInput};
use super::series::{OpenSeries, Over};
use super::shelf::Shelf;
use crate::bounds::Given;
use crate::decay::Nuclide;
use crate::fault::{FaultKind, Setting};
use crate::grid::{Orientation, Volume, VoxelGrid};
use crate::io::nifti;
use crate::materials::tissues::read_tissues;
use crate::note::Note;
use crate::place::Place;
use crate::reads;
use crate::report::run_record::InputFile;
use crate::source::{ActivityMap, ActivityUnit, DecayMap, OutlineSharing};
use crate::units::rounded;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The activity as read: decays, or images to be integrated over the regions.
enum Activity {
    Map(Box<DecayMap>),
    Images(Box<OpenSeries>),
}

/// Decays already in memory, in canonical order.
pub struct Decays {
    /// Decays of each voxel.
    pub map: DecayMap,
    /// Order of the axes in the user's files.
    pub orientation: Orientation,
    /// Kind of coordinates (NIfTI form code).
    pub form_code: i16,
    /// Their entry in the record.
    pub input: InputFile,
    /// Whether the images that they come from were already held against the outlines.
    pub judged: bool,
}

/// All inputs of a run, from the request's files.
///
/// Errors: files that cannot be read or do not fit each other; more decays than the administered activity can bring.
pub fn case(request: &DoseRequest, hear: &mut dyn Listener) -> Result<Case, UserError> {
    case_from(request, None, &mut Shelf::default(), hear)
}

/// As [`case`], with inputs already on the shelf; `decays` replace the request's activity.
pub fn case_from(
    request: &DoseRequest,
    decays: Option<Decays>,
    shelf: &mut Shelf,
    hear: &mut dyn Listener,
) -> Result<Case, UserError> {
    read_case(request, decays, shelf, hear).inspect_err(|_| reads::forget())
}

fn read_case(
    request: &DoseRequest,
    decays: Option<Decays>,
    shelf: &mut Shelf,
    hear: &mut dyn Listener,
) -> Result<Case, UserError> {
    let mut warnings = Vec::new();
    let nuclide = shelf.nuclide(&request.nuclide)?;
    // images are held against the outlines before they become decays
    let judged =
        decays.as_ref().map_or(matches!(request.activity, ActivityChoice::Images { .. }), |decays| decays.judged);
    let mut known = ActivityKnown::default();
    let (activity, frame, activity_inputs) = match decays {
        Some(decays) => in_hand(decays, request, &nuclide)?,
        None => read_activity(request, &nuclide, &mut known, hear, &mut warnings)?,
    };
    let matter = read_matter(request, Some(&frame), shelf, &mut warnings)?;
    if let Activity::Images(series) = &activity {
        images::must_agree(matter.origin.as_ref(), series.origin.as_ref())?;
    }
    let Labels { labels, names, own } = regions(request, &matter, Some(&frame), shelf, hear, &mut warnings)?;
    let own = own.as_ref().map(|own| &own.map);
    check_target_labels(&request.run.stop, &labels, &matter.density_g_cm3)?;
    let ct = match &request.scene {
        SceneInput::Ct(path) => Some(shelf.ct(path)?),
        SceneInput::Explicit { .. } => None,
    };
    let over = Over { regions: own, ct_hu: ct.as_ref().map(|ct| &ct.image.volume), sharing: request.outline_sharing };
    let (activity, stated_mbq, image_times_h) = integrated(activity, &over, &mut known, hear, &mut warnings)?;
    let mut inputs = matter.inputs.clone();
    inputs.extend(activity_inputs);
    inputs.extend(own.into_iter().flat_map(|own| own.inputs.clone()));
    inputs.extend(other_files(request)?);
    let parts = Parts {
        nuclide,
        matter,
        labels,
        names,
        administered_mbq: request.administered_mbq.or(stated_mbq),
        image_times_h,
        activity_known: known,
        dicom: request.dicom,
        inputs,
        settings: request.settings(),
        warnings,
    };
    let outlined = own.is_some() && request.outline_sharing == OutlineSharing::On;
    parts.with_decays(&activity, Laying { outlined, judged }, hear)
}

/// The case of a labelled scene, still without decays.
pub fn anatomy(request: &DoseRequest, hear: &mut dyn Listener) -> Result<Case, UserError> {
    anatomy_from(request, &mut Shelf::default(), hear)
}

/// As [`anatomy`], with inputs already on the shelf.
pub fn anatomy_from(request: &DoseRequest, shelf: &mut Shelf, hear: &mut dyn Listener) -> Result<Case, UserError> {
    let mut warnings = Vec::new();
    let nuclide = Nuclide::load(&request.nuclide).or_user_error()?;
    let matter = read_matter(request, None, shelf, &mut warnings)?;
    let Labels { labels, names, own } = regions(request, &matter, None, shelf, hear, &mut warnings)?;
    let decays = Volume::filled(matter.grid.clone(), 0.0);
    let mut inputs = matter.inputs.clone();
    inputs.extend(own.into_iter().flat_map(|own| own.map.inputs.clone()));
    inputs.extend(other_files(request)?);
    let parts = Parts {
        nuclide,
        matter,
        labels,
        names,
        administered_mbq: None,
        image_times_h: Vec::new(),
        activity_known: ActivityKnown::default(),
        dicom: request.dicom,
        inputs,
        settings: request.settings(),
        warnings,
    };
    Ok(parts.case(decays, 0.0))
}

/// Decays already in memory, checked against the administered activity.
fn in_hand(
    decays: Decays,
    request: &DoseRequest,
    nuclide: &Nuclide,
) -> Result<(Activity, ActivityFrame, Vec<InputFile>), UserError> {
    let given = Given::new(request.administered_mbq, nuclide.half_life_h);
    decays.map.check(&decays.input.path, &given).or_user_error()?;
    let frame =
        ActivityFrame { grid: decays.map.grid().clone(), orientation: decays.orientation, form_code: decays.form_code };
    Ok((Activity::Map(Box::new(decays.map)), frame, vec![decays.input]))
}

/// The activity as read, its frame and its files.
fn read_activity(
    request: &DoseRequest,
    nuclide: &Nuclide,
    parts: &mut ActivityKnown,
    hear: &mut dyn Listener,
    warnings: &mut Vec<Note>,
) -> Result<(Activity, ActivityFrame, Vec<InputFile>), UserError> {
    match &request.activity {
        ActivityChoice::Map { file, unit } => {
            let given = Given::new(request.administered_mbq, nuclide.half_life_h);
            let (map, frame, input) = activity_map(file, *unit, &given, warnings)?;
            let mut inputs = vec![input.clone()];
            *parts = dose_budgets::beside_map(file, &input, &mut inputs, warnings)?;
            Ok((Activity::Map(Box::new(map.to_decays())), frame, inputs))
        }
        ActivityChoice::Images { paths, choice } => {
            let mut series = OpenSeries::of_images(paths, choice, hear)?;
            warnings.append(&mut series.warnings);
            let inputs: Vec<InputFile> = std::mem::take(&mut series.inputs)
                .into_iter()
                .map(|input| InputFile { role: "activity".to_owned(), ..input })
                .collect();
            let frame = ActivityFrame {
                grid: series.grid().clone(),
                orientation: series.orientation.clone(),
                form_code: series.form_code,
            };
            Ok((Activity::Images(Box::new(series)), frame, inputs))
        }
        ActivityChoice::Decays | ActivityChoice::None => Err(UserError::invalid(
            Setting::Activity,
            "",
            "none",
            "a map of decays, or DICOM images",
            "Say where the decays are.",
        )),
    }
}

/// A map of time-integrated activity, checked against the administered activity.
fn activity_map(
    file: &Place,
    unit: ActivityUnit,
    given: &Given,
    warnings: &mut Vec<Note>,
) -> Result<(ActivityMap, ActivityFrame, InputFile), UserError> {
    let image = images::nifti_image::<f64>("activity", file, warnings)?;
    let frame =
        ActivityFrame { grid: image.volume.grid.clone(), orientation: image.orientation, form_code: image.form_code };
    if let Some(found) = image.described.contradicts_map(unit) {
        return Err(UserError::invalid(
            file,
            "header",
            found,
            format!("a map of time-integrated activity, as {} states", unit.name()),
            "Integrate images over time first (lutra tia SERIES.toml). Where the header was copied from another image, correct \
             its description.",
        )
        .kind(FaultKind::Mismatch));
    }
    let name = file.display().to_string();
    let map = ActivityMap::new(image.volume, unit, &name).or_user_error()?;
    map.check(&name, given).or_user_error()?;
    Ok((map, frame, image.input))
}

/// Checks the activity against the administered activity, for a cached dose whose administered activity may have
/// differed.
pub fn check_activity(request: &DoseRequest, decays: Option<&Decays>, shelf: &Shelf) -> Result<(), UserError> {
    let given = Given::new(request.administered_mbq, shelf.nuclide(&request.nuclide)?.half_life_h);
    if let Some(decays) = decays {
        return decays.map.check(&decays.input.path, &given).or_user_error();
    }
    let ActivityChoice::Map { file, unit } = &request.activity else { return Ok(()) };
    activity_map(file, *unit, &given, &mut Vec::new()).map(|_| ())
}

/// Decays, the administered activity that the images state, MBq, and their times, h.
fn integrated(
    activity: Activity,
    over: &Over<'_>,
    parts: &mut ActivityKnown,
    hear: &mut dyn Listener,
    warnings: &mut Vec<Note>,
) -> Result<(DecayMap, Option<f64>, Vec<f64>), UserError> {
    let mut series = match activity {
        Activity::Map(map) => return Ok((*map, None, Vec::new())),
        Activity::Images(series) => series,
    };
    let times: Vec<String> = series.times_h().iter().map(|h| rounded(*h, 4)).collect();
    let map = series.integrate(over, &BTreeMap::new(), hear)?;
    hear.info("image-times", format!("activity images at {} h after injection", times.join(", ")));
    for region in map.regions.iter().filter_map(|region| region.row()) {
        // its time-integrated activity stands in the table, as the grid of the dose has it
        let text = format!("effective half-life {} h ({})", rounded(region.effective_half_life_h, 3), region.method);
        hear.note(Note::info("region-integrated", text).at(format!("region {}", region.name)));
    }
    *parts = dose_budgets::of_integrated(&map.regions, series.partial_volume.as_ref());
    warnings.append(&mut series.warnings);
    warnings.extend(map.warnings);
    let decays = DecayMap::new(map.decays, "activity images").or_user_error()?;
    Ok((decays, series.administered_mbq(), series.times_h()))
}

fn read_matter(
    request: &DoseRequest,
    activity: Option<&ActivityFrame>,
    shelf: &mut Shelf,
    warnings: &mut Vec<Note>,
) -> Result<Matter, UserError> {
    match &request.scene {
        SceneInput::Ct(path) => {
            let ct = shelf.ct(path)?;
            warnings.extend(ct.notes.iter().cloned());
            matter_of_ct(&ct.image, &path.display().to_string(), request.grid, activity, warnings)
        }
        SceneInput::Explicit { density, tissue, tissue_table } => explicit(density, tissue, tissue_table, warnings),
    }
}

fn explicit(
    density_path: &Place,
    tissue_path: &Place,
    table_path: &Place,
    warnings: &mut Vec<Note>,
) -> Result<Matter, UserError> {
    let density = images::nifti_image::<f32>("density", density_path, warnings)?;
    let (index, _) = nifti::read_labels(tissue_path).or_user_error()?.to_canonical();
    scene_grid(&density_path.display().to_string(), &density.volume.grid)?;
    same_grid(tissue_path, &index.grid, &density.volume.grid, "the density map's grid")?;
    let tissues = read_tissues(table_path).or_user_error()?;
    let in_voxel = |n: usize, found: String| {
        let [i, j, k] = density.volume.grid.voxel(n);
        format!("{found} in voxel ({i}, {j}, {k})")
    };
    if let Some(n) = density.volume.data.iter().position(|density| !(0.0..=30.0).contains(density)) {
        let found = in_voxel(n, density.volume.data[n].to_string());
        let next = "Give mass density in g/cm3, not kg/m3 or HU.";
        return Err(UserError::invalid(density_path, "density", found, "0 to 30 g/cm3", next));
    }
    if let Some(n) = index.data.iter().position(|&tissue| usize::from(tissue) >= tissues.len()) {
        let allowed = format!("0 to {} (the table has {} tissues)", tissues.len() - 1, tissues.len());
        let found = in_voxel(n, index.data[n].to_string());
        let next = "Give the table that belongs to the volume.";
        return Err(UserError::invalid(tissue_path, "tissue index", found, allowed, next));
    }
    Ok(Matter {
        grid: density.volume.grid.clone(),
        own_grid: density.volume.grid,
        density_g_cm3: density.volume.data,
        tissue: index.data.iter().map(|&tissue| tissue as u8).collect(),
        tissues,
        hu: None,
        calibration: None,
        orientation: density.orientation,
        form_code: density.form_code,
        origin: None,
        inputs: vec![density.input, images::read("tissue", tissue_path)?, images::read("tissue_table", table_path)?],
    })
}

fn same_grid(path: &Place, found: &VoxelGrid, wanted: &VoxelGrid, what: &str) -> Result<(), UserError> {
    if found.same_as(wanted) {
        return Ok(());
    }
    Err(UserError::invalid(
        path,
        "grid",
        found.describe(),
        format!("{what}, {}", wanted.describe()),
        "Resample it (labels and indices to the nearest voxel).",
    )
    .kind(FaultKind::Mismatch))
}

/// Regions on the result's grid. Without a label map there is one region: everything except air.
fn regions(
    request: &DoseRequest,
    matter: &Matter,
    activity: Option<&ActivityFrame>,
    shelf: &mut Shelf,
    hear: &mut dyn Listener,
    warnings: &mut Vec<Note>,
) -> Result<Labels, UserError> {
    let Some(path) = &request.labels else { return Ok(all_but_air(matter)) };
    let names = request.label_names.as_ref();
    let own = match &request.scene {
        SceneInput::Ct(ct) => shelf.regions(path, names, ct)?,
        SceneInput::Explicit { .. } => {
            let anatomy = Anatomy { grid: &matter.own_grid, origin: matter.origin.as_ref() };
            Arc::new(images::open_regions(path, names, &anatomy)?)
        }
    };
    own.told.iter().for_each(|note| hear.note(note.clone()));
    warnings.extend(own.warnings.iter().cloned());
    regions_on(own, &path.display().to_string(), matter, activity, hear, warnings)
}

/// The configuration and the nuclide's file, if any.
fn other_files(request: &DoseRequest) -> Result<Vec<InputFile>, UserError> {
    let mut files: Vec<(&str, Place)> = request.config.iter().map(|path| ("config", path.clone())).collect();
    let path = &request.nuclide;
    let built_in = Nuclide::built_in_names().iter().any(|name| path.path() == Path::new(name));
    if !built_in && path.is_file() {
        files.push(("nuclide", path.clone()));
    }
    files.iter().map(|(role, path)| images::read(role, path)).collect()
}
