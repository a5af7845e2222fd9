//! Counts to activity: A = (C / t) d / Q, with counts C in time t, the dead-time factor d and the calibration Q in cps/MBq.
//!
//! Q comes from scans of a phantom of known activity with the same camera, collimator, window and reconstruction. Of a
//! tomographic scan t is views times time a view, for phantom and patient alike.

use super::dead_time;
use crate::fault::{Fault, FaultKind};
use crate::text::missing;
use serde::{Deserialize, Serialize};

/// A calibration as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// 1.
    pub schema: u32,
    /// Counts a second in the reconstructed image for a MBq.
    pub factor_cps_per_mbq: f64,
    /// Relative standard uncertainty of the factor.
    pub relative_error: f64,
    /// Nuclide.
    pub nuclide: String,
    /// Energy window, in words.
    pub window: String,
    /// Camera.
    pub camera: String,
    /// Collimator.
    pub collimator: String,
    /// Reconstruction: algorithm, iterations, corrections, filter.
    pub reconstruction: String,
    /// Phantom.
    pub phantom: String,
    /// Day of the measurement, as in 2024-03-31.
    pub date: String,
    /// Who measured it.
    pub who: String,
    /// Dead time, s, of the rate in the wide window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_time_s: Option<f64>,
    /// Largest measured rate in the wide window for which the dead time was checked, cps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to_cps: Option<f64>,
}

/// The scan that is to be converted, as its series states it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// The calibration file.
    pub file: String,
    /// Camera.
    pub camera: String,
    /// Collimator.
    pub collimator: String,
    /// Reconstruction.
    pub reconstruction: String,
    /// Views of a scan.
    #[serde(default)]
    pub views: Option<u32>,
    /// Time of a view, s.
    #[serde(default)]
    pub seconds_per_view: Option<f64>,
}

/// Views of a scan and the time of a view, s, as an image's own header states them.
pub type Acquired = (Option<u32>, Option<f64>);

/// Difference of a view's time between header and series above which they contradict each other, s.
const SAME_TIME_S: f64 = 0.01;

impl Scan {
    /// The scan of one image, with what its header states where the series does not.
    ///
    /// Errors: a header that contradicts the series.
    pub fn acquired(&self, (views, seconds): Acquired, place: &str) -> Result<Self, Fault> {
        let differ = |field: &str, stated: String, own: String| {
            let next = "Correct the series, or leave the field out: the image states it.";
            let found = format!("{stated}, and {own} in the image's header");
            Err(Fault::invalid(place, field, found, "one of the two", next).kind(FaultKind::Mismatch))
        };
        if let (Some(stated), Some(own)) = (self.views, views)
            && stated != own
        {
            return differ("views", stated.to_string(), own.to_string());
        }
        if let (Some(stated), Some(own)) = (self.seconds_per_view, seconds)
            && (stated - own).abs() > SAME_TIME_S
        {
            return differ("seconds_per_view", format!("{stated} s"), format!("{own} s"));
        }
        Ok(Self { views: self.views.or(views), seconds_per_view: self.seconds_per_view.or(seconds), ..self.clone() })
    }
}

impl Scan {
    /// Time of the scan, s: views times time a view.
    ///
    /// Errors: one of the two that is not stated, or not above 0.
    pub fn seconds(&self, place: &str) -> Result<f64, Fault> {
        let needed = |field: &str, found: Option<String>, allowed: &str| {
            Fault::invalid(place, field, found.unwrap_or_else(|| "none".to_owned()), allowed, NEXT)
        };
        let views = self.views.filter(|n| *n > 0);
        let views =
            views.ok_or_else(|| needed("views", self.views.map(|n| n.to_string()), "the number of views, above 0"))?;
        let seconds = self.seconds_per_view.filter(|s| *s > 0.0 && s.is_finite());
        let seconds = seconds.ok_or_else(|| {
            needed("seconds_per_view", self.seconds_per_view.map(|s| s.to_string()), "the time of a view, above 0 s")
        })?;
        Ok(f64::from(views) * seconds)
    }
}

/// One scan of the phantom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhantomScan {
    /// Activity in the phantom at the reference time, MBq.
    pub activity_mbq: f64,
    /// Hours from the reference time to the middle of the scan.
    pub hours: f64,
    /// Counts of the reconstructed image in the outline or in the whole field.
    pub counts: f64,
    /// Counts of the background in the same space and time.
    pub background_counts: f64,
    /// Time of the scan, s: views times time a view.
    pub seconds: f64,
}

/// Where errors send the reader.
pub(super) const NEXT: &str = "See docs/methods/quantification.md.";

/// What a person vouches for in a calibration.
pub(super) struct Vouched<'a> {
    pub(super) nuclide: &'a str,
    pub(super) window: &'a str,
    pub(super) camera: &'a str,
    pub(super) collimator: &'a str,
    pub(super) reconstruction: &'a str,
    pub(super) phantom: &'a str,
    pub(super) date: &'a str,
    pub(super) who: &'a str,
}

impl Vouched<'_> {
    /// Refuses what is empty, or a date that is no day; `file` names the calibration.
    pub(super) fn check(&self, file: &str) -> Result<(), Fault> {
        let invalid =
            |field: &str, found: String, allowed: &str| Err(Fault::invalid(file, field, found, allowed, NEXT));
        for (field, value) in [
            ("nuclide", self.nuclide),
            ("window", self.window),
            ("camera", self.camera),
            ("collimator", self.collimator),
            ("reconstruction", self.reconstruction),
            ("phantom", self.phantom),
            ("date", self.date),
            ("who", self.who),
        ] {
            if value.trim().is_empty() || value == "?" {
                return invalid(field, format!("\"{value}\""), "what a person vouches for");
            }
        }
        match self.date.parse::<jiff::civil::Date>() {
            Ok(day) if day.to_string() == self.date => Ok(()),
            _ => invalid("date", format!("\"{}\"", self.date), "a day as in 2024-03-31"),
        }
    }

    /// Refuses images of another nuclide, camera, collimator or reconstruction.
    pub(super) fn must_fit(&self, of_images: [&str; 4], file: &str) -> Result<(), Fault> {
        let same = |a: &str, b: &str| a.trim().eq_ignore_ascii_case(b.trim());
        let names = ["nuclide", "camera", "collimator", "reconstruction"];
        let own = [self.nuclide, self.camera, self.collimator, self.reconstruction];
        match (0..4).find(|&n| !same(own[n], of_images[n])) {
            None => Ok(()),
            Some(n) => Err(Fault::invalid(
                file,
                names[n],
                format!("\"{}\" for images of \"{}\"", own[n], of_images[n]),
                "the same as the images'",
                "Calibrate as the images were made, or correct the name.",
            )
            .kind(FaultKind::Mismatch)),
        }
    }
}

/// A description from TOML text; `file` names it in errors.
///
/// Errors: too long a text; no TOML; a field that is missing, unknown or of another type.
pub fn from_toml<T: serde::de::DeserializeOwned>(text: &str, file: &str) -> Result<T, Fault> {
    let invalid = |field: &str, found: String, allowed: &str| Fault::invalid(file, field, found, allowed, NEXT);
    let tokens = crate::text::tokens(text);
    if tokens > crate::text::MAX_TOKENS {
        return Err(invalid("text", format!("{tokens} tokens"), "a calibration file"));
    }
    toml::from_str(text).map_err(|error| {
        invalid("TOML", missing::words::<T>(text, &error), "the fields that the manual lists, each once")
    })
}

impl Calibration {
    /// A calibration from TOML text; `file` names it in errors.
    ///
    /// Errors: a field that is missing, unknown, empty or out of range.
    pub fn parse(text: &str, file: &str) -> Result<Self, Fault> {
        let invalid = |field: &str, found: String, allowed: &str| Fault::invalid(file, field, found, allowed, NEXT);
        let read: Self = from_toml(text, file)?;
        if read.schema != 1 {
            return Err(invalid("schema", read.schema.to_string(), "1"));
        }
        read.vouched().check(file)?;
        if !(read.factor_cps_per_mbq > 0.0 && read.factor_cps_per_mbq.is_finite()) {
            return Err(invalid("factor_cps_per_mbq", read.factor_cps_per_mbq.to_string(), "above 0 cps/MBq"));
        }
        if !(read.relative_error > 0.0 && read.relative_error < 1.0) {
            return Err(invalid("relative_error", read.relative_error.to_string(), "above 0 and below 1"));
        }
        Ok(read)
    }

    /// Refuses a calibration of another camera, collimator, reconstruction or nuclide than the scan's; `file` names it.
    ///
    /// Errors: the first that differs.
    pub fn must_fit(&self, scan: &Scan, nuclide: &str, file: &str) -> Result<(), Fault> {
        self.vouched().must_fit([nuclide, &scan.camera, &scan.collimator, &scan.reconstruction], file)
    }

    /// What a person vouches for.
    fn vouched(&self) -> Vouched<'_> {
        Vouched {
            nuclide: &self.nuclide,
            window: &self.window,
            camera: &self.camera,
            collimator: &self.collimator,
            reconstruction: &self.reconstruction,
            phantom: &self.phantom,
            date: &self.date,
            who: &self.who,
        }
    }

    /// MBq for a count of an image, with the scan's time and, where the calibration has a dead time, its measured rate in
    /// the wide window.
    ///
    /// Errors: no time; a rate beyond what was checked, or beyond what can be counted; a rate that is needed and lacking.
    pub fn mbq_per_count(&self, scan: &Scan, wide_cps: Option<f64>, place: &str) -> Result<f64, Fault> {
        let dead = dead_time::of_scan(self.dead_time_s, self.valid_to_cps, wide_cps, place)?;
        Ok(dead / (scan.seconds(place)? * self.factor_cps_per_mbq))
    }
}

/// The factor, cps/MBq, of one or more scans of a phantom, and its relative standard uncertainty: that of the activity
/// (common to all scans) with that of the counts or, where it is more, of the scatter of the scans.
///
/// Errors: no scan; an activity, time or net count that is not above 0.
pub fn factor(scans: &[PhantomScan], half_life_h: f64, activity_rel_sigma: f64) -> Result<(f64, f64), Fault> {
    let refused = |field: &str, found: String, allowed: &str| Fault::invalid("phantom", field, found, allowed, NEXT);
    if scans.is_empty() {
        return Err(refused("scans", "none".to_owned(), "one or more"));
    }
    let mut each = Vec::new();
    for scan in scans {
        let net = scan.counts - scan.background_counts;
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if !(positive(scan.activity_mbq) && positive(scan.seconds) && positive(net) && scan.background_counts >= 0.0) {
            let found = format!("{} MBq, {} s, {net} net counts", scan.activity_mbq, scan.seconds);
            return Err(refused("scan", found, "all above 0"));
        }
        let activity = scan.activity_mbq * (-scan.hours / half_life_h).exp2();
        // counts of the background are counted too
        let rel = (scan.counts + scan.background_counts).sqrt() / net;
        each.push((net / scan.seconds / activity, rel));
    }
    let weight = |(q, rel): &(f64, f64)| (q * rel).powi(-2);
    let total: f64 = each.iter().map(weight).sum();
    let mean = each.iter().map(|one| weight(one) * one.0).sum::<f64>() / total;
    let counted = total.sqrt().recip() / mean;
    let scatter = match each.len() {
        1 => 0.0,
        n => (each.iter().map(|(q, _)| (q / mean - 1.0).powi(2)).sum::<f64>() / ((n - 1) * n) as f64).sqrt(),
    };
    Ok((mean, activity_rel_sigma.hypot(counted.max(scatter))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "schema = 1\nfactor_cps_per_mbq = 9.0\nrelative_error = 0.03\nnuclide = \"lu177\"\n\
        window = \"208 keV +- 10 %\"\ncamera = \"A\"\ncollimator = \"MEGP\"\nreconstruction = \"OSEM 6x10\"\n\
        phantom = \"cylinder 6.3 L\"\ndate = \"2024-03-31\"\nwho = \"M. Person\"\n";

    fn scan() -> Scan {
        let [file, camera, collimator, reconstruction] = ["C.toml", "A", "megp", "OSEM 6x10"].map(str::to_owned);
        Scan { file, camera, collimator, reconstruction, views: Some(120), seconds_per_view: Some(15.0) }
    }

    #[test]
    fn law_counts_become_activity_and_back() {
        let calibration = Calibration::parse(GOOD, "C.toml").expect("a calibration");
        let counts = 250.0 * 9.0 * 120.0 * 15.0;
        let per_count = calibration.mbq_per_count(&scan(), None, "S.toml").expect("a factor");
        assert!((counts * per_count - 250.0).abs() < 1e-9);
        let dead = Calibration { dead_time_s: Some(2e-6), valid_to_cps: Some(1e5), ..calibration };
        let true_cps = 8e4_f64;
        let shown = true_cps * (-true_cps * 2e-6).exp();
        let with = dead.mbq_per_count(&scan(), Some(shown), "S.toml").expect("a factor");
        assert!((with / per_count - true_cps / shown).abs() < 1e-9);
    }

    /// The factor of a phantom that decays between scans, above a background.
    #[test]
    fn law_the_factor_of_several_scans_is_one() {
        let scans: Vec<PhantomScan> = [0.0, 24.0, 96.0]
            .map(|hours| {
                let counts = 9.0 * 600.0 * (-hours / 159.53_f64).exp2() * 1800.0;
                PhantomScan {
                    activity_mbq: 600.0,
                    hours,
                    counts: counts + 5e4,
                    background_counts: 5e4,
                    seconds: 1800.0,
                }
            })
            .to_vec();
        let (q, rel) = factor(&scans, 159.53, 0.02).expect("a factor");
        assert!((q - 9.0).abs() < 1e-9 && rel > 0.02 && rel < 0.0201, "{q} {rel}");
        // alarm: without decay it is another factor, and the scatter is told
        let still: Vec<PhantomScan> = scans.iter().map(|scan| PhantomScan { hours: 0.0, ..*scan }).collect();
        let (q, rel) = factor(&still, 159.53, 0.02).expect("a factor");
        assert!(q < 8.5 && rel > 0.05);
        assert!(factor(&[], 159.53, 0.02).is_err());
    }

    #[test]
    fn alarm_calibrations_of_something_else_are_refused() {
        let calibration = Calibration::parse(GOOD, "C.toml").expect("a calibration");
        assert!(calibration.must_fit(&scan(), "lu177", "C.toml").is_ok());
        for (scan, nuclide, field) in [
            (scan(), "tb161", "nuclide"),
            (Scan { camera: "B".to_owned(), ..scan() }, "lu177", "camera"),
            (Scan { collimator: "LEHR".to_owned(), ..scan() }, "lu177", "collimator"),
            (Scan { reconstruction: "OSEM 10x10".to_owned(), ..scan() }, "lu177", "reconstruction"),
        ] {
            let error = calibration.must_fit(&scan, nuclide, "C.toml").expect_err("refused").to_string();
            assert!(error.starts_with(&format!("C.toml: {field}: found")), "{error}");
        }
        for (from, to, field) in [
            ("date = \"2024-03-31\"\n", "", "date"),
            ("2024-03-31", "spring", "date"),
            ("2024-03-31", "2024-02-31", "date"),
            ("9.0", "0.0", "factor_cps_per_mbq"),
            ("0.03", "3.0", "relative_error"),
            ("M. Person", "?", "who"),
        ] {
            let error = Calibration::parse(&GOOD.replace(from, to), "C.toml").expect_err("refused").to_string();
            assert!(error.starts_with("C.toml: ") && error.contains(field), "{error}");
        }
        let untimed = Scan { seconds_per_view: None, ..scan() };
        assert_eq!(untimed.acquired((Some(120), Some(15.0)), "S.toml"), Ok(scan()));
        for (by_file, field) in [((Some(60), None), "views"), ((None, Some(20.0)), "seconds_per_view")] {
            let error = scan().acquired(by_file, "S.toml").expect_err("refused").to_string();
            assert!(error.starts_with(&format!("S.toml: {field}: found")), "{error}");
        }
        let error = calibration.mbq_per_count(&untimed, None, "S.toml").expect_err("refused").to_string();
        assert!(error.contains("S.toml: seconds_per_view: found none"), "{error}");
        let dead = Calibration { dead_time_s: Some(2e-6), valid_to_cps: Some(1e5), ..calibration };
        for cps in [None, Some(1.1e5)] {
            assert!(
                dead.mbq_per_count(&scan(), cps, "S.toml")
                    .expect_err("refused")
                    .to_string()
                    .contains("wide_window_cps")
            );
        }
    }
}
