//! The tables of `lutra bench` on the terminal.

use super::record::{Bench, PassFigures, Precision, Run};
use crate::transport::spent::KernelClock;
use std::fmt::Write;

fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(x) if (0.01..10_000.0).contains(&x.abs()) => {
            let decimals = (2 - x.abs().log10().floor() as i32).clamp(0, 4) as usize;
            format!("{x:.decimals$}")
        }
        Some(x) => format!("{x:.2e}"),
    }
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |x| format!("{} %", number(Some(100.0 * x))))
}

fn megabytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "not known".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 * 1e-6))
}

/// Rows of cells as aligned lines: the first column to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wide: Vec<usize> = (0..columns)
        .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|t| t.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(c, cell)| if c == 0 { format!("{cell:<0$}", wide[c]) } else { format!("{cell:>0$}", wide[c]) })
            .collect();
        let _infallible = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn device_line(bench: &Bench) -> String {
    let device = &bench.device;
    let clock = match device.kernel_clock {
        KernelClock::DeviceTimestamps => "kernel timed by the device's timestamps",
        KernelClock::Wall if device.engine == "gpu" => {
            "the device writes no timestamps: kernel timed by the host's clock"
        }
        KernelClock::Wall => "kernel timed by the host's clock",
    };
    format!("{}, {}, {}; {clock}\n", device.name, device.backend, device.driver)
}

fn pass_row(pass: &PassFigures) -> Vec<String> {
    let sigma = |get: fn(&Precision) -> Option<f64>| pass.precision.as_ref().and_then(get);
    vec![
        pass.pass.clone(),
        pass.histories.to_string(),
        number(pass.histories_per_s),
        number(pass.histories_per_core_s),
        number(pass.decays_per_s),
        percent(sigma(|p| p.median_sigma_rel)),
        percent(sigma(|p| p.p95_sigma_rel)),
        percent(sigma(|p| p.max_sigma_rel)),
        number(pass.efficiency_per_s),
        number(pass.efficiency_per_core_s),
    ]
}

fn parts(run: &Run) -> String {
    let p = &run.parts;
    let line = |name: &str, values: &[f64]| {
        let sum: f64 = values.iter().sum();
        let two = if values.len() == 2 {
            format!("electrons {:.3}, photons {:.3}", values[0], values[1])
        } else {
            String::new()
        };
        vec![name.to_owned(), format!("{sum:.3}"), format!("{:.1} %", 100.0 * sum / run.seconds), two]
    };
    let rows = [
        vec!["part".to_owned(), "s".to_owned(), "share".to_owned()],
        line("reading", &[p.reading_seconds]),
        line("tables", &[p.spent.tables_seconds]),
        line("identity", &[p.spent.identity_seconds]),
        line("load, compile", &[p.spent.load_seconds + p.spent.compile_seconds]),
        line("source", &[p.spent.source_seconds]),
        line("pilot", &[p.spent.pilot_seconds]),
        line("allocation", &p.spent.allocation_seconds),
        line("kernel", &p.spent.kernel_seconds),
        line("dispatch", &p.spent.dispatch_seconds),
        line("read-back", &p.spent.read_back_seconds),
        line("sums", &p.spent.sums_seconds),
        line("looks", &[p.spent.looks_seconds]),
        line("files", &[p.files_seconds]),
        line("rest", &[p.rest_seconds]),
        line("whole", &[run.seconds]),
    ];
    aligned(&rows)
}

/// The median run.
pub fn table(bench: &Bench) -> String {
    let Some(run) = bench.median_run.and_then(|n| bench.runs.get(n)) else { return String::new() };
    let mut text = device_line(bench);
    let [nx, ny, nz] = bench.scene.dims;
    let _infallible = writeln!(
        text,
        "{}: {nx} x {ny} x {nz} voxels, {:.4e} decays in {} of them",
        bench.scene.name, bench.scene.decays, bench.scene.source_voxels
    );
    if let Some(target) = &bench.target {
        let _infallible = writeln!(text, "judged: {} {}", target.voxels, target.what);
    }
    let head =
        ["pass", "histories", "1/s", "1/(core s)", "decays/s", "median", "95th", "max", "eff 1/s", "eff 1/(core s)"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(run.passes.iter().map(pass_row));
    let sigma = |get: fn(&Precision) -> Option<f64>| run.precision.as_ref().and_then(get);
    rows.push(vec![
        "whole run".to_owned(),
        String::new(),
        String::new(),
        String::new(),
        number(run.decays_per_s),
        percent(sigma(|p| p.median_sigma_rel)),
        percent(sigma(|p| p.p95_sigma_rel)),
        percent(sigma(|p| p.max_sigma_rel)),
        number(run.efficiency_per_s),
        number(run.efficiency_per_core_s),
    ]);
    let _infallible = write!(text, "\n{}\n{}\n", aligned(&rows), parts(run));
    let _infallible = writeln!(
        text,
        "median of {} runs; {:.2} s to the first history, {} s to a median of 1 %; transport alone {} /s",
        bench.runs.len(),
        run.first_history_seconds,
        number(run.seconds_to_1_percent_median),
        number(run.efficiency_transport_per_s)
    );
    let _infallible = writeln!(
        text,
        "device idle: {:.3} s of the passes, in which it waits for the host",
        run.parts.device_idle_seconds()
    );
    let _infallible = writeln!(
        text,
        "memory: host {} ({} times the volumes), device {} ({:.1} B a voxel)",
        megabytes(run.memory.host_peak_bytes),
        number(run.memory.host_peak_over_volumes),
        megabytes(Some(run.memory.device_bytes)),
        run.memory.device_bytes_per_voxel
    );
    let _infallible = writeln!(text, "tally {}", run.tally_sha256);
    text
}

fn scaling_row(first: String, run: &Run) -> Vec<String> {
    let p = &run.parts;
    let nanoseconds = |n: usize| 1e9 * p.spent.kernel_seconds[n] / (run.passes[n].histories as f64);
    let by_voxel = |seconds: f64| {
        let batches = f64::from(run.passes[0].batches + run.passes[1].batches);
        let voxels = run.memory.device_bytes as f64 / run.memory.device_bytes_per_voxel;
        1e9 * seconds / (batches * voxels)
    };
    let pair = |values: [f64; 2]| values.iter().sum::<f64>();
    vec![
        first,
        format!("{:.2}", run.seconds),
        format!("{:.2}", run.first_history_seconds),
        format!("{:.0}", nanoseconds(0)),
        format!("{:.0}", nanoseconds(1)),
        format!("{:.2}", by_voxel(pair(p.spent.read_back_seconds) + pair(p.spent.sums_seconds))),
        format!("{:.2}", p.files_seconds),
        megabytes(run.memory.host_peak_bytes),
        number(run.memory.host_peak_over_volumes),
        format!("{:.1}", run.memory.device_bytes_per_voxel),
    ]
}

/// Growing grids and growing numbers of histories.
pub fn scaling_table(bench: &Bench) -> String {
    let head = |first: &str| {
        let rest = [
            "s",
            "first s",
            "ns/electron",
            "ns/photon",
            "ns/voxel/batch",
            "files s",
            "host",
            "/volumes",
            "device B/voxel",
        ];
        std::iter::once(first).chain(rest).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut rows = vec![head("voxels")];
    rows.extend(bench.grids.iter().map(|g| scaling_row(g.scene.dims.map(|n| n.to_string()).join(" x "), &g.run)));
    let mut more = vec![head("histories")];
    more.extend(
        bench.histories.iter().map(|h| scaling_row(format!("x {} ({})", h.factor, h.run.passes[0].histories), &h.run)),
    );
    format!("{}\n{}\n{}", device_line(bench), aligned(&rows), aligned(&more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_numbers_are_short() {
        let shown = [Some(0.001_234), Some(0.123_45), Some(12.345), Some(1494.4), Some(3.37e6), Some(0.0), None];
        assert_eq!(shown.map(number), ["1.23e-3", "0.123", "12.3", "1494", "3.37e6", "0", "-"]);
        assert_eq!(percent(Some(0.0123)), "1.23 %");
        assert_eq!((megabytes(None), megabytes(Some(12_400_000))), ("not known".to_owned(), "12 MB".to_owned()));
    }
}
