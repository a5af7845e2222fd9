//! Knock-on electrons come at the rate of the slowing electron, however long the steps.
//!
//! An electron of 400 keV slows down in water without straggling until it meets its first knock-on or falls below 150 keV.
//! The share that meets none is exp(-integral of the cross section over the soft stopping power), by Lutra's own tables. The
//! steps are as long as 15 % of the energy allows, where a cross section read at the start of a step is some 3 % too small.

use crate::engine_contract::plan;
use lutra::decay::{EmissionClass, Nuclide};
use lutra::grid::VoxelGrid;
use lutra::kernel::Sink;
use lutra::kernel::single::electron::step_in_matter;
use lutra::kernel::single::math::{kev_from_units, units_from_kev};
use lutra::kernel::single::navigate::Particle;
use lutra::kernel::single::rng::rng_for;
use lutra::kernel::single::tables::{
    COLUMN_KNOCK_ON, COLUMN_KNOCK_ON_MOST, COLUMN_STOPPING, ELECTRON_COLUMNS, ENERGY_NODES,
};
use lutra::kernel::single::waiting::Stack;
use lutra::materials::tissues::Tissue;
use lutra::physics::tables::{TransportSettings, energy_nodes_kev};
use lutra::transport::emission::Pass;
use lutra::transport::run::{RunPlan, job, prepare};
use lutra::transport::{Job, Scene, SceneData, Scoring};

const START_KEV: f64 = 400.0;
const END_KEV: f64 = 150.0;
const HISTORIES: u32 = 150_000;

/// Water without end and without straggling, steps limited by the energy loss alone, tables of a job.
fn water(straggling_scale: f64) -> (SceneData, Job) {
    let scene =
        Scene::uniform(VoxelGrid::axis_aligned([1; 3], [3000.0; 3], [0.0; 3]), Tissue::built_in("water").unwrap(), 1.0)
            .expect("a sound scene");
    let settings = TransportSettings {
        step_scattering: 100.0,
        cut_share_of_voxel: 0.0,
        straggling_scale,
        ..TransportSettings::default()
    };
    let plan = RunPlan { settings, scoring: Scoring::Shells { bins: 1, width_mm: 1.0 }, ..plan(1) };
    let data = prepare(&scene, &Nuclide::monoenergetic(EmissionClass::Electron, START_KEV), &plan).expect("tables");
    let expectation = lutra::transport::allocation::Expectation::new(&[1.0], 1.0);
    let job = job(&data, Pass::Electron, &expectation, 0, 1);
    (data, job)
}

/// A column of the electron table at a node.
fn column(data: &SceneData, node: usize, column: u32) -> f64 {
    f64::from(data.electron_table[node * ELECTRON_COLUMNS as usize + column as usize])
}

/// Share that reaches the end without a knock-on: the integral over the energy, by the tables.
fn expected(data: &SceneData) -> f64 {
    let nodes_kev = energy_nodes_kev();
    let rate = |node: usize| column(data, node, COLUMN_KNOCK_ON) / column(data, node, COLUMN_STOPPING);
    let place = |energy_kev: f64| nodes_kev.iter().position(|&node| node == energy_kev).expect("a node");
    let panels = place(END_KEV)..place(START_KEV);
    let sum: f64 = panels.map(|i| 0.5 * (rate(i) + rate(i + 1)) * (nodes_kev[i + 1] - nodes_kev[i])).sum();
    (-sum).exp()
}

/// Flags raised.
#[derive(Default)]
struct Flags(u32);

impl Sink for Flags {
    fn emitted(&mut self, _: u32, _: u32) {}
    fn deposit(&mut self, _: u32, _: u32, _: u32, _: u32) {}
    fn estimate(&mut self, _: u32, _: u32, _: u32) {}
    fn absorbed(&mut self, _: u32, _: u32) {}
    fn escaped(&mut self, _: u32, _: u32, _: u32) {}
    fn radiated(&mut self, _: u32, _: u32) {}
    fn flag(&mut self, bits: u32) {
        self.0 |= bits;
    }
}

/// Share of the histories that the kernel brings to the end without a knock-on.
fn found(data: &SceneData, job: &Job) -> f64 {
    let cx = job.context(data);
    let mut out = Flags::default();
    let mut free = 0;
    for history in 0..HISTORIES {
        let mut rng = rng_for(history, 0, 177, 0);
        let middle = 1500.0;
        let mut p =
            Particle { x: middle, y: middle, z: middle, uz: 1.0, alive: 1, weight: 1 << 16, ..Particle::default() };
        p.energy = units_from_kev(START_KEV as f32);
        let mut stack = Stack::default();
        while stack.count == 0 && f64::from(kev_from_units(p.energy)) > END_KEV {
            step_in_matter(&cx, &mut rng, &mut p, &mut stack, 0, &mut out);
        }
        // where a knock-on was made, the energy before it
        let before =
            kev_from_units(p.energy) + if stack.count > 0 { kev_from_units(stack.waiting[0].energy) } else { 0.0 };
        free += u32::from(f64::from(before) <= END_KEV);
    }
    assert_eq!(out.0, 0, "no flag");
    f64::from(free) / f64::from(HISTORIES)
}

/// By how much the mean path to a knock-on is too long, and its standard error.
fn too_long(found: f64, expected: f64) -> (f64, f64) {
    let error = ((1.0 - found) / found / f64::from(HISTORIES)).sqrt() / -expected.ln();
    (expected.ln() / found.ln() - 1.0, error)
}

#[test]
fn law_knock_ons_come_at_the_rate_of_the_slowing_electron() {
    let (data, job) = water(0.0);
    let (bias, error) = too_long(found(&data, &job), expected(&data));
    println!("mean path to a knock-on: {:+.3} % +- {:.3} %", 100.0 * bias, 100.0 * error);
    assert!(bias.abs() < 4.0 * error && error < 0.004, "{bias} {error}");
}

/// The cross section of the step's start, every collision real: the rule that null collisions replace.
#[test]
fn alarm_a_rate_read_at_the_start_of_a_step_rings() {
    let (mut data, _) = water(0.0);
    let (sound, job) = water(0.0);
    for node in 0..ENERGY_NODES as usize {
        let row = node * ELECTRON_COLUMNS as usize;
        data.electron_table[row + COLUMN_KNOCK_ON_MOST as usize] = column(&sound, node, COLUMN_KNOCK_ON) as f32;
        data.electron_table[row + COLUMN_KNOCK_ON as usize] = f32::MAX;
    }
    let (bias, error) = too_long(found(&data, &job), expected(&sound));
    println!("mean path to a knock-on: {:+.3} % +- {:.3} %", 100.0 * bias, 100.0 * error);
    assert!(bias > 4.0 * error && bias > 0.02, "{bias} {error}");
}

/// The rate with which the kernel draws is not below the rate at any energy that a step can end with, between the nodes too,
/// with straggling; and it is not far above.
#[test]
fn law_the_largest_rate_of_a_step_is_one() {
    use lutra::kernel::single::tables::energy_bin;
    let (data, job) = water(1.0);
    let cx = job.context(&data);
    let value = |energy_kev: f64, of: u32| {
        f64::from(lutra::kernel::single::rows::electron_value(&cx, 0, energy_bin(energy_kev as f32), of))
    };
    let mut out = Flags::default();
    let mut nearest = 0.0_f64;
    for history in 0..40_000u32 {
        let mut rng = rng_for(history, 0, 177, 0);
        let start_kev = 20.0 + 0.0171 * f64::from(history);
        let mut p = Particle { x: 1e3, y: 1e3, z: 1e3, uz: 1.0, alive: 1, weight: 1 << 16, ..Particle::default() };
        p.energy = units_from_kev(start_kev as f32);
        let mut stack = Stack::default();
        step_in_matter(&cx, &mut rng, &mut p, &mut stack, 0, &mut out);
        if stack.count == 0 {
            let share = value(f64::from(kev_from_units(p.energy)), COLUMN_KNOCK_ON)
                / value(start_kev, COLUMN_KNOCK_ON_MOST).max(1e-30);
            assert!(share <= 1.0 + 1e-6, "{start_kev} keV: {share}");
            nearest = nearest.max(share);
        }
    }
    assert!(nearest > 0.9, "{nearest}");
}
