"""Bad days in the cloud: whatever happens to functions, S3 and SQS, each event is in the answers once, and none is lost."""
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from deployment import REGION, Moto
from edge import Edge
from faults import Day, Killed, SlowFor, forbidden
from questions import ask
from stage import Stage, copy_of, good
from terraform import ROOT

WRITE_KEY, API_KEY = "hw_w_cloud_test_key", "hw_r_cloud_test_key"
REQUESTS, EVENTS, REPEATED = 30, 10, 5
# Segment's SDK makes so many calls; one event of ours has no name.
OF_SEGMENT, UNUSABLE = 8, 1
# Each day that chance decides is lived once for each of them.
FIRST_SEED = int(os.environ.get("HEADWATER_CLOUD_FIRST_SEED", "1"))
SEEDS = range(FIRST_SEED, FIRST_SEED + int(os.environ.get("HEADWATER_CLOUD_SEEDS", "1")))


def key(name, text, scopes):
    return {"id": name, "sha256": hashlib.sha256(text.encode()).hexdigest(), "scopes": scopes}


PROJECTS = [{"id": "shop", "keys": [key("write", WRITE_KEY, ["write"]), key("api", API_KEY, ["read", "admin"])]}]
QUESTION = {
    "kind": "trend", "period": {"last": {"value": 2, "unit": "day"}}, "interval": "day",
    "series": [{"event": "Paid", "measure": measure} for measure in ["total", "unique_persons"]],
}


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.moto = Moto(cls.folder)
        cls.addClassCleanup(cls.moto.stop)
        cls.messages = sent_by_sdks(cls.moto)

    def live(self, name, fates=(good, good), waves=1, **how):
        """Sends all messages, in waves, and drains each one; what the answers must be afterwards."""
        with Stage(self.folder, self.moto, name, PROJECTS) as stage:
            size = -(-len(self.messages) // waves)
            for start in range(0, len(self.messages), size):
                stage.send(self.messages[start:start + size])
                stage.drain(fates, **how)
            self.assertEqual(stage.depth(stage.dead_url), 0, "dead letters")
            self.check(stage)
        return stage

    def check(self, stage):
        query = stage.start("query").wait_until_ready()
        status, answer = ask(query, "POST", "/api/v1/insights/query", API_KEY, QUESTION)
        self.assertEqual(status, 200, answer)
        # As many persons as events: one that is lost cannot be made up for by another that is there twice.
        totals = [series["total"] for series in answer["result"]["series"]]
        self.assertEqual(totals, [REQUESTS * EVENTS, REQUESTS * EVENTS])
        status, ledger = ask(query, "GET", "/api/v1/ledger", API_KEY)
        self.assertEqual(status, 200, ledger)
        expected = {
            "stored": REQUESTS * EVENTS + OF_SEGMENT, "duplicates": REPEATED * EVENTS, "quarantined": UNUSABLE,
            "in_flight": 0, "dead": 0,
        }
        self.assertEqual({name: ledger[name] for name in expected}, expected)

    def test_s3_refuses_half_of_the_calls(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                days = [Day(2 * seed, refused=0.4), Day(2 * seed + 1, refused=0.4)]
                self.live(f"refused-{seed}", days)
                self.assertGreater(sum(day.happened.total() for day in days), 20)

    def test_s3_is_slow(self):
        self.live("slow", [Day(0, slow=1), Day(1, slow=1)])

    def test_s3_takes_two_seconds_for_some_calls(self):
        days = [Day(0, very_slow=0.1), Day(1, very_slow=0.1)]
        stage = self.live("very-slow", days)
        self.assertEqual(stage.failed_calls, [])
        self.assertGreater(sum(day.happened.total() for day in days), 5)

    def test_answers_of_s3_are_lost_after_it_has_written(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                days = [Day(2 * seed, lost=0.5), Day(2 * seed + 1, lost=0.5)]
                self.live(f"lost-{seed}", days, waves=2)
                self.assertGreater(sum(day.happened.total() for day in days), 5)

    def test_sqs_fails_in_part(self):
        chances = {
            "deleted_in_part": 0.5, "deletion_lost": 0.3, "not_received": 0.3, "throttled": 0.2, "received_but_lost": 0.3,
        }
        for seed in SEEDS:
            with self.subTest(seed=seed):
                days = [Day(2 * seed, **chances), Day(2 * seed + 1, **chances)]
                self.live(f"sqs-{seed}", days, waves=3)
                self.assertGreater(sum(day.happened.total() for day in days), 3)

    def test_functions_are_killed_in_the_middle_of_a_drain(self):
        for seed in SEEDS:
            chance = random.Random(seed)
            killed = [Killed(chance.randint(1, 60), chance.choice(["before", "after"])) for _ in range(2)]
            with self.subTest(seed=seed, killed=[one.name for one in killed]):
                stage = self.live(f"killed-{seed}", killed, waves=3)
                self.assertGreater(len(stage.failed_calls), 0)

    def test_messages_come_twice_to_two_functions_at_once(self):
        self.live("twice", waves=2, again=True)

    def test_a_function_answers_before_its_time_limit_and_what_it_could_not_do_comes_again(self):
        stage = self.live("out-of-time", [SlowFor(10)], time_limit=4)
        self.assertEqual(stage.failed_calls, [])

    def test_messages_that_storage_refuses_for_good_are_dead_letters_and_nothing_is_lost_when_they_are_put_back(self):
        with Stage(self.folder, self.moto, "forbidden", PROJECTS) as stage:
            stage.send(self.messages[:3])
            stage.drain([forbidden])
            self.assertEqual(stage.depth(stage.dead_url), 3)
            stage.put_back_dead_letters()
            stage.send(self.messages[3:])
            stage.drain()
            self.check(stage)


def sent_by_sdks(moto):
    """The messages that the Worker makes of what SDKs send."""
    sqs = moto.client("sqs")
    queue_url = sqs.create_queue(QueueName="recorded")["QueueUrl"]
    with Edge(PROJECTS, queue_url, {"SQS_REGION": REGION}) as edge:
        for number in [*range(REQUESTS), *range(REPEATED)]:
            answer = edge.post("/api/v1/events/batch", WRITE_KEY, {"batch": batch(number)})
            assert (answer["accepted"], answer["rejected"]) == (EVENTS, []), answer
        answer = edge.post("/api/v1/events/batch", WRITE_KEY, {"batch": [{"user_id": "nobody"}]})
        assert len(answer["rejected"]) == UNUSABLE, answer
        script = ROOT / "tests/sdks/python/send_segment.py"
        subprocess.run([sys.executable, script, edge.url, WRITE_KEY], check=True, timeout=60)
    messages = []
    while found := sqs.receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages", []):
        messages += [copy_of(message) for message in found]
    return messages


def batch(number):
    """A request with events of its own, each of a person of its own, always the same ones for the same number."""
    return [
        {"event_id": f"{number:08x}-0000-4000-8000-{place:012x}", "event": "Paid", "user_id": f"user-{number}-{place}"}
        for place in range(EVENTS)
    ]


if __name__ == "__main__":
    unittest.main()
