"""CloudFront and the HTTPS address of a function: an HTTP server whose requests become calls."""
import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Front:
    """In front of instances of one function, which take turns. Ends with its `with`."""

    def __init__(self, functions, secret):
        self._functions, self._secret, self._turn = functions, secret, 0
        self._one_at_a_time = threading.Lock()
        # Where CloudFront sees the visitor.
        self.visitor = "198.51.100.7:46532"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _call(self, method, target, headers, body):
        path, _, query = target.partition("?")
        headers = {name.lower(): value for name, value in headers.items()}
        headers |= {
            "x-headwater-origin": self._secret, "cloudfront-viewer-address": self.visitor,
            "cloudfront-viewer-country": "BR", "cloudfront-viewer-city": "S%C3%A3o Paulo",
        }
        with self._one_at_a_time:
            function = self._functions[self._turn % len(self._functions)]
            self._turn += 1
            return function.call({
                "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
                "requestContext": {
                    "accountId": "anonymous", "apiId": "id", "domainName": "id.lambda-url.test", "domainPrefix": "id",
                    "requestId": "1", "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000",
                    "timeEpoch": 0,
                    "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": ""},
                },
                "body": base64.b64encode(body).decode(), "isBase64Encoded": True,
            })

    def _handler(front):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = front._call(self.command, self.path, self.headers, body)
                text = answer.get("body") or ""
                text = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
                self.send_response(answer["statusCode"])
                for name, value in answer["headers"].items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_OPTIONS = _pass_on

            def log_message(self, *_):
                pass

        return Handler

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
