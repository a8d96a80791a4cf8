//! The OpenAPI document is true: all routes are in it and nothing else, and every answer is as it says.

use std::collections::{BTreeMap, BTreeSet};

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use crate::malformed::roles::ROUTES;
use crate::world::{Answer, World};

/// What needs no key stands in no table of roles.
const OPEN: [&str; 4] =
    ["GET /api/v1/health", "GET /api/v1/health/ping", "GET /api/v1/health/ready", "GET /api/v1/openapi.json"];
const NAME: &str = "document:/openapi";

/// A server's document, against which answers are held.
pub struct Document {
    value: Value,
    schemas: Schemas,
    /// Where each response's schema is, by the response's pointer.
    compiled: BTreeMap<String, SchemaIndex>,
}

impl Document {
    pub fn of(world: &World) -> Self {
        let value = world.call_as("", "GET", "/api/v1/openapi.json", &[], "").expect(200);
        let mut compiler = Compiler::new();
        compiler.enable_format_assertions();
        compiler.add_resource(NAME, value.clone()).unwrap();
        let (mut schemas, mut compiled) = (Schemas::new(), BTreeMap::new());
        for pointer in responses(&value) {
            let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
            let place = format!("{NAME}#{fragment}/content/application~1json/schema");
            compiled.insert(pointer, compiler.compile(&place, &mut schemas).unwrap());
        }
        Self { value, schemas, compiled }
    }

    /// All operations, as `GET /api/v1/app`.
    fn operations(&self) -> BTreeSet<String> {
        let paths = self.value["paths"].as_object().unwrap().iter();
        let methods = paths.flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method, path)));
        methods.map(|(method, path)| format!("{} {path}", method.to_uppercase())).collect()
    }

    /// The path of the document that a request's path is an instance of; the one with the most words, when several are.
    fn template(&self, path: &str) -> Option<&str> {
        let given: Vec<&str> = path.split('?').next().unwrap().split('/').collect();
        let fits = |template: &&String| {
            let parts: Vec<&str> = template.split('/').collect();
            parts.len() == given.len()
                && parts.iter().zip(&given).all(|(part, given)| part.starts_with('{') || part == given)
        };
        let paths = self.value["paths"].as_object().unwrap().keys().filter(fits);
        paths.min_by_key(|template| template.matches('{').count()).map(String::as_str)
    }

    /// What is wrong with an answer to this request; `None` for one that is as the document says.
    pub fn complaint(&self, method: &str, path: &str, status: u16, body: &str) -> Option<String> {
        let told = format!("{method} {path} was answered {status} {body}");
        let template = self.template(path)?; // what is in no document, such as 501, is nobody's promise
        let method = method.to_lowercase();
        let response = &self.value["paths"][template][&method]["responses"][status.to_string()];
        let pointer = match response["$ref"].as_str() {
            Some(reference) => reference[1..].to_owned(),
            None => format!("/paths/{}/{method}/responses/{status}", template.replace('/', "~1")),
        };
        let Some(response) = self.value.pointer(&pointer) else {
            return Some(format!("{told}; the document does not know that status"));
        };
        if response.get("content").is_none() {
            return (!body.is_empty()).then(|| format!("{told}; the document knows no body"));
        }
        let Ok(body) = serde_json::from_str::<Value>(body) else {
            return Some(format!("{told}; that is no JSON"));
        };
        self.schemas.validate(&body, self.compiled[&pointer]).err().map(|error| format!("{told}; {error}"))
    }

    /// The answer is as the document says.
    #[track_caller]
    pub fn check(&self, method: &str, path: &str, answer: &Answer) {
        assert_eq!(self.complaint(method, path, answer.status, &answer.body), None);
    }
}

/// The pointers of all responses that have a body.
fn responses(document: &Value) -> Vec<String> {
    let shared = document["components"]["responses"].as_object().unwrap().keys();
    let mut found: Vec<_> = shared.map(|status| format!("/components/responses/{status}")).collect();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let own =
                operation["responses"].as_object().unwrap().iter().filter(|(_, one)| one.get("content").is_some());
            let pointer = |(status, _)| format!("/paths/{}/{method}/responses/{status}", path.replace('/', "~1"));
            found.extend(own.map(pointer));
        }
    }
    found
}

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let world = World::start();
    let routes = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path));
    let routes: BTreeSet<String> = routes.chain(OPEN.map(str::to_owned)).collect();
    let operations = Document::of(&world).operations();
    assert_eq!(operations.difference(&routes).collect::<Vec<_>>(), Vec::<&String>::new(), "not served");
    assert_eq!(routes.difference(&operations).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the document");
}

#[test]
fn operations_have_names_of_their_own_and_all_refusals() {
    let world = World::start();
    let document = Document::of(&world);
    let mut names = BTreeSet::new();
    for item in document.value["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
            assert!(!operation["summary"].as_str().unwrap().is_empty());
            let closed = operation.get("security").is_none();
            assert!(!closed || operation["responses"]["429"].is_object(), "{operation}");
        }
    }
    assert_eq!(names.len(), document.operations().len());
    let list = |more: &str| {
        let body = format!(r#"{{"data":[],"done":true,"iterator":null,"prevIterator":null{more}}}"#);
        document.complaint("GET", "/api/v1/app?limit=1", 200, &body)
    };
    assert!(list("").is_none() && list(r#","more":1"#).is_some(), "what no document knows is found");
    assert!(document.complaint("GET", "/api/v1/app", 418, "{}").is_some());
}

#[test]
fn the_page_is_drawn_from_the_document_with_nothing_from_elsewhere() {
    let world = World::start();
    let page = world.call_as("", "GET", "/docs", &[], "");
    assert!(
        page.status == 200 && page.head.contains("text/html") && page.head.contains("default-src 'none'"),
        "{page:?}"
    );
    assert!(page.body.contains("/api/v1/openapi.json"));
    assert!(!page.body.contains("http://") && !page.body.contains("https://"), "it loads something from elsewhere");
}
