//! `lutra dose`: from files to a dose map.

use super::args::{DoseRequest, GridChoice, SceneInput, Stop};
use super::case::Case;
use super::failure::{Failure, OrUserError, UserError};
use super::output::{self, Clock, FILE_NAMES};
use super::{printer, shard, transport};
use crate::ct::check_hounsfield;
use crate::decay::Nuclide;
use crate::dose::AIR_LIMIT_G_CM3;
use crate::grid::{Orientation, Volume, VoxelGrid};
use crate::io::IoError;
use crate::io::atomic::AtomicOutputDir;
use crate::io::labels::LabelNames;
use crate::io::nifti::{self, Header, Sample, WriteOptions};
use crate::materials::hu_curve::HuCalibration;
use crate::materials::tissue_map;
use crate::materials::tissues::{Tissue, read_tissues};
use crate::report::run_record::InputFile;
use crate::source::regrid::{average_to, labels_to, redistribute};
use crate::source::{ActivityMap, DecayMap};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Share of the decays outside the grid or in air from which on the record warns.
const WARN_SHARE: f64 = 1e-3;
/// Change of a region's volume by regridding from which on the record warns.
const WARN_VOLUME_REL: f64 = 0.05;
/// HU where the CT does not reach: vacuum would stop nothing, air is what is there.
const OUTSIDE_HU: f32 = -1000.0;

/// Runs `lutra dose`.
pub(super) fn run(request: &DoseRequest) -> Result<(), Failure> {
    let clock = Clock::start();
    let folder = AtomicOutputDir::create(&request.out, request.force).or_user_error()?.replaces(&FILE_NAMES);
    let case = case(request)?;
    let computed = transport::compute(&case, &request.run, request.emissions)?;
    match &computed.store {
        Some(store) => shard::finish(&case, &computed, store, folder, clock, request.run.seed)?,
        None => output::finish(&case, &computed, folder, clock, request.run.seed, &[])?,
    }
    transport::end(computed);
    Ok(())
}

/// Matter on the grid of the result.
struct Matter {
    grid: VoxelGrid,
    density_g_cm3: Vec<f32>,
    tissue: Vec<u8>,
    tissues: Vec<Tissue>,
    hu: Option<Vec<f32>>,
    calibration: Option<String>,
    /// Grid of the CT or the explicit scene, which labels may lie on.
    own_grid: VoxelGrid,
    orientation: Orientation,
    form_code: i16,
}

/// An image turned into canonical order.
struct Turned<T> {
    volume: Volume<T>,
    orientation: Orientation,
    header: Header,
}

/// Everything a run starts from, out of the request's files.
pub(super) fn case(request: &DoseRequest) -> Result<Case, UserError> {
    let mut warnings = Vec::new();
    let nuclide = Nuclide::load(&request.nuclide).or_user_error()?;
    let (activity, activity_turned) = read_activity(request, &mut warnings)?;
    let matter = read_matter(request, &activity_turned, &mut warnings)?;
    let decays_in_file = activity.total_decays();
    let regridded = redistribute(&activity, &matter.grid).or_user_error()?;
    printer::note(&format!(
        "decays: {:.9e} in the file, {:.9e} on the grid, {:.9e} outside ({:.3e} of all)",
        regridded.source,
        regridded.kept,
        regridded.lost,
        regridded.lost_share()
    ));
    if regridded.lost_share() > WARN_SHARE {
        warnings.push(format!("{:.2} % of the decays lie outside the grid", 100.0 * regridded.lost_share()));
    }
    let decays = regridded.volume.into_volume();
    let in_air: f64 = (0..decays.data.len())
        .filter(|&n| f64::from(matter.density_g_cm3[n]) < AIR_LIMIT_G_CM3)
        .map(|n| decays.data[n])
        .sum();
    if in_air > WARN_SHARE * decays_in_file {
        warnings.push(format!(
            "{:.2} % of the decays lie in air (below {AIR_LIMIT_G_CM3} g/cm3), where no dose is stated",
            100.0 * in_air / decays_in_file
        ));
    }
    let (labels, names) = regions(request, &matter, &activity_turned, &mut warnings)?;
    check_target_labels(request, &labels)?;
    Ok(Case {
        density_g_cm3: matter.density_g_cm3,
        tissue: matter.tissue,
        tissues: matter.tissues,
        hu: matter.hu,
        labels,
        names,
        groups: Vec::new(),
        administered_mbq: request.administered_mbq,
        decays_in_file,
        decays,
        data_sets: super::data_sets(&nuclide, matter.calibration.as_deref()),
        nuclide,
        orientation: matter.orientation,
        form_code: matter.form_code,
        inputs: inputs(request)?,
        settings: request.settings(),
        warnings,
    })
}

/// The case of a labelled scene without any decay yet; `request.activity` is the label map once more.
pub(super) fn anatomy(request: &DoseRequest) -> Result<Case, UserError> {
    let mut warnings = Vec::new();
    let nuclide = Nuclide::load(&request.nuclide).or_user_error()?;
    let Turned { volume, orientation, header } = read::<f64>(&request.activity, &mut Vec::new())?;
    let frame = Turned { volume: Volume { grid: volume.grid, data: Vec::new() }, orientation, header };
    let matter = read_matter(request, &frame, &mut warnings)?;
    let (labels, names) = regions(request, &matter, &frame, &mut warnings)?;
    Ok(Case {
        decays: Volume::filled(matter.grid, 0.0),
        density_g_cm3: matter.density_g_cm3,
        tissue: matter.tissue,
        tissues: matter.tissues,
        hu: matter.hu,
        labels,
        names,
        groups: Vec::new(),
        administered_mbq: None,
        decays_in_file: 0.0,
        data_sets: super::data_sets(&nuclide, matter.calibration.as_deref()),
        nuclide,
        orientation: matter.orientation,
        form_code: matter.form_code,
        inputs: inputs(request)?,
        settings: request.settings(),
        warnings,
    })
}

/// Reads an image of finite values and turns it into canonical order; its notes become warnings.
fn read<T: Sample>(path: &Path, warnings: &mut Vec<String>) -> Result<Turned<T>, UserError> {
    let image = nifti::read_image::<T>(path).or_user_error()?;
    if let Some([i, j, k]) = image.first_nonfinite {
        return Err(UserError::new(
            format!(
                "{}: voxel values: found {} NaN or infinite values of {}, the first in voxel ({i}, {j}, {k}); \
                 allowed: finite numbers",
                path.display(),
                image.nonfinite,
                image.volume.data.len()
            ),
            "Set these voxels to a true value before the run.",
        ));
    }
    warnings.extend(image.header.notes.iter().map(|note| format!("{}: {note}", path.display())));
    let (volume, orientation) = image.volume.to_canonical();
    Ok(Turned { volume, orientation, header: image.header })
}

fn form_code(header: &Header) -> i16 {
    WriteOptions::like(header, "").form_code
}

/// The activity map as decays, and its frame.
fn read_activity(request: &DoseRequest, warnings: &mut Vec<String>) -> Result<(DecayMap, Turned<()>), UserError> {
    let Turned { volume, orientation, header } = read::<f64>(&request.activity, warnings)?;
    let frame = Volume { grid: volume.grid.clone(), data: Vec::new() };
    let name = request.activity.display().to_string();
    let map = ActivityMap::new(volume, request.activity_unit, &name).or_user_error()?;
    Ok((map.to_decays(), Turned { volume: frame, orientation, header }))
}

fn read_matter(request: &DoseRequest, activity: &Turned<()>, warnings: &mut Vec<String>) -> Result<Matter, UserError> {
    match &request.scene {
        SceneInput::Ct(path) => from_ct(path, request.grid, activity, warnings),
        SceneInput::Explicit { density, tissue, tissue_table } => explicit(density, tissue, tissue_table, warnings),
    }
}

fn from_ct(
    path: &Path,
    grid: GridChoice,
    activity: &Turned<()>,
    warnings: &mut Vec<String>,
) -> Result<Matter, UserError> {
    let ct = read::<f32>(path, warnings)?;
    let named = |error: &dyn std::error::Error| {
        UserError::new(
            format!("{}: CT numbers: {error}", path.display()),
            "Give a CT in Hounsfield units: air near -1000, water near 0.",
        )
    };
    check_hounsfield(&ct.volume).map_err(|error| named(&error))?;
    let own_grid = ct.volume.grid.clone();
    let (target, orientation, header) = match grid {
        GridChoice::Scene => (own_grid.clone(), ct.orientation, &ct.header),
        GridChoice::Activity => (activity.volume.grid.clone(), activity.orientation.clone(), &activity.header),
        GridChoice::Millimetre(edge_mm) => {
            let cover = own_grid.isotropic_cover(edge_mm).or_user_error()?;
            let orientation = cover.orientation();
            (cover, orientation, &ct.header)
        }
    };
    let form_code = form_code(header);
    let averaged = average_to(&ct.volume, &target, OUTSIDE_HU).or_user_error()?;
    if averaged.uncovered > 0 {
        warnings.push(format!(
            "the CT does not reach {} of {} voxels of the grid; they are taken as air",
            averaged.uncovered,
            target.len()
        ));
    }
    let calibration = HuCalibration::schneider2000();
    let matter = tissue_map(&averaged.volume, &calibration).map_err(|error| named(&error))?;
    warnings.extend(matter.report.warnings.iter().map(|warning| format!("{}: {warning}", path.display())));
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
    })
}

fn explicit(
    density_path: &Path,
    tissue_path: &Path,
    table_path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Matter, UserError> {
    let density = read::<f32>(density_path, warnings)?;
    let (index, _) = nifti::read_labels(tissue_path).or_user_error()?.to_canonical();
    same_grid(tissue_path, &index.grid, &density.volume.grid, "the density map's grid")?;
    let tissues = read_tissues(table_path).or_user_error()?;
    let refused = |n: usize, field: &str, found: String, allowed: String, hint: &str| {
        let [i, j, k] = density.volume.grid.voxel(n);
        UserError::new(format!("{field}: found {found} in voxel ({i}, {j}, {k}); allowed: {allowed}"), hint)
    };
    if let Some(n) = density.volume.data.iter().position(|density| !(0.0..=30.0).contains(density)) {
        let found = density.volume.data[n].to_string();
        let field = format!("{}: density", density_path.display());
        return Err(refused(n, &field, found, "0 to 30 g/cm3".into(), "Give mass density in g/cm3, not kg/m3 or HU."));
    }
    if let Some(n) = index.data.iter().position(|&tissue| usize::from(tissue) >= tissues.len()) {
        let field = format!("{}: tissue index", tissue_path.display());
        let allowed = format!("0 to {} (the table has {} tissues)", tissues.len() - 1, tissues.len());
        return Err(refused(
            n,
            &field,
            index.data[n].to_string(),
            allowed,
            "Give the table that belongs to the volume.",
        ));
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
        form_code: form_code(&density.header),
    })
}

fn same_grid(path: &Path, found: &VoxelGrid, wanted: &VoxelGrid, what: &str) -> Result<(), UserError> {
    if found.same_as(wanted) {
        return Ok(());
    }
    Err(UserError::new(
        format!("{}: grid: found {}; allowed: {what}, {}", path.display(), found.describe(), wanted.describe()),
        "Resample it (labels and indices to the nearest voxel).",
    ))
}

/// Labels on the result's grid and their names. Without a label map there is one region: all that is not air.
fn regions(
    request: &DoseRequest,
    matter: &Matter,
    activity: &Turned<()>,
    warnings: &mut Vec<String>,
) -> Result<(Vec<u16>, BTreeMap<u16, String>), UserError> {
    let Some(path) = &request.labels else {
        let solid = |&density: &f32| u16::from(f64::from(density) >= AIR_LIMIT_G_CM3);
        let labels = matter.density_g_cm3.iter().map(solid).collect();
        return Ok((labels, BTreeMap::from([(1, "all_but_air".to_owned())])));
    };
    let (labels, _) = nifti::read_labels(path).or_user_error()?.to_canonical();
    let activity_grid = &activity.volume.grid;
    if !labels.grid.same_as(&matter.own_grid) && !labels.grid.same_as(activity_grid) {
        return Err(UserError::new(
            format!(
                "{}: grid: found {}; allowed: the grid of the CT or scene ({}) or of the activity map ({})",
                path.display(),
                labels.grid.describe(),
                matter.own_grid.describe(),
                activity_grid.describe()
            ),
            "Resample the labels to the CT with nearest-neighbour interpolation.",
        ));
    }
    let names = match &request.label_names {
        Some(path) => LabelNames::read(path).or_user_error()?.iter().map(|(n, name)| (n, name.to_owned())).collect(),
        None => BTreeMap::new(),
    };
    let moved = labels_to(&labels, &matter.grid).or_user_error()?;
    if !labels.grid.same_as(&matter.grid) {
        for change in &moved.changes {
            let name = names.get(&change.label).cloned().unwrap_or_else(|| format!("label_{}", change.label));
            let text = format!(
                "region {} {name}: {:.3} mL on its own grid, {:.3} mL on the result's ({:+.2} %)",
                change.label,
                change.before_cm3,
                change.after_cm3,
                100.0 * change.change_rel()
            );
            if change.change_rel().abs() > WARN_VOLUME_REL { warnings.push(text) } else { printer::note(&text) }
        }
    }
    if moved.volume.data.iter().all(|&label| label == 0) {
        return Err(UserError::new(
            format!("{}: labels: found 0 in every voxel; allowed: at least one region", path.display()),
            "Check that this is the label map, or leave --labels out.",
        ));
    }
    Ok((moved.volume.data, names))
}

fn check_target_labels(request: &DoseRequest, labels: &[u16]) -> Result<(), UserError> {
    let Stop::TargetSigma { labels: targets, .. } = &request.run.stop else { return Ok(()) };
    let present: BTreeSet<u16> = labels.iter().copied().filter(|&label| label > 0).collect();
    match targets.iter().find(|target| !present.contains(target)) {
        None => Ok(()),
        Some(missing) => {
            let known: Vec<String> = present.iter().map(u16::to_string).collect();
            Err(UserError::new(
                format!("--target-labels: found {missing}, which no voxel has; allowed: {}", known.join(", ")),
                "Name labels of the label map.",
            ))
        }
    }
}

/// Every file that was read, with its hash.
fn inputs(request: &DoseRequest) -> Result<Vec<InputFile>, UserError> {
    let mut files: Vec<(&str, &Path)> = request.config.as_deref().map(|path| ("config", path)).into_iter().collect();
    files.extend(match &request.scene {
        SceneInput::Ct(path) => vec![("ct", path.as_path())],
        SceneInput::Explicit { density, tissue, tissue_table } => {
            vec![("density", density.as_path()), ("tissue", tissue), ("tissue_table", tissue_table)]
        }
    });
    files.push(("activity", &request.activity));
    files.extend(request.labels.as_deref().map(|path| ("labels", path)));
    files.extend(request.label_names.as_deref().map(|path| ("label_names", path)));
    if !Nuclide::built_in_names().contains(&request.nuclide.as_str()) && Path::new(&request.nuclide).is_file() {
        files.push(("nuclide", Path::new(&request.nuclide)));
    }
    let read = |(role, path): (&str, &Path)| {
        InputFile::read(role, path).map_err(|error| UserError::from_library(&IoError::read(path, error)))
    };
    files.into_iter().map(read).collect()
}
