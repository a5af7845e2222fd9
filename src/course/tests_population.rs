//! Laws of the population fit within a series.

use super::hybrid::PlanarPoint;
use super::tia::{ActivityImage, EarlierHalfLife, Method, TiaInput, TiaMap, integrate_series};
use super::time_activity::{ErrorModel, FitFlag};
use crate::grid::{Volume, VoxelGrid};
use crate::kinetics::{BUILT_IN, Prior, Scan};
use crate::source::Shares;
use std::collections::BTreeMap;
use std::sync::Arc;

const PHYSICAL_H: f64 = 159.53;

fn method() -> Method {
    let (name, text) = BUILT_IN[0];
    let read = Prior::parse(text, name, |nuclide| (nuclide == "lu177").then_some(PHYSICAL_H)).expect("built in");
    Method::Kinetics { prior: name.to_owned(), read: Some(Arc::new(read)) }
}

/// A kidney (label 1), a tumour (2) and a region that the prior does not know (3), with these half-lives and times.
fn map(times_h: &[f64], half_lives_h: [f64; 3], earlier: &BTreeMap<String, EarlierHalfLife>) -> TiaMap {
    let grid = VoxelGrid::axis_aligned([3, 1, 1], [1.0; 3], [0.0; 3]);
    let images: Vec<ActivityImage> = times_h
        .iter()
        .map(|&time_h| ActivityImage {
            name: format!("{time_h} h"),
            time_h,
            activity_mbq: Volume {
                grid: grid.clone(),
                data: half_lives_h.iter().map(|t| 100.0 * (-time_h / t).exp2()).collect(),
            },
            rel_sigma: Some(0.03),
        })
        .collect();
    let names = BTreeMap::from([(1, "kidney_left".to_owned()), (2, "tumour_1".to_owned()), (3, "bladder".to_owned())]);
    integrate_series(&TiaInput {
        images: &images,
        shares: &Shares::whole(&[1, 2, 3]),
        concentrations: &[],
        air: None,
        names: &names,
        physical_half_life_h: PHYSICAL_H,
        default_method: &method(),
        region_methods: &[],
        planar: &BTreeMap::<String, Vec<PlanarPoint>>::new(),
        earlier,
        error_model: ErrorModel::Relative,
        systematic_rel_sigma: 0.0,
        corrected: &BTreeMap::new(),
        placed: &BTreeMap::new(),
        voxelwise: false,
        administered_mbq: None,
        readings: &[],
    })
    .expect("a map")
}

/// One scan: the prior's half-life, its spread as uncertainty, and most of it the prior's; of an unknown region it is told.
#[test]
fn law_one_scan_takes_the_prior_and_says_so() {
    let map = map(&[24.0], [50.0, 77.0, 60.0], &BTreeMap::new());
    let of = |n: usize| map.regions[n].integral.as_ref().expect("activity");
    for (n, half_life_h) in [(0, 50.0), (1, 77.0)] {
        let integral = of(n);
        assert_eq!(integral.method, "population");
        assert!((integral.effective_half_life_h - half_life_h).abs() < 0.01, "{}", integral.effective_half_life_h);
        let truth = 100.0 * half_life_h / std::f64::consts::LN_2;
        // the mean of what may be lies within 2 % of the most probable curve's
        assert!((integral.tia_mbq_h / truth - 1.0).abs() < 2e-2);
        let share = integral.flags.iter().find_map(|flag| match flag {
            FitFlag::Population { prior_share, .. } => Some(*prior_share),
            _ => None,
        });
        assert!(share.is_some_and(|share| share > 0.8), "{:?}", integral.flags);
        // (1 - 24 ln 2/T) of the spread, and the scan's 3 %
        let spread: f64 = if n == 0 { 0.143 } else { 0.18 };
        let expected = ((1.0 - 24.0 * std::f64::consts::LN_2 / half_life_h) * spread).hypot(0.03);
        assert!(
            (integral.rel_sigma.expect("known") / expected - 1.0).abs() < 0.10,
            "{:?} {expected}",
            integral.rel_sigma
        );
    }
    assert!(of(2).fell_back(), "{:?}", of(2).flags);
    assert!(map.warnings.iter().any(|w| w.contains("no organ of this name")), "{:?}", map.warnings);
}

/// An earlier cycle with scans tells the half-life of a later single scan.
#[test]
fn law_earlier_cycles_tell_the_half_life() {
    let scan = |time_h: f64| Scan {
        time_h,
        activity_mbq: 100.0 * (-time_h / 70.0_f64).exp2(),
        rel_sigma: Some(0.01),
        gbq_ml: None,
    };
    let scans = vec![vec![scan(24.0), scan(96.0), scan(168.0)]; 3];
    let earlier = EarlierHalfLife { half_life_h: 70.0, rel_sigma: None, cycle: 3, scans };
    let with = map(&[24.0], [70.0, 77.0, 60.0], &BTreeMap::from([("kidney_left".to_owned(), earlier)]));
    let without = map(&[24.0], [70.0, 77.0, 60.0], &BTreeMap::new());
    let of = |map: &TiaMap| map.regions[0].integral.as_ref().expect("activity").clone();
    let truth = 100.0 * 70.0 / std::f64::consts::LN_2;
    assert!((of(&with).tia_mbq_h / truth - 1.0).abs() < 0.08, "{}", of(&with).tia_mbq_h / truth);
    assert!((of(&without).tia_mbq_h / truth - 1.0).abs() > 0.10);
    assert!(of(&with).rel_sigma < of(&without).rel_sigma);
}

/// A patient that is not of the population is told, and one that is, is not.
#[test]
fn law_a_patient_of_another_population_is_warned_of() {
    let conflict = |half_life_h: f64| {
        let map = map(&[24.0, 96.0, 168.0], [half_life_h, 77.0, 60.0], &BTreeMap::new());
        map.warnings.iter().any(|w| w.code == "prior-conflict" && w.contains("kidney_left"))
    };
    assert!(conflict(130.0));
    assert!(!conflict(52.0));
}

#[test]
fn law_earlier_scans_of_all_cycles_remain() {
    let scan = Scan { time_h: 24.0, activity_mbq: 1.0, rel_sigma: None, gbq_ml: None };
    let of = |cycle: u32, scans| EarlierHalfLife { half_life_h: 50.0, rel_sigma: None, cycle, scans };
    let first = of(1, vec![vec![scan]]).after(None);
    let second = of(2, vec![vec![scan, scan]]).after(Some(first));
    let third = of(3, vec![]).after(Some(second));
    assert_eq!(third.scans, [vec![scan], vec![scan, scan]]);
    assert_eq!(third.cycle, 3);
}
