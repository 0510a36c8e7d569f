"""Measures how the functions start, and how soon a cold one answers: python measure.py [--write PAGE] [--commits N]

The functions are those of HEADWATER_LAMBDA_FOLDER, or else of the development build.
"""
import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from deployment import REGION, Moto, built
from edge import Edge
from event_source import event
from proxy import GOOD, Fate
from questions import ask
from stage import Stage

WRITE_KEY, API_KEY = "hw_w_cloud_test_key", "hw_r_cloud_test_key"
SECONDS_A_CALL = 0.03
# Design §11: own time of a cold query function's first answer, and calls of the store that wait for one another.
MOST_OWN_MS, MOST_TRIPS = 300, 6
EVENTS_A_COMMIT = 50
MAINTAIN_EVERY = 100
# Runs of each measurement; the middle one counts.
RUNS = 6
# Messages for the compactor to store while it is measured.
SPARE = 2 * RUNS


def key(name, text, scopes):
    return {"id": name, "sha256": hashlib.sha256(text.encode()).hexdigest(), "scopes": scopes}


PROJECTS = [{"id": "shop", "keys": [key("write", WRITE_KEY, ["write"]), key("api", API_KEY, ["read", "admin"])]}]


QUESTION = {
    "kind": "trend", "period": {"last": {"value": 2, "unit": "day"}}, "interval": "day",
    "series": [{"event": "Paid", "measure": measure} for measure in ["total", "unique_persons"]],
}


def messages(edge, sqs, queue_url, requests):
    """What the Worker makes of so many requests, a few at a time: moto is slow with long queues."""
    number = 0
    while number < requests:
        for number in range(number, min(number + 20, requests)):
            batch = [
                {"event": "Paid" if place % 5 else "Refunded", "user_id": f"user-{(number * 7 + place) % 2000}",
                 "properties": {"amount": place, "plan": f"plan-{place % 3}"}}
                for place in range(EVENTS_A_COMMIT)
            ]
            edge.post("/api/v1/events/batch", WRITE_KEY, {"batch": batch})
        number += 1
        while found := sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"],
        ).get("Messages", []):
            yield from found
            entries = [{"Id": str(place), "ReceiptHandle": one["ReceiptHandle"]} for place, one in enumerate(found)]
            sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)


def fill(stage, commits):
    """A table with so many commits, kept tidy as its schedule would; messages that are not stored yet."""
    recorded = stage.sqs.create_queue(QueueName="recorded")["QueueUrl"]
    compactor, spare = stage.start("compactor").wait_until_ready(), []
    with Edge(PROJECTS, recorded, {"SQS_REGION": REGION}) as edge:
        for number, message in enumerate(messages(edge, stage.sqs, recorded, commits + SPARE), 1):
            if number > commits:
                spare.append(message)
                continue
            answer = compactor.call(event([message]))
            assert answer == {"batchItemFailures": []}, answer
            if number % MAINTAIN_EVERY == MAINTAIN_EVERY // 2:
                compactor.call({"job": "maintain"})
                print(f"{number} commits", file=sys.stderr, flush=True)
    return spare


def chain(calls):
    """How many calls waited for one another at least: the most of which no two ran at the same time."""
    trips, until = 0, 0.0
    for call in sorted(calls, key=lambda call: call.ended):
        if call.started >= until:
            trips, until = trips + 1, call.ended
    return trips


def waited(calls):
    """Seconds in which at least one call was waited for."""
    total, until = 0.0, 0.0
    for call in sorted(calls, key=lambda call: call.started):
        total += max(0.0, call.ended - max(call.started, until))
        until = max(until, call.ended)
    return total


class Answered:
    """One answer of a function: how long it took, and what it asked of AWS for it."""

    def __init__(self, function, call, since=None):
        before, cpu = len(function.proxy.calls), function.cpu_seconds()
        started = since or time.monotonic()
        call(function)
        self.ms = (time.monotonic() - started) * 1000
        self.calls = function.proxy.calls[0 if since else before:]
        self.trips = chain(self.calls)
        self.own_ms = self.ms - waited(self.calls) * 1000
        self.cpu_ms = (function.cpu_seconds() - (0 if since else cpu)) * 1000


class Cold:
    """One cold start."""

    def __init__(self, start, call):
        began = time.monotonic()
        self.function = start().wait_until_ready()
        self.init_ms = self.function.cold_start_seconds * 1000
        self.first = Answered(self.function, call, began)
        self.second = Answered(self.function, call)
        self.memory_mb = self.function.memory_mb()
        self.function.stop()


def sizes(name, folder):
    """The program as it is deployed, and zipped, in MB."""
    program, package = folder / "bootstrap", folder / "package.zip"
    strip = shutil.which("strip")
    subprocess.run([strip, "-o", program, built(name)] if strip else ["cp", built(name), program], check=True)
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.write(program, "bootstrap")
    return program.stat().st_size / 1e6, package.stat().st_size / 1e6


class Cloudflare:
    """What the publisher speaks to: a store of keys and values."""

    def __init__(self):
        values = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer(200 if self.path in values else 404, values.get(self.path, b"{}"))

            def do_PUT(self):
                values[self.path] = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._answer(200, b'{"success": true, "errors": [], "messages": [], "result": null}')

            def _answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


def measure(stage, folder, spare):
    """A row a function: its name, size and cold start."""
    def asks(function):
        status, answer = ask(function, "POST", "/api/v1/insights/query", API_KEY, QUESTION)
        assert status == 200 and answer["result"]["series"][0]["total"] > 0, answer

    def collects(function):
        status, answer = ask(function, "POST", "/api/v1/events", WRITE_KEY, {"event": "Paid", "user_id": "u"})
        assert status == 200, answer

    def stores(function):
        assert function.call(event([spare.pop()])) == {"batchItemFailures": []}

    def publishes(function):
        function.call({})

    answers = {}
    fates = {"query": lambda call: Fate(delay=SECONDS_A_CALL, answers=answers) if call.service == "s3" else GOOD}
    rows = []
    for name, call in {"collector": collects, "compactor": stores, "query": asks, "publisher": publishes}.items():
        fate = fates.get(name, lambda call: Fate(delay=SECONDS_A_CALL))
        runs = [Cold(lambda: stage.start(name, fate), call) for _ in range(RUNS)]
        # The first one may find nothing in the proxy's memory.
        cold = sorted(runs[1:], key=lambda cold: cold.first.ms)[len(runs[1:]) // 2]
        rows.append((name, *sizes(name, folder), cold))
    return rows


def page(rows, commits, which):
    """The measurements as a page of the reference."""
    lines = [
        "# The functions of AWS Lambda, measured", "",
        "Written by `make bench-cloud`: the built functions under an emulation of Lambda's Runtime API, with S3 and SQS from moto behind a proxy",
        f"that lets each call take {SECONDS_A_CALL * 1000:.0f} ms. Nothing here holds a function to the share of a processor that its memory buys in Lambda.", "",
        f"Build: {which}. Machine: {os.cpu_count()} cores, {platform.machine()}. Middle of {RUNS - 1} runs; the table has {commits} commits of",
        f"{EVENTS_A_COMMIT} events and is maintained every {MAINTAIN_EVERY}, the last time {(commits - MAINTAIN_EVERY // 2) % MAINTAIN_EVERY} commits ago.", "",
        "*Own time* is that in which no call was waited for; *trips* are calls that waited for one another.", "",
        "| function | program, zipped | exec to Init done | exec to first answer | own time | processor | calls | trips | peak memory | second answer | calls | trips |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, size, zipped, cold in rows:
        first, second = cold.first, cold.second
        lines.append(
            f"| {name} | {size:.1f} MB, {zipped:.1f} MB | {cold.init_ms:.0f} ms | {first.ms:.0f} ms | {first.own_ms:.0f} ms | "
            f"{first.cpu_ms:.0f} ms | {len(first.calls)} | {first.trips} | {cold.memory_mb} MB | {second.ms:.0f} ms | "
            f"{len(second.calls)} | {second.trips} |")
    query = next(cold for name, _, _, cold in rows if name == "query")
    good = query.first.own_ms <= MOST_OWN_MS and query.first.trips <= MOST_TRIPS
    lines += [
        "", f"Budget of a cold query function ({MOST_OWN_MS} ms of its own, {MOST_TRIPS} trips): {'kept' if good else '**missed**'} with "
        f"{query.first.own_ms:.0f} ms and {query.first.trips} trips.", "",
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="where the page goes")
    parser.add_argument("--commits", type=int, default=1000)
    parser.add_argument("--trace", action="store_true", help="show the calls of the query function's first answer")
    arguments = parser.parse_args()
    given = os.environ.get("HEADWATER_LAMBDA_PROFILE")
    which = given or ("optimised" if "HEADWATER_LAMBDA_FOLDER" in os.environ else "development")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        moto = Moto(folder)
        cloudflare = Cloudflare()
        try:
            with Stage(folder, moto, "measured", PROJECTS) as stage:
                moto.client("ssm").put_parameter(Name="token", Value="token", Type="SecureString")
                stage.variables |= {
                    "HEADWATER_CLOUDFLARE_ACCOUNT": "a" * 32, "HEADWATER_CLOUDFLARE_NAMESPACE": "b" * 32,
                    "HEADWATER_CLOUDFLARE_TOKEN_PARAMETER": "token", "HEADWATER_CLOUDFLARE_URL": cloudflare.url,
                }
                spare = fill(stage, arguments.commits)
                rows = measure(stage, folder, spare)
        finally:
            cloudflare.stop()
            moto.stop()
    if arguments.trace:
        calls = rows[2][3].first.calls
        began = min(call.started for call in calls)
        for call in sorted(calls, key=lambda call: call.started):
            print(f"{(call.started - began) * 1000:7.1f} {(call.ended - call.started) * 1000:6.1f} {call.action} {call.path} {call.status}")
    text = page(rows, arguments.commits, which)
    print(text)
    if arguments.write:
        arguments.write.write_text(text)


if __name__ == "__main__":
    main()
