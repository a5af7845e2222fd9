//! The kernel in f32: the contract, the numbers that every engine produces.

/// Floating-point type of this build of the kernel.
pub type Real = f32;

/// Elementary functions.
#[path = "math.rs"]
pub mod math;

/// Random words.
#[path = "rng.rs"]
pub mod rng;

/// What a history reads.
#[path = "context.rs"]
pub mod context;

/// Look-up by float bits.
#[path = "tables.rs"]
pub mod tables;

/// Look-up in the electron table.
#[path = "rows.rs"]
pub mod rows;

/// Straight flight through voxels.
#[path = "navigate.rs"]
pub mod navigate;

/// Turning a direction.
#[path = "rotate.rs"]
pub mod rotate;

/// Birth of a history.
#[path = "source.rs"]
pub mod source;

/// Births near the faces of the home.
#[path = "skin.rs"]
pub mod skin;

/// Deflection over a step.
#[path = "elastic.rs"]
pub mod elastic;

/// Soft energy loss.
#[path = "straggling.rs"]
pub mod straggling;

/// Knock-on electrons.
#[path = "moller.rs"]
pub mod moller;

/// Electrons that wait.
#[path = "waiting.rs"]
pub mod waiting;

/// The life of an electron.
#[path = "electron.rs"]
pub mod electron;

/// Incoherent scattering.
#[path = "compton.rs"]
pub mod compton;

/// Coherent scattering.
#[path = "rayleigh.rs"]
pub mod rayleigh;

/// The life of a photon.
#[path = "photon.rs"]
pub mod photon;
