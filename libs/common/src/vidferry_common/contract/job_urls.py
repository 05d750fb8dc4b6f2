"""The URLs of a job, below Vidferry's public root (`https://host/prefix`). None of them carries a ticket."""


def job_url(root: str, job_id: str) -> str:
    return f"{root}/api/jobs/{job_id}"


def websocket_url(root: str, job_id: str) -> str:
    """The job's WebSocket: ws for http, wss for https."""
    return f"ws{root.removeprefix('http')}/ws/download/{job_id}"


def events_url(root: str, job_id: str) -> str:
    return f"{root}/sse/download/{job_id}"
