//! What a history reads: parameters, voxels, tables and source. Shared by both engines, word for word.

/// Parameters of one batch of one pass. All fields are 4 bytes: the layout is the same in Rust and WGSL.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Params {
    /// Always 0, but the shader compiler cannot know: the barrier `nc` xors with it.
    pub zero: u32,
    /// Number of voxels along x.
    pub nx: u32,
    /// Number of voxels along y.
    pub ny: u32,
    /// Number of voxels along z.
    pub nz: u32,
    /// Voxel edge along x, mm.
    pub dx_mm: f32,
    /// Voxel edge along y, mm.
    pub dy_mm: f32,
    /// Voxel edge along z, mm.
    pub dz_mm: f32,
    /// An electron whose range is below this deposits on the spot, mm g/cm3: the same in every voxel, since what rests
    /// beside a face does not cross it, and more would rest in the denser of two voxels.
    pub cut_mm_g_cm3: f32,
    /// Low word of the seed.
    pub seed_low: u32,
    /// High word of the seed.
    pub seed_high: u32,
    /// Number of the batch; odd stream numbers belong to the photon pass: 2 * batch + pass.
    pub batch: u32,
    /// Histories of this batch; the job runs those from `first` up to this number, this number left out.
    pub histories: u32,
    /// Source voxels with at least one history in this batch.
    pub sources: u32,
    /// Rows of the emission table.
    pub emissions: u32,
    /// Knock-on electrons above this energy are followed, keV.
    pub knock_on_kev: f32,
    /// Number of radial tally bins; 0 tallies by voxel.
    pub radial_bins: u32,
    /// Radial bins per mm.
    pub radial_per_mm: f32,
    /// 1: all histories start at the voxel's centre instead of uniformly inside it.
    pub point_source: u32,
    /// 1: photons deposit at collisions (analogue estimator); 0: along their track.
    pub analogue: u32,
    /// First history of the job: 0 for a whole batch, another where a batch is run in parts.
    pub first: u32,
    /// Threads of the dispatch.
    pub threads: u32,
    /// Steps a thread may make in one dispatch.
    pub steps: u32,
    /// Energy below which an electron deposits on the spot, keV, at least 1.
    pub electron_cut_kev: f32,
    /// Energy below which a photon deposits on the spot, keV, at least 1.
    pub photon_cut_kev: f32,
    /// Start of the batch's additive sequence for the energy, 2^-32.
    pub shift_energy: u32,
    /// Start of the sequence for x.
    pub shift_x: u32,
    /// Start of the sequence for y.
    pub shift_y: u32,
    /// Start of the sequence for z.
    pub shift_z: u32,
    /// Start of the sequence for the cosine of the polar angle.
    pub shift_polar: u32,
    /// Start of the sequence for the azimuth.
    pub shift_azimuth: u32,
    /// Electrons born in matter at least this dense have a home, g/cm3.
    pub home_density_g_cm3: f32,
    /// First row of the emission table that is bremsstrahlung of the source's electrons.
    pub bremsstrahlung_row: u32,
}

/// Everything a history reads.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Parameters of the batch.
    pub params: Params,
    /// One word a voxel: the density's f32 bits (g/cm3) with the tissue's index in the low 8 bits.
    pub voxels: &'a [u32],
    /// Electron table: 16 numbers a row, rows by tissue and energy bin.
    pub electron_table: &'a [f32],
    /// Photon table: 5 numbers a row, rows by tissue and energy bin.
    pub photon_table: &'a [f32],
    /// Scattering table: 2 numbers a row, rows by tissue and momentum-transfer bin.
    pub scatter_table: &'a [f32],
    /// Emission table: 4 words a row: upper cumulative probability (2^-32), lowest energy, width (units), weight (2^-16).
    pub emission_table: &'a [u32],
    /// Source table: 3 words a row: first history, voxel, weight (2^-16); one row more closes the list.
    pub source_table: &'a [u32],
}

/// A tally entry overflowed 64 bits.
pub const FLAG_TALLY_OVERFLOW: u32 = 1;
/// More knock-on generations than the stack holds.
pub const FLAG_STACK_FULL: u32 = 2;
/// A particle made more steps than any particle should.
pub const FLAG_STEP_LIMIT: u32 = 4;
/// A particle is where no particle can be.
pub const FLAG_LOST: u32 = 8;
/// A rejection loop did not end.
pub const FLAG_REJECTION: u32 = 16;
