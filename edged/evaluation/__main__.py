"""``python -m edged.evaluation FILE.json...``: documents of ``--json`` as Markdown.

One document as a whole, or several evaluations on the same pictures as one table.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edged.evaluation import text
from edged.evaluation.document import Evaluation
from edged.evaluation.quantization import Quantization
from edged.printable import printable


def main(paths: Sequence[str]) -> int:
    """Print the Markdown; 65 if a file is not such a document."""
    documents = []
    for path in paths:
        try:
            documents.append(_read(Path(path)))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            print(
                f"edged: {printable(path)}: not an evaluation document ({error})", file=sys.stderr
            )
            return 65
    evaluations = [document for document in documents if isinstance(document, Evaluation)]
    if len({document.data.sha256 for document in evaluations}) > 1:
        print("edged: these models were evaluated on different pictures", file=sys.stderr)
        return 65
    if len(evaluations) > 1:
        data = evaluations[0].data
        print(f"# Models on {data.name}, {data.pictures} pictures\n")
        print(text.footprints(evaluations))
        return 0
    for document in documents:
        if isinstance(document, Evaluation):
            print(text.evaluation(document))
        else:
            print(text.quantization(document))
    return 0


def _read(path: Path) -> Evaluation | Quantization:
    content = path.read_bytes()
    kind = msgspec.json.decode(content, type=dict[str, object]).get("kind")
    if kind == "quantization":
        return msgspec.json.decode(content, type=Quantization)
    return msgspec.json.decode(content, type=Evaluation)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
