"""The verbs as commands: each calls one function of the interface and writes what that returns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from symfind.cli.model_output import ModelOutput, write_document
from symfind.cli.output import Output, write_to_standard_output
from symfind.data.scratch import scratch_folder
from symfind.errors import NothingCertified, UsageError, WorseThanBefore

if TYPE_CHECKING:
    from symfind.options.of_files import (
        ConvertOptions,
        DemoOptions,
        ExplainOptions,
        ExportOptions,
        GroupsOptions,
        IdentifyOptions,
        InspectOptions,
        ReportOptions,
        SampleOptions,
    )
    from symfind.options.of_verbs import (
        AugmentOptions,
        ConserveOptions,
        DiscoverOptions,
        EnforceOptions,
        ForcesOptions,
        PromoteOptions,
        ScoreOptions,
    )
    from symfind.schema.document import Report


def discover(options: DiscoverOptions, output: Output) -> Report | None:
    """Find the continuous symmetries of a dataset or a trained model.

    The answer is a basis of the Lie algebra of those vector fields, among the candidates of --space, under which
    the data or the model is invariant or equivariant; each with its relative defect (0 exact, 1 what a random
    direction does), confidence bounds and a verdict.
    """
    from symfind import api
    from symfind.linalg.processes import joined_processes

    if options.dry_run:
        from symfind.cli.listing import write_listing

        write_listing(api.plan(options), output)
        return None
    with output.progress() as progress, joined_processes() as processes:
        report = api.discover(options, progress)
    if processes.rank:
        return None  # the report is written once
    output.write_report(report)
    if options.require_symmetry and not report.certified:
        raise NothingCertified(
            f"{options.source}: no generator is certified, and --require-symmetry asks for one; "
            "more data, another --space or a larger --tolerance may help"
        )
    return report


def enforce(options: EnforceOptions, output: ModelOutput) -> None:
    """Make a trained model equivariant under a group.

    The model that is written to --output is a file of the same kind and needs nothing but torch. What was done, how
    far the model was moved, its equivariance error before and after, and its loss on data, go to standard output.
    """
    from symfind import api
    from symfind.render.enforcement import enforcement_table

    if output.path == "-":
        with scratch_folder() as folder:
            path = folder / "model"
            with output.progress() as progress:
                document = api.enforce(options, path, progress)  # what was measured has no place beside a model
            output.message(f"{document.method}: {document.reason}")
            write_to_standard_output(path.read_bytes())
        return
    try:
        with output.progress() as progress:
            document = api.enforce(options, None if output.path is None else Path(output.path), progress)
    except WorseThanBefore as worse:
        write_document(worse.document, enforcement_table, output)
        raise
    if output.path is None:
        output.message("nothing written: give --output FILE to keep the model")
    else:
        output.message(f"{document.method}: {document.reason}; wrote {output.path}")
    write_document(document, enforcement_table, output)


def promote(options: PromoteOptions, output: ModelOutput) -> None:
    """Fit a model with as much symmetry as the data allow.

    The nuclear norm of the Lie derivative is added to what is minimised, so that candidates which the data do not
    speak against become exact symmetries. The model goes to --output as TorchScript; the report of what survived
    goes to standard output, where `symfind enforce MODEL --generators -` and others can read it.
    """
    from symfind import api

    if output.path == "-":
        with scratch_folder() as folder:
            path = folder / "model.pt"
            with output.progress() as progress:
                report = api.promote(options, path, progress)
            write_to_standard_output(path.read_bytes())
    else:
        with output.progress() as progress:
            report = api.promote(options, None if output.path is None else Path(output.path), progress)
        if output.path is None:
            output.message("no model written: give --output FILE.pt to keep it")
        else:
            output.message(f"wrote {output.path}")
        # The model has taken --output; its report goes to standard output.
        output.on_standard_output().write_report(report)
    if options.require_symmetry and not report.certified:
        raise NothingCertified("no generator was certified (--require-symmetry)")


def score(options: ScoreOptions, output: Output) -> None:
    """Measure how well a model obeys a group, or fields an equation.

    For each generator its relative defect (0 exact, 1 what a random direction does) and the error along finite
    transformations of growing size; for the whole group the error on random elements. MODEL may be a dataset of
    fields: then the error is the residual of the equation after transformations along --generators.
    """
    from symfind import api
    from symfind.render.enforcement import plain_document, score_table
    from symfind.schema.augmentation import FieldScore, field_score_pairs, field_score_table

    with output.progress() as progress:
        document = api.score(options, progress)
    if isinstance(document, FieldScore):
        write_document(document, lambda d: plain_document(field_score_pairs(d), field_score_table(d)), output)
    else:
        write_document(document, score_table, output)


def augment(options: AugmentOptions, output: ModelOutput) -> None:
    """Move solutions of an equation along its symmetries.

    Each trajectory is moved along a random combination of the generators by their finite flow, and resampled on its
    own grid. Certified generators move the data, but for those that change the period of an axis (a scaling of x,
    say): name these with --only, and the axis that is written is open. Only times are written at which the moves find
    data. The file is written to --output, trajectory by trajectory; what was done goes to standard output.
    """
    from symfind import api
    from symfind.render.enforcement import plain_document
    from symfind.schema.augmentation import augmentation_pairs

    if not output.to_file:
        raise UsageError("augment writes HDF5: name the file with --output FILE.h5")
    with output.progress() as progress:
        document = api.augment(options, Path(str(output.path)), progress)
    output.message(f"wrote {output.path}")
    write_document(document, lambda d: plain_document(augmentation_pairs(d)), output)


def conserve(options: ConserveOptions, output: Output) -> None:
    """Find what a flow, a map or the generators of a report conserve.

    The answer is a basis of those functions, among the candidates of --library, that do not change along the flow
    (x, dx, or trajectories) or over a step of the map (x, x_next); each with its relative defect (0 conserved, 1 what
    other functions do), confidence bounds and a verdict, and whether it follows from the others. Constants are left
    out. Of a report, the polynomials up to --degree that all its certified generators leave unchanged.
    """
    from symfind import api

    with output.progress() as progress:
        report = api.conserve(options, progress)
    output.write_report(report)
    if options.require_symmetry and not any(c.verdict == "certified" for c in report.conserved or ()):
        raise NothingCertified(
            f"{options.source}: nothing conserved is certified, and --require-symmetry asks for it; "
            "more data, another --library or a larger --tolerance may help"
        )


def forces(options: ForcesOptions, output: Output) -> None:
    """Judge whether a field of vectors is a gradient, without divergence, or Hamiltonian.

    The vectors are y or dx at x, or what a model makes of x. Rows are predicted by fields of each kind that were fitted
    to others; a model's own Jacobian decides. Where a field is not of a kind, the row that says so most is named.
    """
    from symfind import api
    from symfind.cli.listing import write_listing

    write_listing(api.forces(options), output)


def identify(options: IdentifyOptions, output: Output) -> None:
    """Name the Lie algebra of generators, and what it preserves.

    The generators are those that a report certifies, or matrices in a file: `generators`, a list of square matrices,
    real or complex, with optional `names` of the coordinates and `noise`, the relative error of a matrix; or `paulis`,
    words such as XXI. With --close brackets are taken until nothing new comes.
    """
    from symfind import api

    output.write_report(api.identify(options.source, close=options.close))


def inspect(options: InspectOptions, output: Output) -> None:
    """Show what a file holds and what could be asked of it.

    The data themselves are not read.
    """
    from symfind import api
    from symfind.cli.listing import write_listing

    write_listing(api.inspect(options.source), output)


def report(options: ReportOptions, output: Output) -> None:
    """Show a report as a table, Markdown or HTML, or convert it.

    HTML has plots. Conversions are between JSON and HDF5, by the ending of --output.
    """
    from symfind.schema.store import read_report

    document = read_report(options.source)
    if options.pictures is not None:
        from symfind.render.pictures import write_pictures

        for path in write_pictures(document, Path(options.pictures)):
            output.message(f"wrote {path}")
    output.write_report(document)


def export(options: ExportOptions, output: Output) -> None:
    """Hand the certified algebra of a report on to another library.

    Matrices as NumPy's npz; as exact matrices of SymPy; as a matrix group of EMLP; as irreps of e3nn with the change of
    basis; or as the constraints of a PySINDy model of degree two that the algebra leaves alone.
    """
    from symfind import api

    if output.path is not None or output.format is not None:
        raise UsageError("what is exported goes to OUT, the second name; drop --output and --format")
    to_file = options.out not in (None, "-")
    if not to_file and options.to == "numpy" and sys.stdout.isatty():
        raise UsageError("npz is binary and standard output a terminal; name a file, or pipe it")
    content = api.export(options.source, to=options.to)
    if not to_file:
        write_to_standard_output(content)
        return
    from symfind.data.files import appearing_whole

    with appearing_whole(Path(str(options.out))) as path:
        path.write_bytes(content)
    output.message(f"wrote {options.out}")


def convert(options: ConvertOptions, output: Output) -> None:
    """Write a file of any format as the HDF5 that symfind reads fastest.

    CSV, TSV, npy, npz, Parquet, Feather, HDF5 of pandas, NetCDF, MATLAB and tensors of torch; rows, times and axes are
    checked as discover checks them.
    """
    from symfind import api

    if output.path is not None or output.format is not None:
        raise UsageError(f"the file is always HDF5 and goes to OUT, here {options.out}; drop --output and --format")
    if options.out != "-":
        output.message(f"wrote {options.out}: {api.convert(options, Path(options.out))}")
        return
    if sys.stdout.isatty():
        raise UsageError("OUT is -, but HDF5 is binary and standard output a terminal; name a file, or pipe it")
    with scratch_folder() as folder:
        path = folder / "data.h5"
        output.message(api.convert(options, path))
        write_to_standard_output(path.read_bytes())


def demo(options: DemoOptions, output: Output) -> None:
    """Find the Lorentz group in collisions of a particle accelerator.

    Of 2,304 pairs of muons the momenta x and the squared mass y, which come with symfind: three rotations and three
    boosts are found, and nothing in the program knows of them.
    """
    del options  # there are none
    from symfind.options.of_verbs import DiscoverOptions
    from symfind.samples.packaged import packaged

    path = packaged("dimuons.h5")
    output.message(f"symfind discover {path}")
    discover(DiscoverOptions(source=str(path)), output)


def sample(options: SampleOptions, output: Output) -> None:
    """Make a dataset whose symmetries are known.

    To try the other commands on; without arguments, the list of them.
    """
    if options.name is None or options.out is None:
        _list_samples(output)
        return
    from symfind import api

    if output.path is not None or output.format is not None:
        raise UsageError(f"a sample is always HDF5 and goes to OUT, here {options.out}; drop --output and --format")
    asked = {"rows": options.rows, "times": options.times, "grid_size": options.grid_size}
    sizes = {name: size for name, size in asked.items() if size is not None}
    if options.out != "-":
        api.sample(options.name, options.out, seed=options.seed, **sizes)
        output.message(f"wrote {options.out}")
        return
    if sys.stdout.isatty():
        raise UsageError("OUT is -, but HDF5 is binary and standard output a terminal; name a file, or pipe it")
    # HDF5 is written at random places, which a pipe cannot take.
    with scratch_folder() as folder:
        path = folder / "sample.h5"
        api.sample(options.name, str(path), seed=options.seed, **sizes)
        write_to_standard_output(path.read_bytes())


def _list_samples(output: Output) -> None:
    from symfind.cli.listing import write_listing
    from symfind.samples.catalogue import SAMPLES

    write_listing(
        [
            {"name": name, "kind": s.kind, "rows": s.rows, "content": s.about, "symmetry": s.symmetry}
            for name, s in SAMPLES.items()
        ],
        output,
    )


def explain(options: ExplainOptions, output: Output) -> None:
    """Say what a word of a report means, in half a sentence.

    Without a word the whole glossary is listed.
    """
    from symfind.cli.listing import write_listing
    from symfind.data.mapping import nearest
    from symfind.render.console import labelled
    from symfind.render.glossary import glossary, meaning, words

    if options.word is None:
        write_listing([{"word": w.name, "meaning": w.meaning} for group in glossary().values() for w in group], output)
        return
    found, word = meaning(options.word), options.word
    if found is None:
        near = nearest(word, words())
        raise UsageError(f"WORD is {word!r}, which no report uses{near}; `symfind explain` lists all words")
    output.write_plain({"word": word, "meaning": found}, lambda: labelled([(word, found)]))


def groups(options: GroupsOptions, output: Output) -> None:
    """List the groups that other commands know by name."""
    del options  # there are none
    from symfind import api
    from symfind.cli.listing import write_listing

    write_listing(api.groups(), output)
