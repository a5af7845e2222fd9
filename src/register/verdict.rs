//! What is refused: a registration that no patient's motion explains, or that its own data contradict.

use super::error::{MOST_APART_MM, MOST_ROTATION_DEG, MOST_SHIFT_MM, RegisterError};
use super::search::Registration;

/// Standard uncertainties within which a displacement is told from none by nothing: 99.9 % of errors along three axes that are
/// alike are shorter than 2.33 of their root mean square, and that is itself known to some 40 %.
const UNMOVED_RESIDUALS: f64 = 3.0;

/// Whether the images agree as well as they lie: what was found is within what remains uncertain of no motion at all.
///
/// Two images of one grid that lie as they should agree best on each other's voxels, where nothing is interpolated: noise, not
/// tissue, then says that a motion of a tenth of a millimetre is worse than none.
pub fn unmoved(found: &Registration) -> bool {
    found.moved_mm <= UNMOVED_RESIDUALS * found.residual_mm
}

/// Refuses a registration that looks wrong, by the first reason found.
pub fn check(found: &Registration) -> Result<(), RegisterError> {
    if found.shift_mm > MOST_SHIFT_MM {
        return Err(RegisterError::TooFar { shift_mm: found.shift_mm });
    }
    if found.rotation_deg > MOST_ROTATION_DEG {
        return Err(RegisterError::TooTurned { rotation_deg: found.rotation_deg });
    }
    if found.likeness_after < found.likeness_before && !unmoved(found) {
        return Err(RegisterError::WorseThanIdentity { identity: found.likeness_before, result: found.likeness_after });
    }
    if found.halves_apart_mm.is_nan() || found.halves_apart_mm > MOST_APART_MM {
        return Err(RegisterError::HalvesApart { apart_mm: found.halves_apart_mm });
    }
    Ok(())
}
