//! Registers two images of one patient and reports the transform with the evidence for it.

use super::before_after::{Shown, before_and_after};
use super::failure::{AtPath, Failure, OrUserError, UserError};
use super::files::{write_json, write_rows};
use super::from_memory;
use super::images::{self, Anatomy};
use super::invocation::Invocation;
use super::notes::Listener;
use super::output;
use super::pages::register::{Found, Place as RegionPlace, page};
use super::request::RegisterRequest;
use super::transforms::{FrameName, TransformFile, automatic};
use crate::fault::{Setting, words};
use crate::grid::Volume;
use crate::io::atomic::AtomicOutputDir;
use crate::io::dicom::{self, ActivityOptions, Kind as Holds, Origin, RegistrationOptions};
use crate::io::itk;
use crate::note::{Note, sentences};
use crate::place::Place;
use crate::register::agreement::RegionMotion;
use crate::register::{Likeness, Registration, Settings, register, verdict};
use crate::report::page::{Page, render};
use crate::report::png::Drawn;
use crate::report::run_record::{InputFile, peak_memory_bytes, platform, program, utc};
use crate::text::plain_lines;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Names of the files written.
pub const FILE_NAMES: [&str; 13] = [
    "transform.json",
    "transform.tfm",
    "registration.dcm",
    "displacement.csv",
    "metric.csv",
    "before_axial.png",
    "before_coronal.png",
    "before_sagittal.png",
    "after_axial.png",
    "after_coronal.png",
    "after_sagittal.png",
    "report.html",
    "run.json",
];
/// CT number below which a NIfTI image is taken for a CT: outside air is -1000 HU.
const CT_BELOW_HU: f32 = -500.0;
/// Share of the highest value down to which an activity image may be negative (filtered back-projection).
const NEGATIVE_SHARE: f32 = 0.05;

/// One of the two images.
pub struct Side {
    /// Values: HU, or activity in any unit.
    pub volume: Volume<f32>,
    /// Whether they are CT numbers.
    pub is_ct: bool,
    /// Where a DICOM image came from.
    pub origin: Option<Origin>,
    /// The files, for the record.
    pub input: InputFile,
}

/// A registration and all that is written of it.
pub struct Registered {
    /// What was found.
    pub found: Registration,
    /// Names of the regions.
    pub names: BTreeMap<u16, String>,
    /// Notes of the readers and of the result.
    pub warnings: Vec<Note>,
    /// Files read.
    pub inputs: Vec<InputFile>,
    sides: [Side; 2],
}

/// What of a registration lies in memory, in place of the request's files.
#[derive(Default)]
pub struct Lent {
    /// The image that stays.
    pub fixed: Option<Volume<f32>>,
    /// The image that is moved.
    pub moving: Option<Volume<f32>>,
    /// Regions in the frame of the fixed image, and their names.
    pub mask: Option<(Volume<u16>, BTreeMap<u16, String>)>,
}

/// Registers the moving to the fixed image.
///
/// Errors: images that cannot be read or whose kind is unclear; two patients; a result that is refused, by its reason.
pub fn run(request: &RegisterRequest, hear: &mut dyn Listener) -> Result<Registered, Failure> {
    run_lent(request, Lent::default(), hear)
}

/// As [`run`], with what lies in memory.
///
/// Errors: as [`run`]; values in memory that are not finite.
pub fn run_lent(request: &RegisterRequest, lent: Lent, hear: &mut dyn Listener) -> Result<Registered, Failure> {
    let mut warnings = Vec::new();
    let sides = [
        side("fixed", &request.fixed, lent.fixed, request.metric, &mut warnings)?,
        side("moving", &request.moving, lent.moving, request.metric, &mut warnings)?,
    ];
    if let [Some(fixed), Some(moving)] = sides.each_ref().map(|side| side.origin.as_ref()) {
        fixed.must_agree_on_patient(moving).or_user_error()?;
    }
    let mut inputs: Vec<InputFile> = sides.iter().map(|side| side.input.clone()).collect();
    let regions = match (lent.mask, &request.mask) {
        (Some((labels, names)), _) => {
            let map = from_memory::regions(labels, names).map;
            inputs.extend(map.inputs.iter().cloned());
            Some(map)
        }
        (None, None) => None,
        (None, Some(path)) => {
            let anatomy = Anatomy { grid: &sides[0].volume.grid, origin: sides[0].origin.as_ref() };
            let map = images::regions(path, request.label_names.as_ref(), &anatomy, hear, &mut warnings)?;
            inputs.extend(map.inputs.iter().cloned());
            Some(map)
        }
    };
    let likeness = request.metric.unwrap_or_else(|| automatic([sides[0].is_ct, sides[1].is_ct]));
    let settings = Settings::new(request.kind, likeness, [sides[0].is_ct, sides[1].is_ct]);
    let labels = regions.as_ref().map(|map| &map.labels);
    let found = register(&sides[0].volume, &sides[1].volume, labels, &settings).or_user_error()?;
    verdict::check(&found).or_user_error()?;
    let names = regions.map(|map| map.names).unwrap_or_default();
    Ok(Registered { found, names, warnings, inputs, sides })
}

/// One side: what lies in memory, else the file.
fn side(
    role: &str,
    path: &Place,
    lent: Option<Volume<f32>>,
    metric: Option<Likeness>,
    warnings: &mut Vec<Note>,
) -> Result<Side, UserError> {
    let Some(volume) = lent else { return open(role, path, metric, warnings) };
    if let Some(value) = volume.data.iter().find(|value| !value.is_finite()) {
        let next = "Set these voxels to a true value.";
        return Err(UserError::invalid(path, "voxel values", value.to_string(), "finite numbers", next));
    }
    let image = from_memory::image(role, volume);
    let is_ct = of_values(path, &image.volume.data, metric)?;
    Ok(Side { volume: image.volume, is_ct, origin: None, input: image.input })
}

/// Opens an image and says whether it is a CT.
fn open(role: &str, path: &Place, metric: Option<Likeness>, warnings: &mut Vec<Note>) -> Result<Side, UserError> {
    if dicom::is_dicom(path) {
        let kinds: Vec<Holds> = dicom::contents(path).or_user_error()?.iter().map(|entry| entry.kind).collect();
        if !kinds.contains(&Holds::Ct) {
            let options = ActivityOptions { assume_bq_ml: false, ..ActivityOptions::default() };
            let (image, _) = images::activity(role, path, &options, warnings)?;
            let volume = image.volume.map(|value| value as f32);
            return Ok(Side { volume, is_ct: false, origin: image.origin, input: image.input });
        }
        let image = images::ct(path, warnings)?;
        let input = InputFile { role: role.to_owned(), ..image.input };
        return Ok(Side { volume: image.volume, is_ct: true, origin: image.origin, input });
    }
    let image = images::nifti_image::<f32>(role, path, warnings)?;
    let is_ct = of_values(path, &image.volume.data, metric)?;
    Ok(Side { volume: image.volume, is_ct, origin: None, input: image.input })
}

/// Whether the values of a NIfTI image are CT numbers.
fn of_values(path: &Place, values: &[f32], metric: Option<Likeness>) -> Result<bool, UserError> {
    let [low, high] = values.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[l, h], &v| [l.min(v), h.max(v)]);
    if low < CT_BELOW_HU {
        return Ok(true);
    }
    if low >= -NEGATIVE_SHARE * high || metric.is_some() {
        return Ok(false);
    }
    Err(UserError::invalid(
        path,
        "voxel values",
        format!("{low} to {high}: neither a CT (air near -1000 HU) nor an activity image (none below 0)"),
        "an image whose kind its values tell",
        words!("Give the whole image, or say how the images are compared by ", Setting::Metric, "."),
    ))
}

impl Registered {
    /// Writes everything into the folder.
    pub fn save(
        &self,
        request: &RegisterRequest,
        folder: &AtomicOutputDir,
        invocation: &Invocation,
    ) -> Result<(), Failure> {
        let file = self.transform_file(request)?;
        write_json(&folder.file("transform.json"), &file)?;
        itk::write_transform(folder.file("transform.tfm"), &self.found.moving_from_fixed.to_4x4())?;
        self.write_dicom(request, folder)?;
        write_rows(&folder.file("displacement.csv"), &self.rows())?;
        write_rows(&folder.file("metric.csv"), &self.found.curve)?;
        let pictures = self.pictures();
        output::write_drawn(folder, &pictures)?;
        let path = folder.file("report.html");
        path.write(plain_lines(&render(&self.page(&pictures, invocation))).as_bytes()).at(&path)?;
        let record = json!({
            "schema": 1,
            "program": program(),
            "platform": platform(),
            "command": invocation.command,
            "started_utc": utc(invocation.moment),
            "inputs": self.inputs,
            "settings": {
                "kind": request.kind,
                "metric": self.found.likeness,
                "metric_by": if request.metric.is_some() { "stated" } else { "the kinds of the images" },
                "fixed_is_ct": self.sides[0].is_ct,
                "moving_is_ct": self.sides[1].is_ct,
            },
            "result": file,
            "wall_seconds": invocation.seconds(),
            "peak_memory_bytes": peak_memory_bytes(),
            "warnings": sentences(&self.warnings),
            "notes": self.warnings,
        });
        write_json(&folder.file("run.json"), &record)
    }

    /// The transform with its figures, as `transform.json` holds it.
    pub fn transform_file(&self, request: &RegisterRequest) -> Result<TransformFile, Failure> {
        let found = &self.found;
        let inverse =
            found.moving_from_fixed.inverse().ok_or_else(|| Failure::run("a transform without an inverse"))?;
        let frame = |path: &Place, side: &Side| FrameName {
            image: path.display().to_string(),
            frame_of_reference_uid: side.origin.as_ref().and_then(Origin::frame_of_reference),
        };
        let figures = json!({
            "metric": found.likeness,
            "likeness_before": found.likeness_before,
            "likeness_after": found.likeness_after,
            "shift_mm": found.shift_mm,
            "rotation_deg": found.rotation_deg,
            "overlap": found.overlap,
            "halves_apart_mm": found.halves_apart_mm,
            "inverse_apart_mm": found.inverse_apart_mm,
            "residual_mm": found.residual_mm,
            "regions": found.regions,
        });
        Ok(TransformFile {
            schema: 1,
            kind: found.kind,
            moving_from_fixed_ras_mm: found.moving_from_fixed.to_4x4(),
            fixed_from_moving_ras_mm: inverse.to_4x4(),
            fixed: frame(&request.fixed, &self.sides[0]),
            moving: frame(&request.moving, &self.sides[1]),
            figures,
        })
    }

    /// The registration object, where both images are DICOM and have frames of their own.
    fn write_dicom(&self, request: &RegisterRequest, folder: &AtomicOutputDir) -> Result<(), Failure> {
        let [Some(fixed), Some(moving)] = self.sides.each_ref().map(|side| side.origin.as_ref()) else { return Ok(()) };
        let frames = [fixed, moving].map(Origin::frame_of_reference);
        if frames[0].is_none() || frames[1].is_none() || frames[0] == frames[1] {
            return Ok(());
        }
        let inverse = self.found.moving_from_fixed.inverse();
        let inverse = inverse.ok_or_else(|| Failure::run("a transform without an inverse"))?;
        let options = RegistrationOptions {
            description: "Lutra registration".to_owned(),
            rigid: self.found.kind == crate::register::Kind::Rigid,
            deidentify: request.deidentify,
        };
        dicom::write_registration(folder.file("registration.dcm"), fixed, moving, &inverse.to_4x4(), &options)?;
        Ok(())
    }

    /// What each region moves; without regions the middle of what was looked at.
    fn rows(&self) -> Vec<Row> {
        let found = &self.found;
        let mut rows = vec![Row::whole(found)];
        let name = |label: u16| self.names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
        rows.extend(found.regions.iter().map(|motion| Row::of(motion, name(motion.label))));
        rows
    }

    /// Both images before and after, in the squares of a checkerboard.
    fn pictures(&self) -> Vec<Drawn> {
        let grid = &self.sides[0].volume.grid;
        let centre = grid.voxel_at_mm(self.found.centre_mm);
        let through = [0, 1, 2].map(|axis| (centre[axis].round().max(0.0) as usize).min(grid.dims[axis] - 1));
        let lines = [
            format!("{} {}", self.found.kind.name(), self.found.likeness.name()),
            format!("shift {:.1} mm", self.found.shift_mm),
            format!("rotation {:.2} degrees", self.found.rotation_deg),
            format!("halves apart {:.2} mm", self.found.halves_apart_mm),
        ];
        let map = self.found.moving_from_fixed;
        let pair = self.sides.each_ref().map(|side| Shown { volume: &side.volume, is_ct: side.is_ct });
        before_and_after(pair, through, &|point| Some(map.apply(point)), &lines)
    }

    /// The page, with the pictures in it.
    fn page(&self, pictures: &[Drawn], invocation: &Invocation) -> Page {
        let places: Vec<RegionPlace> = self
            .rows()
            .into_iter()
            .map(|row| RegionPlace {
                region: row.region,
                by_mm: [row.x_mm, row.y_mm, row.z_mm],
                halves_apart_mm: row.halves_apart_mm,
                residual_mm: row.residual_mm,
                own_mm: row.own_x_mm.zip(row.own_y_mm).zip(row.own_z_mm).map(|((x, y), z)| [x, y, z]),
                own_residual_mm: row.own_residual_mm,
            })
            .collect();
        let found = Found {
            found: &self.found,
            places: &places,
            warnings: &self.warnings,
            inputs: &self.inputs,
            pictures,
            invocation,
        };
        page(&found)
    }

    /// The findings, for the terminal.
    pub fn words(&self) -> String {
        let found = &self.found;
        let mut text = format!(
            "{} registration by {}\nshift of the middle {:.2} mm, rotation {:.2} degrees, overlap {:.0} %\n\
             likeness {:.5} before, {:.5} after\nhalves of the data {:.2} mm apart, way there and back {:.2} mm, \
             {:.2} mm remain uncertain{}\n\n",
            found.kind.name(),
            found.likeness.name(),
            found.shift_mm,
            found.rotation_deg,
            100.0 * found.overlap,
            found.likeness_before,
            found.likeness_after,
            found.halves_apart_mm,
            found.inverse_apart_mm,
            found.residual_mm,
            if verdict::unmoved(found) { ": the images agree as well as they lie" } else { "" },
        );
        text.push_str(&format!(
            "{:<28} {:>8} {:>8} {:>8} {:>10} {:>10}\n",
            "region", "x (mm)", "y", "z", "length", "halves"
        ));
        for row in self.rows() {
            text.push_str(&format!(
                "{:<28} {:>8.2} {:>8.2} {:>8.2} {:>10.2} {:>10.2}\n",
                row.region, row.x_mm, row.y_mm, row.z_mm, row.length_mm, row.halves_apart_mm
            ));
        }
        text
    }
}

/// One row of `displacement.csv`: from the fixed to the moving frame, RAS mm.
#[derive(Clone, Debug, Serialize)]
struct Row {
    label: u16,
    region: String,
    x_mm: f64,
    y_mm: f64,
    z_mm: f64,
    length_mm: f64,
    longest_mm: f64,
    halves_apart_mm: f64,
    inverse_apart_mm: f64,
    residual_mm: f64,
    own_x_mm: Option<f64>,
    own_y_mm: Option<f64>,
    own_z_mm: Option<f64>,
    own_halves_apart_mm: Option<f64>,
    own_residual_mm: Option<f64>,
}

impl Row {
    fn whole(found: &Registration) -> Self {
        let [x_mm, y_mm, z_mm] = found.moving_from_fixed.displacement_mm(found.centre_mm);
        Self {
            label: 0,
            region: "middle of the whole".to_owned(),
            x_mm,
            y_mm,
            z_mm,
            length_mm: found.shift_mm,
            longest_mm: found.shift_mm,
            halves_apart_mm: found.halves_apart_mm,
            inverse_apart_mm: found.inverse_apart_mm,
            residual_mm: found.residual_mm,
            own_x_mm: None,
            own_y_mm: None,
            own_z_mm: None,
            own_halves_apart_mm: None,
            own_residual_mm: None,
        }
    }

    fn of(motion: &RegionMotion, region: String) -> Self {
        let [x_mm, y_mm, z_mm] = motion.displacement_mm;
        let &RegionMotion { label, length_mm, longest_mm, halves_apart_mm, inverse_apart_mm, residual_mm, .. } = motion;
        let own = |axis: usize| motion.own.as_ref().map(|own| own.displacement_mm[axis]);
        Self {
            label,
            region,
            x_mm,
            y_mm,
            z_mm,
            length_mm,
            longest_mm,
            halves_apart_mm,
            inverse_apart_mm,
            residual_mm,
            own_x_mm: own(0),
            own_y_mm: own(1),
            own_z_mm: own(2),
            own_halves_apart_mm: motion.own.as_ref().map(|own| own.halves_apart_mm),
            own_residual_mm: motion.own.as_ref().map(|own| own.residual_mm),
        }
    }
}
