//! A job under way on the device, and its dispatches that are queued.

use crate::clock::Moment;
use crate::kernel::single::context::Params;
use crate::transport::Job;
use crate::transport::emission::Pass;
use std::collections::VecDeque;

/// A job under way on the device.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) pass: Pass,
    pub(super) params: Params,
    pub(super) group: wgpu::BindGroup,
    pub(super) threads: u32,
    /// Steps of a thread in the next dispatch.
    pub(super) steps: u32,
    /// Dispatches whose account has not been read, oldest first.
    pub(super) queued: VecDeque<Queued>,
    /// Where the next one writes its account.
    pub(super) turn: usize,
    /// When the last account was read.
    pub(super) read: Moment,
}

/// A dispatch that was submitted.
#[derive(Debug)]
pub(super) struct Queued {
    /// Where it writes its account.
    pub(super) turn: usize,
    pub(super) steps: u32,
    pub(super) submission: wgpu::SubmissionIndex,
    pub(super) submitted: Moment,
}

impl Flight {
    /// Whether it is this job.
    pub(super) fn is(&self, job: &Job) -> bool {
        self.pass == job.pass && bytemuck::bytes_of(&self.params) == bytemuck::bytes_of(&job.params)
    }
}
