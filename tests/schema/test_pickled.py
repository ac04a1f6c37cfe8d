"""What functions return goes through pickle, and draws itself."""

from __future__ import annotations

import pickle

from symfind.schema.document import Report


def test_reports_and_generators_are_pickled(lorentz_report: Report, rotation_report: Report) -> None:
    for report in (lorentz_report, rotation_report):
        again = pickle.loads(pickle.dumps(report))
        assert again == report and again.generators[0].velocity is not None
    generator = rotation_report.generators[0]
    assert (pickle.loads(pickle.dumps(generator)).matrix == generator.matrix).all()


def test_a_report_plots_its_pictures_and_they_alone(rotation_report: Report) -> None:
    page = rotation_report.plot()
    assert page.count("<svg") == 1 and "Settings" not in page and "<table" not in page
    assert page._repr_html_().startswith("<iframe srcdoc=")
