//! Whether a course is of one nuclide: that of its cycles, and that of the population behind its protocol.

use crate::clinic::failure::{OrUserError, UserError};
use crate::clinic::files::named_nuclide;
use crate::clinic::series::OpenSeries;
use crate::course::decision::{Gate, GateKind};
use crate::course::file::{Course, CycleContent};
use crate::course::protocol::Protocol;
use crate::decay::Nuclide;
use crate::io::dicom::Isotope;
use crate::place::Place;

/// A nuclide as it is compared: element and mass, or the name where that says neither.
fn known(place: &Place) -> Result<String, UserError> {
    let name = Nuclide::load(place).or_user_error()?.name;
    Ok(Isotope::all_in(&name).first().map_or(name, Isotope::to_string))
}

/// Reasons to hold: a series of another nuclide than the course's, and a course of another than its protocol's. `base` is the
/// file that names are beside. A course that states none is of the one that all its cycles state.
pub fn gates(
    base: &Place,
    course: &Course,
    protocol: &Protocol,
    series: &[Option<OpenSeries>],
) -> Result<Vec<Gate>, UserError> {
    let mut own = known(&named_nuclide(base, &course.nuclide))?;
    let mut by_cycle = Vec::new();
    for (cycle, opened) in course.cycles.iter().zip(series) {
        by_cycle.push(match (&cycle.content, opened) {
            (CycleContent::Series(_), Some(opened)) => known(opened.nuclide())?,
            _ => own.clone(),
        });
    }
    if let Some(first) = by_cycle.first().filter(|_| !course.nuclide_stated)
        && by_cycle.iter().all(|other| other == first)
    {
        own.clone_from(first);
    }
    let mut gates = Vec::new();
    for (number, other) in (1..).zip(&by_cycle).filter(|(_, other)| **other != own) {
        let stated = if course.nuclide_stated { "as COURSE.toml states" } else { "which states none" };
        let reason =
            format!("cycle {number}: its series is of {other}, the course of {own} ({stated}): check the nuclide");
        gates.push(Gate::new(GateKind::Nuclide, reason));
    }
    if let Some(of_protocol) = &protocol.nuclide {
        let wanted = known(&of_protocol.as_str().into())?;
        if wanted != own {
            let reason = format!(
                "the course is of {own}, protocol `{}` and the population behind it of {wanted}: check the nuclide",
                protocol.id
            );
            gates.push(Gate::new(GateKind::Nuclide, reason));
        }
    }
    Ok(gates)
}
