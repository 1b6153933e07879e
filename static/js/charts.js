// Draws and updates the usage charts. Colours come from the style sheet, so they follow the theme.
window.kdCharts = (() => {
  "use strict";
  const whole = new Intl.NumberFormat();
  const shade = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();
  const ms = (value) => (value >= 1000 ? `${Number((value / 1000).toPrecision(3))} s` : `${Number(value.toPrecision(3))} ms`);
  const QUANTILES = { p50: "--kd-p50", p95: "--kd-p95", p99: "--kd-p99" };

  const span = (data, index) => {
    const { DateTime } = window.luxon;
    const from = DateTime.fromMillis(data.at[index]);
    const to = DateTime.fromMillis(data.at[index + 1] || data.at[index] + data.bar_ms);
    if (data.bar_ms >= 86400000) return from.toLocaleString(DateTime.DATE_MED_WITH_WEEKDAY);
    const end = to.toLocaleString(DateTime.TIME_SIMPLE);
    return `${from.toLocaleString(DateTime.DATETIME_MED)} – ${end}`;
  };

  const look = (canvas, data, options) => ({
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    normalized: true,
    layout: { padding: { right: options.bars ? 0 : 8 } },
    interaction: { mode: "index", intersect: false },
    scales: {
      x: {
        type: "time",
        offset: options.bars,
        stacked: options.bars,
        time: { minUnit: data.bar_ms >= 86400000 ? "day" : data.bar_ms >= 3600000 ? "hour" : "minute" },
        grid: { display: false },
        border: { color: shade(canvas, "--kd-grid") },
        ticks: { color: shade(canvas, "--kd-ink"), maxRotation: 0, autoSkipPadding: 18, font: { size: 11 } },
      },
      y: {
        stacked: options.bars,
        beginAtZero: true,
        suggestedMax: options.bars ? 4 : 10,
        border: { display: false },
        grid: { color: shade(canvas, "--kd-grid") },
        ticks: {
          color: shade(canvas, "--kd-ink"),
          precision: options.bars ? 0 : undefined,
          maxTicksLimit: 6,
          font: { size: 11 },
          callback: (value) => (options.bars || !value ? whole.format(value) : ms(value)),
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
          label: (item) => ` ${item.dataset.label}: ${options.bars ? whole.format(item.raw) : ms(item.raw)}`,
          footer: (items) => {
            if (!options.bars || items.length < 2) return "";
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
  const lines = (canvas, data) => Object.entries(QUANTILES).map(([name, color]) => ({
    label: name,
    name,
    data: data.latency[name],
    borderColor: shade(canvas, color),
    backgroundColor: shade(canvas, color),
    borderWidth: 2,
    pointRadius: data.latency[name].map((value, i, all) =>
      (value !== null && all[i - 1] == null && all[i + 1] == null ? 2.5 : 0)),
    pointHoverRadius: 4,
    cubicInterpolationMode: "monotone",
    clip: 6,
    spanGaps: false,
  }));

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
    const bars = canvas.dataset.chart === "requests";
    const rows = bars ? stacks(canvas, data) : lines(canvas, data);
    canvas.kdData = data;
    if (!canvas.kdChart) {
      canvas.kdChart = new window.Chart(canvas, {
        type: bars ? "bar" : "line",
        data: { labels: data.at, datasets: rows },
        options: look(canvas, data, { bars }),
      });
      legend(canvas.kdChart, place);
      return;
    }
    const chart = canvas.kdChart;
    chart.data.labels = data.at;
    rows.forEach((row, index) => Object.assign(chart.data.datasets[index], row));
    chart.update("none");
    [...place.children].forEach((button, index) => {
      button.hidden = !rows[index].data.some((value) => value);
    });
  };

  const forget = (canvas) => {
    if (canvas.kdChart) canvas.kdChart.destroy();
    canvas.kdChart = null;
  };
  return { draw, forget };
})();
