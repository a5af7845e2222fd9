//! One source of uncertainty of a region: what it is, how large, what it is common to, and who says so.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// What is uncertain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Counts to activity.
    Calibration,
    /// Recovery, or the correction for partial volume: the width of the image's resolution.
    PartialVolume,
    /// The outline: volume, and with it counts, recovery and mass.
    Outline,
    /// Noise of the counts in the outline.
    Counts,
    /// The curve through the points.
    Fit,
    /// The part of the integral before the first and after the last scan.
    Extrapolation,
    /// Place of the images against one another.
    Registration,
    /// Mass or density of the region.
    Mass,
    /// Energies and intensities of the nuclide.
    Decay,
    /// Statistics of the transport.
    Transport,
    /// alpha/beta and repair.
    Radiobiology,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 11] = [
        Self::Calibration,
        Self::PartialVolume,
        Self::Outline,
        Self::Counts,
        Self::Fit,
        Self::Extrapolation,
        Self::Registration,
        Self::Mass,
        Self::Decay,
        Self::Transport,
        Self::Radiobiology,
    ];

    /// The source in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Calibration => "calibration",
            Self::PartialVolume => "partial volume",
            Self::Outline => "outline",
            Self::Counts => "counts",
            Self::Fit => "curve fit",
            Self::Extrapolation => "extrapolation",
            Self::Registration => "registration",
            Self::Mass => "mass and density",
            Self::Decay => "decay data",
            Self::Transport => "transport",
            Self::Radiobiology => "radiobiology",
        }
    }
}

/// What an error has in common: it is drawn anew for each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Random for each scan.
    Scan,
    /// Random for each cycle.
    Cycle,
    /// Common to all cycles of the patient.
    Patient,
    /// Common to all patients of the clinic.
    Clinic,
}

impl Kind {
    /// The kind in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Scan => "random for each scan",
            Self::Cycle => "common to a cycle",
            Self::Patient => "common to the patient",
            Self::Clinic => "common to the clinic",
        }
    }
}

/// Who says how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Stated by the user.
    Stated,
    /// Estimated from the image.
    Image,
    /// From a population.
    Population,
    /// A default of the program or of the protocol.
    Default,
    /// The statistics of the run itself.
    Run,
}

impl Origin {
    /// The origin in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Stated => "stated by the user",
            Self::Image => "estimated from the image",
            Self::Population => "population",
            Self::Default => "default",
            Self::Run => "statistics of the run",
        }
    }
}

/// A source of uncertainty of one region.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What is uncertain.
    pub source: Source,
    /// What its error is common to.
    pub kind: Kind,
    /// Who says how large it is.
    pub origin: Origin,
    /// Relative standard uncertainty of the quantity itself.
    pub rel_sigma: f64,
    /// d ln TIA / d ln quantity: of a part of kind `Scan`, d ln activity / d ln quantity.
    pub on_activity: f64,
    /// d ln S(region <- any) / d ln quantity.
    pub on_response: f64,
    /// Whether the error is one and the same in all regions.
    pub all_regions: bool,
}

impl Part {
    /// A part that moves the activity as itself and nothing else.
    pub fn of_activity(source: Source, kind: Kind, origin: Origin, rel_sigma: f64) -> Self {
        let all_regions = source == Source::Calibration;
        Self { source, kind, origin, rel_sigma, on_activity: 1.0, on_response: 0.0, all_regions }
    }

    /// A part that moves the dose per decay as itself and nothing else.
    pub fn of_response(source: Source, kind: Kind, origin: Origin, rel_sigma: f64) -> Self {
        let all_regions = source == Source::Decay;
        Self { source, kind, origin, rel_sigma, on_activity: 0.0, on_response: 1.0, all_regions }
    }

    /// Standard deviation of the logarithm of the quantity.
    pub fn log_sd(&self) -> f64 {
        self.rel_sigma
    }

    /// Refuses an uncertainty that none is; `place` names region and cycle.
    ///
    /// Errors: a size below 0, above 1 or no number; a sensitivity that is no number.
    pub fn check(&self, place: &str) -> Result<(), Fault> {
        let field = format!("{}: relative uncertainty", self.source.words());
        if !(0.0..=1.0).contains(&self.rel_sigma) {
            let next = "State it as a share: 0.05 for 5 %.";
            return Err(Fault::invalid(place, field, self.rel_sigma.to_string(), "0 to 1", next));
        }
        if !(self.on_activity.is_finite() && self.on_response.is_finite()) {
            let found = format!("{} and {}", self.on_activity, self.on_response);
            return Err(Fault::invalid(place, format!("{}: sensitivity", self.source.words()), found, "numbers", ""));
        }
        Ok(())
    }
}

/// Sources without which a budget of an activity is not whole.
pub const NEEDED: [Source; 4] = [Source::Calibration, Source::PartialVolume, Source::Outline, Source::Fit];

/// The sources of which a budget holds no part: its holes. The noise of counts is in the fit, where there is one.
pub fn missing(parts: &[Part]) -> Vec<Source> {
    let known = |source: Source| parts.iter().any(|part| part.source == source);
    let held = |source: &Source| known(*source) || (*source == Source::Counts && known(Source::Fit));
    Source::ALL.into_iter().filter(|source| !held(source)).collect()
}

/// Relative standard uncertainty of a region's time-integrated activity by these parts, each independent of the others.
pub fn activity_rel_sigma(parts: &[Part]) -> f64 {
    parts.iter().map(|part| (part.on_activity * part.log_sd()).powi(2)).sum::<f64>().sqrt()
}

/// The same in what is random for a cycle and what its cycles have in common.
pub fn random_and_common(parts: &[Part]) -> (f64, f64) {
    let of = |common: bool| -> f64 {
        let own = parts.iter().filter(|part| matches!(part.kind, Kind::Patient | Kind::Clinic) == common);
        own.map(|part| ((part.on_activity + part.on_response) * part.log_sd()).powi(2)).sum::<f64>().sqrt()
    };
    (of(false), of(true))
}
