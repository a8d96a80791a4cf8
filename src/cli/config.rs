//! Flags from the file that `--config` names, and words for those that do not exist.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

use super::endpoints::NO_RETRIES;
use crate::error::{Error, Kind, Result};
use crate::http::strict::hint;

/// How the variables of this program begin.
const PREFIX: &str = "POSTHASTE_";
/// What a service may speak, as its variables say it, and how its URL begins.
const PROTOCOLS: [(&str, &str); 3] = [("TCP", "tcp://"), ("UDP", "udp://"), ("SCTP", "sctp://")];

/// Adds to the command line what the file says and neither a flag nor a variable does.
///
/// Gives the command without the variables that are empty, too. Error: a file that cannot be read, a key or variable that no command has, with the nearest one that exists.
pub(super) fn complete(
    tool: Command,
    arguments: Vec<OsString>,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(Command, Vec<OsString>)> {
    let variables: BTreeMap<String, OsString> = variables
        .filter_map(|(name, value)| Some((name.into_string().ok().filter(|name| name.starts_with(PREFIX))?, value)))
        .collect();
    let (empty, variables): (BTreeMap<_, _>, BTreeMap<_, _>) =
        variables.into_iter().partition(|(_, value)| value.is_empty());
    let tool = without(tool, &empty);
    check_variables(&tool, &variables)?;
    let arguments = from_file(&tool, arguments, &variables)?;
    Ok((tool, arguments))
}

/// The command without these variables: one that is empty is as absent.
fn without(command: Command, empty: &BTreeMap<String, OsString>) -> Command {
    let is_empty = |arg: &Arg| arg.get_env().and_then(OsStr::to_str).is_some_and(|name| empty.contains_key(name));
    command
        .mut_args(|arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg })
        .mut_subcommands(|command| without(command, empty))
}

fn from_file(
    tool: &Command,
    arguments: Vec<OsString>,
    variables: &BTreeMap<String, OsString>,
) -> Result<Vec<OsString>> {
    let Some(file) = file_name(&arguments, variables) else {
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

fn check_variables(tool: &Command, variables: &BTreeMap<String, OsString>) -> Result<()> {
    let known: Vec<String> =
        all_flags(tool).iter().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)).collect();
    for (name, value) in variables {
        if !known.contains(name) && !is_of_a_service(name, value) {
            return Err(unknown("variable", name, known.iter().map(String::as_str), ""));
        }
    }
    Ok(())
}

/// Whether Kubernetes (or Docker, with links) set it beside a service whose name begins with this program's: where that
/// listens, as `…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_SERVICE_PORT_HTTP`, `…_PORT=tcp://…`, `…_PORT_8071_TCP_ADDR`.
fn is_of_a_service(name: &str, value: &OsStr) -> bool {
    let url =
        |value: &OsStr| value.to_str().is_some_and(|value| PROTOCOLS.iter().any(|(_, url)| value.starts_with(url)));
    let of_a_port = |rest: &str| {
        let mut words = rest.split('_');
        words.next().is_some_and(|port| port.parse::<u16>().is_ok())
            && words.next().is_some_and(|word| PROTOCOLS.iter().any(|(protocol, _)| word == *protocol))
            && matches!((words.next(), words.next()), (None | Some("PROTO" | "PORT" | "ADDR"), None))
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && url(value))
        || name.match_indices("_PORT_").any(|(at, word)| of_a_port(&name[at + word.len()..]))
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
        Error::new(Kind::Invalid, "config", format!("--config {} (POSTHASTE_CONFIG): {why}", file.to_string_lossy()))
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
