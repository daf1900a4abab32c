"""The doors of the page: each takes what the page sends, and answers from the rooms below.

Every act is a POST of JSON. What a person can mend comes back as a sentence under `error`, and is
an answer like any other: only a bug is a status that a browser would complain of.
"""

import base64
import binascii
import json
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipeline.augment.blame import RECIPES_FILE
from pipeline.augment.registry import recipe_functions
from pipeline.augment.remarks import remarks
from pipeline.data.competition import Competition
from pipeline.data.files import write_text
from pipeline.data.labelled_images import LabelledImages
from pipeline.errors import UserError
from pipeline.play import keep, tries
from pipeline.play.draft import ADDABLE, Draft, describe, make
from pipeline.play.hand import as_digit
from pipeline.play.readers import Reader, finished_runs, open_reader
from pipeline.play.sheet import NUM_DRAWS, choose, draw
from pipeline.report.gather import gather
from pipeline.report.page import render_page
from pipeline.report.runs_table import list_runs, sort_rows
from pipeline.report.submissions_table import list_entries, summarise
from pipeline.runs.workspace import Workspace
from pipeline.settings.presets import load_preset, preset_names
from pipeline.training.device import choose_device

_Text = Annotated[str, Field(max_length=200)]

_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; frame-ancestors 'none'"
)
"""A report has its scripts within; the sandbox makes it a stranger to the page beside it."""

_CURVE_POINTS = 9
_NUM_NEAREST = 8
_MOST_READERS = 2


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Shown(_Asked):
    """What the sheet shows: a draft, the seed of its draws, which digits, read by which run."""

    draft: Draft
    seed: int = Field(ge=0, lt=2**31)
    digits: int = Field(default=0, ge=0, lt=10_000)
    run: _Text = ""


class _Curve(_Shown):
    """Drafts like the one shown, with one control at other places from low to high."""

    drafts: list[Draft] = Field(min_length=2, max_length=_CURVE_POINTS)


class _Save(_Asked):
    draft: Draft
    name: _Text
    replace: bool = False


class _Python(_Asked):
    draft: Draft
    name: _Text = "mine"


class _Hand(_Asked):
    run: _Text
    png: Annotated[str, Field(max_length=500_000)]


class _Start(_Asked):
    recipe: _Text
    preset: _Text = ""


class _Number(_Asked):
    number: int


class _Run(_Asked):
    run: _Text


class _Nothing(_Asked):
    pass


_Model = TypeVar("_Model", bound=BaseModel)


def make_app(
    token: str, competition: Competition, digits: LabelledImages, workspace: Workspace
) -> Starlette:
    """Return the app: the page with its parts, its doors, and the reports of runs."""
    desk = Desk(competition, digits, workspace)

    def door(
        path: str, kind: type[_Model], answer: Callable[[_Model], Response | dict[str, Any]]
    ) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                asked = kind.model_validate_json(await request.body())
                answered = await run_in_threadpool(answer, asked)
            except ValidationError as error:
                said = error.errors()[0]
                where = ".".join(map(str, said["loc"]))
                return JSONResponse({"error": f"{where}: {said['msg']}."})
            except UserError as error:
                taken = {"taken": True} if isinstance(error, keep.Taken) else {}
                return JSONResponse({"error": str(error)} | taken)
            except OSError as error:
                why = f"{error.strerror or error}: {error.filename}."
                return JSONResponse({"error": why})
            return answered if isinstance(answered, Response) else JSONResponse(answered)

        return Route(path, endpoint, methods=["POST"])

    environment = Environment(
        loader=PackageLoader("pipeline.play"), autoescape=True, undefined=StrictUndefined
    )

    def page(request: Request) -> Response:
        template = environment.get_template("page.html")
        return HTMLResponse(template.render(token=token, competition=competition))

    def report(request: Request) -> Response:
        try:
            path = workspace.run(request.path_params["run"]).report
        except UserError as error:
            return Response(f"{error}\n", status_code=404, media_type="text/plain")
        if not path.exists():
            return Response("This run has no report yet.\n", 404, media_type="text/plain")
        return FileResponse(path, headers={"Content-Security-Policy": _REPORT_POLICY})

    return Starlette(
        routes=[
            Route("/", page),
            Route("/reports/{run}", report),
            Mount("/static", StaticFiles(directory=Path(__file__).with_name("static"))),
            door("/do/start", _Nothing, lambda _: desk.everything()),
            door("/do/recipe", _Shown, desk.recipe),
            door("/do/read", _Shown, desk.read),
            door("/do/curve", _Curve, desk.curve),
            door("/do/python", _Python, desk.python),
            door("/do/save", _Save, desk.save),
            door("/do/hand", _Hand, desk.hand),
            door("/do/nearest", _Hand, desk.nearest),
            door("/do/try", _Start, desk.start),
            door("/do/stop", _Number, desk.stop),
            door("/do/tries", _Nothing, lambda _: desk.tries()),
            door("/do/runs", _Nothing, lambda _: desk.runs()),
            door("/do/leaderboard", _Nothing, lambda _: desk.leaderboard()),
            door("/do/report", _Run, desk.report),
        ]
    )


class Desk:
    """What lies ready while the page is served: the digits, and the networks asked for last."""

    def __init__(
        self, competition: Competition, digits: LabelledImages, workspace: Workspace
    ) -> None:
        self._competition = competition
        self._digits = digits
        self._workspace = workspace
        self._readers: OrderedDict[str, Reader] = OrderedDict()
        self._opening = threading.Lock()
        self._trying = threading.Lock()
        self._making = threading.RLock()  # warnings, which it turns off, are the whole process's
        self._recipes = b""
        self._num_threads = torch.get_num_threads()

    def everything(self) -> dict[str, Any]:
        """What the page can choose from."""
        self._look_at_recipes()
        presets = {name: load_preset(name) for name in preset_names()}
        return {
            "recipes": {
                name: (recipe.__doc__ or "").strip().partition("\n")[0]
                for name, recipe in recipe_functions().items()
            },
            "transforms": sorted(ADDABLE),
            "runs": finished_runs(self._workspace, self._competition.slug),
            "presets": [name for name, values in presets.items() if "members" not in values],
            "preset": self._competition.preset,
            "classes": list(self._competition.class_names),
            "shape": list(self._competition.image_shape),
            "numDraws": NUM_DRAWS,
            "trainCount": len(self._digits),
        }

    def recipe(self, asked: _Shown) -> Response:
        """The controls of a draft, and the sheet: the digits and their draws, as pixels.

        The answer is a length (uint32, little-endian), so many bytes of JSON, and uint8 pixels of
        the digits and then of the draws, (N, C, H, W).
        """
        with self._making:
            return self._recipe(asked)

    def _recipe(self, asked: _Shown) -> Response:
        self._look_at_recipes()
        shape = self._competition.image_shape
        made = make(asked.draft, shape)
        told: dict[str, Any] = {
            "controls": made.controls,
            "errors": made.errors,
            "parts": [describe(node, shape) for node in made.nodes],
            "slow": [],
            "remarks": [],
        }
        pixels = b""
        if made.text is not None:
            rows, honest = self._rows(asked)
            try:
                drawn = draw(made.text, self._digits.images[rows], asked.seed)
            except UserError as error:  # what only images tell, as a size that is changed
                told["errors"] = {"": str(error)}
                return _with_pixels(told)
            told |= {
                "labels": self._digits.labels[rows].tolist(),
                "rows": rows.tolist(),
                "unseen": honest,
                "slow": drawn.slow,
                "remarks": remarks(made.text, self._competition),
            }
            pixels = self._digits.images[rows].tobytes() + drawn.images.tobytes()
        return _with_pixels(told, pixels)

    def read(self, asked: _Shown) -> dict[str, Any]:
        """What the networks of a run make of each draw."""
        rows = self._rows(asked)[0].repeat(NUM_DRAWS)
        probs = self._reader(asked.run).probs(self._draw(asked.draft, asked), rows)
        return {
            "classes": probs.argmax(axis=1).tolist(),
            "probs": np.round(probs.max(axis=1), 4).tolist(),
        }

    def curve(self, asked: _Curve) -> dict[str, Any]:
        """The share of draws read right, of all and by class, for each of several drafts."""
        rows = self._rows(asked)[0].repeat(NUM_DRAWS)
        labels = self._digits.labels[rows]
        reader, shares, by_class = self._reader(asked.run), [], []
        for draft in asked.drafts:
            right = reader.probs(self._draw(draft, asked), rows).argmax(axis=1) == labels
            shares.append(float(right.mean()))
            by_class.append([float(right[labels == each].mean()) for each in np.unique(labels)])
        return {"shares": shares, "byClass": by_class, "labels": np.unique(labels).tolist()}

    def python(self, asked: _Python) -> dict[str, Any]:
        """The recipe as Python."""
        name = asked.name if asked.name.isidentifier() else "mine"
        return {"text": keep.as_python(self._text(asked.draft), name, _describe(asked.draft))}

    def save(self, asked: _Save) -> dict[str, Any]:
        """Write the recipe into `recipes.py`."""
        text, what = self._text(asked.draft), _describe(asked.draft)
        with self._making:
            return {"text": keep.save(text, asked.name, what, replace=asked.replace)}

    def hand(self, asked: _Hand) -> dict[str, Any]:
        """What the networks make of a digit drawn by hand, and how they see it."""
        image = self._drawn(asked)
        reader = self._reader(asked.run)
        return {
            "pixels": base64.b64encode(image.tobytes()).decode(),
            "probs": np.round(reader.probs(image)[0], 5).tolist(),
        }

    def nearest(self, asked: _Hand) -> dict[str, Any]:
        """The training digits nearest to it in the last layer."""
        reader, images = self._reader(asked.run), self._digits.images
        rows = reader.nearest(self._drawn(asked), images, _NUM_NEAREST)
        return {
            "rows": rows.tolist(),
            "labels": self._digits.labels[rows].tolist(),
            "pixels": base64.b64encode(images[rows].tobytes()).decode(),
        }

    def start(self, asked: _Start) -> dict[str, Any]:
        """Start `make try`."""
        self._look_at_recipes()
        if asked.recipe not in recipe_functions():
            raise UserError(f"recipes.py has no recipe {asked.recipe!r}; save it first.")
        if asked.preset and asked.preset not in preset_names():
            raise UserError(f"there is no preset {asked.preset!r}.")
        with self._trying:
            slug = self._competition.slug
            return {"number": tries.start(slug, asked.preset, asked.recipe, self._workspace)}

    def stop(self, asked: _Number) -> dict[str, Any]:
        """Stop a try."""
        with self._trying:
            tries.stop(asked.number, self._workspace)
        return {}

    def tries(self) -> dict[str, Any]:
        """All tries there are."""
        with self._trying:
            return {"tries": tries.list_tries(self._workspace)}

    def runs(self) -> dict[str, Any]:
        """The rows of `make runs`."""
        rows = []
        for row in sort_rows(list_runs(self._workspace), "newest"):
            told = asdict(row) | {"interval": row.accuracy and row.accuracy.interval()}
            told["accuracy"] = row.accuracy and row.accuracy.value
            told["total"] = row.accuracy and row.accuracy.total
            report = self._workspace.run(row.name).report
            told["report"] = report.exists() and report.stat().st_mtime >= row.changed_at
            rows.append(told)
        return {"runs": rows}

    def leaderboard(self) -> dict[str, Any]:
        """The rows of `make leaderboard`."""
        entries, notes = list_entries(self._competition, self._workspace)
        rows = [
            {
                "submitted": each.submitted_at,
                "run": each.run,
                "valid": each.valid and each.valid.value,
                "low": each.expected and each.expected.low,
                "high": each.expected and each.expected.high,
                "score": each.score,
                "verdict": each.verdict,
                "status": each.status,
                "message": each.message,
            }
            for each in entries
        ]
        return {"entries": rows, "notes": notes, "summary": summarise(entries)}

    def report(self, asked: _Run) -> dict[str, Any]:
        """Make a run's report, as `make report` does."""
        evidence = gather(asked.run, self._workspace, choose_device(), lambda _: None)
        page = render_page(evidence, None, lambda _: None)
        write_text(self._workspace.run(asked.run).report, page)
        return {"address": f"/reports/{asked.run}"}

    def _look_at_recipes(self) -> None:
        """Notice what was edited in `recipes.py`."""
        content = RECIPES_FILE.read_bytes()
        if content != self._recipes:
            keep.read_again()
            self._recipes = content

    def _draw(self, draft: Draft, asked: _Shown) -> npt.NDArray[np.uint8]:
        """The draws of a draft on the digits shown."""
        digits = self._digits.images[self._rows(asked)[0]]
        with self._making:
            return draw(self._text(draft), digits, asked.seed).images

    def _text(self, draft: Draft) -> str:
        """The draft's recipe, serialised."""
        with self._making:
            made = make(draft, self._competition.image_shape)
        if made.text is None:
            raise UserError("something is wrong with the recipe: mend what is marked red.")
        return made.text

    def _rows(self, asked: _Shown) -> tuple[npt.NDArray[np.int64], bool]:
        """The rows to show, and whether networks of the run can read them that never saw them."""
        unseen = self._reader(asked.run).unseen if asked.run else np.array([], dtype=np.int64)
        rows = unseen if len(unseen) else None
        return choose(self._digits.labels, rows, asked.digits), rows is not None

    def _reader(self, run: str) -> Reader:
        with self._opening:
            if run not in self._readers:
                self._readers[run] = open_reader(run, self._workspace, self._num_threads)
            self._readers.move_to_end(run)
            while len(self._readers) > _MOST_READERS:
                self._readers.popitem(last=False)
            return self._readers[run]

    def _drawn(self, asked: _Hand) -> npt.NDArray[np.uint8]:
        """A drawing as an image of the competition, uint8 (1, C, H, W)."""
        try:
            encoded = np.frombuffer(base64.b64decode(asked.png, validate=True), np.uint8)
            ink = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE) if len(encoded) else None
        except (binascii.Error, cv2.error):
            ink = None
        if ink is None:
            raise UserError("the drawing cannot be read.")
        channels, height, width = self._competition.image_shape
        image = as_digit(np.asarray(ink, dtype=np.uint8), height, width)
        return np.broadcast_to(image, (1, channels, height, width)).copy()


def _with_pixels(told: dict[str, Any], pixels: bytes = b"") -> Response:
    header = json.dumps(told).encode()
    content = struct.pack("<I", len(header)) + header + pixels
    return Response(content, media_type="application/octet-stream")


def _describe(draft: Draft) -> str:
    """A docstring for what became of a recipe."""
    return f"Played from {draft.recipe} on the page of `make play`."
