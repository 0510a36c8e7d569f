"""Terraform on a copy of `terraform/`, with the provider that is on this machine and no network."""
import functools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROVIDER = "registry.terraform.io/hashicorp/aws"
# Where a folder of providers may lie, in Terraform's own layout (`terraform providers mirror`).
PLACES = ["/opt", "/usr/local", "/usr/share", "/usr/lib", "/var/lib", str(Path.home())]


def missing() -> str | None:
    """What is not on this machine; `None` if everything is."""
    if shutil.which("terraform") is None:
        return "the command terraform (1.9 or newer)"
    if mirror() is None:
        return f"a folder with the provider {PROVIDER} (HEADWATER_TERRAFORM_PLUGINS names it)"
    return None


@functools.cache
def mirror() -> str | None:
    """The folder that has the provider: the one that the environment names, or the first that is found by its name."""
    if named := os.environ.get("HEADWATER_TERRAFORM_PLUGINS"):
        return named if any(Path(named, PROVIDER).glob("*")) else None
    places = [place for place in PLACES if Path(place).is_dir()]
    words = ["-maxdepth", "9", "-name", "terraform-provider-aws_*", "-not", "-type", "d"]
    found = subprocess.run(["find", *places, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for path in map(Path, sorted(found.stdout.splitlines())):
        folder = next((parent for parent in path.parents if (parent / PROVIDER) in path.parents), None)
        if folder is not None:
            return str(folder)
    return None


def providers(folder: Path) -> set[str]:
    """The providers that a module asks for, such as `hashicorp/aws`."""
    return set(re.findall(r'source += "([^"]+)"', (folder / "versions.tf").read_text()))


def lacks(folder: Path) -> set[str]:
    """Those of them that are not on this machine."""
    return {name for name in providers(folder) if not any(Path(mirror(), "registry.terraform.io", name).glob("*"))}


class Terraform:
    """One folder with configuration."""

    def __init__(self, copy: Path, folder: str, environment: dict | None = None):
        self.folder = copy / folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
            "TF_IN_AUTOMATION": "1",
            **(environment or {}),
        }
        self.run("init", "-input=false", "-backend=false", f"-plugin-dir={mirror() or self.folder}")

    def run(self, command: str, *words: str, accept=(0,)) -> str:
        """Runs a command; its output."""
        done = subprocess.run(
            ["terraform", command, "-no-color", *words],
            cwd=self.folder, env=self.environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
        )
        if done.returncode not in accept:
            raise AssertionError(f"terraform {command} in {self.folder.name}:\n{done.stdout}")
        return done.stdout

    def outputs(self) -> dict:
        """The outputs after `apply`."""
        return {name: output["value"] for name, output in json.loads(self.run("output", "-json")).items()}

    def changes(self) -> list[str]:
        """What a further `apply` would change: address, what it would do, and to which attributes."""
        plan = str(self.folder / "plan")
        self.run("plan", "-input=false", f"-out={plan}")
        found = json.loads(self.run("show", "-json", plan))["resource_changes"]

        def described(address, change):
            before, after = change["before"] or {}, change["after"] or {}
            names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
            return f"{address}: {'/'.join(change['actions'])} {', '.join(names)}"

        return sorted(
            described(change["address"], change["change"])
            for change in found if change["change"]["actions"] not in (["no-op"], ["read"])
        )


def copy_to(folder: Path) -> Path:
    """A copy of `terraform/`, so that nothing is written into the tree."""
    ignored = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*")
    return Path(shutil.copytree(ROOT / "terraform", folder / "terraform", ignore=ignored))
