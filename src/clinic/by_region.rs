//! Regions of a time point that are carried by their own motion.

use super::failure::{OrUserError, UserError};
use super::images::RegionMap;
use super::lying::Lying;
use super::motion::{MotionRecord, RegionRecord, carried, told_loss};
use super::transforms::{Image, settings};
use crate::fault::Explained;
use crate::grid::Volume;
use crate::note::Note;
use crate::place::Place;
use crate::register::agreement::OwnMotion;
use crate::register::by_region;
use crate::source::pieces::{Zone, deal_out_pieces, zones};
use crate::source::regrid::labels_to;

/// Distance around a region that is carried with it, mm: half the width of what SPECT makes of a point.
const ZONE_MARGIN_MM: f64 = 8.0;

/// Why an image's regions cannot be carried by themselves: a displacement field moves every region already.
pub fn no_field(file: &Place, index: usize) -> UserError {
    UserError::invalid(
        file,
        format!("images[{index}].registration.by_region"),
        "regions beside a displacement field",
        "one of them: a field moves each region by itself",
        "Leave by_region out, or give a matrix.",
    )
}

/// The image's activity on the grid of the first, MBq, each region by its own motion; its record is completed, and so are the motions.
///
/// Errors: no regions, or none of a name; a region whose surroundings do not settle its motion.
pub fn bring(
    lying: &mut Lying,
    file: &Place,
    first: &Volume<f64>,
    regions: Option<&RegionMap>,
    record: &mut MotionRecord,
    notes: &mut Vec<Note>,
) -> Result<Volume<f64>, UserError> {
    let labels = wanted(lying, file, regions)?;
    let Some(regions) = regions else { return Ok(lying.activity_mbq.clone()) };
    let [fixed, moving] = [first, &lying.activity_mbq].map(|volume| volume.map(|mbq| mbq as f32));
    let [fixed, moving] = [&fixed, &moving].map(|values| Image { values, origin: None, is_ct: false });
    let wrong = |error: UserError| error.inside(&lying.name);
    let numbers: Vec<u16> = labels.iter().map(|(label, _)| *label).collect();
    let found =
        by_region(fixed.values, moving.values, &regions.labels, &numbers, &lying.common, &settings(&fixed, &moving));
    let found = found.or_user_error().map_err(wrong)?;
    // a motion that was computed of everything was drawn along by what moves by itself; one that is stated stays
    let common = if record.method == "rigid" { found.rest } else { lying.common };
    let (mut all, mut own_motions) = (Vec::new(), Vec::new());
    for (label, name) in &labels {
        let own = found.regions[label].as_ref().map_err(|error| {
            let refused = error.fault().inside(&lying.name);
            refused.then(format!(
                "The surroundings of {name} do not settle its motion: leave it out of by_region, or give the transform."
            ))
        })?;
        notes.push(told(name, own).at(&lying.name));
        all.push(Zone {
            carried: carried(&lying.activity_mbq.grid, &own.moving_from_fixed).map_err(wrong)?,
            number: *label,
        });
        own_motions.push((*label, own.moving_from_fixed));
        record.regions.push(recorded(name, own));
    }
    record.rest_alone(&common, first);
    let on_image = labels_to(&regions.labels, &first.grid).or_user_error()?.volume;
    let map = zones(&on_image, &numbers, ZONE_MARGIN_MM);
    let rest = carried(&lying.activity_mbq.grid, &common).map_err(wrong)?;
    let pieced = deal_out_pieces(&lying.activity_mbq, &rest, &all, &map);
    // the loss by the common motion alone has been told
    record.lost_share = told_loss(&pieced.moved, &lying.name, &mut Vec::new());
    (lying.common, lying.own) = (common, own_motions);
    Ok(pieced.moved.volume)
}

/// The labels and names of the regions that are carried by themselves, in the order of the labels.
fn wanted(lying: &Lying, file: &Place, regions: Option<&RegionMap>) -> Result<Vec<(u16, String)>, UserError> {
    let names = regions.map(|regions| &regions.names);
    let mut all = Vec::new();
    for name in &lying.regions {
        let label = names.into_iter().flatten().find(|(_, n)| *n == name).map(|(label, _)| *label);
        let label = label.ok_or_else(|| {
            let known: Vec<&str> = names.into_iter().flatten().map(|(_, name)| name.as_str()).collect();
            UserError::invalid(
                file,
                format!("images[{}].registration.by_region", lying.index),
                format!("\"{name}\""),
                if known.is_empty() { "names of regions; there are none".to_owned() } else { known.join(", ") },
                "Name regions as label_names or the DICOM object does.",
            )
        })?;
        all.push((label, name.clone()));
    }
    all.sort();
    Ok(all)
}

fn told(name: &str, own: &OwnMotion) -> Note {
    let [x, y, z] = own.displacement_mm;
    Note::info(
        "region-moved",
        format!(
            "{name} moved by {x:.1}, {y:.1}, {z:.1} mm (right, front, head), {:.1} mm beside the rest; halves of its data \
             {:.1} mm apart, {:.1} mm remain uncertain",
            own.from_common_mm, own.halves_apart_mm, own.residual_mm
        ),
    )
}

fn recorded(name: &str, own: &OwnMotion) -> RegionRecord {
    RegionRecord {
        region: name.to_owned(),
        moving_from_fixed_ras_mm: own.moving_from_fixed.to_4x4(),
        displacement_mm: own.displacement_mm,
        from_common_mm: own.from_common_mm,
        halves_apart_mm: own.halves_apart_mm,
        residual_mm: own.residual_mm,
    }
}
