//! Which of the words that are known somebody meant.

/// Less alike than this, two words have nothing to do with each other; 1 is the same word.
const NEAR: f64 = 0.8;

/// Of `known` the one whose name is most like `word` by the measure of Jaro and Winkler, the first of several, if one is near.
pub(crate) fn nearest<T>(word: &str, known: impl IntoIterator<Item = T>, name: impl Fn(&T) -> &str) -> Option<T> {
    let alike = known.into_iter().map(|known| (strsim::jaro_winkler(name(&known), word), known));
    let nearest = alike.filter(|(likeness, _)| *likeness >= NEAR).reduce(
        |first, next| {
            if next.0 > first.0 { next } else { first }
        },
    );
    nearest.map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_most_alike_is_meant_and_none_that_is_far() {
        let nearest = |word| nearest(word, ["close", "closed", "stale", "stall"], |name| name);
        assert_eq!(nearest("clsoe"), Some("close"));
        assert_eq!(nearest("stal"), Some("stale"));
        assert_eq!(nearest("reset"), None);
    }
}
