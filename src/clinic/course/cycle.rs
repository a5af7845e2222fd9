//! One cycle of a course: from its description to the doses of its regions.

use super::cache::{Cache, transported};
use super::parts::{Computed, Mapped};
use crate::bounds::{self, BoundsError, Given};
use crate::clinic::dose_budgets;
use crate::clinic::failure::{Failure, OrUserError, UserError};
use crate::clinic::files::{beside, named_nuclide};
use crate::clinic::from_files::Decays;
use crate::clinic::images::{self, Anatomy, recorded_values};
use crate::clinic::notes::Listener;
use crate::clinic::request::{ActivityChoice, DoseRequest, GridChoice, ImageChoice, RunOptions, SceneInput};
use crate::clinic::series::{Integrated, OpenSeries, SeriesRegions, integrate};
use crate::clinic::shelf::Shelf;
use crate::course::accumulate::RegionCycle;
use crate::course::file::{Course, CourseCycle, CycleContent};
use crate::course::series::Common;
use crate::course::tia::EarlierHalfLife;
use crate::course::time_activity::ActivityPoint;
use crate::decay::Nuclide;
use crate::fault::FaultKind;
use crate::grid::Volume;
use crate::kinetics::Scan;
use crate::note::Note;
use crate::place::Place;
use crate::source::{ActivityUnit, DecayMap};
use crate::transport::emission::Emissions;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Inputs of one cycle.
pub struct CycleFrom<'a> {
    /// The file to which other paths are relative.
    pub path: &'a Place,
    /// The course.
    pub course: &'a Course,
    /// The cycle.
    pub cycle: &'a CourseCycle,
    /// Its number, counted from 1.
    pub number: usize,
    /// Where finished cycles are kept.
    pub cache: Option<&'a Cache>,
    /// Options of the transport.
    pub run: &'a RunOptions,
    /// How DICOM images are read.
    pub images: &'a ImageChoice,
}

/// The doses of one cycle of any content; `earlier` are half-lives of earlier cycles.
pub fn compute_cycle(
    from: &CycleFrom<'_>,
    opened: Option<OpenSeries>,
    earlier: &BTreeMap<String, EarlierHalfLife>,
    shelf: &mut Shelf,
    hear: &mut dyn Listener,
) -> Result<Computed, Failure> {
    let CycleFrom { path, course, cycle, cache, images, .. } = *from;
    let nuclide = named_nuclide(path, &course.nuclide);
    match &cycle.content {
        CycleContent::Missing(reason) => {
            let mut none = Computed::without_map(BTreeMap::new());
            none.warnings.push(Note::warning("no-dosimetry", format!("no dosimetry: {reason}")));
            Ok(none)
        }
        CycleContent::Stated(doses) => Ok(Computed::without_map(
            doses
                .iter()
                .map(|(name, stated)| {
                    let region = RegionCycle {
                        mass_g: stated.mass_g,
                        effective_half_life_h: cycle.half_life_h(name),
                        ..RegionCycle::of_dose(stated.dose_gy, "stated")
                    };
                    (name.clone(), region)
                })
                .collect(),
        )),
        CycleContent::Dose(file) => Ok(ready_map(from, file, hear)?),
        CycleContent::Tia { file, unit } => {
            let unit: ActivityUnit = unit.parse().or_user_error()?;
            let place = beside(path, file);
            let map = ActivityChoice::Map { file: place.clone(), unit };
            let request = dose_request(from, map, nuclide)?;
            let mut done = transported(&request, None, cache, shelf, hear)?;
            let of_map = done.inputs.iter().find(|input| input.role == "activity").cloned();
            if let Some(input) = of_map {
                let known = dose_budgets::beside_map(&place, &input, &mut done.inputs, &mut done.warnings)?;
                done.known(&known);
            }
            for (name, region) in &mut done.regions {
                region.effective_half_life_h = cycle.half_life_h(name);
                region.method = "ready TIA map".to_owned();
            }
            Ok(done)
        }
        CycleContent::Series(file) => {
            let opened = match opened {
                Some(opened) => opened,
                None => open(path, course, cycle, (file, images), hear)?,
            };
            of_series(from, opened, earlier, shelf, hear)
        }
    }
}

/// The images of a cycle that a course names; `path` is the file that paths are beside.
pub fn open(
    path: &Place,
    course: &Course,
    cycle: &CourseCycle,
    (file, images): (&str, &ImageChoice),
    hear: &mut dyn Listener,
) -> Result<OpenSeries, UserError> {
    let choice = ImageChoice { administered_mbq: Some(cycle.administered_mbq), ..images.clone() };
    let common = Common {
        partial_volume: course.partial_volume.as_ref(),
        calibration: course.calibration.as_ref(),
        fit: course.fit.as_ref(),
        nuclide: course.nuclide_stated.then_some(course.nuclide.as_str()),
    };
    let opened = OpenSeries::open_within(beside(path, file), &choice, &(common, path), hear)?;
    Ok(opened.given(cycle.administered_mbq))
}

/// The doses of a cycle from images: integrated, transported, and combined with the regions' curves.
fn of_series(
    from: &CycleFrom<'_>,
    opened: OpenSeries,
    earlier: &BTreeMap<String, EarlierHalfLife>,
    shelf: &mut Shelf,
    hear: &mut dyn Listener,
) -> Result<Computed, Failure> {
    let CycleFrom { path, course, cycle, number, cache, .. } = *from;
    let named = |name: &Option<String>| name.as_ref().map(|name| beside(path, name));
    let ct = named(&cycle.ct).or(named(&course.ct));
    let labels = named(&cycle.labels).or(named(&course.labels)).filter(|_| !opened.names_regions());
    let label_names = named(&course.label_names);
    let own = SeriesRegions {
        labels: labels.as_ref(),
        label_names: label_names.as_ref(),
        ct: ct.as_ref(),
        sharing: course.outline_sharing,
        // the dose's own report of the regions follows
        quiet: true,
    };
    let name = format!("{}: decays", opened.name().display());
    let done = integrate(opened, earlier, own, shelf, hear)?;
    let Integrated {
        map,
        form_code,
        inputs,
        labels,
        label_names,
        nuclide,
        sharing,
        partial_volume,
        motions,
        warnings,
        ..
    } = done;
    let mut request = dose_request(from, ActivityChoice::Decays, nuclide)?;
    request.outline_sharing = sharing;
    if cycle.labels.is_none() && course.labels.is_none() {
        (request.labels, request.label_names) = (labels, label_names);
    }
    let decays = Decays {
        input: recorded_values("activity", &name, &map.decays.data, f64::to_le_bytes),
        orientation: map.decays.grid.orientation(),
        form_code,
        judged: true,
        map: DecayMap::new(map.decays, &name).or_user_error()?,
    };
    let mut done = transported(&request, Some(decays), cache, shelf, hear)?;
    for (name, region) in &mut done.regions {
        let Some(curve) = map.regions.iter().find(|r| r.name == *name) else { continue };
        let Some(integral) = &curve.integral else { continue };
        region.images = Some(curve.points.len());
        region.effective_half_life_h = Some(integral.effective_half_life_h);
        region.half_life_rel_sigma = integral.half_life_rel_sigma;
        region.kinetics = Some(integral.kinetics.clone());
        region.curve_rel_sigma = integral.rel_sigma;
        region.systematic_rel_sigma = Some(integral.systematic_rel_sigma);
        region.method = integral.method.clone();
    }
    done.known(&dose_budgets::of_integrated(&map.regions, partial_volume.as_ref()));
    for region in &map.regions {
        // the physical tail of a refused fit must not pass as a measured half-life in a later cycle
        let Some(integral) = region.integral.as_ref().filter(|integral| !integral.fell_back()) else {
            continue;
        };
        let half_life = EarlierHalfLife {
            half_life_h: integral.effective_half_life_h,
            rel_sigma: integral.half_life_rel_sigma,
            cycle: u32::try_from(number).unwrap_or(u32::MAX),
            scans: vec![scans_of(&region.points, cycle.administered_mbq / 1000.0 * region.volume_ml)],
        };
        done.half_lives.insert(region.name.clone(), half_life);
    }
    done.motions = motions;
    done.curves = map.regions.into_iter().filter(|region| region.label != 0).collect();
    done.inputs.extend(inputs);
    done.warnings.extend(warnings);
    done.warnings.extend(map.warnings);
    Ok(done)
}

/// The points of a region as scans of its kinetics, with administered activity times volume, GBq mL; what is not above 0
/// says nothing of a logarithm.
fn scans_of(points: &[ActivityPoint], gbq_ml: f64) -> Vec<Scan> {
    points.iter().filter(|point| point.activity_mbq > 0.0).map(|point| point.scan(Some(gbq_ml))).collect()
}

/// The equivalent `lutra dose` request for this cycle.
fn dose_request(from: &CycleFrom<'_>, activity: ActivityChoice, nuclide: Place) -> Result<DoseRequest, UserError> {
    let CycleFrom { path, course, cycle, number, run, .. } = *from;
    let ct = cycle.ct.as_ref().or(course.ct.as_ref()).ok_or_else(|| {
        UserError::invalid(
            path,
            format!("cycles[{number}].ct"),
            "none",
            "a CT, here or for the whole course",
            "Add ct = \"ct.nii.gz\", or give the cycle as dose or doses_gy.",
        )
    })?;
    Ok(DoseRequest {
        config: None,
        scene: SceneInput::Ct(beside(path, ct)),
        activity,
        administered_mbq: Some(cycle.administered_mbq),
        nuclide,
        emissions: Emissions::All,
        labels: cycle.labels.as_ref().or(course.labels.as_ref()).map(|name| beside(path, name)),
        label_names: course.label_names.as_ref().map(|name| beside(path, name)),
        out: PathBuf::new(),
        dicom: None,
        force: false,
        grid: course.grid.as_deref().map_or(Ok(GridChoice::Scene), GridChoice::parse)?,
        outline_sharing: course.outline_sharing.unwrap_or_default(),
        run: run.clone(),
    })
}

/// Largest share of the dose in negative voxels of an existing map: transport noise, not another quantity.
const NEGATIVE_SHARE: f64 = 0.02;

/// A dose map in single precision. Errors: a dose impossible in a patient.
fn singles(file: &str, dose: Volume<f64>) -> Result<Volume<f32>, UserError> {
    let held = |(n, &gy): (usize, &f64)| {
        bounds::voxel_dose("", gy).map_err(|error| {
            let [i, j, k] = dose.grid.voxel(n);
            BoundsError { what: format!("{file}: dose in voxel ({i}, {j}, {k})").into(), ..error }
        })
    };
    let data = dose.data.iter().enumerate().map(held).collect::<Result<Vec<f32>, _>>().or_user_error()?;
    Ok(Volume { grid: dose.grid, data })
}

/// An existing dose map with labels on its grid. Region means weight all voxels equally, since the density is unknown.
fn ready_map(from: &CycleFrom<'_>, file: &str, hear: &mut dyn Listener) -> Result<Computed, UserError> {
    let CycleFrom { path, course, cycle, number, .. } = *from;
    let dose_path = beside(path, file);
    let mut warnings =
        vec![Note::warning("volume-weighted", "mean doses of the ready dose map are weighted by volume, not by mass")];
    let image = images::dose(&dose_path, &mut warnings)?;
    let (form_code, origin) = (image.form_code, image.origin);
    let dose_gy = singles(&dose_path.display().to_string(), image.volume)?;
    let sum_of = |sign: f32| dose_gy.data.iter().map(|dose| f64::from((sign * dose).max(0.0))).sum::<f64>();
    let (above, below) = (sum_of(1.0), sum_of(-1.0));
    if below > NEGATIVE_SHARE * above {
        return Err(UserError::invalid(
            &dose_path,
            "voxel values",
            format!("negative doses that are {:.1} % of all dose", 100.0 * below / above.max(f64::MIN_POSITIVE)),
            format!("{:.0} %, as statistics", 100.0 * NEGATIVE_SHARE),
            "Check that this is a dose map in Gy.",
        ));
    }
    if below > 0.0 {
        warnings.push(
            Note::warning(
                "negative-dose-map",
                format!(
                    "voxels with a negative dose, {:.3} % of all dose: the statistics of a transport",
                    100.0 * below / above
                ),
            )
            .at(&dose_path),
        );
    }
    let labels_name = cycle.labels.as_ref().or(course.labels.as_ref()).ok_or_else(|| {
        UserError::invalid(
            path,
            format!("cycles[{number}].labels"),
            "none",
            "a label map on the dose's grid",
            "Add labels = \"labels.nii.gz\".",
        )
    })?;
    let labels_path = beside(path, labels_name);
    let anatomy = Anatomy { grid: &dose_gy.grid, origin: origin.as_ref() };
    let names_path = course.label_names.as_ref().map(|name| beside(path, name));
    let regions = images::regions(&labels_path, names_path.as_ref(), &anatomy, hear, &mut warnings)?;
    let images::RegionMap { labels, names, inputs: region_inputs } = regions;
    if !labels.grid.same_as(&dose_gy.grid) {
        return Err(UserError::invalid(
            &labels_path,
            "grid",
            labels.grid.describe(),
            format!("that of the dose map, {}", dose_gy.grid.describe()),
            "Resample the labels to the dose map with nearest-neighbour interpolation.",
        )
        .kind(FaultKind::Mismatch));
    }
    let mut sums: BTreeMap<u16, (f64, u32)> = BTreeMap::new();
    for (&label, &dose) in labels.data.iter().zip(&dose_gy.data).filter(|(label, _)| **label > 0) {
        let sum = sums.entry(label).or_default();
        sum.0 += f64::from(dose);
        sum.1 += 1;
    }
    let name_of = |label: u16| names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
    let nuclide = Nuclide::load(named_nuclide(path, &course.nuclide)).or_user_error()?;
    let given = Given::new(Some(cycle.administered_mbq), nuclide.half_life_h);
    for (&label, &(sum, voxels)) in &sums {
        let what = format!("{}: region {}: mean dose", dose_path.display(), name_of(label));
        // the density is unknown: the limit for lung applies everywhere
        let least_g = f64::from(voxels) * dose_gy.grid.voxel_cm3() * bounds::LIGHTEST_TISSUE_G_CM3;
        let mean_gy = sum / f64::from(voxels);
        given.check_dose(&what, mean_gy, Some(least_g), nuclide.emitted_kev_per_decay()).or_user_error()?;
    }
    let regions = sums
        .iter()
        .map(|(&label, &(sum, voxels))| {
            let name = name_of(label);
            let region = RegionCycle {
                label: Some(label),
                effective_half_life_h: cycle.half_life_h(&name),
                ..RegionCycle::of_dose(sum / f64::from(voxels), "ready dose map")
            };
            (name, region)
        })
        .collect();
    let present = sums.keys().map(|&label| (label, name_of(label))).collect();
    let mut inputs = vec![image.input];
    inputs.extend(region_inputs);
    Ok(Computed {
        regions,
        map: Some(Mapped {
            dose_gy,
            sigma_rel: None,
            density_g_cm3: None,
            labels: labels.data,
            names: present,
            form_code,
            origin,
        }),
        half_lives: BTreeMap::new(),
        inputs,
        tally_sha256: None,
        warnings,
        reused: false,
        curves: Vec::new(),
        run: None,
        motions: Vec::new(),
        motion: None,
    })
}
