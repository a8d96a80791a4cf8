//! The rulebook as a test: who may use whom, how long a file and a function may be, what no file may contain.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The longest file without its tests, the median file, the longest function, in lines.
const FILE_LINES_MAX: usize = 400;
const FILE_LINES_MEDIAN_MAX: usize = 150;
const FUNCTION_LINES_MAX: usize = 70;

/// Who may use whom. Files at the root of src/ are nouns: they use nouns alone.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("providers", &["nouns"]),
    ("store", &["nouns"]),
    ("engine", &["nouns", "providers", "store"]),
    ("egress", &["nouns", "providers"]),
    ("http", &["nouns", "providers", "engine", "store"]),
    ("bench", &["nouns", "providers"]),
    ("sim", &["nouns", "engine", "store"]),
    ("rehearse", &["nouns", "providers", "egress"]),
    ("sandbox", &["nouns", "providers", "store", "engine", "egress", "http"]),
    ("cli", &["nouns", "providers", "rehearse", "sandbox", "store", "engine", "egress", "http", "bench", "sim"]),
];

/// Words that say nothing about what is inside.
const GRAB_BAGS: [&str; 8] = ["utils", "helpers", "common", "types", "models", "manager", "service", "misc"];

/// One Rust file.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The file without its unit tests.
    fn code(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap()
    }

    /// `engine` for src/engine/run.rs, `nouns` for src/id.rs.
    fn room(&self) -> String {
        let parts: Vec<_> = self.path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.len() > 2 { parts[1].clone() } else { "nouns".to_owned() }
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path: path.strip_prefix(root).unwrap().to_owned(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

#[track_caller]
fn none(what: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{what}:\n{}", offences.join("\n"));
}

/// The first words of everything a text uses from this crate: `store` of `crate::store::Store`.
fn used(text: &str) -> BTreeSet<String> {
    let paths = text.split("crate::").skip(1);
    paths.map(|path| path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

#[test]
fn every_room_uses_only_what_it_may() {
    let mut offences = Vec::new();
    let rooms: BTreeMap<_, _> = MAY_USE.into_iter().collect();
    for source in
        sources("src").iter().filter(|source| !source.path.ends_with("lib.rs") && !source.path.ends_with("main.rs"))
    {
        let room = source.room();
        let allowed = rooms.get(room.as_str()).copied().unwrap_or(&["nouns"]);
        for name in used(source.code()) {
            let target = if rooms.contains_key(name.as_str()) { name.as_str() } else { "nouns" };
            if target != room && !allowed.contains(&target) {
                offences.push(format!("{} uses {target}, which {room} may not", source.path.display()));
            }
        }
    }
    none("directions", &offences);
}

#[test]
fn only_the_store_speaks_sql_and_only_doors_open_connections() {
    let mut offences = Vec::new();
    for source in sources("src") {
        let (room, code) = (source.room(), source.code());
        let sql =
            ["insert into ", "delete from ", "update delivery", "select * from"].iter().any(|word| code.contains(word));
        let dials = code.contains("TcpStream::connect");
        if sql && room != "store" {
            offences.push(format!("{} holds SQL", source.path.display()));
        }
        if dials && room != "egress" && !source.path.ends_with("bench/generator.rs") {
            offences.push(format!("{} opens connections", source.path.display()));
        }
        // the word, not the end of the name of a field in JSON
        let word = |code: &str| !code.ends_with(|last: char| last.is_alphanumeric());
        let parts: Vec<_> = code.split("StatusCode").collect();
        let names_it = parts[..parts.len() - 1].iter().any(|before| word(before));
        if names_it && !matches!(room.as_str(), "http" | "sandbox" | "cli") {
            offences.push(format!("{} knows about HTTP status codes", source.path.display()));
        }
        if code.contains("Verified::vouch(") && room != "providers" {
            offences.push(format!("{} vouches for a request", source.path.display()));
        }
        let appends = ["Op::Event(", "Op::News("].iter().any(|word| code.contains(word));
        if appends && !matches!(room.as_str(), "store" | "engine" | "sim") {
            offences.push(format!("{} appends events", source.path.display()));
        }
    }
    none("doors", &offences);
}

#[test]
fn files_are_short_and_begin_with_what_they_are_for() {
    let mut offences = Vec::new();
    let mut lengths = Vec::new();
    for source in sources("src") {
        let lines = source.code().lines().count();
        lengths.push(lines);
        if lines > FILE_LINES_MAX {
            offences.push(format!("{} has {lines} lines; {FILE_LINES_MAX} are allowed", source.path.display()));
        }
    }
    for source in sources("src").iter().chain(&sources("tests")) {
        let name = source.path.file_stem().unwrap().to_string_lossy().into_owned();
        if !source.text.starts_with("//! ") {
            offences.push(format!("{} does not begin with a sentence (`//!`)", source.path.display()));
        }
        if GRAB_BAGS.contains(&name.as_str()) {
            offences.push(format!("{} is named after nothing", source.path.display()));
        }
        for (number, line) in source.text.lines().enumerate() {
            let banned = ["FIX", "TO"].map(|start| format!("{start}{}", if start == "TO" { "DO" } else { "ME" }));
            if line.ends_with(' ') || banned.iter().any(|word| line.contains(word)) {
                offences.push(format!(
                    "{}:{} ends in a space or holds a note to be mended",
                    source.path.display(),
                    number + 1
                ));
            }
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= FILE_LINES_MEDIAN_MAX, "the median file has {median} lines");
    none("files", &offences);
}

#[test]
fn functions_are_short() {
    let mut offences = Vec::new();
    for source in sources("src").iter().chain(&sources("tests")) {
        for (name, lines) in functions(&source.text) {
            if lines > FUNCTION_LINES_MAX {
                offences.push(format!(
                    "{}: {name} has {lines} lines; {FUNCTION_LINES_MAX} are allowed",
                    source.path.display()
                ));
            }
        }
    }
    none("functions", &offences);
}

/// Each function and how many lines it has, from its `fn` to the brace that closes it at the same indent.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let is_function = trimmed.split("fn ").next().is_some_and(|before| {
            before.split(' ').all(|word| matches!(word, "" | "pub" | "pub(super)" | "pub(crate)" | "async" | "const"))
        });
        if !trimmed.contains("fn ") || !is_function || trimmed.ends_with(';') {
            continue;
        }
        let closing = format!("{}}}", &line[..line.len() - trimmed.len()]);
        if let Some(length) = lines[start..].iter().position(|line| *line == closing) {
            let name = trimmed.split("fn ").nth(1).unwrap().split(['(', '<']).next().unwrap();
            found.push((name.to_owned(), length + 1));
        }
    }
    found
}

/// The path of a module: `engine::run` of src/engine/run.rs, `engine` of src/engine/mod.rs.
fn module(source: &Source) -> String {
    let path = source.path.with_extension("");
    let parts: Vec<_> = path.iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect();
    parts.join("::").trim_end_matches("::mod").to_owned()
}

/// The paths that a `use` names: a group's names one by one.
fn spread(path: &str) -> Vec<String> {
    let Some((before, group)) = path.split_once('{') else {
        return vec![path.trim().to_owned()];
    };
    let (mut names, mut depth) = (vec![String::new()], 0_usize);
    for letter in group.trim_end().trim_end_matches('}').chars() {
        match letter {
            ',' if depth == 0 => names.push(String::new()),
            _ => names.last_mut().unwrap().push(letter),
        }
        depth = depth + usize::from(letter == '{') - usize::from(letter == '}');
    }
    let names = names.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    names.flat_map(|name| spread(&format!("{}{name}", before.trim()))).collect()
}

/// The paths that stand in code itself, such as `super::rows::id`.
fn inline(code: &str) -> impl Iterator<Item = String> {
    let is_name = |char: char| char.is_alphanumeric() || char == '_' || char == ':';
    let starts = ["crate::", "super::"].into_iter().flat_map(move |root| code.match_indices(root));
    let starts = starts.filter(move |(at, _)| !code[..*at].ends_with(is_name));
    starts.map(move |(at, _)| code[at..].chars().take_while(|char| is_name(*char)).collect())
}

/// The modules of this crate that a file names, whole or through one of their items, in its `use` lines or elsewhere.
fn used_modules(source: &Source, known: &BTreeSet<String>) -> BTreeSet<String> {
    let this = module(source);
    let here: Vec<&str> = this.split("::").collect();
    let parent = &here[..here.len() - 1];
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code = source.code().lines().filter(is_code).collect::<Vec<_>>().join("\n");
    let uses = code.split("\nuse ").skip(1).filter_map(|rest| rest.split_once(';'));
    let elsewhere = code.split("\nuse ").take(1).chain(uses.clone().map(|(_, rest)| rest));
    let mut found = BTreeSet::new();
    for path in uses.flat_map(|(used, _)| spread(used)).chain(elsewhere.flat_map(inline)) {
        let mut parts: Vec<&str> = path.split("::").collect();
        let base = match parts.remove(0) {
            "crate" => &[],
            "super" => {
                let above = parts.iter().take_while(|part| **part == "super").count();
                parts.drain(..above);
                &parent[..parent.len() - above]
            }
            _ => continue,
        };
        let path: Vec<&str> = base.iter().copied().chain(parts).collect();
        let named = (1..=path.len()).rev().map(|length| path[..length].join("::")).find(|path| known.contains(path));
        found.extend(named.filter(|named| *named != this));
    }
    found
}

#[test]
fn modules_do_not_use_one_another_in_circles() {
    let sources: Vec<_> = sources("src")
        .into_iter()
        .filter(|source| source.path.iter().count() > 2 || source.room() == "nouns")
        .collect();
    let known: BTreeSet<_> = sources.iter().map(module).collect();
    let graph: BTreeMap<_, _> = sources.iter().map(|source| (module(source), used_modules(source, &known))).collect();
    assert!(
        graph["engine::run"].contains("engine::core") && graph["delivery"].contains("attempt"),
        "the graph has its arrows"
    );
    assert!(
        graph["sandbox::gate"].contains("sandbox::rules") && graph["sandbox::rules"].contains("sandbox::fintoc"),
        "also those of a group"
    );
    let mut offences = Vec::new();
    for start in graph.keys() {
        let mut reached = BTreeSet::new();
        let mut open: Vec<_> = graph[start].iter().cloned().collect();
        while let Some(name) = open.pop() {
            if name == *start {
                offences.push(format!("{start} comes back to itself by way of {reached:?}"));
                break;
            }
            if reached.insert(name.clone()) {
                open.extend(graph.get(&name).into_iter().flatten().cloned());
            }
        }
    }
    none("circles", &offences);
}
