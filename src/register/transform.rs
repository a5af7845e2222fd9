//! Maps of points between two frames, RAS mm.
//!
//! An affine map takes x to M x + t. A rigid one has a rotation for M: orthogonal columns of length 1, determinant +1.
//! Patients do not shear, scale or turn into their mirror image; a matrix that is called rigid and does so is an error of
//! its export, and is refused.

use crate::fault::{Explained, Fault, explained};
use thiserror::Error;

/// Largest deviation of M^T M from the unit matrix of a rigid transform: 0.03 mm over 30 cm. Matrices in DICOM have 16
/// characters a number, those of text files often 6 digits.
pub const RIGID_TOLERANCE: f64 = 1e-4;

/// What a transform may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Rotation and shift: 6 numbers.
    #[default]
    Rigid,
    /// Any matrix and shift: 12 numbers.
    Affine,
}

impl Kind {
    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rigid => "rigid",
            Self::Affine => "affine",
        }
    }
}

/// Why a matrix is not the transform it is said to be.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum TransformError {
    /// A number that is not finite, or a last row that is not 0 0 0 1.
    NotAffine {
        /// What was found.
        found: String,
    },
    /// No volume is left.
    Singular,
    /// Left becomes right.
    Mirror {
        /// Determinant of the matrix.
        determinant: f64,
    },
    /// A rigid transform that scales.
    Scale {
        /// Lengths of the images of the three unit vectors.
        lengths: [f64; 3],
    },
    /// A rigid transform that shears.
    Shear {
        /// Largest cosine between the images of two unit vectors.
        cosine: f64,
    },
}

explained!(TransformError);

impl Explained for TransformError {
    fn fault(&self) -> Fault {
        let refused = |found: String, allowed: &str, next: &str| Fault::invalid("", "transform", found, allowed, next);
        match self {
            Self::NotAffine { found } => refused(
                found.clone(),
                "4 x 4 finite numbers, the last row 0 0 0 1",
                "Export the transform again as a rigid or affine matrix between world coordinates in mm.",
            ),
            Self::Singular => refused(
                "a matrix without an inverse".into(),
                "a rotation and a shift",
                "Export the transform again between world coordinates in mm.",
            ),
            Self::Mirror { determinant } => refused(
                format!("determinant {determinant:.4}: it mirrors the patient (left becomes right)"),
                "a transform that keeps handedness (determinant above 0)",
                "Check whether the file is in LPS or RAS: both signs of x and y turn on both sides of the matrix.",
            ),
            Self::Scale { lengths: [x, y, z] } => refused(
                format!("a rigid transform that scales x, y, z by {x:.5}, {y:.5}, {z:.5}"),
                "1 within 0.0001",
                "Register again with a rigid transform; check that both images have their true voxel sizes.",
            ),
            Self::Shear { cosine } => refused(
                format!("a rigid transform that shears (cosine {cosine:.5} between two axes)"),
                "right angles within 0.0001",
                "Register again with a rigid transform.",
            ),
        }
    }
}

/// A map of points, mm to mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Rows x, y, z; the last column is the shift, mm.
    pub rows: [[f64; 4]; 3],
}

impl Affine {
    /// The map that leaves every point.
    pub const IDENTITY: Self = Self { rows: [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]] };

    /// A shift, mm.
    pub fn shift(by_mm: [f64; 3]) -> Self {
        let mut all = Self::IDENTITY;
        for (row, &by) in all.rows.iter_mut().zip(&by_mm) {
            row[3] = by;
        }
        all
    }

    /// The rotation Rz Ry Rx by these angles, rad, about `centre_mm`, then the shift, mm.
    pub fn rigid(angles_rad: [f64; 3], shift_mm: [f64; 3], centre_mm: [f64; 3]) -> Self {
        About { matrix: rotation(angles_rad), shift_mm, centre_mm }.affine()
    }

    /// From 4 x 4 numbers.
    ///
    /// Errors: numbers that are not finite, a last row other than 0 0 0 1, no inverse, a mirror.
    pub fn from_4x4(all: [[f64; 4]; 4]) -> Result<Self, TransformError> {
        let last = all[3];
        if all.iter().flatten().any(|v| !v.is_finite()) {
            return Err(TransformError::NotAffine { found: "a value that is no finite number".into() });
        }
        if last[..3].iter().any(|v| v.abs() > 1e-9) || (last[3] - 1.0).abs() > 1e-9 {
            return Err(TransformError::NotAffine { found: format!("the last row {last:?}") });
        }
        let map = Self { rows: [all[0], all[1], all[2]] };
        let determinant = map.determinant();
        match determinant {
            d if d < 0.0 => Err(TransformError::Mirror { determinant }),
            d if d < 1e-6 => Err(TransformError::Singular),
            _ => Ok(map),
        }
    }

    /// As 4 x 4 numbers.
    pub fn to_4x4(&self) -> [[f64; 4]; 4] {
        let [x, y, z] = self.rows;
        [x, y, z, [0.0, 0.0, 0.0, 1.0]]
    }

    /// Where a point goes, mm.
    pub fn apply(&self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        self.rows.map(|[a, b, c, shift]| a * x + b * y + c * z + shift)
    }

    /// How far a point moves along x, y, z, mm.
    pub fn displacement_mm(&self, point_mm: [f64; 3]) -> [f64; 3] {
        let to = self.apply(point_mm);
        std::array::from_fn(|axis| to[axis] - point_mm[axis])
    }

    /// This map after `first`.
    pub fn after(&self, first: &Self) -> Self {
        let mut rows = [[0.0; 4]; 3];
        for (row, mine) in rows.iter_mut().zip(&self.rows) {
            for (column, value) in row.iter_mut().enumerate() {
                *value = (0..3).map(|n| mine[n] * first.rows[n][column]).sum();
            }
            row[3] += mine[3];
        }
        Self { rows }
    }

    /// The way back; `None` where the matrix has no inverse.
    pub fn inverse(&self) -> Option<Self> {
        let m = nalgebra::Matrix3::from_fn(|row, column| self.rows[row][column]);
        let inverse = m.try_inverse()?;
        let shift = inverse * nalgebra::Vector3::new(self.rows[0][3], self.rows[1][3], self.rows[2][3]);
        let row = |r: usize| [inverse[(r, 0)], inverse[(r, 1)], inverse[(r, 2)], -shift[r]];
        Some(Self { rows: [row(0), row(1), row(2)] })
    }

    /// The same map of the same points in the other convention, LPS for RAS and back: x and y turn their sign on both sides.
    pub fn lps(&self) -> Self {
        let sign = [-1.0, -1.0, 1.0, 1.0];
        let mut rows = self.rows;
        for (r, row) in rows.iter_mut().enumerate() {
            for (c, value) in row.iter_mut().enumerate() {
                *value *= sign[r] * sign[c];
            }
        }
        // a negative zero is a zero
        Self { rows: rows.map(|row| row.map(|v| v + 0.0)) }
    }

    /// Factor by which volumes grow.
    pub fn determinant(&self) -> f64 {
        let m = &self.rows;
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    }

    /// Checks that the map is rigid.
    ///
    /// Errors: a mirror, a scale, a shear, beyond [`RIGID_TOLERANCE`].
    pub fn require_rigid(&self) -> Result<(), TransformError> {
        let determinant = self.determinant();
        if determinant < 0.0 {
            return Err(TransformError::Mirror { determinant });
        }
        let column = |c: usize| [0, 1, 2].map(|r| self.rows[r][c]);
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let lengths = [0, 1, 2].map(|c| dot(column(c), column(c)).sqrt());
        if lengths.iter().any(|l| l.is_nan() || (l - 1.0).abs() > RIGID_TOLERANCE) {
            return Err(TransformError::Scale { lengths });
        }
        let cosine =
            [[0, 1], [0, 2], [1, 2]].map(|[a, b]| dot(column(a), column(b)).abs()).into_iter().fold(0.0, f64::max);
        if cosine > RIGID_TOLERANCE { Err(TransformError::Shear { cosine }) } else { Ok(()) }
    }

    /// Angle of the rotation next to this map (by polar decomposition), degrees, 0 to 180.
    pub fn rotation_deg(&self) -> f64 {
        let m = nalgebra::Matrix3::from_fn(|row, column| self.rows[row][column]);
        let svd = m.svd(true, true);
        let (Some(u), Some(v)) = (svd.u, svd.v_t) else { return f64::NAN };
        // from the skew part too: the cosine alone loses small angles
        let r = u * v;
        let sine =
            0.5 * nalgebra::Vector3::new(r[(2, 1)] - r[(1, 2)], r[(0, 2)] - r[(2, 0)], r[(1, 0)] - r[(0, 1)]).norm();
        sine.atan2(0.5 * (r.trace() - 1.0)).to_degrees()
    }
}

/// A map written about a centre: x goes to M (x - c) + c + t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct About {
    pub(crate) matrix: [[f64; 3]; 3],
    pub(crate) shift_mm: [f64; 3],
    pub(crate) centre_mm: [f64; 3],
}

impl About {
    /// The map about another centre.
    pub(crate) fn of(map: &Affine, centre_mm: [f64; 3]) -> Self {
        let matrix = map.rows.map(|[a, b, c, _]| [a, b, c]);
        Self { matrix, shift_mm: map.displacement_mm(centre_mm), centre_mm }
    }

    pub(crate) fn affine(&self) -> Affine {
        let (m, c) = (&self.matrix, self.centre_mm);
        let row = |r: usize| {
            let turned = m[r][0] * c[0] + m[r][1] * c[1] + m[r][2] * c[2];
            [m[r][0], m[r][1], m[r][2], c[r] + self.shift_mm[r] - turned]
        };
        Affine { rows: [row(0), row(1), row(2)] }
    }
}

/// A derivative by the 3 x 3 numbers of the matrix (columns 0 to 2) and by the shift (column 3).
pub(crate) type Slopes = [[f64; 4]; 3];

/// How a transform is made of numbers that can be stepped along, each about 1 mm at the edge of what is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) kind: Kind,
    pub(crate) centre_mm: [f64; 3],
    /// Distance from the centre at which a rotation by 1 / arm moves a point by 1 mm.
    pub(crate) arm_mm: f64,
}

impl Numbers {
    /// The map that these numbers stand for: shift, then angles or the matrix less the unit matrix.
    pub(crate) fn map(&self, p: &[f64]) -> About {
        let (shift_mm, centre_mm) = ([p[0], p[1], p[2]], self.centre_mm);
        let by = |n: usize| p[n] / self.arm_mm;
        let matrix = match self.kind {
            Kind::Rigid => rotation([by(3), by(4), by(5)]),
            Kind::Affine => std::array::from_fn(|r| std::array::from_fn(|c| f64::from(r == c) + by(3 + 3 * r + c))),
        };
        About { matrix, shift_mm, centre_mm }
    }

    /// The numbers of a map. A rigid one is taken apart into its angles.
    pub(crate) fn of(&self, map: &Affine) -> Vec<f64> {
        let about = About::of(map, self.centre_mm);
        let (m, arm) = (&about.matrix, self.arm_mm);
        let mut p = about.shift_mm.to_vec();
        match self.kind {
            Kind::Rigid => {
                let angles = [m[2][1].atan2(m[2][2]), (-m[2][0]).clamp(-1.0, 1.0).asin(), m[1][0].atan2(m[0][0])];
                p.extend(angles.map(|angle| angle * arm));
            }
            Kind::Affine => {
                p.extend((0..9).map(|n| arm * (m[n / 3][n % 3] - f64::from(n / 3 == n % 3))));
            }
        }
        p
    }

    /// The derivatives by the numbers, from those by the matrix and the shift (chain rule).
    pub(crate) fn chain(&self, p: &[f64], slopes: &Slopes) -> Vec<f64> {
        let mut all = slopes.map(|row| row[3]).to_vec();
        match self.kind {
            Kind::Affine => all.extend((0..9).map(|n| slopes[n / 3][n % 3] / self.arm_mm)),
            Kind::Rigid => {
                let angles = [3, 4, 5].map(|n| p[n] / self.arm_mm);
                all.extend((0..3).map(|axis| {
                    let by_angle = turning(angles, axis);
                    let sum: f64 = (0..9).map(|n| slopes[n / 3][n % 3] * by_angle[n / 3][n % 3]).sum();
                    sum / self.arm_mm
                }));
            }
        }
        all
    }
}

type Matrix = [[f64; 3]; 3];

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|n| a[r][n] * b[n][c]).sum()))
}

/// Rotation about one axis by its cosine and sine; with `fixed` 1 the axis stays, with 0 it is taken out.
fn about_axis(axis: usize, cosine: f64, sine: f64, fixed: f64) -> Matrix {
    let (next, last) = ((axis + 1) % 3, (axis + 2) % 3);
    let mut m = [[0.0; 3]; 3];
    m[axis][axis] = fixed;
    (m[next][next], m[last][last]) = (cosine, cosine);
    (m[next][last], m[last][next]) = (-sine, sine);
    m
}

/// Rz Ry Rx.
fn rotation(angles_rad: [f64; 3]) -> Matrix {
    let [x, y, z] = [0, 1, 2].map(|axis| about_axis(axis, angles_rad[axis].cos(), angles_rad[axis].sin(), 1.0));
    product(&z, &product(&y, &x))
}

/// Derivative of Rz Ry Rx by the angle about one axis.
fn turning(angles_rad: [f64; 3], by: usize) -> Matrix {
    let [x, y, z] = [0, 1, 2].map(|axis| {
        let (sine, cosine) = angles_rad[axis].sin_cos();
        if axis == by { about_axis(axis, -sine, cosine, 0.0) } else { about_axis(axis, cosine, sine, 1.0) }
    });
    product(&z, &product(&y, &x))
}
