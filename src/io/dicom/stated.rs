//! What the user states about activity images. It overrides the file on correction, half-life, unit and times.
//!
//! The patient's identity and the position cannot be overridden.

use crate::fault::{Setting, Words, words};
use jiff::civil::DateTime;

use super::isotope::RunNuclide;
use super::time::TimeZone;

/// The moment to which the values of an image were corrected for decay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecayCorrection {
    /// Not corrected: the mean over the frame.
    None,
    /// To the start of the acquisition.
    Start,
    /// To the injection.
    Administration,
}

impl DecayCorrection {
    /// The name as DICOM writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Start => "START",
            Self::Administration => "ADMIN",
        }
    }

    pub(super) fn of(text: &str) -> Option<Self> {
        [Self::None, Self::Start, Self::Administration].into_iter().find(|c| c.name() == text)
    }
}

/// Next step where the decay correction is in doubt.
pub(super) fn say_correction() -> Words {
    words!(
        "Find out to which moment the values were corrected and state it: ",
        Setting::DecayCorrection,
        " none, start or admin, or decay_correction in the image's entry of a SERIES.toml."
    )
}

/// Next step where the unit is in doubt.
pub(super) fn say_unit() -> Words {
    words!(
        "Export the quantitative image in Bq/mL; if you know that the values are Bq/mL, state it: ",
        Setting::AssumeBqMl,
        ", or unit = \"bq_ml\" in the image's entry of a SERIES.toml."
    )
}

/// Next step where an image should be in counts and is not.
pub(super) fn say_counts() -> Words {
    "Export the reconstruction in counts, or leave unit = \"counts\" out of the SERIES.toml.".into()
}

/// Next step where the half-life is in doubt.
pub(super) fn say_half_life() -> Words {
    words!(
        "State the half-life that the scanner used, h: ",
        Setting::HalfLife,
        ", or half_life_h in the image's entry of a SERIES.toml."
    )
}

/// Next step where the time from the injection is in doubt.
pub(super) fn say_injection() -> Words {
    words!(
        "Correct the header, or state the injection by the scanner's clock, as in ",
        Setting::InjectionTime,
        " 2026-03-02T10:00; or time_h (middle of the scan, h after injection) in the image's entry of a SERIES.toml."
    )
}

/// Next step where the moment of the scan is in doubt.
pub(super) fn say_time() -> Words {
    "Correct the header, or state time_h (middle of the scan, h after injection) in the image's entry of a SERIES.toml."
        .into()
}

/// Next step where the zones of moments are in doubt.
pub(super) fn say_zone() -> Words {
    words!(
        "State the zone of the scanner's clock on that day: ",
        Setting::TimeZone,
        " +01:00, or time_zone = \"+01:00\" in a SERIES.toml."
    )
}

/// What the user states about an activity image. It overrides the file; a note tells where the two differ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ActivityOptions {
    /// Decay correction.
    pub decay_correction: Option<DecayCorrection>,
    /// Half-life that the scanner corrected with, h.
    pub half_life_h: Option<f64>,
    /// Values are Bq/mL after the file's scale, whatever unit it states; kBq/mL and MBq/mL are converted.
    pub assume_bq_ml: bool,
    /// Values are counts, to be calibrated: an image in any other unit is refused.
    pub counts: bool,
    /// The injection.
    pub injection: Option<StatedMoment>,
    /// Zone of the scanner's clock.
    pub time_zone: Option<TimeZone>,
    /// Nuclide of the run, which the file must not contradict unless the user states it.
    pub nuclide: Option<RunNuclide>,
    /// From the injection to the middle of the scan, h. Within 0.05 h of the file's own time, the file's is kept.
    pub hours_after_injection: Option<f64>,
    /// Defaults for what a file does not state; they override nothing.
    pub if_silent: IfSilent,
}

/// Defaults for what a file does not state.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IfSilent {
    /// Decay correction.
    pub decay_correction: Option<DecayCorrection>,
    /// Half-life, h: that of the nuclide.
    pub half_life_h: Option<f64>,
    /// Values are Bq/mL.
    pub bq_ml: bool,
}

/// A time stated by the user, on the scanner's clock or with an offset from UTC.
#[derive(Clone, Copy, PartialEq)]
pub struct StatedMoment {
    pub(super) clock: DateTime,
    pub(super) zone: Option<TimeZone>,
    /// Whether it is stated in UTC, which says nothing about the scanner's zone.
    pub(super) utc: bool,
}

impl std::fmt::Debug for StatedMoment {
    /// Hides the date, which identifies the patient.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StatedMoment")
    }
}

impl StatedMoment {
    /// A moment from ISO 8601 text: `2026-03-02T10:00`, with or without an offset as `+01:00`; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let time_at = text.find(['T', 't', ' '])?;
        let (clock, zone) = match text[time_at..].find(['+', '-', 'Z', 'z']) {
            None => (text, None),
            Some(at) => {
                let (clock, zone) = text.split_at(time_at + at);
                (clock, Some(TimeZone::parse(zone)?))
            }
        };
        Some(Self { clock: clock.parse().ok()?, zone, utc: text.ends_with(['Z', 'z']) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_dicom_stated_moments_in_every_spelling() {
        let day = jiff::civil::date(2026, 3, 2);
        for (text, clock, zone) in [
            ("2026-03-02T10:00", day.at(10, 0, 0, 0), ""),
            ("2026-03-02 10:00:30", day.at(10, 0, 30, 0), ""),
            ("2026-03-02T10:00:00+01:30", day.at(10, 0, 0, 0), "+01:30"),
            ("2026-03-02T10:00-0500", day.at(10, 0, 0, 0), "-05:00"),
            ("2026-03-02T10:00:00Z", day.at(10, 0, 0, 0), "Z"),
        ] {
            let moment = StatedMoment { clock, zone: TimeZone::parse(zone), utc: zone == "Z" };
            assert_eq!(StatedMoment::parse(text), Some(moment), "{text}");
        }
        for bad in ["", "2026-03-02", "10:00", "2026-13-02T10:00", "2026-03-02T10:00+1", "2026-03-02T10:00+99:00"] {
            assert_eq!(StatedMoment::parse(bad), None, "{bad}");
        }
    }
}
