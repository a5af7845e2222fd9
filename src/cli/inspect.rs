//! `lutra inspect`: what is in a file or folder, what Lutra would use of it, and every doubt.

use super::failure::OrUserError;
use super::options::{option, said};
use super::printer::{self, shown};
use crate::clinic::failure::Failure;
use crate::clinic::request::InspectRequest;
use crate::clinic::survey::{Reach, no_dicom, survey};
use crate::io::{dicom, nifti};
use crate::note::{Note, sentences};
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
    let image = nifti::read_image::<f64>(&request.path).or_user_error()?;
    let header = &image.header;
    let finite = image.volume.data.iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    let mut doubts = Vec::new();
    if image.nonfinite > 0 {
        doubts.push(Note::warning("not-finite", format!("{} values NaN or infinite", image.nonfinite)));
    }
    doubts.extend(header.notes.iter().cloned());
    printer::record(&serde_json::json!({
        "path": shown(request.path.path()),
        "format": "NIfTI",
        "stored_as": format!("{:?}", header.scalar),
        "dims": header.grid.dims,
        "spacing_mm": header.grid.spacing_mm,
        "affine": header.grid.affine,
        "lowest": low,
        "highest": high,
        "doubts": sentences(&doubts),
        "notes": doubts,
    }))?;
    let mut lines = vec![
        format!("{}: NIfTI, {:?} values", request.path.display(), header.scalar),
        format!("    {}", header.grid.describe()),
        format!("    values {low} to {high}; a NIfTI file states no unit and no time"),
    ];
    lines.extend(doubts.iter().map(|doubt| format!("    doubt: {doubt}")));
    printer::data(&(lines.join("\n") + "\n"));
    Ok(())
}

/// Says what the NIfTI files of a folder seem to be; false where there is none.
fn folder(path: &Place) -> Result<bool, Failure> {
    let found = survey(path, Reach::Below)?;
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
    printer::record(&serde_json::json!({
        "images": found.images.iter().map(|image| serde_json::json!({
            "path": shown(image.path.path()), "role": image.role.name(), "why": image.why,
            "doubts": sentences(&image.doubts), "notes": image.doubts,
        })).collect::<Vec<_>>(),
        "label_names": found.names.iter().map(|names| shown(names.path.path())).collect::<Vec<_>>(),
        "not_used": found.left.iter().map(said).collect::<Vec<_>>(),
    }))?;
    printer::data(&text);
    Ok(true)
}
