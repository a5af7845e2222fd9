//! Limits on BED or absorbed dose, the window around a target, and published parameter sets.

use serde::{Deserialize, Serialize};

use super::BedError;

/// What a limit is stated in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitQuantity {
    /// Biologically effective dose, Gy.
    Bed,
    /// Absorbed dose, Gy.
    AbsorbedDose,
}

/// A window lower <= target <= upper, Gy. Without a lower edge only the upper one limits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoseWindow {
    /// What the numbers are.
    pub quantity: LimitQuantity,
    /// Lower edge, Gy: from here on the step is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_gy: Option<f64>,
    /// Target, Gy.
    pub target_gy: f64,
    /// Upper edge, Gy: not to be exceeded.
    pub upper_gy: f64,
}

/// Where a cumulative value lies against a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Below the lower edge (or below the upper one where there is no lower edge).
    Below,
    /// From the lower edge to the upper one, both included.
    Inside,
    /// Above the upper edge.
    Above,
}

impl Window {
    /// The word for reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Below => "below the window",
            Self::Inside => "inside the window",
            Self::Above => "above the window",
        }
    }
}

impl DoseWindow {
    /// Checks 0 < lower <= target <= upper.
    pub fn validate(&self) -> Result<(), BedError> {
        let lower = self.lower_gy.unwrap_or(f64::MIN_POSITIVE);
        super::positive("lower_gy", lower)?;
        super::positive("upper_gy", self.upper_gy)?;
        if !(self.target_gy.is_finite() && lower <= self.target_gy && self.target_gy <= self.upper_gy) {
            return Err(BedError::OutOfRange {
                name: "target_gy",
                value: self.target_gy,
                allowed: "between lower_gy and upper_gy",
            });
        }
        Ok(())
    }

    /// Where `value_gy` lies; both edges belong to the window.
    pub fn classify(&self, value_gy: f64) -> Window {
        if value_gy > self.upper_gy {
            Window::Above
        } else if self.lower_gy.is_some_and(|lower| value_gy >= lower) {
            Window::Inside
        } else {
            Window::Below
        }
    }
}

/// A published parameter set, selectable by name and never applied silently.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NamedRadiobiology {
    /// Name to select it by.
    pub name: &'static str,
    /// alpha/beta, Gy.
    pub alpha_beta_gy: f64,
    /// Repair half-life, h.
    pub repair_half_life_h: f64,
    /// Where it is from, and how well that is established.
    pub source: &'static str,
}

/// The sets that Lutra knows by name. Only the first rests on a source that was read whole; the
/// others are conventions and assumptions, and say so.
pub const RADIOBIOLOGY_SETS: [NamedRadiobiology; 4] = [
    NamedRadiobiology {
        name: "kidney-iluminet",
        alpha_beta_gy: 2.6,
        repair_half_life_h: 2.8,
        source: "Sundlov et al., Eur J Nucl Med Mol Imaging 2022;49:3830",
    },
    NamedRadiobiology {
        name: "kidney-2.5",
        alpha_beta_gy: 2.5,
        repair_half_life_h: 2.8,
        source: "convention in use beside 2.6 Gy; no source is confirmed",
    },
    NamedRadiobiology {
        name: "marrow",
        alpha_beta_gy: 10.0,
        repair_half_life_h: 0.5,
        source: "convention in use; no source is confirmed",
    },
    NamedRadiobiology {
        name: "tumour-generic",
        alpha_beta_gy: 10.0,
        repair_half_life_h: 1.5,
        source: "assumption: the generic alpha/beta of tumours in external-beam radiotherapy; published ones scatter widely, \
                 van Leeuwen et al., Radiat Oncol 2018;13:96; repair by convention: with 1 h the BED of a cycle of 17 Gy is \
                 1 % lower",
    },
];

/// A renal BED limit for reference lines in a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RenalLimit {
    /// BED, Gy.
    pub bed_gy: f64,
    /// What it is said to bound.
    pub meaning: &'static str,
}

/// Renal BED limits named by the ILUMINET trial paper (Sundlov et al. 2022): reference lines, not a
/// protocol.
pub const RENAL_LIMITS: [RenalLimit; 3] = [
    RenalLimit { bed_gy: 28.0, meaning: "patients with risk factors for renal toxicity" },
    RenalLimit { bed_gy: 40.0, meaning: "patients without risk factors" },
    RenalLimit { bed_gy: 45.0, meaning: "rapid decline of renal function seen above it (90Y data)" },
];
