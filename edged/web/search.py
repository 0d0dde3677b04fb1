"""The page that searches the pictures in a folder of the device."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shlex
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from edged import paths
from edged.config.schema import Config
from edged.errors import EdgedError, PictureError
from edged.printable import printable
from edged.web.page import environment
from edged.web.resource import RequestError, Resource, refusal

if TYPE_CHECKING:
    from edged.batch import Answer
    from edged.search.index import Known
    from edged.search.search import Hit, Search

WAIT_S = 1.5
"""How long a page waits for the classification of new pictures."""

LOOK_AGAIN_S = 10.0
"""The least interval between looks at the folder, which only searches cause."""

SHOWN = 60
KEPT = 1000
"""The most shown pictures that can be requested."""

SIDE_PX = 240


class Pictures:
    """The folder's classified pictures; a thread classifies new ones while there are searches.

    ``left`` is the number of pictures still to classify, ``trouble`` why it cannot.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._folder = Path(config.web.search_folder)
        self._lock = threading.Lock()
        self._known: dict[Path, Known] = {}
        self._search: Search | None = None
        self._thread: threading.Thread | None = None
        self._looked_s = -LOOK_AGAIN_S
        self.left = 0
        self.trouble: str | None = None

    def look(self) -> None:
        """Have new pictures classified, and wait briefly for it."""
        with self._lock:
            thread = self._thread
            if thread is None and time.monotonic() - self._looked_s >= LOOK_AGAIN_S:
                thread = self._thread = threading.Thread(
                    target=self._look, name="search", daemon=True
                )
                thread.start()
        if thread is not None:
            thread.join(WAIT_S)

    def found(self, words: str, like: Path | None) -> list[Hit]:
        """The matching pictures, best first. EdgedError."""
        from edged.search.search import ALIKE, LEAST

        search = self._search
        with self._lock:
            known = {path: one for path, one in self._known.items() if one.error is None}
        if search is None:
            return []
        if like is not None and like in known:
            wanted = known.pop(like)
            return search.alike(known, wanted)[:ALIKE]
        hits = search.with_labels(known, search.classes(_split(words)))
        return [hit for hit in hits if hit.score >= LEAST][:SHOWN]

    def _look(self) -> None:
        try:
            self._look_through()
            self.trouble = None
        except EdgedError as error:
            self.trouble = str(error)
        finally:
            with self._lock:
                self._thread, self._looked_s, self.left = None, time.monotonic(), 0

    def _look_through(self) -> None:
        # Imported at the first search: numpy and a runtime.
        from edged import build
        from edged.batch import pictures
        from edged.inference import labels
        from edged.search.index import NAME
        from edged.search.search import Search, identities_of

        if self._search is None:
            model = build.admitted(self._config)
            settings = model.settings
            found_labels = labels.find(model.file, settings.labels, settings.locale)
            cache = paths.cache_directory()
            self._search = Search(self._config, model, found_labels, cache and cache / NAME)
        found = list(pictures([self._folder]))
        known = {}
        for path, one in self._search.look(
            found, identities_of(found), [self._folder], self._follow
        ):
            known[path] = one
            with self._lock:
                self._known[path] = one
        with self._lock:
            self._known = known

    def _follow(self, answers: Iterable[Answer], count: int) -> Iterable[Answer]:
        self.left = count
        for answer in answers:
            yield answer
            self.left -= 1


def routes(config: Config) -> list[BaseRoute]:
    """``/search``, if a folder is configured and pictures may be served."""
    if not (config.web.search_folder and config.web.pictures):
        return []
    pictures = Pictures(config)
    shown: OrderedDict[str, Path] = OrderedDict()
    template = environment().get_template("search.html.jinja")

    def named(path: Path) -> str:
        """The page's name for a picture; only shown pictures have one."""
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:24]
        shown[name] = path
        shown.move_to_end(name)
        if len(shown) > KEPT:
            shown.popitem(last=False)
        return name

    async def search(request: Request) -> Response:
        words = request.query_params.get("words", "").strip()
        like = request.query_params.get("like", "")
        told: dict[str, Any] = {"words": words, "like": like, "hits": [], "problem": None}
        if words or like:
            if like and like not in shown:
                raise RequestError(404, "this picture is no longer known; search for it again")
            await asyncio.to_thread(pictures.look)
            try:
                hits = await asyncio.to_thread(pictures.found, words, shown.get(like))
            except EdgedError as error:
                hits, told["problem"] = [], str(error)
            told["hits"] = [
                {
                    "name": named(path),
                    "file": printable(path.relative_to(config.web.search_folder)),
                    "label": label,
                    "percent": round(100 * score),
                }
                for path, score, label in hits
            ]
            told["problem"] = told["problem"] or pictures.trouble
        page = template.render(device=config.device, left=pictures.left, **told)
        return HTMLResponse(page)

    async def picture(request: Request) -> Response:
        path = shown.get(request.path_params["name"])
        if path is None:
            raise RequestError(404, "no such picture is shown")
        try:
            jpeg = await asyncio.to_thread(_thumbnail, path)
        except PictureError as error:
            raise RequestError(404, error.reason) from error
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "max-age=60"})

    return [
        Route("/search", Resource(refusal, GET=search)),
        Route("/search/{name}.jpg", Resource(refusal, GET=picture)),
    ]


def _split(words: str) -> list[str]:
    """As in a shell: quotes keep words together."""
    try:
        return shlex.split(words)
    except ValueError:
        return words.split()


def _thumbnail(path: Path) -> bytes:
    from edged.imaging.picture import jpeg, read_picture

    return jpeg(read_picture(path, (SIDE_PX // 2, SIDE_PX // 2)), 80, SIDE_PX)
