//! The driver: a device without hardware, pipelines, and what the compiler says of them.

use super::compile::Program;
use anyhow::{Context as _, Result, bail};
use ash::vk;
use std::ffi::{CStr, CString};
use std::path::PathBuf;

/// The driver's manifest.
pub fn manifest() -> Option<PathBuf> {
    let folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let here = std::env::consts::ARCH;
    let files = folders.iter().filter_map(|f| std::fs::read_dir(f).ok()).flatten().flatten();
    let mut found: Vec<PathBuf> = files
        .map(|f| f.path())
        .filter(|p| {
            let name = p.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with("radeon_icd") && (name.contains(here) || name == "radeon_icd.json")
        })
        .collect();
    found.sort();
    found.into_iter().next()
}

/// A compiled pipeline.
pub struct Built {
    /// Name and value of each figure.
    pub statistics: Vec<(String, u64)>,
    /// Name and text of each form of the code.
    pub texts: Vec<(String, String)>,
}

impl Built {
    /// The last form before the bits.
    pub fn machine_code(&self) -> Result<&str> {
        let named = |word: &str| self.texts.iter().find(|(n, t)| n.contains(word) && t.contains("s_endpgm"));
        let (_, text) = named("Assembly").or_else(|| named("ACO")).context("the driver shows no machine code")?;
        Ok(text)
    }
}

/// The device that the driver opens.
pub struct Device {
    // keeps the driver's library
    _entry: ash::Entry,
    device: ash::Device,
    statistics: ash::khr::pipeline_executable_properties::Device,
    name: String,
    robust: bool,
}

fn text(bytes: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = bytes.iter().take_while(|c| **c != 0).map(|c| c.cast_unsigned()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Device {
    /// Opens the first device of the only driver.
    pub fn open() -> Result<Self> {
        // SAFETY: Vulkan's own rules: every handle below comes from a call before it and lives as long as the process
        unsafe {
            let entry = ash::Entry::load().context("libvulkan (Debian: libvulkan1)")?;
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let instance =
                entry.create_instance(&vk::InstanceCreateInfo::default().application_info(&application), None)?;
            let Some(&physical) = instance.enumerate_physical_devices()?.first() else { bail!("no device") };
            let name = text(&instance.get_physical_device_properties(physical).device_name);
            let mut robustness = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
            let mut features = vk::PhysicalDeviceFeatures2::default().push_next(&mut robustness);
            instance.get_physical_device_features2(physical, &mut features);
            let robust = robustness.robust_buffer_access2 == vk::TRUE;
            let priorities = [1.0];
            let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&priorities)];
            let mut executables =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let mut checked = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
            let basic = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true);
            let mut extensions = vec![ash::khr::pipeline_executable_properties::NAME.as_ptr()];
            let mut info = vk::DeviceCreateInfo::default().queue_create_infos(&queues).push_next(&mut executables);
            if robust {
                extensions.push(ash::ext::robustness2::NAME.as_ptr());
                info = info.push_next(&mut checked);
            }
            let info = info.enabled_features(&basic).enabled_extension_names(&extensions);
            let device = instance.create_device(physical, &info, None)?;
            let statistics = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
            Ok(Self { _entry: entry, device, statistics, name, robust })
        }
    }

    /// What the driver calls the chip.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the chip holds accesses to the buffers' bounds.
    pub fn robust(&self) -> bool {
        self.robust
    }

    /// Compiles a program.
    pub fn build(&self, program: &Program, entry: &str) -> Result<Built> {
        let entry = CString::new(entry)?;
        // SAFETY: as above; the structures that a call points to outlive it
        unsafe {
            let module =
                self.device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&program.words), None)?;
            let bindings: Vec<_> = program
                .bindings
                .iter()
                .map(|b| {
                    vk::DescriptorSetLayoutBinding::default()
                        .binding(b.number)
                        .descriptor_type(match b.uniform {
                            true => vk::DescriptorType::UNIFORM_BUFFER,
                            false => vk::DescriptorType::STORAGE_BUFFER,
                        })
                        .descriptor_count(1)
                        .stage_flags(vk::ShaderStageFlags::COMPUTE)
                })
                .collect();
            let set = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [self.device.create_descriptor_set_layout(&set, None)?];
            let layout = self
                .device
                .create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default().set_layouts(&sets), None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(&entry);
            let info = vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout).flags(
                vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                    | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
            );
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            let pipeline = made.map_err(|(_, code)| code)?[0];
            let executable = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            Ok(Built { statistics: self.statistics(&executable)?, texts: self.texts(&executable)? })
        }
    }

    fn statistics(&self, executable: &vk::PipelineExecutableInfoKHR<'_>) -> Result<Vec<(String, u64)>> {
        // SAFETY: the pipeline was made with its statistics; RADV's are all whole numbers
        let all = unsafe { self.statistics.get_pipeline_executable_statistics(executable)? };
        let whole =
            |s: &&vk::PipelineExecutableStatisticKHR<'_>| s.format == vk::PipelineExecutableStatisticFormatKHR::UINT64;
        // SAFETY: the format says which member holds the value
        Ok(all.iter().filter(whole).map(|s| (text(&s.name), unsafe { s.value.u64 })).collect())
    }

    fn texts(&self, executable: &vk::PipelineExecutableInfoKHR<'_>) -> Result<Vec<(String, String)>> {
        let call = self.statistics.fp().get_pipeline_executable_internal_representations_khr;
        let mut count = 0;
        let mut texts = Vec::new();
        // SAFETY: asked three times as the extension wants it: how many, how long, and the texts
        unsafe {
            call(self.device.handle(), executable, &mut count, std::ptr::null_mut()).result()?;
            let mut forms = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
            call(self.device.handle(), executable, &mut count, forms.as_mut_ptr()).result()?;
            let mut room: Vec<Vec<u8>> = forms.iter().map(|f| vec![0; f.data_size + 1]).collect();
            for (form, room) in forms.iter_mut().zip(&mut room) {
                form.p_data = room.as_mut_ptr().cast();
            }
            call(self.device.handle(), executable, &mut count, forms.as_mut_ptr()).result()?;
            for (form, room) in forms.iter().zip(&room) {
                let body = CStr::from_bytes_until_nul(room)?.to_string_lossy().into_owned();
                texts.push((text(&form.name), body));
            }
        }
        Ok(texts)
    }
}
