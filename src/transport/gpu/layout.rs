//! Sizes and places that host and shader share. A test holds them against the shader itself (naga).

use crate::transport::emission::Pass;

/// Words of the ledger: five accounts of three words, the flags, the finished histories, padding.
pub const LEDGER_WORDS: usize = 20;
/// Word that holds the flags.
pub const LEDGER_FLAGS: usize = 15;
/// Word that counts the finished histories.
pub const LEDGER_FINISHED: usize = 16;
/// Words of a particle's state.
pub const PARTICLE_WORDS: usize = 15;
/// Words of a random stream's state.
pub const RNG_WORDS: usize = 4;

/// Words of a thread's state: stream, particle, waiting electrons, histories begun.
pub const fn thread_words(pass: Pass) -> usize {
    match pass {
        Pass::Electron => {
            RNG_WORDS + PARTICLE_WORDS + 1 + PARTICLE_WORDS * crate::kernel::single::waiting::STACK_SIZE as usize + 1
        }
        Pass::Photon => RNG_WORDS + PARTICLE_WORDS + 1,
    }
}

/// Bindings that a pass uses, in ascending order.
pub const fn bindings(pass: Pass) -> &'static [u32] {
    match pass {
        Pass::Electron => &[0, 1, 2, 5, 6, 7, 8, 9],
        Pass::Photon => &[0, 1, 3, 4, 5, 6, 7, 8, 9],
    }
}
