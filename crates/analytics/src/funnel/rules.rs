//! What makes an attempt, in plain numbers: the question without its names, filters and properties.

use query_model::Range;
use query_model::funnel::{Attribution, FunnelCount, StepOrder};

/// Steps and exclusions are bits of a mask, the first one the lowest.
pub(super) type Mask = u64;

/// What an event says of each property of the breakdown; 0 is no value.
pub(super) type Codes = [u32; 3];

/// The rules by which attempts are found and counted.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The last step, counted from 0.
    pub(super) last: u8,
    pub(super) order: StepOrder,
    /// How long an attempt has, in microseconds, its end included.
    pub(super) window: i64,
    /// Where attempts begin.
    pub(super) period: Range,
    /// Of each exclusion the step from which it counts and the one from which it no longer does.
    pub(super) exclusions: Vec<(u8, u8)>,
    /// Whether all steps of an attempt carry the same key.
    pub(super) is_held: bool,
    pub(super) count: FunnelCount,
    pub(super) attribution: Attribution,
    /// Properties of the breakdown.
    pub(super) breakdowns: usize,
    pub(super) view: View,
    /// Of each step the steps that may come next: the optional ones after it and the required one after those.
    next: Vec<Next>,
}

/// What is kept of the attempts that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// How many there are by the value of the only property, and which values have the most.
    Values { limit: u32 },
    /// How many reached each step, and after how long.
    Steps,
    /// How many went from one step to another, by the interval in which they began.
    Trend { from: u8, to: u8, boundaries: Vec<i64> },
    /// How long it took from one step to another, in so many bars.
    Times { from: u8, to: u8, bins: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Next {
    wanted: Mask,
    required: Option<u8>,
    /// The last required step before this one.
    previous: Option<u8>,
}

/// The bit of a step or exclusion.
pub(super) fn bit(place: u8) -> Mask {
    1_u64.checked_shl(u32::from(place)).unwrap_or(0)
}

impl Rules {
    /// Rules for these steps, of which each says whether it is optional.
    #[allow(clippy::too_many_arguments, reason = "each is a part of the question, named where this is called")]
    pub(super) fn new(
        optional: &[bool],
        order: StepOrder,
        window: i64,
        period: Range,
        exclusions: Vec<(u8, u8)>,
        count: FunnelCount,
        attribution: Attribution,
        view: View,
    ) -> Self {
        let last = u8::try_from(optional.len().saturating_sub(1)).unwrap_or(u8::MAX);
        let is_optional = |step: u8| optional.get(usize::from(step)).copied().unwrap_or_default();
        let next = |step: u8| {
            let required = (step + 1..=last).find(|later| !is_optional(*later));
            let wanted = (step + 1..=required.unwrap_or(last)).map(bit).fold(0, |mask, bit| mask | bit);
            Next { wanted, required, previous: (0..step).rev().find(|earlier| !is_optional(*earlier)) }
        };
        let next = (0..=last).map(next).collect();
        let (is_held, breakdowns) = (false, 0);
        Self { last, order, window, period, exclusions, is_held, count, attribution, breakdowns, view, next }
    }

    /// Whether an attempt may begin at this time.
    pub(super) fn begins(&self, time: i64) -> bool {
        self.period.from <= time && time < self.period.until
    }

    /// The last instant of an attempt that begins at this time.
    pub(super) fn end(&self, start: i64) -> i64 {
        start.saturating_add(self.window)
    }

    /// The steps that an attempt takes next, once it is at this one.
    pub(super) fn wanted(&self, step: u8) -> Mask {
        self.next.get(usize::from(step)).map_or(0, |next| next.wanted)
    }

    /// The step that an event serves in an attempt that is at `step`: the next required one, which does not depend on
    /// what is optional, or otherwise the first optional one before it.
    pub(super) fn serves(&self, step: u8, matched: Mask) -> Option<u8> {
        let next = self.next.get(usize::from(step))?;
        if let Some(required) = next.required.filter(|required| matched & bit(*required) != 0) {
            return Some(required);
        }
        let taken = matched & next.wanted;
        (taken != 0).then(|| u8::try_from(taken.trailing_zeros()).unwrap_or(u8::MAX))
    }

    /// The step that conversion to `step` is relative to: the last required one before it.
    pub(super) fn previous(&self, step: u8) -> Option<u8> {
        self.next.get(usize::from(step)).and_then(|next| next.previous)
    }

    /// The place of the interval in which an attempt began; 0 where there are none.
    pub(super) fn interval(&self, start: i64) -> u32 {
        let View::Trend { boundaries, .. } = &self.view else { return 0 };
        let after = boundaries.partition_point(|boundary| *boundary <= start);
        u32::try_from(after.saturating_sub(1)).unwrap_or(u32::MAX)
    }
}
