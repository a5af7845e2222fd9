//! Rust and WGSL have the same shape: structs, constants, bindings, names. Read from the composed modules by naga,
//! without a device.

use crate::lock_barrier::parse;
use lutra::kernel::single as kernel;
use lutra::transport::emission::Pass;
use lutra::transport::gpu::{layout, shader};
use naga::{Expression, Literal, Module, TypeInner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn composed(pass: Pass) -> (Module, naga::valid::ModuleInfo) {
    parse(&shader::pass_source(pass)).unwrap_or_else(|message| panic!("{pass:?} pass: {message}"))
}

/// Member names and offsets, and the size, of a struct.
fn structure(module: &Module, name: &str) -> (Vec<(String, u32)>, u32) {
    let (_, ty) =
        module.types.iter().find(|(_, t)| t.name.as_deref() == Some(name)).unwrap_or_else(|| panic!("struct {name}"));
    let TypeInner::Struct { members, span } = &ty.inner else { panic!("{name} is a struct") };
    (members.iter().map(|m| (m.name.clone().unwrap_or_default(), m.offset)).collect(), *span)
}

#[test]
fn lock_passes_and_every_prefix_are_valid() {
    for pass in [Pass::Electron, Pass::Photon] {
        composed(pass);
    }
    let mut text = String::new();
    for (name, body) in shader::MODULES {
        text.push_str(body);
        // the prelude needs the parameters, everything else what stands before it
        if let Err(message) = parse(&text) {
            panic!("{name} uses something that stands after it: {message}");
        }
    }
}

#[test]
fn alarm_a_module_that_uses_a_later_one_is_seen() {
    let mut order: Vec<&str> = shader::MODULES.iter().map(|(_, body)| *body).collect();
    let place = |name: &str| shader::MODULES.iter().position(|(n, _)| *n == name).expect("module");
    order.swap(place("math"), place("electron"));
    assert!(parse(&order[..=place("math")].concat()).is_err());
}

macro_rules! offsets {
    ($ty:ty: $($field:ident),* $(,)?) => {
        vec![$((stringify!($field).to_string(), std::mem::offset_of!($ty, $field) as u32)),*]
    };
}

fn params_in_rust() -> (Vec<(String, u32)>, u32) {
    use kernel::context::Params;
    let members = offsets!(Params: zero, nx, ny, nz, dx_mm, dy_mm, dz_mm, cut_mm_g_cm3, seed_low, seed_high, batch, histories,
        sources, emissions, knock_on_kev, radial_bins, radial_per_mm, point_source, analogue, first, threads, steps,
        electron_cut_kev, photon_cut_kev, shift_energy, shift_x, shift_y, shift_z, shift_polar, shift_azimuth,
        home_density_g_cm3, bremsstrahlung_row);
    (members, size_of::<Params>() as u32)
}

#[test]
fn lock_parameters_have_one_layout() {
    for pass in [Pass::Electron, Pass::Photon] {
        assert_eq!(structure(&composed(pass).0, "Params"), params_in_rust());
    }
    assert_eq!(kernel::context::Params::default().zero, 0, "the barrier's word is zero unless someone sets it");
}

#[test]
fn alarm_a_moved_parameter_is_seen() {
    let text = shader::pass_source(Pass::Electron).replacen("  seed_low: u32,", "", 1).replacen(
        "  seed_high: u32,",
        "  seed_high: u32,\n  seed_low: u32,",
        1,
    );
    assert_ne!(structure(&parse(&text).expect("still valid").0, "Params"), params_in_rust());
}

#[test]
fn lock_thread_states_have_the_words_the_host_reserves() {
    for (pass, name) in [(Pass::Electron, "ElectronThread"), (Pass::Photon, "PhotonThread")] {
        let module = composed(pass).0;
        assert_eq!(structure(&module, name).1 as usize, 4 * layout::thread_words(pass), "{name}");
        assert_eq!(structure(&module, "Particle").1 as usize, 4 * layout::PARTICLE_WORDS);
        assert_eq!(structure(&module, "Rng").1 as usize, 4 * layout::RNG_WORDS);
    }
    assert_eq!(size_of::<kernel::navigate::Particle>(), 4 * layout::PARTICLE_WORDS);
    assert_eq!(size_of::<kernel::rng::Rng>(), 4 * layout::RNG_WORDS);
}

/// Value of a constant as text: kind and bits.
fn constant_value(literal: &Literal) -> String {
    match literal {
        Literal::U32(v) => format!("u32 {v}"),
        Literal::F32(v) => format!("f32 {:08x}", v.to_bits()),
        other => format!("{other:?}"),
    }
}

fn constants_in_wgsl(module: &Module) -> BTreeMap<String, String> {
    module
        .constants
        .iter()
        .filter_map(|(_, c)| {
            let Expression::Literal(literal) = &module.global_expressions[c.init] else {
                return Some((c.name.clone()?, "not a literal".into()));
            };
            Some((c.name.clone()?, constant_value(literal)))
        })
        .collect()
}

macro_rules! constants {
    ($map:ident, $kind:ident, $module:path: $($name:ident),* $(,)?) => {{
        use $module as from;
        $($map.insert(stringify!($name).to_string(), constant_value(&Literal::$kind(from::$name)));)*
    }};
}

/// Every constant of the shaders as Rust has it.
fn constants_in_rust() -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    constants!(map, U32, lutra::kernel: NO_HOME);
    constants!(map, U32, kernel::context: FLAG_TALLY_OVERFLOW, FLAG_STACK_FULL, FLAG_STEP_LIMIT, FLAG_LOST, FLAG_REJECTION);
    constants!(map, U32, kernel::tables: ENERGY_BINS_PER_OCTAVE, ENERGY_OCTAVES, ENERGY_NODES, MOMENTUM_BINS_PER_OCTAVE,
        MOMENTUM_NODES, MOMENTUM_FIRST_BITS, ELECTRON_COLUMNS, COLUMN_RANGE, COLUMN_STOPPING, COLUMN_STEP,
        COLUMN_KNOCK_ON, COLUMN_KNOCK_ON_MOST, COLUMN_VARIANCE, COLUMN_HARD, COLUMN_SOFT_1, COLUMN_SOFT_2, COLUMN_SCREENING, COLUMN_MU_CUT,
        COLUMN_GROWTH, COLUMN_YIELD, COLUMN_TRANSPORT, PHOTON_COLUMNS, COLUMN_TOTAL, COLUMN_KERMA, COLUMN_INCOHERENT, COLUMN_COHERENT, COLUMN_BREMSSTRAHLUNG,
        SCATTER_COLUMNS, COLUMN_SCATTERING_FUNCTION, COLUMN_FORM_FACTOR);
    constants!(map, U32, kernel::source: STEP_ENERGY, STEP_X, STEP_Y, STEP_Z, STEP_POLAR, STEP_AZIMUTH);
    constants!(map, U32, kernel::waiting: STACK_SIZE);
    constants!(map, U32, kernel::electron: ELECTRON_STEP_LIMIT, FLIGHT_DONE, FLIGHT_TISSUE, FLIGHT_TURNS, FLIGHT_OUT, FLIGHT_RESTS);
    constants!(map, U32, kernel::photon: PHOTON_STEP_LIMIT, PHOTON_VOXELS_A_STEP);
    constants!(map, F32, kernel::moller: ELECTRON_REST);
    constants!(map, F32, kernel::skin: REACH, WHOLE);
    constants!(map, F32, kernel::compton: PER_KEV_ANGSTROM);
    // the ledger: accounts in the order in which the host reads them, then flags and finished histories
    let ledger = [
        ("BOOK_EMITTED", 0),
        ("BOOK_DEPOSITED", 1),
        ("BOOK_ESCAPED", 2),
        ("BOOK_RADIATED", 3),
        ("BOOK_ESTIMATED", 4),
        ("BOOKS", 5),
        ("LEDGER_FLAGS", layout::LEDGER_FLAGS),
        ("LEDGER_FINISHED", layout::LEDGER_FINISHED),
    ];
    for (name, value) in ledger {
        map.insert(name.to_string(), constant_value(&Literal::U32(value as u32)));
    }
    map
}

#[test]
fn lock_constants_are_the_same() {
    let rust = constants_in_rust();
    for pass in [Pass::Electron, Pass::Photon] {
        assert_eq!(constants_in_wgsl(&composed(pass).0), rust);
    }
    assert_eq!(
        kernel::tables::ENERGY_NODES,
        kernel::tables::ENERGY_BINS_PER_OCTAVE * kernel::tables::ENERGY_OCTAVES + 1
    );
    assert_eq!(f32::from_bits(kernel::tables::MOMENTUM_FIRST_BITS), 2f32.powi(-7));
    assert_eq!(layout::LEDGER_FLAGS, 15, "five accounts of three words come first");
    const { assert!(layout::LEDGER_WORDS > layout::LEDGER_FINISHED) };
}

#[test]
fn alarm_a_changed_constant_is_seen() {
    let sound = shader::pass_source(Pass::Electron);
    for (from, to) in [("STACK_SIZE: u32 = 10u", "STACK_SIZE: u32 = 11u"), ("510.99896f", "510.99890f")] {
        let text = sound.replacen(from, to, 1);
        assert_ne!(text, sound, "the fault is planted");
        assert_ne!(constants_in_wgsl(&parse(&text).expect("still valid").0), constants_in_rust(), "{to}");
    }
}

#[test]
fn lock_the_thread_books_hold_every_account() {
    let module = composed(Pass::Electron).0;
    let (_, book) = module.global_variables.iter().find(|(_, g)| g.name.as_deref() == Some("book")).expect("book");
    let TypeInner::Array { size: naga::ArraySize::Constant(n), .. } = module.types[book.ty].inner else {
        panic!("book is an array of a fixed size")
    };
    assert_eq!(n.get(), 10, "two words for each of five accounts");
}

#[test]
fn lock_entry_points_and_bindings_are_the_ones_the_host_makes() {
    for pass in [Pass::Electron, Pass::Photon] {
        let (module, info) = composed(pass);
        assert_eq!(module.entry_points.len(), 1);
        let entry = &module.entry_points[0];
        assert_eq!(entry.name, shader::entry_point(pass));
        let overrides: Vec<_> = module.overrides.iter().filter_map(|(_, o)| o.name.clone()).collect();
        assert_eq!(overrides, ["workgroup"], "the workgroup's size is the only thing to set");
        assert!(entry.workgroup_size_overrides.is_some_and(|o| o[0].is_some() && o[1].is_none() && o[2].is_none()));
        let usage = info.get_entry_point(0);
        let mut used = Vec::new();
        for (handle, global) in module.global_variables.iter() {
            let Some(binding) = &global.binding else { continue };
            assert_eq!(binding.group, 0);
            if usage[handle].is_empty() {
                continue;
            }
            used.push(binding.binding);
            // 0 is the uniform, 1 to 6 are read, 7 to 9 are read and written
            let writes = usage[handle].intersects(naga::valid::GlobalUse::WRITE | naga::valid::GlobalUse::ATOMIC);
            assert_eq!(writes, binding.binding >= 7, "binding {} of the {pass:?} pass", binding.binding);
            assert_eq!(global.space == naga::AddressSpace::Uniform, binding.binding == 0);
        }
        used.sort_unstable();
        assert_eq!(used, layout::bindings(pass), "bindings of the {pass:?} pass");
        // WebGPU's default limit is 8 storage buffers a stage; one binding is the uniform
        assert!(used.len() - 1 <= 8, "{pass:?} pass binds {} storage buffers", used.len() - 1);
    }
}

/// Functions that have no twin in `src/kernel`, with the reason.
const GPU_ONLY: &[(&str, &str)] = &[
    ("nc", "the barrier: Rust contracts nothing and needs none"),
    ("rotate_left", "u32::rotate_left of the standard library"),
    ("wide_product", "a product of two u32 in u64, which WGSL lacks; compared with it by twin_sink"),
    ("book_add", "a sum in u64; compared by twin_sink"),
    ("tally_add", "fetch_add of an AtomicI64; compared by twin_sink"),
    ("negative", "the negative of an i64, which WGSL lacks; compared with it by twin_sink"),
    ("sink_emitted", "twin: SharedSink in transport/cpu.rs"),
    ("sink_deposit", "twin: SharedSink in transport/cpu.rs"),
    ("sink_estimate", "twin: SharedSink in transport/cpu.rs"),
    ("sink_absorbed", "twin: SharedSink in transport/cpu.rs"),
    ("sink_escaped", "twin: SharedSink in transport/cpu.rs"),
    ("sink_radiated", "twin: SharedSink in transport/cpu.rs"),
    ("sink_flag", "twin: SharedSink in transport/cpu.rs"),
    ("settle", "brings a thread's accounts to memory; the CPU adds its threads' ledgers"),
    ("electron_pass", "entry point; twin: electron_history in transport/cpu.rs"),
    ("photon_pass", "entry point; twin: photon_history in transport/cpu.rs"),
];

/// Functions of a module's text that are neither twins of `src/kernel/<module>.rs` nor known to be of the GPU alone.
fn unregistered(module: &str, wgsl: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/kernel/{module}.rs"));
    let rust = std::fs::read_to_string(path).unwrap_or_default();
    let twins: BTreeSet<&str> = names(&rust, "pub fn ").collect();
    names(wgsl, "fn ")
        .filter(|n| !twins.contains(n) && !GPU_ONLY.iter().any(|(g, _)| g == n))
        .map(str::to_string)
        .collect()
}

/// Names after `keyword` at the beginning of a line.
fn names<'t>(text: &'t str, keyword: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |l| l.strip_prefix(keyword)).filter_map(|l| l.split(['(', '<']).next())
}

#[test]
fn lock_every_shader_function_is_registered() {
    let passes = [("electron_pass", shader::ELECTRON_PASS), ("photon_pass", shader::PHOTON_PASS)];
    let mut seen = BTreeSet::new();
    for (module, wgsl) in shader::MODULES.iter().chain(&passes) {
        let missing = unregistered(module, wgsl);
        assert!(
            missing.is_empty(),
            "{module}.wgsl: {missing:?} have neither a twin in src/kernel nor a reason to have none"
        );
        seen.extend(names(wgsl, "fn "));
    }
    for (name, reason) in GPU_ONLY {
        assert!(seen.contains(name), "{name} ({reason}) is gone: take it off the list");
    }
    // naga sees the same functions: none hides behind an indent
    for pass in [Pass::Electron, Pass::Photon] {
        let module = composed(pass).0;
        for (_, f) in module.functions.iter() {
            let name = f.name.as_deref().unwrap_or_default();
            assert!(seen.contains(name), "{name} is defined at the beginning of a line");
        }
    }
}

#[test]
fn lock_every_public_kernel_function_is_printed() {
    for (module, wgsl) in shader::MODULES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/kernel/{module}.rs"));
        let Ok(rust) = std::fs::read_to_string(path) else { continue };
        let printed: BTreeSet<&str> = names(wgsl, "fn ").collect();
        for name in names(&rust, "pub fn ") {
            assert!(printed.contains(name), "{name} of {module}.rs is missing in the shader");
        }
    }
}

#[test]
fn alarm_an_unregistered_function_is_seen() {
    let text = format!("{}\nfn stray(x: f32) -> f32 {{\n  return x;\n}}\n", shader::MODULES[2].1);
    assert_eq!(unregistered(shader::MODULES[2].0, &text), ["stray"]);
}
