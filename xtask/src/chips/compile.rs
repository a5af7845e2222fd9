//! WGSL to SPIR-V as wgpu does it.

use anyhow::{Context as _, Result, anyhow};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// A descriptor of set 0.
pub struct Binding {
    pub number: u32,
    pub uniform: bool,
}

/// A program for one entry point.
pub struct Program {
    pub words: Vec<u32>,
    pub bindings: Vec<Binding>,
}

/// Translates `text` for the entry point `entry`, in workgroups of 64. A device whose buffers are robust checks its bounds
/// itself; for the others the text does, and for private arrays always.
pub fn spirv(text: &str, entry: &str, robust: bool) -> Result<Program> {
    let module = naga::front::wgsl::parse_str(text).map_err(|e| anyhow!(e.emit_to_string(text)))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::default())
        .validate(&module)
        .map_err(|e| anyhow!(e.emit_to_string(text)))?;
    let constants = module.overrides.iter().filter_map(|(_, o)| Some((o.name.clone()?, 64.0))).collect();
    let stage = naga::ShaderStage::Compute;
    let (module, info) =
        naga::back::pipeline_constants::process_overrides(&module, &info, Some((stage, entry)), &constants)?;
    let options = naga::back::spv::Options {
        lang_version: (1, 3),
        flags: naga::back::spv::WriterFlags::empty(),
        bounds_check_policies: BoundsCheckPolicies {
            index: BoundsCheckPolicy::Restrict,
            buffer: if robust { BoundsCheckPolicy::Unchecked } else { BoundsCheckPolicy::Restrict },
            image_load: BoundsCheckPolicy::Unchecked,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        ..Default::default()
    };
    let pipeline = naga::back::spv::PipelineOptions { shader_stage: stage, entry_point: entry.to_owned() };
    let words = naga::back::spv::write_vec(&module, &info, &options, Some(&pipeline))?;
    let place = module.entry_points.iter().position(|e| e.name == entry).context("no such entry point")?;
    let used = info.get_entry_point(place);
    let bindings = module
        .global_variables
        .iter()
        .filter(|(handle, _)| !used[*handle].is_empty())
        .filter_map(|(_, g)| {
            let binding = g.binding.as_ref()?;
            Some(Binding { number: binding.binding, uniform: g.space == naga::AddressSpace::Uniform })
        })
        .collect();
    Ok(Program { words, bindings })
}
