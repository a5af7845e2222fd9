//! `lutra course`: from the cycles of a treatment to a verdict.
//!
//! Each cycle's dose is computed once: its result lies in the cache under the hash of everything it depends
//! on (files, settings, program). Nothing stale can be found there, and nothing unchanged is computed twice.

use super::args::{
    ActivityChoice, CourseRequest, DicomOut, DoseRequest, GridChoice, ImageChoice, RunOptions, SceneInput, Stop,
    StudyChoice, parse_grid,
};
use super::failure::{Failure, OrUserError, UserError};
use super::input::{self, Anatomy, hashed};
use super::output::{DOSE_FILE, LABELS_FILE};
use super::tia::{OpenSeries, SeriesRegions, beside, integrate, named_nuclide, read_text, write_json, write_rows};
use super::{dose, output, page_course, printer, study, transport};
use crate::bed::LimitQuantity;
use crate::course::accumulate::{Accumulated, CourseFrame, CycleDose, RegionCycle, RegionParameters, accumulate};
use crate::course::cohort::{Cohort, Policy};
use crate::course::decision::{DecisionInput, GivenCycle, OrganDose, StructureHistory, Verdict, decide};
use crate::course::file::{Course, CourseCycle, CycleContent, ProtocolChoice};
use crate::course::frame::{IDENTITY, resample};
use crate::course::input::days_between;
use crate::course::protocol::Protocol;
use crate::course::rules::Facts;
use crate::course::tia::{EarlierHalfLife, RegionIntegral};
use crate::course::words::verdict_words;
use crate::decay::Nuclide;
use crate::dose::{AIR_LIMIT_G_CM3, DoseMap};
use crate::grid::{Orientation, Volume};
use crate::io::atomic::AtomicOutputDir;
use crate::io::dicom::{self, ActivityOptions, DoseOptions, DoseType, Origin, SegOptions};
use crate::io::nifti::{self, WriteOptions};
use crate::io::open;
use crate::report::EnergyBalance;
use crate::report::run_record::{self, InputFile, PassRecord};
use crate::source::ActivityUnit;
use crate::transport::emission::Emissions;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names of the files written.
const FILE_NAMES: [&str; 14] = [
    DOSE_FILE,
    LABELS_FILE,
    BED_FILE,
    "verdict.json",
    "verdict.txt",
    "cycles.csv",
    "cumulative.csv",
    "dose_sum_gy.nii.gz",
    "g_dose2_sum_gy2.nii.gz",
    "bed_gy.nii.gz",
    "cohort.json",
    "report.html",
    "dvh.csv",
    "dvh.json",
];
/// The BED in DICOM.
const BED_FILE: &str = "bed_gy.dcm";
/// Layout of a cache entry; raised when its content changes meaning.
const CACHE_SCHEMA: u32 = 2;

/// Runs `lutra course`.
pub(super) fn run(request: &CourseRequest) -> Result<(), Failure> {
    match request {
        CourseRequest::Patient { course, out, cache, study, dicom, force, run } => {
            patient(course, study.as_deref(), out, cache, *force, *dicom, run)
        }
        CourseRequest::Cohort { protocol, patients, seed, out, force } => {
            cohort(protocol, *patients, *seed, out.as_deref(), *force)
        }
    }
}

/// A region of a finished cycle, as the cache keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptRegion {
    label: u16,
    name: String,
    mass_g: f64,
    decays: f64,
    dose_gy: f64,
    dose_se_gy: f64,
    dose_photon_gy: f64,
}

/// One pass of a finished cycle; energies in tally entries, as text since they may pass 64 bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptPass {
    pass: String,
    histories: u64,
    batches: u32,
    emitted: String,
    deposited: String,
    escaped: String,
    radiated: String,
    estimated: String,
}

/// How a finished cycle was transported, for the report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptRun {
    passes: Vec<KeptPass>,
    /// Seed.
    pub(super) seed: u64,
    /// Settings by name.
    pub(super) settings: BTreeMap<String, serde_json::Value>,
    /// Data sets by name.
    pub(super) data_sets: BTreeMap<String, String>,
    /// Decays on the grid.
    pub(super) decays: f64,
    /// Whether matter came from a CT.
    pub(super) from_ct: bool,
}

impl KeptRun {
    fn of(case: &super::case::Case, computed: &super::case::Computed, seed: u64) -> Self {
        let passes = [&computed.electron, &computed.photon].map(|pass| KeptPass {
            pass: pass.balance.pass.clone(),
            histories: pass.histories,
            batches: pass.batches,
            emitted: pass.balance.emitted.to_string(),
            deposited: pass.balance.deposited.to_string(),
            escaped: pass.balance.escaped.to_string(),
            radiated: pass.balance.radiated.to_string(),
            estimated: pass.balance.estimated.to_string(),
        });
        Self {
            passes: passes.to_vec(),
            seed,
            settings: case.settings.iter().chain(&computed.settings).map(|(n, v)| (n.clone(), v.clone())).collect(),
            data_sets: case.data_sets.clone(),
            decays: crate::source::sum(case.decays.data.iter().copied()),
            from_ct: case.hu.is_some(),
        }
    }

    /// Histories by pass.
    pub(super) fn passes(&self) -> Vec<PassRecord> {
        let record = |p: &KeptPass| PassRecord { pass: p.pass.clone(), histories: p.histories, batches: p.batches };
        self.passes.iter().map(record).collect()
    }

    /// Energy balances; none where the entry is damaged.
    pub(super) fn balances(&self) -> Option<Vec<EnergyBalance>> {
        self.passes
            .iter()
            .map(|p| {
                Some(EnergyBalance {
                    pass: p.pass.clone(),
                    emitted: p.emitted.parse().ok()?,
                    deposited: p.deposited.parse().ok()?,
                    escaped: p.escaped.parse().ok()?,
                    radiated: p.radiated.parse().ok()?,
                    estimated: p.estimated.parse().ok()?,
                })
            })
            .collect()
    }
}

/// A finished cycle's record in the cache.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    schema: u32,
    depends_on: BTreeMap<String, String>,
    tally_sha256: String,
    regions: Vec<KeptRegion>,
    warnings: Vec<String>,
    form_code: i16,
    run: KeptRun,
}

/// A course from its file, or from what lies in a DICOM folder.
struct Opened {
    course: Course,
    protocol: Protocol,
    /// The file that other files are named beside; empty where they are named from the working folder.
    base: PathBuf,
    /// The images of each cycle, opened; none for a course from its file.
    series: Vec<Option<OpenSeries>>,
    /// Days of the cycles in words: those of a DICOM folder count from the first, since dates identify.
    days: Vec<String>,
    /// How DICOM images are read.
    images: ImageChoice,
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
    form_code: i16,
    /// The image whose frame of reference the map has.
    origin: Option<Origin>,
}

/// A cycle as computed.
pub(super) struct Computed {
    regions: BTreeMap<String, RegionCycle>,
    /// Its dose map.
    pub(super) map: Option<Mapped>,
    /// Files read.
    pub(super) inputs: Vec<InputFile>,
    /// Hash of the tallies.
    pub(super) tally_sha256: Option<String>,
    warnings: Vec<String>,
    reused: bool,
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
            inputs: Vec::new(),
            tally_sha256: None,
            warnings: Vec::new(),
            reused: false,
            curves: Vec::new(),
            run: None,
        }
    }
}

/// A course from its file.
fn of_file(path: &Path) -> Result<Opened, UserError> {
    let course = Course::parse(&read_text(path)?, &path.display().to_string()).or_user_error()?;
    let images = ImageChoice {
        nuclide: named_nuclide(path, &course.nuclide),
        options: ActivityOptions::default(),
        effective_half_life_h: None,
        administered_mbq: None,
    };
    Ok(Opened {
        protocol: read_protocol(path, &course.protocol)?,
        base: path.to_path_buf(),
        series: course.cycles.iter().map(|_| None).collect(),
        days: course.cycles.iter().map(|cycle| cycle.date.to_string()).collect(),
        images,
        course,
    })
}

/// A course from a DICOM folder: each injection is a cycle.
fn of_study(path: &Path, choice: &StudyChoice) -> Result<Opened, UserError> {
    let half_life_h = Nuclide::load(&choice.images.nuclide).or_user_error()?.half_life_h;
    let own = [path.to_path_buf()];
    let paths = if choice.activity.is_empty() { &own[..] } else { &choice.activity };
    let shots = study::cycles(paths, &choice.images.reader(half_life_h))?;
    let first = shots[0].shots[0].scan.timing.injection;
    let mut cycles: Vec<CourseCycle> = Vec::new();
    let mut series = Vec::new();
    let mut days = Vec::new();
    for (index, cycle) in shots.into_iter().enumerate() {
        let number = index + 1;
        let belongings = study::belongings(path, &cycle, choice.ct.as_deref(), choice.labels.as_deref())?;
        let day = first.zip(cycle.shots[0].scan.timing.injection).map_or(0, |(a, b)| a.days_to(b));
        let date = jiff::civil::date(2000, 1, 1).checked_add(jiff::Span::new().days(day)).map_err(|_| {
            UserError::new(
                format!("cycle {number}: injection: found {day} days after the first; allowed: within a lifetime"),
                "Correct the date of injection in the header.",
            )
        })?;
        let opened = OpenSeries::of_shots(cycle, &choice.images)?;
        let administered_mbq = opened.administered_mbq().ok_or_else(|| {
            UserError::new(
                format!("cycle {number}: RadionuclideTotalDose: found none; allowed: the activity given"),
                "State it with --administered-mbq.",
            )
        })?;
        let times: Vec<String> = opened.times_h().iter().map(|h| format!("{h:.4}")).collect();
        printer::note(&format!(
            "cycle {number}, day {day}: {administered_mbq} MBq, images at {} h, CT {}, regions {}",
            times.join(", "),
            belongings.ct.display(),
            belongings.labels.display()
        ));
        cycles.push(CourseCycle {
            date,
            interval_d: cycles.last().map(|before| days_between(before.date, date)),
            administered_mbq,
            prescribed_mbq: None,
            content: CycleContent::Series(String::new()),
            ct: Some(belongings.ct.display().to_string()),
            labels: Some(belongings.labels.display().to_string()),
            transform: None,
            effective_half_life_h: BTreeMap::new(),
            random_rel_sigma: None,
            systematic_rel_sigma: None,
        });
        days.push(format!("day {day}"));
        series.push(Some(opened));
    }
    // One anatomy for all cycles is the course's own: their doses add up by voxel.
    let shared = |of: fn(&CourseCycle) -> &Option<String>| {
        let one = of(&cycles[0]).clone();
        cycles.iter().all(|cycle| *of(cycle) == one).then_some(one).flatten()
    };
    let (ct, labels) = (shared(|cycle| &cycle.ct), shared(|cycle| &cycle.labels));
    for cycle in &mut cycles {
        cycle.ct = cycle.ct.take().filter(|_| ct.is_none());
        cycle.labels = cycle.labels.take().filter(|_| labels.is_none());
    }
    let protocol = ProtocolChoice::BuiltIn(choice.protocol.clone());
    let course = Course {
        protocol: protocol.clone(),
        step: 1,
        nuclide: choice.images.nuclide.clone(),
        ct,
        labels,
        label_names: choice.label_names.as_ref().map(|path| path.display().to_string()),
        grid: None,
        reduction_factor: 1.0,
        patient_id: None,
        stop_flags: Vec::new(),
        facts: Facts::default(),
        overrides: Vec::new(),
        ledger: Vec::new(),
        radiobiology: Vec::new(),
        cycles,
    };
    let (base, images) = (PathBuf::new(), choice.images.clone());
    Ok(Opened { protocol: read_protocol(&base, &protocol)?, course, base, series, days, images })
}

fn patient(
    path: &Path,
    choice: Option<&StudyChoice>,
    out: &Path,
    cache: &Path,
    force: bool,
    dicom: Option<DicomOut>,
    run: &RunOptions,
) -> Result<(), Failure> {
    let clock = output::Clock::start();
    let folder = AtomicOutputDir::create(out, force).or_user_error()?.replaces(&FILE_NAMES);
    let Opened { course, protocol, base, mut series, days, images } = match choice {
        Some(choice) => of_study(path, choice)?,
        None => of_file(path)?,
    };
    let mut computed = Vec::new();
    let mut earlier: BTreeMap<String, EarlierHalfLife> = BTreeMap::new();
    for (index, cycle) in course.cycles.iter().enumerate() {
        let number = index + 1;
        printer::note(&format!("cycle {number} of {}, {}", course.cycles.len(), days[index]));
        let from = CycleFrom { path: &base, course: &course, cycle, number, cache, run, images: &images };
        let one = compute_cycle(&from, series[index].take(), &earlier)?;
        if one.reused {
            printer::note(&format!("cycle {number}: unchanged, taken from {}", cache.display()));
        }
        for (name, region) in &one.regions {
            if let Some(half_life_h) = region.effective_half_life_h {
                let cycle = u32::try_from(number).unwrap_or(u32::MAX);
                earlier.insert(name.clone(), EarlierHalfLife { half_life_h, rel_sigma: None, cycle });
            }
        }
        computed.push(one);
    }
    let mut warnings = by_cycle(&computed);
    let cycles = cycle_doses(&course, &days, &mut computed, &mut warnings);
    let frame = computed.iter().find_map(|one| one.map.as_ref());
    let mut accumulated = accumulate(
        &cycles,
        frame.map(|map| CourseFrame {
            labels: &map.labels,
            names: &map.names,
            density_g_cm3: map.density_g_cm3.as_deref(),
        }),
        &|region| parameters(&course, &protocol, region),
    )
    .or_user_error()?;
    warnings.extend(accumulated.warnings.iter().cloned());
    warnings.extend(names_without_region(&course, &protocol, &cycles));
    let mut verdict = verdict(&course, &protocol, &cycles)?;
    verdict.warnings.extend(warnings);
    let parameters = |region: &str| parameters(&course, &protocol, region);
    let histograms = page_course::Histograms::of(&course, &cycles, &computed, &accumulated, &parameters);
    histograms.refine(&mut accumulated.totals);
    write(
        &folder,
        &Written {
            path,
            course: &course,
            days: &days,
            accumulated: &accumulated,
            verdict: &verdict,
            computed: &computed,
            frame,
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
    let prior = course.ledger.iter().map(|entry| (entry.structure.as_str(), "the ledger names it"));
    let mut seen = BTreeSet::new();
    steering
        .chain(half_lives)
        .chain(tissues)
        .chain(prior)
        .filter(|(name, _)| !regions.contains(name) && seen.insert(*name))
        .map(|(name, why)| {
            let near = regions.iter().map(|region| (strsim::osa_distance(region, name), region)).min();
            let near = near.filter(|(distance, _)| *distance <= 1 + name.len() / 4);
            let near = near.map_or(String::new(), |(_, region)| format!("; is {region} meant?"));
            format!("no cycle has a region called {name}, and {why}: it plays no part{near}")
        })
        .collect()
}

fn read_protocol(path: &Path, choice: &ProtocolChoice) -> Result<Protocol, UserError> {
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
    cache: &'a Path,
    run: &'a RunOptions,
    images: &'a ImageChoice,
}

fn compute_cycle(
    from: &CycleFrom<'_>,
    opened: Option<OpenSeries>,
    earlier: &BTreeMap<String, EarlierHalfLife>,
) -> Result<Computed, Failure> {
    let CycleFrom { path, course, cycle, cache, images, .. } = *from;
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
                        label: None,
                        dose_gy: stated.dose_gy,
                        dose_se_gy: 0.0,
                        dose_photon_gy: None,
                        mass_g: stated.mass_g,
                        effective_half_life_h: cycle.effective_half_life_h.get(name).copied(),
                        kinetics: None,
                        method: "stated".to_owned(),
                        curve_rel_sigma: None,
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
                )?,
            };
            let named = |name: &Option<String>| name.as_ref().map(|name| beside(path, name));
            let ct = named(&cycle.ct).or(named(&course.ct));
            let labels = named(&cycle.labels).or(named(&course.labels)).filter(|_| !opened.names_regions());
            let label_names = named(&course.label_names);
            let own = SeriesRegions {
                labels: labels.as_deref(),
                label_names: label_names.as_deref(),
                ct: ct.as_deref(),
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
                region.kinetics = Some(integral.kinetics.clone());
                region.curve_rel_sigma = integral.rel_sigma;
                region.method = integral.method.clone();
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

/// Keeps the decays of a series in the cache, under the hash of their values, and returns the file.
fn keep_tia(series: &super::tia::Integrated, cache: &Path) -> Result<PathBuf, Failure> {
    let mut hash = Sha256::new();
    hash.update(format!("{:?}", series.map.decays.grid));
    for value in &series.map.decays.data {
        hash.update(value.to_le_bytes());
    }
    let file = cache.join(format!("tia-{}.nii.gz", run_record::hex(&hash.finalize())));
    if !file.is_file() {
        make_folder(cache)?;
        let options = WriteOptions { description: "decays per voxel".to_owned(), form_code: series.form_code };
        nifti::write_with(&file, &series.map.decays, &options).or_user_error()?;
    }
    Ok(file)
}

fn make_folder(folder: &Path) -> Result<(), UserError> {
    std::fs::create_dir_all(folder).map_err(|error| {
        UserError::new(
            format!("{}: cannot write: {error}", folder.display()),
            "Give --cache a folder that you may write to.",
        )
    })
}

/// Everything a transported dose depends on, by name.
fn dependencies(request: &DoseRequest) -> Result<BTreeMap<String, String>, UserError> {
    let mut depends_on = BTreeMap::from([
        ("program".to_owned(), run_record::program()),
        ("cache".to_owned(), CACHE_SCHEMA.to_string()),
        ("nuclide".to_owned(), request.nuclide.clone()),
        ("grid".to_owned(), format!("{:?}", request.grid)),
        ("seed".to_owned(), request.run.seed.to_string()),
        (
            "histories".to_owned(),
            match request.run.stop {
                Stop::Histories(count) => count.to_string(),
                _ => transport::DEFAULT_HISTORIES.to_string(),
            },
        ),
    ]);
    let mut files: Vec<(&str, &Path)> = Vec::new();
    if let ActivityChoice::Map { file, unit } = &request.activity {
        depends_on.insert("unit".to_owned(), unit.to_string());
        files.push(("activity", file));
    }
    if let SceneInput::Ct(ct) = &request.scene {
        files.push(("ct", ct));
    }
    files.extend(request.labels.as_deref().map(|path| ("labels", path)));
    files.extend(request.label_names.as_deref().map(|path| ("label_names", path)));
    if Path::new(&request.nuclide).is_file() {
        files.push(("nuclide_file", Path::new(&request.nuclide)));
    }
    for (role, path) in files {
        depends_on.insert(format!("{role}_sha256"), hashed(role, path)?.sha256);
    }
    Ok(depends_on)
}

/// The dose of a request: from the cache, else by transport.
fn transported(request: &DoseRequest, cache: &Path) -> Result<Computed, Failure> {
    let depends_on = dependencies(request)?;
    let mut hash = Sha256::new();
    for (name, value) in &depends_on {
        hash.update(format!("{name}\0{value}\0"));
    }
    let entry = cache.join(run_record::hex(&hash.finalize()));
    let reused = entry.join("cycle.json").is_file();
    if !reused {
        make_folder(cache)?;
        compute_into(request, &entry, depends_on.clone())?;
    }
    let text = read_text(&entry.join("cycle.json"))?;
    let damaged = || {
        UserError::new(
            format!("{}: found a damaged cache entry", entry.display()),
            "Remove this folder; the cycle is then computed again.",
        )
    };
    let kept: Kept = serde_json::from_str(&text).map_err(|_| damaged())?;
    if kept.schema != CACHE_SCHEMA || kept.depends_on != depends_on {
        return Err(damaged().into());
    }
    let dose_gy = nifti::read(entry.join("dose_gy.nii.gz")).or_user_error()?;
    let sigma_rel = nifti::read(entry.join("sigma_rel.nii.gz")).or_user_error()?;
    let density = nifti::read(entry.join("density_g_cm3.nii.gz")).or_user_error()?;
    let labels = nifti::read_labels(entry.join("labels.nii.gz")).or_user_error()?;
    let mut inputs = Vec::new();
    if let ActivityChoice::Map { file, .. } = &request.activity {
        inputs.push(hashed("activity", file)?);
    }
    let mut origin = None;
    if let SceneInput::Ct(ct) = &request.scene {
        inputs.push(hashed("ct", ct)?);
        origin = open::origin_of(ct).or_user_error()?;
    }
    let regions = kept.regions.iter().map(|region| {
        let value = RegionCycle {
            label: Some(region.label),
            dose_gy: region.dose_gy,
            dose_se_gy: region.dose_se_gy,
            dose_photon_gy: Some(region.dose_photon_gy),
            mass_g: Some(region.mass_g),
            effective_half_life_h: None,
            kinetics: None,
            method: String::new(),
            curve_rel_sigma: None,
        };
        (region.name.clone(), value)
    });
    Ok(Computed {
        regions: regions.collect(),
        map: Some(Mapped {
            dose_gy,
            sigma_rel: Some(sigma_rel),
            density_g_cm3: Some(density.data),
            labels: labels.data,
            names: kept.regions.iter().map(|region| (region.label, region.name.clone())).collect(),
            form_code: kept.form_code,
            origin,
        }),
        inputs,
        tally_sha256: Some(kept.tally_sha256),
        warnings: kept.warnings,
        reused,
        curves: Vec::new(),
        run: Some(kept.run),
    })
}

/// Computes a dose and keeps it as a cache entry, whole or not at all.
fn compute_into(request: &DoseRequest, entry: &Path, depends_on: BTreeMap<String, String>) -> Result<(), Failure> {
    let case = dose::case(request)?;
    let computed = transport::compute(&case, &request.run, request.emissions)?;
    let kept = || -> anyhow::Result<()> {
        if ![&computed.electron, &computed.photon].iter().all(|pass| pass.balance.is_exact()) {
            bail!("the energy balance does not close: nothing was kept");
        }
        let map = DoseMap::from_energy(
            &case.decays.grid,
            &case.density_g_cm3,
            output::energies(&computed.electron),
            output::energies(&computed.photon),
            AIR_LIMIT_G_CM3,
        )?;
        let (rows, _) = output::tables(&case, &computed, &map)?;
        let folder = AtomicOutputDir::create(entry, true)?;
        let grid = &case.decays.grid;
        let options = |text: &str| WriteOptions { description: text.to_owned(), form_code: case.form_code };
        let dose = Volume { grid: grid.clone(), data: map.dose_gy.clone() };
        nifti::write_with(folder.file("dose_gy.nii.gz"), &dose, &options("absorbed dose, Gy"))?;
        let sigma = Volume { grid: grid.clone(), data: map.sigma_rel.clone() };
        nifti::write_with(folder.file("sigma_rel.nii.gz"), &sigma, &options("relative standard error of the dose"))?;
        let density = Volume { grid: grid.clone(), data: case.density_g_cm3.clone() };
        nifti::write_with(folder.file("density_g_cm3.nii.gz"), &density, &options("density, g/cm3"))?;
        let labels = Volume { grid: grid.clone(), data: case.labels.clone() };
        nifti::write_with(folder.file("labels.nii.gz"), &labels, &options("labels"))?;
        let kept = Kept {
            schema: CACHE_SCHEMA,
            depends_on,
            tally_sha256: computed.tally_sha256.clone(),
            regions: rows
                .iter()
                .map(|row| KeptRegion {
                    label: row.label,
                    name: row.name.clone(),
                    mass_g: row.mass_g,
                    decays: row.decays,
                    dose_gy: row.dose_gy,
                    dose_se_gy: row.dose_se_gy,
                    dose_photon_gy: row.dose_photon_gy,
                })
                .collect(),
            warnings: case.warnings.iter().chain(&computed.warnings).cloned().collect(),
            form_code: case.form_code,
            run: KeptRun::of(&case, &computed, request.run.seed),
        };
        write_json(&folder.file("cycle.json"), &kept)?;
        folder.commit()?;
        Ok(())
    };
    kept().map_err(Failure::Run)
}

/// A ready dose map with labels on its grid. Region means weigh all voxels alike: no density is at hand.
fn ready_map(from: &CycleFrom<'_>, file: &str) -> Result<Computed, UserError> {
    let CycleFrom { path, course, cycle, number, .. } = *from;
    let dose_path = beside(path, file);
    let mut warnings = vec!["mean doses of the ready dose map are weighted by volume, not by mass".to_owned()];
    let image = input::dose(&dose_path, &mut warnings)?;
    let (form_code, origin) = (image.form_code, image.origin);
    let dose_gy = image.volume.map(|gy| gy as f32);
    if dose_gy.data.iter().any(|dose| *dose < 0.0) {
        return Err(UserError::new(
            format!("{}: voxel values: found a negative dose; allowed: 0 Gy or more", dose_path.display()),
            "Check that this is a dose map in Gy.",
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
    let regions = sums
        .iter()
        .map(|(&label, &(sum, voxels))| {
            let name = name_of(label);
            let region = RegionCycle {
                label: Some(label),
                dose_gy: sum / f64::from(voxels),
                dose_se_gy: 0.0,
                dose_photon_gy: None,
                mass_g: None,
                effective_half_life_h: cycle.effective_half_life_h.get(&name).copied(),
                kinetics: None,
                method: "ready dose map".to_owned(),
                curve_rel_sigma: None,
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
        inputs,
        tally_sha256: None,
        warnings,
        reused: false,
        curves: Vec::new(),
        run: None,
    })
}

/// The cycles for accumulation: every map on the grid of the first one.
fn cycle_doses(
    course: &Course,
    days: &[String],
    computed: &mut [Computed],
    warnings: &mut Vec<String>,
) -> Vec<CycleDose> {
    let target = computed.iter().find_map(|one| one.map.as_ref().map(|map| map.dose_gy.grid.clone()));
    let mut cycles = Vec::new();
    for (index, (cycle, one)) in course.cycles.iter().zip(computed.iter()).enumerate() {
        let dose_gy = one.map.as_ref().zip(target.as_ref()).and_then(|(map, target)| {
            let own_anatomy = cycle.ct.is_some() || cycle.labels.is_some();
            let own_frame = own_anatomy && cycle.transform.is_none() && index > 0;
            if own_frame {
                warnings.push(format!(
                    "cycle {} has its own CT or labels and no transform to the course's frame: it stays out of voxel sums",
                    index + 1
                ));
                return None;
            }
            let (moved, outside) = resample(&map.dose_gy, target, &cycle.transform.unwrap_or(IDENTITY))?;
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
                Some(OrganDose {
                    dose_gy: region.dose_gy,
                    g: region.g(&tissue)?,
                    mass_g: region.mass_g,
                    random_rel_sigma: file
                        .random_rel_sigma
                        .or_else(|| region.curve_rel_sigma.map(|curve| curve.hypot(statistics))),
                    systematic_rel_sigma: file.systematic_rel_sigma,
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
    accumulated: &'a Accumulated,
    verdict: &'a Verdict,
    computed: &'a [Computed],
    frame: Option<&'a Mapped>,
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
        let grid = &frame.dose_gy.grid;
        let orientation: Orientation = grid.orientation();
        let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
        for (name, text, data) in [
            ("dose_sum_gy.nii.gz", "cumulative absorbed dose, Gy", single(&voxels.sums.sum_dose_gy)),
            ("g_dose2_sum_gy2.nii.gz", "sum of G D^2, Gy^2", single(&voxels.sums.sum_g_dose2_gy2)),
            ("bed_gy.nii.gz", "cumulative BED, Gy; 0 where no radiobiology is stated", voxels.bed_gy.clone()),
        ] {
            let volume = orientation.restore(Volume { grid: grid.clone(), data })?;
            let description = format!("{text}; {}", run_record::program());
            nifti::write_with(folder.file(name), &volume, &WriteOptions { description, form_code: frame.form_code })?;
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
    frame: &Mapped,
    dose_gy: &[f64],
    bed_gy: &[f32],
    course: &Course,
    out: DicomOut,
) -> anyhow::Result<()> {
    let grid = &frame.dose_gy.grid;
    let cycles = course.cycles.len();
    let options = |dose_type, description: &str, comment: String| DoseOptions {
        dose_type,
        depth: out.depth,
        description: description.to_owned(),
        comment,
        deidentify: out.deidentify,
        created: None,
    };
    let volume = |data: Vec<f64>| Volume { grid: grid.clone(), data };
    let origin = frame.origin.as_ref();
    let absorbed = options(DoseType::Physical, "Lutra absorbed dose, all cycles", format!("sum of {cycles} cycles"));
    dicom::write_rtdose(
        folder.file(DOSE_FILE),
        &volume(output::storable(dose_gy.to_vec(), DOSE_FILE)),
        origin,
        &absorbed,
    )?;
    let bed = options(
        DoseType::Effective,
        "Lutra BED, all cycles",
        format!("BED of {cycles} cycles; 0 where no alpha/beta is stated"),
    );
    let bed_gy = output::storable(bed_gy.iter().map(|&gy| f64::from(gy)).collect(), BED_FILE);
    dicom::write_rtdose(folder.file(BED_FILE), &volume(bed_gy), origin, &bed)?;
    let labels = Volume { grid: grid.clone(), data: frame.labels.clone() };
    let regions = SegOptions { description: "Lutra regions".to_owned(), deidentify: out.deidentify };
    dicom::write_seg(folder.file(LABELS_FILE), &labels, &frame.names, origin, &regions)?;
    Ok(())
}

/// The virtual cohort.
fn cohort(protocol: &str, patients: u32, seed: u64, out: Option<&Path>, force: bool) -> Result<(), Failure> {
    let folder = out
        .map(|out| AtomicOutputDir::create(out, force))
        .transpose()
        .or_user_error()?
        .map(|f| f.replaces(&FILE_NAMES));
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
