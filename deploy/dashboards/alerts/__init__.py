"""The alerts of the chart's PrometheusRule: objectives with their budgets, and causes."""
