"""What each key of the three documents means, in a sentence. A key without one stops `make docs`."""

from __future__ import annotations

SPEC: dict[str, str] = {
    "version": "Version of this format.",
    "extends": "Another spec, as seen from this one, whose keys hold where this one says nothing: "
    "mappings are merged key by key, lists and values are replaced, null takes a key back. It may "
    "extend a further one.",
    "name": "Names the folder, the containers or launchd agents, and the spec itself.",
    "hardware": "A [hardware preset](hardware.md), or several: `2x4090`, `4090:2`, `h100:8`, "
    "`apple-m3-24gb`. Or a provider's [instance](hardware.md#instances) such as `p5.48xlarge`, the "
    "profile that `infra-gen detect --write hardware.yaml` wrote (`./hardware.yaml`), such a profile "
    "inline, or several machines.",
    "hardware.nodes": "[Several equal machines](../how-to/share-a-machine.md#several-machines) that "
    "share the load; each runs the same deployment, behind a load balancer of yours.",
    "hardware.nodes.count": "How many.",
    "hardware.nodes.each": "One of them, in the words above.",
    "model": "A [model preset](models.md), any Hugging Face id, a folder with `config.json`, or a "
    "`.gguf` file (both relative to this file); see [a model of your own]"
    "(../how-to/your-own-model.md). `auto`: [the best](../explanation/choosing.md) that holds the "
    "load, among those of the workload's kind whose licence and files are known and that need no "
    "access form.",
    "engine": "An engine by name, or `{name, version}`. `auto`: what suits hardware and users.",
    "engine.name": "The engine.",
    "engine.version": "A version that the [tables](engines.md) hold; left out, the pinned one.",
    "target": "What is written: a [Docker Compose](../tutorial/two-gpus.md) project, "
    "[Quadlet](../how-to/quadlet.md) units for Podman, [systemd](../how-to/systemd.md) units for "
    "programs on the host, or launchd agents for a Mac. `auto`: launchd on Apple machines, Docker "
    "Compose elsewhere.",
    "load": "Who uses the server.",
    "load.users": "People in an active session: each waits for an answer, thinks, asks again.",
    "load.workload": "A [workload](workloads.md): how long requests are and how long people think.",
    "load.context": "Tokens of prompt and answer together, at least 256. `auto`: what a long request "
    "of the workload needs, within the model's limit.",
    "load.ttft_ms": "Latency target: time to the first token, milliseconds. A target only if set.",
    "load.tpot_ms": "Latency target: time per further token, milliseconds. A target only if set.",
    "quantization": "A quantization that the model is published in, such as `fp8`, `awq-int4`, "
    "`Q4_K_M`. `auto`: the best that holds the load, never below four bits.",
    "image": "`build`: a Dockerfile on the pinned official image. `official`: that image as it is.",
    "serve": "How clients reach the server; see [expose it](../how-to/expose.md).",
    "serve.exposure": "Who can connect. `loopback`: programs on this machine. `lan`: every machine "
    "of a network that you trust. `public`: the internet. Beyond loopback a proxy with an allow-list "
    "of routes, a key and TLS is the only way in.",
    "serve.port": "Port on this machine; below 1024 only beyond loopback. `auto`: the engine's own "
    "default, 8443 with TLS on a LAN, 443 in public.",
    "serve.host": "The name or address that clients use. Needed for a certificate.",
    "serve.tls": "`internal`: a certificate of the proxy's own authority (the default for `lan`). "
    "`acme`: of a public authority (the default for `public`). `off`: none. Or files of your own.",
    "serve.tls.certificate": "The certificate with its chain, PEM.",
    "serve.tls.key": "Its key, PEM.",
    "serve.name": "The model's name in the API. `auto`: the preset's id; with Ollama the quantization "
    "follows as its tag. TGI answers under its repository's name only.",
    "serve.api_key": "`env`: clients need a key, which is kept outside the committed files. `none`: "
    "no key.",
    "storage": "Where model files live.",
    "storage.path": "An absolute folder of the host. `auto`: a volume of Docker or Podman, "
    "`/var/lib/infra-gen/<name>` with systemd, `models/` in the deployment on macOS.",
    "storage.size": "What models may take there, GiB; preflight looks whether it is free. `auto`: the "
    "model and a fifth more.",
    "monitoring": "Prometheus with alert rules, Grafana with [dashboards](../how-to/dashboards.md), a "
    "GPU exporter. `false`: none of them. Or in detail:",
    "monitoring.dashboards": "Grafana.",
    "monitoring.gpu": "The GPU vendor's exporter, where there is one: NVIDIA's, on Linux.",
    "monitoring.prometheus_port": "Prometheus' port on loopback. Two deployments on one machine need "
    "two.",
    "monitoring.grafana_port": "Grafana's port on loopback.",
    "offline": "For a machine [without a network](../how-to/offline.md): nothing is downloaded, "
    "nothing phones home.",
    "offline.mirror": "The registry that has copies of the images, `registry.lan:5000/mirror`. Null: "
    "the images are on the machine already.",
    "offline.model_path": "The folder of the machine that holds the model's files.",
    "gpu_fraction": "Share of each GPU's memory that this deployment takes, so that [two can share a "
    "card](../how-to/share-a-machine.md). Not set: all of it.",
    "engine_args": "Raw engine flags, for example `{max-num-seqs: 64}`; a switch is `true`. A name in "
    "upper case is a variable, for example `{OLLAMA_KEEP_ALIVE: 1h}`. They win over the planned ones "
    "and are checked against the engine's table.",
    "allow": "Rules that this deployment may break.",
    "allow[].rule": "The rule's name.",
    "allow[].reason": "Why, in at least 8 characters. It is printed beside the finding.",
    "patches": "Changes of yours to rendered YAML and JSON files: operations of JSON Patch (RFC 6902), "
    "done from first to last. `update --adopt` writes them for you.",
    "patches[].file": "The file, as seen from here.",
    "patches[].op": "What is done.",
    "patches[].path": "Where: a JSON pointer such as `/services/prometheus/environment/TZ`.",
    "patches[].from": "Where `move` and `copy` take it from.",
    "patches[].value": "What `add` and `replace` put there, and what `test` must find.",
    "packs": "Cookiecutter templates whose files become part of the deployment.",
    "packs[].source": "A folder, as seen from here, or `gh:OWNER/REPOSITORY@REF`.",
    "packs[].answers": "Values for what its cookiecutter.json asks.",
}

LOCK: dict[str, str] = {
    "schema": "Version of this format.",
    "generator": "The infra-gen that wrote it.",
    "spec_sha256": "Hash of what the spec says. Comments and key order do not count.",
    "knowledge_sha256": "Hash over the presets, tables and templates that were used.",
    "inputs": "Hashes of what else was read, by path: the spec, what it extends, profiles, packs.",
    "resolved": "What every `auto` became.",
    "resolved.hardware": "Hardware preset, memory size and count; an instance; or the profile's file.",
    "resolved.model": "Model preset, Hugging Face id, folder or file.",
    "resolved.revision": "Commit of the model repository; null: its default branch.",
    "resolved.engine": "The engine.",
    "resolved.engine_version": "Its version.",
    "resolved.quantization": "The checkpoint's quantization.",
    "resolved.target": "What is written.",
    "resolved.parallelism": "How the model is spread.",
    "resolved.parallelism.tensor": "Devices that share each layer (vLLM, TGI).",
    "resolved.parallelism.layer_split": "Devices that share the layers (llama.cpp, Ollama).",
    "resolved.parallelism.replicas": "Machines that each run the whole deployment.",
    "resolved.context": "Tokens of one request, prompt and answer.",
    "resolved.max_num_seqs": "Requests at a time: vLLM's `--max-num-seqs`, slots of llama.cpp and "
    "Ollama; for TGI what the plan counts on.",
    "resolved.max_num_batched_tokens": "Tokens of one step of the engine.",
    "resolved.memory_fraction": "Share of device memory for vLLM or TGI; null for the others.",
    "resolved.kv_cache_dtype": "Element type of the key-value cache.",
    "resolved.gpu_layers": "Layers on devices where a model is partly on the CPU (llama.cpp, Ollama); "
    "null: all of them.",
    "resolved.cpu_moe_layers": "Layers whose experts are on the CPU (llama.cpp).",
    "images": "Container images of the deployment.",
    "images[].ref": "Repository and tag.",
    "images[].digest": "What a registry said the tag is, written down by `infra-gen pin`; null: pinned by "
    "tag only. It holds as long as the deployment uses that tag.",
    "images[].verified": "The day on which the digest was first read; `never`: not yet.",
    "files": "Every file as written, by path.",
    "files.*.sha256": "Hash of its bytes as infra-gen wrote it; of an `ejected` file, as the rules "
    "judged it last.",
    "files.*.class": "`managed`: written again by `update`. `seeded`: written once, then yours. "
    "`ejected`: was managed, and is yours.",
    "files.*.executable": "Whether it is a program.",
    "files.*.edited": "Hash with the edit of yours that an update kept; absent where there is none.",
    "allowed": "The spec's `allow`, copied.",
    "allowed[].rule": "The rule's name.",
    "allowed[].reason": "The reason.",
    "packs": "The packs as they were rendered; absent where there is none.",
    "packs[].name": "Its copy is `.infra-gen/packs/<name>.json`.",
    "packs[].source": "The spec's source.",
    "packs[].commit": "Commit of its repository; null: a folder.",
    "packs[].sha256": "Hash of its copy.",
    "packs[].files": "What it wrote.",
    "findings": "What the rules said of the files as written; errors among them were allowed.",
    "findings[].rule": "The rule's name.",
    "findings[].severity": "How bad.",
    "findings[].confidence": "How sure.",
    "findings[].file": "The file.",
    "findings[].line": "Its line; null: the whole file.",
    "findings[].key_path": "The key, where the file has keys.",
    "findings[].message": "What it is.",
    "findings[].fix": "What to do.",
    "findings[].allowed": "The spec's reason for allowing it; null: it is not allowed.",
    "seal": "Hash of all the rest of this file. While it and every hash above hold, nothing has to be "
    "rendered to know that the deployment is clean.",
}

PLAN: dict[str, str] = {
    "schema": "Version of this format.",
    "fits": "Whether weights and one request of full context fit in memory.",
    "shortfall_gib": "GiB that one device lacks; 0 when it fits.",
    "target": "What would be written.",
    "engine": "The engine.",
    "engine.name": "Its name.",
    "engine.version": "Its version.",
    "engine.image": "The official image; null where it runs without a container.",
    "model": "The model and its checkpoint.",
    "model.id": "Preset, or a name made from the folder, the file or the repository.",
    "model.hf_id": "Hugging Face id, or the folder's or file's name.",
    "model.quantization": "The checkpoint's quantization.",
    "model.params_total": "All parameters.",
    "model.params_active": "Parameters that one token passes through.",
    "model.weights_bytes": "Size of the weight files.",
    "model.weights_basis": "`checkpoint`: the size is published. `computed`: from the shapes.",
    "hardware": "The machine.",
    "hardware.id": "Preset, memory size and count; an instance; or the profile's file.",
    "hardware.name": "Name of one device.",
    "hardware.devices": "Devices in the machine.",
    "hardware.nodes": "Equal machines that share the load.",
    "parallelism": "How the model is spread.",
    "parallelism.tensor": "Devices that share each layer.",
    "parallelism.pipeline": "Stages of layers; always 1 in this version.",
    "parallelism.data": "Copies behind one API server.",
    "parallelism.layer_split": "Devices that share the layers (llama.cpp, Ollama).",
    "parallelism.expert": "Whether whole experts are spread over the devices.",
    "parallelism.replicas": "Machines that each run the whole deployment.",
    "memory": "Memory of one replica.",
    "memory.per_device": "GiB on the fullest device.",
    "memory.per_device.visible_gib": "What the driver shows to a program.",
    "memory.per_device.reserved_gib": "Kept for the system or display.",
    "memory.per_device.weights_gib": "Weights.",
    "memory.per_device.kv_cache_gib": "Key-value cache. Below 0 when the weights alone are too large.",
    "memory.per_device.activation_gib": "Working memory of one step.",
    "memory.per_device.cuda_graph_gib": "CUDA graphs.",
    "memory.per_device.runtime_gib": "Driver context and communication buffers.",
    "memory.per_device.headroom_gib": "Left free. Below 0 when a plan for llama.cpp or Ollama does "
    "not fit.",
    "memory.host": "The host's own memory.",
    "memory.host.needed_gib": "GiB that the engine needs there beside device memory.",
    "memory.kv_bytes_per_token": "Cache bytes of one token on one device.",
    "memory.kv_cache_tokens": "Tokens that the cache of one replica holds.",
    "memory.max_concurrency_at_context": "Requests of full context that fit at once, one replica.",
    "performance": "Predicted speed and the load it carries.",
    "performance.basis": "`roofline`: from data sheets. `calibrated`: fitted to runs; not used yet. "
    "`unknown`: no speed constant for this machine.",
    "performance.error_band": "0.5 means within half and one and a half times, at best.",
    "performance.users_supported": "The most users whose peak fits this plan's limits and cache and "
    "meets the targets you set; null when the speed is unknown.",
    "performance.typical_concurrency": "Requests at once on average, all replicas.",
    "performance.peak_concurrency": "Requests at once at the 95th percentile, all replicas.",
    "performance.points": "Predictions for one replica; `--point` adds some.",
    "performance.points[].concurrency": "Requests that run all the time.",
    "performance.points[].input_tokens": "Tokens of each prompt.",
    "performance.points[].output_tokens": "Tokens of each answer.",
    "performance.points[].ttft_ms": "Time to the first token.",
    "performance.points[].tpot_ms": "Time per further token, other requests' prompts included.",
    "performance.points[].prefill_ms": "Time to read all prompts when they are sent together.",
    "performance.points[].decode_step_ms": "Time of one step of the whole batch.",
    "performance.points[].output_tokens_per_s": "Tokens per second, all requests together.",
    "limits": "The engine's limits as deployed.",
    "limits.context": "Tokens of one request, prompt and answer.",
    "limits.max_num_seqs": "Requests at a time.",
    "limits.max_num_batched_tokens": "Tokens of one step.",
    "limits.memory_fraction": "Share of device memory for vLLM or TGI; null for the others.",
    "limits.kv_cache_dtype": "Element type of the cache; `auto`: that of the model.",
    "launch": "How the engine would be started.",
    "launch.argv": "Arguments after the program.",
    "launch.env": "Environment variables, secrets left out.",
    "decisions": "Every choice with its reason.",
    "decisions[].what": "Its name, which `infra-gen explain` takes.",
    "decisions[].value": "What was chosen.",
    "decisions[].because": "Why.",
    "decisions[].source": "Where the numbers come from.",
    "alternatives": "What was looked at first and passed over, six at most.",
    "alternatives[].engine": "Engine.",
    "alternatives[].model": "Model.",
    "alternatives[].quantization": "Quantization, and over how many devices.",
    "alternatives[].why_not": "What kept it from being chosen.",
    "nearest": "When it does not fit or not carry the load: what would, as flags to type.",
    "warnings": "What to know before relying on the plan.",
}
