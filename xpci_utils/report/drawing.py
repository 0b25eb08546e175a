"""What is drawn, and what cannot be drawn yet: in its place stands one sentence that says what is missing."""

from collections.abc import Callable
from functools import wraps

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from xpci_utils.report.results import Results
from xpci_utils.report.style import DOTS_PER_INCH, TEXT_WIDTH

Drawing = Callable[..., Figure]
Lacking = Callable[[Results], str]


class Waiting(Figure):
    """In place of a figure that cannot be drawn yet: the ``sentence`` that says what it waits for."""

    sentence: str = ""


def drawn_from(lacking: Lacking) -> Callable[[Drawing], Drawing]:
    """Decorate a drawing: where ``lacking(results)`` is a sentence, that sentence stands in its place.

    The figure is closed for pyplot, so that a notebook shows it where it is asked to, and only once.
    """

    def decorate(draw: Drawing) -> Drawing:
        @wraps(draw)
        def drawn(results: Results, *arguments, **look) -> Figure:
            sentence = lacking(results)
            figure = waiting(sentence) if sentence else draw(results, *arguments, **look)
            plt.close(figure)
            return figure

        return drawn

    return decorate


def waiting(sentence: str) -> Waiting:
    """A figure that only holds ``sentence``."""
    figure = plt.figure(figsize=(TEXT_WIDTH, 0.6), dpi=DOTS_PER_INCH, FigureClass=Waiting)
    assert isinstance(figure, Waiting)
    figure.sentence = sentence
    ax = figure.add_axes((0, 0, 1, 1))  # a notebook shows no figure without axes
    ax.set_axis_off()
    ax.text(0.5, 0.5, sentence, ha="center", va="center", wrap=True)
    return figure


def unfinished(places: Callable[[Results], list[str]]) -> Lacking:
    """Says which of the stages that a figure is drawn from are not finished."""

    def lacking(results: Results) -> str:
        missing = [place for place in places(results) if place not in results.runs]
        return f"This figure needs runs that are not finished: {', '.join(missing)}." if missing else ""

    return lacking


def uncollected(name: str, what: str) -> Lacking:
    """Says that the results do not hold ``name`` of `evidence.read_evidence`: an older collection does not."""

    def lacking(results: Results) -> str:
        if results.evidence.get(name):
            return ""
        return f"These results do not contain {what}; the next collection of a finished run adds it."

    return lacking
