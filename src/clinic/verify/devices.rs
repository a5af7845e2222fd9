//! The same histories on every device of this machine, and the hash that they must have.

use super::record::{Check, DeviceHere, Group, Machine};
use crate::clinic::failure::Failure;
use crate::clinic::notes::Listener;
use crate::clinic::parity;
use crate::clinic::request::{DEFAULT_SEED, ParityRequest, ParityScene};
use crate::clinic::room;
use crate::cores;
use crate::io::atomic::AtomicOutputDir;
use crate::report::run_record::platform;
use crate::transport::Engine;
use crate::transport::cpu::CpuEngine;
use crate::transport::gpu::list_adapters;
use serde_json::Value;

/// Name of the comparison's own record.
pub(super) const FILE: &str = "parity.json";

/// Histories of each pass: enough that every law is drawn from many times, few enough for a software adapter.
const HISTORIES: u64 = 20_000;

/// Hash of those histories on the demo's abdomen. A change of the transport that changes tallies changes it:
/// `lutra parity --histories 20000` prints the new one, and CHANGELOG.md says why.
pub(super) const SHA256: &str = "9a81e7de8af35dc3eac85cf9b33cc80dcaa2a3b6904a656615f78607c1c3e05c";

/// Compares all devices.
///
/// Errors: the reference device fails; a place that cannot be written.
pub(super) fn checks(
    folder: &AtomicOutputDir,
    expected_sha256: &str,
    hear: &mut dyn Listener,
) -> Result<Vec<Check>, Failure> {
    let request = ParityRequest {
        scene: ParityScene::Demo,
        histories: HISTORIES,
        devices: None,
        seed: DEFAULT_SEED,
        trace: None,
        json: folder.file(FILE).path().to_owned(),
        force: false,
    };
    let found = parity::run(&request, hear)?;
    Ok(of_record(&found.record, expected_sha256))
}

/// The checks of a comparison's record: the hash of the reference, then each device against it.
fn of_record(record: &Value, expected_sha256: &str) -> Vec<Check> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let devices: &[Value] = record["devices"].as_array().map_or(&[], Vec::as_slice);
    let hash = devices.first().map_or_else(String::new, |device| text(&device["tally_sha256"]));
    let name = format!("tally of {HISTORIES} histories a pass");
    let known =
        Check::new(Group::Devices, name, hash == expected_sha256, hash.clone(), expected_sha256).with_sha256(&hash);
    let one = |device: &Value| {
        let label = text(&device["device"]);
        let found = match (device["error"].as_str(), device["agrees"].as_bool()) {
            (Some(error), _) => format!("failed: {error}"),
            (None, Some(true)) => "the same integers".to_owned(),
            (None, _) => format!("differs: {}", device["difference"]),
        };
        let agrees = device["agrees"].as_bool() == Some(true);
        Check::new(Group::Devices, label, agrees, found, "the integers of the scalar CPU engine").of_this_machine()
    };
    std::iter::once(known).chain(devices.iter().skip(1).map(one)).collect()
}

/// What the machine has.
pub(super) fn machine() -> Machine {
    let cpu = CpuEngine::new(0).device();
    let cpu = DeviceHere { engine: "cpu".to_owned(), name: cpu.name, driver: String::new(), usable: true };
    let gpus = list_adapters().into_iter().map(|adapter| DeviceHere {
        engine: format!("gpu:{}", adapter.number),
        usable: adapter.usable(),
        name: adapter.info.name,
        driver: adapter.info.driver,
    });
    Machine {
        platform: platform(),
        threads: cores::cores(),
        memory_bytes: room::memory_bytes("MemTotal:"),
        devices: std::iter::once(cpu).chain(gpus).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(hash: &str, agrees: bool, error: Option<&str>) -> Value {
        let device =
            |name: &str, agrees: bool| json!({"device": name, "tally_sha256": hash, "agrees": agrees, "error": error});
        json!({"devices": [device("cpu:scalar", true), device("gpu:0", agrees)]})
    }

    #[test]
    fn alarm_a_wrong_hash_or_a_device_of_its_own_mind_rings() {
        let failed = |record: &Value| of_record(record, "ab").iter().filter(|check| check.fails()).count();
        assert_eq!(failed(&record("ab", true, None)), 0);
        assert_eq!(failed(&record("ac", true, None)), 1, "another hash");
        assert_eq!(failed(&record("ab", false, None)), 1, "a device that differs");
        assert_eq!(failed(&record("ab", false, Some("lost"))), 1, "a device that fails");
        assert_eq!(failed(&json!({})), 1, "nothing at all");
        assert_eq!(SHA256.len(), 64);
    }

    #[test]
    fn io_the_hash_is_of_every_machine_and_the_devices_are_of_this_one() {
        let checks = of_record(&record("ab", true, None), "ab");
        assert_eq!(checks.iter().map(|check| check.here).collect::<Vec<_>>(), [false, true]);
    }
}
