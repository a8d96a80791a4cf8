//! What can be copied: a text, and beside it the button that our script shows where the browser has a clipboard.

use maud::{Markup, html};

/// How the button looks.
#[derive(Clone, Copy)]
pub(super) enum Look {
    /// As a button.
    Button,
    /// As a link, between other facts.
    Link,
}

/// A text with the button of this name; `id` is the text's on its page. A page with one of these has `copies`.
pub(super) fn copied(id: &str, text: &str, name: &str, look: Look) -> Markup {
    let class = match look {
        Look::Button => "second",
        Look::Link => "plain",
    };
    html! {
        span #(id) { code.whole { (text) } }
        " " button class=(class) type="button" data-copies=(id) hidden { (name) }
    }
}
