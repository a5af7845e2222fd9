//! PhysicsTables: the one description of matter that every engine reads.
//!
//! Built in f64 from the laws of this folder, packed once as f32 in the layout of `kernel::single::tables`.
//! The nodes are linear inside each octave (64 an octave from 1 keV; 16 an octave from 2^-7 per Angstrom), so
//! that the kernel finds its place from a number's bits. Linear interpolation between energy nodes errs by less
//! than 0.02 % on E^-2 laws; across photoelectric edges (below 5 keV in tissue) it smears one bin, 1.6 %.

use crate::cores;
use crate::elementary::{log2, powi};
use crate::fault::{Explained, Fault, FaultKind, explained};
use crate::kernel::single::tables as layout;
use crate::materials::tissues::Tissue;
use crate::physics::density_effect::{OscillatorError, OscillatorModel};
use crate::physics::elastic::{ElasticTable, WentzelError, wentzel_nearest};
use crate::physics::elements::lin_lin;
use crate::physics::moller::hard_cross_section_cm2_g;
use crate::physics::soft_inelastic::soft_inelastic_of;
use crate::physics::step_end::Steps;
use crate::physics::stopping_power::{StoppingError, StoppingTable, log_grid};
use crate::physics::thick_target::ThickTarget;
use std::collections::BTreeMap;

use crate::physics::{compton, photoelectric, photon_xs, rayleigh};

/// How the electron transport divides a path.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct TransportSettings {
    /// Knock-on electrons above this energy are followed, keV.
    pub knock_on_kev: f64,
    /// Longest step in units of the transport mean free path.
    pub step_scattering: f64,
    /// Largest mean energy loss of a step, share of the energy.
    pub step_loss: f64,
    /// Hard elastic collisions per transport mean free path.
    pub hard_per_transport: f64,
    /// An electron whose range, in the lightest matter of the scene, is below this share of the smallest voxel edge rests on
    /// the spot.
    pub cut_share_of_voxel: f64,
    /// Electrons below this energy rest on the spot whatever the voxel, keV, at least 1.
    pub electron_cut_kev: f64,
    /// Photons below this energy are absorbed on the spot, keV, at least 1.
    pub photon_cut_kev: f64,
    /// Elastic transport cross sections are multiplied by this (1 but for tests of the comparison).
    pub elastic_scale: f64,
    /// The variance of soft losses is multiplied by this (1 but for tests of the comparison).
    pub straggling_scale: f64,
    /// Photon cross sections are multiplied by this (1 but for tests of the comparison).
    pub photon_scale: f64,
    /// The number of bremsstrahlung photons is multiplied by this (1 but for tests of the comparison; 0: none).
    pub bremsstrahlung_scale: f64,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            knock_on_kev: 10.0,
            step_scattering: 0.1,
            step_loss: 0.15,
            hard_per_transport: 5.0,
            cut_share_of_voxel: 0.003,
            electron_cut_kev: 1.0,
            photon_cut_kev: 1.0,
            elastic_scale: 1.0,
            straggling_scale: 1.0,
            photon_scale: 1.0,
            bremsstrahlung_scale: 1.0,
        }
    }
}

/// Why no tables can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The stopping powers of a tissue.
    Stopping {
        /// Name of the tissue.
        tissue: String,
        /// What is wrong.
        source: StoppingError,
    },
    /// The oscillators of a tissue.
    Oscillator {
        /// Name of the tissue.
        tissue: String,
        /// What is wrong.
        source: OscillatorError,
    },
    /// The elastic scattering of a tissue.
    Elastic {
        /// Name of the tissue.
        tissue: String,
        /// Energy, keV.
        energy_kev: f64,
        /// What is wrong.
        source: WentzelError,
    },
    /// No tissue, or more than a voxel's word can name.
    Count {
        /// Number of tissues.
        found: usize,
    },
}

explained!(TableError);

impl Explained for TableError {
    fn fault(&self) -> Fault {
        let of_tissue = |tissue: &str, inner: Fault| inner.inside(format!("tissue {tissue}"));
        match self {
            Self::Stopping { tissue, source } => of_tissue(tissue, source.fault()),
            Self::Oscillator { tissue, source } => of_tissue(tissue, source.fault()),
            Self::Elastic { tissue, energy_kev, source } => {
                let told = Fault::of(FaultKind::Program).found(source.to_string()).form("{found}");
                of_tissue(&format!("{tissue} at {energy_kev} keV"), told)
            }
            Self::Count { found } => Fault::of(FaultKind::Invalid)
                .field("tissues")
                .found(found.to_string())
                .allowed("1 to 256")
                .then("merge tissues that differ little")
                .form("{found} {field} found, {allowed} allowed")
                .colon(),
        }
    }
}

/// The packed tables of a list of tissues.
#[derive(Clone, Debug, PartialEq)]
pub struct PhysicsTables {
    /// `ELECTRON_COLUMNS` numbers by energy node by tissue.
    pub electron: Vec<f32>,
    /// `PHOTON_COLUMNS` numbers by energy node by tissue.
    pub photon: Vec<f32>,
    /// `SCATTER_COLUMNS` numbers by momentum-transfer node by tissue.
    pub scatter: Vec<f32>,
    /// The settings they were made with.
    pub settings: TransportSettings,
}

/// Energies of the nodes, keV: 64 an octave, 1 to 4096 keV.
pub fn energy_nodes_kev() -> Vec<f64> {
    (0..layout::ENERGY_NODES)
        .map(|i| {
            let (octave, rest) = (i / layout::ENERGY_BINS_PER_OCTAVE, i % layout::ENERGY_BINS_PER_OCTAVE);
            f64::from(1u32 << octave) * (1.0 + f64::from(rest) / f64::from(layout::ENERGY_BINS_PER_OCTAVE))
        })
        .collect()
}

/// Momentum transfers of the nodes, 1/Angstrom: 16 an octave, 2^-7 to 2^7.
pub fn momentum_nodes_per_angstrom() -> Vec<f64> {
    (0..layout::MOMENTUM_NODES)
        .map(|i| {
            let (octave, rest) = (i / layout::MOMENTUM_BINS_PER_OCTAVE, i % layout::MOMENTUM_BINS_PER_OCTAVE);
            powi(2.0, octave as i32 - 7) * (1.0 + f64::from(rest) / f64::from(layout::MOMENTUM_BINS_PER_OCTAVE))
        })
        .collect()
}

/// Longest step by node, g/cm2: a share of the transport mean free path, and of the energy at most.
fn longest_steps(
    energy_kev: &[f64],
    transport_cm2_g: &[f64],
    stopping_kev_cm2_g: &[f64],
    settings: &TransportSettings,
) -> Vec<f64> {
    let by_scattering = transport_cm2_g.iter().map(|transport| settings.step_scattering / transport);
    let by_loss = energy_kev.iter().zip(stopping_kev_cm2_g).map(|(e, stopping)| settings.step_loss * e / stopping);
    by_scattering.zip(by_loss).map(|(a, b)| f64::min(a, b)).collect()
}

fn electron_rows(tissue: &Tissue, settings: &TransportSettings) -> Result<Vec<f32>, TableError> {
    let energy_kev = energy_nodes_kev();
    let mut out = Vec::with_capacity(energy_kev.len() * layout::ELECTRON_COLUMNS as usize);
    let name = || tissue.name.clone();
    let stopping = StoppingTable::build(tissue, &energy_kev, settings.knock_on_kev)
        .map_err(|source| TableError::Stopping { tissue: name(), source })?;
    let model = OscillatorModel::of(tissue).map_err(|source| TableError::Oscillator { tissue: name(), source })?;
    let elastic = ElasticTable::of(tissue);
    // deflection: elastic by ELSEPA, soft inelastic by the oscillators
    let mut total = Vec::with_capacity(energy_kev.len());
    let mut parts = Vec::with_capacity(energy_kev.len());
    for &e in &energy_kev {
        let (tr1, tr2) = elastic.transport_cm2_g(e);
        let (tr1, tr2) = (tr1 * settings.elastic_scale, tr2 * settings.elastic_scale);
        let soft = soft_inelastic_of(&model, e, settings.knock_on_kev);
        total.push(tr1 + soft.tr1_cm2_g);
        parts.push((tr1, tr2, soft));
    }
    let stopping_kev_cm2_g = &stopping.restricted_total_kev_cm2_g;
    let longest = longest_steps(&energy_kev, &total, stopping_kev_cm2_g, settings);
    let variance: Vec<f64> =
        parts.iter().map(|(.., soft)| soft.straggling_kev2_cm2_g * settings.straggling_scale).collect();
    let knock_on: Vec<f64> =
        energy_kev.iter().map(|&e| hard_cross_section_cm2_g(tissue, e, settings.knock_on_kev)).collect();
    let knock_on_most = Steps {
        energy_kev: &energy_kev,
        longest_g_cm2: &longest,
        stopping_kev_cm2_g,
        variance_kev2_cm2_g: &variance,
        knock_on_cm2_g: &knock_on,
    }
    .knock_on_bound_cm2_g();
    for (i, &e) in energy_kev.iter().enumerate() {
        let (tr1, tr2, soft) = &parts[i];
        let wentzel = wentzel_nearest(*tr1, *tr2).map_err(|source| TableError::Elastic {
            tissue: name(),
            energy_kev: e,
            source,
        })?;
        let mu_cut = wentzel.cutoff_for_hard(settings.hard_per_transport * total[i]);
        let step = longest[i];
        let end = (e - step * stopping_kev_cm2_g[i]).max(1.0);
        let growth = (lin_lin(&energy_kev, &total, end) - total[i]) / lin_lin(&energy_kev, &total, 0.5 * (e + end));
        let mut row = [0.0; layout::ELECTRON_COLUMNS as usize];
        row[layout::COLUMN_RANGE as usize] = stopping.restricted_range_g_cm2[i];
        row[layout::COLUMN_STOPPING as usize] = stopping_kev_cm2_g[i];
        row[layout::COLUMN_STEP as usize] = step;
        row[layout::COLUMN_KNOCK_ON as usize] = knock_on[i];
        row[layout::COLUMN_KNOCK_ON_MOST as usize] = knock_on_most[i];
        row[layout::COLUMN_VARIANCE as usize] = variance[i];
        row[layout::COLUMN_HARD as usize] = wentzel.hard_cm2_g(mu_cut);
        row[layout::COLUMN_SOFT_1 as usize] = wentzel.soft_tr1_cm2_g(mu_cut) + soft.tr1_cm2_g;
        row[layout::COLUMN_SOFT_2 as usize] = wentzel.soft_tr2_cm2_g(mu_cut) + soft.tr2_cm2_g;
        row[layout::COLUMN_SCREENING as usize] = wentzel.screening;
        row[layout::COLUMN_MU_CUT as usize] = mu_cut;
        row[layout::COLUMN_GROWTH as usize] = growth / step;
        row[layout::COLUMN_YIELD as usize] = stopping.radiation_yield[i];
        row[layout::COLUMN_TRANSPORT as usize] = total[i];
        out.extend(row.iter().map(|&v| v as f32));
    }
    Ok(out)
}

/// Moments of incoherent scattering by atomic number and energy node: elements are common to the tissues.
type ComptonMoments = BTreeMap<u8, Vec<[f64; 2]>>;

fn photon_rows(tissue: &Tissue, settings: &TransportSettings, moments: &mut ComptonMoments, out: &mut Vec<f32>) {
    let nodes_kev = energy_nodes_kev();
    for (element, _) in tissue.elements() {
        moments
            .entry(element.z)
            .or_insert_with(|| nodes_kev.iter().map(|&e| compton::element_moments(element, e)).collect());
    }
    for (node, e) in nodes_kev.into_iter().enumerate() {
        let coherent = photon_xs::coherent_cm2_g(tissue, e) * settings.photon_scale;
        let incoherent = photon_xs::incoherent_cm2_g(tissue, e) * settings.photon_scale;
        let absorbed = photon_xs::photoelectric_cm2_g(tissue, e) * settings.photon_scale;
        let transfer_kev = compton::mean_transfer_of(tissue, |element| moments[&element.z][node]);
        let kerma = photoelectric::energy_transfer_with(tissue, e, transfer_kev) * settings.photon_scale;
        let mut row = [0.0; layout::PHOTON_COLUMNS as usize];
        row[layout::COLUMN_TOTAL as usize] = coherent + incoherent + absorbed;
        row[layout::COLUMN_KERMA as usize] = kerma;
        row[layout::COLUMN_INCOHERENT as usize] = incoherent;
        row[layout::COLUMN_COHERENT as usize] = coherent;
        row[layout::COLUMN_BREMSSTRAHLUNG as usize] = 1.0;
        out.extend(row.iter().map(|&v| v as f32));
    }
}

fn scatter_rows(tissue: &Tissue, out: &mut Vec<f32>) {
    let nodes = momentum_nodes_per_angstrom();
    let squares: Vec<f64> = nodes.iter().map(|x| x * x).collect();
    let integral = rayleigh::cumulative_form_factor(tissue, &squares);
    let last = integral[integral.len() - 1];
    for (x, c) in nodes.iter().zip(&integral) {
        out.push(compton::scattering_function(tissue, *x).min(1.0) as f32);
        out.push((c / last) as f32);
    }
}

impl PhysicsTables {
    /// Tables of `tissues` (1 to 256), rows in their order. Cost: about 10 ms a tissue.
    pub fn build(tissues: &[Tissue], settings: &TransportSettings) -> Result<Self, TableError> {
        if tissues.is_empty() || tissues.len() > 256 {
            return Err(TableError::Count { found: tissues.len() });
        }
        let mut tables = Self { electron: Vec::new(), photon: Vec::new(), scatter: Vec::new(), settings: *settings };
        let mut moments = ComptonMoments::new();
        for rows in cores::of_each(tissues, |tissue: &Tissue| electron_rows(tissue, settings)) {
            tables.electron.extend(rows?);
        }
        for tissue in tissues {
            photon_rows(tissue, settings, &mut moments, &mut tables.photon);
            scatter_rows(tissue, &mut tables.scatter);
        }
        Ok(tables)
    }

    /// Writes how strongly the electrons of a source radiate in each of `tissues` (those of the tables) against
    /// `reference`, their radiation in water, by photon energy. `electrons` as in [`ThickTarget::of`].
    pub fn radiate(
        &mut self,
        tissues: &[Tissue],
        electrons: &[(f64, f64, f64)],
        reference: &ThickTarget,
    ) -> Result<(), TableError> {
        let nodes_kev = energy_nodes_kev();
        let most_kev = electrons.iter().map(|e| e.1).fold(1.0, f64::max);
        let count = ((log2(most_kev) * 4.0).ceil() as usize).max(1) + 1;
        // a little below the end of the spectrum, where both are 0
        let grid_kev = log_grid(1.0, (0.98 * most_kev).max(1.5), count);
        let water: Vec<f64> = grid_kev.iter().map(|&k| reference.energy_at(k)).collect();
        let targets = cores::of_each(tissues, |tissue: &Tissue| {
            ThickTarget::of(tissue, electrons)
                .map_err(|source| TableError::Stopping { tissue: tissue.name.clone(), source })
        });
        for (t, target) in targets.into_iter().enumerate() {
            let target = target?;
            let ratio: Vec<f64> = grid_kev
                .iter()
                .zip(&water)
                .map(|(&k, &water)| if water > 0.0 { target.energy_at(k) / water } else { 1.0 })
                .collect();
            for (node, &k) in nodes_kev.iter().enumerate() {
                let row = t * layout::ENERGY_NODES as usize + node;
                self.photon[row * layout::PHOTON_COLUMNS as usize + layout::COLUMN_BREMSSTRAHLUNG as usize] =
                    lin_lin(&grid_kev, &ratio, k) as f32;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of the packed tables of all built-in tissues with the radiation of 177Lu, and of the photons that it emits in
    /// water: the numbers under every tally hash. It changes with a law or its data, never with how the code is arranged.
    #[test]
    fn lock_the_packed_tables_keep_their_bits() {
        let nuclide = crate::decay::Nuclide::load("lu177").unwrap();
        let betas = nuclide.beta.iter().map(|b| (b.e_lo_kev, b.e_hi_kev, b.probability_per_decay));
        let electrons: Vec<_> =
            betas.chain(nuclide.electrons.iter().map(|l| (l.energy_kev, l.energy_kev, l.yield_per_decay))).collect();
        let tissue = |name: &str| Tissue::built_in(name).unwrap();
        let tissues: Vec<Tissue> = Tissue::built_in_names().into_iter().map(tissue).collect();
        let water = ThickTarget::of(&tissue("water"), &electrons).unwrap();
        let mut tables = PhysicsTables::build(&tissues, &TransportSettings::default()).unwrap();
        tables.radiate(&tissues, &electrons, &water).unwrap();
        let groups =
            water.groups().into_iter().flat_map(|(low, high, number)| [low as f32, high as f32, number as f32]);
        let packed: Vec<f32> =
            tables.electron.iter().chain(&tables.photon).chain(&tables.scatter).copied().chain(groups).collect();
        let hash = |values: &[f32]| crate::digest::of_bytes(bytemuck::cast_slice(values));
        // one hash in every build: elementary functions come through `crate::elementary`
        assert_eq!(hash(&packed), "9e159da826ebaf7c981bf2a74da9a805805dc6a511faa31343b41109eaec2f27");
        // alarm: one bit of one number
        let mut other = packed.clone();
        other[1000] = f32::from_bits(other[1000].to_bits() ^ 1);
        assert_ne!(hash(&other), hash(&packed));
    }

    /// Contrast agent, seeds, amalgam, implants: every heavy element has tables, pure and in tissue.
    #[test]
    fn law_tissues_with_heavy_elements_have_tables() {
        let mut tissues = Vec::new();
        for (name, z, excitation_ev, g_cm3) in [
            ("silver", 47, 470.0, 10.5),
            ("tin", 50, 488.0, 7.31),
            ("iodine", 53, 491.0, 4.93),
            ("barium", 56, 491.0, 3.5),
            ("gadolinium", 64, 591.0, 7.9),
            ("tungsten", 74, 727.0, 19.3),
            ("platinum", 78, 790.0, 21.45),
            ("gold", 79, 790.0, 19.32),
            ("lead", 82, 823.0, 11.35),
            ("uranium", 92, 890.0, 18.95),
        ] {
            tissues.push(Tissue::new(name, &[(z, 1.0)], excitation_ev, g_cm3).unwrap());
            let mixed = [(1, 0.109), (8, 0.871), (z, 0.02)];
            tissues.push(Tissue::new(&format!("water with {name}"), &mixed, 78.0, 1.02).unwrap());
        }
        tissues.push(Tissue::new("amalgam", &[(29, 0.07), (47, 0.3), (50, 0.13), (80, 0.5)], 640.0, 11.0).unwrap());
        let tables = PhysicsTables::build(&tissues, &TransportSettings::default()).unwrap();
        assert!(tables.electron.iter().chain(&tables.photon).chain(&tables.scatter).all(|value| value.is_finite()));
        let columns = layout::ELECTRON_COLUMNS as usize;
        for row in tables.electron.chunks(columns) {
            let of = |column: u32| row[column as usize];
            assert!(
                of(layout::COLUMN_STOPPING) > 0.0 && of(layout::COLUMN_STEP) > 0.0 && of(layout::COLUMN_HARD) > 0.0
            );
            // the soft deflection needs a second moment not below the first
            assert!(of(layout::COLUMN_SOFT_2) >= of(layout::COLUMN_SOFT_1), "{row:?}");
        }
    }
}
