"""Histograms against closed forms and against dicompyler-core."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import needs

import lutra

Floats = npt.NDArray[np.float64]
#: Mean dose of a structure, Gy, and its change from one end to the other.
DOSE_GY, RISE = 10.0, 0.4
#: Parts of a voxel along an axis by which covered shares are counted.
FINE = 24
#: Places of a structure in its voxels. The base of a cone lies between two of the structure's own voxels: how well these
#: hold the structure is not what is tested.
SHIFTS = [(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.31, -0.17, 10 / FINE)]


def shares(inside: Any, n: int, edge_mm: float) -> Floats:
    """How much of each of n^3 voxels about the origin a structure covers; `inside` takes three arrays, mm."""
    axis = ((np.arange(n * FINE) + 0.5) / FINE - 0.5 * n) * edge_mm
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    covered: Floats = inside(x, y, z).reshape(n, FINE, n, FINE, n, FINE).mean(axis=(1, 3, 5))
    return covered


def voxels(inside: Any, n: int, edge_mm: float) -> lutra.Image:
    """A structure on a grid of its own, `FINE` times as fine."""
    axis = centres(n * FINE, edge_mm / FINE)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    return lutra.Image(inside(x, y, z).astype(np.uint8), grid(n * FINE, edge_mm / FINE))


def grid(n: int, edge_mm: float) -> Floats:
    affine = np.diag([edge_mm] * 3 + [1.0])
    affine[:3, 3] = -0.5 * (n - 1) * edge_mm
    return affine


def centres(n: int, edge_mm: float) -> Floats:
    return (np.arange(n) - 0.5 * (n - 1)) * edge_mm


class Sphere:
    """A sphere in a dose that rises along x. The share of its volume beyond u radii is that of a cap, (2 - 3u + u^3)/4."""

    def __init__(self, radius_mm: float, edge_mm: float, shift: tuple[float, float, float]) -> None:
        n = 2 * int(np.ceil(radius_mm / edge_mm)) + 5
        sx, sy, sz = (edge_mm * one for one in shift)
        inside = lambda x, y, z: (x - sx) ** 2 + (y - sy) ** 2 + (z - sz) ** 2 < radius_mm**2  # noqa: E731
        share, self.labels = shares(inside, n, edge_mm), voxels(inside, n, edge_mm)
        dose = DOSE_GY * (1 + 0.5 * RISE * (centres(n, edge_mm) - sx) / radius_mm)
        self.share = lutra.Image(share, grid(n, edge_mm))
        self.dose = lutra.Image(np.broadcast_to(dose[:, None, None], (n, n, n)), grid(n, edge_mm))

    @staticmethod
    def beyond(u: Floats) -> Floats:
        return 0.25 * (2 - 3 * u + u**3)

    def truth_dose(self, percent: float) -> float:
        u = np.linspace(-1, 1, 400_001)
        return DOSE_GY * (1 + 0.5 * RISE * float(np.interp(-percent / 100, -self.beyond(u), u)))

    def truth_share(self, u: float) -> float:
        return float(self.beyond(np.array(u)))


class Cone:
    """A cone whose tip points along z, in a dose that rises towards the tip: the share nearer to the tip is t^3."""

    def __init__(self, radius_mm: float, edge_mm: float, shift: tuple[float, float, float]) -> None:
        # as high as it is wide
        high_mm = 2 * radius_mm
        n = 2 * int(np.ceil(radius_mm / edge_mm)) + 5
        sx, sy, sz = (edge_mm * one for one in shift)

        def inside(x: Floats, y: Floats, z: Floats) -> Any:
            from_tip = 0.5 * high_mm - (z - sz)
            wide = radius_mm * from_tip / high_mm
            return (from_tip > 0) & (from_tip < high_mm) & ((x - sx) ** 2 + (y - sy) ** 2 < wide**2)

        dose = DOSE_GY * (1 + RISE * (centres(n, edge_mm) - sz) / high_mm)
        self.share, self.labels = lutra.Image(shares(inside, n, edge_mm), grid(n, edge_mm)), voxels(inside, n, edge_mm)
        self.dose = lutra.Image(np.broadcast_to(dose, (n, n, n)), grid(n, edge_mm))

    def truth_dose(self, percent: float) -> float:
        return DOSE_GY * (1 + RISE * (0.5 - float(np.cbrt(percent / 100))))

    def truth_share(self, u: float) -> float:
        return (0.5 - 0.5 * u) ** 3


def errors(structure: Sphere | Cone, fine: bool = False, **how: Any) -> tuple[float, float]:
    """Largest relative error of D98, D50 and D2, and largest error of V at three doses as a share of the structure; `fine`:
    of the structure on its own grid."""
    region = {"labels": structure.labels} if fine else {"share": structure.share}
    found = lutra.dvh(structure.dose, **region, **how)
    by_dose = [abs(found.dose_at(percent) / structure.truth_dose(percent) - 1) for percent in (98, 50, 2)]
    at = (-0.6, 0.0, 0.6)
    by_share = [abs(found.share_at(DOSE_GY * (1 + 0.5 * RISE * u)) - structure.truth_share(u)) for u in at]
    return max(by_dose), max(by_share)


def worst(kind: Any, across: int, **how: Any) -> tuple[float, float]:
    """Largest errors, %, over places of the structure in its voxels."""
    found = [errors(kind(0.5 * across * 3.0, 3.0, shift), **how) for shift in SHIFTS]
    by_dose, by_share = (100 * max(column) for column in zip(*found))
    print(f"{kind.__name__}, {across} voxels across, {how}: D {by_dose:.2f} %, V {by_share:.2f} %")
    return by_dose, by_share


@pytest.mark.parametrize("across", [3, 4])
@pytest.mark.parametrize("kind", [Sphere, Cone])
def test_a_structure_on_its_own_grid_has_its_closed_form(kind: Any, across: int) -> None:
    assert max(worst(kind, across, fine=True)) < 0.3


@pytest.mark.parametrize("across", [3, 4, 6])
def test_covered_shares_of_a_sphere_have_its_closed_form(across: int) -> None:
    assert max(worst(Sphere, across)) < 0.3


def test_covered_shares_of_a_sphere_have_its_closed_form_wherever_it_lies() -> None:
    places = np.random.default_rng(3).uniform(-0.5, 0.5, (20, 3)).tolist()
    assert max(max(errors(Sphere(4.5, 3.0, tuple(place)))) for place in places) < 0.003


def test_alarm_covered_shares_do_not_tell_a_cone_from_a_stack_of_discs() -> None:
    """Both have the same shares in every voxel, and their D2 differ by more than twice the limit: no rule by shares holds both.
    A cone's edge and tip take a grid of its own."""
    cone = Cone(4.5, 3.0, SHIFTS[0])
    fine = np.kron(cone.share.array, np.ones((FINE, FINE, FINE)))
    discs = lutra.Image(fine, cone.labels.affine)
    apart = lutra.dvh(cone.dose, share=discs).d2_gy / lutra.dvh(cone.dose, cone.labels).d2_gy
    assert apart - 1 > 2 * 0.003, apart
    assert max(worst(Cone, 3)) > 1.0


def test_a_region_that_the_dose_does_not_hold_is_refused() -> None:
    sphere = Sphere(6.0, 3.0, SHIFTS[0])
    small = lutra.Image(sphere.dose.array[4:], sphere.dose.affine @ np.eye(4) + 12 * np.eye(4, k=3))
    with pytest.raises(lutra.MismatchError, match="outside"):
        lutra.dvh(small, sphere.labels)
    coarse = lutra.Image(sphere.labels.array[::20, ::20, ::20], grid(4, 2.5))
    with pytest.raises(lutra.MismatchError, match="grid"):
        lutra.dvh(sphere.dose, coarse)


def test_alarm_whole_voxels_miss_the_closed_form() -> None:
    worst_dose, worst_share = errors(Sphere(4.5, 3.0, SHIFTS[2]), within_voxels=False)
    assert max(worst_dose, worst_share) > 0.01, (worst_dose, worst_share)


def test_d_and_v_are_those_of_the_curve() -> None:
    sphere = Sphere(12.0, 3.0, SHIFTS[2])
    found = lutra.dvh(sphere.dose, share=sphere.share)
    assert found.dose_at(98) == pytest.approx(found.d98_gy) and found.dose_at(2) == pytest.approx(found.d2_gy)
    assert found.share_at(found.d50_gy) == pytest.approx(0.5, abs=1e-3) and found.share_at(0.0) == 1.0
    assert found.share_at(2 * DOSE_GY) == 0.0
    with pytest.raises(lutra.InvalidError, match="percent"):
        found.dose_at(101)
    with pytest.raises(lutra.MismatchError, match="share"):
        lutra.dvh(sphere.dose)
    bad = lutra.Image(sphere.share.array * 1.5, sphere.share.affine)
    with pytest.raises(lutra.InvalidError, match="from 0 to 1"):
        lutra.dvh(sphere.dose, share=bad)


def test_dicompyler_agrees_on_its_terms() -> None:
    """dicompyler-core counts whole voxels in bins of 1 cGy and states the dose at the edge of a bin. On these terms both agree
    to a bin; what it leaves out (the dose within a voxel, mass, the part of a voxel outside) is what `within_voxels` and
    `density_g_cm3` add."""
    dvhcalc = needs("dicompylercore.dvh")
    rng = np.random.default_rng(4)
    dose = lutra.Image(rng.gamma(9.0, 1.2, (12, 11, 10)), np.diag([3.0, 3.0, 3.0, 1.0]))
    labels = lutra.Image((rng.random(dose.shape) < 0.4).astype(np.uint8), dose.affine)
    inside = dose.array[labels.array == 1]
    counts, edges = np.histogram(inside, bins=np.arange(0, inside.max() + 0.02, 0.01))
    volume_cm3 = 0.027
    theirs = dvhcalc.DVH(counts * volume_cm3, edges, dvh_type="differential").cumulative.relative_volume
    ours = lutra.dvh(dose, labels, within_voxels=False)
    for percent in (2, 50, 98):
        other = float(theirs.statistic(f"D{percent}").value)
        # half a voxel of the sorted list lies between two conventions of a quantile, and the bin
        near = np.sort(inside)[::-1]
        rank = percent / 100 * near.size
        spread = near[max(int(rank) - 2, 0)] - near[min(int(rank) + 1, near.size - 1)]
        assert abs(ours.dose_at(percent) - other) <= 0.01 + spread, (percent, ours.dose_at(percent), other)
    for gy in (8.0, 11.0, 14.0):
        other = float(theirs.volume_constraint(gy, "Gy").value) / 100
        assert abs(ours.share_at(gy) - other) <= 1.5 / inside.size + 0.002, (gy, ours.share_at(gy), other)
    assert ours.mean_gy == pytest.approx(float(theirs.mean), abs=0.01)
