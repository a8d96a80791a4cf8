//! Fills a shape's typed blanks: one filler for the resources of all providers.
//!
//! A blank stands in braces inside a text. One that is the whole text gives a value of its own type. What it holds is a
//! function of the seed, of what it is for (its own words, within one flow) and of how many like it came before, or of
//! its name alone where it has one: `{id:PI#card}` is the same id wherever it stands in a flow. That ties resources
//! together without a word about order. Times come from the moment of the step.
//!
//! ```text
//! {id:TR} {id:TR#sale}   an id in the provider's form           {time:2} {time:3+7d}   so many digits of a second, Z
//! {uuid} {hex:32}        random texts                           {zoneless:9-2s}        the same without zone and zeros
//! {digits:4}             a text of digits, not 0 first          {spaced:3}             and with Finix's stray space
//! {int:1-28} {amount}    a number                               {day:+30d} {month} {year}     a date's parts
//! {decimal:10-900}       a number with two decimals             {settles}              04:00 of the next business day
//! {pick:a|b}             one of these                           {seconds}              since 1970
//! {null}                 null, which TOML has not               {mode}                 live or test
//! {first} {last} {business} {street} {city}                     people and firms who do not exist
//! {= /a - /b + 5}        sums and copies: `/a` of the same resource, `sale/a` of another in the flow, `sale` all of it
//! ```

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng as _, RngCore, SeedableRng as _};

use super::alphabet;
use super::moment::{self, number};
use super::tree::Tree;
use crate::digest::sha256;
use crate::signature::hex;

/// What a blank without a range is filled with: amounts in a currency's smallest unit.
const AMOUNTS: &str = "500-90000";

const FIRST: [&str; 12] =
    ["Ada", "Bruno", "Clara", "Diego", "Elena", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Karla", "Luca"];
const LAST: [&str; 12] = [
    "Abbott", "Bianchi", "Calder", "Duarte", "Engel", "Ferrer", "Gallo", "Holm", "Iversen", "Jansen", "Keller", "Lund",
];
const BUSINESS: [&str; 8] = [
    "Juniper Bakery",
    "Northgate Cycles",
    "Harbor Optics",
    "Copper Kettle Tea",
    "Lantern Books",
    "Alder Joinery",
    "Quarry Street Florists",
    "Saltmarsh Ceramics",
];
const STREET: [&str; 6] = ["Alder Row", "Birch Lane", "Canal Walk", "Dune Road", "Elm Terrace", "Foundry Yard"];
const CITY: [&str; 6] = ["Fairhaven", "Graston", "Kettleby", "Millbrook", "Oakmoor", "Wexcombe"];

/// How a provider's ids look after their prefix.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdForm {
    pub alphabet: &'static [u8],
    pub chars: usize,
}

/// The resources of a flow by their names in it.
pub(super) type Cast = BTreeMap<String, Tree>;

/// Fills blanks for one flow.
#[derive(Debug)]
pub(super) struct Filler<'a> {
    seed: u64,
    /// What it is for: other flows have other values.
    scope: &'a str,
    ids: IdForm,
    live: bool,
    /// The moment of the step, in ms since 1970.
    pub at_ms: i64,
    /// How often each blank without a name was filled.
    filled: BTreeMap<String, u64>,
}

impl<'a> Filler<'a> {
    pub fn new(seed: u64, scope: &'a str, ids: IdForm, live: bool, at_ms: i64) -> Self {
        Self { seed, scope, ids, live, at_ms, filled: BTreeMap::new() }
    }

    /// Fills a whole shape: first what stands for itself, then the sums and copies, each of what is there by then.
    pub fn fill(&mut self, shape: &Tree, cast: &Cast) -> Tree {
        let mut tree = self.each(shape);
        for (pointer, sum) in sums_in(&tree) {
            let value = worked_out(&sum, &tree, cast).expect("a sum of ours names what is there");
            tree.set(&pointer, value).expect("it stands there");
        }
        tree
    }

    /// Fills a value that is to become part of a resource.
    pub fn fill_in(&mut self, value: &Tree, own: &Tree, cast: &Cast) -> Tree {
        let mut tree = self.each(value);
        for (pointer, sum) in sums_in(&tree) {
            let value = worked_out(&sum, own, cast).expect("a sum of ours names what is there");
            tree.set(&pointer, value).expect("it stands there");
        }
        tree
    }

    /// A source of randomness for the next of its kind, or for the one of this name.
    pub fn rng(&mut self, kind: &str) -> StdRng {
        let ordinal = if kind.contains('#') {
            0
        } else {
            let count = self.filled.entry(kind.to_owned()).or_default();
            *count += 1;
            *count
        };
        StdRng::from_seed(sha256(format!("{}/{}/{kind}/{ordinal}", self.seed, self.scope).as_bytes()))
    }

    fn each(&mut self, shape: &Tree) -> Tree {
        match shape {
            Tree::Object(fields) => {
                Tree::Object(fields.iter().map(|(key, value)| (key.clone(), self.each(value))).collect())
            }
            Tree::Array(values) => Tree::Array(values.iter().map(|value| self.each(value)).collect()),
            Tree::Text(text) => self.text(text),
            Tree::Word(_) => shape.clone(),
        }
    }

    fn text(&mut self, text: &str) -> Tree {
        if text.starts_with("{=") {
            return Tree::Text(text.to_owned());
        }
        let whole = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(blank) = whole.filter(|blank| !blank.contains('{')) {
            return self.blank(blank).expect("a blank of ours is sound");
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, blank, after)) = rest
            .split_once('{')
            .and_then(|(before, more)| more.split_once('}').map(|(blank, end)| (before, blank, end)))
        {
            out.push_str(before);
            match self.blank(blank).expect("a blank of ours is sound") {
                Tree::Text(value) | Tree::Word(value) => out.push_str(&value),
                other => out.push_str(&other.written()),
            }
            rest = after;
        }
        out.push_str(rest);
        Tree::Text(out)
    }

    /// What a blank is filled with; `None` when there is no such blank.
    fn blank(&mut self, blank: &str) -> Option<Tree> {
        let bare = blank.split('#').next()?;
        let (word, rest) = bare.split_once(':').unwrap_or((bare, ""));
        if let Some(value) = moment::blank(word, rest, self.at_ms, |at_ms| self.below_ms(at_ms)) {
            return Some(value);
        }
        let mut rng = self.rng(blank);
        let one_of = |words: &[&str], rng: &mut StdRng| words[rng.random_range(0..words.len())].to_owned();
        Some(Tree::Text(match word {
            "null" => return Some(Tree::null()),
            "mode" => (if self.live { "live" } else { "test" }).to_owned(),
            "int" => return Some(number(between(rest, &mut rng)?)),
            "amount" => return Some(number(between(AMOUNTS, &mut rng)?)),
            "decimal" => {
                return Some(Tree::Word(format!("{}.{:02}", between(rest, &mut rng)?, rng.random_range(1..100))));
            }
            "id" => format!("{rest}{}", alphabet::text(self.ids.alphabet, self.ids.chars, &mut rng)),
            "uuid" => uuid(&mut rng),
            "hex" => {
                let digits = hex(&alphabet::bytes::<32>(&mut rng));
                digits.get(..rest.parse().ok()?)?.to_owned()
            }
            "digits" => {
                let first = alphabet::text(b"123456789", 1, &mut rng);
                first + &alphabet::text(b"0123456789", rest.parse::<usize>().ok()?.checked_sub(1)?, &mut rng)
            }
            "pick" => one_of(&rest.split('|').collect::<Vec<_>>(), &mut rng),
            "first" => one_of(&FIRST, &mut rng),
            "last" => one_of(&LAST, &mut rng),
            "business" => one_of(&BUSINESS, &mut rng),
            "street" => format!("{} {}", rng.random_range(1..900), one_of(&STREET, &mut rng)),
            "city" => one_of(&CITY, &mut rng),
            _ => return None,
        }))
    }

    /// What a moment has below a millisecond, in ns: made up, and the same wherever the moment is written.
    fn below_ms(&self, at_ms: i64) -> u32 {
        let hash = sha256(format!("{}/{}/ns/{at_ms}", self.seed, self.scope).as_bytes());
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % 1_000_000
    }
}

/// A version-4 UUID (RFC 9562 §5.4).
pub(super) fn uuid(rng: &mut impl RngCore) -> String {
    let mut bytes = alphabet::bytes::<16>(rng);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = hex(&bytes);
    for at in [8, 13, 18, 23] {
        text.insert(at, '-');
    }
    text
}

/// A number from `first-last`.
fn between(range: &str, rng: &mut StdRng) -> Option<i64> {
    let (first, last) = range.split_once('-')?;
    Some(rng.random_range(first.parse::<i64>().ok()?..=last.parse().ok()?))
}

/// The sum that a value is to become.
fn sum_of(value: &Tree) -> Option<&str> {
    match value {
        Tree::Text(text) => text.strip_prefix("{=")?.strip_suffix('}'),
        _ => None,
    }
}

/// The sums of a tree and where they stand.
fn sums_in(tree: &Tree) -> Vec<(String, String)> {
    let below = |key: String, value: &Tree| {
        let key = key.replace('~', "~0").replace('/', "~1");
        sums_in(value).into_iter().map(move |(pointer, sum)| (format!("/{key}{pointer}"), sum)).collect::<Vec<_>>()
    };
    match tree {
        Tree::Object(fields) => fields.iter().flat_map(|(key, value)| below(key.clone(), value)).collect(),
        Tree::Array(values) => values.iter().enumerate().flat_map(|(at, value)| below(at.to_string(), value)).collect(),
        _ => sum_of(tree).map(|sum| (String::new(), sum.to_owned())).into_iter().collect(),
    }
}

/// Works a sum out; of one term it is a copy. `None` where a term is nothing.
fn worked_out(sum: &str, own: &Tree, cast: &Cast) -> Option<Tree> {
    let words: Vec<&str> = sum.split_whitespace().collect();
    let value = |term: &str| {
        if term.starts_with(|c: char| c.is_ascii_digit()) {
            return Some(Tree::Word(term.to_owned()));
        }
        let (name, pointer) = term.split_at(term.find('/').unwrap_or(term.len()));
        let resource = if name.is_empty() { Some(own) } else { cast.get(name) };
        let found = resource?.get(pointer)?;
        // A sum may name one that stands further down.
        sum_of(found).map_or_else(|| Some(found.clone()), |sum| worked_out(sum, own, cast))
    };
    if let [term] = words[..] {
        return value(term);
    }
    let mut total = 0;
    let mut sign = 1;
    for word in words {
        match word {
            "+" => sign = 1,
            "-" => sign = -1,
            _ => match value(word)? {
                Tree::Word(digits) => total += sign * digits.parse::<i64>().ok()?,
                _ => return None,
            },
        }
    }
    Some(number(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: IdForm = IdForm { alphabet: alphabet::BASE58, chars: 22 };

    fn filled(seed: u64, scope: &str, shape: &str) -> Tree {
        let shape = Tree::parse(shape).expect("a shape");
        Filler::new(seed, scope, IDS, false, 1_738_360_800_250).fill(&shape, &Cast::new())
    }

    #[test]
    fn a_value_depends_on_seed_scope_kind_and_count_alone() {
        let shape = r#"{"a":"{id:TR}","b":"{id:TR}","c":"{id:TR#sale}","d":"to {id:TR#sale}","e":"{int:1-9}"}"#;
        let other = r#"{"e":"{int:1-9}","f":"{uuid}","c":"{id:TR#sale}","a":"{id:TR}"}"#;
        let [tree, other] = [shape, other].map(|shape| filled(7, "flow", shape));
        for pointer in ["/a", "/c", "/e"] {
            assert_eq!(tree.get(pointer), other.get(pointer), "{pointer}");
        }
        let [first, second, named] = ["/a", "/b", "/c"].map(|pointer| tree.text(pointer).expect("an id"));
        assert!(first != second && first != named && first.len() == 24 && first.starts_with("TR"));
        assert_eq!(tree.text("/d"), Some(format!("to {named}").as_str()));
        assert!(matches!(tree.get("/e"), Some(Tree::Word(_))));
        assert_ne!(filled(8, "flow", shape).text("/c"), Some(named));
        assert_ne!(filled(7, "wolf", shape).text("/c"), Some(named));
    }

    #[test]
    fn sums_and_copies_name_what_stands_anywhere() {
        let tree = filled(7, "flow", r#"{"net":"{= /sum - 30 + 5}","sum":"{= /x/0}","x":[100],"all":"{= /x}"}"#);
        assert_eq!(tree.written(), r#"{"net":75,"sum":100,"x":[100],"all":[100]}"#);
    }
}
