//! Where the lanes stand.

use super::{Ladder, Mark};

/// Columns before the first lane, for the time.
pub(super) const TIME_WIDTH: usize = 9;
/// What an arrow needs beside its label: `-- label ->` and the lane.
pub(super) const ARROW_EXTRA: usize = 7;
const NARROWEST: usize = 10;
const WIDEST: usize = 30;

/// The column of every lane, within `width`.
pub(super) fn columns(ladder: &Ladder, width: usize) -> Vec<usize> {
    let title = |lane: usize| {
        ladder.lanes.get(lane).map_or(0, |lane| {
            lane.name.chars().count().max(lane.detail.chars().count())
        })
    };
    let count = ladder.lanes.len();
    let first = TIME_WIDTH + (title(0) / 2).max(1);
    let last_half = title(count.saturating_sub(1)).div_ceil(2);
    let mut gaps: Vec<usize> = (1..count)
        .map(|lane| (title(lane - 1).div_ceil(2) + title(lane) / 2 + 2).max(NARROWEST))
        .collect();
    for step in &ladder.steps {
        let (Mark::Arrow { from, to } | Mark::Lost { from, to }) = step.mark else {
            continue;
        };
        let left = from.min(to);
        if from.abs_diff(to) == 1
            && let Some(gap) = gaps.get_mut(left)
        {
            *gap = (*gap).max(step.text.chars().count() + ARROW_EXTRA);
        }
    }
    let room = width.saturating_sub(first + last_half + 1);
    fit(&mut gaps, room);
    let mut column = first;
    let mut columns = vec![first];
    for gap in gaps {
        column += gap;
        columns.push(column);
    }
    columns.truncate(count);
    columns
}

/// Takes from the widest gap until everything fits, or gives to the narrowest while there is room.
fn fit(gaps: &mut [usize], room: usize) {
    loop {
        let total: usize = gaps.iter().sum();
        let change = if total > room {
            gaps.iter_mut()
                .max()
                .filter(|gap| **gap > NARROWEST)
                .map(|gap| *gap -= 1)
        } else if total < room {
            gaps.iter_mut()
                .min()
                .filter(|gap| **gap < WIDEST)
                .map(|gap| *gap += 1)
        } else {
            None
        };
        if change.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn gaps_shrink_from_the_widest_and_grow_from_the_narrowest() {
        let mut gaps = [30, 12, 12];
        fit(&mut gaps, 44);
        assert_eq!(gaps, [20, 12, 12]);
        fit(&mut gaps, 50);
        assert_eq!(gaps.iter().sum::<usize>(), 50);
        assert_eq!(gaps, [20, 15, 15]);
    }

    #[test]
    fn gaps_stay_readable_when_there_is_no_room_and_modest_when_there_is_plenty() {
        let mut gaps = [12, 12];
        fit(&mut gaps, 5);
        assert_eq!(gaps, [10, 10]);
        fit(&mut gaps, 500);
        assert_eq!(gaps, [30, 30]);
    }
}
