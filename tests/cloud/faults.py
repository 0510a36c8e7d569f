"""Bad days: what happens to the calls of a function, decided by a seed."""
import random
from collections import Counter

from proxy import GOOD, Fate

# What S3 says when it has too much to do, or does not know what happened.
PASSING = [(503, "SlowDown"), (500, "InternalError"), (503, "ServiceUnavailable")]


class Day:
    """What becomes of calls: each kind has a chance between 0 and 1. Counts how often each happened."""

    def __init__(self, seed, **chances):
        self._random, self._chances = random.Random(seed), chances
        self.happened = Counter()

    def __call__(self, call):
        for kind, chance in self._chances.items():
            fate = getattr(self, kind)(call)
            if fate and self._random.random() < chance:
                self.happened[kind] += 1
                return fate
        return GOOD

    def refused(self, call):
        return call.service == "s3" and Fate(refuse=self._random.choice(PASSING))

    def slow(self, call):
        return call.service == "s3" and Fate(delay=0.03)

    def very_slow(self, call):
        return call.service == "s3" and Fate(delay=2)

    def lost(self, call):
        """Of what is written, and most of all of the entries of logs: whoever writes one must find out by himself."""
        return call.action in ("PutObject", "DeleteObjects", "DeleteObject") and Fate(lose=True)

    def deleted_in_part(self, call):
        return call.action == "DeleteMessageBatch" and Fate(half=True)

    def deletion_lost(self, call):
        return call.action == "DeleteMessageBatch" and Fate(lose=True)

    def not_received(self, call):
        return call.action == "ReceiveMessage" and Fate(refuse=(500, "InternalError"))

    def throttled(self, call):
        return call.service == "sqs" and Fate(refuse=(400, "RequestThrottled"))

    def received_but_lost(self, call):
        return call.action == "ReceiveMessage" and Fate(lose=True)


class Killed:
    """Killed once, at a call of a number: before it is done, or before its answer."""

    def __init__(self, number, when):
        self.name, self._number, self._when = f"killed {when} call {number}", number, when

    def __call__(self, call):
        if call.number != self._number:
            return GOOD
        self._number = None
        return Fate(kill=self._when)


class SlowFor:
    """S3 takes two seconds a call for some time."""

    def __init__(self, seconds):
        self._seconds, self._end = seconds, None

    def __call__(self, call):
        self._end = self._end or call.started + self._seconds
        return Fate(delay=2) if call.service == "s3" and call.started < self._end else GOOD


def forbidden(call):
    """What the bucket answers to somebody who may no longer write tables."""
    writes = call.action == "PutObject" and "/projects/" in call.path
    return Fate(refuse=(403, "AccessDenied")) if writes else GOOD
