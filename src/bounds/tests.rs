use super::*;

/// 177Lu, h.
const LU177_H: f64 = 159.528;

fn told<T: std::fmt::Debug>(result: Result<T, BoundsError>) -> String {
    result.expect_err("refused").to_string()
}

#[test]
fn law_decays_of_an_activity() {
    let given = Given::new(Some(7400.0), LU177_H);
    // mean life 230.15 h: 7.4e9 Bq x 230.15 x 3600 s
    assert!((given.most_decays() / 6.131e15 - 1.0).abs() < 1e-3, "{:e}", given.most_decays());
    assert!((given.left_mbq(LU177_H) - 3700.0).abs() < 1e-9);
    // the integral of what is left is all of it
    let step_h = 0.05;
    let sum: f64 = (0..80_000).map(|n| given.left_mbq((f64::from(n) + 0.5) * step_h) * step_h).sum();
    assert!((sum * DECAYS_PER_MBQ_H / given.most_decays() - 1.0).abs() < 1e-6);
    assert_eq!(Given::new(None, LU177_H).most_mbq(), MOST_ADMINISTERED_MBQ);
}

#[test]
fn alarm_more_decays_than_given() {
    let given = Given::new(Some(7400.0), LU177_H);
    let readings = [Reading::new("as decays", 1.0 / DECAYS_PER_MBQ_H), Reading::new("as bq_ml_h", 1e-3)];
    for share in [1e-9, 0.1, 1.0, 1.199] {
        assert_eq!(given.check_decays("a.nii", share * given.most_decays(), &readings), Ok(()));
    }
    let found = told(given.check_decays("a.nii", 1.201 * given.most_decays(), &[]));
    assert!(found.starts_with("a.nii: total decays: found 7.36"), "{found}");
    assert!(found.contains("allowed: at most 7.35") && found.contains("the 7400 MBq given"), "{found}");
    assert!(found.contains("No other unit makes them fit"), "{found}");
    let found = told(given.check_decays("a.nii", 3.6e9 * 0.06 * given.most_decays(), &readings));
    assert!(found.contains("would fit as decays (6 % of what was given)") && !found.contains("bq_ml_h"), "{found}");
    for share in [f64::NAN, f64::INFINITY] {
        told(given.check_decays("a.nii", share, &readings));
    }
    let small = Given::new(Some(7.4), LU177_H);
    let found = told(small.check_decays("a.nii", 0.06 * given.most_decays(), &[]));
    assert!(found.contains("with the activity given in GBq, not MBq (6 % of what was given)"), "{found}");
    let unknown = Given::new(None, LU177_H);
    assert_eq!(unknown.check_decays("a.nii", 1e16, &readings), Ok(()), "16 GBq");
    let found = told(unknown.check_decays("a.nii", 2e17, &readings));
    assert!(found.contains("100000 MBq, more than any patient was given,"), "{found}");
    assert!(found.contains("state the activity given (administered activity, administered_mbq)"), "{found}");
    // stated, the same is allowed
    assert_eq!(Given::new(Some(3e5), LU177_H).check_decays("a.nii", 2e17, &readings), Ok(()));
}

#[test]
fn alarm_a_half_life_in_days_that_the_images_contradict() {
    let falls =
        |half_life_h: f64| [4.0, 24.0, 96.0, 168.0].map(|hour: f64| (hour, 100.0 * (-hour / half_life_h).exp2()));
    let check = |stated_h: f64, points: &[(f64, f64)]| half_life_of_points("kidney", stated_h, points, LU177_H);
    let found = told(check(2.1, &falls(50.0)));
    assert!(found.contains("a fall with 50 h between 96 and 168 h") && found.contains("write 50.4 h"), "{found}");
    assert!(told(check(2.1, &[(4.0, 1.0), (24.0, 3.0)])).contains("no fall between 4 and 24 h"));
    // what clears so fast may be stated, and one image or none says nothing; nor does a half-life in hours that is unusual
    for (stated_h, points) in
        [(2.1, &falls(2.1)[..]), (2.1, &falls(8.0)), (2.1, &falls(50.0)[..1]), (2.1, &[]), (20.0, &falls(120.0))]
    {
        assert_eq!(check(stated_h, points), Ok(()), "{stated_h} {points:?}");
    }
    assert!(check(2.1, &falls(8.8)).is_err());
}

#[test]
fn alarm_more_activity_than_is_left() {
    let given = Given::new(Some(7400.0), LU177_H);
    assert_eq!(given.check_activity("a.nii", LU177_H, 1.19 * 3700.0, &[]), Ok(()));
    let readings = [Reading::new("as decay-corrected to injection", 0.5), Reading::new("as Bq in place of MBq", 1e-6)];
    let found = told(given.check_activity("a.nii", LU177_H, 1.21 * 3700.0, &readings));
    assert!(found.contains("at 159.5 h; allowed: at most 4440 MBq"), "{found}");
    assert!(
        found.contains("decay-corrected to injection (60.5 % of what was given)") && !found.contains("Bq in"),
        "{found}"
    );
    let found = told(given.check_activity("a.nii", 24.0, 4e8, &readings));
    assert!(found.contains("as Bq in place of MBq (6") && !found.contains("corrected"), "{found}");
    told(Given::new(None, LU177_H).check_activity("a.nii", 1.0, 4e8, &readings));
}

#[test]
fn alarm_administered_activities() {
    for mbq in [1e-3, 7.4, 7400.0, 1e6] {
        assert_eq!(administered_mbq("--administered-mbq", mbq), Ok(mbq));
    }
    for mbq in [0.0, -7400.0, f64::NAN, f64::INFINITY, 1.1e6] {
        let found = told(administered_mbq("--administered-mbq", mbq));
        assert!(found.contains("allowed: above 0 and at most 1000000 MBq"), "{found}");
    }
    assert!(told(administered_mbq("m", 7.4e9)).contains("looks like Bq: 7400000000 Bq are 7400 MBq"));
    assert!(told(administered_mbq("m", 7.4e6)).contains("looks like kBq"));
}

#[test]
fn alarm_half_lives() {
    for half_life_h in [0.5, 50.0, 159.5, LU177_H, 159.6] {
        assert_eq!(effective_half_life_h("h", half_life_h, LU177_H), Ok(half_life_h));
    }
    for half_life_h in [0.0, -1.0, f64::NAN, f64::INFINITY, 160.0, 200.0] {
        let found = told(effective_half_life_h("h", half_life_h, LU177_H));
        assert!(found.contains("at most the physical half-life, 159.53 h"), "{found}");
    }
    assert!(half_life_in_days("h", 2.1, LU177_H).is_some_and(|doubt| doubt.contains("write 50.4 h")));
    assert_eq!(half_life_in_days("h", 7.0, LU177_H), None, "168 h are longer than physical decay");
    assert_eq!(half_life_in_days("h", 1.0, 1.13), None, "68Ga");
}

#[test]
fn alarm_times_in_days() {
    // kidneys of 50 h, imaged at 1, 4 and 7 days
    let of = |times_h: [f64; 3], half_life_h: f64| {
        times_in_days(&times_h.map(|t| (t, 100.0 * (-t / half_life_h).exp2())), LU177_H)
    };
    assert_eq!(of([24.0, 96.0, 168.0], 50.0), None);
    let doubt = of([1.0, 4.0, 7.0], 50.0 / 24.0).expect("days");
    assert!(doubt.contains("write 24 to 168 h"), "{doubt}");
    assert_eq!(of([1.0, 4.0, 20.0], 50.0), None, "one day's images");
    assert_eq!(of([1.0, 4.0, 7.0], f64::INFINITY), None, "constant");
    assert_eq!(times_in_days(&[(4.0, 10.0)], LU177_H), None);
    assert_eq!(times_in_days(&[(1.0, 10.0), (4.0, 0.0)], LU177_H), None);
}

#[test]
fn alarm_doses() {
    assert_eq!(region_dose("kidney", 5.0, Some(7400.0)), Ok(()));
    assert_eq!(region_dose("remnant", 3000.0, Some(1100.0)), Ok(()));
    for dose_gy in [1e10, -1e10, 1e200, f64::NAN, f64::INFINITY] {
        assert!(told(region_dose("kidney", dose_gy, None)).starts_with("kidney: found"), "{dose_gy}");
    }
    assert!(told(region_dose("kidney", 90_000.0, Some(7.4))).contains("allowed: at most 10000 Gy/GBq"));
    assert_eq!(voxel_dose("v", -0.5), Ok(-0.5));
    for dose_gy in [1.1e6, -1.1e6, 1e39, f64::NAN, f64::INFINITY] {
        told(voxel_dose("v", dose_gy));
    }
    assert_eq!(single("bed", 2.5), Ok(2.5));
    for value in [1e39, f64::NAN, f64::NEG_INFINITY] {
        told(single("bed", value));
    }
    // all 7.4 GBq of 177Lu (147 keV a decay) in 300 g give 482 Gy
    let given = Given::new(Some(7400.0), LU177_H);
    assert_eq!(given.check_dose("kidney", 480.0, Some(300.0), 147.0), Ok(()));
    let found = told(given.check_dose("kidney", 4800.0, Some(300.0), 147.0));
    assert!(found.contains("4800 Gy in 300 g; allowed: at most 57"), "{found}");
    assert_eq!(given.check_dose("lesion", 4800.0, None, 147.0), Ok(()));
}

#[test]
fn alarm_other_quantities() {
    for (name, good, bad) in [
        ("age_years", [0.0, 120.0], [-70.0, 121.0]),
        ("gfr_ml_min", [0.0, 180.0], [-1.0, 9000.0]),
        ("haemoglobin_g_dl", [5.0, 18.0], [-8.0, 130.0]),
        ("platelets_per_ul", [1e4, 1e6], [-1.0, 1e12]),
        ("worst_toxicity_grade", [0.0, 5.0], [-1.0, 6.0]),
    ] {
        for value in good {
            assert_eq!(fact("f", name, value), Ok(()));
        }
        for value in bad.into_iter().chain([f64::NAN, f64::INFINITY]) {
            told(fact("f", name, value));
        }
    }
    assert_eq!(fact("f", "z_score", -2.0), Ok(()));
    told(fact("f", "z_score", f64::NAN));
    assert_eq!((scan_s("s", 0.0), scan_s("s", 1800.0)), (Ok(0.0), Ok(1800.0)));
    for seconds in [-1.0, 277.0 * 3600.0, f64::NAN] {
        told(scan_s("s", seconds));
    }
    assert_eq!(kernel_energy("k", 150.0, 147.0), Ok(()));
    for kev in [180.0, 1.47e5, f64::NAN] {
        assert!(told(kernel_energy("k", kev, 147.0)).starts_with("k: energy per decay"), "{kev}");
    }
}

#[test]
fn law_numbers_are_short() {
    for (value, text) in [(0.0, "0"), (7400.0, "7400"), (159.528, "159.5"), (5.9, "5.9"), (0.0123456, "0.01235")] {
        assert_eq!(rounded(value), text);
    }
    assert_eq!(rounded(6.131e15), "6.131e15");
}
