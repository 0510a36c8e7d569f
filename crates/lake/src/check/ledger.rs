//! Do the tables hold what the ledger says they do?

use std::sync::Arc;

use futures::TryStreamExt;

use super::{Checked, CheckedTable, Damage, DamageKind};
use crate::column;
use crate::error::LakeError;
use crate::files::DataFile;
use crate::ledger::LedgerTotals;
use crate::rows::{Wanted, read};
use crate::schema::{ACTION, EVENTS, QUARANTINE};

/// Rows and names are in the same commits, so the sums are equal at every version.
pub(super) fn check_events(tables: &[CheckedTable], totals: LedgerTotals, damage: &mut Vec<Damage>) {
    let Some(events) = tables.iter().find(|checked| checked.table == EVENTS.name) else { return };
    if events.version == totals.covers && events.rows + events.erased != totals.stored {
        let (rows, erased) = (events.rows, events.erased);
        let detail =
            format!("it has {rows} rows and {erased} were erased, the ledger says {} were stored", totals.stored);
        damage.push(Damage::of_table(EVENTS.name, DamageKind::Ledger, detail));
    }
}

/// A drain writes quarantine before the commit that names its messages, so there may be rows that no commit names yet,
/// but never fewer than named. Returns how many are not named yet.
pub(super) async fn check_quarantine(
    checked: &Checked,
    files: &[Arc<DataFile>],
    totals: Option<&LedgerTotals>,
    damage: &mut Vec<Damage>,
) -> Result<u64, LakeError> {
    let Some(totals) = totals else { return Ok(0) };
    let mut rejected = 0_u64;
    for file in files {
        let wanted = Wanted { columns: Some(&[ACTION, "events"]), ..Wanted::default() };
        // A file that cannot be decoded was noted before.
        let Ok(mut stream) = read(checked.table.object_store(), file, wanted).await else { continue };
        while let Ok(Some(batch)) = stream.try_next().await {
            let (actions, events) = (column::text(&batch, ACTION)?, column::long(&batch, "events")?);
            let counted = actions.iter().zip(events).filter(|(action, _)| *action == Some("reject"));
            rejected += counted.filter_map(|(_, events)| u64::try_from(events?).ok()).sum::<u64>();
        }
    }
    if rejected < totals.quarantined {
        let detail = format!("it has {rejected} rejected events, the ledger says {}", totals.quarantined);
        damage.push(Damage::of_table(QUARANTINE.name, DamageKind::Ledger, detail));
    }
    Ok(rejected.saturating_sub(totals.quarantined))
}
