//! Every scenario of the repository, answered from memory.

use std::path::Path;

use analytics::ProjectSettings;
use test_support::rows;
use test_support::scenario::Scenario;

use crate::memory::{self, Texts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_is_answered_as_it_says_however_text_is_stored() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let scenarios = Scenario::load_all(&folder).unwrap();
    assert!(scenarios.len() >= 30, "only {} scenarios", scenarios.len());
    let mut failures = Vec::new();
    for scenario in &scenarios {
        let events: Vec<_> = scenario.events.iter().map(|event| (event.json.clone(), event.received_at)).collect();
        let rows = rows::collect(&events).unwrap_or_else(|error| panic!("{}: {error}", scenario.path.display()));
        let settings =
            ProjectSettings { timezone: scenario.project.timezone.clone(), week_start: scenario.project.week_start };
        for texts in [Texts::Plain, Texts::View, Texts::Dictionary] {
            let source = memory::source(&rows, texts);
            let question = scenario.question_json();
            let answer = memory::answer(question.as_bytes(), &settings, scenario.now, &source).await;
            let answer = answer.map_or_else(|problem| problem.to_json(), |answer| answer.to_string());
            if let Err(difference) = scenario.check(&answer) {
                failures.push(format!("{difference}\n  ({texts:?})"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), scenarios.len(), failures.join("\n"));
}
