//! The shaders fit real chips: what the compiler of four AMD families makes of both passes, without such a chip
//! (`cargo xtask chips`). Without RADV the tests are skipped (`needs`).

#[path = "../../tests/needs/mod.rs"]
mod needs;

use needs::Need;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Registers of a lane at which a SIMD of every family still holds half of its waves or more.
const MOST_REGISTERS: u64 = 64;
/// The instruction cache of RDNA2, bytes.
const MOST_CODE: u64 = 32 * 1024;

fn xtask(arguments: &[&str]) -> Result<String, String> {
    let answer = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("chips").args(arguments).output().expect("xtask runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if answer.status.success() { Ok(text(&answer.stdout)) } else { Err(text(&answer.stderr)) }
}

/// The figures of each chip and pass; `None`: the driver is not there.
fn compiled(arguments: &[&str]) -> Option<Vec<Value>> {
    let arguments = [&["--json"], arguments].concat();
    match xtask(&arguments) {
        Ok(text) => Some(serde_json::from_str(&text).expect("JSON")),
        Err(why) if why.contains("RADV is not installed") => {
            needs::skip(Need::Chips, "no RADV (Debian: apt-get install mesa-vulkan-drivers libvulkan1)");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

fn number(figures: &Value, name: &str) -> u64 {
    figures[name].as_u64().unwrap_or_else(|| panic!("{name} in {figures}"))
}

/// What is wrong with a pass on a chip.
fn faults(figures: &Value) -> Vec<String> {
    let limits = [("vgprs", MOST_REGISTERS), ("spilled", 0), ("scratch", 0), ("code", MOST_CODE), ("fused", 0)];
    let at = format!("{} on {}", figures["pass"], figures["family"]);
    let over = |(name, most): (&str, u64)| {
        let value = number(figures, name);
        (value > most).then(|| format!("{at}: {name} {value}, at most {most}"))
    };
    limits.into_iter().filter_map(over).collect()
}

#[test]
fn lock_chips_hold_both_passes() {
    for arguments in [&[][..], &["--checked"]] {
        let Some(all) = compiled(arguments) else { return };
        assert_eq!(all.len(), 8, "two passes on four chips");
        assert!(all.iter().all(|f| number(f, "instructions") > 1000), "the kernel is compiled: {all:?}");
        let found: Vec<String> = all.iter().flat_map(faults).collect();
        assert!(found.is_empty(), "{arguments:?}:\n{}", found.join("\n"));
    }
}

/// The electron pass with a change, on every chip.
fn changed_pass(what: &str, changes: &[(&str, &str)]) -> Option<Vec<Value>> {
    let mut text = xtask(&["--show", "electron_pass"]).expect("the text is composed");
    for (from, to) in changes {
        assert!(text.contains(from), "{what}: {from} is in the text");
        text = text.replace(from, to);
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{what}.wgsl"));
    std::fs::write(&path, text).expect("the folder of tests is there");
    compiled(&["--text", path.to_str().expect("the path is text"), "electron_pass"])
}

/// Whether each chip's figures exceed the limit of `name`.
fn rings(all: &[Value], name: &str) -> bool {
    all.iter().all(|f| faults(f).iter().any(|fault| fault.contains(name)))
}

#[test]
fn alarm_a_kernel_without_the_barrier_is_seen() {
    let bare = [("return bitcast<f32>(bitcast<u32>(x) ^ params.zero);", "return x;")];
    let Some(all) = changed_pass("bare", &bare) else { return };
    assert_eq!(all.len(), 4);
    assert!(rings(&all, "fused"), "{all:?}");
}

#[test]
fn alarm_an_array_in_function_memory_is_seen() {
    let array = [
        ("  thread: u32,\n}", "  thread: u32,\n  waiting: array<Particle, STACK_SIZE>,\n}"),
        ("electron_threads[(*stack).thread].waiting", "(*stack).waiting"),
        ("Stack(electron_threads[t].count, t)", "Stack(electron_threads[t].count, t, electron_threads[t].waiting)"),
    ];
    let Some(all) = changed_pass("array", &array) else { return };
    assert!(rings(&all, "scratch"), "{all:?}");
}
