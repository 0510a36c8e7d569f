//! `headwater lake`: looks at the tables of a data folder, whether a server uses it or not.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use event_model::ProjectId;
use lake::check::{CheckReport, Depth};
use lake::{Lake, LakeSettings};
use serde_json::{Value, json};

use super::exit::Exit;
use super::output::{self, Format, Style, Table, tell};
use crate::serve::{folder, runtime};

/// What can be done with the tables of a folder.
#[derive(Subcommand, Debug)]
pub(crate) enum LakeCommand {
    /// Verify that every file that a table names is there and whole, that every event is there once, and that the
    /// ledger's equation holds. Ends with 3 and a line for each damage if something is wrong.
    Check(CheckArgs),
}

/// `headwater lake check --data-dir DIR`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The data folder. A server may be using it.
    #[arg(long, env = "HEADWATER_DATA_DIR", default_value = "headwater-data", value_name = "DIR")]
    data_dir: PathBuf,
    /// Only this project.
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Read the log, and of each file only its size and footer: for large lakes.
    #[arg(long)]
    quick: bool,
}

impl LakeCommand {
    pub(super) fn run(&self, format: Format) -> anyhow::Result<Exit> {
        let Self::Check(args) = self;
        let depth = if args.quick { Depth::Footers } else { Depth::Rows };
        let reports = runtime()?.block_on(check(&args.data_dir, args.project.as_deref(), depth))?;
        output::print(format, &to_json(&reports), || to_table(&reports))?;
        let style = Style::stderr();
        let mut exit = Exit::Done;
        for (project, report) in &reports {
            for damage in &report.damage {
                tell(&format!("{} {project}/{damage}", style.red("damaged")));
                exit = Exit::Found;
            }
            if report.unfinished_erasures > 0 {
                let count = report.unfinished_erasures;
                tell(&format!(
                    "{project}: {count} persons are being erased; the server finishes that, also after a crash"
                ));
            }
            if report.quarantined_in_flight > 0 {
                let count = report.quarantined_in_flight;
                tell(&format!(
                    "{project}: {count} rows of quarantine belong to a drain that is not finished; that is no damage"
                ));
            }
        }
        match (exit, reports.is_empty()) {
            (_, true) => tell("the lake is empty"),
            (Exit::Done, _) => tell(&format!("{} every file is there, and the counts agree", style.green("sound"))),
            _ => {}
        }
        Ok(exit)
    }
}

async fn check(data_dir: &Path, project: Option<&str>, depth: Depth) -> anyhow::Result<Vec<(ProjectId, CheckReport)>> {
    // Opening a lake makes its folder: a mistyped path must not.
    if folder::read_version(data_dir)?.is_none() {
        return Err(folder::FolderError::Absent { path: data_dir.to_owned() }.into());
    }
    let path = data_dir.join("lake");
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let lake = Lake::open_local(&path, LakeSettings::default()).await?;
    let mut projects = lake.projects().await?;
    if let Some(wanted) = project {
        projects.retain(|id| id.as_str() == wanted);
        if projects.is_empty() {
            bail!("there is no project {wanted:?} in {}", path.display());
        }
    }
    let mut reports = Vec::new();
    for id in projects {
        let failed = || format!("the tables of project {id} cannot be checked");
        let report = lake.check(&id, depth).await.with_context(failed)?;
        reports.push((id, report));
    }
    Ok(reports)
}

fn to_table(reports: &[(ProjectId, CheckReport)]) -> Table {
    let mut table = Table::new(["project", "table", "version", "files", "rows", "bytes", "state"]);
    for (project, report) in reports {
        for checked in &report.tables {
            let is_sound = report.damage.iter().all(|damage| damage.table != checked.table);
            table.rows.push(vec![
                project.to_string(),
                checked.table.to_owned(),
                checked.version.to_string(),
                checked.files.to_string(),
                checked.rows.to_string(),
                checked.bytes.to_string(),
                if is_sound { "sound" } else { "damaged" }.to_owned(),
            ]);
        }
    }
    table
}

fn to_json(reports: &[(ProjectId, CheckReport)]) -> Value {
    let report = |(project, report): &(ProjectId, CheckReport)| {
        let table = |checked: &lake::check::CheckedTable| {
            json!({
                "table": checked.table, "version": checked.version, "files": checked.files,
                "rows": checked.rows, "bytes": checked.bytes,
            })
        };
        let damage = |damage: &lake::check::Damage| {
            json!({
                "table": damage.table, "file": damage.file, "kind": damage.kind.as_str(), "detail": damage.detail,
                "what_to_do": damage.kind.what_to_do(),
            })
        };
        json!({
            "project": project.as_str(),
            "sound": report.is_sound(),
            "tables": report.tables.iter().map(table).collect::<Vec<_>>(),
            "damage": report.damage.iter().map(damage).collect::<Vec<_>>(),
            "ledger": {
                "stored": report.ledger.stored, "quarantined": report.ledger.quarantined,
                "duplicates": report.ledger.duplicates,
            },
            "unfinished_erasures": report.unfinished_erasures,
            "elapsed_ms": report.elapsed_ms,
        })
    };
    reports.iter().map(report).collect()
}
