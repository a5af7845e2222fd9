//! CPU and GPU give the same integers: every bin, every account, every count.

use crate::adapter;
use crate::engine_contract::{batch, difference, lutetium, mixed, plan, single};
use lutra::demo;
use lutra::materials::hu_curve::HuCalibration;
use lutra::materials::tissue_map;
use lutra::physics::tables::TransportSettings;
use lutra::tally::BatchTally;
use lutra::transport::allocation::Expectation;
use lutra::transport::cpu::CpuEngine;
use lutra::transport::emission::Pass;
use lutra::transport::gpu::{GpuEngine, GpuOptions};
use lutra::transport::run::{Inputs, RunPlan, Session, Silent, audit, job, prepare, simulate};
use lutra::transport::{AsyncEngine, Engine, Job, Scene, Scoring};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// One batch of both passes on the CPU.
fn on_cpu(scene: &Scene, decays: &[f64], plan: &RunPlan, histories: f64) -> [BatchTally; 2] {
    [Pass::Electron, Pass::Photon].map(|pass| {
        let (tally, started) = batch(&mut CpuEngine::new(2), scene, decays, plan, pass, histories);
        assert_eq!(audit(&tally, started), 0, "{pass:?} pass on the CPU");
        tally
    })
}

/// Holds an engine to the CPU's integers.
fn hold(engine: &mut dyn Engine, scene: &Scene, decays: &[f64], plan: &RunPlan, histories: f64, what: &str) {
    let cpu = on_cpu(scene, decays, plan, histories);
    let cpu_device = CpuEngine::new(2).device();
    for (pass, expected) in [Pass::Electron, Pass::Photon].into_iter().zip(&cpu) {
        let (got, started) = batch(engine, scene, decays, plan, pass, histories);
        assert_eq!(audit(&got, started), 0, "{what}, {pass:?} pass");
        if let Some(why) = difference((&cpu_device, expected), (&engine.device(), &got)) {
            panic!("{what}, {pass:?} pass on {}: {why}", engine.device().name);
        }
    }
}

#[test]
fn agree_mixed_tissues() {
    let (scene, decays) = mixed();
    adapter::shared(|gpu| {
        hold(gpu, &scene, &decays, &plan(1), 30_000.0, "track length");
        hold(gpu, &scene, &decays, &RunPlan { analogue_photons: true, ..plan(1) }, 10_000.0, "analogue");
        hold(gpu, &scene, &decays, &RunPlan { seed: u64::MAX, ..plan(1) }, 5_000.0, "largest seed");
        let settings = TransportSettings { knock_on_kev: 2.0, ..TransportSettings::default() };
        hold(gpu, &scene, &decays, &RunPlan { settings, ..plan(1) }, 5_000.0, "many knock-ons");
    });
}

#[test]
fn agree_shells() {
    let (scene, decays) = single([1, 1, 1], 3000.0, 1.0, 0);
    let scoring = Scoring::Shells { bins: 60, width_mm: 0.03 };
    adapter::shared(|gpu| hold(gpu, &scene, &decays, &RunPlan { scoring, ..plan(1) }, 10_000.0, "shells"));
}

/// A run that awaits the device has the integers of one that blocks, also after a job that nobody waited for to its end.
#[test]
fn agree_awaited() {
    let (scene, decays) = mixed();
    let plan = plan(20_000);
    adapter::shared(|gpu| {
        let expected = simulate(&scene, &decays, &lutetium(), &plan, &mut CpuEngine::new(2), &mut Silent);
        let mut run = Session::new(Inputs::lent(&scene, &decays, &plan), &lutetium(), None).expect("sound inputs");
        let got = pollster::block_on(async {
            run.load_async(gpu).await.expect("fits");
            assert!(run.next_batch_async(gpu).await.expect("runs"));
            let task = run.task().expect("goes on").expect("is not over");
            {
                // asked once and left, whether the device is still at it or, a quick one, done already
                let mut dropped = pin!(gpu.run_async(task.job()));
                poll_fn(|context| Poll::Ready(drop(dropped.as_mut().poll(context)))).await;
            }
            while run.next_batch_async(gpu).await.expect("runs") {}
            run.finish(<GpuEngine as AsyncEngine>::device(gpu)).expect("over").into_simulation()
        });
        assert_eq!(got.tally_hash, expected.expect("runs").tally_hash);
    });
}

/// A job that was begun before it was asked for has its own integers; one that was begun in vain leaves no trace.
#[test]
fn agree_ahead() {
    let (scene, decays) = mixed();
    let plan = plan(1);
    let data = Arc::new(prepare(&scene, &lutetium(), &plan).expect("tables"));
    let expectation = Expectation::new(&decays, 3_000.0);
    let of = |pass, batch| job(&data, pass, &expectation, batch, plan.seed);
    let jobs = [of(Pass::Electron, 0), of(Pass::Photon, 0), of(Pass::Electron, 1), of(Pass::Electron, 2)];
    let mut cpu = CpuEngine::new(2);
    cpu.load(Arc::clone(&data)).expect("fits");
    let expected = jobs.each_ref().map(|job| cpu.run(job).expect("runs"));
    adapter::shared(|gpu| {
        Engine::load(gpu, Arc::clone(&data)).expect("fits");
        // each with the next that is expected: the right one, the wrong one, none, itself
        for (n, next) in [(0, Some(1)), (1, Some(2)), (2, Some(0)), (3, None), (1, Some(1)), (1, Some(3)), (3, Some(0))]
        {
            let next = next.map(|next: usize| &jobs[next]);
            let got = gpu.run_before(&jobs[n], next).expect("runs");
            assert!(got == expected[n], "job {n}, when {:?} is expected next", next.map(Job::batch));
        }
    });
}

/// The whole run on the demo's abdomen: sums, squares, hash.
#[test]
fn agree_demo() {
    let made = demo::make(1);
    let map = tissue_map(&made.ct, &HuCalibration::schneider2000()).expect("the demo's CT is in HU");
    let scene = Scene::new(made.ct.grid.clone(), map.density_g_cm3, map.tissue, map.tissues).expect("a sound scene");
    let plan = plan(24_000);
    let run = |engine: &mut dyn Engine| {
        simulate(&scene, &made.decays.data, &lutetium(), &plan, engine, &mut Silent).unwrap_or_else(|e| panic!("{e}"))
    };
    adapter::shared(|gpu| {
        let (a, b) = (run(&mut CpuEngine::new(2)), run(gpu));
        assert_ne!(a.device, b.device, "two engines are compared");
        for (a, b) in [(&a.electron, &b.electron), (&a.photon, &b.photon)] {
            assert_eq!(a.ledger, b.ledger);
            assert_eq!(a.histories, b.histories);
            assert!(a.moments == b.moments, "{:?} pass: sums or squares differ", a.pass);
            assert!(a.histories > 10_000 && a.ledger.deposited > 0);
        }
        assert_eq!(a.tally_hash, b.tally_hash);
        println!("{}: {} histories, {}", b.device.name, b.electron.histories + b.photon.histories, b.tally_hash);
    });
}

/// How the work is cut changes no bit: workgroups, threads, steps of a dispatch.
#[test]
fn agree_any_cut() {
    let (scene, decays) = mixed();
    for (threads, workgroup, steps) in [(1024, 32, 0), (1024, 256, 0), (64, 64, 300), (1000, 64, 7), (4096, 64, 33)] {
        let Some(mut gpu) = adapter::engine(GpuOptions { threads, workgroup, steps }) else { return };
        let what = format!("{threads} threads in groups of {workgroup}, {steps} steps");
        hold(&mut gpu, &scene, &decays, &plan(1), 4_000.0, &what);
    }
}

/// The comparison rings on what a wrong engine would do.
#[test]
fn alarm_the_comparison_with_the_device_rings() {
    let (scene, decays) = mixed();
    adapter::shared(|gpu| {
        let sound = on_cpu(&scene, &decays, &plan(1), 3_000.0);
        let cpu = CpuEngine::new(2).device();
        let device = Engine::device(gpu);
        let mut given = |plan: &RunPlan, decays: &[f64], pass| batch(gpu, &scene, decays, plan, pass, 3_000.0).0;
        let rings = |pass: Pass, got: &BatchTally| difference((&cpu, &sound[pass as usize]), (&device, got)).is_some();

        // the CPU's tally given as the device's own: caught by the name, and passed when it is honest
        let honest = given(&plan(1), &decays, Pass::Electron);
        assert!(!rings(Pass::Electron, &honest));
        assert!(difference((&cpu, &sound[0]), (&cpu, &sound[0])).is_some(), "an engine compared with itself");
        let mut bit = honest.clone();
        let bin = bit.energy.iter().position(|&x| x != 0).expect("something is tallied");
        bit.energy[bin] ^= 1;
        assert!(rings(Pass::Electron, &bit), "one bit");
        let lost = BatchTally { histories: honest.histories - 1, ..honest };
        assert!(rings(Pass::Electron, &lost), "a lost history");

        let with = |settings| RunPlan { settings, ..plan(1) };
        let elastic = with(TransportSettings { elastic_scale: 1.01, ..TransportSettings::default() });
        assert!(rings(Pass::Electron, &given(&elastic, &decays, Pass::Electron)), "1 % in the elastic cross section");
        let photon = with(TransportSettings { photon_scale: 1.01, ..TransportSettings::default() });
        assert!(rings(Pass::Photon, &given(&photon, &decays, Pass::Photon)), "1 % in the photon cross sections");
        let mut shifted = decays.clone();
        shifted.rotate_right(1);
        assert!(rings(Pass::Electron, &given(&plan(1), &shifted, Pass::Electron)), "a shifted voxel");
        assert!(rings(Pass::Photon, &given(&plan(1), &shifted, Pass::Photon)), "a shifted voxel");
    });
}
