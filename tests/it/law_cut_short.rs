//! A step that the next tissue cuts short loses the energy and makes the turns of the path that it made.
//!
//! Two leaves of water of a tissue each: a step that starts on the first leaf ends at its far face, a share of its length on.
//! The mean cosine to the first direction is exp(-K), K the transport mean free paths of that share (Lewis, Phys. Rev. 78 (1950)
//! 526); an electron that was deflected before keeps its direction for the rest of the step, wherever it ends. The energy lost is
//! that of the path by the stopping power between its ends, not that of the middle of a whole step.

use lutra::decay::{EmissionClass, Nuclide};
use lutra::grid::VoxelGrid;
use lutra::kernel::Sink;
use lutra::kernel::single::electron::{FLIGHT_TISSUE, step_in_matter, winding};
use lutra::kernel::single::math::{kev_from_units, units_from_kev};
use lutra::kernel::single::navigate::Particle;
use lutra::kernel::single::rng::rng_for;
use lutra::kernel::single::rows::electron_value;
use lutra::kernel::single::tables::{
    COLUMN_KNOCK_ON_MOST, COLUMN_STEP, COLUMN_STOPPING, COLUMN_TRANSPORT, ELECTRON_COLUMNS, energy_bin,
};
use lutra::kernel::single::waiting::Stack;
use lutra::materials::tissues::Tissue;
use lutra::physics::tables::TransportSettings;
use lutra::transport::emission::Pass;
use lutra::transport::run::{RunPlan, job, prepare};
use lutra::transport::{Job, Scene, SceneData};

const START_KEV: f64 = 200.0;
const HISTORIES: u32 = 1_000_000;
/// Shares of the step at which it is cut short.
const SHARES: [f64; 3] = [0.2, 0.5, 0.8];
/// Longest step allowed, transport mean free paths.
const STEP_SCATTERING: f64 = 0.25;
/// Third order of the step's scattering, which the rule leaves, over six.
const TURNS_ALLOWED: f64 = 0.0026;
/// Square of half the step's relative loss, which the rule leaves.
const LOSS_ALLOWED: f64 = 0.002;

/// Two leaves of water, the first as thick as asked for, without straggling and knock-ons.
fn leaves(thick_mm: f64) -> (SceneData, Job) {
    let grid = VoxelGrid::axis_aligned([1, 1, 2], [3000.0, 3000.0, thick_mm], [0.0; 3]);
    let water = Tissue::built_in("water").expect("built in");
    let scene = Scene::new(grid, vec![1.0; 2], vec![0, 1], vec![water.clone(), water]).expect("a sound scene");
    let settings = TransportSettings {
        step_scattering: STEP_SCATTERING,
        step_loss: 100.0,
        cut_share_of_voxel: 0.0,
        straggling_scale: 0.0,
        ..TransportSettings::default()
    };
    let plan = RunPlan { settings, ..RunPlan::default() };
    let mut data = prepare(&scene, &Nuclide::monoenergetic(EmissionClass::Electron, START_KEV), &plan).expect("tables");
    set(&mut data, COLUMN_KNOCK_ON_MOST, |_| 0.0);
    let expectation = lutra::transport::allocation::Expectation::new(&[1.0, 0.0], 1.0);
    let job = job(&data, Pass::Electron, &expectation, 0, 1);
    (data, job)
}

/// Replaces a column of the electron tables.
fn set(data: &mut SceneData, column: u32, value: impl Fn(f32) -> f32) {
    let row = ELECTRON_COLUMNS as usize;
    data.electron_table.iter_mut().skip(column as usize).step_by(row).for_each(|entry| *entry = value(*entry));
}

/// An entry of the tables at an energy, keV.
fn value(data: &SceneData, job: &Job, energy_kev: f64, column: u32) -> f64 {
    f64::from(electron_value(&job.context(data), 0, energy_bin(energy_kev as f32), column))
}

/// No flag may be raised.
struct Unflagged;

impl Sink for Unflagged {
    fn emitted(&mut self, _: u32, _: u32) {}
    fn deposit(&mut self, _: u32, _: u32, _: u32, _: u32) {}
    fn estimate(&mut self, _: u32, _: u32, _: u32) {}
    fn absorbed(&mut self, _: u32, _: u32) {}
    fn escaped(&mut self, _: u32, _: u32, _: u32) {}
    fn radiated(&mut self, _: u32, _: u32) {}
    fn flag(&mut self, bits: u32) {
        panic!("flag {bits}");
    }
}

/// What a step cut short at a share of its length does, against the laws.
struct CutShort {
    /// Mean cosine over exp(-K), less 1.
    turns: f64,
    /// Its standard error.
    turns_sigma: f64,
    /// Energy lost by those that fly straight to the face, over what the path costs, less 1.
    loss: f64,
}

/// Makes steps in the leaves as they are after `plant`, and judges them by the sound tables.
fn cut_short(share: f64, plant: impl Fn(&mut SceneData)) -> CutShort {
    let (data, job) = leaves(0.01);
    let step_g_cm2 = value(&data, &job, START_KEV, COLUMN_STEP);
    let thick_mm = 10.0 * share * step_g_cm2;
    let (sound, sound_job) = leaves(thick_mm);
    let (mut data, job) = leaves(thick_mm);
    plant(&mut data);
    let cx = job.context(&data);
    let path = |lost_kev: f64| lost_kev / value(&sound, &sound_job, START_KEV - 0.5 * lost_kev, COLUMN_STOPPING);
    let start = units_from_kev(START_KEV as f32);
    let (mut sum, mut squares, mut straight, mut straight_kev) = (0.0, 0.0, 0, 0.0);
    for history in 0..HISTORIES {
        let mut rng = rng_for(history, 0, 177, 0);
        let mut p = Particle { x: 1500.0, y: 1500.0, uz: 1.0, alive: 1, weight: 1 << 16, ..Particle::default() };
        p.energy = start;
        let ended = step_in_matter(&cx, &mut rng, &mut p, &mut Stack::default(), 0, &mut Unflagged);
        let cosine = f64::from(p.uz);
        sum += cosine;
        squares += cosine * cosine;
        if ended == FLIGHT_TISSUE && p.uz == 1.0 {
            straight += 1;
            straight_kev += f64::from(kev_from_units(start - p.energy));
        }
    }
    let n = f64::from(HISTORIES);
    let mean = sum / n;
    let middle_kev = START_KEV - 0.5 * step_g_cm2 * value(&sound, &sound_job, START_KEV, COLUMN_STOPPING);
    let k = step_g_cm2 * value(&sound, &sound_job, middle_kev, COLUMN_TRANSPORT);
    let made_g_cm2 = share * step_g_cm2 * (1.0 + f64::from(winding(k as f32, 0.0, share as f32)));
    let lost_kev = straight_kev / f64::from(straight);
    let turned = made_g_cm2 * value(&sound, &sound_job, START_KEV - 0.5 * lost_kev, COLUMN_TRANSPORT);
    let expected = (-turned).exp();
    CutShort {
        turns: mean / expected - 1.0,
        turns_sigma: ((squares / n - mean * mean) / n).sqrt() / expected,
        loss: path(lost_kev) / made_g_cm2 - 1.0,
    }
}

#[test]
fn law_a_step_cut_short_turns_and_loses_as_its_path() {
    for share in SHARES {
        let CutShort { turns, turns_sigma, loss } = cut_short(share, |_| ());
        println!("{share}: turns {turns:+.5} +- {turns_sigma:.5}, loss {loss:+.5}");
        assert!(turns.abs() < TURNS_ALLOWED + 4.0 * turns_sigma && turns_sigma < 4e-4, "{share}: {turns}");
        assert!(loss.abs() < LOSS_ALLOWED, "{share}: {loss}");
    }
}

/// The rule of a uniform hinge alone: the tables name no transport cross section by which a step cut short could turn.
#[test]
fn alarm_a_step_cut_short_before_its_hinge_that_flies_on_unturned_rings() {
    let CutShort { turns, turns_sigma, .. } = cut_short(0.5, |data| set(data, COLUMN_TRANSPORT, |_| 0.0));
    println!("turns {turns:+.5} +- {turns_sigma:.5}");
    assert!(turns > TURNS_ALLOWED + 4.0 * turns_sigma, "{turns}");
}

/// The stopping power of the middle of a whole step, from its start.
#[test]
fn alarm_a_step_cut_short_that_loses_as_the_whole_rings() {
    let (data, job) = leaves(0.01);
    let step_g_cm2 = value(&data, &job, START_KEV, COLUMN_STEP);
    let middle_kev = START_KEV - 0.5 * step_g_cm2 * value(&data, &job, START_KEV, COLUMN_STOPPING);
    let of_middle = value(&data, &job, middle_kev, COLUMN_STOPPING) as f32;
    let loss = cut_short(0.2, |data| set(data, COLUMN_STOPPING, |_| of_middle)).loss;
    println!("loss {loss:+.5}");
    assert!(loss > LOSS_ALLOWED, "{loss}");
}
