//! What the description of a NIfTI header says of an image: unit, time, decay correction.
//!
//! A description is free text of at most 80 bytes. It is taken where it can mean one thing only: exactly one known unit,
//! exactly one time in hours. A draft writes such a value down with its source, for a person to check. The text itself goes
//! nowhere: it may name the patient.

use crate::course::series::{DecayCorrection, ImageUnit};
use crate::note::Note;
use crate::source::ActivityUnit;
use crate::units::rounded;

/// What a description says; `None` where it says nothing, or more than one thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Described {
    /// Unit of an image of activity.
    pub unit: Option<ImageUnit>,
    /// Unit of a map of time-integrated activity.
    pub integrated: Option<ActivityUnit>,
    /// Hours after injection.
    pub hours: Option<f64>,
    /// Moment that the values were corrected to.
    pub correction: Option<DecayCorrection>,
}

/// How far a stated time may lie from that of a header, h: headers hold whole and nominal hours.
const TIME_AGREES_H: f64 = 1.0;
/// The same as a share of the header's, for scans within the first hours.
const TIME_AGREES_REL: f64 = 0.25;

/// Units of images as they are written, without spaces; capitals count (mBq is no MBq).
const IMAGES: [(&str, ImageUnit); 6] = [
    ("Bq/mL", ImageUnit::BqMl),
    ("Bq/ml", ImageUnit::BqMl),
    ("kBq/mL", ImageUnit::KbqMl),
    ("kBq/ml", ImageUnit::KbqMl),
    ("Bq/voxel", ImageUnit::BqVoxel),
    ("MBq/voxel", ImageUnit::MbqVoxel),
];

/// Units of maps that are integrated over time.
const INTEGRATED: [(&[&str], ActivityUnit); 7] = [
    (&["decays", "per", "voxel"], ActivityUnit::Decays),
    (&["decays/voxel"], ActivityUnit::Decays),
    (&["Bq", "s", "per", "voxel"], ActivityUnit::Decays),
    (&["MBq", "h", "per", "voxel"], ActivityUnit::MbqH),
    (&["MBq", "h/voxel"], ActivityUnit::MbqH),
    (&["Bq", "h/mL"], ActivityUnit::BqMlH),
    (&["Bq", "h", "per", "mL"], ActivityUnit::BqMlH),
];

/// The one thing that several hits agree on.
fn one<T: PartialEq>(hits: impl IntoIterator<Item = T>) -> Option<T> {
    let mut hits = hits.into_iter();
    let first = hits.next()?;
    hits.all(|other| other == first).then_some(first)
}

/// Numbers before a lone `h` or `hours`: `at 24.3 h`.
fn hours(words: &[&str]) -> Option<f64> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|hours| (0.0..=1000.0).contains(hours));
    let apart =
        words.windows(2).filter(|pair| ["h", "hours", "hr"].contains(&pair[1])).filter_map(|pair| number(pair[0]));
    let joined = words.iter().filter_map(|word| number(word.strip_suffix('h')?));
    one(apart.chain(joined))
}

/// The word behind `DecayCorrection`, as DICOM names the corrections.
fn correction(words: &[&str]) -> Option<DecayCorrection> {
    let named = words.windows(2).filter(|pair| pair[0].eq_ignore_ascii_case("DecayCorrection"));
    one(named.filter_map(|pair| match pair[1] {
        "NONE" => Some(DecayCorrection::None),
        "START" => Some(DecayCorrection::ToScanStart),
        "ADMIN" => Some(DecayCorrection::ToInjection),
        _ => None,
    }))
}

impl Described {
    /// What was understood, in words; nothing where nothing was.
    pub fn words(&self) -> String {
        let unit =
            self.unit.and_then(|unit| IMAGES.iter().find(|(_, own)| *own == unit)).map(|(name, _)| (*name).to_owned());
        let integrated = self.integrated.and_then(|unit| INTEGRATED.iter().find(|(_, own)| *own == unit));
        let integrated = integrated.map(|(words, _)| words.join(" "));
        let hours = self.hours.map(|hours| format!("{hours} h"));
        let correction = self.correction.map(|correction| format!("decay correction {}", correction.name()));
        [unit, integrated, hours, correction].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The same, to stand behind other facts.
    pub fn behind(&self) -> String {
        let words = self.words();
        if words.is_empty() { words } else { format!("; its header says {words}") }
    }

    /// Whether a stated time, h, is that of the header but for its rounding; true where the header says none.
    fn dates(&self, time_h: f64) -> bool {
        let allowed = |own: f64| TIME_AGREES_H.min(TIME_AGREES_REL * own);
        self.hours.is_none_or(|own| (own - time_h).abs() <= allowed(own))
    }

    /// Where the header says otherwise than what is stated of an image: its time after injection, h, its unit and its
    /// correction. What is stated is used, as it is over a DICOM header.
    pub fn against(&self, time_h: f64, unit: ImageUnit, correction: DecayCorrection) -> Vec<Note> {
        let doubt = |own: &str, stated: &str, ask: &str| {
            let text = format!("its header says {own}, and {stated} is stated, which is used: {ask}");
            Note::warning("header-contradicts", text)
        };
        let mut doubts = Vec::new();
        if let Some(own) = self.hours.filter(|_| !self.dates(time_h)) {
            let ask = if self.dates(24.0 * time_h) {
                format!("in days? write time_h = {own}")
            } else {
                "are two images or two times exchanged?".to_owned()
            };
            doubts.push(doubt(&format!("{own} h"), &format!("a time of {} h", rounded(time_h, 5)), &ask));
        }
        if self.integrated.is_some() || self.unit.is_some_and(|own| own != unit) {
            let own = Self { hours: None, correction: None, ..self.clone() }.words();
            let ask = if self.integrated.is_some() {
                "an image of a moment belongs here, not a map that is integrated over time"
            } else {
                "check the unit"
            };
            doubts.push(doubt(&own, &format!("the unit {}", unit.name()), ask));
        }
        if let Some(own) = self.correction.filter(|own| *own != correction) {
            let stated = format!("{} (decay_correction)", correction.name());
            doubts.push(doubt(&format!("decay correction {}", own.name()), &stated, "check the reconstruction"));
        }
        doubts
    }

    /// What a map that is stated to be integrated over time, in this unit, is by its header, if it says otherwise.
    pub fn contradicts_map(&self, unit: ActivityUnit) -> Option<String> {
        match (self.integrated, self.unit) {
            (Some(own), _) => (own != unit).then(|| format!("\"{}\"", self.words())),
            (None, Some(_)) => Some(format!("\"{}\", activity at a moment", self.words())),
            (None, None) => None,
        }
    }

    /// What a description says.
    pub fn of(text: &str) -> Self {
        let words: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || [',', ';', ':', '(', ')', '='].contains(&c))
            .filter(|w| !w.is_empty())
            .collect();
        let integrated = INTEGRATED.iter().filter(|(unit, _)| words.windows(unit.len()).any(|part| part == *unit));
        let integrated = one(integrated.map(|(_, unit)| *unit));
        let unit = words.iter().filter_map(|word| IMAGES.iter().find(|(name, _)| name == word).map(|(_, unit)| *unit));
        Self {
            unit: one(unit).filter(|_| integrated.is_none()),
            integrated,
            hours: hours(&words).filter(|_| integrated.is_none()),
            correction: correction(&words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_a_description_is_taken_where_it_means_one_thing() {
        let of = Described::of;
        let image = of("Bq/mL at 24.3 h, ideal");
        assert_eq!((image.unit, image.hours, image.integrated), (Some(ImageUnit::BqMl), Some(24.3), None));
        let image = of("decoded kBq/ml, DecayCorrection START, 72h");
        assert_eq!(
            (image.unit, image.hours, image.correction),
            (Some(ImageUnit::KbqMl), Some(72.0), Some(DecayCorrection::ToScanStart))
        );
        let map = of("cycle 1 decays per voxel, 6 mm blur + noise");
        assert_eq!((map.integrated, map.unit, map.hours), (Some(ActivityUnit::Decays), None, None));
        assert_eq!(map.words(), "decays per voxel");
        assert_eq!(of("DOE^JANE Bq/mL at 24.3 h").behind(), "; its header says Bq/mL, 24.3 h", "no name goes on");
        assert_eq!(of("DOE^JANE").behind(), "");
        assert_eq!(of("TIA in Bq h/mL").integrated, Some(ActivityUnit::BqMlH));
        assert_eq!(of("MBq h per voxel").integrated, Some(ActivityUnit::MbqH));
    }

    #[test]
    fn alarm_a_statement_against_its_header_is_told() {
        let image = Described::of("Bq/mL, 72 h, DecayCorrection NONE");
        let told = |time_h, unit, correction| -> Vec<String> {
            image.against(time_h, unit, correction).iter().map(Note::to_string).collect()
        };
        for near_h in [72.0, 71.6, 73.0] {
            assert_eq!(told(near_h, ImageUnit::BqMl, DecayCorrection::None), [""; 0], "{near_h} h is 72 h, rounded");
        }
        let days = told(3.0, ImageUnit::BqMl, DecayCorrection::None);
        assert_eq!(days.len(), 1);
        assert!(days[0].contains("72 h") && days[0].contains("in days? write time_h = 72"), "{days:?}");
        let other = told(24.3, ImageUnit::BqMl, DecayCorrection::None);
        assert!(other[0].contains("exchanged"), "{other:?}");
        assert!(told(72.0, ImageUnit::KbqMl, DecayCorrection::None)[0].contains("Bq/mL"));
        assert!(told(72.0, ImageUnit::BqMl, DecayCorrection::ToInjection)[0].contains("to_injection"));
        let early = Described::of("Bq/mL at 1 h").against(1.0 / 24.0, ImageUnit::BqMl, DecayCorrection::None);
        assert!(early[0].contains("in days? write time_h = 1"), "{early:?}");
        let map = Described::of("decays per voxel");
        assert!(map.against(24.0, ImageUnit::BqMl, DecayCorrection::None)[0].contains("integrated"));
        assert_eq!(Described::of("").against(3.0, ImageUnit::BqMl, DecayCorrection::None), []);
    }

    #[test]
    fn alarm_a_map_that_its_header_calls_an_image_is_refused() {
        let of = |text: &str| Described::of(text).contradicts_map(ActivityUnit::BqMlH);
        assert_eq!(of("Bq/mL, 72 h").as_deref(), Some("\"Bq/mL, 72 h\", activity at a moment"));
        assert!(of("decays per voxel").is_some());
        for sound in ["", "TIA in Bq h/mL", "activity"] {
            assert_eq!(of(sound), None, "{sound}");
        }
    }

    #[test]
    fn alarm_what_is_ambiguous_or_unknown_is_not_taken() {
        let of = Described::of;
        for text in ["", "activity", "mBq/mL", "Bq/mL or kBq/mL", "bq", "MBq"] {
            assert_eq!(of(text).unit, None, "{text}");
        }
        for text in ["at 24 h or 25 h", "5000 h", "h", "24", "MBq h per voxel 24 h"] {
            assert_eq!(of(text).hours, None, "{text}");
        }
        assert_eq!(of("DecayCorrection maybe").correction, None);
    }
}
