//! Transforms in ITK's text files (`.tfm`, `.txt`), as SimpleITK, elastix, ANTs and 3D Slicer write them.
//!
//! Such a transform takes a point of the fixed image to the moving image, in LPS mm. The parameters stand about a centre,
//! the fixed parameters: x goes to M (x - c) + c + t (ITK Software Guide, book 2, 3.9.1). Lutra's matrices are RAS.

use super::target::Target;
use crate::place::Place;

use super::dicom::{Matrix4, turned};
use super::{IoError, atomic};
use crate::fault::Explained;
use crate::text;

type Matrix3 = [[f64; 3]; 3];

const HEAD: &str = "#Insight Transform File V1.0";
const KNOWN: &str = "AffineTransform, MatrixOffsetTransformBase, Euler3DTransform, VersorRigid3DTransform, TranslationTransform \
                     or IdentityTransform, one in the file";

/// A transform as read.
#[derive(Clone, Debug, PartialEq)]
pub struct ItkTransform {
    /// From the fixed to the moving frame, RAS mm.
    pub moving_from_fixed: Matrix4,
    /// Whether ITK's kind of transform has a rotation and a shift only.
    pub rigid: bool,
}

/// Writes a transform from the fixed to the moving frame, RAS mm, as ITK's AffineTransform.
///
/// Errors: a place that cannot be written.
pub fn write_transform(path: impl Into<Target>, moving_from_fixed: &Matrix4) -> Result<(), IoError> {
    let m = turned(moving_from_fixed);
    let numbers: Vec<String> = (0..3)
        .flat_map(|r| (0..3).map(move |c| m[r][c]))
        .chain((0..3).map(|r| m[r][3]))
        .map(|value| format!("{value}"))
        .collect();
    let text = format!(
        "{HEAD}\n#Transform 0\nTransform: AffineTransform_double_3_3\nParameters: {}\nFixedParameters: 0 0 0\n",
        numbers.join(" ")
    );
    atomic::write_file(path, |out| std::io::Write::write_all(out, text.as_bytes()))
}

/// Whether a text is such a file.
pub fn is_transform(text: &str) -> bool {
    text.trim_start().starts_with("#Insight Transform File")
}

/// Reads a transform.
///
/// Errors: another kind of file, several transforms, a kind of transform that is not a matrix, another number of
/// parameters than the kind has.
pub fn read_transform(path: impl Into<Place>) -> Result<ItkTransform, IoError> {
    let path = &path.into();
    let content = text::read(path).map_err(|error| match error {
        text::TextError::Unreadable(error) => IoError::read(path, error),
        error => {
            IoError::invalid(path, "transform", error.fault().to_string(), HEAD, "Give the transform, not the image.")
        }
    })?;
    parse(path, &content)
}

fn parse(path: &Place, content: &str) -> Result<ItkTransform, IoError> {
    let refused =
        |field: &str, found: String, allowed: &str, next: &str| IoError::invalid(path, field, found, allowed, next);
    if !is_transform(content) {
        let found = content.lines().next().unwrap_or_default().chars().take(60).collect::<String>();
        return Err(refused("first line", found, HEAD, "Export the transform as an ITK text file (.tfm or .txt)."));
    }
    let field = |name: &str| -> Vec<&str> {
        content.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':')).map(str::trim).collect()
    };
    let kinds = field("Transform");
    let [kind] = kinds.as_slice() else {
        return Err(refused(
            "Transform",
            format!("{} transforms", kinds.len()),
            KNOWN,
            "Export one matrix: collapse the chain first.",
        ));
    };
    let list = |name: &str| -> Result<Vec<f64>, IoError> {
        let all = field(name).first().copied().unwrap_or_default();
        all.split_whitespace()
            .map(|word| match word.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(value),
                _ => Err(refused(name, word.to_owned(), "finite numbers", "Export the transform again.")),
            })
            .collect()
    };
    let (p, fixed) = (list("Parameters")?, list("FixedParameters")?);
    let name = kind.split('_').next().unwrap_or_default();
    let wanted = match name {
        "AffineTransform" | "MatrixOffsetTransformBase" => 12,
        "Euler3DTransform" | "VersorRigid3DTransform" => 6,
        "TranslationTransform" => 3,
        "IdentityTransform" => 0,
        _ => return Err(refused("Transform", (*kind).to_owned(), KNOWN, "Export the transform as one matrix.")),
    };
    let plane = kind.split('_').skip(2).any(|word| word == "2");
    if p.len() != wanted && name != "IdentityTransform" || plane {
        let found = format!("{} of {kind}", p.len());
        return Err(refused(
            "Parameters",
            found,
            "those of a transform of three dimensions",
            "Export the transform again.",
        ));
    }
    let centre = [0, 1, 2].map(|n| fixed.get(n).copied().unwrap_or(0.0));
    let (matrix, shift, rigid) = match name {
        "Euler3DTransform" => (euler([p[0], p[1], p[2]], fixed.get(3) == Some(&1.0)), [p[3], p[4], p[5]], true),
        "VersorRigid3DTransform" if p[..3].iter().map(|v| v * v).sum::<f64>() > 1.0 + 1e-9 => {
            return Err(refused(
                "Parameters",
                format!("a versor {:?} longer than 1", &p[..3]),
                "at most 1",
                "Export it again.",
            ));
        }
        "VersorRigid3DTransform" => (versor([p[0], p[1], p[2]]), [p[3], p[4], p[5]], true),
        "TranslationTransform" => (UNIT, [p[0], p[1], p[2]], true),
        "IdentityTransform" => (UNIT, [0.0; 3], true),
        _ => (std::array::from_fn(|r| std::array::from_fn(|c| p[3 * r + c])), [p[9], p[10], p[11]], false),
    };
    let row = |r: usize| {
        let m: [f64; 3] = matrix[r];
        let turned = m[0] * centre[0] + m[1] * centre[1] + m[2] * centre[2];
        [m[0], m[1], m[2], centre[r] + shift[r] - turned]
    };
    let lps = [row(0), row(1), row(2), [0.0, 0.0, 0.0, 1.0]];
    Ok(ItkTransform { moving_from_fixed: turned(&lps), rigid })
}

const UNIT: Matrix3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

fn product(a: &Matrix3, b: &Matrix3) -> Matrix3 {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|n| a[r][n] * b[n][c]).sum()))
}

/// Rz Rx Ry, or Rz Ry Rx where the file says so (itkEuler3DTransform: ComputeZYX).
fn euler(angles_rad: [f64; 3], zyx: bool) -> Matrix3 {
    let [(sx, cx), (sy, cy), (sz, cz)] = angles_rad.map(f64::sin_cos);
    let x = [[1.0, 0.0, 0.0], [0.0, cx, -sx], [0.0, sx, cx]];
    let y = [[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]];
    let z = [[cz, -sz, 0.0], [sz, cz, 0.0], [0.0, 0.0, 1.0]];
    if zyx { product(&z, &product(&y, &x)) } else { product(&z, &product(&x, &y)) }
}

/// The rotation of a versor's vector part (itkVersor).
fn versor([x, y, z]: [f64; 3]) -> Matrix3 {
    let w = (1.0 - x * x - y * y - z * z).max(0.0).sqrt();
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
        [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
        [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, parameters: &str, fixed: &str) -> Result<ItkTransform, String> {
        let text =
            format!("{HEAD}\n#Transform 0\nTransform: {kind}\nParameters: {parameters}\nFixedParameters: {fixed}\n");
        parse(&"t.tfm".into(), &text).map_err(|error| error.to_string())
    }

    #[test]
    fn io_itk_transforms_come_back() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("t.tfm");
        let (s, c) = 0.1f64.sin_cos();
        let map = [[c, -s, 0.0, 12.25], [s, c, 0.0, -3.5], [0.0, 0.0, 1.0, 7.125], [0.0, 0.0, 0.0, 1.0]];
        write_transform(&file, &map).expect("written");
        assert_eq!(read_transform(&file).expect("read").moving_from_fixed, map);
    }

    /// The kinds agree with each other: a turn about z through a centre, written in each way.
    #[test]
    fn io_itk_kinds_agree() {
        let (s, c) = 0.2f64.sin_cos();
        let affine = read("AffineTransform_double_3_3", &format!("{c} {} 0 {s} {c} 0 0 0 1 1 2 3", -s), "10 20 30")
            .expect("affine");
        let euler = read("Euler3DTransform_double_3_3", "0 0 0.2 1 2 3", "10 20 30").expect("euler");
        let versor = read("VersorRigid3DTransform_double_3_3", &format!("0 0 {} 1 2 3", 0.1f64.sin()), "10 20 30")
            .expect("versor");
        for other in [&euler, &versor] {
            let pairs = affine.moving_from_fixed.as_flattened().iter().zip(other.moving_from_fixed.as_flattened());
            assert!(other.rigid && pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-12), "{affine:?} {other:?}");
        }
        let shift = read("TranslationTransform_double_3_3", "1 2 3", "").expect("shift");
        assert_eq!(shift.moving_from_fixed.map(|row| row[3]), [-1.0, -2.0, 3.0, 1.0], "LPS to RAS");
    }

    #[test]
    fn io_itk_refuses_by_name() {
        for (kind, parameters, part) in [
            ("BSplineTransform_double_3_3", "1 2 3", "Transform: found BSplineTransform_double_3_3"),
            ("CompositeTransform_double_3_3", "", "Transform: found CompositeTransform_double_3_3"),
            ("AffineTransform_double_3_3", "1 2 3", "Parameters: found 3 of AffineTransform_double_3_3"),
            ("Euler2DTransform_double_2_2", "0.1 2 3", "Transform: found Euler2DTransform"),
            ("TranslationTransform_double_3_3", "1 nan 3", "Parameters: found nan"),
        ] {
            let error = read(kind, parameters, "").expect_err(kind);
            assert!(error.contains(part), "{error}");
        }
        let error = parse(&"t.tfm".into(), "1 0 0 0\n").expect_err("FSL").to_string();
        assert!(error.contains("first line: found 1 0 0 0"), "{error}");
    }
}
