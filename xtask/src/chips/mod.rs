//! `cargo xtask chips`: what the compiler of real graphics chips makes of the shaders, on a machine without one.
//!
//! Mesa's RADV opens a device for an AMD chip that is not there when `RADV_FORCE_FAMILY` names one: nothing can be
//! submitted to it, but pipelines compile as for the hardware, with the same compiler (ACO). The driver then tells
//! registers, spills, scratch memory, waves, size and number of instructions, and shows the machine code, in which fused
//! operations are counted. The driver reads its environment once, so that each chip has a process of its own.

mod compile;
mod driver;

use crate::shaders;
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Families of chips by RADV's names: RDNA2, RDNA3, and the two GCN generations before.
const FAMILIES: &[&str] = &["navi21", "gfx1100", "vega10", "polaris10"];
/// The entry points.
const PASSES: &[&str] = &["electron_pass", "photon_pass"];
/// Where a family is named for the process that compiles for it.
const FAMILY: &str = "RADV_FORCE_FAMILY";

/// What the compiler says of one pass on one chip.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// The family asked for.
    pub family: String,
    /// The device's own name.
    pub device: String,
    /// Entry point.
    pub pass: String,
    /// Vector registers of a lane.
    pub vgprs: u64,
    /// Vector and scalar registers spilled.
    pub spilled: u64,
    /// Scratch memory of a wave, bytes.
    pub scratch: u64,
    /// Waves that a SIMD can hold.
    pub waves: u64,
    /// Machine code, bytes.
    pub code: u64,
    /// Instructions.
    pub instructions: u64,
    /// The compiler's static estimate, cycles a wave.
    pub inverse_throughput: u64,
    /// Fused multiply-adds of floats in the machine code.
    pub fused: u64,
}

/// What is asked.
#[derive(Default)]
struct Request {
    /// Text and entry point in place of the two passes.
    text: Option<(PathBuf, String)>,
    families: Vec<String>,
    /// A folder for the machine code.
    code: Option<PathBuf>,
    /// Bounds of buffers are checked in the text, as for devices that do not check them.
    checked: bool,
    /// The entry point whose text is to be printed.
    show: Option<String>,
    json: bool,
}

const USAGE: &str = "usage: cargo xtask chips [--json] [--family FAMILY]... [--text FILE.wgsl ENTRY] [--code FOLDER] \
                     [--checked], or cargo xtask chips --show ENTRY";

fn request(arguments: &[String]) -> Result<Request> {
    let mut request = Request::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--json" => request.json = true,
            "--checked" => request.checked = true,
            "--show" => request.show = Some(rest.next().context(USAGE)?.clone()),
            "--family" => request.families.push(rest.next().context(USAGE)?.clone()),
            "--code" => request.code = Some(rest.next().context(USAGE)?.into()),
            "--text" => {
                let file = rest.next().context(USAGE)?;
                request.text = Some((file.into(), rest.next().context(USAGE)?.clone()));
            }
            _ => bail!(USAGE),
        }
    }
    if request.families.is_empty() {
        request.families = FAMILIES.iter().map(|f| (*f).to_owned()).collect();
    }
    Ok(request)
}

/// Compiles for every chip; prints a table, or JSON.
pub fn run(arguments: &[String]) -> Result<()> {
    let request = request(arguments)?;
    if let Some(entry) = &request.show {
        print!("{}", shaders::composed(entry)?);
        return Ok(());
    }
    if let Ok(family) = std::env::var(FAMILY) {
        let figures = compile_here(&request, &family)?;
        println!("{}", serde_json::to_string(&figures)?);
        return Ok(());
    }
    let driver = driver::manifest().context(
        "RADV is not installed: no radeon_icd*.json among the Vulkan drivers (Debian: mesa-vulkan-drivers libvulkan1)",
    )?;
    let mut all: Vec<Figures> = Vec::new();
    for family in &request.families {
        all.extend(compile_in_a_process(arguments, family, &driver)?);
    }
    if request.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        print!("{}", table(&all));
    }
    Ok(())
}

/// This program again, with the environment that makes the driver open `family`.
fn compile_in_a_process(arguments: &[String], family: &str, driver: &Path) -> Result<Vec<Figures>> {
    let answer = Command::new(std::env::current_exe()?)
        .arg("chips")
        .args(arguments)
        .env(FAMILY, family)
        .env("VK_DRIVER_FILES", driver)
        .env("VK_ICD_FILENAMES", driver)
        .env("MESA_SHADER_CACHE_DISABLE", "true")
        .output()?;
    if !answer.status.success() {
        bail!("{family}: {}", String::from_utf8_lossy(&answer.stderr).trim());
    }
    Ok(serde_json::from_slice(&answer.stdout)?)
}

/// Compiles for the one device that this process sees.
fn compile_here(request: &Request, family: &str) -> Result<Vec<Figures>> {
    let device = driver::Device::open()?;
    let texts: Vec<(String, String)> = match &request.text {
        Some((file, entry)) => {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            vec![(entry.clone(), text)]
        }
        None => PASSES.iter().map(|p| Ok((p.to_string(), shaders::composed(p)?))).collect::<Result<_>>()?,
    };
    texts.iter().map(|(entry, text)| compile_one(&device, family, entry, text, request)).collect()
}

fn compile_one(device: &driver::Device, family: &str, entry: &str, text: &str, request: &Request) -> Result<Figures> {
    let program = compile::spirv(text, entry, device.robust() && !request.checked)?;
    let built = device.build(&program, entry)?;
    if let Some(folder) = &request.code {
        std::fs::create_dir_all(folder)?;
        for (name, text) in &built.texts {
            let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            std::fs::write(folder.join(format!("{family}-{entry}-{name}.txt")), text)?;
        }
    }
    let value = |names: &[&str]| -> Result<u64> {
        let found = built.statistics.iter().find(|(n, _)| names.iter().any(|w| n.eq_ignore_ascii_case(w)));
        found.map(|(_, v)| *v).with_context(|| format!("the driver does not tell {names:?}: {:?}", built.statistics))
    };
    Ok(Figures {
        family: family.to_owned(),
        device: device.name().to_owned(),
        pass: entry.to_owned(),
        vgprs: value(&["VGPRs"])?,
        spilled: value(&["Spilled VGPRs"])? + value(&["Spilled SGPRs"])?,
        scratch: value(&["Scratch size", "Private memory size"])?,
        waves: value(&["Subgroups per SIMD", "Max Waves"])?,
        code: value(&["Code size"])?,
        instructions: value(&["Instructions", "Instruction count"])?,
        inverse_throughput: value(&["Inverse Throughput"])?,
        fused: fused(built.machine_code()?),
    })
}

/// Fused multiply-adds of floats in a text of machine code; those of whole numbers (`v_mad_u32_u24`) round nothing.
fn fused(code: &str) -> u64 {
    let is_fused = |word: &str| {
        let Some(name) = word.strip_prefix("v_").or_else(|| word.strip_prefix("s_")) else { return false };
        let name = name.strip_prefix("dual_").unwrap_or(name).trim_start_matches("pk_");
        let whole = ["_u16", "_u24", "_u32", "_u64", "_i16", "_i24", "_i32", "_i64"].iter().any(|t| name.contains(t));
        ["fma", "mac", "mad"].iter().any(|f| name.starts_with(f)) && !whole
    };
    code.split_whitespace().filter(|word| is_fused(word)).count() as u64
}

/// The figures as a table in Markdown.
fn table(all: &[Figures]) -> String {
    let mut text = String::from(
        "| chip | pass | VGPRs | spilled | scratch B | waves a SIMD | code B | instructions | inverse throughput | fused |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for f in all {
        let pass = f.pass.trim_end_matches("_pass");
        text.push_str(&format!(
            "| {} | {pass} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            f.family, f.vgprs, f.spilled, f.scratch, f.waves, f.code, f.instructions, f.inverse_throughput, f.fused
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::fused;

    /// Fused operations of floats in every spelling; integers and others are not.
    #[test]
    fn law_fused_operations_are_counted() {
        let yes = "v_fma_f32 v_fmac_f32_e32 v_fmaak_f32 v_fmamk_f32 v_mad_f32 v_mac_f32 v_madak_f32 v_pk_fma_f16 \
                   v_dual_fmac_f32 v_fma_mix_f32 v_mac_legacy_f32";
        assert_eq!(fused(yes), yes.split_whitespace().count() as u64);
        assert_eq!(fused("v_mad_u32_u24 v_mad_u64_u32 v_mul_f32 v_add_f32 v_max_f32 s_mul_i32 v_mad_i32_i24"), 0);
    }
}
