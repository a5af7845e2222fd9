//! The self-doses, with what moves them.

use super::file::{ActivityIn, BloodSection, ImageSection};
use super::run_folder::{Row, RunFolder};
use crate::budget::{Part, Source, of_decay_data};
use crate::clinic::failure::{OrUserError, UserError};
use crate::marrow::{BloodCurve, Cause, Moved, blood_curve, blood_self_dose_gy, self_dose_gy};

/// A self-dose.
pub(super) struct SelfTerm {
    /// Gy.
    pub(super) dose_gy: f64,
    /// What moves it.
    pub(super) moved: Vec<Moved>,
    /// Mass of the red marrow, g, where it is known.
    pub(super) red_marrow_g: Option<f64>,
    /// The curve of blood that it is of.
    pub(super) blood: Option<BloodCurve>,
    /// What of it is not assessed, in words.
    pub(super) holes: Vec<String>,
}

/// By the activity of regions of spongiosa.
pub(super) fn of_regions(section: &ImageSection, run: &RunFolder, rows: &[&Row]) -> SelfTerm {
    let volume_ml: f64 = rows.iter().map(|row| row.volume_ml).sum();
    let composition = section.composition();
    let red_marrow_g = composition.as_ref().map(|composition| composition.red_marrow_g(volume_ml));
    let in_marrow = section.activity_in == ActivityIn::RedMarrow;
    let absorbed = section.absorbed_fraction.as_ref();
    let term_gy = |row: &Row| match (in_marrow, red_marrow_g, absorbed) {
        (true, Some(mass_g), Some(absorbed)) => {
            let kev = run.nuclide.electron_energy_kev_per_decay();
            self_dose_gy(row.tia_mbq_h(), kev, absorbed.value, mass_g)
        }
        // the transport's electrons in the spongiosa as one tissue
        _ => row.dose_electron_gy * row.volume_ml / volume_ml,
    };
    let mut moved = Vec::new();
    for row in rows {
        let own = run.parts(&row.name).iter().filter(|part| moves_self(part, in_marrow));
        moved
            .extend(own.map(|part| Moved::by_part(part, &row.name, part.on_activity + part.on_response, term_gy(row))));
    }
    let dose_gy: f64 = rows.iter().map(|row| term_gy(row)).sum();
    if in_marrow {
        let shares = composition.map_or([0.0; 2], |composition| composition.mass_rel_sigmas());
        moved.push(Moved::by(Cause::TrabecularBone, shares[0], dose_gy));
        moved.push(Moved::by(Cause::Cellularity, -shares[1], dose_gy));
        moved.extend(absorbed.map(|absorbed| Moved::by(Cause::AbsorbedFraction, absorbed.rel_sigma, dose_gy)));
    }
    moved.push(Moved::by_part(&of_decay_data(), "", 1.0, dose_gy));
    SelfTerm { dose_gy, moved, red_marrow_g, blood: None, holes: Vec::new() }
}

/// Mass from CT moves the spongiosa's dose, not that of a marrow whose mass is stated; nuclide and transport are counted once,
/// elsewhere.
fn moves_self(part: &Part, in_marrow: bool) -> bool {
    match part.source {
        Source::Mass => !in_marrow,
        Source::Decay | Source::Transport => false,
        _ => true,
    }
}

/// By blood; `place` names its section.
///
/// Errors: as [`blood_curve`].
pub(super) fn of_blood(section: &BloodSection, run: &RunFolder, place: &str) -> Result<SelfTerm, UserError> {
    let curve = blood_curve(&section.points, section.model, run.nuclide.half_life_h, place).or_user_error()?;
    let kev = run.nuclide.electron_energy_kev_per_decay();
    let (ratio, absorbed) = (&section.marrow_to_blood_ratio, &section.absorbed_fraction);
    let dose_gy = blood_self_dose_gy(curve.mbq_h_per_ml, ratio.value, kev, absorbed.value);
    let mut moved = vec![
        Moved::by(Cause::Ratio, ratio.rel_sigma, dose_gy),
        Moved::by(Cause::AbsorbedFraction, absorbed.rel_sigma, dose_gy),
        Moved::by_part(&of_decay_data(), "", 1.0, dose_gy),
    ];
    let mut holes = Vec::new();
    for (cause, size) in [(Cause::BloodCurve, curve.rel_sigma), (Cause::BloodCalibration, section.systematic_error)] {
        match size {
            Some(rel_sigma) => moved.push(Moved::by(cause, rel_sigma, dose_gy)),
            None => holes.push(cause.words().to_owned()),
        }
    }
    Ok(SelfTerm { dose_gy, moved, red_marrow_g: None, blood: Some(curve), holes })
}
