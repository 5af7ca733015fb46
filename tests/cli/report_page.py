"""report_page.py PAGE [--sections ID...] [--without ID...] [--figures N] [--text TEXT...] [--rows N] [--pictures N]

Reads report.html as a browser would, by Python's html.parser, and fails where it is not well formed, where it asks for
anything from elsewhere, where an id stands twice, and where it lacks what is asked for.  The SVG files beside it are
parsed as XML."""
import argparse
import base64
import glob
import html.parser
import os
import re
import sys
import urllib.parse
import xml.etree.ElementTree

PICTURE = "data:image/png;base64,"
VOID = {"meta", "link", "br", "img", "hr", "input"}
SVG = {"svg", "g", "path", "use", "text", "tspan", "rect", "circle", "polygon", "line", "defs"}
HTML = {"html", "head", "meta", "title", "link", "style", "body", "header", "nav", "main", "section", "h1", "h2", "h3", "p", "a",
        "dl", "dt", "dd", "div", "small", "span", "strong", "b", "table", "thead", "tbody", "tr", "th", "td", "figure",
        "figcaption", "img", "ul", "li", "details", "summary", "pre", "script"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.folders = set()  # of the figures, beside the page
        self.open, self.ids, self.text, self.scripts, self.rows, self.figures, self.cells = [], {}, [], 0, 0, 0, []
        self.pictures = 0

    def handle_starttag(self, tag, attrs):
        assert tag in SVG | HTML, f"an element <{tag}> at {self.getpos()}"
        for name, value in attrs:
            name = name.lower()
            assert not name.startswith("on"), f"{name} of <{tag}> at {self.getpos()}"
            if name == "src" and tag == "img":
                assert value.startswith(PICTURE), f"<img> asks for {value[:80]}"
                assert base64.b64decode(value[len(PICTURE):], validate=True).startswith(b"\x89PNG\r\n\x1a\n"), "is no PNG"
                self.pictures += 1
                continue
            assert name not in ("src", "srcset", "action", "formaction", "style"), f"{name} of <{tag}>"
            if name == "href":
                assert re.match(r"#|([\w.%-]+-)?plots/[\w.-]+$|data:,$", value), f"<{tag}> asks for {value}"
                if tag == "a" and "plots/" in value:
                    self.folders.add(urllib.parse.unquote(value.split("/")[0]))
            if name == "id":
                assert value not in self.ids, f"the id {value} stands twice"
                self.ids[value] = tag
        if tag not in VOID:
            self.open.append(tag)
        self.scripts += tag == "script"
        self.figures += tag == "svg"
        if tag == "tr" and "sort" in self.tables() and "tbody" in self.open:
            self.rows += 1
        if tag == "table":
            self.sorted = ("class", "sort") in attrs

    def tables(self):
        return ["sort"] if "table" in self.open and self.sorted else []

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> within {self.open} at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)
        else:
            assert "@import" not in data and "url(" not in data and "fetch" not in data and "http" not in data


options = argparse.ArgumentParser()
options.add_argument("page")
options.add_argument("--sections", nargs="*", default=[])
options.add_argument("--without", nargs="*", default=[])
options.add_argument("--text", nargs="*", default=[])
options.add_argument("--figures", type=int)
options.add_argument("--rows", type=int)
options.add_argument("--pictures", type=int)
o = options.parse_args()

source = open(o.page, encoding="utf-8").read()
page = Page()
page.feed(source)
page.close()
assert not page.open, f"still open: {page.open}"
assert page.scripts == 1, f"{page.scripts} scripts"
assert page.ids.get("plot-x") is None
assert len(source) < 5e6, f"the page has {len(source)} bytes"
text = " ".join(" ".join(page.text).split())
assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\x00-\x08\x0b-\x1f]", text), "what is not seen"
for name in o.sections:
    assert name in page.ids, f"no {name}; there are {sorted(page.ids)}"
for name in o.without:
    assert name not in page.ids, f"there is {name}"
for wanted in o.text:
    assert wanted in text, f"no '{wanted}' in: {text[:3000]}"
assert len(page.folders) <= 1, page.folders
plots = os.path.join(os.path.dirname(o.page), *page.folders)
if o.figures is not None:
    assert page.figures == o.figures, f"{page.figures} figures"
    for path in glob.glob(os.path.join(glob.escape(plots), "*.svg")):
        xml.etree.ElementTree.parse(path)
if o.pictures is not None:
    assert page.pictures == o.pictures, f"{page.pictures} pictures"
if o.rows is not None:
    assert page.rows == o.rows, f"{page.rows} rows"
for name in (name[5:] for name in page.ids if name.startswith("plot-")):
    assert os.path.exists(os.path.join(plots, name + ".csv")), f"no {name}.csv"
sys.exit(0)
