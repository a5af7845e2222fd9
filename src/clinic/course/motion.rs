//! Cycles whose anatomy is brought into the course's frame by a registration.

use crate::clinic::failure::UserError;
use crate::clinic::files::beside;
use crate::clinic::motion::{MotionRecord, settled};
use crate::clinic::shelf::Shelf;
use crate::clinic::transforms::{Given, Image};
use crate::course::file::Course;
use crate::course::registration::StatedRegistration;
use crate::fault::Explained;
use crate::note::Note;
use crate::place::Place;
use crate::register::{Affine, TransformError};
use crate::report::run_record::InputFile;
use std::path::Path;

/// How a cycle's CT lies to the course's, and the files that say so.
pub struct Settled {
    /// What is told of it.
    pub record: MotionRecord,
    /// Files of a given transform.
    pub inputs: Vec<InputFile>,
}

/// Gives every cycle whose registration is stated its transform, from the cycle's world to the course's: rigid
/// registration of its CT to the course's, or a file. Told is how each cycle lies, none of one whose registration is not
/// stated.
///
/// Errors: a cycle or a course without a CT; a transform or a registration that is refused.
pub fn settle(
    path: &Place,
    course: &mut Course,
    shelf: &mut Shelf,
    notes: &mut Vec<Note>,
) -> Result<Vec<Option<Settled>>, UserError> {
    let base = course.ct.clone();
    let anatomy = course.ct.is_some() || course.labels.is_some();
    let mut motions = Vec::new();
    for (index, cycle) in course.cycles.iter_mut().enumerate() {
        let stated = match &cycle.registration {
            None => {
                motions.push(None);
                continue;
            }
            Some(StatedRegistration::None) => {
                // an anatomy of its own that lies in the course's frame, or in that of the first cycle
                if (cycle.ct.is_some() || cycle.labels.is_some()) && (anatomy || index > 0) {
                    cycle.transform = Some(Affine::IDENTITY.rows);
                }
                let record = MotionRecord { method: "none", ..MotionRecord::default() };
                motions.push(Some(Settled { record, inputs: Vec::new() }));
                continue;
            }
            Some(stated) => stated,
        };
        let lacking = |field: String, which: &str| {
            UserError::invalid(
                path,
                field,
                "none",
                format!("the CT {which}"),
                "A registration is between the CT of the course and that of the cycle: name both.",
            )
        };
        let fixed = base.as_ref().ok_or_else(|| lacking("ct".to_owned(), "of the course"))?;
        let moving = cycle.ct.as_ref().ok_or_else(|| lacking(format!("cycles[{index}].ct"), "of the cycle"))?;
        let (fixed, moving) = (shelf.ct(&beside(path, fixed))?, shelf.ct(&beside(path, moving))?);
        let name = format!("cycle {}", index + 1);
        let fixed = Image { values: &fixed.image.volume, origin: fixed.image.origin.as_ref(), is_ct: true };
        let moving = Image { values: &moving.image.volume, origin: moving.image.origin.as_ref(), is_ct: true };
        let mut inputs = Vec::new();
        let (map, record) = settled(stated, Path::new(&name), path, &fixed, &moving, &mut inputs, notes)?;
        let Given::Matrix(map) = map else {
            return Err(UserError::invalid(
                path,
                format!("cycles[{index}].registration"),
                "a displacement field",
                "a matrix between the cycles' CTs: a dose is carried from one cycle's frame to the other's as it is",
                "Give a rigid or affine transform here; the images of a cycle's SERIES.toml take a field.",
            ));
        };
        let back = map.inverse().ok_or_else(|| TransformError::Singular.fault().inside(path))?;
        cycle.transform = Some(back.rows);
        motions.push(Some(Settled { record: MotionRecord { image: name, ..record }, inputs }));
    }
    Ok(motions)
}
