//! Lanes give the integers of the scalar engine.

use crate::engine_contract::{lutetium, mixed, plan};
use lutra::tally::BatchTally;
use lutra::transport::allocation::Expectation;
use lutra::transport::cpu::{Carrier, CpuEngine};
use lutra::transport::emission::Pass;
use lutra::transport::run::{RunPlan, job, prepare};
use lutra::transport::{Engine, Scene, Scoring};
use std::sync::Arc;

fn tally(
    carrier: Carrier,
    threads: usize,
    scene: &Scene,
    decays: &[f64],
    plan: &RunPlan,
    pass: Pass,
    histories: u32,
) -> BatchTally {
    let data = Arc::new(prepare(scene, &lutetium(), plan).expect("tables"));
    let mut engine = CpuEngine::with(threads, carrier);
    engine.load(Arc::clone(&data)).expect("loaded");
    let whole = job(&data, pass, &Expectation::new(decays, f64::from(histories) * 1.2 + 100.0), 0, plan.seed);
    engine.run(&whole.part(0, histories)).expect("runs")
}

/// Every carrier, both passes, odd numbers of histories, several numbers of threads.
#[test]
fn engine_lanes_agree_with_the_scalar_engine() {
    let (scene, decays) = mixed();
    for pass in [Pass::Electron, Pass::Photon] {
        for (histories, threads) in [(1, 1), (7, 2), (4_099, 1), (4_099, 7), (30_011, 2)] {
            let scalar = tally(Carrier::Scalar, 1, &scene, &decays, &plan(1), pass, histories);
            assert_eq!(scalar.histories, u64::from(histories));
            for carrier in Carrier::available() {
                let found = tally(carrier, threads, &scene, &decays, &plan(1), pass, histories);
                assert!(found == scalar, "{carrier}, {pass:?}, {histories} histories on {threads} threads");
            }
        }
    }
}

/// Shells, point sources and collision tallies take other branches.
#[test]
fn engine_lanes_agree_in_every_scoring() {
    let (scene, decays) = mixed();
    let analogue = RunPlan { analogue_photons: true, ..plan(1) };
    let shells = RunPlan { scoring: Scoring::Shells { bins: 40, width_mm: 0.1 }, ..plan(1) };
    let mut one = vec![0.0; decays.len()];
    one[0] = 1.0;
    for (plan, decays) in [(&analogue, &decays), (&shells, &one)] {
        for pass in [Pass::Electron, Pass::Photon] {
            let scalar = tally(Carrier::Scalar, 1, &scene, decays, plan, pass, 3_001);
            for carrier in Carrier::available() {
                let found = tally(carrier, 2, &scene, decays, plan, pass, 3_001);
                assert!(found == scalar, "{carrier}, {pass:?}, {:?}", plan.scoring);
            }
        }
    }
}

/// A million histories and three, on every carrier.
#[test]
fn engine_lanes_agree_over_a_million_histories() {
    let (scene, decays) = mixed();
    for pass in [Pass::Electron, Pass::Photon] {
        let mut times = Vec::new();
        let mut scalar = None;
        for carrier in Carrier::available().into_iter().rev() {
            let clock = std::time::Instant::now();
            let found = tally(carrier, 2, &scene, &decays, &plan(1), pass, 1_000_003);
            times.push((carrier, clock.elapsed().as_secs_f64()));
            let scalar = scalar.get_or_insert_with(|| found.clone());
            assert!(found == *scalar, "{carrier}, {pass:?}");
        }
        for (carrier, seconds) in &times {
            println!("{pass:?}, {carrier}: {seconds:.2} s, {:.2} times the scalar engine", times[0].1 / seconds);
        }
    }
}
