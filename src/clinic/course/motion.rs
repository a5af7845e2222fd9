//! Cycles whose anatomy is brought into the course's frame by a registration.

use crate::clinic::failure::UserError;
use crate::clinic::files::beside;
use crate::clinic::motion::settled;
use crate::clinic::shelf::Shelf;
use crate::clinic::transforms::{Given, Image};
use crate::course::file::Course;
use crate::course::registration::StatedRegistration;
use crate::fault::Explained;
use crate::note::Note;
use crate::place::Place;
use crate::register::TransformError;
use std::path::Path;

/// Gives every cycle whose registration is stated its transform, from the cycle's world to the course's: rigid
/// registration of its CT to the course's, or a file.
///
/// Errors: a cycle or a course without a CT; a transform or a registration that is refused.
pub fn settle(path: &Place, course: &mut Course, shelf: &mut Shelf, notes: &mut Vec<Note>) -> Result<(), UserError> {
    let base = course.ct.clone();
    for (index, cycle) in course.cycles.iter_mut().enumerate() {
        let Some(stated) = cycle.registration.as_ref().filter(|stated| **stated != StatedRegistration::None) else {
            continue;
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
        let (map, _) = settled(stated, Path::new(&name), path, &fixed, &moving, &mut Vec::new(), notes)?;
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
    }
    Ok(())
}
