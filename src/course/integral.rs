//! Points of activity, the models that may be fitted to them, and integrals with their flags; trapezoids.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bed::{BedError, DoseRateCurve, Exponential, SampledRate};
use crate::fault::{Explained, Fault, FaultKind, explained};
use crate::kinetics::Scan;
use crate::quadrature::trapezoid;
use crate::units::rounded;

/// Extrapolated share of a TIA above which a fit is flagged: a convention of this program, to be confirmed by each
/// site.
pub const EXTRAPOLATION_FLAG_FRACTION: f64 = 0.20;
/// Coefficient of variation of a parameter above which a fit is flagged (published acceptance
/// rule for population-based model selection, EJNMMI Phys 2021, s40658-021-00427-x).
pub const PARAMETER_CV_FLAG: f64 = 0.50;
/// Correlation of two parameters above which a fit is flagged (same source).
pub const CORRELATION_FLAG: f64 = 0.80;
/// Probability of a worse chi-square below which a fit is flagged as poor.
pub const POOR_FIT_PROBABILITY: f64 = 0.01;

/// Share of an integral before the first scan above which a fit is flagged: more than half of it was never imaged. A
/// convention of this program. Unlike the tail, which physical decay bounds, this part has no physical bound.
pub const BEFORE_FIRST_FLAG_FRACTION: f64 = 0.50;
/// Shortest effective half-life accepted, h: that of the fast blood phase of the ligands in use (1 to 2 h). A faster
/// fall between scans hours apart is noise, background or another region. An assumption.
pub const SHORTEST_HALF_LIFE_H: f64 = 1.0;
/// Share of the activity between the first and the last scan that every curve must contain, relative to the integral of
/// the lower of the two points over each gap. A curve with less does not describe the points. A convention of this
/// program.
pub const LEAST_SHARE_OF_POINTS: f64 = 0.50;

/// Lower limit of effective half-lives, h: [`SHORTEST_HALF_LIFE_H`], or a tenth of the physical half-life if that is
/// below ten hours.
pub fn shortest_half_life_h(physical_half_life_h: f64) -> f64 {
    SHORTEST_HALF_LIFE_H.min(0.1 * physical_half_life_h)
}

/// Why a time-activity curve cannot be integrated. Each refusal is a variant.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum TimeActivityError {
    /// Fewer points than the model has parameters.
    TooFewPoints {
        /// The model asked for.
        model: &'static str,
        /// Points found.
        found: usize,
        /// Points needed.
        needed: usize,
    },
    /// A time that is not positive or not after the previous one.
    TimesNotIncreasing {
        /// Index of the point, from 0.
        index: usize,
        /// Its time, h.
        time_h: f64,
        /// The time before, h.
        before_h: f64,
    },
    /// An activity that is negative, zero or not a number.
    NonPositiveActivity {
        /// Index of the point, from 0.
        index: usize,
        /// Its time, h.
        time_h: f64,
        /// The value found, MBq.
        activity_mbq: f64,
    },
    /// The last point is not below the one before it: there is no tail to extrapolate.
    RisingTail {
        /// Time before the last, h.
        before_h: f64,
        /// Activity before the last, MBq.
        before_mbq: f64,
        /// Last time, h.
        last_h: f64,
        /// Last activity, MBq.
        last_mbq: f64,
    },
    /// Some points have an uncertainty and some do not, or one is not positive.
    Uncertainty {
        /// Index of the first offending point, from 0.
        index: usize,
        /// What was found.
        found: String,
    },
    /// No start of the fit converged.
    NotConverged {
        /// The model asked for.
        model: &'static str,
    },
    /// The points fall faster than plausible kinetics.
    HalfLifeTooShort {
        /// The model asked for.
        model: &'static str,
        /// The limit, h.
        shortest_h: f64,
    },
    /// The fitted curve does not describe the points.
    MissesThePoints {
        /// The model asked for.
        model: &'static str,
        /// Integral of the curve over that of the lower points.
        share: f64,
    },
    /// The corrected Akaike criterion is not defined for so few points.
    AiccUndefined {
        /// The model.
        model: &'static str,
        /// Points found.
        found: usize,
        /// Points needed.
        needed: usize,
        /// Whether the errors of the points are stated.
        sigma_known: bool,
    },
    /// A number outside its range.
    Value(#[from] BedError),
    /// No curve of the population.
    Population(#[from] Fault),
}

explained!(TimeActivityError);

impl Explained for TimeActivityError {
    fn fault(&self) -> Fault {
        match self {
            Self::Value(error) => error.fault(),
            Self::Population(fault) => fault.clone(),
            Self::TimesNotIncreasing { .. }
            | Self::NonPositiveActivity { .. }
            | Self::RisingTail { .. }
            | Self::Uncertainty { .. } => self.points_fault(),
            Self::TooFewPoints { .. }
            | Self::NotConverged { .. }
            | Self::HalfLifeTooShort { .. }
            | Self::MissesThePoints { .. }
            | Self::AiccUndefined { .. } => self.model_fault(),
        }
    }
}

impl TimeActivityError {
    /// The parts of what is wrong with the points.
    fn points_fault(&self) -> Fault {
        let at = |index: &usize| format!("time point {index}");
        match self {
            Self::TimesNotIncreasing { index, time_h, before_h } => Fault::invalid(
                at(index),
                "time",
                format!("{time_h} h"),
                format!("above 0 h and increase (the one before is {before_h} h)"),
                "sort the images by time and check the injection time",
            )
            .form("{place} is {found} after injection; times must be {allowed}"),
            Self::NonPositiveActivity { index, time_h, activity_mbq } => Fault::invalid(
                format!("time point {index} ({time_h} h)"),
                "activity",
                format!("{activity_mbq} MBq"),
                "above 0 MBq",
                "check background correction and the region, or leave the point out and say so",
            )
            .form("non-positive activity refused: {place} holds {found}; an activity must be {allowed}"),
            Self::RisingTail { before_h, before_mbq, last_h, last_mbq } => Fault::invalid(
                "last time point",
                "activity",
                format!("{} MBq ({} h)", rounded(*last_mbq, 3), rounded(*last_h, 4)),
                format!("{} MBq ({} h)", rounded(*before_mbq, 3), rounded(*before_h, 4)),
                "check the times, decay correction and registration, or state an effective half-life",
            )
            .form("the activity rises from {allowed} to {found}: are the scan times swapped? Nothing says how it falls after that"),
            Self::Uncertainty { index, found } => Fault::invalid(
                at(index),
                "relative uncertainty",
                found,
                "above 0, for every point or for none",
                "state one above 0 for every point or for none",
            )
            .form("{place}: {field} {found}"),
            _ => Fault::of(FaultKind::Invalid),
        }
    }

    /// The parts of what is wrong with a model for these points.
    fn model_fault(&self) -> Fault {
        let of = |model: &str, found: String| Fault::of(FaultKind::Invalid).place(format!("`{model}`")).found(found);
        match self {
            Self::TooFewPoints { found: 1, .. } => Fault::of(FaultKind::Invalid)
                .found("one image")
                .allowed("two or more, or an effective half-life")
                .then("set method = \"population-half-life\" with half_life_h, or give the other images")
                .form("one image cannot be fitted"),
            Self::TooFewPoints { model, needed, found } => of(model, found.to_string())
                .allowed(format!("at least {needed} time points"))
                .then("choose a model with fewer parameters or a single-time-point method")
                .form("model {place} needs {allowed}, found {found}"),
            Self::NotConverged { model } => of(model, "no convergence".into())
                .then("choose a simpler model or the trapezoid")
                .form("the fit of model {place} did not converge from any start"),
            Self::HalfLifeTooShort { model, shortest_h } => of(model, format!("{shortest_h} h"))
                .field("effective half-life")
                .then("check the region, background correction and times, or take the trapezoid")
                .form("the fit of model {place} ends at its shortest {field}, {found}: nothing in use falls faster"),
            Self::MissesThePoints { model, share } => of(model, format!("{:.0} %", 100.0 * share))
                .allowed(format!("{:.0} % or more", 100.0 * LEAST_SHARE_OF_POINTS))
                .then("choose another model or the trapezoid")
                .form(
                    "the curve of model {place} holds {found} of what the points hold at least between the first and the \
                     last scan, allowed: {allowed}",
                ),
            Self::AiccUndefined { model, found, needed, sigma_known } => of(model, format!("{found} points"))
                .allowed(format!("at least {needed} (known errors: {sigma_known})"))
                .then("prespecify the model, or select it on pooled data")
                .form("AICc is not defined for model {place} with {found}: it needs {allowed}"),
            _ => Fault::of(FaultKind::Invalid),
        }
    }
}

/// Activity of a region or voxel at one time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActivityPoint {
    /// Mid-scan time after injection, h, positive.
    pub time_h: f64,
    /// Activity at that time (not decay-corrected), MBq, positive.
    pub activity_mbq: f64,
    /// Random relative standard uncertainty of the activity; `None` if unknown.
    pub rel_sigma: Option<f64>,
}

impl ActivityPoint {
    /// The point for a population's kinetics; `gbq_ml` is administered activity times the region's volume, where it is known.
    pub fn scan(&self, gbq_ml: Option<f64>) -> Scan {
        Scan { time_h: self.time_h, activity_mbq: self.activity_mbq, rel_sigma: self.rel_sigma, gbq_ml }
    }
}

/// A sum of exponentials with parameters. lp is the physical decay rate, k rates are biological.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// A exp(-lp t): one parameter.
    MonoPhysical,
    /// A exp(-(lp + k) t): two parameters.
    Mono,
    /// A [exp(-lp t) - exp(-(lp + k) t)]: two parameters.
    UptakePhysicalTail,
    /// A [exp(-(lp + k1) t) - exp(-(lp + k2) t)], k2 > k1: three parameters.
    UptakeClearance,
    /// A1 exp(-lp t) + A2 exp(-(lp + k) t): three parameters.
    TwoPhasePhysicalTail,
    /// A1 exp(-(lp + k1) t) + A2 exp(-(lp + k2) t), k2 > k1: four parameters.
    TwoPhase,
    /// A1, A2 as in two-phase, minus (A1 + A2) exp(-(lp + 1.3/h) t): zero at the start, fixed fast
    /// uptake; four parameters.
    TriZeroStart,
}

impl Model {
    /// All models, from few parameters to many.
    pub const ALL: [Self; 7] = [
        Self::MonoPhysical,
        Self::Mono,
        Self::UptakePhysicalTail,
        Self::UptakeClearance,
        Self::TwoPhasePhysicalTail,
        Self::TwoPhase,
        Self::TriZeroStart,
    ];

    /// Name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::MonoPhysical => "mono-physical",
            Self::Mono => "mono",
            Self::UptakePhysicalTail => "uptake-physical-tail",
            Self::UptakeClearance => "uptake-clearance",
            Self::TwoPhasePhysicalTail => "two-phase-physical-tail",
            Self::TwoPhase => "two-phase",
            Self::TriZeroStart => "tri-zero-start",
        }
    }

    /// Number of free parameters.
    pub fn parameters(self) -> usize {
        match self {
            Self::MonoPhysical => 1,
            Self::Mono | Self::UptakePhysicalTail => 2,
            Self::UptakeClearance | Self::TwoPhasePhysicalTail => 3,
            Self::TwoPhase | Self::TriZeroStart => 4,
        }
    }
}

/// Definition of the residuals of a fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorModel {
    /// ln(measured/model) over the relative uncertainty: log-normal errors.
    #[default]
    Relative,
    /// (measured - model) over the absolute uncertainty.
    Absolute,
}

/// Assumption of the trapezoid between injection and the first scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartRule {
    /// The exponential through the first two points, backwards (constant where they rise).
    #[default]
    BackExtrapolation,
    /// A straight rise from zero.
    Zero,
    /// Constant at the first value.
    Constant,
}

/// The exponential that follows the last point of a trapezoid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TailRule {
    /// Through the last two points, not slower than physical decay.
    #[default]
    Effective,
    /// Physical decay alone: an upper bound.
    Physical,
    /// A stated effective half-life, h.
    HalfLifeH(f64),
}

/// How the trapezoid joins two points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JoinRule {
    /// A straight line where the activity rises, an exponential where it falls.
    #[default]
    LinearUpLogDown,
    /// Straight lines.
    Linear,
}

/// A flag that the reader of a result must know. None stops the calculation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "flag", rename_all = "kebab-case")]
pub enum FitFlag {
    /// More than a fifth of the integral lies after the last scan.
    Extrapolated {
        /// Share of the integral after the last scan.
        fraction: f64,
    },
    /// More than half of the integral lies before the first scan, where it has no bound.
    MostlyBeforeFirst {
        /// Share of the integral before the first scan.
        fraction: f64,
    },
    /// The activity falls no faster than physical decay: a biological rate sits at its bound of 0.
    AtPhysicalDecay,
    /// A rate sits at another limit of the fit.
    RateAtLimit {
        /// Its name.
        parameter: String,
        /// The half-life of that limit, h.
        half_life_h: f64,
    },
    /// The points show no such phase: its amplitude sits at its bound of 0.
    PhaseAbsent {
        /// Name of the amplitude.
        parameter: String,
    },
    /// A phase so fast that it is over before the first scan: the points do not determine its rate.
    RateNotResolved {
        /// Its name.
        parameter: String,
    },
    /// A parameter has an uncertainty above 50 %.
    UncertainParameter {
        /// Its name.
        parameter: String,
        /// Its coefficient of variation.
        cv: f64,
    },
    /// Two parameters are strongly correlated.
    CorrelatedParameters {
        /// Names of both.
        parameters: [String; 2],
        /// Their correlation.
        correlation: f64,
    },
    /// The stated errors do not explain the residuals.
    PoorFit {
        /// Chi-square of the fit.
        chi2: f64,
        /// Degrees of freedom.
        degrees_of_freedom: usize,
        /// Probability of a worse value.
        probability: f64,
    },
    /// As many points as parameters: the fit goes through every point and nothing tests it.
    NothingToTestTheFit,
    /// The uncertainty of the points is unknown and cannot be estimated either.
    UncertaintyNotAssessable,
    /// The half-life was not measured in this cycle.
    AssumedHalfLife {
        /// The half-life used, h.
        half_life_h: f64,
        /// Where it is from, in words that follow the number.
        source: String,
    },
    /// A population stands behind the curve.
    Population {
        /// The prior's name.
        prior: String,
        /// Its organ.
        organ: String,
        /// Share of the variance of ln TIA that is the prior's.
        prior_share: f64,
    },
    /// The patient does not look like one of the population.
    PriorConflict {
        /// The prior's name.
        prior: String,
        /// The parameter furthest from it.
        parameter: String,
        /// How far, in its standard deviations.
        deviations: f64,
        /// Probability of a worse misfit of a patient of the population.
        probability: f64,
    },
    /// The prior knows the uptake, and the administered activity is not stated: the amplitude is free.
    UptakeNotUsed {
        /// The prior's name.
        prior: String,
    },
    /// The posterior is not normal: its width by sampling stands for that by its curvature.
    WidthBySampling {
        /// Relative uncertainty by the curvature.
        curvature: f64,
        /// By sampling.
        sampled: f64,
    },
    /// Too few draws of the posterior count (scans far more exact than the prior): mean and width are those of its curvature.
    DrawsTooFew {
        /// Share of the draws that count.
        share: f64,
    },
    /// The requested model could not be used and another replaced it.
    FellBack {
        /// Why, in words.
        reason: String,
    },
}

/// Shape of a curve: closed form or sampled.
#[derive(Clone, Debug, PartialEq)]
pub enum Kinetics {
    /// Sum of exponentials.
    Exponentials(DoseRateCurve),
    /// Sampled, with an exponential tail.
    Sampled(SampledRate),
}

impl Kinetics {
    /// Lea-Catcheside factor for `repair_half_life_h`, h.
    pub fn lea_catcheside_g(&self, repair_half_life_h: f64) -> f64 {
        match self {
            Self::Exponentials(curve) => curve.lea_catcheside_g(repair_half_life_h),
            Self::Sampled(curve) => curve.lea_catcheside_g(repair_half_life_h),
        }
    }
}

/// An estimated parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Name with unit: `a1_mbq`, `k1_per_h`.
    pub name: String,
    /// Estimate.
    pub value: f64,
    /// Relative standard uncertainty; `None` if not assessable or at a bound.
    pub rel_sigma: Option<f64>,
}

/// A time-integrated activity and everything needed to assess it.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeIntegral {
    /// Method, for the report: a model's name, `trapezoid`, `hanscheid-2018`, ...
    pub method: String,
    /// The curve, MBq.
    pub kinetics: Kinetics,
    /// Integral from injection to infinity, MBq h.
    pub tia_mbq_h: f64,
    /// Random relative standard uncertainty of the integral; `None` if not assessable.
    pub rel_sigma: Option<f64>,
    /// Systematic relative standard uncertainty common to all points (calibration, level); 0 unless
    /// the caller adds one.
    pub systematic_rel_sigma: f64,
    /// Terminal effective half-life, h.
    pub effective_half_life_h: f64,
    /// Its random relative standard uncertainty; `None` if not assessable.
    pub half_life_rel_sigma: Option<f64>,
    /// Share of the integral before the first scan.
    pub before_first_fraction: f64,
    /// Share of the integral after the last scan: the extrapolated fraction.
    pub after_last_fraction: f64,
    /// Chi-square (known errors) or residual sum of squares (unknown); 0 for other methods.
    pub chi2: f64,
    /// Points minus parameters.
    pub degrees_of_freedom: usize,
    /// Estimated parameters.
    pub parameters: Vec<Parameter>,
    /// Flags of the result.
    pub flags: Vec<FitFlag>,
}

impl TimeIntegral {
    /// Whether another method replaced the requested one.
    pub fn fell_back(&self) -> bool {
        self.flags.iter().any(|flag| matches!(flag, FitFlag::FellBack { .. }))
    }

    /// Decays, from MBq h.
    pub fn decays(&self) -> f64 {
        self.tia_mbq_h * crate::units::DECAYS_PER_MBQ_H
    }

    /// An integral without a fitted model: `fractions` lie before the first and after the last scan. Its
    /// uncertainty and flags are the caller's to add; the flag of extrapolation is set.
    pub(super) fn without_fit(
        method: &str,
        kinetics: Kinetics,
        tia_mbq_h: f64,
        effective_half_life_h: f64,
        fractions: [f64; 2],
    ) -> Self {
        let mut integral = Self {
            method: method.to_owned(),
            kinetics,
            tia_mbq_h,
            rel_sigma: None,
            systematic_rel_sigma: 0.0,
            effective_half_life_h,
            half_life_rel_sigma: None,
            before_first_fraction: fractions[0],
            after_last_fraction: fractions[1],
            chi2: 0.0,
            degrees_of_freedom: 0,
            parameters: Vec::new(),
            flags: Vec::new(),
        };
        integral.flag_extrapolation();
        integral
    }

    /// Sets the random uncertainty, or flags that there is none.
    pub(super) fn set_rel_sigma(&mut self, rel_sigma: Option<f64>) {
        self.rel_sigma = rel_sigma;
        if rel_sigma.is_none() {
            self.flags.push(FitFlag::UncertaintyNotAssessable);
        }
    }

    /// Adds the extrapolation flags if they apply; that of the start not for a single scan, which leaves no choice.
    pub(super) fn flag_extrapolation(&mut self) {
        if self.before_first_fraction > BEFORE_FIRST_FLAG_FRACTION
            && self.before_first_fraction + self.after_last_fraction < 1.0 - 1e-9
        {
            self.flags.push(FitFlag::MostlyBeforeFirst { fraction: self.before_first_fraction });
        }
        if self.after_last_fraction > EXTRAPOLATION_FLAG_FRACTION {
            self.flags.push(FitFlag::Extrapolated { fraction: self.after_last_fraction });
        }
    }
}

/// Activity at scan time, MBq, of a value decay-corrected to injection.
pub fn undo_decay_correction(activity_at_injection_mbq: f64, time_h: f64, physical_half_life_h: f64) -> f64 {
    activity_at_injection_mbq * (-std::f64::consts::LN_2 / physical_half_life_h * time_h).exp()
}

/// Checks order, sign and uncertainties, and refuses a rising tail.
pub fn check_points(points: &[ActivityPoint]) -> Result<(), TimeActivityError> {
    let mut before_h = 0.0;
    for (index, point) in points.iter().enumerate() {
        let time_h = point.time_h;
        if !time_h.is_finite() || time_h <= before_h {
            return Err(TimeActivityError::TimesNotIncreasing { index, time_h, before_h });
        }
        before_h = time_h;
        let activity_mbq = point.activity_mbq;
        if !activity_mbq.is_finite() || activity_mbq <= 0.0 {
            return Err(TimeActivityError::NonPositiveActivity { index, time_h, activity_mbq });
        }
        let stated = points[0].rel_sigma.is_some();
        let good = point.rel_sigma.is_none_or(|sigma| sigma.is_finite() && sigma > 0.0);
        if point.rel_sigma.is_some() != stated || !good {
            let found = point.rel_sigma.map_or_else(|| "none".to_owned(), |sigma| sigma.to_string());
            return Err(TimeActivityError::Uncertainty { index, found });
        }
    }
    if let [.., before, last] = points
        && last.activity_mbq >= before.activity_mbq
    {
        return Err(TimeActivityError::RisingTail {
            before_h: before.time_h,
            before_mbq: before.activity_mbq,
            last_h: last.time_h,
            last_mbq: last.activity_mbq,
        });
    }
    Ok(())
}

/// Integrates by trapezoids with the stated start, joins and tail.
pub fn integrate_trapezoid(
    points: &[ActivityPoint],
    start: StartRule,
    join: JoinRule,
    tail: TailRule,
    physical_half_life_h: f64,
) -> Result<TimeIntegral, TimeActivityError> {
    check_points(points)?;
    let needed = if matches!(tail, TailRule::Effective) { 2 } else { 1 };
    if points.len() < needed {
        return Err(TimeActivityError::TooFewPoints { model: "trapezoid", found: points.len(), needed });
    }
    let physical_per_h = std::f64::consts::LN_2 / physical_half_life_h;
    let parts = trapezoid_parts(points, start, join, tail, physical_per_h);
    let tia = parts.total();
    let rel_sigma = trapezoid_rel_sigma(points, |p| trapezoid_parts(p, start, join, tail, physical_per_h).total());
    let mut result = TimeIntegral::without_fit(
        "trapezoid",
        Kinetics::Sampled(sampled_trapezoid(points, &parts, join)?),
        tia,
        std::f64::consts::LN_2 / parts.tail_per_h,
        [parts.before / tia, parts.after / tia],
    );
    result.set_rel_sigma(rel_sigma);
    if tail == TailRule::Effective && parts.tail_per_h <= physical_per_h * (1.0 + 1e-9) {
        result.flags.push(FitFlag::AtPhysicalDecay);
    }
    Ok(result)
}

/// The pieces of a trapezoid integral, MBq h, its start value, MBq, and its tail rate, 1/h.
struct TrapezoidParts {
    start_mbq: f64,
    before: f64,
    between: f64,
    after: f64,
    tail_per_h: f64,
}

impl TrapezoidParts {
    fn total(&self) -> f64 {
        self.before + self.between + self.after
    }
}

/// Integral between two points: log mean where it falls and `join` says so, else arithmetic mean.
fn piece_integral(a_mbq: f64, b_mbq: f64, gap_h: f64, join: JoinRule) -> f64 {
    let ratio = (a_mbq / b_mbq).ln();
    if join == JoinRule::LinearUpLogDown && ratio > 1e-9 && ratio.is_finite() {
        (a_mbq - b_mbq) * gap_h / ratio
    } else {
        trapezoid(gap_h, a_mbq, b_mbq)
    }
}

fn trapezoid_parts(
    points: &[ActivityPoint],
    start: StartRule,
    join: JoinRule,
    tail: TailRule,
    physical_per_h: f64,
) -> TrapezoidParts {
    let first = points[0];
    let slope_per_h =
        |a: &ActivityPoint, b: &ActivityPoint| (a.activity_mbq / b.activity_mbq).ln() / (b.time_h - a.time_h);
    let start_mbq = match start {
        StartRule::Zero => 0.0,
        StartRule::Constant => first.activity_mbq,
        StartRule::BackExtrapolation => {
            let slope = points.get(1).map_or(0.0, |second| slope_per_h(&first, second).max(0.0));
            first.activity_mbq * (slope * first.time_h).exp()
        }
    };
    let between = points
        .windows(2)
        .map(|p| piece_integral(p[0].activity_mbq, p[1].activity_mbq, p[1].time_h - p[0].time_h, join))
        .sum();
    let tail_per_h = match tail {
        TailRule::Effective => match points {
            [.., a, b] => slope_per_h(a, b).max(physical_per_h),
            _ => physical_per_h,
        },
        TailRule::Physical => physical_per_h,
        TailRule::HalfLifeH(half_life_h) => std::f64::consts::LN_2 / half_life_h,
    };
    TrapezoidParts {
        start_mbq,
        before: piece_integral(start_mbq, first.activity_mbq, first.time_h, join),
        between,
        after: points[points.len() - 1].activity_mbq / tail_per_h,
        tail_per_h,
    }
}

/// The trapezoid as a sampled curve for the repair integral; exponential pieces get 24 inner points.
fn sampled_trapezoid(
    points: &[ActivityPoint],
    parts: &TrapezoidParts,
    join: JoinRule,
) -> Result<SampledRate, BedError> {
    const INNER: u32 = 24;
    let mut time_h = vec![0.0];
    let mut rate = vec![parts.start_mbq];
    for point in points {
        let (t0, a0) = (time_h[time_h.len() - 1], rate[rate.len() - 1]);
        if join == JoinRule::LinearUpLogDown && a0 > point.activity_mbq {
            for k in 1..INNER {
                let share = f64::from(k) / f64::from(INNER);
                time_h.push(t0 + share * (point.time_h - t0));
                rate.push(a0 * (point.activity_mbq / a0).powf(share));
            }
        }
        time_h.push(point.time_h);
        rate.push(point.activity_mbq);
    }
    SampledRate::new(time_h, rate, Some(parts.tail_per_h))
}

/// Relative sigma of an integral from those of its points, independent, by central differences.
fn trapezoid_rel_sigma(points: &[ActivityPoint], integral: impl Fn(&[ActivityPoint]) -> f64) -> Option<f64> {
    const STEP: f64 = 1e-4;
    let mut variance = 0.0;
    for (index, point) in points.iter().enumerate() {
        let sigma = point.rel_sigma?;
        let mut moved = points.to_vec();
        moved[index].activity_mbq = point.activity_mbq * STEP.exp();
        let up = integral(&moved);
        moved[index].activity_mbq = point.activity_mbq * (-STEP).exp();
        let down = integral(&moved);
        variance += ((up - down) / (2.0 * STEP) * sigma).powi(2);
    }
    Some(variance.sqrt() / integral(points))
}

/// Fewest points for which AICc exists: K + 2, where K counts the parameters and, if the errors of
/// the points are not known, sigma.
pub fn aicc_points_needed(model: Model, sigma_known: bool) -> usize {
    model.parameters() + usize::from(!sigma_known) + 2
}

/// The corrected Akaike criterion.                          [methods/time_integration.md eq. 7-8]
///
/// Unknown errors: n ln(RSS/n) + 2K + 2K(K+1)/(n-K-1), K counts sigma; `misfit` is RSS.
/// Known errors: chi2 + 2K + 2K(K+1)/(n-K-1); `misfit` is chi2.
/// Undefined below K + 2 points: then refused, never replaced.
pub fn aicc(model: Model, points: usize, misfit: f64, sigma_known: bool) -> Result<f64, TimeActivityError> {
    let needed = aicc_points_needed(model, sigma_known);
    if points < needed {
        return Err(TimeActivityError::AiccUndefined { model: model.name(), found: points, needed, sigma_known });
    }
    let n = points as f64;
    let k = (model.parameters() + usize::from(!sigma_known)) as f64;
    let goodness = if sigma_known { misfit } else { n * (misfit / n).ln() };
    Ok(goodness + 2.0 * k + 2.0 * k * (k + 1.0) / (n - k - 1.0))
}

/// Akaike weights exp(-Delta/2), normalised to one.
pub fn akaike_weights(criteria: &[f64]) -> Vec<f64> {
    let best = criteria.iter().copied().fold(f64::INFINITY, f64::min);
    let raw: Vec<f64> = criteria.iter().map(|c| (-0.5 * (c - best)).exp()).collect();
    let total: f64 = raw.iter().sum();
    raw.into_iter().map(|w| w / total).collect()
}

/// Share of a mono-exponential integral after `time_h`: 2^(-t/T_eff).
pub fn mono_tail_fraction(time_h: f64, effective_half_life_h: f64) -> f64 {
    (-time_h / effective_half_life_h).exp2()
}

/// A mono-exponential curve from its integral and half-life, as kinetics.
pub(super) fn mono_kinetics(tia_mbq_h: f64, half_life_h: f64) -> Result<Kinetics, BedError> {
    Ok(Kinetics::Exponentials(DoseRateCurve::mono(tia_mbq_h, half_life_h)?))
}

/// Kinetics of a list of exponentials.
pub(super) fn exponential_kinetics(terms: Vec<Exponential>) -> Result<Kinetics, BedError> {
    Ok(Kinetics::Exponentials(DoseRateCurve::new(terms)?))
}
