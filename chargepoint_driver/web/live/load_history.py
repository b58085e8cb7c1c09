"""The site's load over the last day, in memory."""

from __future__ import annotations

import math
from collections import deque

from chargepoint_driver.web.api.schemas import Sample, Site

__all__ = ["LoadHistory"]

_SPACING_S = 15.0
_KEPT_S = 24 * 3600.0


class LoadHistory:
    """Samples in the order of time; a time that was not looked at has none."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    @property
    def newest(self) -> Sample | None:
        return self._samples[-1] if self._samples else None

    def add(self, now_s: float, site: Site) -> None:
        """Keep this, unless another is hardly older and allows the same."""
        newest = self.newest
        if newest is not None and now_s - newest.time < _SPACING_S:
            before = newest.allowed, newest.portsUnknown, newest.accountsUnknown
            if before == (site.allowed, site.portsUnknown, site.accountsUnknown):
                return
        unknown = site.portsUnknown, site.accountsUnknown
        self._samples.append(Sample(round(now_s, 1), site.load, site.allowed, *unknown))
        while self._samples[0].time < now_s - _KEPT_S:
            self._samples.popleft()

    def since(self, start_s: float, most: int) -> list[Sample]:
        """Return the samples from then on, about `most` of them: of each stretch the one with the
        highest load, and every one where the allowed load changes."""
        found = [sample for sample in self._samples if sample.time >= start_s]
        if len(found) <= most:
            return found
        stretch_s = (found[-1].time - found[0].time) / most
        kept: list[Sample] = []
        end_s = -math.inf
        for sample in found:
            if sample.time >= end_s or sample.allowed != kept[-1].allowed:
                kept.append(sample)
                end_s = sample.time + stretch_s
            elif (sample.load or 0.0) > (kept[-1].load or 0.0):
                kept[-1] = sample
        return kept
