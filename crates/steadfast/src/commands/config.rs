//! `steadfast config show | check`.

use super::{EXIT_CONFIG, print_problems};
use crate::cli::{ConfigCommand, Global};
use crate::config::{SETTINGS, env_name, gather, load, sources};
use std::process::ExitCode;

/// Runs the command.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub(super) fn run(command: &ConfigCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let sources = match sources(global.config.as_deref(), global.flags()) {
        Ok(sources) => sources,
        Err(problem) => {
            print_problems(&[problem]);
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    match command {
        ConfigCommand::Show { origin, about } => {
            let (values, problems) = gather(&sources);
            print!("{}", shown(&values, *origin, *about));
            if problems.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            print_problems(&problems);
        }
        ConfigCommand::Check => match load(&sources) {
            Ok(_) => {
                println!("The configuration is good.");
                return Ok(ExitCode::SUCCESS);
            }
            Err(problems) => print_problems(&problems),
        },
    }
    Ok(ExitCode::from(EXIT_CONFIG))
}

/// All settings as a TOML file that could be used as it stands; secrets are starred out and commented.
fn shown(values: &crate::config::Values, origin: bool, about: bool) -> String {
    let mut text = String::new();
    let mut section = "";
    for setting in SETTINGS {
        let Some((own_section, name)) = setting.key.split_once('.') else { continue };
        let Some(raw) = values.get(setting.key) else { continue };
        if own_section != section {
            if !section.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("[{own_section}]\n"));
            section = own_section;
        }
        if about {
            let mut names = vec![env_name(setting.key)];
            names.extend(setting.env.iter().map(|&name| name.to_owned()));
            text.push_str(&format!("# {}\n# environment: {}\n", setting.about, names.join(", ")));
        }
        let line = match (setting.secret, raw.text.is_empty()) {
            (true, true) => format!("# {name} = \"\""),
            (true, false) => format!("# {name} = \"***\""),
            (false, _) => format!("{name} = {}", toml::Value::String(raw.text.clone())),
        };
        text.push_str(&line);
        if origin {
            text.push_str(&format!("  # {}", raw.origin));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use std::path::PathBuf;

    #[test]
    fn what_is_shown_can_be_used_as_a_file_and_holds_no_secret() {
        let flags = vec![
            ("twilio.account_sid".to_owned(), "AC00000000000000000000000000000000".to_owned()),
            ("twilio.auth_token".to_owned(), "0123456789abcdef-hush".to_owned()),
        ];
        let (values, _) = gather(&Sources { flags: flags.clone(), ..Sources::default() });
        let text = shown(&values, true, true);
        assert!(!text.contains("hush"), "{text}");
        let again =
            Sources { file: Some((PathBuf::from("shown.toml"), text)), env: Default::default(), flags };
        assert!(load(&again).is_ok());
    }
}
