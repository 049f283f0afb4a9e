from __future__ import annotations

import hashlib
import random

import pytest

from agbench.data import fetch
from agbench.data.fetch import DownloadError, download

CONTENT = random.Random(0).randbytes(3_000_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


def get(address, tmp_path, **named):
    return download(address, tmp_path / "file.tar", ["sha256"], delays=(0.0, 0.0), **named)


def test_a_file_arrives_whole_and_hashed(server, tmp_path):
    steps = []
    done = get(server.put("file.tar", CONTENT), tmp_path, on_progress=steps.append)
    assert done.digests == {"sha256": SHA}
    assert (tmp_path / "file.tar").read_bytes() == CONTENT
    assert (steps[-1].done, steps[-1].total) == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["file.tar"]


def test_a_broken_connection_goes_on_where_it_stopped(server, tmp_path):
    address = server.put("file.tar", CONTENT)
    server.cut = [1_500_000, 700_000]
    assert get(address, tmp_path).digests["sha256"] == SHA
    first, second, third = (wanted for _, wanted in server.seen)
    assert first == ""
    assert 0 < int(second[6:-1]) < int(third[6:-1]), "each went on after what had arrived"


def test_a_killed_download_goes_on_next_time(server, tmp_path):
    address = server.put("file.tar", CONTENT)
    leave_a_part(server, address, tmp_path)
    assert not (tmp_path / "file.tar").exists()
    done = get(address, tmp_path)
    assert done.resumed
    assert done.digests["sha256"] == SHA
    assert server.seen[-1][1].startswith("bytes=")


def test_a_file_that_changed_in_between_is_not_patched_together(server, tmp_path):
    address = server.put("file.tar", CONTENT)
    leave_a_part(server, address, tmp_path)
    other = bytes(reversed(CONTENT))
    server.put("file.tar", other)
    server.tag = '"2"'
    assert get(address, tmp_path).digests["sha256"] == hashlib.sha256(other).hexdigest()


def test_without_a_version_and_without_a_checksum_it_starts_anew(server, tmp_path):
    server.tag = ""
    address = server.put("file.tar", CONTENT)
    leave_a_part(server, address, tmp_path)
    assert get(address, tmp_path).digests["sha256"] == SHA
    assert server.seen[-1][1] == ""


def test_with_a_checksum_another_address_goes_on(server, tmp_path):
    leave_a_part(server, server.put("file.tar", CONTENT), tmp_path)
    done = get(server.put("mirror.tar", CONTENT), tmp_path, trusted=True)
    assert done.digests["sha256"] == SHA
    assert server.seen[-1][1].startswith("bytes=")


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    address = server.put("file.tar", CONTENT)
    leave_a_part(server, address, tmp_path)
    server.ranges = False
    assert get(address, tmp_path).digests["sha256"] == SHA


def test_a_part_that_is_whole_already_is_taken(server, tmp_path):
    address = server.put("file.tar", CONTENT)
    leave_a_part(server, address, tmp_path)
    (tmp_path / "file.tar.part").write_bytes(CONTENT)
    assert get(address, tmp_path).digests["sha256"] == SHA


def test_a_part_that_is_too_long_is_dropped(server, tmp_path):
    address = server.put("file.tar", CONTENT)
    leave_a_part(server, address, tmp_path)
    (tmp_path / "file.tar.part").write_bytes(CONTENT + b"more")
    assert get(address, tmp_path).digests["sha256"] == SHA


def test_a_busy_server_is_asked_again(server, tmp_path):
    address = server.put("file.tar", CONTENT)
    server.statuses = [503, 429]
    assert get(address, tmp_path).digests["sha256"] == SHA


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_no_reason_to_ask_again(server, tmp_path, status):
    address = server.put("file.tar", CONTENT)
    server.statuses = [status]
    with pytest.raises(DownloadError, match=f"HTTP {status}"):
        get(address, tmp_path)
    assert len(server.seen) == 1


def test_a_server_that_is_not_there_is_said(tmp_path):
    with pytest.raises(DownloadError, match="refused"):
        get("http://127.0.0.1:9/file.tar", tmp_path)


def test_a_full_disk_is_noticed_before_it_is_full(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "KEPT_FREE", 1 << 60)
    with pytest.raises(DownloadError, match="the disk has only"):
        get(server.put("file.tar", CONTENT), tmp_path)


def test_a_server_that_takes_back_what_it_sent_is_given_up(server, tmp_path):
    address = server.put("file.tar", CONTENT)
    server.ranges = False
    server.cut = [2_000_000, 1_000_000] * 20
    with pytest.raises(DownloadError):
        get(address, tmp_path)
    assert len(server.seen) < 8


def test_a_part_of_unknown_size_is_not_the_whole(server, tmp_path):
    address = server.put("file.tar", CONTENT)
    leave_a_part(server, address, tmp_path)
    server.total = "*"
    assert get(address, tmp_path).digests["sha256"] == SHA


def test_a_file_without_an_end_does_not_fill_the_disk(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "KEPT_FREE", 1 << 60)
    monkeypatch.setattr(fetch, "CHECKED_EVERY", 1 << 20)
    server.lengths = False
    with pytest.raises(DownloadError, match="it has no end"):
        get(server.put("file.tar", CONTENT), tmp_path)
    assert not (tmp_path / "file.tar.part").exists()


def test_a_file_of_unannounced_length_arrives(server, tmp_path):
    server.lengths = False
    assert get(server.put("file.tar", CONTENT), tmp_path).digests["sha256"] == SHA


def leave_a_part(server, address, tmp_path):
    server.cut = [2_000_000]
    with pytest.raises(DownloadError):
        download(address, tmp_path / "file.tar", ["sha256"], delays=(), on_progress=_stop_after_the_cut(server))
    assert 0 < (tmp_path / "file.tar.part").stat().st_size < len(CONTENT)


def _stop_after_the_cut(server):
    def on_progress(step):
        server.statuses = [403]  # for the attempt that follows the broken one

    return on_progress
