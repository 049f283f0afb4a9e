from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agbench.core.errors import UserError
from agbench.models import weights
from agbench.models.autogluon_internals import CONFIG_FILE, WEIGHTS_FILE

TABBY_TO_EGYPTIAN_CATS = range(281, 286)
ESPRESSO = 967


def classify(backbone, picture):
    import timm
    import torch
    from PIL import Image
    from timm.data import create_transform, resolve_data_config

    packaged = weights.PACKAGED[backbone]
    model = timm.create_model(packaged.architecture, pretrained=False)
    model.load_state_dict(weights.state_dict(packaged))
    transform = create_transform(**resolve_data_config({}, model=model))
    with torch.no_grad():
        return int(model.eval()(transform(Image.fromarray(picture))[None]).argmax())


@pytest.mark.parametrize("backbone", weights.PACKAGED)
def test_packaged_weights_know_what_is_on_a_photograph(backbone):
    from skimage import data

    assert classify(backbone, data.chelsea()) in TABBY_TO_EGYPTIAN_CATS
    assert classify(backbone, data.coffee()) == ESPRESSO


def test_another_file_is_refused_with_both_sums():
    packaged = weights.PACKAGED["efficientnet_lite0"]
    with pytest.raises(UserError, match=f"has sha256 {packaged.sha256}, expected 00"):
        weights.state_dict(replace(packaged, sha256="00"))


def test_weights_that_do_not_fit_are_refused():
    packaged = replace(weights.PACKAGED["efficientnet_lite0"], architecture="tf_efficientnet_lite1")
    with pytest.raises(UserError, match="does not fit"):
        weights.state_dict(packaged)


def test_a_missing_package_is_named():
    packaged = replace(weights.PACKAGED["efficientnet_lite0"], package="efficientnet_lite9_pytorch_model")
    with pytest.raises(UserError, match="install efficientnet-lite9-pytorch-model"):
        weights.state_dict(packaged)


def test_a_checkpoint_folder_is_what_automm_reads(tmp_path):
    folder = weights.checkpoint("efficientnet_lite0", tmp_path / "lite0")
    config = json.loads((tmp_path / "lite0" / CONFIG_FILE).read_text())
    assert config["architecture"] == "tf_efficientnet_lite0"
    assert folder == str(tmp_path / "lite0")


def test_a_local_checkpoint_is_known_by_its_content(tmp_path):
    (tmp_path / CONFIG_FILE).write_text("{}")
    with pytest.raises(UserError, match=r"has no pytorch_model\.bin"):
        weights.local_digest(str(tmp_path))
    (tmp_path / WEIGHTS_FILE).write_bytes(b"a")
    first = weights.local_digest(str(tmp_path))
    (tmp_path / WEIGHTS_FILE).write_bytes(b"b")
    assert first != weights.local_digest(str(tmp_path))
    assert weights.local_digest("resnet18") is None


@pytest.mark.parametrize("offline", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_a_backbone_that_cannot_be_fetched_is_one_line_with_those_that_work(tmp_path, offline):
    code = (
        "from agbench.models import weights\n"
        "from agbench.core.errors import UserError\n"
        "try: weights.check_available('efficientnet_b0')\n"
        "except UserError as error: print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"HF_HOME": str(tmp_path)} | offline,
    ).stdout
    assert said.startswith("the weights of automm:efficientnet_b0 can't be fetched")
    assert "automm:efficientnet_lite0" in said
    assert said.count("\n") == 1


def test_a_backbone_that_nobody_knows_is_said():
    with pytest.raises(UserError, match="timm knows no pretrained backbone 'no_such_net'"):
        weights.check_available("no_such_net")


@pytest.fixture
def hub(tmp_path):
    """A server that has the hub's one file."""
    file = tmp_path / "timm" / "efficientnet_b0.ra_in1k" / "resolve" / "main" / "config.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


PLAN = ("run", "--dataset", "digits", "--study", "model-size", "--dry-run")


def test_the_papers_backbones_are_taken_where_the_hub_answers(agbench, tmp_path, hub):
    done = agbench("--workspace", tmp_path, *PLAN, HF_ENDPOINT=hub)
    assert done.stdout.count("efficientnet_b") == 10
    assert "model hub" not in done.stderr


@pytest.mark.parametrize("offline", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_where_it_does_not_those_that_need_none_are_taken_and_that_is_said(agbench, tmp_path, offline):
    done = agbench("--workspace", tmp_path, *PLAN, **offline)
    assert done.stdout.count("efficientnet_lite") == 6
    assert "the model hub doesn't answer: automm:efficientnet_lite0" in done.stderr
    assert "in place of automm:efficientnet_b0" in done.stderr
    named = agbench("--workspace", tmp_path, *PLAN, "--models", "automm:efficientnet_b1", **offline)
    assert named.stdout.count("efficientnet_b1") == 2, "a model that was named is not replaced"
