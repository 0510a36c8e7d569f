"""From an SDK to an answer through what `terraform apply` deployed: the Worker, SQS, both functions, S3."""
import hashlib
import queue
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from deployment import REGION, Deployment, Moto
from edge import Edge, post
from front import Front
from event_source import EventSource, event
from questions import ask
from terraform import ROOT

WRITE_KEY, API_KEY = "hw_w_cloud_test_key", "hw_r_cloud_test_key"
REQUESTS, EVENTS = 40, 25
# What `terraform plan` may still want to change after `apply`, because moto answers it otherwise than Amazon.
KNOWN_DRIFT = [
    # It leaves out the policies of a behaviour, and the oldest TLS of CloudFront's own certificate.
    "module.collector.aws_cloudfront_distribution.collector[0]: update default_cache_behavior, ordered_cache_behavior, viewer_certificate",
    # It says nothing of a function's log.
    "module.collector.module.function.aws_lambda_function.function[0]: update logging_config",
    "module.compactor.module.function.aws_lambda_function.function[0]: update logging_config",
    # It answers with a space after each comma.
    "module.event_queue.aws_sqs_queue.events[0]: update redrive_policy",
    # It does not say that a bucket tells EventBridge.
    "module.lake.aws_s3_bucket_notification.lake[0]: update eventbridge",
    "module.query.module.function.aws_lambda_function.function[0]: update logging_config",
]


def key(name, text, scopes):
    return {"id": name, "sha256": hashlib.sha256(text.encode()).hexdigest(), "scopes": scopes}


PROJECTS = [{"id": "shop", "keys": [key("write", WRITE_KEY, ["write"]), key("api", API_KEY, ["read", "admin"])]}]


class Cloud(unittest.TestCase):
    """The steps stand on each other, in the order of their numbers."""

    @classmethod
    def setUpClass(cls):
        cls._folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls._folder.cleanup)
        folder = Path(cls._folder.name)
        cls.moto = Moto(folder)
        cls.addClassCleanup(cls.moto.stop)
        cls.deployment = Deployment(folder, cls.moto, PROJECTS)
        cls.addClassCleanup(cls.deployment.stop)
        cls.sqs, cls.s3 = cls.moto.client("sqs"), cls.moto.client("s3")

    def test_1_every_event_of_an_sdk_is_in_the_answers_once_whatever_happens_to_functions_and_storage(self):
        with Edge(PROJECTS, self.deployment.queue_url, {"SQS_REGION": REGION}) as edge:
            self.send(edge, range(10))
            self.kill_the_compactor()
            self.send(edge, [*range(10, REQUESTS - 10), *range(5)])
            self.send_by_others(edge)
        with Front([self.deployment.start("collector")], self.deployment.origin_secret) as front:
            self.send(front, range(REQUESTS - 10, REQUESTS))
        self.drain()
        compactor = self.deployment.start("compactor")
        self.assertEqual(compactor.call(self.deployment.maintain), {"done": 1, "failed": 0, "left": 0})
        query = self.deployment.start("query")
        series = [
            {"event": "Paid", "measure": "total"}, {"event": "Paid", "measure": "unique_persons"},
            {"event": "Order Completed", "measure": "total"}, {"event": "Product Viewed", "measure": "total"},
        ]
        question = {"kind": "trend", "period": {"last": {"value": 2, "unit": "day"}}, "interval": "day", "series": series}
        answer = self.ask(query, "POST", "/api/v1/insights/query", question)
        totals = [series["total"] for series in answer["result"]["series"]]
        self.assertEqual(totals, [REQUESTS * EVENTS, EVENTS, 1, 2])
        ledger = self.ask(query, "GET", "/api/v1/ledger")
        # Segment's SDK makes 8 calls; 5 requests were sent twice over; one event has no name.
        expected = {"stored": REQUESTS * EVENTS + 8, "duplicates": 5 * EVENTS, "quarantined": 1, "in_flight": 0, "dead": 0}
        self.assertEqual({name: ledger[name] for name in expected}, expected)
        status = self.ask(query, "GET", "/api/v1/queue")
        self.assertEqual((status["waiting_messages"], status["in_flight_messages"], status["dead_messages"]), (0, 0, 0))
        self.ask(query, "GET", "/api/v1/ledger", key="hw_r_of_nobody", status=401)
        self.ask(query, "POST", "/api/v1/flush", {}, status=400)
        happened = self.deployment.day.happened
        self.assertGreater(min(happened["refused"], happened["lost"]), 3, f"not bad enough for this test: {happened}")
        for function in [compactor, query]:
            start, memory = function.cold_start_seconds, function.memory_mb()
            print(f"{function.name}: start {start * 1000:.0f} ms, {memory} MB (development build)", file=sys.stderr)

    def send(self, collector, numbers):
        """By the Worker, or the collector's function: requests of our own, each of which has the same events whenever it is sent."""
        for number in numbers:
            answer = post(collector.url, "/api/v1/events/batch", WRITE_KEY, {"batch": batch(number)})
            self.assertEqual((answer["accepted"], answer["rejected"]), (EVENTS, []))

    def send_by_others(self, edge):
        """By the Worker: something that cannot be used, and Segment's SDK."""
        answer = edge.post("/api/v1/events/batch", WRITE_KEY, {"batch": [{"user_id": "nobody"}]})
        self.assertEqual(len(answer["rejected"]), 1)
        script = ROOT / "tests/sdks/python/send_segment.py"
        subprocess.run([sys.executable, script, edge.url, WRITE_KEY], check=True, timeout=60)

    def kill_the_compactor(self):
        """In the middle of its first call. What it was called with comes again."""
        killed, source = self.deployment.start("compactor"), self.source()
        brought = source.receive()
        self.assertEqual(len(brought), 10)
        call = killed.begin(event(brought))
        self.assertRaises(queue.Empty, call.result.get, timeout=0.1)
        killed.stop()
        source.give_back(brought)

    def drain(self):
        """By two functions at the same time, which fetch more by themselves than they are called with."""
        source = self.source()
        pair = [(self.deployment.start("compactor"), source.receive(10)) for _ in range(2)]
        calls = [(function, brought, function.begin(event(brought))) for function, brought in pair]
        again = sum(source.finish(brought, function.end(call)) for function, brought, call in calls)
        self.assertEqual(again, 0)
        left = self.sqs.get_queue_attributes(
            QueueUrl=self.deployment.queue_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        self.assertEqual(set(left.values()), {"0"}, left)

    def source(self):
        return EventSource(self.sqs, self.deployment.queue_url, self.deployment.mapping)

    def ask(self, function, method, path, body=None, key=API_KEY, status=200):
        found, answer = ask(function, method, path, key, body)
        self.assertEqual(found, status, answer)
        return answer

    def test_2_after_apply_nothing_is_left_to_change(self):
        if self.deployment.terraform is None:
            self.skipTest("no terraform: said above")
        self.assertEqual(self.deployment.terraform.changes(), KNOWN_DRIFT)

    def test_3_destroy_refuses_to_lose_events_and_leaves_nothing_once_they_are_gone(self):
        if self.deployment.terraform is None:
            self.skipTest("no terraform: said above")
        refused = self.deployment.terraform.run("destroy", "-input=false", "-auto-approve", accept=(1,))
        self.assertIn("BucketNotEmpty", refused)
        versions = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.deployment.bucket)
        # All are listed before any is deleted: moto does not find where a page ended once that object is gone.
        for page in list(versions):
            objects = [{"Key": found["Key"], "VersionId": found["VersionId"]}
                       for found in page.get("Versions", []) + page.get("DeleteMarkers", [])]
            for found in objects:
                self.s3.delete_object(Bucket=self.deployment.bucket, **found)
        self.deployment.terraform.run("destroy", "-input=false", "-auto-approve")
        left = {
            "buckets": self.s3.list_buckets()["Buckets"],
            "queues": self.sqs.list_queues().get("QueueUrls", []),
            "functions": self.moto.client("lambda").list_functions()["Functions"],
            "roles": self.moto.client("iam").list_roles(PathPrefix="/headwater/")["Roles"],
            "users": self.moto.client("iam").list_users(PathPrefix="/headwater/")["Users"],
            "log groups": self.moto.client("logs").describe_log_groups()["logGroups"],
            "schedules": self.moto.client("scheduler").list_schedules()["Schedules"],
            "apis": self.moto.client("apigatewayv2").get_apis()["Items"],
            "distributions": self.moto.client("cloudfront").list_distributions()["DistributionList"].get("Items", []),
            "alarms": self.moto.client("cloudwatch").describe_alarms()["MetricAlarms"],
        }
        self.assertEqual({kind: found for kind, found in left.items() if found}, {})


def batch(number):
    """A request with events of its own, always the same ones for the same number."""
    return [
        {"event_id": f"{number:08x}-0000-4000-8000-{place:012x}", "event": "Paid", "user_id": f"user-{place}"}
        for place in range(EVENTS)
    ]


if __name__ == "__main__":
    unittest.main()
