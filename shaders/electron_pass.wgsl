// Entry point of the electron pass: a thread runs many histories in one flat loop and can stop after any step.
// Written by hand; the CPU's loop is transport/cpu.rs.

override workgroup: u32 = 64u;

@compute @workgroup_size(workgroup)
fn electron_pass(@builtin(global_invocation_id) id: vec3<u32>) {
  let t = id.x;
  if t >= params.threads {
    return;
  }
  var rng = electron_threads[t].rng;
  var particle = electron_threads[t].particle;
  var stack = Stack(electron_threads[t].count, t);
  var begun = electron_threads[t].begun;
  var finished = 0u;
  for (var s = 0u; s < params.steps; s += 1u) {
    if particle.alive == 0u {
      let history = params.first + begun * params.threads + t;
      if history >= params.histories {
        break;
      }
      begun += 1u;
      particle = electron_birth(history);
      rng = rng_for(history, params.batch, params.seed_low, params.seed_high);
    }
    electron_step(&rng, &particle, &stack);
    if particle.alive == 0u {
      finished += 1u;
    }
  }
  electron_threads[t].rng = rng;
  electron_threads[t].particle = particle;
  electron_threads[t].count = stack.count;
  electron_threads[t].begun = begun;
  settle(finished);
}
