"""moto, the Amazon that somebody else wrote, with what it lacks: python amazon.py PORT

Each patch says what is missing and what would happen without it.
"""
import json
import os
import re
import sys
import traceback
import types
import uuid

# The account in ARNs.
ACCOUNT = "123456789012"


def patch_sqs() -> None:
    """A queue's RedriveAllowPolicy is not kept, its encryption is answered as `True` and not `true`, and its policy is
    forgotten when another attribute is set: Terraform waits for all of them to become what it set, for minutes."""
    from moto.sqs.models import Queue

    names = Queue.BASE_ATTRIBUTES
    if "RedriveAllowPolicy" not in names:
        names.append("RedriveAllowPolicy")
    original = Queue._set_attributes

    def set_attributes(self, attributes, now=None):
        kept = getattr(self, "policy", None)
        attributes = dict(attributes)
        allowed = attributes.pop("RedriveAllowPolicy", None)
        original(self, attributes, now)
        if "Policy" not in attributes:
            self.policy = kept
        if allowed is not None or not hasattr(self, "redrive_allow_policy"):
            self.redrive_allow_policy = allowed or None
        if hasattr(self, "sqs_managed_sse_enabled"):
            self.sqs_managed_sse_enabled = str(self.sqs_managed_sse_enabled).lower()

    Queue._set_attributes = set_attributes


def patch_imports() -> None:
    """moto imports a validator of API descriptions when it sees its first API. Only the older kind of API, which is
    not used here, would call it."""
    name = "openapi_spec_validator"
    for module in [name, f"{name}.validation", f"{name}.validation.exceptions"]:
        sys.modules[module] = types.ModuleType(module)
    sys.modules[name].validate_spec = lambda description: None
    sys.modules[f"{name}.validation.exceptions"].OpenAPIValidationError = ValueError


def patch_tls() -> None:
    """The test talks to moto in the clear, which the policies of bucket and queues rightly deny."""
    from moto.iam.access_control import IAMPolicyStatement, PermissionResult

    original = IAMPolicyStatement.is_action_permitted

    def is_action_permitted(self, *words, **named):
        if self._statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}:
            return PermissionResult.NEUTRAL
        return original(self, *words, **named)

    IAMPolicyStatement.is_action_permitted = is_action_permitted


def patch_event_sources() -> None:
    """A message that is sent would start the function in Docker at once. Here the test calls it, as Lambda would."""
    from moto.sqs.models import Queue

    Queue.lambda_event_source_mappings = property(lambda self: {}, lambda self, mappings: None)


def patch_budgets() -> None:
    """Whom a budget tells and its tags are not answered: Terraform asks again for minutes."""
    from moto.budgets.responses import BudgetsResponse

    tags, create = {}, BudgetsResponse.create_budget

    def create_budget(self):
        tags[self._get_param("Budget")["BudgetName"]] = self._get_param("ResourceTags", [])
        return create(self)

    def describe_subscribers(self):
        budget = self.backend.budgets[self._get_param("AccountId")][self._get_param("BudgetName")]
        wanted = self._get_param("Notification")["NotificationType"]
        subscribers = [told.subscribers for told in budget.notifications if told.details["NotificationType"] == wanted]
        return json.dumps({"Subscribers": [subscriber for told in subscribers for subscriber in told]})

    def list_tags(self):
        return json.dumps({"ResourceTags": tags.get(self._get_param("ResourceARN").split("budget/")[-1], [])})

    BudgetsResponse.create_budget = create_budget
    BudgetsResponse.describe_subscribers_for_notification = describe_subscribers
    BudgetsResponse.list_tags_for_resource = list_tags


def patch_s3() -> None:
    """Removing a version sometimes fails inside moto, and then always for that version, so that the bucket is never
    empty: it is taken out of the list by hand, and the log says why."""
    from moto.core.exceptions import ServiceException
    from moto.s3.models import S3Backend

    original = S3Backend.delete_object

    def delete_object(self, bucket_name, key_name, version_id=None, bypass=False):
        try:
            return original(self, bucket_name, key_name, version_id=version_id, bypass=bypass)
        except ServiceException:
            raise
        except Exception:
            if version_id is None:
                raise
            traceback.print_exc()
        keys = self.get_bucket(bucket_name).keys
        left = [key for key in dict.get(keys, key_name, []) if str(key.version_id) != str(version_id)]
        dict.pop(keys, key_name, None)
        if left:
            dict.__setitem__(keys, key_name, left)
        return True, {"version-id": version_id}

    S3Backend.delete_object = delete_object


def add_cloudfront_policies() -> None:
    """CloudFront's policies are missing. Here each is kept as the XML it was made of, and is answered by its id."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication
    from werkzeug.wrappers import Request, Response

    original = DomainDispatcherApplication.__call__
    kinds = {"cache-policy": "CachePolicy", "origin-request-policy": "OriginRequestPolicy"}
    made = {}

    def call(self, environment, start_response):
        version, _, rest = environment["PATH_INFO"].strip("/").partition("/")
        kind, _, name = rest.partition("/")
        if version != "2020-05-31" or kind not in kinds:
            return original(self, environment, start_response)
        request, element = Request(environment), kinds[kind]
        if request.method == "POST":
            name = str(uuid.uuid4())
            config = re.sub(r"^<\?.*?\?>", "", request.get_data(as_text=True))
            made[name] = f"<{element}><Id>{name}</Id><LastModifiedTime>2026-01-01T00:00:00Z</LastModifiedTime>{config}</{element}>"
        elif request.method == "DELETE":
            del made[name]
            return Response(status=204)(environment, start_response)
        answer = Response(made[name], 201 if request.method == "POST" else 200, {"ETag": "1"}, content_type="text/xml")
        return answer(environment, start_response)

    DomainDispatcherApplication.__call__ = call


def main() -> None:
    os.environ.setdefault("MOTO_ACCOUNT_ID", ACCOUNT)
    patch_imports()
    patch_sqs()
    patch_tls()
    patch_event_sources()
    patch_budgets()
    patch_s3()
    add_cloudfront_policies()
    from moto.server import main as serve

    serve(["-H", "127.0.0.1", "-p", sys.argv[1]])


if __name__ == "__main__":
    main()
