//! Runs of pages: lists of first and count that are kept short as pages are added.

/// First pages and how many, ascending and apart from each other.
pub(super) type Runs = Vec<[u64; 2]>;

/// Adds a run that follows all others.
pub(super) fn push(runs: &mut Runs, first: u64, count: u64) {
    match runs.last_mut() {
        Some(last) if last[0] + last[1] == first => last[1] += count,
        _ => runs.push([first, count]),
    }
}

/// How many pages.
pub(super) fn pages(runs: &Runs) -> u64 {
    runs.iter().map(|[_, count]| count).sum()
}

/// Puts runs in order that were added anyhow.
fn tidied(mut runs: Runs) -> Runs {
    runs.sort_unstable();
    let mut tidy = Runs::new();
    for [first, count] in runs {
        push(&mut tidy, first, count);
    }
    tidy
}

/// Takes whole groups of `size` pages out of `from`: those that begin at a multiple of
/// it, with pages counted from `base`, and at most so many of them. Gives the rest and
/// the groups.
pub(super) fn split_whole(from: &Runs, base: u64, size: u64, most: u64) -> (Runs, Runs) {
    let (mut rest, mut whole) = (Runs::new(), Runs::new());
    let mut left = most;
    for [first, count] in from.iter().copied() {
        let end = first + count;
        let begin = (base + first).next_multiple_of(size) - base;
        let groups = (end.saturating_sub(begin) / size).min(left);
        if groups == 0 {
            push(&mut rest, first, count);
            continue;
        }
        left -= groups;
        let stop = begin + groups * size;
        push(&mut whole, begin, groups * size);
        for [from, to] in [[first, begin], [stop, end]] {
            if from < to {
                push(&mut rest, from, to - from);
            }
        }
    }
    (rest, whole)
}

/// The first so many pages, and the others.
pub(super) fn split_at(from: &Runs, kept: u64) -> (Runs, Runs) {
    let (mut head, mut tail) = (Runs::new(), Runs::new());
    let mut left = kept;
    for [first, count] in from.iter().copied() {
        let here = count.min(left);
        left -= here;
        for (runs, first, count) in [
            (&mut head, first, here),
            (&mut tail, first + here, count - here),
        ] {
            if count > 0 {
                push(runs, first, count);
            }
        }
    }
    (head, tail)
}

/// Both lists in one.
pub(super) fn joined(runs: Runs, others: Runs) -> Runs {
    if others.is_empty() {
        return runs;
    }
    tidied([runs, others].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_run() {
        let mut runs = Runs::new();
        push(&mut runs, 3, 2);
        push(&mut runs, 5, 1);
        push(&mut runs, 9, 4);
        assert_eq!(runs, [[3, 3], [9, 4]]);
        assert_eq!(pages(&runs), 7);
        assert_eq!(joined(runs, vec![[6, 3], [0, 1]]), [[0, 1], [3, 10]]);
    }

    #[test]
    fn whole_groups_are_aligned_from_the_base() {
        let from = vec![[0, 30], [40, 9], [60, 16]];
        // Multiples of 8, counted from 3: 5, 13, 21, 29, 37, 45, 53, 61, 69.
        let (rest, whole) = split_whole(&from, 3, 8, u64::MAX);
        assert_eq!(whole, [[5, 24], [61, 8]]);
        assert_eq!(rest, [[0, 5], [29, 1], [40, 9], [60, 1], [69, 7]]);
        let (rest, whole) = split_whole(&from, 3, 8, 1);
        assert_eq!((whole, rest.len()), (vec![[5, 8]], 4));
    }

    #[test]
    fn a_list_is_split_within_a_run() {
        let from = vec![[0, 3], [10, 4]];
        assert_eq!(split_at(&from, 5), (vec![[0, 3], [10, 2]], vec![[12, 2]]));
        assert_eq!(split_at(&from, 3), (vec![[0, 3]], vec![[10, 4]]));
        assert_eq!(split_at(&from, 0), (Vec::new(), from));
    }
}
