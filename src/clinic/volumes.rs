//! Volumes of interest from the images: isocontours and small spheres, their curves, and a dose by mass-scaled S values.
//!
//! They are what many clinics report, beside what Lutra transports: where activity is comes from the image, how much tissue there
//! is from the CT's outline. The images are taken as they are, without partial-volume correction.
//!
//! Chain `rudisile-2019` (C. Rudisile et al., BMC Cancer 19 (2019) 788): voxels of at least 30 % of the region's maximum,
//! mono-exponential, the half-life of an earlier cycle below three scans, S values scaled to the mass of the CT's outline.

use super::failure::{OrUserError, UserError};
use super::images::RegionMap;
use crate::course::series::{Voi, VolumeOfInterest};
use crate::course::single_time_point::SingleTimePoint;
use crate::course::tia::{ActivityImage, EarlierHalfLife};
use crate::course::time_activity::{ActivityPoint, ErrorModel, Model, TimeIntegral, integrate_model};
use crate::decay::Nuclide;
use crate::fault::FaultKind;
use crate::grid::Volume;
use crate::materials::hu_curve::HuCalibration;
use crate::place::Place;
use crate::quantify::isocontour::{isocontour, small_spheres};
use crate::source::Shares;
use crate::source::regrid::average_to;
use crate::svalues::MGY_PER_MBQ_S_PER_KEV_G;
use crate::svalues::organ::{MassScaling, OrganInput, OrganTable};
use serde::Serialize;
use std::collections::BTreeMap;

/// Share of an image voxel from which on it belongs to an outline here: the majority.
const MAJORITY: f64 = 0.5;
/// Scans below which the chain takes the half-life of an earlier cycle.
const SCANS_FOR_A_FIT: usize = 3;

/// A volume in one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// The image.
    pub image: String,
    /// Mid-scan time, h.
    pub time_h: f64,
    /// Maximum that the contour is a share of, MBq/mL; the greatest mean of the spheres.
    pub maximum_mbq_ml: f64,
    /// Volume of contour or spheres, mL.
    pub volume_ml: f64,
    /// Activity of the region by it, MBq: in the contour, or the spheres' concentration times the outline's volume.
    pub activity_mbq: f64,
}

/// What a volume of interest gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The region.
    pub region: String,
    /// The chain it belongs to, where it is part of one.
    pub chain: Option<String>,
    /// How it was found.
    pub volume: Voi,
    /// Its images.
    pub images: Vec<Seen>,
    /// Method of the integral.
    pub method: String,
    /// Effective half-life, h.
    pub effective_half_life_h: f64,
    /// Time-integrated activity, MBq h.
    pub tia_mbq_h: f64,
    /// Volume of the CT's outline, mL.
    pub outline_ml: f64,
    /// Mass of the CT's outline, g.
    pub mass_g: f64,
    /// Where the S value is from.
    pub s_value: String,
    /// S value scaled to the mass, mGy/(MBq s).
    pub s_mgy_per_mbq_s: f64,
    /// Self dose, Gy.
    pub dose_gy: f64,
}

/// What the volumes are measured in.
pub(super) struct From<'a> {
    /// What messages call the series.
    pub(super) name: &'a Place,
    /// The images as measured.
    pub(super) images: &'a [ActivityImage],
    /// The outlines.
    pub(super) regions: Option<&'a RegionMap>,
    /// The CT, HU.
    pub(super) ct_hu: Option<&'a Volume<f32>>,
    /// Half-lives of earlier cycles.
    pub(super) earlier: &'a BTreeMap<String, EarlierHalfLife>,
    /// The nuclide.
    pub(super) nuclide: &'a Nuclide,
}

/// One region on the images and in the CT.
struct Outlined {
    label: u16,
    /// Image voxels of which it has the majority, and those that no other outline has it of.
    inside: Vec<bool>,
    free: Vec<bool>,
    outline_ml: f64,
    mass_g: f64,
}

impl From<'_> {
    /// The volumes that a series asks for.
    ///
    /// Errors: no outlines, no CT, a region that is not there; a contour or spheres that cannot be drawn; fewer scans than the
    /// chain needs without an earlier half-life.
    pub(super) fn measured(&self, asked: &[VolumeOfInterest]) -> Result<Vec<Measured>, UserError> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let missing =
            |field: &str, allowed: &str, next: &str| UserError::invalid(self.name, field, "none", allowed, next);
        let regions = self.regions.ok_or_else(|| {
            missing("volumes: labels", "outlines of the regions", "The mass is that of the CT's outline: give labels.")
        })?;
        let ct_hu = self.ct_hu.ok_or_else(|| {
            missing("volumes: CT", "the CT of the outlines", "The mass is that of the CT's outline: give the CT.")
        })?;
        let grid = &self.images[0].activity_mbq.grid;
        let shares = Shares::of(&regions.labels, grid).or_user_error()?;
        let hu = average_to(ct_hu, &regions.labels.grid, -1000.0).or_user_error()?.volume.data;
        asked
            .iter()
            .map(|one| {
                let place = format!("volumes: region {}", one.region);
                let region = outlined(regions, &shares, &hu, &one.region).ok_or_else(|| {
                    let known: Vec<String> = regions.names.values().cloned().collect();
                    let found = format!("\"{}\", which no voxel has", one.region);
                    UserError::invalid(self.name, "volumes: region", found, known.join(", "), "Correct the name.")
                        .kind(FaultKind::Unknown)
                })?;
                self.one(one, &region).map_err(|error| error.inside(place.as_str()).inside(self.name))
            })
            .collect()
    }

    fn one(&self, asked: &VolumeOfInterest, region: &Outlined) -> Result<Measured, UserError> {
        let images = self.images.iter().map(|image| seen(asked, region, image)).collect::<Result<Vec<_>, _>>()?;
        let integral = self.integral(asked, &images)?;
        let (s_value, s_mgy_per_mbq_s) = s_value(self.nuclide, &asked.region, region);
        Ok(Measured {
            region: asked.region.clone(),
            chain: asked.chain.clone(),
            volume: asked.volume,
            images,
            method: integral.method.clone(),
            effective_half_life_h: integral.effective_half_life_h,
            tia_mbq_h: integral.tia_mbq_h,
            outline_ml: region.outline_ml,
            mass_g: region.mass_g,
            s_value,
            s_mgy_per_mbq_s,
            dose_gy: integral.tia_mbq_h * 3600.0 * s_mgy_per_mbq_s * 1e-3,
        })
    }

    /// Mono-exponential; below three scans the latest scan with the half-life of an earlier cycle.
    fn integral(&self, asked: &VolumeOfInterest, images: &[Seen]) -> Result<TimeIntegral, UserError> {
        let point =
            |seen: &Seen| ActivityPoint { time_h: seen.time_h, activity_mbq: seen.activity_mbq, rel_sigma: None };
        let points: Vec<ActivityPoint> = images.iter().map(point).collect();
        if points.len() >= SCANS_FOR_A_FIT {
            return integrate_model(&points, Model::Mono, ErrorModel::Relative, self.nuclide.half_life_h)
                .or_user_error();
        }
        let earlier = self.earlier.get(&asked.region).map(|earlier| (earlier.half_life_h, earlier.cycle));
        let Some((half_life_h, cycle)) = asked.previous_half_life_h.map(|h| (h, 0)).or(earlier) else {
            let next = "Below three scans the half-life of an earlier cycle is taken: state chain_half_life_h, or run the \
                        series inside a course.";
            let found = format!("{} scans and no earlier half-life", points.len());
            return Err(UserError::invalid("", "scans", found, "three, or an earlier half-life", next));
        };
        let last = points[points.len() - 1];
        let rule = SingleTimePoint::PreviousCycle { half_life_h, half_life_rel_sigma: None, cycle };
        rule.integrate(last.time_h, last.activity_mbq, None).or_user_error()
    }
}

fn outlined(regions: &RegionMap, shares: &Shares, hu: &[f32], name: &str) -> Option<Outlined> {
    let named = |label: u16| regions.names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
    let number = shares.labels().iter().position(|&label| label != 0 && named(label) == name)?;
    let label = shares.labels()[number];
    let inside: Vec<bool> = shares.fractions(number).iter().map(|share| *share >= MAJORITY).collect();
    let mut free = vec![true; inside.len()];
    for (other, _) in shares.labels().iter().enumerate().filter(|(n, label)| **label != 0 && *n != number) {
        let taken = shares.fractions(other);
        free.iter_mut().zip(taken).for_each(|(free, share)| *free &= share < MAJORITY);
    }
    let calibration = HuCalibration::schneider2000();
    let voxel_ml = regions.labels.grid.voxel_cm3();
    let own = regions.labels.data.iter().zip(hu).filter(|(own, _)| **own == label);
    let (count, density) =
        own.fold((0.0, 0.0), |(n, sum), (_, hu)| (n + 1.0, sum + calibration.density_g_cm3(f64::from(*hu))));
    Some(Outlined { label, inside, free, outline_ml: count * voxel_ml, mass_g: density * voxel_ml })
}

fn seen(asked: &VolumeOfInterest, region: &Outlined, image: &ActivityImage) -> Result<Seen, UserError> {
    let values = &image.activity_mbq;
    let voxel_ml = values.grid.voxel_cm3();
    let (maximum, voxels, activity_mbq) = match asked.volume {
        Voi::Isocontour { share, maximum } => {
            let hottest = (0..values.data.len()).filter(|&v| region.inside[v]);
            let seed = hottest.max_by(|&a, &b| values.data[a].total_cmp(&values.data[b])).ok_or_else(|| {
                let next = "Correct the outline: no image voxel lies in it by half.";
                UserError::invalid("", "voxels", "none", "an outline of one image voxel or more", next)
            })?;
            let found = isocontour(values, seed, share, maximum.into(), Some(&region.free)).or_user_error()?;
            let sum = found.voxels.iter().map(|&v| values.data[v]).sum();
            (found.maximum, found.voxels.len(), sum)
        }
        Voi::Spheres { count, volume_ml } => {
            let found = small_spheres(values, &region.inside, count, volume_ml).or_user_error()?;
            let means = found.iter().map(|s| s.iter().map(|&v| values.data[v]).sum::<f64>() / s.len() as f64);
            let greatest = means.fold(0.0, f64::max);
            let all: Vec<usize> = found.concat();
            let mean = all.iter().map(|&v| values.data[v]).sum::<f64>() / all.len() as f64;
            (greatest, all.len(), mean / voxel_ml * region.outline_ml)
        }
    };
    Ok(Seen {
        image: image.name.clone(),
        time_h: image.time_h,
        maximum_mbq_ml: maximum / voxel_ml,
        volume_ml: voxels as f64 * voxel_ml,
        activity_mbq,
    })
}

/// S value of a region scaled linearly to its mass, and where it is from: the built-in table of 177Lu, else the nuclide's
/// electrons absorbed in the region.
fn s_value(nuclide: &Nuclide, name: &str, region: &Outlined) -> (String, f64) {
    let per_kev = MGY_PER_MBQ_S_PER_KEV_G / region.mass_g;
    let table = OrganTable::adult("AM");
    if table.nuclide().is_none_or(|own| own == nuclide.name) {
        let target = OrganInput { label: region.label, name: name.to_owned(), mass_g: region.mass_g, decays: 1.0 };
        if let Some(energy) = table.energy(&target, &[], nuclide, MassScaling::Linear) {
            return (
                format!("{}, {:.1} g, times its mass over the patient's", table.name, energy.reference_g),
                energy.self_kev * per_kev,
            );
        }
    }
    ("electrons absorbed in the region".to_owned(), nuclide.electron_energy_kev_per_decay() * per_kev)
}
