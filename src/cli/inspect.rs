//! `lutra inspect`: what is in a file or folder, what Lutra would use of it, and every doubt.

use super::args::InspectRequest;
use super::failure::{Failure, OrUserError};
use super::printer;
use crate::io::{dicom, nifti};

/// Runs `lutra inspect`.
pub(super) fn run(request: &InspectRequest) -> Result<(), Failure> {
    if dicom::is_dicom(&request.path) {
        let found = dicom::inspect(&request.path, &request.options).or_user_error()?;
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
        doubts.push(format!("{} values NaN or infinite", image.nonfinite));
    }
    doubts.extend(header.notes.iter().cloned());
    printer::record(&serde_json::json!({
        "path": request.path,
        "format": "NIfTI",
        "stored_as": format!("{:?}", header.scalar),
        "dims": header.grid.dims,
        "spacing_mm": header.grid.spacing_mm,
        "affine": header.grid.affine,
        "lowest": low,
        "highest": high,
        "doubts": doubts,
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
