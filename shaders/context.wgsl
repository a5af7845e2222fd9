// What a history reads: parameters, voxels, tables and source. Shared by both engines, word for word.
// Twin: src/kernel/context.rs, from which `cargo xtask shaders` writes this file.

// Parameters of one batch of one pass. All fields are 4 bytes: the layout is the same in Rust and WGSL.
struct Params {
  // Always 0, but the shader compiler cannot know: the barrier `nc` xors with it.
  zero: u32,
  // Number of voxels along x.
  nx: u32,
  // Number of voxels along y.
  ny: u32,
  // Number of voxels along z.
  nz: u32,
  // Voxel edge along x, mm.
  dx_mm: f32,
  // Voxel edge along y, mm.
  dy_mm: f32,
  // Voxel edge along z, mm.
  dz_mm: f32,
  // An electron whose range is below this deposits on the spot, mm g/cm3: the same in every voxel, since what rests
  // beside a face does not cross it, and more would rest in the denser of two voxels.
  cut_mm_g_cm3: f32,
  // Low word of the seed.
  seed_low: u32,
  // High word of the seed.
  seed_high: u32,
  // Number of the batch; odd stream numbers belong to the photon pass: 2 * batch + pass.
  batch: u32,
  // Histories of this batch; the job runs those from `first` up to this number, this number left out.
  histories: u32,
  // Source voxels with at least one history in this batch.
  sources: u32,
  // Rows of the emission table.
  emissions: u32,
  // Knock-on electrons above this energy are followed, keV.
  knock_on_kev: f32,
  // Number of radial tally bins; 0 tallies by voxel.
  radial_bins: u32,
  // Radial bins per mm.
  radial_per_mm: f32,
  // 1: all histories start at the voxel's centre instead of uniformly inside it.
  point_source: u32,
  // 1: photons deposit at collisions (analogue estimator); 0: along their track.
  analogue: u32,
  // First history of the job: 0 for a whole batch, another where a batch is run in parts.
  first: u32,
  // Threads of the dispatch.
  threads: u32,
  // Steps a thread may make in one dispatch.
  steps: u32,
  // Energy below which an electron deposits on the spot, keV, at least 1.
  electron_cut_kev: f32,
  // Energy below which a photon deposits on the spot, keV, at least 1.
  photon_cut_kev: f32,
  // Start of the batch's additive sequence for the energy, 2^-32.
  shift_energy: u32,
  // Start of the sequence for x.
  shift_x: u32,
  // Start of the sequence for y.
  shift_y: u32,
  // Start of the sequence for z.
  shift_z: u32,
  // Start of the sequence for the cosine of the polar angle.
  shift_polar: u32,
  // Start of the sequence for the azimuth.
  shift_azimuth: u32,
  // Electrons born in matter at least this dense have a home, g/cm3.
  home_density_g_cm3: f32,
  // First row of the emission table that is bremsstrahlung of the source's electrons.
  bremsstrahlung_row: u32,
}

// A tally entry overflowed 64 bits.
const FLAG_TALLY_OVERFLOW: u32 = 1u;

// More knock-on generations than the stack holds.
const FLAG_STACK_FULL: u32 = 2u;

// A particle made more steps than any particle should.
const FLAG_STEP_LIMIT: u32 = 4u;

// A particle is where no particle can be.
const FLAG_LOST: u32 = 8u;

// A rejection loop did not end.
const FLAG_REJECTION: u32 = 16u;

