//! The particle transport kernel, written once.
//!
//! Every file here is plain arithmetic in a small subset of Rust. `cargo xtask shaders` prints the same
//! functions in WGSL (`shaders/`), with every float result behind the barrier `nc`; the CPU engine runs
//! this very source. The modules are compiled twice: `single` is the contract, the numbers every engine
//! produces; `double` is the same text in f64, with the standard library's elementary functions, and
//! exists to show that f32 is enough.
//!
//! The style is deliberate: no traits but `Sink`, no closures, no division of floats (drivers differ),
//! so that the two languages read line against line.

/// Home of a particle without one: every deposit is tallied where it occurs.
pub const NO_HOME: u32 = 0xFFFF_FFFF;

/// Where a history's energy goes. The GPU's twin is `shaders/prelude.wgsl`.
///
/// `units` are 2^-5 eV, `weight` is in 2^-16: an entry is worth `units * weight`.
///
/// The tally counts what transport changes. A particle with a home, the voxel of its birth, is credited with leaving
/// all its energy there (the host adds that exactly, without sampling); every unit deposited elsewhere is moved from
/// home to that bin. A particle that never leaves its home touches no tally and adds no variance.
pub trait Sink {
    /// A history begins with this energy.
    fn emitted(&mut self, units: u32, weight: u32);
    /// Energy left in tally bin `index` by a particle of that `home`.
    fn deposit(&mut self, index: u32, home: u32, units: u32, weight: u32);
    /// Expected energy in tally bin `index` (track-length estimator): counted in the tally alone.
    fn estimate(&mut self, index: u32, units: u32, weight: u32);
    /// Energy deposited by an analogue collision: counted in the ledger alone.
    fn absorbed(&mut self, units: u32, weight: u32);
    /// Energy that leaves the grid with a particle of that `home`.
    fn escaped(&mut self, home: u32, units: u32, weight: u32);
    /// Energy given to bremsstrahlung, whose photons are part of the photon pass; never counted at home.
    fn radiated(&mut self, units: u32, weight: u32);
    /// An impossible event occurred: one of the `FLAG_` bits.
    fn flag(&mut self, bits: u32);
}

/// The kernel in f32: the contract.
#[allow(clippy::unnecessary_cast, reason = "the same text compiles in f64, where the casts do something")]
#[allow(clippy::duplicate_mod, reason = "one text, two precisions: the point of this module")]
#[allow(clippy::approx_constant, reason = "constants carry the digits that f32 holds")]
#[allow(clippy::excessive_precision, reason = "constants carry their source's digits")]
#[allow(clippy::assign_op_pattern, clippy::redundant_field_names, reason = "plain text that reads like its WGSL twin")]
pub mod single;

/// The kernel in f64: a check of the arithmetic, never an engine.
#[allow(clippy::unnecessary_cast, reason = "the same text compiles in f32, where the casts do something")]
#[allow(clippy::duplicate_mod, reason = "one text, two precisions: the point of this module")]
#[allow(clippy::approx_constant, reason = "constants carry the digits that f32 holds")]
#[allow(clippy::excessive_precision, reason = "constants carry their source's digits")]
#[allow(clippy::assign_op_pattern, clippy::redundant_field_names, reason = "plain text that reads like its WGSL twin")]
pub mod double;

/// The kernel in f32 for several histories at once, printed from the same source.
pub mod lanes;
