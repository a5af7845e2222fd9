//! `lutra course`: from the cycles of a treatment to a verdict.
//!
//! Each cycle's dose is computed once and kept (`kept`): a cycle that comes later costs itself alone.

use super::args::{
    ActivityChoice, CourseRequest, DicomOut, DoseRequest, GridChoice, ImageChoice, RunOptions, SceneInput, StudyChoice,
    parse_grid,
};
use super::course_source::CourseSource;
use super::failure::{Failure, OrUserError, UserError};
use super::input::{self, Anatomy, hashed};
use super::kept::{Cache, KeptRun, keep_tia, transported};
use super::output::{DOSE_FILE, LABELS_FILE};
use super::tia::{
    OpenSeries, SeriesRegions, beside, in_file, integrate, named_nuclide, read_text, write_json, write_rows,
};
use super::{guard, output, page_course, printer};
use crate::bed::LimitQuantity;
use crate::bounds::{self, BoundsError, Given};
use crate::course::accumulate::{Accumulated, CourseFrame, CycleDose, RegionCycle, RegionParameters, accumulate};
use crate::course::cohort::{Cohort, Policy};
use crate::course::decision::{DecisionInput, GivenCycle, OrganDose, StructureHistory, Verdict, decide};
use crate::course::file::{Course, CourseCycle, CycleContent, ProtocolChoice};
use crate::course::frame::{IDENTITY, resample};
use crate::course::protocol::Protocol;
use crate::course::tia::{EarlierHalfLife, RegionIntegral};
use crate::course::words::verdict_words;
use crate::decay::Nuclide;
use crate::grid::{Orientation, Volume, VoxelGrid};
use crate::io::atomic::AtomicOutputDir;
use crate::io::dicom::{self, DoseOptions, DoseType, Origin, SegOptions};
use crate::io::inputs::Inputs;
use crate::io::nifti::{self, WriteOptions};
use crate::report::png::{self, Background, Drawn, Outline, Picture};
use crate::report::run_record::{self, InputFile};
use crate::source::ActivityUnit;
use crate::transport::emission::Emissions;
use anyhow::{Context, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names of the files written; there are further ones a cycle and with `--dicom`.
const FILE_NAMES: [&str; 11] = [
    "verdict.json",
    "verdict.txt",
    "cycles.csv",
    "cumulative.csv",
    "dose_sum_gy.nii.gz",
    "g_dose2_sum_gy2.nii.gz",
    "bed_gy.nii.gz",
    "eqd2_gy.nii.gz",
    "report.html",
    "dvh.csv",
    "dvh.json",
];

/// The BED in DICOM.
const BED_FILE: &str = "bed_gy.dcm";

/// Name of a cycle's dose map in the course's frame, cycles counted from 1.
fn cycle_map(cycle: usize) -> String {
    format!("cycle_{cycle}_dose_gy.nii.gz")
}

/// Names of the files that a course of so many cycles may write.
fn names(cycles: usize, dicom: Option<DicomOut>) -> Vec<String> {
    let mut names: Vec<String> = FILE_NAMES.map(str::to_owned).to_vec();
    names.extend((1..=cycles).map(cycle_map));
    if let Some(out) = dicom {
        names.extend([DOSE_FILE, LABELS_FILE, BED_FILE].map(str::to_owned));
        names.extend(
            ["axial", "coronal", "sagittal"].iter().filter(|_| out.pictures).map(|p| format!("dose_sum_{p}.dcm")),
        );
    }
    names
}

/// Runs `lutra course`.
pub(super) fn run(request: &CourseRequest) -> Result<(), Failure> {
    match request {
        CourseRequest::Patient { course, out, cache, study, dicom, force, run } => {
            let inputs = guard::of_course(request);
            let folder = guard::folder(out, *force, &inputs, &FILE_NAMES)?;
            patient(course, study.as_deref(), folder, &Cache { folder: cache, inputs: &inputs }, *dicom, run)
        }
        CourseRequest::Cohort { protocol, patients, seed, out, force } => {
            cohort(protocol, *patients, *seed, out.as_deref(), *force)
        }
    }
}

/// A dose map with its anatomy, in canonical order.
pub(super) struct Mapped {
    /// Dose, Gy.
    pub(super) dose_gy: Volume<f32>,
    /// Relative standard error of the dose; none for a ready map.
    pub(super) sigma_rel: Option<Volume<f32>>,
    /// Mass density, g/cm3; none for a ready map.
    pub(super) density_g_cm3: Option<Vec<f32>>,
    /// Labels.
    pub(super) labels: Vec<u16>,
    /// Names of the labels.
    pub(super) names: BTreeMap<u16, String>,
    /// Kind of coordinates.
    pub(super) form_code: i16,
    /// The image whose frame of reference the map has.
    pub(super) origin: Option<Origin>,
}

/// A cycle as computed.
pub(super) struct Computed {
    /// Its regions.
    pub(super) regions: BTreeMap<String, RegionCycle>,
    /// Its dose map.
    pub(super) map: Option<Mapped>,
    /// Half-lives measured in it, of what carries no label too.
    pub(super) half_lives: BTreeMap<String, EarlierHalfLife>,
    /// Files read.
    pub(super) inputs: Vec<InputFile>,
    /// Hash of the tallies.
    pub(super) tally_sha256: Option<String>,
    /// What the reader should know.
    pub(super) warnings: Vec<String>,
    /// Whether it was taken from the cache.
    pub(super) reused: bool,
    /// Time-activity curves of the regions, where the cycle is a series.
    pub(super) curves: Vec<RegionIntegral>,
    /// How it was transported, where it was.
    pub(super) run: Option<KeptRun>,
}

impl Computed {
    fn without_map(regions: BTreeMap<String, RegionCycle>) -> Self {
        Self {
            regions,
            map: None,
            half_lives: BTreeMap::new(),
            inputs: Vec::new(),
            tally_sha256: None,
            warnings: Vec::new(),
            reused: false,
            curves: Vec::new(),
            run: None,
        }
    }
}

fn patient(
    path: &Path,
    choice: Option<&StudyChoice>,
    folder: AtomicOutputDir,
    cache: &Cache<'_>,
    dicom: Option<DicomOut>,
    run: &RunOptions,
) -> Result<(), Failure> {
    let clock = output::Clock::start();
    let CourseSource { course, protocol, base, mut series, days, images, doubts } = match choice {
        Some(choice) => CourseSource::of_study(path, choice)?,
        None => CourseSource::of_file(path)?,
    };
    folder.expect(&names(course.cycles.len(), dicom)).or_user_error()?;
    let mut computed = Vec::new();
    let mut earlier: BTreeMap<String, EarlierHalfLife> = BTreeMap::new();
    for (index, cycle) in course.cycles.iter().enumerate() {
        let number = index + 1;
        printer::note(&format!("cycle {number} of {}, {}", course.cycles.len(), days[index]));
        let from = CycleFrom { path: &base, course: &course, cycle, number, cache, run, images: &images };
        let one = compute_cycle(&from, series[index].take(), &earlier)?;
        if one.reused {
            printer::note(&format!("cycle {number}: unchanged, taken from {}", cache.folder.display()));
        }
        for (name, region) in &one.regions {
            if let Some(half_life_h) = region.effective_half_life_h {
                let cycle = u32::try_from(number).unwrap_or(u32::MAX);
                let rel_sigma = region.half_life_rel_sigma;
                earlier.insert(name.clone(), EarlierHalfLife { half_life_h, rel_sigma, cycle });
            }
        }
        earlier.extend(one.half_lives.iter().map(|(name, half_life)| (name.clone(), *half_life)));
        computed.push(one);
    }
    let mut warnings = doubts;
    warnings.extend(by_cycle(&computed));
    check_ledger(path, &course, &protocol, &computed)?;
    let frame = Frame::of(&base, &course, &computed, &mut warnings)?;
    let cycles = cycle_doses(&course, &days, &computed, frame.as_ref(), &mut warnings);
    let anatomy = frame.as_ref().map(|frame| CourseFrame {
        labels: &frame.labels,
        names: &frame.names,
        density_g_cm3: frame.density_g_cm3.as_deref(),
    });
    let mut accumulated = accumulate(&cycles, anatomy, &|region| parameters(&course, &protocol, region))
        .or_user_error()
        .map_err(|e| in_file(path, &e))?;
    warnings.extend(accumulated.warnings.iter().cloned());
    warnings.extend(names_without_region(&course, &protocol, &cycles));
    let mut verdict = verdict(&course, &protocol, &cycles).map_err(|e| in_file(path, &e))?;
    verdict.warnings.extend(warnings);
    let parameters = |region: &str| parameters(&course, &protocol, region);
    let histograms =
        page_course::Histograms::of(&course, &cycles, &computed, frame.as_ref(), &accumulated, &parameters);
    histograms.refine(&mut accumulated.totals);
    write(
        &folder,
        &Written {
            path,
            course: &course,
            days: &days,
            cycles: &cycles,
            accumulated: &accumulated,
            verdict: &verdict,
            computed: &computed,
            frame: frame.as_ref(),
            dicom,
        },
    )?;
    page_course::write(
        &folder,
        &page_course::Found {
            course: &course,
            protocol: &protocol,
            cycles: &cycles,
            computed: &computed,
            frame: frame.as_ref(),
            accumulated: &accumulated,
            verdict: &verdict,
            histograms: &histograms,
            clock,
            course_file: hashed("course", path)?,
        },
    )?;
    let place = folder.commit().or_user_error()?;
    printer::record_file(&place.join("verdict.json"))?;
    printer::data(&verdict_words(&verdict));
    printer::results("", &place);
    Ok(())
}

/// Refuses a ledger entry under a name that nothing has: a treatment before this course must not get lost by a slip of the
/// pen.
fn check_ledger(path: &Path, course: &Course, protocol: &Protocol, computed: &[Computed]) -> Result<(), UserError> {
    let mut known: Vec<&str> = computed.iter().flat_map(|one| one.regions.keys()).map(String::as_str).collect();
    known.extend(protocol.organ.structures.iter().map(String::as_str));
    known.push(&protocol.organ.name);
    known.sort_unstable();
    known.dedup();
    if let Some(entry) = course.ledger.iter().find(|entry| !known.contains(&entry.structure.as_str())) {
        return Err(UserError::new(
            format!(
                "{}: ledger ({}): structure: found \"{}\"; allowed: {}",
                path.display(),
                entry.what,
                entry.structure,
                known.join(", ")
            ),
            "Correct the name: a treatment under another name would not be counted.",
        ));
    }
    Ok(())
}

/// Warnings of the cycles, one that several share said once.
fn by_cycle(computed: &[Computed]) -> Vec<String> {
    let mut shared: Vec<(&str, Vec<String>)> = Vec::new();
    for (index, one) in computed.iter().enumerate() {
        for warning in &one.warnings {
            let number = (index + 1).to_string();
            match shared.iter_mut().find(|(known, _)| known == warning) {
                Some((_, cycles)) => cycles.push(number),
                None => shared.push((warning, vec![number])),
            }
        }
    }
    shared.iter().map(|(warning, cycles)| format!("cycle {}: {warning}", cycles.join(", "))).collect()
}

/// Names of the protocol and of the course that no cycle has: a misspelt kidney must not drop out of the verdict
/// unseen.
fn names_without_region(course: &Course, protocol: &Protocol, cycles: &[CycleDose]) -> Vec<String> {
    let regions: BTreeSet<&str> = cycles.iter().flat_map(|cycle| cycle.regions.keys().map(String::as_str)).collect();
    if regions.is_empty() {
        return Vec::new();
    }
    let steering = protocol.organ.structures.iter().map(|name| (name.as_str(), "the protocol steers by it"));
    let half_lives = course.cycles.iter().flat_map(|cycle| cycle.effective_half_life_h.keys());
    let half_lives = half_lives.map(|name| (name.as_str(), "effective_half_life_h names it"));
    let tissues = course.radiobiology.iter().filter_map(|r| Some((r.region.as_deref()?, "radiobiology names it")));
    let mut seen = BTreeSet::new();
    steering
        .chain(half_lives)
        .chain(tissues)
        .filter(|(name, _)| !regions.contains(name) && seen.insert(*name))
        .map(|(name, why)| {
            let near = regions.iter().map(|region| (strsim::osa_distance(region, name), region)).min();
            let near = near.filter(|(distance, _)| *distance <= 1 + name.len() / 4);
            let near = near.map_or(String::new(), |(_, region)| format!("; is {region} meant?"));
            format!("no cycle has a region called {name}, and {why}: it plays no part{near}")
        })
        .collect()
}

/// Reads a protocol: built in, or a file beside `path`.
pub(super) fn read_protocol(path: &Path, choice: &ProtocolChoice) -> Result<Protocol, UserError> {
    match choice {
        ProtocolChoice::BuiltIn(name) => Protocol::built_in(name).map_err(|error| {
            let error = UserError::from_library(&error);
            UserError::new(format!("{}: {}", path.display(), error.message()), error.hint().unwrap_or_default())
        }),
        ProtocolChoice::File(name) => {
            let file = beside(path, name);
            Protocol::parse(&read_text(&file)?, &file.display().to_string()).or_user_error()
        }
    }
}

/// Radiobiology of a region: the protocol's for the steering organ, the course's for all others.
fn parameters(course: &Course, protocol: &Protocol, region: &str) -> Option<RegionParameters> {
    let own = course.radiobiology_of(region);
    let steering = protocol.organ.structures.iter().any(|name| name == region);
    let radiobiology = if steering { protocol.radiobiology().ok()? } else { own?.radiobiology };
    Some(RegionParameters {
        radiobiology,
        alpha_per_gy: own.and_then(|r| r.alpha_per_gy),
        geud_a: own.and_then(|r| r.geud_a),
    })
}

/// What one cycle is computed from.
struct CycleFrom<'a> {
    /// The file that other files are named beside.
    path: &'a Path,
    course: &'a Course,
    cycle: &'a CourseCycle,
    number: usize,
    cache: &'a Cache<'a>,
    run: &'a RunOptions,
    images: &'a ImageChoice,
}

fn compute_cycle(
    from: &CycleFrom<'_>,
    opened: Option<OpenSeries>,
    earlier: &BTreeMap<String, EarlierHalfLife>,
) -> Result<Computed, Failure> {
    let CycleFrom { path, course, cycle, number, cache, images, .. } = *from;
    let nuclide = named_nuclide(path, &course.nuclide);
    match &cycle.content {
        CycleContent::Missing(reason) => {
            let mut none = Computed::without_map(BTreeMap::new());
            none.warnings.push(format!("no dosimetry: {reason}"));
            Ok(none)
        }
        CycleContent::Stated(doses) => Ok(Computed::without_map(
            doses
                .iter()
                .map(|(name, stated)| {
                    let region = RegionCycle {
                        mass_g: stated.mass_g,
                        effective_half_life_h: cycle.effective_half_life_h.get(name).copied(),
                        ..RegionCycle::of_dose(stated.dose_gy, "stated")
                    };
                    (name.clone(), region)
                })
                .collect(),
        )),
        CycleContent::Dose(file) => Ok(ready_map(from, file)?),
        CycleContent::Tia { file, unit } => {
            let unit: ActivityUnit = unit.parse().or_user_error()?;
            let request = dose_request(from, beside(path, file), unit, nuclide)?;
            let mut done = transported(&request, cache)?;
            for (name, region) in &mut done.regions {
                region.effective_half_life_h = cycle.effective_half_life_h.get(name).copied();
                region.method = "ready TIA map".to_owned();
            }
            Ok(done)
        }
        CycleContent::Series(file) => {
            let opened = match opened {
                Some(opened) => opened,
                None => OpenSeries::open(
                    &beside(path, file),
                    &ImageChoice { administered_mbq: Some(cycle.administered_mbq), ..images.clone() },
                )?
                .given(cycle.administered_mbq),
            };
            let named = |name: &Option<String>| name.as_ref().map(|name| beside(path, name));
            let ct = named(&cycle.ct).or(named(&course.ct));
            let labels = named(&cycle.labels).or(named(&course.labels)).filter(|_| !opened.names_regions());
            let label_names = named(&course.label_names);
            let own = SeriesRegions {
                labels: labels.as_deref(),
                label_names: label_names.as_deref(),
                ct: ct.as_deref(),
                // the dose's own report of the regions follows
                quiet: true,
            };
            let series = integrate(opened, earlier, own)?;
            let tia = keep_tia(&series, cache)?;
            let nuclide = series.nuclide.clone();
            let mut request = dose_request(from, tia, ActivityUnit::Decays, nuclide)?;
            if cycle.labels.is_none() && course.labels.is_none() {
                request.labels = series.labels.clone();
                request.label_names = series.label_names.clone();
            }
            let mut done = transported(&request, cache)?;
            for (name, region) in &mut done.regions {
                let Some(integral) =
                    series.map.regions.iter().find(|r| r.name == *name).and_then(|r| r.integral.as_ref())
                else {
                    continue;
                };
                region.effective_half_life_h = Some(integral.effective_half_life_h);
                region.half_life_rel_sigma = integral.half_life_rel_sigma;
                region.kinetics = Some(integral.kinetics.clone());
                region.curve_rel_sigma = integral.rel_sigma;
                region.systematic_rel_sigma = Some(integral.systematic_rel_sigma);
                region.method = integral.method.clone();
            }
            for region in &series.map.regions {
                // the physical tail of a refused fit is no half-life that a later cycle could take for measured
                let Some(integral) = region.integral.as_ref().filter(|integral| !integral.fell_back()) else {
                    continue;
                };
                let half_life = EarlierHalfLife {
                    half_life_h: integral.effective_half_life_h,
                    rel_sigma: integral.half_life_rel_sigma,
                    cycle: u32::try_from(number).unwrap_or(u32::MAX),
                };
                done.half_lives.insert(region.name.clone(), half_life);
            }
            done.curves = series.map.regions.iter().filter(|region| region.label != 0).cloned().collect();
            done.inputs.extend(series.inputs);
            done.warnings.extend(series.warnings);
            done.warnings.extend(series.map.warnings);
            Ok(done)
        }
    }
}

/// What `lutra dose` would be asked for this cycle.
fn dose_request(
    from: &CycleFrom<'_>,
    activity: PathBuf,
    unit: ActivityUnit,
    nuclide: String,
) -> Result<DoseRequest, UserError> {
    let CycleFrom { path, course, cycle, number, run, .. } = *from;
    let ct = cycle.ct.as_ref().or(course.ct.as_ref()).ok_or_else(|| {
        UserError::new(
            format!("{}: cycles[{number}].ct: found none; allowed: a CT, here or for the whole course", path.display()),
            "Add ct = \"ct.nii.gz\", or give the cycle as dose or doses_gy.",
        )
    })?;
    Ok(DoseRequest {
        config: None,
        scene: SceneInput::Ct(beside(path, ct)),
        activity: ActivityChoice::Map { file: activity, unit },
        administered_mbq: Some(cycle.administered_mbq),
        nuclide,
        emissions: Emissions::All,
        labels: cycle.labels.as_ref().or(course.labels.as_ref()).map(|name| beside(path, name)),
        label_names: course.label_names.as_ref().map(|name| beside(path, name)),
        out: PathBuf::new(),
        dicom: None,
        force: false,
        grid: course.grid.as_deref().map_or(Ok(GridChoice::Scene), parse_grid)?,
        run: run.clone(),
    })
}

/// Share of all dose that negative voxels of a ready map may hold: noise of a transport, not another quantity.
const NEGATIVE_SHARE: f64 = 0.02;

/// A dose map in the numbers that maps hold. Errors: a dose that no patient has.
fn singles(file: &str, dose: Volume<f64>) -> Result<Volume<f32>, UserError> {
    let held = |(n, &gy): (usize, &f64)| {
        bounds::voxel_dose("", gy).map_err(|error| {
            let [i, j, k] = dose.grid.voxel(n);
            BoundsError { what: format!("{file}: dose in voxel ({i}, {j}, {k})"), ..error }
        })
    };
    let data = dose.data.iter().enumerate().map(held).collect::<Result<Vec<f32>, _>>().or_user_error()?;
    Ok(Volume { grid: dose.grid, data })
}

/// A ready dose map with labels on its grid. Region means weigh all voxels alike: no density is at hand.
fn ready_map(from: &CycleFrom<'_>, file: &str) -> Result<Computed, UserError> {
    let CycleFrom { path, course, cycle, number, .. } = *from;
    let dose_path = beside(path, file);
    let mut warnings = vec!["mean doses of the ready dose map are weighted by volume, not by mass".to_owned()];
    let image = input::dose(&dose_path, &mut warnings)?;
    let (form_code, origin) = (image.form_code, image.origin);
    let dose_gy = singles(&dose_path.display().to_string(), image.volume)?;
    let sum_of = |sign: f32| dose_gy.data.iter().map(|dose| f64::from((sign * dose).max(0.0))).sum::<f64>();
    let (above, below) = (sum_of(1.0), sum_of(-1.0));
    if below > NEGATIVE_SHARE * above {
        return Err(UserError::new(
            format!(
                "{}: voxel values: found negative doses that are {:.1} % of all dose; allowed: {:.0} %, as statistics",
                dose_path.display(),
                100.0 * below / above.max(f64::MIN_POSITIVE),
                100.0 * NEGATIVE_SHARE
            ),
            "Check that this is a dose map in Gy.",
        ));
    }
    if below > 0.0 {
        warnings.push(format!(
            "{}: voxels with a negative dose, {:.3} % of all dose: the statistics of a transport",
            dose_path.display(),
            100.0 * below / above
        ));
    }
    let labels_name = cycle.labels.as_ref().or(course.labels.as_ref()).ok_or_else(|| {
        UserError::new(
            format!("{}: cycles[{number}].labels: found none; allowed: a label map on the dose's grid", path.display()),
            "Add labels = \"labels.nii.gz\".",
        )
    })?;
    let labels_path = beside(path, labels_name);
    let anatomy = Anatomy { grid: &dose_gy.grid, origin: origin.as_ref() };
    let names_path = course.label_names.as_ref().map(|name| beside(path, name));
    let regions = input::regions(&labels_path, names_path.as_deref(), &anatomy, false, &mut warnings)?;
    let input::RegionMap { labels, names, inputs: region_inputs } = regions;
    if !labels.grid.same_as(&dose_gy.grid) {
        return Err(UserError::new(
            format!(
                "{}: grid: found {}; allowed: that of the dose map, {}",
                labels_path.display(),
                labels.grid.describe(),
                dose_gy.grid.describe()
            ),
            "Resample the labels to the dose map with nearest-neighbour interpolation.",
        ));
    }
    let mut sums: BTreeMap<u16, (f64, u32)> = BTreeMap::new();
    for (&label, &dose) in labels.data.iter().zip(&dose_gy.data).filter(|(label, _)| **label > 0) {
        let sum = sums.entry(label).or_default();
        sum.0 += f64::from(dose);
        sum.1 += 1;
    }
    let name_of = |label: u16| names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
    let nuclide = Nuclide::load(&named_nuclide(path, &course.nuclide)).or_user_error()?;
    let given = Given::new(Some(cycle.administered_mbq), nuclide.half_life_h);
    for (&label, &(sum, voxels)) in &sums {
        let what = format!("{}: region {}: mean dose", dose_path.display(), name_of(label));
        // the density is not known: what is too much in lung is too much
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
                effective_half_life_h: cycle.effective_half_life_h.get(&name).copied(),
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
    })
}

/// The course's frame: where voxel sums are formed.
pub(super) struct Frame {
    /// Its grid.
    pub(super) grid: VoxelGrid,
    /// Label of each voxel.
    pub(super) labels: Vec<u16>,
    /// Names of the labels.
    pub(super) names: BTreeMap<u16, String>,
    /// Mass density, g/cm3, where known.
    pub(super) density_g_cm3: Option<Vec<f32>>,
    /// Kind of coordinates.
    pub(super) form_code: i16,
    /// The image whose frame of reference it is, if that is DICOM.
    origin: Option<Origin>,
}

/// Whether a cycle lies in the course's frame as it is: its anatomy is the course's.
fn in_frame(cycle: &CourseCycle) -> bool {
    cycle.transform.is_none() && cycle.ct.is_none() && cycle.labels.is_none()
}

impl Frame {
    /// The frame: that of the first map with the course's own anatomy. Where every cycle has its own, the course's labels
    /// give it; where the course states none, the first cycle without a transform does. None without any map.
    fn of(
        path: &Path,
        course: &Course,
        computed: &[Computed],
        warnings: &mut Vec<String>,
    ) -> Result<Option<Self>, UserError> {
        let maps = || course.cycles.iter().zip(computed).filter_map(|(cycle, one)| Some((cycle, one.map.as_ref()?)));
        let Some((_, any)) = maps().next() else { return Ok(None) };
        let stated = course.ct.is_some() || course.labels.is_some();
        let own = maps().find(|(cycle, _)| in_frame(cycle));
        let first = || maps().find(|(cycle, _)| !stated && cycle.transform.is_none());
        if let Some((_, map)) = own.or_else(first) {
            return Ok(Some(Self {
                grid: map.dose_gy.grid.clone(),
                labels: map.labels.clone(),
                names: map.names.clone(),
                density_g_cm3: map.density_g_cm3.clone(),
                form_code: map.form_code,
                origin: map.origin.clone(),
            }));
        }
        let Some(labels) = &course.labels else {
            warnings.push(
                "every cycle has its own anatomy and the course has no labels: there is no frame for voxel sums"
                    .to_owned(),
            );
            return Ok(None);
        };
        let labels = beside(path, labels);
        let ct = course.ct.as_ref().map(|ct| input::ct(&beside(path, ct), &mut Vec::new())).transpose()?;
        let anatomy = match &ct {
            Some(ct) => Anatomy { grid: &ct.volume.grid, origin: ct.origin.as_ref() },
            None if dicom::is_dicom(&labels) => {
                return Err(UserError::new(
                    format!("{}: ct: found none; allowed: the CT of the course's frame", labels.display()),
                    "Name the CT that the regions were drawn on as ct of the course.",
                ));
            }
            None => Anatomy { grid: &any.dose_gy.grid, origin: None },
        };
        let names = course.label_names.as_ref().map(|name| beside(path, name));
        let input::RegionMap { labels, names, .. } =
            input::regions(&labels, names.as_deref(), &anatomy, true, warnings)?;
        let present: BTreeMap<u16, String> = labels
            .data
            .iter()
            .filter(|label| **label > 0)
            .map(|label| (*label, names.get(label).cloned().unwrap_or_else(|| format!("label_{label}"))))
            .collect();
        warnings.push("the course's frame has labels but no density: histograms weigh voxels by volume".to_owned());
        Ok(Some(Self {
            grid: labels.grid,
            labels: labels.data,
            names: present,
            density_g_cm3: None,
            form_code: 1,
            origin: ct.and_then(|ct| ct.origin),
        }))
    }
}

/// The cycles for accumulation: every map that lies in the course's frame or has a transform to it, on its grid.
fn cycle_doses(
    course: &Course,
    days: &[String],
    computed: &[Computed],
    frame: Option<&Frame>,
    warnings: &mut Vec<String>,
) -> Vec<CycleDose> {
    let stated = course.ct.is_some() || course.labels.is_some();
    let mut first_apart = true;
    let mut cycles = Vec::new();
    for (index, (cycle, one)) in course.cycles.iter().zip(computed).enumerate() {
        let dose_gy = one.map.as_ref().zip(frame).and_then(|(map, frame)| {
            // where the course states no anatomy, its frame is that of the first cycle without a transform
            let gives_frame = !stated && cycle.transform.is_none() && std::mem::take(&mut first_apart);
            if cycle.transform.is_none() && !in_frame(cycle) && !gives_frame {
                warnings.push(format!(
                    "cycle {} has its own CT or labels and no transform to the course's frame: it stays out of voxel sums",
                    index + 1
                ));
                return None;
            }
            let (moved, outside) = resample(&map.dose_gy, &frame.grid, &cycle.transform.unwrap_or(IDENTITY))?;
            if outside > 0 {
                warnings.push(format!(
                    "cycle {}: its dose map does not reach {outside} voxels of the course's grid",
                    index + 1
                ));
            }
            Some(moved.data)
        });
        cycles.push(CycleDose {
            date: days[index].clone(),
            administered_gbq: cycle.administered_mbq / 1000.0,
            regions: one.regions.clone(),
            dose_gy,
        });
    }
    cycles
}

/// The verdict on the accumulated cycles.
fn verdict(course: &Course, protocol: &Protocol, cycles: &[CycleDose]) -> Result<Verdict, UserError> {
    let given: Vec<GivenCycle> = course
        .cycles
        .iter()
        .map(|cycle| GivenCycle {
            administered_gbq: cycle.administered_mbq / 1000.0,
            prescribed_gbq: cycle.prescribed_mbq.map(|mbq| mbq / 1000.0),
            interval_d: cycle.interval_d,
        })
        .collect();
    let tissue = protocol.radiobiology().or_user_error()?;
    let mut structures = Vec::new();
    for name in &protocol.organ.structures {
        let doses: Vec<Option<OrganDose>> = cycles
            .iter()
            .zip(&course.cycles)
            .map(|(cycle, file)| {
                let region = cycle.regions.get(name)?;
                let statistics = region.dose_se_gy / region.dose_gy;
                let plan = &protocol.uncertainty;
                Some(OrganDose {
                    dose_gy: region.dose_gy,
                    g: region.g(&tissue)?,
                    mass_g: region.mass_g,
                    random_rel_sigma: file
                        .random_rel_sigma
                        .or_else(|| Some(region.curve_rel_sigma.unwrap_or(plan.random_rel).hypot(statistics))),
                    // what a series states of its images does not shrink what the protocol says of a dose
                    systematic_rel_sigma: file
                        .systematic_rel_sigma
                        .or_else(|| region.systematic_rel_sigma.map(|stated| stated.max(plan.systematic_rel))),
                })
            })
            .collect();
        if doses.iter().any(Option::is_some) || cycles.iter().all(|cycle| cycle.regions.is_empty()) {
            structures.push(StructureHistory { structure: name.clone(), cycles: doses });
        }
    }
    decide(&DecisionInput {
        protocol,
        step: course.step,
        cycles: &given,
        structures: &structures,
        ledger: &course.ledger,
        facts: &course.facts,
        overrides: &course.overrides,
        stop_flags: &course.stop_flags,
        reduction_factor: course.reduction_factor,
    })
    .or_user_error()
}

/// What is written.
struct Written<'a> {
    path: &'a Path,
    course: &'a Course,
    days: &'a [String],
    cycles: &'a [CycleDose],
    accumulated: &'a Accumulated,
    verdict: &'a Verdict,
    computed: &'a [Computed],
    frame: Option<&'a Frame>,
    dicom: Option<DicomOut>,
}

fn write(folder: &AtomicOutputDir, w: &Written<'_>) -> anyhow::Result<()> {
    write_rows(&folder.file("cycles.csv"), &w.accumulated.cycles)?;
    write_rows(&folder.file("cumulative.csv"), &w.accumulated.totals)?;
    let text = folder.file("verdict.txt");
    std::fs::write(&text, verdict_words(w.verdict)).with_context(|| format!("{}", text.display()))?;
    let cycles: Vec<serde_json::Value> = w
        .course
        .cycles
        .iter()
        .zip(w.computed)
        .zip(w.days)
        .map(|((cycle, one), day)| {
            serde_json::json!({
                "date": day,
                "administered_mbq": cycle.administered_mbq,
                "inputs": one.inputs,
                "tally_sha256": one.tally_sha256,
            })
        })
        .collect();
    let record = serde_json::json!({
        "schema": 1,
        "program": run_record::program(),
        "course": hashed("course", w.path)?,
        "patient": w.course.patient_id,
        "verdict": w.verdict,
        "cycles": cycles,
        "regions_by_cycle": w.accumulated.cycles,
        "regions_cumulative": w.accumulated.totals,
    });
    write_json(&folder.file("verdict.json"), &record)?;
    if let (Some(frame), Some(voxels)) = (w.frame, &w.accumulated.voxels) {
        let orientation: Orientation = frame.grid.orientation();
        let write_map = |name: &str, text: &str, data: Vec<f32>| -> anyhow::Result<()> {
            let volume = orientation.restore(Volume { grid: frame.grid.clone(), data })?;
            let description = format!("{text}; {}", run_record::program());
            nifti::write_with(folder.file(name), &volume, &WriteOptions { description, form_code: frame.form_code })?;
            Ok(())
        };
        let single = |what: &str, values: &[f64]| {
            values.iter().map(|&value| bounds::single(what, value)).collect::<Result<Vec<f32>, _>>()
        };
        let stated = "0 where no radiobiology is stated";
        write_map(
            "dose_sum_gy.nii.gz",
            "cumulative absorbed dose, Gy",
            single("dose_sum_gy", &voxels.sums.sum_dose_gy)?,
        )?;
        write_map(
            "g_dose2_sum_gy2.nii.gz",
            "sum of G D^2, Gy^2",
            single("g_dose2_sum_gy2", &voxels.sums.sum_g_dose2_gy2)?,
        )?;
        write_map("bed_gy.nii.gz", &format!("cumulative BED, Gy; {stated}"), voxels.bed_gy.clone())?;
        write_map("eqd2_gy.nii.gz", &format!("cumulative EQD2, Gy; {stated}"), voxels.eqd2_gy.clone())?;
        for (index, cycle) in w.cycles.iter().enumerate() {
            if let Some(dose_gy) = &cycle.dose_gy {
                write_map(&cycle_map(index + 1), "absorbed dose of the cycle, Gy", dose_gy.clone())?;
            }
        }
        if let Some(out) = w.dicom {
            write_dicom(folder, frame, &voxels.sums.sum_dose_gy, &voxels.bed_gy, w.course, out)?;
        }
    } else if w.dicom.is_some() {
        bail!("--dicom: there is no dose map to write: no cycle has one, or the maps have no frame in common");
    }
    Ok(())
}

/// Writes the course's dose and BED as RT Dose and its regions as SEG.
fn write_dicom(
    folder: &AtomicOutputDir,
    frame: &Frame,
    dose_gy: &[f64],
    bed_gy: &[f32],
    course: &Course,
    out: DicomOut,
) -> anyhow::Result<()> {
    let cycles = course.cycles.len();
    let options = |dose_type, description: &str, comment: String| DoseOptions {
        dose_type,
        depth: out.depth,
        description: description.to_owned(),
        comment,
        deidentify: out.deidentify,
        created: None,
    };
    let volume = |data: Vec<f64>, name: &str| Volume { grid: frame.grid.clone(), data: output::storable(data, name) };
    let origin = frame.origin.as_ref();
    let absorbed = options(DoseType::Physical, "Lutra absorbed dose, all cycles", format!("sum of {cycles} cycles"));
    let dose = volume(dose_gy.to_vec(), DOSE_FILE);
    dicom::write_rtdose(folder.file(DOSE_FILE), &dose, origin, &absorbed)?;
    let bed = options(
        DoseType::Effective,
        "Lutra BED, all cycles",
        format!("BED of {cycles} cycles; 0 where no alpha/beta is stated"),
    );
    let bed_gy = volume(bed_gy.iter().map(|&gy| f64::from(gy)).collect(), BED_FILE);
    dicom::write_rtdose(folder.file(BED_FILE), &bed_gy, origin, &bed)?;
    let labels = Volume { grid: frame.grid.clone(), data: frame.labels.clone() };
    let regions = SegOptions { description: "Lutra regions".to_owned(), deidentify: out.deidentify };
    dicom::write_seg(folder.file(LABELS_FILE), &labels, &frame.names, origin, &regions)?;
    if out.pictures {
        let pictures = pictures(frame, dose_gy);
        output::write_captures(&pictures, "Lutra absorbed dose, all cycles, pictures", origin, out, folder)?;
    }
    Ok(())
}

/// Slices of the course's dose through its hottest place.
fn pictures(frame: &Frame, dose_gy: &[f64]) -> Vec<Drawn> {
    let dose_gy: Vec<f32> = dose_gy.iter().map(|&gy| gy as f32).collect();
    // without a density (ready dose maps) the anatomy stays dark
    let nothing = vec![0.84_f32; frame.labels.len()];
    let background = Background::Density(frame.density_g_cm3.as_ref().unwrap_or(&nothing));
    let mean = |label: u16| {
        let (sum, count) = (frame.labels.iter().zip(&dose_gy).filter(|(own, _)| **own == label))
            .fold((0.0, 0_usize), |(sum, count), (_, gy)| (sum + f64::from(*gy), count + 1));
        (count > 0).then(|| sum / count as f64)
    };
    let outlines: Vec<Outline> =
        frame.names.iter().map(|(&label, name)| Outline { label, name: name.clone(), dose_gy: mean(label) }).collect();
    let picture = Picture {
        grid: &frame.grid,
        background,
        dose_gy: &dose_gy,
        labels: Some(&frame.labels),
        outlines: &outlines,
        title: "Absorbed dose of all cycles over density",
    };
    png::slices(&picture, "dose_sum", png::hottest_voxel(&picture))
}

/// The virtual cohort.
fn cohort(protocol: &str, patients: u32, seed: u64, out: Option<&Path>, force: bool) -> Result<(), Failure> {
    let folder = out.map(|out| guard::folder(out, force, &Inputs::none(), &["cohort.json"])).transpose()?;
    let protocol = Protocol::built_in(protocol).or_user_error()?;
    let window = protocol.steps[0]
        .window
        .filter(|window| window.quantity == LimitQuantity::Bed && window.lower_gy.is_some())
        .ok_or_else(|| {
            UserError::new(
                format!(
                    "--protocol: found {}, whose first step has no BED window; allowed: iluminet, custom",
                    protocol.id
                ),
                "A cohort is sorted by a window with both edges.",
            )
        })?;
    let radiobiology = protocol.radiobiology().or_user_error()?;
    let cohort = Cohort { patients, seed, ..Cohort::default() };
    let outcomes = Policy::ALL
        .iter()
        .map(|&policy| cohort.treat(policy, &window, &radiobiology))
        .collect::<Result<Vec<_>, _>>()
        .or_user_error()?;
    let mut text = format!(
        "{patients} virtual patients, seed {seed}: {} +- {} Gy per cycle, {} % scatter within a patient (assumed)\n\
         {:<20} {:>9} {:>9} {:>9} {:>14} {:>15}\n",
        cohort.mean_dose_gy,
        cohort.sigma_dose_gy,
        100.0 * cohort.within_patient_cv,
        "policy",
        "below (%)",
        "in (%)",
        "above (%)",
        "median cycles",
        "mean BED (Gy)"
    );
    for outcome in &outcomes {
        text.push_str(&format!(
            "{:<20} {:>9.1} {:>9.1} {:>9.1} {:>14} {:>15.2}\n",
            outcome.policy.name(),
            100.0 * outcome.below,
            100.0 * outcome.inside,
            100.0 * outcome.above,
            outcome.median_cycles,
            outcome.mean_bed_gy
        ));
    }
    let record =
        serde_json::json!({"schema": 1, "program": run_record::program(), "cohort": cohort, "outcomes": outcomes});
    let place = match folder {
        None => None,
        Some(folder) => {
            write_json(&folder.file("cohort.json"), &record)?;
            Some(folder.commit().or_user_error()?)
        }
    };
    printer::record(&record)?;
    printer::data(&text);
    if let Some(place) = place {
        printer::results("", &place);
    }
    Ok(())
}
