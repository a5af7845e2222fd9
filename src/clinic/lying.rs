//! Images that lie elsewhere than the first of their series: where they lie, and how they come from there.
//!
//! An image is corrected for partial volume where it was taken, by outlines that its motions have brought there, and then carried: what a
//! region's neighbours spill into it is theirs as they lie in that image.

use super::failure::{OrUserError, UserError};
use super::motion::carried;
use super::partial_volume::{OnImage, Record, correct};
use crate::course::tia::ActivityImage;
use crate::grid::{Volume, VoxelGrid};
use crate::quantify::regions::{Region, Regions};
use crate::quantify::settings::PartialVolume;
use crate::register::Affine;
use crate::source::carried_parts::{Part, carry};
use crate::source::moved_shares::MovedShares;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// An image where it lies, with its motions from the first image's frame to its own.
pub struct Lying {
    /// Its place among the images.
    pub index: usize,
    /// Its name.
    pub name: PathBuf,
    /// Its activity, MBq.
    pub activity_mbq: Volume<f64>,
    /// The common motion.
    pub common: Affine,
    /// Names of the regions that move by themselves; their motions are known only when the image is integrated.
    pub regions: Vec<String>,
    /// Motions of these, by label, once they are known.
    pub own: Vec<(u16, Affine)>,
}

impl Lying {
    /// An image that lies elsewhere, or has regions that do; none for one that lies as the first, or whose motion is not rigid: that is
    /// corrected in the first image's frame.
    pub fn of(
        index: usize,
        name: PathBuf,
        activity_mbq: Volume<f64>,
        common: Affine,
        regions: Vec<String>,
    ) -> Option<Self> {
        let moves = common != Affine::IDENTITY && common.require_rigid().is_ok();
        (moves || !regions.is_empty()).then_some(Self { index, name, activity_mbq, common, regions, own: Vec::new() })
    }

    /// The motion of a region.
    fn motion(&self, label: u16) -> &Affine {
        self.own.iter().find(|(own, _)| *own == label).map_or(&self.common, |(_, motion)| motion)
    }

    /// The shares of the image's voxels in the regions where they lie.
    fn shares(&self, labels: &Volume<u16>) -> Result<MovedShares, UserError> {
        let grid = |motion: &Affine| {
            let affine = motion.after(&Affine { rows: labels.grid.affine }).rows;
            VoxelGrid::from_affine(labels.grid.dims, affine).or_user_error()
        };
        let own = self.own.iter().map(|(label, motion)| Ok((*label, grid(motion)?)));
        let own = own.collect::<Result<Vec<_>, UserError>>()?;
        let shares = MovedShares::of(labels, &self.activity_mbq.grid, &grid(&self.common)?, &own);
        shares.or_user_error().map_err(|error| error.inside(&self.name))
    }

    /// The corrected image on the grid of the first, each region's part by its own motion; `there` are the regions where they lie, `here`
    /// where they were drawn.
    fn carry(&self, there: &Regions, here: &Regions, parts: &[Vec<f64>]) -> Result<Volume<f64>, UserError> {
        let mut values = Volume::filled(here.grid.clone(), 0.0);
        let mut labels: Vec<u16> = there.list.iter().map(|region| region.label).collect();
        labels.sort_unstable();
        labels.dedup();
        for label in labels {
            let of_label = |regions: &'_ Regions| -> Vec<f64> {
                let of: Vec<&Region> = regions.list.iter().filter(|region| region.label == label).collect();
                whole(&regions.grid, of.into_iter().flat_map(Region::each))
            };
            let amounts = there.list.iter().zip(parts).filter(|(region, _)| region.label == label);
            let amounts = amounts.flat_map(|(region, part)| {
                region.each().zip(part).map(|((voxel, _), value)| (voxel, *value)).collect::<Vec<_>>()
            });
            let part = Part {
                carried: carried(&there.grid, self.motion(label)).map_err(|error| error.inside(&self.name))?,
                amounts: whole(&there.grid, amounts),
                shares: &of_label(there),
                drawn: &of_label(here),
            };
            // what falls outside has been told of the image as measured
            let _outside_mbq = carry(part, &here.grid, &mut values.data);
        }
        Ok(values)
    }
}

/// Values of some voxels in all of them; those of one voxel are added.
fn whole(grid: &VoxelGrid, some: impl Iterator<Item = (usize, f64)>) -> Vec<f64> {
    let mut all = vec![0.0; grid.len()];
    some.for_each(|(voxel, value)| all[voxel] += value);
    all
}

/// Corrects the images of a series, in the first one's frame, in place: those that lie elsewhere there, by `labels` as they lie in each.
///
/// Errors: those of [`correct`]; a region that an image does not reach.
pub fn corrected(
    drawn: &OnImage,
    labels: Option<&Volume<u16>>,
    lying: &[Lying],
    settings: &PartialVolume,
    images: &mut [ActivityImage],
    doubted: &BTreeMap<u16, String>,
) -> Result<Record, UserError> {
    let Some(labels) = labels else { return Ok(correct(&vec![drawn; images.len()], settings, images, doubted)?.0) };
    let there: Vec<OnImage> = lying
        .iter()
        .map(|one| {
            let moved = drawn.moved(&one.shares(labels)?, &one.activity_mbq.grid);
            moved.map_err(|error| error.inside(&one.name))
        })
        .collect::<Result<_, UserError>>()?;
    let mut on = vec![drawn; images.len()];
    for (one, there) in lying.iter().zip(&there) {
        on[one.index] = there;
        images[one.index].activity_mbq = one.activity_mbq.clone();
    }
    let (record, parts) = correct(&on, settings, images, doubted)?;
    for (one, there) in lying.iter().zip(&there) {
        images[one.index].activity_mbq = one.carry(there.regions(), drawn.regions(), &parts[one.index])?;
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clinic::images::RegionMap;
    use crate::quantify::psf::Psf;
    use crate::quantify::settings::Section;
    use crate::source::Shares;
    use crate::source::moved::deal_out;
    use crate::source::pieces::{Zone, deal_out_pieces, zones};
    use crate::source::regrid::labels_to;

    const KIDNEY: u16 = 2;
    const LIVER: u16 = 3;
    const UP_MM: f64 = 13.0;

    fn fine() -> VoxelGrid {
        VoxelGrid::axis_aligned([60, 60, 70], [2.4; 3], [1.2; 3])
    }

    fn image_grid() -> VoxelGrid {
        VoxelGrid::axis_aligned([30, 30, 35], [4.8; 3], [2.4; 3])
    }

    /// A kidney under a liver, moved towards it.
    fn drawn(up_mm: f64) -> Volume<u16> {
        let grid = fine();
        let label = |n: usize| {
            let at = grid.world_mm(grid.voxel(n).map(|v| v as f64));
            let inside = |middle: [f64; 3], half: [f64; 3]| {
                (0..3).map(|axis| ((at[axis] - middle[axis]) / half[axis]).powi(2)).sum::<f64>() < 1.0
            };
            match () {
                () if inside([80.0, 60.0, 60.0 + up_mm], [24.0, 26.0, 38.0]) => KIDNEY,
                () if inside([70.0, 90.0, 128.0], [56.0, 46.0, 34.0]) => LIVER,
                () => 0,
            }
        };
        Volume { data: (0..grid.len()).map(label).collect(), grid }
    }

    /// MBq a voxel, seen through 9 mm.
    fn seen(labels: &Volume<u16>) -> Volume<f64> {
        let shares = Shares::of(labels, &image_grid()).expect("grids overlap");
        let mut sharp = vec![0.0; image_grid().len()];
        for (number, &label) in shares.labels().iter().enumerate() {
            let mbq = [0.02, 0.0, 1.0, 0.5][usize::from(label)];
            sharp.iter_mut().zip(shares.fractions(number)).for_each(|(sum, share)| *sum += mbq * share);
        }
        let data = Psf::isotropic("", 9.0).expect("a width").blur(&image_grid(), &sharp);
        Volume { grid: image_grid(), data }
    }

    fn images(second: Volume<f64>) -> Vec<ActivityImage> {
        let image = |time_h: f64, activity_mbq| ActivityImage {
            name: format!("{time_h} h"),
            time_h,
            activity_mbq,
            rel_sigma: None,
        };
        vec![image(24.0, seen(&drawn(0.0))), image(72.0, second)]
    }

    /// What the kidney holds in both images, over the truth, and the width found; `lying` says where the second one lies.
    fn kidney(lying: &[Lying], second: Volume<f64>) -> ([f64; 2], f64) {
        let map = RegionMap {
            labels: drawn(0.0),
            names: BTreeMap::from([(KIDNEY, "kidney".to_owned()), (LIVER, "liver".to_owned())]),
            inputs: Vec::new(),
        };
        let on = OnImage::of("SERIES.toml", Some(&map), &image_grid()).expect("regions");
        let section: Section = toml::from_str("method = \"likelihood\"").expect("a section");
        let settings = PartialVolume::of(&section, None, None).expect("usable").expect("a method");
        let mut images = images(second);
        let labels = map.labels.clone();
        let record = corrected(&on, Some(&labels), lying, &settings, &mut images, &BTreeMap::new()).expect("corrected");
        let shares = Shares::of(&labels, &image_grid()).expect("grids overlap");
        let number = shares.labels().iter().position(|label| *label == KIDNEY).expect("the kidney");
        let truth = shares.fractions(number).iter().sum::<f64>();
        let held = [0, 1].map(|n| {
            let found = crate::source::concentrations::Concentrations::of(&images[n].activity_mbq.data, &shares);
            found.means[number] * shares.volumes()[number] / truth
        });
        (held, record.fwhm_mm[0])
    }

    fn lies(activity_mbq: Volume<f64>) -> Lying {
        let own = vec![(KIDNEY, Affine::shift([0.0, 0.0, UP_MM]))];
        let (name, regions) = (PathBuf::from("72 h"), vec!["kidney".to_owned()]);
        Lying { index: 1, name, activity_mbq, common: Affine::IDENTITY, regions, own }
    }

    /// A kidney that has come nearer to the liver takes up more of what the camera spreads of it: that is the liver's in the image in
    /// which it is so.
    #[test]
    fn law_an_image_is_corrected_where_it_lies() {
        let second = seen(&drawn(UP_MM));
        let (held, fwhm_mm) = kidney(&[lies(second.clone())], second);
        assert!(held.iter().all(|of_truth| (of_truth - 1.0).abs() < 0.005), "{held:?}");
        assert!((fwhm_mm - 9.0).abs() < 0.1, "{fwhm_mm}");
    }

    /// The alarm of the law above: carried first and corrected where the regions were drawn, the spill is not the liver's.
    #[test]
    fn alarm_an_image_that_is_carried_before_it_is_corrected_rings() {
        let there = seen(&drawn(UP_MM));
        let labels = labels_to(&drawn(0.0), &image_grid()).expect("grids overlap").volume;
        let carried = carried(&image_grid(), &Affine::shift([0.0, 0.0, UP_MM])).expect("rigid");
        let zone = [Zone { carried, number: KIDNEY }];
        let moved = deal_out_pieces(&there, &image_grid(), &zone, &zones(&labels, &[KIDNEY], 8.0)).moved.volume;
        let ([first, second], _) = kidney(&[], moved);
        assert!((second - first).abs() > 0.01, "{first} {second}");
    }

    /// An image that was moved as a whole and one that was not hold the same.
    #[test]
    fn law_a_common_motion_is_followed() {
        let way = Affine::shift([3.1, -2.2, 6.3]);
        let grid = carried(&image_grid(), &way.inverse().expect("a way back")).expect("rigid");
        let there = Volume { grid, data: seen(&drawn(0.0)).data };
        let one = Lying::of(1, PathBuf::from("72 h"), there.clone(), way, Vec::new()).expect("it moves");
        let brought = deal_out(&seen(&drawn(0.0)), &image_grid()).volume;
        let (held, _) = kidney(&[one], brought);
        assert!(held.iter().all(|of_truth| (of_truth - 1.0).abs() < 0.005), "{held:?}");
        assert!(Lying::of(1, PathBuf::new(), there, Affine::IDENTITY, Vec::new()).is_none());
    }
}
