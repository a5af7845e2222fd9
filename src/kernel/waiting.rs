//! Electrons that wait while their knock-on is followed: the one that was pushed last is popped first.
//!
//! They are kept in an array here and in the storage buffer of the threads on the GPU (shaders/waiting.wgsl, written by
//! hand): an array in a thread's own memory would take the registers of three quarters of a chip's waves.

use super::navigate::Particle;

/// Room for electrons that wait: the lower energy goes first and is at most half, so that n generations need n places.
pub const STACK_SIZE: u32 = 10;

/// Electrons that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stack {
    /// How many wait.
    pub count: u32,
    /// The waiting electrons.
    pub waiting: [Particle; STACK_SIZE as usize],
}

/// Lets an electron wait; there must be room.
pub fn push_waiting(stack: &mut Stack, p: &Particle) {
    stack.waiting[stack.count as usize] = *p;
    stack.count = stack.count + 1u32;
}

/// Takes the last that waits; there must be one.
pub fn pop_waiting(stack: &mut Stack) -> Particle {
    stack.count = stack.count - 1u32;
    stack.waiting[stack.count as usize]
}
