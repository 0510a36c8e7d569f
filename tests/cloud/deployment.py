"""examples/minimal in moto: by Terraform, or, where there is none on this machine, made by hand from the same values."""
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import boto3

import terraform
from faults import Day
from proxy import Proxy
from runtime_api import Function, credentials

REGION = "eu-central-1"
NAME = "headwater"
FUNCTIONS = ["collector", "compactor", "query"]
# Where the functions are that were built for this machine.
BUILT = Path(os.environ.get("HEADWATER_LAMBDA_FOLDER")
             or Path(os.environ.get("CARGO_TARGET_DIR", terraform.ROOT / "target")) / "debug")


def built(name) -> Path:
    """The program of a function."""
    program = BUILT / f"{name}-function"
    if not program.is_file():
        raise AssertionError(f"{program} is not there: run `make build-lambdas` first")
    return program


class Moto:
    """A running moto."""

    def __init__(self, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        self._log = (folder / "moto.log").open("wb")
        program = [sys.executable, str(Path(__file__).parent / "amazon.py"), str(port)]
        self._process = subprocess.Popen(program, stdout=self._log, stderr=self._log)
        started = time.monotonic()
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() - started > 60:
                    raise AssertionError((folder / "moto.log").read_text()) from None
                time.sleep(0.1)

    def client(self, service):
        """A client of one of its services."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name=REGION, endpoint_url=self.endpoint, **keys)

    def stop(self):
        self._process.kill()
        self._process.wait()
        self._log.close()
        # Where moto itself failed, its client only sees a 500. The folder may be gone already.
        log = Path(self._log.name)
        text = log.read_text(errors="replace") if log.exists() else ""
        if "Traceback" in text:
            tell("moto failed:\n" + text[text.rindex("Traceback"):][:20_000])


class Deployment:
    """What `terraform apply` made, and the functions started from it."""

    def __init__(self, folder: Path, moto: Moto, projects):
        self.folder, self.moto = folder, moto
        self.terraform = None
        self._running = []
        # S3 and SQS on a bad day, for all functions.
        self.day = Day(1, refused=0.1, lost=0.7, deleted_in_part=0.3)
        self._proxy = Proxy(moto.endpoint, self.day)
        projects_file = folder / "projects.json"
        projects_file.write_text(json.dumps({"version": 1, "projects": projects}))
        packages = folder / "packages"
        packages.mkdir()
        for name in FUNCTIONS:
            self._package(name, packages)
        lacks = terraform.missing()
        if lacks is None:
            self._apply(projects_file, packages)
        else:
            tell(f"NOT TESTED: terraform apply, plan and destroy, because this machine lacks {lacks}.\n"
                 "The functions are tested on resources that the test itself makes.")
            self._make(projects_file, packages)

    def _package(self, name, packages):
        program = self.folder / f"{name}-bootstrap"
        strip = shutil.which("strip")
        subprocess.run([strip, "-o", program, built(name)] if strip else ["cp", built(name), program], check=True)
        with zipfile.ZipFile(packages / f"{name}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
            package.write(program, "bootstrap")
        program.unlink()

    def _apply(self, projects_file, packages):
        environment = credentials(self.moto.endpoint, REGION)
        self.terraform = terraform.Terraform(terraform.copy_to(self.folder), "examples/minimal", environment)
        variables = {
            "region": REGION, "name": NAME, "projects_file": str(projects_file),
            "packages_folder": str(packages), "architecture": "x86_64",
        }
        (self.terraform.folder / "terraform.tfvars.json").write_text(json.dumps(variables))
        self.terraform.run("apply", "-input=false", "-auto-approve")
        outputs = self.terraform.outputs()
        self.queue_url, self.bucket = outputs["queue_url"], outputs["bucket"]
        self.names = outputs["functions"]
        scheduler = self.moto.client("scheduler")
        schedule = scheduler.get_schedule(Name=f"{NAME}-compactor-maintain")
        self.maintain = json.loads(schedule["Target"]["Input"])
        functions = self.moto.client("lambda")
        (self.mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
        self._configurations = {
            name: functions.get_function(FunctionName=self.names[name])["Configuration"] for name in FUNCTIONS
        }

    def _make(self, projects_file, packages):
        sqs, s3 = self.moto.client("sqs"), self.moto.client("s3")
        self.bucket, self.names = f"{NAME}-by-hand", {name: f"{NAME}-{name}" for name in FUNCTIONS}
        self.queue_url = sqs.create_queue(QueueName=f"{NAME}-events", Attributes={"VisibilityTimeout": "720"})["QueueUrl"]
        s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.upload_file(str(projects_file), self.bucket, "config/projects.json")
        for name in FUNCTIONS:
            s3.upload_file(str(packages / f"{name}.zip"), self.bucket, f"packages/{name}.zip")
        self.maintain = {"job": "maintain"}
        self.mapping = {"BatchSize": 1000, "FunctionResponseTypes": ["ReportBatchItemFailures"]}
        variables = {
            "HEADWATER_LAKE_URL": f"s3://{self.bucket}/lake",
            "HEADWATER_PROJECTS_URL": f"s3://{self.bucket}/config/projects.json",
            "HEADWATER_QUEUE_URL": self.queue_url,
            "HEADWATER_LOOK_BACK_DAYS": "14",
            "HEADWATER_FURTHER_RECEIVES": "true",
            "HEADWATER_SALTS_URL": f"s3://{self.bucket}/config/salts",
            "HEADWATER_ORIGIN_SECRET": "of-the-test",
        }
        self._configurations = {
            name: {"MemorySize": memory, "Timeout": seconds, "Environment": {
                "Variables": {**variables, "HEADWATER_TIME_LIMIT_SECONDS": str(seconds)}}}
            for name, memory, seconds in [("collector", 512, 20), ("compactor", 1024, 120), ("query", 3008, 30)]
        }

    @property
    def origin_secret(self) -> str:
        """What CloudFront proves itself to the collector by."""
        return self._configurations["collector"]["Environment"]["Variables"]["HEADWATER_ORIGIN_SECRET"]

    def start(self, name) -> Function:
        """Starts a function from the zip, the environment, the memory and the time limit that were deployed."""
        program = self.folder / f"{name}-deployed" / "bootstrap"
        if not program.is_file():
            package = self.folder / f"{name}-deployed.zip"
            self.moto.client("s3").download_file(self.bucket, f"packages/{name}.zip", str(package))
            zipfile.ZipFile(package).extract("bootstrap", program.parent)
            program.chmod(0o755)
        configuration = self._configurations[name]
        variables = {**credentials(self._proxy.endpoint, REGION), **configuration["Environment"]["Variables"]}
        log = self.folder / f"{name}-{len(self._running)}.log"
        function = Function(
            self.names[name], str(program), variables, configuration["MemorySize"], configuration["Timeout"], log)
        self._running.append(function)
        return function.wait_until_ready()

    def stop(self):
        for function in self._running:
            function.stop()
        self._proxy.stop()


def tell(text):
    """Says something that must not be missed."""
    line = "=" * 100
    print(f"\n{line}\n{text}\n{line}", file=sys.stderr, flush=True)
