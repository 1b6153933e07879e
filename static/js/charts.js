// Draws and updates the usage charts. Colours come from the style sheet, so they follow the theme.
window.kdCharts = (() => {
  "use strict";
  const whole = new Intl.NumberFormat("en"); // as the numbers of the pages are told
  const shade = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();
  const ms = (value) => (value >= 1000 ? `${Number((value / 1000).toPrecision(3))} s` : `${Number(value.toPrecision(3))} ms`);
  const under = (value) => (value > 0 && value < 0.001 ? "< 0.001" : whole.format(value));
  // What a chart is of: how it is drawn, and how its numbers are told.
  const KINDS = {
    requests: { bars: true, tell: whole.format, least: 4 },
    latency: { names: ["p50", "p95", "p99"], tell: ms, least: 10 },
    busy: { names: ["busy"], tell: under, label: "calls under way", least: 0.1 },
  };

  const span = (data, index) => {
    const { DateTime } = window.luxon;
    const from = DateTime.fromMillis(data.at[index]);
    const to = DateTime.fromMillis(data.at[index + 1] || data.at[index] + data.bar_ms);
    if (data.bar_ms >= 86400000) return from.toLocaleString(DateTime.DATE_MED_WITH_WEEKDAY);
    const end = to.toLocaleString(DateTime.TIME_SIMPLE);
    return `${from.toLocaleString(DateTime.DATETIME_MED)} – ${end}`;
  };

  const look = (canvas, data, kind) => ({
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    normalized: true,
    layout: { padding: { right: kind.bars ? 0 : 8 } },
    interaction: { mode: "index", intersect: false },
    scales: {
      x: {
        type: "time",
        offset: kind.bars,
        stacked: kind.bars,
        time: { minUnit: data.bar_ms >= 86400000 ? "day" : data.bar_ms >= 3600000 ? "hour" : "minute" },
        grid: { display: false },
        border: { color: shade(canvas, "--kd-grid") },
        ticks: { color: shade(canvas, "--kd-ink"), maxRotation: 0, autoSkipPadding: 18, font: { size: 11 } },
      },
      y: {
        stacked: kind.bars,
        beginAtZero: true,
        suggestedMax: kind.least,
        border: { display: false },
        grid: { color: shade(canvas, "--kd-grid") },
        ticks: {
          color: shade(canvas, "--kd-ink"),
          precision: kind.bars ? 0 : undefined,
          maxTicksLimit: 6,
          font: { size: 11 },
          callback: (value) => (!value ? "0" : kind.tell(value)),
        },
      },
    },
    plugins: {
      legend: { display: false },
      tooltip: {
        filter: (item) => item.raw !== null && item.raw !== 0,
        itemSort: (a, b) => b.datasetIndex - a.datasetIndex,
        backgroundColor: shade(canvas, "--kd-tip"),
        usePointStyle: true,
        boxPadding: 4,
        padding: 10,
        callbacks: {
          title: (items) => (items.length ? span(canvas.kdData, items[0].dataIndex) : ""),
          label: (item) => ` ${item.dataset.label}: ${kind.tell(item.raw)}`,
          footer: (items) => {
            if (!kind.bars || items.length < 2) return "";
            return `${whole.format(items.reduce((sum, item) => sum + item.raw, 0))} requests`;
          },
        },
      },
    },
  });

  const stacks = (canvas, data) => data.outcomes.map((row) => ({
    label: row.label,
    name: row.name,
    data: row.data,
    backgroundColor: shade(canvas, `--kd-outcome-${row.name}`),
    stack: "requests",
    categoryPercentage: 0.94,
    barPercentage: 0.94,
    maxBarThickness: 48,
    borderRadius: 2,
    borderSkipped: false,
  }));
  const lines = (canvas, data, kind) => kind.names.map((name) => {
    const values = kind.label ? data[name] : data.latency[name];
    return {
      label: kind.label || name,
      name,
      data: values,
      borderColor: shade(canvas, `--kd-${name}`),
      backgroundColor: shade(canvas, `--kd-${name}`),
      borderWidth: 2,
      pointRadius: values.map((value, i) => (value !== null && values[i - 1] == null && values[i + 1] == null ? 2.5 : 0)),
      pointHoverRadius: 4,
      cubicInterpolationMode: "monotone",
      clip: 6,
    };
  });

  // A legend of buttons: reachable by keyboard, and each one hides or shows its part.
  const legend = (chart, place) => {
    place.replaceChildren(...chart.data.datasets.map((row, index) => {
      const button = document.createElement("button");
      const dot = document.createElement("span");
      button.type = "button";
      button.className = "kd-legend-item";
      button.hidden = !row.data.some((value) => value);
      button.setAttribute("aria-pressed", String(chart.isDatasetVisible(index)));
      dot.className = `kd-dot kd-dot-${row.name}`;
      button.append(dot, row.label);
      button.addEventListener("click", () => {
        chart.setDatasetVisibility(index, !chart.isDatasetVisible(index));
        button.setAttribute("aria-pressed", String(chart.isDatasetVisible(index)));
        chart.update("none");
      });
      return button;
    }));
  };

  const draw = (canvas, place, data) => {
    const kind = KINDS[canvas.dataset.chart];
    const rows = kind.bars ? stacks(canvas, data) : lines(canvas, data, kind);
    canvas.kdData = data;
    if (!canvas.kdChart) {
      canvas.kdChart = new window.Chart(canvas, {
        type: kind.bars ? "bar" : "line",
        data: { labels: data.at, datasets: rows },
        options: look(canvas, data, kind),
      });
      if (place) legend(canvas.kdChart, place);
      return;
    }
    const chart = canvas.kdChart;
    chart.data.labels = data.at;
    rows.forEach((row, index) => Object.assign(chart.data.datasets[index], row));
    chart.update("none");
    if (place) [...place.children].forEach((button, index) => { button.hidden = !rows[index].data.some((value) => value); });
  };

  const forget = (canvas) => {
    if (canvas.kdChart) canvas.kdChart.destroy();
    canvas.kdChart = null;
  };
  return { draw, forget };
})();
