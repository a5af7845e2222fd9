//! The tables in `assets/reference/`, built in.

use super::verdict::Value;
use flate2::read::GzDecoder;
use std::io::Read;

/// Why a built-in table cannot be read: a fault of the build.
#[derive(Debug, thiserror::Error)]
#[error("assets/reference/{file}: {detail}: write it again with cargo xtask reference")]
pub struct AssetError {
    /// The table.
    file: &'static str,
    /// What is wrong.
    detail: String,
}

/// A table with named columns.
pub(super) struct Table {
    file: &'static str,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A row of it.
pub(super) struct Record<'a> {
    table: &'a Table,
    cells: &'a [String],
}

impl Table {
    fn parse(file: &'static str, text: &str) -> Result<Self, AssetError> {
        let fault = |error: csv::Error| AssetError { file, detail: error.to_string() };
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let header = reader.headers().map_err(fault)?.iter().map(str::to_owned).collect();
        let rows = reader
            .records()
            .map(|record| Ok(record.map_err(fault)?.iter().map(str::to_owned).collect()))
            .collect::<Result<_, AssetError>>()?;
        Ok(Self { file, header, rows })
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.rows.iter().map(|cells| Record { table: self, cells })
    }
}

impl Record<'_> {
    /// The text in the column `name`.
    pub(super) fn text(&self, name: &str) -> Result<&str, AssetError> {
        let place = self.table.header.iter().position(|h| h == name);
        place
            .and_then(|p| self.cells.get(p))
            .map(String::as_str)
            .ok_or_else(|| AssetError { file: self.table.file, detail: format!("column {name} is missing") })
    }

    /// The number in the column `name`.
    pub(super) fn number(&self, name: &str) -> Result<f64, AssetError> {
        let text = self.text(name)?;
        text.parse().map_err(|_| AssetError { file: self.table.file, detail: format!("{name} is {text:?}, no number") })
    }

    /// The value in the column `name` times `scale`, its relative standard error in the column `rel`.
    pub(super) fn value(&self, name: &str, rel: &str) -> Result<Value, AssetError> {
        let value = self.number(name)?;
        Ok(Value::new(value, value.abs() * self.number(rel)?))
    }
}

macro_rules! tables {
    ($($(#[$doc:meta])* $function:ident = $file:literal;)+) => {
        $(
            $(#[$doc])*
            pub(super) fn $function() -> Result<Table, AssetError> {
                Table::parse($file, include_str!(concat!("../../assets/reference/", $file)))
            }
        )+
    };
}

tables! {
    r1_point_water = "r1_point_water.csv";
    r1_electron_100 = "r1_electron_100.csv";
    r1_electron_200 = "r1_electron_200.csv";
    r1_electron_400 = "r1_electron_400.csv";
    r1_photon_208 = "r1_photon_208.csv";
    r2_spheres = "r2_spheres.csv";
    r3_voxels = "r3_voxels.csv";
    r4_layers = "r4_layers.csv";
    r4_profile = "r4_profile.csv";
    r5_regions = "r5_regions.csv";
    r6_organs = "r6_organs.csv";
    spheres_olguin = "spheres_olguin.csv";
    kidneys_opendose = "kidneys_opendose.csv";
    estar = "estar.csv";
    xcom = "xcom.csv";
    y90_etran = "y90_etran.csv";
    electron_1mev = "electron_1mev.csv";
}

/// A voxel of each kind of a volume with the eight symmetries of a square in x and y.
pub(super) struct Octant {
    size: usize,
    values: Vec<Value>,
}

impl Octant {
    fn read(file: &'static str, bytes: &[u8], size: usize) -> Result<Self, AssetError> {
        let mut raw = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut raw).map_err(|error| AssetError { file, detail: error.to_string() })?;
        let numbers: Vec<f64> =
            raw.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect();
        let (dose, rel) = numbers.split_at(numbers.len() / 2);
        let values = dose.iter().zip(rel).map(|(&d, &r)| Value::new(d, d * r)).collect();
        Ok(Self { size, values })
    }

    /// Kinds of voxel.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Number of the kind of voxel (i, j, k).
    pub(super) fn kind(&self, [i, j, k]: [usize; 3]) -> usize {
        let half = self.size / 2;
        let outward = |n: usize| if n < half { half - 1 - n } else { n - half };
        let (a, b) = (outward(i).max(outward(j)), outward(i).min(outward(j)));
        k * (half * (half + 1) / 2) + a * (a + 1) / 2 + b
    }

    /// Reference dose of a kind, Gy per decay.
    pub(super) fn value(&self, kind: usize) -> Value {
        self.values[kind]
    }
}

/// Voxels of R4 with the source in `soft`, `lung` or `bone`.
pub(super) fn r4_voxels(source: &str) -> Result<Octant, AssetError> {
    let (file, bytes): (_, &[u8]) = match source {
        "soft" => ("r4_soft_voxels.f32.gz", include_bytes!("../../assets/reference/r4_soft_voxels.f32.gz")),
        "lung" => ("r4_lung_voxels.f32.gz", include_bytes!("../../assets/reference/r4_lung_voxels.f32.gz")),
        _ => ("r4_bone_voxels.f32.gz", include_bytes!("../../assets/reference/r4_bone_voxels.f32.gz")),
    };
    Octant::read(file, bytes, 40)
}

/// Voxels of R5.
pub(super) fn r5_voxels() -> Result<Octant, AssetError> {
    Octant::read("r5_voxels.f32.gz", include_bytes!("../../assets/reference/r5_voxels.f32.gz"), 40)
}
