"""Ports and folders of the local stack."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bonafide.operator.layout import Layout, LocalStackError, Ports
from devkit.gateway.layer_path import import_path
from devkit.local.schedules import rate_seconds


def test_ports_follow_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven ports in a row from BONAFIDE_PORT."""
    monkeypatch.setenv("BONAFIDE_PORT", "9000")
    assert Ports.from_environment() == Ports(9000, 9001, 9002, 9003, (9004, 9005, 9006))


@pytest.mark.parametrize("text", ["", "x", "80", "65530", "-1", "8700.0"])
def test_unusable_port_is_one_sentence(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A port that cannot be used is named."""
    monkeypatch.setenv("BONAFIDE_PORT", text)
    with pytest.raises(LocalStackError, match="BONAFIDE_PORT"):
        Ports.from_environment()


@pytest.mark.enable_socket
def test_taken_port_is_named() -> None:
    """The sentence says which port, and how to choose another."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(LocalStackError, match=f"Port {port} .* BONAFIDE_PORT"):
            Ports(port, port, port, port).require_free()


def test_layers_come_in_the_order_of_lambda(tmp_path: Path) -> None:
    """The function's folder, then source layers in place and third-party layers as installed from their locks."""
    layout = Layout(tmp_path)
    (layers := tmp_path / "layers").mkdir()
    (layers / "wheels").mkdir()
    (layers / "wheels" / "requirements.txt").touch()
    (layout.packages / "wheels").mkdir(parents=True)
    path = import_path(layout, tmp_path / "function", [layers / "wheels", layers / "source"])
    assert path == (tmp_path / "function", layout.packages / "wheels", layers / "source" / "src")


def test_layer_that_is_not_installed_says_what_to_do(tmp_path: Path) -> None:
    """A missing package folder must not become a missing module inside a function."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "requirements.txt").touch()
    with pytest.raises(LocalStackError, match="make setup"):
        import_path(Layout(tmp_path), tmp_path, [tmp_path / "wheels"])


@pytest.mark.parametrize(
    ("text", "seconds"), [("rate(1 hour)", 3600), ("rate(5 minutes)", 300), ("rate(2 days)", 172800)]
)
def test_schedule_is_read_in_seconds(text: str, seconds: int) -> None:
    """EventBridge rates, singular and plural."""
    assert rate_seconds(text) == seconds
