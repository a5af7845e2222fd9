//! Births in the skin of the home stand for all decays.

use crate::engine_contract::{lutetium, plan, single};
use lutra::kernel::single::context::{Context, Params};
use lutra::kernel::single::navigate::Particle;
use lutra::kernel::single::rng::hash_key;
use lutra::kernel::single::skin::skin_birth;
use lutra::kernel::single::source::{Emission, birth};
use lutra::tally::Moments;
use lutra::transport::Engine;
use lutra::transport::allocation::Expectation;
use lutra::transport::cpu::CpuEngine;
use lutra::transport::emission::Pass;
use lutra::transport::run::{job, prepare};
use std::sync::Arc;

/// Weight, place (shares of the edges) and direction.
type Birth = (f64, [f64; 3], [f64; 3]);

const EDGES_MM: [f32; 3] = [2.0, 3.0, 5.0];

/// Weight, place (shares of the edges) and direction of births of range `reach_mm` in batch `stream`.
fn births(reach_mm: f32, stream: u32, count: u32) -> Vec<Birth> {
    let (a, b) = (hash_key(stream, 1, 2, 3), hash_key(stream, 4, 5, 6));
    let [dx_mm, dy_mm, dz_mm] = EDGES_MM;
    let params = Params {
        nx: 1,
        ny: 1,
        nz: 1,
        dx_mm,
        dy_mm,
        dz_mm,
        sources: 1,
        histories: count,
        shift_x: a.a,
        shift_y: a.b,
        shift_z: a.c,
        shift_polar: b.a,
        shift_azimuth: b.b,
        ..Params::default()
    };
    let source_table = [0, 0, 65_536, count, 0, 0];
    let cx = Context {
        params,
        voxels: &[0],
        electron_table: &[],
        photon_table: &[],
        scatter_table: &[],
        emission_table: &[],
        source_table: &source_table,
    };
    let one = |h: u32| {
        let mut p: Particle = birth(&cx, h, Emission { row: 0, energy: 1, weight: 65_536 });
        skin_birth(&cx, h, &mut p, reach_mm);
        let place = [p.x / dx_mm, p.y / dy_mm, p.z / dz_mm].map(f64::from);
        (f64::from(p.weight) / 65_536.0, place, [p.ux, p.uy, p.uz].map(f64::from))
    };
    (0..count).map(one).collect()
}

/// Means over all decays, uniform and isotropic, with their value.
type Mean = (&'static str, fn(&[f64; 3], &[f64; 3]) -> f64, f64);
const MEANS: [Mean; 11] = [
    ("1", |_, _| 1.0, 1.0),
    ("x", |r, _| r[0], 0.5),
    ("y", |r, _| r[1], 0.5),
    ("z", |r, _| r[2], 0.5),
    ("x2", |r, _| r[0] * r[0], 1.0 / 3.0),
    ("y z", |r, _| r[1] * r[2], 0.25),
    ("middle", |r, _| f64::from(u8::from(r.iter().all(|x| (x - 0.5).abs() < 0.25))), 0.125),
    ("u", |_, u| u[0], 0.0),
    ("v2", |_, u| u[1] * u[1], 1.0 / 3.0),
    ("z w", |r, u| r[2] * u[2], 0.0),
    ("x3 u3", |r, u| (r[0] * u[0]).powi(3), 0.0),
];

/// The first mean that the births of 40 batches miss by more than 5 standard errors; `fault` changes a birth.
fn missed(reach_mm: f32, fault: fn(&mut Birth)) -> Option<String> {
    const BATCHES: u32 = 40;
    let mut seen = vec![Vec::new(); MEANS.len()];
    for stream in 0..BATCHES {
        let mut births = births(reach_mm, stream, 20_000);
        births.iter_mut().for_each(fault);
        for (of, values) in MEANS.iter().zip(&mut seen) {
            values.push(births.iter().map(|(w, r, u)| w * of.1(r, u)).sum::<f64>() / births.len() as f64);
        }
    }
    MEANS.iter().zip(seen).find_map(|((name, _, expected), values)| {
        let n = f64::from(BATCHES);
        let mean = values.iter().sum::<f64>() / n;
        let se = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
        // weights are rounded at random, to 2^-16
        let off = (mean - expected).abs();
        (off > 5.0 * se + 2e-5).then(|| format!("{name}, range {reach_mm} mm: {mean} +- {se} for {expected}"))
    })
}

#[test]
fn law_births_in_the_skin_stand_for_all_decays() {
    for reach_mm in [0.02, 0.3, 2.0, 3.5, 20.0, 500.0] {
        assert_eq!(missed(reach_mm, |_| ()), None);
        for (weight, place, direction) in births(reach_mm, 7, 5_000) {
            assert!(weight <= 10.001 && place.iter().all(|x| (0.0..=1.0).contains(x)), "{weight} {place:?}");
            let length: f64 = direction.iter().map(|u| u * u).sum();
            assert!((length - 1.0).abs() < 1e-5, "{direction:?}");
        }
    }
}

#[test]
fn alarm_births_with_a_wrong_weight_are_seen() {
    let faults: [fn(&mut Birth); 3] = [
        |birth| birth.0 *= 1.01,
        |birth| birth.0 *= if birth.1[0] > 0.5 { 1.005 } else { 0.995 },
        |birth| birth.0 *= 1.0 + 0.01 * birth.2[2],
    ];
    for fault in faults {
        assert!(missed(0.8, fault).is_some(), "a planted fault passes");
    }
}

/// What electrons carry out of their voxel is the same with births in the skin and with uniform births.
#[test]
fn law_births_in_the_skin_carry_out_the_same() {
    for edge_mm in [0.6, 3.0] {
        let (scene, decays) = single([3, 3, 3], edge_mm, 1.0, 13);
        let outside = |home: bool| {
            let mut data = prepare(&scene, &lutetium(), &plan(1)).unwrap();
            if !home {
                data.params.home_density_g_cm3 = f32::MAX;
            }
            let data = Arc::new(data);
            let mut engine = CpuEngine::new(2);
            engine.load(Arc::clone(&data)).unwrap();
            let mut moments = Moments::new(3);
            for batch in 0..20 {
                let job = job(&data, Pass::Electron, &Expectation::new(&decays, 40_000.0), batch, 5);
                let tally = engine.run(&job).unwrap();
                let of = |voxels: &[usize]| voxels.iter().map(|&v| tally.energy[v]).sum();
                let escaped = i64::try_from(tally.ledger.escaped).unwrap();
                moments.add_batch(&[of(&[4, 10, 12, 14, 16, 22]), of(&[0, 2, 6, 8, 18, 20, 24, 26]), escaped]).unwrap();
            }
            [0, 1, 2].map(|n| (moments.mean(n), moments.variance_of_mean(n)))
        };
        let (skin, uniform) = (outside(true), outside(false));
        for ((what, skin), uniform) in ["face neighbours", "corners", "escaped"].iter().zip(skin).zip(uniform) {
            let se = (skin.1 + uniform.1).sqrt();
            println!("{edge_mm} mm, {what}: {} +- {} for {} +- {}", skin.0, skin.1.sqrt(), uniform.0, uniform.1.sqrt());
            assert!(
                (skin.0 - uniform.0).abs() <= 4.0 * se,
                "{edge_mm} mm, {what}: {} and {} +- {se}",
                skin.0,
                uniform.0
            );
        }
    }
}
