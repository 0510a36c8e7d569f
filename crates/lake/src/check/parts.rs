//! Are the parts of a derived table made of commits that there were, and is each person in one of them?

use std::collections::BTreeMap;

use super::{Checked, Damage, DamageKind};
use crate::derived::Part;
use crate::error::LakeError;
use crate::project::ProjectLake;
use crate::schema::{EVENTS, IDENTITIES};

pub(super) async fn check(project: &ProjectLake, checked: &Checked, damage: &mut Vec<Damage>) -> Result<(), LakeError> {
    let table = checked.table.spec().name;
    // Looked at after the table was: what a part is made from was there before it.
    let mut newest = Vec::new();
    for (table, spec) in [(&project.events, &EVENTS), (&project.identities, &IDENTITIES)] {
        let snapshot = table.refresh().await?;
        newest.push(table.transaction(&snapshot, spec.application).await?.unwrap_or(0));
    }
    let mut months: BTreeMap<&str, Vec<&Part>> = BTreeMap::new();
    for file in checked.files.files() {
        let Some(part) = file.bounds.part.as_deref() else {
            let detail = "the log does not say which part it is";
            damage.push(Damage::of_file(table, &file.path, DamageKind::Row, detail));
            continue;
        };
        if [part.covers, part.ties].iter().zip(&newest).any(|(said, newest)| said > newest) {
            let detail = "it says that it covers commits that there were not";
            damage.push(Damage::of_file(table, &file.path, DamageKind::Sequence, detail));
        }
        let month = months.entry(file.month.as_deref().unwrap_or_default()).or_default();
        if month.iter().any(|other| other.bucket.overlaps(part.bucket)) {
            let detail = "another file of the month has the same persons";
            damage.push(Damage::of_file(table, &file.path, DamageKind::DuplicateEvent, detail));
        }
        month.push(part);
    }
    Ok(())
}
