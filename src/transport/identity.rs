//! The identity of a run: program and kernel, matter, activity, regions, emissions, settings, and what the plan adds.

use crate::cores;
use crate::digest::finished;
use crate::transport::SceneData;
use crate::transport::emission::Pass;
use crate::transport::plan::{RunPlan, Stop, batch_count};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Hashes numbers as little-endian bytes.
pub(crate) fn hash_numbers<T: bytemuck::Pod, const N: usize>(
    hasher: &mut Sha256,
    numbers: &[T],
    bytes: impl Fn(T) -> [u8; N],
) {
    if cfg!(target_endian = "little") {
        hasher.update(bytemuck::cast_slice::<T, u8>(numbers));
    } else {
        numbers.iter().for_each(|&number| hasher.update(bytes(number)));
    }
}

/// Hashes of the inputs besides scene and tables, known before these are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputHashes {
    activity: String,
    regions: String,
}

impl InputHashes {
    /// Of decays by voxel and labels by voxel.
    pub fn of(decays: &[f64], labels: Option<&[u16]>) -> Self {
        let sha = |fill: &dyn Fn(&mut Sha256)| {
            let mut hasher = Sha256::new();
            fill(&mut hasher);
            finished(hasher)
        };
        let (activity, regions) = cores::beside(
            || sha(&|h| hash_numbers(h, decays, f64::to_le_bytes)),
            || sha(&|h| hash_numbers(h, labels.unwrap_or_default(), u16::to_le_bytes)),
        );
        Self { activity, regions }
    }
}

/// Identity of a run: named values in a fixed order. Equal values mean the same run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Name and value.
    pub fields: Vec<(String, String)>,
}

impl Identity {
    /// The first name whose values differ, with this value and the other's.
    pub fn difference<'a>(&'a self, other: &'a Identity) -> Option<(&'a str, &'a str, &'a str)> {
        let at = |list: &'a Identity, n: usize| list.fields.get(n).map_or(("nothing", "nothing"), |f| (&f.0, &f.1));
        (0..self.fields.len().max(other.fields.len())).find_map(|n| {
            let ((name, mine), (other_name, theirs)) = (at(self, n), at(other, n));
            (name != other_name || mine != theirs).then_some((name, mine, theirs))
        })
    }

    /// Identity of a run: scene and tables as engines take them, activity, regions, and what the plan adds.
    pub fn of(scene: &SceneData, inputs: &InputHashes, plan: Vec<(String, String)>) -> Self {
        let sha = |fill: &dyn Fn(&mut Sha256)| {
            let mut hasher = Sha256::new();
            fill(&mut hasher);
            finished(hasher)
        };
        let kernel = sha(&|h| {
            for pass in [Pass::Electron, Pass::Photon] {
                h.update(crate::transport::gpu::shader::pass_source(pass));
            }
        });
        let p = &scene.params;
        let words = |h: &mut Sha256, words: &[u32]| h.update(bytemuck::cast_slice::<u32, u8>(words));
        let matter = sha(&|h| {
            words(h, &[p.nx, p.ny, p.nz, p.dx_mm.to_bits(), p.dy_mm.to_bits(), p.dz_mm.to_bits()]);
            words(h, &scene.voxels);
        });
        let emissions = sha(&|h| {
            words(h, &scene.electron_emission.words);
            words(h, &[u32::MAX]);
            words(h, &scene.photon_emission.words);
        });
        let tables = sha(&|h| {
            // the seed has a field of its own
            h.update(bytemuck::bytes_of(&crate::kernel::single::context::Params { seed_low: 0, seed_high: 0, ..*p }));
            for table in [&scene.electron_table, &scene.photon_table, &scene.scatter_table] {
                h.update(bytemuck::cast_slice::<f32, u8>(table));
            }
        });
        let mut fields = vec![
            ("version".to_owned(), format!("lutra {} kernel {}", env!("CARGO_PKG_VERSION"), &kernel[..16])),
            ("scene".to_owned(), matter),
            ("activity".to_owned(), inputs.activity.clone()),
            ("regions".to_owned(), inputs.regions.clone()),
            ("emissions".to_owned(), emissions),
            ("physics settings and tables".to_owned(), tables),
        ];
        fields.extend(plan);
        Self { fields }
    }
}

/// Hashes of what a plan takes besides scene and tables.
pub(crate) struct PlanHashes {
    inputs: InputHashes,
    target: String,
}

impl PlanHashes {
    pub(crate) fn of(decays: &[f64], plan: &RunPlan) -> Self {
        let target = plan.target.as_ref().map_or("hottest voxels".to_owned(), |target| {
            let mut hasher = Sha256::new();
            target.chunks(4096).for_each(|c| hasher.update(c.iter().map(|&t| u8::from(t)).collect::<Vec<u8>>()));
            finished(hasher)
        });
        Self { inputs: InputHashes::of(decays, plan.labels.as_deref()), target }
    }

    pub(crate) fn identity(self, data: &SceneData, plan: &RunPlan) -> Identity {
        let stop = match plan.stop {
            Stop::Histories(n) => n.to_string(),
            Stop::TargetSigma(goal) => format!("to {goal}"),
            Stop::Seconds(seconds) => format!("for {seconds} s"),
        };
        Identity::of(
            data,
            &self.inputs,
            vec![
                ("seed".to_owned(), plan.seed.to_string()),
                ("histories".to_owned(), stop),
                ("target".to_owned(), self.target),
                ("photon histories per electron history".to_owned(), plan.photon_share.to_string()),
                ("batches".to_owned(), batch_count(plan).to_string()),
            ],
        )
    }
}

/// The identity of a run: see [`Identity`].
pub fn identity(data: &SceneData, decays: &[f64], plan: &RunPlan) -> Identity {
    PlanHashes::of(decays, plan).identity(data, plan)
}
