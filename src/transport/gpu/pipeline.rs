//! The kernel of a pass on the device, and what it reads and writes.

use super::loaded::Loaded;
use super::{GpuEngine, layout, shader};
use crate::clock::Moment;
use crate::transport::emission::Pass;
use crate::transport::{EngineError, Job};

/// How a pass's bindings are read and written.
fn layout_entries(pass: Pass) -> Vec<wgpu::BindGroupLayoutEntry> {
    let ty = |binding| match binding {
        0 => wgpu::BufferBindingType::Uniform,
        7..=9 => wgpu::BufferBindingType::Storage { read_only: false },
        _ => wgpu::BufferBindingType::Storage { read_only: true },
    };
    layout::bindings(pass)
        .iter()
        .map(|&binding| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty: ty(binding), has_dynamic_offset: false, min_binding_size: None },
            count: None,
        })
        .collect()
}

impl Loaded {
    /// What a pass binds at a place.
    fn bound(&self, pass: Pass, place: u32) -> &wgpu::Buffer {
        match place {
            0 => &self.params,
            1 => &self.voxels,
            2 => &self.electron_table,
            3 => &self.photon_table,
            4 => &self.scatter_table,
            5 if pass == Pass::Electron => &self.electron_emission,
            5 => &self.photon_emission,
            6 => &self.source,
            7 => &self.tally,
            8 => &self.ledger,
            _ => &self.threads,
        }
    }
}

impl GpuEngine {
    /// Makes the kernel of a pass ready, once.
    fn pipeline(&mut self, pass: Pass) -> Result<(), EngineError> {
        let slot = pass as usize;
        if self.pipelines[slot].is_some() {
            return Ok(());
        }
        let began = Moment::now();
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(shader::entry_point(pass)),
            source: wgpu::ShaderSource::Wgsl(shader::pass_source(pass).into()),
        });
        let group = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(shader::entry_point(pass)),
            entries: &layout_entries(pass),
        });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(shader::entry_point(pass)),
            bind_group_layouts: &[Some(&group)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(shader::entry_point(pass)),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(shader::entry_point(pass)),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[("workgroup", f64::from(self.options.workgroup))],
                ..Default::default()
            },
            cache: None,
        });
        self.check()?;
        self.pipelines[slot] = Some((group, pipeline));
        self.spent.compile_seconds[slot] += began.seconds();
        Ok(())
    }

    /// Brings a job's source to the device and binds what its pass reads and writes.
    pub(super) fn bind(&mut self, job: &Job) -> Result<wgpu::BindGroup, EngineError> {
        self.pipeline(job.pass)?;
        let source_bytes = 4 * job.source_table.len() as u64;
        if self.held().source.size() < source_bytes {
            let buffer =
                self.buffer("lutra.source", source_bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST)?;
            let loaded = self.loaded.as_mut().expect("a scene is loaded before a job is run");
            loaded.source = buffer;
            self.spent.device_bytes = loaded.bytes();
        }
        let l = self.held();
        let (group_layout, _) = self.pipelines[job.pass as usize].as_ref().expect("the pipeline was just made");
        self.queue.write_buffer(&l.source, 0, bytemuck::cast_slice(&job.source_table));
        let entries: Vec<wgpu::BindGroupEntry> = layout::bindings(job.pass)
            .iter()
            .map(|&n| wgpu::BindGroupEntry { binding: n, resource: l.bound(job.pass, n).as_entire_binding() })
            .collect();
        Ok(self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(shader::entry_point(job.pass)),
            layout: group_layout,
            entries: &entries,
        }))
    }
}
