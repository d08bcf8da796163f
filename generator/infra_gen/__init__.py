"""infra-gen: deployments of LLM inference servers, sized, checked and regenerable."""

__version__ = "0.1.0"
