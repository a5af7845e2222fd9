//! `lutra demo`: the dose in the procedural abdomen, with its inputs as files. `--practice` writes the same patient as a clinic
//! would have it, to learn on.

use super::failure::OrUserError;
use super::progress::{Terminal, invocation};
use super::{printer, show};
use crate::clinic::failure::Failure;
use crate::clinic::output::{self, nothing_further};
use crate::clinic::request::DemoRequest;
use crate::clinic::{demo, guard, practice, room, transport};
use crate::demo::ADMINISTERED_MBQ;
use crate::io::atomic::AtomicOutputDir;
use crate::io::inputs::Inputs;
use crate::transport::emission::Emissions;

/// Runs the demo.
pub(super) fn run(request: &DemoRequest) -> Result<(), Failure> {
    if request.practice {
        return practice_patient(request);
    }
    let invocation = invocation();
    let names = [&guard::dose_names(None)[..], &demo::FILE_NAMES].concat();
    let folder = guard::folder_of_run(&request.out, request.force, &request.run, &Inputs::none(), &names)?;
    printer::note("making the abdomen: 120 x 90 x 90 voxels of 3 mm, 7.4 GBq of 177Lu-DOTATATE");
    let hear = &mut Terminal::default();
    let mut case = demo::case(&request.run, &request.out, &folder)?;
    room::on_disk(&folder, &case.density_g_cm3)?;
    let computed = transport::compute(&mut case, &request.run, Emissions::All, hear)?;
    let kidneys = [("kidneys", &demo::KIDNEYS[..])];
    let written =
        output::write(&case, &computed, folder, &invocation, request.run.seed, &kidneys, &mut nothing_further, hear)?;
    show::dose(&case, &computed, &written)?;
    transport::end(computed);
    Ok(())
}

fn practice_patient(request: &DemoRequest) -> Result<(), Failure> {
    let folder = AtomicOutputDir::create(&request.out, false, &Inputs::none()).or_user_error()?.without_record();
    printer::note(
        "making the practice patient: 120 x 90 x 90 voxels of 3 mm, three cycles of 7.4 GBq of 177Lu-DOTATATE",
    );
    let facts = practice::write(&folder)?;
    let place = folder.commit().or_user_error()?;
    printer::record(&serde_json::json!({
        "folder": printer::shown(&place), "administered_mbq": ADMINISTERED_MBQ, "dates": practice::DATES,
        "times_h": practice::TIMES_H, "unit": "bq_ml", "decay_correction": "none",
    }))?;
    printer::data(&facts);
    printer::results("", &place);
    Ok(())
}
