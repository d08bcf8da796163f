"""A probe as the command that a container runs to ask itself how it is."""

from __future__ import annotations

from infra_gen.model.stack import Probe


def health_command(probe: Probe) -> tuple[str, ...]:
    """The command, with the client that the image has.

    It never goes through a proxy: Docker passes http_proxy on to containers, and a proxy cannot
    reach the loopback of this one.
    """
    url = f"http://127.0.0.1:{probe.port}{probe.path}"
    wait = str(probe.timeout_s)
    match probe.client:
        case "command":
            return probe.command
        case "curl":
            quiet = ("--fail", "--silent", "--show-error", "--output", "/dev/null")
            return ("curl", *quiet, "--noproxy", "*", "--max-time", wait, url)
        case "wget":
            return ("wget", "-q", "-Y", "off", "-T", wait, "-O", "/dev/null", url)
        case "python":
            direct = "urllib.request.build_opener(urllib.request.ProxyHandler({}))"
            code = f'import urllib.request; {direct}.open("{url}", timeout={wait})'
            return ("python3", "-c", code)
