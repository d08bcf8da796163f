"""docs/reference/checklist.md: what goes wrong with such deployments, and what holds each of it.

One row a known failure that Compose, Quadlet, systemd or launchd can have. What holds it is a rule, by
its slug, or a test, as `path::name`; tests/rules/test_checklist.py holds that each of them exists.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.rules.registry import RULES
from tools.docs_markdown import page, table

_ALL = "all"
_CONTAINERS = "Compose, Quadlet"
_HOSTS = "systemd, launchd"
_LINUX = "Compose, Quadlet, systemd"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that goes wrong: where, what holds it (names with blanks between), what nothing does."""

    what: str
    targets: str
    holders: str
    open: str = ""

    @property
    def held(self) -> tuple[str, ...]:
        """The rules and tests that hold it."""
        return tuple(self.holders.split())


@dataclass(frozen=True, slots=True)
class Chapter:
    """Items that belong together."""

    title: str
    items: tuple[Item, ...]


_ON_A_GPU = "That it works can only be seen on such a machine; the live tests have none."

CHAPTERS = (
    Chapter("Accelerators and memory", (
        Item("Processes of a split model meet in shared memory that is too small: a hang or a crash"
             " at the start.", _CONTAINERS,
             "shm-too-small",
             _ON_A_GPU),
        Item("The parallel sizes need another number of devices than are given.", _ALL,
             "parallelism-not-devices"),
        Item("Compose refuses a GPU reservation, or the container starts without a GPU.", "Compose",
             "gpu-reservation-incomplete"),
        Item("Podman does not know Docker's way to ask for GPUs.", "Quadlet",
             "gpu-not-by-cdi gpu-reservation-incomplete "
             "tests/live/test_quadlet.py::test_golden_deployments"),
        Item("A container loses its GPUs when systemd reloads its units.", _CONTAINERS,
             "gpu-loss-unnoticed restart-missing",
             _ON_A_GPU),
        Item("The CPU does the work, and nobody notices.", _ALL,
             "gpu-fallback-unnoticed unit-hides-gpu "
             "tests/unit/test_target_scripts.py::test_smoke_test_on_a_mac_wants_all_layers_on_the_gpu"),
        Item("The driver is older than the CUDA inside the image.", _LINUX,
             "tests/rules/test_checklist.py::test_preflight_compares_the_driver"),
        Item("The compatibility libraries of an image do not fit a new driver (error 803).", _LINUX,
             "",
             "Known for some versions and ways to start; not held, nobody runs it here."),
        Item("An image has no code for this chip.", _LINUX,
             "architecture-not-in-image"),
        Item("GPUs behind NVSwitch wait for the fabric manager (error 802).", _LINUX,
             "",
             "Not held: preflight does not ask for it, and nobody runs such a machine here."),
        Item("AMD and Intel GPUs are device files with groups whose numbers differ between hosts.",
             _LINUX,
             "gpu-reservation-incomplete unit-hides-gpu "
             "tests/unit/test_target_compose.py::test_amd_devices "
             "tests/unit/test_target_quadlet.py::test_device_files_come_with_groups",
             _ON_A_GPU),
        Item("Boards with their own images and container runtime get those of a server.", _CONTAINERS,
             "architecture-not-in-image gpu-reservation-incomplete",
             _ON_A_GPU),
        Item("More threads than cores make every step slow.", _ALL,
             "threads-over-cores"),
        Item("A limit of host memory ends the process while it loads.", _LINUX,
             "host-memory-too-small"),
        Item("Context, concurrency or memory share are left to the engine or above the plan.", _ALL,
             "memory-limits-implicit memory-over-budget concurrency-over-plan"),
        Item("llama-server divides the context among its slots.", _ALL,
             "slot-context-too-small memory-limits-implicit"),
        Item("Nobody knows how many people it carries.", _ALL,
             "users-over-capacity target-missed "
             "tests/unit/test_target_compose.py::test_readme_answers_the_operator"),
        Item("An engine is no longer developed.", _ALL,
             "tests/rules/test_checklist.py::test_an_engine_in_maintenance_is_said_to_be"),
    )),
    Chapter("Start, health, stop", (
        Item("A model that is still loading counts as failed.", _ALL,
             "startup-budget-too-short engine-gives-up-first"),
        Item("Nothing asks whether the engine answers, or it asks at the wrong port.", _ALL,
             "health-check-missing health-port-mismatch listen-implicit"),
        Item("A service starts before what it needs is there.", _ALL,
             "started-before-ready tests/rules/test_checklist.py::test_units_start_in_order"),
        Item("A stop cuts answers that are still running.", _ALL,
             "drain-not-nested tests/live/test_proxy.py::test_on_a_stop_running_answers_end "
             "tests/live/test_llamacpp_deployments.py::test_stops_within_the_planned_time"),
        Item("What died or was restarted with the machine stays down.", _ALL,
             "restart-missing tests/live/test_systemd.py::test_killed_it_comes_back "
             "tests/live/test_systemd.py::test_the_next_start_of_the_machine_brings_it_up"),
        Item("Every start compiles the model again.", _CONTAINERS,
             "compile-cache-lost"),
        Item("The engine downloads in its own start-up time, or twice.", _ALL,
             "started-before-ready "
             "tests/unit/test_target_scripts.py::test_download_once_and_with_the_token "
             "tests/unit/test_target_scripts.py::test_a_wrong_download_is_not_used"),
        Item("Ollama loads its model at the first request and drops it after five minutes.", _ALL,
             "keep-alive-unloads model-name-mismatch"),
        Item("A flag, a variable or a value that this version does not have.", _ALL,
             "flag-unknown flag-value-wrong env-unknown env-value-wrong "
             "tests/live/test_vllm_flags.py::test_every_generated_command_line_is_accepted"),
        Item("Settings that the engine does not take together, or not with this model and machine.",
             _ALL,
             "constraint-broken tests/live/test_vllm_constraints.py::test_vllm_agrees"),
        Item("A variable is changed, and the flag beside it counts.", _ALL,
             "variable-overruled"),
        Item("Several machines that serve one model cannot reach each other.", _ALL,
             "",
             "Does not apply: each machine runs a deployment of its own."),
    )),
    Chapter("Models and folders", (
        Item("Model files lie where a new container does not find them.", _CONTAINERS,
             "cache-not-on-volume"),
        Item("A program cannot write where its libraries want to.", _CONTAINERS,
             "home-not-writable "
             "tests/unit/test_target_compose.py::test_dockerfile_owns_what_it_writes_to"),
        Item("A library asks for the name of a user that has none.", _CONTAINERS,
             "tests/rules/test_checklist.py::test_the_user_of_a_built_image_has_a_name"),
        Item("The weights of a branch change.", _ALL,
             "revision-not-pinned"),
        Item("The model's repository runs its own code in the server.", _ALL,
             "trust-remote-code"),
        Item("A machine without a network is told to use one.", _ALL,
             "offline-incomplete "
             "tests/unit/test_serving.py::test_nothing_downloads_and_images_come_from_the_mirror"),
        Item("A folder of the user's is taken over or owned by root.", _LINUX,
             "tests/unit/test_target_compose.py::test_models_in_a_folder_of_the_host "
             "tests/unit/test_target_quadlet.py::test_a_folder_of_the_user_keeps_its_owner "
             "tests/unit/test_target_systemd.py::test_models_in_a_folder_of_the_host"),
    )),
    Chapter("Who can reach it, and what they can do", (
        Item("A key or token stands in a file, or in the process list.", _ALL,
             "secret-in-file api-key-in-argv "
             "tests/live/test_systemd.py::test_only_root_and_the_unit_read_the_key"),
        Item("A port that was meant for this machine is open to the network.", _ALL,
             "port-on-all-interfaces exposed-without-proxy"),
        Item("The engine's own key does not guard all that it answers.", _ALL,
             "exposed-without-proxy route-not-listed "
             "tests/live/test_proxy.py::test_everything_else_is_404_and_goes_nowhere"),
        Item("An engine without keys is open to everybody.", _ALL,
             "exposed-without-proxy key-missing-when-exposed "
             "tests/live/test_proxy.py::test_a_wrong_key_is_401"),
        Item("Metrics and health of the inside are shown to clients.", _ALL,
             "route-not-listed "
             "tests/live/test_proxy.py::test_metrics_and_health_are_not_for_clients"),
        Item("The engine's own dangerous defaults: tools, agents, web pages of every origin.", _ALL,
             "dangerous-feature-on cors-open prompts-in-log"),
        Item("What people write goes into logs.", _ALL,
             "prompts-in-log "
             "tests/live/test_proxy.py::test_logs_have_neither_key_nor_query_nor_prompt"),
        Item("Keys cross the network in plain text.", _ALL,
             "tls-missing tests/live/test_proxy.py::test_the_internal_ca_serves",
             "A certificate of a public authority needs a name in the internet: not run."),
        Item("Clients cannot get in where they should.", _ALL,
             "exposure-unreachable model-name-mismatch host-header-missing"),
        Item("Requests pile up without a limit.", _ALL,
             "queue-unbounded tests/live/test_proxy.py::test_more_requests_than_allowed_are_503"),
        Item("The proxy collects pieces of an answer, or cuts it while it is silent.", _ALL,
             "proxy-buffers proxy-timeout-too-short "
             "tests/live/test_proxy.py::test_pieces_arrive_as_they_are_made "
             "tests/live/test_proxy.py::test_a_long_silence_cuts_no_stream"),
        Item("A container may do more than its program needs.", _CONTAINERS,
             "container-privileged privileges-not-dropped "
             "tests/unit/test_target_compose.py::test_every_service_is_confined"),
        Item("A unit may do more than its program needs.", "systemd",
             "unit-not-hardened tests/live/test_systemd.py::test_units_are_closed_in"),
        Item("Tomorrow's image is another one.", _CONTAINERS,
             "image-not-pinned"),
        Item("A program that is installed on the host is another one than was planned.", _HOSTS,
             "tests/live/test_systemd.py::test_an_archive_that_was_changed_is_refused "
             "tests/unit/test_target_launchd.py::test_an_unpinned_archive_is_said_so"),
        Item("The engine reports to its makers.", _ALL,
             "telemetry-on tests/unit/test_serving.py::test_no_engine_reports_home"),
    )),
    Chapter("Watching it", (
        Item("Metrics are off, nobody reads them, or the reader has no key.", _ALL,
             "metrics-off scrape-unauthorized health-port-mismatch "
             "tests/live/test_llamacpp_deployments.py::test_metrics_are_on_and_need_the_key"),
        Item("An alert or a chart asks for a metric that this version does not have.", _ALL,
             "metric-unknown tests/live/test_dashboards.py::test_on_a_constructed_page"),
        Item("An alert never fires, or always, or says nothing when there is no data.", _ALL,
             "tests/live/test_written_files.py::test_prometheus_configuration_and_rules "
             "tests/live/test_dashboards.py::test_every_alert_fires_and_stays_silent "
             "tests/live/test_dashboards.py::test_an_outage_is_a_gap_and_no_zero"),
        Item("Ollama measures nothing, and a scrape of it fails for ever.", _ALL,
             "metrics-off "
             "tests/unit/test_target_grafana.py::test_an_engine_that_measures_nothing_is_measured_by_its_proxy"),
        Item("Temperature, memory and faults of GPUs are not seen.", _LINUX,
             "tests/unit/test_target_grafana.py::test_exporters_only_where_there_is_one "
             "tests/live/test_dashboards.py::test_every_alert_fires_and_stays_silent",
             _ON_A_GPU),
        Item("A dashboard opens to everybody, with a password that everybody knows.", _ALL,
             "default-password port-on-all-interfaces "
             "tests/unit/test_target_grafana.py::test_grafana_asks_for_a_password_and_nobody_outside"),
        Item("Measurements fill the disk.", _ALL,
             "retention-missing"),
        Item("Logs fill the disk, or are full of health checks.", _ALL,
             "logs-unlimited tests/unit/test_target_scripts.py::test_logs_are_emptied_in_place"),
    )),
    Chapter("Macs", (
        Item("A container on a Mac has no GPU.", _ALL,
             "metal-in-container tests/unit/test_plan_choice.py::test_target_choice"),
        Item("macOS gives the GPU less memory than the plan needs.", "launchd",
             "tests/rules/test_checklist.py::test_preflight_of_a_mac_reads_the_wired_limit",
             "Held by preflight on the Mac itself; no test runs on one."),
        Item("The Mac sleeps.", "launchd",
             "mac-may-sleep tests/unit/test_target_launchd.py::test_companions"),
        Item("An agent does not start, or not again.", "launchd",
             "restart-missing program-not-absolute "
             "tests/unit/test_target_launchd.py::test_engine_agent"),
        Item("A setting is gone after a restart of the machine.", "launchd",
             "launchctl-setenv"),
    )),
    Chapter("The files themselves", (
        Item("A file is refused as a whole by the program that reads it.", _ALL,
             "unreadable-file engine-missing "
             "tests/live/test_written_files.py::test_docker_compose_reads_it "
             "tests/live/test_quadlet.py::test_golden_deployments "
             "tests/live/test_systemd.py::test_systemd_finds_nothing_wrong_with_the_units",
             "launchd itself: no test runs on a Mac."),
        Item("A variable is silently empty.", "Compose",
             "variable-without-default "
             "tests/unit/test_target_compose.py::test_every_variable_of_the_compose_file_is_in_the_example"),
        Item("Two deployments are one project.", "Compose",
             "compose-project-unnamed"),
        Item("Memory that the GPU reads is swapped out.", _LINUX,
             "tests/rules/test_checklist.py::test_memory_of_the_gpu_may_be_locked"),
        Item("A unit starts before the network or the GPU is there.", "Quadlet, systemd",
             "tests/rules/test_checklist.py::test_units_start_in_order "
             "tests/unit/test_target_systemd.py::test_order_and_times"),
        Item("Services of a user end when that user logs out.", "Quadlet",
             "tests/rules/test_checklist.py::test_services_of_a_user_outlive_the_login"),
        Item("A pull or a download takes longer than systemd waits.", "Quadlet, systemd",
             "startup-budget-too-short "
             "tests/unit/test_target_quadlet.py::test_a_start_may_take_its_budget "
             "tests/unit/test_target_systemd.py::test_order_and_times"),
    )),
)  # fmt: skip

_INTRO = """What is known to go wrong with such deployments, and what keeps it from happening. A
[rule](rules/index.md) judges your files whenever `new`, `validate` or `check` runs, also after you
edited them. A test holds what infra-gen writes.

What Kubernetes alone can have (probes, rollouts, volumes of a cluster, autoscaling) is not here: there
is no such target yet."""


def checklist_page() -> str:
    """The page: one table a chapter."""
    parts = [_INTRO]
    for chapter in CHAPTERS:
        rows = [(one.what, one.targets, _held(one)) for one in chapter.items]
        parts += [f"## {chapter.title}", table(["What goes wrong", "Targets", "Held by"], rows)]
    return page("Checklist", *parts)


def _held(item: Item) -> str:
    shown = [f"[{name}](rules/{name}.md)" if name in RULES else f"`{name}`" for name in item.held]
    said = [", ".join(shown)] if shown else []
    return ". ".join([*said, item.open]) if item.open else said[0]
