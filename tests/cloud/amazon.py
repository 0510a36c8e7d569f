"""moto, the Amazon that somebody else wrote, with what it lacks: python amazon.py PORT

Each patch says what is missing and what would happen without it.
"""
import os
import sys
import types

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


def main() -> None:
    os.environ.setdefault("MOTO_ACCOUNT_ID", ACCOUNT)
    patch_imports()
    patch_sqs()
    patch_tls()
    patch_event_sources()
    from moto.server import main as serve

    serve(["-H", "127.0.0.1", "-p", sys.argv[1]])


if __name__ == "__main__":
    main()
