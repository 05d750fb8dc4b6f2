"""Every pod is read, and dashboards are handed to Grafana."""

import shutil
from pathlib import Path

from support.chart import CHART, nested, render, render_chart


def test_a_service_monitor_reads_all_services() -> None:
    rendered = render(nested("metrics.serviceMonitor.enabled", True))
    service = rendered.get("Service", "metrics")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"]
    wanted = rendered.get("ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    read = [name for name, _, labels in rendered.pods() if service["spec"]["selector"].items() <= labels.items()]
    assert {"vidferry-api", "vidferry-worker", "vidferry-gateway"} <= set(read)


def test_nothing_public_has_the_admin_port() -> None:
    for name in ("api", "gateway"):
        (port,) = render().get("Service", name)["spec"]["ports"]
        assert port["targetPort"] == "http"


def test_dashboards_are_a_config_map(tmp_path: Path) -> None:
    chart = tmp_path / "vidferry"
    shutil.copytree(CHART, chart)
    (chart / "dashboards").mkdir(exist_ok=True)
    text = '{"title": "{{ job }}"}'
    (chart / "dashboards" / "sample.json").write_text(text)
    labels = {"labels": {"folder": "media"}, "annotations": {"a": "b"}}
    config = render_chart(chart, {"metrics": {"dashboards": labels}}).get("ConfigMap", "dashboards")
    assert config["data"]["sample.json"] == text
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert config["metadata"]["labels"]["folder"] == "media"
    assert config["metadata"]["annotations"] == {"a": "b"}
    assert not render_chart(chart, nested("metrics.dashboards.enabled", False)).all("ConfigMap", "dashboards")
