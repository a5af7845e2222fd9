//! A course from images in memory, for Python arrays and web pages.

use super::source::{CourseSource, imaged_course, imaged_cycle, read_protocol};
use crate::bounds;
use crate::clinic::failure::{OrUserError, UserError};
use crate::clinic::from_memory::{image, place, regions};
use crate::clinic::request::{GridChoice, ImageChoice};
use crate::clinic::series::OpenSeries;
use crate::clinic::shelf::Shelf;
use crate::course::file::{Course, CourseCycle, ProtocolChoice};
use crate::course::series::ImageUnit;
use crate::course::tia::{ActivityImage, Method};
use crate::decay::Nuclide;
use crate::grid::Volume;
use crate::io::dicom::ActivityOptions;
use crate::report::run_record::InputFile;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One quantitative image.
#[derive(Clone, Debug)]
pub struct TimedImage {
    /// Middle of the scan, h after injection.
    pub time_h: f64,
    /// Activity at that time, Bq/mL, not corrected for decay; in any axis order, all images of a cycle on one grid.
    pub activity_bq_ml: Volume<f64>,
    /// Random relative uncertainty of a region's activity, where it is known.
    pub rel_sigma: Option<f64>,
}

/// One cycle.
#[derive(Clone, Debug)]
pub struct CycleVolumes {
    /// Day of the injection, counted from any day common to the course.
    pub day: i64,
    /// Administered activity, MBq.
    pub administered_mbq: f64,
    /// The images, in order of time.
    pub images: Vec<TimedImage>,
}

/// A course: one anatomy, and the images of each cycle, in the frame of the anatomy.
#[derive(Clone, Debug)]
pub struct CourseVolumes {
    /// CT, HU.
    pub ct_hu: Volume<f32>,
    /// Regions on the CT's grid, 0 for none.
    pub labels: Volume<u16>,
    /// Names of the labels; the protocol looks for its organs among them.
    pub names: BTreeMap<u16, String>,
    /// The nuclide.
    pub nuclide: Nuclide,
    /// Name of a built-in protocol.
    pub protocol: String,
    /// How a region's activity is integrated over time.
    pub method: Method,
    /// Grid of the dose.
    pub grid: GridChoice,
    /// The cycles, in order of time.
    pub cycles: Vec<CycleVolumes>,
}

impl CourseVolumes {
    /// The course, ready for [`super::treated`]. What else a COURSE.toml can say (facts, ledger, radiobiology) may be set
    /// in the fields of [`CourseSource::course`] before.
    ///
    /// Errors: a protocol that is not built in; cycles out of order; impossible administered activities.
    pub fn into_source(self) -> Result<CourseSource, UserError> {
        let Self { ct_hu, labels, names, nuclide, protocol, method, grid, cycles } = self;
        let name = PathBuf::from(place("course"));
        let mut shelf = Shelf::default();
        shelf.give_ct(&place("ct"), image("ct", ct_hu));
        shelf.give_regions(&place("labels"), regions(labels, names));
        shelf.give_nuclide(&nuclide.name, nuclide.clone());
        let days: Vec<i64> = cycles.iter().map(|cycle| cycle.day).collect();
        let (mut given, mut series) = (Vec::new(), Vec::new());
        for (index, cycle) in cycles.into_iter().enumerate() {
            let before = index.checked_sub(1).map(|before| days[before]);
            given.push(course_cycle(index + 1, &cycle, before)?);
            series.push(Some(opened(index + 1, cycle, &nuclide, &method)?));
        }
        let choice = ProtocolChoice::BuiltIn(protocol);
        let course = Course {
            ct: Some(place("ct")),
            labels: Some(place("labels")),
            grid: match grid {
                GridChoice::Scene => None,
                GridChoice::Activity => Some("activity".to_owned()),
                GridChoice::Millimetre(edge_mm) => Some(edge_mm.to_string()),
            },
            ..imaged_course(choice.clone(), nuclide.name.clone(), given)
        };
        Ok(CourseSource {
            protocol: read_protocol(&name.as_path().into(), &choice)?,
            input: recorded(&name, &course),
            shelf,
            base: "".into(),
            motions: series.iter().map(|_| None).collect(),
            series,
            days: days.iter().map(|day| format!("day {}", day - days[0])).collect(),
            images: ImageChoice {
                nuclide: nuclide.name.into(),
                nuclide_stated: true,
                options: ActivityOptions::default(),
                effective_half_life_h: None,
                half_lives_h: BTreeMap::new(),
                model: None,
                administered_mbq: None,
            },
            doubts: Vec::new(),
            name,
            course,
        })
    }
}

/// Record of a course that was never a file: the digest is that of its content.
fn recorded(name: &Path, course: &Course) -> InputFile {
    let stated = format!("{course:?}");
    InputFile {
        role: "course".to_owned(),
        path: name.display().to_string(),
        bytes: stated.len() as u64,
        sha256: crate::digest::of_bytes(stated.as_bytes()),
    }
}

fn course_cycle(number: usize, cycle: &CycleVolumes, before: Option<i64>) -> Result<CourseCycle, UserError> {
    if let Some(before) = before.filter(|&before| cycle.day <= before) {
        return Err(UserError::invalid(
            format!("cycle {number}"),
            "day",
            format!("{} after {before}", cycle.day),
            "cycles in order of time",
            "Sort the cycles by their day.",
        ));
    }
    bounds::cycle_mbq(&format!("cycle {number}: administered activity"), cycle.administered_mbq).or_user_error()?;
    Ok(imaged_cycle(before.map(|before| cycle.day - before), cycle.administered_mbq))
}

/// The images of a cycle, in canonical order.
fn opened(number: usize, cycle: CycleVolumes, nuclide: &Nuclide, method: &Method) -> Result<OpenSeries, UserError> {
    let images = cycle.images.into_iter().map(|image| {
        let voxel_ml = image.activity_bq_ml.grid.voxel_cm3();
        let scale = ImageUnit::BqMl.mbq_per_value(voxel_ml).expect("Bq/mL needs no calibration");
        ActivityImage {
            name: format!("image of cycle {number} at {} h", image.time_h),
            time_h: image.time_h,
            activity_mbq: image.activity_bq_ml.to_canonical().0.map(|value| value * scale),
            rel_sigma: image.rel_sigma,
        }
    });
    let name = format!("images of cycle {number}");
    OpenSeries::of_volumes(&name, images.collect(), nuclide, cycle.administered_mbq, method.clone())
}
