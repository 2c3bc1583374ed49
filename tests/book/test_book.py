"""The book: how it is assembled, and how its pages look in a browser."""

import functools
import http.server
import json
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zipfile import ZipFile

import nbformat
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT, publishing
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fusqa.publishing.binding import assemble, bind
from fusqa.publishing.contents import Source
from fusqa.publishing.printing import browser as find_browser
from fusqa.publishing.printing import print_book, write_epub
from fusqa.publishing.tools import PublishingError
from fusqa.study.profile import Profile
from fusqa.study.rows import grid, row_named

CHAPTERS = (
    "ten_minutes",
    "cohorts",
    "realism",
    "altered_masks",
    "segmentation__unet__seed0",
    "review__seed0",
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
    "error_in_mm",
    "intervals",
    "audit",
    "advice",
    "own_data",
)
QUICK = Profile.read("quick")
ROWS = QUICK.cohorts["simulated"].rows
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


def study(build: Path, **settings: object) -> dict[str, Source]:
    """The study as the source of all its chapters; `settings` replace those of its profile."""
    profile = QUICK.model_copy(update=settings)
    return dict.fromkeys(profile.cohorts, Source(build / "quick", profile))


def files(out: Path) -> list[str]:
    """Files of the assembled table of contents, in order."""
    return re.findall(r"file: (\S+)", (out / "_toc.yml").read_text())


def test_a_notebook_that_was_not_executed_is_named_with_the_command_to_run(build):
    (build / "quick/simulated/notebooks/baselines.ipynb").unlink()
    ended = publishing("bind", "--source", ROOT, "--build", build, "--profile", "quick")
    assert ended.exit_code == 1
    said = ended.stderr
    assert "baselines" in said
    assert "cohorts" not in said
    assert "make book PROFILE=quick" in said
    assert not (build / "quick/book").exists()


def test_a_failed_run_is_not_published(build, tmp_path):
    failure = new_output("error", ename="ValueError", evalue="no such thing", traceback=[])
    executed(build / "quick/simulated", "review__seed0", failure)
    with pytest.raises(PublishingError, match=r"review__seed0\.ipynb ended in ValueError: no such thing"):
        assemble(ROOT, study(build), tmp_path / "source")


def test_every_row_has_a_page_below_the_quality_models_in_the_order_of_the_profile(build, tmp_path):
    rows = sorted(ROWS, reverse=True)
    plans = QUICK.cohorts | {"simulated": QUICK.cohorts["simulated"].model_copy(update={"rows": rows})}
    assemble(ROOT, study(build, cohorts=plans), tmp_path / "source")
    listed = files(tmp_path / "source")
    pages = [f"notebooks/quality_model__{row}__seed0" for row in rows]
    place = listed.index("book/quality_models")
    assert listed[place + 1 : place + 3] == pages
    page = nbformat.read(tmp_path / "source" / f"{pages[0]}.ipynb", as_version=4)
    assert page.cells[0].source.startswith(f"# Chapter quality_model: {row_named(rows[0]).title}, seed 0\n")


def test_rows_and_seeds_that_the_profile_no_longer_has_are_passed_over(build, tmp_path):
    left = (
        "quality_model__single-vgg16-scratch__seed0",
        f"quality_model__{ROWS[0]}__seed9",
        "segmentation__vnet__seed0",
        "review__seed9",
    )
    for name in left:
        executed(build / "quick/simulated", name)
    (build / "quick/simulated/results/quality__single-vgg16-scratch__seed0.csv").write_text("case\n")
    assemble(ROOT, study(build), tmp_path / "source")
    assert not {f"notebooks/{name}" for name in left} & set(files(tmp_path / "source"))
    published = tmp_path / "source/published/results/simulated"
    assert sorted(path.name for path in published.iterdir()) == ["cohorts.csv", "cohorts.json"]


def test_the_code_of_a_section_is_in_one_fold(build, tmp_path):
    source = build / "quick/simulated/notebooks/cohorts.ipynb"
    notebook = nbformat.read(source, as_version=4)
    given = [("seed = 0", "parameters"), ("seed = 4", "injected-parameters")]
    notebook.cells[1:1] = [new_code_cell(code, metadata={"tags": [tag]}) for code, tag in given]
    notebook.cells += [new_markdown_cell("## One more"), new_code_cell("seed + 1"), new_code_cell("seed + 2")]
    nbformat.write(notebook, source)
    assemble(ROOT, study(build), tmp_path / "source")
    page = nbformat.read(tmp_path / "source/notebooks/cohorts.ipynb", as_version=4)
    assert all("remove-input" in cell.metadata.tags for cell in page.cells if cell.cell_type == "code")
    folds = [cell.source for cell in page.cells if "How this page was made" in cell.source]
    assert "seed = 0" not in folds[0]
    assert ["seed = 4\n\n1" in folds[0], "seed + 1\n\nseed + 2" in folds[1], len(folds)] == [True, True, 2]


def test_the_table_of_contents_has_few_entries_at_its_top_level():
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]
    assert 1 + sum("file" in entry for part in parts for entry in part["chapters"]) <= 30


def test_a_row_that_was_not_run_has_no_page(build, tmp_path):
    results = build / "quick/simulated/results"
    left = {"status": "not run", "reason": "its weights cannot be had", "provenance": {"seed": 0}}
    (results / f"quality__{ROWS[1]}__seed0.json").write_text(json.dumps(left))
    assemble(ROOT, study(build), tmp_path / "source")
    pages = files(tmp_path / "source")
    assert f"notebooks/quality_model__{ROWS[0]}__seed0" in pages
    assert f"notebooks/quality_model__{ROWS[1]}__seed0" not in pages


def test_no_two_pages_of_two_cohorts_have_one_title(build, tmp_path):
    executed(build / "quick/hc18", "cohorts")
    plans = QUICK.cohorts | {"hc18": QUICK.cohorts["simulated"]}
    assemble(ROOT, study(build, cohorts=plans), tmp_path / "source")
    titles = [
        nbformat.read(tmp_path / f"source/{folder}/cohorts.ipynb", as_version=4).cells[0].source.partition("\n")[0]
        for folder in ("notebooks", "hc18")
    ]
    assert titles[0] == "# Chapter cohorts"
    assert titles[1] == "# Chapter cohorts: real fetal heads (HC18)"


def test_captions_lead_to_published_files_only(build, tmp_path):
    assemble(ROOT, study(build), tmp_path / "source")
    page = nbformat.read(tmp_path / "source/notebooks/cohorts.ipynb", as_version=4)
    caption = page.cells[1].outputs[0].data["text/html"]
    assert '<a href="../results/simulated/cohorts.csv"><code>results/cohorts.csv</code></a>' in caption
    assert ", <code>results/other.csv</code>." in caption


def test_real_heads_appear_when_the_study_was_run_on_them(build, tmp_path):
    assemble(ROOT, study(build), tmp_path / "without")
    assert not any(file.startswith("hc18/") for file in files(tmp_path / "without"))
    assert "was not run on the HC18" in (tmp_path / "without/book/hc18.md").read_text()
    executed(build / "quick/hc18", "cohorts")
    executed(build / "quick/hc18", "quality_model__single-resnet18-scratch__seed0")
    assemble(ROOT, study(build), tmp_path / "with")
    real = [file for file in files(tmp_path / "with") if "hc18" in file]
    row = "hc18/quality_model__single-resnet18-scratch__seed0"
    assert real == ["book/hc18", "hc18/cohorts", "book/hc18_quality_models", row]
    assert "was not run" not in (tmp_path / "with/book/hc18.md").read_text()


def test_a_book_is_replaced_whole_or_not_at_all(build):
    arguments = ["bind", "--source", ROOT, "--build", build, "--profile", "quick"]
    ended = publishing(*arguments)
    assert ended.exit_code == 0, ended.stderr
    html = build / "quick/book/html"
    provenance = (html / "book/provenance.html").read_text()
    assert 'href="../results/simulated/cohorts.json"' in provenance
    assert "0123456789+changes" in provenance
    assert "9.9" in provenance
    before = (html / "book/intro.html").read_bytes()
    source = build / "quick/book/source"
    (source / "book/glossary.md").write_text("# Glossary\n\n{term}`a word that nobody explains`\n")
    (source / "_toc.yml").write_text("format: jb-book\nroot: book/glossary\n")  # one page fails sooner than all
    with pytest.raises(PublishingError, match="a word that nobody explains"):
        bind(source, html)
    assert (html / "book/intro.html").read_bytes() == before
    assert [path.name for path in html.parent.iterdir() if path.name.startswith(".binding")] == []


def test_a_book_is_printed_whole_by_one_command(build):
    if find_browser() is None:
        pytest.skip("no Chromium to print with: apt-get install chromium")
    book = build / "quick/book"
    with pytest.raises(PublishingError, match="make book PROFILE=quick"):
        print_book(book)
    assemble(ROOT, study(build), book / "source")
    printed = print_book(book).read_bytes()
    assert printed.startswith(b"%PDF") and printed.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 20
    assert sorted(path.name for path in book.iterdir()) == ["fusqa.pdf", "handout.pdf", "source"]


def test_a_book_is_packed_for_readers_of_electronic_books(build):
    book = build / "quick/book"
    assemble(ROOT, study(build), book / "source")
    config = book / "source/_config.yml"  # as it is once the repository has an address
    settings = yaml.safe_load(config.read_text())
    settings["repository"]["url"] = "https://github.com/owner/name"
    config.write_text(yaml.safe_dump(settings))
    with ZipFile(write_epub(book)) as packed:
        assert packed.read("mimetype") == b"application/epub+zip"
        pages = {name for name in packed.namelist() if name.endswith(".xhtml")}
        told, contents = (packed.read(f"{name}.xhtml").decode() for name in ("notebooks/cohorts", "nav"))
    assert {"book/intro.xhtml", "book/glossary.xhtml"} <= pages
    assert "Chapter cohorts" in told and "results/cohorts.csv" in told and "notebooks/cohorts.xhtml" in contents
    assert "Edit this page" not in told
    assert sorted(path.name for path in book.iterdir()) == ["fusqa.epub", "source"]


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
def browser():
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = find_browser()
    if chromium is None:
        pytest.skip("no Chromium to read the pages with: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page of its own, with an empty cache, that notes what goes wrong in it: ``page.faults``."""
    with browser.new_context() as context:
        page = context.new_page()
        page.faults = []
        page.on("console", lambda message: message.type == "error" and page.faults.append(message.text))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        # Not a fault: a request that the browser cancels, for a drawing of another width or on leaving the page.
        page.on("requestfailed", lambda request: request.failure != "net::ERR_ABORTED"
                and page.faults.append(f"{request.failure}: {request.url[:100]}"))  # fmt: skip
        page.on("response", lambda reply: reply.status >= 400 and page.faults.append(f"{reply.status}: {reply.url}"))
        yield page


WIDTH_HIDDEN = "element => element.scrollWidth - element.clientWidth"
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


# What docutils writes of a bibliography: roles that the standard has withdrawn since.
BIBLIOGRAPHY = {"aria-deprecated-role", "aria-required-children"}


def test_every_kind_of_page_can_be_read_by_everybody(book_html, address, page):
    """Names and roles, and contrast in light and in dark, by axe-core: WCAG 2.1 AA."""
    rules = {"light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "dark": ["color-contrast"]}
    # of the rows' pages, and of those of several cohorts, one: the last
    kinds = {name.partition("__")[0].rpartition("/")[2]: name for name in listed_pages(book_html)}
    page.set_viewport_size({"width": 768, "height": 900})
    faults = []
    for name in kinds.values():
        page.goto(f"{address}/{name}")
        for scheme, wanted in rules.items():
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
            options = {"runOnly": wanted, "resultTypes": ["violations"]}  # all that it found well is half of its report
            for found in Axe().run(page, options=options).response["violations"]:
                if found["id"] not in BIBLIOGRAPHY or not name.startswith("book/references"):
                    faults.append(f"{name}, {scheme}: {found['id']}: {found['nodes'][0]['html'][:120]}")
    assert faults == []


def test_the_first_page_is_light(address, page):
    sizes = {}
    page.on("response", lambda reply: sizes.update({reply.url: int(reply.headers.get("content-length", 0))}))
    page.goto(f"{address}/book/intro.html")
    page.wait_for_load_state("networkidle")
    assert len(sizes) > 5
    assert sum(sizes.values()) < 1_000_000, sizes


def row_result(row):
    """Name of the result of a row's first training."""
    return row_named(row).result(0)


def numbers(cells):
    return [int(text) for text in cells.all_inner_texts()]


def test_a_threshold_is_moved_and_counts_as_the_study_does(address, page, small_study):
    page.goto(f"{address}/notebooks/classification.html")
    figure = page.locator("figure.fusqa-threshold")
    chosen = figure.locator("select").input_value()
    row = next(key for key, known in grid().items() if known.title == chosen)
    result = json.loads((small_study.folder / f"simulated/results/{row_result(row)}.json").read_text())
    for origin in ("paper", "validation"):
        figure.get_by_role("button", name=re.compile(origin)).click()
        report = result["reports"][origin]["predictions, site B"]
        at = float(figure.locator("output").inner_text())
        assert at == pytest.approx(report["threshold"], abs=0.006)  # as it is shown
        found = numbers(figure.locator("table.matrix td"))
        assert found == [report[name] for name in ("tp", "fn", "fp", "tn")]
    figure.locator("input[type=range]").fill("0")
    assert numbers(figure.locator("table.matrix td"))[1::2] == [0, 0]  # nothing is called poor
    assert page.faults == []


def test_an_alteration_is_moved_and_what_it_does_is_said(address, page):
    page.goto(f"{address}/notebooks/altered_masks.html")
    figure = page.locator("figure.fusqa-sweep")
    data = json.loads(figure.locator("script").text_content())
    which, slider = figure.locator("select"), figure.locator("input[type=range]")
    for title in list(data)[:2]:
        which.select_option(title)
        for number in (0, len(data[title]) - 1):
            slider.fill(str(number))
            frame = data[title][number]
            assert figure.locator("img.mask").get_attribute("src") == frame["mask"]
            assert figure.locator("dd").all_inner_texts() == list(frame["facts"].values())
            assert figure.locator("output").inner_text() == frame["step"]
            assert figure.locator("line").get_attribute("x1") == f"{frame['line'][0][0]:g}"


def test_predictions_are_sorted_by_what_the_reader_chooses(address, page):
    page.goto(f"{address}/notebooks/gestational_age.html")
    figure = page.locator("figure.fusqa-gallery")
    data = json.loads(figure.locator("script").text_content())
    by, first, shown = (figure.locator("select").nth(i) for i in range(3))
    model = next(iter(data["scores"]))

    def probabilities():
        return [float(text) for text in re.findall(r"p = ([\d.]+)", figure.locator("ol").inner_text())]

    by.select_option(f"trust of {model}")
    assert probabilities() == pytest.approx(sorted(data["scores"][model], reverse=True), abs=0.006)
    first.select_option("least trusted, largest error")
    assert probabilities() == pytest.approx(sorted(data["scores"][model]), abs=0.006)
    for verdict, wanted in (("good", 1), ("poor", 0)):
        shown.select_option(f"reviewed as {verdict}")
        assert figure.locator("li").count() == data["good"].count(wanted)
    by.select_option("error of the age")
    shown.select_option("all")
    days = [float(text) for text in re.findall(r"([\d.]+) days", figure.locator("ol").inner_text())]
    assert days == sorted(days, reverse=True)


def test_a_long_table_is_sorted_by_a_click(address, page):
    page.goto(f"{address}/notebooks/altered_masks.html")
    table = page.locator("figure.fusqa-table table", has_text="Dice").first
    column = table.locator("thead th").all_inner_texts()
    place = next(i for i, text in enumerate(column) if text.startswith("Dice"))
    before = table.locator("tbody tr").count()
    for direction in ("ascending", "descending"):
        table.locator("thead th").nth(place).get_by_role("button").click()
        assert table.locator("thead th").nth(place).get_attribute("aria-sort") == direction
        values = [float(text) for text in table.locator(f"tbody td:nth-child({place + 1})").all_inner_texts()]
        assert values == sorted(values, reverse=direction == "descending") and len(values) == before


def test_a_cell_is_sorted_by_the_number_that_it_begins_with(address, page):
    page.goto(f"{address}/notebooks/altered_masks.html")
    keys = {"134,264,641": 134264641, "6,390": 6390, "0.947 ± 0.041\n0.84–1.00": 0.947, "<0.001": 0.001, "−3.2": -3.2}
    keys |= {"12 of 40": 12, ".71": 0.71, "1e-05": 1e-5, "2026-11-28T22:25": "2026-11-28t22:25"}
    keys |= {"hc18/review__seed0.json": "hc18/review__seed0.json", "U-Net, 3": "u-net, 3", "–": "–"}
    assert page.evaluate("texts => texts.map(text => sortKey({innerText: text}))", list(keys)) == list(keys.values())


def test_a_table_is_sorted_by_its_dates(address, page):
    page.goto(f"{address}/book/provenance.html")
    table = page.locator("table.dataframe", has=page.locator("thead th", has_text="date")).first
    place = table.locator("thead th").all_inner_texts().index("date") + 1
    table.get_by_role("button", name="date").click()
    dates = table.locator(f"tbody td:nth-child({place})").all_inner_texts()
    assert dates == sorted(dates) and len(set(dates)) > 1


def test_a_word_of_the_glossary_is_a_click_from_its_meaning(address, page):
    page.goto(f"{address}/notebooks/altered_masks.html")
    word = page.locator("article a.fusqa-term").first
    said = word.inner_text().lower()
    word.click()
    page.wait_for_url("**/glossary.html#*")
    place = page.evaluate("() => document.getElementById(location.hash.slice(1)).textContent")
    assert said.rstrip("s") in place.lower()


def test_solutions_are_there_and_closed(address, page):
    page.goto(f"{address}/notebooks/risk.html")
    solutions = page.locator("details.hide.above-input", has_text="Show a solution")
    assert solutions.count() >= 2
    assert not any(solutions.nth(i).evaluate("details => details.open") for i in range(solutions.count()))


def test_what_can_be_set_and_what_it_cost_come_from_the_notebooks_and_their_results(book_html, small_study):
    page = (book_html / "book/reexecute.html").read_text()
    assert "{{" not in page
    assert "a key of fusqa.study.rows.RECIPES" in page and "<code>quality_model" not in page
    provenance = json.loads((small_study.folder / "simulated/results/audit.json").read_text())["provenance"]
    cells = [re.escape(f"<td>{value}</td>") for value in ("audit", 1, f"{provenance['cpu_seconds']:.0f}")]
    assert re.search(r"\s*".join(cells), page)


MOST_BYTES = 1_500_000


def test_every_page_is_light_enough_for_a_classroom(book_html):
    heavy = {path.name: path.stat().st_size for path in book_html.rglob("*.html") if path.stat().st_size > MOST_BYTES}
    assert heavy == {}


def test_the_code_of_a_section_opens_with_a_click(address, page):
    page.goto(f"{address}/notebooks/risk.html")
    folds = page.locator("details", has_text="How this page was made")
    assert folds.count() > 1 and not folds.locator("pre").first.is_visible()
    folds.first.locator("summary").click()
    assert "profile" in folds.first.locator("pre").first.inner_text()
    assert page.locator("summary", has_text="Show the code").count() == 0


def test_the_sidebar_is_short_before_anything_is_opened(address, page):
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{address}/book/intro.html")
    shown = page.locator(".bd-sidebar-primary nav a:visible").count()
    assert 10 < shown <= 30


def test_a_search_lists_pages_before_attributes_and_no_two_alike(address, page):
    page.goto(f"{address}/search.html?q=calibration")
    page.locator("#search-results ul.search li").first.wait_for()
    page.get_by_text("Search finished").wait_for()  # the entries follow one another
    found = page.locator("#search-results ul.search li > a").evaluate_all(
        "links => links.map(a => [a.pathname, a.text])"
    )
    reference = ["/api_" in place for place, _ in found]
    assert True in reference and reference == sorted(reference)
    pages = [text for place, text in found if "/api_" not in place]
    assert len(pages) == len(set(pages)) > 1


def test_a_table_wider_than_its_column_opens_whole_and_comes_back_as_it_was_sorted(address, page):
    page.set_viewport_size({"width": 1024, "height": 900})
    page.goto(f"{address}/notebooks/classification.html")
    button = page.get_by_role("button", name="Show the whole table").first
    box = button.locator("xpath=preceding-sibling::div")
    assert box.evaluate(WIDTH_HIDDEN) > 1
    button.click()
    window = page.get_by_role("dialog")
    assert window.evaluate(WIDTH_HIDDEN) <= 1
    window.locator("thead button.sort").first.click()
    sorted_rows = window.locator("tbody").inner_text()
    page.keyboard.press("Escape")
    assert window.count() == 0
    assert button.evaluate("button => button === document.activeElement")
    assert box.locator("tbody").inner_text() == sorted_rows


def test_a_figure_opens_at_its_own_size_on_a_phone(address, page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/notebooks/altered_masks.html")
    button = page.get_by_role("button", name="Enlarge").first
    button.scroll_into_view_if_needed()
    button.click()
    whole = page.get_by_role("dialog")
    assert whole.locator("img").bounding_box()["width"] > 700
    page.keyboard.press("Escape")
    assert whole.count() == 0
    assert page.get_by_role("button", name="Close").count() == 0
