//! What is refused: a registration that no patient's motion explains, or that its own data contradict.

use super::error::{MOST_APART_MM, MOST_ROTATION_DEG, MOST_SHIFT_MM, RegisterError};
use super::search::Registration;

/// Refuses a registration that looks wrong, by the first reason found.
pub fn check(found: &Registration) -> Result<(), RegisterError> {
    if found.shift_mm > MOST_SHIFT_MM {
        return Err(RegisterError::TooFar { shift_mm: found.shift_mm });
    }
    if found.rotation_deg > MOST_ROTATION_DEG {
        return Err(RegisterError::TooTurned { rotation_deg: found.rotation_deg });
    }
    if found.likeness_after < found.likeness_before {
        return Err(RegisterError::WorseThanIdentity { identity: found.likeness_before, result: found.likeness_after });
    }
    if found.halves_apart_mm.is_nan() || found.halves_apart_mm > MOST_APART_MM {
        return Err(RegisterError::HalvesApart { apart_mm: found.halves_apart_mm });
    }
    Ok(())
}
