//! Numbers that the BED laws must give, each by formula or by independent integration.

use super::*;

const RENAL: Radiobiology = Radiobiology::KIDNEY_ILUMINET;
const T_REP: f64 = 2.8;

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected} +- {tolerance}");
}

/// G by brute force: RK4-free midpoint quadrature of R Q with a very fine exact recursion.
fn g_by_integration(rate: impl Fn(f64) -> f64, t_rep_h: f64, end_h: f64, steps: u32) -> f64 {
    let mu = LN_2 / t_rep_h;
    let h = end_h / f64::from(steps);
    let (mut q, mut rq, mut dose) = (0.0, 0.0, 0.0);
    for k in 0..steps {
        let r = rate((f64::from(k) + 0.5) * h);
        let grown = -(-mu * h).exp_m1();
        // Q averaged over a step of constant rate.
        let q_mean = (q * grown + r * (h - grown / mu)) / (mu * h);
        rq += r * q_mean * h;
        dose += r * h;
        q = q * (1.0 - grown) + r * grown / mu;
    }
    2.0 * rq / (dose * dose)
}

#[test]
fn law_bed_mono() {
    close(g_mono(T_REP, 52.0), 0.051_094_9, 5e-8);
    close(RENAL.bed_gy(4.5, g_mono(T_REP, 52.0)), 4.897_951, 5e-7);
    let lambda = LN_2 / 52.0;
    let brute = g_by_integration(|t| (-lambda * t).exp(), T_REP, 1500.0, 600_000);
    close(brute, g_mono(T_REP, 52.0), 1e-7);
    close(RENAL.bed_sensitivity(4.5, g_mono(T_REP, 52.0)), 1.0812, 5e-5);
}

#[test]
fn law_bed_biexp_5cases() {
    for (clear, uptake, expected) in [
        (52.0, 0.5, 0.051_021),
        (52.0, 2.0, 0.050_306),
        (52.0, 5.0, 0.048_222),
        (100.0, 3.0, 0.026_827),
        (80.0, 10.0, 0.030_881),
    ] {
        let g = g_uptake_clearance(T_REP, clear, uptake);
        close(g, expected, 5.1e-7);
        close(g_uptake_clearance(T_REP, uptake, clear), g, 1e-15);
    }
    close(g_uptake_clearance(T_REP, 52.0, 0.0), g_mono(T_REP, 52.0), 1e-15);
    // No pole where a half-life equals the repair half-life.
    close(g_uptake_clearance(T_REP, 52.0, T_REP), g_uptake_clearance(T_REP, 52.0, T_REP + 1e-9), 1e-9);
}

#[test]
fn law_bed_sum_equals_biexp() {
    for (clear, uptake) in [(52.0, 0.5), (52.0, 5.0), (100.0, 3.0), (80.0, 10.0)] {
        let curve = DoseRateCurve::new(vec![
            Exponential { amplitude: 1.0, rate_per_h: LN_2 / clear },
            Exponential { amplitude: -1.0, rate_per_h: LN_2 / uptake },
        ])
        .unwrap();
        close(curve.lea_catcheside_g(T_REP), g_uptake_clearance(T_REP, clear, uptake), 1e-13);
    }
    let three = DoseRateCurve::new(vec![
        Exponential { amplitude: 1.0, rate_per_h: LN_2 / 60.0 },
        Exponential { amplitude: 0.6, rate_per_h: LN_2 / 3.0 },
        Exponential { amplitude: -1.6, rate_per_h: 1.3 },
    ])
    .unwrap();
    let brute = g_by_integration(|t| three.value(t), T_REP, 1500.0, 600_000);
    close(brute / three.lea_catcheside_g(T_REP), 1.0, 1e-6);
}

fn sampled_like(curve: &DoseRateCurve, step_h: f64, end_h: f64, tail: f64) -> SampledRate {
    let count = (end_h / step_h).round() as usize;
    let time: Vec<f64> = (0..=count).map(|k| k as f64 * step_h).collect();
    let rate = time.iter().map(|&t| curve.value(t).max(0.0)).collect();
    SampledRate::new(time, rate, Some(tail)).unwrap()
}

#[test]
fn law_bed_sampled_vs_closed() {
    let curve = DoseRateCurve::new(vec![
        Exponential { amplitude: 1.0, rate_per_h: LN_2 / 52.0 },
        Exponential { amplitude: -1.0, rate_per_h: LN_2 / 2.0 },
    ])
    .unwrap();
    let sampled = sampled_like(&curve, 0.05, 120.0, LN_2 / 52.0);
    close(sampled.lea_catcheside_g(T_REP) / curve.lea_catcheside_g(T_REP), 1.0, 1e-4);
    close(sampled.integral() / curve.integral(), 1.0, 1e-4);
    // Second, manifestly positive form of G: 2 mu Int Q^2 / D^2, by its own integration.
    let mu = LN_2 / T_REP;
    let (mut q, mut q2, mut dose) = (0.0_f64, 0.0, 0.0);
    let h = 0.01;
    for k in 0..200_000 {
        let r = curve.value((f64::from(k) + 0.5) * h);
        let next = q * (-mu * h).exp() - r * (-mu * h).exp_m1() / mu;
        q2 += 0.5 * (q * q + next * next) * h;
        dose += r * h;
        q = next;
    }
    close(2.0 * mu * q2 / (dose * dose) / curve.lea_catcheside_g(T_REP), 1.0, 1e-4);
}

#[test]
fn alarm_bed_sampled_rings_on_a_missing_tail() {
    let curve = DoseRateCurve::mono(4.5, 52.0).unwrap();
    let with = sampled_like(&curve, 0.05, 120.0, LN_2 / 52.0).lea_catcheside_g(T_REP);
    let wrong_tail = sampled_like(&curve, 0.05, 120.0, LN_2 / 53.0).lea_catcheside_g(T_REP);
    close(with / g_mono(T_REP, 52.0), 1.0, 1e-4);
    assert!((wrong_tail / g_mono(T_REP, 52.0) - 1.0).abs() > 1e-3, "a tail 2 % too slow must be seen");
}

#[test]
fn law_g_in_0_1() {
    for t_rep in [1e-6, 0.1, 0.5, 1.5, 2.8, 50.0, 1e6] {
        for t_eff in [0.01, 1.0, 20.0, 52.0, 160.0] {
            for t_up in [0.0, 0.3, 5.0, 52.0] {
                let g = g_uptake_clearance(t_rep, t_eff, t_up);
                assert!((0.0..=1.0).contains(&g), "G = {g}");
            }
            let g = g_constant_rate(t_rep, t_eff);
            assert!((0.0..=1.0).contains(&g), "G = {g}");
        }
    }
    close(g_mono(1e9, 52.0), 1.0, 1e-6);
    close(g_mono(1e-9, 52.0), 0.0, 1e-9);
    // The series joins the closed form.
    let z = 1e-4;
    let t = z / LN_2 * T_REP;
    close(g_constant_rate(T_REP, t * 1.0001), g_constant_rate(T_REP, t * 0.9999), 1e-8);
    // A rough curve of any shape keeps the bounds.
    let saw = SampledRate::new(
        (0..200).map(f64::from).collect(),
        (0..200).map(|k| f64::from(k % 7) * 0.3).collect(),
        Some(0.02),
    )
    .unwrap();
    for t_rep in [0.01, 1.0, 1e4, 1e7] {
        let g = saw.lea_catcheside_g(t_rep);
        assert!((0.0..=1.0 + 1e-9).contains(&g), "G = {g}");
    }
    close(saw.lea_catcheside_g(1e8), 1.0, 1e-5);
}

#[test]
fn law_bed_cross_cycle_upper_bound() {
    let cross = |weeks: f64, t_eff: f64| {
        cross_cycle_g_dose2_gy2(T_REP, [4.5; 2], [t_eff; 2], weeks * 168.0) / RENAL.alpha_beta_gy()
    };
    for (weeks, t_eff, expected_gy) in
        [(6.0, 52.0, 1.2e-6), (8.0, 52.0, 1.4e-8), (8.0, 100.0, 3.9e-5), (8.0, 159.53, 8.0e-4)]
    {
        let found = cross(weeks, t_eff);
        assert!((found / expected_gy - 1.0).abs() < 0.05, "{weeks} wk, {t_eff} h: {found:e}, expected {expected_gy:e}");
        assert!(found < 1e-3);
    }
    // Against the superposed curve integrated as one, two cycles close together.
    let (t_eff, gap) = (20.0, 30.0);
    let lambda = LN_2 / t_eff;
    let rate = |t: f64| {
        let second = if t >= gap { (-lambda * (t - gap)).exp() } else { 0.0 };
        4.5 * lambda * ((-lambda * t).exp() + second)
    };
    let whole = g_by_integration(rate, T_REP, 600.0, 600_000) * 81.0;
    let apart = 2.0 * g_mono(T_REP, t_eff) * 4.5 * 4.5;
    let cross = cross_cycle_g_dose2_gy2(T_REP, [4.5; 2], [t_eff; 2], gap);
    close((apart + cross) / whole, 1.0, 1e-6);
}

#[test]
fn law_eqd2_table() {
    for (bed, expected) in [(25.0, 14.13), (27.0, 15.26), (28.0, 15.83), (29.0, 16.39), (40.0, 22.61), (45.0, 25.43)] {
        close(eqd2_gy(bed, 2.6), expected, 0.005);
        close(bed_from_eqd2_gy(eqd2_gy(bed, 2.6), 2.6), bed, 1e-12);
    }
    close(1.0 + 2.0 / 2.6, 1.7692, 5e-5);
}

#[test]
fn law_seed_23gy_25bed() {
    let g = g_mono(T_REP, 52.0);
    close(23.0 / 4.5 * RENAL.bed_gy(4.5, g), 25.034, 5e-4);
    close(5.0 * RENAL.bed_gy(4.5, g) + RENAL.bed_gy(0.5, g), 24.995, 5e-4);
    let at_51_9 = g_mono(T_REP, 51.9);
    close(5.0 * RENAL.bed_gy(4.5, at_51_9) + RENAL.bed_gy(0.5, at_51_9), 25.00, 5e-3);
    for t_eff in 42..=71 {
        let bed = 23.0 / 4.5 * RENAL.bed_gy(4.5, g_mono(T_REP, f64::from(t_eff)));
        assert!((24.5..25.5).contains(&bed), "T_eff {t_eff} h: {bed} Gy");
    }
    // Sensitivities.
    for (alpha_beta, t_rep, t_eff, expected) in [
        (2.5, 2.8, 52.0, 25.12),
        (2.4, 2.8, 52.0, 25.20),
        (3.0, 2.8, 52.0, 24.76),
        (1.5, 2.8, 52.0, 26.53),
        (2.6, 1.5, 52.0, 24.12),
        (2.6, 2.5, 52.0, 24.83),
        (2.6, 2.8, 40.0, 25.60),
        (2.6, 2.8, 60.0, 24.78),
        (2.6, 2.8, 70.0, 24.53),
        (2.6, 2.8, 50.0, 25.11),
        (2.6, 2.8, 56.0, 24.90),
    ] {
        let tissue = Radiobiology::new(alpha_beta, t_rep).unwrap();
        close(23.0 / 4.5 * tissue.bed_gy(4.5, g_mono(t_rep, t_eff)), expected, 6e-3);
    }
}

#[test]
fn law_seed_23gy_40bed() {
    close(fractionated_bed_gy(&[2.0; 11], 2.6) + fractionated_bed_gy(&[1.0], 2.6), 40.308, 5e-4);
    close(bed_from_eqd2_gy(23.0, 2.6), 40.692, 5e-4);
    close(eqd2_gy(40.692_307_692, 2.6), 23.0, 1e-8);
    // 2 Gy in 2 minutes.
    let g = g_constant_rate(T_REP, 2.0 / 60.0);
    close(g, 0.997_26, 5e-6);
    close(11.5 * RENAL.bed_gy(2.0, g), 40.64, 5e-3);
    // Initial rate of a 4.5 Gy cycle.
    close(4.5 * LN_2 / 52.0, 0.0600, 5e-5);
}

/// What the set of tumours says of its repair half-life: 1 h in place of 1.5 h.
#[test]
fn law_a_tumours_bed_hardly_depends_on_its_repair() {
    let set = RADIOBIOLOGY_SETS.iter().find(|set| set.name == "tumour-generic").expect("a set");
    assert_eq!((set.alpha_beta_gy, set.repair_half_life_h), (10.0, 1.5));
    let bed = |repair_half_life_h: f64| 17.0 * (1.0 + 17.0 * g_mono(repair_half_life_h, 77.0) / set.alpha_beta_gy);
    close(bed(1.5), 17.57, 0.02);
    close(1.0 - bed(1.0) / bed(1.5), 0.01, 0.002);
    assert!(1.0 - bed(0.5) / bed(1.5) > 0.012, "alarm: another repair half-life");
}

#[test]
fn law_cycles_to_25_gy() {
    let g = g_mono(T_REP, 52.0);
    for (dose, bed, count) in [
        (3.0, 3.177, 8.0),
        (3.5, 3.741, 7.0),
        (4.0, 4.314, 6.0),
        (4.5, 4.898, 6.0),
        (5.0, 5.491, 5.0),
        (5.75, 6.400, 4.0),
        (6.0, 6.707, 4.0),
    ] {
        let found = RENAL.bed_gy(dose, g);
        close(found, bed, 5.1e-4);
        close((25.0 / found).ceil(), count, 0.0);
        close(RENAL.dose_for_bed_gy(found, g), dose, 1e-12);
    }
    close(RENAL.dose_for_bed_gy(7.0, 0.0), 7.0, 0.0);
}

#[test]
fn alarm_bed_numbers_ring_on_one_percent_of_repair() {
    let planted = Radiobiology::new(2.6, 2.8 * 1.01).unwrap();
    let g = g_mono(planted.repair_half_life_h(), 52.0);
    assert!((g - 0.051_094_9).abs() > 5e-8);
    assert!((planted.bed_gy(4.5, g) - 4.897_951).abs() > 5e-7);
    assert!((g_uptake_clearance(planted.repair_half_life_h(), 52.0, 5.0) - 0.048_222).abs() > 5.1e-7);
}

#[test]
fn law_window_boundaries() {
    let window = |lower, target, upper| DoseWindow {
        quantity: LimitQuantity::Bed,
        lower_gy: Some(lower),
        target_gy: target,
        upper_gy: upper,
    };
    let first = window(25.0, 27.0, 29.0);
    first.validate().unwrap();
    assert_eq!(
        [24.999, 25.0, 29.0, 29.001].map(|bed| first.classify(bed)),
        [Window::Below, Window::Inside, Window::Inside, Window::Above]
    );
    let second = window(38.0, 40.0, 42.0);
    assert_eq!(
        [37.999, 38.0, 42.0, 42.001].map(|bed| second.classify(bed)),
        [Window::Below, Window::Inside, Window::Inside, Window::Above]
    );
    assert!(window(25.0, 30.0, 29.0).validate().is_err());
}

#[test]
fn law_eubed_two_voxels() {
    let g = g_mono(T_REP, 52.0);
    let bed = [RENAL.bed_gy(3.0, g), RENAL.bed_gy(6.0, g)];
    let ones = [1.0; 2];
    close(0.5 * (bed[0] + bed[1]), 4.942_167, 5e-7);
    close(RENAL.bed_gy(4.5, g), 4.897_951, 5e-7);
    let mild = eubed_gy(&bed, &ones, 0.035).unwrap();
    close(mild, 4.887_667, 5e-7);
    close(eubed_gy(&bed, &ones, 0.35).unwrap(), 4.428_347, 5e-7);
    let eud = eud_gy(mild, g, &RENAL);
    close(RENAL.bed_gy(eud, g), mild, 1e-12);
    // Limits of the generalised mean.
    close(generalised_eud_gy(&[3.0, 6.0], &ones, 1.0).unwrap(), 4.5, 1e-12);
    close(generalised_eud_gy(&[3.0, 6.0], &ones, -200.0).unwrap(), 3.0, 0.02);
    close(generalised_eud_gy(&[3.0, 6.0], &ones, 200.0).unwrap(), 6.0, 0.03);
    close(generalised_eud_gy(&[0.0, 6.0], &ones, -5.0).unwrap(), 0.0, 0.0);
    assert!(generalised_eud_gy(&[3.0], &[1.0], 0.0).is_err());
    // Very large BED does not underflow.
    close(eubed_gy(&[5000.0, 5000.0], &ones, 0.35).unwrap(), 5000.0, 1e-9);
}

#[test]
fn law_hetero_identity() {
    let g = g_mono(T_REP, 52.0);
    for (cv, expected) in [(0.2_f64, 0.016), (0.5, 0.099), (1.0, 0.398)] {
        close(heterogeneity_gain_gy((cv * 4.5).powi(2), g, 2.6), expected, 5e-4);
        close(5.0 * heterogeneity_gain_gy((cv * 4.5).powi(2), g, 2.6), 5.0 * expected, 2.6e-3);
    }
    // On an actual distribution.
    let dose: Vec<f64> = (0..1000).map(|k| 4.5 + 2.0 * f64::from(k).sin()).collect();
    let dvh = DoseVolumeHistogram::new(dose.iter().map(|&d| (d, 1.0))).unwrap();
    let mean_bed = dose.iter().map(|&d| RENAL.bed_gy(d, g)).sum::<f64>() / 1000.0;
    close(mean_bed - RENAL.bed_gy(dvh.mean(), g), heterogeneity_gain_gy(dvh.variance(), g, 2.6), 1e-12);
    close(heterogeneity_gain_gy((0.02 * 4.5_f64).powi(2), g, 2.6), 1.6e-4, 1e-6);
}

#[test]
fn alarm_hetero_identity_rings_on_voxels_of_other_kinetics() {
    let (slow, fast) = (g_mono(T_REP, 80.0), g_mono(T_REP, 30.0));
    let mean_bed = 0.5 * (RENAL.bed_gy(3.0, slow) + RENAL.bed_gy(6.0, fast));
    let gain = heterogeneity_gain_gy(1.5 * 1.5, g_mono(T_REP, 52.0), 2.6);
    assert!((mean_bed - RENAL.bed_gy(4.5, g_mono(T_REP, 52.0)) - gain).abs() > 1e-2);
}

#[test]
fn law_dvh_points() {
    let dvh = DoseVolumeHistogram::new((1..=100).map(|k| (f64::from(k), 1.0))).unwrap();
    close(dvh.mean(), 50.5, 1e-12);
    close(dvh.percent_at_value(51.0), 50.0, 1e-9);
    close(dvh.value_at_percent(50.0), 50.5, 1e-9);
    close(dvh.value_at_percent(0.0), 100.0, 0.0);
    close(dvh.value_at_percent(100.0), 1.0, 0.0);
    // Weighted by mass: three quarters of the mass at 2 Gy.
    let heavy = DoseVolumeHistogram::new([(1.0, 1.0), (2.0, 3.0)]).unwrap();
    close(heavy.mean(), 1.75, 1e-12);
    close(heavy.percent_at_value(1.5), 75.0, 1e-9);
    assert_eq!(DoseVolumeHistogram::new([]), Err(DvhError::Empty));
}

#[test]
fn law_accumulators_serve_any_alpha_beta() {
    let doses = [4.4, 4.9, 3.7];
    let t_eff = [50.0, 61.0, 44.0];
    let mut region = BedAccumulator::default();
    let mut map = BedMapAccumulator::new(2);
    for (d, t) in doses.iter().zip(t_eff) {
        let g = g_mono(T_REP, t);
        region.add_cycle(*d, g);
        map.add_cycle(&[*d as f32, 0.0], &[g as f32, g as f32]).unwrap();
    }
    for alpha_beta in [1.5, 2.6, 10.0] {
        let tissue = Radiobiology::new(alpha_beta, T_REP).unwrap();
        let direct: f64 = doses.iter().zip(t_eff).map(|(&d, t)| tissue.bed_gy(d, g_mono(T_REP, t))).sum();
        close(region.bed_gy(alpha_beta), direct, 1e-12);
        let voxels = map.bed_uniform_gy(alpha_beta);
        close(voxels[0], direct, 1e-5);
        close(voxels[1], 0.0, 0.0);
    }
    assert!(map.add_cycle(&[1.0], &[0.1]).is_err());
}

#[test]
fn law_repopulation_starts_at_kick_off() {
    close(repopulation_gy(0.35, 20.0, 28.0, 5.0).unwrap(), 0.0, 0.0);
    close(repopulation_gy(0.35, 33.0, 28.0, 5.0).unwrap(), LN_2 / 0.35, 1e-12);
}
