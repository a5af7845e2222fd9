//! Outlines over an image: labels with the surrounding air as a region of its own, and notes on how the two fit.

use super::failure::{OrUserError, UserError};
use super::notes::Listener;
use crate::course::names::standard;
use crate::course::tia::ActivityImage;
use crate::dose::AIR_LIMIT_G_CM3;
use crate::grid::{Volume, VoxelGrid};
use crate::materials::hu_curve::HuCalibration;
use crate::note::{Note, Severity};
use crate::source::concentrations::Concentrations;
use crate::source::misfit::{Misfit, misfits};
use crate::source::misfit_series::{doubted, together};
use crate::source::outline_notes::{Names, apart, meet, of_misfits, of_shares, unfinished};
use crate::source::regrid::average_to;
use crate::source::shares::Shares;
use std::collections::BTreeMap;

/// Outlines on their own grid, with the air outside them apart from tissue outside them.
pub(super) struct Outlines {
    /// Labels; air outside all outlines has one of its own.
    pub(super) labels: Volume<u16>,
    /// That label, where there is such air and a label is free.
    pub(super) air: Option<u16>,
}

/// Tells notes: a warning goes to the record, what is worth knowing is said.
pub(super) fn tell(notes: Vec<Note>, warnings: &mut Vec<Note>, hear: &mut dyn Listener) {
    for note in notes {
        if note.severity == Severity::Warning { warnings.push(note) } else { hear.note(note) }
    }
}

impl Outlines {
    /// Outlines where nothing is known of matter.
    pub(super) fn alone(labels: Volume<u16>) -> Self {
        Self { labels, air: None }
    }

    /// Outlines over matter of this density on the same grid.
    pub(super) fn in_matter(labels: &[u16], grid: &VoxelGrid, density_g_cm3: &[f32]) -> Self {
        let is_air = |n: usize| labels[n] == 0 && f64::from(density_g_cm3[n]) < AIR_LIMIT_G_CM3;
        Self::with_air(Volume { grid: grid.clone(), data: labels.to_vec() }, is_air)
    }

    /// Outlines over a CT, HU, on any grid.
    ///
    /// Errors: a CT that does not reach the outlines' grid.
    pub(super) fn in_ct(labels: &Volume<u16>, ct_hu: &Volume<f32>) -> Result<Self, UserError> {
        // beyond the CT lies what belongs to no body
        let hu = average_to(ct_hu, &labels.grid, -1000.0).or_user_error()?.volume.data;
        let calibration = HuCalibration::schneider2000();
        let is_air = |n: usize| labels.data[n] == 0 && calibration.density_g_cm3(f64::from(hu[n])) < AIR_LIMIT_G_CM3;
        Ok(Self::with_air(labels.clone(), is_air))
    }

    fn with_air(mut labels: Volume<u16>, is_air: impl Fn(usize) -> bool) -> Self {
        let mut used = vec![false; 1 << 16];
        labels.data.iter().for_each(|&label| used[usize::from(label)] = true);
        let Some(air) = (1..=u16::MAX).rev().find(|&label| !used[usize::from(label)]) else {
            return Self::alone(labels);
        };
        let mut any = false;
        for n in 0..labels.data.len() {
            if is_air(n) {
                labels.data[n] = air;
                any = true;
            }
        }
        Self { labels, air: any.then_some(air) }
    }

    /// What there is to tell of the outlines and an image's amounts. `first` is false for the later images of a series,
    /// which share the outlines' own doubts with the first; `image` is its name among several. Where the edges were `judged`
    /// already they are not again.
    pub(super) fn doubts(
        &self,
        amounts: &Volume<f64>,
        shares: &Shares,
        found: &Concentrations,
        names: &BTreeMap<u16, String>,
        (first, image): (bool, Option<&str>),
        judged: bool,
    ) -> Vec<Note> {
        let names = Names { names, air: self.air };
        let of_image = |note: Note| match image {
            Some(image) => note.at(image),
            None => note,
        };
        if !meet(shares, &amounts.data, &names) {
            return vec![of_image(apart())];
        }
        let mut notes = if first { of_shares(shares, found, &names) } else { Vec::new() };
        notes.extend(unfinished(found).map(of_image));
        if !judged && !self.labels.grid.same_as(&amounts.grid) {
            let free: Vec<u16> = [0].into_iter().chain(self.air).collect();
            let seen = misfits(amounts, &self.labels, shares, &found.means, &free, &rimmed(names.names));
            notes.extend(of_misfits(&seen, &names).into_iter().map(of_image));
        }
        notes
    }

    /// Which outlines the images of a series contradict, before the images are corrected by them.
    ///
    /// Errors: grids that do not overlap.
    pub(super) fn judged(&self, images: &[ActivityImage], names: &BTreeMap<u16, String>) -> Result<Judged, UserError> {
        let mut judged = Judged { notes: Vec::new(), doubted: BTreeMap::new(), seen: Vec::new() };
        let Some(first) = images.first() else { return Ok(judged) };
        if self.labels.grid.same_as(&first.activity_mbq.grid) {
            return Ok(judged);
        }
        let shares = Shares::of(&self.labels, &first.activity_mbq.grid).or_user_error()?;
        let free: Vec<u16> = [0].into_iter().chain(self.air).collect();
        let shown = Names { names, air: self.air };
        for image in images {
            let found = Concentrations::of(&image.activity_mbq.data, &shares);
            let seen = misfits(&image.activity_mbq, &self.labels, &shares, &found.means, &free, &rimmed(names));
            judged.notes.extend(of_misfits(&seen, &shown).into_iter().map(|note| note.at(&image.name)));
            judged.seen.push(seen);
        }
        let series = together(&judged.seen);
        let drawn = shares.labels().iter().copied().filter(|label| !free.contains(label));
        judged.doubted = doubted(&series, drawn);
        for one in series.iter().filter(|one| one.too_small().is_none()) {
            if let Some(reason) = one.too_large_or_aside() {
                let text =
                    format!("{reason}: its partial-volume correction falls short; check outline and registration");
                judged
                    .notes
                    .push(Note::warning("outline-off-image", text).at(format!("region {}", shown.of(one.label))));
            }
        }
        Ok(judged)
    }
}

/// Labels of organs whose rim may be hotter than their core: kidneys, whole ones by any name that the table of names holds.
fn rimmed(names: &BTreeMap<u16, String>) -> Vec<u16> {
    let kidney = |name: &str| standard(name).is_some_and(|standard| standard.starts_with("kidney"));
    names.iter().filter(|(_, name)| kidney(name)).map(|(&label, _)| label).collect()
}

/// What the images of a series say of its outlines.
pub(super) struct Judged {
    /// The notes.
    pub(super) notes: Vec<Note>,
    /// Labels that the images contradict together, with the reason.
    pub(super) doubted: BTreeMap<u16, String>,
    /// The edges as each image shows them.
    pub(super) seen: Vec<Vec<Misfit>>,
}
