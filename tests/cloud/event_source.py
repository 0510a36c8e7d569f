"""Lambda's event source mapping for SQS: receives messages, calls the function, deletes what did not fail."""
from botocore.exceptions import ClientError

# What is said of a receipt whose message is deleted, or to be seen already.
DONE = ["ReceiptHandleIsInvalid", "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", "InvalidParameterValue"]



class EventSource:
    """One mapping, as it was deployed."""

    def __init__(self, sqs, queue_url, mapping):
        self.sqs, self.queue_url = sqs, queue_url
        self.batch_size = mapping["BatchSize"]
        self.partial = "ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", [])

    def receive(self, most=None):
        """Up to a batch of messages, hidden for as long as the queue says."""
        most = min(most or self.batch_size, self.batch_size)
        messages = []
        while len(messages) < most:
            found = self.sqs.receive_message(
                QueueUrl=self.queue_url, MaxNumberOfMessages=min(10, most - len(messages)),
                MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"], WaitTimeSeconds=0,
            ).get("Messages", [])
            if not found:
                break
            messages += found
        return messages

    def finish(self, messages, answer):
        """Acts on a function's answer; how many messages come again."""
        failures = [failure["itemIdentifier"] for failure in (answer or {}).get("batchItemFailures", [])]
        if failures and not self.partial:
            failures = [message["MessageId"] for message in messages]
        done = [message for message in messages if message["MessageId"] not in failures]
        for start in range(0, len(done), 10):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(done[start:start + 10])
            ]
            self.sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)
        return len(failures)

    def give_back(self, messages):
        """What time does to messages that are not done: they are seen again."""
        for message in messages:
            receipt = message["ReceiptHandle"]
            try:
                self.sqs.change_message_visibility(QueueUrl=self.queue_url, ReceiptHandle=receipt, VisibilityTimeout=0)
            except ClientError as error:
                if error.response["Error"]["Code"] not in DONE:
                    raise


def event(messages):
    """The payload of a call."""
    def record(message):
        attributes = {
            name: {"stringValue": value["StringValue"], "dataType": value["DataType"],
                   "stringListValues": [], "binaryListValues": []}
            for name, value in message.get("MessageAttributes", {}).items()
        }
        return {
            "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
            "attributes": message.get("Attributes", {}), "messageAttributes": attributes,
            "md5OfBody": message["MD5OfBody"], "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:local:0:events", "awsRegion": "local",
        }

    return {"Records": [record(message) for message in messages]}
