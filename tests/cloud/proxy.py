"""A proxy before moto: notes each call with its time, and does to it what Amazon does on a bad day."""
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# moto looks and then writes, so that two conditional puts at a time would both be done. S3 does them one by one.
ONE_PUT = threading.Lock()


@dataclass
class Call:
    """One call, in the words of its service."""

    # How many came before it, and itself.
    number: int
    # Such as `s3` or `sqs`.
    service: str
    # `GetObject`, `PutObject`, `ListObjects`, ...; of SQS its own name of the action.
    action: str
    # Of an object.
    path: str
    body: bytes
    started: float
    ended: float = 0.0
    # What was answered; 0 for nothing.
    status: int = 0


@dataclass
class Fate:
    """What becomes of a call."""

    # Seconds until it reaches the service.
    delay: float = 0.0
    # Answered with this error and not done at all: status and code.
    refuse: tuple[int, str] | None = None
    # Done, but the connection breaks before the answer.
    lose: bool = False
    # The caller is killed: before the call is done, or after it and before the answer.
    kill: str | None = None
    # Of a call for several messages the entries at odd places are not done, and named as failed.
    half: bool = False
    # Answers that are given again without asking, for a store whose own time is not to be measured.
    answers: dict | None = None


GOOD = Fate()


class Server(ThreadingHTTPServer):
    """Takes as many connections at a time as somebody makes who reads a whole log at once."""

    daemon_threads = True
    request_queue_size = 512


@dataclass
class Proxy:
    """Ends with `stop`."""

    # What it stands before, such as `http://127.0.0.1:5000`.
    upstream: str
    # Decides what becomes of a call.
    fate: object = lambda call: GOOD
    # Kills the caller.
    kill: object = None
    calls: list[Call] = field(default_factory=list)
    # Receipts of the messages that were given out through it, even if the answer was lost.
    receipts: list[str] = field(default_factory=list)

    def __post_init__(self):
        self._numbers = 0
        self._lock = threading.Lock()
        self._server = Server(("127.0.0.1", 0), handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def begin(self, method, target, headers, body) -> Call:
        with self._lock:
            self._numbers += 1
            number = self._numbers
        service, action = named(method, target, headers)
        return Call(number, service, action, urlsplit(target).path, body, time.monotonic())

    def end(self, call, status):
        call.ended, call.status = time.monotonic(), status
        with self._lock:
            self.calls.append(call)

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


def named(method, target, headers):
    """Service and action of a request."""
    if target_of := headers.get("X-Amz-Target"):
        service, _, action = target_of.partition(".")
        return service.removeprefix("Amazon").lower(), action
    query = parse_qs(urlsplit(target).query, keep_blank_values=True)
    if method == "GET" and "list-type" in query:
        return "s3", "ListObjects"
    if method == "POST" and "delete" in query:
        return "s3", "DeleteObjects"
    return "s3", method.capitalize() + "Object"


def refusal(call, status, code):
    """An error as the service writes it."""
    if call.service == "sqs":
        return json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": "on a bad day"}).encode()
    return f"<Error><Code>{code}</Code><Message>On a bad day.</Message></Error>".encode()


def without_half(body):
    """A call for several messages without the entries at odd places, and those."""
    asked = json.loads(body)
    kept, left_out = asked["Entries"][::2], asked["Entries"][1::2]
    return json.dumps({**asked, "Entries": kept}).encode(), left_out


def with_failures(answer, left_out):
    """Its answer, with those named as failed."""
    told = json.loads(answer)
    failed = [{"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"} for entry in left_out]
    return json.dumps({**told, "Failed": told.get("Failed", []) + failed}).encode()


def handler(proxy):
    upstream = urlsplit(proxy.upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Otherwise the body of an answer waits for the acknowledgement of its head, 40 ms.
        disable_nagle_algorithm = True

        def setup(self):
            super().setup()
            self._service = HTTPConnection(upstream, timeout=60)

        def finish(self):
            self._service.close()
            super().finish()

        def _pass(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            call = proxy.begin(self.command, self.path, self.headers, body)
            fate = proxy.fate(call)
            time.sleep(fate.delay)
            if fate.refuse:
                return self._answer(call, fate.refuse[0], [], refusal(call, *fate.refuse))
            if fate.kill == "before":
                return self._break(call, kill=True)
            asked = (self.command, self.path, self.headers.get("Range"))
            if fate.answers and asked in fate.answers:
                return self._answer(call, *fate.answers[asked])
            left_out = []
            if fate.half:
                body, left_out = without_half(body)
            status, headers, answer = self._done(call, body)
            if left_out and status == 200:
                answer = with_failures(answer, left_out)
            if call.action == "ReceiveMessage" and status == 200:
                proxy.receipts += [message["ReceiptHandle"] for message in json.loads(answer).get("Messages", [])]
            if fate.lose or fate.kill:
                return self._break(call, kill=bool(fate.kill))
            if fate.answers is not None and self.command == "GET":
                fate.answers[asked] = status, headers, answer
            self._answer(call, status, headers, answer)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

        def _done(self, call, body):
            headers = dict(self.headers.items())
            headers["Content-Length"] = str(len(body))
            if "If-None-Match" in self.headers and call.action == "PutObject":
                with ONE_PUT:
                    return self._exchange(body, headers)
            return self._exchange(body, headers)

        def _exchange(self, body, headers):
            self._service.request(self.command, self.path, body, headers)
            answer = self._service.getresponse()
            return answer.status, answer.getheaders(), answer.read()

        def _answer(self, call, status, headers, body):
            proxy.end(call, status)
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            # Of a HEAD it is the length of what is not sent.
            told = next((value for name, value in headers if name.lower() == "content-length"), None)
            self.send_header("Content-Length", told if self.command == "HEAD" and told else str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _break(self, call, kill):
            if kill:
                proxy.kill()
            proxy.end(call, 0)
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def handle(self):
            try:
                super().handle()
            except (ConnectionError, ValueError):
                # The caller was killed, or what is left of a broken connection.
                pass

        def log_message(self, *_):
            pass

    return Handler
