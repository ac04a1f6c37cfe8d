"""A format from outside: generators as rows of tab-separated values."""

import csv
import io

from symfind.render.formats import FORMATS, Format


def tsv_bytes(report):
    """A row a generator: expression, defect, verdict."""
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t")
    table.writerow(["generator", "defect", "verdict"])
    table.writerows([g.expression, g.defect, g.verdict] for g in report.generators)
    return text.getvalue().encode()


FORMATS.register(Format(name="tsv", encode=tsv_bytes, endings=(".tsv",)))
