// Electrons that wait while their knock-on is followed: the one that was pushed last is popped first.
//
// They lie in the storage buffer, where a thread's state lies between dispatches anyway. In function memory the array, which
// is indexed by a variable, would become scratch and take the registers of three quarters of a chip's waves.
// Twin: src/kernel/waiting.rs, which keeps an array. Written by hand.

// Room for electrons that wait: the lower energy goes first and is at most half, so that n generations need n places.
const STACK_SIZE: u32 = 10u;

// State of a thread of the electron pass between two dispatches.
struct ElectronThread {
  rng: Rng,
  particle: Particle,
  // How many wait.
  count: u32,
  // Histories begun.
  begun: u32,
  // The waiting electrons.
  waiting: array<Particle, STACK_SIZE>,
}

@group(0) @binding(9) var<storage, read_write> electron_threads: array<ElectronThread>;

// Electrons that wait.
struct Stack {
  // How many wait.
  count: u32,
  // Whose they are.
  thread: u32,
}

// Lets an electron wait; there must be room.
fn push_waiting(stack: ptr<function, Stack>, p: Particle) {
  electron_threads[(*stack).thread].waiting[(*stack).count] = p;
  (*stack).count += 1u;
}

// Takes the last that waits; there must be one.
fn pop_waiting(stack: ptr<function, Stack>) -> Particle {
  (*stack).count -= 1u;
  return electron_threads[(*stack).thread].waiting[(*stack).count];
}
