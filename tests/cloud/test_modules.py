"""Each Terraform module against its own tests, on a provider that makes nothing."""
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import terraform
from deployment import tell

MODULES = sorted(folder.name for folder in (terraform.ROOT / "terraform/modules").iterdir() if folder.is_dir())


class Modules(unittest.TestCase):
    def test_each_module_passes_its_tests_and_is_formatted(self):
        if lacks := terraform.missing():
            tell(f"NOT TESTED: the Terraform modules, because this machine lacks {lacks}.")
            self.skipTest("no terraform: said above")
        with tempfile.TemporaryDirectory() as folder:
            copy = terraform.copy_to(Path(folder))

            def check(module):
                configuration = terraform.Terraform(copy, f"modules/{module}")
                configuration.run("fmt", "-check", "-diff")
                configuration.run("validate")
                return configuration.run("test")

            with ThreadPoolExecutor(2) as pool:
                for module, output in zip(MODULES, pool.map(check, MODULES)):
                    with self.subTest(module):
                        self.assertRegex(output, r"Success! [1-9]\d* passed, 0 failed")

    def test_a_module_has_a_readme_that_names_each_variable_and_output_and_no_provider_block(self):
        for module in MODULES:
            folder = terraform.ROOT / "terraform/modules" / module
            readme = (folder / "README.md").read_text()
            for kind in ["variable", "output"]:
                for line in (folder / f"{kind}s.tf").read_text().splitlines():
                    if line.startswith(f'{kind} "'):
                        name = line.split('"')[1]
                        self.assertIn(f"| `{name}` |", readme, f"{module}: {kind} {name}")
            for file in folder.glob("*.tf"):
                self.assertNotRegex(file.read_text(), r'(?m)^provider "', str(file))


if __name__ == "__main__":
    unittest.main()
