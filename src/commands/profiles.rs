//! The subcommand `profiles`: lists the built-in profiles, or prints one.

use crate::cli::{ProfilesAction, ProfilesArgs};
use crate::config::document::read_document;
use crate::config::{Config, unknown_profile};
use crate::error::Mistakes;
use crate::profiles;
use crate::units::format_duration;

/// Returns the names of the profiles with their descriptions, or the document of one.
pub fn profiles(args: &ProfilesArgs) -> Result<String, Mistakes> {
    if let Some(ProfilesAction::Show { name }) = &args.action {
        let text = profiles::text(name).ok_or_else(|| unknown_profile(name))?;
        return Ok(text.to_owned());
    }
    let mut out = String::new();
    for name in profiles::names() {
        let text = profiles::text(name).unwrap_or_default();
        let (config, _) = read_document(name, name, text)?;
        let description = description(&config);
        out.push_str(&format!("{name:<18}{description}\n"));
    }
    Ok(out)
}

/// Returns the profile's own description, or one made from its load.
fn description(config: &Config) -> String {
    if let Some(description) = &config.description {
        return description.clone();
    }
    let urls: Vec<&str> = config
        .servers()
        .iter()
        .map(|server| server.base_url.as_str())
        .collect();
    let vus = config.executor.vus_of_all();
    let duration = format_duration(config.executor.duration());
    match urls.as_slice() {
        [only] => format!("{vus} users for {duration}, one server: {only}"),
        several => format!("{vus} users for {duration}, {} servers at once", several.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_is_listed_with_its_description_in_one_line() {
        let text = profiles(&ProfilesArgs { action: None }).unwrap();
        assert_eq!(text.lines().count(), profiles::names().count());
        for (line, name) in text.lines().zip(profiles::names()) {
            let (listed, description) = line.split_at(18);
            assert_eq!(listed.trim_end(), name);
            assert!(!description.is_empty() && line.len() <= 100, "{line}");
        }
    }

    #[test]
    fn a_profile_is_shown_as_the_document_that_runs() {
        let show = |name: &str| {
            let name = name.to_owned();
            profiles(&ProfilesArgs {
                action: Some(ProfilesAction::Show { name }),
            })
        };
        let text = show("spike").unwrap();
        assert!(text.contains("\nexecutor: ramping-vus\n"), "{text}");
        let error = show("spiek").unwrap_err().to_string();
        assert!(error.contains("did you mean `spike`?"), "{error}");
    }
}
