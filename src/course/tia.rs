//! A series of activity volumes -> decays per voxel with uncertainty.
//!
//! Region-wise (default): the region's activities are fitted, and the image nearest to T_eff/ln 2, where
//! an error of the half-life matters least, is scaled to the region's integral. Voxel-wise (on request):
//! each voxel with three positive points gets a mono-exponential with a half-life between the shortest and the physical
//! one and at most half of its decays before the first image; if there is none, the voxel uses the region's curve. A
//! refused fit loses no activity: the region falls back to an upper bound with a physical tail. The reason appears in
//! its flags and in the warnings, as for every fit that ends at a limit.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use thiserror::Error;

use crate::bed::Exponential;
use crate::bounds::{self, BoundsError, Given, Reading};
use crate::fault::{Explained, Fault, FaultKind, explained, words};
use crate::grid::{Volume, VoxelGrid};
use crate::kinetics::{Prior, Scan};
use crate::note::Note;
use crate::source::concentrations::Concentrations;
use crate::source::shares::{Parts, Shares};
use crate::units::{DECAYS_PER_MBQ_H, rounded};

use super::further::{FurtherScan, further_scans};
use super::hybrid::{HybridError, PlanarPoint, SpectLevel, scale_planar};
use super::place::integral_rel_sigma;
use super::population::{integrate_population, posterior_width};
use super::residuals::log_linear;
use super::single_time_point::SingleTimePoint;
use super::time_activity::{
    ActivityPoint, ErrorModel, FitFlag, JoinRule, Kinetics, Model, StartRule, TailRule, TimeActivityError,
    TimeIntegral, choose_by_aicc, exponential_kinetics, integrate_model, integrate_trapezoid, shortest_half_life_h,
};

/// A planar image within this time of the SPECT counts as acquired with it, h.
const HYBRID_TOLERANCE_H: f64 = 4.0;
/// Rise of the decay-corrected total between images above which a warning is given.
const TOTAL_RISE_WARNING: f64 = 1.2;
/// Difference between a region's integral and the sum of its voxels' above which a warning is given.
const VOXELWISE_WARNING: f64 = 0.20;
/// Change of the decay-corrected total above which two images are assumed to be in different units.
const UNIT_FACTOR: f64 = 100.0;

/// Why a series cannot be integrated at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TiaError {
    /// Images or labels on other grids.
    Grid {
        /// Which volume.
        what: String,
        /// Its grid.
        found: String,
        /// The grid needed.
        wanted: String,
    },
    /// A voxel that is not a number.
    NotANumber {
        /// Which image.
        what: String,
        /// Voxel position.
        index: usize,
    },
    /// Totals that cannot belong to one series in one unit.
    UnitsDiffer {
        /// The later image.
        what: String,
        /// Its total, decay-corrected to injection, MBq.
        found_mbq: f64,
        /// The total before, MBq.
        before_mbq: f64,
    },
    /// More activity or more decays than were given, or a half-life that nature forbids.
    Impossible(#[from] BoundsError),
    /// A method names a region without voxels.
    UnknownRegion {
        /// The region named.
        region: String,
        /// Those known.
        known: String,
    },
    /// A method that needs a different number of images.
    Images {
        /// The region.
        region: String,
        /// What is wrong.
        source: TimeActivityError,
    },
    /// Planar counts of a region without voxels.
    UnknownPlanar {
        /// The region named.
        region: String,
        /// Those known.
        known: String,
    },
    /// Hybrid scaling.
    Hybrid {
        /// The region.
        region: String,
        /// What is wrong.
        source: HybridError,
    },
    /// Something the series does not state.
    Missing {
        /// The region.
        region: String,
        /// The field.
        field: &'static str,
        /// What is allowed.
        allowed: &'static str,
        /// What to do.
        next: &'static str,
    },
}

explained!(TiaError);

impl Explained for TiaError {
    fn fault(&self) -> Fault {
        match self {
            Self::Impossible(error) => error.fault(),
            Self::Grid { .. } | Self::NotANumber { .. } | Self::UnitsDiffer { .. } => self.image_fault(),
            Self::UnknownRegion { .. }
            | Self::Images { .. }
            | Self::UnknownPlanar { .. }
            | Self::Hybrid { .. }
            | Self::Missing { .. } => self.region_fault(),
        }
    }
}

impl TiaError {
    /// The parts of what is wrong with an image.
    fn image_fault(&self) -> Fault {
        match self {
            Self::Grid { what, found, wanted } => {
                let allowed = format!("that of the first image, {wanted}");
                Fault::invalid(what, "grid", found, allowed, "Resample it to that grid.").kind(FaultKind::Mismatch)
            }
            Self::NotANumber { what, index } => Fault::invalid(
                what,
                "voxel values",
                format!("NaN or an infinite value in voxel {index}"),
                "finite numbers",
                "Set it to a true value.",
            ),
            Self::UnitsDiffer { what, found_mbq, before_mbq } => Fault::invalid(
                what,
                "total activity",
                format!("{} MBq at injection time after {} MBq in the image before", rounded(*found_mbq, 4), rounded(*before_mbq, 4)),
                "values of the same order",
                "The two images seem to be in different units or decay corrections: check `unit` and `decay_correction`.",
            )
            .kind(FaultKind::Mismatch),
            _ => Fault::of(FaultKind::Invalid),
        }
    }

    /// The parts of what is wrong with a region.
    fn region_fault(&self) -> Fault {
        let unknown = |field: &str, region: &str, known: &str| {
            let found = format!("\"{region}\", which no voxel has");
            Fault::invalid("", field, found, known, "Correct the name, or the label names.").kind(FaultKind::Unknown)
        };
        let of = |region: &str| format!("region {region}");
        match self {
            Self::UnknownRegion { region, known } => unknown("regions", region, known),
            Self::UnknownPlanar { region, known } => unknown("planar counts", region, known),
            Self::Images { region, source: source @ TimeActivityError::TooFewPoints { found: 1, .. } } => {
                let fault = source.fault();
                Fault::invalid(
                    of(region),
                    "method",
                    "one image",
                    "two or more images, or a method for one",
                    words!("One image cannot be fitted: ", fault.next.clone().unwrap_or_default(), "."),
                )
            }
            Self::Images { region, source } => Fault::invalid(
                of(region),
                "method",
                source.fault().sentence(),
                "",
                "Or take a model with fewer parameters in [fit] or [[regions]].",
            ),
            Self::Hybrid { region, source } => Fault::invalid(
                of(region),
                "planar counts",
                source.fault().sentence(),
                "counts at the time of the SPECT",
                "Correct the [[planar]] entries.",
            ),
            Self::Missing { region, field, allowed, next } => {
                Fault::invalid(of(region), *field, "none", *allowed, *next)
            }
            _ => Fault::of(FaultKind::Invalid),
        }
    }
}

/// How a region is integrated.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// A prespecified sum of exponentials.
    Model(Model),
    /// The least AICc among candidates, where it is defined.
    Aicc(Vec<Model>),
    /// Trapezoid.
    Trapezoid {
        /// Before the first scan.
        start: StartRule,
        /// Between scans.
        join: JoinRule,
        /// After the last scan.
        tail: TailRule,
    },
    /// Planar shape, SPECT level.
    Hybrid {
        /// The model fitted to the scaled points.
        model: Model,
    },
    /// One image, Hanscheid 2018.
    Hanscheid2018 {
        /// Half-life for the repair factor, h.
        half_life_for_g_h: f64,
    },
    /// One image, population half-life.
    Population {
        /// The half-life, h.
        half_life_h: f64,
        /// Its relative spread.
        half_life_rel_sigma: Option<f64>,
    },
    /// A population's curves, with the patient's earlier cycles as data.
    Kinetics {
        /// Name of a prior, or its file.
        prior: String,
        /// The prior, once it is read.
        read: Option<Arc<Prior>>,
    },
    /// One image, this patient's earlier half-life.
    PreviousCycle {
        /// The half-life, h; none to take it from the earlier cycles of a course.
        half_life_h: Option<f64>,
        /// Its relative uncertainty.
        half_life_rel_sigma: Option<f64>,
        /// The cycle it is from.
        cycle: Option<u32>,
    },
}

impl Method {
    /// The effective half-life that was stated for it, h.
    pub fn stated_half_life_h(&self) -> Option<f64> {
        match self {
            Self::Trapezoid { tail: TailRule::HalfLifeH(half_life_h), .. }
            | Self::Hanscheid2018 { half_life_for_g_h: half_life_h }
            | Self::Population { half_life_h, .. } => Some(*half_life_h),
            Self::PreviousCycle { half_life_h, .. } => *half_life_h,
            _ => None,
        }
    }
}

/// The method of a named region.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionMethod {
    /// Region name.
    pub region: String,
    /// Its method.
    pub method: Method,
}

/// What earlier cycles measured of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierHalfLife {
    /// Effective half-life, h.
    pub half_life_h: f64,
    /// Its relative standard uncertainty, where known.
    pub rel_sigma: Option<f64>,
    /// The cycle.
    pub cycle: u32,
    /// Scans of each earlier cycle that had images, in order of time.
    pub scans: Vec<Vec<Scan>>,
}

impl EarlierHalfLife {
    /// Takes the place of what was known before; the scans of both remain.
    pub fn after(mut self, before: Option<Self>) -> Self {
        if let Some(before) = before {
            self.scans.splice(0..0, before.scans);
        }
        self
    }
}

/// An image as activity.
#[derive(Clone, Debug)]
pub struct ActivityImage {
    /// Name, for messages.
    pub name: String,
    /// Mid-scan time after injection, h.
    pub time_h: f64,
    /// Activity in each voxel at mid-scan, MBq.
    pub activity_mbq: Volume<f64>,
    /// Random relative uncertainty of a region's activity.
    pub rel_sigma: Option<f64>,
}

/// What a correction leaves uncertain of a region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegionSigma {
    /// Relative standard uncertainty that all images share.
    pub common_rel: f64,
    /// Of each image its own, by its counts.
    pub by_image_rel: Vec<f64>,
}

/// Everything needed for a map of decays.
#[derive(Clone, Debug)]
pub struct TiaInput<'a> {
    /// Images in order of time, on one grid; at least one.
    pub images: &'a [ActivityImage],
    /// The regions' shares of the voxels; label 0 outside all outlines.
    pub shares: &'a Shares,
    /// What each region holds in each image, by which shared voxels are divided; may be empty where none is shared.
    pub concentrations: &'a [Concentrations],
    /// Label of the air outside all outlines, which is a region of its own in the shares and counts as label 0.
    pub air: Option<u16>,
    /// Names of the labels.
    pub names: &'a BTreeMap<u16, String>,
    /// Physical half-life, h.
    pub physical_half_life_h: f64,
    /// Method of regions without their own.
    pub default_method: &'a Method,
    /// Regions with a method of their own.
    pub region_methods: &'a [RegionMethod],
    /// Planar points by region.
    pub planar: &'a BTreeMap<String, Vec<PlanarPoint>>,
    /// Half-lives of earlier cycles by region.
    pub earlier: &'a BTreeMap<String, EarlierHalfLife>,
    /// Residuals of the fits.
    pub error_model: ErrorModel,
    /// Systematic relative uncertainty common to all images.
    pub systematic_rel_sigma: f64,
    /// What a correction of the images leaves uncertain, by label; empty for images as they are.
    pub corrected: &'a BTreeMap<u16, RegionSigma>,
    /// Relative uncertainty of a region's activity by the place of each image, by label; empty where none was registered.
    pub placed: &'a BTreeMap<u16, Vec<f64>>,
    /// Whether voxels are fitted one by one.
    pub voxelwise: bool,
    /// Administered activity, MBq, for the check of units.
    pub administered_mbq: Option<f64>,
    /// Other meanings of the numbers, by the unit that is stated.
    pub readings: &'a [Reading],
}

impl TiaInput<'_> {
    /// Random relative uncertainty of a region's activity in an image: what the series states, with what the counts of a
    /// corrected image leave.
    fn rel_sigma(&self, label: u16, image: usize) -> Option<f64> {
        let stated = self.images[image].rel_sigma;
        let counted = self.corrected.get(&label).map(|sigma| sigma.by_image_rel[image]);
        let usable = |sigma: &f64| *sigma > 0.0 && sigma.is_finite();
        match (stated, counted.filter(usable)) {
            (Some(stated), Some(counted)) => Some(stated.hypot(counted)),
            (Some(stated), None) => Some(stated),
            // all of a region's points carry one, or none does
            (None, Some(counted)) => {
                let all = self.corrected.get(&label).is_some_and(|sigma| sigma.by_image_rel.iter().all(usable));
                all.then_some(counted)
            }
            (None, None) => None,
        }
    }
}

/// A region's curve.
#[derive(Clone, Debug)]
pub struct RegionIntegral {
    /// Label; 0 for unlabelled voxels.
    pub label: u16,
    /// Name; `unlabelled` for label 0.
    pub name: String,
    /// Voxels that the region has a share of.
    pub voxels: usize,
    /// Its volume, mL.
    pub volume_ml: f64,
    /// Activities, MBq.
    pub points: Vec<ActivityPoint>,
    /// The integral; none for a region without any positive activity.
    pub integral: Option<TimeIntegral>,
    /// Systematic relative uncertainty that the series states (calibration), without what a correction leaves; 0 without an
    /// integral.
    pub calibration_rel_sigma: f64,
    /// Relative standard uncertainty of the integral by the place of the images; none where none was registered.
    pub place_rel_sigma: Option<f64>,
    /// What one scan more would leave of the uncertainty of the curve.
    pub further: Vec<FurtherScan>,
    /// Position of the image that was scaled.
    pub reference_image: usize,
    /// Voxels fitted on their own.
    pub fitted_voxels: usize,
    /// Decays in the map, all voxels of the region.
    pub map_decays: f64,
}

/// Decays per voxel.
#[derive(Clone, Debug)]
pub struct TiaMap {
    /// Decays of each voxel over all time, none negative.
    pub decays: Volume<f64>,
    /// Relative standard uncertainty of each voxel's decays (curve alone; NaN where not assessable).
    pub rel_sigma: Volume<f32>,
    /// Regions, ascending label.
    pub regions: Vec<RegionIntegral>,
    /// What the reader should know.
    pub warnings: Vec<Note>,
}

/// A row of the table of a region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionRow {
    /// Label.
    pub label: u16,
    /// Name.
    pub name: String,
    /// Voxels.
    pub voxels: usize,
    /// Method used.
    pub method: String,
    /// Time points.
    pub points: usize,
    /// Time-integrated activity, MBq h.
    pub tia_mbq_h: f64,
    /// Random relative uncertainty; empty where not assessable.
    pub rel_sigma: Option<f64>,
    /// Systematic relative uncertainty.
    pub systematic_rel_sigma: f64,
    /// Terminal effective half-life, h.
    pub effective_half_life_h: f64,
    /// Share after the last scan.
    pub extrapolated_fraction: f64,
    /// Share before the first scan.
    pub before_first_fraction: f64,
    /// Chi-square or sum of squares.
    pub chi2: f64,
    /// Degrees of freedom.
    pub degrees_of_freedom: usize,
    /// Decays in the map.
    pub map_decays: f64,
    /// Flags in words.
    pub flags: String,
}

impl RegionIntegral {
    /// The table row; none for a region without activity.
    pub fn row(&self) -> Option<RegionRow> {
        let integral = self.integral.as_ref()?;
        Some(RegionRow {
            label: self.label,
            name: self.name.clone(),
            voxels: self.voxels,
            method: integral.method.clone(),
            points: self.points.len(),
            tia_mbq_h: integral.tia_mbq_h,
            rel_sigma: integral.rel_sigma,
            systematic_rel_sigma: integral.systematic_rel_sigma,
            effective_half_life_h: integral.effective_half_life_h,
            extrapolated_fraction: integral.after_last_fraction,
            before_first_fraction: integral.before_first_fraction,
            chi2: integral.chi2,
            degrees_of_freedom: integral.degrees_of_freedom,
            map_decays: self.map_decays,
            flags: integral.flags.iter().map(flag_words).collect::<Vec<_>>().join("; "),
        })
    }
}

/// A flag in words.
pub fn flag_words(flag: &FitFlag) -> String {
    match flag {
        FitFlag::Extrapolated { fraction } => format!("{:.1} % extrapolated after the last scan", 100.0 * fraction),
        FitFlag::MostlyBeforeFirst { fraction } => {
            format!("{:.1} % extrapolated before the first scan", 100.0 * fraction)
        }
        FitFlag::AtPhysicalDecay => "no faster than physical decay".to_owned(),
        FitFlag::RateAtLimit { parameter, half_life_h } => {
            format!("{parameter} at its limit, a half-life of {half_life_h:.1} h")
        }
        FitFlag::PhaseAbsent { parameter } => format!("{parameter} is 0: the points show no such phase"),
        FitFlag::RateNotResolved { parameter } => format!("{parameter} too fast to be seen"),
        FitFlag::UncertainParameter { parameter, cv } => format!("{parameter} uncertain by {:.0} %", 100.0 * cv),
        FitFlag::CorrelatedParameters { parameters, correlation } => {
            format!("{} and {} correlated ({correlation:.2})", parameters[0], parameters[1])
        }
        FitFlag::PoorFit { chi2, degrees_of_freedom, .. } => {
            format!("poor fit (chi2 {chi2:.1} at {degrees_of_freedom} degrees of freedom)")
        }
        FitFlag::NothingToTestTheFit => "as many points as parameters".to_owned(),
        FitFlag::UncertaintyNotAssessable => "uncertainty not assessable".to_owned(),
        FitFlag::AssumedHalfLife { half_life_h, source } => {
            format!("half-life {} h {source}", rounded(*half_life_h, 3))
        }
        FitFlag::Population { prior, organ, prior_share } => {
            format!("{:.0} % of the variance is the prior's ({prior}, {organ})", 100.0 * prior_share)
        }
        FitFlag::PriorConflict { prior, parameter, deviations, .. } => {
            format!("not of the population {prior}: {parameter} {deviations:+.1} standard deviations off")
        }
        FitFlag::UptakeNotUsed { prior } => format!("the uptake that {prior} knows is not used"),
        FitFlag::DrawsTooFew { share } => {
            format!("uncertainty by curvature: {:.1} % of the draws count", 100.0 * share)
        }
        FitFlag::WidthBySampling { curvature, sampled } => {
            format!("uncertainty by sampling, {:.1} % ({:.1} % by curvature)", 100.0 * sampled, 100.0 * curvature)
        }
        FitFlag::FellBack { reason } => format!("fell back: {reason}"),
    }
}

/// What a user must be told of a flag: a fit that was refused, ends at a limit or rests on what was not imaged. None for
/// the flags that a table holds.
fn warning_words(flag: &FitFlag) -> Option<Note> {
    let at_limit = |why: &str| Note::warning("fit-at-limit", format!("the fit ends at a limit: {why}"));
    match flag {
        FitFlag::FellBack { reason } => Some(Note::warning("fit-fell-back", reason)),
        FitFlag::AtPhysicalDecay => Some(Note::warning(
            "fit-at-physical-decay",
            "the fit ends at physical decay: the activity falls no faster; check the decay correction, the nuclide and noise",
        )),
        FitFlag::RateNotResolved { parameter } => {
            Some(at_limit(&format!("{parameter} is too fast for the first scan and not resolved")))
        }
        FitFlag::RateAtLimit { .. } => Some(at_limit(&flag_words(flag))),
        FitFlag::PhaseAbsent { .. } => Some(at_limit(&flag_words(flag))),
        FitFlag::PriorConflict { prior, parameter, deviations, probability } => Some(Note::warning(
            "prior-conflict",
            format!(
                "the scans contradict the population {prior}: {parameter} lies {deviations:+.1} of its standard deviations \
                 off, a worse misfit has a chance of {:.2} %; take a fit without a prior",
                100.0 * probability
            ),
        )),
        FitFlag::UptakeNotUsed { prior } => Some(Note::warning(
            "uptake-not-used",
            format!(
                "{prior} knows the size of the uptake, but no administered activity is stated: state administered_mbq"
            ),
        )),
        FitFlag::MostlyBeforeFirst { .. } => Some(Note::warning(
            "mostly-before-first-scan",
            "more than half of the integral lies before the first scan, extrapolated: nothing measured bounds it",
        )),
        FitFlag::Extrapolated { .. }
        | FitFlag::UncertainParameter { .. }
        | FitFlag::CorrelatedParameters { .. }
        | FitFlag::PoorFit { .. }
        | FitFlag::NothingToTestTheFit
        | FitFlag::UncertaintyNotAssessable
        | FitFlag::Population { .. }
        | FitFlag::WidthBySampling { .. }
        | FitFlag::DrawsTooFew { .. }
        | FitFlag::AssumedHalfLife { .. } => None,
    }
}

/// How a note of several regions begins whose numbers are those of the first.
const AS_IN: &str = "as in ";

/// Whether two notes say the same but for their numbers.
fn alike(known: &Note, other: &Note) -> bool {
    let plain = |note: &Note| -> String {
        let text = note.text.to_string();
        let own = text.strip_prefix(AS_IN).and_then(|rest| Some(rest.split_once(": ")?.1)).unwrap_or(&text);
        own.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect()
    };
    known.code == other.code && plain(known) == plain(other)
}

/// What there is to tell of the regions, each once with the regions that it is true of.
fn region_warnings(input: &TiaInput<'_>, cells: &Cells, regions: &[RegionIntegral]) -> Vec<Note> {
    let mut shared: Vec<(Note, Vec<&str>)> = Vec::new();
    let mut tell = |words: Note, name| match shared.iter_mut().find(|(known, _)| alike(known, &words)) {
        Some((known, names)) => {
            if *known != words && !known.text.to_string().starts_with(AS_IN) {
                known.text = words!(AS_IN, names[0], ": ", &known.text);
            }
            names.push(name);
        }
        None => shared.push((words, vec![name])),
    };
    for region in regions {
        let Some(integral) = &region.integral else {
            // unlabelled air that is 0 in every image does not count as a region without a fit
            let own = &cells.by_label[&region.label];
            let zero = |image: usize| own.iter().all(|&cell| cells.amount(input, image, cell) == 0.0);
            if region.label != 0 || !(0..input.images.len()).all(zero) {
                let text = "no image shows activity above 0: the map has no decays there";
                tell(Note::warning("no-activity-above-zero", text), &region.name);
            }
            continue;
        };
        for words in integral.flags.iter().filter_map(warning_words) {
            tell(words, &region.name);
        }
        let off = region.map_decays / integral.decays() - 1.0;
        if off.is_nan() || off.abs() > VOXELWISE_WARNING {
            let words = format!("its voxels' own fits give {:+.0} % of decays against the region's curve", 100.0 * off);
            tell(Note::warning("voxels-off-curve", words), &region.name);
        }
    }
    if let Some((half_life_h, names)) = shared_half_life(input, regions) {
        let text = format!(
            "one effective half-life, {} h, stands for all of them: organs and tumours clear at different rates; state one for each",
            rounded(half_life_h, 3)
        );
        shared.push((Note::warning("half-life-shared", text), names));
    }
    let word = |names: &[&str]| if names.len() == 1 { "region" } else { "regions" };
    let told = |(note, names): (Note, Vec<&str>)| {
        let place = format!("{} {}", word(&names), names.join(", "));
        note.at(place)
    };
    shared.into_iter().map(told).collect()
}

/// The half-life that was stated once for regions of different kinds, and these regions. Both sides of an organ are of one
/// kind, and so are numbered lesions.
fn shared_half_life<'a>(input: &TiaInput<'_>, regions: &'a [RegionIntegral]) -> Option<(f64, Vec<&'a str>)> {
    let half_life_h = input.default_method.stated_half_life_h()?;
    let own = |name: &str| input.region_methods.iter().any(|method| method.region == name);
    let names: Vec<&str> = regions
        .iter()
        .filter(|r| r.label != 0 && r.integral.is_some() && !own(&r.name))
        .map(|r| r.name.as_str())
        .collect();
    let kind = |name: &str| -> String {
        let words = name.split(|c: char| !c.is_ascii_alphabetic()).map(str::to_lowercase);
        words.filter(|word| !["", "left", "right", "l", "r"].contains(&word.as_str())).collect::<Vec<_>>().join(" ")
    };
    let kinds: std::collections::BTreeSet<String> = names.iter().map(|name| kind(name)).collect();
    (kinds.len() > 1).then_some((half_life_h, names))
}

/// The map of decays.
pub fn integrate_series(input: &TiaInput<'_>) -> Result<TiaMap, TiaError> {
    let mut warnings = check(input)?;
    let grid = input.images[0].activity_mbq.grid.clone();
    let cells = Cells::of(input);
    let (members, volumes) = (&cells.by_label, Cells::volumes(input));
    let name_of = |label: u16| match (label, input.names.get(&label)) {
        (0, _) => "unlabelled".to_owned(),
        (_, Some(name)) => name.clone(),
        (_, None) => format!("label_{label}"),
    };
    if let Some(unknown) =
        input.region_methods.iter().find(|m| !members.keys().any(|&label| name_of(label) == m.region))
    {
        let known: Vec<String> = members.keys().map(|&label| name_of(label)).collect();
        return Err(TiaError::UnknownRegion { region: unknown.region.clone(), known: known.join(", ") });
    }
    if let Some(unknown) = input.planar.keys().find(|name| !members.keys().any(|&label| name_of(label) == **name)) {
        let known: Vec<String> = members.keys().map(|&label| name_of(label)).collect();
        return Err(TiaError::UnknownPlanar { region: unknown.clone(), known: known.join(", ") });
    }
    let mut laid = Laid { decays: vec![0.0; grid.len()], rel_sigma: vec![f32::NAN; grid.len()] };
    let mut regions = Vec::new();
    for (&label, own) in members {
        let name = name_of(label);
        let points: Vec<ActivityPoint> = (0..input.images.len())
            .map(|n| ActivityPoint {
                time_h: input.images[n].time_h,
                activity_mbq: own.iter().map(|&cell| cells.amount(input, n, cell)).sum(),
                rel_sigma: input.rel_sigma(label, n),
            })
            .collect();
        let volume_ml = volumes.get(&label).copied().unwrap_or_default() * grid.voxel_cm3();
        let gbq_ml = input.administered_mbq.map(|mbq| mbq / 1000.0 * volume_ml);
        let mut integral = region_integral(input, &name, &points, gbq_ml)?;
        let calibration_rel_sigma = integral.as_ref().map_or(0.0, |integral| integral.systematic_rel_sigma);
        if let (Some(integral), Some(sigma)) = (&mut integral, input.corrected.get(&label)) {
            integral.systematic_rel_sigma = integral.systematic_rel_sigma.hypot(sigma.common_rel);
        }
        let laid_again = |points: &[ActivityPoint]| {
            let again = region_integral(input, &name, points, gbq_ml).ok().flatten();
            again.filter(|integral| !integral.fell_back()).map(|integral| integral.tia_mbq_h)
        };
        let place_rel_sigma = input.placed.get(&label).filter(|_| integral.is_some());
        let place_rel_sigma = place_rel_sigma.map(|sigmas| integral_rel_sigma(&points, sigmas, laid_again));
        let width = |points: &[ActivityPoint]| curve_width(input, &name, points, gbq_ml);
        // planar counts have their own times
        let imaged = integral.as_ref().filter(|_| !input.planar.contains_key(&name));
        let further = imaged.map(|integral| further_scans(&points, integral, input.physical_half_life_h, width));
        let further = further.unwrap_or_default();
        let mut region = RegionIntegral {
            label,
            name,
            voxels: own.chunk_by(|a, b| a.voxel == b.voxel).count(),
            volume_ml,
            reference_image: 0,
            points,
            integral,
            calibration_rel_sigma,
            place_rel_sigma,
            further,
            fitted_voxels: 0,
            map_decays: 0.0,
        };
        spread(input, &cells, own, &mut region, &mut laid);
        regions.push(region);
    }
    warnings.extend(region_warnings(input, &cells, &regions));
    within_what_was_given(input, &regions)?;
    let own = input
        .region_methods
        .iter()
        .map(|own| (format!("region {}: effective half-life (half_life_h)", own.region), &own.method));
    for (what, method) in
        std::iter::once(("effective half-life (half_life_h)".to_owned(), input.default_method)).chain(own)
    {
        let stated_h = method.stated_half_life_h();
        warnings.extend(stated_h.and_then(|h| bounds::half_life_in_days(&what, h, input.physical_half_life_h)));
    }
    Ok(TiaMap {
        decays: Volume { grid: grid.clone(), data: laid.decays },
        rel_sigma: Volume { grid, data: laid.rel_sigma },
        regions,
        warnings,
    })
}

/// Refuses a region or a total of more activity or decays than the administered activity can bring: an image may pass
/// by its total while one region fails, or by its points while the curve through them fails.
fn within_what_was_given(input: &TiaInput<'_>, regions: &[RegionIntegral]) -> Result<(), BoundsError> {
    let given = Given::new(input.administered_mbq, input.physical_half_life_h);
    let decays = |what: &str, found: f64| {
        let own = input.region_methods.iter().map(|own| &own.method);
        let mut stated = own.chain([input.default_method]).filter_map(Method::stated_half_life_h);
        let days = stated.find_map(|h| bounds::half_life_in_days("the half-life", h, input.physical_half_life_h));
        let cause = days.map_or_else(
            || "take another model, or check times and half-lives".to_owned(),
            |days| format!("days for hours? {}", days.text),
        );
        let next = format!("The images are within these bounds and their curve is not: {cause}.");
        given.check_decays(what, found, &[]).map_err(|error| BoundsError { next: next.clone().into(), ..error })
    };
    for region in regions {
        let what = format!("region {}", region.name);
        for point in &region.points {
            given.check_activity(&what, point.time_h, point.activity_mbq, &readings(input, point.time_h))?;
        }
        decays(&what, region.map_decays)?;
    }
    decays("all regions together", regions.iter().map(|region| region.map_decays).sum())
}

/// Grids, numbers and units of the images.
fn check(input: &TiaInput<'_>) -> Result<Vec<Note>, TiaError> {
    let grid: &VoxelGrid = &input.images[0].activity_mbq.grid;
    if input.shares.len() != grid.len() {
        return Err(TiaError::Grid {
            what: "label map".to_owned(),
            found: format!("{} voxels", input.shares.len()),
            wanted: grid.describe(),
        });
    }
    let mut warnings = Vec::new();
    let mut before: Option<f64> = None;
    let given = Given::new(input.administered_mbq, input.physical_half_life_h);
    let mut points = Vec::new();
    for image in input.images {
        if !image.activity_mbq.grid.same_as(grid) {
            return Err(TiaError::Grid {
                what: image.name.clone(),
                found: image.activity_mbq.grid.describe(),
                wanted: grid.describe(),
            });
        }
        if let Some(index) = image.activity_mbq.data.iter().position(|v| !v.is_finite()) {
            return Err(TiaError::NotANumber { what: image.name.clone(), index });
        }
        let found_mbq = image.activity_mbq.data.iter().sum::<f64>();
        points.push((image.time_h, found_mbq));
        let total = found_mbq * (image.time_h / input.physical_half_life_h).exp2();
        if let Some(before_mbq) = before {
            if total > UNIT_FACTOR * before_mbq || total * UNIT_FACTOR * UNIT_FACTOR < before_mbq {
                return Err(TiaError::UnitsDiffer { what: image.name.clone(), found_mbq: total, before_mbq });
            }
            if total > TOTAL_RISE_WARNING * before_mbq {
                warnings.push(
                    Note::warning(
                        "total-rises",
                        format!(
                            "the decay-corrected total rises by {:.0} % from the image before; check the times (are two \
                     images exchanged?), unit, decay correction and field of view",
                            100.0 * (total / before_mbq - 1.0)
                        ),
                    )
                    .at(&image.name),
                );
            }
        }
        before = Some(total);
        given.check_activity(&image.name, image.time_h, found_mbq, &readings(input, image.time_h))?;
    }
    warnings.extend(bounds::times_in_days(&points, input.physical_half_life_h));
    Ok(warnings)
}

/// Alternative interpretations of an image's numbers.
fn readings(input: &TiaInput<'_>, time_h: f64) -> Vec<Reading> {
    let decayed = |hours: f64| (-hours / input.physical_half_life_h).exp2();
    let of_time = [
        Reading::new("as decay-corrected to injection", decayed(time_h)),
        Reading::new("with times in minutes", decayed(time_h - time_h / 60.0)),
    ];
    input.readings.iter().cloned().chain(of_time).collect()
}

/// The integral of a region by its method; a refused fit becomes an upper bound with the reason.
fn region_integral(
    input: &TiaInput<'_>,
    name: &str,
    points: &[ActivityPoint],
    gbq_ml: Option<f64>,
) -> Result<Option<TimeIntegral>, TiaError> {
    let method = input.region_methods.iter().find(|m| m.region == name).map_or(input.default_method, |m| &m.method);
    let half_life_h = input.physical_half_life_h;
    if let Some(stated_h) = method.stated_half_life_h() {
        bounds::effective_half_life_h(format!("region {name}: half_life_h"), stated_h, half_life_h)?;
        let shown: Vec<(f64, f64)> = points.iter().map(|point| (point.time_h, point.activity_mbq)).collect();
        let what = format!("region {name}: effective half-life (half_life_h)");
        bounds::half_life_of_points(what, stated_h, &shown, half_life_h)?;
    }
    let mut level_rel_sigma = 0.0;
    let single = |rule: SingleTimePoint| {
        // The scan nearest to the time at which the rule is least sensitive.
        let best = match &rule {
            SingleTimePoint::Hanscheid2018 { .. } => 96.0,
            SingleTimePoint::Population { half_life_h, .. } | SingleTimePoint::PreviousCycle { half_life_h, .. } => {
                half_life_h / std::f64::consts::LN_2
            }
        };
        let point = points[nearest(points.iter().map(|p| p.time_h), best)];
        rule.integrate(point.time_h, point.activity_mbq, point.rel_sigma)
    };
    let result = match method {
        Method::Model(model) => integrate_model(points, *model, input.error_model, half_life_h),
        Method::Aicc(models) => choose_by_aicc(points, models, input.error_model, half_life_h).map(|c| c.best),
        Method::Trapezoid { start, join, tail } => integrate_trapezoid(points, *start, *join, *tail, half_life_h),
        Method::Hanscheid2018 { half_life_for_g_h } => {
            single(SingleTimePoint::Hanscheid2018 { half_life_for_g_h: *half_life_for_g_h })
        }
        Method::Population { half_life_h, half_life_rel_sigma } => {
            single(SingleTimePoint::Population { half_life_h: *half_life_h, half_life_rel_sigma: *half_life_rel_sigma })
        }
        Method::PreviousCycle { half_life_h, half_life_rel_sigma, cycle } => {
            let earlier = input.earlier.get(name);
            let (value, sigma, from) = match (half_life_h, earlier) {
                (Some(value), _) => (*value, *half_life_rel_sigma, cycle.unwrap_or(0)),
                (None, Some(earlier)) => (earlier.half_life_h, earlier.rel_sigma, earlier.cycle),
                (None, None) => {
                    return Err(TiaError::Missing {
                        region: name.to_owned(),
                        field: "half_life_h",
                        allowed: "the effective half-life of an earlier cycle, h",
                        next: "State it, or run the series inside a course that holds the earlier cycle.",
                    });
                }
            };
            single(SingleTimePoint::PreviousCycle { half_life_h: value, half_life_rel_sigma: sigma, cycle: from })
        }
        Method::Kinetics { prior, read } => {
            let read = read.as_deref().ok_or_else(|| TiaError::Missing {
                region: name.to_owned(),
                field: "prior",
                allowed: "a prior that was read",
                next: "Name a built-in prior or a file.",
            })?;
            let earlier = input.earlier.get(name).map_or(&[][..], |earlier| &earlier.scans);
            match read.organ_of(name) {
                Some(organ) => integrate_population(points, organ, prior, earlier, gbq_ml, half_life_h),
                None => without_organ(points, prior, input.error_model, half_life_h),
            }
        }
        Method::Hybrid { model } => match input.planar.get(name) {
            None => {
                let rule = SingleTimePoint::Population { half_life_h, half_life_rel_sigma: None };
                single(rule).map(|mut integral| {
                    integral.flags.push(FitFlag::FellBack {
                        reason: "no planar counts: physical decay from the SPECT, an upper bound".to_owned(),
                    });
                    integral
                })
            }
            Some(planar) => {
                let spect = SpectLevel {
                    time_h: points[0].time_h,
                    activity_mbq: points[0].activity_mbq,
                    rel_sigma: points[0].rel_sigma.unwrap_or(0.0),
                };
                let curve = scale_planar(planar, spect, HYBRID_TOLERANCE_H)
                    .map_err(|source| TiaError::Hybrid { region: name.to_owned(), source })?;
                level_rel_sigma = curve.level_rel_sigma;
                integrate_model(&curve.points, *model, input.error_model, half_life_h)
            }
        },
    };
    let integral = match result {
        Ok(integral) => Some(integral),
        // too few images for the method: the same for every region, independent of the measurements
        Err(source @ (TimeActivityError::AiccUndefined { .. } | TimeActivityError::TooFewPoints { .. })) => {
            return Err(TiaError::Images { region: name.to_owned(), source });
        }
        Err(error) => fall_back(points, &error, half_life_h),
    };
    Ok(integral.map(|mut integral| {
        integral.systematic_rel_sigma = input.systematic_rel_sigma.hypot(level_rel_sigma);
        integral
    }))
}

/// Relative standard uncertainty of a region's integral through these points by its method; of a population by the posterior's
/// curvature, without draws. None where it has none.
fn curve_width(input: &TiaInput<'_>, name: &str, points: &[ActivityPoint], gbq_ml: Option<f64>) -> Option<f64> {
    let method = input.region_methods.iter().find(|m| m.region == name).map_or(input.default_method, |m| &m.method);
    let organ = match method {
        Method::Kinetics { read, .. } => read.as_deref().and_then(|prior| prior.organ_of(name)),
        _ => None,
    };
    let earlier = input.earlier.get(name).map_or(&[][..], |earlier| &earlier.scans);
    match organ {
        Some(organ) => posterior_width(points, organ, earlier, gbq_ml),
        None => region_integral(input, name, points, gbq_ml).ok().flatten()?.rel_sigma,
    }
}

/// The curve of a region of which the prior says nothing: without it, and told.
fn without_organ(
    points: &[ActivityPoint],
    prior: &str,
    error_model: ErrorModel,
    half_life_h: f64,
) -> Result<TimeIntegral, TimeActivityError> {
    let mut integral = match points.len() {
        1 => SingleTimePoint::Population { half_life_h, half_life_rel_sigma: None }.integrate(
            points[0].time_h,
            points[0].activity_mbq,
            points[0].rel_sigma,
        ),
        _ => integrate_model(points, Model::Mono, error_model, half_life_h),
    }?;
    let by =
        if points.len() == 1 { "physical decay from the one scan, an upper bound" } else { "a fit without a prior" };
    let reason = format!("the prior {prior} has no organ of this name: {by}");
    integral.flags.insert(0, FitFlag::FellBack { reason });
    Ok(integral)
}

/// Replacement for a refused fit: linear between the positive points, constant before the first, physical decay after
/// the last. An upper bound for the time after the first scan. `None` without a positive point.
fn fall_back(points: &[ActivityPoint], error: &TimeActivityError, physical_half_life_h: f64) -> Option<TimeIntegral> {
    let positive: Vec<&ActivityPoint> = points.iter().filter(|p| p.activity_mbq > 0.0).collect();
    let (first, last) = (positive.first()?, positive.last()?);
    let rate_per_h = std::f64::consts::LN_2 / physical_half_life_h;
    let between: f64 =
        positive.windows(2).map(|p| 0.5 * (p[0].activity_mbq + p[1].activity_mbq) * (p[1].time_h - p[0].time_h)).sum();
    let before = first.activity_mbq * first.time_h;
    let after = last.activity_mbq / rate_per_h;
    let tia = before + between + after;
    let kinetics = exponential_kinetics(vec![Exponential { amplitude: tia * rate_per_h, rate_per_h }]).ok()?;
    let fractions = [before / tia, after / tia];
    let mut integral = TimeIntegral::without_fit("physical-bound", kinetics, tia, physical_half_life_h, fractions);
    let reason = format!(
        "{error}; used straight lines between the points, flat before the first and physical decay after the last: an upper \
         bound of what follows the first scan"
    );
    integral.flags.insert(0, FitFlag::FellBack { reason });
    integral.set_rel_sigma(None);
    Some(integral)
}

/// Position of the time nearest to `wanted_h`.
fn nearest(times_h: impl Iterator<Item = f64>, wanted_h: f64) -> usize {
    times_h
        .enumerate()
        .min_by(|a, b| (a.1 - wanted_h).abs().total_cmp(&(b.1 - wanted_h).abs()))
        .map_or(0, |(index, _)| index)
}

/// A region's part of a voxel: the whole voxel, or one of the parts that share it.
#[derive(Clone, Copy, Debug)]
struct Cell {
    voxel: usize,
    /// Place of the part among all parts of shared voxels.
    part: Option<usize>,
}

/// The parts of all voxels by region.
struct Cells {
    /// The cells of each label, in the order of the voxels.
    by_label: BTreeMap<u16, Vec<Cell>>,
    /// For each image the share of its voxel's activity that each part of a shared voxel takes.
    weights: Vec<Vec<f64>>,
}

impl Cells {
    /// Volume of each label, in image voxels.
    fn volumes(input: &TiaInput<'_>) -> BTreeMap<u16, f64> {
        let mut by_label = BTreeMap::new();
        for (&region, volume) in input.shares.labels().iter().zip(input.shares.volumes()) {
            let label = if input.air == Some(region) { 0 } else { region };
            *by_label.entry(label).or_default() += volume;
        }
        by_label
    }

    fn of(input: &TiaInput<'_>) -> Self {
        let mut by_label: BTreeMap<u16, Vec<Cell>> = BTreeMap::new();
        let label_of = |region: u32| {
            let label = input.shares.labels()[region as usize];
            if input.air == Some(label) { 0 } else { label }
        };
        let mut next = 0;
        for voxel in 0..input.shares.len() {
            match input.shares.at(voxel) {
                Parts::Whole(region) => {
                    by_label.entry(label_of(region)).or_default().push(Cell { voxel, part: None });
                }
                Parts::Shared(parts) => {
                    for &(region, _) in parts {
                        let cell = Cell { voxel, part: Some(next) };
                        by_label.entry(label_of(region)).or_default().push(cell);
                        next += 1;
                    }
                }
            }
        }
        let mut own = Vec::new();
        let weights = input.concentrations.iter().map(|image| {
            let mut all = Vec::with_capacity(next);
            for (_, parts) in input.shares.mixed() {
                image.weights(parts, &mut own);
                all.append(&mut own);
            }
            all
        });
        let weights = weights.collect();
        Self { by_label, weights }
    }

    /// Activity of a cell in an image, MBq.
    fn amount(&self, input: &TiaInput<'_>, image: usize, cell: Cell) -> f64 {
        let all = input.images[image].activity_mbq.data[cell.voxel];
        cell.part.map_or(all, |part| all * self.weights[image][part])
    }
}

/// The map as it fills.
struct Laid {
    decays: Vec<f64>,
    rel_sigma: Vec<f32>,
}

impl Laid {
    /// Adds a cell's decays with their relative sigma. Parts of a voxel come from the curves of different regions, whose
    /// errors are independent.
    fn add(&mut self, cell: Cell, decays: f64, sigma: f32) {
        let (sum, known) = (&mut self.decays[cell.voxel], &mut self.rel_sigma[cell.voxel]);
        // a voxel of which nothing is known yet
        *known = if cell.part.is_none() || *sum <= 0.0 {
            sigma
        } else if decays > 0.0 {
            (((f64::from(*known) * *sum).hypot(f64::from(sigma) * decays)) / (*sum + decays)) as f32
        } else {
            *known
        };
        *sum += decays;
    }
}

/// Fills the voxels of a region.
fn spread(input: &TiaInput<'_>, cells: &Cells, own: &[Cell], region: &mut RegionIntegral, laid: &mut Laid) {
    let Some(integral) = region.integral.clone() else { return };
    let wanted_h = integral.effective_half_life_h / std::f64::consts::LN_2;
    // an image without activity in the region cannot distribute its decays
    let above = |image: usize| own.iter().map(|&cell| cells.amount(input, image, cell).max(0.0)).sum::<f64>();
    let shows: Vec<usize> = (0..input.images.len()).filter(|&n| above(n) > 0.0).collect();
    if !shows.is_empty() {
        region.reference_image = shows[nearest(shows.iter().map(|&n| input.images[n].time_h), wanted_h)];
    }
    let positive = above(region.reference_image);
    let scale = if positive > 0.0 { integral.decays() / positive } else { 0.0 };
    let region_sigma = integral.rel_sigma.map_or(f32::NAN, |sigma| sigma as f32);
    let physical_per_h = std::f64::consts::LN_2 / input.physical_half_life_h;
    for &cell in own {
        let mut decays = scale * cells.amount(input, region.reference_image, cell).max(0.0);
        let mut rel_sigma = region_sigma;
        if input.voxelwise
            && let Some((fitted, sigma)) = cell_integral(input, cells, cell, physical_per_h)
        {
            (decays, rel_sigma) = (fitted, sigma);
            region.fitted_voxels += 1;
        }
        laid.add(cell, decays, rel_sigma);
        region.map_decays += decays;
    }
}

/// Decays and relative sigma of one cell by a mono-exponential; `None` if it has no three positive
/// points, falls outside the bounds of half-life, or would hold more than half of its decays before its first point.
fn cell_integral(input: &TiaInput<'_>, cells: &Cells, cell: Cell, physical_per_h: f64) -> Option<(f64, f32)> {
    let mut time_h = Vec::with_capacity(input.images.len());
    let mut ln_activity = Vec::with_capacity(input.images.len());
    let mut weight = Vec::with_capacity(input.images.len());
    for (n, image) in input.images.iter().enumerate() {
        let activity = cells.amount(input, n, cell);
        if activity > 0.0 {
            time_h.push(image.time_h);
            ln_activity.push(activity.ln());
            weight.push(image.rel_sigma.map_or(1.0, |sigma| sigma.powi(-2)));
        }
    }
    if time_h.len() < 3 {
        return None;
    }
    let (start_mbq, rate_per_h, misfit) = log_linear(&time_h, &ln_activity, &weight)?;
    let shortest_h = shortest_half_life_h(std::f64::consts::LN_2 / physical_per_h).max(time_h[0]);
    let fastest = std::f64::consts::LN_2 / shortest_h;
    // A rate within rounding of physical decay is physical decay.
    if rate_per_h < physical_per_h * (1.0 - 1e-6) || rate_per_h > fastest {
        return None;
    }
    let integral = start_mbq / rate_per_h;
    // ln TIA = ln A0 - ln lambda; variances from the normal equations, scaled by the residuals.
    let s: f64 = weight.iter().sum();
    let mean_t = weight.iter().zip(&time_h).map(|(w, t)| w * t).sum::<f64>() / s;
    let spread: f64 = weight.iter().zip(&time_h).map(|(w, t)| w * (t - mean_t).powi(2)).sum();
    let lever = mean_t - 1.0 / rate_per_h;
    let scatter = misfit / (time_h.len() - 2) as f64;
    let scatter = if input.images.iter().all(|i| i.rel_sigma.is_some()) { scatter.max(1.0) } else { scatter };
    let variance = scatter * (1.0 / s + lever * lever / spread);
    Some((integral * DECAYS_PER_MBQ_H, variance.sqrt() as f32))
}

impl TiaMap {
    /// Kinetics of a region by name, if it has activity.
    pub fn kinetics(&self, region: &str) -> Option<&Kinetics> {
        self.regions.iter().find(|r| r.name == region)?.integral.as_ref().map(|i| &i.kinetics)
    }
}
