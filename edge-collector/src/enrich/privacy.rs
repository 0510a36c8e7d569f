//! Fields marked as personal: masked or hashed before anything is stored, in quarantined originals too.

use event_model::Project;
use sha2::{Digest, Sha256};

use super::Circumstances;
use crate::draft::Draft;
use crate::json::rewrite::replace_values;
use crate::json::write::{ObjectWriter, quoted};
use crate::json::{Kind, Value, means, raw_fields_of};

/// What happens to a value.
#[derive(Clone, Copy)]
enum Rule {
    Mask,
    Hash,
}

/// Applies the project's rules to properties, traits and context, fields that nobody knows included, at any depth.
pub(super) fn enrich(draft: &mut Draft<'_>, circumstances: &mut Circumstances<'_>) {
    let privacy = &circumstances.project.privacy;
    if privacy.mask.is_empty() && privacy.hash.is_empty() {
        return;
    }
    draft.settle_context();
    let project = circumstances.project;
    for text in [&mut draft.properties, &mut draft.traits, &mut draft.context].into_iter().flatten() {
        if let Some(rewritten) = replace_values(text, |key| rule(project, key), rewrite) {
            *text = rewritten.into();
        }
    }
}

/// An original on its way into quarantine: the same rules, and no address unless the project keeps it. What is no event
/// at all, such as a list, may hold personal fields too.
pub(crate) fn redact(original: String, kind: Kind, project: &Project) -> String {
    let original = replace_values(&original, |key| rule(project, key), rewrite).unwrap_or(original);
    if project.privacy.keep_ip || kind != Kind::Object {
        return original;
    }
    let mut object = ObjectWriter::with_capacity(original.len());
    for (key, value) in raw_fields_of(&original) {
        if means(key, "context") && value.kind == Kind::Object {
            object.field(key, &without_ip(value.raw));
        } else {
            object.field(key, value.raw);
        }
    }
    object.finish()
}

fn without_ip(context: &str) -> String {
    let mut object = ObjectWriter::with_capacity(context.len());
    for (key, value) in raw_fields_of(context).filter(|(key, _)| !means(key, "ip")) {
        object.field(key, value.raw);
    }
    object.finish()
}

fn rule(project: &Project, key: &str) -> Option<Rule> {
    let named = |names: &[String]| names.iter().any(|name| name == key);
    if named(&project.privacy.mask) {
        Some(Rule::Mask)
    } else if named(&project.privacy.hash) {
        Some(Rule::Hash)
    } else {
        None
    }
}

/// Null says nothing about anybody and stays. A value that is a hash already stays too, so that a replay of what was
/// hashed on its way into quarantine gives the same value.
fn rewrite(rule: Rule, value: Value<'_>) -> Option<String> {
    if value.is_null() {
        return None;
    }
    match rule {
        Rule::Mask => Some("\"[masked]\"".to_owned()),
        Rule::Hash => {
            let text = value.text().unwrap_or(value.raw.into());
            let is_hash = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let hex = || Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            (!is_hash).then(|| quoted(&hex()))
        }
    }
}
