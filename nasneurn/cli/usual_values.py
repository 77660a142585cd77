"""What an option is if it is not given, where that is decided deeper down; ``--help`` shows it.

A command's own default is None there, so that what a person gave can be told from what is usual.
"""

from collections.abc import Callable
from copy import copy
from typing import Annotated, get_args, get_origin, get_type_hints

#: Of every study; not each command has all of them.
STUDY = {
    "stems": "none,neurn",
    "algorithms": "erm",
    "image_size": "32; of a folder 224",
    "targets": "all",
    "data_dir": "$NASNEURN_DATA, else a folder in the cache",
    "engine": "here; with several workers local",
}

#: By command, by option.
USUAL: dict[str, dict[str, str]] = {
    "bench": {
        **STUDY,
        "models": "digits_convnet",
        "weights": "scratch",
        "placements": "front",
        "suite": "builtin",
        "sources": "all",
        "seeds": "2",
        "budget": "quick",
        "adaptation": "fit",
        "out": "results/bench",
    },
    "experiment": {
        **STUDY,
        "models": "the experiment's",
        "suite": "the experiment's",
        "sources": "the experiment's",
        "seeds": "5",
        "out": "results/NAME",
    },
    "search": {
        **STUDY,
        "stems": "neurn",
        "sources": "the first of the suite",
        "seeds": "1",
        "weights": "inherited",
        "select_under": "clean; with the stem search shifts",
        "neurn": "neurn",
        "max_flops": "none",
        "max_params": "none",
        "out": "named after the search, in results",
    },
    "search-quality": {
        **STUDY,
        "sources": "the first of the suite",
        "seeds": "1",
        "select_under": "clean",
        "out": "named after the search, in results",
    },
    "ablate": {
        **STUDY,
        "groups": "all",
        "models": "digits_convnet",
        "weights": "scratch",
        "suite": "builtin",
        "sources": "optdigits; of another suite all",
        "seeds": "3",
        "budget": "quick, with fewer images and passes",
    },
    "align": {
        "models": "all",
        "preset": "paper for all, else recommended",
        **dict.fromkeys(
            (
                "scheme",
                "match",
                "mismatch",
                "partial",
                "gap",
                "gap_extend",
                "borders",
                "normalization",
                "similarity",
                "branches",
                "clustering",
                "prefer",
                "within",
                "order",
            ),
            "the preset's",
        ),
        "representatives": "10",
        "input_shape": "3,224,224, or what a model is made for",
        "jobs": "all cores",
    },
    "diagnose": {
        "pairs": "all",
        "stems": "all of the study",
        "out": "FOLDER/diagnosis",
        "data_dir": STUDY["data_dir"],
    },
    "predict": {"stems": "all of the studies", "data_dir": STUDY["data_dir"]},
    "advise": {
        "suite": "builtin; with two folders none",
        "model": "that of the package",
        "data_dir": STUDY["data_dir"],
    },
    "correlate": {"jobs": "all cores"},
    "report": {"out": "report.html in the study's folder; of several studies, here"},
    "export": {"out": "beside FILE", "data_dir": STUDY["data_dir"]},
    "doctor": {"data_dir": STUDY["data_dir"]},
    "prepare": {"data_dir": STUDY["data_dir"]},
    "list": {
        "suite": "builtin, digits and, where it was prepared, SYN",
        "data_dir": STUDY["data_dir"],
    },
    "preview": {"data_dir": STUDY["data_dir"]},
}


def with_usual(name: str, command: Callable[..., None]) -> Callable[..., None]:
    """The command, whose help shows what is usual for its options."""
    hints = get_type_hints(command, include_extras=True)
    for option, usual in USUAL.get(name, {}).items():
        if option not in hints:  # not all commands have all that studies have
            continue
        hint = hints[option]
        assert get_origin(hint) is Annotated, f"{name} --{option}"
        kind, about = get_args(hint)
        shown = copy(about)  # which several commands share
        shown.show_default = usual
        hints[option] = Annotated[kind, shown]
    command.__annotations__ = hints
    return command
