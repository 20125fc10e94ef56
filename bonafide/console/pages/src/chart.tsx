// One chart: lines over time, marks of what operators did, and the same numbers as a table.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { useApp } from "./app.ts";
import { type Zone, clock, moment, short, zoneName } from "./format.ts";
import { highest, latest, thinned } from "./series.ts";

export interface Line {
  label: string;
  /** A colour's name in style.css. */
  tone: string;
  dashed?: boolean;
  values: (number | null)[];
}

interface Props {
  title: string;
  unit: string;
  at: number[];
  step: number;
  lines: Line[];
  marks?: { at: number; label: string }[];
  height?: number;
}

const SYNC = uPlot.sync("time");
const MOST_ROWS = 30;
const NO_MARKS: { at: number; label: string }[] = [];

export function Chart({ title, unit, at, step, lines, marks = NO_MARKS, height = 132 }: Props) {
  const { zone, theme } = useApp();
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const drawn = useRef(marks);
  const [open, setOpen] = useState(false);
  const [pointed, setPointed] = useState<number | null>(null);
  drawn.current = marks;
  const shape = lines.map((line) => `${line.label} ${line.tone}`).join();

  useEffect(() => {
    const host = place.current!;
    const color = (name: string): string => resolved(host, name);
    const muted = color("muted");
    const made = new uPlot(
      {
        width: Math.max(host.clientWidth, 200),
        height,
        legend: { show: false },
        padding: [10, 10, 0, 0],
        cursor: { sync: { key: SYNC.key }, y: false, points: { size: 6 } },
        tzDate: (seconds) => (zone === "utc" ? uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : new Date(seconds * 1000)),
        scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] } },
        axes: [
          {
            stroke: muted, grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: FONT, size: 26, space: 76,
            values: (_plot, ticks, _axis, _space, increment) => ticks.map((tick) => axisTime(tick, increment, zone)),
          },
          {
            stroke: muted, grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: FONT, size: 46, space: 32,
            values: (_plot, ticks) => ticks.map(short),
          },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            label: line.label,
            stroke: color(line.tone),
            width: 1.75,
            ...(line.dashed ? { dash: [5, 4] } : {}),
            points: { show: false },
            spanGaps: false,
          })),
        ],
        hooks: {
          draw: [(self) => drawMarks(self, drawn.current, color("ink"))],
          setCursor: [(self) => setPointed(self.cursor.idx ?? null)],
        },
      },
      [at, ...lines.map((line) => line.values)],
      host,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: Math.max(host.clientWidth, 200), height }));
    watch.observe(host);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, zone, theme, height]);

  useEffect(() => plot.current?.setData([at, ...lines.map((line) => line.values)]), [at, lines, marks]);

  const name = zoneName(zone, at[0] ?? 0);
  return (
    <figure class={lines.length ? "chart" : "chart without"}>
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="unit">{unit}{pointed !== null && at[pointed] !== undefined && <> at {clock(at[pointed], zone)} {name}</>}</span>
        {lines.length === 0 && <span class="key">left out by the outcome that the view is narrowed to</span>}
        {lines.map((line) => (
          <span class="key" key={line.label}>
            <i class={`swatch ${line.tone}${line.dashed ? " dashed" : ""}`} />
            {line.label} <b>{said(pointed === null ? latest(line.values, step) : (line.values[pointed] ?? null))}</b>
          </span>
        ))}
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={sentence(title, unit, at, lines, (t) => `${clock(t, zone)} ${name}`)} />
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>As a table</summary>
        {open && (
          <div class="scroll" tabIndex={0} role="region" aria-label={`${title}, as a table`}>
            <table>
              <thead>
                <tr>
                  <th scope="col">From ({name})</th>
                  {lines.map((line) => <th scope="col" class="number" key={line.label}>{line.label}, {unit}</th>)}
                </tr>
              </thead>
              <tbody>
                {thinned(at, lines.map((line) => line.values), MOST_ROWS).reverse().map((row) => (
                  <tr key={row.at}>
                    <th scope="row">{moment(row.at, zone)}</th>
                    {row.values.map((value, index) => <td class="number" key={index}>{said(value)}</td>)}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </details>
    </figure>
  );
}

const FONT = "11px system-ui, sans-serif";
const said = (value: number | null): string => (value === null ? "–" : short(value));

// 24 hours, and the day where days are the steps: the same in every locale.
function axisTime(at: number, increment: number, zone: Zone): string {
  const ahead = zone === "utc" ? 0 : new Date(at * 1000).getTimezoneOffset() * 60;
  const text = new Date((at - ahead) * 1000).toISOString();
  if (increment >= 86_400) return `${text.slice(8, 10)}.${text.slice(5, 7)}.`;
  return text.slice(11, increment < 60 ? 19 : 16);
}

function drawMarks(plot: uPlot, marks: readonly { at: number; label: string }[], color: string): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = color;
  ctx.lineWidth = scale;
  ctx.font = `${10 * scale}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.setLineDash([2 * scale, 3 * scale]);
  let beside = -Infinity;
  let level = 0;
  for (const mark of marks) {
    const x = plot.valToPos(mark.at, "x", true);
    level = Math.abs(x - beside) < 14 * scale ? level + 1 : 0; // labels that would meet stand below each other
    beside = x;
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillText(mark.label, x + 3 * scale, bbox.top + (9 + 11 * level) * scale);
  }
  ctx.restore();
}

/** A colour of style.css as the canvas understands it, in the theme of this moment. */
function resolved(host: HTMLElement, name: string): string {
  const probe = document.createElement("i");
  probe.className = `probe ${name}`;
  host.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

function sentence(title: string, unit: string, at: number[], lines: Line[], time: (at: number) => string): string {
  if (!at.length) return `${title}: nothing to draw.`;
  const parts = lines.map((line) => {
    const top = highest(line.values);
    return top ? `${line.label} at most ${said(top.value)} at ${time(at[top.index]!)}` : `${line.label} unknown`;
  });
  return `${title}, ${unit}, ${time(at[0]!)} to ${time(at[at.length - 1]!)}: ${parts.join("; ")}.`;
}
