//! Progress bars.

/// What bars are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bars {
    /// Blocks, an eighth of a column each.
    Blocks,
    /// `#` and `.`, where the terminal may know no more.
    Ascii,
}

impl Bars {
    /// What a terminal knows whose locale is the first of these variables that is set.
    pub fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default().to_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") { Self::Blocks } else { Self::Ascii }
    }
}

/// A bar of `columns` for this progress.
pub fn bar(bars: Bars, percent: u8, columns: usize) -> String {
    let percent = usize::from(percent.min(100));
    match bars {
        Bars::Ascii => {
            let full = percent * columns / 100;
            format!("{}{}", "#".repeat(full), ".".repeat(columns - full))
        }
        Bars::Blocks => {
            let eighths = percent * columns * 8 / 100;
            let (full, part) = (eighths / 8, eighths % 8);
            let part: String =
                [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'].get(part).filter(|c| **c != ' ').iter().copied().collect();
            let empty = columns - full - part.chars().count();
            format!("{}{part}{}", "█".repeat(full), "░".repeat(empty))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::width, *};

    #[test]
    fn a_bar_always_has_its_width_and_is_full_only_at_the_end() {
        for bars in [Bars::Blocks, Bars::Ascii] {
            for percent in 0..=100 {
                let bar = bar(bars, percent, 10);
                assert_eq!(width(&bar), 10, "{bar}");
                assert_eq!(bar.chars().all(|c| c == '█' || c == '#'), percent == 100, "{bar}");
            }
        }
        assert_eq!(bar(Bars::Blocks, 46, 10), "████▌░░░░░");
        assert_eq!(bar(Bars::Ascii, 46, 10), "####......");
        assert_eq!(bar(Bars::Ascii, 255, 2), "##");
    }

    #[test]
    fn blocks_are_for_locales_that_say_so() {
        let of = |set: &'static [(&str, &str)]| {
            Bars::of_locale(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[]), Bars::Ascii);
        assert_eq!(of(&[("LANG", "C.UTF-8")]), Bars::Blocks);
        assert_eq!(of(&[("LANG", "de_DE.utf8"), ("LC_ALL", "")]), Bars::Blocks);
        assert_eq!(of(&[("LANG", "C.UTF-8"), ("LC_ALL", "C")]), Bars::Ascii);
    }
}
