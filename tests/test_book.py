"""The book: how it is assembled, and how its pages look in a browser."""

import functools
import http.server
import json
import re
import shutil
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fusqa.book import BookError, assemble, bind, main
from fusqa.study import Profile

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = (
    "cohorts",
    "altered_masks",
    "segmentation__unet",
    "review",
    "autoencoder",
    "classification",
    "gestational_age",
    "edition",
    "diagnosis",
    "unseen",
    "baselines",
    "risk",
    "calibration",
    "dating",
    "audit",
    "advice",
)
QUICK = Profile.read("quick")
ROWS = ("synergic-resnet18-scratch", "single-resnet18-pretrained")
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
WIDTHS = (390, 768, 1440)
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "srcset")}


def executed(folder: Path, name: str, *outputs) -> None:
    """Write an executed notebook as small as can be."""
    cells = [new_markdown_cell(f"# Chapter {name.partition('__')[0]}"), new_code_cell("1", outputs=list(outputs))]
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    notebook = new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}})
    nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")


@pytest.fixture
def build(tmp_path) -> Path:
    """An executed study on the simulated cohort alone."""
    study = tmp_path / "build" / "quick"
    caption = '<span class="source">Data: <code>results/cohorts.csv, results/other.csv</code>.</span>'
    table = new_output("display_data", {"text/html": f"<figure><figcaption>{caption}</figcaption></figure>"})
    for name in CHAPTERS:
        executed(study / "simulated", name, table)
    for row in ROWS:
        executed(study / "simulated", f"quality_model__{row}__seed0")
    results = study / "simulated" / "results"
    results.mkdir()
    origin = {"seed": 3, "commit": "0123456789abcdef+changes", "versions": {"torch": "9.9"}, "threads": None}
    (results / "cohorts.json").write_text(json.dumps({"provenance": origin}))
    (results / "cohorts.csv").write_text("case\n1\n")
    return tmp_path / "build"


def files(out: Path) -> list[str]:
    """Files of the assembled table of contents, in order."""
    return re.findall(r"file: (\S+)", (out / "_toc.yml").read_text())


def test_a_notebook_that_was_not_executed_is_named_with_the_command_to_run(build, capsys):
    (build / "quick/simulated/notebooks/autoencoder.ipynb").unlink()
    assert main(["--source", str(ROOT), "--build", str(build), "--profile", "quick"]) == 1
    said = capsys.readouterr().err
    assert "autoencoder" in said
    assert "cohorts" not in said
    assert "make book PROFILE=quick" in said
    assert not (build / "quick/book").exists()


def test_a_failed_run_is_not_published(build, tmp_path):
    failure = new_output("error", ename="ValueError", evalue="no such thing", traceback=[])
    executed(build / "quick/simulated", "review", failure)
    with pytest.raises(BookError, match=r"review\.ipynb ended in ValueError: no such thing"):
        assemble(ROOT, build / "quick", QUICK, tmp_path / "source")


def test_every_row_has_a_page_below_the_quality_models_in_the_order_of_the_paper(build, tmp_path):
    assemble(ROOT, build / "quick", QUICK, tmp_path / "source")
    listed = files(tmp_path / "source")
    pages = [f"notebooks/quality_model__{row}__seed0" for row in ROWS]
    place = listed.index("book/quality_models")
    assert listed[place + 1 : place + 3] == pages
    page = nbformat.read(tmp_path / "source" / f"{pages[1]}.ipynb", as_version=4)
    assert page.cells[0].source == "# Chapter quality_model: Single ResNet-18, pretrained, seed 0"


def test_rows_and_seeds_that_the_profile_no_longer_has_are_passed_over(build, tmp_path):
    left = ("quality_model__single-vgg16-scratch__seed0", f"quality_model__{ROWS[0]}__seed9", "segmentation__vnet")
    for name in left:
        executed(build / "quick/simulated", name)
    (build / "quick/simulated/results/quality__single-vgg16-scratch__seed0.csv").write_text("case\n")
    assemble(ROOT, build / "quick", QUICK, tmp_path / "source")
    assert not {f"notebooks/{name}" for name in left} & set(files(tmp_path / "source"))
    published = tmp_path / "source/published/results/simulated"
    assert sorted(path.name for path in published.iterdir()) == ["cohorts.csv", "cohorts.json"]


def test_code_is_folded_but_what_the_page_was_run_with_is_not(build, tmp_path):
    source = build / "quick/simulated/notebooks/cohorts.ipynb"
    notebook = nbformat.read(source, as_version=4)
    notebook.cells.insert(1, new_code_cell("seed = 4", metadata={"tags": ["injected-parameters"]}))
    nbformat.write(notebook, source)
    assemble(ROOT, build / "quick", QUICK, tmp_path / "source")
    page = nbformat.read(tmp_path / "source/notebooks/cohorts.ipynb", as_version=4)
    assert [cell.metadata.get("tags") for cell in page.cells if cell.cell_type == "code"] == [
        ["injected-parameters"],
        ["hide-input"],
    ]


def test_captions_lead_to_published_files_only(build, tmp_path):
    assemble(ROOT, build / "quick", QUICK, tmp_path / "source")
    page = nbformat.read(tmp_path / "source/notebooks/cohorts.ipynb", as_version=4)
    caption = page.cells[1].outputs[0].data["text/html"]
    assert '<a href="../results/simulated/cohorts.csv"><code>results/cohorts.csv</code></a>' in caption
    assert ", <code>results/other.csv</code>." in caption


def test_real_heads_appear_when_the_study_was_run_on_them(build, tmp_path):
    assemble(ROOT, build / "quick", QUICK, tmp_path / "without")
    assert not any(file.startswith("hc18/") for file in files(tmp_path / "without"))
    assert "was not run on the HC18" in (tmp_path / "without/book/hc18.md").read_text()
    executed(build / "quick/hc18", "cohorts")
    executed(build / "quick/hc18", "quality_model__single-resnet18-scratch__seed0")
    assemble(ROOT, build / "quick", QUICK, tmp_path / "with")
    real = [file for file in files(tmp_path / "with") if "hc18" in file]
    row = "hc18/quality_model__single-resnet18-scratch__seed0"
    assert real == ["book/hc18", "hc18/cohorts", "book/hc18_models", row]
    assert "was not run" not in (tmp_path / "with/book/hc18.md").read_text()


def test_a_book_is_replaced_whole_or_not_at_all(build, capsys):
    arguments = ["--source", str(ROOT), "--build", str(build), "--profile", "quick"]
    assert main(arguments) == 0, capsys.readouterr().err
    html = build / "quick/book/html"
    provenance = (html / "book/provenance.html").read_text()
    assert 'href="../results/simulated/cohorts.json"' in provenance
    assert "0123456789+changes" in provenance
    assert "9.9" in provenance
    before = (html / "book/intro.html").read_bytes()
    source = build / "quick/book/source"
    (source / "book/glossary.md").write_text("# Glossary\n\n{term}`a word that nobody explains`\n")
    with pytest.raises(BookError, match="a word that nobody explains"):
        bind(source, html)
    assert (html / "book/intro.html").read_bytes() == before
    assert [path.name for path in html.parent.iterdir() if path.name.startswith(".binding")] == []


# The pages ------------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page links to, loads, and can be linked at."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.loaded, self.anchors = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.anchors |= {attributes.get("id"), attributes.get("name")} - {None}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        self.loaded += [attributes[name] for kind, name in LOADED if kind == tag and attributes.get(name)]


def listed_pages(html: Path) -> list[str]:
    """Every page of the table of contents, as an address below `html`."""
    toc = yaml.safe_load((html.parent / "source/_toc.yml").read_text())

    def walk(entries):
        for entry in entries:
            yield entry["file"]
            yield from walk(entry.get("sections", []))

    chapters = (file for part in toc["parts"] for file in walk(part["chapters"]))
    return [f"{file}.html" for file in (toc["root"], *chapters)]


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(book_html):
    pages = {path: Page(path) for path in book_html.rglob("*.html") if "_static" not in path.parts}
    assert {book_html / page for page in listed_pages(book_html)} <= set(pages)
    broken, foreign = [], []
    for path, page in pages.items():
        where = path.relative_to(book_html)
        foreign += [f"{where}: {address[:80]}" for address in page.loaded if urlsplit(address).netloc]
        for address in page.links + page.loaded:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                broken.append(f"{where}: {address}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{where}: {address} (no such place on the page)")
    assert broken == []
    assert foreign == []


@pytest.fixture(scope="module")
def address(book_html):
    """The book on a local port."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=book_html)
    handler.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def page():
    """A page of headless Chromium that notes what goes wrong in it: ``page.faults``."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium to read the pages with: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.faults = []
        page.on("console", lambda message: message.type == "error" and page.faults.append(message.text))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("requestfailed", lambda request: page.faults.append(f"failed: {request.url[:100]}"))
        page.on("response", lambda reply: reply.status >= 400 and page.faults.append(f"{reply.status}: {reply.url}"))
        yield page
        browser.close()


WIDER = "() => document.documentElement.scrollWidth - window.innerWidth"
IMAGES = """() => [...document.querySelectorAll('article img')].map(image => (
    {source: image.src.slice(0, 60), width: image.naturalWidth, alt: (image.alt || '').trim()}))"""


def test_every_page_stands_in_a_browser(book_html, address, page):
    faults = []
    page.on("request", lambda request: urlsplit(request.url).netloc not in ("", urlsplit(address).netloc)
            and page.faults.append(f"asked another host: {request.url}"))  # fmt: skip
    for name in listed_pages(book_html):
        page.faults.clear()
        page.goto(f"{address}/{name}")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                wider = page.evaluate(WIDER)
                faults += [f"{name}: {wider} px wider than {width} px, {scheme}"] if wider > 0 else []
        images = page.evaluate(IMAGES)
        faults += [f"{name}: not drawn: {image['source']}" for image in images if not image["width"]]
        faults += [f"{name}: no description: {image['source']}" for image in images if len(image["alt"]) < 8]
        faults += [f"{name}: {fault}" for fault in page.faults]
        assert page.locator("article h1").count() == 1, name
    assert faults == []
    page.goto(f"{address}/index.html")
    page.wait_for_url("**/book/intro.html")


def test_what_can_be_set_and_what_it_cost_come_from_the_notebooks_and_their_results(book_html, small_study):
    page = (book_html / "book/reexecute.html").read_text()
    assert "{{" not in page
    assert "a key of fusqa.recipes.RECIPES" in page and "<code>quality_model" not in page
    provenance = json.loads((small_study.folder / "simulated/results/audit.json").read_text())["provenance"]
    assert re.search(rf"<td>audit</td><td>1</td><td>{provenance['cpu_seconds']:.0f}</td>", page)


def test_every_module_has_one_place_in_the_reference():
    pages = "".join(page.read_text() for page in (ROOT / "book").glob("api_*.md"))
    named = re.findall(r"automodule:: fusqa\.(\w+)", pages)
    modules = {path.stem for path in (ROOT / "fusqa").glob("*.py")} - {"__init__", "__main__"}
    assert sorted(named) == sorted(modules)
