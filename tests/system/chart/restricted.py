"""The restricted Pod Security Standard, and what Vidferry asks of its pods beyond it."""

from typing import Any

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def check(pod: dict[str, Any]) -> None:
    """Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context.get("runAsUser") != 0
    assert context["seccompProfile"]["type"] == "RuntimeDefault"
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        assert not pod.get(name)
    for volume in pod["volumes"]:
        (kind,) = set(volume) - {"name"}
        assert kind in VOLUMES
    for container in pod["containers"] + pod.get("initContainers", []):
        _check_container(container)
    _check_own(pod)


def _check_container(container: dict[str, Any]) -> None:
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not context.get("privileged")
    assert context.get("runAsNonRoot", True)
    assert "seccompProfile" not in context
    assert all("hostPort" not in port for port in container.get("ports", ()))


def _check_own(pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    for volume in pod["volumes"]:
        if "emptyDir" in volume:
            assert volume["emptyDir"]["sizeLimit"]
    names = {volume["name"] for volume in pod["volumes"]}
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"]["memory"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert "/tmp" in mounts
        assert set(mounts.values()) - {"data"} == names  # Redis' own volume is told beside the pod
