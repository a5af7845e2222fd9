//! Parts of a run add up to the run, bit for bit, or are refused by name.

use crate::small::{self, Fault, Faulty};
use lutra::transport::batch_store::{BatchStore, MergeError, merge, read_store, write_store};

const HISTORIES: u64 = 6000;

fn parts(count: u32) -> Vec<(String, BatchStore)> {
    let scene = small::scene();
    let plan = small::plan(&scene, HISTORIES, 5);
    (0..count).map(|k| (format!("part {}", k + 1), small::run(&scene, &small::shard(&plan, k, count)))).collect()
}

fn sum(parts: &[(String, BatchStore)]) -> Result<BatchStore, MergeError> {
    merge(parts.iter().cloned().map(Ok), false)
}

/// Everything but the time it took.
fn same(a: &BatchStore, b: &BatchStore) -> bool {
    let timeless = |store: &BatchStore| {
        let mut store = store.clone();
        store.wall_seconds = 0.0;
        store.passes.iter_mut().for_each(|pass| pass.seconds = 0.0);
        store
    };
    timeless(a) == timeless(b)
}

#[test]
fn engine_shards_add_up_to_the_single_run_in_any_order() {
    let scene = small::scene();
    let single = small::run(&scene, &small::plan(&scene, HISTORIES, 5));
    for count in [3, 16] {
        let mut parts = parts(count);
        assert!(same(&sum(&parts).expect("mergeable"), &single), "{count} shards");
        parts.reverse();
        parts.swap(0, 1);
        let other_way = sum(&parts).expect("mergeable");
        assert!(same(&other_way, &single), "{count} shards in another order");
        assert_eq!(other_way.tally_hash(), single.tally_hash());
    }
}

/// Between the batches of a single run and those of 32 shards there is a difference: 32 batches. With as many batches
/// asked for, there is none.
#[test]
fn engine_more_shards_than_batches_raise_the_batches() {
    let scene = small::scene();
    let plan = small::plan(&scene, HISTORIES, 5);
    let raised = lutra::transport::run::RunPlan { batches: 32, ..plan.clone() };
    let single = small::run(&scene, &raised);
    assert_eq!(single.passes[0].rows.len(), 32);
    let parts: Vec<(String, BatchStore)> =
        (0..32).map(|k| (k.to_string(), small::run(&scene, &small::shard(&plan, k, 32)))).collect();
    assert!(same(&sum(&parts).expect("mergeable"), &single));
}

/// One unit in one bin of one shard shows.
#[test]
fn alarm_a_shard_off_by_one_unit_is_seen() {
    let scene = small::scene();
    let plan = small::plan(&scene, HISTORIES, 5);
    let single = small::run(&scene, &plan);
    let mut parts = parts(3);
    let mut faulty = Faulty::after(4, Fault::OneUnit);
    parts[1].1 = small::run_on(&scene, &small::shard(&plan, 1, 3), &mut faulty).expect("the fault is silent").store;
    let merged = sum(&parts).expect("nothing to refuse");
    assert!(!same(&merged, &single));
    assert_ne!(merged.tally_hash(), single.tally_hash());
}

#[test]
fn engine_parts_of_other_runs_are_refused_by_name() {
    let scene = small::scene();
    let plan = small::plan(&scene, HISTORIES, 5);
    let parts = parts(3);
    let with = |other: BatchStore| sum(&[parts[0].clone(), ("odd one".to_owned(), other), parts[2].clone()]);
    let what = |other: BatchStore| match with(other) {
        Err(MergeError::Different { what, name, .. }) => {
            assert_eq!(name, "odd one");
            what
        }
        other => panic!("{other:?}"),
    };
    let second = small::shard(&plan, 1, 3);
    assert_eq!(what(small::run(&scene, &lutra::transport::run::RunPlan { seed: 6, ..second.clone() })), "seed");
    let mut heavier = scene.clone();
    heavier.density_g_cm3[300] *= 1.01;
    assert_eq!(what(small::run(&heavier, &second)), "scene");
    let mut other = second.clone();
    other.settings.photon_cut_kev += 1.0;
    assert_eq!(what(small::run(&scene, &other)), "physics settings and tables");
    let mut other = second.clone();
    other.labels.as_mut().expect("labels")[0] = 77;
    assert_eq!(what(small::run(&scene, &other)), "regions");
    assert_eq!(what(small::run(&scene, &small::shard(&small::plan(&scene, 2 * HISTORIES, 5), 1, 3))), "histories");
    let mut older = parts[1].1.clone();
    older.identity.fields[0].1 = "lutra 0.0.9 kernel 0123".to_owned();
    assert_eq!(what(older), "version");

    let twice = sum(&[parts[0].clone(), parts[1].clone(), ("again".to_owned(), parts[1].1.clone())]);
    match twice {
        Err(MergeError::Overlap { name, first, batch }) => {
            assert_eq!((name.as_str(), first.as_str(), batch), ("again", "part 2", 1));
        }
        other => panic!("{other:?}"),
    }
    match sum(&parts[..2]) {
        Err(MergeError::Missing { found: 14, planned: 20, missing }) => assert_eq!(missing, "shard 3/3"),
        other => panic!("{other:?}"),
    }
    let partly = merge(parts[..2].iter().cloned().map(Ok), true).expect("allowed");
    assert_eq!(partly.batches().len(), 14);
    assert_eq!(sum(&[]), Err(MergeError::Nothing));
}

#[test]
fn io_store_reads_as_it_was_written() {
    let store = parts(3).remove(1).1;
    let mut bytes = Vec::new();
    write_store(&mut bytes, &store, 41).expect("written");
    assert_eq!(read_store(&bytes[..]).expect("read"), (store, 41));
}

/// Any byte changed or missing is noticed.
#[test]
fn alarm_a_damaged_store_is_noticed() {
    let store = parts(3).remove(1).1;
    let mut bytes = Vec::new();
    write_store(&mut bytes, &store, 1).expect("written");
    for place in (0..bytes.len()).step_by(bytes.len() / 97) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 4;
        assert!(read_store(&damaged[..]).is_err(), "byte {place} of {}", bytes.len());
        assert!(read_store(&bytes[..place]).is_err(), "cut at {place}");
    }
}
