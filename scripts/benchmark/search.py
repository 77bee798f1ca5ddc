"""Looking for the highest rate that holds."""

LOWEST, HIGHEST, NEAREST = 50, 40_000, 50


def search(holds, start, resolution):
    """The highest rate for which `holds(rate)` is true, to within `resolution` of itself or 50 calls/s.

    Doubled until one does not hold, then halved in between; 0 when not even a low one holds.
    """
    good, bad = 0, None
    rate = start
    while LOWEST <= rate <= HIGHEST and (bad is None or bad - good > max(resolution * good, NEAREST)):
        if holds(rate):
            good = rate
        else:
            bad = rate
        rate = good * 2 if bad is None else (good + bad) // 2
    return good
