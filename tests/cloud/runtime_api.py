"""Lambda's side of a function: the Runtime API on a port of its own, and the program that `bootstrap` is.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""
import json
import os
import queue
import subprocess
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = "/2018-06-01/runtime/"
# How long a program may take until it asks for its first call.
START_SECONDS = 60


class FunctionError(Exception):
    """The function answered with an error, ended, or took longer than its time limit."""


class Call:
    """One call, from its payload to what became of it."""

    def __init__(self, payload, seconds):
        self.id = str(uuid.uuid4())
        self.payload = json.dumps(payload).encode()
        self.seconds = seconds
        self.result = queue.Queue()


class Function:
    """A deployed function, started as Lambda starts it: one environment, one call at a time."""

    def __init__(self, name, program, variables, memory_mb, time_limit_seconds, log: Path):
        self.name, self.time_limit = name, time_limit_seconds
        self._calls, self._open = queue.Queue(), {}
        self._asked = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        # A program that is killed breaks its connections.
        self._server.handle_error = lambda request, client: None
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._log = log.open("ab")
        self.log = log
        address = f"127.0.0.1:{self._server.server_port}"
        environment = {
            **variables,
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
        }
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [program], env=environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        self.cold_start_seconds = None

    def wait_until_ready(self):
        """Until it asks for its first call."""
        while not self._asked.wait(0.02):
            if self._process.poll() is not None or time.monotonic() - self._started > START_SECONDS:
                self.stop()
                raise FunctionError(f"{self.name} does not start: {self.log.read_text()[-4000:]}")
        self.cold_start_seconds = time.monotonic() - self._started
        return self

    def begin(self, payload) -> Call:
        """Calls it; the answer is waited for with `end`."""
        call = Call(payload, self.time_limit)
        self._calls.put(call)
        return call

    def end(self, call):
        """What the function answers."""
        waited = time.monotonic()
        while True:
            try:
                kind, body = call.result.get(timeout=0.1)
                break
            except queue.Empty:
                if self._process.poll() is not None:
                    raise FunctionError(f"{self.name} ended: {self.log.read_text()[-4000:]}") from None
                if time.monotonic() - waited > self.time_limit:
                    self.stop()
                    raise FunctionError(f"{self.name} took longer than {self.time_limit} s") from None
        answer = json.loads(body) if body else None
        if kind != "response":
            raise FunctionError(f"{self.name} failed: {answer}")
        return answer

    def call(self, payload):
        """Calls it and waits for the answer."""
        return self.end(self.begin(payload))

    def lives(self) -> bool:
        """Whether the program runs."""
        return self._process.poll() is None

    def cpu_seconds(self) -> float:
        """The processor's time that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> int:
        """The most memory that it had at any time."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) // 1024

    def kill(self) -> None:
        """Ends the program as Lambda does at the time limit: with no warning. Whoever waits for an answer is told."""
        self._process.kill()

    def stop(self) -> None:
        """Ends it, and all that belongs to it."""
        if self._log.closed:
            return
        self._process.kill()
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()
        self._log.close()

    def _handler(function):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Otherwise the body of an answer waits for the acknowledgement of its head, 40 ms.
            disable_nagle_algorithm = True

            def do_GET(self):
                if self.path != VERSION + "invocation/next":
                    return self._answer(404)
                function._asked.set()
                call = function._calls.get()
                function._open[call.id] = call
                deadline = int((time.time() + call.seconds) * 1000)
                self._answer(200, call.payload, {
                    "Lambda-Runtime-Aws-Request-Id": call.id,
                    "Lambda-Runtime-Deadline-Ms": str(deadline),
                    "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:local:0:function:{function.name}",
                })

            def do_POST(self):
                body = self._body()
                parts = self.path.removeprefix(VERSION).split("/")
                if parts[0] == "init":
                    return self._answer(202)
                call = function._open.pop(parts[1], None)
                if call is None:
                    return self._answer(400)
                call.result.put((parts[2], body))
                self._answer(202)

            def _body(self):
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return body

            def _answer(self, status, body=b"", headers=None):
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler


def credentials(endpoint: str, region: str) -> dict:
    """What Lambda puts into each function's environment, and where Amazon is."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "PATH": os.environ["PATH"],
    }
