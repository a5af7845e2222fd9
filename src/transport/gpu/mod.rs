//! GpuEngine: to be written.
