"""The user's own files: uploaded on the page and passed to the study's job for files, whose page is shown."""

import asyncio
import hashlib
import re
import sys
from html import escape
from pathlib import Path
from typing import Any

import panel as pn

from raypipe.explorer.sample import alert
from raypipe.files import scratch_folder
from raypipe.study import Study


class FilesView(pn.viewable.Viewer):
    """An upload field for files that a study's job takes, and the job's result."""

    def __init__(self, study: Study, **params: Any) -> None:
        super().__init__(**params)
        self._study = study
        self._drop = pn.widgets.FileInput(name=f"a file of your own {study.kind}")
        self._state = pn.pane.HTML("")
        self._page = pn.pane.HTML("", sizing_mode="stretch_width")
        self._latest = object()
        self._drop.param.watch(self._given, "value")

    def __panel__(self) -> Any:
        """The column that is shown."""
        return pn.Column(
            pn.pane.HTML(f'<h2 style="margin:2px;font-size:16px">A file of your own {self._study.kind}</h2>'),
            self._drop,
            self._state,
            self._page,
        )

    async def _given(self, event: Any) -> None:
        if not event.new:
            return
        self._latest = latest = object()
        name = Path(self._drop.filename).name
        self._state.object = f'<p role="status">{escape(name)}: working, about half a minute …</p>'
        try:
            html, said = await _worked(self._study.takes_files, name, event.new)
            state, source = f'<p role="status" class="file">{escape(said)}</p>', escape(html, quote=True)
            style = "width:100%;height:900px;border:0"
            page = f'<iframe title="{escape(name)}" sandbox style="{style}" srcdoc="{source}"></iframe>'
        except Exception as error:  # the visitor should see any error
            state, page = alert(error), ""
        if latest is self._latest:  # otherwise another file has been given since
            self._state.object, self._page.object = state, page


async def _worked(job: str, name: str, content: bytes) -> tuple[str, str]:
    """Run a job on a file; return the page that it writes, and the first line that it prints.

    Raises:
        RuntimeError: with the job's last error message, if it fails.
    """
    with scratch_folder("raypipe-dropped-") as folder:
        file, table = folder / re.sub(r"[^\w.-]+", "-", name), folder / "result.csv"
        file.write_bytes(content)
        # With the content's checksum: other files may have the same name, and the same file continues its own data set.
        called = f"{file.stem.strip('-.')}-{hashlib.sha256(content).hexdigest()[:8]}".strip("-")
        command = [sys.executable, "-c", "from raypipe.command import raypipe; raypipe()", job, str(file)]
        command += ["--name", called, "--output", str(table)]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, error = await process.communicate()
        if process.returncode:
            lines = error.decode(errors="replace").strip().splitlines()
            raise RuntimeError((lines or ["it ended without a message"])[-1].replace(f"{folder}/", ""))
        page = table.with_suffix(".html")
        return page.read_text(encoding="utf-8"), out.decode().strip().splitlines()[0]
