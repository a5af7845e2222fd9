"""3D Slicer: absorbed dose of 177Lu by Monte Carlo transport.

Install: in Slicer's Python console ``slicer.util.pip_install("lutra")``; then Edit, Application Settings, Modules, and add the
folder of this file to the additional module paths. The module is under Radiotherapy.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import ctk
import qt
import slicer
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)

UNITS = {"Bq h / mL": "bq_ml_h", "MBq h a voxel": "mbq_h", "decays a voxel": "decays"}


class LutraDose(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = "Lutra Dose"
        parent.categories = ["Radiotherapy"]
        parent.contributors = ["The Lutra authors"]
        parent.helpText = "Absorbed dose from a CT and time-integrated activity. Research software, not a medical device."


class LutraDoseWidget(ScriptedLoadableModuleWidget):
    """Choose CT, activity and segmentation; compute; dose, table and report come back."""

    def setup(self):
        super().setup()
        form = qt.QFormLayout()
        self.layout.addLayout(form)
        self.ct = self._nodes(["vtkMRMLScalarVolumeNode"], False)
        form.addRow("CT (HU)", self.ct)
        self.activity = self._nodes(["vtkMRMLScalarVolumeNode"], False)
        form.addRow("Time-integrated activity", self.activity)
        self.unit = qt.QComboBox()
        # no unit is chosen before a person chooses one
        self.unit.addItems(["", *UNITS])
        form.addRow("Its unit", self.unit)
        self.segmentation = self._nodes(["vtkMRMLSegmentationNode"], True)
        form.addRow("Regions", self.segmentation)
        self.administered = ctk.ctkDoubleSpinBox()
        self.administered.maximum = 1e6
        self.administered.suffix = " MBq"
        form.addRow("Administered activity (0: not known)", self.administered)
        self.sigma = ctk.ctkDoubleSpinBox()
        self.sigma.minimum, self.sigma.maximum, self.sigma.value = 0.1, 50.0, 2.0
        self.sigma.suffix = " %"
        form.addRow("Standard error of the hot voxels", self.sigma)
        self.button = qt.QPushButton("Compute")
        self.button.connect("clicked(bool)", self.on_compute)
        self.layout.addWidget(self.button)
        self.layout.addStretch(1)

    def _nodes(self, classes, may_be_none):
        box = slicer.qMRMLNodeComboBox()
        box.nodeTypes = classes
        box.noneEnabled = may_be_none
        box.addEnabled = box.removeEnabled = False
        box.setMRMLScene(slicer.mrmlScene)
        return box

    def on_compute(self):
        """Computes what is chosen; what Lutra refuses appears in its own words."""
        unit = UNITS.get(self.unit.currentText)
        if unit is None:
            slicer.util.errorDisplay("Say what a value of the activity means.")
            return
        progress = slicer.util.createProgressDialog(labelText="Transport", maximum=100)

        def tell(done, sigma, what):
            progress.value = int(100 * done)
            slicer.app.processEvents()
            if progress.wasCanceled:
                raise KeyboardInterrupt

        with slicer.util.tryWithErrorDisplay("No dose was computed."):
            try:
                computed = LutraDoseLogic().compute(
                    self.ct.currentNode(),
                    self.activity.currentNode(),
                    self.segmentation.currentNode(),
                    unit,
                    Path(tempfile.mkdtemp(prefix="lutra-")) / "report.html",
                    administered_mbq=self.administered.value or None,
                    target_sigma=self.sigma.value / 100,
                    progress=tell,
                )
                slicer.util.setSliceViewerLayers(foreground=computed.dose, foregroundOpacity=0.5)
                qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(computed.report)))
            except KeyboardInterrupt:
                pass
            finally:
                progress.close()


class LutraDoseLogic(ScriptedLoadableModuleLogic):
    """The module without its window."""

    def compute(self, *chosen, **options):
        """As `LutraDoseLib.logic.compute`."""
        from LutraDoseLib import logic

        return logic.compute(*chosen, **options)
