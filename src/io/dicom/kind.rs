//! What an object can be used for, by its SOP class.

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const ENHANCED_CT: &str = "1.2.840.10008.5.1.4.1.1.2.1";
pub(crate) const CONVERTED_CT: &str = "1.2.840.10008.5.1.4.1.1.2.2";
pub(crate) const PT: &str = "1.2.840.10008.5.1.4.1.1.128";
pub(crate) const ENHANCED_PT: &str = "1.2.840.10008.5.1.4.1.1.130";
pub(crate) const CONVERTED_PT: &str = "1.2.840.10008.5.1.4.1.1.128.1";
pub(crate) const NM: &str = "1.2.840.10008.5.1.4.1.1.20";
pub(crate) const SEG: &str = "1.2.840.10008.5.1.4.1.1.66.4";
pub(crate) const LABEL_MAP_SEG: &str = "1.2.840.10008.5.1.4.1.1.66.7";
pub(crate) const RT_STRUCT: &str = "1.2.840.10008.5.1.4.1.1.481.3";
pub(crate) const RT_DOSE: &str = "1.2.840.10008.5.1.4.1.1.481.2";
pub(crate) const REGISTRATION: &str = "1.2.840.10008.5.1.4.1.1.66.1";
pub(crate) const DEFORMABLE_REGISTRATION: &str = "1.2.840.10008.5.1.4.1.1.66.3";
pub(crate) const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// What an object can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Computed tomography.
    Ct,
    /// Activity: PET or quantitative SPECT.
    Activity,
    /// Regions as voxels.
    Segmentation,
    /// Regions as contours.
    StructureSet,
    /// A dose.
    Dose,
    /// Anything else.
    Other,
}

impl Kind {
    /// The kind of a SOP class.
    pub(crate) fn of(class: &str) -> Self {
        match class {
            CT | ENHANCED_CT | CONVERTED_CT => Self::Ct,
            PT | ENHANCED_PT | CONVERTED_PT | NM => Self::Activity,
            SEG | LABEL_MAP_SEG => Self::Segmentation,
            RT_STRUCT => Self::StructureSet,
            RT_DOSE => Self::Dose,
            _ => Self::Other,
        }
    }

    /// The kind in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ct => "CT",
            Self::Activity => "activity image (PT or NM)",
            Self::Segmentation => "segmentation (SEG)",
            Self::StructureSet => "structure set (RTSTRUCT)",
            Self::Dose => "dose (RTDOSE)",
            Self::Other => "other object",
        }
    }
}
