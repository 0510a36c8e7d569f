"""Signs a recorded request as botocore does and prints the Authorization header it would have.

Reads {"url", "headers", "body"} from standard input.
"""

import datetime
import json
import sys

from botocore import auth, awsrequest, credentials

recorded = json.load(sys.stdin)
headers = recorded["headers"]
when = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")


class Clock(datetime.datetime):
    """The moment at which the recorded request was signed."""

    @classmethod
    def utcnow(cls):
        return when

    @classmethod
    def now(cls, tz=None):
        return when.replace(tzinfo=tz)


auth.datetime = type("module", (), {"datetime": Clock, "timezone": datetime.timezone})
if hasattr(auth, "get_current_datetime"):
    auth.get_current_datetime = lambda remove_tzinfo=True: when

keys = credentials.Credentials(
    "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", headers.get("x-amz-security-token")
)
signed = {name: headers[name] for name in ("content-type", "x-amz-target")}
request = awsrequest.AWSRequest("POST", recorded["url"], signed, recorded["body"].encode())
auth.SigV4Auth(keys, "sqs", "eu-central-1").add_auth(request)
print(request.headers["Authorization"])
