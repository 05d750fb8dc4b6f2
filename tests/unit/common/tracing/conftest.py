from support.otlp_receiver import collector

__all__ = ["collector"]
