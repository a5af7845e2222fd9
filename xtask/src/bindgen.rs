//! What stands between a compiled WebAssembly module and a page: the JavaScript that turns values of one into the other's.

use anyhow::{Context, bail};

/// Writes `lutra_web.js` and `lutra_web_bg.wasm` for a target (`web` or `nodejs`) into a folder, from a compiled module.
pub fn run(arguments: &[String]) -> anyhow::Result<()> {
    let [module, target, folder] = arguments else {
        bail!("usage: cargo xtask bindgen MODULE.wasm web|nodejs FOLDER");
    };
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    match target.as_str() {
        "web" => bindgen.web(true)?,
        "nodejs" => bindgen.nodejs(true)?,
        other => bail!("target: found {other}; allowed: web, nodejs"),
    };
    bindgen.input_path(module).out_name("lutra_web").typescript(true).remove_name_section(true);
    bindgen.generate(folder).with_context(|| format!("{module} to {folder}"))
}
