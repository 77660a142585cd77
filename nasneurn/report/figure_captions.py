"""What each figure shows, in a sentence; the page has it below the figure, and instead of it."""

from collections.abc import Callable
from pathlib import Path

from alignment.outputs import CAPTIONS_FILE
from alignment.pictures import CAPTIONS as ALIGNED
from nasneurn.files import written_atomically

#: What must be known beside a figure, by its name; nothing is empty.
Note = Callable[[str], str]

#: By the beginning of a figure's name; the rest of the name is a setting, a source or a pair.
CAPTIONS = {
    "overall": "What each stem adds to accuracy on domains not trained on: the upright line is the "
    "mean, the bar its 95% interval, marks are architectures.",
    "effects": "Test accuracy on each pair of source and target, from the control (grey) to each "
    "stem.",
    "differences": "Accuracy against the control in percentage points, by architecture and "
    "pair; blue is a gain, red a loss, on one scale for all panels.",
    "ranks": "Average rank on domains not trained on, 1 the best; what a bar joins does not "
    "differ by Nemenyi's test.",
    "literature": "Mean accuracy on single-source digits, beside what the literature has published "
    "(squares); full dots have a stem, bars are the deviation over seeds.",
    "curves": "Held-out source accuracy over the epochs, a mean over what a panel names: the line "
    "is the mean of the seeds, the band their range.",
    "search": "Every candidate of the evolution by cost and by the accuracy that scored it; the "
    "line is the front, the star what was found.",
    "hypervolume": "How far the front of the search has come, over its generations; more is "
    "better.",
    "architecture": "The architectures found, a block for each layer; colours are choices.",
    "quality": "Accuracy of paths in the supernet beside the same networks trained alone.",
    "distances": "Distances between source and target, in the images and in what the network's "
    "last layer sees, without and with each stem.",
    "statistics": "Intensity, contrast and spatial frequency of the images, before and after each "
    "stem.",
    "separability": "How far apart the classes are on the source, without and with each stem.",
    "calibration": "How far answers are from being as sure as they should be.",
    "spectra": "Power of the images over spatial frequency, before and after each stem.",
    "reliability": "How often answers are right, over how sure the network is; the diagonal is "
    "ideal.",
    "confusions": "Confusion matrices: true classes by the classes that were answered.",
    "layers": "How alike the layers of networks without and with the stem are (linear CKA), "
    "layers by their names in the network.",
    "corruptions": "Accuracy under corruptions of five severities.",
    "rescued": "Share of images that are right with the stem alone, and without it alone.",
    "ablation": "What each form of NeuRN adds, against plain NeuRN and against none: a dot, "
    "with its interval where there are seeds for one.",
    "pairs": "Pairs of architectures: how far apart they are, and how far apart what they gain; "
    "the line is of means.",
    "gain_map": "Architectures on a plane, near each other if aligned so; the colour is the mean "
    "gain.",
    "predicted": "Gains that were predicted beside those measured, by what the model had not seen.",
    "images": "Images that the stem rescues and loses, with what the network looks at where that "
    "was computed.",
    **ALIGNED,
}


def caption_of(name: str) -> str:
    """What a figure of this name shows; of an unknown one its name in words.

    >>> caption_of("my_figure")
    'My figure.'
    """
    fitting = [key for key in CAPTIONS if name == key or name.startswith((f"{key}-", f"{key}_"))]
    if not fitting:
        return f"{title_of(name)}."
    key = max(fitting, key=len)
    rest = name[len(key) :].strip("-_")
    return f"{CAPTIONS[key].removesuffix('.')} ({rest})." if rest else CAPTIONS[key]


def full_caption(name: str, note: str = "") -> str:
    """What a figure shows, with a caution after it if there is one.

    >>> full_caption("ranks", "few trainings")[-39:]
    "Nemenyi's test. Caution, few trainings."
    """
    return f"{caption_of(name)} Caution, {note}." if note else caption_of(name)


def write_captions(folder: Path, note: Note = lambda name: "") -> list[Path]:
    """Write what each PNG file of a folder shows, a line each: the file and its caption.

    Args:
        folder: of figures.
        note: what must be known beside a figure, by its name.

    Returns:
        The file; nothing where there is no figure.

    Raises:
        InputError: it cannot be written.
    """
    names = sorted(path.stem for path in folder.glob("*.png"))
    lines = [f"{name}.png: {full_caption(name, note(name))}\n" for name in names]
    if not lines:
        return []
    with written_atomically(folder / CAPTIONS_FILE) as draft:
        draft.write_text("".join(lines), encoding="utf-8")
    return [folder / CAPTIONS_FILE]


def title_of(name: str) -> str:
    """The name of a table or figure as a heading.

    >>> title_of("same_domain"), title_of("overall-scratch")
    ('Same domain', 'Overall, scratch')
    """
    text = name.replace("-", ", ", 1).replace("_", " ")
    return text[:1].upper() + text[1:]
