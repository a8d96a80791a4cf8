//! Flags from the file that `--config` names, and words for those that do not exist.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

use super::endpoints::NO_RETRIES;
use crate::error::{Error, Kind, Result};
use crate::http::strict::hint;

/// How the variables of this program begin.
const PREFIX: &str = "POSTHASTE_";

/// Adds to the command line what the file says and neither a flag nor a variable does.
///
/// Error: a file that cannot be read, a key or variable that no command has, with the nearest one that exists.
pub(super) fn complete(
    tool: &Command,
    arguments: Vec<OsString>,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<OsString>> {
    let variables: BTreeMap<String, OsString> = variables
        .filter_map(|(name, value)| Some((name.into_string().ok().filter(|name| name.starts_with(PREFIX))?, value)))
        .collect();
    check_variables(tool, variables.keys())?;
    let Some(file) = file_name(&arguments, &variables) else {
        return Ok(arguments);
    };
    let table = read(&file)?;
    let known: Vec<String> = all_flags(tool).iter().filter_map(|arg| arg.get_long().map(str::to_owned)).collect();
    let flags: BTreeMap<&str, &Arg> =
        chosen(tool, &arguments).get_arguments().filter_map(|arg| Some((arg.get_long()?, arg))).collect();
    let mut complete = arguments.clone();
    for (key, value) in table {
        let name = key.replace('_', "-");
        if !known.contains(&name) || name == "config" {
            return Err(unknown(
                "key",
                &key,
                known.iter().map(String::as_str),
                &format!(" in {}", file.to_string_lossy()),
            ));
        }
        let Some(arg) = flags.get(name.as_str()) else {
            continue; // another command's
        };
        let variable = arg.get_env().and_then(OsStr::to_str);
        if !is_given(&arguments, &name) && !variable.is_some_and(|variable| variables.contains_key(variable)) {
            let given = if arg.get_action().takes_values() {
                values(&key, &value)?.into_iter().map(|value| format!("--{name}={value}")).collect()
            } else {
                switch(&key, &value)?.then(|| format!("--{name}")).into_iter().collect::<Vec<_>>()
            };
            complete.extend(given.into_iter().map(OsString::from));
        }
    }
    Ok(complete)
}

fn check_variables<'a>(tool: &Command, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let known: Vec<String> =
        all_flags(tool).iter().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)).collect();
    for name in names {
        if !known.contains(name) {
            return Err(unknown("variable", name, known.iter().map(String::as_str), ""));
        }
    }
    Ok(())
}

/// Every flag of every command.
fn all_flags(command: &Command) -> Vec<&Arg> {
    let own = command.get_arguments();
    own.chain(command.get_subcommands().flat_map(all_flags)).collect()
}

/// The command that the line chooses, as far down as its words go.
fn chosen<'a>(tool: &'a Command, arguments: &[OsString]) -> &'a Command {
    let words = arguments.iter().skip(1).filter_map(|word| word.to_str());
    words.fold(tool, |command, word| command.find_subcommand(word).unwrap_or(command))
}

fn file_name(arguments: &[OsString], variables: &BTreeMap<String, OsString>) -> Option<OsString> {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--config") => return words.next().cloned(),
            Some(word) if word.starts_with("--config=") => return Some(OsString::from(&word["--config=".len()..])),
            _ => {}
        }
    }
    variables.get("POSTHASTE_CONFIG").cloned()
}

fn read(file: &OsStr) -> Result<toml::Table> {
    let wrong = |why: &dyn std::fmt::Display| {
        Error::new(Kind::Invalid, "config", format!("--config {}: {why}", file.to_string_lossy()))
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    text.parse().map_err(|error: toml::de::Error| wrong(&error))
}

fn is_given(arguments: &[OsString], name: &str) -> bool {
    let flag = format!("--{name}");
    let is_it = |word: &str| word == flag || word.strip_prefix(&flag).is_some_and(|rest| rest.starts_with('='));
    arguments.iter().filter_map(|word| word.to_str()).any(is_it)
}

/// A flag without a value: there or not.
fn switch(key: &str, value: &toml::Value) -> Result<bool> {
    let wrong = || Error::new(Kind::Invalid, "config", format!("key `{key}` must be true or false"));
    value.as_bool().ok_or_else(wrong)
}

fn values(key: &str, value: &toml::Value) -> Result<Vec<String>> {
    match value {
        toml::Value::String(text) => Ok(vec![text.clone()]),
        toml::Value::Integer(number) => Ok(vec![number.to_string()]),
        toml::Value::Boolean(flag) => Ok(vec![flag.to_string()]),
        // a list that is empty says something here: no second attempt
        toml::Value::Array(list) if list.is_empty() && key.replace('_', "-") == "retry-schedule" => {
            Ok(vec![NO_RETRIES.to_owned()])
        }
        toml::Value::Array(list) => {
            Ok(list.iter().map(|value| values(key, value)).collect::<Result<Vec<_>>>()?.concat())
        }
        _ => Err(Error::new(
            Kind::Invalid,
            "config",
            format!("key `{key}` must be a text, a number, true, false, or a list of them"),
        )),
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>, place: &str) -> Error {
    let known: Vec<&str> = known.collect();
    let hint = hint(name, &known);
    Error::new(Kind::Invalid, "config", format!("unknown {what} `{name}`{place}; {hint}"))
}
