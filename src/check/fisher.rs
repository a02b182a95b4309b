//! Fisher's exact test: whether two shares differ by more than chance, also where counts are small.

/// The two-sided probability that shares at least as far apart as `a` of `of_a` and `b` of `of_b` arise by chance when both
/// come from one population (R. A. Fisher, The Logic of Inductive Inference, 1935): the hypergeometric probabilities of
/// all tables with the same margins that are no likelier than this one, summed.
pub fn exact(a: u64, of_a: u64, b: u64, of_b: u64) -> f64 {
    let (a, of_a, b, of_b) = (a.min(of_a) as f64, of_a as f64, b.min(of_b) as f64, of_b as f64);
    let (all, hits) = (of_a + of_b, a + b);
    if of_a == 0.0 || of_b == 0.0 || hits == 0.0 || hits == all {
        return 1.0;
    }
    let (least, most) = ((hits - of_b).max(0.0), hits.min(of_a));
    // From one table to the next one with one hit more among A.
    let rise = |x: f64| (hits - x) * (of_a - x) / ((x + 1.0) * (of_b - hits + x + 1.0));
    let mode = (((hits + 1.0) * (of_a + 1.0)) / (all + 2.0)).floor().clamp(least, most);
    // Weights relative to the likeliest table: what is too small to add nothing ends the walk, however large the counts.
    let mut weights = vec![(mode, 1.0)];
    let (mut x, mut weight) = (mode, 1.0);
    while x < most && weight > f64::MIN_POSITIVE {
        weight *= rise(x);
        x += 1.0;
        weights.push((x, weight));
    }
    let (mut x, mut weight) = (mode, 1.0);
    while x > least && weight > f64::MIN_POSITIVE {
        x -= 1.0;
        weight /= rise(x);
        weights.push((x, weight));
    }
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let observed = weights.iter().find(|(x, _)| *x == a).map_or(0.0, |(_, weight)| *weight);
    // Tables that are equally likely must count as such, whatever rounding says.
    const TOLERANCE: f64 = 1.0 + 1e-7;
    let tail: f64 = weights.iter().map(|(_, weight)| *weight).filter(|weight| *weight <= observed * TOLERANCE).sum();
    (tail / total).min(1.0)
}

/// Holm's correction: with many comparisons some differ by chance. Each probability is raised so that below 0.05 the
/// chance of even one false alarm among them is 5 % (S. Holm, 1979).
pub fn corrected(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&one, &other| probabilities[one].total_cmp(&probabilities[other]));
    let mut corrected = vec![1.0; probabilities.len()];
    let mut highest: f64 = 0.0;
    for (rank, at) in order.into_iter().enumerate() {
        let factor = (probabilities.len() - rank) as f64;
        highest = highest.max(probabilities[at] * factor).min(1.0);
        corrected[at] = highest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(is: f64, should: f64) -> bool {
        (is - should).abs() <= should * 1e-6
    }

    #[test]
    fn probabilities_are_those_of_the_tables() {
        // By hand from the hypergeometric distribution: C(8,a) C(8,6-a) / C(16,6) and the like.
        assert!(near(exact(1, 8, 5, 8), 952.0 / 8008.0));
        assert!(near(exact(3, 4, 1, 4), 34.0 / 70.0));
        assert!(near(exact(0, 10, 10, 10), 2.0 / 184_756.0));
        assert!(near(exact(0, 3, 1, 3), 1.0));
        assert!(near(exact(5, 10, 5, 10), 1.0));
    }

    #[test]
    fn nothing_to_compare_is_no_difference() {
        for (a, of_a, b, of_b) in [(0, 0, 3, 9), (3, 9, 0, 0), (0, 5, 0, 9), (5, 5, 9, 9), (9, 5, 9, 5)] {
            assert_eq!(exact(a, of_a, b, of_b), 1.0);
        }
    }

    #[test]
    fn large_counts_are_quick_and_sides_can_change_places() {
        let p = exact(1_000, 1_000_000_000, 1_200, 1_000_000_000);
        assert!(p > 1e-6 && p < 1e-4, "{p}");
        assert!(near(exact(1_200, 1_000_000_000, 1_000, 1_000_000_000), p));
        assert!(exact(0, 4_000_000_000, 4_000_000_000, 4_000_000_000) < 1e-100);
    }

    #[test]
    fn many_comparisons_make_each_one_say_less() {
        assert_eq!(corrected(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
        assert_eq!(corrected(&[0.9, 0.8]), [1.0, 1.0]);
        assert_eq!(corrected(&[]), Vec::<f64>::new());
    }
}
