"""A bucket, a queue with its dead letters and functions between them, made in a moment: what each bad day happens to."""
import json
import threading
import time
from pathlib import Path

from deployment import REGION, built
from event_source import EventSource, event
from proxy import GOOD, Proxy
from runtime_api import Function, FunctionError, credentials

# Most deliveries of a message: the least that terraform/modules/event-queue takes.
MOST_RECEIVES = 20
# So few that functions fetch most of them by themselves, and must delete them by themselves.
MAPPING = {"BatchSize": 3, "FunctionResponseTypes": ["ReportBatchItemFailures"]}
# How long a drain may take on a bad day. It fails then.
PATIENCE_SECONDS = 120


def good(call):
    """The fate of a function to which nothing happens."""
    return GOOD


class Stage:
    """Ends with its `with`."""

    def __init__(self, folder: Path, moto, name, projects):
        self.folder, self.moto, self.name = folder / name, moto, name
        self.folder.mkdir()
        self.sqs, s3 = moto.client("sqs"), moto.client("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        text = json.dumps({"version": 1, "projects": projects})
        s3.put_object(Bucket=name, Key="config/projects.json", Body=text.encode())
        self.dead_url = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        dead = self.sqs.get_queue_attributes(QueueUrl=self.dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": MOST_RECEIVES})
        attributes = {"VisibilityTimeout": "720", "RedrivePolicy": policy}
        self.queue_url = self.sqs.create_queue(QueueName=f"{name}-events", Attributes=attributes)["QueueUrl"]
        self.variables = {
            "HEADWATER_LAKE_URL": f"s3://{name}/lake",
            "HEADWATER_PROJECTS_URL": f"s3://{name}/config/projects.json",
            "HEADWATER_SALTS_URL": f"s3://{name}/salts",
            "HEADWATER_QUEUE_URL": self.queue_url,
            "HEADWATER_LOOK_BACK_DAYS": "14",
            "HEADWATER_FURTHER_RECEIVES": "true",
        }
        # Calls of functions that ended without an answer, or with an error.
        self.failed_calls = []
        self._functions = []

    def start(self, name, fate=good, time_limit=120) -> Function:
        """Starts a function behind a proxy of its own."""
        proxy = Proxy(self.moto.endpoint, fate)
        variables = {
            **credentials(proxy.endpoint, REGION), **self.variables, "HEADWATER_TIME_LIMIT_SECONDS": str(time_limit),
        }
        log = self.folder / f"{name}-{len(self._functions)}.log"
        function = Function(f"{self.name}-{name}", str(built(name)), variables, 1024, time_limit, log)
        function.proxy, proxy.kill = proxy, function.kill
        self._functions.append(function)
        return function

    def send(self, messages):
        """Puts messages into the queue, as a collector sent them."""
        for start in range(0, len(messages), 10):
            entries = [{"Id": str(place), **message} for place, message in enumerate(messages[start:start + 10])]
            answer = self.sqs.send_message_batch(QueueUrl=self.queue_url, Entries=entries)
            assert len(answer["Successful"]) == len(entries), answer

    def put_back_dead_letters(self):
        """What `aws sqs start-message-move-task` does, which moto does not know."""
        while found := self.sqs.receive_message(
            QueueUrl=self.dead_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", []):
            self.send([copy_of(message) for message in found])
            for message in found:
                self.sqs.delete_message(QueueUrl=self.dead_url, ReceiptHandle=message["ReceiptHandle"])

    def depth(self, queue_url) -> int:
        """How many messages a queue has, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return sum(int(number) for number in found.values())

    def drain(self, fates=(good, good), **how):
        """Calls functions with what is in the queue, as many at a time as there are fates, until nothing is in it."""
        end = time.monotonic() + PATIENCE_SECONDS
        drains = [Drain(self, fate, end, **how) for fate in fates]
        for drain in drains:
            drain.start()
        for drain in drains:
            drain.join()
        for drain in drains:
            if drain.error:
                raise drain.error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for function in self._functions:
            function.stop()
            function.proxy.stop()


def copy_of(message):
    """A received message as it was sent."""
    return {"MessageBody": message["Body"], "MessageAttributes": message["MessageAttributes"]}


class Drain(threading.Thread):
    """One of the callers of the event source. A function that ended is followed by another one with the same fate."""

    def __init__(self, stage, fate, end, time_limit=120, again=False):
        super().__init__()
        self.stage, self.fate, self.end = stage, fate, end
        self.time_limit = time_limit
        # Whether half of the messages come once more while they are worked on, as SQS may deliver them.
        self.again = again
        self.error = None
        self._function = None
        self._source = EventSource(stage.sqs, stage.queue_url, MAPPING)

    def run(self):
        try:
            while self.stage.depth(self.stage.queue_url):
                if time.monotonic() > self.end:
                    raise AssertionError(f"{self.stage.name}: messages are left after {PATIENCE_SECONDS} s")
                if brought := self._source.receive():
                    self._call(brought)
                else:
                    time.sleep(0.05)
        except BaseException as error:
            self.error = error

    def _call(self, brought):
        if self.again:
            self._source.give_back(brought[::2])
        if self._function is None or not self._function.lives():
            self._function = self.stage.start("compactor", self.fate, self.time_limit)
        proxy = self._function.proxy
        try:
            answer = self._function.wait_until_ready().call(event(brought))
            self._source.finish(brought, answer)
        except FunctionError as error:
            self.stage.failed_calls.append(str(error))
        # Time passes: what is not done is seen again.
        receipts, proxy.receipts = proxy.receipts, []
        self._source.give_back([*brought, *({"ReceiptHandle": receipt} for receipt in receipts)])
