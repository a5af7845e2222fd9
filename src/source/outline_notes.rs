//! Notes on outlines and the image that they divide; `docs/methods/outlines.md` says what to do about each.

use super::concentrations::{Concentrations, GAP};
use super::misfit::{DISPLACED_MM, Misfit, common_growth_mm};
use super::shares::Shares;
use crate::note::Note;
use std::collections::BTreeMap;

/// Variance inflation above which a region is hard to tell from its neighbours (D. W. Marquardt, Technometrics 12
/// (1970) 591: between 5 and 10 at most).
const INFLATED: f64 = 10.0;

/// Names of labels as notes say them: `air` is the label of the air outside all outlines.
pub struct Names<'a> {
    /// Names by label.
    pub names: &'a BTreeMap<u16, String>,
    /// The label that air outside all outlines has in the shares.
    pub air: Option<u16>,
}

impl Names<'_> {
    /// A label in words.
    pub fn of(&self, label: u16) -> String {
        match (label, self.names.get(&label)) {
            _ if Some(label) == self.air => "air outside all outlines".to_owned(),
            (0, _) => "unlabelled".to_owned(),
            (_, Some(name)) => name.clone(),
            (_, None) => format!("label_{label}"),
        }
    }
}

/// Doubts of the outlines themselves: regions that no image of this grid shows apart. None for an image without shared
/// voxels.
pub fn of_shares(shares: &Shares, found: &Concentrations, names: &Names<'_>) -> Vec<Note> {
    let mut notes = Vec::new();
    if shares.mixed().next().is_none() {
        return notes;
    }
    let named = |region: usize| names.of(shares.labels()[region]);
    for set in &found.together {
        let all: Vec<String> = set.iter().map(|&region| named(region)).collect();
        notes.push(
            Note::warning(
                "regions-not-told-apart",
                "they share their image voxels in one proportion, so that no image tells what each holds: they are given \
                 one concentration",
            )
            .at(format!("regions {}", all.join(", "))),
        );
    }
    let whole = shares.whole_voxels();
    let apart = |region: usize| !found.together.iter().any(|set| set.contains(&region));
    let judged = |region: &usize| {
        let label = shares.labels()[*region];
        label != 0 && Some(label) != names.air && apart(*region)
    };
    for region in (0..whole.len()).filter(judged) {
        let place = format!("region {}", named(region));
        if whole[region] == 0 {
            let text = "it fills no image voxel: what it holds is inferred from voxels that it shares";
            notes.push(Note::warning("region-fills-no-voxel", text).at(place));
        } else if found.inflation[region] > INFLATED {
            let text = format!(
                "it shares its image voxels so much that noise is amplified by {:.1}: take its activity with care",
                found.inflation[region].sqrt()
            );
            notes.push(Note::warning("region-hard-to-separate", text).at(place));
        }
    }
    notes
}

/// Whether outlines and image meet at all; else nothing is moved.
pub fn meet(shares: &Shares, amounts: &[f64], names: &Names<'_>) -> bool {
    let outlined = |region: usize| {
        let label = shares.labels()[region];
        label != 0 && Some(label) != names.air
    };
    (0..shares.len()).any(|voxel| {
        let mut any = false;
        shares.at(voxel).each(|region, _| any |= outlined(region));
        any && amounts[voxel] > 0.0
    })
}

/// The note for outlines that hold nothing of the image.
pub fn apart() -> Note {
    Note::warning(
        "outlines-miss-image",
        "no outlined voxel holds anything of the image, so that nothing was moved: check that both are of one frame",
    )
}

/// The note for an estimate that did not reach its criterion.
pub fn unfinished(found: &Concentrations) -> Option<Note> {
    (!found.converged()).then(|| {
        Note::warning(
            "sharing-not-converged",
            format!(
                "after {} steps the regions' means are within {:.1e} of the greatest likelihood per decay; aimed at {GAP:.0e}",
                found.steps, found.gap
            ),
        )
    })
}

/// The notes for outlines that the image contradicts: each that differs from the others, and what all have together.
pub fn of_misfits(misfits: &[Misfit], names: &Names<'_>) -> Vec<Note> {
    let common_mm = common_growth_mm(misfits);
    let doubt = |misfit: &Misfit| {
        let mut doubts = Vec::new();
        if misfit.grown(common_mm) {
            let own_mm = misfit.growth_mm - common_mm;
            let word = if own_mm > 0.0 { "small" } else { "large" };
            let beside = if common_mm == 0.0 { "" } else { " against the other regions" };
            doubts.push(format!("{:.1} +- {:.1} mm too {word}{beside}", own_mm.abs(), misfit.growth_se_mm));
        }
        if misfit.shifted() {
            let [x, y, z] = misfit.shift_mm.map(|mm| format!("{mm:+.1}"));
            let (length, se) = (misfit.shift_length_mm(), misfit.shift_se_mm);
            doubts.push(format!("{length:.1} +- {se:.1} mm off (image against outline, RAS {x} {y} {z} mm)"));
        }
        (!doubts.is_empty()).then(|| {
            let text = format!(
                "the image puts its edge elsewhere: the outline seems {} (edge seen with {:.0} mm FWHM); check outline and \
                 registration",
                doubts.join(" and "),
                misfit.fwhm_mm
            );
            Note::warning("outline-off-image", text).at(format!("region {}", names.of(misfit.label)))
        })
    };
    let mut notes: Vec<Note> = misfits.iter().filter_map(doubt).collect();
    if common_mm.abs() > DISPLACED_MM {
        let side = if common_mm > 0.0 { "outside" } else { "inside" };
        let text = format!(
            "the edges that the image shows lie {:.1} mm {side} the outlines, in the median of {} regions: a reconstruction \
             with resolution modelling narrows edges by 1 to 3 mm; else all are drawn too {}",
            common_mm.abs(),
            misfits.len(),
            if common_mm > 0.0 { "small" } else { "large" }
        );
        notes.push(if common_mm.abs() > 2.0 * DISPLACED_MM {
            Note::warning("outlines-off-together", text)
        } else {
            Note::info("outlines-off-together", text)
        });
    }
    notes
}
