//! The shader modules in their one fixed order. What the driver compiles is their concatenation.

use crate::transport::emission::Pass;

/// Name and text of every module, in order: a module uses only what stands before it.
pub const MODULES: &[(&str, &str)] = &[
    ("context", include_str!("../../../shaders/context.wgsl")),
    ("prelude", include_str!("../../../shaders/prelude.wgsl")),
    ("math", include_str!("../../../shaders/math.wgsl")),
    ("rng", include_str!("../../../shaders/rng.wgsl")),
    ("tables", include_str!("../../../shaders/tables.wgsl")),
    ("rows", include_str!("../../../shaders/rows.wgsl")),
    ("navigate", include_str!("../../../shaders/navigate.wgsl")),
    ("rotate", include_str!("../../../shaders/rotate.wgsl")),
    ("source", include_str!("../../../shaders/source.wgsl")),
    ("skin", include_str!("../../../shaders/skin.wgsl")),
    ("elastic", include_str!("../../../shaders/elastic.wgsl")),
    ("straggling", include_str!("../../../shaders/straggling.wgsl")),
    ("moller", include_str!("../../../shaders/moller.wgsl")),
    ("waiting", include_str!("../../../shaders/waiting.wgsl")),
    ("electron", include_str!("../../../shaders/electron.wgsl")),
    ("compton", include_str!("../../../shaders/compton.wgsl")),
    ("rayleigh", include_str!("../../../shaders/rayleigh.wgsl")),
    ("photon", include_str!("../../../shaders/photon.wgsl")),
];

/// Entry point of the electron pass.
pub const ELECTRON_PASS: &str = include_str!("../../../shaders/electron_pass.wgsl");
/// Entry point of the photon pass.
pub const PHOTON_PASS: &str = include_str!("../../../shaders/photon_pass.wgsl");

/// Name of the entry point of a pass.
pub fn entry_point(pass: Pass) -> &'static str {
    match pass {
        Pass::Electron => "electron_pass",
        Pass::Photon => "photon_pass",
    }
}

/// All modules and `tail`, as one text.
pub fn compose(tail: &str) -> String {
    let all: Vec<&str> = MODULES.iter().map(|(name, _)| *name).collect();
    compose_of(&all, tail)
}

/// The modules of these names, in their order, and `tail`, as one text.
pub fn compose_of(names: &[&str], tail: &str) -> String {
    let mut text = String::new();
    for (name, body) in MODULES.iter().filter(|(name, _)| names.contains(name)) {
        text.push_str("// ---- ");
        text.push_str(name);
        text.push_str(" ----\n");
        text.push_str(body);
    }
    text.push_str(tail);
    text
}

/// The text that the driver compiles for a pass.
pub fn pass_source(pass: Pass) -> String {
    compose(match pass {
        Pass::Electron => ELECTRON_PASS,
        Pass::Photon => PHOTON_PASS,
    })
}
