//! Checks the cycles of a course against the injections that their images date: no injection counts twice, no stated date
//! contradicts a header.

use crate::clinic::failure::UserError;
use crate::course::file::Course;
use crate::course::input::days_between;
use crate::fault::FaultKind;
use crate::io::dicom::{Moment, same_injection};
use std::path::Path;

/// Refuses a course whose cycles are of one injection, or are dated otherwise than their images; `injections` has one entry
/// per cycle, none where the images date no injection.
pub fn check(path: &Path, course: &Course, injections: &[Option<Moment>]) -> Result<(), UserError> {
    let dated: Vec<(usize, Moment)> =
        injections.iter().enumerate().filter_map(|(n, injection)| Some((n, (*injection)?))).collect();
    for (k, &(n, injection)) in dated.iter().enumerate() {
        for &(other, before) in &dated[..k] {
            let apart_h = match same_injection(before, injection) {
                Ok(false) => continue,
                Ok(true) => 0.0,
                Err(apart_h) => apart_h,
            };
            let found = if apart_h == 0.0 {
                format!("the injection of cycle {} again, as the headers of the images date it", other + 1)
            } else {
                format!("an injection {apart_h:.1} h from that of cycle {}, as the headers date it", other + 1)
            };
            return Err(UserError::invalid(
                path,
                format!("cycles[{}]", n + 1),
                found,
                "an injection of its own",
                "Images of one injection are one cycle: put them into one series. `lutra init course` groups them.",
            )
            .kind(FaultKind::Mismatch));
        }
        let Some(date) = course.cycles[n].date.filter(|date| !injection.is_on(*date)) else { continue };
        let days = days_between(injection.day(), date);
        return Err(UserError::invalid(
            path,
            format!("cycles[{}].date", n + 1),
            format!(
                "{date}, which is {} d {} the injection that the images date",
                days.abs(),
                if days > 0 { "after" } else { "before" }
            ),
            "the day of the injection of these images",
            "Correct the date, or give this cycle its own images.",
        )
        .kind(FaultKind::Mismatch));
    }
    Ok(())
}
