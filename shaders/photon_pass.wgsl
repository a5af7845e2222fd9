// Entry point of the photon pass: a thread runs many histories in one flat loop and can stop after any step.
// Written by hand; the CPU's loop is transport/cpu.rs.

struct PhotonThread {
  rng: Rng,
  particle: Particle,
  begun: u32,
}

@group(0) @binding(9) var<storage, read_write> photon_threads: array<PhotonThread>;

override workgroup: u32 = 64u;

@compute @workgroup_size(workgroup)
fn photon_pass(@builtin(global_invocation_id) id: vec3<u32>) {
  let t = id.x;
  if t >= params.threads {
    return;
  }
  var rng = photon_threads[t].rng;
  var particle = photon_threads[t].particle;
  var begun = photon_threads[t].begun;
  var finished = 0u;
  for (var s = 0u; s < params.steps; s += 1u) {
    if particle.alive == 0u {
      let history = params.first + begun * params.threads + t;
      if history >= params.histories {
        break;
      }
      begun += 1u;
      particle = photon_birth(history);
      rng = rng_for(history, params.batch, params.seed_low, params.seed_high);
    }
    photon_step(&rng, &particle);
    if particle.alive == 0u {
      finished += 1u;
    }
  }
  photon_threads[t].rng = rng;
  photon_threads[t].particle = particle;
  photon_threads[t].begun = begun;
  settle(finished);
}
