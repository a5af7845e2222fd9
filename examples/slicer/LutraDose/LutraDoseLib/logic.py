"""From nodes of a MRML scene to a dose and back. No Qt: it runs in 3D Slicer and under ``slicer-core``.

Nodes of volumes hold arrays (k, j, i) and a matrix from (i, j, k) to RAS mm; Lutra's images are (i, j, k) with that matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

import lutra


class NodeError(ValueError):
    """A node that cannot be used: which, and what to do."""


def image_of(node: Any) -> lutra.Image:
    """The image of a scalar volume, without a copy.

    Raises `NodeError`: no voxels, several values a voxel, a transform that is not hardened.
    """
    data = node.GetImageData()
    if data is None:
        raise NodeError(f"{node.GetName()}: it holds no voxels. Load the volume again.")
    _placed(node)
    scalars = data.GetPointData().GetScalars()
    if scalars.GetNumberOfComponents() != 1:
        raise NodeError(f"{node.GetName()}: {scalars.GetNumberOfComponents()} values a voxel. Choose a volume of one.")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    affine = [[matrix.GetElement(row, column) for column in range(4)] for row in range(4)]
    return lutra.Image(vtk_to_numpy(scalars).reshape(data.GetDimensions()[::-1]).T, affine)


def _placed(node: Any) -> None:
    """A node under a transform does not lie where its matrix says."""
    if node.GetParentTransformNode() is not None:
        raise NodeError(f"{node.GetName()}: it lies under a transform. Harden the transform in the module Data.")


def labels_of(segmentation: Any, reference: Any) -> tuple[lutra.Image, dict[int, str]]:
    """The segments as labels on the grid of a volume, and their names; where segments overlap the later one counts, as in
    Slicer's own export.

    Raises `NodeError`: no segment, a transform that is not hardened, an export that fails.
    """
    import slicer

    _placed(segmentation)
    segments = segmentation.GetSegmentation()
    ids = [segments.GetNthSegmentID(n) for n in range(segments.GetNumberOfSegments())]
    if not ids:
        raise NodeError(f"{segmentation.GetName()}: it holds no segment. Draw the organs first.")
    scene = segmentation.GetScene()
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Lutra labels")
    try:
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        if not logic.ExportSegmentsToLabelmapNode(segmentation, ids, labels, reference):
            raise NodeError(f"{segmentation.GetName()}: it cannot be laid on {reference.GetName()}.")
        image = image_of(labels)
        names = {n: segments.GetSegment(one).GetName() for n, one in enumerate(ids, start=1)}
        return lutra.Image(image.array.astype(np.uint16), image.affine), names
    finally:
        scene.RemoveNode(labels)


def show(image: lutra.Image, scene: Any, name: str) -> Any:
    """A new scalar volume of an image."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    data = vtk.vtkImageData()
    data.SetDimensions(image.shape)
    values = np.ascontiguousarray(image.array.T).ravel()
    data.GetPointData().SetScalars(numpy_to_vtk(values, deep=True))
    node.SetAndObserveImageData(data)
    matrix = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            matrix.SetElement(row, column, float(image.affine[row, column]))
    node.SetIJKToRASMatrix(matrix)
    return node


@dataclass(frozen=True)
class Computed:
    """What came back."""

    result: lutra.DoseResult
    dose: Any
    sigma: Any
    table: Any
    report: Path


def compute(
    ct: Any, activity: Any, segmentation: Any, activity_unit: str, report: Path, **options: Any
) -> Computed:
    """Computes the dose of the chosen nodes; dose (Gy), relative standard error and a table of regions appear in the scene,
    the page `report` on the disk.

    `activity_unit` is what a value of the activity means: ``"bq_ml_h"``, ``"mbq_h"`` (a voxel) or ``"decays"``. `options` are
    those of ``lutra.dose``. Raises `NodeError` and ``lutra.LutraError``.
    """
    labels, names = (None, None) if segmentation is None else labels_of(segmentation, ct)
    given = {"label_names": names, **options}
    result = lutra.dose(image_of(ct), image_of(activity), labels, activity_unit=activity_unit, **given)
    scene = ct.GetScene()
    page = Path(result.report(report, force=True))
    return Computed(
        result,
        show(result.dose_gy, scene, "Absorbed dose (Gy)"),
        show(result.sigma_rel, scene, "Relative standard error"),
        table_of(result, scene),
        page,
    )


def table_of(result: lutra.DoseResult, scene: Any) -> Any:
    """The regions as a table node."""
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", "Dose of the regions")
    heads = {"name": "Region", "mass_g": "Mass (g)", "dose_gy": "Dose (Gy)", "dose_se_gy": "Standard error (Gy)"}
    for field, head in heads.items():
        column: Any = vtk.vtkStringArray() if field == "name" else vtk.vtkDoubleArray()
        column.SetName(head)
        for value in result.regions[field]:
            column.InsertNextValue(value)
        node.AddColumn(column)
    return node
