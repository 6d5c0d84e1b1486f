//! Whether the generator was the limit: then a slow server and a slow generator look the same.

use crate::result::warnings::{RULES, Warning};
use serde::Serialize;

/// In `client` of the document, whether or not the run was asked to fail by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fitness {
    /// One of the generator's own rules applies.
    pub limit: bool,
    pub limit_reasons: Vec<LimitReason>,
    /// Then `limit` is exit code 113.
    pub fit_required: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitReason {
    pub rule: &'static str,
    /// With its number and the rule's limit.
    pub found: String,
}

impl Fitness {
    pub fn of(warnings: &[Warning], fit_required: bool) -> Fitness {
        let is_ours = |w: &&Warning| RULES.iter().any(|rule| rule.generator && rule.name == w.rule);
        let limit_reasons: Vec<LimitReason> = warnings
            .iter()
            .filter(is_ours)
            .map(|w| LimitReason {
                rule: w.rule,
                found: w.message.clone(),
            })
            .collect();
        Fitness {
            limit: !limit_reasons.is_empty(),
            limit_reasons,
            fit_required,
        }
    }

    /// Exit code 113.
    pub fn fails(&self) -> bool {
        self.limit && self.fit_required
    }

    /// The summary's line, where the run fails by it.
    pub fn verdict(&self) -> Option<String> {
        let reason = |r: &LimitReason| format!("{}: {}", r.rule, r.found);
        let reasons: Vec<String> = self.limit_reasons.iter().map(reason).collect();
        self.fails()
            .then(|| format!("NOT FIT TO JUDGE: {}", reasons.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(rules: &[&'static str]) -> Vec<Warning> {
        let warning = |rule: &&'static str| Warning {
            rule,
            message: format!("9 {rule} (limit 0)"),
            advice: "",
        };
        rules.iter().map(warning).collect()
    }

    #[test]
    fn a_warning_about_the_server_or_the_plan_leaves_the_generator_fit() {
        let others: Vec<&str> = RULES.iter().filter(|r| !r.generator).map(|r| r.name).collect();
        assert!(others.contains(&"stale_reconnects") && others.contains(&"few_samples"));
        let fitness = Fitness::of(&warnings(&others), true);
        assert_eq!(
            (fitness.limit, fitness.fails(), fitness.verdict()),
            (false, false, None)
        );
    }

    #[test]
    fn each_rule_about_the_generator_is_the_limit_and_fails_only_where_asked_for() {
        for rule in RULES.iter().filter(|r| r.generator) {
            let found = warnings(&["few_samples", rule.name]);
            let told = Fitness::of(&found, false);
            assert!(
                told.limit && !told.fails() && told.verdict().is_none(),
                "{}",
                rule.name
            );
            let asked = Fitness::of(&found, true);
            assert_eq!(
                asked.verdict(),
                Some(format!("NOT FIT TO JUDGE: {0}: 9 {0} (limit 0)", rule.name))
            );
        }
    }

    #[test]
    fn several_reasons_stand_in_one_line() {
        let verdict = Fitness::of(&warnings(&["worker_busy", "clock_stepped"]), true).verdict();
        assert_eq!(
            verdict.as_deref(),
            Some(
                "NOT FIT TO JUDGE: worker_busy: 9 worker_busy (limit 0); clock_stepped: 9 clock_stepped (limit 0)"
            )
        );
    }
}
