//! `lutra inspect`: what is in a file or folder, what Lutra would use of it, and every doubt.

use super::failure::OrUserError;
use super::options::{option, said};
use super::printer;
use crate::clinic::failure::Failure;
use crate::clinic::inspection::{of_folder, of_nifti};
use crate::clinic::request::InspectRequest;
use crate::clinic::survey::{no_dicom, survey_with_cycles};
use crate::io::dicom;
use crate::place::Place;

/// Runs `lutra inspect`.
pub(super) fn run(request: &InspectRequest) -> Result<(), Failure> {
    if dicom::is_dicom(&request.path) {
        let found = match dicom::inspect(&request.path, &request.options) {
            Err(error) if no_dicom(&error) && folder(&request.path)? => return Ok(()),
            other => other.or_user_error()?.shown(option),
        };
        printer::record(&found)?;
        printer::data(&found.to_string());
        return Ok(());
    }
    let found = of_nifti(&request.path)?;
    printer::record(&found.record(&request.path))?;
    let mut lines = vec![
        format!("{}: NIfTI, {} values", request.path.display(), found.stored_as),
        format!("    {}", found.grid.describe()),
        format!(
            "    values {} to {}; no field of a NIfTI header states a unit or a time{}",
            found.lowest,
            found.highest,
            found.described.behind()
        ),
    ];
    lines.extend(found.doubts.iter().map(|doubt| format!("    doubt: {doubt}")));
    printer::data(&(lines.join("\n") + "\n"));
    Ok(())
}

/// Says what the NIfTI files of a folder seem to be; false where there is none.
fn folder(path: &Place) -> Result<bool, Failure> {
    let found = survey_with_cycles(path)?;
    if found.images.is_empty() && found.left.is_empty() {
        return Ok(false);
    }
    let mut text = String::new();
    for image in &found.images {
        text.push_str(&format!("{}: {}\n    {}\n", image.path.display(), image.role.name(), image.why));
        image.doubts.iter().for_each(|doubt| text.push_str(&format!("    doubt: {doubt}\n")));
    }
    for names in &found.names {
        let list: Vec<String> = names.names.iter().map(|(label, name)| format!("{label} {name}")).collect();
        text.push_str(&format!("{}: label names\n    {}\n", names.path.display(), list.join(", ")));
    }
    found.left.iter().for_each(|reason| text.push_str(&format!("not used: {}\n", said(reason))));
    printer::record(&of_folder(&found, said))?;
    printer::data(&text);
    Ok(true)
}
