"""What runs without Cloudflare, from an SDK to an answer, large ones too; and the function that tells the edge who may send."""
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from deployment import REGION, Moto, built
from front import Front
from questions import ask
from runtime_api import Function, FunctionError, credentials
from stage import Stage
from terraform import ROOT

WRITE_KEY, API_KEY = "hw_w_collector_key", "hw_r_collector_key"


def key(name, text, scopes):
    return {"id": name, "sha256": hashlib.sha256(text.encode()).hexdigest(), "scopes": scopes}


PROJECTS = [{"id": "shop", "keys": [key("write", WRITE_KEY, ["write"]), key("api", API_KEY, ["read", "admin"])]}]


class Functions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls._folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls._folder.cleanup)
        cls.folder = Path(cls._folder.name)
        cls.moto = Moto(cls.folder)
        cls.addClassCleanup(cls.moto.stop)

    def start(self, name, number, bucket, memory_mb, variables) -> Function:
        """Starts an instance of a function."""
        environment = {
            **credentials(self.moto.endpoint, REGION),
            "HEADWATER_PROJECTS_URL": f"s3://{bucket}/config/projects.json", **variables,
        }
        log = self.folder / f"{bucket}-{name}-{number}.log"
        function = Function(f"{name}-{number}", str(built(name)), environment, memory_mb, 15, log)
        self.addCleanup(function.stop)
        return function.wait_until_ready()

    def test_every_event_of_an_sdk_is_in_the_answers_whichever_instance_took_it(self):
        with Stage(self.folder, self.moto, "shop-collector", PROJECTS) as stage:
            variables = {
                "HEADWATER_QUEUE_URL": stage.queue_url, "HEADWATER_SALTS_URL": f"s3://{stage.name}/config/salts",
                "HEADWATER_ORIGIN_SECRET": "of-old,of-today",
            }
            instances = [self.start("collector", number, stage.name, 512, variables) for number in range(2)]
            for instance in instances:
                print(f"{instance.name}: start {instance.cold_start_seconds * 1000:.0f} ms, {instance.memory_mb()} MB "
                      "(development build)", file=sys.stderr)
            with Front(instances, "of-today") as front:
                script = ROOT / "tests/sdks/python/send_segment.py"
                subprocess.run([sys.executable, script, front.url, WRITE_KEY], check=True, timeout=60)
                seen = {"event": "Seen", "cookieless": True}
                for visitor in ["198.51.100.7:1", "198.51.100.7:2", "[2001:db8::1]:3", "198.51.100.8:4"]:
                    front.visitor = visitor
                    self.assertEqual(self.post(front, WRITE_KEY, seen), (200, {"accepted": 1, "rejected": []}))
                self.assertEqual(self.post(front, "of-nobody", seen)[0], 401)
                with urllib.request.urlopen(f"{front.url}/hw.js", timeout=30) as script:
                    self.assertEqual((script.status, script.headers["content-type"].split(";")[0]), (200, "text/javascript"))
            stage.drain()
            query = stage.start("query").wait_until_ready()
            status, ledger = ask(query, "GET", "/api/v1/ledger", API_KEY)
            self.assertEqual((status, ledger["stored"], ledger["duplicates"], ledger["quarantined"]), (200, 8 + 4, 0, 0))
            series = [{"event": "Seen"}, {"event": "Seen", "measure": "unique_persons"}]
            question = {"kind": "trend", "display": "total", "period": {"last": {"value": 2, "unit": "day"}}, "series": series,
                        "filters": [{"property": "city", "op": "is", "value": "São Paulo"}]}
            status, answer = ask(query, "POST", "/api/v1/insights/query", API_KEY, question)
            self.assertEqual(status, 200, answer)
            # Three addresses, one of them twice and by both instances.
            self.assertEqual([series["total"] for series in answer["result"]["series"]], [4, 3])
            objects = self.moto.client("s3").list_objects_v2(Bucket=stage.name, Prefix="config/salts/")["Contents"]
            self.assertEqual([found["Size"] for found in objects], [32] * len(objects))

    def test_an_answer_that_lambda_would_not_carry_is_fetched_by_its_link(self):
        with Stage(self.folder, self.moto, "large-answers", PROJECTS) as stage:
            variables = {"HEADWATER_QUEUE_URL": stage.queue_url, "HEADWATER_SALTS_URL": f"s3://{stage.name}/config/salts"}
            with Front([self.start("collector", 0, stage.name, 512, variables)], "nobody asks for it") as front:
                for number in range(70):
                    event = {"event": "Told", "user_id": f"user-{number}", "properties": {"story": f"{number:06}" * 16_000}}
                    self.assertEqual(self.post(front, WRITE_KEY, event)[0], 200)
            stage.drain()
            query = stage.start("query").wait_until_ready()
            question = {"period": {"last": {"value": 2, "unit": "day"}}, "limit": 100}
            status, found = ask(query, "POST", "/api/v1/events/query", API_KEY, question)
            self.assertEqual((status, found["content_type"], found["expires_seconds"]), (303, "application/json", 900))
            self.assertGreater(found["bytes"], 6_000_000)
            with urllib.request.urlopen(found["location"], timeout=30) as answer:
                events = json.loads(answer.read())["events"]
            stories = sorted(event["properties"]["story"][:6] for event in events)
            self.assertEqual(stories, [f"{number:06}" for number in range(70)])

    def post(self, front, write_key, event):
        headers = {"Authorization": f"Bearer {write_key}", "Content-Type": "application/json", "User-Agent": "one browser"}
        request = urllib.request.Request(f"{front.url}/api/v1/events", json.dumps(event).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def test_the_edge_gets_what_the_bucket_has_and_keeps_it_when_that_is_spoiled(self):
        s3, ssm = self.moto.client("s3"), self.moto.client("ssm")
        s3.create_bucket(Bucket="published", CreateBucketConfiguration={"LocationConstraint": REGION})
        ssm.put_parameter(Name="/headwater/cloudflare", Value="token-1", Type="SecureString")
        text = json.dumps({"version": 1, "projects": PROJECTS}).encode()
        s3.put_object(Bucket="published", Key="config/projects.json", Body=text)
        with Cloudflare("token-1") as edge:
            publisher = self.start("publisher", 0, "published", 128, {
                "HEADWATER_CLOUDFLARE_ACCOUNT": "account-1", "HEADWATER_CLOUDFLARE_NAMESPACE": "namespace-1",
                "HEADWATER_CLOUDFLARE_TOKEN_PARAMETER": "/headwater/cloudflare", "HEADWATER_CLOUDFLARE_URL": edge.url,
            })
            event = {"source": "aws.s3", "detail-type": "Object Created", "detail": {"object": {"key": "config/projects.json"}}}
            self.assertEqual(publisher.call(event), {"changed": True, "projects": 1})
            self.assertEqual(publisher.call({}), {"changed": False, "projects": 1})
            s3.put_object(Bucket="published", Key="config/projects.json", Body=b"{")
            self.assertRaisesRegex(FunctionError, "cannot be used", publisher.call, event)
            path = "/client/v4/accounts/account-1/storage/kv/namespaces/namespace-1/values/projects.json"
            self.assertEqual(edge.values, {path: text})


class Cloudflare:
    """The part of its API that writes and reads values. Ends with its `with`."""

    def __init__(self, token):
        self.values = values = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                value = values.get(self.path)
                self._answer(200, value) if value else self._answer(404, b'{"success": false}')

            def do_PUT(self):
                values[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(200, b'{"success": true}')

            def _answer(self, status, body):
                allowed = self.headers["Authorization"] == f"Bearer {token}"
                self.send_response(status if allowed else 403)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


if __name__ == "__main__":
    unittest.main()
