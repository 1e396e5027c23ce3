//! Texts that must not be found, however they are written down.

use base64::engine::{
    Engine as _,
    general_purpose::{STANDARD, URL_SAFE},
};

/// Looks for some texts of ASCII letters and digits, which every quoting leaves as they are, in their other forms too:
/// base64 at each of its alignments, hexadecimal, and the bytes as Rust prints them.
pub struct Needles(Vec<String>);

impl Needles {
    pub fn new(texts: &[&str]) -> Self {
        Self(texts.iter().flat_map(|text| forms(text)).collect())
    }

    /// The first find in `text` of each form, with what stands around it.
    pub fn found_in(&self, text: &str) -> Vec<String> {
        let around = |at: usize| {
            let (from, to) = (text.floor_char_boundary(at.saturating_sub(200)), text.ceil_char_boundary(at + 100));
            text[from..to].to_owned()
        };
        self.0.iter().filter_map(|form| Some(format!("{form}: {}", around(text.find(form)?)))).collect()
    }
}

fn forms(text: &str) -> Vec<String> {
    let numbers: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
    let mut forms = vec![text.to_owned(), text.bytes().map(|byte| format!("{byte:02x}")).collect(), numbers.join(", ")];
    for before in 0..3 {
        let padded = format!("{}{text}", " ".repeat(before));
        // Only the characters that no neighbour has a part in.
        let own = (before * 8).div_ceil(6)..padded.len() * 8 / 6;
        forms.extend([&STANDARD, &URL_SAFE].map(|engine| engine.encode(&padded)[own.clone()].to_owned()));
    }
    forms.dedup();
    forms
}

#[test]
fn a_text_is_found_in_every_form() {
    let needles = Needles::new(&["kanari9q"]);
    for before in ["", "a", "bc", "def"] {
        let text = format!("{before}kanari9q~?~?\"\\");
        let hidden = [
            text.clone(),
            format!("{text:?}"),
            serde_json::json!(text).to_string(),
            STANDARD.encode(&text),
            URL_SAFE.encode(&text),
            format!("{:?}", text.as_bytes()),
            text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ];
        for hidden in hidden {
            assert!(!needles.found_in(&format!("words {hidden} words")).is_empty(), "{hidden}");
        }
    }
    assert!(needles.found_in("kanari, and a2FuYXJp").is_empty());
}
