//! Physical and physiological limits: one for each quantity, used by all commands.
//!
//! A wrong unit is the most common cause of a wrong dose, and it changes numbers by factors impossible in a patient.
//! The physically impossible is always refused: more decays than the administered activity can bring, more activity
//! than is left of it, an effective half-life above the physical one. Values never seen in a patient are refused unless
//! the user states them. The merely unusual gives a warning.

use crate::fault::{Explained, Fault, Setting, Words, explained, words};
use crate::note::Note;
use crate::units::{self, DECAYS_PER_MBQ_H, GY_PER_KEV_G};
use thiserror::Error;

/// What images may show over what was given. Assumption: 5 % of the dose calibrator, 10 % of a quantitative SPECT/CT, 5 % of
/// the noise and the scatter of a whole image, all on one side. A wrong unit is at least a factor of 3.6 away.
pub const CALIBRATION_MARGIN: f64 = 1.2;

/// The largest administered activity assumed if none is stated, MBq. The largest therapies are 131I-MIBG
/// of 666 MBq/kg and 153Sm-EDTMP of 1110 MBq/kg with stem cell support, 47 and 78 GBq at 70 kg; 177Lu is given as 7.4 GBq. What
/// is held against it is the decays of all of it, as if nothing were excreted: a further factor of 5 to 20.
pub const MOST_ADMINISTERED_MBQ: f64 = 1e5;

/// The smallest activity of a therapy's cycle, MBq: below it GBq stand for MBq.
pub const LEAST_CYCLE_MBQ: f64 = 100.0;

/// The largest activity that may be stated, MBq: 1 TBq of 177Lu that stays in 70 kg gives them 280 Gy.
pub const MOST_STATED_MBQ: f64 = 1e6;

/// The highest mean dose of a region in one cycle, Gy. Lesions and thyroid remnants have had some 1000 Gy, radiation
/// segmentectomies of the liver 3000 Gy; 25 000 Gy sterilise instruments. Assumption: a factor of 30 above the highest.
pub const MOST_REGION_GY: f64 = 1e5;

/// The highest dose of a voxel in one cycle, Gy: a region's, and a factor of 10 for noise and for the hottest place.
pub const MOST_VOXEL_GY: f64 = 10.0 * MOST_REGION_GY;

/// The highest absorbed dose coefficient of an organ, Gy/GBq. The thyroid leads: 55 % of 131I for an effective half-life of 7.3 d at
/// 190 keV per decay give 20 g 760 Gy/GBq, and the 1.8 g of a one-year-old 8500 Gy/GBq.
pub const MOST_GY_PER_GBQ: f64 = 1e4;

/// The lightest tissue that a region can be made of, g/cm3: lung, ICRP 110. Without a density a region has this at least.
pub const LIGHTEST_TISSUE_G_CM3: f64 = 0.26;

/// How far a stated half-life may exceed the physical one: the rounding of tables.
pub const HALF_LIFE_TOLERANCE: f64 = 1e-3;

/// How many times as slowly as a stated half-life points may fall before it is refused as days in place of hours, which are 24
/// times as many. Assumption: noise and uptake move a half-life between two images by less than a factor of four.
pub const DAYS_FOR_HOURS: f64 = 4.0;

/// The longest scan, h: hardly anybody lies still for 2; the factor allows for sums of scans.
pub const LONGEST_SCAN_H: f64 = 12.0;

/// Share of what was given below which another reading of a unit is no better explanation: a map holds some percent, one
/// of a single lesion some tenths of a percent.
const LEAST_SHARE: f64 = 1e-3;
/// The same of what no patient was given.
const LEAST_SHARE_OF_MOST: f64 = 1e-5;

/// Hours of a day.
const H_PER_D: f64 = 24.0;

/// A quantity outside its bounds.
#[derive(Clone, Debug, PartialEq, Error)]
pub struct BoundsError {
    /// Where it stands: file or setting, and what in it.
    pub what: Words,
    /// The quantity, where `what` does not say it.
    pub quantity: Words,
    /// The value found.
    pub found: Words,
    /// The values allowed.
    pub allowed: Words,
    /// The next step, with the suspected cause.
    pub next: Words,
}

explained!(BoundsError);

impl Explained for BoundsError {
    fn fault(&self) -> Fault {
        Fault::invalid(&self.what, &self.quantity, &self.found, &self.allowed, &self.next)
    }
}

impl BoundsError {
    fn new(what: impl Into<Words>, found: impl Into<Words>, allowed: impl Into<Words>, next: impl Into<Words>) -> Self {
        let quantity = Words::default();
        Self { what: what.into(), quantity, found: found.into(), allowed: allowed.into(), next: next.into() }
    }

    /// The same of this quantity.
    fn of(self, quantity: &str) -> Self {
        Self { quantity: quantity.into(), ..self }
    }
}

/// Another way to read the same numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// In words that follow "they would fit".
    pub words: String,
    /// What was found is multiplied by this.
    pub factor: f64,
}

impl Reading {
    /// A reading in words, and its factor.
    pub fn new(words: impl Into<String>, factor: f64) -> Self {
        Self { words: words.into(), factor }
    }
}

/// The activity given to a patient, as far as it is known, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Given {
    administered_mbq: Option<f64>,
    half_life_h: f64,
}

impl Given {
    /// The activity given, MBq, where it is known, of a nuclide with this physical half-life, h.
    pub fn new(administered_mbq: Option<f64>, half_life_h: f64) -> Self {
        Self { administered_mbq, half_life_h }
    }

    /// The activity that nothing can exceed at injection, MBq, without margin.
    pub fn most_mbq(&self) -> f64 {
        self.administered_mbq.unwrap_or(MOST_ADMINISTERED_MBQ)
    }

    /// The decays that it can bring over all time: A T / ln 2.
    pub fn most_decays(&self) -> f64 {
        self.most_mbq() * self.half_life_h / std::f64::consts::LN_2 * DECAYS_PER_MBQ_H
    }

    /// What is left of it at a time after injection, MBq: A 2^(-t/T).
    pub fn left_mbq(&self, time_h: f64) -> f64 {
        self.most_mbq() * (-time_h / self.half_life_h).exp2()
    }

    /// Refuses more decays than the administered activity can bring. `readings` are other possible meanings of the
    /// numbers.
    pub fn check_decays(&self, what: &str, found: f64, readings: &[Reading]) -> Result<(), BoundsError> {
        let most = self.most_decays();
        if found <= CALIBRATION_MARGIN * most {
            return Ok(());
        }
        Err(BoundsError::new(
            what,
            rounded(found),
            format!(
                "at most {}, {CALIBRATION_MARGIN} times what {} can bring with a half-life of {} h",
                rounded(CALIBRATION_MARGIN * most),
                self.words(),
                rounded(self.half_life_h)
            ),
            self.advice(found / most, readings),
        )
        .of("total decays"))
    }

    /// Refuses more activity at a time after injection than is left of the administered activity.
    pub fn check_activity(
        &self,
        what: &str,
        time_h: f64,
        found_mbq: f64,
        readings: &[Reading],
    ) -> Result<(), BoundsError> {
        let left_mbq = self.left_mbq(time_h);
        if found_mbq <= CALIBRATION_MARGIN * left_mbq {
            return Ok(());
        }
        Err(BoundsError::new(
            what,
            format!("{} MBq at {} h", rounded(found_mbq), rounded(time_h)),
            format!(
                "at most {} MBq, {CALIBRATION_MARGIN} times what is then left of {}",
                rounded(CALIBRATION_MARGIN * left_mbq),
                self.words()
            ),
            words!(self.advice(found_mbq / left_mbq, readings), self.earlier(time_h, found_mbq)),
        )
        .of("total activity"))
    }

    /// Refuses an unprecedented mean dose of a region, and one whose energy exceeds that of the administered activity:
    /// `kev_per_decay` is all that a decay emits. The mass, g, may be unknown.
    pub fn check_dose(
        &self,
        what: &str,
        dose_gy: f64,
        mass_g: Option<f64>,
        kev_per_decay: f64,
    ) -> Result<(), BoundsError> {
        region_dose(what, dose_gy, self.administered_mbq)?;
        let Some(mass_g) = mass_g else { return Ok(()) };
        let most_gy = CALIBRATION_MARGIN * self.most_decays() * kev_per_decay * GY_PER_KEV_G / mass_g;
        if dose_gy <= most_gy {
            return Ok(());
        }
        Err(BoundsError::new(
            what,
            format!("{} Gy in {} g", rounded(dose_gy), rounded(mass_g)),
            format!(
                "at most {} Gy, {CALIBRATION_MARGIN} times all energy that {} emits",
                rounded(most_gy),
                self.words()
            ),
            "Check the unit (Gy, not mGy or cGy), the mass in g, and the activity given in MBq.",
        ))
    }

    /// What is to be asked of a time after injection, h, where the same activity would fit an earlier one.
    fn earlier(&self, time_h: f64, found_mbq: f64) -> String {
        if self.administered_mbq.is_none() || found_mbq > CALIBRATION_MARGIN * self.most_mbq() {
            return String::new();
        }
        let days = rounded(time_h / H_PER_D);
        format!(
            " The activity would fit an earlier time: are {} h ({days} d) right? Check the day of the injection.",
            rounded(time_h)
        )
    }

    fn words(&self) -> String {
        match self.administered_mbq {
            Some(mbq) => format!("the {} MBq given", rounded(mbq)),
            None => format!("{MOST_ADMINISTERED_MBQ} MBq, more than any patient was given,"),
        }
    }

    /// Which reading brings a share of what was found, `ratio`, back to what a patient holds.
    fn advice(&self, ratio: f64, readings: &[Reading]) -> Words {
        let own = [Reading::new("with the activity given in GBq, not MBq", 1e-3)];
        let own = if self.administered_mbq.is_some_and(|mbq| mbq < LEAST_CYCLE_MBQ) { &own[..] } else { &[] };
        let least = if self.administered_mbq.is_some() { LEAST_SHARE } else { LEAST_SHARE_OF_MOST };
        let fits: Vec<String> = readings
            .iter()
            .chain(own)
            .map(|reading| (reading, ratio * reading.factor))
            .filter(|(_, share)| (least..=1.0).contains(share))
            .map(|(reading, share)| match self.administered_mbq {
                Some(_) => format!("{} ({} % of what was given)", reading.words, rounded(100.0 * share)),
                None => reading.words.clone(),
            })
            .collect();
        let cause = if fits.is_empty() {
            "No other unit makes them fit.".to_owned()
        } else {
            format!("The same numbers would fit {}.", fits.join(", or "))
        };
        let stated = match self.administered_mbq {
            Some(_) => "the activity given".into(),
            None => words!(
                "the nuclide; state the activity given (",
                Setting::AdministeredMbq,
                ", administered_mbq) if the numbers are right"
            ),
        };
        words!(cause, " Check their unit and ", stated, ".")
    }
}

/// An activity given, MBq, if it can be one. Errors: not above 0, not finite, more than [`MOST_STATED_MBQ`].
pub fn administered_mbq(what: impl Into<Words>, mbq: f64) -> Result<f64, BoundsError> {
    if mbq > 0.0 && mbq <= MOST_STATED_MBQ {
        return Ok(mbq);
    }
    let next = [("Bq", 1e-6), ("kBq", 1e-3)]
        .into_iter()
        .find(|(_, factor)| (LEAST_CYCLE_MBQ..=MOST_ADMINISTERED_MBQ).contains(&(mbq * factor)))
        .map_or_else(
            || "Give it in MBq: 7.4 GBq are 7400.".to_owned(),
            |(unit, factor)| format!("It looks like {unit}: {mbq} {unit} are {} MBq.", rounded(mbq * factor)),
        );
    Err(BoundsError::new(what, format!("{mbq}"), format!("above 0 and at most {MOST_STATED_MBQ} MBq"), next))
}

/// The activity given in a therapy's cycle, MBq, if it can be one: [`LEAST_CYCLE_MBQ`] to [`MOST_ADMINISTERED_MBQ`].
pub fn cycle_mbq(what: &str, mbq: f64) -> Result<f64, BoundsError> {
    if (LEAST_CYCLE_MBQ..=MOST_ADMINISTERED_MBQ).contains(&mbq) {
        return Ok(mbq);
    }
    let allowed = format!("{LEAST_CYCLE_MBQ} to {MOST_ADMINISTERED_MBQ} MBq");
    Err(BoundsError::new(what, format!("{mbq}"), allowed, "Write 7.4 GBq as 7400."))
}

/// An effective half-life, h, if the physical one, h, allows it: activity leaves at least as fast as it decays.
pub fn effective_half_life_h(
    what: impl Into<Words>,
    half_life_h: f64,
    physical_half_life_h: f64,
) -> Result<f64, BoundsError> {
    if half_life_h > 0.0 && half_life_h <= physical_half_life_h * (1.0 + HALF_LIFE_TOLERANCE) {
        return Ok(half_life_h);
    }
    Err(BoundsError::new(
        what,
        format!("{half_life_h} h"),
        format!("above 0 and at most the physical half-life, {physical_half_life_h:.2} h"),
        "Effective half-lives hold physical decay: 1/T = 1/T_phys + 1/T_biological.",
    ))
}

/// A doubt about an effective half-life, h, that would be a usual one in days; only a doubt, since blood clears so fast.
pub fn half_life_in_days(what: &str, half_life_h: f64, physical_half_life_h: f64) -> Option<Note> {
    (physical_half_life_h > 2.0 * H_PER_D && half_life_h * H_PER_D <= physical_half_life_h).then(|| {
        let text = format!(
            "{half_life_h} h is short beside a physical half-life of {physical_half_life_h:.1} h; if it is in days, write {} h",
            rounded(half_life_h * H_PER_D)
        );
        Note::warning("half-life-in-days", text).at(what)
    })
}

/// The half-life, h, with which activity falls between the last two points (h, MBq); infinite where it does not fall, none of
/// fewer than two points or of points without activity.
fn falls_with_h(points: &[(f64, f64)]) -> Option<f64> {
    let [.., (from_h, before_mbq), (to_h, after_mbq)] = *points else { return None };
    let halvings = (before_mbq / after_mbq).log2();
    (before_mbq > 0.0 && after_mbq > 0.0 && to_h > from_h)
        .then(|| if halvings > 0.0 { (to_h - from_h) / halvings } else { f64::INFINITY })
}

/// Refuses a stated effective half-life, h, that would be a usual one in days and that the region's own points (h, MBq) show not
/// to be in hours: they fall more than [`DAYS_FOR_HOURS`] times as slowly. One point shows nothing: see [`half_life_in_days`].
pub fn half_life_of_points(
    what: impl Into<Words>,
    half_life_h: f64,
    points: &[(f64, f64)],
    physical_half_life_h: f64,
) -> Result<(), BoundsError> {
    let (Some(days), Some(found_h)) = (half_life_in_days("", half_life_h, physical_half_life_h), falls_with_h(points))
    else {
        return Ok(());
    };
    if found_h <= DAYS_FOR_HOURS * half_life_h {
        return Ok(());
    }
    let shown = if found_h.is_finite() { format!("a fall with {} h", rounded(found_h)) } else { "no fall".to_owned() };
    let (from_h, to_h) = (points[points.len() - 2].0, points[points.len() - 1].0);
    Err(BoundsError::new(
        what,
        format!("{half_life_h} h"),
        format!("what the images show: {shown} between {} and {} h", rounded(from_h), rounded(to_h)),
        format!("Days for hours? {}.", days.text),
    ))
}

/// A doubt about the times of a series, h, with its total activities, MBq: all within a day, and an activity that falls as if
/// a day had passed with each hour. Only a doubt, since a patient may void that fast; the other way round it is
/// [`Given::check_activity`] that refuses.
pub fn times_in_days(points: &[(f64, f64)], physical_half_life_h: f64) -> Option<Note> {
    let (&(first_h, before_mbq), &(last_h, after_mbq)) = (points.first()?, points.last()?);
    let fall = (before_mbq / after_mbq).log2();
    let half_life_h = (last_h - first_h) / fall;
    let days = last_h < H_PER_D && fall > 0.0 && half_life_h > 0.0;
    (days && physical_half_life_h > 2.0 * H_PER_D && half_life_h * H_PER_D <= physical_half_life_h).then(|| {
        let text = format!(
            "the images span {} to {} h and fall with a half-life of {} h beside a physical one of {physical_half_life_h:.1} h; \
             if their times are in days, write {} to {} h",
            rounded(first_h),
            rounded(last_h),
            rounded(half_life_h),
            rounded(first_h * H_PER_D),
            rounded(last_h * H_PER_D)
        );
        Note::warning("times-in-days", text)
    })
}

/// The length of a scan, s, if it can be one: not negative, at most [`LONGEST_SCAN_H`]; 0 where it is not known.
pub fn scan_s(what: &str, seconds: f64) -> Result<f64, BoundsError> {
    if (0.0..=LONGEST_SCAN_H * 3600.0).contains(&seconds) {
        return Ok(seconds);
    }
    Err(BoundsError::new(
        what,
        format!("{} h", rounded(seconds / 3600.0)),
        format!("0 to {LONGEST_SCAN_H} h"),
        "Correct the length of the scan; DICOM states it in ms.",
    ))
}

/// A region's mean dose, Gy, if a region can have it; with the administered activity, MBq, its dose coefficient too.
pub fn region_dose(what: &str, dose_gy: f64, administered_mbq: Option<f64>) -> Result<(), BoundsError> {
    const NEXT: &str = "Check the unit of the activity or dose and the mass of the region.";
    if !(dose_gy.is_finite() && dose_gy.abs() <= MOST_REGION_GY) {
        let allowed = format!("at most {MOST_REGION_GY} Gy in a cycle, above what any region has had");
        return Err(BoundsError::new(what, format!("{} Gy", rounded(dose_gy)), allowed, NEXT));
    }
    let per_gbq = administered_mbq.map(|mbq| dose_gy.abs() / (mbq * 1e-3));
    match per_gbq.filter(|per_gbq| *per_gbq > MOST_GY_PER_GBQ) {
        None => Ok(()),
        Some(per_gbq) => Err(BoundsError::new(
            what,
            format!("{} Gy/GBq", rounded(per_gbq)),
            format!("at most {MOST_GY_PER_GBQ} Gy/GBq, above what any organ has had"),
            "Check the activity given (MBq: 7.4 GBq are 7400) and the mass of the region.",
        )),
    }
}

/// A voxel's dose, Gy, as a map holds it, if a voxel can have it.
pub fn voxel_dose(what: &str, dose_gy: f64) -> Result<f32, BoundsError> {
    if dose_gy.is_finite() && dose_gy.abs() <= MOST_VOXEL_GY {
        return Ok(dose_gy as f32);
    }
    Err(BoundsError::new(
        what,
        format!("{} Gy", rounded(dose_gy)),
        format!("finite, at most {MOST_VOXEL_GY} Gy in a cycle"),
        "Check the unit of the activity map: no patient can have this dose.",
    ))
}

/// A number as a map holds it. Errors: it is not finite, or too large for the map.
pub fn single(what: &str, value: f64) -> Result<f32, BoundsError> {
    let single = value as f32;
    if single.is_finite() {
        return Ok(single);
    }
    let next = "Check the unit of the doses that it is made of.";
    Err(BoundsError::new(what, format!("{value:e}"), "a finite number that a map can hold", next))
}

/// What a measured quantity can be, by the end of its name.
const FACTS: [(&str, [f64; 2], &str); 5] = [
    // the oldest person reached 122
    ("age_years", [0.0, 120.0], "years"),
    // hyperfiltration reaches 200
    ("_ml_min", [0.0, 400.0], "mL/min"),
    // haemoglobin reaches 25 g/dL; the same in g/L is 250
    ("_g_dl", [0.0, 30.0], "g/dL"),
    // platelets reach some 1e6 per uL
    ("_per_ul", [0.0, 1e7], "per uL"),
    // CTCAE: 5 is death
    ("_grade", [0.0, 5.0], "a grade"),
];

/// A fact about the patient, if it can be one: the end of its name says what it is. Errors: not finite; outside of what a
/// patient can have.
pub fn fact(what: &str, name: &str, value: f64) -> Result<(), BoundsError> {
    let known = FACTS.iter().find(|(end, ..)| name.ends_with(end));
    let ([low, high], unit) =
        known.map_or(([f64::MIN, f64::MAX], "a finite number"), |(_, range, unit)| (*range, *unit));
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let allowed = if known.is_some() { format!("{low} to {high} ({unit})") } else { unit.to_owned() };
    Err(BoundsError::new(what, format!("{value}"), allowed, "Correct the value or its unit."))
}

/// A share, if it is one: 0 to 1.
pub fn share(what: &str, value: f64) -> Result<(), BoundsError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(BoundsError::new(what, format!("{value}"), "0 to 1", "Write 40 % as 0.4."))
}

/// Energy of a kernel inside its cube, keV per decay, if a decay emits as much. The margin is the calibration's: other decay
/// data and another density change a kernel by some percent.
pub fn kernel_energy(what: &str, found_kev: f64, emitted_kev: f64) -> Result<(), BoundsError> {
    if found_kev <= CALIBRATION_MARGIN * emitted_kev {
        return Ok(());
    }
    Err(BoundsError::new(
        what,
        format!("{} keV", rounded(found_kev)),
        format!(
            "at most {} keV, {CALIBRATION_MARGIN} times what a decay emits",
            rounded(CALIBRATION_MARGIN * emitted_kev)
        ),
        "Check the kernel's unit, voxel size and density.",
    )
    .of("energy per decay"))
}

/// A number with four digits and no more.
fn rounded(value: f64) -> String {
    units::rounded(value, 4)
}

#[cfg(test)]
mod tests;
