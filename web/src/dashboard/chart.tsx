// A line over time.

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { shownSpan } from './span';

interface ChartProps {
  label: string;
  /** Seconds since 1970. */
  times: readonly number[];
  values: readonly (number | null)[];
  /** A CSS variable. */
  colour: string;
  show: (value: number) => string;
}

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Canvas knows no `light-dark()`: the browser resolves it on an element. */
function resolved(variable: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color || css(variable);
}

function options(width: number, { label, colour, show }: ChartProps, times: () => readonly number[]): uPlot.Options {
  const line = resolved(colour);
  const [dim, grid] = [resolved('--dim'), resolved('--line')];
  const axis = { stroke: dim, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
  const value = (_: uPlot, v: number | null): string => (v === null ? '–' : show(v));
  return {
    width,
    height: 220,
    padding: [12, 8, 0, 0],
    cursor: { points: { size: 8 } },
    legend: { live: true },
    scales: { x: { range: () => shownSpan(times()) }, y: { range: (_u, _min, max) => [0, Math.max(1, max * 1.15)] } },
    axes: [axis, { ...axis, size: 76, values: (_, ticks) => ticks.map(show) }],
    series: [{ label: 'Time' }, { label, stroke: line, width: 2, fill: line.replace(/^rgb\(/u, 'rgba(').replace(/\)$/u, ', 0.13)'), value, spanGaps: false }],
  };
}

export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const { label, times, values } = props;
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const make = (): void => {
      const { times, values } = latest.current;
      plot.current?.destroy();
      const shown = options(element.clientWidth, latest.current, () => latest.current.times);
      plot.current = new uPlot(shown, [[...times], [...values]], element);
    };
    make();
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', make);
    const size = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: 220 }));
    size.observe(element);
    return () => {
      dark.removeEventListener('change', make);
      size.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => plot.current?.setData([[...times], [...values]]), [times, values]);
  return <div ref={box} class="chart" role="img" aria-label={label} />;
}
