"""Pictures as buttons, side by side, which can be used with the mouse and the keyboard."""

import base64
from collections.abc import Sequence
from html import escape

import param
from panel.custom import JSComponent


class Tiles(JSComponent):
    """Buttons with a picture and a text; `chosen` is the number of the button pressed last."""

    tiles = param.List(default=[], doc="of each its number, picture as data URL, and text")
    chosen = param.Integer(default=-1)
    pressed = param.Integer(default=0, doc="how often any was")

    _stylesheets = [  # noqa: RUF012
        """
        .tiles { display: flex; flex-wrap: wrap; gap: 6px; }
        .tiles button { border: 1px solid #767676; border-radius: 3px; background: white; color: #1a1a1a; padding: 3px;
          font: 11px sans-serif; cursor: pointer; max-width: 170px; }
        .tiles button:hover, .tiles button:focus-visible { outline: 2px solid #2b6ca3; }
        .tiles img { display: block; margin: 0 auto 2px; }
        """
    ]

    _esm = """
    export function render({ model }) {
      const tiles = document.createElement("div");
      tiles.className = "tiles";
      const draw = () => tiles.replaceChildren(...model.tiles.map(([number, picture, text]) => {
        const button = document.createElement("button");
        button.type = "button";
        const image = document.createElement("img");
        image.src = picture;
        image.alt = "";
        button.append(image, document.createTextNode(text));
        button.onclick = () => { model.chosen = number; model.pressed += 1; };
        return button;
      }));
      model.on("tiles", draw);
      draw();
      return tiles;
    }
    """

    def lay(self, tiles: Sequence[tuple[int, bytes, str]]) -> None:
        """Replace the tiles, each given by its number, PNG and text."""
        self.tiles = [(number, data_url(png), text) for number, png, text in tiles]


def data_url(png: bytes) -> str:
    """Return a data URL that contains a picture."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def bars(ranking: Sequence[tuple[str, float]]) -> str:
    """Return an HTML table of classes with their probabilities as bars."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;padding-right:8px">{escape(name)}</th>'
        f'<td style="width:130px"><div style="background:#2b6ca3;height:10px;width:{100 * share:.1f}%"></div></td>'
        f'<td style="text-align:right">{share:.1%}</td></tr>'
        for name, share in ranking
    )
    return f'<table style="font:13px sans-serif"><caption style="text-align:left">probability</caption>{rows}</table>'
