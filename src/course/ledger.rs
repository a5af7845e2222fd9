//! Prior treatments: they count, in whatever quantity they were declared.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bed::{BedAccumulator, bed_from_eqd2_gy};
use crate::bounds::MOST_REGION_GY;
use crate::fault::{Explained, Fault, explained};

/// The smallest repair factor of a treatment: a repair half-life of half an hour with an effective one of decades.
const LEAST_FACTOR: f64 = 1e-6;

/// Why a ledger entry cannot be used.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum LedgerError {
    /// A number outside its range.
    Value {
        /// The entry's description.
        what: String,
        /// The field.
        field: &'static str,
        /// Value found.
        value: f64,
        /// Values allowed.
        allowed: &'static str,
    },
    /// Two mutually inconsistent numbers.
    Factor {
        /// The entry's description.
        what: String,
        /// The field.
        field: &'static str,
        /// Value found.
        value: f64,
        /// Dose declared, Gy.
        dose_gy: f64,
        /// Values allowed.
        allowed: String,
        /// Meaning of the limit.
        why: &'static str,
    },
    /// A BED declared for one alpha/beta and requested for another.
    OtherAlphaBeta {
        /// The entry's description.
        what: String,
        /// BED or EQD2.
        quantity: &'static str,
        /// alpha/beta declared, Gy.
        declared_gy: f64,
        /// alpha/beta wanted, Gy.
        wanted_gy: f64,
    },
}

explained!(LedgerError);

impl Explained for LedgerError {
    fn fault(&self) -> Fault {
        match self {
            Self::Value { what, field, value, allowed } => {
                Fault::invalid(what, *field, value.to_string(), *allowed, "")
                    .form("prior treatment `{place}`: {field} = {found}; must be {allowed}")
            }
            Self::Factor { what, field, value, dose_gy, allowed, why } => {
                let found = format!("{value} beside dose_gy = {dose_gy}");
                Fault::invalid(what, *field, found, format!("{allowed}: {why}"), "")
                    .form("prior treatment `{place}`: {field} = {found}; must be {allowed}")
            }
            Self::OtherAlphaBeta { what, quantity, declared_gy, wanted_gy } => Fault::invalid(
                what,
                *quantity,
                format!("{declared_gy} Gy"),
                format!("{wanted_gy} Gy"),
                "declare dose and sum_g_dose2_gy2 instead",
            )
            .form(
                "prior treatment `{place}` is declared as {field} for alpha/beta {found}; it cannot be carried over to \
                 {allowed}",
            ),
        }
    }
}

/// What a prior treatment gave to one structure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorTreatment {
    /// What it was: "PRRT 2019, four cycles".
    pub what: String,
    /// The structure, as named in the course.
    pub structure: String,
    /// The declared amount.
    pub amount: PriorAmount,
}

/// The quantity in which a prior treatment is declared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PriorAmount {
    /// Absorbed dose and the sum of G D^2: valid for every alpha/beta.
    Dose {
        /// Absorbed dose, Gy.
        dose_gy: f64,
        /// Sum of G D^2, Gy^2.
        sum_g_dose2_gy2: f64,
    },
    /// BED for one alpha/beta.
    Bed {
        /// BED, Gy.
        bed_gy: f64,
        /// The alpha/beta it was computed with, Gy.
        alpha_beta_gy: f64,
        /// Absorbed dose, Gy, where known.
        #[serde(default)]
        dose_gy: Option<f64>,
    },
    /// Dose in 2 Gy fractions for one alpha/beta.
    Eqd2 {
        /// EQD2, Gy.
        eqd2_gy: f64,
        /// The alpha/beta it was computed with, Gy.
        alpha_beta_gy: f64,
        /// Absorbed dose, Gy, where known.
        #[serde(default)]
        dose_gy: Option<f64>,
    },
}

/// Contribution of a ledger to a structure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PriorSum {
    /// BED, Gy, for the alpha/beta asked for.
    pub bed_gy: f64,
    /// Absorbed dose, Gy; `None` if an entry does not state it.
    pub dose_gy: Option<f64>,
}

impl PriorTreatment {
    /// Checks ranges.
    pub fn validate(&self) -> Result<(), LedgerError> {
        let check = |field: &'static str, value: f64, zero_allowed: bool| {
            // a sum of G D^2 has the square of the highest dose
            let most = if field == "sum_g_dose2_gy2" { MOST_REGION_GY * MOST_REGION_GY } else { MOST_REGION_GY };
            if value <= most && (value > 0.0 || (zero_allowed && value == 0.0)) {
                Ok(())
            } else {
                let allowed = match (field, zero_allowed) {
                    ("sum_g_dose2_gy2", _) => "not below 0 and at most 1e10 Gy^2",
                    (_, true) => "not below 0 and at most 1e5 Gy",
                    (_, false) => "above 0 and at most 1e5 Gy",
                };
                Err(LedgerError::Value { what: self.what.clone(), field, value, allowed })
            }
        };
        match self.amount {
            PriorAmount::Dose { dose_gy, sum_g_dose2_gy2 } => {
                check("dose_gy", dose_gy, true)?;
                check("sum_g_dose2_gy2", sum_g_dose2_gy2, true)?;
                let most = dose_gy * dose_gy;
                self.factor("sum_g_dose2_gy2", sum_g_dose2_gy2, dose_gy, [LEAST_FACTOR * most, most])
            }
            PriorAmount::Bed { bed_gy, alpha_beta_gy, dose_gy } => {
                check("bed_gy", bed_gy, true)?;
                check("alpha_beta_gy", alpha_beta_gy, false)?;
                let Some(dose) = dose_gy else { return Ok(()) };
                check("dose_gy", dose, true)?;
                self.factor("bed_gy", bed_gy, dose, [dose, dose * (1.0 + dose / alpha_beta_gy)])
            }
            PriorAmount::Eqd2 { eqd2_gy, alpha_beta_gy, dose_gy } => {
                check("eqd2_gy", eqd2_gy, true)?;
                check("alpha_beta_gy", alpha_beta_gy, false)?;
                let Some(dose) = dose_gy else { return Ok(()) };
                check("dose_gy", dose, true)?;
                let of_bed = |bed_gy: f64| bed_gy / (1.0 + 2.0 / alpha_beta_gy);
                self.factor("eqd2_gy", eqd2_gy, dose, [dose, dose * (1.0 + dose / alpha_beta_gy)].map(of_bed))
            }
        }
    }

    /// Refuses a value that no factor G of the linear-quadratic model (above 0, at most 1) gives for the dose; the
    /// smallest G is that of an endless irradiation. A fractionated dose stays below a single one.
    fn factor(
        &self,
        field: &'static str,
        value: f64,
        dose_gy: f64,
        [least, most]: [f64; 2],
    ) -> Result<(), LedgerError> {
        // rounding error of numbers with two or three digits
        const ROUNDING: f64 = 0.01;
        if (least * (1.0 - ROUNDING)..=most * (1.0 + ROUNDING)).contains(&value) {
            return Ok(());
        }
        Err(LedgerError::Factor {
            what: self.what.clone(),
            field,
            value,
            dose_gy,
            allowed: format!("{least:.4} to {most:.4}"),
            why: "the repair factor G lies above 0 and is at most 1, where all is given at once",
        })
    }
}

/// Sum of the entries for `structure` at `alpha_beta_gy`.
pub fn prior_sum(ledger: &[PriorTreatment], structure: &str, alpha_beta_gy: f64) -> Result<PriorSum, LedgerError> {
    let mut sum = PriorSum { bed_gy: 0.0, dose_gy: Some(0.0) };
    for entry in ledger.iter().filter(|entry| entry.structure == structure) {
        entry.validate()?;
        let same = |declared_gy: f64, quantity: &'static str| {
            if (declared_gy - alpha_beta_gy).abs() < 1e-9 {
                Ok(())
            } else {
                Err(LedgerError::OtherAlphaBeta {
                    what: entry.what.clone(),
                    quantity,
                    declared_gy,
                    wanted_gy: alpha_beta_gy,
                })
            }
        };
        let (bed_gy, dose_gy) = match entry.amount {
            PriorAmount::Dose { dose_gy, sum_g_dose2_gy2 } => {
                (BedAccumulator { sum_dose_gy: dose_gy, sum_g_dose2_gy2 }.bed_gy(alpha_beta_gy), Some(dose_gy))
            }
            PriorAmount::Bed { bed_gy, alpha_beta_gy: declared, dose_gy } => {
                same(declared, "BED")?;
                (bed_gy, dose_gy)
            }
            PriorAmount::Eqd2 { eqd2_gy, alpha_beta_gy: declared, dose_gy } => {
                same(declared, "EQD2")?;
                (bed_from_eqd2_gy(eqd2_gy, declared), dose_gy)
            }
        };
        sum.bed_gy += bed_gy;
        sum.dose_gy = sum.dose_gy.zip(dose_gy).map(|(a, b)| a + b);
    }
    Ok(sum)
}
