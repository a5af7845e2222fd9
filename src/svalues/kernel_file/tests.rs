//! Kernels written and read back, and kernels that do not fit.

use super::super::point_kernel::tests::soft;
use super::facts::edge_mm_in;
use super::read::{parse_text, raw_cube};
use super::*;
use crate::fault::{Part, Setting};

fn kernel() -> VoxelKernel {
    VoxelKernel::fold(soft(), [3.0; 3], 1.04, [2; 3]).unwrap()
}

fn only(kernels: Vec<RawKernel>) -> RawKernel {
    assert_eq!(kernels.len(), 1);
    kernels.into_iter().next().unwrap()
}

#[test]
fn io_kernels_come_back_from_every_layout() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = kernel();
    for name in ["k.nii.gz", "k.nii", "k.csv", "k.txt", "Lu177-3.00-mm-mGyperMBqs-Soft.img"] {
        let path = folder.path().join(name);
        write(&kernel, &path).unwrap();
        assert!(files(&path).iter().all(|f| f.is_file()));
        let raw = only(read(&path).unwrap());
        let declared = Declared { density_g_cm3: Some(1.04), ..Declared::default() };
        let (back, _) = raw.interpret("Lu-177", Some([3.0; 3]), &declared).unwrap();
        assert_eq!(back.half, [2; 3], "{name}");
        for place in 0..kernel.len() {
            let o = kernel.offset(place);
            assert!((back.energy_kev(o) / kernel.energy_kev(o) - 1.0).abs() < 1e-4, "{name} {o:?}");
        }
    }
    let raw = only(read(folder.path().join("k.csv")).unwrap());
    assert_eq!((raw.density_g_cm3, raw.medium.as_deref()), (Some(1.04), Some(kernel.medium.as_str())));
}

#[test]
fn io_an_anisotropic_kernel_keeps_its_axes() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = VoxelKernel::fold(soft(), [2.0, 3.0, 5.0], 1.04, [3, 2, 1]).unwrap();
    for name in ["k.nii.gz", "k.csv"] {
        let path = folder.path().join(name);
        write(&kernel, &path).unwrap();
        let raw = only(read(&path).unwrap());
        let (back, _) = raw.interpret("Lu-177", Some([2.0, 3.0, 5.0]), &Declared::default()).unwrap();
        assert_eq!(back.half, [3, 2, 1]);
        assert!((back.energy_kev([3, 1, 0]) / kernel.energy_kev([3, 1, 0]) - 1.0).abs() < 1e-4);
    }
}

#[test]
fn io_facts_are_found_in_names_and_head_lines() {
    for text in ["Lu177 - 2.21mm - Soft tissue", "Lu177-4.80-mm-mGyperMBqs-SoftICRP.img", "177Lu voxel", "x Lu-177 y"] {
        assert_eq!(nuclide_in(text).as_deref(), Some("Lu-177"), "{text}");
    }
    assert_eq!(nuclide_in("kernel 51 voxels 3mm soft"), None);
    assert_eq!(nuclide_in("I-131 5 mm").as_deref(), Some("I-131"));
    assert_eq!(edge_mm_in("Lu177-4.80-mm-mGyperMBqs"), Some(4.8));
    assert_eq!(edge_mm_in("set A: 2.21 mm (table)"), Some(2.21));
    assert_eq!(edge_mm_in("no size, comma"), None);
    assert_eq!(unit_in("S [mGy/(MBq·s)]"), Some(1.0));
    assert_eq!(unit_in("Lu177-mGyperMBqs-Soft"), Some(1.0));
    assert_eq!(unit_in("Gy per decay"), Some(1e9));
    assert_eq!(unit_in("S_Gy_per_Bq_s"), Some(1e9));
    assert_eq!(unit_in("S"), None);
}

fn table(head: &str) -> String {
    let mut text = format!("{head}\ni\tj\tk\tS [mGy/(MBq s)]\n");
    for (i, j, k, s) in [(0, 0, 0, 1.0), (0, 0, 1, 0.1), (0, 1, 1, 0.01), (1, 1, 1, 0.001)] {
        text.push_str(&format!("{i}\t{j}\t{k}\t{s}\n"));
    }
    text
}

fn refused(raw: &RawKernel) -> String {
    let forced = Declared { force: true, ..Declared::default() };
    let (_, doubts) = raw.interpret("Lu-177", Some([3.0; 3]), &forced).expect("forced");
    assert!(doubts.iter().any(|d| d.text.parts().contains(&Part::Setting(Setting::ForceKernel))), "{doubts:?}");
    raw.interpret("Lu-177", Some([3.0; 3]), &Declared::default()).unwrap_err().to_string()
}

#[test]
fn io_unfit_kernels_are_named_and_refused_unless_forced() {
    let read = |text: &str| only(parse_text(text, "k.txt").unwrap());
    let good = read(&table("Lu177 - 3mm - Soft tissue"));
    good.interpret("Lu-177", Some([3.0; 3]), &Declared::default()).expect("sound");
    let other_size = refused(&read(&table("Lu177 - 2.21mm - Soft tissue")));
    assert!(other_size.contains("voxel size") && other_size.contains("2.21"), "{other_size}");
    let other_nuclide = refused(&read(&table("Y90 - 3mm - Soft tissue")));
    assert!(other_nuclide.contains("nuclide: found Y-90"), "{other_nuclide}");
    assert!(refused(&read(&table("3mm soft"))).contains("nuclide: found not stated"));
    let no_unit = read(&table("Lu177 3mm soft").replace(" [mGy/(MBq s)]", ""));
    assert!(refused(&no_unit).contains("unit: found not stated"));
    let mut lopsided = good.clone();
    lopsided.values.push(([-1, 0, 0], 0.5));
    assert!(refused(&lopsided).contains("symmetry"), "{}", refused(&lopsided));
    let mut shifted = good.clone();
    shifted.values[0].1 = 0.05;
    assert!(refused(&shifted).contains("not at the source voxel"));
}

#[test]
fn io_broken_tables_are_refused() {
    for (text, said) in [("0 0 0 1.0 2.0\n", "head line"), ("i j k S\n0 0 x 1\n", "line 2"), ("nothing here\n", "none")]
    {
        let message = parse_text(text, "k.txt").unwrap_err().to_string();
        assert!(message.contains(said), "{message}");
    }
    assert!(raw_cube(&[0; 64], "k.img").unwrap_err().to_string().contains("64 bytes"));
    let gap = only(parse_text("Lu177 3mm mGy/(MBq s) soft\ni j k S\n0 0 0 1\n0 0 2 1\n", "k.txt").unwrap());
    let message = gap.interpret("Lu-177", None, &Declared::default()).unwrap_err().to_string();
    assert!(message.contains("no value at offset"), "{message}");
}

#[test]
fn io_a_table_without_a_head_is_read_where_its_facts_are_stated() {
    let raw = only(
        parse_text(
            "0 0 0 1\n0 0 1 0.1\n0 1 0 0.1\n1 0 0 0.1\n0 1 1 0.05\n1 0 1 0.05\n1 1 0 0.05\n1 1 1 0.02\n",
            "k.txt",
        )
        .unwrap(),
    );
    let message = raw.interpret("Lu-177", None, &Declared::default()).unwrap_err().to_string();
    assert!(message.contains("nuclide, voxel size, unit: found not stated"), "{message}");
    assert!(["nuclide", "voxel", "unit"].iter().all(|word| message.contains(word)), "{message}");
    let declared = Declared {
        nuclide: Some("Lu-177".into()),
        spacing_mm: Some([3.0; 3]),
        unit: Some("mGy/(MBq s)".into()),
        ..Declared::default()
    };
    assert!(raw.interpret("Lu-177", None, &declared).is_ok());
}
