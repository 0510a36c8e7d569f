"""Variables and outputs of a Terraform module, read from its files as `terraform fmt` leaves them."""
import re
from pathlib import Path

BLOCK = re.compile(r'^(variable|output|resource|module|provider) ((?:"[^"]+" ?)+)\{\n(.*?)^\}$', re.MULTILINE | re.DOTALL)
# A value ends with its line, or with the bracket that stands as far left as its name.
ATTRIBUTE = re.compile(r"^  (\w+) += (.*[^({\[\n]|.*[({\[]\n(?:    .*\n|\n)*  [)}\]]+)$", re.MULTILINE)


def blocks(folder: Path, kind: str) -> dict[str, dict[str, str]]:
    """The blocks of one kind: their labels, and their attributes as they are written."""
    found = {}
    for file in sorted(folder.glob("*.tf")):
        for block in BLOCK.finditer(file.read_text()):
            if block[1] == kind:
                found[".".join(re.findall(r'"([^"]+)"', block[2]))] = dict(ATTRIBUTE.findall(block[3]))
    return found


def reference(folder: Path) -> str:
    """What a module's readme says of its inputs and outputs, as terraform-docs arranges it."""
    lines = ["## Inputs", "", "| Name | Description | Type | Default |", "|---|---|---|---|"]
    for name, written in sorted(blocks(folder, "variable").items()):
        default = f"`{on_one_line(written['default'])}`" if "default" in written else "required"
        lines.append(f"| `{name}` | {text(written['description'])} | `{on_one_line(written['type'])}` | {default} |")
    lines += ["", "## Outputs", "", "| Name | Description |", "|---|---|"]
    for name, written in sorted(blocks(folder, "output").items()):
        lines.append(f"| `{name}` | {text(written['description'])} |")
    return "\n".join(lines) + "\n"


def text(written: str) -> str:
    """What a string in quotes says."""
    return written.strip('"').replace('\\"', '"').replace("|", "\\|")


def on_one_line(written: str) -> str:
    """An object's type with commas in place of its lines."""
    words = [re.sub(r" +", " ", line.strip()) for line in written.splitlines()]
    joined = words[0]
    for before, word in zip(words, words[1:]):
        opens, closes = before.endswith(("{", "[", "(")), word.startswith(("}", "]", ")"))
        joined += (" " if opens or closes else ", ") + word
    return joined
