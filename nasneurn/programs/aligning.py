"""Architectures compared as sequences of layers."""

from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    from alignment.outcome import Alignment
    from alignment.presets import Changes
    from nasneurn.networks.given import Models

    class Chosen(Changes, total=False):
        """Changes of a preset; the command's name of ``normalization`` is one, too."""

        normalize: str | None


def align(
    models: "Models" = "all",
    preset: str | None = None,
    *,
    jobs: int | None = None,
    strict: bool = False,
    trust_code: bool = False,
    input_shape: tuple[int, int, int] | None = None,
    **options: "Unpack[Chosen]",
) -> "Alignment":
    """Align architectures as sequences of layers: scores, similarities and representatives.

    Args:
        models: ``all`` (the published 44), ``timm``, names, globs, files of names, found
            architectures, saved Keras models; any ``nn.Module`` or ``keras.Model``; one, a list of
            these, or a dictionary from the names that outputs are to call them.
        preset: ``paper`` or ``recommended``, the options to start from; by default the paper's
            for ``all``, and the recommended ones for others.
        jobs: processes that trace and threads that score; all cores by default.
        strict: raise for an architecture that cannot be traced, instead of a warning.
        trust_code: also import code that a file of found architectures names.
        input_shape: (C, H, W) of the images for modules, networks of one's own and Keras models;
            by default (3, 224, 224) for modules.
        options: those of :class:`alignment.options.Options` and
            :class:`alignment.needleman_wunsch.Scoring` by name, as ``scheme="layer"`` or
            ``gap=-1``; what is None is the preset's.

    Returns:
        The outcome. It holds DataFrames (``scores``, ``similarity``, ``tokens``,
        ``representatives``, ``nearest(name)``), draws (``plot_heatmap()``, ``plot_tree()``), and
        writes for other tools (``to_newick()``, ``to_graphml()``).

    Raises:
        AlignmentError: an option or a model that cannot be used.
        InputError: a file of found architectures that cannot be used.
    """
    from alignment.cores import available_cores
    from alignment.presets import default_preset, preset_options
    from alignment.run import compute
    from nasneurn.networks.given import gather_given, words_of

    changes = {**options, "threads": available_cores() if jobs is None else jobs}
    if "normalize" in changes:
        changes["normalization"] = changes.pop("normalize")
    chosen = preset_options(preset or default_preset(words_of(models) or []), changes)
    chosen.check()
    architectures = gather_given(
        models, jobs=jobs, strict=strict, trust_code=trust_code, input_shape=input_shape
    )
    return compute(architectures, chosen)
