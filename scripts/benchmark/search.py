"""Looking for the highest rate that holds."""

import math

LOWEST, HIGHEST = 100, 25_000
# Neighbouring rates differ by this.
STEP = 1.05
# Half as much again: what comes long after the limit is a flood, and takes its time.
LONGEST_STRIDE = 8


def search(holds, start, stride):
    """The highest rate of a geometric series through `start` for which `holds(rate)` is true; 0 when none is.

    It goes `stride` steps up or down and on in strides up to twice as long, until it has passed the limit, then halves what is
    left in between. With a start near the limit and a stride of 1 that takes two steps.
    """
    rate = lambda place: round(start * STEP**place)
    lowest = math.ceil(math.log(LOWEST / start, STEP))
    highest = math.floor(math.log(HIGHEST / start, STEP))
    good, bad = lowest - 1, highest + 1
    place = 0
    while bad - good > 1:
        if holds(rate(place)):
            good = place
        else:
            bad = place
        if lowest <= good and bad <= highest:
            place = (good + bad) // 2
        else:
            place += stride if lowest <= good else -stride
            place, stride = min(max(place, lowest), highest), min(stride * 2, LONGEST_STRIDE)
    return rate(good) if lowest <= good else 0
