//! Sorts a DICOM folder: images of the same scan, scans of the same cycle, and their anatomy. Ambiguity is refused by
//! name.

use super::failure::{OrUserError, UserError};
use super::images::{self, Image};
use super::notes::Listener;
use crate::bounds::{self, BoundsError};
use crate::fault::{Explained, FaultKind, Setting, Words, words};
use crate::grid::VoxelGrid;
use crate::io::dicom::{self, ActivityOptions, CYCLES_APART_H, Entry, Kind, Origin, SAME_SCAN_H, Scan};
use crate::io::open::origin_of;
use crate::note::Note;
use crate::place::Place;
use crate::units::rounded;

/// Largest difference between two equivalent images of one scan, as a share of the highest value.
const SAME_IMAGE_REL: f64 = 1e-3;
/// Share of an image's activity outside a CT above which that CT does not cover it.
const UNCOVERED_SHARE: f64 = 0.01;

/// One opened image of activity.
pub struct Shot {
    /// The image, Bq/mL at mid-scan.
    pub image: Image<f64>,
    /// What its file says about the scan.
    pub scan: Scan,
    /// Mid-scan time after injection, h.
    pub time_h: f64,
}

/// The images of one injection, in order of time.
pub struct Shots {
    /// At least one.
    pub shots: Vec<Shot>,
    /// Doubts of the readers.
    pub warnings: Vec<Note>,
}

impl Shots {
    /// Administered activity, MBq, if the files state it consistently.
    pub fn administered_mbq(&self) -> Result<Option<f64>, UserError> {
        let mut stated = self.shots.iter().filter_map(|shot| Some((shot, shot.scan.administered_mbq?)));
        let doubts = self.shots.iter().filter_map(|shot| Some((shot, shot.scan.administered_doubt.as_ref()?)));
        if let (Some((shot, doubt)), None) = (doubts.into_iter().next(), stated.clone().next()) {
            return Err(UserError::invalid(
                &shot.image.input.path,
                "",
                doubt,
                "the activity given, in Bq for PT and in MBq for NM",
                correct_or_state(),
            )
            .form("{place}: {found}; allowed: {allowed}"));
        }
        let Some((first, mbq)) = stated.next() else { return Ok(None) };
        bounds::administered_mbq(format!("{}: RadionuclideTotalDose", first.image.input.path), mbq).map_err(
            |error| {
                let next = words!(&error.next, " DICOM states it in Bq for PT and in MBq for NM. ", correct_or_state());
                BoundsError { next, ..error }.fault()
            },
        )?;
        match stated.find(|(_, other)| (other / mbq - 1.0).abs() > 1e-3) {
            None => Ok(Some(mbq)),
            Some((other, found)) => Err(UserError::invalid(
                &other.image.input.path,
                "RadionuclideTotalDose",
                format!("{found} MBq, and {mbq} MBq in {}", first.image.input.path),
                "one value for one injection",
                correct_or_state(),
            )
            .kind(FaultKind::Mismatch)),
        }
    }
}

/// The next step for a doubtful administered activity.
fn correct_or_state() -> Words {
    words!("Correct the header, or state it with ", Setting::AdministeredMbq, ".")
}

/// Opens every activity image at these paths and sorts them by injection and time.
///
/// Errors: those of the reader; an image without a dated injection; two different images of one scan; injections too
/// far apart for one and too close for two cycles; images of different patients.
pub fn cycles(paths: &[Place], options: &ActivityOptions, hear: &mut dyn Listener) -> Result<Vec<Shots>, UserError> {
    let mut opened = Vec::new();
    let mut warnings = Vec::new();
    for path in paths {
        for entry in activities(path, &mut warnings)? {
            let mut own = Vec::new();
            let (image, scan) = images::activity("image", &entry, options, &mut own)?;
            let Some(scan) = scan else { return Err(not_dicom(path)) };
            let Some(time_h) = scan.timing.hours_after_injection else {
                return Err(UserError::invalid(
                    &entry,
                    "time after injection",
                    "none",
                    "a dated injection and a dated scan",
                    words!(
                        "Complete the header (0018,1078), state ",
                        Setting::InjectionTime,
                        ", or give the image and its time in a SERIES.toml."
                    ),
                ));
            };
            opened.push((Shot { image, scan, time_h }, own));
        }
    }
    if let Some((first, rest)) = opened.split_first() {
        for (other, _) in rest {
            if let (Some(a), Some(b)) = (&first.0.image.origin, &other.image.origin) {
                a.must_agree_on_patient(b).or_user_error()?;
            }
        }
    }
    if options.injection.is_some() {
        one_dated_injection(opened.iter().map(|(shot, _)| shot))?;
    }
    let mut cycles: Vec<Shots> = Vec::new();
    for (shot, own) in opened {
        let mut home = None;
        for (n, cycle) in cycles.iter().enumerate() {
            if one_injection(&cycle.shots[0], &shot)? {
                home = Some(n);
            }
        }
        let n = home.unwrap_or_else(|| {
            cycles.push(Shots { shots: Vec::new(), warnings: warnings.clone() });
            cycles.len() - 1
        });
        add(&mut cycles[n], shot, own, hear)?;
    }
    if cycles.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(UserError::invalid(
            names.join(", "),
            "activity",
            "none",
            "PT series or NM reconstructions",
            "lutra inspect FOLDER says what is there.",
        ));
    }
    for cycle in &mut cycles {
        cycle.shots.sort_by(|a, b| a.time_h.total_cmp(&b.time_h));
    }
    let origin = cycles[0].shots[0].scan.timing.injection;
    let hours = |cycle: &Shots| origin.zip(cycle.shots[0].scan.timing.injection).map_or(0.0, |(a, b)| a.hours_to(b));
    cycles.sort_by(|a, b| hours(a).total_cmp(&hours(b)));
    Ok(cycles)
}

fn not_dicom(path: &Place) -> UserError {
    UserError::invalid(
        path,
        "format",
        "NIfTI",
        "DICOM images, which say when they were taken",
        "Give NIfTI images with their times in a SERIES.toml.",
    )
}

/// Paths of the activity images of a file or folder.
fn activities(path: &Place, warnings: &mut Vec<Note>) -> Result<Vec<Place>, UserError> {
    if !dicom::is_dicom(path) {
        return Err(not_dicom(path));
    }
    let mut found = Vec::new();
    for entry in dicom::contents(path).or_user_error()?.into_iter().filter(|entry| entry.kind == Kind::Activity) {
        if entry.projections {
            warnings.push(Note::warning("projections-left-out", "left out, it is no reconstruction").at(&entry.title));
        } else {
            found.push(entry.path);
        }
    }
    Ok(found)
}

/// Refuses a single stated injection for files that date injections of several cycles.
fn one_dated_injection<'a>(mut shots: impl Iterator<Item = &'a Shot>) -> Result<(), UserError> {
    let dated = |shot: &'a Shot| Some((shot, shot.scan.timing.dated_injection?));
    let Some((first, injection)) = shots.find_map(dated) else { return Ok(()) };
    match shots.filter_map(dated).find(|(_, other)| injection.hours_to(*other).abs() >= CYCLES_APART_H) {
        None => Ok(()),
        Some((other, _)) => Err(UserError::invalid(
            Setting::InjectionTime,
            "",
            format!(
                "one for the images of several injections ({} and {})",
                first.image.input.path, other.image.input.path
            ),
            "the images of one",
            "Give the images of one cycle, or state time_h for each image in a SERIES.toml.",
        )),
    }
}

/// Whether two images belong to one injection. Errors: neither one injection nor two cycles.
fn one_injection(a: &Shot, b: &Shot) -> Result<bool, UserError> {
    let (Some(first), Some(second)) = (a.scan.timing.injection, b.scan.timing.injection) else { return Ok(true) };
    dicom::same_injection(first, second).map_err(|apart_h| too_close(&b.image.input.path, &a.image.input.path, apart_h))
}

/// Two images whose injections are neither one nor two cycles.
pub(super) fn too_close(path: &str, other: &str, apart_h: f64) -> UserError {
    UserError::invalid(
        path,
        "injection",
        format!("{} h away from that in {other}", rounded(apart_h, 4)),
        "one injection, or cycles a day or more apart",
        words!(
            "Correct the time of injection in the header, or state it for the images of one cycle with ",
            Setting::InjectionTime,
            "."
        ),
    )
    .kind(FaultKind::Mismatch)
}

/// The injection of the images of one series, each with its name. Errors: images of two injections.
pub(super) fn one_of_one(series: &str, images: &[(String, dicom::Moment)]) -> Result<Option<dicom::Moment>, UserError> {
    let Some(((first, injection), others)) = images.split_first() else { return Ok(None) };
    for (other, moment) in others {
        if dicom::same_injection(*injection, *moment) != Ok(true) {
            return Err(UserError::invalid(
                series,
                "images",
                format!(
                    "{first} and {other}, whose headers date injections {:.1} h apart",
                    injection.hours_to(*moment).abs()
                ),
                "images of one injection",
                "Give each injection its own series and cycle.",
            )
            .kind(FaultKind::Mismatch));
        }
    }
    Ok(Some(*injection))
}

/// Adds an image to its cycle, unless another image of the same scan says the same.
fn add(cycle: &mut Shots, shot: Shot, own: Vec<Note>, hear: &mut dyn Listener) -> Result<(), UserError> {
    // Uncorrected values need no step back, and a scale for each slice is finer than one for all.
    let rank = |shot: &Shot| (shot.scan.decay_correction as u8, u8::from(shot.scan.calibration != "rescale"));
    let Some(n) = cycle.shots.iter().position(|known| (known.time_h - shot.time_h).abs() <= SAME_SCAN_H) else {
        cycle.warnings.extend(own);
        cycle.shots.push(shot);
        return Ok(());
    };
    let known = &cycle.shots[n];
    let (a, b) = (&known.image, &shot.image);
    let highest = a.volume.data.iter().copied().fold(0.0, f64::max);
    let differ = match a.volume.grid.same_as(&b.volume.grid) {
        false => Some("lie on other grids".to_owned()),
        true => {
            let pairs = a.volume.data.iter().zip(&b.volume.data);
            let most = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            (most > SAME_IMAGE_REL * highest)
                .then(|| format!("differ by {:.2} % of the highest value", 100.0 * most / highest))
        }
    };
    if let Some(how) = differ {
        return Err(UserError::invalid(
            format!("{} and {}", a.input.path, b.input.path),
            "",
            format!("two images of the scan at {} h that {how}", rounded(shot.time_h, 4)),
            "one image of a scan",
            words!("Name the images to use with ", Setting::Activity, "."),
        )
        .kind(FaultKind::Mismatch)
        .form("{place}: {found}; allowed: {allowed}"));
    }
    let replace = rank(&shot) < rank(known);
    let (kept, left) = if replace { (&shot, known) } else { (known, &shot) };
    hear.info(
        "same-scan-twice",
        format!(
            "{} and {} are one scan at {} h and say the same: the first is used",
            kept.image.input.path,
            left.image.input.path,
            rounded(kept.time_h, 4)
        ),
    );
    if replace {
        cycle.shots[n] = shot;
    }
    Ok(())
}

/// The CT and the regions that belong to images.
pub struct Belongings {
    /// CT.
    pub ct: Place,
    /// Regions.
    pub labels: Place,
}

/// Finds the one CT and the one set of regions for images in the study at `path`; `ct` and `labels` are the user's
/// own choice.
///
/// Errors: none or several, each named.
pub fn belongings(
    path: &Place,
    cycle: &Shots,
    ct: Option<&Place>,
    labels: Option<&Place>,
    hear: &mut dyn Listener,
) -> Result<Belongings, UserError> {
    let entries = dicom::contents(path).or_user_error()?;
    let image = &cycle.shots[0].image;
    let one_frame = |entry: &&Entry| match (&image.origin, entry.origin.frame_of_reference()) {
        (Some(own), Some(frame)) => own.frame_of_reference().is_none_or(|own| own == frame),
        _ => true,
    };
    let ct = match ct {
        Some(ct) => ct.clone(),
        None => {
            let all: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == Kind::Ct).collect();
            let mut refused = Vec::new();
            let mut fit = Vec::new();
            for entry in &all {
                match covers(entry, image, one_frame(entry)) {
                    Ok(()) => fit.push(*entry),
                    Err(reason) => refused.push(format!("{} ({reason})", entry.path.display())),
                }
            }
            let [one] = fit.as_slice() else {
                return Err(ambiguous(path, "CT", Setting::Ct, &fit, &refused, &image.input.path));
            };
            if all.len() > 1 {
                hear.info("ct-chosen", format!("CT: {}; left out: {}", one.path.display(), refused.join(", ")));
            }
            one.path.clone()
        }
    };
    images::must_agree(origin_of(&ct).or_user_error()?.as_ref(), image.origin.as_ref())?;
    let labels = match labels {
        Some(labels) => labels.clone(),
        None => {
            let kinds = [Kind::StructureSet, Kind::Segmentation];
            let fit: Vec<&Entry> = entries.iter().filter(|e| kinds.contains(&e.kind)).filter(one_frame).collect();
            let [one] = fit.as_slice() else {
                return Err(ambiguous(path, "regions", Setting::Labels, &fit, &[], &image.input.path));
            };
            one.path.clone()
        }
    };
    Ok(Belongings { ct, labels })
}

fn ambiguous(
    path: &Place,
    what: &str,
    setting: Setting,
    fit: &[&Entry],
    refused: &[String],
    images: &str,
) -> UserError {
    let found = if fit.is_empty() {
        format!("none{}", if refused.is_empty() { String::new() } else { format!(" but {}", refused.join(", ")) })
    } else {
        fit.iter().map(|entry| entry.path.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    let next = match fit.first() {
        Some(one) => {
            words!("Name the one to use with ", setting, ", as in ", setting, format!(" {}.", one.path.display()))
        }
        None => words!("Name the one to use with ", setting, "."),
    };
    UserError::invalid(path, format!("{what} for {images}"), found, "one", next)
}

/// Whether a CT can be read and covers the activity of an image; the reason if not.
fn covers(entry: &Entry, image: &Image<f64>, one_frame: bool) -> Result<(), String> {
    if !one_frame {
        return Err("another frame of reference".to_owned());
    }
    let ct = images::ct(&entry.path, &mut Vec::new()).map_err(|error| error.message().to_string())?;
    let outside = outside_share(image, &ct.volume.grid);
    if outside > UNCOVERED_SHARE {
        return Err(format!("{:.0} % of the activity lies outside", 100.0 * outside));
    }
    Ok(())
}

/// Share of an image's activity in voxels whose centre lies outside a grid.
fn outside_share(image: &Image<f64>, grid: &VoxelGrid) -> f64 {
    let own = &image.volume.grid;
    let inside = |n: usize| {
        let at = grid.voxel_at_mm(own.world_mm(own.voxel(n).map(|v| v as f64)));
        (0..3).all(|axis| (-0.5..=grid.dims[axis] as f64 - 0.5).contains(&at[axis]))
    };
    let [mut all, mut outside] = [0.0; 2];
    for (n, value) in image.volume.data.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        all += value;
        outside += if inside(n) { 0.0 } else { *value };
    }
    if all > 0.0 { outside / all } else { 0.0 }
}

/// Origin of the first image of some shots.
pub fn origin(cycle: &Shots) -> Option<&Origin> {
    cycle.shots.iter().find_map(|shot| shot.image.origin.as_ref())
}
