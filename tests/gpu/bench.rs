//! The bench on which a shader function and its Rust twin get the same inputs.
//!
//! An entry point is appended to the real modules; a thread reads one input, calls the function, writes its outputs.
//! The outputs, the tally and the accounts must have the bits that `kernel::single` gives: zero differing bits.

use crate::adapter;
use crate::engine_contract::{lutetium, mixed, plan};
use lutra::kernel::single::context::{Context, Params};
use lutra::kernel::single::navigate::Particle;
use lutra::kernel::single::rng::Rng;
use lutra::kernel::{NO_HOME, Sink};
use lutra::transport::allocation::Expectation;
use lutra::transport::emission::Pass;
use lutra::transport::gpu::{layout, shader};
use lutra::transport::run::{RunPlan, job, prepare};
use lutra::transport::{Job, SceneData, Scoring};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng};
use std::sync::OnceLock;

/// Inputs of a case.
pub const INPUTS: usize = 1 << 17;

/// What the functions read beside their arguments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum World {
    /// Mixed tissues, electron pass, tally by voxel.
    Electron,
    /// Mixed tissues, photon pass, tally along tracks.
    Photon,
    /// Mixed tissues, photon pass, tally at collisions.
    Analogue,
    /// One tissue, electron pass, tally by shell.
    Shells,
    /// As `Electron`, with a tally entry for every input: what a thread adds there no other thread disturbs.
    Own,
}

/// One function on the bench.
pub struct Twin {
    /// The function's name in both languages.
    pub name: &'static str,
    /// What it reads beside its arguments.
    pub world: World,
    /// Words of an input.
    pub ins: usize,
    /// Words of an output, the sink's not counted.
    pub outs: usize,
    /// Statements that read the input from word `a` of `twin_in` and write the output from word `o` of `twin_out`.
    pub wgsl: String,
    /// The same in Rust.
    pub rust: fn(&Context, &[u32], &mut [u32], &mut Recorder),
    /// Makes an input.
    pub input: fn(&mut Inputs) -> Vec<u32>,
}

/// Words that the bench appends to every output: five accounts of two words and the flags.
const SINK_WORDS: usize = 11;

/// What a history leaves behind, as the CPU engine keeps it.
#[derive(Debug, Default)]
pub struct Recorder {
    book: [u64; 5],
    flags: u32,
    tally: Vec<i64>,
}

impl Recorder {
    /// Adds to a tally entry, as `tally_add` does.
    pub fn entry(&mut self, index: u32, value: i64) {
        let (sum, over) = self.tally[index as usize].overflowing_add(value);
        self.tally[index as usize] = sum;
        if over {
            self.flags |= lutra::kernel::single::context::FLAG_TALLY_OVERFLOW;
        }
    }

    /// The flags raised so far.
    pub fn flags(&self) -> u32 {
        self.flags
    }

    fn account(&mut self, account: usize, units: u32, weight: u32) -> i64 {
        let value = u64::from(units) * u64::from(weight);
        self.book[account] = self.book[account].wrapping_add(value);
        value.cast_signed()
    }
}

impl Sink for Recorder {
    fn emitted(&mut self, units: u32, weight: u32) {
        self.account(0, units, weight);
    }
    fn deposit(&mut self, index: u32, home: u32, units: u32, weight: u32) {
        if units != 0 {
            let value = self.account(1, units, weight);
            if index != home {
                self.entry(index, value);
                if home != NO_HOME {
                    self.entry(home, -value);
                }
            }
        }
    }
    fn estimate(&mut self, index: u32, units: u32, weight: u32) {
        if units != 0 {
            let value = self.account(4, units, weight);
            self.entry(index, value);
        }
    }
    fn absorbed(&mut self, units: u32, weight: u32) {
        self.account(1, units, weight);
    }
    fn escaped(&mut self, home: u32, units: u32, weight: u32) {
        let value = self.account(2, units, weight);
        if home != NO_HOME && units != 0 {
            self.entry(home, -value);
        }
    }
    fn radiated(&mut self, units: u32, weight: u32) {
        self.account(3, units, weight);
    }
    fn flag(&mut self, bits: u32) {
        self.flags |= bits;
    }
}

/// Makes inputs: edges first, then dense sweeps and random numbers in turn.
pub struct Inputs {
    random: Xoshiro256PlusPlus,
    /// Number of the input.
    pub i: usize,
    /// Parameters of the world.
    pub params: Params,
}

impl Inputs {
    /// 32 random bits; small, large and single-bit words among them.
    pub fn word(&mut self) -> u32 {
        let w = (self.random.next_u64() >> 32) as u32;
        match self.i {
            0 => 0,
            1 => u32::MAX,
            2..34 => 1 << (self.i - 2),
            34..66 => u32::MAX >> (self.i - 34),
            n if n % 8 == 0 => w >> (n / 8 % 32),
            _ => w,
        }
    }

    /// A whole number below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        (((self.random.next_u64() >> 32) * u64::from(n)) >> 32) as u32
    }

    /// A positive number from `low` to `high`: the edges, a sweep even in the bits, numbers even in the bits.
    pub fn positive(&mut self, low: f32, high: f32) -> f32 {
        let (first, span) = (low.to_bits(), u64::from(high.to_bits() - low.to_bits()));
        let step = match self.i {
            0 => 0,
            1 => span,
            i if i % 2 == 0 => span * i as u64 / INPUTS as u64,
            _ => ((self.random.next_u64() >> 32) * (span + 1)) >> 32,
        };
        f32::from_bits(first + step as u32)
    }

    /// A random number from `low` to `high`, even in value; sometimes one of the ends.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        match self.below(64) {
            0 => low,
            1 => high,
            _ => low + (high - low) * ((self.random.next_u64() >> 40) as f32 / 16_777_216.0),
        }
    }

    /// A number of either sign, magnitude up to `high`.
    pub fn signed(&mut self, high: f32) -> f32 {
        let x = self.positive(1e-12, high);
        if self.below(2) == 0 { -x } else { x }
    }

    /// A uniform number as the kernel draws it.
    pub fn unit(&mut self) -> f32 {
        lutra::kernel::single::rng::unit_from_word((self.random.next_u64() >> 32) as u32)
    }

    /// State of a random stream.
    pub fn rng(&mut self) -> [u32; 4] {
        std::array::from_fn(|_| (self.random.next_u64() >> 32) as u32 | 1)
    }

    /// A unit vector, often along an axis or nearly so.
    pub fn direction(&mut self) -> [f32; 3] {
        let axis = self.below(3) as usize;
        let side = if self.below(2) == 0 { 1.0 } else { -1.0 };
        match self.below(16) {
            0 => std::array::from_fn(|k| if k == axis { side } else { 0.0 }),
            1 => {
                let small = self.positive(1e-9, 1e-2);
                std::array::from_fn(|k| match (k + 3 - axis) % 3 {
                    0 => side * (1.0 - small * small).sqrt(),
                    1 => small,
                    _ => 0.0,
                })
            }
            _ => {
                let cos = 2.0 * self.unit() - 1.0;
                let (sin, turn) = ((1.0 - cos * cos).sqrt(), std::f32::consts::TAU * self.unit());
                [sin * turn.cos(), sin * turn.sin(), cos]
            }
        }
    }

    /// A particle in the grid with an energy from `low_kev` to `high_kev`.
    pub fn particle(&mut self, low_kev: f32, high_kev: f32) -> Vec<u32> {
        let p = self.params;
        let u = self.direction();
        let energy = (self.positive(low_kev, high_kev) * 32_000.0) as u32;
        let (ix, iy, iz) = (self.below(p.nx), self.below(p.ny), self.below(p.nz));
        let (x, y, z) = (self.between(0.0, p.dx_mm), self.between(0.0, p.dy_mm), self.between(0.0, p.dz_mm));
        let weight = self.below(1 << 20) + 1;
        let flight = if self.below(2) == 0 { 0.0 } else { -self.unit().ln() };
        let steps = self.below(1000);
        let home = self.home(ix + p.nx * (iy + p.ny * iz));
        let b = f32::to_bits;
        vec![ix, iy, iz, 1, b(x), b(y), b(z), energy, b(u[0]), b(u[1]), b(u[2]), weight, b(flight), steps, home]
    }

    /// A home: none, `here`, or any voxel.
    pub fn home(&mut self, here: u32) -> u32 {
        match self.below(4) {
            0 => NO_HOME,
            1 => here,
            _ => self.below(self.params.nx * self.params.ny * self.params.nz),
        }
    }

    /// First row of a tissue in a table of `nodes` rows a tissue.
    pub fn row(&mut self, nodes: u32) -> u32 {
        self.below(4) * nodes
    }
}

/// The particle of 15 words.
pub fn particle_of(w: &[u32]) -> Particle {
    let f = |i: usize| f32::from_bits(w[i]);
    Particle {
        ix: w[0],
        iy: w[1],
        iz: w[2],
        alive: w[3],
        x: f(4),
        y: f(5),
        z: f(6),
        energy: w[7],
        ux: f(8),
        uy: f(9),
        uz: f(10),
        weight: w[11],
        flight: f(12),
        steps: w[13],
        home: w[14],
    }
}

/// Writes a particle to 15 words.
pub fn put_particle(p: &Particle, o: &mut [u32]) {
    let b = f32::to_bits;
    let words = [
        p.ix,
        p.iy,
        p.iz,
        p.alive,
        b(p.x),
        b(p.y),
        b(p.z),
        p.energy,
        b(p.ux),
        b(p.uy),
        b(p.uz),
        p.weight,
        b(p.flight),
        p.steps,
        p.home,
    ];
    o[..15].copy_from_slice(&words);
}

/// The stream of four words.
pub fn rng_of(w: &[u32]) -> Rng {
    Rng { a: w[0], b: w[1], c: w[2], d: w[3] }
}

/// Writes a stream to four words.
pub fn put_rng(s: &Rng, o: &mut [u32]) {
    o[..4].copy_from_slice(&[s.a, s.b, s.c, s.d]);
}

/// Helpers of the appended entry points.
const HELPERS: &str = "
@group(0) @binding(10) var<storage, read> twin_in: array<u32>;
@group(0) @binding(11) var<storage, read_write> twin_out: array<u32>;
fn twin_f(i: u32) -> f32 { return bitcast<f32>(twin_in[i]); }
fn twin_put(i: u32, x: f32) { twin_out[i] = bitcast<u32>(x); }
fn twin_rng(i: u32) -> Rng { return Rng(twin_in[i], twin_in[i + 1u], twin_in[i + 2u], twin_in[i + 3u]); }
fn twin_put_rng(i: u32, s: Rng) {
  twin_out[i] = s.a;
  twin_out[i + 1u] = s.b;
  twin_out[i + 2u] = s.c;
  twin_out[i + 3u] = s.d;
}
fn twin_particle(i: u32) -> Particle {
  return Particle(twin_in[i], twin_in[i + 1u], twin_in[i + 2u], twin_in[i + 3u], twin_f(i + 4u), twin_f(i + 5u),
    twin_f(i + 6u), twin_in[i + 7u], twin_f(i + 8u), twin_f(i + 9u), twin_f(i + 10u), twin_in[i + 11u],
    twin_f(i + 12u), twin_in[i + 13u], twin_in[i + 14u]);
}
fn twin_put_particle(i: u32, p: Particle) {
  twin_out[i] = p.ix;
  twin_out[i + 1u] = p.iy;
  twin_out[i + 2u] = p.iz;
  twin_out[i + 3u] = p.alive;
  twin_put(i + 4u, p.x);
  twin_put(i + 5u, p.y);
  twin_put(i + 6u, p.z);
  twin_out[i + 7u] = p.energy;
  twin_put(i + 8u, p.ux);
  twin_put(i + 9u, p.uy);
  twin_put(i + 10u, p.uz);
  twin_out[i + 11u] = p.weight;
  twin_put(i + 12u, p.flight);
  twin_out[i + 13u] = p.steps;
  twin_out[i + 14u] = p.home;
}
";

/// The whole text of a case.
pub fn source(twin: &Twin) -> String {
    let (ins, outs) = (twin.ins, twin.outs + SINK_WORDS);
    shader::compose(&format!(
        "{HELPERS}
@compute @workgroup_size(64)
fn twin(@builtin(global_invocation_id) id: vec3<u32>) {{
  let a = {ins}u * id.x;
  let o = {outs}u * id.x;
  if a >= arrayLength(&twin_in) {{
    return;
  }}
  {}
  for (var k = 0u; k < 10u; k += 1u) {{
    twin_out[o + {}u + k] = book[k];
  }}
  twin_out[o + {}u] = flags;
}}
",
        twin.wgsl,
        twin.outs,
        twin.outs + 10
    ))
}

struct Worlds {
    mixed: SceneData,
    shells: SceneData,
    electron: Job,
    photon: Job,
    shell: Job,
}

fn worlds() -> &'static Worlds {
    static WORLDS: OnceLock<Worlds> = OnceLock::new();
    WORLDS.get_or_init(|| {
        let (scene, decays) = mixed();
        let mixed = prepare(&scene, &lutetium(), &plan(1)).expect("tables");
        let scoring = Scoring::Shells { bins: 50, width_mm: 0.05 };
        let (one, one_decays) = crate::engine_contract::single([1, 1, 1], 10.0, 1.0, 0);
        let shells = prepare(&one, &lutetium(), &RunPlan { scoring, ..plan(1) }).expect("tables");
        let expect = |d: &[f64]| Expectation::new(d, INPUTS as f64);
        let electron = job(&mixed, Pass::Electron, &expect(&decays), 3, 0x1234_5678_9ABC);
        let photon = job(&mixed, Pass::Photon, &expect(&decays), 3, 0x1234_5678_9ABC);
        let shell = job(&shells, Pass::Electron, &expect(&one_decays), 3, 0x1234_5678_9ABC);
        Worlds { mixed, shells, electron, photon, shell }
    })
}

impl World {
    fn scene(self) -> &'static SceneData {
        if self == World::Shells { &worlds().shells } else { &worlds().mixed }
    }

    fn bins(self) -> usize {
        if self == World::Own { INPUTS } else { self.scene().bins }
    }

    /// What the Rust twin reads.
    pub fn context(self) -> Context<'static> {
        let scene = self.scene();
        let mut cx = match self {
            World::Electron | World::Own => worlds().electron.context(scene),
            World::Photon | World::Analogue => worlds().photon.context(scene),
            World::Shells => worlds().shell.context(scene),
        };
        cx.params.analogue = u32::from(self == World::Analogue);
        cx
    }
}

struct Bench {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

fn bench() -> Option<&'static Bench> {
    static BENCH: OnceLock<Option<Bench>> = OnceLock::new();
    BENCH
        .get_or_init(|| {
            let number = adapter::chosen()?.number;
            let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
            descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
            let all = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(wgpu::Backends::all()));
            let adapter = all.into_iter().nth(number).expect("the adapter was listed");
            let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
                label: Some("twins"),
                required_limits: adapter.limits(),
                ..Default::default()
            }))
            .expect("the adapter gives a device");
            Some(Bench { device, queue })
        })
        .as_ref()
}

impl Bench {
    fn buffer(&self, words: &[u32], usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let usage = usage | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let size = (4 * words.len()).max(16) as u64;
        let buffer =
            self.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
        self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(words));
        buffer
    }

    fn read(&self, buffer: &wgpu::Buffer) -> Vec<u32> {
        let copy = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &copy, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        copy.slice(..).map_async(wgpu::MapMode::Read, |r| r.expect("the buffer is mapped"));
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
        let view = copy.slice(..).get_mapped_range().expect("the buffer is mapped");
        bytemuck::cast_slice::<u8, u32>(&view).to_vec()
    }

    /// Runs the entry point `twin` of `text` over the inputs; returns outputs and tally.
    fn run(&self, text: &str, cx: &Context, inputs: &[u32], out_words: usize, bins: usize) -> (Vec<u32>, Vec<u32>) {
        use wgpu::BufferUsages as U;
        let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(text)));
        let info =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::default())
                .validate(&module)
                .unwrap_or_else(|e| panic!("{}", e.emit_to_string(text)));
        let used = |binding: u32| {
            module.global_variables.iter().any(|(h, g)| {
                g.binding.as_ref().is_some_and(|b| b.binding == binding) && !info.get_entry_point(0)[h].is_empty()
            })
        };
        let words = |x: &[f32]| x.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
        let params: &[u32] = bytemuck::cast_slice(bytemuck::bytes_of(&cx.params));
        let storage = |w: &[u32]| self.buffer(w, U::STORAGE);
        let buffers: Vec<(u32, wgpu::Buffer)> = [
            (0, self.buffer(params, U::UNIFORM)),
            (1, storage(cx.voxels)),
            (2, storage(&words(cx.electron_table))),
            (3, storage(&words(cx.photon_table))),
            (4, storage(&words(cx.scatter_table))),
            (5, storage(cx.emission_table)),
            (6, storage(cx.source_table)),
            (7, storage(&vec![0; 2 * bins])),
            (8, storage(&[0; 20])),
            (10, storage(inputs)),
            (11, storage(&vec![0; out_words])),
        ]
        .into_iter()
        // one electron's state for each input
        .chain(used(9).then(|| (9, storage(&vec![0; INPUTS * layout::thread_words(Pass::Electron)]))))
        .collect();
        let shader = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("twin"),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("twin"),
            layout: None,
            module: &shader,
            entry_point: Some("twin"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let entries: Vec<wgpu::BindGroupEntry> = buffers
            .iter()
            .filter(|(n, _)| used(*n))
            .map(|(n, b)| wgpu::BindGroupEntry { binding: *n, resource: b.as_entire_binding() })
            .collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("twin"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(INPUTS.div_ceil(64) as u32, 1, 1);
        }
        self.queue.submit([encoder.finish()]);
        let buffer = |n: u32| &buffers.iter().find(|(b, _)| *b == n).expect("made above").1;
        (self.read(buffer(11)), self.read(buffer(7)))
    }
}

/// What a comparison found.
#[derive(Debug)]
pub struct Outcome {
    /// Inputs whose outputs differ.
    pub differing: usize,
    /// Tally entries that differ.
    pub tally_differing: usize,
    /// The first difference, in words.
    pub first: String,
    /// Outputs of the Rust twin that are not the first input's: a constant function proves nothing.
    pub distinct: usize,
}

/// Compares the text `text` with the Rust twin over all inputs; `None` without an adapter.
pub fn compare(twin: &Twin, text: &str) -> Option<Outcome> {
    let bench = bench()?;
    let cx = twin.world.context();
    let outs = twin.outs + SINK_WORDS;
    let bins = twin.world.bins();
    let mut make = Inputs { random: Xoshiro256PlusPlus::seed_from_u64(7), i: 0, params: cx.params };
    let mut inputs = Vec::with_capacity(INPUTS * twin.ins);
    for i in 0..INPUTS {
        make.i = i;
        let input = (twin.input)(&mut make);
        assert_eq!(input.len(), twin.ins, "{}: words of an input", twin.name);
        inputs.extend(input);
    }
    let (got, tally) = bench.run(text, &cx, &inputs, outs * INPUTS, bins);
    let mut recorder = Recorder { tally: vec![0; bins], ..Recorder::default() };
    let mut expected = vec![0u32; outs];
    let mut found = Outcome { differing: 0, tally_differing: 0, first: String::new(), distinct: 0 };
    let mut first_output = Vec::new();
    for (i, (input, got)) in inputs.chunks_exact(twin.ins).zip(got.chunks_exact(outs)).enumerate() {
        expected.fill(0);
        recorder.book = [0; 5];
        recorder.flags = 0;
        (twin.rust)(&cx, input, &mut expected[..twin.outs], &mut recorder);
        for (k, b) in recorder.book.iter().enumerate() {
            expected[twin.outs + 2 * k] = *b as u32;
            expected[twin.outs + 2 * k + 1] = (*b >> 32) as u32;
        }
        expected[twin.outs + 10] = recorder.flags;
        if i == 0 {
            first_output = expected.clone();
        }
        found.distinct += usize::from(expected != first_output);
        if expected != got {
            if found.differing == 0 {
                found.first = format!("input {i} {input:08x?}: Rust {expected:08x?}, device {got:08x?}");
            }
            found.differing += 1;
        }
    }
    let expected_tally: Vec<u32> = recorder.tally.iter().flat_map(|t| [*t as u32, (*t >> 32) as u32]).collect();
    found.tally_differing = expected_tally.iter().zip(&tally).filter(|(a, b)| a != b).count();
    Some(found)
}

/// Holds every case of a family to zero differing bits.
pub fn hold(cases: &[Twin]) {
    let mut failures = Vec::new();
    for twin in cases {
        let started = std::time::Instant::now();
        let Some(found) = compare(twin, &source(twin)) else { return };
        println!(
            "{}: {INPUTS} inputs, {} differ, {:.2} s",
            twin.name,
            found.differing,
            started.elapsed().as_secs_f64()
        );
        if found.differing + found.tally_differing > 0 {
            failures.push(format!(
                "{} ({:?}): {} of {INPUTS} inputs and {} tally words differ; {}",
                twin.name, twin.world, found.differing, found.tally_differing, found.first
            ));
        }
        if found.distinct < INPUTS / 100 {
            failures.push(format!(
                "{}: only {} outputs differ from the first: the inputs test nothing",
                twin.name, found.distinct
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// An input of floats.
pub fn bits<const N: usize>(x: [f32; N]) -> Vec<u32> {
    x.iter().map(|v| v.to_bits()).collect()
}

/// A float of an input.
pub fn f(a: &[u32], i: usize) -> f32 {
    f32::from_bits(a[i])
}

/// Writes a case in one line a language.
#[macro_export]
macro_rules! twin {
    ($name:literal, $world:ident, $ins:literal -> $outs:literal, $wgsl:expr, $rust:expr, $input:expr $(,)?) => {
        $crate::bench::Twin {
            name: $name,
            world: $crate::bench::World::$world,
            ins: $ins,
            outs: $outs,
            wgsl: String::from($wgsl),
            rust: $rust,
            input: $input,
        }
    };
}
