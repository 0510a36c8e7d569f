"""The examples: each can be understood, and production can be made as it is, with programs that do nothing."""
import json
import tempfile
import unittest
import zipfile
from pathlib import Path

import hcl
import terraform
from deployment import REGION, Moto, tell
from runtime_api import credentials

FOLDER = terraform.ROOT / "terraform/examples"
EXAMPLES = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())
# What `terraform plan` may still want to change after `apply`, because moto answers it otherwise than Amazon.
KNOWN_DRIFT = [
    # It leaves out the policies of a behaviour, and the oldest TLS of CloudFront's own certificate.
    "module.collector.aws_cloudfront_distribution.collector[0]: update default_cache_behavior, ordered_cache_behavior, viewer_certificate",
    # It says nothing of a function's log.
    "module.collector.module.function.aws_lambda_function.function[0]: update logging_config",
    "module.compactor.module.function.aws_lambda_function.function[0]: update logging_config",
    # It answers with a space after each comma.
    "module.event_queue.aws_sqs_queue.events[0]: update redrive_policy",
    # It does not say that a bucket tells EventBridge.
    "module.lake.aws_s3_bucket_notification.lake[0]: update eventbridge",
    "module.query.module.function.aws_lambda_function.function[0]: update logging_config",
]


class Examples(unittest.TestCase):
    def test_each_example_can_be_understood_and_asks_for_little(self):
        for example in EXAMPLES:
            with self.subTest(example):
                variables = hcl.blocks(FOLDER / example, "variable")
                asked = [name for name, written in variables.items() if "default" not in written]
                self.assertLessEqual(len(asked), 5, asked)
                for name, written in {**variables, **hcl.blocks(FOLDER / example, "output")}.items():
                    self.assertIn("description", written, name)
                if lacks := terraform.missing() or ", ".join(terraform.lacks(FOLDER / example)):
                    tell(f"NOT TESTED: whether terraform understands the example {example}, because this machine lacks {lacks}.")
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    terraform.Terraform(terraform.copy_to(Path(folder)), f"examples/{example}").run("validate")

    def test_production_is_made_whole_and_nothing_is_left_to_change(self):
        if lacks := terraform.missing():
            tell(f"NOT TESTED: the example production, because this machine lacks {lacks}.")
            self.skipTest("no terraform: said above")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for package in ["collector", "compactor", "query"]:
                with zipfile.ZipFile(folder / f"{package}.zip", "w") as packed:
                    packed.writestr("bootstrap", "#!/bin/sh\n")
            moto = Moto(folder)
            self.addCleanup(moto.stop)
            example = terraform.Terraform(terraform.copy_to(folder), "examples/production", credentials(moto.endpoint, REGION))
            variables = {"region": REGION, "packages_folder": name, "on_call": ["on-call@example.com"]}
            (example.folder / "terraform.tfvars.json").write_text(json.dumps(variables))
            example.run("apply", "-input=false", "-auto-approve")
            self.assertEqual(example.changes(), KNOWN_DRIFT)
            self.look_at(moto, example.outputs())
            # The bucket's key cannot be destroyed by mistake, nor anything with it.
            refused = example.run("destroy", "-input=false", "-auto-approve", accept=(1,))
            self.assertIn("prevent_destroy", refused)

    def look_at(self, moto, outputs):
        """What has to fit together across modules."""
        functions = moto.client("lambda")
        environment = functions.get_function(FunctionName=outputs["functions"]["collector"])["Configuration"]["Environment"]
        (distribution,) = moto.client("cloudfront").list_distributions()["DistributionList"]["Items"]
        (origin,) = distribution["Origins"]["Items"]
        (header,) = origin["CustomHeaders"]["Items"]
        self.assertEqual(header["HeaderName"], "x-headwater-origin")
        self.assertEqual(header["HeaderValue"], environment["Variables"]["HEADWATER_ORIGIN_SECRET"])
        (topic,) = moto.client("sns").list_topics()["Topics"]
        alarms = moto.client("cloudwatch").describe_alarms()["MetricAlarms"]
        self.assertEqual(len(alarms), 8)
        for alarm in alarms:
            self.assertEqual(alarm["AlarmActions"], [topic["TopicArn"]], alarm["AlarmName"])
        key = moto.client("kms").describe_key(KeyId="alias/headwater")["KeyMetadata"]["Arn"]
        sqs = moto.client("sqs")
        for queue in outputs["queue_urls"].values():
            attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["KmsMasterKeyId"])["Attributes"]
            self.assertEqual(attributes, {"KmsMasterKeyId": key})
        projects = moto.client("s3").get_object(Bucket=outputs["bucket"], Key="config/projects.json")
        self.assertEqual((len(json.load(projects["Body"])["projects"]), projects["SSEKMSKeyId"]), (2, key))
        events = moto.client("glue").get_table(DatabaseName="headwater_shop", Name="events")["Table"]
        place = f"s3://{outputs['bucket']}/lake/projects/shop/events/"
        self.assertEqual((events["StorageDescriptor"]["Location"], events["Parameters"]["table_type"]), (place, "DELTA"))


if __name__ == "__main__":
    unittest.main()
