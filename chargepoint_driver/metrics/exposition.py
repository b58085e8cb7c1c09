"""The text that Prometheus scrapes, made of the readings of accounts and the delays of loops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from chargepoint_driver import __version__
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.metrics.definitions import METRICS
from chargepoint_driver.metrics.readings import AccountReading
from chargepoint_driver.process import threads
from chargepoint_driver.process.loop_delay import BOUNDS_S, LoopDelay

__all__ = ["CONTENT_TYPE", "Exposition", "need_prometheus"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_KEEP_S = 5.0
_PREFIX = "chargepoint_"

Samples = Iterator[tuple[tuple[str, ...], float]]


def need_prometheus() -> Any:
    """Return prometheus_client. Raises ConfigurationError where it is not installed."""
    try:
        import prometheus_client  # noqa: PLC0415 - an extra
        import prometheus_client.core  # noqa: PLC0415
    except ModuleNotFoundError:
        raise ConfigurationError(
            "prometheus_client is not installed: pip install "
            "'volttron-lib-chargepoint-driver[metrics]'"
        ) from None
    return prometheus_client


class Exposition:
    """The metrics of one process. Answers that come close together share one reading."""

    def __init__(
        self,
        accounts: Callable[[], Iterable[AccountReading]],
        delays: Mapping[str, Callable[[], LoopDelay | None]],
        *,
        keep_s: float = _KEEP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`accounts` reads them; `delays`: name of a loop to how its delay is had, None before it
        runs. A reading is kept for `keep_s`. Raises ConfigurationError without the extra."""
        client = need_prometheus()
        self._accounts = accounts
        self._delays = dict(delays)
        self._keep_s = keep_s
        self._clock = clock
        self._lock = threads.Lock()
        self._kept: tuple[float, bytes] | None = None
        self._client = client
        self._registry = client.CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        client.ProcessCollector(registry=self._registry)
        client.GCCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return the answer to a scrape. Reads memory only: it neither asks a service nor waits for
        a charger."""
        with self._lock:
            now_s = self._clock()
            if self._kept is None or now_s - self._kept[0] >= self._keep_s:
                self._kept = now_s, self._client.generate_latest(self._registry)
            return self._kept[1]

    def describe(self) -> Iterable[Any]:
        """Nothing: names are known without a reading."""
        return ()

    def collect(self) -> Iterator[Any]:
        """Yield the metric families, as prometheus_client wants them."""
        readings = list(self._accounts())
        core = self._client.core
        for name, row in METRICS.items():
            if row.kind == "histogram":
                family = core.HistogramMetricFamily(name, row.help, labels=row.label_names)
                for loop, delay in self._delays.items():
                    if (found := delay()) is not None:
                        family.add_metric([loop], *_buckets(found))
                yield family
                continue
            kind = core.CounterMetricFamily if row.kind == "counter" else core.GaugeMetricFamily
            family = kind(name, row.help, labels=row.label_names)
            for labels, value in _SAMPLES[name](readings):
                family.add_metric(labels, value)
            yield family


def _buckets(delay: LoopDelay) -> tuple[list[tuple[str, float]], float]:
    """Return (upper bound to the number of delays up to it, their sum in seconds)."""
    counts, sum_s = delay.counts()
    found, total = [], 0
    for bound, count in zip((*map(repr, BOUNDS_S), "+Inf"), counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found, sum_s


def _each(
    values: Callable[[AccountReading], Mapping[Any, float | int]],
) -> Callable[[list[AccountReading]], Samples]:
    """Samples of a mapping of label values; those of no label are under ()."""

    def samples(readings: list[AccountReading]) -> Samples:
        for reading in readings:
            for key, value in values(reading).items():
                labels = key if isinstance(key, tuple) else (key,)
                yield (reading.name, *map(_label, labels)), float(value)

    return samples


def _one(
    value: Callable[[AccountReading], float | int | None],
) -> Callable[[list[AccountReading]], Samples]:
    """One sample of each account where it is known."""
    return _each(lambda reading: {} if (found := value(reading)) is None else {(): found})


def _gauge(value: Callable[[AccountReading], float | int | None]) -> Any:
    """The same, of accounts that could be read."""
    return _one(lambda reading: value(reading) if reading.is_readable else None)


def _sinks(value: Callable[[Any], float | int | None]) -> Callable[[list[AccountReading]], Samples]:
    return _each(
        lambda reading: {
            (sink.name, sink.type): found
            for sink in reading.sinks
            if (found := value(sink)) is not None
        }
    )


def _label(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_SAMPLES: Mapping[str, Callable[[list[AccountReading]], Samples]] = {
    f"{_PREFIX}{name}": samples
    for name, samples in {
        "build_info": lambda _: iter([((__version__,), 1.0)]),
        "account_readable": _one(lambda reading: reading.is_readable),
        "calls_total": _each(lambda reading: reading.outcomes),
        "call_down": _each(lambda reading: dict.fromkeys(reading.down, 1)),
        "messages_received_total": _each(lambda reading: reading.messages),
        "irregularities_total": _each(lambda reading: reading.irregularities),
        "connections": _each(lambda reading: reading.connections),
        "data_age_seconds": _each(lambda reading: reading.ages_s),
        "stations": _each(lambda reading: reading.stations),
        "ports": _each(lambda reading: reading.ports),
        "load_watts": _gauge(lambda reading: reading.load_w),
        "load_unknown_ports": _gauge(lambda reading: reading.load_unknown),
        "limited_ports": _gauge(lambda reading: reading.limited),
        "limit_watts": _gauge(lambda reading: reading.limit_w),
        "sheds": _each(lambda reading: reading.sheds),
        "events_stored_total": _one(lambda reading: reading.events),
        "sink_waiting_events": _sinks(lambda sink: sink.waiting),
        "sink_lag_seconds": _sinks(lambda sink: sink.lag_s),
        "sink_working": _sinks(lambda sink: sink.error is None),
        "sink_delivered_total": _sinks(lambda sink: sink.delivered),
        "sink_retries_total": _sinks(lambda sink: sink.retries),
        "sink_lost_total": _sinks(lambda sink: sink.lost),
    }.items()
}
"""Metric to its samples, (label values, value); the histogram apart."""
