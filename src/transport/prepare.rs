//! From matter, nuclide and plan to the engines' input and to the job of a batch.

use crate::clock::Moment;
use crate::cores;
use crate::decay::Nuclide;
use crate::elementary::{ln, pow};
use crate::kernel::single::context::Params;
use crate::kernel::single::navigate;
use crate::kernel::single::rng::hash_key;
use crate::materials::tissues::Tissue;
use crate::neighbourhood::thin_g_cm3;
use crate::physics::tables::{PhysicsTables, TableError};
use crate::physics::thick_target::ThickTarget;
use crate::transport::allocation::{Expectation, Sources};
use crate::transport::batch_store::BatchStore;
use crate::transport::emission::{self, EmissionTable, Pass};
use crate::transport::error::RunError;
use crate::transport::identity::{Identity, PlanHashes};
use crate::transport::importance;
use crate::transport::plan::{RunPlan, Shard};
use crate::transport::{Job, Scene, SceneData, Scoring};
use std::borrow::Cow;
use std::sync::Arc;

/// Voxels up to this edge, mm, use the steps of `TransportSettings::step_scattering`; larger ones use longer steps.
const FINE_VOXEL_MM: f64 = 0.5;

/// Relative importance of an electron's energy for voxel doses. Affects efficiency alone; any positive function is
/// exact.
///
/// An electron can carry out its energy times its weight, the share of the voxel taken by its skin (`skin.rs`); all
/// electrons of the skin cost about the same. The power 3/4 of that share was slightly better than 1/2 and 1 in 4.8 mm
/// voxels. Range by Katz & Penfold 1952 (Rev. Mod. Phys. 24:28), half of which is taken as the relevant depth.
fn crossing_importance(energy_kev: f64, edge_mm: f64) -> f64 {
    let shape = |energy_kev: f64| {
        let mev = energy_kev.max(1.0) * 1e-3;
        let range_mm = 4.12 * pow(mev, 1.265 - 0.0954 * ln(mev));
        let crossing = (3.0 * range_mm / edge_mm).min(1.0);
        energy_kev * pow(crossing, 0.75)
    };
    shape(energy_kev) + 0.05 * shape(150.0)
}

/// Energy of sampled electrons that is not radiated, keV per decay, in tissue `t`: as the kernel takes it, from its
/// own table.
fn home_energy(tables: &PhysicsTables, t: usize, emission: &EmissionTable) -> f64 {
    use crate::kernel::single::tables as layout;
    let row = t * layout::ENERGY_NODES as usize;
    emission
        .particles
        .iter()
        .map(|&(energy_kev, particles)| {
            let bin = layout::energy_bin(energy_kev as f32);
            let at = |node: usize| {
                f64::from(
                    tables.electron[(row + node) * layout::ELECTRON_COLUMNS as usize + layout::COLUMN_YIELD as usize],
                )
            };
            let node = bin.node as usize;
            let share = at(node) + (at(node + 1) - at(node)) * f64::from(bin.fraction);
            particles * energy_kev * (1.0 - share)
        })
        .sum()
}

/// Refuses emissions that the kernel does not transport.
fn check_emissions(nuclide: &Nuclide) -> Result<(), RunError> {
    for (what, found_kev, most) in
        [("a photon", nuclide.max_photon_kev(), 1022.0), ("an electron", nuclide.max_electron_kev(), 4000.0)]
    {
        if found_kev > most {
            return Err(RunError::Emission { nuclide: nuclide.name.clone(), what, found_kev });
        }
    }
    Ok(())
}

/// The narrowest side of a voxel, mm.
fn narrowest_mm(scene: &Scene) -> f64 {
    scene.grid.spacing_mm.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The lowest density of matter, g/cm3; 0 where all is vacuum.
fn lightest_g_cm3(scene: &Scene) -> f64 {
    let matter = scene.density_g_cm3.iter().copied().filter(|&density| density > 0.0);
    matter.min_by(f32::total_cmp).map_or(0.0, f64::from)
}

/// Groups of particles: lowest energy, highest energy, number per decay.
type Groups = Vec<(f64, f64, f64)>;

/// The tables of a scene's tissues, and the bremsstrahlung in water.
fn tables(scene: &Scene, nuclide: &Nuclide, plan: &RunPlan) -> Result<(PhysicsTables, Groups), RunError> {
    let mut settings = plan.settings;
    if plan.scoring == Scoring::Voxels {
        // coarse voxels allow longer steps: 3 mm voxels with 0.3 instead of 0.1 transport mean free paths differ by
        // 0.02 % in the self dose and 0.07 % in the face neighbour
        settings.step_scattering *= (narrowest_mm(scene) / FINE_VOXEL_MM).sqrt().clamp(1.0, 2.5);
    }
    let mut tables = PhysicsTables::build(&scene.tissues, &settings)?;
    let electrons = emission::electrons(nuclide, plan.emissions);
    let mut radiated = Vec::new();
    if !electrons.is_empty() && settings.bremsstrahlung_scale > 0.0 {
        let water = Tissue::built_in("water").expect("water is built in");
        let reference = ThickTarget::of(&water, &electrons)
            .map_err(|source| TableError::Stopping { tissue: water.name.clone(), source })?;
        tables.radiate(&scene.tissues, &electrons, &reference)?;
        radiated = reference.groups();
        radiated.iter_mut().for_each(|group| group.2 *= settings.bremsstrahlung_scale);
    }
    Ok((tables, radiated))
}

/// The kernel's parameters, those of batch and pass at zero.
fn params(scene: &Scene, plan: &RunPlan) -> Params {
    // electrons whose range is a small share of the length are absorbed on the spot
    let (radial_bins, radial_per_mm, length_mm) = match plan.scoring {
        Scoring::Voxels => (0, 0.0, narrowest_mm(scene)),
        Scoring::Shells { bins, width_mm } => (bins, 1.0 / width_mm, width_mm),
    };
    Params {
        nx: scene.grid.dims[0] as u32,
        ny: scene.grid.dims[1] as u32,
        nz: scene.grid.dims[2] as u32,
        dx_mm: scene.grid.spacing_mm[0] as f32,
        dy_mm: scene.grid.spacing_mm[1] as f32,
        dz_mm: scene.grid.spacing_mm[2] as f32,
        cut_mm_g_cm3: (plan.settings.cut_share_of_voxel * length_mm * lightest_g_cm3(scene)) as f32,
        seed_low: plan.seed as u32,
        seed_high: (plan.seed >> 32) as u32,
        knock_on_kev: plan.settings.knock_on_kev as f32,
        radial_bins,
        radial_per_mm: radial_per_mm as f32,
        point_source: u32::from(radial_bins > 0),
        analogue: u32::from(plan.analogue_photons),
        electron_cut_kev: plan.settings.electron_cut_kev as f32,
        photon_cut_kev: plan.settings.photon_cut_kev as f32,
        home_density_g_cm3: match plan.scoring {
            // in smaller voxels most electrons leave, and crediting their energy to the home voxel would add variance
            Scoring::Voxels => thin_g_cm3(&scene.grid),
            Scoring::Shells { .. } => f32::MAX,
        },
        ..Params::default()
    }
}

/// Emissions of the electron and of the photon pass.
fn emissions(
    scene: &Scene,
    nuclide: &Nuclide,
    plan: &RunPlan,
    radiated: &[(f64, f64, f64)],
) -> (EmissionTable, EmissionTable) {
    let shells = matches!(plan.scoring, Scoring::Shells { .. });
    let wanted = |pass| plan.only.is_none_or(|only| only == pass);
    let mut electron = EmissionTable::default();
    if wanted(Pass::Electron) {
        let edge_mm = narrowest_mm(scene);
        let importance = |energy_kev| if shells { 1.0 } else { crossing_importance(energy_kev, edge_mm) };
        let below_kev = plan.settings.electron_cut_kev;
        electron = EmissionTable::of(nuclide, Pass::Electron, plan.emissions, below_kev, &[], importance);
    }
    let mut photon = EmissionTable::default();
    if wanted(Pass::Photon) {
        photon = EmissionTable::of(nuclide, Pass::Photon, plan.emissions, 0.0, radiated, |_| 1.0);
    }
    (electron, photon)
}

/// The scene as engines take it.
pub fn prepare(scene: &Scene, nuclide: &Nuclide, plan: &RunPlan) -> Result<SceneData, RunError> {
    check_emissions(nuclide)?;
    let (tables, radiated) = tables(scene, nuclide, plan)?;
    let (electron_emission, photon_emission) = emissions(scene, nuclide, plan, &radiated);
    let home_kev_per_decay = (0..scene.tissues.len()).map(|t| home_energy(&tables, t, &electron_emission)).collect();
    Ok(SceneData {
        params: params(scene, plan),
        home_kev_per_decay,
        voxels: scene.voxel_words(),
        electron_table: tables.electron,
        photon_table: tables.photon,
        scatter_table: tables.scatter,
        electron_emission,
        photon_emission,
        bins: match plan.scoring {
            Scoring::Voxels => scene.grid.len(),
            Scoring::Shells { bins, .. } => bins as usize,
        },
    })
}

/// The job of one batch.
pub fn job(scene: &SceneData, pass: Pass, expectation: &Expectation, batch: u32, seed: u64) -> Job {
    let stream = 2 * batch + u32::from(pass == Pass::Photon);
    let allocation = expectation.batch(stream, seed);
    let emission = scene.emission(pass);
    let seed_words = (seed as u32, (seed >> 32) as u32);
    let (a, b) = (
        hash_key(stream, 0x5368_6966, seed_words.0, seed_words.1),
        hash_key(stream, 0x7453_6571, seed_words.0, seed_words.1),
    );
    let params = Params {
        shift_energy: a.a,
        shift_x: a.b,
        shift_y: a.c,
        shift_z: a.d,
        shift_polar: b.a,
        shift_azimuth: b.b,
        batch: stream,
        histories: allocation.histories,
        sources: allocation.rows,
        emissions: emission.rows(),
        bremsstrahlung_row: emission.bremsstrahlung_row,
        ..scene.params
    };
    Job { pass, params, source_table: allocation.words }
}

/// Inputs of a run: borrowed for one blocking call, owned for a run that is stepped from outside.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// Matter on a grid.
    pub scene: Cow<'a, Scene>,
    /// Decays by voxel of the scene; in shell scoring by voxel 0.
    pub decays: Cow<'a, [f64]>,
    /// What to run.
    pub plan: Cow<'a, RunPlan>,
}

impl<'a> Inputs<'a> {
    /// Borrowed.
    pub fn lent(scene: &'a Scene, decays: &'a [f64], plan: &'a RunPlan) -> Self {
        Self { scene: Cow::Borrowed(scene), decays: Cow::Borrowed(decays), plan: Cow::Borrowed(plan) }
    }

    /// Owned: the run can be kept indefinitely.
    pub fn owned(scene: Scene, decays: Vec<f64>, plan: RunPlan) -> Inputs<'static> {
        Inputs { scene: Cow::Owned(scene), decays: Cow::Owned(decays), plan: Cow::Owned(plan) }
    }
}

/// Where histories start, and energy that needs none.
#[derive(Debug)]
pub(crate) struct SourceVoxels {
    /// Where histories are wanted.
    sources: Arc<Sources>,
    /// Energy by bin that needs no sampling, keV; none if a state to go on from brings its own.
    pub(crate) local_kev: Vec<f64>,
}

impl SourceVoxels {
    /// The expectation for about this many histories per batch of a pass.
    pub(crate) fn expect(&self, pass: Pass, histories: f64) -> Expectation {
        match pass {
            Pass::Electron => Expectation::of(&self.sources, histories.max(1.0)),
            Pass::Photon => Expectation::by_decays(&self.sources, histories.max(1.0)),
        }
    }
}

/// What a run needs before its first history.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The scene as engines take it.
    pub(crate) data: Arc<SceneData>,
    /// Which run it is.
    pub(crate) identity: Identity,
    /// Where histories start.
    pub(crate) source: SourceVoxels,
    /// Decays of the source.
    pub(crate) all_decays: f64,
    /// What was spent on tables, s.
    pub(crate) tables_seconds: f64,
    /// What was spent on the identity, s.
    pub(crate) identity_seconds: f64,
}

impl Prepared {
    /// Checks the inputs and makes tables, hashes and sources in parallel. `fresh`: no state to resume from.
    pub(crate) fn of(inputs: &Inputs<'_>, nuclide: &Nuclide, fresh: bool) -> Result<Self, RunError> {
        let began = Moment::now();
        let (scene, decays, plan) = (&*inputs.scene, &*inputs.decays, &*inputs.plan);
        let all_decays = check(scene, decays)?;
        // whatever needs no tables is made in parallel
        let tables = || cores::beside(|| prepare(scene, nuclide, plan), || PlanHashes::of(decays, plan));
        let ((data, hashes), sources) = cores::beside(tables, || Arc::new(sources(scene, decays, plan)));
        let data = Arc::new(data?);
        let tables_seconds = began.seconds();
        let clock = Moment::now();
        let (local_kev, identity) = cores::beside(
            || if fresh { local_energy(&data, decays, plan.scoring) } else { Vec::new() },
            || hashes.identity(&data, plan),
        );
        let source = SourceVoxels { sources, local_kev };
        Ok(Self { data, identity, source, all_decays, tables_seconds, identity_seconds: clock.seconds() })
    }

    /// Refuses to resume from another run's state.
    pub(crate) fn accepts(&self, store: &BatchStore, plan: &RunPlan) -> Result<(), RunError> {
        let different = |what: &str, found: String, expected: String| {
            Err(RunError::Resume { what: what.to_owned(), found, expected })
        };
        if let Some((what, expected, found)) = self.identity.difference(&store.identity) {
            return different(what, found.to_owned(), expected.to_owned());
        }
        if store.shard != plan.shard {
            let name = |s: Option<Shard>| s.map_or("none".to_owned(), |s| format!("{}/{}", s.index + 1, s.count));
            return different("shard", name(store.shard), name(plan.shard));
        }
        Ok(())
    }
}

/// Where histories are wanted.
fn sources(scene: &Scene, decays: &[f64], plan: &RunPlan) -> Sources {
    let wishes = match plan.scoring {
        Scoring::Voxels => Some(importance::wishes(&scene.grid, &scene.density_g_cm3, decays, plan.target.as_deref())),
        Scoring::Shells { .. } => None,
    };
    Sources::new(decays, wishes)
}

/// Energy by bin that needs no sampling, keV.
pub fn local_energy(data: &SceneData, decays: &[f64], scoring: Scoring) -> Vec<f64> {
    let faint = data.electron_emission.local_kev_per_decay;
    match scoring {
        Scoring::Voxels => decays
            .iter()
            .zip(&data.voxels)
            .map(|(&decays, &word)| {
                let at_home = navigate::voxel_density(word) >= data.params.home_density_g_cm3;
                let home = if at_home { data.home_kev_per_decay[navigate::voxel_tissue(word) as usize] } else { 0.0 };
                decays * (faint + home)
            })
            .collect(),
        Scoring::Shells { bins, .. } => {
            let mut local = vec![0.0; bins as usize];
            local[0] = decays.iter().sum::<f64>() * faint;
            local
        }
    }
}

/// Sum of the decays. Refuses invalid values.
fn check(scene: &Scene, decays: &[f64]) -> Result<f64, RunError> {
    if decays.len() != scene.grid.len() {
        return Err(RunError::Length { found: decays.len(), expected: scene.grid.len() });
    }
    if let Some(index) = decays.iter().position(|d| !(d.is_finite() && *d >= 0.0)) {
        return Err(RunError::Decays { index, found: decays[index] });
    }
    let all = decays.iter().sum::<f64>();
    if all <= 0.0 { Err(RunError::Empty) } else { Ok(all) }
}
