"""Each Terraform module against its own tests, on a provider that makes nothing, and against its readme."""
import json
import os
import re
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hcl
import terraform
from deployment import tell

FOLDER = terraform.ROOT / "terraform/modules"
MODULES = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())


class Modules(unittest.TestCase):
    def test_each_module_passes_its_tests_and_is_formatted(self):
        if lacks := terraform.missing():
            tell(f"NOT TESTED: the Terraform modules, because this machine lacks {lacks}.")
            self.skipTest("no terraform: said above")
        with tempfile.TemporaryDirectory() as folder:
            copy = terraform.copy_to(Path(folder))
            # It also refuses what cannot be parsed, and needs no provider for that.
            formatted = ["terraform", "fmt", "-check", "-diff", "-recursive", str(copy)]
            self.assertEqual(subprocess.run(formatted, capture_output=True, text=True).stdout, "")
            modules = [module for module in MODULES if not terraform.lacks(FOLDER / module)]
            for module in set(MODULES) - set(modules):
                tell(f"NOT TESTED: the Terraform module {module}, because this machine lacks the provider "
                     f"{', '.join(terraform.lacks(FOLDER / module))}.\nOnly its format and its variables are checked.")

            def check(module):
                configuration = terraform.Terraform(copy, f"modules/{module}")
                configuration.run("validate")
                return configuration.run("test")

            with ThreadPoolExecutor(2) as pool:
                for module, output in zip(modules, pool.map(check, modules)):
                    with self.subTest(module):
                        self.assertRegex(output, r"Success! [1-9]\d* passed, 0 failed")

    def test_a_readme_names_the_inputs_and_outputs_as_the_module_has_them(self):
        for module in MODULES:
            with self.subTest(module):
                readme = FOLDER / module / "README.md"
                written = readme.read_text()
                expected = written[:written.index("## Inputs")] + hcl.reference(FOLDER / module)
                if os.environ.get("UPDATE"):
                    readme.write_text(expected)
                    continue
                self.assertEqual(written, expected, "UPDATE=1 writes the tables anew")

    def test_a_module_can_be_left_out_tags_what_it_makes_and_configures_no_provider(self):
        for module in MODULES:
            with self.subTest(module):
                variables = hcl.blocks(FOLDER / module, "variable")
                self.assertLessEqual({"create", "tags"}, set(variables))
                for name, written in variables.items():
                    self.assertLessEqual({"type", "description"}, set(written), name)
                for name, written in hcl.blocks(FOLDER / module, "resource").items():
                    self.assertTrue({"count", "for_each"} & set(written), f"{name} is made even with create = false")
                self.assertEqual(hcl.blocks(FOLDER / module, "provider"), {})

    def test_the_collector_at_the_edge_hands_each_variable_to_the_worker(self):
        outer, inner = (hcl.blocks(FOLDER / module, "variable") for module in ["collector-cloudflare", "edge-worker"])
        self.assertEqual(outer, {name: written for name, written in inner.items() if name != "namespace_id"})
        handed = (FOLDER / "collector-cloudflare/main.tf").read_text()
        for name in outer:
            self.assertRegex(handed, rf"(?m)^  {name} += var\.{name}$")

    def test_the_catalog_has_the_columns_of_the_reference(self):
        tables = {table["name"]: table for table in json.loads((FOLDER / "catalog/tables.json").read_text())}
        reference = (terraform.ROOT / "docs/reference/columns.md").read_text()
        names = re.findall(r"(?m)^\| `(\w+)` \|", reference)
        self.assertGreater(len(names), 40)
        self.assertEqual([column["name"] for column in tables["events"]["columns"]], names)

    def test_the_figures_of_the_dashboard_are_in_the_line_that_the_compactor_logs(self):
        source = (terraform.ROOT / "lambdas/src/compactor.rs").read_text()
        logged = re.search(r'tracing::info!\(([^"]*)"drained"', source)[1]
        module = (FOLDER / "observability/main.tf").read_text()
        figures = re.findall(r"\w+", re.search(r"drained += toset\(\[(.*)\]\)", module)[1])
        self.assertIn("quarantined", figures)
        for figure in figures:
            self.assertRegex(logged, rf"\b{figure} = ")


if __name__ == "__main__":
    unittest.main()
