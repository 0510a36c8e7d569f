"""The built Worker in workerd, sending to the queue that was deployed."""
import json
import subprocess
import urllib.request

from terraform import ROOT


def post(url, path, key, body):
    """Sends JSON with a key to a collector; the answer, which must be 200."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


class Edge:
    """Ends with its `with`."""

    def __init__(self, projects, queue_url, variables):
        if not (ROOT / "infra/worker/dist/index.js").is_file():
            raise AssertionError("the Worker is not built: run `make worker` first")
        self._process = subprocess.Popen(
            ["node", str(ROOT / "infra/worker/test/serve.mjs")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        what = {"projects": projects, "queue_url": queue_url, "vars": variables}
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        self.url = json.loads(self._process.stdout.readline())["edge"].rstrip("/")

    def post(self, path, key, body):
        """As the function of this name."""
        return post(self.url, path, key, body)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
