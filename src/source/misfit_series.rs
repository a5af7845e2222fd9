//! What several images of one series say together of an outline that they share: whether a correction may rest on it.
//!
//! The displacements of one region (`misfit.rs`) are averaged over the images, weighted by their errors; the error of the
//! mean is what the weights or what the scatter between the images says, whichever is more. A fault of one image alone (a
//! motion, a late image of few counts) is told of that image and does not speak against the outline.
//!
//! The directions differ. An outline that is too small makes a correction overshoot: all of an organ's activity is found and
//! laid into less than the organ. One that is too large, or beside the organ, makes it fall short, and the image as measured
//! falls short further. So the first forbids a correction, the others are told.
//!
//! Outlines of one series are drawn by one hand. Where two of them seem too small, the others may be so too and not show it: a
//! reconstruction that models resolution puts the edges of small objects 2 to 2.5 mm inside, so that an outline of a tumour that is
//! 3 mm too small seems right (virtual clinic: twenty patients, doses of such tumours 74 to 138 % too high). Then none is corrected.
//!
//! No reconstruction makes a hot object wider than it is: one that models the camera's resolution narrows it, others leave its
//! edge in place; a kidney's hot cortex, which looks so, is allowed for in the fit itself (`misfit.rs`). So a growth that the regions share excuses outlines that seem too large, and never one that seems too small.

use super::misfit::{DISPLACED_MM, Misfit, SIGNIFICANT, common_growth_mm};
use std::collections::BTreeMap;

/// Growth above which an outline counts as too small for a correction, mm: the error of the edge of a true outline on images of
/// 9 mm resolution, half a voxel of 2.4 mm outlines (`law_true_outlines_fit_a_blurred_image` holds 0.6 mm).
pub const TOO_SMALL_MM: f64 = 0.6;

/// The displacement of one region over the images of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Together {
    /// The region's label.
    pub label: u16,
    /// Images that show it.
    pub images: usize,
    /// Mean growth, mm, and its standard error.
    pub growth_mm: [f64; 2],
    /// The same against what all regions of each image have together.
    pub own_growth_mm: [f64; 2],
    /// Length of the mean shift, mm, and its standard error.
    pub shift_mm: [f64; 2],
}

impl Together {
    /// Why no correction may rest on the outline: it seems too small.
    pub fn too_small(&self) -> Option<String> {
        let (all, own) = (self.growth_mm, self.own_growth_mm);
        if beyond(all, TOO_SMALL_MM) {
            return Some(self.told(all, "outside the outline, which seems too small"));
        }
        // where most outlines are too large, the true ones seem small against them
        let small = all[0] > 0.0 && beyond(own, DISPLACED_MM);
        small.then(|| self.told(own, "outside the outline against the other regions"))
    }

    /// What makes a correction fall short: an outline that seems too large, or beside the region.
    pub fn too_large_or_aside(&self) -> Option<String> {
        let inside = [-self.own_growth_mm[0], self.own_growth_mm[1]];
        if beyond(inside, DISPLACED_MM) {
            return Some(self.told(inside, "inside the outline against the other regions"));
        }
        beyond(self.shift_mm, DISPLACED_MM).then(|| self.told(self.shift_mm, "off to one side"))
    }

    fn told(&self, [mm, se]: [f64; 2], what: &str) -> String {
        format!("{} images together put its edge {mm:.1} +- {se:.1} mm {what}", self.images)
    }
}

/// Whether a displacement is above three standard errors and what counts, mm.
fn beyond([mm, se]: [f64; 2], least_mm: f64) -> bool {
    mm > least_mm.max(SIGNIFICANT * se)
}

/// The displacements of the images of a series, by region.
pub fn together(images: &[Vec<Misfit>]) -> Vec<Together> {
    let mut by_label: BTreeMap<u16, Vec<(&Misfit, f64)>> = BTreeMap::new();
    for seen in images {
        let common_mm = common_growth_mm(seen);
        seen.iter().for_each(|misfit| by_label.entry(misfit.label).or_default().push((misfit, common_mm)));
    }
    let of = |(label, seen): (u16, Vec<(&Misfit, f64)>)| {
        let growth: Vec<[f64; 2]> = seen.iter().map(|(m, _)| [m.growth_mm, m.growth_se_mm]).collect();
        let own: Vec<[f64; 2]> = seen.iter().map(|(m, common)| [m.growth_mm - common, m.growth_se_mm]).collect();
        // the error of a shift's length is that of its three parts together
        let along = |axis: usize| -> Vec<[f64; 2]> {
            seen.iter().map(|(m, _)| [m.shift_mm[axis], m.shift_se_mm / 3f64.sqrt()]).collect()
        };
        let shift = [0, 1, 2].map(|axis| mean(&along(axis)));
        let length = |part: usize| shift.iter().map(|one| one[part] * one[part]).sum::<f64>().sqrt();
        Together {
            label,
            images: seen.len(),
            growth_mm: mean(&growth),
            own_growth_mm: mean(&own),
            shift_mm: [length(0), length(1)],
        }
    };
    by_label.into_iter().map(of).collect()
}

/// Outlines that seem too small from which on all of a series are doubted.
const ALIKE: usize = 2;

/// Labels on whose outlines no correction may rest, with the reason: those that seem too small and, where several do, all of `drawn`.
pub fn doubted(together: &[Together], drawn: impl IntoIterator<Item = u16>) -> BTreeMap<u16, String> {
    let mut all: BTreeMap<u16, String> =
        together.iter().filter_map(|one| Some((one.label, one.too_small()?))).collect();
    let small = all.len();
    if small >= ALIKE {
        for label in drawn {
            all.entry(label).or_insert_with(|| {
                format!(
                    "{small} other outlines of this series seem too small, and this one may have been drawn like them"
                )
            });
        }
    }
    all
}

/// Weighted mean of values with standard errors, and its own.
fn mean(values: &[[f64; 2]]) -> [f64; 2] {
    let weight = |value: &[f64; 2]| 1.0 / (value[1] * value[1]);
    let total: f64 = values.iter().map(weight).sum();
    let middle = values.iter().map(|value| weight(value) * value[0]).sum::<f64>() / total;
    let scatter: f64 =
        values.iter().map(|value| weight(value) * (value[0] - middle) * (value[0] - middle)).sum::<f64>() / total;
    let of_scatter = (scatter / (values.len().max(2) - 1) as f64).sqrt();
    [middle, total.sqrt().recip().max(of_scatter)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(label: u16, growth_mm: f64, shift_mm: [f64; 3]) -> Misfit {
        Misfit { label, growth_mm, growth_se_mm: 0.2, shift_mm, shift_se_mm: 0.3, fwhm_mm: 9.0 }
    }

    /// Three images of these growths of regions 1 to 4.
    fn series(growth_mm: [f64; 4]) -> Vec<Vec<Misfit>> {
        let image = |n: usize| {
            let wobble = 0.1 * (n as f64 - 1.0);
            (1..).zip(growth_mm).map(|(label, mm)| seen(label, mm + wobble, [0.0; 3])).collect()
        };
        (0..3).map(image).collect()
    }

    fn small(images: &[Vec<Misfit>]) -> Vec<u16> {
        together(images).iter().filter(|one| one.too_small().is_some()).map(|one| one.label).collect()
    }

    fn short(images: &[Vec<Misfit>]) -> Vec<u16> {
        together(images).iter().filter(|one| one.too_large_or_aside().is_some()).map(|one| one.label).collect()
    }

    /// One outline that seems too small is doubted alone; two make the hand that drew them doubtful.
    #[test]
    fn law_several_small_outlines_speak_against_all() {
        let of =
            |growth_mm: [f64; 4]| -> Vec<u16> { doubted(&together(&series(growth_mm)), 1..=5).into_keys().collect() };
        assert!(of([-1.2, -1.0, -1.4, -0.9]).is_empty());
        assert_eq!(of([-1.2, 2.0, -1.4, -0.9]), [2]);
        assert_eq!(of([1.9, 2.0, -1.4, -0.9]), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn law_one_image_alone_does_not_speak_against_an_outline() {
        let mut images = series([-1.2, -1.0, -1.4, -0.9]);
        assert!(small(&images).is_empty() && short(&images).is_empty(), "what all share is the reconstruction's");
        images[2][1] = seen(2, 2.4, [0.0; 3]);
        assert!(small(&images).is_empty() && short(&images).is_empty());
        let one = &together(&images)[1];
        assert_eq!((one.label, one.images), (2, 3));
    }

    #[test]
    fn alarm_outlines_too_small_ring_even_where_all_are() {
        assert_eq!(small(&series([1.4, 1.1, 0.9, 1.2])), [1, 2, 3, 4]);
        assert_eq!(small(&series([1.4, -1.1, -0.9, -1.2])), [1]);
        assert!(small(&series([-1.0, -4.0, -4.1, -3.9])).is_empty(), "a true outline among such as are too large");
        let large = series([-4.2, -1.1, -0.9, -1.2]);
        assert_eq!((small(&large), short(&large)), (vec![], vec![1]), "too large against the others");
        let moved: Vec<Vec<Misfit>> = (0..3).map(|_| vec![seen(7, -0.5, [0.0, 2.0, 1.5])]).collect();
        assert_eq!((small(&moved), short(&moved)), (vec![], vec![7]));
    }
}
